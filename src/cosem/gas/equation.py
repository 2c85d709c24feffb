"""What every equation for the compressibility of a gas has in common: method, range of validity, answer, series."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, overload

from cosem.errors import ConfigError, GasError, NoSolution

if TYPE_CHECKING:
    import numpy

KELVIN: Final = 273.15
"""0 °C in K."""

PRESSURE_MAX: Final = 1e6
TEMPERATURE_MAX: Final = 1e4
"""Beyond these (bar, K) nothing is a gas, and powers of them are no numbers any more."""

LARGEST_Z: Final = 10.0
"""Far from any gas equations have roots of next to no density: a Z beyond this is none."""

NO_PRESSURE: Final = 1e-12
"""Up to this pressure in bar a gas is ideal to the last digit."""

BLOCK: Final = 8192
"""States of a series that are computed at once."""


class Method(Enum):
    """How compressibility is computed. The values are the names of the command line."""

    FIXED = "fixed"
    SGERG88 = "sgerg88"
    AGA8_DETAIL = "aga8-detail"
    AGA8_GROSS1 = "aga8-gross1"
    AGA8_GROSS2 = "aga8-gross2"
    GERG2008 = "gerg2008"
    NX19 = "nx19"

    @classmethod
    def named(cls, name: str) -> Method:
        """Return the method of a name; ConfigError says why one that is sold in devices is not there."""
        wanted = name.lower()
        if wanted in _REFUSED:
            raise ConfigError(f"method {wanted} is not there: {_REFUSED[wanted]}")
        try:
            return cls(wanted)
        except ValueError:
            raise ConfigError(f"no method {name!r}: there are {', '.join(method.value for method in cls)}") from None


_NO_COEFFICIENTS: Final = "no public source has its coefficients; nx19 is the original equation of 1962"
_REFUSED: Final = {
    "nx19-mod": _NO_COEFFICIENTS,
    "nx19-mod-br-korr-3h": _NO_COEFFICIENTS,
    "nx19-3h": _NO_COEFFICIENTS,
    "sgerg-mod-h2": "no public source has its coefficients; aga8-detail and gerg2008 take any share of hydrogen",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """Range of states an equation is valid in: absolute pressure in bar, temperature in K, ends included."""

    pressure_max: float
    temperature_min: float
    temperature_max: float

    def outside(self, pressure: float, temperature: float) -> tuple[str, ...]:
        """Return what of a state (bar absolute, °C) is out of range, in words."""
        found: tuple[str, ...] = ()
        if not 0 <= pressure <= self.pressure_max:
            found += (f"pressure {pressure:g} bar: 0 to {self.pressure_max:g}",)
        low, high = self.temperature_min - KELVIN, self.temperature_max - KELVIN
        if not low - 1e-9 <= temperature <= high + 1e-9:
            found += (f"temperature {temperature:g} °C: {low:.4g} to {high:.4g}",)
        return found


ANY_STATE: Final = Limits(float("inf"), 0.0, float("inf"))


@dataclass(frozen=True, slots=True)
class Compressibility:
    """One answer: Z, how it was found, and what of gas or state is outside of the method's range of validity."""

    z: float
    method: Method
    outside: tuple[str, ...] = ()

    @property
    def in_range(self) -> bool:
        """Whether gas and state are inside the range the method is valid in."""
        return not self.outside

    def to_json(self) -> dict[str, Any]:
        """Return the answer for a machine."""
        answer = {"z": self.z, "method": self.method.value, "in_range": self.in_range}
        return answer | ({"outside": list(self.outside)} if self.outside else {})


class Equation:
    """The equation of one method for one gas: what depends on the gas alone is computed once.

    `gas_outside` says what of the gas is out of the method's range. Pressures are absolute in bar, temperatures in
    °C. An equation may keep its last solution as the start of the next one; the answer depends on it by less than
    1e-13.
    """

    method: Method
    limits: Limits
    gas_outside: tuple[str, ...] = ()

    @overload
    def z(self, pressure: float, temperature: float) -> float: ...

    @overload
    def z(self, pressure: numpy.ndarray, temperature: numpy.ndarray | float) -> numpy.ndarray: ...

    @overload
    def z(self, pressure: float, temperature: numpy.ndarray) -> numpy.ndarray: ...

    def z(self, pressure: Any, temperature: Any) -> Any:
        """Return the compression factor of a state (bar absolute, °C), or those of a series as a NumPy array.

        Raises GasError for what is no state and NoSolution where the equation has none.
        """
        if hasattr(pressure, "__array__") or hasattr(temperature, "__array__"):
            return self._series(pressure, temperature)
        kelvin = temperature + KELVIN
        if not (0 <= pressure <= PRESSURE_MAX and 0 < kelvin <= TEMPERATURE_MAX):
            raise GasError(f"{pressure:g} bar and {temperature:g} °C are no state of a gas")
        return self._checked(float(pressure), float(kelvin))

    def outside(self, pressure: float, temperature: float) -> tuple[str, ...]:
        """Return what of gas and state (bar absolute, °C) is out of the range of validity, in words."""
        return self.gas_outside + self.limits.outside(pressure, temperature)

    def at(self, pressure: float, temperature: float) -> Compressibility:
        """Return Z of a state (bar absolute, °C) with what is out of range."""
        return Compressibility(self.z(pressure, temperature), self.method, self.outside(pressure, temperature))

    def _series(self, pressure: Any, temperature: Any) -> Any:
        import numpy

        bars, celsius = numpy.broadcast_arrays(
            numpy.asarray(pressure, dtype=float), numpy.asarray(temperature, dtype=float)
        )
        kelvin = celsius + KELVIN
        if not ((bars >= 0) & (bars <= PRESSURE_MAX) & (kelvin > 0) & (kelvin <= TEMPERATURE_MAX)).all():
            raise GasError("the series holds what is no state of a gas: pressure below 0, or not a number")
        bars_in_line, kelvin_in_line = bars.ravel(), kelvin.ravel()
        found = numpy.empty(bars_in_line.shape)
        # In blocks: a term of an equation is an array, and there are many of them.
        for start in range(0, found.size, BLOCK):
            block = slice(start, start + BLOCK)
            found[block] = self._z_of_series(bars_in_line[block], kelvin_in_line[block])
        return found.reshape(bars.shape)

    def _z(self, pressure: float, kelvin: float) -> float:
        raise NotImplementedError

    def _z_of_series(self, pressure: Any, kelvin: Any) -> Any:
        """Return Z of a row of states; an equation that can do them at once does so."""
        import numpy

        return self._settled(pressure, kelvin, numpy.ones(pressure.shape), pressure > NO_PRESSURE)

    def _settled(self, pressure: Any, kelvin: Any, z: Any, unsolved: Any) -> Any:
        """Return `z` with the states that are `unsolved` solved one by one, which says what is wrong with them."""
        unsolved = unsolved | ~((z > 0) & (z <= LARGEST_Z))
        for index in unsolved.nonzero()[0].tolist():
            z[index] = self._checked(float(pressure[index]), float(kelvin[index]))
        return z

    def _checked(self, pressure: float, kelvin: float) -> float:
        if pressure <= NO_PRESSURE:
            return 1.0
        z = self._z(pressure, kelvin)
        if not 0 < z <= LARGEST_Z:
            raise NoSolution(f"{self.method.value} has no solution at {pressure:g} bar and {kelvin:g} K: Z is {z:.3g}")
        return z


class FixedZ(Equation):
    """A fixed compression factor, whatever the state (1 where there is no pressure at all)."""

    method = Method.FIXED
    limits = ANY_STATE

    def __init__(self, z: float = 1.0) -> None:
        if not (isfinite(z) and 0 < z <= LARGEST_Z):
            raise ConfigError(f"a compression factor of {z:g} is none")
        self.fixed = z

    def _z(self, pressure: float, kelvin: float) -> float:
        return self.fixed

    def _z_of_series(self, pressure: Any, kelvin: Any) -> Any:
        import numpy

        return numpy.where(pressure > 0, self.fixed, 1.0)


def check_fraction(name: str, fraction: float) -> float:
    """Return a mole fraction that is one; GasError otherwise."""
    if not (isfinite(fraction) and 0 <= fraction <= 1):
        raise GasError(f"{name}: a mole fraction of {fraction:g} is none (0 to 1)")
    return fraction


def beyond(name: str, value: float, low: float, high: float, unit: str = "") -> tuple[str, ...]:
    """Return one sentence where `value` is outside `low` to `high` (ends included), or nothing."""
    if low <= value <= high:
        return ()
    return (f"{name} {value:.6g}{unit and ' ' + unit}: {low:g} to {high:g}",)
