"""What receivers of wireless M-Bus hand on: lines of text, and the frames of serial dongles.

Lines: raw hex, those of rtl-wmbus with their fields, those of a CUL (`b...`). Dongles: IMST iM871A (A5h), Amber/Wuerth
AMB8465 (FFh, 03h, or frames alone). Each gives a `Received`: the wireless frame as the receiver passed it on, with
signal strength and time where they are told. Nothing here looks into the frame.
"""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from cosem.errors import DecodeError
from cosem.link.base import Discarded
from cosem.mbus.wireless import CONTROLS, HEADER, Format

_LEVEL = re.compile(r"-?[0-9]{1,6}")


class Relay(StrEnum):
    """Who received a frame."""

    HEX = "hex"
    RTL_WMBUS = "rtl-wmbus"
    CUL = "CUL"
    IM871A = "iM871A"
    AMB8465 = "AMB8465"


class Received(NamedTuple):
    """A wireless frame from a relay. `rssi` in dBm where the relay says that, else None; `level` as it was sent.

    `time`: of the relay's own clock, without a zone. `ticks`: its running counter. `mode` and `form`: where told.
    """

    frame: bytes
    relay: Relay
    rssi: int | None = None
    level: int | None = None
    time: datetime | None = None
    ticks: int | None = None
    mode: str = ""
    form: Format | None = None


MAX_LINE = 8192
"""Characters of a line: two for each octet of the longest frame, and fields, many times over."""


def _hex(text: str, at: int) -> bytes:
    try:
        octets = bytes.fromhex(text)
    except ValueError:
        raise DecodeError("no octets in hex", at) from None
    if not octets:
        raise DecodeError("no octets", at)
    return octets


def parse_line(line: str) -> Received:
    """Read a line of any relay that this module knows. Raises `DecodeError`; offsets count characters."""
    text = line.strip()
    if len(text) > MAX_LINE:
        raise DecodeError(f"a line of {len(text)} characters is no telegram", MAX_LINE)
    if ";" in text:
        return parse_rtl_wmbus(text)
    if text[:1] == "b" and len(text) % 2 != 0:
        return parse_cul(text)
    if text[:2] == "bY":
        return parse_cul(text)
    return parse_hex(text)


def parse_hex(line: str) -> Received:
    """Read a frame in hex: with or without 0x, spaces, bars and signs in front, as logs have them."""
    text = line.strip()
    for sign in ("telegram=", "0x", "0X"):
        text = text.removeprefix(sign)
    return Received(_hex("".join(text.replace("|", "").replace("_", "").replace(":", "").split()), 0), Relay.HEX)


def parse_rtl_wmbus(line: str) -> Received:
    """Read a line of rtl-wmbus: mode;crc ok;3 of 6 ok;time;signal;now;identification;0xframe without CRCs."""
    fields = line.strip().split(";")
    if len(fields) < 8 or fields[0][:1] not in ("C", "T", "S"):
        raise DecodeError(f"a line of rtl-wmbus has 8 fields and begins with its mode: {len(fields)}", 0)
    if fields[1] != "1" or (fields[2] != "1" and fields[0][0] == "T"):
        raise DecodeError("rtl-wmbus says that the telegram has errors", len(fields[0]) + 1)
    at = sum(len(field) + 1 for field in fields[:7])
    if not fields[7].startswith("0x"):
        raise DecodeError("no frame (0x...) in the eighth field", at)
    try:
        time = datetime.fromisoformat(fields[3])
    except ValueError:
        raise DecodeError("no time in the fourth field", sum(len(field) + 1 for field in fields[:3])) from None
    level = fields[4].strip()
    return Received(
        _hex(fields[7][2:], at + 2),
        Relay.RTL_WMBUS,
        level=int(level) if _LEVEL.fullmatch(level) else None,
        time=time.replace(tzinfo=None),
        mode=fields[0],
        form=Format.STRIPPED,
    )


def cc_rssi(octet: int) -> int:
    """Return the dBm that a CC1101 or CC1125 means by an octet: half steps, two's complement, 74 off."""
    return (octet - 0x100 if octet >= 0x80 else octet) // 2 - 74


def parse_cul(line: str, *, signal: bool = True) -> Received:
    """Read a line of a CUL: b and a frame of format A, or bY and one of format B, in hex; then link quality and RSSI.

    `signal` False: a CUL that was started without it (X01), whose lines end with the frame.
    """
    text = line.strip()
    if text[:1] != "b":
        raise DecodeError("a line of a CUL begins with b", 0)
    form, start = (Format.B, 2) if text[1:2] == "Y" else (Format.A, 1)
    octets = _hex(text[start:], start)
    if not signal:
        return Received(octets, Relay.CUL, mode="C" if form is Format.B else "T", form=form)
    if len(octets) < HEADER + 2:
        raise DecodeError("too short for a frame with its signal", len(text))
    rssi = octets[-1]
    return Received(octets[:-2], Relay.CUL, cc_rssi(rssi), rssi, mode="C" if form is Format.B else "T", form=form)


def format_cul(frame: bytes, form: Format, rssi: int = -74, quality: int = 0) -> str:
    """Return the line of a CUL that received `frame` (with its CRCs)."""
    raw = (rssi + 74) * 2 & 0xFF
    return f"b{'Y' if form is Format.B else ''}{(frame + bytes((quality, raw))).hex().upper()}\r\n"


def format_rtl_wmbus(frame: bytes, mode: str, time: datetime, level: int, number: str) -> str:
    """Return the line of rtl-wmbus that received `frame` (without CRCs) of the meter with this number."""
    return f"{mode};1;1;{time.isoformat(' ', 'milliseconds')};{level};{level};{number};0x{frame.hex()}\n"


def _crc_ccitt(octets: bytes) -> int:
    crc = 0xFFFF
    for octet in octets:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ 0x8408 if crc & 1 else crc >> 1
    return crc ^ 0xFFFF


class _Framer:
    """Collects octets of a serial port and gives what is complete; what is no frame is `Discarded`, and only that."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def waiting(self) -> int:
        """Return how many octets wait for more."""
        return len(self._buffer)

    def feed(self, octets: bytes) -> list[Received | Discarded]:
        """Take octets and return what is complete now."""
        self._buffer += octets
        return self._split(final=False)

    def flush(self) -> list[Received | Discarded]:
        """Give up on a frame that was never completed, and look for frames behind its beginning."""
        return self._split(final=True)

    def _split(self, *, final: bool) -> list[Received | Discarded]:
        found: list[Received | Discarded] = []
        start = noise = 0
        buffer = bytes(self._buffer)
        why = "between frames"
        while start < len(buffer):
            result = self._at(buffer, start)
            if result is None:
                if not final:
                    break
                result = "a frame that was cut short"
            if isinstance(result, str):
                why = result or why
                start += 1
                continue
            item, end = result
            if start > noise:
                found.append(Discarded(buffer[noise:start], why))
                why = "between frames"
            if item is not None:
                found.append(item)
            start = noise = end
        if start > noise:
            found.append(Discarded(buffer[noise:start], why))
        del self._buffer[:start]
        return found

    def _at(self, buffer: bytes, start: int) -> tuple[Received | None, int] | str | None:
        """Return item and end, why nothing begins here, or None to wait for more. An item None is another message."""
        raise NotImplementedError


IM_START, IM_RADIO, IM_RECEIVED = 0xA5, 2, 3
IM_RESERVED, IM_TIME, IM_LEVEL, IM_CRC = 0x10, 0x20, 0x40, 0x80


def im871a_dbm(level: int) -> int:
    """Return about how many dBm a level of an iM871A is: its data sheet's curve, taken for straight."""
    return min(0, -100 + (level - 45) // 2)


class Im871aFramer(_Framer):
    """IMST iM871A: A5, control and endpoint, message, length, payload; then time, level and CRC where control says so.

    The payload of what was received is a frame whose L is the length in front of it: it stands for L itself.
    """

    def _at(self, buffer: bytes, start: int) -> tuple[Received | None, int] | str | None:
        if buffer[start] != IM_START:
            return ""
        if len(buffer) < start + 4:
            return None
        flags, message, length = buffer[start + 1], buffer[start + 2], buffer[start + 3]
        if flags & IM_RESERVED or not 1 <= flags & 0x0F <= 4:
            return "no endpoint behind A5"
        at = start + 4 + length
        end = at + (4 if flags & IM_TIME else 0) + (1 if flags & IM_LEVEL else 0) + (2 if flags & IM_CRC else 0)
        if len(buffer) < end:
            return None
        if flags & IM_CRC and _crc_ccitt(buffer[start + 1 : end - 2]) != buffer[end - 2] | buffer[end - 1] << 8:
            return "the CRC of the dongle's message is wrong"
        if flags & 0x0F != IM_RADIO or message != IM_RECEIVED:
            return None, end
        ticks = level = None
        if flags & IM_TIME:
            ticks, at = int.from_bytes(buffer[at : at + 4], "little"), at + 4
        if flags & IM_LEVEL:
            level = buffer[at]
        return (
            Received(
                buffer[start + 3 : start + 4 + length],
                Relay.IM871A,
                None if level is None else im871a_dbm(level),
                level,
                ticks=ticks,
                form=Format.STRIPPED,
            ),
            end,
        )


def format_im871a(frame: bytes, *, ticks: int | None = None, level: int | None = None, crc: bool = True) -> bytes:
    """Return the message in which an iM871A hands `frame` (stripped, L first) on."""
    flags = IM_RADIO | (0 if ticks is None else IM_TIME) | (0 if level is None else IM_LEVEL) | (IM_CRC if crc else 0)
    body = bytes((flags, IM_RECEIVED)) + frame
    body += b"" if ticks is None else ticks.to_bytes(4, "little")
    body += b"" if level is None else bytes((level,))
    return bytes((IM_START,)) + body + (_crc_ccitt(body).to_bytes(2, "little") if crc else b"")


AMB_START, AMB_RECEIVED = 0xFF, 0x03


class Amb8465Framer(_Framer):
    """Amber/Wuerth AMB8465 with its command interface: FF, command, length, payload, exclusive or of all of it.

    The payload of what was received is a frame without L, whose place the length takes; with `rssi` its last octet is
    the signal, and the length counts it. `commands` False: the dongle is set to hand on frames alone, L first.
    """

    def __init__(self, *, rssi: bool = True, commands: bool = True) -> None:
        super().__init__()
        self._rssi = rssi
        self._commands = commands

    def _at(self, buffer: bytes, start: int) -> tuple[Received | None, int] | str | None:
        if not self._commands:
            return self._alone(buffer, start)
        if buffer[start] != AMB_START:
            return ""
        if len(buffer) < start + 3:
            return None
        end = start + 4 + buffer[start + 2]
        if len(buffer) < end:
            return None
        check = 0
        for octet in buffer[start : end - 1]:
            check ^= octet
        if check != buffer[end - 1]:
            return "the dongle's checksum is wrong"
        if buffer[start + 1] != AMB_RECEIVED:
            return None, end
        tail = 1 if self._rssi else 0
        body = buffer[start + 3 : end - 1 - tail]
        if not body:
            return None, end
        level = buffer[end - 2] if self._rssi else None
        rssi = None if level is None else cc_rssi(level)
        return Received(bytes((len(body),)) + body, Relay.AMB8465, rssi, level, form=Format.STRIPPED), end

    def _alone(self, buffer: bytes, start: int) -> tuple[Received | None, int] | str | None:
        if buffer[start] < HEADER - 1:
            return ""
        if len(buffer) < start + 2:
            return None
        if buffer[start + 1] not in CONTROLS:
            return ""
        end = start + 1 + buffer[start] + (1 if self._rssi else 0)
        if len(buffer) < end:
            return None
        level = buffer[end - 1] if self._rssi else None
        rssi = None if level is None else cc_rssi(level)
        frame = buffer[start : start + 1 + buffer[start]]
        return Received(frame, Relay.AMB8465, rssi, level, form=Format.STRIPPED), end


def format_amb8465(frame: bytes, *, level: int | None = None) -> bytes:
    """Return the message in which an AMB8465 hands `frame` (stripped, L first) on."""
    body = frame[1:] + (b"" if level is None else bytes((level,)))
    message = bytes((AMB_START, AMB_RECEIVED, len(body))) + body
    check = 0
    for octet in message:
        check ^= octet
    return message + bytes((check,))
