"""PRIME NB OFDM PLC MAC functional parameters (class 83)."""
# ruff: noqa: N815 - attributes and fields are spelled as the standard spells them

from __future__ import annotations

from enum import IntFlag

from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import OpenEnum, enum, flags, long, long_unsigned, octet_string, unsigned


class MACState(OpenEnum):
    """What the node is in its subnetwork."""

    DISCONNECTED = 0
    TERMINAL = 1
    SWITCH = 2
    BASE = 3


class MACCapabilities(IntFlag):
    """What the node is able to do."""

    SWITCH_CAPABLE = 0x0001
    PACKET_AGGREGATION = 0x0002
    CONTENTION_FREE_PERIOD = 0x0004
    DIRECT_CONNECTION = 0x0008
    MULTICAST = 0x0010
    PHY_ROBUSTNESS_MANAGEMENT = 0x0020
    ARQ = 0x0040
    DIRECT_CONNECTION_SWITCHING = 0x0100
    MULTICAST_SWITCHING = 0x0200
    PHY_ROBUSTNESS_MANAGEMENT_SWITCHING = 0x0400
    ARQ_BUFFERING_SWITCHING = 0x0800


class PRIMEMACFunctionalParameters(
    InterfaceClass[S], class_id=83, version=0, name="PRIME NB OFDM PLC MAC functional parameters"
):
    """Identifiers and state of the node (Blue Book ed. 12, 4.12).

    All static in edition 16; that earlier editions have most of them dynamic is not verified.
    """

    mac_LNID = attribute(2, long, "local node identifier", static=True)
    mac_LSID = attribute(3, unsigned, "local switch identifier", static=True)
    mac_SID = attribute(4, unsigned, "identifier of the switch that the node hangs on", static=True)
    mac_SNA = attribute(5, octet_string(), "subnetwork address: EUI-48 of the base node", static=True)
    mac_state = attribute(6, enum(MACState), "what the node is", static=True)
    mac_scp_length = attribute(7, long, "symbols of the shared contention period", static=True)
    mac_node_hierarchy_level = attribute(8, unsigned, "level of the node below the base node", static=True)
    mac_beacon_slot_count = attribute(9, unsigned, "beacon slots of a frame", static=True)
    mac_beacon_rx_slot = attribute(10, unsigned, "slot in which the beacon is received", static=True)
    mac_beacon_tx_slot = attribute(11, unsigned, "slot in which the node sends its beacon", static=True)
    mac_beacon_rx_frequency = attribute(12, unsigned, "frames between beacons received", static=True)
    mac_beacon_tx_frequency = attribute(13, unsigned, "frames between beacons sent", static=True)
    mac_capabilities = attribute(14, flags(MACCapabilities, long_unsigned), "what the node is able to do", static=True)
