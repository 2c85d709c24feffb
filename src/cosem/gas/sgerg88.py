"""SGERG-88 (ISO 12213-3:2006): compressibility from calorific value, relative density, carbon dioxide and hydrogen."""

from __future__ import annotations

from typing import Final

from cosem.errors import CompositionError
from cosem.gas.characteristics import Characteristics
from cosem.gas.equation import Limits, Method, beyond
from cosem.gas.virial import MASS_CH_0, MASS_CH_1, Mixture, PseudoComponents, VirialEquation

CO_PER_H2: Final = 0.0964
"""Carbon monoxide that comes along with hydrogen, in coke-oven gas."""

_MASS_N2, _MASS_CO2, _MASS_H2, _MASS_CO = 28.0135, 44.010, 2.0159, 28.010  # kg/kmol
_HS_H2, _HS_CO = 285.83, 282.98  # MJ/kmol at 25 °C
_IDEAL_VOLUME = 22.414097  # m³/kmol at 0 °C and 1.01325 bar
_AIR = 1.292923  # kg/m³ at 0 °C and 1.01325 bar
_NORMAL = 273.15
_DENSITY_END, _HEAT_END = 1e-6, 1e-4  # kg/m³, MJ/m³: where the iterations end


class Sgerg88(VirialEquation):
    """SGERG-88 of one gas. Valid for 0 to 120 bar, 263 to 338 K (pipeline quality gas, ISO 12213-3:2006, 4.4).

    Needs `hs`, `density`, `co2`; `h2` where there is any. Raises CompositionError where they contradict one another.
    """

    method = Method.SGERG88
    limits = Limits(120.0, 263.0, 338.0)

    def __init__(self, gas: Characteristics) -> None:
        hs, density, co2 = gas.need("sgerg88", "hs", "density", "co2")
        self.mixture = _mixture(hs, density, co2, gas.h2)
        found = self.mixture.gas
        self.nitrogen = found.nitrogen
        self.gas_outside = (
            *beyond("calorific value", hs, 30, 45, "MJ/m³"),
            *beyond("relative density", density, 0.55, 0.80),
            *beyond("carbon dioxide", co2, 0, 0.20),
            *beyond("hydrogen", gas.h2, 0, 0.10),
            *beyond("nitrogen", found.nitrogen, -0.01, 0.20),
        )


def _mixture(hs: float, density: float, co2: float, h2: float) -> Mixture:
    # The iteration is that of the standard, with its starting values and ends: its tables of results depend on them
    # in the sixth decimal.
    co = CO_PER_H2 * h2
    rest = 1 - co2 - h2 - co
    volume = _IDEAL_VOLUME - 0.065
    calorific = 1000.0
    for _ in range(20):
        heat = hs * volume - h2 * _HS_H2 - co * _HS_CO  # of the hydrocarbon in a kmol of the gas
        mass_of_rest = co2 * _MASS_CO2 + h2 * _MASS_H2 + co * _MASS_CO
        for _ in range(20):
            ch = _share(heat, calorific)
            mass = ch * (MASS_CH_0 + MASS_CH_1 * calorific) + (rest - ch) * _MASS_N2 + mass_of_rest
            missing = density * _AIR - mass / volume
            if abs(missing) <= _DENSITY_END:
                break
            next_ch = _share(heat, calorific + 1)
            next_mass = next_ch * (MASS_CH_0 + MASS_CH_1 * (calorific + 1)) + (rest - next_ch) * _MASS_N2
            slope = next_mass + mass_of_rest - mass
            if not slope:
                raise CompositionError("relative density does not tell the hydrocarbon of these figures")
            calorific += missing * volume / slope
        else:
            break
        n2 = rest - ch
        _agree(ch, n2, co2, h2, density)
        mixture = Mixture(PseudoComponents(ch, n2, co2, calorific, h2, co))
        try:
            volume = _IDEAL_VOLUME + mixture.b(_NORMAL)
        except ValueError:
            break
        if abs(hs - (ch * calorific + h2 * _HS_H2 + co * _HS_CO) / volume) <= _HEAT_END:
            return mixture
    raise CompositionError("calorific value and relative density lead to no gas")


def _share(heat: float, calorific: float) -> float:
    if not (heat > 0 and calorific > 0):
        raise CompositionError("calorific value, relative density and hydrogen contradict one another")
    return heat / calorific


def _agree(ch: float, n2: float, co2: float, h2: float, density: float) -> None:
    # Conditions of the standard's program.
    least = 0.55 + 0.4 * n2 + 0.97 * co2 - 0.45 * h2
    if not (ch > 0 and -0.01 <= n2 <= 0.5 and n2 + co2 <= 0.5) or least > density:
        raise CompositionError(
            "calorific value, relative density, carbon dioxide and hydrogen contradict one another: "
            f"they leave a hydrocarbon share of {ch:.4f} and {n2:.4f} of nitrogen"
        )
