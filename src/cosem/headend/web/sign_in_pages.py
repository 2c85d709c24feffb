"""Signing in and out, the colours, and the files that browsers keep."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from cosem.headend.access import TooMany
from cosem.headend.audit import record
from cosem.headend.web.accounts import LONGEST_SECONDS, known_hash, sign_in, sign_out
from cosem.headend.web.frame import COOKIE, THEMES, Framed, Gone, Signed, fields, own_path, visiting, word

router = APIRouter(include_in_schema=False)
_KINDS: Final = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
YEAR: Final = 365 * 86_400


@router.get("/static/{digest}/{name}")
def static(frame: Framed, digest: str, name: str) -> Response:
    """Return a file under the address that has its digest: it never changes."""
    path, octets = frame.assets.get(name, ("", b""))
    if path != f"/static/{digest}/{name}":
        raise Gone("there is no such file")
    headers = {"Cache-Control": f"public, max-age={YEAR}, immutable"}
    return Response(octets, media_type=_KINDS[name.rsplit(".", 1)[-1]], headers=headers)


@router.get("/favicon.ico")
def icon(frame: Framed) -> Response:
    """Return the icon for browsers that look here."""
    return Response(frame.assets["icon.svg"][1], media_type=_KINDS["svg"])


@router.get("/sign-in")
def ask(frame: Framed, request: Request, to: Annotated[str, Query(max_length=600)] = "/") -> Response:
    """Ask who it is."""
    try:
        visiting(request)
    except Exception:
        return _door(frame, request, 200, to=own_path(to), name="", wrong="")
    return RedirectResponse(own_path(to), 303)


@router.post("/sign-in")
async def enter(frame: Framed, request: Request) -> Response:
    """Let somebody in: with a session of its own, never with one that was there before."""
    form = await fields(request)
    name, password, to = word(form, "name"), word(form, "password"), own_path(word(form, "to", 600))
    engine = frame.headend.engine
    with engine.connect() as connection:
        known = known_hash(connection, name)
    try:
        right = await frame.passwords.right(name, None if known is None else known[1], password, frame.wall)
    except TooMany as error:
        return _door(frame, request, 429, to=to, name=name, wrong=str(error))
    if not right or known is None:
        await asyncio.to_thread(_note, frame, name[:100], "sign in refused")
        return _door(frame, request, 401, to=to, name=name, wrong="Name or password is wrong.")
    with engine.begin() as connection:
        cookie = sign_in(connection, known[0], frame.wall, instead=request.cookies.get(COOKIE))
        record(connection, frame.now, name, "sign in", name)
    answer = RedirectResponse(to, 303)
    secure = request.url.scheme == "https"
    answer.set_cookie(COOKIE, cookie, max_age=LONGEST_SECONDS, httponly=True, samesite="strict", secure=secure)
    return answer


def _door(frame: Framed, request: Request, status: int, **given: str) -> Response:
    return frame.page(request, "sign_in.html", None, status, guests=frame.settings.guests, **given)


def _note(frame: Framed, name: str, what: str) -> None:
    with frame.headend.engine.begin() as connection:
        record(connection, frame.now, name, what, name)


@router.post("/sign-out")
def leave(frame: Framed, who: Signed) -> Response:
    """End the session."""
    with frame.headend.engine.begin() as connection:
        sign_out(connection, who.cookie)
        record(connection, frame.now, who.person.name, "sign out", who.person.name)
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(COOKIE, samesite="strict", httponly=True)
    return answer


@router.post("/theme")
async def theme(frame: Framed, request: Request) -> Response:
    """Remember light, dark, or what the system has."""
    form = await fields(request)
    wanted = word(form, "theme")
    answer = RedirectResponse(own_path(word(form, "to", 600)), 303)
    answer.set_cookie("theme", wanted if wanted in THEMES else "auto", max_age=YEAR, httponly=True, samesite="lax")
    return answer
