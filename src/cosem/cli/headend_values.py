"""``cosem headend export`` and ``totals``: values out of the head-end."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from cosem.cli.headend_office import Office, counted, folder_option, json_option, opened, seconds
from cosem.cli.output import DONE, note, print_json, print_table
from cosem.errors import ConfigError

if TYPE_CHECKING:
    from sqlalchemy import Connection

_selecting = [
    click.option("--device", "devices", multiple=True, help="Only this device; may be repeated."),
    click.option("--group", "groups", multiple=True, help="Only devices of this group; may be repeated."),
    click.option("--channel", "channels", multiple=True, metavar="OBIS", help="Only this channel; may be repeated."),
    click.option("--from", "start", metavar="T", required=True, help="From this time on; UTC without a zone."),
    click.option("--to", "end", metavar="T", help="Before this time; now without it."),
]


def _selected(command: Any) -> Any:
    for option in reversed(_selecting):
        command = option(command)
    return command


@click.command("export")
@click.option("--csv", "form", flag_value="csv", default=True, help="CSV (unless something else is said).")
@click.option("--jsonl", "form", flag_value="jsonl", help="One JSON object a line.")
@click.option("--parquet", "form", flag_value="parquet", help="Parquet; needs --output.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="A file instead of standard output.")
@_selected
@folder_option
def export_command(form: str, output: Path | None, folder: Path, **chosen: Any) -> int:
    """Write interval values, by device, channel and time: exact decimals, times in UTC, the quality of each.

    A value that is missing or useless has its estimate beside it, never in its place.
    """
    from cosem.headend.access import Act
    from cosem.headend.exports import channels_of, csv_lines, items, json_lines, names_of, write_parquet
    from cosem.headend.query import values

    if form == "parquet" and output is None:
        raise ConfigError("a Parquet file needs a name: --output FILE")
    with opened(folder, Act.SEE) as office, office.engine.connect() as connection:
        first, last, numbers, where = _asked(office, connection, **chosen)
        names, known = names_of(connection), channels_of(connection)
        batches = values(connection, office.intervals, first, last, channels=where, devices=numbers)
        if form == "parquet":
            assert output is not None
            count = write_parquet(output, batches, names, known)
            note(f"{counted(count, 'value')} in {output}")
            return DONE
        rows = items(batches, names, known)
        with _written(output) as stream:
            for text in csv_lines(rows) if form == "csv" else json_lines(rows):
                stream.write(text)
    return DONE


@contextmanager
def _written(output: Path | None) -> Iterator[TextIO]:
    if output is None:
        yield sys.stdout
        return
    with output.open("w", encoding="utf-8", newline="") as stream:
        yield stream


def _asked(
    office: Office,
    connection: Connection,
    devices: tuple[str, ...],
    groups: tuple[str, ...],
    channels: tuple[str, ...],
    start: str,
    end: str | None,
) -> tuple[int, int, list[int] | None, list[int] | None]:
    """Return times, and the numbers of devices and channels; None for all of them."""
    from cosem.headend.exports import channels_of
    from cosem.headend.inventory import Inventory

    first, last = seconds(start), office.now + 1 if end is None else seconds(end)
    if not first < last:
        raise ConfigError("--from is before --to")
    inventory = Inventory(connection)
    numbers: list[int] | None = None
    if devices or groups:
        numbers = [inventory.get(name).id for name in devices]
        for group in groups:
            after = 0
            while page := inventory.page(after=after, limit=1000, group=group):
                after = page[-1].id
                numbers += [row.id for row in page]
    where: list[int] | None = None
    if channels:
        known = {item.name: number for number, item in channels_of(connection).items()}
        where = [_number(name, known) for name in channels]
    return first, last, numbers, where


def _number(name: str, known: dict[str, int]) -> int:
    from cosem.errors import CosemError
    from cosem.obis import obis

    if name in known:
        return known[name]
    try:
        full = str(obis(name))
    except CosemError:
        full = name
    if full not in known:
        raise ConfigError(f"there is no channel {name!r}; there are: {', '.join(sorted(known)) or 'none yet'}")
    return known[full]


@click.command("totals")
@_selected
@folder_option
@json_option
def totals_command(folder: Path, as_json: bool, **chosen: Any) -> int:
    """Sum, lowest, highest and growth of each channel by UTC day, over all devices that are asked for.

    Growth is what the registers grew: from the last value of the day before. Estimates stand in for what is useless.
    """
    from cosem.headend.access import Act
    from cosem.headend.exports import channels_of, exact
    from cosem.headend.query import totals

    with opened(folder, Act.SEE) as office, office.engine.connect() as connection:
        first, last, numbers, where = _asked(office, connection, **chosen)
        known = channels_of(connection)
        found = totals(connection, office.intervals, first, last, channels=where, devices=numbers)
    rows = []
    for item in found:
        channel = known[item.channel]
        figures = {name: exact(getattr(item, name), channel.scaler) for name in ("sum", "lowest", "highest", "growth")}
        day = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=item.day)).date().isoformat()
        rows.append(
            {
                "channel": channel.name,
                "unit": channel.unit,
                "day": day,
                "devices": item.devices,
                "values": item.values,
                **figures,
            }
        )
    if as_json:
        print_json(rows)
        return DONE
    headings = ("channel", "unit", "day", "devices", "values", "sum", "lowest", "highest", "growth")
    print_table(headings, [[row[name] for name in headings] for row in rows], right=range(3, 9))
    return DONE
