"""Energy, power and demand of a three-phase connection: a load model integrated in whole watt seconds."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from cosem.device.clock import DeviceClock
from cosem.device.load import Load

STEP = 60
"""Seconds of one step of the integration; power is constant within a step."""
NOMINAL_VOLTAGE = 230
DEMAND_PERIOD = 900
_NOTHING = Load((0, 0, 0), (0, 0, 0))


class LoadModel(Protocol):
    """Where power comes from."""

    def at(self, local: datetime, step: int) -> Load:
        """Return the load at local time; `step` numbers the moments."""


def two_tariffs(local: datetime) -> int:
    """Return tariff 1 on working days from 6 to 22, 2 at night and on weekends."""
    return 1 if local.isoweekday() <= 5 and 6 <= local.hour < 22 else 2


class Metering:
    """Behaviour of the measuring part. Energies are kept in watt seconds, so that sums are exact.

    Energy is integrated up to the present whenever somebody looks at it, so that what is read between two captures is
    as exact as what is captured. Power follows the simulation's time: people live by that, whatever the meter's clock
    says. Tariffs and demand periods follow the meter's clock.
    """

    def __init__(
        self, clock: DeviceClock, load: LoadModel, start: int, *, tariff: Callable[[datetime], int] = two_tariffs
    ) -> None:
        self.clock = clock
        self.load = load
        self.tariff = tariff
        self.connected = True
        self._energy = dict.fromkeys((1, 2, 5, 6, 7, 8), 0)
        self._tariff_energy = {(channel, rate): 0 for channel in (1, 2) for rate in (1, 2)}
        self._load = _NOTHING
        self.active_tariff = tariff(clock.local(clock.now))
        self.last_average = 0
        self.maximum_demand = 0
        self.maximum_at: int | None = None
        self._demand_start_energy = 0
        self._month: tuple[int, int] | None = None
        self._since = start
        self._step_end = start
        self._quarter = -1
        self._quarter_local = datetime.min
        self._begin_step(start)
        self._begun = clock.now
        self._next = clock.next_boundary(clock.now, DEMAND_PERIOD)
        clock.on_jump.append(self._jumped)

    def next_time(self) -> int:
        """Return the end of the demand period, in the simulation's time. Tariffs switch at such moments only."""
        return self._next - self.clock.offset

    def act(self, now: int) -> None:
        """End the demand period, and see which tariff holds from here."""
        self.settle(now)
        utc = self.clock.now
        self._end_of_demand_period(utc)
        self._begun = utc
        self._next = self.clock.next_boundary(utc, DEMAND_PERIOD)
        self.active_tariff = self.tariff(self.clock.local(utc))

    def _jumped(self, old: int, new: int) -> None:
        """Go on from the new time: after a jump of some size with a new demand period.

        A smaller one ends the period only where it goes over its end; going back over its begin prolongs it.
        """
        self.settle(self.clock.true_time())
        following = self.clock.next_boundary(new, DEMAND_PERIOD)
        if old != new and abs(new - old) >= self.clock.jump_limit:
            if old != self._begun:
                self._end_of_demand_period(old)
            self._begun = new
        elif old < self._next <= new:
            self._end_of_demand_period(self._next)
            self._begun = self._next
        elif new != old:
            following = max(following, self._next)
        self._next = following
        self.active_tariff = self.tariff(self.clock.local(new))

    # --- integration ---------------------------------------------------------------------------------------

    def settle(self, now: int) -> None:
        """Integrate up to `now`, in the simulation's time. Power is constant within a step."""
        energy, tariffs = self._energy, self._tariff_energy
        while self._since < now:
            end = min(self._step_end, now)
            seconds = end - self._since
            active, reactive = self._load
            power = sum(active)
            vars_ = sum(reactive)
            if power >= 0:
                channel, quadrant = 1, 5 if vars_ >= 0 else 8
            else:
                channel, quadrant = 2, 6 if vars_ >= 0 else 7
            worked = abs(power) * seconds
            energy[channel] += worked
            tariffs[channel, self.active_tariff] += worked
            energy[quadrant] += abs(vars_) * seconds
            self._since = end
            if end == self._step_end:
                self._begin_step(end)

    def _begin_step(self, now: int) -> None:
        step = now // STEP
        self._step_end = (step + 1) * STEP
        self._load = self.load.at(self._local(now), step) if self.connected else _NOTHING

    def _local(self, now: int) -> datetime:
        """Return local time, looked up once in a quarter of an hour."""
        quarter, seconds = divmod(now, DEMAND_PERIOD)
        if quarter != self._quarter:
            self._quarter, self._quarter_local = quarter, self.clock.local(now - seconds)
        return self._quarter_local + timedelta(seconds=seconds)

    def _end_of_demand_period(self, utc: int) -> None:
        """Take the average of the period that ends at `utc` of the meter's clock."""
        self.last_average = (self._energy[1] - self._demand_start_energy) // DEMAND_PERIOD
        self._demand_start_energy = self._energy[1]
        # The period belongs to the month in which it began: one that ends at midnight of the first is the old month's.
        local = self.clock.local(utc - 1)
        month = (local.year, local.month)
        if month != self._month:
            self._month = month
            self.maximum_demand, self.maximum_at = 0, None
        if self.last_average > self.maximum_demand or self.maximum_at is None:
            self.maximum_demand, self.maximum_at = self.last_average, utc

    def switch(self, connected: bool) -> None:
        """Connect or disconnect the premises; takes effect at once."""
        if connected != self.connected:
            now = self.clock.true_time()
            self.settle(now)
            self.connected = connected
            self._begin_step(now)

    # --- momentary values ----------------------------------------------------------------------------------

    @property
    def energy(self) -> dict[int, int]:
        """Watt seconds by C of the OBIS code: 1 import, 2 export, 5 to 8 the quadrants."""
        self.settle(self.clock.true_time())
        return self._energy

    @property
    def tariff_energy(self) -> dict[tuple[int, int], int]:
        """Watt seconds by (C, tariff): what each tariff has of import and export."""
        self.settle(self.clock.true_time())
        return self._tariff_energy

    @property
    def current_load(self) -> Load:
        """The load of this moment."""
        self.settle(self.clock.true_time())
        return self._load

    def watt_hours(self, channel: int, tariff: int = 0) -> int:
        """Return an energy in Wh (or varh): 3 and 4 are the sums of their quadrants."""
        now = self.clock.true_time()
        if self._since < now:
            self.settle(now)
        if tariff:
            return self._tariff_energy[channel, tariff] // 3600
        energy = self._energy
        if channel == 3:
            return (energy[5] + energy[6]) // 3600
        if channel == 4:
            return (energy[7] + energy[8]) // 3600
        return energy[channel] // 3600

    def power(self, channel: int) -> int:
        """Return the momentary power: 1 and 2 in W, 3 and 4 in var, as positive numbers."""
        total = sum(self.current_load.active if channel <= 2 else self.current_load.reactive)
        return max(0, total if channel in (1, 3) else -total)

    def voltage(self, phase: int) -> int:
        """Return the voltage of a phase in 0.1 V: nominal, a little lower under load."""
        return NOMINAL_VOLTAGE * 10 - self.current_load.active[phase] // 400

    def current(self, phase: int) -> int:
        """Return the current of a phase in 0.01 A."""
        load = self.current_load
        apparent = math.hypot(load.active[phase], load.reactive[phase])
        return round(apparent / (self.voltage(phase) / 10) * 100)

    def power_factor(self) -> int:
        """Return the power factor in 0.001."""
        load = self.current_load
        active, reactive = sum(load.active), sum(load.reactive)
        apparent = math.hypot(active, reactive)
        return round(abs(active) / apparent * 1000) if apparent else 1000

    def frequency(self) -> int:
        """Return the frequency in 0.01 Hz."""
        return 5000
