"""Behaviour of special days (class 11): dates that are not treated as their weekday."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

from cosem.classes.c011_special_days_table import SpecialDay, SpecialDaysTable
from cosem.codec.axdr import Data
from cosem.device.errors import Refused
from cosem.device.host import Host
from cosem.device.moments import fits, usable
from cosem.obis import obis
from cosem.results import ActionResult, DataAccessResult

MAX_DAYS = 1000
"""More than any calendar has; bounds what a client can make a meter hold."""


class SpecialDaysBehaviour:
    """One table of special days. `delete_missing` is the result of deleting what is not there.

    `on_change` are told of every change.
    """

    def __init__(
        self,
        host: Host,
        name: str,
        days: Sequence[SpecialDay] = (),
        *,
        delete_missing: ActionResult = ActionResult.SUCCESS,
    ) -> None:
        self._host = host
        self.delete_missing = delete_missing
        self.on_change: list[Callable[[], None]] = []
        self.object = host.add(SpecialDaysTable(obis(name), entries=tuple(days)))
        self._days = tuple(days)
        host.handle(self.object, 1, self._insert)
        host.handle(self.object, 2, self._delete)
        host.writers(self.object, {2: self._write})

    def day_id(self, day: date) -> int | None:
        """Return the day_id of a date, None for one that is nothing special. Of several the lowest index counts."""
        found = [(item.index, item.day_id) for item in self._days if fits(item.specialday_date, day)]
        return min(found)[1] if found else None

    def _write(self, value: Data) -> DataAccessResult:
        days: tuple[SpecialDay, ...] = SpecialDaysTable.attributes[2].type.from_data(value)
        numbers = {item.index for item in days}
        if len(days) > MAX_DAYS or len(numbers) != len(days) or not all(usable(d.specialday_date) for d in days):
            return DataAccessResult.OTHER_REASON
        self._hold(days)
        return DataAccessResult.SUCCESS

    def _insert(self, new: SpecialDay) -> None:
        """Take a day; one of the same index or date goes."""
        if not usable(new.specialday_date):
            raise Refused(ActionResult.OTHER_REASON)
        kept = [d for d in self._days if new.index != d.index and new.specialday_date != d.specialday_date]
        if len(kept) >= MAX_DAYS:
            raise Refused(ActionResult.OTHER_REASON)
        self._hold((*kept, new))
        self._host.changed(self.object, 2)

    def _delete(self, index: int) -> None:
        kept = tuple(item for item in self._days if item.index != index)
        if len(kept) == len(self._days):
            if self.delete_missing is not ActionResult.SUCCESS:
                raise Refused(self.delete_missing)
            return
        self._hold(kept)
        self._host.changed(self.object, 2)

    def _hold(self, days: tuple[SpecialDay, ...]) -> None:
        self._days = days
        store: Any = self.object.store
        store.values[2] = SpecialDaysTable.attributes[2].type.to_data(days)
        for told in self.on_change:
            told()
