"""The extended link layer of wireless M-Bus: CI 8Ch to 8Fh and 86h, and its AES-CTR (EN 13757-4, 13.2).

- 8Ch (I): CC, access number. 8Dh (II): and session number, CRC of the payload. 8Eh (III): CC, access number, receiver.
  8Fh (IV): all of them. 86h (V): CC, access number, a control octet that says which of the others follow.

Where a session number is there, a CRC over what follows stands in front of it, and both are enciphered together when
the session number says so.
"""

from __future__ import annotations

from typing import NamedTuple

from cosem.errors import DecodeError, EncodeError, TagMismatch
from cosem.mbus import crypto
from cosem.mbus.crc import crc16
from cosem.mbus.wireless import Address

FIRST, SECOND, THIRD, FOURTH, VARIABLE = 0x8C, 0x8D, 0x8E, 0x8F, 0x86
CIS = frozenset((FIRST, SECOND, THIRD, FOURTH, VARIABLE))
CRC = 2
RECEIVER, SESSION, DELTA, LEVEL = 0x01, 0x02, 0x04, 0x08
"""Bits of the control octet of 86h for what follows it [D]: the table is not public, this is the order of its fields.

The order itself (receiver, session number, run time delta, reception level, CRC of the payload) is recalled too.
"""
UNREPEATED = 0xED
"""In the cipher's counter block the two bits that a repeater changes (H 10h and R 02h) are 0."""


class SessionNumber(NamedTuple):
    """Encryption (0 none, 1 AES-CTR), minutes since the meter began to count, and the session in this minute."""

    encryption: int
    minutes: int
    session: int

    @classmethod
    def from_octets(cls, octets: bytes) -> SessionNumber:
        """Read the four octets, least significant first."""
        raw = int.from_bytes(octets, "little")
        return cls(raw >> 29, raw >> 4 & 0x1FF_FFFF, raw & 0x0F)

    @property
    def octets(self) -> bytes:
        """Return the four octets as sent."""
        return (self.encryption << 29 | self.minutes << 4 | self.session).to_bytes(4, "little")

    @property
    def counter(self) -> int:
        """Return minutes and session as one number that only grows."""
        return self.minutes << 4 | self.session


class ExtendedLink(NamedTuple):
    """An extended link layer. `receiver`, `session` and the two octets below are None where absent.

    `selection` is the control octet of 86h, and `delta` (2 octets) and `level` only 86h has.
    """

    ci: int
    control: int
    access_number: int
    receiver: Address | None = None
    session: SessionNumber | None = None
    selection: int = 0
    delta: bytes | None = None
    level: int | None = None

    @property
    def enciphered(self) -> bool:
        """Whether the payload is enciphered by this layer."""
        return self.session is not None and self.session.encryption != 0

    @property
    def control_words(self) -> list[str]:
        """Return what the communication control field says."""
        bits = (
            (0x80, "bidirectional"),
            (0x40, "fast response"),
            (0x20, "synchronised"),
            (0x10, "repeated once"),
            (0x08, "priority"),
            (0x04, "access unlimited"),
            (0x02, "access through a repeater"),
            (0x01, "extended response"),
        )
        return [word for bit, word in bits if self.control & bit]

    @property
    def octets(self) -> bytes:
        """Return the layer as sent, without the CRC of the payload."""
        front = bytes((self.ci, self.control, self.access_number))
        receiver = b"" if self.receiver is None else self.receiver.link
        session = b"" if self.session is None else self.session.octets
        if self.ci == VARIABLE:
            tail = (self.delta or b"") + (b"" if self.level is None else bytes((self.level,)))
            return front + bytes((self.selection,)) + receiver + session + tail
        return front + receiver + session


_SIZES = {FIRST: 3, SECOND: 7, THIRD: 11, FOURTH: 15}


def decode_ell(octets: bytes, start: int = 0) -> tuple[ExtendedLink, int]:
    """Read the layer whose CI stands at `start`; return it with the offset behind it (where a CRC may follow)."""
    ci = octets[start]
    if ci == VARIABLE:
        return _variable(octets, start)
    size = _SIZES[ci]
    if len(octets) < start + size:
        raise DecodeError(f"an extended link layer {ci:02X}h has {size} octets", len(octets))
    control, access = octets[start + 1], octets[start + 2]
    if ci == FIRST:
        return ExtendedLink(ci, control, access), start + 3
    at = start + 3
    receiver = None
    if ci in (THIRD, FOURTH):
        receiver, at = Address.from_link(octets[at : at + 8]), at + 8
    session = None
    if ci in (SECOND, FOURTH):
        session, at = SessionNumber.from_octets(octets[at : at + 4]), at + 4
    return ExtendedLink(ci, control, access, receiver, session), at


def _variable(octets: bytes, start: int) -> tuple[ExtendedLink, int]:
    if len(octets) < start + 4:
        raise DecodeError("a variable extended link layer has at least 4 octets", len(octets))
    selection = octets[start + 3]
    if selection & ~(RECEIVER | SESSION | DELTA | LEVEL):
        raise DecodeError(f"the control octet {selection:02X} of the extended link layer has unknown bits", start + 3)
    at = start + 4
    pieces: list[bytes | None] = []
    for bit, size in ((RECEIVER, 8), (SESSION, 4), (DELTA, 2), (LEVEL, 1)):
        if not selection & bit:
            pieces.append(None)
            continue
        piece = octets[at : at + size]
        if len(piece) < size:
            raise DecodeError("the variable extended link layer is cut short", len(octets))
        pieces.append(piece)
        at += size
    receiver, session, delta, level = pieces
    return (
        ExtendedLink(
            VARIABLE,
            octets[start + 1],
            octets[start + 2],
            None if receiver is None else Address.from_link(receiver),
            None if session is None else SessionNumber.from_octets(session),
            selection,
            delta,
            None if level is None else level[0],
        ),
        at,
    )


def counter_block(layer: ExtendedLink, sender: Address) -> bytes:
    """Return the first counter block: M, A, CC without the repeater's bits, session number, frame 0, block 0."""
    if layer.session is None:
        raise EncodeError("an extended link layer without a session number enciphers nothing")
    return sender.link + bytes((layer.control & UNREPEATED,)) + layer.session.octets + bytes(3)


def _checked(text: bytes, at: int) -> bytes | None:
    if len(text) < CRC:
        raise DecodeError("the CRC of the payload is missing", at + len(text))
    return text[CRC:] if crc16(text[CRC:]) == text[0] | text[1] << 8 else None


def open_payload(layer: ExtendedLink, sender: Address, text: bytes, key: bytes | None, at: int = 0) -> bytes:
    """Return what follows the layer, deciphered and its CRC checked. `at`: where `text` begins, for the error.

    `key` None: `text` is taken as clear. Raises `DecodeError` for a wrong CRC in clear text, `TagMismatch` for one that
    was enciphered.
    """
    if layer.session is None:
        return text
    if key is not None and layer.enciphered:
        if layer.session.encryption != 1:
            raise DecodeError(f"encryption {layer.session.encryption} of the extended link layer is reserved", at)
        plain = _checked(crypto.ctr(key, counter_block(layer, sender), text), at)
        if plain is None:
            raise TagMismatch("the CRC behind the extended link layer is wrong: wrong key, or altered octets")
        return plain
    plain = _checked(text, at)
    if plain is None:
        raise DecodeError("the CRC of the payload of the extended link layer is wrong", at)
    return plain


def protect_payload(layer: ExtendedLink, sender: Address, plain: bytes, key: bytes | None) -> bytes:
    """Return what follows the layer: CRC and `plain`, enciphered with `key` where the session number says so."""
    if layer.session is None:
        return plain
    text = crc16(plain).to_bytes(2, "little") + plain
    return crypto.ctr(key, counter_block(layer, sender), text) if layer.enciphered and key is not None else text
