"""ISO/IEC 8802-2 LLC Type 2 setup (class 58): connection mode LLC."""

from __future__ import annotations

from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import long_unsigned, unsigned


class LLCType2Setup(InterfaceClass[S], class_id=58, version=0, name="ISO/IEC 8802-2 LLC Type 2 setup"):
    """Windows, lengths and timers (Blue Book ed. 9; ISO/IEC 8802-2)."""

    transmit_window_size_k = attribute(2, unsigned, "frames sent without answer, 1 to 127", static=True, default=1)
    receive_window_size_rw = attribute(3, unsigned, "frames received without answer, 1 to 127", static=True, default=1)
    max_octets_i_pdu_n1 = attribute(4, long_unsigned, "octets of an I PDU at most", static=True, default=128)
    max_number_transmissions_n2 = attribute(5, unsigned, "times a PDU is sent", static=True)
    acknowledgement_timer = attribute(6, long_unsigned, "seconds until an answer must come", static=True)
    p_bit_timer = attribute(7, long_unsigned, "seconds until the answer to a P bit must come", static=True)
    reject_timer = attribute(8, long_unsigned, "seconds until the answer to a REJ must come", static=True)
    busy_state_timer = attribute(9, long_unsigned, "seconds until a busy partner is asked again", static=True)
