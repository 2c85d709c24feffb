"""Behaviour of schedules (class 10): scripts by time of day, weekday and special day."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from cosem.classes.c010_schedule import EntryRange, EntryRanges, ScheduleEntry, Weekdays
from cosem.classes.c010_schedule import Schedule as ScheduleObject
from cosem.classes.common import ActionItem
from cosem.codec.axdr import Data
from cosem.device.agenda import SCHEDULE, Agenda, Due, Entry, once_each
from cosem.device.errors import Refused
from cosem.device.host import Host, Origin
from cosem.device.moments import is_livable, is_time, times_of, usable
from cosem.device.scripts import ScriptTables
from cosem.device.special_days import SpecialDaysBehaviour
from cosem.obis import obis
from cosem.results import ActionResult, DataAccessResult
from cosem.times import LAST_DAY, SECOND_LAST_DAY, CosemDate

ANY_TIME_LATER = 0xFFFF
"""validity_window of an entry that is made up for however long power was away."""
MAX_ENTRIES = 1000
"""More than any schedule has; bounds what a client can make a meter hold."""


def in_season(begin: CosemDate, end: CosemDate, day: date) -> bool:
    """Whether `day` is from `begin` to `end`, both included.

    What is not specified at all is open on that side. Without years the span comes every year, and goes over the turn
    of the year where it ends before it begins; without months the same holds of days of the month.
    """
    low, high = _known(begin), _known(end)
    if not low or not high or begin.year is not None:
        today = (day.year, day.month, day.day)
        return (not low or low <= today[3 - len(low) :]) and (not high or today[3 - len(high) :] <= high)
    today_part = (day.year, day.month, day.day)[3 - len(low) :]
    return low <= today_part <= high if low <= high else today_part >= low or today_part <= high


def _known(pattern: CosemDate) -> tuple[int, ...]:
    """Return year, month and day as far as they are specified from the end."""
    fields: tuple[int | None, ...] = pattern[:3]
    while fields and fields[0] is None:
        fields = fields[1:]
    return fields  # type: ignore[return-value]


def is_span(begin: CosemDate, end: CosemDate) -> bool:
    """Whether two dates make a span of days: both with the same fields, or one of them open."""
    known = (_known(begin), _known(end))
    if not all(usable(item) for item in (begin, end)):
        return False
    if any(None in item or {LAST_DAY, SECOND_LAST_DAY} & set(item[-1:]) for item in known):
        return False
    return not known[0] or not known[1] or len(known[0]) == len(known[1])


class ScheduleBehaviour:
    """One schedule. Its scripts are run as remote commands are; several at the same moment by their index.

    On a special day an entry runs if the bit of that day's day_id is set, else if that of the weekday is. The leftmost
    bit of exec_specdays is day_id `first_day_id`: the standard leaves open which it is. What was missed is made up for
    within its validity_window, each entry once, however often it was missed.
    """

    rank = SCHEDULE

    def __init__(
        self,
        host: Host,
        agenda: Agenda,
        scripts: ScriptTables,
        name: str,
        special_days: SpecialDaysBehaviour | None = None,
        entries: Sequence[ScheduleEntry] = (),
        *,
        first_day_id: int = 0,
    ) -> None:
        self._host = host
        self._agenda = agenda
        self._scripts = scripts
        self._special_days = special_days
        self.first_day_id = first_day_id
        self.object = host.add(ScheduleObject(obis(name), entries=()))
        self._entries: dict[int, ScheduleEntry] = {}
        host.handle(self.object, 1, self._enable_disable)
        host.handle(self.object, 2, self._insert)
        host.handle(self.object, 3, self._delete)
        host.writers(self.object, {2: self._write})
        if special_days is not None:
            special_days.on_change.append(agenda.changed)
        agenda.add(self)
        self._hold(entries)

    # --- being set up --------------------------------------------------------------------------------------

    def _write(self, value: Data) -> DataAccessResult:
        entries: tuple[ScheduleEntry, ...] = ScheduleObject.attributes[2].type.from_data(value)
        if len({entry.index for entry in entries}) != len(entries) or not all(map(_fits, entries)):
            return DataAccessResult.OTHER_REASON
        if len(entries) > MAX_ENTRIES or not is_livable(entry.switch_time for entry in entries):
            return DataAccessResult.OTHER_REASON
        self._hold(entries)
        return DataAccessResult.SUCCESS

    def _insert(self, entry: ScheduleEntry) -> None:
        entries = self._entries | {entry.index: entry}
        if not _fits(entry) or len(entries) > MAX_ENTRIES:
            raise Refused(ActionResult.OTHER_REASON)
        if not is_livable(each.switch_time for each in entries.values()):
            raise Refused(ActionResult.OTHER_REASON)
        self._hold(entries.values())
        self._host.changed(self.object, 2)

    def _delete(self, numbers: EntryRange) -> None:
        if not 1 <= numbers.firstIndex <= numbers.lastIndex:
            raise Refused(ActionResult.OTHER_REASON)
        self._hold(e for e in self._entries.values() if not numbers.firstIndex <= e.index <= numbers.lastIndex)
        self._host.changed(self.object, 2)

    def _enable_disable(self, ranges: EntryRanges) -> None:
        """Disable range A, then enable range B; a range from 0 to 0 is none."""
        entries = dict(self._entries)
        for first, last, enable in ((*ranges[:2], False), (*ranges[2:], True)):
            if first == last == 0:
                continue
            if not 1 <= first <= last:
                raise Refused(ActionResult.OTHER_REASON)
            entries |= {n: e._replace(enable=enable) for n, e in entries.items() if first <= n <= last}
        self._hold(entries.values())
        self._host.changed(self.object, 2)

    def _hold(self, entries: Iterable[ScheduleEntry]) -> None:
        self._entries = {entry.index: entry for entry in entries}
        store: Any = self.object.store
        store.values[2] = ScheduleObject.attributes[2].type.to_data(tuple(self._entries.values()))
        self._agenda.changed()

    # --- on the agenda -------------------------------------------------------------------------------------

    def on_day(self, day: date) -> Iterable[Entry]:
        """Return the switch times of a day."""
        if not self._entries:
            return
        day_id = self._special_days.day_id(day) if self._special_days is not None else None
        weekday = Weekdays(1 << day.weekday())
        for entry in self._entries.values():
            if not entry.enable or not in_season(entry.begin_date, entry.end_date, day):
                continue
            if day_id is None:
                runs = bool(entry.exec_weekdays & weekday)
            else:
                runs = entry.exec_specdays[day_id - self.first_day_id :][:1] == "1" and day_id >= self.first_day_id
            if runs:
                hourly = entry.switch_time.hour is None
                for second in times_of(entry.switch_time):
                    yield Entry(second, entry.index, hourly)

    def late(self, missed: Sequence[Due], now: int) -> Sequence[Due]:
        """Return what is within its validity window still."""
        windows = {index: entry.validity_window for index, entry in self._entries.items()}
        return once_each(
            [
                due
                for due in missed
                if (window := windows[due.entry.number]) == ANY_TIME_LATER or now - due.at <= window * 60
            ]
        )

    def perform(self, due: Due) -> None:
        """Run the script of an entry that is still there."""
        entry = self._entries.get(due.entry.number)
        if entry is not None and entry.enable:
            self._scripts.run(ActionItem(entry.script_logical_name, entry.script_selector), Origin.REMOTE)

    def settle(self) -> None:
        """Nothing holds between two switch times."""


def _fits(entry: ScheduleEntry) -> bool:
    return entry.index > 0 and is_time(entry.switch_time) and is_span(entry.begin_date, entry.end_date)
