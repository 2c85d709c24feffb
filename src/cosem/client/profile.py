"""Load profiles and logs: read whole, by time or by entry; as rows or columns; and never lost half-way.

Meters save room by writing null-data for a value that did not change, and for a time that is one capture period after
the one before. Such rows are expanded; the raw ones stay available.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cosem.association.steps import Step
from cosem.classes.c007_profile_generic import by_entry, by_time
from cosem.classes.common import CaptureObject, capture_object
from cosem.classes.model import Selection
from cosem.classes.types import array
from cosem.client.core import Core, Talk
from cosem.codec import axdr
from cosem.codec.rows import decode_columns, decode_rows
from cosem.conformance_block import Conformance
from cosem.errors import AccessError, ConnectionLost, CosemError, DecodeError, Timeout
from cosem.obis import Obis
from cosem.results import DataAccessResult
from cosem.times import CosemDateTime
from cosem.units import Quantity, ScalerUnit

PROFILE = 7
BUFFER, CAPTURE_OBJECTS, CAPTURE_PERIOD = 2, 3, 4
_capture_objects = array(capture_object)
_NO_SELECTION = (
    DataAccessResult.OTHER_REASON,
    DataAccessResult.SCOPE_OF_ACCESS_VIOLATED,
    DataAccessResult.TYPE_UNMATCHED,
    DataAccessResult.READ_WRITE_DENIED,
    DataAccessResult.OBJECT_UNAVAILABLE,
)
"""Results by which meters without selective access refuse a selection; then everything is read and filtered here."""

When = datetime | CosemDateTime | None


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
    rows: list[tuple[Any, ...]]
    raw_rows: list[tuple[Any, ...]] = field(repr=False, default_factory=list)
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


class ProfileInterrupted(ConnectionLost):
    """The link died while a profile was read. `table` holds the rows that had arrived whole.

    `resume_from` is the time of the last of them, or None; reading from there on gives the rest.
    """

    def __init__(self, reason: str, table: ProfileTable, resume_from: CosemDateTime | None) -> None:
        super().__init__(f"{reason}; {len(table)} rows had arrived and are kept")
        self.table = table
        self.resume_from = resume_from


class ProfileReader:
    """One profile of one meter: its columns are read once."""

    def __init__(self, core: Core, name: Obis) -> None:
        self.core = core
        self.name = name
        self._columns: tuple[Column, ...] | None = None
        self._period = 0

    def describe(self) -> Talk[tuple[Column, ...]]:
        """Return the columns, with scalers and units."""
        if self._columns is None:
            data = yield from self.core.get_data(PROFILE, self.name, CAPTURE_OBJECTS)
            captures = _capture_objects.from_data(data)
            columns = []
            for capture in captures:
                scaled = capture.attribute_index in (2, 3) if capture.class_id == 5 else capture.attribute_index == 2
                scaler = None
                if scaled:
                    scaler = yield from self.core.scaler_unit(capture.class_id, capture.logical_name)
                columns.append(Column(capture, scaler))
            try:
                period = yield from self.core.get_data(PROFILE, self.name, CAPTURE_PERIOD)
                self._period = period.value if isinstance(period.value, int) else 0
            except AccessError:
                self._period = 0
            self._columns = tuple(columns)
        return self._columns

    def read(
        self,
        start: When = None,
        end: When = None,
        *,
        columns: Sequence[Obis] = (),
        entries: tuple[int, int] | None = None,
    ) -> Talk[ProfileTable]:
        """Read the rows from `start` to `end` (both included), or entries by number from 1, or everything.

        Naive times are the meter's local time. `columns` names captured objects; none means all. A meter without
        selective access is read whole and filtered here. Raises `ProfileInterrupted` with what had arrived.
        """
        described = yield from self.describe()
        chosen = _choose(described, columns)
        selection = self._selection(start, end, chosen, entries)
        if selection is not None and self.core.machine.conformance & Conformance.SELECTIVE_ACCESS:
            try:
                octets = yield from self._octets(selection, _selected(described, chosen, entries))
            except AccessError as error:
                if error.result not in _NO_SELECTION:
                    raise
            else:
                table = self._table(octets, _selected(described, chosen, entries))
                return _project(table, chosen) if entries is not None else table
        octets = yield from self._octets(None, described)
        table = self._table(octets, described)
        return _project(_filter(table, start, end, entries), chosen)

    def resume(self, interrupted: ProfileInterrupted, end: When = None) -> Talk[ProfileTable]:
        """Read what is missing behind an interruption, and return it together with what had arrived."""
        rest = yield from self.read(interrupted.resume_from, end)
        known = interrupted.table
        index = known.time_index
        if index is None or not known.rows:
            return rest
        seen = {row[index] for row in known.rows}
        fresh = [row for row in rest.rows if row[index] not in seen]
        return ProfileTable(known.columns, known.rows + fresh, known.raw_rows + rest.raw_rows, known.capture_period)

    def read_columns(self, start: When = None, end: When = None, *, native: bool = False) -> Talk[Any]:
        """Read into NumPy columns (needs ``cosem[columns]``): `cosem.codec.rows.Columns`."""
        described = yield from self.describe()
        selection = self._selection(start, end, described, None)
        octets = yield from self._octets(selection, described)
        return decode_columns(octets, native)

    def _selection(
        self,
        start: When,
        end: When,
        chosen: tuple[Column, ...],
        entries: tuple[int, int] | None,
    ) -> Selection | None:
        if entries is not None:
            return by_entry(entries[0], entries[1])
        wanted = () if self._columns is not None and chosen == self._columns else tuple(c.capture for c in chosen)
        if start is None and end is None and not wanted:
            return None
        restricting = next((c.capture for c in self._columns or () if c.is_time), None)
        if restricting is None:
            return None
        return by_time(_cosem(start, _FIRST), _cosem(end, _LAST), wanted, restricting=restricting)

    def _octets(self, selection: Selection | None, columns: tuple[Column, ...]) -> Generator[Step, Any, bytes]:
        parts: list[bytes] = []
        try:
            return (yield from self.core.get_octets(PROFILE, self.name, BUFFER, selection, parts))
        except (ConnectionLost, Timeout) as error:
            if not parts:
                raise
            table = self._table(_whole_rows(b"".join(parts)), columns)
            times = [moment for moment in table.times() if moment is not None]
            raise ProfileInterrupted(str(error), table, times[-1] if times else None) from None

    def _table(self, octets: bytes, columns: tuple[Column, ...]) -> ProfileTable:
        raw = decode_rows(octets)
        for row in raw:
            if len(row) != len(columns):
                raise DecodeError(f"a row of {len(row)} values where {len(columns)} columns are captured", 0)
        return ProfileTable(columns, expand(raw, columns, self._period), raw, self._period)


# --- pure ------------------------------------------------------------------------------------------------------

_FIRST = CosemDateTime.from_datetime(datetime(2000, 1, 1))
_LAST = CosemDateTime.from_datetime(datetime(2099, 12, 31, 23, 59, 59))


def expand(rows: Sequence[tuple[Any, ...]], columns: Sequence[Column], period: int) -> list[tuple[Any, ...]]:
    """Return rows with null-data filled in: a value repeats, a time goes on by `period` seconds.

    A null in the first row, or a time without a period to go on by, stays None: it is not known.
    """
    if not any(None in row for row in rows):
        return list(rows)
    times = [index for index, column in enumerate(columns) if column.is_time]
    expanded: list[tuple[Any, ...]] = []
    before: tuple[Any, ...] | None = None
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


def _later(octets: Any, period: int) -> bytes | None:
    """Return the time `period` seconds after `octets`, with the same deviation and status."""
    moment = _moment(octets)
    if moment is None or not period:
        return None
    try:
        # The wall clock goes on; where a deviation is given it does not change, because a meter writes the time out
        # when it does.
        naive = moment._replace(deviation=None).to_datetime().replace(tzinfo=None) + timedelta(seconds=period)
    except (CosemError, OverflowError):
        return None
    plain = CosemDateTime.from_datetime(naive).to_octets()
    rest: bytes = octets[8:]
    return plain[:8] + rest


def _moment(value: Any) -> CosemDateTime | None:
    if not isinstance(value, bytes) or len(value) != 12:
        return None
    return CosemDateTime.from_octets(value)


def _worded(column: Column, value: Any) -> Any:
    if column.is_time and (moment := _moment(value)) is not None:
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


def _cosem(moment: When, default: CosemDateTime) -> CosemDateTime:
    if moment is None:
        return default
    return moment if isinstance(moment, CosemDateTime) else CosemDateTime.from_datetime(moment)


def _choose(columns: tuple[Column, ...], wanted: Sequence[Obis]) -> tuple[Column, ...]:
    if not wanted:
        return columns
    chosen = tuple(column for column in columns if column.obis in wanted)
    missing = [name for name in wanted if all(column.obis != name for column in columns)]
    if missing:
        from cosem.errors import ConfigError

        raise ConfigError(f"{missing[0]} is no column of this profile: {', '.join(str(c.obis) for c in columns)}")
    return chosen


def _selected(
    described: tuple[Column, ...], chosen: tuple[Column, ...], entries: tuple[int, int] | None
) -> tuple[Column, ...]:
    """By entry all columns are asked for (their numbers differ between meters' ideas); by time only those chosen."""
    return described if entries is not None else chosen


def _project(table: ProfileTable, chosen: tuple[Column, ...]) -> ProfileTable:
    if chosen == table.columns:
        return table
    indexes = [table.columns.index(column) for column in chosen]

    def cut(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        return [tuple(row[index] for index in indexes) for row in rows]

    return ProfileTable(chosen, cut(table.rows), cut(table.raw_rows), table.capture_period)


def _filter(table: ProfileTable, start: When, end: When, entries: tuple[int, int] | None) -> ProfileTable:
    """Do here what a meter without selective access cannot."""
    keep: Callable[[int], bool]
    if entries is not None:
        first, last = entries

        def keep(index: int) -> bool:
            return index + 1 >= first and (not last or index + 1 <= last)
    elif (start is None and end is None) or table.time_index is None:
        return table
    else:
        low = None if start is None else _comparable(_cosem(start, _FIRST))
        high = None if end is None else _comparable(_cosem(end, _LAST))
        times = [None if moment is None else _comparable(moment) for moment in table.times()]

        def keep(index: int) -> bool:
            return _within(times[index], low, high)

    kept = [index for index in range(len(table.rows)) if keep(index)]
    return ProfileTable(
        table.columns,
        [table.rows[index] for index in kept],
        [table.raw_rows[index] for index in kept],
        table.capture_period,
    )


def _comparable(moment: CosemDateTime) -> tuple[datetime, datetime | None] | None:
    """Return wall-clock time, and UTC where the deviation is known."""
    try:
        wall = moment._replace(deviation=None).to_datetime().replace(tzinfo=None)
        utc = moment.to_datetime().astimezone(UTC).replace(tzinfo=None) if moment.deviation is not None else None
    except (CosemError, OverflowError, ValueError):
        return None
    return wall, utc


def _within(moment: Any, low: Any, high: Any) -> bool:
    """Compare as UTC where both sides know it, as wall-clock time otherwise; a row without a time is kept."""
    if moment is None:
        return True
    for bound, sign in ((low, 1), (high, -1)):
        if bound is None:
            continue
        kind = 1 if moment[1] is not None and bound[1] is not None else 0
        if (moment[kind] - bound[kind]).total_seconds() * sign < 0:
            return False
    return True


def _whole_rows(octets: bytes) -> bytes:
    """Return an array of the rows that are whole in the beginning of an array of rows."""
    empty = b"\x01\x00"
    if not octets or octets[0] != axdr.Tag.ARRAY:
        return empty
    try:
        _, start = axdr.decode_length(octets, 1, len(octets))
    except DecodeError:
        return empty
    offset, count = start, 0
    while offset < len(octets):
        try:
            offset = axdr.skip(octets, offset)
        except DecodeError:
            break
        count += 1
    return b"\x01" + axdr.encode_length(count) + octets[start:offset]
