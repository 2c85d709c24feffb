"""Service data: how long the battery lasts, and how well the modem hears its network."""

from __future__ import annotations

from typing import Final

from cosem.device.causes import Cause
from cosem.device.gas.quantities import Quantities, Quantity
from cosem.device.host import Host
from cosem.device.load import noise
from cosem.units import Unit

DAY: Final = 86_400
LOW: Final = 90
"""Days left from which on the battery is to be replaced."""


class Service:
    """A behaviour: the battery ages, and says in time that it has to be replaced. Counting goes on without it."""

    def __init__(self, host: Host, *, battery_days: int, seed: int) -> None:
        self._host = host
        self._seed = seed
        self._life = battery_days * DAY
        self.since = host.now
        self._end = host.now + self._life
        self._told = False
        host.schedule(self)

    @property
    def days(self) -> int:
        """Return the days the battery lasts."""
        return max(0, (self._end - self._host.now) // DAY)

    @property
    def hours(self) -> int:
        """Return the hours the battery was used."""
        return (self._host.now - self.since) // 3600

    @property
    def signal(self) -> int:
        """Return the signal of the network in dBm, another one every hour."""
        return -75 - round(20 * noise(self._seed, self._host.now // 3600, 21))

    def drain(self, days: int) -> None:
        """Leave the battery so many days."""
        self._end = self._host.now + days * DAY

    def replace(self) -> None:
        """Put in a new battery."""
        self.since, self._end, self._told = self._host.now, self._host.now + self._life, False
        self._host.note(Cause.BATTERY_REPLACED)

    def next_time(self) -> int | None:
        """Return when the battery is low."""
        return None if self._told else self._end - LOW * DAY

    def act(self, now: int) -> None:
        """Say that it is."""
        self._told = True
        self._host.note(Cause.BATTERY_LOW)

    def quantities(self) -> Quantities:
        """Return what of it can be shown."""
        return Quantities(
            {
                "battery.days": Quantity(lambda: self.days, Unit.DAY),
                "battery.hours": Quantity(lambda: self.hours, Unit.HOUR),
                "battery.volts": Quantity(self._volts, Unit.VOLT),
                "modem.signal": Quantity(lambda: self.signal),
            }
        )

    def _volts(self) -> int:
        return 3 if self._end > self._host.now else 0
