"""Wireless frames: both formats there and back, every altered bit found in the block it is in, lengths, addresses."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.errors import DecodeError, EncodeError
from cosem.mbus.crc import crc16
from cosem.mbus.wireless import (
    Address,
    Format,
    WirelessFrame,
    control_name,
    decode_frame,
    encode_frame,
    guess_format,
    length_a,
    place,
)

# The examples of EN 13757-4, annex C: a water meter of the maker CEN in mode T (format A) and in mode C (format B).
EXAMPLE_B = bytes.fromhex("1444AE0C7856341201078C2027780B134365877AC5")
CEN = Address(b"\xae\x0c", bytes.fromhex("78563412"), 1, 7)
ADDRESSES = st.builds(
    Address,
    st.binary(min_size=2, max_size=2),
    st.binary(min_size=4, max_size=4),
    st.integers(0, 255),
    st.integers(0, 255),
)
FRAMES = st.builds(
    WirelessFrame, st.integers(0, 255), ADDRESSES, st.binary(max_size=230), st.sampled_from(list(Format))
)


def _block(form: Format, index: int, size: int) -> int:
    """The block that an octet of a frame is in, counted from 1: format B counts its first CRC as block 2's."""
    if form is Format.A:
        return 1 if index < 12 else 2 + (index - 12) // 18
    return 2 if index < 128 else 3


def test_the_example_of_format_b_is_read() -> None:
    frame = decode_frame(EXAMPLE_B)
    assert frame == WirelessFrame(0x44, CEN, bytes.fromhex("8C2027780B13436587"), Format.B)
    assert crc16(EXAMPLE_B[:-2]) == 0x7AC5
    assert encode_frame(frame) == EXAMPLE_B


def test_the_example_of_format_a_has_a_crc_behind_each_block() -> None:
    frame = encode_frame(WirelessFrame(0x44, CEN, bytes.fromhex("780B13436587"), Format.A))
    assert frame[:10].hex() == "0f44ae0c785634120107"
    assert frame[12:18].hex() == "780b13436587"
    assert len(frame) == length_a(0x0F) == 20
    assert guess_format(frame) is Format.A
    assert decode_frame(frame).payload.hex() == "780b13436587"


@given(FRAMES)
def test_frames_go_there_and_back(frame: WirelessFrame) -> None:
    octets = encode_frame(frame)
    assert decode_frame(octets, frame.format) == frame
    assert decode_frame(frame.stripped, Format.STRIPPED) == frame._replace(format=Format.STRIPPED)


@given(FRAMES.filter(lambda frame: frame.format is not Format.STRIPPED), st.data())
def test_an_altered_bit_is_refused_and_its_block_named(frame: WirelessFrame, data: st.DataObject) -> None:
    octets = bytearray(encode_frame(frame))
    index = data.draw(st.integers(1, len(octets) - 1))
    octets[index] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(DecodeError, match=rf"block {_block(frame.format, index, len(octets))}\b"):
        decode_frame(bytes(octets), frame.format)


@given(FRAMES, st.data())
def test_each_octet_of_a_stripped_frame_has_its_place(frame: WirelessFrame, data: st.DataObject) -> None:
    octets = encode_frame(frame)
    plain = frame.stripped
    index = data.draw(st.integers(1, len(plain) - 1))
    assert octets[place(frame.format, index)] == plain[index]
    assert place(frame.format, len(plain) - 1) < len(octets)


@given(st.binary(max_size=300), st.sampled_from([None, *Format]))
def test_any_octets_are_a_frame_or_a_decode_error(octets: bytes, form: Format | None) -> None:
    try:
        frame = decode_frame(octets, form)
    except DecodeError:
        return
    assert encode_frame(frame) == octets


def test_a_frame_of_format_b_with_a_second_crc_is_found_by_its_first() -> None:
    frame = WirelessFrame(0x44, CEN, bytes(range(200)), Format.B)
    octets = encode_frame(frame)
    assert len(octets) == 10 + 200 + 4
    assert guess_format(octets) is Format.B
    assert decode_frame(octets) == frame


@pytest.mark.parametrize(("form", "most"), [(Format.STRIPPED, 246), (Format.A, 246), (Format.B, 242)])
def test_the_longest_frame_fits_and_one_octet_more_does_not(form: Format, most: int) -> None:
    octets = encode_frame(WirelessFrame(0x44, CEN, bytes(most), form))
    assert decode_frame(octets, form).payload == bytes(most)
    with pytest.raises(EncodeError, match="octets behind L"):
        encode_frame(WirelessFrame(0x44, CEN, bytes(most + 1), form))


def test_a_length_that_fits_no_format_says_what_would_fit() -> None:
    with pytest.raises(DecodeError, match="47 octets without CRCs, 55 in format A, not 49"):
        decode_frame(b"\x2e" + bytes(48))


def test_a_last_block_of_nothing_but_a_crc_is_refused() -> None:
    with pytest.raises(DecodeError, match="no data in front of its CRC"):
        decode_frame(b"\x81" + bytes(0x81), Format.B)


def test_an_address_is_the_same_in_both_orders() -> None:
    assert Address.from_link(CEN.link) == Address.from_header(CEN.header) == CEN
    assert CEN.header.hex() == "78563412ae0c0107"
    assert CEN.number == "12345678"


def test_an_address_is_made_of_words(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        import cosem.mbus.manufacturer  # noqa: F401
    except ImportError:
        stand_in = ModuleType("cosem.mbus.manufacturer")
        stand_in.manufacturer_octets = {"CEN": b"\xae\x0c"}.__getitem__  # type: ignore[attr-defined]
        stand_in.manufacturer_code = {b"\xae\x0c": "CEN"}.__getitem__  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "cosem.mbus.manufacturer", stand_in)
    assert Address.of("CEN", "12345678", 1, 7) == CEN
    assert CEN.code == "CEN"
    with pytest.raises(EncodeError, match="eight digits"):
        Address.of("CEN", "1234567", 1, 7)
    with pytest.raises(EncodeError, match="an octet each"):
        Address.of("CEN", "12345678", 256, 7)


def test_controls_have_names_whatever_the_meter_says_of_itself() -> None:
    assert control_name(0x44) == "SND-NR"
    assert control_name(0x28) == "RSP-UD"
    assert control_name(0x7B) == "REQ-UD2"
    assert control_name(0xFF) == "FF"
