"""ZigBee tunnel setup (class 105): COSEM through a tunnel of a ZigBee network."""

from __future__ import annotations

from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import long_unsigned, octet_string


class ZigBeeTunnelSetup(InterfaceClass[S], class_id=105, version=0, name="ZigBee tunnel setup"):
    """Sizes and timeout of the tunnel (Blue Book ed. 12, 4.14)."""

    maximum_incoming_transfer_size = attribute(2, long_unsigned, "octets received at once at most", static=True)
    maximum_outgoing_transfer_size = attribute(3, long_unsigned, "octets sent at once at most", static=True)
    protocol_address = attribute(4, octet_string(), "address in the tunnelled protocol", static=True)
    close_tunnel_timeout = attribute(5, long_unsigned, "time without traffic until the tunnel is closed", static=True)
