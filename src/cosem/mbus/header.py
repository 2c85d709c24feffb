"""The transport layer's header: none, short or long, and its configuration field in every security mode (EN 13757-7).

Short: access number, status, configuration field (2 octets, least significant first) and, from mode 7 on, its
extension, the version of the key and a message counter where their bits say so. Long: the meter's address in front.
Octets are kept as they came: `Header.octets` gives them back for every header that was decoded.
"""

from __future__ import annotations

from typing import NamedTuple

from cosem.errors import DecodeError, EncodeError
from cosem.mbus.ci import HeaderKind
from cosem.mbus.wireless import Address

COUNTER = 4
"""Octets of a message counter."""
EXTENSION = {7: 1, 8: 1, 9: 2, 10: 2, 13: 1}
"""Octets of the configuration field's extension by security mode. 7 and 10 are proven by telegrams; 9 [C] is the Dutch
P2 companion's; 8 [D] is taken from 7.
"""
TAG_PRESENT = 0x0001
"""Set in mode 9 (the P2 companion's field is always 2901h) [C]; read as set whatever it says."""
ALL_BLOCKS, ALL_OCTETS = 0x0F, 0xFF
"""As a number of enciphered blocks or octets: partial encryption is not used, everything is enciphered."""
BLOCK = 16


class Configuration(NamedTuple):
    """A configuration field. `raw` holds its 16 bits, `extension` its octets as sent; what is absent is None."""

    raw: int = 0
    extension: bytes = b""
    key_version: int | None = None
    counter: int | None = None

    @property
    def mode(self) -> int:
        """Return the security mode, bits 8 to 12."""
        return self.raw >> 8 & 0x1F

    @property
    def bidirectional(self) -> bool:
        """Bit B of modes 0 and 5: there is a window of access (with A: without end)."""
        return self.mode in (0, 5) and bool(self.raw & 0x8000)

    @property
    def accessible(self) -> bool:
        """Bit A of modes 0 and 5."""
        return self.mode in (0, 5) and bool(self.raw & 0x4000)

    @property
    def synchronous(self) -> bool:
        """Bit S of modes 0 and 5: sent at the meter's exact interval."""
        return self.mode in (0, 5) and bool(self.raw & 0x2000)

    @property
    def content(self) -> int:
        """Return the content of the message: 0 standard, 2 static, others reserved."""
        return self.raw >> 2 & 3 if self.mode in (0, 5) else self.raw >> 14 & 3

    @property
    def hops(self) -> int:
        """Return the hop count of modes 0 and 5, which a repeater sets."""
        return self.raw & 1 if self.mode in (0, 5) else 0

    @property
    def repeated(self) -> bool:
        """Bit R of modes 0 and 5: access through a repeater."""
        return self.mode in (0, 5) and bool(self.raw & 2)

    @property
    def has_counter(self) -> bool:
        """Whether bit Z says that a message counter stands in this header."""
        return self.mode in EXTENSION and self.mode != 13 and bool(self.raw & 0x2000)

    @property
    def enciphered(self) -> int | None:
        """Return how many octets from the start of the application are enciphered; None: all that are there."""
        mode = self.mode
        if mode in (5, 7):
            blocks = self.raw >> 4 & 0x0F
            return None if blocks == ALL_BLOCKS else blocks * BLOCK
        if mode in (8, 10, 13):
            count = self.raw & 0xFF
            return None if count == ALL_OCTETS else count
        if mode == 9:
            count = self.extension[0] if self.extension else 0
            return None if count == ALL_OCTETS else count
        return 0

    @property
    def _key_octet(self) -> int:
        """The extension's octet V DD KKKK: the second in mode 9 (its first counts octets), else the first."""
        if not self.extension or self.mode == 13:
            return 0
        return self.extension[1] if self.mode == 9 else self.extension[0]

    @property
    def key_id(self) -> int:
        """Return the key's id, 0 where the mode has none."""
        return self._key_octet & 0x0F

    @property
    def derivation(self) -> int:
        """Return how the key is derived: 0 not at all, 1 by function A, others reserved."""
        return self._key_octet >> 4 & 3

    @property
    def tag_length(self) -> int:
        """Return the octets of the tag at the end of the application: mode 9 has 12, mode 10 says 4, 8, 12 or 16."""
        if self.mode == 9:
            return 12
        return 4 + (self.extension[1] & 3) * 4 if self.mode == 10 and len(self.extension) == 2 else 0

    @property
    def octets(self) -> bytes:
        """Return the field with all that belongs to it."""
        return (
            self.raw.to_bytes(2, "little")
            + self.extension
            + (b"" if self.key_version is None else bytes((self.key_version,)))
            + (b"" if self.counter is None else self.counter.to_bytes(COUNTER, "little"))
        )

    @classmethod
    def of(
        cls,
        mode: int,
        *,
        length: int | None = None,
        key_id: int = 0,
        derivation: int | None = None,
        key_version: int | None = None,
        counter: int | None = None,
        tag_length: int = 8,
        content: int = 0,
        flags: int = 0,
    ) -> Configuration:
        """Return a configuration for `mode`: `length` octets enciphered, None for all.

        `derivation` is 1 in modes 7, 8 and 10 unless given, and 0 in mode 9. `flags` are or-ed into the 16 bits.
        """
        if mode not in (0, 5, 7, 8, 9, 10):
            raise EncodeError(f"no configuration is made for security mode {mode}")
        raw = mode << 8 | flags
        if mode in (5, 7):
            blocks = ALL_BLOCKS if length is None else length // BLOCK
            if length is not None and (length % BLOCK or blocks >= ALL_BLOCKS):
                raise EncodeError(f"mode {mode} enciphers up to 14 blocks of 16 octets, or all, not {length} octets")
            raw |= blocks << 4
        elif mode in (8, 10):
            raw |= ALL_OCTETS if length is None else _octet(length, "enciphered octets")
        elif mode == 9:
            raw |= TAG_PRESENT
        raw |= content << 2 if mode in (0, 5) else content << 14
        if mode in (0, 5):
            return cls(raw)
        if derivation is None:
            derivation = 0 if mode == 9 else 1
        keys = _octet(key_id, "the key's id") & 0x0F | derivation << 4 | (0 if key_version is None else 0x40)
        extension = bytes((keys,))
        if mode == 9:
            extension = bytes((ALL_OCTETS if length is None else _octet(length, "enciphered octets"), keys))
        elif mode == 10:
            if tag_length not in (4, 8, 12, 16):
                raise EncodeError(f"a tag of mode 10 has 4, 8, 12 or 16 octets, not {tag_length}")
            extension += bytes((tag_length // 4 - 1,))
        return cls(raw if counter is None else raw | 0x2000, extension, key_version, counter)


def _octet(value: int, what: str) -> int:
    if not 0 <= value <= 0xFF:
        raise EncodeError(f"{what}: {value} is no octet")
    return value


NO_CONFIGURATION = Configuration()


class Header(NamedTuple):
    """A transport header. Without one (`HeaderKind.NONE`) the other fields stay as they are here."""

    kind: HeaderKind = HeaderKind.NONE
    address: Address | None = None
    access_number: int = 0
    status: int = 0
    configuration: Configuration = NO_CONFIGURATION

    @property
    def octets(self) -> bytes:
        """Return the header as it is sent, behind CI. Raises `EncodeError` for a long one without an address."""
        if self.kind is HeaderKind.NONE:
            return b""
        front = b""
        if self.kind is HeaderKind.LONG:
            if self.address is None:
                raise EncodeError("a long header needs the meter's address")
            front = self.address.header
        return front + bytes((self.access_number, self.status)) + self.configuration.octets


NO_HEADER = Header()


def decode_header(kind: HeaderKind, octets: bytes, start: int, *, wired: bool = False) -> tuple[Header, int]:
    """Read the header at `start`; return it with the offset behind it. Raises `DecodeError` where it is cut short.

    Wired meters older than the configuration field have a signature there, of which anything may be set: on the wire a
    mode that the standard reserves (16 to 31) is such a signature, and means nothing.
    """
    if kind is HeaderKind.NONE:
        return NO_HEADER, start
    at = start
    address = None
    if kind is HeaderKind.LONG:
        if len(octets) < start + 12:
            raise DecodeError(f"a long header has 12 octets, {len(octets) - start} are there", len(octets))
        address = Address(octets[at + 4 : at + 6], octets[at : at + 4], octets[at + 6], octets[at + 7])
        at += 8
    elif len(octets) < start + 4:
        raise DecodeError(f"a short header has 4 octets, {len(octets) - start} are there", len(octets))
    raw = octets[at + 2] | octets[at + 3] << 8
    if not raw & 0x1F00:
        configuration = NO_CONFIGURATION if not raw else Configuration(raw)
        return Header(kind, address, octets[at], octets[at + 1], configuration), at + 4
    configuration, end = _configuration(raw, octets, at + 4, wired=wired)
    return Header(kind, address, octets[at], octets[at + 1], configuration), end


def _configuration(raw: int, octets: bytes, at: int, *, wired: bool) -> tuple[Configuration, int]:
    size = EXTENSION.get(raw >> 8 & 0x1F, 0)
    extension = octets[at : at + size]
    if len(extension) < size:
        raise DecodeError("the extension of the configuration field is missing", len(octets))
    at += size
    draft = Configuration(raw, extension)
    version: int | None = None
    counter: int | None = None
    if draft._key_octet & 0x40:
        if at >= len(octets):
            raise DecodeError("the key's version is missing", len(octets))
        version, at = octets[at], at + 1
    if draft.has_counter:
        if at + COUNTER > len(octets):
            raise DecodeError("the message counter is cut short", len(octets))
        counter, at = int.from_bytes(octets[at : at + COUNTER], "little"), at + COUNTER
    return Configuration(raw, extension, version, counter), at


def is_signature(configuration: Configuration, *, wired: bool) -> bool:
    """Say whether the field is the signature of an old wired meter rather than a configuration."""
    return wired and configuration.mode > 15


STATUS_BITS = {
    0x04: "power low",
    0x08: "permanent error",
    0x10: "temporary error",
    0x20: "manufacturer's bit 5",
    0x40: "manufacturer's bit 6",
    0x80: "manufacturer's bit 7",
}
STATUS_STATES = {1: "application busy", 2: "any application error", 3: "abnormal condition or alarm"}


def status_words(status: int) -> list[str]:
    """Return what a status octet of a meter says (EN 13757-7, 7.5.6)."""
    words = [STATUS_STATES[status & 3]] if status & 3 else []
    return words + [word for bit, word in STATUS_BITS.items() if status & bit]
