"""A volume conversion device as a machine without a clock (EN 12405-1, EN 12405-2): increments in, counters out.

Whoever drives it says how much the meter measured since the last step, at which pressure and temperature, and when.
Only increments are converted, with the factor of their interval; a sensor that fails is replaced by its substitute
value, and the disturbed counters count instead of the undisturbed ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, Flag, auto
from typing import Any, Final, NamedTuple

from cosem.errors import ConfigError, GasError, LocalProtocolError
from cosem.gas.compressibility import equation
from cosem.gas.counters import FACTOR_SCALE, MICRO, ConverterCounters, in_words, rounded
from cosem.gas.equation import KELVIN, Equation, Method
from cosem.gas.factors import BaseConditions, CorrectionCurve
from cosem.gas.inputs import Reading
from cosem.gas.quality import GasQuality, QualityBook, QualityChange

_ONE: Final = Decimal(1)
_ZERO: Final = Decimal("273.15")
_BASE: Final = BaseConditions()
_NO_CURVE: Final = CorrectionCurve()
_CURVE_SCALE: Final = FACTOR_SCALE


class Conversion(Enum):
    """What is measured: temperature; pressure too; and compressibility computed from both."""

    T = "T"
    PT = "PT"
    PTZ = "PTZ"


class Alarm(Flag):
    """Why the disturbed counters count: QUALITY for what depends on the quality of the gas, the rest for everything."""

    PRESSURE = auto()
    TEMPERATURE = auto()
    INPUT = auto()
    FLOW = auto()
    QUALITY = auto()
    COMPRESSIBILITY = auto()


NO_ALARM: Final = Alarm(0)
_INSIDE: tuple[str, ...] = ()
_ALL_VOLUMES = Alarm.PRESSURE | Alarm.TEMPERATURE | Alarm.INPUT | Alarm.FLOW


@dataclass(frozen=True, slots=True)
class ConverterSettings:
    """How a device converts. Pressures absolute in bar, temperatures in °C, flows in m³/h.

    `fixed_k` is K of T and PT conversion, of the method `FIXED`, and what stands in where an equation fails before it
    ever gave a value. T conversion takes `substitute_pressure` for the pressure of the network.
    """

    conversion: Conversion = Conversion.PTZ
    method: Method = Method.SGERG88
    base: BaseConditions = _BASE
    substitute_pressure: Decimal = Decimal("1.01325")
    substitute_temperature: Decimal = Decimal(10)
    pressure_limits: tuple[Decimal, Decimal] = (Decimal("0.8"), Decimal(100))
    temperature_limits: tuple[Decimal, Decimal] = (Decimal(-25), Decimal(60))
    flow_max: Decimal | None = None
    fixed_k: Decimal = _ONE
    curve: CorrectionCurve = _NO_CURVE
    accelerated: bool | None = False
    """Whether `pyaga8` computes the detail equation; False, so that every machine counts the same."""

    def __post_init__(self) -> None:
        for name, (low, high) in (("pressure", self.pressure_limits), ("temperature", self.temperature_limits)):
            if not low < high:
                raise ConfigError(f"the limits of {name} are in the wrong order")
        if self.pressure_limits[0] < 0 or self.temperature_limits[0] <= -KELVIN or self.substitute_pressure <= 0:
            raise ConfigError("a pressure or temperature of the settings is none")
        if self.substitute_temperature <= -KELVIN or not 0 < self.fixed_k < 10:
            raise ConfigError("a substitute temperature or fixed K of the settings is none")
        if self.flow_max is not None and self.flow_max <= 0:
            raise ConfigError("a largest flow is above 0")


class Step(NamedTuple):
    """What one step did. Increments in 1e-6 m³ and 1e-6 kWh; `k`, `factor` (C) and `curve_factor` (Cf) as applied.

    `pressure` and `temperature` are those used, substitute or measured; flows in m³/h, None where no time passed;
    `outside` says what of gas and state was out of the method's range, which is no alarm.
    """

    at: int
    seconds: int
    metering: int
    corrected: int
    base: int
    energy: int
    pressure: Decimal
    temperature: Decimal
    k: Decimal
    factor: Decimal
    curve_factor: Decimal
    calorific: Decimal
    quality: str
    alarms: Alarm
    flow: Decimal | None
    base_flow: Decimal | None
    outside: tuple[str, ...]
    changes: tuple[QualityChange, ...]


@dataclass(frozen=True, slots=True)
class _Physics:
    """What is computed once for a quality: its equation, None where it has none, and Zb."""

    quality: GasQuality
    equation: Equation | None
    base_z: float


class Converter:
    """A conversion device: settings, the book of gas qualities, and counters. See the module for the rules."""

    def __init__(self, settings: ConverterSettings, quality: GasQuality | QualityBook) -> None:
        self.book = quality if isinstance(quality, QualityBook) else QualityBook(quality, quality)
        self.counters = ConverterCounters()
        self.at: int | None = None
        self.last: Step | None = None
        self._last_curve = _CURVE_SCALE
        self.configure(settings)

    def configure(self, settings: ConverterSettings) -> None:
        """Convert by other settings from the next step on; step to this moment first. Counters go on."""
        self.settings = settings
        self._fixed_k = self._last_k = rounded(settings.fixed_k)
        self._physics: _Physics | None = None
        self._computes_z = settings.conversion is Conversion.PTZ and settings.method is not Method.FIXED

    @property
    def base_z(self) -> float | None:
        """Return Zb of the gas that was converted last, None where none is computed."""
        return None if self._physics is None or self._physics.equation is None else self._physics.base_z

    def step(
        self, at: int, increment: int, pressure: Reading, temperature: Reading, *, input_failed: bool = False
    ) -> Step:
        """Convert what the meter measured between the last step and `at` (seconds), in 1e-6 m³.

        `at` never goes back, and the same moment may be given again with a further increment (LocalProtocolError
        otherwise: an interval would be converted twice). What changes during an interval holds from its end on: step
        to `book.next_change` first. `input_failed` says that the meter's input cannot be trusted.
        """
        if self.at is not None and at < self.at:
            raise LocalProtocolError(f"converted to {self.at} already: no step back to {at}")
        if not isinstance(increment, int) or increment < 0:
            raise ConfigError(f"an increment of {increment!r} is none: whole units of 1e-6 m³, never negative")
        seconds = 0 if self.at is None else at - self.at
        changes = self.book.advance(at) if self.at is None else ()
        settings = self.settings
        alarms = Alarm.INPUT if input_failed else NO_ALARM

        bars, celsius = settings.substitute_pressure, settings.substitute_temperature
        if settings.conversion is not Conversion.T:
            if _trusted(pressure, settings.pressure_limits):
                bars = pressure.value  # type: ignore[assignment]
            else:
                alarms |= Alarm.PRESSURE
        if _trusted(temperature, settings.temperature_limits):
            celsius = temperature.value  # type: ignore[assignment]
        else:
            alarms |= Alarm.TEMPERATURE

        flow = _per_hour(increment, seconds)
        if settings.flow_max is not None and flow is not None and flow > settings.flow_max:
            alarms |= Alarm.FLOW

        quality = self.book.in_force
        if self.book.substituted:
            alarms |= Alarm.QUALITY
        k, outside = self._fixed_k, _INSIDE
        if self._computes_z:
            k = self._last_k
            found = self._k(quality, float(bars), float(celsius))
            if found is None:
                alarms |= Alarm.COMPRESSIBILITY
            else:
                k, outside = found
                self._last_k = k
        factor = self._factor(bars, celsius, k)

        # Without a flow there is nothing to interpolate: the last factor is as good as any, and 1 at first.
        if settings.curve.points and flow is not None:
            self._last_curve = rounded(settings.curve.factor(flow))
        curve = self._last_curve

        step = self._count(increment, curve, factor, quality, alarms)
        self.at = at
        self.last = Step(
            at,
            seconds,
            increment,
            *step,
            bars,
            celsius,
            in_words(k, FACTOR_SCALE),
            in_words(factor, FACTOR_SCALE),
            in_words(curve, FACTOR_SCALE),
            quality.calorific,
            quality.name,
            alarms,
            flow,
            _per_hour(step[1], seconds),
            outside,
            changes + self.book.advance(at),
        )
        return self.last

    def offer(self, quality: GasQuality, now: int) -> QualityChange:
        """Take a new gas quality that came at `now`, and return the audit row of it.

        Step to that moment first (LocalProtocolError otherwise): what flowed before is converted with what was known.
        """
        if self.at is not None and now != self.at:
            raise LocalProtocolError(f"a quality that comes at {now} needs a step to {now} first, not to {self.at}")
        return self.book.offer(quality, now)

    def to_state(self) -> dict[str, Any]:
        """Return all there is to persist: JSON values, whole numbers only."""
        return {
            "at": self.at,
            "k": self._last_k,
            "curve": self._last_curve,
            "counters": self.counters.to_state(),
            "qualities": self.book.to_state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on exactly where `to_state` was taken; ConfigError where the state is none."""
        try:
            counters = ConverterCounters.restore(state["counters"])
            at, k, curve = state["at"], state["k"], state["curve"]
            book = QualityBook(self.book.substitute)
            book.restore(state["qualities"])
        except (KeyError, TypeError, AttributeError) as error:
            raise ConfigError(f"the saved state of a converter is none: {error!r}") from None
        factors = isinstance(k, int) and k > 0 and isinstance(curve, int) and curve > 0
        if not (at is None or isinstance(at, int)) or not factors:
            raise ConfigError("the saved state of a converter has no time or factors that are some")
        self.book.current, self.book.waiting = book.current, book.waiting
        self.counters, self.at, self.last = counters, at, None
        self._last_k, self._last_curve = k, curve

    def _k(self, quality: GasQuality, bars: float, celsius: float) -> tuple[int, tuple[str, ...]] | None:
        """Return K and what is out of range; None where there is no equation or it has no solution."""
        physics = self._physics
        if physics is None or physics.quality is not quality:
            physics = self._physics = self._prepare(quality)
        if physics.equation is None:
            return None
        try:
            z = physics.equation.z(bars, celsius)
        except GasError:
            return None
        k = rounded(z / physics.base_z)
        return (k, physics.equation.outside(bars, celsius)) if k > 0 else None

    def _prepare(self, quality: GasQuality) -> _Physics:
        base, settings = self.settings.base, self.settings
        try:
            made = equation(settings.method, quality.gas, accelerated=settings.accelerated)
            return _Physics(quality, made, made.z(float(base.pressure), float(base.temperature)))
        except GasError:
            return _Physics(quality, None, 1.0)

    def _factor(self, bars: Decimal, celsius: Decimal, k: int) -> int:
        base = self.settings.base
        factor = bars / base.pressure * (base.temperature + _ZERO) / (celsius + _ZERO)
        return rounded(factor * FACTOR_SCALE / k)

    def _count(
        self, increment: int, curve: int, factor: int, quality: GasQuality, alarms: Alarm
    ) -> tuple[int, int, int]:
        """Count one increment everywhere, and return what was added: corrected, base, energy."""
        counters = self.counters
        volumes = base = energy = False
        if alarms:
            volumes = bool(alarms & _ALL_VOLUMES)
            base = volumes or Alarm.COMPRESSIBILITY in alarms or (self._computes_z and Alarm.QUALITY in alarms)
            energy = base or Alarm.QUALITY in alarms
        counters.metering.of(volumes).add(increment)
        corrected = counters.corrected.of(volumes).add(increment, curve, _CURVE_SCALE)
        at_base = counters.base.of(base).add(corrected, factor, FACTOR_SCALE)
        counted = counters.energy.of(energy).add(at_base, rounded(quality.calorific, MICRO), MICRO)
        return corrected, at_base, counted


def _trusted(reading: Reading, limits: tuple[Decimal, Decimal]) -> bool:
    value = reading.value
    return reading.good and value is not None and value.is_finite() and limits[0] <= value <= limits[1]


def _per_hour(units: int, seconds: int) -> Decimal | None:
    return Decimal(units * 3600) / (seconds * MICRO) if seconds else None
