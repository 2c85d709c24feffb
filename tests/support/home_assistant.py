"""Whether a discovery message is one that Home Assistant takes, by the rules its documentation states."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

from jinja2.sandbox import SandboxedEnvironment

RULES = tomllib.loads((Path(__file__).parent.parent / "data" / "home_assistant.toml").read_text("utf-8"))
TOPIC = re.compile(r"[^/]+/device/[A-Za-z0-9_-]+/config")


def problems(topic: str, payload: bytes | str) -> list[str]:
    """Return what is wrong with a message of device-based discovery."""
    found: list[str] = []
    if TOPIC.fullmatch(topic) is None:
        found.append(f"{topic} is no topic of device discovery")
    document = json.loads(payload)
    shared = RULES["shared"]
    found += [f"{name} is missing" for name in shared["required"] if name not in document]
    found += [f"{name} is nothing of a device" for name in document if name not in shared["allowed"]]
    device, origin = document.get("device", {}), document.get("origin", {})
    if not any(device.get(name) for name in RULES["device"]["one_of"]):
        found.append("the device has no identifier")
    for part, rules in ((device, RULES["device"]), (origin, RULES["origin"])):
        found += [f"{name} is not allowed" for name in part if name not in rules["allowed"]]
        found += [
            f"{name} is no text" for name, value in part.items() if not isinstance(value, (str, list)) or not value
        ]
    found += [f"origin: {name} is missing" for name in RULES["origin"]["required"] if name not in origin]
    found += _availability(document)
    identifiers = [part.get("unique_id") for part in document.get("components", {}).values() if len(part) > 1]
    found += [f"{each} is there twice" for each in identifiers if identifiers.count(each) > 1]
    for key, part in document.get("components", {}).items():
        if len(part) > 1:
            found += [f"{key}: {why}" for why in _component(part, document)]
    return found


def _availability(part: dict[str, Any]) -> list[str]:
    found = []
    if part.get("availability_mode", "latest") not in RULES["shared"]["availability_modes"]:
        found.append("availability_mode")
    for item in part.get("availability", []):
        found += [f"availability: {name}" for name in item if name not in RULES["shared"]["availability"]]
        if "topic" not in item:
            found.append("availability without a topic")
    return found


def _component(part: dict[str, Any], document: dict[str, Any]) -> list[str]:
    rules = RULES["component"]
    found = [f"{name} is missing" for name in rules["required"] if not part.get(name)]
    platform = part.get("platform")
    if platform not in RULES["platforms"]:
        return [*found, f"{platform} is no platform of this test"]
    allowed = rules["common"] + RULES["platforms"][platform]
    found += [f"{name} is not allowed" for name in part if name not in allowed]
    if "state_topic" not in part and "state_topic" not in document:
        found.append("no state_topic")
    if part.get("entity_category") not in (None, *rules["entity_categories"]):
        found.append("entity_category")
    return found + _availability(part) + (_sensor(part) if platform == "sensor" else _binary(part))


def _binary(part: dict[str, Any]) -> list[str]:
    known = RULES["binary_sensor"]["device_classes"]
    return [] if part.get("device_class") in (None, *known) else [f"device_class {part['device_class']}"]


def _sensor(part: dict[str, Any]) -> list[str]:
    kind, unit, state_class = part.get("device_class"), part.get("unit_of_measurement"), part.get("state_class")
    if state_class not in (None, *RULES["sensor"]["state_classes"]):
        return [f"state_class {state_class}"]
    if kind is None:
        return []
    if kind in RULES["sensor"]["text"]:
        wrong = unit is not None or state_class is not None or "suggested_display_precision" in part
        missing = kind == "enum" and not part.get("options")
        return [f"{kind} with a unit, a state class or a precision"] * wrong + ["enum without options"] * missing
    rules = RULES["sensor"]["number"].get(kind)
    if rules is None:
        return [f"device_class {kind}"]
    found = []
    if (unit or "") not in rules["units"]:
        found.append(f"{kind} in {unit}")
    if state_class is not None and state_class not in rules["state_classes"]:
        found.append(f"{kind} is {state_class}")
    return found


def rendered(document: dict[str, Any], state: bytes | str) -> dict[str, str]:
    """Return the state of every component, as Home Assistant takes it out of the device's JSON."""
    environment = SandboxedEnvironment()
    content = json.loads(state)
    return {
        key: environment.from_string(part["value_template"]).render(value_json=content)
        for key, part in document["components"].items()
        if "value_template" in part
    }
