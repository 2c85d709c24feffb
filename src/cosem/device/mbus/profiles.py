"""Load profiles of a channel: 0-b:24.3.0 hourly, .1 daily, .2 monthly, with the values as they were captured last.

A row is stamped with the end of its period. Its values may be older: their capture time and status are beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Final

from cosem.classes.c022_single_action_schedule import ExecutionTime
from cosem.classes.common import CaptureObject
from cosem.codec import axdr
from cosem.device.agenda import Agenda
from cosem.device.clock import DAY, DeviceClock
from cosem.device.host import Host
from cosem.device.mbus.values import CAPTURE_TIME, STATUS, VALUE, MBusValues
from cosem.device.profile import Column, ProfileBuffer
from cosem.device.scripts import ScriptTables, calling
from cosem.device.single_action import SingleActionBehaviour
from cosem.obis import Obis
from cosem.times import CosemDate, CosemTime

HOUR: Final = 3600
HOURLY, DAILY, MONTHLY = 0, 1, 2
CAPTURE: Final = 2


class DayProfile(ProfileBuffer):
    """A profile whose day begins at another hour than midnight, as gas days do. Other periods are as they are.

    While `active` says no, on a channel without a device, nothing is captured.
    """

    def __init__(
        self,
        name: str,
        columns: Sequence[Column],
        clock: DeviceClock,
        *,
        begins: int,
        active: Callable[[], bool],
        **more: Any,
    ) -> None:
        self._begins = begins
        self._active = active
        super().__init__(name, columns, clock, **more)

    def capture(self, utc: int | None = None) -> None:
        """Append a row as every profile does, where there is a device."""
        if self._active():
            super().capture(utc)

    def _following(self, utc: int) -> int | None:
        if self.period != DAY or not self._begins:
            return super()._following(utc)
        clock = self.clock
        moment = clock.local(utc).replace(hour=self._begins, minute=0, second=0, microsecond=0)
        while (found := clock.moments(moment)[0]) <= utc:
            moment += timedelta(days=1)
        return found


class MBusProfiles:
    """The profiles of one channel, and the script (0-b:10.0.110) and schedule (0-b:15.0.6) that end its months."""

    def __init__(
        self,
        host: Host,
        channel: int,
        values: MBusValues,
        agenda: Agenda,
        scripts: ScriptTables,
        *,
        begins: int,
        days: int,
        months: int,
        settle: Callable[[], None],
        active: Callable[[], bool],
    ) -> None:
        clock = host.clock
        columns = [Column(CaptureObject(8, clock.object.obis, 2), lambda utc: b"\x09\x0c" + clock.octets(utc))]
        for obj in values.objects:
            for number in (VALUE, STATUS, CAPTURE_TIME):
                columns.append(Column(CaptureObject(4, obj.obis, number), _reader(obj, number)))

        def add(number: int, period: int, capacity: int) -> DayProfile:
            name = str(Obis(bytes((0, channel, 24, 3, number, 255))))
            buffer = DayProfile(
                name,
                columns,
                clock,
                begins=begins,
                active=active,
                period=period,
                capacity=capacity,
                resolve=_among(columns),
            )
            host.add(buffer.object)
            host.device.readers[bytes(buffer.object.obis), 2] = buffer.read
            host.writers(buffer.object, buffer.writers)
            host.schedule(buffer)

            def capture(parameter: int) -> None:
                # Scripts come before channels at the same moment.
                settle()
                buffer.capture()

            host.handle(buffer.object, CAPTURE, capture)
            return buffer

        self.hourly = add(HOURLY, HOUR, 24 * days)
        self.daily = add(DAILY, DAY, days)
        self.monthly = add(MONTHLY, 0, months)
        script = scripts.add(f"0-{channel}:10.0.110.255", 1, calling(7, self.monthly.object.obis, CAPTURE))
        first = ExecutionTime(CosemTime(begins, 0, 0, 0), CosemDate(day=1))
        self.schedule = SingleActionBehaviour(host, agenda, scripts, f"0-{channel}:15.0.6.255", script, times=[first])


def _reader(obj: Any, number: int) -> Callable[[int], bytes]:
    return lambda utc: axdr.encode(obj.store.values[number])


def _among(columns: Sequence[Column]) -> Callable[[CaptureObject], Column | None]:
    """Return what finds columns for a client: those of this channel, in whatever choice."""
    known = {tuple(column.capture): column for column in columns}
    return lambda capture: known.get(tuple(capture))
