"""Associating and releasing, as the initiating side does it: straight code over the steps of the machine."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from cosem.apdu import parse
from cosem.apdu.acse import AUTHENTICATION, Aare, Aarq, Rlrq
from cosem.apdu.acse_fields import CHARSTRING
from cosem.apdu.action import ActionRequestNormal, ActionResponseNormal
from cosem.apdu.base import MethodDescriptor
from cosem.apdu.ciphered import wrapped
from cosem.apdu.errors import ConfirmedServiceError
from cosem.apdu.initiate import InitiateRequest, InitiateResponse
from cosem.association.initiator import Initiator
from cosem.association.outbox import LEASE_SIZE
from cosem.association.state import Client, ClientEvent
from cosem.association.steps import Call, CloseLink, OpenLink, Save, Step
from cosem.codec import axdr
from cosem.codec.axdr import Tag
from cosem.conformance_block import Conformance
from cosem.errors import (
    AccessError,
    AssociationRejected,
    Cancelled,
    ConnectionLost,
    CosemError,
    HlsFailed,
    LocalProtocolError,
    PolicyViolation,
    RemoteProtocolError,
    ServiceErrorReceived,
    Timeout,
)
from cosem.obis import Obis
from cosem.results import AcseServiceProvider, AcseServiceUser, AssociationResult
from cosem.security.counters import SendingCounter
from cosem.security.hls import HlsIdentity, Mechanism
from cosem.security.policy import Policy

Random = Callable[[int], bytes]
CURRENT_ASSOCIATION = Obis(bytes((0, 0, 40, 0, 0, 255)))
DLMS_VERSION = 6


def open_association(machine: Initiator, random: Random) -> Generator[Step, Any, None]:
    """Connect the link layer and associate; what goes to all needs neither."""
    if machine.state is Client.DISCONNECTED and not machine.settings.broadcast:
        yield OpenLink()
    if machine.settings.pre_established:
        yield from assume(machine)
    else:
        yield from associate(machine, random)


def assume(machine: Initiator) -> Generator[Step, Any, None]:
    """Use a pre-established association: both ends know of it, no AARQ is sent."""
    settings = machine.settings
    if settings.ciphered:
        yield from _secure(machine)
    machine.move(ClientEvent.ASSUME)
    machine.agreed(settings.conformance, settings.max_pdu_size_of_peer)


def _secure(machine: Initiator) -> Generator[Step, Any, None]:
    settings = machine.settings
    if settings.lease is None:
        raise LocalProtocolError("invocation counters need a store: give the association a lease")
    lease = settings.lease
    block = settings.take_block()
    if block is None:
        block = yield Save(lambda: lease(LEASE_SIZE))
    machine.secure(SendingCounter(*block), Policy(settings.protection, settings.protection))


def associate(
    machine: Initiator, random: Random, *, association: Obis = CURRENT_ASSOCIATION
) -> Generator[Step, Any, None]:
    """Send the AARQ, check the AARE, and prove both ends where high level security asks for it.

    Raises `AssociationRejected`, `ServiceErrorReceived`, `ExceptionResponseReceived`, `HlsFailed`, another
    `SecurityError`, `RemoteProtocolError` for an AARE that cannot be, `Timeout` and `ConnectionLost`.
    """
    settings = machine.settings
    challenge = random(settings.challenge_length) if settings.mechanism >= Mechanism.HLS else None
    if settings.ciphered or settings.mechanism == Mechanism.HLS_GMAC:
        yield from _secure(machine)
    machine.move(ClientEvent.ASSOCIATE)
    try:
        aare: Aare = yield Call(_aarq(machine, random, challenge))
        wanted = _accepted(machine, aare)
        if challenge is not None and not wanted:
            raise HlsFailed("the meter accepts without a proof where high level security was asked for")
    except CosemError as error:
        if machine.state is Client.ASSOCIATING:
            machine.move(ClientEvent.REFUSED)
            machine.released()
        raise _with_hint(machine, error) from None
    if challenge is None:
        machine.move(ClientEvent.ACCEPTED)
        return
    machine.move(ClientEvent.PROOF_WANTED)
    try:
        yield from _prove(machine, aare, challenge, association)
    except CosemError:
        if machine.state is Client.PROVING:
            machine.move(ClientEvent.PROOF_FAILED)
            machine.released()
        raise
    machine.move(ClientEvent.PROVEN)


def _aarq(machine: Initiator, random: Random, challenge: bytes | None) -> Aarq:
    settings = machine.settings
    dedicated_key = None
    if settings.ciphering == "ded" and settings.protection:
        assert machine.context is not None
        dedicated_key = random(16)
        machine.context.use_dedicated_key(dedicated_key)
    initiate = InitiateRequest(int(settings.conformance), settings.max_pdu_size, dedicated_key)
    password = settings.secret if settings.mechanism == Mechanism.LOW else challenge
    titled = settings.ciphered or settings.mechanism >= Mechanism.HLS
    aarq = Aarq(
        settings.context,
        _protected_initiate(machine, initiate.encode()),
        settings.mechanism or None,
        password,
        CHARSTRING,
        AUTHENTICATION if settings.mechanism else None,
        (settings.system_title or None) if titled else None,
    )
    return aarq if settings.user_id is None else aarq._replace(calling_ae_invocation_id=settings.user_id)


def _protected_initiate(machine: Initiator, octets: bytes) -> bytes:
    """Protect an initiate request under the global key; a dedicated key is not agreed before its answer."""
    settings = machine.settings
    if not settings.protection or machine.context is None:
        return octets
    return wrapped(0x01, machine.context.protect(octets, settings.protection))


def _accepted(machine: Initiator, aare: Aare) -> bool:
    """Check an AARE and keep what it agreed; return whether a proof is wanted."""
    settings = machine.settings
    if aare.result != AssociationResult.ACCEPTED:
        raise _rejection(aare)
    _learn_title(machine, aare.responding_ap_title)
    if aare.user_information is None:
        raise RemoteProtocolError("the AARE accepts without an initiate response")
    response = _initiate_response(machine, aare.user_information)
    if response.negotiated_dlms_version < DLMS_VERSION:
        raise RemoteProtocolError(f"DLMS version {response.negotiated_dlms_version} was answered, not 6")
    agreed = int(settings.conformance) & response.conformance
    machine.agreed(Conformance(agreed), response.server_max_receive_pdu_size)
    machine.dedicated = settings.ciphering == "ded" and bool(settings.protection)
    return bool(aare.diagnostic == AcseServiceUser.AUTHENTICATION_REQUIRED)


def _learn_title(machine: Initiator, title: bytes | None) -> None:
    """Keep the meter's system title; one that was given before must be the one that answers."""
    known = machine.settings.meter_system_title
    if title is not None and known and title != known:
        raise PolicyViolation("another system title answers than the one that was given for this meter")
    if title and machine.context is not None:
        machine.context.peer_title = title


def _initiate_response(machine: Initiator, octets: bytes) -> InitiateResponse:
    settings = machine.settings
    if octets[0] in (0x28, 0xDB) and machine.context is not None:
        carrier = parse(octets).service
        title = None if octets[0] == 0x28 else carrier.system_title
        service = machine.context.open(carrier.content, machine.parse, request=False, title=title)[0].service
    elif settings.protection:
        service = machine.parse(octets).service
        if isinstance(service, InitiateResponse):
            raise PolicyViolation("the initiate response came without protection")
    else:
        service = machine.parse(octets).service
    if isinstance(service, InitiateResponse):
        return service
    if isinstance(service, ConfirmedServiceError):
        raise ServiceErrorReceived(
            service.service_name, service.error_class_name, int(service.error), service.error_name
        )
    raise RemoteProtocolError(f"{service.service} where an initiate response was expected")


_REJECTION_HINTS: dict[tuple[str, int], str] = {
    ("user", AcseServiceUser.NO_REASON_GIVEN): (
        ". Are the keys and the system titles those of this meter, and does this client exist in it?"
    ),
    ("user", AcseServiceUser.APPLICATION_CONTEXT_NAME_NOT_SUPPORTED): (
        ". It wants another security (security=none or security=both) or another referencing"
    ),
    ("user", AcseServiceUser.AUTHENTICATION_MECHANISM_NAME_NOT_RECOGNISED): ". Try another auth=",
    ("user", AcseServiceUser.AUTHENTICATION_MECHANISM_NAME_REQUIRED): ". Try another auth=",
    ("user", AcseServiceUser.AUTHENTICATION_FAILURE): ". The password, or auth=, is not the one that it knows",
    ("user", AcseServiceUser.AUTHENTICATION_REQUIRED): ". It wants authentication: say auth=",
}
"""What people can do about it: a diagnostic alone helps few."""


def _rejection(aare: Aare) -> CosemError:
    names = AcseServiceProvider if aare.diagnostic_source == "provider" else AcseServiceUser
    detail = (
        f"the meter rejects the association: {AssociationResult.words(aare.result)}, {names.words(aare.diagnostic)}"
    )
    if aare.user_information and aare.user_information[0] == 0x0E:
        error = parse(aare.user_information).service
        detail += f" ({error.error_class_name}: {error.error_name})"
    if aare.result == AssociationResult.REJECTED_TRANSIENT:
        detail += ". Not for good: it may be locked after too many failures, or busy; try again in a minute or more"
    else:
        detail += _REJECTION_HINTS.get((aare.diagnostic_source, int(aare.diagnostic)), "")
    return AssociationRejected(detail, int(aare.result), aare.diagnostic_source, int(aare.diagnostic))


def _with_hint(machine: Initiator, error: CosemError) -> CosemError:
    """Say what people can do about an association that fails."""
    if isinstance(error, Timeout) and not error.diagnosis:
        error.diagnosis = silence(machine)
        error.args = (f"{error.what}. {error.diagnosis}",)
    return error


def silence(machine: Initiator) -> str:
    """Say in words at which layer a meter is silent, and what to try next."""
    if machine.problems:
        return f"Something came but could not be used: {machine.problems[-1]}"
    address = machine.address
    if not machine.heard_link:
        return (
            f"The transport is open, but nobody answers SNRM for client {address.client}, server {address.server}"
            f"{'' if address.physical is None else f', physical {address.physical}'}: "
            "try another server or physical address, or the wrapper (tcp://) instead of HDLC"
        )
    if not machine.heard_apdu:
        from cosem.link.gateway import GatewayLink

        if isinstance(link := machine.link, GatewayLink):
            return (
                f"The gateway answers nothing for device {link.device.hex()} of network {link.network}, client "
                f"{address.client}, server {address.server}: it may not know that network or that device, the meter "
                "may have no such access points, or it takes longer to reach than the time-out"
            )
        return (
            f"The link is open, but no APDU came back from client {address.client} to server {address.server}: "
            "these access points may not exist (try client=16 without security), or the framing is another "
            "(tcp:// for the wrapper, hdlc+tcp:// for HDLC)"
        )
    return "The meter answered before: it may be busy, or it refuses this request in silence; try again or wait longer"


def _prove(machine: Initiator, aare: Aare, challenge: bytes, association: Obis) -> Generator[Step, Any, None]:
    settings = machine.settings
    if aare.auth_value is None:
        raise HlsFailed("the meter asks for a proof but sends no challenge")
    identity = HlsIdentity(
        settings.mechanism,
        own_challenge=challenge,
        peer_challenge=aare.auth_value,
        own_title=settings.system_title,
        peer_title=aare.responding_ap_title or settings.meter_system_title,
        secret=settings.secret,
        context=machine.context,
        manufacturer=settings.manufacturer,
    )
    identity.check_challenge()
    proof = axdr.encode(axdr.octet_string(identity.proof()))
    answer = yield from _reply(settings.referencing, association, proof)
    if answer is None:
        raise HlsFailed("the meter sends no proof of its own")
    theirs = axdr.decode(answer)
    if theirs.tag is not Tag.OCTET_STRING:
        raise HlsFailed("the meter's proof is no octet-string")
    identity.check(theirs.value)


def _reply(referencing: str, association: Obis, proof: bytes) -> Generator[Step, Any, bytes | None]:
    """Hand our proof over and return the octets of the meter's, by the names that were agreed."""
    refused = "the meter refuses our proof of high level security"
    if referencing == "sn":
        from cosem.apdu.read_write import ParameterizedAccess, ReadRequest
        from cosem.association.short_names import METHOD_SELECTOR, reply_to_hls_name

        spec = ParameterizedAccess(reply_to_hls_name(), METHOD_SELECTOR, proof)
        (data,) = (yield Call(ReadRequest((spec,)))).results
        if not isinstance(data, bytes):
            raise AccessError(data, refused)
        return data
    target = MethodDescriptor(15, association, 1)
    answer: ActionResponseNormal = yield Call(ActionRequestNormal(target, proof))
    if answer.result != 0:
        raise AccessError(answer.result, refused)
    return answer.data


def _ensure_counter(machine: Initiator) -> Generator[Step, Any, None]:
    """Lease counters where none is left: the request to release is protected without waiting in line."""
    context, lease = machine.context, machine.settings.lease
    if context is not None and lease is not None and machine.settings.protection and not context.sending.remaining:
        block = yield Save(lambda: lease(LEASE_SIZE))
        context.sending.renew(*block)


def release(machine: Initiator) -> Generator[Step, Any, None]:
    """Release the association and disconnect the link layer; a meter that stays silent is left alone."""
    if machine.state in (Client.ASSOCIATED, Client.PROVING):
        settings = machine.settings
        machine.move(ClientEvent.RELEASE)
        if settings.pre_established:
            machine.released()
            yield CloseLink()
            return
        initiate = InitiateRequest(int(settings.conformance), settings.max_pdu_size).encode()
        try:
            yield from _ensure_counter(machine)
            information = _protected_initiate(machine, initiate) if settings.protection else None
            yield Call(Rlrq(user_information=information), timeout=settings.release_timeout)
        except ConnectionLost:
            return
        except Cancelled:
            machine.released()
            raise
        except Exception as error:
            # Whatever the meter (or the store of counters) thinks of it: this side is done.
            machine.problems.append(f"the release was not confirmed: {error}")
        machine.released()
    yield CloseLink()
