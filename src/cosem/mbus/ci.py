"""What each CI field means: which header follows, who speaks, and what the application carries (EN 13757-7, table 2).

`MEANINGS` is the table; `meaning` looks up and never fails: what the standard reserves says so.
"""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import NamedTuple


class HeaderKind(StrEnum):
    """Which transport header follows CI."""

    NONE = "none"
    SHORT = "short"
    LONG = "long"


class Direction(StrEnum):
    """Who speaks: the meter, or its communication partner."""

    FROM_DEVICE = "from device"
    TO_DEVICE = "to device"


class Content(Enum):
    """What the application layer carries."""

    RECORDS = "M-Bus records"
    FIXED = "fixed data structure"
    COMPACT = "M-Bus compact frame"
    FORMAT = "M-Bus format frame"
    DLMS = "DLMS/COSEM"
    DLMS_PIECE = "DLMS/COSEM in pieces with their own transport"
    SELECT = "application reset or select"
    SELECTED = "selected application"
    SYNCHRONISE = "synchronise action"
    CLOCK = "time synchronisation"
    ERROR = "application error"
    ALARM = "alarm"
    OBIS = "OBIS-type value descriptors"
    NETWORK = "network management"
    NETWORK_LAYER = "network layer"
    TRANSPORT = "transport layer alone"
    IMAGE = "image transfer"
    SECURITY = "security information transfer"
    BAUD_RATE = "change of baud rate"
    MANUFACTURER = "manufacturer specific"
    SPECIFIC = "specific usage"
    LINK = "extended link layer"
    FRAGMENTS = "authentication and fragmentation layer"
    RESERVED = "reserved"


class Meaning(NamedTuple):
    """The meaning of a CI field."""

    ci: int
    content: Content
    header: HeaderKind
    direction: Direction


_C, _N, _S, _L = Content, HeaderKind.NONE, HeaderKind.SHORT, HeaderKind.LONG
_TO, _FROM = Direction.TO_DEVICE, Direction.FROM_DEVICE

_ROWS: tuple[tuple[int, int, Content, HeaderKind, Direction], ...] = (
    (0x00, 0x1F, _C.DLMS_PIECE, _N, _FROM),
    (0x50, 0x50, _C.SELECT, _N, _TO),
    (0x51, 0x51, _C.RECORDS, _N, _TO),
    (0x52, 0x52, _C.SPECIFIC, _N, _TO),  # wired: selection of a secondary address, which is the link's
    (0x53, 0x53, _C.SELECT, _L, _TO),
    (0x54, 0x54, _C.SELECTED, _N, _TO),
    (0x55, 0x55, _C.SELECTED, _L, _TO),
    (0x5A, 0x5A, _C.RECORDS, _S, _TO),
    (0x5B, 0x5B, _C.RECORDS, _L, _TO),
    (0x5C, 0x5C, _C.SYNCHRONISE, _N, _TO),
    (0x5F, 0x5F, _C.SPECIFIC, _L, _TO),
    (0x60, 0x60, _C.DLMS, _L, _TO),
    (0x61, 0x61, _C.DLMS, _S, _TO),
    (0x64, 0x64, _C.OBIS, _L, _TO),
    (0x65, 0x65, _C.OBIS, _S, _TO),
    (0x66, 0x66, _C.SELECTED, _N, _FROM),
    (0x67, 0x67, _C.SELECTED, _S, _FROM),
    (0x68, 0x68, _C.SELECTED, _L, _FROM),
    (0x69, 0x69, _C.FORMAT, _N, _FROM),
    (0x6A, 0x6A, _C.FORMAT, _S, _FROM),
    (0x6B, 0x6B, _C.FORMAT, _L, _FROM),
    (0x6C, 0x6D, _C.CLOCK, _L, _TO),
    (0x6E, 0x6E, _C.ERROR, _S, _FROM),
    (0x6F, 0x6F, _C.ERROR, _L, _FROM),
    (0x70, 0x70, _C.ERROR, _N, _FROM),
    (0x71, 0x71, _C.ALARM, _N, _FROM),
    (0x72, 0x72, _C.RECORDS, _L, _FROM),
    (0x73, 0x73, _C.COMPACT, _L, _FROM),
    (0x74, 0x74, _C.ALARM, _S, _FROM),
    (0x75, 0x75, _C.ALARM, _L, _FROM),
    (0x78, 0x78, _C.RECORDS, _N, _FROM),
    (0x79, 0x79, _C.COMPACT, _N, _FROM),
    (0x7A, 0x7A, _C.RECORDS, _S, _FROM),
    (0x7B, 0x7B, _C.COMPACT, _S, _FROM),
    (0x7C, 0x7C, _C.DLMS, _L, _FROM),
    (0x7D, 0x7D, _C.DLMS, _S, _FROM),
    (0x7E, 0x7E, _C.OBIS, _L, _FROM),
    (0x7F, 0x7F, _C.OBIS, _S, _FROM),
    (0x80, 0x80, _C.TRANSPORT, _L, _TO),
    (0x81, 0x81, _C.NETWORK_LAYER, _N, _TO),
    (0x82, 0x82, _C.NETWORK, _L, _TO),
    (0x83, 0x83, _C.NETWORK, _N, _TO),
    (0x84, 0x84, _C.TRANSPORT, _L, _TO),  # a compact frame is expected
    (0x85, 0x85, _C.TRANSPORT, _L, _TO),  # a format frame is expected
    (0x86, 0x86, _C.LINK, _N, _FROM),
    (0x87, 0x87, _C.NETWORK, _L, _FROM),
    (0x88, 0x88, _C.NETWORK, _S, _FROM),
    (0x89, 0x89, _C.NETWORK, _N, _FROM),
    (0x8A, 0x8A, _C.TRANSPORT, _S, _FROM),
    (0x8B, 0x8B, _C.TRANSPORT, _L, _FROM),
    (0x8C, 0x8F, _C.LINK, _N, _FROM),
    (0x90, 0x90, _C.FRAGMENTS, _N, _FROM),
    (0x9E, 0x9E, _C.SPECIFIC, _S, _FROM),
    (0x9F, 0x9F, _C.SPECIFIC, _L, _FROM),
    (0xA0, 0xB7, _C.MANUFACTURER, _N, _FROM),
    (0xB8, 0xBF, _C.BAUD_RATE, _N, _TO),
    (0xC0, 0xC0, _C.IMAGE, _L, _TO),
    (0xC1, 0xC1, _C.IMAGE, _S, _FROM),
    (0xC2, 0xC2, _C.IMAGE, _L, _FROM),
    (0xC3, 0xC3, _C.SECURITY, _L, _TO),
    (0xC4, 0xC4, _C.SECURITY, _S, _FROM),
    (0xC5, 0xC5, _C.SECURITY, _L, _FROM),
)


def _table() -> tuple[Meaning, ...]:
    table = [Meaning(ci, Content.RESERVED, HeaderKind.NONE, Direction.FROM_DEVICE) for ci in range(0x100)]
    for first, last, content, header, direction in _ROWS:
        for ci in range(first, last + 1):
            table[ci] = Meaning(ci, content, header, direction)
    return tuple(table)


MEANINGS = _table()
"""By CI. Pieces of DLMS (00h to 1Fh) and the lower layers go both ways; their row says the meter."""
FIXED_LENGTH = 16
"""Octets behind CI 73h in the fixed data structure of old wired meters."""
_FIXED = Meaning(0x73, Content.FIXED, HeaderKind.NONE, Direction.FROM_DEVICE)


def meaning(ci: int, *, wired: bool = False, length: int = 0) -> Meaning:
    """Return what CI says, `length` octets following it.

    73h is the fixed data structure on the wire when 16 octets follow, and a compact frame with long header otherwise.
    """
    return _FIXED if ci == 0x73 and wired and length == FIXED_LENGTH else MEANINGS[ci]
