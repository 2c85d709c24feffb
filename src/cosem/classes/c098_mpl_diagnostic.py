"""MPL diagnostic (class 98): multicast forwarding of a Wi-SUN node."""

from __future__ import annotations

from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import boolean, long_unsigned, trigger, unsigned


class MPLDiagnostic(InterfaceClass[S], class_id=98, version=0, name="MPL diagnostic", verified=False):
    """Parameters of the multicast forwarding (Blue Book ed. 16; RFC 7731).

    From one public source, which does not give units, nor whether the method is optional. Short name offsets leave a
    place free after proactive_forwarding.
    """

    proactive_forwarding = attribute(2, boolean, "whether messages are forwarded before they are asked for")
    z = attribute(3, unsigned, "parameter z", sn_offset=0x18)
    tunit = attribute(4, unsigned, "unit of time", sn_offset=0x20)
    se_lifetime = attribute(5, long_unsigned, "lifetime of a seed set entry", sn_offset=0x28)
    dm_k = attribute(6, unsigned, "data messages: redundancy", sn_offset=0x30)
    dm_imin = attribute(7, long_unsigned, "data messages: smallest trickle interval", sn_offset=0x38)
    dm_imax = attribute(8, unsigned, "data messages: largest trickle interval", sn_offset=0x40)
    dm_t_exp = attribute(9, long_unsigned, "data messages: timer expirations", sn_offset=0x48)
    c_k = attribute(10, unsigned, "control messages: redundancy", sn_offset=0x50)
    c_imin = attribute(11, long_unsigned, "control messages: smallest trickle interval", sn_offset=0x58)
    c_imax = attribute(12, unsigned, "control messages: largest trickle interval", sn_offset=0x60)
    c_t_exp = attribute(13, long_unsigned, "control messages: timer expirations", sn_offset=0x68)

    reset = method(1, trigger, "clears the values", optional=None, sn_offset=0x70)
