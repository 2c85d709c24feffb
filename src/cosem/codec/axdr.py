"""A-XDR: COSEM values and their octets (IEC 61334-6; the type `Data` of Green Book 9.5).

`Data` is a tag and a plain Python value, see `Tag` and `Data`. Decoding is total: any octets give a value or a
`DecodeError`. One loop reads everything; numbers and moments of fixed size come from a 256-entry table.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from enum import IntEnum
from typing import Any, Final, NamedTuple, NoReturn

from cosem.errors import DecodeError, EncodeError

MAX_DEPTH: Final = 64
"""Structures and arrays inside each other. The deepest attribute of the Blue Book needs less than ten; 64 nested
calls are far from the interpreter's own recursion limit."""

MAX_ELEMENTS: Final = 1 << 22
"""Elements of one array, and elements a compact-array may expand to: seven years of a value a minute. Every other
element costs its sender an octet at least, but elements of no width in a compact-array cost none."""

MAX_LENGTH_OCTETS: Final = 4
"""Octets behind the first one of a length: no APDU or value reaches 4 GiB."""


class Tag(IntEnum):
    """The types of `Data` by tag. Beside each: what the value is in Python."""

    label: str

    def __new__(cls, code: int) -> Tag:  # noqa: D102
        member = int.__new__(cls, code)
        member._value_ = code
        return member

    NULL_DATA = 0  # None
    ARRAY = 1  # tuple of Data
    STRUCTURE = 2  # tuple of Data
    BOOLEAN = 3  # bool; on receipt any octet but 0 is True
    BIT_STRING = 4  # str of 0 and 1, leftmost bit first
    DOUBLE_LONG = 5  # int, 32 bits
    DOUBLE_LONG_UNSIGNED = 6  # int
    OCTET_STRING = 9  # bytes
    VISIBLE_STRING = 10  # str; octet by octet (Latin-1), so that nothing a meter sends is lost
    UTF8_STRING = 12  # str; octets that are no UTF-8 as surrogate escapes
    BCD = 13  # int, 8 bits signed
    INTEGER = 15  # int, 8 bits
    LONG = 16  # int, 16 bits
    UNSIGNED = 17  # int
    LONG_UNSIGNED = 18  # int
    COMPACT_ARRAY = 19  # CompactArray
    LONG64 = 20  # int
    LONG64_UNSIGNED = 21  # int
    ENUM = 22  # int, 0 to 255
    FLOAT32 = 23  # float
    FLOAT64 = 24  # float
    DATE_TIME = 25  # 12 octets, see cosem.times
    DATE = 26  # 5 octets
    TIME = 27  # 4 octets
    DELTA_INTEGER = 28  # int, as the type without delta
    DELTA_LONG = 29
    DELTA_DOUBLE_LONG = 30
    DELTA_UNSIGNED = 31
    DELTA_LONG_UNSIGNED = 32
    DELTA_DOUBLE_LONG_UNSIGNED = 33
    DONT_CARE = 255  # None


for _tag in Tag:
    _tag.label = _tag.name.lower().replace("_", "-")
del _tag

TAGS_BY_LABEL: Final[dict[str, Tag]] = {tag.label: tag for tag in Tag}


class Data(NamedTuple):
    """One COSEM value: its type and the Python value that `Tag` lists beside it."""

    tag: Tag
    value: Any


class TypeDescription(NamedTuple):
    """TypeDescription of a compact-array. `elements` of a structure; of an array its one type, `number` times."""

    tag: Tag
    elements: tuple[TypeDescription, ...] = ()
    number: int = 0


class CompactArray(NamedTuple):
    """A compact-array: one type for all elements, and their contents one after the other, without tags."""

    type: TypeDescription
    contents: bytes

    @property
    def values(self) -> tuple[Data, ...]:
        """The elements. They are made anew at each use; contents that do not fit the type raise `DecodeError`."""
        return _expand(self.type, self.contents)


_new: Final = tuple.__new__
_NULL: Final = Data(Tag.NULL_DATA, None)
_DONT_CARE: Final = Data(Tag.DONT_CARE, None)

# --- tables ------------------------------------------------------------------------------------------------------

FORMATS: Final[dict[Tag, str]] = {
    Tag.BOOLEAN: "?",
    Tag.DOUBLE_LONG: "i",
    Tag.DOUBLE_LONG_UNSIGNED: "I",
    Tag.BCD: "b",
    Tag.INTEGER: "b",
    Tag.LONG: "h",
    Tag.UNSIGNED: "B",
    Tag.LONG_UNSIGNED: "H",
    Tag.LONG64: "q",
    Tag.LONG64_UNSIGNED: "Q",
    Tag.ENUM: "B",
    Tag.FLOAT32: "f",
    Tag.FLOAT64: "d",
    Tag.DATE_TIME: "12s",
    Tag.DATE: "5s",
    Tag.TIME: "4s",
    Tag.DELTA_INTEGER: "b",
    Tag.DELTA_LONG: "h",
    Tag.DELTA_DOUBLE_LONG: "i",
    Tag.DELTA_UNSIGNED: "B",
    Tag.DELTA_LONG_UNSIGNED: "H",
    Tag.DELTA_DOUBLE_LONG_UNSIGNED: "I",
}
"""The `struct` code of every type of fixed size, without its tag."""

_Unpack = Callable[[bytes, int], tuple[Any, ...]]


def _fixed_table() -> tuple[tuple[Tag, int, _Unpack] | None, ...]:
    table: list[tuple[Tag, int, _Unpack] | None] = [None] * 256
    for tag, code in FORMATS.items():
        compiled = struct.Struct(">" + code)
        table[tag] = (tag, compiled.size, compiled.unpack_from)
    return tuple(table)


_FIXED: Final = _fixed_table()
_SIZES: Final = tuple(1 + row[1] if row else 1 if code in (0, 255) else 0 for code, row in enumerate(_FIXED))
_PACK: Final = {tag: struct.Struct(">B" + code).pack for tag, code in FORMATS.items()}
_MOMENTS: Final = {Tag.DATE_TIME: 12, Tag.DATE: 5, Tag.TIME: 4}
_RANGES: Final = {
    code: (0, (1 << 8 * size) - 1) if code.isupper() else (-(1 << 8 * size - 1), (1 << 8 * size - 1) - 1)
    for code, size in {"b": 1, "B": 1, "h": 2, "H": 2, "i": 4, "I": 4, "q": 8, "Q": 8}.items()
}


# --- lengths -----------------------------------------------------------------------------------------------------


def decode_length(octets: bytes, offset: int, end: int) -> tuple[int, int]:
    """Return a length or count, and the offset behind it. Every definite form is read, also longer than needed.

    Whether what the length counts is there is left to the caller. Raises `DecodeError` (IEC 61334-6, 6.2).
    """
    if offset >= end:
        raise DecodeError("a length is missing", offset)
    first = octets[offset]
    if first < 0x80:
        return first, offset + 1
    after = offset + 1 + (first & 0x7F)
    if first == 0x80:
        raise DecodeError("an indefinite length is not A-XDR", offset)
    if first > 0x80 + MAX_LENGTH_OCTETS:
        raise DecodeError(f"a length of {first & 0x7F} octets", offset)
    if after > end:
        raise DecodeError("a length is cut short", offset)
    return int.from_bytes(octets[offset + 1 : after], "big"), after


def encode_length(length: int) -> bytes:
    """Return the shortest form of `length`, 0 to 2**32 - 1."""
    if 0 <= length < 0x80:
        return length.to_bytes(1, "big")
    size = (length.bit_length() + 7) // 8
    if length < 0 or size > MAX_LENGTH_OCTETS:
        raise EncodeError(f"a length of {length}")
    return bytes((0x80 | size,)) + length.to_bytes(size, "big")


def decode_octets(octets: bytes, offset: int, end: int) -> tuple[bytes, int]:
    """Return an octet-string without tag (length and content), and the offset behind it."""
    length, start = decode_length(octets, offset, end)
    after = start + length
    if after > end:
        _short(f"{length} octets", offset, end - start)
    return octets[start:after], after


def encode_octets(octets: bytes) -> bytes:
    """Return `octets` behind their length: an octet-string without tag."""
    return encode_length(len(octets)) + octets


# --- decoding ----------------------------------------------------------------------------------------------------


def decode(octets: bytes) -> Data:
    """Return the one value that `octets` are. Raises `DecodeError`, also for octets behind the value."""
    octets = bytes(octets)
    values, offset = _elements(octets, 0, len(octets), 1, 0, "")
    if offset != len(octets):
        raise DecodeError(f"{_octets(len(octets) - offset)} left over behind the value", offset)
    return values[0]


def decode_from(octets: bytes, offset: int, end: int | None = None) -> tuple[Data, int]:
    """Return the value at `offset` and the offset behind it; nothing from `end` on is read. Raises `DecodeError`."""
    octets = bytes(octets)
    values, offset = _elements(octets, offset, _limit(octets, end), 1, 0, "")
    return values[0], offset


def skip(octets: bytes, offset: int, end: int | None = None) -> int:
    """Check the value at `offset` as `decode_from` does, without building it; return the offset behind it."""
    octets = bytes(octets)
    return _skip(octets, offset, _limit(octets, end), 1, 0, "")


def _limit(octets: bytes, end: int | None) -> int:
    return len(octets) if end is None else min(end, len(octets))


def _octets(count: int) -> str:
    return "1 octet" if count == 1 else f"{count} octets"


def _short(what: str, offset: int, left: int) -> NoReturn:
    raise DecodeError(f"{what}, but only {_octets(max(left, 0))} left", offset)


def _refuse(code: int, offset: int) -> NoReturn:
    raise DecodeError(f"{code} ({code:02X}) is not the tag of a type", offset)


def _count(octets: bytes, offset: int, end: int, depth: int, name: str) -> tuple[int, int]:
    """Read how many elements follow the tag at `offset - 1`; each needs an octet, so more cannot be."""
    count, after = decode_length(octets, offset, end)
    if depth >= MAX_DEPTH:
        raise DecodeError(f"more than {MAX_DEPTH} arrays and structures inside each other", offset - 1)
    if count > end - after:
        _short(f"{name} of {count} elements", offset - 1, end - after)
    if count > MAX_ELEMENTS:
        raise DecodeError(f"{name} of {count} elements, more than {MAX_ELEMENTS}", offset - 1)
    return count, after


def _elements(octets: bytes, offset: int, end: int, count: int, depth: int, name: str) -> tuple[list[Data], int]:
    """Decode `count` values. `name` is what they stand in, for the path of an error; "" at the top."""
    values: list[Data] = []
    append = values.append
    new = _new
    table = _FIXED
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
                    _short(tag.label, offset, end - start)
                append(new(Data, (tag, unpack(octets, start)[0])))
                offset = start + size
            elif code == 9 or code == 10 or code == 12:
                content, start = decode_octets(octets, start, end)
                append(_string(code, content))
                offset = start
            elif code == 0:
                append(_NULL)
                offset = start
            elif code == 1 or code == 2:
                tag = Tag.ARRAY if code == 1 else Tag.STRUCTURE
                number, start = _count(octets, start, end, depth, tag.label)
                items, offset = _elements(octets, start, end, number, depth + 1, tag.label)
                append(new(Data, (tag, tuple(items))))
            elif code == 4:
                bits, offset = _bits(octets, start, end)
                append(new(Data, (Tag.BIT_STRING, bits)))
            elif code == 19:
                compact, offset = _compact(octets, start, end, depth)
                append(new(Data, (Tag.COMPACT_ARRAY, compact)))
            elif code == 255:
                append(_DONT_CARE)
                offset = start
            else:
                _refuse(code, offset)
    except DecodeError as error:
        if name:
            raise error.within(f"{name}[{len(values)}]") from None
        raise
    return values, offset


def _string(code: int, content: bytes) -> Data:
    if code == 9:
        return _new(Data, (Tag.OCTET_STRING, content))
    if code == 10:
        return _new(Data, (Tag.VISIBLE_STRING, content.decode("latin-1")))
    return _new(Data, (Tag.UTF8_STRING, content.decode("utf-8", "surrogateescape")))


def _bits(octets: bytes, offset: int, end: int) -> tuple[str, int]:
    """Read a bit-string without tag: the length counts bits; the bits that fill the last octet mean nothing."""
    length, start = decode_length(octets, offset, end)
    size = (length + 7) // 8
    after = start + size
    if after > end:
        _short(f"bit-string of {length} bits", offset, end - start)
    if not length:
        return "", after
    return f"{int.from_bytes(octets[start:after], 'big'):0{8 * size}b}"[:length], after


def _skip(octets: bytes, offset: int, end: int, count: int, depth: int, name: str) -> int:
    """Walk over `count` values as `_elements` does."""
    index = 0
    sizes = _SIZES
    try:
        for index in range(count):  # noqa: B007
            if offset >= end:
                raise DecodeError("a value is missing", offset)
            code = octets[offset]
            size = sizes[code]
            if size:
                if offset + size > end:
                    _short(Tag(code).label, offset, end - offset - 1)
                offset += size
            elif code == 9 or code == 10 or code == 12:
                length, start = decode_length(octets, offset + 1, end)
                if start + length > end:
                    _short(_octets(length), offset + 1, end - start)
                offset = start + length
            elif code == 1 or code == 2:
                tag = Tag(code)
                number, start = _count(octets, offset + 1, end, depth, tag.label)
                offset = _skip(octets, start, end, number, depth + 1, tag.label)
            elif code == 4:
                length, start = decode_length(octets, offset + 1, end)
                after = start + (length + 7) // 8
                if after > end:
                    _short(f"bit-string of {length} bits", offset + 1, end - start)
                offset = after
            elif code == 19:
                _, offset = _compact(octets, offset + 1, end, depth)
            else:
                _refuse(code, offset)
    except DecodeError as error:
        if name:
            raise error.within(f"{name}[{index}]") from None
        raise
    return offset


# --- compact-array -----------------------------------------------------------------------------------------------


def _compact(octets: bytes, offset: int, end: int, depth: int) -> tuple[CompactArray, int]:
    """Read a compact-array without tag, and check that its contents fit its type."""
    try:
        description, start = _description(octets, offset, end, depth)
        contents, after = decode_octets(octets, start, end)
        try:
            _check(description, contents)
        except DecodeError as error:
            raise error.within("contents", after - len(contents)) from None
    except DecodeError as error:
        raise error.within("compact-array") from None
    return CompactArray(description, contents), after


def _description(octets: bytes, offset: int, end: int, depth: int) -> tuple[TypeDescription, int]:
    if offset >= end:
        raise DecodeError("a type description is missing", offset)
    code = octets[offset]
    if code == Tag.ARRAY:
        if depth >= MAX_DEPTH:
            raise DecodeError(f"more than {MAX_DEPTH} arrays and structures inside each other", offset)
        if offset + 3 > end:
            _short("the number of elements of an array", offset + 1, end - offset - 1)
        element, after = _description(octets, offset + 3, end, depth + 1)
        return TypeDescription(Tag.ARRAY, (element,), int.from_bytes(octets[offset + 1 : offset + 3], "big")), after
    if code == Tag.STRUCTURE:
        count, after = _count(octets, offset + 1, end, depth, "structure")
        elements = []
        for _ in range(count):
            element, after = _description(octets, after, end, depth + 1)
            elements.append(element)
        return TypeDescription(Tag.STRUCTURE, tuple(elements)), after
    if code == Tag.COMPACT_ARRAY:
        raise DecodeError("a compact-array inside a compact-array", offset)
    if code not in _SIMPLE:
        _refuse(code, offset)
    return _SIMPLE[code], offset + 1


_SIMPLE: Final[dict[int, TypeDescription]] = {
    tag: TypeDescription(tag) for tag in Tag if tag not in (Tag.ARRAY, Tag.STRUCTURE, Tag.COMPACT_ARRAY)
}


class _Shape(NamedTuple):
    """What can be told of one element of a compact-array before its contents are looked at."""

    width: int | None  # octets it takes, where that is fixed
    elements: int  # values it holds, itself included


def _shape(description: TypeDescription) -> _Shape:
    tag = description.tag
    if tag is Tag.ARRAY:
        width, elements = _shape(description.elements[0])
        count = description.number
        return _Shape(0 if not count else None if width is None else width * count, elements * count + 1)
    if tag is Tag.STRUCTURE:
        shapes = [_shape(element) for element in description.elements]
        fixed = [width for width, _ in shapes if width is not None]
        return _Shape(sum(fixed) if len(fixed) == len(shapes) else None, sum(item.elements for item in shapes) + 1)
    row = _FIXED[tag]
    return _Shape(row[1] if row else 0 if tag in (Tag.NULL_DATA, Tag.DONT_CARE) else None, 1)


def _too_many(elements: int) -> NoReturn:
    raise DecodeError(f"it expands to {elements} values or more, above {MAX_ELEMENTS}", 0)


def _check(description: TypeDescription, contents: bytes) -> None:
    """Raise `DecodeError` where `contents` are no whole number of elements, or stand for too many."""
    if not contents:
        return
    shape = _shape(description)
    size = len(contents)
    if shape.elements > MAX_ELEMENTS:
        _too_many(shape.elements)
    if shape.width is None:
        offset = rows = 0
        while offset < size:
            offset = _skip_typed(description, contents, offset, size)
            rows += 1
            if rows * shape.elements > MAX_ELEMENTS:
                _too_many(rows * shape.elements)
        return
    if shape.width == 0:
        raise DecodeError(f"{_octets(size)} for elements that take none", 0)
    rows, left = divmod(size, shape.width)
    if left:
        raise DecodeError(f"{_octets(size)} are no whole number of elements of {_octets(shape.width)}", size - left)
    if rows * shape.elements > MAX_ELEMENTS:
        _too_many(rows * shape.elements)


def _skip_typed(description: TypeDescription, octets: bytes, offset: int, end: int) -> int:
    tag = description.tag
    if tag is Tag.STRUCTURE:
        for element in description.elements:
            offset = _skip_typed(element, octets, offset, end)
        return offset
    if tag is Tag.ARRAY:
        element = description.elements[0]
        for _ in range(description.number):
            offset = _skip_typed(element, octets, offset, end)
        return offset
    row = _FIXED[tag]
    if row is not None:
        if offset + row[1] > end:
            _short(tag.label, offset, end - offset)
        return offset + row[1]
    if tag is Tag.NULL_DATA or tag is Tag.DONT_CARE:
        return offset
    length, start = decode_length(octets, offset, end)
    after = start + ((length + 7) // 8 if tag is Tag.BIT_STRING else length)
    if after > end:
        _short(tag.label, offset, end - start)
    return after


def _expand(description: TypeDescription, contents: bytes) -> tuple[Data, ...]:
    _check(description, contents)
    values = []
    offset, end = 0, len(contents)
    while offset < end:
        value, offset = _typed(description, contents, offset, end)
        values.append(value)
    return tuple(values)


def _typed(description: TypeDescription, octets: bytes, offset: int, end: int) -> tuple[Data, int]:
    """Decode a value whose type is known from elsewhere. What `_check` has seen is not checked again."""
    tag = description.tag
    row = _FIXED[tag]
    if row is not None:
        return _new(Data, (tag, row[2](octets, offset)[0])), offset + row[1]
    if tag is Tag.STRUCTURE or tag is Tag.ARRAY:
        items = []
        for element in description.elements * (description.number if tag is Tag.ARRAY else 1):
            item, offset = _typed(element, octets, offset, end)
            items.append(item)
        return Data(tag, tuple(items)), offset
    if tag is Tag.NULL_DATA:
        return _NULL, offset
    if tag is Tag.DONT_CARE:
        return _DONT_CARE, offset
    if tag is Tag.BIT_STRING:
        bits, offset = _bits(octets, offset, end)
        return Data(tag, bits), offset
    content, offset = decode_octets(octets, offset, end)
    return _string(tag, content), offset


# --- encoding ----------------------------------------------------------------------------------------------------


def encode(data: Data) -> bytes:
    """Return the octets of `data`, every length in its shortest form. Raises `EncodeError`."""
    parts: list[bytes] = []
    _encode(data, parts.append, 0)
    return b"".join(parts)


def _encode(data: Data, append: Callable[[bytes], None], depth: int) -> None:
    tag, value = data
    pack = _PACK.get(tag)
    if pack is not None:
        try:
            append(pack(tag, value))
        except (struct.error, OverflowError, TypeError):
            _no_encoding(tag, value)
        if tag in _MOMENTS and len(value) != _MOMENTS[tag]:
            raise EncodeError(f"a {tag.label} has {_MOMENTS[tag]} octets, not {len(value)}")
    elif tag == 1 or tag == 2:
        _encode_elements(Tag(tag), value, append, depth)
    elif tag == 9 or tag == 10 or tag == 12 or tag == 4:
        append(bytes((tag,)))
        append(_encode_string(tag, value))
    elif tag == 0 or tag == 255:
        if value is not None:
            _no_encoding(tag, value)
        append(bytes((tag,)))
    elif tag == 19:
        if not isinstance(value, CompactArray):
            _no_encoding(tag, value)
        append(b"\x13")
        _encode_compact(value, append, depth)
    else:
        raise EncodeError(f"{tag} is not the tag of a type")


def _no_encoding(tag: Tag, value: object) -> NoReturn:
    code = FORMATS.get(tag, "")
    if code in _RANGES and isinstance(value, int):
        low, high = _RANGES[code]
        raise EncodeError(f"{value} is not in the range of {tag.label}, {low} to {high}")
    raise EncodeError(f"a {type(value).__name__} is no {tag.label}")


def _encode_elements(tag: Tag, items: Any, append: Callable[[bytes], None], depth: int) -> None:
    if not isinstance(items, (tuple, list)):
        _no_encoding(tag, items)
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


def _encode_string(tag: Tag, value: Any) -> bytes:
    """Return length and content of one of the string types."""
    try:
        if tag == 9:
            if isinstance(value, (bytes, bytearray, memoryview)):
                return encode_octets(bytes(value))
        elif isinstance(value, str):
            if tag == 10:
                return encode_octets(value.encode("latin-1"))
            if tag == 12:
                return encode_octets(value.encode("utf-8", "surrogateescape"))
            if not value.strip("01"):
                size = (len(value) + 7) // 8
                return encode_length(len(value)) + (int(value, 2) << -len(value) % 8 if value else 0).to_bytes(
                    size, "big"
                )
            raise EncodeError("a bit-string is written with 0 and 1")
    except UnicodeEncodeError as error:
        raise EncodeError(f"character {error.start} of the text is not in a {Tag(tag).label}") from None
    _no_encoding(Tag(tag), value)


def _encode_compact(value: CompactArray, append: Callable[[bytes], None], depth: int) -> None:
    if not isinstance(value.contents, bytes):
        raise EncodeError(f"a {type(value.contents).__name__} is no contents of a compact-array")
    _encode_description(value.type, append, depth)
    try:
        _check(value.type, value.contents)
    except DecodeError as error:
        raise EncodeError(str(error), ("compact-array", "contents")) from None
    append(encode_octets(value.contents))


def _encode_description(description: TypeDescription, append: Callable[[bytes], None], depth: int) -> None:
    tag = description.tag
    if tag in (Tag.ARRAY, Tag.STRUCTURE) and depth >= MAX_DEPTH:
        raise EncodeError(f"more than {MAX_DEPTH} arrays and structures inside each other")
    if tag == Tag.ARRAY:
        if len(description.elements) != 1 or not 0 <= description.number <= 0xFFFF:
            raise EncodeError("an array of a compact-array has one type of element and 0 to 65535 of them")
        append(b"\x01" + description.number.to_bytes(2, "big"))
        _encode_description(description.elements[0], append, depth + 1)
    elif tag == Tag.STRUCTURE:
        append(b"\x02" + encode_length(len(description.elements)))
        for element in description.elements:
            _encode_description(element, append, depth + 1)
    elif tag in _SIMPLE:
        append(bytes((tag,)))
    else:
        raise EncodeError("a compact-array inside a compact-array" if tag == Tag.COMPACT_ARRAY else f"no type {tag}")


def encode_contents(description: TypeDescription, values: tuple[Data, ...]) -> bytes:
    """Return the contents of a compact-array of `values`, each of which has the type `description`."""
    parts: list[bytes] = []
    for index, value in enumerate(values):
        try:
            _encode_typed(description, value, parts.append)
        except EncodeError as error:
            raise error.within(f"compact-array[{index}]") from None
    return b"".join(parts)


def _encode_typed(description: TypeDescription, data: Data, append: Callable[[bytes], None]) -> None:
    tag, value = data
    if tag is not description.tag:
        raise EncodeError(f"{Tag(tag).label} where the type says {description.tag.label}")
    if tag is Tag.ARRAY or tag is Tag.STRUCTURE:
        kinds = description.elements * (description.number if tag is Tag.ARRAY else 1)
        if len(kinds) != len(value):
            raise EncodeError(f"{tag.label} of {len(value)} elements where the type says {len(kinds)}")
        for kind, item in zip(kinds, value, strict=True):
            _encode_typed(kind, item, append)
        return
    part: list[bytes] = []
    _encode(data, part.append, 0)
    append(b"".join(part)[1:])


# --- one constructor per type ------------------------------------------------------------------------------------


def null() -> Data:
    """Return null-data."""
    return _NULL


def dont_care() -> Data:
    """Return dont-care."""
    return _DONT_CARE


def array(*items: Data) -> Data:
    """Return an array of `items`."""
    return Data(Tag.ARRAY, items)


def structure(*items: Data) -> Data:
    """Return a structure of `items`."""
    return Data(Tag.STRUCTURE, items)


def compact_array(description: TypeDescription, *items: Data) -> Data:
    """Return a compact-array of `items`, all of the type `description`. Raises `EncodeError`."""
    return Data(Tag.COMPACT_ARRAY, CompactArray(description, encode_contents(description, items)))


def boolean(value: bool) -> Data:
    """Return a boolean."""
    return Data(Tag.BOOLEAN, value)


def bit_string(value: str) -> Data:
    """Return a bit-string from text of 0 and 1, leftmost bit first."""
    return Data(Tag.BIT_STRING, value)


def octet_string(value: bytes) -> Data:
    """Return an octet-string."""
    return Data(Tag.OCTET_STRING, bytes(value))


def visible_string(value: str) -> Data:
    """Return a visible-string."""
    return Data(Tag.VISIBLE_STRING, value)


def utf8_string(value: str) -> Data:
    """Return a utf8-string."""
    return Data(Tag.UTF8_STRING, value)


def _of(tag: Tag, python: str, words: str) -> Callable[[Any], Data]:
    def make(value: Any) -> Data:
        return Data(tag, value)

    make.__name__ = make.__qualname__ = tag.name.lower()
    make.__doc__ = f"Return a {tag.label} from {words}."
    make.__annotations__ = {"value": python, "return": "Data"}
    return make


bcd: Final[Callable[[int], Data]] = _of(Tag.BCD, "int", "-128 to 127")
integer: Final[Callable[[int], Data]] = _of(Tag.INTEGER, "int", "-128 to 127")
long: Final[Callable[[int], Data]] = _of(Tag.LONG, "int", "-2**15 to 2**15 - 1")
double_long: Final[Callable[[int], Data]] = _of(Tag.DOUBLE_LONG, "int", "-2**31 to 2**31 - 1")
long64: Final[Callable[[int], Data]] = _of(Tag.LONG64, "int", "-2**63 to 2**63 - 1")
unsigned: Final[Callable[[int], Data]] = _of(Tag.UNSIGNED, "int", "0 to 255")
long_unsigned: Final[Callable[[int], Data]] = _of(Tag.LONG_UNSIGNED, "int", "0 to 2**16 - 1")
double_long_unsigned: Final[Callable[[int], Data]] = _of(Tag.DOUBLE_LONG_UNSIGNED, "int", "0 to 2**32 - 1")
long64_unsigned: Final[Callable[[int], Data]] = _of(Tag.LONG64_UNSIGNED, "int", "0 to 2**64 - 1")
enum: Final[Callable[[int], Data]] = _of(Tag.ENUM, "int", "0 to 255")
float32: Final[Callable[[float], Data]] = _of(Tag.FLOAT32, "float", "a number")
float64: Final[Callable[[float], Data]] = _of(Tag.FLOAT64, "float", "a number")
date_time: Final[Callable[[bytes], Data]] = _of(Tag.DATE_TIME, "bytes", "12 octets")
date: Final[Callable[[bytes], Data]] = _of(Tag.DATE, "bytes", "5 octets")
time: Final[Callable[[bytes], Data]] = _of(Tag.TIME, "bytes", "4 octets")
delta_integer: Final[Callable[[int], Data]] = _of(Tag.DELTA_INTEGER, "int", "-128 to 127")
delta_long: Final[Callable[[int], Data]] = _of(Tag.DELTA_LONG, "int", "-2**15 to 2**15 - 1")
delta_double_long: Final[Callable[[int], Data]] = _of(Tag.DELTA_DOUBLE_LONG, "int", "-2**31 to 2**31 - 1")
delta_unsigned: Final[Callable[[int], Data]] = _of(Tag.DELTA_UNSIGNED, "int", "0 to 255")
delta_long_unsigned: Final[Callable[[int], Data]] = _of(Tag.DELTA_LONG_UNSIGNED, "int", "0 to 2**16 - 1")
delta_double_long_unsigned: Final[Callable[[int], Data]] = _of(Tag.DELTA_DOUBLE_LONG_UNSIGNED, "int", "0 to 2**32 - 1")
