"""The extended link layer: all five kinds there and back, its cipher, its CRC."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.errors import DecodeError, TagMismatch
from cosem.mbus.ell import (
    FIRST,
    FOURTH,
    SECOND,
    THIRD,
    VARIABLE,
    ExtendedLink,
    SessionNumber,
    counter_block,
    decode_ell,
    open_payload,
    protect_payload,
)
from support.mbus_telegrams import KEY, METER, OTHER_KEY

OCTET = st.integers(0, 255)
SESSIONS = st.builds(SessionNumber, st.integers(0, 7), st.integers(0, 0x1FF_FFFF), st.integers(0, 15))


@st.composite
def layers(draw: st.DrawFn) -> ExtendedLink:
    ci = draw(st.sampled_from([FIRST, SECOND, THIRD, FOURTH, VARIABLE]))
    chosen = draw(st.integers(0, 15)) if ci == VARIABLE else {SECOND: 2, THIRD: 1, FOURTH: 3}.get(ci, 0)
    return ExtendedLink(
        ci,
        draw(OCTET),
        draw(OCTET),
        METER if chosen & 1 else None,
        draw(SESSIONS) if chosen & 2 else None,
        chosen if ci == VARIABLE else 0,
        draw(st.binary(min_size=2, max_size=2)) if chosen & 4 else None,
        draw(OCTET) if chosen & 8 else None,
    )


@given(layers(), st.binary(max_size=3), st.binary(max_size=3))
def test_layers_go_there_and_back(layer: ExtendedLink, front: bytes, behind: bytes) -> None:
    octets = front + layer.octets + behind
    assert decode_ell(octets, len(front)) == (layer, len(octets) - len(behind))


@given(layers(), st.data())
def test_a_layer_cut_anywhere_is_refused(layer: ExtendedLink, data: st.DataObject) -> None:
    octets = layer.octets
    with pytest.raises(DecodeError):
        decode_ell(octets[: data.draw(st.integers(1, len(octets) - 1))])


@given(st.sampled_from([FIRST, SECOND, THIRD, FOURTH, VARIABLE]), st.binary(max_size=20))
def test_any_octets_are_a_layer_or_a_decode_error(ci: int, octets: bytes) -> None:
    octets = bytes((ci,)) + octets
    try:
        layer, end = decode_ell(octets)
    except DecodeError:
        return
    assert layer.octets == octets[:end]


@given(layers().filter(lambda layer: layer.session is not None), st.binary(max_size=60), st.integers(0, 1))
def test_a_payload_opens_with_its_key(layer: ExtendedLink, plain: bytes, encryption: int) -> None:
    assert layer.session is not None
    layer = layer._replace(session=layer.session._replace(encryption=encryption))
    text = protect_payload(layer, METER, plain, KEY)
    assert len(text) == len(plain) + 2
    assert open_payload(layer, METER, text, KEY) == plain
    if not encryption:
        assert text[2:] == plain


def test_a_payload_does_not_open_with_another_key_nor_after_an_alteration() -> None:
    layer = ExtendedLink(SECOND, 0x20, 0x77, session=SessionNumber(1, 1000, 0))
    text = protect_payload(layer, METER, b"\x79" + bytes(20), KEY)
    with pytest.raises(TagMismatch):
        open_payload(layer, METER, text, OTHER_KEY)
    for index in range(len(text)):
        altered = bytearray(text)
        altered[index] ^= 0x10
        with pytest.raises(TagMismatch):
            open_payload(layer, METER, bytes(altered), KEY)
    with pytest.raises(DecodeError, match="CRC of the payload"):
        open_payload(layer, METER, text, None)
    with pytest.raises(DecodeError, match="missing"):
        open_payload(layer, METER, b"\x01", KEY)


def test_a_reserved_encryption_is_refused() -> None:
    layer = ExtendedLink(SECOND, 0x20, 0x77, session=SessionNumber(2, 1000, 0))
    with pytest.raises(DecodeError, match="reserved"):
        open_payload(layer, METER, bytes(10), KEY)


def test_a_repeater_changes_nothing_about_the_cipher() -> None:
    layer = ExtendedLink(SECOND, 0x20, 0x77, session=SessionNumber(1, 1000, 3))
    text = protect_payload(layer, METER, b"\x78\x01\x13\x05", KEY)
    repeated = layer._replace(control=layer.control | 0x12)
    assert counter_block(repeated, METER) == counter_block(layer, METER)
    assert open_payload(repeated, METER, text, KEY) == b"\x78\x01\x13\x05"


def test_a_session_number_is_minutes_and_session() -> None:
    number = SessionNumber.from_octets(bytes.fromhex("60772920"))
    assert number == (1, 0x29776, 0)
    assert number.octets.hex() == "60772920"
    assert number._replace(session=1).counter == number.counter + 1


def test_the_control_field_is_told_in_words() -> None:
    assert ExtendedLink(FIRST, 0xA4, 0).control_words == ["bidirectional", "synchronised", "access unlimited"]
