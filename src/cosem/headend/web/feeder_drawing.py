"""The power line of a neighbourhood as shapes for a template: cables, cabinets, meters on their phases, who repeats.

The layout is that of `cosem.simulator.feeder_picture`, which says it as data; colours are those of the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

WIDTH: Final = 1000
LEFT: Final = 64
RIGHT: Final = 70
STACK: Final = 4
"""Meters of a cabinet that stand below each other."""
RADIUS: Final = 9
STEP: Final = 2 * RADIUS + 4
ROW: Final = 34
SIDE: Final = 26


@dataclass(frozen=True, slots=True)
class Dot:
    """A meter: where, its phase, and what is known of it."""

    x: float
    y: float
    unit: str
    phase: int
    metres: int
    registered: bool
    hops: int
    repeats: bool
    level: int


@dataclass(frozen=True, slots=True)
class Drawing:
    """What a template draws: `cables` and `bars` as path data, cabinets, ends with their metres, and meters."""

    height: int
    cables: str
    top: float
    bottom: float
    cabinets: tuple[tuple[float, float], ...]
    ends: tuple[tuple[float, float, int], ...]
    dots: tuple[Dot, ...]
    left: int = SIDE
    width: int = WIDTH

    @property
    def summary(self) -> str:
        """The drawing in a sentence."""
        registered = sum(dot.registered for dot in self.dots)
        repeating = sum(dot.repeats for dot in self.dots)
        farthest = max((dot.metres for dot in self.dots), default=0)
        return (
            f"{registered} of {len(self.dots)} meters are registered, {repeating} repeat for others; "
            f"the farthest is {farthest} m away."
        )


def drawing(line: Mapping[str, Any]) -> Drawing:
    """Return how a power line is drawn. Raises `LookupError`, `TypeError` or `ValueError` for what is no line."""
    stretches = [
        (item["origin"], float(item["begin"]), [(int(joint), float(metres)) for joint, metres in item["cabinets"]])
        for item in line["lanes"]
    ]
    meters: dict[int, list[Mapping[str, Any]]] = {}
    for meter in line["meters"]:
        meters.setdefault(int(meter["cabinet"]), []).append(meter)
    longest = max((metres for _, _, cabinets in stretches for _, metres in cabinets), default=1.0) or 1.0
    scale = (WIDTH - LEFT - RIGHT) / longest
    origins = {origin for origin, _, _ in stretches}
    rows: dict[int, float] = {}
    y = 24.0
    for _, _, cabinets in stretches:
        for joint, _ in cabinets:
            rows[joint] = y
        most = max((len(meters.get(joint, ())) for joint, _ in cabinets), default=0)
        y += ROW + min(most, STACK) * STEP
    cables, places, ends, dots = [], [], [], []
    for origin, begin, cabinets in stretches:
        here = rows[cabinets[0][0]]
        start = float(SIDE) if origin is None else LEFT + begin * scale
        last = LEFT + cabinets[-1][1] * scale
        rise = "" if origin is None else f"M{start:.5g} {rows[int(origin)]:.5g}V{here:.5g}"
        cables.append(f"{rise}M{start:.5g} {here:.5g}H{last:.5g}")
        ends.append((last, here, round(cabinets[-1][1])))
        for joint, metres in cabinets:
            x = LEFT + metres * scale
            places.append((x, here))
            # Beside the branch that goes down from here, not on it.
            dots += _dots(meters.get(joint, []), x - (STEP if joint in origins else 0), here)
    bottom = max(rows.values(), default=24.0)
    return Drawing(round(y), "".join(cables), 12.0, bottom + 12, tuple(places), tuple(ends), tuple(dots))


def _dots(meters: list[Mapping[str, Any]], x: float, y: float) -> list[Dot]:
    columns = -(-len(meters) // STACK)
    return [
        Dot(
            x + (number // STACK - (columns - 1) / 2) * STEP,
            y + 10 + RADIUS + number % STACK * STEP,
            str(meter["unit"]),
            min(3, max(0, int(meter["phase"]))),
            int(meter["metres"]),
            bool(meter["registered"]),
            int(meter["hops"]),
            bool(meter["repeats"]),
            int(meter["level"]),
        )
        for number, meter in enumerate(meters)
    ]
