"""The associations of a logical device: who may come in, how, and what each client may do with which object."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from cosem.association.server import Session
from cosem.classes.access import Access, AccessRights, AttributeAccess, MethodAccess, ObjectListElement
from cosem.classes.c015_association_ln import (
    ApplicationContextName,
    AssociatedPartners,
    AuthenticationMechanismName,
    XDLMSContextInfo,
)
from cosem.classes.model import Attribute, InterfaceClass, Method, Selection, lookup
from cosem.codec.axdr import Data, Tag
from cosem.conformance_block import LN_CORE, Conformance
from cosem.errors import ConfigError, CosemError
from cosem.obis import Obis, obis
from cosem.results import DataAccessResult
from cosem.security.keys import Keys

CURRENT = Obis.parse("0-0:40.0.0.255")
NO_KEYS = Keys()

Rights = Callable[[InterfaceClass], AccessRights | None]
"""Says what a client may do with an object; None where it does not see it."""


SECRETS = {(15, 7)}
"""Attributes that nobody may read: the secret of an association."""


def read_only(obj: InterfaceClass) -> AccessRights:
    """Let every attribute but a secret be read and nothing else be done."""
    return AccessRights(
        tuple(AttributeAccess(number, _readable(obj, number)) for number in obj.attributes),
        (),
    )


def _readable(obj: InterfaceClass, number: int) -> Access:
    return Access.NONE if (obj.class_id, number) in SECRETS else Access.READ


def readings_only(obj: InterfaceClass) -> AccessRights | None:
    """Let what is measured be read; associations and security setups are not seen at all."""
    return None if obj.class_id in (15, 64) else read_only(obj)


def full_access(obj: InterfaceClass) -> AccessRights:
    """Let everything be read, static attributes be written, and every method be called."""
    attributes = tuple(
        AttributeAccess(
            number,
            _readable(obj, number) | (Access.WRITE if number != 1 and _writable(attribute) else Access.NONE),
        )
        for number, attribute in obj.attributes.items()
    )
    methods = tuple(
        MethodAccess(number, Access.ACCESS) for number, method in obj.methods.items() if not method.reserved
    )
    return AccessRights(attributes, methods)


def _writable(attribute: Attribute[Any]) -> bool:
    return attribute.static is True


def only(names: Iterable[str | Obis], rights: Rights = read_only) -> Rights:
    """Return rights on the named objects alone."""
    allowed = {bytes(obis(name)) for name in names}
    return lambda obj: rights(obj) if bytes(obj.obis) in allowed else None


@dataclass(slots=True)
class AssociationSpec:
    """One association of a logical device, as it is built.

    `mechanism` 0 lowest, 1 low (with `secret`), 2 to 6 high; `policy` is security_policy of class 64 version 0 (0 to
    3) and implies the context with ciphering where it is not 0. `instance` is E of the association object
    0-0:40.0.E. `version` is that of class 15.
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
    version: int = 1
    security_setup: Obis | None = None

    def __post_init__(self) -> None:
        if self.ciphered is None:
            self.ciphered = self.policy != 0
        if (self.ciphered or self.mechanism == 5) and (
            self.keys.global_unicast_encryption_key is None or self.keys.authentication_key is None
        ):
            raise ConfigError(f"association {self.instance} needs an encryption key and an authentication key")
        if self.mechanism in (1, 2, 3, 4, 6) and not self.secret:
            raise ConfigError(f"association {self.instance} with mechanism {self.mechanism} needs a secret")


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
    """A built association: its object (class 15), and tables of what its client may do."""

    def __init__(self, spec: AssociationSpec, server_sap: int) -> None:
        self.spec = spec
        self.server_sap = server_sap
        self.secret = spec.secret
        kind = lookup(15, spec.version)
        if kind is None:
            raise ConfigError(f"class 15 version {spec.version} is not known")
        self.object: InterfaceClass = kind(Obis(bytes((0, 0, 40, 0, spec.instance, 255))))
        self.visible: dict[bytes, InterfaceClass] = {}
        self.attributes: dict[tuple[int, bytes, int], Entry] = {}
        self.methods: dict[tuple[int, bytes, int], MethodEntry] = {}
        self.elements: list[ObjectListElement] = []

    def build(self, objects: Iterable[InterfaceClass]) -> None:
        """Fill the tables from the objects of the logical device."""
        self.visible.clear()
        self.attributes.clear()
        self.methods.clear()
        self.elements.clear()
        for obj in objects:
            rights = self.spec.rights(obj)
            if obj is self.object:
                rights = self._own_rights(rights)
            if rights is not None:
                self._add(obj, rights)

    def _own_rights(self, rights: AccessRights | None) -> AccessRights:
        """A client always sees its own association and may answer the challenge; its secret it may only write."""
        methods = rights.method_access if rights is not None else (MethodAccess(1, Access.ACCESS),)
        secret = Access.WRITE if rights is not None and rights.attribute(7) & Access.WRITE else Access.NONE
        attributes = tuple(
            AttributeAccess(number, secret if number == 7 else Access.READ) for number in self.object.attributes
        )
        return AccessRights(attributes, methods)

    def _add(self, obj: InterfaceClass, rights: AccessRights) -> None:
        name = bytes(obj.obis)
        names = (name, bytes(CURRENT)) if obj is self.object else (name,)
        for alias in names:
            self.visible[alias] = obj
            for right in rights.attribute_access:
                key = (obj.class_id, alias, right.attribute_id)
                self.attributes[key] = Entry(obj, obj.attributes[right.attribute_id], int(right.access))
            for allowed in rights.method_access:
                method_key = (obj.class_id, alias, allowed.method_id)
                self.methods[method_key] = MethodEntry(obj, obj.methods[allowed.method_id], int(allowed.access))
            self.elements.append(ObjectListElement(obj.class_id, obj.class_version, Obis(alias), rights))

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
            value = ApplicationContextName(context_id_element=3 if spec.ciphered else 1)
        elif number == 5:
            value = XDLMSContextInfo(session.conformance, spec.max_pdu_size, session.client_max_pdu_size)
        elif number == 6:
            value = AuthenticationMechanismName(mechanism_id_element=spec.mechanism)
        elif number == 8:
            return Data(Tag.ENUM, session.status)
        elif number == 9:
            value = spec.security_setup or Obis(bytes(6))
        else:
            held: Data | None = self.object.store.data(number)  # type: ignore[union-attr]
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
