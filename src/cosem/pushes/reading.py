"""Values with names out of a push that describes itself.

Met in the field, in mixtures too: a structure (or array) per reading that starts with a logical name; a flat list in
which a logical name stands before its value; either of them with a scaler-unit structure behind the value; a push
object list (class, logical name, attribute, data index) before the values; and rows of {class, logical name,
attribute} and value. What says less is looked up in the layouts of `cosem.pushes.layout`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cosem.codec.axdr import Data, Tag
from cosem.codec.json import to_json
from cosem.obis import Obis
from cosem.times import CosemDateTime
from cosem.units import Quantity, ScalerUnit, Unit

NUMBERS = frozenset(
    {
        Tag.INTEGER,
        Tag.LONG,
        Tag.DOUBLE_LONG,
        Tag.LONG64,
        Tag.UNSIGNED,
        Tag.LONG_UNSIGNED,
        Tag.DOUBLE_LONG_UNSIGNED,
        Tag.LONG64_UNSIGNED,
    }
)
_STRINGS = frozenset({Tag.OCTET_STRING, Tag.VISIBLE_STRING, Tag.UTF8_STRING})


@dataclass(frozen=True, slots=True)
class Reading:
    """One named value. `attribute` is known where the push carries its object list.

    `scaler` and `unit` are those of the push itself, or of the layout it has (see `cosem.pushes.layout`).
    """

    obis: Obis
    value: Data
    class_id: int | None = None
    attribute: int | None = None
    scaler: int | None = None
    unit: int | None = None
    label: str | None = None

    @property
    def name(self) -> str | None:
        """Return the value in words: those of its layout, or what its OBIS code says."""
        if self.label:
            return self.label
        from cosem.obis_names import words  # the tables are read where words are asked for

        return words(self.obis) or None

    @property
    def quantity(self) -> Quantity | None:
        """Return value, scaler and unit as an exact quantity, where the push says them."""
        if self.scaler is None or self.unit is None or self.value.tag not in NUMBERS:
            return None
        return ScalerUnit(self.scaler, Unit(self.unit)).quantity(self.value.value)

    @property
    def text(self) -> str | None:
        """Return the value as text where it is printable text."""
        if self.value.tag not in _STRINGS:
            return None
        value = self.value.value
        if isinstance(value, bytes):
            if not value or not all(0x20 <= octet < 0x7F for octet in value):
                return None
            return value.decode("ascii")
        return str(value)

    @property
    def date_time(self) -> str | None:
        """Return the value as a date-time where it can be one."""
        if self.value.tag is Tag.DATE_TIME or (self.value.tag is Tag.OCTET_STRING and len(self.value.value) == 12):
            moment = CosemDateTime.from_octets(self.value.value)
            return moment.isoformat() if moment.in_range else None
        return None

    def to_json(self) -> dict[str, Any]:
        """Return the reading as ``cosem listen --json`` prints it."""
        answer: dict[str, Any] = {"obis": str(self.obis), "value": to_json(self.value)}
        if self.name is not None:
            answer["name"] = self.name
        if self.class_id is not None:
            answer |= {"class": self.class_id, "attribute": self.attribute}
        if (quantity := self.quantity) is not None:
            answer |= {
                "scaler": self.scaler,
                "unit": self.unit,
                "scaled": str(quantity.value),
                "unit_symbol": quantity.unit.symbol,
            }
        elif (moment := self.date_time) is not None:
            answer["date_time"] = moment
        elif (text := self.text) is not None and self.value.tag is Tag.OCTET_STRING:
            answer["text"] = text
        return answer

    @property
    def words(self) -> str:
        """Return code, value and unit, and behind them what it is."""
        return f"{self}  ({self.name})" if self.name else str(self)

    def __str__(self) -> str:
        value = self.quantity or self.date_time or self.text
        if value is None:
            value = _plain(self.value)
        return f"{self.obis} = {value}"


def _plain(value: Data) -> str:
    """Write a value that nobody gave a unit or a form: octets as hex, a code as its name, elements in braces."""
    raw = value.value
    if value.tag is Tag.OCTET_STRING and len(raw) == 6 and raw[5] == 0xFF:
        return str(Obis(raw))
    if value.tag in (Tag.ARRAY, Tag.STRUCTURE):
        return f"{{{', '.join(map(_plain, raw))}}}"
    if value.tag is Tag.COMPACT_ARRAY:
        return f"{{{', '.join(map(_plain, raw.values))}}}"
    if raw is None:
        return value.tag.label
    return raw.hex() if isinstance(raw, bytes) else str(raw)


def described(value: Data) -> list[Reading]:
    """Return what `value` (the body of a notification) names by itself; an empty list where it names nothing."""
    listed = _with_object_list(value)
    return listed if listed is not None else list(_walk(value))


def _walk(value: Data) -> Iterator[Reading]:
    """Walk containers; inside one, a logical name names the value that follows it."""
    if value.tag not in (Tag.ARRAY, Tag.STRUCTURE):
        return
    items = value.value
    index = 0
    while index < len(items):
        item = items[index]
        if _is_name(item) and not _is_setup(item) and index + 1 < len(items) and not _is_name(items[index + 1]):
            follower = items[index + 1]
            scaler_unit = _scaler_unit(items[index + 2]) if index + 2 < len(items) else None
            if follower.tag in (Tag.ARRAY, Tag.STRUCTURE):
                index += 1
                continue
            scaler, unit = scaler_unit or (None, None)
            yield Reading(Obis(item.value), follower, scaler=scaler, unit=unit)
            index += 3 if scaler_unit else 2
            continue
        described = _described(item)
        if described is not None:
            yield described
        else:
            yield from _walk(item)
        index += 1


def _described(value: Data) -> Reading | None:
    """Read a structure of two: {class, logical name, attribute} and the value."""
    if value.tag is not Tag.STRUCTURE or len(value.value) != 2 or value.value[0].tag is not Tag.STRUCTURE:
        return None
    head, item = value.value
    if len(head.value) != 3:
        return None
    target = _target(head.value)
    return None if target is None else Reading(target[1], item, target[0], target[2])


def _is_name(value: Data) -> bool:
    # A logical name ends with F = 255 in every push seen; asking for it keeps six characters of text from being one.
    return value.tag is Tag.OCTET_STRING and len(value.value) == 6 and value.value[5] == 0xFF


def _is_setup(value: Data) -> bool:
    # A push setup says which push this is; it names no value.
    return bool(value.value[2:4] == b"\x19\x09")


def _scaler_unit(value: Data) -> tuple[int, int] | None:
    if value.tag is not Tag.STRUCTURE or len(value.value) != 2:
        return None
    scaler, unit = value.value
    if scaler.tag is not Tag.INTEGER or unit.tag is not Tag.ENUM:
        return None
    return scaler.value, unit.value


def _with_object_list(value: Data) -> list[Reading] | None:
    """Read a structure whose first element is the push object list (class 40 attribute 2) of the values behind it."""
    if value.tag is not Tag.STRUCTURE or not value.value or value.value[0].tag is not Tag.ARRAY:
        return None
    objects = [_capture_object(item) for item in value.value[0].value]
    rest = value.value[1:]
    if not objects or any(item is None for item in objects):
        return None
    # The list itself is usually its own first row: then it has no value of its own behind it, or it stands there whole.
    columns = [item for item in objects if item is not None]
    if len(columns) == len(rest) + 1 and columns[0][0] == 40:
        columns = columns[1:]
    if len(columns) != len(rest):
        return None
    scalers: dict[Obis, tuple[int, int]] = {}
    for (_, name, attribute), item in zip(columns, rest, strict=True):
        pair = _scaler_unit(item)
        if attribute == 3 and pair is not None:
            scalers[name] = pair
    answer = []
    for (class_id, name, attribute), item in zip(columns, rest, strict=True):
        scaler, unit = scalers.get(name, (None, None)) if attribute == 2 else (None, None)
        answer.append(Reading(name, item, class_id, attribute, scaler, unit))
    return answer


def _capture_object(value: Data) -> tuple[int, Obis, int] | None:
    if value.tag is not Tag.STRUCTURE or len(value.value) < 4:
        return None
    return _target(value.value)


def _target(items: list[Data]) -> tuple[int, Obis, int] | None:
    class_id, name, attribute = items[:3]
    if class_id.tag is not Tag.LONG_UNSIGNED or attribute.tag is not Tag.INTEGER:
        return None
    if name.tag is not Tag.OCTET_STRING or len(name.value) != 6:
        return None
    return class_id.value, Obis(name.value), attribute.value
