"""``cosem headend mqtt``: what a broker would be told, without one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cosem.cli.headend_office import counted, folder_option, json_option, opened
from cosem.cli.output import DONE, note, print_json, print_table
from cosem.errors import ConfigError

if TYPE_CHECKING:
    from cosem.headend.home.meters import Meter
    from cosem.headend.home.settings import HomeSettings


@click.command("mqtt")
@click.option("--device", "name", help="Only this device, its messages in full.")
@folder_option
@json_option
def mqtt_command(name: str | None, folder: Path, as_json: bool) -> int:
    """Show what `serve` would tell the broker of headend.toml now: topics and messages. Nothing is sent.

    For each device its values with Home Assistant's class, kind of state and unit; with --device, or --json, the
    messages themselves.
    """
    from cosem.headend.access import Act
    from cosem.headend.home.messages import Told, messages, own
    from cosem.headend.home.meters import meters

    with opened(folder, Act.SEE) as office:
        settings = office.settings.home
        if settings is None:
            raise ConfigError(f"there is no table [mqtt] in {folder / 'headend.toml'}: see docs/own_tools.md")
        with office.engine.connect() as connection:
            found = meters(connection, group=settings.group)
    chosen = [meter for meter in found.values() if name in (None, meter.name)]
    if name is not None and not chosen:
        raise ConfigError(f"of {name!r} nobody is told: a device that is in use, and in the group of [mqtt]")
    told = [*([] if name else [Told(None, settings.status, b"online"), *own(settings)])]
    told += messages(settings, chosen, office.now, everybody=found.values())
    if settings.open_wire:
        note(f"the password would go to {settings.host} over an open wire: set tls = true")
    if settings.group is not None and not chosen:
        note(f"there is no device in use in a group {settings.group!r}")
    if as_json:
        print_json([_document(item) for item in told])
    elif name is not None:
        for item in told:
            click.echo(f"{item.topic} {item.payload.decode()}")
    else:
        print_table(("device", "value", "class", "state", "unit", "now"), list(_rows(settings, chosen, office.now)))
        note(f"{counted(len(chosen), 'device')}, {counted(len(told), 'message')} for {settings.host}:{settings.port}")
    return DONE


def _document(item: Any) -> dict[str, Any]:
    import json

    text = item.payload.decode()
    content = json.loads(text) if text.startswith("{") else text
    return {"topic": item.topic, "retain": item.retain, "payload": content}


def _rows(settings: HomeSettings, chosen: list[Meter], now: int) -> Any:
    from cosem.headend.home.discovery import discovery

    for meter in chosen:
        yield meter.name, "", "", "", "", "online" if meter.fresh(now, settings.fresh) else "offline"
        state = meter.state()
        for part in discovery(settings, meter)["components"].values():
            shown = state[part["value_template"].split("'")[1]]
            yield (
                "",
                part["name"],
                part.get("device_class", ""),
                part.get("state_class", ""),
                part.get("unit_of_measurement", ""),
                "" if shown is None else str(shown),
            )
