"""A house with a multi-utility concentrator: utility meters on its buses, electricity meters behind it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from cosem.concentrator.multi_utility import MultiUtilityConcentrator, MultiUtilitySettings, channels
from cosem.device.meter import ElectricityMeter
from cosem.device.random import SeededRandom
from cosem.security.counters import MemoryCounterStore
from cosem.simulator.meter import DEMO_IMAGE_KEY, DEMO_KEYS, DEMO_SECRET, simulated_meter
from cosem.simulator.utilities import Utilities, mbus_settings

STEP: Final = 900
"""Seconds that everything in the house lives at a stretch, so that nobody is far ahead of the others."""


class House:
    """A concentrator, what it reads, and the electricity meters behind it; they live by one time."""

    def __init__(
        self, concentrator: MultiUtilityConcentrator, utilities: Utilities | None, meters: Sequence[ElectricityMeter]
    ) -> None:
        self.concentrator = concentrator
        self.utilities = utilities
        self.meters = tuple(meters)

    @property
    def device(self) -> object:
        """What a server serves."""
        return self.concentrator.device

    @property
    def now(self) -> int:
        """Return the moment of the house, UTC seconds."""
        return self.concentrator.now

    def advance(self, until: int) -> None:
        """Let everybody live up to `until`."""
        while self.now < until:
            step = min(until, self.now + STEP)
            for meter in self.meters:
                meter.advance(step)
            self.concentrator.advance(step)


def simulated_house(
    *,
    seed: int = 1,
    end: datetime,
    days: float = 7,
    utilities: Sequence[str] = (),
    meters: int = 0,
    settings: MultiUtilitySettings | None = None,
) -> House:
    """Return a house that has lived `days` until `end` (an aware date-time). The same arguments give the same house.

    `utilities` are names as `cosem.simulator.utilities.kinds_of` gives them; the electricity meters are behind the
    gateway by their serial numbers (ASCII) as physical addresses.
    """
    if end.tzinfo is None:
        raise ValueError("the end of a simulation is an aware date-time")
    until = int(end.timestamp())
    start = until - int(days * 86400)
    if settings is None:
        settings = MultiUtilitySettings(
            system_title=b"CSM\x02" + seed.to_bytes(4, "big"),
            serial=f"{20_000_000 + seed}",
            keys=DEMO_KEYS,
            secret=DEMO_SECRET,
            image_key=DEMO_IMAGE_KEY,
            mbus=mbus_settings(utilities) if utilities else channels(4),
        )
    concentrator = MultiUtilityConcentrator(
        settings, start, SeededRandom(seed), simulation=True, counters=MemoryCounterStore()
    )
    behind = Utilities(concentrator.mbus, utilities, seed=seed) if utilities else None
    electricity = []
    for number in range(1, meters + 1):
        meter = simulated_meter(seed=seed * 100 + number, end=datetime.fromtimestamp(start, end.tzinfo), days=1)
        concentrator.attach(meter.settings.serial.encode("ascii"), meter.device)
        electricity.append(meter)
    house = House(concentrator, behind, electricity)
    house.advance(until)
    return house
