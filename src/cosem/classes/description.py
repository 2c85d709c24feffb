"""An interface class in words: what ``cosem class`` shows and documentation is made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cosem.classes.model import Attribute, InterfaceClass, Method, versions_of
from cosem.classes.types import (
    ArrayType,
    ChoiceType,
    DataType,
    EnumType,
    FlagsType,
    LenientType,
    MappedType,
    OpenEnum,
    StructureType,
)
from cosem.units import Unit


def describe(cls: type[InterfaceClass]) -> dict[str, Any]:
    """Return the declaration as JSON: class_id, version, name, attributes and methods, each with id and name.

    `type` is in the standard's notation, `static` null where the instance decides, `short_name_offset` in octets from
    the base name or null where not known; enumerations give words by code, masks by bit.
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
    if bits := bits_of(attribute.type):
        described["bits"] = bits
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
    if bits := bits_of(method.parameter):
        described["bits"] = bits
    return described


def enumerations_of(kind: DataType[Any]) -> dict[str, dict[str, str]]:
    """Return code -> words of every enumeration in `kind`, by the name of the field (``""`` for the type itself).

    The table of units is left out: `cosem.units.Unit` has it.
    """
    found: dict[str, dict[str, str]] = {}
    for name, leaf in _leaves(kind, ""):
        if isinstance(leaf, EnumType):
            if issubclass(leaf.members, OpenEnum):
                known = leaf.members.__members__.values()
                found[name] = {str(int(member)): member.label for member in known}
            elif not issubclass(leaf.members, Unit):
                found[name] = {str(int(member)): member.name.lower() for member in leaf.members}
    return found


def bits_of(kind: DataType[Any]) -> dict[str, dict[str, str]]:
    """Return bit number -> words of every mask in `kind`, by the name of the field as in `enumerations_of`."""
    return {
        name: {str(flag.value.bit_length() - 1): str(flag.name).lower().replace("_", " ") for flag in leaf.members}
        for name, leaf in _leaves(kind, "")
        if isinstance(leaf, FlagsType)
    }


def _leaves(kind: DataType[Any], name: str) -> Iterator[tuple[str, DataType[Any]]]:
    """Yield the types without parts inside `kind`, each with the name of its field."""
    if isinstance(kind, ArrayType):
        yield from _leaves(kind.item, name)
    elif isinstance(kind, StructureType):
        for field, inner in kind.fields.items():
            yield from _leaves(inner, f"{name}.{field}" if name else field)
    elif isinstance(kind, ChoiceType):
        for alternative in kind.alternatives:
            yield from _leaves(alternative, name)
    elif isinstance(kind, MappedType) and not isinstance(kind, FlagsType):
        yield from _leaves(kind.inner, name)
    elif isinstance(kind, LenientType):
        yield from _leaves(kind.declared, name)
    else:
        yield name, kind
