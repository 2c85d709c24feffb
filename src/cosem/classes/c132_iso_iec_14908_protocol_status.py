"""ISO/IEC 14908 protocol status (class 132): what the protocol of a node counts."""

from __future__ import annotations

from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import double_long_unsigned, long_unsigned, trigger


class ISOIEC14908ProtocolStatus(InterfaceClass[S], class_id=132, version=0, name="ISO/IEC 14908 protocol status"):
    """Counters (Blue Book ed. 13; IEC 62056-8-8, where the class has no reset)."""

    transmission_errors = attribute(2, long_unsigned, "frames received with errors", default=0)
    transmit_tx_failure = attribute(3, long_unsigned, "transactions that failed", default=0)
    transmit_tx_retries = attribute(4, long_unsigned, "transactions tried again", default=0)
    receive_tx_full = attribute(5, long_unsigned, "times the receive transactions were full", default=0)
    lost_messages = attribute(6, long_unsigned, "messages lost by the application layer", default=0)
    missed_messages = attribute(7, long_unsigned, "messages lost by the network layer", default=0)
    layer2_received = attribute(8, long_unsigned, "messages received by layer 2", default=0)
    layer3_received = attribute(9, long_unsigned, "messages received by layer 3", default=0)
    messages_received = attribute(10, double_long_unsigned, "messages received", default=0)
    messages_validated = attribute(11, double_long_unsigned, "messages received and found right", default=0)

    reset = method(1, trigger, "sets the counters to 0", sn_offset=0x70)
