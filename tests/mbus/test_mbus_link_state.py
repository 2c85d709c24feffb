"""Every state with every event of the wired link's tables, and walks of both machines through random octets."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosem.errors import CosemError
from cosem.link.mbus_frame import build, build_short
from cosem.mbus.link_state import (
    COUNT,
    MASTER,
    SELECTION,
    SPEED,
    Count,
    CountEvent,
    Master,
    MasterEvent,
    Selection,
    SelectionEvent,
    Speed,
    SpeedEvent,
)
from cosem.mbus.master import BusMaster, Exchange, Kind, Wants
from support.mbus_meters import station

M, E = Master, MasterEvent


@pytest.mark.parametrize(("state", "event"), list(product(Master, MasterEvent)), ids=lambda item: item.name)
def test_master(state: Master, event: MasterEvent) -> None:
    following = MASTER.get((state, event))
    asked = state in (M.WAITING, M.HEARING)
    if event is E.LOST:
        assert following is M.IDLE
    elif event is E.STOP:
        # Whoever was asked may still answer: nobody else is asked before that.
        assert following is (M.RESTING if asked else state)
    elif event is E.OCTETS:
        assert following is (M.HEARING if asked else M.RESTING)
    elif event in (E.SEND, E.POST):
        # One frame at a time.
        assert (following is not None) is (state is M.IDLE)
    elif event is E.RESTED:
        assert (following is not None) is (state is M.RESTING)
    elif event is E.SILENT:
        assert (following is not None) is (state is M.WAITING)
    else:
        assert (following is not None) is (state is M.HEARING)
    if event in (E.SILENT, E.WHOLE, E.BROKEN, E.RESTED) and following is not None:
        assert following is M.IDLE


@pytest.mark.parametrize(("state", "event"), list(product(Selection, SelectionEvent)), ids=lambda item: item.name)
def test_selection(state: Selection, event: SelectionEvent) -> None:
    meant = event is SelectionEvent.MEANT
    assert SELECTION[state, event] is (Selection.SELECTED if meant else Selection.UNSELECTED)


@given(st.lists(st.sampled_from(CountEvent), max_size=12))
def test_the_count_is_the_last_bit_since_the_reset(events: list[CountEvent]) -> None:
    state = Count.FRESH
    for event in events:
        state = COUNT[state, event]
    since = events[len(events) - events[::-1].index(CountEvent.RESET) :] if CountEvent.RESET in events else events
    last = since[-1] if since else None
    assert state is {None: Count.FRESH, CountEvent.CLEAR: Count.CLEAR, CountEvent.SET: Count.SET}[last]


@pytest.mark.parametrize(("state", "event"), list(product(Speed, SpeedEvent)), ids=lambda item: item.name)
def test_speed(state: Speed, event: SpeedEvent) -> None:
    following = SPEED.get((state, event))
    if event is SpeedEvent.SWITCH:
        assert following is Speed.TRIAL
    elif event is SpeedEvent.FALLBACK:
        # Who is settled has nothing to go back to.
        assert following is (Speed.SETTLED if state is Speed.TRIAL else None)
    else:
        assert following is Speed.SETTLED


ANSWER = build(0x08, 5, 0x72, bytes(12))
PIECES = st.one_of(
    st.binary(min_size=1, max_size=12),
    st.sampled_from([b"\xe5", ANSWER, ANSWER[:9], ANSWER[9:], b"\xe5\xe5", build(0x08, 6, 0x72, b"")]),
)
ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("octets"), PIECES),
        st.tuples(st.just("wait"), st.floats(0, 2)),
        st.tuples(st.just("ask"), st.tuples(st.sampled_from(Wants), st.booleans(), st.integers(1, 3))),
        st.tuples(st.just("cancel"), st.integers(0, 3)),
        st.tuples(st.just("lost"), st.none()),
    ),
    max_size=25,
)


@settings(max_examples=200)
@given(ACTS)
def test_a_master_takes_any_octets_at_any_time_and_every_exchange_ends(acts: list[tuple[str, object]]) -> None:
    master = BusMaster()
    now = 0.0
    asked = []

    def ask(wants: Wants, patient: bool, tries: int):  # type: ignore[no-untyped-def]
        return (yield Exchange(build_short(0x5B, 5), 5, wants, tries, patient))

    def wait(seconds: float) -> None:
        nonlocal now
        until = now + seconds
        for _ in range(1000):
            master.take()
            due = master.next_timer()
            if due is None or due > until:
                break
            now = max(now, due)
            master.handle_timer(now)
        else:
            pytest.fail("a timer that never ends")
        now = until

    for what, argument in acts:
        if what == "octets":
            master.receive(argument, now)  # type: ignore[arg-type]
        elif what == "wait":
            wait(argument)  # type: ignore[arg-type]
        elif what == "ask":
            asked.append((argument, master.start(ask(*argument), now)))  # type: ignore[misc]
        elif what == "cancel" and asked:
            master.cancel(asked[argument % len(asked)][1], now)  # type: ignore[operator]
        elif what == "lost":
            master.lost(now)
            assert master.state is Master.IDLE
            master.connected = True
    wait(1000.0)
    assert master.state is Master.IDLE
    assert master.next_timer() is None
    for (wants, _, tries), running in asked:
        assert running.done
        if running.error is not None:
            assert isinstance(running.error, CosemError)
            continue
        heard = running.result
        assert heard.tries <= tries
        assert (heard.kind is Kind.SENT) is (wants is Wants.NOTHING)
        if heard.kind is Kind.ANSWERED:
            assert heard.frame.address == 5
            assert wants is Wants.RESPONSE
        if heard.kind is Kind.ACKNOWLEDGED:
            assert heard.octets == b"\xe5"


FRAMES = st.one_of(
    st.binary(max_size=20),
    st.builds(build_short, st.sampled_from((0x40, 0x5B, 0x7B, 0x5A, 0x4B)), st.sampled_from((5, 253, 254, 255))),
    st.builds(
        build,
        st.sampled_from((0x53, 0x73, 0x43)),
        st.sampled_from((5, 253, 254, 255)),
        st.sampled_from((0x50, 0x51, 0x52, 0x56, 0xB8, 0xBB, 0xBD, 0xA0)),
        st.one_of(
            st.binary(max_size=16), st.sampled_from((bytes.fromhex("017a07"), bytes.fromhex("78563412ffffffff")))
        ),
    ),
)


@settings(max_examples=200)
@given(st.lists(st.tuples(FRAMES, st.floats(0, 700)), max_size=12))
def test_a_slave_takes_any_octets_and_answers_nothing_sent_to_all(items: list[tuple[bytes, float]]) -> None:
    slave = station(primary=5)
    now = 0.0
    for octets, pause in items:
        slave.receive(octets, now)
        for _ in range(20):
            due = slave.next_timer()
            if due is None or due > now + 1.0:
                break
            slave.handle_timer(due)
        answer = slave.take()
        if len(octets) > 3 and octets == build_short(octets[1], 255):
            assert answer == b""
        now += 1.0 + pause
        slave.handle_timer(now)
        assert slave.baud in (300, 2400, 9600)
        assert (slave.trial_until is None) is (slave.speed is Speed.SETTLED)
        assert 0 <= slave.primary <= 250
