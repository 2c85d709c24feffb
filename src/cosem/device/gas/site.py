"""What flows through a pipe and how the gas is there: by season, hour and seed, the same for the same seed.

This is the simulator's side of a gas device: the truth, which the sensors of the device see more or less well.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, Protocol

from cosem.device.load import noise
from cosem.device.utility.consumption import GasConsumption, outside
from cosem.errors import ConfigError
from cosem.gas.counters import MICRO

STEP: Final = 300
"""Seconds within which flow, pressure and temperature are constant."""
_BAR: Final = Decimal("0.001")
_DEGREE: Final = Decimal("0.01")
_ATMOSPHERE = 1.01325


class Supply(Protocol):
    """A pipe: what flows in a step, and the state of the gas meanwhile."""

    def at(self, local: datetime, step: int) -> tuple[int, Decimal, Decimal]:
        """Return 1e-6 m³ at metering conditions of one step, bar absolute, °C."""


@dataclass(frozen=True, slots=True)
class Industry:
    """A works behind a regulator: shifts on working days, some heating, pressure in steps.

    `load` m³/h at base conditions at full work; `stages` are the pressures (bar absolute) the regulator is set to, the
    first in the cold half of the year, the second in the warm one, and a step lower at night.
    """

    seed: int = 1
    load: float = 2400.0
    stages: tuple[float, float] = (16.0, 12.0)
    night: float = 1.5

    def at(self, local: datetime, step: int) -> tuple[int, Decimal, Decimal]:
        """Return what flows in a step and the state of the gas."""
        cold = local.month in (10, 11, 12, 1, 2, 3)
        stage = self.stages[0 if cold else 1]
        if local.hour < 5 or local.hour >= 22:
            stage -= self.night
        share = 0.25
        if local.isoweekday() <= 5:
            share = 1.0 if 6 <= local.hour < 14 else 0.8 if 14 <= local.hour < 22 else 0.35
        degrees = outside(local, self.seed)
        heating = max(0.0, (15.0 - degrees) / 40.0)
        base = self.load * (share * (0.9 + 0.2 * noise(self.seed, step, 11)) + heating) / 1.6
        # The regulator droops a little with the flow, and wanders.
        bars = stage - 0.15 * base / self.load + 0.08 * (noise(self.seed, step, 12) - 0.5)
        celsius = _ground(local, degrees) + 0.6 * (noise(self.seed, step, 13) - 0.5)
        metered = base * _ATMOSPHERE / bars * (celsius + 273.15) / 273.15
        return round(metered * MICRO * STEP / 3600), _to(bars, _BAR), _to(celsius, _DEGREE)


@dataclass(frozen=True, slots=True)
class Home:
    """A house on the low pressure grid: 22 mbar over the air, a boiler and a stove."""

    seed: int = 1

    def at(self, local: datetime, step: int) -> tuple[int, Decimal, Decimal]:
        """Return what flows in a step and the state of the gas."""
        flow = GasConsumption(self.seed).at(local, step)
        air = 1.000 + 0.03 * (noise(self.seed, step // 12, 14) - 0.5)
        celsius = 0.5 * _ground(local, flow.warm / 100) + 7.0 + 0.2 * (noise(self.seed, step, 15) - 0.5)
        bars = air + 0.022 + 0.002 * (noise(self.seed, step, 16) - 0.5)
        return flow.amount, _to(bars, _BAR), _to(celsius, _DEGREE)


def _ground(local: datetime, degrees: float) -> float:
    """Gas in the ground follows the weather from far."""
    return 9.0 + 0.35 * (degrees - 9.0)


def _to(value: float, quantum: Decimal) -> Decimal:
    return Decimal(value).quantize(quantum)


class Pipe:
    """A supply as time passes: flow is constant within a step, the state of the gas moves evenly to that of the next.

    `zone` in minutes: people live by local normal time, whatever a clock says.
    """

    def __init__(self, supply: Supply, start: int, *, zone: int = -60) -> None:
        self.supply = supply
        self.now = start
        self._zone = zone
        self._whole = 0
        self._begun = start - start % STEP
        self._amount, *self._state = self._look(self._begun)
        self._next = self._look(self._begun + STEP)
        self._offset = self._part(start)

    def _look(self, begun: int) -> tuple[int, Decimal, Decimal]:
        local = datetime.fromtimestamp(begun, UTC).replace(tzinfo=None) - timedelta(minutes=self._zone)
        return self.supply.at(local, begun // STEP)

    def _part(self, now: int) -> int:
        return self._amount * (now - self._begun) // STEP

    def settle(self, now: int) -> None:
        """Let gas flow up to `now`, which never goes back."""
        if now < self.now:
            raise ConfigError("gas does not flow back in time")
        while now >= self._begun + STEP:
            self._whole += self._amount
            self._begun += STEP
            self._amount, *self._state = self._next
            self._next = self._look(self._begun + STEP)
        self.now = now

    def _between(self, which: int) -> Decimal:
        begun, end = self._state[which], self._next[which + 1]
        return begun + (end - begun) * (self.now - self._begun) / STEP

    @property
    def pressure(self) -> Decimal:
        """Return the pressure in bar absolute, as a sensor could tell it."""
        return self._between(0).quantize(_BAR)

    @property
    def temperature(self) -> Decimal:
        """Return the temperature in °C, as a sensor could tell it."""
        return self._between(1).quantize(_DEGREE)

    @property
    def index(self) -> int:
        """Return what flowed since the start, in 1e-6 m³ at metering conditions."""
        return self._whole + self._part(self.now) - self._offset
