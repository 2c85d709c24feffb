"""``cosem simulate neighbourhood``: be three concentrators, their meters and a gas station, with a control port."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import click

from cosem.cli.output import DONE, note, print_json, printable
from cosem.cli.values import NumberRange
from cosem.errors import ConfigError

_PORT = click.IntRange(0, 65535)


@click.command("neighbourhood")
@click.option("--meters", default=200, type=int, show_default=True, help="Electricity meters.")
@click.option("--power-line", default=40, type=int, show_default=True, help="How many of them are on the power line.")
@click.option("--utilities", default=150, type=int, show_default=True, help="Gas, water and heat meters on M-Bus.")
@click.option("--days", default=1.0, type=NumberRange(0, 400), show_default=True, help="Days it has lived before.")
@click.option("--seed", default=1, type=click.IntRange(0, 9_999), show_default=True, help="Same seed, same neighbours.")
@click.option("--at", "at", metavar="T", help="The present, ISO 8601; now without it.")
@click.option("--speed", default=1.0, type=NumberRange(1, 3600), show_default=True, help="Virtual seconds per second.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=0, type=click.IntRange(0, 65532), help="First of four ports, one a site; free ones without it."
)
@click.option("--control", default=0, type=_PORT, help="The control port, on loopback; a free one without it.")
@click.option("--push", metavar="HOST:PORT", help="Where alarms, installations and values are pushed to.")
@click.option("--calm", is_flag=True, help="Nothing happens by chance.")
@click.option(
    "--shipment", type=click.Path(path_type=Path, dir_okay=False), help="Write the factory's file of all devices."
)
@click.option(
    "--transport-key",
    "transport_key",
    type=click.Path(path_type=Path),
    help="File with the key that keys in the shipment are wrapped under, in hex; an example key without it.",
)
@click.option("--until-eof", is_flag=True, help="End when standard input ends, as it does with whoever started it.")
@click.option("--json", "as_json", is_flag=True, help="Say where it listens as one JSON document.")
def simulate_neighbourhood(**options: Any) -> int:
    """Be a neighbourhood until interrupted: whoever reads it finds meters that live, fail and are tampered with.

    Two multi-utility concentrators with electricity meters behind their gateways, a power line with its concentrator,
    and an industrial gas station, each at a port of its own. Last night a street had no power, some meters fell silent,
    and two were tampered with; it goes on by chance unless --calm. What anybody can do to it by hand is done by the
    control port: JSON, one request a line, such as {"do": "act", "where": "E-001", "words": "terminal cover opened"}.
    """
    from cosem.cli.models import present
    from cosem.simulator.neighbourhood.layout import NeighbourhoodSettings
    from cosem.simulator.neighbourhood.neighbourhood import Neighbourhood

    settings = NeighbourhoodSettings(
        options["meters"], options["utilities"], options["power_line"], options["days"], options["seed"]
    )
    key = _transport_key(options["transport_key"])
    end = int(present(options).timestamp())
    neighbourhood = Neighbourhood(settings, end, chance=not options["calm"], built=_progress())
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(neighbourhood, options, key))
    return DONE


def _progress() -> Any:
    """Return who tells of the building; where nobody looks, it is told by tenths."""
    told = -1

    def built(done: int, of: int) -> None:
        nonlocal told
        tenth = 10 * done // of
        text = f"the neighbourhood comes to life: {100 * done // of:3} %"
        if sys.stderr.isatty():
            click.echo(f"\r{text}", nl=done >= of, err=True)
        elif tenth > told:
            told = tenth
            note(text)

    return built


def _transport_key(path: Path | None) -> bytes:
    from cosem.security.keywrap import load_transport_key
    from cosem.simulator.neighbourhood.shipment import DEMO_TRANSPORT_KEY

    if path is None:
        return DEMO_TRANSPORT_KEY
    return load_transport_key(path.read_text("ascii", errors="replace"), str(path))


async def _serve(neighbourhood: Any, options: dict[str, Any], key: bytes) -> None:
    from cosem.simulator.neighbourhood.served import served
    from cosem.simulator.neighbourhood.shipment import shipment

    stop = asyncio.Event()
    if options["at"] is None:
        # Time went on while it came to life.
        neighbourhood.advance(max(neighbourhood.now, int(time.time())))
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if options["until_eof"]:
        await _end_with_input(stop)
    async with served(
        neighbourhood,
        host=options["host"],
        first_port=options["port"],
        control_port=options["control"],
        speed=options["speed"],
    ) as service:
        if options["push"] is not None:
            service.push_to(options["push"])
        if options["shipment"] is not None:
            _write(options["shipment"], shipment(neighbourhood, options["host"], service.ports, key))
        host, port = service.control
        if options["as_json"]:
            print_json({"control": f"{host}:{port}", "ports": service.ports, "devices": len(neighbourhood.units)})
        else:
            for name, at in service.ports.items():
                click.echo(f"  {name:<8} {options['host']}:{at}")
            click.echo(f"  {'control':<8} {host}:{port}")
            if options["shipment"] is not None:
                click.echo(printable(f"shipment of {len(neighbourhood.units)} devices: {options['shipment']}"))
            click.echo("interrupt (Ctrl-C) to stop")
        await stop.wait()


async def _end_with_input(stop: asyncio.Event) -> None:
    """Set `stop` when nobody holds the other end of standard input any more."""
    loop = asyncio.get_running_loop()

    class Input(asyncio.Protocol):
        def connection_lost(self, exc: Exception | None) -> None:
            stop.set()

    await loop.connect_read_pipe(Input, sys.stdin)


def _write(path: Path, document: dict[str, Any]) -> None:
    """Write a file that is whole or not there, for nobody else to read."""
    made = path.with_name(path.name + ".new")
    try:
        with open(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1)
        made.replace(path)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
