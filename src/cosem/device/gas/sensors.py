"""The sensors of pressure and temperature, with their faults, and their objects (class 67)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from cosem.classes.c067_sensor_manager import OutputType, SealingMethod, SensorManager
from cosem.classes.common import AttributeReference
from cosem.codec.axdr import Data, Tag
from cosem.device.errors import Refused
from cosem.device.host import Host
from cosem.device.shown import NO_TIME
from cosem.gas.inputs import Reading, SensorWatch
from cosem.obis import Obis
from cosem.results import ActionResult
from cosem.units import ScalerUnit, Unit

STUCK_AFTER: Final = 4 * 3600
"""Seconds after which a value that never moved in its last digit is a dead sensor's. A choice."""


class Fault(StrEnum):
    """What may befall a sensor."""

    FAILS = "fails"
    STICKS = "sticks"
    JUMPS = "jumps"


class Sensor:
    """One sensor: reads the truth, unless a fault is in between; what it says is believed as far as `watch` does.

    `rate_max` is how much the quantity can change in a second, `stuck_after` as in `SensorWatch`. `last` is the reading
    that was taken last.
    """

    def __init__(
        self, name: str, truth: Callable[[], Decimal], *, rate_max: Decimal, stuck_after: int | None = STUCK_AFTER
    ) -> None:
        self.name = name
        self._truth = truth
        self._rate_max, self._stuck_after = rate_max, stuck_after
        self._watch = SensorWatch(rate_max, stuck_after)
        self.fault: Fault | None = None
        self._offset = Decimal(0)
        self._held: Decimal | None = None
        self.serial = ""
        self.last = Reading(None, False)
        self.read_at: int | None = None

    def break_down(self, fault: Fault, by: Decimal = Decimal(5)) -> None:
        """Let a fault begin: no value, always the same, or `by` beside the truth. It lasts until `repair`."""
        self.fault, self._offset = fault, by
        self._held = self.last.value if self.last.value is not None else self._truth()

    def repair(self) -> None:
        """Let the fault be over."""
        self.fault = None

    def exchange(self, serial: str) -> None:
        """Put in another sensor: nothing is known of it."""
        self.serial = serial
        self.fault = None
        self._watch = SensorWatch(self._rate_max, self._stuck_after)

    def read(self, now: int) -> Reading:
        """Take a reading at `now` (the simulation's seconds)."""
        value: Decimal | None = self._truth()
        if self.fault is Fault.FAILS:
            value = None
        elif self.fault is Fault.STICKS:
            value = self._held
        elif self.fault is Fault.JUMPS:
            value = self._truth() + self._offset
        self.last = self._watch.read(now, Reading(value))
        self.read_at = now
        return self.last


class SensorObject:
    """The object of a sensor: what it is, its raw value, whether it is believed, and what becomes of it.

    `status` has bit 0 for a reading that is not believed and bit 1 for one that is not there: our choice, the standard
    leaves the status to the instance.
    """

    def __init__(
        self, host: Host, name: Obis, sensor: Sensor, unit: ScalerUnit, kind: OutputType, processed: AttributeReference
    ) -> None:
        self._sensor = sensor
        self._host = host
        self.object = host.add(
            SensorManager(
                name,
                metrological_identification=sensor.name.encode(),
                output_type=kind,
                adjustment_method=b"",
                sealing_method=SealingMethod.MECHANICAL_SEAL,
                scaler_unit=unit,
                processed_value=processed,
            )
        )
        host.compute(self.object, 2, lambda: Data(Tag.OCTET_STRING, sensor.serial.encode("ascii")))
        host.compute(self.object, 7, self._raw)
        host.compute(self.object, 9, lambda: Data(Tag.UNSIGNED, self._status()))
        host.compute(self.object, 10, self._time)
        host.handle(self.object, 1, self._reset)

    def _raw(self) -> Data:
        value = self._sensor.last.value
        if value is None:
            return Data(Tag.NULL_DATA, None)
        return Data(Tag.DOUBLE_LONG, int(value.scaleb(-self.object.scaler_unit.scaler)))

    def _status(self) -> int:
        last = self._sensor.last
        return (0 if last.good else 1) | (2 if last.value is None else 0)

    def _time(self) -> Data:
        at = self._sensor.read_at
        return Data(Tag.DATE_TIME, NO_TIME if at is None else self._host.clock.octets(at + self._host.clock.offset))

    def _reset(self, parameter: Any) -> None:
        raise Refused(ActionResult.READ_WRITE_DENIED)


BAR: Final = ScalerUnit(-3, Unit.BAR)
CELSIUS: Final = ScalerUnit(-2, Unit.DEGREE_CELSIUS)
