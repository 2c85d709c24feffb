"""ISO/IEC 8802-2 LLC Type 3 setup (class 59): connectionless LLC with acknowledgement."""

from __future__ import annotations

from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import long_unsigned, unsigned


class LLCType3Setup(InterfaceClass[S], class_id=59, version=0, name="ISO/IEC 8802-2 LLC Type 3 setup"):
    """Lengths and timers (Blue Book ed. 9; ISO/IEC 8802-2). A timer with all bits 1 never ends."""

    max_octets_acn_pdu_n3 = attribute(2, long_unsigned, "octets of an ACn command PDU at most", static=True)
    max_number_transmissions_n4 = attribute(3, unsigned, "times a PDU is sent", static=True)
    acknowledgement_time_t1 = attribute(4, long_unsigned, "seconds until an answer must come", static=True)
    receive_lifetime_var_t2 = attribute(5, long_unsigned, "seconds the receive state is kept", static=True)
    transmit_lifetime_var_t3 = attribute(6, long_unsigned, "seconds the transmit state is kept", static=True)
