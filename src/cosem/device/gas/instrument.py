"""What every gas device is built around: clock, identity, clients, locks, events, status, records of changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from cosem.apdu.base import AttributeDescriptor, MethodDescriptor, SelectiveAccess
from cosem.association.server import Session
from cosem.classes.access import Access, AccessRights, AttributeAccess
from cosem.classes.c001_data import Data as DataObject
from cosem.classes.c003_register import Register
from cosem.classes.c004_extended_register import ExtendedRegister
from cosem.classes.common import CaptureObject
from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag
from cosem.device.associations import AssociationSpec, full_access, only, readings_only
from cosem.device.causes import Cause
from cosem.device.clock import DeviceClock
from cosem.device.clock_events import ClockEvents
from cosem.device.device import PhysicalDevice
from cosem.device.events import Events
from cosem.device.gas.configuration import Configuration, Parameter
from cosem.device.gas.locks import Level, Locks
from cosem.device.gas.object_map import ObjectMap, Shown, object_map
from cosem.device.gas.quantities import Quantities, Quantity, counted, shown
from cosem.device.gas.records import ChangeColumns, Records, refuse, seal_log
from cosem.device.gas.status import StatusWord
from cosem.device.guard import Guard, GuardOptions
from cosem.device.host import Host
from cosem.device.logical_device import LogicalDevice
from cosem.device.random import Random
from cosem.device.security import SecuritySetupBehaviour
from cosem.device.shown import NO_TIME
from cosem.errors import ConfigError
from cosem.obis import Obis
from cosem.results import ActionResult, DataAccessResult
from cosem.security.counters import CounterStore
from cosem.security.keys import Keys
from cosem.units import ScalerUnit

PUBLIC_CLIENT, MANAGEMENT_CLIENT, READING_CLIENT = 16, 1, 2
SECURITY_SETUP = Obis.parse("0-0:43.0.0.255")
INVOCATION_COUNTER = "0-0:43.1.0.255"
CLOCK = "0-0:1.0.0.255"
POWER = "no power"
"""Why the device is down."""
_PUBLIC = (CLOCK, "0-0:42.0.0.255", "0-0:41.0.0.255", INVOCATION_COUNTER, "0-0:96.1.0.255")
PROFILE = 7
_WRITABLE_TOO = {(8, 2)}
"""Dynamic attributes a manager may write all the same: the time."""


@dataclass(slots=True)
class InstrumentSettings:
    """How a gas device is built: identity, clients, object map.

    `mechanism`, `policy`, `keys` and `secret` are those of the management client (SAP 1); `password` opens the reading
    client (SAP 2). `codes` open the locks below calibration. `market` names the object map. `zone` in minutes.
    """

    system_title: bytes = b"CSM\x00\x00\x00\x00\x07"
    serial: str = "70000001"
    mechanism: int = 5
    policy: int = 3
    keys: Keys = field(default_factory=Keys, repr=False)
    secret: bytes | None = field(default=None, repr=False)
    password: bytes | None = field(default=None, repr=False)
    codes: Mapping[Level, bytes] = field(default_factory=dict, repr=False)
    market: str = "generic"
    zone: int = -60
    daylight_saving: bool = True
    max_pdu_size: int = 1024
    certification_rows: int = 50
    audit_rows: int = 1000
    guard: GuardOptions = field(default_factory=GuardOptions)


class GasPhysicalDevice(PhysicalDevice):
    """A device that knows which client is behind what is done to it: `user`, 0 where it is nobody from outside."""

    user = 0

    @contextmanager
    def _used(self, session: Session) -> Iterator[None]:
        self.user = session.address.client
        try:
            yield
        finally:
            self.user = 0

    def set(
        self, session: Session, target: AttributeDescriptor, selection: SelectiveAccess | None, data: bytes
    ) -> DataAccessResult:
        """Write one attribute."""
        with self._used(session):
            return super().set(session, target, selection, data)

    def action(
        self, session: Session, target: MethodDescriptor, data: bytes | None
    ) -> tuple[ActionResult, bytes | None]:
        """Invoke one method."""
        with self._used(session):
            return super().action(session, target, data)


class GasInstrument:
    """The common part of gas devices. Whoever builds one adds its objects, then calls `finish`."""

    words = "gas device"
    """What it is, for people."""

    def __init__(
        self,
        settings: InstrumentSettings,
        start: int,
        random: Random,
        *,
        simulation: bool = False,
        counters: CounterStore | None = None,
    ) -> None:
        self.settings = settings
        self.map: ObjectMap = object_map(settings.market)
        self.device = GasPhysicalDevice(settings.system_title, start, random, simulation=simulation, counters=counters)
        schedule = self.device.schedule
        self.clock = DeviceClock(lambda: schedule.now, zone=settings.zone, daylight_saving=settings.daylight_saving)
        name = settings.system_title[:3] + settings.serial.encode("ascii")[:13]
        self.logical = self.device.add(LogicalDevice(1, name))
        self.host = Host(self.device, self.logical, self.clock)
        self._identity(name)
        self.logical.add(self.clock.object)
        self.host.writers(self.clock.object, self.clock.writers)
        self.locks = Locks(self.host, settings.codes, user=lambda: self.device.user)
        self.security = SecuritySetupBehaviour(
            self.host, str(SECURITY_SETUP), settings.system_title, settings.policy, settings.keys.master_key, 0
        )

    def _identity(self, name: bytes) -> None:
        add = self.logical.add
        add(DataObject("0-0:42.0.0.255", value=axdr.octet_string(name)))
        add(DataObject("0-0:96.1.0.255", value=axdr.octet_string(self.settings.serial.encode("ascii"))))
        counter = DataObject(INVOCATION_COUNTER, value=axdr.double_long_unsigned(0))
        self.host.compute(counter, 2, lambda: Data(Tag.DOUBLE_LONG_UNSIGNED, self._received_counter()))
        add(counter)

    def _received_counter(self) -> int:
        keys = self.logical.associations[MANAGEMENT_CLIENT].spec.keys
        return self.device.received_counter(keys.global_unicast_encryption_key or b"")

    # --- objects -------------------------------------------------------------------------------------------

    def show(self, quantities: Quantities) -> None:
        """Add the objects that the map gives codes to. What is not a quantity of this device is left out."""
        for item in self.map.objects:
            if item.what in quantities:
                self._show(item, quantities[item.what])

    def _show(self, item: Shown, quantity: Quantity) -> None:
        encode = counted if quantity.counted else shown
        read = lambda: encode(quantity.read(), item.scaler, item.kind)  # noqa: E731
        unit = ScalerUnit(item.scaler, quantity.unit)
        if item.class_id == 4:
            extended = self.host.add(ExtendedRegister(item.name, scaler_unit=unit, status=axdr.unsigned(0)))
            self.host.compute(extended, 2, read)
            self.host.compute(extended, 5, lambda: Data(Tag.OCTET_STRING, self._moment(quantity)))
        elif item.class_id == 3:
            self.host.compute(self.host.add(Register(item.name, scaler_unit=unit)), 2, read)
        else:
            self.host.compute(self.host.add(DataObject(item.name, value=Data(Tag.NULL_DATA, None))), 2, read)

    def _moment(self, quantity: Quantity) -> bytes:
        at = None if quantity.at is None else quantity.at()
        return NO_TIME if at is None else self.clock.octets(at)

    def events_and_status(self) -> None:
        """Add event logs, alarms and status words: what they capture has to be there."""
        self.events = Events(self.host, self.map.companion)
        for name, level in (("standard", Level.SUPPLIER), ("metrological", Level.CALIBRATION)):
            self._guard_log(name, level)
        self.clock_events = ClockEvents(self.host)
        self.status = StatusWord(self.map.status, self.host.causes.listeners.append)

    def _guard_log(self, name: str, level: Level) -> None:
        """Let an event log be emptied under an open lock only."""
        buffer = self.events.logs[name].buffer
        store: Any = buffer.object.store
        empty = store.handlers[1]
        seal_log(self.host, buffer)

        def guarded(parameter: int) -> None:
            if not self.locks.allows(level):
                self.host.note(Cause.WRITE_LOCKED, lock=level.value, client=self.device.user)
                refuse(parameter)
            empty(parameter)

        self.host.handle(buffer.object, 1, guarded)

    @property
    def metrological_events(self) -> int:
        """Return how many rows the metrological log has."""
        return len(self.events.logs["metrological"].buffer.rows)

    def status_quantities(self) -> Quantities:
        """Return the status words."""
        return Quantities(
            {
                "status.momentary": Quantity(lambda: self.status.momentary),
                "status.latched": Quantity(lambda: self.status.latched),
                "status.daily": Quantity(lambda: self.status.daily),
                "events.metrological": Quantity(lambda: self.metrological_events),
                "clock.unix": Quantity(lambda: self.clock.now),
            }
        )

    def records_and_locks(self, parameters: Mapping[str, Parameter]) -> None:
        """Add the logs of changes, the locks and the configuration objects."""
        places, settings = self.map.places, self.settings
        columns = ChangeColumns(self.host, places["changes"], CaptureObject(3, places["counter"], 2))
        user = lambda: self.device.user  # noqa: E731
        self.records = Records(
            self.host,
            self.locks,
            columns,
            audit=places["audit"],
            certification=places["certification"],
            audit_rows=settings.audit_rows,
            certification_rows=settings.certification_rows,
        )
        self.configuration = Configuration(self.host, self.locks, self.records, user=user)
        for item in self.map.parameters:
            if item.what in parameters:
                self.configuration.add(parameters[item.what], item.name, item.class_id, item.scaler, item.kind)
        for level in Level:
            self._lock(level)
        self._latched()

    def _lock(self, level: Level) -> None:
        """Add the state of a lock (writing 0 closes it) and, below calibration, what takes its code."""
        state_name, code_name = (_numbered(self.map.places[place], level) for place in ("locks", "lock_codes"))
        state = self.host.add(DataObject(state_name, value=axdr.unsigned(0)))
        self.host.compute(state, 2, lambda: Data(Tag.UNSIGNED, int(self.locks.is_open(level))))

        def close(value: Data) -> DataAccessResult:
            if value.tag is not Tag.UNSIGNED or value.value:
                return DataAccessResult.OTHER_REASON
            self.locks.close(level)
            return DataAccessResult.SUCCESS

        self.host.writers(state, {2: close})
        if level is Level.CALIBRATION:
            return
        code = self.host.add(DataObject(code_name, value=axdr.octet_string(b"")))
        # Nobody reads a code.
        self.host.compute(code, 2, lambda: axdr.octet_string(b""))

        def enter(value: Data) -> DataAccessResult:
            if value.tag is not Tag.OCTET_STRING:
                return DataAccessResult.TYPE_UNMATCHED
            opened = self.locks.enter(level, value.value)
            return DataAccessResult.SUCCESS if opened else DataAccessResult.READ_WRITE_DENIED

        self.host.writers(code, {2: enter})

    def _latched(self) -> None:
        """Let the latched status be cleared under the supplier's lock."""
        item = next((item for item in self.map.objects if item.what == "status.latched"), None)
        if item is None:
            return
        obj = self.host.find(item.name)
        if obj is None:
            return

        def take(value: Decimal | bytes) -> None:
            if isinstance(value, bytes) or not self.status.clear(int(value)):
                raise ConfigError("a status register takes no new bits")

        def write(value: Data) -> DataAccessResult:
            if not isinstance(value.value, int):
                return DataAccessResult.TYPE_UNMATCHED
            parameter = Parameter(lambda: self.status.latched, take)
            show = lambda: shown(self.status.latched, item.scaler, item.kind)  # noqa: E731
            result = self.configuration.change(parameter, item.name, show, lambda: take(Decimal(value.value)))
            if result is DataAccessResult.SUCCESS:
                self.host.note(Cause.STATUS_CLEARED)
            return result

        self.host.writers(obj, {2: write})

    # --- associations --------------------------------------------------------------------------------------

    def _management_rights(self, obj: Any) -> AccessRights:
        """Let a manager do what the locks let him: what a behaviour takes he may write, profiles he only reads."""
        rights = full_access(obj)
        name = bytes(obj.obis)
        written = {number for number in obj.attributes if (name, number) in self.device.writers}
        written |= {number for class_id, number in _WRITABLE_TOO if class_id == obj.class_id}
        attributes = tuple(
            AttributeAccess(right.attribute_id, Access.READ_AND_WRITE)
            if right.attribute_id in written and obj.class_id != PROFILE
            else AttributeAccess(right.attribute_id, Access(right.access & Access.READ))
            if obj.class_id in (1, 3, 4, 7)
            else right
            for right in rights.attribute_access
        )
        return AccessRights(attributes, rights.method_access)

    def finish(self) -> None:
        """Add the clients, and build: nothing can be added after that."""
        settings = self.settings
        self.logical.associate(AssociationSpec(PUBLIC_CLIENT, 1, only(_PUBLIC)))
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
        )
        self.security.associations.append(self.logical.associate(management))
        if settings.password is not None:
            self.logical.associate(
                AssociationSpec(
                    READING_CLIENT,
                    3,
                    readings_only,
                    mechanism=1,
                    secret=settings.password,
                    max_pdu_size=settings.max_pdu_size,
                )
            )
        self.guarded = Guard(self.host, settings.guard)
        self.device.build()

    def advance(self, until: int) -> None:
        """Let the device live up to `until`, UTC seconds since 1970."""
        self.device.advance(until)

    # --- power ---------------------------------------------------------------------------------------------

    def power_cut(self) -> None:
        """Take the power away, battery and all: nothing acts but the clock, nobody is answered."""
        if self.device.schedule.powered:
            self.host.note(Cause.POWER_DOWN)
            self.device.schedule.powered = False
            self.device.go_down(POWER)

    def power_back(self) -> None:
        """Give the power back: everything goes on from what was kept, and says so."""
        if not self.device.schedule.powered:
            self.device.schedule.powered = True
            self.device.come_up(POWER)
            self.resumed()
            self.host.note(Cause.POWER_UP)
            self.host.note(Cause.DATA_RESTORED)

    def resumed(self) -> None:
        """Do what is to be done first when power returns."""

    @property
    def now(self) -> int:
        """Return the device's moment in the simulation, UTC seconds."""
        return self.device.now


def _numbered(name: Obis, number: int) -> Obis:
    return Obis(bytes((*name[:4], number, 255)))
