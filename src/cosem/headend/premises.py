"""What somebody wants to know of a connection and of what hangs behind it, over what is stored.

Power, energy of a day or a month by rates, supply and limit, messages, gas, water and heat. `Headend.read_now` brings
all of it up to date. Figures are exact decimals in the unit beside; times are UTC seconds. Each function takes the
connection of the caller's transaction and the number of the device.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from cosem.classes.c070_disconnect_control import ControlState
from cosem.headend.exports import exact
from cosem.headend.intervals import DAY, MISSING, Intervals
from cosem.headend.inventory import DeviceRow, Inventory, Kind
from cosem.headend.quality import UNUSABLE
from cosem.headend.schema import channel, command, latest
from cosem.headend.values_now import LIMIT, NAME, SUPPLY, TARIFF, Figure

IMPORT, EXPORT = "1-0:1.8", "1-0:2.8"
RATES: Final = range(1, 9)
TOTALS: Final[Mapping[Kind, str]] = {
    Kind.ELECTRICITY: f"{IMPORT}.0.255",
    Kind.GAS: "0-0:24.2.1.255 gas",
    Kind.WATER: "0-0:24.2.1.255 water",
    Kind.HEAT: "0-0:24.2.1.255 heat",
    Kind.CONVERTER: "7-0:13.2.0.255",
}
"""The register by which each kind is billed: of M-Bus devices the first value that is captured."""
REACH: Final = 3600
"""Seconds that a register's value may lie before the moment that it stands for."""
LATE: Final = 40 * DAY
"""How far back the newest value is looked for."""


@dataclass(frozen=True, slots=True)
class Power:
    """Active power that is drawn and that is fed in, as it was read last."""

    drawn: Figure | None
    fed: Figure | None


@dataclass(frozen=True, slots=True)
class Used:
    """What a register grew between two moments: exact decimals in `unit`, None where a value is missing for it.

    `since` and `until` are the moments of the values that were taken: `since` may lie up to an hour before the moment
    that was asked for where the register was not read at it. `rates` has the parts by rates, as far as they are known.
    """

    amount: str | None
    unit: str
    since: int
    until: int
    rates: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class SupplyNow:
    """Whether there is supply, as it was read last: `state` in words, the limit, and the rate in force."""

    connected: bool | None
    state: str | None
    at: int | None
    limit: Figure | None
    rate: int | None


@dataclass(frozen=True, slots=True)
class Told:
    """A message that a meter shows: at its `display` or its port. `at` is when it was known to be there."""

    text: str
    display: bool
    at: int


@dataclass(frozen=True, slots=True)
class Behind:
    """A device on the M-Bus: what it counted up to now, today and this month."""

    device: int
    name: str
    kind: Kind
    total: Figure | None
    today: Used | None
    month: Used | None


def power(connection: Connection, device: int) -> Power:
    """Return the power that was read last."""
    found = _latest(connection, device)
    return Power(found.get("1-0:1.7.0.255"), found.get("1-0:2.7.0.255"))


def energy(
    connection: Connection, intervals: Intervals, device: int, first: int, last: int, *, register: str = IMPORT
) -> Used | None:
    """Return the energy from `first` to `last`, in all and by rates: of `IMPORT`, or of `EXPORT`.

    None where nothing of the register is known.
    """
    total = used(connection, intervals, device, f"{register}.0.255", first, last)
    if total is None:
        return None
    parts = {rate: used(connection, intervals, device, f"{register}.{rate}.255", first, last) for rate in RATES}
    rates = {rate: part.amount for rate, part in parts.items() if part is not None and part.amount is not None}
    return Used(total.amount, total.unit, total.since, total.until, rates)


def used(connection: Connection, intervals: Intervals, device: int, name: str, first: int, last: int) -> Used | None:
    """Return what a register grew from `first` to `last`; None where nothing of it is known.

    Its values by quarters of an hour or hours count, those at the ends of days, and the one that was read last.
    """
    row = connection.execute(select(channel).where(channel.c.name == name)).one_or_none()
    if row is None:
        return None
    known = _points(connection, intervals, device, name, first, last)
    if not known:
        return None
    unit, end = row.unit, max(known)
    start = max((at for at in known if at <= first), default=None)
    if start is None or end <= start:
        return Used(None, unit, first, end, {})
    return Used(exact(known[end] - known[start], row.scaler), unit, start, end, {})


def _points(
    connection: Connection, intervals: Intervals, device: int, name: str, first: int, last: int
) -> dict[int, int]:
    """Return the values of a register around two moments, in the scaler of its channel."""
    found: dict[int, int] = {}
    query = select(channel.c.id, channel.c.name, channel.c.scaler).where(channel.c.name.in_((name, _daily(name))))
    rows = connection.execute(query).all()
    scaler = next((row.scaler for row in rows if row.name == name), None)
    for row in rows:
        if row.scaler != scaler:
            continue
        for begin, end in ((first - REACH, first + 1), (max(first, last - LATE), last + 1)):
            series = intervals.read(connection, device, row.id, begin, end)
            good = (series.values != MISSING) & (series.quality & UNUSABLE == 0)
            found.update(zip(series.times[good].tolist(), series.values[good].tolist(), strict=True))
        newest = select(latest.c.time, latest.c.value).where(latest.c.device == device, latest.c.channel == row.id)
        found.update((at, value) for at, value in connection.execute(newest) if at <= last)
    return found


def _daily(name: str) -> str:
    """Return the channel of a register's values at the ends of days."""
    code, bracket, scaler = name.partition(" (")
    return f"{code} daily{bracket}{scaler}"


def supply(connection: Connection, device: int) -> SupplyNow:
    """Return whether there is supply, the limit and the rate in force."""
    found = _latest(connection, device)
    state = found.get(f"{SUPPLY}:3")
    name = None if state is None else _state(int(state.value))
    rate = found.get(str(TARIFF))
    return SupplyNow(
        None if name is None else name == ControlState.CONNECTED.name.lower(),
        name,
        None if state is None else state.at,
        found.get(f"{LIMIT}:3"),
        None if rate is None else int(rate.value),
    )


def _state(number: int) -> str:
    try:
        return ControlState(number).name.lower()
    except ValueError:
        return f"state {number}"


def messages(connection: Connection, device: int) -> list[Told]:
    """Return the messages that the meter shows, as it answered last."""
    query = (
        select(command.c.answer, command.c.finished)
        .where(command.c.device == device, command.c.kind.in_(("message", NAME)), command.c.state == "done")
        .where(command.c.answer.is_not(None))
        .order_by(command.c.finished.desc(), command.c.id.desc())
        .limit(20)
    )
    for text, at in connection.execute(query):
        answer = json.loads(text)
        if isinstance(answer, dict) and "port" in answer:
            shown = ((answer.get("display"), True), (answer["port"], False))
            return [Told(words, display, at) for words, display in shown if words]
    return []


def behind(connection: Connection, intervals: Intervals, device: int, now: int, zone: ZoneInfo) -> list[Behind]:
    """Return what is known of the devices in use on the M-Bus of a device, by channel."""
    inventory = Inventory(connection)
    return [
        of_one(connection, intervals, row, now, zone) for row in inventory.children(device) if row.state == "in use"
    ]


def of_one(connection: Connection, intervals: Intervals, row: DeviceRow, now: int, zone: ZoneInfo) -> Behind:
    """Return what one device counted in all, today and this month."""
    known = _latest(connection, row.id)
    total = max((item for name, item in known.items() if _is(name, TOTALS.get(row.kind))), key=_newest, default=None)
    name = "" if total is None else total.name
    day, month = midnight(now, zone), midnight(now, zone, day=1)
    today = used(connection, intervals, row.id, name, day, now)
    return Behind(row.id, row.name, row.kind, total, today, used(connection, intervals, row.id, name, month, now))


def _is(name: str, total: str | None) -> bool:
    """Whether a channel is the one that counts: where meters differ in their scaler, that stands behind its name."""
    return total is not None and (name == total or name.startswith(f"{total} ("))


def _newest(figure: Figure) -> int:
    return figure.at


def midnight(now: int, zone: ZoneInfo, *, day: int | None = None) -> int:
    """Return when the local day began, or the `day` of its month (UTC seconds)."""
    local = datetime.fromtimestamp(now, UTC).astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    return int((local if day is None else local.replace(day=day)).timestamp())


def _latest(connection: Connection, device: int) -> dict[str, Figure]:
    query = select(channel, latest.c.time, latest.c.value).join(channel, channel.c.id == latest.c.channel)
    rows = connection.execute(query.where(latest.c.device == device))
    return {row.name: Figure(row.name, exact(row.value, row.scaler), row.unit, row.time) for row in rows}
