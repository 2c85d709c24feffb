"""``cosem headend read``: what a device shows now, and those on its M-Bus."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cosem.cli.headend_commands import commands_of
from cosem.cli.headend_office import Office, attend, folder_option, iso, json_option, opened, shown
from cosem.cli.output import DONE, SAID_NO, json_text, note, print_json, print_table

if TYPE_CHECKING:
    from cosem.headend.commands import CommandRow
    from cosem.headend.values_now import Figure, Shown

GOOD = 60
"""Seconds a device is tried."""


@click.command("read")
@click.argument("device")
@click.argument("objects", nargs=-1, metavar="[OBIS]...")
@folder_option
@json_option
def read_command(device: str, objects: tuple[str, ...], folder: Path, as_json: bool) -> int:
    """Read what DEVICE shows now, ahead of plans, with the devices on its M-Bus, and keep it as latest values.

    Without OBIS: power, energy with its rates, voltages, currents, rate in force, limit, supply and messages. Exit
    status 1: it was not reached, or something on its M-Bus was not taken.
    """
    from cosem.headend.access import Act
    from cosem.headend.commands import OVER, CommandState, now_of

    with opened(folder, Act.READ) as office:
        commands = commands_of(office)
        with office.engine.connect() as connection:
            command = now_of(connection, device, objects)
        (asked,) = commands.ask(device, [command], office.who, not_after=office.now + GOOD)
        settled = OVER | {CommandState.UNCERTAIN}
        attend(office, lambda: commands.get(asked.id).state in settled)
        (row,) = commands.bundle(asked.bundle)
        seen = _seen(office, row)
    if as_json:
        print_json(_document(device, row, seen))
    else:
        _show(row, seen)
    return DONE if row.state == "done" and not any(item.problem for item in seen.behind) else SAID_NO


def _seen(office: Office, row: CommandRow) -> Shown:
    from cosem.headend.values_now import shown as words

    answer: dict[str, Any] = row.answer if isinstance(row.answer, dict) else {}
    with office.engine.connect() as connection:
        return words(connection, row.device, answer, row.finished or office.now)


def _document(device: str, row: CommandRow, seen: Shown) -> dict[str, Any]:
    def figure(item: Figure | None) -> dict[str, Any] | None:
        return None if item is None else asdict(item) | {"at": iso(item.at)}

    return {
        "device": device,
        "command": row.bundle,
        "state": str(row.state),
        "detail": row.detail,
        "figures": [figure(item) for item in seen.figures],
        "others": dict(seen.others),
        "tariff": seen.tariff,
        "supply": None if seen.supply is None else dict(seen.supply),
        "limit": figure(seen.limit),
        "port": seen.port,
        "display": seen.display,
        "behind": [asdict(part) | {"figures": [figure(item) for item in part.figures]} for part in seen.behind],
    }


def _show(row: CommandRow, seen: Shown) -> None:
    if row.state != "done":
        note(f"{row.state}: {row.detail}" if row.detail else str(row.state))
        return
    rows = [(item.name, item.value, item.unit, "") for item in seen.figures]
    rows += [(name, json_text(value), "", "") for name, value in seen.others.items()]
    rows += [("rate in force", seen.tariff, "", "")] if seen.tariff is not None else []
    rows += [(name.replace("_", " "), str(value), "", "") for name, value in (seen.supply or {}).items()]
    rows += [("limit", seen.limit.value, seen.limit.unit, "")] if seen.limit is not None else []
    rows += [(name, text, "", "") for name, text in (("port", seen.port), ("display", seen.display)) if text]
    for part in seen.behind:
        rows += [(f"{part.device} {item.name}", item.value, item.unit, shown(item.at)) for item in part.figures]
    print_table(("value", "", "unit", "captured"), rows, right=(1,))
    for part in seen.behind:
        if part.problem:
            note(f"{part.device}: {part.problem}")
