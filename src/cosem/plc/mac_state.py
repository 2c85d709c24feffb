"""Synchronisation and the search for an initiator as tables: a pair that is absent leaves the state as it is.

Sources: the causes and their order as S-FSK modems tell them (IEC 61334-5-1, 4.3; IEC 62056-8-3, 10.7 and 10.8).
"""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import Final


class Sync(Enum):
    """Whether a station follows somebody's slots."""

    UNSYNCHRONIZED = "unsynchronized"
    FOUND = "found"
    """A preamble was seen and no frame confirms it yet."""
    SYNCHRONIZED = "synchronized"


class Lock(Enum):
    """Whether a station has an initiator that it follows, and no other."""

    UNLOCKED = "unlocked"
    SEARCHING = "searching"
    LOCKED = "locked"


class SyncInput(Enum):
    """What moves `Sync`."""

    PREAMBLE = "preamble"
    CONFIRMED = "confirmed"
    CONFIRMATION_TIMEOUT = "confirmation time-out"
    LOST = "lost"
    """Any other cause than the confirmation that failed."""


class LockInput(Enum):
    """What moves `Lock`."""

    STRONG = "strong initiator"
    WEAK = "weak initiator"
    NOT_DIRECT = "frames without an initiator"
    """A server was heard: there is a network, but nothing tells how near its initiator is."""
    BEST_CHOSEN = "search over, best chosen"
    NONE_HEARD = "search over, none heard"
    ASSIGNED = "assigned"
    """A registration, or a client that writes, says whom to follow."""
    RELEASED = "released"


class Loss(IntEnum):
    """Why synchronisation was lost: the causes as a modem numbers them."""

    NOT_ADDRESSED = 1
    FRAME_NOT_OK = 2
    NOT_CONFIRMED = 3
    WRONG_INITIATOR = 4
    WRITE_REQUEST = 5
    SEARCH = 6


SYNC: Final = {
    (Sync.UNSYNCHRONIZED, SyncInput.PREAMBLE): Sync.FOUND,
    (Sync.FOUND, SyncInput.CONFIRMED): Sync.SYNCHRONIZED,
    (Sync.FOUND, SyncInput.CONFIRMATION_TIMEOUT): Sync.UNSYNCHRONIZED,
    (Sync.FOUND, SyncInput.LOST): Sync.UNSYNCHRONIZED,
    (Sync.SYNCHRONIZED, SyncInput.LOST): Sync.UNSYNCHRONIZED,
}

LOCK: Final = {
    (Lock.UNLOCKED, LockInput.STRONG): Lock.LOCKED,
    (Lock.UNLOCKED, LockInput.WEAK): Lock.SEARCHING,
    (Lock.UNLOCKED, LockInput.NOT_DIRECT): Lock.SEARCHING,
    (Lock.UNLOCKED, LockInput.ASSIGNED): Lock.LOCKED,
    (Lock.SEARCHING, LockInput.STRONG): Lock.LOCKED,
    (Lock.SEARCHING, LockInput.BEST_CHOSEN): Lock.LOCKED,
    (Lock.SEARCHING, LockInput.NONE_HEARD): Lock.UNLOCKED,
    (Lock.SEARCHING, LockInput.ASSIGNED): Lock.LOCKED,
    (Lock.SEARCHING, LockInput.RELEASED): Lock.UNLOCKED,
    (Lock.LOCKED, LockInput.RELEASED): Lock.UNLOCKED,
}

COUNTED: Final = {
    Loss.NOT_ADDRESSED: "nb_time_out_not_addressed_desynchronization",
    Loss.FRAME_NOT_OK: "nb_timeout_frame_not_OK_desynchronization",
    Loss.NOT_CONFIRMED: "nb_physical_layer_desynchronization",
    Loss.WRONG_INITIATOR: "nb_wrong_initiator_desynchronization",
    Loss.WRITE_REQUEST: "nb_write_request_desynchronization",
}
"""The counter of class 53 for each cause; a search loses synchronisation on purpose and is not counted.

That an unconfirmed preamble is what "physical layer" counts is deduced: it is the one cause and the one counter left
over.
"""
