"""Measuring and billing periods: increments, indexes at their ends, maxima with their times, averages.

`mp1` and `mp2` are the measurement periods (15 minutes, an hour), `bp1` and `bp2` the billing periods (gas day, gas
month); the process intervals 1 to 4 and the averaging periods 2, 3, 5 and 6 are the same spans. Lengths of the first
two and the start of the gas day can be changed. Nothing is lost or doubled at any change or jump of the clock: an
increment is the difference of two indexes, and each period begins where the one before ended.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Final, NamedTuple

from cosem.device.clock import DAY, DeviceClock, JumpOrder
from cosem.device.gas.boundaries import BILLING, MEASURING, PERIODS, Boundaries, check_length
from cosem.device.gas.process import Process
from cosem.device.host import Host
from cosem.gas.averages import PeriodAverage
from cosem.gas.conversion import Step
from cosem.gas.counters import ConverterCounters

PLACES: Final = ("metering", "corrected", "base", "energy")
KINDS: Final = ("undisturbed", "disturbed", "absolute")
COUNTERS: Final = tuple((place, kind) for place in PLACES for kind in KINDS)
AVERAGED: Final = ("pressure", "temperature", "k", "factor", "calorific")
_WEIGHED_BY_VOLUME: Final = ("calorific",)

CounterName = tuple[str, str]


class Maximum(NamedTuple):
    """The largest increment of shorter periods, and the end of the one it was in (UTC seconds of the clock)."""

    value: int
    at: int


@dataclass(slots=True)
class Closed:
    """What a period left when it ended: when (UTC seconds of the clock), how long it was, indexes and increments."""

    at: int
    seconds: int
    indexes: dict[CounterName, int]
    increments: dict[CounterName, int]


@dataclass(slots=True)
class Period:
    """One period as it runs."""

    name: str
    following: int
    since: int
    begun: dict[CounterName, int]
    averages: dict[str, PeriodAverage]
    maxima: dict[tuple[CounterName, str], Maximum] = field(default_factory=dict)
    last_maxima: dict[tuple[CounterName, str], Maximum] = field(default_factory=dict)
    last: Closed | None = None


def indexes_of(counters: ConverterCounters) -> dict[CounterName, int]:
    """Return all counters in their units."""
    found: dict[CounterName, int] = {}
    for place in PLACES:
        pair = getattr(counters, place)
        found[place, "undisturbed"] = pair.undisturbed.value
        found[place, "disturbed"] = pair.disturbed.value
        found[place, "absolute"] = pair.absolute
    return found


class Periods:
    """All periods of one converter, a behaviour. `closed` hear of each period that ended, with its time (UTC).

    They hear it in the order mp1 to bp2 once all that end at the moment have ended; maxima of a billing period begin
    anew after that.
    """

    def __init__(self, host: Host, process: Process, *, mp1: int = 900, mp2: int = 3600, day_start: int = 21_600):
        self._host = host
        self._clock: DeviceClock = host.clock
        self._process = process
        self._boundaries = Boundaries(host.clock, mp1=mp1, mp2=mp2, day_start=day_start)
        self.closed: list[Callable[[str, int], None]] = []
        now = self._clock.now
        self.periods = {name: self._new(name, now) for name in PERIODS}
        process.stepped.append(self._stepped)
        self._clock.on_jump.append(self._jumped, JumpOrder.MEASURING)
        host.schedule(self)

    def _new(self, name: str, now: int) -> Period:
        averages = {quantity: PeriodAverage() for quantity in AVERAGED}
        indexes = indexes_of(self._process.converter.counters)
        return Period(name, self._following(name, now), self._host.now, indexes, averages)

    # --- boundaries ----------------------------------------------------------------------------------------

    @property
    def lengths(self) -> dict[str, int]:
        """Return the lengths of the measurement periods in seconds."""
        return self._boundaries.lengths

    @property
    def day_start(self) -> int:
        """Return the second of the day at which the gas day begins."""
        return self._boundaries.day_start

    def gas_day(self, utc: int) -> date:
        """Return the date of the gas day that `utc` belongs to: that on which it began."""
        return self._boundaries.gas_day(utc)

    def _following(self, name: str, utc: int) -> int:
        return self._boundaries.following(name, utc)

    def set_length(self, name: str, seconds: int) -> None:
        """Let a measurement period be so long from now on; the one that runs ends here."""
        check_length(seconds)
        self._interrupt([name])
        self.lengths[name] = seconds
        self.periods[name].following = self._following(name, self._clock.now)

    def set_day_start(self, seconds: int) -> None:
        """Let gas days and months begin at this second of the day; those that run go on to the first of the new ones.

        So the gas day of the change is longer or shorter once, and nothing falls between two.
        """
        self._process.settle()
        self._boundaries.set_day_start(seconds)
        for name in BILLING:
            self.periods[name].following = self._following(name, self._clock.now)

    def reset(self, name: str) -> None:
        """End a period now."""
        self._interrupt([name])
        self.periods[name].following = self._following(name, self._clock.now)

    # --- what runs -----------------------------------------------------------------------------------------

    def _stepped(self, step: Step) -> None:
        at = step.at + self._clock.offset
        values: tuple[tuple[str, Decimal], ...] = (
            ("pressure", step.pressure),
            ("temperature", step.temperature),
            ("k", step.k),
            ("factor", step.factor),
            ("calorific", step.calorific),
        )
        for period in self.periods.values():
            for name, value in values:
                period.averages[name].add(value, step.base if name in _WEIGHED_BY_VOLUME else step.seconds, at)

    def running(self, name: str, counter: CounterName) -> int:
        """Return the increment of a period that runs."""
        return indexes_of(self._process.converter.counters)[counter] - self.periods[name].begun[counter]

    # --- ends ----------------------------------------------------------------------------------------------

    def next_time(self) -> int | None:
        """Return the next end, in the simulation's time."""
        return min(period.following for period in self.periods.values()) - self._clock.offset

    def act(self, now: int) -> None:
        """End what is over."""
        self._process.settle()
        utc = self._clock.now
        due = [name for name in PERIODS if self.periods[name].following <= utc]
        self._end({name: self.periods[name].following for name in due})
        for name in due:
            self.periods[name].following = self._following(name, utc)

    def _interrupt(self, names: list[str]) -> None:
        self._process.settle()
        self._end(dict.fromkeys(names, self._clock.now))

    def _end(self, moments: dict[str, int]) -> None:
        counted = indexes_of(self._process.converter.counters)
        now = self._host.now
        for name, at in moments.items():
            period = self.periods[name]
            increments = {counter: counted[counter] - period.begun[counter] for counter in COUNTERS}
            period.last = Closed(at, now - period.since, counted, increments)
            for average in period.averages.values():
                average.close()
            period.begun, period.since = counted, now
            for longer in BILLING:
                if PERIODS.index(longer) > PERIODS.index(name):
                    self._feed(self.periods[longer], name, increments, at)
        for name, at in moments.items():
            for told in self.closed:
                told(name, at)
        for name in moments:
            if name in BILLING:
                self.periods[name].last_maxima = self.periods[name].maxima
                self.periods[name].maxima = {}

    def _feed(self, longer: Period, name: str, increments: dict[CounterName, int], at: int) -> None:
        for counter, value in increments.items():
            held = longer.maxima.get((counter, name))
            if held is None or value > held.value:
                longer.maxima[counter, name] = Maximum(value, at)

    def _jumped(self, old: int, new: int) -> None:
        """Go on from the new time. A boundary that was jumped over ends its period; one that comes again does not.

        Where the clock goes back by more than a period, the one that runs ends there and then.
        """
        self._process.settle()
        over = {}
        following = {}
        for name, period in self.periods.items():
            expected, upcoming = period.following, self._following(name, new)
            if old < expected <= new:
                over[name] = expected
            elif new < old and upcoming < expected:
                if upcoming >= self._before(name, expected):
                    # The boundary was passed not long ago, or is passed twice: its period has ended already.
                    upcoming = expected
                else:
                    over[name] = old
            following[name] = upcoming
        self._end(over)
        for name, at in following.items():
            self.periods[name].following = at

    def _before(self, name: str, expected: int) -> int:
        """Return a boundary, or a little before one, ahead of `expected` by one period."""
        if name in MEASURING:
            return expected - self.lengths[name]
        # A day may have 25 hours.
        return expected - (DAY if name == "bp1" else 31 * DAY) - 3600
