"""The machine of the responding side: many associations at once over one link, one per pair of access points.

It owns what lies between octets and services: states, security, the conformance block, PDU sizes, block transfer.
What objects are, and who may touch them, is the business of the `ObjectServer` behind it. Nothing a client sends
raises here; the answers are those of the Green Book, and where it is silent, of a meter that gives nothing away.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from cosem.apdu import parse
from cosem.apdu.base import Service
from cosem.apdu.ciphered import (
    CIPHERED_NAMES,
    DEDICATED_TAGS,
    GENERAL_ONLY,
    Ciphered,
    GeneralDed,
    GeneralGlo,
    wrapped,
)
from cosem.apdu.errors import ExceptionResponse
from cosem.association.admission import DECIPHERING, Admission, Random
from cosem.association.blocks import TAG as BLOCK_TAG
from cosem.association.blocks import BlockTransfer, block_size
from cosem.association.held import PLAIN, Association, Carrier
from cosem.association.server import ALL_STATIONS, ObjectServer, Session
from cosem.association.serving import MALFORMED, MAX_RECEIVED, NOT_POSSIBLE, NOT_SUPPORTED, TOO_LONG
from cosem.association.state import Server, ServerEvent
from cosem.conformance_block import Conformance
from cosem.errors import (
    CosemError,
    DecodeError,
    InvocationCounterError,
    LocalProtocolError,
    PolicyViolation,
    RemoteProtocolError,
    SecurityError,
    WeakProtection,
)
from cosem.link.base import Address, ApduReceived, Link, LinkDown, LinkEvent
from cosem.security.control import AUTHENTICATED, BROADCAST
from cosem.tolerances import SERVER_TOLERANCES, Tolerances

_new = tuple.__new__
_PENDING: Final = Server.PENDING
_UNKNOWN: Final = ExceptionResponse(2, 2)
_SERVICE_CLASS: Final = 0x40
_LONG_SERVICE_CLASS: Final = 0x40000000
_BLOCKS: Final = int(Conformance.GENERAL_BLOCK_TRANSFER)
ACCESS: Final = 0xD9
CONFIRM: Final = 0x10
SERVED_TAGS: Final = frozenset((0x05, 0x06, CONFIRM, 0x16, 0xC0, 0xC1, 0xC3, ACCESS))
UNCONFIRMED_TAGS: Final = frozenset((0xC1, 0xC3))
"""What may be asked without an answer."""
UNANSWERED_TAGS: Final = frozenset((CONFIRM, 0x16))
PLAIN_TAGS: Final = SERVED_TAGS | {0x62, BLOCK_TAG}
DEDICATED_FORMS: Final = frozenset(DEDICATED_TAGS.values())
PROTECTED_TAGS: Final = frozenset((*CIPHERED_NAMES, 0xDB, 0xDC))
NOTIFICATION: Final = 0x0F
CONFIRMATION_WANTED: Final = _LONG_SERVICE_CLASS


@dataclass(frozen=True, slots=True)
class ResponderSettings:
    """`pending_timeout`: seconds a client has for its proof. `challenge_length`: octets of StoC, 8 to 64.

    `block_window`: blocks of a general block transfer taken in a row, 1 to 63. `tolerances`: the habits of clients'
    APDUs that are put up with. `max_apdu`: the longest APDU that the link carries, whatever a client takes; 0 for any.
    """

    pending_timeout: float = 60.0
    challenge_length: int = 16
    block_window: int = 8
    tolerances: Tolerances = SERVER_TOLERANCES
    max_apdu: int = 0


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
        self.now = 0.0
        self._admission = Admission(self, server, random)
        self._associations: dict[Address, Association] = {}

    # --- machine -------------------------------------------------------------------------------------------

    def receive(self, octets: bytes, now: float) -> None:
        """Take octets from the transport; what there is to answer waits in `take`."""
        self.now = now
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
        self.now = now
        for address, association in list(self._associations.items()):
            if association.due is not None and association.due <= now:
                association.move(ServerEvent.TIMEOUT)
                self.close(address)
        self._handle(self.link.handle_timer(now))

    def lost(self, now: float) -> None:
        """Learn that the transport is gone."""
        self.now = now
        self.link.lost(now)
        for address in list(self._associations):
            self.close(address)

    @property
    def sessions(self) -> tuple[Session, ...]:
        """Return the sessions that are open or pending."""
        return tuple(item.session for item in self._associations.values())

    def hold(self, address: Address, association: Association) -> None:
        """Keep an association that has begun."""
        self._associations[address] = association
        association.session.end = partial(self.close, address)

    def close(self, address: Address) -> None:
        """End what there is between these access points."""
        association = self._associations.pop(address, None)
        if association is None:
            return
        association.state = Server.NON_ASSOCIATED
        association.session.status = 0
        self.server.closed(association.session)

    def notify(
        self,
        address: Address,
        service: Service,
        *,
        invoke: int = 0,
        protection: int = 0,
        max_pdu_size: int | None = None,
        confirmed: bool = False,
    ) -> None:
        """Send a notification to `address`; protected ones need an association there.

        One that is longer than `max_pdu_size` (the client's of the association, unless given; 0 for any) goes out as a
        stream of general block transfer that nobody acknowledges. `confirmed` asks for a data-notification-confirm;
        it comes to `ObjectServer.notification_confirmed`. Raises `LocalProtocolError` where protection is asked for
        without an association.
        """
        association = self._associations.get(address)
        if service.tag == NOTIFICATION:
            octets = service.encode(invoke | (CONFIRMATION_WANTED if confirmed else 0))
        else:
            octets = service.encode()
        if protection:
            if association is None or association.context is None:
                raise LocalProtocolError("a protected notification needs a ciphered association")
            content = association.context.protect(octets, protection)
            octets = GeneralGlo(association.context.own_title, content).encode()
        if max_pdu_size is None:
            max_pdu_size = 0 if association is None else association.session.client_max_pdu_size
        if max_pdu_size and len(octets) > max_pdu_size:
            stream = BlockTransfer(block_size(max_pdu_size), 0)
            stream.send(octets)
            for block in stream.turn():
                self.link.send(address, block.encode(), self.now, confirmed=False)
            return
        self.link.send(address, octets, self.now, confirmed=False)

    def _handle(self, events: list[LinkEvent]) -> None:
        for event in events:
            if type(event) is ApduReceived:
                self._received(event.address, event.octets, event.confirmed)
            elif isinstance(event, LinkDown):
                self.close(event.address)

    def _received(self, address: Address, octets: bytes, confirmed: bool) -> None:
        association = self._associations.get(address)
        if octets[0] == BLOCK_TAG and association is not None:
            self._block(address, association, octets, confirmed)
            return
        if association is not None and association.transfer is not None:
            # The client asks anew: nobody wants the blocks of before.
            association.transfer = None
        answer = self._apdu(address, association, octets, confirmed)
        if answer is None or not confirmed:
            return
        association = self._associations.get(address)
        if association is not None and int(association.session.conformance) & _BLOCKS:
            limit = association.session.client_max_pdu_size
            if limit and len(answer) > limit:
                transfer = self._transfer(association)
                try:
                    transfer.send(answer)
                except RemoteProtocolError:
                    # More blocks of the client's size than there are numbers for.
                    self._send(address, TOO_LONG.encode())
                    return
                association.transfer = transfer
                self._send_blocks(address, transfer)
                return
        self._send(address, answer)

    def _send(self, address: Address, octets: bytes) -> None:
        try:
            self.link.send(address, octets, self.now)
        except LocalProtocolError:
            # The client has closed the link layer right behind its request.
            return

    # --- general block transfer ----------------------------------------------------------------------------

    def _transfer(self, association: Association) -> BlockTransfer:
        size = block_size(association.session.client_max_pdu_size or 0xFFFF)
        return BlockTransfer(size, self.settings.block_window, answering=True, limit=MAX_RECEIVED)

    def _send_blocks(self, address: Address, transfer: BlockTransfer) -> None:
        for block in transfer.turn():
            self._send(address, block.encode())

    def _block(self, address: Address, association: Association, octets: bytes, confirmed: bool) -> None:
        """Take a block of general block transfer, carry out the APDU that is whole with it, and answer in blocks."""
        limit = association.session.profile.max_pdu_size
        refusal: ExceptionResponse | None = None
        if not int(association.session.conformance) & _BLOCKS:
            refusal = NOT_SUPPORTED
        elif limit and len(octets) > limit:
            refusal = TOO_LONG
        else:
            try:
                self._take_block(address, association, parse(octets).service, confirmed)
            except DecodeError:
                refusal = MALFORMED
            except RemoteProtocolError:
                association.transfer = association.stream = None
                refusal = NOT_POSSIBLE
        if refusal is not None and confirmed:
            self._send(address, refusal.encode())

    def _take_block(self, address: Address, association: Association, block: Any, confirmed: bool) -> None:
        if block.window == 0 and not block.block_number_ack:
            # The client takes nothing back: a stream without acknowledgements, and without an answer.
            if association.stream is None or block.block_number == 1:
                association.stream = BlockTransfer(1, 0, limit=MAX_RECEIVED)
            whole = association.stream.take(block)
            if whole is not None:
                association.stream = None
                self._whole(address, association, whole, confirmed)
            return
        if not confirmed:
            return
        transfer = association.transfer
        if transfer is None or transfer.begins_anew(block):
            transfer = association.transfer = self._transfer(association)
        whole = transfer.take(block)
        if whole is not None:
            answer = self._whole(address, association, whole, confirmed)
            if answer is None:
                transfer.confirm()
            else:
                transfer.send(answer)
        self._send_blocks(address, transfer)

    def _whole(self, address: Address, association: Association, octets: bytes, confirmed: bool) -> bytes | None:
        if octets[0] == BLOCK_TAG:
            return NOT_POSSIBLE.encode()
        association.by_blocks = True
        try:
            return self._apdu(address, association, octets, confirmed)
        finally:
            association.by_blocks = False

    # --- APDUs ---------------------------------------------------------------------------------------------

    def _apdu(self, address: Address, association: Association | None, octets: bytes, confirmed: bool) -> bytes | None:
        """Return the answer to one APDU, or None."""
        tag = octets[0]
        if tag == 0x60:
            return self._admission.aarq(address, octets) if confirmed else None
        if association is None:
            profile = self.server.association_profile(address)
            if profile is None:
                return None
            if not profile.pre_established:
                if tag in PROTECTED_TAGS or tag in PLAIN_TAGS:
                    return None if _unconfirmed(octets) else NOT_POSSIBLE.encode()
                return _UNKNOWN.encode()
            association = self._admission.pre_establish(address, profile)
        if tag == 0x62:
            return self._admission.rlrq(address, association, octets)
        profile = association.session.profile
        if profile.max_pdu_size and len(octets) > profile.max_pdu_size and not association.by_blocks:
            return TOO_LONG.encode()
        try:
            invoke, service, carrier = self._unwrap(
                association, octets, not confirmed or address.server in ALL_STATIONS
            )
        except InvocationCounterError as error:
            self.server.security_failed(association.session, error)
            return None if _unconfirmed(octets) else ExceptionResponse(1, 6, error.smallest).encode()
        except SecurityError as error:
            self.server.security_failed(association.session, error)
            return None if _unconfirmed(octets) else DECIPHERING.encode()
        except _PlainError as error:
            return None if _unconfirmed(octets) else error.answer.encode()
        association.carrier = carrier
        association.session.request_protection = carrier.control & 0x30
        if service.tag == CONFIRM:
            self.server.notification_confirmed(association.session, invoke or 0)
            return None
        answer = self._serve(address, association, service, invoke)
        if carrier.control & BROADCAST or not _wants_answer(service, invoke or 0):
            return None
        return self._wrap(association, answer, invoke)

    def _unwrap(self, association: Association, octets: bytes, broadcast: bool) -> tuple[int | None, Any, Carrier]:
        """Open a request. Raises `SecurityError`, or `_PlainError` with the answer to a request that is malformed."""
        tag = octets[0]
        context = association.context
        if tag not in PROTECTED_TAGS:
            if context is not None and context.policy.request:
                context.failures += 1
                raise WeakProtection("a request without the protection the policy demands")
            return (*_parse(octets), PLAIN)
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
        return invoke, service, _new(Carrier, (opened.control, dedicated, general))

    def _wrap(self, association: Association, service: Service, invoke: int | None) -> bytes:
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
            return NOT_POSSIBLE.encode()
        if carrier.general or octets[0] in GENERAL_ONLY:
            if carrier.dedicated:
                return GeneralDed(context.own_title, content).encode()
            return GeneralGlo(context.own_title, content).encode()
        return wrapped(octets[0], content, carrier.dedicated)

    def _serve(self, address: Address, association: Association, service: Any, invoke: int | None) -> Service:
        if association.state is _PENDING:
            return self._admission.prove(address, association, service)
        return association.serving.serve(service, invoke or 0)


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


def _wants_answer(service: Any, invoke: int) -> bool:
    tag = service.tag
    if tag in UNCONFIRMED_TAGS:
        return bool(invoke & _SERVICE_CLASS)
    if tag == ACCESS:
        return bool(invoke & _LONG_SERVICE_CLASS)
    return tag not in UNANSWERED_TAGS


def _unconfirmed(octets: bytes) -> bool:
    """Say whether a request asks for no answer, as far as that can be seen without opening it."""
    tag = octets[0]
    if tag in UNCONFIRMED_TAGS:
        return len(octets) > 2 and not octets[2] & _SERVICE_CLASS
    if tag == ACCESS:
        return len(octets) > 1 and not octets[1] & _SERVICE_CLASS
    if tag in PROTECTED_TAGS:
        try:
            return bool(parse(octets).service.content[0] & BROADCAST)
        except DecodeError:
            return False
    return tag in UNANSWERED_TAGS
