"""A device as the concentrator has it: the profiles that were read of it, answered without the network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cosem.classes.c001_data import Data as DataObject
from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag
from cosem.concentrator.kept import MAX_ROWS, Kept, KeptProfile
from cosem.device.associations import AssociationSpec, only, read_only
from cosem.device.clock import DeviceClock
from cosem.device.device import PhysicalDevice
from cosem.device.logical_device import LogicalDevice
from cosem.device.profile import Column, ProfileBuffer
from cosem.device.profile_order import Row
from cosem.device.random import Random
from cosem.obis import Obis
from cosem.security.counters import CounterStore
from cosem.security.keys import Keys

NAME, COUNTER = "0-0:42.0.0.255", "0-0:43.1.0.255"
PUBLIC, MANAGEMENT = 16, 1


class KeptDevice:
    """One device of the store, with the concentrator's own keys and system title: it is the concentrator that answers.

    Profiles have the logical names that they have in the device. `refresh` takes in what was read since.
    """

    def __init__(
        self,
        kept: Kept,
        name: bytes,
        system_title: bytes,
        utc: Callable[[], int],
        random: Random,
        *,
        keys: Keys,
        simulation: bool = False,
        counters: CounterStore | None = None,
    ) -> None:
        self.device = PhysicalDevice(system_title, utc(), random, simulation=simulation, counters=counters)
        self.clock = DeviceClock(utc, zone=0, daylight_saving=False)
        self.logical = self.device.add(LogicalDevice(1, name[:16]))
        self.logical.add(DataObject(NAME, value=axdr.octet_string(self.logical.name)))
        counter = DataObject(COUNTER)
        key = keys.global_unicast_encryption_key or b""
        shown: Any = counter.store
        shown.computed[2] = lambda selection: Data(Tag.DOUBLE_LONG_UNSIGNED, self.device.received_counter(key))
        self.logical.add(counter)
        self._profiles: list[tuple[ProfileBuffer, KeptProfile]] = []
        for profile, held in kept.of(name):
            self._add(profile, held)
        self.logical.associate(AssociationSpec(PUBLIC, 1, only((NAME, COUNTER))))
        self.logical.associate(AssociationSpec(MANAGEMENT, 2, read_only, mechanism=5, policy=3, keys=keys))
        self.device.build()

    def _add(self, name: Obis, held: KeptProfile) -> None:
        columns = [Column(column.capture, lambda utc: b"\x00") for column in held.columns]
        # Period 0: nothing is captured here; what the device has is shown all the same.
        buffer = ProfileBuffer(str(name), columns, self.clock, period=0, capacity=MAX_ROWS)
        buffer.object.store.values[4] = axdr.double_long_unsigned(held.period)  # type: ignore[attr-defined]
        self.logical.add(buffer.object)
        self.device.readers[bytes(name), 2] = buffer.read
        self._profiles.append((buffer, held))
        self.refresh()

    def refresh(self) -> None:
        """Take in what was read since."""
        for buffer, held in self._profiles:
            if len(buffer.rows) != len(held.rows) or (held.rows and buffer.rows[-1].time != held.rows[-1].time):
                head = b"\x02" + axdr.encode_length(len(held.columns))
                buffer.rows = [Row(row.time, row.cells, head + b"".join(row.cells)) for row in held.rows]
