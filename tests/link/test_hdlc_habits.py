"""What real meters do on an HDLC line, each habit with its name; reserved addresses; limits that are negotiated."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.errors import DecodeError, LocalProtocolError
from cosem.link.base import Address, ApduReceived, Discarded, LinkEvent, LinkUp
from cosem.link.hdlc.frame import CONTROL, Frame, HdlcAddress, build, control_text
from cosem.link.hdlc.link import LLC_COMMAND, LLC_RESPONSE, HdlcLink
from cosem.link.hdlc.parameters import (
    DEFAULT,
    MAX_INFO,
    HdlcParameters,
    parse,
    proposed,
)
from cosem.link.hdlc.splitter import FrameSplitter
from cosem.tolerances import SERVER_TOLERANCES, STRICT, TOLERANT, Tolerances

SHARED = Path(__file__).parents[3] / "shared" / "vectors"
ADDRESS = Address(16, 1, 17)
METER, READER = b"\x02\x23", b"\x21"
RIGHT = {False: LLC_COMMAND, True: LLC_RESPONSE}
"""The LLC header that each side sends: the meter answers."""


def frames(octets: bytes) -> list[Frame]:
    return [item[0] for item in FrameSplitter().feed(octets) if not isinstance(item, Discarded)]


def opened(server: bool, tolerances: Tolerances | None = None) -> HdlcLink:
    link = HdlcLink(server=server, tolerances=tolerances)
    if server:
        link.receive(build(METER, READER, CONTROL["SNRM"] | 0x10), 0.0)
    else:
        link.connect(ADDRESS, 0.0)
        link.receive(build(READER, METER, CONTROL["UA"] | 0x10), 0.0)
    link.take()
    return link


def between(server: bool, control: int, info: bytes, more: bool = False) -> bytes:
    """Return a frame to one side, from the other."""
    return build(*((METER, READER) if server else (READER, METER)), control, info, more)


# --- LLC --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("server", [False, True])
@pytest.mark.parametrize("control", [0x10, 0x03], ids=["I", "UI"])
def test_the_llc_header(server: bool, control: int) -> None:
    def hears(header: bytes, tolerances: Tolerances | None) -> bool:
        (event,) = opened(server, tolerances).receive(between(server, control, header + b"apdu"), 1.0)
        if isinstance(event, Discarded):
            assert event.octets == header + b"apdu"
            return False
        assert event == ApduReceived(ADDRESS, b"apdu", confirmed=control == 0x10)
        return True

    right, wrong = RIGHT[not server], RIGHT[server]
    for header, name in ((b"", "llc_absent"), (wrong, "llc_of_other_side")):
        assert hears(header, None)
        assert hears(header, STRICT._replace(**{name: True}))
        assert not hears(header, TOLERANT._replace(**{name: False}))
    assert hears(right, STRICT)


@given(st.binary(max_size=5), st.booleans(), st.booleans())
def test_a_header_is_always_sent(apdu: bytes, server: bool, confirmed: bool) -> None:
    link = opened(server, TOLERANT)
    if server:
        link.receive(between(server, CONTROL["RR"] | 0x10, b""), 0.0)
    link.send(ADDRESS, apdu, 0.0, confirmed=confirmed)
    assert frames(link.take())[0].info == RIGHT[server] + apdu


# --- pushes -----------------------------------------------------------------------------------------------


def pushes() -> Iterator[Any]:
    path = SHARED / "dlms.jsonl"
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        if case["kind"] == "push-telegram" and "hdlc" in case.get("tags", ()) and "frames" in case["expected"]:
            yield pytest.param(case, id=case["id"])


@pytest.mark.parametrize("case", list(pushes()))
def test_published_pushes(case: dict[str, Any]) -> None:
    octets, expected = bytes.fromhex(case["hex"]), case["expected"]["frames"]
    whole: list[bytes] = []
    parts = b""
    for frame in expected:
        parts += bytes.fromhex(frame["info"])
        if not frame["segmented"]:
            whole.append(parts)
            parts = b""
    link = HdlcLink()
    events = link.receive(octets, 0.0)
    assert [event.octets for event in events if isinstance(event, ApduReceived)] == [
        apdu.removeprefix(LLC_RESPONSE).removeprefix(LLC_COMMAND) for apdu in whole
    ]
    assert not any(event.confirmed for event in events if isinstance(event, ApduReceived))
    assert link.take() == b""
    without = HdlcLink(tolerances=TOLERANT._replace(push_to_no_station=False)).receive(octets, 0.0)
    taken = [event for event in without if isinstance(event, ApduReceived)]
    assert len(taken) == (0 if expected[0]["frame"]["type"] == "I" else len(whole))


@pytest.mark.parametrize("listener", [b"\x01", b"\xff"], ids=["no station", "all stations"])
def test_a_push_in_i_frames_outside_a_connection(listener: bytes) -> None:
    sender = b"\x02\x01"
    parts = [
        build(listener, sender, 0x00, LLC_RESPONSE + b"one ", True),
        build(listener, sender, 0x02, b"two ", True),
        build(listener, sender, 0x14, b"three"),
    ]
    expected = ApduReceived(Address(listener[0] >> 1, 1, 0), b"one two three", confirmed=False)
    for link in (HdlcLink(), opened(False)):
        assert [link.receive(part, 0.0) for part in parts] == [[], [], [expected]]
        assert link.take() == b""
    strict = HdlcLink(tolerances=STRICT)
    assert {type(event) for part in parts for event in strict.receive(part, 0.0)} == {Discarded}
    # Only those: an answer that comes too late is no push, and a server takes none at all.
    assert [type(event) for event in HdlcLink().receive(build(READER, METER, 0x10, b"late"), 0.0)] == [Discarded]
    for part in parts:
        assert [type(event) for event in HdlcLink(server=True).receive(part, 0.0)] == [Discarded]


def test_a_long_last_segment_does_not_pass_the_limit() -> None:
    link = HdlcLink()
    size = 2000
    for _ in range(0x10000 // size):
        assert link.receive(between(False, 0x03, bytes(size), True), 0.0) == []
    assert [type(event) for event in link.receive(between(False, 0x13, bytes(size)), 0.0)] == [Discarded]
    assert link.receive(between(False, 0x13, LLC_RESPONSE + b"whole"), 0.0) == [
        ApduReceived(ADDRESS, b"whole", confirmed=False)
    ]
    # Empty segments hold nothing.
    for _ in range(5):
        assert link.receive(between(False, 0x03, b"", True), 0.0) == []
    assert link.receive(between(False, 0x13, b""), 0.0) == []


def test_who_puts_up_with_what() -> None:
    assert all(TOLERANT)
    assert not any(STRICT)
    assert HdlcLink().tolerances == TOLERANT
    assert HdlcLink(server=True).tolerances == SERVER_TOLERANCES
    assert not SERVER_TOLERANCES.long_information


# --- reserved addresses -----------------------------------------------------------------------------------


@pytest.mark.parametrize("calling", [b"\x02\xfd", b"\x00\x02\xfe\xfd"])
def test_the_device_that_opened_the_line(calling: bytes) -> None:
    def answer_to(link: HdlcLink, control: int, info: bytes = b"") -> tuple[list[LinkEvent], list[str]]:
        events = link.receive(build(calling, READER, control, info), 0.0)
        return events, [control_text(frame.control) for frame in frames(link.take())]

    caller = HdlcLink(server=True, calling=True, accepts=lambda address: address == Address(16, 1))
    assert answer_to(caller, 0x93) == ([LinkUp(Address(16, 1))], ["UA P/F"])
    assert answer_to(caller, 0x10, b"request") == ([ApduReceived(Address(16, 1), b"request")], ["RR N(R)=1 P/F"])
    caller.send(Address(16, 1), b"answer", 0.0)
    caller.receive(build(calling, READER, 0x11), 0.0)
    (frame,) = frames(caller.take())
    assert (frame.kind, frame.source.octets) == ("I", calling)
    assert answer_to(caller, 0x03, b"to you") == ([ApduReceived(Address(16, 1), b"to you", confirmed=False)], [])
    other = HdlcLink(server=True)
    for control in (0x93, 0x03):
        events, answer = answer_to(other, control, b"x")
        assert ([type(event) for event in events], answer) == ([Discarded], [])


def test_a_client_calls_the_device_that_opened_the_line() -> None:
    client, server = HdlcLink(), HdlcLink(server=True, calling=True)
    address = Address(16, 1, 0x7E)
    client.connect(address, 0.0)
    assert server.receive(client.take(), 0.0) == [LinkUp(Address(16, 1))]
    assert client.receive(server.take(), 0.0) == [LinkUp(address)]


@pytest.mark.parametrize("meter", [b"\x01", b"\x02\x01", b"\x00\x23", b"\x00\x00\x00\x01"])
def test_no_station_has_the_no_station_address(meter: bytes) -> None:
    server = HdlcLink(server=True)
    for control in (0x93, 0x53, 0x10, 0x03):
        events = server.receive(build(meter, READER, control, b"x" if control == 0x03 else b""), 0.0)
        assert [type(event) for event in events] == [Discarded]
    assert server.take() == b""


def test_all_stations_are_no_client() -> None:
    server = HdlcLink(server=True)
    assert [type(event) for event in server.receive(build(METER, b"\xff", 0x93), 0.0)] == [Discarded]
    assert server.take() == b""


@pytest.mark.parametrize(
    ("address", "size"),
    [(Address(16, 0x7F), None), (Address(16, 1, 0x7F), None), (Address(16, 1, 0x3FFF), None), (Address(16, 0x3FFF), 4)],
)
def test_all_stations_are_spoken_to_without_a_connection(address: Address, size: int | None) -> None:
    client, server = HdlcLink(server_address_size=size), HdlcLink(server=True, accepts=lambda _: False)
    with pytest.raises(LocalProtocolError, match="for all stations"):
        client.connect(address, 0.0)
    client.send(address, b"to all", 0.0, confirmed=False)
    (event,) = server.receive(client.take(), 0.0)
    assert isinstance(event, ApduReceived)
    assert (event.octets, event.confirmed, event.address.server) == (b"to all", False, address.server)
    assert server.take() == b""


@given(st.integers(0, 0x3FFF), st.integers(0, 0x3FFF))
def test_what_an_address_names(upper: int, lower: int) -> None:
    wide = HdlcAddress.of(upper, lower, 4)
    assert (wide.broadcast, wide.calling) == (0x3FFF in (upper, lower), lower == 0x3FFE)
    assert wide.no_station == (0 in (upper, lower))
    narrow = HdlcAddress.of(upper & 0x7F, lower & 0x7F, 2)
    assert (narrow.broadcast, narrow.calling) == (0x7F in (narrow.upper, narrow.lower), narrow.lower == 0x7E)
    single = HdlcAddress.of(upper & 0x7F)
    assert (single.broadcast, single.calling, single.no_station) == (single.upper == 0x7F, False, single.upper == 0)


# --- what SNRM and UA negotiate ---------------------------------------------------------------------------

VALUES = st.sampled_from([0, 1, 7, 8, 127, 128, 255, 256, 2030, 2031, 0xFFFF, 0xFFFFFFFF]) | st.integers(0, 2**32 - 1)
WIDTHS = st.sampled_from([1, 2, 4])


@st.composite
def groups(draw: st.DrawFn) -> tuple[dict[int, int], bytes]:
    """Parameters in any order and any form of length, some missing, with others that nobody knows between them."""
    values: dict[int, int] = {}
    body = b""
    for number in draw(st.lists(st.sampled_from([5, 6, 7, 8, 9, 20]), unique=True)):
        width = draw(WIDTHS)
        values[number] = draw(VALUES) & ((1 << 8 * width) - 1)
        body += bytes((number, width)) + values[number].to_bytes(width, "big")
    return values, b"\x81\x80" + bytes((len(body),)) + body


@given(groups(), st.integers(1, MAX_INFO), st.integers(1, MAX_INFO), st.integers(1, 7), st.integers(1, 7))
def test_ua_is_never_more_than_was_proposed(
    group: tuple[dict[int, int], bytes], tx: int, rx: int, window_tx: int, window_rx: int
) -> None:
    values, info = group
    server = HdlcLink(server=True, parameters=HdlcParameters(tx, rx, window_tx, window_rx))
    assert server.receive(between(True, 0x93, info), 0.0) == [LinkUp(ADDRESS)]
    (answer,) = frames(server.take())
    agreed = parse(answer.info)

    def asked(number: int, default: int) -> int:
        # A missing one and 0 mean the default.
        return values.get(number, 0) or default

    assert agreed == HdlcParameters(
        min(tx, asked(6, 128)), min(rx, asked(5, 128)), min(window_tx, asked(8, 1)), min(window_rx, asked(7, 1))
    )
    client = HdlcLink(parameters=HdlcParameters(rx, tx, window_rx, window_tx))
    client.connect(ADDRESS, 0.0)
    client.take()
    client.receive(between(False, 0x73, answer.info), 0.0)
    client.send(ADDRESS, bytes(5000), 0.0)
    sent = frames(client.take())
    assert len(sent) <= min(window_rx, agreed.window_rx)
    assert max(len(frame.info) for frame in sent) <= min(rx, agreed.max_info_rx)


@given(st.binary(max_size=24) | groups().map(lambda group: group[1]))
def test_any_information_of_snrm(info: bytes) -> None:
    meant = proposed(info)
    assert min(meant) >= 1
    assert max(meant[:2]) <= MAX_INFO
    assert max(meant[2:]) <= 7
    try:
        plain = parse(info)
    except DecodeError:
        return
    assert meant == plain._replace(
        max_info_tx=min(plain.max_info_tx, MAX_INFO), max_info_rx=min(plain.max_info_rx, MAX_INFO)
    )


@pytest.mark.parametrize(
    ("info", "meant"),
    [
        ("", DEFAULT),
        ("818000", DEFAULT),
        ("818003050180", DEFAULT),
        ("81800405020400", HdlcParameters(1024)),
        ("818006050400000400", HdlcParameters(1024)),
        ("81800c070400000007080400000003", HdlcParameters(128, 128, 7, 3)),
        ("818006070107080103", HdlcParameters(128, 128, 7, 3)),
        ("818003070109", HdlcParameters(128, 128, 7, 1)),
        ("818003070100", DEFAULT),
        ("818003050100", DEFAULT),
        ("8180040502ffff", HdlcParameters(MAX_INFO)),
        ("8180050503000400", DEFAULT),
        ("8180140502ffff", DEFAULT),
        ("80", DEFAULT),
    ],
)
def test_forms_of_proposals(info: str, meant: HdlcParameters) -> None:
    assert proposed(bytes.fromhex(info)) == meant
