"""Special days table (class 11): days that are not treated as their weekday."""

from __future__ import annotations

from typing import NamedTuple

from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import array, date_octets, long_unsigned, structure, unsigned
from cosem.times import CosemDate


class SpecialDay(NamedTuple):
    """A date, which may have wildcards, and the day profile that replaces the usual one."""

    index: int  # type: ignore[assignment]  # the standard's name, also a method of tuple
    specialday_date: CosemDate
    day_id: int


special_day = structure(SpecialDay, index=long_unsigned, specialday_date=date_octets, day_id=unsigned)


class SpecialDaysTable(InterfaceClass[S], class_id=11, version=0):
    """Dates on which schedules and activity calendars do something else (Blue Book ed. 9, 4.5.4)."""

    entries = attribute(2, array(special_day), "the special days", static=True, default=())

    insert = method(1, special_day, "adds an entry, or replaces that of the same index", sn_offset=0x10)
    delete = method(2, long_unsigned, "deletes the entry of that index", sn_offset=0x18)
