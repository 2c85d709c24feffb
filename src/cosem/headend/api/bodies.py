"""How bodies are read, and what is said of those that are not taken.

JSON as RFC 8259 has it: Python's own reader takes more (NaN, halves of surrogate pairs, numbers without end), and what
it takes then fails where it is kept or shown.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

MAX_DEPTH: Final = 64
"""How deep a body may be nested: structures of COSEM data are, a little."""
MAX_WHOLE: Final = 2**64
SHOWN: Final = 5
LONGEST: Final = 200


class Refused(ValueError):
    """This is no JSON that we take."""


def read_json(body: bytes) -> Any:
    """Return the value of a body. Raises `Refused`."""
    try:
        content = json.loads(body.decode("utf-8"), parse_constant=_constant, parse_float=_fraction, parse_int=_whole)
    except UnicodeDecodeError:
        raise Refused("a body is in UTF-8") from None
    except json.JSONDecodeError as error:
        raise Refused(f"the body is no JSON: {error}") from None
    except RecursionError:
        raise Refused(f"a body is at most {MAX_DEPTH} levels deep") from None
    _look_through(content)
    return content


def _constant(text: str) -> Any:
    raise Refused(f"{text} is no number of JSON")


def _fraction(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise Refused("a number in the body is too large")
    return value


def _whole(text: str) -> int:
    if len(text) > 21 or abs(value := int(text)) >= MAX_WHOLE:
        raise Refused("a whole number in the body has at most 64 bits")
    return value


def _look_through(content: Any) -> None:
    """Raise `Refused` for what is nested too deep, and for text that cannot be written down."""
    level = [content]
    for _ in range(MAX_DEPTH):
        following: list[Any] = []
        for item in level:
            if isinstance(item, str):
                _text(item)
            elif isinstance(item, list):
                following += item
            elif isinstance(item, dict):
                following += item.values()
                for name in item:
                    _text(name)
        if not following:
            return
        level = following
    raise Refused(f"a body is at most {MAX_DEPTH} levels deep")


def _text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Refused("a text in the body has half of a surrogate pair") from None


class StrictRequest(Request):
    """A request whose body is read by `read_json`."""

    async def json(self) -> Any:
        """Return the value of the body."""
        if not hasattr(self, "_json"):
            try:
                self._json = read_json(await self.body())
            except Refused as error:
                raise HTTPException(400, str(error)) from None
        return self._json


class StrictRoute(APIRoute):
    """A route that is given such requests."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        answer = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await answer(StrictRequest(request.scope, request.receive))

        return strict


def misshapen(request: Request, error: Exception) -> Response:
    """Say in a sentence what is wrong with the shape of a request; nothing of what came is in it, it may be secret."""
    assert isinstance(error, RequestValidationError)
    said = [f"{'.'.join(str(part) for part in item['loc'])[:LONGEST]}: {item['msg']}" for item in error.errors()]
    more = f"; and {len(said) - SHOWN} more" if len(said) > SHOWN else ""
    return JSONResponse({"detail": "; ".join(said[:SHOWN]) + more}, 422)
