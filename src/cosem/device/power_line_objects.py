"""The objects of an S-FSK power line station: classes 50 to 53, 55 and 56 live, 57 to 59 are kept for other LLCs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from cosem.classes.c050_sfsk_phy_mac_setup import (
    DeltaElectricalPhase,
    Frequencies,
    InitiatorElectricalPhase,
    SFSKPhyMACSetup,
)
from cosem.classes.c051_sfsk_active_initiator import InitiatorDescriptor, SFSKActiveInitiator
from cosem.classes.c052_sfsk_mac_synchronization_timeouts import SFSKMACSynchronizationTimeouts
from cosem.classes.c053_sfsk_mac_counters import SFSKMACCounters
from cosem.classes.c055_iec_61334_4_32_llc_setup import IEC61334LLCSetup
from cosem.classes.c056_sfsk_reporting_system_list import SFSKReportingSystemList
from cosem.classes.c057_iso_iec_8802_2_llc_type_1_setup import LLCType1Setup
from cosem.classes.c058_iso_iec_8802_2_llc_type_2_setup import LLCType2Setup
from cosem.classes.c059_iso_iec_8802_2_llc_type_3_setup import LLCType3Setup
from cosem.classes.model import InterfaceClass
from cosem.codec.axdr import Data
from cosem.device.errors import Refused
from cosem.device.host import Host
from cosem.device.power_line import PowerLinePort
from cosem.errors import ConfigError
from cosem.plc.addresses import ALL_PHYSICAL, NO_BODY
from cosem.plc.mac import Mac
from cosem.plc.mac_settings import Timeouts
from cosem.plc.reporting import Released, ReportingSystem
from cosem.results import ActionResult, DataAccessResult

PHY_MAC, ACTIVE_INITIATOR, TIMEOUTS = "0-0:26.0.0.255", "0-0:26.1.0.255", "0-0:26.2.0.255"
COUNTERS, LLC, REPORTING_SYSTEMS = "0-0:26.3.0.255", "0-0:26.5.0.255", "0-0:26.6.0.255"
LLC_TYPE_1, LLC_TYPE_2, LLC_TYPE_3 = "0-0:27.0.0.255", "0-0:27.1.0.255", "0-0:27.2.0.255"
TRIES: Final = 3
"""Times a PDU of an 8802-2 LLC is sent; our choice, as its timers are: this profile has no such LLC running."""
SECONDS: Final = 30
MAX_GROUPS: Final = 5
"""Groups of a station: what the modems hold."""
CENELEC_A: Final = Frequencies(74_000, 63_300)
"""Mark and space in Hz, a common pair (from memory)."""
_MAX_COUNT: Final = 0xFFFF_FFFF
_TIMEOUTS: Final = {
    2: "search_initiator_s",
    3: "synchronization_confirmation_s",
    4: "not_addressed_min",
    5: "frame_not_ok_s",
}


class PowerLineObjects:
    """The objects of one station.

    Those of the ISO/IEC 8802-2 LLCs are set-up objects only: what is written is kept, and no layer here reads it.

    `delta` is what its physical layer measures against the initiator's phase. Gains, frequencies and speed are the
    modem's own: a client that writes others is refused, because all stations would have to change at once.
    """

    def __init__(
        self,
        host: Host,
        port: PowerLinePort,
        *,
        delta: Callable[[], DeltaElectricalPhase] = lambda: DeltaElectricalPhase.NOT_DEFINED,
        frequencies: Frequencies = CENELEC_A,
    ) -> None:
        self.host = host
        self.port = port
        settings = port.reporting.mac.settings
        self.setup = host.add(
            SFSKPhyMACSetup(
                PHY_MAC,
                initiator_electrical_phase=InitiatorElectricalPhase.NOT_DEFINED,
                max_receiving_gain=7,
                max_transmitting_gain=0,
                frequencies=frequencies,
                transmission_speed=(3, 6, 12, 24, 48).index(settings.rate.half_cycle_bits),
            )
        )
        self._show(
            self.setup,
            {
                3: lambda: delta() if self.mac.synchronized else DeltaElectricalPhase.NOT_DEFINED,
                6: lambda: min(max(round(self.mac.settings.search_threshold), 0), 0xFF),
                8: lambda: self.mac.address,
                9: lambda: (*self.mac.follower.groups, ALL_PHYSICAL),
                10: lambda: self.mac.repeater,
                11: lambda: self.mac.repeats,
                12: lambda: self.mac.min_delta_credit,
                13: lambda: self.mac.initiator,
                14: lambda: self.mac.locked,
            },
        )
        host.writers(self.setup, {6: self._write_threshold, 9: self._write_groups, 10: self._write_repeater})
        host.writers(self.setup, {number: self._fixed(self.setup, number) for number in (4, 5, 7, 15)})
        self.active = host.add(SFSKActiveInitiator(ACTIVE_INITIATOR))
        self._show(self.active, {2: lambda: InitiatorDescriptor(*self.reporting.active_initiator)})
        host.handle(self.active, 1, self._reset)
        self.timeouts = host.add(SFSKMACSynchronizationTimeouts(TIMEOUTS))
        self._show(self.timeouts, {number: self._timeout(number) for number in _TIMEOUTS})
        host.writers(self.timeouts, {number: self._writes_timeout(number) for number in _TIMEOUTS})
        self.counters = host.add(SFSKMACCounters(COUNTERS))
        self._show(
            self.counters,
            {
                2: lambda: self.mac.counters.synchronization_register(),
                3: lambda: self.mac.counters.desynchronization_listing(),
                4: lambda: self.mac.counters.broadcast_frames_counter(),
                5: lambda: self.mac.counters.repetitions & _MAX_COUNT,
                6: lambda: self.mac.counters.transmissions & _MAX_COUNT,
                7: lambda: self.mac.counters.crc_ok & _MAX_COUNT,
                8: lambda: self.mac.counters.crc_nok & _MAX_COUNT,
            },
        )
        host.handle(self.counters, 1, lambda parameter: self.mac.counters.reset())
        self.llc = host.add(IEC61334LLCSetup(LLC, reply_status_list=()))
        self._show(self.llc, {2: lambda: port.link.settings.max_frame_length})
        host.writers(self.llc, {2: self._write_frame_length})
        self.reporting_systems = host.add(SFSKReportingSystemList(REPORTING_SYSTEMS))
        self._show(self.reporting_systems, {2: lambda: tuple(self.reporting.others)})
        host.add(LLCType1Setup(LLC_TYPE_1))
        host.add(
            LLCType2Setup(
                LLC_TYPE_2,
                max_number_transmissions_n2=TRIES,
                acknowledgement_timer=SECONDS,
                p_bit_timer=SECONDS,
                reject_timer=SECONDS,
                busy_state_timer=SECONDS,
            )
        )
        host.add(
            LLCType3Setup(
                LLC_TYPE_3,
                max_octets_acn_pdu_n3=128,
                max_number_transmissions_n4=TRIES,
                acknowledgement_time_t1=SECONDS,
                receive_lifetime_var_t2=SECONDS,
                transmit_lifetime_var_t3=SECONDS,
            )
        )

    @property
    def reporting(self) -> ReportingSystem:
        """The reporting system of the station: another one after an outage."""
        return self.port.reporting

    @property
    def mac(self) -> Mac:
        """Its MAC layer."""
        return self.port.reporting.mac

    def _show(self, obj: InterfaceClass, values: dict[int, Callable[[], Any]]) -> None:
        """Let attributes be made when they are read."""
        for number, value in values.items():
            self.host.compute(obj, number, self._made(obj, number, value))

    def _made(self, obj: InterfaceClass, number: int, value: Callable[[], Any]) -> Callable[[], Data]:
        kind = obj.attributes[number].type
        return lambda: kind.to_data(value())

    # --- class 50 -------------------------------------------------------------------------------------------------

    def _write_threshold(self, value: Data) -> DataAccessResult:
        self.mac.take_settings(replace(self.mac.settings, search_threshold=float(value.value)))
        return DataAccessResult.SUCCESS

    def _write_groups(self, value: Data) -> DataAccessResult:
        """Take groups; the address of all is always one of them and takes no place."""
        groups = tuple(dict.fromkeys(item.value for item in value.value if item.value != ALL_PHYSICAL))
        if len(groups) > MAX_GROUPS or not all(map(self.mac.settings.plan.is_group, groups)):
            return DataAccessResult.OTHER_REASON
        self.mac.follower.groups = groups
        return DataAccessResult.SUCCESS

    def _write_repeater(self, value: Data) -> DataAccessResult:
        self.mac.repeater = value.value
        return DataAccessResult.SUCCESS

    def _fixed(self, obj: InterfaceClass, number: int) -> Callable[[Data], DataAccessResult]:
        store: Any = obj.store

        def write(value: Data) -> DataAccessResult:
            same = store.data(number) == value
            return DataAccessResult.SUCCESS if same else DataAccessResult.OTHER_REASON

        return write

    # --- class 51 -------------------------------------------------------------------------------------------------

    def _reset(self, initiator: int) -> None:
        """Become NEW and not synchronised, behind the answer: nobody would hear it otherwise."""
        if initiator != NO_BODY and not self.mac.settings.plan.is_initiator(initiator):
            raise Refused(ActionResult.OTHER_REASON)
        self.port.behind_answer.append(lambda: self._reset_now(initiator))

    def _reset_now(self, initiator: int) -> None:
        for event in self.reporting.reset(initiator, self.port.now):
            if isinstance(event, Released):
                self.port.release()

    # --- class 52 and 55 ------------------------------------------------------------------------------------------

    def _timeout(self, number: int) -> Callable[[], int]:
        def read() -> int:
            return int(getattr(self.mac.follower.timeouts, _TIMEOUTS[number]))

        return read

    def _writes_timeout(self, number: int) -> Callable[[Data], DataAccessResult]:
        name = _TIMEOUTS[number]

        def write(value: Data) -> DataAccessResult:
            changed: Timeouts = replace(self.mac.follower.timeouts, **{name: value.value})
            self.mac.follower.set_timeouts(changed)
            return DataAccessResult.SUCCESS

        return write

    def _write_frame_length(self, value: Data) -> DataAccessResult:
        try:
            self.port.set_frame_length(value.value)
        except ConfigError:
            return DataAccessResult.OTHER_REASON
        return DataAccessResult.SUCCESS
