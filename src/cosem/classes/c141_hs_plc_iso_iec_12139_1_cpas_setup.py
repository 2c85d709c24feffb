"""HS-PLC ISO/IEC 12139-1 CPAS setup (class 141): the common part of the adaptation sublayer."""

from __future__ import annotations

from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import long64_unsigned, long_unsigned


class HSPLCCPASSetup(InterfaceClass[S], class_id=141, version=0, name="HS-PLC ISO/IEC 12139-1 CPAS setup"):
    """Addresses of the sublayer (Blue Book ed. 13)."""

    cpas_address = attribute(2, long64_unsigned, "address of the station", static=True)
    cpas_ether_type = attribute(3, long_unsigned, "ether type of the frames", static=True)
    master_station_cpas_address = attribute(4, long64_unsigned, "address of the master station", static=True)
