"""The repeater call: who of a network repeats, decided in the order of addresses (IEC 62056-8-3, 10.5).

Behind the call and its repetitions come special slots of 21 pieces of two octets and a pause. Each station has a
piece. It sends a pattern there and becomes a repeater, unless it heard the pattern of an earlier one loud enough:
then it does not repeat. So everybody is a repeater or hears one, and the initiator's piece is the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from cosem.classes.c050_sfsk_phy_mac_setup import Repeater
from cosem.errors import ConfigError
from cosem.plc.addresses import NEW
from cosem.plc.ciase import DEFAULT_THRESHOLD

PATTERN: Final = b"\x2e\x5c"
PIECES: Final = 21
"""Pieces of two octets in a slot; three octets of pause are left."""
_MAX_NEW_SLOTS: Final = 0xFF


class Piece(NamedTuple):
    """A piece of a special slot: the slot counted in the whole network, and 0 to 20 in it."""

    slot: int
    number: int


@dataclass(frozen=True, slots=True)
class RepeaterCall:
    """What a call says: addresses up to `max_address` have a piece each, `new_slots` slots are for stations without
    one.

    `threshold` in dBµV.
    """

    max_address: int
    new_slots: int = 0
    threshold: float = DEFAULT_THRESHOLD

    def __post_init__(self) -> None:
        if not 0 <= self.max_address <= 0xFFFF or not 0 <= self.new_slots <= _MAX_NEW_SLOTS:
            raise ConfigError(f"a repeater call up to address {self.max_address}, {self.new_slots} slots for new")

    @property
    def slots(self) -> int:
        """How many special slots the call takes."""
        return -(-(self.max_address + 1) // PIECES) + self.new_slots

    def position(self, address: int, draw: int) -> int | None:
        """Return the place in the order: 0 for the initiator, the address of a server, by `draw` for a new station.

        None for who has none: an address above the limit, or no slots for new stations. The pieces for new stations
        begin with the slot behind the last of the others.
        """
        if address == NEW:
            return (self.slots - self.new_slots) * PIECES + draw % (self.new_slots * PIECES) if self.new_slots else None
        return address if 0 < address <= self.max_address else None


class Turn:
    """One station's part in one call. `begin` is the first special slot; `role` is attribute 10 of class 50."""

    def __init__(self, call: RepeaterCall, position: int | None, role: int, begin: int) -> None:
        self.call = call
        self.ends = begin + call.slots
        self.sent = False
        self._heard = False
        self._role = role
        silent = position is None or (role == Repeater.NEVER and position != 0)
        self.piece = None if position is None or silent else Piece(begin + position // PIECES, position % PIECES)

    def hear(self, level: float, piece: Piece) -> None:
        """Learn that the pattern came in `piece`, with `level` dBµV. What comes behind the own turn decides nothing."""
        if self.piece is not None and piece < self.piece and level >= self.call.threshold:
            self._heard = True

    def take(self) -> bytes | None:
        """Return the pattern in the own piece, or None where somebody else was heard before."""
        if self.piece is None or (self._heard and self._role == Repeater.DYNAMIC):
            return None
        self.sent = True
        return PATTERN

    @property
    def repeats(self) -> bool | None:
        """What the call decided; None for who took no part and stays as it was."""
        if self.piece is None:
            return None
        return self.sent
