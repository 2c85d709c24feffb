"""How associations begin and end on the responding side: AARQ, the four passes of high level security, RLRQ."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from cosem.apdu import parse
from cosem.apdu.acse import AUTHENTICATION, LN, Aare, Aarq, Rlre
from cosem.apdu.acse_fields import PROVIDER, USER
from cosem.apdu.action import ActionRequestNormal, ActionResponseNormal
from cosem.apdu.base import MethodDescriptor, Service
from cosem.apdu.ciphered import Ciphered, GeneralGlo
from cosem.apdu.errors import ConfirmedServiceError, ExceptionResponse
from cosem.apdu.habits import reader
from cosem.apdu.initiate import VAA_NAME_LN, VAA_NAME_SN, InitiateRequest, InitiateResponse
from cosem.association.held import MIN_PDU_SIZE, PLAIN, Association, Carrier
from cosem.association.server import AssociationProfile, ObjectServer, Session
from cosem.association.serving import MALFORMED, NOT_POSSIBLE
from cosem.association.short_names import answer_to, proof_of
from cosem.association.state import ServerEvent
from cosem.codec import axdr
from cosem.codec.axdr import Tag
from cosem.conformance_block import Conformance
from cosem.errors import CosemError, DecodeError, InvocationCounterError, PolicyViolation, SecurityError, WeakProtection
from cosem.link.base import Address
from cosem.obis import Obis
from cosem.results import (
    AcseServiceUser,
    ActionResult,
    AssociationResult,
    DataAccessResult,
    InitiateError,
    ReleaseResponseReason,
)
from cosem.security.hls import HlsIdentity, Mechanism

if TYPE_CHECKING:
    from cosem.association.responder import Responder

DLMS_VERSION: Final = 6
CURRENT_ASSOCIATION: Final = Obis(bytes((0, 0, 40, 0, 0, 255)))
_REPLY_TO_HLS: Final = MethodDescriptor(15, CURRENT_ASSOCIATION, 1)
DECIPHERING: Final = ExceptionResponse(1, 5)
_INITIATE, _INITIATE_CLASS = 1, 6
"""confirmed-service-error choice and error class of an initiate error."""

Random = Callable[[int], bytes]


class Admission:
    """The doorkeeper of a responder: who may associate, how, and when it is over."""

    def __init__(self, responder: Responder, server: ObjectServer, random: Random) -> None:
        self._responder = responder
        self.server = server
        self._random = random
        self._parse = reader(responder.settings.tolerances)

    def pre_establish(self, address: Address, profile: AssociationProfile) -> Association:
        """Open an association that is there without an AARQ, the first time something comes for it."""
        association = Association(Session(profile, address), self.server)
        association.session.conformance = profile.conformance
        association.session.client_system_title = profile.client_system_title
        association.session.client_max_pdu_size = self._longest(0)
        association.context = self.server.security_context(profile, profile.client_system_title)
        association.move(ServerEvent.ACCEPT)
        self._responder.hold(address, association)
        self.server.opened(association.session)
        return association

    def _longest(self, client: int) -> int:
        """Return the longest APDU that client and link take, 0 for any."""
        limits = [limit for limit in (client, self._responder.settings.max_apdu) if limit]
        return min(limits, default=0)

    def aarq(self, address: Address, octets: bytes) -> bytes | None:
        """Answer an AARQ: with an AARE, an exception where its counter is no good, or nobody where nobody is there."""
        profile = self.server.association_profile(address)
        if profile is None or profile.pre_established:
            return None
        # Whoever associates anew on the same access points has lost, or given up, what was there.
        self._responder.close(address)
        try:
            aarq: Aarq = parse(octets).service
        except DecodeError:
            return Aare(LN, AssociationResult.REJECTED_PERMANENT, PROVIDER, 1).encode()
        if profile.locked:
            # No word about what was tried: a lock-out must not tell whether a password would have been right.
            return Aare(
                profile.context, AssociationResult.REJECTED_TRANSIENT, USER, AcseServiceUser.NO_REASON_GIVEN
            ).encode()
        association = Association(Session(profile, address), self.server)
        refusal = self._refusal(association, profile, aarq)
        if refusal is not None:
            return refusal
        try:
            initiate, carrier = self._initiate(association, profile, aarq)
        except InvocationCounterError as error:
            self.server.security_failed(association.session, error)
            return ExceptionResponse(1, 6, error.smallest).encode()
        except (SecurityError, DecodeError) as error:
            self.server.security_failed(association.session, error)
            return self._reject(profile, AcseServiceUser.NO_REASON_GIVEN)
        association.carrier = carrier
        error_code = _initiate_error(initiate, profile)
        if error_code is not None:
            return self._reject(
                profile,
                AcseServiceUser.NO_REASON_GIVEN,
                ConfirmedServiceError(_INITIATE, _INITIATE_CLASS, error_code).encode(),
            )
        try:
            return self._decide(address, association, profile, aarq, initiate)
        except CosemError as error:
            # Our own side cannot protect its answer: no counter, or a key is missing.
            self.server.security_failed(association.session, error)
            return self._reject(profile, AcseServiceUser.NO_REASON_GIVEN)

    def _refusal(self, association: Association, profile: AssociationProfile, aarq: Aarq) -> bytes | None:
        """Check what can be checked before the initiate request is opened."""
        if aarq.context != profile.context:
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
        self, association: Association, profile: AssociationProfile, aarq: Aarq
    ) -> tuple[InitiateRequest, Carrier]:
        session = association.session
        context = self.server.security_context(profile, session.client_system_title)
        octets: bytes = aarq.user_information  # type: ignore[assignment]
        carrier = PLAIN
        if octets[0] == 0x01:
            if profile.ciphered and context is not None and context.policy.request:
                raise WeakProtection("the initiate request came without the protection the policy demands")
            initiate = self._parse(octets).service
        elif octets[0] in (0x21, 0xDB) and context is not None and profile.ciphered:
            outer = parse(octets).service
            parsed, opened = context.open(
                outer.content, self._parse, request=True, title=getattr(outer, "system_title", None)
            )
            initiate = parsed.service
            carrier = Carrier(int(opened.control), False, False)
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
        association: Association,
        profile: AssociationProfile,
        aarq: Aarq,
        initiate: InitiateRequest,
    ) -> bytes:
        session = association.session
        session.conformance = Conformance(int(profile.conformance) & initiate.conformance)
        session.client_max_pdu_size = self._longest(initiate.client_max_receive_pdu_size)
        if profile.mechanism == Mechanism.LOW and not _same(aarq.auth_value, profile.secret):
            self.server.authentication_failed(session)
            return self._reject(profile, AcseServiceUser.AUTHENTICATION_FAILURE)
        response = _initiate_response(session)
        information = self._protected_initiate(association, response.encode())
        if profile.mechanism < Mechanism.HLS:
            association.move(ServerEvent.ACCEPT)
            self._responder.hold(address, association)
            self.server.opened(session)
            return self._accept(profile, AcseServiceUser.NULL, information, None)
        challenge = self._random(self._responder.settings.challenge_length)
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
        association.move(ServerEvent.ASK_PROOF)
        association.due = self._responder.now + self._responder.settings.pending_timeout
        self._responder.hold(address, association)
        return self._accept(profile, AcseServiceUser.AUTHENTICATION_REQUIRED, information, challenge)

    def _protected_initiate(self, association: Association, octets: bytes) -> bytes:
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
            profile.context,
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
            profile.context,
            AssociationResult.REJECTED_PERMANENT,
            USER,
            diagnostic,
            information,
        ).encode()

    def prove(self, address: Address, association: Association, service: Any) -> Service:
        """While a proof is awaited, only it is listened to (behaviour: anything else is denied, nothing changes)."""
        proof_data = _proof_of(service, association.session.profile.referencing)
        if proof_data is None:
            return _denied(service)
        hls = association.hls
        assert hls is not None
        proof = _octet_string(proof_data)
        try:
            hls.check(proof)
            answer = axdr.encode(axdr.octet_string(hls.proof()))
        except CosemError:
            association.move(ServerEvent.PROOF_WRONG)
            self.server.authentication_failed(association.session)
            self._responder.close(address)
            return _denied(service)
        association.move(ServerEvent.PROOF_RIGHT)
        association.due = None
        self.server.opened(association.session)
        if service.tag != 0xC3:
            return answer_to(service, DataAccessResult.SUCCESS, answer)
        return ActionResponseNormal(ActionResult.SUCCESS, answer)

    def rlrq(self, address: Address, association: Association, octets: bytes) -> bytes | None:
        """Answer an RLRQ, protected where it was, and end the association."""
        try:
            rlrq = parse(octets).service
        except DecodeError:
            return MALFORMED.encode()
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
                    response = _initiate_response(association.session)
                    information = self._protected_initiate(association, response.encode())
            except InvocationCounterError as error:
                self.server.security_failed(association.session, error)
                return ExceptionResponse(1, 6, error.smallest).encode()
            except CosemError as error:
                self.server.security_failed(association.session, error)
                return DECIPHERING.encode()
        self._responder.close(address)
        return Rlre(ReleaseResponseReason.NORMAL, information).encode()


def _initiate_response(session: Session) -> InitiateResponse:
    profile = session.profile
    vaa_name = VAA_NAME_SN if profile.referencing == "sn" else VAA_NAME_LN
    return InitiateResponse(int(session.conformance), profile.max_pdu_size, vaa_name)


def _proof_of(service: Any, referencing: str) -> bytes | None:
    """Return the octets of the proof a service carries, None where it is another one."""
    if referencing == "sn":
        return proof_of(service)
    if not isinstance(service, ActionRequestNormal) or service.target != _REPLY_TO_HLS:
        return None
    return service.data or b""


def _denied(service: Any) -> Service:
    from cosem.apdu.get import GetResponseNormal
    from cosem.apdu.set import SetResponseNormal

    if service.tag in (0x05, 0x06):
        return answer_to(service, DataAccessResult.READ_WRITE_DENIED)
    if service.tag not in (0xC0, 0xC1, 0xC3):
        return NOT_POSSIBLE
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
