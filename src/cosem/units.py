"""Units and exact quantities: the unit codes of COSEM (Blue Book ed. 9, 4.3.2, class 3) and scaler arithmetic."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from typing import Final, NamedTuple

from cosem.errors import ConfigError, EncodeError


class Unit(IntEnum):
    """The unit code of a scaler_unit: `symbol` is its sign, `quantity` what it measures, in words.

    A code the table does not know (0 to 255) is kept: it becomes a member of its own with `known` False.
    """

    symbol: str
    quantity: str

    def __new__(cls, code: int, symbol: str = "", quantity: str = "") -> Unit:  # noqa: D102
        member = int.__new__(cls, code)
        member._value_ = code
        member.symbol = symbol
        member.quantity = quantity
        return member

    YEAR = (1, "a", "time")
    MONTH = (2, "mo", "time")
    WEEK = (3, "wk", "time")
    DAY = (4, "d", "time")
    HOUR = (5, "h", "time")
    MINUTE = (6, "min", "time")
    SECOND = (7, "s", "time")
    DEGREE = (8, "°", "angle")
    DEGREE_CELSIUS = (9, "°C", "temperature")
    CURRENCY = (10, "currency", "money")
    METRE = (11, "m", "length")
    METRE_PER_SECOND = (12, "m/s", "speed")
    CUBIC_METRE = (13, "m³", "volume")
    CUBIC_METRE_CORRECTED = (14, "m³", "corrected volume")
    CUBIC_METRE_PER_HOUR = (15, "m³/h", "volume flow")
    CUBIC_METRE_PER_HOUR_CORRECTED = (16, "m³/h", "corrected volume flow")
    CUBIC_METRE_PER_DAY = (17, "m³/d", "volume flow")
    CUBIC_METRE_PER_DAY_CORRECTED = (18, "m³/d", "corrected volume flow")
    LITRE = (19, "l", "volume")
    KILOGRAM = (20, "kg", "mass")
    NEWTON = (21, "N", "force")
    NEWTON_METRE = (22, "N·m", "energy")
    PASCAL = (23, "Pa", "pressure")
    BAR = (24, "bar", "pressure")
    JOULE = (25, "J", "energy")
    JOULE_PER_HOUR = (26, "J/h", "thermal power")
    WATT = (27, "W", "active power")
    VOLT_AMPERE = (28, "VA", "apparent power")
    VAR = (29, "var", "reactive power")
    WATT_HOUR = (30, "Wh", "active energy")
    VOLT_AMPERE_HOUR = (31, "VAh", "apparent energy")
    VAR_HOUR = (32, "varh", "reactive energy")
    AMPERE = (33, "A", "current")
    COULOMB = (34, "C", "charge")
    VOLT = (35, "V", "voltage")
    VOLT_PER_METRE = (36, "V/m", "electric field strength")
    FARAD = (37, "F", "capacitance")
    OHM = (38, "Ω", "resistance")
    OHM_METRE = (39, "Ωm", "resistivity")
    WEBER = (40, "Wb", "magnetic flux")
    TESLA = (41, "T", "magnetic flux density")
    AMPERE_PER_METRE = (42, "A/m", "magnetic field strength")
    HENRY = (43, "H", "inductance")
    HERTZ = (44, "Hz", "frequency")
    PER_WATT_HOUR = (45, "1/Wh", "active energy meter constant")
    PER_VAR_HOUR = (46, "1/varh", "reactive energy meter constant")
    PER_VOLT_AMPERE_HOUR = (47, "1/VAh", "apparent energy meter constant")
    VOLT_SQUARED_HOUR = (48, "V²h", "volt-squared hours")
    AMPERE_SQUARED_HOUR = (49, "A²h", "ampere-squared hours")
    KILOGRAM_PER_SECOND = (50, "kg/s", "mass flow")
    SIEMENS = (51, "S", "conductance")
    KELVIN = (52, "K", "temperature")
    PER_VOLT_SQUARED_HOUR = (53, "1/V²h", "volt-squared hour meter constant")
    PER_AMPERE_SQUARED_HOUR = (54, "1/A²h", "ampere-squared hour meter constant")
    PER_CUBIC_METRE = (55, "1/m³", "volume meter constant")
    PERCENT = (56, "%", "percentage")
    AMPERE_HOUR = (57, "Ah", "charge")
    WATT_HOUR_PER_CUBIC_METRE = (60, "Wh/m³", "energy per volume")
    JOULE_PER_CUBIC_METRE = (61, "J/m³", "calorific value")
    MOLE_PERCENT = (62, "mol%", "molar fraction")
    GRAM_PER_CUBIC_METRE = (63, "g/m³", "density")
    PASCAL_SECOND = (64, "Pa·s", "dynamic viscosity")
    JOULE_PER_KILOGRAM = (65, "J/kg", "specific energy")
    GRAM_PER_SQUARE_CENTIMETRE = (66, "g/cm²", "pressure")
    ATMOSPHERE = (67, "atm", "pressure")
    DECIBEL_MILLIWATT = (70, "dBm", "signal strength")
    DECIBEL_MICROVOLT = (71, "dBµV", "signal strength")
    DECIBEL = (72, "dB", "logarithmic ratio")
    INCH = (128, "in", "length")
    FOOT = (129, "ft", "length")
    POUND = (130, "lb", "mass")
    DEGREE_FAHRENHEIT = (131, "°F", "temperature")
    DEGREE_RANKINE = (132, "°R", "temperature")
    SQUARE_INCH = (133, "in²", "area")
    SQUARE_FOOT = (134, "ft²", "area")
    ACRE = (135, "ac", "area")
    CUBIC_INCH = (136, "in³", "volume")
    CUBIC_FOOT = (137, "ft³", "volume")
    ACRE_FOOT = (138, "ac·ft", "volume")
    GALLON_IMPERIAL = (139, "gal(imp)", "volume")
    GALLON_US = (140, "gal(US)", "volume")
    POUND_FORCE = (141, "lbf", "force")
    POUND_FORCE_PER_SQUARE_INCH = (142, "psi", "pressure")
    POUND_PER_CUBIC_FOOT = (143, "lb/ft³", "density")
    POUND_PER_FOOT_SECOND = (144, "lb/(ft·s)", "dynamic viscosity")
    SQUARE_FOOT_PER_SECOND = (145, "ft²/s", "kinematic viscosity")
    BTU = (146, "Btu", "energy")
    THERM_EU = (147, "thm(EU)", "energy")
    THERM_US = (148, "thm(US)", "energy")
    BTU_PER_POUND = (149, "Btu/lb", "specific energy")
    BTU_PER_CUBIC_FOOT = (150, "Btu/ft³", "calorific value")
    CUBIC_FOOT_151 = (151, "ft³", "corrected volume")
    FOOT_PER_SECOND = (152, "ft/s", "speed")
    CUBIC_FOOT_PER_SECOND = (153, "ft³/s", "volume flow")
    CUBIC_FOOT_PER_MINUTE = (154, "ft³/min", "volume flow")
    CUBIC_FOOT_PER_HOUR = (155, "ft³/h", "volume flow")
    CUBIC_FOOT_PER_DAY = (156, "ft³/d", "volume flow")
    ACRE_FOOT_PER_SECOND = (157, "ac·ft/s", "volume flow")
    ACRE_FOOT_PER_MINUTE = (158, "ac·ft/min", "volume flow")
    ACRE_FOOT_PER_HOUR = (159, "ac·ft/h", "volume flow")
    ACRE_FOOT_PER_DAY = (160, "ac·ft/d", "volume flow")
    GALLON_IMPERIAL_161 = (161, "gal(imp)", "volume")
    GALLON_IMPERIAL_PER_SECOND = (162, "gal(imp)/s", "volume flow")
    GALLON_IMPERIAL_PER_MINUTE = (163, "gal(imp)/min", "volume flow")
    GALLON_IMPERIAL_PER_HOUR = (164, "gal(imp)/h", "volume flow")
    GALLON_IMPERIAL_PER_DAY = (165, "gal(imp)/d", "volume flow")
    GALLON_US_166 = (166, "gal(US)", "volume")
    GALLON_US_PER_SECOND = (167, "gal(US)/s", "volume flow")
    GALLON_US_PER_MINUTE = (168, "gal(US)/min", "volume flow")
    GALLON_US_PER_HOUR = (169, "gal(US)/h", "volume flow")
    GALLON_US_PER_DAY = (170, "gal(US)/d", "volume flow")
    BTU_PER_SECOND = (171, "Btu/s", "power")
    BTU_PER_MINUTE = (172, "Btu/min", "power")
    BTU_PER_HOUR = (173, "Btu/h", "power")
    BTU_PER_DAY = (174, "Btu/d", "power")
    EXTENDED = (253, "", "extended table")
    OTHER = (254, "", "other")
    COUNT = (255, "", "count")

    @classmethod
    def _missing_(cls, value: object) -> Unit | None:
        if not isinstance(value, int) or not 0 <= value <= 255:
            return None
        member = int.__new__(cls, value)
        member._name_ = f"UNKNOWN_{value}"
        member._value_ = value
        member.symbol = f"(unit {value})"
        member.quantity = "unknown"
        return cls._value2member_map_.setdefault(value, member)  # type: ignore[return-value]

    @property
    def known(self) -> bool:
        """Say whether the table has this code."""
        return self.quantity != "unknown"


PREFIXES: Final = {
    "n": -9, "µ": -6, "u": -6, "m": -3, "c": -2, "d": -1, "": 0, "h": 2, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15
}  # fmt: skip
"""Decimal prefixes for `Quantity.to` and their powers of ten."""


def scaled(value: int | float | Decimal, scaler: int) -> Decimal:
    """Return ``value * 10**scaler`` without any rounding, whatever the decimal context is.

    A whole float stands for itself, another one for the shortest decimal that reads back as the same float32 if it can
    be one, else as the same float64.
    """
    if isinstance(value, float):
        value = _shortest(value)
    exact = Decimal(value)
    sign, digits, exponent = exact.as_tuple()
    if not isinstance(exponent, int):  # infinities and NaN have no scale
        return exact
    return Decimal((sign, digits, exponent + scaler))


def _shortest(value: float) -> Decimal:
    """Return the decimal that stands for `value`, which may have come from a float32."""
    if value.is_integer():
        return Decimal(value)
    try:
        (single,) = struct.unpack(">f", struct.pack(">f", value))
    except OverflowError:
        single = None
    if single == value:
        for digits in range(6, 10):
            text = f"{value:.{digits}g}"
            try:
                if struct.unpack(">f", struct.pack(">f", float(text)))[0] == value:
                    return Decimal(text)
            except OverflowError:  # rounded up beyond the largest float32
                continue
    return Decimal(repr(value))


@dataclass(frozen=True, slots=True)
class Quantity:
    """A physical value: an exact decimal in `unit`. `prefix` is the decimal prefix `value` is given in (`PREFIXES`)."""

    value: Decimal
    unit: Unit
    prefix: str = ""

    def to(self, prefix: str) -> Quantity:
        """Return the same quantity in ``k``, ``M``, ``""`` and so on, exactly. Raises `ConfigError` for others."""
        if prefix not in PREFIXES:
            raise ConfigError(f"{prefix!r} is no decimal prefix; there are {', '.join(p for p in PREFIXES if p)}")
        return Quantity(scaled(self.value, PREFIXES[self.prefix] - PREFIXES[prefix]), self.unit, prefix)

    def __str__(self) -> str:
        return f"{self.value:f} {self.prefix}{self.unit.symbol}".rstrip()


class ScalerUnit(NamedTuple):
    """scaler_unit of a register: the physical value is the raw value times 10 to the power of `scaler`, in `unit`."""

    scaler: int = 0
    unit: Unit = Unit.COUNT

    def quantity(self, raw: int | float | Decimal) -> Quantity:
        """Return the physical value of `raw`, exactly."""
        return Quantity(scaled(raw, self.scaler), self.unit)

    def raw(self, value: Quantity | Decimal | int) -> int:
        """Return the raw integer that stands for `value`; `EncodeError` where its unit differs or digits are lost."""
        if isinstance(value, Quantity):
            if value.unit != self.unit:
                raise EncodeError(f"a value in {value.unit.symbol} for a register in {self.unit.symbol}")
            value = value.to("").value
        exact = scaled(value, -self.scaler)
        if not exact.is_finite() or exact != exact.to_integral_value():
            step = f"{Decimal(1).scaleb(self.scaler):f}"
            raise EncodeError(f"{value} is no whole number of {step} {self.unit.symbol}".rstrip())
        return int(exact)
