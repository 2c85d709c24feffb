"""``cosem headend plans`` and ``cosem headend run``: what is read by when, and a night's account."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cosem.cli.headend_office import Office, attend, counted, folder_option, iso, json_option, opened, shown
from cosem.cli.output import DONE, SAID_NO, note, print_json, print_table
from cosem.cli.values import NumberRange

if TYPE_CHECKING:
    from sqlalchemy import Engine

KINDS = ("electricity", "gas", "water", "heat", "converter", "concentrator", "gateway")
MAX_SHOWN = 20


@click.group("plans")
def plans_command() -> None:
    """Who is read, what of them, and when."""


@plans_command.command("list")
@folder_option
@json_option
def list_command(folder: Path, as_json: bool) -> int:
    """List plans with their next start."""
    from cosem.headend.access import Act
    from cosem.headend.plans import Plans

    with opened(folder, Act.SEE) as office, office.engine.connect() as connection:
        plans = Plans(connection)
        active = set(plans.all())
        rows = [(number in active, item, item.after(office.now)) for number, item in plans.all(active=False).items()]
    if as_json:
        import json

        print_json(
            [
                {**json.loads(item.document()), "active": is_active, "next": iso(following) if is_active else None}
                for is_active, item, following in rows
            ]
        )
        return DONE
    print_table(
        ("plan", "schedule", "zone", "window", "devices", "next start"),
        [
            (
                item.name,
                item.schedule,
                item.zone,
                f"{item.window} s",
                _selected(item.selection),
                shown(following) if is_active else "rests",
            )
            for is_active, item, following in rows
        ],
    )
    return DONE


def _selected(chosen: Any) -> str:
    parts = [*chosen.kinds, *chosen.types, *chosen.groups, *(f"#{tag}" for tag in chosen.tags), *chosen.names]
    return ", ".join(parts) or "all"


@plans_command.command("add")
@click.argument("name")
@click.option("--schedule", required=True, metavar="CRON", help="Minute, hour, day, month, weekday: '15 0 * * *'.")
@click.option("--zone", default="Europe/Berlin", show_default=True, help="The local time of the schedule.")
@click.option(
    "--window",
    type=NumberRange(1 / 60, 168),
    default=6.0,
    show_default=True,
    metavar="HOURS",
    help="How long a run may take.",
)
@click.option("--kind", "kinds", multiple=True, type=click.Choice(KINDS))
@click.option("--type", "types", multiple=True)
@click.option("--group", "groups", multiple=True)
@click.option("--tag", "tags", multiple=True)
@click.option("--device", "names", multiple=True)
@click.option("--profile", "profiles", multiple=True, metavar="OBIS", help="Only this profile of what a type has.")
@click.option("--events", "events", multiple=True, metavar="LOG", help="Read this log too (standard, fraud, ...).")
@click.option("--depth", type=click.IntRange(1, 3650), default=40, show_default=True, help="Days back at most.")
@click.option("--no-clock", is_flag=True, help="Do not look at clocks, nor set them.")
@folder_option
def add_command(
    name: str,
    schedule: str,
    zone: str,
    window: float,
    kinds: tuple[str, ...],
    types: tuple[str, ...],
    groups: tuple[str, ...],
    tags: tuple[str, ...],
    names: tuple[str, ...],
    profiles: tuple[str, ...],
    events: tuple[str, ...],
    depth: int,
    no_clock: bool,
    folder: Path,
) -> int:
    """Add a plan, or change the one of that name. Devices fit every condition given."""
    import json

    from cosem.headend.access import Act
    from cosem.headend.audit import record
    from cosem.headend.inventory import Kind
    from cosem.headend.plans import Plan, Plans, Selection
    from cosem.obis import obis

    item = Plan(
        name,
        schedule,
        round(window * 3600),
        Selection(tuple(Kind(kind) for kind in kinds), types, groups, tags, names),
        tuple(str(obis(text)) for text in profiles),
        depth,
        not no_clock,
        zone,
        events=events,
    )
    with opened(folder, Act.PLAN) as office, office.engine.begin() as connection:
        Plans(connection).save(item)
        record(connection, office.now, office.who, "save plan", name, after=json.loads(item.document()))
    return DONE


@plans_command.command("activate")
@click.argument("name")
@click.option("--rest", is_flag=True, help="Let it rest instead.")
@folder_option
def activate_command(name: str, rest: bool, folder: Path) -> int:
    """Let a plan run by its schedule, or rest."""
    from cosem.headend.access import Act
    from cosem.headend.audit import record
    from cosem.headend.plans import Plans

    with opened(folder, Act.PLAN) as office, office.engine.begin() as connection:
        Plans(connection).activate(name, not rest)
        record(connection, office.now, office.who, "rest plan" if rest else "activate plan", name)
    return DONE


@click.command("run")
@click.argument("plan")
@folder_option
@json_option
def run_command(plan: str, folder: Path, as_json: bool) -> int:
    """Carry PLAN out now, every device at once as its network allows, and account for every one of them.

    Where cosem headend serve is at work, that does it; otherwise this process. Exit status 1: not all were read.
    """
    from cosem.headend.access import Act
    from cosem.headend.audit import record
    from cosem.headend.plans import Plans

    with opened(folder, Act.PLAN) as office:
        with office.engine.begin() as connection:
            plans = Plans(connection)
            run = plans.begin(plans.number(plan), office.now, spread=False)
            record(connection, office.now, office.who, "run plan", plan, after={"run": run})
        progress = _Progress(office, run, quiet=as_json)
        attend(office, progress.over)
        report = run_report(office.engine, run, plan)
    if as_json:
        print_json(report)
    else:
        show_report(report)
    return DONE if set(report["account"]) <= {"read"} else SAID_NO


class _Progress:
    """How far a run is, as the folder has it, until it is over."""

    def __init__(self, office: Office, run: int, *, quiet: bool) -> None:
        self._office = office
        self._run = run
        self._say = None if quiet else Saying()

    def over(self) -> bool:
        """Say how far it is; return whether it is over."""
        from sqlalchemy import select

        from cosem.headend.plans import Plans
        from cosem.headend.schema import plan_run

        with self._office.engine.begin() as connection:
            plans = Plans(connection)
            plans.finish(self._run, self._office.now)
            account = plans.account(self._run)
            finished = connection.execute(select(plan_run.c.finished).where(plan_run.c.id == self._run)).scalar_one()
        if self._say is not None:
            self._say(account, finished is not None)
        return finished is not None


class Saying:
    """Says how far a run is on standard error: over itself for a person, seldom for a log."""

    def __init__(self) -> None:
        self._said = ""
        self._tenth = -1

    def __call__(self, account: Mapping[str, int], over: bool) -> None:
        """Say the account of a run, where it is another than before."""
        total = sum(account.values())
        done = total - account.get("waiting", 0)
        text = f"{done} of {counted(total, 'device')}: " + (_words(account) or "none")
        if sys.stderr.isatty():
            if text != self._said or over:
                click.echo(f"\r\x1b[K{text}" + ("\n" if over else ""), nl=False, err=True)
        elif total and (tenth := 10 * done // total) != self._tenth:
            self._tenth = tenth
            click.echo(text, err=True)
        self._said = text


def _words(account: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {reason}" for reason, number in sorted(account.items(), key=lambda item: -item[1]))


def run_report(engine: Engine, run: int, plan: str) -> dict[str, Any]:
    """Return the account of a run: how many devices and values, and who was not read and why."""
    from sqlalchemy import func, select

    from cosem.headend.plans import Plans
    from cosem.headend.schema import device, plan_run, result

    with engine.connect() as connection:
        row = connection.execute(select(plan_run).where(plan_run.c.id == run)).one()
        account = dict(Plans(connection).account(run))
        count = connection.execute(select(func.sum(result.c["values"])).where(result.c.run == run)).scalar()
        failed = connection.execute(
            select(device.c.name, result.c.reason, result.c.detail, result.c.tries)
            .join(device, device.c.id == result.c.device)
            .where(result.c.run == run, result.c.reason.is_not(None))
            .order_by(result.c.reason, device.c.name)
        ).all()
    return {
        "run": run,
        "plan": plan,
        "start": iso(row.start),
        "finished": iso(row.finished),
        "devices": sum(account.values()),
        "account": account,
        "values": int(count or 0),
        "failed": [{"device": d, "reason": r, "detail": t, "tries": n} for d, r, t, n in failed],
    }


def _first(text: str) -> str:
    return text.partition(". ")[0]


def show_report(report: Mapping[str, Any]) -> None:
    """Print the account of a run."""
    account = sorted(report["account"].items(), key=lambda item: (item[0] != "read", -item[1]))
    print_table(("", "devices"), account, right=(1,))
    click.echo(f"{counted(report['devices'], 'device')}, {counted(report['values'], 'value')}")
    failed = report["failed"]
    if failed:
        click.echo()
        # The first sentence says what; --json has what it may be.
        rows = [(item["device"], item["reason"], _first(item["detail"]), item["tries"]) for item in failed[:MAX_SHOWN]]
        print_table(("not read", "reason", "", "tries"), rows, right=(3,))
    if len(failed) > MAX_SHOWN:
        note(f"and {len(failed) - MAX_SHOWN} more: --json has them all")
