"""The HDLC link of both sides: who answers what, when, and what is never answered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.errors import ConfigError, LocalProtocolError
from cosem.link.base import Address, ApduReceived, Discarded, LinkDown, LinkEvent, LinkUp
from cosem.link.hdlc.frame import CONTROL, Frame, HdlcAddress, build
from cosem.link.hdlc.link import LLC_COMMAND, LLC_RESPONSE, MAX_CONNECTIONS, HdlcLink, HdlcTimeouts
from cosem.link.hdlc.parameters import HdlcParameters
from cosem.link.hdlc.splitter import FrameSplitter
from cosem.link.hdlc.state import CLIENT, SERVER, Event, State
from cosem.link.hdlc.station import MAX_APDU
from cosem.link.hdlc.unnumbered import MAX_SENDERS

SHARED = Path(__file__).parents[3] / "shared" / "vectors"
ADDRESS = Address(16, 1, 17)
METER, READER = b"\x02\x23", b"\x21"


def vectors(kind: str, *levels: str) -> list[Any]:
    path = SHARED / "dlms_bad.jsonl"
    if not path.exists():
        return []
    cases = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    return [pytest.param(case, id=case["id"]) for case in cases if case["kind"] == kind and case["level"] in levels]


def to_meter(
    kind: str, info: bytes = b"", *, ns: int = 0, nr: int = 0, pf: bool = True, more: bool = False, **at: bytes
) -> bytes:
    control = (ns << 1 if kind == "I" else CONTROL.get(kind, 0x09)) | (0x10 if pf else 0)
    control |= nr << 5 if kind in ("I", "RR", "RNR", "REJ") else 0
    return build(at.get("meter", METER), at.get("reader", READER), control, info, more)


def to_reader(kind: str, info: bytes = b"", **rest: Any) -> bytes:
    return to_meter(kind, info, meter=READER, reader=METER, **rest)


def frames(octets: bytes) -> list[Frame]:
    found = FrameSplitter().feed(octets)
    assert not any(isinstance(item, Discarded) for item in found)
    return [item[0] for item in found if not isinstance(item, Discarded)]


def said(link: HdlcLink) -> list[str]:
    """Return what a link has to say, as `I 0 1 F`: kind, N(S), N(R), P/F."""
    return [
        " ".join(str(part) for part in (frame.kind, frame.ns, frame.nr, "F" if frame.pf else None) if part is not None)
        for frame in frames(link.take())
    ]


def kinds(events: list[LinkEvent]) -> list[str]:
    return [type(event).__name__ for event in events]


def connected_server(**options: Any) -> HdlcLink:
    server = HdlcLink(server=True, **options)
    assert server.receive(to_meter("SNRM"), 0.0) == [LinkUp(ADDRESS)]
    assert said(server) == ["UA F"]
    return server


def connected_client(**options: Any) -> HdlcLink:
    client = HdlcLink(**options)
    assert client.connect(ADDRESS, 0.0) == []
    assert said(client) == ["SNRM F"]
    assert client.receive(to_reader("UA"), 0.0) == [LinkUp(ADDRESS)]
    assert client.next_timer() is None
    return client


# --- published streams ------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", vectors("hdlc-frame", "semantic", "stream"))
def test_shared_expectations(case: dict[str, Any]) -> None:
    octets, why = bytes.fromhex(case["hex"]), case["why"]
    server = HdlcLink(server=True)
    if "SNRM" in why or "information field 0" in why:
        assert kinds(server.receive(octets, 0.0)) == ["LinkUp"]
        (answer,) = frames(server.take())
        # UA with the defaults.
        assert answer.kind == "UA"
        assert answer.info == HdlcParameters().encode()
        return
    server.receive(to_meter("SNRM"), 0.0)
    server.take()
    events = server.receive(octets, 0.0)
    if "N(S)=1" in why:
        assert kinds(events) == ["Discarded"]
        assert said(server) == ["RR 0 F"]
    elif "N(R)=1" in why:
        assert kinds(events) == ["Discarded", "LinkDown"]
        assert said(server) == ["FRMR F"]
    elif why == "flags only":
        assert (events, server.take()) == ([], b"")
    elif "then a good one" in why:
        assert kinds(events) == ["Discarded", "ApduReceived"]
    elif "same frame again" in why:
        assert kinds(events) == ["ApduReceived", "Discarded"]
        assert said(server) == ["RR 1 F"]
    else:
        # Blocks of general block transfer in UI frames: each is an APDU of its own to the link.
        assert set(kinds(HdlcLink().receive(octets, 0.0))) == {"ApduReceived"}


@given(st.integers(0, 7), st.integers(0, 7))
def test_n_s_and_n_r_of_a_first_frame(ns: int, nr: int) -> None:
    server = connected_server()
    events = server.receive(to_meter("I", LLC_COMMAND + b"apdu", ns=ns, nr=nr), 1.0)
    if nr:
        assert kinds(events) == ["Discarded", "LinkDown"]
        assert said(server) == ["FRMR F"]
        assert server.receive(to_meter("I", b"more"), 2.0)[-1:] != [LinkUp(ADDRESS)]
        assert said(server) == ["DM F"]
    elif ns:
        assert kinds(events) == ["Discarded"]
        assert said(server) == ["RR 0 F"]
    else:
        assert events == [ApduReceived(ADDRESS, b"apdu")]
        assert said(server) == ["RR 1 F"]


def test_the_information_of_an_frmr() -> None:
    server = connected_server()
    server.receive(to_meter("I", b"apdu", ns=0), 0.0)
    server.take()
    server.receive(to_meter("RR", nr=5), 0.0)
    (answer,) = frames(server.take())
    # Rejected control, V(S) and V(R), and the bit for an impossible N(R).
    assert answer.info == bytes((0xB1, 0x20, 0x08))


def test_a_client_ends_what_acknowledges_the_impossible() -> None:
    client = connected_client()
    assert kinds(client.receive(to_reader("RR", nr=3), 0.0)) == ["Discarded", "LinkDown"]
    assert client.take() == b""


# --- every frame in every state ---------------------------------------------------------------------------

FRAMES = ["SNRM", "UA", "DISC", "DM", "FRMR", "UI", "I", "RR", "RNR", "REJ"]
EVENTS = {
    "SNRM": Event.SNRM, "DISC": Event.DISC, "UA": Event.UA, "DM": Event.DM, "FRMR": Event.FRMR,
    "I": Event.DATA, "RR": Event.DATA, "RNR": Event.DATA, "REJ": Event.DATA,
}  # fmt: skip


def client_in(state: State) -> HdlcLink:
    client = HdlcLink()
    if state is not State.NDM:
        client.connect(ADDRESS, 0.0)
    if state in (State.NRM, State.DISCONNECTING):
        client.receive(to_reader("UA"), 0.0)
    if state is State.DISCONNECTING:
        client.disconnect(ADDRESS, 0.0)
    client.take()
    return client


def state_of(link: HdlcLink) -> State:
    connection = link._connections.get(ADDRESS)
    return State.NDM if connection is None else connection.state


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize("state", list(State), ids=lambda state: state.name)
def test_any_frame_to_a_client(state: State, kind: str) -> None:
    client = client_in(state)
    assert state_of(client) is state
    events = client.receive(to_reader(kind, b"x" if kind in ("I", "UI") else b""), 1.0)
    event = EVENTS.get(kind)
    following = CLIENT.get((state, event)) if event is not None else None
    assert state_of(client) is (state if following is None else following)
    if kind == "UI":
        assert events == [ApduReceived(ADDRESS, b"x", confirmed=False)]
    elif following is None:
        assert kinds(events) == ["Discarded"]
    elif following is State.NDM:
        assert kinds(events) == ["LinkDown"]
        assert client.next_timer() is None
    assert len(frames(client.take())) <= 1


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize("state", [State.NDM, State.NRM], ids=lambda state: state.name)
@pytest.mark.parametrize("poll", [True, False])
def test_any_frame_to_a_server(state: State, kind: str, poll: bool) -> None:
    server = connected_server() if state is State.NRM else HdlcLink(server=True)
    events = server.receive(to_meter(kind, b"x" if kind in ("I", "UI") else b"", pf=poll), 1.0)
    following = SERVER.get((state, EVENTS[kind])) if kind in EVENTS else None
    assert state_of(server) is (state if following is None else following)
    answer = said(server)
    if kind == "UI":
        assert events == [ApduReceived(ADDRESS, b"x", confirmed=False)]
        assert answer == []
    elif kind == "SNRM":
        assert kinds(events) == (["LinkDown", "LinkUp"] if state is State.NRM else ["LinkUp"])
        assert answer == ["UA F"]
    elif kind == "DISC":
        assert kinds(events) == (["LinkDown"] if state is State.NRM else [])
        assert answer == ["UA F" if state is State.NRM else "DM F"]
    elif state is State.NDM:
        assert kinds(events) == ["Discarded"]
        assert answer == (["DM F"] if poll else [])
    elif kind in ("I", "RR", "RNR", "REJ"):
        assert kinds(events) == (["ApduReceived"] if kind == "I" else [])
        assert answer == ([f"RR {int(kind == 'I')} F"] if poll else [])
    else:
        assert kinds(events) == ["Discarded"]
        assert answer == []


ANY_FRAME = st.builds(
    build,
    st.sampled_from([METER, READER, b"\x03", b"\xff", b"\x02\xff", b"\x00\x02\x00\x23"]),
    st.sampled_from([METER, READER, b"\x03", b"\x00\x02\x00\x23"]),
    st.integers(0, 255),
    st.binary(max_size=12) | st.sampled_from([LLC_COMMAND, LLC_RESPONSE, HdlcParameters(64, 64).encode()]),
    st.booleans(),
)


@given(st.lists(ANY_FRAME | st.binary(max_size=6), max_size=25), st.booleans(), st.booleans())
def test_any_octets_whole_or_one_by_one(pieces: list[bytes], server: bool, opened: bool) -> None:
    def run(parts: list[bytes]) -> tuple[list[LinkEvent], bytes, bytes]:
        link = HdlcLink(server=True) if server else HdlcLink()
        if opened and server:
            link.receive(to_meter("SNRM"), 0.0)
        elif opened:
            link.connect(ADDRESS, 0.0)
            link.receive(to_reader("UA"), 0.0)
        link.take()
        events: list[LinkEvent] = []
        for part in parts:
            events += link.receive(part, 0.0)
        events += link.handle_timer(2.5)
        discarded = b"".join(event.octets for event in events if isinstance(event, Discarded))
        sent = link.take()
        # What it says is frames, one behind the other.
        frames(sent)
        return [event for event in events if not isinstance(event, Discarded)], discarded.replace(b"\x7e", b""), sent

    octets = b"".join(pieces)
    whole = run([octets])
    assert run([octets[at : at + 1] for at in range(len(octets))]) == whole


# --- addresses --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "size"),
    [
        (Address(16, 1), None),
        (Address(16, 1, 17), None),
        (Address(16, 1, 17), 4),
        (Address(16, 1, 5000), None),
        (Address(1, 0x3000, 1), None),
    ],
)
def test_address_forms(address: Address, size: int | None) -> None:
    client, server = HdlcLink(server_address_size=size), HdlcLink(server=True)
    client.connect(address, 0.0)
    assert server.receive(client.take(), 0.0) == [LinkUp(address)]
    assert client.receive(server.take(), 0.0) == [LinkUp(address)]
    client.send(address, b"request", 0.0)
    assert server.receive(client.take(), 0.0) == [ApduReceived(address, b"request")]
    server.send(address, b"answer", 0.0)
    assert client.receive(server.take(), 0.0) == [ApduReceived(address, b"answer")]


def test_the_same_pair_in_another_size_is_the_same_connection() -> None:
    server = connected_server()
    wide = HdlcAddress.of(1, 17, 4).octets
    assert server.receive(to_meter("I", b"one", meter=wide), 0.0) == [ApduReceived(ADDRESS, b"one")]
    server.send(ADDRESS, b"answer", 0.0)
    (answer,) = frames(server.take())
    assert (answer.kind, answer.source.octets) == ("I", wide)
    assert kinds(server.receive(to_meter("SNRM", meter=wide), 0.0)) == ["LinkDown", "LinkUp"]
    assert len(server._connections) == 1


def test_addresses_that_do_not_fit() -> None:
    for address, size in ((Address(200, 1), None), (Address(16, 1, 200), 2), (Address(16, 0x4000), None)):
        client = HdlcLink(server_address_size=size)
        with pytest.raises(LocalProtocolError, match="do not fit"):
            client.connect(address, 0.0)
        with pytest.raises(LocalProtocolError, match="do not fit"):
            client.send(address, b"apdu", 0.0, confirmed=False)
    client = HdlcLink(server_address_size=2)
    client.connect(Address(16, 1), 0.0)
    with pytest.raises(LocalProtocolError, match="looks on the line like"):
        client.connect(Address(16, 1, 0), 0.0)


@pytest.mark.parametrize("meter", [b"\xff", b"\x02\xff", b"\xfe\xff", b"\xfe\xfe\xfe\xff", b"\x00\x02\xfe\xff"])
def test_what_is_sent_to_all_is_never_answered(meter: bytes) -> None:
    server = connected_server(accepts=lambda address: address == ADDRESS)
    for kind in ("SNRM", "DISC", "I", "RR"):
        assert kinds(server.receive(to_meter(kind, meter=meter), 0.0)) == ["Discarded"]
    (event,) = server.receive(to_meter("UI", LLC_COMMAND + b"to all", meter=meter), 0.0)
    assert isinstance(event, ApduReceived)
    assert (event.octets, event.confirmed) == (b"to all", False)
    assert server.take() == b""
    assert state_of(server) is State.NRM


def test_addresses_that_do_not_exist_get_no_answer() -> None:
    server = HdlcLink(server=True, accepts=lambda address: address.server == 1)
    other = HdlcAddress.of(2, 17).octets
    for kind in ("SNRM", "DISC", "I", "UI"):
        assert kinds(server.receive(to_meter(kind, b"x" if kind == "UI" else b"", meter=other), 0.0)) == ["Discarded"]
    assert server.take() == b""
    assert server.receive(to_meter("SNRM"), 0.0) == [LinkUp(ADDRESS)]


def test_a_client_hears_only_its_own_connections() -> None:
    client = connected_client()
    assert kinds(client.receive(to_meter("I", b"x", meter=READER, reader=b"\x03"), 0.0)) == ["Discarded"]
    # Its own frames, come back as an echo of the line, are of no use either.
    assert kinds(client.receive(to_meter("RR"), 0.0)) == ["Discarded"]


def test_connections_are_bounded() -> None:
    server = HdlcLink(server=True)
    for number in range(MAX_CONNECTIONS):
        assert kinds(server.receive(to_meter("SNRM", reader=HdlcAddress.of(number).octets), 0.0)) == ["LinkUp"]
    late = HdlcAddress.of(MAX_CONNECTIONS).octets
    server.take()
    assert kinds(server.receive(to_meter("SNRM", reader=late), 0.0)) == ["Discarded"]
    assert server.take() == b""
    server.receive(to_meter("DISC", reader=HdlcAddress.of(3).octets), 0.0)
    assert kinds(server.receive(to_meter("SNRM", reader=late), 0.0)) == ["LinkUp"]


def test_pairs_that_only_knocked_make_room() -> None:
    server = connected_server()
    for number in range(3 * MAX_CONNECTIONS):
        reader = HdlcAddress.of(0x80 + number, 0, 4).octets
        server.receive(to_meter("DISC", reader=reader), 0.0)
        assert said(server) == ["DM F"]
    assert len(server._connections) <= MAX_CONNECTIONS
    assert state_of(server) is State.NRM


# --- negotiation ------------------------------------------------------------------------------------------


def test_the_smaller_limits_hold_on_both_sides() -> None:
    client = HdlcLink(parameters=HdlcParameters(512, 100, 3, 7))
    server = HdlcLink(server=True, parameters=HdlcParameters(256, 200, 5, 2))
    client.connect(ADDRESS, 0.0)
    server.receive(client.take(), 0.0)
    client.receive(server.take(), 0.0)
    client.send(ADDRESS, bytes(1000), 0.0)
    assert [len(frame.info) for frame in frames(client.take())] == [200, 200]
    assert server._connections[ADDRESS].station.parameters == HdlcParameters(100, 200, 5, 2)


def test_a_malformed_ua_means_the_defaults() -> None:
    client = HdlcLink(parameters=HdlcParameters(512, 512, 7, 7))
    client.connect(ADDRESS, 0.0)
    client.take()
    assert client.receive(to_reader("UA", b"\x81\x80\x14\x05"), 0.0) == [LinkUp(ADDRESS)]
    client.send(ADDRESS, bytes(500), 0.0)
    assert [len(frame.info) for frame in frames(client.take())] == [128]


@pytest.mark.parametrize(
    "parameters",
    [HdlcParameters(0, 128), HdlcParameters(128, 0), HdlcParameters(2031, 128), HdlcParameters(128, 2031),
     HdlcParameters(128, 128, 0, 1), HdlcParameters(128, 128, 1, 8)],
)  # fmt: skip
def test_parameters_no_frame_can_keep(parameters: HdlcParameters) -> None:
    with pytest.raises(ConfigError):
        HdlcLink(parameters=parameters)


# --- a client that waits ----------------------------------------------------------------------------------


def test_a_slow_meter_is_asked_again_and_again_and_stays_alive() -> None:
    client, server = connected_client(), connected_server()
    client.send(ADDRESS, b"request", 0.0)
    assert server.receive(client.take(), 0.0) == [ApduReceived(ADDRESS, b"request")]
    now, asked = 0.0, 0
    while now < 100.0:
        assert client.receive(server.take(), now) == []
        # Not at once: a line full of RR would be of no use to anybody.
        due = client.next_timer()
        assert due is not None
        # The longer it takes, the less a little more matters.
        assert due - now == pytest.approx(min(5.0, max(0.2, now / 10)))
        now = due
        assert client.handle_timer(now) == []
        octets = client.take()
        assert [frame.kind for frame in frames(octets)] == ["RR"]
        assert server.receive(octets, now) == []
        asked += 1
    assert 40 < asked < 60
    server.send(ADDRESS, b"answer", now)
    assert client.receive(server.take(), now) == [ApduReceived(ADDRESS, b"answer")]
    assert client.next_timer() is None


def test_a_second_answer_is_asked_for() -> None:
    client, server = connected_client(), connected_server()
    for request in (b"one", b"two"):
        client.send(ADDRESS, request, 0.0)
    server.receive(client.take(), 0.0)
    client.receive(server.take(), 0.0)
    assert server.receive(client.take(), 0.0) == [ApduReceived(ADDRESS, b"two")]
    for answer in (b"1", b"2"):
        server.send(ADDRESS, answer, 0.0)
    assert client.receive(server.take(), 0.0) == [ApduReceived(ADDRESS, b"1")]
    assert client.handle_timer(0.3) == []
    server.receive(client.take(), 0.3)
    assert client.receive(server.take(), 0.3) == [ApduReceived(ADDRESS, b"2")]
    assert client.next_timer() is None


def test_a_busy_meter_is_asked_slowly_and_then_sent_the_rest() -> None:
    client = connected_client()
    client.send(ADDRESS, bytes(150), 0.0)
    assert said(client) == ["I 0 0 F"]
    client.receive(to_reader("RNR", nr=1), 1.0)
    assert said(client) == []
    assert client.next_timer() == pytest.approx(1.2)
    client.handle_timer(1.2)
    assert said(client) == ["RR 0 F"]
    client.receive(to_reader("RNR", nr=1), 1.3)
    assert said(client) == []
    client.handle_timer(1.5)
    assert said(client) == ["RR 0 F"]
    client.receive(to_reader("RR", nr=1), 1.6)
    assert said(client) == ["I 1 0 F"]


def test_a_busy_client_is_sent_nothing() -> None:
    server = connected_server()
    server.receive(to_meter("I", b"request"), 0.0)
    server.send(ADDRESS, b"answer", 0.0)
    server.receive(to_meter("RNR"), 0.0)
    assert said(server) == ["RR 1 F"]
    server.receive(to_meter("RR"), 0.0)
    assert said(server) == ["I 0 1 F"]


@pytest.mark.parametrize("state", [State.CONNECTING, State.NRM, State.DISCONNECTING], ids=lambda state: state.name)
def test_silence_is_repeated_to_and_then_given_up(state: State) -> None:
    client = client_in(state)
    if state is State.NRM:
        client.send(ADDRESS, b"request", 0.0)
        client.take()
    # How far the meter has come is asked for, not guessed: what it has heard is not sent again.
    what = {State.CONNECTING: "SNRM F", State.NRM: "RR 0 F", State.DISCONNECTING: "DISC F"}[state]
    now = 0.0
    for _ in range(3):
        assert client.handle_timer(now + 2.9) == []
        assert client.take() == b""
        now += 3.0
        assert client.next_timer() == now
        assert client.handle_timer(now) == []
        assert said(client) == [what]
    (event,) = client.handle_timer(now + 3.0)
    assert isinstance(event, LinkDown)
    silent = "frames" if state is State.NRM else what.split()[0]
    assert event.reason == f"no answer to {silent} after 4 tries"
    assert client.next_timer() is None
    client.connect(ADDRESS, now + 4.0)
    assert said(client) == ["SNRM F"]


def test_a_lost_turn_is_asked_for_again() -> None:
    # The meter said all but the last frame of its turn, and the answer to our poll is lost too.
    client = connected_client(parameters=HdlcParameters(128, 128, 1, 3))
    client.send(ADDRESS, b"request", 0.0)
    client.take()
    client.receive(to_reader("I", bytes(3), nr=1, pf=False, more=True), 1.0)
    assert client.next_timer() == 4.0
    client.handle_timer(4.0)
    assert said(client) == ["RR 1 F"]
    assert client.receive(to_reader("I", b"end", ns=1, nr=1), 5.0) == [ApduReceived(ADDRESS, b"\0\0\0end")]


def test_the_first_of_several_frames_is_lost() -> None:
    parameters = HdlcParameters(128, 128, 3, 3)
    client = HdlcLink(parameters=parameters)
    client.connect(ADDRESS, 0.0)
    client.take()
    client.receive(to_reader("UA", parameters.encode()), 0.0)
    client.send(ADDRESS, bytes(300), 0.0)
    assert said(client) == ["I 0 0", "I 1 0", "I 2 0 F"]
    client.receive(to_reader("RR", nr=0), 1.0)
    # Perhaps that was the answer to something earlier; a little later the meter is asked.
    assert said(client) == []
    client.handle_timer(1.2)
    assert said(client) == ["RR 0 F"]
    client.receive(to_reader("RR", nr=0), 1.3)
    assert said(client) == ["I 0 0", "I 1 0", "I 2 0 F"]


def test_answers_of_the_meter_that_were_lost_are_fetched() -> None:
    parameters = HdlcParameters(128, 128, 3, 3)
    client = connected_client_with(parameters)
    client.send(ADDRESS, b"request", 0.0)
    client.take()
    # The first of three frames never came.
    assert kinds(client.receive(to_reader("I", b"b", ns=1, nr=1, pf=False), 1.0)) == ["Discarded"]
    assert kinds(client.receive(to_reader("I", b"c", ns=2, nr=1), 1.0)) == ["Discarded"]
    assert said(client) == ["RR 0 F"]
    # Nothing came of that either.
    assert client.next_timer() == 4.0


def connected_client_with(parameters: HdlcParameters) -> HdlcLink:
    client = HdlcLink(parameters=parameters)
    client.connect(ADDRESS, 0.0)
    client.take()
    client.receive(to_reader("UA", parameters.encode()), 0.0)
    return client


def test_a_long_apdu_in_window_1_is_acknowledged_frame_by_frame() -> None:
    client, server = connected_client(), connected_server()
    client.send(ADDRESS, bytes(300), 0.0)
    talk = []
    for _ in range(3):
        octets = client.take()
        talk += [frame.kind for frame in frames(octets)]
        events = server.receive(octets, 0.0)
        octets = server.take()
        talk += [frame.kind for frame in frames(octets)]
        client.receive(octets, 0.0)
    assert talk == ["I", "RR"] * 3
    assert events == [ApduReceived(ADDRESS, bytes(300))]
    server.send(ADDRESS, bytes(300), 0.0)
    client.handle_timer(0.2)
    talk = []
    events = []
    for _ in range(3):
        octets = client.take()
        talk += [frame.kind for frame in frames(octets)]
        server.receive(octets, 0.0)
        octets = server.take()
        talk += [frame.kind for frame in frames(octets)]
        events = client.receive(octets, 0.0)
    assert talk == ["RR", "I"] * 3
    assert events == [ApduReceived(ADDRESS, bytes(300))]


def test_an_endless_apdu_ends_the_connection() -> None:
    server = HdlcLink(server=True, parameters=HdlcParameters(2030, 2030))
    server.receive(to_meter("SNRM", HdlcParameters(2030, 2030).encode()), 0.0)
    events: list[LinkEvent] = []
    for count in range(MAX_APDU // 2000 + 1):
        assert state_of(server) is State.NRM
        events = server.receive(to_meter("I", bytes(2000), ns=count & 7, more=True), 0.0)
    assert kinds(events) == ["Discarded", "LinkDown"]
    assert said(server)[-1] == "FRMR F"


# --- the server's time ------------------------------------------------------------------------------------


def test_a_client_that_is_gone_is_forgotten() -> None:
    server = connected_server(timeouts=HdlcTimeouts(inactivity=60.0))
    assert server.next_timer() == 60.0
    server.receive(to_meter("RR"), 50.0)
    assert server.next_timer() == 110.0
    assert server.handle_timer(109.0) == []
    assert server.handle_timer(110.0) == [LinkDown(ADDRESS, "nothing heard from the client")]
    assert server.next_timer() is None
    server.take()
    server.receive(to_meter("I", b"request"), 111.0)
    assert said(server) == ["DM F"]


def test_half_a_frame_is_given_up_and_what_stands_behind_it_is_found() -> None:
    server = connected_server()
    half = to_meter("I", bytes(100))[:50]
    assert server.receive(half + to_meter("I", b"request"), 0.0) == []
    assert server.next_timer() == 2.0
    assert kinds(server.handle_timer(2.0)) == ["Discarded", "ApduReceived"]
    assert said(server) == ["RR 1 F"]
    # Octets that come later belong to something else, whether a timer was served or not.
    assert server.receive(half, 2.5) == []
    assert kinds(server.receive(to_meter("I", b"request", ns=1), 4.5)) == ["Discarded", "ApduReceived"]
    assert said(server) == ["RR 2 F"]
    # Flags alone are not half a frame.
    server.receive(b"\x7e\x7e\x7e", 5.0)
    assert server.next_timer() == 120.0 + 4.5


def test_a_lost_transport_takes_everything_along() -> None:
    client, server = client_in(State.CONNECTING), connected_server()
    server.receive(to_meter("UI", b"half", more=True), 0.0)
    server.receive(b"\x7e\xa0\x10", 0.0)
    for link in (client, server):
        assert link.lost(1.0) == [LinkDown(ADDRESS, "the transport was lost")]
        assert (link.lost(1.0), link.take(), link.next_timer()) == ([], b"", None)
    assert server.receive(to_meter("UI", b"whole"), 1.0) == [ApduReceived(ADDRESS, b"whole", confirmed=False)]


# --- orders -----------------------------------------------------------------------------------------------


def test_orders_that_the_state_does_not_allow() -> None:
    client = connected_client()
    with pytest.raises(LocalProtocolError, match="while connected"):
        client.connect(ADDRESS, 0.0)
    with pytest.raises(LocalProtocolError, match="not open"):
        client.send(Address(17, 1, 17), b"apdu", 0.0)
    assert client.disconnect(Address(17, 1, 17), 0.0) == []
    assert client.disconnect(ADDRESS, 0.0) == []
    assert said(client) == ["DISC F"]
    assert client.disconnect(ADDRESS, 0.0) == []
    assert client.take() == b""
    with pytest.raises(LocalProtocolError, match="not open"):
        client.send(ADDRESS, b"apdu", 0.0)
    assert client.receive(to_reader("DM"), 0.0) == [LinkDown(ADDRESS, "closed")]
    assert client.disconnect(ADDRESS, 0.0) == []


def test_a_server_that_closes_forgets_and_says_so_when_asked() -> None:
    server = connected_server()
    assert server.disconnect(ADDRESS, 0.0) == [LinkDown(ADDRESS, "closed by this side")]
    with pytest.raises(LocalProtocolError, match="not open"):
        server.send(ADDRESS, b"apdu", 0.0)
    server.receive(to_meter("RR"), 0.0)
    assert said(server) == ["DM F"]


def test_the_reason_of_a_dm() -> None:
    for state, words in ((State.CONNECTING, "refuses"), (State.NRM, "is disconnected")):
        (event,) = client_in(state).receive(to_reader("DM"), 0.0)
        assert isinstance(event, LinkDown)
        assert words in event.reason


@pytest.mark.parametrize("header", [b"", LLC_COMMAND, LLC_RESPONSE])
def test_any_llc_header_or_none_is_understood(header: bytes) -> None:
    assert connected_client().receive(to_reader("I", header + b"apdu"), 0.0) == [ApduReceived(ADDRESS, b"apdu")]
    assert connected_server().receive(to_meter("I", header), 0.0) == []


def test_each_side_sends_its_own_llc_header() -> None:
    client, server = connected_client(), connected_server()
    client.send(ADDRESS, b"apdu", 0.0)
    octets = client.take()
    assert frames(octets)[0].info == LLC_COMMAND + b"apdu"
    server.receive(octets, 0.0)
    server.send(ADDRESS, b"apdu", 0.0)
    assert frames(server.take())[0].info == LLC_RESPONSE + b"apdu"


# --- UI frames --------------------------------------------------------------------------------------------


@given(apdu=st.binary(min_size=1, max_size=600), opened=st.booleans(), size=st.integers(1, 200))
def test_unnumbered_information_is_cut_and_joined(apdu: bytes, opened: bool, size: int) -> None:
    parameters = HdlcParameters(size, size)
    client, server = HdlcLink(parameters=parameters), HdlcLink(server=True, parameters=parameters)
    if opened:
        client.connect(ADDRESS, 0.0)
        server.receive(client.take(), 0.0)
        client.receive(server.take(), 0.0)
    client.send(ADDRESS, apdu, 0.0, confirmed=False)
    octets = client.take()
    assert all(frame.kind == "UI" and not frame.pf and len(frame.info) <= size for frame in frames(octets))
    assert server.receive(octets, 0.0) == [ApduReceived(ADDRESS, apdu, confirmed=False)]
    assert server.take() == b""
    server.send(ADDRESS, apdu, 0.0, confirmed=False)
    assert client.receive(server.take(), 0.0) == [ApduReceived(ADDRESS, apdu, confirmed=False)]
    assert client.take() == b""


def test_segments_without_an_end_do_not_spoil_what_comes_later() -> None:
    client = HdlcLink()
    assert client.receive(to_reader("UI", LLC_RESPONSE + b"half", more=True), 0.0) == []
    events = client.receive(to_reader("UI", LLC_RESPONSE + b"whole"), 60.0)
    assert kinds(events) == ["Discarded", "ApduReceived"]
    assert events[1] == ApduReceived(ADDRESS, b"whole", confirmed=False)


def test_what_unnumbered_segments_may_hold() -> None:
    client = HdlcLink()
    part = to_reader("UI", bytes(2000), more=True)
    for _ in range(MAX_APDU // 2000):
        assert client.receive(part, 0.0) == []
    assert kinds(client.receive(part, 0.0)) == ["Discarded"]
    assert client.receive(to_reader("UI", b"whole"), 0.0) == [ApduReceived(ADDRESS, b"whole", confirmed=False)]
    # Whoever waits longest is given up for newcomers.
    senders = [HdlcAddress.of(1, number + 1, 4).octets for number in range(3 * MAX_SENDERS)]
    events = []
    for sender in senders:
        events += client.receive(build(READER, sender, 0x03, b"half", True), 0.0)
    assert events == [Discarded(b"half", "segments of too many senders at once")] * (2 * MAX_SENDERS)
    assert kinds(client.receive(build(READER, senders[0], 0x03, b" end"), 0.0)) == ["ApduReceived"]
    (event,) = client.receive(build(READER, senders[-1], 0x03, b" end"), 0.0)
    assert isinstance(event, ApduReceived)
    assert event.octets == b"half end"
    assert client.receive(to_reader("UI", LLC_RESPONSE), 0.0) == []


def test_a_repeat_of_what_was_acknowledged_does_not_hand_the_turn_over() -> None:
    client = connected_client()
    client.send(ADDRESS, b"request", 0.0)
    client.take()
    client.receive(to_reader("I", b"first", nr=1, more=True), 1.0)
    assert said(client) == ["RR 1 F"]
    assert kinds(client.receive(to_reader("I", b"first", nr=1, more=True), 1.1)) == ["Discarded"]
    assert said(client) == []
    assert client.receive(to_reader("I", b"last", ns=1, nr=1), 1.2) == [ApduReceived(ADDRESS, b"firstlast")]
    # Were the answer really lost, the client would have asked again in time.
    assert client.next_timer() is None


def test_a_repeat_that_was_the_answer_after_all_costs_one_time_out() -> None:
    client = connected_client()
    client.send(ADDRESS, b"request", 0.0)
    client.take()
    client.receive(to_reader("I", b"first", nr=1, more=True), 1.0)
    client.take()
    client.receive(to_reader("I", b"first", nr=1, more=True), 1.1)
    assert client.next_timer() == 4.0
    assert client.handle_timer(4.0) == []
    assert said(client) == ["RR 1 F"]
