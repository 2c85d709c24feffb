"""The fixed data structure: two counters in 16 octets, the answer of old slaves (EN 1434-3:1997, 6.3; CI 73h).

Identification number (4 octets), access number, status, medium and units (2 octets), counters 1 and 2 (4 octets each),
least significant octet first.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final, NamedTuple

from cosem.errors import DecodeError, EncodeError
from cosem.mbus import values
from cosem.mbus.dib import DataField
from cosem.mbus.media import MEDIA
from cosem.mbus.vif_tables import COSEM_UNITS, Kind
from cosem.units import ScalerUnit

SIZE: Final = 16
BINARY, STORED, POWER_LOW, PERMANENT_ERROR, TEMPORARY_ERROR = 0x01, 0x02, 0x04, 0x08, 0x10
"""Bits of the status. The counters are signed binary numbers, not BCD; they are those of a fixed date, not of now.

A public implementation has the first two at the other end of the octet, 80h and 40h; the standard counts bits from the
least significant one, and a slave with low power is not one with another coding.
"""

MODE_2: Final = {0x0A: "gas", 0x0B: "heat", 0x0C: "warm water", 0x0D: "water", 0x0E: "heat cost allocator"}
"""Media of slaves with the most significant octet first."""
TIME, DATE = 0x00, 0x01
"""Units of counters that hold hours, minutes and seconds, or day, month and year."""
SAME_BUT_HISTORIC: Final = 0x3E
"""The unit is that of the other counter, and the value is one of a fixed date."""
_RANGES: Final = (
    # first code, how many, quantity, unit, power of ten of the first
    (0x02, 9, "energy", "Wh", 0),
    (0x0B, 9, "energy", "J", 3),
    (0x14, 9, "power", "W", 0),
    (0x1D, 9, "power", "J/h", 3),
    (0x26, 9, "volume", "m³", -6),
    (0x2F, 9, "volume flow", "m³/h", -6),
    (0x38, 1, "temperature", "°C", -3),
    (0x39, 1, "units for heat cost allocator", "HCA", 0),
    (0x3F, 1, "dimensionless", "", 0),
)
UNITS: Final = {
    first + n: (quantity, unit, exponent + n)
    for first, count, quantity, unit, exponent in _RANGES
    for n in range(count)
} | {TIME: ("time of day", "h,m,s", 0), DATE: ("date", "D,M,Y", 0)}
"""Quantity, unit and power of ten by unit code; what is absent is reserved."""


class Counter(NamedTuple):
    """One of the two counters. `raw` is None for BCD that is no number."""

    code: int
    raw: int | None
    historic: bool

    @property
    def quantity(self) -> str:
        """What is counted."""
        return UNITS[self.code][0] if self.code in UNITS else "unknown"

    @property
    def unit(self) -> str | None:
        """The unit without a prefix, None where it is reserved."""
        return UNITS[self.code][1] if self.code in UNITS else None

    @property
    def value(self) -> Decimal | None:
        """The value in `unit`, exactly. Times and dates are their digits, two for each part."""
        exponent = UNITS[self.code][2] if self.code in UNITS else 0
        return None if self.raw is None else values.scale(self.raw, exponent)

    def scaler_unit(self) -> ScalerUnit | None:
        """Return what a COSEM register holds beside `raw`; None where COSEM has no such unit."""
        unit = COSEM_UNITS.get(self.unit) if self.unit is not None else None
        return None if unit is None else ScalerUnit(UNITS[self.code][2], unit)

    def json(self) -> dict[str, Any]:
        """Return the counter in the form that records have on the command line."""
        return {
            "quantity": self.quantity,
            "value": None if self.value is None else f"{self.value:f}",
            "unit": self.unit,
            "function": "instantaneous",
            "storage": int(self.historic),
            "tariff": 0,
            "subunit": 0,
        }


class FixedData(NamedTuple):
    """The fixed data structure, every field as on the line."""

    identification: bytes
    access_number: int
    status: int
    medium_unit: bytes
    counters_octets: bytes

    @classmethod
    def from_octets(cls, octets: bytes) -> FixedData:
        """Read the 16 octets behind CI. Raises `DecodeError` for another number of them."""
        if len(octets) != SIZE:
            raise DecodeError(f"the fixed data structure has {SIZE} octets, not {len(octets)}")
        octets = bytes(octets)
        return cls(octets[:4], octets[4], octets[5], octets[6:8], octets[8:])

    @classmethod
    def of(
        cls,
        identification: str,
        access_number: int,
        status: int,
        medium: int,
        units: tuple[int, int],
        counters: tuple[int, int],
    ) -> FixedData:
        """Return what a slave sends; bit `BINARY` of the status says how the counters go. Raises `EncodeError`."""
        if len(identification) != 8 or not identification.isdecimal():
            raise EncodeError("an identification number has eight digits")
        if not (0 <= medium <= 15 and all(0 <= unit <= 0x3F for unit in units)):
            raise EncodeError(f"medium {medium} or units {units} are out of range")
        if not (0 <= access_number <= 0xFF and 0 <= status <= 0xFF):
            raise EncodeError("access number and status have an octet each")
        if status & BINARY:
            octets = b"".join(values.encode(DataField.INTEGER_32, Kind.SIGNED, counter) for counter in counters)
        else:
            octets = b"".join(values.encode_bcd(counter, 4) for counter in counters)
        coded = bytes((units[0] | (medium & 3) << 6, units[1] | medium >> 2 << 6))
        return cls(bytes.fromhex(identification)[::-1], access_number, status, coded, octets)

    def to_octets(self) -> bytes:
        """Return the 16 octets."""
        head = bytes((self.access_number, self.status))
        return self.identification + head + self.medium_unit + self.counters_octets

    @property
    def identification_number(self) -> str:
        """The eight digits of the identification number."""
        return self.identification[::-1].hex()

    @property
    def medium(self) -> int:
        """The code of the medium, 0 to 15."""
        return self.medium_unit[0] >> 6 | self.medium_unit[1] >> 6 << 2

    @property
    def medium_name(self) -> str:
        """What the medium is called."""
        if self.medium <= 0x08:
            return MEDIA[self.medium]
        return MODE_2.get(self.medium, f"reserved ({self.medium:02X}h)")

    @property
    def stored(self) -> bool:
        """Whether the counters are those of a fixed date."""
        return bool(self.status & STORED)

    @property
    def counters(self) -> tuple[Counter, Counter]:
        """Both counters."""
        codes = [octet & 0x3F for octet in self.medium_unit]
        reverse = self.medium in MODE_2
        raws: list[int | None] = []
        for octets in (self.counters_octets[:4], self.counters_octets[4:]):
            ordered = octets[::-1] if reverse else octets
            raws.append(values.signed(ordered) if self.status & BINARY else values.bcd(ordered))
        historic = [self.stored or code == SAME_BUT_HISTORIC for code in codes]
        real = [codes[1 - place] if code == SAME_BUT_HISTORIC else code for place, code in enumerate(codes)]
        return Counter(real[0], raws[0], historic[0]), Counter(real[1], raws[1], historic[1])
