"""The parameters of a converter: what changing them does to conversion, periods, inputs and outputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from cosem.device.causes import Cause
from cosem.device.gas.configuration import Parameter
from cosem.device.gas.disturbances import Disturbances
from cosem.device.gas.flow_input import Encoder, Pulses, whole_pulse
from cosem.device.gas.locks import Level, Locks
from cosem.device.gas.outputs import PulseOutputs
from cosem.device.gas.periods import Periods
from cosem.device.gas.process import LONGEST_CYCLE, Process
from cosem.device.gas.quantities import Value
from cosem.device.gas.sensors import Sensor
from cosem.device.gas.time_shift import TimeShift
from cosem.device.host import Host
from cosem.errors import ConfigError
from cosem.gas.conversion import ConverterSettings
from cosem.gas.counters import in_units, in_words
from cosem.gas.equation import Method
from cosem.gas.factors import BaseConditions
from cosem.units import Unit

_SEALED: Final[dict[str, Any]] = {"lock": Level.CALIBRATION}
_CERTIFIED: Final[dict[str, Any]] = {"lock": Level.CALIBRATION, "certified": True}


def _number(value: Decimal | bytes) -> Decimal:
    if isinstance(value, bytes):
        raise ConfigError("this parameter is a number")
    return value


BOUNDS: Final = {
    "pressure": (Decimal("0.1"), Decimal(1000)),
    "temperature": (Decimal(-100), Decimal(150)),
    "base pressure": (Decimal("0.9"), Decimal("1.1")),
    "base temperature": (Decimal(-10), Decimal(30)),
    "K": (Decimal("0.1"), Decimal(10)),
}
"""What limits, substitute values and base conditions can be at all: bar absolute, °C. Beyond lies a mistyped digit."""


def _state(quantity: str, value: Decimal | bytes) -> Decimal:
    number = _number(value)
    low, high = BOUNDS[quantity]
    if not low <= number <= high:
        raise ConfigError(f"a {quantity} of {number} is not within {low} to {high}")
    return number


def _whole(value: Decimal | bytes) -> int:
    number = _number(value)
    if number != number.to_integral_value():
        raise ConfigError("this parameter is a whole number")
    return int(number)


def _text(value: Decimal | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise ConfigError("this parameter is no number")
    return value


def lock_parameters(locks: Locks) -> dict[str, Parameter]:
    """Return after how many seconds each lock closes by itself, by ``lock.NAME.closes_after``."""
    return {
        f"lock.{level.words}.closes_after": Parameter(
            lambda level=level: locks.auto_close[level],  # type: ignore[misc]
            lambda value, level=level: _closing(locks, level, _whole(value)),  # type: ignore[misc]
            Unit.SECOND,
            max(level, Level.SUPPLIER),
        )
        for level in Level
    }


class Parameters(dict[str, Parameter]):
    """All parameters of one converter, by the names object maps use."""

    def __init__(
        self,
        host: Host,
        process: Process,
        periods: Periods,
        disturbances: Disturbances,
        outputs: PulseOutputs,
        shift: TimeShift,
        locks: Locks,
    ) -> None:
        super().__init__()
        self._host = host
        self._process = process
        self._periods = periods
        self._of_conversion()
        self._of_input()
        self._of_periods()
        self._of_sensors(process.pressure, "pressure")
        self._of_sensors(process.temperature, "temperature")
        for name, output in outputs.outputs.items():
            self[f"output.{name}"] = Parameter(
                lambda output=output: output.per_cubic_metre,  # type: ignore[misc]
                lambda value, output=output: output.configure(_number(value)),  # type: ignore[misc]
                Unit.PER_CUBIC_METRE,
                **_CERTIFIED,
            )
        for name in ("mp1", "mp2"):
            self[f"contract.{name}"] = Parameter(
                lambda name=name: in_words(disturbances.limits.get(name, 0)),  # type: ignore[misc]
                lambda value, name=name: _limit(disturbances, name, _number(value)),  # type: ignore[misc]
                Unit.CUBIC_METRE_CORRECTED,
            )
        self["shift.limit"] = Parameter(
            lambda: shift.limit, lambda value: shift.set_limit(_whole(value)), Unit.SECOND, **_CERTIFIED
        )
        self.update(lock_parameters(locks))

    # --- conversion ----------------------------------------------------------------------------------------

    def _of_conversion(self) -> None:
        converter = self._process.converter

        def part(
            name: str, read: Callable[[ConverterSettings], Value], make: Callable[[Any], dict[str, Any]], unit: Unit,
            rights: dict[str, Any],
        ) -> None:  # fmt: skip
            self[name] = Parameter(
                lambda: read(converter.settings),
                lambda value: self._process.configure(replace(converter.settings, **make(value))),
                unit,
                **rights,
            )

        def limits(name: str, low: bool, value: Any) -> dict[str, Any]:
            held = getattr(converter.settings, name)
            given = _state(name.removesuffix("_limits"), value)
            return {name: (given, held[1]) if low else (held[0], given)}

        units = (("pressure", Unit.BAR), ("temperature", Unit.DEGREE_CELSIUS))
        for quantity, unit in units:
            field = f"{quantity}_limits"
            for place, end in enumerate(("least", "most")):
                part(
                    f"{quantity}.{end}",
                    lambda settings, field=field, place=place: getattr(settings, field)[place],  # type: ignore[misc]
                    lambda value, field=field, place=place: limits(field, place == 0, value),  # type: ignore[misc]
                    unit,
                    _CERTIFIED,
                )
            substitute = f"substitute_{quantity}"
            part(
                f"{quantity}.substitute",
                lambda settings, substitute=substitute: getattr(settings, substitute),  # type: ignore[misc]
                lambda value, substitute=substitute, quantity=quantity: {substitute: _state(quantity, value)},  # type: ignore[misc]
                unit,
                _CERTIFIED,
            )
        part(
            "pressure.base",
            lambda settings: settings.base.pressure,
            lambda value: {"base": BaseConditions(_state("base pressure", value), converter.settings.base.temperature)},
            Unit.BAR,
            _SEALED,
        )
        part(
            "temperature.base",
            lambda settings: settings.base.temperature,
            lambda value: {"base": BaseConditions(converter.settings.base.pressure, _state("base temperature", value))},
            Unit.DEGREE_CELSIUS,
            _SEALED,
        )
        part(
            "flow.most",
            lambda settings: settings.flow_max or Decimal(0),
            self._flow_max,
            Unit.CUBIC_METRE_PER_HOUR,
            _CERTIFIED,
        )
        part(
            "k.fixed", lambda settings: settings.fixed_k, lambda v: {"fixed_k": _state("K", v)}, Unit.COUNT, _CERTIFIED
        )
        part(
            "method",
            lambda settings: settings.method.value.encode("ascii"),
            lambda value: {"method": Method.named(_text(value).decode("ascii", "replace"))},
            Unit.COUNT,
            _SEALED,
        )

    def _flow_max(self, value: Any) -> dict[str, Any]:
        given = _number(value)
        if given and isinstance(self._process.flow, Encoder):
            self._process.flow.limit(given)
        return {"flow_max": given or None}

    # --- input, periods, sensors ---------------------------------------------------------------------------

    def _of_input(self) -> None:
        flow = self._process.flow
        if isinstance(flow, Pulses):

            def take(value: Decimal | bytes) -> None:
                volume = whole_pulse(_number(value))
                self._process.settle()
                flow.reconfigure(volume)

            self["pulse.input"] = Parameter(
                lambda: 1 / flow.constant.volume, take, Unit.PER_CUBIC_METRE, **_SEALED
            )  # fmt: skip

        def cycle(value: Decimal | bytes) -> None:
            seconds = _whole(value)
            if not 1 <= seconds <= LONGEST_CYCLE:
                raise ConfigError(f"a cycle of {seconds} s is none of 1 to {LONGEST_CYCLE}")
            self._process.settle()
            self._process.cycle = seconds

        self["cycle"] = Parameter(lambda: self._process.cycle, cycle, Unit.SECOND)

    def _of_periods(self) -> None:
        periods = self._periods
        for name in ("mp1", "mp2"):
            self[f"period.{name}"] = Parameter(
                lambda name=name: periods.lengths[name],  # type: ignore[misc]
                lambda value, name=name: periods.set_length(name, _whole(value)),  # type: ignore[misc]
                Unit.SECOND,
            )
        self["gas_day"] = Parameter(
            lambda: _time_of_day(periods.day_start), lambda value: periods.set_day_start(_seconds_of_day(_text(value)))
        )

    def _of_sensors(self, sensor: Sensor, name: str) -> None:
        def exchange(value: Decimal | bytes) -> None:
            serial = _text(value)
            if not 1 <= len(serial) <= 32 or not serial.isascii():
                raise ConfigError("a serial number has 1 to 32 characters")
            self._process.settle()
            sensor.exchange(serial.decode("ascii"))
            self._host.note(Cause.SENSOR_EXCHANGED, channel=name)

        self[f"{name}.serial"] = Parameter(lambda: sensor.serial.encode("ascii"), exchange, **_SEALED)


def _limit(disturbances: Disturbances, name: str, value: Decimal) -> None:
    if value < 0:
        raise ConfigError("a contracted consumption is not below 0")
    units = in_units(value)
    if units:
        disturbances.limits[name] = units
    else:
        disturbances.limits.pop(name, None)


def _closing(locks: Locks, level: Level, seconds: int) -> None:
    if not 0 <= seconds <= 86_400:
        raise ConfigError("a lock closes within a day, or 0 for never by itself")
    locks.auto_close[level] = seconds


def _time_of_day(second: int) -> bytes:
    """Return the four octets of a time of the day."""
    return bytes((second // 3600, second // 60 % 60, second % 60, 0))


def _seconds_of_day(octets: bytes) -> int:
    if len(octets) != 4 or octets[0] > 23 or octets[1] > 59 or octets[2] > 59:
        raise ConfigError("a time of the day has four octets: hour, minute, second, hundredths")
    return octets[0] * 3600 + octets[1] * 60 + octets[2]
