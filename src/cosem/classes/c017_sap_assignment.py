"""SAP assignment (class 17): the logical devices of a physical device."""

from __future__ import annotations

from typing import NamedTuple

from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import array, long_unsigned, octet_string, structure


class AssignedSAP(NamedTuple):
    """A logical device: its service access point and its name (the same as its COSEM logical device name)."""

    SAP: int
    logical_device_name: bytes


assigned_sap = structure(AssignedSAP, SAP=long_unsigned, logical_device_name=octet_string())


class SAPAssignment(InterfaceClass[S], class_id=17, version=0):
    """Lists the logical devices and their service access points (Blue Book ed. 9, 4.4.5)."""

    SAP_assignment_list = attribute(2, array(assigned_sap), "the logical devices", static=True)

    connect_logical_device = method(1, assigned_sap, "connects a logical device to a SAP", sn_offset=0x20)
