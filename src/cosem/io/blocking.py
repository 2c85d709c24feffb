"""The blocking driver: one thread, one socket, one machine."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Generator
from typing import Any, Protocol, TypeVar

from cosem.errors import ConnectionLost, CosemError, Timeout
from cosem.link.conversing import Conversing, Dial, Hangup, Running, Save

T = TypeVar("T")
READ_SIZE = 65536

Trace = Callable[[str, bytes], None]
"""Called with ``">"`` or ``"<"`` and the octets of every write and read."""


class Transport(Protocol):
    """What the driver needs of a connection."""

    @property
    def is_open(self) -> bool:
        """Whether there is a connection, as far as this side knows."""

    def open(self) -> None:
        """Connect, also again. Raises `ConnectionLost`, `Timeout` or `ConfigError`."""

    def close(self) -> None:
        """Disconnect."""

    def send(self, octets: bytes) -> None:
        """Write everything. Raises `ConnectionLost`."""

    def receive(self, timeout: float | None) -> bytes | None:
        """Return what has arrived, b"" where the peer has closed, or None after `timeout` seconds."""


class TcpTransport:
    """A TCP connection that can be opened again."""

    def __init__(self, host: str, port: int, *, timeout: float = 10.0) -> None:
        self.host = host
        self.port = port
        self.timeout = timeout
        self._socket: socket.socket | None = None

    def open(self) -> None:
        """Connect. Raises `ConnectionLost` (refused, unknown host) or `Timeout`, with what to try next."""
        self.close()
        try:
            self._socket = socket.create_connection((self.host, self.port), self.timeout)
        except (OSError, UnicodeError) as error:
            raise dial_error(self.host, self.port, error) from None
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        """Disconnect."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    @property
    def is_open(self) -> bool:
        """Whether there is a connection, as far as this side knows."""
        return self._socket is not None

    def send(self, octets: bytes) -> None:
        """Write everything. Raises `ConnectionLost`, also for a peer that does not read."""
        if self._socket is None:
            raise ConnectionLost("there is no connection")
        try:
            self._socket.settimeout(self.timeout)
            self._socket.sendall(octets)
        except OSError as error:
            self.close()
            raise ConnectionLost(f"the connection broke while sending: {error.strerror or error}") from None

    def receive(self, timeout: float | None) -> bytes | None:
        """Return what has arrived, b"" where the peer has closed, or None after `timeout` seconds."""
        if self._socket is None:
            raise ConnectionLost("there is no connection")
        try:
            self._socket.settimeout(timeout)
            return self._socket.recv(READ_SIZE)
        except (TimeoutError, BlockingIOError):
            return None
        except OSError:
            return b""


def dial_error(host: str, port: int, error: OSError | UnicodeError) -> CosemError:
    """Say in words why there is no TCP connection, and what to try next."""
    where = f"{host}:{port}"
    if isinstance(error, TimeoutError):
        return Timeout(
            f"no TCP connection to {where}",
            "Nothing answers at that address: is the modem online, is a firewall in between, is the port right (4059)?",
        )
    if isinstance(error, (socket.gaierror, UnicodeError)):
        return ConnectionLost(f"no TCP connection to {where}: the name {host!r} is not known")
    if isinstance(error, ConnectionRefusedError):
        return ConnectionLost(
            f"no TCP connection to {where}: the host refuses it; nothing listens there, or somebody else holds the line"
        )
    return ConnectionLost(f"no TCP connection to {where}: {error.strerror or error}")


class BlockingDriver:
    """Runs the conversations of one machine over a transport, one at a time."""

    def __init__(self, machine: Conversing, transport: Transport, *, trace: Trace | None = None) -> None:
        self.machine = machine
        self.transport = transport
        self.trace = trace

    def run(self, conversation: Generator[Any, Any, T]) -> T:
        """Run a conversation to its end and return its result, or raise its error."""
        machine = self.machine
        running = machine.start(conversation, time.monotonic())
        try:
            while not running.done:
                self._turn()
            self._flush()
        except BaseException:
            machine.cancel(running, time.monotonic())
            raise
        return running.outcome()

    def _turn(self) -> None:
        machine = self.machine
        order = machine.driver_step()
        if order is not None:
            self._order(*order)
            return
        self._flush()
        due = machine.next_timer()
        timeout = None if due is None else max(0.0, due - time.monotonic())
        if not self.transport.is_open:
            if timeout is None:
                raise ConnectionLost("there is no connection, and nothing to wait for")
            time.sleep(timeout)
            machine.handle_timer(time.monotonic())
            return
        octets = self.transport.receive(timeout)
        now = time.monotonic()
        if octets is None:
            machine.handle_timer(now)
        elif not octets:
            self.transport.close()
            machine.lost(now)
        else:
            if self.trace is not None:
                self.trace("<", octets)
            machine.receive(octets, now)
            # A peer that never pauses must not keep the timers from running.
            if due is not None and due <= now:
                machine.handle_timer(now)

    def _flush(self) -> None:
        octets = self.machine.take()
        if not octets or not self.transport.is_open:
            return
        if self.trace is not None:
            self.trace(">", octets)
        try:
            self.transport.send(octets)
        except ConnectionLost:
            self.machine.lost(time.monotonic())

    def _order(self, running: Running[Any], step: Save | Dial | Hangup) -> None:
        machine = self.machine
        value: Any = None
        error: BaseException | None = None
        try:
            if isinstance(step, Save):
                value = step.action()
            elif isinstance(step, Dial):
                self.transport.open()
            else:
                self._flush()
                self.transport.close()
                machine.lost(time.monotonic())
        except CosemError as raised:
            error = raised
        machine.answer(running, value, time.monotonic(), error)

    def close(self) -> None:
        """Close the transport."""
        self.transport.close()
