"""``cosem simulate feeder``: a low-voltage feeder, its meters found and read by a concentrator over the power line."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import click

from cosem.cli.output import DONE, heading, note, print_json, print_table
from cosem.cli.values import NumberRange
from cosem.errors import ConfigError

MOST_METERS = 3071
"""Addresses that a server can have."""
OWN_CALLS = 300
"""Meters from which on repeaters are called while the discovery goes on: before, everybody repeats."""


@click.command("feeder")
@click.option("--meters", default=200, type=click.IntRange(1, MOST_METERS), show_default=True, help="How many meters.")
@click.option("--cables", default=4, type=click.IntRange(1, 64), show_default=True, help="Cables from the transformer.")
@click.option(
    "--seed", default=1, type=click.IntRange(0, 9_999_999), show_default=True, help="The same seed, the same feeder."
)
@click.option("--noise", default=48.0, type=NumberRange(0, 120), show_default=True, help="Noise at night, in dBµV.")
@click.option("--svg", type=click.Path(path_type=Path, dir_okay=False), help="Write a picture of the feeder to a file.")
@click.option("--list", "as_list", is_flag=True, help="List every meter at the end.")
@click.option(
    "--serve", type=click.Choice(("tcp",)), help="Then be the concentrator on a port: a gateway to the meters."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=4059, type=click.IntRange(0, 65535), show_default=True, help="Port; 0 takes a free one."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def feeder_command(**options: Any) -> int:
    """Find the meters of a feeder over the power line (S-FSK, IEC 61334), step by step.

    \b
    cosem simulate feeder --meters 200 --svg feeder.svg

    The feeder is made from the seed: cables with cabinets, meters on three phases. A concentrator discovers them, gives
    them addresses and calls repeaters, in virtual time.
    """
    from cosem.plc.initiator import InitiatorSettings
    from cosem.simulator.feeder import Line, random_feeder
    from cosem.simulator.feeder_meter import CONCENTRATOR_TITLE
    from cosem.simulator.feeder_picture import picture, snapshot
    from cosem.simulator.power_line_site import PowerLineSite

    quiet = options["as_json"]
    feeder = random_feeder(
        options["meters"], seed=options["seed"], cables=options["cables"], line=Line(noise=options["noise"])
    )
    apart = options["meters"] <= OWN_CALLS
    settings = InitiatorSettings(
        CONCENTRATOR_TITLE,
        call_after=None if apart else 40,
        # Who is served for hours loses a meter now and then, and finds it again.
        rediscover_s=3600 if options["serve"] else 0,
    )
    site = PowerLineSite(feeder, seed=options["seed"], initiator=settings)
    network = site.network
    if not quiet:
        _tree(feeder, options)
        heading("\ndiscovery")
    course = _Course(network, None if quiet else _Rounds(network))
    network.on_event = lambda station, event: course(event)
    network.discover()
    before = snapshot(network) if apart else course.before
    found = network.medium.seconds
    network.initiator.call_repeaters(network.now)
    network.flush()
    network.run(network.now + network.medium.rate.slots_in(120))
    after = snapshot(network)
    document = _document(feeder, before, after, found, course.rounds)
    if quiet and not options["serve"]:
        print_json(document)
    elif not quiet:
        _levels(before, after, found)
        if options["as_list"]:
            _list(feeder, after)
    if options["svg"] is not None:
        title = f"Feeder of {options['meters']} meters, seed {options['seed']}"
        first, last = ("the repeater call",) * 2 if apart else ("the first repeater call", "the last one")
        panels = ((f"Before {first}", before), (f"After {last}", after))
        _write(options["svg"], picture(feeder, panels, title=title))
        if not quiet:
            click.echo(f"\npicture: {options['svg']}")
    if options["serve"]:
        asyncio.run(_serve(site, options, document))
    return DONE


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from None


def _tree(feeder: Any, options: dict[str, Any]) -> None:
    """Print the cables with their cabinets and what hangs there."""
    from cosem.simulator.feeder_picture import lanes, meters_at

    rows, at = lanes(feeder), meters_at(feeder)
    phases = Counter(place.phase for place in feeder.stations[1:])
    metres = sum(segment.metres for segment in feeder.segments)
    farthest = max(feeder.distance(station) for station in range(1, len(feeder.stations)))
    heading(f"feeder of {options['meters']} meters, seed {options['seed']}")
    on = ", ".join(f"{phases[phase]} on L{phase}" for phase in (1, 2, 3))
    click.echo(f"{metres / 1000:.1f} km of cable, the farthest meter at {farthest:.0f} m; {on}")
    click.echo("\ntransformer")
    for number, lane in enumerate(rows):
        later = [row for row in rows[number + 1 :] if row.depth <= lane.depth]
        corner = "├─" if later and later[0].depth == lane.depth else "└─"
        stations = [station for joint, _ in lane.cabinets for station in at.get(joint, ())]
        counts = Counter(feeder.stations[station].phase for station in stations)
        here = " ".join(f"L{phase}:{counts[phase]}" for phase in (1, 2, 3))
        what = "cable" if lane.origin is None else "branch"
        places = f"{len(lane.cabinets)} cabinets" if len(lane.cabinets) > 1 else "1 cabinet"
        many = f"{len(stations):>3} {'meter' if len(stations) == 1 else 'meters':<6}"
        span = f"{lane.begin:.0f} to {lane.cabinets[-1][1]:.0f} m"
        click.echo(f"{'│  ' * lane.depth}{corner} {what:<6} {span:>14}  {places:<12} {many}  {here}")


class _Course:
    """Counts the rounds of a discovery, and keeps how the network stood before repeaters were called at first."""

    def __init__(self, network: Any, tell: _Rounds | None) -> None:
        self.network = network
        self.rounds = 0
        self.before: list[Any] = []
        self._tell = tell
        self._called = False

    def __call__(self, event: Any) -> None:
        from cosem.plc.procedures import RepeatersCalled, RoundOver
        from cosem.simulator.feeder_picture import snapshot

        if isinstance(event, RoundOver):
            self.rounds += 1
            if not self._called:
                self.before = snapshot(self.network)
        self._called = self._called or isinstance(event, RepeatersCalled)
        if self._tell is not None:
            self._tell(event)


class _Rounds:
    """Prints what happens in a discovery as it happens."""

    def __init__(self, network: Any) -> None:
        self.network = network
        self.idle = 0

    def __call__(self, event: Any) -> None:
        kind = type(event).__name__
        time = _clock(self.network.medium.seconds)
        if kind == "RoundOver":
            if not event.reports and not event.spoilt:
                # Nobody answered: counted, and told with the next round in which somebody does.
                self.idle += 1
                return
            self._silence()
            registered = len(self.network.initiator.registry.registered)
            hops = f"{event.credit} repetitions" if event.credit != 1 else "1 repetition"
            click.echo(
                f"  {time}  {event.probability:>3} % into {event.windows:>2} windows, {hops:<13} "
                f"{event.reports:>3} heard {event.spoilt:>3} spoilt {registered:>5} registered"
            )
        elif kind == "RepeatersCalled":
            self._silence()
            repeating = sum(item.mac.repeats for item in self.network.systems.values())
            click.echo(f"  {time}  repeaters called in {event.slots} slots: {repeating} repeat")
        elif kind == "DiscoveryOver":
            self._silence()
            click.echo(f"  {time}  over: {event.found} found in {event.rounds} rounds")
        elif kind == "DuplicateTitle":
            click.echo(f"  {time}  two meters have the title {event.title.hex().upper()}")
        elif kind == "SystemLost":
            click.echo(f"  {time}  {event.title.hex().upper()} lost: {event.cause}")

    def _silence(self) -> None:
        if self.idle:
            click.echo(
                f"            {self.idle} rounds in silence" if self.idle > 1 else "            a round in silence"
            )
            self.idle = 0


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:>2}:{minutes:02}:{rest:02}"


def _levels(before: Any, after: Any, found: float) -> None:
    heading("\nnetwork")
    registered = [view for view in after if view.address]
    table = []
    for hops in sorted({view.hops for view in registered}):
        views = [view for view in registered if view.hops == hops]
        levels = sorted(view.level for view in views)
        table.append(
            (
                hops,
                len(views),
                f"{levels[0]:.0f} to {levels[-1]:.0f}",
                sum(view.repeats for view in before if view.station in {item.station for item in views}),
                sum(view.repeats for view in views),
            )
        )
    missing = len(after) - len(registered)
    time = _clock(found).strip()
    if registered:
        columns = ("repetitions", "meters", "level dBµV", "repeated before the call", "after it")
        print_table(columns, table, right=(0, 1, 2, 3, 4))
    if missing:
        who = "1 meter is" if missing == 1 else f"{missing} meters are"
        note(f"{who} out of reach or in the middle of a search: not registered")
    if registered:
        click.echo(f"found, and each heard under its address, in {time} on the wire")
    else:
        click.echo(f"nobody was found in {time} on the wire")


def _list(feeder: Any, views: Any) -> None:
    click.echo()
    rows = [
        (
            f"{view.address:03X}" if view.address else "new",
            view.station,
            f"L{feeder.stations[view.station].phase}",
            f"{feeder.distance(view.station):.0f}",
            f"{view.level:.0f}",
            view.hops,
            "repeats" if view.repeats else "",
        )
        for view in views
    ]
    print_table(("address", "meter", "phase", "metres", "dBµV", "repetitions", ""), rows, right=(1, 3, 4, 5))


def _document(feeder: Any, before: Any, after: Any, found: float, rounds: int) -> dict[str, Any]:
    repeated = {view.station for view in before if view.repeats}
    return {
        "meters": len(after),
        "registered": sum(bool(view.address) for view in after),
        "seconds": round(found, 2),
        "rounds": rounds,
        "stations": [
            {
                "meter": view.station,
                "address": view.address or None,
                "phase": feeder.stations[view.station].phase,
                "metres": round(feeder.distance(view.station), 1),
                "level": round(view.level, 1),
                "repetitions": view.hops,
                "repeated_before": view.station in repeated,
                "repeats": view.repeats,
            }
            for view in after
        ],
    }


async def _serve(site: Any, options: dict[str, Any], document: dict[str, Any]) -> None:
    """Be the concentrator until interrupted. Time on the power line passes while somebody waits for a meter.

    `document` is what is told of the network as JSON, with the addresses, once it is served.
    """
    from cosem.io.server import DeviceServer
    from cosem.simulator.feeder_network import title_of

    report = site.read_all().report
    if not options["as_json"]:
        click.echo(
            f"\nload profiles of {len(report.read)} meters read, {report.rows} rows; {len(report.failed)} failed"
        )
    concentrator = site.concentrator
    server = DeviceServer(concentrator.local.device, machines=concentrator.machine)
    _, port = await server.start(options["host"], options["port"])
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    base = f"tcp://{options['host']}:{port}?client=1&auth=high-gmac&security=both"
    urls = {
        "concentrator": base,
        "meter": f"{base}&gateway_network=1&gateway_device={title_of(1).hex()}&timeout=60",
        "kept": f"{base}&gateway_network=2&gateway_device={title_of(1).hex()}",
    }
    if options["as_json"]:
        print_json(document | {"urls": urls})
    else:
        heading("\nconcentrator, with the example keys")
        for name, url in urls.items():
            click.echo(f"  {name:<12} {url}")
        click.echo("interrupt (Ctrl-C) to stop")
    try:
        await stop.wait()
    finally:
        await server.stop()
