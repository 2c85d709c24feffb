"""Behaviour of activity calendars (class 20): the script that holds by season, weekday, special day and time of day."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from cosem.classes.c020_activity_calendar import ActivityCalendar, DayProfile, Season, WeekProfile
from cosem.classes.common import ActionItem
from cosem.codec.axdr import Data
from cosem.device.agenda import ACTIVITY, Agenda, Due, Entry
from cosem.device.causes import Cause
from cosem.device.errors import Refused
from cosem.device.host import Host, Origin
from cosem.device.moments import HORIZON, at_second, fits, is_time, seconds_of, usable
from cosem.device.scripts import ScriptTables
from cosem.device.special_days import SpecialDaysBehaviour
from cosem.errors import ConfigError, DecodeError
from cosem.obis import obis
from cosem.results import ActionResult, DataAccessResult
from cosem.times import CosemDateTime

MAX_ELEMENTS = 256
"""Of any table of a calendar: a day_id has one octet. Bounds what a client can make a meter hold."""
_ACTIVATION = -1
_YEAR = 366


class Tables(NamedTuple):
    """The four attributes that make a calendar."""

    name: bytes = b""
    seasons: tuple[Season, ...] = ()
    weeks: tuple[WeekProfile, ...] = ()
    days: tuple[DayProfile, ...] = ()

    @property
    def consistent(self) -> bool:
        """Whether there is a week for every season and a day for every weekday, each name given once."""
        weeks = {week.week_profile_name for week in self.weeks}
        days = {day.day_id for day in self.days}
        return (
            bool(self.seasons)
            and len(weeks) == len(self.weeks)
            and len(days) == len(self.days)
            and len({season.season_profile_name for season in self.seasons}) == len(self.seasons)
            and all(season.week_name in weeks for season in self.seasons)
            and all(day_id in days for week in self.weeks for day_id in week[1:])
        )


class InForce(NamedTuple):
    """A script, and since when (UTC by the meter's clock) it holds."""

    since: int
    script: ActionItem


class ActivityCalendarBehaviour:
    """One activity calendar. Raises `ConfigError` for a calendar that names weeks or days which it does not have.

    The last entry that has begun holds, into the next day where that begins with none. Its script is run as a remote
    command is when it begins; late, after an outage or a new time, only the one that holds then. While the clock is
    invalid `default` holds. `past_activates`: an activation time in the past activates at once.
    """

    rank = ACTIVITY

    def __init__(
        self,
        host: Host,
        agenda: Agenda,
        scripts: ScriptTables,
        name: str,
        tables: Tables,
        special_days: SpecialDaysBehaviour | None = None,
        *,
        default: ActionItem | None = None,
        past_activates: bool = True,
    ) -> None:
        if not tables.consistent:
            raise ConfigError("the calendar names a week or a day that it does not have")
        self._host = host
        self._agenda = agenda
        self._scripts = scripts
        self._special_days = special_days
        self.default = default
        self.past_activates = past_activates
        self._active = tables
        self._activation: int | None = None
        self._done: InForce | None = None
        self._plans: dict[date, list[tuple[int, ActionItem]]] = {}
        both: dict[str, Any] = {f"{field}_active": value for field, value in zip(_FIELDS, tables, strict=True)}
        both |= {f"{field}_passive": value for field, value in zip(_FIELDS, tables, strict=True)}
        self.object = host.add(ActivityCalendar(obis(name), activate_passive_calendar_time=CosemDateTime(), **both))
        host.handle(self.object, 1, lambda parameter: self.activate())
        denied = dict.fromkeys(range(2, 6), _denied)
        passive = {number: self._passive_writer(number) for number in range(6, 10)}
        host.writers(self.object, denied | passive | {10: self._write_activation})
        if special_days is not None:
            special_days.on_change.append(self._special_days_changed)
        agenda.add(self)
        self.settle()

    # --- being set up --------------------------------------------------------------------------------------

    @property
    def passive(self) -> Tables:
        """The calendar that waits to be activated."""
        return Tables(*(getattr(self.object, f"{field}_passive") for field in _FIELDS))

    def _passive_writer(self, number: int) -> Any:
        kind = ActivityCalendar.attributes[number].type

        def write(value: Data) -> DataAccessResult:
            items: Any = kind.from_data(value)
            if number != 6 and (len(items) > MAX_ELEMENTS or not all(map(_fits, items))):
                return DataAccessResult.OTHER_REASON
            store: Any = self.object.store
            store.values[number] = value
            self._host.note(Cause.CALENDAR_WRITTEN)
            return DataAccessResult.SUCCESS

        return write

    def _write_activation(self, value: Data) -> DataAccessResult:
        """Take the time of activation; one that specifies nothing is never."""
        moment: CosemDateTime = ActivityCalendar.attributes[10].type.from_data(value)
        at = None
        if any(field is not None for field in moment[:8]):
            try:
                at = self._host.clock.utc(moment)
            except DecodeError:
                return DataAccessResult.OTHER_REASON
        store: Any = self.object.store
        before = store.values[10], self._activation
        store.values[10], self._activation = value, at
        if at is not None and at <= self._host.clock.now:
            self._activation = None
            if self.past_activates:
                try:
                    self.activate()
                except Refused:
                    # What was refused has not been written: the activation that was planned is planned still.
                    store.values[10], self._activation = before
                    raise
        self._agenda.changed()
        return DataAccessResult.SUCCESS

    def activate(self) -> None:
        """Make the passive calendar the active one, in one step. Raises `Refused` where it does not fit together."""
        tables = self.passive
        if not tables.consistent:
            raise Refused(ActionResult.OTHER_REASON)
        store: Any = self.object.store
        for number in range(2, 6):
            store.values[number] = store.values[number + 4]
        self._active = tables
        self._plans.clear()
        self._host.note(Cause.TARIFF_ACTIVATED)
        self._agenda.changed()
        self._done = None
        self.settle()

    def _special_days_changed(self) -> None:
        self._plans.clear()
        self._agenda.changed()
        self.settle()

    # --- what holds ----------------------------------------------------------------------------------------

    def season(self, day: date) -> Season | None:
        """Return the season of a day: that which began last."""
        began = [(start, season) for season in self._active.seasons if (start := _last_start(season, day)) is not None]
        return max(began, key=lambda item: item[0])[1] if began else None

    def plan(self, day: date) -> list[tuple[int, ActionItem]]:
        """Return the scripts of a day with their second, in order."""
        found = self._plans.get(day)
        if found is None:
            if len(self._plans) > 2 * HORIZON:
                self._plans.clear()
            found = self._plans[day] = self._planned(day)
        return found

    def _planned(self, day: date) -> list[tuple[int, ActionItem]]:
        days = {profile.day_id: profile for profile in self._active.days}
        profile = days.get(-1 if (special := self._day_id(day)) is None else special)
        if profile is None:
            # No special day, or one of another calendar.
            season = self.season(day)
            weeks = {week.week_profile_name: week for week in self._active.weeks}
            if season is None:
                return []
            profile = days[int(weeks[season.week_name][day.isoweekday()])]
        actions = [(seconds_of(a.start_time), ActionItem(*a[1:])) for a in profile.day_schedule]
        return sorted(actions, key=lambda action: action[0])

    def _day_id(self, day: date) -> int | None:
        return None if self._special_days is None else self._special_days.day_id(day)

    def in_force(self) -> InForce | None:
        """Return what holds now, None before the first season begins."""
        clock = self._host.clock
        now = clock.now
        day = clock.local(now).date()
        for _ in range(HORIZON):
            for second, script in reversed(self.plan(day)):
                since = clock.moments(at_second(day, second))[0]
                if since <= now:
                    return InForce(since, script)
            day -= timedelta(days=1)
        return None

    def settle(self) -> None:
        """Run the script that holds now, unless it was the last one that was run."""
        clock = self._host.clock
        if self._activation is not None and self._activation <= clock.now:
            self._reach_activation()
            return
        holds = self.in_force()
        if clock.invalid and self.default is not None:
            holds = InForce(0, self.default)
        if holds is not None and holds != self._done:
            self._done = holds
            self._scripts.run(holds.script, Origin.REMOTE)

    def _reach_activation(self) -> None:
        self._activation = None
        try:
            self.activate()
        except Refused:
            # Nobody is there to be told; the active calendar goes on.
            self.settle()

    # --- on the agenda -------------------------------------------------------------------------------------

    def on_day(self, day: date) -> Iterable[Entry]:
        """Return when scripts begin on a day, and when the passive calendar is activated."""
        clock = self._host.clock
        if self._activation is not None and (local := clock.local(self._activation)).date() == day:
            yield Entry(local.hour * 3600 + local.minute * 60 + local.second, _ACTIVATION)
        for number, (second, _) in enumerate(self.plan(day)):
            yield Entry(second, number)

    def late(self, missed: Sequence[Due], now: int) -> Sequence[Due]:
        """Only the last one is made up for."""
        return missed[-1:]

    def perform(self, due: Due) -> None:
        """Run what holds now."""
        self.settle()


_FIELDS = ("calendar_name", "season_profile", "week_profile_table", "day_profile_table")


def _denied(value: Data) -> DataAccessResult:
    return DataAccessResult.READ_WRITE_DENIED


def _fits(item: Season | WeekProfile | DayProfile) -> bool:
    """Whether an element of a passive table can be lived by."""
    if isinstance(item, Season):
        return item.season_start.in_range and (_never(item) or usable(item.season_start.date))
    if isinstance(item, DayProfile):
        return len(item.day_schedule) <= MAX_ELEMENTS and all(
            is_time(action.start_time, wildcards=False) for action in item.day_schedule
        )
    return True


def _never(season: Season) -> bool:
    return all(field is None for field in season.season_start[:4])


def _last_start(season: Season, day: date) -> date | None:
    """Return when a season began last, seen from `day`: its time of day does not count."""
    pattern = season.season_start.date
    if _never(season) or (pattern.year is not None and pattern.year > day.year):
        return None
    if pattern.weekday is None and pattern.month is not None and pattern.day is not None and pattern.day <= 28:
        years = (day.year, day.year - 1) if pattern.year is None else (pattern.year,)
        starts = (date(year, pattern.month, pattern.day) for year in years)
        return next((start for start in starts if start <= day), None)
    if pattern.year is not None and pattern.year < day.year:
        day = date(pattern.year, 12, 31)
    return next((start for back in range(_YEAR) if fits(pattern, start := day - timedelta(days=back))), None)
