"""The reporting system: a meter's side of the management of a power line network (CIASE), above its MAC layer.

What the MAC layer tells goes into `handle`; what is to be done on the medium is fetched with `take`, what the device
has to know comes back as events. Time is the number of a slot, as in the MAC layer; chance is an argument.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Final, NamedTuple

from cosem.errors import ConfigError, DecodeError
from cosem.link.hdlc import frame as hdlc
from cosem.plc import ciase, llc
from cosem.plc.addresses import NEW
from cosem.plc.ciase import (
    CiaseDialect,
    CiasePdu,
    ClearAlarm,
    Discover,
    DiscoverReport,
    PingRequest,
    PingResponse,
    Register,
    RepeaterCallPdu,
)
from cosem.plc.llc import ClientSap, HdlcCiase, LlcData, LlcKind, ServerSap
from cosem.plc.mac import Mac
from cosem.plc.mac_events import (
    MacEvent,
    MacIndication,
    MacRequest,
    SyncConfirmed,
    SyncFound,
    SyncLost,
    Unregistered,
)
from cosem.plc.mac_frame import MacFrame, subframes_for
from cosem.plc.mac_state import Loss
from cosem.plc.phy import MAX_ALARM_REPETITIONS
from cosem.plc.repeater_call import RepeaterCall

Draw = Callable[[int], int]
"""Returns a whole number from 0 to one less than its argument, all of them alike probable."""


class Station(Enum):
    """Where a reporting system stands: without an address or with one, and how far its synchronisation is."""

    NEW_UNSYNCHRONIZED = "new, not synchronised"
    NEW_FOUND = "new, preamble found"
    NEW = "new, synchronised"
    KEPT_UNSYNCHRONIZED = "registered, not synchronised"
    KEPT_FOUND = "registered, preamble found"
    REGISTERED = "registered"


class StationInput(Enum):
    """What moves a `Station`."""

    FOUND = "preamble found"
    CONFIRMED = "valid frame"
    LOST = "synchronisation lost"
    REGISTER = "register"
    UNREGISTERED = "not addressed, or reset"


_S, _I = Station, StationInput
STATIONS: Final = {
    (_S.NEW_UNSYNCHRONIZED, _I.FOUND): _S.NEW_FOUND,
    (_S.NEW_FOUND, _I.CONFIRMED): _S.NEW,
    (_S.NEW_FOUND, _I.LOST): _S.NEW_UNSYNCHRONIZED,
    (_S.NEW, _I.LOST): _S.NEW_UNSYNCHRONIZED,
    (_S.NEW, _I.REGISTER): _S.REGISTERED,
    (_S.REGISTERED, _I.REGISTER): _S.REGISTERED,
    (_S.REGISTERED, _I.LOST): _S.KEPT_UNSYNCHRONIZED,
    (_S.KEPT_UNSYNCHRONIZED, _I.FOUND): _S.KEPT_FOUND,
    (_S.KEPT_FOUND, _I.CONFIRMED): _S.REGISTERED,
    (_S.KEPT_FOUND, _I.LOST): _S.KEPT_UNSYNCHRONIZED,
    # The MAC layer says first that synchronisation is lost, then that the address is.
    (_S.KEPT_UNSYNCHRONIZED, _I.UNREGISTERED): _S.NEW_UNSYNCHRONIZED,
    (_S.KEPT_FOUND, _I.UNREGISTERED): _S.NEW_UNSYNCHRONIZED,
    (_S.REGISTERED, _I.UNREGISTERED): _S.NEW_UNSYNCHRONIZED,
    (_S.NEW, _I.UNREGISTERED): _S.NEW_UNSYNCHRONIZED,
    (_S.NEW_FOUND, _I.UNREGISTERED): _S.NEW_UNSYNCHRONIZED,
}
"""A pair that is absent leaves the station as it is. An address outlives synchronisation: only time-out not addressed
and a reset take it (from memory of the standard)."""


@dataclass(frozen=True, slots=True)
class ReportingSettings:
    """`title`: the system title, of 6 or 8 octets. `kind`: the LLC in which this system reports.

    `alarm_repetitions`: pauses in which an alarm is told. `listed`: titles of others kept in the reporting system list,
    0 for none, as in a meter nobody looks at (class 56 belongs to initiators; a server may have it).
    """

    title: bytes
    dialect: CiaseDialect = field(default_factory=CiaseDialect)
    kind: LlcKind = LlcKind.CONNECTIONLESS
    alarm_repetitions: int = 8
    listed: int = 0

    def __post_init__(self) -> None:
        if len(self.title) not in ciase.TITLE_SIZES:
            raise ConfigError(f"a system title of {len(self.title)} octets: 6 or 8")
        if not 0 <= self.alarm_repetitions <= MAX_ALARM_REPETITIONS:
            raise ConfigError(f"alarm repetitions: 0 to {MAX_ALARM_REPETITIONS}")


class ActiveInitiator(NamedTuple):
    """Who registered the station (class 51): its title, MAC address and L_SAP."""

    title: bytes
    address: int
    sap: int


NOBODY: Final = ActiveInitiator(b"", 0, 0)


class DataReceived(NamedTuple):
    """An M_sdu for the station's link came. `to_all`: it was no frame for this station alone."""

    m_sdu: bytes
    source: int
    to_all: bool


class Registered(NamedTuple):
    """The station has an address."""

    address: int
    initiator: ActiveInitiator


class Released(NamedTuple):
    """The station has lost its address: associations that can be released are to be."""

    cause: Loss


class AlarmCleared(NamedTuple):
    """The initiator knows of the alarm."""

    alarm: int


class Pinged(NamedTuple):
    """The initiator asked for a sign of life, and gets it: what waits to be told may follow."""


ReportingEvent = DataReceived | Registered | Released | AlarmCleared | Pinged


class AlarmOrder(NamedTuple):
    """Tell an alarm in that many pauses."""

    repetitions: int


Order = MacRequest | RepeaterCall | AlarmOrder


class ReportingSystem:
    """One server above its `mac`. A registered one is made with who registered it, as it was kept over an outage."""

    def __init__(
        self, mac: Mac, settings: ReportingSettings, draw: Draw, *, initiator: ActiveInitiator = NOBODY
    ) -> None:
        self.mac = mac
        self.settings = settings
        self.state = _S.NEW_UNSYNCHRONIZED if mac.address == NEW else _S.KEPT_UNSYNCHRONIZED
        self.active_initiator = initiator
        self.alarm: int | None = None
        self.others: deque[bytes] = deque(maxlen=settings.listed or None)
        """The reporting system list: titles heard in reports, the newest first."""
        self.discarded = 0
        self._draw = draw
        self._orders: list[Order] = []
        if settings.listed:
            mac.overhears = _is_report

    def take(self) -> list[Order]:
        """Return what is to be done on the medium, in order, and forget it."""
        orders, self._orders = self._orders, []
        return orders

    # --- what the device wants ------------------------------------------------------------------------------------

    def raise_alarm(self, alarm: int) -> None:
        """Tell an alarm in the pauses, and its descriptor when asked who it is. It stands until it is cleared."""
        self.alarm = alarm & 0xFF
        self._orders.append(AlarmOrder(self.settings.alarm_repetitions))

    def send(self, m_sdu: bytes, *, credit: int | None = None) -> None:
        """Send an M_sdu to the initiator."""
        self._orders.append(MacRequest(self.mac.initiator, m_sdu, credit))

    def reset(self, initiator: int, now: int) -> list[ReportingEvent]:
        """Become NEW and not synchronised (class 51, method 1)."""
        self.mac.follower.reset(initiator, now)
        return self._told(now)

    def set_address(self, address: int, now: int) -> list[ReportingEvent]:
        """Take an address that a client wrote (class 50, attribute 8)."""
        self.mac.follower.set_address(address, now)
        return self._told(now)

    def _told(self, now: int) -> list[ReportingEvent]:
        return [told for event in self.mac.handle_timer(now) for told in self.handle(event, now)]

    # --- what the MAC layer tells ---------------------------------------------------------------------------------

    def handle(self, event: MacEvent, now: int) -> list[ReportingEvent]:
        """Take an event of the MAC layer at slot `now`."""
        if isinstance(event, MacIndication):
            return self._frame(event, now)
        if isinstance(event, Unregistered):
            self._move(_I.UNREGISTERED)
            self.active_initiator = NOBODY
            return [Released(event.cause)] if event.registered else []
        moving = _MOVING.get(type(event))
        if moving is not None:
            self._move(moving)
        return []

    def _move(self, event: StationInput) -> None:
        self.state = STATIONS.get((self.state, event), self.state)

    def _frame(self, indication: MacIndication, now: int) -> list[ReportingEvent]:
        frame = indication.frame
        try:
            kind = llc.kind_of(frame.sdu)
            if kind is LlcKind.CONNECTIONLESS:
                data = llc.parse(frame.sdu)
                if not data.is_ciase:
                    return [] if indication.overheard else self._data(indication)
                pdu, sap = _parse(data.sdu, self.settings.dialect), data.source
            else:
                outer = hdlc.parse(frame.sdu)
                if not llc.is_hdlc_ciase(outer):
                    return [] if indication.overheard else self._data(indication)
                pdu = ciase.parse(llc.parse_hdlc_ciase(frame.sdu).sdu, self.settings.dialect)
                sap = ClientSap.MANAGEMENT
        except DecodeError:
            self.discarded += 1
            return []
        if isinstance(pdu, DiscoverReport):
            self._note_others(pdu)
            return []
        return [] if indication.overheard else self._pdu(pdu, indication, kind, sap, now)

    def _data(self, indication: MacIndication) -> list[ReportingEvent]:
        frame = indication.frame
        return [DataReceived(frame.sdu, frame.source, frame.destination != self.mac.address)]

    def _pdu(self, pdu: CiasePdu, indication: MacIndication, kind: LlcKind, sap: int, now: int) -> list[ReportingEvent]:
        frame = indication.frame
        match pdu:
            case Discover():
                self._discover(pdu, indication)
            case Register():
                return self._register(pdu, frame.source, sap, now)
            case PingRequest(title) if title == self.settings.title:
                # A ping that means another's title is not answered (some texts: the station becomes NEW).
                self._orders.append(MacRequest(frame.source, self._packed(PingResponse(title), sap, kind)))
                return [Pinged()]
            case RepeaterCallPdu():
                self._orders.append(RepeaterCall(pdu.max_address, pdu.new_slots, pdu.threshold_dbuv))
            case ClearAlarm():
                return self._clear(pdu)
            case _:
                pass
        return []

    def _discover(self, pdu: Discover, indication: MacIndication) -> None:
        """Report with the probability asked for, in a window that is drawn.

        Windows take a report with its repetitions and the turnaround, counted from the end of the Discover's own
        repetitions. That a window counts the turnaround is ours: without it who hears the report before the own one
        is late.
        """
        mac = self.mac
        if mac.address != NEW and self.alarm is None:
            return
        if self._draw(100) >= pdu.probability:
            return
        credit = indication.frame.credits.initial if pdu.same_credit else min(pdu.report_credit, 7)
        report = DiscoverReport((self.settings.title,), self.alarm)
        m_sdu = self._packed(report, ClientSap.INITIATOR, self.settings.kind)
        turnaround = mac.settings.turnaround
        width = report_window(len(m_sdu), credit, turnaround)
        windows = pdu.time_slots // width
        if not windows:
            return
        begin = mac.busy_until + turnaround + width * self._draw(windows)
        self._orders.append(MacRequest(indication.frame.source, m_sdu, credit, not_before=begin, latest=begin))

    def _register(self, pdu: Register, source: int, sap: int, now: int) -> list[ReportingEvent]:
        events: list[ReportingEvent] = []
        mac = self.mac
        for title, address in pdu.systems:
            if title != self.settings.title:
                if title in self.others:
                    self.others.remove(title)
            elif mac.settings.plan.is_server(address):
                mac.follower.register(address, source, now)
                self.active_initiator = ActiveInitiator(pdu.initiator, source, sap)
                self._move(_I.REGISTER)
                events.append(Registered(address, self.active_initiator))
        return events

    def _clear(self, pdu: ClearAlarm) -> list[ReportingEvent]:
        title, alarm = self.settings.title, self.alarm
        if alarm is None:
            return []
        mine = (title, alarm) in pdu.systems or (alarm in pdu.alarms and (not pdu.titles or title in pdu.titles))
        if not mine:
            return []
        self.alarm = None
        self._orders.append(AlarmOrder(0))
        return [AlarmCleared(alarm)]

    def _note_others(self, pdu: DiscoverReport) -> None:
        if not self.settings.listed:
            return
        for title in pdu.titles:
            if title in self.others:
                self.others.remove(title)
            self.others.appendleft(title)

    def _packed(self, pdu: CiasePdu, sap: int, kind: LlcKind) -> bytes:
        octets = ciase.build(pdu, self.settings.dialect)
        if kind is LlcKind.HDLC:
            return llc.build_hdlc_ciase(HdlcCiase(True, octets))
        return llc.build(LlcData(sap, ServerSap.CIASE, octets))


@lru_cache(maxsize=16)
def _parse(octets: bytes, dialect: CiaseDialect) -> CiasePdu:
    """Return a PDU: all stations that hear it in one process ask for the same octets."""
    return ciase.parse(octets, dialect)


def report_window(length: int, credit: int, turnaround: int) -> int:
    """Return the slots of one window for reports of `length` octets of M_sdu."""
    return subframes_for(length) * (credit + 1) + turnaround


def _is_report(frame: MacFrame) -> bool:
    sdu = frame.sdu
    return len(sdu) > llc.HEADER and sdu[0] == llc.DL_DATA and sdu[2] == ServerSap.CIASE


_MOVING: Final[dict[type, StationInput]] = {
    SyncFound: _I.FOUND,
    SyncConfirmed: _I.CONFIRMED,
    SyncLost: _I.LOST,
}
