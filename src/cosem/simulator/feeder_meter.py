"""A light meter for feeders with hundreds of them: energy, a profile of a day or more, an image, and its network."""

from __future__ import annotations

from cosem.classes.access import AccessRights
from cosem.classes.c001_data import Data as DataObject
from cosem.classes.c003_register import Register
from cosem.classes.c050_sfsk_phy_mac_setup import DeltaElectricalPhase
from cosem.classes.common import CaptureObject
from cosem.classes.model import InterfaceClass
from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag
from cosem.device.associations import AssociationSpec, only
from cosem.device.clock import DAY, QUARTER, DeviceClock
from cosem.device.device import PhysicalDevice
from cosem.device.host import Host
from cosem.device.image import ImageOptions, ImageTransferBehaviour, signed_by
from cosem.device.logical_device import LogicalDevice
from cosem.device.meter import (
    BROADCAST_CLIENT,
    CLOCK,
    LOAD_PROFILE,
    MANAGEMENT_CLIENT,
    PUBLIC_CLIENT,
    ElectricityMeter,
    broadcast_rights,
    management_rights,
)
from cosem.device.power_line import PowerLinePort
from cosem.device.power_line_objects import PowerLineObjects
from cosem.device.profile import Column, ProfileBuffer
from cosem.device.random import SeededRandom
from cosem.obis import Obis
from cosem.plc.llc import LlcSettings
from cosem.plc.reporting import ReportingSystem
from cosem.security.counters import MemoryCounterStore
from cosem.security.keys import Keys
from cosem.simulator.meter import DEMO_KEYS
from cosem.units import ScalerUnit, Unit

ENERGY = "1-0:1.8.0.255"
COUNTER = "0-0:43.1.0.255"
DAYS_KEPT = 2
IMAGE_BLOCK = 64
"""Octets of an image block: one with its protection fits a frame of the usual length."""
CONCENTRATOR_TITLE = b"CSMCON01"
"""Who sends broadcasts to light meters."""


class LightMeter:
    """A meter on a power line whose energy grows evenly, by a number of its own. It keeps a load profile of two days.

    Clients: public (16), management (1: GMAC, authenticated and encrypted), broadcast (102, pre-established).
    """

    def __init__(
        self,
        reporting: ReportingSystem,
        number: int,
        start: int,
        *,
        keys: Keys = DEMO_KEYS,
        llc: LlcSettings | None = None,
        image_key: bytes | None = None,
        delta: DeltaElectricalPhase = DeltaElectricalPhase.NOT_DEFINED,
    ) -> None:
        title = reporting.settings.title.ljust(8, b"\x00")
        random = SeededRandom(0x4D00_0000 + number)
        self.number = number
        self.watts = 200 + number * 37 % 800
        self.device = PhysicalDevice(
            title, start - DAYS_KEPT * DAY, random, simulation=True, counters=MemoryCounterStore()
        )
        schedule = self.device.schedule
        self.clock = DeviceClock(lambda: schedule.now)
        self.logical = self.device.add(LogicalDevice(1, title[:3] + b"%08d" % number))
        self.host = Host(self.device, self.logical, self.clock)
        self.port = PowerLinePort(reporting, self.device, random, llc)
        self.logical.add(DataObject("0-0:42.0.0.255", value=axdr.octet_string(self.logical.name)))
        self.logical.add(self.clock.object)
        self.host.writers(self.clock.object, self.clock.writers)
        counter = DataObject(COUNTER)
        self.host.compute(counter, 2, lambda: Data(Tag.DOUBLE_LONG_UNSIGNED, self._counter(keys)))
        self.logical.add(counter)
        energy = Register(ENERGY, scaler_unit=ScalerUnit(0, Unit.WATT_HOUR))
        self.host.compute(energy, 2, lambda: Data(Tag.DOUBLE_LONG_UNSIGNED, self.energy(self.device.now)))
        self.logical.add(energy)
        self.profile = self._profile()
        self.image = ImageTransferBehaviour(
            self.host, signed_by(image_key), ImageOptions(IMAGE_BLOCK, verify_duration=0, activation_duration=0)
        )
        self.objects = PowerLineObjects(self.host, self.port, delta=lambda: delta)
        self._associate(keys)
        self.device.build()
        self.device.advance(start)

    def advance(self, until: int) -> None:
        """Let the meter live up to `until`, UTC seconds."""
        self.device.advance(until)

    def energy(self, utc: int) -> int:
        """Return what was used up to a moment, in watt-hours."""
        return 1_000_000 + self.watts * (utc % (1 << 28)) // 3600

    def _counter(self, keys: Keys) -> int:
        return self.device.received_counter(keys.global_unicast_encryption_key or b"")

    def _profile(self) -> ProfileBuffer:
        clock = self.clock
        columns = (
            Column(CaptureObject(8, Obis.parse(CLOCK), 2), lambda utc: b"\x09\x0c" + clock.octets(utc)),
            Column(
                CaptureObject(3, Obis.parse(ENERGY), 2),
                lambda utc: bytes((Tag.DOUBLE_LONG_UNSIGNED,)) + self.energy(utc).to_bytes(4, "big"),
            ),
        )
        profile = ProfileBuffer(
            LOAD_PROFILE, columns, clock, period=QUARTER, capacity=DAYS_KEPT * DAY // QUARTER, compress_nulls=True
        )
        self.logical.add(profile.object)
        self.device.readers[bytes(profile.object.obis), 2] = profile.read
        self.device.schedule.add(profile)
        return profile

    def _rights(self, obj: InterfaceClass) -> AccessRights:
        return management_rights(self.device, obj)

    def _associate(self, keys: Keys) -> None:
        largest = self.port.link.max_apdu
        public = only(("0-0:42.0.0.255", CLOCK, COUNTER))
        self.logical.associate(AssociationSpec(PUBLIC_CLIENT, 1, public, max_pdu_size=largest))
        self.logical.associate(
            AssociationSpec(MANAGEMENT_CLIENT, 2, self._rights, mechanism=5, policy=3, keys=keys, max_pdu_size=largest)
        )
        self.logical.associate(
            AssociationSpec(
                BROADCAST_CLIENT,
                3,
                lambda obj: broadcast_rights(obj, self._rights),
                policy=3,
                keys=keys,
                max_pdu_size=largest,
                pre_established=True,
                client_system_title=CONCENTRATOR_TITLE,
            )
        )


class MeterOnLine:
    """A whole electricity meter (`ElectricityMeter`) on a power line.

    It is built with the ``max_pdu_size`` that a frame carries, and with the system title that reports.
    """

    def __init__(self, reporting: ReportingSystem, meter: ElectricityMeter, *, llc: LlcSettings | None = None) -> None:
        self.meter = meter
        self.port = PowerLinePort(reporting, meter.device, SeededRandom(0x4E00_0000), llc)
        self.objects = PowerLineObjects(meter.host, self.port)
        # The tables of rights have to know them, too.
        meter.logical.build()

    def advance(self, until: int) -> None:
        """Let the meter live up to `until`, UTC seconds."""
        self.meter.advance(until)
