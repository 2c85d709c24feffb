"""Estimates of what is missing, beside the originals: made when a run is over, gone with the value that comes later.

An interval that nobody sent has a row of its own then, marked missing, so that its estimate has a place. Its gap stays
what it is: it is asked for again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from sqlalchemy import Connection, select

from cosem.headend.intervals import MISSING, Intervals, Series
from cosem.headend.inventory import Inventory
from cosem.headend.reading import ProfileReading
from cosem.headend.schema import channel, gap, result
from cosem.headend.validation import Rules, estimate, regular

MOST: Final = 2_000
"""Gaps that are looked at behind one slice."""


def estimate_gaps(connection: Connection, intervals: Intervals, slice_: int, *, rules: Rules | None = None) -> int:
    """Put estimates into the gaps of the devices of a slice, in the caller's transaction; return how many values.

    Only what lies between two values is estimated: a gap at the end stays one until the next value comes.
    """
    mine = select(result.c.device).where(result.c.slice == slice_)
    rows = connection.execute(select(gap).where(gap.c.device.in_(mine)).limit(MOST)).all()
    if not rows:
        return 0
    inventory = Inventory(connection)
    devices = inventory.by_number({row.device for row in rows})
    readings = {(kind.name, str(reading.name)): reading for kind in inventory.types() for reading in kind.readings}
    waving = set(connection.execute(select(channel.c.id).where(channel.c.cumulative == 0)).scalars())
    found: list[Series] = []
    for row in rows:
        reading = readings.get((devices[row.device].type or "", row.profile))
        if reading is not None:
            found += _filled(connection, intervals, row.device, reading, row.first, row.last, waving, rules or Rules())
    return intervals.stage(connection, found) if found else 0


def _filled(
    connection: Connection,
    intervals: Intervals,
    device: int,
    reading: ProfileReading,
    first: int,
    last: int,
    waving: set[int],
    rules: Rules,
) -> list[Series]:
    found = []
    for number in reading.channels:
        if number is None:
            continue

        def history(begin: int, end: int, number: int = number) -> Series:
            return intervals.read(connection, device, number, begin, end)

        around = history(first - reading.period, last + 1)
        if not len(around):
            continue
        whole = regular(around, first - reading.period, last + 1, reading.period)
        told = estimate(whole, replace(rules, period=reading.period), cumulative=number not in waving, history=history)
        inside = told.between(first, last)
        if (inside.estimates != MISSING).any() and not _same(inside, around.between(first, last)):
            found.append(inside)
    return found


def _same(one: Series, other: Series) -> bool:
    return len(one) == len(other) and bool((one.estimates == other.estimates).all())
