"""MAC address setup (class 43): the hardware address of an interface."""

from __future__ import annotations

from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import octet_string


class MACAddressSetup(InterfaceClass[S], class_id=43, version=0, name="MAC address setup"):
    """Called Ethernet setup before edition 9 (Blue Book ed. 9, 4.8.3). Static or dynamic by medium."""

    MAC_address = attribute(2, octet_string(), "the address")
