"""What a device consists of: logical devices, associations, and objects with their values and access rights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from cosem.apdu.initiate import VAA_NAME_SN
from cosem.classes.access import AccessRights, ObjectListElement
from cosem.codec.axdr import Data
from cosem.obis import Obis

CURRENT_ASSOCIATION: Final = Obis.parse("0-0:40.0.0.255")


@dataclass(slots=True)
class AssociationModel:
    """One association: which client, how it proves who it is, and which protection it must keep to.

    `object` is the logical name of its own object, where it is known beside 0-0:40.0.0. `mechanism` is the number of
    the mechanism, `policy` that of class 64 version 0. `ciphered` says whether its application context has ciphering.
    """

    client: int
    mechanism: int = 0
    policy: int = 0
    ciphered: bool = False
    object: Obis = CURRENT_ASSOCIATION
    referencing: str = "ln"
    max_pdu_size: int | None = None


@dataclass(slots=True)
class ObjectModel:
    """One object. `rights` are those of each client that sees it, None where its list did not tell them.

    `values` holds attributes as `Data`. What could not be read has the name of its result in `errors`; what was left
    out the reason in `skipped`. `base_name` is the short name, where the object has one.
    """

    class_id: int
    version: int
    name: Obis
    base_name: int | None = None
    rights: dict[int, AccessRights | None] = field(default_factory=dict)
    values: dict[int, Data] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)
    skipped: dict[int, str] = field(default_factory=dict)

    @property
    def identity(self) -> tuple[int, int, Obis]:
        """Return class, version and logical name."""
        return self.class_id, self.version, self.name

    def __str__(self) -> str:
        return f"{self.name} (class {self.class_id})"


@dataclass(slots=True)
class LogicalDeviceModel:
    """The objects and associations behind one server SAP. Objects stand in the order of the object list."""

    sap: int = 1
    name: bytes = b""
    associations: list[AssociationModel] = field(default_factory=list)
    objects: list[ObjectModel] = field(default_factory=list)

    def object_list(self, client: int) -> list[ObjectListElement]:
        """Return the object list that a client sees."""
        return [
            ObjectListElement(obj.class_id, obj.version, obj.name, obj.rights[client])
            for obj in self.objects
            if client in obj.rights
        ]

    def take_list(self, client: int, elements: Iterable[ObjectListElement]) -> None:
        """Take in the object list of a client: objects that are not there yet are added, in its order."""
        known: dict[tuple[int, int, Obis], list[ObjectModel]] = {}
        for obj in self.objects:
            known.setdefault(obj.identity, []).append(obj)
        seen: Counter[tuple[int, int, Obis]] = Counter()
        for class_id, version, name, rights in elements:
            identity = (class_id, version, name)
            same = known.setdefault(identity, [])
            if seen[identity] == len(same):  # meters list an object twice, too
                same.append(ObjectModel(*identity))
                self.objects.append(same[-1])
            same[seen[identity]].rights[client] = None if rights is None else first_of_each(rights)
            seen[identity] += 1

    def association_version(self, association: AssociationModel) -> int | None:
        """Return the version of an association's own object, None where the list tells none."""
        if association.referencing == "sn":
            return next((obj.version for obj in self.own_of_short_names(association.client)), None)
        names = (association.object, CURRENT_ASSOCIATION)
        own = [obj for obj in self.objects if obj.class_id == 15 and association.client in obj.rights]
        named = [obj for obj in own if obj.name in names] or own
        return named[0].version if named else None

    def own_of_short_names(self, client: int) -> list[ObjectModel]:
        """Return what a client of short names has as its own association: more than one only by mistake."""
        return [
            obj
            for obj in self.objects
            if obj.class_id == 12 and client in obj.rights and obj.base_name in (None, VAA_NAME_SN)
        ]


def first_of_each(rights: AccessRights) -> AccessRights:
    """Leave out what a list says of one attribute again: the first is what counts, here as in `AccessRights`."""
    attributes = {right.attribute_id: right for right in reversed(rights.attribute_access)}
    methods = {right.method_id: right for right in reversed(rights.method_access)}
    return AccessRights(
        tuple(right for right in rights.attribute_access if attributes[right.attribute_id] is right),
        tuple(right for right in rights.method_access if methods[right.method_id] is right),
    )


@dataclass(slots=True)
class DeviceModel:
    """A physical device as data. `source` says in words where it is from."""

    logical_devices: list[LogicalDeviceModel] = field(default_factory=list)
    name: str = ""
    source: str = ""
    system_title: bytes = b""

    def logical_device(self, sap: int) -> LogicalDeviceModel | None:
        """Return the logical device of a server SAP."""
        return next((device for device in self.logical_devices if device.sap == sap), None)

    @property
    def associations(self) -> Sequence[tuple[LogicalDeviceModel, AssociationModel]]:
        """Return all associations with their logical devices."""
        return [(device, association) for device in self.logical_devices for association in device.associations]
