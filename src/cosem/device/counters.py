"""The invocation counters of one device: by key and client, kept over restarts."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Final
from weakref import WeakValueDictionary

from cosem.security.counters import END, CounterStore, ReceivingCounter, SendingCounter

LEASE: Final = 1000
"""Counters leased at once by a device that keeps them over restarts."""
NEAR_END: Final = END - 0x100000
"""From here on a counter is near its end: a million APDUs are left to change the key in."""

Place = tuple[bytes, bytes]
"""A key and the title of a client."""


class _LeasedCounter(SendingCounter):
    """The counters of everything sent under one key: leases the next block itself when one is used up."""

    __slots__ = ("_lease",)

    def __init__(self, lease: Callable[[], tuple[int, int]]) -> None:
        super().__init__(*lease())
        self._lease = lease

    def take(self) -> int:
        """Return the next counter. Raises `CounterExhausted` at the end."""
        if not self.remaining:
            self.renew(*self._lease())
        return super().take()


class _TriedCounter(ReceivingCounter):
    """One of a client that has not proved anything yet."""

    __slots__ = ("__weakref__",)


class DeviceCounters:
    """What was sent and accepted under every key. `on_near_end` hears once of a counter that is near its end."""

    def __init__(self, title: bytes, store: CounterStore) -> None:
        self._title = title
        self._store = store
        self.on_near_end: list[Callable[[str, int], None]] = []
        self._told: set[tuple[str, bytes]] = set()
        self._sending: dict[bytes, SendingCounter] = {}
        self._receiving: dict[Place, ReceivingCounter] = {}
        self._tried: WeakValueDictionary[Place, _TriedCounter] = WeakValueDictionary()
        self._before: dict[bytes, int | None] = {}
        self._highest: dict[bytes, int | None] = {}
        self._names: dict[bytes, str] = {}

    def _name(self, key: bytes) -> str:
        """Return what the counters of a key are kept under: the same after every restart, and nothing of the key."""
        name = self._names.get(key)
        if name is None:
            digest = sha256(b"cosem counters" + key).hexdigest()[:16]
            name = self._names[key] = f"{self._title.hex()} key {digest}"
        return name

    def sending(self, key: bytes, at_least: int = 1) -> SendingCounter:
        """Return the counter of everything this device sends under `key`."""
        if key not in self._sending:
            # Not from 0: there are clients that take only what is greater than the 0 they begin with.
            self._sending[key] = _LeasedCounter(lambda: self._lease(key, at_least))
        return self._sending[key]

    def _lease(self, key: bytes, at_least: int) -> tuple[int, int]:
        first, behind = self._store.lease(self._name(key), LEASE, at_least)
        if behind >= NEAR_END:
            self._near_end("sending", key, first)
        return first, behind

    def receiving(self, place: Place) -> ReceivingCounter:
        """Return what was accepted under a key from a client title.

        After a restart no title gets below what any had reached under the key. Held only while somebody uses it until
        something genuine came: to invent a title costs nothing.
        """
        known = self._receiving.get(place) or self._tried.get(place)
        if known is None:
            known = self._tried[place] = _TriedCounter(self._reached_before(place[0]))
        return known

    def _reached_before(self, key: bytes) -> int | None:
        """Return the counter that had been accepted under `key` when this device was started."""
        if key not in self._before:
            self._before[key] = self._highest[key] = self._store.last_received(self._name(key))
        return self._before[key]

    def accepted(self, place: Place, receiving: ReceivingCounter, counter: int) -> None:
        """Remember the counter of what proved genuine."""
        self._receiving[place] = receiving
        key = place[0]
        highest = self._highest[key]
        if highest is None or counter > highest:
            self._highest[key] = counter
            self._store.commit_received(self._name(key), counter)
            if counter >= NEAR_END:
                self._near_end("receiving", key, counter)

    def received(self, key: bytes) -> int:
        """Return the largest counter accepted under `key`, 0 before the first: what 0-0:43.1.0 shows."""
        self._reached_before(key)
        return self._highest[key] or 0

    def carry(self, old: bytes, new: bytes) -> None:
        """Let a new key go on counting where the old one stands, both ways."""
        self.sending(new, self.sending(old).next)
        self._reached_before(old)
        reached = self._highest[old]
        if reached is not None and reached > (self._reached_before(new) or 0):
            self._before[new] = self._highest[new] = reached
            self._store.commit_received(self._name(new), reached)

    def _near_end(self, direction: str, key: bytes, counter: int) -> None:
        if (direction, key) not in self._told:
            self._told.add((direction, key))
            for tell in self.on_near_end:
                tell(direction, counter)
