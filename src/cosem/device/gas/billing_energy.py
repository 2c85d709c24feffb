"""Energy by a second calorific value: the one that bills, beside the one that balances (Germany: channels 20, 10)."""

from __future__ import annotations

from decimal import Decimal

from cosem.device.gas.configuration import Parameter
from cosem.device.gas.periods import Periods
from cosem.device.gas.process import Process
from cosem.device.gas.quantities import Quantities, Quantity
from cosem.errors import ConfigError
from cosem.gas.conversion import Step
from cosem.gas.counters import MICRO, Counter, in_units
from cosem.units import Unit


class BillingEnergy:
    """Counts the base volume once more, times the calorific value that bills; it holds from when it is written on."""

    def __init__(self, process: Process, periods: Periods, calorific: Decimal) -> None:
        self._process = process
        self.calorific = calorific
        self.counter = Counter()
        self._begun: dict[str, int] = dict.fromkeys(periods.periods, 0)
        self._last: dict[str, int | None] = dict.fromkeys(periods.periods)
        process.stepped.append(self._stepped)
        periods.closed.append(self._closed)

    def _stepped(self, step: Step) -> None:
        self.counter.add(step.base, in_units(self.calorific), MICRO)

    def _closed(self, name: str, at: int) -> None:
        self._last[name] = self.counter.value - self._begun[name]
        self._begun[name] = self.counter.value

    def _take(self, value: Decimal | bytes) -> None:
        if isinstance(value, bytes) or not 0 < value < 100_000:
            raise ConfigError("a calorific value is a number of Wh/m³ above 0")
        self._process.settle()
        self.calorific = value / 1000

    def parameters(self) -> dict[str, Parameter]:
        """Return the calorific value as a parameter."""
        return {
            "billing.calorific": Parameter(lambda: self.calorific * 1000, self._take, Unit.WATT_HOUR_PER_CUBIC_METRE)
        }

    def quantities(self) -> Quantities:
        """Return the counter and its increments."""
        found = Quantities(
            {"billing.energy": Quantity(lambda: Decimal(self.counter.value).scaleb(-3), Unit.WATT_HOUR, True)}
        )
        for name in self._begun:

            def last(name: str = name) -> Decimal | None:
                held = self._last[name]
                return None if held is None else Decimal(held).scaleb(-3)

            found[f"billing.energy.{name}"] = Quantity(last, Unit.WATT_HOUR, True)
        return found
