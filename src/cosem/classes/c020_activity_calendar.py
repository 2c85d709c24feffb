"""Activity calendar (class 20): scripts by season, week and day, for example tariffs."""

from __future__ import annotations

from typing import NamedTuple

from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import (
    array,
    date_time_octets,
    logical_name,
    long_unsigned,
    octet_string,
    structure,
    time_octets,
    trigger,
    unsigned,
)
from cosem.obis import Obis
from cosem.times import CosemDateTime, CosemTime


class Season(NamedTuple):
    """From `season_start` on, which may have wildcards, weeks are as `week_name` says."""

    season_profile_name: bytes
    season_start: CosemDateTime
    week_name: bytes


class WeekProfile(NamedTuple):
    """The day_id of each day of a week."""

    week_profile_name: bytes
    monday: int
    tuesday: int
    wednesday: int
    thursday: int
    friday: int
    saturday: int
    sunday: int


class DayAction(NamedTuple):
    """A script that is executed at a time of the day."""

    start_time: CosemTime
    script_logical_name: Obis
    script_selector: int


class DayProfile(NamedTuple):
    """The scripts of a day."""

    day_id: int
    day_schedule: tuple[DayAction, ...]


seasons = array(
    structure(Season, season_profile_name=octet_string(), season_start=date_time_octets, week_name=octet_string())
)
week_profiles = array(
    structure(
        WeekProfile,
        week_profile_name=octet_string(),
        monday=unsigned,
        tuesday=unsigned,
        wednesday=unsigned,
        thursday=unsigned,
        friday=unsigned,
        saturday=unsigned,
        sunday=unsigned,
    )
)
day_profiles = array(
    structure(
        DayProfile,
        day_id=unsigned,
        day_schedule=array(
            structure(
                DayAction, start_time=time_octets, script_logical_name=logical_name, script_selector=long_unsigned
            )
        ),
    )
)


class ActivityCalendar(InterfaceClass[S], class_id=20, version=0):
    """Executes scripts by the active calendar; the passive one replaces it at a given time (Blue Book ed. 9, 4.5.5).

    Special days take precedence over the weekday's profile.
    """

    calendar_name_active = attribute(2, octet_string(), "name of the active calendar", static=True)
    season_profile_active = attribute(3, seasons, "seasons of the active calendar", static=True, default=())
    week_profile_table_active = attribute(4, week_profiles, "weeks of the active calendar", static=True, default=())
    day_profile_table_active = attribute(5, day_profiles, "days of the active calendar", static=True, default=())
    calendar_name_passive = attribute(6, octet_string(), "name of the passive calendar", static=True)
    season_profile_passive = attribute(7, seasons, "seasons of the passive calendar", static=True, default=())
    week_profile_table_passive = attribute(8, week_profiles, "weeks of the passive calendar", static=True, default=())
    day_profile_table_passive = attribute(9, day_profiles, "days of the passive calendar", static=True, default=())
    activate_passive_calendar_time = attribute(
        10, date_time_octets, "when the passive calendar becomes the active one", static=True
    )

    activate_passive_calendar = method(1, trigger, "makes the passive calendar the active one now", sn_offset=0x50)
