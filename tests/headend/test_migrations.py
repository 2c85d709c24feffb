"""Older databases are brought up to the tables of today; what the revisions make is what the schema says."""

from __future__ import annotations

import re
import sqlite3

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, insert, select

from cosem.errors import ConfigError
from cosem.headend.audit import record
from cosem.headend.database import REVISION, alembic_config, open_database, revision
from cosem.headend.schema import account, metadata, segment, web_session


def statements(path) -> dict[str, str]:
    """Return the SQL of every table and index, with the order of its constraints and its white space taken out."""
    with sqlite3.connect(path) as connection:
        rows = connection.execute(
            "SELECT name, sql FROM sqlite_master "
            "WHERE sql IS NOT NULL AND name NOT LIKE 'alembic%' AND type != 'trigger'"
        ).fetchall()
    connection.close()
    return {
        name: " ".join(sorted(re.sub(r"[\s,()]+", " ", sql.replace('"', "").replace("'", "")).split()))
        for name, sql in rows
    }


def migrated(path) -> None:
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        command.upgrade(alembic_config(connection), "head")
    engine.dispose()


def test_the_revisions_make_what_the_schema_says(tmp_path):
    migrated(tmp_path / "migrated.db")
    engine = create_engine(f"sqlite:///{tmp_path / 'made.db'}")
    metadata.create_all(engine)
    engine.dispose()
    made = statements(tmp_path / "made.db")
    assert "device" in made
    assert statements(tmp_path / "migrated.db") == made


def test_a_new_database_has_the_newest_revision(tmp_path):
    assert ScriptDirectory.from_config(alembic_config()).get_heads() == [REVISION]
    engine = open_database(tmp_path / "headend.db")
    with engine.connect() as connection:
        assert revision(connection) == REVISION
    engine.dispose()


def test_a_file_without_any_revision_gets_them_all(tmp_path):
    path = tmp_path / "headend.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    connection.close()
    engine = open_database(path)
    with engine.connect() as connection:
        assert revision(connection) == REVISION
        assert connection.execute(select(segment)).all() == []
    engine.dispose()
    made = tmp_path / "made.db"
    open_database(made).dispose()
    assert statements(path) == statements(made)


def test_a_file_of_a_newer_program_is_left_alone(tmp_path):
    path = tmp_path / "headend.db"
    open_database(path).dispose()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    before = statements(path)
    with pytest.raises(ConfigError, match="newer version"):
        open_database(path)
    assert statements(path) == before


MADE_BY_THE_PAGES = """
CREATE TABLE account (id INTEGER NOT NULL, name TEXT NOT NULL, hash TEXT NOT NULL, role TEXT NOT NULL, "group" TEXT,
    created INTEGER NOT NULL, shut INTEGER, CONSTRAINT pk_account PRIMARY KEY (id),
    CONSTRAINT uq_account_name UNIQUE (name));
CREATE TABLE web_session (digest BLOB NOT NULL, account INTEGER NOT NULL, created INTEGER NOT NULL,
    seen INTEGER NOT NULL, CONSTRAINT pk_web_session PRIMARY KEY (digest),
    CONSTRAINT fk_web_session_account FOREIGN KEY(account) REFERENCES account (id) ON DELETE CASCADE) WITHOUT ROWID;
CREATE INDEX ix_web_session_account ON web_session (account);
INSERT INTO account VALUES (7, 'anna', '$argon2...', 'administrator', NULL, 1, NULL);
INSERT INTO web_session VALUES (x'00ff', 7, 2, 3);
"""
"""What a head-end of revision 0002 had where it served pages, and somebody was signed in."""


@pytest.mark.parametrize("pages", [True, False])
def test_accounts_that_were_there_before_they_had_a_revision_stay(tmp_path, pages):
    path = tmp_path / "headend.db"
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        command.upgrade(alembic_config(connection), "0002")
    engine.dispose()
    with sqlite3.connect(path) as raw:
        raw.executescript(MADE_BY_THE_PAGES if pages else "")
    raw.close()
    engine = open_database(path)
    with engine.connect() as connection:
        assert revision(connection) == REVISION
        assert [tuple(row) for row in connection.execute(select(account.c.id, account.c.name))] == [(7, "anna")] * pages
        assert list(connection.execute(select(web_session.c.digest)).scalars()) == [b"\x00\xff"] * pages
    engine.dispose()
    made = tmp_path / "made.db"
    open_database(made).dispose()
    assert statements(path) == statements(made)


def test_a_file_of_before_revisions_opens(tmp_path):
    path = tmp_path / "headend.db"
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        command.upgrade(alembic_config(connection), "0001")
        connection.exec_driver_sql("DROP TABLE alembic_version")
        connection.execute(insert(segment), {"name": "street", "concurrent": 5, "new_per_second": 5.0})
        record(connection, 1, "anna", "did", "something")
    engine.dispose()
    engine = open_database(path)
    with engine.connect() as connection:
        assert connection.execute(select(segment.c.name)).scalar_one() == "street"
    engine.dispose()
