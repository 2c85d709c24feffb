"""Types that several interface classes share."""

from __future__ import annotations

from typing import NamedTuple

from cosem.classes.types import enum, integer, logical_name, long_unsigned, structure
from cosem.obis import Obis
from cosem.units import ScalerUnit, Unit

scaler_unit = structure(ScalerUnit, scaler=integer, unit=enum(Unit))
"""scaler_unit of registers: physical value = value * 10**scaler in unit (Blue Book ed. 9, 4.3.2)."""


class CaptureObject(NamedTuple):
    """One captured attribute. `attribute_index` 0 means all; `data_index` n the n-th element, 0 the whole."""

    class_id: int
    logical_name: Obis
    attribute_index: int
    data_index: int = 0


capture_object = structure(
    CaptureObject,
    class_id=long_unsigned,
    logical_name=logical_name,
    attribute_index=integer,
    data_index=long_unsigned,
)
