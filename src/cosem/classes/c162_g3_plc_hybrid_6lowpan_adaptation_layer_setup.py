"""G3-PLC Hybrid 6LoWPAN adaptation layer setup (class 162): parameters of the RF side."""
# ruff: noqa: N815 - attributes and fields are spelled as the standard spells them

from __future__ import annotations

from cosem.classes.c092_g3_plc_6lowpan_adaptation_layer_setup import routing_configurations
from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import array, boolean, long_unsigned, raw_data, unsigned


class G3PLCHybrid6LoWPANSetup(
    InterfaceClass[S],
    class_id=162,
    version=1,
    name="G3-PLC Hybrid 6LoWPAN adaptation layer setup",
    verified=False,
):
    """Parameters named after those of G3-PLC Hybrid (Blue Book ed. 16). No public source describes version 0.

    From one public source, which does not give the elements of the two tables (kept as `Data`).
    """

    adp_routing_table = attribute(2, array(raw_data), "the routes", default=())
    adp_blacklist_table = attribute(3, array(raw_data), "neighbours that are not used", default=())
    adp_low_LQI_value_RF = attribute(4, unsigned, "link quality that counts as low", static=True)
    adp_high_LQI_value_RF = attribute(5, unsigned, "link quality that counts as high", static=True)
    adp_routing_configuration_RF = attribute(6, routing_configurations, "parameters of the routing", static=True)
    adp_use_backup_media = attribute(7, boolean, "whether the other medium is a backup", static=True)
    adp_weak_LQI_value_RF = attribute(8, unsigned, "link quality below which a link is weak", static=True)
    adp_trickle_LQI_threshold_low_RF = attribute(9, unsigned, "lower link quality limit of trickle", static=True)
    adp_delay_low_LQI_RF = attribute(10, long_unsigned, "delay of route requests at low link quality", static=True)
    adp_delay_high_LQI_RF = attribute(11, long_unsigned, "delay of route requests at high link quality", static=True)
    adp_RREQ_jitter_low_LQI_RF = attribute(12, unsigned, "jitter of route requests at low quality", static=True)
    adp_RREQ_jitter_high_LQI_RF = attribute(13, unsigned, "jitter of route requests at high quality", static=True)
    adp_cluster_trickle_I_RF = attribute(14, long_unsigned, "interval of trickle in a cluster", static=True)
    adp_cluster_trickle_K_RF = attribute(15, unsigned, "redundancy of trickle in a cluster", static=True)
    adp_cluster_min_LQI_RF = attribute(16, unsigned, "link quality that a cluster needs", static=True)
    adp_last_gasp = attribute(17, boolean, "whether a last message is sent at power failure", static=True)
    adp_probing_interval = attribute(18, unsigned, "interval of probing neighbours", static=True)
    adp_trickle_LQI_threshold_high_RF = attribute(19, unsigned, "upper link quality limit of trickle", static=True)
