"""Behaviour of the disconnector (class 70): which command moves it from where, by its control mode."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, Final

from cosem.classes.c070_disconnect_control import DisconnectControl
from cosem.codec.axdr import Data, Tag
from cosem.device.errors import Refused
from cosem.obis import obis
from cosem.results import ActionResult, DataAccessResult

DISCONNECTED, CONNECTED, READY = 0, 1, 2


class Command(Enum):
    """What can move a disconnector from outside; manual and local causes are added by their own behaviours."""

    REMOTE_DISCONNECT = "remote_disconnect"
    REMOTE_RECONNECT = "remote_reconnect"


_TO_READY = (1, 3, 5, 6)
_TO_CONNECTED = (2, 4)

TRANSITIONS: Final[dict[tuple[int, int, Command], int]] = {
    **{(mode, CONNECTED, Command.REMOTE_DISCONNECT): DISCONNECTED for mode in range(1, 7)},
    **{(mode, READY, Command.REMOTE_DISCONNECT): DISCONNECTED for mode in range(1, 7)},
    **{(mode, DISCONNECTED, Command.REMOTE_RECONNECT): READY for mode in _TO_READY},
    **{(mode, DISCONNECTED, Command.REMOTE_RECONNECT): CONNECTED for mode in _TO_CONNECTED},
}
"""(control_mode, control_state, command) -> control_state; what is absent changes nothing and answers success."""


class Disconnector:
    """One disconnector; `switch` is told when the contact opens (False) or closes (True).

    `refused` answers a command that the mode never allows; `mode0_closes` says whether writing mode 0 closes.
    """

    def __init__(
        self,
        name: str,
        switch: Callable[[bool], None],
        *,
        mode: int = 4,
        refused: ActionResult = ActionResult.SUCCESS,
        mode0_closes: bool = True,
    ) -> None:
        self.state = CONNECTED
        self.mode = mode
        self.refused = refused
        self.mode0_closes = mode0_closes
        self._switch = switch
        self.object = DisconnectControl(obis(name))
        store: Any = self.object.store
        for number in (2, 3, 4):
            store.values.pop(number, None)
        store.computed[2] = lambda selection: Data(Tag.BOOLEAN, self.state == CONNECTED)
        store.computed[3] = lambda selection: Data(Tag.ENUM, self.state)
        store.computed[4] = lambda selection: Data(Tag.ENUM, self.mode)
        store.handlers[1] = lambda parameter: self.command(Command.REMOTE_DISCONNECT)
        store.handlers[2] = lambda parameter: self.command(Command.REMOTE_RECONNECT)

    def command(self, command: Command) -> None:
        """Carry out a command where the mode allows it. Raises `Refused` where it never does and that has a result."""
        following = TRANSITIONS.get((self.mode, self.state, command))
        if following is None:
            if self.mode == 0 and self.refused is not ActionResult.SUCCESS:
                raise Refused(self.refused)
            return
        self.state = following
        self._switch(following == CONNECTED)

    def write_mode(self, value: Data) -> DataAccessResult:
        """Take a control mode; mode 0 knows no open contact and closes it."""
        if not 0 <= value.value <= 6:
            return DataAccessResult.OTHER_REASON
        self.mode = value.value
        if self.mode == 0 and self.mode0_closes and self.state != CONNECTED:
            self.state = CONNECTED
            self._switch(True)
        return DataAccessResult.SUCCESS
