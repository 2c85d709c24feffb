"""Profiles for Arrow and Parquet, an extra: ``cosem[parquet]`` brings pyarrow."""

from __future__ import annotations

from datetime import UTC
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cosem.errors import ConfigError, CosemError
from cosem.times import CosemDateTime
from cosem.units import Quantity

if TYPE_CHECKING:
    from pathlib import Path

    from cosem.client.table import Column, ProfileTable

NO_PYARROW = "Parquet files need pyarrow: install it with pip install 'cosem[parquet]'"


def need_arrow() -> Any:
    """Return pyarrow. Raises `ConfigError` with one sentence where it is missing."""
    try:
        return import_module("pyarrow")
    except ImportError:
        raise ConfigError(NO_PYARROW) from None


def to_arrow(table: ProfileTable) -> Any:
    """Return a `pyarrow.Table` with a column for each of the profile, under the same headings.

    Times are points in UTC where every one has a deviation, wall-clock times where none has; register values are
    exact decimals in their unit. What fits neither is text, as in CSV. The metadata of a field holds ``obis``,
    ``class_id``, ``attribute`` and ``unit`` (its symbol). Raises `ConfigError` without pyarrow.
    """
    arrow = need_arrow()
    rows = [table.quantities(row) for row in table.rows]
    texts = [table.text(row) for row in table.rows]
    arrays, fields = [], []
    for index, (name, column) in enumerate(zip(_names(table.columns), table.columns, strict=True)):
        values = [row[index] for row in rows]
        array = _array(arrow, values, [text[index] for text in texts])
        arrays.append(array)
        fields.append(arrow.field(name, array.type, metadata=_metadata(column)))
    return arrow.table(arrays, schema=arrow.schema(fields))


def write_parquet(table: ProfileTable, path: Path | str) -> None:
    """Write a profile as a Parquet file. Raises `ConfigError` without pyarrow, `OSError` where it cannot be written."""
    content = to_arrow(table)
    import_module("pyarrow.parquet").write_table(content, str(path))


def _names(columns: tuple[Column, ...]) -> list[str]:
    """Return the headings, numbered where two are alike: readers find columns by them."""
    names: list[str] = []
    for column in columns:
        name, count = column.name, 2
        while name in names:
            name, count = f"{column.name} #{count}", count + 1
        names.append(name)
    return names


def _metadata(column: Column) -> dict[str, str]:
    capture, scaled = column.capture, column.scaler_unit
    known = {"obis": str(column.obis), "class_id": str(capture.class_id), "attribute": str(capture.attribute_index)}
    return known if scaled is None else known | {"unit": scaled.unit.symbol}


def _array(arrow: Any, values: list[Any], texts: list[str]) -> Any:
    """Return the values in the type that holds all of them exactly, text otherwise."""
    try:
        plain, kind = _plain(arrow, values)
        return arrow.array(plain, type=kind)
    except (arrow.ArrowException, CosemError, ValueError, TypeError, OverflowError):
        return arrow.array([None if value is None else text for value, text in zip(values, texts, strict=True)])


def _plain(arrow: Any, values: list[Any]) -> tuple[list[Any], Any]:
    """Return what pyarrow takes, and the type where it cannot be left to it."""
    if any(isinstance(value, CosemDateTime) for value in values):
        moments = [None if value is None else value.to_datetime() for value in values]
        known = [moment for moment in moments if moment is not None]
        zoned = [moment.tzinfo is not None for moment in known]
        if any(zoned) and not all(zoned):
            raise ValueError("some times have a deviation and some have not")
        if all(zoned):
            moments = [None if moment is None else moment.astimezone(UTC) for moment in moments]
        return moments, arrow.timestamp("us", tz="UTC" if all(zoned) else None)
    return [value.value if isinstance(value, Quantity) else value for value in values], None
