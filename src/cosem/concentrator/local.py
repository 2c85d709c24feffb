"""What a concentrator shows of itself: a physical device whose objects are the network and what goes on in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from cosem.apdu.base import AttributeDescriptor, SelectiveAccess
from cosem.classes.c001_data import Data as DataObject
from cosem.classes.c007_profile_generic import ProfileGeneric, SortMethod
from cosem.classes.c056_sfsk_reporting_system_list import SFSKReportingSystemList
from cosem.classes.common import CaptureObject
from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag
from cosem.concentrator.carrier import Carrier, Reached
from cosem.concentrator.kept import Kept
from cosem.device.associations import AssociationSpec, only, read_only
from cosem.device.clock import DeviceClock
from cosem.device.device import PhysicalDevice
from cosem.device.host import Host
from cosem.device.logical_device import LogicalDevice
from cosem.device.profile import NO_COLUMN
from cosem.device.random import Random
from cosem.obis import Obis
from cosem.results import DataAccessResult
from cosem.security.counters import CounterStore
from cosem.security.keys import Keys

NETWORK: Final = "0-0:94.128.1.255"
"""The table of devices: manufacturer specific, because no standard names a profile for it."""
REPORTING: Final = "0-0:26.6.0.255"
NAME: Final = "0-0:42.0.0.255"
CLOCK: Final = "0-0:1.0.0.255"
COUNTER: Final = "0-0:43.1.0.255"
PUBLIC, MANAGEMENT = 16, 1
COLUMNS: Final = (
    "system title",
    "address",
    "state",
    "level in dBµV",
    "repetitions",
    "repeats (255: not asked)",
    "heard (UTC seconds)",
    "failures",
)
"""What the columns of the table are, in order; each is a data object from 0-0:94.128.2 on that holds the heading."""
REPEATS: Final = AttributeDescriptor(50, Obis.parse("0-0:26.0.0.255"), 11)
"""Whether a station of a power line repeats (class 50, repeater_status): only the station itself knows."""
NOT_ASKED: Final = 0xFF


class LocalDevice:
    """The concentrator as a device: name, clock, reporting system list (class 56), and the table of the network.

    `utc` is the moment; `start` the UTC second at which the carrier's time is 0. The table is a profile that is made
    when it is read: of a network there is only the present. Who repeats is known where a reading asked for it
    (`REPEATS` in `ReadingPlan.also`).
    """

    def __init__(
        self,
        carrier: Carrier,
        system_title: bytes,
        utc: Callable[[], int],
        random: Random,
        *,
        keys: Keys,
        start: int = 0,
        kept: Kept | None = None,
        simulation: bool = False,
        counters: CounterStore | None = None,
    ) -> None:
        self.carrier = carrier
        self.kept = Kept() if kept is None else kept
        self.start = start
        self.device = PhysicalDevice(system_title, utc(), random, simulation=simulation, counters=counters)
        self.clock = DeviceClock(utc, zone=0, daylight_saving=False)
        self.logical = self.device.add(LogicalDevice(1, system_title[:3] + b"concentrator"))
        self.host = Host(self.device, self.logical, self.clock)
        self.host.add(DataObject(NAME, value=axdr.octet_string(self.logical.name)))
        self.host.add(self.clock.object)
        counter = self.host.add(DataObject(COUNTER))
        key = keys.global_unicast_encryption_key or b""
        self.host.compute(counter, 2, lambda: Data(Tag.DOUBLE_LONG_UNSIGNED, self.device.received_counter(key)))
        listed = self.host.add(SFSKReportingSystemList(REPORTING))
        kind = listed.attributes[2].type
        self.host.compute(listed, 2, lambda: kind.to_data(tuple(carrier.reporting())))
        self._table()
        public = only((NAME, CLOCK, COUNTER))
        self.logical.associate(AssociationSpec(PUBLIC, 1, public))
        self.logical.associate(AssociationSpec(MANAGEMENT, 2, read_only, mechanism=5, policy=3, keys=keys))
        self.device.build()

    def _table(self) -> None:
        captures = []
        for number, heading in enumerate(COLUMNS, 2):
            name = Obis(bytes((0, 0, 94, 128, number, 255)))
            self.host.add(DataObject(name, value=axdr.octet_string(heading.encode("utf-8"))))
            captures.append(CaptureObject(1, name, 2))
        table = self.host.add(
            ProfileGeneric(
                NETWORK,
                capture_objects=captures,
                capture_period=0,
                sort_method=SortMethod.FIFO,
                sort_object=NO_COLUMN,
                profile_entries=0xFFFF,
            )
        )
        self.host.compute(table, 7, lambda: Data(Tag.DOUBLE_LONG_UNSIGNED, len(self.carrier.devices())))
        self.device.readers[bytes(table.obis), 2] = self._read

    def _read(self, selection: SelectiveAccess | None) -> bytes | DataAccessResult:
        if selection is not None:
            return DataAccessResult.OTHER_REASON
        rows = [self._row(item) for item in self.carrier.devices()]
        return axdr.encode(Data(Tag.ARRAY, tuple(rows)))

    def _repeats(self, name: bytes) -> int:
        held = self.kept.values.get((name, REPEATS))
        return NOT_ASKED if held is None else int(bool(held.value))

    def _row(self, item: Reached) -> Data:
        cells: Sequence[Data] = (
            axdr.octet_string(item.name),
            axdr.long_unsigned(item.address),
            Data(Tag.VISIBLE_STRING, item.state),
            axdr.long_unsigned(max(0, round(item.level))),
            axdr.unsigned(item.hops),
            axdr.unsigned(self._repeats(item.name)),
            axdr.double_long_unsigned(self.start + int(item.heard)),
            axdr.double_long_unsigned(item.failures),
        )
        return axdr.structure(*cells)
