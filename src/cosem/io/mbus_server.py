"""A simulated M-Bus, or one slave, on the network or on a pseudo-terminal: the other end of a transparent converter."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from cosem.errors import ConfigError
from cosem.io.serial import PseudoTerminal, open_serial
from cosem.io.server import Connection
from cosem.link.base import Machine
from cosem.link.line import Line

ACCEPT_TURNS = 4


class _BusConnection(Connection):
    """Whoever is master now. A bus has one: a new connection takes the place of the one before."""

    limit = 1

    def connection_lost(self, exc: Exception | None) -> None:
        """Have the bus forget what is on the wire, unless somebody else is master already."""
        if self.kept and self not in self.kept:
            self.transport = None
            if self.timer is not None:
                self.timer.cancel()
            return
        super().connection_lost(exc)

    def serve(self, data: bytes) -> None:
        """Hand octets to the bus and send what it answers."""
        # Slaves that switched their speed go back by the bus's time, also when nobody was connected.
        self.responder.handle_timer(self.loop.time())
        super().serve(data)

    def idle(self) -> None:
        """Keep the connection: a master may read once an hour."""
        self.heard = self.loop.time()
        self.pump()

    def left(self) -> None:
        """Learn that the other end closed the pseudo-terminal."""
        self.heard = self.loop.time()
        self.responder.lost(self.heard)


class BusServer:
    """Serves one bus (any `Machine`), to one master at a time. `before` is called before every read."""

    def __init__(self, bus: Machine, *, before: Callable[[], Any] | None = None) -> None:
        self.bus = bus
        self.before = before
        self.connections: dict[Connection, None] = {}
        self._server: asyncio.Server | None = None

    def make_room(self) -> bool:
        """End the connection there is: a master that comes back may come before its old one is known to be dead."""
        for connection in list(self.connections):
            if connection.transport is not None:
                connection.transport.abort()
        self.connections.clear()
        return True

    def _connection(self) -> _BusConnection:
        return _BusConnection(self, self.connections, self.bus)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> tuple[str, int]:
        """Listen and return the address. Raises `ConfigError` where it cannot be had."""
        try:
            self._server = await asyncio.get_running_loop().create_server(self._connection, host, port)
        except OSError as error:
            raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror}") from None
        address: tuple[str, int] = self._server.sockets[0].getsockname()[:2]
        return address

    async def open(self, path: str | None = None, *, line: Line | None = None) -> str:
        """Serve on a serial port that keeps to `line`, or on a new pseudo-terminal; return its path.

        Raises `ConfigError` or `ConnectionLost` where it cannot be had.
        """
        connection = self._connection()
        if path is not None:
            if line is None:
                raise ConfigError("a serial port needs a line: its speed and character format")
            await open_serial(path, line, connection)
            return path
        terminal = PseudoTerminal(connection, connection.left)
        connection.connection_made(terminal)
        return terminal.path

    async def stop(self) -> None:
        """Close the listener and the connection."""
        if self._server is not None:
            # A closed listener takes no more transports: one that was just accepted would be left open for ever.
            for _ in range(ACCEPT_TURNS):
                await asyncio.sleep(0)
            self._server.close()
        for connection in list(self.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await asyncio.sleep(0)
