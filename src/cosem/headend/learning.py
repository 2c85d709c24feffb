"""Learning from a device: what its profiles capture becomes what is read of its type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection

from cosem.client.async_meter import AsyncMeter
from cosem.client.profile import ProfileReader
from cosem.client.table import Column
from cosem.errors import AccessError, ConfigError
from cosem.headend.audit import record
from cosem.headend.intervals import DAY
from cosem.headend.inventory import Inventory
from cosem.headend.reading import ProfileReading
from cosem.obis import Obis, obis

PROFILE: Final = 7
USUAL: Final = (obis("1-0:99.1.0.255"), obis("1-0:99.2.0.255"))
"""Profiles that are looked for where none is named: the load profiles of IEC 62056-6-1."""
_NUMBERED: Final = (3, 4, 5)
"""Classes whose values have a scaler and a unit."""
_CUMULATIVE: Final = frozenset({2, 8, 9, 10})
"""Value groups D of OBIS codes that stand for what only grows: cumulative values and time integrals."""


@dataclass(frozen=True, slots=True)
class Learned:
    """The layout of one profile. `period` in seconds."""

    name: Obis
    period: int
    columns: tuple[Column, ...]


async def learn(meter: AsyncMeter, names: Sequence[Obis] = ()) -> list[Learned]:
    """Return the layouts of profiles of a meter. Raises `ConfigError` where it has none of them that can be read."""
    found = []
    for name in names or USUAL:
        try:
            found.append(await meter.run(_describe(meter.core, name)))
        except AccessError as error:
            if names:
                raise ConfigError(f"{name}: {error}") from None
    if not found:
        raise ConfigError("the device has none of the usual load profiles: name one by --profile")
    return found


def _describe(core: Any, name: Obis) -> Any:
    columns = yield from ProfileReader(core, name).describe()
    period = yield from core.get_data(PROFILE, name, 4)
    if not isinstance(period.value, int) or period.value <= 0:
        raise ConfigError(f"{name} has no capture period: it is no load profile")
    if not any(column.is_time for column in columns):
        raise ConfigError(f"{name} captures no time: nobody could tell its rows apart")
    return Learned(name, period.value, columns)


def adopt(
    connection: Connection, device: str, learned: Sequence[Learned], who: str, now: int, *, kind: str | None = None
) -> str:
    """Make what was learned what is read of the device's type; return the type's name.

    `kind` names the type where the device has none, or another is wanted. Raises `ConfigError`.
    """
    inventory = Inventory(connection)
    row = inventory.get(device)
    name = kind or row.type
    if name is None:
        raise ConfigError(f"device {device} has no type: name one by --type")
    known = next((item for item in inventory.types() if item.name == name), None)
    readings = {item.name: item for item in known.readings} if known is not None else {}
    for item in learned:
        readings[item.name] = _reading(inventory, item)
    if known is None:
        inventory.set_type(name, row.kind, readings=readings.values())
    else:
        inventory.set_readings(name, readings.values())
    if row.type != name:
        inventory.assign(device, name, now)
    shown = {str(item.name): len(item.columns) for item in learned}
    record(connection, now, who, "learn", name, after={"device": device, "profiles": shown})
    return name


def _reading(inventory: Inventory, item: Learned) -> ProfileReading:
    channels: list[int | None] = []
    status = None
    for index, column in enumerate(item.columns):
        capture = column.capture
        scaled = column.scaler_unit
        if scaled is None or capture.class_id not in _NUMBERED or capture.data_index != 0:
            channels.append(None)
            if not column.is_time and status is None and _is_status(column):
                status = index
            continue
        unit = scaled.unit.symbol if scaled.unit != 255 else ""
        channels.append(_channel(inventory, column, unit, scaled.scaler, item.period))
    return ProfileReading(item.name, item.period, item.columns, tuple(channels), status)


def _channel(inventory: Inventory, column: Column, unit: str, scaler: int, period: int) -> int:
    """Return the channel of a column: named by its OBIS code, and by its scaler too where others have another.

    Days and months have channels of their own: beside quarters of an hour their rows would be gaps.
    """
    name = str(column.obis)
    if column.capture.attribute_index != 2:
        name += f":{column.capture.attribute_index}"
    if period >= DAY:
        name += " daily" if period == DAY else " monthly"
    cumulative = is_cumulative(column.obis)
    try:
        return inventory.channel(name, unit, scaler, cumulative=cumulative)
    except ConfigError:
        return inventory.channel(f"{name} (1e{scaler} {unit})", unit, scaler, cumulative=cumulative)


def is_cumulative(code: Obis) -> bool:
    """Whether what a code stands for only grows; of other media than electricity it is taken to."""
    return bytes(code)[3] in _CUMULATIVE or bytes(code)[0] != 1


def _is_status(column: Column) -> bool:
    """Whether a column is a profile's status: 0-b:96.10.e of IDIS and DSMR."""
    octets = bytes(column.obis)
    return column.capture.class_id == 1 and octets[0] == 0 and octets[2:4] == b"\x60\x0a"
