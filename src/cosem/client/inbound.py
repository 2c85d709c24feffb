"""Connections that meters open: the modem dials in, and the client associates over that connection.

`listen_for_meters` is the synchronous door, `serve_inbound` the asynchronous one; both give the same meters as
`connect` and `connect_async`. Who calls is known by its network address, and by what it pushes first (a heartbeat, an
alarm) if one waits for that. A claim in clear proves nothing: the association does, with the keys of that meter.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from cosem.client.async_meter import AsyncMeter
from cosem.client.core import ClientOptions
from cosem.client.keyfile import DeviceKeys, KeyFile
from cosem.client.listen import Listener, Push, Senders
from cosem.client.meter import Meter
from cosem.client.plan import Plan, client_link
from cosem.client.url import MeterUrl
from cosem.errors import ConfigError, ConnectionLost, Timeout
from cosem.obis import Obis

if TYPE_CHECKING:
    from cosem.io.blocking import Trace
    from cosem.io.inbound import AcceptedTransport, InboundWire
    from cosem.security.counters import CounterStore

MAX_CALLERS = 10_000
"""Meters connected to one door at once; further ones are turned away and call again later."""
MAX_FAILURES = 100
"""Failures a door keeps for whoever asks; the oldest go first."""

DEVICE_NAME = Obis.parse("0-0:42.0.0.255")

Identify = Callable[["Greeting"], "DeviceKeys | None"]
"""Names the keys of whoever calls, from its address and what it said; None for those of the URL."""


class Greeting:
    """Who calls: `peer` is its network address, `pushes` what it sent before anybody asked."""

    def __init__(self, peer: tuple[str, int], pushes: list[Push]) -> None:
        self.peer = peer
        self.pushes = pushes

    @property
    def system_title(self) -> bytes | None:
        """Return the system title that the first push names, if one does."""
        return next((push.system_title for push in self.pushes if push.system_title), None)

    @property
    def device_name(self) -> bytes | None:
        """Return the COSEM logical device name that a push claims in clear, if one does."""
        for push in self.pushes:
            for reading in push.readings:
                if reading.obis == DEVICE_NAME and isinstance(reading.value.value, bytes):
                    return reading.value.value
        return None


class _Setup:
    """What the associations of a door have in common."""

    def __init__(
        self,
        url: MeterUrl | str,
        keys: KeyFile | Path | str | None,
        counters: CounterStore | Path | str | None,
        options: ClientOptions | None,
        identify: Identify | None,
        trace: Trace | None,
    ) -> None:
        self.url = MeterUrl.parse(url) if isinstance(url, str) else url
        if self.url.transport != "tcp":
            raise ConfigError("meters open TCP connections: listen on tcp://HOST:PORT or hdlc+tcp://HOST:PORT")
        self.file = keys if isinstance(keys, KeyFile) else KeyFile.find(keys)
        self.senders = Senders(self.file.all())
        self.counters = counters
        self.options = options
        self.identify = identify
        self.trace = trace

    def listener(self) -> Listener:
        """Return a listener for what comes before the association."""
        return Listener(client_link(self.url), self.senders)

    def plan(self, greeting: Greeting) -> Plan:
        """Return the plan of an association: the keys of whoever calls, or those of the URL."""
        device = None if self.identify is None else self.identify(greeting)
        if device is None and self.url.device is None:
            device = self._claimed(greeting)
        return Plan(self.url, keys=self.file, device=device, counters=self.counters, options=self.options)

    def _claimed(self, greeting: Greeting) -> DeviceKeys | None:
        """Return the section of whoever the first push says it is."""
        if (title := greeting.system_title) is not None:
            return next((item for item in self.file.all() if item.system_title == title), None)
        name = (greeting.device_name or b"").decode("ascii", "replace")
        return self.file.device(name) if name in self.file.names else None


# --- synchronous -----------------------------------------------------------------------------------------------


class Caller:
    """A meter that has opened a connection. `associate` gives the meter; `close` sends the caller away."""

    def __init__(self, setup: _Setup, transport: AcceptedTransport) -> None:
        self._setup = setup
        self._transport = transport
        self.greeting = Greeting((transport.host, transport.port), [])

    @property
    def peer(self) -> tuple[str, int]:
        """Return the network address of the caller."""
        return self.greeting.peer

    def listen(self, seconds: float) -> Push | None:
        """Wait so long for the first notification and return it, or None.

        What is no frame (the registration text of a modem) is passed over. Raises `ConnectionLost`.
        """
        listener, end = self._setup.listener(), time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            octets = self._transport.receive(left)
            if octets is None:
                break
            if not octets:
                self.close()
                raise ConnectionLost("the meter has ended its connection")
            pushes = listener.receive(octets, time.monotonic())
            if pushes:
                self.greeting.pushes += pushes
                return pushes[0]
            if listener.discarded:
                # What was no frame may have cost the listener its place in the stream; nothing else has come yet.
                listener = self._setup.listener()
        return None

    def associate(self) -> Meter:
        """Associate over the connection. Raises what `connect` raises; the connection is closed then."""
        try:
            meter = Meter(self._setup.plan(self.greeting), trace=self._setup.trace, transport=self._transport)
        except BaseException:
            self.close()
            raise
        self._transport.kept = False
        return meter

    def close(self) -> None:
        """Close the connection."""
        self._transport.kept = False
        self._transport.close()


class Door:
    """Where meters call in. Use it as a context manager; `address` is where it listens."""

    def __init__(self, setup: _Setup) -> None:
        url = setup.url
        try:
            self._socket = socket.create_server((url.host, url.port))
        except OSError as error:
            raise ConfigError(f"cannot listen on {url.host}:{url.port}: {error.strerror}") from None
        self._setup = setup
        self.address: tuple[str, int] = self._socket.getsockname()[:2]

    def accept(self, timeout: float | None = None) -> Caller:
        """Wait for the next meter. Raises `Timeout` after `timeout` seconds."""
        from cosem.io.inbound import AcceptedTransport

        try:
            self._socket.settimeout(timeout)
            accepted, peer = self._socket.accept()
        except TimeoutError:
            raise Timeout("no meter has called") from None
        except OSError as error:
            raise ConnectionLost(f"the door is closed: {error.strerror or error}") from None
        return Caller(self._setup, AcceptedTransport(accepted, peer))

    def close(self) -> None:
        """Listen no more; meters that were accepted stay."""
        self._socket.close()

    def __enter__(self) -> Door:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def listen_for_meters(
    url: MeterUrl | str,
    *,
    keys: KeyFile | Path | str | None = None,
    counters: CounterStore | Path | str | None = None,
    options: ClientOptions | None = None,
    identify: Identify | None = None,
    trace: Trace | None = None,
) -> Door:
    """Listen for meters that open the connection themselves.

    `url` is where to listen and how to associate; `identify` names the keys of a caller (without it: the section with
    the system title that its first push names, or called as the logical device name in it; then that of the URL). A
    connection that is lost is not dialled again: the meter calls. Raises `ConfigError`.
    """
    return Door(_Setup(url, keys, counters, options, identify, trace))


# --- asynchronous ----------------------------------------------------------------------------------------------


class AsyncDoor:
    """Where meters call in, inside an event loop. `failures` are the addresses and errors of those that went wrong."""

    def __init__(self, setup: _Setup, handler: Callable[[AsyncMeter], Awaitable[Any]], heartbeat: float) -> None:
        self._setup = setup
        self._handler = handler
        self._heartbeat = heartbeat
        self._server: asyncio.Server | None = None
        self._tasks: dict[asyncio.Task[None], InboundWire] = {}
        self.address: tuple[str, int] = ("", 0)
        self.failures: deque[tuple[tuple[str, int], Exception]] = deque(maxlen=MAX_FAILURES)

    @property
    def callers(self) -> int:
        """Return how many meters are connected."""
        return len(self._tasks)

    async def start(self) -> AsyncDoor:
        """Listen. Raises `ConfigError`."""
        from cosem.io.inbound import InboundWire

        url, loop = self._setup.url, asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(lambda: InboundWire(self._called), url.host, url.port)
        except OSError as error:
            raise ConfigError(f"cannot listen on {url.host}:{url.port}: {error.strerror}") from None
        self.address = self._server.sockets[0].getsockname()[:2]
        return self

    def _called(self, wire: InboundWire) -> None:
        if len(self._tasks) >= MAX_CALLERS:
            wire.abort()
            return
        task = asyncio.get_running_loop().create_task(self._serve(wire))
        self._tasks[task] = wire
        task.add_done_callback(lambda done: self._tasks.pop(done, None))

    async def _serve(self, wire: InboundWire) -> None:
        greeting = Greeting(wire.peer, [])
        try:
            if self._heartbeat > 0:
                await self._greeted(wire, greeting)
            meter = AsyncMeter(self._setup.plan(greeting), trace=self._setup.trace, opener=wire.open)
            meter.greeting = greeting
            await meter.open()
            wire.kept = False
            try:
                await self._handler(meter)
            finally:
                await meter.close()
        except Exception as error:
            # One meter that fails, or whose handler does, costs the others nothing.
            self.failures.append((wire.peer, error))
        finally:
            wire.abort()

    async def _greeted(self, wire: InboundWire, greeting: Greeting) -> None:
        """Wait for the first notification, as long as the door waits for one."""
        loop = asyncio.get_running_loop()
        listener, end = self._setup.listener(), loop.time() + self._heartbeat
        while (octets := await wire.receive(end - loop.time())) is not None:
            greeting.pushes += listener.receive(octets, loop.time())
            if greeting.pushes:
                return
            if listener.discarded:
                listener = self._setup.listener()

    async def close(self) -> None:
        """Listen no more, and end what runs with the meters that are connected."""
        if self._server is not None:
            self._server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def __aenter__(self) -> AsyncDoor:
        return self if self._server is not None else await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def serve_inbound(
    url: MeterUrl | str,
    handler: Callable[[AsyncMeter], Awaitable[Any]],
    *,
    heartbeat: float = 0.0,
    keys: KeyFile | Path | str | None = None,
    counters: CounterStore | Path | str | None = None,
    options: ClientOptions | None = None,
    identify: Identify | None = None,
    trace: Trace | None = None,
) -> AsyncDoor:
    """Return a door for meters that open the connection themselves: ``async with serve_inbound(...) as door``.

    `handler` is called with every meter once it is associated, and the meter is released when it returns.
    `heartbeat`: seconds to wait for a first notification before associating. The rest as `listen_for_meters`.
    """
    return AsyncDoor(_Setup(url, keys, counters, options, identify, trace), handler, heartbeat)
