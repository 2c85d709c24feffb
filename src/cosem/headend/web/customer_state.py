"""What a household's page knows of a home: figures made once and kept for a while, and how it is this second.

A home is named by the numbers of its devices: the electricity meter first, then what is metered beside it. Everybody
who follows the same numbers gets the same octets.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from cosem.headend import premises
from cosem.headend.happenings import AlarmRow, AlarmState, alarms
from cosem.headend.intervals import MISSING, Intervals
from cosem.headend.inventory import DeviceRow, Inventory, Kind, State
from cosem.headend.premises import EXPORT, IMPORT, Behind, Power, SupplyNow, Told, Used
from cosem.headend.quality import UNUSABLE
from cosem.headend.schema import account, channel, device_group, group_member, latest
from cosem.headend.web.customer_words import HOUR, Supply
from cosem.headend.web.playing import HOME
from cosem.units import scaled

KIN: Final = (Kind.GAS, Kind.WATER, Kind.HEAT)
MOST: Final = 19
"""Devices that are shown beside the meter."""
KEPT_SECONDS: Final = 30.0
KEPT_CLOCK: Final = 300
"""How long figures are kept: seconds here, and of the head-end's clock, which may be faster."""
SHORTEST: Final = 1.0
SAMPLES: Final = 600
HOMES: Final = 500
"""Homes whose figures and curves are kept, at most."""
QUARTERS: Final = 6 * HOUR
"""How far back the mean power of intervals is shown, at most."""
READ_EVERY: Final = 30.0
LOOKED_EVERY: Final = 600.0
"""Seconds within which looking at the same home again is not noted anew."""
NO_LIMIT: Final = 0xFFFF_FFFF
_SWITCH: Final = {
    "connected": Supply.ON, "disconnected": Supply.OFF,
    "ready for reconnection": Supply.READY, "ready_for_reconnection": Supply.READY,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a home by what was read.

    `used` is by periods: where the month's beginning is not known, it is since the first value of it. `shown` is when
    the import register was read last and its watt-hours. `hours` are watt-hours of each hour of today, `hours_before`
    of yesterday, None where that is not known; `means` are mean powers: from, to, watts.
    """

    meter: DeviceRow | None
    kin: tuple[DeviceRow, ...]
    power: Power
    supply: SupplyNow
    used: Mapping[str, Used | None]
    shown: tuple[int, Decimal] | None
    hours: tuple[Decimal | None, ...]
    hours_before: tuple[Decimal | None, ...]
    means: tuple[tuple[int, int, float], ...]
    messages: tuple[Told, ...]
    counted: tuple[Behind, ...]
    alarms: tuple[AlarmRow, ...]


@dataclass(frozen=True, slots=True)
class Now:
    """How it is: watts drawn, or fed in where negative, and since when that is known. `live`: seen this second."""

    watts: int | None = None
    at: int | None = None
    live: bool = False
    supply: Supply = Supply.UNKNOWN
    supply_at: int | None = None
    limit: int | None = None
    rate: int | None = None
    counted: Decimal | None = None
    """What the import register shows, in watt-hours, where it is seen this second."""
    valves: Mapping[int, str] = field(default_factory=dict)


class Sample(NamedTuple):
    """A power, when it was by the clock of the home and when it was `seen` here; `begins` a stretch without pauses."""

    at: int
    watts: int
    seen: float = 0.0
    begins: bool = False


@dataclass(slots=True)
class _Kept:
    known: Known
    names: frozenset[int]
    clock: int
    made: float


class Homes:
    """Keeps figures, curves, and who read and looked when. Its methods may be called in any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._heard = 0
        self._kept: dict[tuple[int, ...], _Kept] = {}
        self._samples: dict[int, deque[Sample]] = {}
        self._read: dict[int, float] = {}
        self._looked: dict[tuple[str, int], float] = {}

    def known(
        self, connection: Connection, intervals: Intervals, numbers: tuple[int, ...], now: int, zone: ZoneInfo
    ) -> Known:
        """Return the figures of a home, made anew where something was told of it or they are old."""
        begun = time.monotonic()
        with self._lock:
            kept, heard = self._kept.get(numbers), self._heard
        if kept is not None:
            age = begun - kept.made
            if age < SHORTEST or (age < KEPT_SECONDS and 0 <= now - kept.clock < KEPT_CLOCK):
                return kept.known
        known = find_out(connection, intervals, numbers, now, zone)
        above = {row.dialled for row in (known.meter, *known.kin) if row is not None}
        with self._lock:
            self._kept.pop(numbers, None)
            while len(self._kept) >= HOMES:
                self._kept.pop(next(iter(self._kept)))
            # What was told of meanwhile may not be in it.
            made = begun if heard == self._heard else float("-inf")
            self._kept[numbers] = _Kept(known, frozenset(numbers) | above, now, made)
        return known

    def told(self, content: Mapping[str, Any]) -> list[str]:
        """Hear what the head-end tells of: figures it may have changed are made anew. Return the topics of these."""
        number = content.get("device")
        with self._lock:
            self._heard += 1
            hit = [key for key, kept in self._kept.items() if number in kept.names]
            for key in hit:
                del self._kept[key]
        return [topic_of(key, hand=hand) for key in hit for hand in (False, True)]

    def sampled(self, number: int, at: int | None, watts: int | None, patience: float = 5.0) -> list[Sample]:
        """Note a power, and return those that are known, the newest last.

        One that comes more than `patience` seconds behind the one before begins a new stretch.
        """
        now = time.monotonic()
        with self._lock:
            found = self._samples.get(number)
            if found is None:
                while len(self._samples) >= HOMES:
                    self._samples.pop(next(iter(self._samples)))
                found = self._samples[number] = deque(maxlen=SAMPLES)
            if at is not None and watts is not None:
                if found and at < found[-1].at:
                    # The clock went back: what was before is nowhere on the curve.
                    found.clear()
                if not found or at > found[-1].at:
                    found.append(Sample(at, watts, now, not found or now - found[-1].seen > patience))
            return list(found)

    def may_read(self, number: int) -> bool:
        """Whether a meter may be read now for a page: not twice within half a minute."""
        return self._once(self._read, number, READ_EVERY)

    def looks(self, who: str, number: int) -> bool:
        """Whether this person looks at this home, and that was not noted a moment ago."""
        return self._once(self._looked, (who, number), LOOKED_EVERY)

    def _once(self, kept: dict[Any, float], key: Any, seconds: float) -> bool:
        now = time.monotonic()
        with self._lock:
            for old in [name for name, at in kept.items() if now - at >= seconds]:
                del kept[old]
            return kept.setdefault(key, now) == now


def topic_of(numbers: Sequence[int], *, hand: bool = False) -> str:
    """Return the live topic of a home, or that of who has its buttons at `hand`."""
    return HOME[hand] + ",".join(map(str, numbers))


def numbers_of(topic: str) -> tuple[int, ...]:
    """Return the numbers of a live topic's devices."""
    return tuple(int(part) for part in topic.partition(":")[2].split(","))


# --- which devices ----------------------------------------------------------------------------------------------


def home_of(
    connection: Connection, row: DeviceRow, among: frozenset[int] | None
) -> tuple[tuple[int, ...], list[DeviceRow]]:
    """Return the devices of a home by one of them, and its electricity meters.

    `among` are those that somebody sees; None, for who sees all: those of the household that has this one, or what
    hangs behind it.
    """
    inventory = Inventory(connection)
    if among is None:
        among = _household(connection, row.id)
    if among is None:
        among = frozenset({row.id, *(child.id for child in inventory.children(row.id))})
    rows = [item for item in inventory.by_number(among).values() if item.state is State.IN_USE or item.id == row.id]
    rows.sort(key=lambda item: (item.kind, item.name))
    kin = [item.id for item in rows if item.kind in KIN and item.id != row.id]
    return (row.id, *kin[:MOST]), [item for item in rows if item.kind is Kind.ELECTRICITY]


def _household(connection: Connection, number: int) -> frozenset[int] | None:
    """Return the devices of the household that a device belongs to; None where no household may sign in for it."""
    groups = (
        select(device_group.c.id)
        .join(group_member, group_member.c.group == device_group.c.id)
        .join(account, account.c.group == device_group.c.name)
        .where(group_member.c.device == number, account.c.role == "household")
        .order_by(device_group.c.id)
    )
    group = connection.execute(groups).scalars().first()
    if group is None:
        return None
    return frozenset(connection.execute(select(group_member.c.device).where(group_member.c.group == group)).scalars())


# --- by what was read -------------------------------------------------------------------------------------------


def find_out(connection: Connection, intervals: Intervals, numbers: tuple[int, ...], now: int, zone: ZoneInfo) -> Known:
    """Return what is known of a home."""
    rows = Inventory(connection).by_number(numbers)
    first = rows.get(numbers[0])
    meter = first if first is not None and first.kind is Kind.ELECTRICITY else None
    kin = tuple(rows[number] for number in numbers if number in rows and rows[number] is not meter)
    used: dict[str, Used | None] = {}
    hours: list[tuple[Decimal | None, ...]] = [(), ()]
    means: list[tuple[int, int, float]] = []
    shown: tuple[int, Decimal] | None = None
    month = premises.midnight(now, zone, day=1)
    if meter is not None:
        day, before = premises.midnight(now, zone), premises.midnight(premises.midnight(now, zone) - 12 * HOUR, zone)

        def grown(begin: int, end: int, register: str = IMPORT) -> Used | None:
            return premises.energy(connection, intervals, numbers[0], begin, end, register=register)

        name = f"{IMPORT}.0.255"
        used = {"today": grown(day, now), "month": grown(month, now), "yesterday": grown(before, day)}
        if (begin := _begin(connection, intervals, numbers[0], name, used["month"])) is not None:
            month = begin
            used["month"] = grown(begin, now)
        used |= {"fed": grown(day, now, EXPORT), "fed month": grown(month, now, EXPORT)}
        today = used["today"]
        if today is not None and today.amount is not None:
            same = _a_day_before(today.until, zone)
            used["before"] = premises.used(connection, intervals, numbers[0], name, before, same)
        drawn = _register(connection, intervals, numbers[0], IMPORT, before - HOUR, now)
        fed = _register(connection, intervals, numbers[0], EXPORT, now - QUARTERS - HOUR, now)
        hours = [_hours(drawn, day, premises.midnight(day + 36 * HOUR, zone)), _hours(drawn, before, day)]
        means = _means(drawn, fed, now - QUARTERS)
        shown = _shown(connection, numbers[0], drawn, now)
    return Known(
        meter,
        kin,
        premises.power(connection, numbers[0]),
        premises.supply(connection, numbers[0]),
        used,
        shown,
        hours[0],
        hours[1],
        tuple(means),
        tuple(premises.messages(connection, numbers[0])),
        tuple(_counted(connection, intervals, row, now, zone) for row in kin),
        tuple(alarms(connection, among=frozenset(numbers), state=AlarmState.OPEN, limit=100)),
    )


def _begin(connection: Connection, intervals: Intervals, device: int, name: str, month: Used | None) -> int | None:
    """Return when a month's first value is of, where that of its beginning is not known; None where none helps."""
    if month is None or month.amount is not None:
        return None
    row = connection.execute(select(channel).where(channel.c.name == name)).one()
    series = intervals.read(connection, device, row.id, month.since, month.until + 1)
    good = (series.values != MISSING) & (series.quality & UNUSABLE == 0)
    times = series.times[good].tolist()
    # By rates it is known by the hour.
    return next((at for at in times if at % HOUR == 0), times[0] if times else None)


def _counted(connection: Connection, intervals: Intervals, row: DeviceRow, now: int, zone: ZoneInfo) -> Behind:
    """Return what a meter of gas, water or heat counted: in this month as far as it is known."""
    found = premises.of_one(connection, intervals, row, now, zone)
    if found.total is None:
        return found
    begin = _begin(connection, intervals, row.id, found.total.name, found.month)
    if begin is None:
        return found
    return replace(found, month=premises.used(connection, intervals, row.id, found.total.name, begin, now))


def _shown(connection: Connection, device: int, values: Mapping[int, Decimal], now: int) -> tuple[int, Decimal] | None:
    """Return when the import register was read last, and what it showed."""
    query = (
        select(latest.c.time, latest.c.value, channel.c.scaler)
        .join(channel, channel.c.id == latest.c.channel)
        .where(latest.c.device == device, channel.c.name == f"{IMPORT}.0.255", channel.c.unit == "Wh")
    )
    newest = [(row.time, scaled(row.value, row.scaler)) for row in connection.execute(query) if row.time <= now]
    return max([*newest, *values.items()], default=None)


def _a_day_before(at: int, zone: ZoneInfo) -> int:
    """Return the same time by the clock on the day before."""
    local = datetime.fromtimestamp(at, UTC).astimezone(zone)
    return int((local.replace(tzinfo=None) - timedelta(1)).replace(tzinfo=zone).timestamp())


def _register(
    connection: Connection, intervals: Intervals, device: int, code: str, first: int, last: int
) -> dict[int, Decimal]:
    """Return the watt-hours that a register showed, by time."""
    row = connection.execute(select(channel).where(channel.c.name == f"{code}.0.255")).one_or_none()
    if row is None or row.unit != "Wh":
        return {}
    series = intervals.read(connection, device, row.id, first, last + 1)
    good = (series.values != MISSING) & (series.quality & UNUSABLE == 0)
    pairs = zip(series.times[good].tolist(), series.values[good].tolist(), strict=True)
    return {at: scaled(value, row.scaler) for at, value in pairs}


def _hours(values: Mapping[int, Decimal], begin: int, end: int) -> tuple[Decimal | None, ...]:
    found = []
    for at in range(begin, end, HOUR):
        before, after = values.get(at), values.get(at + HOUR)
        found.append(None if before is None or after is None or after < before else after - before)
    return tuple(found)


def _means(drawn: Mapping[int, Decimal], fed: Mapping[int, Decimal], since: int) -> list[tuple[int, int, float]]:
    times = sorted(at for at in drawn if at >= since)
    found = []
    for begin, end in pairwise(times):
        grown = drawn[end] - drawn[begin] - (fed.get(end, Decimal(0)) - fed.get(begin, Decimal(0)))
        if end - begin <= HOUR:
            found.append((begin, end, float(grown) * HOUR / (end - begin)))
    return found


# --- this second ------------------------------------------------------------------------------------------------


def now_of(known: Known, looks: Mapping[str, Mapping[str, Any]] | None, at: int) -> Now:
    """Return how a home is now: by `looks` of a neighbourhood by names at `at`, where it says so, or as it was read."""
    supply, drawn, fed = known.supply, known.power.drawn, known.power.fed
    watts = None if drawn is None and fed is None else _watts(drawn) - _watts(fed)
    newest = max((item.at for item in (drawn, fed) if item is not None), default=None)
    limit = None if supply.limit is None or supply.limit.unit != "W" else round(Decimal(supply.limit.value))
    state = Supply.UNKNOWN if supply.state is None else _SWITCH.get(supply.state, Supply.UNKNOWN)
    if known.meter is None or looks is None:
        return Now(watts, newest, False, state, supply.at, _limit(limit), supply.rate, valves=_valves(known, looks))
    look = looks.get(known.meter.name, {})
    said = _SWITCH.get(str(look.get("switch")))
    power = _whole(look.get("power"))
    if said is None or power is None:
        return Now(watts, newest, False, state, supply.at, _limit(limit), supply.rate, valves=_valves(known, looks))
    return Now(
        power,
        at,
        True,
        Supply.DARK if look.get("powered") is False else said,
        at,
        _limit(_whole(look.get("limit"))),
        _whole(look.get("tariff")),
        None if (counted := _whole(look.get("import"), 1000)) is None else Decimal(counted),
        valves=_valves(known, looks),
    )


def _watts(figure: Any) -> int:
    return 0 if figure is None or figure.unit != "W" else round(Decimal(figure.value))


def _limit(limit: int | None) -> int | None:
    return limit if limit is not None and 0 < limit < NO_LIMIT else None


def _whole(value: Any, times: int = 1) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e12:
        return None
    return round(value * times)


def _valves(known: Known, looks: Mapping[str, Mapping[str, Any]] | None) -> dict[int, str]:
    if looks is None:
        return {}
    return {row.id: str(valve) for row in known.kin if (valve := looks.get(row.name, {}).get("valve")) is not None}
