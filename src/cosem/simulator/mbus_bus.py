"""A wired M-Bus with many slaves in virtual time: collisions as the wire makes them, noise by seed, echo, speeds.

What several slaves send at once is joined bit by bit, as on the wire, where a space wins (wired AND), and read as a
UART would read it. Everything that happens is decided when a frame of the master ends, so a bus of hundreds of slaves
costs little, and the same seed gives the same run.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from cosem.errors import DecodeError
from cosem.link.line import Line
from cosem.link.mbus_frame import Frame, LongFrame, parse_any_at
from cosem.mbus.addresses import SELECTED, pattern
from cosem.mbus.link_fields import SELECT, STANDARD_LINE
from cosem.mbus.link_state import Selection
from cosem.mbus.secondary import SecondaryStation

CHUNK = 0.05
"""Seconds of octets that reach the master in one piece, about what a serial adapter does."""
BITS = 11
"""Of a character: start, eight of data, parity, stop."""


@dataclass(frozen=True, slots=True)
class BusQuality:
    """Shares from 0 to 1 of transmissions that noise alters, in each direction, and of silences that it breaks."""

    noise: float = 0.0
    strays: float = 0.0


PERFECT = BusQuality()


class _Sending(NamedTuple):
    """What one slave puts on the wire."""

    start: float
    octets: bytes
    baud: int

    @property
    def end(self) -> float:
        return self.start + len(self.octets) * BITS / self.baud


class SimulatedBus:
    """One bus and its slaves; implements `cosem.link.base.Machine` for the master's side of it.

    `line` is the one the master keeps to: a slave of another speed understands nothing. `random` returns a float in
    [0, 1), and is needed where `quality` is not perfect. `echo` gives back what the master sends.
    """

    def __init__(
        self,
        stations: Iterable[SecondaryStation] = (),
        *,
        line: Line | None = None,
        random: Callable[[], float] | None = None,
        quality: BusQuality = PERFECT,
        echo: bool = False,
    ) -> None:
        if random is None and quality != PERFECT:
            raise ValueError("a bus that is disturbed at random needs a source of randomness")
        self.stations = list(stations)
        self.line = line or Line(STANDARD_LINE)
        self.quality = quality
        self.echo = echo
        self.collisions = 0
        """Answers that met on the wire."""
        self.disturbed = 0
        """Transmissions that noise altered."""
        self._random = random or (lambda: 1.0)
        self._arriving: list[tuple[float, int, bytes]] = []
        self._count = 0
        self._heard = b""
        self._frame_ends = 0.0
        self._coming = b""
        self._out: list[bytes] = []
        self._busy: dict[int, float] = {}

    # --- the machine ---------------------------------------------------------------------------------------

    def receive(self, octets: bytes, now: float) -> None:
        """Take what the master sends; the slaves have it when its time on the wire is over."""
        self.handle_timer(now)
        begin = max(now, self._frame_ends) if self._coming else now
        self._coming += octets
        self._frame_ends = begin + self.line.settings.seconds(len(octets))
        if self.echo:
            self._arrive(self._frame_ends, octets)

    def take(self) -> bytes:
        """Return what has reached the master."""
        octets = b"".join(self._out)
        self._out.clear()
        return octets

    def next_timer(self) -> float | None:
        """Return when the next octets arrive at either side."""
        arriving = self._arriving[0][0] if self._arriving else None
        if not self._coming:
            return arriving
        return self._frame_ends if arriving is None else min(arriving, self._frame_ends)

    def handle_timer(self, now: float) -> None:
        """Let what has arrived be heard."""
        if self._coming and now >= self._frame_ends:
            self._delivered()
        while self._arriving and self._arriving[0][0] <= now:
            self._out.append(heapq.heappop(self._arriving)[2])

    def lost(self, now: float) -> None:
        """Forget what is on the wire: the master's side is gone."""
        self._arriving.clear()
        self._coming = self._heard = b""
        self._out.clear()

    # --- the wire ------------------------------------------------------------------------------------------

    def _delivered(self) -> None:
        octets, self._coming = self._coming, b""
        # A frame may come in pieces from a converter: what is incomplete waits for the rest.
        self._heard = self._disturb(self._heard + octets)
        at = 0
        while at < len(self._heard):
            try:
                frame, end = parse_any_at(self._heard, at)
            except DecodeError:
                break
            self._answers(frame, self._frame_ends)
            at = end
        self._heard = b""

    def _answers(self, frame: Frame, now: float) -> None:
        baud = self.line.settings.baud
        sent: list[_Sending] = []
        busy = self._busy
        for station in self._concerned(frame):
            if station.trial_until is not None:
                station.settle(now)
            if station.baud != baud or (busy and busy.get(id(station), 0.0) > now):
                continue
            answer = station.hear(frame, now)
            if answer:
                sent.append(_Sending(now + station.reaction, answer, baud))
                busy[id(station)] = sent[-1].end
        if busy and not sent:
            busy.clear()
        for burst in _bursts(sent):
            self._burst(burst)
        if not sent and self._random() < self.quality.strays:
            stray = bytes((int(self._random() * 256) & 0xFF,))
            self._arrive(now + self._random(), stray)

    def _concerned(self, frame: Frame) -> list[SecondaryStation]:
        """Return the slaves to which a frame may mean something: of hundreds a selection means a few."""
        if not (isinstance(frame, LongFrame) and frame.address == SELECTED and frame.ci == SELECT):
            return self.stations
        care, value = pattern(frame.data[:8].ljust(8, b"\xff"))
        unselected = Selection.UNSELECTED
        return [
            station
            for station in self.stations
            if not (station.key ^ value) & care
            or station.selection is not unselected
            or station.trial_until is not None
        ]

    def _burst(self, burst: list[_Sending]) -> None:
        """Put what overlaps on the wire and hand the master what it makes of it."""
        start, baud = burst[0].start, burst[0].baud
        if len(burst) == 1:
            octets = burst[0].octets
        else:
            self.collisions += 1
            octets = joined(burst_bits(burst))
        octets = self._disturb(octets)
        character = BITS / baud
        size = max(1, int(CHUNK / character))
        for at in range(0, len(octets), size):
            piece = octets[at : at + size]
            self._arrive(start + (at + len(piece)) * character, piece)

    def _arrive(self, at: float, octets: bytes) -> None:
        self._count += 1
        heapq.heappush(self._arriving, (at, self._count, octets))

    def _disturb(self, octets: bytes) -> bytes:
        """Return what noise makes of a transmission: bits turned, an octet lost, an octet more."""
        random = self._random
        if not octets or random() >= self.quality.noise:
            return octets
        self.disturbed += 1
        place = int(random() * len(octets)) % len(octets)
        kind = random()
        if kind < 0.2:
            return octets[:place] + octets[place + 1 :]
        if kind < 0.4:
            return octets[:place] + bytes((int(random() * 256) & 0xFF,)) + octets[place:]
        changed = bytearray(octets)
        for _ in range(1 + int(random() * 3)):
            changed[place] ^= 1 << int(random() * 8) % 8
            place = int(random() * len(octets)) % len(octets)
        return bytes(changed)


def _bursts(sent: list[_Sending]) -> list[list[_Sending]]:
    """Return transmissions in groups that overlap in time."""
    groups: list[list[_Sending]] = []
    end = 0.0
    for item in sorted(sent, key=lambda sending: sending.start):
        if groups and item.start < end:
            groups[-1].append(item)
        else:
            groups.append([item])
        end = max(end, item.end)
    return groups


def character_bits(octet: int) -> int:
    """Return the eleven bits of a character, the first one sent lowest: start, data, even parity, stop."""
    return octet << 1 | (octet.bit_count() & 1) << 9 | 1 << 10


def burst_bits(burst: list[_Sending]) -> tuple[int, int]:
    """Return the bits on the wire while several send, the first one lowest, and how many they are."""
    start = burst[0].start
    places = [(round((item.start - start) * item.baud), item.octets) for item in burst]
    length = max(place + BITS * len(octets) for place, octets in places)
    wire = (1 << length) - 1
    for place, octets in places:
        spaces = 0
        for index, octet in enumerate(octets):
            spaces |= (character_bits(octet) ^ 0x7FF) << (place + BITS * index)
        wire &= ~spaces
    return wire, length


def joined(bits: tuple[int, int]) -> bytes:
    """Return the characters a receiver makes of bits: it does not look at the parity, as most drivers do not."""
    wire, length = bits
    octets = bytearray()
    at = 0
    while at < length:
        if wire >> at & 1:
            at += 1
            continue
        octets.append(wire >> (at + 1) & 0xFF)
        # A space where the stop bit belongs is the start bit of what follows.
        at += BITS - 1
        if at < length and wire >> at & 1:
            at += 1
    return bytes(octets)
