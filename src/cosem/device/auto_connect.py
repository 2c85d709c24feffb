"""Behaviour of auto connect (class 29): when the meter calls, and how often it tries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from cosem.classes.c029_auto_connect import AutoConnect, AutoConnectMode
from cosem.classes.common import TimeWindow
from cosem.codec.axdr import Data
from cosem.device.causes import Cause, Happening
from cosem.device.clock import JumpOrder
from cosem.device.errors import Refused
from cosem.device.host import Host
from cosem.device.moments import Windows
from cosem.obis import obis
from cosem.results import ActionResult, DataAccessResult

AUTO_CONNECT = "0-0:2.1.0.255"
MAX_WINDOWS = 32
MAX_DESTINATIONS = 16
"""Bounds what a client can make a meter look at."""

Dial = Callable[[bytes, Callable[[bool], None]], None]
"""Tries a destination; what it is given takes whether there is a connection, at once or when that is known."""

_MODES = frozenset({0, 1, 2, 3, 101, 102, 103, 104})
_ALWAYS, _INSIDE, _INSIDE_OR_ASKED, _ASKED = 101, 102, 103, 104


class AutoConnectBehaviour:
    """One auto connect. `dial` tries a destination; `hang_up` ends a connection, or the attempt at one.

    Connections are kept by the modes from 101 on: always, inside the window, inside it or when asked for, only when
    asked for. In modes 1 to 3 whoever has something to say calls `wanted`, at any time or inside the window, and
    `said` when that is over; what waits for a window is begun when it opens. A call goes through the destinations in
    order; where none answers it is tried again after `repetition_delay`, as often as `repetitions` says. A mode that
    keeps a connection begins anew with the next change of the window or the next call for it, and when power returns.
    `on_connected` and `on_failed` are told of each call what became of it.
    """

    def __init__(
        self,
        host: Host,
        dial: Dial,
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
        self.on_connected: list[Callable[[], None]] = []
        self.on_failed: list[Callable[[], None]] = []
        self._windows = Windows(host.clock, windows)
        self._tries = 0
        self._left: list[bytes] = []
        self._call = 0
        self._since = 0
        self._dialling = False
        self._asked = False
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
        host.writers(self.object, {2: self._write_mode, 5: self._write_windows, 6: self._write_destinations})
        host.clock.on_jump.append(lambda old, new: self._look(), JumpOrder.OTHERS)
        host.causes.listeners.append(self._happened)
        host.device.on_down.append(self._down)
        host.schedule(self)
        self._look()

    @property
    def _mode(self) -> int:
        return int(self.object.mode)

    @property
    def _open(self) -> bool:
        return self._windows.is_open(self._host.clock.now)

    @property
    def _keeps(self) -> bool:
        """Whether there should be a connection at this moment, whoever asks."""
        mode = self._mode
        return mode == _ALWAYS or (mode in (_INSIDE, _INSIDE_OR_ASKED) and self._open)

    @property
    def in_use(self) -> bool:
        """Whether there is a connection only where this makes one; mode 0 leaves the network to others."""
        return self._mode != AutoConnectMode.NO_AUTO_CONNECT

    # --- inputs --------------------------------------------------------------------------------------------

    def wanted(self, *, alarm: bool = False) -> bool:
        """Ask for a connection to say something; return whether there is one, or it is being tried now.

        Outside the window it waits there, but for alarms in mode 3.
        """
        if self.connected:
            return True
        mode = self._mode
        if self._keeps:
            # What was given up is begun anew for somebody who has something to say.
            if not self._dialling and self._retry is None:
                self._begin()
                return True
            return self._dialling
        anytime = mode == AutoConnectMode.ANYTIME or (
            mode == AutoConnectMode.REGULAR_WITHIN_WINDOW_ALARMS_ANYTIME and alarm
        )
        if anytime or (mode in (2, 3) and self._open):
            self._begin(asked=True)
            return True
        self._waiting = self._waiting or mode in (2, 3)
        return False

    def said(self) -> None:
        """Learn that nobody has anything to say any more; a connection that was made for that ends."""
        if self._mode in (1, 2, 3):
            self._end()

    def wake_up(self) -> None:
        """Be woken by a call; where the mode does not let it connect, or without power, nothing happens."""
        if not self._host.device.schedule.powered:
            return
        with suppress(Refused):
            self._connect()

    def lost(self) -> None:
        """Learn that the connection broke; a mode that keeps one tries at once, or later where it did not last."""
        if not self.connected:
            return
        self.connected = False
        self._host.note(Cause.MODEM_LOST)
        delay = max(1, self.object.repetition_delay)
        if self._mode >= _ALWAYS and self._host.now - self._since < delay:
            self._tries = 0
            self._retry = self._host.now + delay
        self._look()

    def _connect(self) -> None:
        """Connect as a client or wake-up asks. Raises `Refused` where the mode does not let it."""
        mode = self._mode
        if mode in (_ALWAYS, _INSIDE_OR_ASKED, _ASKED) or (mode == _INSIDE and self._open):
            if not self.connected:
                self._begin()
            return
        raise Refused(ActionResult.OTHER_REASON)

    # --- time ----------------------------------------------------------------------------------------------

    def next_time(self) -> int | None:
        """Return when to try again, or when a window opens or closes, in the simulation's time."""
        changes = self._changes_at()
        if self._retry is None or changes is None:
            return changes if self._retry is None else self._retry
        return min(self._retry, changes)

    def _changes_at(self) -> int | None:
        return None if self._change is None else self._change - self._host.clock.offset

    def act(self, now: int) -> None:
        """Try again, or follow the window."""
        if self._retry is not None and self._retry <= now:
            if self._mode == AutoConnectMode.WITHIN_WINDOW and not self._open:
                self._retry, self._waiting = None, True
            else:
                self._try()
        changes = self._changes_at()
        if changes is not None and changes <= now:
            self._look()

    def _look(self) -> None:
        """Do what mode and window say."""
        self._change = self._windows.next_change(self._host.clock.now)
        if not self._host.device.schedule.powered:
            return
        mode, inside, keeps = self._mode, self._open, self._keeps
        if keeps or (mode in (2, 3) and inside and self._waiting):
            asked, self._waiting = not keeps, False
            if not self.connected and self._retry is None:
                self._begin(asked=asked)
        elif mode == AutoConnectMode.NO_AUTO_CONNECT or (mode == _INSIDE and not inside):
            self._end()

    def _end(self) -> None:
        """End the connection, or the attempt at one."""
        self._retry = None
        if self.connected or self._dialling:
            self._call += 1
            self.connected = self._dialling = False
            self._hang_up()

    def _begin(self, *, asked: bool = False) -> None:
        """Call, where no call is under way. `asked`: for somebody who has something to say."""
        if self._dialling:
            return
        self._asked = asked
        self._tries = 0
        self._try()

    def _try(self) -> None:
        self._retry = None
        self._tries += 1
        self._left = list(self.object.destination_list)
        self._next()

    def _next(self) -> None:
        """Dial the next destination; where none is left the attempt has failed."""
        self._call += 1
        number = self._call
        if self._left:
            self._dialling = True
            self._dial(self._left.pop(0), lambda reached: self._answered(number, reached))
            return
        self._dialling = False
        if self._tries <= self.object.repetitions:
            self._retry = self._host.now + max(1, self.object.repetition_delay)
        for told in self.on_failed:
            told()

    def _answered(self, number: int, reached: bool) -> None:
        """Learn what became of a call; of one that was given up nothing is heard."""
        if number != self._call or not self._dialling:
            return
        if not reached:
            self._next()
            return
        self._dialling, self.connected = False, True
        self._since = self._host.now
        # What was asked for is not told by one more push, which would ask for the next connection.
        self._host.note(Cause.MODEM_CONNECTED, asked=self._asked)
        for told in self.on_connected:
            told()

    def _happened(self, happening: Happening) -> None:
        if happening.cause is Cause.POWER_UP:
            self._retry = None
            self._look()

    def _down(self) -> None:
        """Lose the connection with what goes down; after a restart a mode that keeps one tries again."""
        kept = self._mode >= _ALWAYS and (self.connected or self._dialling or self._retry is not None)
        self._end()
        if kept:
            self._tries = 0
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

    def _write_destinations(self, value: Data) -> DataAccessResult:
        if len(value.value) > MAX_DESTINATIONS:
            return DataAccessResult.OTHER_REASON
        return self._hold(6, value)

    def _hold(self, number: int, value: Data) -> DataAccessResult:
        store: Any = self.object.store
        store.values[number] = value
        self._retry = None
        self._look()
        return DataAccessResult.SUCCESS
