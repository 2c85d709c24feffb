"""What flows through a gas, water or heat meter: a function of time, the same for the same seed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from cosem.device.load import Household, noise

STEP = 300
"""Seconds of one step; what flows is constant within a step. It divides every period a meter keeps values of."""
_HOUR = 3600 // STEP


class Flow(NamedTuple):
    """What passes in one step: `amount` in millilitres (or watt seconds), temperatures in 0.01 degrees Celsius."""

    amount: int
    warm: int = 2000
    cold: int = 2000


class Consumption(Protocol):
    """Where consumption comes from."""

    def at(self, local: datetime, step: int) -> Flow:
        """Return what flows in one step at local time; `step` numbers the steps."""


def outside(local: datetime, seed: int) -> float:
    """Return the temperature outside in degrees Celsius: by season, hour and weather of some days."""
    day = local.timetuple().tm_yday - 1
    season = math.cos((day - 14) * 2 * math.pi / 365)
    hour = math.cos((local.hour - 15) * math.pi / 12)
    weather = noise(seed, local.toordinal() // 3, 7) - 0.5
    return 10.0 - 10.0 * season + 3.5 * hour + 8.0 * weather


@dataclass(frozen=True, slots=True)
class GasConsumption:
    """A boiler that follows the weather, and a stove: `boiler` and `stove` are litres an hour at full load.

    `weather` is the seed of the weather where neighbours share it; the house has one of its own without it.
    """

    seed: int = 1
    boiler: int = 1500
    stove: int = 600
    weather: int | None = None

    def at(self, local: datetime, step: int) -> Flow:
        """Return the gas of a step in millilitres. The boiler modulates; it cycles where little is needed."""
        degrees = outside(local, self.seed if self.weather is None else self.weather)
        need = min(1.0, max(0.0, (17.0 - degrees) / 30.0)) * (0.6 if local.hour < 5 else 1.0)
        on = noise(self.seed, step, 0) < need * 2.5
        litres = self.boiler * max(0.25, need) if need and on else 0.0
        if local.hour in (7, 12, 18, 19) and noise(self.seed, step, 1) > 0.6:
            litres += self.stove
        return Flow(round(litres * 1000 / _HOUR), round(degrees * 100), round(degrees * 100))


@dataclass(frozen=True, slots=True)
class WaterConsumption:
    """Taps of a household. `litres` a day; `warm` where it is the warm water's meter."""

    seed: int = 1
    litres: int = 240
    warm: bool = False

    def at(self, local: datetime, step: int) -> Flow:
        """Return the water of a step in millilitres: nothing most of the time, much in the morning and the evening."""
        busy = 0.15 if local.hour < 6 else 2.2 if local.hour in (6, 7, 8, 18, 19, 20, 21) else 0.9
        share = busy / 1.2 / (24 * _HOUR)
        drawn = noise(self.seed, step, 2)
        # One step in five has an open tap; it takes five times the mean then.
        amount = self.litres * 1000 * share * 5 * (0.4 + 1.2 * noise(self.seed, step, 3)) if drawn < 0.2 else 0.0
        temperature = 5200 if self.warm else 1150
        return Flow(round(amount), temperature, temperature)


@dataclass(frozen=True, slots=True)
class HeatConsumption:
    """A flat on district heating. `watts` at -10 degrees outside; `weather` as for gas."""

    seed: int = 1
    watts: int = 9000
    weather: int | None = None

    def at(self, local: datetime, step: int) -> Flow:
        """Return the heating water of a step in millilitres, with the temperatures of flow and return."""
        degrees = outside(local, self.seed if self.weather is None else self.weather)
        power = self.watts * min(1.0, max(0.0, (17.0 - degrees) / 27.0)) * (0.8 + 0.4 * noise(self.seed, step, 4))
        warm = round(4500 + max(0.0, 15.0 - degrees) * 90)
        cold = round(warm - 800 - 900 * power / self.watts)
        # Water carries 4.18 J for each millilitre and degree.
        return Flow(round(power * STEP / (4.18 * (warm - cold) / 100)), warm, cold)


@dataclass(frozen=True, slots=True)
class ElectricityConsumption:
    """What a sub-meter measures: a household without photovoltaics."""

    seed: int = 1

    def at(self, local: datetime, step: int) -> Flow:
        """Return the energy of a step in watt seconds."""
        return Flow(max(0, sum(Household(self.seed, peak_pv=0.0).at(local, step).active)) * STEP)
