"""``cosem simulate``: be a device that behaves."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from cosem.cli.feeder import feeder_command
from cosem.cli.living import tick
from cosem.cli.models import customer_keys, keys_of, model_meter, model_urls, present
from cosem.cli.output import DONE, heading, is_terminal, note, print_json, print_table, printable
from cosem.cli.simulate_concentrator import simulate_concentrator
from cosem.cli.simulate_gas import simulate_gas
from cosem.cli.simulate_mbus import simulate_mbus
from cosem.cli.simulate_neighbourhood import simulate_neighbourhood
from cosem.cli.values import NumberRange
from cosem.errors import ConfigError

PUBLIC, MANAGEMENT = 16, 1
"""The access points a heartbeat goes between."""
MAKE_ONE = "pty"
"""Instead of the path of a serial port: a pseudo-terminal made for the purpose."""
_PORT = click.IntRange(0, 65535)
_seed = click.option(
    "--seed",
    default=1,
    type=click.IntRange(0, 9_999_999),
    show_default=True,
    help="The same seed gives the same meter, octet for octet.",
)


@click.group("simulate")
def simulate_command() -> None:
    """Be a device that behaves, in virtual time."""


@simulate_command.command("meter")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=4059, type=_PORT, show_default=True, help="TCP and UDP port of the wrapper; 0 takes a free one."
)
@click.option("--hdlc-port", default=None, type=_PORT, help="TCP port of HDLC; the wrapper's plus 1 without it.")
@click.option(
    "--hdlc-information",
    default=128,
    type=click.IntRange(1, 2030),
    show_default=True,
    help="Octets of an information field of HDLC that the meter goes up to.",
)
@click.option(
    "--hdlc-window", default=1, type=click.IntRange(1, 7), show_default=True, help="Window of HDLC it goes up to."
)
@click.option(
    "--days",
    default=31.0,
    type=NumberRange(0, 3660),
    show_default=True,
    help="Days the meter has lived before it is served.",
)
@_seed
@click.option(
    "--at", "at", metavar="T", help="The meter's present, ISO 8601, UTC where no zone is said; now without it."
)
@click.option(
    "--speed",
    default=1.0,
    type=NumberRange(0, 1e6),
    show_default=True,
    help="Virtual seconds per second from then on.",
)
@click.option("--auth", default="high-gmac", show_default=True, help="Authentication of the management client (SAP 1).")
@click.option("--security", default="both", show_default=True, help="Policy of the management client.")
@click.option(
    "--referencing",
    default="ln",
    type=click.Choice(("ln", "sn")),
    show_default=True,
    help="How all clients name objects: logical names or short names.",
)
@click.option("--keys", "key_file", type=click.Path(path_type=Path), help="Key file; example keys without it.")
@click.option("--device", help="Section of the key file.")
@click.option(
    "--customer", metavar="SECTION", help="Section of the key file with the customer's keys: the port pushes."
)
@click.option(
    "--broadcast", metavar="HEX", help="System title of who may speak to all meters at once (SAP 102): 16 hex digits."
)
@click.option(
    "--dial",
    metavar="HOST:PORT",
    help="Also open a connection to a client that waits there, again and again; hdlc+tcp://HOST:PORT for HDLC.",
)
@click.option(
    "--push",
    metavar="HOST:PORT",
    help="Where all push setups send to: HOST:PORT (TCP), or udp://, hdlc+tcp://, mbus+tcp://HOST:PORT.",
)
@click.option("--companion", default="idis", show_default=True, help="Companion profile: event codes, logs, alarms.")
@click.option("--heartbeat", is_flag=True, help="Say who calls in a notification, first thing on a dialled connection.")
@click.option(
    "--serial",
    metavar="PORT",
    help="Also serve HDLC on a serial port, /dev/ttyUSB0?baud=9600; pty makes a pseudo-terminal.",
)
@click.option("--optical", metavar="PORT", help="Also serve IEC 62056-21 mode E, then HDLC, on a port; pty makes one.")
@click.option("--p1", metavar="PORT", help="Also send P1 telegrams on a serial port, one a second; pty makes one.")
@click.option("--echo", is_flag=True, help="Give back whatever comes on these ports, as many optical heads do.")
@click.option(
    "--image-key", metavar="HEX", help="Public key that firmware images are verified by; the example key without it."
)
@click.option("--prepayment", metavar="AMOUNT", help="Be a payment meter with this much credit (EUR) from now on.")
@click.option(
    "--token-key",
    type=click.Path(path_type=Path),
    help="File with the key its tokens are made with, in hex; the example key without it.",
)
@click.option(
    "--mbus",
    metavar="KIND,...",
    help="Have utility meters on its M-Bus: gas, water, warm-water, heat, electricity, or gas-radio and so on.",
)
@click.option("--compress-nulls", is_flag=True, help="Write null-data for what did not change in the load profile.")
@click.option(
    "--model",
    "model_file",
    type=click.Path(path_type=Path),
    help="Be the meter of this model (JSON or TOML, see docs/models.md) instead.",
)
@click.option(
    "--scenario",
    type=click.Path(path_type=Path),
    help="Let this happen to the meter (TOML, see docs/cli.md); its start is the present unless --at says another.",
)
@click.option("--json", "as_json", is_flag=True, help="Say where it listens as one JSON document.")
@click.pass_context
def simulate_meter(context: click.Context, /, **options: Any) -> int:
    """Be a three-phase electricity meter, or the meter of a model, until interrupted.

    Clients: 16 public without security, 1 management, 2 reading with the password; or those of the model.
    """
    if options["model_file"] is not None:
        meter, keys_note = model_meter(context, options)
    else:
        meter, keys_note = _build(options)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(meter, options, keys_note))
    return DONE


def _build(options: dict[str, Any]) -> tuple[Any, str]:
    from cosem.client.url import AUTHENTICATION, SECURITY
    from cosem.device.meter import MeterSettings
    from cosem.simulator.meter import DEMO_IMAGE_KEY, simulated_meter

    if options["auth"] not in AUTHENTICATION:
        raise ConfigError(f"--auth {options['auth']} is none of {', '.join(AUTHENTICATION)}")
    if options["security"] not in SECURITY:
        raise ConfigError(f"--security {options['security']} is none of {', '.join(SECURITY)}")
    mechanism = AUTHENTICATION[options["auth"]]
    seed = options["seed"]
    secrets = keys_of(options)
    keys, password, secret, note = secrets.keys, secrets.password, secrets.secret, secrets.note
    title = secrets.title or b"CSM" + (2**32 + seed).to_bytes(5, "big")
    if (SECURITY[options["security"]] or mechanism == 5) and keys.global_unicast_encryption_key is None:
        raise ConfigError(f"{options['key_file']} holds no global_unicast_encryption_key for this meter")
    broadcast = _title(options["broadcast"])
    if broadcast and SECURITY[options["security"]] and keys.global_broadcast_encryption_key is None:
        raise ConfigError(f"{options['key_file']} holds no global_broadcast_encryption_key, which --broadcast needs")
    settings = MeterSettings(
        system_title=title,
        broadcast_title=broadcast,
        customer_keys=customer_keys(options),
        serial=str(10_000_000 + seed),
        mechanism=mechanism,
        policy=SECURITY[options["security"]] >> 4,
        keys=keys,
        secret=password if mechanism == 1 else secret,
        password=password,
        compress_nulls=options["compress_nulls"],
        referencing=options["referencing"],
        companion=options["companion"],
        image_key=DEMO_IMAGE_KEY if options["image_key"] is None else _image_key(options["image_key"]),
        payment=_payment(options),
    )
    from cosem.simulator.utilities import kinds_of

    utilities = kinds_of(options["mbus"] or "")
    scenario, end = None, None
    if options["scenario"] is not None:
        from cosem.simulator.scenario import load

        scenario = load(options["scenario"])
        settings = scenario.settings(settings)
        utilities = utilities or scenario.utilities
        if options["at"] is None:
            end = datetime.fromtimestamp(scenario.start, UTC)
    meter = simulated_meter(
        seed=seed, end=end or present(options), days=options["days"], settings=settings, utilities=utilities
    )
    if scenario is not None:
        _play(meter, scenario)
    if options["push"] is not None:
        from cosem.client.events import push_destination
        from cosem.device.way_out import OVER_IP

        service, destination = push_destination(options["push"])
        meter.equipment.pushes.send_to(service, destination)
        if (customer := meter.equipment.customer.push) is not None:
            customer.send_to(service, destination)
        if service in OVER_IP:
            # It is used once somebody sets its mode.
            meter.equipment.connecting.object.destination_list = (destination,)
    return meter, note


def _play(meter: Any, scenario: Any) -> None:
    """Let the scenario happen to the meter, and say on standard error what is done."""
    from cosem.simulator.scenario import Player, local_time

    def tell(entry: Any, result: str) -> None:
        note(f"{local_time(meter.clock, meter.now)} {entry.words}" + (f": {result}" if result else ""))

    Player(meter, scenario).told.append(tell)


@simulate_command.command("story")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--days",
    default=1.0,
    type=NumberRange(0, 3660),
    show_default=True,
    help="Days the meter has lived before the scenario begins.",
)
@_seed
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def simulate_story(file: Path, days: float, seed: int, as_json: bool) -> int:
    """Let a meter live through a scenario at once and tell what happened, in its local time.

    Pushes count as arrived, and nothing is sent anywhere.
    """
    from dataclasses import asdict

    from cosem.simulator.scenario import load
    from cosem.simulator.story import Story

    scenario = load(file)
    lines = Story(scenario, seed=seed, days=days).run()
    if as_json:
        print_json([asdict(line) for line in lines])
    else:
        if scenario.title and is_terminal():
            heading(printable(scenario.title))
        print_table(("time", "kind", "what"), [(line.local, line.kind, line.what) for line in lines])
    return DONE


def _payment(options: dict[str, Any]) -> Any:
    """Return how the meter is paid, None where it is not."""
    from dataclasses import replace

    from cosem.cli.payment import money, token_key
    from cosem.simulator.meter import demo_payment

    if options["prepayment"] is None:
        if options["token_key"] is not None:
            raise ConfigError("--token-key belongs to --prepayment")
        return None
    settings = demo_payment(0)
    credit = money(options["prepayment"], settings.scale)
    if not 0 <= credit <= 0x7FFF_FFFF:
        raise ConfigError(f"--prepayment {options['prepayment']} is not what an account holds")
    return replace(settings, credit=credit, token_key=token_key(options["token_key"]))


def _title(text: str | None) -> bytes:
    """Return the system title of the broadcast client, nothing where there is none."""
    if text is None:
        return b""
    if len(text) != 16 or not all(digit in "0123456789abcdefABCDEF" for digit in text):
        raise ConfigError("--broadcast is a system title in hex: 16 digits")
    return bytes.fromhex(text)


def _image_key(text: str) -> bytes:
    """Return the public key that images are verified by."""
    if len(text) not in (64, 130) or not all(digit in "0123456789abcdefABCDEF" for digit in text):
        raise ConfigError("--image-key is a public key in hex: 32 octets (Ed25519), or 65 (a point on P-256)")
    return bytes.fromhex(text)


async def serve(meter: Any, options: dict[str, Any], keys_note: str) -> None:
    """Serve a device as the options say, until interrupted."""
    from cosem.io.p1_server import P1Server
    from cosem.io.pusher import NetworkPusher
    from cosem.io.server import DeviceServer
    from cosem.link.hdlc.parameters import HdlcParameters
    from cosem.simulator.pace import Pace

    loop = asyncio.get_running_loop()
    if options["at"] is None and options["scenario"] is None:
        # Its past took a while to live.
        meter.advance(max(meter.now, int(datetime.now(UTC).timestamp())))
    live = Pace(meter, options["speed"], loop.time).live
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    caller = _caller(options)
    pusher = NetworkPusher(failed=lambda why: click.echo(why, err=True))
    # The meter of a model does nothing by itself.
    pushes = getattr(getattr(meter, "equipment", None), "pushes", None)
    if pushes is not None:
        pushes.network = pushes.way.dialler = pusher
        customer = meter.equipment.customer
        if customer.push is not None:
            customer.push.network = pusher
    wrapper = DeviceServer(meter.device, before=live, udp=True)
    information, window = options["hdlc_information"], options["hdlc_window"]
    limits = HdlcParameters(information, information, window, window)
    hdlc = DeviceServer(meter.device, framing="hdlc", before=live, parameters=limits)
    meter.device.on_down += [wrapper.drop, hdlc.drop]
    ports = _ports(meter, options, live)
    p1 = None if options["p1"] is None else P1Server()
    ticking = loop.create_task(tick(live))
    # A meter that stood still without a word would be taken for one that lives.
    ticking.add_done_callback(lambda _: stop.set())
    try:
        _, port = await wrapper.start(options["host"], options["port"])
        hdlc_port = options["hdlc_port"]
        if hdlc_port is None:
            hdlc_port = (options["port"] + 1) % 65536 if options["port"] else 0
        _, hdlc_port = await hdlc.start(options["host"], hdlc_port)
        if caller is not None:
            server = hdlc if caller.framing == "hdlc" else wrapper
            server.dial(
                caller.host,
                caller.port,
                greet=(lambda responder: _greet(meter, responder)) if options["heartbeat"] else None,
                failed=lambda error: _no_answer(caller, error),
            )
        paths = {name: f"{scheme}://{await server.open(path)}" for name, (scheme, path, server) in ports.items()}
        if p1 is not None:
            paths["p1"] = await p1.open(None if options["p1"] == MAKE_ONE else options["p1"])
            meter.equipment.customer.p1.request(p1.send)
        _announce(meter, options, keys_note, port, hdlc_port, paths)
        await stop.wait()
        if ticking.done():
            ticking.result()
    finally:
        ticking.cancel()
        if pushes is not None:
            pushes.network = pushes.way.dialler = None
        await pusher.stop()
        if p1 is not None:
            await p1.stop()
        for _, _, server in ports.values():
            await server.stop()
        await wrapper.stop()
        await hdlc.stop()


def _ports(meter: Any, options: dict[str, Any], live: Any) -> dict[str, tuple[str, str | None, Any]]:
    """Return the scheme, the path (None: a pseudo-terminal) and the server of each serial port that was asked for."""
    from dataclasses import replace

    from cosem.client.serial import SerialUrl
    from cosem.client.url import query_of
    from cosem.io.serial_server import SerialServer
    from cosem.link.mode_e.messages import letter_for

    ports: dict[str, tuple[str, str | None, Any]] = {}
    for name, scheme in (("serial", "hdlc+serial"), ("optical", "optical")):
        if options[name] is None:
            continue
        path, _, rest = options[name].partition("?")
        query = query_of(rest)
        port = SerialUrl.parse(scheme, "", path, query)
        if query:
            raise ConfigError(f"{next(iter(query))!r} is no parameter of --{name}")
        mode_e = port.mode_e
        if mode_e is not None and mode_e.max_baud is not None:
            letter = letter_for(mode_e.max_baud)
            mode_e = replace(mode_e, identification=mode_e.identification._replace(letter=letter))
        server = SerialServer(
            meter.device, line=port.line, mode_e=mode_e, echo=options["echo"], cancel=port.echo, before=live
        )
        ports[name] = (scheme, None if path == MAKE_ONE else port.path, server)
    if options["echo"] and not ports:
        raise ConfigError("--echo belongs to --serial or --optical")
    return ports


def _caller(options: dict[str, Any]) -> Any:
    """Return where to dial, or None."""
    from cosem.client.url import MeterUrl

    text = options["dial"]
    if text is None:
        if options["heartbeat"]:
            raise ConfigError("--heartbeat belongs to --dial")
        return None
    url = MeterUrl.parse(text if "://" in text else f"tcp://{text}")
    if url.transport != "tcp":
        raise ConfigError("--dial opens a TCP connection: write HOST:PORT or hdlc+tcp://HOST:PORT")
    return url


def _greet(meter: Any, responder: Any) -> None:
    """Send the logical device name of the meter, in clear: it says who calls and proves nothing."""
    from cosem.apdu.notify import DataNotification
    from cosem.codec import axdr
    from cosem.link.base import Address
    from cosem.obis import Obis

    name = Obis.parse("0-0:42.0.0.255")
    body = axdr.structure(axdr.octet_string(name), axdr.octet_string(meter.logical.name))
    responder.notify(Address(PUBLIC, MANAGEMENT), DataNotification(b"", axdr.encode(body)))


def _no_answer(caller: Any, error: OSError) -> None:
    reason = error.strerror or "no connection"
    click.echo(f"nobody waits at {caller.host}:{caller.port} ({reason}); trying again", err=True)


def _announce(
    meter: Any, options: dict[str, Any], keys_note: str, port: int, hdlc_port: int, ports: dict[str, str]
) -> None:
    """Say where the meter can be reached, as whom."""
    host = f"[{options['host']}]" if ":" in options["host"] else options["host"]
    if options["model_file"] is not None:
        what, serial = f"meter {meter.model.name or options['model_file']}", None
        urls = model_urls(meter, host, port, hdlc_port, ports)
    else:
        serial = meter.settings.serial
        what = f"{getattr(meter, 'words', 'electricity meter')} {serial}"
        urls = _urls(options, host, port, hdlc_port, ports)
    if options["as_json"]:
        print_json({"serial": serial, "urls": urls})
        return
    click.echo(printable(f"{what}, {keys_note}"))
    width = max(11, *map(len, urls))
    for name, url in urls.items():
        click.echo(f"  {name:<{width}} {url}")
    click.echo("interrupt (Ctrl-C) to stop")


def _urls(options: dict[str, Any], host: str, port: int, hdlc_port: int, ports: dict[str, str]) -> dict[str, str]:
    names = "&referencing=sn" if options["referencing"] == "sn" else ""
    security = f"auth={options['auth']}&security={options['security']}{names}"
    return {
        "public": f"tcp://{host}:{port}{names.replace('&', '?')}",
        # By short names only what is protected goes over UDP.
        **({} if names else {"udp": f"udp://{host}:{port}"}),
        "management": f"tcp://{host}:{port}?client=1&{security}",
        "reading": f"tcp://{host}:{port}?client=2&auth=low{names}",
        "hdlc": f"hdlc+tcp://{host}:{hdlc_port}?client=1&{security}",
        # Whoever listens at the P1 port is no client.
        **{name: url if name == "p1" else f"{url}?client=1&{security}" for name, url in ports.items()},
    }


simulate_command.add_command(simulate_concentrator)
simulate_command.add_command(feeder_command)
simulate_command.add_command(simulate_gas)
simulate_command.add_command(simulate_mbus)
simulate_command.add_command(simulate_neighbourhood)
