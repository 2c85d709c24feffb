"""Plans, and the progress of their runs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection, select

from cosem.headend.access import Act
from cosem.headend.audit import record
from cosem.headend.plans import REMOVED, Plan, Plans
from cosem.headend.schema import device, plan, result, segment
from cosem.headend.web.forms import selection_words
from cosem.headend.web.frame import (
    Frame,
    Framed,
    Gone,
    Networked,
    Visitor,
    back,
    fields,
    first_time,
    key_of,
    managing,
    word,
)
from cosem.headend.web.overview import run_row, run_rows

router = APIRouter(include_in_schema=False)
Planner = Annotated[Visitor, managing(Act.PLAN)]
PAGE = 20
MISSED = 50
Number = Annotated[int, Query(ge=0, le=2**53)]


@router.get("/plans")
def plans(
    frame: Framed,
    who: Networked,
    request: Request,
    before: Number | None = None,
) -> Response:
    """Show the plans, and their runs."""
    with frame.headend.engine.connect() as connection:
        rows = [
            (row.id, Plan.of(row.what), bool(row.active))
            for row in connection.execute(select(plan).where(plan.c.active != REMOVED).order_by(plan.c.name))
        ]
        runs = [frame.overviews.account(connection, row) for row in run_rows(connection, before=before, limit=PAGE + 1)]
    shown = [(number, item, active, item.after(frame.now) if active else None) for number, item, active in rows]
    following = runs[PAGE - 1].run if len(runs) > PAGE else None
    return frame.page(
        request, "plans.html", who, selection_words=selection_words, plans=shown, runs=runs[:PAGE], following=following
    )


@router.get("/runs/{number}")
def run(frame: Framed, who: Networked, request: Request, number: int) -> Response:
    """Show one run."""
    with frame.headend.engine.connect() as connection:
        given = run_state(frame, connection, number)
    return frame.page(request, "run.html", who, live=f"run:{number}", target=frame.settings.target, **given)


def run_state(frame: Frame, connection: Connection, number: int) -> dict[str, Any]:
    """Return what the page of a run shows. Raises `Gone`."""
    row = run_row(connection, number) if 0 < number < 2**53 else None
    if row is None:
        raise Gone("there is no such run")
    account = frame.overviews.account(connection, row)
    missed = connection.execute(
        select(device.c.id, device.c.name, result.c.reason, result.c.detail, result.c.tries, result.c.finished)
        .join(device, device.c.id == result.c.device)
        .where(result.c.run == number, result.c.reason.is_not(None))
        .limit(MISSED)
    ).all()
    names = dict(connection.execute(select(segment.c.id, segment.c.name)).all())
    places = sorted((names.get(place, "?"), total, read) for place, (total, read) in account.segments.items())
    return {"account": account, "missed": missed, "places": places, "now": frame.now}


@router.post("/plans/{number}/run")
async def begin(frame: Framed, who: Planner, request: Request, number: int) -> Response:
    """Begin a run of a plan now."""
    form = await fields(request)
    with first_time(frame, who, key_of(form), request.url.path) as fresh:
        if not fresh:
            return back("/plans", "That run was begun already.")
        with frame.headend.engine.begin() as connection:
            record(connection, frame.now, who.person.name, "run plan", _name(connection, number))
        made = await frame.headend.run(number, spread=False)
    return back(f"/runs/{made}")


@router.post("/plans/{number}/active")
async def activate(
    frame: Framed, who: Annotated[Visitor, managing(Act.PLAN)], request: Request, number: int
) -> Response:
    """Let a plan run by its schedule, or rest."""
    active = word(await fields(request), "active") == "1"
    with frame.headend.engine.begin() as connection:
        name = _name(connection, number)
        Plans(connection).activate(name, active)
        record(connection, frame.now, who.person.name, "resume plan" if active else "pause plan", name)
    return back("/plans", f"{name} {'runs by its schedule again' if active else 'is paused'}.")


def _name(connection: Connection, number: int) -> str:
    if not 0 < number < 2**53:
        raise Gone("there is no such plan")
    query = select(plan.c.name).where(plan.c.id == number, plan.c.active != REMOVED)
    found = connection.execute(query).scalar_one_or_none()
    if found is None:
        raise Gone("there is no such plan")
    return str(found)
