"""An interface class in words: what ``cosem class`` shows and documentation is made of."""

from __future__ import annotations

from typing import Any

from cosem.classes.model import Attribute, InterfaceClass, Method, versions_of
from cosem.classes.types import (
    ArrayType,
    ChoiceType,
    DataType,
    EnumType,
    LenientType,
    MappedType,
    OpenEnum,
    StructureType,
)
from cosem.units import Unit


def describe(cls: type[InterfaceClass]) -> dict[str, Any]:
    """Return the declaration as JSON: class_id, version, name, attributes and methods, each with id and name.

    `type` is in the standard's notation, `static` null where the instance decides, `short_name_offset` in octets from
    the base name or null where not known; enumerations give words by code.
    """
    return {
        "class_id": cls.class_id,
        "version": cls.class_version,
        "name": cls.class_name,
        "description": " ".join((cls.__doc__ or "").split()),
        "verified": cls.verified,
        "versions": list(versions_of(cls.class_id)),
        "attributes": [_attribute(attribute) for attribute in cls.attributes.values()],
        "methods": [_method(method) for method in cls.methods.values()],
    }


def _attribute(attribute: Attribute[Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "id": attribute.id,
        "name": attribute.name,
        "type": attribute.type.notation,
        "static": attribute.static,
        "short_name_offset": attribute.sn_offset,
        "description": attribute.description,
    }
    if enumerations := enumerations_of(attribute.type):
        described["enumerations"] = enumerations
    if attribute.selectors:
        described["selectors"] = [
            {
                "id": selector.id,
                "name": selector.name,
                "type": selector.type.notation,
                "description": selector.description,
            }
            for selector in attribute.selectors.values()
        ]
    return described


def _method(method: Method[Any, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "id": method.id,
        "name": method.name,
        "type": None if method.reserved else method.parameter.notation,
        "returns": method.returns.notation if method.returns is not None else None,
        "optional": method.optional,
        "reserved": method.reserved,
        "short_name_offset": method.sn_offset,
        "description": method.description,
    }
    if enumerations := enumerations_of(method.parameter):
        described["enumerations"] = enumerations
    return described


def enumerations_of(kind: DataType[Any]) -> dict[str, dict[str, str]]:
    """Return code -> words of every enumeration in `kind`, by the name of the field (``""`` for the type itself).

    The table of units is left out: `cosem.units.Unit` has it.
    """
    found: dict[str, dict[str, str]] = {}
    _collect(kind, "", found)
    return found


def _collect(kind: DataType[Any], name: str, found: dict[str, dict[str, str]]) -> None:
    if isinstance(kind, EnumType):
        if issubclass(kind.members, OpenEnum):
            known = kind.members.__members__.values()
            found[name] = {str(int(member)): member.label for member in known}
        elif not issubclass(kind.members, Unit):
            found[name] = {str(int(member)): member.name.lower() for member in kind.members}
    elif isinstance(kind, ArrayType):
        _collect(kind.item, name, found)
    elif isinstance(kind, StructureType):
        for field, inner in kind.fields.items():
            _collect(inner, f"{name}.{field}" if name else field, found)
    elif isinstance(kind, ChoiceType):
        for alternative in kind.alternatives:
            _collect(alternative, name, found)
    elif isinstance(kind, MappedType):
        _collect(kind.inner, name, found)
    elif isinstance(kind, LenientType):
        _collect(kind.declared, name, found)
