"""Slots, rates and phases; the figures of receptions."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.classes.c050_sfsk_phy_mac_setup import DeltaElectricalPhase
from cosem.errors import ConfigError, DecodeError
from cosem.plc import phy
from cosem.plc.addresses import ALL_CONFIGURED, ALL_PHYSICAL, NEW, NO_BODY, AddressPlan
from cosem.plc.mac_frame import Credits, MacFrame, build
from cosem.plc.phases import electrical_delta
from cosem.plc.phy import Rate
from cosem.plc.reception import Method, Reception, bit_error, received, subframe_ok


@pytest.mark.parametrize(
    ("code", "at_50", "slot_50", "at_60", "slot_60", "cycles"),
    [
        (0, 300, "1.2", 360, "1", "60"),
        (1, 600, "0.6", 720, "0.5", "30"),
        (2, 1200, "0.3", 1440, "0.25", "15"),
        (3, 2400, "0.15", 2880, "0.125", "7.5"),
        (4, 4800, "0.075", 5760, "0.0625", "3.75"),
    ],
)
def test_rates(code: int, at_50: int, slot_50: str, at_60: int, slot_60: str, cycles: str) -> None:
    for mains, bits, slot in ((50, at_50, slot_50), (60, at_60, slot_60)):
        rate = Rate.of_speed(code, mains)
        assert rate.bits_per_second == bits
        assert rate.slot_time == Fraction(slot)
        assert rate.half_cycles == 2 * Fraction(cycles)
        assert rate.seconds(8) == 8 * float(slot)
    with pytest.raises(ConfigError):
        Rate.of_speed(5)
    with pytest.raises(ConfigError):
        Rate(5)
    with pytest.raises(ConfigError):
        Rate(24, 16)


@given(st.integers(0, 65535), st.integers(0, 4), st.sampled_from([50, 60]))
def test_time_outs_are_never_too_short(seconds: int, code: int, mains: int) -> None:
    rate = Rate.of_speed(code, mains)
    slots = rate.slots_in(seconds)
    assert slots * rate.slot_time >= seconds > (slots - 1) * rate.slot_time


@pytest.mark.parametrize(
    ("request_sdu", "credit", "answer", "answer_credit", "slots", "seconds"),
    [
        (26, 0, 26, 0, 3, 0.45),
        (26, 1, 26, 1, 5, 0.75),
        (26, 3, 26, 3, 9, 1.35),
        (26, 2, 134, 2, 16, 2.40),
        (26, 0, 242, 0, 9, 1.35),
        (26, 7, 242, 7, 65, 9.75),
    ],
)
def test_how_long_exchanges_take(
    request_sdu: int, credit: int, answer: int, answer_credit: int, slots: int, seconds: float
) -> None:
    assert phy.exchange_slots(request_sdu, credit, answer, answer_credit) == slots
    assert Rate(24, 50).seconds(slots) == pytest.approx(seconds)
    assert Rate(12, 50).seconds(slots) == pytest.approx(2 * seconds)


def test_phases_against_each_other() -> None:
    delta = DeltaElectricalPhase
    assert [electrical_delta(1, phase) for phase in (1, 2, 3)] == [1, 3, 5]
    assert [electrical_delta(1, phase, reversed_wiring=True) for phase in (1, 2, 3)] == [4, 6, 2]
    assert electrical_delta(2, 1) is delta.MINUS_120_DEGREES
    assert electrical_delta(0, 1) is electrical_delta(1, 0) is delta.NOT_DEFINED
    for initiator in (1, 2, 3):
        seen = {electrical_delta(initiator, phase, reversed_wiring=wrong) for phase in (1, 2, 3) for wrong in (0, 1)}
        assert seen == set(range(1, 7))


def test_slots_carry_a_frame() -> None:
    frame = build(MacFrame(0xC00, 1, Credits(), bytes(range(50))))
    slots = phy.build_slots(frame)
    assert [len(slot) for slot in slots] == [45, 45]
    assert all(slot.startswith(bytes.fromhex("aaaa54c7")) for slot in slots)
    assert b"".join(phy.parse_slot(slot) for slot in slots) == frame
    telling = phy.with_alarm(slots[0])
    assert phy.has_alarm(telling)
    assert not phy.has_alarm(slots[0])
    assert phy.parse_slot(telling) == frame[:36]
    assert phy.parse_slot(phy.build_slots(frame, indicator=b"\x12\x34")[0], indicator=b"\x12\x34") == frame[:36]


@pytest.mark.parametrize("octets", [b"", bytes(45), bytes.fromhex("aaaa54c7") + bytes(41), bytes(46)])
def test_what_is_no_slot(octets: bytes) -> None:
    with pytest.raises(DecodeError):
        phy.parse_slot(octets)


def test_who_has_which_address() -> None:
    plan = AddressPlan()
    borders = (0, 1, 0xBFF, 0xC00, 0xDFF, 0xE00, 0xFFB, 0xFFC, 0xFFD, 0xFFE, 0xFFF)
    assert [plan.words(address) for address in borders] == [
        "nobody", "server", "server", "initiator", "initiator", "group", "group", "all configured", "reserved", "new",
        "all physical",
    ]  # fmt: skip
    assert (NO_BODY, ALL_CONFIGURED, NEW, ALL_PHYSICAL) == (0, 0xFFC, 0xFFE, 0xFFF)
    assert AddressPlan(0x800, 0x800).is_initiator(0x800)
    assert not AddressPlan(0x800, 0x800).is_initiator(0x801)
    for first, last in ((0, 5), (0xC00, 0xBFF), (0xC00, 0xFFE)):
        with pytest.raises(ConfigError):
            AddressPlan(first, last)


@pytest.mark.parametrize(
    ("levels", "method", "gain"),
    [
        ((80, 40, 80, 40), Method.FSK, 2),
        ((90, 40, 80, 40), Method.FSK0, 1),
        ((80, 40, 90, 40), Method.FSK1, 1),
        ((80, 40, 80, 78), Method.ASK0, 2),
        ((80, 78, 80, 40), Method.ASK1, 2),
        ((40, 40, 40, 40), Method.NONE, 7),
        ((110, 40, 110, 40), Method.FSK, 0),
    ],
)
def test_how_a_receiver_decides(levels: tuple[float, float, float, float], method: Method, gain: int) -> None:
    figures = received(*levels)
    assert figures == Reception(*levels, method, gain)
    assert figures.level == max(levels[0], levels[2])


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(1, 10))
def test_a_better_signal_is_not_heard_worse(space: float, mark: float, better: float) -> None:
    assert 0 <= bit_error(space, mark) <= 0.5
    assert subframe_ok(space * better, mark * better) >= subframe_ok(space, mark)


def test_one_tone_is_enough_and_none_is_not() -> None:
    assert subframe_ok(1000.0, 0.1) > 0.999
    assert subframe_ok(1.0, 1.0) < 1e-80
    # The same signal on both tones bears more noise than on one.
    assert subframe_ok(20.0, 20.0) > subframe_ok(20.0, 0.0)
