"""The control log of a channel: 0-b:24.5.0, what was done to its valve, with the codes of the companion profile."""

from __future__ import annotations

from typing import Any, Final

from cosem.classes.c001_data import Data as DataObject
from cosem.classes.common import CaptureObject
from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag
from cosem.companions.companion import Companion
from cosem.device.causes import Cause, Happening
from cosem.device.host import Host
from cosem.device.mbus.valve import CAUSES
from cosem.device.profile import Column, ProfileBuffer
from cosem.device.shown import add_log
from cosem.obis import Obis

ENTRIES: Final = 100
LOGGED: Final = frozenset((*CAUSES.values(), Cause.MBUS_VALVE_ALARM))


class ControlLog:
    """The log of one channel; where the companion profile has no codes for valves it stays empty."""

    def __init__(self, host: Host, companion: Companion, channel: int) -> None:
        self._host = host
        self._channel = channel
        details = {"channel": channel}
        self._codes = {
            cause: event.code
            for group in companion.groups
            for event in group.events
            for cause in LOGGED
            if event.cause == cause.name and event.fits(details)
        }
        name = Obis(bytes((0, channel, 96, 11, 4, 255)))
        self.code = host.add(DataObject(name, value=axdr.unsigned(0)))
        clock = host.clock
        columns = [
            Column(CaptureObject(8, clock.object.obis, 2), lambda utc: b"\x09\x0c" + clock.octets(utc)),
            Column(CaptureObject(1, name, 2), lambda utc: axdr.encode(self._code)),
        ]
        log = Obis(bytes((0, channel, 24, 5, 0, 255)))
        self.buffer = ProfileBuffer(str(log), columns, clock, period=0, capacity=ENTRIES)
        add_log(host, self.buffer)
        host.causes.listeners.append(self._happened)

    @property
    def _store(self) -> dict[int, Data]:
        store: Any = self.code.store
        values: dict[int, Data] = store.values
        return values

    @property
    def _code(self) -> Data:
        return self._store[2]

    def _happened(self, happening: Happening) -> None:
        code = self._codes.get(happening.cause)
        if code is not None and happening.details.get("channel") == self._channel:
            self._store[2] = Data(Tag.UNSIGNED, code)
            self.buffer.capture(happening.at)
