"""One HDLC connection: sequence numbers, segmentation, the right to send, repetition. No addresses, no octets.

Normal response mode is half duplex: the primary gives the right to send with P, the secondary hands it back with F.
Whoever holds it sends at most a window of I frames; what was not acknowledged when the right comes back is repeated.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from cosem.link.hdlc.frame import Frame
from cosem.link.hdlc.parameters import DEFAULT, HdlcParameters

MAX_APDU = 0x1_0000
"""Octets of one reassembled APDU; PDU sizes are negotiated in 16 bits, so no honest peer goes beyond."""


class Segment(NamedTuple):
    """An information field to send; `more` sets the segmentation bit."""

    info: bytes
    more: bool


class Outcome(NamedTuple):
    """What a received frame meant: a whole APDU, or what was wrong with the frame.

    `stale` says that, if it hands the turn over, it may well answer an earlier question than our last one.
    """

    apdu: bytes | None = None
    problem: str | None = None
    fatal: bool = False
    stale: bool = False


class Station:
    """The variables of one connection while it is in NRM. `holds` says whether it is our turn to send."""

    def __init__(self, parameters: HdlcParameters = DEFAULT, *, holds: bool) -> None:
        self.parameters = parameters
        self.holds = holds
        self.send_state = 0
        self.receive_state = 0
        self.queue: deque[Segment] = deque()
        self.unacknowledged: deque[Segment] = deque()
        self._parts: list[bytes] = []
        self._parts_length = 0
        self.peer_busy = False
        self.more_expected = False

    def offer(self, octets: bytes) -> None:
        """Queue one APDU (with its LLC header), cut to the negotiated information field."""
        size = self.parameters.max_info_tx
        for start in range(0, len(octets), size):
            self.queue.append(Segment(octets[start : start + size], start + size < len(octets)))

    def accept(self, frame: Frame) -> Outcome:
        """Take an I, RR or RNR frame."""
        assert frame.nr is not None
        acknowledged = (frame.nr - self._oldest) & 7
        if acknowledged > len(self.unacknowledged):
            return Outcome(problem=f"N(R) = {frame.nr} acknowledges what was never sent", fatal=True)
        for _ in range(acknowledged):
            self.unacknowledged.popleft()
        self.peer_busy = frame.kind == "RNR"
        outcome = self._take_info(frame) if frame.kind == "I" else Outcome()
        if frame.pf:
            self.holds = True
        if self.unacknowledged and not acknowledged and not self.peer_busy:
            return outcome._replace(stale=True)
        return outcome

    def _take_info(self, frame: Frame) -> Outcome:
        if frame.ns != self.receive_state:
            # A repeat, or one behind a lost one: the answer's N(R) tells the peer where we are.
            # Repeating what we acknowledged, the peer had not heard our last frame when it sent this one.
            stale = frame.ns == (self.receive_state - 1) & 7
            return Outcome(problem=f"N(S) = {frame.ns} where {self.receive_state} was expected", stale=stale)
        self.receive_state = (self.receive_state + 1) & 7
        if frame.info:
            self._parts.append(frame.info)
        self._parts_length += len(frame.info)
        if self._parts_length > MAX_APDU:
            return Outcome(problem=f"a segmented APDU of more than {MAX_APDU} octets", fatal=True)
        self.more_expected = frame.segmented
        if frame.segmented:
            return Outcome()
        whole = b"".join(self._parts)
        self._parts.clear()
        self._parts_length = 0
        return Outcome(apdu=whole)

    @property
    def _oldest(self) -> int:
        return (self.send_state - len(self.unacknowledged)) & 7

    def burst(self) -> list[tuple[int, Segment]]:
        """Return the I frames to send now, with their N(S): first what must be repeated, then new ones."""
        if self.peer_busy:
            return []
        frames = [((self._oldest + index) & 7, segment) for index, segment in enumerate(self.unacknowledged)]
        while self.queue and len(self.unacknowledged) < self.parameters.window_tx:
            segment = self.queue.popleft()
            frames.append((self.send_state, segment))
            self.unacknowledged.append(segment)
            self.send_state = (self.send_state + 1) & 7
        return frames

    @property
    def idle(self) -> bool:
        """Whether nothing is waiting to be sent or acknowledged."""
        return not self.queue and not self.unacknowledged
