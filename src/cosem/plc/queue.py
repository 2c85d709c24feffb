"""Who has the medium next: one half-duplex line for all clients and all stations of a network."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable
from enum import IntEnum
from typing import Final, Generic, TypeVar

T = TypeVar("T")

MAX_QUEUED: Final = 4096
"""Things that wait for the medium; whoever asks for more is refused at once."""
PATIENCE: Final = 8
"""Turns that go by before a lower priority that waits gets one in between."""


class Priority(IntEnum):
    """What is more urgent goes first; within one priority flows take turns."""

    URGENT = 0
    """Alarms, and what the network itself needs to go on."""
    CLIENT = 1
    """A client from outside waits for it."""
    READING = 2
    """The concentrator's own reading."""
    UPKEEP = 3
    """Signs of life, discovery in the background."""


class TurnQueue(Generic[T]):
    """Things to do by priority and flow (a client with a station). Bounded; nothing waits for ever."""

    def __init__(self) -> None:
        self._flows: tuple[OrderedDict[Hashable, deque[T]], ...] = tuple(OrderedDict() for _ in Priority)
        self._passed = [0] * len(Priority)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, item: T, priority: Priority, flow: Hashable) -> bool:
        """Queue an item behind those of its flow; False where too many wait."""
        if self._count >= MAX_QUEUED:
            return False
        self._flows[priority].setdefault(flow, deque()).append(item)
        self._count += 1
        return True

    def pop(self) -> T | None:
        """Return what has its turn, None where nothing waits."""
        waiting = [priority for priority in Priority if self._flows[priority]]
        if not waiting:
            return None
        chosen = waiting[0]
        for priority in waiting[1:]:
            self._passed[priority] += 1
        hungry = [priority for priority in waiting[1:] if self._passed[priority] > PATIENCE]
        if hungry:
            chosen = max(hungry, key=lambda priority: (self._passed[priority], -priority))
        self._passed[chosen] = 0
        flows = self._flows[chosen]
        flow, items = next(iter(flows.items()))
        item = items.popleft()
        del flows[flow]
        if items:
            flows[flow] = items
        self._count -= 1
        return item

    def drop(self, flow: Hashable) -> list[T]:
        """Take out everything of a flow and return it."""
        dropped: list[T] = []
        for flows in self._flows:
            dropped += flows.pop(flow, ())
        self._count -= len(dropped)
        return dropped
