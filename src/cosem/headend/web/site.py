"""One application that has both: the pages, and the API behind ``/api``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse, RedirectResponse
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from cosem.errors import ConfigError, CosemError
from cosem.headend.access import Forbidden, TooMany
from cosem.headend.api.app import Conflict, NotFound, create_app
from cosem.headend.api.guard import Guard
from cosem.headend.engine import Headend
from cosem.headend.home.publisher import Publisher
from cosem.headend.intake import Intake
from cosem.headend.web import (
    campaign_form,
    campaign_pages,
    customer_pages,
    device_pages,
    explain_pages,
    firmware_pages,
    happening_pages,
    neighbourhood_pages,
    plan_form,
    plan_pages,
    reference_pages,
    settings_pages,
    sign_in_pages,
    station_pages,
    topics,
    trace_pages,
)
from cosem.headend.web.frame import HEADERS, Frame, Gone, PageSettings, SignInNeeded, address, visiting

WORDS: Final = {
    400: "That does not work",
    403: "You may not do that",
    404: "There is no such page",
    405: "That does not work",
    409: "That does not work",
    413: "That is too much",
    422: "That does not work",
    429: "Please wait",
    500: "Something went wrong here",
    502: "Something went wrong",
}

# Addresses with words come before those with numbers in their place.
_ROOMS: Final = (
    sign_in_pages,
    happening_pages,
    customer_pages,
    device_pages,
    plan_form,
    plan_pages,
    campaign_form,
    firmware_pages,
    campaign_pages,
    station_pages,
    settings_pages,
    explain_pages,
    trace_pages,
    reference_pages,
)


def create_site(
    headend: Headend,
    settings: PageSettings | None = None,
    *,
    intake: Intake | None = None,
    publisher: Publisher | None = None,
) -> FastAPI:
    """Return the application of one head-end with its pages and its API.

    `intake` receives its pushes, `publisher` tells a broker: their figures are among the others.
    """
    site = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, lifespan=_living)
    site.state.headend = headend
    frame = site.state.frame = Frame(headend, settings or PageSettings())
    topics.connect(frame)
    for room in _ROOMS:
        site.include_router(room.router)
    if frame.playing is not None:
        site.include_router(neighbourhood_pages.router)
    site.state.api = create_app(headend, intake, publisher)
    site.add_exception_handler(SignInNeeded, _to_sign_in)
    for kind in (*(kind for kind, _ in _STATUS), HTTPException, Exception):
        site.add_exception_handler(kind, _refused)
    site.add_middleware(_Api, api=site.state.api)
    site.add_middleware(GZipMiddleware, minimum_size=800, compresslevel=6)
    site.add_middleware(Guard, headers=HEADERS)
    return site


@asynccontextmanager
async def _living(site: FastAPI) -> AsyncIterator[None]:
    # The accounts of a fortnight's runs are made before somebody waits for them.
    frame: Frame = site.state.frame
    warming = asyncio.create_task(asyncio.to_thread(frame.warm))
    yield
    await asyncio.gather(warming, return_exceptions=True)
    frame.live.close()


class _Api:
    """Gives the API what is the API's, before any route: it has its own refusals, for every path. `PAGES` are pages."""

    PAGES: Final = ("/api/docs",)

    def __init__(self, app: ASGIApp, api: ASGIApp) -> None:
        self._app = app
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        api = scope["type"] == "http" and scope["path"].startswith("/api/") and scope["path"] not in self.PAGES
        await (self._api if api else self._app)(scope, receive, send)


def _to_sign_in(request: Request, error: Exception) -> Response:
    # What the script asks for must not be answered by another page put into this one.
    if request.query_params.get("part") == "1" or request.url.path == "/live":
        return PlainTextResponse(str(error), 401)
    there = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    wanted = there if request.method == "GET" and there != "/" else ""
    return RedirectResponse(address("/sign-in", to=wanted), 303)


_STATUS: Final[tuple[tuple[type[Exception], int], ...]] = (
    (Forbidden, 403),
    (Gone, 404),
    (NotFound, 404),
    (Conflict, 409),
    (TooMany, 429),
    (ConfigError, 400),
    (CosemError, 502),
    (RequestValidationError, 404),
)


def _refused(request: Request, error: Exception) -> Response:
    frame: Frame = request.app.state.frame
    headers = None
    if isinstance(error, HTTPException):
        status, why, headers = error.status_code, "", error.headers
    else:
        status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
        # What nobody foresaw may say anything, also what is not for this visitor.
        why = str(error) if isinstance(error, CosemError) else ""
    try:
        visitor = visiting(request)
    except (SignInNeeded, CosemError):
        visitor = None
    answer = frame.page(request, "problem.html", visitor, status, heading=WORDS.get(status, WORDS[500]), why=why)
    if headers:
        answer.headers.update(headers)
    return answer
