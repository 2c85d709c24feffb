"""What a push carried, in words: the setup says which attributes, the meter their units and what its alarms mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cosem.classes.protection import RestrictedColumns
from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag
from cosem.pushes.reading import Reading

if TYPE_CHECKING:
    from cosem.device.meter import ElectricityMeter
    from cosem.device.way_out import Delivery

_BUFFERS = (7, 2)
_SCALED = {3, 4}
"""Register and extended register: attribute 3 has the unit of attribute 2."""
_SETUP = (40, 1)
"""The push setup itself, whose name stands before the values anyhow."""


def carried(meter: ElectricityMeter, delivery: Delivery) -> list[str]:
    """Return the values of a push, each in words. Associations, and secrets with them, are never pushed."""
    setup: Any = meter.equipment.pushes.setups[delivery.setup].object
    values = axdr.decode(delivery.body).value
    items = [RestrictedColumns(*item) for item in setup.push_object_list]
    return [
        _words(meter, item, value)
        for item, value in zip(items, values, strict=True)
        if (item.class_id, item.attribute_index) != _SETUP
    ]


def _words(meter: ElectricityMeter, item: RestrictedColumns, value: Data) -> str:
    class_id, name, attribute = item.class_id, item.logical_name, item.attribute_index
    if (class_id, attribute) == _BUFFERS and value.tag is Tag.ARRAY:
        rows = len(value.value)
        return f"{name} = {rows} {'entry' if rows == 1 else 'entries'}"
    scaler = unit = None
    if class_id in _SCALED and attribute == 2 and (held := meter.host.read(class_id, name, 3)) is not None:
        scaler, unit = (part.value for part in held.value)
    reading = Reading(name, value, class_id, attribute, scaler, unit)
    for register in meter.equipment.events.alarms:
        if name in (register.layout.register, register.layout.descriptor) and value.tag is Tag.DOUBLE_LONG_UNSIGNED:
            return f"{name} = {value.value} ({', '.join(register.layout.words(value.value)) or 'no alarm'})"
    return reading.words.replace("  (", " (")
