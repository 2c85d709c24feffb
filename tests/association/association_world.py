"""A meter and a client in memory for the tests of the association room, and each of them alone against raw APDUs."""

from __future__ import annotations

import random
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

from cosem.apdu import parse
from cosem.apdu.acse import AUTHENTICATION, LN, LN_CIPHERED, Aarq
from cosem.apdu.base import AttributeDescriptor, MethodDescriptor
from cosem.apdu.ciphered import GeneralGlo, ciphered_tag
from cosem.apdu.initiate import InitiateRequest
from cosem.association.conversations import open_association
from cosem.association.initiator import Initiator
from cosem.association.responder import Responder, ResponderSettings
from cosem.association.server import AssociationProfile, Session
from cosem.association.settings import AssociationSettings
from cosem.association.steps import Step
from cosem.codec import axdr
from cosem.codec.axdr import encode_length
from cosem.conformance_block import LN_CORE, Conformance
from cosem.io.memory import MemoryDriver
from cosem.link import wrapper
from cosem.link.base import Address, Link
from cosem.link.hdlc.link import HdlcLink
from cosem.link.memory import PERFECT, LineQuality, LossyPipe
from cosem.link.wrapper import WrapperLink
from cosem.obis import Obis
from cosem.results import ActionResult, DataAccessResult
from cosem.security.context import SecurityContext
from cosem.security.counters import END, MemoryCounterStore, ReceivingCounter, SendingCounter
from cosem.security.keys import Keys
from cosem.security.policy import Policy

ENCRYPTION_KEY = bytes(range(16))
AUTHENTICATION_KEY = bytes(range(0xD0, 0xE0))
BROADCAST_KEY = bytes(range(0x60, 0x70))
KEYS = Keys(ENCRYPTION_KEY, AUTHENTICATION_KEY, global_broadcast_encryption_key=BROADCAST_KEY)
CLIENT_TITLE = b"CSMclien"
METER_TITLE = b"CSMmeter"
SECRET = b"12345678"
MECHANISMS = tuple(range(7))

ENERGY = AttributeDescriptor(3, Obis.parse("1-0:1.8.0"), 2)
POWER = AttributeDescriptor(3, Obis.parse("1-0:1.7.0"), 2)
UNKNOWN = AttributeDescriptor(3, Obis.parse("1-0:99.8.0"), 2)
METHOD = MethodDescriptor(70, Obis.parse("0-0:96.3.10"), 1)
REPLY_TO_HLS = MethodDescriptor(15, Obis.parse("0-0:40.0.0"), 1)
FIVE = axdr.encode(axdr.double_long_unsigned(5))

CLIENT, SERVER = 1, 1


def manufacturer(challenge: bytes, secret: bytes) -> bytes:
    """Make the proof of mechanism 2 for these tests."""
    return challenge + secret


class Objects:
    """An object server with a dictionary of values, that keeps a log of what it is told."""

    def __init__(self, profiles: dict[int, AssociationProfile], policy: Policy) -> None:
        self.profiles = profiles
        self.policy = policy
        self.values: dict[AttributeDescriptor, bytes] = {ENERGY: FIVE}
        self.log: list[str] = []
        self.errors: list[Exception] = []
        self.sending = SendingCounter(0, END)
        self.receiving = ReceivingCounter()
        self.receiving_broadcast = ReceivingCounter()
        self.keys = KEYS
        self.contexts: list[SecurityContext] = []
        self.selections: list[Any] = []
        self.actions: list[tuple[MethodDescriptor, bytes | None]] = []
        self.protections: list[int] = []

    def association_profile(self, address: Address) -> AssociationProfile | None:
        return self.profiles.get(address.client)

    def security_context(self, profile: AssociationProfile, client_title: bytes) -> SecurityContext | None:
        if not profile.ciphered and profile.mechanism != 5:
            return None
        context = SecurityContext(
            self.keys,
            METER_TITLE,
            client_title,
            policy=self.policy,
            sending=self.sending,
            receiving=self.receiving,
            receiving_broadcast=self.receiving_broadcast,
        )
        self.contexts.append(context)
        return context

    def opened(self, session: Session) -> None:
        self.log.append("opened")

    def closed(self, session: Session) -> None:
        self.log.append("closed")

    def authentication_failed(self, session: Session) -> None:
        self.log.append("authentication failed")

    def security_failed(self, session: Session, error: Exception) -> None:
        self.log.append("security failed")
        self.errors.append(error)

    def notification_confirmed(self, session: Session, invoke: int) -> None:
        self.log.append(f"confirmed {invoke:08x}")

    def get(self, session: Session, target: AttributeDescriptor, selection: Any) -> bytes | DataAccessResult:
        self.protections.append(session.request_protection)
        self.selections.append(selection)
        return self.values.get(target, DataAccessResult.OBJECT_UNDEFINED)

    def set(self, session: Session, target: AttributeDescriptor, selection: Any, data: bytes) -> DataAccessResult:
        self.protections.append(session.request_protection)
        self.selections.append(selection)
        if target == UNKNOWN:
            return DataAccessResult.OBJECT_UNDEFINED
        self.values[target] = data
        return DataAccessResult.SUCCESS

    def action(self, session: Session, target: MethodDescriptor, data: bytes | None) -> tuple[ActionResult, Any]:
        self.protections.append(session.request_protection)
        self.actions.append((target, data))
        if target.method == 99:
            return ActionResult.OBJECT_UNDEFINED, None
        return ActionResult.SUCCESS, data


def profile(mechanism: int = 0, *, ciphered: bool = False, **other: Any) -> AssociationProfile:
    return AssociationProfile(
        CLIENT,
        SERVER,
        mechanism,
        SECRET,
        ciphered,
        system_title=METER_TITLE,
        manufacturer=manufacturer,
        **other,
    )


def settings(mechanism: int = 0, protection: int = 0, ciphering: str = "glo", **other: Any) -> AssociationSettings:
    given: dict[str, Any] = {
        "client_sap": CLIENT,
        "server_sap": SERVER,
        "mechanism": mechanism,
        "secret": SECRET,
        "protection": protection,
        "ciphering": ciphering,
        "keys": KEYS,
        "system_title": CLIENT_TITLE,
        "weak_mechanisms": frozenset({3, 4}),
        "manufacturer": manufacturer,
    }
    store = MemoryCounterStore()
    given["lease"] = lambda count: store.lease("meter", count)
    return AssociationSettings(**(given | other))


@dataclass
class World:
    """Both ends, and the line between them."""

    initiator: Initiator
    responder: Responder
    objects: Objects
    driver: MemoryDriver
    random: random.Random
    addresses: list[Address] = field(default_factory=list)

    def run(self, conversation: Generator[Step, Any, Any], *, until: float | None = None) -> Any:
        return self.driver.run(conversation, until=until)

    def associate(self) -> None:
        self.run(open_association(self.initiator, self.random.randbytes))

    def call(self, step: Step) -> Any:
        """Carry out one step as a conversation of its own."""
        return self.run(single(step))

    @property
    def address(self) -> Address:
        return self.initiator.address


def single(step: Step) -> Generator[Step, Any, Any]:
    return (yield step)


def world(
    mechanism: int = 0,
    protection: int = 0,
    ciphering: str = "glo",
    *,
    hdlc: bool = False,
    link: Callable[[bool], Link] | None = None,
    quality: LineQuality = PERFECT,
    seed: int = 1,
    server_pdu: int = 1024,
    conformance: Conformance = LN_CORE,
    policy: Policy | None = None,
    hook: Callable[[int], None] | None = None,
    pipe: LossyPipe | None = None,
    **other: Any,
) -> World:
    rnd = random.Random(seed)
    ciphered = bool(protection) or bool(other.get("ciphered"))
    objects = Objects(
        {CLIENT: profile(mechanism, ciphered=ciphered, max_pdu_size=server_pdu, conformance=conformance)},
        policy or Policy(protection, protection),
    )
    make = link or ((lambda server: HdlcLink(server=server)) if hdlc else (lambda server: WrapperLink(server=server)))
    initiator = Initiator(make(False), settings(mechanism, protection, ciphering, **other))
    responder = Responder(make(True), objects, rnd.randbytes)
    driver = MemoryDriver(initiator, responder, pipe or LossyPipe(rnd.random, quality), hook=hook)
    return World(initiator, responder, objects, driver, rnd)


class RawClient:
    """Talks to a responder in APDUs made by hand, through the wrapper."""

    def __init__(
        self,
        mechanism: int = 0,
        *,
        ciphered: bool = False,
        policy: Policy | None = None,
        responder_settings: ResponderSettings | None = None,
        **other: Any,
    ) -> None:
        self.random = random.Random(7)
        self.objects = Objects({CLIENT: profile(mechanism, ciphered=ciphered, **other)}, policy or Policy())
        self.responder = Responder(WrapperLink(server=True), self.objects, self.random.randbytes, responder_settings)
        self.now = 0.0
        self.security = SecurityContext(KEYS, CLIENT_TITLE, METER_TITLE, sending=SendingCounter(0, END))

    def ask(self, apdu: bytes, client: int = CLIENT) -> list[bytes]:
        """Send one APDU and return those that come back."""
        self.responder.receive(wrapper.build(client, SERVER, apdu), self.now)
        return self.taken()

    def taken(self) -> list[bytes]:
        octets, answers, offset = self.responder.take(), [], 0
        while offset < len(octets):
            _, _, apdu, offset = wrapper.parse(octets, offset)
            answers.append(apdu)
        return answers

    def one(self, apdu: bytes, client: int = CLIENT) -> Any:
        """Send one APDU and return the one service that answers it."""
        (answer,) = self.ask(apdu, client)
        return parse(answer).service

    def aarq(self, mechanism: int | None = None, auth: bytes | None = None, **changes: Any) -> bytes:
        """Return an AARQ that this responder accepts, with `changes` to its fields."""
        mine = self.objects.profiles[CLIENT]
        if mechanism is None:
            mechanism = mine.mechanism or None
        initiate = changes.pop("initiate", InitiateRequest(int(LN_CORE), changes.pop("pdu", 1024)))
        octets = initiate if isinstance(initiate, bytes) else initiate.encode()
        if (protection := changes.pop("protection", 0)) != 0:
            octets = self.protected(octets, protection)
        fields: dict[str, Any] = {
            "context": LN_CIPHERED if mine.ciphered else LN,
            "user_information": octets,
            "mechanism": mechanism,
            "auth_value": auth if auth is not None else (SECRET if mechanism == 1 else None),
            "sender_acse_requirements": AUTHENTICATION if mechanism else None,
            "calling_ap_title": CLIENT_TITLE if mine.ciphered or mechanism not in (None, 0, 1) else None,
        }
        return Aarq(**(fields | changes)).encode()

    def associate(self, **changes: Any) -> Any:
        return self.one(self.aarq(**changes))

    def protected(self, plain: bytes, control: int = 0x30, **other: Any) -> bytes:
        """Return `plain` in its glo form under the next counter."""
        content = self.security.protect(plain, control, **other)
        return bytes((ciphered_tag(plain[0]),)) + encode_length(len(content)) + content

    def general(self, plain: bytes, control: int = 0x30, title: bytes = CLIENT_TITLE, **other: Any) -> bytes:
        return GeneralGlo(title, self.security.protect(plain, control, **other)).encode()

    def opened(self, octets: bytes) -> Any:
        """Open a protected answer."""
        carrier = parse(octets).service
        parsed, _ = self.security.open(carrier.content, parse, request=False)
        return parsed.service

    @property
    def status(self) -> list[int]:
        return [session.status for session in self.responder.sessions]


Answering = Callable[[Any, int | None], list[bytes]]


class FakeMeter:
    """A client against a meter whose answers a test writes: `answering(service, invoke)` returns APDUs."""

    def __init__(self, mechanism: int = 0, protection: int = 0, ciphering: str = "glo", **other: Any) -> None:
        self.random = random.Random(3)
        self.initiator = Initiator(WrapperLink(), settings(mechanism, protection, ciphering, **other))
        self.answering: Answering = lambda service, invoke: []
        self.asked: list[tuple[int | None, Any]] = []
        self.raw: list[bytes] = []
        self.out: list[bytes] = []
        self.security = SecurityContext(
            KEYS, METER_TITLE, CLIENT_TITLE, sending=SendingCounter(0, END), receiving=ReceivingCounter()
        )
        self.driver = MemoryDriver(self.initiator, self)

    # the face of a machine

    def receive(self, octets: bytes, now: float) -> None:
        offset = 0
        while offset < len(octets):
            _, _, apdu, offset = wrapper.parse(octets, offset)
            self.raw.append(apdu)
            invoke, service = parse(apdu, checked=False)
            content = getattr(service, "content", None)
            if content is not None:
                ded = service.service.startswith(("ded", "general-ded"))
                (invoke, service), _ = self.security.open(content, parse, request=True, dedicated=ded)
            self.asked.append((invoke, service))
            self.say(*self.answering(service, invoke))

    def say(self, *apdus: bytes) -> None:
        """Send APDUs to the client."""
        self.out += [wrapper.build(SERVER, CLIENT, apdu) for apdu in apdus]

    def take(self) -> bytes:
        octets = b"".join(self.out)
        self.out.clear()
        return octets

    def next_timer(self) -> float | None:
        return None

    def handle_timer(self, now: float) -> None:
        pass

    def lost(self, now: float) -> None:
        self.out.clear()

    # what tests do

    def protected(self, plain: bytes, control: int = 0x30, **other: Any) -> bytes:
        content = self.security.protect(plain, control, **other)
        tag = ciphered_tag(plain[0], bool(other.get("dedicated")))
        return bytes((tag,)) + encode_length(len(content)) + content

    def associate(self, answer: bytes | None = None) -> None:
        """Associate; the meter says `answer`, or accepts."""
        before = self.answering
        self.answering = lambda service, invoke: [answer or self.accepting()]
        try:
            self.driver.run(open_association(self.initiator, self.random.randbytes))
        finally:
            self.answering = before

    def accepting(self, *, pdu: int = 1024, conformance: int = int(LN_CORE), **changes: Any) -> bytes:
        from cosem.apdu.acse import Aare
        from cosem.apdu.initiate import InitiateResponse

        mine = self.initiator.settings
        information = InitiateResponse(conformance, pdu, 7).encode()
        if mine.protection:
            information = self.protected(information, mine.protection)
        fields: dict[str, Any] = {
            "context": LN_CIPHERED if mine.ciphered else LN,
            "result": 0,
            "diagnostic_source": "user",
            "diagnostic": 0,
            "user_information": information,
            "responding_ap_title": METER_TITLE if mine.ciphered else None,
        }
        return Aare(**(fields | changes)).encode()

    def call(self, step: Step) -> Any:
        return self.driver.run(single(step))
