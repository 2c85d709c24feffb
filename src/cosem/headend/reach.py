"""Whose M-Bus channels a command reaches: who sees some devices does nothing at others' through an own one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Connection

from cosem.headend.access import Person
from cosem.headend.commands import CommandRow, NewCommand
from cosem.headend.inventory import DeviceRow, Inventory
from cosem.headend.values_now import VALUES_NOW

EVERY_CHANNEL: Final = frozenset({"mbus channels", "all values"})
"""Kinds that answer what is on all channels of a device."""
WORDS: Final = frozenset({"text", "calendar"})
"""Parameters that are for people, or name no object of a channel."""
_NAME: Final = re.compile(r"\b0[-.](\d{1,3})[:.]")
_HEX: Final = re.compile(r"(?:0[xX])?((?:[0-9A-Fa-f]{2}[\s:-]?){6,})")


def foreign_channel(connection: Connection, row: DeviceRow, commands: Iterable[NewCommand], who: Person) -> int | None:
    """Return a channel of `row` that one of the commands reaches and whose device is not this person's."""
    foreign = _foreign(connection, row, who)
    return next((min(reached) for item in commands if (reached := _reached(item, foreign))), None)


def shown_to(connection: Connection, row: DeviceRow, commands: Sequence[CommandRow], who: Person) -> list[CommandRow]:
    """Return the commands of a device without what was asked and answered of channels that are not this person's."""
    foreign = _foreign(connection, row, who)
    return [_without(item, foreign) if foreign else item for item in commands]


def _without(item: CommandRow, foreign: frozenset[int]) -> CommandRow:
    if item.kind == VALUES_NOW.name and "channels" in item.parameters:
        kept = [number for number in item.parameters["channels"] if number not in foreign]
        item = replace(item, parameters={**item.parameters, "channels": kept})
        if isinstance(item.answer, dict) and "channels" in item.answer:
            there = {name: found for name, found in item.answer["channels"].items() if int(name) not in foreign}
            item = replace(item, answer={**item.answer, "channels": there})
    return replace(item, parameters={}, answer=None, detail="") if _reached(item, foreign) else item


def _foreign(connection: Connection, row: DeviceRow, who: Person) -> frozenset[int]:
    """Return the channels of a device whose devices somebody who sees some only does not see."""
    if who.devices is None or row.is_child:
        return frozenset()
    behind = Inventory(connection).children(row.id)
    return frozenset(child.channel for child in behind if child.channel is not None and not who.sees(child.id))


def _reached(item: NewCommand | CommandRow, foreign: frozenset[int]) -> frozenset[int]:
    return foreign if item.kind in EVERY_CHANNEL else foreign.intersection(_channels(item.parameters))


def _channels(value: Any) -> Iterator[int]:
    """Yield the channels that a parameter names: by number, by an object 0-n:..., or by one within octets."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            if name in ("channel", "channels"):
                yield from (number for number in (item if isinstance(item, list) else [item]) if type(number) is int)
            elif name not in WORDS:
                yield from _channels(item)
    elif isinstance(value, list):
        for item in value:
            yield from _channels(item)
    elif isinstance(value, str):
        yield from (int(number) for number in _NAME.findall(value))
        if match := _HEX.fullmatch(value.strip()):
            octets = bytes.fromhex(re.sub(r"[\s:-]", "", match[1]))
            # A logical name is the whole of it, or an octet-string of six octets in something larger.
            octets = b"\x06" + octets if len(octets) == 6 else octets
            yield from (octets[at + 2] for at in range(len(octets) - 2) if octets[at : at + 2] == b"\x06\x00")
