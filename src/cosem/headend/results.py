"""What came of sessions, into the database: values, progress, gaps, clocks and reasons by one transaction.

The fence: a result counts only while the segment still belongs to whoever collected it (its epoch). Somebody who was
paused and comes back after another took over writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, bindparam, delete, select, update
from sqlalchemy.dialects.sqlite import Insert
from sqlalchemy.dialects.sqlite import insert as upsert

from cosem.errors import CosemError
from cosem.headend.children import off_channel
from cosem.headend.database import insert_many
from cosem.headend.happenings import Happened, keep
from cosem.headend.intervals import DAY, MISSING, Intervals, Series
from cosem.headend.inventory import Inventory
from cosem.headend.reading import ProfileReading
from cosem.headend.reasons import Reason
from cosem.headend.schema import channel, clock_check, gap, latest, progress, result, segment
from cosem.headend.session import Outcome
from cosem.headend.validation import Rules, estimate, validate_many
from cosem.units import ScalerUnit

MAX_GAPS: Final = 50
"""Gaps found in one answer that are kept: a meter with more of them has another illness."""


class Fenced(CosemError):
    """The segment belongs to somebody else by now: what was collected since is not taken."""


def take_over(connection: Connection, number: int) -> int:
    """Take a segment over; return the epoch under which results count from now on."""
    connection.execute(update(segment).where(segment.c.id == number).values(epoch=segment.c.epoch + 1))
    return int(connection.execute(select(segment.c.epoch).where(segment.c.id == number)).scalar_one())


def check_fence(connection: Connection, number: int, epoch: int) -> None:
    """Raise `Fenced` unless the segment is still that of `epoch`. Call in each transaction, and before each command."""
    now = connection.execute(select(segment.c.epoch).where(segment.c.id == number)).scalar_one_or_none()
    if now != epoch:
        raise Fenced(f"segment {number} was taken over: epoch {epoch} is over")


Within = Callable[[Connection, Sequence[Happened], Sequence[int], int], None]


def book(connection: Connection, outcome: Outcome, now: int) -> dict[tuple[int, int], ProfileReading]:
    """Give what was read of a device on a M-Bus its channels: afterwards `store` takes it as any other outcome.

    Returns which profile each channel was read from. Who was found is kept where nobody had said who should be there.
    """
    channel_found = outcome.channel
    if channel_found is None or channel_found.meter is None or outcome.reason is Reason.ANOTHER_METER:
        return {}
    inventory = Inventory(connection)
    inventory.keep_meter(outcome.device, channel_found.meter, now)
    # What a value stands for differs from medium to medium: their channels are told apart.
    what = inventory.by_number([outcome.device])[outcome.device].kind
    readings: dict[tuple[int, int], ProfileReading] = {}
    for reading, series in outcome.found:
        if not (series.values != MISSING).any():
            continue  # a place for values that this device does not send
        column = reading.columns[series.channel]
        scaled = column.scaler_unit or ScalerUnit()
        number = inventory.measured(off_channel(column.obis), scaled, reading.period, what=what)
        readings[outcome.device, number] = reading
        outcome.series.append(replace(series, channel=number))
    for item in outcome.values:
        number = inventory.measured(item.name, item.scaler_unit, what=what)
        outcome.latest.append((number, item.time, item.value))
    outcome.found, outcome.values = [], ()
    return readings


def store(
    connection: Connection,
    intervals: Intervals,
    run: int,
    outcomes: Sequence[Outcome],
    readings: Mapping[tuple[int, int], ProfileReading],
    now: int,
    *,
    rules: Rules | None = None,
    opened: list[int] | None = None,
    within: Within | None = None,
) -> int:
    """Store the outcomes of sessions in the caller's transaction; return how many values came.

    `readings` tells for each device and channel the profile it is read from. The numbers of alarms that events opened
    are appended to `opened`; `within` writes down, in the same transaction, what is to be told of them.
    """
    rules = rules or Rules()
    came: list[Series] = []
    rows: dict[str, list[dict[str, Any]]] = {"result": [], "progress": [], "latest": [], "clock": [], "gap": []}
    holes: dict[tuple[int, int], Sequence[int]] = {}
    for outcome in outcomes:
        count = 0
        for series in outcome.series:
            count += len(series)
            reading = readings.get((series.device, series.channel))
            came.append(series)
            if (last := _last_known(series)) is not None:
                at, value = int(series.times[last]), int(series.values[last])
                rows["latest"].append({"device": outcome.device, "channel": series.channel, "time": at, "value": value})
            if reading is not None:
                # Meters of one night share the arrays of their times.
                shared = id(series.times), reading.period
                if shared not in holes:
                    holes[shared] = _holes(series, reading.period)
                rows["gap"] += _gaps(series, reading, holes[shared])
        for number, at, value in outcome.latest:
            rows["latest"].append({"device": outcome.device, "channel": number, "time": at, "value": value})
        rows["result"].append(
            {
                "run": run,
                "device": outcome.device,
                "slice": 0,
                "reason": outcome.reason,
                "detail": outcome.detail[:500],
                "tries": 1,
                "values": count,
                "finished": None if outcome.again else now,
            }
        )
        for profile, until in outcome.until.items():
            rows["progress"].append({"device": outcome.device, "profile": profile, "until": until})
        if outcome.offset is not None:
            row = {"device": outcome.device, "at": now, "offset": outcome.offset}
            rows["clock"].append({**row, "set_at": now if outcome.clock_set else None})
    intervals.stage(connection, _validated(connection, came, readings, rules))
    _settle_gaps(connection, outcomes, readings)
    rows["gap"] += _before(connection, outcomes, readings)
    _write(connection, rows)
    if events := [item for outcome in outcomes for item in outcome.events]:
        fresh, numbers = keep(connection, events, now)
        if within is not None:
            within(connection, fresh, numbers, now)
        if opened is not None:
            opened += numbers
    return sum(len(series) for series in came)


def _validated(
    connection: Connection,
    came: Sequence[Series],
    readings: Mapping[tuple[int, int], ProfileReading],
    rules: Rules,
) -> list[Series]:
    """Return series with their quality, each by its own period, and by whether it only grows."""
    query = select(channel.c.id).where(channel.c.cumulative == 0)
    waving = set(connection.execute(query).scalars()) if came else set()
    groups: dict[tuple[int, bool], list[Series]] = {}
    for series in came:
        reading = readings.get((series.device, series.channel))
        period = rules.period if reading is None else reading.period
        groups.setdefault((period, series.channel not in waving), []).append(series)
    found: list[Series] = []
    for (period, cumulative), group in groups.items():
        own = replace(rules, period=period)
        # What is useless between two good values has an estimate beside it at once.
        found += [
            estimate(item, own, cumulative=cumulative) for item in validate_many(group, own, cumulative=cumulative)
        ]
    return found


def _last_known(series: Series) -> int | None:
    """Return the position of the last value that is there."""
    if len(series) and series.values[-1] != MISSING:
        return len(series) - 1
    known = np.flatnonzero(series.values != MISSING)
    return int(known[-1]) if len(known) else None


def _holes(series: Series, period: int) -> list[int]:
    """Return behind which values some are missing."""
    found: list[int] = np.flatnonzero(np.diff(series.times) > _longest(period))[:MAX_GAPS].tolist()
    return found


def _longest(period: int) -> int:
    """Return how far apart rows are at most between which nothing is missing: once a year a day has 25 hours."""
    return period if period < DAY else period + 3600


def _gaps(series: Series, reading: ProfileReading, holes: Sequence[int]) -> list[dict[str, Any]]:
    """Return the intervals that are missing between those that came: behind the positions `holes`."""
    return [
        {
            "device": series.device,
            "profile": str(reading.name),
            "first": int(series.times[at]) + reading.period,
            "last": int(series.times[at + 1]),
            "tries": 0,
        }
        for at in holes
    ]


def _settle_gaps(
    connection: Connection, outcomes: Sequence[Outcome], readings: Mapping[tuple[int, int], ProfileReading]
) -> None:
    """Forget the gaps of which something came; count a try of those that were asked for in vain."""
    since = {(outcome.device, profile): at for outcome in outcomes for profile, at in outcome.since.items()}
    if not since:
        return
    came: dict[tuple[int, str], list[Series]] = {}
    for outcome in outcomes:
        for key, item in _by_profile(outcome, readings).items():
            came.setdefault(key, []).append(item)
    filled: list[dict[str, Any]] = []
    tried: list[dict[str, Any]] = []
    for row in connection.execute(select(gap).where(gap.c.device.in_({device for device, _ in since}))):
        key = row.device, row.profile
        if since.get(key, row.first) >= row.first:
            continue
        there = any(len(item.between(row.first, row.last)) for item in came.get(key, ()))
        (filled if there else tried).append({"of": row.device, "profile_": row.profile, "first_": row.first})
    if filled:
        connection.execute(_FILLED, filled)
    if tried:
        connection.execute(_TRIED, tried)


def _before(
    connection: Connection, outcomes: Sequence[Outcome], readings: Mapping[tuple[int, int], ProfileReading]
) -> list[dict[str, Any]]:
    """Return the gaps between the last row that was had before and the first one that came behind it now."""
    asked: dict[tuple[int, str], tuple[int, Series]] = {}
    for outcome in outcomes:
        for (device, profile), item in _by_profile(outcome, readings).items():
            if profile in outcome.since:
                asked[device, profile] = outcome.since[profile], item
    found: list[dict[str, Any]] = []
    if not asked:
        return found
    for row in connection.execute(select(progress).where(progress.c.device.in_({device for device, _ in asked}))):
        known = asked.get((row.device, row.profile))
        if known is None or known[0] != row.until:
            continue
        since, item = known
        reading = readings[item.device, item.channel]
        behind = int(item.times[0])
        if behind - since > _longest(reading.period):
            found += _gaps(Series.of(item.device, item.channel, [since, behind], [0, 0]), reading, [0])
    return found


def _by_profile(outcome: Outcome, readings: Mapping[tuple[int, int], ProfileReading]) -> dict[tuple[int, str], Series]:
    """Return one series for each profile: all of a profile have its times."""
    found = {}
    for item in outcome.series:
        reading = readings.get((item.device, item.channel))
        if reading is not None and len(item):
            found[item.device, str(reading.name)] = item
    return found


def _keeping_the_result() -> Insert:
    statement = upsert(result)
    fresh = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["run", "device"],
        set_={
            "reason": fresh.reason,
            "detail": fresh.detail,
            "tries": result.c.tries + 1,
            "values": result.c["values"] + fresh["values"],
            "finished": fresh.finished,
        },
    )


def _keeping_progress() -> Insert:
    statement = upsert(progress)
    until = statement.excluded.until
    return statement.on_conflict_do_update(
        index_elements=["device", "profile"], set_={"until": until}, where=progress.c.until < until
    )


def _keeping_the_latest() -> Insert:
    statement = upsert(latest)
    fresh = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["device", "channel"],
        set_={"time": fresh.time, "value": fresh.value},
        where=latest.c.time <= fresh.time,
    )


def _keeping_clocks() -> Insert:
    statement = upsert(clock_check)
    fresh = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["device"], set_={"at": fresh.at, "offset": fresh.offset, "set_at": fresh.set_at}
    )


_KEEPING: Final = {
    "result": _keeping_the_result(),
    "progress": _keeping_progress(),
    "latest": _keeping_the_latest(),
    "clock": _keeping_clocks(),
    "gap": upsert(gap).on_conflict_do_nothing(),
}


_THIS_GAP: Final = (
    gap.c.device == bindparam("of"),
    gap.c.profile == bindparam("profile_"),
    gap.c.first == bindparam("first_"),
)
_FILLED: Final = delete(gap).where(*_THIS_GAP)
_TRIED: Final = update(gap).where(*_THIS_GAP).values(tries=gap.c.tries + 1)


def _write(connection: Connection, rows: dict[str, list[dict[str, Any]]]) -> None:
    for name, statement in _KEEPING.items():
        insert_many(connection, statement, rows[name])


def keep_latest(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep the latest values of channels: device, channel, time, value. An older one takes no newer one's place."""
    insert_many(connection, _KEEPING["latest"], rows)
