"""TCP-UDP setup (class 41): the port that COSEM is served on."""

from __future__ import annotations

from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import logical_name, long_unsigned, unsigned


class TCPUDPSetup(InterfaceClass[S], class_id=41, version=0, name="TCP-UDP setup"):
    """Port, segment size and connections of the wrapper's transport (Blue Book ed. 9, 4.8.1).

    The standard writes attribute 2 with a hyphen: TCP-UDP_port.
    """

    TCP_UDP_port = attribute(2, long_unsigned, "port number", static=True, default=4059)
    IP_reference = attribute(3, logical_name, "the IP setup object", static=True)
    MSS = attribute(4, long_unsigned, "octets of a segment at most, 40 to 65535", static=True, default=576)
    nb_of_sim_conn = attribute(5, unsigned, "connections at the same time", static=True, default=1)
    inactivity_time_out = attribute(6, long_unsigned, "seconds, 0 = off", static=True, default=180)
