"""LoRaWAN setup (class 128): a device of a LoRaWAN network."""
# ruff: noqa: N815 - attributes and fields are spelled as the standard spells them

from __future__ import annotations

from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import array, boolean, double_long_unsigned, enum_code, integer, raw_data


class LoRaWANSetup(InterfaceClass[S], class_id=128, version=0, name="LoRaWAN setup", verified=False):
    """Class, region and state of the device (Blue Book ed. 15). Attribute 2, class, is `class_` in Python.

    From one public source, which does not give the codes of the enumerations, the layout of device_operation,
    modem_versions and multicasts_parameters (kept as `Data`), nor the parameters of the methods. Short name offsets
    leave a place free after regional_parameters.
    """

    class_ = attribute(2, enum_code, "LoRaWAN class of the device")
    state = attribute(3, enum_code, "state of the device")
    max_transmit_EIRP_setting = attribute(4, integer, "limit of the transmitted power", static=True)
    ADR_mode = attribute(5, boolean, "whether the data rate adapts itself")
    regional_parameters = attribute(6, enum_code, "the region")
    device_operation = attribute(7, raw_data, "how the device works, a structure", sn_offset=0x38)
    modem_versions = attribute(8, raw_data, "versions of the modem, a structure", static=True, sn_offset=0x40)
    devAddr = attribute(9, double_long_unsigned, "address of the device", sn_offset=0x48)
    join_strategy = attribute(10, enum_code, "how the device joins", sn_offset=0x50)
    multicasts_parameters = attribute(11, array(raw_data), "multicast groups", default=(), sn_offset=0x58)

    disconnect_from_network = method(1, raw_data, "leaves the network", optional=None, sn_offset=0x60)
    change_class = method(2, raw_data, "changes the class of the device", optional=None, sn_offset=0x68)
    change_region = method(3, raw_data, "changes the region", optional=None, sn_offset=0x70)
