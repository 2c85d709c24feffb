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
    from cosem.classes.c064_security_setup import SecuritySetup as SecuritySetup
    from cosem.classes.c070_disconnect_control import DisconnectControl as DisconnectControl
    from cosem.classes.description import describe as describe
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
    "c064_security_setup": ("SecuritySetup",),
    "c070_disconnect_control": ("DisconnectControl",),
    "description": ("describe",),
    "model": (
        "Attribute", "InterfaceClass", "Method", "Selection", "Store", "Unknown", "bind", "find", "known", "lookup",
        "versions_of",
    ),
    "store": ("LocalStore",),
    "types": ("TypeMismatch",),
}  # fmt: skip

__getattr__, __dir__ = lazy_exports(
    __name__, {name: f"cosem.classes.{module}" for module, names in _WHERE.items() for name in names}
)
