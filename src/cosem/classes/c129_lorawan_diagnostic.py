"""LoRaWAN diagnostic (class 129): what a device of a LoRaWAN network counts."""

from __future__ import annotations

from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import double_long_unsigned, enum_code, integer, trigger


class LoRaWANDiagnostic(InterfaceClass[S], class_id=129, version=0, name="LoRaWAN diagnostic"):
    """Counters and signals of both receive windows (Blue Book ed. 15).

    Not verified: the codes of internal_error_code, and whether the method is optional.
    """

    internal_error_code = attribute(2, enum_code, "last error of the modem")
    out_frames_u_counter = attribute(3, double_long_unsigned, "unconfirmed frames sent", default=0)
    out_frames_c_counter = attribute(4, double_long_unsigned, "confirmed frames sent", default=0)
    in_frames_u_counter = attribute(5, double_long_unsigned, "unconfirmed frames received", default=0)
    in_frames_c_counter = attribute(6, double_long_unsigned, "confirmed frames received", default=0)
    in_mac_command_counter = attribute(7, double_long_unsigned, "MAC commands received", default=0)
    in_mac_ans_error_counter = attribute(8, double_long_unsigned, "MAC commands answered with an error", default=0)
    in_mac_ignored_counter = attribute(9, double_long_unsigned, "MAC commands ignored", default=0)
    in_per = attribute(10, integer, "packet error rate")
    in_mean_rssi_rx1 = attribute(11, integer, "mean signal strength in window 1")
    in_mean_snr_rx1 = attribute(12, integer, "mean signal to noise ratio in window 1")
    in_mean_rssi_rx2 = attribute(13, integer, "mean signal strength in window 2")
    in_mean_snr_rx2 = attribute(14, integer, "mean signal to noise ratio in window 2")

    reset = method(1, trigger, "sets the counters to 0", optional=None, sn_offset=0x70)
