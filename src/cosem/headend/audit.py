"""The audit log: who did what to whom, with what was before and after. It is only appended to; triggers see to that."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, insert, select

from cosem.headend.schema import audit

MAX_PAGE: Final = 1000
TRIGGERS: Final = (
    "CREATE TRIGGER IF NOT EXISTS audit_no_update BEFORE UPDATE ON audit "
    "BEGIN SELECT RAISE(ABORT, 'the audit log is only appended to'); END",
    "CREATE TRIGGER IF NOT EXISTS audit_no_delete BEFORE DELETE ON audit "
    "BEGIN SELECT RAISE(ABORT, 'the audit log is only appended to'); END",
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the log."""

    id: int
    at: int
    who: str
    what: str
    subject: str
    before: Any
    after: Any


def record(
    connection: Connection, now: float, who: str, what: str, subject: str, *, before: Any = None, after: Any = None
) -> None:
    """Append an entry in the caller's transaction: what was done and its entry are there both or not at all.

    `before` and `after` are plain values; no secret belongs in them.
    """
    row = {"at": int(now), "who": who, "what": what, "subject": subject}
    texts = {
        "before": None if before is None else json.dumps(before),
        "after": None if after is None else json.dumps(after),
    }
    connection.execute(insert(audit), {**row, **texts})


def entries(
    connection: Connection, *, before: int | None = None, subject: str | None = None, limit: int = 50
) -> list[Entry]:
    """Return entries, the newest first, with numbers below `before`."""
    query = select(audit).order_by(audit.c.id.desc()).limit(min(limit, MAX_PAGE))
    if before is not None:
        query = query.where(audit.c.id < before)
    if subject is not None:
        query = query.where(audit.c.subject == subject)
    return [
        Entry(row.id, row.at, row.who, row.what, row.subject, _value(row.before), _value(row.after))
        for row in connection.execute(query)
    ]


def _text(value: Any) -> str | None:
    return None if value is None else json.dumps(value)


def _value(text: str | None) -> Any:
    return None if text is None else json.loads(text)
