"""COSEM values as JSON and back: ``{"double-long-unsigned": 5852}``, the form that every command prints.

Octets are lower-case hex, bit-strings text of 0 and 1, NaN and the infinities strings. A date-time, and an octet-string
of 12 octets that could be one, carries ``date_time`` in words beside it, which is not read back.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from cosem.codec.axdr import (
    FORMATS,
    MAX_DEPTH,
    TAGS_BY_LABEL,
    CompactArray,
    Data,
    Tag,
    TypeDescription,
    encode,
    encode_contents,
)
from cosem.errors import ConfigError, EncodeError
from cosem.times import CosemDateTime

_HEX: Final = frozenset((Tag.OCTET_STRING, Tag.DATE_TIME, Tag.DATE, Tag.TIME))
_TEXT: Final = frozenset((Tag.BIT_STRING, Tag.VISIBLE_STRING, Tag.UTF8_STRING))
_FLOATS: Final = frozenset((Tag.FLOAT32, Tag.FLOAT64))
_LISTS: Final = frozenset((Tag.ARRAY, Tag.STRUCTURE))
_NOTHING: Final = frozenset((Tag.NULL_DATA, Tag.DONT_CARE))
_INTEGERS: Final = frozenset(FORMATS) - _HEX - _FLOATS - {Tag.BOOLEAN}

_DATE_TIME: Final = "date_time"
_SHOWN: Final = 40
"""Characters of a wrong value that a message repeats."""


def to_json(data: Data) -> dict[str, Any]:
    """Return `data` as ``{type: value}`` of what JSON has."""
    tag, value = data
    if tag in _LISTS:
        return {tag.label: [to_json(item) for item in value]}
    if tag is Tag.OCTET_STRING or tag is Tag.DATE_TIME:
        answer: dict[str, Any] = {tag.label: value.hex()}
        if len(value) == 12:
            moment = CosemDateTime.from_octets(value)
            if tag is Tag.DATE_TIME or moment.in_range:
                answer[_DATE_TIME] = moment.isoformat()
        return answer
    if tag in _HEX:
        return {tag.label: value.hex()}
    if tag in _FLOATS and not math.isfinite(value):
        return {tag.label: "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"}
    if tag is Tag.COMPACT_ARRAY:
        return {
            tag.label: {
                "type": _type_to_json(value.type),
                "contents": value.contents.hex(),
                "values": [to_json(item) for item in value.values],
            }
        }
    return {tag.label: value}


def _type_to_json(description: TypeDescription) -> Any:
    tag = description.tag
    if tag is Tag.ARRAY:
        return {tag.label: [description.number, _type_to_json(description.elements[0])]}
    if tag is Tag.STRUCTURE:
        return {tag.label: [_type_to_json(element) for element in description.elements]}
    return tag.label


def from_json(value: Any) -> Data:
    """Return the value that `to_json` wrote so. Raises `ConfigError` for anything else, with the mistake."""
    try:
        data = _from_json(value, 0)
        encode(data)
    except EncodeError as error:
        raise ConfigError(str(error)) from None
    return data


def _from_json(value: Any, depth: int) -> Data:
    if depth > MAX_DEPTH:
        raise ConfigError(f"more than {MAX_DEPTH} arrays and structures inside each other")
    if not isinstance(value, Mapping):
        raise ConfigError(f'a value is written {{"type": value}}, not {shown(value)}')
    names = [name for name in value if name != _DATE_TIME]
    if len(names) != 1:
        raise ConfigError(f"a value has one type, not {len(names)}: {shown(names)}")
    tag, content = _tag(names[0]), value[names[0]]
    if tag in _LISTS:
        if not isinstance(content, list):
            raise ConfigError(f"{tag.label} is written as a list, not {shown(content)}")
        return Data(tag, tuple(_from_json(item, depth + 1) for item in content))
    if tag is Tag.COMPACT_ARRAY:
        return Data(tag, _compact(content))
    return Data(tag, _simple(tag, content))


def shown(value: object) -> str:
    """Return the start of a wrong value, as a message repeats it; of one that Python refuses to write, its type."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # thousands of digits, or lists nested as deep
        text = f"too large a value of type {type(value).__name__}"
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def loads(text: str, called: str) -> Any:
    """Return what JSON text, `called` so, holds. Raises `ConfigError` for none, deep lists or a name given twice."""
    try:
        return json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        place = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise ConfigError(f"{called} is no JSON{place}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        name = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise ConfigError(f"{shown(name)} stands twice in one object of the JSON")
    return found


def _tag(name: object) -> Tag:
    if not isinstance(name, str) or name not in TAGS_BY_LABEL:
        raise ConfigError(f"{shown(name)} is no type of data")
    return TAGS_BY_LABEL[name]


def _octets(tag: Tag, content: object) -> bytes:
    try:
        return bytes.fromhex(content)  # type: ignore[arg-type]
    except (ValueError, TypeError):
        raise ConfigError(f"{tag.label} is written in hex, not {shown(content)}") from None


def _simple(tag: Tag, content: Any) -> Any:
    if tag in _HEX:
        return _octets(tag, content)
    if tag in _FLOATS:
        if isinstance(content, str) and content in ("NaN", "Infinity", "-Infinity"):
            return float(content)
        if isinstance(content, (int, float)) and not isinstance(content, bool):
            return _float(tag, content)
    elif (
        (tag in _NOTHING and content is None)
        or (tag in _TEXT and isinstance(content, str))
        or (tag is Tag.BOOLEAN and isinstance(content, bool))
        or (tag in _INTEGERS and isinstance(content, int) and not isinstance(content, bool))
    ):
        return content
    raise ConfigError(f"{shown(content)} is no {tag.label}")


def _float(tag: Tag, content: float) -> float:
    try:
        return float(content)
    except OverflowError:
        raise ConfigError(f"{shown(content)} is too large for {tag.label}") from None


def _compact(content: Any) -> CompactArray:
    if not isinstance(content, Mapping) or "type" not in content:
        raise ConfigError('compact-array is written {"type": ..., "contents": hex} or {"type": ..., "values": [...]}')
    description = _type_from_json(content["type"], 0)
    if "contents" in content:
        return CompactArray(description, _octets(Tag.COMPACT_ARRAY, content["contents"]))
    values = content.get("values")
    if not isinstance(values, list):
        raise ConfigError(f"the values of a compact-array are a list, not {shown(values)}")
    return CompactArray(description, encode_contents(description, tuple(_from_json(item, 1) for item in values)))


def _type_from_json(value: Any, depth: int) -> TypeDescription:
    if depth > MAX_DEPTH:
        raise ConfigError(f"more than {MAX_DEPTH} arrays and structures inside each other")
    if isinstance(value, str):
        return TypeDescription(_tag(value))
    if isinstance(value, Mapping) and len(value) == 1:
        ((name, content),) = value.items()
        if name == "structure" and isinstance(content, list):
            return TypeDescription(Tag.STRUCTURE, tuple(_type_from_json(item, depth + 1) for item in content))
        if name == "array" and isinstance(content, list) and len(content) == 2 and type(content[0]) is int:
            return TypeDescription(Tag.ARRAY, (_type_from_json(content[1], depth + 1),), content[0])
    raise ConfigError(f"{shown(value)} is no type of a compact-array")
