"""CoAP setup (class 152): COSEM over CoAP."""

from __future__ import annotations

from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import (
    OpenEnum,
    any_data,
    enum,
    long_unsigned,
    octet_string,
    unsigned,
)


class TransportMode(OpenEnum):
    """Whether messages are confirmed."""

    RELIABLE = 1
    UNRELIABLE = 2
    RELIABLE_AND_UNRELIABLE = 3


class CoAPSetup(InterfaceClass[S], class_id=152, version=0, name="CoAP setup"):
    """Parameters of the transmission, named after those of RFC 7252 (Blue Book ed. 14).

    Not verified: the units, and the type of version, a choice of null-data and the version of the wrapper (any type
    here).
    """

    UDP_reference = attribute(2, octet_string(), "the TCP-UDP setup object", static=True)
    ack_timeout = attribute(3, long_unsigned, "time until an acknowledgement must come", static=True)
    ack_random_factor = attribute(4, long_unsigned, "spread of that time", static=True)
    max_retransmit = attribute(5, long_unsigned, "times a message is sent again", static=True)
    nstart = attribute(6, long_unsigned, "messages at the same time", static=True)
    delay_ack_timeout = attribute(7, long_unsigned, "time an acknowledgement waits for the answer", static=True)
    exponential_back_off = attribute(8, long_unsigned, "growth of the time between repetitions", static=True)
    probing_rate = attribute(9, long_unsigned, "octets per second while the partner is silent", static=True)
    CoAP_uri_path = attribute(10, octet_string(), "path of the resource", static=True)
    transport_mode = attribute(11, enum(TransportMode), "whether messages are confirmed", static=True)
    version = attribute(12, any_data, "version of the wrapper, None without")
    token_length = attribute(13, unsigned, "octets of a token", static=True)
