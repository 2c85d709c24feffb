"""HS-PLC ISO/IEC 12139-1 IP SSAS setup (class 142): the sublayer for IP."""

from __future__ import annotations

from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import enum_code, long_unsigned


class HSPLCIPSSASSetup(InterfaceClass[S], class_id=142, version=0, name="HS-PLC ISO/IEC 12139-1 IP SSAS setup"):
    """Header compression and lifetime (Blue Book ed. 13).

    The codes of ip_header_comp_type are not given by any public source; they are kept as numbers.
    """

    ip_header_comp_type = attribute(2, enum_code, "compression of IP headers", static=True)
    ip_alive_time = attribute(3, long_unsigned, "lifetime of an IP connection", static=True)
