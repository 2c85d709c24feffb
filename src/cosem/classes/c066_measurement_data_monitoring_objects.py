"""Measurement data monitoring objects (class 66): samples around an event."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from cosem.classes import common
from cosem.classes.model import InterfaceClass, S, attribute, method
from cosem.classes.types import (
    PlainType,
    double_long_unsigned,
    enum_code,
    long64_unsigned,
    raw_data,
    structure,
    trigger,
)
from cosem.codec.axdr import CompactArray, Tag
from cosem.units import ScalerUnit


class TriggerSource(NamedTuple):
    """What triggered the capture: a code for where it came from, and the cause as `Data`."""

    origin: int
    cause: Any


_samples: Final[PlainType[CompactArray]] = PlainType(Tag.COMPACT_ARRAY, lambda value: isinstance(value, CompactArray))


class MeasurementDataMonitoring(
    InterfaceClass[S], class_id=66, version=0, name="Measurement data monitoring objects", verified=False
):
    """A waveform captured around a trigger (Blue Book ed. 16).

    From one public source. Not verified: the codes of origin and status, the type of the cause (kept as `Data`), the
    unit of trigger_time, and whether the methods are optional.
    """

    waveform_data = attribute(2, _samples, "the samples")
    trigger_time = attribute(3, long64_unsigned, "when the capture was triggered")
    trigger_source = attribute(
        4, structure(TriggerSource, origin=enum_code, cause=raw_data), "what triggered the capture"
    )
    status = attribute(5, enum_code, "state of the capture")
    sampling_rate = attribute(6, double_long_unsigned, "rate of the samples", static=True)
    number_of_samples_before_trigger = attribute(
        7, double_long_unsigned, "samples kept from before the trigger", static=True, default=0
    )
    number_of_samples_after_trigger = attribute(
        8, double_long_unsigned, "samples taken after the trigger", static=True, default=0
    )
    scaler_unit = attribute(9, common.scaler_unit, "scaler and unit of the samples", static=True, default=ScalerUnit())

    reset = method(1, trigger, "clears the samples", optional=None, sn_offset=0x48)
    trigger = method(2, trigger, "triggers a capture now", optional=None, sn_offset=0x50)
