"""Energy, power and demand of a three-phase connection: a load model integrated in whole watt seconds."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from cosem.device.clock import DeviceClock
from cosem.device.load import Load

STEP = 60
"""Seconds of one step of the integration; power is constant within a step."""
NOMINAL_VOLTAGE = 230
DEMAND_PERIOD = 900


class LoadModel(Protocol):
    """Where power comes from."""

    def at(self, local: datetime, step: int) -> Load:
        """Return the load at local time; `step` numbers the moments."""


def two_tariffs(local: datetime) -> int:
    """Return tariff 1 on working days from 6 to 22, 2 at night and on weekends."""
    return 1 if local.isoweekday() <= 5 and 6 <= local.hour < 22 else 2


class Metering:
    """Behaviour of the measuring part. Energies are kept in watt seconds, so that sums are exact.

    `energy` maps C of the OBIS code (1 import, 2 export, 5 to 8 the quadrants) to the total, `tariff_energy` maps
    (C, tariff) to the part of one tariff.
    """

    def __init__(
        self, clock: DeviceClock, load: LoadModel, start: int, *, tariff: Callable[[datetime], int] = two_tariffs
    ) -> None:
        self.clock = clock
        self.load = load
        self.tariff = tariff
        self.connected = True
        self.energy = dict.fromkeys((1, 2, 5, 6, 7, 8), 0)
        self.tariff_energy = {(channel, rate): 0 for channel in (1, 2) for rate in (1, 2)}
        self.current_load = Load((0, 0, 0), (0, 0, 0))
        self.voltages = (NOMINAL_VOLTAGE * 10,) * 3
        self.active_tariff = 1
        self.last_average = 0
        self.maximum_demand = 0
        self.maximum_at: int | None = None
        self._demand_start_energy = 0
        self._month: tuple[int, int] | None = None
        self._due = start - start % STEP + STEP
        self._since = start
        self._sample(start)

    def next_time(self) -> int:
        """Return the end of the step."""
        return self._due

    def act(self, now: int) -> None:
        """Integrate the step that ends, and take the load of the next one."""
        seconds = now - self._since
        active, reactive = self.current_load
        power = sum(active)
        vars_ = sum(reactive)
        imported = power >= 0
        if imported:
            quadrant = 5 if vars_ >= 0 else 8
        else:
            quadrant = 6 if vars_ >= 0 else 7
        channel = 1 if imported else 2
        self.energy[channel] += abs(power) * seconds
        self.tariff_energy[channel, self.active_tariff] += abs(power) * seconds
        self.energy[quadrant] += abs(vars_) * seconds
        self._since = now
        self._due = now - now % STEP + STEP
        if now % DEMAND_PERIOD == 0:
            self._end_of_demand_period(now)
        self._sample(now)

    def _sample(self, now: int) -> None:
        local = self.clock.local(now + self.clock.offset)
        self.active_tariff = self.tariff(local)
        if self.connected:
            self.current_load = self.load.at(local, now // STEP)
        else:
            self.current_load = Load((0, 0, 0), (0, 0, 0))

    def _end_of_demand_period(self, now: int) -> None:
        self.last_average = (self.energy[1] - self._demand_start_energy) // DEMAND_PERIOD
        self._demand_start_energy = self.energy[1]
        # The period belongs to the month in which it began: one that ends at midnight of the first is the old month's.
        local = self.clock.local(now + self.clock.offset - 1)
        month = (local.year, local.month)
        if month != self._month:
            self._month = month
            self.maximum_demand, self.maximum_at = 0, None
        if self.last_average > self.maximum_demand or self.maximum_at is None:
            self.maximum_demand, self.maximum_at = self.last_average, now + self.clock.offset

    def switch(self, connected: bool) -> None:
        """Connect or disconnect the premises; takes effect at once."""
        if connected != self.connected:
            self.connected = connected
            self._sample(self._since)

    # --- momentary values ----------------------------------------------------------------------------------

    def watt_hours(self, channel: int, tariff: int = 0) -> int:
        """Return an energy in Wh (or varh): 3 and 4 are the sums of their quadrants."""
        if tariff:
            return self.tariff_energy[channel, tariff] // 3600
        if channel == 3:
            return (self.energy[5] + self.energy[6]) // 3600
        if channel == 4:
            return (self.energy[7] + self.energy[8]) // 3600
        return self.energy[channel] // 3600

    def power(self, channel: int) -> int:
        """Return the momentary power: 1 and 2 in W, 3 and 4 in var, as positive numbers."""
        total = sum(self.current_load.active if channel <= 2 else self.current_load.reactive)
        return max(0, total if channel in (1, 3) else -total)

    def voltage(self, phase: int) -> int:
        """Return the voltage of a phase in 0.1 V: nominal, a little lower under load."""
        return NOMINAL_VOLTAGE * 10 - self.current_load.active[phase] // 400

    def current(self, phase: int) -> int:
        """Return the current of a phase in 0.01 A."""
        apparent = math.hypot(self.current_load.active[phase], self.current_load.reactive[phase])
        return round(apparent / (self.voltage(phase) / 10) * 100)

    def power_factor(self) -> int:
        """Return the power factor in 0.001."""
        active, reactive = sum(self.current_load.active), sum(self.current_load.reactive)
        apparent = math.hypot(active, reactive)
        return round(abs(active) / apparent * 1000) if apparent else 1000

    def frequency(self) -> int:
        """Return the frequency in 0.01 Hz."""
        return 5000
