"""The meter itself as a slave on a M-Bus: its port (class 25), its Mode Q channel (73) and server port (76).

Whoever is master of that bus reads the meter's registers as records, by the same numbers that COSEM has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from cosem.classes.c025_mbus_slave_port_setup import AddressState, MBusSlavePortSetup
from cosem.classes.c073_wireless_mode_q_channel import WirelessModeQChannel
from cosem.classes.c076_dlms_cosem_server_mbus_port_setup import (
    DataHeaderType,
    PortCommunicationState,
    ServerMBusPortSetup,
)
from cosem.codec.axdr import Data, Tag
from cosem.device.host import Host
from cosem.device.mbus.master_port import SPEEDS
from cosem.device.mbus.settings import SlaveSettings
from cosem.mbus.addresses import LARGEST, SecondaryAddress
from cosem.mbus.dib import DataField, Dib
from cosem.mbus.link_fields import LONG_HEADER
from cosem.mbus.record import Record, encode_records
from cosem.mbus.secondary import Request, SecondaryStation
from cosem.mbus.wireless import Address
from cosem.obis import Obis, obis
from cosem.results import DataAccessResult

PORT, MODE_Q, SERVER_PORT = "0-0:24.0.0.255", "0-0:31.0.0.255", "0-0:24.8.0.255"
ELECTRICITY: Final = 2
"""Medium."""
_ENERGIES: Final = (("1-0:1.8.0.255", b"\x03"), ("1-0:2.8.0.255", b"\x83\x3c"))
"""With the VIFE 3Ch: what flowed backwards."""
_POWER: Final = ("1-0:1.7.0.255", b"\x2b")
MODE_Q_ADDRESS: Final = 2
"""Octets of an address in mode Q (EN 13757-5)."""
_RATES: Final = {bits: rate for rate, bits in SPEEDS.items()}


class SlavePort:
    """The port: `station` is what is put on a bus. Its address is the bus's to give, or a client's."""

    def __init__(self, host: Host, serial: str, settings: SlaveSettings) -> None:
        self.host = host
        digits = "".join(letter for letter in serial if letter.isdigit())[-8:].zfill(8)
        self.address = Address.of(settings.manufacturer, digits, settings.version, ELECTRICITY)
        speeds = [bits for bits in SPEEDS.values() if settings.baud <= bits <= settings.fastest]
        self.station = SecondaryStation(self, SecondaryAddress(self.address.header), baud=settings.baud, speeds=speeds)
        self.object = host.add(
            MBusSlavePortSetup(obis(PORT), default_baud=_RATES[settings.baud], avail_baud=_RATES[settings.fastest])
        )
        host.compute(self.object, 4, lambda: Data(Tag.ENUM, int(self._state)))
        host.compute(self.object, 5, lambda: Data(Tag.UNSIGNED, self.station.primary))
        host.writers(self.object, {2: _denied, 3: _denied, 4: _denied, 5: self._write_address})
        self.mode_q = host.add(
            WirelessModeQChannel(
                obis(MODE_Q),
                addr_state=AddressState.NOT_ASSIGNED,
                device_address=bytes(MODE_Q_ADDRESS),
                address_mask=bytes(MODE_Q_ADDRESS),
            )
        )
        host.writers(self.mode_q, {2: _denied, 3: self._write_mode_q, 4: _two_octets(self.mode_q, 4)})
        self._server_port(settings)

    @property
    def _state(self) -> AddressState:
        return AddressState.ASSIGNED if self.station.primary else AddressState.NOT_ASSIGNED

    def _server_port(self, settings: SlaveSettings) -> None:
        host, address = self.host, self.address
        self.server = host.add(
            ServerMBusPortSetup(
                obis(SERVER_PORT),
                M_Bus_profile_selection=obis(PORT),
                M_Bus_Data_Header_Type=DataHeaderType.LONG,
                identification_number=int(address.number),
                manufacturer_id=int.from_bytes(address.manufacturer, "little"),
                version=address.version,
                device_type=address.medium,
                max_pdu_size=settings.max_pdu_size,
            )
        )
        host.compute(self.server, 3, lambda: Data(Tag.ENUM, int(self._reachable)))
        host.compute(self.server, 5, lambda: Data(Tag.UNSIGNED, self.station.primary))
        host.writers(self.server, dict.fromkeys((2, 4, 6, 7, 8, 9, 10), _denied) | {5: self._write_address})

    @property
    def _reachable(self) -> PortCommunicationState:
        """Return whether the port can be reached: on a wire always, as long as the meter speaks at all."""
        if self.host.device.down:
            return PortCommunicationState.TEMPORARY_NO_ACCESS
        return PortCommunicationState.UNLIMITED_ACCESS

    def _write_address(self, value: Data) -> DataAccessResult:
        if value.value > LARGEST:
            return DataAccessResult.OTHER_REASON
        self.station.primary = value.value
        return DataAccessResult.SUCCESS

    def _write_mode_q(self, value: Data) -> DataAccessResult:
        result = _two_octets(self.mode_q, 3)(value)
        if result is DataAccessResult.SUCCESS:
            _values(self.mode_q)[2] = Data(Tag.ENUM, int(AddressState.ASSIGNED if any(value.value) else 0))
        return result

    # --- on the bus ----------------------------------------------------------------------------------------

    def answer(self, request: Request) -> Sequence[tuple[int, bytes]]:
        """Return energies and power as a telegram; there are no alarms. A meter without power is silent."""
        if request.alarm:
            return ()
        records = [self._record(name, DataField.INTEGER_64, vib) for name, vib in _ENERGIES]
        records.append(self._record(_POWER[0], DataField.INTEGER_32, _POWER[1]))
        header = self.address.header + bytes((request.access_number, 0, 0, 0))
        return [(LONG_HEADER, header + encode_records(record for record in records if record is not None))]

    def accept(self, ci: int, octets: bytes) -> bool:
        """Take nothing: the master of this bus has no business with the meter but to read it."""
        return False

    def _record(self, name: str, field: DataField, vib: bytes) -> Record | None:
        data = self.host.read(3, Obis.parse(name), 2)
        return None if data is None else Record.of(Dib.of(field), vib, data.value)


def _values(obj: Any) -> dict[int, Data]:
    values: dict[int, Data] = obj.store.values
    return values


def _two_octets(obj: Any, number: int) -> Callable[[Data], DataAccessResult]:
    def write(value: Data) -> DataAccessResult:
        if len(value.value) != MODE_Q_ADDRESS:
            return DataAccessResult.OTHER_REASON
        _values(obj)[number] = value
        return DataAccessResult.SUCCESS

    return write


def _denied(value: Data) -> DataAccessResult:
    return DataAccessResult.READ_WRITE_DENIED
