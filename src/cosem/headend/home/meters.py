"""What the head-end knows of its devices just now, as tools at home want it: each with its values and how it is.

What an electricity meter reads of an M-Bus device (0-n:24.x) belongs to the device at channel n where the inventory has
one, and to the meter itself where not.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, Select, func, select

from cosem.headend.commands import CommandState
from cosem.headend.happenings import AlarmState
from cosem.headend.home import names
from cosem.headend.home.quantities import Quantity, quantity
from cosem.headend.inventory import Kind, State
from cosem.headend.schema import (
    alarm,
    channel,
    clock_check,
    command,
    device,
    device_group,
    device_type,
    event,
    firmware_history,
    group_member,
    latest,
    result,
)

MOST: Final = 5000
"""So many devices are told of; who has more names a group."""
LONGEST_STATE: Final = 255
"""What Home Assistant takes as the state of an entity."""
_PART: Final = 500
_DEEPEST: Final = 10
_SHOWN: Final = (State.IN_USE, State.SUSPENDED)
_SWITCHED: Final[Mapping[str, bool]] = {
    "manual disconnection": False,
    "manual connection": True,
    "remote disconnection": False,
    "remote connection": True,
    "local disconnection": False,
    "local connection": True,
    "local reconnection": True,
    "disconnector ready for manual reconnection": False,
}
"""Words of events (of the companion profiles) after which the supply is on, or not."""
_COMMANDS: Final[Mapping[str, bool]] = {
    "disconnect": False, "reconnect": True, "close valve": False, "open valve": True,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Value:
    """The last value of a channel: `number` at `time` (UTC seconds). `channel` is the channel's own name."""

    channel: str
    quantity: Quantity
    time: int
    number: int
    at: int
    """The channel's number in the database."""

    @property
    def key(self) -> str:
        """How it is called in the state of its device."""
        return names.key(self.channel, self.at)

    @property
    def plain(self) -> int | float | str:
        """The value as JSON has it, in the unit of its quantity."""
        return self.quantity.value(self.number)


@dataclass(slots=True)
class Meter:
    """A device and what is known of it. `behind` is the number of the device it hangs behind, if that is told of too.

    `supply` None: nobody has said whether it is on. `outcome` is "read", or why it was not, the last time.
    """

    number: int
    name: str
    kind: Kind
    active: bool
    dialled: bool
    type: str | None
    manufacturer: str
    place: str
    details: Mapping[str, Any]
    title: str | None
    channel: int | None
    behind: int | None
    values: dict[str, Value] = field(default_factory=dict)
    open_alarms: int = 0
    fraud: bool = False
    last_event: str | None = None
    supply: bool | None = None
    outcome: str | None = None
    offset: int | None = None
    firmware: str | None = None

    @property
    def slug(self) -> str:
        """Its level of a topic."""
        return names.slug(self.name, self.number)

    @property
    def newest(self) -> int | None:
        """The time of its newest value."""
        return max((value.time for value in self.values.values()), default=None)

    @property
    def serial(self) -> str | None:
        """What is printed on it, as far as the inventory knows."""
        for name in ("serial_number", "serial", "identification"):
            if isinstance(found := self.details.get(name), (str, int)):
                return str(found)
        return self.title

    def fresh(self, now: float, seconds: int) -> bool:
        """Whether its last value is not older than this, and it is in use."""
        return self.active and self.newest is not None and now - self.newest <= seconds

    def state(self) -> dict[str, Any]:
        """Return everything that changes, as one JSON object."""
        return {
            **{key: value.plain for key, value in sorted(self.values.items())},
            "last_reading": None if self.newest is None else iso(self.newest),
            "outcome": self.outcome,
            "clock_offset": self.offset,
            "supply": None if self.supply is None else _on(self.supply),
            "alarm": _on(self.open_alarms > 0),
            "tamper": _on(self.fraud),
            "open_alarms": self.open_alarms,
            "last_event": self.last_event,
        }


def iso(at: int) -> str:
    """Return UTC seconds as the tools write them."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _on(yes: bool) -> str:
    return "ON" if yes else "OFF"


def meters(
    connection: Connection, *, group: str | None = None, numbers: Collection[int] | None = None
) -> dict[int, Meter]:
    """Return the devices that are told of by their numbers, parents first.

    `numbers` asks for these only; those that share values with them (their parent, and what else hangs behind it) come
    along.
    """
    wanted = None if numbers is None else _related(connection, numbers)
    rows = [] if wanted is not None and not wanted else list(_rows(connection, group, wanted))
    found = {row.id: _meter(row) for row in rows}
    parents = {row.id: row.parent for row in rows}
    told = set(found)
    if wanted is not None:
        outside = {parent for parent in parents.values() if parent is not None} - told
        told |= {row.id for row in _rows(connection, group, outside)} if outside else set()
    for number, meter in found.items():
        meter.behind = parents[number] if parents[number] in told else None
    _values(connection, found, parents)
    _states(connection, found)
    _supplies(connection, found, parents)
    return dict(sorted(found.items(), key=lambda item: (_depth(found, item[1]), item[0])))


def _depth(found: Mapping[int, Meter], meter: Meter) -> int:
    """Return behind how many others a device hangs."""
    depth, above = 0, found.get(meter.behind or 0)
    while above is not None and depth < _DEEPEST:
        depth, above = depth + 1, found.get(above.behind or 0)
    return depth


def _related(connection: Connection, numbers: Collection[int]) -> set[int]:
    wanted = set(numbers)
    for part in _parts(wanted):
        query = select(device.c.parent).where(device.c.id.in_(part), device.c.parent.is_not(None))
        wanted |= set(connection.execute(query).scalars())
    for part in _parts(wanted):
        wanted |= set(connection.execute(select(device.c.id).where(device.c.parent.in_(part))).scalars())
    return wanted


def _rows(connection: Connection, group: str | None, wanted: set[int] | None) -> Iterator[Any]:
    query: Select[Any] = (
        select(device, device_type.c.name.label("type_name"), device_type.c.manufacturer)
        .join(device_type, device_type.c.id == device.c.type, isouter=True)
        .where(device.c.state.in_(_SHOWN))
        .order_by(device.c.id)
        .limit(MOST)
    )
    if group is not None:
        members = (
            select(group_member.c.device)
            .join(device_group, device_group.c.id == group_member.c.group)
            .where(device_group.c.name == group)
        )
        query = query.where(device.c.id.in_(members))
    if wanted is None:
        yield from connection.execute(query)
        return
    for part in _parts(wanted):
        yield from connection.execute(query.where(device.c.id.in_(part)))


def _meter(row: Any) -> Meter:
    details = json.loads(row.details)
    return Meter(
        row.id,
        row.name,
        Kind(row.kind),
        row.state == State.IN_USE,
        row.url is not None,
        row.type_name,
        row.manufacturer or "",
        row.place,
        details if isinstance(details, dict) else {},
        row.system_title,
        row.channel,
        None,
    )


def _values(connection: Connection, found: Mapping[int, Meter], parents: Mapping[int, int | None]) -> None:
    claims: dict[tuple[int, int | None], int] = {
        (parent, meter.channel): number
        for number, meter in found.items()
        if (parent := parents[number]) is not None and meter.channel is not None
    }
    for part in _parts(set(found) | {parent for parent, _ in claims}):
        query = select(channel, latest.c.device, latest.c.time, latest.c.value)
        query = query.join(channel, channel.c.id == latest.c.channel).where(latest.c.device.in_(part))
        for row in connection.execute(query):
            owner: int = claims.get((row.device, _mbus_channel(row.name)), row.device)
            meter = found.get(owner)
            if meter is None:
                continue
            shown = quantity(row.name, row.unit, row.scaler, cumulative=bool(row.cumulative), kind=meter.kind)
            value = Value(row.name, shown, row.time, row.value, row.id)
            meter.values[value.key] = value


def _mbus_channel(name: str) -> int | None:
    """Return the M-Bus channel whose values a channel has (0-n:24.x), if any."""
    match = names.CHANNEL.fullmatch(name)
    if match is None or not match["code"].startswith("0-"):
        return None
    where, _, rest = match["code"].removeprefix("0-").partition(":")
    return int(where) if rest.startswith("24.") else None


def _states(connection: Connection, found: Mapping[int, Meter]) -> None:
    for part in _parts(found):
        opened = select(alarm.c.device, func.count(), func.max(alarm.c.fraud)).where(
            alarm.c.device.in_(part), alarm.c.state == AlarmState.OPEN
        )
        for number, count, fraud in connection.execute(opened.group_by(alarm.c.device)):
            found[number].open_alarms, found[number].fraud = count, bool(fraud)
        newest = select(func.max(event.c.id)).where(event.c.device.in_(part)).group_by(event.c.device)
        for number, words in connection.execute(select(event.c.device, event.c.words).where(event.c.id.in_(newest))):
            found[number].last_event = words[:LONGEST_STATE]
        runs = (
            select(result.c.device, func.max(result.c.run).label("run"))
            .where(result.c.device.in_(part), result.c.finished.is_not(None))
            .group_by(result.c.device)
            .subquery()
        )
        last = select(result.c.device, result.c.reason).join(
            runs, (runs.c.device == result.c.device) & (runs.c.run == result.c.run)
        )
        for number, reason in connection.execute(last):
            found[number].outcome = reason or "read"
        offsets = select(clock_check.c.device, clock_check.c.offset).where(clock_check.c.device.in_(part))
        for number, offset in connection.execute(offsets):
            found[number].offset = offset
        images = select(func.max(firmware_history.c.id)).where(
            firmware_history.c.device.in_(part), firmware_history.c.after.is_not(None)
        )
        after = select(firmware_history.c.device, firmware_history.c.after)
        after = after.where(firmware_history.c.id.in_(images.group_by(firmware_history.c.device)))
        for number, version in connection.execute(after):
            found[number].firmware = version


def _supplies(connection: Connection, found: Mapping[int, Meter], parents: Mapping[int, int | None]) -> None:
    """Find out whether the supply is on: by the newest event or command that speaks of it."""
    told: dict[tuple[int, int | None], tuple[int, bool]] = {}

    def tell(where: tuple[int, int | None], at: int, on: bool) -> None:
        if where not in told or told[where][0] <= at:
            told[where] = at, on

    asked = set(found) | {parent for parent in parents.values() if parent is not None}
    spoken = [*_SWITCHED, *(f"M-Bus channel {number}: {words}" for number in range(1, 5) for words in _SWITCHED)]
    for part in _parts(asked):
        query = select(event.c.device, event.c.words, func.max(event.c.at)).where(
            event.c.device.in_(part), event.c.words.in_(spoken)
        )
        for number, words, at in connection.execute(query.group_by(event.c.device, event.c.words)):
            mbus, _, plain = words.rpartition(": ")
            tell((number, int(mbus.rpartition(" ")[2]) if mbus else None), at, _SWITCHED[plain])
        done = select(command).where(
            command.c.device.in_(part), command.c.kind.in_(list(_COMMANDS)), command.c.state == CommandState.DONE
        )
        for row in connection.execute(done):
            tell((row.device, _valve_channel(json.loads(row.parameters))), row.finished or 0, _switched(row))
    for number, meter in found.items():
        place: tuple[int, int | None] = (number, None)
        if (parent := parents[number]) is not None and meter.channel is not None and not meter.dialled:
            place = (parent, meter.channel)
        if place in told:
            meter.supply = told[place][1]


def _valve_channel(parameters: Mapping[str, Any]) -> int | None:
    if isinstance(number := parameters.get("channel"), int):
        return number
    return _mbus_channel(str(parameters.get("object", "")))


def _switched(row: Any) -> bool:
    answer = json.loads(row.answer) if row.answer else None
    if isinstance(answer, dict):
        if isinstance(answer.get("output"), bool):
            return bool(answer["output"])
        if "control_state" in answer:
            return bool(answer["control_state"] == "connected")
    return _COMMANDS[row.kind]


def _parts(numbers: Iterable[int]) -> Iterator[list[int]]:
    ordered = sorted(numbers)
    for first in range(0, len(ordered), _PART):
        yield ordered[first : first + _PART]
