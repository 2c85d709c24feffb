"""Gas, water and heat meters on the M-Bus of what is read: who is on a channel, what it shows, what its profile is.

They are read in the association of what they hang behind. Names are kept without the channel's number (0-0:24.2.1 and
not 0-2:24.2.1): a device has the same channels wherever it is plugged in.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from cosem.classes.c004_extended_register import ExtendedRegister
from cosem.classes.c007_profile_generic import ProfileGeneric
from cosem.classes.c072_mbus_client import MBusClient
from cosem.client.core import Core
from cosem.client.table import Column
from cosem.client.utility import client_name
from cosem.codec.axdr import Data
from cosem.errors import AccessError, ConfigError, CosemError, DecodeError
from cosem.headend.reading import ProfileReading
from cosem.mbus.manufacturer import manufacturer_code
from cosem.obis import Obis
from cosem.times import CosemDateTime
from cosem.units import ScalerUnit, Unit

HOURLY, DAILY = 0, 1
"""The profiles of a channel that plans read: 0-b:24.3.0 and 0-b:24.3.1."""
VALUES: Final = range(1, 5)
"""Values of a channel that are asked for in any case; its profiles may have more."""
STALE_PERIODS: Final = 3
"""Capture periods without a new value after which a device is silent."""
STALE_SECONDS: Final = 26 * 3600
"""The same where its parent captures at no period of its own: a day, and what a clock may be off."""
COUNTING: Final = frozenset(
    {Unit.CUBIC_METRE, Unit.CUBIC_METRE_CORRECTED, Unit.LITRE, Unit.KILOGRAM, Unit.JOULE, Unit.WATT_HOUR}
)
"""Units of what only grows."""
_IDENTITY: Final = re.compile("[A-Z]{3}[0-9A-F]{8}")
_NUMBER, _MANUFACTURER, _PERIOD, _KEY_STATUS = 6, 7, 4, 14
_VALUE, _SCALER, _TIME = 2, 3, 5


@dataclass(frozen=True, slots=True)
class Child:
    """A device on a channel of its parent. `meter` is who should be there, None where nobody said.

    `since` has for each profile (`HOURLY`, `DAILY`) the end of the last interval that is known (UTC seconds).
    """

    device: int
    name: str
    channel: int
    meter: str | None = None
    since: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Present:
    """A value as it stands: a whole number of 10**scaler units, captured at `time` (UTC seconds)."""

    name: Obis
    value: int
    scaler_unit: ScalerUnit
    time: int


@dataclass(frozen=True, slots=True)
class OnChannel:
    """What is found on a channel. `meter` None: nobody is installed. `period` seconds between captures, 0: none.

    `readings` are its profiles, with the positions of columns for the numbers of channels.
    """

    meter: str | None
    period: int
    values: tuple[Present, ...] = ()
    readings: Mapping[int, ProfileReading] = field(default_factory=dict)

    @property
    def patience(self) -> int:
        """How old (seconds) the newest value of a device may be that is not silent."""
        return STALE_PERIODS * self.period if self.period else STALE_SECONDS

    def stale(self, now: float) -> int | None:
        """Return since when nothing new came of the device, if that is too long; 0 if nothing ever did."""
        newest = max((item.time for item in self.values), default=0)
        return newest if now - newest > self.patience else None


def identity(text: str) -> str:
    """Return manufacturer and number as they are compared: ELS12345678. Raises `ConfigError`."""
    found = text.replace(" ", "").upper()
    if not _IDENTITY.fullmatch(found):
        raise ConfigError(f"{text!r} is no M-Bus meter: three letters of the manufacturer, eight digits")
    return found


def profile_name(number: int, channel: int = 0) -> Obis:
    """Return the name of a channel's profile; without a channel the one that progress is kept under."""
    return Obis(bytes((0, channel, 24, 3, number, 255)))


def profiles_of(names: Sequence[str]) -> tuple[int, ...]:
    """Return which profiles of its M-Bus devices a plan with these profiles reads: the hourly one without any."""
    if not names:
        return (HOURLY,)
    octets = [bytes(Obis.parse(name)) for name in names]
    return tuple(n for n in (HOURLY, DAILY) if any(item[0] == 0 and item[2:5] == bytes((24, 3, n)) for item in octets))


def off_channel(name: Obis) -> Obis:
    """Return a name without its channel."""
    return Obis(bytes((name[0], 0, *name[2:])))


def look(core: Core, child: Child, *, zone: int) -> Generator[Any, Any, OnChannel]:
    """Read who is on the channel, what it shows, and how its profiles are laid out.

    `zone` is the deviation (minutes) of times that have none. Raises `ConfigError` where there is no such channel.
    """
    client, profiles = client_name(child.channel), tuple(child.since)
    asked: list[tuple[int, Obis, int]] = [
        (MBusClient.class_id, client, number) for number in (_NUMBER, _MANUFACTURER, _KEY_STATUS, _PERIOD)
    ]
    for number in profiles:
        asked += [(ProfileGeneric.class_id, profile_name(number, child.channel), attribute) for attribute in (3, 4)]
    answers = yield from core.read_many(asked)
    who, maker, status, period = answers[:4]
    meter = _meter(client, who, maker, status)
    every = 0 if isinstance(period, AccessError) else _whole(period, client)
    if meter is None:
        return OnChannel(None, every)
    layouts = {each: _captures(*answers[4 + 2 * at : 6 + 2 * at]) for at, each in enumerate(profiles)}
    names = {Obis(bytes((0, child.channel, 24, 2, place, 255))) for place in VALUES}
    for captures, _ in filter(None, layouts.values()):
        names |= {item.logical_name for item in captures if item.class_id == ExtendedRegister.class_id}
    values, scalers = yield from _values(core, sorted(names), zone)
    readings = {
        each: _reading(profile_name(each), layout[0], layout[1], scalers)
        for each, layout in layouts.items()
        if layout is not None
    }
    return OnChannel(meter, every, values, readings)


def who_is(core: Core, channel: int) -> Generator[Any, Any, str | None]:
    """Read who is on a channel, None where nobody is. Raises `ConfigError` where there is no such channel."""
    name = client_name(channel)
    asked = [(MBusClient.class_id, name, number) for number in (_NUMBER, _MANUFACTURER, _KEY_STATUS)]
    return _meter(name, *(yield from core.read_many(asked)))


def _meter(client: Obis, who: Data | AccessError, maker: Data | AccessError, status: Data | AccessError) -> str | None:
    if isinstance(who, AccessError) or isinstance(maker, AccessError):
        raise ConfigError(f"there is no M-Bus channel {client[1]} that may be read: {who}")
    number = _whole(who, client)
    # Version 0 of the class, which has no key status, has digits as hexadecimal ones.
    digits = f"{number:08X}" if isinstance(status, AccessError) else f"{number:08d}"
    return f"{manufacturer_code(_whole(maker, client).to_bytes(2, 'little'))}{digits}" if number else None


def _captures(objects: Data | AccessError, period: Data | AccessError) -> tuple[Sequence[Any], int] | None:
    """Return what a profile captures and how often; None where the channel has no such profile."""
    if isinstance(objects, AccessError) or isinstance(period, AccessError):
        return None
    found = ProfileGeneric.attributes[3].type.from_data(objects)
    if not isinstance(period.value, int) or period.value <= 0:
        return None
    return found, period.value


def _values(
    core: Core, names: Sequence[Obis], zone: int
) -> Generator[Any, Any, tuple[tuple[Present, ...], dict[Obis, ScalerUnit]]]:
    kind = ExtendedRegister.class_id
    answers = yield from core.read_many([(kind, name, number) for name in names for number in (_VALUE, _SCALER, _TIME)])
    found, scalers = [], {}
    for at, name in enumerate(names):
        value, scaler, time = answers[3 * at : 3 * at + 3]
        if isinstance(value, AccessError) or isinstance(scaler, AccessError) or isinstance(time, AccessError):
            continue
        try:
            scalers[name] = ExtendedRegister.attributes[_SCALER].type.from_data(scaler)
        except CosemError:
            continue
        moment = _seconds(time.value, zone)
        if isinstance(value.value, int) and not isinstance(value.value, bool) and moment is not None:
            found.append(Present(off_channel(name), value.value, scalers[name], moment))
    return tuple(found), scalers


def _seconds(octets: object, zone: int) -> int | None:
    try:
        moment = CosemDateTime.from_octets(octets).to_datetime()  # type: ignore[arg-type]
    except (CosemError, ValueError, TypeError):
        return None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=timezone(-timedelta(minutes=zone)))
    return int(moment.astimezone(UTC).timestamp())


def _reading(name: Obis, captures: Sequence[Any], period: int, scalers: Mapping[Obis, ScalerUnit]) -> ProfileReading:
    columns = tuple(Column(item, scalers.get(item.logical_name) if item.attribute_index == _VALUE else None)
                    for item in captures)  # fmt: skip
    channels = tuple(at if column.scaler_unit is not None else None for at, column in enumerate(columns))
    times = {column.obis: at for at, column in enumerate(columns) if column.is_capture_time}
    captured = tuple(
        None if channel is None else times.get(column.obis) for column, channel in zip(columns, channels, strict=True)
    )
    try:
        return ProfileReading(name, period, columns, channels, captured=captured)
    except ConfigError:
        raise DecodeError(f"{name} captures no time: nobody could tell its rows apart", 0) from None


def _whole(data: Data, name: Obis) -> int:
    if isinstance(data.value, bool) or not isinstance(data.value, int) or not 0 <= data.value < 1 << 32:
        raise DecodeError(f"{name} says {data.tag.label} where a number is expected", 0)
    return data.value


def told(at: int) -> str:
    """Return how long nothing came, for people."""
    if not at:
        return "no value of it was captured yet"
    return f"nothing new came of it since {datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%MZ}"
