"""The machine of the responding side: many associations at once over one link, one per pair of access points.

It owns what lies between octets and services: states, security, the conformance block, PDU sizes, block transfer.
What objects are, and who may touch them, is the business of the `ObjectServer` behind it. Nothing a client sends
raises here; the answers are those of the Green Book, and where it is silent, of a meter that gives nothing away.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from cosem.apdu import parse
from cosem.apdu.acse import AUTHENTICATION, LN, LN_CIPHERED, PROVIDER, USER, Aare, Aarq, Rlre
from cosem.apdu.action import ActionRequestNormal, ActionResponseNormal
from cosem.apdu.base import Service
from cosem.apdu.ciphered import (
    CIPHERED_NAMES,
    DEDICATED_TAGS,
    GLOBAL_TAGS,
    Ciphered,
    GeneralDed,
    GeneralGlo,
)
from cosem.apdu.errors import ConfirmedServiceError, ExceptionResponse
from cosem.apdu.initiate import InitiateRequest, InitiateResponse
from cosem.association.server import AssociationProfile, ObjectServer, Session
from cosem.association.serving import MALFORMED, NOT_POSSIBLE, Serving
from cosem.association.state import SERVER, Server, ServerEvent
from cosem.codec import axdr
from cosem.codec.axdr import Tag, encode_length
from cosem.conformance_block import Conformance
from cosem.errors import (
    CosemError,
    DecodeError,
    InvocationCounterError,
    LocalProtocolError,
    PolicyViolation,
    SecurityError,
)
from cosem.link.base import Address, ApduReceived, Link, LinkDown, LinkEvent
from cosem.obis import Obis
from cosem.results import (
    AcseServiceUser,
    ActionResult,
    AssociationResult,
    InitiateError,
    ReleaseResponseReason,
)
from cosem.security.context import SecurityContext
from cosem.security.control import AUTHENTICATED, BROADCAST
from cosem.security.hls import HlsIdentity, Mechanism

MIN_PDU_SIZE = 12
"""The smallest client-max-receive-pdu-size (Green Book ed. 9, 9.4.6.4); 0 means no limit."""
MAX_PDU_SIZE = 0xFFFF
"""What a client that sets no limit gets at once: the field's largest value, and all that a wrapper can carry."""
DLMS_VERSION = 6
VAA_NAME_LN = 7
CURRENT_ASSOCIATION = Obis(bytes((0, 0, 40, 0, 0, 255)))
INITIATE = 1
"""confirmed-service-error choice and error class of an initiate error are 1 and 6."""
_INITIATE_CLASS = 6
_DECIPHERING = ExceptionResponse(1, 5)
_UNKNOWN = ExceptionResponse(2, 2)
_TOO_LONG = ExceptionResponse(1, 4)
_SERVICE_CLASS = 0x40
SERVED_TAGS = frozenset((0xC0, 0xC1, 0xC3))
UNCONFIRMED_TAGS = frozenset((0xC1, 0xC3))
"""What may be asked without an answer."""
PLAIN_TAGS = SERVED_TAGS | {0x62}
ALL_STATIONS = frozenset((0x7F, 0x3FFF))
"""Server SAPs that everybody listens to: of the wrapper and one-octet HDLC addresses, of two-octet ones."""
DEDICATED_FORMS = frozenset(DEDICATED_TAGS.values())
PROTECTED_TAGS = frozenset((*CIPHERED_NAMES, 0xDB, 0xDC))

Random = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class ResponderSettings:
    """`pending_timeout`: seconds a client has for its proof. `challenge_length`: octets of StoC, 8 to 64."""

    pending_timeout: float = 60.0
    challenge_length: int = 16


class _Carrier(NamedTuple):
    """How a request was protected, so that its answer can be protected alike."""

    control: int
    dedicated: bool
    general: bool

    @property
    def overhead(self) -> int:
        """Return the octets that protection adds to a plain APDU."""
        return 5 + 12 + 4 + (9 if self.general else 0)


_PLAIN = _Carrier(0, False, False)


class _Association:
    """One association: its session, its state and its security."""

    __slots__ = ("carrier", "context", "due", "hls", "serving", "session", "state")

    def __init__(self, session: Session, server: ObjectServer) -> None:
        self.session = session
        self.state = Server.NON_ASSOCIATED
        self.context: SecurityContext | None = None
        self.hls: HlsIdentity | None = None
        self.due: float | None = None
        self.carrier = _PLAIN
        self.serving = Serving(server, session, self.room)

    def room(self) -> int:
        """Return how many octets a plain response may have."""
        limit = self.session.client_max_pdu_size or MAX_PDU_SIZE
        if self.context is None or not (self.carrier.control | self.context.policy.response):
            return limit
        return max(MIN_PDU_SIZE, limit - self.carrier.overhead)


class Responder:
    """The responding side of one link."""

    def __init__(
        self,
        link: Link,
        server: ObjectServer,
        random: Random,
        settings: ResponderSettings | None = None,
    ) -> None:
        self.link = link
        self.server = server
        self.settings = settings or ResponderSettings()
        self._random = random
        self._associations: dict[Address, _Association] = {}
        self._now = 0.0

    # --- machine -------------------------------------------------------------------------------------------

    def receive(self, octets: bytes, now: float) -> None:
        """Take octets from the transport; what there is to answer waits in `take`."""
        self._now = now
        self._handle(self.link.receive(octets, now))

    def take(self) -> bytes:
        """Return the octets to send."""
        return self.link.take()

    def next_timer(self) -> float | None:
        """Return when `handle_timer` is needed next."""
        times = [item.due for item in self._associations.values() if item.due is not None]
        if (link := self.link.next_timer()) is not None:
            times.append(link)
        return min(times, default=None)

    def handle_timer(self, now: float) -> None:
        """Let what is due happen: a proof that never came, the timers of the link."""
        self._now = now
        for address, association in list(self._associations.items()):
            if association.due is not None and association.due <= now:
                self._move(association, ServerEvent.TIMEOUT)
                self._close(address)
        self._handle(self.link.handle_timer(now))

    def lost(self, now: float) -> None:
        """Learn that the transport is gone."""
        self._now = now
        self.link.lost(now)
        for address in list(self._associations):
            self._close(address)

    @property
    def sessions(self) -> tuple[Session, ...]:
        """Return the sessions that are open or pending."""
        return tuple(item.session for item in self._associations.values())

    def notify(self, address: Address, service: Service, *, invoke: int = 0, protection: int = 0) -> None:
        """Send a notification to `address`; protected ones need an association there.

        Raises `LocalProtocolError` where protection is asked for without one.
        """
        octets = service.encode(invoke) if service.tag == 0x0F else service.encode()
        if protection:
            association = self._associations.get(address)
            if association is None or association.context is None:
                raise LocalProtocolError("a protected notification needs a ciphered association")
            content = association.context.protect(octets, protection)
            octets = GeneralGlo(association.context.own_title, content).encode()
        self.link.send(address, octets, self._now, confirmed=False)

    def _handle(self, events: list[LinkEvent]) -> None:
        for event in events:
            if type(event) is ApduReceived:
                answer = self._apdu(event.address, event.octets, event.confirmed)
                if answer is not None and event.confirmed:
                    try:
                        self.link.send(event.address, answer, self._now)
                    except LocalProtocolError:
                        # The client has closed the link layer right behind its request.
                        continue
            elif isinstance(event, LinkDown):
                self._close(event.address)

    def _move(self, association: _Association, event: ServerEvent) -> None:
        following = SERVER.get((association.state, event))
        if following is None:
            raise LocalProtocolError(f"{event.value}: not possible while {association.state.name}")
        association.state = following
        association.session.status = following.value

    def _close(self, address: Address) -> None:
        association = self._associations.pop(address, None)
        if association is None:
            return
        association.state = Server.NON_ASSOCIATED
        association.session.status = 0
        self.server.closed(association.session)

    # --- APDUs ---------------------------------------------------------------------------------------------

    def _apdu(self, address: Address, octets: bytes, confirmed: bool) -> bytes | None:
        """Return the answer to one APDU, or None."""
        tag = octets[0]
        if tag == 0x60:
            return self._aarq(address, octets) if confirmed else None
        association = self._associations.get(address)
        if association is None:
            profile = self.server.association_profile(address)
            if profile is None:
                return None
            if not profile.pre_established:
                if tag in PROTECTED_TAGS or tag in PLAIN_TAGS:
                    return None if _unconfirmed(octets) else _exception(NOT_POSSIBLE)
                return _exception(_UNKNOWN)
            association = self._pre_establish(address, profile)
        if tag == 0x62:
            return self._rlrq(address, association, octets)
        profile = association.session.profile
        if profile.max_pdu_size and len(octets) > profile.max_pdu_size:
            return _exception(_TOO_LONG)
        try:
            invoke, service, carrier = self._unwrap(
                association, octets, not confirmed or address.server in ALL_STATIONS
            )
        except InvocationCounterError as error:
            self.server.security_failed(association.session, error)
            return None if _unconfirmed(octets) else _exception(ExceptionResponse(1, 6, error.smallest))
        except SecurityError as error:
            self.server.security_failed(association.session, error)
            return None if _unconfirmed(octets) else _exception(_DECIPHERING)
        except _PlainError as error:
            return None if _unconfirmed(octets) else _exception(error.answer)
        association.carrier = carrier
        association.session.request_protection = carrier.control & 0x30
        answer = self._serve(address, association, service, invoke)
        if carrier.control & BROADCAST or (not (invoke or 0) & _SERVICE_CLASS and service.tag != 0xC0):
            return None
        return self._wrap(association, answer, invoke or 0)

    def _unwrap(self, association: _Association, octets: bytes, broadcast: bool) -> tuple[int | None, Any, _Carrier]:
        """Open a request. Raises `SecurityError`, or `_PlainError` with the answer to a request that is malformed."""
        tag = octets[0]
        context = association.context
        if tag not in PROTECTED_TAGS:
            if context is not None and context.policy.request:
                context.failures += 1
                raise PolicyViolation("a request without the protection the policy demands")
            return (*_parse(octets), _PLAIN)
        if context is None:
            raise PolicyViolation("a ciphered request outside of a ciphered association")
        try:
            carrier = parse(octets).service
        except DecodeError as error:
            context.failures += 1
            raise SecurityError(f"the ciphered APDU is malformed: {error}") from None
        if isinstance(carrier, Ciphered):
            title, dedicated, general = None, tag in DEDICATED_FORMS, False
        else:
            title, dedicated, general = carrier.system_title or None, isinstance(carrier, GeneralDed), True
        try:
            (invoke, service), opened = context.open(
                carrier.content, _parse, request=True, title=title, dedicated=dedicated, broadcast=broadcast
            )
        except DecodeError as error:
            raise SecurityError(f"the ciphered APDU is malformed: {error}") from None
        except _PlainError:
            if carrier.content[0] & AUTHENTICATED:
                raise
            # Without a tag only the plain text can tell a wrong key: then it is no APDU.
            context.failures += 1
            raise SecurityError("what was deciphered is no APDU") from None
        return invoke, service, _Carrier(int(opened.control), dedicated, general)

    def _wrap(self, association: _Association, service: Service, invoke: int) -> bytes:
        """Protect an answer as its request was, and at least as the policy demands."""
        octets = service.encode(invoke)
        context, carrier = association.context, association.carrier
        if context is None or octets[0] == 0xD8:
            return octets
        control = (carrier.control & 0x30) | context.policy.response
        if not control:
            return octets
        try:
            content = context.protect(octets, control, dedicated=carrier.dedicated)
        except CosemError as error:
            # Out of counters, or a key is missing: what must be protected is not sent at all.
            self.server.security_failed(association.session, error)
            return _exception(NOT_POSSIBLE)
        if carrier.general:
            if carrier.dedicated:
                return GeneralDed(context.own_title, content).encode()
            return GeneralGlo(context.own_title, content).encode()
        tag = (DEDICATED_TAGS if carrier.dedicated else GLOBAL_TAGS)[octets[0]]
        return bytes((tag,)) + encode_length(len(content)) + content

    def _serve(self, address: Address, association: _Association, service: Any, invoke: int | None) -> Service:
        if association.state is Server.PENDING:
            return self._pending(address, association, service)
        return association.serving.serve(service, invoke or 0)

    # --- association ---------------------------------------------------------------------------------------

    def _pre_establish(self, address: Address, profile: AssociationProfile) -> _Association:
        """Open an association that is there without an AARQ, the first time something comes for it."""
        association = _Association(Session(profile, address), self.server)
        association.session.conformance = profile.conformance
        association.session.client_system_title = profile.client_system_title
        association.context = self.server.security_context(profile, profile.client_system_title)
        self._move(association, ServerEvent.ACCEPT)
        self._associations[address] = association
        self.server.opened(association.session)
        return association

    def _aarq(self, address: Address, octets: bytes) -> bytes | None:
        profile = self.server.association_profile(address)
        if profile is None or profile.pre_established:
            return None
        # Whoever associates anew on the same access points has lost, or given up, what was there.
        self._close(address)
        try:
            aarq: Aarq = parse(octets).service
        except DecodeError:
            return Aare(LN, AssociationResult.REJECTED_PERMANENT, PROVIDER, 1).encode()
        association = _Association(Session(profile, address), self.server)
        refusal = self._refusal(association, profile, aarq)
        if refusal is not None:
            return refusal
        try:
            initiate, carrier = self._initiate(association, profile, aarq)
        except InvocationCounterError as error:
            self.server.security_failed(association.session, error)
            return _exception(ExceptionResponse(1, 6, error.smallest))
        except (SecurityError, DecodeError) as error:
            self.server.security_failed(association.session, error)
            return self._reject(profile, AcseServiceUser.NO_REASON_GIVEN)
        association.carrier = carrier
        error_code = _initiate_error(initiate, profile)
        if error_code is not None:
            return self._reject(
                profile,
                AcseServiceUser.NO_REASON_GIVEN,
                ConfirmedServiceError(INITIATE, _INITIATE_CLASS, error_code).encode(),
            )
        try:
            return self._decide(address, association, profile, aarq, initiate)
        except CosemError as error:
            # Our own side cannot protect its answer: no counter, or a key is missing.
            self.server.security_failed(association.session, error)
            return self._reject(profile, AcseServiceUser.NO_REASON_GIVEN)

    def _refusal(self, association: _Association, profile: AssociationProfile, aarq: Aarq) -> bytes | None:
        """Check what can be checked before the initiate request is opened."""
        if aarq.context != (LN_CIPHERED if profile.ciphered else LN):
            return self._reject(profile, AcseServiceUser.APPLICATION_CONTEXT_NAME_NOT_SUPPORTED)
        title = aarq.calling_ap_title or b""
        if (profile.ciphered or profile.mechanism == Mechanism.HLS_GMAC) and len(title) != 8:
            return self._reject(profile, AcseServiceUser.CALLING_AP_TITLE_NOT_RECOGNIZED)
        association.session.client_system_title = title
        association.session.user_id = aarq.calling_ae_invocation_id
        mechanism = aarq.mechanism
        if profile.mechanism and mechanism is None:
            if aarq.auth_value is not None:
                return self._reject(profile, AcseServiceUser.AUTHENTICATION_MECHANISM_NAME_REQUIRED)
            return self._reject(profile, AcseServiceUser.AUTHENTICATION_REQUIRED)
        if (mechanism or 0) != profile.mechanism:
            return self._reject(profile, AcseServiceUser.AUTHENTICATION_MECHANISM_NAME_NOT_RECOGNISED)
        if aarq.user_information is None:
            return self._reject(profile, AcseServiceUser.NO_REASON_GIVEN)
        return None

    def _initiate(
        self, association: _Association, profile: AssociationProfile, aarq: Aarq
    ) -> tuple[InitiateRequest, _Carrier]:
        session = association.session
        context = self.server.security_context(profile, session.client_system_title)
        octets: bytes = aarq.user_information  # type: ignore[assignment]
        carrier = _PLAIN
        if octets[0] == 0x01:
            if profile.ciphered and context is not None and context.policy.request:
                raise PolicyViolation("the initiate request came without the protection the policy demands")
            initiate = parse(octets).service
        elif octets[0] in (0x21, 0xDB) and context is not None and profile.ciphered:
            outer = parse(octets).service
            parsed, opened = context.open(
                outer.content, parse, request=True, title=getattr(outer, "system_title", None)
            )
            initiate = parsed.service
            carrier = _Carrier(int(opened.control), False, False)
        else:
            raise PolicyViolation("the initiate request is protected in a way this association does not know")
        if not isinstance(initiate, InitiateRequest):
            raise DecodeError(f"{initiate.service} where an initiate request was expected")
        if initiate.dedicated_key is not None and context is not None:
            if len(initiate.dedicated_key) != 16:
                raise DecodeError("a dedicated key has 16 octets")
            context.use_dedicated_key(initiate.dedicated_key)
        association.context = context
        return initiate, carrier

    def _decide(
        self,
        address: Address,
        association: _Association,
        profile: AssociationProfile,
        aarq: Aarq,
        initiate: InitiateRequest,
    ) -> bytes:
        session = association.session
        session.conformance = Conformance(int(profile.conformance) & initiate.conformance)
        session.client_max_pdu_size = initiate.client_max_receive_pdu_size
        if profile.mechanism == Mechanism.LOW and not _same(aarq.auth_value, profile.secret):
            self.server.authentication_failed(session)
            return self._reject(profile, AcseServiceUser.AUTHENTICATION_FAILURE)
        response = InitiateResponse(int(session.conformance), profile.max_pdu_size, VAA_NAME_LN)
        information = self._protected_initiate(association, response.encode())
        if profile.mechanism < Mechanism.HLS:
            self._move(association, ServerEvent.ACCEPT)
            self._associations[address] = association
            self.server.opened(session)
            return self._accept(profile, AcseServiceUser.NULL, information, None)
        challenge = self._random(self.settings.challenge_length)
        association.hls = HlsIdentity(
            profile.mechanism,
            own_challenge=challenge,
            peer_challenge=aarq.auth_value or b"",
            own_title=profile.system_title,
            peer_title=session.client_system_title,
            secret=profile.secret,
            context=association.context,
            manufacturer=profile.manufacturer,
        )
        try:
            association.hls.check_challenge()
        except SecurityError:
            self.server.authentication_failed(session)
            return self._reject(profile, AcseServiceUser.AUTHENTICATION_FAILURE)
        self._move(association, ServerEvent.ASK_PROOF)
        association.due = self._now + self.settings.pending_timeout
        self._associations[address] = association
        return self._accept(profile, AcseServiceUser.AUTHENTICATION_REQUIRED, information, challenge)

    def _protected_initiate(self, association: _Association, octets: bytes) -> bytes:
        context, control = association.context, association.carrier.control & 0x30
        if context is None or not association.session.profile.ciphered:
            return octets
        control |= context.policy.response
        if not control:
            return octets
        return Ciphered(0x28, context.protect(octets, control)).encode()

    def _accept(
        self, profile: AssociationProfile, diagnostic: AcseServiceUser, information: bytes, challenge: bytes | None
    ) -> bytes:
        proving = challenge is not None
        return Aare(
            LN_CIPHERED if profile.ciphered else LN,
            AssociationResult.ACCEPTED,
            USER,
            diagnostic,
            information,
            profile.mechanism if proving else None,
            challenge,
            responder_acse_requirements=AUTHENTICATION if proving else None,
            responding_ap_title=(profile.system_title or None) if profile.ciphered or proving else None,
        ).encode()

    def _reject(
        self, profile: AssociationProfile, diagnostic: AcseServiceUser, information: bytes | None = None
    ) -> bytes:
        return Aare(
            LN_CIPHERED if profile.ciphered else LN,
            AssociationResult.REJECTED_PERMANENT,
            USER,
            diagnostic,
            information,
        ).encode()

    def _pending(self, address: Address, association: _Association, service: Any) -> Service:
        """While a proof is awaited, only it is listened to (behaviour: anything else is denied, nothing changes)."""
        if not isinstance(service, ActionRequestNormal) or (
            service.target.class_id,
            service.target.instance,
            service.target.method,
        ) != (15, CURRENT_ASSOCIATION, 1):
            return _denied(service)
        hls = association.hls
        assert hls is not None
        proof = _octet_string(service.data)
        try:
            hls.check(proof)
            answer = axdr.encode(axdr.octet_string(hls.proof()))
        except CosemError:
            self._move(association, ServerEvent.PROOF_WRONG)
            self.server.authentication_failed(association.session)
            self._close(address)
            return ActionResponseNormal(ActionResult.READ_WRITE_DENIED)
        self._move(association, ServerEvent.PROOF_RIGHT)
        association.due = None
        self.server.opened(association.session)
        return ActionResponseNormal(ActionResult.SUCCESS, answer)

    def _rlrq(self, address: Address, association: _Association, octets: bytes) -> bytes | None:
        try:
            rlrq = parse(octets).service
        except DecodeError:
            return _exception(MALFORMED)
        if association.session.profile.pre_established:
            return None
        information = None
        if rlrq.user_information is not None and association.context is not None:
            # What the request protects is opened for its counter alone; a release is no secret.
            try:
                outer = parse(rlrq.user_information).service
                if isinstance(outer, (Ciphered, GeneralGlo)):
                    title = outer.system_title or None if isinstance(outer, GeneralGlo) else None
                    association.context.open(outer.content, parse, request=True, title=title)
                    session = association.session
                    response = InitiateResponse(int(session.conformance), session.profile.max_pdu_size, VAA_NAME_LN)
                    information = self._protected_initiate(association, response.encode())
            except InvocationCounterError as error:
                self.server.security_failed(association.session, error)
                return _exception(ExceptionResponse(1, 6, error.smallest))
            except CosemError as error:
                self.server.security_failed(association.session, error)
                return _exception(_DECIPHERING)
        self._close(address)
        return Rlre(ReleaseResponseReason.NORMAL, information).encode()


class _PlainError(Exception):
    """A request that cannot be read, with the answer it gets."""

    def __init__(self, answer: ExceptionResponse) -> None:
        super().__init__(answer)
        self.answer = answer


def _parse(octets: bytes) -> tuple[int | None, Any]:
    """Parse a plain request; the `Data` inside is checked by whoever uses it."""
    tag = octets[0] if octets else None
    if tag not in SERVED_TAGS:
        raise _PlainError(_UNKNOWN)
    try:
        return parse(octets, checked=False)
    except DecodeError:
        raise _PlainError(MALFORMED) from None


def _unconfirmed(octets: bytes) -> bool:
    """Say whether a request asks for no answer, as far as that can be seen without opening it."""
    tag = octets[0]
    if tag in UNCONFIRMED_TAGS:
        return len(octets) > 2 and not octets[2] & _SERVICE_CLASS
    if tag in PROTECTED_TAGS:
        try:
            return bool(parse(octets).service.content[0] & BROADCAST)
        except DecodeError:
            return False
    return False


def _exception(answer: ExceptionResponse) -> bytes:
    return answer.encode()


def _denied(service: Any) -> Service:
    from cosem.apdu.get import GetResponseNormal
    from cosem.apdu.set import SetResponseNormal
    from cosem.results import DataAccessResult

    if service.tag == 0xC0:
        return GetResponseNormal(None, DataAccessResult.READ_WRITE_DENIED)
    if service.tag == 0xC1:
        return SetResponseNormal(DataAccessResult.READ_WRITE_DENIED)
    return ActionResponseNormal(ActionResult.READ_WRITE_DENIED)


def _same(given: bytes | None, secret: bytes | None) -> bool:
    return given is not None and secret is not None and hmac.compare_digest(given, secret)


def _octet_string(data: bytes | None) -> bytes:
    try:
        value = axdr.decode(data or b"")
    except DecodeError:
        return b""
    return value.value if value.tag is Tag.OCTET_STRING else b""


def _initiate_error(initiate: InitiateRequest, profile: AssociationProfile) -> InitiateError | None:
    if initiate.proposed_dlms_version < DLMS_VERSION:
        return InitiateError.DLMS_VERSION_TOO_LOW
    if not int(profile.conformance) & initiate.conformance:
        return InitiateError.INCOMPATIBLE_CONFORMANCE
    if 0 < initiate.client_max_receive_pdu_size < MIN_PDU_SIZE:
        return InitiateError.PDU_SIZE_TOO_SHORT
    return None
