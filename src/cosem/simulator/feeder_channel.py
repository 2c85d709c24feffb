"""Who hears whom on a feeder, and how well: levels from the tree of cables, noise by hour, deterministic by seed.

Levels between all stations are worked out once. What comes of a set of senders is worked out when it first occurs and
remembered, because the same repeaters send together again and again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from operator import add, sub
from random import Random
from typing import Final

from cosem.classes.c050_sfsk_phy_mac_setup import DeltaElectricalPhase
from cosem.plc.phases import electrical_delta
from cosem.plc.reception import Reception, decibels, power, received, subframe_ok
from cosem.simulator.feeder import ALL_PHASES, Feeder

CERTAIN: Final = 100.0
"""Sum of the two ratios of signal and noise power from which on a frame is heard without a draw: less than one in
10^9 fails."""
HOPELESS: Final = 4.0
"""Ratio of both tones below which nothing is heard, not even a preamble."""
_REMEMBERED: Final = 512
"""Sets of senders; each takes some tens of kilobytes with a thousand stations."""

_MANY: Final = 8
"""Who sends something else at the same time, from which on their sum is worked out once for all of them."""


@dataclass(slots=True)
class Hearing:
    """What comes of one set of senders: who hears it for certain, and who with which probability for each subframe."""

    certain: tuple[int, ...]
    certain_set: frozenset[int]
    perhaps: tuple[tuple[int, float], ...]
    _powers: tuple[list[float], list[float]]
    _noises: tuple[list[float], list[float]]
    _known: dict[int, Reception]

    def reception(self, station: int) -> Reception:
        """Return the figures that the modem of `station` tells."""
        known = self._known.get(station)
        if known is None:
            (p0, p1), (n0, n1) = self._powers, self._noises
            levels = (decibels(row[station]) for row in (p0, n0, p1, n1))
            known = self._known[station] = received(*levels)
        return known


class FeederChannel:
    """The medium of one feeder. The same feeder and seed give the same levels."""

    def __init__(self, feeder: Feeder, *, seed: int = 1) -> None:
        self.feeder = feeder
        self.stations = len(feeder.stations)
        random = Random(seed)  # noqa: S311 - a medium to simulate, nothing secret
        line = feeder.line
        tilts = [random.gauss(0, line.tone_spread) for _ in range(self.stations)]
        self._noise_offsets = [random.gauss(0, line.noise_spread) for _ in range(self.stations)]
        self._neighbours = self._tree()
        # Rows by sender: the power of each tone at every station.
        self._rows: tuple[list[list[float]], list[list[float]]] = ([], [])
        losses_of: dict[int, list[float]] = {}
        for sender, place in enumerate(feeder.stations):
            losses = losses_of.get(place.joint)
            if losses is None:
                losses = losses_of[place.joint] = self._losses(place.joint)
            levels = [
                line.transmit_level - losses[other.joint] - self._coupling(place.phase, other.phase)
                for other in feeder.stations
            ]
            for tone, sign in ((0, 1), (1, -1)):
                lift = sign * tilts[sender]
                row = [power(level + lift + sign * tilts[j]) for j, level in enumerate(levels)]
                row[sender] = 0.0
                self._rows[tone].append(row)
        self._all_of: tuple[tuple[frozenset[int], int], tuple[list[float], list[float]]] | None = None
        self._noises: dict[int, tuple[list[float], list[float]]] = {}
        self._hearings: dict[tuple[frozenset[int], frozenset[int], int], Hearing] = {}

    def _tree(self) -> list[list[tuple[int, float]]]:
        line = self.feeder.line
        neighbours: list[list[tuple[int, float]]] = [[] for _ in range(len(self.feeder.segments) + 1)]
        for joint, segment in enumerate(self.feeder.segments, 1):
            loss = segment.metres * line.loss_per_metre + line.loss_per_joint
            neighbours[joint].append((segment.parent, loss))
            neighbours[segment.parent].append((joint, loss))
        return neighbours

    def _losses(self, joint: int) -> list[float]:
        losses = [0.0] * len(self._neighbours)
        todo = [(joint, -1)]
        while todo:
            here, came_from = todo.pop()
            for there, loss in self._neighbours[here]:
                if there != came_from:
                    losses[there] = losses[here] + loss
                    todo.append((there, here))
        return losses

    def _coupling(self, one: int, other: int) -> float:
        return 0.0 if one == other or ALL_PHASES in (one, other) else self.feeder.line.phase_coupling

    # --- levels -------------------------------------------------------------------------------------------------

    def level(self, sender: int, receiver: int) -> float:
        """Return the level in dBµV, of the stronger tone, with which `receiver` hears `sender`."""
        return decibels(max(row[sender][receiver] for row in self._rows))

    def electrical_delta(self, initiator: int, station: int) -> DeltaElectricalPhase:
        """Return what `station` measures as its phase against that of `initiator` (class 50, attribute 3)."""
        one, other = self.feeder.stations[initiator], self.feeder.stations[station]
        turned = one.reversed_wiring != other.reversed_wiring
        return electrical_delta(one.phase, other.phase, reversed_wiring=turned)

    def levels(self, senders: Iterable[int]) -> list[float]:
        """Return the level in dBµV with which every station hears all of `senders` together."""
        sums = self._sums(senders)
        return [decibels(max(pair)) for pair in zip(*sums, strict=True)]

    def noise(self, station: int, hour: int) -> float:
        """Return the noise in dBµV, of the noisier tone, at `station` in that hour of the day."""
        return decibels(max(row[station] for row in self._noise_rows(hour % 24)))

    def _sums(self, senders: Iterable[int]) -> tuple[list[float], list[float]]:
        """Return the power of both tones at every station."""
        chosen = sorted(senders)
        space, mark = self._rows
        if not chosen:
            return [0.0] * self.stations, [0.0] * self.stations
        if len(chosen) == 1:
            return space[chosen[0]], mark[chosen[0]]
        return (
            list(map(sum, zip(*[space[sender] for sender in chosen], strict=True))),
            list(map(sum, zip(*[mark[sender] for sender in chosen], strict=True))),
        )

    def _disturbed(self, senders: frozenset[int], others: frozenset[int], hour: int) -> tuple[list[float], list[float]]:
        """Return noise and the power of `others`. Of many who all send something else each asks for nearly the same."""
        noises = self._noise_rows(hour)
        if len(others) < _MANY:
            own = self._sums(others)
            return list(map(add, noises[0], own[0])), list(map(add, noises[1], own[1]))
        key = senders | others, hour
        if self._all_of is None or self._all_of[0] != key:
            sums = self._sums(key[0])
            self._all_of = key, (list(map(add, noises[0], sums[0])), list(map(add, noises[1], sums[1])))
        own, everything = self._sums(senders), self._all_of[1]
        # What is lost in the difference is far below any noise.
        return list(map(sub, everything[0], own[0])), list(map(sub, everything[1], own[1]))

    def _noise_rows(self, hour: int) -> tuple[list[float], list[float]]:
        rows = self._noises.get(hour)
        if rows is None:
            line = self.feeder.line
            base = line.noise + line.noise_by_hour[hour]
            space = [power(base + offset) for offset in self._noise_offsets]
            mark = list(space)
            for item in self.feeder.interferers:
                if hour in item.hours:
                    row = mark if item.tone else space
                    losses = self._losses(item.joint)
                    for station, place in enumerate(self.feeder.stations):
                        row[station] += power(item.level - losses[place.joint])
            rows = self._noises[hour] = (space, mark)
        return rows

    # --- receptions ---------------------------------------------------------------------------------------------

    def hear(self, senders: frozenset[int], hour: int = 12, others: frozenset[int] = frozenset()) -> Hearing:
        """Return what comes of `senders` who send the same at the same time, while `others` send something else."""
        key = (senders, others, hour % 24)
        hearing = self._hearings.get(key)
        if hearing is None:
            if len(self._hearings) >= _REMEMBERED:
                del self._hearings[next(iter(self._hearings))]
            hearing = self._hearings[key] = self._work_out(*key)
        return hearing

    def _work_out(self, senders: frozenset[int], others: frozenset[int], hour: int) -> Hearing:
        deaf = senders | others
        powers = self._sums(senders)
        noises = self._disturbed(senders, others, hour) if others else self._noise_rows(hour)
        certain: list[int] = []
        perhaps: list[tuple[int, float]] = []
        audible = [
            (station, p0 / n0, p1 / n1)
            for station, (p0, n0, p1, n1) in enumerate(zip(powers[0], noises[0], powers[1], noises[1], strict=True))
            if p0 >= HOPELESS * n0 or p1 >= HOPELESS * n1
        ]
        for station, ratio0, ratio1 in audible:
            if station in deaf:
                continue
            # Both tones usable and enough of them; where only one is, the probability says the same in a dearer way.
            if ratio0 >= HOPELESS and ratio1 >= HOPELESS and ratio0 + ratio1 >= CERTAIN:
                certain.append(station)
            else:
                perhaps.append((station, subframe_ok(ratio0, ratio1)))
        return Hearing(tuple(certain), frozenset(certain), tuple(perhaps), powers, noises, {})
