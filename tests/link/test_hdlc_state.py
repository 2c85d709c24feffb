"""Every state with every event of both tables, and a station's sequence numbers against a plain model."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.link.hdlc.frame import build, parse
from cosem.link.hdlc.parameters import HdlcParameters
from cosem.link.hdlc.state import CLIENT, SERVER, Event, State
from cosem.link.hdlc.station import MAX_APDU, Outcome, Segment, Station

S, E = State, Event


@pytest.mark.parametrize(("state", "event"), list(product(State, Event)), ids=lambda item: item.name)
def test_client(state: State, event: Event) -> None:
    following = CLIENT.get((state, event))
    if event is E.CONNECT:
        assert following is (S.CONNECTING if state is S.NDM else None)
    elif event is E.LOST:
        assert following is S.NDM
    elif state is S.NDM or event in (E.SNRM, E.DISC, E.INACTIVE):
        # A client is never asked, and what comes while nothing is open opens nothing.
        assert following is None
    elif event is E.UA:
        assert following is {S.CONNECTING: S.NRM, S.DISCONNECTING: S.NDM}.get(state)
    elif event in (E.DM, E.GIVE_UP):
        assert following is S.NDM
    elif event is E.DISCONNECT:
        assert following is (None if state is S.DISCONNECTING else S.DISCONNECTING)
    elif event in (E.FRMR, E.REJECT):
        assert following is (S.NDM if state is S.NRM else None)
    else:
        assert event is E.DATA
        assert following is (S.NRM if state is S.NRM else None)


@pytest.mark.parametrize(("state", "event"), list(product(State, Event)), ids=lambda item: item.name)
def test_server(state: State, event: Event) -> None:
    following = SERVER.get((state, event))
    if state in (S.CONNECTING, S.DISCONNECTING):
        # A server answers at once and never waits in between.
        assert following is None
    elif event is E.SNRM:
        assert following is S.NRM
    elif event in (E.DISC, E.LOST):
        assert following is S.NDM
    elif state is S.NDM:
        assert following is None
    else:
        expected = {E.DATA: S.NRM, E.DISCONNECT: S.NDM, E.INACTIVE: S.NDM, E.REJECT: S.NDM}
        assert following is expected.get(event)


# --- one station ------------------------------------------------------------------------------------------


def frame(kind: str, *, ns: int = 0, nr: int = 0, pf: bool = True, info: bytes = b"", more: bool = False):  # type: ignore[no-untyped-def]
    control = {"I": ns << 1, "RR": 1, "RNR": 5}[kind] | nr << 5 | (0x10 if pf else 0)
    return parse(build(b"\x03", b"\x21", control, info, more))


@given(st.binary(max_size=700), st.integers(1, 130), st.integers(1, 7), st.integers(0, 40), st.data())
def test_an_apdu_is_cut_sent_lost_and_sent_again(
    apdu: bytes, size: int, window: int, before: int, data: st.DataObject
) -> None:
    sender = Station(HdlcParameters(max_info_tx=size, window_tx=window), holds=True)
    receiver = Station(holds=False)
    # The numbers may stand anywhere.
    for station in (sender, receiver):
        station.send_state = station.receive_state = before & 7
    sender.offer(apdu)
    pieces = -(-len(apdu) // size)
    received = []
    for _ in range(200):
        burst = sender.burst()
        assert len(burst) <= window
        for number, segment in burst:
            assert len(segment.info) <= size
            if data.draw(st.integers(0, 3), label="lost") == 0:
                continue
            outcome = receiver.accept(frame("I", ns=number, nr=before & 7, info=segment.info, more=segment.more))
            assert not outcome.reject
            if outcome.apdu is not None:
                received.append(outcome.apdu)
        assert sender.accept(frame("RR", nr=receiver.receive_state)).problem is None
        if sender.idle:
            break
    else:
        return
    assert received == ([apdu] if apdu else [])
    assert receiver.receive_state == (before + pieces) & 7
    assert receiver.more_expected is False


@given(st.integers(0, 7), st.integers(0, 7), st.integers(0, 7))
def test_only_what_was_sent_can_be_acknowledged(start: int, sent: int, nr: int) -> None:
    station = Station(HdlcParameters(window_tx=7), holds=True)
    station.send_state = start
    for _ in range(sent):
        station.offer(b"x")
    assert len(station.burst()) == sent
    outcome = station.accept(frame("RR", nr=nr))
    acknowledged = (nr - start) & 7
    assert bool(outcome.reject) == (acknowledged > sent)
    assert len(station.unacknowledged) == (sent if outcome.reject else sent - acknowledged)


def test_a_busy_peer_is_sent_nothing_until_it_is_ready() -> None:
    station = Station(HdlcParameters(window_tx=2), holds=True)
    station.offer(b"x")
    station.accept(frame("RNR"))
    assert station.burst() == []
    assert not station.idle
    station.accept(frame("RR"))
    assert station.burst() == [(0, Segment(b"x", False))]


def test_what_one_apdu_may_hold() -> None:
    station = Station(holds=False)
    size = 2000
    for count in range(MAX_APDU // size):
        assert station.accept(frame("I", ns=count & 7, info=bytes(size), more=True)) == Outcome()
    count = MAX_APDU // size
    assert station.accept(frame("I", ns=count & 7, info=bytes(size), more=True)).reject


def test_empty_segments_cost_nothing() -> None:
    station = Station(holds=False)
    for count in range(100):
        station.accept(frame("I", ns=count & 7, more=True))
    assert station._parts == []
    assert station.accept(frame("I", ns=100 & 7, info=b"end")).apdu == b"end"
