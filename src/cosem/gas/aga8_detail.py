"""AGA8-92DC, the detail equation (ISO 12213-2:2006; AGA Report No. 8, part 1): compressibility from an analysis."""

from __future__ import annotations

from math import exp, log
from typing import Any, Final

from cosem.errors import CompositionError, NoSolution
from cosem.gas.aga8_tables import PAIRS, SPECIES, TERMS, Pair, R, Species
from cosem.gas.composition import Composition
from cosem.gas.equation import NO_PRESSURE, Equation, Limits, Method, beyond

ASSIGNED: Final = {
    "neopentane": "n-pentane",
    "2-methylpentane": "n-hexane",
    "3-methylpentane": "n-hexane",
    "2,2-dimethylbutane": "n-hexane",
    "2,3-dimethylbutane": "n-hexane",
    "cyclopentane": "n-pentane",
    "benzene": "n-pentane",
    "cyclohexane": "n-hexane",
    "methylcyclopentane": "n-hexane",
    "toluene": "n-hexane",
    "methylcyclohexane": "n-heptane",
    "ethylcyclopentane": "n-heptane",
    "ethylbenzene": "n-heptane",
    "o-xylene": "n-heptane",
    "ethylcyclohexane": "n-octane",
    "ethylene": "ethane",
    "acetylene": "ethane",
    "propylene": "propane",
    "propadiene": "propane",
    "1-butene": "n-butane",
    "cis-2-butene": "n-butane",
    "trans-2-butene": "n-butane",
    "isobutylene": "isobutane",
    "1,2-butadiene": "n-butane",
    "1,3-butadiene": "n-butane",
    "1-pentene": "n-pentane",
    "neon": "argon",
}
"""Trace components the equation has no parameters for, and what they count as. ISO 12213-2 has such a table; this one
is by kinship and size, because that one was not at hand, and counts only as far as `ASSIGNED_MAX`."""

ASSIGNED_MAX: Final = 0.001
"""Mole fraction of assigned components together above which the gas is out of range."""

# Pipeline quality gas, ISO 12213-2:2006, 4.4.
_RANGES: Final = {
    "methane": (0.70, 1.0),
    "nitrogen": (0, 0.20),
    "carbon dioxide": (0, 0.20),
    "ethane": (0, 0.10),
    "propane": (0, 0.035),
    "hydrogen": (0, 0.10),
    "carbon monoxide": (0, 0.03),
    "helium": (0, 0.005),
    "water": (0, 0.00015),
}
_SUMS: Final = (
    ("butanes", ("n-butane", "isobutane"), 0.015),
    ("pentanes", ("n-pentane", "isopentane"), 0.005),
    ("hexanes", ("n-hexane",), 0.001),
    ("heptanes", ("n-heptane",), 0.0005),
    ("octanes and above", ("n-octane", "n-nonane", "n-decane"), 0.0005),
    ("hydrogen sulphide, oxygen and argon", ("hydrogen sulphide", "oxygen", "argon"), 0.0005),
)

# Newton's method for the logarithm of density against that of pressure, as in the report: it ends where the error that
# is left, of the order of the step's square, is none.
_ITERATIONS: Final = 40
_END: Final = 1e-9
_EASE: Final = 0.9
_DENSEST: Final = 100.0  # kmol/m³

_SECOND: Final = TERMS[:18]
_FIRST_RESIDUAL: Final = 12  # index of term 13


class Aga8Detail(Equation):
    """The detail equation of one gas. Valid for 0 to 120 bar, 263 to 338 K and pipeline quality gas; computes to
    650 bar and 225 to 450 K, reported as out of range.

    Raises CompositionError for a component it neither knows nor assigns.
    """

    method = Method.AGA8_DETAIL
    limits = Limits(120.0, 263.0, 338.0)

    def __init__(self, composition: Composition) -> None:
        shares, assigned = detail_shares(composition)
        self.gas_outside = out_of_range(shares, assigned)
        self.molar_mass = sum(share * SPECIES[name].mass for name, share in shares.items())
        self._second, residual, self._size = _mixture_terms(shares)
        # Terms alike in their exponents of density differ in temperature only: 24 sums instead of 46 terms.
        groups: dict[tuple[int, int], list[tuple[float, float]]] = {}
        linear: list[tuple[float, float]] = []
        for index, coefficient in enumerate(residual, start=_FIRST_RESIDUAL):
            term = TERMS[index]
            if coefficient:
                groups.setdefault((term.k, term.b), []).append((coefficient, term.u))
                if index < len(_SECOND):
                    linear.append((-coefficient * self._size, term.u))
        self._second += tuple(linear)
        self._groups = tuple(
            (k, tuple((b, tuple(groups[k, b])) for kk, b in sorted(groups) if kk == k))
            for k in sorted({k for k, _ in groups})
        )
        self._last_kelvin = 0.0
        self._last_terms: tuple[Any, Any] = (0.0, ())
        self._last_z = 1.0

    def _at_temperature(self, kelvin: Any) -> tuple[Any, Any]:
        """Return the second virial coefficient and the coefficients of every group at one temperature."""
        powers: dict[float, Any] = {}

        def total(terms: tuple[tuple[float, float], ...]) -> Any:
            found = 0.0
            for coefficient, u in terms:
                power = powers.get(u)
                if power is None:
                    power = powers[u] = kelvin**-u
                found = found + coefficient * power
            return found

        groups = tuple((k, tuple((b, total(terms)) for b, terms in group)) for k, group in self._groups)
        return total(self._second), groups

    def _sums(self, density: Any, terms: tuple[Any, Any], exponential: Any) -> tuple[Any, Any]:
        """Return Z - 1 and density dZ/d(density) at a molar density in kmol/m³."""
        second, groups = terms
        reduced = density * self._size
        powers = [1.0, reduced]
        for _ in range(8):
            powers.append(powers[-1] * reduced)
        z = second * density
        slope = 0.0
        for k, group in groups:
            plain = by_b = by_b2 = 0.0
            for b, coefficient in group:
                part = coefficient * powers[b]
                plain = plain + part
                part = part * b
                by_b = by_b + part
                by_b2 = by_b2 + part * b
            if k:
                kappa = k * powers[k]
                factor = exponential(-powers[k])
                z = z + factor * (by_b - kappa * plain)
                slope = slope + factor * (by_b2 - (2 * kappa + 1) * by_b + kappa * (kappa + 1 - k) * plain)
            else:
                z = z + by_b
                slope = slope + by_b2 - by_b
        return z, z + slope

    def _z(self, pressure: float, kelvin: float) -> float:
        if kelvin != self._last_kelvin:
            self._last_kelvin, self._last_terms = kelvin, self._at_temperature(kelvin)
        ideal = pressure * 100 / (R * kelvin)
        for start in (self._last_z, 1.0):
            density = ideal / start
            for _ in range(_ITERATIONS):
                excess, slope = self._sums(density, self._last_terms, exp)
                z, rise = 1 + excess, 1 + excess + slope
                if z <= 0 or rise <= 0:
                    density *= _EASE  # too dense by far: no gas would be there
                    continue
                step = log(density * z / ideal) * z / rise
                density *= exp(-max(-1.0, min(step, 1.0)))
                if abs(step) <= _END:
                    if density < _DENSEST:
                        z = ideal / density
                        self._last_z = z if 0.1 < z < 3 else 1.0
                        return z
                    break
        self._last_z = 1.0
        raise NoSolution(f"{self.method.value} has no solution at {pressure:g} bar and {kelvin:g} K")

    def _z_of_series(self, pressure: Any, kelvin: Any) -> Any:
        import numpy

        terms = self._at_temperature(kelvin)
        ideal = pressure * 100 / (R * kelvin)
        with numpy.errstate(all="ignore"):
            density = ideal
            for _ in range(_ITERATIONS):
                excess, slope = self._sums(density, terms, numpy.exp)
                z, rise = 1 + excess, 1 + excess + slope
                gas = (z > 0) & (rise > 0)
                step = numpy.where(gas, numpy.log(density * numpy.where(gas, z, 1.0) / ideal) * z / rise, 0.0)
                density = density * numpy.where(gas, numpy.exp(-numpy.clip(step, -1, 1)), _EASE)
                unsolved = ~(gas & (numpy.abs(step) <= _END) & (density < _DENSEST))
                if not unsolved.any():
                    break
            z = numpy.where(pressure > NO_PRESSURE, ideal / density, 1.0)
            unsolved &= pressure > NO_PRESSURE
        return self._settled(pressure, kelvin, z, unsolved)


def detail_shares(composition: Composition) -> tuple[dict[str, float], float]:
    """Return mole fractions by the 21 components of AGA 8, and how much of them is assigned from others.

    Raises CompositionError for a component that is neither.
    """
    shares: dict[str, float] = {}
    assigned = 0.0
    for name, share in composition.items():
        known = name if name in SPECIES else ASSIGNED.get(name)
        if known is None:
            if share:
                raise CompositionError(f"the detail equation knows no {name}", (name,))
            continue
        if known != name:
            assigned += share
        if share:
            shares[known] = shares.get(known, 0.0) + share
    return shares, assigned


def out_of_range(shares: dict[str, float], assigned: float) -> tuple[str, ...]:
    """Return what of a gas is outside the pipeline quality of ISO 12213-2:2006, in words."""
    found: tuple[str, ...] = ()
    for name, (low, high) in _RANGES.items():
        found += beyond(name, shares.get(name, 0.0), low, high)
    for name, members, high in _SUMS:
        found += beyond(name, sum(shares.get(member, 0.0) for member in members), 0, high)
    return found + beyond("components the equation has no parameters for", assigned, 0, ASSIGNED_MAX)


def _mixture_terms(shares: dict[str, float]) -> tuple[tuple[tuple[float, float], ...], list[float], float]:
    """Return the terms (coefficient, exponent) of B, the coefficients of terms 13 to 58, and the size K³ in m³/kmol."""
    names = list(shares)
    second = [0.0] * len(_SECOND)
    energy = size = orientation = quadrupole = high = 0.0
    for name in names:
        x, own = shares[name], SPECIES[name]
        energy += x * own.energy**2.5
        size += x * own.size**2.5
        orientation += x * own.orientation
        quadrupole += x * own.quadrupole
        high += x * x * own.high_temperature
    energy, size = energy**2, size**2
    for i, first in enumerate(names):
        for other in names[i:]:
            one, two = SPECIES[first], SPECIES[other]
            pair = PAIRS.get((first, other)) or PAIRS.get((other, first)) or Pair()
            weight = shares[first] * shares[other] * (1 if first == other else 2)
            energy += weight * (pair.conformal**5 - 1) * (one.energy * two.energy) ** 2.5
            size += weight * (pair.size**5 - 1) * (one.size * two.size) ** 2.5
            mean_orientation = (one.orientation + two.orientation) / 2
            orientation += weight * (pair.orientation - 1) * mean_orientation
            pair_energy = pair.energy * (one.energy * two.energy) ** 0.5
            pair_size = (one.size * two.size) ** 1.5
            for index, term in enumerate(_SECOND):
                kind = _pair_factor(term.kind, one, two, pair.orientation * mean_orientation)
                if kind:
                    second[index] += weight * term.a * pair_energy**term.u * pair_size * kind
    energy, size = energy**0.2, size**0.6
    by_kind = {"": 1.0, "G": orientation, "Q": quadrupole**2, "F": high}
    residual = [term.a * energy**term.u * by_kind[term.kind] for term in TERMS[_FIRST_RESIDUAL:]]
    terms = tuple((coefficient, term.u) for coefficient, term in zip(second, _SECOND, strict=True) if coefficient)
    return terms, residual, size


def _pair_factor(kind: str, one: Species, two: Species, orientation: float) -> float:
    if not kind:
        return 1.0
    return {
        "G": orientation,
        "Q": one.quadrupole * two.quadrupole,
        "F": one.high_temperature * two.high_temperature,
        "S": one.dipole * two.dipole,
        "W": one.association * two.association,
    }[kind]
