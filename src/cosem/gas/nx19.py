"""AGA NX-19 (1962), standard gravity method: an old equation that many devices still offer.

It gives the supercompressibility factor, thus the ratio K = Z/Zb to 60 °F and 14.73 psia and not Z itself; `Nx19.z`
makes Z of it with Zb of the gross method 2, so that all methods answer alike. The modified forms sold under the same
name are refused: see `Method.named`.
"""

from __future__ import annotations

from math import cbrt, exp, pow, sqrt
from typing import Final

from cosem.errors import NoSolution
from cosem.gas.characteristics import Characteristics
from cosem.gas.equation import KELVIN, Equation, Limits, Method, beyond

BASE_PRESSURE: Final = 1.01560
"""14.73 psia in bar."""

_PSI: Final = 14.503773773
_STANDARD: Final = 14.7  # psi the equation adds to a gauge pressure
_LEAST: Final = 0.01  # 1,000 psi
_RANKINE: Final = 460.0 - 459.67  # the equation counts 460 and not 459.67 °R at 0 °F


class Nx19(Equation):
    """NX-19 of one gas. Valid for relative densities of 0.554 to 1.0, up to 15 % of nitrogen and of carbon dioxide.

    Needs `density`, `n2` and `co2`. The regions of the equation that are public reach to an adjusted pressure of
    2,000 psi (about 130 bar) and from about -40 to 110 °C; beyond them NoSolution is raised.
    """

    method = Method.NX19
    limits = Limits(137.9, KELVIN - 40, KELVIN + 115.6)

    def __init__(self, gas: Characteristics) -> None:
        density, n2, co2 = gas.need("nx19", "density", "n2", "co2")
        self.gas_outside = (
            *beyond("relative density", density, 0.554, 1.0),
            *beyond("carbon dioxide", co2, 0, 0.15),
            *beyond("nitrogen", n2, 0, 0.15),
            *beyond("hydrogen", gas.h2, 0, 0),
        )
        percent_co2, percent_n2 = 100 * co2, 100 * n2
        by_pressure = 160.8 - 7.22 * density + percent_co2 - 0.392 * percent_n2
        by_temperature = 99.15 + 211.9 * density - percent_co2 - 1.681 * percent_n2
        if by_pressure <= 0 or by_temperature <= 0:
            raise NoSolution("nx19 has no solution for this gas")
        self._pressure_factor, self._temperature_factor = 156.47 / by_pressure, 226.29 / by_temperature
        self._base_z = _base_z(gas)

    def supercompressibility(self, pressure: float, temperature: float) -> float:
        """Return Fpv, the root of Zb/Z, of a state (bar absolute, °C)."""
        return self._fpv(pressure, temperature + KELVIN)

    def ratio(self, pressure: float, temperature: float) -> float:
        """Return K = Z/Zb of a state (bar absolute, °C), to 60 °F and 14.73 psia."""
        return 1 / self._fpv(pressure, temperature + KELVIN) ** 2

    def _z(self, pressure: float, kelvin: float) -> float:
        return self._base_z / self._fpv(pressure, kelvin) ** 2

    def _fpv(self, pressure: float, kelvin: float) -> float:
        gauge = pressure * _PSI - _STANDARD
        p = (gauge * self._pressure_factor + _STANDARD) / 1000
        t = (1.8 * kelvin + _RANKINE) * self._temperature_factor / 500
        if p < _LEAST:
            # The cubic loses its digits towards no pressure, where the factor is a straight line anyhow.
            low, high = self._solved(_LEAST, t), self._solved(2 * _LEAST, t)
            return low + (high - low) * (max(p, 0.0) / _LEAST - 1)
        return self._solved(p, t)

    @staticmethod
    def _solved(p: float, t: float) -> float:
        e = _region(p, t)
        inverse = 1 / t
        m = inverse**2 * (0.0330378 + inverse * (-0.0221323 + 0.0161353 * inverse**2))
        n = inverse * (-0.133185 + inverse * (0.265827 + 0.0457697 * inverse**2)) / m
        b = (9 * n - 2 * m * n**3) / (54 * m * p**3) - e / (2 * m * p**2)
        big = (3 - m * n**2) / (9 * m * p**2)
        inside = b * b + big**3
        if inside < 0 or (root := b + sqrt(inside)) <= 0:
            raise NoSolution(f"nx19 has no solution at adjusted {1000 * p:.0f} psi and {500 * t:.0f} °R")
        d = cbrt(root)
        square = big / d - d + n / (3 * p)
        if square <= 0:
            raise NoSolution(f"nx19 has no solution at adjusted {1000 * p:.0f} psi and {500 * t:.0f} °R")
        return sqrt(square) / (1 + 0.00132 * pow(inverse, 3.25))


def _region(p: float, t: float) -> float:
    """Return E of the region a state is in: `p` in 1,000 psi, `t` in 500 °R, both adjusted."""
    over = t - 1.09
    below = -over
    if p <= 2 and 0 <= over <= 0.31:
        root = sqrt(over)
        return 1 - 0.00075 * pow(p, 2.3) * exp(-20 * over) - 0.0011 * root * p**2 * (2.17 + 1.4 * root - p) ** 2
    if p <= 1.3 and 0 <= below <= 0.25:
        return _common(p, below) - 1.317 * below**4 * p * (1.69 - p**2)
    if 1.3 < p <= 2 and 0 <= below <= 0.21:
        series = 200 * below**6 - 0.03249 * below + 2.0167 * below**2 - 18.028 * below**3 + 42.844 * below**4
        return _common(p, below) + 0.455 * series * (p - 1.3) * (1.69 * pow(2, 1.25) - p**2)
    raise NoSolution(
        f"nx19 is public to an adjusted pressure of 2000 psi and from -40 to 110 °C; asked are {1000 * p:.0f} psi "
        f"and {(500 * t - 492) / 1.8:.0f} °C, adjusted"
    )


def _common(p: float, below: float) -> float:
    return 1 - 0.00075 * pow(p, 2.3) * (2 - exp(-20 * below))


def _base_z(gas: Characteristics) -> float:
    from cosem.gas.aga8_gross import Gross2

    return Gross2(gas).z(BASE_PRESSURE, 60 / 1.8 - 32 / 1.8)
