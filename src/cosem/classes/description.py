"""An interface class in words: what ``cosem class`` shows and documentation is made of."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum, IntFlag
from typing import Any

from cosem.classes.datatype import name_words
from cosem.classes.model import Attribute, InterfaceClass, Method, versions_of
from cosem.classes.types import (
    ArrayType,
    ChoiceType,
    DataType,
    EnumType,
    FlagsType,
    MappedType,
    StructureType,
    simple,
)
from cosem.classes.words import enum_words
from cosem.units import Unit


def describe(cls: type[InterfaceClass]) -> dict[str, Any]:
    """Return the declaration as JSON: class_id, version, name, attributes and methods, each with id and name.

    `type` is in the standard's notation, `static` null where the instance decides, `short_name_offset` in octets from
    the base name or null where not known; enumerations give words by code, masks by bit. `types` are the structures,
    enumerations and masks in them by name, which `short_type` refers to.
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
        "types": _named_types(cls),
    }


def _attribute(attribute: Attribute[Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "id": attribute.id,
        "name": attribute.name,
        "type": attribute.type.notation,
        "short_type": short_notation(attribute.type),
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
                "short_type": short_notation(selector.type),
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
        "short_type": None if method.reserved else short_notation(method.parameter),
        "returns": method.returns.notation if method.returns is not None else None,
        "short_returns": short_notation(method.returns) if method.returns is not None else None,
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
    return {
        name: _codes(leaf.members)
        for name, leaf in _leaves(kind, "")
        if isinstance(leaf, EnumType) and not issubclass(leaf.members, Unit)
    }


def bits_of(kind: DataType[Any]) -> dict[str, dict[str, str]]:
    """Return bit number -> words of every mask in `kind`, by the name of the field as in `enumerations_of`."""
    return {name: _bits(leaf.members) for name, leaf in _leaves(kind, "") if isinstance(leaf, FlagsType)}


def _codes(members: type[IntEnum]) -> dict[str, str]:
    # Through the names: iteration would also give the codes that were met and are not known.
    return {str(int(member)): enum_words(member) for member in members.__members__.values()}


def _bits(members: type[IntFlag]) -> dict[str, str]:
    return {str(flag.value.bit_length() - 1): name_words(str(flag.name)) for flag in members}


# --- named types -------------------------------------------------------------------------------------------------


def short_notation(kind: DataType[Any]) -> str:
    """Return the notation with structures, enumerations and masks as their names in Python: ``array[Script]``."""
    kind = _declared(kind)
    if isinstance(kind, ArrayType):
        return f"array[{short_notation(kind.item)}]"
    if isinstance(kind, StructureType):
        return str(kind.made.__name__).lstrip("_")
    if isinstance(kind, (EnumType, FlagsType)):
        return f"{kind.notation} {kind.members.__name__}"
    if isinstance(kind, ChoiceType):
        if kind.notation == simple.notation:
            return "choice{simple types}"
        return f"choice{{{', '.join(short_notation(alternative) for alternative in kind.alternatives)}}}"
    return short_notation(kind.inner) if isinstance(kind, MappedType) else kind.notation


def _named_types(cls: type[InterfaceClass]) -> list[dict[str, Any]]:
    """Return the structures, enumerations and masks of a class in the order in which they are met, each once."""
    found: dict[str, dict[str, Any]] = {}
    for attribute in cls.attributes.values():
        _gather(attribute.type, found)
        for selector in attribute.selectors.values():
            _gather(selector.type, found)
    for method in cls.methods.values():
        if not method.reserved:
            _gather(method.parameter, found)
        if method.returns is not None:
            _gather(method.returns, found)
    return list(found.values())


def _gather(kind: DataType[Any], found: dict[str, dict[str, Any]]) -> None:
    kind = _declared(kind)
    name = short_notation(kind)
    if isinstance(kind, ArrayType):
        _gather(kind.item, found)
    elif isinstance(kind, ChoiceType):
        for alternative in kind.alternatives:
            _gather(alternative, found)
    elif isinstance(kind, EnumType):
        if not issubclass(kind.members, Unit):
            found[name] = _named(kind, name, kind.members) | {"codes": _codes(kind.members)}
    elif isinstance(kind, FlagsType):
        found[name] = _named(kind, name, kind.members) | {"bits": _bits(kind.members)}
    elif isinstance(kind, StructureType) and name not in found:
        fields = [{"name": field, "type": short_notation(inner)} for field, inner in kind.fields.items()]
        found[name] = {"name": name, "kind": "structure", "description": _summary(kind.made), "fields": fields}
        for inner in kind.fields.values():
            _gather(inner, found)
    elif isinstance(kind, MappedType):
        _gather(kind.inner, found)


def _named(kind: DataType[Any], name: str, members: type) -> dict[str, Any]:
    return {"name": name, "kind": kind.notation, "description": _summary(members)}


def _summary(declared: Any) -> str:
    """Return the docstring on one line; a NamedTuple without one has a made one, which says nothing."""
    text = " ".join((declared.__doc__ or "").split())
    return "" if text.startswith(f"{declared.__name__}(") else text


def _declared(kind: DataType[Any]) -> DataType[Any]:
    """Return what stands for `kind` in descriptions, where it reads more than is declared."""
    declared: DataType[Any] = getattr(kind, "declared", kind)
    return declared


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
    elif (declared := _declared(kind)) is not kind:
        yield from _leaves(declared, name)
    else:
        yield name, kind
