"""Traces of a device's sessions: asked for, looked at in Explain, opened with the device's own keys."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Request, Response

from cosem.errors import CosemError
from cosem.explain.keyring import KeyEntry, Keyring
from cosem.explain.sheets import Sheets, explain_messages
from cosem.headend.access import Act
from cosem.headend.audit import record
from cosem.headend.inventory import DeviceRow
from cosem.headend.traces import TraceRow
from cosem.headend.vault import KeyState, Purpose
from cosem.headend.web.device_pages import find, trace_next
from cosem.headend.web.explain_pages import drawing
from cosem.headend.web.frame import Frame, Framed, Gone, Visitor, able, back, fields, key_of, word
from cosem.headend.web.live import of_device

router = APIRouter(include_in_schema=False)
Commanding = Annotated[Visitor, able(Act.COMMAND)]


@router.post("/device/{number}/traces/ask")
async def ask(frame: Framed, who: Commanding, request: Request, number: int) -> Response:
    """Let the next session be traced, or take that back."""
    form = await fields(request)
    with frame.headend.engine.connect() as connection:
        row = find(connection, number, who)
    if word(form, "back") == "1":
        with frame.headend.engine.begin() as connection:
            frame.headend.traces.withdraw(connection, number, who.person.name)
        said = "The next session is not traced."
    else:
        trace_next(frame, who, row, key_of(form))
        said = "The next session is traced, whatever it is for."
    frame.live.touch(*of_device(number))
    return back(f"/device/{number}", said)


@router.get("/device/{number}/traces/{trace}")
async def show(frame: Framed, who: Commanding, request: Request, number: int, trace: int) -> Response:
    """Show a trace as it went over the line."""
    return await _page(frame, who, request, number, trace, opened=False)


@router.post("/device/{number}/traces/{trace}")
async def open_with_keys(frame: Framed, who: Commanding, request: Request, number: int, trace: int) -> Response:
    """Show a trace opened with the keys of the device, which are not shown; it is audited who looked."""
    return await _page(frame, who, request, number, trace, opened=True)


async def _page(frame: Frame, who: Visitor, request: Request, number: int, trace: int, *, opened: bool) -> Response:
    if not 0 < trace < 2**53:
        raise Gone("there is no such trace")
    async with frame.explaining:
        row, kept, sheets, problem = await asyncio.to_thread(_explained, frame, who, number, trace, opened)
    if opened:
        with frame.headend.engine.begin() as connection:
            now = int(frame.headend.clock())
            record(connection, now, who.person.name, "open a trace with keys", row.name, after={"trace": trace})
    return frame.page(
        request,
        "trace.html",
        who,
        device=row,
        trace=kept,
        opened=opened,
        problem=problem,
        found=sheets,
        **drawing(sheets),
    )


def _explained(
    frame: Frame, who: Visitor, number: int, trace: int, opened: bool
) -> tuple[DeviceRow, TraceRow, Sheets, str]:
    headend = frame.headend
    with headend.engine.connect() as connection:
        row = find(connection, number, who)
        found = headend.traces.messages(connection, number, trace)
        if found is None:
            raise Gone("there is no such trace")
        problem, secrets = "", dict[KeyState, dict[Purpose, bytes]]()
        for state in KeyState:
            try:
                secrets[state] = headend.keys.secrets(connection, [number], state)[number]
            except CosemError as error:
                problem = str(error)
    kept, messages = found
    keyring = (
        Keyring(tuple(_entry(frame, row, state, held) for state, held in secrets.items() if held)) if opened else None
    )
    hidden = [secret for held in secrets.values() for secret in held.values()]
    return row, kept, Sheets(explain_messages(messages, keyring=keyring, secrets=hidden)), problem


def _entry(frame: Frame, row: DeviceRow, state: KeyState, held: dict[Purpose, bytes]) -> KeyEntry:
    keys = frame.headend.device_keys(row, held)
    return KeyEntry(
        f"{row.name}, {state}", keys.keys, keys.system_title, keys.client_system_title,
        verify=keys.keys.authentication_key is not None,
    )  # fmt: skip
