"""DLMS/COSEM on M-Bus: in pieces with CI 00h to 1Fh, and behind a header with CI 60h, 61h, 7Ch and 7Dh (IEC 62056-7-3).

With 00h to 1Fh the transport numbers pieces itself (`cosem.link.mbus_frame`), on the wire and by radio alike. Behind a
header the application is STSAP, DTSAP and the whole APDU [C], protected by the header's security mode; what does not
fit a frame goes in fragments of the authentication layer.
"""

from __future__ import annotations

from typing import NamedTuple

from cosem.errors import DecodeError, EncodeError
from cosem.link.base import Discarded
from cosem.link.mbus_frame import FINAL, MAX_PIECE, MAX_PIECES, TRANSPORT, LongFrame, Piece, PieceJoiner, piece
from cosem.mbus.ci import Content, HeaderKind
from cosem.mbus.telegram import Telegram

COMMAND_LONG, COMMAND_SHORT, RESPONSE_LONG, RESPONSE_SHORT = 0x60, 0x61, 0x7C, 0x7D
ENDS = 2
AIR_PIECE = 240
"""Octets of an APDU that go in a piece by radio, whatever the frame's format; on the wire `MAX_PIECE` do."""


class Carried(NamedTuple):
    """An APDU and between whom it goes."""

    stsap: int
    dtsap: int
    apdu: bytes


def ci_of(header: HeaderKind, *, to_device: bool) -> int:
    """Return the CI of an APDU behind a header. Raises `EncodeError` for no header: those go in pieces."""
    if header is HeaderKind.NONE:
        raise EncodeError("without a header an APDU goes in pieces, CI 00h to 1Fh")
    if header is HeaderKind.LONG:
        return COMMAND_LONG if to_device else RESPONSE_LONG
    return COMMAND_SHORT if to_device else RESPONSE_SHORT


def carried(telegram: Telegram, *, ends: bool = True) -> Carried:
    """Return the APDU behind a header. `ends` False: for devices that leave out STSAP and DTSAP, which are 0 then.

    Raises `DecodeError` for another CI, and for an application that is cut short.
    """
    if telegram.content is not Content.DLMS:
        raise DecodeError(f"CI {telegram.ci:02X}h carries no DLMS/COSEM behind a header", 0)
    application = telegram.application
    if not ends:
        return Carried(0, 0, application)
    if len(application) <= ENDS:
        raise DecodeError("STSAP, DTSAP or the APDU is missing", len(application))
    return Carried(application[0], application[1], application[ENDS:])


def application_of(item: Carried, *, ends: bool = True) -> bytes:
    """Return the application that carries an APDU behind a header."""
    if not ends:
        return item.apdu
    if not (0 <= item.stsap <= 0xFF and 0 <= item.dtsap <= 0xFF):
        raise EncodeError(f"STSAP and DTSAP have an octet each: {item.stsap}, {item.dtsap}")
    return bytes((item.stsap, item.dtsap)) + item.apdu


def pieces(item: Carried, size: int = AIR_PIECE) -> list[tuple[int, bytes]]:
    """Return CI and application of each piece, for either link. `segment` of the wired frame gives whole frames."""
    if not 1 <= size <= MAX_PIECE:
        raise EncodeError(f"a piece has 1 to {MAX_PIECE} octets, not {size}")
    parts = [item.apdu[start : start + size] for start in range(0, len(item.apdu), size)]
    if not 1 <= len(parts) <= MAX_PIECES:
        raise EncodeError(f"an APDU goes in 1 to {MAX_PIECES} pieces of {size} octets, not in {len(parts)}")
    last = len(parts) - 1
    ends = application_of(Carried(item.stsap, item.dtsap, b""))
    return [(number | (FINAL if number == last else 0), ends + part) for number, part in enumerate(parts)]


def piece_of(telegram: Telegram) -> Piece:
    """Return the piece of an APDU in a telegram with CI 00h to 1Fh. Raises `DecodeError`."""
    if telegram.ci > TRANSPORT:
        raise DecodeError(f"CI {telegram.ci:02X} is no DLMS transport (00 to 1F)", 0)
    return piece(LongFrame(0, 0, telegram.ci, telegram.application, 0))


class DlmsJoiner:
    """Puts the pieces of APDUs together, by sender and ends. `patience`: seconds until the rest no longer comes."""

    def __init__(self, patience: float = 10.0) -> None:
        self._joiner = PieceJoiner(patience)

    def take(self, telegram: Telegram, now: float) -> tuple[Carried | None, list[Discarded]]:
        """Take a telegram and return the APDU that is whole with it, or None, and what was given up."""
        if telegram.content is Content.DLMS:
            return carried(telegram), []
        item = piece_of(telegram)
        if telegram.sender is not None:
            sender = int.from_bytes(telegram.sender.link, "big")
        else:
            sender = telegram.link.address if isinstance(telegram.link, LongFrame) else 0
        whole, given_up = self._joiner.take(sender, item, now)
        return (None if whole is None else Carried(item.stsap, item.dtsap, whole)), given_up
