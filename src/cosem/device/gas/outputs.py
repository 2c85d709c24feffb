"""Pulse outputs: what the counters count is given on as pulses of a constant; none is lost or given twice."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from cosem.device.gas.flow_input import whole_pulse
from cosem.device.gas.process import Process
from cosem.gas.conversion import Step
from cosem.gas.counters import in_units

PLACES: Final = ("metering", "base")


class PulseOutput:
    """One output: `pulses` given so far; `pending` is what counted and made no whole pulse yet, in 1e-6 m³."""

    def __init__(self, volume: Decimal) -> None:
        self.pulses = 0
        self.pending = 0
        self._unit = in_units(volume)
        self.per_cubic_metre = 1 / volume

    def configure(self, per_cubic_metre: Decimal) -> None:
        """Give pulses of another constant (1/m³) from now on."""
        volume = whole_pulse(per_cubic_metre)
        self._unit, self.per_cubic_metre = in_units(volume), per_cubic_metre

    def count(self, increment: int) -> None:
        """Give on what was counted."""
        pulses, self.pending = divmod(self.pending + increment, self._unit)
        self.pulses += pulses


class PulseOutputs:
    """The outputs of a converter, by what they give: volume at metering and at base conditions."""

    def __init__(self, process: Process, volume: Decimal = Decimal(1)) -> None:
        self.outputs = {place: PulseOutput(volume) for place in PLACES}
        process.stepped.append(self._stepped)

    def _stepped(self, step: Step) -> None:
        self.outputs["metering"].count(step.metering)
        self.outputs["base"].count(step.base)
