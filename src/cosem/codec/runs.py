"""Runs of rows laid out alike: one row is looked at octet by octet, all others only where they must agree with it.

A `Layout` says where in a row its values stand, and which octets (tags, counts, lengths) are the same in every row of
that layout. How far a run reaches is found by comparing each such octet of all rows at once: a slice with a step.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final, NamedTuple

from cosem.codec.data import FORMATS, Data, Tag, TypeDescription
from cosem.codec.primitive import FIXED, decode_length
from cosem.errors import DecodeError

MAX_COLUMNS: Final = 128
"""Fields of a row that is laid out; wider rows are decoded one by one. Layouts are kept, so they must be small."""

MAX_STRIDE: Final = 1024
"""Octets of a row that is laid out, for the same reason."""

LAYOUTS_KEPT: Final = 64
"""Layouts kept from call to call: compiling one costs as much as unpacking twenty rows."""

_FIRST_WINDOW: Final = 4  # rows compared at first, so that a short run costs little
_GROWTH: Final = 8  # each window is so many times the one before: a failing one costs a constant part of the run
_LAYOUTS_TRIED: Final = 4  # plain, without a time, without a value, and one more
_WORTHWHILE: Final = 4  # rows of a run that pay for learning its layout
_PATIENCE: Final = 8  # short runs one after the other, before rows are decoded one by one
_MOST_DOUBLINGS: Final = 4  # then 4 to 64 rows, until a layout is learnt again


class Field(NamedTuple):
    """One value of a row: its type, and the octets in front of it (tag, length) and of itself."""

    tag: Tag
    front: bytes
    size: int
    length: int  # as it is written: bits of a bit-string, else octets


class Layout:
    """How the rows of a run are laid out. `columns` has tag, offset in the row and size of each value."""

    __slots__ = ("_convert", "_fronts", "_pick", "_unpack", "columns", "constants", "stride")

    def __init__(self, head: bytes, fields: tuple[Field, ...]) -> None:
        constants: list[tuple[int, bytes]] = [(at, head[at : at + 1]) for at in range(len(head))]
        fronts = [(0, head)]
        columns: list[tuple[Tag, int, int]] = []
        code = [f">{len(head)}x"]
        order: list[int] = []
        self._convert: dict[int, Callable[[bytes], Any]] = {}
        offset = len(head)
        for index, (tag, front, size, length) in enumerate(fields):
            constants += ((offset + at, front[at : at + 1]) for at in range(len(front)))
            fronts.append((offset, front))
            offset += len(front)
            columns.append((tag, offset, size))
            offset += size
            if tag in (Tag.NULL_DATA, Tag.DONT_CARE):
                order.append(-1)
                code.append(f"{len(front)}x")
            else:
                order.append(index - order.count(-1))
                code.append(f"{len(front)}x{FORMATS.get(tag) or f'{size}s'}")
            if tag in _TEXT:
                self._convert[index] = _TEXT[tag](length)
        self._fronts = tuple(fronts)
        self.columns = tuple(columns)
        self.constants = tuple(constants)
        self.stride = offset
        self._unpack: Callable[[memoryview], Iterator[tuple[Any, ...]]] = struct.Struct("".join(code)).iter_unpack
        self._pick: Callable[[tuple[Any, ...]], tuple[Any, ...]] | None = None
        if -1 in order:
            self._pick = itemgetter(*order) if len(order) > 1 else _nothing

    def fits(self, octets: bytes, offset: int, end: int) -> bool:
        """Say whether the row at `offset` has this layout."""
        if offset + self.stride > end:
            return False
        for at, front in self._fronts:  # noqa: SIM110 (twice as quick as all())
            if not octets.startswith(front, offset + at):
                return False
        return True

    def run(self, octets: bytes, offset: int, end: int, most: int) -> int:
        """Return how many rows of this layout follow each other from `offset`: at most `most`, at least 1.

        The row at `offset` must be one. The window grows, so that a short run costs no look at all that follows.
        """
        stride = self.stride
        most = min(most, (end - offset) // stride)
        found, window = 1, _FIRST_WINDOW
        while found < most:
            rows = min(window, most - found)
            start = offset + found * stride
            stop = start + rows * stride
            same = rows
            for at, octet in self.constants:
                column = octets[start + at : stop : stride]
                if column != octet * same:
                    same -= len(column.lstrip(octet))
                    if not same:
                        return found
                    stop = start + same * stride
            found += same
            if same < rows:
                break
            window *= _GROWTH
        return found

    def rows(self, octets: bytes, offset: int, number: int) -> list[tuple[Any, ...]]:
        """Return the plain values of `number` rows from `offset`."""
        found = self._unpack(memoryview(octets)[offset : offset + number * self.stride])
        pick, convert = self._pick, self._convert
        if pick is not None:
            found = (pick((*row, None)) for row in found)
        if convert:
            return [tuple([convert[at](v) if at in convert else v for at, v in enumerate(row)]) for row in found]
        return list(found)


def _nothing(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return row


def _bit_text(length: int) -> Callable[[bytes], str]:
    if not length:
        return lambda octets: ""
    return lambda octets: f"{int.from_bytes(octets, 'big'):0{8 * len(octets)}b}"[:length]


_TEXT: Final[dict[Tag, Callable[[int], Callable[[bytes], str]]]] = {
    Tag.VISIBLE_STRING: lambda _: lambda octets: octets.decode("latin-1"),
    Tag.UTF8_STRING: lambda _: lambda octets: octets.decode("utf-8", "surrogateescape"),
    Tag.BIT_STRING: _bit_text,
}

_STRINGS: Final = frozenset((Tag.OCTET_STRING, Tag.VISIBLE_STRING, Tag.UTF8_STRING, Tag.BIT_STRING))
_KEPT: Final = lru_cache(maxsize=LAYOUTS_KEPT)(Layout)


def learn(octets: bytes, offset: int, end: int) -> Layout | None:
    """Return the layout of the structure at `offset`.

    None where it is none, holds others, is too large or is wrong: then the general decoder has to look at it.
    """
    if offset >= end or octets[offset] != Tag.STRUCTURE:
        return None
    try:
        count, at = decode_length(octets, offset + 1, end)
        if count > MAX_COLUMNS:
            return None
        head = octets[offset:at]
        fields = []
        for _ in range(count):
            if at >= end:
                return None
            field = _field(octets, at, octets[at], end, 1)
            if field is None:
                return None
            fields.append(field)
            at += len(field.front) + field.size
    except DecodeError:
        return None
    return _KEPT(head, tuple(fields)) if at <= end and at - offset <= MAX_STRIDE else None


def learn_typed(description: TypeDescription, octets: bytes, offset: int, end: int) -> Layout | None:
    """Return the layout of the row at `offset` in the contents of a compact-array, as `learn` does."""
    if description.tag is not Tag.STRUCTURE or len(description.elements) > MAX_COLUMNS:
        return None
    fields = []
    at = offset
    try:
        for element in description.elements:
            field = _field(octets, at, element.tag, end, 0)
            if field is None:
                return None
            fields.append(field)
            at += len(field.front) + field.size
    except DecodeError:
        return None
    return _KEPT(b"", tuple(fields)) if offset < at <= end and at - offset <= MAX_STRIDE else None


class Finder:
    """Finds run after run. `learn` returns the layout of the row at an offset, or None where it must be decoded alone.

    The layouts of late are tried before a new one is learnt. Where every row differs from those before, layouts are
    learnt less and less often, so that looking for them costs little more than decoding.
    """

    __slots__ = ("_late", "_learn", "_misses")

    def __init__(self, learn: Callable[[bytes, int, int], Layout | None]) -> None:
        self._learn = learn
        self._late: list[Layout] = []
        self._misses = 0

    def find(self, octets: bytes, offset: int, end: int, most: int) -> tuple[Layout | None, int]:
        """Return the layout of the rows from `offset` and how many have it; or None and how many to decode one by one.

        Never more than `most` rows.
        """
        for layout in self._late:
            if layout.fits(octets, offset, end):
                return layout, layout.run(octets, offset, end, most)
        learnt = self._learn(octets, offset, end)
        if learnt is not None:
            number = learnt.run(octets, offset, end, most)
            self._misses = 0 if number >= _WORTHWHILE else self._misses + 1
            if self._misses < _PATIENCE or number == most:
                self._late = [learnt, *self._late[: _LAYOUTS_TRIED - 1]]
                return learnt, number
        else:
            self._misses += 1
        return None, min(most, _WORTHWHILE << min(max(self._misses - _PATIENCE, 0), _MOST_DOUBLINGS))


def _field(octets: bytes, at: int, code: int, end: int, tagged: int) -> Field | None:
    """Look at one value, which starts with its tag where `tagged` is 1. It may reach behind `end`."""
    row = FIXED[code]
    if row is not None:
        return Field(row[0], octets[at : at + tagged], row[1], row[1])
    if code == Tag.NULL_DATA or code == Tag.DONT_CARE:
        return Field(Tag(code), octets[at : at + tagged], 0, 0)
    if code not in _STRINGS:
        return None
    length, start = decode_length(octets, at + tagged, end)
    return Field(Tag(code), octets[at:start], (length + 7) // 8 if code == Tag.BIT_STRING else length, length)


def plain(data: Data) -> Any:
    """Return `data` as the plain values that rows are made of: arrays and structures as tuples."""
    tag, value = data
    if tag is Tag.ARRAY or tag is Tag.STRUCTURE:
        return tuple([plain(item) for item in value])
    if tag is Tag.COMPACT_ARRAY:
        return tuple([plain(item) for item in value.values])
    return value
