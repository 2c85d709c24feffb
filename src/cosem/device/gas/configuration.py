"""The configuration objects of a gas device: who may write them, what a write does, and the row that it leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from cosem.classes.c001_data import Data as DataObject
from cosem.classes.c003_register import Register
from cosem.codec.axdr import Data, Tag
from cosem.device.causes import Cause
from cosem.device.gas.locks import Level, Locks
from cosem.device.gas.quantities import TYPES, Value, shown
from cosem.device.gas.records import ROOM, Change, Records
from cosem.device.host import Host
from cosem.errors import ConfigError, CosemError
from cosem.obis import Obis
from cosem.results import DataAccessResult
from cosem.units import ScalerUnit, Unit

VALUE: Final = 2


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: how its value is had and taken (a `CosemError` refuses it), its unit, which lock guards it.

    `certified`: under a closed calibration lock it may be changed while the certification data log has room.
    """

    read: Callable[[], Value]
    take: Callable[[Decimal | bytes], None]
    unit: Unit = Unit.COUNT
    lock: Level = Level.SUPPLIER
    certified: bool = False


class Configuration:
    """Writes of all configuration objects come here. `user` tells which client is behind a write."""

    def __init__(self, host: Host, locks: Locks, records: Records, *, user: Callable[[], int]) -> None:
        self._host = host
        self._locks = locks
        self._records = records
        self._user = user

    def add(self, parameter: Parameter, name: Obis, class_id: int, scaler: int, kind: str) -> None:
        """Add the object of a parameter: a register (3) or data (1) of a type of `TYPES`."""
        if class_id == 3:
            obj: Register | DataObject = Register(name, scaler_unit=ScalerUnit(scaler, parameter.unit))
        elif class_id == 1:
            obj = DataObject(name, value=Data(Tag.NULL_DATA, None))
        else:
            raise ConfigError(f"{name}: a configuration object is of class 1 or 3, not {class_id}")
        self._host.add(obj)

        def show() -> Data:
            value = parameter.read()
            # A type that is null-data now could not be written: what is not known is shown as 0.
            return shown(0 if value is None else value, scaler, kind)

        self._host.compute(obj, VALUE, show)

        def write(value: Data) -> DataAccessResult:
            if value.tag is not TYPES[kind]:
                return DataAccessResult.TYPE_UNMATCHED
            given: Decimal | bytes
            if isinstance(value.value, (bytes, str)):
                given = value.value if isinstance(value.value, bytes) else value.value.encode("ascii", "replace")
            else:
                given = Decimal(value.value).scaleb(scaler)
            return self.change(parameter, name, show, lambda: parameter.take(given))

        self._host.writers(obj, {VALUE: write})

    def change(
        self, parameter: Parameter, name: Obis, show: Callable[[], Data], apply: Callable[[], None]
    ) -> DataAccessResult:
        """Change a parameter, if its lock and the certification data log allow it, and leave rows."""
        by_log = False
        if not self._locks.allows(parameter.lock):
            by_log = parameter.certified and self._locks.is_open(Level.CERTIFICATION)
            if not by_log:
                self._host.note(Cause.WRITE_LOCKED, lock=parameter.lock.value, client=self._user())
                return DataAccessResult.READ_WRITE_DENIED
            if self._records.room < ROOM:
                self._host.note(Cause.CERTIFICATION_LOG_FULL)
                return DataAccessResult.TEMPORARY_FAILURE
        old = show()
        try:
            # What it becomes is known once it is: a refused value leaves no row.
            apply()
        except CosemError:
            return DataAccessResult.OTHER_REASON
        change = Change(self._user(), name, VALUE, old, show())
        if by_log:
            self._records.certified(change)
        self._records.changed(change)
        self._host.note(Cause.PARAMETER_CHANGED, name=name)
        return DataAccessResult.SUCCESS
