"""Being a meter on the network: one `Responder` per connection over one `ObjectServer`."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from cosem.association.responder import Responder, ResponderSettings
from cosem.association.server import ObjectServer
from cosem.errors import ConfigError
from cosem.link.base import Link
from cosem.link.hdlc.link import HdlcLink
from cosem.link.wrapper import WrapperLink

MAX_CONNECTIONS = 1000
"""Connections of one server; further ones are closed at once."""
IDLE = 600.0
"""Seconds after which a connection without any octet is closed."""

FRAMINGS = ("wrapper", "hdlc")


def make_link(framing: str, server: ObjectServer) -> Link:
    """Return the server's link of a framing. Raises `ConfigError` for an unknown one."""
    if framing == "wrapper":
        return WrapperLink(server=True)
    if framing == "hdlc":
        return HdlcLink(server=True, accepts=lambda address: server.association_profile(address) is not None)
    raise ConfigError(f"framing is one of {', '.join(FRAMINGS)}, not {framing!r}")


class _Connection(asyncio.Protocol):
    """One connection of one client."""

    def __init__(self, server: DeviceServer) -> None:
        self.server = server
        self.responder = server.make_responder()
        self.loop = asyncio.get_running_loop()
        self.transport: asyncio.Transport | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.heard = self.loop.time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        if len(self.server.connections) >= MAX_CONNECTIONS:
            transport.abort()
            return
        self.transport = transport
        self.server.connections.add(self)
        self.pump()

    def data_received(self, data: bytes) -> None:
        self.heard = self.loop.time()
        if self.server.before is not None:
            self.server.before()
        self.responder.receive(data, self.heard)
        self.pump()

    def pause_writing(self) -> None:
        """Read no more requests of a client that does not take its answers."""
        if self.transport is not None:
            self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on reading."""
        if self.transport is not None:
            self.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.server.connections.discard(self)
        if self.timer is not None:
            self.timer.cancel()
        self.responder.lost(self.loop.time())

    def pump(self) -> None:
        """Send what there is to send and set the timer."""
        if self.transport is None:
            return
        octets = self.responder.take()
        if octets:
            self.transport.write(octets)
        due = min(self.responder.next_timer() or self.heard + IDLE, self.heard + IDLE)
        if self.timer is not None:
            if self.timer.when() <= due:
                return
            self.timer.cancel()
        self.timer = self.loop.call_at(due, self.timed)

    def timed(self) -> None:
        """Let what is due happen; close a connection that is idle."""
        self.timer = None
        now = self.loop.time()
        if self.transport is not None and now >= self.heard + IDLE:
            self.transport.close()
            return
        self.responder.handle_timer(now)
        self.pump()


class DeviceServer:
    """Serves one physical device over TCP. `before` is called before every read, for example to advance its time."""

    def __init__(
        self,
        device: ObjectServer,
        *,
        framing: str = "wrapper",
        random: Callable[[int], bytes] = secrets.token_bytes,
        settings: ResponderSettings | None = None,
        before: Callable[[], Any] | None = None,
    ) -> None:
        self.device = device
        self.framing = framing
        self.random = random
        self.settings = settings
        self.before = before
        self.connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None
        make_link(framing, device)

    def make_responder(self) -> Responder:
        """Return the machine of one connection."""
        return Responder(make_link(self.framing, self.device), self.device, self.random, self.settings)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> tuple[str, int]:
        """Listen and return the address. Raises `ConfigError` where it cannot be had."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(lambda: _Connection(self), host, port)
        except OSError as error:
            raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror}") from None
        address: tuple[str, int] = self._server.sockets[0].getsockname()[:2]
        return address

    async def stop(self) -> None:
        """Close the listener and every connection."""
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await asyncio.sleep(0)


@contextmanager
def serving(
    *servers: DeviceServer, host: str = "127.0.0.1", ports: tuple[int, ...] = ()
) -> Iterator[list[tuple[str, int]]]:
    """Serve in a thread of its own while the block runs; gives the addresses."""
    loop = asyncio.new_event_loop()
    wanted = ports or (0,) * len(servers)

    async def start() -> list[tuple[str, int]]:
        return [await server.start(host, port) for server, port in zip(servers, wanted, strict=True)]

    async def stop() -> None:
        for server in servers:
            await server.stop()

    thread = threading.Thread(target=loop.run_forever, name="cosem-server", daemon=True)
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(start(), loop).result()
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
