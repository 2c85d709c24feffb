"""Events and alarms of devices: kept once, counted when they come again, acknowledged by people.

A thousand last gasps are a thousand rows of one transaction each batch, and one notification for their segment, not a
thousand: see `notify`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from cosem.errors import ConfigError
from cosem.headend.audit import record
from cosem.headend.schema import alarm, device, event

MAX_PAGE: Final = 1000
FRAUD_WORDS: Final = ("fraud", "cover", "magnet", "strong", "tamper", "bypass", "removed", "neutral", "replay")
"""Words of events and alarm bits (of the companion profiles) that speak of somebody's doing."""


class AlarmState(StrEnum):
    """Where an alarm is."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"


@dataclass(frozen=True, slots=True)
class Happened:
    """Something that happened at a device. `at` in UTC seconds; `code` where the companion profile has one.

    `alarming` makes an alarm of it.
    """

    device: int
    at: int
    group: str
    words: str
    code: int | None = None
    source: str = "log"
    alarming: bool = False

    @property
    def fraud(self) -> bool:
        """Whether it speaks of somebody's doing."""
        return self.group == "fraud" or any(word in self.words for word in FRAUD_WORDS)


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """An alarm as it stands."""

    id: int
    device: int
    name: str
    kind: str
    fraud: bool
    first: int
    last: int
    count: int
    state: AlarmState
    acknowledged_by: str | None


def keep(connection: Connection, happened: Sequence[Happened], now: int) -> tuple[list[Happened], list[int]]:
    """Keep what happened in the caller's transaction. Return what is new, and the numbers of alarms that it opened."""
    fresh: list[Happened] = []
    opened: list[int] = []
    for item in happened:
        row = {
            "device": item.device,
            "at": item.at,
            "received": now,
            "source": item.source,
            "group": item.group,
            # A NULL is unequal to every other in SQL: two events without a code would never be the same.
            "code": -1 if item.code is None else item.code,
            "words": item.words,
        }
        if connection.execute(upsert(event).values(row).on_conflict_do_nothing()).rowcount:
            fresh.append(item)
            if item.alarming:
                number, is_new = _raise(connection, item)
                if is_new:
                    opened.append(number)
    return fresh, opened


def _raise(connection: Connection, item: Happened) -> tuple[int, bool]:
    open_ = select(alarm.c.id).where(
        alarm.c.device == item.device, alarm.c.kind == item.words, alarm.c.state == AlarmState.OPEN
    )
    number = connection.execute(open_).scalar_one_or_none()
    if number is None:
        row = connection.execute(
            alarm.insert(),
            {
                "device": item.device,
                "kind": item.words,
                "fraud": int(item.fraud),
                "first": item.at,
                "last": item.at,
                "count": 1,
                "state": AlarmState.OPEN,
            },
        )
        key = row.inserted_primary_key
        assert key is not None
        return int(key[0]), True
    connection.execute(
        update(alarm)
        .where(alarm.c.id == number)
        .values(last=func.max(alarm.c.last, item.at), count=alarm.c["count"] + 1)
    )
    return int(number), False


def alarms(
    connection: Connection,
    *,
    before: int | None = None,
    limit: int = 50,
    state: AlarmState | None = None,
    fraud: bool | None = None,
    device_number: int | None = None,
    numbers: Iterable[int] | None = None,
    among: frozenset[int] | None = None,
) -> list[AlarmRow]:
    """Return alarms, the newest first, with numbers below `before`."""
    query = select(alarm, device.c.name.label("device_name")).join(device, device.c.id == alarm.c.device)
    query = query.order_by(alarm.c.id.desc()).limit(min(limit, MAX_PAGE))
    if before is not None:
        query = query.where(alarm.c.id < before)
    if state is not None:
        query = query.where(alarm.c.state == state)
    if fraud is not None:
        query = query.where(alarm.c.fraud == int(fraud))
    if device_number is not None:
        query = query.where(alarm.c.device == device_number)
    if among is not None:
        query = query.where(alarm.c.device.in_(among))
    if numbers is not None:
        query = query.where(alarm.c.id.in_(list(numbers)))
    return [
        AlarmRow(
            row.id,
            row.device,
            row.device_name,
            row.kind,
            bool(row.fraud),
            row.first,
            row.last,
            row._mapping["count"],
            AlarmState(row.state),
            row.acknowledged_by,
        )
        for row in connection.execute(query)
    ]


def acknowledge(
    connection: Connection, numbers: Sequence[int], who: str, now: int, *, among: frozenset[int] | None = None
) -> int:
    """Acknowledge open alarms (of the devices `among`); return how many. Raises `ConfigError` for none of them open."""
    chosen = select(alarm.c.id).where(alarm.c.id.in_(list(numbers)), alarm.c.state == AlarmState.OPEN)
    if among is not None:
        chosen = chosen.where(alarm.c.device.in_(among))
    found = list(connection.execute(chosen.order_by(alarm.c.id)).scalars())
    values = {"state": AlarmState.ACKNOWLEDGED, "acknowledged_by": who, "acknowledged": now}
    open_ = alarm.c.state == AlarmState.OPEN
    done = connection.execute(update(alarm).where(alarm.c.id.in_(found), open_).values(**values)).rowcount
    if not done:
        raise ConfigError("none of these alarms is open")
    record(connection, now, who, "acknowledge", "alarms", after=found)
    return int(done)


def events(
    connection: Connection, *, device_number: int | None = None, before: int | None = None, limit: int = 50
) -> list[dict[str, Any]]:
    """Return events as plain values, the newest first, with numbers below `before`."""
    query = select(event).order_by(event.c.id.desc()).limit(min(limit, MAX_PAGE))
    if device_number is not None:
        query = query.where(event.c.device == device_number)
    if before is not None:
        query = query.where(event.c.id < before)
    return [
        {
            "id": row.id,
            "device": row.device,
            "at": row.at,
            "received": row.received,
            "source": row.source,
            "group": row.group,
            "code": None if row.code < 0 else row.code,
            "words": row.words,
        }
        for row in connection.execute(query)
    ]
