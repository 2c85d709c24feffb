"""Events: what happened becomes a code, a row of its group's log, and bits of error and alarm registers.

Which code, log and bit is the companion profile's business (`cosem.companions`); what happened is told by `Causes`.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from cosem.classes.c001_data import Data as DataObject
from cosem.classes.common import CaptureObject
from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag
from cosem.companions.companion import Companion, EventCode, EventGroup
from cosem.device.alarms import EventRegister
from cosem.device.causes import ENDED_BY, Cause, Happening
from cosem.device.host import Host
from cosem.device.profile import Column, ProfileBuffer
from cosem.device.shown import add_log

_NULL = b"\x00"


class EventLog:
    """The events of one group: the object with the last code, and the profile that captures it with the clock."""

    def __init__(self, host: Host, group: EventGroup) -> None:
        self.host = host
        self.group = group
        self._stamp: bytes | None = None
        self._details: dict[str, object] = {}
        self.code = host.add(DataObject(group.code, value=axdr.unsigned(0)))
        for extra in group.extra:
            if extra.detail is not None and host.find(extra.name) is None:
                host.add(DataObject(extra.name, value=axdr.double_long_unsigned(0)))
        columns = [
            Column(CaptureObject(8, host.clock.object.obis, 2), self._time),
            Column(CaptureObject(1, group.code, 2), lambda utc: axdr.encode(self._code)),
            *(self._extra(extra) for extra in group.extra),
        ]
        self.buffer = ProfileBuffer(str(group.log), columns, host.clock, period=0, capacity=group.entries)
        add_log(host, self.buffer)
        host.handle(self.buffer.object, 1, self._reset)

    @property
    def _code(self) -> Data:
        value: Data = self.code.store.values[2]  # type: ignore[attr-defined]
        return value

    def _time(self, utc: int) -> bytes:
        return b"\x09\x0c" + (self._stamp or self.host.clock.octets(utc))

    def _extra(self, extra: Any) -> Column:
        """Return a column behind the code: of a detail, or of an object of the meter; null-data where there is none."""

        def read(utc: int) -> bytes:
            if self._details.get("cleared"):
                return _NULL
            if extra.detail is not None:
                value = self._details.get(extra.detail)
                if not isinstance(value, int):
                    return _NULL
                return axdr.encode(axdr.double_long_unsigned(value))
            data = self.host.read(extra.class_id, extra.name, extra.attribute, extra.data_index)
            return _NULL if data is None else axdr.encode(data)

        return Column(CaptureObject(extra.class_id, extra.name, extra.attribute, extra.data_index), read)

    def record(self, code: int, happening: Happening) -> None:
        """Show a code and write its row. `stamp` of the details is the local time where the UTC does not say it."""
        stamp = happening.details.get("stamp")
        self._stamp = stamp if isinstance(stamp, bytes) else None
        self._details = dict(happening.details)
        self.code.store.values[2] = Data(Tag.UNSIGNED, code)  # type: ignore[attr-defined]
        for extra in self.group.extra:
            value = self._details.get(extra.detail or "")
            if isinstance(value, int):
                shown: Any = self.host.find(extra.name)
                shown.store.values[2] = Data(Tag.DOUBLE_LONG_UNSIGNED, value)
        self.buffer.capture(happening.at)
        self._stamp, self._details = None, {}

    def _reset(self, parameter: int) -> None:
        """Empty the log; that this was done is its first row."""
        self.buffer.clear()
        self.host.note(Cause.LOG_CLEARED, group=self.group.name, cleared=True)


class Events:
    """The event logs, error registers and alarm registers of one device."""

    def __init__(self, host: Host, companion: Companion, *, alarm_autoclear: bool = True) -> None:
        self.companion = companion
        self.logs = {group.name: EventLog(host, group) for group in companion.groups}
        self.errors = [
            EventRegister(host, layout, Cause.ERROR_REGISTER_CLEARED, autoclear=False) for layout in companion.errors
        ]
        self.alarms = [
            EventRegister(host, layout, Cause.ALARM_REGISTER_CLEARED, autoclear=alarm_autoclear)
            for layout in companion.alarms
        ]
        self._codes: dict[str, list[tuple[str, EventCode]]] = {}
        for group in companion.groups:
            for event in group.events:
                if event.cause is not None:
                    self._codes.setdefault(event.cause, []).append((group.name, event))
        self._ends: dict[Cause, list[Cause]] = {}
        for begun, over in ENDED_BY.items():
            for cause in over:
                self._ends.setdefault(cause, []).append(begun)
        self._lasting: set[Hashable] = set()
        host.causes.listeners.append(self._happened)

    def _happened(self, happening: Happening) -> None:
        cause, which = happening.cause, happening.which
        key = (cause, which)
        if key in self._lasting:
            return
        if cause in ENDED_BY:
            self._lasting.add(key)
        for begun in self._ends.get(cause, ()):
            self._lasting.discard((begun, which))
            for register in self.alarms:
                register.over((begun, which))
        for group, event in self._codes.get(cause.name, ()):
            if not event.fits(happening.details) or happening.details.get("group", group) != group:
                continue
            self.logs[group].record(event.code, happening)
            for register in (*self.errors, *self.alarms):
                register.event(group, event.code, key)
