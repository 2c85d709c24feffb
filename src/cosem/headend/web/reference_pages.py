"""The description of the API as a page, made here of its OpenAPI document: nothing is fetched from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request, Response

from cosem.headend.api.app import WORDS
from cosem.headend.web.frame import Framed, SignInNeeded, visiting

router = APIRouter(include_in_schema=False)
ROOMS: Final[Mapping[str, str]] = {
    "devices": "Devices and their values",
    "premises": "What a device shows, and what is known of a connection",
    "work": "Plans, runs and commands",
    "happenings": "Alarms, events, who did what, tokens",
    "campaigns": "Campaigns, firmware, keys, notifications",
    "health": "Health and totals",
}
_TYPES: Final = {
    "string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "object": "object",
    "null": "null",
}  # fmt: skip
_FORMATS: Final = {"date-time": "time", "date": "date", "binary": "octets"}
Pieces = list[tuple[str, str]]
"""Text in pieces, each with what it is: "" plain, "code", or "#..." for a place of this page that it leads to."""


@router.get("/api/docs")
def reference(frame: Framed, request: Request) -> Response:
    """Show how the API is asked."""
    try:
        visitor = visiting(request)
    except SignInNeeded:
        visitor = None
    rooms, shapes = described(request.app.state.api)
    return frame.page(request, "reference.html", visitor, rooms=rooms, shapes=shapes, refusals=WORDS)


@lru_cache(maxsize=4)
def described(api: FastAPI) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the rooms of the API with their operations, and the shapes of what is sent and answered."""
    document = api.openapi()
    by_room: dict[str, list[dict[str, Any]]] = {name: [] for name in ROOMS}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            by_room[operation["tags"][0]].append(_operation(method.upper(), path, operation))
    rooms = [{"name": name, "words": ROOMS[name], "operations": found} for name, found in by_room.items()]
    shapes = [_shape(name, schema) for name, schema in sorted(document["components"]["schemas"].items())]
    return rooms, shapes


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    answers = {status: item for status, item in operation["responses"].items() if int(status) < 300}
    return {
        "method": method,
        "path": path,
        "anchor": f"{method.lower()}-{path.strip('/').replace('/', '-').replace('{', '').replace('}', '')}",
        "words": words(operation.get("description", "")),
        "roles": operation.get("x-roles"),
        "parameters": [
            {
                "name": item["name"],
                "where": item["in"],
                "required": item["required"],
                "type": type_of(_given(item["schema"])),
            }
            for item in operation.get("parameters", ())
        ],
        "takes": [
            (kind, type_of(item.get("schema", {})))
            for kind, item in operation.get("requestBody", {}).get("content", {}).items()
        ],
        "answers": [
            (status, kind, type_of(content.get("schema", {})))
            for status, item in answers.items()
            for kind, content in item.get("content", {}).items()
        ],
        "refusals": [int(status) for status in operation["responses"] if status not in answers],
    }


def _shape(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    required = schema.get("required", ())
    return {
        "name": name,
        "words": words(schema.get("description", "")),
        "type": type_of(schema) if "properties" not in schema else None,
        "fields": [
            {"name": field, "type": type_of(item), "required": field in required}
            for field, item in schema.get("properties", {}).items()
        ],
    }


def words(text: str) -> Pieces:
    """Return the words of a docstring in pieces; what stands between backticks is code."""
    parts = " ".join(text.split()).split("`")
    return [(part, "code" if place % 2 else "") for place, part in enumerate(parts) if part]


def type_of(schema: Mapping[str, Any]) -> Pieces:
    """Return the type of a value in words."""
    found = _plain(schema)
    if schema.get("default") is not None:
        found = [*found, (", otherwise ", ""), (json.dumps(schema["default"], ensure_ascii=False), "code")]
    return found


def _given(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema of a parameter without the null that stands for one that is left out."""
    kinds = [item for item in schema.get("anyOf", ()) if item.get("type") != "null"]
    return kinds[0] if len(kinds) == 1 else schema


def _plain(schema: Mapping[str, Any]) -> Pieces:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return [(name, f"#shape-{name}")]
    if "anyOf" in schema:
        return _joined((_plain(item) for item in schema["anyOf"]), " or ")
    if "enum" in schema or "const" in schema:
        return _joined(([(str(item), "code")] for item in schema.get("enum", [schema.get("const")])), ", ")
    if schema.get("type") == "array":
        return [("list of ", ""), *_plain(schema.get("items", {})), (_bounds(schema, "Items"), "")]
    if isinstance(schema.get("additionalProperties"), Mapping):
        return [("object whose values are ", ""), *_plain(schema["additionalProperties"])]
    kind = _FORMATS.get(schema.get("format", "")) or _TYPES.get(schema.get("type", ""), "any value")
    found = [(kind + _bounds(schema, "Length") + _bounds(schema, "imum"), "")]
    return [*found, (" like ", ""), (schema["pattern"], "code")] if "pattern" in schema else found


def _bounds(schema: Mapping[str, Any], of: str) -> str:
    least, most = schema.get(f"min{of}"), schema.get(f"max{of}")
    unit = {"Length": " characters", "Items": " items"}.get(of, "")
    if least is None and most is None:
        return ""
    if most is None:
        return f", at least {least}{unit}"
    return f", at most {most}{unit}" if least is None else f", {least} to {most}{unit}"


def _joined(many: Iterable[Pieces], sign: str) -> Pieces:
    found: Pieces = []
    for pieces in many:
        found += [(sign, ""), *pieces] if found else pieces
    return found
