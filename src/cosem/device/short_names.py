"""Short names on the device: which object has which base name, and the associations of clients that use them.

A short name is the base name of an object plus the offset that its class declares (Blue Book ed. 9, 4.1.3). What may be
done with it is decided by the same tables as with logical names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from cosem.apdu.base import AttributeDescriptor, MethodDescriptor
from cosem.apdu.initiate import VAA_NAME_SN
from cosem.apdu.read_write import InformationReport, VariableName
from cosem.association.server import ObjectServer, Session
from cosem.classes.access import Access, AccessRights, AttributeAccess, MethodAccess
from cosem.classes.c012_association_sn import AttributesAndMethods, ShortNameObject, ShortNameRights
from cosem.classes.model import InterfaceClass, Method, Selection
from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag
from cosem.conformance_block import Conformance
from cosem.device.associations import Association, AssociationSpec
from cosem.device.errors import Refused
from cosem.errors import AccessError, ConfigError, CosemError
from cosem.obis import Obis
from cosem.results import ActionResult, DataAccessResult

STEP: Final = 8
"""Octets between two short names."""
FIRST: Final = 0x0100
"""Where names that nobody gave begin; they end below those that the standard keeps for itself."""
RESERVED: Final = {
    bytes((0, 0, 10, 0, 125, 255)): 0xFB00,
    bytes((0, 0, 41, 0, 0, 255)): 0xFC00,
    bytes((0, 0, 42, 0, 0, 255)): 0xFD00,
}
"""Base names of the script table for broadcasts, the SAP assignment and the logical device name (ed. 9, 4.1.3)."""
LOGICAL_NAME, OBJECT_LIST, RIGHTS_LIST, SECURITY_SETUP = 1, 2, 3, 4
CHANGE_LLS_SECRET, CHANGE_HLS_SECRET, GET_CHALLENGE, REPLY_TO_HLS = 5, 6, 7, 8
LIST_BY_CLASS, LIST_BY_NAME, READ_BY_NAME, WHAT_THERE_IS = 1, 2, 3, 4
"""Methods 1 and 2 belong to version 0, method 4 to versions 0 and 1."""
_NULL = Data(Tag.NULL_DATA, None)
_NO_NAMES: Final[Mapping[bytes, int]] = MappingProxyType({})


def names_of(obj: InterfaceClass, base_name: int) -> dict[int, AttributeDescriptor | MethodDescriptor]:
    """Return what has which short name in an object with `base_name`; what has no offset cannot be had."""
    kind, name = obj.class_id, obj.obis
    found: dict[int, AttributeDescriptor | MethodDescriptor] = {}
    for attribute in obj.attributes.values():
        if attribute.sn_offset is not None:
            found[base_name + attribute.sn_offset] = AttributeDescriptor(kind, name, attribute.id)
    for method in obj.methods.values():
        if method.sn_offset is not None:
            found[base_name + method.sn_offset] = MethodDescriptor(kind, name, method.id)
    return found


def assign(objects: Iterable[InterfaceClass], base_names: dict[bytes, int]) -> None:
    """Give every object a base name that has none in `base_names` yet; the same objects get the same names.

    Raises `ConfigError` for names that are no short names or overlap, and where none are left.
    """
    objects = list(objects)
    for obj in objects:
        base_names.setdefault(bytes(obj.obis), RESERVED.get(bytes(obj.obis), 0))
    owners: dict[int, InterfaceClass] = {}
    for obj in objects:
        if base := base_names[bytes(obj.obis)]:
            _settle(obj, base, owners)
    following = FIRST
    for obj in objects:
        if base_names[bytes(obj.obis)]:
            continue
        offsets = names_of(obj, 0)
        while any(following + offset in owners for offset in offsets):
            following += STEP
        if following + max(offsets) >= VAA_NAME_SN:
            raise ConfigError(f"no short names are left for {obj.obis}")
        base_names[bytes(obj.obis)] = following
        _settle(obj, following, owners)
        following += max(offsets) + STEP


def _settle(obj: InterfaceClass, base: int, owners: dict[int, InterfaceClass]) -> None:
    """Take the names of an object."""
    names = names_of(obj, base)
    if base % STEP or not 0 < base <= max(names) <= 0xFFFF:
        raise ConfigError(f"{base:04X}h is no base name for {obj.obis}: a multiple of {STEP} up to FFFFh is one")
    for name in names:
        if VAA_NAME_SN <= name < VAA_NAME_SN + 0x100:
            raise ConfigError(f"{obj.obis} at {base:04X}h has a name of the association itself")
        if name in owners:
            raise ConfigError(f"{obj.obis} and {owners[name].obis} both have the short name {name:04X}h")
        owners[name] = obj


class ShortNameAssociation(Association):
    """The association of a client that uses short names: its object is of class 12, at FA00h."""

    class_id = 12

    def __init__(self, spec: AssociationSpec, server_sap: int, base_names: Mapping[bytes, int] = _NO_NAMES) -> None:
        super().__init__(spec, server_sap)
        self._base_names = base_names
        self._bases: list[int] = []
        if self._changes_secret_by is not None:
            store: Any = self.object.store
            store.handlers[self._changes_secret_by] = self._change_secret

    @property
    def _changes_secret_by(self) -> int | None:
        """Return the method that replaces the secret; GMAC has none but its keys."""
        mechanism = self.spec.mechanism
        if mechanism in (0, 5):
            return None
        return CHANGE_LLS_SECRET if mechanism == 1 or self.object.class_version >= 2 else CHANGE_HLS_SECRET

    def _change_secret(self, secret: bytes) -> None:
        if not self.change_secret(secret):
            raise Refused(ActionResult.OTHER_REASON)

    def build(self, objects: Iterable[InterfaceClass]) -> None:
        """Fill the tables, and those of short names."""
        super().build(objects)
        self.names.clear()
        self._bases = [self.base_name(element.logical_name) for element in self.elements]
        for element, base in zip(self.elements, self._bases, strict=True):
            self.names.update(names_of(self.visible[bytes(element.logical_name)], base))

    def base_name(self, name: Obis) -> int:
        """Return the base name of an object as this client has it."""
        return VAA_NAME_SN if name == self.object.obis else self._base_names[bytes(name)]

    def _aliases(self, obj: InterfaceClass) -> tuple[bytes, ...]:
        """One entry for the client's own association: it is told by its base name."""
        return (bytes(obj.obis),)

    def _own_rights(self, rights: AccessRights | None) -> AccessRights:
        """A client always sees its own association and may reply to the challenge."""
        allowed = {READ_BY_NAME, REPLY_TO_HLS} | ({LIST_BY_CLASS, LIST_BY_NAME, WHAT_THERE_IS} & self._methods_of_old)
        changing = self._changes_secret_by
        # As with logical names: a secret of high level security everybody who sees associations, a password managers.
        if changing and rights is not None and (self.spec.mechanism != 1 or rights.method(changing)):
            allowed.add(changing)
        return AccessRights(
            tuple(AttributeAccess(number, Access.READ) for number in self.object.attributes),
            tuple(MethodAccess(number, Access.ACCESS) for number in sorted(allowed)),
        )

    @property
    def _methods_of_old(self) -> set[int]:
        """Return those of the first four methods that this version has not withdrawn."""
        return {method.id for method in self.object.methods.values() if method.id <= 4 and not method.reserved}

    # --- class 12 as the client of a session sees it --------------------------------------------------------

    def object_list(self) -> bytes:
        """Return the octets of the whole object list, made once after every `build`."""
        if self._encoded is None:
            self._encoded = axdr.encode(type(self.object).attributes[OBJECT_LIST].type.to_data(self._listed()))
        return self._encoded

    def _listed(self) -> list[ShortNameObject]:
        return [
            ShortNameObject(base, item.class_id, item.version, item.logical_name)
            for item, base in zip(self.elements, self._bases, strict=True)
        ]

    def rights_list(self) -> Data:
        """Return the access rights of all objects that have some, from version 2 of the class on."""
        rights = [
            ShortNameRights(base, *item.access_rights)
            for item, base in zip(self.elements, self._bases, strict=True)
            if item.access_rights is not None
        ]
        return type(self.object).attributes[RIGHTS_LIST].type.to_data(rights)

    def attribute_of(self, session: Session, number: int, selection: Selection | None) -> Data | DataAccessResult:
        """Return an attribute of the association object for `session`."""
        kind = type(self.object).attributes.get(number)
        if number == LOGICAL_NAME:
            return Data(Tag.OCTET_STRING, bytes(self.object.obis))
        if number == OBJECT_LIST and kind is not None:
            try:
                return kind.type.to_data(self._chosen(selection))
            except CosemError:
                return DataAccessResult.OTHER_REASON
        if number == RIGHTS_LIST and kind is not None:
            return self.rights_list()
        if number == SECURITY_SETUP and kind is not None:
            return kind.type.to_data(self.spec.security_setup or Obis(bytes(6)))
        held: Data | None = self.object.store.data(number)  # type: ignore[attr-defined]
        return held if held is not None else DataAccessResult.OBJECT_UNAVAILABLE

    def _chosen(self, selection: Selection | None) -> list[ShortNameObject]:
        """Return the object list, or what a selector asks of it."""
        if selection is None:
            return self._listed()
        selector = type(self.object).attributes[OBJECT_LIST].selectors[selection.selector]
        wanted = selector.type.from_data(selection.parameters)
        return self._of_classes(wanted) if selection.selector == 1 else self._of_names(wanted)

    def _of_classes(self, classes: Sequence[int]) -> list[ShortNameObject]:
        return [item for item in self._listed() if item.class_id in classes]

    def _of_names(self, wanted: Sequence[tuple[int, Obis]]) -> list[ShortNameObject]:
        return [item for item in self._listed() if (item.class_id, item.logical_name) in wanted]

    def own_action(
        self, server: ObjectServer, session: Session, method: Method[Any, Any], parameter: Data | None
    ) -> Data | None:
        """Carry out a method of the client's own association. Raises `Refused` and `TypeMismatch`."""
        if method.id in (CHANGE_LLS_SECRET, CHANGE_HLS_SECRET):
            store: Any = self.object.store
            answer: Data | None = store.invoke_data(self.object, method, parameter)
            return answer
        if method.id in (GET_CHALLENGE, REPLY_TO_HLS) or method.returns is None:
            raise Refused(ActionResult.READ_WRITE_DENIED)
        if parameter is None:
            raise Refused(ActionResult.TYPE_UNMATCHED)
        wanted: Any = method.parameter.from_data(parameter)
        if method.id == READ_BY_NAME:
            # The form is that of a structure: values of different types cannot be an array. Not verified.
            return Data(Tag.STRUCTURE, tuple(_value(server, session, item) for item in wanted))
        if method.id == LIST_BY_CLASS:
            return method.returns.to_data(self._of_classes(wanted))
        if method.id == LIST_BY_NAME:
            return method.returns.to_data(self._of_names(wanted))
        found = [self._what_there_is(*item) for item in wanted]
        if self.object.class_version:
            return method.returns.to_data(found)
        pairs = (axdr.structure(Data(Tag.BIT_STRING, a), Data(Tag.BIT_STRING, m)) for a, m in found)
        return Data(Tag.ARRAY, tuple(pairs))

    def _what_there_is(self, class_id: int, name: Obis) -> AttributesAndMethods:
        """Return a bit for each attribute and method of an object, the leftmost for number 1; none for a stranger."""
        obj = self.visible.get(bytes(name))
        if obj is None or obj.class_id != class_id:
            return AttributesAndMethods("", "")
        methods = "".join("1" if (class_id, bytes(name), number) in self.methods else "0" for number in obj.methods)
        return AttributesAndMethods("1" * len(obj.attributes), methods)


def _value(server: ObjectServer, session: Session, reference: tuple[int, Obis, int]) -> Data:
    """Return one attribute as this client may read it, null-data where it may not."""
    answer = server.get(session, AttributeDescriptor(*reference), None)
    return axdr.decode(answer) if isinstance(answer, bytes) else _NULL


def information_report(
    server: ObjectServer, session: Session, attributes: Sequence[tuple[int, Obis, int]]
) -> InformationReport:
    """Return the report of these attributes (class, logical name, number) to a client of short names.

    It leaves by `Responder.notify`. Raises `AccessError` for what that client may not read, `ConfigError` where it has
    no short names or did not agree to reports.
    """
    association: Association = session.state  # type: ignore[assignment]
    if not session.conformance & Conformance.INFORMATION_REPORT:
        raise ConfigError("this client did not agree to information reports")
    named = {target: name for name, target in association.names.items() if isinstance(target, AttributeDescriptor)}
    specs, values = [], []
    for attribute in attributes:
        target = AttributeDescriptor(*attribute)
        what = f"{target.instance}:{target.attribute}"
        if target not in named:
            raise AccessError(DataAccessResult.OBJECT_UNDEFINED, f"{what} has no short name")
        answer = server.get(session, target, None)
        if not isinstance(answer, bytes):
            raise AccessError(answer, what)
        specs.append(VariableName(named[target]))
        values.append(answer)
    return InformationReport(None, tuple(specs), tuple(values))
