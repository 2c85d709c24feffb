"""Array manager (class 123): reads and changes single entries of arrays in other objects."""

from __future__ import annotations

from typing import Any, NamedTuple

from cosem.classes.common import AttributeReference, attribute_reference
from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import any_data, array, long_unsigned, structure, unsigned


class ArrayObject(NamedTuple):
    """An array and the number it goes by."""

    array_object_id: int
    array_object: AttributeReference


class EntryRange(NamedTuple):
    """Entries by number from 1, both included."""

    from_entry: int
    to_entry: int


class ArrayRange(NamedTuple):
    """Some entries of an array."""

    array_object_id: int
    range: EntryRange


class ArrayEntry(NamedTuple):
    """One entry, as `Data` where it is no simple type, and its place."""

    array_object_id: int
    position: int
    entry: Any


_range = structure(
    ArrayRange,
    array_object_id=unsigned,
    range=structure(EntryRange, from_entry=long_unsigned, to_entry=long_unsigned),
)
_entry = structure(ArrayEntry, array_object_id=unsigned, position=long_unsigned, entry=any_data)


class ArrayManager(InterfaceClass[S], class_id=123, version=0):
    """Entries of arrays, without writing the whole array (Blue Book ed. 14).

    The layout of what the first two methods return is not verified (any type here).
    """

    array_object_list = attribute(
        2,
        array(structure(ArrayObject, array_object_id=unsigned, array_object=attribute_reference)),
        "the arrays",
        static=True,
        default=(),
    )

    retrieve_number_of_entries = method(
        1, unsigned, "returns the number of entries of an array", returns=any_data, optional=False, sn_offset=0x20
    )
    retrieve_entries = method(2, _range, "returns entries", returns=any_data, optional=False, sn_offset=0x28)
    insert_entry = method(3, _entry, "inserts an entry", sn_offset=0x30)
    update_entry = method(4, _entry, "replaces an entry", sn_offset=0x38)
    remove_entries = method(5, _range, "removes entries", sn_offset=0x40)
