"""The concentrator: one network below, data collection systems above, its own reading and its own objects between.

From above it is a gateway (`cosem.link.gateway`): network 1 is the devices themselves, network 2 what it has of them.
Without a prefix one speaks to the concentrator.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cosem.association.responder import Responder
from cosem.concentrator.carrier import Carrier
from cosem.concentrator.forwarder import Forwarder
from cosem.concentrator.kept import Kept
from cosem.concentrator.kept_device import KeptDevice
from cosem.concentrator.local import LocalDevice
from cosem.concentrator.reading import Reading, ReadingPlan, SettingsOf
from cosem.device.random import Random
from cosem.errors import ConfigError
from cosem.link.base import Machine
from cosem.link.wrapper import WrapperLink
from cosem.security.counters import CounterStore, MemoryCounterStore
from cosem.security.keys import Keys

LIVE: Final = 1
"""Network id of the devices themselves."""
QUIET: Final = 120.0
"""Seconds behind the last APDU of a client until the concentrator itself speaks to a device again."""
STORED: Final = 2
"""Network id of what the concentrator has of each."""


class Concentrator:
    """One concentrator over one `carrier`.

    `settings` say how its own reading associates with a device. `keys` and `system_title` are those of its own objects:
    where the keys are the meters' own, the title has to be another than the one it has as their client, because it
    counts for itself. `settle` is called when a client waits for a device, for carriers that run ahead in virtual time.
    `utc` is the moment, `start` the UTC second at which the carrier's time is 0.
    """

    def __init__(
        self,
        carrier: Carrier,
        system_title: bytes,
        settings: SettingsOf,
        random: Random,
        utc: Callable[[], int],
        *,
        keys: Keys,
        start: int = 0,
        settle: Callable[[Forwarder], object] | None = None,
        simulation: bool = False,
        counters: CounterStore | None = None,
    ) -> None:
        self.carrier = carrier
        self.kept = Kept()
        self.readings: list[Reading] = []
        self._settings = settings
        self._random = random
        self._utc = utc
        self._settle = settle
        self._title = system_title
        self._keys = keys
        self._simulation = simulation
        # One store for all that answer under one key and title: nothing may be protected twice with one counter.
        self._counters = counters or MemoryCounterStore()
        self._wanted: dict[bytes, float] = {}
        self._stored: dict[bytes, KeptDevice] = {}
        self.local = LocalDevice(
            carrier,
            system_title,
            utc,
            random,
            keys=keys,
            start=start,
            kept=self.kept,
            simulation=simulation,
            counters=self._counters,
        )

    # --- from above -----------------------------------------------------------------------------------------------

    def machine(self, network: int | None, name: bytes) -> Machine | None:
        """Return a machine for a device, for what is kept of it, or for the concentrator; None for who is not there."""
        if network is None:
            return Responder(WrapperLink(server=True), self.local.device, self._random)
        if network == LIVE and self.carrier.device(name) is not None:
            return Forwarder(self.carrier, name, settle=self._settle, used=self._used)
        if network == STORED and (stored := self.stored(name)) is not None:
            return Responder(WrapperLink(server=True), stored.device, self._random)
        return None

    def _used(self, name: bytes) -> None:
        """Let a client from outside go first: between two access points there is one association."""
        self._wanted[name] = self.carrier.now
        for reading in self.readings:
            reading.give_way(name)

    def _is_busy(self, name: bytes) -> bool:
        wanted = self._wanted.get(name)
        return wanted is not None and self.carrier.now - wanted < QUIET

    def stored(self, name: bytes) -> KeptDevice | None:
        """Return what is kept of a device as a device, with what was read up to now; None for nothing."""
        profiles = list(self.kept.of(name))
        if not profiles:
            return None
        stored = self._stored.get(name)
        if stored is None:
            stored = self._stored[name] = KeptDevice(
                self.kept,
                name,
                self._title,
                self._utc,
                self._random,
                keys=self._keys,
                simulation=self._simulation,
                counters=self._counters,
            )
        stored.refresh()
        return stored

    # --- by itself ------------------------------------------------------------------------------------------------

    def read(self, plan: ReadingPlan, devices: list[bytes] | None = None) -> Reading:
        """Begin to read a profile of all devices that are there, or of those named. Raises `ConfigError` while one of
        that profile is under way."""
        self.readings = [item for item in self.readings if not item.over]
        if any(item.plan.profile == plan.profile for item in self.readings):
            raise ConfigError(f"{plan.profile} is being read")
        reading = Reading(
            self.carrier, self.kept, plan, self._settings, self._random, self._utc, devices, self._is_busy
        )
        self.readings.append(reading)
        reading.start()
        return reading

    def next_timer(self) -> float | None:
        """Return when `handle_timer` is needed next, in the carrier's seconds."""
        times = [item.next_timer() for item in self.readings]
        return min((time for time in times if time is not None), default=None)

    def handle_timer(self) -> None:
        """Let what is due happen."""
        for item in self.readings:
            item.handle_timer()
