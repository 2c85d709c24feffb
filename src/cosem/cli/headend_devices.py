"""``cosem headend devices``: the inventory."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cosem.cli.headend_office import Office, asking, counted, folder_option, json_option, on_loop, opened
from cosem.cli.output import DONE, json_text, print_json, print_table
from cosem.cli.values import NumberRange
from cosem.errors import ConfigError

if TYPE_CHECKING:
    from cosem.headend.inventory import Inventory
    from cosem.headend.learning import Learned

TRANSPORT = "COSEM_TRANSPORT_KEY"
KINDS = ("electricity", "gas", "water", "heat", "converter", "concentrator", "gateway")
STATES = ("registered", "in use", "suspended", "removed")

_chosen = [
    click.option("--text", default="", help="Part of the name."),
    click.option("--kind", type=click.Choice(KINDS)),
    click.option("--state", type=click.Choice(STATES)),
    click.option("--segment", "segment_name"),
    click.option("--group"),
    click.option("--tag"),
    click.option("--parent", help="What they hang behind."),
]


def _choosing(command: Any) -> Any:
    for option in reversed(_chosen):
        command = option(command)
    return command


@click.group("devices")
def devices_command() -> None:
    """The inventory: meters, converters, gateways, concentrators."""


@devices_command.command("list")
@_choosing
@click.option("--limit", type=click.IntRange(1), help="At most so many.")
@folder_option
@json_option
def list_command(folder: Path, as_json: bool, limit: int | None, **chosen: Any) -> int:
    """List devices."""
    from itertools import islice

    from cosem.headend.access import Act
    from cosem.headend.exchange import documents

    with opened(folder, Act.SEE) as office, office.engine.connect() as connection:
        rows = list(islice(documents(connection, **_members(chosen)), limit))
    if as_json:
        print_json(rows)
        return DONE
    headings = ("name", "kind", "state", "type", "segment", "behind", "url")
    names = ("name", "kind", "state", "type", "segment", "parent", "url")
    print_table(headings, [[row.get(name, "") for name in names] for row in rows])
    return DONE


def _members(chosen: dict[str, Any]) -> dict[str, Any]:
    from cosem.headend.inventory import Kind, State

    given = dict(chosen)
    given["kind"] = Kind(given["kind"]) if given["kind"] else None
    given["state"] = State(given["state"]) if given["state"] else None
    return given


@devices_command.command("add")
@click.argument("name")
@click.option("--kind", type=click.Choice(KINDS), default="electricity", show_default=True)
@click.option("--type", "kind_name", metavar="TYPE", help="What kind of meter it is: see devices type, devices learn.")
@click.option("--segment", help="Its part of the network: see devices segment.")
@click.option("--url", help="How it is reached; the same as for cosem get.")
@click.option("--title", help="Its system title, 16 hex digits.")
@click.option("--parent", help="What it hangs behind.")
@click.option("--channel", type=click.IntRange(0, 255), help="Where it hangs there (M-Bus).")
@click.option("--meter", metavar="ELS12345678", help="Who it is on the M-Bus; without it who is found there first.")
@click.option("--place", default="")
@click.option("--tag", "tags", multiple=True)
@click.option("--keys", "key_file", type=click.Path(path_type=Path), help="Key file: section NAME, or the defaults.")
@click.option("--in-use", is_flag=True, help="Plans read it from now on.")
@folder_option
def add_command(
    name: str,
    kind: str,
    kind_name: str | None,
    segment: str | None,
    url: str | None,
    title: str | None,
    parent: str | None,
    channel: int | None,
    meter: str | None,
    place: str,
    tags: tuple[str, ...],
    key_file: Path | None,
    in_use: bool,
    folder: Path,
) -> int:
    """Add one device. Its keys come from a key file, never from the command line."""
    from cosem.client.keyfile import KeyFile
    from cosem.headend.access import Act
    from cosem.headend.audit import record
    from cosem.headend.exchange import secrets_of
    from cosem.headend.inventory import ELSEWHERE, METER, Inventory, Kind, NewDevice, State

    item = NewDevice(
        name,
        Kind(kind),
        kind_name,
        segment or ELSEWHERE,
        url,
        title,
        parent,
        channel,
        place,
        {} if meter is None else {METER: meter},
        tags=tags,
    )
    secrets = secrets_of(KeyFile.load(key_file), name) if key_file is not None else {}
    with opened(folder, Act.INVENTORY) as office, office.engine.begin() as connection:
        inventory = Inventory(connection)
        number = inventory.add(item, office.now)
        if secrets:
            office.keys.put(connection, number, secrets, office.now)
        if in_use:
            inventory.move(name, State.IN_USE, office.now)
        after = {"kind": kind, "url": url, "keys": sorted(secrets)}
        record(connection, office.now, office.who, "add device", name, after=after)
    return DONE


@devices_command.command("move")
@click.argument("name")
@click.argument("state", type=click.Choice(STATES))
@folder_option
def move_command(name: str, state: str, folder: Path) -> int:
    """Bring a device to another state of its life."""
    from cosem.headend.access import Act
    from cosem.headend.audit import record
    from cosem.headend.inventory import Inventory, State

    with opened(folder, Act.INVENTORY) as office, office.engine.begin() as connection:
        inventory = Inventory(connection)
        before = inventory.get(name).state
        inventory.move(name, State(state), office.now)
        record(connection, office.now, office.who, "move device", name, before=before, after=state)
    return DONE


@devices_command.command("relocate")
@click.argument("name")
@click.argument("url", required=False)
@folder_option
def relocate_command(name: str, url: str | None, folder: Path) -> int:
    """Say how a device is reached from now on; without URL it is not dialled itself."""
    return _changed(folder, name, "relocate device", lambda inventory, now: inventory.relocate(name, url, now))


@devices_command.command("couple")
@click.argument("name")
@click.argument("parent")
@click.argument("channel", type=click.IntRange(1, 64))
@folder_option
def couple_command(name: str, parent: str, channel: int, folder: Path) -> int:
    """Say on which M-Bus channel of PARENT a device hangs: from now on it is read through that."""
    return _changed(folder, name, "couple device", lambda inventory, now: inventory.couple(name, parent, channel, now))


@devices_command.command("decouple")
@click.argument("name")
@folder_option
def decouple_command(name: str, folder: Path) -> int:
    """Free the M-Bus channel of a device for another one. The meter itself is told nothing: see mbus deinstall."""
    return _changed(folder, name, "decouple device", lambda inventory, now: inventory.decouple(name, now))


@devices_command.command("identify")
@click.argument("name")
@click.argument("meter", required=False)
@folder_option
def identify_command(name: str, meter: str | None, folder: Path) -> int:
    """Say who a device is on the M-Bus, as after a swap; without METER it is who is found there next.

    What the channel recorded before belongs to the former one, and is not taken.
    """
    return _changed(folder, name, "identify device", lambda inventory, now: inventory.identify(name, meter, now))


def _changed(folder: Path, name: str, what: str, change: Callable[[Inventory, int], None]) -> int:
    from cosem.headend.access import Act
    from cosem.headend.audit import record
    from cosem.headend.inventory import Inventory

    with opened(folder, Act.INVENTORY) as office, office.engine.begin() as connection:
        inventory = Inventory(connection)
        change(inventory, office.now)
        row = inventory.get(name)
        after = {"url": row.url, "parent": row.parent, "channel": row.channel, "meter": row.meter}
        record(connection, office.now, office.who, what, name, after=after)
    return DONE


@devices_command.command("segment")
@click.argument("name")
@click.option("--concurrent", type=click.IntRange(1), default=100, show_default=True, help="Connections at once.")
@click.option(
    "--new-per-second", type=NumberRange(0.001), default=50.0, show_default=True, help="New connections a second."
)
@folder_option
def segment_command(name: str, concurrent: int, new_per_second: float, folder: Path) -> int:
    """Add a part of the network, or change what it carries."""
    from cosem.headend.access import Act
    from cosem.headend.audit import record
    from cosem.headend.inventory import Inventory
    from cosem.headend.permits import Limits

    with opened(folder, Act.INVENTORY) as office, office.engine.begin() as connection:
        Inventory(connection).set_segment(name, Limits(concurrent, new_per_second))
        after = {"concurrent": concurrent, "new_per_second": new_per_second}
        record(connection, office.now, office.who, "set segment", name, after=after)
    return DONE


@devices_command.command("type")
@click.argument("name")
@click.option("--medium", type=click.Choice(KINDS), default="electricity", show_default=True)
@click.option("--manufacturer", default="")
@click.option("--companion", default="idis", show_default=True, help="Companion profile: what its event codes mean.")
@folder_option
def type_command(name: str, medium: str, manufacturer: str, companion: str, folder: Path) -> int:
    """Add a type of devices; what is read of them is learned from one of them."""
    from cosem.companions.companion import companion as known
    from cosem.headend.access import Act
    from cosem.headend.audit import record
    from cosem.headend.inventory import Inventory

    known(companion)
    with opened(folder, Act.INVENTORY) as office, office.engine.begin() as connection:
        inventory = Inventory(connection)
        if any(item.name == name for item in inventory.types()):
            raise ConfigError(f"there is a type {name!r} already")
        inventory.set_type(name, medium, manufacturer=manufacturer, companion=companion)
        record(connection, office.now, office.who, "add type", name, after={"medium": medium, "companion": companion})
    return DONE


@devices_command.command("group")
@click.argument("name")
@click.argument("devices", nargs=-1)
@folder_option
def group_command(name: str, devices: tuple[str, ...], folder: Path) -> int:
    """Make a group what is given: the names of its devices (- reads them from standard input, one a line)."""
    from cosem.headend.access import Act
    from cosem.headend.audit import record
    from cosem.headend.inventory import Inventory

    members = tuple(sys.stdin.read().split("\n")) if devices == ("-",) else devices
    members = tuple(item.strip() for item in members if item.strip())
    with opened(folder, Act.INVENTORY) as office, office.engine.begin() as connection:
        Inventory(connection).group(name, members)
        record(connection, office.now, office.who, "set group", name, after={"devices": len(members)})
    return DONE


@devices_command.command("import")
@click.argument("file", type=click.File("r", encoding="utf-8"))
@click.option("--keys", "key_file", type=click.Path(path_type=Path), help="Key file with a section for each device.")
@click.option(
    "--transport-key",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help=f"File with the key (hex) under which the keys in FILE are wrapped; or {TRANSPORT}.",
)
@folder_option
@json_option
def import_command(file: Any, key_file: Path | None, transport_key: Path | None, folder: Path, as_json: bool) -> int:
    """Take devices from a CSV or JSON file, or from the file of a shipment: all of them, or none.

    What is refused is named by its line.
    """
    from cosem.client.keyfile import KeyFile
    from cosem.headend.access import Act
    from cosem.headend.exchange import Refused, import_rows, read_rows
    from cosem.security.keywrap import load_transport_key

    try:
        text = file.read()
    except UnicodeDecodeError:
        raise ConfigError(f"{file.name} is no text in UTF-8") from None
    key = None
    if transport_key is not None:
        key = load_transport_key(transport_key.read_text("ascii", errors="replace"), str(transport_key))
    elif TRANSPORT in os.environ:
        key = load_transport_key(os.environ[TRANSPORT], TRANSPORT)
    try:
        rows = read_rows(text, transport_key=key, key_file=None if key_file is None else KeyFile.load(key_file))
        with opened(folder, Act.INVENTORY) as office, office.engine.begin() as connection:
            count = import_rows(connection, office.keys, rows, office.who, office.now)
    except Refused as refused:
        if not as_json:
            for line, why in refused.problems:
                click.echo(f"{file.name}, line {line}: {why}", err=True)
            raise ConfigError(f"nothing was imported: {counted(len(refused.problems), 'row')} not taken") from None
        what = {"what": "nothing was imported", "kind": "Refused"}
        print_json({"error": what, "rows": [{"line": line, "what": why} for line, why in refused.problems]})
        return 2
    if as_json:
        print_json({"imported": count})
    else:
        click.echo(counted(count, "device"))
    return DONE


@devices_command.command("export")
@click.option("--csv", "as_csv", is_flag=True, help="CSV instead of one JSON object a line.")
@_choosing
@folder_option
def export_command(as_csv: bool, folder: Path, **chosen: Any) -> int:
    """Print devices as devices import takes them. Keys are not among it."""
    from cosem.headend.access import Act
    from cosem.headend.exchange import documents, to_csv

    with opened(folder, Act.SEE) as office, office.engine.connect() as connection:
        items = documents(connection, **_members(chosen))
        for text in to_csv(items) if as_csv else (json_text(item) + "\n" for item in items):
            click.echo(text, nl=False)
    return DONE


@devices_command.command("learn")
@click.argument("name")
@click.option("--type", "kind", metavar="TYPE", help="The type that learns; that of the device without one.")
@click.option("--profile", "profiles", multiple=True, metavar="OBIS", help="Only this profile; may be repeated.")
@folder_option
@json_option
def learn_command(name: str, kind: str | None, profiles: tuple[str, ...], folder: Path, as_json: bool) -> int:
    """Ask a device what its load profiles capture: from then on plans read them of every device of its type."""
    from cosem.headend.access import Act
    from cosem.headend.learning import adopt
    from cosem.obis import obis

    with opened(folder, Act.INVENTORY) as office:
        learned = on_loop(lambda: _learn(office, name, [obis(text) for text in profiles]))
        with office.engine.begin() as connection:
            type_name = adopt(connection, name, learned, office.who, office.now, kind=kind)
    if as_json:
        print_json(
            {
                "type": type_name,
                "profiles": [
                    {"profile": str(item.name), "period": item.period, "columns": [c.name for c in item.columns]}
                    for item in learned
                ],
            }
        )
        return DONE
    for item in learned:
        click.echo(f"{type_name}: {item.name} every {item.period} s: {', '.join(c.name for c in item.columns)}")
    return DONE


async def _learn(office: Office, name: str, profiles: list[Any]) -> list[Learned]:
    from cosem.headend.inventory import Inventory
    from cosem.headend.learning import learn

    with asking(office) as headend:
        with headend.engine.connect() as connection:
            row = Inventory(connection).get(name)
        if row.is_child:
            raise ConfigError(f"{name} is read through {row.parent}: what it has is found there, and not learned")
        async with headend.meter(row.id) as meter:
            return await learn(meter, profiles)
