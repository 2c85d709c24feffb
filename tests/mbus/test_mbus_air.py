"""Line codes there and back, synchronisation words, modes, and addresses of mode Q."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.errors import DecodeError, EncodeError
from cosem.mbus.air import (
    MODES,
    LineCode,
    ModeQChannel,
    decode_manchester,
    decode_three_of_six,
    encode_manchester,
    encode_three_of_six,
    format_of_sync,
)
from cosem.mbus.wireless import Format


@given(st.binary(max_size=40))
def test_line_codes_go_there_and_back(octets: bytes) -> None:
    assert decode_three_of_six(encode_three_of_six(octets)) == octets
    assert decode_manchester(encode_manchester(octets)) == octets


@given(st.binary(max_size=40))
def test_every_symbol_has_three_chips_of_each_kind(octets: bytes) -> None:
    chips = encode_three_of_six(octets)
    assert all(chips[i : i + 6].count("1") == 3 for i in range(0, len(chips), 6))


@given(st.binary(min_size=1, max_size=20), st.data())
def test_one_wrong_chip_is_refused_in_its_octet(octets: bytes, data: st.DataObject) -> None:
    for encode, decode, size in (
        (encode_three_of_six, decode_three_of_six, 12),
        (encode_manchester, decode_manchester, 16),
    ):
        chips = encode(octets)
        at = data.draw(st.integers(0, len(chips) - 1))
        with pytest.raises(DecodeError) as caught:
            decode(chips[:at] + "10"[int(chips[at])] + chips[at + 1 :])
        assert caught.value.offset == at // size


@pytest.mark.parametrize("chips", ["0", "01" * 5, "0121" * 4, "é" * 16])
def test_what_is_no_chip_is_refused(chips: str) -> None:
    with pytest.raises(DecodeError):
        decode_three_of_six(chips)
    with pytest.raises(DecodeError):
        decode_manchester(chips)


def test_the_synchronisation_word_says_the_format() -> None:
    assert format_of_sync(bytes.fromhex("54CD")) is Format.A
    assert format_of_sync(bytes.fromhex("543D")) is Format.B
    with pytest.raises(DecodeError, match="7696"):
        format_of_sync(bytes.fromhex("7696"))


def test_modes_say_their_code_and_formats() -> None:
    assert MODES["T1"].code is LineCode.THREE_OF_SIX
    assert MODES["S1"].code is LineCode.MANCHESTER
    assert MODES["C1"].formats == (Format.A, Format.B)
    assert {name[0] for name in MODES} == set("STRCNF")


def test_a_mode_q_port_hears_itself_its_groups_and_everybody() -> None:
    port = ModeQChannel(mask=b"\x00\x0b")
    assert not port.assigned
    assert not port.hears(b"")
    assert port.hears(b"\xff\xff")
    port = port.assign(b"\x12\x34")
    assert port.hears(b"\x12\x34")
    assert not port.hears(b"\x12\x35")
    assert port.hears(b"\x00\x09", group=True)
    assert not port.hears(b"\x00\x0c", group=True)
    assert not port.hears(b"\x00\x00", group=True)
    assert not port.hears(b"\x09", group=True)


@pytest.mark.parametrize("address", [b"", b"\xff\xff"])
def test_nobody_and_everybody_are_no_addresses_of_a_port(address: bytes) -> None:
    with pytest.raises(EncodeError):
        ModeQChannel().assign(address)
