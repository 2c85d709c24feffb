"""What the head-end says while it works: one JSON object a line on standard error. No key, token or value is in it."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, TextIO

LOG: Final = logging.getLogger("cosem.headend")
_SHOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "read": ("run", "device", "reason", "detail"),
    "command": ("id", "device", "kind", "state"),
    "alarm": ("alarm", "device", "kind", "fraud"),
}
"""What is written of each kind of thing that is told; what is not named here stays out."""


class JsonFormatter(logging.Formatter):
    """A record as one JSON object: time, level, where from, what, and fields of its own."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "from": record.name,
            "what": record.getMessage(),
        }
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def log_lines(stream: TextIO | None = None, level: int = logging.INFO) -> None:
    """Let everything that is logged in this process be such lines."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    LOG.setLevel(level)
    logging.getLogger("uvicorn").setLevel(level)


def told(kind: str, content: Mapping[str, Any]) -> None:
    """Log what the head-end tells everybody who follows; devices that were read only where one looks closely."""
    shown = _SHOWN.get(kind)
    if shown is None:
        return
    fields = {name: content[name] for name in shown if name in content}
    level = logging.DEBUG if kind == "read" and content.get("reason") is None else logging.INFO
    LOG.log(level, kind, extra={"fields": fields})
