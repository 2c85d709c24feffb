"""Where periods end: measurement periods at whole parts of the day, billing periods at the start of a gas day."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from cosem.device.clock import DAY, DeviceClock
from cosem.device.moments import at_second
from cosem.errors import ConfigError

MEASURING: Final = ("mp1", "mp2")
BILLING: Final = ("bp1", "bp2")
PERIODS: Final = (*MEASURING, *BILLING)


class Boundaries:
    """The ends of all periods in the local time of a clock. Times are UTC seconds of the clock."""

    def __init__(self, clock: DeviceClock, *, mp1: int = 900, mp2: int = 3600, day_start: int = 21_600) -> None:
        self._clock = clock
        self.lengths = {"mp1": mp1, "mp2": mp2}
        for seconds in self.lengths.values():
            check_length(seconds)
        self.day_start = 0
        self.set_day_start(day_start)

    def set_day_start(self, seconds: int) -> None:
        """Let gas days begin at this second of the day. Raises `ConfigError` for one that no day has."""
        if not 0 <= seconds < DAY:
            raise ConfigError(f"a gas day does not begin at second {seconds}")
        self.day_start = seconds

    def following(self, name: str, utc: int) -> int:
        """Return the first end of a period after `utc`."""
        if name in MEASURING:
            return self._clock.next_boundary(utc, self.lengths[name])
        today = self._clock.local(utc).date()
        for day in (today + timedelta(days=ahead) for ahead in range(40)):
            if (name == "bp1" or day.day == 1) and (at := self._day_begins(day)) > utc:
                return at
        raise ConfigError("no gas day begins within 40 days")

    def _day_begins(self, day: date) -> int:
        return self._clock.moments(at_second(day, self.day_start))[0]

    def gas_day(self, utc: int) -> date:
        """Return the date of the gas day that `utc` belongs to: that on which it began."""
        day = self._clock.local(utc).date()
        return day if utc >= self._day_begins(day) else day - timedelta(days=1)


def check_length(seconds: int) -> None:
    """Raise `ConfigError` for a measurement period that is no whole part of a day of a minute or more."""
    if not 60 <= seconds <= DAY or DAY % seconds:
        raise ConfigError(f"a measurement period of {seconds} s is none: whole parts of a day from a minute on")
