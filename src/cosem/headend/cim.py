"""Meter readings for a meter data management system: IEC 61968-9 MeterReadings as XML (namespace of its edition 2).

The reading type is the 18-part identifier of annex C as far as an OBIS code says it; what it does not say is 0.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Final
from xml.etree import ElementTree as ET

from cosem.headend.intervals import MISSING, Series
from cosem.headend.quality import UNUSABLE, Quality

NAMESPACE: Final = "http://iec.ch/TC57/2011/MeterReadings#"
_UNITS: Final = {"Wh": 72, "varh": 73, "W": 38, "m³": 42, "V": 29, "A": 5}
"""Units of annex C by their symbols."""
_COMMODITY: Final = {"1": 1, "6": 7, "7": 7, "8": 9, "9": 9}
"""Commodity by value group A: electricity, natural gas (7 and heat share a row of the annex), water."""
GOOD, ESTIMATED, SUSPECT, MISSING_QUALITY = "1.0.0", "2.8.0", "2.5.259", "2.5.0"
"""Quality codes of annex D: of the system, of what is estimated, suspect, absent."""


def reading_type(name: str, unit: str, period: int) -> str:
    """Return the 18-part reading type of a channel: period, direction, commodity, unit and phase are filled in."""
    group_a, _, rest = name.partition("-")
    parts = rest.split(":")[-1].split(".")
    commodity = _COMMODITY.get(group_a, 0)
    direction = {"1": 1, "2": 19}.get(parts[0], 0) if group_a == "1" else 1
    measuring = {900: 2, 3600: 7, 86_400: 11}.get(period, 0)
    kind = 12 if unit in ("Wh", "varh") else 58 if unit == "m³" else 37
    return f"0.0.{measuring}.1.{direction}.{commodity}.{kind}.0.0.0.0.0.0.0.0.0.{_UNITS.get(unit, 0)}.0"


def meter_readings(device: str, name: str, unit: str, scaler: int, series: Series) -> bytes:
    """Return one device's values as a MeterReadings document. A missing value has its estimate, marked so, or none."""
    root = ET.Element("MeterReadings", {"xmlns": NAMESPACE})
    reading = ET.SubElement(root, "MeterReading")
    meter = ET.SubElement(reading, "Meter")
    ET.SubElement(ET.SubElement(meter, "Names"), "name").text = device
    block = ET.SubElement(reading, "IntervalBlocks")
    period = int(series.times[1] - series.times[0]) if len(series) > 1 else 0
    for at, value, quality, estimate in zip(
        series.times.tolist(), series.values.tolist(), series.quality.tolist(), series.estimates.tolist(), strict=True
    ):
        item = ET.SubElement(block, "IntervalReadings")
        ET.SubElement(item, "timeStamp").text = datetime.fromtimestamp(at, UTC).isoformat()
        unusable = value == MISSING or quality & UNUSABLE
        code = MISSING_QUALITY if unusable else SUSPECT if quality & Quality.SUSPECT else GOOD
        if unusable and estimate != MISSING:
            value, code = estimate, ESTIMATED
        if value != MISSING:
            ET.SubElement(item, "value").text = str(Decimal(value).scaleb(scaler))
        ET.SubElement(ET.SubElement(item, "ReadingQualities"), "ReadingQualityType", {"ref": code})
    ET.SubElement(block, "ReadingType", {"ref": reading_type(name, unit, period)})
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text
