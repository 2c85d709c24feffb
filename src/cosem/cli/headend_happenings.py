"""``cosem headend alarms`` and ``events``: what happened, and who has looked at it."""

from __future__ import annotations

from pathlib import Path

import click

from cosem.cli.headend_office import folder_option, iso, json_option, opened, shown
from cosem.cli.output import DONE, print_json, print_table
from cosem.errors import ConfigError

limit_option = click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)


@click.group("alarms")
def alarms_command() -> None:
    """What somebody should look at."""


@alarms_command.command("list")
@click.option("--all", "everything", is_flag=True, help="Acknowledged ones too.")
@click.option("--fraud", is_flag=True, help="Only what speaks of somebody's doing.")
@click.option("--device", help="Those of one device.")
@limit_option
@folder_option
@json_option
def list_command(everything: bool, fraud: bool, device: str | None, limit: int, folder: Path, as_json: bool) -> int:
    """List open alarms, the newest first."""
    from cosem.headend.access import Act
    from cosem.headend.happenings import AlarmState, alarms
    from cosem.headend.inventory import Inventory

    with opened(folder, Act.SEE) as office, office.engine.connect() as connection:
        rows = alarms(
            connection,
            limit=limit,
            state=None if everything else AlarmState.OPEN,
            fraud=True if fraud else None,
            device_number=None if device is None else Inventory(connection).get(device).id,
        )
    if as_json:
        print_json(
            [
                {
                    "id": row.id,
                    "device": row.name,
                    "kind": row.kind,
                    "fraud": row.fraud,
                    "first": iso(row.first),
                    "last": iso(row.last),
                    "count": row.count,
                    "state": str(row.state),
                    "acknowledged_by": row.acknowledged_by,
                }
                for row in rows
            ]
        )
        return DONE
    print_table(
        ("alarm", "device", "what", "fraud", "first", "last", "times", "state"),
        [
            (
                row.id,
                row.name,
                row.kind,
                "yes" if row.fraud else "",
                shown(row.first),
                shown(row.last),
                row.count,
                f"{row.state} by {row.acknowledged_by}" if row.acknowledged_by else row.state,
            )
            for row in rows
        ],
        right=(0, 6),
    )
    return DONE


@alarms_command.command("ack")
@click.argument("numbers", nargs=-1, type=int)
@click.option("--device", help="Every open alarm of a device.")
@folder_option
def ack_command(numbers: tuple[int, ...], device: str | None, folder: Path) -> int:
    """Acknowledge alarms by their numbers, or those of a device."""
    from cosem.headend.access import Act
    from cosem.headend.happenings import AlarmState, acknowledge, alarms
    from cosem.headend.inventory import Inventory

    if bool(numbers) == (device is not None):
        raise ConfigError("name alarms by their numbers, or a device by --device")
    with opened(folder, Act.ACKNOWLEDGE) as office, office.engine.begin() as connection:
        chosen = list(numbers)
        if device is not None:
            number = Inventory(connection).get(device).id
            rows = alarms(connection, limit=1000, state=AlarmState.OPEN, device_number=number)
            chosen = [row.id for row in rows]
        count = acknowledge(connection, chosen, office.who, office.now)
    click.echo(f"{count} acknowledged")
    return DONE


@click.command("events")
@click.argument("device", required=False)
@limit_option
@folder_option
@json_option
def events_command(device: str | None, limit: int, folder: Path, as_json: bool) -> int:
    """List what happened at a device, or at all of them, the newest first."""
    from cosem.headend.access import Act
    from cosem.headend.exports import names_of
    from cosem.headend.happenings import events
    from cosem.headend.inventory import Inventory

    with opened(folder, Act.SEE) as office, office.engine.connect() as connection:
        number = None if device is None else Inventory(connection).get(device).id
        rows = events(connection, device_number=number, limit=limit)
        names = names_of(connection)
    if as_json:
        print_json(
            [
                {
                    **row,
                    "device": names[row["device"]],
                    "at": iso(row["at"]),
                    "received": iso(row["received"]),
                }
                for row in rows
            ]
        )
        return DONE
    print_table(
        ("time", "device", "log", "code", "what happened", "from"),
        [
            (
                shown(row["at"]),
                names[row["device"]],
                row["group"],
                "" if row["code"] is None else row["code"],
                row["words"],
                row["source"],
            )
            for row in rows
        ],
        right=(3,),
    )
    return DONE
