"""What feeds a converter: readings of sensors, pulses, the index of an encoder. All become increments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, Final, NamedTuple

from cosem.errors import ConfigError
from cosem.gas.counters import in_units

SILENCE: Final = 20
"""Seconds after which an encoder that says nothing has failed (as Elster's converters have it)."""


class Reading(NamedTuple):
    """What a sensor says: a value, or None where it says nothing; `good` False where it doubts itself."""

    value: Decimal | None
    good: bool = True


class SensorWatch:
    """The readings of a sensor, doubted where they jump faster than can be or stick to one value.

    `rate_max` is what the quantity can change by in a second at most (None: anything), `stuck_after` the seconds after
    which a value that never moves in its last digit is that of a dead sensor (None: never). A jump is believed as soon
    as the time since the last believed reading allows for it.
    """

    def __init__(self, rate_max: Decimal | None = None, stuck_after: int | None = None) -> None:
        if (rate_max is not None and rate_max <= 0) or (stuck_after is not None and stuck_after <= 0):
            raise ConfigError("a largest rate and the time after which a sensor sticks are above 0")
        self._rate_max, self._stuck_after = rate_max, stuck_after
        self._believed: tuple[Decimal, int] | None = None
        self._same: tuple[Decimal, int] | None = None

    def read(self, now: int, reading: Reading) -> Reading:
        """Return the reading taken at `now` (seconds), not `good` where it is doubted."""
        value = reading.value
        if value is None or not reading.good or not value.is_finite():
            return Reading(value, False)
        if self._same is None or self._same[0] != value:
            self._same = (value, now)
        elif self._stuck_after is not None and now - self._same[1] >= self._stuck_after:
            return Reading(value, False)
        if self._believed is not None and self._rate_max is not None:
            before, at = self._believed
            if abs(value - before) > self._rate_max * max(now - at, 1):
                return Reading(value, False)
        self._believed = (value, now)
        return reading


@dataclass(frozen=True, slots=True)
class PulseInput:
    """Pulses of a fixed volume in m³, a whole number of 1e-6 m³."""

    volume: Decimal

    def __post_init__(self) -> None:
        if not self.volume > 0:
            raise ConfigError(f"a pulse of {self.volume} m³ is none")
        in_units(self.volume)

    def increment(self, pulses: int) -> int:
        """Return the volume of so many pulses in 1e-6 m³."""
        if pulses < 0:
            raise ConfigError(f"{pulses} pulses: an increment is never negative")
        return pulses * in_units(self.volume)


class EncoderCause(Enum):
    """Why an encoder counts for nothing at the moment."""

    SILENT = "the encoder is silent"
    JUMPED = "the index of the encoder jumped"


class EncoderStep(NamedTuple):
    """What one look at the encoder gave: an increment in 1e-6 m³, and what is wrong."""

    increment: int = 0
    cause: EncoderCause | None = None


class EncoderInput:
    """The index of an encoder, made into increments; it counts through power cuts, since the index stands in the meter.

    `unit` is the volume of the last digit in m³, `digits` how many digits the index has before it starts again from 0,
    `flow_max` in m³/h what can flow at most: an index further away than that in the time since is not believed, and
    counts for nothing until it is plausible again or `accept`ed.
    """

    def __init__(self, unit: Decimal, digits: int = 8, flow_max: Decimal = Decimal(10_000)) -> None:
        self._unit = in_units(unit)
        if self._unit <= 0 or not 1 <= digits <= 18 or flow_max <= 0:
            raise ConfigError("an encoder has a unit above 0, 1 to 18 digits, and a largest flow above 0")
        self._turn = 10**digits
        self._per_second = in_units(flow_max) / 3600
        self.index: int | None = None
        self.at: int | None = None

    def read(self, now: int, index: int | None) -> EncoderStep:
        """Return what came since the last index that was believed. `now` in seconds, `index` None: no answer."""
        if index is None:
            silent = self.at is None or now - self.at > SILENCE
            return EncoderStep(0, EncoderCause.SILENT if silent else None)
        if not 0 <= index < self._turn:
            return EncoderStep(0, EncoderCause.JUMPED)
        if self.index is None or self.at is None:
            self.index, self.at = index, now
            return EncoderStep()
        steps = (index - self.index) % self._turn
        # One digit more than can flow: the index moves in whole digits.
        if (steps - 1) * self._unit > self._per_second * max(now - self.at, 0):
            return EncoderStep(0, EncoderCause.JUMPED)
        self.index, self.at = index, now
        return EncoderStep(steps * self._unit)

    def accept(self, now: int, index: int) -> None:
        """Start from a new index, as after a change of the meter: what lies between is not counted."""
        if not 0 <= index < self._turn:
            raise ConfigError(f"{index} has more digits than the encoder")
        self.index, self.at = index, now

    def to_state(self) -> dict[str, int | None]:
        """Return what to persist."""
        return {"index": self.index, "at": self.at}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `to_state` gave: the next reading counts what flowed in between."""
        self.index, self.at = state.get("index"), state.get("at")
