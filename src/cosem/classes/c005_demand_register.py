"""Demand register (class 5): averages over sliding or fixed periods."""

from __future__ import annotations

from cosem.classes import common
from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import date_time_octets, double_long_unsigned, long_unsigned, simple, trigger
from cosem.units import ScalerUnit


class DemandRegister(InterfaceClass[S], class_id=5, version=0):
    """The average over number_of_periods periods, running and last completed (Blue Book ed. 9, 4.3.4).

    Both averages are in the unit of scaler_unit; with number_of_periods above 1 the demand is sliding.
    """

    current_average_value = attribute(2, simple, "the running average since start_time_current")
    last_average_value = attribute(3, simple, "the average of the last number_of_periods periods")
    scaler_unit = attribute(
        4, common.scaler_unit, "scaler and unit of both averages", static=True, default=ScalerUnit()
    )
    status = attribute(5, simple, "status of last_average_value, instance specific")
    capture_time = attribute(6, date_time_octets, "when last_average_value was calculated")
    start_time_current = attribute(7, date_time_octets, "when the measurement of current_average_value started")
    period = attribute(8, double_long_unsigned, "seconds between two calculations", static=True, default=1)
    number_of_periods = attribute(9, long_unsigned, "periods in last_average_value", static=True, default=1)

    reset = method(1, trigger, "starts anew with both averages at their default", sn_offset=0x48)
    next_period = method(2, trigger, "ends the current period now", sn_offset=0x50)
