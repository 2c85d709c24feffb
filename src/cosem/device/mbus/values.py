"""What was captured of a device: extended registers 0-b:24.2.e, one for each element of the capture definition."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Final

from cosem.classes import common
from cosem.classes.c004_extended_register import ExtendedRegister
from cosem.classes.c072_mbus_client import CaptureDefinitionElement
from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag
from cosem.device.host import Host
from cosem.device.mbus.readout import Readout, utc_of
from cosem.device.shown import NO_TIME
from cosem.mbus.dib import Function
from cosem.mbus.record import Record
from cosem.obis import Obis
from cosem.units import ScalerUnit

NOT_UPDATED: Final = 0x80
"""Bit of a value's status: the last readout did not bring it. The octet is the device's status otherwise; no standard
names a bit for this, and 7 is one of those that are left to profiles."""
CAPTURED_STATUS: Final = 0x7F
VALUE, SCALER_UNIT, STATUS, CAPTURE_TIME = 2, 3, 4, 5


class MBusValues:
    """The value objects of one channel. `zone` is the normal time of its device in minutes to UTC."""

    def __init__(self, host: Host, channel: int, count: int, zone: int) -> None:
        self._host = host
        self._zone = zone
        self.objects = [self._object(Obis(bytes((0, channel, 24, 2, number, 255)))) for number in range(1, count + 1)]

    def _object(self, name: Obis) -> ExtendedRegister:
        made = self._host.add(ExtendedRegister(name, value=axdr.null(), status=axdr.unsigned(NOT_UPDATED)))
        _store(made)[CAPTURE_TIME] = Data(Tag.OCTET_STRING, NO_TIME)

        def reset(parameter: int) -> None:
            _store(made)[VALUE] = axdr.null()

        self._host.handle(made, 1, reset)
        return made

    def take(self, definition: Sequence[CaptureDefinitionElement], readout: Readout) -> None:
        """Write what a readout brought; what it did not bring keeps its value, and its status says so."""
        for element, obj in zip(definition, self.objects, strict=False):
            record = readout.find(*element)
            if record is None or record.raw is None or record.vib.condition:
                self._stale(obj)
                continue
            store = _store(obj)
            store[VALUE] = record.cosem_data(unsigned=True)
            store[SCALER_UNIT] = common.scaler_unit.to_data(record.scaler_unit() or ScalerUnit())
            store[STATUS] = Data(Tag.UNSIGNED, readout.status & CAPTURED_STATUS)
            store[CAPTURE_TIME] = Data(Tag.OCTET_STRING, self._time(readout, record))

    def _time(self, readout: Readout, record: Record) -> bytes:
        """Return the device's own time of a value if it sent one, else that of the readout."""
        moment = readout.time_of(record)
        at = None if moment is None else utc_of(moment, self._zone)
        clock = self._host.clock
        return clock.octets(readout.at + clock.offset if at is None else at)

    def stale(self) -> None:
        """Say of every value that the last readout brought nothing."""
        for obj in self.objects:
            self._stale(obj)

    def _stale(self, obj: ExtendedRegister) -> None:
        store = _store(obj)
        store[STATUS] = Data(Tag.UNSIGNED, store[STATUS].value | NOT_UPDATED)

    def chosen(self, records: Iterable[Record]) -> tuple[CaptureDefinitionElement, ...]:
        """Return what is captured of a device of which nobody said what: its present values that have a unit."""
        elements = [
            CaptureDefinitionElement(record.dib.octets, record.vib.octets)
            for record in records
            if isinstance(record.value, Decimal)
            and record.unit
            and record.scaler_unit() is not None
            and not (record.storage or record.tariff or record.subunit)
            and record.function is Function.INSTANTANEOUS
        ]
        return tuple(elements[: len(self.objects)])


def _store(obj: ExtendedRegister) -> dict[int, Data]:
    store: Any = obj.store
    values: dict[int, Data] = store.values
    return values
