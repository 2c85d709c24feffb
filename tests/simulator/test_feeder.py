"""Feeders: who hears whom, and MAC layers on them; delivery, times, repeater calls, collisions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cosem.classes.c050_sfsk_phy_mac_setup import Repeater
from cosem.errors import ConfigError
from cosem.plc import ciase, llc
from cosem.plc.addresses import ALL_PHYSICAL
from cosem.plc.ciase import RepeaterCallPdu
from cosem.plc.llc import LlcData
from cosem.plc.mac import Mac
from cosem.plc.mac_events import AlarmHeard, MacConfirm, MacEvent, MacIndication, MacRequest, RepeaterDecided
from cosem.plc.mac_settings import MacSettings
from cosem.plc.phy import Rate, exchange_slots
from cosem.plc.reception import Method
from cosem.plc.repeater_call import RepeaterCall
from cosem.simulator.feeder import (
    Feeder,
    Interferer,
    Line,
    Place,
    Segment,
    line_of_repeaters,
    random_feeder,
)
from cosem.simulator.feeder_channel import FeederChannel
from cosem.simulator.feeder_medium import FeederMedium, Transmission
from support.power_line import INITIATOR, Street, initiator, street

SDU = b"\x90\x01\x10\xc0\x01\xc1\x00"
FEEDERS = st.builds(
    random_feeder,
    st.integers(1, 40),
    seed=st.integers(0, 1000),
    cables=st.integers(1, 4),
    initiator_phase=st.integers(0, 3),
)
slow = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)


# --- the channel ------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_feeder() -> None:
    assert random_feeder(50, seed=3) == random_feeder(50, seed=3) != random_feeder(50, seed=4)
    one, other = (FeederChannel(random_feeder(50), seed=7) for _ in range(2))
    assert [one.level(0, station) for station in range(51)] == [other.level(0, station) for station in range(51)]
    assert one.level(0, 9) != FeederChannel(random_feeder(50), seed=8).level(0, 9)


@slow
@given(FEEDERS, st.data())
def test_levels_go_both_ways_and_add_up(feeder: Feeder, data: st.DataObject) -> None:
    channel = FeederChannel(feeder)
    stations = st.integers(0, channel.stations - 1)
    one, other = data.draw(stations), data.draw(stations)
    if one != other:
        assert channel.level(one, other) == pytest.approx(channel.level(other, one))
    senders = data.draw(st.sets(stations, min_size=1, max_size=5))
    together = channel.levels(senders)
    for station in set(range(channel.stations)) - senders:
        alone = max(channel.level(sender, station) for sender in senders)
        # Signals that add are louder than the loudest, and five of the same by 7 dB at the most.
        assert alone - 1e-6 <= together[station] <= alone + 7.0


def test_cable_and_phases_cost_level() -> None:
    line = Line(tone_spread=0.0, loss_per_metre=0.1, loss_per_joint=2.0, phase_coupling=15.0)
    feeder = Feeder(
        (Segment(0, 100.0), Segment(1, 50.0)), (Place(0, 1), Place(1, 1), Place(2, 1), Place(2, 2), Place(0, 0)), line
    )
    channel = FeederChannel(feeder)
    assert channel.level(0, 1) == pytest.approx(120 - 12)
    assert channel.level(0, 2) == pytest.approx(120 - 12 - 7)
    assert channel.level(0, 3) == pytest.approx(120 - 12 - 7 - 15)
    # A concentrator on all phases has no other phase to cross.
    assert channel.level(4, 3) == channel.level(4, 2) == pytest.approx(101)
    assert [feeder.distance(station) for station in range(4)] == [0, 100, 150, 150]


def test_stations_know_their_phase_against_that_of_the_initiator() -> None:
    places = (Place(0, 1), Place(1, 1), Place(1, 2), Place(1, 3), Place(1, 1, True), Place(1, 2, True), Place(1, 0))
    channel = FeederChannel(Feeder((Segment(0, 10.0),), places))
    assert [channel.electrical_delta(0, station) for station in range(1, 7)] == [1, 3, 5, 4, 6, 0]


def test_noise_goes_by_the_hour() -> None:
    line = Line(noise_spread=0.0, noise=50.0, noise_by_hour=(0.0,) * 20 + (9.0,) * 4)
    channel = FeederChannel(Feeder((Segment(0, 10.0),), (Place(0, 1), Place(1, 1)), line))
    assert [round(channel.noise(1, hour)) for hour in (0, 19, 20, 23, 24)] == [50, 50, 59, 59, 50]


@pytest.mark.parametrize(("tone", "method"), [(0, Method.ASK1), (1, Method.ASK0)])
def test_an_interferer_spares_the_other_tone(tone: int, method: Method) -> None:
    jammed = Interferer(1, tone, 119.0, frozenset({3}))
    feeder = Feeder((Segment(0, 10.0),), (Place(0, 1), Place(1, 1)), Line(tone_spread=0.0), (jammed,))
    channel = FeederChannel(feeder)
    for hour, expected in ((2, Method.FSK), (3, method)):
        hearing = channel.hear(frozenset({0}), hour)
        assert hearing.reception(1).method is expected
        assert hearing.certain == (1,) or hearing.perhaps[0][1] > 0.999


def test_a_feeder_that_is_none() -> None:
    for segments, stations in (
        ((Segment(1, 5.0),), (Place(0, 1),)),
        ((Segment(0, 5.0),), (Place(2, 1),)),
        ((), (Place(-1, 1),)),
    ):
        with pytest.raises(ConfigError):
            Feeder(segments, stations)
    with pytest.raises(ConfigError):
        random_feeder(-1)
    with pytest.raises(ConfigError):
        Line(noise_by_hour=(0.0,))
    with pytest.raises(ConfigError):
        FeederMedium(FeederChannel(line_of_repeaters(1)), [Mac()])


@slow
@given(FEEDERS)
def test_with_nobody_else_a_sender_is_heard_no_worse(feeder: Feeder) -> None:
    channel = FeederChannel(feeder)
    if channel.stations < 3:
        return
    alone = channel.hear(frozenset({0}))
    disturbed = channel.hear(frozenset({0}), 12, frozenset({1}))
    assert disturbed.certain_set <= alone.certain_set
    both = channel.hear(frozenset({0, 1}))
    assert alone.certain_set - {1} <= both.certain_set


# --- repetition ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hops", range(9))
def test_delivery_through_a_line_needs_as_much_credit_as_repeaters(hops: int) -> None:
    feeder = line_of_repeaters(hops)
    for credit in range(8):
        for keeps_repeating in (True, False):
            row = street(feeder, repeater=Repeater.ALWAYS, keeps_repeating=keeps_repeating)
            last = hops + 1
            row.medium.transmit(0, MacRequest(last, SDU, credit=credit))
            row.medium.run(20)
            assert [(station, event.delta) for station, event in row.indications] == (
                [(last, hops)] if hops <= credit else []
            )
            # And back, with the credit that was needed to come; the answer tells how far the request came.
            if hops <= credit:
                row.medium.transmit(last, MacRequest(INITIATOR, SDU))
                row.medium.run(60)
                _, answer = row.indications[-1]
                assert (answer.frame.source, answer.delta) == (last, hops)
                assert answer.frame.credits.delta == min(hops, 3)


@slow
@given(FEEDERS, st.integers(0, 7), st.integers(1, 242))
def test_a_broadcast_reaches_nobody_twice_and_all_are_silent_until_it_is_over(
    feeder: Feeder, credit: int, size: int
) -> None:
    row = street(feeder)
    copies: list[Transmission] = []
    row.medium.on_air = copies.append
    row.medium.transmit(0, MacRequest(ALL_PHYSICAL, bytes(size), credit=credit))
    row.medium.run(500)
    stations = [station for station, _ in row.indications]
    assert len(stations) == len(set(stations))
    subframes = -(-(size + 10) // 36)
    assert [(copy.begin, copy.end) for copy in copies] == [
        (1 + at * subframes, 1 + (at + 1) * subframes) for at in range(credit + 1)
    ]
    assert {mac.busy_until for mac in row.medium.macs if mac.counters.crc_ok} <= {1 + subframes * (credit + 1)}
    assert not any(copy.others for copy in copies)
    # Whoever got it with credit left is among those who send the next copy.
    for station, event in row.indications:
        left = event.frame.credits.current
        if left:
            assert station in copies[credit - left + 1].senders


EXCHANGES = ((0, 26, 26, 0, 0), (1, 20, 134, 2, 1), (2, 27, 242, 7, 7), (0, 98, 1, 1, 0))


def hops_by_single_links(channel: FeederChannel) -> dict[int, int]:
    """Return how many repeaters each station needs at the most: those who hear one sender alone without doubt."""
    hops, front = {0: 0}, [0]
    while front:
        reached = {there for here in front for there in channel.hear(frozenset({here})).certain if there not in hops}
        distance = hops[front[0]] + 1
        hops.update(dict.fromkeys(reached, distance))
        front = sorted(reached)
    return {station: count - 1 for station, count in hops.items() if station}


@slow
@given(FEEDERS, st.integers(0, 7))
def test_credit_for_the_repeaters_between_is_enough_on_any_feeder(feeder: Feeder, credit: int) -> None:
    steep = replace(feeder, line=replace(feeder.line, loss_per_metre=0.15, loss_per_joint=2.0))
    row = street(steep, repeater=Repeater.ALWAYS)
    needed = hops_by_single_links(row.medium.channel)
    row.medium.transmit(0, MacRequest(ALL_PHYSICAL, SDU, credit=credit))
    row.medium.run(20)
    deltas = {station: event.delta for station, event in row.indications}
    for station, hops in needed.items():
        if hops <= credit:
            # All who repeat together carry at least as far as one alone, and never make a frame come later.
            assert deltas[station] <= hops
    assert all(0 <= delta <= credit for delta in deltas.values())


@slow
@given(FEEDERS, st.integers(0, 5))
def test_the_same_seed_tells_the_same_story(feeder: Feeder, seed: int) -> None:
    stories = []
    for _ in range(2):
        row = street(feeder, seed=seed)
        for credit in (0, 2):
            row.medium.transmit(0, MacRequest(ALL_PHYSICAL, bytes(200), credit=credit))
            row.medium.run(row.medium.now + 40)
        stories.append(row.told)
    assert stories[0] == stories[1]


@pytest.mark.parametrize("mains", [50, 60])
@pytest.mark.parametrize("speed", range(5))
@pytest.mark.parametrize(("hops", "request_size", "answer_size", "credit", "back"), EXCHANGES)
def test_exchanges_take_what_the_formula_says(
    speed: int, mains: int, hops: int, request_size: int, answer_size: int, credit: int, back: int
) -> None:
    rate = Rate.of_speed(speed, mains)
    medium = street(line_of_repeaters(hops), rate=rate, repeater=Repeater.ALWAYS).medium
    copies: list[Transmission] = []
    medium.on_air = copies.append

    def reply(station: int, event: MacEvent, now: int) -> None:
        if station and isinstance(event, MacIndication):
            medium.transmit(station, MacRequest(INITIATOR, bytes(answer_size), credit=back))

    medium.watch = reply
    medium.transmit(0, MacRequest(hops + 1, bytes(request_size), credit=credit))
    medium.run(1000)
    slots = copies[-1].end - copies[0].begin
    assert slots == exchange_slots(request_size, credit, answer_size, back)
    # T = Ts (NSq (ICq + 1) + d + NSr (ICr + 1)), with one idle slot.
    counted = -(-(request_size + 10) // 36) * (credit + 1) + 1 + -(-(answer_size + 10) // 36) * (back + 1)
    assert rate.seconds(slots) == pytest.approx(360 / rate.bits_per_second * counted)


# --- what can go wrong ----------------------------------------------------------------------------------------------


def star(meters: int, metres: float = 100.0, **line: Any) -> Feeder:
    quiet = Line(noise_spread=0.0, tone_spread=0.0, noise_by_hour=(0.0,) * 24, **line)
    segments = tuple(Segment(0, metres) for _ in range(meters))
    return Feeder(segments, (Place(0, 1), *(Place(number + 1, 1) for number in range(meters))), quiet)


def test_two_that_speak_at_once_are_not_understood() -> None:
    row = street(star(2))
    row.medium.transmit(0, MacRequest(ALL_PHYSICAL, SDU))
    row.medium.run(9)
    row.told.clear()
    for station in (1, 2):
        row.medium.transmit(station, MacRequest(INITIATOR, SDU + bytes((station,))))
    row.medium.run(30)
    assert row.indications == []
    # They do not hear each other: who sends hears nothing.
    assert [mac.counters.crc_ok + mac.counters.crc_nok for mac in row.medium.macs[1:]] == [1, 1]
    assert row.medium.macs[0].counters.crc_nok == 0  # as strong as each other: not even a preamble stands out


def test_the_much_stronger_of_two_is_understood() -> None:
    feeder = star(2)
    near = Feeder((Segment(0, 5.0), Segment(0, 700.0)), feeder.stations, feeder.line)
    row = street(near)
    row.medium.transmit(0, MacRequest(ALL_PHYSICAL, SDU))
    row.medium.run(9)
    row.told.clear()
    for station in (1, 2):
        row.medium.transmit(station, MacRequest(INITIATOR, SDU + bytes((station,))))
    row.medium.run(30)
    assert [event.frame.source for _, event in row.indications] == [1]


def test_a_noisy_link_loses_some_frames_and_repetition_helps() -> None:
    """At 12 dB one frame in twenty fails; with three more copies almost none does."""
    feeder = star(2, loss_per_metre=0.6, noise=47.0)
    lost = []
    for credit in (0, 3):
        row = street(feeder, repeater=Repeater.NEVER)
        assert row.medium.channel.level(0, 1) - row.medium.channel.noise(1, 12) == pytest.approx(12, abs=0.1)
        for _ in range(200):
            row.medium.transmit(0, MacRequest(1, SDU, credit=credit))
            row.medium.run(row.medium.now + 10)
        row.medium.settle()
        lost.append(200 - len(row.indications))
        # Whom it is for and who only hears it count alike.
        for mac in row.medium.macs[1:]:
            assert mac.counters.crc_ok + mac.counters.crc_nok == 200 * (credit + 1)
            assert mac.counters.crc_nok > credit
    assert 2 <= lost[0] <= 30
    assert lost[1] <= 1


def test_alarms_reach_the_concentrator_in_the_pause() -> None:
    row = street(star(3))
    medium = row.medium
    # Before it knows where slots are a station tells nothing; then in as many pauses as it was asked for.
    medium.alarm(2, 2)
    for _ in range(4):
        medium.transmit(0, MacRequest(ALL_PHYSICAL, bytes(100)))
        medium.run(medium.now + 9)
    heard = [event for _, event in row.of(AlarmHeard)]
    assert [event.at for event in heard] == [5, 14]
    assert heard[0].level == pytest.approx(medium.channel.level(2, 0))


def test_a_station_without_supply_neither_hears_nor_repeats() -> None:
    row = street(line_of_repeaters(1), repeater=Repeater.ALWAYS)
    medium = row.medium

    def reached() -> bool:
        row.told.clear()
        medium.transmit(0, MacRequest(2, SDU, credit=1))
        medium.run(medium.now + 10)
        return bool(row.indications)

    assert reached()
    medium.switch(1, False)
    heard = medium.macs[1].counters.crc_ok
    assert not reached()
    assert medium.macs[1].counters.crc_ok == heard
    medium.switch(1, True, Mac(MacSettings(repeater=Repeater.ALWAYS), address=1, initiator=INITIATOR, now=medium.now))
    assert reached()
    # In the middle of a copy: what is left of it is no frame to anybody.
    medium.transmit(0, MacRequest(2, bytes(240), credit=1))
    medium.run(medium.now + 8)
    medium.switch(1, False)
    row.told.clear()
    medium.run(medium.now + 50)
    assert row.indications == []
    medium.switch(1, True)
    medium.transmit(0, MacRequest(1, bytes(240)))
    medium.run(medium.now + 4)
    medium.switch(0, False)
    medium.run(medium.now + 50)
    assert row.indications == []
    assert medium.macs[1].counters.crc_nok == 1


# --- repeater calls -------------------------------------------------------------------------------------------------


def called(row: Street, call: RepeaterCall, begin: int) -> None:
    for station in range(len(row.medium.macs)):
        row.medium.begin_call(station, call, begin)
    row.medium.run(begin + call.slots)


@slow
@given(FEEDERS, st.sampled_from([70, 90, 104]))
def test_a_repeater_call_ends_in_a_dominating_set(feeder: Feeder, threshold: int) -> None:
    row = street(feeder)
    medium = row.medium
    for _ in range(3):
        medium.transmit(0, MacRequest(ALL_PHYSICAL, SDU, credit=7))
        medium.run(medium.now + 12)
    called(row, RepeaterCall(len(medium.macs) - 1, threshold=threshold), medium.now + 1)
    decided = {station for station, event in row.of(RepeaterDecided) if event.took_part}
    repeaters = {0} | {station for station in decided if medium.macs[station].repeats}
    hour = medium.hour(medium.now)
    for station in decided - {0}:
        levels = [medium.channel.level(other, station) for other in repeaters if other < station]
        audible = [level for level in levels if level >= threshold and level > medium.channel.noise(station, hour)]
        # Each hears an earlier one loud enough, or is a repeater itself: none of both, and not both.
        assert bool(audible) != (station in repeaters)


@slow
@given(FEEDERS, st.integers(0, 7))
def test_whoever_hears_the_call_takes_part_in_it(feeder: Feeder, credit: int) -> None:
    row = street(feeder)
    medium = row.medium
    pdu = RepeaterCallPdu(len(medium.macs) - 1, threshold=80)

    def obey(station: int, event: MacEvent, now: int) -> None:
        row.told.append((station, event, now))
        if isinstance(event, (MacIndication, MacConfirm)):
            call = RepeaterCall(pdu.max_address, pdu.new_slots, pdu.threshold_dbuv)
            medium.begin_call(station, call)

    medium.watch = obey
    request = MacRequest(ALL_PHYSICAL, llc.build(LlcData(0, 1, ciase.build(pdu))), credit=credit)
    medium.transmit(0, request)
    medium.run(200)
    decided = {station: (event, at) for station, event, at in row.told if isinstance(event, RepeaterDecided)}
    # Behind one copy for each credit and one more: all at once, and for who heard it only.
    ends = 1 + (credit + 1) + -(-(pdu.max_address + 1) // 21)
    assert {at for _, at in decided.values()} == {ends}
    assert set(decided) == {0} | {station for station, _ in row.indications}
    assert all(event.took_part for event, _ in decided.values())
    loud = medium.channel.level
    repeaters = {0} | {station for station in decided if medium.macs[station].repeats}
    for station in set(decided) - repeaters:
        assert any(loud(other, station) >= 80 for other in repeaters)


def test_roles_survive_a_call() -> None:
    row = street(star(4, 10.0))
    medium = row.medium
    for station, role in ((1, Repeater.ALWAYS), (2, Repeater.NEVER), (3, Repeater.DYNAMIC)):
        medium.macs[station].repeater = role
    medium.transmit(0, MacRequest(ALL_PHYSICAL, SDU))
    medium.run(5)
    called(row, RepeaterCall(3), 10)
    assert [mac.repeats for mac in medium.macs[1:]] == [True, False, False, True]
    took_part = {station: event.took_part for station, event in row.of(RepeaterDecided)}
    # The fourth has an address above the limit: it stays what it was.
    assert took_part == {0: True, 1: True, 2: False, 3: True, 4: False}


# --- what is worked out late ------------------------------------------------------------------------------------


def life(row: Street, actions: list[tuple[int, int, int, int]]) -> Iterator[Any]:
    for station, destination, credit, wait in actions:
        station %= len(row.medium.macs)
        target = (INITIATOR if station else ALL_PHYSICAL) if destination > 40 else destination
        row.medium.transmit(station, MacRequest(target, SDU + bytes((credit,)), credit=credit))
        row.medium.run(row.medium.now + wait)
    row.medium.settle()
    for mac in row.medium.macs:
        yield mac.counters, mac.busy_until, mac.next_timer(), mac.synchronized, mac.min_delta_credit


@slow
@given(
    FEEDERS,
    st.sampled_from([48.0, 80.0, 88.0]),
    st.sampled_from([Repeater.NEVER, Repeater.DYNAMIC]),
    st.lists(
        st.tuples(
            st.sampled_from([0, 0, 0, 0, 0, 1, 2, 9]), st.integers(1, 50), st.integers(0, 4), st.integers(1, 400)
        ),
        max_size=12,
    ),
)
def test_quiet_listeners_count_as_if_they_had_been_told_everything(
    feeder: Feeder, noise: float, role: Repeater, actions: list[tuple[int, int, int, int]]
) -> None:
    # So much noise that many links are doubtful.
    noisy = replace(feeder, line=replace(feeder.line, noise=noise))
    lazy, eager = (street(noisy, eager=eager, repeater=role) for eager in (False, True))
    assert list(life(lazy, actions)) == list(life(eager, actions))
    assert lazy.told == eager.told


def test_nothing_happens_in_slots_in_which_nobody_speaks() -> None:
    row = street(random_feeder(30), timeouts=MacSettings().timeouts)
    row.medium.transmit(0, MacRequest(ALL_PHYSICAL, SDU, credit=2))
    row.medium.run(10)
    calls = 0
    for mac in row.medium.macs:
        real = mac.handle_timer

        def counted(now: int, real: Any = real) -> Any:
            nonlocal calls
            calls += 1
            return real(now)

        mac.handle_timer = counted  # type: ignore[method-assign]
    row.medium.run(10 + 20 * 3600)
    # Frames stay away for 45 s once, and that is all.
    assert calls <= len(row.medium.macs)
    assert row.medium.slots_used == 3


# --- two concentrators ------------------------------------------------------------------------------------------


@slow
@given(st.integers(0, 1000), st.integers(1, 25))
def test_each_new_meter_follows_the_initiator_it_hears_loudest(seed: int, meters: int) -> None:
    base = random_feeder(meters, seed=seed, cables=1)
    far = len(base.segments)
    feeder = Feeder(base.segments, (base.stations[0], *base.stations[1:], Place(far, 0)), base.line)
    second = meters + 1
    role = Repeater.NEVER  # copies of repeaters would say how near they are, not how near their initiator is
    macs = [initiator()]
    macs += [Mac(MacSettings(repeater=role)) for _ in range(meters)]
    macs.append(Mac(MacSettings(initiator=True), address=0xC01))
    medium = FeederMedium(FeederChannel(feeder, seed=seed), macs)
    for _ in range(30):
        for station in (0, second):
            medium.transmit(station, MacRequest(ALL_PHYSICAL, SDU))
            medium.run(medium.now + 5)
    medium.run(medium.now + 20 * 60)
    for station in range(1, meters + 1):
        near, other = medium.channel.level(0, station), medium.channel.level(second, station)
        follows = macs[station].follower.initiator
        # Where both are louder than the threshold the first that is heard is good enough.
        if min(near, other) >= 98 or max(near, other) < 75:
            continue
        if abs(near - other) > 0.1:
            assert follows == (INITIATOR if near > other else 0xC01)
