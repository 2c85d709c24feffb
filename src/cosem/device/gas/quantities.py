"""Everything a converter can show, by name: what an object map gives codes to.

Names are words with dots: ``base.absolute`` (a counter), ``base.absolute.mp2`` (the increment of the last hour),
``base.absolute.mp2.running``, ``base.absolute.at.bp1`` (the index at the end of the last gas day),
``base.absolute.max.mp2.bp2`` (the largest hour of the month that runs; ``.last``: of the last one),
``pressure.mean.mp2``, ``pressure.least.mp2.running``, ``flow.base``, ``flow.base.mean.mp1``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from typing import Final

from cosem.codec.axdr import Data, Tag
from cosem.device.gas.boundaries import BILLING, MEASURING, PERIODS
from cosem.device.gas.periods import (
    AVERAGED,
    COUNTERS,
    KINDS,
    PLACES,
    CounterName,
    Maximum,
    Period,
    Periods,
)
from cosem.device.gas.process import Process
from cosem.errors import ConfigError
from cosem.gas.averages import Average, PeriodAverage
from cosem.gas.conversion import Step
from cosem.units import Unit

Value = Decimal | int | bytes | None
Held = Callable[[], Maximum | None]
Averaged = Callable[[], Average | None]
_EXACT: Final = Context(prec=60)
COUNTER_UNITS: Final = {
    "metering": (Unit.CUBIC_METRE, -6),
    "corrected": (Unit.CUBIC_METRE_CORRECTED, -6),
    "base": (Unit.CUBIC_METRE_CORRECTED, -6),
    "energy": (Unit.WATT_HOUR, -3),
}
"""Unit and exponent of one count: 1e-6 m³, and 1e-6 kWh."""
UNITS: Final = {
    "pressure": Unit.BAR,
    "temperature": Unit.DEGREE_CELSIUS,
    "k": Unit.COUNT,
    "factor": Unit.COUNT,
    "calorific": Unit.WATT_HOUR_PER_CUBIC_METRE,
}
_PER_KILO: Final = ("calorific",)
"""Kept in kWh, shown in Wh."""
TYPES: Final = {
    "u8": Tag.UNSIGNED,
    "u16": Tag.LONG_UNSIGNED,
    "u32": Tag.DOUBLE_LONG_UNSIGNED,
    "u64": Tag.LONG64_UNSIGNED,
    "i8": Tag.INTEGER,
    "i16": Tag.LONG,
    "i32": Tag.DOUBLE_LONG,
    "i64": Tag.LONG64,
    "octets": Tag.OCTET_STRING,
    "text": Tag.VISIBLE_STRING,
}
_BITS: Final = {"8": 8, "16": 16, "32": 32, "64": 64}


@dataclass(frozen=True, slots=True)
class Quantity:
    """One thing to show: how its value is had (None: there is none yet), in which unit, and since when it holds.

    `counted` values are cut where they have more digits than are shown, as on a mechanical register; others are
    rounded.
    """

    read: Callable[[], Value]
    unit: Unit = Unit.COUNT
    counted: bool = False
    at: Callable[[], int | None] | None = None


def shown(value: Value, scaler: int, kind: str) -> Data:
    """Return a value as an object shows it: `scaler` is the exponent, `kind` a key of `TYPES`. None is null-data.

    An unsigned counter that has no room any more starts from 0 again; anything else that does not fit is null-data.
    """
    tag = TYPES[kind]
    if value is None:
        return Data(Tag.NULL_DATA, None)
    if isinstance(value, bytes):
        return Data(tag, value.decode("ascii") if tag is Tag.VISIBLE_STRING else value)
    number = int(_EXACT.scaleb(Decimal(value), -scaler).to_integral_value(ROUND_HALF_EVEN, _EXACT))
    return _fitted(number, kind, tag, wraps=False)


def counted(value: Value, scaler: int, kind: str) -> Data:
    """Return a counter as an object shows it; see `shown`."""
    if value is None or isinstance(value, bytes):
        return shown(value, scaler, kind)
    number = int(_EXACT.scaleb(Decimal(value), -scaler).to_integral_value(ROUND_FLOOR, _EXACT))
    return _fitted(number, kind, TYPES[kind], wraps=True)


def _fitted(number: int, kind: str, tag: Tag, *, wraps: bool) -> Data:
    bits = _BITS.get(kind[1:])
    if bits is None:
        raise ConfigError(f"a number is not shown as {kind}")
    if kind[0] == "u" and wraps:
        return Data(tag, number % (1 << bits))
    low, high = (0, (1 << bits) - 1) if kind[0] == "u" else (-(1 << bits - 1), (1 << bits - 1) - 1)
    return Data(tag, number) if low <= number <= high else Data(Tag.NULL_DATA, None)


class Quantities(dict[str, Quantity]):
    """The quantities of one device by name."""

    def named(self, name: str) -> Quantity:
        """Return a quantity; ConfigError for one that the device has not."""
        found = self.get(name)
        if found is None:
            raise ConfigError(f"there is no quantity {name!r}")
        return found


def of_converter(process: Process, periods: Periods) -> Quantities:
    """Return counters, increments, maxima, momentary values and averages of a converter."""
    found = Quantities()
    found.update(_counters(process, periods))
    found.update(_momentary(process))
    found.update(_averages(periods))
    found.update(_flows(process, periods))
    return found


def _scaled(units: int | None, exponent: int) -> Decimal | None:
    return None if units is None else Decimal(units).scaleb(exponent, _EXACT)


def _counters(process: Process, periods: Periods) -> Iterator[tuple[str, Quantity]]:
    converter = process.converter
    for counter in COUNTERS:
        place, kind = counter
        unit, exponent = COUNTER_UNITS[place]

        def index(place: str = place, kind: str = kind, exponent: int = exponent) -> Value:
            pair = getattr(converter.counters, place)
            units = pair.absolute if kind == "absolute" else getattr(pair, kind).value
            return _scaled(units, exponent)

        name = f"{place}.{kind}"
        yield name, Quantity(index, unit, True)
        for period in PERIODS:
            held = periods.periods[period]

            def running(period: str = period, counter: CounterName = counter, exponent: int = exponent) -> Value:
                return _scaled(periods.running(period, counter), exponent)

            def last(held: Period = held, counter: CounterName = counter, exponent: int = exponent) -> Value:
                return None if held.last is None else _scaled(held.last.increments[counter], exponent)

            def at_end(held: Period = held, counter: CounterName = counter, exponent: int = exponent) -> Value:
                return None if held.last is None else _scaled(held.last.indexes[counter], exponent)

            def ended(held: Period = held) -> int | None:
                return None if held.last is None else held.last.at

            yield f"{name}.{period}.running", Quantity(running, unit, True)
            yield f"{name}.{period}", Quantity(last, unit, True, ended)
            yield f"{name}.at.{period}", Quantity(at_end, unit, True, ended)
        for longer in BILLING:
            for shorter in PERIODS[: PERIODS.index(longer)]:
                for suffix in ("", ".last"):
                    held_maximum = _maximum(periods.periods[longer], counter, shorter, bool(suffix))

                    def most(held: Held = held_maximum, exponent: int = exponent) -> Value:
                        maximum = held()
                        return None if maximum is None else _scaled(maximum.value, exponent)

                    def when(held: Held = held_maximum) -> int | None:
                        maximum = held()
                        return None if maximum is None else maximum.at

                    yield f"{name}.max.{shorter}.{longer}{suffix}", Quantity(most, unit, True, when)


def _maximum(longer: Period, counter: CounterName, shorter: str, last: bool) -> Held:
    """Return how the maximum of a billing period is had: of the one that runs, or the last."""
    key = (counter, shorter)
    return lambda: (longer.last_maxima if last else longer.maxima).get(key)


def _momentary(process: Process) -> Iterator[tuple[str, Quantity]]:
    converter = process.converter

    def of_step(attribute: str) -> Callable[[], Value]:
        def read() -> Value:
            step: Step | None = converter.last
            found: Value = None if step is None else getattr(step, attribute)
            return found

        return read

    yield "pressure", Quantity(of_step("pressure"), Unit.BAR)
    yield "temperature", Quantity(of_step("temperature"), Unit.DEGREE_CELSIUS)
    yield "k", Quantity(of_step("k"))
    yield "factor", Quantity(of_step("factor"))
    yield "curve", Quantity(of_step("curve_factor"))
    yield "calorific", Quantity(_kilo(of_step("calorific")), Unit.WATT_HOUR_PER_CUBIC_METRE)
    yield "z", Quantity(lambda: _z(process))
    yield "pressure.actual", Quantity(lambda: process.pressure.last.value, Unit.BAR)
    yield "temperature.actual", Quantity(lambda: process.temperature.last.value, Unit.DEGREE_CELSIUS)
    yield "pressure.base", Quantity(lambda: converter.settings.base.pressure, Unit.BAR)
    yield "temperature.base", Quantity(lambda: converter.settings.base.temperature, Unit.DEGREE_CELSIUS)
    yield "pressure.substitute", Quantity(lambda: converter.settings.substitute_pressure, Unit.BAR)
    yield "temperature.substitute", Quantity(lambda: converter.settings.substitute_temperature, Unit.DEGREE_CELSIUS)
    yield "method", Quantity(lambda: converter.settings.method.value.encode("ascii"))
    yield "meter.index", Quantity(lambda: _scaled(process.flow.meter_index, -6), Unit.CUBIC_METRE, True)


def _z(process: Process) -> Value:
    """Return Z of the last step: K times Zb of the gas in force, to eight places."""
    step, base = process.converter.last, process.converter.base_z
    return None if step is None or base is None else (step.k * Decimal(base)).quantize(Decimal("1e-8"))


def _kilo(read: Callable[[], Value]) -> Callable[[], Value]:
    def thousandfold() -> Value:
        value = read()
        return None if value is None or isinstance(value, bytes) else value * 1000

    return thousandfold


def _averages(periods: Periods) -> Iterator[tuple[str, Quantity]]:
    for name in AVERAGED:
        for period in PERIODS:
            average = periods.periods[period].averages[name]
            for attribute in ("mean", "least", "greatest"):
                for suffix in ("", ".running"):
                    held = _average(average, bool(suffix))

                    def read(held: Averaged = held, attribute: str = attribute) -> Value:
                        one = held()
                        found: Value = None if one is None else getattr(one, attribute)
                        return found

                    def when(held: Averaged = held, attribute: str = attribute) -> int | None:
                        one = held()
                        return None if one is None else getattr(one, f"{attribute}_at", None)

                    made = _kilo(read) if name in _PER_KILO else read
                    yield f"{name}.{attribute}.{period}{suffix}", Quantity(made, UNITS[name], False, when)


def _flows(process: Process, periods: Periods) -> Iterator[tuple[str, Quantity]]:
    converter = process.converter
    for place in PLACES[:3]:
        volume = COUNTER_UNITS[place][0]
        unit = Unit.CUBIC_METRE_PER_HOUR if volume is Unit.CUBIC_METRE else Unit.CUBIC_METRE_PER_HOUR_CORRECTED

        def now(place: str = place) -> Value:
            step = converter.last
            if step is None or not step.seconds:
                return None
            return Decimal(getattr(step, place) * 3600) / (step.seconds * 10**6)

        yield f"flow.{place}", Quantity(now, unit)
        for period in MEASURING:

            def mean(place: str = place, period: str = period) -> Value:
                held = periods.periods[period].last
                if held is None or not held.seconds:
                    return None
                return Decimal(held.increments[place, KINDS[2]] * 3600) / (held.seconds * 10**6)

            yield f"flow.{place}.mean.{period}", Quantity(mean, unit)

        for suffix in ("", ".last"):
            held_maximum = _maximum(periods.periods["bp1"], (place, KINDS[2]), "mp1", bool(suffix))

            def most(held: Held = held_maximum) -> Value:
                maximum, length = held(), periods.lengths["mp1"]
                return None if maximum is None else Decimal(maximum.value * 3600) / (length * 10**6)

            def at(held: Held = held_maximum) -> int | None:
                maximum = held()
                return None if maximum is None else maximum.at

            yield f"flow.{place}.max.mp1.bp1{suffix}", Quantity(most, unit, False, at)


def _average(average: PeriodAverage, running: bool) -> Averaged:
    return lambda: average.running if running else average.last
