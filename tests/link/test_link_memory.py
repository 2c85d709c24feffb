"""The line in memory: order, delay, and failures that the same seed repeats."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.link.memory import PERFECT, LineQuality, LossyPipe

WRITES = st.lists(st.tuples(st.integers(0, 1), st.binary(min_size=1, max_size=8)), max_size=20)


def drain(pipe: LossyPipe, side: int, now: float) -> list[bytes]:
    found = []
    while (octets := pipe.deliver(side, now)) is not None:
        found.append(octets)
    return found


@given(WRITES)
def test_a_perfect_line_gives_each_write_to_the_other_side_in_order(writes: list[tuple[int, bytes]]) -> None:
    pipe = LossyPipe()
    for side, octets in writes:
        pipe.send(side, octets, 0.0)
    for side in (0, 1):
        assert drain(pipe, side, 0.0) == [octets for sender, octets in writes if sender != side]
    assert pipe.next_time() is None


@given(WRITES, st.integers())
def test_jitter_keeps_the_order_and_the_seed_repeats_the_line(writes: list[tuple[int, bytes]], seed: int) -> None:
    def run() -> list[list[bytes]]:
        pipe = LossyPipe(random.Random(seed).random, LineQuality(0.2, 0.2, 0.2, 0.1, 5.0))
        for number, (side, octets) in enumerate(writes):
            pipe.send(side, octets, number / 10)
        return [drain(pipe, side, 1000.0) for side in (0, 1)]

    assert run() == run()
    pipe = LossyPipe(random.Random(seed).random, LineQuality(jitter=5.0))
    for number, (side, octets) in enumerate(writes):
        pipe.send(side, octets, number / 10)
    assert drain(pipe, 1, 1000.0) == [octets for side, octets in writes if side == 0]


def test_delay_is_virtual_time() -> None:
    pipe = LossyPipe(quality=LineQuality(delay=2.0))
    pipe.send(0, b"x", 1.0)
    pipe.send(1, b"", 1.0)
    assert (pipe.next_time(), pipe.deliver(1, 2.9), pipe.deliver(0, 3.0)) == (3.0, None, None)
    assert pipe.deliver(1, 3.0) == b"x"
    pipe.send(0, b"y", 3.0)
    pipe.cut()
    assert (pipe.next_time(), pipe.deliver(1, 9.0)) == (None, None)


def test_each_failure() -> None:
    def through(quality: LineQuality) -> list[bytes]:
        pipe = LossyPipe(random.Random(7).random, quality)
        pipe.send(0, b"\0\0\0\0", 0.0)
        return drain(pipe, 1, 0.0)

    assert through(PERFECT) == [bytes(4)]
    assert through(LineQuality(loss=1.0)) == []
    assert through(LineQuality(duplication=1.0)) == [bytes(4)] * 2
    (altered,) = through(LineQuality(corruption=1.0))
    assert int.from_bytes(altered, "big").bit_count() == 1


def test_failures_need_a_source_of_randomness() -> None:
    with pytest.raises(ValueError, match="randomness"):
        LossyPipe(None, LineQuality(loss=0.1))
    with pytest.raises(ValueError, match="randomness"):
        LossyPipe(None, LineQuality(delay=1.0, jitter=0.1))
