"""The wrapper over UDP: a transport for the blocking driver, and one for the event loop."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from cosem.errors import ConnectionLost
from cosem.io.blocking import READ_SIZE, TcpTransport, dial_error
from cosem.link.wrapper import datagrams


class UdpTransport(TcpTransport):
    """Datagrams to and from one peer, with the face of a connection. What is lost on the way is nobody's error here.

    A host that says before the first answer that nothing listens at the port ends the connection; later that may be a
    meter that starts anew, and the time-outs of the client decide.
    """

    _heard = False

    def open(self) -> None:
        """Choose the peer. Raises `ConnectionLost` for an unknown host."""
        self.close()
        self._heard = False
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_DGRAM)[0]
            opened = socket.socket(family, kind, protocol)
        except (OSError, UnicodeError) as error:
            raise dial_error(self.host, self.port, error) from None
        try:
            opened.connect(address)
        except OSError as error:
            opened.close()
            raise dial_error(self.host, self.port, error) from None
        self._socket = opened

    def send(self, octets: bytes) -> None:
        """Send a datagram per APDU. Raises `ConnectionLost` where there is no socket; what the net loses is silence."""
        if self._socket is None:
            raise ConnectionLost("there is no connection")
        self._socket.settimeout(self.timeout)
        for datagram in datagrams(octets):
            try:
                self._socket.send(datagram)
            except ConnectionRefusedError:
                continue  # told of an earlier datagram; `receive` judges it
            except OSError as error:
                self.close()
                raise ConnectionLost(f"a datagram cannot be sent: {error.strerror or error}") from None

    def receive(self, timeout: float | None) -> bytes | None:
        """Return one datagram, b"" where nothing listens at the peer, or None after `timeout` seconds."""
        if self._socket is None:
            raise ConnectionLost("there is no connection")
        try:
            self._socket.settimeout(timeout)
            octets = self._socket.recv(READ_SIZE)
        except (TimeoutError, BlockingIOError):
            return None
        except OSError:
            return None if self._heard else b""
        self._heard = True
        return octets or None


class _Datagrams(asyncio.DatagramProtocol):
    """What the event loop calls for one peer; hands on what a connection would."""

    def __init__(self, wire: asyncio.Protocol) -> None:
        self.wire = wire
        self.heard = False
        self.transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.heard = True
        if data:
            self.wire.data_received(data)

    def error_received(self, exc: Exception) -> None:
        if not self.heard and self.transport is not None:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.wire.connection_lost(exc)


class _Outlet:
    """The sending half, with the face of a connection's transport."""

    def __init__(self, transport: asyncio.DatagramTransport) -> None:
        self._transport = transport

    def write(self, octets: bytes) -> None:
        """Send a datagram per APDU."""
        for datagram in datagrams(octets):
            self._transport.sendto(datagram)

    def close(self) -> None:
        """Close the socket."""
        self._transport.close()


async def open_udp(host: str, port: int, wire: asyncio.Protocol) -> _Outlet:
    """Return where to send; what comes goes to `wire`."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(wire), remote_addr=(host, port))
    return _Outlet(transport)
