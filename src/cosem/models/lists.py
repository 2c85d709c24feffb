"""Object lists of other programs as models: JSON with ``cls``, ``version``, ``ln`` and numbers of access modes.

Such a list has ``objects`` (each ``cls``, ``cls_name``, ``version``, ``ln``, ``sn``, ``attributes`` and ``methods``
with ``index``, ``access`` and ``selectors``, ``unit``, ``scaler_multiplier``), or the A-XDR octets of an object list in
``hex``. Beside them stand ``meter``, ``source``, ``client_address``, ``authentication`` and ``security``.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation, Overflow
from typing import Any, Final

from cosem.association.settings import AUTHENTICATION
from cosem.classes.access import AccessRights, AttributeAccess, MethodAccess, decode_mode
from cosem.classes.c015_association_ln import read_object_list
from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag
from cosem.errors import ConfigError, CosemError
from cosem.models.model import AssociationModel, DeviceModel, LogicalDeviceModel, ObjectModel, first_of_each
from cosem.obis import Obis

READ_AND_WRITE: Final = 3
"""What an attribute without ``access`` has: such lists leave the usual mode out, and of the modes 0 to 3 this is the
one that those which leave modes out never write. Of methods they leave out 0."""
CLASSES: Final = {"NtpSetup": 100, "TariffPlan": 8192}
"""Classes that stand in such lists by name only: NTP setup of the Blue Book, tariff plan of UNI/TS 11291-11."""
DEFAULT_CLIENT: Final = 16
_SECURITY: Final = {"None": 0, "Authentication": 1, "Encryption": 2, "AuthenticationEncryption": 3}
_SCALER_ATTRIBUTE: Final = {3: 3, 4: 3, 5: 4}


def is_list(document: Any) -> bool:
    """Whether `document` is such a list and no model of ours."""
    return isinstance(document, Mapping) and "cosem_model" not in document and ("hex" in document or _objects(document))


def _objects(document: Mapping[str, Any]) -> bool:
    objects = document.get("objects")
    return isinstance(objects, list) and bool(objects) and isinstance(objects[0], Mapping) and "cls" in objects[0]


def model_of_list(document: Mapping[str, Any]) -> DeviceModel:
    """Return the model of a list with one association. Raises `ConfigError` that names the place of a mistake."""
    client = _integer(document.get("client_address") or DEFAULT_CLIENT, "client_address", 0, 0x7F)
    words = str(document.get("authentication") or "None")
    mechanism = {word.replace("-", ""): number for word, number in AUTHENTICATION.items()}.get(words.lower())
    security = str(document.get("security") or "None")
    policy = _SECURITY.get(security)
    if mechanism is None or policy is None:
        raise ConfigError(f"authentication {words[:40]!r} with security {security[:40]!r} is not known")
    association = AssociationModel(client, mechanism, policy, bool(policy))
    device = LogicalDeviceModel(associations=[association])
    if "hex" in document:
        _take_octets(device, client, document["hex"])
    else:
        for index, item in enumerate(document["objects"], 1):
            try:
                device.objects.append(_object(item, client))
            except ConfigError as error:
                raise ConfigError(f"object {index} of the list: {error}") from None
    return DeviceModel([device], str(document.get("meter") or ""), str(document.get("source") or ""))


def _take_octets(device: LogicalDeviceModel, client: int, text: Any) -> None:
    try:
        device.take_list(client, read_object_list(axdr.decode(bytes.fromhex(text))))
    except (CosemError, TypeError, ValueError) as error:
        what = str(error) if isinstance(error, CosemError) else "not hex digits"
        raise ConfigError(f"hex holds no object list: {what}") from None


def _integer(value: Any, name: str, low: int, high: int) -> int:
    """Return a number, which these lists also write as text."""
    number = int(value) if isinstance(value, str) and value.isdecimal() and len(value) <= 20 else value
    if type(number) is not int or not low <= number <= high:
        raise ConfigError(f"{name}: a number from {low} to {high} is expected, not {str(value)[:40]!r}")
    return number


def _object(item: Any, client: int) -> ObjectModel:
    if not isinstance(item, Mapping) or not isinstance(item.get("ln"), str):
        raise ConfigError("it has no logical name ln")
    if "data_index" in item:
        raise ConfigError("it is a captured attribute: this is the capture list of a profile, no object list")
    class_id = item.get("cls")
    if class_id is None:
        class_name = str(item.get("cls_name"))
        class_id = CLASSES.get(class_name)
        if class_id is None:
            raise ConfigError(f"class {class_name[:40]!r} has no number that is known")
    version = _integer(item.get("version"), "version", 0, 0xFF)
    obj = ObjectModel(_integer(class_id, "cls", 0, 0xFFFF), version, Obis.parse(item["ln"]))
    if item.get("sn") is not None:
        obj.base_name = _integer(item["sn"], "sn", 0, 0xFFFF)
    obj.rights[client] = _rights(item)
    if (number := _SCALER_ATTRIBUTE.get(obj.class_id)) is not None and "unit" in item:
        unit = _integer(item["unit"], "unit", 0, 0xFF)
        scaler = _scaler(item.get("scaler_multiplier", "1"))
        obj.values[number] = Data(Tag.STRUCTURE, (Data(Tag.INTEGER, scaler), Data(Tag.ENUM, unit)))
    return obj


def _scaler(text: Any) -> int:
    try:
        exponent = Decimal(str(text)).normalize()
        power = exponent.as_tuple().exponent
    except (InvalidOperation, Overflow):
        power = None
    if not isinstance(power, int) or exponent.as_tuple()[:2] != (0, (1,)) or not -128 <= power <= 127:
        raise ConfigError(f"scaler_multiplier {str(text)[:40]!r} is no power of ten")
    return power


def _rights(item: Mapping[str, Any]) -> AccessRights | None:
    """Return the rights; None where the list has none for this object."""
    if "attributes" not in item and "methods" not in item:
        return None
    attributes, methods = [], []
    for number, mode, entry in _modes(item, "attributes", READ_AND_WRITE):
        access, unknown = decode_mode(1, mode)
        selectors = entry.get("selectors")
        if selectors is not None:
            if not isinstance(selectors, list):
                raise ConfigError(f"attribute {number}: selectors are a list")
            selectors = tuple(_integer(selector, "selectors", -128, 127) for selector in selectors)
        attributes.append(AttributeAccess(number, access, selectors, unknown))
    for number, mode, _ in _modes(item, "methods", 0):
        access, unknown = decode_mode(1, mode, of_methods=True)
        methods.append(MethodAccess(number, access, unknown))
    return first_of_each(AccessRights(tuple(attributes), tuple(methods)))


def _modes(item: Mapping[str, Any], name: str, usual: int) -> list[tuple[int, int, Mapping[str, Any]]]:
    entries = item.get(name) or []
    if not isinstance(entries, list):
        raise ConfigError(f"{name} is a list")
    found = []
    for entry in entries:
        if not isinstance(entry, Mapping):
            raise ConfigError(f"{name}: {str(entry)[:40]!r} has no index and access")
        number = _integer(entry.get("index"), f"{name}: index", -128, 127)
        mode = entry.get("access")
        found.append((number, usual if mode is None else _integer(mode, f"{name} {number}: access", 0, 0xFF), entry))
    return found
