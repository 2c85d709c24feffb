"""A-XDR: COSEM values and their octets (IEC 61334-6; the type `Data` of Green Book 9.5).

`Data` is a tag and a plain Python value, see `Tag`. Decoding is total: any octets give a value or a `DecodeError`. One
loop reads everything; numbers and moments of fixed size come from a table by tag.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cosem.codec.compact import encode_compact, encode_contents, read_compact
from cosem.codec.data import (
    DONT_CARE,
    FORMATS,
    NULL,
    TAGS_BY_LABEL,
    CompactArray,
    Data,
    Tag,
    TypeDescription,
    array,
    bcd,
    bit_string,
    boolean,
    compact_array,
    date,
    date_time,
    delta_double_long,
    delta_double_long_unsigned,
    delta_integer,
    delta_long,
    delta_long_unsigned,
    delta_unsigned,
    dont_care,
    double_long,
    double_long_unsigned,
    enum,
    float32,
    float64,
    integer,
    long,
    long64,
    long64_unsigned,
    long_unsigned,
    null,
    octet_string,
    structure,
    time,
    unsigned,
    utf8_string,
    visible_string,
)
from cosem.codec.primitive import (
    FIXED,
    MAX_DEPTH,
    MAX_ELEMENTS,
    MAX_LENGTH_OCTETS,
    SIZES,
    decode_bits,
    decode_count,
    decode_length,
    decode_octets,
    encode_length,
    encode_octets,
    encode_simple,
    in_octets,
    refuse_short,
    refuse_tag,
    refuse_value,
    string_data,
)
from cosem.codec.runs import Finder, learn
from cosem.errors import DecodeError, EncodeError

__all__ = [
    "DONT_CARE",
    "FORMATS",
    "MAX_DEPTH",
    "MAX_ELEMENTS",
    "MAX_LENGTH_OCTETS",
    "NULL",
    "TAGS_BY_LABEL",
    "CompactArray",
    "Data",
    "Tag",
    "TypeDescription",
    "array",
    "bcd",
    "bit_string",
    "boolean",
    "compact_array",
    "date",
    "date_time",
    "decode",
    "decode_from",
    "decode_length",
    "decode_octets",
    "delta_double_long",
    "delta_double_long_unsigned",
    "delta_integer",
    "delta_long",
    "delta_long_unsigned",
    "delta_unsigned",
    "dont_care",
    "double_long",
    "double_long_unsigned",
    "encode",
    "encode_contents",
    "encode_length",
    "encode_octets",
    "enum",
    "float32",
    "float64",
    "integer",
    "long",
    "long64",
    "long64_unsigned",
    "long_unsigned",
    "null",
    "octet_string",
    "skip",
    "structure",
    "time",
    "unsigned",
    "utf8_string",
    "visible_string",
]

_MANY = 8  # structures in an array, from which on looking for a run pays


def decode(octets: bytes) -> Data:
    """Return the one value that `octets` are. Raises `DecodeError`, also for octets behind the value."""
    octets = bytes(octets)
    values, offset = read_elements(octets, 0, len(octets), 1, 0, "")
    if offset != len(octets):
        raise DecodeError(f"{in_octets(len(octets) - offset)} left over behind the value", offset)
    return values[0]


def decode_from(octets: bytes, offset: int, end: int | None = None) -> tuple[Data, int]:
    """Return the value at `offset` and the offset behind it; nothing from `end` on is read. Raises `DecodeError`."""
    octets = bytes(octets)
    values, offset = read_elements(octets, offset, _limit(octets, end), 1, 0, "")
    return values[0], offset


def skip(octets: bytes, offset: int, end: int | None = None) -> int:
    """Check the value at `offset` as `decode_from` does, without building it; return the offset behind it."""
    octets = bytes(octets)
    return _skip(octets, offset, _limit(octets, end), 1, 0, "")


def _limit(octets: bytes, end: int | None) -> int:
    return len(octets) if end is None else min(end, len(octets))


def read_elements(
    octets: bytes, offset: int, end: int, count: int, depth: int, name: str, first: int = 0
) -> tuple[list[Data], int]:
    """Return `count` values from `offset`, and the offset behind them; `depth` arrays and structures are around them.

    `name` is what they stand in ("" at the top) and `first` the index of the first: for the path of an error.
    """
    values: list[Data] = []
    append = values.append
    new = tuple.__new__
    table = FIXED
    try:
        for _ in range(count):
            if offset >= end:
                raise DecodeError("a value is missing", offset)
            code = octets[offset]
            row = table[code]
            start = offset + 1
            if row is not None:
                tag, size, unpack = row
                if start + size > end:
                    refuse_short(tag.label, offset, end - start)
                append(new(Data, (tag, unpack(octets, start)[0])))
                offset = start + size
            elif code == 9 or code == 10 or code == 12:
                content, start = decode_octets(octets, start, end)
                append(string_data(code, content))
                offset = start
            elif code == 0:
                append(NULL)
                offset = start
            elif code == 1 or code == 2:
                tag = Tag.ARRAY if code == 1 else Tag.STRUCTURE
                number, start = decode_count(octets, start, end, depth, tag.label)
                items, offset = read_elements(octets, start, end, number, depth + 1, tag.label)
                append(new(Data, (tag, tuple(items))))
            elif code == 4:
                bits, offset = decode_bits(octets, start, end)
                append(new(Data, (Tag.BIT_STRING, bits)))
            elif code == 19:
                compact, offset = read_compact(octets, start, end, depth)
                append(new(Data, (Tag.COMPACT_ARRAY, compact)))
            elif code == 255:
                append(DONT_CARE)
                offset = start
            else:
                refuse_tag(code, offset)
    except DecodeError as error:
        if name:
            raise error.within(f"{name}[{first + len(values)}]") from None
        raise
    return values, offset


def _skip(octets: bytes, offset: int, end: int, count: int, depth: int, name: str, first: int = 0) -> int:
    """Walk over `count` values as `read_elements` does."""
    index = 0
    sizes = SIZES
    try:
        for index in range(count):  # noqa: B007
            if offset >= end:
                raise DecodeError("a value is missing", offset)
            code = octets[offset]
            size = sizes[code]
            if size:
                if offset + size > end:
                    refuse_short(Tag(code).label, offset, end - offset - 1)
                offset += size
            elif code == 9 or code == 10 or code == 12:
                length, start = decode_length(octets, offset + 1, end)
                if start + length > end:
                    refuse_short(in_octets(length), offset + 1, end - start)
                offset = start + length
            elif code == 1 or code == 2:
                tag = Tag(code)
                number, start = decode_count(octets, offset + 1, end, depth, tag.label)
                if number >= _MANY and code == 1 and octets[start] == 2:
                    offset = _skip_rows(octets, start, end, number, depth + 1)
                else:
                    offset = _skip(octets, start, end, number, depth + 1, tag.label)
            elif code == 4:
                length, start = decode_length(octets, offset + 1, end)
                after = start + (length + 7) // 8
                if after > end:
                    refuse_short(f"bit-string of {length} bits", offset + 1, end - start)
                offset = after
            elif code == 19:
                _, offset = read_compact(octets, offset + 1, end, depth)
            else:
                refuse_tag(code, offset)
    except DecodeError as error:
        if name:
            raise error.within(f"{name}[{first + index}]") from None
        raise
    return offset


def _skip_rows(octets: bytes, offset: int, end: int, count: int, depth: int) -> int:
    """Walk over the elements of an array as `_skip` does, but over runs of equal layout at once."""
    finder = Finder(learn)
    index = 0
    while index < count:
        layout, number = finder.find(octets, offset, end, count - index)
        if layout is None:
            offset = _skip(octets, offset, end, number, depth, "array", index)
        else:
            offset += number * layout.stride
        index += number
    return offset


# --- encoding ----------------------------------------------------------------------------------------------------


def encode(data: Data) -> bytes:
    """Return the octets of `data`, every length in its shortest form. Raises `EncodeError`."""
    tag, value = data
    if tag != 1 and tag != 2 and tag != 19:
        return encode_simple(tag, value)
    parts: list[bytes] = []
    _encode(data, parts.append, 0)
    return b"".join(parts)


def _encode(data: Data, append: Callable[[bytes], None], depth: int) -> None:
    tag, value = data
    if tag == 1 or tag == 2:
        _encode_elements(Tag(tag), value, append, depth)
    elif tag == 19:
        if not isinstance(value, CompactArray):
            refuse_value(tag, value)
        append(b"\x13")
        encode_compact(value, append, depth)
    else:
        append(encode_simple(tag, value))


def _encode_elements(tag: Tag, items: Any, append: Callable[[bytes], None], depth: int) -> None:
    if not isinstance(items, (tuple, list)):
        refuse_value(tag, items)
    if depth >= MAX_DEPTH:
        raise EncodeError(f"more than {MAX_DEPTH} arrays and structures inside each other")
    if len(items) > MAX_ELEMENTS:
        raise EncodeError(f"{tag.label} of {len(items)} elements, more than {MAX_ELEMENTS}")
    append(bytes((tag,)) + encode_length(len(items)))
    index = 0
    try:
        for index, item in enumerate(items):  # noqa: B007
            if not isinstance(item, Data):
                raise EncodeError(f"a {type(item).__name__} is no Data")
            _encode(item, append, depth + 1)
    except EncodeError as error:
        raise error.within(f"{tag.label}[{index}]") from None
