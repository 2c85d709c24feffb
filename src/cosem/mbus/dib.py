"""The data information block: how a value is coded, and which of many it is (EN 13757-3:2018, 6.3).

DIF: extension, lowest bit of the storage number, function (2 bits), data field (4 bits). Each DIFE: extension, subunit
(1 bit), tariff (2 bits), storage number (4 bits), least significant first.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

from cosem.errors import EncodeError

MAX_EXTENSIONS: Final = 10
"""DIFEs in a DIB, and VIFEs in a VIB: with more of them the record is an error."""

MANUFACTURER_DATA: Final = 0x0F
MORE_RECORDS_FOLLOW: Final = 0x1F
IDLE_FILLER: Final = 0x2F
GLOBAL_READOUT: Final = 0x7F
SPECIAL: Final = 0x0F
"""The data field of the DIFs that are no beginning of a record."""


class Function(IntEnum):
    """What a value is of its kind."""

    INSTANTANEOUS = 0
    MAXIMUM = 1
    MINIMUM = 2
    ERROR = 3  # the value during an error state

    @property
    def words(self) -> str:
        """Return the name."""
        return self.name.lower()


class DataField(IntEnum):
    """How a value is coded: the lower half of the DIF."""

    NO_DATA = 0
    INTEGER_8 = 1
    INTEGER_16 = 2
    INTEGER_24 = 3
    INTEGER_32 = 4
    REAL_32 = 5
    INTEGER_48 = 6
    INTEGER_64 = 7
    SELECTION = 8  # selection for readout, has no data
    BCD_2 = 9
    BCD_4 = 10
    BCD_6 = 11
    BCD_8 = 12
    VARIABLE = 13
    BCD_12 = 14
    SPECIAL = 15


VARIABLE_LENGTH: Final = -1
SIZES: Final = (0, 1, 2, 3, 4, 4, 6, 8, 0, 1, 2, 3, 4, VARIABLE_LENGTH, 6, 0)
"""Octets of a value by data field."""
INTEGERS: Final = frozenset((1, 2, 3, 4, 6, 7))
BCD: Final = frozenset((9, 10, 11, 12, 14))


class Dib(NamedTuple):
    """A DIB. `octets` as on the line: leading zeros in DIFEs say nothing, and are kept."""

    octets: bytes
    field: DataField
    function: Function
    storage: int
    tariff: int
    subunit: int

    @classmethod
    def from_octets(cls, octets: bytes) -> Dib:
        """Read a DIF and all its DIFEs; the caller has found their end."""
        dif = octets[0]
        storage, tariff, subunit = dif >> 6 & 1, 0, 0
        for place, dife in enumerate(octets[1:]):
            storage |= (dife & 0x0F) << (4 * place + 1)
            tariff |= (dife >> 4 & 3) << (2 * place)
            subunit |= (dife >> 6 & 1) << place
        return cls(octets, _FIELDS[dif & 0x0F], _FUNCTIONS[dif >> 4 & 3], storage, tariff, subunit)

    @classmethod
    def of(
        cls,
        field: DataField,
        function: Function = Function.INSTANTANEOUS,
        storage: int = 0,
        tariff: int = 0,
        subunit: int = 0,
    ) -> Dib:
        """Return the shortest DIB that says this. Raises `EncodeError` for what ten DIFEs cannot say."""
        if field is DataField.SPECIAL:
            raise EncodeError("a special function is no data field")
        if min(storage, tariff, subunit) < 0:
            raise EncodeError("storage number, tariff and subunit count from 0")
        octets = [field | function << 4 | (storage & 1) << 6]
        rest, left, unit = storage >> 1, tariff, subunit
        while rest or left or unit:
            octets[-1] |= 0x80
            octets.append(rest & 0x0F | (left & 3) << 4 | (unit & 1) << 6)
            rest, left, unit = rest >> 4, left >> 2, unit >> 1
        if len(octets) > MAX_EXTENSIONS + 1:
            raise EncodeError(f"storage number, tariff or subunit is too large: {storage}, {tariff}, {subunit}")
        return cls(bytes(octets), field, function, storage, tariff, subunit)


_FIELDS: Final = tuple(DataField)
_FUNCTIONS: Final = tuple(Function)
