"""Whole power line networks: discovery, registration, loss, and what goes wrong on a real street."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cosem.plc.addresses import NEW
from cosem.plc.initiator import InitiatorSettings
from cosem.plc.mac_events import MacRequest
from cosem.plc.mac_settings import MacSettings, Timeouts
from cosem.plc.procedures import (
    AlarmReported,
    DuplicateTitle,
    Exchange,
    SystemLost,
    SystemPresent,
    SystemRegistered,
)
from cosem.plc.registry import Membership
from cosem.plc.reporting import AlarmCleared, Station
from cosem.simulator.feeder import Feeder, Interferer, Line, Place, Segment, line_of_repeaters, random_feeder
from cosem.simulator.feeder_network import HOME, FeederNetwork, title_of

SECOND = 0xC01
QUICK = MacSettings(timeouts=Timeouts(search_initiator_s=20, not_addressed_min=30))


def followed(network: FeederNetwork) -> list[object]:
    """Return the list in which everything an initiator tells is noted."""
    told: list[object] = []
    for initiator in network.initiators.values():
        initiator.take_events()
    network.on_event = lambda station, event: told.append(event)
    return told


def slots(network: FeederNetwork, seconds: float) -> int:
    return network.medium.rate.slots_in(seconds)


def run(network: FeederNetwork, seconds: float) -> None:
    network.run(network.now + slots(network, seconds))


def assert_registered_once(network: FeederNetwork) -> None:
    """Everybody who is registered has an address of its own, and the one that its initiator thinks it has."""
    for home, initiator in network.initiators.items():
        mine = {at: item for at, item in network.systems.items() if item.mac.initiator == initiator.mac.address}
        registered = {at: item for at, item in mine.items() if item.mac.address != NEW}
        addresses = [item.mac.address for item in registered.values()]
        assert len(set(addresses)) == len(addresses), home
        for item in registered.values():
            system = initiator.registry.systems[item.settings.title]
            assert system.address == item.mac.address


@given(
    meters=st.integers(1, 25),
    seed=st.integers(0, 10_000),
    cables=st.integers(1, 3),
    phase=st.integers(0, 3),
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_discovery_of_any_feeder_ends_with_whoever_is_in_reach_registered(
    meters: int, seed: int, cables: int, phase: int
) -> None:
    feeder = random_feeder(meters, seed=seed, cables=cables, initiator_phase=phase)
    network = FeederNetwork(feeder, seed=seed)
    network.discover()
    assert network.initiator.discovery is None
    assert_registered_once(network)
    # Who is not registered was never heard of: either way nothing is half done.
    for station, system in network.systems.items():
        known = network.initiator.registry.systems.get(title_of(station))
        assert (known is not None) == (system.mac.address != NEW), station
    for system in network.initiator.registry:
        assert system.membership is Membership.PRESENT


def test_two_hundred_meters_get_two_hundred_addresses() -> None:
    network = FeederNetwork(random_feeder(200, seed=1))
    told = followed(network)
    network.discover()
    assert {item.mac.address for item in network.systems.values()} == set(range(1, 201))
    assert {item.state for item in network.systems.values()} == {Station.REGISTERED}
    assert sum(isinstance(event, SystemRegistered) for event in told) == 200
    # Nobody far away repeats for nothing: the last call left a dozen of them or so.
    assert sum(item.mac.repeats for item in network.systems.values()) < 40


def test_the_same_seed_is_the_same_network() -> None:
    def course() -> list[object]:
        network = FeederNetwork(random_feeder(12, seed=3), seed=5)
        told = followed(network)
        network.discover()
        return told

    assert course() == course()


@pytest.mark.parametrize("hops", [1, 3, 7])
def test_a_line_is_found_hop_by_hop_and_its_credits_are_learnt(hops: int) -> None:
    network = FeederNetwork(line_of_repeaters(hops))
    network.discover()
    credits = {item.mac.address: network.initiator.registry.at(item.mac.address) for item in network.systems.values()}
    assert NEW not in credits
    for distance, station in enumerate(sorted(network.systems)):
        system = network.initiator.registry.systems[title_of(station)]
        assert system.credit == distance
    assert_registered_once(network)


def two_towers() -> Feeder:
    """Return two concentrators 1,200 m apart with meters on the cable between them."""
    segments = tuple(Segment(number, 100) for number in range(12))
    stations = [Place(0, 0), Place(12, 0)]
    stations += [Place(joint, 1 + joint % 3) for joint in range(1, 12) for _ in range(2)]
    return Feeder(segments, tuple(stations), Line(noise_spread=0.0, tone_spread=0.5))


def test_each_meter_joins_the_stronger_of_two_initiators() -> None:
    # All have to hear both before they choose, so nobody is strong enough to be taken at once.
    network = FeederNetwork(two_towers(), settings=replace(QUICK, search_threshold=200.0), others={1: SECOND})
    network.discover()
    assert_registered_once(network)
    channel = network.medium.channel
    for station, system in network.systems.items():
        levels = {HOME: channel.level(0, station), SECOND: channel.level(1, station)}
        assert system.mac.address != NEW
        if abs(levels[HOME] - levels[SECOND]) > 3:
            assert system.mac.initiator == max(levels, key=lambda home: levels[home]), (station, levels)


def test_a_noisy_feeder_is_found_all_the_same() -> None:
    feeder = random_feeder(15, seed=4)
    loud = replace(
        feeder,
        line=Line(noise=66.0, noise_spread=6.0),
        interferers=(Interferer(joint=3, tone=0, level=100.0),),
    )
    network = FeederNetwork(loud, seed=4)
    network.discover()
    assert_registered_once(network)
    assert len(network.initiator.registry.registered) >= 13


def test_an_initiator_that_restarts_in_the_middle_registers_nobody_twice() -> None:
    network = FeederNetwork(random_feeder(40, seed=6))
    told = followed(network)
    network.initiator.discover(network.now)
    network.flush()
    while len(network.initiator.registry) < 15:
        run(network, 2)
    # In the middle of a frame, with addresses assigned that nobody has confirmed.
    network.restart_initiator()
    network.discover()
    assert_registered_once(network)
    assert {item.mac.address for item in network.systems.values()} == set(range(1, 41))
    addresses: dict[bytes, int] = {}
    for event in told:
        if isinstance(event, SystemRegistered):
            assert addresses.setdefault(event.title, event.address) == event.address


def test_a_meter_that_forgot_its_address_gets_it_again() -> None:
    network = FeederNetwork(random_feeder(5, seed=2))
    network.discover()
    address = network.systems[3].mac.address
    told = followed(network)
    network.restart_meter(3, forgets=True)
    network.discover()
    assert network.systems[3].mac.address == address
    assert [event.again for event in told if isinstance(event, SystemRegistered)] == [True]
    assert not [event for event in told if isinstance(event, DuplicateTitle)]
    assert_registered_once(network)


def test_a_meter_that_kept_its_address_goes_on_without_a_word() -> None:
    network = FeederNetwork(random_feeder(5, seed=2))
    network.discover()
    address = network.systems[3].mac.address
    told = followed(network)
    network.restart_meter(3)
    network.initiator.ping(title_of(3))
    network.flush()
    run(network, 30)
    assert network.systems[3].state is Station.REGISTERED
    assert network.systems[3].mac.address == address
    assert not [event for event in told if isinstance(event, (SystemRegistered, SystemLost))]


def test_two_new_meters_of_one_title_are_both_left_out() -> None:
    """Who hears both reports of one round registers neither; of a collision nobody can tell more."""
    left_out = 0
    for seed in range(6):
        network = FeederNetwork(random_feeder(6, seed=2), seed=seed, titles={2: title_of(1)})
        told = followed(network)
        network.discover()
        duplicates = [event.registered for event in told if isinstance(event, DuplicateTitle)]
        system = network.initiator.registry.systems[title_of(1)]
        assert (system.membership is Membership.DUPLICATE) == (duplicates == [False])
        if duplicates:
            left_out += 1
            assert network.systems[1].mac.address == network.systems[2].mac.address == NEW
        assert len(network.initiator.registry.registered) == 5 - bool(duplicates)
    assert left_out


def test_a_newcomer_with_the_title_of_a_registered_meter_stays_new() -> None:
    network = FeederNetwork(random_feeder(6, seed=2), titles={2: title_of(1)})
    network.medium.switch(2, False)
    network.discover()
    told = followed(network)
    network.restart_meter(2, forgets=True)
    network.discover()
    assert network.systems[2].mac.address == NEW
    assert network.systems[1].mac.address != NEW
    assert [event.registered for event in told if isinstance(event, DuplicateTitle)][:1] == [True]


def test_a_meter_without_supply_is_lost_with_the_cause_and_comes_back() -> None:
    network = FeederNetwork(
        random_feeder(4, seed=2), settings=QUICK, initiator=InitiatorSettings(b"CSMCON01", keep_alive_s=300)
    )
    network.discover()
    told = followed(network)
    network.medium.switch(2, False)
    run(network, 2400)
    lost = [event for event in told if isinstance(event, SystemLost)]
    assert [event.title for event in lost] == [title_of(2)]
    assert "no sign of life" in lost[0].cause
    network.restart_meter(2)
    run(network, 900)
    assert [event.again for event in told if isinstance(event, SystemPresent)] == [True]
    assert_registered_once(network)


def test_a_meter_that_is_spoken_to_stays_and_one_that_is_not_becomes_new() -> None:
    kept = FeederNetwork(
        random_feeder(3, seed=2), settings=QUICK, initiator=InitiatorSettings(b"CSMCON01", keep_alive_s=600)
    )
    silent = FeederNetwork(
        random_feeder(3, seed=2), settings=QUICK, initiator=InitiatorSettings(b"CSMCON01", keep_alive_s=0)
    )
    for network in (kept, silent):
        network.discover()
        run(network, 2 * 3600)
    assert all(item.mac.address != NEW for item in kept.systems.values())
    assert all(item.mac.address == NEW for item in silent.systems.values())


def test_a_meter_that_moves_is_registered_by_the_other_initiator_and_lost_to_its_own() -> None:
    network = FeederNetwork(
        two_towers(),
        settings=QUICK,
        others={1: SECOND},
        initiator=InitiatorSettings(b"CSMCON01", keep_alive_s=300, rediscover_s=900),
    )
    network.discover()
    near_home = next(at for at, item in network.systems.items() if item.mac.initiator == HOME)
    near_other = max(network.systems)
    title = network.systems[near_home].settings.title
    # The meter is unscrewed here and put up there: another station with its title, and with what it remembers.
    moved = network.systems[near_home]
    network.medium.switch(near_home, False)
    network.titled(near_other, title)
    network.restart_meter(near_other, forgets=True)
    run(network, 3 * 3600)
    assert network.initiators[0].registry.systems[title].membership is Membership.LOST
    assert network.initiators[1].registry.systems[title].membership is Membership.PRESENT
    assert network.systems[near_other].mac.address == network.initiators[1].registry.systems[title].address
    assert moved is network.systems[near_home]
    assert_registered_once(network)


def test_an_alarm_is_heard_named_and_cleared() -> None:
    network = FeederNetwork(random_feeder(12, seed=2))
    network.discover()
    told, cleared = followed(network), []
    network.on_reporting = lambda station, event: cleared.append((station, event))
    network.raise_alarm(7, 0x82)
    run(network, 1)
    # Somebody has to speak: alarms are told in the pauses of slots.
    network.initiator.ping(title_of(1))
    network.flush()
    run(network, 60)
    assert [(event.title, event.alarm) for event in told if isinstance(event, AlarmReported)] == [(title_of(7), 0x82)]
    assert (7, AlarmCleared(0x82)) in cleared
    assert network.systems[7].alarm is None
    assert not network.initiator.busy


def test_an_exchange_is_repeated_within_its_budget_and_then_reported() -> None:
    network = FeederNetwork(random_feeder(3, seed=2))
    network.discover()
    network.medium.switch(2, False)
    sent: list[int] = []
    network.medium.on_air = lambda item: sent.append(item.begin)
    failures: list[str] = []
    job = Exchange(
        title_of(2),
        bytes.fromhex("900110c001c100080000010000ff0200"),
        pytest.fail,
        lambda why, at: failures.append(why),
    )
    network.initiator.exchange(job, network.now)
    network.flush()
    run(network, 120)
    assert len(failures) == 1
    assert "3 of 3 attempts" in failures[0]
    # 0, 1 and 2 repetitions: a copy each more.
    assert len(sent) == 1 + 2 + 3
    assert not network.initiator.busy


def test_noise_of_half_frames_and_foreigners_leaves_nothing_hanging() -> None:
    """Somebody else's initiator speaks in between, meters lose their supply in the middle of frames."""
    network = FeederNetwork(two_towers(), settings=QUICK, others={1: SECOND})
    stations = sorted(network.systems)
    network.initiator.discover(network.now)
    network.flush()
    for step in range(60):
        station = stations[step * 7 % len(stations)]
        network.medium.switch(station, False)
        network.medium.transmit(1, MacRequest(0x123, b"\x90\x01\x10" + bytes([step]) * 20, credit=step % 4))
        run(network, 0.45)
        network.restart_meter(station, forgets=step % 5 == 0)
        run(network, 1.3)
    network.discover()
    assert not network.initiator.busy
    assert_registered_once(network)
