"""Being the P1 port of a meter on a serial line, or on a pseudo-terminal made for the purpose."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from cosem.io.serial import PseudoTerminal, open_serial
from cosem.link.line import Line, LineSettings

P1_LINE: Final = LineSettings(115200, 8, "N", 1)
"""DSMR 5; older versions had 9600 Bd 7E1."""


class P1Server(asyncio.Protocol):
    """Sends telegrams to whoever listens; what comes is ignored. One that the line has no room for is left out.

    So is one that nobody is there to read: who opens the port later wants the present, not what has waited.
    """

    def __init__(self, line: LineSettings = P1_LINE) -> None:
        self.line = Line(line.checked())
        self._transport: Any = None
        self._paused = False

    async def open(self, path: str | None = None) -> str:
        """Open a port, or make a pseudo-terminal; return its path.

        Raises `ConfigError` or `ConnectionLost` where it cannot be had.
        """
        if path is not None:
            await open_serial(path, self.line, self)
            return path
        terminal = PseudoTerminal(self, self._left)
        self.connection_made(terminal)
        return terminal.path

    def send(self, telegram: bytes) -> None:
        """Send a telegram."""
        if self._transport is not None and not self._paused and not getattr(self._transport, "alone", False):
            self._transport.write(telegram)

    async def stop(self) -> None:
        """Close the port."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Have a line."""
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Have none any more."""
        self._transport = None

    def pause_writing(self) -> None:
        """Leave telegrams out."""
        self._paused = True

    def resume_writing(self) -> None:
        """Send them again."""
        self._paused = False

    def _left(self) -> None:
        """Learn that nobody has the pseudo-terminal open: what waited is gone."""
        self._paused = False
