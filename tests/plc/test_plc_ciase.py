"""CIASE PDUs and the two LLCs that carry them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.errors import ConfigError, DecodeError, EncodeError
from cosem.plc import ciase, llc
from cosem.plc.ciase import (
    CiaseDialect,
    CiasePdu,
    ClearAlarm,
    Discover,
    DiscoverReport,
    PingRequest,
    PingResponse,
    Register,
    Registration,
    RepeaterCallPdu,
    SystemAlarm,
)
from cosem.plc.llc import HdlcCiase, LlcData, LlcKind, LlcSettings
from support.power_line import frames

SIX = bytes.fromhex("580000000001")
OTHER = bytes.fromhex("580000000002")
EIGHT = bytes.fromhex("4752580000000001")
octet = st.integers(0, 255)


@st.composite
def pdus(draw: st.DrawFn) -> tuple[CiasePdu, CiaseDialect]:
    size = draw(st.sampled_from([6, 8]))
    title = st.binary(min_size=size, max_size=size)
    titles = st.lists(title, max_size=20).map(tuple)
    alarms = st.lists(octet, max_size=9).map(tuple)
    address = st.integers(0, 0xFFFF)
    pdu = draw(
        st.one_of(
            st.builds(PingRequest, title),
            st.builds(PingResponse, title),
            st.builds(Register, title, st.lists(st.builds(Registration, title, address), max_size=20).map(tuple)),
            st.builds(Discover, st.integers(0, 100), address, octet, octet),
            st.builds(DiscoverReport, titles, st.none() | octet),
            st.builds(RepeaterCallPdu, address, octet, st.none() | octet),
            st.builds(ClearAlarm, st.tuples(octet)),
            alarms.map(lambda items: ClearAlarm(items, as_list=len(items) == 1)),
            st.builds(ClearAlarm, alarms, st.lists(title, min_size=1, max_size=9).map(tuple)),
            st.lists(st.builds(SystemAlarm, title, octet), min_size=1, max_size=9).map(
                lambda items: ClearAlarm(systems=tuple(items))
            ),
        )
    )
    return pdu, CiaseDialect(title_size=size, new_slots_optional=draw(st.booleans()))


@given(pdus())
def test_pdus_come_back(case: tuple[CiasePdu, CiaseDialect]) -> None:
    pdu, dialect = case
    octets = ciase.build(pdu, dialect)
    assert ciase.parse(octets, dialect) == pdu
    for end in range(1, len(octets)):
        with pytest.raises(DecodeError):
            ciase.parse(octets[:end], dialect)
    with pytest.raises(DecodeError):
        ciase.parse(octets + b"\x00", dialect)


@pytest.mark.parametrize(
    ("pdu", "octets"),
    [
        (PingRequest(SIX), "19 580000000001"),
        (PingResponse(SIX), "1a 580000000001"),
        (Register(SIX, (Registration(OTHER, 0x101),)), "1c 580000000001 01 580000000002 0101"),
        (Discover(100, 10), "1d 64 000a 00 00"),
        (Discover(50, 30, 2), "1d 32 001e 02 00"),
        (DiscoverReport((SIX,)), "1e 01 580000000001 00"),
        (DiscoverReport((SIX,), 0x82), "1e 01 580000000001 01 82"),
        (DiscoverReport((EIGHT,), 0), "1e 01 4752580000000001 01 00"),
        (RepeaterCallPdu(99), "1f 0063 00 00"),
        (RepeaterCallPdu(99, 2, 96), "1f 0063 02 01 60"),
        (ClearAlarm((0x82,)), "39 00 82"),
        (ClearAlarm((0x82,), as_list=True), "39 01 01 82"),
        (ClearAlarm((1, 2), (SIX,)), "39 02 02 01 02 01 580000000001"),
        (ClearAlarm(systems=(SystemAlarm(SIX, 3),)), "39 03 01 580000000001 03"),
    ],
)
def test_octets_of_pdus(pdu: CiasePdu, octets: str) -> None:
    assert ciase.build(pdu) == bytes.fromhex(octets)
    assert ciase.parse(bytes.fromhex(octets)) == pdu


@given(pdus())
def test_the_size_of_titles_is_found_out(case: tuple[CiasePdu, CiaseDialect]) -> None:
    pdu, dialect = case
    dialect = CiaseDialect(title_size=dialect.title_size)
    found = ciase.parse(ciase.build(pdu, dialect))
    if not isinstance(pdu, (Register, ClearAlarm)):
        assert found == pdu
    # Where both sizes explain every octet, which takes counts that fit by chance, what is found is as good a reading.
    assert ciase.build(found) == ciase.build(pdu, dialect)


def test_the_other_reading_of_a_repeater_call() -> None:
    optional = CiaseDialect(new_slots_optional=True)
    assert ciase.build(RepeaterCallPdu(99), optional) == ciase.build(RepeaterCallPdu(99))
    assert ciase.build(RepeaterCallPdu(99, 2, 96), optional) == bytes.fromhex("1f 0063 01 02 01 60")
    assert ciase.parse(bytes.fromhex("1f 0063 01 02 00"), optional) == RepeaterCallPdu(99, 2)
    assert RepeaterCallPdu(99).threshold_dbuv == 104


@pytest.mark.parametrize(
    "pdu",
    [
        PingRequest(b"1234567"),
        Register(SIX, (Registration(EIGHT, 1),)),
        DiscoverReport((SIX, EIGHT)),
        Discover(101, 1),
        Discover(1, 65536),
        RepeaterCallPdu(1, 256),
        ClearAlarm((1,), (), (SystemAlarm(SIX, 1),)),
    ],
)
def test_what_has_no_octets(pdu: CiasePdu) -> None:
    with pytest.raises(EncodeError):
        ciase.build(pdu)


NO_PDUS = ["", "1b", "1d 65 0001 00 00", "1e 01 580000000001 02", "1f 0063 00 02", "39 04", "1e 84 ffffffff", "1e 80"]


@pytest.mark.parametrize("octets", NO_PDUS)
def test_octets_that_are_no_pdu(octets: str) -> None:
    with pytest.raises(DecodeError):
        ciase.parse(bytes.fromhex(octets))


@given(st.binary(max_size=40), st.sampled_from([0x19, 0x1A, 0x1C, 0x1D, 0x1E, 0x1F, 0x39, 0x00]))
def test_any_octets_give_a_pdu_or_an_error(octets: bytes, tag: int) -> None:
    error = None
    try:
        ciase.parse(bytes((tag,)) + octets)
    except DecodeError as refused:
        error = refused
    assert error is None or 0 <= error.offset <= len(octets) + 1


def test_a_dialect_of_other_titles() -> None:
    with pytest.raises(ConfigError):
        CiaseDialect(title_size=7)


# --- LLC -------------------------------------------------------------------------------------------------------


@given(octet, octet, st.binary(min_size=1, max_size=239))
def test_connectionless_data_comes_back(destination: int, source: int, sdu: bytes) -> None:
    data = LlcData(destination, source, sdu)
    m_sdu = llc.build(data, LlcSettings(242))
    assert m_sdu == bytes((0x90, destination, source)) + sdu
    assert llc.parse(m_sdu) == data
    assert llc.kind_of(m_sdu) is LlcKind.CONNECTIONLESS
    assert data.is_ciase == (0 in (destination, source))


@pytest.mark.parametrize(("limit", "longest"), [(26, 23), (134, 131), (242, 239)])
def test_limits_of_an_apdu(limit: int, longest: int) -> None:
    settings = LlcSettings(limit)
    assert settings.max_sdu == longest
    assert len(llc.build(LlcData(1, 16, bytes(longest)), settings)) == limit
    with pytest.raises(EncodeError, match=f"1 to {longest}"):
        llc.build(LlcData(1, 16, bytes(longest + 1)), settings)


def test_limits_of_the_limit() -> None:
    assert LlcSettings().max_frame_length == 134
    for length in (25, 243):
        with pytest.raises(ConfigError):
            LlcSettings(length)


@pytest.mark.parametrize("m_sdu", ["", "90", "9000", "900001", "91000119", "e6e600c0"])
def test_what_is_no_connectionless_data(m_sdu: str) -> None:
    with pytest.raises(DecodeError):
        llc.parse(bytes.fromhex(m_sdu))


@pytest.mark.parametrize("m_sdu", ["", "00", "e6e600"])
def test_what_no_llc_begins_with(m_sdu: str) -> None:
    with pytest.raises(DecodeError, match="neither 90"):
        llc.kind_of(bytes.fromhex(m_sdu))


def test_management_over_hdlc() -> None:
    seen = {case["what"]: bytes.fromhex(case["sdu"]) for case in frames("line") if case["sdu"].startswith("7e")}
    expected = {
        "discover": HdlcCiase(False, bytes.fromhex("1d6400140000")),
        "discoverreport-new": HdlcCiase(True, bytes.fromhex("1e01475258000000000100")),
        "ping": HdlcCiase(False, bytes.fromhex("194752580000000001"), header=False),
        "repeatercall": HdlcCiase(False, bytes.fromhex("1f00630000"), header=False),
    }
    for name, data in expected.items():
        assert llc.kind_of(seen[name]) is LlcKind.HDLC
        assert llc.parse_hdlc_ciase(seen[name]) == data
        assert llc.build_hdlc_ciase(data) == seen[name]
    with pytest.raises(DecodeError, match="management"):
        llc.parse_hdlc_ciase(seen["snrm"])
    with pytest.raises(EncodeError):
        llc.build_hdlc_ciase(HdlcCiase(False, bytes(231)))
