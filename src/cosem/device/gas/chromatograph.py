"""A process gas chromatograph: analyses a stream, shows its items and averages (C = 70), and feeds converters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from cosem.device.causes import Cause
from cosem.device.clock import JumpOrder
from cosem.device.gas.analysis import COMPONENTS, composition_of
from cosem.device.gas.archives import Archives
from cosem.device.gas.boundaries import PERIODS, Boundaries
from cosem.device.gas.instrument import GasInstrument, InstrumentSettings
from cosem.device.gas.parameters import lock_parameters
from cosem.device.gas.quantities import Quantities, Quantity, Value
from cosem.device.gas.service import Service
from cosem.device.gas.stream import Blend, Stream
from cosem.device.host import Host
from cosem.device.random import Random
from cosem.errors import ConfigError, CosemError
from cosem.gas.averages import PeriodAverage
from cosem.gas.composition import Composition
from cosem.gas.iso6976 import properties
from cosem.gas.quality import GasQuality, Source
from cosem.security.counters import CounterStore
from cosem.units import Unit

CYCLE: Final = 300
_MICRO: Final = Decimal("0.000001")
_KWH: Final = Decimal("3.6")
PROPERTIES: Final = {
    "calorific": ("superior_volume", Unit.WATT_HOUR_PER_CUBIC_METRE),
    "inferior": ("inferior_volume", Unit.WATT_HOUR_PER_CUBIC_METRE),
    "wobbe": ("superior_wobbe", Unit.WATT_HOUR_PER_CUBIC_METRE),
    "inferior_wobbe": ("inferior_wobbe", Unit.WATT_HOUR_PER_CUBIC_METRE),
    "density": ("density", Unit.GRAM_PER_CUBIC_METRE),
    "relative_density": ("relative_density", Unit.COUNT),
}
"""What is computed of an analysis (ISO 6976:2016, 25/0): energies shown in Wh/m³, density in g/m³."""
_IN_JOULES: Final = ("calorific", "inferior", "wobbe", "inferior_wobbe")


class AnalyserFault(StrEnum):
    """What may befall a chromatograph."""

    SILENT = "silent"
    DOES_NOT_ADD_UP = "does not add up"


class Analysis:
    """One analysis: when (the simulation's seconds), the composition, and what is computed of it."""

    def __init__(self, at: int, composition: Composition) -> None:
        self.at = at
        self.composition = composition
        found = properties(composition, combustion=25, metering=0)
        self.values: dict[str, Decimal] = {}
        for name, (attribute, _) in PROPERTIES.items():
            value = Decimal(getattr(found, attribute).value)
            if name in _IN_JOULES:
                value = value * 1000 / _KWH
            elif name == "density":
                value *= 1000
            self.values[name] = value.quantize(_MICRO)
        for item, component in COMPONENTS.items():
            self.values[f"item{item}"] = Decimal(composition[component] * 100).quantize(Decimal("0.0001"))


class Averages:
    """The averages of all values over the periods, and the ends of these. See `Periods` for the names."""

    def __init__(self, host: Host, boundaries: Boundaries, settle: Callable[[], None]) -> None:
        self._host = host
        self._settle = settle
        self._boundaries = boundaries
        self.closed: list[Callable[[str, int], None]] = []
        self.of: dict[str, dict[str, PeriodAverage]] = {name: {} for name in PERIODS}
        self._following = {name: boundaries.following(name, host.clock.now) for name in PERIODS}
        host.clock.on_jump.append(self._jumped, JumpOrder.MEASURING)
        host.schedule(self)

    @property
    def lengths(self) -> dict[str, int]:
        """Return the lengths of the measurement periods in seconds."""
        return self._boundaries.lengths

    def add(self, values: dict[str, Decimal], seconds: int, at: int) -> None:
        """Take values that held for so long."""
        for averages in self.of.values():
            for name, value in values.items():
                if name not in averages:
                    averages[name] = PeriodAverage()
                averages[name].add(value, seconds, at)

    def value(self, name: str, period: str) -> Value:
        """Return the average of a period that ended last."""
        average = self.of[period].get(name)
        return None if average is None or average.last is None else average.last.mean

    def next_time(self) -> int | None:
        """Return the next end, in the simulation's time."""
        return min(self._following.values()) - self._host.clock.offset

    def act(self, now: int) -> None:
        """End what is over."""
        utc = self._host.clock.now
        self._end({name: at for name, at in self._following.items() if at <= utc})
        self._look(utc)

    def reset(self, name: str) -> None:
        """End a period now."""
        self._end({name: self._host.clock.now})

    def _end(self, moments: dict[str, int]) -> None:
        self._settle()
        for name in moments:
            for average in self.of[name].values():
                average.close()
        for name, at in moments.items():
            for told in self.closed:
                told(name, at)

    def _look(self, utc: int) -> None:
        self._following = {name: self._boundaries.following(name, utc) for name in PERIODS}

    def _jumped(self, old: int, new: int) -> None:
        self._end({name: at for name, at in self._following.items() if old < at <= new})
        self._look(new)


@dataclass(slots=True)
class ChromatographSettings(InstrumentSettings):
    """How a chromatograph is built: `cycle` seconds an analysis takes, `deliver` seconds between two deliveries.

    What is delivered is valid for `valid` seconds: who hears nothing for longer knows that something is wrong.
    """

    cycle: int = CYCLE
    deliver: int = 3600
    valid: int = 7200
    day_start: int = 21_600
    battery_days: int = 3650
    seed: int = 1


class Chromatograph(GasInstrument):
    """A chromatograph on a stream. Those in `feeds` are given the gas quality as it is delivered."""

    words = "gas chromatograph"
    settings: ChromatographSettings

    def __init__(
        self,
        settings: ChromatographSettings,
        start: int,
        random: Random,
        *,
        stream: Stream | None = None,
        simulation: bool = False,
        counters: CounterStore | None = None,
    ) -> None:
        super().__init__(settings, start, random, simulation=simulation, counters=counters)
        if not 60 <= settings.cycle <= settings.deliver < settings.valid:
            raise ConfigError("an analysis takes a minute or more, is delivered not before, and valid longer than that")
        self.stream = stream or Blend(settings.seed)
        self.feeds: list[Callable[[GasQuality], object]] = []
        self.fault: AnalyserFault | None = None
        self.last: Analysis | None = None
        self.failure = ""
        self._at = self._settled = start
        self._delivered = start - start % settings.deliver
        self._number = 0
        # The averages act after the analysis of the same moment.
        self.host.schedule(self)
        boundaries = Boundaries(self.clock, day_start=settings.day_start)
        self.averages = Averages(self.host, boundaries, self.settle)
        self.service = Service(self.host, battery_days=settings.battery_days, seed=settings.seed)
        self.archives = Archives(self.host, self.settle, self.averages)
        self._objects()
        self.finish()
        self._analyse()
        self.archives.start()

    def _objects(self) -> None:
        quantities = Quantities(self._quantities())
        quantities.update(self.status_quantities())
        quantities.update(self.service.quantities())
        self.show(quantities)
        self.events_and_status()
        self.archives.listen()
        self.records_and_locks(lock_parameters(self.locks))
        self.archives.add([each for each in self.map.profiles if each.device == "chromatograph"])

    def _quantities(self) -> Iterator[tuple[str, Quantity]]:
        units = {name: unit for name, (_, unit) in PROPERTIES.items()}
        units |= {f"item{item}": Unit.MOLE_PERCENT for item in COMPONENTS}
        for name, unit in units.items():
            yield f"analysis.{name}", Quantity(lambda name=name: self._value(name), unit)  # type: ignore[misc]
            for period in PERIODS:
                yield (
                    f"analysis.{name}.mean.{period}",
                    Quantity(lambda name=name, period=period: self.averages.value(name, period), unit),  # type: ignore[misc]
                )
        yield "archive.number", Quantity(lambda: self.archives.number)
        yield "archive.trigger", Quantity(lambda: int(self.archives.trigger))

    def _value(self, name: str) -> Value:
        return None if self.last is None else self.last.values[name]

    # --- time ----------------------------------------------------------------------------------------------

    def next_time(self) -> int | None:
        """Return when the next analysis is ready."""
        return self._at - self._at % self.settings.cycle + self.settings.cycle

    def act(self, now: int) -> None:
        """Take the analysis, and deliver what is due."""
        self.settle()
        self._at = now
        self._analyse()
        if now - self._delivered >= self.settings.deliver:
            self._delivered = now - now % self.settings.deliver
            self._deliver()

    def settle(self) -> None:
        """Let the last analysis have held up to now."""
        now = self.host.now
        if self.last is not None and now > self._settled:
            self.averages.add(self.last.values, now - self._settled, self.clock.now)
        self._settled = now

    def _analyse(self) -> None:
        before = self.failure
        shares = self.stream.at(self.host.now)
        try:
            if self.fault is AnalyserFault.SILENT:
                raise ConfigError("the analyser does not answer")
            if self.fault is AnalyserFault.DOES_NOT_ADD_UP:
                shares = {item: share * Decimal("0.9") for item, share in shares.items()}
            self.last, self.failure = Analysis(self.host.now, composition_of(shares)), ""
        except CosemError as error:
            self.failure = str(error)
        if bool(before) != bool(self.failure):
            self.host.note(Cause.ANALYSIS_FAILED if self.failure else Cause.ANALYSIS_OK, what=self.failure)

    def _deliver(self) -> None:
        if self.failure or self.last is None:
            return
        self._number += 1
        quality = self.quality(f"analysis {self._number}")
        for feed in self.feeds:
            feed(quality)

    def quality(self, name: str) -> GasQuality:
        """Return the last analysis as a gas quality, valid from now on; ConfigError where there is none."""
        if self.last is None:
            raise ConfigError("nothing was analysed yet")
        now = self.clock.now
        return GasQuality.of_composition(
            name,
            self.last.composition,
            valid_from=now,
            valid_until=now + self.settings.valid,
            source=Source.CHROMATOGRAPH,
        )
