"""Decoded readings as people's tools take them: one flat JSON object per telegram, a name with its unit per value.

``{"media":"water","meter":"sensus-iperl","name":"kitchen","id":"12345699","total_m3":7.704, ... ,"timestamp":"..."}``.
The names are the model's; a meter without a model gets generic ones from its records. Numbers are written exactly as
the meter has them, never by way of a float.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, TypeAlias

from cosem.errors import DecodeError
from cosem.mbus import values
from cosem.mbus.ci import Content
from cosem.mbus.compact import decode_compact
from cosem.mbus.dib import BCD
from cosem.mbus.fixed import FixedData
from cosem.mbus.header import STATUS_BITS, STATUS_STATES
from cosem.mbus.media import medium_name
from cosem.mbus.model import UNITS, Model, Models
from cosem.mbus.moments import Moment
from cosem.mbus.record import Record, Records, decode_records
from cosem.mbus.telegram import Telegram

JsonValue: TypeAlias = Decimal | str | None
"""A number stays the decimal it is; None where the meter says that it has none."""
FLAGS: Final = "error_flags"
"""The field whose bits are told in words as the status."""
OK: Final = "OK"
UNKNOWN: Final = "unknown"
_GENERIC: Final[dict[tuple[str, int], str]] = {
    (unit, shift): suffix for suffix, (unit, shift) in UNITS.items() if suffix in {
        "m3", "m3h", "kwh", "kvarh", "gj", "kw", "c", "k", "d", "h", "min", "s", "v", "a", "hz", "bar", "kg", "pct",
    }
}  # fmt: skip
_SUFFIX: Final = {unit: (suffix, shift) for (unit, shift), suffix in _GENERIC.items()}
"""The ending of a generic name by the unit of the record, and the power of ten between them."""
_TOTALS: Final = {"volume": "total", "energy": "total_energy"}
_IDENTIFIERS: Final = frozenset(("fabrication number", "enhanced identification", "customer location", "customer"))
_NOT_WORD = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Reading:
    """What one telegram says. `meter` is the model's name, `name` what its owner calls the meter."""

    media: str
    meter: str
    name: str
    id: str
    values: Mapping[str, JsonValue]
    timestamp: datetime
    rssi: int | None = None

    def json(self) -> dict[str, JsonValue | int]:
        """Return the flat object; `timestamp` is in UTC, ISO 8601 with Z."""
        answer: dict[str, JsonValue | int] = {
            "media": self.media,
            "meter": self.meter,
            "name": self.name,
            "id": self.id,
        }
        answer.update(self.values)
        answer["timestamp"] = self.timestamp.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if self.rssi is not None:
            answer["rssi_dbm"] = self.rssi
        return answer

    def line(self) -> str:
        """Return one line of JSON without its end; numbers have the digits that the meter sent."""
        return "{" + ",".join(f"{json.dumps(name)}:{_text(value)}" for name, value in self.json().items()) + "}"


def _text(value: JsonValue | int) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}" if value.is_finite() else "null"
    return json.dumps(value)


def records_of(telegram: Telegram, formats: Mapping[int, bytes] | None = None) -> Records:
    """Return the records of a telegram, of a compact frame with the format from `formats` (signature: headers).

    Raises `DecodeError` for what carries no records, and where they are cut short.
    """
    if telegram.content is Content.RECORDS:
        return decode_records(telegram.application)
    if telegram.content is Content.COMPACT:
        return decode_compact(telegram.application, formats or {})
    raise DecodeError(f"CI {telegram.ci:02X}h carries no records: {telegram.content.value}")


def joined(parts: Iterable[Records]) -> Records:
    """Return the records of an answer in several telegrams as those of one; what is the manufacturer's is left out."""
    return Records(tuple(record for part in parts for record in part.records))


def reading(
    telegram: Telegram,
    models: Models,
    *,
    timestamp: datetime,
    name: str = "",
    records: Records | None = None,
    rssi: int | None = None,
) -> Reading:
    """Return the reading of a telegram that was opened. `records`: what `records_of` gives, if it was asked before.

    `timestamp` (with its time zone) is when it was received. Raises `DecodeError` as `records_of`.
    """
    if records is None:
        records = records_of(telegram)
    address = telegram.address
    model = models.of(address)
    found = named_values(records, model)
    found["status"] = _status(telegram, records, model)
    return Reading(
        UNKNOWN if address is None else medium_name(address.medium),
        UNKNOWN if model is None else model.name,
        name,
        "" if address is None else address.number.lower(),
        found,
        timestamp,
        rssi,
    )


def fixed_reading(data: FixedData, *, timestamp: datetime, name: str = "", rssi: int | None = None) -> Reading:
    """Return the reading of a fixed data structure, which says neither manufacturer nor model."""
    found: dict[str, JsonValue] = {}
    for counter in data.counters:
        parts = [counter.quantity, "at", "1"] if counter.historic else [_TOTALS.get(counter.quantity, counter.quantity)]
        word, shift = _with_unit(parts, counter.unit)
        value = counter.value
        if word not in found and counter.unit is not None:
            found[word] = values.EXACT.scaleb(value, shift) if shift and value is not None else value
    words = [word for bit, word in STATUS_BITS.items() if data.status & bit]
    found["status"] = _words(words)
    return Reading(data.medium_name, UNKNOWN, name, data.identification_number, found, timestamp, rssi)


def named_values(records: Records, model: Model | None) -> dict[str, JsonValue]:
    """Return the values of records by the names of a model, by what they say of themselves without one."""
    return _generic(records) if model is None else _named(records, model)


def _named(records: Records, model: Model) -> dict[str, JsonValue]:
    found: dict[str, JsonValue] = {}
    for record in records.records:
        item = model.field_of(record)
        if item is None or item.name == FLAGS or item.name in found:
            continue
        value = _value(record, item.shift)
        words = model.words.get(item.name)
        if words is not None and isinstance(value, Decimal):
            value = words.get(int(value), f"{value:f}")
        found[item.name] = value
    return found


def _generic(records: Records) -> dict[str, JsonValue]:
    """Name values by what their records say; the second of one name gets a number."""
    found: dict[str, JsonValue] = {}
    for record in records.records:
        if record.data == b"" or (record.quantity == "error flags" and not record.storage):
            continue
        name, shift = generic_name(record)
        if name in found:
            name = next(other for n in range(2, len(found) + 3) if (other := f"{name}_{n}") not in found)
        found[name] = _value(record, shift)
    return found


def generic_name(record: Record) -> tuple[str, int]:
    """Return a name for a record of a meter without a model, and the power of ten to the unit that it ends with.

    Function, quantity, qualifiers, tariff, subunit and storage number are in it as far as they are not the plain ones.
    """
    vib = record.vib
    parts = [] if not record.dib.function else [record.function.words[:3] if record.dib.function < 3 else "at_error"]
    plain = not (record.dib.function or record.storage or record.tariff or record.subunit or vib.qualifiers)
    parts.append(_TOTALS.get(vib.quantity, vib.quantity) if plain else vib.quantity)
    parts += vib.qualifiers
    for word, number in (("tariff", record.tariff), ("subunit", record.subunit), ("at", record.storage)):
        if number:
            parts += (word, str(number))
    return _with_unit(parts, vib.unit)


def _with_unit(parts: list[str], unit: str | None) -> tuple[str, int]:
    suffix, shift = _SUFFIX.get(unit or "", ("", 0))
    if unit and not suffix:
        parts.append(unit.translate(_DIGITS))
    name = _NOT_WORD.sub("_", "_".join(parts).lower()).strip("_") or UNKNOWN
    return (f"{name}_{suffix}" if suffix else name), shift


_DIGITS: Final = str.maketrans({"³": "3", "°": None, "·": "_", "/": "_per_"})


def _value(record: Record, shift: int) -> JsonValue:
    if record.invalid or record.vib.condition:
        return None
    value = record.value
    if isinstance(value, Decimal):
        if record.quantity in _IDENTIFIERS and record.dib.field in BCD:
            # The digits are a name, of which a zero in front is a part.
            return f"{int(value):0{2 * len(record.data)}d}"
        return values.EXACT.scaleb(value, shift) if shift else value
    if isinstance(value, Moment):
        text = value.isoformat()
        return None if text is None or value.invalid else text.replace("T", " ")
    return value.hex() if isinstance(value, bytes) else value


def _status(telegram: Telegram, records: Records, model: Model | None) -> str:
    """Return what status octet and error flags say, in words with underscores, or OK."""
    octet = telegram.header.status
    words = [STATUS_STATES[octet & 3]] if octet & 3 else []
    for bit, word in STATUS_BITS.items():
        if octet & bit:
            own = None if model is None else model.status.get(bit.bit_length() - 1)
            words.append(own or word)
    for record in records.records:
        if record.quantity == "error flags" and not record.storage and isinstance(record.raw, int):
            flags = () if model is None else model.flags
            for bit in range(record.raw.bit_length()):
                if record.raw >> bit & 1:
                    words.append(flags[bit] if bit < len(flags) else f"error flag {bit}")
    return _words(words)


def _words(words: Iterable[str]) -> str:
    return " ".join(dict.fromkeys(_NOT_WORD.sub("_", word.lower()).strip("_").upper() for word in words)) or OK
