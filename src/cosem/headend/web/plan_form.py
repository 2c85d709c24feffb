"""A plan as a form: who is read, what of them, and when, with the next times before it is kept."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection, select

from cosem.companions.companion import companion
from cosem.errors import ConfigError
from cosem.headend.audit import record
from cosem.headend.inventory import Inventory
from cosem.headend.plans import MAX_TRIES, REMOVED, Plan, Plans
from cosem.headend.schema import plan
from cosem.headend.web.asking import Question, ask
from cosem.headend.web.forms import WHOLE, Choices, Filled, choices, filled_in, selection, selection_words, sentence
from cosem.headend.web.frame import Frame, Framed, Gone, Visitor, back, fields, first_time, key_of
from cosem.headend.web.plan_pages import Planner
from cosem.obis import obis

router = APIRouter(include_in_schema=False)
TIMES: Final = 5
LONGEST_WINDOW: Final = 7 * 86_400
USUAL: Final = Plan("usual", "15 0 * * *")
SCHEDULES: Final = {
    "15 0 * * *": "every night at 00:15",
    "0 */4 * * *": "every four hours",
    "10 * * * *": "every hour, ten minutes past",
    "0 1 * * 1": "Mondays at 01:00",
    "0 2 1 * *": "the first of each month at 02:00",
}
"""What a field for schedules suggests."""


def next_times(schedule: str, zone: str, now: int, name: str = "preview") -> list[str]:
    """Return when a schedule begins next, in its own zone. Raises `ConfigError` for one that is none, or never is."""
    made = Plan(name, schedule, zone=zone)
    found, at = [], now
    for _ in range(TIMES):
        try:
            at = made.after(at)
        except (ValueError, OverflowError):
            raise ConfigError(f"{schedule!r} never begins: there is no such day") from None
        found.append(f"{datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(zone)):%a %d %b %Y, %H:%M}")
    return found


@router.get("/plans/times")
def times(
    frame: Framed,
    who: Planner,
    request: Request,
    schedule: Annotated[str, Query(max_length=200)] = "",
    zone: Annotated[str, Query(max_length=100)] = "Europe/Berlin",
) -> Response:
    """Return the next times of a schedule, for the form while somebody types."""
    return frame.page(request, "plan_times.html", who, **_previewed(schedule, zone, frame.now))


def _previewed(schedule: str, zone: str, now: int) -> dict[str, Any]:
    try:
        return {"times": next_times(schedule, zone, now), "why": "", "zone": zone}
    except ConfigError as error:
        return {"times": [], "why": sentence(str(error).removeprefix("plan preview: ")), "zone": zone}


# --- the form -------------------------------------------------------------------------------------------------


def _filled(item: Plan, *, new: bool = False) -> Filled:
    """Return a plan as a form; of a new one nobody has said yet that it reads all devices."""
    minutes = item.window // 60
    return Filled(
        {
            "name": [item.name],
            "what": ["some" if item.profiles else "all"],
            "profiles": list(item.profiles),
            "events": list(item.events),
            "clock": ["1"] if item.clock else [],
            "depth": [str(item.depth)],
            "schedule": [item.schedule],
            "zone": [item.zone],
            "window": [f"{minutes // 60}:{minutes % 60:02}"],
            "tries": [str(item.tries)],
            **filled_in(item.selection),
            **({"who": ["some"]} if new else {}),
        }
    )


def _parsed(filled: Filled, connection: Connection, now: int, old: Plan | None) -> Plan | None:
    """Return the plan that was filled in, None where something is wrong with it."""
    name = old.name if old is not None else filled.text("name")
    chosen = selection(filled, connection)
    profiles: tuple[str, ...] = ()
    if filled.get("what") != "all":
        lines = filled.lines("profiles", 50)
        profiles = filled.attempt("profiles", lambda: tuple(str(obis(line)) for line in lines)) or ()
        if not profiles and "profiles" not in filled.wrong:
            filled.refuse("profiles", "Choose or name a profile, or everything that the types have.")
    elif filled.lines("profiles", 50):
        filled.refuse("profiles", "Something is chosen here: take it away, or choose these profiles only.")
    events = filled.lines("events", 20)
    unknown = [group for group in events if group not in _logs(connection)]
    if unknown:
        filled.refuse("events", f"There is no log {unknown[0][:50]!r}.")
    depth, tries = filled.whole("depth", 1, 3650), filled.whole("tries", 1, MAX_TRIES)
    schedule, zone, window = filled.text("schedule"), filled.text("zone", 100), _window(filled)
    if filled.attempt("zone", lambda: Plan(name, USUAL.schedule, zone=zone)) is not None and schedule:
        filled.attempt("schedule", lambda: next_times(schedule, zone, now, name))
    for field in ("zone", "schedule"):
        if field in filled.wrong:
            filled.wrong[field] = sentence(filled.wrong[field].removeprefix(f"Plan {name}: "))
    if filled.wrong or depth is None or tries is None or window is None:
        return None
    made = Plan(name, schedule, window, chosen, profiles, depth, filled.has("clock"), zone, events=events, tries=tries)
    return replace(made, spread=old.spread) if old is not None else made


def _window(filled: Filled) -> int | None:
    """Return the seconds of hours and minutes."""
    hours, _, minutes = filled.text("window", 10).partition(":")
    if not (hours.isascii() and hours.isdecimal() and minutes.isascii() and (minutes.isdecimal() or not minutes)):
        filled.refuse("window", "Hours and minutes, as in 6:00.")
        return None
    seconds = int(hours) * 3600 + int(minutes or 0) * 60
    if int(minutes or 0) > 59 or not 60 <= seconds <= LONGEST_WINDOW:
        filled.refuse("window", "One minute to seven days, in hours and minutes, as in 6:00.")
        return None
    return seconds


def _logs(connection: Connection) -> list[str]:
    """Return the event logs of the companion profiles that the types have."""
    known = {kind.companion for kind in Inventory(connection).types()} | {"idis"}
    groups: dict[str, None] = {}
    for name in sorted(known):
        try:
            groups.update(dict.fromkeys(group.name for group in companion(name).groups))
        except ConfigError:
            continue
    return list(groups)


def _profiles(connection: Connection) -> list[str]:
    """Return the profiles that types have learned."""
    return sorted({str(reading.name) for kind in Inventory(connection).types() for reading in kind.readings})


def _page(
    frame: Frame, request: Request, who: Visitor, filled: Filled, number: int | None, was: str, *, status: int = 200
) -> Response:
    with frame.headend.engine.connect() as connection:
        chosen: Choices = choices(connection)
        known = {"profiles": _profiles(connection), "logs": _logs(connection)}
    shown = _previewed(filled.get("schedule"), filled.get("zone"), frame.now)
    return frame.page(
        request, "plan_form.html", who, status,
        filled=filled, wrong=filled.wrong, number=number, was=was, choices=chosen, schedules=SCHEDULES, most=MAX_TRIES,
        **known, **shown,
    )  # fmt: skip


def _there(connection: Connection, number: int) -> tuple[Plan, bool, str]:
    """Return a plan, whether it runs by its schedule, and what its document is known by. Raises `Gone`."""
    query = select(plan).where(plan.c.id == number, plan.c.active != REMOVED)
    row = connection.execute(query).one_or_none() if 0 < number < 2**53 else None
    if row is None:
        raise Gone("there is no such plan")
    return Plan.of(row.what), bool(row.active), hashlib.sha256(row.what.encode()).hexdigest()[:16]


@router.get("/plans/new")
def new(frame: Framed, who: Planner, request: Request) -> Response:
    """Show the form of a plan to be made."""
    return _page(frame, request, who, _filled(replace(USUAL, name="", zone=frame.settings.zone), new=True), None, "")


@router.post("/plans")
async def make(frame: Framed, who: Planner, request: Request) -> Response:
    """Make a plan."""
    return await _save(frame, who, request, None)


@router.get("/plans/{number}/change")
def change(frame: Framed, who: Planner, request: Request, number: int) -> Response:
    """Show the form of a plan that is there."""
    with frame.headend.engine.connect() as connection:
        item, _, was = _there(connection, number)
    return _page(frame, request, who, _filled(item), number, was)


@router.post("/plans/{number}")
async def save(frame: Framed, who: Planner, request: Request, number: int) -> Response:
    """Change a plan."""
    return await _save(frame, who, request, number)


async def _save(frame: Frame, who: Visitor, request: Request, number: int | None) -> Response:
    form = await fields(request)
    filled, key = Filled.of(form), key_of(form)
    was = filled.get("was")
    with frame.headend.engine.connect() as connection:
        old = None if number is None else _there(connection, number)[0]
        made = _parsed(filled, connection, frame.now, old)
    if filled.get("do") == "check":
        return _page(frame, request, who, filled, number, was)
    if made is None:
        return _page(frame, request, who, filled, number, was, status=400)
    try:
        with first_time(frame, who, key, request.url.path) as fresh:
            if not fresh:
                return back("/plans", "That plan was kept already.")
            _keep(frame, who, made, number, was)
    except ConfigError as error:
        filled.refuse("name" if number is None else WHOLE, str(error))
        return _page(frame, request, who, filled, number, was, status=400)
    return back("/plans", f"{made.name} is kept.")


def _keep(frame: Frame, who: Visitor, made: Plan, number: int | None, was: str) -> None:
    """Keep a plan. Raises `ConfigError` where its name is taken, or where it is no longer what was changed."""
    with frame.headend.engine.begin() as connection:
        before = None
        if number is not None:
            item, _, is_now = _there(connection, number)
            if was != is_now:
                raise ConfigError("Somebody changed this plan meanwhile: load the page again to see how it is now.")
            before = json.loads(item.document())
        elif made.name in {item.name for item in Plans(connection).all(active=False).values()}:
            raise ConfigError("There is a plan of this name already.")
        Plans(connection).save(made)
        after = json.loads(made.document())
        record(connection, frame.now, who.person.name, "save plan", made.name, before=before, after=after)


# --- away with it ---------------------------------------------------------------------------------------------


@router.get("/plans/{number}/ask/remove")
def ask_remove(frame: Framed, who: Planner, request: Request, number: int) -> Response:
    """Ask whether a plan is to go."""
    with frame.headend.engine.connect() as connection:
        item, _, _ = _there(connection, number)
    facts = (("Plan", item.name), ("Devices", selection_words(item.selection)), ("Schedule", item.schedule))
    says = (
        "It begins no run any more. Its runs and everything that was read stay; one that is under way ends by itself."
    )
    question = Question("Delete this plan", "Delete plan", says, f"/plans/{number}/remove", "/plans", facts, grave=True)
    return ask(frame, request, who, question)


@router.post("/plans/{number}/remove")
async def remove(frame: Framed, who: Planner, request: Request, number: int) -> Response:
    """Take a plan away."""
    form = await fields(request)
    with first_time(frame, who, key_of(form), request.url.path) as fresh:
        if not fresh:
            return back("/plans", "That plan was deleted already.")
        with frame.headend.engine.begin() as connection:
            item, _, _ = _there(connection, number)
            Plans(connection).remove(item.name)
            before = json.loads(item.document())
            record(connection, frame.now, who.person.name, "remove plan", item.name, before=before)
    return back("/plans", f"{item.name} is deleted.")
