"""A low-voltage feeder as data: a tree of cable segments behind a transformer, and meters on three phases."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Final

from cosem.errors import ConfigError

ALL_PHASES: Final = 0
"""The phase of a station that is coupled to all three, as a concentrator at the transformer may be."""
INITIATOR: Final = 0
"""The station that is the concentrator."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of cable from the joint `parent` to the joint that has this segment's place in the list, plus one."""

    parent: int
    metres: float


@dataclass(frozen=True, slots=True)
class Place:
    """Where a station is: its joint (0 is the transformer) and its phase, 1 to 3, or 0 for all three.

    `reversed_wiring`: whether phase and neutral are exchanged, which turns the phase by half a cycle.
    """

    joint: int
    phase: int
    reversed_wiring: bool = False


@dataclass(frozen=True, slots=True)
class Interferer:
    """Something that disturbs one tone (0 space, 1 mark) at a joint, with `level` in dBµV, in `hours` of the day."""

    joint: int
    tone: int
    level: float
    hours: frozenset[int] = frozenset(range(24))


_EVENING: Final = (0.0,) * 6 + (2.0,) * 11 + (6.0,) * 5 + (2.0,) * 2


@dataclass(frozen=True, slots=True)
class Line:
    """Levels and losses of a feeder in dB and dBµV.

    They are ours: no set of measurements was found that a simulation could be held to. With them a concentrator on all
    phases is heard up to some 600 m of cable with its joints, and a meter by one on another phase up to some 450 m,
    which is what makes repeaters necessary.
    """

    transmit_level: float = 120.0
    loss_per_metre: float = 0.05
    loss_per_joint: float = 1.0
    phase_coupling: float = 12.0
    noise: float = 48.0
    noise_by_hour: tuple[float, ...] = _EVENING
    noise_spread: float = 3.0
    """Standard deviation of the noise from station to station."""
    tone_spread: float = 2.0
    """Standard deviation of what a station's tones differ from the average of its cable."""

    def __post_init__(self) -> None:
        if len(self.noise_by_hour) != 24:
            raise ConfigError("noise by hour has 24 values")


@dataclass(frozen=True, slots=True)
class Feeder:
    """Segments, stations (the first is the concentrator), what disturbs them, and the numbers of the line."""

    segments: tuple[Segment, ...]
    stations: tuple[Place, ...]
    line: Line = field(default_factory=Line)
    interferers: tuple[Interferer, ...] = ()

    def __post_init__(self) -> None:
        for number, segment in enumerate(self.segments, 1):
            if not 0 <= segment.parent < number:
                raise ConfigError(f"segment {number} begins at joint {segment.parent}, which lies behind it")
        joints = len(self.segments) + 1
        places = [station.joint for station in self.stations] + [item.joint for item in self.interferers]
        for joint in places:
            if not 0 <= joint < joints:
                raise ConfigError(f"joint {joint} of a feeder that has {joints}")

    def distance(self, station: int) -> float:
        """Return the metres of cable between the transformer and `station`."""
        metres, joint = 0.0, self.stations[station].joint
        while joint:
            segment = self.segments[joint - 1]
            metres, joint = metres + segment.metres, segment.parent
        return metres


def random_feeder(
    meters: int, *, seed: int = 1, cables: int = 4, line: Line | None = None, initiator_phase: int = ALL_PHASES
) -> Feeder:
    """Return a feeder of `meters`: cables from the transformer with cabinets along them, two to ten meters at each.

    The same arguments give the same feeder.
    """
    if meters < 0 or cables < 1:
        raise ConfigError(f"a feeder of {meters} meters on {cables} cables")
    random = Random(seed)  # noqa: S311 - a feeder to simulate, nothing secret
    segments: list[Segment] = []
    stations = [Place(0, initiator_phase)]
    ends = [0] * cables
    while len(stations) <= meters:
        cable = random.randrange(cables)
        segments.append(Segment(ends[cable], random.uniform(15, 60)))
        cabinet = len(segments)
        # A cable now and then has a branch: what follows goes on from the cabinet or from where it was.
        if random.random() < 0.85:
            ends[cable] = cabinet
        for _ in range(min(random.randint(2, 10), meters + 1 - len(stations))):
            segments.append(Segment(cabinet, random.uniform(5, 30)))
            stations.append(Place(len(segments), random.randint(1, 3)))
    return Feeder(tuple(segments), tuple(stations), line or Line())


def line_of_repeaters(hops: int, *, reach: float = 400.0) -> Feeder:
    """Return a concentrator and `hops` + 1 meters in a row, each of which hears its neighbours only.

    Losses are so steep that the neighbour is beyond doubt and the next but one is out of reach.
    """
    segments = tuple(Segment(number, reach) for number in range(hops + 1))
    stations = (Place(0, 1), *(Place(number + 1, 1) for number in range(hops + 1)))
    line = Line(loss_per_metre=40.0 / reach, noise_spread=0.0, tone_spread=0.0, noise_by_hour=(0.0,) * 24)
    return Feeder(segments, stations, line)
