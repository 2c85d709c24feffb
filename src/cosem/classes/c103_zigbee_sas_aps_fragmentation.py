"""ZigBee SAS APS fragmentation (class 103): long messages in a ZigBee network."""

from __future__ import annotations

from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import long_unsigned


class ZigBeeSASAPSFragmentation(InterfaceClass[S], class_id=103, version=0, name="ZigBee SAS APS fragmentation"):
    """Delay and window of fragments (Blue Book ed. 12, 4.14)."""

    aps_interframe_delay = attribute(2, long_unsigned, "delay between fragments", static=True)
    aps_max_window_size = attribute(3, long_unsigned, "fragments sent without answer", static=True)
