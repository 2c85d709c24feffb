"""Extended register (class 4): a register with status and capture time."""

from __future__ import annotations

from cosem.classes import common
from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import date_time_octets, simple, trigger
from cosem.units import ScalerUnit


class ExtendedRegister(InterfaceClass[S], class_id=4, version=0):
    """A value with its unit, its status and the time it was captured (Blue Book ed. 9, 4.3.3)."""

    value = attribute(2, simple, "the current value")
    scaler_unit = attribute(3, common.scaler_unit, "scaler and unit of the value", static=True, default=ScalerUnit())
    status = attribute(4, simple, "status of the value, instance specific")
    capture_time = attribute(5, date_time_octets, "when the value was captured")

    reset = method(1, trigger, "sets the value to its default", sn_offset=0x38)
