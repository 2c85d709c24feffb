"""The inventory: what there is, where it hangs, how it is reached, and in which part of the network.

Methods take the connection of the caller's transaction. Names are the utility's own; a device is found by its name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, Select, delete, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.exc import IntegrityError

from cosem.client.url import MeterUrl
from cosem.errors import ConfigError
from cosem.headend.children import COUNTING, identity
from cosem.headend.intervals import DAY
from cosem.headend.permits import Limits
from cosem.headend.reading import ProfileReading, load_readings
from cosem.headend.schema import channel, device, device_group, device_tag, device_type, group_member, segment
from cosem.obis import Obis
from cosem.units import ScalerUnit

_FAILURES: Final = bytes((96, 7))
_COUNTED: Final = frozenset(unit.symbol for unit in COUNTING)
LONGEST_NAME: Final = 200
MAX_PAGE: Final = 1000
ELSEWHERE: Final = "elsewhere"
"""The segment of devices whose part of the network nobody named."""
ELSEWHERE_LIMITS: Final = Limits(20, 20.0)


_CUMULATIVE: Final = frozenset({2, 8, 9, 10})
"""Value groups D of OBIS codes of electricity that only grow: cumulative values and time integrals."""
METER: Final = "mbus"
"""Where in a device's details stands who it is on the M-Bus: manufacturer and number."""
FREED: Final = "freed"
"""Where in the details of what devices hang behind stands when its channels were freed last (UTC seconds)."""


class Kind(StrEnum):
    """What a device is."""

    ELECTRICITY = "electricity"
    GAS = "gas"
    WATER = "water"
    HEAT = "heat"
    CONVERTER = "converter"
    CONCENTRATOR = "concentrator"
    GATEWAY = "gateway"


class State(StrEnum):
    """Where a device is in its life. Only what is in use is read by plans."""

    REGISTERED = "registered"
    IN_USE = "in use"
    SUSPENDED = "suspended"
    REMOVED = "removed"


NEXT: Final[Mapping[State, frozenset[State]]] = {
    State.REGISTERED: frozenset({State.IN_USE, State.REMOVED}),
    State.IN_USE: frozenset({State.SUSPENDED, State.REMOVED}),
    State.SUSPENDED: frozenset({State.IN_USE, State.REMOVED}),
    State.REMOVED: frozenset({State.REGISTERED}),
}
"""What may follow in the life of a device."""


def only_grows(name: Obis, unit: str) -> bool:
    """Whether what a code stands for only grows: a register of electricity, a count of power failures, or what is
    counted in such a unit."""
    if name[0] == 1:
        return name[3] in _CUMULATIVE
    return unit in _COUNTED or (name[0] == 0 and name[2:4] == _FAILURES)


@dataclass(frozen=True, slots=True)
class NewDevice:
    """A device to be added. `parent` is the name of what it hangs behind, `channel` where there (M-Bus).

    Raises `ConfigError` for a name nobody can use, and a URL that is none.
    """

    name: str
    kind: Kind
    type: str | None = None
    segment: str = ELSEWHERE
    url: str | None = None
    system_title: str | None = None
    parent: str | None = None
    channel: int | None = None
    place: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.name.strip() or len(self.name) > LONGEST_NAME or not self.name.isprintable():
            raise ConfigError(f"a device's name has 1 to {LONGEST_NAME} printable characters")
        if self.url is not None:
            MeterUrl.parse(self.url)
        if (kept := self.details.get("kept_url")) is not None:
            MeterUrl.parse(kept if isinstance(kept, str) else "")
        if self.system_title is not None and not _is_title(self.system_title):
            raise ConfigError(f"{self.name}: a system title is 16 hex digits")
        if METER in self.details:
            identity(str(self.details[METER]))


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """A device as it is. `parent`, `type` and `segment` are names; `above` is the number of its parent."""

    id: int
    name: str
    kind: Kind
    state: State
    type: str | None
    segment: str
    url: str | None
    system_title: str | None
    parent: str | None
    channel: int | None
    place: str
    details: dict[str, Any]
    above: int | None = None

    @property
    def is_child(self) -> bool:
        """Whether it is read through what it hangs behind."""
        return self.url is None and self.above is not None and self.channel is not None

    @property
    def dialled(self) -> int:
        """The number of what is dialled to reach it: its parent's, or its own."""
        return self.above if self.is_child and self.above is not None else self.id

    @property
    def meter(self) -> str | None:
        """Who it is on the M-Bus, manufacturer and number, None where nobody said."""
        found = self.details.get(METER)
        return found if isinstance(found, str) else None

    @property
    def kept_url(self) -> str | None:
        """Where a concentrator shows what it read of the device: plans read there and leave the device alone."""
        found = self.details.get("kept_url")
        return found if isinstance(found, str) else None

    @property
    def title(self) -> bytes | None:
        """The system title as octets."""
        return None if self.system_title is None else bytes.fromhex(self.system_title)


@dataclass(frozen=True, slots=True)
class DeviceType:
    """Devices that are alike, and what plans read of them."""

    id: int
    name: str
    medium: str
    manufacturer: str
    companion: str
    readings: tuple[ProfileReading, ...]


class Inventory:
    """Adds, changes and finds devices, types, segments, groups and channels."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # --- segments, types, channels --------------------------------------------------------------------------

    def set_segment(self, name: str, limits: Limits) -> int:
        """Add a segment of the network, or change its limits; return its number."""
        return self._upsert(segment, _segment(name, limits))

    def segment(self, name: str) -> int:
        """Return the number of a segment. Raises `ConfigError` where there is none of that name."""
        number = self._number(segment, name, "segment")
        assert number is not None
        return number

    def limits(self, number: int) -> Limits:
        """Return the limits of a segment."""
        row = self._connection.execute(select(segment).where(segment.c.id == number)).one()
        return Limits(row.concurrent, row.new_per_second)

    def set_type(
        self,
        name: str,
        medium: str,
        *,
        manufacturer: str = "",
        companion: str = "idis",
        readings: Iterable[ProfileReading] = (),
        model: str | None = None,
    ) -> int:
        """Add a type of devices, or change it; return its number."""
        reading = json.dumps({"profiles": [item.document() for item in readings]})
        values = {"name": name, "medium": medium, "manufacturer": manufacturer, "companion": companion}
        return self._upsert(device_type, {**values, "reading": reading, "model": model})

    def set_readings(self, name: str, readings: Iterable[ProfileReading]) -> None:
        """Change what is read of the devices of a type, and nothing else of it."""
        reading = json.dumps({"profiles": [item.document() for item in readings]})
        number = self._number(device_type, name, "type")
        self._connection.execute(update(device_type).where(device_type.c.id == number).values(reading=reading))

    def types(self) -> list[DeviceType]:
        """Return the types."""
        rows = self._connection.execute(select(device_type).order_by(device_type.c.name))
        return [
            DeviceType(row.id, row.name, row.medium, row.manufacturer, row.companion, load_readings(row.reading))
            for row in rows
        ]

    def channel(self, name: str, unit: str, scaler: int, *, cumulative: bool = True) -> int:
        """Return the number of a channel; adds it if it is new. Raises `ConfigError` if it has another unit or scaler.

        Values already stored are whole numbers in the channel's scaler: it cannot change under them.
        """
        query = select(channel).where(channel.c.name == name)
        row = self._connection.execute(query).one_or_none()
        if row is None:
            # Another session may be quicker: many find their channels at the same time.
            values = {"name": name, "unit": unit, "scaler": scaler, "cumulative": int(cumulative)}
            self._connection.execute(upsert(channel).values(values).on_conflict_do_nothing(index_elements=["name"]))
            row = self._connection.execute(query).one()
        if (row.unit, row.scaler, bool(row.cumulative)) != (unit, scaler, cumulative):
            raise ConfigError(f"channel {name} is in 1e{row.scaler} {row.unit}, not 1e{scaler} {unit}: name another")
        return int(row.id)

    def measured(self, name: Obis, scaled: ScalerUnit, period: int = 0, *, attribute: int = 2, what: str = "") -> int:
        """Return the channel of an object's value: named by its OBIS code, and by its scaler where others have another.

        Days and months have channels of their own: beside quarters of an hour their rows would be gaps. `what` stands
        behind the code where that alone does not say what is measured.
        """
        text = str(name)
        if attribute != 2:
            text += f":{attribute}"
        if what:
            text += f" {what}"
        if period >= DAY:
            text += " daily" if period == DAY else " monthly"
        unit = scaled.unit.symbol if scaled.unit != 255 else ""
        cumulative = only_grows(name, unit)
        try:
            return self.channel(text, unit, scaled.scaler, cumulative=cumulative)
        except ConfigError:
            return self.channel(f"{text} (1e{scaled.scaler} {unit})", unit, scaled.scaler, cumulative=cumulative)

    def _upsert(self, table: Any, values: dict[str, Any]) -> int:
        statement = upsert(table).values(values)
        changed = {name: statement.excluded[name] for name in values if name != "name"}
        statement = statement.on_conflict_do_update(index_elements=["name"], set_=changed)
        self._connection.execute(statement)
        number: int = self._connection.execute(select(table.c.id).where(table.c.name == values["name"])).scalar_one()
        return number

    # --- devices --------------------------------------------------------------------------------------------

    def add(self, item: NewDevice, now: int) -> int:
        """Add a device; return its number. Raises `ConfigError` where its name or place is taken, or a name unknown."""
        if item.segment == ELSEWHERE:
            self._connection.execute(
                upsert(segment).values(_segment(ELSEWHERE, ELSEWHERE_LIMITS)).on_conflict_do_nothing()
            )
        values = {
            "name": item.name,
            "kind": item.kind.value,
            "type": self._number(device_type, item.type, "type"),
            "segment": self._number(segment, item.segment, "segment"),
            "parent": self._number(device, item.parent, "device"),
            "channel": item.channel,
            "url": item.url,
            "system_title": item.system_title.upper() if item.system_title else None,
            "place": item.place,
            "details": json.dumps(_details(item.details)),
            "created": now,
            "changed": now,
        }
        try:
            number = _key(self._connection.execute(insert(device), values))
        except IntegrityError:
            raise ConfigError(f"device {item.name}: its name, or its channel behind {item.parent}, is taken") from None
        self.tag(number, item.tags)
        return number

    def _number(self, table: Any, name: str | None, what: str) -> int | None:
        if name is None:
            return None
        found = self._connection.execute(select(table.c.id).where(table.c.name == name)).scalar_one_or_none()
        if found is None:
            raise ConfigError(f"there is no {what} {name!r}")
        return int(found)

    def get(self, name: str) -> DeviceRow:
        """Return a device by its name. Raises `ConfigError` where there is none."""
        found = next(self._rows(self._query().where(device.c.name == name)), None)
        if found is None:
            raise ConfigError(f"there is no device {name!r}")
        return found

    def by_number(self, numbers: Iterable[int]) -> dict[int, DeviceRow]:
        """Return devices by their numbers; those that are not there are not there."""
        wanted = list(numbers)
        found: dict[int, DeviceRow] = {}
        for start in range(0, len(wanted), 500):
            chosen = self._query().where(device.c.id.in_(wanted[start : start + 500]))
            found.update((row.id, row) for row in self._rows(chosen))
        return found

    def page(
        self,
        *,
        after: int = 0,
        limit: int = 50,
        text: str = "",
        kind: Kind | None = None,
        state: State | None = None,
        segment_name: str | None = None,
        group: str | None = None,
        tag: str | None = None,
        parent: str | None = None,
        among: frozenset[int] | None = None,
    ) -> list[DeviceRow]:
        """Return up to `limit` devices with numbers above `after`: the cursor is the number of the last one."""
        query = self._query().where(device.c.id > after).order_by(device.c.id).limit(min(limit, MAX_PAGE))
        if among is not None:
            query = query.where(device.c.id.in_(among))
        if text:
            query = query.where(device.c.name.contains(text, autoescape=True))
        if kind is not None:
            query = query.where(device.c.kind == kind)
        if state is not None:
            query = query.where(device.c.state == state)
        if segment_name is not None:
            query = query.where(device.c.segment == self._number(segment, segment_name, "segment"))
        if parent is not None:
            query = query.where(device.c.parent == self._number(device, parent, "device"))
        if group is not None:
            members = select(group_member.c.device).where(
                group_member.c.group == self._number(device_group, group, "group")
            )
            query = query.where(device.c.id.in_(members))
        if tag is not None:
            query = query.where(device.c.id.in_(select(device_tag.c.device).where(device_tag.c.tag == tag)))
        return list(self._rows(query))

    def count(self) -> dict[Kind, int]:
        """Return how many devices there are of each kind, without those removed."""
        query = select(device.c.kind, func.count()).where(device.c.state != State.REMOVED).group_by(device.c.kind)
        return {Kind(kind): number for kind, number in self._connection.execute(query)}

    def move(self, name: str, state: State, now: int) -> None:
        """Bring a device to another state of its life. Raises `ConfigError` where that cannot follow."""
        row = self.get(name)
        if state not in NEXT[row.state]:
            raise ConfigError(f"device {name} is {row.state}: {state} cannot follow")
        self._connection.execute(update(device).where(device.c.id == row.id).values(state=state, changed=now))

    def relocate(self, name: str, url: str | None, now: int) -> None:
        """Change how a device is reached."""
        if url is not None:
            MeterUrl.parse(url)
        number = self.get(name).id
        self._connection.execute(update(device).where(device.c.id == number).values(url=url, changed=now))

    def assign(self, name: str, kind: str, now: int) -> None:
        """Make a device one of a type."""
        values = {"type": self._number(device_type, kind, "type"), "changed": now}
        self._connection.execute(update(device).where(device.c.id == self.get(name).id).values(**values))

    # --- on the M-Bus ---------------------------------------------------------------------------------------

    def children(self, number: int) -> list[DeviceRow]:
        """Return what is read through a device, by channel."""
        chosen = (device.c.parent == number, device.c.url.is_(None), device.c.channel.is_not(None))
        return list(self._rows(self._query().where(*chosen).order_by(device.c.channel)))

    def identify(self, name: str, meter: str | None, now: int) -> None:
        """Say who a device is on the M-Bus: manufacturer and number; None takes who is found there next.

        Where it was somebody else, what the channel recorded up to now is the other one's, and is not taken any more.
        """
        row = self.get(name)
        wanted = None if meter is None else identity(meter)
        if row.meter is not None and row.meter != wanted:
            self._free(row, now)
        self._detail(row, METER, wanted, now)

    def keep_meter(self, number: int, meter: str, now: int) -> None:
        """Keep who was found on a channel, where nobody had said who should be there."""
        row = self.by_number([number])[number]
        if row.meter is None:
            self._detail(row, METER, meter, now)

    def couple(self, name: str, parent: str, channel: int, now: int) -> None:
        """Let a device hang on a channel. Raises `ConfigError` where that is taken, or it hangs somewhere already."""
        row = self.get(name)
        if row.above is not None:
            raise ConfigError(f"device {name} hangs behind {row.parent}: decouple it first")
        above = self.get(parent)
        if above.id == row.id or above.url is None:
            raise ConfigError(f"device {parent} is not dialled: nothing is read through it")
        values = {"parent": above.id, "channel": channel, "changed": now}
        try:
            with self._connection.begin_nested():
                self._connection.execute(update(device).where(device.c.id == row.id).values(**values))
        except IntegrityError:
            raise ConfigError(f"channel {channel} behind {parent} is taken") from None

    def decouple(self, name: str, now: int) -> None:
        """Free the channel of a device, for another one. What is on it from now on is not this device's."""
        row = self.get(name)
        if row.above is None:
            raise ConfigError(f"device {name} hangs behind nothing")
        self._free(row, now)
        values = {"parent": None, "channel": None, "changed": now}
        self._connection.execute(update(device).where(device.c.id == row.id).values(**values))

    def freed(self, row: DeviceRow) -> int:
        """Return up to when what the channel of a device recorded belongs to another one (UTC seconds)."""
        above = None if row.above is None else self.by_number([row.above]).get(row.above)
        known = {} if above is None else above.details.get(FREED, {})
        return int(known.get(str(row.channel), 0))

    def _free(self, row: DeviceRow, now: int) -> None:
        if row.above is None or row.channel is None:
            return
        above = self.by_number([row.above])[row.above]
        self._detail(above, FREED, above.details.get(FREED, {}) | {str(row.channel): now}, now)

    def _detail(self, row: DeviceRow, name: str, value: Any, now: int) -> None:
        details = {key: item for key, item in row.details.items() if key != name}
        if value is not None:
            details[name] = value
        values = {"details": json.dumps(details), "changed": now}
        self._connection.execute(update(device).where(device.c.id == row.id).values(**values))

    def _query(self) -> Select[Any]:
        above = device.alias("above")
        return (
            select(
                device,
                device_type.c.name.label("type_name"),
                segment.c.name.label("segment_name"),
                above.c.name.label("parent_name"),
            )
            .join(device_type, device.c.type == device_type.c.id, isouter=True)
            .join(segment, device.c.segment == segment.c.id, isouter=True)
            .join(above, device.c.parent == above.c.id, isouter=True)
        )

    def _rows(self, query: Select[Any]) -> Iterator[DeviceRow]:
        for row in self._connection.execute(query):
            yield DeviceRow(
                row.id,
                row.name,
                Kind(row.kind),
                State(row.state),
                row.type_name,
                row.segment_name,
                row.url,
                row.system_title,
                row.parent_name,
                row.channel,
                row.place,
                json.loads(row.details),
                row.parent,
            )

    # --- groups and tags ------------------------------------------------------------------------------------

    def group(self, name: str, members: Iterable[str]) -> None:
        """Make a group what is given: the names of its devices."""
        number = self._connection.execute(select(device_group.c.id).where(device_group.c.name == name)).scalar()
        if number is None:
            number = _key(self._connection.execute(insert(device_group), {"name": name}))
        self._connection.execute(delete(group_member).where(group_member.c.group == number))
        rows = [{"group": number, "device": self._number(device, item, "device")} for item in dict.fromkeys(members)]
        if rows:
            self._connection.execute(insert(group_member), rows)

    def tag(self, number: int, tags: Iterable[str]) -> None:
        """Make the tags of a device what is given."""
        self._connection.execute(delete(device_tag).where(device_tag.c.device == number))
        rows = [{"device": number, "tag": tag} for tag in dict.fromkeys(tags)]
        if rows:
            self._connection.execute(insert(device_tag), rows)

    def tags(self, number: int) -> tuple[str, ...]:
        """Return the tags of a device."""
        query = select(device_tag.c.tag).where(device_tag.c.device == number).order_by(device_tag.c.tag)
        return tuple(tag for (tag,) in self._connection.execute(query))


def _details(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return details as they are kept: who a meter is as it is compared."""
    return {name: identity(str(value)) if name == METER else value for name, value in given.items()}


def _segment(name: str, limits: Limits) -> dict[str, Any]:
    return {"name": name, "concurrent": limits.concurrent, "new_per_second": limits.new_per_second}


def _key(result: Any) -> int:
    return int(result.inserted_primary_key[0])


def _is_title(text: str) -> bool:
    try:
        return len(bytes.fromhex(text)) == 8
    except ValueError:
        return False
