"""P1 telegrams (IEC 62056-21 data lines, DSMR 5): what a customer port sends, some meters in a protected APDU."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from cosem.codec import axdr
from cosem.errors import CosemError, DecodeError, EncodeError
from cosem.obis import Obis
from cosem.pushes.reading import Reading

_LINE = re.compile(r"(\d{1,3}-\d{1,3}:\d{1,3}\.\d{1,3}\.\d{1,3}(?:\.\d{1,3})?)\((.*)\)", re.ASCII)
_IDENTIFICATION = re.compile(r"[ -.0-~]*", re.ASCII)  # printable, without another /
_VALUE = re.compile(r"[ -'*-~]*", re.ASCII)  # printable, without parentheses
_CRC_POLYNOMIAL = 0xA001  # x^16 + x^15 + x^2 + 1, least significant bit first


@dataclass(frozen=True, slots=True)
class P1Telegram:
    """Text from ``/`` to the check sum; `crc_ok` says whether that is right, None where there is none."""

    text: str
    crc_ok: bool | None

    @property
    def identification(self) -> str:
        """Return what stands behind the ``/`` in the first line."""
        return self.text[1:].splitlines()[0] if len(self.text) > 1 else ""

    @property
    def lines(self) -> list[P1Line]:
        """Return the data lines; what is no such line is left out, as `p1_readings` does."""
        return [P1Line(code, tuple(values.split(")("))) for code, values in _data_lines(self.text)]


@dataclass(frozen=True, slots=True)
class P1Line:
    """One data line: its code, and the texts between its parentheses (``value*unit``, a time, octets in hex)."""

    code: Obis
    values: tuple[str, ...]

    def __str__(self) -> str:
        code = str(self.code).removesuffix(".255")
        return code + "".join(f"({value})" for value in self.values)


def encode_p1(identification: str, lines: Iterable[P1Line]) -> bytes:
    """Return a telegram of version 5: identification, blank line, data lines, ``!`` and CRC-16 as four hex digits.

    Raises `EncodeError` for text that would end a value, a line or the telegram.
    """
    if not _IDENTIFICATION.fullmatch(identification) or "!" in identification:
        raise EncodeError("the identification of a P1 telegram is printable ASCII without / and !")
    written = [f"/{identification}", ""]
    for line in lines:
        if not line.values or not all(_VALUE.fullmatch(value) and "!" not in value for value in line.values):
            raise EncodeError(f"the values of {line.code} are printable ASCII without parentheses and !")
        written.append(str(line))
    octets = "\r\n".join([*written, "!"]).encode("ascii")
    return octets + f"{_crc(octets):04X}\r\n".encode("ascii")


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
    return [Reading(code, axdr.visible_string(values)) for code, values in _data_lines(text)]


def _data_lines(text: str) -> list[tuple[Obis, str]]:
    """Return code and what is between the first and the last parenthesis of every data line."""
    found = []
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match is None:
            continue
        try:
            code = Obis.parse(match[1])
        except CosemError:
            continue
        found.append((code, match[2]))
    return found


def _crc(octets: bytes) -> int:
    crc = 0
    for octet in octets:
        crc ^= octet
        for _ in range(8):
            crc = (crc >> 1) ^ _CRC_POLYNOMIAL if crc & 1 else crc >> 1
    return crc
