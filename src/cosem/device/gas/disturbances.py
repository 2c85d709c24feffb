"""What each step of a converter says of its inputs becomes causes, when it begins and when it is over."""

from __future__ import annotations

from typing import Final

from cosem.device.causes import Cause
from cosem.device.gas.periods import Periods
from cosem.device.gas.process import Process
from cosem.device.host import Host
from cosem.gas.conversion import NO_ALARM, Alarm, Step
from cosem.gas.quality import Change, QualityChange

ALARMS: Final = {
    Alarm.PRESSURE: (Cause.GAS_PRESSURE_FAILED, Cause.GAS_PRESSURE_OK),
    Alarm.TEMPERATURE: (Cause.GAS_TEMPERATURE_FAILED, Cause.GAS_TEMPERATURE_OK),
    Alarm.INPUT: (Cause.GAS_INPUT_FAILED, Cause.GAS_INPUT_OK),
    Alarm.FLOW: (Cause.GAS_FLOW_EXCEEDED, Cause.GAS_FLOW_OK),
    Alarm.QUALITY: (Cause.GAS_QUALITY_SUBSTITUTED, Cause.GAS_QUALITY_VALID),
    Alarm.COMPRESSIBILITY: (Cause.GAS_COMPRESSIBILITY_FAILED, Cause.GAS_COMPRESSIBILITY_OK),
}
_QUALITY: Final = {
    Change.IN_FORCE: Cause.GAS_QUALITY_CHANGED,
    Change.CORRECTED: Cause.GAS_QUALITY_CHANGED,
    Change.RAN_OUT: Cause.GAS_QUALITY_CHANGED,
    Change.LATE: Cause.GAS_QUALITY_LATE,
    Change.DOUBLED: Cause.GAS_QUALITY_DOUBLED,
    Change.OUTDATED: Cause.GAS_QUALITY_REFUSED,
    Change.EXPIRED: Cause.GAS_QUALITY_REFUSED,
}


class Disturbances:
    """Watches the steps of a converter. `limits` are contracted consumptions at base conditions by period, in 1e-6 m³.

    `alarms` are those of the last step, `range_left` what was out of range then.
    """

    def __init__(self, host: Host, process: Process, periods: Periods) -> None:
        self._host = host
        self._periods = periods
        self.alarms = NO_ALARM
        self.range_left = False
        self.limits: dict[str, int] = {}
        self._over: set[str] = set()
        process.stepped.append(self._stepped)
        process.changed.append(self._quality)
        periods.closed.append(self._closed)

    def _stepped(self, step: Step) -> None:
        changed = step.alarms ^ self.alarms
        outside = bool(step.outside)
        if not changed and outside == self.range_left:
            return
        self.alarms = step.alarms
        at = step.at + self._host.clock.offset
        for alarm, (begun, over) in ALARMS.items():
            if alarm in changed:
                self._host.causes.note(begun if alarm in step.alarms else over, at=at)
        if outside != self.range_left:
            self.range_left = outside
            self._host.causes.note(Cause.GAS_RANGE_LEFT if outside else Cause.GAS_RANGE_OK, at=at)

    def _quality(self, change: QualityChange) -> None:
        cause = _QUALITY.get(change.what)
        if cause is not None:
            self._host.note(cause, what=change.what.value, old=change.old or "", new=change.new or "")

    def _closed(self, name: str, at: int) -> None:
        limit, closed = self.limits.get(name), self._periods.periods[name].last
        if limit is None or closed is None:
            return
        if closed.increments["base", "absolute"] > limit:
            if name not in self._over:
                self._over.add(name)
                self._host.causes.note(Cause.GAS_CONSUMPTION_EXCEEDED, at=at, monitor=name)
        elif name in self._over:
            self._over.discard(name)
            self._host.causes.note(Cause.GAS_CONSUMPTION_OK, at=at, monitor=name)
