"""Behaviour of auto connect (class 29): when the meter calls, and how often it tries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cosem.classes.c029_auto_connect import AutoConnect, AutoConnectMode
from cosem.classes.common import TimeWindow
from cosem.codec.axdr import Data
from cosem.device.causes import Cause
from cosem.device.clock import JumpOrder
from cosem.device.errors import Refused
from cosem.device.host import Host
from cosem.device.moments import Windows
from cosem.obis import obis
from cosem.results import ActionResult, DataAccessResult

AUTO_CONNECT = "0-0:2.1.0.255"
MAX_WINDOWS = 32
"""Bounds what a client can make a meter look at."""

_MODES = frozenset({0, 1, 2, 3, 101, 102, 103, 104})
_ALWAYS, _INSIDE, _INSIDE_OR_ASKED, _ASKED = 101, 102, 103, 104


class AutoConnectBehaviour:
    """One auto connect. `dial` tries a destination and says whether there is a connection; `hang_up` ends one.

    Connections are kept by the modes from 101 on: always, inside the window, inside it or when asked for, only when
    asked for. In modes 1 to 3 whoever has something to say calls `wanted`, at any time or inside the window; what waits
    for a window is begun when it opens. A call goes through the destinations in order; where none answers it is tried
    again after `repetition_delay`, as often as `repetitions` says. A mode that keeps a connection begins anew with the
    next change of the window or the next call for it.
    """

    def __init__(
        self,
        host: Host,
        dial: Callable[[bytes], bool],
        hang_up: Callable[[], None] = lambda: None,
        name: str = AUTO_CONNECT,
        *,
        mode: int = AutoConnectMode.NO_AUTO_CONNECT,
        repetitions: int = 3,
        delay: int = 60,
        windows: Sequence[TimeWindow] = (),
        destinations: Sequence[bytes] = (),
    ) -> None:
        self._host = host
        self._dial, self._hang_up = dial, hang_up
        self.connected = False
        self._windows = Windows(host.clock, windows)
        self._tries = 0
        self._retry: int | None = None
        self._waiting = False
        self._change: int | None = None
        self.object = host.add(
            AutoConnect(
                obis(name),
                mode=AutoConnectMode(mode),
                repetitions=repetitions,
                repetition_delay=delay,
                calling_window=tuple(windows),
                destination_list=tuple(destinations),
            )
        )
        host.handle(self.object, 1, lambda parameter: self._connect())
        host.writers(self.object, {2: self._write_mode, 5: self._write_windows})
        host.clock.on_jump.append(lambda old, new: self._look(), JumpOrder.OTHERS)
        host.schedule(self)
        self._look()

    @property
    def _mode(self) -> int:
        return int(self.object.mode)

    @property
    def _open(self) -> bool:
        return self._windows.is_open(self._host.clock.now)

    # --- inputs --------------------------------------------------------------------------------------------

    def wanted(self, *, alarm: bool = False) -> bool:
        """Ask for a connection to say something; return whether there is one, or it is being tried now.

        Outside the window it waits there, but for alarms in mode 3.
        """
        if self.connected:
            return True
        mode = self._mode
        anytime = mode == AutoConnectMode.ANYTIME or (
            mode == AutoConnectMode.REGULAR_WITHIN_WINDOW_ALARMS_ANYTIME and alarm
        )
        if anytime or (mode in (2, 3) and self._open):
            self._begin()
            return True
        self._waiting = self._waiting or mode in (2, 3)
        return False

    def lost(self) -> None:
        """Learn that the connection broke; a mode that keeps one tries at once."""
        if self.connected:
            self.connected = False
            self._host.note(Cause.MODEM_LOST)
            self._look()

    def _connect(self) -> None:
        """Connect as a client or wake-up asks. Raises `Refused` where the mode does not let it."""
        mode = self._mode
        if mode in (_INSIDE_OR_ASKED, _ASKED) or (mode in (_ALWAYS, _INSIDE) and self._open):
            if not self.connected:
                self._begin()
            return
        raise Refused(ActionResult.OTHER_REASON)

    # --- time ----------------------------------------------------------------------------------------------

    def next_time(self) -> int | None:
        """Return when to try again, or when a window opens or closes, in the simulation's time."""
        moments = [moment for moment in (self._retry, self._changes_at()) if moment is not None]
        return min(moments, default=None)

    def _changes_at(self) -> int | None:
        return None if self._change is None else self._change - self._host.clock.offset

    def act(self, now: int) -> None:
        """Try again, or follow the window."""
        if self._retry is not None and self._retry <= now:
            self._try()
        changes = self._changes_at()
        if changes is not None and changes <= now:
            self._look()

    def _look(self) -> None:
        """Do what mode and window say."""
        self._change = self._windows.next_change(self._host.clock.now)
        mode, inside = self._mode, self._open
        keeps = mode == _ALWAYS or (mode in (_INSIDE, _INSIDE_OR_ASKED) and inside)
        if keeps or (mode in (2, 3) and inside and self._waiting):
            self._waiting = False
            if not self.connected and self._retry is None:
                self._begin()
        elif mode == _INSIDE and not inside:
            self._retry = None
            if self.connected:
                self.connected = False
                self._hang_up()

    def _begin(self) -> None:
        self._tries = 0
        self._try()

    def _try(self) -> None:
        self._retry = None
        self._tries += 1
        if any(self._dial(destination) for destination in self.object.destination_list):
            self.connected = True
            self._host.note(Cause.MODEM_CONNECTED)
        elif self._tries <= self.object.repetitions:
            self._retry = self._host.now + max(1, self.object.repetition_delay)

    # --- being set up --------------------------------------------------------------------------------------

    def _write_mode(self, value: Data) -> DataAccessResult:
        if value.value not in _MODES:
            return DataAccessResult.OTHER_REASON
        return self._hold(2, value)

    def _write_windows(self, value: Data) -> DataAccessResult:
        windows: tuple[TimeWindow, ...] = AutoConnect.attributes[5].type.from_data(value)
        if len(windows) > MAX_WINDOWS or not Windows.are_usable(windows):
            return DataAccessResult.OTHER_REASON
        self._windows = Windows(self._host.clock, windows)
        return self._hold(5, value)

    def _hold(self, number: int, value: Data) -> DataAccessResult:
        store: Any = self.object.store
        store.values[number] = value
        self._retry = None
        self._look()
        return DataAccessResult.SUCCESS
