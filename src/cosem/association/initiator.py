"""The machine of the initiating side: carries out the steps of conversations over one link.

Octets come in through `receive`, which never raises for them; octets to send are fetched with `take`; time comes in
as `now`. Conversations are advanced from a queue, so any number of pushes or answers in one read costs no stack.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from typing import Any, TypeVar

from cosem.apdu import parse
from cosem.apdu.base import Service
from cosem.apdu.ciphered import CIPHERED_NAMES, DEDICATED_TAGS, Ciphered, GeneralDed, GeneralGlo, ciphered_tag
from cosem.apdu.habits import reader
from cosem.apdu.notify import DataNotificationConfirm
from cosem.association.calls import make_call
from cosem.association.outbox import ACSE_REQUESTS, Outbox
from cosem.association.running import Batch, UnderWay
from cosem.association.running import Running as Running
from cosem.association.settings import AssociationSettings
from cosem.association.state import CLIENT, Client, ClientEvent
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
    Step,
)
from cosem.association.transfer import MAX_TRANSFER
from cosem.conformance_block import Conformance
from cosem.errors import (
    ConnectionLost,
    CosemError,
    DecodeError,
    ExceptionResponseReceived,
    LocalProtocolError,
    PolicyViolation,
    SecurityError,
    ServiceErrorReceived,
    Timeout,
)
from cosem.link.base import ApduReceived, Discarded, Link, LinkDown, LinkEvent, LinkUp
from cosem.link.scheduler import Scheduler
from cosem.security.context import SecurityContext
from cosem.security.counters import SendingCounter

T = TypeVar("T")

INVOKE_IDS = 16
LONG = 0x1000000
"""Added to a long invoke-id (24 bits) where calls are kept: ACCESS has numbers of its own."""
CONFIRMED_HIGH_PRIORITY, UNCONFIRMED = 0xC0, 0x80
MAX_PDU_SIZE = 0xFFFF
"""What a server that sets no limit gets at once: the field's largest value, and all that a wrapper can carry."""
DEDICATED_FORMS = frozenset(DEDICATED_TAGS.values())
PROTECTED = frozenset((*CIPHERED_NAMES, 0xDB, 0xDC))
RESPONSES = frozenset((0xC4, 0xC7))
"""Their `Data` is checked by whoever decodes it, once."""
PLAIN_ALWAYS = frozenset((0x61, 0x63, 0x0E, 0xD8))
SHORT_NAME_TAGS = frozenset((0x05, 0x06))
NOTIFICATIONS = frozenset((0x0F, 0xC2, 0x18))
PUSHED = frozenset((*NOTIFICATIONS, *(ciphered_tag(tag, ded) for tag in (0xC2, 0x18) for ded in (False, True))))
"""What can be no answer: refusing one of these says nothing about the calls under way."""
WITHOUT_INVOKE_ID = frozenset((*ACSE_REQUESTS, 0x05, 0x06))
"""Requests whose answer is known by its kind alone, so that one is under way at a time."""
ANSWERS_WITHOUT_INVOKE_ID = frozenset((0x61, 0x63, 0x0C, 0x0D))
LONG_INVOKE_IDS = frozenset((0xD9, 0xDA))
CONFIRMATION_WANTED = 0x40000000
"""Service class in the long invoke-id of a data-notification."""
GENERAL_BLOCK_TRANSFER = 0xE0
UNSUPPORTED = frozenset((0xDD, 0xDF))
"""general-ciphering and general-signing: read, not opened."""
QUARANTINE = 60.0
"""Seconds an invoke-id rests after a time-out: a late answer must not become another attribute's value."""
GRACE = 1.0
"""Seconds a call still waits after an answer that was refused: a genuine one may be right behind a forged one."""
MAX_PROBLEMS = 20


class Initiator:
    """One client association over one link."""

    def __init__(self, link: Link, settings: AssociationSettings) -> None:
        self.link = link
        self.settings = settings
        self.address = settings.address
        self.parse = reader(settings.tolerances)
        self.state = Client.DISCONNECTED
        self.conformance = settings.conformance
        self.peer_max_pdu_size = 0
        self.context: SecurityContext | None = None
        self.dedicated = False
        self.broadcast = settings.broadcast
        self.problems: deque[str] = deque(maxlen=MAX_PROBLEMS)
        self.heard_link = False
        self.heard_apdu = False
        self.now = 0.0
        self.scheduler = Scheduler(self._carry_out)
        self.outbox = Outbox(self)
        self._invoke = 0
        self._long_invoke = 0
        self._under: dict[int | None, UnderWay] = {}
        self._one_at_a_time = False
        self._waiting: deque[tuple[Any, Service, float | None, Callable[[bytes], None] | None, int, int]] = deque()
        self._quarantine: dict[int, float] = {}
        self._unnumbered_rest = 0.0
        self._link_waiting: tuple[Running[Any], float, bool] | None = None

    # --- conversations -------------------------------------------------------------------------------------

    def start(self, conversation: Generator[Step, Any, T], now: float) -> Running[T]:
        """Start a conversation and advance it as far as it goes."""
        self.now = now
        running = self.scheduler.begin(conversation)
        self.scheduler.advance()
        return running

    def cancel(self, running: Running[Any], now: float) -> None:
        """Throw `Cancelled` into a conversation; its clean-up may not ask for anything more."""
        self.now = now
        if running.done:
            return
        self._forget(running)
        self.scheduler.cancel(running)
        self.scheduler.advance()

    def _forget(self, running: Running[Any]) -> None:
        for invoke, under in list(self._under.items()):
            if _owner(under.running) is running:
                self._release_invoke(invoke, rest=True, silent=True)
                if isinstance(under.running, Batch):
                    under.running.waiting.clear()
        self._waiting = deque(item for item in self._waiting if _owner(item[0]) is not running)
        if self._link_waiting is not None and self._link_waiting[0] is running:
            opening = self._link_waiting[2]
            self._link_waiting = None
            if opening:
                self._give_up_link()

    def _give_up_link(self) -> None:
        """Forget a link layer that was being connected, so that it can be tried anew."""
        self.state = Client.DISCONNECTED
        self._handle(self.link.lost(self.now))

    def _carry_out(self, running: Running[Any], step: Step) -> None:
        if type(step) is Call:
            self._call(running, step.service, step.timeout, step.sink, 0, step.options)
            return
        handler = _STEPS.get(type(step))
        if handler is None:
            raise LocalProtocolError(f"a conversation yields steps, not {type(step).__name__}")
        handler(self, running, step)

    def _step_calls(self, running: Running[Any], step: Calls) -> None:
        batch = Batch(step, running)
        if not batch.left:
            self.scheduler.wake(running, [])
        self._fill(batch)

    def _step_post(self, running: Running[Any], step: Post) -> None:
        invoke = self._next_invoke(step.service)
        self.outbox.send(step.service, None, _wire(invoke, UNCONFIRMED), confirmed=False)
        self.scheduler.wake(running)

    def _step_listen(self, running: Running[Any], step: Listen) -> None:
        self.scheduler.listen(running, None if step.timeout is None else self.now + step.timeout)

    def _step_sleep(self, running: Running[Any], step: Sleep) -> None:
        self.scheduler.sleep(running, self.now + step.seconds)

    def _step_open(self, running: Running[Any], step: OpenLink) -> None:
        self._move(ClientEvent.CONNECT)
        self._link_waiting = (running, self.now + (step.timeout or self.settings.connect_timeout), True)
        self._handle(self.link.connect(self.address, self.now))

    def _step_close(self, running: Running[Any], step: CloseLink) -> None:
        if self.state is Client.DISCONNECTED:
            self.scheduler.wake(running)
            return
        self._link_waiting = (running, self.now + (step.timeout or self.settings.release_timeout), False)
        self._handle(self.link.disconnect(self.address, self.now))

    def _step_driver(self, running: Running[Any], step: Save | Dial | Hangup) -> None:
        self.scheduler.driver.append((running, step))

    # --- what the driver does ------------------------------------------------------------------------------

    def driver_step(self) -> tuple[Running[Any], Save | Dial | Hangup] | None:
        """Return the next step the driver has to carry out and answer, or None."""
        driver = self.scheduler.driver
        return driver.popleft() if driver else None

    def answer(self, running: Running[Any], value: Any, now: float, error: BaseException | None = None) -> None:
        """Hand the outcome of a driver step back."""
        self.now = now
        self.scheduler.wake(running, value, error)
        self.scheduler.advance()

    # --- sending -------------------------------------------------------------------------------------------

    @property
    def resting(self) -> bool:
        """Whether an answer without an invoke-id may still come: nothing is asked by short name before a new link."""
        return self._unnumbered_rest > self.now

    def _next_invoke(self, service: Service) -> int | None:
        """Return the next invoke-id in turn, leaving out those under way and those that rest."""
        if service.tag in WITHOUT_INVOKE_ID:
            if self.resting and service.tag not in ACSE_REQUESTS:
                raise LocalProtocolError("an answer without an invoke-id may still come: connect anew")
            return None
        if service.tag in LONG_INVOKE_IDS:
            self._long_invoke = (self._long_invoke + 1) & (LONG - 1)
            return LONG | self._long_invoke
        for _ in range(INVOKE_IDS):
            self._invoke = invoke = (self._invoke + 1) & 0x0F
            if invoke in self._under:
                continue
            if self._quarantine and (until := self._quarantine.get(invoke)) is not None:
                if until > self.now:
                    continue
                del self._quarantine[invoke]
            return invoke
        raise LocalProtocolError("all invoke-ids are in use or resting after time-outs: connect anew")

    def _call(
        self,
        running: Any,
        service: Service,
        timeout: float | None,
        sink: Callable[[bytes], None] | None,
        index: int = 0,
        options: int = 0,
    ) -> None:
        if self.settings.broadcast:
            raise LocalProtocolError("what goes to all is answered by nobody: post it")
        if self._one_at_a_time and self._under:
            # Blocks of a general block transfer do not say whose answer they carry.
            self._waiting.append((running, service, timeout, sink, index, options))
            return
        invoke = self._next_invoke(service)
        if invoke is None and None in self._under:
            if service.tag in SHORT_NAME_TAGS:
                # Nothing in an answer by short name says whose it is: one after the other.
                self._waiting.append((running, service, timeout, sink, index, options))
                return
            raise LocalProtocolError("a request whose answer has no invoke-id is under way already")
        seconds = self.settings.response_timeout if timeout is None else timeout
        if invoke is not None and invoke < INVOKE_IDS:
            wire: int | None = invoke | CONFIRMED_HIGH_PRIORITY
        else:
            wire = _wire(invoke, CONFIRMED_HIGH_PRIORITY, options)
        call = make_call(service, wire or 0, sink, self._room, self.conformance)
        under = UnderWay(call, running, invoke, seconds, self.now + seconds)
        under.index = index
        self._under[invoke] = under
        try:
            self.outbox.send(call.first, invoke, wire)
        except CosemError:
            del self._under[invoke]
            raise

    def _room(self) -> int:
        """Return how many octets a plain request may have before it is cut up by its own service."""
        if self._one_at_a_time:
            return MAX_TRANSFER
        return (self.peer_max_pdu_size or MAX_PDU_SIZE) - self.outbox.overhead()

    def _go_on(self) -> None:
        """Send the next of the calls that wait for the one before to end."""
        while self._waiting and not self._under:
            item = self._waiting.popleft()
            try:
                self._call(*item)
            except CosemError as error:
                self._give(item[0], item[4], error)

    def _fill(self, batch: Batch) -> None:
        """Send further services of a batch, as many as its window allows."""
        under_way = sum(1 for under in self._under.values() if under.running is batch)
        while batch.waiting and under_way < max(1, batch.step.window):
            if under_way and len(self._under) + len(self._quarantine) >= INVOKE_IDS:
                return  # the next answer frees an invoke-id
            index, service = batch.waiting.popleft()
            try:
                self._call(batch, service, batch.step.timeout, None, index)
            except CosemError as error:
                self._batch_answer(batch, index, error)
                continue
            under_way += 1

    def _batch_answer(self, batch: Batch, index: int, answer: Any) -> None:
        batch.answers[index] = answer
        batch.left -= 1
        if not batch.left:
            self.scheduler.wake(batch.running, batch.answers)

    # --- receiving -----------------------------------------------------------------------------------------

    def receive(self, octets: bytes, now: float) -> None:
        """Take octets from the transport; conversations they answer go on."""
        self.now = now
        self._handle(self.link.receive(octets, now))
        self.scheduler.advance()

    def take(self) -> bytes:
        """Return the octets to send."""
        return self.link.take()

    def lost(self, now: float) -> None:
        """Learn that the transport is gone."""
        self.now = now
        self._handle(self.link.lost(now))
        self._link_gone("the connection was lost")
        self.scheduler.advance()

    def _handle(self, events: list[LinkEvent]) -> None:
        for event in events:
            if type(event) is ApduReceived:
                self._apdu(event.octets)
            elif isinstance(event, LinkUp):
                self.heard_link = True
                if self.state is Client.CONNECTING:
                    self._move(ClientEvent.LINK_UP)
                    if self._link_waiting is not None and self._link_waiting[2]:
                        running = self._link_waiting[0]
                        self._link_waiting = None
                        self.scheduler.wake(running)
            elif isinstance(event, LinkDown):
                self._link_gone(event.reason)
            elif isinstance(event, Discarded):
                self.problems.append(f"{len(event.octets)} octets were no usable frame: {event.reason}")

    def _link_gone(self, reason: str) -> None:
        self.state = CLIENT.get((self.state, ClientEvent.LINK_DOWN), Client.DISCONNECTED)
        self.context = None
        self.dedicated = False
        self.peer_max_pdu_size = 0
        self._one_at_a_time = False
        self.outbox.clear()
        if self._link_waiting is not None:
            running, _, opening = self._link_waiting
            self._link_waiting = None
            self.scheduler.wake(running, error=ConnectionLost(reason) if opening else None)
        error = ConnectionLost(reason)
        waiting = list(self._waiting)
        self._waiting.clear()
        for invoke, under in list(self._under.items()):
            self._release_invoke(invoke)
            self._finish(under, error)
        for owner, _, _, _, index, _ in waiting:
            self._give(owner, index, error)
        # Nothing that was under way on that link can answer on another one.
        self._quarantine.clear()
        self._unnumbered_rest = 0.0
        self.scheduler.stop_listening(error)

    def _release_invoke(self, invoke: int | None, *, rest: bool = False, silent: bool = False) -> None:
        """Let an invoke-id go; it rests where an answer may still come. `silent`: none has come so far."""
        self._under.pop(invoke, None)
        if silent and invoke is None:
            self._unnumbered_rest = self.now + QUARANTINE
        elif rest and invoke is not None:
            if invoke < INVOKE_IDS:
                self._quarantine[invoke] = self.now + QUARANTINE
            self.outbox.forget(invoke)

    def _finish(self, under: UnderWay, answer: Any) -> None:
        """Give `answer` (a service or an error) to whoever waits for it, and let the next call go."""
        owner = under.running
        self._give(owner, under.index, answer)
        if isinstance(owner, Batch) and owner.waiting:
            if isinstance(answer, ConnectionLost):
                while owner.waiting:
                    self._batch_answer(owner, owner.waiting.popleft()[0], answer)
            else:
                self._fill(owner)
        if self._waiting:
            self._go_on()

    def _give(self, owner: Any, index: int, answer: Any) -> None:
        if isinstance(owner, Batch):
            self._batch_answer(owner, index, answer)
        elif isinstance(answer, BaseException):
            self.scheduler.wake(owner, error=answer)
        else:
            self.scheduler.wake(owner, answer)

    def fail(self, invoke: int | None, error: CosemError) -> None:
        """End one call that could not be sent."""
        under = self._under.get(invoke)
        if under is not None:
            self._release_invoke(invoke, rest=True, silent=isinstance(error, Timeout))
            self._finish(under, error)

    def fail_all(self, error: CosemError) -> None:
        """End the calls under way."""
        for invoke in list(self._under):
            self.fail(invoke, error)

    def _apdu(self, octets: bytes) -> None:
        self.heard_apdu = True
        tag = octets[0]
        try:
            if tag == GENERAL_BLOCK_TRANSFER:
                self._block(octets)
                return
            if tag in PROTECTED:
                invoke, service = self._open(octets)
            else:
                invoke, service = self.parse(octets, checked=tag not in RESPONSES)
                if tag in UNSUPPORTED:
                    raise SecurityError(f"{service.service} is not supported yet")
                if self.context is not None and tag not in PLAIN_ALWAYS:
                    self._check_plain(service)
        except (DecodeError, SecurityError) as error:
            self._refused(tag, error)
            return
        tag = service.tag
        if invoke is not None:
            under = self._under.get(invoke & 0x0F if tag not in LONG_INVOKE_IDS else LONG | (invoke & (LONG - 1)))
            if under is not None and under.call.answers == tag:
                self._answered(under, service)
                return
        if tag in ANSWERS_WITHOUT_INVOKE_ID:
            under = self._under.get(None)
            if under is not None and under.call.answers == tag:
                self._answered(under, service)
                return
        if tag in NOTIFICATIONS:
            self._notified(service, invoke, len(octets))
        elif tag in (0xD8, 0x0E):
            self._exception(service)
        else:
            self.problems.append(f"{service.service} that nobody waits for")

    def _block(self, octets: bytes) -> None:
        """Take a block of a general block transfer, and the APDU that is whole with it."""
        block = parse(octets).service
        outbox = self.outbox
        news, transferring = outbox.news, outbox.transferring
        try:
            whole = outbox.take_block(block)
        except CosemError as error:
            self.problems.append(f"a general block transfer was given up: {error}")
            if transferring:
                self._end_soon(error)
            return
        if outbox.news != news:
            # Only what is new shows that the answer comes nearer.
            for under in self._under.values():
                under.deadline = self.now + under.timeout
        if not whole:
            return
        if whole[0] == GENERAL_BLOCK_TRANSFER:
            self.problems.append("a general block transfer within another")
        else:
            self._apdu(whole)

    def _open(self, octets: bytes) -> tuple[int | None, Any]:
        """Open a protected APDU. The initiate responses inside ACSE are opened by the conversation instead."""
        carrier: Ciphered | GeneralGlo | GeneralDed = parse(octets).service
        context = self.context
        if context is None:
            raise PolicyViolation(f"{carrier.service} outside of a ciphered association")
        if isinstance(carrier, Ciphered):
            title, dedicated = None, octets[0] in DEDICATED_FORMS
        else:
            title, dedicated = carrier.system_title or None, isinstance(carrier, GeneralDed)
        if dedicated and not self.dedicated:
            raise PolicyViolation("a dedicated key was not agreed")
        parsed: tuple[int | None, Any] = context.open(
            carrier.content, self._unchecked, request=False, title=title, dedicated=dedicated
        )[0]
        return parsed

    def _unchecked(self, plain: bytes) -> Any:
        """Parse what was deciphered; whoever decodes the `Data` inside checks it."""
        return self.parse(plain, checked=False)

    def _check_plain(self, service: Any) -> None:
        """Refuse plain text where protection was agreed; meters answer errors in plain, ACSE has its own protection."""
        assert self.context is not None
        if self.context.policy.response:
            raise self.context.refuse(
                PolicyViolation(f"{service.service} without the protection this association demands")
            )

    def _refused(self, tag: int, error: CosemError) -> None:
        """An answer that cannot be used: note it, and let the call that waits for one end soon, with this reason."""
        self.problems.append(f"an answer was refused: {error}")
        if tag not in PUSHED:
            self._end_soon(error)

    def _end_soon(self, error: CosemError) -> None:
        for under in self._under.values():
            under.last_refusal = error
            under.deadline = min(under.deadline, self.now + GRACE)

    def _answered(self, under: UnderWay, service: Any) -> None:
        try:
            following = under.call.take(service)
        except Exception as error:
            # An answer that cannot be, or a sink that failed: either way this call alone ends with it.
            self._release_invoke(under.invoke, rest=True)
            self._finish(under, error)
            return
        if following is None:
            del self._under[under.invoke]
            if self._one_at_a_time:
                self.outbox.settle()
            if type(under.running) is Running and not self._waiting:
                self.scheduler.ready.append((under.running, under.call.result, None))
            else:
                self._finish(under, under.call.result)
            return
        # Every block that arrives shows that the peer is alive: the time-out starts anew.
        under.deadline = self.now + under.timeout
        under.last_refusal = None
        try:
            self.outbox.send(following, under.invoke, _wire(under.invoke, CONFIRMED_HIGH_PRIORITY))
        except CosemError as error:
            self._release_invoke(under.invoke, rest=True)
            self._finish(under, error)

    def _exception(self, service: Any) -> None:
        """An error answer carries no invoke-id: it belongs to the oldest service under way."""
        if not self._under:
            self.problems.append(f"{service.service} that nobody waits for")
            return
        oldest = next(iter(self._under))
        under = self._under[oldest]
        # With several under way the error may be another's: then the answer to this one still comes.
        self._release_invoke(oldest, rest=len(self._under) > 1)
        error: CosemError
        if service.service == "exception-response":
            error = ExceptionResponseReceived(
                int(service.state_error), int(service.service_error), service.invocation_counter
            )
        else:
            error = ServiceErrorReceived(
                service.service_name, service.error_class_name, int(service.error), service.error_name
            )
        self._finish(under, error)

    def _notified(self, service: Any, invoke: int | None, size: int) -> None:
        self.scheduler.notify(service, size)
        if service.tag == 0x0F and self.settings.confirm_notifications and (invoke or 0) & CONFIRMATION_WANTED:
            try:
                self.outbox.send(DataNotificationConfirm(b""), None, invoke)
            except CosemError as error:
                self.problems.append(f"a notification was not confirmed: {error}")

    # --- time ----------------------------------------------------------------------------------------------

    def next_timer(self) -> float | None:
        """Return when `handle_timer` is needed next."""
        times = self.scheduler.times()
        for under in self._under.values():
            times.append(under.deadline)
        if (earliest := self.link.next_timer()) is not None:
            times.append(earliest)
        if (repeat := self.outbox.repeat_at) is not None:
            times.append(repeat)
        if self._link_waiting is not None:
            times.append(self._link_waiting[1])
        return min(times) if times else None

    def handle_timer(self, now: float) -> None:
        """Let what is due happen: time-outs, ends of sleeps, the timers of the link."""
        self.now = now
        self._handle(self.link.handle_timer(now))
        for invoke, under in list(self._under.items()):
            if under.deadline <= now:
                self._release_invoke(invoke, rest=True, silent=True)
                self._finish(under, under.last_refusal or Timeout(f"no answer to {under.service}"))
        self.outbox.handle_timer(now)
        self.scheduler.handle_timer(now)
        if self._link_waiting is not None and self._link_waiting[1] <= now:
            running, _, opening = self._link_waiting
            self._link_waiting = None
            self._give_up_link()
            self.scheduler.wake(running, error=Timeout("the link layer was not connected") if opening else None)
        self.scheduler.advance()

    # --- what the conversations of `conversations.py` use -----------------------------------------------------

    def move(self, event: ClientEvent) -> None:
        """Take a transition; raise `LocalProtocolError` where the table has none."""
        self._move(event)

    def _move(self, event: ClientEvent) -> None:
        following = CLIENT.get((self.state, event))
        if following is None:
            raise LocalProtocolError(f"{event.value}: not possible while {self.state.value}")
        self.state = following

    def secure(self, sending: SendingCounter | None, policy: Any) -> SecurityContext:
        """Make the security context of the association that begins."""
        settings = self.settings
        self.context = SecurityContext(
            settings.keys,
            settings.system_title,
            settings.meter_system_title,
            suite=settings.suite,
            policy=policy,
            sending=sending,
            allow_unverified=settings.allow_unverified,
        )
        return self.context

    def released(self) -> None:
        """Forget the association that was released or never came about."""
        self._one_at_a_time = False
        self.outbox.end_transfer()
        if self.state is Client.RELEASING:
            self._move(ClientEvent.RELEASED)
        self.context = None
        self.dedicated = False
        self.peer_max_pdu_size = 0

    def agreed(self, conformance: Conformance, max_pdu_size: int) -> None:
        """Keep what the AARE said."""
        self.conformance = conformance
        self.peer_max_pdu_size = max_pdu_size
        self._one_at_a_time = bool(int(conformance) & int(Conformance.GENERAL_BLOCK_TRANSFER))


def _wire(invoke: int | None, flags: int, options: int = 0) -> int | None:
    """Return the invoke-id-and-priority as it goes out: one octet, or the long form of four."""
    if invoke is None:
        return None
    if invoke < INVOKE_IDS:
        return invoke | flags
    return (invoke & (LONG - 1)) | flags << 24 | options


def _owner(running: Any) -> Running[Any]:
    owner: Running[Any] = running.running if isinstance(running, Batch) else running
    return owner


# All but `Call`, the one there are thousands of.
_STEPS: dict[type[Any], Callable[[Initiator, Running[Any], Any], None]] = {
    Calls: Initiator._step_calls,
    Post: Initiator._step_post,
    Listen: Initiator._step_listen,
    Sleep: Initiator._step_sleep,
    OpenLink: Initiator._step_open,
    CloseLink: Initiator._step_close,
    Save: Initiator._step_driver,
    Dial: Initiator._step_driver,
    Hangup: Initiator._step_driver,
}
