"""A profile that captures: a ring of encoded rows, filled on time, read whole, by range or by entry (class 7)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from cosem.apdu.base import SelectiveAccess
from cosem.classes.c007_profile_generic import ProfileGeneric, SortMethod
from cosem.classes.common import CaptureObject
from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag, encode_length
from cosem.device.clock import DeviceClock
from cosem.errors import DecodeError
from cosem.obis import Obis, obis
from cosem.results import DataAccessResult
from cosem.times import CosemDateTime

CLOCK_COLUMN = (8, bytes(Obis.parse("0-0:1.0.0.255")), 2, 0)
MAX_ROWS = 1_000_000

DAYLIGHT_SAVING = 0x08
CLOCK_ADJUSTED = 0x20
CLOCK_INVALID = 0x02
POWER_DOWN = 0x80
"""Bits of the profile status (AMR profile status, 0-0:96.10.1) as companion specifications set them."""


class Column(NamedTuple):
    """One captured attribute: what it is, and how its octets are had at the moment of capture."""

    capture: CaptureObject
    read: Callable[[int], bytes]


class Row(NamedTuple):
    """One row: the meter's UTC at capture, the A-XDR octets of each column, and of the whole structure."""

    time: int
    cells: tuple[bytes, ...]
    octets: bytes


class ProfileBuffer:
    """Behaviour of one profile. `period` in seconds; 0 captures only on demand, -1 at every local midnight.

    Rows are captured at whole periods of the meter's own clock. A time that was set marks the row that follows it.
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
    ) -> None:
        self.clock = clock
        self.columns = tuple(columns)
        self.period = period
        self.capacity = min(capacity, MAX_ROWS)
        self.compress_nulls = compress_nulls
        self.rows: list[Row] = []
        self.marks = 0
        self._head = b"\x02" + encode_length(len(self.columns))
        self.object = ProfileGeneric(
            obis(name),
            capture_objects=[column.capture for column in self.columns],
            capture_period=period if period > 0 else 86400 if period < 0 else 0,
            sort_method=SortMethod.FIFO,
            sort_object=CaptureObject(0, Obis(bytes(6)), 0, 0),
            profile_entries=self.capacity,
        )
        store: Any = self.object.store
        store.values.pop(2, None)
        store.values.pop(7, None)
        store.computed[7] = lambda selection: Data(Tag.DOUBLE_LONG_UNSIGNED, len(self.rows))
        store.handlers[1] = self._reset
        store.handlers[2] = self._capture_now
        self._clock_index = next(
            (i for i, column in enumerate(self.columns) if _key(column.capture) == CLOCK_COLUMN), None
        )
        self._next = self._following(clock.now)
        clock.on_jump.append(self._jumped)

    # --- capturing -----------------------------------------------------------------------------------------

    def next_time(self) -> int | None:
        """Return the next boundary, in the simulation's time."""
        return None if self._next is None else self._next - self.clock.offset

    def act(self, now: int) -> None:
        """Capture the row of this boundary."""
        self.capture()
        self._next = self._following(self.clock.now)

    def _following(self, utc: int) -> int | None:
        if self.period == 0:
            return None
        if self.period < 0:
            return self.clock.next_local_midnight(utc)
        return (utc // self.period + 1) * self.period

    def _jumped(self, old: int, new: int) -> None:
        """Go on from the new time; a jump of some size is marked in the next row."""
        if abs(new - old) >= self.clock.jump_limit:
            self.marks |= CLOCK_ADJUSTED
        self._next = self._following(new)

    def capture(self) -> None:
        """Append a row; the oldest goes when the buffer is full."""
        utc = self.clock.now
        cells = tuple([column.read(utc) for column in self.columns])
        self.rows.append(Row(utc, cells, self._head + b"".join(cells)))
        self.marks = 0
        if len(self.rows) > self.capacity:
            # In slices, so that a full buffer does not move itself at every capture.
            del self.rows[: len(self.rows) - self.capacity]

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
        self.rows.clear()

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
            keys = [_key(column.capture) for column in self.columns]
            try:
                columns = [keys.index(_capture_key(item)) for item in selected.value]
            except ValueError:
                raise _BadSelectionError from None
        times = [row.time for row in self.rows]
        if any(later < earlier for earlier, later in pairwise(times)):
            # The clock was set back: rows are not in order of time, so each is looked at.
            return self._encode([row for row in self.rows if start <= row.time <= end], columns)
        return self._encode(self.rows[bisect_left(times, start) : bisect_right(times, end)], columns)

    def _moment(self, value: Data) -> int:
        if value.tag not in (Tag.OCTET_STRING, Tag.DATE_TIME) or len(value.value) != 12:
            raise _BadSelectionError
        return self.clock.utc(CosemDateTime.from_octets(value.value))

    def _by_entry(self, parameters: Data) -> bytes:
        first, last, from_column, to_column = (item.value for item in _items(parameters, 4))
        if not all(isinstance(item, int) for item in (first, last, from_column, to_column)) or first < 1:
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
