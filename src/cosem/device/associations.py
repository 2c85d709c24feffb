"""The associations of a logical device: who may come in, how, and what each client may do with which object."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakSet

from cosem.association.server import Session
from cosem.association.settings import REFERENCING
from cosem.classes.access import Access, AccessRights, AttributeAccess, MethodAccess, ObjectListElement
from cosem.classes.c015_association_ln import (
    ApplicationContextName,
    AssociatedPartners,
    AuthenticationMechanismName,
    XDLMSContextInfo,
)
from cosem.classes.model import Attribute, InterfaceClass, Method, Selection, lookup
from cosem.codec.axdr import Data, Tag, encode
from cosem.conformance_block import LN_CORE, SN_CORE, Conformance
from cosem.device.errors import Refused
from cosem.errors import ConfigError, CosemError
from cosem.obis import Obis, obis
from cosem.results import ActionResult, DataAccessResult
from cosem.security.keys import Keys
from cosem.security.policy import NOTHING, Policy

if TYPE_CHECKING:
    from cosem.apdu.base import AttributeDescriptor, MethodDescriptor
    from cosem.association.server import ObjectServer
    from cosem.security.context import SecurityContext
    from cosem.security.hls import ManufacturerProof

CURRENT = Obis.parse("0-0:40.0.0.255")
NO_KEYS = Keys()
SHORTEST_SECRET, LONGEST_SECRET = 8, 64
"""Octets of a secret of high level security, those of its challenges; a password may be shorter."""

Rights = Callable[[InterfaceClass], AccessRights | None]
"""Says what a client may do with an object; None where it does not see it."""


ASSOCIATION_CLASSES = (12, 15)
"""Association SN and Association LN: what an association itself is seen as."""
SECRETS = {(15, 7)}
"""Attributes that nobody may read: the secret of an association."""
_FIXED = {(3, 3), (4, 3), (7, 5), (7, 6), (8, 9), (17, 2), (18, 2), (64, 3), (64, 4), (64, 5)}
"""Static attributes settled when a device is built: a SET could only be answered by a success that changes nothing."""


def read_only(obj: InterfaceClass) -> AccessRights:
    """Let every attribute but a secret be read and nothing else be done."""
    return AccessRights(
        tuple([_readable(obj.class_id, number) for number in obj.attributes]),
        (),
    )


@lru_cache(maxsize=4096)
def _readable(class_id: int, number: int) -> AttributeAccess:
    return AttributeAccess(number, Access.NONE if (class_id, number) in SECRETS else Access.READ)


def readings_only(obj: InterfaceClass) -> AccessRights | None:
    """Let what is measured be read; associations and security setups are not seen at all."""
    return None if obj.class_id in (*ASSOCIATION_CLASSES, 64) else read_only(obj)


def full_access(obj: InterfaceClass) -> AccessRights:
    """Let everything be read, what can be set be written, and what the object can do be called."""
    attributes = tuple([_settable(obj.class_id, attribute) for attribute in obj.attributes.values()])
    handlers: Any = obj.store.handlers  # type: ignore[attr-defined]
    methods = tuple(MethodAccess(number, Access.ACCESS) for number in obj.methods if number in handlers)
    return AccessRights(attributes, methods)


@lru_cache(maxsize=4096)
def _settable(class_id: int, attribute: Attribute[Any]) -> AttributeAccess:
    right = _readable(class_id, attribute.id)
    return right._replace(access=right.access | Access.WRITE) if _writable(class_id, attribute) else right


def _writable(class_id: int, attribute: Attribute[Any]) -> bool:
    if class_id in ASSOCIATION_CLASSES:
        return (class_id, attribute.id) in SECRETS
    return attribute.id != 1 and attribute.static is True and (class_id, attribute.id) not in _FIXED


def only(names: Iterable[str | Obis], rights: Rights = read_only) -> Rights:
    """Return rights on the named objects alone."""
    allowed = {bytes(obis(name)) for name in names}
    return lambda obj: rights(obj) if bytes(obj.obis) in allowed else None


@dataclass(slots=True)
class AssociationSpec:
    """One association of a logical device, as it is built.

    `mechanism` 0 lowest, 1 low (with `secret`), 2 to 6 high; `policy` is security_policy of class 64 version 0 (0 to
    3) and implies the context with ciphering where it is not 0; `required` is the policy where that cannot say it
    (requests and responses differ). `instance` is E of the association object 0-0:40.0.E. `referencing` is "ln" or
    "sn"; `version` is that of the association's class (15: 1 unless given, 12: 2), and `conformance` without a value
    of its own becomes `SN_CORE` for short names. `manufacturer` makes the proof of mechanism 2. A `pre_established`
    association is there without an AARQ; where it is ciphered, `client_system_title` is the title of its client.
    """

    client_sap: int
    instance: int
    rights: Rights
    mechanism: int = 0
    secret: bytes | None = field(default=None, repr=False)
    policy: int = 0
    ciphered: bool | None = None
    keys: Keys = NO_KEYS
    conformance: Conformance = LN_CORE
    max_pdu_size: int = 1024
    version: int | None = None
    security_setup: Obis | None = None
    manufacturer: ManufacturerProof | None = field(default=None, repr=False)
    pre_established: bool = False
    client_system_title: bytes = b""
    referencing: str = "ln"
    required: Policy = NOTHING

    def __post_init__(self) -> None:
        if self.referencing not in REFERENCING:
            raise ConfigError(f"referencing is one of {', '.join(REFERENCING)}, not {self.referencing!r}")
        if self.version is None:
            self.version = 2 if self.referencing == "sn" else 1
        if self.referencing == "sn" and self.conformance == LN_CORE:
            self.conformance = SN_CORE
        if self.required == NOTHING:
            self.required = Policy.from_v0(self.policy)
        if self.ciphered is None:
            self.ciphered = self.required != NOTHING
        if (self.ciphered or self.mechanism == 5) and not self.has_keys:
            raise ConfigError(f"association {self.instance} needs an encryption key and an authentication key")
        if self.mechanism in (1, 2, 3, 4, 6) and not self.secret:
            raise ConfigError(f"association {self.instance} with mechanism {self.mechanism} needs a secret")
        if self.mechanism == 2 and self.manufacturer is None:
            raise ConfigError(f"association {self.instance} with mechanism 2 needs the manufacturer's proof")

    @property
    def has_keys(self) -> bool:
        """Whether there are the keys that protection needs."""
        return self.keys.global_unicast_encryption_key is not None and self.keys.authentication_key is not None


class Entry(NamedTuple):
    """One attribute as one association may use it: everything a GET or SET needs, found by one look-up."""

    obj: InterfaceClass
    attribute: Attribute[Any]
    access: int


class MethodEntry(NamedTuple):
    """One method as one association may call it."""

    obj: InterfaceClass
    method: Method[Any, Any]
    access: int


class Association:
    """A built association: its object (class 15), and tables of what its client may do.

    `names` are the short names of what its client sees, without any where it uses logical names.
    """

    class_id = 15

    def __init__(self, spec: AssociationSpec, server_sap: int) -> None:
        self.spec = spec
        self.server_sap = server_sap
        self.secret = spec.secret
        self.contexts: WeakSet[SecurityContext] = WeakSet()
        self.locked_until = 0
        """Until when nobody may associate here, in the simulation's time."""
        self.on_secret: list[Callable[[], None]] = []
        kind = lookup(self.class_id, spec.version)
        if kind is None:
            raise ConfigError(f"class {self.class_id} version {spec.version} is not known")
        self.object: InterfaceClass = kind(Obis(bytes((0, 0, 40, 0, spec.instance, 255))))
        self.visible: dict[bytes, InterfaceClass] = {}
        self.attributes: dict[tuple[int, bytes, int], Entry] = {}
        self.methods: dict[tuple[int, bytes, int], MethodEntry] = {}
        self.elements: list[ObjectListElement] = []
        self.names: dict[int, AttributeDescriptor | MethodDescriptor] = {}
        self._encoded: bytes | None = None
        self._demanded = 0

    def build(self, objects: Iterable[InterfaceClass]) -> None:
        """Fill the tables from the objects of the logical device: of its associations those of the same referencing."""
        self._encoded = None
        self.visible.clear()
        self.attributes.clear()
        self.methods.clear()
        self.elements.clear()
        for obj in objects:
            if obj.class_id in ASSOCIATION_CLASSES and obj.class_id != self.class_id:
                continue
            rights = self.spec.rights(obj)
            if obj is self.object:
                rights = self._own_rights(rights)
            if rights is not None:
                self._add(obj, rights)

    def demand(self, control: int) -> None:
        """Let nothing be done any more without the protection of these bits of a security control octet.

        That is for the sessions that were opened without any security: those that have a context have the policy there.
        """
        self._demanded = control >> 2
        for key, entry in self.attributes.items():
            self.attributes[key] = entry._replace(access=entry.access | self._demanded)
        for method_key, method in self.methods.items():
            self.methods[method_key] = method._replace(access=method.access | self._demanded)

    def object_list(self) -> bytes:
        """Return the octets of the whole object list, made once after every `build`."""
        if self._encoded is None:
            self._encoded = encode(type(self.object).attributes[2].type.to_data(self.elements))
        return self._encoded

    def _own_rights(self, rights: AccessRights | None) -> AccessRights:
        """A client always sees its own association and may answer the challenge; its secret it may only write."""
        methods = [MethodAccess(1, Access.ACCESS)]
        if rights is not None and self.spec.mechanism not in (0, 1, 5):
            methods.append(MethodAccess(2, Access.ACCESS))
        writable = rights is not None and bool(rights.attribute(7) & Access.WRITE)
        secret = Access.WRITE if writable and self.has_settable_secret else Access.NONE
        attributes = tuple(
            AttributeAccess(number, secret if number == 7 else Access.READ) for number in self.object.attributes
        )
        return AccessRights(attributes, tuple(methods))

    def _aliases(self, obj: InterfaceClass) -> tuple[bytes, ...]:
        """Return the logical names an object has for this client: its own association is the current one too."""
        name = bytes(obj.obis)
        return (name, bytes(CURRENT)) if obj is self.object else (name,)

    def _add(self, obj: InterfaceClass, rights: AccessRights) -> None:
        for alias in self._aliases(obj):
            self.visible[alias] = obj
            for right in rights.attribute_access:
                key = (obj.class_id, alias, right.attribute_id)
                self.attributes[key] = Entry(
                    obj, obj.attributes[right.attribute_id], int(right.access) | self._demanded
                )
            for allowed in rights.method_access:
                method_key = (obj.class_id, alias, allowed.method_id)
                self.methods[method_key] = MethodEntry(
                    obj, obj.methods[allowed.method_id], int(allowed.access) | self._demanded
                )
            self.elements.append(ObjectListElement(obj.class_id, obj.class_version, Obis(alias), rights))

    @property
    def has_settable_secret(self) -> bool:
        """Whether attribute 7 can be written: a password, or from version 2 on a secret; GMAC has none but its keys."""
        mechanism = self.spec.mechanism
        return mechanism == 1 or (mechanism not in (0, 5) and self.object.class_version >= 2)

    def change_secret(self, value: bytes) -> bool:
        """Take a secret for the next association; the present one goes on. Says whether it is one."""
        shortest = 1 if self.spec.mechanism == 1 else SHORTEST_SECRET
        if not shortest <= len(value) <= LONGEST_SECRET:
            return False
        self.secret = value
        for tell in self.on_secret:
            tell()
        return True

    def own_action(
        self, server: ObjectServer, session: Session, method: Method[Any, Any], parameter: Data | None
    ) -> Data | None:
        """Carry out a method of the client's own association; its proof is the responder's business.

        Raises `Refused` and `TypeMismatch`.
        """
        if method.id != 2:
            raise Refused(ActionResult.READ_WRITE_DENIED)
        if parameter is None or parameter.tag is not Tag.OCTET_STRING:
            raise Refused(ActionResult.TYPE_UNMATCHED)
        if not self.change_secret(parameter.value):
            raise Refused(ActionResult.OTHER_REASON)
        return None

    # --- class 15 as the client of a session sees it --------------------------------------------------------

    def attribute_of(self, session: Session, number: int, selection: Selection | None) -> Data | DataAccessResult:
        """Return an attribute of the association object for `session`."""
        kind = type(self.object)
        spec = self.spec
        if number == 1:
            return Data(Tag.OCTET_STRING, bytes(self.object.obis))
        value: Any
        if number == 2:
            try:
                value = self._selected(selection)
            except CosemError:
                return DataAccessResult.OTHER_REASON
        elif number == 3:
            value = AssociatedPartners(spec.client_sap, self.server_sap)
        elif number == 4:
            value = ApplicationContextName(context_id_element=3 if session.profile.ciphered else 1)
        elif number == 5:
            value = XDLMSContextInfo(session.conformance, spec.max_pdu_size, session.client_max_pdu_size)
        elif number == 6:
            value = AuthenticationMechanismName(mechanism_id_element=spec.mechanism)
        elif number == 8:
            return Data(Tag.ENUM, session.status)
        elif number == 9:
            value = spec.security_setup or Obis(bytes(6))
        else:
            held: Data | None = self.object.store.data(number)  # type: ignore[attr-defined]
            return held if held is not None else DataAccessResult.OBJECT_UNAVAILABLE
        return kind.attributes[number].type.to_data(value)

    def _selected(self, selection: Selection | None) -> list[ObjectListElement]:
        """Return the object list, or what a selector asks of it (Blue Book ed. 9, 4.4.4)."""
        if selection is None:
            return self.elements
        selector = type(self.object).attributes[2].selectors[selection.selector]
        parameters: Any = selector.type.from_data(selection.parameters)
        if selection.selector == 1:
            return [element._replace(access_rights=None) for element in self.elements]
        if selection.selector == 2:
            return [element._replace(access_rights=None) for element in self.elements if element.class_id in parameters]
        wanted = [parameters] if selection.selector == 4 else list(parameters)
        return [element for element in self.elements if (element.class_id, element.logical_name) in wanted]
