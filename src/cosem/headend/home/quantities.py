"""What Home Assistant calls a quantity: its class, unit and kind of state, by the unit a meter gives and what it grows.

Its rules: a class allows certain units, and certain kinds of state. Energy, gas and water are totals; what is measured
at a moment is a measurement; what is neither has no kind of state and gets no statistics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from cosem.headend.home.names import CHANNEL
from cosem.headend.inventory import Kind

TOTAL: Final = "total_increasing"
MEASUREMENT: Final = "measurement"
_TOTALS: Final = frozenset({"energy", "reactive_energy", "gas", "water", "volume"})
_POWER_FACTOR: Final = frozenset({13, 33, 53, 73, 84, 85, 86, 87})
"""Value group C of electricity (Blue Book part 1): power factors."""
_UNITS: Final[Mapping[str, tuple[str | None, str, int]]] = {
    "Wh": ("energy", "kWh", -3),
    "J": ("energy", "GJ", -9),
    "varh": ("reactive_energy", "kvarh", -3),
    "VAh": (None, "kVAh", -3),
    "W": ("power", "W", 0),
    "VA": ("apparent_power", "VA", 0),
    "var": ("reactive_power", "var", 0),
    "V": ("voltage", "V", 0),
    "A": ("current", "A", 0),
    "Hz": ("frequency", "Hz", 0),
    "°C": ("temperature", "°C", 0),
    "°F": ("temperature", "°F", 0),
    "K": ("temperature", "K", 0),
    "bar": ("pressure", "bar", 0),
    "Pa": ("pressure", "Pa", 0),
    "m³": ("volume", "m³", 0),
    "l": ("volume", "m³", -3),
    "ft³": ("volume", "ft³", 0),
    "m³/h": ("volume_flow_rate", "m³/h", 0),
    "s": ("duration", "s", 0),
    "min": ("duration", "min", 0),
    "h": ("duration", "h", 0),
    "d": ("duration", "d", 0),
    "dBm": ("signal_strength", "dBm", 0),
    "dB": ("signal_strength", "dB", 0),
    "kg": ("weight", "kg", 0),
}
"""Class, unit and power of ten from the meter's unit. What is not here keeps its unit and has no class."""
_VOLUMES: Final[Mapping[Kind, str]] = {Kind.GAS: "gas", Kind.CONVERTER: "gas", Kind.WATER: "water"}


@dataclass(frozen=True, slots=True)
class Quantity:
    """How a channel is shown. A value times 10**`exponent` is in `unit`; `digits` are those behind the point."""

    device_class: str | None
    state_class: str | None
    unit: str | None
    exponent: int

    @property
    def digits(self) -> int:
        """Digits behind the point that the meter gives."""
        return max(0, -self.exponent)

    def value(self, number: int) -> int | float | str:
        """Return a value as JSON has it: a number where that is exact, otherwise its digits as text."""
        if self.exponent >= 0:
            return number * int(10**self.exponent)
        exact = Decimal(number).scaleb(self.exponent)
        near = float(exact)
        return near if Decimal(repr(near)) == exact else format(exact, "f")


@lru_cache(maxsize=4096)
def quantity(name: str, unit: str, scaler: int, *, cumulative: bool, kind: Kind) -> Quantity:
    """Return how a channel of a device of this kind is shown."""
    device_class, shown, power = _UNITS.get(unit, (None, unit, 0))
    found = CHANNEL.fullmatch(name)
    medium, what = (-1, -1) if found is None else _medium_and_what(found["code"])
    if device_class == "volume":
        device_class = _VOLUMES.get(kind, "volume")
    elif not unit and medium == 1 and what in _POWER_FACTOR:
        device_class = "power_factor"
    state_class = _state_class(device_class, unit, medium, cumulative, found)
    return Quantity(device_class, state_class, shown or None, scaler + power)


def _medium_and_what(code: str) -> tuple[int, int]:
    medium, _, rest = code.partition("-")
    return int(medium), int(rest.partition(":")[2].partition(".")[0])


def _state_class(device_class: str | None, unit: str, medium: int, cumulative: bool, found: Any) -> str | None:
    if found is not None and found["f"] not in (None, "255"):
        # The value of an earlier billing period: it neither grows nor is it of now.
        return None
    if device_class in _TOTALS or unit == "VAh":
        # What an interval brought is no total, and totals are all that these classes allow.
        return TOTAL if cumulative else None
    if device_class is None and not unit:
        return TOTAL if cumulative and medium in (0, 1) else MEASUREMENT
    return MEASUREMENT
