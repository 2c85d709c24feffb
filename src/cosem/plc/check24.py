"""The 24-bit check sequence of a MAC frame, in the two conventions that are about.

Which one IEC 61334-5-1 means could not be settled from public sources. Both divide by x^24 + x^22 + x^20 + x^19 +
x^18 + x^16 + x^14 + x^13 + x^11 + x^10 + x^8 + x^7 + x^6 + x^3 + x + 1, begin with 0 and leave out NS.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

POLYNOMIAL: Final = 0x5D6DCB
SIZE: Final = 3


@dataclass(frozen=True, slots=True, eq=False)
class CheckSequence:
    """A convention: `compute` returns the three octets as they stand on the line, for the octets from credits to
    padding."""

    name: str
    compute: Callable[[bytes], bytes]


def _table() -> tuple[int, ...]:
    rows = []
    for octet in range(256):
        value = octet << 16
        for _ in range(8):
            value = (value << 1) ^ (POLYNOMIAL if value & 0x800000 else 0)
        rows.append(value & 0xFFFFFF)
    return tuple(rows)


_TABLE: Final = _table()
_REVERSED: Final = bytes(int(f"{octet:08b}"[::-1], 2) for octet in range(256))


def _remainder(octets: bytes) -> int:
    value = 0
    for octet in octets:
        value = (value << 8 & 0xFFFFFF) ^ _TABLE[value >> 16 ^ octet]
    return value


def _textbook(octets: bytes) -> bytes:
    return _remainder(octets).to_bytes(3, "big")


def _gurux(octets: bytes) -> bytes:
    # M mod G without the factor x^24: the last three octets are the part that is not multiplied.
    plain = _remainder(octets[:-3]) ^ int.from_bytes(octets[-3:], "big")
    return plain.to_bytes(3, "big").translate(_REVERSED)[::-1]


TEXTBOOK: Final = CheckSequence("textbook", _textbook)
"""The remainder of M(x) times x^24. The default: it is the one that finds every burst of up to 24 bits."""
GURUX: Final = CheckSequence("gurux", _gurux)
"""The remainder of M(x) itself with its bits reversed, as the Gurux libraries in C, C# and Java send it.

It misses pairs of errors, such as the last bit of the payload together with one of the check sequence.
"""
CONVENTIONS: Final = {convention.name: convention for convention in (TEXTBOOK, GURUX)}
