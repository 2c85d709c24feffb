"""Values with names out of the pushes that companion profiles lay down: the push names its setup, the profile the rest.

Such a push holds the logical name of its own push setup (class 40, attribute 1) among bare values. Which attributes
those are only the profile says; values that do not look like them are left without a name.
"""

from __future__ import annotations

from cosem.codec.axdr import Data, Tag
from cosem.companions.companion import PushPreset, Reference, companion, names
from cosem.obis import Obis
from cosem.pushes.reading import NUMBERS, Reading

_CLOCK, _DATA, _PROFILE, _PUSH_SETUP = 8, 1, 7, 40
_SCALED = (3, 4)
_TEXTS = {Obis.parse("0-0:42.0.0.255"), Obis.parse("0-0:96.1.0.255")}
"""Data objects of the presets that hold octets; the others hold numbers."""


def preset_readings(value: Data) -> list[Reading]:
    """Return the values of a push that names its setup; an empty list where no profile has that setup as it is here."""
    if value.tag is not Tag.STRUCTURE:
        return []
    for name in names():
        for preset in companion(name).pushes:
            if _fits(preset, value.value):
                return [
                    Reading(item.name, data, item.class_id, item.attribute)
                    for item, data in zip(preset.objects, value.value, strict=True)
                    if item.class_id != _PUSH_SETUP
                ]
    return []


def _fits(preset: PushPreset, values: list[Data]) -> bool:
    named = any(item.class_id == _PUSH_SETUP and item.attribute == 1 for item in preset.objects)
    return (
        named
        and len(values) == len(preset.objects)
        and all(_takes(item, data) for item, data in zip(preset.objects, values, strict=True))
    )


def _takes(item: Reference, data: Data) -> bool:
    """Say whether a value can be that of an attribute. What cannot be read is null-data, whatever it is."""
    if data.tag is Tag.NULL_DATA:
        return item.class_id != _PUSH_SETUP
    if item.class_id == _PUSH_SETUP:
        return data.tag is Tag.OCTET_STRING and data.value == bytes(item.name)
    if item.class_id == _CLOCK:
        return data.tag is Tag.OCTET_STRING and len(data.value) == 12
    if item.class_id == _PROFILE:
        return data.tag is Tag.ARRAY
    if item.class_id == _DATA and item.name in _TEXTS:
        return data.tag in (Tag.OCTET_STRING, Tag.VISIBLE_STRING)
    return item.class_id in (_DATA, *_SCALED) and data.tag in NUMBERS
