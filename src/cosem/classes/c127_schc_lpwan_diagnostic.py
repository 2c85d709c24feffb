"""SCHC-LPWAN diagnostic (class 127): what the adaptation layer of a low power network counts."""

from __future__ import annotations

from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import double_long_unsigned, trigger


class SCHCLPWANDiagnostic(InterfaceClass[S], class_id=127, version=0, name="SCHC-LPWAN diagnostic"):
    """Counters (Blue Book ed. 15; RFC 8724). Whether the method is optional is not verified."""

    schc_packets_tx_counter = attribute(2, double_long_unsigned, "packets sent", default=0)
    schc_packets_rx_counter = attribute(3, double_long_unsigned, "packets received", default=0)
    schc_fragments_tx_counter = attribute(4, double_long_unsigned, "fragments sent", default=0)
    schc_fragments_rx_counter = attribute(5, double_long_unsigned, "fragments received", default=0)
    schc_ack_tx_counter = attribute(6, double_long_unsigned, "acknowledgements sent", default=0)
    schc_ack_rx_counter = attribute(7, double_long_unsigned, "acknowledgements received", default=0)

    reset = method(1, trigger, "sets the counters to 0", optional=None, sn_offset=0x40)
