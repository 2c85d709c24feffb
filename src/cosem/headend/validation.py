"""Validation and estimation of interval values (VEE), on whole columns at once.

Validation marks, it changes no value; estimation writes beside, never over. Rules and their names are those that
meter data management systems have; every limit is a setting.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from cosem.headend.intervals import DAY, MISSING, Series
from cosem.headend.quality import UNUSABLE, Quality

Array = np.ndarray[Any, Any]
WEEK: Final = 7 * DAY
HOUR: Final = 3600
ENOUGH: Final = 8
"""Steps there must be before one can stand out from them."""


@dataclass(frozen=True, slots=True)
class Rules:
    """`period` in seconds. `spike`: how many times the median step a step may be; `highest`: a step no connection has.

    `zero_hours` without any consumption are suspicious; `longest_gap` in seconds is what is still filled by a line;
    `like_days` is how many weeks back days of the same kind are looked for.
    """

    period: int = 900
    spike: float = 30.0
    highest: int | None = None
    zero_hours: float = 72.0
    longest_gap: int = 7200
    like_days: int = 4


@dataclass(frozen=True, slots=True)
class Finding:
    """What validation found in a series: the rule, how many intervals, and the first of them (UTC seconds)."""

    rule: str
    count: int
    first: int


def steps(values: Array) -> Array:
    """Return what each interval of a cumulative register brought; `MISSING` where one side of it is.

    The last axis is time: many registers may be given at once.
    """
    result = np.full(values.shape, MISSING, np.int64)
    now, before = values[..., 1:], values[..., :-1]
    known = (now != MISSING) & (before != MISSING)
    result[..., 1:] = np.where(known, now - before, MISSING)
    return result


def regular(series: Series, first: int, last: int, period: int) -> Series:
    """Return the series with every interval's end from `first` to before `last`: what is not there is missing.

    Values at other times (a clock that was set) keep their place between.
    """
    wanted = np.arange(first, last, period, dtype=np.int64)
    absent = np.setdiff1d(wanted, series.times, assume_unique=True)
    gaps = Series.of(
        series.device, series.channel, absent, np.full(len(absent), MISSING, np.int64), quality=int(Quality.MISSING)
    )
    return series.over(gaps) if len(absent) else series


def validate(series: Series, rules: Rules, *, cumulative: bool = True) -> tuple[Series, list[Finding]]:
    """Return the series with its quality, and what was found: missing, negative, spike, zero run, time shift."""
    (checked,), marks = _check([series], rules, cumulative)
    found = [
        Finding(rule, int(where[0].sum()), int(series.times[np.argmax(where[0])]))
        for rule, where in marks.items()
        if where[0].any()
    ]
    return checked, found


def validate_many(series: Sequence[Series], rules: Rules, *, cumulative: bool = True) -> list[Series]:
    """Return series with their quality; those of one length are checked at once."""
    by_length: dict[int, list[int]] = {}
    for index, item in enumerate(series):
        by_length.setdefault(len(item), []).append(index)
    result = list(series)
    for length, indexes in by_length.items():
        if length:
            for index, item in zip(indexes, _check([series[i] for i in indexes], rules, cumulative)[0], strict=True):
                result[index] = item
    return result


def _check(series: Sequence[Series], rules: Rules, cumulative: bool) -> tuple[list[Series], dict[str, Array]]:
    """Check series of one length. Return them with their quality, and where each rule found something."""
    values = np.stack([item.values for item in series])
    times = np.stack([item.times for item in series])
    quality = np.stack([item.quality for item in series])
    quality &= ~np.uint8(Quality.SUSPECT | Quality.MISSING | Quality.SHIFTED)
    brought = steps(values) if cumulative else values
    known = brought != MISSING
    marks = {
        "missing": (values == MISSING, Quality.MISSING),
        # Days and months end at a local hour.
        "time shift": (times % (rules.period if rules.period < DAY else HOUR) != 0, Quality.SHIFTED),
        "negative": (known & (brought < 0), Quality.SUSPECT),
    }
    positive = known & (brought > 0)
    enough = positive.sum(axis=1) >= ENOUGH
    if enough.any():
        usual = np.where(enough, _medians(brought, positive), np.inf)
        marks["spike"] = (known & (brought > (rules.spike * usual)[:, None]), Quality.SUSPECT)
    if rules.highest is not None:
        marks["too high"] = (known & (brought > rules.highest), Quality.SUSPECT)
    shortest = round(rules.zero_hours * 3600 / rules.period)
    if shortest <= values.shape[1]:
        zero = known & (brought == 0)
        marks["zero run"] = (np.stack([_runs(row, shortest) for row in zero]), Quality.SUSPECT)
    for where, flag in marks.values():
        if where.any():
            quality[where] |= np.uint8(flag)
    checked = [
        Series(item.device, item.channel, item.times, item.values, codes, item.estimates)
        for item, codes in zip(series, quality, strict=True)
    ]
    return checked, {rule: where for rule, (where, _) in marks.items()}


def _medians(values: Array, where: Array) -> Array:
    """Return the median of each row over the elements `where` it says; of a row without any, anything."""
    count = where.sum(axis=1)
    inner = np.sort(np.where(where, values, np.iinfo(np.int64).max), axis=1)
    rows = np.arange(len(values))
    low, high = (inner[rows, np.maximum(at, 0)].astype(np.float64) for at in ((count - 1) // 2, count // 2))
    middle: Array = (low + high) / 2
    return middle


def check_sum(series: Series, start: int, end: int, tolerance: int = 0) -> bool:
    """Whether interval energies add up to the register: `start` and `end` are what it showed at both ends."""
    if bool((series.values == MISSING).any()):
        return False
    return abs(int(series.values.sum()) - (end - start)) <= tolerance


def _runs(where: Array, shortest: int) -> Array:
    """Return which elements belong to a run of at least `shortest`."""
    if not len(where) or shortest < 1:
        return np.zeros(len(where), bool)
    padded = np.concatenate(([0], where.astype(np.int8), [0]))
    edges = np.flatnonzero(np.diff(padded))
    result = np.zeros(len(where), bool)
    for low, high in zip(edges[::2], edges[1::2], strict=True):
        result[low:high] = high - low >= shortest
    return result


def estimate(
    series: Series, rules: Rules, *, cumulative: bool = True, history: Callable[[int, int], Series] | None = None
) -> Series:
    """Return the series with estimates beside what is unusable: along a line over short gaps, like days over long ones.

    `history` reads the same series between two times. Where neither can be had there is no estimate: a gap at the end
    of what is known stays one until the next value comes.
    """
    wanted = (series.quality & np.uint8(UNUSABLE)) != 0
    if not wanted.any():
        return series
    good = ~wanted & (series.values != MISSING)
    estimates, quality = series.estimates.copy(), series.quality.copy()
    padded = np.concatenate(([0], wanted.astype(np.int8), [0]))
    edges = np.flatnonzero(np.diff(padded))
    for low, high in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        left, right = low - 1, high
        if left < 0 or right >= len(series) or not (good[left] and good[right]):
            continue
        at = series.times[low:high]
        first, last = int(series.times[left]), int(series.times[right])
        start, end = int(series.values[left]), int(series.values[right])
        shape = None
        if last - first > rules.longest_gap and history is not None:
            shape = _like_days(series.times[left : right + 1], rules, history, cumulative)
        if shape is not None:
            filled = _by_shape(shape, start, end) if cumulative else shape[1:-1]
        elif last - first > rules.longest_gap and not cumulative:
            continue
        else:
            filled = start + (end - start) * (at - first) // (last - first)
        estimates[low:high] = filled
        quality[low:high] |= np.uint8(Quality.ESTIMATED)
    return Series(series.device, series.channel, series.times, series.values, quality, estimates)


def _like_days(times: Array, rules: Rules, history: Callable[[int, int], Series], cumulative: bool) -> Array | None:
    """Return the mean course at the same times of the same weekday, some weeks back; None where there is none."""
    found = []
    for week in range(1, rules.like_days + 1):
        before = times - week * WEEK
        series = history(int(before[0]), int(before[-1]) + 1)
        at = np.searchsorted(series.times, before)
        if len(series) and at[-1] < len(series) and bool(np.array_equal(series.times[at], before)):
            values = series.values[at]
            if not bool((values == MISSING).any()):
                found.append(values - values[0] if cumulative else values)
    if not found:
        return None
    mean: Array = np.mean(found, axis=0)
    return mean


def _by_shape(shape: Array, start: int, end: int) -> Array:
    """Return the values between, such that they rise as the shape does and meet both ends."""
    total = float(shape[-1])
    share = shape[1:-1] / total if total > 0 else np.arange(1, len(shape) - 1) / (len(shape) - 1)
    return start + np.floor(share * (end - start)).astype(np.int64)
