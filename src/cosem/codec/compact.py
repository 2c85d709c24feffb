"""compact-array: a type description, and contents without tags (Green Book 9.5).

In the type an array says how many elements it has, so every element of a compact-array holds the same number of values.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

from cosem.codec.data import DONT_CARE, NULL, CompactArray, Data, Tag, TypeDescription
from cosem.codec.primitive import (
    FIXED,
    MAX_DEPTH,
    MAX_EXPANSION,
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
    string_data,
)
from cosem.codec.runs import Finder, learn_typed
from cosem.errors import DecodeError, EncodeError


def read_compact(octets: bytes, offset: int, end: int, depth: int) -> tuple[CompactArray, int]:
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
            refuse_short("the number of elements of an array", offset + 1, end - offset - 1)
        element, after = _description(octets, offset + 3, end, depth + 1)
        return TypeDescription(Tag.ARRAY, (element,), int.from_bytes(octets[offset + 1 : offset + 3], "big")), after
    if code == Tag.STRUCTURE:
        count, after = decode_count(octets, offset + 1, end, depth, "structure")
        elements = []
        for _ in range(count):
            element, after = _description(octets, after, end, depth + 1)
            elements.append(element)
        return TypeDescription(Tag.STRUCTURE, tuple(elements)), after
    if code == Tag.COMPACT_ARRAY:
        raise DecodeError("a compact-array inside a compact-array", offset)
    if code not in _SIMPLE:
        refuse_tag(code, offset)
    return _SIMPLE[code], offset + 1


_SIMPLE: Final[dict[int, TypeDescription]] = {
    tag: TypeDescription(tag) for tag in Tag if tag not in (Tag.ARRAY, Tag.STRUCTURE, Tag.COMPACT_ARRAY)
}


class _Shape(NamedTuple):
    """What can be told of one element of a compact-array before its contents are looked at."""

    width: int | None  # octets it takes, where that is fixed
    values: int  # values it holds, itself included


def _shape(description: TypeDescription) -> _Shape:
    tag = description.tag
    if tag is Tag.ARRAY:
        width, values = _shape(description.elements[0])
        number = description.number
        return _Shape(0 if not number else None if width is None else width * number, values * number + 1)
    if tag is Tag.STRUCTURE:
        shapes = [_shape(element) for element in description.elements]
        fixed = [width for width, _ in shapes if width is not None]
        return _Shape(sum(fixed) if len(fixed) == len(shapes) else None, sum(item.values for item in shapes) + 1)
    row = FIXED[tag]
    return _Shape(row[1] if row else 0 if tag in (Tag.NULL_DATA, Tag.DONT_CARE) else None, 1)


def _check(description: TypeDescription, contents: bytes) -> None:
    """Raise `DecodeError` where `contents` are no whole number of elements, or stand for too many."""
    if not contents:
        return
    width, values = _shape(description)
    size = len(contents)
    if width == 0:
        raise DecodeError(f"{in_octets(size)} for elements that take none", 0)
    _check_values(values, size)
    if width is None:
        _check_rows(description, contents, values)
        return
    rows, left = divmod(size, width)
    if left:
        raise DecodeError(f"{in_octets(size)} are no whole number of elements of {in_octets(width)}", size - left)
    _check_values(rows * values, size)


def _check_rows(description: TypeDescription, contents: bytes, values: int) -> None:
    """Walk over elements of `values` values each, over runs of equal layout at once."""
    finder = Finder(partial(learn_typed, description))
    offset = rows = 0
    end = len(contents)
    while offset < end:
        layout, number = finder.find(contents, offset, end, end)
        if layout is not None:
            offset += number * layout.stride
            rows += number
        while layout is None and number and offset < end:
            offset = _skip_typed(description, contents, offset, end)
            rows += 1
            number -= 1
        _check_values(rows * values, end)


def _check_values(values: int, size: int) -> None:
    if values > MAX_EXPANSION * size:
        raise DecodeError(f"{in_octets(size)} for more than {MAX_EXPANSION} values each", 0)


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
    row = FIXED[tag]
    if row is not None:
        if offset + row[1] > end:
            refuse_short(tag.label, offset, end - offset)
        return offset + row[1]
    if tag is Tag.NULL_DATA or tag is Tag.DONT_CARE:
        return offset
    length, start = decode_length(octets, offset, end)
    after = start + ((length + 7) // 8 if tag is Tag.BIT_STRING else length)
    if after > end:
        refuse_short(tag.label, offset, end - start)
    return after


def expand(description: TypeDescription, contents: bytes) -> tuple[Data, ...]:
    """Return the elements. Raises `DecodeError` for contents that do not fit the type."""
    _check(description, contents)
    values = []
    offset, end = 0, len(contents)
    while offset < end:
        value, offset = read_typed(description, contents, offset, end)
        values.append(value)
    return tuple(values)


def read_typed(description: TypeDescription, octets: bytes, offset: int, end: int) -> tuple[Data, int]:
    """Return the value at `offset`, whose type is known, in contents that were checked; and the offset behind it."""
    tag = description.tag
    row = FIXED[tag]
    if row is not None:
        return Data(tag, row[2](octets, offset)[0]), offset + row[1]
    if tag is Tag.STRUCTURE or tag is Tag.ARRAY:
        items = []
        for element in description.elements * (description.number if tag is Tag.ARRAY else 1):
            item, offset = read_typed(element, octets, offset, end)
            items.append(item)
        return Data(tag, tuple(items)), offset
    if tag is Tag.NULL_DATA:
        return NULL, offset
    if tag is Tag.DONT_CARE:
        return DONT_CARE, offset
    if tag is Tag.BIT_STRING:
        bits, offset = decode_bits(octets, offset, end)
        return Data(tag, bits), offset
    content, offset = decode_octets(octets, offset, end)
    return string_data(tag, content), offset


def encode_compact(value: CompactArray, append: Callable[[bytes], None], depth: int) -> None:
    """Append type and contents, without tag. Raises `EncodeError`, also for contents that do not fit the type."""
    if not isinstance(value.contents, bytes):
        raise EncodeError(f"a {type(value.contents).__name__} is no contents of a compact-array")
    _encode_description(value.type, append, depth)
    try:
        _check(value.type, value.contents)
    except DecodeError as error:
        raise EncodeError(str(error), ("compact-array", "contents")) from None
    append(encode_octets(value.contents))


def encode_description(description: TypeDescription) -> bytes:
    """Return the octets of a type. Raises `EncodeError`."""
    parts: list[bytes] = []
    _encode_description(description, parts.append, 0)
    return b"".join(parts)


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
    append(encode_simple(tag, value)[1:])
