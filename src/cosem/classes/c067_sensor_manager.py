"""Sensor manager (class 67): a sensor, its value before and after processing, and thresholds."""

from __future__ import annotations

from cosem.classes import common
from cosem.classes.common import action_set, attribute_reference
from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import OpenEnum, any_data, array, date_time, enum, octet_string, simple, trigger
from cosem.units import ScalerUnit


class OutputType(OpenEnum):
    """What the sensor puts out; 128 to 255 are the manufacturer's. The codes are not verified."""

    NOT_SPECIFIED = 0
    CURRENT_4_TO_20_MA = 1
    CURRENT_0_TO_20_MA = 2
    VOLTAGE_0_TO_5_V = 3
    VOLTAGE_0_TO_10_V = 4
    PT100 = 5
    PT500 = 6
    PT1000 = 7


class SealingMethod(OpenEnum):
    """How the sensor is sealed. The codes are not verified."""

    NONE = 0
    MECHANICAL_SEAL = 1
    ELECTRONIC_SEAL = 2
    SOFTWARE_SEAL = 3


class SensorManager(InterfaceClass[S], class_id=67, version=0, verified=False):
    """Data of a sensor (Blue Book ed. 11, 4.5.11). The meaning of the enumerations is not verified.

    Thresholds have the type of the value that they belong to.
    """

    serial_number = attribute(2, octet_string(), "serial number of the sensor")
    metrological_identification = attribute(3, octet_string(), "metrological data of the sensor")
    output_type = attribute(4, enum(OutputType), "what the sensor puts out")
    adjustment_method = attribute(5, octet_string(), "how the sensor is adjusted")
    sealing_method = attribute(6, enum(SealingMethod), "how the sensor is sealed")
    raw_value = attribute(7, simple, "the value as it comes from the sensor")
    scaler_unit = attribute(8, common.scaler_unit, "scaler and unit of raw_value", default=ScalerUnit())
    status = attribute(9, simple, "status of raw_value, instance specific")
    capture_time = attribute(10, date_time, "when raw_value was captured")
    raw_value_thresholds = attribute(11, array(any_data), "thresholds of raw_value", default=())
    raw_value_actions = attribute(12, array(action_set), "the scripts of each threshold", default=())
    processed_value = attribute(13, attribute_reference, "the attribute that holds the processed value")
    processed_value_thresholds = attribute(14, array(any_data), "thresholds of the processed value", default=())
    processed_value_actions = attribute(15, array(action_set), "the scripts of each threshold", default=())

    reset = method(1, trigger, "sets the values to their defaults", sn_offset=0x80)
