"""M-Bus frames as carriers: there and back, through noise, in pieces; limits, habits, wrong octets."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.errors import DecodeError, IncompleteError, LocalProtocolError
from cosem.link.base import Address, ApduReceived, Discarded, LinkDown, LinkEvent, LinkUp
from cosem.link.mbus_frame import (
    MAX_PIECE,
    MAX_PIECES,
    MAX_SENDERS,
    FrameSplitter,
    MbusLink,
    Piece,
    PieceJoiner,
    build,
    parse_at,
    piece,
    segment,
)
from cosem.tolerances import STRICT, TOLERANT

ADDRESS = Address(0x67, 1)
OCTET = st.integers(0, 255)
APDU = bytes(range(256)) * 2


def _overflowing(data: bytes) -> bytes:
    """A frame of 256 octets and more as meters send it: L is what is left of the length."""
    body = b"\x53\xff\x00" + data
    length = len(body) & 0xFF
    return bytes((0x68, length, length, 0x68)) + body + bytes((sum(body) & 0xFF, 0x16))


@given(OCTET, OCTET, OCTET, st.binary(max_size=252))
def test_a_frame_there_and_back(control: int, address: int, ci: int, data: bytes) -> None:
    octets = build(control, address, ci, data)
    frame, end = parse_at(b"xx" + octets + b"yy", 2)
    assert (frame.control, frame.address, frame.ci, frame.data, end) == (control, address, ci, data, len(octets) + 2)
    assert frame.length == frame.coded == len(octets) - 6
    for size in range(len(octets)):
        with pytest.raises(DecodeError) as error:
            parse_at(octets[:size])
        assert isinstance(error.value, IncompleteError) or size == 0


def test_a_frame_octet_by_octet() -> None:
    assert build(0x53, 0xFF, 0x10, b"\x01\x67\x0f").hex() == "6806066853ff1001670fd916"


@given(st.binary(max_size=40) | st.binary(max_size=20).map(lambda octets: b"\x68\x05\x05\x68" + octets))
def test_any_octets_end_in_a_frame_or_an_error(octets: bytes) -> None:
    try:
        frame, end = parse_at(octets)
    except DecodeError:
        return
    assert octets[:end] == build(frame.control, frame.address, frame.ci, frame.data)


@pytest.mark.parametrize(
    ("octets", "what", "offset"),
    [
        ("", "no start", 0),
        ("10", "no start", 0),
        ("68060669", "no start", 0),
        ("680607", "lengths of the frame differ: 6, 7", 1),
        ("6806066853ff1001670fd917", "no stop octet", 11),
        ("6806066853ff1001670fda16", "checksum", 10),
    ],
)
def test_wrong_frames_are_refused(octets: str, what: str, offset: int) -> None:
    with pytest.raises(DecodeError, match=what) as error:
        parse_at(bytes.fromhex(octets))
    assert error.value.offset == offset


def test_what_no_frame_can_say() -> None:
    with pytest.raises(LocalProtocolError, match="252 octets, not 253"):
        build(0x53, 1, 0, bytes(253))
    for values in ((-1, 0, 0), (0, 256, 0), (0, 0, 256)):
        with pytest.raises(LocalProtocolError, match="an octet each"):
            build(*values, b"")
    for size in (0, MAX_PIECE + 1):
        with pytest.raises(LocalProtocolError, match="a piece has 1 to"):
            segment(b"x", 1, 1, size=size)
    with pytest.raises(LocalProtocolError, match="STSAP"):
        segment(b"x", 256, 1)
    for apdu in (b"", bytes(MAX_PIECES * 10 + 1)):
        with pytest.raises(LocalProtocolError, match="in 1 to 16 pieces"):
            segment(apdu, 1, 1, size=10)


@pytest.mark.parametrize("size", [253, 254, 255])
def test_a_length_that_overflows_is_a_tolerance(size: int) -> None:
    octets = _overflowing(bytes(size))
    frame, end = parse_at(octets)
    assert (frame.coded, frame.length, len(frame.data), end) == (size - 253, size + 3, size, len(octets))
    with pytest.raises(DecodeError, match="too short"):
        parse_at(octets, 0, STRICT)
    with pytest.raises(IncompleteError):
        parse_at(octets[:-1])
    pushed = segment(b"push", 1, 0x67)[0]
    strict, tolerant = MbusLink(tolerances=STRICT), MbusLink(tolerances=TOLERANT)
    assert ApduReceived(ADDRESS, b"push", False) in strict.receive(octets + pushed, 0.0)
    assert ApduReceived(ADDRESS, b"push", False) in tolerant.receive(octets + pushed, 0.0)


@given(st.binary(min_size=1, max_size=600), OCTET, OCTET, st.integers(40, MAX_PIECE))
def test_an_apdu_in_pieces_there_and_back(apdu: bytes, stsap: int, dtsap: int, size: int) -> None:
    joiner = PieceJoiner(1.0)
    frames = segment(apdu, stsap, dtsap, size=size)
    for index, octets in enumerate(frames):
        frame, _ = parse_at(octets)
        item = piece(frame)
        assert (item.number, item.final) == (index, index == len(frames) - 1)
        whole, given_up = joiner.take(frame.address, item, 0.0)
        assert given_up == []
        assert whole == (apdu if item.final else None)
    assert not joiner.incomplete


@pytest.mark.parametrize(("ci", "data", "what"), [(0x72, b"\x01\x67", "CI 72 is no"), (0x10, b"\x01", "STSAP")])
def test_what_is_no_dlms_transport(ci: int, data: bytes, what: str) -> None:
    octets = build(0x53, 0xFF, ci, data)
    with pytest.raises(DecodeError, match=what):
        piece(parse_at(octets)[0])
    (event,) = MbusLink().receive(octets, 0.0)
    assert isinstance(event, Discarded)
    assert what in event.reason


NOISE = st.sampled_from(
    [b"", b"\x68", b"\x68\x68", b"\xe5", b"\x10\x40\x01\x41\x16", b"\x68\x04\x04\x68\x00", bytes(9)]
)


@given(
    st.lists(NOISE | st.binary(max_size=12) | st.binary(max_size=60).map(lambda d: build(0x53, 1, 0, d)), max_size=8),
    st.lists(st.integers(0, 300), max_size=8),
)
def test_the_way_it_is_cut_changes_nothing(parts: list[bytes], cuts: list[int]) -> None:
    octets = b"".join(parts)

    def run(edges: list[int]) -> tuple[list[bytes], bytes]:
        splitter = FrameSplitter()
        items = [item for start, stop in pairwise(edges) for item in splitter.feed(octets[start:stop])]
        items += splitter.flush()
        assert splitter.waiting == 0
        frames = [item[1] for item in items if not isinstance(item, Discarded)]
        noise = b"".join(item.octets for item in items if isinstance(item, Discarded))
        assert len(noise) + sum(map(len, frames)) == len(octets)
        return frames, noise

    whole = run([0, len(octets)])
    assert run([0, *sorted(min(cut, len(octets)) for cut in cuts), len(octets)]) == whole
    assert run(list(range(len(octets) + 1))) == whole


def test_one_wrong_frame_loses_nothing_else() -> None:
    good = segment(b"push", 1, 0x67)[0]
    wrong = bytearray(good)
    wrong[8] ^= 1
    events = MbusLink().receive(b"noise" + good + bytes(wrong) + good[:-3] + good + good, 0.0)
    assert [event.octets for event in events if isinstance(event, ApduReceived)] == [b"push"] * 3
    reasons = [event.reason for event in events if isinstance(event, Discarded)]
    assert reasons == ["between frames", "the checksum is wrong"]
    assert sum(len(event.octets) for event in events if isinstance(event, Discarded)) == 5 + 2 * len(good) - 3


def _take(joiner: PieceJoiner, number: int, data: bytes, *, final: bool = False, now: float = 0.0, stsap: int = 1):
    return joiner.take(0xFF, Piece(number, final, stsap, 0x67, data), now)


def test_pieces_in_the_wrong_order_are_told_and_cost_their_apdu_only() -> None:
    joiner = PieceJoiner(10.0)
    whole, given_up = _take(joiner, 1, b"second", final=True)
    assert whole is None
    assert "beginning is missing" in given_up[0].reason
    assert _take(joiner, 0, b"first") == (None, [])
    # A repeat says nothing new.
    assert _take(joiner, 0, b"first") == (None, [])
    whole, given_up = _take(joiner, 2, b"third")
    assert whole is None
    assert [item.reason for item in given_up] == [
        "pieces of an APDU without an end",
        "piece 2 of an APDU whose beginning is missing",
    ]
    assert _take(joiner, 0, b"one")[0] is None
    # The beginning of another one ends what was begun.
    whole, given_up = _take(joiner, 0, b"anew")
    assert (whole, given_up) == (None, [Discarded(b"one", "pieces of an APDU without an end")])
    assert _take(joiner, 1, b"!", final=True) == (b"anew!", [])


def test_pieces_that_come_too_late_belong_to_nothing() -> None:
    joiner = PieceJoiner(10.0)
    _take(joiner, 0, b"first")
    whole, given_up = _take(joiner, 1, b"second", final=True, now=11.0)
    assert whole is None
    assert len(given_up) == 2
    assert not joiner.incomplete


def test_an_apdu_without_an_end_is_given_up() -> None:
    joiner = PieceJoiner(10.0)
    given: list[Discarded] = []
    for number in range(MAX_PIECES):
        whole, given_up = _take(joiner, number, bytes((number,)))
        assert whole is None
        given += given_up
    assert [item.octets for item in given] == [bytes(range(16))]
    assert not joiner.incomplete


def test_halves_of_many_senders_make_room_for_each_other() -> None:
    joiner = PieceJoiner(1000.0)
    given: list[Discarded] = []
    for sender in range(MAX_SENDERS + 3):
        given += _take(joiner, 0, bytes((sender,)), stsap=sender, now=float(sender))[1]
    assert [item.octets for item in given] == [b"\0", b"\1", b"\2"]
    assert _take(joiner, 1, b"!", final=True, stsap=MAX_SENDERS, now=20.0)[0] == bytes((MAX_SENDERS,)) + b"!"
    joiner.clear()
    assert not joiner.incomplete


def test_both_ends_of_a_link() -> None:
    meter, client = MbusLink(server=True), MbusLink()
    assert client.connect(ADDRESS, 0.0) == [LinkUp(ADDRESS)]
    meter.send(ADDRESS, APDU, 0.0, confirmed=False)
    octets = meter.take()
    assert meter.take() == b""
    assert octets.count(b"\x53\xff") >= 3
    events: list[LinkEvent] = []
    for octet in octets:
        events += client.receive(bytes((octet,)), 0.0)
    assert events == [ApduReceived(ADDRESS, APDU, confirmed=False)]
    client.send(ADDRESS, b"answer", 0.0)
    assert meter.receive(client.take(), 0.0) == [ApduReceived(ADDRESS, b"answer", confirmed=False)]
    assert client.disconnect(ADDRESS, 0.0) == [LinkDown(ADDRESS, "closed by this side")]
    assert client.disconnect(ADDRESS, 0.0) == []


def test_half_a_frame_is_given_up_in_time() -> None:
    link = MbusLink(patience=5.0)
    good = segment(b"push", 1, 0x67)[0]
    assert link.next_timer() is None
    # A length that was altered makes the good frame behind it wait.
    assert link.receive(b"\x68\x40\x40\x68\x53" + good, 0.0) == []
    assert link.next_timer() == 5.0
    assert link.handle_timer(4.0) == []
    events = link.handle_timer(5.0)
    assert [type(event) for event in events] == [Discarded, ApduReceived]
    assert link.next_timer() is None
    # Without a timer the next octets do the same.
    link.receive(b"\x68\x40\x40\x68\x53", 10.0)
    assert ApduReceived(ADDRESS, b"push", confirmed=False) in link.receive(good, 16.0)
    link.receive(good[:5], 20.0)
    link.connect(ADDRESS, 20.0)
    assert link.lost(21.0) == [LinkDown(ADDRESS, "the transport was lost")]
    assert link.next_timer() is None
    assert link.receive(good, 22.0) == [ApduReceived(ADDRESS, b"push", confirmed=False)]


def test_a_piece_without_octets_is_no_apdu() -> None:
    (event,) = MbusLink().receive(build(0x53, 0xFF, 0x10, b"\x01\x67"), 0.0)
    assert event == Discarded(build(0x53, 0xFF, 0x10, b"\x01\x67"), "an empty APDU")


def test_a_flood_of_beginnings_stays_small() -> None:
    link = MbusLink()
    for _ in range(200):
        link.receive(b"\x68\xff\xff\x68" * 20, 0.0)
    assert link._splitter.waiting <= 300
    link.receive(bytes(300), 0.0)
    assert ApduReceived(ADDRESS, b"push", False) in link.receive(segment(b"push", 1, 0x67)[0], 0.0)
