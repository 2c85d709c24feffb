"""A model as a document, JSON or TOML, and back. `docs/models.md` has its schema.

Numbers are what counts; words beside them (``class_name``, ``words``, ``name`` of an attribute) are for people and not
read. What is wrong is told in one sentence that names the place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from cosem.association.settings import AUTHENTICATION, REFERENCING, SECURITY
from cosem.classes.access import AccessRights, AttributeAccess, MethodAccess
from cosem.classes.json_form import declaration, value_from_json, value_to_json
from cosem.classes.model import lookup
from cosem.codec.json import loads, shown
from cosem.errors import ConfigError
from cosem.models.lists import is_list, model_of_list
from cosem.models.model import CURRENT_ASSOCIATION, AssociationModel, DeviceModel, LogicalDeviceModel, ObjectModel
from cosem.models.rights import rights_from_words, rights_in_words
from cosem.obis import Obis
from cosem.obis_names import words

FORMAT: Final = 1
"""The form of the document; a program that knows less of it refuses to read it."""
MAX_TEXT: Final = 200_000_000
"""Octets of a document: the values of the largest meters, buffers of profiles included, several times over."""

V = TypeVar("V")
Right = TypeVar("Right", AttributeAccess, MethodAccess)
_HIGHEST_NUMBER: Final = 127
"""Of attributes and methods: their numbers are integers of one octet, and negative ones are the manufacturer's."""


# --- writing ------------------------------------------------------------------------------------------------------


def dumps(model: DeviceModel) -> str:
    """Return a model as JSON text, for people to read: one line for each attribute and method."""
    return _lines(to_document(model), "") + "\n"


_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_DEEP: Final = ("logical_devices", "associations", "objects", "attributes", "methods")
"""Lists that stand on lines of their own; everything else is short enough for one line."""


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    # A utf8-string that is no UTF-8 has surrogates in it, which no file takes: these are written as escapes.
    return text if not _SURROGATES.search(text) else json.dumps(value, allow_nan=False)


def _lines(value: Any, indent: str) -> str:
    if not isinstance(value, Mapping) or not any(isinstance(value.get(name), list) for name in _DEEP):
        return _json(value)
    parts = []
    for name, item in value.items():
        text = _json(item)
        if name in _DEEP and isinstance(item, list) and item and isinstance(item[0], Mapping):
            inner = f",\n{indent}  ".join(_lines(element, indent + "  ") for element in item)
            text = f"[\n{indent}  {inner}\n{indent} ]"
        parts.append(f"{indent} {json.dumps(name)}: {text}")
    return "{\n" + ",\n".join(parts) + f"\n{indent}}}"


def to_document(model: DeviceModel) -> dict[str, Any]:
    """Return a model as what JSON has."""
    document: dict[str, Any] = {"cosem_model": FORMAT}
    if model.name:
        document["name"] = model.name
    if model.source:
        document["source"] = model.source
    if model.system_title:
        document["system_title"] = model.system_title.hex()
    document["logical_devices"] = [_device_document(device) for device in model.logical_devices]
    return document


def _device_document(device: LogicalDeviceModel) -> dict[str, Any]:
    document: dict[str, Any] = {"sap": device.sap}
    if device.name:
        text = device.name.decode("ascii", "replace")
        document["name"] = text if text.isprintable() and "\ufffd" not in text else f"hex:{device.name.hex()}"
    document["associations"] = [_association_document(association) for association in device.associations]
    clients = [association.client for association in device.associations]
    document["objects"] = [_object_document(obj, clients) for obj in device.objects]
    return document


def _association_document(association: AssociationModel) -> dict[str, Any]:
    mechanisms = {number: name for name, number in AUTHENTICATION.items()}
    policies = {bits >> 4: name for name, bits in SECURITY.items()}
    document: dict[str, Any] = {
        "client": association.client,
        "authentication": mechanisms.get(association.mechanism, f"mechanism {association.mechanism}"),
        "security": policies[association.policy],
    }
    if association.ciphered != bool(association.policy):
        document["ciphered"] = association.ciphered
    if association.object != CURRENT_ASSOCIATION:
        document["object"] = str(association.object)
    if association.referencing != "ln":
        document["referencing"] = association.referencing
    if association.max_pdu_size is not None:
        document["max_pdu_size"] = association.max_pdu_size
    return document


def _object_document(obj: ObjectModel, clients: list[int]) -> dict[str, Any]:
    declared = lookup(obj.class_id, obj.version)
    document: dict[str, Any] = {
        "class": obj.class_id,
        "version": obj.version,
        "obis": str(obj.name),
        "class_name": declared.class_name if declared is not None else f"class {obj.class_id}",
        "words": words(obj.name),
    }
    if obj.base_name is not None:
        document["base_name"] = obj.base_name
    if sorted(obj.rights) != sorted(clients):
        document["seen_by"] = sorted(obj.rights)
    if unknown := [client for client, rights in obj.rights.items() if rights is None]:
        document["rights_not_told"] = sorted(unknown)
    told = {client: rights for client, rights in obj.rights.items() if rights is not None}
    attributes = {client: {r.attribute_id: r for r in rights.attribute_access} for client, rights in told.items()}
    methods = {client: {r.method_id: r for r in rights.method_access} for client, rights in told.items()}
    document["attributes"] = [
        _attribute_document(obj, number, {client: rights.get(number) for client, rights in attributes.items()})
        for number in _in_order(*attributes.values(), obj.values, obj.errors, obj.skipped)
    ]
    names = {} if declared is None else declared.methods
    document["methods"] = [
        {"id": number}
        | ({"name": names[number].name} if number in names else {})
        | _access_document({client: rights.get(number) for client, rights in methods.items()})
        for number in _in_order(*methods.values())
    ]
    return document


def _in_order(*several: Mapping[int, Any]) -> list[int]:
    """Return the numbers in the order of the first that has them."""
    return list(dict.fromkeys(number for some in several for number in some))


def _attribute_document(obj: ObjectModel, number: int, rights: dict[int, AttributeAccess | None]) -> dict[str, Any]:
    attribute = declaration(obj.class_id, obj.version, number)
    document: dict[str, Any] = {"id": number}
    if attribute.name != str(number):
        document["name"] = attribute.name
    document |= _access_document(rights)
    if number in obj.values:
        document["value"] = value_to_json(attribute.type, obj.values[number])
    if number in obj.errors:
        document["error"] = obj.errors[number]
    if number in obj.skipped:
        document["skipped"] = obj.skipped[number]
    return document


def _access_document(rights: Mapping[int, AttributeAccess | MethodAccess | None]) -> dict[str, Any]:
    """Return ``access``: one for all clients where it is the same, otherwise by client."""
    entries = {str(client): _entry(right) for client, right in rights.items() if right is not None}
    if not entries:
        return {}
    first = next(iter(entries.values()))
    if len(entries) == len(rights) and all(entry == first for entry in entries.values()):
        return {"access": first}
    return {"access": entries}


def _entry(right: AttributeAccess | MethodAccess) -> Any:
    if isinstance(right, MethodAccess):
        return rights_in_words(right.access, right.unknown_mode, of_method=True)
    words = rights_in_words(right.access, right.unknown_mode)
    return words if right.selectors is None else {"rights": words, "selectors": list(right.selectors)}


# --- reading ------------------------------------------------------------------------------------------------------


def load_text(text: str, *, toml: bool = False) -> DeviceModel:
    """Return the model that a document holds, or that is made of an object list of the forms `model_of_list` takes.

    Raises `ConfigError` with one sentence that names the mistake and its place.
    """
    if len(text) > MAX_TEXT:
        raise ConfigError(f"the model is longer than {MAX_TEXT} characters")
    try:
        if toml:
            import tomllib  # only where the document is TOML

            document: Any = tomllib.loads(text)
        else:
            document = loads(text, "the model")
    except (ValueError, RecursionError):
        raise ConfigError("the model is no TOML") from None
    return model_of_list(document) if is_list(document) else from_document(document)


def from_document(document: Any) -> DeviceModel:
    """Return the model that `to_document` wrote so. Raises `ConfigError`."""
    if not isinstance(document, Mapping) or "cosem_model" not in document:
        raise ConfigError('this is no model of a device: it has no "cosem_model"')
    if type(document["cosem_model"]) is not int or document["cosem_model"] != FORMAT:
        raise ConfigError(f"this model has the form {shown(document['cosem_model'])}; form {FORMAT} is known here")
    with _at("the model"):
        _only(document, ("cosem_model", "name", "source", "system_title", "logical_devices"))
        model = DeviceModel(
            name=_optional(document, "name", _text, ""),
            source=_optional(document, "source", _text, ""),
            system_title=_optional(document, "system_title", _title, b""),
        )
        devices = _list(document, "logical_devices")
    for index, item in enumerate(devices, 1):
        with _at(f"logical device {index}"):
            device = _device(item)
            if model.logical_device(device.sap) is not None:
                raise ConfigError(f"there is a logical device with sap {device.sap} already")
            model.logical_devices.append(device)
    return model


@contextmanager
def _at(place: str) -> Iterator[None]:
    """Put `place` in front of what is said to be wrong."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{place}: {error}") from None


def _only(item: Any, names: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(item, Mapping):
        raise ConfigError(f"{shown(item)} is no table of {', '.join(names)}")
    for name in item:
        if name not in names:
            raise ConfigError(f"{shown(name)} is none of {', '.join(names)}")
    return item


def _need(item: Mapping[str, Any], name: str, read: Callable[[Any], V]) -> V:
    if name not in item:
        raise ConfigError(f"{name} is missing")
    with _at(name):
        return read(item[name])


def _optional(item: Mapping[str, Any], name: str, read: Callable[[Any], V], default: V) -> V:
    return _need(item, name, read) if name in item else default


def _list(item: Mapping[str, Any], name: str) -> list[Any]:
    def read(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise ConfigError(f"a list is expected, not {shown(value)}")
        return value

    return _optional(item, name, read, [])


def _number(low: int, high: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise ConfigError(f"a number from {low} to {high} is expected, not {shown(value)}")
        return value

    return read


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"text is expected, not {shown(value)}")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"true or false is expected, not {shown(value)}")
    return value


def _title(value: Any) -> bytes:
    try:
        octets = bytes.fromhex(_text(value))
    except ValueError:
        raise ConfigError(f"hex digits are expected, not {shown(value)}") from None
    if len(octets) != 8:
        raise ConfigError(f"8 octets are expected, not {len(octets)}")
    return octets


def _device_name(value: Any) -> bytes:
    text = _text(value)
    try:
        octets = bytes.fromhex(text[4:]) if text.startswith("hex:") else text.encode("ascii")
    except ValueError:
        raise ConfigError(f"ASCII text, or hex digits behind hex:, is expected, not {shown(text)}") from None
    if not 1 <= len(octets) <= 16:
        raise ConfigError("a COSEM logical device name has 1 to 16 octets")
    return octets


def _obis(value: Any) -> Obis:
    return Obis.parse(_text(value))


def _device(item: Any) -> LogicalDeviceModel:
    _only(item, ("sap", "name", "associations", "objects"))
    device = LogicalDeviceModel(
        _optional(item, "sap", _number(1, 0x3FFF), 1), _optional(item, "name", _device_name, b"")
    )
    for index, entry in enumerate(_list(item, "associations"), 1):
        with _at(f"association {index}"):
            association = _association(entry)
            if any(association.client == other.client for other in device.associations):
                raise ConfigError(f"client {association.client} has an association already")
            device.associations.append(association)
    clients = [association.client for association in device.associations]
    for index, entry in enumerate(_list(item, "objects"), 1):
        named = f" ({entry['obis'][:40]})" if isinstance(entry, Mapping) and isinstance(entry.get("obis"), str) else ""
        with _at(f"object {index}{named}"):
            device.objects.append(_object(entry, clients))
    return device


def _association(item: Any) -> AssociationModel:
    _only(item, ("client", "authentication", "security", "ciphered", "object", "referencing", "max_pdu_size"))
    policy = _optional(item, "security", _one_of(SECURITY), 0) >> 4
    return AssociationModel(
        _need(item, "client", _number(0, 0x7F)),
        _optional(item, "authentication", _mechanism, 0),
        policy,
        _optional(item, "ciphered", _flag, bool(policy)),
        _optional(item, "object", _obis, CURRENT_ASSOCIATION),
        _optional(item, "referencing", _one_of({name: name for name in REFERENCING}), "ln"),
        _optional(item, "max_pdu_size", _number(64, 0xFFFF), None),
    )


def _one_of(words: Mapping[str, V]) -> Callable[[Any], V]:
    def read(value: Any) -> V:
        if not isinstance(value, str) or value not in words:
            raise ConfigError(f"{shown(value)} is none of {', '.join(words)}")
        return words[value]

    return read


def _mechanism(value: Any) -> int:
    head, _, number = _text(value).partition(" ")
    if head == "mechanism" and number.isdecimal() and len(number) <= 3:
        return int(number)
    return _one_of(AUTHENTICATION)(value)


_OBJECT: Final = (
    "class",
    "version",
    "obis",
    "class_name",
    "words",
    "base_name",
    "seen_by",
    "rights_not_told",
    "attributes",
    "methods",
)


def _object(item: Any, clients: list[int]) -> ObjectModel:
    _only(item, _OBJECT)
    obj = ObjectModel(
        _need(item, "class", _number(0, 0xFFFF)),
        _need(item, "version", _number(0, 0xFF)),
        _need(item, "obis", _obis),
        _optional(item, "base_name", _number(0, 0xFFFF), None),
    )
    seen = _clients(item, "seen_by", clients) if "seen_by" in item else clients
    not_told = _clients(item, "rights_not_told", seen)
    attributes: dict[int, list[AttributeAccess]] = {client: [] for client in seen}
    methods: dict[int, list[MethodAccess]] = {client: [] for client in seen}
    told = [client for client in seen if client not in not_told]
    numbers: set[int] = set()
    for index, entry in enumerate(_list(item, "attributes"), 1):
        with _at(_named("attribute", entry, index)):
            number = _attribute(obj, entry, numbers)
            for client, (words, selectors) in _access(entry, told, with_selectors=True).items():
                access, mode = rights_from_words(words)
                attributes[client].append(AttributeAccess(number, access, selectors, mode))
    numbers = set()
    for index, entry in enumerate(_list(item, "methods"), 1):
        with _at(_named("method", entry, index)):
            number = _new_number(_only(entry, ("id", "name", "access")), numbers)
            for client, (words, _) in _access(entry, told, with_selectors=False).items():
                access, mode = rights_from_words(words, of_method=True)
                methods[client].append(MethodAccess(number, access, mode))
    obj.rights = {
        client: None if client in not_told else AccessRights(tuple(attributes[client]), tuple(methods[client]))
        for client in seen
    }
    return obj


def _named(kind: str, entry: Any, index: int) -> str:
    number = entry.get("id") if isinstance(entry, Mapping) else None
    return f"{kind} {shown(number)}" if type(number) is int else f"{kind} number {index} of the list"


def _new_number(entry: Mapping[str, Any], numbers: set[int]) -> int:
    number = _need(entry, "id", _number(-_HIGHEST_NUMBER - 1, _HIGHEST_NUMBER))
    if number in numbers:
        raise ConfigError("it is there already")
    numbers.add(number)
    return number


def _clients(item: Mapping[str, Any], name: str, known: list[int]) -> list[int]:
    for client in _list(item, name):
        if client not in known or type(client) is not int:
            raise ConfigError(f"{name}: {shown(client)} is no client of an association of this logical device")
    return _list(item, name)


def _attribute(obj: ObjectModel, entry: Any, numbers: set[int]) -> int:
    """Take what an attribute holds, and return its number."""
    _only(entry, ("id", "name", "access", "value", "error", "skipped"))
    number = _new_number(entry, numbers)
    if "value" in entry:
        with _at("value"):
            obj.values[number] = value_from_json(declaration(obj.class_id, obj.version, number).type, entry["value"])
    if "error" in entry:
        obj.errors[number] = _need(entry, "error", _text)
    if "skipped" in entry:
        obj.skipped[number] = _need(entry, "skipped", _text)
    return number


def _access(
    entry: Mapping[str, Any], told: list[int], *, with_selectors: bool
) -> dict[int, tuple[str, tuple[int, ...] | None]]:
    """Return for each client the words of its right and the selectors."""
    access = entry.get("access")
    if access is None:
        return {}
    if isinstance(access, str) or (isinstance(access, Mapping) and "rights" in access):
        access = {str(client): access for client in told}
    if not isinstance(access, Mapping):
        raise ConfigError(f"access: words such as 'read, write', or these by client, not {shown(access)}")
    found = {}
    clients = {str(client): client for client in told}
    for client, right in access.items():
        if client not in clients:
            raise ConfigError(f"access: {shown(client)} is no client that sees this object and has rights told")
        with _at(f"access of client {client}"):
            selectors = None
            if with_selectors and isinstance(right, Mapping):
                _only(right, ("rights", "selectors"))
                selectors = tuple(_number(-128, 127)(number) for number in _list(right, "selectors"))
                right = _need(right, "rights", _text)
            found[clients[client]] = (_text(right), selectors)
            rights_from_words(found[clients[client]][0], of_method=not with_selectors)
    return found
