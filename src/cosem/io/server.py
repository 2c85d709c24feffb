"""Being a meter on the network: one `Responder` per connection or UDP peer over one `ObjectServer`.

Clients come by TCP and, with the wrapper, by UDP; or the device opens the connection to the client itself. It may be
a gateway with further devices behind it.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Protocol, cast

from cosem.association.responder import Responder, ResponderSettings
from cosem.association.server import ALL_STATIONS, ObjectServer
from cosem.errors import ConfigError
from cosem.link.base import Address, Link, Machine
from cosem.link.gateway import Gateway
from cosem.link.hdlc.link import HdlcLink
from cosem.link.hdlc.parameters import DEFAULT, HdlcParameters
from cosem.link.wrapper import DatagramWrapperLink, WrapperLink, datagrams

MAX_CONNECTIONS = 1000
"""Connections of one server. A further one takes the place of the one that has been without an association for the
longest time; where all have one it is closed at once."""
MAX_PEERS = 256
"""UDP peers of one server. Anybody can invent addresses: one without an association makes room for a new one."""
IDLE = 600.0
"""Seconds after which a connection without any octet is closed, and a UDP peer forgotten."""
SLICE = 512
"""Octets of one connection that are handled before others have their turn. A full read holds thousands of requests,
and each may be for a load profile."""
REDIAL = 10.0
"""Seconds until a device opens a connection again that could not be had or is over."""
PORT_TRIES = 20
"""Free ports tried until one is free for TCP and UDP."""

FRAMINGS = ("wrapper", "hdlc")


def make_link(
    framing: str,
    *devices: ObjectServer,
    datagram: bool = False,
    calling: bool = False,
    parameters: HdlcParameters | None = None,
) -> Link:
    """Return the server's link of a framing. Raises `ConfigError` for an unknown one.

    `devices` say which HDLC addresses exist; `calling` says that this side opens the line; `parameters` are how far
    HDLC goes when a client asks for more than the standard's smallest.
    """
    if framing == "wrapper":
        return DatagramWrapperLink(server=True) if datagram else WrapperLink(server=True)
    if framing == "hdlc":

        def accepts(address: Address) -> bool:
            # Nobody connects to everybody.
            if address.server in ALL_STATIONS:
                return False
            return any(device.association_profile(address) is not None for device in devices)

        return HdlcLink(server=True, parameters=parameters or DEFAULT, accepts=accepts, calling=calling)
    raise ConfigError(f"framing is one of {', '.join(FRAMINGS)}, not {framing!r}")


class Server(Protocol):
    """What can be served in a thread."""

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> tuple[str, int]:
        """Listen and return the address."""

    async def stop(self) -> None:
        """Stop."""


class Host(Protocol):
    """Who has connections: a device's server, or a bus's."""

    before: Callable[[], Any] | None

    def make_room(self) -> bool:
        """End a connection in favour of a new one; False where there is none to end."""


class Connection(asyncio.Protocol):
    """One connection of one client, or one UDP peer."""

    limit: int | None = None
    """Connections there may be with this one; None where the one who made it counts."""
    movable = False
    """Whether it makes room for another while it has no association."""

    def __init__(self, server: Host, kept: dict[Connection, None], machine: Machine) -> None:
        self.server = server
        self.kept = kept
        self.responder = machine
        self.loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self.loop.create_future()
        self.transport: asyncio.Transport | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.heard = self.loop.time()
        self.waiting = b""
        self.paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take part, if there is room."""
        # Not asserted: other event loops (uvloop) have transports of their own, which are no `asyncio.Transport`.
        stream = cast("asyncio.Transport", transport)
        if self.limit is not None and len(self.kept) >= self.limit and not self.server.make_room():
            stream.abort()
            return
        self.transport = stream
        self.kept[self] = None
        self.pump()

    def data_received(self, data: bytes) -> None:
        """Handle octets, many of them in slices."""
        if not (self.waiting or self.paused or len(data) > SLICE):
            self.serve(data)
            return
        self.waiting += data
        self.serve_slice()

    def serve(self, data: bytes) -> None:
        """Hand octets to the machine and send its answers."""
        self.heard = self.loop.time()
        if self.server.before is not None:
            self.server.before()
        self.responder.receive(data, self.heard)
        self.pump()

    def serve_slice(self) -> None:
        """Handle a slice of what waits; the rest when the others have had their turn."""
        if self.transport is None or self.paused or not self.waiting:
            return
        data, self.waiting = self.waiting[:SLICE], self.waiting[SLICE:]
        self.serve(data)
        if self.waiting:
            self.transport.pause_reading()
            self.loop.call_soon(self.serve_slice)
        elif not self.paused:
            self.transport.resume_reading()

    def pause_writing(self) -> None:
        """Handle, and read, no more requests of a client that does not take its answers."""
        self.paused = True
        if self.transport is not None:
            self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on."""
        self.paused = False
        if self.waiting:
            self.serve_slice()
        elif self.transport is not None:
            self.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Have the machine forget the client."""
        self.transport = None
        self.waiting = b""
        self.kept.pop(self, None)
        if not self.ended.done():
            self.ended.set_result(None)
        if self.timer is not None:
            self.timer.cancel()
        self.responder.lost(self.loop.time())

    def pump(self) -> None:
        """Send what there is to send and set the timer."""
        if self.transport is None:
            return
        octets = self.responder.take()
        if octets:
            self.transport.write(octets)
        due = min(self.responder.next_timer() or self.heard + IDLE, self.heard + IDLE)
        if self.timer is not None:
            if self.timer.when() <= due:
                return
            self.timer.cancel()
        self.timer = self.loop.call_at(due, self.timed)

    def timed(self) -> None:
        """Let what is due happen; close a connection that is idle."""
        self.timer = None
        now = self.loop.time()
        if self.transport is not None and now >= self.heard + IDLE:
            self.idle()
            return
        self.responder.handle_timer(now)
        self.pump()

    def idle(self) -> None:
        """Close a connection that nobody uses."""
        if self.transport is not None:
            # Closing would wait for a client to take answers that it has let lie for so long.
            self.transport.abort()


class _PeerTransport(asyncio.Transport):
    """The way to one UDP peer, with the face of a connection."""

    def __init__(self, peers: _Peers, address: Any) -> None:
        super().__init__()
        self.peers = peers
        self.address = address

    def write(self, data: Any) -> None:
        for datagram in datagrams(bytes(data)):
            self.peers.transport.sendto(datagram, self.address)

    def close(self) -> None:
        self.peers.forget(self.address)

    abort = close


class _Peers(asyncio.DatagramProtocol):
    """The clients that come by UDP, each with a machine of its own."""

    transport: asyncio.DatagramTransport

    def __init__(self, server: DeviceServer) -> None:
        self.server = server
        self.connections: dict[Any, Connection] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not every event loop's own class says that it is one.
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        connection = self.connections.get(addr)
        if connection is None:
            if len(self.connections) >= MAX_PEERS and not self._make_room():
                return
            connection = Connection(self.server, self.server.peers, self.server.make_responder(datagram=True))
            self.connections[addr] = connection
            connection.connection_made(_PeerTransport(self, addr))
        connection.serve(data)

    def _make_room(self) -> bool:
        idle = [item for item in self.connections.items() if not getattr(item[1].responder, "sessions", ())]
        if not idle:
            return False
        self.forget(min(idle, key=lambda item: item[1].heard)[0])
        return True

    def forget(self, address: Any) -> None:
        """End what there is with a peer."""
        connection = self.connections.pop(address, None)
        if connection is not None:
            connection.connection_lost(None)


class DeviceServer:
    """Serves one physical device over TCP and, on the same port, with the wrapper over UDP where `udp` is true.

    `before` is called before every read, for example to advance its time. `behind` makes it a gateway: further devices
    by network id and physical device address. `machines` makes it one in another way: it gives a machine for a device
    by these, as `cosem.link.gateway.Gateway` asks for it. `parameters` are the longest frames and widest windows of
    HDLC.
    """

    def __init__(
        self,
        device: ObjectServer,
        *,
        framing: str = "wrapper",
        random: Callable[[int], bytes] = secrets.token_bytes,
        settings: ResponderSettings | None = None,
        before: Callable[[], Any] | None = None,
        udp: bool = False,
        behind: Mapping[tuple[int, bytes], ObjectServer] | None = None,
        machines: Callable[[int | None, bytes], Machine | None] | None = None,
        parameters: HdlcParameters | None = None,
    ) -> None:
        self.device = device
        self.machines = machines
        self.parameters = parameters
        self.framing = framing
        self.random = random
        self.settings = settings
        self.before = before
        self.udp = udp
        self.behind = behind
        self.connections: dict[Connection, None] = {}
        self.peers: dict[Connection, None] = {}
        self._server: asyncio.Server | None = None
        self._datagrams: asyncio.DatagramTransport | None = None
        self._dialling: set[asyncio.Task[None]] = set()
        make_link(framing, device)
        if udp and framing != "wrapper":
            raise ConfigError(f"UDP carries the wrapper, not {framing}")

    def make_responder(self, *, datagram: bool = False, calling: bool = False) -> Machine:
        """Return the machine of one connection."""
        devices = (self.device, *(self.behind or {}).values())
        link = make_link(self.framing, *devices, datagram=datagram, calling=calling, parameters=self.parameters)
        if self.machines is not None:
            return Gateway(link, self.machines)
        if self.behind is None:
            return Responder(link, self.device, self.random, self.settings)
        return Gateway(link, self._device)

    def _device(self, network: int | None, address: bytes) -> Machine | None:
        """Return a machine for a device behind this one, or for this one itself."""
        device = self.device if network is None else (self.behind or {}).get((network, address))
        if device is None:
            return None
        return Responder(WrapperLink(server=True), device, self.random, self.settings)

    def _connection(self, *, calling: bool = False) -> Connection:
        connection = Connection(self, self.connections, self.make_responder(calling=calling))
        connection.limit = MAX_CONNECTIONS
        # Of what goes on behind a gateway nothing is known here, and whom the device calls is no stranger.
        connection.movable = not calling and self.behind is None and self.machines is None
        return connection

    def make_room(self) -> bool:
        """End the oldest connection without an association; False where there is none."""
        for connection in self.connections:
            if connection.movable and not getattr(connection.responder, "sessions", ()):
                assert connection.transport is not None
                connection.transport.abort()
                del self.connections[connection]
                return True
        return False

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> tuple[str, int]:
        """Listen and return the address. Raises `ConfigError` where it cannot be had."""
        loop = asyncio.get_running_loop()
        for left in reversed(range(1 if port or not self.udp else PORT_TRIES)):
            try:
                self._server = await loop.create_server(self._connection, host, port)
                address: tuple[str, int] = self._server.sockets[0].getsockname()[:2]
                if self.udp:
                    self._datagrams, _ = await loop.create_datagram_endpoint(lambda: _Peers(self), address)
            except OSError as error:
                if self._server is not None:
                    self._server.close()
                if not left:
                    raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror}") from None
            else:
                break
        return address

    def dial(
        self,
        host: str,
        port: int,
        *,
        greet: Callable[[Responder], None] | None = None,
        failed: Callable[[OSError], None] | None = None,
    ) -> None:
        """Open a connection to a client that waits for it, and again whenever it is over, until stopped.

        `greet` may send a notification first, by which the client knows who calls; `failed` hears of a client that
        is not there.
        """
        task = asyncio.get_running_loop().create_task(self._dial(host, port, greet, failed))
        self._dialling.add(task)
        task.add_done_callback(self._dialling.discard)

    async def _dial(
        self,
        host: str,
        port: int,
        greet: Callable[[Responder], None] | None,
        failed: Callable[[OSError], None] | None,
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection = self._connection(calling=True)
            try:
                await loop.create_connection(lambda made=connection: made, host, port)  # type: ignore[misc]
            except OSError as error:
                if failed is not None:
                    failed(error)
            else:
                if greet is not None and isinstance(connection.responder, Responder):
                    greet(connection.responder)
                    connection.pump()
                await connection.ended
            await asyncio.sleep(REDIAL)

    def poll(self) -> None:
        """Send what devices behind a gateway have to say by now: after time has passed for them."""
        for connection in list(self.connections):
            if isinstance(connection.responder, Gateway):
                connection.responder.poll(connection.loop.time())
                connection.pump()

    def drop(self) -> None:
        """Close every connection, behind what was written to it, as the modem of a device that restarts does."""
        for connection in [*self.connections, *self.peers]:
            if connection.transport is not None:
                connection.transport.close()

    async def stop(self) -> None:
        """Close the listeners and every connection; dial no more."""
        dialling = list(self._dialling)
        for task in dialling:
            task.cancel()
        for task in dialling:
            with suppress(asyncio.CancelledError):
                await task
        if self._datagrams is not None:
            self._datagrams.close()
        for peer in list(self.peers):
            if peer.transport is not None:
                peer.transport.close()
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await asyncio.sleep(0)


@contextmanager
def serving(*servers: Server, host: str = "127.0.0.1", ports: tuple[int, ...] = ()) -> Iterator[list[tuple[str, int]]]:
    """Serve in a thread of its own while the block runs; gives the addresses."""
    loop = asyncio.new_event_loop()
    wanted = ports or (0,) * len(servers)

    async def start() -> list[tuple[str, int]]:
        return [await server.start(host, port) for server, port in zip(servers, wanted, strict=True)]

    async def stop() -> None:
        for server in servers:
            await server.stop()

    thread = threading.Thread(target=loop.run_forever, name="cosem-server", daemon=True)
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(start(), loop).result()
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
