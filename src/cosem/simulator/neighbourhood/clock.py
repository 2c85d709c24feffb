"""The time of a neighbourhood for those who live by it: it may run faster than ours, and changes its speed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

TOLERATED = 2.0
"""Real seconds that our reckoning may be ahead."""


class FollowedClock:
    """UTC seconds of a neighbourhood, reckoned between what it says (`heard`). They never go back.

    `clock` says the real time in seconds.
    """

    def __init__(self, now: float, speed: float, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._now = float(now)
        self._speed = speed
        self._at = clock()

    def __call__(self) -> float:
        """Return the moment."""
        now = self._clock()
        self._now += (now - self._at) * self._speed
        self._at = now
        return self._now

    def heard(self, time: Mapping[str, Any]) -> None:
        """Take what the neighbourhood says of its time (``now``, ``speed``).

        Where its machine is too slow for its speed, this clock stands until it has caught up.
        """
        reckoned, said, speed = self(), float(time["now"]), float(time["speed"])
        self._now = max(reckoned, said)
        self._speed = speed if reckoned - said <= TOLERATED * speed else 0.0
