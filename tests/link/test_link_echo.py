"""Heads that give back what is sent: late, in pieces, damaged, partly, or not at all."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.link.base import Address, ApduReceived, LinkUp
from cosem.link.echo import EVIDENCE, HOLD, MAX_PENDING, EchoCanceller
from cosem.link.hdlc.link import HdlcLink
from cosem.link.line import Line, LineSettings
from cosem.link.serial import SerialLink

# Frames begin and end alike, so that an answer always looks like an echo at first.
FRAME = st.binary(min_size=6, max_size=20).map(lambda inner: b"\x7e\xa0" + inner.replace(b"\x7e", b"") + b"\x01\x7e")
TURNS = st.lists(st.tuples(FRAME, FRAME).filter(lambda turn: turn[0] not in turn[1]), min_size=1, max_size=5)


def _pieces(octets: bytes, cuts: list[int]) -> list[bytes]:
    ends = sorted({cut % (len(octets) + 1) for cut in cuts} | {0, len(octets)})
    return [octets[begin:end] for begin, end in pairwise(ends)]


def _hear(canceller: EchoCanceller, pieces: list[bytes], now: float) -> bytes:
    heard = b"".join(canceller.received(piece, now) for piece in pieces)
    return heard + canceller.release(now + HOLD)


@given(TURNS, st.lists(st.integers(0, 1000), max_size=6), st.sampled_from(["auto", "on"]))
def test_an_echo_is_taken_out_however_it_is_cut(turns: list[tuple[bytes, bytes]], cuts: list[int], mode: str) -> None:
    canceller = EchoCanceller(mode)
    for index, (sent, answer) in enumerate(turns):
        canceller.sent(sent)
        assert _hear(canceller, _pieces(sent + answer, cuts), float(index)) == answer
    assert canceller.present is True


@given(TURNS, st.lists(st.integers(0, 1000), max_size=6), st.sampled_from(["auto", "on", "off"]))
def test_without_an_echo_everything_arrives(turns: list[tuple[bytes, bytes]], cuts: list[int], mode: str) -> None:
    canceller = EchoCanceller(mode)
    sent_so_far: list[bytes] = []
    for index, (sent, answer) in enumerate(turns):
        canceller.sent(sent)
        sent_so_far.append(sent)
        if any(item in answer for item in sent_so_far):
            return
        assert _hear(canceller, _pieces(answer, cuts), float(index)) == answer
    assert canceller.present is {"on": True, "off": False}.get(mode, False if len(turns) > 1 else None)


@given(FRAME, FRAME, st.integers(0, 100), st.integers(1, 255), st.lists(st.integers(0, 1000), max_size=6))
def test_a_damaged_echo_is_handed_on_with_the_answer_whole(
    sent: bytes, answer: bytes, at: int, change: int, cuts: list[int]
) -> None:
    damaged = bytearray(sent)
    damaged[at % len(sent)] ^= change
    canceller = EchoCanceller("on")
    canceller.sent(sent)
    heard = bytes(damaged) + answer
    assert _hear(canceller, _pieces(heard, cuts), 0.0) == heard.replace(sent, b"", 1)


@given(FRAME, FRAME, st.integers(1, 100), st.booleans())
def test_a_part_of_an_echo_costs_nothing_of_the_answer(sent: bytes, answer: bytes, at: int, head: bool) -> None:
    at = 1 + at % (len(sent) - 1)
    part = sent[:at] if head else sent[at:]
    canceller = EchoCanceller("on")
    canceller.sent(sent)
    assert _hear(canceller, [part, answer], 0.0) == (part + answer).replace(sent, b"", 1)


def test_an_echo_that_comes_after_the_repetition_is_still_one() -> None:
    canceller = EchoCanceller("auto")
    for _ in range(3):
        canceller.sent(b"/?!\r\n")
    assert canceller.received(b"/?!\r\n" * 2, 7.0) == b""
    assert canceller.received(b"/?!\r\n/LGZ5\\2x\r\n", 8.0) == b"/LGZ5\\2x\r\n"


def test_echoes_that_are_missing_are_forgotten_when_a_later_one_comes() -> None:
    canceller = EchoCanceller("on")
    for sent in (b"1st one", b"2nd one", b"3rd one"):
        canceller.sent(sent)
    assert canceller.received(b"2nd one" + b"answer", 0.0) == b"answer"
    # The first one is not waited for any more: these octets are the other side's.
    assert canceller.received(b"1st one", 0.0) == b"1st one"
    assert canceller.received(b"3rd one", 0.0) == b""


def test_of_many_silent_writes_only_the_last_ones_are_remembered() -> None:
    canceller = EchoCanceller("on")
    for number in range(MAX_PENDING + 1):
        canceller.sent(b"write%d" % number)
    assert canceller.received(b"write0", 0.0) == b"write0"
    assert canceller.received(b"write1", 0.0) == b""


def test_a_little_noise_is_no_proof_that_there_is_no_echo() -> None:
    canceller = EchoCanceller("auto")
    canceller.sent(b"/?!\r\n")
    assert canceller.received(b"\x00" * (EVIDENCE - 1), 0.0) == b"\x00" * (EVIDENCE - 1)
    canceller.sent(b"/?!\r\n")
    assert canceller.present is None
    assert canceller.received(b"/?!\r\n", 1.0) == b""
    assert canceller.present is True
    canceller.reset()
    assert canceller.present is None


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="echo is one of auto, on, off"):
        EchoCanceller("sometimes")


def test_what_was_kept_back_is_handed_on_in_time() -> None:
    """A meter that confirms with the closing flag that could open an echo is heard after a moment."""
    address = Address(16, 1)
    link = SerialLink(HdlcLink(), Line(LineSettings()), echo="on")
    meter = HdlcLink(server=True)
    link.connect(address, 0.0)
    meter.receive(link.take(), 0.0)
    answer = meter.take()
    assert link.receive(answer, 0.1) == []
    assert link.next_timer() == pytest.approx(0.1 + HOLD)
    assert link.handle_timer(0.1 + HOLD) == [LinkUp(address)]


def test_our_own_broadcast_is_not_heard_as_a_push() -> None:
    link = SerialLink(HdlcLink(), Line(LineSettings()), echo="auto")
    bare = HdlcLink()
    for one in (link, bare):
        one.send(Address(16, 0x7F), b"\x0f\x00\x00\x00\x01\x00\x00", 0.0, confirmed=False)
    octets = link.take()
    assert octets == bare.take()
    assert link.receive(octets, 0.1) == []
    assert any(isinstance(event, ApduReceived) for event in bare.receive(octets, 0.1))
