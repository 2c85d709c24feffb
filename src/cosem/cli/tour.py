"""``cosem tour``: a guided minute. A meter is made and read with authenticated encryption; pushes are explained."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cosem.cli.output import DONE, heading
from cosem.cli.plot import plot

if TYPE_CHECKING:
    from cosem.client import Meter, ProfileTable

PRESENT = datetime(2026, 5, 31, 9, 40, tzinfo=UTC)
"""The simulated present: fixed, so that every tour shows the same meter."""
REGISTERS = (
    ("1-0:1.8.0", "energy imported"),
    ("1-0:1.8.1", "  tariff 1"),
    ("1-0:1.8.2", "  tariff 2"),
    ("1-0:2.8.0", "energy exported"),
    ("1-0:1.7.0", "power imported"),
    ("1-0:2.7.0", "power exported"),
    ("1-0:32.7.0", "voltage L1"),
    ("1-0:31.7.0", "current L1"),
    ("1-0:14.7.0", "frequency"),
    ("1-0:1.6.0", "maximum demand"),
)

PUSHES = ("aidon-norway", "kaifa-sweden", "kamstrup-denmark", "iskraemeco-am550", "kaifa-austria")
"""Layouts whose first telegram is shown."""


@click.command("tour")
def tour_command() -> int:
    """Make a meter with a month of life, read it with GMAC and encryption, explain pushes of five countries."""
    from cosem.client import DeviceKeys, connect
    from cosem.io.server import DeviceServer, serving
    from cosem.simulator.meter import DEMO_KEYS, simulated_meter

    heading("1  A three-phase electricity meter lives through a month, in virtual time")
    meter = simulated_meter(seed=7, end=PRESENT, days=31)
    captured = len(meter.load_profile.rows)
    click.echo(f"   serial {meter.settings.serial}, {captured} quarters captured, seed 7: the same octets every time\n")

    with (
        tempfile.TemporaryDirectory() as state,
        serving(DeviceServer(meter.device)) as ((host, port),),
        connect(
            f"tcp://{host}:{port}?client=1&auth=high-gmac&security=both",
            device=DeviceKeys("tour", DEMO_KEYS, system_title=meter.settings.system_title),
            counters=Path(state) / "counters.json",
        ) as client,
    ):
        heading(f"2  Read over TCP ({host}:{port}) with HLS GMAC and authenticated encryption")
        _registers(client)
        _profile(client)
    heading("4  What meters of five countries push, explained")
    _pushes()
    heading("Go on")
    click.echo("   cosem simulate meter            a meter of your own, on port 4059")
    click.echo("   cosem objects tcp://HOST:4059   what a meter holds")
    click.echo("   cosem decode HEX                any telegram, layer by layer")
    return DONE


def _registers(client: Meter) -> None:
    from cosem.classes import ExtendedRegister

    for code, words in REGISTERS:
        class_id = 4 if code == "1-0:1.6.0" else 3
        line = f"   {code:<12} {words:<18} {client.quantity(code, class_id)!s:>14}"
        if class_id == 4:
            line += f"   at {client[ExtendedRegister, code].capture_time.isoformat()[:16]}"
        click.echo(line)
    click.echo(f"   {'0-0:1.0.0':<12} {'clock':<18} {client.clock().isoformat():>14}")
    click.echo(f"   {len(client.objects())} objects in the association\n")


def _profile(client: Meter) -> None:
    day = PRESENT.date() - timedelta(days=3)
    start = datetime(day.year, day.month, day.day)
    table = client.profile("1-0:99.1.0").read(start, start + timedelta(days=1))
    heading(f"3  Load profile of {day}: {len(table) - 1} quarters, selected by the meter")
    _table(table)
    imported = _power(table, "1-0:1.8.0.255")
    exported = _power(table, "1-0:2.8.0.255")
    for title, values in (("imported", imported), ("exported", exported)):
        click.echo(f"\n   average power {title}")
        for line in plot(values, height=6, unit="W", labels=("00:00", "24:00")):
            click.echo(f"   {line}")
    click.echo("")


def _table(table: ProfileTable) -> None:
    """Show the first and last rows of the four columns people look at."""
    wanted = [0, 1, 2, 3]
    names = [table.columns[index].name.removesuffix(".255").replace(".255 ", " ") for index in wanted]
    click.echo("   " + "".join(f"{name:>22}" if index else f"{name:<27}" for index, name in enumerate(names)))
    rows = [table.text(row) for row in table.rows]
    for row in [*rows[:3], None, *rows[-2:]]:
        if row is None:
            click.echo("   ...")
            continue
        cells = [row[index] for index in wanted]
        click.echo("   " + "".join(f"{cell:>22}" if index else f"{cell:<27}" for index, cell in enumerate(cells)))


def _power(table: ProfileTable, name: str) -> list[float]:
    """Return average power per quarter, W, from an energy register's column, Wh."""
    index = next(i for i, column in enumerate(table.columns) if str(column.obis) == name)
    energies = [row[index] for row in table.rows]
    return [(later - earlier) * 4 for earlier, later in pairwise(energies)]


def _pushes() -> None:
    from cosem.explain import explain
    from cosem.explain.keyring import KeyEntry, Keyring
    from cosem.pushes.layout import layouts
    from cosem.simulator.meter import DEMO_KEYS

    keyring = Keyring((KeyEntry("tour", DEMO_KEYS),))
    by_name = {layout.key: layout for layout in layouts()}
    for layout in (by_name[name] for name in PUSHES):
        push = layout.telegrams[0]
        explanation = explain(push.octets, keyring=keyring)
        frame = explanation.frames[-1]
        layers = " > ".join(_layer_words(layer) for layer in frame.layers)
        click.echo(f"   {click.style(f'{layout.title}, {push.title}', bold=True)}: {len(push.octets)} octets")
        click.echo(f"     {layers}")
        for line in _highlights(frame.value):
            click.echo(f"     {line}")
    click.echo("")


def _layer_words(layer: Any) -> str:
    if layer.fields.get("verified"):
        return f"{layer.name} (verified)"
    return str(layer.name)


def _highlights(value: Any, most: int = 4) -> list[str]:
    """Return a few named values of a push, those with units first."""
    from cosem.pushes.readings import readings

    named = readings(value)
    measured = [reading for reading in named if reading.quantity is not None]
    chosen = (measured or [reading for reading in named if isinstance(reading.value.value, int)])[:most]
    lines = [str(reading) for reading in chosen]
    if len(named) > len(lines):
        lines.append(f"... {len(named)} values in all")
    return lines
