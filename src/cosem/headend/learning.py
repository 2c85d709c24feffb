"""Learning from a device: what its profiles capture becomes what is read of its type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
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
USUAL: Final = tuple(obis(name) for name in ("1-0:99.1.0.255", "1-0:99.2.0.255", "7-0:99.99.2.255", "7-0:99.99.3.255"))
"""Profiles that are looked for where none is named: the load profiles of IEC 62056-6-1, a gas converter's archives of
hours and gas days."""
MONTH: Final = 31 * DAY
SAMPLE: Final = 5
"""Rows of a profile without a capture period that tell how far apart they are."""
_SPACES: Final = ((range(23 * 3600, 25 * 3600 + 1), DAY), (range(28 * DAY - 3600, MONTH + 3601), MONTH))
_NUMBERED: Final = (3, 4, 5)
"""Classes whose values have a scaler and a unit."""


@dataclass(frozen=True, slots=True)
class Learned:
    """The layout of one profile. `period` in seconds."""

    name: Obis
    period: int
    columns: tuple[Column, ...]


async def learn(meter: AsyncMeter, names: Sequence[Obis] = ()) -> list[Learned]:
    """Return the layouts of profiles of a meter. Raises `ConfigError` where it has none of them that can be read."""
    found = []
    unusable: ConfigError | None = None
    for name in names or USUAL:
        try:
            found.append(await meter.run(_describe(meter.core, name)))
        except AccessError as error:
            if names:
                raise ConfigError(f"{name}: {error}") from None
        except ConfigError as error:
            # Of the usual ones those that can be read are enough: an archive of days is young once.
            if names:
                raise
            unusable = error
    if not found:
        raise unusable or ConfigError("the device has none of the usual load profiles: name one by --profile")
    return found


def _describe(core: Any, name: Obis) -> Any:
    columns = yield from ProfileReader(core, name).describe()
    period = yield from core.get_data(PROFILE, name, 4)
    if not any(column.is_time for column in columns):
        raise ConfigError(f"{name} captures no time: nobody could tell its rows apart")
    seconds = period.value if isinstance(period.value, int) and period.value > 0 else (yield from _space(core, name))
    if not seconds:
        raise ConfigError(f"{name} has no capture period, and its rows are no days or months: it is no load profile")
    return Learned(name, seconds, columns)


def _space(core: Any, name: Obis) -> Any:
    """Return how far apart the rows of a profile are that something else ends than a period: days, months, or 0."""
    entries = (yield from core.get_data(PROFILE, name, 7)).value
    last = entries if isinstance(entries, int) else 0
    table = yield from ProfileReader(core, name).read(entries=(max(1, last - SAMPLE + 1), max(1, last)))
    times = [moment.to_datetime().timestamp() for moment in table.times() if moment is not None]
    between = {round(after - before) for before, after in pairwise(times)}
    return next((period for seconds, period in _SPACES if between and all(each in seconds for each in between)), 0)


def adopt(
    connection: Connection, device: str, learned: Sequence[Learned], who: str, now: int, *, kind: str | None = None
) -> str:
    """Make what was learned what is read of the device's type; return the type's name.

    `kind` names the type where the device has none, or another is wanted. Raises `ConfigError`.
    """
    inventory = Inventory(connection)
    row = inventory.get(device)
    if row.is_child:
        raise ConfigError(f"device {device} is read through {row.parent}: what it has is found there, and not learned")
    name = kind or row.type
    if name is None:
        raise ConfigError(f"device {device} has no type: name one by --type")
    known = next((item for item in inventory.types() if item.name == name), None)
    readings = {item.name: item for item in known.readings} if known is not None else {}
    for item in learned:
        readings[item.name] = _reading(inventory, item)
    readings = _each_once(readings)
    if known is None:
        inventory.set_type(name, row.kind, readings=readings.values())
    else:
        inventory.set_readings(name, readings.values())
    if row.type != name:
        inventory.assign(device, name, now)
    shown = {str(item.name): len(item.columns) for item in learned}
    record(connection, now, who, "learn", name, after={"device": device, "profiles": shown})
    return name


def _each_once(readings: Mapping[Obis, ProfileReading]) -> dict[Obis, ProfileReading]:
    """Return readings in which each channel is that of the profile which has it most often.

    Quarters of an hour between hours would not be on an hour's end, hours between quarters would be gaps.
    """
    taken: set[int] = set()
    found = dict(readings)
    for item in sorted(readings.values(), key=lambda item: item.period):
        found[item.name] = replace(item, channels=tuple(None if each in taken else each for each in item.channels))
        taken.update(each for each in item.channels if each is not None)
    return found


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
        channels.append(inventory.measured(column.obis, scaled, item.period, attribute=capture.attribute_index))
    return ProfileReading(item.name, item.period, item.columns, tuple(channels), status)


def _is_status(column: Column) -> bool:
    """Whether a column is a profile's status: 0-b:96.10.e of IDIS and DSMR."""
    octets = bytes(column.obis)
    return column.capture.class_id == 1 and octets[0] == 0 and octets[2:4] == b"\x60\x0a"
