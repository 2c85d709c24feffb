"""What stands before every route, of the API and of the pages."""

from __future__ import annotations

from typing import Final

from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cosem.client.firmware import MAX_IMAGE

MAX_BODY: Final = 1 << 20
"""Octets of a request; uploads have limits of their own."""
UPLOADS: Final = {("PUT", "/api/firmware/"): MAX_IMAGE, ("POST", "/firmware/upload"): MAX_IMAGE + MAX_BODY}
"""Octets of what is uploaded, by method and beginning of the path."""
UNSAFE: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)


class Guard:
    """No body too large, nothing from other sites, headers that browsers want.

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

        async def hardened(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message["headers"]}
                added = [item for item in self._headers if item[0] not in given]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        headers = {name.lower(): value for name, value in scope["headers"]}
        if _foreign(scope["method"], headers):
            await JSONResponse({"detail": "requests from other sites are refused"}, 403)(scope, receive, hardened)
            return
        most = _most(scope)
        too_much = JSONResponse({"detail": f"a request has at most {most} octets"}, 413)
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or len(length) > 19 or int(length) > most:
            await too_much(scope, receive, hardened)
            return
        taken = 0
        begun = False

        async def limited() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            return {"type": "http.disconnect"} if taken > most else message

        async def answered(message: Message) -> None:
            nonlocal begun
            if taken > most and not begun:
                # What is made of a body that breaks off is no answer: this one is given behind it.
                return
            begun = True
            await hardened(message)

        try:
            await self._app(scope, limited, answered)
        except ClientDisconnect:
            if taken <= most or begun:
                raise
        if taken > most and not begun:
            await too_much(scope, receive, hardened)


def _most(scope: Scope) -> int:
    """Return how many octets a request may have."""
    for (method, beginning), most in UPLOADS.items():
        if scope["method"] == method and scope["path"].startswith(beginning):
            return most
    return MAX_BODY


def _foreign(method: str, headers: dict[bytes, bytes]) -> bool:
    """Whether a browser says that another site is behind a request. A link from there is followed, and nothing else."""
    followed = method not in UNSAFE and headers.get(b"sec-fetch-mode") == b"navigate"
    if not followed and headers.get(b"sec-fetch-site", b"none") not in (b"none", b"same-origin"):
        return True
    origin = headers.get(b"origin")
    return origin is not None and origin.split(b"://")[-1] != headers.get(b"host")
