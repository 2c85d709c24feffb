"""Objects that show what a behaviour counts: registers, moments, and profiles that are settled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cosem.classes.c001_data import Data as DataObject
from cosem.classes.c003_register import Register
from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag
from cosem.device.host import Host
from cosem.device.profile import ProfileBuffer
from cosem.obis import Obis
from cosem.results import DataAccessResult
from cosem.units import ScalerUnit, Unit

NO_TIME: Final = bytes.fromhex("ffffffffffffffffff8000ff")
"""The date-time of what has not happened."""


def unsigned(value: int) -> Data:
    """Return a number as the 32 bits it is counted in."""
    return Data(Tag.DOUBLE_LONG_UNSIGNED, value & 0xFFFFFFFF)


def show_number(host: Host, name: Obis, unit: Unit, read: Callable[[], int]) -> Register:
    """Add a register whose value is `read` whenever somebody looks."""
    obj = host.add(Register(name, scaler_unit=ScalerUnit(0, unit)))
    host.compute(obj, 2, lambda: unsigned(read()))
    return obj


def show_moment(host: Host, name: Obis, read: Callable[[], int | None]) -> None:
    """Add a date-time: UTC seconds by the meter's clock, None for what has not happened."""
    obj = host.add(DataObject(name, value=axdr.octet_string(NO_TIME)))

    def shown() -> Data:
        at = read()
        return Data(Tag.OCTET_STRING, NO_TIME if at is None else host.clock.octets(at))

    host.compute(obj, 2, shown)


def add_log(host: Host, buffer: ProfileBuffer) -> None:
    """Add a profile that its behaviour alone captures: its columns and its period, which is none, are settled."""
    host.add(buffer.object)
    host.device.readers[bytes(buffer.object.obis), 2] = buffer.read
    host.writers(buffer.object, {3: settled, 4: settled, 8: buffer.writers[8]})


def settled(value: Data) -> DataAccessResult:
    """Refuse to write what is as it is."""
    return DataAccessResult.READ_WRITE_DENIED
