"""Activity calendars (class 20) and special days (class 11) as one thing that people write down, read and set."""

from __future__ import annotations

import tomllib
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from cosem.association.steps import Step
from cosem.classes.c011_special_days_table import SpecialDay, SpecialDaysTable
from cosem.classes.c020_activity_calendar import ActivityCalendar, DayAction, DayProfile, Season, WeekProfile
from cosem.client.core import Core
from cosem.codec import axdr
from cosem.errors import AccessError, ConfigError
from cosem.obis import Obis
from cosem.times import CosemDate, CosemDateTime, CosemTime

ACTIVITY_CALENDAR: Final = Obis.parse("0-0:13.0.0.255")
SPECIAL_DAYS: Final = Obis.parse("0-0:11.0.0.255")
TARIFF_SCRIPTS: Final = Obis.parse("0-0:10.0.100.255")
NEVER: Final = CosemDateTime()
_ACTIVE, _PASSIVE = 2, 6
_MIDNIGHT: Final = CosemTime(0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Calendar:
    """Which script holds when. `special_days` of None leaves those of the meter as they are.

    In a file, dates are as ``*-10-01`` and times as ``06:00``; days are tables of a time and the number of the script:

        name = "two tariffs"
        scripts = "0-0:10.0.100.255"
        season = [{name = "year", start = "*-01-01", week = "week"}]
        week = [{name = "week", days = [1, 1, 1, 1, 1, 2, 2]}]
        special_day = [{date = "*-12-25", day = 2}]
        [day]
        1 = {"00:00" = 2, "06:00" = 1, "22:00" = 2}
        2 = {"00:00" = 2}
    """

    name: bytes
    seasons: tuple[Season, ...]
    weeks: tuple[WeekProfile, ...]
    days: tuple[DayProfile, ...]
    special_days: tuple[SpecialDay, ...] | None = None

    @classmethod
    def from_toml(cls, text: str) -> Calendar:
        """Read a calendar that was written down. Raises `ConfigError`, also where weeks or days are missing."""
        try:
            given = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"the calendar is no TOML: {error}") from None
        try:
            calendar = cls._made(given)
        except KeyError as error:
            raise ConfigError(f"something in the calendar has no {error}") from None
        except (TypeError, ValueError, AttributeError) as error:
            raise ConfigError(f"the calendar is not understood: {error!r}") from None
        calendar.check()
        return calendar

    @classmethod
    def _made(cls, given: Mapping[str, Any]) -> Calendar:
        unknown = set(given) - {"name", "scripts", "season", "week", "day", "special_day"}
        if unknown:
            raise ConfigError(f"a calendar has no {min(unknown)!r}")
        scripts = Obis.parse(given.get("scripts", str(TARIFF_SCRIPTS)))
        special = given.get("special_day")
        return cls(
            _octets(given["name"]),
            tuple(
                Season(
                    _octets(item["name"]),
                    CosemDateTime(*_date(item, "start"), *_MIDNIGHT),
                    _octets(item["week"]),
                )
                for item in given["season"]
            ),
            tuple(WeekProfile(_octets(item["name"]), *item["days"]) for item in given["week"]),
            tuple(
                DayProfile(
                    int(number),
                    tuple(DayAction(CosemTime.parse(at), scripts, script) for at, script in sorted(actions.items())),
                )
                for number, actions in given["day"].items()
            ),
            None
            if special is None
            else tuple(
                SpecialDay(item.get("index", number), _date(item, "date"), item["day"])
                for number, item in enumerate(special, 1)
            ),
        )

    def check(self) -> None:
        """Raise `ConfigError` where a season names no week, a week no day, or a special day none."""
        weeks = {week.week_profile_name for week in self.weeks}
        days = {day.day_id for day in self.days}
        if not self.seasons:
            raise ConfigError("the calendar has no season")
        for season in self.seasons:
            if season.week_name not in weeks:
                raise ConfigError(f"season {_text(season.season_profile_name)} names a week that is not there")
        for week in self.weeks:
            if missing := set(week[1:]) - days:
                raise ConfigError(f"week {_text(week.week_profile_name)} names day {missing.pop()}, which is not there")
        for special in self.special_days or ():
            if special.day_id not in days:
                raise ConfigError(f"special day {special.index} names day {special.day_id}, which is not there")

    def to_toml(self) -> str:
        """Write the calendar down, as `from_toml` reads it where one script table serves it all."""
        tables = {action.script_logical_name for day in self.days for action in day.day_schedule}
        lines = [f'name = "{_text(self.name)}"']
        lines += [f'scripts = "{table}"' for table in sorted(tables)]
        for season in self.seasons:
            lines += ["", "[[season]]", f'name = "{_text(season.season_profile_name)}"']
            lines += _written("start", season.season_start.date)
            lines.append(f'week = "{_text(season.week_name)}"')
        for week in self.weeks:
            lines += ["", "[[week]]", f'name = "{_text(week.week_profile_name)}"', f"days = {list(week[1:])}"]
        for special in self.special_days or ():
            lines += ["", "[[special_day]]", f"index = {special.index}"]
            lines += [*_written("date", special.specialday_date), f"day = {special.day_id}"]
        for day in self.days:
            lines += ["", f"[day.{day.day_id}]"]
            lines += [f'"{action.start_time.isoformat()}" = {action.script_selector}' for action in day.day_schedule]
        return "\n".join(lines) + "\n"


def _text(octets: bytes) -> str:
    """Return a name for people and TOML: as text where it is some, else its octets."""
    text = octets.decode("ascii", "replace")
    return text if text.isprintable() and not {'"', "\\", "\ufffd"} & set(text) else f"0x{octets.hex()}"


def _octets(text: str) -> bytes:
    return bytes.fromhex(text[2:]) if text.startswith("0x") else text.encode()


def _date(item: Mapping[str, Any], key: str) -> CosemDate:
    """Return a date; the weekday stands apart, as in "the last Sunday of October"."""
    day = CosemDate.parse(item[key])
    return day._replace(weekday=item["weekday"]) if "weekday" in item else day


def _written(key: str, day: CosemDate) -> list[str]:
    text = f'{key} = "{day.isoformat()}"'
    apart = day.weekday is not None and CosemDate.parse(day.isoformat()).weekday != day.weekday
    return [text, f"weekday = {day.weekday}"] if apart else [text]


def read_calendar(core: Core, *, passive: bool = False) -> Generator[Step, Any, Calendar]:
    """Read the active or the passive calendar, with the special days where the meter has some to read."""
    first = _PASSIVE if passive else _ACTIVE
    parts = yield from core.read_many([(20, ACTIVITY_CALENDAR, first + offset) for offset in range(4)])
    values = []
    for offset, part in enumerate(parts):
        if isinstance(part, AccessError):
            raise part
        values.append(ActivityCalendar.attributes[first + offset].type.from_data(part))
    name, seasons, weeks, days = values
    try:
        data = yield from core.get_data(11, SPECIAL_DAYS, 2)
    except AccessError:
        return Calendar(name, seasons, weeks, days)
    return Calendar(name, seasons, weeks, days, SpecialDaysTable.attributes[2].type.from_data(data))


def set_calendar(
    core: Core, calendar: Calendar, at: datetime | CosemDateTime | None = None
) -> Generator[Step, Any, None]:
    """Write the passive calendar and special days, and let it be activated: now, `at` a time, or not (`NEVER`).

    Raises `ConfigError` before anything is sent, `AccessError` where the meter says no; what it said yes to before
    that is in the passive calendar only.
    """
    calendar.check()
    kinds = ActivityCalendar.attributes
    parts = (calendar.name, calendar.seasons, calendar.weeks, calendar.days)
    passive = [kinds[number].type.to_data(part) for number, part in enumerate(parts, _PASSIVE)]
    special = SpecialDaysTable.attributes[2].type.to_data(calendar.special_days or ())
    # No earlier time may activate what is half written.
    yield from core.set_data(20, ACTIVITY_CALENDAR, 10, kinds[10].type.to_data(NEVER))
    for number, data in enumerate(passive, _PASSIVE):
        yield from core.set_data(20, ACTIVITY_CALENDAR, number, data)
    if calendar.special_days is not None:
        yield from core.set_data(11, SPECIAL_DAYS, 2, special)
    if at is None:
        yield from core.call_data(20, ACTIVITY_CALENDAR, 1, axdr.integer(0))
    elif at != NEVER:
        moment = at if isinstance(at, CosemDateTime) else CosemDateTime.from_datetime(at)
        yield from core.set_data(20, ACTIVITY_CALENDAR, 10, kinds[10].type.to_data(moment))
