"""Alarms, events, who did what, tokens, and all of it live."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import StreamingResponse

from cosem.headend.access import Act, Person, issue, revoke
from cosem.headend.api.app import Served, allowed
from cosem.headend.api.shapes import (
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
from cosem.headend.inventory import Inventory

router = APIRouter(tags=["happenings"])
Before = Annotated[int | None, Query(ge=0, le=2**53)]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]


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
    """Acknowledge alarms."""
    with headend.engine.begin() as connection:
        return {"acknowledged": acknowledge(connection, item.alarms, who.name, int(headend.clock()))}


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
        row = Inventory(connection).get(name)
        who.sees(row.id)
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
    with headend.engine.begin() as connection:
        revoke(connection, name, who.name, int(headend.clock()))
    return {"revoked": name}


@router.get("/live", response_class=StreamingResponse)
async def live(headend: Served, who: Annotated[Person, allowed(Act.SEE)], request: Request) -> StreamingResponse:
    """Follow what happens, as server-sent events: devices read, commands, alarms."""
    queue: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue(1000)

    def tell(kind: str, content: dict[str, Any]) -> None:
        if who.devices is not None and content.get("device") not in who.devices:
            return
        if queue.full():
            # Who reads slowly loses the oldest: what counts can be asked for.
            queue.get_nowait()
        queue.put_nowait((kind, content))

    async def stream() -> AsyncIterator[str]:
        headend.live.append(tell)
        try:
            yield "retry: 2000\n\n"
            while not await request.is_disconnected():
                try:
                    kind, content = await asyncio.wait_for(queue.get(), 15)
                except TimeoutError:
                    yield ":\n\n"
                else:
                    yield f"event: {kind}\ndata: {json.dumps(content)}\n\n"
        finally:
            headend.live.remove(tell)

    return StreamingResponse(stream(), media_type="text/event-stream")
