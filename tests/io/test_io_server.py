"""The server of a device: addresses, limits, and clients that misbehave."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import suppress
from typing import Any

import pytest

from cosem.client import connect
from cosem.errors import ConfigError, ConnectionLost
from cosem.io import server as server_room
from cosem.io.blocking import BlockingDriver, TcpTransport
from cosem.io.server import DeviceServer, make_link, serving
from cosem.link.base import Discarded
from cosem.link.hdlc.parameters import HdlcParameters
from cosem.link.hdlc.splitter import FrameSplitter
from support.served import DEVICE, Served, make_meter, served, until


@pytest.fixture
def world() -> Any:
    with served(days=0.05) as running:
        yield running


def test_a_framing_that_is_not_there_is_told() -> None:
    with pytest.raises(ConfigError, match="framing is one of wrapper, hdlc, not 'udp'"):
        make_link("udp", make_meter(days=0.01).device)


async def test_an_address_that_is_taken_is_told() -> None:
    device = make_meter(days=0.01).device
    first, second = DeviceServer(device), DeviceServer(device)
    host, port = await first.start()
    with pytest.raises(ConfigError, match=f"cannot listen on {host}:{port}"):
        await second.start(host, port)
    await first.stop()
    await second.stop()


def test_serving_on_a_port_that_is_taken_ends_the_thread() -> None:
    device = make_meter(days=0.01).device
    with (
        serving(DeviceServer(device)) as ((_, port),),
        pytest.raises(ConfigError, match="cannot listen"),
        serving(DeviceServer(device), ports=(port,)),
    ):
        pass


def test_further_connections_than_the_limit_are_closed_at_once(world: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_room, "MAX_CONNECTIONS", 2)
    with world.connect(client="16") as first, world.connect(client="16"):
        with pytest.raises(ConnectionLost):
            world.connect(client="16")
        assert first.clock().year == 2026
    until(lambda: not world.servers[0].connections)
    with world.connect(client="16"):
        pass


def test_an_idle_connection_is_closed(world: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_room, "IDLE", 0.1)
    with socket.create_connection(world.wrapper, 5) as idle:
        assert idle.recv(10) == b""


def test_a_talking_connection_is_not_idle(world: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_room, "IDLE", 0.3)
    with world.connect(client="16") as meter:
        for _ in range(5):
            time.sleep(0.1)
            meter.clock()


@pytest.mark.parametrize("octets", [b"GET / HTTP/1.1\r\n\r\n", bytes(100), b"\x7e" * 50, b"\xff" * 5000])
def test_noise_disturbs_nobody(world: Served, octets: bytes) -> None:
    for address in (world.wrapper, world.hdlc):
        with (
            socket.create_connection(address, 5) as noisy,
            connect(world.url(client="2", auth="low"), device=DEVICE) as meter,
        ):
            noisy.sendall(octets)
            assert meter.clock().year == 2026


def test_a_client_that_takes_no_answers_is_not_read_on() -> None:
    """Many requests, answers never taken: the server stops reading, and others are served."""
    with served(days=2) as world:
        _greedy(world)


def _greedy(world: Served) -> None:
    sent: list[bytes] = []
    with connect(
        world.url(client="2", auth="low"), device=DEVICE, trace=lambda way, octets: sent.append(octets)
    ) as meter:
        before = len(sent)
        meter.get(7, "1-0:99.1.0", 2)
        aarq, request = sent[0], sent[before]
    greedy = socket.socket()
    greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    greedy.settimeout(60)
    with greedy, world.connect(client="16") as other:
        (polite,) = world.servers[0].connections
        greedy.connect(world.wrapper)
        greedy.sendall(aarq)
        greedy.recv(65536)
        (served_greedily,) = world.servers[0].connections.keys() - {polite}
        transport = served_greedily.transport
        assert transport is not None
        greedy.sendall(request * 1000)
        until(lambda: not transport.is_reading())
        assert other.clock().year == 2026
        # Once the answers are taken it goes on.
        while not transport.is_reading():
            assert greedy.recv(1 << 20)


def test_a_device_lives_on_before_every_read() -> None:
    meter = make_meter(days=0.05)
    begun = meter.now
    server = DeviceServer(meter.device, before=lambda: meter.advance(meter.now + 60))
    with serving(server) as ((host, port),), connect(f"tcp://{host}:{port}") as client:
        first = client.clock().to_datetime()
        assert (client.clock().to_datetime() - first).total_seconds() == 60
        assert meter.now > begun


# --- the transport of the blocking driver ----------------------------------------------------------------------


def test_a_transport_that_is_not_open_says_so() -> None:
    transport = TcpTransport("127.0.0.1", 1)
    assert not transport.is_open
    with pytest.raises(ConnectionLost, match="there is no connection"):
        transport.send(b"x")
    with pytest.raises(ConnectionLost, match="there is no connection"):
        transport.receive(0)


def test_a_peer_that_does_not_read_ends_in_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        transport = TcpTransport(*listener.getsockname()[:2], timeout=0.2)
        transport.open()
        assert transport.receive(0) is None
        assert transport.receive(0.01) is None
        with pytest.raises(ConnectionLost, match="broke while sending"):
            transport.send(bytes(50_000_000))
        assert not transport.is_open


def test_a_reset_is_the_end_of_what_can_be_read() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        transport = TcpTransport(*listener.getsockname()[:2])
        transport.open()
        peer, _ = listener.accept()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        peer.close()
        assert transport.receive(5) == b""
        transport.close()


def test_a_conversation_that_waits_for_nothing_is_ended() -> None:
    from cosem.association.initiator import Initiator
    from cosem.association.settings import AssociationSettings
    from cosem.association.steps import Listen, Sleep
    from cosem.link.wrapper import WrapperLink

    driver = BlockingDriver(Initiator(WrapperLink(), AssociationSettings()), TcpTransport("127.0.0.1", 1))

    def forever() -> Any:
        yield Sleep(0.01)
        return (yield Listen())

    with pytest.raises(ConnectionLost, match="nothing to wait for"):
        driver.run(forever())


def test_a_peer_that_never_pauses_does_not_keep_the_timers_from_running() -> None:
    from cosem.errors import Timeout
    from support.served import scripted

    frame = bytes.fromhex("0001000100630002c4")  # for another client: it is no answer to ours

    def babble(octets: bytes) -> bytes:
        return frame * 200_000

    with scripted(babble) as (host, port), pytest.raises((Timeout, ConnectionLost)):
        connect(f"tcp://{host}:{port}?timeout=0.1")


async def test_stopping_closes_what_is_open() -> None:
    server = DeviceServer(make_meter(days=0.01).device)
    await server.stop()
    host, port = await server.start()
    reader, writer = await asyncio.open_connection(host, port)
    for _ in range(100):
        if server.connections:
            break
        await asyncio.sleep(0.01)
    await server.stop()
    with suppress(ConnectionResetError):
        assert await reader.read() == b""
    writer.close()
    assert not server.connections


@pytest.mark.parametrize(
    ("query", "longest"), [("", 128), ("information=600&window=3&", 600), ("information=2030&", 1000)]
)
def test_hdlc_frames_are_as_long_as_both_sides_go(query: str, longest: int) -> None:
    came: list[bytes] = []
    device = make_meter(days=0.05, mechanism=0, policy=0).device
    server = DeviceServer(device, framing="hdlc", parameters=HdlcParameters(1000, 1000, 3, 3))
    with serving(server) as ((host, port),):
        trace = lambda way, octets: came.append(octets)  # noqa: E731
        with connect(f"hdlc+tcp://{host}:{port}?{query}client=1", trace=trace) as meter:
            assert len(meter.objects()) > 30
    splitter = FrameSplitter()
    frames = [item[0] for item in splitter.feed(b"".join(came)) if not isinstance(item, Discarded)]
    assert max(len(frame.info) for frame in frames) == longest
