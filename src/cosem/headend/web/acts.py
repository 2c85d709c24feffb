"""What can be done to a device from its page, in a control room's words; each is a command of `command_kinds`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Connection

from cosem.errors import ConfigError
from cosem.headend.access import Act
from cosem.headend.commands import CommandRow, NewCommand, now_of
from cosem.headend.inventory import DeviceRow, Kind, State
from cosem.headend.values_now import VALUES_NOW
from cosem.headend.web.text import number
from cosem.units import Unit

_BEHIND: Final = re.compile(r"M-Bus|0-[1-9]\d*:24\.")
"""What is not of the device itself, but of one on its M-Bus."""
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
            return self.kind == VALUES_NOW.name and row.url is not None
        if row.url is None and (self.own or row.parent is None or row.channel is None):
            return False
        return self.valve is None or self.valve == (row.kind in VALVES)


ACTS: Final = (
    DeviceAct("read", VALUES_NOW.name, "Read now", "The device is called at once and asked for what it shows.",
              Act.READ, own=False),
    DeviceAct("disconnect", "disconnect", "Disconnect supply",
              "Everything behind this meter is without electricity until it is reconnected.",
              grave=True, valve=False, own=False),
    DeviceAct("reconnect", "reconnect", "Reconnect supply",
              "The meter reconnects, or waits for somebody to push its button, as its control mode says.",
              valve=False, own=False),
    DeviceAct("close", "close valve", "Close valve", "Nothing flows behind this valve until it is opened.",
              grave=True, valve=True, own=False),
    DeviceAct("open", "open valve", "Open valve", "The valve opens, or is made ready for somebody to open it there.",
              valve=True, own=False),
    DeviceAct("clock", "clock", "Set clock", "The device's clock is set to the head-end's."),
    DeviceAct("message", "message", "Send message", "The text goes to the customer's display or port.", field="text"),
    DeviceAct("clear", "clear alarms", "Clear alarm registers", "The device forgets the alarms it shows."),
)  # fmt: skip


def command_of(
    connection: Connection, act: DeviceAct, row: DeviceRow, form: Any, sees: Callable[[int], bool]
) -> NewCommand:
    """Return the command of an act, for the device itself. Raises `ConfigError` for what is missing.

    `sees` says whether a device is one of whoever asks.
    """
    if act.kind == VALUES_NOW.name:
        return now_of(connection, row.name, sees=sees)
    parameters: dict[str, Any] = {}
    if act.field:
        text = str(form.get(act.field, "")).strip()
        if not 1 <= len(text) <= 200:
            raise ConfigError("the text has 1 to 200 signs")
        parameters[act.field] = text
    return NewCommand(act.kind, parameters)


def own_words(row: CommandRow) -> list[tuple[str, str]]:
    """Return what came of a read of a device itself, without its M-Bus."""
    return [(name, value) for name, value in read_words(row) if not _BEHIND.match(name)]


def read_words(row: CommandRow) -> list[tuple[str, str]]:
    """Return what came of a read as names and values; nothing for other commands."""
    if row.kind == VALUES_NOW.name and isinstance(row.answer, dict):
        found = [("", item) for item in row.answer.get("values", ())]
        for where, there in row.answer.get("channels", {}).items():
            found += [(f"M-Bus {where}: ", item) for item in there.get("values", ())]
        return [(before + str(item.get("name")), _said(item)) for before, item in found]
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


def _said(item: Mapping[str, Any]) -> str:
    """Return one value of `values now`, or why there is none."""
    value = item.get("value")
    if not isinstance(value, int):
        return str(item.get("error", value))
    return f"{number(Decimal(value).scaleb(int(item.get('scaler', 0))))} {_unit(item.get('unit'))}"


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
