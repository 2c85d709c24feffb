"""Pushes over loopback: from an opened cover to a listener that tells the alarm, on every link."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from cosem.classes.c040_push_setup import PushOperationMethod, TransportService
from cosem.client import DeviceKeys
from cosem.client.listen import Listener, Push, Senders
from cosem.device.push import State
from cosem.io.pusher import MAX_UNDER_WAY, NetworkPusher
from cosem.link.hdlc.link import HdlcLink
from cosem.link.mbus_frame import MbusLink
from cosem.link.wrapper import DatagramWrapperLink, WrapperLink, datagrams
from support.equipped import Net, codes, equipped
from support.meters import KEYS

LINKS: dict[TransportService, Any] = {
    TransportService.TCP: WrapperLink,
    TransportService.UDP: DatagramWrapperLink,
    TransportService.HDLC: HdlcLink,
    TransportService.M_BUS: MbusLink,
}
ALARM = "alarm"


class Desk:
    """Somebody who listens: keeps the pushes, and answers those that ask for it."""

    def __init__(self, service: TransportService, confirm: bool = True) -> None:
        self.service = service
        self.confirm = confirm
        self.pushes: list[Push] = []
        self.news = asyncio.Event()

    def listener(self) -> Listener:
        return Listener(LINKS[self.service](), Senders([DeviceKeys("meter", KEYS)]), confirm=self.confirm)

    def take(self, listener: Listener, octets: bytes) -> bytes:
        self.pushes += listener.receive(octets, 0.0)
        self.news.set()
        return listener.take()

    async def start(self) -> int:
        loop = asyncio.get_running_loop()
        desk = self

        class Datagrams(asyncio.DatagramProtocol):
            def connection_made(self, transport: Any) -> None:
                self.transport = transport

            def datagram_received(self, data: bytes, addr: Any) -> None:
                for datagram in datagrams(desk.take(desk.listener(), data)):
                    self.transport.sendto(datagram, addr)

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            listener = desk.listener()
            while octets := await reader.read(1000):
                writer.write(desk.take(listener, octets))
            writer.close()

        if self.service is TransportService.UDP:
            self.door, _ = await loop.create_datagram_endpoint(Datagrams, ("127.0.0.1", 0))
            port: int = self.door.get_extra_info("sockname")[1]
        else:
            self.door = await asyncio.start_server(connected, "127.0.0.1", 0)  # type: ignore[assignment]
            port = self.door.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        return port


def meter_for(port: int, service: TransportService, **settings: Any) -> tuple[Any, NetworkPusher]:
    meter = equipped(**settings)
    pusher = NetworkPusher(timeout=0.5)
    meter.equipment.pushes.network = pusher
    meter.equipment.pushes.send_to(service, f"127.0.0.1:{port}".encode())
    return meter, pusher


async def settled(meter: Any) -> None:
    setup = meter.equipment.pushes.setups[ALARM]
    async with asyncio.timeout(5):
        while setup.state is State.SENDING:
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("service", LINKS, ids=lambda service: service.name)
async def test_an_opened_cover_is_told_to_a_listener(service: TransportService) -> None:
    desk = Desk(service)
    port = await desk.start()
    meter, pusher = meter_for(port, service, policy=3, mechanism=5)
    meter.equipment.tampering.terminal_cover(True)
    meter.advance(meter.now + 1)
    async with asyncio.timeout(5):
        await desk.news.wait()
    await settled(meter)
    (push,) = desk.pushes
    assert push.verified is True
    assert push.system_title == bytes(meter.device.system_title)
    assert push.value is not None
    assert push.value.value[2].value == 1 << 13
    assert codes(meter, "fraud") == [40]
    assert meter.equipment.pushes.setups[ALARM].state is State.IDLE
    await pusher.stop()
    desk.door.close()


@pytest.mark.parametrize("service", [TransportService.TCP, TransportService.UDP], ids=lambda service: service.name)
@pytest.mark.parametrize("confirm", [True, False])
async def test_a_push_that_wants_to_be_confirmed(service: TransportService, confirm: bool) -> None:
    desk = Desk(service, confirm)
    port = await desk.start()
    meter, pusher = meter_for(port, service, policy=3, mechanism=5, push_version=2)
    setup = meter.equipment.pushes.setups[ALARM]
    setup.object.push_operation_method = PushOperationMethod.CONFIRMED_RETRY_ON_MISSING_CONFIRMATION
    meter.equipment.tampering.terminal_cover(True)
    meter.advance(meter.now + 1)
    await settled(meter)
    assert setup.state is (State.IDLE if confirm else State.RETRYING)
    assert (setup.confirmed_at is not None) == confirm
    await pusher.stop()
    desk.door.close()


async def test_nobody_there_and_a_destination_that_is_none_are_told_and_tried_again() -> None:
    desk = Desk(TransportService.TCP)
    port = await desk.start()
    desk.door.close()
    told: list[str] = []
    for destination in (f"127.0.0.1:{port}".encode(), b"nowhere"):
        meter, pusher = meter_for(port, TransportService.TCP)
        pusher._failed = told.append
        meter.equipment.pushes.send_to(TransportService.TCP, destination)
        meter.equipment.tampering.terminal_cover(True)
        meter.advance(meter.now + 1)
        await settled(meter)
        assert meter.equipment.pushes.setups[ALARM].state is State.RETRYING
        await pusher.stop()
    assert len(told) == 2
    assert "HOST:PORT" in told[1]


async def test_no_more_pushes_at_once_than_a_device_has() -> None:
    net = Net()
    meter = equipped(net)
    meter.equipment.tampering.terminal_cover(True)
    meter.advance(meter.now + 1)
    delivery = net.sent[0][1]
    outcomes: list[bool] = []
    pusher = NetworkPusher()
    for _ in range(MAX_UNDER_WAY + 1):
        pusher(_With(delivery, outcomes.append))
    assert outcomes == [False]
    await pusher.stop()


class _With:
    """A delivery with another ear."""

    def __init__(self, delivery: Any, done: Any) -> None:
        self._delivery = delivery
        self.done = done

    def __getattr__(self, name: str) -> Any:
        return getattr(self._delivery, name)


async def test_an_auto_connect_keeps_a_connection_pushes_over_it_and_makes_it_again() -> None:
    desk = Desk(TransportService.TCP)
    port = await desk.start()
    writers: list[asyncio.StreamWriter] = []
    desk.door.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        listener = desk.listener()
        with suppress(ConnectionError):
            while octets := await reader.read(1000):
                writer.write(desk.take(listener, octets))

    door = await asyncio.start_server(connected, "127.0.0.1", port)
    meter, pusher = meter_for(port, TransportService.TCP, policy=3, mechanism=5, push_version=2)
    meter.equipment.pushes.way.dialler = pusher
    for name in ("connectivity", ALARM):
        setup = meter.equipment.pushes.setups[name]
        setup.object.push_operation_method = PushOperationMethod.CONFIRMED_RETRY_ON_MISSING_CONFIRMATION
    obj = meter.equipment.connecting.object

    async def pushes(count: int) -> None:
        async with asyncio.timeout(5):
            while len(desk.pushes) < count:
                meter.advance(meter.now + 1)
                await asyncio.sleep(0.005)

    for number, value in ((6, (f"127.0.0.1:{port}".encode(),)), (2, 101)):
        meter.host.write(29, obj.obis, number, type(obj).attributes[number].type.to_data(value))
    await pushes(1)
    meter.equipment.tampering.terminal_cover(True)
    await pushes(2)
    await settled(meter)
    assert meter.equipment.pushes.setups[ALARM].confirmed_at is not None
    assert len(writers) == 1, "both went over the one connection"
    assert meter.equipment.tables.status_word & 1 << 6
    meter.advance(meter.now + 100)
    writers[0].close()
    await pushes(3)
    assert len(writers) == 2
    assert [push.value.value[1].value for push in desk.pushes if push.value is not None] == [
        bytes(meter.equipment.pushes.setups[name].object.obis) for name in ("connectivity", ALARM, "connectivity")
    ]
    await pusher.stop()
    door.close()
    for writer in writers:
        writer.close()
