"""The initiator: the concentrator's side of a power line network, above its MAC layer.

It finds systems and registers them, keeps in touch, calls repeaters, hears alarms, and carries M_sdus to stations and
their answers back, in turns of all who want to. What the MAC layer tells goes into `handle`; `take` returns what is to
be done on the medium, `take_events` what happened. Time is the number of a slot.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from cosem.errors import ConfigError, DecodeError
from cosem.plc import ciase, llc
from cosem.plc.addresses import ALL_PHYSICAL, NEW
from cosem.plc.ciase import (
    CiaseDialect,
    CiasePdu,
    ClearAlarm,
    Discover,
    DiscoverReport,
    PingRequest,
    PingResponse,
    Register,
    Registration,
    RepeaterCallPdu,
    SystemAlarm,
)
from cosem.plc.discovery import Discovery, DiscoverySettings, Round
from cosem.plc.llc import ClientSap, LlcData, LlcSettings, ServerSap
from cosem.plc.mac import Mac
from cosem.plc.mac_events import AlarmHeard, MacConfirm, MacEvent, MacIndication, MacRefused, MacRequest
from cosem.plc.mac_frame import MAX_CREDIT
from cosem.plc.phy import frame_slots
from cosem.plc.procedures import (
    AlarmReported,
    Broadcast,
    DiscoveryOver,
    DuplicateTitle,
    Exchange,
    Gather,
    Hear,
    InitiatorEvent,
    NoAddressLeft,
    Procedure,
    RepeatersCalled,
    RoundOver,
    Say,
    Step,
    SystemLost,
    SystemPresent,
    SystemRegistered,
    TakePart,
    Unsolicited,
)
from cosem.plc.queue import Priority, TurnQueue
from cosem.plc.registry import REGISTERED, Kept, MemberInput, Membership, Registry, System
from cosem.plc.repeater_call import RepeaterCall
from cosem.plc.reporting import AlarmOrder, report_window

MAX_EVENTS: Final = 10_000
"""Events that wait to be fetched; beyond them the oldest go."""
MAX_NOTIFICATIONS: Final = 4
"""M_sdus of one station that are listened to behind a sign of life."""
ALARM_ROUNDS: Final = 4
_EXTENSIONS: Final = 8
"""How often one wait goes on because the medium is busy."""

Order = MacRequest | RepeaterCall | AlarmOrder


@dataclass(frozen=True, slots=True)
class InitiatorSettings:
    """How an initiator works. No public source has any of these numbers; each is a choice of ours.

    - `title`: its system title, 6 or 8 octets as those of its systems.
    - `attempts`: how often an exchange is sent, each with one repetition more; `processing`: idle slots a station may
      take before it answers.
    - `keep_alive_s`: every system is spoken to at least as often, well within its time-out not addressed; `misses`:
      exchanges without an answer in a row until a system is lost.
    - `call_after`: registrations after which repeaters are called anew in the middle of a discovery, 0 for only at its
      end, None for never; `threshold`: dBµV of a call, None for the default of 104; `spare`: slots of a call for
      stations without an address.
    - `rediscover_s`: seconds between two discoveries by itself, 0 for none.
    """

    title: bytes
    dialect: CiaseDialect = field(default_factory=CiaseDialect)
    llc: LlcSettings = field(default_factory=LlcSettings)
    discovery: DiscoverySettings = field(default_factory=DiscoverySettings)
    attempts: int = 3
    processing: int = 2
    keep_alive_s: int = 4 * 3600
    misses: int = 3
    call_after: int | None = 40
    threshold: int | None = None
    spare: int = 4
    rediscover_s: int = 0

    def __post_init__(self) -> None:
        if len(self.title) not in ciase.TITLE_SIZES:
            raise ConfigError(f"a system title of {len(self.title)} octets: 6 or 8")
        if self.attempts < 1 or self.processing < 0 or self.misses < 1 or (self.call_after or 0) < 0:
            raise ConfigError("attempts and misses from 1, processing and call_after from 0")


class PowerLineInitiator:
    """One initiator above its `mac`; `kept` is what `registry.kept()` said before a restart.

    For figures: `carried` are octets of M_sdu in both directions that exchanges and broadcasts carried, `repeated`
    attempts of exchanges beyond the first, `refused` what found no room in the queue.
    """

    def __init__(self, mac: Mac, settings: InitiatorSettings, *, kept: Iterable[Kept] = (), now: int = 0) -> None:
        self.mac = mac
        self.settings = settings
        self.registry = Registry(mac.settings.plan, kept)
        self.now = now
        self.carried = 0
        self.repeated = 0
        self.refused = 0
        self.discovery: Discovery | None = None
        self._answers: tuple[list[MacIndication], int] = ([], 0)
        self._events: deque[InitiatorEvent] = deque(maxlen=MAX_EVENTS)
        self._orders: list[Order] = []
        self._queue: TurnQueue[tuple[Procedure, Exchange | None]] = TurnQueue()
        self._procedure: Procedure | None = None
        self._step: Step | None = None
        self._job: Exchange | None = None
        self._gathered: list[MacIndication] = []
        self._extended = 0
        self._registering = 0
        self._alarm_wanted = False
        self._pinged: set[bytes] = set()
        self._since_call = 0
        rate = mac.settings.rate
        self._keep_alive = rate.slots_in(settings.keep_alive_s) if settings.keep_alive_s else 0
        self._upkeep_at = now + max(1, self._keep_alive // 8) if self._keep_alive else None
        self._rediscover = rate.slots_in(settings.rediscover_s) if settings.rediscover_s else 0
        self._rediscover_at = now + self._rediscover if self._rediscover else None
        for system in self.registry:
            # After a restart each is asked whether it is still there.
            self.ping(system.title)

    # --- what the host fetches ------------------------------------------------------------------------------------

    def take(self) -> list[Order]:
        """Return what is to be done on the medium, in order, and forget it. Fetch and keep events first."""
        orders, self._orders = self._orders, []
        return orders

    def take_events(self) -> list[InitiatorEvent]:
        """Return what happened since the last time."""
        events = list(self._events)
        self._events.clear()
        return events

    @property
    def busy(self) -> bool:
        """Whether something is under way or waits."""
        return self._procedure is not None or bool(self._queue)

    # --- what the host wants --------------------------------------------------------------------------------------

    def exchange(self, job: Exchange, now: int) -> None:
        """Carry an M_sdu to a station, when its flow has its turn."""
        self.now = max(self.now, now)
        if not self._queue.put((self._exchange(job), job), job.priority, job.flow or job.title):
            job.failed("too much waits for the medium", now)
            return
        self._go()

    def broadcast(self, job: Broadcast, now: int) -> None:
        """Send an M_sdu to all stations."""
        self.now = max(self.now, now)
        if not self._queue.put((self._broadcast(job), None), job.priority, "broadcast"):
            self.refused += 1
            return
        self._go()

    def discover(self, now: int) -> None:
        """Begin a discovery, unless one is under way."""
        self.now = max(self.now, now)
        if self.discovery is not None:
            return
        settle = self.mac.settings.rate.slots_in(self.settings.discovery.settle_s)
        self.discovery = Discovery(self.settings.discovery, settle, self.now)
        self._put(self._round(self.discovery), Priority.READING, "discovery")

    def call_repeaters(self, now: int) -> None:
        """Let the network decide who repeats."""
        self.now = max(self.now, now)
        self._put(self._call(), Priority.URGENT, "repeaters")

    def ping(self, title: bytes, priority: Priority = Priority.UPKEEP) -> None:
        """Ask whether a system is there."""
        if title not in self._pinged:
            self._pinged.add(title)
            self._put(self._ping(title), priority, "ping")

    def drop(self, flow: object, cause: str) -> None:
        """Give up what waits of a flow; what is on the air goes on."""
        for procedure, job in self._queue.drop(flow):
            procedure.close()
            if job is not None:
                job.failed(cause, self.now)

    def abandon(self, cause: str) -> None:
        """Give up everything that waits or is under way: this initiator is no more."""
        jobs = [] if self._job is None else [self._job]
        while (item := self._queue.pop()) is not None:
            item[0].close()
            if item[1] is not None:
                jobs.append(item[1])
        if self._procedure is not None:
            self._procedure.close()
        self._procedure = self._step = self._job = None
        for job in jobs:
            job.failed(cause, self.now)

    def _put(self, procedure: Procedure, priority: Priority, flow: str) -> None:
        if self._queue.put((procedure, None), priority, flow):
            self._go()
        else:
            self.refused += 1

    # --- what the MAC layer tells, and time -----------------------------------------------------------------------

    def handle(self, event: MacEvent, now: int) -> None:
        """Take an event of the MAC layer at slot `now`."""
        self.now = max(self.now, now)
        step = self._step
        if isinstance(event, MacIndication):
            if isinstance(step, Hear) and step.accept(event):
                self._resume(event)
            elif isinstance(step, Gather) and step.accept(event):
                self._gathered.append(event)
            else:
                self._unasked(event)
        elif isinstance(event, (MacConfirm, MacRefused)):
            if isinstance(step, Say) and event.request is step.request:
                self._resume(event)
        elif isinstance(event, AlarmHeard) and not self._alarm_wanted:
            self._alarm_wanted = True
            self._put(self._alarms(), Priority.URGENT, "alarms")

    def next_timer(self) -> int | None:
        """Return the slot in which `handle_timer` is needed, or None."""
        until = self._step.until if isinstance(self._step, (Hear, Gather)) else None
        due = (until, self._upkeep_at, self._rediscover_at)
        return min((slot for slot in due if slot is not None), default=None)

    def handle_timer(self, now: int) -> None:
        """Let waits that are over end, and what comes again and again begin."""
        self.now = max(self.now, now)
        step = self._step
        if isinstance(step, (Hear, Gather)) and step.until <= now:
            busy = self.mac.busy_until
            if isinstance(step, Hear) and busy >= now and self._extended < _EXTENSIONS:
                # Somebody speaks: it may be the answer, or what keeps it waiting.
                self._extended += 1
                self._step = step._replace(until=busy + self._patience(0))
            else:
                self._resume(list(self._gathered) if isinstance(step, Gather) else None)
        if self._upkeep_at is not None and self._upkeep_at <= now:
            self._upkeep_at = now + max(1, self._keep_alive // 8)
            for system in list(self.registry):
                if system.address and now - system.heard >= self._keep_alive:
                    self.ping(system.title)
        if self._rediscover_at is not None and self._rediscover_at <= now:
            self._rediscover_at = now + self._rediscover
            self.discover(now)

    def _go(self) -> None:
        while self._procedure is None and (item := self._queue.pop()) is not None:
            self._procedure, self._job = item
            self._resume(None)

    def _resume(self, value: Any) -> None:
        """Give the procedure under way what it waited for, and go on to the next where it ends."""
        self._step, self._gathered, self._extended = None, [], 0
        procedure = self._procedure
        if procedure is None:
            return
        try:
            step = procedure.send(value)
            while isinstance(step, TakePart):
                self._orders.append(step.call)
                step = procedure.send(None)
        except StopIteration:
            self._procedure = self._job = None
            self._go()
            return
        self._step = step
        if isinstance(step, Say):
            self._orders.append(step.request)

    # --- what systems say -----------------------------------------------------------------------------------------

    def _heard(self, system: System, indication: MacIndication) -> None:
        """Note a sign of life."""
        system.heard, system.missed, system.level = indication.at, 0, indication.quality.level
        system.learn(indication.delta, indication.frame.credits.delta)
        suspect = system.membership is Membership.SUSPECT
        lost = system.membership is Membership.LOST
        if system.move(MemberInput.HEARD):
            if suspect:
                system.shadowed = True
                self._events.append(DuplicateTitle(system.title, True, indication.at))
            else:
                self._events.append(SystemPresent(system.title, system.address, lost, indication.at))

    def _silent(self, system: System, cause: str) -> None:
        system.failures += 1
        system.missed += 1
        suspect = system.membership is Membership.SUSPECT
        system.shadowed = system.shadowed and system.missed < self.settings.misses
        if (suspect or system.missed >= self.settings.misses) and system.move(MemberInput.SILENT) and not suspect:
            self._events.append(SystemLost(system.title, system.address, cause, self.now))

    def _unasked(self, indication: MacIndication) -> None:
        """Take what no procedure waits for."""
        sdu = indication.frame.sdu
        system = self.registry.at(indication.frame.source)
        if system is not None and sdu[:1] == b"\x90" and len(sdu) > llc.HEADER and sdu[2] != ServerSap.CIASE:
            self._heard(system, indication)
            self._events.append(Unsolicited(system.title, sdu, indication.at))

    def _ciase_of(self, indication: MacIndication) -> CiasePdu | None:
        try:
            data = llc.parse(indication.frame.sdu)
            return ciase.parse(data.sdu, self.settings.dialect) if data.source == ServerSap.CIASE else None
        except DecodeError:
            return None

    # --- procedures -----------------------------------------------------------------------------------------------

    def _patience(self, credit: int) -> int:
        """Return the slots in which an answer has to be heard, behind the question: the formula with its longest
        frame."""
        settings = self.settings
        longest = frame_slots(settings.llc.max_frame_length, credit)
        return self.mac.settings.turnaround + settings.processing + longest + 1

    def _packed(self, pdu: CiasePdu) -> bytes:
        octets = ciase.build(pdu, self.settings.dialect)
        return llc.build(LlcData(ServerSap.CIASE, ClientSap.MANAGEMENT, octets), self.settings.llc)

    def _exchange(self, job: Exchange) -> Procedure:
        system = self.registry.systems.get(job.title)
        if system is None or not system.address or system.membership is Membership.DUPLICATE:
            job.failed("the system is not registered", self.now)
            return
        address, cause = system.address, ""
        accept = partial(_answers, address, job.m_sdu)

        attempts = self.settings.attempts if job.repeatable else 1
        for attempt in range(attempts):
            credit = system.credit_of(attempt)
            self.repeated += attempt > 0
            sent: MacConfirm | MacRefused = yield Say(MacRequest(address, job.m_sdu, credit))
            if isinstance(sent, MacRefused):
                cause = sent.reason
                continue
            indication: MacIndication | None = yield Hear(sent.ends + self._patience(credit), accept)
            if indication is not None:
                self._heard(system, indication)
                system.exchanges += 1
                self.carried += len(job.m_sdu) + len(indication.frame.sdu)
                job.answered(indication.frame.sdu, self.now)
                return
            cause = f"no answer to {attempt + 1} of {attempts} attempts, the last with {credit} repetitions"
        self._silent(system, cause)
        job.failed(cause, self.now)

    def _reach(self) -> int:
        """Return the credit with which all systems that are there are reached."""
        return max((system.credit for system in self.registry.registered), default=0)

    def _broadcast(self, job: Broadcast) -> Procedure:
        for _ in range(max(1, job.repeats)):
            credit = self._reach() if job.credit is None else job.credit
            sent = yield Say(MacRequest(ALL_PHYSICAL, job.m_sdu, credit))
            if isinstance(sent, MacConfirm):
                self.carried += len(job.m_sdu)
                yield Gather(sent.ends, _nothing)
        job.sent(self.now)

    def _ping(self, title: bytes) -> Procedure:
        self._pinged.discard(title)
        system = self.registry.systems.get(title)
        if system is None or not system.address:
            return
        address = system.address

        def accept(indication: MacIndication) -> bool:
            return indication.frame.source == address and self._ciase_of(indication) == PingResponse(title)

        m_sdu = self._packed(PingRequest(title))
        for attempt in range(self.settings.attempts):
            credit = system.credit_of(attempt)
            sent = yield Say(MacRequest(address, m_sdu, credit))
            if isinstance(sent, MacRefused):
                continue
            indication = yield Hear(sent.ends + self._patience(credit), accept)
            if indication is not None:
                self._heard(system, indication)
                return
        self._silent(system, f"no sign of life in {self.settings.attempts} attempts")

    # --- discovery ------------------------------------------------------------------------------------------------

    def _ask(self, asked: Round) -> Procedure:
        """Ask who is there, and leave what came of it in `_answers`."""
        width = report_window(self._report_length, asked.credit, self.mac.settings.turnaround)
        pdu = Discover(asked.probability, asked.windows * width, asked.credit)
        before = self.mac.counters.crc_nok
        sent = yield Say(MacRequest(ALL_PHYSICAL, self._packed(pdu), asked.credit))
        heard: list[MacIndication] = []
        if isinstance(sent, MacConfirm):
            ends = sent.ends + self.mac.settings.turnaround + pdu.time_slots + 1
            heard = yield Gather(ends, lambda item: isinstance(self._ciase_of(item), DiscoverReport))
        self._answers = heard, self.mac.counters.crc_nok - before

    @property
    def _report_length(self) -> int:
        """Octets of the M_sdu of a report with an alarm: header, tag, count, title, flag, alarm."""
        return llc.HEADER + 1 + 1 + len(self.settings.title) + 2

    def _round(self, discovery: Discovery) -> Procedure:
        asked = discovery.plan()
        yield from self._ask(asked)
        heard, spoilt = self._answers
        known = set(self.registry.systems)
        self._take_reports(heard)
        new = len(set(self.registry.systems) - known)
        yield from self._register(asked.credit)
        # What nothing could be done about does not keep the discovery from its end.
        discovery.learn(asked, self._registering, spoilt, new, self.now)
        self._events.append(RoundOver(discovery.rounds, *asked, len(heard), spoilt, new, self.now))
        after = self.settings.call_after
        if after is not None and self._since_call and (discovery.over or self._since_call >= after > 0):
            yield from self._call()
        if discovery.over:
            self.discovery = None
            for system in self.registry:
                if system.membership is Membership.ASSIGNED:
                    self.ping(system.title, Priority.READING)
            self._events.append(DiscoveryOver(discovery.rounds, discovery.found, self.now))
        else:
            self._put(self._round(discovery), Priority.READING, "discovery")

    def _take_reports(self, heard: list[MacIndication]) -> list[System]:
        """Note who reported, and return those that have an alarm."""
        alarmed: list[System] = []
        reports = [(item, pdu) for item in heard if isinstance(pdu := self._ciase_of(item), DiscoverReport)]
        times = Counter(title for item, pdu in reports if item.frame.source == NEW for title in pdu.titles)
        for item, pdu in reports:
            for title in pdu.titles:
                system = self._reporter(item, title, times[title])
                if pdu.alarm is not None and system is not None:
                    if system.alarm != pdu.alarm:
                        self._events.append(AlarmReported(title, pdu.alarm, item.at))
                    system.alarm = pdu.alarm
                    alarmed.append(system)
        return alarmed

    def _reporter(self, item: MacIndication, title: bytes, times: int) -> System | None:
        if len(title) != len(self.settings.title):
            return None
        owner = self.registry.at(item.frame.source)
        if owner is not None and owner.title == title:
            self._heard(owner, item)
            return owner
        # New, or under an address that is not known to be its own: it gets one that is.
        before = self.registry.systems.get(title)
        stood = None if before is None else before.membership
        if before is not None and before.shadowed and stood is Membership.PRESENT:
            return None
        system = self.registry.reported(title, item.delta, item.quality.level, item.at)
        if times > 1 and system.move(MemberInput.TWICE) and system.membership is Membership.DUPLICATE:
            self._events.append(DuplicateTitle(title, False, item.at))
        if system.membership is Membership.SUSPECT and stood is not Membership.SUSPECT:
            self.ping(title, Priority.URGENT)
        return system

    def _register(self, credit: int) -> Procedure:
        """Give an address to everybody who reported: several in one frame, which nobody answers."""
        size = len(self.settings.title)
        room = max(1, (self.settings.llc.max_sdu - 2 - size) // (size + 2))
        entries: list[Registration] = []
        for system in self.registry:
            if system.membership is not Membership.REPORTED:
                continue
            again = bool(system.address)
            if not self.registry.assign(system):
                self._events.append(NoAddressLeft(system.title, self.now))
                continue
            self._since_call += not again
            entries.append(Registration(system.title, system.address))
            self._events.append(SystemRegistered(system.title, system.address, system.credit, again, self.now))
        self._registering = len(entries)
        for start in range(0, len(entries), room):
            pdu = Register(self.settings.title, tuple(entries[start : start + room]))
            sent = yield Say(MacRequest(ALL_PHYSICAL, self._packed(pdu), credit))
            if isinstance(sent, MacConfirm):
                yield Gather(sent.ends, _nothing)

    def _call(self) -> Procedure:
        highest = self.registry.highest
        self._since_call = 0
        pdu = RepeaterCallPdu(highest, self.settings.spare, self.settings.threshold)
        call = RepeaterCall(pdu.max_address, pdu.new_slots, pdu.threshold_dbuv)
        sent = yield Say(MacRequest(ALL_PHYSICAL, self._packed(pdu), self._reach()))
        if isinstance(sent, MacConfirm):
            yield TakePart(call)
            yield Gather(sent.ends + call.slots + 1, _nothing)
            self._events.append(RepeatersCalled(highest, call.slots, self.now))

    def _alarms(self) -> Procedure:
        """Find out who has an alarm, say that it is known, and let each tell more."""
        alarmed: dict[bytes, System] = {}
        credit = self._reach()
        for number in range(ALARM_ROUNDS):
            yield from self._ask(Round(100, min(4 << number, self.settings.discovery.most_windows), credit))
            heard, spoilt = self._answers
            alarmed |= {system.title: system for system in self._take_reports(heard)}
            if alarmed and not spoilt:
                break
            credit = min(credit + (not heard), MAX_CREDIT)
        self._alarm_wanted = False
        room = (self.settings.llc.max_sdu - 3) // (len(self.settings.title) + 1)
        known = list(alarmed.values())
        for start in range(0, len(known), room):
            pairs = tuple(SystemAlarm(item.title, item.alarm or 0) for item in known[start : start + room])
            sent = yield Say(MacRequest(ALL_PHYSICAL, self._packed(ClearAlarm(systems=pairs)), credit))
            if isinstance(sent, MacConfirm):
                yield Gather(sent.ends, _nothing)
        for system in known:
            system.alarm = None
            if system.membership in REGISTERED and system.address:
                self._put(self._listen(system), Priority.URGENT, "alarms")

    def _listen(self, system: System) -> Procedure:
        """Ask for a sign of life and take the notifications that come behind it.

        A server speaks when it is spoken to: that one sends what waits behind the answer to a ping is ours.
        """
        yield from self._ping(system.title)
        for _ in range(MAX_NOTIFICATIONS):
            until = self.mac.busy_until + self._patience(system.credit)
            indication = yield Hear(until, partial(_data_of, system.address))
            if indication is None:
                return
            self._unasked(indication)


def _nothing(indication: MacIndication) -> bool:
    return False


def _answers(address: int, question: bytes, indication: MacIndication) -> bool:
    """Whether a frame is of the station asked, in the same LLC and, without connections, between the same L_SAPs."""
    frame = indication.frame
    if frame.source != address or frame.sdu[:1] != question[:1]:
        return False
    return question[0] != llc.DL_DATA or (frame.sdu[1:2], frame.sdu[2:3]) == (question[2:3], question[1:2])


def _data_of(address: int, indication: MacIndication) -> bool:
    frame = indication.frame
    return frame.source == address and len(frame.sdu) > llc.HEADER and ServerSap.CIASE not in frame.sdu[1:3]
