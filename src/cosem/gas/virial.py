"""The virial equation of GERG (Z = 1 + B d + C d²) that SGERG-88 and the gross methods of AGA 8 share.

The gas is five pseudo-components: an equivalent hydrocarbon (CH) known by its molar calorific value, nitrogen, carbon
dioxide, and with SGERG-88 hydrogen with the carbon monoxide that comes along (ISO 12213-3:2006, annex B).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cbrt, sqrt
from typing import Any, Final

from cosem.errors import NoSolution
from cosem.gas.equation import Equation

R: Final = 0.0831451
"""Molar gas constant in bar m³/(kmol K)."""

Quadratic = tuple[float, float, float]
"""Coefficients of 1, T and T², T in K."""

# Second virial coefficients in m³/kmol. Of the hydrocarbon: by powers 0, 1, 2 of its molar calorific value.
B_CH: Final = (
    (-0.425468, 2.865e-3, -4.62073e-6),
    (8.77118e-4, -5.56281e-6, 8.8151e-9),
    (-8.24747e-7, 4.31436e-9, -6.08319e-12),
)
B_N2: Final = (-0.1446, 7.4091e-4, -9.1195e-7)
B_CO2: Final = (-0.86834, 4.0376e-3, -5.1657e-6)
B_N2_CO2: Final = (-0.339693, 1.61176e-3, -2.04429e-6)
B_CH_H2: Final = (-0.052128, 2.7157e-4, -2.5e-7)
B_CH_CO: Final = (-0.068729, -2.39381e-6, 5.18195e-7)
B_H2: Final = (-1.10596e-3, 8.13385e-5, -9.8722e-8)
B_CO: Final = (-0.13082, 6.0254e-4, -6.443e-7)
B_N2_H2: Final = 0.012

# Third virial coefficients in m⁶/kmol².
C_CH: Final = (
    (-0.302488, 1.95861e-3, -3.16302e-6),
    (6.46422e-4, -4.22876e-6, 6.88157e-9),
    (-3.32805e-7, 2.2316e-9, -3.67713e-12),
)
C_N2: Final = (7.8498e-3, -3.9895e-5, 6.1187e-8)
C_N2_N2_CO2: Final = (5.52066e-3, -1.68609e-5, 1.57169e-8)
C_N2_CO2_CO2: Final = (3.58783e-3, 8.06674e-6, -3.25798e-8)
C_CO2: Final = (2.0513e-3, 3.4888e-5, -8.3703e-8)
C_H2: Final = (1.04711e-3, -3.64887e-6, 4.67095e-9)
C_CH_CH_CO: Final = (7.36748e-3, -2.76578e-5, 3.43051e-8)

# Molar mass of the equivalent hydrocarbon in kg/kmol by its molar calorific value in MJ/kmol.
MASS_CH_0: Final = -2.709328
MASS_CH_1: Final = 0.021062199


@dataclass(frozen=True, slots=True)
class PseudoComponents:
    """Mole fractions of the pseudo-components and the molar calorific value of the hydrocarbon in kJ/mol at 25 °C."""

    hydrocarbon: float
    nitrogen: float
    carbon_dioxide: float
    calorific: float
    hydrogen: float = 0.0
    carbon_monoxide: float = 0.0


def _blend(*parts: tuple[float, Quadratic]) -> Quadratic:
    zero = one = two = 0.0
    for share, (constant, linear, square) in parts:
        zero += share * constant
        one += share * linear
        two += share * square
    return zero, one, two


def _of_hydrocarbon(rows: tuple[Quadratic, Quadratic, Quadratic], calorific: float) -> Quadratic:
    return _blend((1.0, rows[0]), (calorific, rows[1]), (calorific * calorific, rows[2]))


class Mixture:
    """B and C of one gas at any temperature: what does not depend on temperature is gathered once."""

    def __init__(self, gas: PseudoComponents) -> None:
        self.gas = gas
        ch, n2, co2, h2, co = gas.hydrocarbon, gas.nitrogen, gas.carbon_dioxide, gas.hydrogen, gas.carbon_monoxide
        self._b_ch = _of_hydrocarbon(B_CH, gas.calorific)
        self._third: tuple[Quadratic, Quadratic] | None = None
        # All of B that is a polynomial of T, without the pairs CH-N2 and CH-CO2, which are not.
        plain = _blend(
            (ch * ch, self._b_ch),
            (n2 * n2, B_N2),
            (2 * n2 * co2, B_N2_CO2),
            (co2 * co2, B_CO2),
            (h2 * h2, B_H2),
            (2 * ch * h2, B_CH_H2),
            (2 * ch * co, B_CH_CO),
            (co * co, B_CO),
        )
        self._b_plain = (plain[0] + 2 * n2 * h2 * B_N2_H2, plain[1], plain[2])
        self._b_sum = _blend((ch * n2, self._b_ch), (ch * n2, B_N2))
        self._b_co2_share = 2 * ch * co2 * -0.865

    def b(self, t: Any, root: Any = sqrt) -> Any:
        """Return the second virial coefficient in m³/kmol at `t` K (with NumPy's square root: of a series)."""
        t2 = t * t
        p, s, h = self._b_plain, self._b_sum, self._b_ch
        ch_n2 = (0.72 + 1.875e-5 * (320 - t) ** 2) * (s[0] + s[1] * t + s[2] * t2)
        found = p[0] + p[1] * t + p[2] * t2 + ch_n2
        if self._b_co2_share:
            product = (h[0] + h[1] * t + h[2] * t2) * (B_CO2[0] + B_CO2[1] * t + B_CO2[2] * t2)
            found = found + self._b_co2_share * root(product)
        return found

    def c(self, t: Any, cube_root: Any = cbrt) -> Any:
        """Return the third virial coefficient in m⁶/kmol² at `t` K (with NumPy's cube root: of a series)."""
        gas, t2 = self.gas, t * t
        ch, n2, co2, h2 = gas.hydrocarbon, gas.nitrogen, gas.carbon_dioxide, gas.hydrogen
        if self._third is None:
            self._third = self._gather_third()
        p, h = self._third
        ch_root = cube_root(h[0] + h[1] * t + h[2] * t2)
        n2_root = cube_root(C_N2[0] + C_N2[1] * t + C_N2[2] * t2)
        co2_root = cube_root(C_CO2[0] + C_CO2[1] * t + C_CO2[2] * t2)
        with_n2 = (0.92 + 0.0013 * (t - 270)) * n2 * n2_root * (ch * ch_root + n2 * n2_root)
        with_co2 = 0.92 * co2 * co2_root * (ch * ch_root + co2 * co2_root)
        mixed = 2 * 1.1 * n2 * n2_root * co2 * co2_root
        if h2:
            h2_root = cube_root(C_H2[0] + C_H2[1] * t + C_H2[2] * t2)
            mixed = mixed + 1.2 * ch * ch_root * h2 * h2_root
        return p[0] + p[1] * t + p[2] * t2 + 3 * ch * ch_root * (with_n2 + with_co2 + mixed)

    def _gather_third(self) -> tuple[Quadratic, Quadratic]:
        """Return what of C is a polynomial of T, and C of the hydrocarbon; the search for the gas needs B alone."""
        gas = self.gas
        ch, n2, co2 = gas.hydrocarbon, gas.nitrogen, gas.carbon_dioxide
        own = _of_hydrocarbon(C_CH, gas.calorific)
        plain = _blend(
            (ch**3, own),
            (n2**3, C_N2),
            (3 * n2 * n2 * co2, C_N2_N2_CO2),
            (3 * n2 * co2 * co2, C_N2_CO2_CO2),
            (co2**3, C_CO2),
            (gas.hydrogen**3, C_H2),
            (3 * ch * ch * gas.carbon_monoxide, C_CH_CH_CO),
        )
        return plain, own


class VirialEquation(Equation):
    """Z from B and C: the density is solved by Newton's method from that of an ideal gas."""

    mixture: Mixture

    def _z(self, pressure: float, kelvin: float) -> float:
        try:
            b: float = self.mixture.b(kelvin)
            c: float = self.mixture.c(kelvin)
        except ValueError:  # a square root of less than nothing, far below the range
            raise NoSolution(f"{self.method.value} has no solution at {kelvin:g} K") from None
        ideal = pressure / (R * kelvin)
        d = ideal
        for _ in range(40):
            slope = 1 + d * (2 * b + 3 * c * d)
            if slope <= 0:
                break
            step = (d * (1 + d * (b + c * d)) - ideal) / slope
            d -= step
            if abs(step) <= 1e-11 * ideal:
                return ideal / d
        raise NoSolution(f"{self.method.value} has no solution at {pressure:g} bar and {kelvin:g} K")

    def _z_of_series(self, pressure: Any, kelvin: Any) -> Any:
        import numpy

        ideal = pressure / (R * kelvin)
        with numpy.errstate(all="ignore"):
            b, c = self.mixture.b(kelvin, numpy.sqrt), self.mixture.c(kelvin, numpy.cbrt)
            d, stable = ideal, True
            for _ in range(40):
                slope = 1 + d * (2 * b + 3 * c * d)
                stable = stable & (slope > 0)
                step = (d * (1 + d * (b + c * d)) - ideal) / slope
                d = d - step
                unsolved = ~(stable & (numpy.abs(step) <= 1e-11 * ideal))
                if not (unsolved & stable).any():
                    break
        return self._settled(pressure, kelvin, 1 + d * (b + c * d), unsolved)
