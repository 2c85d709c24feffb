"""A physical device: logical devices, and the one place where requests of clients meet objects.

The order of checks for one request is: object in this association's list, class, attribute or method, access right,
protection the right asks for, selection, type, value, execution. Each has its result code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cosem.apdu.base import AttributeDescriptor, MethodDescriptor, SelectiveAccess
from cosem.association.server import ALL_STATIONS, AssociationProfile, Session
from cosem.classes.access import Access
from cosem.classes.c017_sap_assignment import AssignedSAP, SAPAssignment
from cosem.classes.model import Attribute, InterfaceClass, Method, Selection
from cosem.classes.types import OpenEnum, TypeMismatch
from cosem.codec import axdr
from cosem.codec.axdr import Data
from cosem.device.associations import ASSOCIATION_CLASSES, SECRETS, Association
from cosem.device.behaviour import Schedule
from cosem.device.counters import DeviceCounters
from cosem.device.errors import Refused
from cosem.device.logical_device import LogicalDevice
from cosem.device.random import Random, accept_random
from cosem.errors import AccessError, ConfigError, CosemError, DecodeError, EncodeError
from cosem.link.base import Address
from cosem.results import ActionResult, DataAccessResult
from cosem.security.context import BROADCAST_SET, UNICAST, SecurityContext
from cosem.security.counters import CounterStore, MemoryCounterStore
from cosem.security.keys import Keys
from cosem.security.policy import NOTHING
from cosem.security.title import SystemTitle
from cosem.units import Unit

MANAGEMENT_SAP = 1
_PROTECTION_OF_RIGHT = ((0x04, 0x10), (0x08, 0x20))
"""Bits of an access right that ask for an authenticated or encrypted request, and those of the security control."""
ENCRYPTED = 0x20
"""Bit of the security control of an enciphered request."""

_NULL = b"\x00"

OctetReader = Callable[[SelectiveAccess | None], bytes | DataAccessResult]
Writer = Callable[[Data], DataAccessResult]


@dataclass(frozen=True, slots=True)
class DeviceOptions:
    """Where the standard leaves a choice.

    The results for a code outside its enumeration (success takes it, as manufacturers with codes of their own do), for
    an attribute or method that does not exist, for a request less protected than the access right asks, for a selection
    that cannot be served (scope-of-access-violated is the other usual one), and for a command that the control mode of
    a disconnector does not allow; whether control mode 0 closes the contact, whether a limiter leaves out the action
    under its threshold where it was not over it long enough for the other one, and whether the counters of a new key
    begin anew or go on.
    """

    unknown_attribute: DataAccessResult = DataAccessResult.READ_WRITE_DENIED
    weak_protection: DataAccessResult = DataAccessResult.READ_WRITE_DENIED
    unknown_code: DataAccessResult = DataAccessResult.OTHER_REASON
    selection_refused: DataAccessResult = DataAccessResult.OTHER_REASON
    disconnect_refused: ActionResult = ActionResult.SUCCESS
    mode0_closes_relay: bool = True
    limiter_pairs_actions: bool = False
    new_key_counts_anew: bool = True


class PhysicalDevice:
    """A device that clients talk to; implements `cosem.association.server.ObjectServer`.

    Its time is virtual: `advance` lets it live up to a moment. `counters` keeps invocation counters over restarts.
    """

    def __init__(
        self,
        system_title: bytes,
        start: int,
        random: Random,
        *,
        simulation: bool = False,
        options: DeviceOptions | None = None,
        counters: CounterStore | None = None,
    ) -> None:
        self.system_title = SystemTitle(system_title)
        self.random = accept_random(random, simulation=simulation)
        self.simulation = simulation
        self.options = options or DeviceOptions()
        self.schedule = Schedule(start)
        self.logical_devices: dict[int, LogicalDevice] = {}
        self.readers: dict[tuple[bytes, int], OctetReader] = {}
        self.writers: dict[tuple[bytes, int], Writer] = {}
        self.on_write: list[Callable[[InterfaceClass, int, Data], None]] = []
        self.confidential: set[tuple[bytes, int]] = set()
        """Methods (object, number) whose parameter is a secret: it comes enciphered or not at all."""
        self.taken_as: dict[tuple[bytes, int], Callable[[Data], Data]] = {}
        """What makes a parameter of a method (object, number) out of one in another edition's type."""
        self.closed_to: list[Callable[[Address], bool]] = []
        self.on_confirmed: list[Callable[[int], None]] = []
        self.authentication_failures = 0
        self.security_failures = 0
        self.sessions: list[Session] = []
        self.counters = DeviceCounters(system_title, counters or MemoryCounterStore())
        self.on_opened: list[Callable[[Session], None]] = []
        self.on_authentication_failed: list[Callable[[Session], None]] = []
        self.on_security_failed: list[Callable[[Session, Exception], None]] = []
        self.down: set[str] = set()
        self.on_down: list[Callable[[], None]] = []
        self._associations: dict[int, Association] = {}

    # --- building ------------------------------------------------------------------------------------------

    def add(self, logical_device: LogicalDevice) -> LogicalDevice:
        """Add a logical device."""
        if logical_device.sap in self.logical_devices:
            raise ConfigError(f"server SAP {logical_device.sap} is taken")
        self.logical_devices[logical_device.sap] = logical_device
        return logical_device

    def build(self) -> None:
        """Finish: SAP assignment of the management logical device, tables of rights."""
        management = self.logical_devices.get(MANAGEMENT_SAP)
        if management is None:
            raise ConfigError("a physical device needs a management logical device (SAP 1)")
        saps = [AssignedSAP(device.sap, device.name) for device in self.logical_devices.values()]
        assignment = management.add(SAPAssignment("0-0:41.0.0", SAP_assignment_list=saps))
        store: Any = assignment.store
        store.handlers[1] = _refuse
        for device in self.logical_devices.values():
            device.build()
            self._associations |= {id(item.object): item for item in device.associations.values()}

    # --- time ----------------------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """Return the device's moment, UTC seconds since 1970."""
        return self.schedule.now

    def advance(self, until: int) -> None:
        """Let the device live up to `until`."""
        self.schedule.advance(until)

    # --- associations --------------------------------------------------------------------------------------

    def association_at(self, address: Address) -> Association | None:
        """Return the association between two access points; what goes to all stations is for pre-established ones."""
        device = self.logical_devices.get(address.server)
        if device is None:
            if address.server not in ALL_STATIONS:
                return None
            found = self.logical_devices[MANAGEMENT_SAP].associations.get(address.client)
            return found if found is not None and found.spec.pre_established else None
        return device.associations.get(address.client)

    def association_profile(self, address: Address) -> AssociationProfile | None:
        """Return how `address` may associate; None where there is no such client or server SAP, or nobody speaks."""
        association = None if self.down else self.association_at(address)
        if association is None or any(closed(address) for closed in self.closed_to):
            return None
        return self._profile(association)

    def _profile(self, association: Association) -> AssociationProfile:
        spec = association.spec
        return AssociationProfile(
            spec.client_sap,
            association.server_sap,
            spec.mechanism,
            association.secret,
            bool(spec.ciphered),
            bytes(self.system_title),
            spec.manufacturer,
            spec.conformance,
            spec.max_pdu_size,
            spec.pre_established,
            spec.client_system_title,
            spec.referencing,
            association.locked_until > self.now,
        )

    def security_context(self, profile: AssociationProfile, client_title: bytes) -> SecurityContext | None:
        """Return the security of a new association over the device's own counters."""
        association = self.association_at(Address(profile.client_sap, profile.server_sap))
        if association is None:
            return None
        spec = association.spec
        if not spec.ciphered and spec.mechanism != 5:
            return None
        context = SecurityContext(
            spec.keys,
            bytes(self.system_title),
            client_title,
            policy=spec.required if spec.ciphered else NOTHING,
            **self._counting(spec.keys, client_title),
        )
        association.contexts.add(context)
        return context

    def _counting(self, keys: Keys, client_title: bytes) -> dict[str, Any]:
        """Return the counters of a security context."""
        counters = self.counters
        key = keys.global_unicast_encryption_key or b""
        broadcast = keys.global_broadcast_encryption_key or b""
        places = {UNICAST: (key, client_title), BROADCAST_SET: (broadcast, client_title)}
        received = {key_set: counters.receiving(place) for key_set, place in places.items()}
        return {
            "sending": counters.sending(key),
            "receiving": received[UNICAST],
            "receiving_broadcast": received[BROADCAST_SET],
            "persist": lambda key_set, counter: counters.accepted(places[key_set], received[key_set], counter),
        }

    def change_keys(self, association: Association, keys: Keys) -> None:
        """Give an association new keys: the answer under way is the last thing the old ones protect.

        A new unicast key counts from the beginning, or goes on where the old one stands, as the options say. One that
        was in use before never counts anew: nothing may be protected twice under the same counter.
        """
        before, key = association.spec.keys.global_unicast_encryption_key, keys.global_unicast_encryption_key
        if not self.options.new_key_counts_anew and before is not None and key is not None and before != key:
            self.counters.carry(before, key)
        association.spec.keys = keys
        for context in association.contexts:
            context.renew(keys, **self._counting(keys, context.peer_title))

    def go_down(self, why: str) -> None:
        """Stop to communicate, as in a restart or without power: what is open ends, nobody is answered.

        That lasts until `come_up` was called for every reason there is.
        """
        self.down.add(why)
        for session in list(self.sessions):
            if session.end is not None:
                session.end()
        self.sessions.clear()
        for told in self.on_down:
            told()

    def come_up(self, why: str) -> None:
        """Communicate again, unless there is another reason not to."""
        self.down.discard(why)

    def received_counter(self, key: bytes) -> int:
        """Return the largest counter accepted under `key`, 0 before the first."""
        return self.counters.received(key)

    def opened(self, session: Session) -> None:
        """Take an open session into the list."""
        session.state = self.association_at(session.address)
        if not any(item is session for item in self.sessions):
            self.sessions.append(session)
        for told in self.on_opened:
            told(session)

    def closed(self, session: Session) -> None:
        """Forget a session."""
        self.sessions = [item for item in self.sessions if item is not session]

    def notification_confirmed(self, session: Session, invoke: int) -> None:
        """Learn that a client has a notification."""
        for told in self.on_confirmed:
            told(invoke)

    def authentication_failed(self, session: Session) -> None:
        """Count a wrong password or proof."""
        self.authentication_failures += 1
        for told in self.on_authentication_failed:
            told(session)

    def security_failed(self, session: Session, error: Exception) -> None:
        """Count a wrong tag, replay or violated policy."""
        self.security_failures += 1
        for told in self.on_security_failed:
            told(session, error)

    # --- GET -----------------------------------------------------------------------------------------------

    def get(
        self, session: Session, target: AttributeDescriptor, selection: SelectiveAccess | None
    ) -> bytes | DataAccessResult:
        """Read one attribute."""
        association: Association = session.state  # type: ignore[assignment]
        entry = association.attributes.get(target)
        if entry is None:
            return self._why(association, target)
        obj, _, access = entry
        if not access & 0x01:
            return DataAccessResult.READ_WRITE_DENIED
        if access & 0xFC and not _protected(access, session.request_protection):
            return self.options.weak_protection
        number = target[2]
        if target[0] in ASSOCIATION_CLASSES and id(obj) in self._associations:
            return self._association_attribute(obj, session, number, selection)
        reader = self.readers.get((obj.obis, number))
        if reader is not None:
            answer = reader(selection)
            return self.options.selection_refused if answer is DataAccessResult.OTHER_REASON else answer
        if selection is not None:
            return self.options.selection_refused
        data = obj.store.data(number)  # type: ignore[attr-defined]
        if data is None:
            return DataAccessResult.OBJECT_UNAVAILABLE
        return axdr.encode(data)

    def _association_attribute(
        self, obj: InterfaceClass, session: Session, number: int, selection: SelectiveAccess | None
    ) -> bytes | DataAccessResult:
        """Read an association object: the session's own, or another with whatever session it has."""
        shown = self._associations[id(obj)]
        if shown is not session.state:
            session = next((item for item in self.sessions if item.state is shown), self._nobody(shown))
        chosen = None
        if selection is not None:
            declared = type(obj).attributes.get(number)
            if declared is None or selection.selector not in declared.selectors:
                return self.options.selection_refused
            try:
                chosen = Selection(selection.selector, axdr.decode(selection.parameters))
            except DecodeError:
                return self.options.selection_refused
        if number == 2 and chosen is None:
            return shown.object_list()
        answer = shown.attribute_of(session, number, chosen)
        if answer is DataAccessResult.OTHER_REASON:
            return self.options.selection_refused
        return answer if isinstance(answer, DataAccessResult) else axdr.encode(answer)

    def _nobody(self, association: Association) -> Session:
        """Return a session of an association that nobody uses."""
        address = Address(association.spec.client_sap, association.server_sap)
        return Session(self._profile(association), address)

    def _why(self, association: Association, target: AttributeDescriptor) -> DataAccessResult:
        """Return what is wrong with a target that no entry fits."""
        obj = association.visible.get(bytes(target.instance))
        if obj is None:
            return DataAccessResult.OBJECT_UNDEFINED
        if obj.class_id != target.class_id:
            return DataAccessResult.OBJECT_CLASS_INCONSISTENT
        if target.attribute in obj.attributes:
            return DataAccessResult.READ_WRITE_DENIED
        return self.options.unknown_attribute

    # --- SET -----------------------------------------------------------------------------------------------

    def set(
        self, session: Session, target: AttributeDescriptor, selection: SelectiveAccess | None, data: bytes
    ) -> DataAccessResult:
        """Write one attribute."""
        association: Association = session.state  # type: ignore[assignment]
        entry = association.attributes.get(target)
        if entry is None:
            return self._why(association, target)
        obj, attribute, access = entry
        if not access & Access.WRITE:
            return DataAccessResult.READ_WRITE_DENIED
        if access & 0xFC and not _protected(access, session.request_protection):
            return self.options.weak_protection
        if selection is not None:
            return self.options.selection_refused
        try:
            value = axdr.decode(data)
        except DecodeError:
            return DataAccessResult.TYPE_UNMATCHED
        return self.put(obj, attribute, value)

    def put(self, obj: InterfaceClass, attribute: Attribute[Any], value: Data) -> DataAccessResult:
        """Write an attribute as a client's request or one of the device's own scripts does, whoever has the right.

        What took the value is told to everybody in `on_write`.
        """
        store: Any = obj.store
        writer = self.writers.get((bytes(obj.obis), attribute.id))
        try:
            current = store.data(attribute.id)
            attribute.type.check(value)
            # A CHOICE was made when the meter was built; a client cannot make another.
            if current is not None and current.tag is not value.tag and len(attribute.type.tags) > 1:
                return DataAccessResult.TYPE_UNMATCHED
            if self.options.unknown_code and value != current and _has_unknown_code(attribute.type.from_data(value)):
                return self.options.unknown_code
            if writer is not None:
                result = writer(value)
            elif obj.class_id in ASSOCIATION_CLASSES and (shown := self._associations.get(id(obj))) is not None:
                secret = (obj.class_id, attribute.id) in SECRETS
                result = self._set_secret(shown, value) if secret else DataAccessResult.OTHER_REASON
            else:
                store.write(obj, attribute, value)
                result = DataAccessResult.SUCCESS
        except TypeMismatch:
            return DataAccessResult.TYPE_UNMATCHED
        except Refused as refused:
            return DataAccessResult(int(refused.result))
        except (EncodeError, CosemError):
            return DataAccessResult.OTHER_REASON
        if result is DataAccessResult.SUCCESS:
            for told in self.on_write:
                told(obj, attribute.id, value)
        return result

    def _set_secret(self, association: Association, value: Data) -> DataAccessResult:
        """Take a password or secret for the next association."""
        if not association.has_settable_secret:
            return DataAccessResult.READ_WRITE_DENIED
        return DataAccessResult.SUCCESS if association.change_secret(value.value) else DataAccessResult.OTHER_REASON

    # --- ACTION --------------------------------------------------------------------------------------------

    def action(
        self, session: Session, target: MethodDescriptor, data: bytes | None
    ) -> tuple[ActionResult, bytes | None]:
        """Invoke one method."""
        association: Association = session.state  # type: ignore[assignment]
        entry = association.methods.get(target)
        if entry is None:
            return self._why_not(association, target), None
        obj, method, access = entry
        if not access & Access.ACCESS:
            return ActionResult.READ_WRITE_DENIED, None
        if access & 0xFC and not _protected(access, session.request_protection):
            return ActionResult(int(self.options.weak_protection)), None
        if (obj.obis, target.method) in self.confidential and not session.request_protection & ENCRYPTED:
            return ActionResult(int(self.options.weak_protection)), None
        try:
            parameter = None if data is None else axdr.decode(data)
        except DecodeError:
            return ActionResult.TYPE_UNMATCHED, None
        own = None
        if obj is association.object:
            own = lambda: association.own_action(self, session, method, parameter)  # noqa: E731
        result, answer = self.perform(obj, method, parameter, own)
        return result, None if answer is None else axdr.encode(answer)

    def perform(
        self,
        obj: InterfaceClass,
        method: Method[Any, Any],
        parameter: Data | None,
        instead: Callable[[], Data | None] | None = None,
    ) -> tuple[ActionResult, Data | None]:
        """Invoke a method as a client's request or one of the device's own scripts does, whoever has the right.

        `instead` is called in place of the object's own handler.
        """
        store: Any = obj.store
        if parameter is not None and (taken := self.taken_as.get((obj.obis, method.id))) is not None:
            parameter = taken(parameter)
        try:
            answer = instead() if instead is not None else store.invoke_data(obj, method, parameter)
        except (TypeMismatch, DecodeError):
            return ActionResult.TYPE_UNMATCHED, None
        except Refused as refused:
            return ActionResult(int(refused.result)), None
        except AccessError as error:
            return ActionResult(int(error.result)), None
        except CosemError:
            return ActionResult.OTHER_REASON, None
        return ActionResult.SUCCESS, answer

    def _why_not(self, association: Association, target: MethodDescriptor) -> ActionResult:
        obj = association.visible.get(bytes(target.instance))
        if obj is None:
            return ActionResult.OBJECT_UNDEFINED
        if obj.class_id != target.class_id:
            return ActionResult.OBJECT_CLASS_INCONSISTENT
        if target.method in obj.methods:
            return ActionResult.READ_WRITE_DENIED
        return ActionResult(int(self.options.unknown_attribute))

    # --- short names ---------------------------------------------------------------------------------------

    def read(self, session: Session, name: int, selection: SelectiveAccess | None) -> bytes | DataAccessResult:
        """Read the attribute with this short name, or invoke the method with it, which takes a parameter."""
        association: Association = session.state  # type: ignore[assignment]
        target = association.names.get(name)
        if target is None:
            return DataAccessResult.OBJECT_UNDEFINED
        if isinstance(target, AttributeDescriptor):
            return self.get(session, target, selection)
        if selection is None:
            # To look what is behind a name must not switch anything.
            return DataAccessResult.READ_WRITE_DENIED
        result, answer = self.action(session, target, selection.parameters)
        if result:
            return DataAccessResult(int(result))
        return _NULL if answer is None else answer

    def write(self, session: Session, name: int, selection: SelectiveAccess | None, data: bytes) -> DataAccessResult:
        """Write the attribute with this short name, or invoke the method with it."""
        association: Association = session.state  # type: ignore[assignment]
        target = association.names.get(name)
        if target is None:
            return DataAccessResult.OBJECT_UNDEFINED
        if isinstance(target, AttributeDescriptor):
            return self.set(session, target, selection, data)
        if selection is not None:
            return self.options.selection_refused
        return DataAccessResult(int(self.action(session, target, data)[0]))


def _has_unknown_code(value: Any) -> bool:
    """Whether a code of an enumeration in `value` is none that its declaration has."""
    if isinstance(value, tuple):
        return any(map(_has_unknown_code, value))
    return isinstance(value, (OpenEnum, Unit)) and not value.known


def _refuse(parameter: Any) -> None:
    """Be a method that the standard gives every object of a class and that this device does not carry out."""
    raise Refused(ActionResult.OTHER_REASON)


def _protected(access: int, request: int) -> bool:
    """Whether a request has the protection that an access right asks for."""
    return all(not access & right or request & control for right, control in _PROTECTION_OF_RIGHT)
