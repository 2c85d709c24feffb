"""In which order a profile keeps its rows, and so which one goes when it is full (class 7, sort_method)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from cosem.classes.c007_profile_generic import SortMethod
from cosem.codec import axdr
from cosem.codec.axdr import Tag


class Row(NamedTuple):
    """One row: the meter's UTC at capture, the A-XDR octets of each column, and of the whole structure."""

    time: int
    cells: tuple[bytes, ...]
    octets: bytes


_KEYS: Final[dict[int, Callable[[Any], Any]]] = {
    SortMethod.LARGEST: lambda number: -number,
    SortMethod.SMALLEST: lambda number: number,
    SortMethod.NEAREST_TO_ZERO: abs,
    SortMethod.FARTHEST_FROM_ZERO: lambda number: -abs(number),
}
_AGE = (SortMethod.FIFO, SortMethod.LIFO)


class RowOrder:
    """Rows by age, or by the value of one column (the most interesting first, of equals the older)."""

    def __init__(self, method: int = SortMethod.FIFO, column: int | None = None) -> None:
        self.method = method
        self.column = column

    @staticmethod
    def is_possible(method: int, column: int | None) -> bool:
        """Whether rows can be kept so: what is not by age needs a column."""
        return method in _AGE or (method in _KEYS and column is not None)

    @property
    def by_age(self) -> bool:
        """Whether the oldest rows come first."""
        return self.method == SortMethod.FIFO

    def insert(self, rows: list[Row], row: Row, capacity: int) -> None:
        """Put a row in its place. Of a full buffer the least interesting row goes, which may be this one."""
        if self.method == SortMethod.FIFO:
            rows.append(row)
        elif self.method == SortMethod.LIFO:
            rows.insert(0, row)
        else:
            rows.insert(bisect_right(rows, self._interest(row), key=self._interest), row)
        self.shrink(rows, capacity)

    def shrink(self, rows: list[Row], capacity: int) -> None:
        """Let the least interesting rows go."""
        if self.method == SortMethod.FIFO:
            del rows[: max(0, len(rows) - capacity)]
        else:
            del rows[capacity:]

    def _interest(self, row: Row) -> Any:
        """Return what is the smaller the more interesting a row is. What is no number comes last."""
        assert self.column is not None
        data = axdr.decode(row.cells[self.column])
        value = data.value
        if data.tag is Tag.OCTET_STRING or isinstance(value, bytes):
            # Times and other octets: their order is that of the numbers they are.
            value = int.from_bytes(value[:12], "big")
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return (1, 0)
        return (0, _KEYS[self.method](value))
