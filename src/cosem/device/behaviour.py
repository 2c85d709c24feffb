"""What acts as time passes, and the order in which it does."""

from __future__ import annotations

from itertools import islice
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
        acting: list[Behaviour] = []
        # Those in front of `asked` may have another time since somebody acted; the others said theirs afterwards:
        # `soonest` is the least of that, of the one at `whose`.
        asked, soonest, whose = 0, None, 0
        while True:
            present = self.behaviours if self.powered else self._unpowered
            if present is not acting:
                acting, asked, soonest = present, len(present), None
            following, place = soonest, whose
            for number, item in enumerate(islice(acting, asked)):
                time = item.next_time()
                if time is not None and (
                    following is None or time < following or (time == following and number < place)
                ):
                    following, place = time, number
            if following is None or following > until:
                break
            # Nobody in front of the first of them has anything to do now, unless time was behind already.
            asked, soonest = (0 if following < self.now else place), None
            self.now = now = max(self.now, following)
            for number, item in enumerate(islice(acting, asked, None), asked):
                time = item.next_time()
                if time is None:
                    continue
                if time <= now:
                    item.act(now)
                    asked, soonest = number + 1, None
                elif soonest is None or time < soonest:
                    soonest, whose = time, number
        self.now = max(self.now, until)
