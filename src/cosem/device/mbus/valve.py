"""Behaviour of the valve of a M-Bus device: disconnect control 0-b:24.4.0, moved through the bus.

States and control modes are those of every disconnector. A command goes out at once; the control state follows when a
readout says that the valve is where it should be, and until then the outputs are what they were.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cosem.classes.c070_disconnect_control import ControlMode, DisconnectControl
from cosem.codec.axdr import Data, Tag
from cosem.device.causes import Cause
from cosem.device.disconnector import CONNECTED, DISCONNECTED, MOVES, READY, Command, Transition
from cosem.device.errors import Refused
from cosem.device.host import Host
from cosem.device.mbus.client import MBusClientBehaviour
from cosem.device.mbus.readout import Readout
from cosem.device.mbus.settings import CLOSED, OPEN, RELEASED
from cosem.mbus.record import Record, decode_records
from cosem.obis import Obis
from cosem.results import ActionResult, DataAccessResult

CAUSES: Final[Mapping[Command, Cause]] = {
    Command.MANUAL_DISCONNECT: Cause.MBUS_MANUAL_DISCONNECTION,
    Command.MANUAL_RECONNECT: Cause.MBUS_MANUAL_CONNECTION,
    Command.REMOTE_DISCONNECT: Cause.MBUS_REMOTE_DISCONNECTION,
    Command.REMOTE_RECONNECT: Cause.MBUS_REMOTE_CONNECTION,
    Command.LOCAL_DISCONNECT: Cause.MBUS_LOCAL_DISCONNECTION,
    Command.LOCAL_RECONNECT: Cause.MBUS_LOCAL_CONNECTION,
}
"""What a transition is as an event; to be ready for reconnection is none."""
SETTLED: Final = {DISCONNECTED: (CLOSED,), READY: (CLOSED, RELEASED, OPEN), CONNECTED: (OPEN,)}
"""Where the valve is when a control state has been reached. A released one that is open was opened meanwhile."""
_FOUND: Final = {CLOSED: DISCONNECTED, RELEASED: READY, OPEN: CONNECTED}


class MBusValve:
    """The valve of one channel. `position` is where the device says it is, None while nobody knows."""

    def __init__(self, host: Host, client: MBusClientBehaviour, *, refused: ActionResult) -> None:
        self.host = host
        self.client = client
        self.codes = client.channel.valve
        self.mode = client.channel.mode
        self.state = CONNECTED
        self.position: str | None = None
        self.pending: Transition | None = None
        self._refused = refused
        self.object = host.add(DisconnectControl(Obis(bytes((0, client.number, 24, 4, 0, 255)))))
        host.compute(self.object, 2, lambda: Data(Tag.BOOLEAN, self.closed))
        host.compute(self.object, 3, lambda: Data(Tag.ENUM, self.state))
        host.compute(self.object, 4, lambda: Data(Tag.ENUM, self.mode))
        host.handle(self.object, 1, lambda parameter: self._method(connect=False))
        host.handle(self.object, 2, lambda parameter: self._method(connect=True))
        host.writers(self.object, {4: self._write_mode})
        client.on_readout.append(self._read)
        client.on_gone.append(self._forget)

    @property
    def closed(self) -> bool:
        """Whether the customer is supplied: the contact of electricity is closed then, and the valve open."""
        return self.state == CONNECTED if self.position is None else self.position == OPEN

    def _forget(self) -> None:
        self.state, self.position, self.pending = CONNECTED, None, None

    def _write_mode(self, value: Data) -> DataAccessResult:
        if not 0 <= value.value <= ControlMode.MODE_6:
            return DataAccessResult.OTHER_REASON
        self.mode = value.value
        return DataAccessResult.SUCCESS

    # --- commands ------------------------------------------------------------------------------------------

    def _method(self, *, connect: bool) -> None:
        """Carry out a command where mode and state allow it.

        Raises `Refused`: temporary-failure where the device does not answer, and what the modes have besides.
        """
        command = Command.of(connect, self.host.origin)
        move = MOVES.get((self.mode, self.state, command))
        if move is None and self._takes_back(connect):
            return
        if move is None:
            known = any((mode, to) == (self.mode, command) for mode, _, to in MOVES)
            if not known and self._refused is not ActionResult.SUCCESS:
                raise Refused(self._refused)
            return
        before, self.pending = self.pending, move
        try:
            self.client.order(self._orders(move))
        except Refused:
            self.pending = before
            raise

    def _takes_back(self, connect: bool) -> bool:
        """Take a command back that the device has not carried out yet; False where there is none to be taken back."""
        move = self.pending
        if move is None or move.command.connects is connect:
            return False
        self.client.order([self._command(self.codes.release if connect else self.codes.close)])
        self.pending = None
        return True

    def _orders(self, move: Transition) -> list[Record]:
        """Return what the device is told. An open valve is closed to be ready: one that is released stays open."""
        codes = self.codes
        if move.after == DISCONNECTED:
            return [self._command(codes.close)]
        if move.after == READY:
            return [self._command(codes.close if move.before == CONNECTED else codes.release)]
        return [self._command(codes.open)]

    def _command(self, number: int) -> Record:
        return decode_records(self.codes.command + bytes((number,))).records[0]

    # --- what the device says ------------------------------------------------------------------------------

    def _read(self, readout: Readout) -> None:
        """Follow the valve: a command that was carried out, and what a person did."""
        position = self._position(readout)
        known, self.position = self.position, position
        move = self.pending
        if move is not None and (position is None or position in SETTLED[move.after]):
            # A device that does not tell where its valve is has acknowledged the command, and that must do.
            self.pending, self.state = None, move.after
            if move.after != READY or not move.command.connects:
                self._note(CAUSES[move.command])
        if position is None or self.pending is not None:
            return
        if known is None and move is None:
            self.state = _FOUND[position]
        elif self.state != CONNECTED and position == OPEN:
            self._by_hand(CONNECTED, Cause.MBUS_MANUAL_CONNECTION)
        elif self.state == CONNECTED and position != OPEN:
            self._by_hand(READY, Cause.MBUS_MANUAL_DISCONNECTION)

    def _by_hand(self, state: int, cause: Cause) -> None:
        """Take what somebody did at the device. It is done whether the mode has a transition for it or not."""
        self.state = state
        self._note(cause)

    def _position(self, readout: Readout) -> str | None:
        codes = self.codes
        record = next((item for item in readout.records if item.head.octets == codes.position), None)
        raw = None if record is None else record.raw
        return codes.positions.get(raw) if isinstance(raw, int) else None

    def _note(self, cause: Cause) -> None:
        self.host.note(cause, channel=self.client.number)
