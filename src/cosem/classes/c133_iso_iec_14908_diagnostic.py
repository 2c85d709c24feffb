"""ISO/IEC 14908 diagnostic (class 133): signal and module of a node."""

from __future__ import annotations

from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import enum_code, long_unsigned, trigger, unsigned


class ISOIEC14908Diagnostic(InterfaceClass[S], class_id=133, version=0, name="ISO/IEC 14908 diagnostic"):
    """State and counters (Blue Book ed. 13; IEC 62056-8-8, where the class has no reset).

    The codes of the enumerations are not given by any public source; they are kept as numbers.
    """

    plc_signal_quality_status = attribute(2, enum_code, "quality of the signal")
    com_module_state = attribute(3, enum_code, "state of the communication module")
    received_message_status = attribute(4, unsigned, "status of the last message")
    no_receive_buffer = attribute(5, long_unsigned, "messages without a free buffer", default=0)
    transmit_no_data = attribute(6, long_unsigned, "transmissions without data", default=0)
    backlog_overflows = attribute(7, long_unsigned, "times the backlog was too long", default=0)
    late_ack = attribute(8, long_unsigned, "acknowledgements that came late", default=0)
    frequency_invalid = attribute(9, long_unsigned, "messages on an invalid frequency", default=0)

    reset = method(1, trigger, "sets the counters to 0", sn_offset=0x60)
