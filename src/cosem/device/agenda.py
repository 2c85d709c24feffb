"""What is to be done at moments of the meter's calendar: in time, late after an outage or a new time, or once more.

One agenda serves all schedules, activity calendars and single action schedules of a device, because what they missed
is done in the order of time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from operator import attrgetter
from typing import NamedTuple, Protocol

from cosem.device.causes import Cause, Happening
from cosem.device.clock import DAY, JumpOrder
from cosem.device.host import Host
from cosem.device.moments import HORIZON, at_second

LONGEST_ABSENCE = 400
"""Days: what was to be done before that is not looked for any more."""


class Entry(NamedTuple):
    """Something to be done on one day: `second` of the day, and a number that tells it from the planner's others.

    `hourly` is done twice in an hour that comes twice; anything else is done the first time only.
    """

    second: int
    number: int
    hourly: bool = False


class Planner(Protocol):
    """Who puts things on the agenda."""

    rank: int
    """Who comes first at the same moment: `SCHEDULE`, `ACTIVITY`, `SINGLE`."""

    def on_day(self, day: date) -> Iterable[Entry]:
        """Return what is to be done on a day of local time."""

    def late(self, missed: Sequence[Due], now: int) -> Sequence[Due]:
        """Return what of the `missed` is still to be done at `now`; it comes in order, and goes out so."""

    def perform(self, due: Due) -> None:
        """Do it."""

    def settle(self) -> None:
        """See what holds now, after the time was set or power came back."""


SCHEDULE, ACTIVITY, SINGLE = range(3)
_at = attrgetter("at")


class Due(NamedTuple):
    """An entry with its moment (UTC by the meter's clock)."""

    at: int
    local: int
    rank: int
    entry: Entry
    planner: Planner


class Agenda:
    """Does in time what planners want done.

    After an outage, or a time that was set forward by `jump_limit` of the clock or more, each planner says what it does
    late. Set back that far, the time in between is lived again. By less, everything is done once.
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        self._clock = host.clock
        self._planners: list[Planner] = []
        self._reached = self._clock.now
        self._next: int | None = None
        self._days: dict[date, list[Due]] = {}
        self._down = False
        self._clock.on_jump.append(self._jumped, JumpOrder.CALENDARS)
        host.causes.listeners.append(self._happened)
        host.schedule(self)

    def add(self, planner: Planner) -> None:
        """Take a planner on."""
        self._planners.append(planner)
        self.changed()

    def changed(self) -> None:
        """Plan anew after a planner's entries changed. What they had for moments already over is not done."""
        self._days.clear()
        now = self._clock.now
        if self._next is None or self._next > now:
            self._reached = max(self._reached, now)
        self._next = self._find()

    # --- time ----------------------------------------------------------------------------------------------

    def next_time(self) -> int | None:
        """Return when something is due, in the simulation's time."""
        return None if self._next is None or self._down else self._next - self._clock.offset

    def act(self, now: int) -> None:
        """Do what is due."""
        utc = self._clock.now
        due = self._between(self._reached, utc)
        self._go_on(utc, [*self._late([item for item in due if item.at < utc], utc), *(i for i in due if i.at == utc)])

    def _go_on(self, utc: int, due: Iterable[Due]) -> None:
        """Do things and stand at `utc`; one of them may set the time, or change what is on the agenda."""
        self._reached = utc
        for item in due:
            item.planner.perform(item)
        self._next = self._find()

    def _jumped(self, old: int, new: int) -> None:
        if new == old:
            # Other rules: moments are others too. By another time they stay what they are.
            self._days.clear()
        large = abs(new - old) >= self._clock.jump_limit
        if self._down or (new < old and not large):
            self._next = self._find()
            return
        due: Sequence[Due] = ()
        if new > old:
            missed = self._between(self._reached, new)
            due = missed if not large else self._late(missed, new)
            # Schedules and activity calendars in the order of time, then single actions.
            due = sorted(due, key=lambda item: item.rank == SINGLE)
        self._go_on(new if new < old else max(self._reached, new), due)
        for planner in self._planners:
            planner.settle()

    def _happened(self, happening: Happening) -> None:
        if happening.cause is Cause.POWER_DOWN:
            self._down = True
        elif happening.cause is Cause.POWER_UP:
            self._down = False
            utc = self._clock.now
            if utc < self._reached:
                self._reached = utc
            self._go_on(utc, self._late(self._between(self._reached, utc), utc))
            for planner in self._planners:
                planner.settle()

    # --- what is due ---------------------------------------------------------------------------------------

    def _on(self, day: date) -> list[Due]:
        """Return all of one day in the order of time."""
        found = self._days.get(day)
        if found is None:
            found = []
            midnight = self._clock.plain_midnight(day)
            for planner in self._planners:
                for entry in planner.on_day(day):
                    moments = (
                        self._clock.moments(at_second(day, entry.second))
                        if midnight is None
                        else (midnight + entry.second,)
                    )
                    for at in moments if entry.hourly else moments[:1]:
                        found.append(Due(at, entry.second, planner.rank, entry, planner))
            found.sort(key=lambda due: (due.at, due.local, due.rank, due.entry.number))
            if len(self._days) > HORIZON:
                self._days.clear()
            self._days[day] = found
        return found

    def _between(self, after: int, until: int) -> list[Due]:
        """Return what is due after one moment and up to another."""
        after = max(after, until - LONGEST_ABSENCE * DAY)
        day, last = (self._clock.local(moment).date() for moment in (after, until))
        found: list[Due] = []
        while day <= last:
            due = self._on(day)
            found += due[bisect_right(due, after, key=_at) : bisect_right(due, until, key=_at)]
            day += timedelta(days=1)
        return found

    def _late(self, missed: Sequence[Due], now: int) -> list[Due]:
        if not missed:
            return []
        kept = [due for planner in self._planners for due in planner.late(_of(planner, missed), now)]
        return sorted(kept, key=lambda due: (due.at, due.local, due.rank, due.entry.number))

    def _find(self) -> int | None:
        """Return when something is due next, or when to look again."""
        if not self._planners:
            return None
        day = self._clock.local(self._reached).date()
        for _ in range(HORIZON):
            following = self._on(day)
            place = bisect_right(following, self._reached, key=_at)
            if place < len(following):
                return following[place].at
            day += timedelta(days=1)
        return self._clock.moments(at_second(day, 0))[0]


def _of(planner: Planner, missed: Sequence[Due]) -> list[Due]:
    return [due for due in missed if due.planner is planner]


def once_each(missed: Sequence[Due]) -> list[Due]:
    """Return the last of each entry's moments: what was missed several times is done once."""
    last = {due.entry.number: due for due in missed}
    return [due for due in missed if last[due.entry.number] is due]
