"""Wi-SUN setup (class 95): a node of a Wi-SUN field area network."""

from __future__ import annotations

from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import enum_code, long_unsigned, octet_string, raw_data, trigger, unsigned


class WiSUNSetup(InterfaceClass[S], class_id=95, version=0, name="Wi-SUN setup", verified=False):
    """Parameters of joining and of the channels (Blue Book ed. 16).

    From one public source, which does not give the layout of channel_plan, excluded_channels and
    reg_channel_exclusions (kept as `Data`), the codes of the enumerations, nor whether the method is optional.
    """

    network_name = attribute(2, octet_string(), "name of the network", static=True)
    routing_method = attribute(3, enum_code, "how the node routes")
    pan_id = attribute(4, long_unsigned, "identifier of the network")
    disc_imin = attribute(5, unsigned, "smallest trickle interval of discovery", static=True)
    disc_imax = attribute(6, unsigned, "largest trickle interval of discovery", static=True)
    data_message_imin = attribute(7, unsigned, "smallest trickle interval of data messages", static=True)
    data_message_imax = attribute(8, unsigned, "largest trickle interval of data messages", static=True)
    default_dio_interval_min = attribute(9, unsigned, "smallest interval of DIO messages", static=True)
    default_dio_interval_doublings = attribute(10, unsigned, "doublings of the interval of DIO messages", static=True)
    channel_plan = attribute(11, raw_data, "the channels, a structure", static=True)
    channel_function = attribute(12, enum_code, "how channels are hopped", static=True)
    excluded_channels = attribute(13, raw_data, "channels that are not used, a choice", static=True)
    join_state = attribute(14, enum_code, "how far joining has come")
    reg_channel_exclusions = attribute(15, raw_data, "channels that rules exclude, a structure", static=True)

    reset_join_state = method(1, trigger, "joins anew", optional=None, sn_offset=0x78)
