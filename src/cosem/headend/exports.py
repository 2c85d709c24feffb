"""Values out of the head-end as CSV, JSON lines and Parquet, streamed: nobody has to hold a year in memory."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlalchemy import Connection, select

from cosem.headend.intervals import MISSING
from cosem.headend.schema import channel, device

HEADINGS: Final = ("device", "channel", "unit", "time", "value", "quality", "estimate")


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """A channel as it is named outside."""

    name: str
    unit: str
    scaler: int


def channels_of(connection: Connection) -> dict[int, ChannelRow]:
    """Return the channels by their numbers."""
    rows = connection.execute(select(channel))
    return {row.id: ChannelRow(row.name, row.unit, row.scaler) for row in rows}


def names_of(connection: Connection) -> dict[int, str]:
    """Return the names of the devices by their numbers."""
    return {row.id: row.name for row in connection.execute(select(device.c.id, device.c.name))}


def exact(value: int, scaler: int) -> str:
    """Return a whole number of 10**scaler units as an exact decimal."""
    return str(Decimal(value).scaleb(scaler)) if scaler < 0 else str(value * 10**scaler)


def items(
    batches: Iterable[pa.RecordBatch], names: Mapping[int, str], channels: Mapping[int, ChannelRow]
) -> Iterator[dict[str, Any]]:
    """Yield values as people and other programs read them: exact decimals as text, times in UTC."""
    for batch in batches:
        columns = [batch.column(name).to_pylist() for name in batch.schema.names]
        for number, where, at, value, quality, estimate in zip(*columns, strict=True):
            known = channels[where]
            yield {
                "device": names[number],
                "channel": known.name,
                "unit": known.unit,
                "time": datetime.fromtimestamp(at, UTC).isoformat(),
                "value": None if value == MISSING else exact(value, known.scaler),
                "quality": quality,
                "estimate": None if estimate == MISSING else exact(estimate, known.scaler),
            }


def csv_lines(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield CSV with its headings, many lines at once."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, HEADINGS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(row)
        if buffer.tell() > 1 << 16:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def json_lines(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield one JSON object a line."""
    for row in rows:
        yield json.dumps(row) + "\n"


def write_parquet(
    path: Path, batches: Iterable[pa.RecordBatch], names: Mapping[int, str], channels: Mapping[int, ChannelRow]
) -> int:
    """Write a Parquet file; return how many values. `value` and `estimate` are whole numbers of 10**scaler units."""
    schema = pa.schema(
        [
            ("device", pa.dictionary(pa.int32(), pa.string())),
            ("channel", pa.dictionary(pa.int32(), pa.string())),
            ("unit", pa.dictionary(pa.int32(), pa.string())),
            ("scaler", pa.int8()),
            ("time", pa.timestamp("s", "UTC")),
            ("value", pa.int64()),
            ("quality", pa.uint8()),
            ("estimate", pa.int64()),
        ]
    )
    count = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(_shown(batch, names, channels, schema))
            count += batch.num_rows
    return count


def _shown(
    batch: pa.RecordBatch, names: Mapping[int, str], channels: Mapping[int, ChannelRow], schema: pa.Schema
) -> pa.RecordBatch:
    number, where = batch.column("device"), batch.column("channel")
    devices = _looked_up(number, names)
    return pa.record_batch(
        [
            devices,
            _looked_up(where, {key: item.name for key, item in channels.items()}),
            _looked_up(where, {key: item.unit for key, item in channels.items()}),
            pa.array([channels[key].scaler for key in where.to_pylist()], pa.int8()),
            batch.column("time").cast(pa.int64()).cast(pa.timestamp("s", "UTC")),
            _known(batch.column("value")),
            batch.column("quality"),
            _known(batch.column("estimate")),
        ],
        schema=schema,
    )


def _looked_up(numbers: pa.Array, words: Mapping[int, str]) -> pa.DictionaryArray:
    encoded = numbers.dictionary_encode()
    texts = pa.array([words[number] for number in encoded.dictionary.to_pylist()], pa.string())
    # Two numbers may have one word (units): the texts are made a dictionary again.
    return texts.take(encoded.indices).dictionary_encode()


def _known(column: pa.Array) -> pa.Array:
    return pc.if_else(pc.equal(column, MISSING), pa.scalar(None, pa.int64()), column)
