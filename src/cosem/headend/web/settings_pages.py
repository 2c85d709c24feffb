"""Settings: one's own password, who may sign in, tokens for programs, and what this head-end is."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection, func, select

from cosem.errors import ConfigError
from cosem.headend.access import ALLOWED, Act, Role, issue, revoke
from cosem.headend.schema import account, device_group, interval_file, token
from cosem.headend.web.accounts import LONGEST_SECONDS, accounts, add_account, set_password, shut_out, sign_in
from cosem.headend.web.frame import COOKIE, Frame, Framed, Gone, Signed, Visitor, able, back, fields, word

router = APIRouter(include_in_schema=False)
Admin = Annotated[Visitor, able(Act.ACCESS)]


@router.get("/settings")
def settings(frame: Framed, who: Signed, request: Request) -> Response:
    """Show the settings of this visitor, and for administrators those of the head-end."""
    with frame.headend.engine.connect() as connection:
        given = _given(frame, connection, who)
    return frame.page(request, "settings.html", who, made=None, **given)


def _given(frame: Frame, connection: Connection, who: Visitor) -> dict[str, Any]:
    if not who.can(Act.ACCESS):
        return {"people": [], "tokens": [], "groups": [], "roles": [], "facts": {}}
    files = connection.execute(
        select(func.count(), func.sum(interval_file.c["count"]), func.sum(interval_file.c.octets))
    ).one()
    return {
        "people": accounts(connection),
        "tokens": connection.execute(select(token).where(token.c.revoked.is_(None)).order_by(token.c.name)).all(),
        "groups": list(connection.execute(select(device_group.c.name).order_by(device_group.c.name)).scalars()),
        "roles": list(Role),
        "facts": {"files": files[0], "values": files[1] or 0, "octets": files[2] or 0, "zone": frame.settings.zone},
    }


@router.post("/settings/password")
async def password(frame: Framed, who: Signed, request: Request) -> Response:
    """Change one's own password; every other session of it ends."""
    form = await fields(request)
    with frame.headend.engine.connect() as connection:
        known = connection.execute(select(account.c.hash).where(account.c.id == who.account)).scalar_one()
    if not await frame.passwords.right(who.person.name, known, word(form, "old"), frame.wall):
        return back("/settings", "The old password is wrong; nothing was changed.")
    hashed = await frame.passwords.make(word(form, "password"))
    with frame.headend.engine.begin() as connection:
        set_password(connection, who.account, hashed, who.person.name, frame.now)
        cookie = sign_in(connection, who.account, frame.wall)
    answer = back("/settings", "The password was changed. Other sessions ended.")
    secure = request.url.scheme == "https"
    answer.set_cookie(COOKIE, cookie, max_age=LONGEST_SECONDS, httponly=True, samesite="strict", secure=secure)
    return answer


@router.post("/settings/users")
async def add_user(frame: Framed, who: Admin, request: Request) -> Response:
    """Let somebody sign in."""
    form = await fields(request)
    name, role, group = word(form, "name"), _role(word(form, "role")), word(form, "group") or None
    hashed = await frame.passwords.make(word(form, "password"))
    with frame.headend.engine.begin() as connection:
        add_account(connection, name, hashed, role, who.person.name, frame.now, group=group)
    return back("/settings", f"{name} may sign in.")


@router.post("/settings/users/{number}/shut")
async def shut(frame: Framed, who: Admin, request: Request, number: int) -> Response:
    """Let somebody in no longer, or again."""
    out = word(await fields(request), "shut") == "1"
    if not 0 < number < 2**53:
        raise Gone("there is no such user")
    with frame.headend.engine.begin() as connection:
        shut_out(connection, number, out, who.person.name, frame.now)
    return back("/settings", "Shut out; all sessions ended." if out else "May sign in again.")


@router.post("/settings/tokens")
async def add_token(frame: Framed, who: Admin, request: Request) -> Response:
    """Issue a token; it is shown this once."""
    form = await fields(request)
    days = word(form, "days", 4).strip()
    if days and not (days.isascii() and days.isdecimal() and int(days)):
        # Not taken for a token without an end.
        raise ConfigError("a token lasts a whole number of days, or has no end where none is given")
    with frame.headend.engine.begin() as connection:
        made = issue(
            connection,
            word(form, "name", 200),
            _role(word(form, "role")),
            who.person.name,
            frame.now,
            group=word(form, "group") or None,
            days=int(days) if days else None,
        )
        given = _given(frame, connection, who)
    return frame.page(request, "settings.html", who, made=made, **given)


@router.post("/settings/tokens/revoke")
async def revoke_token(frame: Framed, who: Admin, request: Request) -> Response:
    """Let a token be worth nothing."""
    name = word(await fields(request), "name", 200)
    with frame.headend.engine.begin() as connection:
        revoke(connection, name, who.person.name, frame.now)
    return back("/settings", f"{name} is worth nothing now.")


def _role(name: str) -> Role:
    if name not in ALLOWED:
        raise ConfigError(f"there is no role {name!r}")
    return Role(name)
