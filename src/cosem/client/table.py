"""Rows of a profile as a table: what null-data stands for, which rows a time selects, what is missing of a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from cosem.codec import axdr
from cosem.errors import ConfigError, CosemError, DecodeError
from cosem.times import CosemDateTime
from cosem.units import Quantity

if TYPE_CHECKING:
    from cosem.classes.common import CaptureObject
    from cosem.obis import Obis
    from cosem.units import ScalerUnit

When = datetime | CosemDateTime | None
Row = tuple[Any, ...]

FIRST = CosemDateTime.from_datetime(datetime(2000, 1, 1))
LAST = CosemDateTime.from_datetime(datetime(2099, 12, 31, 23, 59, 59))
"""What stands for a time that was not given."""
NULL = b"\x00"
TIME_OCTETS = 12
_CAPTURE_TIMES = ((4, 5), (5, 6), (5, 7))
"""Class and attribute of extended and demand registers."""


@dataclass(frozen=True, slots=True)
class Column:
    """One captured attribute: which, and the scaler and unit of its values where it is a register's."""

    capture: CaptureObject
    scaler_unit: ScalerUnit | None = None

    @property
    def obis(self) -> Obis:
        """Return the logical name of the captured object."""
        return self.capture.logical_name

    @property
    def is_time(self) -> bool:
        """Whether the column holds the time of the clock."""
        return self.capture.class_id == 8 and self.capture.attribute_index == 2

    @property
    def is_capture_time(self) -> bool:
        """Whether the column holds the time at which a register took its value."""
        return (self.capture.class_id, self.capture.attribute_index) in _CAPTURE_TIMES

    @property
    def name(self) -> str:
        """Return a heading: the logical name, the attribute where it is not the value, the unit in brackets."""
        name = str(self.obis)
        if self.capture.attribute_index != 2:
            name += f":{self.capture.attribute_index}"
        if self.scaler_unit is not None and self.scaler_unit.unit != 255:
            name += f" [{self.scaler_unit.unit.symbol}]"
        return name


@dataclass(slots=True)
class ProfileTable:
    """What was read. `rows` are expanded, `raw_rows` as they came: plain values, octet-strings as bytes."""

    columns: tuple[Column, ...]
    rows: list[Row]
    raw_rows: list[Row] = field(repr=False, default_factory=list)
    capture_period: int = 0

    def __len__(self) -> int:
        return len(self.rows)

    def times(self) -> list[CosemDateTime | None]:
        """Return the time of each row; None where the profile has no clock column, or a row no time."""
        index = self.time_index
        if index is None:
            return [None] * len(self.rows)
        return [_moment(row[index]) for row in self.rows]

    @property
    def time_index(self) -> int | None:
        """Return the position of the clock column."""
        return next((index for index, column in enumerate(self.columns) if column.is_time), None)

    def quantities(self, row: Sequence[Any]) -> list[Any]:
        """Return one row with times as `CosemDateTime` and register values as exact `Quantity`."""
        return [_worded(column, value) for column, value in zip(self.columns, row, strict=True)]

    def text(self, row: Sequence[Any]) -> list[str]:
        """Return one row as text: ISO 8601 times, scaled numbers without their unit (the heading has it)."""
        return [_text(value) for value in self.quantities(row)]

    def project(self, columns: tuple[Column, ...]) -> ProfileTable:
        """Return the table with these of its columns only."""
        if columns == self.columns:
            return self
        indexes = [self.columns.index(column) for column in columns]

        def cut(rows: list[Row]) -> list[Row]:
            return [tuple(row[index] for index in indexes) for row in rows]

        return ProfileTable(columns, cut(self.rows), cut(self.raw_rows), self.capture_period)

    def take(self, indexes: Sequence[int]) -> ProfileTable:
        """Return the table with these of its rows only."""
        if len(indexes) == len(self.rows):
            return self
        rows, raw_rows = [self.rows[index] for index in indexes], [self.raw_rows[index] for index in indexes]
        return ProfileTable(self.columns, rows, raw_rows, self.capture_period)

    def joined(self, rest: ProfileTable) -> ProfileTable:
        """Return this table with the rows of `rest` behind that are not in it; the columns are the same."""
        index = self.time_index
        held: dict[Any, list[Row]] = {}
        for row in self.rows:
            held.setdefault(None if index is None else row[index], []).append(row)
        fresh = []
        for position, row in enumerate(rest.rows):
            known = held.get(None if index is None else row[index], [])
            if row in known:
                # Once only: two rows that are alike are two rows.
                known.remove(row)
            else:
                fresh.append(position)
        return self.followed_by(rest.take(fresh))

    def followed_by(self, rest: ProfileTable) -> ProfileTable:
        """Return this table with all rows of `rest` behind."""
        return ProfileTable(self.columns, self.rows + rest.rows, self.raw_rows + rest.raw_rows, self.capture_period)


def choose(columns: tuple[Column, ...], wanted: Sequence[Obis]) -> tuple[Column, ...]:
    """Return the columns with these logical names, all without any. Raises `ConfigError` for one that is not there."""
    if not wanted:
        return columns
    for name in wanted:
        if all(column.obis != name for column in columns):
            known = ", ".join(str(column.obis) for column in columns)
            raise ConfigError(f"{name} is no column of this profile: {known}")
    return tuple(column for column in columns if column.obis in wanted)


def cosem_time(moment: When, default: CosemDateTime) -> CosemDateTime:
    """Return `moment` as the meter understands it."""
    if moment is None:
        return default
    return moment if isinstance(moment, CosemDateTime) else CosemDateTime.from_datetime(moment)


# --- null-data -------------------------------------------------------------------------------------------------


def expand(rows: Sequence[Row], columns: Sequence[Column], period: int) -> list[Row]:
    """Return rows with null-data filled in: a value repeats, a time goes on by `period` seconds.

    A null in the first row, or a time without a period to go on by, stays None: it is not known.
    """
    if not any(None in row for row in rows):
        return list(rows)
    times = [index for index, column in enumerate(columns) if column.is_time]
    expanded: list[Row] = []
    before: Row | None = None
    for row in rows:
        if None in row and before is not None:
            filled = [then if now is None else now for now, then in zip(row, before, strict=True)]
            for index in times:
                if row[index] is None:
                    filled[index] = _later(before[index], period)
            row = tuple(filled)
        expanded.append(row)
        before = row
    return expanded


def expand_octets(octets: bytes, columns: Sequence[Column], period: int) -> bytes:
    """Do the same to an array of rows that is not decoded, so that all its rows are laid out alike."""
    times = [index for index, column in enumerate(columns) if column.is_time]
    parts: list[bytes] = []
    before: list[bytes] | None = None
    for head, cells in cells_of(octets):
        if before is not None and len(before) == len(cells):
            for index, cell in enumerate(cells):
                if cell == NULL:
                    cells[index] = _later_cell(before[index], period) if index in times else before[index]
        parts += (head, *cells)
        before = cells
    return b"\x01" + octets[1 : _first_row(octets)] + b"".join(parts)


def _later_cell(cell: bytes, period: int) -> bytes:
    later = _later(cell[-TIME_OCTETS:], period) if len(cell) > TIME_OCTETS else None
    return NULL if later is None else cell[:-TIME_OCTETS] + later


def _first_row(octets: bytes) -> int:
    return axdr.decode_length(octets, 1, len(octets))[1]


def cells_of(octets: bytes) -> Iterator[tuple[bytes, list[bytes]]]:
    """Return of each row of an array its header and the octets of its columns. Raises `DecodeError`."""
    offset = _first_row(octets)
    while offset < len(octets):
        count, at = axdr.decode_length(octets, offset + 1, len(octets))
        head, cells = octets[offset:at], []
        for _ in range(count):
            offset = axdr.skip(octets, at)
            cells.append(octets[at:offset])
            at = offset
        offset = at
        yield head, cells


def _later(octets: Any, period: int) -> bytes | None:
    """Return the time `period` seconds after `octets`, with the same deviation and status."""
    moment = _moment(octets)
    if moment is None or not period:
        return None
    try:
        # The wall clock goes on; where a deviation is given it does not change, because a meter writes the time out
        # when it does.
        naive = moment._replace(deviation=None).to_datetime() + timedelta(seconds=period)
    except (CosemError, OverflowError):
        return None
    rest: bytes = octets[8:]
    return CosemDateTime.from_datetime(naive).to_octets()[:8] + rest


# --- selecting -------------------------------------------------------------------------------------------------


def select(table: ProfileTable, start: When, end: When, entries: tuple[int, int] | None) -> list[int]:
    """Return the rows that a meter without selective access could not select, by position.

    Times are compared as points in time where both sides have a deviation, as wall-clock times otherwise; a row
    without a time is selected.
    """
    keep: Callable[[int], bool]
    if entries is not None:
        first, last = entries

        def keep(index: int) -> bool:
            return index + 1 >= first and (not last or index + 1 <= last)
    else:
        low = None if start is None else _comparable(cosem_time(start, FIRST))
        high = None if end is None else _comparable(cosem_time(end, LAST))
        times = [None if moment is None else _comparable(moment) for moment in table.times()]

        def keep(index: int) -> bool:
            return _within(times[index], low, high)

    return [index for index in range(len(table.rows)) if keep(index)]


def take_octets(octets: bytes, indexes: Sequence[int]) -> bytes:
    """Return an array of these of the rows of an array."""
    rows = [b"".join((head, *cells)) for head, cells in cells_of(octets)]
    return b"\x01" + axdr.encode_length(len(indexes)) + b"".join(rows[index] for index in indexes)


def falling(times: Sequence[CosemDateTime | None]) -> bool:
    """Whether rows come newest first."""
    known = [_comparable(moment) for moment in times if moment is not None]
    first, last = (known[0], known[-1]) if known else (None, None)
    return first is not None and last is not None and first[0] > last[0]


def whole_rows(octets: bytes) -> bytes:
    """Return an array of the rows that are whole in the beginning of an array of rows."""
    empty = b"\x01\x00"
    if not octets or octets[0] != axdr.Tag.ARRAY:
        return empty
    try:
        start = offset = _first_row(octets)
    except DecodeError:
        return empty
    count = 0
    while offset < len(octets):
        try:
            offset = axdr.skip(octets, offset)
        except DecodeError:
            break
        count += 1
    return b"\x01" + axdr.encode_length(count) + octets[start:offset]


def _comparable(moment: CosemDateTime) -> tuple[datetime, datetime | None] | None:
    """Return wall-clock time, and UTC where the deviation is known."""
    try:
        wall = moment._replace(deviation=None).to_datetime()
        utc = moment.to_datetime().astimezone(UTC) if moment.deviation is not None else None
    except (CosemError, OverflowError):
        return None
    return wall, utc


def _within(moment: Any, low: Any, high: Any) -> bool:
    if moment is None:
        return True
    for bound, sign in ((low, 1), (high, -1)):
        if bound is None:
            continue
        kind = 1 if moment[1] is not None and bound[1] is not None else 0
        if (moment[kind] - bound[kind]).total_seconds() * sign < 0:
            return False
    return True


# --- values ----------------------------------------------------------------------------------------------------


def _moment(value: Any) -> CosemDateTime | None:
    if not isinstance(value, bytes) or len(value) != TIME_OCTETS:
        return None
    return CosemDateTime.from_octets(value)


def _worded(column: Column, value: Any) -> Any:
    if column.is_time and (moment := _moment(value)) is not None:
        return moment
    if column.is_capture_time and (moment := _moment(value)) is not None and moment.in_range:
        return moment
    if column.scaler_unit is not None and isinstance(value, (int, float)) and not isinstance(value, bool):
        return column.scaler_unit.quantity(value)
    return value


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, CosemDateTime):
        return value.isoformat()
    if isinstance(value, Quantity):
        return str(value.value)
    if isinstance(value, bytes):
        return value.hex()
    return str(value)
