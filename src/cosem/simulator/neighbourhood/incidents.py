"""What happens in a neighbourhood that nobody ordered: by a script in the night before, and by chance afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from cosem.simulator.neighbourhood.layout import Layout

HOUR: Final = 3600
CUT, MEND, SILENCE, HEAR = "cut", "mend", "silence", "hear"
"""What is done to a feeder, and to whom nobody shall hear (again)."""
NIGHT_FEEDER: Final = "Birch Avenue"
"""The street that had no power last night."""
SILENT: Final = ("E-007", "E-093", "E-171")
"""Meters that have not been heard since last night."""
SILENT_UTILITIES: Final = ("G-002", "W-004")
MAGNET: Final = "E-042"
OPENED: Final = "E-118"
EVERY: Final = 40 * 60
"""Seconds between two incidents by chance, on the average."""


@dataclass(frozen=True, slots=True)
class Incident:
    """What happens at `at` (UTC seconds) to a unit, or to a feeder."""

    at: int
    where: str
    words: str
    given: Mapping[str, Any] = field(default_factory=dict)


def last_night(layout: Layout, end: int) -> list[Incident]:
    """Return what happened in the night that ended at `end`: an outage, fraud, meters that fell silent."""
    names = {home.name for home in layout.homes} | {item.name for item in layout.utilities}
    wired = {item.name for item in layout.utilities if not item.kind.endswith("-radio")}
    script = [
        Incident(end - 5 * HOUR, NIGHT_FEEDER, CUT),
        Incident(end - 5 * HOUR + 23 * 60, NIGHT_FEEDER, MEND),
        Incident(end - 4 * HOUR, OPENED, "terminal cover opened"),
        Incident(end - 4 * HOUR + 300, OPENED, "terminal cover closed"),
        Incident(end - 2 * HOUR, MAGNET, "magnet"),
        Incident(end - 2 * HOUR + 1200, MAGNET, "magnet gone"),
        *(Incident(end - 3 * HOUR, name, SILENCE) for name in SILENT),
        *(Incident(end - 6 * HOUR, name, SILENCE) for name in SILENT_UTILITIES if name in wired),
    ]
    there = [item for item in script if item.where in names or item.where == NIGHT_FEEDER]
    return sorted(there, key=lambda item: item.at)


class Chance:
    """Incidents by chance from `begin` on, each with its end: an endless, reproducible stream in order of time."""

    def __init__(self, layout: Layout, begin: int, *, every: int = EVERY) -> None:
        self._random = Random(layout.settings.seed * 31 + 7)  # noqa: S311 - a play, nothing secret
        self._meters = [home.name for home in layout.homes]
        self._wired = [item.name for item in layout.utilities if not item.kind.endswith("-radio")]
        self._feeders = sorted({home.feeder for home in layout.homes})
        self._at = begin
        self._every = every

    def __iter__(self) -> Iterator[tuple[Incident, Incident]]:
        """Yield pairs: what begins, and what ends it."""
        while True:
            self._at += max(1, round(self._random.expovariate(1 / self._every)))
            yield self._pair()

    def _pair(self) -> tuple[Incident, Incident]:
        random = self._random
        kind = random.choices(
            ("cover", "magnet", "outage", "phase", "silent", "utility", "sensor"), (5, 2, 1, 3, 3, 2, 1)
        )[0]
        meter = random.choice(self._meters)
        given: dict[str, Any] = {}
        if kind == "cover":
            where, begun, over, seconds = meter, "terminal cover opened", "terminal cover closed", (60, 900)
        elif kind == "magnet":
            where, begun, over, seconds = meter, "magnet", "magnet gone", (120, 3600)
        elif kind == "outage":
            where, begun, over, seconds = random.choice(self._feeders), CUT, MEND, (120, 3600)
        elif kind == "phase":
            where, begun, over, seconds = meter, "phase missing", "phase return", (60, 1800)
            given = {"phase": random.randint(1, 3)}
        elif kind == "silent" or (kind == "utility" and not self._wired):
            where, begun, over, seconds = meter, SILENCE, HEAR, (600, 7200)
        elif kind == "utility":
            where, begun, over, seconds = random.choice(self._wired), SILENCE, HEAR, (3600, 14_400)
        else:
            where, begun, over, seconds = "S-1", "sensor fails", "sensor repaired", (600, 5400)
            given = {"sensor": random.choice(("pressure", "temperature"))}
        first = Incident(self._at, where, begun, given)
        return first, Incident(self._at + random.randint(*seconds), where, over, given)
