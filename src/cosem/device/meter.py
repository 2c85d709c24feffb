"""A first three-phase electricity meter: import and export, four quadrants, two tariffs, profiles, disconnector."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from cosem.classes.access import Access, AccessRights, AttributeAccess
from cosem.classes.c001_data import Data as DataObject
from cosem.classes.c003_register import Register
from cosem.classes.common import CaptureObject
from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag
from cosem.device.associations import ASSOCIATION_CLASSES, AssociationSpec, Rights, full_access, only, readings_only
from cosem.device.clock import DAY, QUARTER, DeviceClock
from cosem.device.demand import DemandBehaviour, MaximumBehaviour
from cosem.device.device import DeviceOptions, PhysicalDevice
from cosem.device.disconnector import Disconnector
from cosem.device.equipment import Equipment
from cosem.device.guard import GuardOptions
from cosem.device.host import Host
from cosem.device.image import ImageOptions
from cosem.device.limiter import SoftLimit
from cosem.device.load import Household
from cosem.device.logical_device import LogicalDevice
from cosem.device.mbus.settings import MBusSettings
from cosem.device.metering import TARIFFS, LoadModel, Metering
from cosem.device.payment import PaymentSettings
from cosem.device.profile import CLOCK_COLUMN, Column, ProfileBuffer
from cosem.device.random import Random
from cosem.device.security import SecuritySetupBehaviour
from cosem.obis import Obis
from cosem.results import DataAccessResult
from cosem.security.counters import CounterStore
from cosem.security.keys import Keys
from cosem.times import CosemDateTime
from cosem.units import ScalerUnit, Unit

if TYPE_CHECKING:
    from cosem.security.hls import ManufacturerProof

PUBLIC_CLIENT, MANAGEMENT_CLIENT, READING_CLIENT, BROADCAST_CLIENT = 16, 1, 2, 102
SECURITY_SETUP = Obis.parse("0-0:43.0.0.255")
INVOCATION_COUNTER = "0-0:43.1.0.255"
LOAD_PROFILE, HOURLY_PROFILE, DAILY_PROFILE = "1-0:99.1.0.255", "1-0:99.1.1.255", "1-0:99.2.0.255"
HOUR = 3600
DAYS_KEPT = 400
"""Of the hourly and the daily profile."""
CLOCK, STATUS = "0-0:1.0.0.255", "0-0:96.10.1.255"

_PUBLIC = (CLOCK, "0-0:42.0.0.255", "0-0:41.0.0.255", INVOCATION_COUNTER, "0-0:96.1.0.255")
_UNSIGNED32 = struct.Struct(">BI")
_CHANNELS = {
    1: Unit.WATT_HOUR,
    2: Unit.WATT_HOUR,
    3: Unit.VAR_HOUR,
    4: Unit.VAR_HOUR,
    5: Unit.VAR_HOUR,
    6: Unit.VAR_HOUR,
    7: Unit.VAR_HOUR,
    8: Unit.VAR_HOUR,
}
_ENERGIES = {(3, bytes((1, 0, channel, 8, 0, 255)), 2, 0): channel for channel in _CHANNELS}
"""The columns of energy, with C of their OBIS code."""
_STATUS_COLUMN = (1, bytes(Obis.parse(STATUS)), 2, 0)
_LOAD_COLUMNS = (
    CaptureObject(8, Obis.parse(CLOCK), 2),
    CaptureObject(1, Obis.parse(STATUS), 2),
    *(CaptureObject(3, Obis.parse(f"1-0:{channel}.8.0.255"), 2) for channel in (1, 2, 5, 6, 7, 8)),
)
_HOURLY_COLUMNS = (
    *_LOAD_COLUMNS[:2],
    *(CaptureObject(3, Obis.parse(f"1-0:{c}.8.{rate}.255"), 2) for c in (1, 2) for rate in (0, *TARIFFS)),
)
"""What is billed by the hour: import and export, in all and by tariff."""


@dataclass(slots=True)
class MeterSettings:
    """How a meter is built. `mechanism`, `policy`, `keys` and `secret` are those of the management client (SAP 1).

    `password` opens the reading client (SAP 2) at low level security; without one there is no such client.
    `zone` is the deviation of local normal time to UTC in minutes (-60 is central Europe); `daylight_saving_rule` is
    when summer time begins and ends, in local time, that of the European Union unless given. `manufacturer` makes the
    proof of mechanism 2. `referencing` is "ln" or "sn": how all clients name objects.
    `control_mode` is the disconnector's, 7 in `disconnector_version` 1 only; its contact moves after `relay_delay`
    seconds. `switches` are further disconnectors, valves and relays, with their control modes. `limit` is the normal
    threshold of the limiter in watts, `soft_limit` what it does besides; `fuse` is what currents are supervised for, in
    amperes.
    `security_version` is that of the
    security setup. With a `broadcast_title` there is the pre-established client of broadcasts (SAP 102) of that title.
    `image_key` is the public key images are verified by; without one none is. `companion` names the companion
    profile, with its events, alarms and pushes (`cosem.companions`); `alarm_autoclear` lets an alarm bit go when its
    cause does, `last_gasp` lets the meter say so when its power fails, `push_version` is that of class 40 (0 to 3).
    With `customer_keys` the customer port pushes, protected by them; their master key is that of `keys`, also as it
    changes, unless they have one. With `payment` it is a payment meter, with `mbus` it is master of an M-Bus.
    """

    system_title: bytes = b"CSM\x00\x00\x00\x00\x01"
    serial: str = "10000001"
    mechanism: int = 5
    policy: int = 3
    keys: Keys = field(default_factory=Keys, repr=False)
    secret: bytes | None = field(default=None, repr=False)
    password: bytes | None = field(default=None, repr=False)
    zone: int = -60
    daylight_saving: bool = True
    daylight_saving_rule: tuple[CosemDateTime, CosemDateTime] | None = None
    manufacturer: ManufacturerProof | None = field(default=None, repr=False)
    profile_period: int = 900
    profile_capacity: int = 40_000
    compress_nulls: bool = False
    control_mode: int = 4
    disconnector_version: int = 0
    relay_delay: int = 0
    switches: Mapping[str, int] = field(default_factory=dict)
    limit: int = 17_250
    soft_limit: SoftLimit | None = None
    fuse: int = 63
    max_pdu_size: int = 1024
    referencing: str = "ln"
    security_version: int = 0
    broadcast_title: bytes = b""
    image_key: bytes | None = None
    image: ImageOptions = field(default_factory=ImageOptions)
    guard: GuardOptions = field(default_factory=GuardOptions)
    companion: str = "idis"
    alarm_autoclear: bool = True
    last_gasp: bool = False
    push_version: int = 1
    customer_keys: Keys | None = field(default=None, repr=False)
    payment: PaymentSettings | None = None
    mbus: MBusSettings | None = None


class ElectricityMeter:
    """A physical device that is an electricity meter. `device` is what a server serves, `advance` lets time pass."""

    def __init__(
        self,
        settings: MeterSettings,
        start: int,
        random: Random,
        *,
        load: LoadModel | None = None,
        simulation: bool = False,
        options: DeviceOptions | None = None,
        counters: CounterStore | None = None,
    ) -> None:
        self.settings = settings
        self.device = PhysicalDevice(
            settings.system_title, start, random, simulation=simulation, options=options, counters=counters
        )
        schedule = self.device.schedule
        self.clock = DeviceClock(
            lambda: schedule.now,
            zone=settings.zone,
            daylight_saving=settings.daylight_saving,
            rule=settings.daylight_saving_rule,
        )
        self.metering = Metering(self.clock, load or Household(), start)
        name = settings.system_title[:3] + settings.serial.encode("ascii")[:13]
        self.logical = self.device.add(LogicalDevice(1, name))
        self.host = Host(self.device, self.logical, self.clock)
        self._identity(name)
        self.logical.add(self.clock.object)
        self._writers(self.clock.object, self.clock.writers)
        self._registers()
        self.load_profile = self.profile(LOAD_PROFILE, settings.profile_period, settings.profile_capacity)
        self.hourly_profile = self.profile(HOURLY_PROFILE, HOUR, 24 * DAYS_KEPT, _HOURLY_COLUMNS)
        self.daily_profile = self.profile(DAILY_PROFILE, DAY, DAYS_KEPT)
        self.disconnector = Disconnector(
            self.host,
            "0-0:96.3.10.255",
            self.metering.switch,
            mode=settings.control_mode,
            version=settings.disconnector_version,
            refused=self.device.options.disconnect_refused,
            mode0_closes=self.device.options.mode0_closes_relay,
            delay=settings.relay_delay,
        )
        self.security = SecuritySetupBehaviour(
            self.host,
            str(SECURITY_SETUP),
            settings.system_title,
            settings.policy,
            settings.keys.master_key,
            settings.security_version,
        )
        self.equipment = Equipment(self)
        self._associations()
        self.equipment.guard(settings.guard)
        self.device.build()

    def advance(self, until: int) -> None:
        """Let the meter live up to `until`, UTC seconds since 1970."""
        self.device.advance(until)

    @property
    def now(self) -> int:
        """Return the meter's moment in the simulation, UTC seconds."""
        return self.device.now

    def _writers(self, obj: Any, writers: Mapping[int, Callable[[Data], DataAccessResult]]) -> None:
        """Let writes of an object's attributes go to its behaviour."""
        for number, write in writers.items():
            self.device.writers[bytes(obj.obis), number] = write

    # --- objects -------------------------------------------------------------------------------------------

    def _identity(self, name: bytes) -> None:
        add = self.logical.add
        add(DataObject("0-0:42.0.0.255", value=axdr.octet_string(name)))
        add(DataObject("0-0:96.1.0.255", value=axdr.octet_string(self.settings.serial.encode("ascii"))))
        counter = DataObject(INVOCATION_COUNTER)
        self.host.compute(counter, 2, lambda: Data(Tag.DOUBLE_LONG_UNSIGNED, self._received_counter()))
        add(counter)

    def _received_counter(self) -> int:
        """Return the counter of the management client under the key it has now."""
        keys = self.logical.associations[MANAGEMENT_CLIENT].spec.keys
        return self.device.received_counter(keys.global_unicast_encryption_key or b"")

    def _register(self, name: str, unit: Unit, scaler: int, tag: Tag, read: Callable[[], int]) -> None:
        obj = Register(name, scaler_unit=ScalerUnit(scaler, unit))
        self.host.compute_number(obj, 2, tag, read)
        self.logical.add(obj)

    def _registers(self) -> None:
        m = self.metering
        for channel, unit in _CHANNELS.items():
            self._register(f"1-0:{channel}.8.0.255", unit, 0, Tag.DOUBLE_LONG_UNSIGNED, _energy(m, channel, 0))
        for channel, rate in m.registers:
            if not rate:
                continue
            name = f"1-0:{channel}.8.{rate}.255"
            self._register(name, Unit.WATT_HOUR, 0, Tag.DOUBLE_LONG_UNSIGNED, _energy(m, channel, rate))
        for channel in (1, 2, 3, 4):
            unit = Unit.WATT if channel <= 2 else Unit.VAR
            self._register(f"1-0:{channel}.7.0.255", unit, 0, Tag.DOUBLE_LONG_UNSIGNED, _power(m, channel))
        for phase, first in enumerate((0, 20, 40)):
            voltage, current = f"1-0:{32 + first}.7.0.255", f"1-0:{31 + first}.7.0.255"
            self._register(voltage, Unit.VOLT, -1, Tag.LONG_UNSIGNED, _of_phase(m.voltage, phase))
            self._register(current, Unit.AMPERE, -2, Tag.LONG_UNSIGNED, _of_phase(m.current, phase))
        self._register("1-0:13.7.0.255", Unit.COUNT, -3, Tag.LONG_UNSIGNED, m.power_factor)
        self._register("1-0:14.7.0.255", Unit.HERTZ, -2, Tag.LONG_UNSIGNED, m.frequency)
        tariff = DataObject("0-0:96.14.0.255")
        self.host.compute(tariff, 2, lambda: Data(Tag.UNSIGNED, m.active_tariff))
        self.logical.add(tariff)
        self.demand, self.maximum = self._demand(1)
        self.export_demand, self.export_maximum = self._demand(2)
        self._register("1-0:1.5.0.255", Unit.WATT, 0, Tag.DOUBLE_LONG_UNSIGNED, lambda: self.demand.last)

    def _demand(self, channel: int) -> tuple[DemandBehaviour, MaximumBehaviour]:
        """Return the demand of import (1) or export (2), and its maximum."""
        metering = self.metering
        scaler_unit = ScalerUnit(0, Unit.WATT)
        demand = DemandBehaviour(self.host, f"1-0:{channel}.4.0.255", lambda: metering.energy[channel], scaler_unit)
        return demand, MaximumBehaviour(self.host, f"1-0:{channel}.6.0.255", demand)

    def profile(
        self, name: str, period: int, capacity: int, captures: Sequence[CaptureObject] = _LOAD_COLUMNS
    ) -> ProfileBuffer:
        """Add a profile: `period` in seconds, 0 for one that captures only on demand."""
        holder: list[ProfileBuffer] = []

        def resolve(capture: CaptureObject) -> Column | None:
            return self._column(capture, holder)

        found = [self._column(capture, holder) for capture in captures]
        buffer = ProfileBuffer(
            name,
            [column for column in found if column is not None],
            self.clock,
            period=period,
            capacity=capacity,
            compress_nulls=self.settings.compress_nulls and name == LOAD_PROFILE,
            resolve=resolve,
        )
        holder.append(buffer)
        writers = dict(buffer.writers)
        if name == LOAD_PROFILE:
            self.clock.measuring_period = period or QUARTER
            writers[4] = self._write_load_period
            status = DataObject(STATUS)
            self.host.compute(status, 2, lambda: Data(Tag.UNSIGNED, buffer.status(self.clock.now)))
            self.logical.add(status)
        self.logical.add(buffer.object)
        self.device.readers[bytes(buffer.object.obis), 2] = buffer.read
        self._writers(buffer.object, writers)
        self.device.schedule.add(buffer)
        return buffer

    def _write_load_period(self, value: Data) -> DataAccessResult:
        """Take a period of the load profile: it is the clock's measuring period too."""
        result = self.load_profile.writers[4](value)
        if result is DataAccessResult.SUCCESS:
            self.clock.measuring_period = value.value or QUARTER
        return result

    def _column(self, capture: CaptureObject, holder: list[ProfileBuffer]) -> Column | None:
        """Return a column of a profile, None where there is no such attribute or it is not for everybody's eyes."""
        name = bytes(capture.logical_name)
        key = (capture.class_id, name, capture.attribute_index, capture.data_index)
        clock = self.clock
        if key == CLOCK_COLUMN:
            return Column(capture, lambda utc: b"\x09\x0c" + clock.octets(utc))
        if key == _STATUS_COLUMN:
            return Column(capture, lambda utc: bytes((Tag.UNSIGNED, holder[0].status(utc))))
        if key in _ENERGIES:
            return Column(capture, _energy_octets(self.metering, _ENERGIES[key]))
        obj: Any = self.logical.objects.get(name)
        if obj is None or obj.class_id != capture.class_id or obj.class_id in _NEVER_CAPTURED:
            return None
        if capture.attribute_index not in obj.attributes:
            return None
        return Column(capture, lambda utc: _captured(obj, capture))

    # --- associations --------------------------------------------------------------------------------------

    def _management_rights(self, obj: Any) -> AccessRights:
        return management_rights(self.device, obj)

    def _associations(self) -> None:
        settings = self.settings
        referencing = settings.referencing
        self.logical.associate(AssociationSpec(PUBLIC_CLIENT, 1, only(_PUBLIC), referencing=referencing))
        ciphered = settings.policy != 0
        management = AssociationSpec(
            MANAGEMENT_CLIENT,
            2,
            self._management_rights,
            mechanism=settings.mechanism,
            secret=settings.secret,
            policy=settings.policy,
            keys=settings.keys,
            max_pdu_size=settings.max_pdu_size,
            security_setup=SECURITY_SETUP if ciphered or settings.mechanism == 5 else None,
            manufacturer=settings.manufacturer,
            referencing=referencing,
        )
        self.security.associations.append(self.logical.associate(management))
        if settings.broadcast_title:
            broadcast = AssociationSpec(
                BROADCAST_CLIENT,
                4,
                lambda obj: broadcast_rights(obj, self._management_rights),
                policy=settings.policy,
                keys=settings.keys,
                max_pdu_size=settings.max_pdu_size,
                security_setup=SECURITY_SETUP if ciphered else None,
                pre_established=True,
                client_system_title=settings.broadcast_title,
                referencing=referencing,
            )
            self.security.associations.append(self.logical.associate(broadcast))
        if self.equipment.customer.push is not None:
            self.equipment.customer.push.associate(referencing)
        if settings.password is not None:
            reading: Rights = readings_only
            self.logical.associate(
                AssociationSpec(
                    READING_CLIENT,
                    3,
                    reading,
                    mechanism=1,
                    secret=settings.password,
                    max_pdu_size=settings.max_pdu_size,
                    referencing=referencing,
                )
            )


_NEVER_CAPTURED = (7, *ASSOCIATION_CLASSES, 64)
"""Classes no profile may capture: buffers would hold each other, and secrets would come out by a back door."""
_WRITABLE_TOO = {(8, 2)}
"""Dynamic attributes a manager may write all the same: the time."""

_BROADCAST_WRITES = {8: (2,), 18: (), 71: (8,)}
_BROADCAST_METHODS = {8: (1, 2, 3, 4, 5, 6), 18: (1, 2), 71: ()}
"""What may be written and called by broadcast, by class."""


def management_rights(device: PhysicalDevice, obj: Any) -> AccessRights:
    """Let a manager do everything; what a behaviour takes it may write though it is dynamic, such as the time."""
    rights = full_access(obj)
    written = {number for class_id, number in _WRITABLE_TOO if class_id == obj.class_id}
    name = bytes(obj.obis)
    written |= {number for number in obj.attributes if (name, number) in device.writers}
    attributes = tuple(
        AttributeAccess(right.attribute_id, Access.READ_AND_WRITE) if right.attribute_id in written else right
        for right in rights.attribute_access
    )
    return AccessRights(attributes, rights.method_access)


def broadcast_rights(obj: Any, rights_of: Callable[[Any], AccessRights]) -> AccessRights | None:
    """What goes to all meters at once: the time, blocks of an image, the emergency profile of a limiter."""
    written = _BROADCAST_WRITES.get(obj.class_id)
    if written is None:
        return None
    rights = rights_of(obj)
    attributes = tuple(right for right in rights.attribute_access if right.attribute_id in written)
    methods = tuple(right for right in rights.method_access if right.method_id in _BROADCAST_METHODS[obj.class_id])
    return AccessRights(attributes, methods)


def _captured(obj: Any, capture: CaptureObject) -> bytes:
    """Return what is captured of an attribute: the whole, or an element of it; null-data for what is not there."""
    data: Data | None = obj.store.data(capture.attribute_index)
    if data is not None and capture.data_index:
        parts = data.value if data.tag in (Tag.STRUCTURE, Tag.ARRAY) else ()
        data = parts[capture.data_index - 1] if capture.data_index <= len(parts) else None
    return b"\x00" if data is None else axdr.encode(data)


def _energy(metering: Metering, channel: int, tariff: int) -> Callable[[], int]:
    return lambda: metering.watt_hours(channel, tariff) & 0xFFFFFFFF


def _energy_octets(metering: Metering, channel: int) -> Callable[[int], bytes]:
    pack = _UNSIGNED32.pack
    return lambda utc: pack(Tag.DOUBLE_LONG_UNSIGNED, metering.watt_hours(channel) & 0xFFFFFFFF)


def _power(metering: Metering, channel: int) -> Callable[[], int]:
    return partial(metering.power, channel)


def _of_phase(read: Callable[[int], int], phase: int) -> Callable[[], int]:
    return partial(read, phase)
