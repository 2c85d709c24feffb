"""Synchronisation, the search for an initiator, and the time-outs: what moves a station, and what it counts."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.classes.c050_sfsk_phy_mac_setup import Repeater
from cosem.classes.c053_sfsk_mac_counters import Desynchronizations
from cosem.errors import ConfigError
from cosem.plc.addresses import ALL_PHYSICAL, NEW, NO_BODY
from cosem.plc.mac import Mac
from cosem.plc.mac_events import Locked, MacEvent, NotLocked, SyncConfirmed, SyncFound, SyncLost, Unregistered
from cosem.plc.mac_frame import Credits, MacFrame, build
from cosem.plc.mac_settings import MacSettings, Timeouts
from cosem.plc.mac_state import LOCK, SYNC, Lock, LockInput, Loss, Sync, SyncInput
from support.power_line import INITIATOR, heard

OTHER = 0xC07
SECOND = 20 / 3
"""Slots of 2400 bit/s in a second."""
TIMEOUTS = Timeouts(search_initiator_s=30, synchronization_confirmation_s=3, not_addressed_min=2, frame_not_ok_s=45)
SILENT = Repeater.NEVER


def station(address: int = NEW, follows: int = NO_BODY, timeouts: Timeouts = TIMEOUTS, **settings: Any) -> Mac:
    return Mac(MacSettings(timeouts=timeouts, repeater=SILENT, **settings), address=address, initiator=follows)


def frame(source: int, destination: int = 0x123, tag: int = 0) -> bytes:
    return build(MacFrame(source, destination, Credits(), bytes((0x90, 0, 1, tag))))


def hear(mac: Mac, source: int, now: int, level: float = 90.0, destination: int = 0x123) -> list[MacEvent]:
    return mac.receive(frame(source, destination, now & 0xFF), heard(level), now)


def pass_time(mac: Mac, until: float) -> list[tuple[int, MacEvent]]:
    """Handle every timer up to slot `until`."""
    told: list[tuple[int, MacEvent]] = []
    while (due := mac.next_timer()) is not None and due <= until:
        told += [(due, event) for event in mac.handle_timer(due)]
    return told


def test_every_pair_of_the_tables_is_meant() -> None:
    """Each state moves somewhere, nothing moves to where it is, and locks are left only when they are released."""
    assert {state for state, _ in SYNC} == set(Sync)
    assert {state for state, _ in LOCK} == set(Lock)
    assert all(state is not then for (state, _), then in [*SYNC.items(), *LOCK.items()])
    assert [event for state, event in LOCK if state is Lock.LOCKED] == [LockInput.RELEASED]
    assert {event for _, event in SYNC} == set(SyncInput)
    assert {event for _, event in LOCK} == set(LockInput)
    # Nothing but a frame that was checked synchronises, and only behind a preamble.
    assert [pair for pair, then in SYNC.items() if then is Sync.SYNCHRONIZED] == [(Sync.FOUND, SyncInput.CONFIRMED)]
    for state, event in product(Sync, SyncInput):
        assert SYNC.get((state, event), state) in Sync


def test_found_confirmed_locked() -> None:
    mac = station()
    quality = heard(98.0)
    first = frame(INITIATOR)
    assert mac.receive(first, quality, 10) == [
        SyncFound(quality, 10),
        SyncConfirmed(INITIATOR, 0x123, 10),
        Locked(INITIATOR, 98.0, 10),
    ]
    assert mac.synchronized
    assert mac.counters.synchronization_register() == ((INITIATOR, 1),)


def test_a_preamble_that_nothing_confirms() -> None:
    mac = station()
    spoilt = frame(INITIATOR)[:-1] + b"\x00"
    assert [type(event) for event in mac.receive(spoilt, heard(), 10)] == [SyncFound]
    assert mac.follower.sync is Sync.FOUND
    # Three seconds are twenty slots at 2400 bit/s.
    assert pass_time(mac, 1000) == [(30, SyncLost(Loss.NOT_CONFIRMED, 30))]
    assert mac.counters.desynchronization_listing() == Desynchronizations(nb_physical_layer_desynchronization=1)
    assert mac.follower.sync is Sync.UNSYNCHRONIZED


def test_a_good_frame_stops_the_confirmation() -> None:
    mac = station()
    mac.receive(frame(INITIATOR)[:-1] + b"\x00", heard(), 10)
    hear(mac, INITIATOR, 29, 99.0)
    assert pass_time(mac, 31) == []
    assert mac.synchronized


@pytest.mark.parametrize(
    ("first", "second", "chosen"), [(97.0, 99.0, OTHER), (97.0, 96.0, INITIATOR), (90.0, 90.0, INITIATOR)]
)
def test_the_stronger_initiator_is_taken(first: float, second: float, chosen: int) -> None:
    mac = station()
    told = hear(mac, INITIATOR, 10, first)
    assert SyncLost(Loss.SEARCH, 10) in told
    assert mac.follower.lock is Lock.SEARCHING
    told = hear(mac, OTHER, 20, second)
    if second >= 98:
        # Loud enough to be taken at once.
        assert Locked(OTHER, second, 20) in told
    else:
        assert mac.follower.lock is Lock.SEARCHING
        told = [event for _, event in pass_time(mac, 10 + 30 * SECOND)]
        assert Locked(chosen, first, 210) in told
    assert mac.follower.initiator == chosen
    assert mac.counters.desynchronization_listing() == Desynchronizations()
    # From now on the other one is not listened to.
    rejected = OTHER if chosen == INITIATOR else INITIATOR
    assert not any(type(event) is Locked for event in hear(mac, rejected, 300, 120.0))
    assert mac.follower.initiator == chosen


def test_the_strongest_frame_of_each_initiator_counts() -> None:
    mac = station()
    for at, (source, level) in enumerate([(INITIATOR, 70.0), (OTHER, 80.0), (INITIATOR, 85.0), (OTHER, 60.0)]):
        hear(mac, source, 10 + 5 * at, level)
    assert (210, Locked(INITIATOR, 85.0, 210)) in pass_time(mac, 300)


def test_a_search_that_hears_servers_only() -> None:
    mac = station()
    hear(mac, 0x055, 10, destination=INITIATOR)
    assert mac.follower.lock is Lock.SEARCHING
    assert mac.counters.synchronization_register() == ((INITIATOR, 1),)
    assert (210, NotLocked(210)) in pass_time(mac, 215)
    assert mac.follower.lock is Lock.UNLOCKED


def test_without_a_search_the_first_initiator_is_taken() -> None:
    mac = station(timeouts=Timeouts(search_initiator_s=0))
    hear(mac, INITIATOR, 10, 50.0)
    assert mac.follower.initiator == INITIATOR


def test_the_older_rule_compares_gain() -> None:
    for gain, locked in ((2, True), (1, False)):
        mac = station(search_gain=gain)
        hear(mac, INITIATOR, 10, 80.0)  # two steps of gain
        assert (mac.follower.lock is Lock.LOCKED) is locked


def test_a_wrong_initiator_costs_the_synchronisation_but_not_the_address() -> None:
    mac = station(5, INITIATOR)
    hear(mac, INITIATOR, 10)
    assert SyncLost(Loss.WRONG_INITIATOR, 20) in hear(mac, OTHER, 20)
    assert (mac.address, mac.follower.initiator) == (5, INITIATOR)
    assert mac.counters.desynchronization_listing().nb_wrong_initiator_desynchronization == 1
    # Its frames synchronise nobody who follows another; those of the own initiator do.
    hear(mac, OTHER, 30)
    assert not mac.synchronized
    hear(mac, INITIATOR, 40)
    assert mac.synchronized
    assert mac.counters.synchronization_register() == ((INITIATOR, 2),)
    # A server of another network is no wrong initiator.
    hear(mac, 0x77, 50, destination=OTHER)
    assert mac.synchronized


def test_frames_that_stay_away() -> None:
    mac = station(5, INITIATOR, Timeouts(not_addressed_min=0))
    hear(mac, INITIATOR, 10)
    hear(mac, INITIATOR, 100)
    assert pass_time(mac, 399) == []
    assert pass_time(mac, 400) == [(400, SyncLost(Loss.FRAME_NOT_OK, 400))]
    assert mac.address == 5
    assert mac.counters.desynchronization_listing().nb_timeout_frame_not_OK_desynchronization == 1
    assert mac.next_timer() is None


def test_a_station_that_nobody_addresses_becomes_new_while_broadcasts_go_on() -> None:
    mac = station(5, INITIATOR)
    mac.follower.groups = (0xE01,)
    told: list[tuple[int, MacEvent]] = []
    for now in range(100, 1000, 100):
        told += pass_time(mac, now - 1)
        hear(mac, INITIATOR, now, destination=ALL_PHYSICAL)
        if now == 200:
            hear(mac, INITIATOR, now, destination=5)
    # Two minutes are 800 slots; the last word to it alone came in slot 200.
    assert told == []
    assert pass_time(mac, 1000) == [
        (1000, SyncLost(Loss.NOT_ADDRESSED, 1000)),
        (1000, Unregistered(Loss.NOT_ADDRESSED, True, 1000)),
    ]
    assert (mac.address, mac.follower.initiator, mac.follower.groups) == (NEW, NO_BODY, ())
    assert mac.follower.lock is Lock.UNLOCKED
    assert mac.counters.desynchronization_listing().nb_time_out_not_addressed_desynchronization == 1


def test_a_station_that_nobody_registers_searches_again() -> None:
    mac = station()
    hear(mac, INITIATOR, 10, 99.0)
    for now in range(200, 800, 200):
        # To everybody, and to all who are new: neither is a word to this one.
        hear(mac, INITIATOR, now, destination=NEW if now == 600 else ALL_PHYSICAL)
    assert (810, Unregistered(Loss.NOT_ADDRESSED, False, 810)) in pass_time(mac, 810)
    hear(mac, OTHER, 900, 99.0)
    assert mac.follower.initiator == OTHER


def test_a_station_that_comes_back_and_hears_nothing_becomes_new() -> None:
    mac = Mac(MacSettings(timeouts=TIMEOUTS), address=5, initiator=INITIATOR, now=1000)
    assert pass_time(mac, 1799) == []
    assert pass_time(mac, 1800) == [(1800, Unregistered(Loss.NOT_ADDRESSED, True, 1800))]


def test_registration_gives_address_and_initiator() -> None:
    mac = station()
    hear(mac, INITIATOR, 10)
    mac.follower.register(0x101, INITIATOR, 20)
    assert mac.handle_timer(20) == [Locked(INITIATOR, None, 20)]
    hear(mac, INITIATOR, 30, destination=0x101)
    assert (mac.address, mac.synchronized) == (0x101, True)
    # The search that was under way is over.
    assert all(type(event) is not Locked for _, event in pass_time(mac, 500))
    mac.follower.register(0x102, INITIATOR, 600)
    assert mac.handle_timer(600) == []
    assert mac.address == 0x102


def test_a_client_resets_a_station() -> None:
    mac = station(5, INITIATOR)
    hear(mac, INITIATOR, 10)
    mac.follower.reset(OTHER, 20)
    assert mac.handle_timer(20) == [
        SyncLost(Loss.WRITE_REQUEST, 20),
        Unregistered(Loss.WRITE_REQUEST, True, 20),
        Locked(OTHER, None, 20),
    ]
    assert mac.counters.desynchronization_listing().nb_write_request_desynchronization == 1
    mac.follower.set_address(7, 30)
    assert mac.address == 7
    mac.follower.set_address(NEW, 40)
    assert (mac.address, mac.follower.initiator) == (NEW, NO_BODY)


def test_times_that_class_52_cannot_hold() -> None:
    with pytest.raises(ConfigError):
        Timeouts(frame_not_ok_s=65536)
    with pytest.raises(ConfigError):
        Timeouts(not_addressed_min=-1)


def test_time_outs_may_be_written() -> None:
    mac = station(5, INITIATOR)
    mac.follower.set_timeouts(Timeouts(frame_not_ok_s=3, not_addressed_min=0))
    hear(mac, INITIATOR, 10)
    assert (30, SyncLost(Loss.FRAME_NOT_OK, 30)) in pass_time(mac, 100)


ACTIONS = st.tuples(
    st.sampled_from(["frame", "noise", "register", "reset", "address", "time"]),
    st.sampled_from([INITIATOR, OTHER, 0x55, NEW]),
    st.sampled_from([5, 6, NEW, ALL_PHYSICAL, INITIATOR, OTHER]),
    st.floats(50, 110),
    st.integers(1, 900),
)


@given(st.lists(ACTIONS, max_size=30), st.builds(Timeouts, *[st.sampled_from([0, 1, 30])] * 4))
def test_whatever_happens_a_station_stays_consistent(actions: list[Any], timeouts: Timeouts) -> None:
    mac = station(timeouts=timeouts)
    now = 0
    for kind, source, destination, level, step in actions:
        now += step
        pass_time(mac, now)
        before = mac.follower.initiator, mac.follower.lock
        if kind == "frame":
            hear(mac, source, now, level, destination)
        elif kind == "noise":
            mac.receive(b"\x6c\x6c" + bytes(34), heard(level), now)
        elif kind == "register":
            mac.follower.register(6, INITIATOR, now)
        elif kind == "reset":
            mac.follower.reset(NO_BODY if source < 0x100 else source, now)
        elif kind == "address":
            mac.follower.set_address(destination, now)
        follower = mac.follower
        assert (follower.lock is Lock.LOCKED) == (follower.initiator != NO_BODY)
        if kind == "frame" and before[1] is Lock.LOCKED:
            # No frame takes a station away from the initiator it follows: time and clients do.
            assert follower.initiator in (before[0], NO_BODY)
        due = mac.next_timer()
        assert due is None or due > now
        assert mac.synchronized == (follower.sync is Sync.SYNCHRONIZED)
    pass_time(mac, now + 10**6)
    if timeouts.not_addressed_min and mac.follower.lock is Lock.UNLOCKED and all(a[0] != "address" for a in actions):
        assert mac.address == NEW
