"""Being a meter on a serial port, an optical port, or a pseudo-terminal made for the purpose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cosem.association.responder import Responder, ResponderSettings
from cosem.association.server import ObjectServer
from cosem.io.serial import PseudoTerminal, open_serial
from cosem.io.server import Connection, DeviceServer, make_link
from cosem.link.base import Link
from cosem.link.line import Line, LineSettings
from cosem.link.mode_e.link import ModeEServer
from cosem.link.mode_e.settings import ModeESettings
from cosem.link.serial import SerialLink


class _SerialConnection(Connection):
    """The one line there is. Nobody hangs up on it: a client that is silent for long has left."""

    echo = False

    def connection_made(self, transport: Any) -> None:
        """Serve the line."""
        self.transport = transport
        self.kept[self] = None
        self.pump()

    def data_received(self, data: bytes) -> None:
        """Take octets; a head that echoes gives them back first."""
        if self.echo and self.transport is not None:
            self.transport.write(data)
        self.serve(data)

    def idle(self) -> None:
        """Forget the client."""
        self.left()

    def left(self) -> None:
        """Learn that the other end closed the pseudo-terminal."""
        self.heard = self.loop.time()
        self.responder.lost(self.heard)
        self.pump()


class SerialServer(DeviceServer):
    """Serves one physical device with HDLC on a serial line, after mode E where `mode_e` is given.

    `line` are the settings of a line that is HDLC from the start. `echo` gives back whatever comes, as many optical
    heads do; `cancel` is how echoes of our own octets are treated (``"auto"``, ``"on"``, ``"off"``).
    """

    def __init__(
        self,
        device: ObjectServer,
        *,
        line: LineSettings | None = None,
        mode_e: ModeESettings | None = None,
        echo: bool = False,
        cancel: str = "auto",
        settings: ResponderSettings | None = None,
        before: Callable[[], Any] | None = None,
    ) -> None:
        super().__init__(device, framing="hdlc", settings=settings, before=before)
        self.mode_e = mode_e
        self.echo = echo
        self.cancel = cancel
        self.line = Line((line or LineSettings()).checked() if mode_e is None else mode_e.initial)

    async def open(self, path: str | None = None) -> str:
        """Serve on a serial port, or on a new pseudo-terminal; return the path that a client uses or this side holds.

        Raises `ConfigError` or `ConnectionLost` where it cannot be had.
        """

        def hdlc(_: LineSettings) -> Link:
            return make_link("hdlc", self.device)

        mode_e = self.mode_e
        inner = hdlc(self.line.settings) if mode_e is None else ModeEServer(hdlc, mode_e, self.line)
        link = SerialLink(inner, self.line, echo=self.cancel)
        connection = _SerialConnection(self, self.connections, Responder(link, self.device, self.random, self.settings))
        connection.echo = self.echo
        if path is not None:
            await open_serial(path, self.line, connection)
            return path
        terminal = PseudoTerminal(connection, connection.left)
        connection.connection_made(terminal)
        return terminal.path
