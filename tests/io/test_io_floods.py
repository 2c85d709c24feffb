"""Clients of a served device that flood it, sleep, or never read: the others are served all the same."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import ExitStack
from typing import Any

import pytest

from cosem.client import connect
from cosem.errors import ConnectionLost
from cosem.io import server as server_room
from cosem.link import wrapper
from support.served import DEVICE, Served, served, until


@pytest.fixture
def world() -> Any:
    with served(days=0.05) as running:
        yield running


def recorded(world: Served) -> tuple[bytes, bytes]:
    """Return an AARQ and a request for the load profile, as they go over the wire."""
    sent: list[tuple[str, bytes]] = []
    with connect(
        world.url(client="2", auth="low"), device=DEVICE, trace=lambda way, octets: sent.append((way, octets))
    ) as meter:
        written = [octets for way, octets in sent if way == ">"]
        before = len(written)
        meter.get(7, "1-0:99.1.0", 2)
        written = [octets for way, octets in sent if way == ">"]
    return written[0], written[before]


def test_half_open_connections_make_room_for_others(world: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_room, "MAX_CONNECTIONS", 20)
    with ExitStack() as stack, world.connect(client="16") as first:
        idle = [stack.enter_context(socket.create_connection(world.wrapper, 5)) for _ in range(60)]
        until(lambda: len(world.servers[0].connections) == 20)
        with world.connect(client="16") as second:
            assert second.clock() == first.clock()
        # The oldest were ended, the newest still wait.
        assert idle[0].recv(1) == b""
        idle[-1].setblocking(False)
        with pytest.raises(BlockingIOError):
            idle[-1].recv(1)


def test_whoever_has_an_association_is_never_pushed_out(world: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_room, "MAX_CONNECTIONS", 2)
    with world.connect(client="16") as first, world.connect(client="16") as second:
        with pytest.raises(ConnectionLost):
            world.connect(client="16")
        assert first.clock() == second.clock()


def test_hundreds_of_connections_come_and_go(world: Served) -> None:
    with world.connect(client="16") as polite:
        for _ in range(300):
            with socket.create_connection(world.wrapper, 5) as hasty:
                # Closed by a reset, so that no port is kept.
                hasty.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert polite.clock().year == 2026
        until(lambda: len(world.servers[0].connections) == 1)


def test_a_read_full_of_requests_leaves_others_their_turn(world: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many requests come in one read, another client waits for a slice of them and not for all."""
    device = world.meter.device
    aarq, request = recorded(world)
    order: list[Any] = []
    begun, asked = threading.Event(), threading.Event()
    original = device.get

    def get(session: Any, target: Any, selection: Any) -> Any:
        order.append(session)
        if len(order) == 10:
            # The meter is busy with the first of them while the other client asks.
            begun.set()
            asked.wait(10)
        return original(session, target, selection)

    count = 2000
    with socket.create_connection(world.wrapper, 5) as flood, socket.create_connection(world.wrapper, 5) as polite:
        polite.sendall(aarq)
        polite.recv(1000)
        monkeypatch.setattr(device, "get", get)
        flood.sendall(aarq + request * count)
        flood.shutdown(socket.SHUT_WR)
        assert begun.wait(10)
        polite.sendall(request)
        asked.set()
        assert wrapper.parse(polite.recv(4096))[2][0] == 0xC4
        taken = bytearray()
        while part := flood.recv(1 << 20):
            taken += part
    # It was served behind a slice of the others, not behind them all.
    (place,) = [index for index, session in enumerate(order) if session is not order[0]]
    assert place < 100
    answers, offset = 0, 0
    while offset < len(taken):
        offset = wrapper.parse(bytes(taken), offset)[3]
        answers += 1
    # Nothing of it is lost either: the AARE and every answer (in blocks, of which the first is sent).
    assert answers == 1 + count


def test_a_client_that_never_reads_is_closed_when_it_has_idled(world: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    aarq, request = recorded(world)
    monkeypatch.setattr(server_room, "IDLE", 1.0)
    greedy = socket.socket()
    greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    greedy.settimeout(5)
    with greedy:
        greedy.connect(world.wrapper)
        greedy.sendall(aarq + request * 20_000)
        until(lambda: any(connection.paused for connection in world.servers[0].connections))
        (connection,) = world.servers[0].connections
        # What waits for it is bounded: what one read gave, and answers to a slice beyond what the socket takes.
        transport = connection.transport
        assert transport is not None
        assert len(connection.waiting) <= 1 << 20
        assert transport.get_write_buffer_size() < 1 << 20
        until(lambda: not world.servers[0].connections)


def test_a_slow_client_that_sends_octet_by_octet_is_understood(world: Served) -> None:
    aarq, _ = recorded(world)
    with socket.create_connection(world.wrapper, 5) as slow, world.connect(client="16") as other:
        slow.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for index in range(len(aarq)):
            slow.sendall(aarq[index : index + 1])
        assert other.clock().year == 2026
        assert wrapper.parse(slow.recv(1000))[2][0] == 0x61


def test_a_long_message_is_put_together_from_its_slices(world: Served) -> None:
    aarq, _ = recorded(world)
    with socket.create_connection(world.wrapper, 5) as client:
        client.sendall(aarq + wrapper.build(2, 1, b"\xc0" + bytes(60_000)) + aarq)
        taken = b""
        while len(taken) < 3 * 8 or taken.count(b"\x61\x29") < 2:
            taken += client.recv(65536)
        tags = []
        offset = 0
        while offset < len(taken):
            _, _, apdu, offset = wrapper.parse(taken, offset)
            tags.append(apdu[0])
    assert tags == [0x61, 0xD8, 0x61]
