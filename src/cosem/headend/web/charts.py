"""Charts as SVG, made on the server: paths in a stretched drawing, words in percent around it, so that none warps.

No style attribute anywhere: the policy of the pages refuses it. Coordinates are 0 to 1000 each way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import Final

SIZE: Final = 1000


@dataclass(frozen=True, slots=True)
class Mark:
    """A word on an axis; `at` in percent from the left or the bottom."""

    at: float
    words: str


@dataclass(frozen=True, slots=True)
class Chart:
    """What a template draws. Paths are SVG path data; `missing` shades where there is nothing."""

    path: str
    other: str
    missing: str
    across: tuple[Mark, ...]
    up: tuple[Mark, ...]
    target: float | None = None


def nice(highest: float) -> float:
    """Return a round number at or above `highest`, for the top of an axis."""
    if highest <= 0:
        return 1.0
    power = 10.0 ** floor(log10(highest))
    return next(step * power for step in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10) if step * power >= highest * 0.999999)


def bars(values: Sequence[float | None], estimates: Sequence[float | None]) -> tuple[str, str, str, float]:
    """Return the bars of values, those of estimates, the shade of what is missing, and the top of the axis."""
    known = [value for value in (*values, *estimates) if value is not None]
    top = nice(max(known, default=0))
    count = max(len(values), 1)
    wide = SIZE / count
    gap = wide * 0.15 if count <= 400 else 0.0
    drawn: list[list[str]] = [[], [], []]
    for index, (value, estimate) in enumerate(zip(values, estimates, strict=True)):
        left = index * wide
        if value is None and estimate is None:
            drawn[2].append(f"M{left:.5g} 0V{SIZE}H{left + wide:.5g}V0z")
            continue
        height = max(0.0, (value if value is not None else estimate or 0.0) / top * SIZE)
        drawn[1 if value is None else 0].append(
            f"M{left + gap / 2:.5g} {SIZE}V{SIZE - height:.5g}H{left + wide - gap / 2:.5g}V{SIZE}z"
        )
    return "".join(drawn[0]), "".join(drawn[1]), "".join(drawn[2]), top


def line(values: Sequence[float | None], guessed: Sequence[bool]) -> tuple[str, str, str, float, float]:
    """Return a line through values, the parts of it that lead to what is `guessed`, the shade of what is missing, and
    both ends of the axis."""
    known = [value for value in values if value is not None]
    low, high = min(known, default=0.0), max(known, default=1.0)
    room = (high - low) * 0.08 or abs(high) * 0.05 or 1.0
    low, high = low - room, high + room
    wide = SIZE / max(len(values), 1)
    drawn: tuple[list[str], list[str]] = ([], [])
    missing: list[str] = []
    before, pen = "", 0
    for index, value in enumerate(values):
        if value is None:
            missing.append(f"M{index * wide:.5g} 0V{SIZE}H{(index + 1) * wide:.5g}V0z")
            before = ""
            continue
        point = f"{(index + 0.5) * wide:.5g} {SIZE - (value - low) / (high - low) * SIZE:.5g}"
        part = int(bool(before) and (guessed[index] or guessed[index - 1]))
        if not before:
            drawn[part].append(f"M{point}")
        else:
            drawn[part].append(f"L{point}" if part == pen else f"M{before}L{point}")
        before, pen = point, part
    return "".join(drawn[0]), "".join(drawn[1]), "".join(missing), low, high


def curve(points: Sequence[tuple[float, float]]) -> str:
    """Return steps through points (0 to 1 both ways), as an account grows."""
    if not points:
        return ""
    parts = [f"M{points[0][0] * SIZE:.5g} {SIZE - points[0][1] * SIZE:.5g}"]
    for across, up in points[1:]:
        parts.append(f"H{across * SIZE:.5g}V{SIZE - up * SIZE:.5g}")
    return "".join(parts)


def steps_up(low: float, high: float, places: int | None = None) -> tuple[Mark, ...]:
    """Return five marks of a vertical axis."""
    if places is None:
        size = high - low
        places = 0 if size >= 20 else 1 if size >= 2 else 2 if size >= 0.2 else 3
    return tuple(Mark(part * 25.0, f"{low + (high - low) * part / 4:,.{places}f}") for part in range(5))
