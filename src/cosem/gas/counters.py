"""Counters that lose nothing: whole numbers of small units, and what is less than one of them is carried on.

Volumes count in 1e-6 m³, energy in 1e-6 kWh, factors in 1e-8, calorific values in 1e-6 kWh/m³.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, Final

from cosem.errors import ConfigError

MICRO: Final = 10**6
"""Units of a counter in one m³ or kWh."""

FACTOR_SCALE: Final = 10**8
"""Units of a factor (C, Cf, K) in 1."""

_EXACT: Final = Context(prec=60)
_PLACES: Final = {MICRO: -6, FACTOR_SCALE: -8}


def in_units(value: Decimal | int, scale: int = MICRO) -> int:
    """Return a value as a whole number of units of 1/scale; ConfigError where it is finer than that."""
    units = _EXACT.multiply(Decimal(value), Decimal(scale))
    if not units.is_finite() or units != units.to_integral_value():
        raise ConfigError(f"{value} is not a whole number of units of 1/{scale}")
    return int(units)


def rounded(value: float | Decimal, scale: int = FACTOR_SCALE) -> int:
    """Return the nearest whole number of units of 1/scale."""
    if isinstance(value, Decimal):
        return int(_EXACT.multiply(value, Decimal(scale)).to_integral_value(ROUND_HALF_EVEN))
    return round(value * scale)


def in_words(units: int, scale: int = MICRO) -> Decimal:
    """Return the exact decimal of a number of units of 1/scale (`MICRO` or `FACTOR_SCALE`)."""
    return Decimal(units).scaleb(_PLACES[scale], _EXACT)


@dataclass(slots=True)
class Counter:
    """A counter in whole units, and the part of a unit that was not counted yet, in units of its own scale."""

    value: int = 0
    carry: int = 0

    def add(self, amount: int, factor: int = 1, scale: int = 1) -> int:
        """Count ``amount * factor / scale`` and return what was added; the remainder waits for the next time.

        `scale` is the same every time.
        """
        step, self.carry = divmod(amount * factor + self.carry, scale)
        self.value += step
        return step


@dataclass(slots=True)
class CounterPair:
    """A quantity counted while all is well (undisturbed) or with substitute values (disturbed)."""

    undisturbed: Counter = field(default_factory=Counter)
    disturbed: Counter = field(default_factory=Counter)

    @property
    def absolute(self) -> int:
        """Return undisturbed and disturbed together, in units."""
        return self.undisturbed.value + self.disturbed.value

    def of(self, disturbed: bool) -> Counter:
        """Return the counter that counts now."""
        return self.disturbed if disturbed else self.undisturbed


@dataclass(slots=True)
class ConverterCounters:
    """The counters of a volume conversion device: at metering conditions, corrected, at base conditions, energy."""

    metering: CounterPair = field(default_factory=CounterPair)
    corrected: CounterPair = field(default_factory=CounterPair)
    base: CounterPair = field(default_factory=CounterPair)
    energy: CounterPair = field(default_factory=CounterPair)

    def to_state(self) -> dict[str, list[int]]:
        """Return all there is to persist: by name, undisturbed value and carry, disturbed value and carry."""
        return {
            name: [
                pair.undisturbed.value,
                pair.undisturbed.carry,
                pair.disturbed.value,
                pair.disturbed.carry,
            ]
            for name, pair in self._pairs()
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> ConverterCounters:
        """Return the counters exactly as `to_state` left them; ConfigError where the state is none."""
        counters = cls()
        for name, pair in counters._pairs():
            numbers = state.get(name)
            if not (
                isinstance(numbers, (list, tuple))
                and len(numbers) == 4
                and all(isinstance(number, int) and number >= 0 for number in numbers)
            ):
                raise ConfigError(f"the saved counters have no {name} that is one")
            pair.undisturbed = Counter(numbers[0], numbers[1])
            pair.disturbed = Counter(numbers[2], numbers[3])
        return counters

    def _pairs(self) -> tuple[tuple[str, CounterPair], ...]:
        return (
            ("metering", self.metering),
            ("corrected", self.corrected),
            ("base", self.base),
            ("energy", self.energy),
        )
