"""Long MAC frames (IEC 61334-5-1, 4.2.2): octets <-> fields, with no memory between two of them.

A frame is NS (2 octets), credits (1), source and destination (12 bits each), the number of octets of padding (1),
M_sdu, padding, and the check sequence (3), 36 octets for each of its one to seven subframes. Short frames, which the
first edition of the standard also had, do not exist here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from cosem.codec.primitive import in_octets
from cosem.errors import DecodeError, EncodeError, IncompleteError
from cosem.plc.addresses import MAX_ADDRESS
from cosem.plc.check24 import TEXTBOOK, CheckSequence

SUBFRAME: Final = 36
"""Octets of the frame in one slot."""
MAX_SUBFRAMES: Final = 7
OVERHEAD: Final = 10
MAX_SDU: Final = MAX_SUBFRAMES * SUBFRAME - OVERHEAD
"""242 octets of M_sdu."""
MAX_CREDIT: Final = 7
MAX_DELTA: Final = 3
"""The delta credit has two bits: how far a frame came can be seven, and is told as 3 then (not settled by a source)."""

_HEADER: Final = 7
_CODES: Final = (0x6C, 0x3A, 0x56, 0x71, 0x1D, 0x4B, 0x27)
SUBFRAME_CODES: Final = tuple(bytes((code, code)) for code in _CODES)
"""NS as it stands on the line, for 1 to 7 subframes."""
_NUMBERS: Final = {code: number for number, code in enumerate(SUBFRAME_CODES, 1)}


class Credits(NamedTuple):
    """Initial and current credit (0 to 7: repetitions asked for, repetitions left), and the delta credit (0 to 3)."""

    initial: int = 0
    current: int = 0
    delta: int = 0

    @property
    def hops(self) -> int:
        """How many repetitions this copy has behind it."""
        return self.initial - self.current


class MacFrame(NamedTuple):
    """One frame: addresses of 12 bits, credits, and M_sdu of 1 to 242 octets."""

    source: int
    destination: int
    credits: Credits
    sdu: bytes

    @property
    def subframes(self) -> int:
        """How many slots one copy takes."""
        return subframes_for(len(self.sdu))

    @property
    def padding(self) -> int:
        """How many octets fill the last subframe."""
        return self.subframes * SUBFRAME - OVERHEAD - len(self.sdu)

    def with_credit(self, current: int) -> MacFrame:
        """Return the copy that has `current` repetitions left."""
        initial, _, delta = self.credits
        return self._replace(credits=Credits(initial, current, delta))


def subframes_for(length: int) -> int:
    """Return how many subframes `length` octets of M_sdu take. Raises `EncodeError` for none and for more than 242."""
    if not 0 < length <= MAX_SDU:
        raise EncodeError(f"an M_sdu of {in_octets(length)}: a MAC frame carries 1 to {MAX_SDU}")
    return -(-(length + OVERHEAD) // SUBFRAME)


@lru_cache(maxsize=64)
def build(frame: MacFrame, check: CheckSequence = TEXTBOOK) -> bytes:
    """Return the octets of `frame` from NS to the check sequence. Raises `EncodeError`."""
    count = subframes_for(len(frame.sdu))
    initial, current, delta = frame.credits
    if not (0 <= current <= initial <= MAX_CREDIT and 0 <= delta <= MAX_DELTA):
        raise EncodeError(f"credits {initial}/{current}/{delta}: 0 to 7, no more than the first, 0 to 3")
    for address in (frame.source, frame.destination):
        if not 0 <= address <= MAX_ADDRESS:
            raise EncodeError(f"MAC address {address:X} has more than 12 bits")
    padding = count * SUBFRAME - OVERHEAD - len(frame.sdu)
    addresses = frame.source << 12 | frame.destination
    body = b"".join(
        (
            bytes((initial << 5 | current << 2 | delta,)),
            addresses.to_bytes(3, "big"),
            bytes((padding,)),
            frame.sdu,
            bytes(padding),
        )
    )
    return SUBFRAME_CODES[count - 1] + body + check.compute(body)


def subframes_at(octets: bytes, offset: int = 0) -> int | None:
    """Return the number of subframes that NS at `offset` tells, or None where no NS stands there."""
    return _NUMBERS.get(octets[offset : offset + 2])


@lru_cache(maxsize=64)
def read(octets: bytes, check: CheckSequence = TEXTBOOK) -> MacFrame | None:
    """Return the frame in `octets`, or None where `parse` would raise: all who hear a copy ask for the same octets."""
    try:
        return parse(octets, check)
    except DecodeError:
        return None


def parse(octets: bytes, check: CheckSequence = TEXTBOOK) -> MacFrame:
    """Return the frame in `octets`, which go from NS to the check sequence. Raises `DecodeError`.

    Padding other than 0 is refused: a repeater makes the frame anew, and all copies on the line have to be alike.
    """
    count = _NUMBERS.get(octets[:2])
    if len(octets) < 2:
        raise IncompleteError("a MAC frame begins with two octets that tell its subframes", len(octets))
    if count is None:
        raise DecodeError(f"{octets[:2].hex().upper()} is no number of subframes", 0)
    size = count * SUBFRAME
    if len(octets) < size:
        what = "1 subframe has" if count == 1 else f"{count} subframes have"
        raise IncompleteError(f"{what} {size} octets, here are {len(octets)}", len(octets))
    if len(octets) > size:
        raise DecodeError(f"{in_octets(len(octets) - size)} behind a MAC frame", size)
    if check.compute(octets[2:-3]) != octets[-3:]:
        raise DecodeError("the check sequence is wrong", size - 3)
    credit, padding = octets[2], octets[6]
    if padding >= SUBFRAME or padding >= size - OVERHEAD:
        raise DecodeError(f"{padding} octets of padding in {count} subframes", 6)
    end = size - 3 - padding
    if octets.count(0, end, size - 3) != padding:
        raise DecodeError("padding other than 0", end)
    credits = Credits(credit >> 5, credit >> 2 & 7, credit & 3)
    if credits.current > credits.initial:
        raise DecodeError(f"a current credit of {credits.current} of {credits.initial} that were given", 2)
    addresses = int.from_bytes(octets[3:6], "big")
    return MacFrame(addresses >> 12, addresses & MAX_ADDRESS, credits, octets[_HEADER:end])
