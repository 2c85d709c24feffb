"""Meters that open the connection themselves: who calls, what they say first, and what goes wrong with one of them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from cosem.apdu.ciphered import GeneralGlo
from cosem.apdu.notify import DataNotification
from cosem.association.responder import Responder
from cosem.client import AsyncMeter, Greeting, KeyFile, listen_for_meters, serve_inbound
from cosem.client import inbound as room
from cosem.codec import axdr
from cosem.errors import ConfigError, ConnectionLost, CosemError, Timeout
from cosem.io import inbound as io_room
from cosem.io import server as server_room
from cosem.io.server import DeviceServer, serving
from cosem.link.base import Address
from cosem.link.hdlc.link import HdlcLink
from cosem.link.wrapper import WrapperLink
from cosem.security.counters import MemoryCounterStore
from cosem.security.gcm import protect
from cosem.simulator.meter import DEMO_KEYS
from support.served import KEY_FILE, MANAGEMENT, make_meter

SERIAL = (1, "0-0:96.1.0", 2)
NAME = bytes.fromhex("00002a0000ff")


def keys_of(folder: Path, *titles: bytes) -> KeyFile:
    """A key file whose defaults are wrong, and a section with the right keys for each title, called by device name."""
    text = '[default]\npassword = "wrong"\n' if titles else KEY_FILE
    for title in titles:
        text += KEY_FILE.replace("[default]", f"[{name_of(title)}]") + f'system_title = "{title.hex()}"\n'
    path = folder / "keys.toml"
    path.write_text(text, encoding="utf-8")
    return KeyFile.load(path)


def name_of(title: bytes) -> str:
    """The logical device name of a simulated meter."""
    return f"{title[:3].decode()}{10_000_000 + title[-1]}"


def url(framing: str = "wrapper", **query: str) -> str:
    scheme = "hdlc+tcp" if framing == "hdlc" else "tcp"
    return f"{scheme}://127.0.0.1:0?{urlencode(MANAGEMENT | query)}"


def heartbeat(title: bytes) -> Callable[[Responder], None]:
    body = axdr.structure(axdr.octet_string(NAME), axdr.octet_string(name_of(title).encode()))
    return lambda responder: responder.notify(Address(16, 1), DataNotification(b"", axdr.encode(body)))


@contextmanager
def calling(
    address: tuple[str, int], *meters: Any, framing: str = "wrapper", greet: bool = False
) -> Iterator[list[DeviceServer]]:
    """Let meters dial `address`."""
    servers = [DeviceServer(meter.device, framing=framing) for meter in meters]
    with serving(*servers):
        for server, meter in zip(servers, meters, strict=True):
            loop = server._server.get_loop()  # type: ignore[union-attr]
            said = heartbeat(meter.settings.system_title) if greet else None
            loop.call_soon_threadsafe(lambda server=server, said=said: server.dial(*address, greet=said))
        yield servers


@pytest.mark.parametrize("framing", ["wrapper", "hdlc"])
@pytest.mark.parametrize("greet", [False, True])
def test_a_meter_calls_and_is_read(tmp_path: Path, framing: str, greet: bool) -> None:
    with (
        listen_for_meters(url(framing), keys=keys_of(tmp_path), counters=MemoryCounterStore()) as door,
        calling(door.address, make_meter(days=0.1), framing=framing, greet=greet),
    ):
        caller = door.accept(5)
        assert caller.peer[0] == "127.0.0.1"
        push = caller.listen(5 if greet else 0.05)
        assert (push is not None) == greet
        with caller.associate() as meter:
            assert meter.get(*SERIAL).value == b"10000001"
            assert len(meter.profile("1-0:99.1.0").read().rows) > 5
        with pytest.raises(ConnectionLost, match="has to open another"):
            meter.run(meter.core.open())


def test_the_counter_is_read_first_over_the_same_connection(tmp_path: Path) -> None:
    meter = make_meter(days=0.1)
    keys = keys_of(tmp_path)
    for _ in range(2):
        # A store that knows nothing of what was sent before.
        with (
            listen_for_meters(url(counter="read"), keys=keys, counters=MemoryCounterStore()) as door,
            calling(door.address, meter),
            door.accept(5).associate() as read,
        ):
            assert read.get(*SERIAL).value == b"10000001"


def test_a_counter_the_meter_asks_for_is_used_over_the_same_connection(tmp_path: Path) -> None:
    meter = make_meter(days=0.1)
    for _ in range(2):
        with (
            listen_for_meters(url(), keys=keys_of(tmp_path), counters=MemoryCounterStore()) as door,
            calling(door.address, meter),
            door.accept(5).associate() as read,
        ):
            assert read.get(*SERIAL).value == b"10000001"


def test_who_calls_is_known_by_what_it_says(tmp_path: Path) -> None:
    first, second = make_meter(days=0.05, seed=1), make_meter(days=0.05, seed=2)
    keys = keys_of(tmp_path, first.settings.system_title, second.settings.system_title)
    with (
        listen_for_meters(url(), keys=keys, counters=MemoryCounterStore()) as door,
        calling(door.address, first, second, greet=True),
    ):
        serials = set()
        for _ in range(2):
            caller = door.accept(5)
            assert caller.listen(5) is not None
            assert caller.greeting.device_name in (b"CSM10000001", b"CSM10000002")
            assert caller.greeting.system_title is None
            with caller.associate() as meter:
                serials.add(meter.get(*SERIAL).value)
        assert serials == {b"10000001", b"10000002"}


def test_a_protected_push_names_its_sender(tmp_path: Path) -> None:
    title = b"CSM\0\0\0\0\7"
    plain = DataNotification(b"", b"\x00").encode(1)
    key = DEMO_KEYS.global_unicast_encryption_key
    assert key is not None
    content = protect(key, DEMO_KEYS.authentication_key, title, 5, 0x30, plain)
    link = WrapperLink(server=True)
    link.send(Address(16, 1), GeneralGlo(title, content).encode(), 0.0)
    with (
        listen_for_meters(url(), keys=keys_of(tmp_path, title)) as door,
        socket.create_connection(door.address) as modem,
    ):
        caller = door.accept(5)
        modem.sendall(b"IMEI 490154203237518\r\n")
        assert caller.listen(0.1) is None
        modem.sendall(link.take())
        push = caller.listen(5)
        assert push is not None
        assert (push.verified, caller.greeting.system_title) == (True, title)
        assert caller._setup.plan(caller.greeting).device.system_title == title
        caller.close()


def test_somebody_else_may_say_who_calls(tmp_path: Path) -> None:
    caller = make_meter(days=0.05)
    keys = keys_of(tmp_path, caller.settings.system_title)
    seen: list[Greeting] = []

    def identify(greeting: Greeting) -> Any:
        seen.append(greeting)
        return keys.device(keys.names[0])

    with (
        listen_for_meters(url(), keys=keys, counters=MemoryCounterStore(), identify=identify) as door,
        calling(door.address, caller),
        door.accept(5).associate() as meter,
    ):
        assert meter.get(*SERIAL).value == b"10000001"
    assert seen[0].peer[0] == "127.0.0.1"
    assert seen[0].device_name is None


def test_what_goes_wrong_at_the_door(tmp_path: Path) -> None:
    with listen_for_meters(url(timeout="0.2"), keys=keys_of(tmp_path), counters=MemoryCounterStore()) as door:
        with pytest.raises(Timeout, match="no meter has called"):
            door.accept(0.05)
        with pytest.raises(ConfigError, match="cannot listen"):
            listen_for_meters(f"tcp://127.0.0.1:{door.address[1]}")
        with socket.create_connection(door.address):
            caller = door.accept(5)
            with pytest.raises(Timeout):
                caller.associate()
        for act in (lambda caller: caller.listen(5), lambda caller: caller.associate()):
            socket.create_connection(door.address).close()
            with pytest.raises(ConnectionLost):
                act(door.accept(5))
    with pytest.raises(ConnectionLost, match="the door is closed"):
        door.accept(1)
    with pytest.raises(ConfigError, match="meters open TCP connections"):
        listen_for_meters("udp://127.0.0.1:0")


# --- inside an event loop --------------------------------------------------------------------------------------


@pytest.mark.parametrize("framing", ["wrapper", "hdlc"])
async def test_many_meters_call_at_once(tmp_path: Path, framing: str) -> None:
    meters = [make_meter(days=0.02, seed=seed) for seed in range(1, 6)]
    keys = keys_of(tmp_path, *(meter.settings.system_title for meter in meters))
    serials: set[bytes] = set()
    done = asyncio.Event()

    async def handler(meter: AsyncMeter) -> None:
        assert meter.greeting is not None
        assert meter.greeting.pushes
        (value,) = await meter.get_many([SERIAL])
        serials.add(value.value)  # type: ignore[union-attr]
        if len(serials) == len(meters):
            done.set()

    door = serve_inbound(url(framing), handler, heartbeat=5.0, keys=keys, counters=MemoryCounterStore())
    async with door, asyncio.timeout(20):
        assert await door.__aenter__() is door
        servers = [DeviceServer(meter.device, framing=framing) for meter in meters]
        for server, meter in zip(servers, meters, strict=True):
            server.dial(*door.address, greet=heartbeat(meter.settings.system_title))
        await done.wait()
        for server in servers:
            await server.stop()
        assert not door.failures
    assert serials == {f"{10_000_000 + seed}".encode() for seed in range(1, 6)}


async def test_one_that_goes_wrong_costs_the_others_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(io_room, "MAX_GREETING", 1000)
    counters = MemoryCounterStore()
    read = asyncio.Event()

    async def handler(meter: AsyncMeter) -> None:
        await meter.clock()
        read.set()
        raise ValueError("a handler of somebody")

    door = serve_inbound(
        url(counter="read", timeout="0.3"), handler, heartbeat=0.3, keys=keys_of(tmp_path), counters=counters
    )
    server = DeviceServer(make_meter(days=0.02).device)
    async with door, asyncio.timeout(20):
        silent = await asyncio.open_connection(*door.address)
        noisy = await asyncio.open_connection(*door.address)
        noisy[1].write(b"registration\r\n" * 3)
        flood = await asyncio.open_connection(*door.address)
        flood[1].write(bytes(5000))
        gone = await asyncio.open_connection(*door.address)
        gone[1].close()
        server.dial(*door.address)
        await read.wait()
        while len(door.failures) < 5 or door.callers:
            await asyncio.sleep(0.01)
        for _, writer in (silent, noisy, flood):
            writer.close()
        await server.stop()
    kinds = sorted(type(error).__name__ for _, error in door.failures)
    assert kinds.count("ValueError") == 1
    assert all(isinstance(error, (CosemError, ValueError)) for _, error in door.failures)


async def test_further_callers_than_the_limit_are_turned_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MAX_CALLERS", 1)

    async def handler(meter: AsyncMeter) -> None:
        raise AssertionError("nobody associates here")

    async with serve_inbound(url(), handler, heartbeat=9.0, keys=keys_of(tmp_path)) as door, asyncio.timeout(5):
        first = await asyncio.open_connection(*door.address)
        while not door.callers:
            await asyncio.sleep(0.01)
        second = await asyncio.open_connection(*door.address)
        assert await second[0].read(1) == b""
        assert door.callers == 1
        with pytest.raises(ConfigError, match="cannot listen"):
            await serve_inbound(f"tcp://127.0.0.1:{door.address[1]}", handler).start()
    assert await first[0].read(1) == b""
    for _, writer in (first, second):
        writer.close()


# --- the device ------------------------------------------------------------------------------------------------


async def test_a_device_calls_again_until_somebody_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_room, "REDIAL", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = free.getsockname()
    failures: list[OSError] = []
    server = DeviceServer(make_meter(days=0.01).device)
    server.dial(*address, greet=heartbeat(b"12345678"), failed=failures.append)
    calls: list[bytes] = []
    async with asyncio.timeout(10):
        while len(failures) < 2:
            await asyncio.sleep(0.01)

        async def called(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            calls.append(await reader.read(8))
            writer.close()

        listening = await asyncio.start_server(called, *address)
        while len(calls) < 3:
            await asyncio.sleep(0.01)
        await server.stop()
        listening.close()
        await listening.wait_closed()
    assert all(call.startswith(b"\0\1\0\1\0\x10") for call in calls)
    assert not server.connections


def test_a_dialled_hdlc_line_takes_the_calling_address() -> None:
    link = server_room.make_link("hdlc", make_meter(days=0.01).device, calling=True)
    assert isinstance(link, HdlcLink)
    assert link.calling
