"""A day of a gas converter as a picture (SVG): volume, pressure, temperature, factor, energy, one above the other.

What was counted with substitute values is drawn in another colour; rows that are no end of an hour are marked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from math import floor, log10
from typing import Final, NamedTuple
from xml.sax.saxutils import escape

from cosem.client.gas import PERIOD_ENDED, GasRow
from cosem.errors import ConfigError

WIDTH: Final = 900
_LEFT, _RIGHT, _TOP = 92, 24, 64
_PANEL, _GAP, _BOTTOM = 116, 26, 58
_GOOD, _BAD, _LINE, _GRID, _INK, _SOFT = "#2f6f9f", "#d9822b", "#1b3a57", "#e3e7eb", "#22282e", "#6b7680"
_FONT: Final = "font-family='Helvetica, Arial, sans-serif'"


class Bar(NamedTuple):
    """A mean over a span: what was counted as it should be, and with substitute values."""

    begin: datetime
    end: datetime
    good: float
    bad: float


class Panel(NamedTuple):
    """One diagram: bars from 0, or steps of means, which need no 0."""

    title: str
    unit: str
    bars: tuple[Bar, ...]
    steps: tuple[tuple[datetime, datetime, float], ...] = ()


def day_svg(rows: Sequence[GasRow], title: str = "") -> str:
    """Return the picture of these rows, in their order of time. Raises `ConfigError` for fewer than two."""
    if len(rows) < 2 or rows[-1].at <= rows[0].at:
        raise ConfigError("a picture of a day needs two rows of an archive or more")
    begin, end = rows[0].at, rows[-1].at
    panels = _panels(rows)
    height = _TOP + len(panels) * (_PANEL + _GAP) + _BOTTOM

    def x(moment: datetime) -> float:
        return _LEFT + (moment - begin) / (end - begin) * (WIDTH - _LEFT - _RIGHT)

    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{height}' viewBox='0 0 {WIDTH} {height}'>",
        f"<rect width='{WIDTH}' height='{height}' fill='white'/>",
        _text(_LEFT, 28, title or "Gas day", size=17, weight="bold"),
        _text(_LEFT, 48, f"{begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}", colour=_SOFT),
        *_legend(),
    ]
    marks = sorted({row.at for row in rows[1:] if row.trigger != PERIOD_ENDED})
    for number, panel in enumerate(panels):
        parts += _drawn(panel, _TOP + number * (_PANEL + _GAP), x, marks)
    parts += _hours(begin, end, x, _TOP, height - _BOTTOM - _GAP + 6)
    return "\n".join([*parts, "</svg>", ""])


def _panels(rows: Sequence[GasRow]) -> list[Panel]:
    volume: list[Bar] = []
    energy: list[Bar] = []
    for before, row in pairwise(rows):
        hours = (row.at - before.at) / timedelta(hours=1)
        if hours <= 0:
            continue
        volume.append(
            Bar(
                before.at,
                row.at,
                float(row.base_undisturbed - before.base_undisturbed) / hours,
                float(row.base_disturbed - before.base_disturbed) / hours,
            )
        )
        energy.append(
            Bar(
                before.at,
                row.at,
                float(row.energy_undisturbed - before.energy_undisturbed) / hours / 1000,
                float(row.energy_disturbed - before.energy_disturbed) / hours / 1000,
            )
        )
    return [
        Panel("Volume at base conditions", "m³ an hour", tuple(volume)),
        Panel("Pressure", "bar", (), _steps(rows, "pressure")),
        Panel("Temperature", "°C", (), _steps(rows, "temperature")),
        Panel("Conversion factor", "C", (), _steps(rows, "factor")),
        Panel("Energy", "MWh an hour", tuple(energy)),
    ]


def _steps(rows: Sequence[GasRow], name: str) -> tuple[tuple[datetime, datetime, float], ...]:
    """Return the means of the hours: each holds from the end of the hour before to its own."""
    ends = [row for row in rows if row.trigger == PERIOD_ENDED and getattr(row, name) is not None]
    steps = []
    before = rows[0].at
    for row in ends:
        if row.at > before:
            steps.append((before, row.at, float(getattr(row, name))))
        before = row.at
    return tuple(steps)


def _drawn(panel: Panel, top: float, x: Callable[[datetime], float], marks: Sequence[datetime]) -> list[str]:
    values = [bar.good + bar.bad for bar in panel.bars] or [value for _, _, value in panel.steps] or [0.0]
    low, high, step = _scale(0.0 if panel.bars else min(values), max(values))

    def y(value: float) -> float:
        return top + _PANEL - (value - low) / (high - low) * (_PANEL - 18)

    right = WIDTH - _RIGHT
    parts = [_text(_LEFT, top + 8, f"{panel.title} in {panel.unit}" if panel.unit != "C" else f"{panel.title} C")]
    value = low
    while value <= high + step / 2:
        parts.append(f"<line x1='{_LEFT}' y1='{y(value):.1f}' x2='{right}' y2='{y(value):.1f}' stroke='{_GRID}'/>")
        parts.append(_text(_LEFT - 8, y(value) + 4, _number(value, step), colour=_SOFT, size=11, anchor="end"))
        value += step
    for bar in panel.bars:
        left, width = x(bar.begin), max(0.5, x(bar.end) - x(bar.begin) - 1)
        for base, amount, colour in ((0.0, bar.good, _GOOD), (bar.good, bar.bad, _BAD)):
            if amount > 0:
                tall = y(base) - y(base + amount)
                parts.append(
                    f"<rect x='{left:.1f}' y='{y(base + amount):.1f}' width='{width:.1f}' height='{tall:.1f}' "
                    f"fill='{colour}'/>"
                )
    if panel.steps:
        points = " ".join(f"{x(at):.1f},{y(value):.1f}" for begin, end, value in panel.steps for at in (begin, end))
        parts.append(f"<polyline points='{points}' fill='none' stroke='{_LINE}' stroke-width='2'/>")
    for mark in marks:
        parts.append(
            f"<line x1='{x(mark):.1f}' y1='{top + 16:.1f}' x2='{x(mark):.1f}' y2='{top + _PANEL:.1f}' "
            f"stroke='{_BAD}' stroke-dasharray='2 3'/>"
        )
    return parts


def _hours(begin: datetime, end: datetime, x: Callable[[datetime], float], top: float, bottom: float) -> list[str]:
    """Return the marks of the hours under the last diagram: about eight of them."""
    hours = (end - begin) / timedelta(hours=1)
    every = next((step for step in (1, 2, 3, 6, 12, 24, 48, 168) if hours / step <= 10), 720)
    moment = begin.replace(minute=0, second=0, microsecond=0)
    parts = []
    while moment <= end:
        if moment >= begin and (moment.hour - begin.hour) % min(every, 24) == 0:
            parts.append(_text(x(moment), bottom + 14, f"{moment:%H:%M}", colour=_SOFT, size=11, anchor="middle"))
        moment += timedelta(hours=1)
    return parts


def _legend() -> list[str]:
    parts = []
    for place, (colour, words) in enumerate(((_GOOD, "measured"), (_BAD, "with substitute values"))):
        left = WIDTH - _RIGHT - 260 + place * 95
        parts.append(f"<rect x='{left}' y='38' width='10' height='10' fill='{colour}'/>")
        parts.append(_text(left + 15, 47, words, colour=_SOFT, size=11))
    return parts


def _scale(low: float, high: float) -> tuple[float, float, float]:
    """Return the ends of an axis and the step between its lines: round numbers, four lines or so."""
    if high <= low:
        low, high = low - 0.5, high + 0.5
    rough = (high - low) / 3
    power = 10.0 ** floor(log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough)
    return floor(low / step) * step, -floor(-high / step) * step, step


def _number(value: float, step: float) -> str:
    places = max(0, -floor(log10(step))) if step < 1 else 0
    if step in (2.5, 0.25):
        places += 1
    return f"{value:.{places}f}"


def _text(
    x: float, y: float, words: str, *, size: int = 13, colour: str = _INK, anchor: str = "start", weight: str = "normal"
) -> str:
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' {_FONT} font-size='{size}' font-weight='{weight}' fill='{colour}' "
        f"text-anchor='{anchor}'>{escape(words)}</text>"
    )
