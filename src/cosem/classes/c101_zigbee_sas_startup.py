"""ZigBee SAS startup (class 101): the startup attribute set of a ZigBee node."""

from __future__ import annotations

from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import (
    OpenEnum,
    boolean,
    double_long_unsigned,
    enum,
    long_unsigned,
    octet_string,
    unsigned,
)


class StackProfile(OpenEnum):
    """The stack of the network."""

    NETWORK_SPECIFIC = 0
    ZIGBEE = 1
    ZIGBEE_PRO = 2


class ZigBeeSASStartup(InterfaceClass[S], class_id=101, version=0, name="ZigBee SAS startup"):
    """How the node starts in a network (Blue Book ed. 12, 4.14)."""

    short_address = attribute(2, long_unsigned, "network address of the node")
    extended_pan_id = attribute(3, octet_string(8), "extended identifier of the network")
    pan_id = attribute(4, long_unsigned, "identifier of the network")
    channel_mask = attribute(5, double_long_unsigned, "channels that may be used, a bit mask")
    protocol_version = attribute(6, unsigned, "version of the protocol", static=True)
    stack_profile = attribute(7, enum(StackProfile), "stack of the network", static=True)
    start_up_control = attribute(8, unsigned, "how the node gets into its network")
    trust_center_address = attribute(9, octet_string(8), "IEEE address of the trust center")
    link_key = attribute(10, octet_string(16), "key towards the trust center")
    network_key = attribute(11, octet_string(16), "key of the network")
    use_insecure_join = attribute(12, boolean, "whether joining without protection is allowed", static=True)
