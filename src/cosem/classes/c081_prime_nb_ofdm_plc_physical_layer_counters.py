"""PRIME NB OFDM PLC Physical layer counters (class 81)."""

from __future__ import annotations

from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import long_unsigned, trigger


class PRIMEPhysicalLayerCounters(
    InterfaceClass[S], class_id=81, version=0, name="PRIME NB OFDM PLC Physical layer counters"
):
    """What the physical layer counts (Blue Book ed. 12, 4.12)."""

    phy_stats_crc_incorrect_count = attribute(2, long_unsigned, "bursts received with a wrong CRC", default=0)
    phy_stats_crc_fail_count = attribute(3, long_unsigned, "bursts with a good CRC and a wrong header", default=0)
    phy_stats_tx_drop_count = attribute(4, long_unsigned, "bursts not sent because the layer was busy", default=0)
    phy_stats_rx_drop_count = attribute(5, long_unsigned, "bursts not received because the layer was busy", default=0)

    reset = method(1, trigger, "sets the counters to 0", sn_offset=0x28)
