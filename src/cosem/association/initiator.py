"""The machine of the initiating side: carries out the steps of conversations over one link.

Octets come in through `receive`, which never raises for them; octets to send are fetched with `take`; time comes in
as `now`. Conversations are advanced from a queue, so any number of pushes or answers in one read costs no stack.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Any, TypeVar

from cosem.apdu import parse
from cosem.apdu.base import Service
from cosem.apdu.ciphered import CIPHERED_NAMES, DEDICATED_TAGS, Ciphered, GeneralDed, GeneralGlo, ciphered_tag
from cosem.association.calls import BLOCK_HEADROOM, ActionCall, GetCall, PlainCall, SetCall, Under
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
from cosem.codec.axdr import encode_length
from cosem.conformance_block import Conformance
from cosem.errors import (
    Cancelled,
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
from cosem.security.context import SecurityContext
from cosem.security.counters import SendingCounter

T = TypeVar("T")

CONFIRMED_HIGH_PRIORITY = 0xC0
INVOKE_IDS = 16
MAX_PDU_SIZE = 0xFFFF
"""What a server that sets no limit gets at once: the field's largest value, and all that a wrapper can carry."""
UNCONFIRMED = 0x80
ACSE_REQUESTS = frozenset((0x60, 0x62))
DEDICATED_FORMS = frozenset(DEDICATED_TAGS.values())
PROTECTED = frozenset((*CIPHERED_NAMES, 0xDB, 0xDC))
RESPONSES = frozenset((0xC4, 0xC7))
"""Their `Data` is checked by whoever decodes it, once."""
PLAIN_ALWAYS = frozenset((0x61, 0x63, 0x0E, 0xD8))
NOTIFICATIONS = frozenset((0x0F, 0xC2))
PUSHED = frozenset((*NOTIFICATIONS, ciphered_tag(0xC2), ciphered_tag(0xC2, True)))
"""What can be no answer: refusing one of these says nothing about the calls under way."""
QUARANTINE = 60.0
"""Seconds an invoke-id rests after a time-out: a late answer must not become another attribute's value."""
CIPHER_OVERHEAD = 5 + 12 + 4
"""Security header, tag, and the tag and length octets of the ciphered APDU around them."""
GENERAL_OVERHEAD = 9
GRACE = 1.0
"""Seconds a call still waits after an answer that was refused: a genuine one may be right behind a forged one."""
MAX_NOTIFICATIONS = 10_000
"""Unread pushes kept; beyond it the oldest goes, and `lost_notifications` counts it."""
MAX_PROBLEMS = 20
LEASE_AHEAD = 4
"""Counters left of a lease when the next is asked for, so that sending seldom waits for the store."""
LEASE_SIZE = 100


class Initiator:
    """One client association over one link."""

    def __init__(self, link: Link, settings: AssociationSettings) -> None:
        self.link = link
        self.settings = settings
        self.address = settings.address
        self.state = Client.DISCONNECTED
        self.conformance = settings.conformance
        self.peer_max_pdu_size = 0
        self.context: SecurityContext | None = None
        self.dedicated = False
        self.problems: deque[str] = deque(maxlen=MAX_PROBLEMS)
        self.heard_link = False
        self.heard_apdu = False
        self.lost_notifications = 0
        self._invoke = 0
        self._under: dict[int | None, UnderWay] = {}
        self._quarantine: dict[int, float] = {}
        self._ready: deque[tuple[Running[Any], Any, BaseException | None]] = deque()
        self._advancing = False
        self._sleeping: list[tuple[float, Running[Any]]] = []
        self._listening: deque[tuple[Running[Any], float | None]] = deque()
        self._notifications: deque[Any] = deque()
        self._driver: deque[tuple[Running[Any], Save | Dial | Hangup]] = deque()
        self._link_waiting: tuple[Running[Any], float, bool] | None = None
        self._parked: deque[tuple[int | None, bytes, bool]] = deque()
        self._leasing = False
        self._now = 0.0

    # --- conversations -------------------------------------------------------------------------------------

    def start(self, conversation: Generator[Step, Any, T], now: float) -> Running[T]:
        """Start a conversation and advance it as far as it goes."""
        self._now = now
        running = Running(conversation)
        self._ready.append((running, None, None))
        self._advance()
        return running

    def cancel(self, running: Running[Any], now: float) -> None:
        """Throw `Cancelled` into a conversation; its clean-up may not ask for anything more."""
        self._now = now
        if running.done:
            return
        self._forget(running)
        error = Cancelled("the conversation was cancelled")
        try:
            running.generator.throw(error)
        except StopIteration as stop:
            running.result, running.done = stop.value, True
        except BaseException as raised:
            running.error, running.done = raised, True
        else:
            with suppress(RuntimeError):
                # A generator that yields once more even now is left to the garbage collector.
                running.generator.close()
            running.error, running.done = error, True
        self._advance()

    def _forget(self, running: Running[Any]) -> None:
        for invoke, under in list(self._under.items()):
            owner = under.running.running if isinstance(under.running, Batch) else under.running
            if owner is running:
                self._release_invoke(invoke, rest=True)
                if isinstance(under.running, Batch):
                    under.running.waiting.clear()
        self._sleeping = [item for item in self._sleeping if item[1] is not running]
        self._listening = deque(item for item in self._listening if item[0] is not running)
        self._driver = deque(item for item in self._driver if item[0] is not running)
        if self._link_waiting is not None and self._link_waiting[0] is running:
            opening = self._link_waiting[2]
            self._link_waiting = None
            if opening:
                self._give_up_link()

    def _give_up_link(self) -> None:
        """Forget a link layer that was being connected, so that it can be tried anew."""
        self.state = Client.DISCONNECTED
        self._handle(self.link.lost(self._now))

    def _wake(self, running: Running[Any], value: Any = None, error: BaseException | None = None) -> None:
        self._ready.append((running, value, error))

    def _advance(self) -> None:
        if self._advancing:
            return
        self._advancing = True
        try:
            while self._ready:
                running, value, error = self._ready.popleft()
                if running.done:
                    continue
                try:
                    step = running.generator.throw(error) if error is not None else running.generator.send(value)
                except StopIteration as stop:
                    running.result, running.done = stop.value, True
                except Exception as raised:
                    running.error, running.done = raised, True
                else:
                    try:
                        self._carry_out(running, step)
                    except CosemError as refused:
                        self._wake(running, error=refused)
        finally:
            self._advancing = False

    def _carry_out(self, running: Running[Any], step: Step) -> None:
        if type(step) is Call:
            self._call(running, step.service, step.timeout, step.sink)
            return
        handler = _STEPS.get(type(step))
        if handler is None:
            raise LocalProtocolError(f"a conversation yields steps, not {type(step).__name__}")
        handler(self, running, step)

    def _step_calls(self, running: Running[Any], step: Calls) -> None:
        batch = Batch(step, running)
        if not batch.left:
            self._wake(running, [])
        self._fill(batch)

    def _step_post(self, running: Running[Any], step: Post) -> None:
        invoke = self._next_invoke(step.service)
        self._send_service(step.service, None if invoke is None else invoke | UNCONFIRMED, confirmed=False)
        self._wake(running)

    def _step_listen(self, running: Running[Any], step: Listen) -> None:
        if self._notifications:
            self._wake(running, self._notifications.popleft())
        else:
            until = None if step.timeout is None else self._now + step.timeout
            self._listening.append((running, until))

    def _step_sleep(self, running: Running[Any], step: Sleep) -> None:
        self._sleeping.append((self._now + step.seconds, running))

    def _step_open(self, running: Running[Any], step: OpenLink) -> None:
        self._move(ClientEvent.CONNECT)
        self._link_waiting = (running, self._now + (step.timeout or self.settings.connect_timeout), True)
        self._handle(self.link.connect(self.address, self._now))

    def _step_close(self, running: Running[Any], step: CloseLink) -> None:
        if self.state is Client.DISCONNECTED:
            self._wake(running)
            return
        self._link_waiting = (running, self._now + (step.timeout or self.settings.release_timeout), False)
        self._handle(self.link.disconnect(self.address, self._now))

    def _step_driver(self, running: Running[Any], step: Save | Dial | Hangup) -> None:
        self._driver.append((running, step))

    # --- what the driver does ------------------------------------------------------------------------------

    def driver_step(self) -> tuple[Running[Any], Save | Dial | Hangup] | None:
        """Return the next step the driver has to carry out and answer, or None."""
        return self._driver.popleft() if self._driver else None

    def answer(self, running: Running[Any], value: Any, now: float, error: BaseException | None = None) -> None:
        """Hand the outcome of a driver step back."""
        self._now = now
        self._wake(running, value, error)
        self._advance()

    # --- sending -------------------------------------------------------------------------------------------

    def _next_invoke(self, service: Service) -> int | None:
        """Return the next invoke-id in turn, leaving out those under way and those that rest."""
        if service.tag in ACSE_REQUESTS:
            return None
        for _ in range(INVOKE_IDS):
            self._invoke = invoke = (self._invoke + 1) & 0x0F
            if invoke in self._under:
                continue
            if self._quarantine and (until := self._quarantine.get(invoke)) is not None:
                if until > self._now:
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
    ) -> None:
        invoke = self._next_invoke(service)
        if invoke is None and None in self._under:
            raise LocalProtocolError("an association request is under way already")
        seconds = self.settings.response_timeout if timeout is None else timeout
        call = self._make_call(service, 0 if invoke is None else invoke | CONFIRMED_HIGH_PRIORITY, sink)
        under = UnderWay(call, running, invoke, seconds, self._now + seconds)
        under.index = index
        self._under[invoke] = under
        try:
            self._send_service(call.first, None if invoke is None else invoke | CONFIRMED_HIGH_PRIORITY)
        except CosemError:
            del self._under[invoke]
            raise

    def _make_call(self, service: Any, invoke: int, sink: Any) -> Under:
        tag = service.tag
        if tag == 0xC0:
            return GetCall(service, invoke, sink)
        if tag == 0xC1 or tag == 0xC3:
            limit = (self.peer_max_pdu_size or MAX_PDU_SIZE) - self._overhead()
            excess = len(service.encode(invoke)) - limit
            size = limit - BLOCK_HEADROOM
            if tag == 0xC1:
                return SetCall(service, excess, size, self.conformance)
            return ActionCall(service, invoke, excess, size, self.conformance, sink)
        if tag == 0x60:
            return PlainCall(service, 0x61)
        if tag == 0x62:
            return PlainCall(service, 0x63)
        raise LocalProtocolError(f"{service.service} is no confirmed service: post it")

    def _overhead(self) -> int:
        if self.context is None or not self.settings.protection:
            return 0
        return CIPHER_OVERHEAD + (GENERAL_OVERHEAD if self.settings.ciphering == "general" else 0)

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
            self._wake(batch.running, batch.answers)

    def _send_service(self, service: Service, invoke: int | None, *, confirmed: bool = True) -> None:
        octets = service.encode(invoke)
        if octets[0] in ACSE_REQUESTS:
            self.link.send(self.address, octets, self._now)
            return
        if self.state not in (Client.ASSOCIATED, Client.PROVING):
            raise LocalProtocolError(f"{service.service} needs an association: {self.state.value}")
        if self.context is not None and self.settings.protection:
            if self._parked or not self._has_counter():
                self._parked.append((None if invoke is None else invoke & 0x0F, octets, confirmed))
                self._lease()
                return
            octets = self.protect(octets)
        limit = self.peer_max_pdu_size
        if limit and len(octets) > limit:
            raise LocalProtocolError(f"{service.service} has {len(octets)} octets, the peer takes {limit}")
        self.link.send(self.address, octets, self._now, confirmed=confirmed)

    def _has_counter(self) -> bool:
        assert self.context is not None
        if self.dedicated:
            return True
        left = self.context.sending.remaining
        if left <= LEASE_AHEAD and self.settings.lease is not None:
            self._lease()
        return left > 0 or self.settings.lease is None

    def _lease(self) -> None:
        """Have the driver persist a further block of counters; what waits for them is sent when they are there."""
        lease, context = self.settings.lease, self.context
        if self._leasing or lease is None or context is None:
            return
        self._leasing = True
        self._ready.append((Running(self._leased(lease, context)), None, None))

    def _leased(self, lease: Callable[[int], tuple[int, int]], context: SecurityContext) -> Generator[Step, Any, None]:
        try:
            block = yield Save(lambda: lease(LEASE_SIZE))
            # A block for an association that is gone is given up: the one that follows has leased its own.
            if context is self.context:
                context.sending.renew(*block)
        except Exception as error:
            self._leasing = False
            if context is self.context:
                self._lease_failed(error)
            return
        self._leasing = False
        self._flush_parked()

    def _lease_failed(self, error: Exception) -> None:
        """End the calls that wait for counters; those that were sent under earlier ones go on."""
        self.problems.append(f"no invocation counters were leased: {error}")
        reason = error if isinstance(error, CosemError) else LocalProtocolError(f"the counter store failed: {error}")
        while self._parked:
            invoke, _, _ = self._parked.popleft()
            under = self._under.get(invoke)
            if under is not None:
                self._release_invoke(invoke, rest=True)
                self._finish(under, reason)

    def _flush_parked(self) -> None:
        context = self.context
        while self._parked and context is not None and context.sending.remaining:
            invoke, octets, confirmed = self._parked.popleft()
            try:
                self.link.send(self.address, self.protect(octets), self._now, confirmed=confirmed)
            except CosemError as error:
                under = self._under.get(invoke)
                if under is not None:
                    self._release_invoke(invoke, rest=True)
                    self._finish(under, error)
        if self._parked:
            self._lease()

    def protect(self, octets: bytes) -> bytes:
        """Return one plain APDU in the ciphered form this association uses."""
        context = self.context
        assert context is not None
        settings = self.settings
        content = context.protect(octets, settings.protection, dedicated=self.dedicated)
        if settings.ciphering == "general":
            return GeneralGlo(context.own_title, content).encode()
        return bytes((ciphered_tag(octets[0], self.dedicated),)) + encode_length(len(content)) + content

    # --- receiving -----------------------------------------------------------------------------------------

    def receive(self, octets: bytes, now: float) -> None:
        """Take octets from the transport; conversations they answer go on."""
        self._now = now
        self._handle(self.link.receive(octets, now))
        self._advance()

    def take(self) -> bytes:
        """Return the octets to send."""
        return self.link.take()

    def lost(self, now: float) -> None:
        """Learn that the transport is gone."""
        self._now = now
        self._handle(self.link.lost(now))
        self._link_gone("the connection was lost")
        self._advance()

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
                        self._wake(running)
            elif isinstance(event, LinkDown):
                self._link_gone(event.reason)
            elif isinstance(event, Discarded):
                self.problems.append(f"{len(event.octets)} octets were no usable frame: {event.reason}")

    def _link_gone(self, reason: str) -> None:
        self.state = CLIENT.get((self.state, ClientEvent.LINK_DOWN), Client.DISCONNECTED)
        self.context = None
        self.dedicated = False
        self.peer_max_pdu_size = 0
        self._parked.clear()
        if self._link_waiting is not None:
            running, _, opening = self._link_waiting
            self._link_waiting = None
            self._wake(running, error=ConnectionLost(reason) if opening else None)
        error = ConnectionLost(reason)
        for invoke, under in list(self._under.items()):
            self._release_invoke(invoke)
            self._finish(under, error)
        # Nothing that was under way on that link can answer on another one.
        self._quarantine.clear()
        while self._listening:
            self._wake(self._listening.popleft()[0], error=error)

    def _release_invoke(self, invoke: int | None, *, rest: bool = False) -> None:
        self._under.pop(invoke, None)
        if rest and invoke is not None:
            self._quarantine[invoke] = self._now + QUARANTINE
            if self._parked:
                self._parked = deque(item for item in self._parked if item[0] != invoke)

    def _finish(self, under: UnderWay, answer: Any) -> None:
        """Give `answer` (a service or an error) to whoever waits for it."""
        owner = under.running
        if isinstance(owner, Batch):
            self._batch_answer(owner, under.index, answer)
            if isinstance(answer, ConnectionLost):
                while owner.waiting:
                    self._batch_answer(owner, owner.waiting.popleft()[0], answer)
            elif owner.waiting:
                self._fill(owner)
        elif isinstance(answer, BaseException):
            self._wake(owner, error=answer)
        else:
            self._wake(owner, answer)

    def _apdu(self, octets: bytes) -> None:
        self.heard_apdu = True
        tag = octets[0]
        try:
            if tag in PROTECTED:
                invoke, service = self._open(octets)
            else:
                invoke, service = parse(octets, checked=tag not in RESPONSES)
                if self.context is not None and tag not in PLAIN_ALWAYS:
                    self._check_plain(service)
        except (DecodeError, SecurityError) as error:
            self._refused(tag, error)
            return
        if invoke is not None:
            under = self._under.get(invoke & 0x0F)
            if under is not None and under.call.answers == service.tag:
                self._answered(under, service)
                return
        tag = service.tag
        if tag in (0x61, 0x63):
            self._acse(service)
        elif tag in (0xD8, 0x0E):
            self._exception(service)
        elif tag in NOTIFICATIONS:
            self._notified(service)
        else:
            self.problems.append(f"{service.service} that nobody waits for")

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
        parsed, _ = context.open(
            carrier.content,
            lambda plain: parse(plain, checked=False),
            request=False,
            title=title,
            dedicated=dedicated,
        )
        return parsed.invoke, parsed.service

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
        if tag in PUSHED:
            return
        for under in self._under.values():
            under.last_refusal = error
            under.deadline = min(under.deadline, self._now + GRACE)

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
            if type(under.running) is Running:
                self._ready.append((under.running, under.call.result, None))
            else:
                self._finish(under, under.call.result)
            return
        # Every block that arrives shows that the peer is alive: the time-out starts anew.
        under.deadline = self._now + under.timeout
        under.last_refusal = None
        try:
            self._send_service(following, (under.invoke or 0) | CONFIRMED_HIGH_PRIORITY)
        except CosemError as error:
            self._release_invoke(under.invoke, rest=True)
            self._finish(under, error)

    def _acse(self, service: Any) -> None:
        under = self._under.get(None)
        if under is None or under.call.answers != service.tag:
            self.problems.append(f"{service.service} that nobody waits for")
            return
        self._release_invoke(None)
        under.call.take(service)
        self._finish(under, under.call.result)

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

    def _notified(self, service: Any) -> None:
        if self._listening:
            self._wake(self._listening.popleft()[0], service)
            return
        if len(self._notifications) >= MAX_NOTIFICATIONS:
            self._notifications.popleft()
            self.lost_notifications += 1
        self._notifications.append(service)

    # --- time ----------------------------------------------------------------------------------------------

    def next_timer(self) -> float | None:
        """Return when `handle_timer` is needed next."""
        earliest = self.link.next_timer()
        times = [under.deadline for under in self._under.values()]
        if earliest is not None:
            times.append(earliest)
        if self._sleeping:
            times += [due for due, _ in self._sleeping]
        if self._listening:
            times += [until for _, until in self._listening if until is not None]
        if self._link_waiting is not None:
            times.append(self._link_waiting[1])
        return min(times, default=None)

    def handle_timer(self, now: float) -> None:
        """Let what is due happen: time-outs, ends of sleeps, the timers of the link."""
        self._now = now
        self._handle(self.link.handle_timer(now))
        for invoke, under in list(self._under.items()):
            if under.deadline <= now:
                self._release_invoke(invoke, rest=True)
                self._finish(under, under.last_refusal or Timeout(f"no answer to {under.service}"))
        if self._sleeping:
            due = [running for at, running in self._sleeping if at <= now]
            self._sleeping = [(at, running) for at, running in self._sleeping if at > now]
            for running in due:
                self._wake(running)
        if self._listening:
            late = [running for running, until in self._listening if until is not None and until <= now]
            self._listening = deque(item for item in self._listening if item[1] is None or item[1] > now)
            for running in late:
                self._wake(running, None)
        if self._link_waiting is not None and self._link_waiting[1] <= now:
            running, _, opening = self._link_waiting
            self._link_waiting = None
            self._give_up_link()
            self._wake(running, error=Timeout("the link layer was not connected") if opening else None)
        self._advance()

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
        if self.state is Client.RELEASING:
            self._move(ClientEvent.RELEASED)
        self.context = None
        self.dedicated = False
        self.peer_max_pdu_size = 0

    def agreed(self, conformance: Conformance, max_pdu_size: int) -> None:
        """Keep what the AARE said."""
        self.conformance = conformance
        self.peer_max_pdu_size = max_pdu_size


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
