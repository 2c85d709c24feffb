"""What a station's MAC layer tells, and what it is asked to send. Times are slots: the number of the slot that
begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from cosem.plc.mac_frame import MacFrame
from cosem.plc.mac_state import Loss
from cosem.plc.reception import Reception


@dataclass(frozen=True, slots=True)
class MacRequest:
    """A frame to send: M_sdu to an address.

    `credit` None takes what the settings say. `not_before` holds it back until that slot; where the medium keeps it
    waiting beyond `latest`, it is given up. `source` is for stations that speak under another address than their own.
    """

    destination: int
    sdu: bytes
    credit: int | None = None
    not_before: int = 0
    latest: int | None = None
    source: int | None = None


class MacIndication(NamedTuple):
    """A frame for this station came, once, with its first correct copy. `overheard`: it was for somebody else."""

    frame: MacFrame
    quality: Reception
    at: int
    overheard: bool = False

    @property
    def delta(self) -> int:
        """How many repetitions it took to come here."""
        return self.frame.credits.hops


class MacConfirm(NamedTuple):
    """`request` was sent for the first time; its repetitions end before slot `ends`."""

    request: MacRequest
    at: int
    ends: int


class MacRefused(NamedTuple):
    """`request` will not be sent. `reason` is for people."""

    request: MacRequest
    reason: str


class SyncFound(NamedTuple):
    """A preamble was seen by a station that was not synchronised."""

    quality: Reception
    at: int


class SyncConfirmed(NamedTuple):
    """The first good frame behind a preamble, and whose it was."""

    source: int
    destination: int
    at: int


class SyncLost(NamedTuple):
    """Slots are followed no longer."""

    cause: Loss
    at: int


class Locked(NamedTuple):
    """The station follows `initiator` from now on. `level` in dBµV, None where it was told to."""

    initiator: int
    level: float | None
    at: int


class NotLocked(NamedTuple):
    """A search ended without an initiator."""

    at: int


class Unregistered(NamedTuple):
    """The station is NEW again: its groups are empty and its associations have to be released.

    `registered` says whether it had an address, or waited for one in vain.
    """

    cause: Loss
    registered: bool
    at: int


class RepeaterDecided(NamedTuple):
    """A repeater call is over: whether this station repeats."""

    repeats: bool
    took_part: bool
    at: int


class AlarmHeard(NamedTuple):
    """Somebody told an alarm in the pause of a slot; who, the pattern does not say."""

    level: float
    at: int


MacEvent = (
    MacIndication
    | MacConfirm
    | MacRefused
    | SyncFound
    | SyncConfirmed
    | SyncLost
    | Locked
    | NotLocked
    | Unregistered
    | RepeaterDecided
    | AlarmHeard
)
