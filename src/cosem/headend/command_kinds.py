"""The kinds of commands: what each takes, how it is carried out, and how one sees afterwards that it was.

A kind whose effect can be seen is read back; one that is not idempotent and whose effect cannot be seen is never
repeated after a crash: a person decides.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final

from cosem.classes.c070_disconnect_control import ControlState
from cosem.client.async_meter import AsyncMeter
from cosem.client.calendars import Calendar
from cosem.client.supply import Supply
from cosem.client.verbs import DISCONNECTOR, LIMITER
from cosem.codec.json import from_json, to_json
from cosem.errors import AccessError, ConfigError
from cosem.headend.command_kind import Kind, Parameters
from cosem.headend.command_more import MORE
from cosem.headend.values_now import VALUES_NOW
from cosem.obis import Obis, obis


def _supply(found: Supply) -> dict[str, Any]:
    return {
        "control_state": ControlState(found.control_state).name.lower(),
        "output": found.output_state,
        "control_mode": int(found.control_mode),
    }


async def _disconnect(meter: AsyncMeter, given: Parameters) -> Any:
    found = await meter.disconnect(given.get("object", DISCONNECTOR))
    if found.control_state == ControlState.CONNECTED:
        raise ConfigError(f"the control mode {found.control_mode} does not let it be disconnected from afar")
    return _supply(found)


async def _disconnected(meter: AsyncMeter, given: Parameters) -> bool:
    return (await meter.supply(given.get("object", DISCONNECTOR))).control_state == ControlState.DISCONNECTED


async def _reconnect(meter: AsyncMeter, given: Parameters) -> Any:
    return _supply(await meter.reconnect(given.get("object", DISCONNECTOR)))


async def _reconnected(meter: AsyncMeter, given: Parameters) -> bool:
    return (await meter.supply(given.get("object", DISCONNECTOR))).control_state != ControlState.DISCONNECTED


async def _limit(meter: AsyncMeter, given: Parameters) -> Any:
    options = {name: given[name] for name in ("emergency", "min_over", "min_under") if name in given}
    found = await meter.limit(given.get("threshold"), name=given.get("limiter", LIMITER), **options)
    return {"active": str(found.active), "normal": str(found.normal), "emergency": str(found.emergency)}


async def _message(meter: AsyncMeter, given: Parameters) -> Any:
    found = await meter.send_message(given["text"], display=given.get("display", False))
    return {"port": found.port, "display": found.display}


async def _message_there(meter: AsyncMeter, given: Parameters) -> bool:
    found = await meter.messages()
    return bool((found.display if given.get("display") else found.port) == given["text"])


async def _clock(meter: AsyncMeter, given: Parameters) -> Any:
    moment = datetime.fromisoformat(given["time"]) if "time" in given else None
    return {"was": (await meter.set_clock(moment)).isoformat()}


async def _calendar(meter: AsyncMeter, given: Parameters) -> Any:
    at = datetime.fromisoformat(given["at"]) if "at" in given else None
    calendar = Calendar.from_toml(given["calendar"])
    await meter.set_calendar(calendar, at)
    return {"name": calendar.name.decode("utf-8", "replace"), "at": given.get("at")}


async def _calendar_there(meter: AsyncMeter, given: Parameters) -> bool:
    wanted = Calendar.from_toml(given["calendar"])
    return (await meter.calendar(passive="at" in given)).name == wanted.name


async def _read(meter: AsyncMeter, given: Parameters) -> Any:
    targets = [_target(item) for item in given["attributes"]]
    answers = await meter.get_many(targets)
    return [
        {"error": str(answer)} if isinstance(answer, AccessError) else {"value": to_json(answer)} for answer in answers
    ]


def _target(item: Any) -> tuple[int, Obis, int]:
    try:
        class_id, name, attribute = item
        return int(class_id), obis(name), int(attribute)
    except (TypeError, ValueError):
        raise ConfigError("an attribute is [class, logical name, number]") from None


async def _write(meter: AsyncMeter, given: Parameters) -> Any:
    class_id, name, attribute = _target(given["attribute"])
    await meter.run(meter.core.set_data(class_id, name, attribute, from_json(given["value"])))
    return None


async def _written(meter: AsyncMeter, given: Parameters) -> bool:
    class_id, name, attribute = _target(given["attribute"])
    found = await meter.run(meter.core.get_data(class_id, name, attribute))
    return bool(found == from_json(given["value"]))


async def _invoke(meter: AsyncMeter, given: Parameters) -> Any:
    class_id, name, method = _target(given["method"])
    parameter = from_json(given["parameter"]) if "parameter" in given else None
    answer = await meter.run(meter.core.call_data(class_id, name, method, parameter))
    return None if answer is None else to_json(answer)


async def _clear_alarms(meter: AsyncMeter, given: Parameters) -> Any:
    cleared = await meter.clear_alarms()
    return [str(item) for item in cleared]


async def _push(meter: AsyncMeter, given: Parameters) -> Any:
    await meter.configure_push(given["to"], given.get("setup", "0-4:25.9.0"))
    return {"to": given["to"]}


_OBJECT: Final[Mapping[str, type | tuple[type, ...]]] = {"object": str}
KINDS: Final[Mapping[str, Kind]] = {
    kind.name: kind
    for kind in (
        Kind("disconnect", "disconnect premises, or close a valve", _OBJECT, _disconnect, _disconnected, True, True),
        Kind("reconnect", "reconnect, or make ready for the button", _OBJECT, _reconnect, _reconnected, True, True),
        Kind(
            "limit",
            "set the limiter",
            {"threshold": (int, float), "emergency": (int, float), "min_over": int, "min_under": int, "limiter": str},
            _limit,
            repeatable=True,
        ),
        Kind("message", "send a message to the customer", {"text": str, "display": bool}, _message, _message_there,
             True, required=("text",)),
        Kind("clock", "set the clock", {"time": str}, _clock, repeatable=True),
        Kind("calendar", "set the tariff calendar and special days", {"calendar": str, "at": str}, _calendar,
             _calendar_there, True, required=("calendar",)),
        Kind("read", "read attributes", {"attributes": list}, _read, repeatable=True, required=("attributes",)),
        Kind("write", "write an attribute", {"attribute": list, "value": dict}, _write, _written, True,
             required=("attribute", "value")),
        Kind("invoke", "invoke a method", {"method": list, "parameter": dict}, _invoke, required=("method",)),
        Kind("clear alarms", "clear the alarm registers", {}, _clear_alarms, repeatable=True),
        Kind("push", "say where to push to", {"to": str, "setup": str}, _push, repeatable=True, required=("to",)),
        VALUES_NOW,
        *MORE,
    )
}  # fmt: skip
"""The kinds by name."""
RAW: Final[Mapping[str, str]] = {"write": "attribute", "invoke": "method"}
"""Kinds that do anything at all, and the parameter that says to what: [class, logical name, number]."""
SWITCHING: Final = frozenset({9, 15, 18, 21, 22, 64, 68, 70, 71, 72})
"""Classes by which somebody's supply, keys or firmware change, at once or by a script: with any kind named for two
persons, raw commands to these want two as well."""
SETTING: Final[Mapping[str, frozenset[int]]] = {
    "message": frozenset({1}),
    "configuration object": frozenset({1}),
    "administrative status": frozenset({1}),
    "alarm filter": frozenset({1}),
    "clear alarms": frozenset({1}),
    "load profile": frozenset({7}),
    "clock": frozenset({8}),
    "clock setup": frozenset({8}),
    "calendar": frozenset({11, 20}),
    "push": frozenset({40}),
    "randomisation": frozenset({40}),
}
"""Classes by which a raw command does what a kind does, beside those."""
TWINS: Final[Mapping[str, str]] = {
    "disconnect": "close valve",
    "close valve": "disconnect",
    "reconnect": "open valve",
    "open valve": "reconnect",
}
"""Kinds that do the same where an object is named."""


def is_grave(kind: str, given: Parameters, two_persons: Collection[str]) -> bool:
    """Whether a second person confirms a command where `two_persons` names these kinds."""
    if kind in two_persons or (TWINS.get(kind) in two_persons and "object" in given):
        return True
    if kind not in RAW or not two_persons:
        return False
    classes = SWITCHING.union(*(SETTING.get(name, ()) for name in two_persons))
    try:
        return _target(given[RAW[kind]])[0] in classes
    except (KeyError, ConfigError):
        # What names nothing is refused, or fails: until then it is as grave as anything.
        return True
