"""``cosem headend campaigns``: one thing done at many devices, stage after stage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cosem.cli.headend_commands import bundle_of, parameters_of
from cosem.cli.headend_devices import KINDS
from cosem.cli.headend_office import (
    TOKEN,
    Office,
    asking,
    attend,
    counted,
    folder_option,
    iso,
    json_option,
    on_loop,
    opened,
    seconds,
    shown,
)
from cosem.cli.output import DONE, SAID_NO, json_text, note, print_json, print_table
from cosem.cli.values import NumberRange
from cosem.errors import ConfigError

if TYPE_CHECKING:
    from cosem.headend.campaign import CampaignRow
    from cosem.headend.campaigns import Campaigns

MAX_SHOWN = 20
PURPOSES = ("unicast", "authentication", "broadcast", "master")
DEVICE_STATES = ("waiting", "running", "ready", "done", "failed", "skipped", "cancelled")
wait_option = click.option("--wait", is_flag=True, help="Wait for its end, or until a person is wanted.")

_creating = [
    click.option("--kind", "kinds", multiple=True, type=click.Choice(KINDS), help="Only this kind of devices."),
    click.option("--type", "types", multiple=True, help="Only devices of this type."),
    click.option("--group", "groups", multiple=True, help="Only devices of this group."),
    click.option("--tag", "tags", multiple=True, help="Only devices with this tag."),
    click.option("--device", "names", multiple=True, help="Only this device."),
    click.option(
        "--stage", "stages", multiple=True, metavar="N",
        help="Devices in all after each stage: 1, 100, 10%, 100%. The last takes all.",
    ),
    click.option("--gate", is_flag=True, help="Wait for a person behind each stage."),
    click.option(
        "--abort-share", type=NumberRange(0, 1), default=0.05, show_default=True,
        help="More failures in a stage than this share of it abort it all.",
    ),
    click.option("--not-after", metavar="T", help="Nothing is done after that time; a month without it."),
    click.option("--paused", is_flag=True, help="Begin when campaigns resume says so."),
    wait_option,
    folder_option,
    json_option,
]  # fmt: skip


def _created(command: Any) -> Any:
    for option in reversed(_creating):
        command = option(command)
    return command


@click.group("campaigns")
def campaigns_command() -> None:
    """One thing done at many devices, stage after stage."""


@campaigns_command.command("list")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@folder_option
@json_option
def list_command(limit: int, folder: Path, as_json: bool) -> int:
    """List campaigns, the newest first."""
    from cosem.headend.access import Act

    with opened(folder, Act.SEE) as office, asking(office) as headend:
        rows = headend.campaigns.all(limit=limit)
    if as_json:
        print_json([_document(row) for row in rows])
        return DONE
    print_table(
        ("campaign", "kind", "state", "stage", "devices", "begun", "by"),
        [
            (
                row.name,
                row.kind,
                row.state,
                f"{row.stage + 1} of {len(row.stages)}",
                _counts(_account(row)),
                shown(row.created),
                row.requested_by,
            )
            for row in rows
        ],
    )
    return DONE


@campaigns_command.command("show")
@click.argument("name")
@click.option("--state", type=click.Choice(DEVICE_STATES), help="Devices in this state; those that failed without it.")
@folder_option
@json_option
def show_command(name: str, state: str | None, folder: Path, as_json: bool) -> int:
    """Show how far a campaign is, by stage, and what became of devices. With --json all devices."""
    from cosem.headend.access import Act

    with opened(folder, Act.SEE) as office, asking(office) as headend:
        row = headend.campaigns.get(name)
        devices = _devices(headend.campaigns, row, state if as_json or state else "failed")
    if as_json:
        print_json(_document(row) | {"devices": devices})
    else:
        _show(row, devices)
    return DONE


def _devices(campaigns: Campaigns, row: CampaignRow, state: str | None) -> list[dict[str, Any]]:
    from cosem.headend.campaign import DeviceState

    found: list[dict[str, Any]] = []
    chosen = None if state is None else DeviceState(state)
    after = 0
    while page := campaigns.devices(row.id, after=after, limit=1000, state=chosen):
        after = page[-1]["device"]
        found += [
            {**{key: item[key] for key in item if key not in ("device", "name")}, "device": item["name"],
             "finished": iso(item["finished"])}
            for item in page
        ]  # fmt: skip
    return found


def _account(row: CampaignRow) -> Counter[str]:
    total: Counter[str] = Counter()
    for part in row.account:
        total.update({str(state): count for state, count in part.items()})
    return total


def _counts(account: Counter[str]) -> str:
    return ", ".join(f"{account[state]} {state}" for state in DEVICE_STATES if account[state])


def _document(row: CampaignRow) -> dict[str, Any]:
    return {
        "name": row.name,
        "kind": row.kind,
        "content": row.content,
        "stages": list(row.stages),
        "gate": row.gate,
        "abort_share": row.abort_share,
        "state": str(row.state),
        "stage": row.stage + 1,
        "requested_by": row.requested_by,
        "confirmed_by": row.confirmed_by,
        "created": iso(row.created),
        "not_after": iso(row.not_after),
        "finished": iso(row.finished),
        "detail": row.detail,
        "account": dict(_account(row)),
        "by_stage": [{str(state): count for state, count in part.items()} for part in row.account],
    }


def _show(row: CampaignRow, devices: list[dict[str, Any]]) -> None:
    click.echo(f"{row.name}: {row.kind}, {row.state}{f' ({row.detail})' if row.detail else ''}")
    click.echo(json_text(row.content))
    rows = [
        (f"stage {number + 1}{' now' if number == row.stage and row.finished is None else ''}",
         *(part.get(state, 0) or "" for state in DEVICE_STATES))
        for number, part in enumerate(row.account)
    ]  # fmt: skip
    print_table(("", *DEVICE_STATES), rows, right=range(1, len(DEVICE_STATES) + 1))
    if devices:
        click.echo()
        shown_rows = [(item["device"], item["state"], item["detail"], item["tries"]) for item in devices[:MAX_SHOWN]]
        print_table(("device", "state", "", "tries"), shown_rows, right=(3,))
    if len(devices) > MAX_SHOWN:
        note(f"and {len(devices) - MAX_SHOWN} more: --json has them all")
    if row.state == "unconfirmed":
        note(f"a second person confirms it: cosem headend campaigns confirm {row.name!r}")
    elif row.state in ("held", "paused"):
        note(f"a person lets it go on: cosem headend campaigns resume {row.name!r}")


# --- beginning ------------------------------------------------------------------------------------------------------


@campaigns_command.group("create")
def create_command() -> None:
    """Begin a campaign: of commands, of firmware or of new keys. Devices fit every condition given."""


@create_command.command("commands")
@click.argument("name")
@click.argument("command", metavar="KIND", required=False)
@click.argument("parameters", nargs=-1, metavar="[NAME=VALUE]...")
@click.option(
    "--file", type=click.File("r", encoding="utf-8"), help="A bundle: JSON [{'kind': ..., 'parameters': ...}]."
)
@click.option("--broadcast", is_flag=True, help="Tell an emergency to all of a segment at once where it can be.")
@click.option("--seconds", "each", type=click.IntRange(1, 86_400), help="How long each device is tried.")
@_created
def commands_command(
    name: str,
    command: str | None,
    parameters: tuple[str, ...],
    file: Any,
    broadcast: bool,
    each: int | None,
    **given: Any,
) -> int:
    """Send a command, or the bundle of a file, to many devices: see commands kinds."""
    if (command is None) == (file is None):
        raise ConfigError("name a kind of command, or a bundle by --file")
    wanted = bundle_of(file) if command is None else [(command, parameters_of(parameters))]
    content: dict[str, Any] = {"commands": [{"kind": kind, "parameters": values} for kind, values in wanted]}
    content |= {"broadcast": True} if broadcast else {}
    content |= {} if each is None else {"seconds": each}
    return _create(name, "commands", content, **given)


@create_command.command("firmware")
@click.argument("name")
@click.argument("image")
@click.option("--activate-at", metavar="T", help="All verify first, and activate then; each at once without it.")
@click.option("--version-object", metavar="OBIS", help="Where a meter shows its version.")
@_created
def firmware_command(name: str, image: str, activate_at: str | None, version_object: str | None, **given: Any) -> int:
    """Bring an IMAGE of the catalogue to many devices: see cosem headend firmware."""
    content: dict[str, Any] = {"image": image}
    content |= {} if activate_at is None else {"activate_at": iso(seconds(activate_at))}
    content |= {} if version_object is None else {"version_object": version_object}
    return _create(name, "firmware", content, **given)


@create_command.command("keys")
@click.argument("name")
@click.option(
    "--purpose", "purposes", multiple=True, type=click.Choice(PURPOSES), help="Unicast and authentication without it."
)
@click.option("--older-than-days", type=click.IntRange(0, 36_500), help="Only keys that are older.")
@click.option("--counter-above", type=click.IntRange(0, 2**32 - 1), help="Only where the invocation counter is higher.")
@_created
def keys_command(
    name: str, purposes: tuple[str, ...], older_than_days: int | None, counter_above: int | None, **given: Any
) -> int:
    """Give many devices new keys. They are made here, and nobody sees them."""
    from cosem.headend.vault import Purpose

    content: dict[str, Any] = {"purposes": [Purpose[item.upper()] for item in purposes]} if purposes else {}
    content |= {} if older_than_days is None else {"older_than_days": older_than_days}
    content |= {} if counter_above is None else {"counter_above": counter_above}
    return _create(name, "keys", content, **given)


def _create(
    name: str,
    what: str,
    content: dict[str, Any],
    *,
    kinds: tuple[str, ...],
    types: tuple[str, ...],
    groups: tuple[str, ...],
    tags: tuple[str, ...],
    names: tuple[str, ...],
    stages: tuple[str, ...],
    gate: bool,
    abort_share: float,
    not_after: str | None,
    paused: bool,
    wait: bool,
    folder: Path,
    as_json: bool,
) -> int:
    from cosem.headend.access import Act
    from cosem.headend.campaign import USUAL_STAGES, NewCampaign
    from cosem.headend.inventory import Kind
    from cosem.headend.plans import Selection

    item = NewCampaign(
        name,
        what,
        content,
        Selection(tuple(Kind(kind) for kind in kinds), types, groups, tags, names),
        tuple(_stage(text) for text in stages) or USUAL_STAGES,
        gate,
        abort_share,
        None if not_after is None else seconds(not_after),
    )
    with opened(folder, Act.COMMAND) as office:
        if what != "commands":
            office.may(Act.INVENTORY)
        return _done(office, name, lambda known: known.begin(item, office.who, paused=paused), wait, as_json)


def _stage(text: str) -> int | float:
    try:
        if text.endswith("%"):
            return float(text.removesuffix("%")) / 100
        return int(text)
    except ValueError:
        raise ConfigError(f"{text!r} is no stage: a number of devices, or a share of them all, as 10%") from None


# --- going on -------------------------------------------------------------------------------------------------------


@campaigns_command.command("confirm")
@click.argument("name")
@wait_option
@folder_option
@json_option
def confirm_command(name: str, wait: bool, folder: Path, as_json: bool) -> int:
    """Confirm as the second person: it begins. Who that is says the token in COSEM_HEADEND_TOKEN, nothing else."""
    from cosem.headend.access import Act

    with opened(folder, Act.CONFIRM) as office:
        if office.token is None:
            raise ConfigError(f"a second person confirms by a token of its own, in {TOKEN}")
        return _done(office, name, lambda known: known.confirm(name, office.who), wait, as_json)


@campaigns_command.command("resume")
@click.argument("name")
@wait_option
@folder_option
@json_option
def resume_command(name: str, wait: bool, folder: Path, as_json: bool) -> int:
    """Let a campaign begin that was created paused, go on behind a pause, or with its next stage."""
    from cosem.headend.access import Act

    with opened(folder, Act.COMMAND) as office:
        return _done(office, name, lambda known: known.resume(name, office.who), wait, as_json)


@campaigns_command.command("pause")
@click.argument("name")
@folder_option
@json_option
def pause_command(name: str, folder: Path, as_json: bool) -> int:
    """Begin no further device. What may be cut off is, and goes on from there."""
    from cosem.headend.access import Act

    with opened(folder, Act.COMMAND) as office:
        return _done(office, name, lambda known: known.pause(name, office.who), False, as_json)


@campaigns_command.command("abort")
@click.argument("name")
@click.option("--why", default="", help="What others read as the reason.")
@folder_option
@json_option
def abort_command(name: str, why: str, folder: Path, as_json: bool) -> int:
    """End a campaign: devices whose turn has not come are left as they are."""
    from cosem.headend.access import Act

    with opened(folder, Act.COMMAND) as office:
        return _done(office, name, lambda known: known.abort(name, office.who, why), False, as_json)


def _done(
    office: Office, name: str, act: Callable[[Campaigns], Awaitable[CampaignRow]], wait: bool, as_json: bool
) -> int:
    """Do it, wait where that is wanted, and show how the campaign stands. Status 1: not everything of it was done."""
    from cosem.headend.campaign import CampaignState

    with asking(office) as headend:
        campaigns = headend.campaigns
        row = on_loop(lambda: act(campaigns))
        if wait:
            attend(office, lambda: campaigns.get(name).state is not CampaignState.RUNNING)
            row = campaigns.get(name)
        failed = _devices(campaigns, row, "failed")
    if as_json:
        print_json(_document(row) | {"failed": failed})
    else:
        _show(row, failed)
        account = _account(row)
        click.echo(f"{counted(account.total(), 'device')}: {_counts(account)}")
    return SAID_NO if wait and (failed or row.state is CampaignState.ABORTED) else DONE
