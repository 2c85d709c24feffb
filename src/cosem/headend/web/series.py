"""A device's values as a chart and a table: what each interval or day brought, exact in the table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import Connection

from cosem.headend.intervals import DAY, MISSING, Intervals, Series
from cosem.headend.quality import Quality
from cosem.headend.validation import regular, steps
from cosem.headend.web.charts import Chart, Mark, bars, line, steps_up
from cosem.headend.web.text import number
from cosem.units import scaled

RANGES: Final = {1: "day", 7: "week", 31: "month", 365: "year"}
RAW_DAYS: Final = 7
"""Ranges longer than this are shown by days."""
MOST: Final = 800
WORDS: Final = {
    Quality.POWER_DOWN: "power down",
    Quality.CLOCK_ADJUSTED: "clock adjusted",
    Quality.CLOCK_INVALID: "clock invalid",
    Quality.INVALID: "invalid",
    Quality.MISSING: "missing",
    Quality.SUSPECT: "suspect",
    Quality.SHIFTED: "time shifted",
    Quality.ESTIMATED: "estimated",
}


@dataclass(frozen=True, slots=True)
class Point:
    """One interval or day: when, its value as text, and what is known against it."""

    at: str
    value: str
    quality: str
    code: int = 0


@dataclass(frozen=True, slots=True)
class Plot:
    """What is drawn, and the same as rows. `unit` belongs to both; `summary` says it in a sentence."""

    chart: Chart
    points: tuple[Point, ...]
    unit: str
    summary: str


def midnights(now: int, days: int, zone: ZoneInfo) -> list[int]:
    """Return the beginnings of the last `days` local days and the end of today, in UTC seconds."""
    today = datetime.fromtimestamp(now, UTC).astimezone(zone).date()
    first = today - timedelta(days=days - 1)
    wanted = (first + timedelta(days=index) for index in range(days + 1))
    return [int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()) for day in wanted]


def plot(
    connection: Connection,
    intervals: Intervals,
    device: int,
    channel: Any,
    now: int,
    days: int,
    zone: ZoneInfo,
    until: int | None = None,
) -> Plot:
    """Return the plot of a channel (a row of the table) over `days` local days: the last ones, or those up to the
    midnight `until`."""
    edges = midnights(now if until is None else until - 1, days, zone)
    # A register's first step needs the value before it.
    series = intervals.read(connection, device, channel.id, edges[0] - (DAY + 3600), edges[-1] + 1)
    cumulative = bool(channel.cumulative)
    gaps = np.diff(series.times)
    period = int(np.median(gaps)) if len(gaps) else 900
    if days > RAW_DAYS or period >= DAY - 3600 or (edges[-1] - edges[0]) // max(period, 1) > MOST:
        values, estimated, labels, codes = _by_day(series, edges, zone, cumulative)
    else:
        values, estimated, labels, codes = _raw(series, days, period, min(now, edges[-1]), zone, cumulative)
    return _plot(values, estimated, labels, codes, channel, cumulative)


def _known(series: Series) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return values with estimates where there is none, and where those are."""
    filled = (series.values == MISSING) & (series.estimates != MISSING)
    return np.where(filled, series.estimates, series.values), filled


def _raw(
    series: Series, days: int, period: int, now: int, zone: ZoneInfo, cumulative: bool
) -> tuple[list[int | None], list[bool], list[str], list[int]]:
    last = now // period * period
    first = last - days * DAY
    whole = regular(series, first, last + 1, period)
    known, filled = _known(whole)
    brought = steps(known) if cumulative else known
    chosen = np.flatnonzero((whole.times > first) & (whole.times <= last))
    values = [None if value == MISSING else value for value in brought[chosen].tolist()]
    moments = (datetime.fromtimestamp(at, UTC).astimezone(zone) for at in whole.times[chosen].tolist())
    labels = [f"{moment:%a %d %b %H:%M}" for moment in moments]
    return values, filled[chosen].tolist(), labels, whole.quality[chosen].tolist()


def _by_day(
    series: Series, edges: list[int], zone: ZoneInfo, cumulative: bool
) -> tuple[list[int | None], list[bool], list[str], list[int]]:
    known, filled = _known(series)
    brought = steps(known) if cumulative else known
    there = brought != MISSING
    # An interval's end at midnight belongs to the day before.
    day = np.searchsorted(np.asarray(edges), series.times, side="left") - 1
    values: list[int | None] = []
    estimated: list[bool] = []
    codes: list[int] = []
    for index in range(len(edges) - 1):
        today = day == index
        part = there & today
        count = int(part.sum())
        total = int(brought[part].sum()) if count else 0
        values.append(None if not count else total if cumulative else round(total / count))
        estimated.append(bool(filled[part].any()))
        # What is known against any interval of a day is known against the day.
        codes.append(int(np.bitwise_or.reduce(series.quality[today], initial=0)))
    labels = [f"{datetime.fromtimestamp(at, UTC).astimezone(zone):%a %d %b %Y}" for at in edges[:-1]]
    return values, estimated, labels, codes


def _plot(
    values: list[int | None], estimated: list[bool], labels: list[str], codes: list[int], channel: Any, bar: bool
) -> Plot:
    unit, exponent = channel.unit, 0
    exact = [None if value is None else scaled(value, channel.scaler) for value in values]
    largest = max((abs(value) for value in exact if value is not None), default=Decimal(0))
    if unit in ("Wh", "varh", "VAh", "W", "var", "VA") and largest >= 1000:
        unit, exponent = "k" + unit, -3
    given = [None if value is None else value.scaleb(exponent) for value in exact]
    # Pixels need no exactness; the table beside has it.
    drawn = [None if value is None else float(value) for value in given]
    if bar:
        real = [None if flag else value for value, flag in zip(drawn, estimated, strict=True)]
        guesses = [value if flag else None for value, flag in zip(drawn, estimated, strict=True)]
        path, other, missing, top = bars(real, guesses)
        chart = Chart(path, other, missing, _across(labels), steps_up(0.0, top))
    else:
        path, other, missing, low, high = line(drawn, estimated)
        chart = Chart(path, other, missing, _across(labels), steps_up(low, high))
    points = tuple(
        Point(label, number(value), _words(code) or ("missing" if value is None else ""), code)
        for label, value, code in zip(labels, given, codes, strict=True)
    )
    return Plot(chart, points, unit, _summary(given, unit, bar))


def _across(labels: list[str]) -> tuple[Mark, ...]:
    count = len(labels)
    if not count:
        return ()
    wanted = sorted({round(index * (count - 1) / 4) for index in range(5)})
    # The year and weekday are in the table.
    return tuple(Mark((index + 0.5) * 100 / count, _short(labels[index])) for index in wanted)


def _short(label: str) -> str:
    parts = label.split(" ")
    return " ".join(parts[1:3]) + (f" {parts[3]}" if ":" in parts[3] else "")


def _summary(values: list[Decimal | None], unit: str, bar: bool) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "No values in this range."
    missing = len(values) - len(known)
    ends = f"lowest {number(min(known))}, highest {number(max(known))} {unit}"
    total = f"together {number(sum(known, Decimal(0)))} {unit}; " if bar else ""
    return f"{len(known)} values, {missing} missing; {total}{ends}."


def _words(code: int) -> str:
    return ", ".join(words for flag, words in WORDS.items() if code & flag)
