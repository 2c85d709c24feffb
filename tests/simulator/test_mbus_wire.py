"""The simulated wire: what several slaves send at once, character by character; noise by seed; speeds and echo."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.link.line import LineSettings
from cosem.link.mbus_frame import build_short
from cosem.simulator.mbus_bus import BusQuality, SimulatedBus, character_bits, joined
from support.mbus_meters import meter, station

NKE = build_short(0x40, 5)


def hear(bus: SimulatedBus, octets: bytes, now: float = 0.0) -> list[tuple[float, bytes]]:
    """Return what reaches the master, and when."""
    bus.receive(octets, now)
    heard = []
    while (due := bus.next_timer()) is not None:
        bus.handle_timer(due)
        if answer := bus.take():
            heard.append((round(due - now, 4), answer))
    return heard


def bits(octets: Iterable[int]) -> tuple[int, int]:
    wire = length = 0
    for octet in octets:
        wire |= character_bits(octet) << length
        length += 11
    return wire, length


def test_a_character_has_even_parity() -> None:
    # Start, 1 0 1 0 0 1 1 1 from the lowest bit, parity 1, stop.
    assert f"{character_bits(0xE5):011b}"[::-1] == "01010011111"


@given(st.binary(max_size=30))
def test_one_sender_is_read_as_sent(octets: bytes) -> None:
    assert joined(bits(octets)) == octets


@given(st.integers(0, 2**400), st.integers(0, 400))
def test_any_bits_are_characters(wire: int, length: int) -> None:
    assert len(joined((wire & ((1 << length) - 1), length))) <= length


def test_slaves_in_step_are_joined_where_a_space_wins() -> None:
    first, second = meter("00000003"), meter("00000005")
    bus = SimulatedBus([station(first, primary=5), station(second, primary=5)])
    answer = b"".join(octets for _, octets in hear(bus, build_short(0x7B, 5)))
    assert answer[:7] == bytes.fromhex("68151568080572")
    assert answer[7] == 3 & 5
    assert bus.collisions == 1


def test_slaves_out_of_step_garble_each_other() -> None:
    bus = SimulatedBus([station(primary=5, reaction=0.02), station(meter("1" * 8), primary=5, reaction=0.0225)])
    heard = b"".join(octets for _, octets in hear(bus, NKE))
    assert heard != b"\xe5"
    assert bus.collisions == 1


def test_time_on_the_wire_and_reaction() -> None:
    bus = SimulatedBus([station(primary=5, reaction=0.1)], echo=True)
    frame, character = len(NKE) * 11 / 2400, 11 / 2400
    assert hear(bus, NKE) == [(round(frame, 4), NKE), (round(frame + 0.1 + character, 4), b"\xe5")]


def test_a_slave_of_another_speed_understands_nothing() -> None:
    slave = station(primary=5, baud=300)
    bus = SimulatedBus([slave])
    assert hear(bus, NKE) == []
    bus.line.settings = LineSettings(300, parity="E")
    assert [octets for _, octets in hear(bus, NKE, 10.0)] == [b"\xe5"]


def test_who_is_sending_hears_nothing() -> None:
    bus = SimulatedBus([station(primary=5)])
    bus.receive(build_short(0x7B, 5), 0.0)
    bus.handle_timer(0.1)
    bus.receive(NKE, 0.1)
    heard = b""
    while (due := bus.next_timer()) is not None:
        bus.handle_timer(due)
        heard += bus.take()
    assert b"\xe5" not in heard
    assert heard.startswith(b"\x68")


@pytest.mark.parametrize("seed", range(3))
def test_noise_is_as_frequent_as_asked_for_and_the_same_every_time(seed: int) -> None:
    def run() -> list[bytes]:
        quality = BusQuality(noise=0.2)
        bus = SimulatedBus([station(primary=5)], random=random.Random(seed).random, quality=quality)
        answers = []
        for index in range(500):
            answers.append(b"".join(octets for _, octets in hear(bus, NKE, index * 1.0)))
            bus.lost(0.0)
        return answers

    answers = run()
    assert answers == run()
    # Question and answer, 80 % each.
    assert 0.56 < answers.count(b"\xe5") / 500 < 0.72
