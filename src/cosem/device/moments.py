"""Dates and times with wildcards, as calendars, schedules and windows have them (Blue Book ed. 9, 4.1.6.1)."""

from __future__ import annotations

import calendar
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache

from cosem.classes.common import TimeWindow
from cosem.device.clock import DeviceClock
from cosem.times import DST_BEGIN, DST_END, LAST_DAY, SECOND_LAST_DAY, CosemDate, CosemDateTime, CosemTime

HORIZON = 40
"""Days looked ahead at once for something far away: more than a month, so that what comes monthly is seen at once."""

LOOK_BACK = 400
"""Days looked back for what comes every year."""

MAX_TIMES_A_DAY = 3000
"""Of one schedule: more than every minute twice. Bounds what a client can make a meter do."""

YEARS = range(1900, 9999)
"""The years a date may name: two octets hold more than any calendar has."""


def usable(pattern: CosemDate) -> bool:
    """Whether a date names days: every field in range and the year in `YEARS`, no daylight saving code, a day with its
    own weekday.

    A full date with another weekday is an error in the standard's own words.
    """
    if not pattern.in_range or pattern.month in (DST_BEGIN, DST_END):
        return False
    year, month, day, weekday = pattern
    if year is not None and year not in YEARS:
        return False
    if month is not None and day is not None and day < SECOND_LAST_DAY and day > _longest(year, month):
        return False
    if None not in pattern and day not in (LAST_DAY, SECOND_LAST_DAY):
        return date(*pattern[:3]).isoweekday() == weekday  # type: ignore[arg-type]
    return True


def _longest(year: int | None, month: int) -> int:
    return 29 if month == 2 and year is None else calendar.monthrange(year or 2024, month)[1]


def has_wildcards(pattern: CosemDate) -> bool:
    """Whether a date may name several days. The weekday does not count where the rest is given."""
    return None in pattern[:3]


@lru_cache(maxsize=4096)
def fits(pattern: CosemDate, day: date) -> bool:
    """Whether `pattern` names `day`.

    Of a weekday with the last or second last day that weekday in the month is meant; with a day of the month and no
    year, the first such weekday on or after it; both must hold where the year is given.
    """
    year, month, number, weekday = pattern
    if year is not None and year != day.year:
        return False
    length = calendar.monthrange(day.year, day.month)[1]
    if number in (LAST_DAY, SECOND_LAST_DAY):
        if (month is not None and month != day.month) or (weekday is not None and weekday != day.isoweekday()):
            return False
        back = 0 if number == LAST_DAY else 1
        return day.day == length - back if weekday is None else (length - day.day) // 7 == back
    if number is not None and weekday is not None and year is None:
        # The day counted from may lie in the month before.
        return weekday == day.isoweekday() and any(
            start.day == number and month in (None, start.month)
            for start in (day - timedelta(days=days) for days in range(7))
        )
    return month in (None, day.month) and number in (None, day.day) and weekday in (None, day.isoweekday())


def is_time(pattern: CosemTime, *, wildcards: bool = True) -> bool:
    """Whether a time of day can be kept: whole seconds, and no wildcard but for hour and minute where allowed.

    That a script is run every second is nothing that any meter does.
    """
    if not pattern.in_range or pattern.hundredths not in (0, None) or pattern.second is None:
        return False
    return wildcards or None not in pattern[:3]


@lru_cache(maxsize=1024)
def times_of(pattern: CosemTime) -> Sequence[int]:
    """Return the seconds of the day that a time names, in order; none where the seconds are not specified."""
    if pattern.second is None:
        return ()
    hours = range(24) if pattern.hour is None else (pattern.hour,)
    minutes = range(60) if pattern.minute is None else (pattern.minute,)
    return tuple(hour * 3600 + minute * 60 + pattern.second for hour in hours for minute in minutes)


def is_livable(patterns: Iterable[CosemTime]) -> bool:
    """Whether times of day come together no more often than a meter can follow: `MAX_TIMES_A_DAY`."""
    return sum(len(times_of(pattern)) for pattern in patterns) <= MAX_TIMES_A_DAY


def seconds_of(pattern: CosemTime) -> int:
    """Return the second of the day of a time without wildcards."""
    return (pattern.hour or 0) * 3600 + (pattern.minute or 0) * 60 + (pattern.second or 0)


def at_second(day: date, second: int) -> datetime:
    """Return local time at a second of `day`."""
    return datetime(day.year, day.month, day.day) + timedelta(seconds=second)


class Windows:
    """Spans of the meter's local time that come again where they have wildcards. No window at all is always open."""

    def __init__(self, clock: DeviceClock, windows: Sequence[TimeWindow] = ()) -> None:
        self.clock = clock
        self.windows = tuple(windows)

    @staticmethod
    def are_usable(windows: Sequence[TimeWindow]) -> bool:
        """Whether starts and ends name moments, no more of them than a meter can follow. Raises nothing."""
        moments = [moment for window in windows for moment in window]
        return is_livable(moment.time for moment in moments) and all(
            usable(moment.date) and is_time(moment.time) for moment in moments
        )

    def is_open(self, utc: int) -> bool:
        """Whether a window is open at `utc`: from its start on, up to but not including its end."""
        if not self.windows:
            return True
        for window in self.windows:
            start, end = self._last(window.start_time, utc), self._last(window.end_time, utc)
            if start is not None and (end is None or end < start):
                return True
        return False

    def next_change(self, utc: int) -> int | None:
        """Return the first start or end after `utc`, or when to look again; None where there are no windows."""
        if not self.windows:
            return None
        midnight = self.clock.local(utc).date() + timedelta(days=HORIZON)
        found = self.clock.moments(at_second(midnight, 0))[0]
        for window in self.windows:
            for moment in window:
                following = self._next(moment, utc)
                if following is not None:
                    found = min(found, following)
        return found

    def next_start(self, utc: int) -> int | None:
        """Return when a window opens after `utc`; None where that is further away than is looked."""
        starts = [self._next(window.start_time, utc) for window in self.windows]
        return min((start for start in starts if start is not None), default=None)

    def _around(self, pattern: CosemDateTime, day: date, utc: int) -> tuple[int | None, int | None]:
        """Return the last moment of `day` up to `utc` and the first after it."""
        if not fits(pattern.date, day):
            return None, None
        seconds = times_of(pattern.time)
        midnight = self.clock.plain_midnight(day)
        if midnight is None:
            midnight = 0
            seconds = sorted({utc for second in seconds for utc in self.clock.moments(at_second(day, second))})
        place = bisect_right(seconds, utc - midnight)
        before = midnight + seconds[place - 1] if place else None
        return before, midnight + seconds[place] if place < len(seconds) else None

    def _next(self, pattern: CosemDateTime, utc: int) -> int | None:
        today = self.clock.local(utc).date()
        for ahead in range(HORIZON):
            later = self._around(pattern, today + timedelta(days=ahead), utc)[1]
            if later is not None:
                return later
        return None

    def _last(self, pattern: CosemDateTime, utc: int) -> int | None:
        today = self.clock.local(utc).date()
        if not has_wildcards(pattern.date) and pattern.date[2] not in (LAST_DAY, SECOND_LAST_DAY):
            today = min(today, pattern.date.to_date())
        for back in range(LOOK_BACK):
            earlier = self._around(pattern, today - timedelta(days=back), utc)[0]
            if earlier is not None:
                return earlier
        return None
