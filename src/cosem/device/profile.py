"""A profile that captures: a ring of encoded rows, filled on time, read whole, by range or by entry (class 7)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from cosem.apdu.base import SelectiveAccess
from cosem.classes.c007_profile_generic import ProfileGeneric, SortMethod
from cosem.classes.common import CaptureObject, capture_object
from cosem.classes.words import ProfileStatus
from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag, encode_length
from cosem.device.clock import DAY, DeviceClock, JumpOrder
from cosem.device.profile_order import Row, RowOrder
from cosem.errors import ConfigError, DecodeError
from cosem.obis import Obis, obis
from cosem.results import DataAccessResult
from cosem.times import CosemDateTime

CLOCK_COLUMN = (8, bytes(Obis.parse("0-0:1.0.0.255")), 2, 0)
NO_COLUMN = CaptureObject(0, Obis(bytes(6)), 0, 0)
MAX_ROWS = 1_000_000
"""What the memory of the largest meters holds; a client can ask for no more."""
MAX_COLUMNS = 64
"""More than any profile has; bounds what one row may cost, and what a selection may ask to be repeated."""
SHORTEST_PERIOD = 60
"""Seconds. A client cannot make a meter capture all the time."""

DAYLIGHT_SAVING = int(ProfileStatus.DAYLIGHT_SAVING)
CLOCK_ADJUSTED = int(ProfileStatus.CLOCK_ADJUSTED)
CLOCK_INVALID = int(ProfileStatus.CLOCK_INVALID)
POWER_DOWN = int(ProfileStatus.POWER_DOWN)


class Column(NamedTuple):
    """One captured attribute: what it is, and how its octets are had at the moment of capture."""

    capture: CaptureObject
    read: Callable[[int], bytes]


class ProfileBuffer:
    """Behaviour of one profile. `period` in seconds, up to a day; 0 captures only on demand.

    Rows are captured at whole periods of the meter's own local time. Where its clock is adjusted over such a boundary
    by `jump_limit` of the clock or more, the interrupted interval is closed there and then, and that row and the
    following one are marked; smaller adjustments leave rows on their boundaries. `writers` are the attributes a client
    may set; `resolve` finds the columns that it asks for, without one they cannot be set. Rows are kept in the order
    that `sort_method` and `sort_object` say. `on_redefined` are told of other columns: profiles that capture this one
    are emptied then. `truncate_on_time_back`: where rows are sorted by time and the clock is set back, rows of later
    times go; otherwise they stay.
    """

    def __init__(
        self,
        name: str,
        columns: Sequence[Column],
        clock: DeviceClock,
        *,
        period: int,
        capacity: int,
        compress_nulls: bool = False,
        resolve: Callable[[CaptureObject], Column | None] | None = None,
        truncate_on_time_back: bool = False,
    ) -> None:
        if not 0 <= period <= DAY:
            raise ConfigError(f"a capture period of {period} s is none of 0 to {DAY}")
        self.clock = clock
        self.period = period
        self.capacity = min(capacity, MAX_ROWS)
        self.compress_nulls = compress_nulls
        self.rows: list[Row] = []
        self.marks = 0
        self._in_order = True
        self._resolve = resolve
        self._order = RowOrder()
        self._truncate = truncate_on_time_back
        self.on_redefined: list[Callable[[], None]] = []
        self.object = ProfileGeneric(
            obis(name),
            capture_objects=[column.capture for column in columns],
            capture_period=period,
            sort_method=SortMethod.FIFO,
            sort_object=NO_COLUMN,
            profile_entries=self.capacity,
        )
        store: Any = self.object.store
        for number in (2, 7):
            store.values.pop(number, None)
        store.computed[7] = lambda selection: Data(Tag.DOUBLE_LONG_UNSIGNED, len(self.rows))
        store.handlers[1] = self._reset
        store.handlers[2] = self._capture_now
        self.writers: dict[int, Callable[[Data], DataAccessResult]] = {
            4: self._write_period,
            5: self._write_method,
            6: self._write_sort_object,
            8: self._write_entries,
        }
        if resolve is not None:
            self.writers[3] = self._write_columns
        self._take_columns(columns)
        self._next = self._following(clock.now)
        clock.on_jump.append(self._jumped, JumpOrder.PROFILES)

    def _take_columns(self, columns: Sequence[Column]) -> None:
        self.columns = tuple(columns)
        self._head = b"\x02" + encode_length(len(self.columns))
        self._keys = [_key(column.capture) for column in self.columns]
        self._clock_index = self._keys.index(CLOCK_COLUMN) if CLOCK_COLUMN in self._keys else None

    # --- capturing -----------------------------------------------------------------------------------------

    def power_returned(self) -> None:
        """Go on after an outage: the row that it kept from being written is written now, of all others there is none.

        That row and the next one are marked, or the next one only where the outage began and ended within its period.
        """
        self.marks |= POWER_DOWN
        now, expected = self.clock.now, self._next
        if expected is not None and expected <= now:
            self.capture(expected)
            self.marks |= POWER_DOWN
            self._next = self._following(now)

    def next_time(self) -> int | None:
        """Return the next boundary, in the simulation's time."""
        return None if self._next is None else self._next - self.clock.offset

    def act(self, now: int) -> None:
        """Capture the row of this boundary."""
        self.capture()
        self._next = self._following(self.clock.now)

    def _following(self, utc: int) -> int | None:
        return self.clock.next_boundary(utc, self.period) if self.period else None

    def _jumped(self, old: int, new: int) -> None:
        """Go on from the new time, as meters under IDIS do."""
        expected, following = self._next, self._following(new)
        if old != new and abs(new - old) >= self.clock.jump_limit:
            self.marks |= CLOCK_ADJUSTED
            if expected != following and self._following(old - 1) != old:
                self.capture(old)
                self.marks |= CLOCK_ADJUSTED
            if self._truncate and new < old and self._order.column == self._clock_index is not None:
                self.rows = [row for row in self.rows if row.time <= new]
        elif expected is not None and following is not None:
            if old < expected <= new:
                self.capture(expected)
            elif new != old:
                # Set back over a boundary by a little, now or before: its row is there already.
                following = max(following, expected)
        self._next = following

    def capture(self, utc: int | None = None) -> None:
        """Append a row, stamped now or at `utc`; the oldest goes when the buffer is full."""
        if utc is None:
            utc = self.clock.now
        cells = tuple([column.read(utc) for column in self.columns])
        if self.rows and (utc < self.rows[-1].time or not self._order.by_age):
            self._in_order = False
        self._order.insert(self.rows, Row(utc, cells, self._head + b"".join(cells)), self.capacity)
        self.marks = 0

    def status(self, utc: int) -> int:
        """Return the profile status at this moment."""
        status = self.marks
        if self.clock.deviation(utc)[1]:
            status |= DAYLIGHT_SAVING
        if self.clock.invalid:
            status |= CLOCK_INVALID
        return status

    def _capture_now(self, parameter: int) -> None:
        self.capture()

    def _reset(self, parameter: int) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget all rows."""
        self.rows.clear()
        self._in_order = True

    # --- being set up --------------------------------------------------------------------------------------

    def _write_period(self, value: Data) -> DataAccessResult:
        """Take a capture period. What was captured with another one goes, as in meters under IDIS."""
        if value.value == self.period:
            return DataAccessResult.SUCCESS
        if value.value and not SHORTEST_PERIOD <= value.value <= DAY:
            return DataAccessResult.OTHER_REASON
        self.period = value.value
        self._next = self._following(self.clock.now)
        return self._hold(4, value)

    def _write_entries(self, value: Data) -> DataAccessResult:
        """Take a capacity; the most interesting rows stay, by age the newest."""
        if not 1 <= value.value <= MAX_ROWS:
            return DataAccessResult.OTHER_REASON
        self.capacity = value.value
        self._order.shrink(self.rows, self.capacity)
        return self._hold(8, value, empty=False)

    def _write_columns(self, value: Data) -> DataAccessResult:
        """Take other columns, which empties the buffer. All of them must be there."""
        captures: list[CaptureObject] = ProfileGeneric.attributes[3].type.from_data(value)
        if not 1 <= len(captures) <= MAX_COLUMNS or self._resolve is None:
            return DataAccessResult.OTHER_REASON
        found = [self._resolve(capture) for capture in captures]
        columns = [column for column in found if column is not None]
        if len(columns) != len(found):
            return DataAccessResult.OTHER_REASON
        self._take_columns(columns)
        if self._order.column is not None:
            # What sorted them may be another column now, or none.
            self._order = RowOrder()
            self._hold(5, Data(Tag.ENUM, SortMethod.FIFO))
            self._hold(6, capture_object.to_data(NO_COLUMN))
        result = self._hold(3, value)
        for told in self.on_redefined:
            told()
        return result

    def _write_method(self, value: Data) -> DataAccessResult:
        """Take an order of rows; those in another order go."""
        return self._sort(5, value, RowOrder(value.value, self._order.column))

    def _write_sort_object(self, value: Data) -> DataAccessResult:
        """Take the column that orders rows: one that is captured, or class 0 for none."""
        key = _capture_key(value)
        if key[0] and key not in self._keys:
            return DataAccessResult.OTHER_REASON
        return self._sort(6, value, RowOrder(self._order.method, self._keys.index(key) if key[0] else None))

    def _sort(self, number: int, value: Data, order: RowOrder) -> DataAccessResult:
        if not RowOrder.is_possible(order.method, order.column):
            return DataAccessResult.OTHER_REASON
        self._order = order
        return self._hold(number, value)

    def _hold(self, number: int, value: Data, *, empty: bool = True) -> DataAccessResult:
        store: Any = self.object.store
        store.values[number] = value
        if empty:
            self.clear()
        return DataAccessResult.SUCCESS

    # --- reading -------------------------------------------------------------------------------------------

    def read(self, selection: SelectiveAccess | None) -> bytes | DataAccessResult:
        """Return the octets of the buffer, or of the rows and columns selected."""
        if selection is None:
            return self._encode(self.rows, None)
        try:
            parameters = axdr.decode(selection.parameters)
            if selection.selector == 1:
                return self._by_range(parameters)
            if selection.selector == 2:
                return self._by_entry(parameters)
        except (DecodeError, _BadSelectionError):
            pass
        return DataAccessResult.OTHER_REASON

    def _by_range(self, parameters: Data) -> bytes:
        restricting, first, last, selected = _items(parameters, 4)
        if self._clock_index is None or _capture_key(restricting) != CLOCK_COLUMN:
            raise _BadSelectionError
        start, end = self._moment(first), self._moment(last)
        if selected.tag is not Tag.ARRAY:
            raise _BadSelectionError
        columns = None
        if selected.value:
            if len(selected.value) > MAX_COLUMNS:
                raise _BadSelectionError
            try:
                columns = [self._keys.index(_capture_key(item)) for item in selected.value]
            except ValueError:
                raise _BadSelectionError from None
        if not self._in_order:
            # The clock was set back: rows are not in order of time, so each is looked at.
            return self._encode([row for row in self.rows if start <= row.time <= end], columns)
        first_row = bisect_left(self.rows, start, key=_time)
        return self._encode(self.rows[first_row : bisect_right(self.rows, end, lo=first_row, key=_time)], columns)

    def _moment(self, value: Data) -> int:
        if value.tag not in (Tag.OCTET_STRING, Tag.DATE_TIME) or len(value.value) != 12:
            raise _BadSelectionError
        return self.clock.utc(CosemDateTime.from_octets(value.value))

    def _by_entry(self, parameters: Data) -> bytes:
        items = _items(parameters, 4)
        if tuple(item.tag for item in items) != _ENTRY_TAGS:
            raise _BadSelectionError
        first, last, from_column, to_column = (item.value for item in items)
        if first < 1:
            raise _BadSelectionError
        count = len(self.columns)
        from_column = from_column or 1
        to_column = to_column or count
        if not 1 <= from_column <= to_column <= count:
            raise _BadSelectionError
        rows = self.rows[first - 1 : last or None]
        whole = (from_column, to_column) == (1, count)
        return self._encode(rows, None if whole else list(range(from_column - 1, to_column)))

    def _encode(self, rows: Sequence[Row], columns: list[int] | None) -> bytes:
        parts = [b"\x01" + encode_length(len(rows))]
        if columns is None and not self.compress_nulls:
            parts += [row.octets for row in rows]
            return b"".join(parts)
        head = self._head if columns is None else b"\x02" + encode_length(len(columns))
        before: Row | None = None
        for row in rows:
            cells = row.cells if not self.compress_nulls else self._compressed(row, before)
            parts.append(head)
            parts += cells if columns is None else [cells[index] for index in columns]
            before = row
        return b"".join(parts)

    def _compressed(self, row: Row, before: Row | None) -> tuple[bytes, ...]:
        """Write null-data for what did not change, and for a time one period after the one before."""
        if before is None:
            return row.cells
        cells = [b"\x00" if now == then else now for now, then in zip(row.cells, before.cells, strict=True)]
        if self._clock_index is not None:
            on_time = self.period > 0 and row.time == before.time + self.period
            same_deviation = row.cells[self._clock_index][-3:] == before.cells[self._clock_index][-3:]
            if on_time and same_deviation:
                cells[self._clock_index] = b"\x00"
        return tuple(cells)


_ENTRY_TAGS = (Tag.DOUBLE_LONG_UNSIGNED, Tag.DOUBLE_LONG_UNSIGNED, Tag.LONG_UNSIGNED, Tag.LONG_UNSIGNED)
_time = attrgetter("time")


class _BadSelectionError(Exception):
    """A selection that cannot be served."""


def _items(value: Data, count: int) -> tuple[Data, ...]:
    if value.tag is not Tag.STRUCTURE or len(value.value) != count:
        raise _BadSelectionError
    items: tuple[Data, ...] = value.value
    return items


def _key(capture: CaptureObject) -> tuple[int, bytes, int, int]:
    return capture.class_id, bytes(capture.logical_name), capture.attribute_index, capture.data_index


def _capture_key(value: Data) -> tuple[int, bytes, int, int]:
    class_id, name, attribute, index = (item.value for item in _items(value, 4))
    return class_id, name, attribute, index
