"""HS-PLC ISO/IEC 12139-1 MAC setup (class 140): a station on a high speed power line."""

from __future__ import annotations

from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import boolean, enum_code, long64_unsigned, octet_string


class HSPLCMACSetup(InterfaceClass[S], class_id=140, version=0, name="HS-PLC ISO/IEC 12139-1 MAC setup"):
    """Groups, stations and encryption (Blue Book ed. 13). Attribute 9 is written rts/cts by the standard.

    The codes of encryption_mode are not given by any public source; they are kept as numbers.
    """

    group_id = attribute(2, long64_unsigned, "group of the station", static=True)
    secondary_group_id = attribute(3, long64_unsigned, "second group of the station", static=True)
    station_id = attribute(4, long64_unsigned, "the station", static=True)
    parent_station_id = attribute(5, long64_unsigned, "the station above it", static=True)
    repeater_status = attribute(6, boolean, "whether the station repeats", static=True)
    encryption_mode = attribute(7, enum_code, "encryption of frames", static=True)
    initial_encryption_key = attribute(8, octet_string(), "the first key", static=True)
    rts_cts = attribute(9, boolean, "whether RTS and CTS are used", static=True)
