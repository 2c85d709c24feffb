"""P1 telegrams (IEC 62056-21 data lines, DSMR 5), which some meters put into a protected APDU in place of a push."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cosem.codec import axdr
from cosem.errors import CosemError, DecodeError
from cosem.obis import Obis
from cosem.pushes.reading import Reading

_LINE = re.compile(r"(\d{1,3}-\d{1,3}:\d{1,3}\.\d{1,3}\.\d{1,3}(?:\.\d{1,3})?)\((.*)\)", re.ASCII)
_CRC_POLYNOMIAL = 0xA001  # x^16 + x^15 + x^2 + 1, least significant bit first


@dataclass(frozen=True, slots=True)
class P1Telegram:
    """Text from ``/`` to the check sum; `crc_ok` says whether that is right, None where there is none."""

    text: str
    crc_ok: bool | None


def is_p1(octets: bytes) -> bool:
    """Whether `octets` begin as a P1 telegram does; no APDU has this tag."""
    return octets[:1] == b"/"


def parse_p1(octets: bytes) -> P1Telegram:
    """Read a telegram. Raises `DecodeError` where it is no text from ``/`` to ``!`` and four hex digits."""
    try:
        text = octets.decode("ascii")
    except UnicodeDecodeError as error:
        raise DecodeError("a P1 telegram is ASCII text", error.start) from None
    end = text.find("!")
    if not is_p1(octets) or end < 0:
        raise DecodeError("a P1 telegram goes from / to !", max(end, 0))
    check = text[end + 1 :].strip("\r\n")
    if not check:
        return P1Telegram(text, None)
    if not re.fullmatch("[0-9A-Fa-f]{4}", check):
        raise DecodeError("a P1 telegram ends with four hex digits", end + 1)
    return P1Telegram(text, int(check, 16) == _crc(octets[: end + 1]))


def p1_readings(text: str) -> list[Reading]:
    """Return the data lines of a telegram, each value as the text it is; lines with several values keep them all."""
    found = []
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match is None:
            continue
        try:
            code = Obis.parse(match[1])
        except CosemError:
            continue
        found.append(Reading(code, axdr.visible_string(match[2])))
    return found


def _crc(octets: bytes) -> int:
    crc = 0
    for octet in octets:
        crc ^= octet
        for _ in range(8):
            crc = (crc >> 1) ^ _CRC_POLYNOMIAL if crc & 1 else crc >> 1
    return crc
