"""Averages, minima and maxima over the periods of a converter: of pressure, temperature, factors; maxima of flow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Any, Final

from cosem.errors import ConfigError

_EXACT: Final = Context(prec=100, traps=[Inexact, InvalidOperation])
"""Room for the digits of any sum of a device's life; a sum that would lose one is an error of ours."""
_WIDE: Final = Context(prec=60)


@dataclass(frozen=True, slots=True)
class Average:
    """Of one period: the weighted mean, the least and the greatest value with their times (seconds)."""

    mean: Decimal
    least: Decimal
    least_at: int
    greatest: Decimal
    greatest_at: int


class PeriodAverage:
    """The running average of a quantity and that of the last whole period; sums are exact.

    The weight of a value is the seconds it held (time-weighted), or the volume it was applied to (volume-weighted):
    what the caller gives.
    """

    def __init__(self, places: int = 6) -> None:
        self._quantum = Decimal(1).scaleb(-places)
        self._sum = Decimal(0)
        self._weight = 0
        self._least: tuple[Decimal, int] | None = None
        self._greatest: tuple[Decimal, int] | None = None
        self.last: Average | None = None

    def add(self, value: Decimal, weight: int, at: int) -> None:
        """Take a value that held with `weight` (no less than 0) until `at`."""
        if weight < 0:
            raise ConfigError(f"a weight of {weight} is none")
        if weight:
            self._sum = _EXACT.fma(value, weight, self._sum)
        self._weight += weight
        if self._least is None or value < self._least[0]:
            self._least = (value, at)
        if self._greatest is None or value > self._greatest[0]:
            self._greatest = (value, at)

    @property
    def running(self) -> Average | None:
        """Return the average of the period that runs; None before the first value."""
        if self._least is None or self._greatest is None:
            return None
        if self._weight:
            mean = _WIDE.divide(self._sum, Decimal(self._weight)).quantize(self._quantum)
        else:
            mean = self._greatest[0]  # nothing weighs anything: no time passed, or nothing flowed
        return Average(mean, *self._least, *self._greatest)

    def close(self) -> Average | None:
        """End the period: its average becomes `last` and is returned, a new one begins."""
        self.last = self.running
        self._sum, self._weight = Decimal(0), 0
        self._least = self._greatest = None
        return self.last

    def to_state(self) -> dict[str, Any]:
        """Return what to persist of the period that runs, and of the last."""
        return {
            "sum": str(self._sum),
            "weight": self._weight,
            "least": _moment(self._least),
            "greatest": _moment(self._greatest),
            "last": None
            if self.last is None
            else [
                str(self.last.mean),
                [str(self.last.least), self.last.least_at],
                [str(self.last.greatest), self.last.greatest_at],
            ],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on exactly where `to_state` was taken."""
        self._sum, self._weight = Decimal(state["sum"]), int(state["weight"])
        self._least, self._greatest = _of_moment(state["least"]), _of_moment(state["greatest"])
        last = state["last"]
        self.last = None
        if last is not None:
            least, greatest = _of_moment(last[1]), _of_moment(last[2])
            if least is None or greatest is None:
                raise ConfigError("a saved average has no least and greatest value")
            self.last = Average(Decimal(last[0]), *least, *greatest)


def _moment(found: tuple[Decimal, int] | None) -> list[Any] | None:
    return None if found is None else [str(found[0]), found[1]]


def _of_moment(saved: Any) -> tuple[Decimal, int] | None:
    return None if saved is None else (Decimal(saved[0]), int(saved[1]))
