"""The Blue Book: one file per interface class, each declared once; everything else reads the declaration.

A class is found by number with `lookup` and by name with `find`; its file ``c###_name.py`` is imported then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosem.lazy import lazy_exports

if TYPE_CHECKING:
    from cosem.classes.access import Access as Access
    from cosem.classes.access import AccessRights as AccessRights
    from cosem.classes.access import AttributeAccess as AttributeAccess
    from cosem.classes.access import MethodAccess as MethodAccess
    from cosem.classes.access import ObjectListElement as ObjectListElement
    from cosem.classes.c001_data import Data as Data
    from cosem.classes.c003_register import Register as Register
    from cosem.classes.c004_extended_register import ExtendedRegister as ExtendedRegister
    from cosem.classes.c005_demand_register import DemandRegister as DemandRegister
    from cosem.classes.c006_register_activation import RegisterActivation as RegisterActivation
    from cosem.classes.c007_profile_generic import ProfileGeneric as ProfileGeneric
    from cosem.classes.c008_clock import Clock as Clock
    from cosem.classes.c009_script_table import ScriptTable as ScriptTable
    from cosem.classes.c010_schedule import Schedule as Schedule
    from cosem.classes.c011_special_days_table import SpecialDaysTable as SpecialDaysTable
    from cosem.classes.c012_association_sn import AssociationSN as AssociationSN
    from cosem.classes.c015_association_ln import AssociationLN as AssociationLN
    from cosem.classes.c017_sap_assignment import SAPAssignment as SAPAssignment
    from cosem.classes.c018_image_transfer import ImageTransfer as ImageTransfer
    from cosem.classes.c019_iec_local_port_setup import IECLocalPortSetup as IECLocalPortSetup
    from cosem.classes.c020_activity_calendar import ActivityCalendar as ActivityCalendar
    from cosem.classes.c021_register_monitor import RegisterMonitor as RegisterMonitor
    from cosem.classes.c022_single_action_schedule import SingleActionSchedule as SingleActionSchedule
    from cosem.classes.c023_iec_hdlc_setup import IECHDLCSetup as IECHDLCSetup
    from cosem.classes.c024_iec_twisted_pair_1_setup import IECTwistedPairSetup as IECTwistedPairSetup
    from cosem.classes.c025_mbus_slave_port_setup import MBusSlavePortSetup as MBusSlavePortSetup
    from cosem.classes.c026_utility_tables import UtilityTables as UtilityTables
    from cosem.classes.c027_modem_configuration import ModemConfiguration as ModemConfiguration
    from cosem.classes.c028_auto_answer import AutoAnswer as AutoAnswer
    from cosem.classes.c029_auto_connect import AutoConnect as AutoConnect
    from cosem.classes.c030_cosem_data_protection import DataProtection as DataProtection
    from cosem.classes.c040_push_setup import PushSetup as PushSetup
    from cosem.classes.c041_tcp_udp_setup import TCPUDPSetup as TCPUDPSetup
    from cosem.classes.c042_ipv4_setup import IPv4Setup as IPv4Setup
    from cosem.classes.c043_mac_address_setup import MACAddressSetup as MACAddressSetup
    from cosem.classes.c044_ppp_setup import PPPSetup as PPPSetup
    from cosem.classes.c045_gprs_modem_setup import GPRSModemSetup as GPRSModemSetup
    from cosem.classes.c046_smtp_setup import SMTPSetup as SMTPSetup
    from cosem.classes.c047_gsm_diagnostic import GSMDiagnostic as GSMDiagnostic
    from cosem.classes.c048_ipv6_setup import IPv6Setup as IPv6Setup
    from cosem.classes.c050_sfsk_phy_mac_setup import SFSKPhyMACSetup as SFSKPhyMACSetup
    from cosem.classes.c051_sfsk_active_initiator import SFSKActiveInitiator as SFSKActiveInitiator
    from cosem.classes.c052_sfsk_mac_synchronization_timeouts import (
        SFSKMACSynchronizationTimeouts as SFSKMACSynchronizationTimeouts,
    )
    from cosem.classes.c053_sfsk_mac_counters import SFSKMACCounters as SFSKMACCounters
    from cosem.classes.c055_iec_61334_4_32_llc_setup import IEC61334LLCSetup as IEC61334LLCSetup
    from cosem.classes.c056_sfsk_reporting_system_list import SFSKReportingSystemList as SFSKReportingSystemList
    from cosem.classes.c057_iso_iec_8802_2_llc_type_1_setup import LLCType1Setup as LLCType1Setup
    from cosem.classes.c058_iso_iec_8802_2_llc_type_2_setup import LLCType2Setup as LLCType2Setup
    from cosem.classes.c059_iso_iec_8802_2_llc_type_3_setup import LLCType3Setup as LLCType3Setup
    from cosem.classes.c061_register_table import RegisterTable as RegisterTable
    from cosem.classes.c062_compact_data import CompactData as CompactData
    from cosem.classes.c063_status_mapping import StatusMapping as StatusMapping
    from cosem.classes.c064_security_setup import SecuritySetup as SecuritySetup
    from cosem.classes.c065_parameter_monitor import ParameterMonitor as ParameterMonitor
    from cosem.classes.c066_measurement_data_monitoring_objects import (
        MeasurementDataMonitoring as MeasurementDataMonitoring,
    )
    from cosem.classes.c067_sensor_manager import SensorManager as SensorManager
    from cosem.classes.c068_arbitrator import Arbitrator as Arbitrator
    from cosem.classes.c070_disconnect_control import DisconnectControl as DisconnectControl
    from cosem.classes.c071_limiter import Limiter as Limiter
    from cosem.classes.c072_mbus_client import MBusClient as MBusClient
    from cosem.classes.c073_wireless_mode_q_channel import WirelessModeQChannel as WirelessModeQChannel
    from cosem.classes.c074_mbus_master_port_setup import MBusMasterPortSetup as MBusMasterPortSetup
    from cosem.classes.c076_dlms_cosem_server_mbus_port_setup import ServerMBusPortSetup as ServerMBusPortSetup
    from cosem.classes.c077_mbus_diagnostic import MBusDiagnostic as MBusDiagnostic
    from cosem.classes.c080_iec_61334_4_32_llc_sscs_setup import IEC61334LLCSSCSSetup as IEC61334LLCSSCSSetup
    from cosem.classes.c081_prime_nb_ofdm_plc_physical_layer_counters import (
        PRIMEPhysicalLayerCounters as PRIMEPhysicalLayerCounters,
    )
    from cosem.classes.c082_prime_nb_ofdm_plc_mac_setup import PRIMEMACSetup as PRIMEMACSetup
    from cosem.classes.c083_prime_nb_ofdm_plc_mac_functional_parameters import (
        PRIMEMACFunctionalParameters as PRIMEMACFunctionalParameters,
    )
    from cosem.classes.c084_prime_nb_ofdm_plc_mac_counters import PRIMEMACCounters as PRIMEMACCounters
    from cosem.classes.c085_prime_nb_ofdm_plc_mac_network_administration_data import (
        PRIMEMACNetworkAdministrationData as PRIMEMACNetworkAdministrationData,
    )
    from cosem.classes.c086_prime_nb_ofdm_plc_application_identification import (
        PRIMEApplicationIdentification as PRIMEApplicationIdentification,
    )
    from cosem.classes.c090_g3_plc_mac_layer_counters import G3PLCMACLayerCounters as G3PLCMACLayerCounters
    from cosem.classes.c091_g3_plc_mac_setup import G3PLCMACSetup as G3PLCMACSetup
    from cosem.classes.c092_g3_plc_6lowpan_adaptation_layer_setup import G3PLC6LoWPANSetup as G3PLC6LoWPANSetup
    from cosem.classes.c095_wi_sun_setup import WiSUNSetup as WiSUNSetup
    from cosem.classes.c096_wi_sun_diagnostic import WiSUNDiagnostic as WiSUNDiagnostic
    from cosem.classes.c097_rpl_diagnostic import RPLDiagnostic as RPLDiagnostic
    from cosem.classes.c098_mpl_diagnostic import MPLDiagnostic as MPLDiagnostic
    from cosem.classes.c100_ntp_setup import NTPSetup as NTPSetup
    from cosem.classes.c101_zigbee_sas_startup import ZigBeeSASStartup as ZigBeeSASStartup
    from cosem.classes.c102_zigbee_sas_join import ZigBeeSASJoin as ZigBeeSASJoin
    from cosem.classes.c103_zigbee_sas_aps_fragmentation import ZigBeeSASAPSFragmentation as ZigBeeSASAPSFragmentation
    from cosem.classes.c104_zigbee_network_control import ZigBeeNetworkControl as ZigBeeNetworkControl
    from cosem.classes.c105_zigbee_tunnel_setup import ZigBeeTunnelSetup as ZigBeeTunnelSetup
    from cosem.classes.c111_account import Account as Account
    from cosem.classes.c112_credit import Credit as Credit
    from cosem.classes.c113_charge import Charge as Charge
    from cosem.classes.c115_token_gateway import TokenGateway as TokenGateway
    from cosem.classes.c116_iec_62055_41_attributes import IEC6205541Attributes as IEC6205541Attributes
    from cosem.classes.c122_function_control import FunctionControl as FunctionControl
    from cosem.classes.c123_array_manager import ArrayManager as ArrayManager
    from cosem.classes.c124_communication_port_protection import (
        CommunicationPortProtection as CommunicationPortProtection,
    )
    from cosem.classes.c126_schc_lpwan_setup import SCHCLPWANSetup as SCHCLPWANSetup
    from cosem.classes.c127_schc_lpwan_diagnostic import SCHCLPWANDiagnostic as SCHCLPWANDiagnostic
    from cosem.classes.c128_lorawan_setup import LoRaWANSetup as LoRaWANSetup
    from cosem.classes.c129_lorawan_diagnostic import LoRaWANDiagnostic as LoRaWANDiagnostic
    from cosem.classes.c130_iso_iec_14908_identification import ISOIEC14908Identification as ISOIEC14908Identification
    from cosem.classes.c131_iso_iec_14908_protocol_setup import ISOIEC14908ProtocolSetup as ISOIEC14908ProtocolSetup
    from cosem.classes.c132_iso_iec_14908_protocol_status import ISOIEC14908ProtocolStatus as ISOIEC14908ProtocolStatus
    from cosem.classes.c133_iso_iec_14908_diagnostic import ISOIEC14908Diagnostic as ISOIEC14908Diagnostic
    from cosem.classes.c140_hs_plc_iso_iec_12139_1_mac_setup import HSPLCMACSetup as HSPLCMACSetup
    from cosem.classes.c141_hs_plc_iso_iec_12139_1_cpas_setup import HSPLCCPASSetup as HSPLCCPASSetup
    from cosem.classes.c142_hs_plc_iso_iec_12139_1_ip_ssas_setup import HSPLCIPSSASSetup as HSPLCIPSSASSetup
    from cosem.classes.c143_hs_plc_iso_iec_12139_1_hdlc_ssas_setup import HSPLCHDLCSSASSetup as HSPLCHDLCSSASSetup
    from cosem.classes.c151_lte_monitoring import LTEMonitoring as LTEMonitoring
    from cosem.classes.c152_coap_setup import CoAPSetup as CoAPSetup
    from cosem.classes.c153_coap_diagnostic import CoAPDiagnostic as CoAPDiagnostic
    from cosem.classes.c160_g3_plc_hybrid_rf_mac_layer_counters import (
        G3PLCHybridRFMACLayerCounters as G3PLCHybridRFMACLayerCounters,
    )
    from cosem.classes.c161_g3_plc_hybrid_rf_mac_setup import G3PLCHybridRFMACSetup as G3PLCHybridRFMACSetup
    from cosem.classes.c162_g3_plc_hybrid_6lowpan_adaptation_layer_setup import (
        G3PLCHybrid6LoWPANSetup as G3PLCHybrid6LoWPANSetup,
    )
    from cosem.classes.description import describe as describe
    from cosem.classes.model import AsyncStore as AsyncStore
    from cosem.classes.model import Attribute as Attribute
    from cosem.classes.model import InterfaceClass as InterfaceClass
    from cosem.classes.model import Method as Method
    from cosem.classes.model import Selection as Selection
    from cosem.classes.model import Store as Store
    from cosem.classes.model import Unknown as Unknown
    from cosem.classes.model import bind as bind
    from cosem.classes.model import find as find
    from cosem.classes.model import known as known
    from cosem.classes.model import lookup as lookup
    from cosem.classes.model import versions_of as versions_of
    from cosem.classes.store import LocalStore as LocalStore
    from cosem.classes.types import TypeMismatch as TypeMismatch

_WHERE = {
    "access": ("Access", "AccessRights", "AttributeAccess", "MethodAccess", "ObjectListElement"),
    "c001_data": ("Data",),
    "c003_register": ("Register",),
    "c004_extended_register": ("ExtendedRegister",),
    "c005_demand_register": ("DemandRegister",),
    "c006_register_activation": ("RegisterActivation",),
    "c007_profile_generic": ("ProfileGeneric",),
    "c008_clock": ("Clock",),
    "c009_script_table": ("ScriptTable",),
    "c010_schedule": ("Schedule",),
    "c011_special_days_table": ("SpecialDaysTable",),
    "c012_association_sn": ("AssociationSN",),
    "c015_association_ln": ("AssociationLN",),
    "c017_sap_assignment": ("SAPAssignment",),
    "c018_image_transfer": ("ImageTransfer",),
    "c019_iec_local_port_setup": ("IECLocalPortSetup",),
    "c020_activity_calendar": ("ActivityCalendar",),
    "c021_register_monitor": ("RegisterMonitor",),
    "c022_single_action_schedule": ("SingleActionSchedule",),
    "c023_iec_hdlc_setup": ("IECHDLCSetup",),
    "c024_iec_twisted_pair_1_setup": ("IECTwistedPairSetup",),
    "c025_mbus_slave_port_setup": ("MBusSlavePortSetup",),
    "c026_utility_tables": ("UtilityTables",),
    "c027_modem_configuration": ("ModemConfiguration",),
    "c028_auto_answer": ("AutoAnswer",),
    "c029_auto_connect": ("AutoConnect",),
    "c030_cosem_data_protection": ("DataProtection",),
    "c040_push_setup": ("PushSetup",),
    "c041_tcp_udp_setup": ("TCPUDPSetup",),
    "c042_ipv4_setup": ("IPv4Setup",),
    "c043_mac_address_setup": ("MACAddressSetup",),
    "c044_ppp_setup": ("PPPSetup",),
    "c045_gprs_modem_setup": ("GPRSModemSetup",),
    "c046_smtp_setup": ("SMTPSetup",),
    "c047_gsm_diagnostic": ("GSMDiagnostic",),
    "c048_ipv6_setup": ("IPv6Setup",),
    "c050_sfsk_phy_mac_setup": ("SFSKPhyMACSetup",),
    "c051_sfsk_active_initiator": ("SFSKActiveInitiator",),
    "c052_sfsk_mac_synchronization_timeouts": ("SFSKMACSynchronizationTimeouts",),
    "c053_sfsk_mac_counters": ("SFSKMACCounters",),
    "c055_iec_61334_4_32_llc_setup": ("IEC61334LLCSetup",),
    "c056_sfsk_reporting_system_list": ("SFSKReportingSystemList",),
    "c057_iso_iec_8802_2_llc_type_1_setup": ("LLCType1Setup",),
    "c058_iso_iec_8802_2_llc_type_2_setup": ("LLCType2Setup",),
    "c059_iso_iec_8802_2_llc_type_3_setup": ("LLCType3Setup",),
    "c061_register_table": ("RegisterTable",),
    "c062_compact_data": ("CompactData",),
    "c063_status_mapping": ("StatusMapping",),
    "c064_security_setup": ("SecuritySetup",),
    "c065_parameter_monitor": ("ParameterMonitor",),
    "c066_measurement_data_monitoring_objects": ("MeasurementDataMonitoring",),
    "c067_sensor_manager": ("SensorManager",),
    "c068_arbitrator": ("Arbitrator",),
    "c070_disconnect_control": ("DisconnectControl",),
    "c071_limiter": ("Limiter",),
    "c072_mbus_client": ("MBusClient",),
    "c073_wireless_mode_q_channel": ("WirelessModeQChannel",),
    "c074_mbus_master_port_setup": ("MBusMasterPortSetup",),
    "c076_dlms_cosem_server_mbus_port_setup": ("ServerMBusPortSetup",),
    "c077_mbus_diagnostic": ("MBusDiagnostic",),
    "c080_iec_61334_4_32_llc_sscs_setup": ("IEC61334LLCSSCSSetup",),
    "c081_prime_nb_ofdm_plc_physical_layer_counters": ("PRIMEPhysicalLayerCounters",),
    "c082_prime_nb_ofdm_plc_mac_setup": ("PRIMEMACSetup",),
    "c083_prime_nb_ofdm_plc_mac_functional_parameters": ("PRIMEMACFunctionalParameters",),
    "c084_prime_nb_ofdm_plc_mac_counters": ("PRIMEMACCounters",),
    "c085_prime_nb_ofdm_plc_mac_network_administration_data": ("PRIMEMACNetworkAdministrationData",),
    "c086_prime_nb_ofdm_plc_application_identification": ("PRIMEApplicationIdentification",),
    "c090_g3_plc_mac_layer_counters": ("G3PLCMACLayerCounters",),
    "c091_g3_plc_mac_setup": ("G3PLCMACSetup",),
    "c092_g3_plc_6lowpan_adaptation_layer_setup": ("G3PLC6LoWPANSetup",),
    "c095_wi_sun_setup": ("WiSUNSetup",),
    "c096_wi_sun_diagnostic": ("WiSUNDiagnostic",),
    "c097_rpl_diagnostic": ("RPLDiagnostic",),
    "c098_mpl_diagnostic": ("MPLDiagnostic",),
    "c100_ntp_setup": ("NTPSetup",),
    "c101_zigbee_sas_startup": ("ZigBeeSASStartup",),
    "c102_zigbee_sas_join": ("ZigBeeSASJoin",),
    "c103_zigbee_sas_aps_fragmentation": ("ZigBeeSASAPSFragmentation",),
    "c104_zigbee_network_control": ("ZigBeeNetworkControl",),
    "c105_zigbee_tunnel_setup": ("ZigBeeTunnelSetup",),
    "c111_account": ("Account",),
    "c112_credit": ("Credit",),
    "c113_charge": ("Charge",),
    "c115_token_gateway": ("TokenGateway",),
    "c116_iec_62055_41_attributes": ("IEC6205541Attributes",),
    "c122_function_control": ("FunctionControl",),
    "c123_array_manager": ("ArrayManager",),
    "c124_communication_port_protection": ("CommunicationPortProtection",),
    "c126_schc_lpwan_setup": ("SCHCLPWANSetup",),
    "c127_schc_lpwan_diagnostic": ("SCHCLPWANDiagnostic",),
    "c128_lorawan_setup": ("LoRaWANSetup",),
    "c129_lorawan_diagnostic": ("LoRaWANDiagnostic",),
    "c130_iso_iec_14908_identification": ("ISOIEC14908Identification",),
    "c131_iso_iec_14908_protocol_setup": ("ISOIEC14908ProtocolSetup",),
    "c132_iso_iec_14908_protocol_status": ("ISOIEC14908ProtocolStatus",),
    "c133_iso_iec_14908_diagnostic": ("ISOIEC14908Diagnostic",),
    "c140_hs_plc_iso_iec_12139_1_mac_setup": ("HSPLCMACSetup",),
    "c141_hs_plc_iso_iec_12139_1_cpas_setup": ("HSPLCCPASSetup",),
    "c142_hs_plc_iso_iec_12139_1_ip_ssas_setup": ("HSPLCIPSSASSetup",),
    "c143_hs_plc_iso_iec_12139_1_hdlc_ssas_setup": ("HSPLCHDLCSSASSetup",),
    "c151_lte_monitoring": ("LTEMonitoring",),
    "c152_coap_setup": ("CoAPSetup",),
    "c153_coap_diagnostic": ("CoAPDiagnostic",),
    "c160_g3_plc_hybrid_rf_mac_layer_counters": ("G3PLCHybridRFMACLayerCounters",),
    "c161_g3_plc_hybrid_rf_mac_setup": ("G3PLCHybridRFMACSetup",),
    "c162_g3_plc_hybrid_6lowpan_adaptation_layer_setup": ("G3PLCHybrid6LoWPANSetup",),
    "description": ("describe",),
    "model": (
        "AsyncStore", "Attribute", "InterfaceClass", "Method", "Selection", "Store", "Unknown", "bind", "find", "known",
        "lookup", "versions_of",
    ),
    "store": ("LocalStore",),
    "types": ("TypeMismatch",),
}  # fmt: skip

__getattr__, __dir__ = lazy_exports(
    __name__, {name: f"cosem.classes.{module}" for module, names in _WHERE.items() for name in names}
)
