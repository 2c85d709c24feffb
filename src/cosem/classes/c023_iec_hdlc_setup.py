"""IEC HDLC setup (class 23): the parameters of an HDLC port."""

from __future__ import annotations

from cosem.classes.common import BaudRate, baud_rate
from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import lenient, long_unsigned, unsigned


class IECHDLCSetupV0(InterfaceClass[S], class_id=23, version=0, name="IEC HDLC setup"):
    """Speed, window sizes (1 to 7), lengths of the information field (32 to 128), time-outs, address.

    That the lengths are unsigned is not verified; long-unsigned is read as well.
    """

    comm_speed = attribute(2, baud_rate, "speed of the port", static=True, default=BaudRate.BAUD_9600)
    window_size_transmit = attribute(3, unsigned, "frames sent without acknowledgement", static=True, default=1)
    window_size_receive = attribute(4, unsigned, "frames received without acknowledgement", static=True, default=1)
    max_info_length_transmit = attribute(
        5, lenient(unsigned, long_unsigned), "octets of an information field sent", static=True, default=128
    )
    max_info_length_receive = attribute(
        6, lenient(unsigned, long_unsigned), "octets of an information field received", static=True, default=128
    )
    inter_octet_time_out = attribute(7, long_unsigned, "milliseconds, 20 to 1000", static=True, default=30)
    inactivity_time_out = attribute(8, long_unsigned, "seconds, 0 = off", static=True, default=120)
    device_address = attribute(9, long_unsigned, "physical device address", static=True)


class IECHDLCSetup(IECHDLCSetupV0[S], class_id=23, version=1):
    """Information fields of up to 2030 octets (Blue Book ed. 9, 4.6.2).

    device_address: 10h to 7Dh in one octet, up to 3FFDh in two; 7Eh and 3FFEh are CALLING, 7Fh and 3FFFh all stations.
    """

    max_info_field_length_transmit = attribute(
        5, long_unsigned, "octets of an information field sent, 32 to 2030", static=True, default=128
    )
    max_info_field_length_receive = attribute(
        6, long_unsigned, "octets of an information field received, 32 to 2030", static=True, default=128
    )
    inter_octet_time_out = attribute(7, long_unsigned, "milliseconds, 20 to 6000", static=True, default=25)
    device_address = attribute(9, long_unsigned, "physical device address", static=True, default=0x10)
