"""What was changed, by whom: the audit trail, and the certification data log that stands in for the seal.

A row has the time, the client, the object, the value before and after, and the counter at that moment. The audit trail
is a ring; the certification data log is full when it is full, and then nothing that belongs in it can be changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cosem.classes.c001_data import Data as DataObject
from cosem.classes.common import CaptureObject
from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag
from cosem.device.causes import Cause
from cosem.device.errors import Refused
from cosem.device.gas.locks import Level, Locks
from cosem.device.host import Host
from cosem.device.profile import Column, ProfileBuffer
from cosem.device.shown import add_log, settled
from cosem.obis import Obis
from cosem.results import ActionResult

ROOM: Final = 3
"""Rows that have to be free before anything is changed that leaves rows here (PTB-A 50.7)."""
_NOTHING: Final = Data(Tag.NULL_DATA, None)


def refuse(parameter: int) -> None:
    """Be a method that nobody may call."""
    raise Refused(ActionResult.READ_WRITE_DENIED)


def keep_log(host: Host, buffer: ProfileBuffer) -> None:
    """Add a log that no client empties, shortens or writes rows into."""
    add_log(host, buffer)
    seal_log(host, buffer)


def seal_log(host: Host, buffer: ProfileBuffer) -> None:
    """Let no client empty, shorten or write rows into a log that is there."""
    host.writers(buffer.object, {8: settled})
    for method in (1, 2):
        host.handle(buffer.object, method, refuse)


@dataclass(frozen=True, slots=True)
class Change:
    """One change: who (SAP of the client, 0 nobody from outside), of which object and attribute, from what to what."""

    user: int
    name: Obis
    attribute: int
    old: Data
    new: Data


class ChangeColumns:
    """The objects that hold the last change, which both logs capture; `first` is the code of the first, E counts on."""

    def __init__(self, host: Host, first: Obis, counter: CaptureObject) -> None:
        self._host = host
        self._counter = counter
        self.change = Change(0, Obis(bytes(6)), 0, _NOTHING, _NOTHING)
        self._names = [Obis(bytes((*first[:4], first[4] + place, 255))) for place in range(5)]
        for name, read in zip(self._names, self._reads(), strict=True):
            host.compute(host.add(DataObject(name, value=_NOTHING)), 2, read)

    def _reads(self) -> list[Callable[[], Data]]:
        return [
            lambda: Data(Tag.UNSIGNED, self.change.user),
            lambda: Data(Tag.OCTET_STRING, bytes(self.change.name)),
            lambda: Data(Tag.UNSIGNED, self.change.attribute),
            lambda: self.change.old,
            lambda: self.change.new,
        ]

    def columns(self) -> list[Column]:
        """Return the columns of a log of changes."""
        clock = self._host.clock
        columns = [Column(CaptureObject(8, clock.object.obis, 2), lambda utc: b"\x09\x0c" + clock.octets(utc))]
        for name, read in zip(self._names, self._reads(), strict=True):
            columns.append(Column(CaptureObject(1, name, 2), lambda utc, read=read: axdr.encode(read())))  # type: ignore[misc]
        columns.append(Column(self._counter, self._counted))
        return columns

    def _counted(self, utc: int) -> bytes:
        data = self._host.read(self._counter.class_id, self._counter.logical_name, self._counter.attribute_index)
        return axdr.encode(_NOTHING if data is None else data)


class Records:
    """Both logs of one device."""

    def __init__(
        self,
        host: Host,
        locks: Locks,
        columns: ChangeColumns,
        *,
        audit: Obis,
        certification: Obis,
        audit_rows: int = 1000,
        certification_rows: int = 50,
    ) -> None:
        self._host = host
        self._locks = locks
        self._columns = columns
        self.audit = ProfileBuffer(str(audit), columns.columns(), host.clock, period=0, capacity=audit_rows)
        self.certification = ProfileBuffer(
            str(certification), columns.columns(), host.clock, period=0, capacity=certification_rows
        )
        for log, reset in ((self.audit, refuse), (self.certification, self._clear)):
            keep_log(host, log)
            host.handle(log.object, 1, reset)

    @property
    def room(self) -> int:
        """Return how many rows the certification data log still takes."""
        return self.certification.capacity - len(self.certification.rows)

    def changed(self, change: Change) -> None:
        """Write the row of a change."""
        self._columns.change = change
        self.audit.capture()

    def certified(self, change: Change) -> None:
        """Write two rows into the certification data log: as it was before, and the change. Its room was looked at."""
        self._columns.change = Change(change.user, change.name, change.attribute, change.old, _NOTHING)
        self.certification.capture()
        self._columns.change = change
        self.certification.capture()
        if self.room < ROOM:
            self._host.note(Cause.CERTIFICATION_LOG_FULL)

    def _clear(self, parameter: int) -> None:
        if not self._locks.is_open(Level.CALIBRATION):
            self._host.note(Cause.WRITE_LOCKED, lock=Level.CALIBRATION.value)
            raise Refused(ActionResult.READ_WRITE_DENIED)
        self.certification.clear()
        self._host.note(Cause.CERTIFICATION_LOG_CLEARED)
