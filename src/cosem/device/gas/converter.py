"""A volume conversion device, with energy: from the pulses or the encoder of a gas meter to archives and logs."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Literal

from cosem.classes.c067_sensor_manager import OutputType
from cosem.classes.common import AttributeReference
from cosem.device.gas.archives import Archives
from cosem.device.gas.billing_energy import BillingEnergy
from cosem.device.gas.chromatograph import Chromatograph
from cosem.device.gas.disturbances import ALARMS, Disturbances
from cosem.device.gas.flow_input import Encoder, FlowInput, Pulses
from cosem.device.gas.instrument import GasInstrument, InstrumentSettings
from cosem.device.gas.outputs import PulseOutputs
from cosem.device.gas.parameters import Parameters
from cosem.device.gas.periods import Periods
from cosem.device.gas.process import Process
from cosem.device.gas.quality_input import QualityInput, QualityRefusedError
from cosem.device.gas.quantities import Quantities, Quantity, of_converter
from cosem.device.gas.sensors import BAR, CELSIUS, Sensor, SensorObject
from cosem.device.gas.service import Service
from cosem.device.gas.site import Industry, Pipe, Supply
from cosem.device.gas.time_shift import TimeShift
from cosem.device.random import Random
from cosem.device.shown import NO_TIME
from cosem.errors import ConfigError
from cosem.gas.characteristics import Characteristics
from cosem.gas.conversion import Converter, ConverterSettings
from cosem.gas.quality import GasQuality, QualityBook, QualityChange
from cosem.security.counters import CounterStore

PRESSURE_RATE: Final = Decimal("0.02")
TEMPERATURE_RATE: Final = Decimal("0.02")
"""How fast pressure (bar/s) and temperature (°C/s) can change; a jump beyond is not believed. Choices."""
H_GAS: Final = GasQuality("H table", Decimal("11.294444"), Characteristics(40.66, 0.581, 0.006, n2=0.003))


@dataclass(slots=True)
class ConverterDeviceSettings(InstrumentSettings):
    """How a conversion device is built.

    `conversion` is how it converts; `quality` the gas it begins with, `substitute` the one that stands in where none is
    valid. `input` is "pulse" of `pulse` m³ each, or "encoder" with `pulse` m³ a digit and `digits` digits; flows up to
    `flow_limit` m³/h are believed of an encoder. `cycle` in seconds; `mp1`, `mp2` and `day_start` in
    seconds, those of the market where nothing is said. `billing_calorific` (kWh/m³) is what bills, that of `quality`
    where nothing is said.
    """

    conversion: ConverterSettings = field(default_factory=ConverterSettings)
    quality: GasQuality = H_GAS
    substitute: GasQuality | None = None
    input: Literal["pulse", "encoder"] = "encoder"
    pulse: Decimal = Decimal("0.1")
    digits: int = 9
    flow_limit: Decimal = Decimal(10_000)
    cycle: int = 60
    mp1: int | None = None
    mp2: int | None = None
    day_start: int | None = None
    billing_calorific: Decimal | None = None
    battery_days: int = 3650
    seed: int = 1


class VolumeConverter(GasInstrument):
    """A conversion device on a pipe: `supply` is what flows there. `offer` brings it a gas quality from outside."""

    words = "gas volume converter"
    measures = True
    """Whether it has sensors of pressure and temperature."""
    settings: ConverterDeviceSettings

    def __init__(
        self,
        settings: ConverterDeviceSettings,
        start: int,
        random: Random,
        *,
        supply: Supply | None = None,
        simulation: bool = False,
        counters: CounterStore | None = None,
    ) -> None:
        super().__init__(settings, start, random, simulation=simulation, counters=counters)
        self.pipe = Pipe(supply or Industry(settings.seed), start, zone=settings.zone)
        self.flow = self._input()
        self.pressure = self._sensor("pressure", PRESSURE_RATE, f"P{settings.serial}")
        self.temperature = self._sensor("temperature", TEMPERATURE_RATE, f"T{settings.serial}")
        book = QualityBook(settings.substitute or settings.quality, settings.quality)
        self.converter = Converter(settings.conversion, book)
        host = self.host
        self.process = Process(host, self.converter, self.flow, self.pressure, self.temperature, cycle=settings.cycle)
        spans = {"mp1": 900, "mp2": 3600, "day_start": 21_600} | dict(self.map.defaults)
        said = {name: getattr(settings, name) for name in spans}
        self.periods = Periods(
            host, self.process, **(spans | {name: seconds for name, seconds in said.items() if seconds is not None})
        )
        self.billing = BillingEnergy(
            self.process, self.periods, settings.billing_calorific or settings.quality.calorific
        )
        self.outputs = PulseOutputs(self.process)
        self.disturbances = Disturbances(host, self.process, self.periods)
        self.shift = TimeShift(host, self.locks, self.periods, user=lambda: self.device.user)
        self.service = Service(host, battery_days=settings.battery_days, seed=settings.seed)
        self.archives = Archives(host, self.process.settle, self.periods)
        self.quality = QualityInput(host, self.process)
        self._objects()
        self.finish()
        self.process.settle()
        self.archives.start()

    def _input(self) -> FlowInput:
        settings = self.settings
        if settings.input == "pulse":
            return Pulses(self.pipe, settings.pulse)
        if settings.input == "encoder":
            return Encoder(self.pipe, settings.pulse, settings.digits, settings.flow_limit)
        raise ConfigError(f"the input of a converter is pulse or encoder, not {settings.input!r}")

    def _sensor(self, name: str, rate: Decimal, serial: str) -> Sensor:
        def truth() -> Decimal:
            found: Decimal = getattr(self.pipe, name)
            return found

        sensor = Sensor(name, truth, rate_max=rate)
        sensor.serial = serial
        return sensor

    # --- objects -------------------------------------------------------------------------------------------

    def _objects(self) -> None:
        quantities = of_converter(self.process, self.periods)
        quantities.update(self.status_quantities())
        quantities.update(self.service.quantities())
        quantities.update(self.billing.quantities())
        quantities.update(self._own())
        self.quantities = quantities
        self.show(quantities)
        places = self.map.places
        for sensor, unit, kind, place in (
            (self.pressure, BAR, OutputType.CURRENT_4_TO_20_MA, "pressure"),
            (self.temperature, CELSIUS, OutputType.PT1000, "temperature"),
        ):
            if self.measures:
                processed = AttributeReference(3, places[place], 2)
                SensorObject(self.host, places[f"{place}_sensor"], sensor, unit, kind, processed)
        parameters = Parameters(
            self.host, self.process, self.periods, self.disturbances, self.outputs, self.shift, self.locks
        )
        parameters.update(self.quality.parameters)
        parameters.update(self.billing.parameters())
        self.parameters = parameters
        self.events_and_status()
        for alarm, (begun, _) in ALARMS.items():
            self.status.live[begun] = lambda alarm=alarm: alarm in self.disturbances.alarms  # type: ignore[misc]
        # Archives hear of a cause after the status words did.
        self.archives.listen()
        self.records_and_locks(parameters)
        self.quality.add_table(places["quality_table"], self.configuration)
        self.archives.add([each for each in self.map.profiles if each.device == "converter"])
        self.periods.closed.append(self._new_day)

    def _new_day(self, name: str, at: int) -> None:
        if name == "bp1":
            self.status.new_day()

    def _own(self) -> Quantities:
        return Quantities(
            {
                "shift.left": Quantity(lambda: self.shift.left),
                "reset.time": Quantity(lambda: self._reset_at(slice(5, 9))),
                "reset.date": Quantity(lambda: self._reset_at(slice(0, 5))),
                "archive.number": Quantity(lambda: self.archives.number),
                "archive.trigger": Quantity(lambda: int(self.archives.trigger)),
                "quality.name": Quantity(lambda: self.converter.book.in_force.name.encode("utf-8")),
                "certification.room": Quantity(lambda: self.records.room),
            }
        )

    def _reset_at(self, part: slice) -> bytes:
        """Return the time or date of the last end of a gas month; without one nothing of it is specified."""
        last = self.periods.periods["bp2"].last
        return (NO_TIME if last is None else self.clock.octets(last.at))[part]

    # --- what is done to it --------------------------------------------------------------------------------

    def power_cut(self) -> None:
        """Take the power away: what came up to now was counted."""
        if self.device.schedule.powered:
            self.process.settle()
        super().power_cut()

    def resumed(self) -> None:
        """Look at the input before anything else is converted."""
        self.flow.missed(self.now)

    def beside(self, analyser: Chromatograph) -> None:
        """Let a chromatograph live along with this converter and bring it the gas quality.

        A quality that cannot be taken is refused with an event, and the one in force goes on.
        """

        def feed(quality: GasQuality) -> None:
            # Without power nobody takes it.
            if self.device.schedule.powered:
                with contextlib.suppress(QualityRefusedError):
                    self.offer(quality)

        analyser.feeds.append(feed)
        self.host.schedule(Companion(analyser), unpowered=True)

    def offer(self, quality: GasQuality) -> QualityChange:
        """Take a gas quality that an analyser or a remote place sends now; raises `QualityRefusedError`."""
        return self.quality.offer(quality)


class Companion:
    """Lets one device live along with another: a behaviour that acts when the other one would."""

    def __init__(self, device: GasInstrument) -> None:
        self._device = device

    def next_time(self) -> int | None:
        """Return when the other device acts next."""
        schedule = self._device.device.schedule
        return min((at for item in schedule.behaviours if (at := item.next_time()) is not None), default=None)

    def act(self, now: int) -> None:
        """Let the other device live up to now."""
        self._device.advance(now)
