"""What an initiator knows of its network: systems by title and address, how far each is, and how it stands."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple

from cosem.errors import ConfigError
from cosem.plc.addresses import AddressPlan
from cosem.plc.mac_frame import MAX_CREDIT, MAX_DELTA


class Membership(Enum):
    """How a system stands in the network of one initiator."""

    REPORTED = "reported"
    ASSIGNED = "assigned"
    """Its address was sent and nothing was heard from there yet."""
    PRESENT = "present"
    SUSPECT = "suspect"
    """It reports as new though its address is in use: it lost it, or another has its title."""
    LOST = "lost"
    DUPLICATE = "duplicate"
    """Several systems have the title: none of them gets an address until somebody forgets it."""


class MemberInput(Enum):
    """What moves a `Membership`."""

    REPORT = "reports as new"
    TWICE = "reports twice in one round"
    ASSIGN = "address sent"
    HEARD = "heard under its address"
    SILENT = "given up"


_M, _I = Membership, MemberInput
MEMBERS: Final = {
    (_M.REPORTED, _I.ASSIGN): _M.ASSIGNED,
    (_M.REPORTED, _I.TWICE): _M.DUPLICATE,
    (_M.ASSIGNED, _I.REPORT): _M.REPORTED,
    (_M.ASSIGNED, _I.TWICE): _M.DUPLICATE,
    (_M.ASSIGNED, _I.HEARD): _M.PRESENT,
    (_M.ASSIGNED, _I.SILENT): _M.LOST,
    (_M.PRESENT, _I.REPORT): _M.SUSPECT,
    (_M.PRESENT, _I.TWICE): _M.SUSPECT,
    (_M.PRESENT, _I.SILENT): _M.LOST,
    # It is there, so whoever reported is somebody else.
    (_M.SUSPECT, _I.HEARD): _M.PRESENT,
    (_M.SUSPECT, _I.SILENT): _M.REPORTED,
    (_M.LOST, _I.REPORT): _M.REPORTED,
    (_M.LOST, _I.TWICE): _M.DUPLICATE,
    (_M.LOST, _I.HEARD): _M.PRESENT,
}
"""A pair that is absent leaves the system as it is."""

REMEMBERED: Final = 8
"""Answers from which the credit of a system is learnt."""
REGISTERED: Final = frozenset((_M.ASSIGNED, _M.PRESENT, _M.SUSPECT))


@dataclass(slots=True)
class System:
    """One reporting system. `heard` is the slot of its last answer, `level` in dBµV how that was heard.

    `hops` are the repetitions that its last exchanges took in the worse direction; `credit` is what the next one gets.
    `shadowed`: another has its title, and its reports are not listened to while this one is there.
    """

    title: bytes
    address: int = 0
    membership: Membership = Membership.REPORTED
    hops: deque[int] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    heard: int = 0
    level: float = 0.0
    missed: int = 0
    alarm: int | None = None
    failures: int = 0
    exchanges: int = 0
    shadowed: bool = False

    def move(self, event: MemberInput) -> bool:
        """Take a transition; say whether it led anywhere else."""
        before = self.membership
        self.membership = MEMBERS.get((before, event), before)
        return self.membership is not before

    @property
    def credit(self) -> int:
        """The repetitions that reach it: the most of late; none are known of a system that was never heard."""
        return max(self.hops, default=0)

    def credit_of(self, attempt: int) -> int:
        """Return the initial credit of an attempt, counted from 0: each has one more than the one before."""
        return min(self.credit + attempt, MAX_CREDIT)

    def learn(self, hops: int, delta: int) -> None:
        """Note an answer that took `hops` repetitions and says that its request took `delta`.

        Two bits tell a delta of 3 and of anything above: then the way of the answer has to do for both.
        """
        self.hops.append(hops if delta >= MAX_DELTA and hops >= MAX_DELTA else max(hops, delta))


class Kept(NamedTuple):
    """What has to outlive a restart of the initiator."""

    title: bytes
    address: int
    credit: int


class Registry:
    """Titles and addresses of one network. An address belongs to one title for good, so that nothing has two owners."""

    def __init__(self, plan: AddressPlan | None = None, kept: Iterable[Kept] = ()) -> None:
        self.plan = plan or AddressPlan()
        self.systems: dict[bytes, System] = {}
        self._by_address: dict[int, System] = {}
        self._next = 1
        for title, address, credit in kept:
            if not self.plan.is_server(address) or address in self._by_address or title in self.systems:
                raise ConfigError(f"system {title.hex()} cannot have address {address:03X}")
            system = System(title, address, Membership.ASSIGNED)
            system.hops.append(min(credit, MAX_CREDIT))
            self._add(system)

    def _add(self, system: System) -> None:
        self.systems[system.title] = system
        if system.address:
            self._by_address[system.address] = system

    def __iter__(self) -> Iterator[System]:
        return iter(self.systems.values())

    def __len__(self) -> int:
        return len(self.systems)

    def at(self, address: int) -> System | None:
        """Return who has an address."""
        return self._by_address.get(address)

    def kept(self) -> tuple[Kept, ...]:
        """Return what has to outlive a restart."""
        return tuple(Kept(item.title, item.address, item.credit) for item in self if item.address)

    @property
    def registered(self) -> list[System]:
        """Those that have an address and are not lost."""
        return [system for system in self if system.membership in REGISTERED]

    @property
    def highest(self) -> int:
        """The highest address in use, 0 for none."""
        return max(self._by_address, default=0)

    @property
    def reporting(self) -> tuple[bytes, ...]:
        """The reporting system list (class 56): who reported and has no address yet, the newest first."""
        return tuple(
            system.title
            for system in reversed(self.systems.values())
            if system.membership in (_M.REPORTED, _M.DUPLICATE, _M.SUSPECT)
        )

    def reported(self, title: bytes, hops: int, level: float, now: int) -> System:
        """Return the system of a report; a new one is there from now on."""
        system = self.systems.pop(title, None)
        if system is None:
            system = System(title)
        else:
            system.move(MemberInput.REPORT)
        self.systems[title] = system
        system.hops.append(hops)
        system.level, system.heard = level, now
        return system

    def assign(self, system: System) -> bool:
        """Give `system` an address, that which it had before if any. False where none is left."""
        if not system.address:
            address = self._free()
            if address is None:
                return False
            system.address = address
            self._by_address[address] = system
        system.move(MemberInput.ASSIGN)
        system.missed = 0
        return True

    def _free(self) -> int | None:
        while self.plan.is_server(self._next):
            if self._next not in self._by_address:
                return self._next
            self._next += 1
        # All were given: those of the systems that are lost for longest come back.
        lost = [system for system in self if system.membership is Membership.LOST]
        if not lost:
            return None
        longest = min(lost, key=lambda system: system.heard)
        self.forget(longest.title)
        return longest.address

    def forget(self, title: bytes) -> bool:
        """Strike a system off, as an operator does who knows that it is gone. Says whether it was there."""
        system = self.systems.pop(title, None)
        if system is None:
            return False
        if self._by_address.get(system.address) is system:
            del self._by_address[system.address]
        return True
