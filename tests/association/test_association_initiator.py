"""The initiating side against a meter that answers whatever a test wants."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from association.association_world import (
    CLIENT_TITLE,
    ENERGY,
    FIVE,
    KEYS,
    METER_TITLE,
    METHOD,
    POWER,
    FakeMeter,
    single,
    world,
)
from cosem.apdu.acse import AUTHENTICATION, LN, LN_CIPHERED, Aare, Rlre
from cosem.apdu.action import (
    ActionRequestNormal,
    ActionRequestWithList,
    ActionResponseNextPblock,
    ActionResponseNormal,
    ActionResponseWithList,
    ActionResponseWithOptionalData,
    ActionResponseWithPblock,
)
from cosem.apdu.ciphered import GeneralDed, GeneralGlo
from cosem.apdu.errors import ConfirmedServiceError, ExceptionResponse
from cosem.apdu.fields import DataBlock
from cosem.apdu.get import (
    GetRequestNext,
    GetRequestNormal,
    GetRequestWithList,
    GetResponseNormal,
    GetResponseWithDatablock,
    GetResponseWithList,
)
from cosem.apdu.initiate import InitiateResponse
from cosem.apdu.notify import DataNotification, EventNotification
from cosem.apdu.set import (
    SetRequestNormal,
    SetRequestWithList,
    SetResponseDatablock,
    SetResponseLastDatablock,
    SetResponseLastDatablockWithList,
    SetResponseNormal,
    SetResponseWithList,
)
from cosem.association.conversations import associate, open_association, release
from cosem.association.initiator import GRACE, QUARANTINE
from cosem.association.state import Client
from cosem.association.steps import (
    Call,
    Calls,
    CloseLink,
    Dial,
    Hangup,
    Listen,
    OpenLink,
    Post,
    Save,
    Sleep,
)
from cosem.codec import axdr
from cosem.conformance_block import LN_CORE, Conformance
from cosem.errors import (
    AccessError,
    AssociationRejected,
    Cancelled,
    ConfigError,
    ConnectionLost,
    CosemError,
    CounterExhausted,
    DecodeError,
    ExceptionResponseReceived,
    HlsFailed,
    InvocationCounterError,
    LocalProtocolError,
    PolicyViolation,
    RemoteProtocolError,
    SecurityError,
    ServiceErrorReceived,
    TagMismatch,
    Timeout,
)
from cosem.results import DataAccessResult
from cosem.security.context import SecurityContext
from cosem.security.counters import END, SendingCounter
from cosem.security.keys import Keys

GET = GetRequestNormal(ENERGY, None)
SIX = axdr.encode(axdr.double_long_unsigned(6))


def meter(protection: int = 0, ciphering: str = "glo", *, pdu: int = 1024, **other: Any) -> FakeMeter:
    fake = FakeMeter(0, protection, ciphering, **other)
    fake.associate(fake.accepting(pdu=pdu))
    assert fake.initiator.state is Client.ASSOCIATED
    return fake


def always(*answers: Any) -> Any:
    """Return an `answering` that gives these services under the invoke-id asked."""
    return lambda service, invoke: [item if isinstance(item, bytes) else item.encode(invoke) for item in answers]


# --- associating ---------------------------------------------------------------------------------------------


def refused(fake: FakeMeter, answer: bytes | None, error: type[CosemError], match: str = ".") -> CosemError:
    fake.answering = lambda service, invoke: [] if answer is None else [answer]
    with pytest.raises(error, match=match) as caught:
        fake.driver.run(open_association(fake.initiator, fake.random.randbytes))
    assert fake.initiator.state is Client.IDLE
    return caught.value


@pytest.mark.parametrize(
    ("result", "source", "diagnostic", "words"),
    [
        (1, "user", 13, "rejected-permanent, authentication-failure"),
        (2, "user", 1, "rejected-transient, no-reason-given. Not for good"),
        (1, "provider", 2, "rejected-permanent, no-common-acse-version"),
        (1, "user", 77, r"unknown \(77\)"),
    ],
)
def test_rejection_in_words(result: int, source: str, diagnostic: int, words: str) -> None:
    error = refused(FakeMeter(), Aare(LN, result, source, diagnostic).encode(), AssociationRejected, words)
    assert isinstance(error, AssociationRejected)
    assert (error.result, error.source, error.diagnostic) == (result, source, diagnostic)


def test_rejection_with_an_initiate_error() -> None:
    error = ConfirmedServiceError(1, 6, 3).encode()
    refused(FakeMeter(), Aare(LN, 1, "user", 1, error).encode(), AssociationRejected, "initiate: pdu-size-too-short")


def test_service_error_in_an_accepting_aare() -> None:
    fake = FakeMeter()
    answer = fake.accepting(user_information=ConfirmedServiceError(1, 6, 1).encode())
    refused(fake, answer, ServiceErrorReceived, "dlms-version-too-low")


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"user_information": None}, "without an initiate response"),
        ({"user_information": InitiateResponse(1, 1024, 7, negotiated_dlms_version=5).encode()}, "version 5"),
        ({"user_information": b"\x28\x1e" + bytes(30)}, "glo-initiate-response where an initiate response"),
        ({"user_information": b"\x01\x00\x00\x00\x06\x5f\x1f\x04\x00\x00\x10\x10\x04\x00"}, "initiate-request where"),
    ],
)
def test_accepting_aare_that_cannot_be(changes: dict[str, Any], match: str) -> None:
    fake = FakeMeter()
    refused(fake, fake.accepting(**changes), RemoteProtocolError, match)


def test_malformed_aare_ends_with_that_reason_after_the_grace_time() -> None:
    fake = FakeMeter()
    refused(fake, b"\x61\x03\x01\x02\x03", DecodeError)
    assert fake.driver.now == GRACE


def test_a_genuine_aare_behind_a_malformed_one_counts() -> None:
    fake = FakeMeter()
    fake.answering = lambda service, invoke: [b"\x61\x03\x01\x02\x03", fake.accepting()]
    fake.driver.run(open_association(fake.initiator, fake.random.randbytes))
    assert fake.initiator.state is Client.ASSOCIATED


def test_exception_response_to_an_aarq() -> None:
    error = refused(FakeMeter(), ExceptionResponse(1, 6, 500).encode(), ExceptionResponseReceived, "500")
    assert isinstance(error, ExceptionResponseReceived)
    assert error.invocation_counter == 500


def test_service_error_to_an_aarq() -> None:
    refused(FakeMeter(), ConfirmedServiceError(1, 0, 6).encode(), ServiceErrorReceived, "deciphering-error")


def test_silence_says_what_to_try() -> None:
    refused(FakeMeter(), None, Timeout, "no APDU came back from client 1 to server 1")


def test_silence_after_something_was_heard() -> None:
    fake = FakeMeter()
    refused(fake, Rlre(0).encode(), Timeout, "rlre that nobody waits for")
    fake = meter()
    fake.answering = always()
    with pytest.raises(Timeout, match="no answer to get-request-normal"):
        fake.call(Call(GET))


def test_silence_of_a_meter_that_answered_before() -> None:
    fake = meter()
    fake.answering = always()
    fake.call(CloseLink())
    with pytest.raises(Timeout, match="answered before"):
        fake.driver.run(open_association(fake.initiator, fake.random.randbytes))


def test_silence_on_an_hdlc_line() -> None:
    from cosem.association.conversations import silence

    both = world(hdlc=True, physical=17)
    both.driver.responder = None
    running = both.initiator.start(single(OpenLink()), 0.0)
    assert "nobody answers SNRM for client 1, server 1, physical 17" in silence(both.initiator)
    both.initiator.cancel(running, 0.0)
    assert both.initiator.state is Client.DISCONNECTED


def test_protected_association_refuses_a_plain_initiate_response() -> None:
    fake = FakeMeter(0, 0x30)
    plain = InitiateResponse(int(LN_CORE), 1024, 7).encode()
    refused(fake, fake.accepting(user_information=plain), PolicyViolation, "without protection")


def test_forged_initiate_response() -> None:
    fake = FakeMeter(0, 0x30)
    refused(fake, fake.accepting()[:-1] + b"\x00", TagMismatch)


def test_initiate_response_under_general_ciphering() -> None:
    fake = FakeMeter(0, 0x30, "general")
    plain = InitiateResponse(int(LN_CORE), 1024, 7).encode()
    information = GeneralGlo(METER_TITLE, fake.security.protect(plain, 0x30)).encode()
    fake.associate(fake.accepting(user_information=information))
    assert fake.initiator.state is Client.ASSOCIATED


@pytest.mark.parametrize("protection", [0, 0x30])
def test_another_meter_than_the_one_that_was_named(protection: int) -> None:
    fake = FakeMeter(0, protection, meter_system_title=b"CSMother")
    answer = fake.accepting(responding_ap_title=METER_TITLE)
    refused(fake, answer, PolicyViolation, "another system title")


def test_a_meter_that_tells_no_title_is_taken_for_the_one_that_was_named() -> None:
    fake = FakeMeter(0, 0x30, meter_system_title=METER_TITLE)
    fake.associate(fake.accepting(responding_ap_title=None))
    assert fake.initiator.state is Client.ASSOCIATED


@pytest.mark.parametrize("title", [None, b"short", b"much too long"])
def test_a_meter_without_a_usable_title(title: bytes | None) -> None:
    fake = FakeMeter(0, 0x30)
    refused(fake, fake.accepting(responding_ap_title=title), DecodeError, "system title has 8 octets")


# --- high level security ------------------------------------------------------------------------------------


def proving(fake: FakeMeter, *answers: Any, challenge: bytes | None = bytes(range(16)), diagnostic: int = 14) -> None:
    def answering(service: Any, invoke: int | None) -> list[bytes]:
        if service.tag == 0x60:
            return [
                fake.accepting(
                    diagnostic=diagnostic,
                    auth_value=service.auth_value if challenge == b"mirror" else challenge,
                    mechanism=6,
                    responder_acse_requirements=AUTHENTICATION,
                )
            ]
        return list(always(*answers)(service, invoke))

    fake.answering = answering
    fake.driver.run(open_association(fake.initiator, fake.random.randbytes))


@pytest.mark.parametrize(
    ("answer", "error", "match"),
    [
        (ActionResponseNormal(3), AccessError, "refuses our proof"),
        (ActionResponseNormal(77), AccessError, "unknown"),
        (ActionResponseNormal(0), HlsFailed, "no proof of its own"),
        (ActionResponseNormal(0, b"\x11\x05"), HlsFailed, "no octet-string"),
        (ActionResponseNormal(0, b"\x09\x7f"), DecodeError, "."),
        (ActionResponseNormal(0, b"\x09\x02\x01\x02"), HlsFailed, "proof is wrong"),
        (ActionResponseWithList((ActionResponseWithOptionalData(0, FIVE),)), RemoteProtocolError, "a list of 1"),
        (ExceptionResponse(1, 1).encode(), ExceptionResponseReceived, "."),
    ],
)
def test_meter_that_does_not_prove_itself(answer: Any, error: type[CosemError], match: str) -> None:
    fake = FakeMeter(6)
    with pytest.raises(error, match=match):
        proving(fake, answer)
    assert fake.initiator.state is Client.IDLE


def test_meter_that_sends_our_own_proof_back() -> None:
    fake = FakeMeter(6)

    def answering(service: Any, invoke: int | None) -> list[bytes]:
        if service.tag == 0x60:
            return [fake.accepting(diagnostic=14, auth_value=bytes(16), mechanism=6)]
        return [ActionResponseNormal(0, service.data).encode(invoke)]

    fake.answering = answering
    with pytest.raises(HlsFailed, match="our own proof"):
        fake.driver.run(open_association(fake.initiator, fake.random.randbytes))
    assert fake.initiator.state is Client.IDLE


def test_meter_that_sends_our_own_challenge_back() -> None:
    with pytest.raises(HlsFailed, match="our own challenge"):
        proving(FakeMeter(6), challenge=b"mirror")


@pytest.mark.parametrize("challenge", [b"1234567", bytes(65)])
def test_challenge_of_a_wrong_length(challenge: bytes) -> None:
    with pytest.raises(HlsFailed, match="8 to 64 octets"):
        proving(FakeMeter(6), challenge=challenge)


def test_meter_that_sends_no_challenge() -> None:
    with pytest.raises(HlsFailed, match="no challenge"):
        proving(FakeMeter(6), challenge=None)


def test_meter_that_accepts_without_a_proof() -> None:
    fake = FakeMeter(6)
    with pytest.raises(HlsFailed, match="without a proof"):
        proving(fake, diagnostic=0)
    assert fake.initiator.state is Client.IDLE


def test_silence_while_proving() -> None:
    fake = FakeMeter(6)
    with pytest.raises(Timeout):
        proving(fake)
    assert fake.initiator.state is Client.IDLE


# --- settings -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"mechanism": 3}, "off unless it is named"),
        ({"mechanism": 9}, "not supported"),
        ({"mechanism": 1}, "needs a password"),
        ({"mechanism": 6}, "needs the secret"),
        ({"ciphering": "gla"}, "ciphering is one of"),
        ({"suite": 1}, "suite 1"),
        ({"protection": 0x30, "ciphered": False}, "need the application context"),
        ({"protection": 0x30}, "system title of 8"),
        ({"mechanism": 5}, "system title of 8"),
        ({"challenge_length": 7}, "8 to 64"),
        ({"challenge_length": 65}, "8 to 64"),
    ],
)
def test_settings_that_cannot_be(changes: dict[str, Any], match: str) -> None:
    from cosem.association.settings import AssociationSettings

    with pytest.raises(ConfigError, match=match):
        AssociationSettings(**changes)


def test_settings_hide_the_secret() -> None:
    from cosem.association.settings import AssociationSettings

    assert "hunter2" not in repr(AssociationSettings(mechanism=1, secret=b"hunter2"))


def test_ciphering_without_a_store_of_counters() -> None:
    fake = FakeMeter(0, 0x30, lease=None)
    with pytest.raises(LocalProtocolError, match="store"):
        fake.associate()


# --- answers ------------------------------------------------------------------------------------------------


def test_call_before_the_association() -> None:
    fake = FakeMeter()
    with pytest.raises(LocalProtocolError, match="needs an association"):
        fake.call(Call(GET))
    assert fake.asked == []


def test_associating_twice() -> None:
    fake = meter()
    with pytest.raises(LocalProtocolError, match="not possible while associated"):
        fake.driver.run(associate(fake.initiator, fake.random.randbytes))


def test_exception_response_ends_the_call_it_answers() -> None:
    fake = meter()
    fake.answering = always(ExceptionResponse(1, 2).encode())
    with pytest.raises(ExceptionResponseReceived, match="service-not-supported"):
        fake.call(Call(GET))
    fake.answering = always(GetResponseNormal(FIVE))
    assert fake.call(Call(GET)).data == FIVE


def test_exception_response_ends_the_oldest_call() -> None:
    fake = meter()

    def answering(service: Any, invoke: int | None) -> list[bytes]:
        if len(fake.asked) == 2:
            return []
        return [ExceptionResponse(1, 2).encode(), GetResponseNormal(SIX).encode(invoke)]

    fake.answering = answering
    first, second = fake.call(Calls([GET, GetRequestNormal(POWER, None)], window=2))
    assert isinstance(first, ExceptionResponseReceived)
    assert second.data == SIX


def test_service_error_ends_the_call() -> None:
    fake = meter()
    fake.answering = always(ConfirmedServiceError(5, 5, 1).encode())
    with pytest.raises(ServiceErrorReceived, match="on read: access scope-of-access-violated"):
        fake.call(Call(GET))


def test_errors_that_nobody_waits_for_are_noted() -> None:
    fake = meter()
    fake.say(ExceptionResponse(1, 2).encode(), Rlre(0).encode(), GetResponseNormal(FIVE).encode(0xC1), b"\x0e\x01\x06")
    fake.call(Sleep(1))
    assert list(fake.initiator.problems) == [
        "exception-response that nobody waits for",
        "rlre that nobody waits for",
        "get-response-normal that nobody waits for",
        "an answer was refused: the octets end too early at octet 3 in confirmed-service-error",
    ]


def test_answer_under_other_priority_bits_is_taken() -> None:
    fake = meter()
    fake.answering = lambda service, invoke: [GetResponseNormal(FIVE).encode((invoke or 0) & 0x0F)]
    assert fake.call(Call(GET)).data == FIVE


@pytest.mark.parametrize(
    ("request_", "answers"),
    [
        (GET, [SetResponseNormal(0)]),
        (GET, [GetResponseNormal(FIVE).encode(0xCC)]),
        (GET, [ActionResponseNormal(0)]),
    ],
)
def test_answers_to_something_else_are_none(request_: Any, answers: list[Any]) -> None:
    fake = meter()
    fake.answering = always(*answers)
    with pytest.raises(Timeout):
        fake.call(Call(request_))


LIST = ((ENERGY, None), (POWER, None))
OUTCOME = ActionResponseWithOptionalData(0, FIVE)


@pytest.mark.parametrize(
    ("request_", "answer", "match"),
    [
        (GET, GetResponseWithList((FIVE,)), "a list of 1 was answered, no list was asked for"),
        (GetRequestWithList(LIST), GetResponseNormal(FIVE), "one value where a list"),
        (GetRequestWithList(LIST), GetResponseWithList((FIVE,)), "a list of 1 was answered, 2 were asked for"),
        (GetRequestWithList(LIST), GetResponseWithDatablock(True, 1, b"\x01\x00" + FIVE), "a list of 1"),
        (GET, GetResponseWithDatablock(True, 2, FIVE), "block 2 where 1 was expected"),
        (GET, GetResponseWithDatablock(True, 1, b""), "carried nothing"),
        (SetRequestNormal(ENERGY, None, FIVE), SetResponseWithList((0,)), "a list of 1"),
        (SetRequestNormal(ENERGY, None, FIVE), SetResponseDatablock(1), "where the result of a SET"),
        (SetRequestWithList(LIST, (FIVE, FIVE)), SetResponseNormal(0), "a list as a whole"),
        (SetRequestWithList(LIST, (FIVE, FIVE)), SetResponseWithList((0, 0, 0)), "a list of 3"),
        (ActionRequestNormal(METHOD, FIVE), ActionResponseWithList((OUTCOME,)), "a list of 1"),
        (ActionRequestNormal(METHOD, FIVE), ActionResponseNextPblock(1), "out of turn"),
        (ActionRequestWithList((METHOD, METHOD), (FIVE, FIVE)), ActionResponseNormal(0), "one outcome"),
        (ActionRequestNormal(METHOD, FIVE), ActionResponseWithPblock(DataBlock(True, 2, b"")), "block 2"),
    ],
)
def test_answer_that_does_not_fit_the_request(request_: Any, answer: Any, match: str) -> None:
    fake = meter()
    fake.answering = always(answer)
    with pytest.raises(RemoteProtocolError, match=match):
        fake.call(Call(request_))


@pytest.mark.parametrize(
    ("request_", "answer", "result"),
    [
        (GetRequestWithList(LIST), GetResponseNormal(None, DataAccessResult.OTHER_REASON), 250),
        (GET, GetResponseWithDatablock(True, 1, None, DataAccessResult.LONG_GET_ABORTED), 15),
        (SetRequestWithList(LIST, (FIVE, FIVE)), SetResponseNormal(3), 3),
        (SetRequestNormal(ENERGY, None, FIVE), SetResponseLastDatablock(18, 1), 18),
        (ActionRequestWithList((METHOD, METHOD), (FIVE, FIVE)), ActionResponseNormal(3), 3),
    ],
)
def test_a_refusal_as_a_whole_is_an_answer(request_: Any, answer: Any, result: int) -> None:
    fake = meter()
    fake.answering = always(answer)
    assert fake.call(Call(request_)).result == result


def test_malformed_content_of_a_finished_transfer() -> None:
    fake = meter()
    fake.answering = always(ActionResponseWithPblock(DataBlock(True, 1, b"\x00\x07")))
    with pytest.raises(DecodeError):
        fake.call(Call(ActionRequestNormal(METHOD, None)))


def test_endless_blocks_end() -> None:
    fake = meter()
    fake.answering = lambda service, invoke: [
        GetResponseWithDatablock(False, getattr(service, "block_number", 0) + 1, b"").encode(invoke)
    ]
    with pytest.raises(RemoteProtocolError, match="empty blocks"):
        fake.call(Call(GET))
    assert len(fake.asked) < 30


def test_a_transfer_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    from cosem.association import transfer

    monkeypatch.setattr(transfer.Incoming.__init__, "__defaults__", (1000,))
    fake = meter()
    fake.answering = lambda service, invoke: [
        GetResponseWithDatablock(False, getattr(service, "block_number", 0) + 1, bytes(300)).encode(invoke)
    ]
    with pytest.raises(RemoteProtocolError, match="more than 1000 octets"):
        fake.call(Call(GET))


def test_every_block_starts_the_time_out_anew() -> None:
    fake = meter(response_timeout=5)

    def slow() -> Generator[Any, Any, None]:
        for number in range(1, 6):
            yield Sleep(4)
            fake.say(GetResponseWithDatablock(number == 5, number, b"\x09\x00"[number % 2 :][:1]).encode(0xC1))

    fake.initiator.start(slow(), 0.0)
    assert len(fake.call(Call(GET)).data) == 5
    assert fake.driver.now == 20


# --- requests in blocks --------------------------------------------------------------------------------------

LONG = axdr.encode(axdr.octet_string(bytes(200)))


@pytest.mark.parametrize(
    "answer",
    [SetResponseNormal(0), SetResponseLastDatablock(0, 1), SetResponseDatablock(2), SetResponseDatablock(0)],
)
def test_set_in_blocks_answered_out_of_turn(answer: Any) -> None:
    fake = meter(pdu=80)
    fake.answering = always(answer)
    with pytest.raises(RemoteProtocolError):
        fake.call(Call(SetRequestNormal(ENERGY, None, LONG)))


def test_set_in_blocks_broken_off_by_the_meter() -> None:
    fake = meter(pdu=80)
    fake.answering = always(SetResponseLastDatablock(DataAccessResult.LONG_SET_ABORTED, 1))
    assert fake.call(Call(SetRequestNormal(ENERGY, None, LONG))).result == 17


def test_set_confirmed_once_more_than_there_are_blocks() -> None:
    fake = meter(pdu=80)
    fake.answering = lambda service, invoke: [SetResponseDatablock(service.block.number).encode(invoke)]
    with pytest.raises(RemoteProtocolError, match="where the result of a SET was expected"):
        fake.call(Call(SetRequestNormal(ENERGY, None, LONG)))


def test_set_list_in_blocks_that_succeeds_too_early() -> None:
    fake = meter(pdu=80)
    fake.answering = always(SetResponseLastDatablockWithList((0, 0), 1))
    with pytest.raises(RemoteProtocolError, match="before everything was sent"):
        fake.call(Call(SetRequestWithList(LIST, (LONG, LONG))))


@pytest.mark.parametrize(
    "answer",
    [ActionResponseNormal(0), ActionResponseNextPblock(2), ActionResponseWithPblock(DataBlock(True, 1, b"\x00\x00"))],
)
def test_action_in_blocks_answered_out_of_turn(answer: Any) -> None:
    fake = meter(pdu=80)
    fake.answering = always(answer)
    with pytest.raises(RemoteProtocolError):
        fake.call(Call(ActionRequestNormal(METHOD, LONG)))


@pytest.mark.parametrize(
    ("missing", "service"),
    [
        (Conformance.BLOCK_TRANSFER_WITH_SET_OR_WRITE, SetRequestNormal(ENERGY, None, LONG)),
        (Conformance.BLOCK_TRANSFER_WITH_ACTION, ActionRequestNormal(METHOD, LONG)),
    ],
)
def test_blocks_that_were_not_agreed(missing: Conformance, service: Any) -> None:
    fake = FakeMeter()
    fake.associate(fake.accepting(pdu=80, conformance=int(LN_CORE & ~missing)))
    with pytest.raises(LocalProtocolError, match="was not agreed"):
        fake.call(Call(service))


def test_requests_that_cannot_be_cut() -> None:
    from cosem.apdu.action import ActionRequestWithFirstPblock
    from cosem.apdu.fields import DataBlock as Block
    from cosem.apdu.set import SetRequestWithFirstDatablock

    fake = meter(pdu=80)
    for service in (
        SetRequestWithFirstDatablock(ENERGY, None, Block(True, 1, LONG)),
        ActionRequestWithFirstPblock(METHOD, Block(True, 1, LONG)),
    ):
        with pytest.raises(LocalProtocolError, match="too long for one PDU"):
            fake.call(Call(service))
    with pytest.raises(LocalProtocolError, match="the peer takes 80"):
        fake.call(Call(GetRequestWithList(LIST * 10)))
    with pytest.raises(LocalProtocolError, match="the peer takes 80"):
        fake.call(Post(SetRequestNormal(ENERGY, None, LONG)))


def test_peer_whose_pdu_size_leaves_no_room() -> None:
    fake = meter(0x30, pdu=20)
    with pytest.raises(CosemError, match="no room for a block"):
        fake.call(Call(SetRequestNormal(ENERGY, None, LONG)))


def test_services_that_are_not_confirmed() -> None:
    fake = meter()
    with pytest.raises(LocalProtocolError, match="post it"):
        fake.call(Call(DataNotification(b"", FIVE)))


def test_post_sends_an_unconfirmed_request() -> None:
    fake = meter()
    assert fake.call(Post(SetRequestNormal(ENERGY, None, FIVE))) is None
    fake.call(Sleep(1))
    invoke, service = fake.asked[-1]
    assert invoke is not None
    assert not invoke & 0x40
    assert service == SetRequestNormal(ENERGY, None, FIVE)


# --- protected answers ---------------------------------------------------------------------------------------


def test_plain_answer_under_protection_is_refused() -> None:
    fake = meter(0x30)
    fake.answering = always(GetResponseNormal(FIVE))
    with pytest.raises(PolicyViolation, match="without the protection"):
        fake.call(Call(GET))
    assert fake.driver.now == GRACE
    assert fake.initiator.context is not None
    assert fake.initiator.context.failures == 1


def spoiled(octets: bytes) -> bytes:
    return octets[:-1] + bytes((octets[-1] ^ 1,))


def forgeries(fake: FakeMeter, plain: bytes) -> list[bytes]:
    wrong_key = SecurityContext(Keys(bytes(16), bytes(16)), METER_TITLE, sending=SendingCounter(500, END))
    mirror = SecurityContext(KEYS, CLIENT_TITLE, sending=SendingCounter(9000, END))
    old = SecurityContext(KEYS, METER_TITLE, sending=SendingCounter(0, END))
    header = b"\xcc"

    def glo(context: SecurityContext, control: int = 0x30) -> bytes:
        content = context.protect(plain, control)
        return header + bytes((len(content),)) + content

    return [
        plain,
        spoiled(fake.protected(plain)),
        glo(wrong_key),
        glo(mirror),
        glo(old),
        fake.protected(plain, 0x10),
        fake.protected(plain, 0x20),
        header + b"\x05\x30\x00\x00\x00\x09",
        header + b"\x7f",
        GeneralGlo(b"CSMother", fake.security.protect(plain, 0x30)).encode(),
        GeneralGlo(b"short", fake.security.protect(plain, 0x30)).encode(),
        b"\xd4" + fake.protected(plain)[1:],
        GeneralDed(METER_TITLE, fake.security.protect(plain, 0x30)).encode(),
    ]


@pytest.mark.parametrize("number", range(13))
def test_forged_answer_is_refused_and_the_genuine_one_behind_it_counts(number: int) -> None:
    fake = meter(0x30)

    def answering(service: Any, invoke: int | None) -> list[bytes]:
        genuine = fake.protected(GetResponseNormal(FIVE).encode(invoke))
        return [forgeries(fake, GetResponseNormal(SIX).encode(invoke))[number], genuine]

    fake.answering = answering
    # a forgery is made after the genuine one took its counter: whatever it does, it may not move the counter
    assert fake.initiator.context is not None
    assert fake.call(Call(GET)).data == FIVE
    assert len(fake.initiator.problems) == 1
    assert fake.call(Call(GET)).data == FIVE


@pytest.mark.parametrize("number", range(13))
def test_forged_answer_alone_ends_the_call_after_the_grace_time(number: int) -> None:
    fake = meter(0x30)
    fake.answering = lambda service, invoke: [forgeries(fake, GetResponseNormal(SIX).encode(invoke))[number]]
    with pytest.raises((SecurityError, DecodeError)):
        fake.call(Call(GET))
    assert fake.driver.now == GRACE
    fake.answering = lambda service, invoke: [fake.protected(GetResponseNormal(FIVE).encode(invoke))]
    assert fake.call(Call(GET)).data == FIVE


def test_genuine_answer_later_within_the_grace_time() -> None:
    fake = meter(0x30)

    def later() -> Generator[Any, Any, None]:
        yield Sleep(GRACE / 2)
        fake.say(fake.protected(GetResponseNormal(FIVE).encode(fake.asked[-1][0])))

    def answering(service: Any, invoke: int | None) -> list[bytes]:
        return [spoiled(fake.protected(GetResponseNormal(SIX).encode(invoke)))]

    fake.answering = answering
    fake.initiator.start(later(), 0.0)
    assert fake.call(Call(GET)).data == FIVE


def test_replayed_answer_is_no_other_calls_answer() -> None:
    fake = meter(0x30)
    kept: list[bytes] = []

    def answering(service: Any, invoke: int | None) -> list[bytes]:
        kept.append(fake.protected(GetResponseNormal(FIVE).encode(invoke)))
        return [kept[0]]

    fake.answering = answering
    assert fake.call(Call(GET)).data == FIVE
    with pytest.raises(InvocationCounterError):
        fake.call(Call(GET))


def test_ciphered_answer_in_a_plain_association_is_refused() -> None:
    fake = meter()
    fake.answering = lambda service, invoke: [fake.protected(GetResponseNormal(FIVE).encode(invoke))]
    with pytest.raises(PolicyViolation, match="outside of a ciphered association"):
        fake.call(Call(GET))


def test_plain_exception_response_under_protection_is_an_answer() -> None:
    fake = meter(0x30)
    fake.answering = always(ExceptionResponse(1, 5).encode())
    with pytest.raises(ExceptionResponseReceived, match="deciphering-error"):
        fake.call(Call(GET))


def test_plain_push_under_protection_is_refused_and_hurts_no_call() -> None:
    fake = meter(0x30)
    push = DataNotification(b"", FIVE).encode(1)
    event = EventNotification(None, ENERGY, FIVE).encode()

    def late() -> Generator[Any, Any, None]:
        yield Sleep(5)
        fake.say(fake.protected(GetResponseNormal(FIVE).encode(fake.asked[-1][0])))

    fake.answering = always(push, event, spoiled(fake.protected(event)))
    fake.initiator.start(late(), 0.0)
    assert fake.call(Call(GET)).data == FIVE
    assert len(fake.initiator.problems) == 3
    assert fake.call(Listen(timeout=0.5)) is None


def test_answers_without_an_authentication_key() -> None:
    keys = Keys(KEYS.global_unicast_encryption_key, KEYS.authentication_key)
    fake = meter(0x20, allow_unverified=True, keys=keys)
    fake.answering = lambda service, invoke: [fake.protected(GetResponseNormal(FIVE).encode(invoke), 0x20)]
    assert fake.call(Call(GET)).data == FIVE


# --- time-outs -----------------------------------------------------------------------------------------------


def test_late_answer_is_no_other_calls_value() -> None:
    fake = meter()
    late: list[bytes] = []

    def silent(service: Any, invoke: int | None) -> list[bytes]:
        late.append(GetResponseNormal(FIVE).encode(invoke))
        return []

    fake.answering = silent
    with pytest.raises(Timeout):
        fake.call(Call(GET, timeout=2))
    resting = fake.asked[-1][0]
    fake.answering = lambda service, invoke: [late[0], GetResponseNormal(SIX).encode(invoke)]
    for _ in range(20):
        assert fake.call(Call(GetRequestNormal(POWER, None))).data == SIX
        assert fake.asked[-1][0] != resting
    fake.call(Sleep(QUARANTINE))
    fake.answering = always(GetResponseNormal(SIX))
    used = set()
    for _ in range(16):
        fake.call(Call(GetRequestNormal(POWER, None)))
        used.add(fake.asked[-1][0])
    assert resting in used


def test_every_invoke_id_resting() -> None:
    fake = meter()
    for _ in range(16):
        with pytest.raises(Timeout):
            fake.call(Call(GET, timeout=0.1))
    with pytest.raises(LocalProtocolError, match="resting after time-outs"):
        fake.call(Call(GET))
    fake.driver.cut()
    fake.driver.connected = True
    fake.associate()
    fake.answering = always(GetResponseNormal(FIVE))
    assert fake.call(Call(GET)).data == FIVE


def test_time_out_of_one_call() -> None:
    fake = meter(response_timeout=7)
    with pytest.raises(Timeout):
        fake.call(Call(GET))
    assert fake.driver.now == 7
    with pytest.raises(Timeout):
        fake.call(Call(GET, timeout=3))
    assert fake.driver.now == 10


# --- pipelining ----------------------------------------------------------------------------------------------


def test_calls_keep_to_their_window_and_order() -> None:
    fake = meter()
    waiting: list[bytes] = []
    most = 0

    def answering(service: Any, invoke: int | None) -> list[bytes]:
        nonlocal most
        waiting.append(GetResponseNormal(axdr.encode(axdr.unsigned(service.target.attribute))).encode(invoke))
        most = max(most, len(waiting))
        if len(waiting) < 4 and service.target.attribute != 29:
            return []
        taken, waiting[:] = waiting[::-1], []
        return taken

    fake.answering = answering
    services = [GetRequestNormal(ENERGY._replace(attribute=number), None) for number in range(30)]
    answers = fake.call(Calls(services, window=4))
    assert [axdr.decode(answer.data).value for answer in answers] == list(range(30))
    assert most == 4


def test_calls_with_errors_among_them() -> None:
    fake = meter()

    def answering(service: Any, invoke: int | None) -> list[bytes]:
        if service.target == POWER:
            return []
        return [GetResponseNormal(FIVE).encode(invoke)]

    fake.answering = answering
    too_long = GetRequestWithList(LIST * 100)
    answers = fake.call(Calls([GET, GetRequestNormal(POWER, None), too_long, GET], window=2, timeout=1))
    assert answers[0].data == FIVE
    assert isinstance(answers[1], Timeout)
    assert isinstance(answers[2], LocalProtocolError)
    assert answers[3].data == FIVE


def test_no_calls_at_all() -> None:
    assert meter().call(Calls([])) == []


def test_all_calls_refused_at_once() -> None:
    fake = FakeMeter()
    answers = fake.call(Calls([GET, GET], window=2))
    assert all(isinstance(answer, LocalProtocolError) for answer in answers)


def test_calls_end_with_the_link() -> None:
    fake = meter()
    running = fake.initiator.start(single(Calls([GET] * 5, window=2)), 0.0)
    fake.initiator.lost(1.0)
    assert [type(answer) for answer in running.outcome()] == [ConnectionLost] * 5
    assert fake.initiator.state is Client.DISCONNECTED


# --- sinks, links, pushes ------------------------------------------------------------------------------------


def test_sink_keeps_what_came_before_the_link_died() -> None:
    fake = meter()

    def answering(service: Any, invoke: int | None) -> list[bytes]:
        number = getattr(service, "block_number", 0) + 1
        if number == 4:
            fake.driver.cut()
            return []
        return [GetResponseWithDatablock(False, number, bytes((number,))).encode(invoke)]

    fake.answering = answering
    kept: list[bytes] = []
    with pytest.raises(ConnectionLost):
        fake.call(Call(GET, sink=kept.append))
    assert kept == [b"\x01", b"\x02", b"\x03"]


def test_sink_of_an_action() -> None:
    both = world(max_pdu_size=100)
    both.associate()
    kept: list[bytes] = []
    both.call(Call(ActionRequestNormal(METHOD, LONG), sink=kept.append))
    assert b"".join(kept) == b"\x00\x01\x00" + LONG


def test_sink_that_fails_ends_its_call_alone() -> None:
    fake = meter()

    def full(block: bytes) -> None:
        raise OSError("no space left")

    fake.answering = always(GetResponseWithDatablock(False, 1, b"\x09"))
    with pytest.raises(OSError, match="no space"):
        fake.call(Call(GET, sink=full))
    fake.answering = always(GetResponseNormal(FIVE))
    assert fake.call(Call(GET)).data == FIVE


def test_pushes_in_the_middle_of_a_transfer_come_in_order() -> None:
    fake = meter()

    def answering(service: Any, invoke: int | None) -> list[bytes]:
        number = getattr(service, "block_number", 0) + 1
        push = DataNotification(b"", axdr.encode(axdr.unsigned(number))).encode(number)
        event = EventNotification(None, ENERGY, axdr.encode(axdr.unsigned(number))).encode()
        return [push, GetResponseWithDatablock(number == 6, number, FIVE[number - 1 : number]).encode(invoke), event]

    fake.answering = answering

    def listening() -> Generator[Any, Any, list[int]]:
        heard: list[int] = []
        while len(heard) < 12:
            push = yield Listen()
            heard.append(axdr.decode(push.data).value)
        return heard

    running = fake.initiator.start(listening(), 0.0)
    assert fake.call(Call(GET)).data == FIVE[:6]
    assert running.outcome() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]


def test_thousands_of_queued_pushes() -> None:
    fake = meter()
    fake.say(*(DataNotification(b"", axdr.encode(axdr.long_unsigned(number))).encode(number) for number in range(2000)))
    fake.call(Sleep(0))

    def listening() -> Generator[Any, Any, list[int]]:
        heard: list[int] = []
        while (push := (yield Listen(timeout=1))) is not None:
            heard.append(axdr.decode(push.data).value)
        return heard

    assert fake.driver.run(listening()) == list(range(2000))


def test_pushes_beyond_the_limit_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    from cosem.link import scheduler

    monkeypatch.setattr(scheduler, "MAX_NOTIFICATIONS", 3)
    fake = meter()
    fake.say(*(DataNotification(b"", bytes((0x11, number))).encode(number) for number in range(5)))
    fake.call(Sleep(0))
    assert fake.initiator.scheduler.lost_notifications == 2
    assert fake.call(Listen(timeout=1)).data == b"\x11\x02"


def test_protected_push() -> None:
    fake = meter(0x30)
    push = DataNotification(b"", FIVE)
    fake.say(GeneralGlo(METER_TITLE, fake.security.protect(push.encode(1), 0x30)).encode())
    assert fake.call(Listen(timeout=1)) == push


def test_listening_ends_with_the_link() -> None:
    fake = meter()
    running = fake.initiator.start(single(Listen()), 0.0)
    fake.initiator.lost(1.0)
    with pytest.raises(ConnectionLost):
        running.outcome()


def test_several_listeners_are_served_in_turn() -> None:
    fake = meter()
    runnings = [fake.initiator.start(single(Listen(timeout=5)), 0.0) for _ in range(3)]
    fake.say(*(DataNotification(b"", bytes((0x11, number))).encode(number) for number in range(2)))
    fake.call(Sleep(6))
    outcomes = [running.outcome() for running in runnings]
    assert [outcome and outcome.data for outcome in outcomes] == [b"\x11\x00", b"\x11\x01", None]


def test_sleeping() -> None:
    fake = meter()
    fake.call(Sleep(12.5))
    assert fake.driver.now == 12.5


def test_octets_that_are_no_frame_are_noted() -> None:
    both = world(hdlc=True)
    both.associate()
    both.initiator.receive(b"\x7e\xa0\x07\x03\x03\x93\x00\x00\x7e", 0.0)
    assert "no usable frame" in both.initiator.problems[-1]


def test_a_link_that_goes_down_by_itself() -> None:
    fake = meter()
    running = fake.initiator.start(single(Call(GET)), 0.0)
    fake.initiator.receive(b"\x00\x02\x00\x00", 0.0)
    with pytest.raises(ConnectionLost, match="version"):
        running.outcome()
    assert fake.initiator.state is Client.DISCONNECTED
    assert fake.initiator.context is None


def test_link_up_that_nobody_waits_for() -> None:
    from cosem.link.base import LinkUp

    fake = FakeMeter()
    fake.initiator.state = Client.CONNECTING
    fake.initiator._handle([LinkUp(fake.initiator.address)])
    assert fake.initiator.state is Client.IDLE
    fake.initiator._handle([LinkUp(fake.initiator.address)])
    assert fake.initiator.state is Client.IDLE


def test_hdlc_line_that_stays_silent() -> None:
    both = world(hdlc=True, connect_timeout=4)
    both.driver.responder = None
    with pytest.raises(Timeout, match="not connected"):
        both.call(OpenLink())
    assert both.driver.now == 4
    assert both.initiator.state is Client.DISCONNECTED


def test_hdlc_line_that_gives_up_before() -> None:
    both = world(hdlc=True, connect_timeout=100)
    both.driver.responder = None
    with pytest.raises(ConnectionLost):
        both.call(OpenLink())
    assert both.initiator.state is Client.DISCONNECTED


def test_hdlc_line_that_does_not_close() -> None:
    both = world(hdlc=True, release_timeout=2)
    both.associate()
    both.driver.responder = None
    both.run(release(both.initiator))
    assert both.initiator.state is Client.DISCONNECTED
    both.call(CloseLink())


def test_line_cut_while_opening_and_while_closing() -> None:
    both = world(hdlc=True)
    opening = both.initiator.start(single(OpenLink()), 0.0)
    both.initiator.lost(0.0)
    with pytest.raises(ConnectionLost):
        opening.outcome()
    both.associate()
    closing = both.initiator.start(single(CloseLink()), 0.0)
    both.initiator.lost(0.0)
    assert closing.outcome() is None


# --- release --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer", [None, ExceptionResponse(1, 1).encode(), ConfirmedServiceError(1, 0, 0).encode(), b"\x63\x05\x01"]
)
def test_release_ends_whatever_the_meter_says(answer: bytes | None) -> None:
    fake = meter()
    fake.answering = lambda service, invoke: [] if answer is None else [answer]
    fake.driver.run(release(fake.initiator))
    assert fake.initiator.state is Client.DISCONNECTED
    assert "release was not confirmed" in fake.initiator.problems[-1]


def test_release_of_a_link_that_dies() -> None:
    fake = meter()

    def answering(service: Any, invoke: int | None) -> list[bytes]:
        fake.driver.cut()
        return []

    fake.answering = answering
    fake.driver.run(release(fake.initiator))
    assert fake.initiator.state is Client.DISCONNECTED


def test_release_without_association_closes_the_link() -> None:
    fake = FakeMeter()
    fake.call(OpenLink())
    fake.driver.run(release(fake.initiator))
    assert fake.initiator.state is Client.DISCONNECTED


def test_release_cancelled() -> None:
    fake = meter()
    running = fake.initiator.start(release(fake.initiator), 0.0)
    assert fake.initiator.state.name == "RELEASING"
    fake.initiator.cancel(running, 0.0)
    with pytest.raises(Cancelled):
        running.outcome()
    assert fake.initiator.state is Client.IDLE


def test_rlre_that_comes_after_the_release_was_given_up() -> None:
    fake = meter()
    fake.driver.run(release(fake.initiator))
    fake.associate()
    fake.say(Rlre(0).encode())
    fake.answering = always(GetResponseNormal(FIVE))
    assert fake.call(Call(GET)).data == FIVE


# --- cancel ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "step", [Call(GET), Calls([GET] * 3, window=2), Listen(), Sleep(100), Save(int), Dial(), Hangup()]
)
def test_cancel(step: Any) -> None:
    fake = meter()
    running = fake.initiator.start(single(step), 0.0)
    fake.initiator.cancel(running, 0.0)
    assert running.done
    with pytest.raises(Cancelled):
        running.outcome()
    fake.initiator.cancel(running, 0.0)
    assert fake.initiator.driver_step() is None
    assert fake.initiator.next_timer() is None
    fake.call(Sleep(1))
    fake.answering = always(GetResponseNormal(FIVE))
    fake.call(Call(GET))
    assert fake.call(Call(GET)).data == FIVE


def test_cancel_closing() -> None:
    both = world(hdlc=True)
    both.associate()
    running = both.initiator.start(single(CloseLink()), 0.0)
    both.initiator.cancel(running, 0.0)
    both.call(Sleep(1))
    assert both.initiator.state is Client.DISCONNECTED


def test_cancelled_invoke_id_rests() -> None:
    fake = meter()
    running = fake.initiator.start(single(Call(GET)), 0.0)
    fake.initiator.cancel(running, 0.0)
    fake.answering = always(GetResponseNormal(FIVE))
    for _ in range(16):
        fake.call(Call(GET))
        assert fake.asked[-1][0] != 0xC1


def test_clean_up_of_a_cancelled_conversation() -> None:
    fake = meter()
    seen = []

    def tidy() -> Generator[Any, Any, str]:
        try:
            yield Listen()
        except Cancelled:
            seen.append("tidied")
        return "kept"

    running = fake.initiator.start(tidy(), 0.0)
    fake.initiator.cancel(running, 0.0)
    assert (running.outcome(), seen) == ("kept", ["tidied"])


def test_clean_up_that_asks_for_more_is_closed() -> None:
    fake = meter()

    def stubborn() -> Generator[Any, Any, None]:
        while True:
            try:
                yield Listen()
            except (Cancelled, GeneratorExit):
                continue

    generator = stubborn()
    running = fake.initiator.start(generator, 0.0)
    fake.initiator.cancel(running, 0.0)
    with pytest.raises(Cancelled):
        running.outcome()
    with pytest.raises(ZeroDivisionError):
        generator.throw(ZeroDivisionError())


def test_clean_up_that_fails() -> None:
    fake = meter()

    def clumsy() -> Generator[Any, Any, None]:
        try:
            yield Listen()
        except Cancelled:
            raise ValueError("clumsy") from None

    running = fake.initiator.start(clumsy(), 0.0)
    fake.initiator.cancel(running, 0.0)
    with pytest.raises(ValueError, match="clumsy"):
        running.outcome()


def test_cancelled_association_can_be_tried_again() -> None:
    fake = FakeMeter(6)
    running = fake.initiator.start(open_association(fake.initiator, fake.random.randbytes), 0.0)
    fake.initiator.cancel(running, 0.0)
    assert fake.initiator.state is Client.IDLE
    fake = FakeMeter()
    running = fake.initiator.start(open_association(fake.initiator, fake.random.randbytes), 0.0)
    fake.initiator.cancel(running, 0.0)
    fake.associate()
    assert fake.initiator.state is Client.ASSOCIATED


# --- conversations ---------------------------------------------------------------------------------------------


def test_outcome_of_an_unfinished_conversation() -> None:
    running = meter().initiator.start(single(Listen()), 0.0)
    with pytest.raises(LocalProtocolError, match="not finished"):
        running.outcome()


def test_what_is_no_step_is_refused() -> None:
    with pytest.raises(LocalProtocolError, match="yields steps, not str"):
        meter().call("call")  # type: ignore[arg-type]


def test_a_conversation_that_fails_by_itself() -> None:
    def broken() -> Generator[Any, Any, None]:
        yield Sleep(0)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        meter().driver.run(broken())


def test_two_associations_at_once_are_refused() -> None:
    from cosem.apdu.acse import Aarq

    fake = FakeMeter()
    fake.call(OpenLink())
    fake.initiator.start(single(Call(Aarq(LN))), 0.0)
    with pytest.raises(LocalProtocolError, match="under way already"):
        fake.call(Call(Aarq(LN)))


# --- counters --------------------------------------------------------------------------------------------------


class Store:
    """Leases counters one small block at a time, and can fail."""

    def __init__(self, size: int = 3) -> None:
        self.following = 10
        self.size = size
        self.failing: Exception | None = None
        self.leases = 0

    def __call__(self, count: int) -> tuple[int, int]:
        if self.failing is not None:
            raise self.failing
        self.leases += 1
        first = self.following
        self.following += self.size
        return first, self.following


def counters(fake: FakeMeter) -> list[int]:
    """Return the counters of everything that was sent under the global key."""
    used = []
    for apdu in fake.raw:
        if apdu[0] == 0xC8:
            used.append(int.from_bytes(apdu[3:7], "big"))
        elif apdu[0] == 0xDB:
            used.append(int.from_bytes(apdu[12:16], "big"))
    return used


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_no_counter_is_ever_used_twice(size: int) -> None:
    store = Store(size)
    fake = meter(0x30, lease=store)
    fake.answering = lambda service, invoke: [
        Rlre(0).encode() if service.tag == 0x62 else fake.protected(GetResponseNormal(FIVE).encode(invoke))
    ]
    for _ in range(10):
        fake.call(Call(GET))
    assert [answer.data for answer in fake.call(Calls([GET] * 20, window=8))] == [FIVE] * 20
    fake.driver.run(release(fake.initiator))
    used = counters(fake)
    assert len(used) == 30
    assert sorted(set(used)) == used
    assert used[-1] < store.following


def test_parked_requests_are_sent_when_the_lease_is_there() -> None:
    store = Store(1)
    fake = meter(0x30, lease=store)
    fake.answering = lambda service, invoke: [fake.protected(GetResponseNormal(FIVE).encode(invoke))]
    assert fake.call(Call(GET)).data == FIVE
    assert fake.call(Post(SetRequestNormal(ENERGY, None, FIVE))) is None
    fake.call(Sleep(1))
    assert fake.asked[-1][1].tag == 0xC1


@pytest.mark.parametrize("error", [CounterExhausted("at its end"), OSError("disk full")])
def test_lease_that_fails_ends_what_waits_for_it(error: Exception) -> None:
    store = Store(1)
    fake = meter(0x30, lease=store)
    fake.answering = lambda service, invoke: [fake.protected(GetResponseNormal(FIVE).encode(invoke))]
    store.failing = error
    with pytest.raises(CosemError, match=str(error)):
        fake.call(Call(GET))
    fake.call(Post(SetRequestNormal(ENERGY, None, FIVE)))
    fake.call(Sleep(1))
    store.failing = None
    assert fake.call(Call(GET)).data == FIVE


def test_lease_that_fails_ahead_of_need_ends_nothing() -> None:
    store = Store(6)
    fake = meter(0x30, lease=store)
    fake.answering = lambda service, invoke: [fake.protected(GetResponseNormal(FIVE).encode(invoke))]
    store.failing = OSError("disk full")
    for _ in range(5):
        assert fake.call(Call(GET)).data == FIVE
    with pytest.raises(CosemError, match="disk full"):
        fake.call(Call(GET))
    assert any("disk full" in problem for problem in fake.initiator.problems)


def test_first_lease_that_fails() -> None:
    store = Store()
    store.failing = CounterExhausted("at its end")
    fake = FakeMeter(0, 0x30, lease=store)
    with pytest.raises(CounterExhausted):
        fake.associate()
    assert fake.asked == []
    assert fake.initiator.state is Client.IDLE


def test_lease_for_an_association_that_is_gone_is_given_up() -> None:
    store = Store(1)
    fake = meter(0x30, lease=store)
    waiting = fake.initiator.start(single(Call(GET)), 0.0)
    order = fake.initiator.driver_step()
    assert order is not None
    running, step = order
    assert isinstance(step, Save)
    fake.initiator.lost(0.0)
    with pytest.raises(ConnectionLost):
        waiting.outcome()
    block = step.action()
    fake.initiator.answer(running, block, 0.0)
    fake.associate()
    fake.answering = lambda service, invoke: [fake.protected(GetResponseNormal(FIVE).encode(invoke))]
    assert fake.call(Call(GET)).data == FIVE
    assert fake.call(Call(GET)).data == FIVE
    assert len(set(counters(fake))) == len(counters(fake))


def test_failed_lease_for_an_association_that_is_gone() -> None:
    store = Store(1)
    fake = meter(0x30, lease=store)
    fake.initiator.start(single(Call(GET)), 0.0)
    order = fake.initiator.driver_step()
    assert order is not None
    fake.initiator.lost(0.0)
    fake.initiator.answer(order[0], None, 0.0, OSError("disk full"))
    fake.associate()
    fake.answering = lambda service, invoke: [fake.protected(GetResponseNormal(FIVE).encode(invoke))]
    assert fake.call(Call(GET)).data == FIVE


def test_request_that_timed_out_while_waiting_for_a_counter_is_not_sent() -> None:
    store = Store(1)
    fake = meter(0x30, lease=store)
    running = fake.initiator.start(single(Call(GET, timeout=1)), 0.0)
    order = fake.initiator.driver_step()
    assert order is not None
    fake.initiator.handle_timer(1.0)
    with pytest.raises(Timeout):
        running.outcome()
    before = len(fake.raw)
    fake.initiator.answer(order[0], (500, 600), 1.0)
    fake.call(Sleep(1))
    assert len(fake.raw) == before


def test_link_that_refuses_a_parked_request() -> None:
    both = world(0, 0x30, hdlc=True, lease=Store(1))
    both.associate()
    running = both.initiator.start(single(Call(GET)), 0.0)
    order = both.initiator.driver_step()
    assert order is not None
    both.initiator.link.lost(0.0)
    both.initiator.answer(order[0], (500, 600), 0.0)
    with pytest.raises(LocalProtocolError, match="not open"):
        running.outcome()


def test_release_leases_a_counter_where_none_is_left() -> None:
    store = Store(1)
    fake = meter(0x30, lease=store)
    fake.answering = always(Rlre(0).encode())
    fake.driver.run(release(fake.initiator))
    assert fake.initiator.state is Client.DISCONNECTED
    assert not fake.initiator.problems
    assert fake.asked[-1][1].service == "rlrq"


def test_release_without_a_counter_to_be_had() -> None:
    store = Store(1)
    fake = meter(0x30, lease=store)
    store.failing = OSError("disk full")
    fake.driver.run(release(fake.initiator))
    assert fake.initiator.state is Client.DISCONNECTED


def test_dedicated_key_counts_from_0_in_every_association() -> None:
    both = world(0, 0x30, "ded")
    for _ in range(2):
        both.associate()
        assert both.call(Call(GET)).data == FIVE
        assert both.initiator.context is not None
        assert both.initiator.context.receiving("dedicated").last == 0
        assert both.objects.contexts[-1].receiving("dedicated").last == 0
        both.run(release(both.initiator))


def test_link_that_refuses_the_next_block() -> None:
    fake = meter()
    fake.answering = always(GetResponseWithDatablock(False, 1, b"\x09"))
    original = fake.initiator.link.send
    sent = []

    def send(*arguments: Any, **named: Any) -> None:
        sent.append(arguments)
        if len(sent) == 2:
            raise LocalProtocolError("closed")
        original(*arguments, **named)

    fake.initiator.link.send = send  # type: ignore[method-assign]
    with pytest.raises(LocalProtocolError, match="closed"):
        fake.call(Call(GET))
    assert isinstance(sent[1][1], bytes)
    assert GetRequestNext(1).encode(0xC1) == sent[1][1]


# --- the driver in memory --------------------------------------------------------------------------------------


def test_driver_steps_in_memory() -> None:
    fake = meter()
    assert fake.call(Save(lambda: 7)) == 7
    with pytest.raises(CounterExhausted):
        fake.call(Save(lambda: failing_store()(1)))
    fake.call(Hangup())
    assert fake.driver.connected is False
    fake.call(Dial())
    assert bool(fake.driver.connected)
    fake.driver.redial = False
    fake.call(Dial())
    fake.call(Hangup())
    with pytest.raises(ConnectionLost, match="line is cut"):
        fake.call(Dial())


def failing_store() -> Store:
    store = Store()
    store.failing = CounterExhausted("at its end")
    return store


def test_driver_that_has_nothing_left_to_wait_for() -> None:
    with pytest.raises(Timeout, match="nothing is left"):
        meter().call(Listen())
    with pytest.raises(Timeout, match="nothing is left"):
        meter().driver.run(single(Sleep(100)), until=50)


def test_driver_reports_what_clean_up_raises() -> None:
    def clumsy() -> Generator[Any, Any, None]:
        try:
            yield Listen()
        except Cancelled:
            raise ValueError("clumsy") from None

    with pytest.raises(ValueError, match="clumsy"):
        meter().driver.run(clumsy())


def test_ciphered_context_name() -> None:
    fake = meter(0x30)
    assert fake.asked[0][1].context == LN_CIPHERED


def test_a_conversation_that_starts_and_cancels_others() -> None:
    fake = meter()
    sleeper = fake.initiator.start(single(Sleep(5)), 0.0)

    def leader() -> Generator[Any, Any, Any]:
        yield Sleep(5)
        # both are due at once: the other is ready to go on when it is cancelled
        fake.initiator.cancel(other, 5.0)
        started = fake.initiator.start(single(Sleep(1)), 5.0)
        assert not started.done
        yield Sleep(2)
        return started

    leading = fake.initiator.start(leader(), 0.0)
    other = fake.initiator.start(single(Sleep(5)), 0.0)
    fake.call(Sleep(10))
    assert sleeper.done
    with pytest.raises(Cancelled):
        other.outcome()
    assert leading.outcome().done


def test_a_window_wider_than_there_are_invoke_ids() -> None:
    fake = meter()
    waiting: list[int] = []

    def answering(service: Any, invoke: int | None) -> list[bytes]:
        waiting.append(invoke or 0)
        # the first call is answered last: its invoke-id is left out while the others go round
        if len(fake.asked) == 1 + 50:
            return [GetResponseNormal(FIVE).encode(invoke), GetResponseNormal(SIX).encode(waiting[0])]
        return [] if len(waiting) == 1 else [GetResponseNormal(FIVE).encode(invoke)]

    fake.answering = answering
    answers = fake.call(Calls([GET] * 50, window=40))
    assert [answer.data for answer in answers] == [SIX] + [FIVE] * 49


def test_invoke_ids_that_rest_leave_fewer_for_a_batch() -> None:
    fake = meter()
    for _ in range(10):
        with pytest.raises(Timeout):
            fake.call(Call(GET, timeout=0.1))
    fake.answering = always(GetResponseNormal(FIVE))
    assert [answer.data for answer in fake.call(Calls([GET] * 30, window=16))] == [FIVE] * 30


def test_refused_association_leaves_no_security_behind() -> None:
    fake = FakeMeter(0, 0x30)
    refused(fake, Aare(LN, 1, "user", 1).encode(), AssociationRejected)
    assert fake.initiator.context is None
    fake.say(DataNotification(b"", FIVE).encode(1))
    assert fake.call(Listen(timeout=1)) is not None


@pytest.mark.parametrize("hdlc", [False, True], ids=["wrapper", "hdlc"])
def test_pushes_of_a_real_meter_in_the_middle_of_a_transfer(hdlc: bool) -> None:
    both = world(5, 0x30, hdlc=hdlc, max_pdu_size=120)
    both.associate()
    both.objects.values[ENERGY] = LONG
    heard: list[int] = []

    def listening() -> Generator[Any, Any, None]:
        while len(heard) < 5:
            push = yield Listen()
            heard.append(axdr.decode(push.data).value)

    listener = both.initiator.start(listening(), 0.0)

    def push(block: bytes) -> None:
        for _ in range(2):
            number = len(pushed)
            pushed.append(number)
            notification = DataNotification(b"", axdr.encode(axdr.unsigned(number)))
            both.responder.notify(both.address, notification, invoke=number, protection=0x30)

    pushed: list[int] = []
    assert both.call(Call(GET, sink=push)).data == LONG
    both.call(Sleep(1))
    assert heard == [0, 1, 2, 3, 4]
    assert listener.done


def test_a_connected_link_associates_without_connecting_again() -> None:
    fake = FakeMeter()
    fake.call(OpenLink())
    fake.associate()
    assert fake.initiator.state is Client.ASSOCIATED
    with pytest.raises(LocalProtocolError):
        fake.call(OpenLink())


def test_cancel_one_of_two() -> None:
    fake = meter()
    staying = fake.initiator.start(single(Call(GET)), 0.0)
    leaving = fake.initiator.start(single(Calls([GET] * 2, window=2)), 0.0)
    fake.initiator.cancel(leaving, 0.0)
    fake.say(GetResponseNormal(FIVE).encode(0xC2), GetResponseNormal(SIX).encode(0xC1))
    fake.call(Sleep(1))
    assert staying.outcome().data == SIX
    assert len(fake.raw) == 4
