"""How fast a device in virtual time lives while others want to speak to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

SLICE = 6 * 3600
"""Virtual seconds lived between looks at the real time."""
LONGEST = 0.25
"""Real seconds lived at a stretch: whoever has asked waits no longer than that."""


class Living(Protocol):
    """A device that lives when it is told to."""

    @property
    def now(self) -> int:
        """Its time, UTC seconds."""

    def advance(self, until: int) -> None:
        """Let it live until then."""


class Pace:
    """`speed` virtual seconds a second, from the time of the device on; or as many as can be done.

    `clock` says the real time in seconds; `slice_` virtual seconds are lived between looks at it,
    `longest` real ones at a stretch. What could not be
    lived yet is caught up with later: a device that is late still answers.
    """

    def __init__(
        self, device: Living, speed: float, clock: Callable[[], float], slice_: int = SLICE, longest: float = LONGEST
    ) -> None:
        self._device = device
        self._clock = clock
        self._slice = slice_
        self._longest = longest
        self.set_speed(speed)

    def set_speed(self, speed: float) -> None:
        """Live at another speed from now on; what was late is left behind."""
        self.speed = speed
        self._begun, self._life = self._clock(), self._device.now

    def live(self) -> bool:
        """Live until the present, or as long as nobody minds; say whether the present is reached."""
        looked = self._clock()
        until = self._life + int((looked - self._begun) * self.speed)
        while True:
            # Also where no time has passed: what was asked for in this second may have something to follow in it.
            self._device.advance(min(until, self._device.now + self._slice))
            if self._device.now >= until or self._clock() - looked >= self._longest:
                return self._device.now >= until
