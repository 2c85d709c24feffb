"""Objects as JSON and back, from their declaration: attributes by name, values as their declared types have them.

A value of one declared type is plain: numbers, text, octets in hex, a logical name as ``1-0:1.8.0.255``, a date or time
in ISO 8601 where that says all its octets do, a structure by the names of its fields. An enumeration is
``{"code": 1, "word": "connected"}``, a mask ``{"bits": 130, "words": "clock invalid, power down"}``. Choices, whatever
departs from its declaration and what nothing declares are ``{type: value}``, as `cosem.codec.json` writes them. Every
value comes back in the A-XDR type it had.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Final

from cosem.classes.datatype import (
    ArrayType,
    DataType,
    EnumType,
    FlagsType,
    LenientType,
    MappedType,
    MomentType,
    PlainType,
    StructureType,
    TypeMismatch,
)
from cosem.classes.model import Attribute, InterfaceClass, bind, lookup
from cosem.classes.store import LocalStore
from cosem.classes.words import enum_words, flag_words
from cosem.codec.axdr import MAX_DEPTH, TAGS_BY_LABEL, Data, Tag, encode
from cosem.codec.json import from_json, shown, to_json
from cosem.errors import ConfigError, CosemError, EncodeError
from cosem.obis import Obis
from cosem.units import Unit

_NUMBER: Final = re.compile(r"-?[1-9][0-9]{0,2}")
CODE, WORD, BITS, WORDS = "code", "word", "bits", "words"


# --- values to JSON -----------------------------------------------------------------------------------------------


def value_to_json(kind: DataType[Any], data: Data) -> Any:
    """Return `data` in the form of `kind`, or as ``{type: value}`` where it departs from it."""
    if isinstance(kind, LenientType):
        kind = kind.declared
    try:
        kind.check(data)
        return _form(kind, data)
    except (TypeMismatch, EncodeError, ValueError):
        return to_json(data)


def _form(kind: DataType[Any], data: Data) -> Any:
    """Return the form of what `kind` was checked to take."""
    if isinstance(kind, ArrayType) and data.tag is Tag.ARRAY:
        return [value_to_json(kind.item, item) for item in data.value]
    if isinstance(kind, StructureType) and not _like_a_type(kind):
        pairs = zip(kind.fields.items(), data.value, strict=True)
        return {name: value_to_json(field, item) for (name, field), item in pairs}
    if isinstance(kind, EnumType):
        return {CODE: data.value, WORD: word(kind.members(data.value))}
    if isinstance(kind, FlagsType):
        return {BITS: data.value, WORDS: flag_words(kind.from_data(data))}
    if isinstance(kind, MappedType):
        return str(kind.from_data(data)) if kind.wrap is Obis else value_to_json(kind.inner, data)
    if isinstance(kind, MomentType):
        text = kind.from_data(data).isoformat()
        return text if _moment(kind, text) == data else to_json(data)
    if isinstance(kind, PlainType) and data.tag not in (Tag.NULL_DATA, Tag.COMPACT_ARRAY):
        return to_json(data)[data.tag.label]
    return to_json(data)


def _like_a_type(kind: StructureType[Any]) -> bool:
    """Whether this structure by the names of its fields could be taken for ``{type: value}``."""
    return len(kind.fields) == 1 and next(iter(kind.fields)) in TAGS_BY_LABEL


def _moment(kind: MomentType[Any], text: str) -> Data | None:
    """Return what `text` stands for, None where it is no such moment."""
    try:
        return kind.to_data(kind.moment.parse(text))
    except CosemError:
        return None


def word(member: IntEnum) -> str:
    """Return the word of an enumeration's code: units by their symbol."""
    return (isinstance(member, Unit) and member.symbol) or enum_words(member)


# --- JSON to values -----------------------------------------------------------------------------------------------


def value_from_json(kind: DataType[Any], value: Any) -> Data:
    """Return what `value_to_json` wrote so; what is typed by itself is taken as it is, whatever `kind` says.

    Raises `ConfigError` with one sentence that names the place and what was expected.
    """
    try:
        data = _read(kind, value, 0)
        encode(data)
    except (EncodeError, TypeMismatch) as error:
        raise ConfigError(str(error)) from None
    return data


def _read(kind: DataType[Any], value: Any, depth: int) -> Data:
    if depth > MAX_DEPTH:
        raise ConfigError(f"more than {MAX_DEPTH} arrays and structures inside each other")
    if isinstance(kind, LenientType):
        kind = kind.declared
    if isinstance(value, Mapping) and any(name in TAGS_BY_LABEL for name in value) and not _fields(kind, value):
        return from_json(value)
    if isinstance(kind, ArrayType) and isinstance(value, list):
        return Data(Tag.ARRAY, tuple(_inside(kind.item, item, f"[{i}]", depth) for i, item in enumerate(value)))
    if isinstance(kind, StructureType) and isinstance(value, Mapping):
        if not _fields(kind, value):
            raise ConfigError(f"a structure of {', '.join(kind.fields)} is expected, not of {shown(list(value))}")
        parts = (_inside(field, value[name], name, depth) for name, field in kind.fields.items())
        return Data(Tag.STRUCTURE, tuple(parts))
    if isinstance(kind, EnumType):
        return kind.to_data(_code(kind, value))
    if isinstance(kind, FlagsType):
        return _read(kind.inner, value.get(BITS) if isinstance(value, Mapping) else value, depth)
    if isinstance(kind, MappedType):
        if kind.wrap is Obis and isinstance(value, str):
            return kind.to_data(Obis.parse(value))
        return _read(kind.inner, value, depth)
    if isinstance(kind, MomentType) and isinstance(value, str):
        return kind.to_data(kind.moment.parse(value))
    if isinstance(kind, PlainType) and not isinstance(value, (Mapping, list)):
        return kind.to_data(from_json({kind.tag.label: value}))
    raise ConfigError(f'{kind.notation} is expected, or {{"type": value}}, not {shown(value)}')


def _inside(kind: DataType[Any], value: Any, name: str, depth: int) -> Data:
    try:
        return _read(kind, value, depth + 1)
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from None


def _fields(kind: DataType[Any], value: Mapping[str, Any]) -> bool:
    """Whether `value` is a structure by the names of the fields of `kind`."""
    return isinstance(kind, StructureType) and not _like_a_type(kind) and set(value) == set(kind.fields)


def _code(kind: EnumType[Any], value: Any) -> Any:
    """Return the member that a code, a word, or both mean; both must mean the same."""
    words = {word(member): member for member in kind.members.__members__.values()}
    if isinstance(value, str):
        if value not in words:
            raise ConfigError(f"{shown(value)} is none of {', '.join(words)}")
        return words[value]
    code = value.get(CODE) if isinstance(value, Mapping) else value
    if type(code) is not int or not 0 <= code <= 255:
        raise ConfigError(f'an enumeration is written {{"code": number, "word": ...}}, not {shown(value)}')
    said = value.get(WORD) if isinstance(value, Mapping) else None
    if isinstance(said, str) and said in words and said != word(kind.members(code)):
        raise ConfigError(f"code {code} is {word(kind.members(code))}, not {said}")
    return kind.members(code)


# --- objects ------------------------------------------------------------------------------------------------------


def declaration(class_id: int, version: int, attribute: int) -> Attribute[Any]:
    """Return the declared attribute, or an undeclared one that keeps whatever it holds."""
    declared = lookup(class_id, version)
    known = None if declared is None else declared.attributes.get(attribute)
    return known or Attribute.undeclared(class_id, attribute)


def object_to_json(obj: InterfaceClass) -> dict[str, Any]:
    """Return a local object as JSON: class, version, obis, class_name, and attributes by name, undeclared by number."""
    store = _local(obj)
    attributes = {}
    for number, data in sorted(store.values.items()):
        attribute = declaration(obj.class_id, obj.class_version, number)
        attributes[attribute.name] = value_to_json(attribute.type, data)
    return {
        "class": obj.class_id,
        "version": obj.class_version,
        "obis": str(obj.obis),
        "class_name": obj.class_name,
        "attributes": attributes,
    }


def _local(obj: InterfaceClass) -> LocalStore:
    if not isinstance(obj.store, LocalStore):
        raise ConfigError(f"{obj!r} is in a meter: read its attributes first")
    return obj.store


def object_from_json(document: Any) -> InterfaceClass:
    """Return the local object that `object_to_json` wrote so, an `Unknown` where nothing declares class or version.

    Raises `ConfigError` naming object and attribute.
    """
    if not isinstance(document, Mapping) or not isinstance(document.get("attributes"), Mapping):
        raise ConfigError("an object is written with class, version, obis and attributes by name")
    class_id, version, name = (document.get(key) for key in ("class", "version", "obis"))
    if type(class_id) is not int or type(version) is not int or not isinstance(name, str):
        raise ConfigError("an object has the numbers class and version and the text obis")
    if not (0 <= class_id <= 0xFFFF and 0 <= version <= 0xFF):
        raise ConfigError("class is a number from 0 to 65535, version one from 0 to 255")
    store = LocalStore()
    obj = bind(class_id, version, Obis.parse(name), store)
    numbers = {attribute.name: number for number, attribute in obj.attributes.items()}
    for key, value in document["attributes"].items():
        number = numbers.get(key) or _number(key)
        if number is None:
            raise ConfigError(f"{obj!r} has no attribute {shown(key)}")
        if number in store.values:
            raise ConfigError(f"{obj!r} has attribute {number} twice")
        try:
            store.values[number] = value_from_json(declaration(class_id, version, number).type, value)
        except ConfigError as error:
            raise ConfigError(f"{obj!r} {key}: {error}") from None
    return obj


def _number(key: Any) -> int | None:
    """Return the number of an attribute as `object_to_json` writes it, None for anything else."""
    if not isinstance(key, str) or not _NUMBER.fullmatch(key) or not -128 <= int(key) <= 127:
        return None
    return int(key)
