"""Serial ports and pseudo-terminals: a transport for the blocking driver, and one for the event loop.

Both keep to a `cosem.link.line.Line`: where the link above changes it, the port changes once everything is out.
"""

from __future__ import annotations

import asyncio
import errno
import os
import select
from collections.abc import Callable
from importlib import import_module
from typing import Any

from cosem.errors import ConfigError, ConnectionLost, CosemError
from cosem.link.line import Line, LineSettings

READ_SIZE = 65536
MAX_WRITE = 65536
"""Octets that may wait for a slow line before the side above is asked to pause."""
HANGUP_POLL = 0.1
"""Seconds between looks at a pseudo-terminal that nobody has open."""
_SPARE = 5.0
"""Seconds that writing may take longer than the line needs."""
_NO_PYSERIAL = "serial ports need pyserial: install it with pip install 'cosem[serial]'"


def _errors() -> tuple[type[Exception], ...]:
    """Return what a port raises: on POSIX also an error of its own that is no `OSError`."""
    try:
        import termios
    except ImportError:
        return (OSError, ValueError)
    return (OSError, ValueError, termios.error)


def is_pseudo_terminal(path: str) -> bool:
    """Whether a path leads to a pseudo-terminal, which carries whole octets whatever it is told."""
    return os.path.realpath(path).startswith("/dev/pts/")


def open_port(path: str, settings: LineSettings) -> Any:
    """Open a port for this process alone and return pyserial's object.

    Raises `ConfigError` without pyserial or where the port does not have these settings, `ConnectionLost` where it
    cannot be had.
    """
    try:
        serial: Any = import_module("serial")
    except ImportError:
        raise ConfigError(_NO_PYSERIAL) from None
    try:
        port = serial.Serial(timeout=0, exclusive=True if os.name == "posix" else None)
        port.port = path
        _configure(port, path, settings)
        port.open()
    except _errors() as error:
        raise _words(path, settings, error) from None
    return port


def _configure(port: Any, path: str, settings: LineSettings) -> None:
    port.baudrate = settings.baud
    if not is_pseudo_terminal(path):
        port.bytesize, port.parity, port.stopbits = settings.databits, settings.parity, settings.stopbits


def _words(path: str, settings: LineSettings, error: Exception) -> CosemError:
    """Say in words why a port cannot be had, and what to try next."""
    code = getattr(error, "errno", None)
    if code is None and error.args and isinstance(error.args[0], int):
        code = error.args[0]
    if code == errno.ENOENT:
        return ConnectionLost(f"there is no serial port {path}: is the adapter plugged in?")
    if code in (errno.EACCES, errno.EPERM):
        return ConnectionLost(f"{path} may not be opened: add this user to the group of serial ports (often dialout)")
    if code in (errno.EBUSY, errno.EAGAIN):
        return ConnectionLost(f"another program holds {path}")
    if code == errno.EINVAL or isinstance(error, ValueError):
        return ConfigError(f"{path} cannot be set to {settings}; for 7E1 on a port of eight bits say parity=software")
    if code is None:
        return ConnectionLost(f"{path} cannot be opened: {error}")
    return ConnectionLost(f"{path} cannot be opened: {os.strerror(code)}")


class _Port:
    """An open port that follows a line."""

    def __init__(self, path: str, line: Line) -> None:
        self.path = path
        self.line = line
        self.broken: CosemError | None = None
        self.failed: Callable[[], None] | None = None
        self.port = open_port(path, line.settings)
        line.watch(self.apply)

    def apply(self, settings: LineSettings) -> None:
        """Change the port, behind what was sent. What fails is kept for the next read: the machine is not to know."""
        try:
            self.port.flush()
            _configure(self.port, self.path, settings)
        except _errors() as error:
            self.broken = _words(self.path, settings, error)
            if self.failed is not None:
                self.failed()

    def close(self) -> None:
        """Close the port."""
        self.line.watch(None)
        try:
            self.port.close()
        except _errors():
            # An adapter that was pulled out cannot be closed either.
            pass


class SerialTransport:
    """A serial port for the blocking driver; it can be opened again."""

    def __init__(self, path: str, line: Line) -> None:
        self.path = path
        self.line = line
        self._port: _Port | None = None

    def open(self) -> None:
        """Open the port. Raises `ConnectionLost` or `ConfigError`, with what to try next."""
        self.close()
        self._port = _Port(self.path, self.line)

    def close(self) -> None:
        """Close the port."""
        if self._port is not None:
            self._port.close()
            self._port = None

    @property
    def is_open(self) -> bool:
        """Whether the port is open, as far as this side knows."""
        return self._port is not None

    def send(self, octets: bytes) -> None:
        """Write everything. Raises `ConnectionLost`."""
        if self._port is None:
            raise ConnectionLost("the serial port is not open")
        port = self._port.port
        try:
            port.write_timeout = self.line.settings.seconds(len(octets)) + _SPARE
            port.write(octets)
        except _errors() as error:
            self.close()
            raise ConnectionLost(f"{self.path} broke while sending: {error}") from None

    def receive(self, timeout: float | None) -> bytes | None:
        """Return what has arrived, b"" where the port is gone, or None after `timeout` seconds."""
        if self._port is None:
            raise ConnectionLost("the serial port is not open")
        if self._port.broken is not None:
            raise self._port.broken
        port = self._port.port
        try:
            port.timeout = timeout
            first: bytes = port.read(1)
            if not first:
                return None
            more: bytes = port.read(port.in_waiting)
        except _errors():
            return b""
        return first + more


class FileTransport(asyncio.Transport):
    """An open port as the event loop's transport, by its file descriptor (POSIX)."""

    def __init__(self, protocol: asyncio.Protocol, descriptor: int, closed: Callable[[], None]) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._protocol = protocol
        self._descriptor = descriptor
        self._closed: Callable[[], None] | None = closed
        self._out = bytearray()
        self._paused = False
        self.resume_reading()

    def write(self, data: Any) -> None:
        """Send octets; what the port does not take yet waits."""
        if self._closed is None:
            return
        waiting = bool(self._out)
        self._out += data
        if not waiting:
            self._write_ready()
        if len(self._out) > MAX_WRITE and not self._paused:
            self._paused = True
            self._protocol.pause_writing()

    def _write_ready(self) -> None:
        try:
            del self._out[: os.write(self._descriptor, self._out)]
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            self._gone(error)
            return
        if self._out:
            self._loop.add_writer(self._descriptor, self._write_ready)
            return
        self._loop.remove_writer(self._descriptor)
        if self._paused:
            self._paused = False
            self._protocol.resume_writing()

    def _read_ready(self) -> None:
        try:
            octets = os.read(self._descriptor, READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._gone(error)
            return
        if octets:
            self._protocol.data_received(octets)
        else:
            self._gone(None)

    def _gone(self, error: OSError | None) -> None:
        """The port is no more: an adapter pulled out, a pseudo-terminal closed by its maker."""
        self._end(error)

    def _end(self, error: Exception | None) -> None:
        if self._closed is None:
            return
        self._loop.remove_reader(self._descriptor)
        self._loop.remove_writer(self._descriptor)
        self._closed()
        self._closed = None
        self._out.clear()
        self._loop.call_soon(self._protocol.connection_lost, error)

    def pause_reading(self) -> None:
        """Read nothing for now."""
        self._loop.remove_reader(self._descriptor)

    def resume_reading(self) -> None:
        """Go on reading."""
        if self._closed is not None:
            self._loop.add_reader(self._descriptor, self._read_ready)

    def is_closing(self) -> bool:
        """Whether the port is closed."""
        return self._closed is None

    def close(self) -> None:
        """Close the port."""
        self._end(None)

    abort = close


class PseudoTerminal(FileTransport):
    """The maker's end of a pseudo-terminal; `path` is what others open.

    Nobody having it open is no end: `left` is called, and the next one who opens it is heard.
    """

    def __init__(self, protocol: asyncio.Protocol, left: Callable[[], None]) -> None:
        if not hasattr(os, "openpty"):
            raise ConfigError("this system has no pseudo-terminals: name a serial port")
        import tty

        own, other = os.openpty()
        tty.setraw(other)
        self.path = os.ttyname(other)
        os.close(other)
        os.set_blocking(own, False)
        self._left = left
        self._poll = select.poll()
        self._poll.register(own, select.POLLIN)
        self._look: asyncio.TimerHandle | None = None
        super().__init__(protocol, own, lambda: os.close(own))

    @property
    def alone(self) -> bool:
        """Whether nobody has it open: what is written then waits for the next one who does."""
        return any(event & select.POLLHUP for _, event in self._poll.poll(0))

    def resume_reading(self) -> None:
        """Go on reading as soon as somebody has it open."""
        self._look = None
        if self.is_closing():
            return
        if any(event & select.POLLHUP and not event & select.POLLIN for _, event in self._poll.poll(0)):
            self._look = self._loop.call_later(HANGUP_POLL, self.resume_reading)
        else:
            super().resume_reading()

    def _gone(self, error: OSError | None) -> None:
        self.pause_reading()
        self._out.clear()
        self._left()
        self.resume_reading()

    def close(self) -> None:
        """Remove the pseudo-terminal."""
        if self._look is not None:
            self._look.cancel()
        super().close()

    abort = close


async def open_serial(path: str, line: Line, wire: asyncio.Protocol) -> FileTransport:
    """Open a port in the running event loop; what comes goes to `wire`.

    Raises `ConnectionLost` or `ConfigError`, also for an event loop that cannot watch a port.
    """
    if os.name != "posix":
        raise ConfigError("serial ports in an event loop need a POSIX system: use the blocking client here")
    port = _Port(path, line)
    transport = FileTransport(wire, port.port.fileno(), port.close)
    port.failed = transport.abort
    wire.connection_made(transport)
    return transport
