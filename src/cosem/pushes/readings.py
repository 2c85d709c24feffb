"""Values with names out of a push: what it says by itself, and what its layout adds."""

from __future__ import annotations

from dataclasses import replace

from cosem.codec.axdr import Data, Tag
from cosem.obis import Obis
from cosem.pushes.layout import Item, Layout, PushList, layouts
from cosem.pushes.p1 import p1_readings
from cosem.pushes.reading import NUMBERS, Reading, described

__all__ = ["Reading", "layout_of", "readings"]

Match = tuple[Layout, PushList]


def readings(value: Data, country: str | None = None) -> list[Reading]:
    """Return the named values of `value`, the body of a notification; an empty list where nothing names any.

    `country` (two letters) chooses among layouts that look alike, and allows those that look like anything.
    """
    if value.tag is Tag.VISIBLE_STRING and value.value.startswith("/"):
        return p1_readings(value.value)
    named = described(value)
    match = layout_of(value, country, named)
    if match is None:
        return named
    _, found = match
    if not found.named:
        return [
            Reading(item.obis, data, scaler=item.scaler, unit=item.unit, label=item.name)
            for item, data in zip(found.items, value.value, strict=True)
            if item.obis is not None
        ]
    by_name = {item.obis: item for item in found.items}
    return [_with_unit(reading, by_name) for reading in named]


def _with_unit(reading: Reading, by_name: dict[Obis | None, Item]) -> Reading:
    item = by_name.get(reading.obis)
    if item is None or reading.unit is not None or reading.value.tag not in NUMBERS:
        return reading
    return replace(reading, scaler=item.scaler, unit=item.unit, label=item.name)


def layout_of(value: Data, country: str | None = None, named: list[Reading] | None = None) -> Match | None:
    """Return the layout and the list of it that `value` has; None where none fits, or several that differ."""
    if value.tag is not Tag.STRUCTURE:
        return None
    named = described(value) if named is None else named
    found = [
        (layout, item)
        for layout in layouts()
        if country is None or country in layout.countries
        for item in layout.lists
        if item.fits(value, named, country)
    ]
    if not found or any(item.items != found[0][1].items for _, item in found):
        return None
    return found[0]
