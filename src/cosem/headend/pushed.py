"""Values that meters push: each becomes the latest of its channel, where it is newer than what is known.

A push is no load profile: nobody says which interval its values belong to, so they are not among the interval values.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.sqlite import insert as upsert

from cosem.codec.axdr import Tag
from cosem.headend.inventory import Inventory, only_grows
from cosem.headend.schema import channel, latest
from cosem.obis import obis
from cosem.obis_names import explain
from cosem.pushes.reading import NUMBERS, Reading
from cosem.units import Unit

MOST_CHANNELS: Final = 2000
"""Pushes add no channels beyond these: what anybody may send must not fill the table."""
MOST_VALUES: Final = 200
"""So many values of one push are kept."""
FUTURE: Final = 3600
"""A clock that is further ahead (seconds) is wrong: the value is of when it came."""
_CLOCK: Final = obis("0-0:1.0.0.255")
_COUNTS: Final = (0x60_07, 0x60_0E)
"""Value groups C and D of abstract counts without a unit: power failures, the active tariff."""
_LIMIT: Final = 2**63
NO_UNIT: Final = 255
_P1_VALUE: Final = re.compile(r"(?P<before>[0-9]{1,12})(?:\.(?P<behind>[0-9]{1,6}))?(?:\*(?P<unit>[A-Za-z0-9]{1,5}))?")
_P1_TIME: Final = re.compile(r"([0-9]{12})([SW])")
_P1_UNITS: Final[Mapping[str | None, tuple[str, int]]] = {
    None: ("", 0), "kWh": ("Wh", 3), "kvarh": ("varh", 3), "kW": ("W", 3), "kvar": ("var", 3), "V": ("V", 0),
    "A": ("A", 0), "m3": ("m³", 0), "GJ": ("J", 9), "Hz": ("Hz", 0),
}  # fmt: skip
"""Units as a P1 telegram writes them: those of the tables, and the power of ten."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """A number a device pushed. `unit` None: what the channel of that name has, if there is one."""

    device: int
    channel: str
    time: int
    number: int
    scaler: int | None
    unit: str | None


def pushed_values(device: int, readings: Sequence[Reading], now: int) -> list[Pushed]:
    """Return the numbers among the readings of one push, with the time the meter gives or `now`."""
    clock = next((reading for reading in readings if reading.obis == _CLOCK), None)
    at = now if clock is None else max(0, min(_moment(clock, now), now + FUTURE))
    found = []
    for reading in readings[:MOST_VALUES]:
        number = _p1_number(reading) if reading.value.tag is Tag.VISIBLE_STRING else _number(reading)
        if number is not None and reading.attribute in (None, 2) and -_LIMIT < number[0] < _LIMIT:
            value, scaler, unit = number
            found.append(Pushed(device, str(reading.obis), at, value, scaler, unit))
    return found


def _number(reading: Reading) -> tuple[int, int | None, str | None] | None:
    """Return value, scaler and unit as the push says them."""
    if reading.value.tag not in NUMBERS:
        return None
    if reading.unit is None:
        return (reading.value.value, 0, "") if _is_count(reading) else (reading.value.value, None, None)
    return reading.value.value, reading.scaler, Unit(reading.unit).symbol if reading.unit != NO_UNIT else ""


def _p1_number(reading: Reading) -> tuple[int, int, str] | None:
    """Return the number of a P1 data line: ``004321.123*kWh``, behind a time where there is one."""
    found = _P1_VALUE.fullmatch(reading.value.value.rpartition(")(")[2])
    if found is None or (found["unit"] is None) != _is_count(reading):
        return None
    if (known := _P1_UNITS.get(found["unit"])) is None:
        return None
    unit, power = known
    digits = found["behind"] or ""
    return int(found["before"] + digits), power - len(digits), unit


def keep_latest(connection: Connection, pushed: Iterable[Pushed]) -> set[int]:
    """Keep what is newer than what is known, in the caller's transaction; return the devices with such values."""
    newest: dict[tuple[int, str], Pushed] = {}
    for item in pushed:
        before = newest.get((item.device, item.channel))
        if before is None or before.time <= item.time:
            newest[item.device, item.channel] = item
    if not newest:
        return set()
    names = sorted({item.channel for item in newest.values()})
    known: dict[str, Any] = {}
    for first in range(0, len(names), 500):
        query = select(channel).where(channel.c.name.in_(names[first : first + 500]))
        known |= {row.name: row for row in connection.execute(query)}
    devices: set[int] = set()
    for item in newest.values():
        row = known.get(item.channel)
        if row is None:
            row = known[item.channel] = _added(connection, item)
        number = None if row is None else _in_scaler(item, row)
        if row is None or number is None:
            continue
        statement = upsert(latest).values(device=item.device, channel=row.id, time=item.time, value=number)
        fresh = statement.excluded
        done = connection.execute(
            statement.on_conflict_do_update(
                index_elements=["device", "channel"],
                set_={"time": fresh.time, "value": fresh.value},
                where=latest.c.time <= fresh.time,
            )
        )
        if done.rowcount:
            devices.add(item.device)
    return devices


def _added(connection: Connection, item: Pushed) -> Any:
    """Return a channel for what was pushed, or None where it is nothing one knows, or there are too many already."""
    if item.unit is None or item.scaler is None or not explain(item.channel).known or not -20 <= item.scaler <= 20:
        return None
    if connection.execute(select(func.count()).select_from(channel)).scalar_one() >= MOST_CHANNELS:
        return None
    cumulative = only_grows(obis(item.channel), item.unit)
    number = Inventory(connection).channel(item.channel, item.unit, item.scaler, cumulative=cumulative)
    return connection.execute(select(channel).where(channel.c.id == number)).one()


def _in_scaler(item: Pushed, row: Any) -> int | None:
    """Return a number in the channel's scaler; None where that would not be exact, or the unit is another."""
    if item.unit is None:
        return item.number
    if item.unit != row.unit or item.scaler is None:
        return None
    power = item.scaler - row.scaler
    if power >= 0:
        number = item.number * 10 ** min(power, 40)
    elif item.number % (divisor := 10 ** min(-power, 40)) == 0:
        number = item.number // divisor
    else:
        return None
    return number if -_LIMIT < number < _LIMIT else None


def _is_count(reading: Reading) -> bool:
    octets = bytes(reading.obis)
    if octets[0] == 0:
        return int.from_bytes(octets[2:4]) in _COUNTS
    # Voltage sags and swells (IEC 62056-6-1): numbers of events.
    return octets[0] == 1 and octets[2] in (32, 52, 72) and octets[3] in (32, 36)


def _moment(reading: Reading, default: int) -> int:
    """Return the time (UTC seconds) that a clock reading gives; one without a zone is UTC."""
    try:
        if (text := reading.date_time) is not None:
            moment = datetime.fromisoformat(text)
        elif (found := _P1_TIME.fullmatch(reading.text or "")) is not None:
            # P1 telegrams are in Central European time, and say whether it is summer.
            zone = timezone(timedelta(hours=2 if found[2] == "S" else 1))
            moment = datetime.strptime(found[1], "%y%m%d%H%M%S").replace(tzinfo=zone)
        else:
            return default
    except ValueError:
        return default
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
