"""The page of a household: what its home uses now, today and this month, whether there is supply, and what to do."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from cosem.errors import ConfigError
from cosem.headend.access import Act, Role
from cosem.headend.audit import record
from cosem.headend.commands import CommandRow, CommandState
from cosem.headend.inventory import DeviceRow, Inventory, Kind, State
from cosem.headend.web.customer_state import KIN, home_of, now_of
from cosem.headend.web.customer_view import given
from cosem.headend.web.customer_words import Supply
from cosem.headend.web.device_pages import find
from cosem.headend.web.frame import (
    Frame,
    Framed,
    Gone,
    Signed,
    Visitor,
    able,
    back,
    fields,
    key_of,
    word,
)
from cosem.headend.web.text import shown

router = APIRouter(include_in_schema=False)
WAIT: Final = 20.0
"""Seconds a page waits for a meter that is read for it."""
SHOWN: Final = (Kind.ELECTRICITY, *KIN)


def note_look(frame: Frame, who: Visitor, number: int) -> None:
    """Note that somebody who does not live there looks at a home."""
    if who.person.role is Role.HOUSEHOLD or not frame.homes.looks(who.person.name, number):
        return
    with frame.headend.engine.begin() as connection:
        row = Inventory(connection).by_number([number]).get(number)
        if row is not None:
            record(connection, frame.now, who.person.name, "look at customer's page", row.name)


@router.get("/home")
async def first(frame: Framed, who: Signed, request: Request) -> Response:
    """Show the home of who signed in; for others it is found by a device."""
    if not who.household:
        return RedirectResponse("/devices", 303)
    with frame.headend.engine.connect() as connection:
        rows = [row for row in Inventory(connection).by_number(who.person.devices or ()).values() if row.kind in SHOWN]
    if not rows:
        return frame.page(request, "home.html", who, home=None, place="", meters=[], number=None)
    # What is in use comes first, and electricity before what is metered beside it.
    rows.sort(key=lambda row: (row.state is not State.IN_USE, SHOWN.index(row.kind), row.name))
    return await _page(frame, who, request, rows[0].id)


@router.get("/home/{number}")
async def show(frame: Framed, who: Signed, request: Request, number: int) -> Response:
    """Show the home that a device belongs to."""
    return await _page(frame, who, request, number)


async def _page(frame: Frame, who: Visitor, request: Request, number: int) -> Response:
    if frame.playing is not None:
        await frame.playing.ask()
    return await asyncio.to_thread(_made, frame, who, request, number)


def _made(frame: Frame, who: Visitor, request: Request, number: int) -> Response:
    with frame.headend.engine.connect() as connection:
        row = _of_home(find(connection, number, who))
        numbers, meters = home_of(connection, row, who.person.devices)
        home = given(frame, connection, numbers, hand=at_hand(frame, who))
    note_look(frame, who, number)
    return frame.page(
        request, "home.html", who,
        home=home, place=row.place, number=number, meters=meters if len(meters) > 1 else [], live=home["topic"],
        device=row,
    )  # fmt: skip


def _of_home(row: DeviceRow) -> DeviceRow:
    if row.kind not in SHOWN:
        raise Gone("this is no device of a home")
    return row


def at_hand(frame: Frame, who: Visitor) -> bool:
    """Whether somebody stands before the meter, in a demonstration: who lives there, or who plays with all of it."""
    return frame.playing is not None and (who.person.role is Role.HOUSEHOLD or who.can(Act.COMMAND))


# --- acts -------------------------------------------------------------------------------------------------------


@router.post("/home/{number}/read")
async def read(frame: Framed, who: Annotated[Visitor, able(Act.READ)], request: Request, number: int) -> Response:
    """Read the meters of a home now, ahead of plans; not twice within half a minute."""
    form = await fields(request)
    key, to = key_of(form), f"/home/{number}"
    with frame.headend.engine.connect() as connection:
        row = _of_home(find(connection, number, who))
        numbers, _ = home_of(connection, row, who.person.devices)
        rows = Inventory(connection).by_number(numbers)
    # Those on the M-Bus of a meter are read with it.
    names = [one.name for one in rows.values() if one.id == number or one.above != number]
    if not frame.homes.may_read(number):
        return back(to, "It was read less than half a minute ago: wait a moment.")
    asked = asyncio.gather(
        *(
            frame.headend.read_now(name, who.person.name, identity=f"home-{key}-{name}", seconds=int(WAIT))
            for name in names
        ),
        return_exceptions=True,
    )
    try:
        async with asyncio.timeout(WAIT):
            answers = await asyncio.shield(asked)
    except TimeoutError:
        return back(to, "The meter has not answered yet. What it says appears here as soon as it does.")
    frame.live.touch(*frame.homes.told({"device": number}))
    return back(to, _read_words(answers))


def _read_words(answers: list[list[CommandRow] | BaseException]) -> str:
    for answer in answers:
        if isinstance(answer, BaseException):
            if not isinstance(answer, ConfigError):
                raise answer
            return f"It was not read: {shown(answer, 200)}."
    done = [
        row.state is CommandState.DONE for answer in answers if not isinstance(answer, BaseException) for row in answer
    ]
    if all(done):
        return "Read just now."
    return (
        "Some of the meters did not answer: their values are as old as is said."
        if any(done)
        else ("The meter did not answer. The values are as old as is said.")
    )


@router.post("/home/{number}/button")
async def push(frame: Framed, who: Signed, request: Request, number: int) -> Response:
    """Push the button of a meter or valve that is ready for it: in a demonstration, where the meter is at hand."""
    playing = frame.playing
    if playing is None:
        raise Gone("nobody can push the button of a meter from afar")
    if not at_hand(frame, who):
        who.person.may(Act.COMMAND)
    form = await fields(request)
    text, to = word(form, "device", 15), f"/home/{number}"
    with frame.headend.engine.connect() as connection:
        row = _of_home(find(connection, number, who))
        numbers, _ = home_of(connection, row, who.person.devices)
        if not text.isascii() or not text.isdigit() or int(text) not in numbers:
            raise Gone("there is no such device in this home")
        pushed = find(connection, int(text), who)
    valve = pushed.kind is not Kind.ELECTRICITY
    if not await _ready(frame, numbers, pushed):
        return back(to, f"The button does nothing now: the {'valve' if valve else 'meter'} is not ready for it.")
    await asyncio.to_thread(_note_push, frame, who, pushed)
    playing.touched(pushed.name)
    # Pushed twice it is pushed once: the button of a connected meter could disconnect, and is not pushed for that.
    await playing.play.act(pushed.name, "button", **({} if valve else {"connect": True}))
    playing.changed()
    if await _ready(frame, numbers, pushed):
        return back(to, "The button was pushed, and nothing happened.")
    return back(to, "The valve is open again." if valve else "Electricity is on again.")


async def _ready(frame: Frame, numbers: tuple[int, ...], row: DeviceRow) -> bool:
    assert frame.playing is not None
    seen = await frame.playing.ask(0.0)
    if seen.problem:
        raise ConfigError(seen.problem)

    def found() -> bool:
        with frame.headend.engine.connect() as connection:
            known = frame.homes.known(connection, frame.headend.intervals, numbers, frame.now, frame.zone)
        now = now_of(known, seen.looks, seen.now)
        return now.supply is Supply.READY if row.kind is Kind.ELECTRICITY else now.valves.get(row.id) == "released"

    return await asyncio.to_thread(found)


def _note_push(frame: Frame, who: Visitor, row: DeviceRow) -> None:
    with frame.headend.engine.begin() as connection:
        record(connection, frame.now, who.person.name, "push button", row.name)
