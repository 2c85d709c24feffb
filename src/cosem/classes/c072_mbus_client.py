"""M-Bus client (class 72): a device on the M-Bus that the meter reads and passes on."""

from __future__ import annotations

from typing import NamedTuple

from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import (
    OpenEnum,
    Simple,
    array,
    double_long_unsigned,
    enum,
    logical_name,
    long_unsigned,
    octet_string,
    simple,
    structure,
    trigger,
    unsigned,
)


class EncryptionKeyStatus(OpenEnum):
    """What is known of the key of the device."""

    NO_ENCRYPTION_KEY = 0
    ENCRYPTION_KEY_SET = 1
    ENCRYPTION_KEY_TRANSFERRED = 2
    ENCRYPTION_KEY_SET_AND_TRANSFERRED = 3
    ENCRYPTION_KEY_IN_USE = 4


class CaptureDefinitionElement(NamedTuple):
    """One value to capture, by the DIB and VIB that the device sends it with (EN 13757-3)."""

    data_information_block: bytes
    value_information_block: bytes


class SentValue(NamedTuple):
    """One value for the device, with its DIB and VIB."""

    data_information_block: bytes
    value_information_block: bytes
    data: Simple


class MBusClientV0(InterfaceClass[S], class_id=72, version=0, name="M-Bus client"):
    """Identity of the device and what is captured from it (Blue Book ed. 9, 4.7.2).

    Short name offsets are those of edition 10 on. In edition 9, and so in DSMR 2.3, everything but the logical name
    lies 8 octets higher.
    """

    mbus_port_reference = attribute(2, logical_name, "the M-Bus master port setup object", static=True)
    capture_definition = attribute(
        3,
        array(
            structure(
                CaptureDefinitionElement,
                data_information_block=octet_string(),
                value_information_block=octet_string(),
            )
        ),
        "what is captured",
        static=True,
        default=(),
    )
    capture_period = attribute(4, double_long_unsigned, "seconds, 0 = no automatic capture", static=True, default=0)
    primary_address = attribute(
        5, unsigned, "0 not configured, 1 to 250 primary address, above special", static=True, default=0
    )
    identification_number = attribute(6, double_long_unsigned, "identification number (EN 13757-3)", static=True)
    manufacturer_id = attribute(7, long_unsigned, "manufacturer, three letters in 15 bits", static=True)
    version = attribute(8, unsigned, "version of the device", static=True)
    device_type = attribute(9, unsigned, "device type code (EN 13757-7)", static=True)
    access_number = attribute(10, unsigned, "access number of the last answer")
    status = attribute(11, unsigned, "status octet of the last answer")
    alarm = attribute(12, unsigned, "alarm octet of the device")

    slave_install = method(1, unsigned, "installs a device, takes its primary address", sn_offset=0x60)
    slave_deinstall = method(2, trigger, "gives up the device: address 0, key forgotten", sn_offset=0x68)
    capture = method(3, trigger, "captures values now", sn_offset=0x70)
    reset_alarm = method(4, trigger, "resets the alarm of the device", sn_offset=0x78)
    synchronize_clock = method(5, trigger, "sets the clock of the device", sn_offset=0x80)
    data_send = method(
        6,
        array(
            structure(
                SentValue, data_information_block=octet_string(), value_information_block=octet_string(), data=simple
            )
        ),
        "sends values to the device",
        sn_offset=0x88,
    )
    set_encryption_key = method(7, octet_string(), "key for this side, in clear; empty removes it", sn_offset=0x90)
    transfer_key = method(8, octet_string(), "key for the device, under its default key", sn_offset=0x98)


class MBusClient(MBusClientV0[S], class_id=72, version=1):
    """Adds the configuration field and the state of the key (Blue Book ed. 11, 4.8.3)."""

    configuration = attribute(13, long_unsigned, "configuration field (EN 13757-3): mode and how much is encrypted")
    encryption_key_status = attribute(14, enum(EncryptionKeyStatus), "what is known of the key")

    slave_install = method(1, unsigned, "installs a device, takes its primary address", sn_offset=0x70)
    slave_deinstall = method(2, trigger, "gives up the device: address 0, key forgotten", sn_offset=0x78)
    capture = method(3, trigger, "captures values now", sn_offset=0x80)
    reset_alarm = method(4, trigger, "resets the alarm of the device", sn_offset=0x88)
    synchronize_clock = method(5, trigger, "sets the clock of the device", sn_offset=0x90)
    data_send = method(6, MBusClientV0.methods[6].parameter, "sends values to the device", sn_offset=0x98)
    set_encryption_key = method(7, octet_string(), "key for this side, in clear; empty removes it", sn_offset=0xA0)
    transfer_key = method(8, octet_string(), "key for the device, under its default key", sn_offset=0xA8)
