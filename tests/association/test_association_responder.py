"""The exact answers of the responding side: opening, states, security, services; behaviours 0.3, 7.2, 7.5, 8.3, 8.4."""

from __future__ import annotations

import pytest

from association.association_world import (
    AUTHENTICATION_KEY,
    CLIENT_TITLE,
    ENERGY,
    FIVE,
    KEYS,
    METER_TITLE,
    METHOD,
    REPLY_TO_HLS,
    SECRET,
    UNKNOWN,
    RawClient,
    profile,
)
from cosem.apdu import parse
from cosem.apdu.acse import LN, LN_CIPHERED, SN, Aarq, Rlrq
from cosem.apdu.action import (
    ActionRequestNextPblock,
    ActionRequestNormal,
    ActionRequestWithFirstPblock,
    ActionRequestWithList,
    ActionRequestWithListAndFirstPblock,
    ActionRequestWithPblock,
)
from cosem.apdu.ciphered import GeneralDed, GeneralGlo
from cosem.apdu.fields import DataBlock
from cosem.apdu.get import GetRequestNext, GetRequestNormal, GetRequestWithList
from cosem.apdu.initiate import InitiateRequest
from cosem.apdu.notify import DataNotification
from cosem.apdu.set import (
    SetRequestNormal,
    SetRequestWithDatablock,
    SetRequestWithFirstDatablock,
    SetRequestWithList,
    SetRequestWithListAndFirstDatablock,
)
from cosem.association.responder import Responder, ResponderSettings
from cosem.association.server import AssociationProfile
from cosem.codec import axdr
from cosem.conformance_block import LN_CORE, Conformance
from cosem.errors import LocalProtocolError, PolicyViolation
from cosem.link import wrapper
from cosem.link.base import Address, ApduReceived, LinkUp
from cosem.link.hdlc.link import HdlcLink
from cosem.results import DataAccessResult
from cosem.security.context import SecurityContext
from cosem.security.counters import END, SendingCounter
from cosem.security.hls import HlsIdentity
from cosem.security.keys import Keys
from cosem.security.policy import BOTH, Policy

GET = GetRequestNormal(ENERGY, None).encode(0xC1)
SET = SetRequestNormal(ENERGY, None, FIVE)
UNCONFIRMED = 0x81


def exception(octets: bytes) -> tuple[int, int, int | None]:
    service = parse(octets).service
    assert service.service == "exception-response"
    return tuple(service)


def ciphered(policy: Policy = BOTH, **other: object) -> RawClient:
    client = RawClient(ciphered=True, policy=policy, **other)  # type: ignore[arg-type]
    assert client.associate(protection=0x30).result == 0
    return client


# --- opening (7.2) ---------------------------------------------------------------------------------------------


def rejection(client: RawClient, **changes: object) -> tuple[int, str, int]:
    aare = client.associate(**changes)
    assert client.status == []
    assert "opened" not in client.objects.log
    return aare.result, aare.diagnostic_source, aare.diagnostic


def test_lowest_security_is_accepted_with_what_both_sides_can() -> None:
    client = RawClient(max_pdu_size=500, conformance=Conformance.GET | Conformance.ACTION)
    aare = client.associate(initiate=InitiateRequest(int(Conformance.GET | Conformance.SET), 300))
    assert (aare.result, aare.diagnostic) == (0, 0)
    initiate = parse(aare.user_information).service
    assert initiate.conformance == Conformance.GET
    assert initiate.server_max_receive_pdu_size == 500
    (session,) = client.responder.sessions
    assert (session.status, session.client_max_pdu_size, session.conformance) == (2, 300, Conformance.GET)


@pytest.mark.parametrize("context", [SN, LN_CIPHERED, b"\x2a\x03"])
def test_wrong_context_name(context: int | bytes) -> None:
    assert rejection(RawClient(), context=context) == (1, "user", 2)


def test_plain_context_where_ciphering_is_asked_for() -> None:
    assert rejection(RawClient(ciphered=True), context=LN) == (1, "user", 2)


@pytest.mark.parametrize("mechanism", [2, 5, 7, b"\x2a\x03"])
def test_mechanism_not_recognised(mechanism: int) -> None:
    assert rejection(RawClient(1), mechanism=mechanism, auth=SECRET) == (1, "user", 11)


def test_mechanism_name_missing() -> None:
    client = RawClient(1)
    aarq = Aarq(LN, InitiateRequest(int(LN_CORE), 1024).encode(), None, SECRET).encode()
    aare = client.one(aarq)
    assert (aare.result, aare.diagnostic_source, aare.diagnostic) == (1, "user", 12)


def test_authentication_missing() -> None:
    client = RawClient(1)
    aare = client.one(Aarq(LN, InitiateRequest(int(LN_CORE), 1024).encode()).encode())
    assert (aare.result, aare.diagnostic_source, aare.diagnostic) == (1, "user", 14)


def test_lowest_security_by_name_where_authentication_is_required() -> None:
    assert rejection(RawClient(1), mechanism=0, auth_value=None) == (1, "user", 11)


@pytest.mark.parametrize("password", [b"12345679", b"", b"1234567", SECRET + b"\x00"])
def test_75_4_wrong_password(password: bytes) -> None:
    client = RawClient(1)
    assert rejection(client, auth=password) == (1, "user", 13)
    assert client.objects.log == ["authentication failed"]
    assert exception(client.ask(GET)[0]) == (1, 1, None)


def test_right_password() -> None:
    client = RawClient(1)
    assert client.associate().result == 0
    assert client.status == [2]


@pytest.mark.parametrize(
    ("initiate", "error"),
    [
        (InitiateRequest(int(LN_CORE), 1024, proposed_dlms_version=5), 1),
        (InitiateRequest(int(Conformance.READ), 1024), 2),
        (InitiateRequest(int(LN_CORE), 11), 3),
    ],
)
def test_initiate_errors(initiate: InitiateRequest, error: int) -> None:
    client = RawClient()
    aare = client.associate(initiate=initiate)
    assert (aare.result, aare.diagnostic) == (1, 1)
    assert tuple(parse(aare.user_information).service) == (1, 6, error)
    assert client.status == []


@pytest.mark.parametrize("size", [0, 12, 65535])
def test_pdu_sizes_that_are_fine(size: int) -> None:
    assert RawClient().associate(pdu=size).result == 0


@pytest.mark.parametrize("title", [None, b"", b"short", b"far too long"])
def test_client_title_missing_in_a_ciphered_context(title: bytes | None) -> None:
    assert rejection(RawClient(ciphered=True), calling_ap_title=title) == (1, "user", 3)


def test_client_title_missing_for_gmac() -> None:
    assert rejection(RawClient(5), auth=bytes(8), calling_ap_title=None) == (1, "user", 3)


def test_initiate_request_missing() -> None:
    assert rejection(RawClient(), user_information=None) == (1, "user", 1)


def test_initiate_request_that_is_none() -> None:
    client = RawClient()
    assert rejection(client, initiate=b"\x08\x00\x06\x5f\x1f\x04\x00\x00\x10\x10\x04\x00\x00\x07") == (1, "user", 1)
    assert client.objects.log == ["security failed"]


def test_aarq_that_cannot_be_read() -> None:
    aare = RawClient().one(b"\x60\x03\x01\x02\x03")
    assert (aare.result, aare.diagnostic_source) == (1, "provider")


def test_unknown_client_gets_no_answer() -> None:
    client = RawClient()
    assert client.ask(client.aarq(), client=77) == []
    assert client.ask(GET, client=77) == []


def test_protected_initiate_request_in_a_plain_association() -> None:
    client = RawClient()
    assert rejection(client, protection=0x30) == (1, "user", 1)
    assert isinstance(client.objects.errors[0], PolicyViolation)


def test_unprotected_initiate_request_under_a_policy() -> None:
    assert rejection(RawClient(ciphered=True, policy=BOTH)) == (1, "user", 1)


def test_initiate_request_under_a_wrong_key() -> None:
    client = RawClient(ciphered=True, policy=BOTH)
    client.security = SecurityContext(Keys(bytes(16), bytes(16)), CLIENT_TITLE, sending=SendingCounter(0, END))
    assert rejection(client, protection=0x30) == (1, "user", 1)
    assert client.objects.receiving.last is None


def test_initiate_request_with_an_old_counter() -> None:
    client = RawClient(ciphered=True, policy=BOTH)
    client.objects.receiving.last = 41
    assert exception(client.ask(client.aarq(protection=0x30))[0]) == (1, 6, 42)
    assert client.status == []


def test_initiate_request_under_general_ciphering() -> None:
    client = RawClient(ciphered=True, policy=BOTH)
    initiate = InitiateRequest(int(LN_CORE), 1024).encode()
    aare = client.associate(initiate=client.general(initiate))
    assert aare.result == 0
    assert client.opened(aare.user_information).negotiated_dlms_version == 6
    other = client.general(initiate, title=b"CSMother")
    assert client.associate(initiate=other).result == 1


def test_dedicated_key_of_a_wrong_length() -> None:
    client = RawClient(ciphered=True, policy=BOTH)
    assert rejection(client, initiate=InitiateRequest(int(LN_CORE), 1024, bytes(8)), protection=0x30) == (1, "user", 1)


def test_answer_is_protected_as_the_request_was() -> None:
    client = RawClient(ciphered=True, policy=Policy())
    aare = client.associate(protection=0x10)
    assert client.opened(aare.user_information).negotiated_dlms_version == 6
    assert aare.user_information[2] & 0x30 == 0x10
    assert parse(client.ask(GET)[0]).service.data == FIVE
    (octets,) = client.ask(client.protected(GET, 0x20))
    assert octets[2] & 0x30 == 0x20
    assert client.opened(octets).data == FIVE


def test_answer_has_at_least_the_protection_of_the_policy() -> None:
    client = ciphered(Policy(0x10, 0x30))
    (octets,) = client.ask(client.protected(GET, 0x10))
    assert octets[2] & 0x30 == 0x30
    assert client.opened(octets).data == FIVE


def test_a_plain_request_whose_answer_is_protected_leaves_room_for_it() -> None:
    client = RawClient(ciphered=True, policy=Policy(0, 0x30))
    assert client.associate(protection=0x30, pdu=100).result == 0
    client.objects.values[ENERGY] = axdr.encode(axdr.octet_string(bytes(300)))
    assert len(client.ask(GET)[0]) <= 100


def test_general_requests_are_answered_in_general_form() -> None:
    client = ciphered()
    (octets,) = client.ask(client.general(GET))
    carrier = parse(octets).service
    assert isinstance(carrier, GeneralGlo)
    assert carrier.system_title == METER_TITLE
    assert client.opened(octets).data == FIVE


def test_second_aarq_replaces_the_association() -> None:
    client = RawClient()
    client.associate()
    client.associate()
    assert client.objects.log == ["opened", "closed", "opened"]
    assert client.status == [2]


def test_several_associations_on_one_link() -> None:
    client = RawClient()
    client.objects.profiles[2] = AssociationProfile(2, 1, 1, SECRET, conformance=Conformance.GET)
    client.associate()
    assert exception(client.ask(GET, client=2)[0]) == (1, 1, None)
    assert client.one(client.aarq(mechanism=1), client=2).result == 0
    assert client.status == [2, 2]
    assert exception(client.ask(SET.encode(0xC1), client=2)[0]) == (1, 2, None)
    assert client.one(SET.encode(0xC1)).result == 0
    assert client.one(Rlrq().encode(), client=2).reason == 0
    assert client.status == [2]
    assert client.one(GET).data == FIVE


def test_user_id_reaches_the_session() -> None:
    client = RawClient()
    client.associate(calling_ae_invocation_id=7)
    assert client.responder.sessions[0].user_id == 7


def test_an_aarq_that_asks_for_no_answer_is_ignored() -> None:
    client = RawClient()
    assert client.responder._apdu(Address(1, 1), None, client.aarq(), False) is None
    assert client.status == []


def test_out_of_counters_no_association_is_made() -> None:
    client = RawClient(ciphered=True, policy=BOTH)
    client.objects.sending = SendingCounter(END, END)
    assert rejection(client, protection=0x30) == (1, "user", 1)


# --- high level security (7.3) -----------------------------------------------------------------------------------


def proving(mechanism: int, **other: object) -> tuple[RawClient, HlsIdentity]:
    client = RawClient(mechanism, **other)  # type: ignore[arg-type]
    mine = client.random.randbytes(16)
    aare = client.associate(auth=mine, protection=0x30 if other.get("policy") else 0)
    assert (aare.result, aare.diagnostic) == (0, 14)
    assert client.status == [1]
    identity = HlsIdentity(
        mechanism,
        own_challenge=mine,
        peer_challenge=aare.auth_value,
        own_title=CLIENT_TITLE,
        peer_title=METER_TITLE,
        secret=SECRET,
        context=client.security,
        manufacturer=client.objects.profiles[1].manufacturer,
    )
    return client, identity


def reply(proof: bytes, invoke: int = 0xC1) -> bytes:
    return ActionRequestNormal(REPLY_TO_HLS, axdr.encode(axdr.octet_string(proof))).encode(invoke)


@pytest.mark.parametrize("mechanism", range(2, 7))
def test_75_5_right_proof(mechanism: int) -> None:
    client, identity = proving(mechanism)
    answer = client.one(reply(identity.proof()))
    assert answer.result == 0
    identity.check(axdr.decode(answer.data).value)
    assert client.status == [2]
    assert client.objects.log == ["opened"]
    assert client.one(GET).data == FIVE


@pytest.mark.parametrize("mechanism", range(2, 7))
def test_75_5_wrong_proof(mechanism: int) -> None:
    client, identity = proving(mechanism)
    proof = identity.proof()
    answer = client.one(reply(proof[:-1] + bytes((proof[-1] ^ 1,))))
    assert (answer.result, answer.data) == (3, None)
    assert client.status == []
    assert client.objects.log == ["authentication failed", "closed"]
    assert exception(client.ask(GET)[0]) == (1, 1, None)
    assert exception(client.ask(reply(proof))[0]) == (1, 1, None)


@pytest.mark.parametrize("data", [b"\x09\x00", b"\x11\x05", b"\x00", b"\x09\x7f\x01"])
def test_a_proof_that_is_none(data: bytes) -> None:
    client, _ = proving(6)
    assert client.one(ActionRequestNormal(REPLY_TO_HLS, data).encode(0xC1)).result == 3
    assert client.status == []


def test_a_proof_without_data() -> None:
    client, _ = proving(6)
    assert client.one(ActionRequestNormal(REPLY_TO_HLS, None).encode(0xC1)).result == 3


def test_gmac_proof_counter_older_than_the_apdu_around_it() -> None:
    client, identity = proving(5, ciphered=True, policy=BOTH)
    before = client.objects.receiving.last
    proof = identity.proof()
    answer = client.opened(client.ask(client.protected(reply(proof)))[0])
    assert answer.result == 0
    assert client.objects.receiving.last == (before or 0) + 2
    identity.check(axdr.decode(answer.data).value)


def test_gmac_proof_replayed_from_another_association_is_refused() -> None:
    client, identity = proving(5, ciphered=True, policy=BOTH)
    old = client.security.sending.next
    client.security.sending = SendingCounter(0, END)
    proof = identity.proof()
    client.security.sending = SendingCounter(old, END)
    assert client.opened(client.ask(client.protected(reply(proof)))[0]).result == 3


@pytest.mark.parametrize("length", [0, 7, 65])
def test_challenge_of_a_wrong_length(length: int) -> None:
    client = RawClient(6)
    assert rejection(client, auth=bytes(length)) == (1, "user", 13)


def test_challenge_missing() -> None:
    assert rejection(RawClient(6), auth_value=None) == (1, "user", 13)


def test_reflected_challenge_is_refused() -> None:
    client = RawClient(6)
    client.responder._admission._random = lambda size: b"\x55" * size
    assert rejection(client, auth=b"\x55" * 16) == (1, "user", 13)


def test_75_6_while_pending_everything_else_is_denied() -> None:
    client, identity = proving(6)
    assert client.one(GET).result == 3
    assert client.one(SET.encode(0xC2)).result == 3
    assert client.one(ActionRequestNormal(METHOD, FIVE).encode(0xC3)).result == 3
    assert client.one(ActionRequestNormal(REPLY_TO_HLS._replace(method=2), FIVE).encode(0xC3)).result == 3
    assert client.one(GetRequestWithList(((ENERGY, None),)).encode(0xC3)).result == 3
    assert client.status == [1]
    assert client.objects.values[ENERGY] == FIVE
    assert client.objects.actions == []
    assert client.one(reply(identity.proof())).result == 0


def test_pending_ends_by_time() -> None:
    client, identity = proving(6, responder_settings=ResponderSettings(pending_timeout=30))
    assert client.responder.next_timer() == 30
    client.responder.handle_timer(29.9)
    assert client.status == [1]
    client.responder.handle_timer(30)
    assert client.status == []
    assert client.objects.log == ["closed"]
    assert client.responder.next_timer() is None
    assert exception(client.ask(reply(identity.proof()))[0]) == (1, 1, None)


def test_association_has_no_timer_once_proven() -> None:
    client, identity = proving(6)
    client.one(reply(identity.proof()))
    assert client.responder.next_timer() is None


def test_release_while_pending() -> None:
    client, _ = proving(6)
    assert client.one(Rlrq().encode()).reason == 0
    assert client.status == []


def test_lost_link_while_pending() -> None:
    client, _ = proving(6)
    client.responder.lost(1.0)
    assert client.status == []
    assert client.objects.log == ["closed"]


# --- states and services (0.3) -------------------------------------------------------------------------------------


def test_75_3_get_without_association() -> None:
    assert exception(RawClient().ask(GET)[0]) == (1, 1, None)


def test_requests_without_association() -> None:
    client = RawClient(ciphered=True)
    assert exception(client.ask(SET.encode(0xC1))[0]) == (1, 1, None)
    assert exception(client.ask(client.protected(GET))[0]) == (1, 1, None)
    assert exception(client.ask(client.general(GET))[0]) == (1, 1, None)
    assert exception(client.ask(Rlrq().encode())[0]) == (1, 1, None)
    assert client.ask(SET.encode(UNCONFIRMED)) == []


@pytest.mark.parametrize("associated", [False, True])
@pytest.mark.parametrize("tag", [0x00, 0x02, 0x3F, 0x61, 0xC4, 0xC7, 0xDF, 0xFF])
def test_unknown_tag(tag: int, associated: bool) -> None:
    client = RawClient()
    if associated:
        client.associate()
    assert exception(client.ask(bytes((tag, 1, 2, 3)))[0]) == (2, 2, None)


def test_75_3_action_not_negotiated() -> None:
    client = RawClient(conformance=LN_CORE & ~Conformance.ACTION)
    client.associate()
    assert exception(client.ask(ActionRequestNormal(METHOD, FIVE).encode(0xC1))[0]) == (1, 2, None)


LISTS = [
    GetRequestWithList(((ENERGY, None),)),
    SetRequestWithList(((ENERGY, None),), (FIVE,)),
    ActionRequestWithList((METHOD,), (FIVE,)),
]
BLOCK = DataBlock(False, 1, FIVE)


@pytest.mark.parametrize(
    ("missing", "service"),
    [
        (Conformance.GET, GetRequestNormal(ENERGY, None)),
        (Conformance.SET, SET),
        (Conformance.BLOCK_TRANSFER_WITH_SET_OR_WRITE, SetRequestWithFirstDatablock(ENERGY, None, BLOCK)),
        (
            Conformance.BLOCK_TRANSFER_WITH_SET_OR_WRITE,
            SetRequestWithListAndFirstDatablock(((ENERGY, None),), BLOCK),
        ),
        (Conformance.BLOCK_TRANSFER_WITH_ACTION, ActionRequestWithFirstPblock(METHOD, BLOCK)),
        (Conformance.BLOCK_TRANSFER_WITH_ACTION, ActionRequestWithListAndFirstPblock((METHOD,), BLOCK)),
        *((Conformance.MULTIPLE_REFERENCES, service) for service in LISTS),
        (Conformance.ATTRIBUTE0_SUPPORTED_WITH_GET, GetRequestNormal(ENERGY._replace(attribute=0), None)),
        (Conformance.ATTRIBUTE0_SUPPORTED_WITH_SET, SetRequestNormal(ENERGY._replace(attribute=0), None, FIVE)),
        (
            Conformance.ATTRIBUTE0_SUPPORTED_WITH_SET,
            SetRequestWithFirstDatablock(ENERGY._replace(attribute=0), None, BLOCK),
        ),
    ],
)
def test_service_not_negotiated(missing: Conformance, service: object) -> None:
    client = RawClient(conformance=LN_CORE & ~missing)
    client.associate()
    assert exception(client.ask(service.encode(0xC1))[0]) == (1, 2, None)  # type: ignore[attr-defined]


def test_attribute_0_where_it_was_negotiated() -> None:
    everything = LN_CORE | Conformance.ATTRIBUTE0_SUPPORTED_WITH_GET | Conformance.ATTRIBUTE0_SUPPORTED_WITH_SET
    client = RawClient(conformance=everything)
    client.associate(initiate=InitiateRequest(int(everything), 1024))
    whole = ENERGY._replace(attribute=0)
    assert client.one(SetRequestNormal(whole, None, FIVE).encode(0xC1)).result == 0
    assert client.one(GetRequestNormal(whole, None).encode(0xC1)).data == FIVE


@pytest.mark.parametrize("octets", ["c001", "c0ff c1 00", "c001 c1 0003 0100010800ff 02", "c101 c1 0003 00"])
def test_malformed_request(octets: str) -> None:
    client = RawClient()
    client.associate()
    assert exception(client.ask(bytes.fromhex(octets))[0]) == (1, 3, None)
    assert client.one(GET).data == FIVE


def test_results_of_the_objects_come_back() -> None:
    client = RawClient()
    client.associate()
    assert client.one(GetRequestNormal(UNKNOWN, None).encode(0xC1)).result == 4
    assert client.one(SetRequestNormal(UNKNOWN, None, FIVE).encode(0xC1)).result == 4
    assert client.one(ActionRequestNormal(METHOD._replace(method=99), None).encode(0xC1)).result == 4
    answers = client.one(ActionRequestWithList((METHOD, METHOD._replace(method=99)), (FIVE, FIVE)).encode(0xC1))
    assert [(item.result, item.data) for item in answers.results] == [(0, FIVE), (4, None)]


def test_selection_not_negotiated() -> None:
    from cosem.apdu.base import SelectiveAccess

    client = RawClient(conformance=LN_CORE & ~Conformance.SELECTIVE_ACCESS)
    client.associate()
    selection = SelectiveAccess(1, FIVE)
    assert client.one(GetRequestNormal(ENERGY, selection).encode(0xC1)).result == 13
    assert client.one(SetRequestNormal(ENERGY, selection, FIVE).encode(0xC1)).result == 13
    assert client.objects.selections == []


@pytest.mark.parametrize(
    "service",
    [
        SetRequestWithList(((ENERGY, None), (UNKNOWN, None)), (FIVE,)),
        SetRequestWithList(((ENERGY, None),), (FIVE, FIVE)),
        ActionRequestWithList((METHOD, METHOD), (FIVE,)),
    ],
)
def test_lists_of_unequal_length(service: object) -> None:
    client = RawClient()
    client.associate()
    assert exception(client.ask(service.encode(0xC1))[0]) == (1, 3, None)  # type: ignore[attr-defined]
    assert client.objects.protections == []


def test_answer_has_the_invoke_id_of_the_request() -> None:
    client = RawClient()
    client.associate()
    for invoke in (0x40, 0x4F, 0xC7):
        assert parse(client.ask(GetRequestNormal(ENERGY, None).encode(invoke))[0]).invoke == invoke


def test_unconfirmed_requests_are_carried_out_in_silence() -> None:
    client = RawClient()
    client.associate()
    assert client.ask(SetRequestNormal(ENERGY, None, b"\x11\x07").encode(UNCONFIRMED)) == []
    assert client.objects.values[ENERGY] == b"\x11\x07"
    assert client.ask(ActionRequestNormal(METHOD, FIVE).encode(UNCONFIRMED)) == []
    assert client.objects.actions == [(METHOD, FIVE)]


def test_75_1_objects_of_another_association_are_undefined() -> None:
    client = RawClient()
    client.associate()
    assert client.one(GetRequestNormal(UNKNOWN, None).encode(0xC1)).result == DataAccessResult.OBJECT_UNDEFINED


def test_release_answers_and_ends() -> None:
    client = RawClient()
    client.associate()
    assert client.one(Rlrq().encode()).reason == 0
    assert client.objects.log == ["opened", "closed"]
    assert exception(client.ask(GET)[0]) == (1, 1, None)


def test_malformed_release() -> None:
    client = RawClient()
    client.associate()
    assert exception(client.ask(b"\x62\x05\x80")[0]) == (1, 3, None)
    assert client.status == [2]


# --- pre-established (7.5 number 8) ---------------------------------------------------------------------------------


def pre_established(**other: object) -> RawClient:
    client = RawClient(ciphered=bool(other.get("ciphered")), policy=other.get("policy"))  # type: ignore[arg-type]
    client.objects.profiles[102] = AssociationProfile(
        102, 1, pre_established=True, client_system_title=CLIENT_TITLE, ciphered=bool(other.get("ciphered"))
    )
    return client


def test_75_8_pre_established_client_sets_without_association() -> None:
    client = pre_established()
    assert client.ask(SetRequestNormal(ENERGY, None, b"\x11\x07").encode(UNCONFIRMED), client=102) == []
    assert client.objects.values[ENERGY] == b"\x11\x07"
    assert client.one(GET, client=102).data == b"\x11\x07"
    assert client.status == [2]
    assert client.objects.log == ["opened"]


def test_75_8_pre_established_client_cannot_associate_or_release() -> None:
    client = pre_established()
    assert client.ask(Rlrq().encode(), client=102) == []
    assert client.ask(client.aarq(), client=102) == []
    assert client.one(GET, client=102).data == FIVE
    assert client.status == [2]


def test_75_8_broadcast_works_without_a_reply() -> None:
    client = pre_established()
    apdu = SetRequestNormal(ENERGY, None, b"\x11\x08").encode(0xC1)
    client.responder._handle([ApduReceived(Address(102, 1), apdu, confirmed=False)])
    assert client.taken() == []
    assert client.objects.values[ENERGY] == b"\x11\x08"


def test_protected_broadcast_to_a_pre_established_client() -> None:
    client = pre_established(ciphered=True, policy=BOTH)
    apdu = SetRequestNormal(ENERGY, None, b"\x11\x09").encode(0xC1)
    client.responder._handle([ApduReceived(Address(102, 1), client.protected(apdu, broadcast=True), confirmed=False)])
    assert client.taken() == []
    assert client.objects.values[ENERGY] == b"\x11\x09"
    assert client.objects.receiving_broadcast.last == 0
    assert client.objects.receiving.last is None


def test_protected_broadcast_over_the_wrapper_to_all_stations() -> None:
    client = pre_established(ciphered=True, policy=BOTH)
    apdu = client.protected(SetRequestNormal(ENERGY, None, b"\x11\x0a").encode(0xC1), broadcast=True)
    client.responder.receive(wrapper.build(102, 0x7F, apdu), 0)
    assert client.taken() == []
    assert client.objects.values[ENERGY] == b"\x11\x0a"


# --- security (8.3, 8.4) -------------------------------------------------------------------------------------------


def test_84_4_replay_is_answered_with_the_smallest_counter() -> None:
    client = ciphered()
    request = client.protected(GET)
    assert client.opened(client.ask(request)[0]).data == FIVE
    last = client.objects.receiving.last
    assert last is not None
    assert exception(client.ask(request)[0]) == (1, 6, last + 1)
    assert client.objects.contexts[0].failures == 1
    assert client.objects.log == ["opened", "security failed"]
    client.security.sending = SendingCounter(last + 1000, END)
    assert client.opened(client.ask(client.protected(GET))[0]).data == FIVE
    assert client.objects.receiving.last == last + 1000


def test_84_5_forged_frame_with_a_huge_counter_changes_nothing() -> None:
    client = ciphered()
    genuine = client.protected(GET)
    forged = bytearray(client.protected(GET))
    forged[3:7] = (END - 1).to_bytes(4, "big")
    before = client.objects.receiving.last
    assert exception(client.ask(bytes(forged))[0]) == (1, 5, None)
    assert client.objects.receiving.last == before
    assert client.opened(client.ask(genuine)[0]).data == FIVE


def test_84_6_plain_get_under_a_policy() -> None:
    client = ciphered()
    assert exception(client.ask(GET)[0]) == (1, 5, None)
    assert client.status == [2]
    assert client.objects.contexts[0].failures == 1
    assert client.opened(client.ask(client.protected(GET))[0]).data == FIVE


def test_84_7_broadcast_with_a_bad_tag_is_met_with_silence() -> None:
    client = ciphered()
    apdu = bytearray(client.protected(SET.encode(0xC1), broadcast=True))
    apdu[-1] ^= 1
    assert client.ask(bytes(apdu)) == []
    assert client.objects.log[-1] == "security failed"
    client.responder._handle([ApduReceived(Address(1, 1), client.protected(GET)[:-1] + b"\x00", confirmed=False)])
    assert client.taken() == []


def test_84_7_plain_unconfirmed_request_under_a_policy_is_met_with_silence() -> None:
    client = ciphered()
    assert client.ask(SET.encode(UNCONFIRMED)) == []
    assert client.objects.log[-1] == "security failed"


def test_84_8_after_a_power_cycle_old_counters_are_refused_and_none_is_repeated() -> None:
    client = ciphered()
    old = client.protected(GET)
    first = client.ask(client.protected(GET))[0]
    client.objects.sending = SendingCounter(client.objects.sending.next + 100, END)
    client.responder = Responder(client.responder.link, client.objects, client.random.randbytes)
    assert client.associate(protection=0x30).result == 0
    assert exception(client.ask(old)[0])[:2] == (1, 6)
    second = client.ask(client.protected(GET))[0]
    assert int.from_bytes(second[3:7], "big") > int.from_bytes(first[3:7], "big") + 100


def altered(client: RawClient, position: int, value: int) -> bytes:
    octets = bytearray(client.protected(GET))
    octets[position] = value
    return bytes(octets)


def test_wrong_security_is_refused_counted_and_harmless() -> None:
    client = ciphered()
    other_key = SecurityContext(Keys(bytes(16), AUTHENTICATION_KEY), CLIENT_TITLE, sending=SendingCounter(50, END))
    other_title = SecurityContext(KEYS, b"CSMother", sending=SendingCounter(50, END))
    attempts = [
        altered(client, -1, 0) if client.protected(GET)[-1] else altered(client, -1, 1),
        altered(client, 2, 0x31),  # suite 1
        altered(client, 2, 0xB0),  # compressed
        altered(client, 2, 0x00),  # no protection inside a ciphered APDU
        client.protected(GET, 0x10),  # one bit of two missing
        client.protected(GET, 0x20),
        client.protected(GET)[:9],
        b"\xc8\x05\x30\x00\x00\x00\x50",  # no room for a tag
        b"\xc8\x7f\x30",
        b"\xd0" + client.protected(GET)[1:],  # a dedicated key was not agreed
        GeneralDed(CLIENT_TITLE, other_key.protect(GET, 0x30)).encode(),
        b"\xc8" + bytes((len(other_key.protect(GET, 0x30)),)) + other_key.protect(GET, 0x30),
        GeneralGlo(b"CSMother", other_title.protect(GET, 0x30)).encode(),
        GeneralGlo(b"short", other_title.protect(GET, 0x30)).encode(),
    ]
    for number, attempt in enumerate(attempts, 1):
        last = client.objects.receiving.last
        assert exception(client.ask(attempt)[0])[:2] == (1, 5), number
        assert client.objects.contexts[0].failures == number
        assert client.objects.receiving.last == last
        assert client.status == [2]
        assert client.opened(client.ask(client.protected(GET))[0]).data == FIVE, number


def test_ciphered_request_in_a_plain_association() -> None:
    client = RawClient()
    client.associate()
    assert exception(client.ask(client.protected(GET))[0]) == (1, 5, None)
    assert client.one(GET).data == FIVE


def test_protected_text_that_is_no_request() -> None:
    client = ciphered()
    for plain in (b"\xff\x01\x02", b"\xc4\x01\xc1\x00\x00", b""):
        content = client.security.protect(plain, 0x30)
        assert exception(client.ask(b"\xc8" + bytes((len(content),)) + content)[0]) == (2, 2, None)
    content = client.security.protect(b"\xc0\x01", 0x30)
    assert exception(client.ask(b"\xc8" + bytes((len(content),)) + content)[0]) == (1, 3, None)


def test_encryption_alone_under_a_wrong_key_does_not_move_the_counter() -> None:
    client = RawClient(ciphered=True, policy=Policy(0x20, 0x20))
    client.associate(protection=0x20)
    last = client.objects.receiving.last
    other = SecurityContext(Keys(bytes(16), None), CLIENT_TITLE, sending=SendingCounter(5000, END))
    content = other.protect(GET, 0x20)
    assert exception(client.ask(b"\xc8" + bytes((len(content),)) + content)[0]) == (1, 5, None)
    assert client.objects.receiving.last == last
    assert client.opened(client.ask(client.protected(GET, 0x20))[0]).data == FIVE


def test_longer_than_the_pdu_size() -> None:
    client = RawClient(max_pdu_size=100)
    client.associate()
    long = axdr.encode(axdr.octet_string(bytes(100)))
    assert exception(client.ask(SetRequestNormal(ENERGY, None, long).encode(0xC1))[0]) == (1, 4, None)
    assert client.one(GET).data == FIVE


def test_dedicated_key_counts_from_0() -> None:
    client = RawClient(ciphered=True, policy=BOTH)
    client.objects.sending = SendingCounter(700, END)
    client.security.sending = SendingCounter(900, END)
    key = bytes(range(40, 56))
    initiate = InitiateRequest(int(LN_CORE), 1024, key)
    assert client.associate(initiate=initiate, protection=0x30).result == 0
    client.security.use_dedicated_key(key)
    for counter in range(3):
        content = client.security.protect(GET, 0x30, dedicated=True)
        (octets,) = client.ask(b"\xd0" + bytes((len(content),)) + content)
        assert octets[0] == 0xD4
        assert int.from_bytes(octets[3:7], "big") == counter
        (octets,) = client.ask(GeneralDed(CLIENT_TITLE, client.security.protect(GET, 0x30, dedicated=True)).encode())
        assert octets[0] == 0xDC
        break
    # a new association begins at 0 again
    assert client.associate(initiate=initiate, protection=0x30).result == 0
    client.security.use_dedicated_key(key)
    content = client.security.protect(GET, 0x30, dedicated=True)
    assert client.ask(b"\xd0" + bytes((len(content),)) + content)[0][0] == 0xD4


def test_protected_release_is_answered_protected() -> None:
    client = ciphered()
    initiate = InitiateRequest(int(LN_CORE), 1024).encode()
    for protect in (client.protected, client.general):
        rlre = client.one(Rlrq(user_information=protect(initiate)).encode())
        assert client.opened(rlre.user_information).negotiated_dlms_version == 6
        assert client.status == []
        client.associate(protection=0x30)


def test_wrongly_protected_release_does_nothing() -> None:
    client = ciphered()
    information = client.protected(InitiateRequest(int(LN_CORE), 1024).encode())
    wrong = information[:-1] + bytes((information[-1] ^ 1,))
    assert exception(client.ask(Rlrq(user_information=wrong).encode())[0]) == (1, 5, None)
    assert client.status == [2]
    assert client.one(Rlrq(user_information=information).encode()).reason == 0
    client.associate(protection=0x30)
    last = client.objects.receiving.last
    assert last is not None
    assert exception(client.ask(Rlrq(user_information=information).encode())[0]) == (1, 6, last + 1)
    assert client.status == [2]


def test_plain_release_with_information() -> None:
    client = RawClient()
    client.associate()
    information = InitiateRequest(int(LN_CORE), 1024).encode()
    assert client.one(Rlrq(user_information=information).encode()).user_information is None
    second = ciphered()
    assert second.one(Rlrq(user_information=information).encode()).user_information is None


def test_out_of_counters_nothing_is_sent_under_the_key() -> None:
    client = ciphered()
    client.objects.contexts[0].sending = SendingCounter(END, END)
    assert exception(client.ask(client.protected(GET))[0]) == (1, 1, None)
    assert client.objects.log[-1] == "security failed"
    information = client.protected(InitiateRequest(int(LN_CORE), 1024).encode())
    assert exception(client.ask(Rlrq(user_information=information).encode())[0]) == (1, 5, None)


# --- block transfer of the serving side -----------------------------------------------------------------------------

LONG = axdr.encode(axdr.octet_string(bytes(range(256)) * 2))


def blocks() -> RawClient:
    client = RawClient()
    client.associate(pdu=100)
    client.objects.values[ENERGY] = LONG
    return client


def test_get_in_blocks() -> None:
    client = blocks()
    answer = client.one(GET)
    raw, number = answer.raw, 1
    while not answer.last:
        assert (answer.block_number, answer.result) == (number, 0)
        answer = client.one(GetRequestNext(number).encode(0xC1))
        raw += answer.raw
        number += 1
    assert raw == LONG
    assert tuple(client.one(GetRequestNext(number).encode(0xC1))) == (True, number, None, 16)


def test_get_next_with_a_wrong_number() -> None:
    client = blocks()
    client.one(GET)
    assert tuple(client.one(GetRequestNext(2).encode(0xC1))) == (True, 2, None, 19)
    assert tuple(client.one(GetRequestNext(1).encode(0xC1))) == (True, 1, None, 16)


def test_get_next_without_a_transfer() -> None:
    client = blocks()
    assert client.one(GetRequestNext(1).encode(0xC1)).result == 16
    client.one(GET)
    assert client.one(GetRequestNext(1).encode(0xC2)).result == 16
    assert client.one(GetRequestNext(1).encode(0xC1)).block_number == 2


def test_long_get_where_blocks_were_not_agreed() -> None:
    client = RawClient(conformance=LN_CORE & ~Conformance.BLOCK_TRANSFER_WITH_GET_OR_READ)
    client.associate(pdu=100)
    client.objects.values[ENERGY] = LONG
    assert client.one(GET).result == 250


def test_long_action_where_blocks_were_not_agreed() -> None:
    client = RawClient(conformance=LN_CORE & ~Conformance.BLOCK_TRANSFER_WITH_ACTION)
    client.associate(pdu=100)
    assert client.one(ActionRequestNormal(METHOD, LONG).encode(0xC1)).result == 250


def test_a_transfer_of_a_get_is_none_of_an_action() -> None:
    client = blocks()
    client.one(GET)
    assert client.one(ActionRequestNextPblock(1).encode(0xC1)).result == 16
    assert client.one(GetRequestNext(1).encode(0xC1)).block_number == 2
    client.one(ActionRequestNormal(METHOD, LONG).encode(0xC2))
    assert client.one(GetRequestNext(1).encode(0xC2)).result == 16
    assert client.one(ActionRequestNextPblock(1).encode(0xC2)).block.number == 2


def test_action_next_with_a_wrong_number() -> None:
    client = blocks()
    client.one(ActionRequestNormal(METHOD, LONG).encode(0xC1))
    assert client.one(ActionRequestNextPblock(3).encode(0xC1)).result == 16
    assert client.one(ActionRequestNextPblock(1).encode(0xC1)).result == 16


def set_first(number: int = 1, last: bool = False, raw: bytes = LONG[:50]) -> bytes:
    return SetRequestWithFirstDatablock(ENERGY, None, DataBlock(last, number, raw)).encode(0xC1)


def set_block(number: int, last: bool, raw: bytes = LONG[50:]) -> bytes:
    return SetRequestWithDatablock(DataBlock(last, number, raw)).encode(0xC1)


def test_set_in_blocks() -> None:
    client = RawClient()
    client.associate()
    assert client.one(set_first()).block_number == 1
    assert client.objects.values[ENERGY] == FIVE
    assert tuple(client.one(set_block(2, True))) == (0, 2)
    assert client.objects.values[ENERGY] == LONG


@pytest.mark.parametrize("number", [1, 3, 0, 0xFFFFFFFF])
def test_set_block_with_a_wrong_number(number: int) -> None:
    client = RawClient()
    client.associate()
    client.one(set_first())
    assert tuple(client.one(set_block(number, True))) == (19, number)
    assert tuple(client.one(set_block(2, True))) == (18, 2)
    assert client.objects.values[ENERGY] == FIVE


def test_set_first_block_with_a_wrong_number() -> None:
    client = RawClient()
    client.associate()
    assert tuple(client.one(set_first(2))) == (19, 2)
    assert tuple(client.one(set_block(3, True))) == (18, 3)


def test_set_that_fits_its_first_block() -> None:
    client = RawClient()
    client.associate()
    assert tuple(client.one(set_first(1, True, FIVE))) == (0, 1)


def test_set_block_of_an_action_transfer() -> None:
    client = RawClient()
    client.associate()
    client.one(ActionRequestWithFirstPblock(METHOD, DataBlock(False, 1, b"\x09")).encode(0xC1))
    assert client.one(set_block(2, True)).result == 18
    assert client.one(ActionRequestWithPblock(DataBlock(True, 2, b"\x00")).encode(0xC1)).data == b"\x09\x00"
    client.one(set_first())
    assert client.one(ActionRequestWithPblock(DataBlock(True, 2, b"\x00")).encode(0xC1)).result == 16


def test_set_list_in_blocks() -> None:
    client = RawClient()
    client.associate()
    whole = b"\x02" + LONG + FIVE
    targets = ((ENERGY, None), (UNKNOWN, None))
    first = SetRequestWithListAndFirstDatablock(targets, DataBlock(False, 1, whole[:9])).encode(0xC1)
    assert client.one(first).block_number == 1
    assert tuple(client.one(set_block(2, True, whole[9:]))) == ((0, 4), 2)
    assert client.objects.values[ENERGY] == LONG


@pytest.mark.parametrize(
    "whole", [b"\x01" + FIVE, b"\x02" + FIVE, b"\x02" + FIVE + FIVE + b"\x00", b"\x02\x63\x63", b""]
)
def test_set_list_in_blocks_that_do_not_fit(whole: bytes) -> None:
    client = RawClient()
    client.associate()
    targets = ((ENERGY, None), (UNKNOWN, None))
    first = SetRequestWithListAndFirstDatablock(targets, DataBlock(True, 1, whole)).encode(0xC1)
    assert tuple(client.one(first)) == ((12, 12), 1)
    action = ActionRequestWithListAndFirstPblock((METHOD, METHOD), DataBlock(True, 1, whole)).encode(0xC1)
    assert client.one(action).result == 12
    assert client.objects.protections == []


def test_action_in_blocks_with_a_wrong_number() -> None:
    client = RawClient()
    client.associate()
    assert client.one(ActionRequestWithFirstPblock(METHOD, BLOCK).encode(0xC1)).block_number == 1
    assert client.one(ActionRequestWithPblock(DataBlock(True, 3, b"\x00")).encode(0xC1)).result == 16
    assert client.one(ActionRequestWithPblock(DataBlock(True, 2, b"\x00")).encode(0xC1)).result == 16
    assert client.objects.actions == []


def test_endless_empty_blocks_end() -> None:
    client = RawClient()
    client.associate()
    client.one(set_first(1, False, b""))
    answers = [client.one(set_block(number, False, b"")) for number in range(2, 30)]
    assert next(answer.result for answer in answers if hasattr(answer, "result")) == 19


def test_half_received_transfers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    from cosem.association import serving

    monkeypatch.setattr(serving, "MAX_RECEIVED", 1000)
    client = RawClient()
    client.associate()

    def first(invoke: int) -> object:
        octets = SetRequestWithFirstDatablock(ENERGY, None, DataBlock(False, 1, bytes(400))).encode(0xC0 | invoke)
        return client.one(octets)

    assert first(1).block_number == 1  # type: ignore[attr-defined]
    assert first(2).block_number == 1  # type: ignore[attr-defined]
    assert first(3).result == 19  # type: ignore[attr-defined]
    assert first(1).block_number == 1  # type: ignore[attr-defined]


# --- links and notifications ----------------------------------------------------------------------------------------


def test_request_right_before_the_disconnection() -> None:
    client, server = HdlcLink(), HdlcLink(server=True)
    objects = RawClient().objects
    responder = Responder(server, objects, bytes)
    address = Address(1, 1)
    client.connect(address, 0)
    responder.receive(client.take(), 0)
    assert LinkUp(address) in client.receive(responder.take(), 0)
    client.send(address, RawClient().aarq(), 0)
    octets = client.take()
    client.disconnect(address, 0)
    responder.receive(octets + client.take(), 0)
    assert objects.log == ["opened", "closed"]
    assert responder.sessions == ()
    assert responder.take()


def test_lost_link_closes_every_association() -> None:
    client = RawClient()
    client.objects.profiles[2] = profile()
    client.associate()
    client.one(client.aarq(), client=2)
    client.responder.lost(5.0)
    assert client.objects.log == ["opened", "opened", "closed", "closed"]
    assert client.status == []


def test_notifications() -> None:
    client = ciphered()
    push = DataNotification(b"", FIVE)
    client.responder.notify(Address(1, 1), push, invoke=9)
    (octets,) = client.taken()
    assert parse(octets) == (9, push)
    client.responder.notify(Address(1, 1), push, invoke=9, protection=0x30)
    (octets,) = client.taken()
    assert client.opened(octets) == push
    with pytest.raises(LocalProtocolError, match="needs a ciphered association"):
        client.responder.notify(Address(7, 1), push, protection=0x30)


def test_broadcast_key_is_used_for_broadcasts_only() -> None:
    client = ciphered()
    request = client.protected(SetRequestNormal(ENERGY, None, b"\x11\x01").encode(0xC1), broadcast=True)
    assert client.ask(request) == []
    assert isinstance(client.objects.errors[0], PolicyViolation)
    assert client.objects.values[ENERGY] == FIVE


def test_octets_that_mean_nothing_are_survived() -> None:
    client = RawClient()
    client.responder.receive(b"\x00\x01\x00\x01\x00\x01\x00\x00", 0)
    client.responder.receive(b"\xff" * 30, 0)
    assert client.taken() == []


def test_pre_established_client_without_a_title_cannot_be_opened() -> None:
    client = pre_established(ciphered=True, policy=BOTH)
    client.objects.profiles[102].client_system_title = b""
    assert exception(client.ask(client.protected(GET), client=102)[0]) == (1, 5, None)


def test_protected_initiate_request_that_is_none() -> None:
    client = RawClient(ciphered=True, policy=BOTH)
    response = b"\x08\x00\x06\x5f\x1f\x04\x00\x00\x10\x10\x04\x00\x00\x07"
    content = client.security.protect(response, 0x30)
    information = b"\x21" + bytes((len(content),)) + content
    assert rejection(client, user_information=information) == (1, "user", 1)
