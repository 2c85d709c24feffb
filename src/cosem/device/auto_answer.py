"""Behaviour of auto answer (class 28): which calls are taken, and when."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cosem.classes.c028_auto_answer import (
    AllowedCaller,
    AutoAnswer,
    AutoAnswerMode,
    AutoAnswerStatus,
    CallType,
    NumberOfRings,
)
from cosem.classes.common import TimeWindow
from cosem.codec.axdr import Data, Tag
from cosem.device.clock import JumpOrder
from cosem.device.host import Host
from cosem.device.moments import Windows
from cosem.obis import obis
from cosem.results import DataAccessResult

AUTO_ANSWER = "0-0:2.2.0.255"
MAX_WINDOWS = 32
MAX_CALLERS = 64
"""Bounds what a client can make a meter look at."""


class AutoAnswerBehaviour:
    """One auto answer. A call from a number that is not listed is ignored; with no list every number may call.

    Inside the window a call is taken after `rings` of its first number, outside of its second; 0 is never. On a shared
    line the window is over after `number_of_calls`. A wake-up call is not taken: it lets the meter connect (`wake_up`).
    """

    def __init__(
        self,
        host: Host,
        wake_up: Callable[[], object] = lambda: None,
        name: str = AUTO_ANSWER,
        *,
        mode: AutoAnswerMode = AutoAnswerMode.NO_MODEM,
        windows: Sequence[TimeWindow] = (),
        calls: int = 0,
        rings: tuple[int, int] = (1, 0),
        callers: Sequence[AllowedCaller] = (),
    ) -> None:
        self._host = host
        self._wake_up = wake_up
        self._windows = Windows(host.clock, windows)
        self._taken = 0
        self._open = False
        self._change: int | None = None
        self.object = host.add(
            AutoAnswer(
                obis(name),
                mode=mode,
                listening_window=tuple(windows),
                number_of_calls=calls,
                number_of_rings=NumberOfRings(*rings),
                list_of_allowed_callers=tuple(callers),
            )
        )
        host.compute(self.object, 4, lambda: Data(Tag.ENUM, int(self.status)))
        host.writers(self.object, {3: self._write_windows, 7: self._write_callers})
        host.clock.on_jump.append(lambda old, new: self._jumped(), JumpOrder.OTHERS)
        host.schedule(self)
        self._look()

    @property
    def status(self) -> AutoAnswerStatus:
        """Whether calls are taken as inside the window: locked once it had its calls."""
        if not self._windows.is_open(self._host.clock.now):
            return AutoAnswerStatus.INACTIVE
        limit = self.object.number_of_calls
        shared = self.object.mode in (
            AutoAnswerMode.SHARED_LINE_LIMITED_CALLS,
            AutoAnswerMode.SHARED_LINE_LIMITED_SUCCESSFUL_CALLS,
        )
        return AutoAnswerStatus.LOCKED if shared and limit and self._taken >= limit else AutoAnswerStatus.ACTIVE

    def call(self, caller: bytes, rings: int = 1, *, successful: bool = True) -> bool:
        """Ring; return whether the call is taken. `successful`: whether the caller then associates.

        Without power nobody hears it.
        """
        if self._host.device.down:
            return False
        listed = {item.caller_id: item.call_type for item in self.object.list_of_allowed_callers}
        if listed and caller not in listed:
            return False
        if listed.get(caller) == CallType.WAKE_UP_REQUEST:
            self._wake_up()
            return False
        needed = self.object.number_of_rings[0 if self.status is AutoAnswerStatus.ACTIVE else 1]
        if not needed or rings < needed:
            return False
        if successful or self.object.mode != AutoAnswerMode.SHARED_LINE_LIMITED_SUCCESSFUL_CALLS:
            self._taken += 1
        return True

    def next_time(self) -> int | None:
        """Return when a window opens or closes, in the simulation's time."""
        return None if self._change is None else self._change - self._host.clock.offset

    def act(self, now: int) -> None:
        """Begin to count calls anew."""
        self._look()

    def _look(self) -> None:
        self._change = self._windows.next_change(self._host.clock.now)
        self._open = self._windows.is_open(self._host.clock.now)
        self._taken = 0

    def _jumped(self) -> None:
        """Go on counting where the window is the same one: a corrected clock gives nobody new calls."""
        if self._windows.is_open(self._host.clock.now) is not self._open:
            self._look()
        else:
            self._change = self._windows.next_change(self._host.clock.now)

    def _write_windows(self, value: Data) -> DataAccessResult:
        windows: tuple[TimeWindow, ...] = AutoAnswer.attributes[3].type.from_data(value)
        if len(windows) > MAX_WINDOWS or not Windows.are_usable(windows):
            return DataAccessResult.OTHER_REASON
        self._windows = Windows(self._host.clock, windows)
        self._hold(3, value)
        self._look()
        return DataAccessResult.SUCCESS

    def _write_callers(self, value: Data) -> DataAccessResult:
        if len(value.value) > MAX_CALLERS:
            return DataAccessResult.OTHER_REASON
        return self._hold(7, value)

    def _hold(self, number: int, value: Data) -> DataAccessResult:
        store: Any = self.object.store
        store.values[number] = value
        return DataAccessResult.SUCCESS
