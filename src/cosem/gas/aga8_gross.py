"""The gross methods of AGA Report No. 8 (1994; ISO 12213-3 in other dress): few inputs instead of an analysis.

Method 1 takes calorific value, relative density and carbon dioxide; method 2 relative density, nitrogen and carbon
dioxide. Both know no hydrogen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cosem.errors import CompositionError
from cosem.gas.aga8_tables import SPECIES
from cosem.gas.characteristics import Characteristics
from cosem.gas.composition import Composition
from cosem.gas.equation import KELVIN, Limits, Method, beyond
from cosem.gas.virial import MASS_CH_0, MASS_CH_1, Mixture, PseudoComponents, R, VirialEquation

MASS_AIR: Final = 28.9625
"""Molar mass of air of AGA 8 in kg/kmol."""

_MASS_N2, _MASS_CO2 = SPECIES["nitrogen"].mass, SPECIES["carbon dioxide"].mass

MOLAR_CALORIFIC: Final = {
    "methane": 890.63, "ethane": 1560.69, "propane": 2219.17, "isobutane": 2868.2, "n-butane": 2877.4,
    "isopentane": 3528.83, "n-pentane": 3535.77, "n-hexane": 4194.95, "n-heptane": 4853.43, "n-octane": 5511.8,
    "n-nonane": 6171.15, "n-decane": 6829.77, "hydrogen": 285.83, "carbon monoxide": 282.98, "water": 44.016,
    "hydrogen sulphide": 562.01,
}  # fmt: skip
"""Ideal superior molar calorific values of AGA 5 (2009) in kJ/mol at 25 °C; what is not there has none."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Reference conditions of the inputs: combustion and metering in °C, metering pressure in bar absolute."""

    combustion: float = 25.0
    metering: float = 0.0
    pressure: float = 1.01325

    @property
    def ideal_volume(self) -> float:
        """Return the molar volume of an ideal gas at metering conditions in m³/kmol."""
        return R * (self.metering + KELVIN) / self.pressure

    @property
    def combustion_factor(self) -> float:
        """Return the molar calorific value at 25 °C over that at the combustion temperature."""
        return 1 + 0.0001027 * (self.combustion - 25)

    @property
    def air_z(self) -> float:
        """Return the compression factor of air at metering conditions."""
        t = self.metering + KELVIN
        return 1 + (-0.12527 + 0.000591 * t - 0.000000662 * t * t) / self.ideal_volume


AT_25_0: Final = Reference()
US_CUSTOMARY: Final = Reference(60 / 1.8 - 32 / 1.8, 60 / 1.8 - 32 / 1.8, 14.73 * 0.06894757293168)
"""60 °F and 14.73 psia."""


class _Gross(VirialEquation):
    # States and gases of the 1994 edition: to 130 °F and 1,200 psia; recalled, not read in the report.
    limits = Limits(83.0, 273.15, 328.15)

    def __init__(self, gas: PseudoComponents, density: float, hs: float | None) -> None:
        self.pseudo_components = gas
        self.mixture = Mixture(gas)
        self.gas_outside = (
            *beyond("relative density", density, 0.554, 0.87),
            *(beyond("calorific value", hs, 18.7, 45.1, "MJ/m³") if hs is not None else ()),
            *beyond("nitrogen", gas.nitrogen, 0, 0.50),
            *beyond("carbon dioxide", gas.carbon_dioxide, 0, 0.30),
        )


class Gross1(_Gross):
    """Gross method 1. Valid for 0 to 83 bar and 0 to 55 °C. Needs `hs`, `density` and `co2`, at `reference`."""

    method = Method.AGA8_GROSS1

    def __init__(self, gas: Characteristics, reference: Reference = AT_25_0) -> None:
        hs, density, co2 = gas.need("aga8-gross1", "hs", "density", "co2")
        found = _by_calorific_value(hs, density, co2, reference)
        super().__init__(found, density, hs)
        self.gas_outside += beyond("hydrogen", gas.h2, 0, 0)


class Gross2(_Gross):
    """Gross method 2. Valid for 0 to 83 bar and 0 to 55 °C. Needs `density`, `n2` and `co2`, at `reference`."""

    method = Method.AGA8_GROSS2

    def __init__(self, gas: Characteristics, reference: Reference = AT_25_0) -> None:
        density, n2, co2 = gas.need("aga8-gross2", "density", "n2", "co2")
        found, self.hs = _by_nitrogen(density, n2, co2, reference)
        super().__init__(found, density, None)
        self.gas_outside += beyond("hydrogen", gas.h2, 0, 0)


class GrossOfComposition(_Gross):
    """The gross equation with a hydrocarbon computed from an analysis, and what it says of density and heat."""

    method = Method.AGA8_GROSS1

    def __init__(self, composition: Composition, reference: Reference = AT_25_0) -> None:
        missing = tuple(name for name in composition if name not in SPECIES)
        if missing:
            raise CompositionError(f"the gross methods of AGA 8 know no {', '.join(missing)}", missing)
        heat = sum(share * MOLAR_CALORIFIC.get(name, 0.0) for name, share in composition.items())
        n2, co2 = composition["nitrogen"], composition["carbon dioxide"]
        ch = 1 - n2 - co2
        if ch <= 0:
            raise CompositionError("nothing but nitrogen and carbon dioxide: no gas for the gross methods")
        gas = PseudoComponents(ch, n2, co2, heat / ch)
        self.mixture = Mixture(gas)
        self.molar_mass = sum(share * SPECIES[name].mass for name, share in composition.items())
        self.molar_calorific = heat
        z = self.z(reference.pressure, reference.metering)
        self.relative_density = self.molar_mass * reference.air_z / MASS_AIR / z
        self.hs = heat / (z * reference.ideal_volume)
        super().__init__(gas, self.relative_density, self.hs)


def _by_calorific_value(hs: float, density: float, co2: float, reference: Reference) -> PseudoComponents:
    z = 1.0
    for _ in range(40):
        heat = z * reference.ideal_volume * hs * reference.combustion_factor
        mass = density * z * MASS_AIR / reference.air_z
        ch = (mass - MASS_CH_1 * heat - (1 - co2) * _MASS_N2 - co2 * _MASS_CO2) / (MASS_CH_0 - _MASS_N2)
        n2 = 1 - ch - co2
        if not (0 < ch <= 1 and n2 >= 0):
            raise CompositionError(
                "calorific value, relative density and carbon dioxide contradict one another: "
                f"they leave a hydrocarbon share of {ch:.4f} and {n2:.4f} of nitrogen"
            )
        gas = PseudoComponents(ch, n2, co2, heat / ch)
        before, z = z, _base_z(gas, reference)
        if abs(z - before) < 1e-13:
            return gas
    raise CompositionError("calorific value and relative density lead to no gas")


def _by_nitrogen(density: float, n2: float, co2: float, reference: Reference) -> tuple[PseudoComponents, float]:
    ch = 1 - n2 - co2
    if ch <= 0:
        raise CompositionError("nothing but nitrogen and carbon dioxide: no gas for the gross methods")
    z = 1.0
    for _ in range(40):
        mass = density * z * MASS_AIR / reference.air_z
        calorific = ((mass - n2 * _MASS_N2 - co2 * _MASS_CO2) / ch - MASS_CH_0) / MASS_CH_1
        if calorific <= 0:
            raise CompositionError("relative density, nitrogen and carbon dioxide contradict one another")
        gas = PseudoComponents(ch, n2, co2, calorific)
        before, z = z, _base_z(gas, reference)
        if abs(z - before) < 1e-13:
            return gas, calorific * ch / (z * reference.ideal_volume * reference.combustion_factor)
    raise CompositionError("relative density, nitrogen and carbon dioxide lead to no gas")


def _base_z(gas: PseudoComponents, reference: Reference) -> float:
    # At metering conditions the third coefficient is left out, as in the report.
    try:
        b: float = Mixture(gas).b(reference.metering + KELVIN)
    except ValueError:
        raise CompositionError("calorific value and relative density are of no gas") from None
    return 1 + b / reference.ideal_volume
