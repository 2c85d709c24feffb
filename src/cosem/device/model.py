"""Being the device that a model describes: its objects with the stored values, its associations and access rights.

Values stay as they are stored unless a client writes them; clocks run. What cannot be done from data alone, the
methods of the objects, is refused with other-reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from cosem.apdu.base import AttributeDescriptor, MethodDescriptor
from cosem.apdu.initiate import VAA_NAME_SN
from cosem.classes.access import Access, AccessRights, AttributeAccess, ObjectListElement, encode_mode
from cosem.classes.model import Attribute, InterfaceClass, Method, Unknown, bind
from cosem.classes.store import LocalStore
from cosem.classes.types import TypeMismatch, raw_data
from cosem.codec.axdr import Data, Tag, encode
from cosem.device.associations import CURRENT, SECRETS, Association, AssociationSpec, Entry, MethodEntry
from cosem.device.device import DeviceOptions, PhysicalDevice
from cosem.device.errors import Refused
from cosem.device.logical_device import LogicalDevice
from cosem.device.random import Random
from cosem.device.short_names import STEP, ShortNameAssociation, names_of
from cosem.errors import ConfigError, CosemError, EncodeError
from cosem.models.model import AssociationModel, DeviceModel, LogicalDeviceModel, ObjectModel
from cosem.obis import Obis
from cosem.results import ActionResult, DataAccessResult
from cosem.security.counters import CounterStore
from cosem.security.keys import Keys
from cosem.times import MAX_DEVIATION, CosemDateTime

NAME_OBJECT = Obis.parse("0-0:42.0.0.255")
NO_NAME = b"cosem model"
DEFAULT_TITLE = b"CSM\x00\x00\x00\x00\x00"
_CLOCK_CLASS, _TIME, _TIME_ZONE = 8, 2, 3
_LIVE = {12: 4, 15: 9}
"""The highest attribute of an association object that comes from the session and the model, not from a value: the
reference to its security setup."""
_RIGHTS_OF_SN = {2: 2, 3: 2, 4: 3}
"""The version of Association LN whose access modes a version of Association SN has; older ones tell no rights."""
_RESULTS = {result.label: result for result in DataAccessResult}


class ModelMeter:
    """A physical device made from a model. `device` is what a server serves, `advance` lets its clocks run.

    `keys`, `password` (low level security) and `secret` (high level security) serve every association that needs them.
    Raises `ConfigError` that names the association or object where the model cannot be served.
    """

    def __init__(
        self,
        model: DeviceModel,
        start: int,
        random: Random,
        *,
        keys: Keys | None = None,
        password: bytes | None = None,
        secret: bytes | None = None,
        simulation: bool = False,
        options: DeviceOptions | None = None,
        counters: CounterStore | None = None,
    ) -> None:
        if not model.associations:
            raise ConfigError("the model has no association: nobody could read this device")
        self.model = model
        self.device = _ModelDevice(
            model.system_title or DEFAULT_TITLE,
            start,
            random,
            simulation=simulation,
            options=options,
            counters=counters,
        )
        for described in model.logical_devices:
            logical = self.device.add(LogicalDevice(described.sap, _name(described)))
            objects = [_object(self.device, obj, described) for obj in described.objects]
            for obj in objects:
                logical.objects.setdefault(bytes(obj.obis), obj)  # meters have several of one name
            for association in described.associations:
                spec = _spec(association, described, keys or Keys(), password, secret)
                kind = _ModelShortNames if association.referencing == "sn" else _ModelAssociation
                logical.associations[association.client] = kind(spec, association, described, logical, objects)
        self.device.build()
        self.logical = next(iter(self.device.logical_devices.values()))

    def advance(self, until: int) -> None:
        """Let the device live up to `until`, UTC seconds since 1970."""
        self.device.advance(until)

    @property
    def now(self) -> int:
        """Return the device's moment, UTC seconds."""
        return self.device.now


class _ModelDevice(PhysicalDevice):
    """A device whose SAP assignment is one of its stored objects, and whose logical devices are as described."""

    def build(self) -> None:
        for device in self.logical_devices.values():
            for association in device.associations.values():  # with the short names of the model, none to assign
                association.build(device.objects.values())
            self._associations |= {id(item.object): item for item in device.associations.values()}


class _ModelAssociation(Association):
    """An association whose object list is the one of the model, entry by entry."""

    def __init__(
        self,
        spec: AssociationSpec,
        association: AssociationModel,
        described: LogicalDeviceModel,
        logical: LogicalDevice,
        objects: list[InterfaceClass],
    ) -> None:
        super().__init__(spec, described.sap)
        self.object.obis = _own_name(association, described)
        self._described = described
        self._logical = logical
        self._objects = objects
        self._own_names = {CURRENT, association.object}
        self._current = CURRENT
        store: Any = self.object.store
        for obj in described.objects:
            if (obj.class_id, obj.name) == (self.class_id, self.object.obis):
                live = _LIVE[self.class_id]
                store.values.update({number: data for number, data in obj.values.items() if number > live})

    def _is_own(self, obj: ObjectModel) -> bool:
        return obj.class_id == 15 and obj.name in self._own_names and self.spec.client_sap in obj.rights

    def build(self, objects: Iterable[InterfaceClass]) -> None:
        """Fill the tables from the model."""
        client = self.spec.client_sap
        all_objects = [association.object for association in self._logical.associations.values()]
        others = {(obj.class_id, obj.obis): obj for obj in all_objects if obj.obis != CURRENT}
        for obj, described in zip(self._objects, self._described.objects, strict=True):
            if client not in described.rights:
                continue
            if self._is_own(described):
                obj = self.object
            else:
                obj = others.get((described.class_id, described.name), obj)
            self._enter(obj, described, described.rights[client])
        current = bytes(self._current)
        if current not in self.visible:  # answered even where the list does not show it
            self.visible[current] = self.object
            for number, attribute in self.object.attributes.items():
                access = Access.NONE if (self.class_id, number) in SECRETS else Access.READ
                self.attributes[self.class_id, current, number] = Entry(self.object, attribute, int(access))
        try:
            self.object_list()
        except (EncodeError, TypeMismatch) as error:
            raise ConfigError(f"the object list of client {client} cannot be written: {error}") from None

    def _enter(self, obj: InterfaceClass, described: ObjectModel, rights: AccessRights | None) -> None:
        """Take one object into the tables; its first entry counts where the list shows it twice."""
        name = bytes(described.name)
        self.visible.setdefault(name, obj)
        shown = None if rights is None else self._writable_rights(described, rights)
        self.elements.append(ObjectListElement(*described.identity, shown))
        if rights is None:
            rights = self._untold(obj, described)
        for right in rights.attribute_access:
            number = right.attribute_id
            attribute = _attribute(obj, number, described.values.get(number))
            self.attributes.setdefault((obj.class_id, name, number), Entry(obj, attribute, int(right.access)))
        for allowed in rights.method_access:
            method = obj.methods.get(allowed.method_id) or _undeclared_method(allowed.method_id)
            key = (obj.class_id, name, allowed.method_id)
            self.methods.setdefault(key, MethodEntry(obj, method, int(allowed.access)))

    def _untold(self, obj: InterfaceClass, described: ObjectModel) -> AccessRights:
        """Return the rights where nobody told them: what is stored may be read."""
        numbers = {1, *described.values, *described.errors, *described.skipped}
        return AccessRights(tuple(AttributeAccess(number, Access.READ) for number in sorted(numbers)))

    @property
    def _version_of_rights(self) -> int | None:
        """Return the version of Association LN in whose modes the rights are told, None where they are not."""
        return self.object.class_version

    def _writable_rights(self, described: ObjectModel, rights: AccessRights) -> AccessRights | None:
        """Return rights as this version of the association can write them, modes of later versions by their number."""
        version = self._version_of_rights
        if version is None:
            return None
        attributes = []
        for right in rights.attribute_access:
            try:
                encode_mode(version, right.access, right.unknown_mode)
            except EncodeError:
                # Meters that call themselves version 0 send the modes of version 1; so does this one.
                mode = _mode_of_later(described, f"attribute {right.attribute_id}", right.access)
                right = right._replace(access=Access.NONE, unknown_mode=mode)
            attributes.append(right)
        methods = []
        for allowed in rights.method_access:
            try:
                encode_mode(version, allowed.access, allowed.unknown_mode, of_methods=True)
            except EncodeError as error:
                raise ConfigError(f"{described}, method {allowed.method_id}: {error}") from None
            if version == 0 and allowed.unknown_mode not in (None, 0, 1):
                raise ConfigError(
                    f"{described}, method {allowed.method_id}: version 0 knows no mode but true and false"
                )
            methods.append(allowed)
        return AccessRights(tuple(attributes), tuple(methods))


class _ModelShortNames(_ModelAssociation, ShortNameAssociation):
    """The same for short names: every object where its base name says, the association itself at FA00h."""

    def __init__(
        self,
        spec: AssociationSpec,
        association: AssociationModel,
        described: LogicalDeviceModel,
        logical: LogicalDevice,
        objects: list[InterfaceClass],
    ) -> None:
        super().__init__(spec, association, described, logical, objects)
        self._current = self.object.obis
        self._placed: list[tuple[InterfaceClass, ObjectModel, int]] = []

    def _is_own(self, obj: ObjectModel) -> bool:
        return any(obj is own for own in self._described.own_of_short_names(self.spec.client_sap))

    def build(self, objects: Iterable[InterfaceClass]) -> None:
        """Fill the tables, and those of short names."""
        super().build(objects)
        if self._version_of_rights is not None:
            try:
                encode(self.rights_list())
            except (EncodeError, TypeMismatch) as error:
                raise ConfigError(
                    f"the access rights of client {self.spec.client_sap} cannot be written: {error}"
                ) from None
        self._take_names()

    def _enter(self, obj: InterfaceClass, described: ObjectModel, rights: AccessRights | None) -> None:
        where = f"client {self.spec.client_sap}: {described}"
        base = VAA_NAME_SN if obj is self.object else described.base_name
        if base is None:
            raise ConfigError(f"{where} has no base name")
        if (described.class_id, described.name) == (self.class_id, self._current) and obj is not self.object:
            raise ConfigError(f"{where} is the association itself, which is at {VAA_NAME_SN:04X}h, not at {base:04X}h")
        super()._enter(obj, described, rights)
        self._bases.append(base)
        self._placed.append((obj, described, base))

    def _untold(self, obj: InterfaceClass, described: ObjectModel) -> AccessRights:
        return self._own_rights(None) if obj is self.object else super()._untold(obj, described)

    @property
    def _version_of_rights(self) -> int | None:
        return _RIGHTS_OF_SN.get(self.object.class_version)

    def _take_names(self) -> None:
        """Give what the model tells its short names, and then what only the classes declare those that are left.

        Meters may lay objects closer together than their classes are long, where they have not all of a class.
        """
        self.names.update(names_of(self.object, VAA_NAME_SN))
        owners = dict.fromkeys(self.names, "the association itself")
        for obj, described, base in self._placed:
            if obj is self.object:
                continue
            for name, target in self._told(obj, described, base).items():
                if self.names.setdefault(name, target) != target:
                    raise ConfigError(
                        f"client {self.spec.client_sap}: {owners[name]} and {described} both have the short name "
                        f"{name:04X}h"
                    )
                owners.setdefault(name, str(described))
        for obj, _, base in self._placed:
            for name, target in names_of(obj, base).items():
                self.names.setdefault(name, target)

    def _told(
        self, obj: InterfaceClass, described: ObjectModel, base: int
    ) -> dict[int, AttributeDescriptor | MethodDescriptor]:
        """Return the short names of what the model tells of an object; what has no offset, or not in 16 bits, has none.

        A class that nothing declares has its attributes a step apart, as all have; of its methods nobody knows.
        """
        kind, name = described.class_id, described.name
        rights = described.rights[self.spec.client_sap] or self._untold(obj, described)
        found: dict[int, AttributeDescriptor | MethodDescriptor] = {}
        for right in rights.attribute_access:
            number = right.attribute_id
            if isinstance(obj, Unknown):
                offset = STEP * (number - 1) if number >= 1 else None
            else:
                attribute = obj.attributes.get(number)
                offset = None if attribute is None else attribute.sn_offset
            if offset is not None and base + offset <= 0xFFFF:
                found[base + offset] = AttributeDescriptor(kind, name, number)
        for allowed in rights.method_access:
            method = obj.methods.get(allowed.method_id)
            if method is not None and method.sn_offset is not None and base + method.sn_offset <= 0xFFFF:
                found[base + method.sn_offset] = MethodDescriptor(kind, name, allowed.method_id)
        return found


def _own_name(association: AssociationModel, described: LogicalDeviceModel) -> Obis:
    """Return the logical name of an association's own object. Raises `ConfigError` where two could be it."""
    if association.referencing != "sn":
        return association.object
    names = list(dict.fromkeys(obj.name for obj in described.own_of_short_names(association.client)))
    if len(names) > 1:
        raise ConfigError(f"{names[0]} and {names[1]} both have the base name {VAA_NAME_SN:04X}h")
    return names[0] if names else association.object


def _mode_of_later(described: ObjectModel, what: str, access: Access) -> int:
    try:
        return encode_mode(1, access)
    except EncodeError as error:
        raise ConfigError(f"{described}, {what}: {error}") from None


def _attribute(obj: InterfaceClass, number: int, stored: Data | None) -> Attribute[Any]:
    """Return the declaration of an attribute, or one that takes anything where it is not, or the value departs."""
    attribute = obj.attributes.get(number)
    if attribute is not None and stored is not None:
        try:
            attribute.type.check(stored)
        except TypeMismatch:
            attribute = None
    return attribute or Attribute.undeclared(obj.class_id, number)


def _undeclared_method(number: int) -> Method[Any, Any]:
    return Method(number, raw_data, None, "not declared", default=None, optional=True, sn_offset=None)


def _spec(
    association: AssociationModel,
    described: LogicalDeviceModel,
    keys: Keys,
    password: bytes | None,
    secret: bytes | None,
) -> AssociationSpec:
    """Return what an association is built from. Raises `ConfigError` that names its client."""
    client = association.client
    if association.mechanism > 6:
        raise ConfigError(f"client {client}: authentication mechanism {association.mechanism} cannot be served")
    version = described.association_version(association)
    try:
        return AssociationSpec(
            client,
            association.object[4],
            lambda obj: None,  # the model has them, entry by entry
            mechanism=association.mechanism,
            secret=password if association.mechanism == 1 else secret,
            policy=association.policy,
            ciphered=association.ciphered or association.policy != 0,
            keys=keys,
            max_pdu_size=association.max_pdu_size or 1024,
            version=version,
            referencing=association.referencing,
            security_setup=_security_setup(association, described),
        )
    except ConfigError as error:
        raise ConfigError(f"client {client}: {error}") from None


def _security_setup(association: AssociationModel, described: LogicalDeviceModel) -> Obis | None:
    """Return the reference to the security setup that the association's own object holds."""
    kind, name = 12 if association.referencing == "sn" else 15, _own_name(association, described)
    for obj in described.objects:
        if (obj.class_id, obj.name) == (kind, name):
            data = obj.values.get(_LIVE[kind])
            if data is not None and data.tag is Tag.OCTET_STRING and len(data.value) == 6:
                return Obis(data.value)
    return None


def _name(described: LogicalDeviceModel) -> bytes:
    """Return the COSEM logical device name: as the model says, or as its object 0-0:42.0.0 holds it."""
    if described.name:
        return described.name
    for obj in described.objects:
        if obj.name == NAME_OBJECT and (data := obj.values.get(2)) is not None and data.tag is Tag.OCTET_STRING:
            octets: bytes = data.value
            if 1 <= len(octets) <= 16:
                return octets
    return NO_NAME


# --- objects ------------------------------------------------------------------------------------------------------


def _object(device: PhysicalDevice, described: ObjectModel, among: LogicalDeviceModel) -> InterfaceClass:
    """Return an object with the stored values; what an attribute answers instead of a value is answered again."""
    store = LocalStore({1: Data(Tag.OCTET_STRING, bytes(described.name)), **described.values})
    obj = bind(described.class_id, described.version, described.name, store)
    for rights in described.rights.values():
        for allowed in rights.method_access if rights is not None else ():
            store.handlers[allowed.method_id] = _refuse
    alone = sum(other.name == described.name for other in among.objects) == 1
    if alone:  # readers and writers go by the name alone
        for number, label in described.errors.items():
            device.readers[described.name, number] = _answers(store, number, label)
        time = described.values.get(_TIME)
        # A clock that holds no time, by its type, is as stored: nothing says how its time would be written.
        if described.class_id == _CLOCK_CLASS and time is not None and time.tag in (Tag.OCTET_STRING, Tag.DATE_TIME):
            clock = _RunningClock(lambda: device.now, time, described.values.get(_TIME_ZONE))
            del store.values[_TIME]
            store.computed[_TIME] = lambda selection: clock.data()
            device.writers[bytes(described.name), _TIME] = clock.write
    return obj


def _refuse(parameter: Any) -> None:
    """Be a method that is in the object list; what it does, no model says."""
    raise Refused(ActionResult.OTHER_REASON)


def _answers(store: LocalStore, number: int, label: str) -> Callable[[Any], bytes | DataAccessResult]:
    """Return a reader with the result of the model, until a client writes a value."""
    result = _RESULTS.get(label, DataAccessResult.OTHER_REASON)

    def read(selection: Any) -> bytes | DataAccessResult:
        data = store.values.get(number)
        return result if data is None else encode(data)

    return read


_FIRST_YEAR: Final = 2
_LAST_YEAR: Final = 9998
"""Years a clock can be set to: in those beside them a deviation, or time that goes by, leads out of the calendar."""


class _RunningClock:
    """A clock that shows the device's time in the stored deviation, form and status, until it is set."""

    def __init__(self, now: Callable[[], int], time: Data, time_zone: Data | None) -> None:
        self._now = now
        self._offset = 0
        self._tag = time.tag
        self._like = CosemDateTime()
        zone = time_zone.value if time_zone is not None and type(time_zone.value) is int else 0
        self._zone = zone if abs(zone) <= MAX_DEVIATION else 0
        self._take(time)

    def _take(self, time: Data) -> None:
        if isinstance(time.value, bytes) and len(time.value) == 12:
            self._like = CosemDateTime.from_octets(time.value)

    def _deviation(self) -> int:
        deviation = self._like.deviation
        return self._zone if deviation is None or abs(deviation) > MAX_DEVIATION else deviation

    def data(self) -> Data:
        """Return the time as it is now."""
        local = datetime.fromtimestamp(self._now() + self._offset, UTC) - timedelta(minutes=self._deviation())
        shown = CosemDateTime.from_datetime(local.replace(tzinfo=None), self._like.clock_status or 0)
        hundredths = None if self._like.hundredths is None else 0
        shown = shown._replace(
            deviation=self._like.deviation, clock_status=self._like.clock_status, hundredths=hundredths
        )
        return Data(self._tag, shown.to_octets())

    def write(self, time: Data) -> DataAccessResult:
        """Take another time; one with wildcards in it is no point in time."""
        given = CosemDateTime.from_octets(time.value)
        try:
            moment = given.to_datetime()
        except CosemError:
            return DataAccessResult.OTHER_REASON
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone(timedelta(minutes=-self._deviation())))
        if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
            return DataAccessResult.OTHER_REASON
        self._offset = int(moment.timestamp()) - self._now()
        self._like = given
        return DataAccessResult.SUCCESS
