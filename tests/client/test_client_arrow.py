"""Profiles as Arrow tables and Parquet files: types, times, exact numbers, headings; words without pyarrow."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cosem.classes.common import CaptureObject
from cosem.client import Column, ProfileTable, to_arrow, write_parquet
from cosem.errors import ConfigError
from cosem.obis import Obis
from cosem.times import CosemDateTime
from cosem.units import ScalerUnit, Unit

CLOCK = Column(CaptureObject(8, Obis.parse("0-0:1.0.0"), 2, 0))
STATUS = Column(CaptureObject(1, Obis.parse("0-0:96.10.1"), 2, 0))
ENERGY = Column(CaptureObject(3, Obis.parse("1-0:1.8.0"), 2, 0), ScalerUnit(-1, Unit(30)))


def at(text: str) -> bytes:
    return CosemDateTime.from_datetime(datetime.fromisoformat(text)).to_octets()


def table(*rows: tuple[Any, ...], columns: tuple[Column, ...] = (CLOCK, STATUS, ENERGY)) -> ProfileTable:
    return ProfileTable(columns, list(rows), list(rows), 900)


def test_without_pyarrow_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigError, match=r"pip install 'cosem\[parquet\]'"):
        write_parquet(table((at("2026-10-25T02:30:00+02:00"), 0, 1)), tmp_path / "x.parquet")
    assert list(tmp_path.iterdir()) == []


def test_times_are_points_in_time_and_registers_exact(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = table(
        (at("2026-10-25T02:30:00+02:00"), 0, 12345),
        (at("2026-10-25T02:30:00+01:00"), 8, 12350),
        (at("2026-10-25T02:45:00+01:00"), None, None),
    )
    write_parquet(rows, tmp_path / "day.parquet")
    read = parquet.read_table(tmp_path / "day.parquet")
    assert read.column_names == ["0-0:1.0.0.255", "0-0:96.10.1.255", "1-0:1.8.0.255 [Wh]"]
    times, status, energy = (column.to_pylist() for column in read.columns)
    assert [moment.astimezone(UTC).hour for moment in times] == [0, 1, 1]
    assert status == [0, 8, None]
    assert energy == [Decimal("1234.5"), Decimal("1235.0"), None]
    assert read.schema.field(2).metadata == {
        b"obis": b"1-0:1.8.0.255",
        b"class_id": b"3",
        b"attribute": b"2",
        b"unit": b"Wh",
    }


def test_what_has_no_type_of_its_own_is_text() -> None:
    pytest.importorskip("pyarrow")
    mixed = to_arrow(
        table(
            (at("2026-10-25T02:30:00+02:00"), 1, 1),
            (at("2026-10-25T02:30:00"), "x", 2**200),
            columns=(CLOCK, STATUS, STATUS),
        )
    )
    assert mixed.column_names == ["0-0:1.0.0.255", "0-0:96.10.1.255", "0-0:96.10.1.255 #2"]
    assert mixed.column(0).to_pylist() == ["2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00"]
    assert mixed.column(1).to_pylist() == ["1", "x"]
    assert mixed.column(2).to_pylist() == ["1", str(2**200)]


def test_local_times_stay_local_and_no_rows_are_a_table() -> None:
    pytest.importorskip("pyarrow")
    local = to_arrow(table((at("2026-10-25T02:30:00"), 1, 1)))
    assert local.column(0).to_pylist() == [datetime(2026, 10, 25, 2, 30)]
    assert to_arrow(table()).num_rows == 0
