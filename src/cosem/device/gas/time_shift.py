"""How far a gas device lets its clock be set under closed locks: a budget of seconds for each gas day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Final

from cosem.device.causes import Cause
from cosem.device.gas.locks import Level, Locks
from cosem.device.gas.periods import Periods
from cosem.device.host import Host
from cosem.errors import ConfigError

LIMIT: Final = 20
"""Seconds a day. A choice: enough for the drift of a crystal, too little to move consumption."""


class TimeShift:
    """Watches the clock. Within what is `left` anybody with the right may set it, beyond that the supplier may.

    A budget of 0 leaves every change to the supplier's lock or a higher one.
    """

    def __init__(self, host: Host, locks: Locks, periods: Periods, *, user: Callable[[], int]) -> None:
        self._host = host
        self._locks = locks
        self._periods = periods
        self._user = user
        self.limit = LIMIT
        self._used = 0
        self._day: date | None = None
        host.clock.permit.append(self._permits)

    @property
    def left(self) -> int:
        """Return the seconds that are left of the present gas day's."""
        today = self._periods.gas_day(self._host.clock.now)
        if today != self._day:
            self._day, self._used = today, 0
        return max(0, self.limit - self._used)

    def set_limit(self, seconds: int) -> None:
        """Take another budget."""
        if not 0 <= seconds <= 3600:
            raise ConfigError("the time shift of a day is 0 to 3600 seconds")
        self.limit = seconds

    def _permits(self, old: int, new: int) -> bool:
        seconds = abs(new - old)
        if self._locks.allows(Level.SUPPLIER):
            return True
        if seconds > self.left:
            self._host.note(Cause.TIME_SHIFT_REFUSED, client=self._user(), seconds=seconds)
            return False
        self._used += seconds
        # Setting the clock over the end of a gas day gives no new budget.
        self._day = self._periods.gas_day(new)
        return True
