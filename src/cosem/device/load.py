"""What a household draws and feeds: power on three phases as a function of time, the same for the same seed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

_MASK = 0xFFFFFFFFFFFFFFFF


def noise(seed: int, step: int, channel: int) -> float:
    """Return a number from 0 to 1 that depends on nothing but its arguments (splitmix64)."""
    value = (seed * 0x9E3779B97F4A7C15 + step * 0xBF58476D1CE4E5B9 + channel * 0x94D049BB133111EB) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return ((value ^ (value >> 31)) & _MASK) / 2**64


class Load(NamedTuple):
    """Power at one moment: watts (import positive) and vars (inductive positive), per phase."""

    active: tuple[int, int, int]
    reactive: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Household:
    """A household with a base load, habits by the hour, heating by the season, and photovoltaics of `peak_pv` watts."""

    seed: int = 1
    base: float = 180.0
    habits: float = 900.0
    heating: float = 350.0
    peak_pv: float = 3500.0

    def at(self, local: datetime, step: int) -> Load:
        """Return the load at local time; `step` numbers the moments, for the noise."""
        hour = local.hour + local.minute / 60
        season = math.cos((local.timetuple().tm_yday - 15) * 2 * math.pi / 365.25)
        weekend = local.isoweekday() > 5
        day = self._habit(hour, weekend)
        drawn = self.base + self.habits * day * (0.4 + 1.2 * noise(self.seed, step, 0))
        drawn += self.heating * max(0.0, season) * (0.7 + 0.6 * noise(self.seed, step // 20, 1))
        # A kettle, an oven: short and strong, more often while people are at home.
        appliance = 2100.0 if noise(self.seed, step // 5, 2) > 0.995 - 0.035 * day else 0.0
        sun = self._sun(hour, season) * self.peak_pv * (0.25 + 0.75 * noise(self.seed, step // 30, 3))
        phases = (
            drawn * 0.42 - sun / 3,
            drawn * 0.33 + appliance - sun / 3,
            drawn * 0.25 - sun / 3,
        )
        # Motors and power supplies shift the current; at night cables feed a little capacitive power back.
        reactive = tuple(
            round(drawn * share * (0.22 + 0.1 * noise(self.seed, step // 10, 4)) - 35 * share)
            for share in (0.42, 0.33, 0.25)
        )
        return Load((round(phases[0]), round(phases[1]), round(phases[2])), (reactive[0], reactive[1], reactive[2]))

    def _habit(self, hour: float, weekend: bool) -> float:
        morning = math.exp(-(((hour - (9.0 if weekend else 7.2)) / 1.4) ** 2))
        noon = math.exp(-(((hour - 12.8) / 1.2) ** 2)) * (0.9 if weekend else 0.45)
        evening = math.exp(-(((hour - 19.4) / 2.3) ** 2)) * 1.25
        return morning + noon + evening

    def _sun(self, hour: float, season: float) -> float:
        length = 12 - 4 * season  # hours of daylight
        rise = 12.5 - length / 2
        if not rise < hour < rise + length:
            return 0.0
        return max(0.0, math.sin((hour - rise) / length * math.pi)) * (0.62 - 0.38 * season)
