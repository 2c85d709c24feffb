"""``cosem profile``: a load profile or a log, as a table, CSV or JSON."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import click

from cosem.cli.meter import connected, meter_options
from cosem.cli.output import DONE, SAID_NO, note, print_json, print_table, printable
from cosem.cli.values import parse_time
from cosem.errors import ConfigError


@click.command("profile")
@click.argument("url")
@click.argument("code", metavar="OBIS")
@click.option("--from", "start", metavar="T", help="First time, ISO 8601; without zone the meter's local time.")
@click.option("--to", "end", metavar="T", help="Last time, included.")
@click.option("--column", "columns", multiple=True, metavar="OBIS", help="Only this column (again for more).")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--parquet", type=click.Path(path_type=Path), help="Write a Parquet file (needs cosem[parquet]).")
@meter_options
def profile_command(
    url: str,
    code: str,
    start: str | None,
    end: str | None,
    columns: tuple[str, ...],
    as_csv: bool,
    as_json: bool,
    parquet: Path | None,
    **options: Any,
) -> int:
    """Read a profile. If the link dies half-way, what had arrived is printed, and where to go on."""
    from cosem.client import ProfileInterrupted
    from cosem.obis import Obis

    if sum((as_csv, as_json, parquet is not None)) > 1:
        raise ConfigError("--csv, --json and --parquet exclude each other")
    if parquet is not None:
        from cosem.client.arrow import need_arrow

        need_arrow()
        if parquet.is_dir() or not parquet.absolute().parent.is_dir():
            # Before a profile is read for an hour, not behind it.
            raise ConfigError(f"{parquet} cannot be written: name a file in a folder that exists")
    name = Obis.parse(code)
    first = None if start is None else parse_time(start)
    last = None if end is None else parse_time(end)
    if first is not None and last is not None and (first.tzinfo is None) == (last.tzinfo is None) and first > last:
        raise ConfigError(f"--from {start} is later than --to {end}")
    wanted = [Obis.parse(column) for column in columns]
    status = DONE
    stopped: dict[str, Any] = {}
    with connected(url, **options) as meter:
        try:
            table = meter.profile(name).read(first, last, columns=wanted)
        except ProfileInterrupted as interrupted:
            table = interrupted.table
            status = SAID_NO
            note(f"cosem: {interrupted}")
            stopped = {"what": str(interrupted), "kind": type(interrupted).__name__}
            if interrupted.resume_from is not None:
                stopped["resume_from"] = interrupted.resume_from.isoformat()
                note(f"go on with --from {stopped['resume_from']}")
    headings = [column.name for column in table.columns]
    if parquet is not None:
        from cosem.client.arrow import write_parquet

        write_parquet(table, parquet)
        note(f"{len(table)} rows of {len(table.columns)} columns are in {parquet}")
    elif as_json:
        print_json(_document(table) | ({"error": stopped} if stopped else {}))
    elif as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(headings)
        writer.writerows(map(printable, table.text(row)) for row in table.rows)
    else:
        numbers = [index for index, column in enumerate(table.columns) if not column.is_time and not _coded(column)]
        kinds = [_coded(column) for column in table.columns]
        print_table(headings, (_in_words(table, row, kinds) for row in table.rows), right=numbers)
    return status


def _document(table: Any) -> dict[str, Any]:
    columns = [
        {
            "class": column.capture.class_id,
            "obis": str(column.obis),
            "attribute": column.capture.attribute_index,
            "data_index": column.capture.data_index,
            "scaler": None if column.scaler_unit is None else column.scaler_unit.scaler,
            "unit": None if column.scaler_unit is None else int(column.scaler_unit.unit),
            "unit_symbol": None if column.scaler_unit is None else column.scaler_unit.unit.symbol,
        }
        | ({} if (kind := _coded(column)) is None else _meaning(kind))
        for column in table.columns
    ]
    return {
        "columns": columns,
        "capture_period": table.capture_period,
        "rows": [[_plain(item) for item in table.quantities(row)] for row in table.rows],
    }


def _coded(column: Any) -> Any:
    """Return the type of a column of codes or bits, None for numbers."""
    from cosem.classes.words import coded_type

    capture = column.capture
    return None if capture.data_index else coded_type(capture.class_id, capture.logical_name, capture.attribute_index)


def _in_words(table: Any, row: Any, kinds: list[Any]) -> list[str]:
    from cosem.classes.words import coded

    cells: list[str] = table.text(row)
    for index, kind in enumerate(kinds):
        if kind is not None and type(row[index]) is int and 0 <= row[index] <= 0xFF:
            cells[index] = coded(kind.members(row[index]))
    return cells


def _meaning(kind: Any) -> dict[str, Any]:
    """Return what the numbers of a column mean, beside them."""
    from cosem.classes.description import bits_of, enumerations_of

    codes, bits = enumerations_of(kind).get(""), bits_of(kind).get("")
    return ({"codes": codes} if codes else {}) | ({"bits": bits} if bits else {})


def _plain(value: Any) -> Any:
    from cosem.times import CosemDateTime
    from cosem.units import Quantity

    if isinstance(value, Quantity):
        return str(value.value)
    if isinstance(value, CosemDateTime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return str(value)
    return value if isinstance(value, (int, float, str, bool, type(None))) else str(value)
