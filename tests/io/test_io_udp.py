"""The wrapper over UDP: lost and cut datagrams, floods of peers, and ports where nobody listens."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

import pytest

from cosem.client import AsyncMeter, ClientOptions, Meter, connect, connect_async
from cosem.errors import ConfigError, ConnectionLost, CosemError, Timeout
from cosem.io import server as server_room
from cosem.io.server import DeviceServer, serving
from cosem.io.udp import UdpTransport
from cosem.link import wrapper
from cosem.security.counters import MemoryCounterStore
from support.served import DEVICE, MANAGEMENT, make_meter, until

Address = tuple[str, int]


@contextmanager
def served_by_udp() -> Iterator[tuple[DeviceServer, Address]]:
    server = DeviceServer(make_meter(days=0.1).device, udp=True)
    with serving(server) as (address,):
        yield server, address


def read(address: Address, retries: int = 1, **query: str) -> Meter:
    url = f"udp://{address[0]}:{address[1]}?{urlencode({'timeout': '0.2'} | (query or MANAGEMENT))}"
    return connect(url, device=DEVICE, counters=MemoryCounterStore(), options=ClientOptions(retries=retries))


@contextmanager
def relay(target: Address, passes: Callable[[int, bytes], list[bytes]]) -> Iterator[Address]:
    """A way to `target` on which every datagram becomes what `passes` makes of it, given its number."""
    near, far = socket.socket(type=socket.SOCK_DGRAM), socket.socket(type=socket.SOCK_DGRAM)
    near.bind(("127.0.0.1", 0))
    far.bind(("127.0.0.1", 0))
    done = threading.Event()
    clients: list[Address] = []
    lock, count = threading.Lock(), iter(range(1, 1_000_000))

    def run(inlet: socket.socket, outlet: socket.socket, where: Callable[[], Address]) -> None:
        inlet.settimeout(0.05)
        while not done.is_set():
            try:
                octets, peer = inlet.recvfrom(65536)
            except OSError:
                continue
            if inlet is near:
                clients[:] = [peer]
            with lock:
                passed = passes(next(count), octets)
            for item in passed:
                outlet.sendto(item, where())

    threads = [
        threading.Thread(target=run, args=(near, far, lambda: target), daemon=True),
        threading.Thread(target=run, args=(far, near, lambda: clients[0]), daemon=True),
    ]
    for thread in threads:
        thread.start()
    try:
        yield near.getsockname()
    finally:
        done.set()
        for thread in threads:
            thread.join(5)
        near.close()
        far.close()


def test_a_meter_is_read_by_udp_on_the_port_of_tcp() -> None:
    with served_by_udp() as (server, address):
        with read(address) as meter:
            assert meter.clock().year == 2026
            assert len(meter.profile("1-0:99.1.0").read().rows) > 5
        (peer,) = server.peers
        assert not server.connections
        with connect(f"tcp://{address[0]}:{address[1]}") as meter:
            assert meter.clock().year == 2026
        assert set(server.peers) == {peer}


async def test_the_same_inside_an_event_loop() -> None:
    with served_by_udp() as (_, address):
        url = f"udp://{address[0]}:{address[1]}?{urlencode(MANAGEMENT)}"
        meter: AsyncMeter = await connect_async(url, device=DEVICE, counters=MemoryCounterStore())
        async with meter:
            assert (await meter.clock()).year == 2026
            assert len((await meter.profile("1-0:99.1.0")).rows) > 5


@pytest.mark.parametrize("lost", [1, 2, 3, 4, 5, 6])
def test_a_lost_datagram_is_asked_for_again(lost: int) -> None:
    with (
        served_by_udp() as (_, address),
        relay(address, lambda n, octets: [] if n == lost else [octets]) as way,
        read(way) as meter,
    ):
        for _ in range(2):
            assert meter.get(1, "0-0:96.1.0", 2).value == b"10000001"


def test_without_retries_a_lost_datagram_is_silence() -> None:
    with (
        served_by_udp() as (_, address),
        relay(address, lambda n, octets: [] if n == 1 else [octets]) as way,
        pytest.raises(Timeout),
    ):
        read(way, retries=0)


def test_a_way_that_damages_datagrams() -> None:
    """Each datagram comes doubled, behind one that was cut short and one of another version."""

    def passes(number: int, octets: bytes) -> list[bytes]:
        return [octets[:-1], octets[:5], b"\0\2" + octets[2:], b"", octets]

    with served_by_udp() as (_, address), relay(address, passes) as way, read(way, client="2", auth="low") as meter:
        for _ in range(3):
            assert meter.get(1, "0-0:96.1.0", 2).value == b"10000001"


def test_several_apdus_in_one_datagram() -> None:
    with served_by_udp() as (_, address), socket.socket(type=socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        request = bytes.fromhex("c001c100010000600100ff0200")
        client.sendto(wrapper.build(16, 1, request) + wrapper.build(17, 1, request) + b"\0\1\0", address)
        # The public client has no association yet, SAP 17 does not exist: one answer, and one only.
        octets = client.recv(65536)
        assert wrapper.parse(octets)[:2] == (1, 16)
        client.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.recv(65536)


def test_nobody_listens_there() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        address = free.getsockname()
    with pytest.raises(ConnectionLost):
        read(address)


async def test_nobody_listens_there_inside_an_event_loop() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        host, port = free.getsockname()
    with pytest.raises((ConnectionLost, Timeout)):
        await connect_async(f"udp://{host}:{port}?timeout=0.3")


def test_a_name_that_is_not_known() -> None:
    with pytest.raises(ConnectionLost, match="is not known"):
        UdpTransport("no-such-host.invalid", 1).open()


def test_a_transport_that_is_not_open_says_so() -> None:
    transport = UdpTransport("127.0.0.1", 1)
    for wrong in (lambda: transport.send(b""), lambda: transport.receive(0)):
        with pytest.raises(ConnectionLost, match="there is no connection"):
            wrong()


def test_a_meter_that_starts_anew_is_waited_for() -> None:
    with served_by_udp() as (_, address):
        transport = UdpTransport(*address, timeout=1)
        transport.open()
        transport.send(wrapper.build(16, 1, bytes.fromhex("c001c100010000600100ff0200")))
        assert transport.receive(5)
    transport.send(wrapper.build(16, 1, b"x"))
    transport.send(wrapper.build(16, 1, b"x"))
    assert transport.receive(0.2) is None
    with pytest.raises(ConnectionLost, match="cannot be sent"):
        transport.send(wrapper.build(16, 1, bytes(65530)))
    assert not transport.is_open


def test_a_flood_of_peers_ends_no_association(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_room, "MAX_PEERS", 3)
    with served_by_udp() as (server, address), read(address, client="2", auth="low") as meter:
        flood = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(20)]
        for item in flood:
            item.sendto(b"\x00\x01noise", address)
        for item in flood:
            item.close()
        assert meter.clock().year == 2026
        assert len(server.peers) <= 3
        with read(address, client="2", auth="low") as second, read(address, client="2", auth="low") as third:
            # All who are there have an association: nobody is pushed out, the next one has to wait.
            with pytest.raises(CosemError):
                read(address, retries=0, client="16")
            for item in (meter, second, third):
                assert item.clock().year == 2026
        with read(address, client="16") as again:
            assert again.clock().year == 2026


def test_a_peer_that_went_away_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_room, "IDLE", 0.1)
    with served_by_udp() as (server, address):
        read(address, client="2", auth="low")._driver.close()
        until(lambda: not server.peers)


async def test_the_port_has_to_be_free_for_both() -> None:
    device = make_meter(days=0.01).device
    with socket.socket(type=socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        server = DeviceServer(device, udp=True)
        with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{port}"):
            await server.start(port=port)
        await server.stop()
    with pytest.raises(ConfigError, match="UDP carries the wrapper"):
        DeviceServer(device, framing="hdlc", udp=True)
    await asyncio.sleep(0)
