"""Acknowledge, short and control frames beside the long one: there and back, in noise, in pieces, cut short."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.errors import DecodeError, IncompleteError, LocalProtocolError
from cosem.link.base import Discarded
from cosem.link.mbus_frame import Acknowledge, LineSplitter, LongFrame, ShortFrame, build, build_short, parse_any_at

OCTET = st.integers(0, 255)
FRAMES = st.one_of(
    st.just((b"\xe5", Acknowledge())),
    st.tuples(OCTET, OCTET).map(lambda item: (build_short(*item), ShortFrame(*item))),
    st.tuples(OCTET, OCTET, OCTET, st.binary(max_size=252)).map(
        lambda item: (build(*item), LongFrame(*item, len(item[3]) + 3))
    ),
)


def test_a_request_and_a_reset_as_they_stand_on_the_line() -> None:
    assert build_short(0x40, 1) == bytes.fromhex("1040014116")
    assert build_short(0x7B, 0xFD) == bytes.fromhex("107bfd7816")
    assert build(0x53, 0xFE, 0xBD, b"") == bytes.fromhex("680303 6853febd0e16".replace(" ", ""))


@given(FRAMES)
def test_there_and_back(item: tuple[bytes, object]) -> None:
    octets, frame = item
    assert parse_any_at(octets) == (frame, len(octets))
    for end in range(len(octets)):
        with pytest.raises(DecodeError):
            parse_any_at(octets[:end])


@given(st.lists(FRAMES, max_size=5), st.data())
def test_frames_in_pieces(items: list[tuple[bytes, object]], data: st.DataObject) -> None:
    octets = b"".join(item[0] for item in items)
    splitter = LineSplitter()
    found = []
    at = 0
    while at < len(octets):
        size = data.draw(st.integers(1, 40))
        found += splitter.feed(octets[at : at + size])
        at += size
    assert found == [(frame, raw) for raw, frame in items]
    assert splitter.flush() == []


@given(st.binary(max_size=300))
def test_any_octets_are_frames_or_discarded_and_none_is_lost(octets: bytes) -> None:
    splitter = LineSplitter()
    found = [*splitter.feed(octets), *splitter.flush()]
    assert b"".join(item.octets if isinstance(item, Discarded) else item[1] for item in found) == octets


def test_what_is_wrong_is_named() -> None:
    with pytest.raises(IncompleteError):
        parse_any_at(b"\x10\x40\x01")
    with pytest.raises(DecodeError, match="checksum"):
        parse_any_at(bytes.fromhex("1040014216"))
    with pytest.raises(DecodeError, match="stop"):
        parse_any_at(bytes.fromhex("1040014117"))
    with pytest.raises(LocalProtocolError):
        build_short(0x40, 256)
