"""ZigBee SAS join (class 102): how a ZigBee node joins its network again."""

from __future__ import annotations

from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import long_unsigned, unsigned


class ZigBeeSASJoin(InterfaceClass[S], class_id=102, version=0, name="ZigBee SAS join"):
    """Scans and intervals (Blue Book ed. 12, 4.14). Attribute 5 was max_rejoin_interval before."""

    scan_attempts = attribute(2, unsigned, "scans of one try", static=True)
    time_between_scans = attribute(3, long_unsigned, "time between scans", static=True)
    rejoin_interval = attribute(4, long_unsigned, "time until the network is joined again", static=True)
    rejoin_retry_interval = attribute(5, long_unsigned, "longest time between tries to join again", static=True)
