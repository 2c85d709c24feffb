"""``cosem headend init``, ``token``, ``backup`` and ``restore``: the folder and who may what."""

from __future__ import annotations

import time
from pathlib import Path

import click

from cosem.cli.headend_office import folder_option, iso, json_option, local_user, opened, shown
from cosem.cli.output import DONE, note, print_json, print_table
from cosem.errors import ConfigError

ROLES = ("viewer", "operator", "second person", "administrator", "household")


@click.command("init")
@folder_option
@json_option
def init_command(folder: Path, as_json: bool) -> int:
    """Make a folder with settings, a key and a database, and show the first administrator's token: this once."""
    from cosem.headend.access import Role, issue
    from cosem.headend.database import open_database
    from cosem.headend.folder import DATABASE, SETTINGS, make_folder
    from cosem.headend.vault import ENVIRONMENT, FILE, Vault

    make_folder(folder)
    Vault.find(folder, create=True)
    engine = open_database(folder / DATABASE)
    (folder / DATABASE).chmod(0o600)
    try:
        with engine.begin() as connection:
            token = issue(connection, "administrator", Role.ADMINISTRATOR, local_user(), int(time.time()))
    finally:
        engine.dispose()
    key = str(folder / FILE) if (folder / FILE).exists() else ENVIRONMENT
    if as_json:
        print_json({"folder": str(folder), "settings": str(folder / SETTINGS), "key": key, "token": token})
        return DONE
    click.echo(f"made {folder}; its settings are in {folder / SETTINGS}")
    note(f"the key of {key} opens the keys of all devices: keep a copy where the backups are not")
    click.echo(f"token of the administrator, shown this once: {token}")
    note("for the pages: cosem headend users add NAME --role administrator")
    return DONE


@click.group("token")
def token_command() -> None:
    """Tokens of the API."""


@token_command.command("issue")
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), required=True)
@click.option("--group", help="See the devices of this group only.")
@click.option("--days", type=click.IntRange(1, 3650), help="Worth something for so many days.")
@folder_option
@json_option
def issue_command(name: str, role: str, group: str | None, days: int | None, folder: Path, as_json: bool) -> int:
    """Issue a token and show it: this once."""
    from cosem.headend.access import Act, Role, issue

    with opened(folder, Act.ACCESS) as office, office.engine.begin() as connection:
        token = issue(connection, name, Role(role), office.who, office.now, group=group, days=days)
    if as_json:
        print_json({"name": name, "token": token})
    else:
        click.echo(token)
    return DONE


@token_command.command("revoke")
@click.argument("name")
@folder_option
def revoke_command(name: str, folder: Path) -> int:
    """Let a token be worth nothing from now on."""
    from cosem.headend.access import Act, revoke

    with opened(folder, Act.ACCESS) as office, office.engine.begin() as connection:
        revoke(connection, name, office.who, office.now)
    return DONE


@token_command.command("list")
@folder_option
@json_option
def list_command(folder: Path, as_json: bool) -> int:
    """List the tokens, without what they are."""
    from sqlalchemy import select

    from cosem.headend.access import Act
    from cosem.headend.schema import device_group, token

    query = select(token, device_group.c.name.label("group_name")).join(
        device_group, device_group.c.id == token.c.group, isouter=True
    )
    with opened(folder, Act.ACCESS) as office, office.engine.connect() as connection:
        rows = connection.execute(query.order_by(token.c.id)).all()
    if as_json:
        print_json(
            [
                {
                    "name": row.name,
                    "role": row.role,
                    "group": row.group_name,
                    "created": iso(row.created),
                    "expires": iso(row.expires),
                    "revoked": iso(row.revoked),
                }
                for row in rows
            ]
        )
        return DONE
    print_table(
        ("name", "role", "group", "created", "expires", "revoked"),
        [
            (row.name, row.role, row.group_name or "", shown(row.created), shown(row.expires), shown(row.revoked))
            for row in rows
        ],
    )
    return DONE


@click.command("backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--with-key", is_flag=True, help="Put the head-end's key in too: who has the file then has all keys.")
@folder_option
@json_option
def backup_command(file: Path, with_key: bool, folder: Path, as_json: bool) -> int:
    """Write database, settings and interval files of one moment into FILE (tar), also while the head-end is at work."""
    from cosem.headend.access import Act
    from cosem.headend.archive import backup

    with opened(folder, Act.ACCESS):
        manifest = backup(folder, file, time.time(), with_key=with_key)
    answer = {"file": str(file), "files": len(manifest["files"]), "octets": file.stat().st_size, "key": with_key}
    if as_json:
        print_json(answer)
        return DONE
    click.echo(f"{file}: {answer['files']} files, {answer['octets']} octets")
    if not with_key:
        note("the head-end's key is not in it: without that key no device's key opens")
    return DONE


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@folder_option
@json_option
def restore_command(file: Path, folder: Path, as_json: bool) -> int:
    """Bring a backup back into a folder that is empty or not there.

    Invocation counters begin far above those of the backup, and commands that waited then are not carried out.
    """
    from cosem.headend.archive import restore
    from cosem.headend.vault import FILE

    try:
        manifest = restore(file, folder, time.time(), local_user())
    except PermissionError as error:
        raise ConfigError(f"{error.filename}: {error.strerror}") from None
    if as_json:
        print_json({"folder": str(folder), "at": iso(manifest["at"]), "files": len(manifest["files"])})
        return DONE
    click.echo(f"{folder} is as it was at {shown(manifest['at'])}; invocation counters begin higher")
    if not (folder / FILE).exists():
        note(f"put the head-end's key into {folder / FILE}, or into COSEM_HEADEND_KEY")
    return DONE
