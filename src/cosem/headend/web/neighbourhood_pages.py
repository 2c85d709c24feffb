"""The neighbourhood behind a demonstration: how everything is, the power line, what is done at the site, the story."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response

from cosem.errors import ConfigError
from cosem.headend.access import Act
from cosem.headend.audit import record
from cosem.headend.web.frame import (
    Frame,
    Framed,
    Gone,
    Networked,
    Visitor,
    able,
    back,
    fields,
    first_time,
    key_of,
    managing,
    word,
)
from cosem.headend.web.neighbourhood_view import (
    SPEEDS,
    clock_words,
    counts,
    feeder_look,
    feeder_state,
    figure,
    given,
    marks_of,
    tree,
)
from cosem.headend.web.playing import NEIGHBOURHOOD, Playing, PlayUnit, Seen
from cosem.headend.web.text import shown
from cosem.headend.web.touches import FEEDER, Touch, fitting, touch_of

router = APIRouter(include_in_schema=False)
OPEN_AT_MOST: Final = 40
"""Units up to which the whole tree is open."""
Name = Annotated[str, Query(max_length=200)]
Player = Annotated[Visitor, able(Act.COMMAND)]


def playing_of(frame: Frame) -> Playing:
    """Return what asks the neighbourhood. Raises `Gone` where none is played with."""
    if frame.playing is None:
        raise Gone("there is no neighbourhood behind this head-end")
    return frame.playing


@router.get("/neighbourhood")
async def show(frame: Framed, who: Networked, request: Request, unit: Name = "") -> Response:
    """Show the neighbourhood, with one unit or feeder chosen."""
    seen = await playing_of(frame).ask()
    chosen = _panel(seen, unit, who)
    near = {unit, chosen["parent"], chosen["feeder"]} if chosen else set()
    return frame.page(
        request, "neighbourhood.html", who,
        live=NEIGHBOURHOOD, roots=tree(seen), panel=chosen, near=near, speeds=SPEEDS, counts=counts(seen),
        clock=clock_words(frame, seen), feeder_state=lambda name: feeder_state(feeder_look(seen, name)),
        whole=len(seen.units) <= OPEN_AT_MOST, **given(seen),
    )  # fmt: skip


@router.get("/neighbourhood/panel")
async def panel(frame: Framed, who: Networked, unit: Name = "") -> Response:
    """Return what is known of one unit or feeder, and what can be done to it: a piece of the page."""
    seen = await playing_of(frame).ask()
    chosen = _panel(seen, unit, who)
    if chosen is None:
        raise Gone("there is no such device in the neighbourhood")
    return Response(frame.fragment("_n_panel.html", panel=chosen, wrong=""), media_type="text/html")


@router.post("/neighbourhood/touch")
async def touch(frame: Framed, who: Player, request: Request) -> Response:
    """Do something to a unit or a feeder. With the header ``X-Part`` the answer is the panel alone."""
    playing = playing_of(frame)
    form = await fields(request)
    name, key = word(form, "unit"), key_of(form)
    seen = playing.seen if playing.seen.units else await playing.ask()
    unit = seen.unit(name)
    kind = unit.kind if unit is not None else FEEDER if name in seen.feeders else ""
    act = touch_of(kind, word(form, "touch"))
    if act is None or not _at_hand(seen, name, who):
        raise Gone("there is no such device in the neighbourhood, or nothing of this kind is done to it")
    part, wrong, said = request.headers.get("x-part") == "1", "", ""
    try:
        values = dict(act.given)
        if act.number is not None:
            values[act.number[0]] = _whole(form, act)
        with first_time(frame, who, key, "/neighbourhood/touch") as fresh:
            if fresh:
                await asyncio.to_thread(_note, frame, who, name, act, values)
                playing.touched(name)
                said = await playing.play.act(name, act.words, **values)
                playing.changed()
    except ConfigError as error:
        if not part:
            raise
        wrong = str(error)
    if part:
        seen = await playing.ask()
        frame.live.touch(NEIGHBOURHOOD)
        chosen = _panel(seen, name, who)
        text = frame.fragment("_n_panel.html", panel=chosen, wrong=wrong)
        return Response(text, 400 if wrong else 200, media_type="text/html")
    did = f"{shown(name, 60)}: {act.label}. {shown(said, 100)}".strip()
    station = re.fullmatch(r"/stations/(\d{1,15})", word(form, "to"))
    return back(station[0], did) if station else back("/neighbourhood", did, unit=name)


def _at_hand(seen: Seen, name: str, who: Visitor) -> bool:
    """Whether somebody may touch a unit or a feeder: who sees some devices only stands at those."""
    number = seen.devices.get(name)
    return not who.household or (number is not None and who.person.sees(number))


def _whole(form: Any, touch: Touch) -> int:
    assert touch.number is not None
    _, label, least, most, _ = touch.number
    text = word(form, "value", 20).strip()
    if not re.fullmatch(r"[0-9]{1,12}", text) or not least <= int(text) <= most:
        raise ConfigError(f"{label} is a whole number from {least} to {most}")
    return int(text)


def _note(frame: Frame, who: Visitor, name: str, touch: Touch, values: dict[str, Any]) -> None:
    with frame.headend.engine.begin() as connection:
        record(
            connection, frame.now, who.person.name, "touch neighbourhood", name,
            after={"what": touch.label, **values},
        )  # fmt: skip


@router.post("/neighbourhood/speed")
async def speed(frame: Framed, who: Annotated[Visitor, managing(Act.COMMAND)], request: Request) -> Response:
    """Let the neighbourhood live at another speed."""
    playing = playing_of(frame)
    form = await fields(request)
    text = word(form, "speed", 10)
    if text not in map(str, SPEEDS):
        raise ConfigError(f"a speed is one of {', '.join(map(str, SPEEDS))}")
    await playing.play.call("speed", value=int(text))
    before = playing.seen.speed

    def note() -> None:
        with frame.headend.engine.begin() as connection:
            record(connection, frame.now, who.person.name, "speed of neighbourhood", text, before=before)

    await asyncio.to_thread(note)
    playing.changed()
    if request.headers.get("x-part") == "1":
        frame.live.touch(NEIGHBOURHOOD)
        return Response(status_code=204)
    return back("/neighbourhood", f"It lives {text} times as fast as we do." if text != "1" else "It lives as we do.")


# --- one unit -------------------------------------------------------------------------------------------------


def _panel(seen: Seen, name: str, who: Visitor) -> dict[str, Any] | None:
    """Return what the panel of a unit or feeder is made of; None where there is none of this name."""
    unit = seen.unit(name)
    if unit is None and name not in seen.feeders:
        return None
    can = who.can(Act.COMMAND)
    if unit is None:
        look: dict[str, Any] = dict(feeder_look(seen, name))
        facts = [("Meters", str(look["meters"])), ("With power", str(look["powered"]))]
        facts.append(("Drawn together", figure(look["power"] / 1000, 1, "kW")))
        return {
            "name": name, "kind": FEEDER, "place": "", "model": "", "id": f"f{seen.feeders.index(name)}",
            "device": None, "parent": None, "feeder": name, "facts": facts, "marks": [],
            "touches": fitting(FEEDER, look) if can else [],
        }  # fmt: skip
    look = dict(seen.look(unit))
    return {
        "name": name, "kind": unit.kind, "place": unit.place, "model": unit.model, "id": f"u{unit.number}",
        "device": seen.devices.get(name), "parent": unit.parent, "feeder": unit.feeder, "facts": facts_of(unit, look),
        "marks": marks_of(unit, look), "touches": touches_for(unit, look) if can else [],
    }  # fmt: skip


def touches_for(unit: PlayUnit, look: dict[str, Any]) -> list[Touch]:
    """Return what makes sense to do to a unit: nothing can be cut of what is wireless."""
    wireless = "radio" in unit.tags
    return [item for item in fitting(unit.kind, look) if not (wireless and item.words in ("silence", "hear"))]


def facts_of(unit: PlayUnit, look: dict[str, Any]) -> list[tuple[str, str]]:
    """Return how a unit is, as names and values."""
    found = []
    for name, words, places, measure in _FACTS:
        if look.get(name) is not None:
            hourly = name == "flow" and unit.kind == "converter"
            found.append((words, figure(look[name], places, "m³/h" if hourly else measure)))
    volts = [figure(item) for item in look["voltage"][:3]] if isinstance(look.get("voltage"), list) else []
    if volts:
        alike = len(set(volts)) == 1
        said = f"{len(volts)} × {volts[0]}" if alike else " / ".join(volts)
        found.append(("Voltage", f"{said}\u202fV"))
    for name, words in (("switch", "Switch"), ("valve", "Valve"), ("gas", "Gas in force")):
        if name in look:
            found.append((words, shown(look[name], 40)))
    return found


_FACTS: Final = (
    ("power", "Power", 0, "W"),
    ("import", "Import", 3, "kWh"),
    ("export", "Export", 3, "kWh"),
    ("limit", "Limit", 0, "W"),
    ("tariff", "Tariff", 0, ""),
    ("energy", "Energy", 1, "kWh"),
    ("volume", "Volume", 3, "m³"),
    ("flow", "Flow", 1, "l/h"),
    ("flow at base conditions", "Flow at base", 0, "m³/h"),
    ("pressure", "Pressure", 3, "bar"),
    ("temperature", "Temperature", 2, "°C"),
    ("battery", "Battery", 0, "days"),
    ("channels", "Channels in use", 0, ""),
    ("found", "Meters found", 0, ""),
    ("there", "Answered last", 0, ""),
)
