"""The items of a gas analysis by their numbers in OBIS: D of C = 70, E of C = 0, D = 12."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from cosem.gas.characteristics import Characteristics
from cosem.gas.composition import Composition
from cosem.gas.compressibility import Gas

COMPONENTS: Final = {
    60: "nitrogen",
    61: "hydrogen",
    62: "oxygen",
    63: "helium",
    64: "argon",
    65: "carbon monoxide",
    66: "carbon dioxide",
    67: "methane",
    69: "ethane",
    71: "propane",
    72: "isobutane",
    73: "n-butane",
    74: "neopentane",
    75: "isopentane",
    76: "n-pentane",
    77: "n-hexane",
    80: "n-heptane",
    81: "n-octane",
    82: "n-nonane",
    83: "n-decane",
}
"""Components, as mole fractions."""
METHANE: Final = 67
RELATIVE_DENSITY: Final = 46
CALORIFIC: Final = 54
_FIGURES: Final = {60: "n2", 61: "h2", 66: "co2"}
PERCENT: Final = Decimal(100)


def share_of(gas: Gas | None, item: int) -> Decimal | None:
    """Return the share of a component in mol%, None where the gas does not tell it."""
    if isinstance(gas, Composition):
        return Decimal(repr(gas[COMPONENTS[item]])) * PERCENT
    if isinstance(gas, Characteristics) and item in _FIGURES:
        value = getattr(gas, _FIGURES[item])
        return None if value is None else Decimal(repr(value)) * PERCENT
    return None


def composition_of(shares: dict[int, Decimal]) -> Composition:
    """Return the composition of shares in mol% by item; CompositionError where they do not add up."""
    return Composition.of({COMPONENTS[item]: float(share / PERCENT) for item, share in shares.items() if share})


def figures_of(calorific: Decimal, shares: dict[int, Decimal], density: Decimal | None) -> Characteristics:
    """Return the figures of an analysis without methane. `calorific` kWh/m³ (25/0), shares in mol%."""
    named = {_FIGURES[item]: float(share / PERCENT) for item, share in shares.items() if item in _FIGURES}
    return Characteristics(
        hs=float(calorific * Decimal("3.6")), density=None if density is None else float(density), **named
    )
