"""What a device shows now: a command that reads it in one association, and what is kept of its answer.

Numbers become latest values of the device; those of a M-Bus channel, of the device on it. Where the supply and the
limiter stand are numbers as well: channels named by object and attribute (0-0:96.3.10.255:3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection

from cosem.classes.c003_register import Register
from cosem.client.async_meter import AsyncMeter
from cosem.client.utility import CHANNELS as MAX_CHANNELS
from cosem.client.verbs import DISCONNECTOR, LIMITER
from cosem.codec.axdr import Data
from cosem.codec.json import to_json
from cosem.errors import AccessError, ConfigError, CosemError
from cosem.headend.children import Child, OnChannel, identity, look, told
from cosem.headend.command_kind import Kind, Parameters
from cosem.headend.exports import exact
from cosem.headend.inventory import DeviceRow, Inventory
from cosem.headend.inventory import Kind as DeviceKind
from cosem.headend.results import keep_latest
from cosem.obis import Obis, obis
from cosem.units import ScalerUnit, Unit

NAME: Final = "values now"
MOST: Final = 50
"""Objects of one command."""
TARIFF: Final = obis("0-0:96.14.0.255")
SUPPLY: Final = obis(DISCONNECTOR)
LIMIT: Final = obis(LIMITER)
STATES: Final = {2: "output", 3: "control_state", 4: "control_mode"}
ELECTRICITY: Final = tuple(
    obis(name)
    for name in (
        "1-0:1.7.0", "1-0:2.7.0",
        *(f"1-0:{register}.8.{rate}" for register in (1, 2) for rate in range(5)),
        *(f"1-0:{first + phase}.7.0" for first in (32, 31) for phase in (0, 20, 40)),
    )
)  # fmt: skip
"""Power and energy in and out with their rates, voltages and currents of the phases."""
CONVERTER: Final = tuple(obis(f"7-0:{name}") for name in ("13.0.0", "13.2.0", "33.2.0", "42.0.0", "41.0.0", "43.0.0"))
"""Volume, converted volume, energy, pressure, temperature and flow."""
_VALUED: Final = (3, 4)


async def _act(meter: AsyncMeter, given: Parameters) -> Any:
    found: dict[str, Any] = {}
    if "objects" in given:
        found["values"] = await _named(meter, [obis(name) for name in given["objects"]])
    elif given.get("own", True):
        found |= await _own(meter, given.get("gas", False))
    for channel in _channels(given):
        try:
            found.setdefault("channels", {})[str(channel)] = await _channel(meter, channel)
        except (AccessError, ConfigError) as error:
            found["channels"][str(channel)] = {"error": str(error)}
    return found


async def _own(meter: AsyncMeter, gas: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "values": await _registers(meter, [(3, name) for name in (CONVERTER if gas else ELECTRICITY)])
    }
    if gas:
        return found
    asked = [(1, TARIFF, 2), *((70, SUPPLY, number) for number in STATES), (71, LIMIT, 2), (71, LIMIT, 3)]
    tariff, *states, watched, threshold = await meter.get_many(asked)
    if not isinstance(tariff, AccessError):
        found["tariff"] = _text(tariff)
    if not any(isinstance(item, AccessError) for item in states):
        found["supply"] = {name: _number(item) for name, item in zip(STATES.values(), states, strict=True)}
    if not isinstance(watched, AccessError) and not isinstance(threshold, AccessError):
        found["limit"] = await _threshold(meter, watched, threshold)
    messages = await meter.messages()
    return found | {"port": messages.port, "display": messages.display}


async def _threshold(meter: AsyncMeter, watched: Data, threshold: Data) -> dict[str, Any] | None:
    """Return the threshold in the unit of what is watched; None where that is no number."""
    try:
        class_id, name = watched.value[0].value, Obis(watched.value[1].value)
    except (TypeError, IndexError, AttributeError, CosemError):
        return None
    scaled = await meter.run(meter.core.scaler_unit(class_id, name)) or ScalerUnit()
    value = _number(threshold)
    return None if value is None else {"value": value, "scaler": scaled.scaler, "unit": int(scaled.unit)}


async def _named(meter: AsyncMeter, names: list[Obis]) -> list[dict[str, Any]]:
    objects = await meter.objects()
    missing = next((name for name in names if name not in objects), None)
    if missing is not None:
        raise ConfigError(f"the device has no object {missing}")
    return await _registers(meter, [(objects[name].class_id, name) for name in names])


async def _registers(meter: AsyncMeter, wanted: list[tuple[int, Obis]]) -> list[dict[str, Any]]:
    """Return values with their scalers; what the device does not have is left out."""
    asked = [
        (class_id, name, number) for class_id, name in wanted for number in ((2, 3) if class_id in _VALUED else (2,))
    ]
    answers = dict(zip(asked, await meter.get_many(asked), strict=True))
    found = []
    for class_id, name in wanted:
        value, scaler = answers[class_id, name, 2], answers.get((class_id, name, 3))
        if isinstance(value, AccessError) or isinstance(scaler, AccessError):
            continue
        scaled = ScalerUnit() if scaler is None else Register.attributes[3].type.from_data(scaler)
        number = _number(value)
        shown = {"value": number} if number is not None else {"other": to_json(value)}
        found.append({"name": str(name), **shown, "scaler": scaled.scaler, "unit": int(scaled.unit)})
    return found


async def _channel(meter: AsyncMeter, channel: int) -> dict[str, Any]:
    found: OnChannel = await meter.run(look(meter.core, Child(0, "", channel), zone=-60))
    return {
        "meter": found.meter,
        "period": found.period,
        "values": [
            {
                "name": str(item.name),
                "value": item.value,
                "scaler": item.scaler_unit.scaler,
                "unit": int(item.scaler_unit.unit),
                "time": item.time,
            }
            for item in found.values
        ],
    }


def _number(data: Data | AccessError) -> int | None:
    value = None if isinstance(data, AccessError) else data.value
    return int(value) if isinstance(value, int) else None


def _text(data: Data) -> str:
    value = data.value
    return value.decode("ascii", "backslashreplace") if isinstance(value, bytes) else str(value)


def _channels(given: Parameters) -> list[int]:
    return [int(item) for item in given.get("channels", ())] + ([int(given["channel"])] if "channel" in given else [])


def _verify(given: Parameters) -> None:
    for channel in _channels(given):
        if not 1 <= channel <= MAX_CHANNELS:
            raise ConfigError(f"a channel is 1 to {MAX_CHANNELS}")
    if not 1 <= len([obis(name) for name in given.get("objects", ["0-0:1.0.0"])]) <= MOST:
        raise ConfigError(f"1 to {MOST} objects are read at once")


def wanted(row: DeviceRow, children: list[DeviceRow], objects: list[str] | None = None) -> dict[str, Any]:
    """Return the parameters that read a device and those on its M-Bus; `objects` alone where some are named."""
    if row.is_child:
        if objects:
            raise ConfigError(f"{row.name} is read through {row.parent}: it has no objects of its own")
        return {"own": False}
    if objects:
        return {"objects": objects}
    given: dict[str, Any] = {"gas": True} if row.kind is DeviceKind.CONVERTER else {}
    if row.kind in (DeviceKind.CONCENTRATOR, DeviceKind.GATEWAY):
        given["own"] = False
    channels = [child.channel for child in children]
    return given | ({"channels": channels} if channels else {})


def keep(connection: Connection, row: DeviceRow, answer: Mapping[str, Any], now: int) -> list[int]:
    """Keep what a device showed as latest values; return of which devices something was kept.

    Nothing is taken of a M-Bus device that is another one than it should be.
    """
    inventory = Inventory(connection)
    rows = [_latest(inventory, row.id, item, now) for item in answer.get("values", ()) if "value" in item]
    plain = {"scaler": 0, "unit": 255}
    tariff = str(answer.get("tariff", ""))
    if tariff.isdecimal() and len(tariff) <= 9:
        rows.append(_latest(inventory, row.id, {"name": str(TARIFF), "value": int(tariff), **plain}, now))
    for number, name in STATES.items():
        value = (answer.get("supply") or {}).get(name)
        if value is not None:
            item = {"name": str(SUPPLY), "value": value, **plain}
            rows.append(_latest(inventory, row.id, item, now, attribute=number))
    if limit := answer.get("limit"):
        rows.append(_latest(inventory, row.id, {"name": str(LIMIT), **limit}, now, attribute=3))
    children = {child.channel: child for child in inventory.children(row.dialled)}
    for channel, found in answer.get("channels", {}).items():
        child = children.get(int(channel))
        if child is None or mismatch(child, found) is not None:
            continue
        inventory.keep_meter(child.id, found["meter"], now)
        rows += [_latest(inventory, child.id, item, now, what=child.kind) for item in found["values"]]
    keep_latest(connection, rows)
    return sorted({item["device"] for item in rows})


def mismatch(child: DeviceRow, found: Mapping[str, Any], now: float | None = None) -> str | None:
    """Return why nothing was taken of a M-Bus device, or with `now` why it is old; None where all is well."""
    if "error" in found:
        return str(found["error"])
    meter = found.get("meter")
    if meter is None:
        return f"nobody is installed on channel {child.channel}"
    if child.meter is not None and identity(meter) != child.meter:
        return f"channel {child.channel} has {meter}, not {child.meter}: nothing of it was taken"
    if now is not None:
        newest = max((item["time"] for item in found["values"]), default=0)
        if OnChannel(meter, found["period"]).patience < now - newest:
            return told(newest)
    return None


def _latest(
    inventory: Inventory, device: int, item: Mapping[str, Any], now: int, *, attribute: int = 2, what: str = ""
) -> dict[str, int]:
    scaled = ScalerUnit(item["scaler"], Unit(item["unit"]))
    number = inventory.measured(obis(item["name"]), scaled, attribute=attribute, what=what)
    return {"device": device, "channel": number, "time": int(item.get("time", now)), "value": int(item["value"])}


VALUES_NOW: Final = Kind(
    NAME,
    "read what the device shows now, and keep it as its latest values",
    {"objects": list, "channels": list, "channel": int, "own": bool, "gas": bool},
    _act,
    repeatable=True,
    verify=_verify,
    keep=keep,
    stranger=True,
)
"""Without `objects` everything that matters to whom it supplies; `channels` are those of its M-Bus."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One value as an exact decimal, in words of its unit; `at` is when it was so (UTC seconds)."""

    name: str
    value: str
    unit: str
    at: int


@dataclass(frozen=True, slots=True)
class ShownBehind:
    """What was found on a M-Bus channel. `problem` is why nothing was taken of the device, or why it is old."""

    device: str
    kind: str
    channel: int
    problem: str | None
    figures: tuple[Figure, ...] = ()


@dataclass(frozen=True, slots=True)
class Shown:
    """What a device showed. `others` are values that are no numbers, as typed JSON; None is what it does not have."""

    figures: tuple[Figure, ...] = ()
    others: Mapping[str, Any] = field(default_factory=dict)
    tariff: str | None = None
    supply: Mapping[str, int] | None = None
    limit: Figure | None = None
    port: str | None = None
    display: str | None = None
    behind: tuple[ShownBehind, ...] = ()


def shown(connection: Connection, device: int, answer: Mapping[str, Any], at: int) -> Shown:
    """Return what the answer of a command says, in words."""
    inventory = Inventory(connection)
    row = inventory.by_number([device])[device]
    children = {child.channel: child for child in inventory.children(row.dialled)}
    behind = []
    for text, found in answer.get("channels", {}).items():
        child = children.get(int(text))
        if child is None:
            continue
        refused = mismatch(child, found)
        figures = () if refused else tuple(_figure(item, at) for item in found["values"])
        behind.append(ShownBehind(child.name, child.kind, int(text), refused or mismatch(child, found, at), figures))
    values = answer.get("values", ())
    limit = answer.get("limit")
    return Shown(
        tuple(_figure(item, at) for item in values if "value" in item),
        {item["name"]: item["other"] for item in values if "other" in item},
        answer.get("tariff"),
        answer.get("supply"),
        _figure({"name": str(LIMIT), **limit}, at) if limit else None,
        answer.get("port"),
        answer.get("display"),
        tuple(behind),
    )


def _figure(item: Mapping[str, Any], at: int) -> Figure:
    unit = Unit(item["unit"])
    value = exact(item["value"], item["scaler"])
    return Figure(item["name"], value, "" if unit == 255 else unit.symbol, int(item.get("time", at)))
