"""What a slave says instead of data: application errors and alarms (EN 13757-3:2018, 9 and 10)."""

from __future__ import annotations

from typing import Final, NamedTuple

from cosem.errors import DecodeError

APPLICATION_ERRORS: Final[dict[int, str]] = {
    0x00: "unspecified error",
    0x01: "unimplemented CI-field",
    0x02: "buffer too long, truncated",
    0x03: "too many records",
    0x04: "premature end of record",
    0x05: "more than 10 DIFEs",
    0x06: "more than 10 VIFEs",
    0x08: "application too busy for handling readout request",
    0x09: "too many readouts",
    # The rest is of the later editions; recalled, no telegram at hand has one.
    0x10: "access denied",
    0x11: "application or command unknown",
    0x12: "parameter is missing or wrong",
    0x13: "unknown receiver address",
    0x14: "decryption key fails",
    0x15: "encryption method is not supported",
    0x16: "signature method is not supported",
    0xF0: "dynamic application error",
}
UNSPECIFIED: Final = 0x00
MANUFACTURER_SPECIFIC: Final = 0xF1
"""The first code that each manufacturer gives a meaning of its own."""


class ApplicationError(NamedTuple):
    """An application error, what follows CI 70h (or a header and CI 6Eh, 6Fh). `code` None: the slave names no reason.

    `details` follow the code where it has any: a dynamic application error carries records.
    """

    code: int | None = None
    details: bytes = b""

    @classmethod
    def from_octets(cls, octets: bytes) -> ApplicationError:
        """Read what follows CI; every octet says something."""
        return cls(octets[0], bytes(octets[1:])) if octets else cls()

    def to_octets(self) -> bytes:
        """Return what follows CI."""
        return b"" if self.code is None else bytes((self.code,)) + self.details

    @property
    def words(self) -> str:
        """Return what the code means."""
        code = UNSPECIFIED if self.code is None else self.code
        if code >= MANUFACTURER_SPECIFIC:
            return f"manufacturer specific error {code:02X}h"
        return APPLICATION_ERRORS.get(code, f"reserved error {code:02X}h")


class AlarmReport(NamedTuple):
    """An alarm, what follows CI 71h (or a header and CI 74h, 75h): bits, whose meaning is the manufacturer's."""

    state: bytes

    @classmethod
    def from_octets(cls, octets: bytes) -> AlarmReport:
        """Read what follows CI. Raises `DecodeError` where nothing does."""
        if not octets:
            raise DecodeError("an alarm has at least one octet")
        return cls(bytes(octets))

    def to_octets(self) -> bytes:
        """Return what follows CI."""
        return self.state

    @property
    def bits(self) -> tuple[int, ...]:
        """Return the numbers of the bits that are set; 0 is the least significant of the first octet."""
        number = int.from_bytes(self.state, "little")
        return tuple(bit for bit in range(number.bit_length()) if number >> bit & 1)
