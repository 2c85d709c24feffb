"""Whose M-Bus channels a command reaches: who sees some devices does nothing at others' through an own one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from sqlalchemy import Connection

from cosem.headend.access import Person
from cosem.headend.commands import NewCommand
from cosem.headend.inventory import DeviceRow, Inventory

EVERY_CHANNEL: Final = frozenset({"mbus channels", "all values"})
"""Kinds that answer what is on all channels of a device."""
WORDS: Final = frozenset({"text", "calendar"})
"""Parameters that are for people, or name no object of a channel."""
_NAME: Final = re.compile(r"\b0[-.](\d{1,3})[:.]")
_HEX: Final = re.compile(r"(?:0[xX])?((?:[0-9A-Fa-f]{2}[\s:-]?){6,})")


def foreign_channel(connection: Connection, row: DeviceRow, commands: Iterable[NewCommand], who: Person) -> int | None:
    """Return a channel of `row` that one of the commands reaches and whose device is not this person's."""
    if who.devices is None or row.is_child:
        return None
    foreign = {child.channel for child in Inventory(connection).children(row.id) if not who.sees(child.id)}
    for item in commands:
        reached = foreign if item.kind in EVERY_CHANNEL else foreign.intersection(_channels(item.parameters))
        if reached:
            return min(channel for channel in reached if channel is not None)
    return None


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
