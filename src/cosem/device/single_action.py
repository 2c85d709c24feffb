"""Behaviour of single action schedules (class 22): one script at given times."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from cosem.classes.c022_single_action_schedule import ExecutionTime, ExecutionType, SingleActionSchedule
from cosem.classes.common import ActionItem
from cosem.codec.axdr import Data
from cosem.device.agenda import SINGLE, Agenda, Due, Entry
from cosem.device.host import Host, Origin
from cosem.device.moments import fits, has_wildcards, is_livable, is_time, times_of, usable
from cosem.device.scripts import ScriptTables
from cosem.obis import Obis, obis
from cosem.results import DataAccessResult

MAX_TIMES = 100
"""More execution times than any schedule has; bounds what a client can make a meter do."""
NO_SCRIPT = ActionItem(Obis(bytes(6)), 0)

_PLAIN = (ExecutionType.EQUAL_TIMES_NO_WILDCARDS, ExecutionType.DIFFERENT_TIMES_NO_WILDCARDS)
_EQUAL = (ExecutionType.EQUAL_TIMES_NO_WILDCARDS, ExecutionType.EQUAL_TIMES_WILDCARDS_ALLOWED)


def is_never(item: ExecutionTime) -> bool:
    """Whether nothing at all is specified: the usual way to switch a schedule off."""
    return set(item.time) == {None} and set(item.date) == {None}


def allowed(kind: int, times: Sequence[ExecutionTime]) -> bool:
    """Whether execution times are such as a type of schedule has; those that never come fit every type."""
    if kind not in set(ExecutionType):
        return False
    if not all(is_never(item) or (usable(item.date) and is_time(item.time)) for item in times):
        return False
    real = [item for item in times if not is_never(item)]
    if kind == ExecutionType.SINGLE_TIME_WILDCARDS_ALLOWED:
        return len(times) <= 1
    if kind in _PLAIN and any(has_wildcards(item.date) for item in real):
        return False
    return kind not in _EQUAL or len({item.time for item in real}) <= 1


class SingleActionBehaviour:
    """One single action schedule. Its script is run as a remote command is.

    `run_missed`: a date without wildcards that an outage hid is run once when power is back; what comes again is not.
    A time set back makes only those with wildcards run again. `type` may be written at any time: what stands in
    execution_time waits until it fits. `recurring` says while the script runs that it does so at a time that comes
    again.
    """

    rank = SINGLE

    def __init__(
        self,
        host: Host,
        agenda: Agenda,
        scripts: ScriptTables,
        name: str,
        script: ActionItem = NO_SCRIPT,
        *,
        kind: ExecutionType = ExecutionType.SINGLE_TIME_WILDCARDS_ALLOWED,
        times: Sequence[ExecutionTime] = (),
        run_missed: bool = True,
    ) -> None:
        self._agenda = agenda
        self._scripts = scripts
        self.run_missed = run_missed
        self._done: set[int] = set()
        self.recurring = False
        self.object = host.add(
            SingleActionSchedule(obis(name), executed_script=script, type=kind, execution_time=tuple(times))
        )
        host.writers(self.object, {3: self._write_type, 4: self._write_times})
        self._take(kind, tuple(times))
        agenda.add(self)

    def _take(self, kind: int, times: tuple[ExecutionTime, ...]) -> None:
        self._kind, self._times = kind, times
        self._plan = [
            (number, item.date, item.time.hour is None, times_of(item.time))
            for number, item in enumerate(times)
            if not is_never(item) and allowed(kind, times)
        ]
        self._done.clear()

    def _write_type(self, value: Data) -> DataAccessResult:
        if not allowed(value.value, ()):
            return DataAccessResult.OTHER_REASON
        return self._hold(3, value, value.value, self._times)

    def _write_times(self, value: Data) -> DataAccessResult:
        times: tuple[ExecutionTime, ...] = SingleActionSchedule.attributes[4].type.from_data(value)
        if len(times) > MAX_TIMES or not allowed(self._kind, times) or not is_livable(item.time for item in times):
            return DataAccessResult.OTHER_REASON
        return self._hold(4, value, self._kind, times)

    def _hold(self, number: int, value: Data, kind: int, times: tuple[ExecutionTime, ...]) -> DataAccessResult:
        store: Any = self.object.store
        store.values[number] = value
        self._take(kind, times)
        self._agenda.changed()
        return DataAccessResult.SUCCESS

    # --- on the agenda -------------------------------------------------------------------------------------

    def on_day(self, day: date) -> Iterable[Entry]:
        """Return the execution times of a day."""
        for number, pattern, hourly, seconds in self._plan:
            if fits(pattern, day):
                for second in seconds:
                    yield Entry(second, number, hourly)

    def _once(self, due: Due) -> bool:
        return not has_wildcards(self._times[due.entry.number].date)

    def late(self, missed: Sequence[Due], now: int) -> Sequence[Due]:
        """Dates without wildcards are made up for."""
        return [due for due in missed if self.run_missed and self._once(due)]

    def perform(self, due: Due) -> None:
        """Run the script, a date without wildcards once only."""
        if self._once(due):
            if due.at in self._done:
                return
            self._done.add(due.at)
        script: ActionItem = self.object.executed_script
        self.recurring = not self._once(due)
        try:
            self._scripts.run(script, Origin.REMOTE)
        finally:
            self.recurring = False

    def settle(self) -> None:
        """Nothing holds between two execution times."""
