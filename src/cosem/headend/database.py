"""The database of the head-end: one file, written by one process, read by many tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event

from cosem.headend.audit import TRIGGERS
from cosem.headend.schema import metadata


def open_database(path: Path) -> Engine:
    """Open or create the database. Write-ahead logging; a transaction that returned is on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(f"sqlite:///{path}")

    @event.listens_for(engine, "connect")
    def configure(connection: Any, record: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA busy_timeout=10000")

    metadata.create_all(engine)
    with engine.begin() as connection:
        for trigger in TRIGGERS:
            connection.exec_driver_sql(trigger)
    return engine
