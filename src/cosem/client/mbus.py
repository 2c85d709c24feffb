"""`mbus_connect`: a wired M-Bus behind a serial port or a transparent converter, and what its master does.

Answers are the application layers of telegrams, CI and octets; `telegrams` is where their values will come from.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from cosem.client.serial import MBUS_LINE, SerialUrl
from cosem.client.url import query_of
from cosem.errors import ConfigError
from cosem.link.conversing import Dial
from cosem.link.echo import ECHO_MODES
from cosem.link.line import Line, LineSettings
from cosem.mbus.addresses import ANY, LARGEST, SecondaryAddress, check_primary
from cosem.mbus.link_fields import BAUD_CI
from cosem.mbus.master import BusMaster, MasterTimes
from cosem.mbus.primary import MeterAddress, Primary, Reply
from cosem.mbus.search import PrimaryScan, Progress, SecondaryScan, scan_primary, scan_secondary

if TYPE_CHECKING:
    from cosem.io.aio import AsyncioDriver
    from cosem.io.blocking import Trace, Transport

T = TypeVar("T")

USUAL = MasterTimes()
EVERY_ADDRESS = range(LARGEST + 1)
TCP_LATENCY = 0.2
"""Seconds that a converter and the network may take beside the line, unless the URL says otherwise."""
ADDRESS_DIGITS = 3
"""Primary addresses have no more: what is longer is a secondary one."""


@dataclass(frozen=True, slots=True)
class BusUrl:
    """A parsed URL of a bus: where it is, the speed of the bus, and how patient its master is.

    ``mbus+tcp://host:port?baud=2400`` (a transparent converter) or ``mbus+serial:///dev/ttyUSB0?baud=2400``; further
    `timeout` (seconds a meter may take to begin its answer), `tries`, `latency` and `echo`.
    """

    host: str = ""
    port: int = 0
    serial: SerialUrl | None = None
    line: LineSettings = MBUS_LINE
    times: MasterTimes = USUAL
    echo: str = "auto"

    @classmethod
    def parse(cls, text: str) -> BusUrl:
        """Read a URL; raise `ConfigError` with one sentence that names the mistake."""
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            raise ConfigError(f"{text!r} is no URL of a bus: write mbus+tcp://host:port") from None
        if parts.scheme not in ("mbus+tcp", "mbus+serial"):
            raise ConfigError(f"{text!r} is no URL of a bus: write mbus+tcp://host:port or mbus+serial:///dev/ttyUSB0")
        query = query_of(parts.query)
        latency = TCP_LATENCY if parts.scheme == "mbus+tcp" else 0.0
        times = MasterTimes(
            answer=_seconds(query, "timeout", USUAL.answer),
            tries=int(_seconds(query, "tries", USUAL.tries)),
            latency=_seconds(query, "latency", latency),
        )
        if times.tries < 1:
            raise ConfigError("tries is at least 1")
        if parts.scheme == "mbus+serial":
            serial = SerialUrl.parse(parts.scheme, parts.netloc, parts.path, query)
            url = cls(serial=serial, line=serial.line, times=times, echo=serial.echo)
        else:
            if not parts.hostname or port is None or parts.path not in ("", "/"):
                raise ConfigError(f"{text!r} names no converter: write mbus+tcp://host:port")
            echo = query.pop("echo", "auto")
            if echo not in ECHO_MODES:
                raise ConfigError(f"echo={echo} is none of {', '.join(ECHO_MODES)}")
            baud = int(_seconds(query, "baud", MBUS_LINE.baud))
            url = cls(parts.hostname, port, line=MBUS_LINE._replace(baud=baud), times=times, echo=echo)
        if url.line.baud not in BAUD_CI:
            raise ConfigError(f"a bus has {', '.join(map(str, BAUD_CI))} Bd, not {url.line.baud}")
        if query:
            raise ConfigError(f"{next(iter(query))!r} is no parameter of a bus")
        return url


def _seconds(query: dict[str, str], name: str, default: float) -> float:
    text = query.pop(name, None)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        raise ConfigError(f"{name}={text} is no number") from None
    if not 0 <= value <= 100_000:
        raise ConfigError(f"{name}={text} is out of range")
    return value


def meter_address(text: str) -> MeterAddress:
    """Read an address: 0 to 255 primary, what is longer secondary. Raises `ConfigError`."""
    if text.isascii() and text.isdecimal() and len(text) <= ADDRESS_DIGITS:
        return check_primary(int(text))
    return SecondaryAddress.parse(text)


class _Bus:
    """What both masters have: the machine, its conversations, and how the transport is opened."""

    def __init__(self, url: BusUrl | str) -> None:
        self.url = BusUrl.parse(url) if isinstance(url, str) else url
        self.line = Line(self.url.line)
        self.master = BusMaster(self.line, replace(self.url.times), echo=self.url.echo)
        self.master.connected = False
        self.primary = Primary(self.master, switchable=self.url.serial is not None)

    def dialled(self, conversation: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
        """Open the transport where it is not open, then go on with `conversation`."""
        if not self.master.connected:
            yield Dial()
        return (yield from conversation)


class MBus(_Bus):
    """A bus, synchronous. Use it as a context manager, or call `close`.

    Raises `Timeout` where nobody answers, `RemoteProtocolError` for answers that collide, `ConnectionLost`,
    `ConfigError`.
    """

    def __init__(self, url: BusUrl | str, *, trace: Trace | None = None, transport: Transport | None = None) -> None:
        from cosem.io.blocking import BlockingDriver

        super().__init__(url)
        self._driver = BlockingDriver(self.master, transport or self._transport(), trace=trace)
        self.run(_nothing())

    def _transport(self) -> Transport:
        if self.url.serial is not None:
            from cosem.io.serial import SerialTransport

            return SerialTransport(self.url.serial.path, self.line)
        from cosem.io.blocking import TcpTransport

        return TcpTransport(self.url.host, self.url.port)

    def run(self, conversation: Generator[Any, Any, T]) -> T:
        """Run a conversation of your own on this bus; a connection that was lost is opened again first."""
        return self._driver.run(self.dialled(conversation))

    def __enter__(self) -> MBus:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._driver.close()

    def scan_primary(
        self,
        addresses: Sequence[int] = EVERY_ADDRESS,
        *,
        tries: int | None = None,
        progress: Progress | None = None,
    ) -> PrimaryScan:
        """Ask every primary address; see `cosem.mbus.search.scan_primary`."""
        return self.run(scan_primary(self.primary, addresses, tries=tries, progress=progress))

    def scan_secondary(
        self, within: SecondaryAddress = ANY, *, tries: int | None = None, progress: Progress | None = None
    ) -> SecondaryScan:
        """Find every meter by its secondary address; see `cosem.mbus.search.scan_secondary`."""
        return self.run(scan_secondary(self.primary, within, tries=tries, progress=progress))

    def read(self, address: MeterAddress) -> tuple[Reply, ...]:
        """Read a meter: every telegram of its answer."""
        return self.run(telegrams(self.primary, address))

    def read_alarm(self, address: MeterAddress) -> Reply | None:
        """Ask for class 1 data; None where there is no alarm."""
        return self.run(self.primary.read_alarm(address))

    def send(self, address: MeterAddress, ci: int, octets: bytes = b"") -> None:
        """Send an application layer and wait for the acknowledge."""
        self.run(self.primary.send(address, ci, octets))

    def application_reset(self, address: MeterAddress, subcode: int | None = None) -> None:
        """Reset the application, or choose what it answers with."""
        self.run(self.primary.application_reset(address, subcode))

    def set_address(self, address: MeterAddress, new: int) -> None:
        """Give a meter another primary address."""
        self.run(self.primary.set_address(address, new))

    def set_baud(self, address: MeterAddress, baud: int) -> None:
        """Have a meter speak at another speed."""
        self.run(self.primary.set_baud(address, baud))


class AsyncMBus(_Bus):
    """A bus inside an event loop. Calls may be made side by side: each has the bus to itself, in turn."""

    def __init__(self, url: BusUrl | str, *, trace: Trace | None = None) -> None:
        super().__init__(url)
        self._trace = trace
        self._driver: AsyncioDriver | None = None

    async def open(self) -> AsyncMBus:
        """Connect."""
        from cosem.io.aio import AsyncioDriver

        url, opener = self.url, None
        if url.serial is not None:
            from functools import partial

            from cosem.io.serial import open_serial

            opener = partial(open_serial, url.serial.path, self.line)
        self._driver = AsyncioDriver(self.master, url.host, url.port, trace=self._trace, opener=opener)
        await self.run(_nothing())
        return self

    def run(self, conversation: Generator[Any, Any, T]) -> Awaitable[T]:
        """Return an awaitable that runs a conversation of your own on this bus."""
        if self._driver is None:
            raise ConfigError("the bus is not open: await open(), or use it as an async context manager")
        return self._driver.run(self.dialled(conversation))

    async def __aenter__(self) -> AsyncMBus:
        return self if self._driver is not None else await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._driver is not None:
            self._driver.close()

    async def scan_primary(
        self,
        addresses: Sequence[int] = EVERY_ADDRESS,
        *,
        tries: int | None = None,
        progress: Progress | None = None,
    ) -> PrimaryScan:
        """Ask every primary address; see `cosem.mbus.search.scan_primary`."""
        return await self.run(scan_primary(self.primary, addresses, tries=tries, progress=progress))

    async def scan_secondary(
        self, within: SecondaryAddress = ANY, *, tries: int | None = None, progress: Progress | None = None
    ) -> SecondaryScan:
        """Find every meter by its secondary address; see `cosem.mbus.search.scan_secondary`."""
        return await self.run(scan_secondary(self.primary, within, tries=tries, progress=progress))

    async def read(self, address: MeterAddress) -> tuple[Reply, ...]:
        """Read a meter: every telegram of its answer."""
        return await self.run(telegrams(self.primary, address))

    async def read_alarm(self, address: MeterAddress) -> Reply | None:
        """Ask for class 1 data; None where there is no alarm."""
        return await self.run(self.primary.read_alarm(address))

    async def send(self, address: MeterAddress, ci: int, octets: bytes = b"") -> None:
        """Send an application layer and wait for the acknowledge."""
        await self.run(self.primary.send(address, ci, octets))

    async def application_reset(self, address: MeterAddress, subcode: int | None = None) -> None:
        """Reset the application, or choose what it answers with."""
        await self.run(self.primary.application_reset(address, subcode))

    async def set_address(self, address: MeterAddress, new: int) -> None:
        """Give a meter another primary address."""
        await self.run(self.primary.set_address(address, new))

    async def set_baud(self, address: MeterAddress, baud: int) -> None:
        """Have a meter speak at another speed."""
        await self.run(self.primary.set_baud(address, baud))


def telegrams(bus: Primary, address: MeterAddress) -> Generator[Any, Any, tuple[Reply, ...]]:
    """Read a meter. This is the one place where telegrams become what `read` returns."""
    return (yield from bus.read(address))


def _nothing() -> Generator[Any, Any, None]:
    yield from ()


def mbus_connect(url: BusUrl | str, *, trace: Callable[[str, bytes], None] | None = None) -> MBus:
    """Connect to a bus and return its master. Raises `ConfigError`, `ConnectionLost`, `Timeout`."""
    return MBus(url, trace=trace)


async def mbus_connect_async(url: BusUrl | str, *, trace: Callable[[str, bytes], None] | None = None) -> AsyncMBus:
    """Connect to a bus inside an event loop."""
    return await AsyncMBus(url, trace=trace).open()
