"""A MAC layer seen slot by slot: 45 octets in, 45 octets out, the frames put together and taken apart in between."""

from __future__ import annotations

from typing import Final

from cosem.errors import DecodeError
from cosem.plc.mac import Mac
from cosem.plc.mac_events import MacEvent
from cosem.plc.mac_frame import subframes_at
from cosem.plc.phy import ALARM_PATTERN, FRAME_INDICATOR, build_slots, has_alarm, parse_slot, with_alarm
from cosem.plc.reception import Reception

_WORST: Final = Reception(0.0, 0.0, 0.0, 0.0)


class SlotStation:
    """A `Mac` on a medium that knows slots only. `indicator` and `alarm_pattern` are the values that are not settled.

    A frame whose slots do not follow each other, or whose first one does not tell how many there are, is given to the
    MAC layer as it came: it is counted as a frame that is not right.
    """

    def __init__(self, mac: Mac, *, indicator: bytes = FRAME_INDICATOR, alarm_pattern: bytes = ALARM_PATTERN) -> None:
        self.mac = mac
        self.bad_indicators = 0
        self._indicator = indicator
        self._alarm_pattern = alarm_pattern
        self._parts: list[bytes] = []
        self._missing = 0
        self._expected = 0
        self._quality = _WORST
        self._sending: dict[int, bytes] = {}

    def receive(self, slot: bytes, quality: Reception, now: int) -> list[MacEvent]:
        """Take a slot that ended before slot `now`."""
        events: list[MacEvent] = []
        if self._parts and now != self._expected:
            events += self._give(now)
        if has_alarm(slot, self._alarm_pattern):
            events += self.mac.hear_alarm(quality.level, now)
        try:
            subframe = parse_slot(slot, indicator=None)
        except DecodeError:
            return events
        if slot[4:6] != self._indicator:
            self.bad_indicators += 1
            return events
        if not self._parts:
            self._missing = subframes_at(subframe) or 1
            self._quality = quality
        self._parts.append(subframe)
        self._missing -= 1
        self._expected = now + 1
        return events + (self._give(now) if not self._missing else [])

    def _give(self, now: int) -> list[MacEvent]:
        octets, self._parts = b"".join(self._parts), []
        return self.mac.receive(octets, self._quality, now)

    def take(self, now: int) -> bytes | None:
        """Return the slot that is sent with slot number `now`, or None for silence."""
        octets = self.mac.take(now)
        if octets is not None:
            self._sending = dict(enumerate(build_slots(octets, indicator=self._indicator), now))
        slot = self._sending.pop(now, None)
        if slot is not None and self.mac.take_alarm():
            return with_alarm(slot, self._alarm_pattern)
        return slot

    def next_timer(self) -> int | None:
        """Return the next slot in which something is due."""
        due = [self.mac.next_timer(), min(self._sending, default=None)]
        if self._parts:
            due.append(self._expected + 1)
        return min((slot for slot in due if slot is not None), default=None)

    def handle_timer(self, now: int) -> list[MacEvent]:
        """Let what is due happen."""
        events = self._give(now) if self._parts and now > self._expected else []
        return events + self.mac.handle_timer(now)
