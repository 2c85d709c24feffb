"""The wired M-Bus frames, and the long one as a carrier of COSEM APDUs: the DLMS transport in it (EN 13757-2, -3).

Three kinds stand on the line: the acknowledge E5, the short frame 10 C A checksum 16, and the long frame; one that
has no data behind CI is called a control frame.
A long frame on the line: 68, L, L, 68, C, A, CI, data, checksum, 16; L counts from C to the end of the data. With CI
00h to 1Fh the data are STSAP, DTSAP and a piece of an APDU: the low nibble of CI numbers the pieces from 0, bit 4
marks the last. Meters push that way on their customer interface: a transparent converter brings the octets over TCP.
"""

from __future__ import annotations

import re
from typing import ClassVar, Generic, NamedTuple, TypeVar

from cosem.errors import DecodeError, IncompleteError, LocalProtocolError
from cosem.link.base import Address, ApduReceived, Connectionless, Discarded, LinkEvent
from cosem.tolerances import TOLERANT, Tolerances

START, STOP = 0x68, 0x16
MAX_LENGTH = 0xFF
"""Octets from C to the end of the data: L has one octet."""
MIN_LENGTH = 3
"""C, A and CI are always there."""
OVERFLOW = 0x100
TRANSPORT = 0x1F
"""The largest CI of the DLMS transport."""
FINAL = 0x10
MAX_PIECES = 16
"""Pieces of one APDU: their number has four bits, and what starts over at 0 is another APDU."""
MAX_PIECE = MAX_LENGTH - MIN_LENGTH - 2
MAX_SENDERS = 16
"""APDUs being put together at once on one line; a customer interface has one meter."""
SND_UD = 0x53
ACKNOWLEDGE = 0xE5
SHORT_START = 0x10
SHORT_LENGTH = 5
NO_FRAME = "between frames"
BROADCAST = 0xFF
"""The address that everybody hears and nobody answers; what meters push carries it."""


class LongFrame(NamedTuple):
    """A long frame. `coded` is L as it stood on the line, `data` what follows CI."""

    control: int
    address: int
    ci: int
    data: bytes
    coded: int

    @property
    def length(self) -> int:
        """Return the octets from C to the end of the data."""
        return MIN_LENGTH + len(self.data)


class ShortFrame(NamedTuple):
    """A short frame: C and A, nothing else."""

    control: int
    address: int


class Acknowledge(NamedTuple):
    """The single character E5."""


Frame = LongFrame | ShortFrame | Acknowledge


class Piece(NamedTuple):
    """A piece of an APDU in the DLMS transport: its number, whether it is the last, and between whom it goes."""

    number: int
    final: bool
    stsap: int
    dtsap: int
    data: bytes


def build(control: int, address: int, ci: int, data: bytes) -> bytes:
    """Return a long frame. Raises `LocalProtocolError` for what no frame can say."""
    length = MIN_LENGTH + len(data)
    if length > MAX_LENGTH:
        raise LocalProtocolError(f"a long frame holds {MAX_LENGTH - MIN_LENGTH} octets, not {len(data)}")
    if not all(0 <= octet <= 0xFF for octet in (control, address, ci)):
        raise LocalProtocolError(f"C, A and CI have an octet each: {control}, {address}, {ci}")
    body = bytes((control, address, ci)) + data
    return bytes((START, length, length, START)) + body + bytes((sum(body) & 0xFF, STOP))


def parse_at(octets: bytes, start: int = 0, tolerances: Tolerances = TOLERANT) -> tuple[LongFrame, int]:
    """Parse the long frame at `start`; return it with the offset behind it. Raises `DecodeError`, `IncompleteError`."""
    head = octets[start : start + 4]
    if head[:1] != b"\x68" or (len(head) == 4 and head[3] != START):
        raise DecodeError("no start of a long frame (68 L L 68)", start)
    if len(head) > 2 and head[1] != head[2]:
        raise DecodeError(f"the lengths of the frame differ: {head[1]}, {head[2]}", start + 1)
    if len(head) > 1 and head[1] < MIN_LENGTH and not tolerances.mbus_length_overflow:
        raise DecodeError(f"a long frame of {head[1]} octets is too short", start + 1)
    if len(head) < 4:
        raise IncompleteError("a long frame begins with four octets", len(octets))
    coded = head[1]
    length = coded if coded >= MIN_LENGTH else coded + OVERFLOW
    end = start + 4 + length
    if end + 2 > len(octets):
        raise IncompleteError(f"the frame has {length + 6} octets, {len(octets) - start} are there", len(octets))
    if octets[end + 1] != STOP:
        raise DecodeError("no stop octet 16 where the length says", end + 1)
    body = octets[start + 4 : end]
    if sum(body) & 0xFF != octets[end]:
        raise DecodeError("the checksum is wrong", end)
    return LongFrame(body[0], body[1], body[2], bytes(body[3:]), coded), end + 2


def build_short(control: int, address: int) -> bytes:
    """Return a short frame. Raises `LocalProtocolError` for what no frame can say."""
    if not (0 <= control <= 0xFF and 0 <= address <= 0xFF):
        raise LocalProtocolError(f"C and A have an octet each: {control}, {address}")
    return bytes((SHORT_START, control, address, (control + address) & 0xFF, STOP))


def parse_any_at(octets: bytes, start: int = 0, tolerances: Tolerances = TOLERANT) -> tuple[Frame, int]:
    """Parse the frame of any kind at `start`; return it with the offset behind it.

    Raises `DecodeError`, `IncompleteError`.
    """
    first = octets[start : start + 1]
    if first == b"\xe5":
        return Acknowledge(), start + 1
    if first != b"\x10":
        return parse_at(octets, start, tolerances)
    body = octets[start : start + SHORT_LENGTH]
    if len(body) < SHORT_LENGTH:
        raise IncompleteError(f"a short frame has {SHORT_LENGTH} octets, {len(body)} are there", len(octets))
    if body[4] != STOP:
        raise DecodeError("no stop octet 16 at the end of a short frame", start + 4)
    if (body[1] + body[2]) & 0xFF != body[3]:
        raise DecodeError("the checksum is wrong", start + 3)
    return ShortFrame(body[1], body[2]), start + SHORT_LENGTH


def piece(frame: LongFrame) -> Piece:
    """Read the DLMS transport of a frame. Raises `DecodeError` for another CI or a header that is cut short."""
    if frame.ci > TRANSPORT:
        raise DecodeError(f"CI {frame.ci:02X} is no DLMS transport (00 to 1F)", 0)
    if len(frame.data) < 2:
        raise DecodeError("STSAP and DTSAP are missing", 1)
    return Piece(frame.ci & 0x0F, bool(frame.ci & FINAL), frame.data[0], frame.data[1], frame.data[2:])


def segment(
    apdu: bytes, stsap: int, dtsap: int, *, control: int = SND_UD, address: int = BROADCAST, size: int = MAX_PIECE
) -> list[bytes]:
    """Return the frames that carry `apdu`, at most `size` octets of it in each.

    Raises `LocalProtocolError` for an APDU that does not fit the sixteen pieces there are numbers for.
    """
    if not 1 <= size <= MAX_PIECE:
        raise LocalProtocolError(f"a piece has 1 to {MAX_PIECE} octets, not {size}")
    if not (0 <= stsap <= 0xFF and 0 <= dtsap <= 0xFF):
        raise LocalProtocolError(f"STSAP and DTSAP have an octet each: {stsap}, {dtsap}")
    pieces = [apdu[start : start + size] for start in range(0, len(apdu), size)]
    if not 1 <= len(pieces) <= MAX_PIECES:
        raise LocalProtocolError(f"an APDU goes in 1 to {MAX_PIECES} pieces of {size} octets, not in {len(pieces)}")
    last = len(pieces) - 1
    ends = bytes((stsap, dtsap))
    return [
        build(control, address, number | (FINAL if number == last else 0), ends + data)
        for number, data in enumerate(pieces)
    ]


F = TypeVar("F", bound=Frame)


class Splitter(Generic[F]):
    """Collects octets and gives the good frames in them with their octets; the rest is `Discarded`, and only that.

    After noise it goes on at the next octet that may begin a frame; a frame that was cut short costs only itself.
    """

    starts: ClassVar[re.Pattern[bytes]]
    """What may begin a frame."""

    def __init__(self, tolerances: Tolerances = TOLERANT) -> None:
        self.tolerances = tolerances
        self._buffer = bytearray()

    def _parse(self, buffer: bytes, start: int) -> tuple[F, int]:
        raise NotImplementedError

    @property
    def waiting(self) -> int:
        """Return how many octets wait for more."""
        return len(self._buffer)

    def feed(self, octets: bytes) -> list[tuple[F, bytes] | Discarded]:
        """Take octets and return what is complete now."""
        self._buffer += octets
        return self._split(final=False)

    def flush(self) -> list[tuple[F, bytes] | Discarded]:
        """Give up on a frame that was never completed, and look for frames behind its beginning."""
        return self._split(final=True)

    def _split(self, *, final: bool) -> list[tuple[F, bytes] | Discarded]:
        found: list[tuple[F, bytes] | Discarded] = []
        buffer = bytes(self._buffer)
        start = noise = 0
        reason: str | None = None
        while start < len(buffer):
            following = self.starts.search(buffer, start)
            if following is None:
                start = len(buffer)
                break
            start = following.start()
            try:
                frame, end = self._parse(buffer, start)
            except IncompleteError as error:
                if not final:
                    break
                reason = reason or error.what
                start += 1
            except DecodeError as error:
                # Where 68 is followed by no head of a frame, it says nothing about what went wrong.
                if error.offset > start:
                    reason = reason or error.what
                start += 1
            else:
                if start > noise:
                    found.append(Discarded(buffer[noise:start], reason or NO_FRAME))
                found.append((frame, buffer[start:end]))
                start = noise = end
                reason = None
        if start > noise:
            found.append(Discarded(buffer[noise:start], reason or NO_FRAME))
        del self._buffer[:start]
        return found


class FrameSplitter(Splitter[LongFrame]):
    """Finds long frames only: what carries APDUs and answers."""

    starts = re.compile(b"\x68")

    def _parse(self, buffer: bytes, start: int) -> tuple[LongFrame, int]:
        return parse_at(buffer, start, self.tolerances)


class LineSplitter(Splitter[Frame]):
    """Finds frames of all kinds. An E5 in the middle of noise is an acknowledge to it: who asked must know better."""

    starts = re.compile(b"[\x10\x68\xe5]")

    def _parse(self, buffer: bytes, start: int) -> tuple[Frame, int]:
        return parse_any_at(buffer, start, self.tolerances)


class _Parts(NamedTuple):
    pieces: list[bytes]
    at: float


class PieceJoiner:
    """Joins the pieces of each pair of ends. `patience`: seconds after which the rest no longer comes."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._waiting: dict[tuple[int, int, int], _Parts] = {}

    @property
    def incomplete(self) -> bool:
        """Whether pieces are still missing."""
        return bool(self._waiting)

    def clear(self) -> None:
        """Forget all halves."""
        self._waiting.clear()

    def take(self, address: int, item: Piece, now: float) -> tuple[bytes | None, list[Discarded]]:
        """Take a piece and return the APDU that is whole with it, or None, and what was given up."""
        key = (address, item.stsap, item.dtsap)
        parts = self._waiting.get(key)
        if parts is not None and item.number == len(parts.pieces) - 1 and parts.pieces[-1] == item.data:
            return None, []  # a repeat
        self._waiting.pop(key, None)
        given_up: list[Discarded] = []
        if parts is not None and (now - parts.at > self._patience or item.number != len(parts.pieces)):
            given_up.append(Discarded(b"".join(parts.pieces), "pieces of an APDU without an end"))
            parts = None
        pieces = [] if parts is None else parts.pieces
        if item.number != len(pieces):
            given_up.append(Discarded(item.data, f"piece {item.number} of an APDU whose beginning is missing"))
            return None, given_up
        pieces.append(item.data)
        if item.final:
            return b"".join(pieces), given_up
        if len(pieces) == MAX_PIECES:
            given_up.append(Discarded(b"".join(pieces), f"{MAX_PIECES} pieces, and none is the last"))
            return None, given_up
        if len(self._waiting) >= MAX_SENDERS:
            oldest = min(self._waiting, key=lambda other: self._waiting[other].at)
            lost = self._waiting.pop(oldest)
            given_up.append(Discarded(b"".join(lost.pieces), "pieces of too many senders at once"))
        self._waiting[key] = _Parts(pieces, now)
        return None, given_up


class MbusLink(Connectionless):
    """APDUs in M-Bus frames, of either side; implements `cosem.link.base.Link`. It carries what nobody answers: pushes.

    STSAP of what a meter sends is its server SAP, DTSAP the client's. `patience`: seconds after which a frame or an
    APDU that does not go on is given up.
    """

    def __init__(self, *, server: bool = False, patience: float = 10.0, tolerances: Tolerances = TOLERANT) -> None:
        super().__init__()
        self.server = server
        self._patience = patience
        self._splitter = FrameSplitter(tolerances)
        self._joiner = PieceJoiner(patience)
        self._out: list[bytes] = []
        self._octets_at: float | None = None

    def send(self, address: Address, apdu: bytes, now: float, *, confirmed: bool = True) -> None:
        """Queue one APDU, in pieces where it is long."""
        if self.server:
            self._out += segment(apdu, address.server, address.client)
        else:
            self._out += segment(apdu, address.client, address.server)

    def take(self) -> bytes:
        """Return the octets to send."""
        octets = b"".join(self._out)
        self._out.clear()
        return octets

    def receive(self, octets: bytes, now: float) -> list[LinkEvent]:
        """Take octets; several frames, halves of them, or noise may arrive at once."""
        events = self._late(now)
        for item in self._splitter.feed(octets):
            events += self._item(item, now)
        self._octets_at = now if self._splitter.waiting else None
        return events

    def _item(self, item: tuple[LongFrame, bytes] | Discarded, now: float) -> list[LinkEvent]:
        if isinstance(item, Discarded):
            return [item]
        frame, raw = item
        try:
            part = piece(frame)
        except DecodeError as error:
            return [Discarded(raw, error.what)]
        whole, given_up = self._joiner.take(frame.address, part, now)
        if whole is None:
            return [*given_up]
        if not whole:
            return [*given_up, Discarded(raw, "an empty APDU")]
        ends = (part.stsap, part.dtsap) if self.server else (part.dtsap, part.stsap)
        return [*given_up, ApduReceived(Address(*ends), whole, confirmed=False)]

    def next_timer(self) -> float | None:
        """Return when a frame that does not go on is given up."""
        return None if self._octets_at is None else self._octets_at + self._patience

    def handle_timer(self, now: float) -> list[LinkEvent]:
        """Give up a frame that does not go on."""
        return self._late(now)

    def _late(self, now: float) -> list[LinkEvent]:
        due = self.next_timer()
        if due is None or now < due:
            return []
        self._octets_at = None
        events: list[LinkEvent] = []
        for item in self._splitter.flush():
            events += self._item(item, now)
        return events

    def lost(self, now: float) -> list[LinkEvent]:
        """Close every address because the transport is gone."""
        self._splitter = FrameSplitter(self._splitter.tolerances)
        self._joiner.clear()
        self._octets_at = None
        self._out.clear()
        return self._all_down("the transport was lost")
