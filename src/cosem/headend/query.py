"""Interval values of many devices at once, through DuckDB: files and what is staged, as one.

What is staged is newer than the files and counts before them. A value that is missing or useless is its estimate where
there is one. An interval belongs to the UTC day in which it ends; what ends at midnight ends the day before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
from sqlalchemy import Connection, select

from cosem.headend.database import one_view
from cosem.headend.intervals import DAY, MISSING, Intervals, series_of, table_of
from cosem.headend.quality import UNUSABLE
from cosem.headend.schema import interval_block

BATCH: Final = 1 << 16
_COLUMNS: Final = "device, channel, time, value, quality, estimate"
_FOUND: Final = """
CREATE TEMP VIEW found AS
SELECT * FROM filed ANTI JOIN (SELECT * FROM staged WHERE value <> getvariable('missing'))
    USING (device, channel, time)
UNION ALL SELECT * FROM staged WHERE value <> getvariable('missing')
UNION ALL SELECT * FROM (SELECT * FROM staged WHERE value = getvariable('missing'))
    ANTI JOIN filed USING (device, channel, time)
"""
"""A staged row without a value does not take the place of one with it."""
_VALUES: Final = """
SELECT device, channel, time, value, quality, estimate FROM found ORDER BY device, channel, time
"""
_TOTALS: Final = """
WITH used AS (
    SELECT device, channel, time, (time - 1) // 86400 AS day,
        CASE WHEN value <> getvariable('missing') AND quality & getvariable('unusable') = 0 THEN value
            WHEN estimate <> getvariable('missing') THEN estimate END AS v
    FROM found
),
daily AS (
    SELECT device, channel, day, count(*) AS n, sum(v) AS s, min(v) AS low, max(v) AS high,
        arg_max(v, time) AS last, arg_min(v, time) AS first
    FROM used WHERE v IS NOT NULL GROUP BY device, channel, day
),
grown AS (
    SELECT *, last - coalesce(lag(last) OVER (PARTITION BY device, channel ORDER BY day), first) AS grew FROM daily
)
SELECT channel, day, count(*), sum(n), sum(s), min(low), max(high), sum(grew)
FROM grown WHERE day BETWEEN ? AND ? GROUP BY channel, day ORDER BY channel, day
"""


@dataclass(frozen=True, slots=True)
class Total:
    """Values of one channel on one UTC day (days since 1970): of how many devices, how many, sum, lowest and highest.

    `growth` is what registers grew that day, of all devices: from the last value of the day before, or from the first
    of the day where there is none. All are whole numbers in the channel's scaler.
    """

    channel: int
    day: int
    devices: int
    values: int
    sum: int
    lowest: int
    highest: int
    growth: int


def totals(
    connection: Connection,
    intervals: Intervals,
    first: int,
    last: int,
    *,
    channels: Collection[int] | None = None,
    devices: Collection[int] | None = None,
) -> list[Total]:
    """Return the totals of whole UTC days, from the one `first` is in to the one before `last` (UTC seconds)."""
    days = (first // DAY, (last - 1) // DAY)
    # The day before too: registers grow from its last value.
    database = _found(connection, intervals, (days[0] - 1) * DAY + 1, (days[1] + 1) * DAY + 1, channels, devices)
    try:
        return [Total(*map(int, row)) for row in database.execute(_TOTALS, days).fetchall()]
    finally:
        database.close()


def values(
    connection: Connection,
    intervals: Intervals,
    first: int,
    last: int,
    *,
    channels: Collection[int] | None = None,
    devices: Collection[int] | None = None,
) -> Iterator[pa.RecordBatch]:
    """Yield the values at or after `first` and before `last`, by device, channel and time, as columns.

    The columns are those of the files; `MISSING` stands for no value and no estimate.
    """
    database = _found(connection, intervals, first, last, channels, devices)
    try:
        reader = database.sql(_VALUES).to_arrow_reader(BATCH)
        yield from reader
    finally:
        database.close()


def _found(
    connection: Connection,
    intervals: Intervals,
    first: int,
    last: int,
    channels: Collection[int] | None,
    devices: Collection[int] | None,
) -> Any:
    """Return a DuckDB connection with the values that are asked for as the view `found`."""
    import duckdb

    one_view(connection)
    paths = [str(path) for path in intervals.files(connection, first, last)]
    staged = _staged(connection, first, last)
    # Nothing is fetched from anywhere: what is needed is built in.
    database = duckdb.connect(
        ":memory:", config={"autoinstall_known_extensions": False, "autoload_known_extensions": False}
    )
    database.execute("SET VARIABLE missing = ?::BIGINT", (MISSING,))
    database.execute("SET VARIABLE unusable = ?::UTINYINT", (int(UNUSABLE),))
    conditions = [f"time >= {int(first)}", f"time < {int(last)}"]
    for name, numbers in (("channel", channels), ("device", devices)):
        if numbers is not None:
            database.register(f"wanted_{name}", pa.table({"number": pa.array(sorted(set(numbers)), pa.int32())}))
            conditions.append(f"{name} IN (FROM wanted_{name})")
    where = " AND ".join(conditions)
    database.from_arrow(staged).filter(where).project(_COLUMNS).create_view("staged")
    if paths:
        filed = database.read_parquet(paths, hive_partitioning=False).filter(where).project(_COLUMNS)
        filed.create_view("filed")
    database.execute(
        _FOUND if paths and staged.num_rows else f"CREATE TEMP VIEW found AS FROM {'filed' if paths else 'staged'}"
    )
    return database


def _staged(connection: Connection, first: int, last: int) -> pa.Table:
    query = select(interval_block).where(interval_block.c.day.between(first // DAY, (last - 1) // DAY))
    return table_of([series_of(row) for row in connection.execute(query)])
