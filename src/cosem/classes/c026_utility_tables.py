"""Utility tables (class 26): a table of ANSI C12.19 inside COSEM."""
# ruff: noqa: N815 - attributes and fields are spelled as the standard spells them

from __future__ import annotations

from typing import NamedTuple

from cosem.classes.model import InterfaceClass, S, Selector, attribute
from cosem.classes.types import array, double_long_unsigned, long_unsigned, octet_string, structure


class OffsetAccess(NamedTuple):
    """Part of a table: octets from the first one, and how many; a count of 0 means the rest."""

    offset: int
    count: int  # type: ignore[assignment]  # the standard's name, also a method of tuple


class IndexAccess(NamedTuple):
    """Part of a table: the index of the first element, level by level, and how many elements."""

    index: tuple[int, ...]  # type: ignore[assignment]  # the standard's name, also a method of tuple
    count: int  # type: ignore[assignment]  # the standard's name, also a method of tuple


offset_access = Selector(
    1,
    "offset_access",
    structure(OffsetAccess, offset=double_long_unsigned, count=long_unsigned),
    "octets of the table from an offset",
)
index_access = Selector(
    2,
    "index_access",
    structure(IndexAccess, index=array(long_unsigned), count=long_unsigned),
    "elements of the table from an index",
)


class UtilityTables(InterfaceClass[S], class_id=26, version=0):
    """One table of ANSI C12.19 (Blue Book ed. 9, 4.3.7). Whether length and buffer are static is not verified."""

    table_ID = attribute(2, long_unsigned, "number of the table", static=True)
    length = attribute(3, double_long_unsigned, "octets of the table", static=True)
    buffer = attribute(4, octet_string(), "contents of the table", selectors=(offset_access, index_access))
