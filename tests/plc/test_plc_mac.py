"""The MAC layer of one station: repetition, copies, addresses, credits, what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.classes.c050_sfsk_phy_mac_setup import Repeater
from cosem.plc.addresses import ALL_CONFIGURED, ALL_PHYSICAL, NEW, NO_BODY
from cosem.plc.mac import MAX_WAITING, Mac
from cosem.plc.mac_events import MacConfirm, MacEvent, MacIndication, MacRefused, MacRequest
from cosem.plc.mac_frame import Credits, MacFrame, build, parse
from cosem.plc.mac_settings import Counters, MacSettings, Timeouts
from cosem.plc.repeater_call import RepeaterCall
from support.power_line import INITIATOR, heard, initiator

GOOD = heard()
SDU = b"\x90\x01\x10\xc0\x01\xc1\x00"


def server(address: int = 5, **settings: object) -> Mac:
    made = Mac(MacSettings(**settings), address=address, initiator=INITIATOR)  # type: ignore[arg-type]
    # Any frame of its initiator synchronises it.
    made.receive(build(MacFrame(INITIATOR, 0xABC, Credits(), SDU)), GOOD, 0)
    return made


def frame(destination: int, initial: int = 0, current: int | None = None, source: int = INITIATOR) -> bytes:
    credits = Credits(initial, initial if current is None else current, 0)
    return build(MacFrame(source, destination, credits, SDU))


def delivered(mac: Mac, octets: bytes, now: int = 10) -> list[MacIndication]:
    return [event for event in mac.receive(octets, GOOD, now) if isinstance(event, MacIndication)]


def sent(mac: Mac, first: int, last: int) -> list[tuple[int, int]]:
    """Return the slots in which `mac` begins a copy, and the credit that copy has left."""
    copies = []
    for slot in range(first, last):
        mac.handle_timer(slot)
        octets = mac.take(slot)
        if octets is not None:
            copies.append((slot, parse(octets).credits.current))
    return copies


@pytest.mark.parametrize(
    ("destination", "new", "registered"),
    [
        (5, False, True),
        (6, False, False),
        (0xE01, False, True),
        (0xE02, False, False),
        (ALL_PHYSICAL, True, True),
        (ALL_CONFIGURED, False, True),
        (NEW, True, False),
    ],
)
def test_whom_a_frame_is_for(destination: int, new: bool, registered: bool) -> None:
    member = server()
    member.follower.groups = (0xE01,)
    assert bool(delivered(member, frame(destination))) is registered
    assert bool(delivered(server(NEW), frame(destination))) is new


def test_a_repeater_goes_on_until_the_credit_is_used_up() -> None:
    mac = server()
    assert not delivered(mac, frame(7, 5, 3))
    assert sent(mac, 10, 20) == [(10, 2), (11, 1), (12, 0)]
    assert mac.counters.repetitions == 1
    assert mac.busy_until == 13


def test_a_repeater_may_be_set_to_repeat_once() -> None:
    mac = server(keeps_repeating=False)
    mac.receive(frame(7, 5, 3), GOOD, 10)
    assert sent(mac, 10, 20) == [(10, 2)]


def test_copies_are_what_the_sender_sends() -> None:
    concentrator, mac = initiator(), server(check=initiator().settings.check)
    concentrator.transmit(MacRequest(7, SDU, credit=2), 9)
    first = concentrator.take(10)
    assert first is not None
    mac.receive(first, GOOD, 11)
    for slot in (11, 12):
        assert mac.take(slot) == concentrator.take(slot) is not None


@pytest.mark.parametrize(
    ("role", "credit", "repeats"),
    [(Repeater.NEVER, 3, False), (Repeater.ALWAYS, 3, True), (Repeater.DYNAMIC, 3, True), (Repeater.ALWAYS, 0, False)],
)
def test_who_repeats(role: Repeater, credit: int, repeats: bool) -> None:
    mac = server(repeater=role)
    mac.receive(frame(7, credit), GOOD, 10)
    assert bool(sent(mac, 10, 20)) is repeats
    assert mac.counters.repetitions == repeats


def test_a_dynamic_repeater_may_be_silent_at_first() -> None:
    mac = server(repeats_at_first=False)
    mac.receive(frame(7, 3), GOOD, 10)
    assert sent(mac, 10, 20) == []


def test_a_frame_is_delivered_once() -> None:
    mac = server(repeater=Repeater.NEVER)
    got = [len(delivered(mac, frame(5, 3, credit), 10 + at)) for at, credit in enumerate((3, 2, 1, 0))]
    assert got == [1, 0, 0, 0]
    assert mac.counters.crc_ok == 5
    # The same request again, behind the last repetition, is another frame.
    assert len(delivered(mac, frame(5, 3), 14)) == 1


def test_the_first_correct_copy_counts() -> None:
    mac = server(repeater=Repeater.NEVER)
    spoilt = bytearray(frame(5, 3, 3))
    spoilt[10] ^= 4
    assert not delivered(mac, bytes(spoilt), 10)
    assert mac.counters.crc_nok == 1
    assert [event.delta for event in delivered(mac, frame(5, 3, 2), 11)] == [1]
    assert mac.min_delta_credit == 1
    assert not delivered(mac, frame(5, 3, 1), 12)


def test_frames_of_another_network_are_neither_delivered_nor_repeated() -> None:
    mac = server()
    assert not delivered(mac, frame(5, 3, source=0xC07))
    assert sent(mac, 10, 20) == []
    # A server of the own network is repeated, whatever its address.
    mac = server()
    assert not delivered(mac, frame(INITIATOR, 2, source=NEW))
    assert sent(mac, 10, 20) == [(10, 1), (11, 0)]


def test_some_frames_for_others_may_be_told() -> None:
    mac = server()
    mac.overhears = lambda frame: frame.source == NEW
    assert [event.overheard for event in delivered(mac, frame(INITIATOR, source=NEW))] == [True]
    assert not delivered(mac, frame(INITIATOR, source=9), 30)
    assert [event.overheard for event in delivered(mac, frame(5), 60)] == [False]


def test_an_answer_waits_for_the_repetitions_and_one_slot() -> None:
    mac = server(repeater=Repeater.NEVER)
    mac.receive(frame(5, 3, 2), GOOD, 10)
    mac.transmit(MacRequest(INITIATOR, SDU), 10)
    assert mac.busy_until == 12
    assert mac.next_timer() == 13
    copies = sent(mac, 10, 30)
    # The credit of the request, and what of it was used on the way, are its own credit and its delta.
    assert copies == [(13, 3), (14, 2), (15, 1), (16, 0)]


def test_delta_credit_of_an_answer() -> None:
    for current, delta in ((7, 0), (6, 1), (4, 3), (0, 3)):
        mac = server(repeater=Repeater.NEVER)
        mac.receive(frame(5, 7, current), GOOD, 10)
        mac.transmit(MacRequest(INITIATOR, SDU, credit=1), 10)
        octets = next(filter(None, map(mac.take, range(10, 30))))
        assert parse(octets) == MacFrame(5, INITIATOR, Credits(1, 1, delta), SDU)
    mac = server(answers_with_received_credit=False)
    mac.receive(frame(5, 7), GOOD, 10)
    mac.transmit(MacRequest(INITIATOR, SDU), 10)
    octets = next(octets for slot in range(18, 30) if (octets := mac.take(slot)) is not None)
    assert parse(octets).credits == (0, 0, 0)


def test_an_initiator_confirms_behind_the_first_copy_and_never_repeats_others() -> None:
    mac = initiator()
    request = MacRequest(5, SDU, credit=2)
    assert mac.transmit(request, 4) == []
    assert mac.next_timer() == 5
    told = []
    for slot in range(5, 12):
        told += mac.handle_timer(slot)
        mac.take(slot)
    assert told == [MacConfirm(request, 6, 8)]
    assert mac.counters.transmissions == 1
    assert delivered(mac, build(MacFrame(5, INITIATOR, Credits(3, 3, 0), SDU)), 20)
    assert sent(mac, 20, 30) == []
    assert not delivered(mac, frame(0xC07, source=0xC01), 40)


def test_frames_wait_for_each_other() -> None:
    mac = initiator()
    for credit in (1, 0):
        mac.transmit(MacRequest(5, SDU, credit=credit), 0)
    assert sent(mac, 0, 20) == [(1, 1), (2, 0), (4, 0)]


def test_a_frame_has_its_time() -> None:
    mac = initiator()
    mac.transmit(MacRequest(5, SDU, not_before=9), 0)
    assert mac.next_timer() == 9
    assert sent(mac, 0, 20) == [(9, 0)]
    late = MacRequest(5, SDU, credit=0, latest=21)
    mac.transmit(MacRequest(5, SDU, credit=3), 19)
    mac.transmit(late, 19)
    told = []
    for slot in range(19, 40):
        told += mac.handle_timer(slot)
        mac.take(slot)
    assert [event.request for event in told if isinstance(event, MacRefused)] == [late]
    assert mac.next_timer() is None


def test_what_cannot_be_sent() -> None:
    new = Mac()
    assert isinstance(new.transmit(MacRequest(INITIATOR, SDU), 0)[0], MacRefused)
    mac = initiator()
    assert isinstance(mac.transmit(MacRequest(5, bytes(243)), 0)[0], MacRefused)
    assert isinstance(mac.transmit(MacRequest(5, b""), 0)[0], MacRefused)
    assert isinstance(mac.transmit(MacRequest(5, SDU, credit=8), 0)[0], MacRefused)
    for _ in range(MAX_WAITING):
        assert mac.transmit(MacRequest(5, SDU), 0) == []
    assert isinstance(mac.transmit(MacRequest(5, SDU), 0)[0], MacRefused)


def test_what_waits_when_synchronisation_is_lost_is_refused() -> None:
    mac = server()
    request = MacRequest(INITIATOR, SDU, not_before=20)
    mac.transmit(request, 10)
    mac.follower.reset(0, 15)
    told = []
    for slot in range(15, 30):
        told += mac.handle_timer(slot)
        assert mac.take(slot) is None
    assert [event.request for event in told if isinstance(event, MacRefused)] == [request]


def test_a_copy_whose_slot_went_by_is_not_sent() -> None:
    mac = server()
    mac.receive(frame(7, 3), GOOD, 10)
    assert mac.take(12) is None
    assert mac.repeats_at is None


def test_broadcasts_are_counted_by_initiator() -> None:
    mac = server(repeater=Repeater.NEVER)
    for at, source in enumerate((INITIATOR, INITIATOR, 0xC07)):
        mac.receive(frame(ALL_PHYSICAL, 0, source=source), GOOD, 10 + 5 * at)
    assert mac.counters.broadcast_frames_counter() == ((INITIATOR, 2), (0xC07, 1))
    mac.counters.repetitions = mac.counters.transmissions = 3
    mac.counters.reset()
    assert mac.counters == Counters()


def test_alarms_are_told_as_often_as_asked() -> None:
    mac = server()
    mac.alarm(99)
    assert sum(mac.take_alarm() for _ in range(40)) == 15
    mac.alarm(2)
    mac.alarm(0)
    assert not mac.take_alarm()
    unsynchronised = Mac()
    unsynchronised.alarm(3)
    assert not unsynchronised.take_alarm()


def test_what_is_overheard_counts_as_if_it_was_received() -> None:
    settings = MacSettings(repeater=Repeater.NEVER)
    one, other = (Mac(settings, address=5, initiator=INITIATOR) for _ in range(2))
    for mac in (one, other):
        mac.receive(frame(7), GOOD, 3)
        assert not mac.is_attentive(INITIATOR)
    for current, now in ((2, 10), (1, 11), (0, 12)):
        one.receive(frame(9, 2, current), GOOD, now)
    other.overheard(3, parse(frame(9, 2, 0)), 12)
    assert one.counters == other.counters
    assert one.next_timer() == other.next_timer()
    assert one.busy_until == other.busy_until
    repeating = Mac(replace(settings, repeater=Repeater.ALWAYS), address=5, initiator=INITIATOR)
    repeating.receive(frame(7), GOOD, 3)
    assert repeating.is_attentive(INITIATOR)


STEPS = st.tuples(
    st.sampled_from(["frame", "noise", "send", "register", "reset", "alarm", "call", "role"]),
    st.sampled_from([INITIATOR, 0xC07, 5, 6, NEW]),
    st.sampled_from([5, 6, NEW, ALL_PHYSICAL, ALL_CONFIGURED, INITIATOR, 0xE01]),
    st.integers(0, 7),
    st.integers(0, 7),
    st.integers(1, 40),
)


def live(mac: Mac, begin: int, end: int) -> list[MacEvent]:
    """Let every slot pass, and see that what is due in it is done in it: asking again would ask forever."""
    told: list[MacEvent] = []
    for now in range(begin, end):
        told += mac.handle_timer(now)
        octets = mac.take(now)
        assert octets is None or parse(octets).credits.current <= 7
        due = mac.next_timer()
        assert due is None or due > now
    return told


@given(st.booleans(), st.lists(STEPS, max_size=25))
def test_whatever_is_heard_and_asked_nothing_hangs(
    is_initiator: bool, steps: list[tuple[str, int, int, int, int, int]]
) -> None:
    mac = initiator() if is_initiator else Mac(MacSettings(timeouts=Timeouts(30, 1, 1, 5)), address=5)
    now = 0
    told: list[MacEvent] = []
    asked = 0
    for kind, source, destination, one, other, wait in steps:
        if kind == "frame":
            octets = frame(destination, max(one, other), min(one, other), source)
            told += mac.receive(octets, heard(60.0 + 7 * one), now)
        elif kind == "noise":
            told += mac.receive(bytes((0x6C,)) * (5 * one), GOOD, now)
        elif kind == "send":
            asked += 1
            told += mac.transmit(MacRequest(destination, SDU, credit=one, not_before=now + other, latest=now + 30), now)
        elif kind == "register" and not is_initiator:
            mac.follower.register(6, source if source > 0xBFF else INITIATOR, now)
        elif kind == "reset" and not is_initiator:
            mac.follower.reset(NO_BODY, now)
        elif kind == "alarm":
            mac.alarm(one)
        elif kind == "call":
            mac.begin_call(RepeaterCall(50, one), other)
        elif kind == "role":
            mac.repeater = one % 3
        told += live(mac, now, now + wait)
        now += wait
    told += live(mac, now, now + 400)
    # Each frame that was to be sent was sent once, or refused with a reason.
    assert len([event for event in told if isinstance(event, (MacConfirm, MacRefused))]) == asked


def test_what_class_50_shows() -> None:
    mac = server()
    assert (mac.address, mac.initiator, mac.locked, mac.synchronized) == (5, INITIATOR, True, True)
    new = Mac()
    assert (new.address, new.initiator, new.locked, new.synchronized) == (NEW, NO_BODY, False, False)
