"""Connections that the other side has opened, with the face of those this side dials."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, cast

from cosem.errors import ConnectionLost
from cosem.io.blocking import TcpTransport

MAX_GREETING = 0x10000
"""Octets a meter may send before anybody listens to it; one that sends more is hung up on."""
GONE = "the connection that the meter opened is over; it has to open another"


class AcceptedTransport(TcpTransport):
    """A connection that was accepted. It cannot be dialled again.

    While `kept` is true, hanging up keeps it: what one association leaves, the next one uses.
    """

    def __init__(self, accepted: socket.socket, peer: Any, *, timeout: float = 10.0) -> None:
        super().__init__(peer[0], peer[1], timeout=timeout)
        self._socket = accepted
        self.kept = True
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def open(self) -> None:
        """Go on using the connection. Raises `ConnectionLost` where it is over."""
        if self._socket is None:
            raise ConnectionLost(GONE)

    def close(self) -> None:
        """Hang up, unless the connection is kept for the next association."""
        if not self.kept:
            super().close()

    def receive(self, timeout: float | None) -> bytes | None:
        """Return what has arrived, b"" where the peer has closed, or None after `timeout` seconds."""
        octets = super().receive(timeout)
        if octets == b"":
            self.kept = False
        return octets


class InboundWire(asyncio.Protocol):
    """A connection that a meter opened, for the event loop. What comes before somebody uses it waits.

    `kept` as for `AcceptedTransport`.
    """

    def __init__(self, called: Callable[[InboundWire], None]) -> None:
        self._called = called
        self._user: asyncio.Protocol | None = None
        self._waiting = bytearray()
        self._news = asyncio.Event()
        self._transport: asyncio.Transport | None = None
        self.peer: tuple[str, int] = ("", 0)
        self.kept = True

    # --- the event loop ------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Tell the door who called."""
        # Not asserted: the transports of other event loops (uvloop) are no `asyncio.Transport`.
        self._transport = cast("asyncio.Transport", transport)
        self.peer = transport.get_extra_info("peername")[:2]
        self._called(self)

    def data_received(self, data: bytes) -> None:
        """Hand octets to the user, or keep them for one."""
        if self._user is not None:
            self._user.data_received(data)
            return
        self._waiting += data
        if len(self._waiting) > MAX_GREETING:
            self.abort()
        self._news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the user that the connection is over."""
        self._transport = None
        self._news.set()
        if self._user is not None:
            self._user.connection_lost(exc)

    # --- the client ----------------------------------------------------------------------------------------

    async def receive(self, seconds: float) -> bytes | None:
        """Return what has come, or None after so many seconds. Raises `ConnectionLost`."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                while not self._waiting:
                    if self._transport is None:
                        raise ConnectionLost(GONE)
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return None
        octets = bytes(self._waiting)
        self._waiting.clear()
        return octets

    async def open(self, user: asyncio.Protocol) -> InboundWire:
        """Hand everything that comes to `user` from now on. Raises `ConnectionLost` where the connection is over."""
        if self._transport is None:
            raise ConnectionLost(GONE)
        self._user = user
        if self._waiting:
            octets = bytes(self._waiting)
            self._waiting.clear()
            asyncio.get_running_loop().call_soon(user.data_received, octets)
        return self

    def write(self, octets: bytes) -> None:
        """Send octets."""
        if self._transport is not None:
            self._transport.write(octets)

    def close(self) -> None:
        """Hang up, unless the connection is kept for the next association."""
        self._user = None
        if not self.kept:
            self.abort()

    def abort(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()
