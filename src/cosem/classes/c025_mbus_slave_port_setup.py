"""M-Bus slave port setup (class 25): a port of the device that is a slave on an M-Bus."""

from __future__ import annotations

from cosem.classes.common import baud_rate
from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import OpenEnum, enum, unsigned


class AddressState(OpenEnum):
    """Whether the port has a bus address, given by hand or by the bus."""

    NOT_ASSIGNED = 0
    ASSIGNED = 1


class MBusSlavePortSetup(InterfaceClass[S], class_id=25, version=0, name="M-Bus slave port setup"):
    """Speeds and primary address (Blue Book ed. 9, 4.7.1). EN 13757-2 has 300, 2400 and 9600 bit/s as default.

    That the attributes are static is not verified.
    """

    default_baud = attribute(2, baud_rate, "speed after reset", static=True)
    avail_baud = attribute(3, baud_rate, "highest speed the bus can be set to", static=True)
    addr_state = attribute(4, enum(AddressState), "whether an address was given", static=True)
    bus_address = attribute(5, unsigned, "primary address", static=True)
