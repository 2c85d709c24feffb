"""Addresses on the wired M-Bus: primary ones, and secondary ones with their wildcards (EN 13757-2, -3 and -7).

A secondary address is eight octets: identification number (four octets of digits, least significant first),
manufacturer (two), version, medium. In a selection a digit F of the identification number stands for every digit, and
a whole octet FF of the others for every value. Enhanced selection adds the digits of the fabrication number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from cosem.errors import ConfigError, DecodeError
from cosem.mbus.manufacturer import manufacturer_code, manufacturer_octets

UNCONFIGURED: Final = 0
"""The primary address of a slave that was given none."""
LARGEST: Final = 250
REPEATER: Final = 251
"""Management of the primary master repeater: a level converter or repeater, no meter."""
SELECTED: Final = 253
"""Whoever is selected by secondary address."""
TEST: Final = 254
"""Everybody, and everybody answers: of use where one slave is connected."""
BROADCAST: Final = 255
"""Everybody, and nobody answers."""
SPECIAL: Final = frozenset((REPEATER, SELECTED, TEST, BROADCAST))

FABRICATION_RECORD: Final = b"\x0c\x78"
"""DIF and VIF of the fabrication number as eight digits, as enhanced selection wants them."""
_DIGITS = re.compile(r"[0-9A-Fa-f]{8}")
_PARTS = re.compile(r"([0-9A-Fa-f]{8})-([A-Za-z]{3}|\*)-([0-9A-Fa-f]{2}|\*)-([0-9A-Fa-f]{2}|\*)(?:/([0-9A-Fa-f]{8}))?")
_WHOLE = re.compile(r"([0-9A-Fa-f]{8})([0-9A-Fa-f]{8})(?:/([0-9A-Fa-f]{8}))?")


def check_primary(address: int, *, special: bool = True) -> int:
    """Return a primary address. Raises `ConfigError` for one that is reserved or none, or is no meter's own."""
    if 0 <= address <= LARGEST or (special and address in SPECIAL):
        return address
    raise ConfigError(f"{address} is no primary address: 0 to {LARGEST}" + (", 251, 253 to 255" if special else ""))


@dataclass(frozen=True, slots=True, order=True)
class SecondaryAddress:
    """Eight octets in the order of the wire, wildcards among them; `fabrication` are four more, of enhanced selection.

    Raises `ConfigError` for another number of octets.
    """

    octets: bytes
    fabrication: bytes | None = None

    def __post_init__(self) -> None:
        if len(self.octets) != 8 or len(self.fabrication or bytes(4)) != 4:
            raise ConfigError("a secondary address has eight octets, a fabrication number four")

    @classmethod
    def of(
        cls,
        identification: str = "FFFFFFFF",
        manufacturer: str | None = None,
        version: int | None = None,
        medium: int | None = None,
        fabrication: str | None = None,
    ) -> SecondaryAddress:
        """Return the address of these parts; None and the digit F are wildcards. Raises `ConfigError`."""
        code = b"\xff\xff" if manufacturer is None else manufacturer_octets(manufacturer)
        octets = [0xFF if octet is None else octet for octet in (version, medium)]
        if not all(0 <= octet <= 0xFF for octet in octets):
            raise ConfigError(f"version and medium have an octet each: {version}, {medium}")
        tail = code + bytes(octets)
        return cls(_digits(identification) + tail, None if fabrication is None else _digits(fabrication))

    @classmethod
    def parse(cls, text: str) -> SecondaryAddress:
        """Read ``12345678``, ``12345678-KAM-01-04`` (``*`` a wildcard) or sixteen hex digits, the last eight as sent.

        Behind a ``/`` stands a fabrication number. Raises `ConfigError`.
        """
        if found := _PARTS.fullmatch(text):
            identification, letters, version, medium, fabrication = found.groups()
            return cls.of(
                identification,
                None if letters == "*" else letters.upper(),
                None if version == "*" else int(version, 16),
                None if medium == "*" else int(medium, 16),
                fabrication,
            )
        if found := _WHOLE.fullmatch(text):
            identification, tail, fabrication = found.groups()
            octets = _digits(identification) + bytes.fromhex(tail)
            return cls(octets, None if fabrication is None else _digits(fabrication))
        identification, _, fabrication = text.partition("/")
        if not _DIGITS.fullmatch(identification) or (fabrication and not _DIGITS.fullmatch(fabrication)):
            raise ConfigError(
                f"{text!r} is no secondary address: write 12345678 or 12345678-KAM-01-04, F for any digit"
            )
        return cls.of(identification, fabrication=fabrication or None)

    @property
    def identification(self) -> str:
        """The identification number: eight digits, F where any will do."""
        return self.octets[3::-1].hex().upper()

    @property
    def manufacturer(self) -> str | None:
        """The manufacturer's letters, or None."""
        code = self.octets[4:6]
        return None if code == b"\xff\xff" else manufacturer_code(code)

    @property
    def version(self) -> int | None:
        """The version (generation), or None."""
        return None if self.octets[6] == 0xFF else self.octets[6]

    @property
    def medium(self) -> int | None:
        """The medium (device type), or None."""
        return None if self.octets[7] == 0xFF else self.octets[7]

    @property
    def fabrication_number(self) -> str | None:
        """The digits of the fabrication number, or None."""
        return None if self.fabrication is None else self.fabrication[::-1].hex().upper()

    @property
    def exact(self) -> bool:
        """Whether no wildcard is left in the eight octets."""
        return 0xFF not in self.octets[4:] and "F" not in self.identification

    def selection(self) -> bytes:
        """Return the data of a selection telegram (CI 52)."""
        return self.octets if self.fabrication is None else self.octets + FABRICATION_RECORD + self.fabrication

    @classmethod
    def from_selection(cls, data: bytes) -> SecondaryAddress:
        """Read the data of a selection telegram. Raises `DecodeError`."""
        return _from_selection(data)

    def matches(self, other: SecondaryAddress) -> bool:
        """Say whether a meter with the address `other` is meant by this one."""
        care, value = pattern(self.octets)
        if (int.from_bytes(other.octets) ^ value) & care:
            return False
        if self.fabrication is None:
            return True
        if other.fabrication is None:
            return False
        care, value = digit_pattern(self.fabrication)
        return not (int.from_bytes(other.fabrication) ^ value) & care

    def __str__(self) -> str:
        letters = self.manufacturer or "*"
        code = self.octets[4:6]
        if letters != "*" and (not letters.isalpha() or 0xFF in code or code[1] & 0x80):
            text = self.identification + self.octets[4:].hex().upper()
        else:
            tail = ("*" if octet == 0xFF else f"{octet:02X}" for octet in self.octets[6:])
            text = "-".join((self.identification, letters, *tail))
        return text if self.fabrication is None else f"{text}/{self.fabrication_number}"


ANY: Final = SecondaryAddress(b"\xff" * 8)
"""Every meter."""


def _digits(text: str) -> bytes:
    if not _DIGITS.fullmatch(text):
        raise ConfigError(f"{text!r} is no number of eight digits (F stands for any)")
    return bytes.fromhex(text)[::-1]


@lru_cache(4096)
def _from_selection(data: bytes) -> SecondaryAddress:
    if len(data) == 8:
        return SecondaryAddress(data)
    if len(data) == 14 and data[8:10] == FABRICATION_RECORD:
        return SecondaryAddress(data[:8], data[10:])
    raise DecodeError("a selection has eight octets, or fourteen with a fabrication number (0C 78)", min(len(data), 8))


@lru_cache(4096)
def digit_pattern(octets: bytes) -> tuple[int, int]:
    """Return which bits count in digits among which F stands for any, and their value."""
    value = int.from_bytes(octets)
    care = 0
    for shift in range(0, 8 * len(octets), 4):
        if value >> shift & 0xF != 0xF:
            care |= 0xF << shift
    return care, value


@lru_cache(4096)
def pattern(octets: bytes) -> tuple[int, int]:
    """Return which bits of the eight octets count, and their value."""
    care, _ = digit_pattern(octets[:4])
    for octet in octets[4:]:
        care = care << 8 | (0 if octet == 0xFF else 0xFF)
    return care, int.from_bytes(octets)
