"""Meters that are silent, slow or wrong: what the client tries, what it never repeats, and the words it finds."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from cosem.classes import Clock, Register
from cosem.client import ClientOptions, DeviceKeys, Meter, connect, connect_async
from cosem.codec import axdr
from cosem.errors import (
    AssociationRejected,
    Cancelled,
    ConnectionLost,
    CosemError,
    HlsFailed,
    RemoteProtocolError,
    SecurityError,
    Timeout,
)
from cosem.security.counters import MemoryCounterStore
from cosem.security.keys import Keys
from cosem.simulator.meter import DEMO_KEYS
from support.served import DEVICE, MANAGEMENT, READING, Proxy, Served, scripted, served, until

SHORT = "timeout=0.25"


@pytest.fixture(scope="module")
def world() -> Iterator[Served]:
    with served(days=0.2) as running:
        yield running


def _both(url: str, **arguments: Any) -> list[CosemError]:
    """Return what connecting ends in, synchronously and asynchronously."""
    with pytest.raises(CosemError) as sync:
        connect(url, counters=MemoryCounterStore(), **arguments)

    async def attempt() -> None:
        await connect_async(url, counters=MemoryCounterStore(), **arguments)

    with pytest.raises(CosemError) as second:
        asyncio.run(attempt())
    assert type(sync.value) is type(second.value)
    return [sync.value, second.value]


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_nothing_listens() -> None:
    for error in _both(f"tcp://127.0.0.1:{_closed_port()}"):
        assert isinstance(error, ConnectionLost)
        assert "the host refuses it" in str(error)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70 + ".example"])
def test_a_name_that_is_not_known(host: str) -> None:
    for error in _both(f"tcp://{host}:4059"):
        assert f"the name {host!r} is not known" in str(error)


def test_nothing_answers_at_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*arguments: Any, **named: Any) -> None:
        raise TimeoutError("timed out")

    async def hang(*arguments: Any, **named: Any) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(socket, "create_connection", never)
    monkeypatch.setattr(asyncio.SelectorEventLoop, "create_connection", hang)
    for error in _both("tcp://192.0.2.1:4059?timeout=0.05"):
        assert isinstance(error, Timeout)
        assert "Nothing answers at that address" in error.diagnosis


def test_another_error_of_the_network_is_told_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*arguments: Any, **named: Any) -> None:
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket, "create_connection", never)
    with pytest.raises(ConnectionLost, match="Network is unreachable"):
        connect("tcp://192.0.2.1")


def test_tcp_is_there_but_hdlc_is_silent() -> None:
    with scripted(lambda octets: b"") as (host, port):
        for error in _both(f"hdlc+tcp://{host}:{port}?server=5&physical=17&{SHORT}"):
            assert isinstance(error, Timeout)
            assert "SNRM" in str(error)
            assert "server 5, physical 17" in str(error)
            assert "the wrapper (tcp://)" in str(error)


def test_the_link_is_there_but_no_aare_comes() -> None:
    with scripted(lambda octets: b"") as (host, port):
        for error in _both(f"tcp://{host}:{port}?client=3&{SHORT}"):
            assert isinstance(error, Timeout)
            assert "no APDU came back from client 3 to server 1" in str(error)
            assert "hdlc+tcp://" in str(error)


def test_what_came_but_was_no_frame_is_mentioned() -> None:
    with scripted(lambda octets: b"login: ") as (host, port):
        for error in _both(f"tcp://{host}:{port}?{SHORT}"):
            assert "wrapper version 27759, not 1. The connection ended before the meter answered" in str(error)


@pytest.mark.parametrize("framing", ["wrapper", "hdlc"])
def test_the_wrong_framing(world: Served, framing: str) -> None:
    host, port = world.wrapper if framing == "hdlc" else world.hdlc
    scheme = "hdlc+tcp" if framing == "hdlc" else "tcp"
    for error in _both(f"{scheme}://{host}:{port}?{SHORT}"):
        assert isinstance(error, (Timeout, ConnectionLost))
        assert "the wrapper (tcp://)" in str(error) or "hdlc+tcp:// for HDLC" in str(error)


@pytest.mark.parametrize("framing", ["wrapper", "hdlc"])
def test_a_wrong_client_or_server(world: Served, framing: str) -> None:
    for query in ({"client": "77"}, {"server": "99"}):
        for error in _both(world.url(framing, **query, timeout="0.25")):
            assert isinstance(error, (Timeout, AssociationRejected, RemoteProtocolError, ConnectionLost))
            assert len(str(error)) > 20


def test_a_wrong_password_and_wrong_keys_are_told_apart(world: Served) -> None:
    for error in _both(world.url(**READING), device=DeviceKeys("m", password=b"12345679")):
        assert isinstance(error, AssociationRejected)
        assert "12345679" not in str(error)
    wrong = DeviceKeys("m", Keys(bytes(16), DEMO_KEYS.authentication_key))
    for error in _both(world.url(**MANAGEMENT, timeout="0.3", counter="read"), device=wrong):
        assert isinstance(error, (RemoteProtocolError, SecurityError))
        assert bytes(16).hex() not in str(error)
    wrong = DeviceKeys("m", Keys(DEMO_KEYS.global_unicast_encryption_key, bytes(16)))
    for error in _both(world.url(**MANAGEMENT, timeout="0.3", counter="read"), device=wrong):
        assert isinstance(error, (RemoteProtocolError, SecurityError))
    gmac_only = DeviceKeys("m", Keys(bytes(16), bytes(16)))
    with served(days=0.02, policy=0) as plain:
        for error in _both(plain.url(client="1", auth="high-gmac"), device=gmac_only):
            assert isinstance(error, (HlsFailed, CosemError))


# --- one silent layer behind a meter that did associate ----------------------------------------------------------


class _Mute:
    """Lets everything pass until told to swallow `swallow` answers of the meter (or all)."""

    def __init__(self) -> None:
        self.swallow = 0
        self.swallowed = threading.Event()

    def __call__(self, number: int, octets: bytes) -> bytes | None:
        if self.swallow:
            self.swallow -= 1
            self.swallowed.set()
            return b""
        return octets


@pytest.fixture
def mute(world: Served) -> Iterator[tuple[Callable[..., Meter], _Mute, Proxy]]:
    silence = _Mute()
    with Proxy(world.wrapper, silence) as proxy:
        host, port = proxy.address

        def start(options: ClientOptions | None = None) -> Meter:
            url = f"tcp://{host}:{port}?client=1&auth=high-gmac&security=both&{SHORT}"
            return connect(url, device=DEVICE, counters=world.counters, options=options)

        yield start, silence, proxy


def test_a_get_is_repeated_as_often_as_the_options_say(mute: Any) -> None:
    start, silence, proxy = mute
    with start(ClientOptions(retries=2)) as meter:
        value = meter[Register, "1-0:1.8.0"].value
        silence.swallow = 2
        before = len(proxy.requests)
        assert meter[Register, "1-0:1.8.0"].value == value
        assert len(proxy.requests) - before == 3
        silence.swallow = 3
        with pytest.raises(Timeout, match="The meter answered before") as caught:
            meter.clock()
        assert caught.value.diagnosis
        # What comes late is nobody else's answer.
        assert meter[Register, "1-0:1.8.0"].value == value


def test_a_list_that_stays_silent_and_reads_without_lists(mute: Any) -> None:
    start, silence, _ = mute
    from cosem.conformance_block import Conformance

    with start(ClientOptions(retries=1)) as meter:
        targets = [(3, "1-0:1.8.0", 2), (3, "1-0:2.8.0", 2)]
        expected = meter.get_many(targets)
        silence.swallow = 1
        assert meter.get_many(targets) == expected
        meter.core.machine.conformance &= ~Conformance.MULTIPLE_REFERENCES
        silence.swallow = 1
        assert meter.get_many(targets) == expected
    with start(ClientOptions(retries=0)) as meter:
        meter.core.machine.conformance &= ~Conformance.MULTIPLE_REFERENCES
        silence.swallow = 4
        with pytest.raises(Timeout, match="The meter answered before"):
            meter.get_many(targets)
        silence.swallow = 0


def test_a_set_or_action_is_never_repeated(mute: Any) -> None:
    start, silence, proxy = mute
    with start(ClientOptions(retries=5, reconnects=5)) as meter:
        meter.clock()
        for attempt in (
            lambda: meter.set(8, "0-0:1.0.0", 3, axdr.long(-60)),
            lambda: meter.call(70, "0-0:96.3.10", 1, axdr.integer(0)),
        ):
            silence.swallow = 1
            before = len(proxy.requests)
            with pytest.raises(Timeout, match="The meter answered before"):
                attempt()
            assert len(proxy.requests) - before == 1
        assert meter.get(8, "0-0:1.0.0", 3) == axdr.long(-60)
        meter.call(70, "0-0:96.3.10", 2, axdr.integer(0))


def test_a_connection_that_dies_under_a_set_is_not_opened_for_it_again(world: Served) -> None:
    class Deaf:
        armed = False

        def __call__(self, number: int, octets: bytes) -> bytes | None:
            return None if self.armed else octets

    deaf = Deaf()
    with Proxy(world.wrapper, deaf) as proxy:
        host, port = proxy.address
        url = f"tcp://{host}:{port}?client=1&auth=high-gmac&security=both&{SHORT}"
        meter = connect(url, device=DEVICE, counters=world.counters)
        deaf.armed = True
        with pytest.raises(ConnectionLost):
            meter.set(8, "0-0:1.0.0", 3, axdr.long(-60))
        assert proxy.connections == 1
        deaf.armed = False
        # The next one finds the connection lost before anything was sent: that is safe to mend.
        meter.set(8, "0-0:1.0.0", 3, axdr.long(-60))
        assert proxy.connections == 2
        meter.close()


class _Killer:
    """Closes the connections of a proxy from the meter's side."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy

    def __call__(self) -> None:
        for item in self.proxy._sockets:
            with suppress(OSError):
                item.shutdown(socket.SHUT_RDWR)


def test_a_meter_that_hung_up_between_two_reads_is_dialled_again(mute: Any) -> None:
    start, _, proxy = mute
    with start() as meter:
        value = meter[Register, "1-0:1.8.0"].value
        _Killer(proxy)()
        assert meter[Register, "1-0:1.8.0"].value == value
        assert proxy.connections == 2
    with start(ClientOptions(reconnects=0)) as meter:
        _Killer(proxy)()
        with pytest.raises(ConnectionLost):
            meter.clock()
        with pytest.raises(ConnectionLost, match="the connection was lost"):
            meter.clock()


async def test_gathered_reads_that_lose_one_connection_dial_once(world: Served) -> None:
    with Proxy(world.wrapper, lambda number, octets: octets) as proxy:
        host, port = proxy.address
        url = f"tcp://{host}:{port}?client=1&auth=high-gmac&security=both&timeout=2"
        options = ClientOptions(window=6)
        async with await connect_async(url, device=DEVICE, counters=world.counters, options=options) as meter:
            await meter.clock()
            _Killer(proxy)()
            for _ in range(200):
                if not meter.core.associated:
                    break
                await asyncio.sleep(0.005)
            values = await asyncio.gather(*(meter.get(Register.value, "1-0:1.8.0") for _ in range(12)))
            assert len(set(values)) == 1
            assert proxy.connections == 2


async def test_timers_still_run_after_a_hang_up(world: Served) -> None:
    """A meter that goes silent, is dialled anew and is silent again: the second time-out comes as well."""
    silence = _Mute()
    with Proxy(world.wrapper, silence) as proxy:
        host, port = proxy.address
        url = f"tcp://{host}:{port}?client=16&{SHORT}"
        meter = await connect_async(url, options=ClientOptions(retries=0))
        silence.swallow = 1000
        for _ in range(3):
            with pytest.raises(Timeout):
                async with asyncio.timeout(5):
                    await meter.run(meter.core.open())
        silence.swallow = 0
        await meter.run(meter.core.open())
        assert (await meter.clock()).year == 2026
        await meter.close()


async def test_a_cancelled_read_leaves_the_meter_usable(world: Served) -> None:
    silence = _Mute()
    with Proxy(world.wrapper, silence) as proxy:
        host, port = proxy.address
        url = f"tcp://{host}:{port}?client=1&auth=high-gmac&security=both&timeout=5"
        async with await connect_async(url, device=DEVICE, counters=world.counters) as meter:
            expected = await meter[Register, "1-0:1.8.0"].value
            silence.swallow = 1
            read = asyncio.create_task(meter.get(Clock.time, "0-0:1.0.0"))
            await asyncio.to_thread(silence.swallowed.wait, 5)
            read.cancel()
            with pytest.raises(asyncio.CancelledError):
                await read
            assert await meter[Register, "1-0:1.8.0"].value == expected
            silence.swallow = 1
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(meter.profile("1-0:99.1.0"), 0.1)
            assert len(await meter.profile("1-0:99.1.0")) > 0


async def test_cancelling_while_dialling_leaves_no_socket_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    begun = asyncio.Event()

    async def slow(*arguments: Any, **named: Any) -> Any:
        begun.set()
        await asyncio.sleep(60)

    monkeypatch.setattr(loop, "create_connection", slow)
    task = asyncio.create_task(connect_async("tcp://192.0.2.1"))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)
    assert [item for item in asyncio.all_tasks() if item is not asyncio.current_task()] == []


def test_a_store_of_counters_that_fails_ends_the_call_not_the_loop(world: Served) -> None:
    class Broken(MemoryCounterStore):
        def lease(self, name: str, count: int, at_least: int = 0) -> tuple[int, int]:
            raise RuntimeError("the disk is on fire")

    async def attempt() -> None:
        async with asyncio.timeout(5):
            await connect_async(world.url(), device=DEVICE, counters=Broken())

    with pytest.raises(RuntimeError, match="on fire"):
        asyncio.run(attempt())
    with pytest.raises(RuntimeError, match="on fire"):
        connect(world.url(), device=DEVICE, counters=Broken())


def test_closing_a_meter_whose_line_is_dead_is_quiet(mute: Any) -> None:
    start, silence, proxy = mute
    meter = start()
    _Killer(proxy)()
    meter.close()
    with start() as meter:
        silence.swallow = 1000
    silence.swallow = 0
    assert proxy.connections == 2


async def test_closing_an_asynchronous_meter_whose_line_is_dead_is_quiet(world: Served) -> None:
    with Proxy(world.wrapper, lambda number, octets: octets) as proxy:
        host, port = proxy.address
        meter = await connect_async(f"tcp://{host}:{port}?{SHORT}")
        _Killer(proxy)()
        await meter.close()
        assert repr(meter[Clock, "0-0:1.0.0"]) == "<Clock 0-0:1.0.0.255>"


def test_a_meter_that_hangs_up_during_the_association(world: Served) -> None:
    with scripted(lambda octets: None) as (host, port):
        for error in _both(f"tcp://{host}:{port}?{SHORT}"):
            assert isinstance(error, ConnectionLost)
            assert "the meter takes no further connection" in str(error)


def test_the_trace_sees_what_goes_over_the_line(world: Served) -> None:
    seen: list[tuple[str, bytes]] = []
    with connect(world.url(client="16"), trace=lambda way, octets: seen.append((way, octets))):
        pass

    async def again() -> None:
        async with await connect_async(world.url(client="16"), trace=lambda way, octets: seen.append((way, octets))):
            pass

    asyncio.run(again())
    assert [way for way, _ in seen[:4]] == [">", "<", ">", "<"]
    assert seen[:4] == seen[4:8]
    until(lambda: not world.servers[0].connections)


async def test_closing_ends_what_is_under_way(world: Served) -> None:
    silence = _Mute()
    with Proxy(world.wrapper, silence) as proxy:
        host, port = proxy.address
        meter = await connect_async(f"tcp://{host}:{port}?timeout=5")
        silence.swallow = 1000
        read = asyncio.create_task(meter.clock())
        await asyncio.to_thread(silence.swallowed.wait, 5)
        meter._driver.close()
        with pytest.raises(Cancelled):
            await read
