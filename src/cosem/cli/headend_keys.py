"""``cosem headend keys``: keys of one device are changed in two phases, and nobody sees them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cosem.cli.headend_office import (
    Office,
    asking,
    attend,
    folder_option,
    iso,
    json_option,
    on_loop,
    opened,
    shown,
)
from cosem.cli.output import DONE, SAID_NO, note, print_json, print_table

if TYPE_CHECKING:
    from cosem.headend.keychanges import Change

PURPOSES = ("unicast", "authentication", "broadcast", "master", "password", "hls_secret", "mbus")


@click.group("keys")
def keys_command() -> None:
    """Keys of devices: they are made here, sealed, and never shown."""


@keys_command.command("change")
@click.argument("device")
@click.option(
    "--purpose", "purposes", multiple=True, type=click.Choice(PURPOSES), help="Unicast, authentication without it."
)
@click.option("--no-wait", is_flag=True, help="Do not wait for what comes of it.")
@folder_option
@json_option
def change_command(device: str, purposes: tuple[str, ...], no_wait: bool, folder: Path, as_json: bool) -> int:
    """Give DEVICE new keys. Exit status 1: it did not take them, or it is not known yet which it has.

    A device on a M-Bus gets its key (mbus) through its parent, wrapped under the key that it came with.
    """
    from cosem.headend.access import Act
    from cosem.headend.keychanges import USUAL, ChangeState
    from cosem.headend.vault import Purpose

    chosen = [Purpose[item.upper()] for item in purposes] or list(USUAL)
    with opened(folder, Act.INVENTORY) as office, asking(office) as headend:
        changes = headend.key_changes
        change = changes.prepare(device, office.who, chosen)

        def over() -> bool:
            known = changes.get(change.id)
            settled = known.state is ChangeState.SENDING and bool(known.detail)
            return settled or known.state in (ChangeState.DONE, ChangeState.FAILED)

        if not no_wait:
            attend(office, over)
        change = changes.get(change.id)
        _print(office, [change], as_json, one=True)
    return DONE if no_wait or change.state is ChangeState.DONE else SAID_NO


@keys_command.command("list")
@click.option("--device", help="Those of one device.")
@click.option("--open", "open_only", is_flag=True, help="Only those that are not decided.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@folder_option
@json_option
def list_command(device: str | None, open_only: bool, limit: int, folder: Path, as_json: bool) -> int:
    """List changes of keys, the newest first."""
    from cosem.headend.access import Act
    from cosem.headend.inventory import Inventory

    with opened(folder, Act.INVENTORY) as office, asking(office) as headend:
        number = None
        if device is not None:
            with office.engine.connect() as connection:
                number = Inventory(connection).get(device).id
        _print(office, headend.key_changes.of(number, open_only=open_only, limit=limit), as_json)
    return DONE


@keys_command.command("share")
@click.argument("device")
@folder_option
@json_option
def share_command(device: str, folder: Path, as_json: bool) -> int:
    """Give the parent of DEVICE, on a M-Bus, the key that it came with: so it is with devices by radio."""
    from cosem.headend.access import Act

    with opened(folder, Act.INVENTORY) as office, asking(office) as headend:
        opens = on_loop(lambda: headend.key_changes.share(device, office.who))
    if as_json:
        print_json({"device": device, "opens": opens})
    elif not opens:
        note(f"{device}: its parent has the key; nothing was heard of it since that opens with it")
    return DONE


def _print(office: Office, rows: list[Change], as_json: bool, *, one: bool = False) -> None:
    from cosem.headend.inventory import Inventory

    with office.engine.connect() as connection:
        names = {number: row.name for number, row in Inventory(connection).by_number({r.device for r in rows}).items()}
    if as_json:
        documents = [_document(row, names[row.device]) for row in rows]
        print_json(documents[0] if one else documents)
        return
    print_table(
        ("change", "device", "keys", "state", "asked by", "at", ""),
        [
            (
                row.id,
                names[row.device],
                ", ".join(row.purposes),
                row.state,
                row.requested_by,
                shown(row.requested),
                row.detail,
            )
            for row in rows
        ],
    )


def _document(row: Change, name: str) -> dict[str, Any]:
    return {
        "id": row.id,
        "device": name,
        "purposes": list(row.purposes),
        "state": str(row.state),
        "requested_by": row.requested_by,
        "requested": iso(row.requested),
        "not_after": iso(row.not_after),
        "finished": iso(row.finished),
        "detail": row.detail,
    }
