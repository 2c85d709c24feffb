"""A campaign as a form: what is done, at which devices, in which stages; and a look at what it would touch."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection, select

from cosem.errors import ConfigError
from cosem.headend.access import Act
from cosem.headend.campaign import MAX_STAGES, CampaignState, NewCampaign, cut
from cosem.headend.command_kind import Kind as CommandKind
from cosem.headend.command_kinds import KINDS
from cosem.headend.firmware import Image
from cosem.headend.keychanges import KEYS, USUAL
from cosem.headend.plans import Plans
from cosem.headend.schema import device, device_type
from cosem.headend.web.forms import WHOLE, Filled, choices, selection, sentence
from cosem.headend.web.frame import Frame, Framed, Gone, Visitor, back, fields, first_time, key_of, managing

router = APIRouter(include_in_schema=False)
Doing = Annotated[Visitor, managing(Act.COMMAND)]
Sort = Literal["firmware", "commands", "keys"]
USUAL_STAGES: Final = "1, 100, all"
USUAL_SHARE: Final = "5"
FIRST_COMMAND: Final = "message"
HINTS: Final = {
    "at": "A time with its zone, as in 2026-11-30T18:00:00+01:00.",
    "time": "A time with its zone; left out, the head-end's.",
    "from": "A time with its zone, as in 2026-11-30T18:00:00+01:00.",
    "to": "An address, or a time with its zone, as the command says.",
    "object": "A logical name, where it is not the usual one.",
    "limiter": "A logical name, where it is not the usual one.",
    "channel": "M-Bus channel, 1 to 4.",
    "attributes": 'A list as in [[3, "1-0:1.8.0.255", 2]].',
    "attribute": 'As in [3, "1-0:1.8.0.255", 2].',
    "method": 'As in [70, "0-0:96.3.10.255", 1].',
    "value": 'As in {"long-unsigned": 60}.',
    "parameter": 'As in {"integer": 0}.',
    "groups": "A list in square brackets.",
}
"""What is said beside the parameters of commands."""
SORTS: Final[tuple[Sort, ...]] = ("firmware", "commands", "keys")
GRAVE: Final = ("firmware", "keys")
"""Kinds of campaigns that are an administrator's."""


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter of a command as a field: what it is called in the form, and how it is filled in."""

    name: str
    parameter: str
    sort: Literal["text", "whole", "number", "box", "document"]
    needed: bool


@dataclass(frozen=True, slots=True)
class Fit:
    """Devices of one type that are meant: how many, and why an image is not for them."""

    type: str
    devices: int
    misfit: str | None


@dataclass(frozen=True, slots=True)
class Look:
    """What a campaign would touch."""

    devices: int
    stages: tuple[int, ...]
    fits: tuple[Fit, ...]
    two: bool


def fields_of(kind: CommandKind) -> list[Field]:
    """Return the parameters of a kind of command as fields; those that are needed come first."""
    sorts: dict[Any, Literal["text", "whole", "number", "box", "document"]] = {
        str: "text", int: "whole", bool: "box", list: "document", dict: "document",
    }  # fmt: skip
    found = [
        Field(f"p-{name}", name, sorts.get(given, "number"), name in kind.required)
        for name, given in kind.parameters.items()
    ]
    return sorted(found, key=lambda field: not field.needed)


# --- what was filled in ---------------------------------------------------------------------------------------


def stages_of(text: str) -> tuple[float, ...]:
    """Return stages as campaigns have them: "1, 100, 10 %, all". Raises `ConfigError`."""
    found: list[float] = []
    for part in text.replace(";", ",").split(","):
        word = part.strip().lower()
        if word == "all":
            found.append(1.0)
        elif word.endswith("%") and _is_number(word[:-1].strip()):
            found.append(float(word[:-1]) / 100)
        elif word.isascii() and word.isdecimal() and len(word) < 10:
            found.append(int(word))
        else:
            raise ConfigError("numbers of devices, shares or all, as in 1, 100, 10 %, all")
    if not 1 <= len(found) <= MAX_STAGES or any(
        not (0 < item <= 1 if isinstance(item, float) else item) for item in found
    ):
        raise ConfigError(f"1 to {MAX_STAGES} stages: numbers from 1 on, shares up to 100 %, all")
    return tuple(found)


def _is_number(text: str) -> bool:
    return text.isascii() and len(text) < 10 and text.replace(".", "", 1).isdecimal()


def _share(filled: Filled) -> float:
    text = filled.text("share", 10).rstrip("% ")
    if not _is_number(text) or not 0 <= float(text) <= 100:
        filled.refuse("share", "A share from 0 to 100 %.")
        return 0.0
    return float(text) / 100


def _parsed(frame: Frame, filled: Filled, connection: Connection, sort: Sort) -> NewCampaign | None:
    """Return the campaign that was filled in, None where something is wrong with it."""
    name = filled.text("name")
    chosen = selection(filled, connection)
    stages = filled.attempt("stages", lambda: stages_of(filled.text("stages")))
    share = _share(filled)
    not_after = filled.moment("not_after", frame.zone, frame.now)
    content = {"firmware": _firmware, "commands": _commands, "keys": _keys}[sort](frame, filled)
    if filled.wrong or stages is None:
        return None
    try:
        made = NewCampaign(name, sort, content, chosen, stages, filled.has("gate"), share, not_after)
        frame.headend.campaigns.kept(made)
    except ConfigError as error:
        filled.refuse({"firmware": "image", "keys": "purposes"}.get(sort, "command"), sentence(str(error)))
        return None
    return made


def _firmware(frame: Frame, filled: Filled) -> dict[str, Any]:
    image = filled.text("image", needed=False)
    if not image:
        filled.refuse("image", "Choose an image.")
    at = filled.moment("activate_at", frame.zone, frame.now)
    moment = {} if at is None else {"activate_at": datetime.fromtimestamp(at, UTC).astimezone(frame.zone).isoformat()}
    return {"image": image, **moment}


def _keys(frame: Frame, filled: Filled) -> dict[str, Any]:
    content: dict[str, Any] = {"purposes": list(filled.lines("purposes"))}
    if not content["purposes"]:
        filled.refuse("purposes", "Choose the keys that are changed.")
    for name, most in (("older_than_days", 36_500), ("counter_above", 2**32 - 1)):
        value = filled.whole(name, 0, most, needed=False)
        if value is not None:
            content[name] = value
    return content


def _commands(frame: Frame, filled: Filled) -> dict[str, Any]:
    kind = KINDS.get(filled.get("command"))
    if kind is None:
        filled.refuse("command", "Choose a command.")
        return {}
    given = {field.parameter: _parameter(filled, field) for field in fields_of(kind)}
    first = {"kind": kind.name, "parameters": {name: value for name, value in given.items() if value is not None}}
    more = _document(filled, "more", list) or []
    return {"commands": [first, *more], "broadcast": filled.has("broadcast")}


def _parameter(filled: Filled, field: Field) -> Any:
    """Return a parameter; None where it is left out, or wrong."""
    if field.sort == "box":
        return True if filled.has(field.name) else None
    if field.sort == "whole":
        return filled.whole(field.name, -(2**31), 2**32 - 1, needed=field.needed)
    if field.sort == "document":
        wanted = KINDS[filled.get("command")].parameters[field.parameter]
        found = _document(filled, field.name, wanted)
        if found is None and field.needed:
            filled.refuse(field.name, "Please fill this in.")
        return found
    if field.sort == "number":
        text = filled.text(field.name, 20, needed=field.needed)
        if text and not _is_number(text):
            filled.refuse(field.name, "A number.")
            return None
        return (float(text) if "." in text else int(text)) if text else None
    text = filled.get(field.name).strip()
    if field.needed and not text:
        filled.refuse(field.name, "Please fill this in.")
    return text or None


def _document(filled: Filled, name: str, wanted: Any) -> Any:
    """Return JSON of a kind; None where there is nothing, or something else."""
    text = filled.get(name).strip()
    if not text:
        return None
    try:
        found = json.loads(text)
    except ValueError as error:
        filled.refuse(name, f"This is no JSON: {error}.")
        return None
    except RecursionError:
        filled.refuse(name, "This is nested deeper than anything a command takes.")
        return None
    if not isinstance(found, wanted):
        filled.refuse(name, f"This is JSON, but no {'list' if wanted is list else 'object'}.")
        return None
    return found


# --- what it would touch --------------------------------------------------------------------------------------


def look(frame: Frame, connection: Connection, made: NewCampaign) -> Look:
    """Return what a campaign would touch: its devices by type, whom its image is for, and the size of each stage."""
    numbers = [number for number, _ in Plans(connection).devices(made.selection)]
    image = frame.headend.firmware.get(made.content["image"]) if made.kind == "firmware" else None
    counts: Counter[tuple[str, str | None]] = Counter()
    for start in range(0, len(numbers), 500):
        query = (
            select(device_type.c.name, device.c.details)
            .select_from(device)
            .outerjoin(device_type, device_type.c.id == device.c.type)
            .where(device.c.id.in_(numbers[start : start + 500]))
        )
        for kind, details in connection.execute(query):
            counts[kind or "without a type", None if image is None else _misfit(image, kind, details)] += 1
    fits = tuple(Fit(kind, count, why) for (kind, why), count in sorted(counts.items(), key=lambda item: -item[1]))
    sizes = tuple(len(part) for part in cut(made.name, numbers, made.stages))
    return Look(len(numbers), sizes, fits, frame.headend.campaigns.kept(made)[1])


def _misfit(image: Image, kind: str | None, details: str) -> str | None:
    """Return why an image is not for a device, as far as that is known before the device is asked."""
    if image.types and kind not in image.types:
        return "the image is not for this type"
    if image.hardware and json.loads(details).get("hardware") not in image.hardware:
        return "the image is not for this hardware"
    return None


# --- the form -------------------------------------------------------------------------------------------------


def _page(
    frame: Frame,
    request: Request,
    who: Visitor,
    filled: Filled,
    sort: Sort,
    *,
    status: int = 200,
    seen: Look | None = None,
) -> Response:
    with frame.headend.engine.connect() as connection:
        chosen = choices(connection)
    command = KINDS.get(filled.get("command"))
    two = frame.headend.settings.two_persons
    given: Mapping[str, Any] = {
        "images": [image for image in frame.headend.firmware.all() if image.withdrawn is None]
        if sort == "firmware"
        else [],
        "kinds": sorted(KINDS.values(), key=lambda kind: kind.name) if sort == "commands" else [],
        "command": command,
        "parameters": fields_of(command) if sort == "commands" and command is not None else [],
        "two": command is not None and command.name in two,
        "purposes": [purpose.value for purpose in KEYS],
    }
    sorts = [name for name in SORTS if name not in GRAVE or who.can(Act.INVENTORY)]
    return frame.page(
        request, "campaign_form.html", who, status,
        filled=filled, wrong=filled.wrong, hints=HINTS, sort=sort, sorts=sorts, choices=chosen, look=seen, **given,
    )  # fmt: skip


def _allowed(who: Visitor, sort: str) -> None:
    if sort in GRAVE:
        who.person.may(Act.INVENTORY)


@router.get("/campaigns/new")
def new(
    frame: Framed,
    who: Doing,
    request: Request,
    sort: Annotated[Sort | None, Query(alias="kind")] = None,
    command: Annotated[str, Query(max_length=100)] = FIRST_COMMAND,
    image: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """Show the form of a campaign to be begun."""
    wanted: Sort = sort or ("firmware" if who.can(Act.INVENTORY) else "commands")
    _allowed(who, wanted)
    filled = Filled(
        {
            "who": ["some"],
            "stages": [USUAL_STAGES],
            "share": [USUAL_SHARE],
            "image": [image],
            "command": [command if command in KINDS else FIRST_COMMAND],
            "purposes": [purpose.value for purpose in USUAL],
        }
    )
    return _page(frame, request, who, filled, wanted)


@router.post("/campaigns")
async def begin(frame: Framed, who: Doing, request: Request) -> Response:
    """Begin a campaign, or look at what it would touch."""
    form = await fields(request)
    filled, key = Filled.of(form), key_of(form)
    sort = next((sort for sort in SORTS if sort == filled.get("kind")), None)
    if sort is None:
        raise Gone("there is no such kind of campaign")
    _allowed(who, sort)
    with frame.headend.engine.connect() as connection:
        made = _parsed(frame, filled, connection, sort)
        seen = look(frame, connection, made) if made is not None else None
    if seen is not None and not seen.devices:
        filled.refuse("who", "No device in use fits this.")
    if made is None or filled.wrong:
        return _page(frame, request, who, filled, sort, status=400)
    if filled.get("do") != "begin":
        return _page(frame, request, who, filled, sort, seen=seen)
    try:
        with first_time(frame, who, key, request.url.path) as fresh:
            if not fresh:
                number = frame.headend.campaigns.get(made.name).id
                return back(f"/campaigns/{number}", "That campaign was begun already.")
            row = await frame.headend.campaigns.begin(made, who.person.name)
    except ConfigError as error:
        filled.refuse("name" if "already" in str(error) else WHOLE, sentence(str(error)))
        return _page(frame, request, who, filled, sort, status=400)
    frame.live.touch("overview")
    waits = row.state is CampaignState.UNCONFIRMED
    return back(f"/campaigns/{row.id}", "It waits for a second person's confirmation." if waits else "It has begun.")
