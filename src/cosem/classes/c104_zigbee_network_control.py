"""ZigBee network control (class 104): the devices of a network that the meter coordinates."""
# ruff: noqa: N815 - attributes and fields are spelled as the standard spells them

from __future__ import annotations

from enum import IntFlag
from typing import NamedTuple

from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import (
    array,
    bit_string,
    boolean,
    date_time,
    enum_code,
    flags,
    integer,
    long_unsigned,
    octet_string,
    raw_data,
    structure,
    trigger,
    unsigned,
)
from cosem.times import CosemDateTime


class DeviceStatus(IntFlag):
    """What the coordinator knows of a device."""

    AUTHORISED_ON_PAN = 0x01
    ACTIVELY_REPORTING = 0x02
    UNAUTHORISED_BUT_HAS_BEEN_ON_PAN = 0x04
    AUTHORISED_AFTER_SWAP_OUT = 0x08
    SEP_TRANSMITTING = 0x10


class ActiveDevice(NamedTuple):
    """A device that was heard: its signal strengths (RSSI), link qualities (LQI) and counters."""

    MAC_address: bytes
    status: DeviceStatus
    max_RSSI: int
    average_RSSI: int
    min_RSSI: int
    max_LQI: int
    average_LQI: int
    min_LQI: int
    last_communication_date_time: CosemDateTime
    number_of_hops: int
    transmission_failures: int
    transmission_successes: int
    application_version: int
    stack_version: int


class DeviceRegistration(NamedTuple):
    """A device that may join, and its key."""

    IEEE_address: bytes
    key_type: int
    link_key: bytes

    def __repr__(self) -> str:
        return f"DeviceRegistration({self.IEEE_address!r}, {self.key_type!r}, ...)"


class ZigBeeNetworkControl(InterfaceClass[S], class_id=104, version=0, name="ZigBee network control"):
    """Joining and the devices of the network (Blue Book ed. 12, 4.14). Devices are named by IEEE address.

    Not verified: the widths inside active_devices, the parameter of register_device and its key types, and the
    parameter of restore_PAN (kept as `Data`).
    """

    enable_disable_joining = attribute(2, boolean, "whether devices may join", static=True)
    join_timeout = attribute(3, long_unsigned, "time that devices have for joining", static=True)
    active_devices = attribute(
        4,
        array(
            structure(
                ActiveDevice,
                MAC_address=octet_string(),
                status=flags(DeviceStatus, bit_string()),
                max_RSSI=integer,
                average_RSSI=integer,
                min_RSSI=integer,
                max_LQI=unsigned,
                average_LQI=unsigned,
                min_LQI=unsigned,
                last_communication_date_time=date_time,
                number_of_hops=unsigned,
                transmission_failures=unsigned,
                transmission_successes=unsigned,
                application_version=unsigned,
                stack_version=unsigned,
            )
        ),
        "the devices of the network",
        default=(),
    )

    register_device = method(
        1,
        structure(DeviceRegistration, IEEE_address=octet_string(8), key_type=enum_code, link_key=octet_string(16)),
        "allows a device to join",
        optional=False,
        sn_offset=0x20,
    )
    unregister_device = method(2, octet_string(8), "removes a device", optional=False, sn_offset=0x28)
    unregister_all_devices = method(3, trigger, "removes all devices", sn_offset=0x30)
    backup_PAN = method(4, trigger, "backs the network up", sn_offset=0x38)
    restore_PAN = method(5, raw_data, "restores the network from a backup", sn_offset=0x40)
    identify_device = method(6, octet_string(8), "makes a device show itself", sn_offset=0x48)
    remove_mirror = method(7, octet_string(8), "removes the mirror of a device", sn_offset=0x50)
    update_network_key = method(8, trigger, "changes the key of the network", sn_offset=0x58)
    update_link_key = method(9, octet_string(8), "changes the link key of a device", sn_offset=0x60)
    create_PAN = method(10, trigger, "makes a network", optional=False, sn_offset=0x68)
    remove_PAN = method(11, trigger, "ends the network", optional=False, sn_offset=0x70)
