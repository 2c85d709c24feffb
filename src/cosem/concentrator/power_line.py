"""A power line network as the carrier of a concentrator (IEC 61334-4-32 over S-FSK)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cosem.concentrator.carrier import Carried, Reached
from cosem.errors import LocalProtocolError
from cosem.link.base import Address
from cosem.plc import llc
from cosem.plc.initiator import PowerLineInitiator
from cosem.plc.link import EVERYBODY, LlcLink, hdlc_frames
from cosem.plc.llc import LlcData
from cosem.plc.procedures import Broadcast, Exchange
from cosem.plc.queue import Priority
from cosem.plc.registry import REGISTERED, Membership, System

ONCE: Final = frozenset((0xC1, 0xC3, 0x06))
"""Plain SET, ACTION and Write: a station that gets one twice may do it twice, so they are sent once.

Protected requests cannot be carried out twice, because of their counter; GET and AARQ may be.
"""


class PowerLineCarrier:
    """Meters by system title. `initiator` may be another after a restart, so it is asked for each time.

    `slot` is the present slot; `flush` lets the host carry out what the initiator wants.
    """

    def __init__(
        self,
        initiator: Callable[[], PowerLineInitiator],
        slot: Callable[[], int],
        flush: Callable[[], object],
    ) -> None:
        self._initiator = initiator
        self._slot = slot
        self._flush = flush

    @property
    def max_apdu(self) -> int:
        """Return the longest APDU that fits a frame."""
        return self._initiator().settings.llc.max_sdu

    @property
    def now(self) -> float:
        """Return the time in seconds, at the nominal frequency of the mains."""
        return self._initiator().mac.settings.rate.seconds(self._slot())

    def devices(self) -> list[Reached]:
        """Return every system that ever reported."""
        return [self._reached(system) for system in self._initiator().registry]

    def device(self, name: bytes) -> Reached | None:
        """Return one system by its title."""
        system = self._initiator().registry.systems.get(name)
        return None if system is None else self._reached(system)

    def _reached(self, system: System) -> Reached:
        there = bool(system.address) and system.membership is not Membership.DUPLICATE
        seconds = self._initiator().mac.settings.rate.seconds(system.heard)
        return Reached(
            system.title,
            system.address,
            system.membership.value,
            there and (system.membership in REGISTERED or system.membership is Membership.LOST),
            system.level,
            system.credit,
            seconds,
            system.failures,
        )

    def carry(self, job: Carried) -> None:
        """Carry an APDU as one M_sdu. What the LLC cannot say, such as SAPs beyond 8 bits, fails at once."""
        link = LlcLink(self._initiator().settings.llc)
        try:
            link.send(job.address, job.apdu, self.now)
        except LocalProtocolError as error:
            job.failed(str(error))
            return
        exchange = Exchange(
            job.name,
            link.take(),
            lambda m_sdu, slot: job.answered(m_sdu[llc.HEADER :]),
            lambda cause, slot: job.failed(cause),
            Priority.CLIENT if job.urgent else Priority.READING,
            (job.name, job.address),
            job.apdu[0] not in ONCE,
        )
        self._initiator().exchange(exchange, self._slot())
        self._flush()

    def carry_frame(
        self, name: bytes, frame: bytes, answered: Callable[[bytes], object], failed: Callable[[str], object]
    ) -> None:
        """Carry an HDLC frame as one M_sdu; the answer is one, too. HDLC knows a frame that comes twice."""
        exchange = Exchange(
            name,
            frame,
            lambda m_sdu, slot: answered(m_sdu),
            lambda cause, slot: failed(cause),
            Priority.READING,
            (name, "hdlc"),
        )
        self._initiator().exchange(exchange, self._slot())
        self._flush()

    def give_up(self, name: bytes, address: Address) -> None:
        """Forget what waits between these access points."""
        self._initiator().drop((name, address), "nobody waits for it any more")

    def broadcast(self, client: int, apdu: bytes, sent: Callable[[], object]) -> None:
        """Send an APDU to all meters. Raises `LocalProtocolError` for one that fits no frame."""
        link = LlcLink(self._initiator().settings.llc)
        link.send(Address(client, EVERYBODY), apdu, self.now)
        self._initiator().broadcast(Broadcast(link.take(), sent=lambda slot: sent()), self._slot())
        self._flush()

    def reporting(self) -> tuple[bytes, ...]:
        """Return the titles of systems that reported and are not registered, the newest first."""
        return self._initiator().registry.reporting


class HdlcLine:
    """One device for one client by HDLC over the power line: a `cosem.concentrator.talk.Line` of whole frames."""

    def __init__(self, carrier: PowerLineCarrier, name: bytes, told: Callable[[], object]) -> None:
        self.cause = ""
        self._carrier = carrier
        self._name = name
        self._told = told
        self._in: list[bytes] = []
        self._gone = False

    def receive(self, octets: bytes, now: float) -> None:
        """Take the frames of the client."""
        for frame in hdlc_frames(octets):
            self._carrier.carry_frame(self._name, frame, self._answered, self._failed)

    def _answered(self, frame: bytes) -> None:
        if not self._gone:
            self._in.append(frame)
            self._told()

    def _failed(self, cause: str) -> None:
        if not self._gone:
            self.cause = cause
            self._told()

    def take(self) -> bytes:
        """Return the frames for the client."""
        octets, self._in = b"".join(self._in), []
        return octets

    def lost(self, now: float) -> None:
        """Learn that the client is gone."""
        self._gone = True


def notification(m_sdu: bytes) -> tuple[Address, bytes]:
    """Return whom an unsolicited M_sdu is for, and its APDU. Raises `DecodeError`."""
    data: LlcData = llc.parse(m_sdu)
    return Address(data.destination, data.source), data.sdu
