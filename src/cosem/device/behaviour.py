"""What acts as time passes, and the order in which it does."""

from __future__ import annotations

from typing import Protocol


class Behaviour(Protocol):
    """Something that acts at moments it names itself. Times are seconds of UTC since 1970, whole numbers."""

    def next_time(self) -> int | None:
        """Return when `act` wants to be called next, or None."""

    def act(self, now: int) -> None:
        """Do what is due at `now`."""


class Schedule:
    """The behaviours of one device. At the same moment they act in the order they were added.

    While it is not `powered` only those act that do so without power; what the others missed is due when it returns.
    """

    def __init__(self, start: int) -> None:
        self.now = start
        self.behaviours: list[Behaviour] = []
        self.powered = True
        self._unpowered: list[Behaviour] = []

    def add(self, behaviour: Behaviour, *, unpowered: bool = False) -> None:
        """Add a behaviour; `unpowered` says that it also acts without power."""
        self.behaviours.append(behaviour)
        if unpowered:
            self._unpowered.append(behaviour)

    def advance(self, until: int) -> None:
        """Let everything happen up to and including `until`. Going back does nothing."""
        while True:
            acting = self.behaviours if self.powered else self._unpowered
            due = [time for item in acting if (time := item.next_time()) is not None]
            following = min(due, default=None)
            if following is None or following > until:
                break
            self.now = max(self.now, following)
            for item in acting:
                time = item.next_time()
                if time is not None and time <= self.now:
                    item.act(self.now)
        self.now = max(self.now, until)
