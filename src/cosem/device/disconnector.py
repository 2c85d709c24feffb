"""Behaviour of the disconnector (class 70): what moves it from where by its control mode, and the contact behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Final, NamedTuple

from cosem.classes.c070_disconnect_control import ControlMode, DisconnectControl, DisconnectControlV1
from cosem.codec.axdr import Data, Tag
from cosem.device.causes import Cause, Happening
from cosem.device.errors import Refused
from cosem.device.host import Host, Origin
from cosem.errors import ConfigError
from cosem.obis import Obis, obis
from cosem.results import ActionResult, DataAccessResult

DISCONNECTED, CONNECTED, READY = 0, 1, 2


class Command(Enum):
    """What can move a disconnector: to disconnect or to reconnect, on behalf of somebody."""

    REMOTE_DISCONNECT = (False, Origin.REMOTE)
    MANUAL_DISCONNECT = (False, Origin.MANUAL)
    LOCAL_DISCONNECT = (False, Origin.LOCAL)
    REMOTE_RECONNECT = (True, Origin.REMOTE)
    MANUAL_RECONNECT = (True, Origin.MANUAL)
    LOCAL_RECONNECT = (True, Origin.LOCAL)

    def __init__(self, connects: bool, origin: Origin) -> None:
        self.connects = connects
        self.origin = origin

    @classmethod
    def of(cls, connects: bool, origin: Origin) -> Command:
        """Return the command to reconnect or disconnect on behalf of `origin`."""
        return next(item for item in cls if item.connects is connects and item.origin is origin)


class Transition(NamedTuple):
    """One transition of the state diagram: what makes it, between which control states, and what it is as an event."""

    command: Command
    before: int
    after: int
    cause: Cause


TRANSITIONS: Final[Mapping[str, Transition]] = {
    "a": Transition(Command.REMOTE_RECONNECT, DISCONNECTED, CONNECTED, Cause.REMOTE_CONNECTION),
    "b": Transition(Command.REMOTE_DISCONNECT, CONNECTED, DISCONNECTED, Cause.REMOTE_DISCONNECTION),
    "c": Transition(Command.REMOTE_DISCONNECT, READY, DISCONNECTED, Cause.REMOTE_DISCONNECTION),
    "d": Transition(Command.REMOTE_RECONNECT, DISCONNECTED, READY, Cause.DISCONNECTOR_READY),
    "e": Transition(Command.MANUAL_RECONNECT, READY, CONNECTED, Cause.MANUAL_CONNECTION),
    "f": Transition(Command.MANUAL_DISCONNECT, CONNECTED, READY, Cause.MANUAL_DISCONNECTION),
    "g": Transition(Command.LOCAL_DISCONNECT, CONNECTED, READY, Cause.LOCAL_DISCONNECTION),
    "h": Transition(Command.LOCAL_RECONNECT, READY, CONNECTED, Cause.LOCAL_CONNECTION),
    "i": Transition(Command.REMOTE_RECONNECT, READY, CONNECTED, Cause.REMOTE_CONNECTION),
}
"""The transitions by the letters of the Blue Book (ed. 9, 4.5.8); "i" has one public source only."""

MODES: Final[Mapping[int, str]] = {
    0: "", 1: "bcfgde", 2: "bcfgae", 3: "bcgde", 4: "bcgae", 5: "bcfgdeh", 6: "bcgdeh", 7: "bcgaieh",
}  # fmt: skip
"""The transitions that each control mode has. Mode 0 is always connected, mode 7 belongs to version 1."""

MOVES: Final = {
    (mode, TRANSITIONS[letter].before, TRANSITIONS[letter].command): TRANSITIONS[letter]
    for mode, letters in MODES.items()
    for letter in letters
}
"""(control mode, state, command) -> the transition that it makes."""
_KNOWN: Final = {(mode, move.command) for (mode, _, _), move in MOVES.items()}
_KINDS: Final = (DisconnectControl, DisconnectControlV1)
_LAST_MODE: Final = {DisconnectControl: ControlMode.MODE_6, DisconnectControlV1: ControlMode.MODE_7}


class Disconnector:
    """One disconnector: supply of electricity, valve of gas or water, or relay.

    Its two methods act for whom `Host.origin` names; `press` is the push button. No command is kept for later.
    `switch` is told when the contact opens (False) or closes (True), as everybody in `moved`. `refused` answers a
    command that the mode never allows; `mode0_closes` says whether writing mode 0 closes. The contact moves `delay`
    seconds after a command; where it is not as it should be `timeout` seconds later, the command has failed.
    `supply` says that this is the supply of the meter itself, whose transitions are events. `closed` is the contact as
    it is, `back_voltage` (an input) whether somebody feeds from the side of the load: then it is not closed.
    """

    def __init__(
        self,
        host: Host,
        name: str | Obis,
        switch: Callable[[bool], None] | None = None,
        *,
        mode: int = 4,
        version: int = 0,
        refused: ActionResult = ActionResult.SUCCESS,
        mode0_closes: bool = True,
        delay: int = 0,
        timeout: int = 5,
        supply: bool = True,
    ) -> None:
        kind = _KINDS[version]
        if not 0 <= mode <= _LAST_MODE[kind]:
            raise ConfigError(f"version {version} of disconnect control has no control mode {mode}")
        self.host = host
        self.state = CONNECTED
        self.mode = mode
        self.refused = refused
        self.mode0_closes = mode0_closes
        self.delay = delay
        self.timeout = timeout
        self.closed = True
        self.back_voltage = False
        self.moved: list[Callable[[bool], None]] = [] if switch is None else [switch]
        self._supply = supply
        self._stuck = False
        self._last_mode = _LAST_MODE[kind]
        self._moves_at: int | None = None
        self._checked_at: int | None = None
        self.object = host.add(kind(obis(name)))
        host.compute(self.object, 2, lambda: Data(Tag.BOOLEAN, self.closed))
        host.compute(self.object, 3, lambda: Data(Tag.ENUM, self.state))
        host.compute(self.object, 4, lambda: Data(Tag.ENUM, self.mode))
        host.handle(self.object, 1, lambda parameter: self._method(False))
        host.handle(self.object, 2, lambda parameter: self._method(True))
        host.writers(self.object, {4: self.write_mode})
        host.causes.listeners.append(self._powered)
        host.schedule(self)

    # --- what moves it -------------------------------------------------------------------------------------

    def _method(self, connect: bool) -> None:
        self.command(Command.of(connect, self.host.origin))

    def press(self, connect: bool | None = None) -> None:
        """Press the button: to connect, to disconnect, or (None) whichever there is to do."""
        wanted = self.state == READY if connect is None else connect
        self.command(Command.of(wanted, Origin.MANUAL))

    def command(self, command: Command) -> None:
        """Carry out a command where mode and state allow it.

        Raises `Refused`: where the mode never allows it and that has a result, and where closing would meet a voltage
        from the other side.
        """
        move = MOVES.get((self.mode, self.state, command))
        by_hand = command.origin is Origin.MANUAL
        if move is None:
            if (self.mode, command) not in _KNOWN and self.refused is not ActionResult.SUCCESS and not by_hand:
                raise Refused(self.refused)
            return
        if move.after == CONNECTED and self.back_voltage:
            self._note(Cause.DISCONNECTION_FAILED)
            if by_hand:
                return
            raise Refused(ActionResult.TEMPORARY_FAILURE)
        self.state = move.after
        self._note(move.cause)
        self._order()

    def write_mode(self, value: Data) -> DataAccessResult:
        """Take a control mode. It moves nothing, but mode 0 knows no open contact and closes it."""
        if not 0 <= value.value <= self._last_mode:
            return DataAccessResult.OTHER_REASON
        self.mode = value.value
        if self.mode == 0 and self.mode0_closes and self.state != CONNECTED:
            self.state = CONNECTED
            self._order()
        return DataAccessResult.SUCCESS

    def _note(self, cause: Cause) -> None:
        if self._supply:
            self.host.note(cause, disconnector=self.object.obis)

    # --- the contact ---------------------------------------------------------------------------------------

    def _order(self) -> None:
        """Let the contact follow the control state: at once, or when its time has come."""
        now = self.host.now
        self._moves_at = now + self.delay
        self._checked_at = now + self.delay + self.timeout
        if not self.delay:
            self.drive()

    def drive(self) -> None:
        """Drive the contact to where the control state wants it; a stuck one stays."""
        self._moves_at = None
        wanted = self.state == CONNECTED
        if not self._stuck and self.closed != wanted:
            self.closed = wanted
            for told in self.moved:
                told(wanted)
        if self.closed == wanted:
            self._checked_at = None

    def jam(self, stuck: bool) -> None:
        """Let the contact be stuck where it is, or free it: then it goes where it should be."""
        self._stuck = stuck
        if not stuck and self._moves_at is None:
            self.drive()

    def next_time(self) -> int | None:
        """Return when the contact moves, or has to have moved."""
        return self._checked_at if self._moves_at is None else self._moves_at

    def act(self, now: int) -> None:
        """Move the contact, or find that it did not move."""
        if self._moves_at is not None:
            self.drive()
            return
        self._checked_at = None
        if self.closed != (self.state == CONNECTED):
            self._note(Cause.DISCONNECTION_FAILED)

    def _powered(self, happening: Happening) -> None:
        """Bring the contact back to where it was meant to be when power returns; nothing is logged of that."""
        if happening.cause is Cause.POWER_UP and self.closed != (self.state == CONNECTED):
            self._order()
