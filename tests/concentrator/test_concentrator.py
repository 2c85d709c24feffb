"""A concentrator over a power line: read from outside over TCP, reading by itself, answering from what it has."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from cosem.classes.c003_register import Register
from cosem.classes.c007_profile_generic import ProfileGeneric
from cosem.classes.c050_sfsk_phy_mac_setup import SFSKPhyMACSetup
from cosem.client.core import Core
from cosem.client.keyfile import DeviceKeys
from cosem.client.meter import Meter, connect
from cosem.concentrator.concentrator import LIVE, STORED, Concentrator
from cosem.concentrator.forwarder import NOT_REACHED
from cosem.concentrator.local import NETWORK
from cosem.concentrator.reading import ReadingPlan
from cosem.errors import ConfigError, ConnectionLost, CosemError, ExceptionResponseReceived
from cosem.io.server import DeviceServer
from cosem.link import gateway, wrapper
from cosem.link.gateway import Gateway
from cosem.link.wrapper import WrapperLink
from cosem.obis import Obis
from cosem.plc.llc import LlcSettings
from cosem.security.counters import MemoryCounterStore
from cosem.simulator.feeder import Interferer, random_feeder
from cosem.simulator.feeder_meter import ENERGY, LightMeter
from cosem.simulator.feeder_network import title_of
from cosem.simulator.meter import DEMO_KEYS
from cosem.simulator.power_line_site import PowerLineSite

PROFILE = Obis.parse("1-0:99.1.0.255")
SECURED = "client=1&auth=high-gmac&security=both"


def site(meters: int = 5, *, frame: int = 134, seed: int = 2) -> PowerLineSite:
    made = PowerLineSite(random_feeder(meters, seed=seed), seed=seed, llc=LlcSettings(frame))
    made.network.discover()
    return made


@contextmanager
def served(concentrator: Concentrator) -> Iterator[int]:
    """Serve on a free port, in a thread."""
    loop = asyncio.new_event_loop()
    server = DeviceServer(concentrator.local.device, machines=concentrator.machine)
    ready, port = threading.Event(), 0

    async def begin() -> None:
        nonlocal port
        _, port = await server.start()
        ready.set()

    def main() -> None:
        loop.run_until_complete(begin())
        loop.run_forever()

    thread = threading.Thread(target=main)
    thread.start()
    assert ready.wait(10)
    try:
        yield port
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


COUNTERS = MemoryCounterStore()


def dial(port: int, gateway: str = "", *, client: bytes = b"HESHES01", security: str = SECURED) -> Meter:
    keys = DeviceKeys("meter", keys=DEMO_KEYS, client_system_title=client)
    return connect(f"tcp://127.0.0.1:{port}?{security}{gateway}", device=keys, counters=COUNTERS)


def behind(network: int, title: bytes) -> str:
    return f"&gateway_network={network}&gateway_device={title.hex()}"


@pytest.mark.parametrize("frame", [134, 242])
def test_a_meter_is_read_over_tcp_through_gateway_and_power_line(frame: int) -> None:
    made = site(frame=frame)
    with served(made.concentrator) as port, dial(port, behind(LIVE, title_of(3))) as meter:
        station = made.network.meters[3]
        assert isinstance(station, LightMeter)
        assert int(meter[Register, ENERGY].value) == station.energy(station.device.now)
        assert meter[SFSKPhyMACSetup, "0-0:26.0.0"].mac_address == made.network.systems[3].mac.address
        table = meter.profile("1-0:99.1.0").read()
        assert len(table) == 192
        meter.set_clock()
    assert not made.network.initiator.busy


def test_it_reads_by_itself_keeps_and_answers_from_what_it_has() -> None:
    made = site()
    reading = made.read_profiles()
    assert len(reading.report.read) == 5
    assert reading.report.rows == 5 * 96
    assert not reading.report.failed
    used = made.network.medium.slots_used
    with served(made.concentrator) as port, dial(port, behind(STORED, title_of(2))) as meter:
        table = meter.profile("1-0:99.1.0").read()
        assert meter[ProfileGeneric, "1-0:99.1.0"].capture_period == 900
    station = made.network.meters[2]
    assert isinstance(station, LightMeter)
    assert [row[1] for row in table.rows] == [station.energy(row.time) for row in station.profile.rows[-96:]]
    # Nothing went over the power line for it.
    assert made.network.medium.slots_used == used


def test_nothing_is_protected_twice_with_one_counter() -> None:
    """All that answers from the concentrator has one key and one title, so it may not have one counter twice."""
    made = site(3)
    made.read_profiles()
    answering = [made.concentrator.local.device]
    for number in (1, 2, 3):
        stored = made.concentrator.stored(title_of(number))
        assert stored is not None
        answering.append(stored.device)
    key = DEMO_KEYS.global_unicast_encryption_key
    assert key is not None
    ranges = sorted(
        (counter.next, counter.next + counter.remaining)
        for counter in (device.counters.sending(key) for device in answering)
    )
    assert all(one[1] <= two[0] for one, two in pairwise(ranges))
    assert bytes(answering[0].system_title) != made.client_settings().system_title


def test_what_is_read_again_is_only_what_is_new() -> None:
    made = site(2)
    made.read_profiles()
    rate = made.network.medium.rate
    made.network.run(made.network.now + rate.slots_in(3 * 900))
    carried = made.network.initiator.carried
    again = made.read_profiles().report
    assert again.rows == 2 * 3
    assert made.network.initiator.carried - carried < 2 * 700
    kept = made.concentrator.kept.profile(title_of(1), PROFILE)
    assert kept is not None
    assert len(kept.rows) == 99


def test_local_objects_show_the_network() -> None:
    made = site(12)
    made.network.medium.switch(5, False)
    made.read_all()
    with served(made.concentrator) as port, dial(port) as concentrator:
        table = concentrator.profile(NETWORK).read()
        headings = [concentrator.get(1, column.obis, 2).value for column in table.columns]
        assert concentrator.get(56, "0-0:26.6.0", 2).value == ()
    assert headings[0] == b"system title"
    rows = {row[0]: row for row in table.rows}
    for station, system in made.network.systems.items():
        known = made.network.initiator.registry.systems[title_of(station)]
        _, address, state, level, hops, repeats, heard, failures = rows[title_of(station)]
        assert (address, state) == (known.address, known.membership.value)
        assert (level, hops) == (round(known.level), known.credit)
        assert repeats == (255 if station == 5 else int(system.mac.repeats))
        assert failures == known.failures
        assert made.network.start < heard <= made.network.utc
    assert rows[title_of(5)][2] == "lost"


def test_several_clients_take_turns_with_the_concentrators_own_reading() -> None:
    made = site(4)
    reading = made.concentrator.read(ReadingPlan(PROFILE))
    with served(made.concentrator) as port:
        results: list[int] = []

        def read(client: bytes, number: int) -> None:
            with dial(port, behind(LIVE, title_of(number)), client=client) as meter:
                results.append(int(meter[Register, ENERGY].value))

        threads = [threading.Thread(target=read, args=(b"HESHES%02d" % n, n)) for n in (1, 2, 3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert len(results) == 3
    made.network.run(made.network.now + 100_000, lambda: reading.over)
    assert len(reading.report.read) == 4


def test_who_cannot_be_reached_is_told_at_once_and_reported_with_the_cause() -> None:
    made = site(3)
    made.network.medium.switch(2, False)
    with served(made.concentrator) as port:
        with pytest.raises(ExceptionResponseReceived):
            dial(port, behind(LIVE, title_of(2)))
        with pytest.raises(CosemError, match=r"device 6e6f626f6479 of network 1, .*may not know that network"):
            dial(port, behind(LIVE, b"nobody") + "&timeout=0.3")
    report = made.read_profiles().report
    failure = report.failed[title_of(2)]
    assert "no answer to 3 of 3 attempts" in failure.cause
    assert set(report.read) == {title_of(1), title_of(3)}
    assert report.attempts == 2 + 3


@pytest.mark.parametrize(("client", "server"), [(300, 1), (16, 900), (0, 1), (0xFFFF, 0xFFFF)])
def test_access_points_the_line_cannot_name_are_refused_at_once_on_the_same_connection(
    client: int, server: int
) -> None:
    made = site(2)
    door = Gateway(WrapperLink(server=True), made.concentrator.machine)
    question = gateway.build(gateway.Prefix(False, LIVE, title_of(1))) + bytes.fromhex("c001c100080000010000ff0200")
    answer = gateway.build(gateway.Prefix(True, LIVE, title_of(1))) + NOT_REACHED.encode()
    for _ in range(2):
        door.receive(wrapper.build(client, server, question), 0)
        assert door.take() == wrapper.build(server, client, answer)


def test_a_reading_outlives_a_restart_of_the_initiator() -> None:
    made = site(4)
    reading = made.concentrator.read(ReadingPlan(PROFILE, attempts=10))
    made.network.run(made.network.now + 60)
    assert not reading.over
    made.network.restart_initiator()
    made.network.run(made.network.now + 200_000, lambda: reading.over)
    assert len(reading.report.read) == 4
    assert reading.report.rows == 4 * 96


def test_one_reading_of_a_profile_at_a_time() -> None:
    made = site(2)
    made.concentrator.read(ReadingPlan(PROFILE))
    with pytest.raises(ConfigError):
        made.concentrator.read(ReadingPlan(PROFILE))


def test_a_noisy_hour_costs_repetitions_and_no_row() -> None:
    feeder = random_feeder(30, seed=1)
    hour = frozenset({13})
    joints = range(5, len(feeder.segments), 10)
    jammers = tuple(Interferer(joint, joint // 10 % 2, 121.0, hour) for joint in joints)
    made = PowerLineSite(replace(feeder, interferers=jammers), seed=1)
    made.network.discover()
    assert len(made.network.initiator.registry.registered) == 30
    made.network.run(made.network.medium.rate.slots_in(3630))
    report = made.read_profiles().report
    # What was lost was repeated, or is told with its cause; nothing is half there.
    assert made.network.initiator.repeated > 10
    assert set(report.read) | set(report.failed) == {title_of(number) for number in range(1, 31)}
    assert report.rows == 96 * len(report.read)
    assert all("attempts" in failure.cause for failure in report.failed.values())
    made.network.run(made.network.medium.rate.slots_in(2.1 * 3600))
    again = made.read_profiles().report
    assert len(again.read) == 30
    for number in range(1, 31):
        kept = made.concentrator.kept.profile(title_of(number), PROFILE)
        assert kept is not None
        times = [row.time for row in kept.rows]
        assert times == list(range(times[0], times[-1] + 1, 900))


def test_a_conversation_ends_with_the_cause_where_the_network_gives_up() -> None:
    made = site(3)
    made.network.medium.switch(1, False)

    def talk(core: Core) -> Any:
        yield from core.open()

    with pytest.raises(ConnectionLost):
        made.run(title_of(1), talk)
    with pytest.raises(ConnectionLost):
        made.run(b"nobody00", talk)


def test_a_repeated_question_is_answered_again_and_carried_out_once() -> None:
    """The first answer of every exchange is lost on its way: nothing is done twice, nothing fails."""
    made = site(1)

    def talk(core: Core) -> Any:
        yield from core.open()
        value = yield from core.get_data(3, Obis.parse(ENERGY), 2)
        yield from core.call_data(53, Obis.parse("0-0:26.3.0.255"), 1, _zero())
        yield from core.close()
        return value.value

    drops = {"left": 0}
    original = made.network.initiator.handle

    def lossy(event: Any, now: int) -> None:
        from cosem.plc.mac_events import MacIndication

        if isinstance(event, MacIndication) and event.frame.sdu[:1] == b"\x90" and event.frame.sdu[1] == 1:
            drops["left"] += 1
            if drops["left"] % 2:
                return
        original(event, now)

    made.network.initiator.handle = lossy  # type: ignore[method-assign]
    assert made.run(title_of(1), talk) > 0
    station = made.network.meters[1]
    assert isinstance(station, LightMeter)
    assert station.port.repeated >= 3


def _zero() -> Any:
    from cosem.codec.axdr import Data, Tag

    return Data(Tag.INTEGER, 0)
