"""The tables of the head-end, once. Times are UTC seconds since 1970; what is JSON is text."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

channel: Final = Table(
    "channel",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("unit", Text, nullable=False),
    Column("scaler", Integer, nullable=False),
    Column("cumulative", Integer, nullable=False),
)
"""What is measured: an OBIS code with attribute, its unit and scaler. Values are whole numbers of 10**scaler units."""

interval_block: Final = Table(
    "interval_block",
    metadata,
    Column("device", Integer, primary_key=True),
    Column("channel", Integer, primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("times", LargeBinary, nullable=False),
    Column("values", LargeBinary, nullable=False),
    Column("quality", LargeBinary, nullable=False),
    Column("estimates", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
"""Interval values that were acknowledged and are not in a file yet: one row for a device's channel and UTC day."""

interval_file: Final = Table(
    "interval_file",
    metadata,
    Column("path", Text, primary_key=True),
    Column("first_day", Integer, nullable=False),
    Column("last_day", Integer, nullable=False),
    Column("shard", Integer, nullable=False),
    Column("count", Integer, nullable=False),
    Column("octets", Integer, nullable=False),
    CheckConstraint("last_day >= first_day", name="days"),
    Index("ix_interval_file_days", "first_day", "last_day"),
)
"""The files that count. What lies in the folder and is not here was never finished."""
