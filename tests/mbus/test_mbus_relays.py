"""Relays: lines and dongles' messages read, with signal and time; noise between them; nothing else comes out."""

from __future__ import annotations

import contextlib
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.errors import DecodeError
from cosem.link.base import Discarded
from cosem.mbus.relays import (
    Amb8465Framer,
    Im871aFramer,
    Received,
    Relay,
    cc_rssi,
    format_amb8465,
    format_cul,
    format_im871a,
    format_rtl_wmbus,
    im871a_dbm,
    parse_cul,
    parse_hex,
    parse_line,
    parse_rtl_wmbus,
)
from cosem.mbus.telegram import decode
from cosem.mbus.wireless import Format, WirelessFrame, encode_frame
from support.mbus_telegrams import METER

FRAME = bytes.fromhex("1E44AE4C9956341268077A360010002F2F0413181E0000023B00002F2F2F2F")
# A message of an iM871A as its owner published it in a fault report: signal 8Ch, CRC F4A7h.
PUBLISHED = bytes.fromhex(
    "A5C2034144C5140124065070068C20E97A260030258AA4FA4EEABB7FF16A3D4D4D195F6905291547F08E0DCAD6D16B6730F3366256ADD436"
    "2B3642294B7F6D2B703EC1291E8CA7F4"
)
FRAMES = st.builds(lambda payload: WirelessFrame(0x44, METER, b"\x78" + payload), st.binary(max_size=200))


def test_a_line_of_rtl_wmbus_keeps_mode_time_and_signal() -> None:
    line = f"T1;1;1;2019-02-09 07:14:18.000;117;102;12345699;0x{FRAME.hex()}\n"
    received = parse_line(line)
    assert received == Received(
        FRAME, Relay.RTL_WMBUS, None, 117, datetime(2019, 2, 9, 7, 14, 18), None, "T1", Format.STRIPPED
    )
    assert parse_line(format_rtl_wmbus(FRAME, "T1", datetime(2019, 2, 9, 7, 14, 18), 117, "12345699")) == received


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("T1;0;1;2019-02-09 07:14:18;1;1;12345678;0x44", "errors"),
        ("T1;1;0;2019-02-09 07:14:18;1;1;12345678;0x44", "errors"),
        ("X1;1;1;2019-02-09 07:14:18;1;1;12345678;0x44", "begins with its mode"),
        ("T1;1;1", "8 fields"),
        ("T1;1;1;yesterday;1;1;12345678;0x44", "no time"),
        ("T1;1;1;2019-02-09 07:14:18;1;1;12345678;44", "no frame"),
        ("T1;1;1;2019-02-09 07:14:18;1;1;12345678;0x4", "no octets"),
    ],
)
def test_a_wrong_line_of_rtl_wmbus_says_what_is_wrong(line: str, what: str) -> None:
    with pytest.raises(DecodeError, match=what):
        parse_rtl_wmbus(line)


@pytest.mark.parametrize(
    "line",
    [FRAME.hex(), f"0x{FRAME.hex()}", f"telegram=|{FRAME.hex()[:22]}|{FRAME.hex()[22:]}|", FRAME.hex(" ").upper()],
)
def test_raw_hex_comes_in_many_dresses(line: str) -> None:
    assert parse_line(line).frame == FRAME


@given(FRAMES, st.sampled_from([Format.A, Format.B]), st.integers(-138, -11))
def test_lines_of_a_cul_go_there_and_back(frame: WirelessFrame, form: Format, rssi: int) -> None:
    octets = encode_frame(frame._replace(format=form))
    received = parse_line(format_cul(octets, form, rssi))
    assert (received.frame, received.form, received.rssi) == (octets, form, rssi)
    assert received.mode == {"A": "T", "B": "C"}[form]
    assert decode(received.frame, form=received.form).application == frame.payload[1:]


def test_a_cul_may_be_started_without_signal() -> None:
    octets = encode_frame(WirelessFrame(0x44, METER, b"\x78", Format.A))
    assert parse_cul("b" + octets.hex(), signal=False).frame == octets
    with pytest.raises(DecodeError, match="too short"):
        parse_cul("b0102")
    with pytest.raises(DecodeError, match="begins with b"):
        parse_cul("x0102")


@given(st.text(max_size=60))
def test_any_line_is_a_frame_or_a_decode_error(line: str) -> None:
    for parse in (parse_line, parse_hex, parse_cul, parse_rtl_wmbus):
        try:
            assert parse(line).frame
        except DecodeError:
            continue


FIELDS = ("T1", "1", "1", "2026-04-03 12:00:00.000", "97", "148", "12345699", "0x1e44ae4c99563412680778")


@given(st.lists(st.tuples(st.integers(0, 7), st.text("0123456789-+.:xTCS² \u0663", max_size=8)), max_size=3))
def test_any_fields_of_rtl_wmbus_are_a_frame_or_a_decode_error(edits: list[tuple[int, str]]) -> None:
    fields = list(FIELDS)
    for place, text in edits:
        fields[place] = text
    with contextlib.suppress(DecodeError):
        assert parse_line(";".join(fields)).frame


@pytest.mark.parametrize("level", ["--5", "-", "²", "\u0663", "1" * 5000])
def test_a_signal_that_is_no_number_is_none(level: str) -> None:
    assert parse_line(";".join((*FIELDS[:4], level, *FIELDS[5:]))).level is None


def test_a_line_without_an_end_is_refused() -> None:
    with pytest.raises(DecodeError, match="no telegram"):
        parse_line("0" * 10_000)


def test_the_published_message_of_an_im871a_is_read() -> None:
    (received,) = Im871aFramer().feed(PUBLISHED)
    assert isinstance(received, Received)
    assert (received.relay, received.level, received.rssi) == (Relay.IM871A, 0x8C, -53)
    assert received.frame == PUBLISHED[3:-3]
    assert decode(received.frame, already_decrypted=True).address is not None
    assert format_im871a(received.frame, level=0x8C) == PUBLISHED


@given(
    FRAMES, st.one_of(st.none(), st.integers(0, 0xFFFF_FFFF)), st.one_of(st.none(), st.integers(0, 255)), st.booleans()
)
def test_messages_of_an_im871a_go_there_and_back(
    frame: WirelessFrame, ticks: int | None, level: int | None, crc: bool
) -> None:
    framer = Im871aFramer()
    message = format_im871a(frame.stripped, ticks=ticks, level=level, crc=crc)
    found = [item for octet in message for item in framer.feed(bytes((octet,)))]
    dbm = None if level is None else im871a_dbm(level)
    assert found == [Received(frame.stripped, Relay.IM871A, dbm, level, None, ticks, "", Format.STRIPPED)]
    assert framer.waiting == 0


@given(FRAMES, st.one_of(st.none(), st.integers(0, 255)))
def test_messages_of_an_amb8465_go_there_and_back(frame: WirelessFrame, level: int | None) -> None:
    framer = Amb8465Framer(rssi=level is not None)
    found = [item for octet in format_amb8465(frame.stripped, level=level) for item in framer.feed(bytes((octet,)))]
    dbm = None if level is None else cc_rssi(level)
    assert found == [Received(frame.stripped, Relay.AMB8465, dbm, level, form=Format.STRIPPED)]


def test_an_amb8465_may_hand_frames_on_alone() -> None:
    framer = Amb8465Framer(commands=False, rssi=False)
    assert framer.feed(b"\x00\x01" + FRAME + FRAME[:5]) == [
        Discarded(b"\x00\x01", "between frames"),
        Received(FRAME, Relay.AMB8465, form=Format.STRIPPED),
    ]
    assert framer.waiting == 5
    (item,) = Amb8465Framer(commands=False).feed(FRAME + b"\x80")
    assert isinstance(item, Received)
    assert item.rssi == -138


def test_other_messages_of_a_dongle_are_passed_over() -> None:
    assert Im871aFramer().feed(b"\xa5\x01\x04\x00" + format_im871a(FRAME, level=200)) == [
        Received(FRAME, Relay.IM871A, -23, 200, form=Format.STRIPPED)
    ]
    assert Amb8465Framer().feed(b"\xff\x84\x01\x00\x7a") == []


def test_noise_costs_only_itself() -> None:
    good = format_im871a(FRAME, level=100)
    bad = bytearray(good)
    bad[10] ^= 1
    framer = Im871aFramer()
    items = framer.feed(b"\x01\x02" + bytes(bad) + good + b"\x33")
    assert [type(item) for item in items] == [Discarded, Received, Discarded]
    assert items[0] == Discarded(b"\x01\x02" + bytes(bad), "the CRC of the dongle's message is wrong")
    assert framer.feed(good)[0] == items[1]


def test_a_message_that_was_cut_short_is_given_up_on_demand() -> None:
    good = format_im871a(FRAME, level=100)
    framer = Im871aFramer()
    assert framer.feed(good[:-4]) == []
    assert framer.waiting == len(good) - 4
    assert framer.flush() == [Discarded(good[:-4], "a frame that was cut short")]


@given(st.lists(st.binary(max_size=30), max_size=10))
def test_any_octets_from_a_dongle_are_accounted_for(chunks: list[bytes]) -> None:
    for framer in (Im871aFramer(), Amb8465Framer(), Amb8465Framer(commands=False)):
        lost = sum(len(item.octets) for chunk in chunks for item in framer.feed(chunk) if isinstance(item, Discarded))
        assert lost + framer.waiting <= sum(map(len, chunks))
