"""Long MAC frames: what was seen decodes and encodes, boundaries of length, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.errors import DecodeError, EncodeError, IncompleteError
from cosem.plc import mac_frame, modem_host
from cosem.plc.check24 import CONVENTIONS, GURUX, TEXTBOOK, CheckSequence
from cosem.plc.mac_frame import Credits, MacFrame
from support.power_line import frames
from support.vectors import load

GENERATOR = sum(1 << power for power in (24, 22, 20, 19, 18, 16, 14, 13, 11, 10, 8, 7, 6, 3, 1, 0))
BOTH = pytest.mark.parametrize("check", CONVENTIONS.values(), ids=list(CONVENTIONS))


def divided(octets: bytes, shift: int) -> int:
    """The remainder by long division of one big number."""
    value = int.from_bytes(octets, "big") << shift
    while value.bit_length() > 24:
        value ^= GENERATOR << (value.bit_length() - 25)
    return value


@st.composite
def mac_frames(draw: st.DrawFn) -> MacFrame:
    initial = draw(st.integers(0, 7))
    credits = Credits(initial, draw(st.integers(0, initial)), draw(st.integers(0, 3)))
    address = st.integers(0, 0xFFF)
    return MacFrame(draw(address), draw(address), credits, draw(st.binary(min_size=1, max_size=242)))


@pytest.mark.parametrize("case", frames("line"), ids=lambda case: case["what"])
def test_frames_of_the_line(case: dict[str, Any]) -> None:
    octets = bytes.fromhex(case["octets"])
    frame = mac_frame.parse(octets, GURUX)
    assert frame == MacFrame(case["source"], case["destination"], Credits(*case["credits"]), bytes.fromhex(case["sdu"]))
    assert (frame.subframes, frame.padding) == (case["slots"], case["filled_up"])
    assert mac_frame.build(frame, GURUX) == octets
    # The same frame in the other convention, and each convention refuses the other's.
    other = octets[:-3] + bytes.fromhex(case["multiplied_check"])
    assert mac_frame.build(frame) == other
    assert mac_frame.parse(other) == frame
    with pytest.raises(DecodeError, match="check sequence"):
        mac_frame.parse(octets)
    with pytest.raises(DecodeError, match="check sequence"):
        mac_frame.parse(other, GURUX)


@pytest.mark.parametrize("case", frames("modem"), ids=lambda case: case["what"])
def test_messages_to_a_modem(case: dict[str, Any]) -> None:
    octets = bytes.fromhex(case["octets"])
    frame = modem_host.parse_gurux(octets)
    assert frame == MacFrame(case["source"], case["destination"], Credits(*case["credits"]), bytes.fromhex(case["sdu"]))
    assert modem_host.gurux_padding(len(frame.sdu)) == case["filled_up"]
    assert modem_host.build_gurux(frame) == octets
    for number in range(8 * len(octets)):
        spoilt = bytearray(octets)
        spoilt[number // 8] ^= 1 << number % 8
        with pytest.raises(DecodeError):
            modem_host.parse_gurux(bytes(spoilt))


def test_published_frames() -> None:
    cases = [case for case in load("plc.jsonl") if case["id"] != "P-slot"]
    if not cases:
        pytest.skip("the published frames are not here")
    for case in cases:
        octets = bytes.fromhex(case["hex"])
        if "len_field" in case:
            frame = modem_host.parse_gurux(octets)
            assert modem_host.build_gurux(frame) == octets
        else:
            frame = mac_frame.parse(octets, GURUX)
            assert mac_frame.build(frame, GURUX) == octets
            assert frame.subframes == case["NS"]
            assert mac_frame.build(frame)[-3:].hex().upper() == case["fcs24_textbook"]
        assert (f"{frame.source:03X}", f"{frame.destination:03X}") == (case["SA"], case["DA"])
        assert dict(zip(("IC", "CC", "DC"), frame.credits, strict=True)) == case["credits"]
        assert frame.sdu.hex().upper() == case["m_sdu"]


@given(mac_frames(), st.sampled_from(list(CONVENTIONS.values())))
def test_frames_come_back(frame: MacFrame, check: CheckSequence) -> None:
    octets = mac_frame.build(frame, check)
    assert mac_frame.parse(octets, check) == frame
    assert len(octets) == 36 * frame.subframes
    assert octets[6] == frame.padding < 36


@pytest.mark.parametrize(("count", "longest"), list(enumerate((26, 62, 98, 134, 170, 206, 242), 1)))
def test_boundaries_of_length(count: int, longest: int) -> None:
    full = MacFrame(0xC00, 1, Credits(), bytes(longest))
    assert (full.subframes, full.padding) == (count, 0)
    shortest = MacFrame(0xC00, 1, Credits(), bytes(longest - 35 if count > 1 else 1))
    assert (shortest.subframes, shortest.padding) == (count, 35 if count > 1 else 25)
    for frame in (full, shortest):
        octets = mac_frame.build(frame)
        assert octets[:2] == bytes.fromhex(("6c6c", "3a3a", "5656", "7171", "1d1d", "4b4b", "2727")[count - 1])
        assert mac_frame.parse(octets) == frame
        with pytest.raises(IncompleteError):
            mac_frame.parse(octets[:-1])
        with pytest.raises(DecodeError, match="behind"):
            mac_frame.parse(octets + b"\x00")


@pytest.mark.parametrize("size", [0, 243])
def test_lengths_that_no_frame_has(size: int) -> None:
    with pytest.raises(EncodeError, match="1 to 242"):
        mac_frame.build(MacFrame(0xC00, 1, Credits(), bytes(size)))


@BOTH
@pytest.mark.parametrize("size", [5, 26, 27, 62, 98, 134, 170, 206, 242])
def test_every_single_error_of_a_bit_is_refused(check: CheckSequence, size: int) -> None:
    sdu = bytes(number * 7 & 0xFF for number in range(size))
    octets = mac_frame.build(MacFrame(0xC00, 0x101, Credits(5, 3, 1), sdu), check)
    for number in range(8 * len(octets)):
        spoilt = bytearray(octets)
        spoilt[number // 8] ^= 1 << number % 8
        with pytest.raises(DecodeError):
            mac_frame.parse(bytes(spoilt), check)


def test_what_the_convention_without_the_factor_misses() -> None:
    frame = MacFrame(0xC00, 0x101, Credits(), bytes(range(26)))
    for check, refused in ((GURUX, False), (TEXTBOOK, True)):
        spoilt = bytearray(mac_frame.build(frame, check))
        spoilt[-4] ^= 0x01
        spoilt[-3] ^= 0x80
        if refused:
            with pytest.raises(DecodeError):
                mac_frame.parse(bytes(spoilt), check)
        else:
            assert mac_frame.parse(bytes(spoilt), check).sdu != frame.sdu


@given(st.binary(min_size=3, max_size=40))
def test_check_sequences_are_remainders(octets: bytes) -> None:
    assert TEXTBOOK.compute(octets) == divided(octets, 24).to_bytes(3, "big")
    assert GURUX.compute(octets).hex() == f"{int(f'{divided(octets, 0):024b}'[::-1], 2):06x}"


@given(mac_frames(), st.integers(1, (1 << 24) - 1), st.data())
def test_the_textbook_convention_finds_every_burst(frame: MacFrame, burst: int, data: st.DataObject) -> None:
    octets = mac_frame.build(frame)
    at = data.draw(st.integers(16, 8 * len(octets) - 24))
    spoilt = int.from_bytes(octets, "big") ^ burst << (8 * len(octets) - 24 - at)
    with pytest.raises(DecodeError):
        mac_frame.parse(spoilt.to_bytes(len(octets), "big"))


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (6, 36, "36 octets of padding"),
        (6, 26, "26 octets of padding"),
        (6, 0, "octets"),
        (2, 0x04, "a current credit of 1 of 0"),
        (32, 1, "padding other than 0"),
    ],
)
def test_fields_that_contradict_each_other(place: int, value: int, words: str) -> None:
    octets = bytearray(mac_frame.build(MacFrame(0xC00, 1, Credits(), bytes(16))))
    octets[place] = value
    octets[-3:] = TEXTBOOK.compute(bytes(octets[2:-3]))
    if place == 6 and value == 0:
        assert len(mac_frame.parse(bytes(octets)).sdu) == 26
        return
    with pytest.raises(DecodeError, match=words):
        mac_frame.parse(bytes(octets))


@pytest.mark.parametrize(
    "frame",
    [
        MacFrame(0x1000, 1, Credits(), b"\x90"),
        MacFrame(1, -1, Credits(), b"\x90"),
        MacFrame(1, 1, Credits(8, 0, 0), b"\x90"),
        MacFrame(1, 1, Credits(1, 2, 0), b"\x90"),
        MacFrame(1, 1, Credits(1, 1, 4), b"\x90"),
    ],
)
def test_what_does_not_fit_the_fields(frame: MacFrame) -> None:
    with pytest.raises(EncodeError):
        mac_frame.build(frame)


@given(st.binary(max_size=80), st.sampled_from([b"", b"\x6c\x6c", b"\x02\x11\x50", b"\x3a\x3a"]))
def test_any_octets_give_a_frame_or_an_error(octets: bytes, head: bytes) -> None:
    for read in (mac_frame.parse, modem_host.parse_gurux):
        error = None
        try:
            assert isinstance(read(head + octets), MacFrame)
        except DecodeError as refused:
            error = refused
        assert error is None or 0 <= error.offset <= len(head + octets)
    assert mac_frame.read(head + octets) is None or mac_frame.parse(head + octets)


def test_copies_differ_in_credit_and_check_only() -> None:
    frame = MacFrame(0xC00, 0x101, Credits(2, 2, 1), b"\x90\x01\x10")
    copies = [mac_frame.build(frame.with_credit(credit)) for credit in (2, 1, 0)]
    assert len({copy[:2] + copy[3:-3] for copy in copies}) == 1
    assert [mac_frame.parse(copy).credits.hops for copy in copies] == [0, 1, 2]
    assert len({copy[-3:] for copy in copies}) == 3
