"""PRIME NB OFDM PLC MAC network administration data (class 85)."""
# ruff: noqa: N815 - attributes and fields are spelled as the standard spells them

from __future__ import annotations

from typing import NamedTuple

from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import array, integer, long, octet_string, structure, trigger


class MulticastEntry(NamedTuple):
    """A multicast group, by its connection identifier, and its number of members."""

    mcast_entry_LCID: int
    mcast_entry_members: int


class DirectConnection(NamedTuple):
    """A direct connection: both ends and the EUI-48 of its switch."""

    dconn_entry_src_SID: int
    dconn_entry_src_LNID: int
    dconn_entry_src_LCID: int
    dconn_entry_dst_SID: int
    dconn_entry_dst_LNID: int
    dconn_entry_dst_LCID: int
    dconn_entry_DID: bytes


class AvailableSwitch(NamedTuple):
    """A switch that the node hears."""

    slist_entry_SNA: bytes
    slist_entry_LSID: int
    slist_entry_level: int
    slist_entry_rx_lvl: int
    slist_entry_rx_SNR: int


class PhyCommunication(NamedTuple):
    """How the node communicates with a neighbour."""

    phy_comm_EUI: bytes
    phy_comm_TX_power: int
    phy_comm_TX_coding: int
    phy_comm_RX_coding: int
    phy_comm_RX_lvl: int
    phy_comm_SNR: int
    phy_comm_TX_power_mod: int
    phy_comm_TX_coding_mod: int
    phy_comm_RX_coding_mod: int


class PRIMEMACNetworkAdministrationData(
    InterfaceClass[S], class_id=85, version=0, name="PRIME NB OFDM PLC MAC network administration data"
):
    """Lists of the network's administration (Blue Book ed. 12, 4.12). The widths inside are from one public source."""

    mac_list_multicast_entries = attribute(
        2,
        array(structure(MulticastEntry, mcast_entry_LCID=integer, mcast_entry_members=long)),
        "multicast groups",
        default=(),
    )
    mac_list_switch_table = attribute(3, array(long), "identifiers of the switches below", default=())
    mac_list_direct_table = attribute(
        4,
        array(
            structure(
                DirectConnection,
                dconn_entry_src_SID=long,
                dconn_entry_src_LNID=long,
                dconn_entry_src_LCID=long,
                dconn_entry_dst_SID=long,
                dconn_entry_dst_LNID=long,
                dconn_entry_dst_LCID=long,
                dconn_entry_DID=octet_string(),
            )
        ),
        "direct connections",
        default=(),
    )
    mac_list_available_switches = attribute(
        5,
        array(
            structure(
                AvailableSwitch,
                slist_entry_SNA=octet_string(),
                slist_entry_LSID=long,
                slist_entry_level=integer,
                slist_entry_rx_lvl=integer,
                slist_entry_rx_SNR=integer,
            )
        ),
        "switches that the node hears",
        default=(),
    )
    mac_list_phy_comm = attribute(
        6,
        array(
            structure(
                PhyCommunication,
                phy_comm_EUI=octet_string(),
                phy_comm_TX_power=integer,
                phy_comm_TX_coding=integer,
                phy_comm_RX_coding=integer,
                phy_comm_RX_lvl=integer,
                phy_comm_SNR=integer,
                phy_comm_TX_power_mod=integer,
                phy_comm_TX_coding_mod=integer,
                phy_comm_RX_coding_mod=integer,
            )
        ),
        "communication with neighbours",
        default=(),
    )

    reset = method(1, trigger, "empties the lists", sn_offset=0x30)
