"""The overview, alarms, who did what, and the stream of what changes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from cosem.headend.access import Act
from cosem.headend.audit import entries
from cosem.headend.happenings import AlarmState, acknowledge, alarms
from cosem.headend.inventory import Inventory
from cosem.headend.web.accounts import session_of
from cosem.headend.web.customer_pages import at_hand, note_look
from cosem.headend.web.frame import Framed, Gone, Signed, Visitor, able, back, fields, own_path, word
from cosem.headend.web.live import MAX_FOLLOWERS, OWN, of_device
from cosem.headend.web.playing import HOME, NEIGHBOURHOOD

router = APIRouter(include_in_schema=False)
PAGE = 50
Topic = Annotated[str, Query(pattern="^(overview|neighbourhood|(device|traced|run|campaign|station):[0-9]{1,15}"
                                    "|(home|hand):[0-9]{1,15}(,[0-9]{1,15}){0,19})$")]  # fmt: skip
Before = Annotated[int | None, Query(ge=0, le=2**53)]


@router.get("/")
def overview(frame: Framed, who: Signed, request: Request) -> Response:
    """Show how the night went. A household starts at home."""
    if who.household:
        return RedirectResponse("/home", 303)
    with frame.headend.engine.connect() as connection:
        seen = frame.overviews.get(connection)
        newest = alarms(connection, limit=6, state=AlarmState.OPEN)
    return frame.page(
        request, "overview.html", who, seen=seen, alarms=newest, target=frame.settings.target, live="overview"
    )


@router.get("/alarms")
def alarm_list(
    frame: Framed,
    who: Signed,
    request: Request,
    state: Literal["open", "acknowledged", "all"] = "open",
    fraud: bool = False,
    before: Before = None,
) -> Response:
    """Show alarms; `fraud` is a view of its own."""
    with frame.headend.engine.connect() as connection:
        rows = alarms(
            connection,
            before=before,
            limit=PAGE + 1,
            state=None if state == "all" else AlarmState(state),
            fraud=True if fraud else None,
            among=who.person.devices,
        )
        places = Inventory(connection).by_number(row.device for row in rows)
    following = rows[PAGE - 1].id if len(rows) > PAGE else None
    return frame.page(
        request,
        "alarms.html",
        who,
        rows=rows[:PAGE],
        places={number: row.place for number, row in places.items()},
        state=state,
        fraud=fraud,
        following=following,
        before=before,
    )


@router.post("/alarms/acknowledge")
async def take_note(frame: Framed, who: Annotated[Visitor, able(Act.ACKNOWLEDGE)], request: Request) -> Response:
    """Acknowledge the alarms that were chosen."""
    form = await fields(request)
    chosen = [int(item) for item in form.getlist("alarm") if re.fullmatch(r"\d{1,15}", str(item))]
    to = own_path(word(form, "to", 600)).split("?")[0]
    if not chosen:
        return back(to, "Nothing was chosen.")
    with frame.headend.engine.begin() as connection:
        seen = alarms(connection, numbers=chosen, limit=1000, among=who.person.devices)
        done = acknowledge(connection, chosen, who.person.name, frame.now, among=who.person.devices)
    frame.live.touch("overview", *(topic for row in seen for topic in of_device(row.device)))
    return back(to, f"{done} acknowledged.")


@router.get("/audit")
def audit(
    frame: Framed,
    who: Annotated[Visitor, able(Act.ACCESS)],
    request: Request,
    subject: Annotated[str, Query(max_length=200)] = "",
    before: Before = None,
) -> Response:
    """Show who did what."""
    with frame.headend.engine.connect() as connection:
        rows = entries(connection, before=before, subject=subject or None, limit=PAGE + 1)
    following = rows[PAGE - 1].id if len(rows) > PAGE else None
    return frame.page(request, "audit.html", who, rows=rows[:PAGE], subject=subject, following=following, before=before)


@router.get("/live", response_class=StreamingResponse)
async def live(frame: Framed, who: Signed, topic: Topic) -> Any:
    """Follow one topic, for as long as the session lasts and what it is about is seen."""
    numbers: list[int] = []
    if topic.startswith("traced:") or (topic.startswith(HOME[1]) and not at_hand(frame, who)):
        who.person.may(Act.COMMAND)
    if topic.startswith(("device:", "traced:", "station:", *HOME)):
        numbers = [int(part) for part in topic.partition(":")[2].split(",")]
        if not all(map(who.person.sees, numbers)):
            raise Gone("there is no such device")
        if topic.startswith(HOME):
            await asyncio.to_thread(note_look, frame, who, numbers[0])
        elif who.person.narrowed and not topic.startswith("station:"):
            topic = OWN + topic
    elif who.household:
        raise Gone("this is not for households")
    elif topic == NEIGHBOURHOOD and frame.playing is None:
        raise Gone("there is no neighbourhood behind this head-end")
    if frame.live.open >= MAX_FOLLOWERS:
        return Response("too many pages are open", 503)

    def still() -> bool:
        with frame.headend.engine.connect() as connection:
            found = session_of(connection, who.cookie, frame.wall)
        return found is not None and all(map(found[1].sees, numbers))

    async def stream() -> AsyncIterator[str]:
        async for message in frame.live.follow(topic, still):
            yield message

    return StreamingResponse(stream(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
