"""`mbus_connect`: a wired M-Bus behind a serial port or a transparent converter, and what its master does.

`read` gives the application layers of telegrams, CI and octets, and `reading` their values by the meter's model. With
keys (a `KeyStore`) protected answers and orders are opened and made.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from cosem.client.serial import MBUS_LINE, SerialUrl
from cosem.client.url import query_of
from cosem.errors import ConfigError, DecodeError
from cosem.link.conversing import Dial
from cosem.link.echo import ECHO_MODES
from cosem.link.line import Line, LineSettings
from cosem.mbus.addresses import ANY, LARGEST, SecondaryAddress, check_primary
from cosem.mbus.ci import Content
from cosem.mbus.continuation import more_follows
from cosem.mbus.fixed import FixedData
from cosem.mbus.keys import KeyStore
from cosem.mbus.link_fields import BAUD_CI
from cosem.mbus.master import BusMaster, MasterTimes
from cosem.mbus.model import Models
from cosem.mbus.ordering import Answer, KeyForm, Meters
from cosem.mbus.primary import MeterAddress, Primary, Reply, named
from cosem.mbus.readings import Reading, fixed_reading, reading
from cosem.mbus.record import Record
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
    """What both masters have: the machine, its conversations, its meters, and how the transport is opened."""

    def __init__(self, url: BusUrl | str, keys: KeyStore | None = None, known: Models | None = None) -> None:
        self.url = BusUrl.parse(url) if isinstance(url, str) else url
        self.line = Line(self.url.line)
        self.master = BusMaster(self.line, replace(self.url.times), echo=self.url.echo)
        self.master.connected = False
        keys = KeyStore() if keys is None else keys
        follows = partial(more_follows, keys=keys)
        self.primary = Primary(self.master, more_follows=follows, switchable=self.url.serial is not None)
        self.meters = Meters(self.primary, keys, known)

    def dialled(self, conversation: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
        """Open the transport where it is not open, then go on with `conversation`."""
        if not self.master.connected:
            yield Dial()
        return (yield from conversation)


class MBus(_Bus):
    """A bus, synchronous. Use it as a context manager, or call `close`. `known`: models beside those of the package.

    Raises `Timeout` where nobody answers, `RemoteProtocolError` for answers that collide, `MeterRefused`,
    `SecurityError` for what is not believed, `ConnectionLost`, `ConfigError`.
    """

    def __init__(
        self,
        url: BusUrl | str,
        *,
        keys: KeyStore | None = None,
        known: Models | None = None,
        trace: Trace | None = None,
        transport: Transport | None = None,
    ) -> None:
        from cosem.io.blocking import BlockingDriver

        super().__init__(url, keys, known)
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
        return self.run(self.primary.read(address))

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

    def reading(self, address: MeterAddress, *, name: str = "") -> Reading:
        """Read a meter: the values of its answer by the names of its model, opened with its key."""
        return self.run(_reading(self.meters, address, name))

    def set_clock(
        self, address: MeterAddress, local: datetime | None = None, *, summer_time: bool = False
    ) -> Answer | None:
        """Set a clock (255: all of them) to a local time, this machine's without one, and see that it shows it."""
        if local is None:
            local, summer_time = local_now()
        return self.run(self.meters.set_clock(address, local, summer_time=summer_time, stamp=stamp()))

    def close_valve(self, address: MeterAddress) -> Answer:
        """Close a valve, and see that it closes."""
        return self.run(self.meters.move_valve(address, "close", stamp=stamp()))

    def release_valve(self, address: MeterAddress) -> Answer:
        """Let a person open a valve."""
        return self.run(self.meters.move_valve(address, "release", stamp=stamp()))

    def open_valve(self, address: MeterAddress) -> Answer:
        """Open a valve from afar, where its meter does that (water)."""
        return self.run(self.meters.move_valve(address, "open", stamp=stamp()))

    def acknowledge_alarms(self, address: MeterAddress) -> Answer | None:
        """Have a meter forget alarms that are over."""
        return self.run(self.meters.acknowledge(address, stamp=stamp()))

    def change_key(
        self, address: MeterAddress, new: bytes, *, under: bytes, form: KeyForm = "counted", key_id: int = 0
    ) -> Answer:
        """Give a meter a new key, wrapped `under` its default key, and see that it answers under it."""
        return self.run(self.meters.change_key(address, new, under=under, form=form, key_id=key_id, stamp=stamp()))

    def send_records(self, address: MeterAddress, records: Iterable[Record]) -> Answer | None:
        """Send records, under the meter's key where it has one, and return what it says then; 255 says nothing."""
        return self.run(self.meters.order(address, records, stamp=stamp()))


class AsyncMBus(_Bus):
    """A bus inside an event loop. Calls may be made side by side: each has the bus to itself, in turn."""

    def __init__(
        self,
        url: BusUrl | str,
        *,
        keys: KeyStore | None = None,
        known: Models | None = None,
        trace: Trace | None = None,
    ) -> None:
        super().__init__(url, keys, known)
        self._trace = trace
        self._driver: AsyncioDriver | None = None

    async def open(self) -> AsyncMBus:
        """Connect."""
        from cosem.io.aio import AsyncioDriver

        url, opener = self.url, None
        if url.serial is not None:
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
        return await self.run(self.primary.read(address))

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

    async def reading(self, address: MeterAddress, *, name: str = "") -> Reading:
        """Read a meter: the values of its answer by the names of its model, opened with its key."""
        return await self.run(_reading(self.meters, address, name))

    async def set_clock(
        self, address: MeterAddress, local: datetime | None = None, *, summer_time: bool = False
    ) -> Answer | None:
        """Set a clock (255: all of them) to a local time, this machine's without one, and see that it shows it."""
        if local is None:
            local, summer_time = local_now()
        return await self.run(self.meters.set_clock(address, local, summer_time=summer_time, stamp=stamp()))

    async def close_valve(self, address: MeterAddress) -> Answer:
        """Close a valve, and see that it closes."""
        return await self.run(self.meters.move_valve(address, "close", stamp=stamp()))

    async def release_valve(self, address: MeterAddress) -> Answer:
        """Let a person open a valve."""
        return await self.run(self.meters.move_valve(address, "release", stamp=stamp()))

    async def open_valve(self, address: MeterAddress) -> Answer:
        """Open a valve from afar, where its meter does that (water)."""
        return await self.run(self.meters.move_valve(address, "open", stamp=stamp()))

    async def acknowledge_alarms(self, address: MeterAddress) -> Answer | None:
        """Have a meter forget alarms that are over."""
        return await self.run(self.meters.acknowledge(address, stamp=stamp()))

    async def change_key(
        self, address: MeterAddress, new: bytes, *, under: bytes, form: KeyForm = "counted", key_id: int = 0
    ) -> Answer:
        """Give a meter a new key, wrapped `under` its default key, and see that it answers under it."""
        return await self.run(
            self.meters.change_key(address, new, under=under, form=form, key_id=key_id, stamp=stamp())
        )

    async def send_records(self, address: MeterAddress, records: Iterable[Record]) -> Answer | None:
        """Send records, under the meter's key where it has one, and return what it says then; 255 says nothing."""
        return await self.run(self.meters.order(address, records, stamp=stamp()))


def _reading(meters: Meters, address: MeterAddress, name: str) -> Generator[Any, Any, Reading]:
    answer = yield from meters.read(address)
    if not answer.telegrams:
        raise DecodeError(f"{named(address)} has nothing to say")
    first, now = answer.telegrams[0], datetime.now(UTC)
    if first.content is Content.FIXED:
        return fixed_reading(FixedData.from_octets(first.application), timestamp=now, name=name)
    return reading(first, meters.known, timestamp=now, name=name, records=answer.records)


STAMP_DAY = datetime(2000, 1, 1, tzinfo=UTC)


def stamp() -> int:
    """Return what counters of orders are not below: seconds since 2000, which grow from program to program."""
    return int((datetime.now(UTC) - STAMP_DAY).total_seconds())


def local_now() -> tuple[datetime, bool]:
    """Return this machine's local time, and whether that is summer time."""
    import time

    moment = time.time()
    return datetime.fromtimestamp(moment), time.localtime(moment).tm_isdst > 0


def _nothing() -> Generator[Any, Any, None]:
    yield from ()


def mbus_connect(
    url: BusUrl | str,
    *,
    keys: KeyStore | None = None,
    known: Models | None = None,
    trace: Callable[[str, bytes], None] | None = None,
) -> MBus:
    """Connect to a bus and return its master. Raises `ConfigError`, `ConnectionLost`, `Timeout`."""
    return MBus(url, keys=keys, known=known, trace=trace)


async def mbus_connect_async(
    url: BusUrl | str,
    *,
    keys: KeyStore | None = None,
    known: Models | None = None,
    trace: Callable[[str, bytes], None] | None = None,
) -> AsyncMBus:
    """Connect to a bus inside an event loop."""
    return await AsyncMBus(url, keys=keys, known=known, trace=trace).open()
