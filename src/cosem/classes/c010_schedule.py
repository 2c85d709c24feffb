"""Schedule (class 10): scripts that are executed at times of the week."""
# ruff: noqa: N815 - fields are spelled as the standard spells them

from __future__ import annotations

from enum import IntFlag
from typing import NamedTuple

from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import (
    array,
    bit_string,
    boolean,
    date_octets,
    flags,
    logical_name,
    long_unsigned,
    structure,
    time_octets,
)
from cosem.obis import Obis
from cosem.times import CosemDate, CosemTime


class Weekdays(IntFlag):
    """Days of the week; Monday is the leftmost bit."""

    MONDAY = 0x01
    TUESDAY = 0x02
    WEDNESDAY = 0x04
    THURSDAY = 0x08
    FRIDAY = 0x10
    SATURDAY = 0x20
    SUNDAY = 0x40


class ScheduleEntry(NamedTuple):
    """One entry: a script and the times when it is executed.

    `validity_window` is in minutes: how late the script is still executed when power was off; FFFFh = any time later.
    `exec_specdays` has a bit per day_id of the special days table.
    """

    index: int  # type: ignore[assignment]  # the standard's name, also a method of tuple
    enable: bool
    script_logical_name: Obis
    script_selector: int
    switch_time: CosemTime
    validity_window: int
    exec_weekdays: Weekdays
    exec_specdays: str
    begin_date: CosemDate
    end_date: CosemDate


class EntryRanges(NamedTuple):
    """Range A is disabled, then range B enabled; an index of 0 stands for no range."""

    firstIndexA: int
    lastIndexA: int
    firstIndexB: int
    lastIndexB: int


class EntryRange(NamedTuple):
    """Entries by their index, both ends included."""

    firstIndex: int
    lastIndex: int


schedule_entry = structure(
    ScheduleEntry,
    index=long_unsigned,
    enable=boolean,
    script_logical_name=logical_name,
    script_selector=long_unsigned,
    switch_time=time_octets,
    validity_window=long_unsigned,
    exec_weekdays=flags(Weekdays, bit_string(7)),
    exec_specdays=bit_string(),
    begin_date=date_octets,
    end_date=date_octets,
)


class Schedule(InterfaceClass[S], class_id=10, version=0):
    """Executes scripts by time of day, weekday and special day (Blue Book ed. 9, 4.5.3).

    That enable_disable is optional is not verified.
    """

    entries = attribute(2, array(schedule_entry), "the entries", static=True, default=())

    enable_disable = method(
        1,
        structure(
            EntryRanges,
            firstIndexA=long_unsigned,
            lastIndexA=long_unsigned,
            firstIndexB=long_unsigned,
            lastIndexB=long_unsigned,
        ),
        "disables one range of entries and enables another",
        sn_offset=0x20,
    )
    insert = method(2, schedule_entry, "adds an entry, or replaces that of the same index", sn_offset=0x28)
    delete = method(
        3,
        structure(EntryRange, firstIndex=long_unsigned, lastIndex=long_unsigned),
        "deletes a range of entries",
        sn_offset=0x30,
    )
