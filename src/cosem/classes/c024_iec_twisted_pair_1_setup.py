"""IEC twisted pair (1) setup (class 24): a station on the bus of IEC 62056-31."""

from __future__ import annotations

from cosem.classes.common import baud_rate
from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import OpenEnum, array, enum, integer, octet_string, unsigned


class TwistedPairError(OpenEnum):
    """Last fatal error, by the standard's own labels (IEC 62056-31). The codes are not verified."""

    NO_ERROR = 0
    T_EP_1F = 1
    T_EP_2F = 2
    T_EL_4F = 3
    T_EL_5F = 4
    ET_1F = 5
    ET_2F = 6
    E_EP_3F = 7
    E_EP_4F = 8
    E_EP_5F = 9
    E_EL_2F = 10


class TwistedPairMode(OpenEnum):
    """Whether the port works."""

    INACTIVE = 0
    ACTIVE = 1


class IECTwistedPairSetupV0(InterfaceClass[S], class_id=24, version=0, name="IEC twisted pair (1) setup"):
    """Addresses and last error of a station (Blue Book ed. 9, 4.6.3)."""

    secondary_address = attribute(2, octet_string(), "secondary address (ADS)", static=True)
    primary_address_list = attribute(3, array(unsigned), "primary addresses (ADP)", static=True, default=())
    tabi_list = attribute(4, array(integer), "TABi values, for forgotten stations", static=True, default=())
    fatal_error = attribute(5, enum(TwistedPairError), "last fatal error", default=TwistedPairError.NO_ERROR)


class IECTwistedPairSetup(IECTwistedPairSetupV0[S], class_id=24, version=1):
    """Mode and speed; the secondary address and the error have objects of their own (Blue Book ed. 11)."""

    mode = attribute(2, enum(TwistedPairMode), "whether the port works", static=True)
    speed = attribute(3, baud_rate, "speed of the port", static=True)
    primary_address_list = attribute(4, array(unsigned), "primary addresses (ADP)", static=True, default=())
    tabi_list = attribute(5, array(integer), "TABi values, for forgotten stations", static=True, default=())
