"""``cosem headend commands``: asked for, confirmed by a second person, carried out once, read back."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cosem.cli.headend_office import TOKEN, Office, attend, folder_option, iso, json_option, opened, seconds, shown
from cosem.cli.output import DONE, SAID_NO, json_text, note, print_json, print_table
from cosem.errors import ConfigError

if TYPE_CHECKING:
    from cosem.headend.commands import CommandRow, Commands


@click.group("commands")
def commands_command() -> None:
    """Commands to devices."""


@commands_command.command("kinds")
@json_option
def kinds_command(as_json: bool) -> int:
    """List the kinds of commands and their parameters."""
    from cosem.headend.command_kinds import KINDS

    if as_json:
        print_json(
            {
                kind.name: {
                    "words": kind.words,
                    "parameters": sorted(kind.parameters),
                    "required": list(kind.required),
                }
                for kind in KINDS.values()
            }
        )
        return DONE
    rows = [
        (kind.name, kind.words, ", ".join(f"{name}*" if name in kind.required else name for name in kind.parameters))
        for kind in KINDS.values()
    ]
    print_table(("kind", "what it does", "parameters (* needed)"), rows)
    return DONE


@commands_command.command("send")
@click.argument("device")
@click.argument("kind", required=False)
@click.argument("parameters", nargs=-1, metavar="[NAME=VALUE]...")
@click.option(
    "--file", type=click.File("r", encoding="utf-8"), help="A bundle: JSON [{'kind': ..., 'parameters': ...}]."
)
@click.option("--id", "identity", help="An identity of your own: asked for twice under it is asked for once.")
@click.option("--not-after", metavar="T", help="Good until then; a day without it.")
@click.option("--no-wait", is_flag=True, help="Do not wait for what comes of it.")
@folder_option
@json_option
def send_command(
    device: str,
    kind: str | None,
    parameters: tuple[str, ...],
    file: Any,
    identity: str | None,
    not_after: str | None,
    no_wait: bool,
    folder: Path,
    as_json: bool,
) -> int:
    """Send one command, or the bundle of a file: in one association, in its order.

    Values are JSON where they look like it, texts otherwise. Exit status 1: something of it was not done.
    """
    from cosem.headend.access import Act
    from cosem.headend.commands import NewCommand

    if (kind is None) == (file is None):
        raise ConfigError("name a kind of command, or a bundle by --file")
    if identity is not None and (not identity.isprintable() or " " in identity or not 1 <= len(identity) <= 200):
        raise ConfigError("an identity has up to 200 printable characters, and no space among them")
    given = bundle_of(file) if kind is None else [(kind, parameters_of(parameters))]
    wanted = [NewCommand(*item) for item in given]
    with opened(folder, Act.COMMAND) as office:
        commands = commands_of(office)
        late = None if not_after is None else seconds(not_after)
        rows = commands.ask(device, wanted, office.who, identity=identity, not_after=late)
        return _answer(office, commands, rows, wait=not no_wait, as_json=as_json)


def commands_of(office: Office) -> Commands:
    """Return the commands of a folder, to ask for and to look at: nothing is sent by them."""
    from cosem.headend.commands import Commands
    from cosem.headend.work import Elsewhere

    def nobody(number: int) -> Any:
        raise ConfigError("nothing is sent from here")

    return Commands(office.engine, Elsewhere(), nobody, clock=time.time, two_persons=office.settings.two_persons)


def bundle_of(file: Any) -> list[tuple[str, dict[str, Any]]]:
    """Return the kinds and parameters of a bundle in a file. Raises `ConfigError`."""
    try:
        content = json.load(file)
        return [(item["kind"], dict(item.get("parameters", {}))) for item in content]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ConfigError(f"{file.name} is no list of commands: [{{'kind': ..., 'parameters': {{...}}}}]") from None


def parameters_of(texts: tuple[str, ...]) -> dict[str, Any]:
    """Return NAME=VALUE parameters: JSON where a value looks like it, text otherwise. Raises `ConfigError`."""
    found: dict[str, Any] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign:
            raise ConfigError(f"{text!r} is no NAME=VALUE")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def _answer(office: Office, commands: Commands, rows: list[CommandRow], *, wait: bool, as_json: bool) -> int:
    from cosem.headend.commands import OVER, CommandState

    settled = OVER | {CommandState.UNCONFIRMED, CommandState.UNCERTAIN}
    bundle = rows[0].bundle
    if wait:
        attend(office, lambda: all(row.state in settled for row in commands.bundle(bundle)))
    rows = commands.bundle(bundle)
    if as_json:
        print_json({"bundle": bundle, "commands": [_document(row) for row in rows]})
    else:
        _show(rows)
        if rows[0].state is CommandState.UNCONFIRMED:
            note(f"a second person confirms it: cosem headend commands confirm {bundle}")
    bad = (CommandState.FAILED, CommandState.UNCERTAIN, CommandState.EXPIRED, CommandState.CANCELLED)
    return SAID_NO if any(row.state in bad for row in rows) else DONE


def _document(row: CommandRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "device": row.device,
        "kind": row.kind,
        "state": str(row.state),
        "requested_by": row.requested_by,
        "requested": iso(row.requested),
        "confirmed_by": row.confirmed_by,
        "not_after": iso(row.not_after),
        "finished": iso(row.finished),
        "answer": row.answer,
        "detail": row.detail,
    }


def _show(rows: list[CommandRow]) -> None:
    print_table(
        ("command", "kind", "state", "asked by", "at", "answer"),
        [
            (
                row.id,
                row.kind,
                row.state,
                row.requested_by,
                shown(row.requested),
                row.detail or ("" if row.answer is None else json_text(row.answer)),
            )
            for row in rows
        ],
    )


@commands_command.command("confirm")
@click.argument("bundle")
@click.option("--no-wait", is_flag=True, help="Do not wait for what comes of it.")
@folder_option
@json_option
def confirm_command(bundle: str, no_wait: bool, folder: Path, as_json: bool) -> int:
    """Confirm as the second person. Who that is says the token in COSEM_HEADEND_TOKEN, nothing else."""
    from cosem.headend.access import Act

    with opened(folder, Act.CONFIRM) as office:
        if office.token is None:
            raise ConfigError(f"a second person confirms by a token of its own, in {TOKEN}")
        commands = commands_of(office)
        rows = commands.agree(bundle, office.who)
        return _answer(office, commands, rows, wait=not no_wait, as_json=as_json)


@commands_command.command("cancel")
@click.argument("bundle")
@folder_option
@json_option
def cancel_command(bundle: str, folder: Path, as_json: bool) -> int:
    """Take back what is not sent yet."""
    import asyncio

    from cosem.headend.access import Act

    with opened(folder, Act.COMMAND) as office:
        commands = commands_of(office)
        rows = asyncio.run(commands.cancel(bundle, office.who))
        if as_json:
            print_json({"bundle": bundle, "commands": [_document(row) for row in rows]})
        else:
            _show(rows)
    return DONE


@commands_command.command("decide")
@click.argument("identity", metavar="COMMAND")
@click.argument("became", type=click.Choice(("done", "failed")))
@folder_option
def decide_command(identity: str, became: str, folder: Path) -> int:
    """Say what became of a command that was interrupted and whose effect cannot be seen."""
    import asyncio

    from cosem.headend.access import Act

    with opened(folder, Act.COMMAND) as office:
        asyncio.run(commands_of(office).decide(identity, became == "done", office.who))
    return DONE


@commands_command.command("show")
@click.argument("bundle", required=False)
@click.option("--device", help="Those of one device.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@folder_option
@json_option
def show_command(bundle: str | None, device: str | None, limit: int, folder: Path, as_json: bool) -> int:
    """Show a bundle, or the newest commands."""
    from cosem.headend.access import Act
    from cosem.headend.inventory import Inventory

    with opened(folder, Act.SEE) as office:
        commands = commands_of(office)
        if bundle is not None:
            rows = commands.bundle(bundle)
            if not rows:
                raise ConfigError(f"there is no bundle {bundle!r}")
        else:
            number = None
            if device is not None:
                with office.engine.connect() as connection:
                    number = Inventory(connection).get(device).id
            rows = commands.newest(device=number, limit=limit)
    if as_json:
        print_json([_document(row) for row in rows])
    else:
        _show(rows)
    return DONE
