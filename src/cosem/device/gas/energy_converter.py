"""An energy conversion device (EN 12405-2): base volume as pulses of a volume converter, gas quality from outside.

What comes in stands at base conditions already, so it is not converted again: C and K are 1.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from cosem.device.gas.converter import Companion, ConverterDeviceSettings, VolumeConverter
from cosem.device.gas.flow_input import FlowInput, Taken
from cosem.device.gas.sensors import Sensor
from cosem.device.random import Random
from cosem.gas.conversion import Conversion
from cosem.gas.counters import in_units
from cosem.gas.equation import Method
from cosem.security.counters import CounterStore


class BasePulses:
    """The pulses that a converter gives of its base volume. Those that come without power are lost (`lost`)."""

    meter_index = None

    def __init__(self, source: VolumeConverter) -> None:
        self._output = source.outputs.outputs["base"]
        self._since = self._output.pulses
        self.lost = 0

    def _taken(self) -> int:
        pulses, self._since = self._output.pulses - self._since, self._output.pulses
        return pulses * in_units(1 / self._output.per_cubic_metre)

    def read(self, now: int) -> Taken:
        """Take the pulses since the last look."""
        return Taken(self._taken())

    def missed(self, now: int) -> None:
        """Lose the pulses that came while nobody counted them."""
        self.lost += self._taken()


class EnergyConverter(VolumeConverter):
    """An energy converter behind `source`, which lives along with it. `offer`, `beside` or the table bring the gas."""

    words = "gas energy converter"
    measures = False

    def __init__(
        self,
        settings: ConverterDeviceSettings,
        source: VolumeConverter,
        random: Random,
        *,
        simulation: bool = False,
        counters: CounterStore | None = None,
    ) -> None:
        self._source = source
        base = settings.conversion.base
        conversion = replace(
            settings.conversion,
            conversion=Conversion.PT,
            method=Method.FIXED,
            fixed_k=Decimal(1),
            base=base,
            pressure_limits=(base.pressure - Decimal("0.1"), base.pressure + Decimal("0.1")),
            temperature_limits=(base.temperature - 1, base.temperature + 1),
            substitute_pressure=base.pressure,
            substitute_temperature=base.temperature,
        )
        super().__init__(
            replace(settings, conversion=conversion), source.now, random, simulation=simulation, counters=counters
        )

    def _input(self) -> FlowInput:
        # At the same moment the source counts before this device does.
        self.host.schedule(Companion(self._source), unpowered=True)
        return BasePulses(self._source)

    def _sensor(self, name: str, rate: Decimal, serial: str) -> Sensor:
        """Return what stands for a sensor: the base conditions, which never move."""
        held: Decimal = getattr(self.settings.conversion.base, name)
        return Sensor(name, lambda: held, rate_max=rate, stuck_after=None)
