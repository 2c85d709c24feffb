"""RNR, FRMR and REJ: stations that are busy, frames that must not be, and floods."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosem.errors import DecodeError, LocalProtocolError
from cosem.link.base import Address, ApduReceived, Discarded, LinkDown, LinkEvent, LinkUp
from cosem.link.hdlc import reject
from cosem.link.hdlc.frame import CONTROL, Frame, HdlcAddress, build, control_text
from cosem.link.hdlc.link import MAX_SPARED, HdlcLink, HdlcTimeouts
from cosem.link.hdlc.parameters import HdlcParameters
from cosem.link.hdlc.reject import Rejection
from cosem.link.hdlc.splitter import FrameSplitter
from cosem.link.hdlc.station import MAX_QUEUED
from cosem.link.memory import LineQuality, LossyPipe
from cosem.tolerances import STRICT

ADDRESS = Address(16, 1, 17)
METER, READER = b"\x02\x23", b"\x21"


def to_meter(
    kind: str | int, info: bytes = b"", *, ns: int = 0, nr: int = 0, pf: bool = True, more: bool = False
) -> bytes:
    return build(METER, READER, control_of(kind, ns, nr, pf), info, more)


def to_reader(
    kind: str | int, info: bytes = b"", *, ns: int = 0, nr: int = 0, pf: bool = True, more: bool = False
) -> bytes:
    return build(READER, METER, control_of(kind, ns, nr, pf), info, more)


def control_of(kind: str | int, ns: int, nr: int, pf: bool) -> int:
    if isinstance(kind, int):
        return kind
    number = {"I": ns << 1, "REJ": 0x09}.get(kind)
    control = CONTROL[kind] if number is None else number
    return control | (0x10 if pf else 0) | (nr << 5 if kind in ("I", "RR", "RNR", "REJ") else 0)


def frames(octets: bytes) -> list[Frame]:
    found = FrameSplitter().feed(octets)
    assert not any(isinstance(item, Discarded) for item in found)
    return [item[0] for item in found if not isinstance(item, Discarded)]


def said(link: HdlcLink) -> list[str]:
    return [control_text(frame.control) for frame in frames(link.take())]


def pair(window: int = 1, size: int = 128, **options: Any) -> tuple[HdlcLink, HdlcLink]:
    parameters = HdlcParameters(size, size, window, window)
    client = HdlcLink(parameters=parameters, **options)
    server = HdlcLink(server=True, parameters=parameters)
    client.connect(ADDRESS, 0.0)
    server.receive(client.take(), 0.0)
    assert client.receive(server.take(), 0.0) == [LinkUp(ADDRESS)]
    return client, server


def opened(server: bool, **options: Any) -> HdlcLink:
    link = HdlcLink(server=server, **options)
    if server:
        link.receive(to_meter("SNRM"), 0.0)
    else:
        link.connect(ADDRESS, 0.0)
        link.receive(to_reader("UA"), 0.0)
    link.take()
    return link


# --- our side is busy -------------------------------------------------------------------------------------


def test_a_busy_meter_says_so_and_takes_what_is_sent_again() -> None:
    client, server = pair()
    server.set_busy(ADDRESS, True, 0.0)
    client.send(ADDRESS, b"request", 0.0)
    (event,) = server.receive(client.take(), 0.0)
    assert isinstance(event, Discarded)
    octets = server.take()
    assert [control_text(frame.control) for frame in frames(octets)] == ["RNR N(R)=0 P/F"]
    assert client.receive(octets, 0.0) == []
    # Asked again after a pause, and sent nothing.
    assert client.next_timer() == pytest.approx(0.2)
    client.handle_timer(0.2)
    octets = client.take()
    assert [frame.kind for frame in frames(octets)] == ["RR"]
    server.receive(octets, 0.2)
    client.receive(server.take(), 0.2)
    server.set_busy(ADDRESS, False, 0.3)
    client.handle_timer(0.4)
    server.receive(client.take(), 0.4)
    client.receive(server.take(), 0.4)
    assert server.receive(client.take(), 0.4) == [ApduReceived(ADDRESS, b"request")]
    server.send(ADDRESS, b"answer", 0.5)
    assert client.receive(server.take(), 0.5) == [ApduReceived(ADDRESS, b"answer")]


def test_a_busy_meter_still_answers_what_it_took() -> None:
    client, server = pair(window=3, size=10)
    client.send(ADDRESS, b"request", 0.0)
    server.receive(client.take(), 0.0)
    server.set_busy(ADDRESS, True, 0.0)
    server.send(ADDRESS, b"an answer of three", 0.0)
    octets = server.take()
    assert [control_text(frame.control) for frame in frames(octets)] == [
        "I N(S)=0 N(R)=1", "I N(S)=1 N(R)=1", "I N(S)=2 N(R)=1", "RNR N(R)=1 P/F",
    ]  # fmt: skip
    assert client.receive(octets, 0.0) == [ApduReceived(ADDRESS, b"an answer of three")]
    # There may be more where that came from.
    assert said(client) == ["RR N(R)=3 P/F"]


def test_a_busy_client_takes_nothing_and_asks_when_it_is_ready() -> None:
    client, server = pair()
    client.send(ADDRESS, b"request", 0.0)
    server.receive(client.take(), 0.0)
    client.set_busy(ADDRESS, True, 0.0)
    server.send(ADDRESS, b"answer", 0.0)
    (event,) = client.receive(server.take(), 0.0)
    assert isinstance(event, Discarded)
    # It keeps the connection alive without hurry.
    assert client.next_timer() == 3.0
    client.handle_timer(3.0)
    octets = client.take()
    assert [control_text(frame.control) for frame in frames(octets)] == ["RNR N(R)=0 P/F"]
    server.receive(octets, 3.0)
    octets = server.take()
    # It waits, and does not say so with I frames.
    assert [frame.kind for frame in frames(octets)] == ["RR"]
    client.receive(octets, 3.0)
    client.set_busy(ADDRESS, False, 4.0)
    octets = client.take()
    assert [control_text(frame.control) for frame in frames(octets)] == ["RR N(R)=0 P/F"]
    server.receive(octets, 4.0)
    assert client.receive(server.take(), 4.0) == [ApduReceived(ADDRESS, b"answer")]


def test_a_busy_client_may_speak() -> None:
    client, server = pair()
    client.set_busy(ADDRESS, True, 0.0)
    client.send(ADDRESS, b"request", 0.0)
    octets = client.take()
    assert [control_text(frame.control) for frame in frames(octets)] == ["I N(S)=0 N(R)=0", "RNR N(R)=0 P/F"]
    assert server.receive(octets, 0.0) == [ApduReceived(ADDRESS, b"request")]
    server.send(ADDRESS, b"answer", 0.0)
    assert said(server) == ["RR N(R)=1 P/F"]


def test_ready_without_anything_to_ask_says_nothing() -> None:
    client, server = pair()
    for link in (client, server):
        link.set_busy(ADDRESS, True, 0.0)
        link.set_busy(ADDRESS, False, 0.0)
    assert (client.take(), server.take()) == (b"", b"")


def test_orders_need_an_open_connection() -> None:
    link = HdlcLink()
    with pytest.raises(LocalProtocolError, match="not open"):
        link.set_busy(ADDRESS, True, 0.0)
    with pytest.raises(LocalProtocolError, match="not open"):
        link.poll(ADDRESS, 0.0)


def test_the_peer_is_busy_until_it_hands_the_turn_over() -> None:
    client = opened(False)
    client.send(ADDRESS, bytes(200), 0.0)
    client.take()
    client.receive(to_reader("RNR", nr=1, pf=False), 1.0)
    assert client.receive(to_reader("I", b"push", nr=1, pf=False), 1.0) == [ApduReceived(ADDRESS, b"push")]
    assert said(client) == []
    client.receive(to_reader("I", b"push", ns=1, nr=1), 1.0)
    assert said(client) == ["I N(S)=1 N(R)=2 P/F"]


def test_a_peer_that_is_busy_with_nothing_to_send_it_is_left_alone() -> None:
    client = opened(False)
    client.poll(ADDRESS, 0.0)
    client.take()
    client.receive(to_reader("RNR"), 0.1)
    assert client.next_timer() is None
    client.send(ADDRESS, b"request", 1.0)
    assert said(client) == []
    assert client.next_timer() == pytest.approx(1.2)
    # What is queued meanwhile does not put the question off.
    client.send(ADDRESS, b"request", 1.1)
    assert client.next_timer() == pytest.approx(1.2)
    client.handle_timer(1.2)
    assert said(client) == ["RR N(R)=0 P/F"]
    client.receive(to_reader("RR"), 1.3)
    assert said(client) == ["I N(S)=0 N(R)=0 P/F"]


def test_a_meter_is_asked_for_what_it_has_to_say_of_its_own() -> None:
    client, server = pair()
    server.send(ADDRESS, b"\x0fpush", 0.0)
    assert server.take() == b""
    client.poll(ADDRESS, 1.0)
    # The question is asked once.
    client.poll(ADDRESS, 1.0)
    octets = client.take()
    assert len(frames(octets)) == 1
    server.receive(octets, 1.0)
    assert client.receive(server.take(), 1.0) == [ApduReceived(ADDRESS, b"\x0fpush")]
    assert client.next_timer() is None
    server.poll(ADDRESS, 2.0)
    assert server.take() == b""


@pytest.mark.parametrize("push", [b"\x0f", b"\xc2", b"\x18", b"\xca"])
def test_a_notification_is_no_answer(push: bytes) -> None:
    client, server = pair()
    server.send(ADDRESS, push + b"push", 0.0)
    client.send(ADDRESS, b"request", 0.0)
    server.receive(client.take(), 0.0)
    assert client.receive(server.take(), 0.0) == [ApduReceived(ADDRESS, push + b"push")]
    # The answer is still asked for.
    server.send(ADDRESS, b"answer", 0.1)
    client.handle_timer(0.2)
    server.receive(client.take(), 0.2)
    assert client.receive(server.take(), 0.2) == [ApduReceived(ADDRESS, b"answer")]
    assert client.next_timer() is None


def test_blocks_in_a_row_are_one_answer() -> None:
    client, server = pair()
    # Blocks of general block transfer: E0, then 40 while another follows, 80 on the last.
    request = [b"\xe0\x43one", b"\xe0\x43two", b"\xe0\x83three"]
    answer = [b"\xe0\x43" + bytes((number,)) for number in range(4)] + [b"\xe0\x83end"]
    for block in request:
        client.send(ADDRESS, block, 0.0)
    heard: list[bytes] = []
    answers: list[bytes] = []
    now = 0.0
    while client.next_timer() is not None:
        heard += [event.octets for event in server.receive(client.take(), now) if isinstance(event, ApduReceived)]
        if heard == request and answer:
            for block in answer:
                server.send(ADDRESS, block, now)
            answer = []
        answers += [event.octets for event in client.receive(server.take(), now) if isinstance(event, ApduReceived)]
        due = client.next_timer()
        if due is not None and due < now + 1.0:
            now = due
            client.handle_timer(now)
    # All of it was fetched, and nothing is asked for after that.
    assert len(answers) == 5


def test_a_client_that_asks_without_fetching_the_answers_is_held_off() -> None:
    server = HdlcLink(server=True, parameters=HdlcParameters(128, 128, 7, 7))
    server.receive(to_meter("SNRM"), 0.0)
    server.take()
    answer = bytes(60_000)
    taken = 0
    for number in range(200):
        # None of these hands the turn over.
        for event in server.receive(to_meter("I", b"request", ns=taken & 7, pf=False), float(number) / 100):
            if isinstance(event, ApduReceived):
                taken += 1
                server.send(ADDRESS, answer, 0.0)
    assert taken == MAX_QUEUED // (len(answer) + 3) + 1
    server.receive(to_meter("RR"), 2.0)
    assert said(server)[-1] == f"RNR N(R)={taken & 7} P/F"


def test_answers_that_crowd_a_meter_are_fetched_without_pauses() -> None:
    client, server = pair(window=2, size=2000)
    for _ in range(10):
        client.send(ADDRESS, b"request", 0.0)
    now, answers, asked = 0.0, 0, 0
    while answers < 10:
        for event in server.receive(client.take(), now):
            if isinstance(event, ApduReceived):
                asked += 1
                # One answer takes all the room there is.
                server.send(ADDRESS, bytes(MAX_QUEUED // 8 - 3), now)
                for _ in range(8):
                    if asked == 1:
                        server.send(ADDRESS, b"\x0f" + bytes(MAX_QUEUED // 8 - 4), now)
        answers += sum(isinstance(event, ApduReceived) for event in client.receive(server.take(), now))
        due = client.next_timer()
        if due is not None and due - now < 1.0:
            now = due
            client.handle_timer(now)
    assert now <= 2.0


@settings(max_examples=40, deadline=None)
@given(
    window=st.integers(1, 7),
    switches=st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(1, 30)), max_size=8),
    loss=st.sampled_from([0.0, 0.1]),
    seed=st.integers(0, 2**32),
)
def test_busy_sides_lose_nothing(window: int, switches: list[tuple[bool, bool, int]], loss: float, seed: int) -> None:
    client, server = pair(window=window, size=32, timeouts=HdlcTimeouts(retries=50))
    pipe = LossyPipe(random.Random(seed).random, LineQuality(loss=loss, delay=0.01))
    requests = [bytes((number,)) * 90 for number in range(4)]
    for request in requests:
        client.send(ADDRESS, request, 0.0)
    heard: list[bytes] = []
    answered: list[bytes] = []
    now = 0.0
    left = 0
    for _ in range(5000):
        if left == 0:
            order, busy, left = switches.pop() if switches else (True, False, 10_000)
            (client if order else server).set_busy(ADDRESS, busy, now)
            if left == 10_000:
                server.set_busy(ADDRESS, False, now)
        left -= 1
        pipe.send(0, client.take(), now)
        pipe.send(1, server.take(), now)
        events: list[LinkEvent] = []
        if (octets := pipe.deliver(1, now)) is not None:
            events = server.receive(octets, now)
            for event in events:
                if isinstance(event, ApduReceived):
                    heard.append(event.octets)
                    server.send(ADDRESS, event.octets[::-1] * 2, now)
        elif (octets := pipe.deliver(0, now)) is not None:
            events = client.receive(octets, now)
            answered += [event.octets for event in events if isinstance(event, ApduReceived)]
        else:
            times = [time for time in (pipe.next_time(), client.next_timer()) if time is not None]
            now = max(now, min(times, default=now))
            events = client.handle_timer(now)
        assert not any(isinstance(event, LinkDown) for event in events)
        if len(answered) == len(requests):
            break
    assert heard == requests
    assert answered == [request * 2 for request in requests]


# --- frames that must not be ------------------------------------------------------------------------------


@given(st.integers(0, 255), st.integers(0, 7), st.integers(0, 7), st.booleans(), st.integers(0, 15))
def test_a_rejection_there_and_back(control: int, sent: int, received: int, response: bool, reasons: int) -> None:
    rejection = Rejection(control, sent, received, response, reasons)
    assert reject.parse(rejection.encode()) == rejection
    assert control_text(control) in rejection.words


@given(st.binary(max_size=8))
def test_any_information_of_frmr(info: bytes) -> None:
    try:
        rejection = reject.parse(info)
    except DecodeError:
        assert len(info) != 3
        return
    assert rejection.encode()[0] == info[0]
    # Bits without a meaning are not kept.
    assert rejection.encode()[1:] == bytes((info[1] & 0xFE, info[2] & 0x0F))


@pytest.mark.parametrize(
    ("info", "words"),
    [
        (bytes.fromhex("930001"), "SNRM P/F: a control octet it does not know"),
        (bytes.fromhex("b12008"), "RR N(R)=5 P/F: an N(R) that acknowledges what it never sent"),
        (bytes.fromhex("120004"), "I N(S)=1 N(R)=0 P/F: an information field longer than agreed"),
        (bytes.fromhex("010003"), "RR N(R)=0: a control octet it does not know and an information field where none"),
        (bytes.fromhex("ef0000"), "control octet EF: no reason given"),
        (b"", "without saying why"),
    ],
)
def test_a_client_tells_what_was_rejected_and_can_connect_again(info: bytes, words: str) -> None:
    client = opened(False)
    client.send(ADDRESS, b"request", 0.0)
    client.take()
    (event,) = client.receive(to_reader("FRMR", info), 1.0)
    assert isinstance(event, LinkDown)
    assert words in event.reason
    assert client.next_timer() is None
    client.connect(ADDRESS, 2.0)
    assert said(client) == ["SNRM P/F"]


UNKNOWN_CONTROLS = [octet for octet in range(256) if control_text(octet).startswith("control octet")]


@pytest.mark.parametrize("control", UNKNOWN_CONTROLS, ids=lambda control: f"{control:02X}")
def test_a_control_octet_nobody_knows(control: int) -> None:
    server = opened(True)
    server.receive(to_meter("I", b"apdu"), 0.0)
    server.take()
    events = server.receive(to_meter(control, b"x"), 1.0)
    assert [type(event) for event in events] == [Discarded, LinkDown]
    (answer,) = frames(server.take())
    assert (answer.kind, reject.parse(answer.info)) == ("FRMR", Rejection(control, 0, 1, False, reject.UNKNOWN_CONTROL))
    # Until it is connected again, it is disconnected.
    server.receive(to_meter("RR"), 2.0)
    assert said(server) == ["DM P/F"]
    (event,) = server.receive(to_meter(control), 2.0)
    assert isinstance(event, Discarded)
    assert said(server) == (["DM P/F"] if control & 0x10 else [])
    assert server.receive(to_meter("SNRM"), 3.0) == [LinkUp(ADDRESS)]

    client = opened(False)
    (event,) = client.receive(to_reader(control), 1.0)
    assert isinstance(event, Discarded)
    assert client.take() == b""
    client.send(ADDRESS, b"request", 2.0)
    assert said(client) == ["I N(S)=0 N(R)=0 P/F"]


def test_a_control_octet_nobody_knows_is_answered_by_nobody_else() -> None:
    server = opened(True)
    for address in (b"\xff", HdlcAddress.of(0, 17).octets):
        (event,) = server.receive(build(address, READER, 0xEF), 0.0)
        assert isinstance(event, Discarded)
    assert server.take() == b""


@given(st.integers(1, 400))
def test_an_information_field_longer_than_agreed(size: int) -> None:
    server = opened(True)
    events = server.receive(to_meter("I", bytes(size)), 0.0)
    (answer,) = frames(server.take())
    if size <= 128:
        assert events == [ApduReceived(ADDRESS, bytes(size))]
        return
    assert [type(event) for event in events] == [Discarded, LinkDown]
    assert reject.parse(answer.info) == Rejection(0x10, 0, 0, False, reject.INFORMATION_TOO_LONG)
    # Meters do it, and are understood unless their description says otherwise.
    assert opened(False).receive(to_reader("I", bytes(size)), 0.0) == [ApduReceived(ADDRESS, bytes(size))]
    strict = opened(False, tolerances=STRICT)
    events = strict.receive(to_reader("I", bytes(size)), 0.0)
    assert [type(event) for event in events] == [Discarded, LinkDown]
    assert strict.take() == b""


def test_rej_is_understood_as_a_wish_for_repetition() -> None:
    client = HdlcLink(parameters=HdlcParameters(128, 128, 3, 3))
    client.connect(ADDRESS, 0.0)
    client.receive(to_reader("UA", HdlcParameters(128, 128, 3, 3).encode()), 0.0)
    client.take()
    client.send(ADDRESS, bytes(300), 0.0)
    client.take()
    client.receive(to_reader("REJ", nr=1), 1.0)
    assert said(client) == ["I N(S)=1 N(R)=0", "I N(S)=2 N(R)=0 P/F"]
    client.receive(to_reader("REJ", nr=1), 1.0)
    assert said(client) == ["I N(S)=1 N(R)=0", "I N(S)=2 N(R)=0 P/F"]


def test_rej_where_it_is_not_tolerated() -> None:
    server = opened(True, tolerances=STRICT)
    events = server.receive(to_meter("REJ"), 1.0)
    assert [type(event) for event in events] == [Discarded, LinkDown]
    assert said(server) == ["FRMR P/F"]
    client = opened(False, tolerances=STRICT)
    assert client.receive(to_reader("REJ"), 1.0) == [Discarded(to_reader("REJ"), "REJ N(R)=0 P/F while connected")]


# --- a line that damages everything -----------------------------------------------------------------------


def test_damaged_answers_are_no_silence_but_have_an_end() -> None:
    client = opened(False)
    client.send(ADDRESS, b"request", 0.0)
    asked = 0
    damaged = bytearray(to_reader("I", b"answer", nr=1))
    damaged[12] ^= 1
    events: list[LinkEvent] = []
    while client.next_timer() is not None:
        now = client.next_timer()
        assert now is not None
        client.receive(bytes(damaged), now - 1.0)
        events = client.handle_timer(now)
        asked += len(frames(client.take()))
    assert asked == 1 + MAX_SPARED + 3
    assert events == [LinkDown(ADDRESS, "no answer to frames after 4 tries")]


def test_a_server_may_wait_for_ever() -> None:
    server = opened(True, timeouts=HdlcTimeouts(inactivity=0.0))
    assert server.next_timer() is None
    server.receive(to_meter("RR"), 1000.0)
    assert server.next_timer() is None
