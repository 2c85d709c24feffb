"""Services beyond GET, SET and ACTION between two real ends: ACCESS, blocks of everything, short names, no answers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from association.association_world import (
    CLIENT,
    ENERGY,
    FIVE,
    METER_TITLE,
    METHOD,
    POWER,
    SERVER,
    UNKNOWN,
    FakeMeter,
    RawClient,
    World,
    world,
)
from cosem.apdu import (
    AccessRequest,
    AccessSpecification,
    ActionRequestNormal,
    BlockNumberAccess,
    DataNotification,
    GeneralBlockTransfer,
    GeneralCiphering,
    GetRequestNormal,
    GetRequestWithList,
    IdentifiedKey,
    ParameterizedAccess,
    ReadRequest,
    ReadResponse,
    SelectiveAccess,
    SetRequestNormal,
    UnconfirmedWriteRequest,
    VariableName,
    WriteRequest,
    parse,
)
from cosem.association.blocks import MAX_WINDOW
from cosem.association.conversations import release
from cosem.association.settings import AssociationSettings
from cosem.association.state import Client
from cosem.association.steps import BREAK_ON_ERROR, SELF_DESCRIPTIVE, Call, Calls, Listen, Post
from cosem.codec import axdr
from cosem.conformance_block import LN_ALL, LN_CORE, SN_ALL, Conformance
from cosem.errors import ConfigError, ExceptionResponseReceived, LocalProtocolError, RemoteProtocolError, Timeout
from cosem.link.base import Address
from cosem.link.memory import LineQuality
from cosem.results import DataAccessResult
from cosem.security.policy import Policy

NULL = b"\x00"
BLOCKS_ONLY = Conformance.GET | Conformance.SET | Conformance.ACTION | Conformance.GENERAL_BLOCK_TRANSFER
FORMS = [(0, 0, "glo"), (5, 0x30, "glo"), (5, 0x30, "ded"), (5, 0x30, "general"), (0, 0x10, "glo")]


def both_ways(form: tuple[int, int, str] = (0, 0, "glo"), **other: Any) -> World:
    given = {"conformance": LN_ALL} | other
    made = world(*form, **given)
    made.initiator.settings.conformance = given["conformance"]
    made.associate()
    return made


# --- ACCESS ------------------------------------------------------------------------------------------------------

EVERYTHING = AccessRequest(
    (
        AccessSpecification(1, ENERGY),
        AccessSpecification(2, POWER),
        AccessSpecification(3, METHOD),
        AccessSpecification(4, ENERGY, SelectiveAccess(2, FIVE)),
        AccessSpecification(5, POWER, SelectiveAccess(1, FIVE)),
        AccessSpecification(1, UNKNOWN),
        AccessSpecification(3, METHOD._replace(method=99)),
    ),
    (NULL, FIVE, FIVE, NULL, FIVE, NULL, NULL),
)


@pytest.mark.parametrize("form", FORMS)
def test_access_does_everything_in_one_request(form: tuple[int, int, str]) -> None:
    both = both_ways(form)
    answer = both.call(Call(EVERYTHING))
    assert answer.values == (FIVE, NULL, FIVE, FIVE, NULL, NULL, NULL)
    assert [(item.kind, int(item.result)) for item in answer.results] == [
        (1, 0), (2, 0), (3, 0), (1, 0), (2, 0), (1, 4), (3, 4)
    ]  # fmt: skip
    assert answer.specs is None
    assert both.objects.values[POWER] == FIVE
    assert both.objects.selections[-3:-1] == [SelectiveAccess(2, FIVE), SelectiveAccess(1, FIVE)]
    assert both.objects.actions[-2:] == [(METHOD, FIVE), (METHOD._replace(method=99), None)]
    # What ACCESS asks for leaves with the protection of the association, which has no form of its own for it.
    assert set(both.objects.protections) == {form[1]}


def test_access_repeats_its_specifications_where_asked() -> None:
    assert both_ways().call(Call(EVERYTHING, options=SELF_DESCRIPTIVE)).specs == EVERYTHING.specs


def test_access_stops_at_the_first_failure_where_asked() -> None:
    both = both_ways()
    specs = (AccessSpecification(1, UNKNOWN), AccessSpecification(2, POWER), AccessSpecification(3, METHOD))
    answer = both.call(Call(AccessRequest(specs, (NULL, FIVE, FIVE)), options=BREAK_ON_ERROR))
    assert [int(item.result) for item in answer.results] == [4, 250, 250]
    assert POWER not in both.objects.values
    assert both.objects.actions == []


def test_access_without_agreement_is_refused() -> None:
    both = both_ways(conformance=LN_CORE)
    with pytest.raises(ExceptionResponseReceived):
        both.call(Call(EVERYTHING))


def test_an_access_of_too_few_values_is_refused_on_both_sides() -> None:
    both = both_ways()
    lacking = EVERYTHING._replace(values=(NULL,))
    with pytest.raises(LocalProtocolError, match="7 accesses with 1 values"):
        both.call(Call(lacking))
    client = RawClient(conformance=LN_ALL)
    client.associate(initiate=initiate(LN_ALL))
    assert client.one(lacking.encode(0xC0000001)).service == "exception-response"
    assert client.ask(EVERYTHING.encode(0x80000001)) == []


def initiate(conformance: Conformance, pdu: int = 1024) -> bytes:
    from cosem.apdu import InitiateRequest

    return InitiateRequest(int(conformance), pdu).encode()


def test_an_access_response_that_is_too_long_is_said_to_be() -> None:
    conformance = LN_ALL & ~Conformance.GENERAL_BLOCK_TRANSFER
    both = both_ways(conformance=conformance, max_pdu_size=64)
    both.objects.values[ENERGY] = axdr.encode(axdr.octet_string(bytes(100)))
    with pytest.raises(ExceptionResponseReceived):
        both.call(Call(AccessRequest((AccessSpecification(1, ENERGY),), (NULL,))))


def test_several_accesses_run_side_by_side_under_numbers_of_their_own() -> None:
    both = both_ways(conformance=LN_ALL & ~Conformance.GENERAL_BLOCK_TRANSFER)
    request = AccessRequest((AccessSpecification(1, ENERGY),), (NULL,))
    answers = both.call(Calls([request, GetRequestNormal(ENERGY, None)] * 20, window=6))
    assert [answer.service for answer in answers] == ["access-response", "get-response-normal"] * 20


def test_an_access_response_that_does_not_match_is_refused() -> None:
    fake = FakeMeter(conformance=LN_ALL)
    fake.associate(fake.accepting(conformance=int(LN_ALL)))
    from cosem.apdu import AccessResponse, AccessResult

    fake.answering = lambda service, invoke: [AccessResponse((), (AccessResult(1, 0),)).encode(invoke)]
    with pytest.raises(RemoteProtocolError, match="0 values and 1 results to 1 accesses"):
        fake.call(Call(AccessRequest((AccessSpecification(1, ENERGY),), (NULL,))))


# --- general block transfer --------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    st.integers(20, 300),
    st.integers(20, 300),
    st.integers(1, MAX_WINDOW),
    st.integers(1, 3000),
    st.sampled_from(FORMS),
    st.booleans(),
    st.sampled_from(["get", "set", "action", "list", "access"]),
)
def test_everything_goes_both_ways_in_blocks(
    client_pdu: int, server_pdu: int, window: int, size: int, form: tuple[int, int, str], hdlc: bool, what: str
) -> None:
    conformance = BLOCKS_ONLY | Conformance.MULTIPLE_REFERENCES | Conformance.ACCESS
    both = both_ways(
        form,
        conformance=conformance,
        max_pdu_size=client_pdu,
        server_pdu=server_pdu,
        block_window=window,
        hdlc=hdlc,
    )
    octets = axdr.encode(axdr.octet_string(both.random.randbytes(size)))
    both.objects.values[ENERGY] = octets
    if what == "get":
        assert both.call(Call(GetRequestNormal(ENERGY, None))).data == octets
    elif what == "set":
        assert both.call(Call(SetRequestNormal(POWER, None, octets))).result == 0
        assert both.objects.values[POWER] == octets
    elif what == "action":
        assert both.call(Call(ActionRequestNormal(METHOD, octets))).data == octets
    elif what == "list":
        assert both.call(Call(GetRequestWithList(((ENERGY, None),) * 5))).results == (octets,) * 5
    else:
        specs = (AccessSpecification(1, ENERGY), AccessSpecification(2, POWER))
        answer = both.call(Call(AccessRequest(specs, (NULL, octets))))
        assert answer.values == (octets, NULL)
    assert both.call(Call(GetRequestNormal(UNKNOWN, None))).result == 4
    both.run(release(both.initiator))
    assert both.objects.log[-1] == "closed"


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 20), st.sampled_from(FORMS))
def test_lost_blocks_are_repaired_on_a_line_that_loses_apdus(
    seed: int, window: int, form: tuple[int, int, str]
) -> None:
    """A wrapper over datagrams: each APDU is lost as a whole, now and then comes twice or late."""
    quality = LineQuality(loss=0.1, duplication=0.05, delay=0.05, jitter=0.05)
    both = both_ways(form, conformance=BLOCKS_ONLY, max_pdu_size=100, server_pdu=100, block_window=window, seed=seed)
    both.initiator.settings.block_timeout = 0.5
    both.initiator.settings.block_retries = 20
    both.initiator.settings.response_timeout = 60.0
    octets = axdr.encode(axdr.octet_string(both.random.randbytes(2000)))
    both.objects.values[ENERGY] = octets
    both.driver.pipe.quality = quality
    try:
        assert both.call(Call(SetRequestNormal(POWER, None, octets))).result == 0
        assert both.objects.values[POWER] == octets
    except (Timeout, ExceptionResponseReceived):
        pass  # the answer itself was lost, or a counter came too late
    assert both.objects.values.get(POWER) in (None, octets)


def test_one_after_the_other_where_blocks_were_agreed() -> None:
    both = both_ways(conformance=BLOCKS_ONLY, max_pdu_size=40)
    octets = axdr.encode(axdr.octet_string(bytes(200)))
    both.objects.values[ENERGY] = octets
    answers = both.call(Calls([GetRequestNormal(ENERGY, None), GetRequestNormal(UNKNOWN, None)] * 5, window=8))
    assert [answer.data for answer in answers] == [octets, None] * 5


def test_calls_that_wait_end_with_the_link() -> None:
    both = both_ways(conformance=BLOCKS_ONLY)
    both.driver.responder = None
    running = both.initiator.start(iter_calls(), both.driver.now)
    both.initiator.lost(both.driver.now)
    assert running.done
    assert [type(item).__name__ for item in running.outcome()] == ["ConnectionLost"] * 3


def iter_calls() -> Any:
    return (yield Calls([GetRequestNormal(ENERGY, None)] * 3, window=3))


def test_silence_in_the_middle_of_blocks_ends_in_a_time_out() -> None:
    both = both_ways(conformance=BLOCKS_ONLY, server_pdu=60)
    both.driver.pipe.quality = LineQuality(loss=1.0)
    with pytest.raises(Timeout, match="general block transfer"):
        both.call(Call(SetRequestNormal(POWER, None, axdr.encode(axdr.octet_string(bytes(500)))), timeout=100))
    both.driver.pipe.quality = LineQuality()
    assert both.call(Call(GetRequestNormal(ENERGY, None))).data == FIVE


def test_blocks_that_were_not_agreed_are_refused() -> None:
    client = RawClient()
    block = GeneralBlockTransfer(True, False, 1, 1, 0, b"\xc0").encode()
    assert client.one(block).service == "exception-response"
    client.associate()
    assert client.one(block).service == "exception-response"


@pytest.mark.parametrize(
    "block",
    [
        GeneralBlockTransfer(True, False, 1, 1, 7, b"\xc0"),
        GeneralBlockTransfer(True, False, 1, 0, 0, b"\xc0"),
        GeneralBlockTransfer(True, False, 1, 1, 0, GeneralBlockTransfer(True, False, 1, 1, 0, b"x").encode()),
    ],
)
def test_blocks_that_cannot_be_are_refused_and_the_next_request_works(block: GeneralBlockTransfer) -> None:
    client = RawClient(conformance=LN_ALL)
    client.associate(initiate=initiate(LN_ALL))
    refused = client.one(block.encode())
    if refused.service == "general-block-transfer":
        refused = parse(refused.block_data).service
    assert refused.service == "exception-response"
    assert client.one(GetRequestNormal(ENERGY, None).encode(0xC1)).data == FIVE
    assert client.one(b"\xe0\x01").service == "exception-response"
    assert client.one(block._replace(block_data=bytes(2000)).encode()).service_error == 4


def test_a_client_that_takes_nothing_back_sends_a_stream() -> None:
    client = RawClient(conformance=LN_ALL)
    client.associate(initiate=initiate(LN_ALL))
    octets = axdr.encode(axdr.octet_string(bytes(range(100))))
    request = SetRequestNormal(POWER, None, octets).encode(0x81)
    pieces = [request[start : start + 30] for start in range(0, len(request), 30)]
    for number, piece in enumerate(pieces, 1):
        last = number == len(pieces)
        assert client.ask(GeneralBlockTransfer(last, not last, 0, number, 0, piece).encode()) == []
    assert client.objects.values[POWER] == octets


def test_a_long_post_goes_out_as_a_stream() -> None:
    both = both_ways(conformance=LN_ALL, server_pdu=60)
    octets = axdr.encode(axdr.octet_string(bytes(300)))
    both.call(Post(SetRequestNormal(POWER, None, octets)))
    assert both.call(Call(GetRequestNormal(POWER, None))).data == octets


@pytest.mark.parametrize("protection", [0, 0x30])
def test_a_long_push_comes_in_blocks_nobody_acknowledges(protection: int) -> None:
    both = both_ways((5, protection, "general") if protection else (0, 0, "glo"), max_pdu_size=64)
    data = axdr.encode(axdr.octet_string(bytes(500)))
    both.responder.notify(both.address, DataNotification(b"", data), invoke=5, protection=protection)
    assert both.call(Listen(5.0)).data == data
    assert both.call(Call(GetRequestNormal(ENERGY, None))).data == FIVE


def test_a_push_with_a_missing_block_is_dropped_and_the_next_one_read() -> None:
    fake = FakeMeter(conformance=LN_ALL)
    fake.associate(fake.accepting(conformance=int(LN_ALL)))
    whole = DataNotification(b"", FIVE).encode(1)
    first = GeneralBlockTransfer(False, True, 0, 1, 0, whole[:3]).encode()
    last = GeneralBlockTransfer(True, False, 0, 2, 0, whole[3:]).encode()
    fake.say(GeneralBlockTransfer(True, False, 0, 3, 0, b"lost").encode(), first, last)
    assert fake.call(Listen(5.0)).data == FIVE


def test_blocks_nobody_asked_for_are_noted() -> None:
    fake = FakeMeter(conformance=LN_ALL)
    fake.associate(fake.accepting(conformance=int(LN_ALL)))
    nested = GeneralBlockTransfer(True, False, 3, 1, 0, b"x").encode()
    fake.say(
        GeneralBlockTransfer(True, False, 3, 1, 9, b"x").encode(),
        GeneralBlockTransfer(True, False, 0, 1, 0, nested).encode(),
        b"\xe0\x00",
    )
    fake.call(Listen(0.1))
    problems = "\n".join(fake.initiator.problems)
    assert "block 9 is acknowledged" in problems
    assert "within another" in problems


# --- without answers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_set_and_action_without_an_answer(form: tuple[int, int, str]) -> None:
    both = both_ways(form)
    both.call(Post(SetRequestNormal(POWER, None, FIVE)))
    both.call(Post(ActionRequestNormal(METHOD, FIVE)))
    both.call(Post(AccessRequest((AccessSpecification(3, METHOD),), (NULL,))))
    assert both.call(Call(GetRequestNormal(POWER, None))).data == FIVE
    assert both.objects.actions == [(METHOD, FIVE), (METHOD, None)]
    assert not both.initiator.problems


def pre_established(*, hdlc: bool = False, protection: int = 0, **other: Any) -> World:
    made = world(0, protection, "general", hdlc=hdlc, pre_established=True, meter_system_title=METER_TITLE, **other)
    made.objects.profiles[CLIENT].pre_established = True
    made.objects.profiles[CLIENT].client_system_title = b"CSMclien"
    return made


@pytest.mark.parametrize("hdlc", [False, True])
@pytest.mark.parametrize("protection", [0, 0x30])
def test_a_pre_established_association_needs_no_aarq(hdlc: bool, protection: int) -> None:
    both = pre_established(hdlc=hdlc, protection=protection)
    both.associate()
    assert both.call(Call(GetRequestNormal(ENERGY, None))).data == FIVE
    both.call(Post(SetRequestNormal(POWER, None, FIVE)))
    assert both.call(Call(GetRequestNormal(POWER, None))).data == FIVE
    both.run(release(both.initiator))
    assert both.initiator.state is Client.DISCONNECTED


@pytest.mark.parametrize("hdlc", [False, True])
def test_what_goes_to_all_is_carried_out_and_nobody_answers(hdlc: bool) -> None:
    both = pre_established(hdlc=hdlc, protection=0x30, broadcast=True, server_sap=0x7F, policy=Policy(0x30, 0x30))
    both.associate()
    both.call(Post(SetRequestNormal(POWER, None, FIVE)))
    both.driver.run(wait(), until=5.0)
    assert both.objects.values[POWER] == FIVE
    assert both.objects.receiving_broadcast.last is not None
    assert both.objects.receiving.last is None
    with pytest.raises(LocalProtocolError, match="goes to all"):
        both.call(Call(GetRequestNormal(ENERGY, None), timeout=1.0))


def wait() -> Any:
    yield Listen(1.0)


def test_settings_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match="pre-established"):
        AssociationSettings(broadcast=True)
    with pytest.raises(ConfigError, match="window"):
        AssociationSettings(block_window=64)
    with pytest.raises(ConfigError, match="ln, sn"):
        AssociationSettings(referencing="names")
    with pytest.raises(ConfigError, match="store"):
        raise_config()


def raise_config() -> None:
    both = pre_established(protection=0x30, lease=None)
    try:
        both.associate()
    except LocalProtocolError as error:
        raise ConfigError(str(error)) from None


# --- notifications -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_a_notification_is_confirmed_where_both_ends_want_it(form: tuple[int, int, str]) -> None:
    both = both_ways(form, confirm_notifications=True)
    both.responder.notify(both.address, DataNotification(b"", FIVE), invoke=7, protection=form[1], confirmed=True)
    assert both.call(Listen(5.0)).data == FIVE
    assert both.call(Call(GetRequestNormal(ENERGY, None))).data == FIVE
    assert "confirmed 40000007" in both.objects.log


def test_a_notification_is_not_confirmed_unasked() -> None:
    both = both_ways(confirm_notifications=True)
    both.responder.notify(both.address, DataNotification(b"", FIVE), invoke=7)
    both.call(Listen(5.0))
    both.call(Call(GetRequestNormal(ENERGY, None)))
    assert both.objects.log == ["opened"]


# --- general-ciphering, general-signing --------------------------------------------------------------------------


def test_general_ciphering_is_refused_by_name() -> None:
    octets = GeneralCiphering(b"", METER_TITLE, b"", b"", b"", IdentifiedKey(0), bytes(30)).encode()
    client = RawClient(conformance=LN_ALL)
    client.associate()
    assert client.one(octets).service == "exception-response"
    fake = FakeMeter(conformance=LN_ALL)
    fake.associate()
    fake.answering = lambda service, invoke: [octets]
    with pytest.raises(Exception, match="general-ciphering is not supported yet"):
        fake.call(Call(GetRequestNormal(ENERGY, None)))


# --- short names -------------------------------------------------------------------------------------------------


class Names:
    """Objects by short name beside the others."""

    def __init__(self, objects: Any) -> None:
        self._objects = objects
        self.names: dict[int, bytes] = {0x2808: FIVE}
        self.asked: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._objects, name)

    def read(self, session: Any, name: int, selection: Any) -> bytes | DataAccessResult:
        self.asked.append((name, selection))
        return self.names.get(name, DataAccessResult.OBJECT_UNDEFINED)

    def write(self, session: Any, name: int, selection: Any, data: bytes) -> DataAccessResult:
        self.asked.append((name, selection))
        if name not in self.names:
            return DataAccessResult.OBJECT_UNDEFINED
        self.names[name] = data
        return DataAccessResult.SUCCESS


def short_names(form: tuple[int, int, str] = (0, 0, "glo"), conformance: Conformance = SN_ALL, **other: Any) -> World:
    made = world(*form, conformance=conformance, referencing="sn", **other)
    made.objects.profiles[CLIENT].referencing = "sn"
    made.responder.server = names = Names(made.objects)
    made.responder._admission.server = names
    made.names = names  # type: ignore[attr-defined]
    made.initiator.settings.conformance = conformance
    made.associate()
    return made


SN_FORMS = [(0, 0, "glo"), (1, 0, "glo"), (0, 0x30, "glo"), (0, 0x30, "ded"), (0, 0x30, "general")]


@pytest.mark.parametrize("form", SN_FORMS)
def test_reading_and_writing_by_short_name(form: tuple[int, int, str]) -> None:
    both = short_names(form)
    wanted = ReadRequest((VariableName(0x2808), VariableName(1), ParameterizedAccess(0x2808, 2, FIVE)))
    assert both.call(Call(wanted)).results == (FIVE, 4, FIVE)
    assert both.names.asked[-1] == (0x2808, SelectiveAccess(2, FIVE))  # type: ignore[attr-defined]
    ten = axdr.encode(axdr.unsigned(10))
    written = WriteRequest((VariableName(0x2808), VariableName(1), ParameterizedAccess(2, 1, FIVE)), (ten, ten, ten))
    assert both.call(Call(written)).results == (0, 4, 4)
    assert both.call(Call(ReadRequest((VariableName(0x2808),)))).results == (ten,)
    both.call(Post(UnconfirmedWriteRequest((VariableName(0x2808),), (FIVE,))))
    assert both.call(Call(ReadRequest((VariableName(0x2808),)))).results == (FIVE,)
    both.run(release(both.initiator))


@settings(max_examples=50, deadline=None)
@given(
    st.integers(30, 200),
    st.integers(70, 200),
    st.integers(0, 2000),
    st.integers(1, 4),
    st.sampled_from(SN_FORMS),
    st.booleans(),
)
def test_short_names_in_blocks(
    client_pdu: int, server_pdu: int, size: int, count: int, form: tuple[int, int, str], general: bool
) -> None:
    conformance = SN_ALL if general else SN_ALL & ~Conformance.GENERAL_BLOCK_TRANSFER
    both = short_names(form, conformance, max_pdu_size=client_pdu, server_pdu=server_pdu)
    octets = axdr.encode(axdr.octet_string(both.random.randbytes(size)))
    specs = (VariableName(0x2808),) * count
    assert both.call(Call(WriteRequest(specs, (octets,) * count))).results == (0,) * count
    assert both.call(Call(ReadRequest(specs))).results == (octets,) * count
    long = ReadRequest((ParameterizedAccess(0x2808, 1, octets),))
    assert both.call(Call(long)).results == (octets,)


def raw_short_names(conformance: Conformance = SN_ALL, pdu: int = 1024) -> RawClient:
    client = RawClient(conformance=conformance)
    client.objects.profiles[CLIENT].referencing = "sn"
    names = Names(client.objects)
    client.responder.server = names
    client.responder._admission.server = names
    client.names = names  # type: ignore[attr-defined]
    client.one(client.aarq(context=2, initiate=initiate(conformance, pdu)))
    return client


@pytest.mark.parametrize(
    ("octets", "results"),
    [
        (ReadRequest((BlockNumberAccess(1),)).encode(), (DataAccessResult.NO_LONG_GET_IN_PROGRESS,)),
        (bytes.fromhex("0501060000020100"), (DataAccessResult.DATA_BLOCK_NUMBER_INVALID,)),
        (bytes.fromhex("0501060100010100"), (DataAccessResult.OTHER_REASON,)),
        (bytes.fromhex("0601070100010100"), (DataAccessResult.TYPE_UNMATCHED,)),
        (bytes.fromhex("060107010002010900"), (DataAccessResult.DATA_BLOCK_NUMBER_INVALID,)),
        (bytes.fromhex("06010701000101090100"), (DataAccessResult.OTHER_REASON,)),
        (bytes.fromhex("060102280800"), (DataAccessResult.TYPE_UNMATCHED,)),
        (bytes.fromhex("06010500010100"), (DataAccessResult.DATA_BLOCK_UNAVAILABLE,)),
        (bytes.fromhex("0502050001022808"), (DataAccessResult.DATA_BLOCK_UNAVAILABLE, FIVE)),
    ],
)
def test_short_name_requests_that_cannot_be(octets: bytes, results: tuple[Any, ...]) -> None:
    client = raw_short_names()
    assert client.one(octets).results == results
    assert client.one(ReadRequest((VariableName(0x2808),)).encode()).results == (FIVE,)


def test_a_block_out_of_turn_ends_the_long_response() -> None:
    client = raw_short_names(SN_ALL & ~Conformance.GENERAL_BLOCK_TRANSFER, pdu=40)
    client.names.names[0x2808] = axdr.encode(axdr.octet_string(bytes(100)))  # type: ignore[attr-defined]
    (block,) = client.one(ReadRequest((VariableName(0x2808),)).encode()).results
    assert (block.last, block.number) == (False, 1)
    assert client.one(ReadRequest((BlockNumberAccess(2),)).encode()).results == (19,)
    assert client.one(ReadRequest((BlockNumberAccess(1),)).encode()).results == (
        DataAccessResult.NO_LONG_GET_IN_PROGRESS,
    )


def test_short_names_keep_to_what_was_agreed() -> None:
    client = raw_short_names(Conformance.READ | Conformance.WRITE, pdu=40)
    two = (VariableName(0x2808), VariableName(0x2808))
    assert client.one(ReadRequest(two).encode()).results == (13, 13)
    assert client.one(WriteRequest(two, (FIVE, FIVE)).encode()).results == (13, 13)
    selected = (ParameterizedAccess(0x2808, 1, FIVE),)
    assert client.one(ReadRequest(selected).encode()).results == (13,)
    assert client.one(WriteRequest(selected, (FIVE,)).encode()).results == (13,)
    assert client.one(bytes.fromhex("06010701000101090100")).results == (250,)
    client.names.names[0x2808] = axdr.encode(axdr.octet_string(bytes(100)))  # type: ignore[attr-defined]
    assert client.one(ReadRequest(two[:1]).encode()).results == (250,)


def test_a_meter_without_short_names_says_so() -> None:
    client = RawClient(conformance=SN_ALL)
    client.objects.profiles[CLIENT].referencing = "sn"
    assert client.one(client.aarq(context=1, initiate=initiate(SN_ALL))).result == 1
    client.one(client.aarq(context=2, initiate=initiate(SN_ALL)))
    refused = client.one(ReadRequest((VariableName(0x2808),)).encode())
    assert (refused.service, refused.service_name) == ("confirmed-service-error", "read")


def test_read_answers_that_do_not_match_are_refused() -> None:
    from cosem.apdu import BlockNumber, WriteResponse

    fake = FakeMeter(conformance=SN_ALL, referencing="sn")
    fake.associate(fake.accepting(conformance=int(SN_ALL & ~Conformance.GENERAL_BLOCK_TRANSFER), context=2))
    read, write = ReadRequest((VariableName(8),)), WriteRequest((VariableName(8),), (FIVE,))
    for answer in (ReadResponse((FIVE, FIVE)), ReadResponse((BlockNumber(1),))):
        fake.answering = lambda service, invoke, answer=answer: [answer.encode()]
        with pytest.raises(RemoteProtocolError):
            fake.call(Call(read))
    for other in (WriteResponse((0, 0)), WriteResponse((BlockNumber(1),))):
        fake.answering = lambda service, invoke, answer=other: [answer.encode()]
        with pytest.raises(RemoteProtocolError):
            fake.call(Call(write))
    fake.answering = lambda service, invoke: [WriteResponse((0,)).encode()]
    with pytest.raises(RemoteProtocolError, match="before everything"):
        fake.call(Call(WriteRequest((VariableName(8),), (axdr.encode(axdr.octet_string(bytes(3000))),))))


def test_what_is_too_long_without_blocks_is_refused_here() -> None:
    both = short_names(conformance=Conformance.READ | Conformance.WRITE, server_pdu=60)
    octets = axdr.encode(axdr.octet_string(bytes(100)))
    with pytest.raises(LocalProtocolError, match="Read in blocks"):
        both.call(Call(ReadRequest((ParameterizedAccess(8, 1, octets),))))
    with pytest.raises(LocalProtocolError, match="Write in blocks"):
        both.call(Call(WriteRequest((VariableName(8),), (octets,))))


def test_requests_without_invoke_id_go_one_after_the_other() -> None:
    both = short_names(conformance=SN_ALL & ~Conformance.GENERAL_BLOCK_TRANSFER)
    read = ReadRequest((VariableName(0x2808),))
    answers = both.call(Calls([read, ReadRequest((VariableName(1),))] * 3, window=4))
    assert [answer.results for answer in answers] == [(FIVE,), (4,)] * 3
    assert both.address == Address(CLIENT, SERVER)


def test_a_late_answer_without_an_invoke_id_becomes_no_other_value() -> None:
    fake = FakeMeter(conformance=SN_ALL, referencing="sn", response_timeout=1.0)
    fake.associate(fake.accepting(conformance=int(SN_ALL & ~Conformance.GENERAL_BLOCK_TRANSFER), context=2))
    read = ReadRequest((VariableName(8),))
    with pytest.raises(Timeout):
        fake.call(Call(read))
    # The answer to the first may come now, and nothing in it says so.
    with pytest.raises(LocalProtocolError, match="connect anew"):
        fake.call(Call(read))
    fake.say(ReadResponse((FIVE,)).encode())
    fake.driver.cut()
    fake.driver.connected = True
    fake.associate(fake.accepting(conformance=int(SN_ALL & ~Conformance.GENERAL_BLOCK_TRANSFER), context=2))
    fake.answering = lambda service, invoke: [ReadResponse((NULL,)).encode()]
    assert fake.call(Call(read)).results == (NULL,)
