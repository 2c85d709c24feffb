"""Invocation counters: never used twice by a sender, never accepted twice by a receiver (Green Book ed. 9, 9.2.7.2).

A sender leases counters in blocks from a `CounterStore` that persists the lease before it is used: after a crash the
rest of a block is lost, which costs nothing, and no counter is ever repeated, which would break AES-GCM.
"""

from __future__ import annotations

from typing import Protocol

from cosem.errors import CounterExhausted, InvocationCounterError, LocalProtocolError

END = 0xFFFFFFFF
"""The last value of the field; it is never sent, so that the end can be told from the last use."""
LEASE = 100
"""Counters leased at once: one write to the store for a hundred APDUs."""


class CounterStore(Protocol):
    """Where counters survive. `name` is what the counter belongs to: a key of one meter."""

    def lease(self, name: str, count: int, at_least: int = 0) -> tuple[int, int]:
        """Persist and return the next block ``(first, behind the last)``, not below `at_least`.

        Raises `CounterExhausted` where none is left.
        """

    def last_received(self, name: str) -> int | None:
        """Return the last accepted counter of the peer, or None."""

    def commit_received(self, name: str, counter: int) -> None:
        """Persist the last accepted counter of the peer."""


class MemoryCounterStore:
    """A `CounterStore` that forgets with the process: for simulations and tests."""

    def __init__(self) -> None:
        self._next: dict[str, int] = {}
        self._received: dict[str, int] = {}

    def lease(self, name: str, count: int, at_least: int = 0) -> tuple[int, int]:
        """Return the next block."""
        first, behind = next_block(self._next.get(name, 0), count, at_least)
        self._next[name] = behind
        return first, behind

    def last_received(self, name: str) -> int | None:
        """Return the last accepted counter."""
        return self._received.get(name)

    def commit_received(self, name: str, counter: int) -> None:
        """Keep the last accepted counter."""
        self._received[name] = counter


def next_block(following: int, count: int, at_least: int = 0) -> tuple[int, int]:
    """Return the block of `count` counters from `following` on, shorter at the end of the range."""
    first = max(following, at_least)
    if first >= END:
        raise CounterExhausted("the invocation counter is at its end: the key must be changed")
    return first, min(first + count, END)


class SendingCounter:
    """The counters a sender may use now: those of its lease. `take` hands each out once."""

    __slots__ = ("_behind", "_next")

    def __init__(self, first: int = 0, behind: int = 0) -> None:
        self._next = first
        self._behind = min(behind, END)

    @property
    def remaining(self) -> int:
        """Return how many are left of the lease."""
        return self._behind - self._next

    @property
    def next(self) -> int:
        """Return the counter `take` would hand out."""
        return self._next

    def take(self) -> int:
        """Return the next counter. Raises `LocalProtocolError` without a lease and `CounterExhausted` at the end."""
        counter = self._next
        if counter >= self._behind:
            if counter >= END:
                raise CounterExhausted("the invocation counter is at its end: the key must be changed")
            raise LocalProtocolError("no invocation counter is leased: persist a block before sending")
        self._next = counter + 1
        return counter

    def renew(self, first: int, behind: int) -> None:
        """Go on with a new lease; what was left of the old one is given up unless it lies right before."""
        if first < self._next:
            raise LocalProtocolError("a lease may not begin below counters that were used")
        if self._next >= self._behind or first != self._behind:
            self._next = first
        self._behind = min(behind, END)


class ReceivingCounter:
    """The last counter accepted from the peer; None before the first."""

    __slots__ = ("last",)

    def __init__(self, last: int | None = None) -> None:
        self.last = last

    @property
    def smallest(self) -> int:
        """Return the smallest counter that would be accepted; at the end of the range, that end."""
        return 0 if self.last is None else min(self.last + 1, END)

    def check(self, counter: int) -> None:
        """Raise `InvocationCounterError` unless `counter` is greater than the last accepted; changes nothing."""
        if self.last is not None and counter <= self.last:
            raise InvocationCounterError(counter, self.smallest)

    def commit(self, counter: int) -> None:
        """Accept `counter`, once what it came with proved genuine."""
        self.check(counter)
        self.last = counter
