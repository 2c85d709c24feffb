"""``cosem simulate concentrator``: be a multi-utility concentrator in a house, with everything behind it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from cosem.cli.living import tick
from cosem.cli.output import DONE, print_json, printable
from cosem.cli.values import NumberRange
from cosem.errors import ConfigError


@click.command("concentrator")
@click.option(
    "--mbus",
    default="gas,water,warm-water,heat",
    show_default=True,
    help="Utility meters on channels 1, 2 and so on: gas, water, warm-water, heat, electricity, each also with -radio.",
)
@click.option(
    "--meters",
    default=1,
    type=click.IntRange(0, 50),
    show_default=True,
    help="Electricity meters of the house, behind the gateway.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=4059, type=click.IntRange(0, 65535), show_default=True, help="TCP and UDP port; 0: any."
)
@click.option("--days", default=7.0, type=NumberRange(0, 3660), show_default=True, help="Days it has lived before.")
@click.option("--seed", default=1, type=click.IntRange(0, 99_999), show_default=True, help="Same seed, same house.")
@click.option("--at", "at", metavar="T", help="The present, ISO 8601; now without it.")
@click.option("--speed", default=1.0, type=NumberRange(0, 1e6), show_default=True, help="Virtual seconds per second.")
@click.option("--keys", "key_file", type=click.Path(path_type=Path), help="Key file; example keys without it.")
@click.option("--device-keys", "device", metavar="SECTION", help="Section of the key file.")
@click.option("--json", "as_json", is_flag=True, help="Say where it listens as one JSON document.")
def simulate_concentrator(**options: Any) -> int:
    """Be an in-house concentrator until interrupted: it reads utility meters on the wire and by radio every hour.

    Clients: 16 public without security, 1 management. The electricity meters behind it have the same keys and are
    reached by gateway_network=1 and their serial number as gateway_device.
    """
    from cosem.cli.models import keys_of, present
    from cosem.concentrator.multi_utility import MultiUtilitySettings
    from cosem.simulator.house import simulated_house
    from cosem.simulator.meter import DEMO_IMAGE_KEY
    from cosem.simulator.utilities import kinds_of, mbus_settings

    kinds = kinds_of(options["mbus"])
    secrets = keys_of(options)
    if secrets.keys.global_unicast_encryption_key is None:
        raise ConfigError(f"{options['key_file']} holds no global_unicast_encryption_key for this device")
    seed = options["seed"]
    settings = MultiUtilitySettings(
        system_title=secrets.title or b"CSM\x02" + seed.to_bytes(4, "big"),
        serial=f"{20_000_000 + seed}",
        keys=secrets.keys,
        secret=secrets.secret,
        image_key=DEMO_IMAGE_KEY,
        mbus=mbus_settings(kinds),
    )
    house = simulated_house(
        seed=seed,
        end=present(options),
        days=options["days"],
        utilities=kinds,
        meters=options["meters"],
        settings=settings,
    )
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(house, options, secrets.note))
    return DONE


async def _serve(house: Any, options: dict[str, Any], keys_note: str) -> None:
    from cosem.io.pusher import NetworkPusher
    from cosem.io.server import DeviceServer
    from cosem.simulator.pace import Pace

    loop = asyncio.get_running_loop()
    if options["at"] is None:
        house.advance(max(house.now, int(datetime.now(UTC).timestamp())))
    live = Pace(house, options["speed"], loop.time).live
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    pusher = NetworkPusher(failed=lambda why: click.echo(why, err=True))
    house.concentrator.pushes.network = pusher
    server = DeviceServer(house.device, before=live, udp=True, behind=house.concentrator.behind)
    ticking = loop.create_task(tick(live))
    ticking.add_done_callback(lambda _: stop.set())
    try:
        _, port = await server.start(options["host"], options["port"])
        _announce(house, options, keys_note, port)
        await stop.wait()
        if ticking.done():
            ticking.result()
    finally:
        ticking.cancel()
        house.concentrator.pushes.network = None
        await pusher.stop()
        await server.stop()


def _announce(house: Any, options: dict[str, Any], keys_note: str, port: int) -> None:
    from cosem.concentrator.multi_utility import HOUSE, identities

    host = f"[{options['host']}]" if ":" in options["host"] else options["host"]
    secured = "client=1&auth=high-gmac&security=both"
    urls = {"public": f"tcp://{host}:{port}", "management": f"tcp://{host}:{port}?{secured}"}
    for meter in house.meters:
        serial = meter.settings.serial
        device = serial.encode("ascii").hex()
        urls[f"meter {serial}"] = f"tcp://{host}:{port}?{secured}&gateway_network={HOUSE}&gateway_device={device}"
    on_channels = identities(house.concentrator)
    if options["as_json"]:
        channels = {str(number): identity for number, identity in on_channels.items()}
        print_json({"serial": house.concentrator.settings.serial, "urls": urls, "channels": channels})
        return
    click.echo(printable(f"concentrator {house.concentrator.settings.serial}, {keys_note}"))
    width = max(map(len, urls))
    for name, url in urls.items():
        click.echo(f"  {name:<{width}} {url}")
    for number, identity in on_channels.items():
        click.echo(f"  {f'channel {number}':<{width}} {identity}")
    click.echo("interrupt (Ctrl-C) to stop")
