"""What an initiator does on the medium, as procedures: generators that say something, listen, and decide what is next.

One procedure is under way at a time, because there is one half-duplex medium; `cosem.plc.initiator` runs them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from cosem.plc.mac_events import MacIndication, MacRequest
from cosem.plc.queue import Priority
from cosem.plc.repeater_call import RepeaterCall

# --- steps -------------------------------------------------------------------------------------------------------


class Say(NamedTuple):
    """Send a frame; the answer is its `MacConfirm` or `MacRefused`."""

    request: MacRequest


class Hear(NamedTuple):
    """Wait for a frame that `accept` takes, until slot `until`; the answer is the `MacIndication`, or None."""

    until: int
    accept: Callable[[MacIndication], bool]


class Gather(NamedTuple):
    """Listen until slot `until`; the answer is a list of all indications that `accept` took."""

    until: int
    accept: Callable[[MacIndication], bool]


class TakePart(NamedTuple):
    """Take part in a repeater call that begins behind the frame that was sent last."""

    call: RepeaterCall


Step = Say | Hear | Gather | TakePart
Procedure = Generator[Step, Any, None]


# --- what a host asks for ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Exchange:
    """One M_sdu to the system of `title`, and its answer.

    `answered` is called with the answer and the slot, `failed` with the cause and the slot; one of them, once.
    `repeatable` says that the station may get it twice; one that may not is sent once. `flow` is who takes turns with
    others: a client with a station.
    """

    title: bytes
    m_sdu: bytes
    answered: Callable[[bytes, int], object]
    failed: Callable[[str, int], object]
    priority: Priority = Priority.CLIENT
    flow: Hashable = None
    repeatable: bool = True


@dataclass(slots=True)
class Broadcast:
    """One M_sdu to all, which nobody answers; `repeats` is how often it is sent. `sent` is called when it is over."""

    m_sdu: bytes
    repeats: int = 1
    priority: Priority = Priority.CLIENT
    sent: Callable[[int], object] = field(default=lambda slot: None)
    credit: int | None = None


# --- what an initiator tells -------------------------------------------------------------------------------------


class RoundOver(NamedTuple):
    """A round of discovery: what was asked, how many reported, how many frames were spoilt, how many are new."""

    number: int
    probability: int
    windows: int
    credit: int
    reports: int
    spoilt: int
    new: int
    at: int


class SystemRegistered(NamedTuple):
    """A system has an address: keep the registry before the order that tells it is carried out."""

    title: bytes
    address: int
    hops: int
    again: bool
    at: int


class SystemPresent(NamedTuple):
    """A system answered under its address for the first time, or again after it was lost."""

    title: bytes
    address: int
    again: bool
    at: int


class SystemLost(NamedTuple):
    """A system did not answer any more."""

    title: bytes
    address: int
    cause: str
    at: int


class DuplicateTitle(NamedTuple):
    """Two systems have one title. `registered`: one of them keeps its address; otherwise neither gets one."""

    title: bytes
    registered: bool
    at: int


class AlarmReported(NamedTuple):
    """A system said who it is that has an alarm."""

    title: bytes
    alarm: int
    at: int


class Unsolicited(NamedTuple):
    """An M_sdu of a system that no exchange waits for, such as a notification."""

    title: bytes
    m_sdu: bytes
    at: int


class RepeatersCalled(NamedTuple):
    """A repeater call is over."""

    max_address: int
    slots: int
    at: int


class DiscoveryOver(NamedTuple):
    """A discovery found nobody any more."""

    rounds: int
    found: int
    at: int


class NoAddressLeft(NamedTuple):
    """A system cannot be registered: all addresses are taken."""

    title: bytes
    at: int


InitiatorEvent = (
    RoundOver
    | SystemRegistered
    | SystemPresent
    | SystemLost
    | DuplicateTitle
    | AlarmReported
    | Unsolicited
    | RepeatersCalled
    | DiscoveryOver
    | NoAddressLeft
)
