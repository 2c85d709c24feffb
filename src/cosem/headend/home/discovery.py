"""What Home Assistant is told so that meters appear there by themselves: one message for each device (MQTT discovery).

A device-based discovery message has the device, where it comes from, when it is available, and its entities
(`components`); each takes its state out of the device's one JSON object. Identifiers are made of the head-end's id and
the device's number, so that a device may be given another name and stays the same.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

import cosem
from cosem.headend.home import names
from cosem.headend.home.meters import Meter, Value
from cosem.headend.home.settings import HomeSettings
from cosem.headend.inventory import Kind
from cosem.headend.reasons import Reason

OUTCOMES: Final = ("read", *(str(reason) for reason in Reason))
NAME: Final = "cosem head-end"
_VALVES: Final = (Kind.GAS, Kind.WATER, Kind.HEAT, Kind.CONVERTER)
_MBUS: Final[Mapping[str | None, str]] = {
    "gas": "Volume", "water": "Volume", "volume": "Volume", "energy": "Energy", "power": "Power",
    "volume_flow_rate": "Flow", "temperature": "Temperature",
}  # fmt: skip
"""An M-Bus value's code says nothing but its number; its quantity says more."""


def base(settings: HomeSettings, meter: Meter) -> str:
    """Return the topic under which everything of a device is."""
    return f"{settings.topic}/device/{meter.slug}"


def node(settings: HomeSettings, number: int | None) -> str:
    """Return the identifier of a device; None is the head-end itself."""
    return f"{settings.id}_{'headend' if number is None else number}"


def config_topic(settings: HomeSettings, number: int | None) -> str:
    """Return where the discovery message of a device is."""
    return f"{settings.discovery}/device/{node(settings, number)}/config"


def bridge(settings: HomeSettings) -> dict[str, Any]:
    """Return the discovery message of the head-end itself: what all meters come through."""
    return {
        "device": {
            "identifiers": [node(settings, None)],
            "name": NAME if settings.id == "cosem" else f"{NAME} {settings.id}",
            "manufacturer": "cosem",
            "model": "head-end",
            "sw_version": cosem.__version__,
            **({"configuration_url": settings.pages} if settings.pages else {}),
        },
        "origin": _origin(),
        "components": {
            "connection": {
                "platform": "binary_sensor",
                "unique_id": f"{node(settings, None)}_connection",
                "name": "Connection",
                "device_class": "connectivity",
                "entity_category": "diagnostic",
                "state_topic": settings.status,
                "payload_on": "online",
                "payload_off": "offline",
            }
        },
        "qos": 1,
    }


def discovery(settings: HomeSettings, meter: Meter, gone: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the discovery message of a device. `gone` are components it had before, with their platforms."""
    where = base(settings, meter)
    # What is said there, "online" and "offline", is what Home Assistant expects.
    there = [{"topic": settings.status}, {"topic": f"{where}/availability"}]
    parts = {**_measured(settings, meter), **_about(settings, meter)}
    # What is only a platform is taken away.
    parts |= {key: {"platform": platform} for key, platform in (gone or {}).items() if key not in parts}
    return {
        "device": _device(settings, meter),
        "origin": _origin(),
        "availability": there,
        "availability_mode": "all",
        "state_topic": f"{where}/state",
        "components": parts,
        "qos": 1,
    }


def _origin() -> dict[str, str]:
    return {"name": "cosem", "sw_version": cosem.__version__}


def _device(settings: HomeSettings, meter: Meter) -> dict[str, Any]:
    firmware = meter.firmware or meter.details.get("firmware")
    hardware = meter.details.get("hardware")
    shown = {
        "identifiers": [node(settings, meter.number)],
        "name": meter.name,
        "manufacturer": meter.manufacturer or None,
        "model": meter.type or f"{meter.kind} {'device' if meter.kind in _NO_METER else 'meter'}",
        "serial_number": meter.serial,
        "sw_version": None if firmware is None else str(firmware),
        "hw_version": None if hardware is None else str(hardware),
        "via_device": node(settings, meter.behind),
        "configuration_url": f"{settings.pages}/device/{meter.number}" if settings.pages else None,
    }
    return {name: value for name, value in shown.items() if value is not None}


_NO_METER: Final = (Kind.CONCENTRATOR, Kind.GATEWAY, Kind.CONVERTER)


def _measured(settings: HomeSettings, meter: Meter) -> dict[str, Any]:
    called = {key: _called(meter, value) for key, value in sorted(meter.values.items())}
    several = {name for name, count in Counter(called.values()).items() if count > 1}
    parts = {}
    for key, value in sorted(meter.values.items()):
        name = called[key]
        shown = value.quantity
        part: dict[str, Any] = {
            **_part(settings, meter, "sensor", names.component(key)),
            "name": f"{name} ({key})" if name in several else name,
            "value_template": f"{{{{ value_json['{key}'] }}}}",
            "suggested_display_precision": shown.digits,
        }
        for option, content in (
            ("device_class", shown.device_class),
            ("state_class", shown.state_class),
            ("unit_of_measurement", shown.unit),
        ):
            if content is not None:
                part[option] = content
        if key.endswith((" daily", " monthly")):
            # The register beside it says the same, sooner.
            part["enabled_by_default"] = False
        parts[names.component(key)] = part
    return parts


def _called(meter: Meter, value: Value) -> str:
    words = names.words(value.channel)
    if not words.startswith("M-Bus value") or value.quantity.device_class not in _MBUS:
        return words
    quantity = _MBUS[value.quantity.device_class]
    return quantity if value.key.startswith(f"0-{meter.channel}:") else f"{words}: {quantity.lower()}"


def _part(settings: HomeSettings, meter: Meter, platform: str, key: str) -> dict[str, Any]:
    return {"platform": platform, "unique_id": f"{node(settings, meter.number)}_{key}"}


def _about(settings: HomeSettings, meter: Meter) -> dict[str, Any]:
    """Return the entities that tell how the device is. Of it they tell also when its values are old."""
    always = {"availability": [{"topic": settings.status}]}
    parts: dict[str, Any] = {}

    def add(platform: str, key: str, name: str, diagnostic: bool = True, **more: Any) -> None:
        parts[key] = {
            **_part(settings, meter, platform, key),
            "name": name,
            "value_template": f"{{{{ value_json['{key}'] }}}}",
            **({"entity_category": "diagnostic"} if diagnostic else {}),
            **always,
            **more,
        }

    add("binary_sensor", "alarm", "Alarm", False, device_class="problem")
    add("binary_sensor", "tamper", "Tampering", False, device_class="tamper")
    add("sensor", "open_alarms", "Open alarms", state_class="measurement", suggested_display_precision=0)
    add("sensor", "last_event", "Last event")
    add("sensor", "last_reading", "Last reading", device_class="timestamp")
    if meter.dialled:
        add("sensor", "outcome", "Result of the last reading", device_class="enum", options=list(OUTCOMES))
    if meter.offset is not None:
        add(
            "sensor", "clock_offset", "Clock deviation", device_class="duration", unit_of_measurement="s",
            state_class="measurement", suggested_display_precision=0,
        )  # fmt: skip
    if meter.supply is not None:
        valve = meter.kind in _VALVES
        add("binary_sensor", "supply", "Valve" if valve else "Supply", False,
            device_class="opening" if valve else "power")  # fmt: skip
    return parts


def parts_of(payload: bytes) -> dict[str, str]:
    """Return the components of a discovery message with their platforms, without those it takes away."""
    try:
        found = json.loads(payload)["components"]
        return {
            key: part["platform"] for key, part in found.items() if isinstance(part["platform"], str) and len(part) > 1
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def topics_of(payload: bytes) -> Iterable[str]:
    """Return the topics of a device that its discovery message names: state and availability."""
    try:
        found = json.loads(payload)
        state = found["state_topic"]
    except (ValueError, KeyError, TypeError):
        return ()
    if not isinstance(state, str) or not state.endswith("/state"):
        return ()
    return (state, state.removesuffix("state") + "availability")
