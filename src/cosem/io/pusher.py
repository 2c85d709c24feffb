"""Carrying a device's pushes: one connection or datagram each, to where the push setup says, or on one that is kept.

The destination of a push setup is text, HOST:PORT. TCP and UDP carry the wrapper; HDLC (UI frames) and M-Bus frames go
over TCP, to what brings them to their line.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from cosem.apdu import parse
from cosem.apdu.notify import DataNotificationConfirm
from cosem.errors import ConfigError, CosemError, DecodeError
from cosem.link.base import Address, ApduReceived, Link
from cosem.link.hdlc.link import HdlcLink
from cosem.link.mbus_frame import MbusLink
from cosem.link.wrapper import DatagramWrapperLink, WrapperLink, datagrams

TCP, UDP, HDLC, M_BUS = 0, 1, 5, 6
"""Transport services of class 40 that are carried here."""
TIMEOUT = 10.0
"""Seconds to reach a destination, and to wait for a confirmation."""
MAX_UNDER_WAY = 100
"""Pushes of one device under way at once; a meter has a dozen setups."""
READ_SIZE = 4096
INVOKE = 0xFFFFFF
"""The bits of a long invoke-id that are the number."""


class Delivery(Protocol):
    """What a device asks to be carried (`cosem.device.way_out.Delivery`)."""

    @property
    def service(self) -> int:
        """The transport service."""

    @property
    def destination(self) -> bytes:
        """Where to."""

    @property
    def address(self) -> Address:
        """From and to which access points."""

    @property
    def octets(self) -> bytes:
        """The APDU."""

    @property
    def invoke(self) -> int:
        """The number of its long invoke-id."""

    @property
    def confirmed(self) -> bool:
        """Whether only a confirmation is an arrival."""

    @property
    def done(self) -> Callable[[bool], None]:
        """Takes whether it arrived."""


def push_link(service: int) -> Link:
    """Return the link of a transport service. Raises `ConfigError` for one that is not carried."""
    if service == TCP:
        return WrapperLink(server=True)
    if service == UDP:
        return DatagramWrapperLink(server=True)
    if service == HDLC:
        return HdlcLink(server=True)
    if service == M_BUS:
        return MbusLink(server=True)
    raise ConfigError(f"transport service {int(service)} is not carried")


def framed(delivery: Delivery, link: Link | None = None) -> bytes:
    """Return the octets of a push on its link. Raises `CosemError` where the link cannot carry it."""
    link = link or push_link(delivery.service)
    link.send(delivery.address, delivery.octets, 0.0, confirmed=False)
    return link.take()


def endpoint(destination: bytes) -> tuple[str, int]:
    """Return host and port of a destination. Raises `ConfigError`."""
    text = destination.decode("latin-1")
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 0x10000:
        raise ConfigError("the destination of a push is HOST:PORT")
    return host, int(port)


class NetworkPusher:
    """The network of a device's pushes inside a running event loop; give it to `Pushes.network`.

    It makes the connections of an auto connect too (`WayOut.dialler`): a connection that was dialled is kept, and what
    is pushed to the same HOST:PORT by TCP goes over it.
    """

    def __init__(self, *, timeout: float = TIMEOUT, failed: Callable[[str], Any] | None = None) -> None:
        self.timeout = timeout
        self._failed = failed
        self._tasks: set[asyncio.Task[None]] = set()
        self._dialling: asyncio.Task[None] | None = None
        self._kept: _Kept | None = None

    def dial(self, destination: bytes, done: Callable[[bool], None], lost: Callable[[], None]) -> None:
        """Open a connection to HOST:PORT and keep it: `done` takes whether there is one, `lost` that it broke."""
        self.hang_up()
        self._dialling = asyncio.get_running_loop().create_task(self._dial(destination, done, lost))

    async def _dial(self, destination: bytes, done: Callable[[bool], None], lost: Callable[[], None]) -> None:
        try:
            async with asyncio.timeout(self.timeout):
                reader, writer = await asyncio.open_connection(*endpoint(destination))
        except (OSError, TimeoutError, ConfigError) as error:
            if self._failed is not None:
                self._failed(f"no connection to {destination.decode('latin-1')!r}: {error or 'no answer'}")
            self._dialling = None
            done(False)
            return
        kept = self._kept = _Kept(destination, writer)
        try:
            done(True)
            await kept.listen(reader)
        finally:
            kept.over()
            if self._kept is kept:
                self._kept = None
        self._dialling = None
        lost()

    def hang_up(self) -> None:
        """End the connection, or the attempt at one; nobody is told."""
        if self._dialling is not None:
            self._dialling.cancel()
            self._dialling = None
        if self._kept is not None:
            self._kept.over()
            self._kept = None

    def __call__(self, delivery: Delivery) -> None:
        """Carry one push; `done` is called when it is known what became of it."""
        if len(self._tasks) >= MAX_UNDER_WAY:
            delivery.done(False)
            return
        task = asyncio.get_running_loop().create_task(self._carry(delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, delivery: Delivery) -> None:
        try:
            async with asyncio.timeout(self.timeout):
                arrived = await self._sent(delivery)
        except (OSError, TimeoutError, CosemError) as error:
            arrived = False
            if self._failed is not None:
                self._failed(f"a push to {delivery.destination.decode('latin-1')!r} failed: {error or 'no answer'}")
        delivery.done(arrived)

    async def _sent(self, delivery: Delivery) -> bool:
        host, port = endpoint(delivery.destination)
        link = push_link(delivery.service)
        octets = framed(delivery, link)
        loop = asyncio.get_running_loop()
        if delivery.service == UDP:
            heard = _Heard(link, delivery)
            transport, _ = await loop.create_datagram_endpoint(lambda: heard, remote_addr=(host, port))
            try:
                for datagram in datagrams(octets):
                    transport.sendto(datagram)
                return not delivery.confirmed or await heard.confirmed
            finally:
                transport.close()
        if delivery.service == TCP and (kept := self._kept) is not None and kept.destination == delivery.destination:
            return await kept.sent(delivery, octets)
        reader, writer = await asyncio.open_connection(host, port)
        try:
            writer.write(octets)
            await writer.drain()
            return not delivery.confirmed or await _confirmation(reader, link, delivery)
        finally:
            writer.close()
            await writer.wait_closed()

    async def stop(self) -> None:
        """Give up what is under way."""
        self.hang_up()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _confirmation(reader: asyncio.StreamReader, link: Link, delivery: Delivery) -> bool:
    while octets := await reader.read(READ_SIZE):
        if confirms(octets, link, delivery):
            return True
    return False


def confirms(octets: bytes, link: Link, delivery: Delivery) -> bool:
    """Whether what came is the confirmation of a push."""
    return delivery.invoke in confirmations(octets, link)


def confirmations(octets: bytes, link: Link) -> list[int]:
    """Return the numbers of the pushes that what came confirms."""
    numbers = []
    for event in link.receive(octets, 0.0):
        if not isinstance(event, ApduReceived):
            continue
        try:
            found = parse(event.octets)
        except DecodeError:
            continue
        if isinstance(found.service, DataNotificationConfirm):
            numbers.append((found.invoke or 0) & INVOKE)
    return numbers


class _Kept:
    """A connection that is kept for what is pushed to one destination."""

    def __init__(self, destination: bytes, writer: asyncio.StreamWriter) -> None:
        self.destination = destination
        self._writer = writer
        self._link = push_link(TCP)
        self._waiting: dict[int, asyncio.Future[bool]] = {}

    async def listen(self, reader: asyncio.StreamReader) -> None:
        """Take confirmations until the connection ends."""
        with suppress(OSError):
            while octets := await reader.read(READ_SIZE):
                for number in confirmations(octets, self._link):
                    if (waiting := self._waiting.get(number)) is not None and not waiting.done():
                        waiting.set_result(True)

    async def sent(self, delivery: Delivery, octets: bytes) -> bool:
        """Send a push; return whether it arrived."""
        if not delivery.confirmed:
            self._writer.write(octets)
            await self._writer.drain()
            return True
        waiting: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting[delivery.invoke] = waiting
        try:
            self._writer.write(octets)
            return await waiting
        finally:
            del self._waiting[delivery.invoke]

    def over(self) -> None:
        """Close the connection; what waits for a confirmation has none."""
        self._writer.close()
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_result(False)


class _Heard(asyncio.DatagramProtocol):
    """What comes back for a push by UDP."""

    def __init__(self, link: Link, delivery: Delivery) -> None:
        self.link = link
        self.delivery = delivery
        self.confirmed: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if not self.confirmed.done() and confirms(data, self.link, self.delivery):
            self.confirmed.set_result(True)

    def error_received(self, exc: Exception) -> None:
        if not self.confirmed.done():
            self.confirmed.set_result(False)
