"""Devices on the M-Bus of a meter as conversations: read what stands on its channels, install, capture, change keys."""

from __future__ import annotations

from collections.abc import Generator
from decimal import Decimal
from typing import Any, Final, NamedTuple

from cosem.association.steps import Step
from cosem.classes.c004_extended_register import ExtendedRegister
from cosem.classes.c072_mbus_client import EncryptionKeyStatus, MBusClient, MBusClientV0
from cosem.client.core import Core
from cosem.client.supply import Supply, attributes, supply
from cosem.codec import axdr
from cosem.codec.axdr import Data
from cosem.errors import ConfigError
from cosem.mbus.key_change import wrap, wrap_counted
from cosem.mbus.keys import KEY_LENGTH
from cosem.mbus.manufacturer import manufacturer_code
from cosem.mbus.media import medium_name
from cosem.mbus.wireless import Address
from cosem.obis import Obis
from cosem.times import CosemDateTime
from cosem.units import ScalerUnit, Unit

INSTALL, DEINSTALL, CAPTURE, RESET_ALARM, SYNCHRONIZE, SET_KEY, TRANSFER_KEY = 1, 2, 3, 4, 5, 7, 8
CHANNELS: Final = 64
_PERIOD: Final = 4
_NO_UNIT: Final = ScalerUnit()


class UtilityValue(NamedTuple):
    """One captured value: exact, in `unit`; text and octets as they are, None where there was none yet.

    `time` is the device's own where it sent one.
    """

    name: Obis
    value: Decimal | str | bytes | None
    unit: Unit
    status: int
    time: CosemDateTime


class UtilityDevice(NamedTuple):
    """A channel and the device on it. `number` is empty where there is none; `key_status` None in version 0."""

    channel: int
    number: str
    manufacturer: str
    version: int
    device_type: int
    primary_address: int
    access_number: int
    status: int
    alarm: int
    capture_period: int
    key_status: EncryptionKeyStatus | None
    values: tuple[UtilityValue, ...]
    valve: Supply | None

    @property
    def medium(self) -> str:
        """Return what is measured, in words."""
        return medium_name(self.device_type)

    @property
    def address(self) -> Address:
        """Return the device's address on the M-Bus."""
        return Address.of(self.manufacturer, self.number, self.version, self.device_type)


def client_name(channel: int) -> Obis:
    """Return the name of a channel's M-Bus client. Raises `ConfigError` for a channel that no meter has."""
    if not 1 <= channel <= CHANNELS:
        raise ConfigError(f"{channel} is no M-Bus channel: 1 to {CHANNELS}")
    return Obis(bytes((0, channel, 24, 1, 0, 255)))


def utility_devices(core: Core) -> Generator[Step, Any, list[UtilityDevice]]:
    """Read every channel of the meter's M-Bus."""
    objects = yield from core.object_list()
    found = []
    for name, item in objects.items():
        if item.class_id == MBusClient.class_id and name[2:5] == b"\x18\x01\x00":
            found.append((yield from _device(core, name[1], item.version, set(objects))))
    return sorted(found)


def utility_device(core: Core, channel: int) -> Generator[Step, Any, UtilityDevice]:
    """Read one channel of the meter's M-Bus. Raises `ConfigError` where there is none."""
    objects = yield from core.object_list()
    item = objects.get(client_name(channel))
    if item is None:
        raise ConfigError(f"this meter has no M-Bus channel {channel}")
    return (yield from _device(core, channel, item.version, set(objects)))


def _device(core: Core, channel: int, version: int, objects: set[Obis]) -> Generator[Step, Any, UtilityDevice]:
    kind = MBusClient if version else MBusClientV0
    numbers = [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, *((14,) if version else ())]
    answers = yield from attributes(core, kind(client_name(channel)), numbers)
    found = {number: value for number, (_, value) in zip(numbers, answers, strict=True)}
    number = found[6]
    bound = bool(number)
    names = [Obis(bytes((0, channel, 24, 2, place, 255))) for place in range(1, len(found[3]) + 1)]
    values = []
    for name in names if bound else ():
        if name in objects:
            values.append((yield from _value(core, name)))
    valve = Obis(bytes((0, channel, 24, 4, 0, 255)))
    state = (yield from supply(core, valve)) if bound and valve in objects else None
    return UtilityDevice(
        channel,
        (f"{number:08d}" if version else f"{number:08X}") if bound else "",
        manufacturer_code(found[7].to_bytes(2, "little")) if bound else "",
        found[8],
        found[9],
        found[5],
        found[10],
        found[11],
        found[12],
        found[4],
        found.get(14),
        tuple(values),
        state,
    )


def _value(core: Core, name: Obis) -> Generator[Step, Any, UtilityValue]:
    obj = ExtendedRegister(name)
    (raw, _), (_, scaler_unit), (_, status), (_, time) = yield from attributes(core, obj, (2, 3, 4, 5))
    unit = scaler_unit or _NO_UNIT
    return UtilityValue(name, _shown(raw, unit), unit.unit, status if isinstance(status, int) else 0, time)


def _shown(raw: Data, unit: ScalerUnit) -> Decimal | str | bytes | None:
    value = raw.value
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float)):
        return unit.quantity(value).value
    return value if isinstance(value, (str, bytes)) else None


# --- doing --------------------------------------------------------------------------------------------------------


def install_utility(
    core: Core, channel: int, address: int = 0, *, every: int | None = None
) -> Generator[Step, Any, UtilityDevice]:
    """Install the device at address 0, which gets `address` (0: the next free one); capture it `every` some seconds."""
    yield from _call(core, channel, INSTALL, axdr.unsigned(address))
    if every is not None:
        yield from core.set_data(MBusClient.class_id, client_name(channel), _PERIOD, axdr.double_long_unsigned(every))
    return (yield from utility_device(core, channel))


def order_utility(core: Core, channel: int, method: int) -> Generator[Step, Any, UtilityDevice]:
    """Invoke a method without a parameter: `DEINSTALL`, `CAPTURE`, `RESET_ALARM` or `SYNCHRONIZE`."""
    yield from _call(core, channel, method, axdr.integer(0))
    return (yield from utility_device(core, channel))


def change_utility_key(
    core: Core, channel: int, key: bytes, default_key: bytes | None = None, *, counter: int | None = None
) -> Generator[Step, Any, UtilityDevice]:
    """Give a device a new key: transferred first, wrapped under its default key, then set on the meter's side.

    Without `default_key` it is set only: the device has it already. With a `counter`, which grows from change to
    change, it travels in the form that proves itself. Raises `AccessError` where the meter refuses.
    """
    if len(key) != KEY_LENGTH:
        raise ConfigError(f"an M-Bus key has {KEY_LENGTH} octets, not {len(key)}")
    if default_key is not None:
        wrapped = wrap(default_key, key)
        if counter is not None:
            device = yield from utility_device(core, channel)
            wrapped = wrap_counted(default_key, key, device.address, counter)
        yield from _call(core, channel, TRANSFER_KEY, axdr.octet_string(wrapped))
    yield from _call(core, channel, SET_KEY, axdr.octet_string(key))
    return (yield from utility_device(core, channel))


def _call(core: Core, channel: int, method: int, parameter: Data) -> Generator[Step, Any, None]:
    yield from core.call_data(MBusClient.class_id, client_name(channel), method, parameter)
