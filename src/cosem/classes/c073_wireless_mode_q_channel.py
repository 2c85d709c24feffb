"""Wireless Mode Q channel (class 73): a port of the device on a wireless M-Bus in mode Q."""

from __future__ import annotations

from cosem.classes.c025_mbus_slave_port_setup import AddressState
from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import enum, octet_string


class WirelessModeQChannelV0(InterfaceClass[S], class_id=73, version=0, name="Wireless Mode Q channel", verified=False):
    """Version 0 is not verified: no public source describes it, its layout is taken from version 1."""

    addr_state = attribute(2, enum(AddressState), "whether an address was given since power up", static=True)
    device_address = attribute(3, octet_string(), "address of the device", static=True)
    address_mask = attribute(4, octet_string(), "mask of the groups that the device answers to", static=True)


class WirelessModeQChannel(WirelessModeQChannelV0[S], class_id=73, version=1):
    """Address of the device (Blue Book ed. 9, 4.7.3; EN 13757-5)."""
