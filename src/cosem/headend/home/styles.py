"""Meters in the topics of other tools: as DSMR-reader has them, and as wmbusmeters does.

DSMR-reader knows one meter and wmbusmeters only devices on the M-Bus; what they have and we do not is left out, never
made up.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from cosem.headend.home.meters import Meter, Value, iso
from cosem.headend.home.settings import DsmrStyle, WmbusmetersStyle
from cosem.headend.inventory import Kind

_READING: Final[Mapping[str, tuple[str, int, int]]] = {
    "electricity_delivered_1": ("1-0:1.8.1", -3, 3),
    "electricity_returned_1": ("1-0:2.8.1", -3, 3),
    "electricity_delivered_2": ("1-0:1.8.2", -3, 3),
    "electricity_returned_2": ("1-0:2.8.2", -3, 3),
    "electricity_currently_delivered": ("1-0:1.7.0", -3, 3),
    "electricity_currently_returned": ("1-0:2.7.0", -3, 3),
    "phase_currently_delivered_l1": ("1-0:21.7.0", -3, 3),
    "phase_currently_delivered_l2": ("1-0:41.7.0", -3, 3),
    "phase_currently_delivered_l3": ("1-0:61.7.0", -3, 3),
    "phase_currently_returned_l1": ("1-0:22.7.0", -3, 3),
    "phase_currently_returned_l2": ("1-0:42.7.0", -3, 3),
    "phase_currently_returned_l3": ("1-0:62.7.0", -3, 3),
    "phase_voltage_l1": ("1-0:32.7.0", 0, 1),
    "phase_voltage_l2": ("1-0:52.7.0", 0, 1),
    "phase_voltage_l3": ("1-0:72.7.0", 0, 1),
    "phase_power_current_l1": ("1-0:31.7.0", 0, 0),
    "phase_power_current_l2": ("1-0:51.7.0", 0, 0),
    "phase_power_current_l3": ("1-0:71.7.0", 0, 0),
}
"""DSMR-reader's fields: OBIS code, power of ten from Wh, W, V or A, digits behind the point."""
_STATISTICS: Final[Mapping[str, str]] = {
    "electricity_tariff": "0-0:96.14.0",
    "power_failure_count": "0-0:96.7.21",
    "long_power_failure_count": "0-0:96.7.9",
    "voltage_sag_count_l1": "1-0:32.32.0",
    "voltage_sag_count_l2": "1-0:52.32.0",
    "voltage_sag_count_l3": "1-0:72.32.0",
    "voltage_swell_count_l1": "1-0:32.36.0",
    "voltage_swell_count_l2": "1-0:52.36.0",
    "voltage_swell_count_l3": "1-0:72.36.0",
}
_MEDIA: Final[Mapping[Kind, str]] = {
    Kind.ELECTRICITY: "electricity",
    Kind.GAS: "gas",
    Kind.CONVERTER: "gas",
    Kind.WATER: "water",
    Kind.HEAT: "heat",
}


def dsmr(style: DsmrStyle, found: Iterable[Meter]) -> Iterator[tuple[int, str, str]]:
    """Yield device, topic and payload in DSMR-reader's topics.

    The meter that `style` names has them as they are (`dsmr/reading/...`), and so has an only one; others have their
    name in between (`dsmr/NAME/reading/...`).
    """
    everybody = list(found)
    own = [meter for meter in everybody if meter.kind is Kind.ELECTRICITY]
    for meter in own:
        plain = meter.name == style.meter or (style.meter is None and len(own) == 1)
        prefix = style.topic if plain else f"{style.topic}/{meter.slug}"
        gas = next((child for child in everybody if child.behind == meter.number and child.kind is Kind.GAS), None)
        for topic, payload in _dsmr_of(meter, gas):
            yield meter.number, f"{prefix}/{topic}", payload


def _dsmr_of(meter: Meter, gas: Meter | None) -> Iterator[tuple[str, str]]:
    given = {name: meter.values.get(code) for name, (code, _, _) in _READING.items()}
    if given["electricity_delivered_1"] is None and "1-0:1.8.0" in meter.values:
        # One tariff: DSMR-reader has it as the first, and nothing in the second.
        given["electricity_delivered_1"] = meter.values["1-0:1.8.0"]
        given["electricity_returned_1"] = meter.values.get("1-0:2.8.0")
    read = {name: value for name, value in given.items() if value is not None}
    if read:
        at = max(value.time for value in read.values())
        yield "reading/id", str(at)
        yield "reading/timestamp", iso(at)
        for name, value in read.items():
            _, power, digits = _READING[name]
            yield f"reading/{name}", _digits(_plain(value, power), digits)
    volume = None if gas is None else next((v for v in gas.values.values() if v.quantity.device_class == "gas"), None)
    if volume is not None:
        delivered = _digits(_plain(volume, 0), 3)
        yield "reading/extra_device_timestamp", iso(volume.time)
        yield "reading/extra_device_delivered", delivered
        yield "consumption/gas/read_at", iso(volume.time)
        yield "consumption/gas/delivered", delivered
    for name, code in _STATISTICS.items():
        if code in meter.values:
            yield f"meter-stats/{name}", str(meter.values[code].number)


def _plain(value: Value, power: int) -> Decimal:
    """Return a value times 10**power in the meter's unit; energy, which is shown in kWh, is so already."""
    exponent = value.quantity.exponent
    return Decimal(value.number).scaleb(exponent if value.quantity.unit == "kWh" else exponent + power)


def _digits(value: Decimal, digits: int) -> str:
    return f"{value:.{digits}f}"


_FIELDS: Final[Mapping[tuple[str | None, str | None], tuple[str, int]]] = {
    ("gas", "m³"): ("total_m3", 0),
    ("water", "m³"): ("total_m3", 0),
    ("volume", "m³"): ("total_volume_m3", 0),
    ("energy", "kWh"): ("total_energy_consumption_kwh", 0),
    ("energy", "GJ"): ("total_energy_consumption_gj", 0),
    ("power", "W"): ("power_kw", -3),
    ("volume_flow_rate", "m³/h"): ("volume_flow_m3h", 0),
    ("temperature", "°C"): ("temperature_c", 0),
    ("voltage", "V"): ("voltage_v", 0),
    ("current", "A"): ("current_a", 0),
}
"""wmbusmeters' fields by quantity and unit."""
_CODES: Final[Mapping[str, str]] = {
    "6-0:10.7.0": "flow_temperature_c",
    "6-0:11.7.0": "return_temperature_c",
    "1-0:2.8.0": "total_energy_production_kwh",
    "1-0:1.7.0": "current_power_consumption_kw",
    "1-0:2.7.0": "current_power_production_kw",
}
"""Fields that a code tells apart where the unit does not."""


def wmbusmeters(style: WmbusmetersStyle, found: Iterable[Meter]) -> Iterator[tuple[int, str, str]]:
    """Yield device, topic and payload of what hangs on an M-Bus, as wmbusmeters has them.

    What is on an M-Bus is not electricity, or has a channel behind another device.
    """
    for meter in found:
        behind = meter.behind is not None and meter.channel is not None
        if meter.kind not in _MEDIA or not (behind or meter.kind is not Kind.ELECTRICITY) or meter.newest is None:
            continue
        fields: dict[str, Any] = {}
        for _, value in sorted(meter.values.items()):
            named = _FIELDS.get((value.quantity.device_class, value.quantity.unit))
            name = _CODES.get(value.key, named[0] if named else None)
            if name is None or value.key.endswith((" daily", " monthly")):
                continue
            name = next(free for free in _numbered(name) if free not in fields)
            shown = Decimal(value.number).scaleb(value.quantity.exponent + (named[1] if named else 0))
            fields[name] = int(shown) if shown == shown.to_integral_value() else float(shown)
        if not fields:
            continue
        identity = meter.serial or meter.name
        content = {
            "_": "telegram",
            "media": str(meter.details.get("medium", _MEDIA[meter.kind])),
            "meter": meter.type or "unknown",
            "name": meter.name,
            "id": identity,
            **fields,
            "timestamp": iso(meter.newest),
        }
        level = meter.slug if style.by == "name" else _level(identity)
        yield meter.number, f"{style.topic}/{level}", json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def _level(text: str) -> str:
    from cosem.headend.home.names import LONGEST, SAFE

    return SAFE.sub("_", text)[:LONGEST] or "_"


def _numbered(name: str) -> Iterator[str]:
    """Yield a name, and it with numbers before its unit: total_m3, total_2_m3, ..."""
    yield name
    start, _, unit = name.rpartition("_")
    number = 2
    while True:
        yield f"{start}_{number}_{unit}"
        number += 1
