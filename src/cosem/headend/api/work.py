"""Plans, their runs, and commands."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query, Request, Response
from sqlalchemy import select

from cosem.errors import ConfigError
from cosem.headend.access import Act, Person
from cosem.headend.api.app import Asked, Key, NotFound, Served, allowed, once, room, seen_device, within_reach
from cosem.headend.api.shapes import (
    MAX_NUMBER,
    MAX_PAGE,
    Bundle,
    BundleRequest,
    Command,
    PlanShape,
    Run,
    moment,
    seconds,
)
from cosem.headend.audit import record
from cosem.headend.command_kinds import KINDS
from cosem.headend.commands import CommandRow, NewCommand
from cosem.headend.engine import Headend
from cosem.headend.inventory import Inventory
from cosem.headend.plans import Plan, Plans, Selection
from cosem.headend.reach import shown_to
from cosem.headend.schema import plan, plan_run

router = room("work")
Identity = Annotated[str, Path(min_length=1, max_length=200)]


@router.get("/plans")
def list_plans(headend: Served, who: Annotated[Person, allowed(Act.SEE, everywhere=True)]) -> list[PlanShape]:
    """Return the plans."""
    with headend.engine.connect() as connection:
        plans = Plans(connection).all()
    return [
        PlanShape(
            name=item.name,
            schedule=item.schedule,
            window=item.window,
            kinds=list(item.selection.kinds),
            types=list(item.selection.types),
            groups=list(item.selection.groups),
            tags=list(item.selection.tags),
            names=list(item.selection.names),
            profiles=list(item.profiles),
            events=list(item.events),
            depth=item.depth,
            zone=item.zone,
            clock=item.clock,
            tries=item.tries,
        )
        for item in plans.values()
    ]


@router.put("/plans")
def save_plan(headend: Served, who: Annotated[Person, allowed(Act.PLAN)], item: PlanShape) -> PlanShape:
    """Add a plan, or change the one of that name."""
    selection = Selection(tuple(item.kinds), tuple(item.types), tuple(item.groups), tuple(item.tags), tuple(item.names))
    made = Plan(
        item.name,
        item.schedule,
        item.window,
        selection,
        tuple(item.profiles),
        item.depth,
        item.clock,
        item.zone,
        events=tuple(item.events),
        tries=item.tries,
    )
    with headend.engine.begin() as connection:
        Plans(connection).save(made)
        record(connection, headend.clock(), who.name, "save plan", item.name, after=item.model_dump(mode="json"))
    return item


@router.post("/plans/{name}/runs", status_code=202, response_model=Run)
async def start_run(
    headend: Served, who: Annotated[Person, allowed(Act.PLAN)], name: Identity, request: Request, key: Key = None
) -> Response:
    """Begin a run of a plan now."""

    async def act(asked: Asked) -> Run:
        with headend.engine.begin() as connection:
            try:
                number = Plans(connection).number(name)
            except ConfigError as error:
                raise NotFound(str(error)) from None
            record(connection, headend.clock(), who.name, "run plan", name)
        # A plan has one run of a start: done again after a crash it is the same one.
        run = await headend.run(number, asked.at, spread=False)
        return _run(headend, run)

    return await once(headend, who, key, request, act, 202)


@router.get("/runs")
def list_runs(
    headend: Served,
    who: Annotated[Person, allowed(Act.SEE, everywhere=True)],
    before: Annotated[int | None, Query(ge=0, le=MAX_NUMBER)] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 20,
) -> list[Run]:
    """Return runs, the newest first."""
    query = select(plan_run.c.id).order_by(plan_run.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(plan_run.c.id < before)
    with headend.engine.connect() as connection:
        numbers = connection.execute(query).scalars().all()
    return [_run(headend, number) for number in numbers]


def _run(headend: Served, number: int) -> Run:
    with headend.engine.connect() as connection:
        row = connection.execute(
            select(plan_run, plan.c.name).join(plan, plan.c.id == plan_run.c.plan).where(plan_run.c.id == number)
        ).one()
        account = dict(Plans(connection).account(number))
    return Run(
        run=number,
        plan=row.name,
        start=moment(row.start),
        deadline=moment(row.deadline),
        finished=None if row.finished is None else moment(row.finished),
        account=account,
    )


@router.get("/commands/kinds")
def kinds(who: Annotated[Person, allowed(Act.SEE)]) -> dict[str, str]:
    """Return the kinds of commands and what they do."""
    return {kind.name: kind.words for kind in KINDS.values()}


@router.post("/commands", status_code=202, response_model=Bundle)
async def send_commands(
    headend: Served,
    who: Annotated[Person, allowed(Act.COMMAND)],
    item: BundleRequest,
    request: Request,
    key: Key = None,
) -> Response:
    """Ask for commands to one device, in one association."""

    async def act(asked: Asked) -> Bundle:
        commands = [NewCommand(each.kind, each.parameters) for each in item.commands]
        with headend.engine.connect() as connection:
            within_reach(connection, seen_device(connection, item.device, who), commands, who)
        rows = await headend.commands.request(
            item.device,
            commands,
            who.name,
            identity=asked.identity,
            not_after=None if item.not_after is None else seconds(item.not_after),
        )
        return _bundle(rows)

    return await once(headend, who, key, request, act, 202)


@router.get("/commands/{bundle}")
def get_bundle(headend: Served, who: Annotated[Person, allowed(Act.SEE)], bundle: Identity) -> Bundle:
    """Return the commands of a bundle as they stand."""
    return _shown(headend, who, bundle)


def _shown(headend: Headend, who: Person, bundle: str) -> Bundle:
    """Return a bundle as far as it is this person's. Raises `NotFound`."""
    rows = headend.commands.bundle(bundle)
    if not rows or not who.sees(rows[0].device):
        raise NotFound(f"there is no bundle {bundle!r}")
    with headend.engine.connect() as connection:
        target = Inventory(connection).by_number([rows[0].device])[rows[0].device]
        return _bundle(shown_to(connection, target, rows, who))


@router.post("/commands/{bundle}/confirmation")
async def confirm(headend: Served, who: Annotated[Person, allowed(Act.CONFIRM)], bundle: Identity) -> Bundle:
    """Confirm as the second person."""
    get_bundle(headend, who, bundle)
    await headend.commands.confirm(bundle, who.name)
    return _shown(headend, who, bundle)


@router.post("/commands/{bundle}/withdrawal")
async def take_back(headend: Served, who: Annotated[Person, allowed(Act.COMMAND)], bundle: Identity) -> Bundle:
    """Take back what is not sent yet."""
    get_bundle(headend, who, bundle)
    await headend.commands.cancel(bundle, who.name)
    return _shown(headend, who, bundle)


def _bundle(rows: list[CommandRow]) -> Bundle:
    return Bundle(id=rows[0].bundle, commands=[Command.of(row) for row in rows])
