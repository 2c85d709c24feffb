"""A line in memory for two ends, in virtual time: with loss, delay, duplication and corruption where asked for.

The unit is one write, as a serial line or a datagram would carry it. Randomness comes in as an argument, so that the
same seed gives the same line.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LineQuality:
    """Shares from 0 to 1 of writes that are lost, doubled, or have one bit turned; delay in seconds, with jitter."""

    loss: float = 0.0
    duplication: float = 0.0
    corruption: float = 0.0
    delay: float = 0.0
    jitter: float = 0.0


PERFECT = LineQuality()


class LossyPipe:
    """Two directions, from side 0 to side 1 and back. `random` returns a float in [0, 1)."""

    def __init__(self, random: Callable[[], float] | None = None, quality: LineQuality = PERFECT) -> None:
        if random is None and quality != PERFECT and quality != LineQuality(delay=quality.delay):
            raise ValueError("a line that fails at random needs a source of randomness")
        self.quality = quality
        self._random = random or (lambda: 1.0)
        self._queues: tuple[list[tuple[float, int, bytes]], list[tuple[float, int, bytes]]] = ([], [])
        self._count = 0
        self._latest = [0.0, 0.0]

    def send(self, side: int, octets: bytes, now: float) -> None:
        """Let `side` write `octets`."""
        if not octets:
            return
        quality, random = self.quality, self._random
        if random() < quality.loss:
            return
        copies = 2 if random() < quality.duplication else 1
        for _ in range(copies):
            written = octets
            if random() < quality.corruption:
                bit = int(random() * len(octets) * 8) % (len(octets) * 8)
                changed = bytearray(octets)
                changed[bit // 8] ^= 1 << bit % 8
                written = bytes(changed)
            # A line keeps its order: a write never overtakes the one before it.
            at = max(now + quality.delay + (random() * quality.jitter if quality.jitter else 0.0), self._latest[side])
            self._latest[side] = at
            self._count += 1
            heapq.heappush(self._queues[side], (at, self._count, written))

    def deliver(self, side: int, now: float) -> bytes | None:
        """Return the next write that has reached `side` by `now`, or None."""
        queue = self._queues[1 - side]
        if queue and queue[0][0] <= now:
            return heapq.heappop(queue)[2]
        return None

    def next_time(self) -> float | None:
        """Return when the next write arrives at either side."""
        times = [queue[0][0] for queue in self._queues if queue]
        return min(times, default=None)

    def cut(self) -> None:
        """Forget everything under way."""
        for queue in self._queues:
            queue.clear()
