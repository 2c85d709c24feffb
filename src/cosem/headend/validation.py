"""Validation and estimation of interval values (VEE), on whole columns at once.

Validation marks, it changes no value; estimation writes beside, never over. Rules and their names are those that
meter data management systems have; every limit is a setting.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from cosem.headend.intervals import DAY, MISSING, Series
from cosem.headend.quality import UNUSABLE, Quality

Array = np.ndarray[Any, Any]
WEEK: Final = 7 * DAY


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
    """Return what each interval of a cumulative register brought; `MISSING` where one side of it is."""
    result = np.full(len(values), MISSING, np.int64)
    if len(values) > 1:
        known = (values[1:] != MISSING) & (values[:-1] != MISSING)
        result[1:][known] = values[1:][known] - values[:-1][known]
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
    values, times = series.values, series.times
    quality = (series.quality & ~np.uint8(Quality.SUSPECT | Quality.MISSING | Quality.SHIFTED)).astype(np.uint8)
    findings: list[Finding] = []

    def mark(rule: str, where: Array, flag: Quality) -> None:
        if where.any():
            quality[where] |= np.uint8(flag)
            findings.append(Finding(rule, int(where.sum()), int(times[np.argmax(where)])))

    missing = values == MISSING
    mark("missing", missing, Quality.MISSING)
    mark("time shift", times % rules.period != 0, Quality.SHIFTED)
    brought = steps(values) if cumulative else values
    known = brought != MISSING
    mark("negative", known & (brought < 0), Quality.SUSPECT)
    usual = brought[known & (brought > 0)]
    if len(usual) >= 8:
        mark("spike", known & (brought > rules.spike * float(np.median(usual))), Quality.SUSPECT)
    if rules.highest is not None:
        mark("too high", known & (brought > rules.highest), Quality.SUSPECT)
    mark("zero run", _runs(known & (brought == 0), round(rules.zero_hours * 3600 / rules.period)), Quality.SUSPECT)
    return Series(series.device, series.channel, times, values, quality, series.estimates), findings


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
