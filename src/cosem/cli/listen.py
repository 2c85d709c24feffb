"""``cosem listen``: receive and explain what meters push over TCP."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from cosem.cli.output import DONE, print_json, printable
from cosem.errors import ConfigError

if TYPE_CHECKING:
    from cosem.client.listen import Push, Senders


@click.command("listen")
@click.argument("url")
@click.option("--keys", "key_file", type=click.Path(path_type=Path), help="Key file: a section per meter, by title.")
@click.option("--count", type=click.IntRange(min=1), help="Stop after so many pushes.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document per push and line.")
def listen_command(url: str, key_file: Path | None, count: int | None, as_json: bool) -> int:
    """Listen on tcp://HOST:PORT (wrapper) or hdlc+tcp://HOST:PORT for pushes, until interrupted.

    Pushes that name their values are shown by OBIS code; what is protected needs the sender's keys.
    """
    from cosem.client.keyfile import KeyFile
    from cosem.client.listen import Senders
    from cosem.client.url import MeterUrl

    host = urlsplit(url).hostname
    parsed = MeterUrl.parse(url)
    if host is None:
        raise ConfigError(f"{url!r} names no address to listen on")
    file = KeyFile.find(key_file)
    devices = (file.device(parsed.device),) if parsed.device else file.all()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_listen(parsed, Senders(devices), count, as_json))
    return DONE


class _Connection(asyncio.Protocol):
    def __init__(self, make_listener: Any, show: Any) -> None:
        self.listener = make_listener()
        self.show = show

    def data_received(self, data: bytes) -> None:
        for push in self.listener.receive(data, asyncio.get_running_loop().time()):
            self.show(push)


async def _listen(url: Any, senders: Senders, count: int | None, as_json: bool) -> None:
    from cosem.client.listen import Listener

    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    seen = 0

    def make() -> Listener:
        return Listener(make_link(url.framing), senders)

    def show(push: Push) -> None:
        nonlocal seen
        if count is not None and seen >= count:
            return
        seen += 1
        if as_json:
            print_json(push_document(push))
        else:
            for line in push_lines(push):
                click.echo(line)
        if count is not None and seen >= count:
            stop.set()

    try:
        server = await loop.create_server(lambda: _Connection(make, show), url.host, url.port)
    except OSError as error:
        raise ConfigError(f"cannot listen on {url.host}:{url.port}: {error.strerror}") from None
    for name in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(name, stop.set)
    address = server.sockets[0].getsockname()
    click.echo(f"listening on {address[0]}:{address[1]}", err=True)
    await stop.wait()
    server.close()


def make_link(framing: str) -> Any:
    """Return the link on which pushes come in."""
    if framing == "hdlc":
        from cosem.link.hdlc.link import HdlcLink

        return HdlcLink()
    from cosem.link.wrapper import WrapperLink

    return WrapperLink()


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
    from cosem.explain.text import value_lines
    from cosem.security.title import SystemTitle

    what = getattr(push.service, "service", "unreadable")
    sender = f" from {SystemTitle(push.system_title)}" if push.system_title and len(push.system_title) == 8 else ""
    proof = {True: ", verified", False: ", NOT genuine", None: ", not verified" if sender else ""}[push.verified]
    lines = [click.style(f"{what}{sender}{proof}", bold=True)]
    if push.problem is not None:
        lines.append(click.style(f"  {printable(push.problem)}", fg="red"))
    named = push.readings
    if named:
        lines += [f"  {printable(str(reading))}" for reading in named]
    elif push.value is not None:
        lines += list(value_lines(push.value, "  "))
    return lines
