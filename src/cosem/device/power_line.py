"""A device's way to a power line: the reporting system below, the LLC as a link, and who answers APDUs."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from cosem.apdu.base import Service
from cosem.apdu.ciphered import CIPHERED_NAMES
from cosem.association.responder import Responder, ResponderSettings
from cosem.association.server import ALL_STATIONS, ObjectServer
from cosem.device.random import Random
from cosem.link.base import Address
from cosem.link.hdlc.link import HdlcLink
from cosem.link.hdlc.parameters import HdlcParameters
from cosem.plc.link import HDLC_OVERHEAD, LlcLink, hdlc_frames
from cosem.plc.llc import HEADER, LlcKind, LlcSettings, kind_of
from cosem.plc.reporting import DataReceived, Pinged, Released, ReportingEvent, ReportingSystem

MAX_NOTIFICATIONS: Final = 4
"""Notifications that wait for the initiator to ask; the oldest goes where another comes."""
MAX_ANSWERS: Final = 8
"""Pairs of access points whose last answer is remembered."""
_AARQ, _RLRQ = 0x60, 0x62
_ALIKE_IS_THE_SAME: Final = frozenset((*CIPHERED_NAMES, 0xDB, 0xDC, _AARQ, _RLRQ))


class PowerLinePort:
    """One device on a power line.

    A request that comes again, octet for octet, is answered again without being carried out again: the initiator
    repeats what got no answer, and an answer is lost as easily as a question. That holds for protected APDUs, whose
    counter says that two alike are one, and for the ends of an association, which are there already; of other plain
    ones nobody knows, so they are served anew.
    """

    def __init__(
        self,
        reporting: ReportingSystem,
        device: ObjectServer,
        random: Random,
        settings: LlcSettings | None = None,
    ) -> None:
        self.reporting = reporting
        self.link = LlcLink(settings, server=True)
        self.responder = Responder(self.link, device, random, ResponderSettings(max_apdu=self.link.max_apdu))
        self.hdlc = Responder(
            HdlcLink(server=True, parameters=_hdlc_parameters(self.link.settings), accepts=self._is_there),
            device,
            random,
        )
        """The other LLC of the network: told by the first octet of an M_sdu."""
        self._device = device
        self.repeated = 0
        """Requests that came again and were answered from memory."""
        self.now = 0
        """The slot in which the last event came."""
        self.behind_answer: list[Callable[[], object]] = []
        """What is to be done once the answer under way was given to the MAC layer."""
        self._answers: OrderedDict[bytes, tuple[bytes, tuple[bytes, ...]]] = OrderedDict()
        self._notifications: deque[bytes] = deque(maxlen=MAX_NOTIFICATIONS)

    def handle(self, event: ReportingEvent, slot: int, seconds: float) -> None:
        """Take an event of the reporting system at `slot`, which is `seconds` by the transport's time."""
        self.now = slot
        if isinstance(event, DataReceived):
            self._data(event, seconds)
        elif isinstance(event, Released):
            self.release()
        elif isinstance(event, Pinged):
            while self._notifications:
                self.reporting.send(self._notifications.popleft())

    def restarted(self, reporting: ReportingSystem, seconds: float) -> None:
        """Go on behind an outage with another reporting system: associations are gone, counters are not."""
        self.reporting = reporting
        self.behind_answer.clear()
        self._answers.clear()
        self.responder.lost(seconds)
        self.hdlc.lost(seconds)

    def sent(self, slot: int) -> None:
        """Learn that a frame of this station was sent: what had to wait for the answer is done."""
        self.now = slot
        waiting, self.behind_answer = self.behind_answer, []
        for action in waiting:
            action()

    def release(self) -> None:
        """End associations that can be released: those that were established by an AARQ."""
        self._answers.clear()
        for responder in (self.responder, self.hdlc):
            for session in responder.sessions:
                if not session.profile.pre_established:
                    responder.close(session.address)

    def set_frame_length(self, octets: int) -> None:
        """Take another max_frame_length (class 55). Raises `ConfigError`. New associations go by it."""
        self.link.settings = LlcSettings(octets)
        self.responder.settings = replace(self.responder.settings, max_apdu=self.link.max_apdu)

    def notify(self, address: Address, service: Service, *, invoke: int = 0, protection: int = 0) -> None:
        """Keep a notification until the initiator asks for a sign of life: a server does not begin to speak by itself.

        Raise an alarm (`ReportingSystem.raise_alarm`) to be asked.
        """
        self.responder.notify(address, service, invoke=invoke, protection=protection, max_pdu_size=self.link.max_apdu)
        while m_sdu := self.link.take():
            self._notifications.append(m_sdu)

    def _is_there(self, address: Address) -> bool:
        return address.server not in ALL_STATIONS and self._device.association_profile(address) is not None

    def _frame(self, event: DataReceived, seconds: float) -> None:
        """Take an HDLC frame; what was lost HDLC repeats by itself."""
        due = self.hdlc.next_timer()
        if due is not None and due <= seconds:
            self.hdlc.handle_timer(seconds)
        self.hdlc.receive(event.m_sdu, seconds)
        octets = self.hdlc.take()
        if not event.to_all:
            for frame in hdlc_frames(octets):
                self.reporting.send(frame)

    def _data(self, event: DataReceived, seconds: float) -> None:
        m_sdu, ends = event.m_sdu, event.m_sdu[1:HEADER]
        if kind_of(m_sdu) is LlcKind.HDLC:
            self._frame(event, seconds)
            return
        if m_sdu[HEADER] in _ALIKE_IS_THE_SAME and not event.to_all:
            known = self._answers.get(ends)
            if known is not None and known[0] == m_sdu:
                self.repeated += 1
                for answer in known[1]:
                    self.reporting.send(answer)
                return
        due = self.responder.next_timer()
        if due is not None and due <= seconds:
            self.responder.handle_timer(seconds)
        self.responder.receive(m_sdu, seconds)
        answers: list[bytes] = []
        while answer := self.link.take():
            answers.append(answer)
        if event.to_all:
            return
        for answer in answers:
            self.reporting.send(answer)
        self._answers[ends] = m_sdu, tuple(answers)
        self._answers.move_to_end(ends)
        while len(self._answers) > MAX_ANSWERS:
            self._answers.popitem(last=False)


def _hdlc_parameters(settings: LlcSettings) -> HdlcParameters:
    """Return information fields that fit a frame of the power line, one at a time: the medium is half-duplex."""
    longest = min(settings.max_frame_length - HDLC_OVERHEAD, 128)
    return HdlcParameters(longest, longest, 1, 1)
