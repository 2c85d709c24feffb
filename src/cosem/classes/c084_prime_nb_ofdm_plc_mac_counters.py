"""PRIME NB OFDM PLC MAC counters (class 84)."""

from __future__ import annotations

from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import double_long_unsigned, trigger


class PRIMEMACCounters(InterfaceClass[S], class_id=84, version=0, name="PRIME NB OFDM PLC MAC counters"):
    """What the MAC layer counts (Blue Book ed. 12, 4.12)."""

    mac_tx_data_pkt_count = attribute(2, double_long_unsigned, "data packets sent", default=0)
    mac_rx_data_pkt_count = attribute(3, double_long_unsigned, "data packets received", default=0)
    mac_tx_ctrl_pkt_count = attribute(4, double_long_unsigned, "control packets sent", default=0)
    mac_rx_ctrl_pkt_count = attribute(5, double_long_unsigned, "control packets received", default=0)
    mac_csma_fail_count = attribute(6, double_long_unsigned, "packets given up for want of a free channel", default=0)
    mac_csma_ch_busy_count = attribute(7, double_long_unsigned, "times the channel was busy", default=0)

    reset = method(1, trigger, "sets the counters to 0", sn_offset=0x40)
