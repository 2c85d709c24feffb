"""The key of a device on a M-Bus: brought to it through its parent, and proved by what it says under it.

It travels wrapped under the key that the device came with; the parent is given it to open what the device sends. Which
key a device has shows when its parent asks it: only a telegram under the key that the parent has opens.
"""

from __future__ import annotations

from typing import Final

from cosem.classes.c072_mbus_client import EncryptionKeyStatus, MBusClient
from cosem.client.async_meter import AsyncMeter
from cosem.client.utility import CAPTURE, SET_KEY, TRANSFER_KEY, client_name
from cosem.codec import axdr
from cosem.errors import AccessError, ConfigError, CosemError
from cosem.headend.children import who_is
from cosem.headend.inventory import DeviceRow
from cosem.mbus.key_change import wrap

OCTETS: Final = 16
_KEY_STATUS: Final = 14
_CLASS: Final = MBusClient.class_id


class NothingSent(ConfigError):
    """Nothing of a key was sent: another meter is on the channel, or nobody."""


class NotProved(CosemError):
    """The key was sent, and the device has not shown yet that it has it."""


async def bring(meter: AsyncMeter, row: DeviceRow, key: bytes, default: bytes) -> None:
    """Transfer a key to a device and give it to its parent. Raises `NotProved` where the device says nothing under it.

    Raises `NothingSent` before anything is sent, and `AccessError` where the parent refuses.
    """
    await _check(meter, row)
    await _call(meter, row, TRANSFER_KEY, axdr.octet_string(wrap(default, key)))
    if not await _says(meter, row, key):
        raise NotProved(f"{row.name} was given the key, and nothing of it opens with that yet")


async def has(meter: AsyncMeter, row: DeviceRow, key: bytes | None) -> bool:
    """Whether what a device says opens with a key; None: whether it speaks in clear. The parent has that key then.

    Raises `NothingSent` where another meter is on the channel.
    """
    await _check(meter, row)
    return await _says(meter, row, key)


async def _says(meter: AsyncMeter, row: DeviceRow, key: bytes | None) -> bool:
    await _call(meter, row, SET_KEY, axdr.octet_string(key or b""))
    try:
        await _call(meter, row, CAPTURE, axdr.integer(0))
    except AccessError:
        return False
    (status,) = await meter.get_many([(_CLASS, client_name(_on(row)), _KEY_STATUS)])
    # Version 0 of the class has no status: there the capture has to do.
    return key is None or isinstance(status, AccessError) or status.value == EncryptionKeyStatus.ENCRYPTION_KEY_IN_USE


async def _check(meter: AsyncMeter, row: DeviceRow) -> None:
    found = await meter.run(who_is(meter.core, _on(row)))
    if found is None or (row.meter is not None and found != row.meter):
        there = "nobody" if found is None else f"{found}, not {row.meter}"
        raise NothingSent(f"channel {row.channel} of {row.parent} has {there}: no key was sent")


async def _call(meter: AsyncMeter, row: DeviceRow, method: int, parameter: axdr.Data) -> None:
    await meter.run(meter.core.call_data(_CLASS, client_name(_on(row)), method, parameter))


def _on(row: DeviceRow) -> int:
    if not row.is_child or row.channel is None:
        raise NothingSent(f"{row.name} hangs on no M-Bus: there is nobody to bring it a key")
    return row.channel
