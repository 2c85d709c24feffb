"""Two ends over a bad line: every APDU arrives exactly once and in order, or the link is reported down."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosem.link.base import Address, ApduReceived, Discarded, Link, LinkDown, LinkEvent, LinkUp
from cosem.link.hdlc.link import HdlcLink, HdlcTimeouts
from cosem.link.hdlc.parameters import MAX_INFO, HdlcParameters
from cosem.link.hdlc.splitter import FrameSplitter
from cosem.link.memory import LineQuality, LossyPipe
from cosem.link.wrapper import WrapperLink

PARAMETERS = st.builds(
    HdlcParameters,
    st.integers(32, MAX_INFO) | st.integers(32, 64),
    st.integers(32, MAX_INFO) | st.integers(32, 64),
    st.integers(1, 7),
    st.integers(1, 7),
)
APDUS = st.lists(st.tuples(st.integers(1, 3000), st.integers(0, 3000), st.integers(1, 2)), min_size=1, max_size=5)
QUALITY = st.builds(
    LineQuality,
    loss=st.sampled_from([0.0, 0.05, 0.2]),
    duplication=st.sampled_from([0.0, 0.1, 0.5]),
    corruption=st.sampled_from([0.0, 0.05, 0.2]),
    delay=st.sampled_from([0.0, 0.01, 0.3]),
    jitter=st.sampled_from([0.0, 0.02, 4.0]),
)
SEEDS = st.integers(0, 2**32)
STEPS = 60_000


@dataclass
class Talk:
    """What one client asks over a line, one exchange after the other, and what came of it."""

    address: Address
    exchanges: list[tuple[bytes, list[bytes]]]
    asked: list[bytes] = field(default_factory=list)
    heard: list[bytes] = field(default_factory=list)
    answered: list[bytes] = field(default_factory=list)
    down: str | None = None


def exchanges_of(sizes: list[tuple[int, int, int]], mark: int) -> list[tuple[bytes, list[bytes]]]:
    """Return requests and the answers each of them gets: of these sizes, each with octets of its own.

    They begin as GETs do: what begins as a block of a stream or a push leaves the turn where it is.
    """
    made = []
    for number, (request, answer, times) in enumerate(sizes):
        one = random.Random(f"{mark} {number}")
        answers = [b"\xc4" + one.randbytes(answer) for _ in range(times)]
        made.append((b"\xc0"[:request] + one.randbytes(max(0, request - 1)), answers))
    return made


class FrameLine(LossyPipe):
    """A line whose units are frames, as noise sees them; `drop` loses those, counted from 0 over both directions."""

    def __init__(self, *arguments: Any, drop: frozenset[int] = frozenset(), **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.count = 0
        self._drop = drop

    def send(self, side: int, octets: bytes, now: float) -> None:
        for item in FrameSplitter().feed(octets):
            assert not isinstance(item, Discarded)
            if self.count not in self._drop:
                super().send(side, item[1], now)
            self.count += 1


def drive(client: Link, server: Link, pipe: LossyPipe, talks: list[Talk], *, thinking: float = 0.0) -> float:
    """Run until every talk is over; return the time it took. The server answers after `thinking` seconds."""
    by_address = {talk.address: talk for talk in talks}
    pending: list[tuple[float, Address, bytes]] = []
    now = 0.0

    def ask(talk: Talk) -> None:
        done = sum(len(answers) for _, answers in talk.exchanges[: len(talk.asked)])
        if len(talk.heard) < done:
            return
        if len(talk.asked) == len(talk.exchanges):
            on_client(client.disconnect(talk.address, now))
            return
        request, answers = talk.exchanges[len(talk.asked)]
        talk.asked.append(request)
        # Services that get several answers are several calls to the link.
        for part in range(len(answers)):
            client.send(talk.address, request + bytes((part,)), now)

    def on_client(events: list[LinkEvent]) -> None:
        for event in events:
            if isinstance(event, LinkUp):
                ask(by_address[event.address])
            elif isinstance(event, ApduReceived):
                talk = by_address[event.address]
                talk.heard.append(event.octets)
                ask(talk)
            elif isinstance(event, LinkDown):
                by_address[event.address].down = event.reason

    def on_server(events: list[LinkEvent]) -> None:
        for event in events:
            if isinstance(event, ApduReceived):
                talk = by_address[event.address]
                talk.answered.append(event.octets)
                replies = [answer for _, answers in talk.exchanges for answer in answers]
                index = len(talk.answered) - 1
                if index < len(replies):
                    pending.append((now + thinking, event.address, replies[index]))
            elif isinstance(event, LinkDown):
                pending[:] = [item for item in pending if item[1] != event.address]

    for talk in talks:
        on_client(client.connect(talk.address, now))
    for _ in range(STEPS):
        while pending and pending[0][0] <= now:
            _, address, reply = pending.pop(0)
            server.send(address, reply, now)
        pipe.send(0, client.take(), now)
        pipe.send(1, server.take(), now)
        if (octets := pipe.deliver(1, now)) is not None:
            on_server(server.receive(octets, now))
            continue
        if (octets := pipe.deliver(0, now)) is not None:
            on_client(client.receive(octets, now))
            continue
        if all(talk.down is not None for talk in talks):
            return now
        times = [pipe.next_time(), client.next_timer(), server.next_timer(), pending[0][0] if pending else None]
        due = [time for time in times if time is not None]
        assert due, "nobody waits for anything, and the talk is not over"
        now = max(now, min(due))
        on_client(client.handle_timer(now))
        on_server(server.handle_timer(now))
    raise AssertionError("no end")


def check(talk: Talk, *, whole: bool) -> None:
    """What arrived is a beginning of what was sent, without repeats; all of it where the line was good."""
    sent = [request + bytes((part,)) for request, answers in talk.exchanges for part in range(len(answers))]
    replies = [answer for _, answers in talk.exchanges for answer in answers]
    assert talk.answered == sent[: len(talk.answered)]
    assert talk.heard == replies[: len(talk.heard)]
    assert talk.down is not None
    if whole or talk.down == "closed":
        assert (talk.answered, talk.heard, talk.down) == (sent, replies, "closed")


@pytest.mark.parametrize("line", [LossyPipe, FrameLine])
@settings(max_examples=40, deadline=None)
@given(mine=PARAMETERS, theirs=PARAMETERS, sizes=APDUS, quality=QUALITY, seed=st.integers(0, 2**32))
def test_hdlc_over_a_bad_line(
    line: type[LossyPipe],
    mine: HdlcParameters,
    theirs: HdlcParameters,
    sizes: list[tuple[int, int, int]],
    quality: LineQuality,
    seed: int,
) -> None:
    client, server = HdlcLink(parameters=mine), HdlcLink(server=True, parameters=theirs)
    pipe = line(random.Random(seed).random, quality)
    talk = Talk(Address(16, 1, 17), exchanges_of(sizes, seed))
    drive(client, server, pipe, [talk])
    check(talk, whole=not (quality.loss or quality.corruption or quality.jitter))


@settings(max_examples=40, deadline=None)
@given(size=st.integers(1, 31), windows=st.tuples(st.integers(1, 7), st.integers(1, 7)), quality=QUALITY, seed=SEEDS)
def test_any_information_length(size: int, windows: tuple[int, int], quality: LineQuality, seed: int) -> None:
    client = HdlcLink(parameters=HdlcParameters(size, size, *windows))
    server = HdlcLink(server=True, parameters=HdlcParameters(128, 128, 7, 7))
    pipe = FrameLine(random.Random(seed).random, quality)
    talk = Talk(Address(16, 1, 17), exchanges_of([(40, 60, 1), (1, 1, 2)], seed))
    drive(client, server, pipe, [talk])
    check(talk, whole=not (quality.loss or quality.corruption or quality.jitter))


def with_lost_frames(window: int, lost: frozenset[int]) -> tuple[int, float]:
    """Exchange some long APDUs, all of which must arrive; return frames and seconds it took."""
    parameters = HdlcParameters(128, 128, window, window)
    pipe = FrameLine(quality=LineQuality(delay=0.01), drop=lost)
    talk = Talk(Address(16, 1, 17), exchanges_of([(700, 1500, 1), (10, 10, 1)], window))
    client, server = HdlcLink(parameters=parameters), HdlcLink(server=True, parameters=parameters)
    time = drive(client, server, pipe, [talk])
    check(talk, whole=True)
    return pipe.count, time


@cache
def nothing_lost(window: int) -> tuple[int, float]:
    return with_lost_frames(window, frozenset())


@pytest.mark.parametrize("window", range(1, 8))
def test_any_one_frame_is_lost(window: int) -> None:
    frames, time = nothing_lost(window)
    for number in range(frames):
        frames_now, time_now = with_lost_frames(window, frozenset((number,)))
        # One time-out at the most, one question, and again what the window holds.
        assert frames_now - frames <= window + 4
        assert time_now - time < 3.5


@given(window=st.integers(1, 7), data=st.data())
def test_any_two_frames_are_lost(window: int, data: st.DataObject) -> None:
    frames, _ = nothing_lost(window)
    lost = data.draw(st.frozensets(st.integers(0, frames), max_size=2))
    assert with_lost_frames(window, lost)[0] - frames <= 2 * (window + 4)


@pytest.mark.parametrize("window", range(1, 8))
def test_the_window_is_used(window: int) -> None:
    # 704 and 1504 octets with the LLC header are 6 and 12 frames of 128: what acknowledges them, and asks for more,
    # grows fewer with the window. 14 and 14 are one each.
    def turns(count: int) -> int:
        return -(-count // window)

    frames, _ = nothing_lost(window)
    link = 4
    polls = 1  # the answer is asked for once more: it stands behind another
    assert frames - link - (6 + 12 + 1 + 1) <= turns(6) + turns(12) + polls


@settings(max_examples=60, deadline=None)
@given(mine=PARAMETERS, theirs=PARAMETERS, sizes=APDUS, thinking=st.sampled_from([0.0, 0.1, 5.0, 300.0]))
def test_hdlc_over_a_good_line_with_a_slow_server(
    mine: HdlcParameters, theirs: HdlcParameters, sizes: list[tuple[int, int, int]], thinking: float
) -> None:
    client, server = HdlcLink(parameters=mine), HdlcLink(server=True, parameters=theirs)
    pipe = LossyPipe(quality=LineQuality(delay=0.01))
    talk = Talk(Address(16, 1, 17), exchanges_of(sizes, 7))
    drive(client, server, pipe, [talk], thinking=thinking)
    check(talk, whole=True)


@settings(max_examples=30, deadline=None)
@given(parameters=PARAMETERS, sizes=st.lists(APDUS, min_size=2, max_size=4), size=st.sampled_from([2, 4, None]))
def test_several_clients_on_one_server(
    parameters: HdlcParameters, sizes: list[list[tuple[int, int, int]]], size: int | None
) -> None:
    client = HdlcLink(parameters=parameters, server_address_size=size)
    server = HdlcLink(server=True, parameters=parameters)
    talks = [Talk(Address(16 + number, 1, 17), exchanges_of(part, number)) for number, part in enumerate(sizes)]
    drive(client, server, LossyPipe(quality=LineQuality(delay=0.01)), talks)
    for talk in talks:
        check(talk, whole=True)


@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(APDUS, min_size=1, max_size=3))
def test_the_wrapper_over_a_good_line(sizes: list[list[tuple[int, int, int]]]) -> None:
    talks = [Talk(Address(16 + number, 1), exchanges_of(part, number)) for number, part in enumerate(sizes)]
    drive(WrapperLink(), WrapperLink(server=True), LossyPipe(quality=LineQuality(delay=0.01)), talks)
    for talk in talks:
        talk.down = "closed" if talk.down == "closed by this side" else talk.down
        check(talk, whole=True)


def test_doubled_frames_do_not_double_the_traffic() -> None:
    def octets_on_the_line(quality: LineQuality) -> int:
        pipe = LossyPipe(random.Random(3).random, quality)
        written = 0
        send = pipe.send

        def counting(side: int, octets: bytes, now: float) -> None:
            nonlocal written
            written += len(octets)
            send(side, octets, now)

        pipe.send = counting  # type: ignore[method-assign]
        talk = Talk(Address(16, 1, 17), exchanges_of([(700, 700, 1)] * 20, 3))
        drive(HdlcLink(), HdlcLink(server=True), pipe, [talk])
        check(talk, whole=True)
        return written

    assert octets_on_the_line(LineQuality(duplication=0.2)) < 2 * octets_on_the_line(LineQuality())


def test_a_slow_line_is_no_silence() -> None:
    # One octet at a time, a long burst of the server takes longer than the time a client waits for an answer.
    parameters = HdlcParameters(512, 512, 3, 3)
    timeouts = HdlcTimeouts(response=1.0, inter_octet=0.5)
    client = HdlcLink(parameters=parameters, timeouts=timeouts)
    server = HdlcLink(server=True, parameters=parameters)
    address, now = Address(16, 1, 17), 0.0
    client.connect(address, now)
    server.receive(client.take(), now)
    client.receive(server.take(), now)
    client.send(address, b"request", now)
    server.receive(client.take(), now)
    server.send(address, bytes(1500), now)
    heard: list[LinkEvent] = []
    for octet in server.take():
        now += 0.01
        heard += client.handle_timer(now) + client.receive(bytes((octet,)), now)
    assert now > 10
    assert heard == [ApduReceived(address, bytes(1500))]
    assert client.take() == b""
