"""G3-PLC Hybrid RF MAC layer counters (class 160)."""
# ruff: noqa: N815 - attributes and fields are spelled as the standard spells them

from __future__ import annotations

from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import double_long_unsigned, trigger


class G3PLCHybridRFMACLayerCounters(
    InterfaceClass[S], class_id=160, version=0, name="G3-PLC Hybrid RF MAC layer counters"
):
    """What the RF MAC layer counts (Blue Book ed. 15)."""

    mac_retry_count_RF = attribute(2, double_long_unsigned, "frames acknowledged after one repetition", default=0)
    mac_multiple_retry_count_RF = attribute(3, double_long_unsigned, "frames acknowledged after several", default=0)
    mac_Tx_fail_count_RF = attribute(4, double_long_unsigned, "frames never acknowledged", default=0)
    mac_Tx_success_count_RF = attribute(5, double_long_unsigned, "frames acknowledged at once", default=0)
    mac_fcs_error_count_RF = attribute(6, double_long_unsigned, "frames received with a wrong checksum", default=0)
    mac_security_failure_count_RF = attribute(7, double_long_unsigned, "frames that failed security", default=0)
    mac_duplicate_frame_count_RF = attribute(8, double_long_unsigned, "frames received again", default=0)
    mac_Rx_success_count_RF = attribute(9, double_long_unsigned, "frames received correctly", default=0)

    reset = method(1, trigger, "sets the counters to 0", sn_offset=0x50)
