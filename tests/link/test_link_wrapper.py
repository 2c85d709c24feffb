"""The TCP wrapper: halves, several APDUs at once, other versions, many address pairs."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.errors import DecodeError, IncompleteError, LocalProtocolError
from cosem.link.base import Address, ApduReceived, Discarded, LinkDown, LinkEvent, LinkUp
from cosem.link.wrapper import MAX_ADDRESSES, DatagramWrapperLink, WrapperLink, build, datagrams, parse

SHARED = Path(__file__).parents[3] / "shared" / "vectors"
PORTS = st.integers(0, 0xFFFF)
ADDRESS = Address(16, 1)


def vectors(file: str) -> list[Any]:
    path = SHARED / file
    if not path.exists():
        return []
    cases = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    return [pytest.param(case, id=case["id"]) for case in cases if case["kind"] == "wrapper"]


@pytest.mark.parametrize("case", vectors("dlms.jsonl"))
def test_shared_vectors(case: dict[str, Any]) -> None:
    octets, expected = bytes.fromhex(case["hex"]), case["expected"]
    source, destination, apdu, end = parse(octets)
    assert (source, destination, len(apdu), end) == (expected["src"], expected["dst"], expected["length"], len(octets))
    assert build(source, destination, apdu) == octets


@pytest.mark.parametrize("case", vectors("dlms_bad.jsonl"))
def test_shared_refusals(case: dict[str, Any]) -> None:
    octets = bytes.fromhex(case["hex"])
    link = WrapperLink(server=True)
    events = link.receive(octets, 0.0)
    if case["level"] == "syntax":
        with pytest.raises(DecodeError):
            parse(octets)
        assert [type(event) for event in events] == [Discarded]
    elif case["level"] == "incomplete":
        with pytest.raises(IncompleteError):
            parse(octets)
        assert events == []
    else:
        assert events == [Discarded(octets, "an empty APDU")]
    assert link.take() == b""


@given(PORTS, PORTS, st.binary(max_size=300))
def test_there_and_back(source: int, destination: int, apdu: bytes) -> None:
    octets = build(source, destination, apdu)
    assert parse(octets) == (source, destination, apdu, len(octets))
    assert parse(b"xx" + octets + b"yy", 2) == (source, destination, apdu, len(octets) + 2)
    for size in range(len(octets)):
        with pytest.raises(IncompleteError):
            parse(octets[:size])


def test_what_no_header_can_say() -> None:
    assert len(build(1, 1, bytes(0xFFFF))) == 0x10007
    with pytest.raises(LocalProtocolError, match="65535"):
        build(1, 1, bytes(0x10000))
    for source, destination in ((-1, 1), (1, -1), (0x10000, 1), (1, 0x10000)):
        with pytest.raises(LocalProtocolError, match="16 bits"):
            build(source, destination, b"apdu")


STREAMS = st.lists(
    st.builds(build, st.integers(0, 3), st.integers(0, 3), st.binary(max_size=20))
    | st.builds(build, PORTS, PORTS, st.binary(max_size=20))
    | st.binary(max_size=10),
    max_size=6,
).map(b"".join)


@given(STREAMS, st.lists(st.integers(0, 150), max_size=6), st.booleans())
def test_the_way_it_is_cut_changes_nothing(octets: bytes, cuts: list[int], server: bool) -> None:
    def run(edges: list[int]) -> list[LinkEvent]:
        link = WrapperLink(server=server)
        link.connect(ADDRESS, 0.0)
        events: list[LinkEvent] = []
        for start, stop in pairwise(edges):
            events += link.receive(octets[start:stop], 0.0)
        assert link.take() == b""
        return events

    whole = run([0, len(octets)])
    # Where synchronisation is lost, LinkDown comes as soon as it is known; what is discarded afterwards is the same.
    discarded = b"".join(event.octets for event in whole if isinstance(event, Discarded))
    others = [event for event in whole if not isinstance(event, Discarded)]
    for edges in ([0, *sorted(min(cut, len(octets)) for cut in cuts), len(octets)], list(range(len(octets) + 1))):
        events = run(edges)
        assert [event for event in events if not isinstance(event, Discarded)] == others
        assert b"".join(event.octets for event in events if isinstance(event, Discarded)) == discarded


def test_both_ends() -> None:
    client, server = WrapperLink(), WrapperLink(server=True)
    assert client.connect(ADDRESS, 0.0) == [LinkUp(ADDRESS)]
    client.send(ADDRESS, b"one", 0.0)
    client.send(ADDRESS, b"two", 0.0, confirmed=False)
    events = server.receive(client.take(), 0.0)
    assert events == [LinkUp(ADDRESS), ApduReceived(ADDRESS, b"one"), ApduReceived(ADDRESS, b"two")]
    assert client.take() == b""
    server.send(ADDRESS, b"answer", 0.0)
    assert server.take().hex() == "0001000100100006" + b"answer".hex()
    server.send(ADDRESS, b"answer", 0.0)
    assert client.receive(server.take(), 0.0) == [ApduReceived(ADDRESS, b"answer")]
    assert client.disconnect(ADDRESS, 0.0) == [LinkDown(ADDRESS, "closed by this side")]
    assert client.disconnect(ADDRESS, 0.0) == []
    for link in (client, server):
        assert (link.next_timer(), link.handle_timer(9.0)) == (None, [])


def test_another_version_ends_what_is_open_and_keeps_what_came_before() -> None:
    server = WrapperLink(server=True)
    octets = build(16, 1, b"good") + build(17, 1, b"good too") + b"\0\2" + bytes(6)
    first, second = Address(16, 1), Address(17, 1)
    events = server.receive(octets, 0.0)
    assert [type(event) for event in events] == [
        LinkUp,
        ApduReceived,
        LinkUp,
        ApduReceived,
        Discarded,
        LinkDown,
        LinkDown,
    ]
    assert {event.address for event in events if isinstance(event, LinkDown)} == {first, second}
    # Nothing can be found again on this transport.
    assert server.receive(b"", 0.0) == []
    again = server.receive(build(16, 1, b"more"), 0.0)
    assert [type(event) for event in again] == [Discarded]
    server.lost(0.0)
    assert server.receive(build(16, 1, b"more"), 0.0) == [LinkUp(first), ApduReceived(first, b"more")]


def test_a_lost_transport_takes_halves_and_answers_along() -> None:
    server = WrapperLink(server=True)
    server.receive(build(16, 1, b"good") + build(16, 1, b"half")[:-1], 0.0)
    server.send(ADDRESS, b"answer", 0.0)
    assert server.lost(0.0) == [LinkDown(ADDRESS, "the transport was lost")]
    assert server.lost(0.0) == []
    assert server.take() == b""
    assert server.receive(build(16, 1, b"new"), 0.0) == [LinkUp(ADDRESS), ApduReceived(ADDRESS, b"new")]


def test_address_pairs_are_bounded() -> None:
    server = WrapperLink(server=True)
    for client in range(MAX_ADDRESSES):
        assert len(server.receive(build(client, 1, b"apdu"), 0.0)) == 2
    assert [type(event) for event in server.receive(build(MAX_ADDRESSES, 1, b"apdu"), 0.0)] == [Discarded]
    assert server.receive(build(0, 1, b"apdu"), 0.0) == [ApduReceived(Address(0, 1), b"apdu")]
    server.disconnect(Address(0, 1), 0.0)
    assert len(server.receive(build(MAX_ADDRESSES, 1, b"apdu"), 0.0)) == 2


def test_an_empty_apdu_is_passed_over() -> None:
    server = WrapperLink(server=True)
    events = server.receive(build(16, 1, b"") + build(16, 1, b"apdu"), 0.0)
    assert [type(event) for event in events] == [Discarded, LinkUp, ApduReceived]


# --- datagrams -------------------------------------------------------------------------------------------------


@given(st.lists(st.binary(min_size=1, max_size=20), max_size=4), st.binary(max_size=12))
def test_a_datagram_stands_for_itself(apdus: list[bytes], rest: bytes) -> None:
    link = DatagramWrapperLink(server=True)
    datagram = b"".join(build(16, 1, apdu) for apdu in apdus)
    events = link.receive(datagram + rest, 0.0)
    got = [event.octets for event in events if isinstance(event, ApduReceived)]
    assert got[: len(apdus)] == apdus
    assert sum(isinstance(event, Discarded) for event in events) <= 1
    assert not any(isinstance(event, LinkDown) for event in events)
    # Whatever that was, the next datagram is whole.
    assert link.receive(build(16, 1, b"next"), 0.0)[-1] == ApduReceived(ADDRESS, b"next")


def test_a_datagram_cut_short_is_one_problem() -> None:
    link = DatagramWrapperLink()
    link.connect(ADDRESS, 0.0)
    whole = build(1, 16, b"whole")
    for size in range(1, len(whole)):
        events = link.receive(whole + whole[:size], 0.0)
        assert events == [ApduReceived(ADDRESS, b"whole"), Discarded(whole[:size], "a datagram that was cut short")]
    (event,) = link.receive(b"\0\2" + whole[2:], 0.0)
    assert isinstance(event, Discarded)
    assert "version 2" in event.reason
    assert link.receive(b"", 0.0) == []


def test_what_is_sent_is_cut_into_datagrams() -> None:
    link = DatagramWrapperLink()
    for apdu in (b"one", b"two", bytes(65499)):
        link.send(ADDRESS, apdu, 0.0)
    assert datagrams(link.take()) == [build(16, 1, b"one"), build(16, 1, b"two"), build(16, 1, bytes(65499))]
    assert datagrams(b"") == []
    with pytest.raises(LocalProtocolError, match="65499 octets, not 65500"):
        link.send(ADDRESS, bytes(65500), 0.0)
