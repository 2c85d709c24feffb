"""M-Bus master port setup (class 74): a port of the device that is master of an M-Bus."""

from __future__ import annotations

from cosem.classes.common import BaudRate, baud_rate
from cosem.classes.model import InterfaceClass, S, attribute


class MBusMasterPortSetup(InterfaceClass[S], class_id=74, version=0, name="M-Bus master port setup"):
    """Speed of the bus (Blue Book ed. 9, 4.7.4)."""

    comm_speed = attribute(2, baud_rate, "speed of the port", static=True, default=BaudRate.BAUD_2400)
