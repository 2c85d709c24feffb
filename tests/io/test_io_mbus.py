"""A bus over TCP and on a pseudo-terminal: read, searched and commanded by both clients; two buses at once."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from cosem.client import AsyncMBus, MBus, mbus_connect, mbus_connect_async
from cosem.client.mbus import BusUrl, meter_address
from cosem.device.utility.wired import UtilityStation
from cosem.errors import ConfigError, ConnectionLost, Timeout
from cosem.explain.mbus import by_number
from cosem.io.mbus_server import BusServer
from cosem.io.server import serving
from cosem.link.line import Line, LineSettings
from cosem.mbus.addresses import SecondaryAddress
from cosem.mbus.keys import KeyStore
from cosem.mbus.record import decode_records
from cosem.simulator.mbus_bus import SimulatedBus
from support.mbus_meters import meter, station
from support.utility_meters import DEFAULT_KEY, KEY, NEW_KEY, START, speaker

QUICK = "baud=38400&timeout=0.15&latency=0"


def bus(*numbers: str, echo: bool = False, parts: int = 1) -> SimulatedBus:
    stations = [
        station(meter(number), primary=index + 1, baud=38400, reaction=0.002 + 0.004 * index, parts=parts)
        for index, number in enumerate(numbers)
    ]
    return SimulatedBus(stations, line=Line(LineSettings(38400, parity="E")), echo=echo)


def test_a_bus_behind_a_converter() -> None:
    with serving(BusServer(bus("12345678", "12345679", echo=True, parts=3))) as [(host, port)]:
        trace: list[tuple[str, bytes]] = []
        with mbus_connect(f"mbus+tcp://{host}:{port}?{QUICK}", trace=lambda *item: trace.append(item)) as master:
            assert isinstance(master, MBus)
            scan = master.scan_primary(range(1, 4), tries=1)
            assert [item.address for item in scan.found] == [1, 2]
            within = SecondaryAddress.parse("1234567F")
            found = master.scan_secondary(within, tries=1).found
            assert [item.address.identification for item in found] == ["12345678", "12345679"]
            assert len(master.read(found[1].address)) == 3
            assert [len(item.octets) for item in master.read(1)] == [19, 19, 18]
            master.set_address(2, 7)
            assert master.read(7)
            with pytest.raises(Timeout, match="address 2 does not answer"):
                master.read(2)
            master.application_reset(7, 0x10)
            master.send(7, 0x51, b"\x01")
            assert master.read_alarm(7) is None
            with pytest.raises(ConfigError, match="converter"):
                master.set_baud(7, 2400)
        assert trace[0] == (">", bytes.fromhex("1040014116"))


async def test_two_buses_at_once_and_many_calls_on_each() -> None:
    servers = [BusServer(bus("11111111", "11111112")), BusServer(bus("22222221", "22222222"))]
    places = [await server.start() for server in servers]
    masters = [await mbus_connect_async(f"mbus+tcp://{host}:{port}?{QUICK}") for host, port in places]
    try:
        calls = [master.read(address) for master in masters for address in (1, 2, 1)]
        calls += [master.read(SecondaryAddress.parse("FFFFFFF1")) for master in masters]
        answers = await asyncio.gather(*calls)
        numbers = [SecondaryAddress(answer[0].octets[:8]).identification[:1] for answer in answers]
        assert "".join(numbers) == "11122212"
        with pytest.raises(Timeout):
            await masters[0].read(9)
        assert await masters[0].scan_primary((1, 9), tries=1)
    finally:
        for master in masters:
            master.close()
        for server in servers:
            await server.stop()


def keyed(key: bytes) -> KeyStore:
    return KeyStore(ask=by_number({"12345678": key}))


def house(key: bytes) -> SimulatedBus:
    voices = [speaker("gas-wired", key=key), speaker("water-wired", identification="22222222")]
    stations = [
        UtilityStation(voice, epoch=START, primary=place, baud=38400, reaction=0.002)
        for place, voice in enumerate(voices, 1)
    ]
    return SimulatedBus(stations, line=Line(LineSettings(38400, parity="E")))


def test_meters_are_read_and_ordered_by_their_models() -> None:
    keys = keyed(KEY)
    with (
        serving(BusServer(house(KEY))) as [(host, port)],
        mbus_connect(f"mbus+tcp://{host}:{port}?{QUICK}", keys=keys) as bus,
    ):
        assert isinstance(bus, MBus)
        assert bus.reading(1, name="cellar").values["valve"] == "open"
        assert bus.close_valve(1).meter == bus.release_valve(1).meter
        assert bus.set_clock(2) is not None
        assert bus.set_clock(255) is None
        assert bus.acknowledge_alarms(1) is not None
        assert bus.change_key(1, NEW_KEY, under=DEFAULT_KEY).telegrams[0].verified
        assert bus.send_records(1, decode_records(bytes.fromhex("0dfd1003414243")).records) is not None
        assert bus.reading(1).values["site"] == "CBA"
        with pytest.raises(ConfigError):
            bus.open_valve(1)


async def test_two_buses_with_protected_meters_at_once() -> None:
    servers = [BusServer(house(key)) for key in (KEY, NEW_KEY)]
    places = [await server.start() for server in servers]
    stores = [
        KeyStore(ask=lambda meter, key=key: key if meter.number == "12345678" else None) for key in (KEY, NEW_KEY)
    ]
    buses = [
        await mbus_connect_async(f"mbus+tcp://{host}:{port}?{QUICK}", keys=store)
        for (host, port), store in zip(places, stores, strict=True)
    ]
    try:
        calls = [bus.close_valve(1) for bus in buses] + [bus.set_clock(2) for bus in buses]
        await asyncio.gather(*calls)
        readings = await asyncio.gather(*(bus.reading(place) for bus in buses for place in (1, 2)))
        assert [found.values.get("valve") for found in readings] == ["closed", None, "closed", None]
        await asyncio.gather(*(bus.release_valve(1) for bus in buses))
        with pytest.raises(ConfigError):
            await buses[0].open_valve(1)
        assert await buses[0].acknowledge_alarms(2)
        assert await buses[0].change_key(1, NEW_KEY, under=DEFAULT_KEY)
        assert await buses[0].send_records(1, decode_records(bytes.fromhex("0dfd1003414243")).records)
    finally:
        for bus in buses:
            bus.close()
        for server in servers:
            await server.stop()


async def test_a_connection_that_is_lost_is_opened_again() -> None:
    server = BusServer(bus("12345678"))
    host, port = await server.start()
    async with AsyncMBus(f"mbus+tcp://{host}:{port}?{QUICK}") as master:
        assert await master.read(1)
        for connection in list(server.connections):
            assert connection.transport is not None
            connection.transport.abort()
        while master.master.connected:
            await asyncio.sleep(0.01)
        assert await master.read(1)
        await server.stop()
        while master.master.connected:
            await asyncio.sleep(0.01)
        with pytest.raises(ConnectionLost):
            await master.read(1)


async def test_a_bus_has_one_master_and_the_last_one_is_it() -> None:
    server = BusServer(bus("12345678"))
    host, port = await server.start()
    url = f"mbus+tcp://{host}:{port}?{QUICK}"
    async with AsyncMBus(url) as first, AsyncMBus(url) as second:
        assert await second.read(1)
        while first.master.connected:
            await asyncio.sleep(0.01)
        assert await second.read(1)
        assert len(server.connections) == 1
        assert await first.read(1)
    await server.stop()


@contextmanager
def on_a_pseudo_terminal(simulated: SimulatedBus) -> Iterator[str]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def run(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(10)

    async def start() -> tuple[BusServer, str]:
        server = BusServer(simulated)
        return server, await server.open()

    server, path = run(start())
    try:
        yield path
    finally:
        run(server.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


needs_terminals = pytest.mark.skipif(
    os.name != "posix" or not hasattr(os, "openpty"), reason="pseudo-terminals are POSIX"
)


@needs_terminals
def test_a_bus_on_a_serial_port_whose_meter_changes_its_speed() -> None:
    pytest.importorskip("serial")
    simulated = bus("12345678")
    with on_a_pseudo_terminal(simulated) as path:
        with mbus_connect(f"mbus+serial://{path}?baud=38400&timeout=0.2") as master:
            assert master.read(1)
            # The pseudo-terminal carries no speed: the wire learns of it here.
            master.line.watch(lambda settings: setattr(simulated.line, "settings", settings))
            master.set_baud(1, 9600)
            assert simulated.stations[0].baud == master.line.settings.baud == 9600
            assert master.read(1)
        with mbus_connect(f"mbus+serial://{path}?baud=9600&timeout=0.2") as master:
            assert master.read(meter())


@needs_terminals
async def test_an_event_loop_on_a_serial_port() -> None:
    pytest.importorskip("serial")
    server = BusServer(bus("12345678", echo=True))
    path = await server.open()
    async with AsyncMBus(f"mbus+serial://{path}?baud=38400&timeout=0.2&echo=on") as master:
        assert await master.read(1)
    await server.stop()


def test_urls() -> None:
    url = BusUrl.parse("mbus+tcp://converter:10001?baud=300&timeout=3&tries=5&latency=1&echo=off")
    assert (url.host, url.port, url.line.baud, url.echo) == ("converter", 10001, 300, "off")
    assert (url.times.answer, url.times.tries, url.times.latency) == (3.0, 5, 1.0)
    url = BusUrl.parse("mbus+serial:///dev/ttyUSB0")
    assert url.serial is not None
    assert str(url.line) == "2400 Bd 8E1"
    assert url.times.latency == 0.0
    for wrong in (
        "tcp://host:1", "mbus+tcp://host", "mbus+tcp://host:1?baud=2401", "mbus+tcp://host:1?server=1", "mbus+tcp://h:x",
        "mbus+tcp://host:1?tries=0", "mbus+tcp://host:1?timeout=-1", "mbus+tcp://host:1?timeout=nan", "mbus+serial://",
        "mbus+tcp://host:1?echo=x", "mbus+tcp://host:1?timeout=x", "12345678",
    ):  # fmt: skip
        with pytest.raises(ConfigError):
            BusUrl.parse(wrong)


def test_addresses_as_people_write_them() -> None:
    assert meter_address("5") == 5
    assert meter_address("12345678") == SecondaryAddress.of("12345678")
    for wrong in ("252", "256", "1234", "x"):
        with pytest.raises(ConfigError):
            meter_address(wrong)
