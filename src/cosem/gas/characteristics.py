"""A gas known by few figures: superior calorific value, relative density, carbon dioxide, nitrogen, hydrogen."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Final

from cosem.errors import CompositionError, ConfigError
from cosem.gas.composition import Composition
from cosem.gas.equation import check_fraction

TO_25_0: Final = {
    "25/0": (1.0, 1.0),
    "0/0": (0.9974, 1.0),
    "15/15": (1.0543, 1.0002),
}
"""Factors of calorific value and relative density from other reference conditions (combustion/metering in °C) to
25/0 (GERG Technical Monograph 5): good to the accuracy of SGERG-88; a composition gives them exactly."""

_WORDS: Final = {
    "hs": "a calorific value",
    "density": "a relative density",
    "co2": "the share of carbon dioxide",
    "n2": "the share of nitrogen",
}


@dataclass(frozen=True, slots=True)
class Characteristics:
    """Inputs of the methods that need no full analysis.

    `hs` superior calorific value in MJ/m³, combustion at 25 °C, metering at 0 °C and 1.01325 bar; `density` relative
    to air at 0 °C and 1.01325 bar; mole fractions. None: not known.
    """

    hs: float | None = None
    density: float | None = None
    co2: float | None = None
    h2: float = 0.0
    n2: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("calorific value", self.hs), ("relative density", self.density)):
            if value is not None and not (isfinite(value) and value > 0):
                raise CompositionError(f"a {name} of {value:g} is none")
        for name, value in (("carbon dioxide", self.co2), ("nitrogen", self.n2), ("hydrogen", self.h2)):
            if value is not None:
                check_fraction(name, value)

    @classmethod
    def at(
        cls,
        reference: str,
        *,
        hs: float | None = None,
        density: float | None = None,
        co2: float | None = None,
        h2: float = 0.0,
        n2: float | None = None,
    ) -> Characteristics:
        """Return the figures brought from other reference conditions (``0/0``, ``15/15``) to 25/0."""
        if reference not in TO_25_0:
            raise ConfigError(f"no factors from {reference!r} to 25/0: there are {', '.join(TO_25_0)}")
        by_hs, by_density = TO_25_0[reference]
        hs = None if hs is None else hs * by_hs
        density = None if density is None else density * by_density
        return cls(hs, density, co2, h2, n2)

    @classmethod
    def of(cls, composition: Composition) -> Characteristics:
        """Return the figures of a composition, by ISO 6976:2016 at 25/0."""
        from cosem.gas.iso6976 import properties

        found = properties(composition, combustion=25, metering=0)
        return cls(
            found.superior_volume.value,
            found.relative_density.value,
            composition["carbon dioxide"],
            composition["hydrogen"],
            composition["nitrogen"],
        )

    def need(self, method: str, *names: str) -> tuple[float, ...]:
        """Return the figures of these names; ConfigError says which of them `method` misses."""
        found = tuple(getattr(self, name) for name in names)
        missing = [_WORDS[name] for name, value in zip(names, found, strict=True) if value is None]
        if missing:
            raise ConfigError(f"method {method} needs {' and '.join(missing)}")
        return found
