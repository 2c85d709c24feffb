"""The formulas of conversion (EN 12405-1:2005, clause 4; EN 12405-2 for energy): factors, volumes, energy.

A volume knows at which conditions it stands, so that none is converted twice.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from itertools import pairwise
from typing import Any, Final

from cosem.errors import ConfigError, GasError
from cosem.gas.equation import KELVIN

MEGAJOULE_PER_KWH: Final = Decimal("3.6")


class Conditions(Enum):
    """At which conditions a volume stands."""

    METERING = "metering"
    CORRECTED = "corrected"
    BASE = "base"


@dataclass(frozen=True, slots=True)
class BaseConditions:
    """Base pressure (absolute, bar) and base temperature (°C) volumes are converted to."""

    pressure: Decimal = Decimal("1.01325")
    temperature: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        if not (self.pressure > 0 and self.temperature > -KELVIN):
            raise ConfigError(f"base conditions of {self.pressure} bar and {self.temperature} °C are none")


@dataclass(frozen=True, slots=True)
class Volume:
    """An amount of gas in m³ and the conditions it stands at."""

    amount: Decimal
    at: Conditions = Conditions.METERING

    def corrected(self, factor: Decimal) -> Volume:
        """Return the volume with the error of the meter taken out: Vc = Cf Vm. GasError unless it is as metered."""
        if self.at is not Conditions.METERING:
            raise GasError(f"a volume at {self.at.value} conditions is not corrected again")
        return Volume(self.amount * factor, Conditions.CORRECTED)

    def to_base(self, factor: Decimal) -> Volume:
        """Return the volume at base conditions: Vb = C V. GasError where it stands at them already."""
        if self.at is Conditions.BASE:
            raise GasError("a volume at base conditions is not converted again")
        return Volume(self.amount * factor, Conditions.BASE)

    def energy(self, calorific: Decimal) -> Decimal:
        """Return the energy in the unit of `calorific` (per m³ at base conditions): E = Hs Vb."""
        if self.at is not Conditions.BASE:
            raise GasError(f"a volume at {self.at.value} conditions has no energy before it is converted")
        return self.amount * calorific


def pressure_ratio_factor(pressure: Any, temperature: Any, k: Any, base: BaseConditions) -> Any:
    """Return C = (p/pb)(Tb/T)/K of a state (bar absolute, °C; numbers or NumPy series), K = Z/Zb.

    With K constant this is PT conversion; with pressure constant, too, T conversion.
    """
    base_kelvin = float(base.temperature) + KELVIN
    return pressure / float(base.pressure) * (base_kelvin / (temperature + KELVIN)) / k


@dataclass(frozen=True, slots=True)
class CorrectionCurve:
    """Errors of a meter over its flow: points of (flow in m³/h, error in %), in rising order of flow.

    Between points the error is interpolated, beyond them that of the nearest holds (EN 12405-1, annex on correction
    functions: an error curve may be corrected where the meter's output allows its flow to be known).
    """

    points: tuple[tuple[Decimal, Decimal], ...] = ()

    def __post_init__(self) -> None:
        flows = [flow for flow, _ in self.points]
        if any(later <= earlier for earlier, later in pairwise(flows)):
            raise ConfigError("the flows of a correction curve do not rise")
        if any(not -50 < error < 50 for _, error in self.points):
            raise ConfigError("an error of 50 % and more is not one to correct")

    def error(self, flow: Decimal) -> Decimal:
        """Return the error of the meter in % at a flow in m³/h."""
        if not self.points:
            return Decimal(0)
        index = bisect_right(self.points, (flow, Decimal("Infinity")))
        if index == 0:
            return self.points[0][1]
        if index == len(self.points):
            return self.points[-1][1]
        (low, at_low), (high, at_high) = self.points[index - 1], self.points[index]
        return at_low + (at_high - at_low) * (flow - low) / (high - low)

    def factor(self, flow: Decimal) -> Decimal:
        """Return Cf, by which the metered volume is multiplied, at a flow in m³/h."""
        return 1 / (1 + self.error(flow) / 100)
