"""Behaviour of demand registers (class 5): averages over block or sliding periods, and their maximum."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from cosem.classes.c004_extended_register import ExtendedRegister
from cosem.classes.c005_demand_register import DemandRegister
from cosem.codec.axdr import Data, Tag
from cosem.device.clock import DAY, JumpOrder
from cosem.device.host import Host
from cosem.errors import ConfigError
from cosem.obis import obis
from cosem.results import DataAccessResult
from cosem.units import ScalerUnit

SHORTEST_PERIOD = 60
"""Seconds. A client cannot make a meter average all the time."""
MAX_PERIODS = 1000
"""Of a sliding demand: more than a day of any period that is used."""
INCOMPLETE = 0x01
"""Bit of the status that a period ended early, by a clock that was set. The standard leaves the bits to the maker."""

_VALUES = (2, 3, 5, 6, 7, 8, 9)


class DemandBehaviour:
    """One demand register over a counted quantity: `read` returns it in units of the register times seconds.

    Averages are over `count` periods of `period` seconds of the meter's own local time from midnight on: one is block
    demand, more are sliding. The running period counts only in the running average. A clock set by its `jump_limit` or
    more ends the running period there and then; set by less, that happens only where it goes over the end, and going
    back over the begin prolongs the period. `on_period` are told of every average with its moment. Another period or
    number of periods begins anew, as `reset` does.
    """

    def __init__(
        self,
        host: Host,
        name: str,
        read: Callable[[], int],
        scaler_unit: ScalerUnit,
        *,
        period: int = 900,
        count: int = 1,
    ) -> None:
        if not SHORTEST_PERIOD <= period <= DAY or not 1 <= count <= MAX_PERIODS:
            raise ConfigError(f"{count} periods of {period} s are no demand")
        self._clock = host.clock
        self._read = read
        self.period, self.count = period, count
        self.on_period: list[Callable[[int, int], None]] = []
        self.last = self.status = self.captured_at = 0
        self._begin_value = 0
        self.object = host.add(DemandRegister(obis(name), scaler_unit=scaler_unit))
        shown: dict[int, Callable[[], Data]] = {
            2: lambda: Data(Tag.DOUBLE_LONG_UNSIGNED, self.current),
            3: lambda: Data(Tag.DOUBLE_LONG_UNSIGNED, self.last),
            5: lambda: Data(Tag.UNSIGNED, self.status),
            6: lambda: Data(Tag.OCTET_STRING, self._clock.octets(self.captured_at)),
            7: lambda: Data(Tag.OCTET_STRING, self._clock.octets(self.since)),
            8: lambda: Data(Tag.DOUBLE_LONG_UNSIGNED, self.period),
            9: lambda: Data(Tag.LONG_UNSIGNED, self.count),
        }
        for number in _VALUES:
            host.compute(self.object, number, shown[number])
        host.handle(self.object, 1, lambda parameter: self.reset())
        host.handle(self.object, 2, lambda parameter: self.end_period(self._clock.now, incomplete=False))
        host.writers(self.object, {8: self._write_period, 9: self._write_count})
        self.reset()
        self._clock.on_jump.append(self._jumped, JumpOrder.MEASURING)
        host.schedule(self)

    # --- what it shows -------------------------------------------------------------------------------------

    @property
    def current(self) -> int:
        """The average of what was used since `since`, over all periods."""
        finished = sum(self._finished) - (self._finished[0] if len(self._finished) == self.count else 0)
        return (finished + self._read() - self._begin_value) // (self.period * self.count)

    @property
    def since(self) -> int:
        """When the running window began: its oldest period that still counts."""
        return self._begin - (self.count - 1) * self.period

    # --- time ----------------------------------------------------------------------------------------------

    def next_time(self) -> int:
        """Return the end of the running period, in the simulation's time."""
        return self._next - self._clock.offset

    def act(self, now: int) -> None:
        """End the period."""
        self.end_period(self._clock.now, incomplete=False)

    def end_period(self, utc: int, *, incomplete: bool) -> None:
        """End the running period at `utc` of the meter's clock and begin the next one."""
        value = self._read()
        self._finished.append(value - self._begin_value)
        self._begin_value = value
        self.last = sum(self._finished) // (self.period * self.count)
        self.captured_at = self._begin = utc
        self.status = INCOMPLETE if incomplete else 0
        self._next = self._clock.next_boundary(utc, self.period)
        for told in self.on_period:
            told(self.last, utc)

    def reset(self) -> None:
        """Begin anew with both averages 0."""
        self._finished: deque[int] = deque(maxlen=self.count)
        self._begin_value = self._read()
        self.last = 0
        self.status = 0
        self.captured_at = self._begin = self._clock.now
        self._next = self._clock.next_boundary(self._begin, self.period)

    def _jumped(self, old: int, new: int) -> None:
        """Go on from the new time."""
        expected, following = self._next, self._clock.next_boundary(new, self.period)
        if old != new and abs(new - old) >= self._clock.jump_limit:
            if old != self._begin:
                self.end_period(old, incomplete=True)
            self._begin = new
        elif old < expected <= new:
            self.end_period(expected, incomplete=False)
        elif new != old:
            following = max(following, expected)
        self._next = following

    # --- being set up --------------------------------------------------------------------------------------

    def _write_period(self, value: Data) -> DataAccessResult:
        if not SHORTEST_PERIOD <= value.value <= DAY:
            return DataAccessResult.OTHER_REASON
        self.period = value.value
        self.reset()
        return DataAccessResult.SUCCESS

    def _write_count(self, value: Data) -> DataAccessResult:
        if not 1 <= value.value <= MAX_PERIODS:
            return DataAccessResult.OTHER_REASON
        self.count = value.value
        self.reset()
        return DataAccessResult.SUCCESS


class MaximumBehaviour:
    """The largest average of a demand register since it was reset: an extended register with when it was."""

    def __init__(self, host: Host, name: str, demand: DemandBehaviour) -> None:
        self._clock = host.clock
        self.value = 0
        self.at: int | None = None
        self.object = host.add(
            ExtendedRegister(obis(name), scaler_unit=demand.object.scaler_unit, status=Data(Tag.UNSIGNED, 0))
        )
        host.compute(self.object, 2, lambda: Data(Tag.DOUBLE_LONG_UNSIGNED, self.value))
        host.compute(
            self.object, 5, lambda: Data(Tag.OCTET_STRING, _NO_TIME if self.at is None else host.clock.octets(self.at))
        )
        host.handle(self.object, 1, lambda parameter: self._reset())
        demand.on_period.append(self._look)

    def _look(self, average: int, utc: int) -> None:
        if average > self.value or self.at is None:
            self.value, self.at = average, utc

    def _reset(self) -> None:
        self.value, self.at = 0, self._clock.now


_NO_TIME: Any = bytes.fromhex("ffffffffffffffffff8000ff")
