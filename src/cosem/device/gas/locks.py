"""The locks of a gas device: who may change what. A lock that is open closes by itself after a while.

Levels from the lowest: customer, supplier, certification (the log that stands in for the seal), calibration (the sealed
button inside). What a level may change, an open higher one may change too, but for the certification data log: without
the seal broken its rows are written all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from hmac import compare_digest
from typing import Final

from cosem.device.causes import Cause
from cosem.device.host import Host
from cosem.errors import ConfigError

AUTO_CLOSE: Final = 1800
"""Seconds after which an open lock closes. A choice."""
ATTEMPTS: Final = 5
"""Wrong codes in a row after which no code is taken for `PAUSE` seconds."""
PAUSE: Final = 300


class Level(IntEnum):
    """The locks, the higher number above the lower one."""

    CUSTOMER = 1
    SUPPLIER = 2
    CERTIFICATION = 3
    CALIBRATION = 4

    @property
    def words(self) -> str:
        """Return the name of the lock."""
        return self.name.lower()


class Locks:
    """A behaviour. `codes` open the locks below calibration; a lock without a code is opened by nobody from outside."""

    def __init__(self, host: Host, codes: Mapping[Level, bytes], *, user: Callable[[], int]) -> None:
        if Level.CALIBRATION in codes or any(not code for code in codes.values()):
            raise ConfigError("a lock has a code, and calibration a seal instead")
        self._host = host
        self._codes = dict(codes)
        self._user = user
        self._until: dict[Level, int | None] = {}
        self._wrong = 0
        self._paused = 0
        self.auto_close = dict.fromkeys(Level, AUTO_CLOSE)
        self.sealed = True
        host.schedule(self)

    def is_open(self, level: Level) -> bool:
        """Whether this very lock is open."""
        return level in self._until

    def allows(self, level: Level) -> bool:
        """Whether this lock or a higher one is open."""
        return any(held >= level for held in self._until)

    def enter(self, level: Level, code: bytes) -> bool:
        """Open a lock by its code; False for a wrong one, and after too many of them for any."""
        wanted = self._codes.get(level)
        if wanted is None or self._host.now < self._paused:
            return False
        if not compare_digest(wanted, code):
            self._wrong += 1
            if self._wrong >= ATTEMPTS:
                self._wrong, self._paused = 0, self._host.now + PAUSE
            self._host.note(Cause.LOCK_REFUSED, lock=level.value, client=self._user())
            return False
        self._wrong = 0
        self._open(level)
        return True

    def break_seal(self) -> None:
        """Break the seal and press the button behind it: the calibration lock opens."""
        if self.sealed:
            self.sealed = False
            self._host.note(Cause.SEAL_BROKEN)
        self._open(Level.CALIBRATION)

    def seal(self) -> None:
        """Close the calibration lock and set a new seal."""
        self.close(Level.CALIBRATION)
        if not self.sealed:
            self.sealed = True
            self._host.note(Cause.SEAL_SET)

    def _open(self, level: Level) -> None:
        seconds = self.auto_close[level]
        fresh = level not in self._until
        self._until[level] = self._host.now + seconds if seconds else None
        if fresh:
            self._host.note(Cause.LOCK_OPENED, lock=level.value, client=self._user())

    def close(self, level: Level) -> None:
        """Close a lock; one that is closed stays so."""
        if level in self._until:
            del self._until[level]
            self._host.note(Cause.LOCK_CLOSED, lock=level.value, client=self._user())

    def next_time(self) -> int | None:
        """Return when a lock closes by itself."""
        return min((until for until in self._until.values() if until is not None), default=None)

    def act(self, now: int) -> None:
        """Close what was open for long enough."""
        for level, until in list(self._until.items()):
            if until is not None and until <= now:
                self.close(level)
