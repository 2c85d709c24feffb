"""IEC local port setup (class 19): the optical or electrical port of IEC 62056-21."""

from __future__ import annotations

from cosem.classes.common import baud_rate
from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import OpenEnum, enum, octet_string


class LocalPortMode(OpenEnum):
    """The protocol of the port; other attributes apply to IEC 62056-21 only, prop_baud to UNSPECIFIED too.

    UNSPECIFIED belongs to version 1.
    """

    IEC_62056_21 = 0
    IEC_62056_46 = 1
    UNSPECIFIED = 2


class ResponseTime(OpenEnum):
    """The shortest time between a request and its response."""

    MS_20 = 0
    MS_200 = 1


class IECLocalPortSetupV0(InterfaceClass[S], class_id=19, version=0, name="IEC local port setup"):
    """Protocol, speeds, address and passwords of a local port; the protocol is known."""

    default_mode = attribute(2, enum(LocalPortMode), "protocol of the port", static=True)
    default_baud = attribute(3, baud_rate, "speed of the opening sequence", static=True)
    prop_baud = attribute(4, baud_rate, "speed that the device proposes", static=True)
    response_time = attribute(5, enum(ResponseTime), "time before a response", static=True)
    device_addr = attribute(6, octet_string(), "device address of IEC 62056-21", static=True)
    pass_p1 = attribute(7, octet_string(), "password 1 of IEC 62056-21", static=True)
    pass_p2 = attribute(8, octet_string(), "password 2 of IEC 62056-21", static=True)
    pass_w5 = attribute(9, octet_string(), "password W5, kept for national applications", static=True)


class IECLocalPortSetup(IECLocalPortSetupV0[S], class_id=19, version=1):
    """Adds the mode of an unspecified protocol whose speed is prop_baud (Blue Book ed. 9, 4.6.1)."""
