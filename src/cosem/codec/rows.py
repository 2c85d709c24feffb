"""Many rows at once: profile buffers to plain rows, to columns, and back.

A buffer is an array (or compact-array) of structures, thousands of one layout. Each run of equal layout is checked and
unpacked as a whole, see `cosem.codec.runs`; what is in no run goes through the general decoder, whose result is the
same. Values are plain: octet-strings and date-times as bytes, null-data as None, structures inside a row as tuples.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby, starmap
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

from cosem.codec.axdr import encode, read_elements
from cosem.codec.compact import read_compact, read_typed
from cosem.codec.data import FORMATS, NULL, Data, Tag
from cosem.codec.primitive import MAX_ELEMENTS, decode_count, encode_length, in_octets
from cosem.codec.runs import LAYOUTS_KEPT, Finder, Layout, learn, learn_typed, plain
from cosem.errors import ConfigError, DecodeError, EncodeError

if TYPE_CHECKING:
    import numpy

Row = tuple[Any, ...]

_NESTED: Final = frozenset((Tag.ARRAY, Tag.STRUCTURE, Tag.COMPACT_ARRAY))


class _Run(NamedTuple):
    """`number` rows from `offset` in `octets` with one layout; or, without a layout, `rows` that were decoded."""

    layout: Layout | None
    octets: bytes
    offset: int
    number: int
    rows: list[Row]

    def plain(self) -> list[Row]:
        return self.rows if self.layout is None else self.layout.rows(self.octets, self.offset, self.number)


# --- decoding ----------------------------------------------------------------------------------------------------


def decode_rows(octets: bytes) -> list[Row]:
    """Return the rows of an array or compact-array of structures, the whole of `octets`. Raises `DecodeError`."""
    runs = _runs(bytes(octets))
    rows = next((run.plain() for run in runs), [])
    for run in runs:
        rows += run.plain()
    return rows


def _runs(octets: bytes) -> Iterator[_Run]:
    end = len(octets)
    if not octets:
        raise DecodeError("a value is missing", 0)
    code = octets[0]
    if code == Tag.COMPACT_ARRAY:
        return _compact_runs(octets, end)
    if code != Tag.ARRAY:
        raise DecodeError("rows are an array or a compact-array", 0)
    return _array_runs(octets, end)


def _array_runs(octets: bytes, end: int) -> Iterator[_Run]:
    count, offset = decode_count(octets, 1, end, 0, "array")
    finder = Finder(learn)
    done = 0
    while done < count:
        layout, number = finder.find(octets, offset, end, count - done)
        if layout is None:
            start = offset
            values, offset = read_elements(octets, offset, end, number, 1, "array", done)
            yield _Run(None, octets, start, number, _structures(values, start, "array", done))
        else:
            yield _Run(layout, octets, offset, number, [])
            offset += number * layout.stride
        done += number
    if offset != end:
        _left_over(end - offset, offset)


def _compact_runs(octets: bytes, end: int) -> Iterator[_Run]:
    (description, contents), after = read_compact(octets, 1, end, 0)
    if after != end:
        _left_over(end - after, after)
    finder = Finder(partial(learn_typed, description))
    offset, size = 0, len(contents)
    while offset < size:
        layout, number = finder.find(contents, offset, size, size)
        if layout is not None:
            yield _Run(layout, contents, offset, number, [])
            offset += number * layout.stride
            continue
        start = offset
        values: list[Data] = []
        while len(values) < number and offset < size:
            value, offset = read_typed(description, contents, offset, size)
            values.append(value)
        yield _Run(None, contents, start, len(values), _structures(values, start, "compact-array", 0))


def _structures(values: list[Data], offset: int, name: str, first: int) -> list[Row]:
    for index, value in enumerate(values):
        if value.tag is not Tag.STRUCTURE:
            raise DecodeError(f"a row is a structure, not {value.tag.label}", offset, (f"{name}[{first + index}]",))
    return [tuple([v if t not in _NESTED else plain(Data(t, v)) for t, v in row]) for _, row in values]


def _left_over(count: int, offset: int) -> NoReturn:
    raise DecodeError(f"{in_octets(count)} left over behind the value", offset)


class Columns(NamedTuple):
    """Rows turned into columns. `columns` are arrays of `length` elements.

    Numbers are arrays of that number; octet-strings of one length and the date and time types are arrays of octets,
    shape (length, octets); booleans are bool. What varies from row to row (null-data beside numbers, texts of any
    length) is an array of objects, the plain values.
    """

    columns: list[numpy.ndarray[Any, Any]]
    length: int


def decode_columns(octets: bytes, native: bool = False, only: Collection[int] | None = None) -> Columns:
    """Return the columns of an array or compact-array of structures, the whole of `octets`.

    Where all rows are laid out alike the columns are views into `octets`: big-endian and read-only. With `native`
    numbers are copied into the byte order of this machine. Where only some columns are wanted an array without elements
    stands for each of the others. Raises `DecodeError`, also where rows have different
    numbers of columns; `ConfigError` without NumPy.
    """
    try:
        import numpy
    except ImportError:
        raise ConfigError("columns need NumPy: install cosem[columns]") from None
    runs = list(_runs(bytes(octets)))
    widths = {len(run.layout.columns) for run in runs if run.layout is not None}
    widths.update(len(row) for run in runs for row in run.rows)
    if len(widths) > 1:
        raise DecodeError(f"rows of {min(widths)} and of {max(widths)} columns", 0)
    width = widths.pop() if widths else 0
    length = sum(run.number for run in runs)
    nothing = numpy.empty(0, numpy.uint8)
    columns = [_column(numpy, runs, index) if only is None or index in only else nothing for index in range(width)]
    if native:
        columns = [c if c.dtype.isnative else c.astype(c.dtype.newbyteorder("=")) for c in columns]
    return Columns(columns, length)


def _column(numpy: Any, runs: list[_Run], index: int) -> Any:
    if len(runs) == 1 and runs[0].layout is not None:
        tag, _, size = runs[0].layout.columns[index]
        if tag in _VIEWS or tag in _OCTETS:
            return _view(numpy, runs[0], index, tag, size)
    kinds = {
        None if run.layout is None else (run.layout.columns[index][0], run.layout.columns[index][2]) for run in runs
    }
    if len(kinds) == 1:
        ((tag, size),) = (kind or (Tag.NULL_DATA, 0) for kind in kinds)
        if tag in _VIEWS or tag in _OCTETS:
            return numpy.concatenate([_view(numpy, run, index, tag, size) for run in runs])
    values = [row[index] for run in runs for row in run.plain()]
    column = numpy.empty(len(values), object)
    column[:] = values
    return column


def _view(numpy: Any, run: _Run, index: int, tag: Tag, size: int) -> Any:
    assert run.layout is not None
    _, at, _ = run.layout.columns[index]
    stride = run.layout.stride
    if tag in _OCTETS:
        return numpy.ndarray((run.number, size), "u1", run.octets, run.offset + at, (stride, 1))
    view = numpy.ndarray((run.number,), _VIEWS[tag], run.octets, run.offset + at, (stride,))
    return view != 0 if tag is Tag.BOOLEAN else view


_OCTETS: Final = frozenset((Tag.OCTET_STRING, Tag.DATE_TIME, Tag.DATE, Tag.TIME))
_VIEWS: Final = {
    tag: {"?": "u1", "b": "i1", "B": "u1", "h": ">i2", "H": ">u2", "i": ">i4", "I": ">u4"}.get(code)
    or {"q": ">i8", "Q": ">u8", "f": ">f4", "d": ">f8"}[code]
    for tag, code in FORMATS.items()
    if tag not in _OCTETS
}


# --- encoding ----------------------------------------------------------------------------------------------------


class Column(NamedTuple):
    """The type of one column. `size` is the number of octets of an octet-string that always has so many."""

    tag: Tag
    size: int | None = None


class RowLayout:
    """The columns of rows that are to be encoded. A column is a `Tag`, or a tag and a size for octet-strings.

    Values are plain, as `decode_rows` returns them; None is null-data in any column, and `Data` may stand for any
    value. Rows that have the types (and sizes) of the layout are encoded at once, others one by one.
    """

    __slots__ = ("_packers", "columns")

    def __init__(self, columns: Iterable[Tag | tuple[Tag, int | None]]) -> None:
        self.columns = tuple(Column(c) if isinstance(c, Tag) else Column(*c) for c in columns)
        self._packers: dict[tuple[bool, ...], _Packer | None] = {}

    def encode(self, rows: Sequence[Sequence[Any]]) -> bytes:
        """Return the octets of `rows` one after the other, without the array around them. Raises `EncodeError`."""
        octets = self._encode_alike((True,) * len(self.columns), rows)
        if octets is not None:
            return octets
        parts: list[bytes] = []
        first = 0
        for present, group in groupby(rows, _present):
            alike = list(group)
            octets = self._encode_alike(present, alike)
            parts += self._encode_each(alike, first) if octets is None else (octets,)
            first += len(alike)
        return b"".join(parts)

    def _encode_alike(self, present: tuple[bool, ...], rows: Sequence[Sequence[Any]]) -> bytes | None:
        """Encode rows that have a value where `present` says so; None if they do not fit together after all."""
        if present not in self._packers:
            if len(present) != len(self.columns) or len(self._packers) >= LAYOUTS_KEPT:
                return None
            self._packers[present] = _packer(self.columns, present)
        packer = self._packers[present]
        return None if packer is None else packer.encode(rows)

    def _encode_each(self, rows: Sequence[Sequence[Any]], first: int) -> Iterator[bytes]:
        for index, row in enumerate(rows, first):
            if len(row) != len(self.columns):
                raise EncodeError(f"a row of {len(row)} values for {len(self.columns)} columns", (f"array[{index}]",))
            try:
                yield encode(Data(Tag.STRUCTURE, tuple(map(_value, self.columns, row))))
            except EncodeError as error:
                raise error.within(f"array[{index}]") from None


class _Packer(NamedTuple):
    """Encodes rows of one layout at once: `pack` makes a row with gaps, then each octet of a gap is set in all rows."""

    pack: Callable[..., bytes]
    stride: int
    constants: tuple[tuple[int, bytes], ...]
    sized: tuple[tuple[int, int], ...]  # octet-strings by place in the row: `struct` would cut or fill them
    booleans: tuple[int, ...]  # by place in the row: `struct` would take anything for one
    absent: bool  # whether there are columns of null-data

    def encode(self, rows: Sequence[Sequence[Any]]) -> bytes | None:
        try:
            for index, size in self.sized:
                if not set(map(len, map(itemgetter(index), rows))) <= {size}:
                    return None
            for index in self.booleans:
                if not set(map(type, map(itemgetter(index), rows))) <= {bool}:
                    return None
            given: Iterable[Sequence[Any]] = rows
            if self.absent:
                given = ([value for value in row if value is not None] for row in rows)
            octets = bytearray(b"".join(starmap(self.pack, given)))
        except (struct.error, OverflowError, TypeError, IndexError):
            return None
        for at, octet in self.constants:
            octets[at :: self.stride] = octet * len(rows)
        return bytes(octets)


def _packer(columns: tuple[Column, ...], present: tuple[bool, ...]) -> _Packer | None:
    """Compile the layout of rows with null-data where not `present`; None if a column varies in size."""
    row = b"\x02" + encode_length(len(columns))
    constants = list(range(len(row)))
    code = [f">{len(row)}x"]
    sized = []
    for index, (tag, size) in enumerate(columns):
        if not present[index]:
            front, value = b"\x00", ""
        elif tag in FORMATS:
            front, value = bytes((tag,)), FORMATS[tag]
        elif tag is Tag.OCTET_STRING and size is not None:
            front, value = bytes((tag,)) + encode_length(size), f"{size}s"
        else:
            return None
        constants += range(len(row), len(row) + len(front))
        row += front + bytes(struct.calcsize(value))
        code.append(f"{len(front)}x{value}")
        if value.endswith("s"):
            sized.append((index, struct.calcsize(value)))
    return _Packer(
        struct.Struct("".join(code)).pack,
        len(row),
        tuple((at, row[at : at + 1]) for at in constants),
        tuple(sized),
        tuple(index for index, (tag, _) in enumerate(columns) if tag is Tag.BOOLEAN and present[index]),
        not all(present),
    )


def _present(row: Sequence[Any]) -> tuple[bool, ...]:
    return tuple([value is not None for value in row])


def _value(column: Column, value: Any) -> Data:
    if isinstance(value, Data):
        return value
    return NULL if value is None else Data(column.tag, value)


def encode_rows(layout: RowLayout | Iterable[Tag | tuple[Tag, int | None]], rows: Sequence[Sequence[Any]]) -> bytes:
    """Return an array of `rows`, whose columns have the types of `layout`. Raises `EncodeError`."""
    if not isinstance(layout, RowLayout):
        layout = RowLayout(layout)
    if len(rows) > MAX_ELEMENTS:
        raise EncodeError(f"array of {len(rows)} elements, more than {MAX_ELEMENTS}")
    return b"\x01" + encode_length(len(rows)) + layout.encode(rows)
