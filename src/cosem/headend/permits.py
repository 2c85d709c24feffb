"""How many connections a segment of the network carries: permits, with a lane for people who wait.

One job owns a segment, so its permits are local: no other process is asked. Limits are never exceeded by one session.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import IntEnum
from weakref import WeakValueDictionary

from cosem.errors import ConfigError


class Lane(IntEnum):
    """Who wants a connection: somebody who waits for the answer, or a plan."""

    INTERACTIVE = 0
    BACKGROUND = 1


@dataclass(frozen=True, slots=True)
class Limits:
    """`concurrent` connections at once; `new_per_second` connections opened a second, on average and at most at once.

    `reserved` of the connections are for the interactive lane only. Raises `ConfigError` for what lets nothing through.
    """

    concurrent: int = 100
    new_per_second: float = 50.0
    reserved: int = 0

    def __post_init__(self) -> None:
        if self.concurrent < 1 or not self.new_per_second > 0 or not 0 <= self.reserved < self.concurrent:
            raise ConfigError(f"{self}: such limits let no plan through")


class Turns:
    """One association per device at a time, whoever wants it. A turn that nobody holds or waits for takes no room."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def of(self, device: Hashable) -> AsyncIterator[None]:
        """Hold the turn of a device, or of whatever else is done by one at a time."""
        lock = self._locks.get(device)
        if lock is None:
            lock = self._locks[device] = asyncio.Lock()
        async with lock:
            yield


class Permits:
    """The permits of one segment. `clock` gives seconds that never go back (the event loop's)."""

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self.limits = limits
        self._clock = clock
        self._open = 0
        self._background = 0
        self._tokens = max(1.0, limits.new_per_second)
        self._since = clock()
        self._waiting: tuple[deque[asyncio.Future[None]], ...] = (deque(), deque())
        self._timer: asyncio.TimerHandle | None = None

    def change(self, limits: Limits) -> None:
        """Take other limits. What is open goes on and counts."""
        self.limits = limits
        self._next()

    @property
    def open(self) -> int:
        """How many connections are open."""
        return self._open

    @asynccontextmanager
    async def permit(self, lane: Lane = Lane.BACKGROUND) -> AsyncIterator[None]:
        """Hold one connection; waits for its turn. People overtake plans; within a lane first come, first served."""
        if self._waiting[lane] or not self._take(lane):
            await self._wait(lane)
        try:
            yield
        finally:
            self._open -= 1
            self._background -= lane is Lane.BACKGROUND
            self._next()

    async def _wait(self, lane: Lane) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[lane].append(turn)
        self._next()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                # It was given a permit at the same moment: give it on.
                self._open -= 1
                self._background -= lane is Lane.BACKGROUND
                self._next()
            raise

    def _take(self, lane: Lane) -> bool:
        limits = self.limits
        if self._open >= limits.concurrent:
            return False
        if lane is Lane.BACKGROUND and self._background >= limits.concurrent - limits.reserved:
            return False
        now = self._clock()
        self._tokens = min(max(1.0, limits.new_per_second), self._tokens + (now - self._since) * limits.new_per_second)
        self._since = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        self._open += 1
        self._background += lane is Lane.BACKGROUND
        return True

    def _next(self) -> None:
        """Let those in whose turn it is; look again when the next new connection is allowed."""
        for lane in Lane:
            waiting = self._waiting[lane]
            while waiting:
                if waiting[0].cancelled():
                    waiting.popleft()
                elif self._take(lane):
                    waiting.popleft().set_result(None)
                else:
                    break
        if not any(self._waiting) or self._open >= self.limits.concurrent or self._timer is not None:
            return
        missing = (1.0 - self._tokens) / self.limits.new_per_second
        if missing > 0:
            self._timer = asyncio.get_running_loop().call_later(missing, self._again)

    def _again(self) -> None:
        self._timer = None
        self._next()
