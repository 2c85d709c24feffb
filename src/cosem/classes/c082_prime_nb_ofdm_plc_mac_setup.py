"""PRIME NB OFDM PLC MAC setup (class 82)."""

from __future__ import annotations

from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import unsigned


class PRIMEMACSetup(InterfaceClass[S], class_id=82, version=0, name="PRIME NB OFDM PLC MAC setup"):
    """Parameters of the MAC layer, named after those of PRIME (Blue Book ed. 12, 4.12)."""

    mac_min_switch_search_time = attribute(2, unsigned, "seconds a node listens for beacons at least", static=True)
    mac_max_promotion_pdu = attribute(3, unsigned, "promotion requests a node sends at most", static=True)
    mac_promotion_pdu_tx_period = attribute(4, unsigned, "seconds between promotion requests", static=True)
    mac_beacons_per_frame = attribute(5, unsigned, "beacons that a frame has room for", static=True)
    mac_scp_max_tx_attempts = attribute(6, unsigned, "tries to get the shared channel", static=True)
    mac_ctl_re_tx_timer = attribute(7, unsigned, "seconds until a control packet is sent again", static=True)
    mac_max_ctl_re_tx = attribute(8, unsigned, "times a control packet is sent again", static=True)
