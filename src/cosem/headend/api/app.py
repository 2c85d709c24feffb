"""The application: who asks, what is refused and how, and the routes of the other files in this room."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, Header, Request, Response
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import insert, select
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cosem import __version__
from cosem.client.firmware import MAX_IMAGE
from cosem.errors import ConfigError, CosemError
from cosem.headend.access import Act, Forbidden, Person, person
from cosem.headend.api.shapes import Problem
from cosem.headend.engine import Headend
from cosem.headend.home.publisher import Publisher
from cosem.headend.intake import Intake
from cosem.headend.schema import idempotency

MAX_BODY: Final = 1 << 20
"""Octets of a request; uploads have limits of their own."""
UPLOADS: Final = {("PUT", "/api/firmware/"): MAX_IMAGE}
"""Octets of what is uploaded, by method and beginning of the path."""
UNSAFE: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    code: {"model": Problem} for code in (400, 401, 403, 404, 409, 413, 422)
}


class Unauthorized(CosemError):
    """Nobody we know asks."""


class NotFound(ConfigError):
    """What was asked for is not there."""


_bearer = HTTPBearer(auto_error=False, description="A token of the head-end: `cosem headend token`.")


def headend_of(request: Request) -> Headend:
    """Return the head-end that is served."""
    found: Headend = request.app.state.headend
    return found


def asking(request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> Person:
    """Return who asks. Raises `Unauthorized`."""
    headend = headend_of(request)
    if credentials is not None:
        with headend.engine.connect() as connection:
            found = person(connection, credentials.credentials, int(headend.clock()))
        if found is not None:
            return found
    raise Unauthorized("a valid token is needed: Authorization: Bearer ...")


Asking = Annotated[Person, Depends(asking)]
Served = Annotated[Headend, Depends(headend_of)]


def allowed(act: Act) -> Any:
    """Return a dependency that gives who asks, and refuses who may not do `act`."""

    def check(who: Asking) -> Person:
        who.may(act)
        return who

    return Depends(check)


async def once(
    headend: Headend, who: Person, key: str | None, request: Request, act: Callable[[], Awaitable[Any]], status: int
) -> Response:
    """Answer; under an `Idempotency-Key` that came before give the answer it got then.

    Raises `Conflict` where the same key comes with another request.
    """
    import hashlib

    body = await request.body()
    digest = hashlib.sha256(request.url.path.encode() + b"\0" + body).hexdigest()
    if key is not None:
        with headend.engine.connect() as connection:
            known = connection.execute(
                select(idempotency).where(idempotency.c.key == key, idempotency.c.who == who.name)
            ).one_or_none()
        if known is not None:
            if known.digest != digest:
                raise Conflict("this Idempotency-Key came with another request before")
            return Response(known.body, known.status, media_type="application/json")
    answer = await act()
    text = json.dumps(answer.model_dump(mode="json"))
    if key is not None:
        with headend.engine.begin() as connection:
            connection.execute(
                insert(idempotency).prefix_with("OR IGNORE"),
                {
                    "key": key,
                    "who": who.name,
                    "digest": digest,
                    "status": status,
                    "body": text,
                    "at": int(headend.clock()),
                },
            )
    return Response(text, status, media_type="application/json")


class Conflict(ConfigError):
    """What was asked for does not go together with what is there."""


Key = Annotated[str | None, Header(alias="Idempotency-Key", max_length=200, pattern="^[ -~]+$")]


def create_app(headend: Headend, intake: Intake | None = None, publisher: Publisher | None = None) -> FastAPI:
    """Return the application of one head-end; `intake` receives its pushes, `publisher` tells a broker."""
    from cosem.headend.api import campaigns, devices, happenings, observe, work
    from cosem.headend.metrics import Metrics

    app = FastAPI(
        title="cosem head-end",
        version=__version__,
        description="The data collection system: devices, readings, plans, commands, alarms.",
        responses=PROBLEMS,
        docs_url="/api/docs",
        openapi_url="/api/openapi.json",
        redoc_url=None,
    )
    app.state.headend = headend
    app.state.metrics = Metrics(headend, intake, publisher)
    for room in (devices, work, happenings, observe, campaigns):
        app.include_router(room.router, prefix="/api")
    for kind, status in _STATUS.items():
        app.add_exception_handler(kind, _refuse(status))
    app.add_middleware(Guard)
    return app


_STATUS: Final[dict[type[CosemError], int]] = {
    Unauthorized: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    ConfigError: 400,
    CosemError: 502,
}


def _refuse(status: int) -> Callable[[Request, Exception], Response]:
    def answer(request: Request, error: Exception) -> Response:
        headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
        return JSONResponse({"detail": str(error)}, status, headers)

    return answer


class Guard:
    """What stands before every route: no body too large, nothing from other sites, headers that browsers want.

    `headers` are added where an answer has none of that name.
    """

    def __init__(self, app: ASGIApp, headers: tuple[tuple[bytes, bytes], ...] = HEADERS) -> None:
        self._app = app
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.lower(): value for name, value in scope["headers"]}
        if scope["method"] in UNSAFE and _foreign(headers):
            await JSONResponse({"detail": "requests from other sites are refused"}, 403)(scope, receive, send)
            return
        length = headers.get(b"content-length", b"0")
        most = _most(scope)
        if not length.isdigit() or int(length) > most:
            await JSONResponse({"detail": f"a request has at most {most} octets"}, 413)(scope, receive, send)
            return
        taken = 0
        too_much = False

        async def limited() -> Message:
            nonlocal taken, too_much
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > most:
                too_much = True
                return {"type": "http.disconnect"}
            return message

        async def hardened(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message["headers"]}
                added = [item for item in self._headers if item[0] not in given]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await self._app(scope, limited, hardened)


def _most(scope: Scope) -> int:
    """Return how many octets a request may have."""
    for (method, beginning), most in UPLOADS.items():
        if scope["method"] == method and scope["path"].startswith(beginning):
            return most
    return MAX_BODY


def _foreign(headers: dict[bytes, bytes]) -> bool:
    """Whether a browser says that another site is behind a request."""
    if headers.get(b"sec-fetch-site", b"none") not in (b"none", b"same-origin"):
        return True
    origin = headers.get(b"origin")
    return origin is not None and origin.split(b"://")[-1] != headers.get(b"host")
