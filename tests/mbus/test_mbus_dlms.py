"""APDUs on M-Bus: in pieces on either link, and behind a header, protected and in fragments."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.errors import DecodeError, EncodeError
from cosem.link.mbus_frame import MAX_PIECE, segment
from cosem.mbus.afl import AuthenticationLayer, message_control
from cosem.mbus.ci import Direction, HeaderKind
from cosem.mbus.dlms import Carried, DlmsJoiner, application_of, carried, ci_of, piece_of, pieces
from cosem.mbus.header import Configuration, Header
from cosem.mbus.receiver import TelegramReceiver
from cosem.mbus.telegram import Telegram, decode, encode, encode_fragments
from support.mbus_telegrams import METER, store

GET = bytes.fromhex("C001C100030100010800FF0200")
ITEM = Carried(0x01, 0x67, GET)


@given(st.binary(min_size=1, max_size=500), st.integers(40, 200))
def test_pieces_go_over_the_air_and_are_joined(apdu: bytes, size: int) -> None:
    joiner = DlmsJoiner()
    item = Carried(0x67, 0x01, apdu)
    frames = [encode(Telegram.on_air(0x44, METER, ci, part)) for ci, part in pieces(item, size)]
    results = [joiner.take(decode(frame), 0) for frame in frames]
    assert [result[0] for result in results] == [None] * (len(frames) - 1) + [item]
    assert not any(given_up for _, given_up in results)


def test_pieces_on_the_wire_are_those_of_the_link() -> None:
    apdu = GET * 40
    frames = segment(apdu, 0x01, 0x67)
    assert [
        encode(Telegram.on_wire(0x53, 0xFF, ci, part)) for ci, part in pieces(Carried(0x01, 0x67, apdu), MAX_PIECE)
    ] == frames
    joiner = DlmsJoiner()
    assert [joiner.take(decode(frame), 0)[0] for frame in frames][-1] == Carried(0x01, 0x67, apdu)


def test_a_piece_too_many_is_given_up() -> None:
    joiner = DlmsJoiner()
    (ci, part), *_ = pieces(Carried(1, 2, GET * 40))
    joiner.take(decode(encode(Telegram.on_air(0x44, METER, ci + 1, part))), 0)
    whole, given_up = joiner.take(decode(encode(Telegram.on_air(0x44, METER, ci + 2, part))), 0)
    assert whole is None
    assert "beginning is missing" in given_up[0].reason


@pytest.mark.parametrize("long", [True, False])
@pytest.mark.parametrize("to_device", [True, False])
@pytest.mark.parametrize("mode", [0, 9, 10])
def test_an_apdu_goes_behind_a_header_both_ways(long: bool, to_device: bool, mode: int) -> None:
    kind = HeaderKind.LONG if long else HeaderKind.SHORT
    counter = 7 if mode else None
    header = Header(kind, METER if long else None, 1, 0, Configuration.of(mode, counter=counter))
    telegram = Telegram.on_air(
        0x53 if to_device else 0x08, METER, ci_of(kind, to_device=to_device), application_of(ITEM), header
    )
    keys = store() if mode else None
    received = decode(encode(telegram, keys=keys), keys=store() if mode else None)
    assert carried(received) == ITEM
    assert received.direction is (Direction.TO_DEVICE if to_device else Direction.FROM_DEVICE)
    assert DlmsJoiner().take(received, 0) == (ITEM, [])
    assert encode(received, keys=keys) == encode(telegram, keys=keys)


def test_a_long_apdu_behind_a_header_goes_in_fragments() -> None:
    item = Carried(0x01, 0x67, GET * 60)
    header = Header(HeaderKind.SHORT, None, 1, 0, Configuration.of(10))
    afl = AuthenticationLayer(control=message_control(8), counter=3)
    telegram = Telegram.on_air(0x08, METER, 0x7D, application_of(item), header, afl=afl)
    receiver = TelegramReceiver(store())
    results = [receiver.receive(frame, 0) for frame in encode_fragments(telegram, 200, keys=store())]
    assert results[-1] is not None
    assert carried(results[-1]) == item


def test_an_apdu_may_come_without_its_ends() -> None:
    header = Header(HeaderKind.SHORT, None, 1, 0)
    telegram = Telegram.on_air(0x08, METER, 0x7D, application_of(ITEM, ends=False), header)
    assert carried(telegram, ends=False) == Carried(0, 0, GET)


def test_what_carries_no_apdu_is_refused() -> None:
    header = Header(HeaderKind.SHORT, None, 1, 0)
    with pytest.raises(DecodeError, match="7Ah carries no DLMS"):
        carried(Telegram.on_air(0x08, METER, 0x7A, GET, header))
    with pytest.raises(DecodeError, match="missing"):
        carried(Telegram.on_air(0x08, METER, 0x7D, b"\x01\x67", header))
    with pytest.raises(DecodeError, match="no DLMS transport"):
        piece_of(Telegram.on_air(0x08, METER, 0x78, GET))
    with pytest.raises(EncodeError, match="in pieces"):
        ci_of(HeaderKind.NONE, to_device=True)
    with pytest.raises(EncodeError, match="an octet each"):
        application_of(Carried(256, 0, GET))
    with pytest.raises(EncodeError, match="1 to 16 pieces"):
        pieces(Carried(1, 1, GET * 60), 20)
