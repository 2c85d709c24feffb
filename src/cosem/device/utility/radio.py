"""A simulated utility meter that sends by radio: a telegram every period, each a little early or late by its seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from cosem.device.load import noise
from cosem.device.utility.speaker import Speaker
from cosem.errors import ConfigError, CounterExhausted
from cosem.mbus.wireless import Format

_PHASE, _JITTER = 11, 12
"""Channels of noise."""


class Sent(NamedTuple):
    """A frame on the air: when its first chip leaves (UTC seconds), the mode of transmission, format, and octets."""

    at: float
    transmission: str
    octets: bytes
    form: Format


@dataclass(slots=True)
class RadioMeter:
    """A meter that sends. The first telegram comes within one period, where in it is the seed's business."""

    speaker: Speaker
    seed: int = 1
    next_at: float | None = field(init=False)
    """When the next telegram is sent; None once the battery is empty or no message counter is left."""
    _base: float = field(init=False)
    _number: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        radio = self.speaker.model.radio
        if radio is None:
            raise ConfigError(f"model {self.speaker.model.name}: nothing is said of how it sends")
        self._base = self.speaker.meter.now + noise(self.seed, 0, _PHASE) * radio.period
        self.next_at = self._base

    def send(self) -> Sent | None:
        """Let the meter count up to `next_at` and send; None where its battery or counter ended before."""
        radio, at = self.speaker.model.radio, self.next_at
        if radio is None or at is None:
            return None
        meter = self.speaker.meter
        meter.settle(int(at))
        if not meter.alive:
            self.next_at = None
            return None
        try:
            frame = self.speaker.radio_frame()
        except CounterExhausted:
            self.next_at = None
            return None
        self._number += 1
        off = radio.jitter * (2 * noise(self.seed, self._number, _JITTER) - 1)
        # Every telegram is off its own place and not off the one before: clocks do not wander apart by chance.
        self.next_at = self._base + (self._number + off) * radio.period
        return Sent(at, radio.transmission, frame, radio.form)
