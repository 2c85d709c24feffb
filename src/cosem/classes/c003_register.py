"""Register (class 3): a value with scaler and unit."""

from __future__ import annotations

from cosem.classes import common
from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import simple, trigger
from cosem.units import ScalerUnit


class Register(InterfaceClass[S], class_id=3, version=0):
    """A process or status value with its unit (Blue Book ed. 9, 4.3.2). The physical value is value * 10**scaler."""

    value = attribute(2, simple, "the current value", static=False)
    scaler_unit = attribute(3, common.scaler_unit, "scaler and unit of the value", static=True, default=ScalerUnit())

    reset = method(1, trigger, "sets the value to its default", sn_offset=0x28)
