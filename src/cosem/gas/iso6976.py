"""Calorific values, density, relative density and Wobbe index from composition: ISO 6976:2016, and with the factors of
the 1995 edition.

Reference temperatures: combustion 0, 15, 15.55, 20, 25 °C; metering 0, 15, 15.55, 20 °C; pressure 101.325 kPa. The
1995 factors at hand: 0/0, 25/0 and 15/15.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import Enum
from math import isfinite, sqrt
from typing import Any, Final, NamedTuple

from cosem.errors import CompositionError, ConfigError
from cosem.gas.composition import Composition, component_name
from cosem.gas.equation import KELVIN
from cosem.gas.iso6976_tables import COMBUSTION, COMPONENTS, COMPONENTS_1995, METERING

R: Final = 8.3144621
R_U: Final = 0.0000075
"""Molar gas constant in J/(mol K) and its standard uncertainty (CODATA 2010, which the standard takes)."""

AIR_MASS: Final = 28.96546
AIR_MASS_U: Final = 0.00017
"""Molar mass of dry air in kg/kmol and its standard uncertainty."""

PRESSURE: Final = 101.325
"""Reference pressure in kPa."""

SIXTY_FAHRENHEIT: Final = (60 - 32) / 1.8
"""What the standard writes as 15.55 °C: its example D.3 comes out to the last digit with 60 °F, not with 15.55 °C."""

_AIR_Z: Final = (0.999419, 0.999595, 0.999601, 0.999645)  # by metering temperature
_AIR_Z_U: Final = 0.000015
_VAPORISATION: Final = (45.064, 44.431, 44.408, 44.222, 44.013)  # of water in kJ/mol, by combustion temperature
_VAPORISATION_U: Final = 0.004
_ATOM_MASS_U: Final = (0.0004, 0.000035, 0.0001, 0.00015, 0.0025)  # C, H, N, O, S in kg/kmol

_R_1995: Final = 8.31451
_AIR_MASS_1995: Final = 28.9626
_AIR_Z_1995: Final = {0.0: 0.99941, 15.0: 0.99958}
_PAIRS_1995: Final = ((0.0, 0.0), (25.0, 0.0), (15.0, 15.0))


class Edition(Enum):
    """Edition of ISO 6976. The values are the names of the command line."""

    ISO_2016 = "2016"
    ISO_1995 = "1995"


class Figure(NamedTuple):
    """A value and its standard uncertainty (coverage factor 1); None where it is not computed."""

    value: float
    u: float | None = None


@dataclass(frozen=True, slots=True)
class Properties:
    """Properties of a gas at one pair of reference temperatures, real gas, superior (gross) and inferior (net).

    Calorific values: molar in kJ/mol, by mass in MJ/kg, by volume in MJ/m³; density in kg/m³; Wobbe in MJ/m³.
    """

    combustion: float
    metering: float
    edition: Edition
    molar_mass: Figure
    z: Figure
    superior_molar: Figure
    inferior_molar: Figure
    superior_mass: Figure
    inferior_mass: Figure
    superior_volume: Figure
    inferior_volume: Figure
    density: Figure
    relative_density: Figure
    superior_wobbe: Figure
    inferior_wobbe: Figure

    def to_json(self) -> dict[str, Any]:
        """Return the properties for a machine: each `{"value": ..., "u": ...}`."""
        head = {"combustion": self.combustion, "metering": self.metering, "edition": self.edition.value}
        named = ((item.name, getattr(self, item.name)) for item in fields(self))
        return head | {name: figure._asdict() for name, figure in named if isinstance(figure, Figure)}


def properties(
    composition: Composition,
    *,
    combustion: float = 25.0,
    metering: float = 0.0,
    edition: Edition = Edition.ISO_2016,
    uncertainty: Mapping[str, float] | None = None,
    correlation: Mapping[tuple[str, str], float] | None = None,
) -> Properties:
    """Return the properties of a gas at a pair of reference temperatures in °C (ISO 6976:2016, clauses 5 to 10).

    `uncertainty` holds standard uncertainties of mole fractions by component, `correlation` their coefficients by pair
    of components (either order; none: 0); without them the uncertainties are those of the standard's own tables.
    Raises ConfigError for reference temperatures it has no data for, CompositionError for components (1995 edition).
    """
    if edition is Edition.ISO_1995:
        return _of_1995(composition, combustion, metering)
    mix = _Mixture(composition, _column(COMBUSTION, combustion), _column(METERING, metering))
    spread = _Spread(mix, uncertainty or {}, correlation or {})
    volume = mix.z * mix.ideal_volume
    # Sensitivities are given to the sums Hc, M and s and to the constants; `spread` adds those to mole fractions.

    def by_mass(heat: float, net: bool) -> Figure:
        return Figure(heat / mix.mass, spread.of(heat=1 / mix.mass, mass=-heat / mix.mass**2, net=net))

    def by_volume(heat: float, net: bool) -> Figure:
        value = heat / volume
        u = spread.of(heat=1 / volume, s=2 * mix.s * value / mix.z, net=net, constants=((value / R, R_U),))
        return Figure(value, u)

    def wobbe(heat: float, net: bool) -> Figure:
        per_heat = 1 / volume / sqrt(mix.relative_density)
        value = heat * per_heat
        air = ((value / R, R_U), (value / (2 * AIR_MASS), AIR_MASS_U), (value / (2 * mix.air_z), _AIR_Z_U))
        mass, s = -value / (2 * mix.mass), mix.s * value / mix.z
        return Figure(value, spread.of(heat=per_heat, mass=mass, s=s, net=net, constants=air))

    density, relative = mix.mass / volume, mix.relative_density
    return Properties(
        float(combustion),
        float(metering),
        edition,
        molar_mass=Figure(mix.mass, spread.of(mass=1)),
        z=Figure(mix.z, spread.of(s=-2 * mix.s)),
        superior_molar=Figure(mix.superior, spread.of(heat=1)),
        inferior_molar=Figure(mix.inferior, spread.of(heat=1, net=True)),
        superior_mass=by_mass(mix.superior, False),
        inferior_mass=by_mass(mix.inferior, True),
        superior_volume=by_volume(mix.superior, False),
        inferior_volume=by_volume(mix.inferior, True),
        density=Figure(
            density, spread.of(mass=1 / volume, s=2 * mix.s * density / mix.z, constants=((density / R, R_U),))
        ),
        relative_density=Figure(
            relative,
            spread.of(
                mass=relative / mix.mass,
                s=2 * mix.s * relative / mix.z,
                constants=((relative / AIR_MASS, AIR_MASS_U), (relative / mix.air_z, _AIR_Z_U)),
            ),
        ),
        superior_wobbe=wobbe(mix.superior, False),
        inferior_wobbe=wobbe(mix.inferior, True),
    )


class _Mixture:
    """The sums over the components, and what follows from them at metering conditions."""

    def __init__(self, composition: Composition, burning: int, measuring: int) -> None:
        self.shares = [(name, share) for name, share in composition.items() if share]
        self.rows = [COMPONENTS[name] for name, _ in self.shares]
        weights = [share for _, share in self.shares]
        self.heats = [row.calorific[burning] for row in self.rows]
        self.factors = [row.summation[measuring] for row in self.rows]
        # Water that burning makes, in mol a mol of the component, costs its heat of vaporisation.
        self.water = [row.atoms[1] / 2 for row in self.rows]
        self.vaporisation = _VAPORISATION[burning]
        self.mass = sum(x * row.molar_mass for x, row in zip(weights, self.rows, strict=True))
        self.s = sum(x * s for x, s in zip(weights, self.factors, strict=True))
        self.superior = sum(x * heat for x, heat in zip(weights, self.heats, strict=True))
        self.inferior = self.superior - self.vaporisation * sum(
            x * water for x, water in zip(weights, self.water, strict=True)
        )
        self.z = 1 - self.s**2
        if self.z <= 0.9:
            raise CompositionError(f"Z of {self.z:.4f} at reference conditions: not a gas ISO 6976 is made for (0.9)")
        self.air_z = _AIR_Z[measuring]
        metering = METERING[measuring]
        self.ideal_volume = R * ((SIXTY_FAHRENHEIT if metering == 15.55 else metering) + KELVIN) / PRESSURE
        self.relative_density = self.mass / AIR_MASS * self.air_z / self.z


class _Spread:
    """Propagation of standard uncertainties (ISO 6976:2016, annex B): mole fractions, tables, constants.

    All properties are functions of four sums (Hc, M, s, and the water of burning), so the covariance of those is
    gathered once.
    """

    def __init__(
        self, mixture: _Mixture, uncertainty: Mapping[str, float], correlation: Mapping[tuple[str, str], float]
    ) -> None:
        self._latent = mixture.vaporisation
        self._water = sum(x * made for (_, x), made in zip(mixture.shares, mixture.water, strict=True))
        by_name = {component_name(name): _positive(name, u) for name, u in uncertainty.items()}
        known = {(component_name(a), component_name(b)): r for (a, b), r in correlation.items()}
        if not all(isfinite(r) and -1 <= r <= 1 for r in known.values()):
            raise ConfigError("a coefficient of correlation is not within -1 and 1")
        names = [name for name, _ in mixture.shares]
        terms = [
            (hc * u, row.molar_mass * u, factor * u, water * u)
            for name, row, hc, factor, water in zip(
                names, mixture.rows, mixture.heats, mixture.factors, mixture.water, strict=True
            )
            if (u := by_name.get(name))
        ]
        covariance = [[sum(term[i] * term[j] for term in terms) for j in range(4)] for i in range(4)]
        if terms and known:
            placed = dict(zip([name for name in names if by_name.get(name)], terms, strict=True))
            for first, one in placed.items():
                for other, two in placed.items():
                    r = known.get((first, other), known.get((other, first), 0.0))
                    if first != other and r:
                        for i in range(4):
                            for j in range(4):
                                covariance[i][j] += one[i] * r * two[j]
        atoms = [0.0] * len(_ATOM_MASS_U)
        for (_, x), row in zip(mixture.shares, mixture.rows, strict=True):
            covariance[0][0] += (x * row.u_calorific) ** 2
            covariance[2][2] += (x * row.u_summation) ** 2
            if any(row.atoms):
                for index, count in enumerate(row.atoms):
                    atoms[index] += x * count
            else:  # a noble gas; the masses of all others vary together with those of their atoms
                covariance[1][1] += (x * row.u_molar_mass) ** 2
        covariance[1][1] += sum((count * u) ** 2 for count, u in zip(atoms, _ATOM_MASS_U, strict=True))
        self._covariance = covariance

    def of(
        self,
        *,
        heat: float = 0.0,
        mass: float = 0.0,
        s: float = 0.0,
        net: bool = False,
        constants: tuple[tuple[float, float], ...] = (),
    ) -> float:
        """Return the standard uncertainty of a property with these sensitivities to the sums Hc, M and s."""
        (hh, hm, hs, hw), (_, mm, ms, mw), (_, _, ss, sw), (*_, ww) = self._covariance
        total = heat * heat * hh + mass * mass * mm + s * s * ss
        total += 2 * (heat * mass * hm + heat * s * hs + mass * s * ms)
        if net:
            water = -heat * self._latent
            total += water * (water * ww + 2 * (heat * hw + mass * mw + s * sw))
            total += (heat * self._water * _VAPORISATION_U) ** 2
        for sensitivity, u in constants:
            total += (sensitivity * u) ** 2
        return sqrt(max(total, 0.0))


def _positive(name: str, u: float) -> float:
    if not (isfinite(u) and u >= 0):
        raise ConfigError(f"{name}: an uncertainty of {u!r} is none")
    return u


def _column(temperatures: tuple[float, ...], asked: float) -> int:
    for index, temperature in enumerate(temperatures):
        if abs(temperature - asked) < 1e-9 or (temperature == 15.55 and abs(asked - 15.555) < 0.006):
            return index
    known = ", ".join(f"{temperature:g}" for temperature in temperatures)
    raise ConfigError(f"no data at a reference temperature of {asked:g} °C: there are {known}")


def _of_1995(composition: Composition, combustion: float, metering: float) -> Properties:
    pair = (float(combustion), float(metering))
    if pair not in _PAIRS_1995:
        known = ", ".join(f"{burning:g}/{measuring:g}" for burning, measuring in _PAIRS_1995)
        raise ConfigError(f"no factors of 1995 at {combustion:g}/{metering:g} °C: there are {known}")
    missing = tuple(name for name, share in composition.items() if share and name not in COMPONENTS_1995)
    if missing:
        raise CompositionError(f"no factors of 1995 for {', '.join(missing)}", missing)
    column = _PAIRS_1995.index(pair)
    rows = [(share, COMPONENTS_1995[name]) for name, share in composition.items() if share]
    mass = sum(x * row.molar_mass for x, row in rows)
    z = 1 - sum(x * row.summation[0 if metering == 0 else 1] for x, row in rows) ** 2
    ideal_volume = _R_1995 * (metering + KELVIN) / PRESSURE
    superior = sum(x * row.superior[column] for x, row in rows)
    inferior = sum(x * row.inferior[column] for x, row in rows)
    relative = mass / _AIR_MASS_1995 * _AIR_Z_1995[pair[1]] / z
    return Properties(
        *pair,
        Edition.ISO_1995,
        Figure(mass),
        Figure(z),
        Figure(superior * ideal_volume),
        Figure(inferior * ideal_volume),
        Figure(superior * ideal_volume / mass),
        Figure(inferior * ideal_volume / mass),
        Figure(superior / z),
        Figure(inferior / z),
        Figure(mass / (z * ideal_volume)),
        Figure(relative),
        Figure(superior / z / sqrt(relative)),
        Figure(inferior / z / sqrt(relative)),
    )


def all_references(composition: Composition) -> tuple[Properties, ...]:
    """Return the properties at every pair of combustion and metering temperatures of ISO 6976:2016."""
    return tuple(
        properties(composition, combustion=burning, metering=measuring)
        for burning in COMBUSTION
        for measuring in METERING
    )
