"""``cosem utility``: the gas, water and heat meters on the M-Bus of an electricity meter."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cosem.cli.meter import connected, meter_options
from cosem.cli.output import DONE, print_json, print_table, printable
from cosem.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cosem.client.utility import UtilityDevice, UtilityValue

_channel = click.IntRange(1, 64)
_KEY_DIGITS = 32


@click.command("utility")
@click.argument("url")
@click.argument("channel", type=_channel, required=False)
@click.option("--install", is_flag=True, help="Install the device that is at address 0 on this channel.")
@click.option("--address", type=click.IntRange(0, 250), default=0, metavar="N", help="Its address; the next free one.")
@click.option("--every", type=click.IntRange(0, 86400), metavar="S", help="Capture it every so many seconds.")
@click.option("--remove", is_flag=True, help="Give the device up.")
@click.option("--capture", is_flag=True, help="Read the device now.")
@click.option("--reset-alarm", is_flag=True, help="Forget its alarms.")
@click.option("--set-clock", is_flag=True, help="Set its clock to the meter's.")
@click.option("--new-key", type=click.Path(path_type=Path), metavar="FILE", help="Give it the key in this file (hex).")
@click.option(
    "--default-key",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The key it came with, to wrap the new one; without it the device has the new one already.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@meter_options
def utility_command(
    url: str,
    channel: int | None,
    install: bool,
    address: int,
    every: int | None,
    remove: bool,
    capture: bool,
    reset_alarm: bool,
    set_clock: bool,
    new_key: Path | None,
    default_key: Path | None,
    as_json: bool,
    **options: Any,
) -> int:
    """List what stands on the M-Bus channels of a meter, or do something with one of them.

    Valves are opened and closed with cosem disconnect and reconnect and the name of the object, 0-CHANNEL:24.4.0.
    """
    from cosem.client.utility import CAPTURE, DEINSTALL, RESET_ALARM, SYNCHRONIZE, order_utility

    asked = [install, remove, capture, reset_alarm, set_clock, new_key is not None]
    if sum(asked) > 1:
        raise ConfigError("one thing at a time: install, remove, capture, reset-alarm, set-clock or new-key")
    if any(asked) and channel is None:
        raise ConfigError("on which channel? write its number behind the URL")
    if (every is not None or address) and not install:
        raise ConfigError("--address and --every belong to --install")
    if default_key is not None and new_key is None:
        raise ConfigError("--default-key belongs to --new-key")
    keys = [None if path is None else _key(path) for path in (new_key, default_key)]
    with connected(url, **options) as meter:
        if channel is None or not any(asked):
            found = [device for device in meter.mbus_devices() if channel in (None, device.channel)]
            if channel is not None and not found:
                raise ConfigError(f"this meter has no M-Bus channel {channel}")
        elif install:
            found = [meter.install_mbus(channel, address, every=every)]
        elif keys[0] is not None:
            found = [meter.change_mbus_key(channel, keys[0], keys[1])]
        else:
            methods = (DEINSTALL, CAPTURE, RESET_ALARM, SYNCHRONIZE)
            method = next(number for number, wanted in zip(methods, asked[1:5], strict=True) if wanted)
            found = [meter.run(order_utility(meter.core, channel, method))]
    if as_json:
        print_json([_document(device) for device in found])
    else:
        _table(found)
    return DONE


def _key(path: Path) -> bytes:
    try:
        text = path.read_bytes()[:256].strip()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    if len(text) != _KEY_DIGITS or not all(digit in b"0123456789abcdefABCDEF" for digit in text):
        raise ConfigError(f"{path} holds no M-Bus key: {_KEY_DIGITS} hex digits")
    return bytes.fromhex(text.decode("ascii"))


def _document(device: UtilityDevice) -> dict[str, Any]:
    from cosem.classes.words import enum_words

    valve = device.valve
    return {
        "channel": device.channel,
        "number": device.number or None,
        "manufacturer": device.manufacturer or None,
        "version": device.version,
        "device_type": device.device_type,
        "medium": device.medium if device.number else None,
        "primary_address": device.primary_address,
        "access_number": device.access_number,
        "status": device.status,
        "alarm": device.alarm,
        "capture_period": device.capture_period,
        "key": None if device.key_status is None else enum_words(device.key_status),
        "valve": None if valve is None else enum_words(valve.control_state),
        "values": [
            {
                "name": str(value.name),
                "value": _plain(value),
                "unit": value.unit.symbol,
                "status": value.status,
                "time": value.time.isoformat(),
            }
            for value in device.values
        ],
    }


def _plain(value: UtilityValue) -> str | None:
    found = value.value
    if isinstance(found, Decimal):
        return f"{found:f}"
    return found.hex() if isinstance(found, bytes) else found


def _table(found: Sequence[UtilityDevice]) -> None:
    """Print a line for each value; of a device without one, and of an empty channel, one."""
    from cosem.classes.words import enum_words
    from cosem.mbus.header import status_words

    rows: list[tuple[str, ...]] = []
    for device in found:
        if not device.number:
            rows.append((str(device.channel), "", "", "", "", "", ""))
            continue
        who = (str(device.channel), f"{device.manufacturer}{device.number}", device.medium)
        state = ", ".join(status_words(device.status)) or "ok"
        if device.key_status:
            state += f", {enum_words(device.key_status)}"
        if device.valve is not None and device.valve.control_state != 1:
            state += f", valve {enum_words(device.valve.control_state)}"
        values = [
            (str(value.name), f"{_plain(value) or ''} {value.unit.symbol}".strip(), value.time.isoformat())
            for value in device.values
        ] or [("", "", "")]
        for number, value in enumerate(values):
            rows.append((*(who if not number else ("", "", "")), *value, state if not number else ""))
    header = ("channel", "device", "medium", "object", "value", "time", "state")
    print_table(header, [tuple(printable(cell) for cell in row) for row in rows])
