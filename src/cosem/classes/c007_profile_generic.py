"""Profile generic (class 7): rows of captured attributes, for example a load profile."""

from __future__ import annotations

from typing import Final, NamedTuple

from cosem.classes.common import CaptureObject, capture_object
from cosem.classes.model import InterfaceClass, S, Selection, Selector, attribute, method, reserved
from cosem.classes.types import (
    OpenEnum,
    RowsType,
    Simple,
    array,
    double_long_unsigned,
    enum,
    long_unsigned,
    simple,
    structure,
    trigger,
)
from cosem.obis import Obis
from cosem.times import CosemDateTime


class SortMethod(OpenEnum):
    """How the rows are ordered, and so which one is lost when the buffer is full."""

    FIFO = 1
    LIFO = 2
    LARGEST = 3
    SMALLEST = 4
    NEAREST_TO_ZERO = 5
    FARTHEST_FROM_ZERO = 6


class RangeDescriptor(NamedTuple):
    """Rows whose `restricting_object` lies within `from_value` and `to_value`; no `selected_values` means all."""

    restricting_object: CaptureObject
    from_value: Simple
    to_value: Simple
    selected_values: tuple[CaptureObject, ...] = ()


class EntryDescriptor(NamedTuple):
    """Rows and columns by number from 1; a last one of 0 means the highest there is."""

    from_entry: int
    to_entry: int = 0
    from_selected_value: int = 1
    to_selected_value: int = 0


CLOCK_TIME: Final = CaptureObject(8, Obis(b"\x00\x00\x01\x00\x00\xff"), 2)
"""The time of the clock 0-0:1.0.0, by which most profiles are restricted."""

range_descriptor = Selector(
    1,
    "range_descriptor",
    structure(
        RangeDescriptor,
        restricting_object=capture_object,
        from_value=simple,
        to_value=simple,
        selected_values=array(capture_object),
    ),
    "rows within a range of one column",
)
entry_descriptor = Selector(
    2,
    "entry_descriptor",
    structure(
        EntryDescriptor,
        from_entry=double_long_unsigned,
        to_entry=double_long_unsigned,
        from_selected_value=long_unsigned,
        to_selected_value=long_unsigned,
    ),
    "rows and columns by number",
)
rows = RowsType("choice{array[structure{captured values, any type}], compact-array}")


def by_time(
    start: CosemDateTime,
    end: CosemDateTime,
    columns: tuple[CaptureObject, ...] = (),
    *,
    restricting: CaptureObject = CLOCK_TIME,
) -> Selection:
    """Return the selection of the rows from `start` to `end`, both included, all columns unless some are named.

    The times go out as octet-strings, the type that a clock's time has.
    """
    return range_descriptor(RangeDescriptor(restricting, start.to_octets(), end.to_octets(), columns))


def by_entry(first: int, last: int = 0, first_column: int = 1, last_column: int = 0) -> Selection:
    """Return the selection of rows `first` to `last` by number from 1; a last one of 0 means the highest there is."""
    return entry_descriptor(EntryDescriptor(first, last, first_column, last_column))


class ProfileGenericV0(InterfaceClass[S], class_id=7, version=0, name="Profile generic", verified=False):
    """Buffers rows of captured attributes; ranges are had by methods 3 and 4.

    The layout of the attributes is taken from version 1; whether data_index was there already is not verified.
    """

    buffer = attribute(2, rows, "the rows", selectors=(range_descriptor, entry_descriptor), default=())
    capture_objects = attribute(3, array(capture_object), "the columns", static=True, default=())
    capture_period = attribute(4, double_long_unsigned, "seconds, 0 = no automatic capture", static=True, default=0)
    sort_method = attribute(5, enum(SortMethod), "order of the rows", static=True, default=SortMethod.FIFO)
    sort_object = attribute(
        6, capture_object, "the column that orders the rows; class_id 0 when sort_method is fifo or lifo", static=True
    )
    entries_in_use = attribute(7, double_long_unsigned, "rows in the buffer", default=0)
    profile_entries = attribute(8, double_long_unsigned, "rows the buffer can hold", static=True, default=1)

    reset = method(1, trigger, "empties the buffer", sn_offset=0x58)
    capture = method(2, trigger, "captures a row now", sn_offset=0x60)
    get_buffer_by_range = method(3, range_descriptor.type, "returns rows within a range", returns=rows, sn_offset=0x68)
    get_buffer_by_index = method(4, entry_descriptor.type, "returns rows by number", returns=rows, sn_offset=0x70)


class ProfileGeneric(ProfileGenericV0[S], class_id=7, version=1):
    """Buffers rows of captured attributes (Blue Book ed. 9, 4.3.6). Changing the columns, or reset, empties it."""

    reserved_3 = reserved(3)
    reserved_4 = reserved(4)
