"""Habits of real meters: each with its tolerance on and off, by a reader and by whoever describes a device.

The habits of HDLC lines are tried in `link/test_hdlc_habits.py`.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from association.association_world import FakeMeter, RawClient
from cosem.apdu import parse
from cosem.apdu.acse import LN, Aare
from cosem.apdu.habits import habits, reader
from cosem.apdu.initiate import InitiateRequest, InitiateResponse
from cosem.apdu.notify import DataNotification, DataNotificationConfirm, EventNotification
from cosem.association.conversations import open_association
from cosem.association.responder import ResponderSettings
from cosem.client.keyfile import KeyFile
from cosem.client.listen import Listener, Senders
from cosem.client.plan import Plan
from cosem.codec import axdr
from cosem.codec.untyped import typed
from cosem.conformance_block import LN_CORE
from cosem.errors import ConfigError, CosemError, DecodeError
from cosem.link.base import Address, ApduReceived, Discarded, LinkDown
from cosem.link.hdlc.link import HdlcLink
from cosem.link.wrapper import WrapperLink, build
from cosem.pushes.readings import readings
from cosem.tolerances import SERVER_TOLERANCES, STRICT, TOLERANT, Tolerances

MOMENT = bytes.fromhex("07e60a1d06133a38ff800000")
FIVE = axdr.encode(axdr.double_long_unsigned(5))
TARGET = parse(bytes.fromhex("c001c100030100010800ff0200")).service.target
PUSH = DataNotification(MOMENT, FIVE).encode(7)
REQUEST = InitiateRequest(int(LN_CORE), 1024)
RESPONSE = InitiateResponse(int(LN_CORE), 1024)
ROW = bytes.fromhex("0003 0100010700ff 02") + FIVE
ROWS = bytes.fromhex("0202 1601 0102 0202") + ROW + b"\x02\x02" + ROW
UNTYPED = DataNotification(b"", FIVE).encode(7)[: -len(FIVE)] + ROWS


def shortened(apdu: bytes) -> bytes:
    """Return an initiate APDU with the tag of the conformance block in one octet."""
    assert apdu.count(b"\x5f\x1f\x04\x00") == 1
    return apdu.replace(b"\x5f\x1f\x04\x00", b"\x5f\x04\x00")


def tagged(apdu: bytes) -> bytes:
    """Return a notification whose date-time has the tag of an octet-string."""
    assert apdu.count(b"\x0c" + MOMENT) == 1
    return apdu.replace(b"\x0c" + MOMENT, b"\x09\x0c" + MOMENT)


HABITS = [
    ("tagged_date_time", tagged(PUSH), PUSH),
    ("tagged_date_time", tagged(EventNotification(MOMENT, TARGET, FIVE).encode()), None),
    ("tagged_date_time", tagged(DataNotificationConfirm(MOMENT).encode(7)), None),
    ("short_conformance_tag", shortened(REQUEST.encode()), REQUEST.encode()),
    ("short_conformance_tag", shortened(RESPONSE.encode()), RESPONSE.encode()),
    ("short_conformance_tag", shortened(REQUEST._replace(dedicated_key=b"\x5f\x04\x00\x06" * 4).encode()), None),
    ("untyped_descriptors", UNTYPED, None),
]


@pytest.mark.parametrize(("name", "habit", "proper"), HABITS, ids=[f"{row[0]} {row[1][0]:02x}" for row in HABITS])
def test_a_habit_of_an_apdu_is_read_where_it_is_tolerated(name: str, habit: bytes, proper: bytes | None) -> None:
    read = parse(habit)
    assert habits(habit, read.service) == (name,)
    assert reader(TOLERANT)(habit) == read
    assert reader(STRICT._replace(**{name: True}))(habit, checked=False) == read
    for tolerances in (STRICT, TOLERANT._replace(**{name: False})):
        with pytest.raises(DecodeError, match=name):
            reader(tolerances)(habit)
    # It is read as what is meant, and sent as the standard has it.
    again = read.service.encode(read.invoke)
    assert again != habit
    assert reader(STRICT)(again) == read
    if proper is not None:
        assert again == proper


def test_proper_apdus_have_no_habits() -> None:
    for apdu in (PUSH, REQUEST.encode(), RESPONSE.encode(), bytes.fromhex("c001c100030100010800ff0200")):
        assert habits(apdu, parse(apdu).service) == ()
        assert reader(STRICT)(apdu) == parse(apdu)


# --- bare descriptors -------------------------------------------------------------------------------------------


def test_rows_with_bare_descriptors_are_named() -> None:
    value = axdr.decode(parse(UNTYPED).service.data)
    assert [str(reading) for reading in readings(value, "XX")] == ["1-0:1.7.0.255 = 5"] * 2
    first = readings(value)[0]
    assert (first.class_id, first.attribute) == (3, 2)


OBJECTS = st.tuples(
    st.integers(1, 255), st.binary(min_size=5, max_size=5).map(lambda name: name + b"\xff"), st.integers(1, 127)
)
LEAVES = st.one_of(
    st.integers(0, 2**32 - 1).map(axdr.double_long_unsigned),
    st.binary(max_size=12).map(axdr.octet_string),
    st.just(axdr.NULL),
)


@given(st.lists(st.tuples(OBJECTS, LEAVES), min_size=1, max_size=8))
def test_bare_descriptors_come_out_typed(rows: list[tuple[tuple[int, bytes, int], axdr.Data]]) -> None:
    bare = b"\x01" + bytes((len(rows),))
    for (class_id, name, attribute), value in rows:
        bare += b"\x02\x02\x00" + bytes((class_id,)) + name + bytes((attribute,)) + axdr.encode(value)
    expected = axdr.array(
        *(
            axdr.structure(
                axdr.structure(axdr.long_unsigned(class_id), axdr.octet_string(name), axdr.integer(attribute)), value
            )
            for (class_id, name, attribute), value in rows
        )
    )
    assert axdr.decode(typed(bare)) == expected


@given(st.binary(max_size=80), st.sampled_from([b"", b"\x01\x02\x02\x02", b"\x02\x02" + ROW[:9]]))
def test_any_octets_are_typed_or_refused(octets: bytes, head: bytes) -> None:
    try:
        made = typed(head + octets)
    except DecodeError:
        return
    axdr.decode(made)


@pytest.mark.parametrize("octets", [b"", FIVE, b"\x02\x02" + ROW + b"\x00", b"\x02\x02" + ROW[:-1], b"\x01\x01" * 200])
def test_what_holds_no_bare_descriptor_is_refused(octets: bytes) -> None:
    with pytest.raises(DecodeError):
        typed(octets)


# --- noise between wrapper frames -------------------------------------------------------------------------------


def heard(link: WrapperLink, *pieces: bytes) -> list[bytes]:
    events = [event for piece in pieces for event in link.receive(piece, 0.0)]
    return [event.octets for event in events if isinstance(event, ApduReceived)]


@pytest.mark.parametrize("noise", [b"noise", b"\x00", b"\x00\x00\x01", b"\x00\x02" + bytes(6), b"\xff" * 500])
def test_noise_between_pushes_costs_a_listener_nothing(noise: bytes) -> None:
    octets = noise + build(1, 16, PUSH) + noise + build(2, 16, PUSH) + build(1, 16, PUSH)
    assert heard(WrapperLink(), octets) == [PUSH] * 3
    assert heard(WrapperLink(), *(bytes((octet,)) for octet in octets)) == [PUSH] * 3
    without = WrapperLink(tolerances=STRICT)
    assert heard(without, octets) == []
    assert heard(without, build(1, 16, PUSH)) == []


def test_what_was_passed_over_is_told() -> None:
    events = WrapperLink().receive(b"noise" + build(1, 16, PUSH), 0.0)
    assert isinstance(events[0], Discarded)
    assert events[0].octets == b"noise"


def test_a_header_without_a_known_apdu_behind_it_is_noise() -> None:
    fake = build(1, 16, b"\x00\x01\x02")
    assert heard(WrapperLink(), b"!" + fake + build(1, 16, PUSH)) == [PUSH]


def test_who_has_dialled_gives_the_link_up() -> None:
    link = WrapperLink()
    link.connect(Address(16, 1), 0.0)
    events = link.receive(b"noise", 0.0)
    assert [type(event) for event in events] == [Discarded, LinkDown]


@given(st.lists(st.one_of(st.just(build(1, 16, PUSH)), st.binary(min_size=1, max_size=12)), max_size=8))
def test_octets_are_pushes_or_passed_over(parts: list[bytes]) -> None:
    octets = b"".join(parts)
    link = WrapperLink()
    kept = b""
    for event in link.receive(octets, 0.0):
        if isinstance(event, Discarded):
            kept += event.octets
        else:
            # Noise may happen to be a frame too, but only one that stands there.
            assert isinstance(event, ApduReceived)
            kept += build(event.address.server, event.address.client, event.octets)
    assert octets.startswith(kept)


# --- both ends --------------------------------------------------------------------------------------------------


def aare_with(response: bytes) -> bytes:
    return Aare(LN, user_information=response).encode()


@pytest.mark.parametrize("tolerances", [TOLERANT, STRICT])
def test_a_client_associates_with_an_old_meter_where_it_is_tolerated(tolerances: Tolerances) -> None:
    fake = FakeMeter(tolerances=tolerances)
    fake.answering = lambda service, invoke: [aare_with(shortened(RESPONSE.encode()))]
    if tolerances.short_conformance_tag:
        fake.driver.run(open_association(fake.initiator, fake.random.randbytes))
        assert fake.initiator.state.name == "ASSOCIATED"
        return
    with pytest.raises(CosemError):
        fake.driver.run(open_association(fake.initiator, fake.random.randbytes))


def test_a_device_answers_an_old_client_in_the_form_of_today() -> None:
    client = RawClient()
    aare = client.associate(initiate=shortened(REQUEST.encode()))
    assert aare.result == 0
    assert b"\x5f\x1f\x04\x00" in aare.user_information
    strict = RawClient(responder_settings=ResponderSettings(tolerances=STRICT))
    assert strict.associate(initiate=shortened(REQUEST.encode())).result == 1
    assert strict.associate(initiate=REQUEST.encode()).result == 0


@pytest.mark.parametrize("octets", [tagged(PUSH), UNTYPED], ids=["tagged date-time", "untyped"])
def test_a_listener_refuses_what_is_switched_off(octets: bytes) -> None:
    (push,) = Listener(WrapperLink()).receive(build(1, 16, octets), 0.0)
    assert push.problem is None
    assert push.value is not None
    listener = Listener(WrapperLink(), Senders(), STRICT)
    (push,) = listener.receive(build(1, 16, octets), 0.0)
    assert push.value is None
    assert push.problem is not None
    assert "tolerance" in push.problem
    # It costs only itself.
    assert listener.receive(build(1, 16, PUSH), 0.0)[0].problem is None


# --- descriptions -----------------------------------------------------------------------------------------------


def test_one_scheme() -> None:
    assert all(TOLERANT)
    assert not any(STRICT)
    assert Tolerances.strict() == STRICT
    assert {name for name in TOLERANT._fields if not getattr(SERVER_TOLERANCES, name)} == {
        "long_information",
        "push_to_no_station",
        "wrapper_noise",
    }


def test_the_description_of_a_device_switches_them() -> None:
    file = KeyFile(
        {
            "default": {"tolerances": {"llc_absent": False}},
            "exact": {"tolerances": "strict"},
            "old": {"tolerances": {"short_conformance_tag": True, "tagged_date_time": False}, "country": "no"},
        }
    )
    assert file.device().tolerances == TOLERANT._replace(llc_absent=False)
    assert file.device("exact").tolerances == STRICT
    assert file.device("old").tolerances == TOLERANT._replace(tagged_date_time=False)
    assert file.device("old").country == "NO"
    assert KeyFile({}).device().tolerances == TOLERANT
    for url in ("tcp://127.0.0.1?device=exact", "hdlc+tcp://127.0.0.1?device=exact"):
        plan = Plan(url, keys=file)
        link = plan.link()
        assert isinstance(link, (WrapperLink, HdlcLink))
        assert link.tolerances == STRICT
        assert plan.settings.tolerances == STRICT


@pytest.mark.parametrize("wrong", ["tolerant", 1, {"llc": True}, {"llc_absent": "no"}, ["llc_absent"]])
def test_a_description_with_a_mistake_is_refused(wrong: object) -> None:
    with pytest.raises(ConfigError, match="toleran"):
        KeyFile({"m": {"tolerances": wrong}})


@pytest.mark.parametrize("wrong", ["Norway", 47, "N1"])
def test_a_country_is_two_letters(wrong: object) -> None:
    with pytest.raises(ConfigError, match="country"):
        KeyFile({"m": {"country": wrong}})


def test_the_page_names_every_tolerance() -> None:
    from pathlib import Path

    page = (Path(__file__).parents[1] / "docs" / "tolerances.md").read_text(encoding="utf-8")
    assert [name for name in Tolerances._fields if f"`{name}`" not in page] == []


def test_a_serial_line_has_the_tolerances_of_its_device() -> None:
    file = KeyFile({"exact": {"tolerances": "strict"}})
    link = Plan("hdlc+serial:///dev/ttyUSB0?device=exact", keys=file).link()
    inner = link.inner  # type: ignore[attr-defined]
    assert inner.tolerances == STRICT
