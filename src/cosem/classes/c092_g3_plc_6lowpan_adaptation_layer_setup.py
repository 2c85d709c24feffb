"""G3-PLC 6LoWPAN adaptation layer setup (class 92): parameters and tables of the adaptation layer."""
# ruff: noqa: N815 - attributes and fields are spelled as the standard spells them

from __future__ import annotations

from typing import NamedTuple

from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import (
    OpenEnum,
    array,
    bit_string,
    boolean,
    enum,
    long_unsigned,
    octet_string,
    structure,
    unsigned,
)


class DeviceType(OpenEnum):
    """What the node is in its network."""

    PAN_DEVICE = 0
    PAN_COORDINATOR = 1
    NOT_DEFINED = 2


class RoutingConfiguration(NamedTuple):
    """Parameters of the LOADng routing: times in seconds, TTL in minutes, K factors of the link cost."""

    adp_net_traversal_time: int
    adp_routing_table_entry_TTL: int
    adp_Kr: int
    adp_Km: int
    adp_Kc: int
    adp_Kq: int
    adp_Kh: int
    adp_Krt: int
    adp_RREQ_retries: int
    adp_RREQ_RERR_wait: int
    adp_blacklist_table_entry_TTL: int
    adp_unicast_RREQ_gen_enable: bool
    adp_RLC_enabled: bool
    adp_add_rev_link_cost: int


class Route(NamedTuple):
    """An entry of the routing table."""

    destination_address: int
    next_hop_address: int
    route_cost: int
    hop_count: int
    weak_link_count: int
    valid_time: int


class ContextInformation(NamedTuple):
    """A context of the header compression (RFC 6282)."""

    CID: str
    context_length: int
    context: bytes
    C: bool
    valid_lifetime: int


class BlacklistedNeighbour(NamedTuple):
    """A neighbour that is not used."""

    blacklisted_neighbour_address: int
    valid_time: int


class BroadcastLogEntry(NamedTuple):
    """A broadcast that was seen."""

    source_address: int
    sequence_number: int
    valid_time: int


routing_configurations = array(
    structure(
        RoutingConfiguration,
        adp_net_traversal_time=unsigned,
        adp_routing_table_entry_TTL=long_unsigned,
        adp_Kr=unsigned,
        adp_Km=unsigned,
        adp_Kc=unsigned,
        adp_Kq=unsigned,
        adp_Kh=unsigned,
        adp_Krt=unsigned,
        adp_RREQ_retries=unsigned,
        adp_RREQ_RERR_wait=unsigned,
        adp_blacklist_table_entry_TTL=long_unsigned,
        adp_unicast_RREQ_gen_enable=boolean,
        adp_RLC_enabled=boolean,
        adp_add_rev_link_cost=unsigned,
    )
)


class G3PLC6LoWPANSetupV0(
    InterfaceClass[S], class_id=92, version=0, name="G3-PLC 6LoWPAN adaptation layer setup", verified=False
):
    """Parameters named after those of ITU-T G.9903 (Blue Book ed. 11).

    Version 0 is not verified: its routing configuration may have fewer fields than here, where it is that of version 1.
    """

    adp_max_hops = attribute(2, unsigned, "hops of a route at most", static=True)
    adp_weak_LQI_value = attribute(3, unsigned, "link quality below which a link is weak", static=True)
    adp_security_level = attribute(4, unsigned, "protection of frames", static=True)
    adp_prefix_table = attribute(5, array(unsigned), "IPv6 prefixes", default=())
    adp_routing_configuration = attribute(6, routing_configurations, "parameters of the routing", static=True)
    adp_broadcast_log_table_entry_TTL = attribute(7, long_unsigned, "minutes a broadcast is remembered", static=True)
    adp_routing_table = attribute(
        8,
        array(
            structure(
                Route,
                destination_address=long_unsigned,
                next_hop_address=long_unsigned,
                route_cost=long_unsigned,
                hop_count=unsigned,
                weak_link_count=unsigned,
                valid_time=long_unsigned,
            )
        ),
        "the routes",
        default=(),
    )
    adp_context_information_table = attribute(
        9,
        array(
            structure(
                ContextInformation,
                CID=bit_string(4),
                context_length=unsigned,
                context=octet_string(),
                C=boolean,
                valid_lifetime=long_unsigned,
            )
        ),
        "contexts of the header compression",
        default=(),
    )
    adp_blacklist_table = attribute(
        10,
        array(structure(BlacklistedNeighbour, blacklisted_neighbour_address=long_unsigned, valid_time=long_unsigned)),
        "neighbours that are not used",
        default=(),
    )
    adp_broadcast_log_table = attribute(
        11,
        array(
            structure(
                BroadcastLogEntry, source_address=long_unsigned, sequence_number=unsigned, valid_time=long_unsigned
            )
        ),
        "broadcasts that were seen",
        default=(),
    )
    adp_group_table = attribute(12, array(long_unsigned), "groups of the node", default=())
    adp_max_join_wait_time = attribute(13, long_unsigned, "seconds of joining at most", static=True)
    adp_path_discovery_time = attribute(14, unsigned, "seconds of a path discovery at most", static=True)
    adp_active_key_index = attribute(15, unsigned, "the group master key in use", static=True)
    adp_metric_type = attribute(16, unsigned, "metric of the routing", static=True)


class G3PLC6LoWPANSetupV1(G3PLC6LoWPANSetupV0[S], class_id=92, version=1):
    """Adds the coordinator and the type of the device (Blue Book ed. 12, 4.13). Widths inside are from one source."""

    adp_coord_short_address = attribute(17, long_unsigned, "short address of the coordinator", static=True)
    adp_disable_default_routing = attribute(18, boolean, "whether LOADng is off", static=True)
    adp_device_type = attribute(19, enum(DeviceType), "what the node is", static=True)


class G3PLC6LoWPANSetupV2(G3PLC6LoWPANSetupV1[S], class_id=92, version=2):
    """Adds the default route and destination addresses (Blue Book ed. 13)."""

    adp_default_coord_route_enabled = attribute(
        20, boolean, "whether a default route to the coordinator is made", static=True
    )
    adp_destination_address_set = attribute(21, array(long_unsigned), "addresses the node acts for", default=())


class G3PLC6LoWPANSetupV3(G3PLC6LoWPANSetupV2[S], class_id=92, version=3):
    """Adds limits of the link quality (Blue Book ed. 14)."""

    adp_low_LQI_value = attribute(22, unsigned, "link quality that counts as low", static=True)
    adp_high_LQI_value = attribute(23, unsigned, "link quality that counts as high", static=True)


class G3PLC6LoWPANSetup(G3PLC6LoWPANSetupV3[S], class_id=92, version=4):
    """Adds delays, trickle and clusters for flooding (Blue Book ed. 16)."""

    adp_delay_low_LQI = attribute(24, long_unsigned, "delay of route requests at low link quality", static=True)
    adp_delay_high_LQI = attribute(25, long_unsigned, "delay of route requests at high link quality", static=True)
    adp_RREQ_jitter_low_LQI = attribute(26, unsigned, "jitter of route requests at low link quality", static=True)
    adp_RREQ_jitter_high_LQI = attribute(27, unsigned, "jitter of route requests at high link quality", static=True)
    adp_trickle_data_enabled = attribute(28, boolean, "whether trickle is used for data", static=True)
    adp_trickle_LQI_threshold_low = attribute(29, unsigned, "lower link quality limit of trickle", static=True)
    adp_trickle_step = attribute(30, unsigned, "step of trickle", static=True)
    adp_trickle_Imin = attribute(31, long_unsigned, "smallest interval of trickle", static=True)
    adp_trickle_max_Ki = attribute(32, unsigned, "largest redundancy of trickle", static=True)
    adp_trickle_adaptive_Imin = attribute(33, boolean, "whether the smallest interval adapts itself", static=True)
    adp_trickle_adaptive_Ki = attribute(34, boolean, "whether the redundancy adapts itself", static=True)
    adp_cluster_trickle_enabled = attribute(35, boolean, "whether trickle is used for route requests", static=True)
    adp_cluster_min_LQI = attribute(36, unsigned, "link quality that a cluster needs", static=True)
    adp_cluster_trickle_K = attribute(37, unsigned, "redundancy of trickle in a cluster", static=True)
    adp_cluster_RREQ_route_cost_deviation = attribute(
        38, unsigned, "deviation of the route cost within a cluster", static=True
    )
    adp_cluster_trickle_I = attribute(39, long_unsigned, "interval of trickle in a cluster", static=True)
    adp_trickle_LQI_threshold_high = attribute(40, unsigned, "upper link quality limit of trickle", static=True)
