"""One HDLC connection: sequence numbers, segmentation, the right to send, repetition. No addresses, no octets.

Normal response mode is half duplex: the primary gives the right to send with P, the secondary hands it back with F.
Whoever holds it sends at most a window of I frames; what was not acknowledged when the right comes back is repeated.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from cosem.link.hdlc.frame import Frame
from cosem.link.hdlc.parameters import DEFAULT, HdlcParameters
from cosem.link.hdlc.reject import IMPOSSIBLE_NR, INFORMATION_TOO_LONG

MAX_APDU = 0x1_0000
"""Octets of one reassembled APDU; PDU sizes are negotiated in 16 bits, so no honest peer goes beyond."""
MAX_QUEUED = 8 * MAX_APDU
"""Octets of answers that wait to be fetched. A client that goes on asking without fetching them hears RNR."""


class Segment(NamedTuple):
    """An information field to send; `more` sets the segmentation bit."""

    info: bytes
    more: bool


class Outcome(NamedTuple):
    """What a received frame meant: a whole APDU, or what was wrong with the frame.

    `reject` holds the reasons for an FRMR (bits of `cosem.link.hdlc.reject`), 0 where there are none. `stale` says
    that, if the frame hands the turn over, it may well answer an earlier question than our last one.
    """

    apdu: bytes | None = None
    problem: str | None = None
    reject: int = 0
    stale: bool = False


class Station:
    """The variables of one connection while it is in NRM. `holds` says whether it is our turn to send.

    `busy` is our own order to say RNR, `peer_busy` what the peer said; more than `room` octets in the queue make us
    busy too. `missing` says that frames of the peer came
    that could not be taken, because one before them was lost or because we were busy: it has to send them again.
    `progress` says that an I frame was taken since the primary last used its turn.
    """

    def __init__(
        self,
        parameters: HdlcParameters = DEFAULT,
        *,
        holds: bool,
        long_information: bool = True,
        room: int | None = None,
    ) -> None:
        self.parameters = parameters
        self.holds = holds
        self.send_state = 0
        self.receive_state = 0
        self.unacknowledged: deque[Segment] = deque()
        self.busy = False
        self.peer_busy = False
        self.more_expected = False
        self.missing = False
        self.progress = False
        self.queued = 0
        self._queue: deque[bytes] = deque()
        self._cut = 0
        self._parts: list[bytes] = []
        self._parts_length = 0
        self._room = room
        self._longest = 0x7FF if long_information else parameters.max_info_rx

    def offer(self, octets: bytes) -> None:
        """Queue one APDU (with its LLC header); it is cut to the negotiated information field as it is sent."""
        if octets:
            self._queue.append(octets)
            self.queued += len(octets)

    def accept(self, frame: Frame) -> Outcome:
        """Take an I, RR, RNR or REJ frame."""
        assert frame.nr is not None
        acknowledged = (frame.nr - self._oldest) & 7
        if acknowledged > len(self.unacknowledged):
            return Outcome(problem=f"N(R) = {frame.nr} acknowledges what was never sent", reject=IMPOSSIBLE_NR)
        if len(frame.info) > self._longest:
            problem = f"an information field of {len(frame.info)} octets, {self._longest} were agreed"
            return Outcome(problem=problem, reject=INFORMATION_TOO_LONG)
        for _ in range(acknowledged):
            self.unacknowledged.popleft()
        was_busy = self.peer_busy
        if frame.kind == "I":
            # An I frame says that the peer is no longer busy only where it hands the turn over.
            self.peer_busy = self.peer_busy and not frame.pf
            outcome = self._take_info(frame)
        else:
            self.peer_busy = frame.kind == "RNR"
            outcome = Outcome()
        if frame.pf:
            self.holds = True
        if self.unacknowledged and not (acknowledged or was_busy or self.peer_busy or frame.kind == "REJ"):
            return outcome._replace(stale=True)
        return outcome

    def _take_info(self, frame: Frame) -> Outcome:
        if frame.ns != self.receive_state:
            # A repeat, or one behind a lost one: the answer's N(R) tells the peer where we are.
            # Repeating what we acknowledged, the peer had not heard our last frame when it sent this one.
            stale = frame.ns == (self.receive_state - 1) & 7
            self.missing = self.missing or not stale
            return Outcome(problem=f"N(S) = {frame.ns} where {self.receive_state} was expected", stale=stale)
        if self.refusing:
            self.missing = True
            return Outcome(problem="an I frame while we are busy")
        self.receive_state = (self.receive_state + 1) & 7
        self.missing = False
        self.progress = True
        if frame.info:
            self._parts.append(frame.info)
        self._parts_length += len(frame.info)
        if self._parts_length > MAX_APDU:
            problem = f"a segmented APDU of more than {MAX_APDU} octets"
            return Outcome(problem=problem, reject=INFORMATION_TOO_LONG)
        self.more_expected = frame.segmented
        if frame.segmented:
            return Outcome()
        whole = b"".join(self._parts)
        self._parts.clear()
        self._parts_length = 0
        return Outcome(apdu=whole)

    @property
    def refusing(self) -> bool:
        """Whether we take no I frames at the moment, and say RNR."""
        return self.busy or (self._room is not None and self.queued > self._room)

    @property
    def _oldest(self) -> int:
        return (self.send_state - len(self.unacknowledged)) & 7

    def burst(self) -> list[tuple[int, Segment]]:
        """Return the I frames to send now, with their N(S): first what must be repeated, then new ones."""
        if self.peer_busy:
            return []
        frames = [((self._oldest + index) & 7, segment) for index, segment in enumerate(self.unacknowledged)]
        while self._queue and len(self.unacknowledged) < self.parameters.window_tx:
            segment = self._next()
            frames.append((self.send_state, segment))
            self.unacknowledged.append(segment)
            self.send_state = (self.send_state + 1) & 7
        return frames

    def _next(self) -> Segment:
        apdu, start = self._queue[0], self._cut
        stop = start + self.parameters.max_info_tx
        info = apdu[start:stop]
        self.queued -= len(info)
        if stop < len(apdu):
            self._cut = stop
            return Segment(info, True)
        self._cut = 0
        self._queue.popleft()
        return Segment(info, False)

    @property
    def idle(self) -> bool:
        """Whether nothing is waiting to be sent or acknowledged."""
        return not self._queue and not self.unacknowledged
