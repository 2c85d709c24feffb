"""Published octets that decode but must not be accepted: a device, a client, a link or a security context gets them."""

from __future__ import annotations

from typing import Any

import pytest

from association.association_world import AUTHENTICATION_KEY, CLIENT_TITLE, ENCRYPTION_KEY, KEYS, FakeMeter, RawClient
from cosem.apdu import parse
from cosem.apdu.general import GeneralSigning
from cosem.association.conversations import open_association
from cosem.codec import axdr
from cosem.errors import CosemError, DecodeError, SecurityError
from cosem.link import wrapper
from cosem.link.hdlc import parameters
from cosem.link.hdlc.frame import Frame, build
from cosem.link.hdlc.link import HdlcLink
from cosem.link.hdlc.splitter import FrameSplitter
from cosem.link.mbus_frame import MbusLink
from cosem.security import keywrap
from cosem.security.context import SecurityContext
from cosem.security.gcm import unprotect
from cosem.security.hls import HlsIdentity, Mechanism
from cosem.security.policy import Policy
from cosem.times import CosemDateTime
from support import vectors

BAD = [case for case in vectors.load("dlms_bad.jsonl") if case["level"] in ("semantic", "crypto")]
BY_ID = {case["id"]: case for case in BAD}
BOTH = Policy(0x30, 0x30)
GET = bytes.fromhex("c001c100080000010000ff0200")
READER, METER = b"\x21", b"\x02\x23"

pytestmark = pytest.mark.skipif(not BAD, reason="the published octets are not beside this checkout")


def octets_of(name: str) -> bytes:
    return bytes.fromhex(BY_ID[name]["hex"])


def rejected(name: str) -> Any:
    """Give an AARQ to a device and return the AARE, after which nobody is associated."""
    client = RawClient()
    aare = client.one(octets_of(name))
    assert aare.service == "aare"
    assert int(aare.result) in (1, 2)
    assert client.status == []
    return aare


def initiate_error(name: str) -> str:
    return str(parse(rejected(name).user_information).service.error_name)


def test_an_unknown_application_context_is_rejected_by_name() -> None:
    assert rejected("bad-ee2af4c5d0").diagnostic == 2


def test_an_aarq_without_user_information_is_rejected() -> None:
    rejected("bad-f2825847a1")


def test_another_dlms_version_and_too_small_an_apdu_are_initiate_errors() -> None:
    assert initiate_error("bad-902283b540") == "dlms-version-too-low"
    assert initiate_error("bad-09ce48465d") == "pdu-size-too-short"


def test_a_request_is_no_answer_to_a_client_that_associates() -> None:
    fake = FakeMeter()
    fake.answering = lambda service, invoke: [octets_of("bad-a7600a1795")]
    with pytest.raises(CosemError):
        fake.driver.run(open_association(fake.initiator, fake.random.randbytes))
    assert fake.initiator.state.name != "ASSOCIATED"


def test_a_block_with_number_0_reaches_no_object() -> None:
    client = RawClient()
    client.associate()
    client.ask(octets_of("bad-ae6b7feff8"))
    assert client.objects.protections == []
    assert client.one(GET).service == "get-response-normal"


@pytest.mark.parametrize("name", ["bad-2c9a191337", "bad-a7a76e7171", "bad-08837c37f3", "bad-dfaf1aaf55"])
def test_a_device_serves_nothing_that_is_not_proven(name: str) -> None:
    case = BY_ID[name]
    assert bytes.fromhex(case["keys"]["ek"]) == ENCRYPTION_KEY
    assert bytes.fromhex(case["keys"]["ak"]) == AUTHENTICATION_KEY
    client = RawClient(ciphered=True, policy=BOTH)
    # The titles of the vector are those of the one who asks here.
    title = bytes.fromhex(case["keys"]["system_title"])
    client.security = SecurityContext(KEYS, title, client.security.peer_title, sending=client.security.sending)
    client.associate(protection=0x30, calling_ap_title=title)
    assert client.status == [2]
    answers = client.ask(octets_of(name))
    assert [answer[:1] for answer in answers] in ([], [b"\xd8"], [b"\x0e"])
    assert "security failed" in client.objects.log
    assert client.objects.protections == []
    # What failed has moved nothing: the next genuine request is served.
    assert client.opened(client.ask(client.protected(GET))[0]).service == "get-response-normal"


def test_a_point_in_time_that_is_none_is_kept_and_refused_as_such() -> None:
    value = axdr.decode(octets_of("bad-5e455fe295"))
    moment = CosemDateTime.from_octets(value.value)
    assert not moment.in_range
    assert moment.to_octets() == octets_of("bad-5e455fe295")[1:]
    with pytest.raises(CosemError):
        moment.to_datetime()


@pytest.mark.parametrize("name", ["bad-52527fd3d2", "bad-27552b22d0"])
def test_wrong_tags_give_no_plain_text(name: str) -> None:
    keys = {key: bytes.fromhex(value) for key, value in BY_ID[name]["keys"].items()}
    with pytest.raises(SecurityError):
        unprotect(keys["ek"], keys["ak"], keys["system_title"], octets_of(name))


def test_a_repeat_is_refused_and_the_first_is_not() -> None:
    keys = {key: bytes.fromhex(value) for key, value in BY_ID["bad-8ef2502276"]["keys"].items()}
    context = SecurityContext(KEYS, CLIENT_TITLE, keys["system_title"])
    assert context.open(octets_of("bad-8ef2502276"), bytes, request=False)[0] == GET[:2] + b"\x00" + GET[3:]
    with pytest.raises(SecurityError):
        context.open(octets_of("bad-8ef2502276"), bytes, request=False)


@pytest.mark.parametrize("name", ["bad-a0c814bbdb", "bad-e1ee97adf7"])
def test_a_wrapped_key_with_one_bit_flipped_is_none(name: str) -> None:
    with pytest.raises(SecurityError):
        keywrap.unwrap(bytes.fromhex(BY_ID[name]["keys"]["kek"]), octets_of(name))


def test_a_wrong_signature_opens_nothing() -> None:
    """Signatures are not checked yet: whatever is signed is refused by name, so a wrong one is, too."""
    signed = GeneralSigning(b"\x01", CLIENT_TITLE, b"CSMmeter", b"", b"", GET, octets_of("bad-eef40b8eb4")).encode()
    assert parse(signed).service.signature == octets_of("bad-eef40b8eb4")
    client = RawClient()
    client.associate()
    answers = client.ask(signed)
    assert [answer[:1] for answer in answers] in ([], [b"\xd8"])
    assert client.objects.protections == []


# --- links ------------------------------------------------------------------------------------------------------


def connected(frame: Frame) -> HdlcLink:
    """Return a server's link with the connection that `frame` is for."""
    link = HdlcLink(server=True)
    link.receive(build(frame.destination.octets, frame.source.octets, 0x93), 0.0)
    link.take()
    return link


def frame_of(name: str) -> Frame:
    (item,) = FrameSplitter().feed(octets_of(name))
    assert isinstance(item, tuple)
    return item[0]


def said(link: HdlcLink) -> list[Frame]:
    return [item[0] for item in FrameSplitter().feed(link.take()) if isinstance(item, tuple)]


def test_a_frame_out_of_turn_is_discarded_and_asked_for_again() -> None:
    link = connected(frame_of("bad-8c0397c1a9"))
    events = link.receive(octets_of("bad-8c0397c1a9"), 0.0)
    assert [type(event).__name__ for event in events] == ["Discarded"]
    assert [(frame.kind, frame.nr) for frame in said(link)] == [("RR", 0)]


def test_an_acknowledgement_of_what_was_never_sent_is_rejected() -> None:
    link = connected(frame_of("bad-e18c858708"))
    events = link.receive(octets_of("bad-e18c858708"), 0.0)
    assert not any(type(event).__name__ == "ApduReceived" for event in events)
    assert [frame.kind for frame in said(link)] == ["FRMR"]


def test_an_information_field_of_nothing_is_no_proposal() -> None:
    frame = frame_of("bad-5a178a8749")
    with pytest.raises(DecodeError):
        parameters.parse(frame.info)
    # The station that must answer takes the default for it.
    assert parameters.proposed(frame.info).max_info_tx == parameters.DEFAULT.max_info_tx


def test_a_wrapper_header_without_an_apdu_is_ignored() -> None:
    link = wrapper.WrapperLink(server=True)
    events = link.receive(octets_of("bad-2e7ee2537b"), 0.0)
    assert [type(event).__name__ for event in events] == ["Discarded"]
    assert link.take() == b""


def test_pieces_in_the_wrong_order_are_no_push() -> None:
    link = MbusLink()
    events = link.receive(octets_of("bad-fb304ec2bd"), 0.0)
    assert events
    assert {type(event).__name__ for event in events} == {"Discarded"}


def test_a_wrong_proof_of_high_level_security_is_refused() -> None:
    case = BY_ID["bad-a1d40272b7"]
    keys = {key: bytes.fromhex(value) for key, value in case["keys"].items()}
    context = SecurityContext(KEYS, CLIENT_TITLE, keys["system_title"])
    identity = HlsIdentity(Mechanism.HLS_GMAC, own_challenge=keys["challenge"], peer_challenge=GET[:8], context=context)
    with pytest.raises(SecurityError):
        identity.check(octets_of("bad-a1d40272b7"))
    assert context.receiving().last is None


def test_all_are_judged() -> None:
    """Every case of these levels is named in this file."""
    import inspect
    import sys

    text = inspect.getsource(sys.modules[__name__])
    assert [case["id"] for case in BAD if case["id"] not in text] == []
