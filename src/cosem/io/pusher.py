"""Carrying a device's pushes: one connection or datagram each, to where the push setup says.

The destination of a push setup is text, HOST:PORT. TCP and UDP carry the wrapper; HDLC (UI frames) and M-Bus frames go
over TCP, to what brings them to their line.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
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
    """What a device asks to be carried (`cosem.device.push.Delivery`)."""

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
    """The network of a device's pushes inside a running event loop; give it to `Pushes.network`."""

    def __init__(self, *, timeout: float = TIMEOUT, failed: Callable[[str], Any] | None = None) -> None:
        self.timeout = timeout
        self._failed = failed
        self._tasks: set[asyncio.Task[None]] = set()

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
    for event in link.receive(octets, 0.0):
        if not isinstance(event, ApduReceived):
            continue
        try:
            found = parse(event.octets)
        except DecodeError:
            continue
        if isinstance(found.service, DataNotificationConfirm) and (found.invoke or 0) & INVOKE == delivery.invoke:
            return True
    return False


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
