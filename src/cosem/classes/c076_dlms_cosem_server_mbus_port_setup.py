"""DLMS/COSEM server M-Bus port setup (class 76): COSEM served over an M-Bus."""

from __future__ import annotations

from cosem.classes.common import time_windows
from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import (
    OpenEnum,
    double_long_unsigned,
    enum,
    logical_name,
    long_unsigned,
    unsigned,
)


class PortCommunicationState(OpenEnum):
    """Whether the port can be reached."""

    NO_ACCESS = 0
    TEMPORARY_NO_ACCESS = 1
    LIMITED_ACCESS = 2
    UNLIMITED_ACCESS = 3
    WIRELESS_BY_CONFIGURATION_FIELD = 4


class DataHeaderType(OpenEnum):
    """Which M-Bus data header is used (EN 13757-3)."""

    NONE = 0
    SHORT = 1
    LONG = 2


class ServerMBusPortSetup(
    InterfaceClass[S], class_id=76, version=0, name="DLMS/COSEM server M-Bus port setup", verified=False
):
    """Identity and state of the port. Not verified: the exact names and which attributes are static."""

    M_Bus_profile_selection = attribute(2, logical_name, "the port setup object in use", static=True)
    M_Bus_port_communication_state = attribute(3, enum(PortCommunicationState), "whether the port can be reached")
    M_Bus_Data_Header_Type = attribute(4, enum(DataHeaderType), "data header in use", static=True)
    primary_address = attribute(5, unsigned, "primary address", static=True)
    identification_number = attribute(6, double_long_unsigned, "identification number (EN 13757-3)", static=True)
    manufacturer_id = attribute(7, long_unsigned, "manufacturer, three letters in 15 bits", static=True)
    version = attribute(8, unsigned, "version of the device", static=True)
    device_type = attribute(9, unsigned, "device type code (EN 13757-7)", static=True)
    max_pdu_size = attribute(10, long_unsigned, "octets of a PDU at most", static=True)
    listening_window = attribute(11, time_windows, "when the port listens", static=True, default=())
