"""G3-PLC MAC layer counters (class 90)."""
# ruff: noqa: N815 - attributes and fields are spelled as the standard spells them

from __future__ import annotations

from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import double_long_unsigned, trigger


class G3PLCMACLayerCounters(InterfaceClass[S], class_id=90, version=1, name="G3-PLC MAC layer counters"):
    """What the MAC layer counts (Blue Book ed. 12, 4.13). No public source describes version 0."""

    mac_Tx_data_packet_count = attribute(2, double_long_unsigned, "data packets sent", default=0)
    mac_Rx_data_packet_count = attribute(3, double_long_unsigned, "data packets received", default=0)
    mac_Tx_cmd_packet_count = attribute(4, double_long_unsigned, "command packets sent", default=0)
    mac_Rx_cmd_packet_count = attribute(5, double_long_unsigned, "command packets received", default=0)
    mac_CSMA_fail_count = attribute(6, double_long_unsigned, "packets that found no free channel", default=0)
    mac_CSMA_no_ACK_count = attribute(7, double_long_unsigned, "packets without acknowledgement", default=0)
    mac_bad_CRC_count = attribute(8, double_long_unsigned, "frames received with a wrong CRC", default=0)
    mac_Tx_data_broadcast_count = attribute(9, double_long_unsigned, "broadcast packets sent", default=0)
    mac_Rx_data_broadcast_count = attribute(10, double_long_unsigned, "broadcast packets received", default=0)

    reset = method(1, trigger, "sets the counters to 0", sn_offset=0x50)
