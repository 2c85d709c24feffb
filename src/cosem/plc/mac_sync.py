"""Whom a station follows: synchronisation, the intelligent search for an initiator, and the time-outs of class 52.

The search (IEC 62056-8-3, 10.7): a station without initiator takes the first that it hears above a threshold. Of weaker
ones it notes the level, drops its synchronisation to hear others too, and takes the best when the time is over.
"""

from __future__ import annotations

from typing import Final

from cosem.plc.addresses import NEW, NO_BODY
from cosem.plc.mac_events import (
    Locked,
    MacEvent,
    NotLocked,
    SyncConfirmed,
    SyncFound,
    SyncLost,
    Unregistered,
)
from cosem.plc.mac_frame import MacFrame
from cosem.plc.mac_settings import Counters, MacSettings, Timeouts
from cosem.plc.mac_state import LOCK, SYNC, Lock, LockInput, Loss, Sync, SyncInput
from cosem.plc.reception import Reception

MAX_CANDIDATES: Final = 16
"""Initiators a search remembers; more than a handful in reach of one meter is no network but noise."""


class Follower:
    """The synchronisation of one server. It holds the address, because losing the initiator loses the address too."""

    def __init__(self, settings: MacSettings, counters: Counters, address: int, initiator: int, now: int) -> None:
        self._settings = settings
        self._counters = counters
        self.address = address
        self.groups: tuple[int, ...] = ()
        self.initiator = initiator
        self.sync = Sync.UNSYNCHRONIZED
        self.lock = Lock.LOCKED if initiator != NO_BODY else Lock.UNLOCKED
        self.events: list[MacEvent] = []
        self._candidates: dict[int, float] = {}
        self._search_ends: int | None = None
        self._confirmation_ends: int | None = None
        self._addressed_ends: int | None = None
        self._frame_ends: int | None = None
        self.set_timeouts(settings.timeouts)
        if self.lock is Lock.LOCKED:
            self._start_addressed(now)

    def take_settings(self, settings: MacSettings) -> None:
        """Take other settings, but for the time-outs."""
        self._settings = settings

    def set_timeouts(self, timeouts: Timeouts) -> None:
        """Take other time-outs (class 52 was written); those that run keep their end until something starts them
        anew."""
        rate = self._settings.rate
        self.timeouts = timeouts
        self._search_slots = rate.slots_in(timeouts.search_initiator_s)
        self._confirmation_slots = rate.slots_in(timeouts.synchronization_confirmation_s)
        self._addressed_slots = rate.slots_in(60 * timeouts.not_addressed_min)
        self._frame_slots = rate.slots_in(timeouts.frame_not_ok_s)

    # --- what is heard ------------------------------------------------------------------------------------------

    def preamble(self, quality: Reception, now: int) -> None:
        """Learn that a preamble was seen. It matters only to a station that is not synchronised."""
        if self.sync is not Sync.UNSYNCHRONIZED:
            return
        self._move_sync(SyncInput.PREAMBLE)
        self.events.append(SyncFound(quality, now))
        self._confirmation_ends = now + self._confirmation_slots if self._confirmation_slots else None

    def admit(self, frame: MacFrame, quality: Reception, now: int) -> bool:
        """Learn of a good frame; say whether it belongs to the network of the initiator that is followed."""
        source = frame.source
        initiator = self.initiator
        if self.lock is Lock.LOCKED and (source == initiator or frame.destination == initiator):
            if self.sync is not Sync.SYNCHRONIZED:
                self._confirm(frame, quality, now)
            self.frame_ok(now)
            if frame.destination == self.address != NEW:
                self._start_addressed(now)
            return True
        return self._admit_other(frame, quality, now)

    def _admit_other(self, frame: MacFrame, quality: Reception, now: int) -> bool:
        from_initiator = self._settings.plan.is_initiator(frame.source)
        if self.lock is Lock.LOCKED:
            if self.sync is Sync.SYNCHRONIZED:
                self.frame_ok(now)
                if from_initiator:
                    self._lose(Loss.WRONG_INITIATOR, now)
            return False
        self._confirm(frame, quality, now)
        self.frame_ok(now)
        if not from_initiator:
            if self._search_slots:
                self._move_lock(LockInput.NOT_DIRECT)
                self._start_search(now)
            return False
        if self._is_strong(quality):
            self._move_lock(LockInput.STRONG)
            self._follow(frame.source, quality.level, now)
            return True
        self._move_lock(LockInput.WEAK)
        self._start_search(now)
        if frame.source in self._candidates or len(self._candidates) < MAX_CANDIDATES:
            self._candidates[frame.source] = max(quality.level, self._candidates.get(frame.source, quality.level))
        self._lose(Loss.SEARCH, now)
        return False

    def _is_strong(self, quality: Reception) -> bool:
        settings = self._settings
        if not self._search_slots:
            return True
        if settings.search_gain is not None:
            return quality.gain <= settings.search_gain
        return quality.level >= settings.search_threshold

    def _start_search(self, now: int) -> None:
        if self._search_ends is None:
            self._search_ends = now + self._search_slots

    def frame_ok(self, now: int) -> None:
        """Learn that a properly formed frame came: the time-out that waits for one starts anew."""
        if self._frame_slots and self.sync is Sync.SYNCHRONIZED:
            self._frame_ends = now + self._frame_slots

    def _confirm(self, frame: MacFrame, quality: Reception, now: int) -> None:
        self.preamble(quality, now)
        if self.sync is not Sync.FOUND:
            return
        self._move_sync(SyncInput.CONFIRMED)
        self._confirmation_ends = None
        plan = self._settings.plan
        whose = next((a for a in (frame.source, frame.destination) if plan.is_initiator(a)), NO_BODY)
        self._counters.synchronizations[whose] = self._counters.synchronizations.get(whose, 0) + 1
        self.events.append(SyncConfirmed(frame.source, frame.destination, now))

    # --- what others decide -------------------------------------------------------------------------------------

    def register(self, address: int, initiator: int, now: int) -> None:
        """Take an address from `initiator` (CIASE Register): the station follows it from now on."""
        self.address = address
        if self.lock is not Lock.LOCKED or self.initiator != initiator:
            self._move_lock(LockInput.ASSIGNED)
            self._follow(initiator, None, now)
        self._start_addressed(now)

    def set_address(self, address: int, now: int) -> None:
        """Take an address that a client wrote; NEW makes the station new."""
        if address == NEW:
            self.reset(NO_BODY, now)
        else:
            self.address = address
            self._start_addressed(now)

    def reset(self, initiator: int, now: int) -> None:
        """Become NEW and not synchronised, and follow `initiator`, or nobody (class 51, method 1)."""
        self._leave(Loss.WRITE_REQUEST, now)
        if initiator != NO_BODY:
            self._move_lock(LockInput.ASSIGNED)
            self._follow(initiator, None, now)

    # --- time ---------------------------------------------------------------------------------------------------

    def next_timer(self) -> int | None:
        """Return the slot in which `handle_timer` is needed, or None."""
        ends = (self._search_ends, self._confirmation_ends, self._addressed_ends, self._frame_ends)
        return min((end for end in ends if end is not None), default=None)

    def handle_timer(self, now: int) -> None:
        """Let time-outs that are over act."""
        if self._confirmation_ends is not None and now >= self._confirmation_ends:
            self._confirmation_ends = None
            self._lose(Loss.NOT_CONFIRMED, now)
        if self._frame_ends is not None and now >= self._frame_ends:
            self._frame_ends = None
            self._lose(Loss.FRAME_NOT_OK, now)
        if self._addressed_ends is not None and now >= self._addressed_ends:
            self._leave(Loss.NOT_ADDRESSED, now)
        if self._search_ends is not None and now >= self._search_ends:
            self._choose(now)

    def _choose(self, now: int) -> None:
        candidates, self._candidates, self._search_ends = self._candidates, {}, None
        if candidates:
            # Of two that are equally strong the lower address, so that it does not hang on who spoke first.
            level, lowest = max((level, -initiator) for initiator, level in candidates.items())
            self._move_lock(LockInput.BEST_CHOSEN)
            self._follow(-lowest, level, now)
        else:
            self._move_lock(LockInput.NONE_HEARD)
            self.events.append(NotLocked(now))

    # --- one place for each change ------------------------------------------------------------------------------

    def _follow(self, initiator: int, level: float | None, now: int) -> None:
        self.initiator = initiator
        self._candidates.clear()
        self._search_ends = None
        self.events.append(Locked(initiator, level, now))
        self._start_addressed(now)

    def _start_addressed(self, now: int) -> None:
        """A new station waits as long for its registration as a registered one for a word (the former was not
        found)."""
        self._addressed_ends = now + self._addressed_slots if self._addressed_slots else None

    def _leave(self, cause: Loss, now: int) -> None:
        registered = self.address != NEW
        self.address, self.groups, self.initiator = NEW, (), NO_BODY
        self._addressed_ends = self._search_ends = None
        self._candidates.clear()
        self._move_lock(LockInput.RELEASED)
        self._lose(cause, now)
        self.events.append(Unregistered(cause, registered, now))

    def _lose(self, cause: Loss, now: int) -> None:
        unconfirmed = cause is Loss.NOT_CONFIRMED
        if self._move_sync(SyncInput.CONFIRMATION_TIMEOUT if unconfirmed else SyncInput.LOST):
            self._confirmation_ends = self._frame_ends = None
            counted = self._counters.desynchronizations
            counted[cause] = counted.get(cause, 0) + 1
            self.events.append(SyncLost(cause, now))

    def _move_sync(self, event: SyncInput) -> bool:
        moved = SYNC.get((self.sync, event))
        self.sync = moved or self.sync
        return moved is not None

    def _move_lock(self, event: LockInput) -> None:
        self.lock = LOCK.get((self.lock, event), self.lock)
