"""Clock (class 8): local time, its deviation to UTC, and daylight saving."""

from __future__ import annotations

from typing import NamedTuple

from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import (
    OpenEnum,
    boolean,
    date_time_octets,
    enum,
    flags,
    integer,
    long,
    structure,
    trigger,
    unsigned,
)
from cosem.times import ClockStatus, CosemDateTime


class ClockBase(OpenEnum):
    """Where the clock takes its time from."""

    NOT_DEFINED = 0
    INTERNAL_CRYSTAL = 1
    MAINS_FREQUENCY_50_HZ = 2
    MAINS_FREQUENCY_60_HZ = 3
    GPS = 4
    RADIO_CONTROLLED = 5


class PresetTime(NamedTuple):
    """A time to be set by adjust_to_preset_time, if that comes within the interval."""

    preset_time: CosemDateTime
    validity_interval_start: CosemDateTime
    validity_interval_end: CosemDateTime


class Clock(InterfaceClass[S], class_id=8, version=0):
    """Keeps local time (Blue Book ed. 9, 4.5.1). time_zone is the deviation of local normal time to UTC in minutes.

    Meters differ in the sign of time_zone and of the deviation inside `time`; here they are shown as they came.
    """

    time = attribute(2, date_time_octets, "local date and time")
    time_zone = attribute(3, long, "minutes, deviation of local normal time to GMT", static=True)
    status = attribute(4, flags(ClockStatus, unsigned), "status of the clock, as in date-time")
    daylight_savings_begin = attribute(5, date_time_octets, "local time when summer time begins", static=True)
    daylight_savings_end = attribute(6, date_time_octets, "local time when summer time ends", static=True)
    daylight_savings_deviation = attribute(7, integer, "minutes, -120 to 120", static=True)
    daylight_savings_enabled = attribute(8, boolean, "whether summer time is kept", static=True)
    clock_base = attribute(9, enum(ClockBase), "source of the time", static=True)

    adjust_to_quarter = method(1, trigger, "sets the time to the nearest quarter of an hour", sn_offset=0x60)
    adjust_to_measuring_period = method(2, trigger, "sets the time to the nearest measuring period", sn_offset=0x68)
    adjust_to_minute = method(3, trigger, "sets the time to the nearest minute", sn_offset=0x70)
    adjust_to_preset_time = method(4, trigger, "sets the time given by preset_adjusting_time", sn_offset=0x78)
    preset_adjusting_time = method(
        5,
        structure(
            PresetTime,
            preset_time=date_time_octets,
            validity_interval_start=date_time_octets,
            validity_interval_end=date_time_octets,
        ),
        "gives a time to be set later",
        sn_offset=0x80,
    )
    shift_time = method(6, long, "shifts the time by -900 to 900 seconds", sn_offset=0x88)
