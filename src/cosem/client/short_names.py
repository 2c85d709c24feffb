"""A meter whose objects have short names: the same conversations, by Read and Write.

Everything is asked for by class, logical name and number, as with logical names; the base names come from the object
list of Association SN, read once, or from the options.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from cosem.apdu.initiate import VAA_NAME_SN
from cosem.apdu.read_write import (
    InformationReport,
    ParameterizedAccess,
    ReadRequest,
    ReadResponse,
    VariableName,
    WriteRequest,
    WriteResponse,
)
from cosem.association.short_names import METHOD_SELECTOR
from cosem.classes.access import AccessRights, ObjectListElement
from cosem.classes.c012_association_sn import AssociationSN, AssociationSNV1, ShortNameObject, ShortNameRights
from cosem.classes.model import InterfaceClass, Selection, lookup
from cosem.client.core import LIST_HEADROOM, LIST_SIZE, Core, Talk, answer_of, decoded, selective
from cosem.codec import axdr
from cosem.codec.axdr import Data
from cosem.conformance_block import Conformance
from cosem.errors import AccessError, CosemError, RemoteProtocolError
from cosem.obis import Obis
from cosem.results import DataAccessResult

if TYPE_CHECKING:
    from cosem.apdu.base import SelectiveAccess
    from cosem.classes.model import Method

STEP: Final = 8
NAME_SIZE: Final = 3
"""Octets of one short name in a list."""
RIGHTS_SINCE: Final = 2
"""The version of Association SN from which on it tells access rights."""
_NULL = b"\x00"


class ShortNameCore(Core):
    """One meter with short names. Numbers that a declared class does not have are refused here: there is no short
    name for them, and the octets behind the object are somebody else's.
    """

    selection_bit = Conformance.PARAMETERIZED_ACCESS
    association_class = AssociationSN.class_id

    _listed: dict[Obis, ShortNameObject] | None = None

    # --- names ---------------------------------------------------------------------------------------------

    def base_name(self, class_id: int, name: Obis) -> Talk[tuple[int, int | None]]:
        """Return base name and version (None where only the options tell the name) of an object.

        Raises `AccessError` where the list has no such object.
        """
        if class_id == self.association_class and name == self.options.association:
            own = None if self._listed is None else self._own(self._listed)
            return VAA_NAME_SN, None if own is None else own.version
        known = self.options.base_names.get(name)
        if known is not None:
            return known, None
        found = (yield from self._short_list()).get(name)
        if found is None:
            raise AccessError(DataAccessResult.OBJECT_UNDEFINED, f"{name} is not in the object list")
        if found.class_id != class_id:
            raise AccessError(
                DataAccessResult.OBJECT_CLASS_INCONSISTENT, f"{name} is of class {found.class_id}, not {class_id}"
            )
        return found.base_name, found.version

    def attribute_name(self, class_id: int, name: Obis, number: int) -> Talk[int]:
        """Return the short name of an attribute; where nothing declares the class, by the rule they all follow."""
        base, version = yield from self.base_name(class_id, name)
        declared = lookup(class_id, version)
        offset: int | None = STEP * (number - 1) if number >= 1 else None
        if declared is not None:
            attribute = declared.attributes.get(number)
            offset = None if attribute is None else attribute.sn_offset
        if offset is None or base + offset > 0xFFFF:
            raise AccessError(DataAccessResult.OBJECT_UNDEFINED, f"{name}:{number} has no short name")
        return base + offset

    def method_name(self, class_id: int, name: Obis, number: int) -> Talk[tuple[int, Method[Any, Any]]]:
        """Return the short name of a method, and its declaration. Raises `AccessError` where nothing declares it."""
        base, version = yield from self.base_name(class_id, name)
        declared = lookup(class_id, version)
        method = None if declared is None else declared.methods.get(number)
        if method is None or method.sn_offset is None or base + method.sn_offset > 0xFFFF:
            raise AccessError(DataAccessResult.OBJECT_UNDEFINED, f"{name}:{number}() has no short name")
        return base + method.sn_offset, method

    def _short_list(self) -> Talk[dict[Obis, ShortNameObject]]:
        """Return the objects with their base names, read once."""
        if self._listed is None:
            attribute = AssociationSN.object_list
            octets = yield from self._read(VariableName(_own_name(attribute.sn_offset)), "the object list")
            try:
                listed = attribute.type.from_data(decoded(octets, "the object list"))
            except CosemError as error:
                raise RemoteProtocolError(f"the object list is none of Association SN ({error})") from None
            self._listed = {item.logical_name: item for item in listed}
        return self._listed

    def _own(self, listed: dict[Obis, ShortNameObject]) -> ShortNameObject | None:
        return next((item for item in listed.values() if item.base_name == VAA_NAME_SN), None)

    def object_list(self) -> Talk[dict[Obis, ObjectListElement]]:
        """Return the objects of this association, read once; with access rights from version 2 of the class on."""
        if self.objects is None:
            listed = yield from self._short_list()
            rights = yield from self._rights(self._own(listed))
            self.objects = {
                name: item.element._replace(access_rights=rights.get(item.base_name)) for name, item in listed.items()
            }
            self.elements = tuple(self.objects.values())
            self.base_names = {name: item.base_name for name, item in listed.items()}
        return self.objects

    def find(self, name: Obis) -> Talk[ObjectListElement]:
        """Return the entry of one object; the current association is what stands at FA00h, however it is listed."""
        objects = yield from self.object_list()
        if name == self.options.association and name not in objects and self._listed is not None:
            own = self._own(self._listed)
            if own is not None:
                return objects[own.logical_name]._replace(logical_name=name)
        return (yield from super().find(name))

    def _rights(self, own: ShortNameObject | None) -> Talk[dict[int, AccessRights]]:
        """Return the access rights by base name, none where the meter does not tell them or tells them otherwise."""
        declared = None if own is None else lookup(own.class_id, own.version)
        if declared is None or declared.class_version < RIGHTS_SINCE:
            return {}
        attribute = declared.attributes[AssociationSN.access_rights_list.id]
        try:
            octets = yield from self._read(VariableName(_own_name(attribute.sn_offset)), "the access rights")
            rights: Sequence[ShortNameRights] = attribute.type.from_data(decoded(octets, "the access rights"))
        except (AccessError, RemoteProtocolError):
            return {}
        except CosemError as error:
            self.machine.problems.append(f"the access rights are unusable: {error}")
            return {}
        return {item.base_name: AccessRights(item.attribute_access, item.method_access) for item in rights}

    # --- services ------------------------------------------------------------------------------------------

    @property
    def associated(self) -> bool:
        """Whether requests can be sent; not while an answer may come late and pass for another's."""
        return super().associated and not self.machine.resting

    def _read(
        self, spec: VariableName | ParameterizedAccess, what: str, parts: list[bytes] | None = None
    ) -> Talk[bytes]:
        response: ReadResponse = yield from self.ask(ReadRequest((spec,)), parts)
        return _octets_of(response.results[0], what)

    def get_octets(
        self,
        class_id: int,
        name: Obis,
        attribute: int,
        selection: Selection | SelectiveAccess | None = None,
        parts: list[bytes] | None = None,
    ) -> Talk[bytes]:
        """Read one attribute as A-XDR octets; `parts` as in `ask`. Raises `AccessError` with the result's name."""
        variable = yield from self.attribute_name(class_id, name, attribute)
        spec: VariableName | ParameterizedAccess = VariableName(variable)
        if selection is not None:
            spec = ParameterizedAccess(variable, *selective(selection))
        return (yield from self._read(spec, f"{name}:{attribute}", parts))

    def set_data(self, class_id: int, name: Obis, attribute: int, value: Data) -> Talk[None]:
        """Write one attribute. Raises `AccessError`."""
        variable = yield from self.attribute_name(class_id, name, attribute)
        yield from self._write(variable, axdr.encode(value), f"{name}:{attribute}")

    def _write(self, variable: int, octets: bytes, what: str) -> Talk[None]:
        response: WriteResponse = yield from self.once(WriteRequest((VariableName(variable),), (octets,)))
        if response.results[0] != DataAccessResult.SUCCESS:
            raise AccessError(response.results[0], what)

    def call_data(self, class_id: int, name: Obis, method: int, parameter: Data | None) -> Talk[Data | None]:
        """Invoke one method: by Read where it returns something, by Write otherwise. Raises `AccessError`."""
        variable, declared = yield from self.method_name(class_id, name, method)
        octets = _NULL if parameter is None else axdr.encode(parameter)
        what = f"{name}:{method}()"
        if declared.returns is None:
            yield from self._write(variable, octets, what)
            return None
        request = ReadRequest((ParameterizedAccess(variable, METHOD_SELECTOR, octets),))
        response: ReadResponse = yield from self.once(request)
        answer = _octets_of(response.results[0], what)
        return None if answer == _NULL else decoded(answer, what)

    def change_secret(self, mechanism: int, secret: Data) -> Talk[None]:
        """Replace the secret of this client's own association. Raises `AccessError`.

        Up to version 1 of the class the secret of high level security has a method of its own.
        """
        method = AssociationSN.change_secret.id
        if mechanism != 1:
            own = self._own((yield from self._short_list()))
            if own is not None and own.version < 2:
                method = AssociationSNV1.change_HLS_secret.id
        yield from self.call_data(self.association_class, self.options.association, method, secret)

    def read_many(self, targets: Sequence[tuple[int, Obis, int]]) -> Talk[list[Data | AccessError]]:
        """Read several attributes, with lists where they were agreed; an element that fails is its `AccessError`."""
        answers: list[Data | AccessError | None] = [None] * len(targets)
        names: list[tuple[int, VariableName]] = []
        for index, target in enumerate(targets):
            try:
                names.append((index, VariableName((yield from self.attribute_name(*target)))))
            except AccessError as error:
                answers[index] = error
        size = 1
        if self.machine.conformance & Conformance.MULTIPLE_REFERENCES:
            limit = self.machine.peer_max_pdu_size or 0xFFFF
            size = max(1, min(LIST_SIZE, (limit - LIST_HEADROOM) // NAME_SIZE))
        for start in range(0, len(names), size):
            part = names[start : start + size]
            response: ReadResponse = yield from self.ask(ReadRequest(tuple(name for _, name in part)))
            for (index, _), item in zip(part, response.results, strict=True):
                answers[index] = answer_of(f"{targets[index][1]}:{targets[index][2]}", item)
        return [item for item in answers if item is not None]

    def reported(self, report: InformationReport) -> Talk[list[tuple[ObjectListElement, int, Data]]]:
        """Return what an information report tells: object, attribute, value.

        Raises `RemoteProtocolError` for a name that no declared attribute of the object list has.
        """
        listed = yield from self._short_list()
        objects = yield from self.object_list()
        names = {
            item.base_name + attribute.sn_offset: (objects[name], attribute.id)
            for name, item in listed.items()
            for attribute in _attributes_of(item)
            if attribute.sn_offset is not None
        }
        told = []
        for spec, octets in zip(report.specs, report.values, strict=False):
            variable = getattr(spec, "name", None)
            if variable not in names:
                raise RemoteProtocolError(f"{variable} is no short name of an attribute in the object list")
            element, number = names[variable]
            told.append((element, number, decoded(octets, f"{element.logical_name}:{number}")))
        return told


def _attributes_of(item: ShortNameObject) -> Sequence[Any]:
    declared = lookup(item.class_id, item.version) or InterfaceClass
    return tuple(declared.attributes.values()) or (InterfaceClass.logical_name,)


def _own_name(offset: int | None) -> int:
    assert offset is not None
    return VAA_NAME_SN + offset


def _octets_of(item: Any, what: str) -> bytes:
    if not isinstance(item, bytes):
        raise AccessError(item, what)
    return item
