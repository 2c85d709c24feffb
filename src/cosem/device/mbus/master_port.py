"""Behaviour of the M-Bus master port setup (class 74): its speed is the speed of the bus and of all devices on it."""

from __future__ import annotations

from typing import Any

from cosem.classes.c074_mbus_master_port_setup import MBusMasterPortSetup
from cosem.classes.common import BaudRate
from cosem.codec.axdr import Data, Tag
from cosem.device.host import Host
from cosem.device.mbus.port import PortPlace
from cosem.errors import CosemError
from cosem.mbus.addresses import BROADCAST
from cosem.mbus.link_fields import BAUD_CI
from cosem.obis import obis
from cosem.results import DataAccessResult

SPEEDS = {rate: int(rate.name.removeprefix("BAUD_")) for rate in BaudRate}
"""Bit/s by code."""


class MasterPort:
    """The port. A speed is told to all devices (255), which acknowledge nothing: who stays behind is not read any more.

    Without a bus the speed is kept for the one that is connected later.
    """

    def __init__(self, host: Host, name: str, place: PortPlace, baud: int) -> None:
        self._place = place
        rate = next(code for code, bits in SPEEDS.items() if bits == baud)
        self.object = host.add(MBusMasterPortSetup(obis(name), comm_speed=rate))
        host.writers(self.object, {2: self._write})

    def _write(self, value: Data) -> DataAccessResult:
        bits = SPEEDS.get(BaudRate(value.value)) if value.value in set(BaudRate) else None
        if bits not in BAUD_CI or bits is None:
            return DataAccessResult.OTHER_REASON
        if self._place.port is not None:
            try:
                self._place.run(self._place.primary.set_baud(BROADCAST, bits))
            except CosemError:
                # A converter's speed cannot be changed from here.
                return DataAccessResult.OTHER_REASON
        store: Any = self.object.store
        store.values[2] = Data(Tag.ENUM, value.value)
        return DataAccessResult.SUCCESS
