"""The database of the head-end: one file, written by one process, read by many tasks.

A new file gets the tables of `schema`; an older one is brought up to them by the revisions in `migrations`, in order,
by one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, Insert, create_engine, event, inspect
from sqlalchemy.dialects import sqlite

from cosem.errors import ConfigError
from cosem.headend.audit import TRIGGERS
from cosem.headend.schema import metadata

REVISION: Final = "0004"
"""The revision that the tables of `schema` are: the newest in `migrations/versions`."""
_VERSION_TABLE: Final = "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"


def open_database(path: Path) -> Engine:
    """Open or create the database. Write-ahead logging; a transaction that returned is on the disk.

    Raises `ConfigError` for a file of a newer version of this program.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(f"sqlite:///{path}")

    @event.listens_for(engine, "connect")
    def configure(connection: Any, record: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA busy_timeout=10000")

    with engine.connect() as connection:
        present = revision(connection)
    if present != REVISION:
        with engine.begin() as connection:
            # Two processes may open a new file at once: the second waits here and finds the tables.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            _bring_up(connection, path)
    return engine


def revision(connection: Connection) -> str | None:
    """Return the revision of the tables that are there; None for a file without a mark."""
    if "alembic_version" not in inspect(connection).get_table_names():
        return None
    found: str | None = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return found


def _bring_up(connection: Connection, path: Path) -> None:
    names = inspect(connection).get_table_names()
    if "alembic_version" not in names:
        # A file of the time before revisions were counted has the tables of the first.
        if "device" not in names:
            metadata.create_all(connection)
        connection.exec_driver_sql(_VERSION_TABLE)
        connection.exec_driver_sql(
            "INSERT INTO alembic_version VALUES (?)", ("0001" if "device" in names else REVISION,)
        )
    if revision(connection) != REVISION:
        _upgrade(connection, path)
    for trigger in TRIGGERS:
        connection.exec_driver_sql(trigger)


def _upgrade(connection: Connection, path: Path) -> None:
    from alembic import command
    from alembic.util.exc import CommandError

    try:
        command.upgrade(alembic_config(connection), "head")
    except CommandError:
        raise ConfigError(f"{path} was made by a newer version of this program: its tables are unknown") from None


def alembic_config(connection: Connection | None = None) -> Any:
    """Return what Alembic wants to know; revisions are applied through `connection`."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["connection"] = connection
    return config


def insert_many(connection: Connection, statement: Insert, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert any number of rows of the same columns (two at least) by `statement`, a constant of its module.

    The values are what SQLite takes (numbers, texts, octets, None) and go to the driver as they are: looking at each
    value of each row takes SQLAlchemy longer than inserting takes SQLite.
    """
    if rows:
        text, values_of, constants = _compiled(statement, tuple(rows[0]))
        values = [values_of({**constants, **row}) for row in rows] if constants else list(map(values_of, rows))
        connection.exec_driver_sql(text, values)


@lru_cache(maxsize=64)
def _compiled(
    statement: Insert, columns: tuple[str, ...]
) -> tuple[str, Callable[[Mapping[str, Any]], tuple[Any, ...]], dict[str, Any]]:
    """Return the text of a statement, what takes its values out of a row in their order, and those no row has."""
    compiled = statement.compile(dialect=sqlite.dialect(), column_keys=columns)
    constants = {name: value for name, value in compiled.params.items() if name not in columns}
    return str(compiled), itemgetter(*compiled.positiontup or ()), constants


def one_view(connection: Connection) -> None:
    """Let everything that is read through this connection be of one moment, until it is given back.

    For readers only: a transaction that begins so and writes later would fail where somebody else wrote meanwhile.
    """
    raw: Any = connection.connection.dbapi_connection
    if not raw.in_transaction:
        connection.exec_driver_sql("BEGIN")
