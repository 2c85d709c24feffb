"""The archives of a gas device: rings that capture at the ends of periods and when something happens.

Every row has a number that goes on over all archives, and says what made it be written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Any, Final, Protocol

from cosem.classes.common import CaptureObject
from cosem.codec import axdr
from cosem.codec.axdr import Tag
from cosem.device.causes import Cause, Happening
from cosem.device.gas.disturbances import ALARMS
from cosem.device.gas.object_map import ProfileMap
from cosem.device.gas.records import keep_log
from cosem.device.host import Host
from cosem.device.profile import CLOCK_COLUMN, Column, ProfileBuffer
from cosem.errors import ConfigError
from cosem.obis import Obis

UNIX: Final = (1, bytes(Obis.parse("0-0:1.1.0.255")), 2, 0)
_NULL: Final = b"\x00"


class PeriodSource(Protocol):
    """Who ends periods: see `Periods`."""

    closed: list[Callable[[str, int], None]]

    @property
    def lengths(self) -> dict[str, int]:
        """Return the lengths of the measurement periods in seconds."""

    def reset(self, name: str) -> None:
        """End a period now."""


class Trigger(IntEnum):
    """What made a row be written. The codes are ours."""

    START = 0
    PERIOD = 1
    ALARM = 2
    QUALITY = 3
    CLOCK = 4
    PARAMETER = 5
    COMMAND = 6
    RESTORED = 7


_TRIGGERS: Final = {
    **{cause: Trigger.ALARM for pair in ALARMS.values() for cause in pair},
    Cause.GAS_QUALITY_CHANGED: Trigger.QUALITY,
    Cause.GAS_QUALITY_LATE: Trigger.QUALITY,
    Cause.CLOCK_ADJUSTED_TO: Trigger.CLOCK,
    Cause.PARAMETER_CHANGED: Trigger.PARAMETER,
    Cause.DATA_RESTORED: Trigger.RESTORED,
}


class Archives:
    """All archives of one device. `number` and `trigger` are those of the row written last."""

    def __init__(self, host: Host, settle: Callable[[], None], periods: PeriodSource) -> None:
        self._host = host
        self._settle = settle
        self._periods = periods
        self.number = 0
        self.trigger = Trigger.START
        self.buffers: dict[Obis, ProfileBuffer] = {}
        self._maps: list[tuple[ProfileMap, ProfileBuffer]] = []
        periods.closed.append(self._closed)

    def listen(self) -> None:
        """Hear of what happens from now on, after those who listen already."""
        self._host.causes.listeners.append(self._happened)

    def add(self, profiles: Sequence[ProfileMap]) -> None:
        """Add archives; ConfigError for a column that the device has not."""
        for profile in profiles:
            columns = [self._column(profile, *column) for column in profile.columns]
            buffer = ProfileBuffer(str(profile.name), columns, self._host.clock, period=0, capacity=profile.rows)
            keep_log(self._host, buffer)
            self._serve(profile, buffer)
            self.buffers[profile.name] = buffer
            self._maps.append((profile, buffer))

    def _serve(self, profile: ProfileMap, buffer: ProfileBuffer) -> None:
        self._host.handle(buffer.object, 2, lambda parameter: self._command(profile))
        self._host.compute(buffer.object, 4, lambda: axdr.double_long_unsigned(self._seconds(profile)))

    def _seconds(self, profile: ProfileMap) -> int:
        """Return the capture period an archive shows: 0 where it is no fixed number of seconds."""
        return self._periods.lengths.get(profile.every, 0)

    def _column(self, profile: ProfileMap, class_id: int, name: Obis, attribute: int) -> Column:
        capture = CaptureObject(class_id, name, attribute)
        key = (class_id, bytes(name), attribute, 0)
        clock = self._host.clock
        if key == CLOCK_COLUMN:
            return Column(capture, lambda utc: b"\x09\x0c" + clock.octets(utc))
        if key == UNIX:
            return Column(capture, lambda utc: bytes((Tag.DOUBLE_LONG_UNSIGNED,)) + utc.to_bytes(4, "big"))
        obj: Any = self._host.find(name, class_id)
        if obj is None or attribute not in obj.attributes:
            raise ConfigError(f"the profile {profile.name} captures {name}, which is not there")

        def read(utc: int) -> bytes:
            data = obj.store.data(attribute)
            return _NULL if data is None else axdr.encode(data)

        return Column(capture, read)

    # --- capturing -----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Write the first rows, from which everything is counted."""
        self._events(Trigger.START)

    def _write(self, buffer: ProfileBuffer, trigger: Trigger, utc: int) -> None:
        self.number += 1
        self.trigger = trigger
        buffer.capture(utc)

    def _closed(self, name: str, utc: int) -> None:
        for profile, buffer in self._maps:
            if profile.every == name:
                self._write(buffer, Trigger.PERIOD, utc)

    def _events(self, trigger: Trigger, utc: int | None = None) -> None:
        for profile, buffer in self._maps:
            if profile.events:
                self._write(buffer, trigger, self._host.clock.now if utc is None else utc)

    def _happened(self, happening: Happening) -> None:
        trigger = _TRIGGERS.get(happening.cause)
        if trigger is not None:
            self._settle()
            self._events(trigger)

    def _command(self, profile: ProfileMap) -> None:
        """End the period of an archive by hand; one of measurement periods or events just gets a row."""
        if profile.every in ("bp1", "bp2"):
            self._periods.reset(profile.every)
            self._host.note(Cause.BILLING_RESET, periodic=False)
        else:
            self._settle()
            self._write(self.buffers[profile.name], Trigger.COMMAND, self._host.clock.now)
