"""What an electricity meter keeps together and weighs up: register table, compact data, status word, arbitrator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cosem.classes.c061_register_table import TableCellDefinition
from cosem.classes.c062_compact_data import CaptureMethod
from cosem.classes.c063_status_mapping import MappingTable
from cosem.classes.common import ActionItem, CaptureObject
from cosem.codec.axdr import Data, Tag
from cosem.device.arbitrator import ArbitratorBehaviour
from cosem.device.compact_data import CompactDataBehaviour
from cosem.device.disconnector import CONNECTED, READY
from cosem.device.metering import TARIFFS
from cosem.device.register_table import RegisterTableBehaviour
from cosem.device.status_mapping import StatusMappingBehaviour
from cosem.obis import obis
from cosem.units import ScalerUnit, Unit

if TYPE_CHECKING:
    from cosem.device.equipment import Equipment
    from cosem.device.meter import ElectricityMeter

REGISTER_TABLE: Final = "1-0:98.10.0.255"
COMPACT_DATA: Final = "0-0:66.0.0.255"
OPERATING_STATUS: Final = "0-0:96.5.0.255"
ARBITRATOR: Final = "0-0:96.3.20.255"
TEMPLATE: Final = 1
"""template_id of the compact data."""
SUPPLIER, GRID_OPERATOR, CUSTOMER = 0, 1, 2
"""Actors of the arbitrator."""
PERMISSIONS: Final = ("11", "11", "01")
WEIGHTINGS: Final = ((10, 10), (100, 100), (0, 1))
"""Of disconnecting and reconnecting, for each actor: the grid outweighs the supplier, a customer may ask to be
reconnected, which wins where nobody else asks for anything."""
STATUS_TABLE: Final = 1
STATUS_BITS: Final = (
    "the supply is disconnected",
    "the disconnector is ready for reconnection",
    "the emergency threshold of the limiter holds",
    "an alarm is set",
    "the clock is invalid",
    "daylight saving time",
    "the auto connect has a connection",
    "the communication port is locked",
)
"""The operating status, bit 0 first: entries 0 to 7 of this meter's own reference table."""


class Tables:
    """The tables of one electricity meter. Its arbitrator disconnects and reconnects by the scripts given."""

    def __init__(self, meter: ElectricityMeter, equipment: Equipment, off: ActionItem, on: ActionItem) -> None:
        host = meter.host
        self._meter, self._equipment = meter, equipment
        energy = obis("1-0:1.8.0.255")
        cells = TableCellDefinition(3, energy, (0, *TARIFFS), 2)
        self.registers = RegisterTableBehaviour(host, REGISTER_TABLE, cells, ScalerUnit(0, Unit.WATT_HOUR))
        captures = (
            CaptureObject(62, obis(COMPACT_DATA), 4),
            CaptureObject(8, obis("0-0:1.0.0.255"), 2),
            CaptureObject(3, energy, 2),
            CaptureObject(3, obis("1-0:2.8.0.255"), 2),
            CaptureObject(3, obis("1-0:1.7.0.255"), 2),
        )
        self.compact = CompactDataBehaviour(host, COMPACT_DATA, captures, TEMPLATE, CaptureMethod.WHEN_READ)
        self.status = StatusMappingBehaviour(
            host, OPERATING_STATUS, lambda: Data(Tag.UNSIGNED, self.status_word), MappingTable(STATUS_TABLE, 0)
        )
        self.arbitrator = ArbitratorBehaviour(host, equipment.scripts, ARBITRATOR, (off, on), PERMISSIONS, WEIGHTINGS)

    @property
    def status_word(self) -> int:
        """Return the operating status of this moment, by `STATUS_BITS`."""
        meter, equipment = self._meter, self._equipment
        bits = (
            meter.disconnector.state != CONNECTED,
            meter.disconnector.state == READY,
            equipment.limiter.emergency_active,
            any(register.value for register in equipment.events.alarms),
            meter.clock.invalid,
            meter.clock.deviation(meter.clock.now)[1],
            equipment.connecting.connected,
            equipment.port.status != 0,
        )
        return sum(1 << number for number, bit in enumerate(bits) if bit)
