"""Scripts that only remember that they were run: for what runs scripts at moments of a calendar."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cosem.classes.c001_data import Data as DataObject
from cosem.classes.c010_schedule import ScheduleEntry, Weekdays
from cosem.classes.common import ActionItem
from cosem.codec import axdr
from cosem.codec.axdr import Data
from cosem.device.agenda import Agenda
from cosem.device.causes import Cause
from cosem.device.host import Host
from cosem.device.scripts import ScriptTables, writing
from cosem.obis import Obis
from cosem.results import DataAccessResult
from cosem.times import CosemDate, CosemTime
from support.meters import bare_host

TABLE = Obis.parse("0-0:10.0.100.255")
MARK = Obis.parse("0-0:96.13.0.255")


def script(number: int) -> ActionItem:
    return ActionItem(TABLE, number)


def entry(index: int, at: str, number: int = 1, *, window: int = 0, special: str = "", **more: Any) -> ScheduleEntry:
    """Return an entry of a schedule: script `number` at a time of every day."""
    given = {"begin_date": CosemDate(), "end_date": CosemDate(), "enable": True} | more
    return ScheduleEntry(
        index=index,
        script_logical_name=TABLE,
        script_selector=number,
        switch_time=CosemTime.parse(at),
        validity_window=window,
        exec_weekdays=Weekdays(0x7F),
        exec_specdays=special,
        **given,
    )


class Recorder:
    """A device with an agenda and scripts 1 to 9; `ran` has the local time and number of every script."""

    def __init__(self, start: int) -> None:
        self.host: Host = bare_host(start)
        self.scripts = ScriptTables(self.host)
        self.agenda = Agenda(self.host)
        self.ran: list[tuple[str, int]] = []
        self.origins: set[Any] = set()
        self.host.writers(self.host.add(DataObject(MARK, value=axdr.unsigned(0))), {2: self._mark})
        for number in range(1, 10):
            self.scripts.add(TABLE, number, writing(1, MARK, 2, axdr.unsigned(number)))

    def _mark(self, value: Data) -> DataAccessResult:
        self.ran.append((f"{self.local:%H:%M}", value.value))
        self.origins.add(self.host.origin)
        return DataAccessResult.SUCCESS

    @property
    def local(self) -> datetime:
        return self.host.clock.local(self.host.clock.now)

    @property
    def numbers(self) -> list[int]:
        return [number for _, number in self.ran]

    def until(self, moment: int) -> None:
        self.host.device.advance(moment)

    def jump(self, seconds: int) -> None:
        self.host.clock.jump_to(self.host.clock.now + seconds)

    def outage(self, begin: int, end: int) -> None:
        """Be without power: nothing acts, whoever keeps the meter alive."""
        self.until(begin)
        self.host.note(Cause.POWER_DOWN)
        self.until(end)
        self.host.note(Cause.POWER_UP, outage=end - begin)

    def write(self, obj: Any, attribute: int, value: Any) -> DataAccessResult:
        """Write an attribute as a client does."""
        kind = type(obj).attributes[attribute].type
        return self.host.write(obj.class_id, obj.obis, attribute, kind.to_data(value))

    def call(self, obj: Any, method: int, parameter: Any) -> Any:
        """Invoke a method as a client does."""
        kind = type(obj).methods[method].parameter
        return self.host.invoke(obj.class_id, obj.obis, method, kind.to_data(parameter))
