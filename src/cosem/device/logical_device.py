"""A logical device: objects, the associations that see them, and their short names."""

from __future__ import annotations

from cosem.classes.model import InterfaceClass
from cosem.device.associations import Association, AssociationSpec
from cosem.errors import ConfigError


class LogicalDevice:
    """Objects and associations behind one server SAP."""

    def __init__(self, sap: int, name: bytes) -> None:
        if not 1 <= len(name) <= 16:
            raise ConfigError("a COSEM logical device name has 1 to 16 octets")
        self.sap = sap
        self.name = name
        self.objects: dict[bytes, InterfaceClass] = {}
        self.associations: dict[int, Association] = {}
        self.base_names: dict[bytes, int] = {}

    def add(self, obj: InterfaceClass, base_name: int | None = None) -> InterfaceClass:
        """Add an object. Raises `ConfigError` for a logical name that is there already.

        `base_name` is its short name; where there are short names, `build` chooses one for those that have none.
        """
        name = bytes(obj.obis)
        if name in self.objects:
            raise ConfigError(f"{obj.obis} is there already")
        self.objects[name] = obj
        if base_name is not None:
            self.base_names[name] = base_name
        return obj

    def associate(self, spec: AssociationSpec) -> Association:
        """Add an association, with its object."""
        if spec.client_sap in self.associations:
            raise ConfigError(f"client {spec.client_sap} has an association already")
        if spec.referencing == "sn":
            from cosem.device.short_names import ShortNameAssociation

            association: Association = ShortNameAssociation(spec, self.sap, self.base_names)
        else:
            association = Association(spec, self.sap)
        self.associations[spec.client_sap] = association
        self.add(association.object)
        return association

    def build(self) -> None:
        """Make the tables of every association, after the last object was added.

        Raises `ConfigError` where short names that were given overlap, or none are left.
        """
        if any(association.spec.referencing == "sn" for association in self.associations.values()):
            from cosem.device.short_names import assign

            assign(self.objects.values(), self.base_names)
        for association in self.associations.values():
            association.build(self.objects.values())
