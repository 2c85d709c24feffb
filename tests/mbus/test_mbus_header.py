"""CI fields and transport headers: the table, every kind of header there and back, configuration fields by mode."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.errors import DecodeError, EncodeError
from cosem.mbus.ci import MEANINGS, Content, Direction, HeaderKind, meaning
from cosem.mbus.header import (
    NO_HEADER,
    Configuration,
    Header,
    decode_header,
    is_signature,
    status_words,
)
from support.mbus_telegrams import METER

MODES = st.sampled_from([0, 5, 7, 8, 9, 10])


@st.composite
def configurations(draw: st.DrawFn) -> Configuration:
    mode = draw(MODES)
    blocks = draw(st.integers(0, 14)) * 16
    octets = draw(st.integers(0, 254))
    return Configuration.of(
        mode,
        length=draw(st.one_of(st.none(), st.just(blocks if mode in (5, 7) else octets))),
        key_id=draw(st.integers(0, 15)),
        derivation=draw(st.integers(0, 1)),
        key_version=None if mode in (0, 5) else draw(st.one_of(st.none(), st.integers(0, 255))),
        counter=None if mode in (0, 5) else draw(st.one_of(st.none(), st.integers(0, 0xFFFF_FFFF))),
        tag_length=draw(st.sampled_from([4, 8, 12, 16])),
        content=draw(st.integers(0, 3)),
    )


HEADERS = st.builds(
    lambda long, access, status, configuration: Header(
        HeaderKind.LONG if long else HeaderKind.SHORT, METER if long else None, access, status, configuration
    ),
    st.booleans(),
    st.integers(0, 255),
    st.integers(0, 255),
    configurations(),
)


def test_every_ci_has_a_row_of_its_own() -> None:
    assert [row.ci for row in MEANINGS] == list(range(256))


@pytest.mark.parametrize(
    ("ci", "content", "header", "direction"),
    [
        (0x11, Content.DLMS_PIECE, HeaderKind.NONE, Direction.FROM_DEVICE),
        (0x51, Content.RECORDS, HeaderKind.NONE, Direction.TO_DEVICE),
        (0x5B, Content.RECORDS, HeaderKind.LONG, Direction.TO_DEVICE),
        (0x61, Content.DLMS, HeaderKind.SHORT, Direction.TO_DEVICE),
        (0x6B, Content.FORMAT, HeaderKind.LONG, Direction.FROM_DEVICE),
        (0x70, Content.ERROR, HeaderKind.NONE, Direction.FROM_DEVICE),
        (0x72, Content.RECORDS, HeaderKind.LONG, Direction.FROM_DEVICE),
        (0x7A, Content.RECORDS, HeaderKind.SHORT, Direction.FROM_DEVICE),
        (0x7C, Content.DLMS, HeaderKind.LONG, Direction.FROM_DEVICE),
        (0x80, Content.TRANSPORT, HeaderKind.LONG, Direction.TO_DEVICE),
        (0xA2, Content.MANUFACTURER, HeaderKind.NONE, Direction.FROM_DEVICE),
        (0xBB, Content.BAUD_RATE, HeaderKind.NONE, Direction.TO_DEVICE),
        (0xFF, Content.RESERVED, HeaderKind.NONE, Direction.FROM_DEVICE),
    ],
)
def test_the_table_says_header_and_direction(
    ci: int, content: Content, header: HeaderKind, direction: Direction
) -> None:
    assert meaning(ci) == (ci, content, header, direction)


@pytest.mark.parametrize(
    ("wired", "length", "content"),
    [(True, 16, Content.FIXED), (True, 40, Content.COMPACT), (False, 16, Content.COMPACT)],
)
def test_73h_is_the_fixed_structure_only_on_the_wire_and_with_its_length(
    wired: bool, length: int, content: Content
) -> None:
    assert meaning(0x73, wired=wired, length=length).content is content


@given(HEADERS, st.binary(max_size=4), st.binary(max_size=4))
def test_headers_go_there_and_back(header: Header, front: bytes, behind: bytes) -> None:
    decoded, end = decode_header(header.kind, front + header.octets + behind, len(front))
    assert decoded == header
    assert end == len(front) + len(header.octets)


@given(HEADERS, st.data())
def test_a_header_cut_anywhere_is_refused(header: Header, data: st.DataObject) -> None:
    octets = header.octets
    with pytest.raises(DecodeError):
        decode_header(header.kind, octets[: data.draw(st.integers(0, len(octets) - 1))], 0)


@given(st.sampled_from(list(HeaderKind)), st.binary(max_size=24), st.booleans())
def test_any_octets_are_a_header_or_a_decode_error(kind: HeaderKind, octets: bytes, wired: bool) -> None:
    try:
        header, end = decode_header(kind, octets, 0, wired=wired)
    except DecodeError:
        return
    assert header.octets == octets[:end]


def test_no_header_takes_no_octets() -> None:
    assert decode_header(HeaderKind.NONE, b"\x01\x02", 1) == (NO_HEADER, 1)


def test_mode_5_counts_blocks_and_says_how_the_meter_listens() -> None:
    configuration = Configuration(0xA52E)
    assert configuration.mode == 5
    assert configuration.enciphered == 32
    assert (configuration.bidirectional, configuration.accessible, configuration.synchronous) == (True, False, True)
    assert (configuration.content, configuration.repeated, configuration.hops) == (3, True, 0)


def test_mode_7_names_its_key_in_the_extension() -> None:
    configuration = Configuration(0x0720, b"\x12")
    assert (configuration.enciphered, configuration.derivation, configuration.key_id) == (32, 1, 2)
    assert not configuration.has_counter


def test_mode_10_says_tag_key_and_counter() -> None:
    header, end = decode_header(HeaderKind.SHORT, bytes.fromhex("3010FF2A10018C570E00"), 0)
    configuration = header.configuration
    assert end == 10
    assert (configuration.mode, configuration.enciphered, configuration.counter) == (10, None, 939916)
    assert (configuration.derivation, configuration.key_id, configuration.tag_length) == (1, 0, 8)


def test_mode_9_is_laid_out_as_the_dutch_companion_has_it() -> None:
    configuration = Configuration.of(9, length=0x30, counter=5)
    assert configuration.octets.hex() == "0129" + "30" + "00" + "05000000"
    assert (configuration.enciphered, configuration.tag_length, configuration.key_id) == (0x30, 12, 0)


def test_an_old_signature_is_one_only_on_the_wire() -> None:
    header, _ = decode_header(HeaderKind.SHORT, bytes.fromhex("9E0027B6"), 0, wired=True)
    assert is_signature(header.configuration, wired=True)
    assert not is_signature(header.configuration, wired=False)
    assert not is_signature(Configuration(0x0520), wired=True)


def test_what_no_configuration_can_say_is_refused() -> None:
    for mode, length in ((5, 15), (5, 240), (10, 256)):
        with pytest.raises(EncodeError):
            Configuration.of(mode, length=length)
    with pytest.raises(EncodeError, match="mode 13"):
        Configuration.of(13)
    with pytest.raises(EncodeError, match="tag"):
        Configuration.of(10, tag_length=6)
    with pytest.raises(EncodeError, match="address"):
        assert Header(HeaderKind.LONG).octets


def test_a_status_is_told_in_words() -> None:
    assert status_words(0) == []
    assert status_words(0x07) == ["abnormal condition or alarm", "power low"]
    assert status_words(0x92) == ["any application error", "temporary error", "manufacturer's bit 7"]
