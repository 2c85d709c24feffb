"""What the clock is noted for: being set, being set back, daylight saving time."""

from __future__ import annotations

from datetime import timedelta

from cosem.device.causes import Cause, Happening
from cosem.device.host import Host
from cosem.times import CosemDateTime

SET_BACK = 60
"""Seconds from which on setting the clock back is counted as an attempt to move consumption. A choice."""


class ClockEvents:
    """Notes adjustments from the clock's `jump_limit` on (smaller ones are silent) and the changes of the hour."""

    def __init__(self, host: Host, *, set_back: int = SET_BACK) -> None:
        self._host = host
        self._set_back = set_back
        self._clock = host.clock
        self._next = self._clock.next_change(self._clock.now)
        self._clock.on_jump.append(self._jumped)
        host.causes.listeners.append(self._happened)
        host.schedule(self)

    def next_time(self) -> int | None:
        """Return when daylight saving time begins or ends, in the simulation's time."""
        return None if self._next is None else self._next - self._clock.offset

    def act(self, now: int) -> None:
        """Note that the hour has changed, under the time before it did."""
        utc = self._clock.now
        # Both are read as local times: the change itself in the deviation that held until then.
        before = CosemDateTime.from_octets(self._clock.octets(utc - 1))
        stamp = CosemDateTime.from_datetime(before.to_datetime() + timedelta(seconds=1), before.clock_status)
        self._host.note(Cause.DAYLIGHT_SAVING_CHANGED, stamp=stamp.to_octets())
        self._next = self._clock.next_change(utc)

    def _jumped(self, old: int, new: int) -> None:
        self._next = self._clock.next_change(new)
        if abs(new - old) < self._clock.jump_limit:
            return
        self._host.causes.note(Cause.CLOCK_ADJUSTED_FROM, at=old)
        self._host.causes.note(Cause.CLOCK_ADJUSTED_TO, at=new)
        if old - new >= self._set_back:
            self._host.note(Cause.CLOCK_SET_BACK)

    def _happened(self, happening: Happening) -> None:
        if happening.cause is Cause.POWER_UP:
            # A change during an outage is no event.
            self._next = self._clock.next_change(self._clock.now)
