"""More kinds of commands: emergency, M-Bus devices and valves, and what is read or set up now and then.

Where an object belongs to a companion profile and not to the standard, its name is a parameter with the usual default.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection

from cosem.classes.access import Access
from cosem.classes.c070_disconnect_control import ControlState
from cosem.classes.c071_limiter import EmergencyProfile, Limiter
from cosem.client.async_meter import AsyncMeter
from cosem.client.supply import NO_EMERGENCY
from cosem.client.utility import CHANNELS as MAX_CHANNELS
from cosem.client.verbs import LIMITER
from cosem.codec import axdr
from cosem.codec.axdr import Data
from cosem.codec.json import from_json, to_json
from cosem.errors import AccessError, ConfigError
from cosem.headend.children import identity, who_is
from cosem.headend.command_kind import Act, Check, Kind, Parameters
from cosem.headend.inventory import DeviceRow, Inventory
from cosem.mbus.manufacturer import manufacturer_octets
from cosem.obis import Obis, obis
from cosem.times import CosemDateTime

MAX_ROWS: Final = 5000
"""Rows of a profile in the answer of one command: plans read more."""
MAX_VALUES: Final = 5000
_BUFFERS: Final = frozenset({(7, 2), (15, 2), (12, 2), (18, 3), (61, 2)})
"""What is large: buffers, object lists, tables; and it changes while it is read."""
CHANNELS: Final = range(1, 5)
"""Channels of an electricity meter: what `mbus channels` looks at."""
STATUS_OBJECT: Final = "0-1:94.31.0.255"
"""Administrative status (in or out of use) of DSMR meters: Data, an enumeration [R]."""
CONFIGURATION_OBJECT: Final = "0-1:94.31.3.255"
"""Configuration object of DSMR meters: a structure that differs by version [R], read and written as it is."""
OUTAGES: Final = "1-0:99.97.0.255"
"""Power failure event log: long outages with their durations (DSMR; IDIS meters have it as well) [R]."""
GSM: Final = "0-0:25.6.0.255"
POWER_QUALITY: Final = "1-0:99.14.0.255"
"""Power quality profile of IDIS meters [R]; others are named."""
_GSM_NAMES: Final = {2: "operator", 3: "status", 4: "cs_attachment", 5: "ps_status", 6: "cell", 7: "adjacent_cells"}
_MBUS_NAMES: Final = {
    5: "primary_address",
    6: "identification_number",
    7: "manufacturer_id",
    8: "version",
    9: "device_type",
    11: "status",
    12: "alarm",
    14: "encryption_key_status",
}


# --- emergency ------------------------------------------------------------------------------------------------------


def emergency_of(given: Parameters) -> tuple[str, Data]:
    """Return the limiter's name and the profile as it is written: the same octets by broadcast and to one device."""
    return str(given.get("limiter", LIMITER)), Limiter.attributes[8].type.to_data(_profile(given))


def _profile(given: Parameters) -> EmergencyProfile:
    moment = datetime.fromisoformat(given["at"])
    if moment.tzinfo is None:
        raise ConfigError("at has a zone, as in 2026-11-01T18:00:00+01:00")
    if not 0 <= given["id"] <= 0xFFFF or not 0 <= given["seconds"] <= 0xFFFFFFFF:
        raise ConfigError("id has 16 bits, seconds 32")
    return EmergencyProfile(given["id"], CosemDateTime.from_datetime(moment), given["seconds"])


async def _written_profile(meter: AsyncMeter, name: str) -> Data:
    return await meter.run(meter.core.get_data(71, obis(name), 8))


async def _emergency(meter: AsyncMeter, given: Parameters) -> Any:
    name, profile = emergency_of(given)
    heard = await _written_profile(meter, name) == profile
    options = {name: given[name] for name in ("emergency",) if name in given}
    groups = tuple(given["groups"]) if "groups" in given else None
    if not heard or options or groups is not None:
        written = None if heard else _profile(given)
        found = await meter.limit(name=name, groups=groups, profile=written, **options)
    else:
        found = await meter.limit(name=name)
    return {
        "by": "broadcast" if heard else "device",
        "active": found.emergency_active,
        "in_group": given["id"] in found.groups,
        "threshold": str(found.active),
    }


async def _emergency_there(meter: AsyncMeter, given: Parameters) -> bool:
    name, profile = emergency_of(given)
    return await _written_profile(meter, name) == profile


async def _end_emergency(meter: AsyncMeter, given: Parameters) -> Any:
    found = await meter.limit(name=given.get("limiter", LIMITER), profile=NO_EMERGENCY)
    return {"active": found.emergency_active, "threshold": str(found.active)}


async def _emergency_over(meter: AsyncMeter, given: Parameters) -> bool:
    data = await meter.run(meter.core.get_data(71, obis(given.get("limiter", LIMITER)), 10))
    return data.value is False


# --- M-Bus devices and valves ---------------------------------------------------------------------------------------


def _channel(given: Parameters) -> int:
    if not 1 <= given["channel"] <= MAX_CHANNELS:
        raise ConfigError(f"a channel is 1 to {MAX_CHANNELS}")
    return int(given["channel"])


def _client(given: Parameters) -> Obis:
    return _on_channel(given, "24.1.0.255")


def _valve(given: Parameters) -> Obis:
    return _on_channel(given, "24.4.0.255")


def _on_channel(given: Parameters, usual: str) -> Obis:
    """Return the object of the channel; another one may be named, but not another channel's."""
    channel = _channel(given)
    name = obis(given.get("object", f"0-{channel}:{usual}"))
    if (name[0], name[1]) != (0, channel):
        raise ConfigError(f"{name} is no object of channel {channel}")
    return name


async def _close_valve(meter: AsyncMeter, given: Parameters) -> Any:
    return {"control_state": ControlState((await meter.disconnect(_valve(given))).control_state).name.lower()}


async def _valve_closed(meter: AsyncMeter, given: Parameters) -> bool:
    return (await meter.supply(_valve(given))).control_state == ControlState.DISCONNECTED


async def _open_valve(meter: AsyncMeter, given: Parameters) -> Any:
    return {"control_state": ControlState((await meter.reconnect(_valve(given))).control_state).name.lower()}


async def _valve_open(meter: AsyncMeter, given: Parameters) -> bool:
    return (await meter.supply(_valve(given))).control_state != ControlState.DISCONNECTED


def _mbus(method: int, parameter: Data) -> Act:
    async def act(meter: AsyncMeter, given: Parameters) -> Any:
        await meter.run(meter.core.call_data(72, _client(given), method, parameter))
        return await _read_named(meter, 72, _client(given), _MBUS_NAMES)

    return act


async def _install(meter: AsyncMeter, given: Parameters) -> Any:
    """Install who is asked for, or whoever is there; another one than was asked for is given up again.

    A device by radio is one of many that are heard: its identity is written first.
    """
    channel, wanted = _channel(given), given.get("meter")
    if "device_type" in given:
        if wanted is None:
            raise ConfigError("a device by radio is installed by its manufacturer and number: meter")
        await _write_identity(meter, given, wanted)
    answer = await _mbus(1, axdr.unsigned(given.get("address", 0)))(meter, given)
    found = await meter.run(who_is(meter.core, channel))
    if wanted is not None and found != identity(wanted):
        await meter.run(meter.core.call_data(72, _client(given), 2, axdr.integer(0)))
        raise ConfigError(f"{found or 'nobody'} was found, not {identity(wanted)}: given up again")
    return {**answer, "meter": found}


async def _write_identity(meter: AsyncMeter, given: Parameters, wanted: str) -> None:
    name, text = _client(given), identity(wanted)
    (status,) = await meter.get_many([(72, name, 14)])
    number = int(text[3:], 16 if isinstance(status, AccessError) else 10)
    values = {
        6: axdr.double_long_unsigned(number),
        7: axdr.long_unsigned(int.from_bytes(manufacturer_octets(text[:3]), "little")),
        8: axdr.unsigned(given.get("version", 0)),
        9: axdr.unsigned(given["device_type"]),
    }
    for attribute, value in values.items():
        await meter.run(meter.core.set_data(72, name, attribute, value))


async def _installed(meter: AsyncMeter, given: Parameters) -> bool:
    found = await meter.run(who_is(meter.core, _channel(given)))
    return found is not None and ("meter" not in given or found == identity(given["meter"]))


def _keep_installed(connection: Connection, row: DeviceRow, answer: Any, now: int) -> None:
    """Keep who was installed, where the inventory did not say who that should be."""
    if row.is_child and answer.get("meter"):
        Inventory(connection).keep_meter(row.id, answer["meter"], now)


def _verify_install(given: Parameters) -> None:
    _client(given)
    bytes([given.get("address", 0), given.get("version", 0), given.get("device_type", 0)])
    if "meter" in given:
        identity(given["meter"])


async def _address(meter: AsyncMeter, given: Parameters) -> int:
    value = (await meter.run(meter.core.get_data(72, _client(given), 5))).value
    return value if isinstance(value, int) else 0


async def _deinstalled(meter: AsyncMeter, given: Parameters) -> bool:
    return await _address(meter, given) == 0


async def _mbus_channels(meter: AsyncMeter, given: Parameters) -> Any:
    found = {}
    for channel in CHANNELS:
        found[str(channel)] = await _read_named(meter, 72, obis(f"0-{channel}:24.1.0.255"), _MBUS_NAMES)
    return found


# --- what is read ---------------------------------------------------------------------------------------------------


async def _read_named(meter: AsyncMeter, class_id: int, name: Obis, names: Mapping[int, str]) -> dict[str, Any]:
    """Return attributes by what they are called; what the meter does not have is left out."""
    answers = await meter.get_many([(class_id, name, number) for number in names])
    return {
        called: to_json(answer)
        for called, answer in zip(names.values(), answers, strict=True)
        if not isinstance(answer, AccessError)
    }


async def _diagnostic(meter: AsyncMeter, given: Parameters) -> Any:
    found = await _read_named(meter, 47, obis(given.get("object", GSM)), _GSM_NAMES)
    if not found:
        raise ConfigError("the device has no GSM diagnostic (class 47) there")
    return found


async def _firmware(meter: AsyncMeter, given: Parameters) -> Any:
    from cosem.headend.firmware import running_version

    found = {str(place): await running_version(meter, f"1-{place}:0.2.0.255") for place in range(3)}
    return {place: version for place, version in found.items() if version is not None}


def _moments(given: Parameters) -> tuple[datetime | None, datetime | None]:
    first, last = (datetime.fromisoformat(given[name]) if name in given else None for name in ("from", "to"))
    if any(moment is not None and moment.tzinfo is None for moment in (first, last)):
        raise ConfigError("from and to have a zone, as in 2026-11-01T00:00:00Z")
    return first, last


async def _read_profile(meter: AsyncMeter, given: Parameters) -> Any:
    first, last = _moments(given)
    table = await meter.profile(given["name"], first, last)
    rows = table.rows[-given["last"] :] if given.get("last") else table.rows
    if len(rows) > MAX_ROWS:
        raise ConfigError(f"{len(rows)} rows are more than one command answers ({MAX_ROWS}): narrow it by from and to")
    return {"columns": [column.name for column in table.columns], "rows": [table.text(row) for row in rows]}


async def _outages(meter: AsyncMeter, given: Parameters) -> Any:
    return await _read_profile(meter, {"name": OUTAGES, **given})


async def _power_quality(meter: AsyncMeter, given: Parameters) -> Any:
    return await _read_profile(meter, {"name": POWER_QUALITY, **given})


async def _events(meter: AsyncMeter, given: Parameters) -> Any:
    first, last = _moments(given)
    found = await meter.read_events(
        first, last, groups=tuple(given.get("groups", ())), companion=given.get("companion", "idis")
    )
    rows = found[-MAX_ROWS:]
    return [{"time": str(item.time), "group": item.group, "code": item.code, "words": item.words} for item in rows]


async def _alarms(meter: AsyncMeter, given: Parameters) -> Any:
    return [
        {"name": str(item.name), "value": item.value, "words": list(item.words)}
        for item in await meter.alarms(companion=given.get("companion", "idis"))
    ]


async def _objects(meter: AsyncMeter, given: Parameters) -> Any:
    found = await meter.objects()
    return [[item.class_id, item.version, str(item.logical_name)] for item in found.values()]


async def _all_values(meter: AsyncMeter, given: Parameters) -> Any:
    """Read every attribute that may be read, buffers of profiles left out: plans read those."""
    targets = [
        (item.class_id, item.logical_name, right.attribute_id)
        for item in (await meter.objects()).values()
        if item.access_rights is not None
        for right in item.access_rights.attribute_access
        if right.access & Access.READ and (item.class_id, right.attribute_id) not in _BUFFERS
    ]
    if len(targets) > MAX_VALUES:
        raise ConfigError(f"{len(targets)} attributes are more than one command answers ({MAX_VALUES}): read some")
    answers = await meter.get_many(targets)
    return [
        [class_id, str(name), number, {"error": str(answer)} if isinstance(answer, AccessError) else to_json(answer)]
        for (class_id, name, number), answer in zip(targets, answers, strict=True)
    ]


# --- what is set up -------------------------------------------------------------------------------------------------


def _setting(class_id: int, attribute: int, name: str, make: Any) -> tuple[Act, Check]:
    """Return what writes one attribute (where a value is given) and reads it, and what sees that it took effect."""

    async def act(meter: AsyncMeter, given: Parameters) -> Any:
        where = obis(given.get("object", name))
        value = make(given)
        if value is not None:
            await meter.run(meter.core.set_data(class_id, where, attribute, value))
        return to_json(await meter.run(meter.core.get_data(class_id, where, attribute)))

    async def seen(meter: AsyncMeter, given: Parameters) -> bool:
        value = make(given)
        found = await meter.run(meter.core.get_data(class_id, obis(given.get("object", name)), attribute))
        return value is None or found == value

    return act, seen


def _status_value(given: Parameters) -> Data | None:
    if "status" in given and not 0 <= given["status"] <= 255:
        raise ConfigError("the status is 0 (not defined), 1 (off) or 2 (on)")
    return axdr.enum(given["status"]) if "status" in given else None


def _configuration_value(given: Parameters) -> Data | None:
    return from_json(given["value"]) if "value" in given else None


def _randomisation_value(given: Parameters) -> Data | None:
    if not 0 <= given["seconds"] <= 0xFFFF:
        raise ConfigError("seconds are 0 to 65535")
    return axdr.long_unsigned(given["seconds"])


def _filter_name(given: Parameters) -> Obis:
    if given["register"] not in (1, 2, 3):
        raise ConfigError("a register is 1, 2 or 3")
    if not 0 <= given["value"] <= 0xFFFFFFFF:
        raise ConfigError("a filter has 32 bits")
    return obis(f"0-0:97.98.{9 + given['register']}.255")


async def _alarm_filter(meter: AsyncMeter, given: Parameters) -> Any:
    value = axdr.double_long_unsigned(given["value"])
    await meter.run(meter.core.set_data(1, _filter_name(given), 2, value))


async def _filter_there(meter: AsyncMeter, given: Parameters) -> bool:
    found = await meter.run(meter.core.get_data(1, _filter_name(given), 2))
    return bool(found.value == given["value"])


def _clock_values(given: Parameters) -> dict[int, Data]:
    made: dict[int, Data] = {}
    if "zone" in given:
        if not -720 <= given["zone"] <= 840:
            raise ConfigError("the zone is -720 to 840 minutes from local time to UTC")
        made[3] = axdr.long(given["zone"])
    for number, name in ((5, "begin"), (6, "end")):
        if name in given:
            octets = bytes.fromhex(given[name])
            CosemDateTime.from_octets(octets)
            made[number] = axdr.octet_string(octets)
    if "deviation" in given:
        if not -120 <= given["deviation"] <= 120:
            raise ConfigError("the deviation is -120 to 120 minutes")
        made[7] = axdr.integer(given["deviation"])
    if "enabled" in given:
        made[8] = axdr.boolean(given["enabled"])
    if not made:
        raise ConfigError("nothing of the clock is given")
    return made


async def _clock_setup(meter: AsyncMeter, given: Parameters) -> Any:
    name = meter.core.options.clock
    for number, value in _clock_values(given).items():
        await meter.run(meter.core.set_data(8, name, number, value))


async def _clock_set_up(meter: AsyncMeter, given: Parameters) -> bool:
    name = meter.core.options.clock
    for number, value in _clock_values(given).items():
        found = await meter.run(meter.core.get_data(8, name, number))
        if found.value != value.value:
            return False
    return True


def _columns(given: Parameters) -> Data:
    rows = []
    for item in given["columns"]:
        class_id, name, attribute, index = item
        rows.append(
            axdr.structure(
                axdr.long_unsigned(class_id),
                axdr.octet_string(bytes(obis(name))),
                axdr.integer(attribute),
                axdr.long_unsigned(index),
            )
        )
    if not 1 <= len(rows) <= 100:
        raise ConfigError("a profile has 1 to 100 columns: [class, logical name, attribute, index]")
    return axdr.array(*rows)


async def _load_profile(meter: AsyncMeter, given: Parameters) -> Any:
    name = obis(given["name"])
    if "period" in given:
        await meter.run(meter.core.set_data(7, name, 4, axdr.double_long_unsigned(given["period"])))
    await meter.run(meter.core.set_data(7, name, 3, _columns(given)))


async def _load_profile_there(meter: AsyncMeter, given: Parameters) -> bool:
    found = await meter.run(meter.core.get_data(7, obis(given["name"]), 3))
    period = await meter.run(meter.core.get_data(7, obis(given["name"]), 4))
    return found == _columns(given) and given.get("period", period.value) == period.value


_WHEN: Final[Mapping[str, type | tuple[type, ...]]] = {"from": str, "to": str, "last": int}
_MBUS: Final[Mapping[str, type | tuple[type, ...]]] = {"channel": int, "object": str}
_NEEDS: Final = ("channel",)
_STATUS, _STATUS_SEEN = _setting(1, 2, STATUS_OBJECT, _status_value)
_CONFIGURATION, _CONFIGURATION_SEEN = _setting(1, 2, CONFIGURATION_OBJECT, _configuration_value)
_RANDOMISATION, _RANDOMISATION_SEEN = _setting(40, 5, "0-0:25.9.0.255", _randomisation_value)


def _only_utc(given: Parameters) -> object:
    return _moments(given)[0] or datetime.now(UTC)


MORE: Final = (
    Kind("emergency", "let an emergency threshold hold from a time on; told to all at once where the network can",
         {"id": int, "at": str, "seconds": int, "emergency": (int, float), "groups": list, "limiter": str},
         _emergency, _emergency_there, True, True, ("id", "at", "seconds"), emergency_of),
    Kind("end emergency", "let no emergency threshold hold any more", {"limiter": str}, _end_emergency,
         _emergency_over, True, True),
    Kind("close valve", "close the valve of an M-Bus channel", _MBUS, _close_valve, _valve_closed, True, True, _NEEDS,
         _valve),
    Kind("open valve", "open the valve of an M-Bus channel, or make it ready", _MBUS, _open_valve, _valve_open, True,
         True, _NEEDS, _valve),
    Kind("mbus install", "install an M-Bus device at a channel",
         {**_MBUS, "address": int, "meter": str, "version": int, "device_type": int}, _install, _installed, True,
         required=_NEEDS, verify=_verify_install, keep=_keep_installed, stranger=True),
    Kind("mbus deinstall", "give up the M-Bus device of a channel", _MBUS, _mbus(2, axdr.integer(0)), _deinstalled,
         True, True, _NEEDS, _client),
    Kind("mbus capture", "capture values of an M-Bus device now", _MBUS, _mbus(3, axdr.integer(0)), repeatable=True,
         required=_NEEDS, verify=_client),
    Kind("mbus reset alarm", "reset the alarm of an M-Bus device", _MBUS, _mbus(4, axdr.integer(0)), repeatable=True,
         required=_NEEDS, verify=_client),
    Kind("mbus clock", "set the clock of an M-Bus device", _MBUS, _mbus(5, axdr.integer(0)), repeatable=True,
         required=_NEEDS, verify=_client),
    Kind("mbus channels", "read what is at the M-Bus channels", {}, _mbus_channels, repeatable=True),
    Kind("read profile", "read rows of a profile as text", {"name": str, **_WHEN}, _read_profile, repeatable=True,
         required=("name",), verify=lambda given: (obis(given["name"]), _moments(given))),
    Kind("power quality", "read the power quality profile", {"name": str, **_WHEN}, _power_quality, repeatable=True,
         verify=_only_utc),
    Kind("outages", "read the log of long power failures", {"name": str, **_WHEN}, _outages, repeatable=True,
         verify=_only_utc),
    Kind("events", "read the event logs", {"groups": list, "companion": str, "from": str, "to": str}, _events,
         repeatable=True, verify=_only_utc),
    Kind("alarms", "read the alarm registers", {"companion": str}, _alarms, repeatable=True),
    Kind("alarm filter", "say which bits of an alarm register count", {"register": int, "value": int}, _alarm_filter,
         _filter_there, True, required=("register", "value"), verify=_filter_name),
    Kind("diagnostic", "read what the mobile network tells the modem", {"object": str}, _diagnostic, repeatable=True),
    Kind("firmware version", "read which firmware runs", {}, _firmware, repeatable=True),
    Kind("objects", "read the list of objects", {}, _objects, repeatable=True),
    Kind("all values", "read every attribute that may be read", {}, _all_values, repeatable=True),
    Kind("administrative status", "read whether the device is in use, or say so", {"status": int, "object": str},
         _STATUS, _STATUS_SEEN, True, verify=_status_value),
    Kind("configuration object", "read the configuration object, or write it", {"value": dict, "object": str},
         _CONFIGURATION, _CONFIGURATION_SEEN, True, verify=_configuration_value),
    Kind("randomisation", "say how far pushes are spread", {"seconds": int, "object": str}, _RANDOMISATION,
         _RANDOMISATION_SEEN, True, required=("seconds",), verify=_randomisation_value),
    Kind("clock setup", "set the zone and daylight saving of the clock",
         {"zone": int, "begin": str, "end": str, "deviation": int, "enabled": bool}, _clock_setup, _clock_set_up, True,
         verify=_clock_values),
    Kind("load profile", "say what a load profile captures", {"name": str, "columns": list, "period": int},
         _load_profile, _load_profile_there, True, True, ("name", "columns"),
         lambda given: (obis(given["name"]), _columns(given))),
)  # fmt: skip
"""The kinds of this file."""
