"""The application: who asks, what is refused and how, and the routes of the other files in this room."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, FastAPI, Header, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import Connection, delete, insert, select, update
from starlette.exceptions import HTTPException

from cosem import __version__
from cosem.errors import ConfigError, CosemError
from cosem.headend.access import ALLOWED, OF_ALL, Act, Forbidden, Person, Role, TooMany, person
from cosem.headend.api.bodies import StrictRoute, misshapen
from cosem.headend.api.guard import Guard
from cosem.headend.api.shapes import Problem
from cosem.headend.commands import NewCommand
from cosem.headend.engine import Headend
from cosem.headend.home.publisher import Publisher
from cosem.headend.intake import Intake
from cosem.headend.inventory import DeviceRow, Inventory
from cosem.headend.permits import Turns
from cosem.headend.reach import foreign_channel
from cosem.headend.schema import idempotency

UNANSWERED: Final = 0
"""The status of what was asked for under a key and has no answer yet."""
WORDS: Final = {
    400: "The shape is right, and what it says makes no sense here",
    401: "A valid token is needed",
    403: "This token may not do that, or another site is behind the request",
    404: "There is no such thing, or it is nothing of this token's",
    409: "It does not go together with what is there, or with what came under this Idempotency-Key before",
    413: "The request is too large",
    422: "The shape is wrong",
    429: "Too many at once: try again later",
}
"""What is refused with which status."""


class Unauthorized(CosemError):
    """Nobody we know asks."""


class NotFound(ConfigError):
    """What was asked for is not there."""


class Conflict(ConfigError):
    """What was asked for does not go together with what is there."""


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


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return refusals as OpenAPI declares them."""
    return {status: {"model": Problem, "description": WORDS[status]} for status in statuses}


def room(tag: str) -> APIRouter:
    """Return a router for the routes of one room."""
    return APIRouter(tags=[tag], route_class=StrictRoute)


Asking = Annotated[Person, Depends(asking)]
Served = Annotated[Headend, Depends(headend_of)]


@dataclass(frozen=True)
class Right:
    """What a route wants: the right to do `act`, and with `everywhere` that all devices are seen."""

    act: Act
    everywhere: bool = False

    def __call__(self, who: Asking) -> Person:
        """Return who asks. Raises `Forbidden`."""
        who.may(self.act)
        if self.everywhere:
            who.everywhere()
        return who

    def roles(self) -> list[Role]:
        """Return the roles that have it."""
        narrow = self.everywhere or self.act in OF_ALL
        return [role for role in Role if self.act in ALLOWED[role] and not (narrow and role is Role.HOUSEHOLD)]


def allowed(act: Act, *, everywhere: bool = False) -> Any:
    """Return a dependency that gives who asks, and refuses who may not do `act`."""
    return Depends(Right(act, everywhere))


@contextmanager
def looked_up() -> Iterator[None]:
    """Raise `NotFound` where it is said that what a path names is not there."""
    try:
        yield
    except (Forbidden, NotFound):
        raise
    except ConfigError as error:
        raise NotFound(str(error)) from None


def seen_device(connection: Connection, name: str, who: Person) -> DeviceRow:
    """Return a device of this person's. Raises `NotFound`, in the same words for one that is somebody else's."""
    with looked_up():
        row = Inventory(connection).get(name)
    if not who.sees(row.id):
        raise NotFound(f"there is no device {name!r}")
    return row


def within_reach(connection: Connection, row: DeviceRow, commands: Sequence[NewCommand], who: Person) -> None:
    """Raise `NotFound` where a command reaches a device of somebody else on the M-Bus of this person's."""
    channel = foreign_channel(connection, row, commands, who)
    if channel is not None:
        raise NotFound(f"there is no device on channel {channel} of {row.name}")


@dataclass(frozen=True, slots=True)
class Asked:
    """Under which identity something is asked for, and when for the first time (UTC seconds)."""

    identity: str | None
    at: int


async def once(
    headend: Headend,
    who: Person,
    key: str | None,
    request: Request,
    act: Callable[[Asked], Awaitable[Any]],
    status: int,
) -> Response:
    """Answer; under an `Idempotency-Key` that came before give the answer it got then.

    The same keys come one after the other. The key is written down before anything is done: found without an answer
    after a crash, it is done again under the same identity, which finds what was done. Raises `Conflict` where the
    same key comes with another request.
    """
    now = int(headend.clock())
    if key is None:
        return _made(json.dumps((await act(Asked(None, now))).model_dump(mode="json")), status)
    target = f"{request.method} {request.url.path}?{request.url.query}"
    digest = hashlib.sha256(target.encode() + b"\0" + await request.body()).hexdigest()
    mine = (idempotency.c.key == key, idempotency.c.who == who.name)
    async with request.app.state.turns.of((who.name, key)):
        with headend.engine.begin() as connection:
            row = {"key": key, "who": who.name, "digest": digest, "status": UNANSWERED, "body": "", "at": now}
            connection.execute(insert(idempotency).prefix_with("OR IGNORE"), row)
            known = connection.execute(select(idempotency).where(*mine)).one()
        if known.digest != digest:
            raise Conflict("this Idempotency-Key came with another request before")
        if known.status != UNANSWERED:
            return _made(known.body, known.status)
        identity = hashlib.sha256(f"{who.name}\0{key}".encode()).hexdigest()[:32]
        try:
            answer = await act(Asked(identity, known.at))
        except Exception:
            # What was refused may be asked for again, when it goes together with what is there then.
            with headend.engine.begin() as connection:
                connection.execute(delete(idempotency).where(*mine, idempotency.c.status == UNANSWERED))
            raise
        text = json.dumps(answer.model_dump(mode="json"))
        with headend.engine.begin() as connection:
            connection.execute(update(idempotency).where(*mine).values(status=status, body=text))
    return _made(text, status)


def _made(text: str, status: int) -> Response:
    return Response(text, status, media_type="application/json")


KEY: Final = "Idempotency-Key"
Key = Annotated[str | None, Header(alias=KEY, max_length=200, pattern="^[ -~]+$")]


def create_app(headend: Headend, intake: Intake | None = None, publisher: Publisher | None = None) -> FastAPI:
    """Return the application of one head-end; `intake` receives its pushes, `publisher` tells a broker."""
    from cosem.headend.api import campaigns, devices, happenings, observe, premises, work
    from cosem.headend.metrics import Metrics

    app = FastAPI(
        title="cosem head-end",
        version=__version__,
        description="The data collection system: devices, readings, plans, commands, alarms.",
        responses=problems(400, 401, 403, 404, 409, 413, 422),
        docs_url=None,
        openapi_url="/api/openapi.json",
        redoc_url=None,
    )
    app.state.headend = headend
    app.state.metrics = Metrics(headend, intake, publisher)
    app.state.turns = Turns()
    app.state.followers = set()
    rooms = (devices, premises, work, happenings, observe, campaigns)
    for part in rooms:
        app.include_router(part.router, prefix="/api")
    rights = {
        (f"/api{route.path}", method.lower()): right
        for part in rooms
        for route in part.router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
        for right in _rights(route.dependant)
    }
    once_only = Lock()

    def described() -> dict[str, Any]:
        with once_only:
            return _described(app, rights)

    app.openapi = described  # type: ignore[method-assign]
    for kind, status in _STATUS.items():
        app.add_exception_handler(kind, _refuse(status))
    app.add_exception_handler(RequestValidationError, misshapen)
    app.add_exception_handler(HTTPException, _unserved)
    app.add_exception_handler(Exception, _unforeseen)
    app.add_middleware(Guard)
    return app


def _rights(dependant: Dependant) -> list[Right]:
    return [item.call for item in dependant.dependencies if isinstance(item.call, Right)]


def _described(app: FastAPI, rights: dict[tuple[str, str], Right]) -> dict[str, Any]:
    """Return the OpenAPI document; with `x-roles` it says which roles may what."""
    if app.openapi_schema is None:
        document = FastAPI.openapi(app)
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                never = {"409"} if all(item["name"] != KEY for item in operation.get("parameters", ())) else set()
                if (path, method) in rights:
                    operation["x-roles"] = [role.value for role in rights[path, method].roles()]
                else:
                    never |= {"401", "403"}
                for status in never:
                    del operation["responses"][status]
    return app.openapi_schema or {}


_STATUS: Final[dict[type[CosemError], int]] = {
    Unauthorized: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    TooMany: 429,
    ConfigError: 400,
    CosemError: 502,
}


_BESIDE: Final = {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": "10"}}
"""Headers that go with a refusal."""


def _refuse(status: int) -> Callable[[Request, Exception], Response]:
    def answer(request: Request, error: Exception) -> Response:
        return JSONResponse({"detail": str(error)}, status, _BESIDE.get(status))

    return answer


def _unserved(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == 405:
        # A path with several routes: the one that was found first knows its own method only.
        headers["Allow"] = ", ".join(_methods(request))
    return JSONResponse({"detail": str(error.detail)}, error.status_code, headers)


def _methods(request: Request) -> list[str]:
    """Return the methods that a path has."""
    found: set[str] = set()
    paths = request.app.openapi()["paths"]
    asked = request.url.path
    for path, operations in ({asked: paths[asked]} if asked in paths else paths).items():
        if re.fullmatch(re.sub(r"\\\{[^/]+\\\}", "[^/]+", re.escape(path)), asked):
            found.update(method.upper() for method in operations)
    return sorted(found)


def _unforeseen(request: Request, error: Exception) -> Response:
    # What nobody foresaw may say anything, also what is not for who asked. The server's log has it.
    return JSONResponse({"detail": "something went wrong here"}, 500)
