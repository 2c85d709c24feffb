"""Auto connect (class 29): when the device calls, or stays connected."""

from __future__ import annotations

from cosem.classes.common import time_windows
from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import OpenEnum, array, enum, long_unsigned, octet_string, trigger, unsigned


class AutoConnectMode(OpenEnum):
    """When the device connects; 200 to 255 are manufacturer specific.

    Version 0 has modes 0 to 3, version 1 also 4 to 6, version 2 also 101 to 104. In mode 3 an alarm calls anytime.
    """

    NO_AUTO_CONNECT = 0
    ANYTIME = 1
    WITHIN_WINDOW = 2
    REGULAR_WITHIN_WINDOW_ALARMS_ANYTIME = 3
    SMS_VIA_PLMN = 4
    SMS_VIA_PSTN = 5
    EMAIL = 6
    PERMANENTLY_CONNECTED = 101
    CONNECTED_WITHIN_WINDOW_ONLY = 102
    CONNECTED_WITHIN_WINDOW_ELSE_BY_CONNECT = 103
    CONNECTED_BY_CONNECT = 104


class PSTNAutoDial(InterfaceClass[S], class_id=29, version=0, name="PSTN auto dial"):
    """Dials telephone numbers."""

    mode = attribute(2, enum(AutoConnectMode), "when the device connects", static=True)
    repetitions = attribute(3, unsigned, "attempts at most", static=True)
    repetition_delay = attribute(4, long_unsigned, "seconds until the next attempt", static=True)
    calling_window = attribute(5, time_windows, "when the device may connect", static=True, default=())
    phone_list = attribute(6, array(octet_string()), "telephone numbers", static=True, default=())


class AutoConnectV1(PSTNAutoDial[S], class_id=29, version=1, name="Auto connect"):
    """Any destination, messages too (Blue Book ed. 9, 4.6.6)."""

    destination_list = attribute(6, array(octet_string()), "telephone numbers or addresses", static=True, default=())


class AutoConnect(AutoConnectV1[S], class_id=29, version=2):
    """Adds permanent connections and connecting on demand (Blue Book ed. 12).

    The short name offset of connect is the next free place, not verified.
    """

    connect = method(1, trigger, "connects now", sn_offset=0x30)
