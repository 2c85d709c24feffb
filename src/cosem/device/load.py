"""What a household draws and feeds: power on three phases as a function of time, the same for the same seed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import NamedTuple

_MASK = 0xFFFFFFFFFFFFFFFF


def noise(seed: int, step: int, channel: int) -> float:
    """Return a number from 0 to 1 that depends on nothing but its arguments (splitmix64)."""
    value = (seed * 0x9E3779B97F4A7C15 + step * 0xBF58476D1CE4E5B9 + channel * 0x94D049BB133111EB) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return ((value ^ (value >> 31)) & _MASK) / 2**64


_held = lru_cache(maxsize=4096)(noise)
"""The noise of what goes on for some steps, so that it is asked for again soon."""


class Load(NamedTuple):
    """Power at one moment: watts (import positive) and vars (inductive positive), per phase."""

    active: tuple[int, int, int]
    reactive: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Household:
    """A household with a base load, habits by the hour, heating by the season, and photovoltaics.

    `base`, `habits`, `heating` and `peak_pv` in watts, `capacitive` in var. `weather` is the seed of the clouds where
    neighbours share them; the house has a sky of its own without it.
    """

    seed: int = 1
    base: float = 180.0
    habits: float = 900.0
    heating: float = 350.0
    peak_pv: float = 3500.0
    capacitive: float = 70.0
    weather: int | None = None

    def at(self, local: datetime, step: int) -> Load:
        """Return the load at local time; `step` numbers the moments, for the noise."""
        seed = self.seed
        minute = local.hour * 60 + local.minute
        day = local.toordinal() - _new_year(local.year)
        habit = _habit(minute, local.weekday() >= 5)
        drawn = self.base + self.habits * habit * (0.4 + 1.2 * noise(seed, step, 0))
        drawn += self.heating * max(0.0, _season(day)) * (0.7 + 0.6 * _held(seed, step // 20, 1))
        # A kettle, an oven: short and strong, more often while people are at home.
        appliance = 2100.0 if _held(seed, step // 5, 2) > 0.995 - 0.035 * habit else 0.0
        light = _sun(minute, day)
        clouds = seed if self.weather is None else self.weather
        sun = light * self.peak_pv * (0.25 + 0.75 * _held(clouds, step // 30, 3)) / 3 if light else 0.0
        phases = (
            round(drawn * 0.42 - sun),
            round(drawn * 0.33 + appliance - sun),
            round(drawn * 0.25 - sun),
        )
        # Motors and power supplies shift the current; what cables and filters feed back shows when little is drawn.
        reactive = drawn * (0.22 + 0.1 * _held(seed, step // 10, 4)) - self.capacitive
        return Load(phases, (round(reactive * 0.42), round(reactive * 0.33), round(reactive * 0.25)))


@lru_cache(maxsize=16)
def _new_year(year: int) -> int:
    """Return the ordinal of the first day of a year."""
    return date(year, 1, 1).toordinal()


@lru_cache(maxsize=2 * 1440)
def _habit(minute: int, weekend: bool) -> float:
    """Return how busy people are at a minute of the day."""
    hour = minute / 60
    morning = math.exp(-(((hour - (9.0 if weekend else 7.2)) / 1.4) ** 2))
    noon = math.exp(-(((hour - 12.8) / 1.2) ** 2)) * (0.9 if weekend else 0.45)
    evening = math.exp(-(((hour - 19.4) / 2.3) ** 2)) * 1.25
    return morning + noon + evening


@lru_cache(maxsize=366)
def _season(day: int) -> float:
    """Return 1 in the middle of January, -1 in the middle of July (`day` counts from the first of January)."""
    return math.cos((day - 14) * 2 * math.pi / 365)


def _sun(minute: int, day: int) -> float:
    """Return the share of the photovoltaics' peak that a clear sky gives."""
    season = _season(day)
    length = 12 - 4 * season  # hours of daylight
    past = minute / 60 - 12.5 + length / 2
    if not 0.0 < past < length:
        return 0.0
    return math.sin(past / length * math.pi) * (0.62 - 0.38 * season)
