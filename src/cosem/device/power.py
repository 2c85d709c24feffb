"""Power failures: when the meter goes down and comes up, what is counted, and what lives on meanwhile.

Counters and times are 0-0:96.7.e of the Blue Book: all phases (0), each (1 to 3), any (21); long ones from 5 on, the
time of the last from 10, the duration of the last long one from 15, the threshold of long ones at 20.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cosem.classes.common import CaptureObject
from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag
from cosem.device.causes import Cause
from cosem.device.host import Host
from cosem.device.metering import Metering
from cosem.device.profile import Column, ProfileBuffer
from cosem.device.shown import add_log, show_moment, show_number, unsigned
from cosem.obis import Obis
from cosem.results import DataAccessResult
from cosem.units import Unit

LONG_FAILURE = 180
"""Seconds from which on a failure is a long one."""
RESERVE = 7 * 86400
"""Seconds the clock goes on without power. A choice: companion profiles ask for days."""
LOG_ENTRIES = 100
POWER: Final = "no power"
"""Why the device is down."""
LONGEST = 0xFFFF
"""Seconds the threshold has room for."""
POWER_FAILURE_LOG: Final = Obis.parse("1-0:99.97.0.255")
CUT, PHASES = "cut", "phases"
"""Why there is no power: it was taken away, or each phase is missing. It is back when neither holds."""
ALL, ANY = 0, 4
"""Beside the phases 1 to 3."""
_COUNT = {ALL: 0, 1: 1, 2: 2, 3: 3, ANY: 21}
_LONG, _TIME, _DURATION, _THRESHOLD = 5, 10, 15, 20
_KNOWN_DURATION = Obis.parse("0-0:96.7.19.255")


@dataclass(slots=True)
class Failures:
    """What is kept of the failures of one phase, of all or of any. Times are UTC seconds by the meter's clock."""

    count: int = 0
    long: int = 0
    since: int | None = None
    last: int | None = None
    last_long_duration: int = 0


class PowerSupply:
    """The supply of one meter. `fail` and `restore` are inputs of the simulation, and so is the battery.

    Without power nothing acts but the clock, and what is measured is nothing. `last_gasp` notes `LAST_GASP` before the
    meter goes. Where the outage was longer than `reserve`, or the battery is empty, the clock has stopped being trusted
    when power returns. `missing` are the phases (1 to 3) without voltage, as `Mains` keeps them.
    """

    def __init__(
        self, host: Host, metering: Metering, *, last_gasp: bool = False, reserve: int | None = RESERVE
    ) -> None:
        self._host = host
        self._metering = metering
        self._last_gasp = last_gasp
        self._reserve = reserve
        self._threshold = LONG_FAILURE
        self._down_at = 0
        self._empty = self._unkept = False
        self._reasons: set[str] = set()
        self.missing: frozenset[int] = frozenset()
        self.failures = {which: Failures() for which in (ALL, 1, 2, 3, ANY)}
        self._objects()
        columns = [
            Column(CaptureObject(8, host.clock.object.obis, 2), lambda utc: b"\x09\x0c" + host.clock.octets(utc)),
            Column(CaptureObject(3, _KNOWN_DURATION, 2), lambda utc: axdr.encode(unsigned(self._last(ANY)))),
        ]
        self.log = ProfileBuffer(str(POWER_FAILURE_LOG), columns, host.clock, period=0, capacity=LOG_ENTRIES)
        add_log(host, self.log)

    def _objects(self) -> None:
        host = self._host
        for which, failures in self.failures.items():
            for number, unit, read in (
                (_COUNT[which], Unit.COUNT, lambda f=failures: f.count),
                (_LONG + which, Unit.COUNT, lambda f=failures: f.long),
                (_DURATION + which, Unit.SECOND, lambda f=failures: f.last_long_duration),
            ):
                show_number(host, _name(number), unit, read)
            show_moment(host, _name(_TIME + which), lambda f=failures: f.last)  # type: ignore[misc]
        threshold = show_number(host, _name(_THRESHOLD), Unit.SECOND, lambda: self._threshold)
        host.writers(threshold, {2: self._write_threshold})

    def _write_threshold(self, value: Data) -> DataAccessResult:
        if value.tag is not Tag.DOUBLE_LONG_UNSIGNED:
            return DataAccessResult.TYPE_UNMATCHED
        if not 1 <= value.value <= LONGEST:
            return DataAccessResult.OTHER_REASON
        self._threshold = value.value
        return DataAccessResult.SUCCESS

    def _last(self, which: int) -> int:
        return self.failures[which].last_long_duration

    # --- inputs --------------------------------------------------------------------------------------------

    @property
    def powered(self) -> bool:
        """Whether the meter has power."""
        return self._host.device.schedule.powered

    def fail(self, why: str = CUT) -> None:
        """Take the power away. What is noted of it is noted with the last of it."""
        self._reasons.add(why)
        if not self.powered:
            return
        self._down_at = self._host.now
        self._unkept = self._empty
        self._host.note(Cause.POWER_DOWN)
        if self._last_gasp:
            self._host.note(Cause.LAST_GASP)
        self._metering.measure(range(3), False, "voltage")
        for which in self.failures:
            self._begin(which)
        self._host.device.schedule.powered = False
        self._host.device.go_down(POWER)

    def restore(self, why: str = CUT) -> None:
        """Give the power back, but for the phases that are `missing`, where it is gone for no other reason."""
        self._reasons.discard(why)
        if self.powered or self._reasons:
            return
        still = self.missing
        host = self._host
        outage = host.now - self._down_at
        host.device.schedule.powered = True
        host.device.come_up(POWER)
        self._metering.measure([phase for phase in range(3) if phase + 1 not in still], True, "voltage")
        for which in (ALL, 1, 2, 3, *(() if still else (ANY,))):
            if which not in still:
                self._end(which)
        for behaviour in host.device.schedule.behaviours:
            if isinstance(behaviour, ProfileBuffer):
                behaviour.power_returned()
        if outage >= self._threshold:
            self.log.capture()
        if self._reserve is not None and (self._unkept or outage > self._reserve):
            host.clock.invalid = True
            host.note(Cause.CLOCK_INVALID)
        host.note(Cause.POWER_UP, outage=outage)

    def phase(self, phase: int, missing: bool) -> None:
        """Learn that one phase (1 to 3) of a meter that goes on has failed, or is back."""
        self._metering.measure((phase - 1,), not missing, "voltage")
        (self._begin if missing else self._end)(phase)
        if missing:
            self._begin(ANY)
        elif all(self.failures[which].since is None for which in (1, 2, 3)):
            self._end(ANY)

    def battery(self, empty: bool) -> None:
        """Let the clock's battery run down, or put in a new one. Without it the clock does not outlast any outage."""
        self._empty = empty
        self._unkept |= empty
        self._host.note(Cause.BATTERY_LOW if empty else Cause.BATTERY_REPLACED)

    def _begin(self, which: int) -> None:
        failures = self.failures[which]
        if failures.since is None:
            failures.count += 1
            failures.since = failures.last = self._host.clock.now

    def _end(self, which: int) -> None:
        failures = self.failures[which]
        if failures.since is None:
            return
        duration = max(0, self._host.clock.now - failures.since)
        failures.since = None
        if duration >= self._threshold:
            failures.long += 1
            failures.last_long_duration = duration


def _name(number: int) -> Obis:
    return Obis(bytes((0, 0, 96, 7, number, 255)))
