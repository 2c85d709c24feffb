"""``cosem listen``: receive and explain what meters push over TCP and UDP."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from cosem.cli.output import DONE, print_json, printable
from cosem.cli.trace import Tracer, trace_options
from cosem.errors import ConfigError, ConnectionLost
from cosem.link.wrapper import datagrams

if TYPE_CHECKING:
    from collections.abc import Callable

    from cosem.client.listen import Listener, Push, Senders
    from cosem.tolerances import Tolerances

MAX_CONNECTIONS = 10_000
"""Meters connected at once; further ones are turned away."""
MAX_PEERS = 10_000
"""UDP senders whose blocks are put together; the one that was silent longest is forgotten for a new one."""


@click.command("listen")
@click.argument("url")
@click.option("--keys", "key_file", type=click.Path(path_type=Path), help="Key file: a section per meter, by title.")
@click.option("--country", help="Two letters (NO, SI): tells layouts of national pushes apart that look alike.")
@click.option("--confirm", is_flag=True, help="Answer pushes that ask for a confirmation.")
@click.option("--count", type=click.IntRange(min=1), help="Stop after so many pushes.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document per push and line.")
@trace_options
def listen_command(
    url: str,
    key_file: Path | None,
    country: str | None,
    confirm: bool,
    count: int | None,
    as_json: bool,
    verbose: int,
    trace_file: Path | None,
) -> int:
    """Listen for pushes, until interrupted: tcp://HOST:PORT and udp://HOST:PORT (wrapper), hdlc+tcp://HOST:PORT, or
    mbus+tcp://HOST:PORT (M-Bus frames of a customer interface behind a transparent converter); on a serial port
    hdlc+serial:///PORT or mbus+serial:///PORT.

    Values are shown by OBIS code where the push names them or has the layout of a meter that is known. What is
    protected needs the sender's keys.
    """
    from cosem.client.keyfile import KeyFile
    from cosem.client.listen import Senders
    from cosem.client.url import MeterUrl

    parsed = MeterUrl.parse(url, pushes=True)
    if parsed.serial is not None and parsed.serial.mode_e is not None:
        raise ConfigError("meters do not push by mode E: listen on hdlc+serial:// or mbus+serial://")
    file = KeyFile.find(key_file)
    devices = (file.device(parsed.device),) if parsed.device else file.all()
    default = file.device(parsed.device)
    settings = (default.tolerances, country.upper() if country else default.country)
    for device in devices:
        if not device.verify:
            click.echo(f"note: [{device.name}] says verify = false: what it sends is not proven genuine", err=True)
    with Tracer(verbose, trace_file, url, key_file) as tracer, contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_listen(parsed, Senders(devices), settings, confirm, count, as_json, tracer.sink))
    return DONE


class _Desk:
    """Where the pushes of all connections come together to be shown."""

    def __init__(
        self,
        make: Callable[[], Listener],
        count: int | None,
        as_json: bool,
        trace: Callable[[str, bytes], None] | None = None,
    ) -> None:
        self.make = make
        self.trace = trace
        self.left = count
        self.as_json = as_json
        self.stop = asyncio.Event()
        self.connections: set[asyncio.BaseTransport] = set()
        self.error: OSError | None = None
        self.lost: Exception | None = None

    def take(self, listener: Listener, octets: bytes) -> None:
        """Give a listener what came, and show what it makes of it."""
        if self.trace is not None:
            self.trace("<", octets)
        for push in listener.receive(octets, asyncio.get_running_loop().time()):
            self.show(push)

    def show(self, push: Push) -> None:
        """Print a push, and stop after the last that was wanted or when nobody reads any more."""
        if self.left == 0:
            return
        try:
            if self.as_json:
                print_json(push_document(push))
            else:
                for line in push_lines(push):
                    click.echo(line)
        except OSError as error:
            self.error = error
            self.left = 0
        if self.left:
            self.left -= 1
        if self.left == 0:
            self.stop.set()


class _Connection(asyncio.Protocol):
    """One connection of one meter."""

    def __init__(self, desk: _Desk) -> None:
        self.desk = desk
        self.listener = desk.make()
        self.transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if len(self.desk.connections) >= MAX_CONNECTIONS:
            transport.close()
            return
        self.transport = transport
        self.desk.connections.add(transport)

    def data_received(self, data: bytes) -> None:
        self.desk.take(self.listener, data)
        # What a meter wants confirmed goes back on the way it came.
        if answer := self.listener.take():
            cast("asyncio.Transport", self.transport).write(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.transport is not None:
            self.desk.connections.discard(self.transport)


class _Datagrams(asyncio.DatagramProtocol):
    """All meters that push by UDP: a datagram stands for itself, but blocks of a push belong to their sender."""

    def __init__(self, desk: _Desk) -> None:
        self.desk = desk
        self.listeners: dict[Any, Listener] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        listener = self.listeners.pop(addr, None)
        if listener is None:
            if len(self.listeners) >= MAX_PEERS:
                self.listeners.pop(next(iter(self.listeners)))
            listener = self.desk.make()
        # The last to speak is the last to be forgotten.
        self.listeners[addr] = listener
        self.desk.take(listener, data)
        if answer := listener.take():
            for datagram in datagrams(answer):
                self.transport.sendto(datagram, addr)


class _Port(_Connection):
    """A serial port on which a meter pushes; where it goes away nothing more can come."""

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if not self.desk.stop.is_set():
            self.desk.lost = exc or ConnectionLost("the serial port is gone")
            self.desk.stop.set()


async def _listen(
    url: Any,
    senders: Senders,
    settings: tuple[Tolerances, str | None],
    confirm: bool,
    count: int | None,
    as_json: bool,
    trace: Callable[[str, bytes], None] | None,
) -> None:
    from cosem.client.listen import Listener
    from cosem.client.plan import client_link

    loop = asyncio.get_running_loop()

    def make() -> Listener:
        return Listener(client_link(url, settings[0]), senders, *settings, confirm=confirm)

    desk = _Desk(make, count, as_json, trace)
    for name in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(name, desk.stop.set)
    server: asyncio.Server | asyncio.BaseTransport
    try:
        if url.serial is not None:
            from cosem.io.serial import open_serial
            from cosem.link.line import Line

            server = await open_serial(url.serial.path, Line(url.serial.line), _Port(desk))
            where = f"{url.serial.path} at {url.serial.line}"
        elif url.transport == "udp":
            server, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(desk), (url.host, url.port))
            where = _place(server.get_extra_info("sockname"))
        else:
            server = await loop.create_server(lambda: _Connection(desk), url.host, url.port)
            where = _place(server.sockets[0].getsockname())
    except OSError as error:
        raise ConfigError(f"cannot listen on {url.host}:{url.port}: {error.strerror}") from None
    try:
        click.echo(f"listening on {where}", err=True)
        await desk.stop.wait()
    finally:
        server.close()
        for connection in list(desk.connections):
            connection.close()
        await asyncio.sleep(0)
    if desk.error is not None:
        raise desk.error
    if desk.lost is not None:
        raise ConnectionLost(f"nothing more can come from {where}: {desk.lost}")


def _place(address: Any) -> str:
    return f"{address[0]}:{address[1]}"


def push_document(push: Push) -> dict[str, Any]:
    """Return a push as JSON."""
    from cosem.codec.json import to_json
    from cosem.explain.apdus import date_time_field

    answer: dict[str, Any] = {
        "received": datetime.now(UTC).isoformat(timespec="seconds"),
        "client": push.address.client,
        "server": push.address.server,
        "service": getattr(push.service, "service", None),
    }
    if push.system_title is not None:
        answer |= {
            "system_title": push.system_title.hex(),
            "invocation_counter": push.invocation_counter,
            "verified": push.verified,
        }
    if push.problem is not None:
        answer["problem"] = push.problem
        answer["octets"] = push.octets.hex()
    moment = getattr(push.service, "date_time", None)
    if moment:
        answer["date_time"] = date_time_field(moment)
    if push.value is not None:
        answer["value"] = to_json(push.value)
        answer["readings"] = [reading.to_json() for reading in push.readings]
    return answer


def push_lines(push: Push) -> list[str]:
    """Return a push as lines for people."""
    from cosem.explain.apdus import date_time_field
    from cosem.explain.text import value_lines
    from cosem.security.title import SystemTitle

    what = getattr(push.service, "service", "unreadable")
    sender = f" from {SystemTitle(push.system_title)}" if push.system_title and len(push.system_title) == 8 else ""
    proof = {True: ", verified", False: ", NOT genuine", None: ", not verified" if sender else ""}[push.verified]
    moment = date_time_field(getattr(push.service, "date_time", None))
    when = f", {moment['date_time'] if isinstance(moment, dict) else moment}" if moment else ""
    lines = [click.style(f"{what}{sender}{proof}{when}", bold=True)]
    if push.problem is not None:
        lines.append(click.style(f"  {printable(push.problem)}", fg="red"))
    named = push.readings
    if named:
        lines += [f"  {printable(reading.words)}" for reading in named]
    elif push.value is not None:
        lines += list(value_lines(push.value, "  "))
    return lines
