"""What a station of the MAC layer is set to, and what it counts: the numbers of classes 50, 52 and 53."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from cosem.classes.c050_sfsk_phy_mac_setup import Repeater
from cosem.classes.c053_sfsk_mac_counters import BroadcastFrames, Desynchronizations, Synchronization
from cosem.errors import ConfigError
from cosem.plc.addresses import AddressPlan
from cosem.plc.check24 import TEXTBOOK, CheckSequence
from cosem.plc.mac_state import COUNTED, Loss
from cosem.plc.phy import Rate

MAX_TIMEOUT: Final = 0xFFFF


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The time-outs of class 52, 0 where one is not used. The names end in the unit.

    The standard's own defaults were found for none of them: 3 s and 45 s are from memory, the others are ours (a
    search as long as several rounds of discovery, a day and a night without a word as what nobody calls normal).
    """

    search_initiator_s: int = 60
    synchronization_confirmation_s: int = 3
    not_addressed_min: int = 24 * 60
    frame_not_ok_s: int = 45

    def __post_init__(self) -> None:
        for name in ("search_initiator_s", "synchronization_confirmation_s", "not_addressed_min", "frame_not_ok_s"):
            if not 0 <= getattr(self, name) <= MAX_TIMEOUT:
                raise ConfigError(f"{name} {getattr(self, name)}: 0 to {MAX_TIMEOUT}")


@dataclass(frozen=True, slots=True)
class MacSettings:
    """How a station behaves.

    - `initiator`: whether it is one (it is always synchronised and locked to nobody).
    - `search_threshold`: dBµV from which on the first initiator heard is taken at once (class 50, attribute 6; 98
      seen).
    - `search_gain`: instead of the threshold, the steps of receiving gain up to which an initiator counts as strong
      (attribute 6 of version 0); None compares levels.
    - `repeater`: never, always, or as the last repeater call decided (class 50, attribute 10).
    - `repeats_at_first`: what a dynamic station does before any repeater call; found nowhere. Repeating costs only air
      time that is spent anyway, and a network without repeaters could not grow, so it repeats.
    - `keeps_repeating`: whether a repeater sends a frame again for each credit that is left, as its sender does, or
      once. Deduced: copies of a chorus are sent by all who have the frame.
    - `turnaround`: slots between the end of all repetitions and the first of an own frame; a modem wants what it
      sends in the slot before, so 1 is the least.
    - `answers_with_received_credit`: an own frame without a credit of its own takes the initial credit of the last
      frame from there (deduced: what was needed to come is needed to go back). Otherwise it takes 0.
    """

    initiator: bool = False
    plan: AddressPlan = field(default_factory=AddressPlan)
    rate: Rate = field(default_factory=Rate)
    check: CheckSequence = TEXTBOOK
    timeouts: Timeouts = field(default_factory=Timeouts)
    search_threshold: float = 98.0
    search_gain: int | None = None
    repeater: int = Repeater.DYNAMIC
    repeats_at_first: bool = True
    keeps_repeating: bool = True
    turnaround: int = 1
    answers_with_received_credit: bool = True

    def __post_init__(self) -> None:
        if self.turnaround < 0:
            raise ConfigError(f"a turnaround of {self.turnaround} slots")


MIN_DELTA_RESET: Final = 7
"""min_delta_credit before any frame came: the client writes it back to this."""


@dataclass(slots=True)
class Counters:
    """The counters of class 53, each as its attribute."""

    synchronizations: dict[int, int] = field(default_factory=dict)
    desynchronizations: dict[Loss, int] = field(default_factory=dict)
    broadcasts: dict[int, int] = field(default_factory=dict)
    repetitions: int = 0
    transmissions: int = 0
    crc_ok: int = 0
    crc_nok: int = 0

    def reset(self) -> None:
        """Set everything to 0 (method 1 of class 53)."""
        self.synchronizations.clear()
        self.desynchronizations.clear()
        self.broadcasts.clear()
        self.repetitions = self.transmissions = self.crc_ok = self.crc_nok = 0

    def synchronization_register(self) -> tuple[Synchronization, ...]:
        """Return attribute 2: how often each initiator's frames confirmed a synchronisation."""
        return tuple(Synchronization(*item) for item in self.synchronizations.items())

    def desynchronization_listing(self) -> Desynchronizations:
        """Return attribute 3: losses by cause."""
        counted = {COUNTED[cause]: number for cause, number in self.desynchronizations.items() if cause in COUNTED}
        return Desynchronizations(**counted)

    def broadcast_frames_counter(self) -> tuple[BroadcastFrames, ...]:
        """Return attribute 4: frames to all stations, by initiator."""
        return tuple(BroadcastFrames(*item) for item in self.broadcasts.items())
