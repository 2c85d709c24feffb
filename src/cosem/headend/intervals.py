"""Interval values: acknowledged in the database, kept as columns in files, read from both as one.

A value is acknowledged by the transaction that stages its block. Files are written beside, made durable, and come to
count by the transaction that lists them and takes their blocks away: killed at any instant, nothing acknowledged is
lost and nothing is there twice. A file holds one UTC day (or a month, where days are small) of one shard of devices,
sorted, so that a column of slowly growing numbers takes about an octet a value.

The original and the estimate of an interval stand side by side: an estimate never overwrites what a meter said.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Connection, and_, delete, insert, select
from sqlalchemy.dialects.sqlite import Insert
from sqlalchemy.dialects.sqlite import insert as upsert

from cosem.errors import ConfigError
from cosem.headend.database import insert_many
from cosem.headend.quality import Quality
from cosem.headend.schema import interval_block, interval_file

DAY: Final = 86_400
MISSING: Final = np.iinfo(np.int64).min
"""What stands for "no value": no register has that."""
SHARDS: Final = 8
SCHEMA: Final = pa.schema(
    [
        ("device", pa.int32()),
        ("channel", pa.int16()),
        ("time", pa.int32()),
        ("value", pa.int64()),
        ("quality", pa.uint8()),
        ("estimate", pa.int64()),
    ]
)
_ENCODING: Final = dict.fromkeys(("device", "time", "value", "estimate"), "DELTA_BINARY_PACKED")
"""Sorted by device, channel and time every column but the value is nearly free; of the value this encoding took 1.66
octets where byte stream split took 1.85 (registers that grow by up to 400 a quarter of an hour)."""


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Interval values of one device and channel, by ascending time (UTC seconds, the end of the interval).

    `values` and `estimates` are whole numbers in the channel's scaler, `MISSING` where there is none; `quality` has
    the codes of `validation`. All four have one length. `of` makes one of times in any order. Raises `ConfigError` for
    arrays that do not fit together.
    """

    device: int
    channel: int
    times: np.ndarray[Any, Any]
    values: np.ndarray[Any, Any]
    quality: np.ndarray[Any, Any]
    estimates: np.ndarray[Any, Any]

    def __post_init__(self) -> None:
        count = len(self.times)
        if not len(self.values) == len(self.quality) == len(self.estimates) == count:
            raise ConfigError("times, values, quality and estimates of a series differ in length")

    @classmethod
    def of(
        cls,
        device: int,
        channel: int,
        times: Sequence[int] | np.ndarray[Any, Any],
        values: Sequence[int] | np.ndarray[Any, Any],
        quality: np.ndarray[Any, Any] | int = 0,
        estimates: np.ndarray[Any, Any] | None = None,
    ) -> Series:
        """Return a series of any order of times; of two values of one time the later one in the sequence counts."""
        at = np.asarray(times, dtype=np.int64)
        given = np.asarray(values, dtype=np.int64)
        codes = np.broadcast_to(np.asarray(quality, dtype=np.uint8), at.shape)
        beside = np.full(at.shape, MISSING, dtype=np.int64) if estimates is None else np.asarray(estimates, np.int64)
        if ascending(at):
            return cls(device, channel, at, given, codes, beside)
        order = np.argsort(at, kind="stable")
        at = at[order]
        last = np.append(at[1:] != at[:-1], True)
        order = order[last]
        return cls(device, channel, at[last], given[order], codes[order], beside[order])

    def __len__(self) -> int:
        return len(self.times)

    def between(self, first: int, last: int) -> Series:
        """Return what lies at or after `first` and before `last`."""
        if not len(self) or (self.times[0] >= first and self.times[-1] < last):
            return self
        low, high = np.searchsorted(self.times, (first, last))
        return self.part(int(low), int(high))

    def part(self, low: int, high: int) -> Series:
        """Return the values of the positions from `low` to before `high`."""
        at = slice(low, high)
        return Series(self.device, self.channel, self.times[at], self.values[at], self.quality[at], self.estimates[at])

    def over(self, older: Series) -> Series:
        """Return both as one: where both have a time this one counts, but a missing value leaves the older one."""
        columns = (
            np.concatenate((older.times, self.times)),
            np.concatenate((older.values, self.values)),
            np.concatenate((older.quality, self.quality)),
            np.concatenate((older.estimates, self.estimates)),
        )
        if not len(older) or not len(self) or older.times[-1] < self.times[0]:
            return Series(self.device, self.channel, *columns)
        merged = Series.of(self.device, self.channel, *columns)
        at = np.searchsorted(merged.times, older.times)
        lost = (merged.values[at] == MISSING) & (older.values != MISSING)
        if lost.any():
            merged.values[at[lost]] = older.values[lost]
            # What is news of its quality holds, but for that it is missing.
            merged.quality[at[lost]] &= ~np.uint8(Quality.MISSING)
        return merged


def ascending(times: np.ndarray[Any, Any]) -> bool:
    """Whether times come in order, none twice."""
    return bool((times[1:] > times[:-1]).all())


@dataclass(frozen=True, slots=True)
class Size:
    """How much the files hold."""

    files: int
    values: int
    octets: int


class Intervals:
    """The interval values below one folder. Every method takes the database's connection of the caller's transaction.

    `shards` divides the devices of a day among files. It is fixed for a folder: changing it makes no value unfindable,
    but days already written are not divided anew.
    """

    def __init__(self, folder: Path, *, shards: int = SHARDS) -> None:
        self.folder = folder
        self.shards = shards
        folder.mkdir(parents=True, exist_ok=True)

    # --- taking --------------------------------------------------------------------------------------------

    def stage(self, connection: Connection, series: Iterable[Series]) -> int:
        """Take values; they are acknowledged once the caller's transaction is. Return how many were new or changed."""
        rows: dict[tuple[int, int, int], Series] = {}
        for item in series:
            for day, part in _days(item):
                key = (item.device, item.channel, day)
                rows[key] = part.over(rows[key]) if key in rows else part
        if not rows:
            return 0
        changed = 0
        for key, old in self._staged(connection, rows).items():
            rows[key] = rows[key].over(old)
        for part in rows.values():
            changed += len(part)
        insert_many(connection, _STAGING, [_row(key, part) for key, part in rows.items()])
        return changed

    def _staged(
        self, connection: Connection, keys: Iterable[tuple[int, int, int]]
    ) -> dict[tuple[int, int, int], Series]:
        """Return the staged blocks of some keys."""
        wanted = set(keys)
        days = {day for _, _, day in wanted}
        devices = sorted({device for device, _, _ in wanted})
        found = {}
        for start in range(0, len(devices), 500):
            query = select(interval_block).where(
                interval_block.c.device.in_(devices[start : start + 500]),
                interval_block.c.day.between(min(days), max(days)),
            )
            for row in connection.execute(query):
                key = (row.device, row.channel, row.day)
                if key in wanted:
                    found[key] = series_of(row)
        return found

    # --- reading -------------------------------------------------------------------------------------------

    def read(self, connection: Connection, device: int, channel: int, first: int, last: int) -> Series:
        """Return the values of one device and channel at or after `first` and before `last`."""
        columns = self._from_files(connection, first, last, device, channel)
        stored = Series.of(device, channel, *columns) if columns is not None else _empty(device, channel)
        query = select(interval_block).where(
            interval_block.c.device == device,
            interval_block.c.channel == channel,
            interval_block.c.day.between(first // DAY, (last - 1) // DAY),
        )
        for row in connection.execute(query.order_by(interval_block.c.day)):
            stored = series_of(row).over(stored)
        return stored.between(first, last)

    def _from_files(
        self, connection: Connection, first: int, last: int, device: int, channel: int
    ) -> tuple[np.ndarray[Any, Any], ...] | None:
        paths = self.files(connection, first, last, device % self.shards)
        if not paths:
            return None
        wanted = [("device", "=", device), ("channel", "=", channel), ("time", ">=", first), ("time", "<", last)]
        names = ["time", "value", "quality", "estimate"]
        tables = [
            pq.read_table(path, columns=names, filters=wanted, partitioning=None, memory_map=True) for path in paths
        ]
        table = pa.concat_tables(tables)
        return tuple(table[name].to_numpy() for name in names)

    def files(self, connection: Connection, first: int, last: int, shard: int | None = None) -> list[Path]:
        """Return the files that hold something at or after `first` and before `last`."""
        query = select(interval_file.c.path).where(
            and_(interval_file.c.first_day <= (last - 1) // DAY, interval_file.c.last_day >= first // DAY)
        )
        if shard is not None:
            query = query.where(interval_file.c.shard == shard)
        return [self.folder / path for (path,) in connection.execute(query.order_by(interval_file.c.first_day))]

    # --- keeping -------------------------------------------------------------------------------------------

    def write(self, connection: Connection, *, before: int | None = None) -> int:
        """Move staged blocks (of days before `before`, a UTC time) into files; return how many values were moved.

        The caller's transaction makes it count. An older file of a day is written anew with what came late.
        """
        query = select(interval_block.c.day, interval_block.c.device).distinct()
        if before is not None:
            query = query.where(interval_block.c.day < before // DAY)
        groups = sorted({(day, device % self.shards) for day, device in connection.execute(query)})
        moved = 0
        for day, shard in groups:
            moved += self._write_day(connection, day, shard)
        return moved

    def _write_day(self, connection: Connection, day: int, shard: int) -> int:
        place = and_(interval_block.c.day == day, interval_block.c.device % self.shards == shard)
        fresh = {
            (row.device, row.channel): series_of(row) for row in connection.execute(select(interval_block).where(place))
        }
        older = connection.execute(
            select(interval_file).where(
                interval_file.c.shard == shard, interval_file.c.first_day <= day, interval_file.c.last_day >= day
            )
        ).all()
        first, last = day, day
        merged = dict(fresh)
        for row in older:
            first, last = min(first, row.first_day), max(last, row.last_day)
            for key, series in _by_series(pq.read_table(self.folder / row.path, partitioning=None)):
                merged[key] = merged[key].over(series) if key in merged else series
        self._replace(connection, [row.path for row in older], first, last, shard, merged)
        connection.execute(delete(interval_block).where(place))
        return sum(len(item) for item in fresh.values())

    def compact(self, connection: Connection, *, before: int, largest: int = 64 << 20) -> int:
        """Join the days of each month that ended before `before` (UTC time) into one file a shard; return the months.

        Months that would be larger than `largest` octets stay days: a query reads no more files for them.
        """
        groups: dict[tuple[str, int], list[Any]] = {}
        for row in connection.execute(select(interval_file)):
            month = _month(row.first_day)
            if month == _month(row.last_day) and month < _month(before // DAY):
                groups.setdefault((month, row.shard), []).append(row)
        joined = 0
        for (_, shard), rows in sorted(groups.items()):
            if len(rows) < 2 or sum(row.octets for row in rows) > largest:
                continue
            merged: dict[tuple[int, int], Series] = {}
            for row in sorted(rows, key=lambda item: int(item.first_day)):
                for key, series in _by_series(pq.read_table(self.folder / row.path, partitioning=None)):
                    merged[key] = series.over(merged[key]) if key in merged else series
            first, last = min(row.first_day for row in rows), max(row.last_day for row in rows)
            self._replace(connection, [row.path for row in rows], first, last, shard, merged)
            joined += 1
        return joined

    def _replace(
        self,
        connection: Connection,
        old: Sequence[str],
        first: int,
        last: int,
        shard: int,
        merged: dict[tuple[int, int], Series],
    ) -> None:
        """Write one file, and list it instead of others."""
        table = table_of([merged[key] for key in sorted(merged)])
        partition = f"day={_date(first)}" if first == last else f"month={_month(first)}"
        path = f"{partition}/{shard:02}-{os.urandom(6).hex()}.parquet"
        octets = _write_file(self.folder / path, table)
        connection.execute(delete(interval_file).where(interval_file.c.path.in_(old)))
        connection.execute(
            insert(interval_file),
            {
                "path": path,
                "first_day": first,
                "last_day": last,
                "shard": shard,
                "count": table.num_rows,
                "octets": octets,
            },
        )

    def sweep(self, connection: Connection) -> int:
        """Remove files that do not count: of a write that was killed, or replaced. Call with no write under way."""
        listed = {self.folder / path for (path,) in connection.execute(select(interval_file.c.path))}
        removed = 0
        for path in self.folder.glob("*/*"):
            if path not in listed:
                path.unlink()
                removed += 1
        return removed

    def size(self, connection: Connection) -> Size:
        """Return how much the files hold."""
        rows = connection.execute(select(interval_file.c.count, interval_file.c.octets)).all()
        return Size(len(rows), sum(int(values) for values, _ in rows), sum(int(octets) for _, octets in rows))


def table_of(series: Sequence[Series]) -> pa.Table:
    """Return series one behind the other, as the columns of a file."""
    if not series:
        return SCHEMA.empty_table()
    counts = [len(item) for item in series]
    return pa.table(
        {
            "device": np.repeat([item.device for item in series], counts).astype(np.int32),
            "channel": np.repeat([item.channel for item in series], counts).astype(np.int16),
            "time": np.concatenate([item.times for item in series]).astype(np.int32),
            "value": np.concatenate([item.values for item in series]),
            "quality": np.concatenate([item.quality for item in series]),
            "estimate": np.concatenate([item.estimates for item in series]),
        },
        schema=SCHEMA,
    )


def _write_file(path: Path, table: pa.Table) -> int:
    """Write a file so that it is whole or not there, also after a loss of power; return its size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".tmp")
    pq.write_table(
        table,
        unfinished,
        compression="zstd",
        use_dictionary=["quality"],
        column_encoding=_ENCODING,
        row_group_size=1 << 16,
    )
    with unfinished.open("rb+") as stream:
        os.fsync(stream.fileno())
    unfinished.replace(path)
    for folder in (path.parent, path.parent.parent):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    return path.stat().st_size


def _staging() -> Insert:
    statement = upsert(interval_block)
    return statement.on_conflict_do_update(
        index_elements=["device", "channel", "day"],
        set_={name: statement.excluded[name] for name in ("times", "values", "quality", "estimates")},
    )


_STAGING: Final = _staging()


def _days(series: Series) -> Iterator[tuple[int, Series]]:
    """Cut a series at UTC midnights."""
    if not len(series):
        return
    first, last = int(series.times[0]) // DAY, int(series.times[-1]) // DAY
    if first == last:
        yield first, series
        return
    edges = np.searchsorted(series.times, np.arange(first, last + 2) * DAY).tolist()
    for day, (low, high) in enumerate(pairwise(edges), first):
        if low < high:
            yield day, series.part(low, high)


def _row(key: tuple[int, int, int], part: Series) -> dict[str, Any]:
    device, channel, day = key
    return {
        "device": device,
        "channel": channel,
        "day": day,
        "times": (part.times - day * DAY).astype("<i4").tobytes(),
        "values": part.values.astype("<i8", copy=False).tobytes(),
        "quality": part.quality.astype(np.uint8, copy=False).tobytes(),
        "estimates": b"" if bool((part.estimates == MISSING).all()) else part.estimates.astype("<i8").tobytes(),
    }


def series_of(row: Any) -> Series:
    """Return the series of a staged block."""
    times = np.frombuffer(row.times, "<i4").astype(np.int64) + row.day * DAY
    estimates = np.frombuffer(row.estimates, "<i8") if row.estimates else np.full(len(times), MISSING, np.int64)
    return Series(
        row.device,
        row.channel,
        times,
        np.frombuffer(row._mapping["values"], "<i8"),
        np.frombuffer(row.quality, np.uint8),
        estimates,
    )


def _empty(device: int, channel: int) -> Series:
    nothing = np.zeros(0, np.int64)
    return Series(device, channel, nothing, nothing, np.zeros(0, np.uint8), nothing)


def _by_series(table: pa.Table) -> Iterator[tuple[tuple[int, int], Series]]:
    """Cut a sorted file into its series."""
    device, channel = table["device"].to_numpy(), table["channel"].to_numpy()
    if not len(device):
        return
    edges = np.flatnonzero((np.diff(device) != 0) | (np.diff(channel) != 0)) + 1
    bounds = [0, *edges.tolist(), len(device)]
    columns = [table[name].to_numpy() for name in ("time", "value", "quality", "estimate")]
    for low, high in pairwise(bounds):
        key = (int(device[low]), int(channel[low]))
        times, values, quality, estimates = (column[low:high] for column in columns)
        yield key, Series(*key, times.astype(np.int64), values, quality, estimates)


def _date(day: int) -> str:
    return str(np.datetime64(day, "D"))


def _month(day: int) -> str:
    return str(np.datetime64(day, "D").astype("datetime64[M]"))
