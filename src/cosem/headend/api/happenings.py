"""Alarms, events, who did what, tokens, and all of it live."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import Path, Query, Request
from fastapi.responses import StreamingResponse

from cosem.headend.access import Act, Person, TooMany, issue, person, revoke
from cosem.headend.api.app import Served, allowed, looked_up, problems, room, seen_device
from cosem.headend.api.shapes import (
    MAX_NUMBER,
    MAX_PAGE,
    Acknowledge,
    Alarm,
    Alarms,
    AuditEntry,
    Event,
    Events,
    IssuedToken,
    TokenRequest,
    moment,
)
from cosem.headend.audit import entries
from cosem.headend.happenings import AlarmState, acknowledge, alarms, events

router = room("happenings")
Before = Annotated[int | None, Query(ge=0, le=MAX_NUMBER)]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]
BEAT: Final = 15.0
"""Seconds after which who follows is sent something, and is looked at again: a token may have been revoked."""
MAX_FOLLOWERS: Final = 200
OF_DEVICES: Final = frozenset({"read", "command", "alarm", "event"})
"""What is told to who sees some devices only: campaigns and the rest are of the network."""


@router.get("/alarms")
def list_alarms(
    headend: Served,
    who: Annotated[Person, allowed(Act.SEE)],
    before: Before = None,
    limit: Limit = 50,
    state: AlarmState | None = None,
    fraud: bool | None = None,
) -> Alarms:
    """List alarms, the newest first; `fraud` is a view of its own."""
    with headend.engine.connect() as connection:
        rows = alarms(connection, before=before, limit=limit, state=state, fraud=fraud, among=who.devices)
    return Alarms(alarms=[Alarm.of(row) for row in rows], next=rows[-1].id if len(rows) == limit else None)


@router.post("/alarms/acknowledgement")
def acknowledge_alarms(
    headend: Served, who: Annotated[Person, allowed(Act.ACKNOWLEDGE)], item: Acknowledge
) -> dict[str, int]:
    """Acknowledge alarms; those of other devices than one's own are not there."""
    with headend.engine.begin() as connection:
        done = acknowledge(connection, item.alarms, who.name, int(headend.clock()), among=who.devices)
    return {"acknowledged": done}


@router.get("/devices/{name}/events")
def list_events(
    headend: Served,
    who: Annotated[Person, allowed(Act.SEE)],
    name: Annotated[str, Path(min_length=1, max_length=200)],
    before: Before = None,
    limit: Limit = 50,
) -> Events:
    """List what happened at a device, the newest first."""
    with headend.engine.connect() as connection:
        row = seen_device(connection, name, who)
        found = events(connection, device_number=row.id, before=before, limit=limit)
    shown = [
        Event(
            id=item["id"],
            device=item["device"],
            at=moment(item["at"]),
            source=item["source"],
            group=item["group"],
            code=item["code"],
            words=item["words"],
        )
        for item in found
    ]
    return Events(events=shown, next=shown[-1].id if len(shown) == limit else None)


@router.get("/audit")
def audit_log(
    headend: Served,
    who: Annotated[Person, allowed(Act.ACCESS)],
    before: Before = None,
    limit: Limit = 50,
    subject: Annotated[str | None, Query(max_length=200)] = None,
) -> list[AuditEntry]:
    """Return who did what, the newest first."""
    with headend.engine.connect() as connection:
        found = entries(connection, before=before, limit=limit, subject=subject)
    return [
        AuditEntry(
            id=item.id,
            at=moment(item.at),
            who=item.who,
            what=item.what,
            subject=item.subject,
            before=item.before,
            after=item.after,
        )
        for item in found
    ]


@router.post("/tokens", status_code=201)
def issue_token(headend: Served, who: Annotated[Person, allowed(Act.ACCESS)], item: TokenRequest) -> IssuedToken:
    """Issue a token; it is shown this once."""
    now = int(headend.clock())
    with headend.engine.begin() as connection:
        made = issue(connection, item.name, item.role, who.name, now, group=item.group, days=item.days)
        return IssuedToken(token=made)


@router.delete("/tokens/{name}")
def revoke_token(
    headend: Served,
    who: Annotated[Person, allowed(Act.ACCESS)],
    name: Annotated[str, Path(min_length=1, max_length=200)],
) -> dict[str, str]:
    """Let a token be worth nothing."""
    with headend.engine.begin() as connection, looked_up():
        revoke(connection, name, who.name, int(headend.clock()))
    return {"revoked": name}


@router.get(
    "/live",
    response_class=StreamingResponse,
    response_model=None,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}, **problems(429)},
)
async def live(headend: Served, who: Annotated[Person, allowed(Act.SEE)], request: Request) -> StreamingResponse:
    """Follow what happens, as server-sent events: devices read, commands, alarms; for as long as the token is valid."""
    queue: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue(1000)
    asked_with = request.headers.get("authorization", "").partition(" ")[2].strip()

    def tell(kind: str, content: dict[str, Any]) -> None:
        if who.narrowed:
            if kind not in OF_DEVICES or not who.sees(content.get("device", -1)):
                return
            content = {name: value for name, value in content.items() if name != "run"}
        if queue.full():
            # Who reads slowly loses the oldest: what counts can be asked for.
            queue.get_nowait()
        queue.put_nowait((kind, content))

    def still() -> bool:
        with headend.engine.connect() as connection:
            return person(connection, asked_with, int(headend.clock())) is not None

    followers: set[object] = request.app.state.followers
    if len(followers) >= MAX_FOLLOWERS:
        raise TooMany(f"{MAX_FOLLOWERS} follow already: try again later")

    async def stream() -> AsyncIterator[str]:
        followers.add(tell)
        headend.live.append(tell)
        checked = asyncio.get_running_loop().time()
        try:
            yield "retry: 2000\n\n"
            while not await request.is_disconnected():
                try:
                    # wait_for of Python 3.11 forgets an end that is asked for just when there is something.
                    async with asyncio.timeout(BEAT):
                        kind, content = await queue.get()
                    text = f"event: {kind}\ndata: {json.dumps(content)}\n\n"
                except TimeoutError:
                    text = ":\n\n"
                if (now := asyncio.get_running_loop().time()) >= checked + BEAT:
                    checked = now
                    if not await asyncio.to_thread(still):
                        return
                yield text
        finally:
            headend.live.remove(tell)
            followers.discard(tell)

    return StreamingResponse(stream(), media_type="text/event-stream")
