"""HS-PLC ISO/IEC 12139-1 HDLC SSAS setup (class 143): the sublayer for HDLC."""

from __future__ import annotations

from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import long64_unsigned


class HSPLCHDLCSSASSetup(InterfaceClass[S], class_id=143, version=0, name="HS-PLC ISO/IEC 12139-1 HDLC SSAS setup"):
    """The master station (Blue Book ed. 13)."""

    master_station_id = attribute(2, long64_unsigned, "the master station", static=True)
