"""What can be done to a device from its page, in a control room's words; each is a command of `command_kinds`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Connection, select

from cosem.errors import ConfigError
from cosem.headend.access import Act
from cosem.headend.commands import CommandRow
from cosem.headend.inventory import DeviceRow, Inventory, Kind, State
from cosem.headend.schema import channel, latest
from cosem.headend.web.text import number
from cosem.units import Unit

MOST: Final = 8
"""Registers of one live read."""
_REGISTER: Final = re.compile(r"[1-9]\d*-\d+:\d+\.\d+\.\d+\.\d+")
"""A channel that is a register's value and nothing else: not an attribute of its own, no day's end."""
VALVES: Final = (Kind.GAS, Kind.WATER, Kind.HEAT)


@dataclass(frozen=True, slots=True)
class DeviceAct:
    """One act: its command, the right it wants, what the dialog says, and which devices have it."""

    name: str
    kind: str
    words: str
    says: str
    right: Act = Act.COMMAND
    grave: bool = False
    field: str = ""
    valve: bool | None = None
    own: bool = True

    def fits(self, row: DeviceRow) -> bool:
        """Whether a device has it: something reaches it, and it is in use."""
        if row.state is State.REMOVED or row.kind in (Kind.CONCENTRATOR, Kind.GATEWAY):
            return False
        if row.kind is Kind.CONVERTER:
            # There is nothing to switch, and its clock is set under a lock.
            return self.kind == "read" and row.url is not None
        if row.url is None and (self.own or row.parent is None or row.channel is None):
            return False
        return self.valve is None or self.valve == (row.kind in VALVES)


ACTS: Final = (
    DeviceAct("read", "read", "Read now", "The device is called at once and asked for its registers.", Act.READ),
    DeviceAct("disconnect", "disconnect", "Disconnect supply",
              "Everything behind this meter is without electricity until it is reconnected.",
              grave=True, valve=False, own=False),
    DeviceAct("reconnect", "reconnect", "Reconnect supply",
              "The meter reconnects, or waits for somebody to push its button, as its control mode says.",
              valve=False, own=False),
    DeviceAct("close", "disconnect", "Close valve", "Nothing flows behind this valve until it is opened.",
              grave=True, valve=True, own=False),
    DeviceAct("open", "reconnect", "Open valve", "The valve opens, or is made ready for somebody to open it there.",
              valve=True, own=False),
    DeviceAct("clock", "clock", "Set clock", "The device's clock is set to the head-end's."),
    DeviceAct("message", "message", "Send message", "The text goes to the customer's display or port.", field="text"),
    DeviceAct("clear", "clear alarms", "Clear alarm registers", "The device forgets the alarms it shows."),
)  # fmt: skip


def switch_of(channel: int) -> str:
    """Return the disconnect control of what is at an M-Bus channel."""
    return f"0-{channel}:24.4.0.255"


def command_of(
    connection: Connection, act: DeviceAct, row: DeviceRow, form: Any
) -> tuple[str, list[tuple[str, dict[str, Any]]]]:
    """Return the device that is spoken to and the commands for it. Raises `ConfigError` for what is missing.

    What hangs behind another device is switched there, by the disconnect control of its channel (0-b:24.4.0).
    """
    parameters: dict[str, Any] = {}
    name = row.name
    if row.url is None and row.parent is not None and row.channel is not None:
        name = row.parent
        parameters = {"object": switch_of(row.channel)}
    if act.kind == "read":
        return name, [("read", {"attributes": _registers(connection, row)})]
    if act.field:
        text = str(form.get(act.field, "")).strip()
        if not 1 <= len(text) <= 200:
            raise ConfigError("the text has 1 to 200 signs")
        parameters[act.field] = text
    return name, [(act.kind, parameters)]


def _registers(connection: Connection, row: DeviceRow) -> list[list[Any]]:
    """Return value and scaler of the registers that plans read of this device; its clock where there are none."""
    kinds = {kind.name: kind for kind in Inventory(connection).types()} if row.type is not None else {}
    known = kinds.get(row.type or "")
    names: dict[str, int] = {}
    for reading in known.readings if known is not None else ():
        for column, measured in zip(reading.columns, reading.channels, strict=True):
            if measured is not None and column.capture.class_id in (3, 4) and column.capture.attribute_index == 2:
                names.setdefault(str(column.capture.logical_name), column.capture.class_id)
    if not names:
        query = select(channel.c.name).join(latest, latest.c.channel == channel.c.id).where(latest.c.device == row.id)
        names = {name: 3 for name in connection.execute(query).scalars() if _REGISTER.fullmatch(name)}
    found: list[list[Any]] = [[8, "0-0:1.0.0.255", 2]]
    for name, class_id in list(names.items())[:MOST]:
        found += [[class_id, name, 2], [class_id, name, 3]]
    return found


def read_words(row: CommandRow) -> list[tuple[str, str]]:
    """Return what came of a read as names and values; nothing for other commands."""
    if row.kind != "read" or not isinstance(row.answer, list):
        return []
    asked = [tuple(item) for item in row.parameters.get("attributes", [])]
    answers = dict(zip(asked, row.answer, strict=False))
    said = []
    for (class_id, name, attribute), answer in answers.items():
        if class_id in (3, 4) and attribute == 3:
            continue
        if "error" in answer:
            said.append((name, str(answer["error"])))
            continue
        value = _plain(answer.get("value"))
        scale = _plain(answers.get((class_id, name, 3), {}).get("value"))
        if isinstance(value, int) and isinstance(scale, list) and len(scale) == 2:
            said.append((name, f"{number(Decimal(value).scaleb(int(scale[0])))} {_unit(scale[1])}"))
        else:
            said.append((name, str(value)))
    return said


def _unit(code: Any) -> str:
    try:
        return Unit(code).symbol
    except (ValueError, AttributeError):
        return ""


def _plain(value: Any) -> Any:
    """Return typed JSON as plain values."""
    if isinstance(value, dict) and "date_time" in value:
        return value["date_time"]
    if isinstance(value, dict) and len(value) == 1:
        value = next(iter(value.values()))
    return [_plain(item) for item in value] if isinstance(value, list) else value
