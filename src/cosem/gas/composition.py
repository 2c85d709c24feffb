"""What a gas consists of: components by the names of ISO 6976:2016, mole fractions, normalisation and checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import fsum, isfinite
from typing import Final

from cosem.errors import CompositionError
from cosem.gas.iso6976_tables import COMPONENTS

SUM_TOLERANCE: Final = 1e-4
"""How far from 1 the mole fractions may add up to: an analysis printed with four decimals of a percent adds up so."""

_ALIASES: Final = {
    "ch4": "methane", "c1": "methane",
    "c2h6": "ethane", "c2": "ethane",
    "c3h8": "propane", "c3": "propane",
    "butane": "n-butane", "nc4": "n-butane", "nc4h10": "n-butane",
    "2methylpropane": "isobutane", "ic4": "isobutane", "ic4h10": "isobutane",
    "pentane": "n-pentane", "nc5": "n-pentane", "nc5h12": "n-pentane",
    "2methylbutane": "isopentane", "ic5": "isopentane", "ic5h12": "isopentane",
    "22dimethylpropane": "neopentane", "neoc5": "neopentane", "neoc5h12": "neopentane",
    "hexane": "n-hexane", "c6": "n-hexane", "nc6": "n-hexane", "c6h14": "n-hexane",
    "heptane": "n-heptane", "c7": "n-heptane", "nc7": "n-heptane",
    "octane": "n-octane", "c8": "n-octane", "nc8": "n-octane",
    "nonane": "n-nonane", "c9": "n-nonane", "nc9": "n-nonane",
    "decane": "n-decane", "c10": "n-decane", "nc10": "n-decane",
    "ethene": "ethylene", "c2h4": "ethylene",
    "propene": "propylene", "c3h6": "propylene",
    "h2": "hydrogen", "h2o": "water", "h2s": "hydrogen sulphide", "hydrogensulfide": "hydrogen sulphide",
    "n2": "nitrogen", "o2": "oxygen", "co": "carbon monoxide", "co2": "carbon dioxide",
    "he": "helium", "ne": "neon", "ar": "argon",
    "nh3": "ammonia", "hcn": "hydrogen cyanide", "cos": "carbonyl sulphide", "carbonylsulfide": "carbonyl sulphide",
    "cs2": "carbon disulphide", "carbondisulfide": "carbon disulphide",
    "so2": "sulphur dioxide", "sulfurdioxide": "sulphur dioxide",
}  # fmt: skip


def _key(name: str) -> str:
    return "".join(char for char in name.lower() if char.isalnum())


_NAMES: Final = {_key(name): name for name in COMPONENTS} | _ALIASES
# "n-butane" is also written nbutane, and isobutane ibutane; the dash is gone already.
_NAMES.update({f"i{name[3:]}": name for name in ("isobutane", "isopentane")})


def component_name(name: str) -> str:
    """Return the name ISO 6976:2016 has for a component; formulas and usual spellings are understood.

    Raises CompositionError where it is no component of that standard.
    """
    known = _NAMES.get(_key(name))
    if known is None:
        raise CompositionError(f"{name!r} is no component of ISO 6976:2016", (name,))
    return known


@dataclass(frozen=True, slots=True)
class Composition(Mapping[str, float]):
    """Mole fractions by component name (ISO 6976:2016), in the order given, none negative; they add up to 1.

    Reading a component that is not there gives 0.
    """

    fractions: tuple[tuple[str, float], ...]

    def __post_init__(self) -> None:
        for name, fraction in self.fractions:
            if name not in COMPONENTS:
                raise CompositionError(f"{name!r} is no component of ISO 6976:2016", (name,))
            if not isfinite(fraction) or not 0 <= fraction <= 1 + SUM_TOLERANCE:
                raise CompositionError(f"{name}: a mole fraction of {fraction:g} is none (0 to 1)", (name,))
        if len({name for name, _ in self.fractions}) != len(self.fractions):
            raise CompositionError("a component stands twice in the composition")
        total = fsum(fraction for _, fraction in self.fractions)
        if abs(total - 1) > SUM_TOLERANCE:
            raise CompositionError(f"the mole fractions add up to {total:.6g} instead of 1")

    @classmethod
    def of(cls, fractions: Mapping[str, float]) -> Composition:
        """Return a composition from mole fractions under any usual component names.

        Raises CompositionError for unknown names, one component under two names, what is no number, and a sum that
        is not 1 within `SUM_TOLERANCE`.
        """
        return cls(tuple(_named(fractions).items()))

    @classmethod
    def normalised(cls, amounts: Mapping[str, float], *, within: float = 0.02) -> Composition:
        """Return a composition from amounts that add up to 1 or to 100 within `within` (relative), scaled to 1.

        An analyser's raw result adds up to 98 to 102 % where it works (ISO 6974); more is refused as CompositionError.
        """
        named = _named(amounts)
        total = fsum(named.values())
        whole = 100.0 if total > 10 else 1.0
        if not isfinite(total) or abs(total / whole - 1) > within:
            raise CompositionError(f"the amounts add up to {total:.6g}: too far from {whole:g} to be normalised")
        return cls(tuple((name, amount / total) for name, amount in named.items()))

    def __getitem__(self, name: str) -> float:
        for known, fraction in self.fractions:
            if known == name:
                return fraction
        if name in COMPONENTS:
            return 0.0
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return any(known == name for known, _ in self.fractions)

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self.fractions)

    def __len__(self) -> int:
        return len(self.fractions)

    @property
    def hydrogen_share(self) -> float:
        """Return the mole fraction of hydrogen."""
        return self["hydrogen"]


def _named(amounts: Mapping[str, float]) -> dict[str, float]:
    named: dict[str, float] = {}
    for given, amount in amounts.items():
        name = component_name(given)
        if name in named:
            raise CompositionError(f"{name} stands twice in the composition, also as {given!r}", (name,))
        if isinstance(amount, (bool, str)) or amount is None:
            raise CompositionError(f"{name}: {amount!r} is no mole fraction", (name,))
        try:
            named[name] = float(amount)
        except OverflowError:
            raise CompositionError(f"{name}: a mole fraction of 1e308 and more is none (0 to 1)", (name,)) from None
    return named
