"""Every octet of an M-Bus frame with its layer and meaning, the records of its application taken apart too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from cosem.explain.mbus_document import TelegramExplained, name_of_record, value_text
from cosem.mbus.ci import Content
from cosem.mbus.octets import Field, fields
from cosem.mbus.record import Record
from cosem.mbus.telegram import State, Telegram
from cosem.mbus.wireless import Format, WirelessFrame, place


class Row(NamedTuple):
    """Octets that belong together. `offset` and `length` in the frame as received; `octets` deciphered.

    A row that a CRC stands in the middle of is longer in the frame than its octets.
    """

    layer: str
    name: str
    offset: int
    length: int
    octets: bytes
    text: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the row as the command line prints it."""
        return {**self._asdict(), "octets": self.octets.hex()}


def rows(said: TelegramExplained) -> list[Row]:
    """Return the rows of one frame, together every octet of it. What is no telegram is one row."""
    telegram = said.telegram
    if telegram is None:
        return [Row(said.reached, "frame", 0, len(said.frame), said.frame)] if said.frame else []
    found: list[Row] = []
    for item in fields(telegram):
        if item.name == "apl" and telegram.state is not State.SEALED:
            found += _application(said, telegram, item)
        else:
            found.append(Row(*_named(item)))
    return sorted(found, key=lambda row: (row.offset, -row.length))


def _named(item: Field) -> Field:
    return item._replace(octets=item.octets or b"")


def _application(said: TelegramExplained, telegram: Telegram, item: Field) -> Iterator[Row]:
    form = telegram.link.format if isinstance(telegram.link, WirelessFrame) else Format.STRIPPED
    base = next((layer.offset for layer in telegram.layers if layer.name == "apl"), 0)
    octets = telegram.application

    def row(name: str, at: int, size: int, text: str = "") -> Row:
        start = place(form, base + at)
        end = place(form, base + at + size - 1) + 1
        return Row("apl", name, start, end - start, octets[at : at + size], text)

    if said.content is not Content.RECORDS:
        text = "" if said.content is None else said.content.value
        yield row("application", 0, len(octets), text)
        return
    at = 0
    records = said.records if said.own is None else said.own
    for number, (start, record) in enumerate(records.placed()):
        yield from (row("filler", filler, 1, "idle") for filler in range(at, start))
        at = start
        for name, size, text in _parts(record):
            if size:
                yield row(f"record {number} {name}", at, size, text)
                at += size
    while at < len(octets) and octets[at] == 0x2F and said.error is None:
        yield row("filler", at, 1, "idle")
        at += 1
    if records.end is not None and at < len(octets):
        text = "more records follow in the next telegram" if records.more_follows else "data of the manufacturer"
        yield row("DIF", at, 1, text)
        at += 1
        if at < len(octets):
            yield row("manufacturer data", at, len(octets) - at)
    elif at < len(octets):
        yield row("not understood", at, len(octets) - at, "" if said.error is None else said.error.what)


def _parts(record: Record) -> Iterator[tuple[str, int, str]]:
    """Yield name, octets and meaning of the parts of a record."""
    dib, vib = record.dib, record.vib
    how = dib.field.name.lower().replace("_", " ")
    which = [dib.function.words] + [
        f"{name} {number}"
        for name, number in (("storage", dib.storage), ("tariff", dib.tariff), ("subunit", dib.subunit))
        if number
    ]
    yield "DIB", len(dib.octets), f"{how}, {', '.join(which)}"
    if vib.octets:
        unit = f" in {vib.unit}" if vib.unit else ""
        scale = f" x 10^{vib.exponent}" if vib.exponent else ""
        yield "VIB", len(vib.octets), f"{name_of_record(record)}{unit}{scale}"
    value = value_text(record.value)
    flags = f" ({', '.join(record.flags)})" if record.flags else ""
    yield "data", len(record.data), f"{'no value' if value is None else value} {vib.unit or ''}".rstrip() + flags
