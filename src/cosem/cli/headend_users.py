"""``cosem headend users``: the people who sign in to the pages."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cosem.cli.headend_folder import ROLES
from cosem.cli.headend_office import folder_option, json_option, opened
from cosem.cli.output import DONE, note, print_json, print_table
from cosem.errors import ConfigError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from cosem.headend.web.accounts import AccountRow

GENERATED_OCTETS = 15
password_options = (
    click.option(
        "--password-file",
        type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True),
        help="The password is the first line of this file ('-': of standard input).",
    ),
    click.option("--generate", is_flag=True, help="Make a password and show it, this once."),
)


def with_password(command: click.decorators.FC) -> click.decorators.FC:
    """Add the options that say where a password comes from."""
    for option in reversed(password_options):
        command = option(command)
    return command


@click.group("users")
def users_command() -> None:
    """People who sign in to the pages. Programs have tokens: cosem headend token."""


@users_command.command("add")
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), required=True)
@click.option("--group", help="See the devices of this group only.")
@with_password
@folder_option
@json_option
def add_command(
    name: str, role: str, group: str | None, password_file: Path | None, generate: bool, folder: Path, as_json: bool
) -> int:
    """Let NAME sign in. Without a file and without --generate the password is asked for."""
    from cosem.headend.access import Act, Role
    from cosem.headend.web.accounts import add_account, check_name, hash_now

    with opened(folder, Act.ACCESS) as office:
        with office.engine.connect() as connection:
            # What is wrong with the name is said before anybody thinks of a password.
            check_name(connection, name, Role(role), group)
        password = _password(password_file, generate)
        hashed = hash_now(password)
        with office.engine.begin() as connection:
            add_account(connection, name, hashed, Role(role), office.who, office.now, group=group)
    _say(name, password if generate else None, "may sign in", as_json)
    return DONE


@users_command.command("list")
@folder_option
@json_option
def list_command(folder: Path, as_json: bool) -> int:
    """List who may sign in."""
    from cosem.headend.access import Act
    from cosem.headend.web.accounts import accounts

    with opened(folder, Act.ACCESS) as office, office.engine.connect() as connection:
        rows = accounts(connection)
    if as_json:
        print_json([{"name": row.name, "role": row.role, "group": row.group, "shut_out": row.shut} for row in rows])
        return DONE
    cells = [(row.name, row.role, row.group or "", "shut out" if row.shut else "active") for row in rows]
    print_table(("name", "role", "group", "state"), cells)
    return DONE


@users_command.command("password")
@click.argument("name")
@with_password
@folder_option
@json_option
def password_command(name: str, password_file: Path | None, generate: bool, folder: Path, as_json: bool) -> int:
    """Give NAME another password; all sessions of theirs end."""
    from cosem.headend.access import Act
    from cosem.headend.web.accounts import hash_now, set_password

    with opened(folder, Act.ACCESS) as office:
        with office.engine.connect() as connection:
            number = _known(connection, name).id
        password = _password(password_file, generate)
        hashed = hash_now(password)
        with office.engine.begin() as connection:
            set_password(connection, number, hashed, office.who, office.now)
    _say(name, password if generate else None, "has another password; their sessions ended", as_json)
    return DONE


@users_command.command("remove")
@click.argument("name")
@folder_option
def remove_command(name: str, folder: Path) -> int:
    """Let NAME sign in no more, and forget the password; the audit log keeps what they did."""
    from cosem.headend.access import Act
    from cosem.headend.web.accounts import remove_account

    with opened(folder, Act.ACCESS) as office, office.engine.begin() as connection:
        remove_account(connection, _known(connection, name).id, office.who, office.now)
    return DONE


def _known(connection: Connection, name: str) -> AccountRow:
    from cosem.headend.web.accounts import accounts

    found = next((row for row in accounts(connection) if row.name == name), None)
    if found is None:
        raise ConfigError(f"there is no user {name!r}")
    return found


def _password(file: Path | None, generate: bool) -> str:
    """Return the password: made here, of a file, or asked for twice without showing it. Raises `ConfigError`."""
    if generate:
        if file is not None:
            raise ConfigError("a password is made here or comes from a file, not both")
        return secrets.token_urlsafe(GENERATED_OCTETS)
    if file is not None:
        try:
            with click.open_file(str(file), encoding="utf-8") as lines:
                text = str(lines.readline())
        except (OSError, UnicodeDecodeError):
            raise ConfigError(f"{file} cannot be read as text") from None
        return text.rstrip("\r\n")
    if not sys.stdin.isatty():
        raise ConfigError("nobody is there to be asked for a password: name a --password-file, or --generate one")
    asked: str = click.prompt("Password", hide_input=True, confirmation_prompt="Once more", err=True)
    return asked


def _say(name: str, generated: str | None, what: str, as_json: bool) -> None:
    if as_json:
        print_json({"name": name} | ({} if generated is None else {"password": generated}))
        return
    note(f"{name} {what}")
    if generated is not None:
        click.echo(f"password, shown this once: {generated}")
