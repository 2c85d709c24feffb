"""The input that the gas meter feeds: pulses, or the index of its encoder, with what may befall them."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple, Protocol

from cosem.device.gas.site import Pipe
from cosem.errors import ConfigError
from cosem.gas.counters import in_units
from cosem.gas.inputs import EncoderCause, EncoderInput, PulseInput


class Taken(NamedTuple):
    """What one look at the input gave: 1e-6 m³, and why it is not to be trusted, nothing where it is."""

    increment: int
    failed: str = ""


class FlowInput(Protocol):
    """Where increments come from."""

    def read(self, now: int) -> Taken:
        """Take what came since the last look. `now` in the simulation's seconds."""

    def missed(self, now: int) -> None:
        """Learn that there was no power up to `now`."""

    @property
    def meter_index(self) -> int | None:
        """Return the index of the meter itself in 1e-6 m³, None where only pulses are known."""


class Pulses:
    """Pulses of the meter; the part of one that is under way stays in the wheel. `cut` is a broken wire.

    A broken wire is noticed by its monitoring contact; the pulses of that time are lost (`lost`) and never counted.
    """

    def __init__(self, pipe: Pipe, volume: Decimal) -> None:
        self._pipe = pipe
        self.constant = PulseInput(volume)
        self.cut = False
        self.lost = 0
        self._since = pipe.index

    meter_index = None

    @property
    def pending(self) -> int:
        """Return what flowed and made no whole pulse yet, in 1e-6 m³."""
        return self._pipe.index - self._since

    def read(self, now: int) -> Taken:
        """Take the pulses since the last look."""
        self._pipe.settle(now)
        unit = in_units(self.constant.volume)
        pulses = (self._pipe.index - self._since) // unit
        self._since += pulses * unit
        if self.cut:
            self.lost += pulses * unit
            return Taken(0, "the wire of the pulse input is broken")
        return Taken(self.constant.increment(pulses))

    def missed(self, now: int) -> None:
        """Lose the pulses that came while nobody counted them."""
        cut, self.cut = self.cut, True
        self.read(now)
        self.cut = cut

    def reconfigure(self, volume: Decimal) -> None:
        """Take pulses of another volume from now on."""
        self.constant = PulseInput(volume)


class Encoder:
    """The index of the meter's encoder. `silent`: no answer; `wrong`: an index so many digits beside the true one."""

    def __init__(self, pipe: Pipe, unit: Decimal, digits: int, flow_max: Decimal) -> None:
        self._pipe = pipe
        self._unit = in_units(unit)
        self._turn: int = 10**digits
        self._given = (unit, digits)
        self._input = EncoderInput(unit, digits, flow_max)
        self.silent = False
        self.wrong = 0
        self._failed = ""

    @property
    def index(self) -> int:
        """Return what the encoder shows, in its last digit."""
        shown: int = (self._pipe.index // self._unit + self.wrong) % self._turn
        return shown

    @property
    def meter_index(self) -> int | None:
        """Return the last index that was believed, in 1e-6 m³."""
        return None if self._input.index is None else self._input.index * self._unit

    @property
    def pending(self) -> int:
        """Return what flowed and was not taken yet, in 1e-6 m³."""
        return self._pipe.index - (self.meter_index or 0)

    def read(self, now: int) -> Taken:
        """Take what the index moved since the last one believed. What came in while it failed is still doubtful."""
        self._pipe.settle(now)
        step = self._input.read(now, None if self.silent else self.index)
        before, self._failed = self._failed, "" if step.cause is None else step.cause.value
        if step.cause is EncoderCause.SILENT or step.cause is EncoderCause.JUMPED:
            return Taken(0, step.cause.value)
        return Taken(step.increment, before if step.increment else "")

    def missed(self, now: int) -> None:
        """Doubt what came meanwhile: the index stands in the meter, but nobody saw the pressure."""
        self._failed = "there was no power"

    def limit(self, flow_max: Decimal) -> None:
        """Believe flows up to `flow_max` in m³/h from now on; the index goes on where it is."""
        state = self._input.to_state()
        self._input = EncoderInput(*self._given, flow_max)
        self._input.restore(state)


def whole_pulse(pulses_per_cubic_metre: Decimal) -> Decimal:
    """Return the volume of a pulse in m³ of a pulse constant in 1/m³; ConfigError where it is no whole 1e-6 m³."""
    if not pulses_per_cubic_metre > 0:
        raise ConfigError("a pulse constant is above 0")
    volume = (1 / pulses_per_cubic_metre).quantize(Decimal("0.000001"))
    if volume * pulses_per_cubic_metre != 1:
        raise ConfigError(f"{pulses_per_cubic_metre} pulses of a m³ are not whole units of 1e-6 m³")
    return volume
