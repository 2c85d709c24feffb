"""The air of wireless M-Bus in virtual time: meters that send, receivers in reach, loss and turned bits by seed.

A receiver hears a frame as strong as distance and chance leave it. Below its sensitivity it hears nothing; near it
octets are altered; two frames that overlap in one band are lost at a receiver unless one is much stronger.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from cosem.device.load import noise
from cosem.device.utility.radio import RadioMeter, Sent
from cosem.errors import ConfigError
from cosem.mbus.air import MODES, LineCode
from cosem.mbus.wireless import Format

PREAMBLE: Final = 64
"""Chips of preamble and synchronisation, about."""
CHIPS: Final = {LineCode.MANCHESTER: 16, LineCode.THREE_OF_SIX: 12, LineCode.NRZ: 8}
"""Chips of an octet."""
CAPTURE: Final = 6.0
"""dB by which a frame must be stronger than another to be understood beside it."""
AT_ONE_METRE: Final = -25.0
"""dBm that a meter of 14 dBm leaves at a distance of one metre."""
EXPONENT: Final = 3.0
"""How fast power falls inside buildings: this power of the distance."""


class Heard(NamedTuple):
    """What a receiver hands on: when the frame ended (UTC seconds), by whom it was heard, how strong (dBm), octets.

    `form` is what the synchronisation word in front told.
    """

    at: float
    receiver: str
    transmission: str
    rssi: int
    octets: bytes
    form: Format


@dataclass(frozen=True, slots=True)
class AirReceiver:
    """A receiver: its name, the modes it listens to, from which strength on it hears (dBm), and the metres to meters.

    `distances` by identification number; `distance` where a meter is not among them.
    """

    name: str
    transmissions: frozenset[str]
    sensitivity: float = -100.0
    distance: float = 20.0
    distances: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for transmission in self.transmissions:
            if transmission not in MODES:
                raise ConfigError(f"{transmission!r} is no mode of transmission: {', '.join(MODES)}")


@dataclass(frozen=True, slots=True)
class AirQuality:
    """What happens by chance: shares of frames that are lost and that have a bit turned, and dB of fading."""

    loss: float = 0.0
    errors: float = 0.0
    fading: float = 6.0


class _OnAir(NamedTuple):
    start: float
    end: float
    number: int
    identification: str
    sent: Sent


@dataclass(slots=True)
class Air:
    """Meters and receivers in one place. The same seed gives the same run."""

    meters: Sequence[RadioMeter]
    receivers: Sequence[AirReceiver]
    quality: AirQuality = AirQuality()
    seed: int = 1
    sent: int = field(init=False, default=0)
    lost: int = field(init=False, default=0)
    """Frames that a receiver in reach did not get, by chance or by another frame."""
    _queue: list[tuple[float, int]] = field(init=False)

    def __post_init__(self) -> None:
        self._queue = [(meter.next_at, place) for place, meter in enumerate(self.meters) if meter.next_at is not None]
        heapq.heapify(self._queue)

    def run(self, until: float) -> Iterator[Heard]:
        """Yield what is heard up to `until` in the order in which it was sent; what has begun by then is whole."""
        near: deque[_OnAir] = deque()
        waiting: _OnAir | None = None
        for item in self._transmissions(until):
            # A frame is decided upon when it is known what else began before its end.
            near.append(item)
            waiting = waiting or item
            while waiting is not None and waiting.end < item.start:
                yield from self._decide(waiting, near)
                waiting = _after(near, waiting)
            # No frame lasts a second: nothing that is still undecided can meet what is forgotten here.
            while near[0].end + 1.0 < item.start:
                near.popleft()
        while waiting is not None:
            yield from self._decide(waiting, near)
            waiting = _after(near, waiting)

    def _transmissions(self, until: float) -> Iterator[_OnAir]:
        queue = self._queue
        while queue and queue[0][0] <= until:
            _, place = heapq.heappop(queue)
            meter = self.meters[place]
            sent = meter.send()
            if meter.next_at is not None:
                heapq.heappush(queue, (meter.next_at, place))
            if sent is None:
                continue
            self.sent += 1
            identification = meter.speaker.meter.settings.identification
            yield _OnAir(sent.at, sent.at + seconds(sent), self.sent, identification, sent)

    def _decide(self, item: _OnAir, near: Iterable[_OnAir]) -> Iterator[Heard]:
        band = MODES[item.sent.transmission].frequency
        others = [
            other
            for other in near
            if other is not item
            and other.start < item.end
            and other.end > item.start
            and MODES[other.sent.transmission].frequency == band
        ]
        for place, receiver in enumerate(self.receivers):
            if item.sent.transmission not in receiver.transmissions:
                continue
            level = self._level(item, receiver, place)
            if level < receiver.sensitivity:
                continue
            beside = any(self._level(other, receiver, place) + CAPTURE > level for other in others)
            if beside or noise(self.seed, item.number, 100 + place) < self.quality.loss:
                self.lost += 1
                continue
            octets = self._disturbed(item, place)
            yield Heard(item.end, receiver.name, item.sent.transmission, round(level), octets, item.sent.form)

    def _level(self, item: _OnAir, receiver: AirReceiver, place: int) -> float:
        distance = max(1.0, receiver.distances.get(item.identification, receiver.distance))
        fading = (2 * noise(self.seed, item.number, 300 + place) - 1) * self.quality.fading
        return AT_ONE_METRE - 10 * EXPONENT * math.log10(distance) + fading

    def _disturbed(self, item: _OnAir, place: int) -> bytes:
        octets = item.sent.octets
        if noise(self.seed, item.number, 500 + place) >= self.quality.errors:
            return octets
        bit = int(noise(self.seed, item.number, 700 + place) * 8 * len(octets))
        changed = bytearray(octets)
        changed[bit // 8] ^= 1 << bit % 8
        return bytes(changed)


def _after(near: Sequence[_OnAir], item: _OnAir) -> _OnAir | None:
    return next((other for other in near if other.number == item.number + 1), None)


def seconds(sent: Sent) -> float:
    """Return how long a frame is on the air."""
    mode = MODES[sent.transmission]
    return (PREAMBLE + CHIPS[mode.code] * len(sent.octets)) / mode.chips
