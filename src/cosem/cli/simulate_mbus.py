"""``cosem simulate mbus``: a bus with utility meters behind a converter, or what a radio receiver hears of them."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING, Any

import click

from cosem.cli.living import tick
from cosem.cli.mbus_listen import known_models, models_option
from cosem.cli.models import present
from cosem.cli.output import DONE, note, print_json, print_table
from cosem.cli.values import NumberRange
from cosem.errors import ConfigError, DecodeError

if TYPE_CHECKING:
    from cosem.device.utility.wired import UtilityStation
    from cosem.simulator.mbus_air import Air

LOOK = 0.1
"""Seconds between looks at what was sent by radio meanwhile."""
HOUR = 3600
FRAME = 1.0
"""No frame lasts longer (seconds): what is sent in the last one may still meet others."""
QUICK = "timeout=0.2&latency=0.05"
"""Simulated meters answer at once, and nobody wants to wait for those that are not there."""
CHANCE = 21
"""Channel of noise."""
STICK = frozenset(("S1", "T1", "C1"))
"""What a stick with rtl-wmbus hears."""


@click.command("mbus")
@click.option("--meters", metavar="LIST", help="Models, and how many of each: gas-wired,heat-wired:3.")
@click.option("--radio", is_flag=True, help="Print what a stick hears of radio meters, in the lines of rtl-wmbus.")
@click.option("--hours", type=NumberRange(0, 100_000), help="With --radio: so many virtual hours, at once.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=4001, type=click.IntRange(0, 65535), show_default=True, help="TCP port; 0: a free one.")
@click.option("--pty", is_flag=True, help="Make a pseudo-terminal instead of listening on a TCP port.")
@click.option("--baud", default=2400, type=int, show_default=True, help="Speed of the bus.")
@click.option("--echo", is_flag=True, help="Give back what the master sends, as some converters do.")
@click.option(
    "--noise",
    default=0.0,
    type=NumberRange(0, 1),
    show_default=True,
    help="Share of transmissions that are altered.",
)
@click.option(
    "--seed",
    default=1,
    type=click.IntRange(0, 9_999),
    show_default=True,
    help="The same seed gives the same meters.",
)
@click.option(
    "--at", "at", metavar="T", help="The meters' present, ISO 8601, UTC where no zone is said; now without it."
)
@click.option("--speed", default=1.0, type=NumberRange(0, 1e6), show_default=True, help="Virtual seconds per second.")
@click.option(
    "--days",
    default=62,
    type=click.IntRange(0, 3660),
    show_default=True,
    help="Days the meters have counted before.",
)
@click.option("--key", "key_hex", metavar="HEX", help="Key of all meters; without it they speak in clear.")
@models_option
@click.option("--json", "as_json", is_flag=True, help="Say where the bus is as one JSON document.")
def simulate_mbus(**options: Any) -> int:
    """Be a wired M-Bus with gas, water and heat meters behind a transparent converter, or the radio of such meters.

    \b
    cosem simulate mbus --meters gas-wired,heat-wired:3
    cosem simulate mbus --radio --hours 24 | cosem mbus listen --json
    """
    from cosem.cli.mbus_decode import key_from_hex
    from cosem.mbus.link_fields import BAUD_CI
    from cosem.simulator.mbus_house import RADIO, WIRED, speakers, wanted

    radio = options["radio"]
    if options["hours"] is not None and not radio:
        raise ConfigError("--hours belongs to --radio")
    if options["baud"] not in BAUD_CI:
        raise ConfigError(f"a bus has {', '.join(map(str, BAUD_CI))} Bd, not {options['baud']}")
    key = None if options["key_hex"] is None else key_from_hex(options["key_hex"])
    meters = wanted(options["meters"] or (RADIO if radio else WIRED), known_models(options["model_folder"]))
    for model, _ in meters:
        if (model.radio if radio else model.wired) is None:
            raise ConfigError(f"model {model.name} does not {'send by radio' if radio else 'answer on the wire'}")
    now = int(present(options).timestamp())
    voices = list(speakers(meters, seed=options["seed"], now=now, days=options["days"], key=key))
    with contextlib.suppress(KeyboardInterrupt):
        if radio:
            _send_by_radio(voices, now, options)
        else:
            asyncio.run(_serve(voices, now, options))
    return DONE


# --- by radio --------------------------------------------------------------------------------------------------------


def _send_by_radio(voices: list[Any], now: int, options: dict[str, Any]) -> None:
    from cosem.simulator.mbus_air import Air, AirQuality, AirReceiver
    from cosem.simulator.mbus_house import senders

    noise = options["noise"]
    receiver = AirReceiver("stick", STICK, distance=8.0)
    air = Air(senders(voices, seed=options["seed"]), [receiver], AirQuality(noise, noise), options["seed"])
    if options["hours"] is not None:
        _print_heard(air, now + options["hours"] * HOUR)
        return
    begun = time.monotonic()
    note(f"{len(voices)} meters send; interrupt (Ctrl-C) to stop")
    while True:
        _print_heard(air, now + (time.monotonic() - begun) * options["speed"] - FRAME)
        time.sleep(LOOK)


def _print_heard(air: Air, until: float) -> None:
    """Print what was heard up to a moment. A stick tells frames with a wrong CRC, and nobody takes them: left out."""
    from cosem.mbus.relays import format_rtl_wmbus
    from cosem.mbus.wireless import decode_frame

    for heard in air.run(until):
        try:
            frame = decode_frame(heard.octets, heard.form)
        except DecodeError:
            continue
        # As the stick's program writes it: the local time of its machine.
        local = datetime.fromtimestamp(heard.at)
        line = format_rtl_wmbus(frame.stripped, heard.transmission, local, heard.rssi, frame.address.number)
        sys.stdout.write(line)
    sys.stdout.flush()


# --- on the wire -----------------------------------------------------------------------------------------------------


async def _serve(voices: list[Any], now: int, options: dict[str, Any]) -> None:
    from cosem.device.load import noise as chance
    from cosem.io.mbus_server import BusServer
    from cosem.link.line import Line, LineSettings
    from cosem.mbus.link_fields import STANDARD_LINE
    from cosem.simulator.mbus_bus import BusQuality, SimulatedBus
    from cosem.simulator.mbus_house import House, stations
    from cosem.simulator.pace import Pace

    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    baud, noise = options["baud"], options["noise"]
    slaves = stations(voices, seed=options["seed"], baud=baud)
    house = House(voices, now)
    if options["at"] is None:
        # Their past took a while to live.
        house.advance(int(time.time()))
    live = Pace(house, options["speed"], loop.time).live
    numbers = count()
    bus = SimulatedBus(
        slaves,
        line=Line(LineSettings(baud, parity="E")),
        random=lambda: chance(options["seed"], next(numbers), CHANCE),
        quality=BusQuality(noise, noise / 10),
        echo=options["echo"],
    )
    server = BusServer(bus, before=live)
    ticking = loop.create_task(tick(live))
    try:
        if options["pty"]:
            url = f"mbus+serial://{await server.open()}"
        else:
            host, port = await server.start(options["host"], options["port"])
            url = f"mbus+tcp://{f'[{host}]' if ':' in host else host}:{port}"
        speed = "" if baud == STANDARD_LINE.baud else f"baud={baud}&"
        _announce(f"{url}?{speed}{QUICK}", slaves, options)
        await stop.wait()
    finally:
        ticking.cancel()
        await server.stop()


def _announce(url: str, slaves: list[UtilityStation], options: dict[str, Any]) -> None:
    rows = [(slave.primary, slave.identity, slave.speaker.model.title) for slave in slaves]
    if options["as_json"]:
        meters = [{"primary": primary, "secondary": str(who), "title": title} for primary, who, title in rows]
        print_json({"url": url, "meters": meters})
        return
    click.echo(f"M-Bus at {url}")
    print_table(("primary", "secondary", "meter"), rows, right=(0,))
    click.echo(f"  cosem mbus scan '{url}' --secondary --flat")
    click.echo("interrupt (Ctrl-C) to stop")
