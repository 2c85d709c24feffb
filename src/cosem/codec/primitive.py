"""The simple types of A-XDR: lengths, numbers, moments, strings (IEC 61334-6)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final, NoReturn

from cosem.codec.data import FORMATS, Data, Tag
from cosem.errors import DecodeError, EncodeError

MAX_DEPTH: Final = 64
"""Structures and arrays inside each other. The deepest attribute of the Blue Book needs less than ten; 64 nested
calls are far from the interpreter's own recursion limit."""

MAX_ELEMENTS: Final = 1 << 22
"""Elements of one array or structure: seven years of a value a minute."""

MAX_EXPANSION: Final = 64
"""Values that one octet of a compact-array's contents may stand for. Elsewhere every value costs its sender an octet,
but null-data in a compact-array costs nothing, and 65535 of them in an array hardly more."""

MAX_LENGTH_OCTETS: Final = 4
"""Octets behind the first one of a length: no APDU or value reaches 4 GiB."""

_new: Final = tuple.__new__
_Unpack = Callable[[bytes, int], tuple[Any, ...]]


def _fixed_table() -> tuple[tuple[Tag, int, _Unpack] | None, ...]:
    table: list[tuple[Tag, int, _Unpack] | None] = [None] * 256
    for tag, code in FORMATS.items():
        compiled = struct.Struct(">" + code)
        table[tag] = (tag, compiled.size, compiled.unpack_from)
    return tuple(table)


FIXED: Final = _fixed_table()
SIZES: Final = tuple(1 + row[1] if row else 1 if code in (0, 255) else 0 for code, row in enumerate(FIXED))
_PACK: Final = {tag: struct.Struct(">B" + code).pack for tag, code in FORMATS.items()}
_MOMENTS: Final = {Tag.DATE_TIME: 12, Tag.DATE: 5, Tag.TIME: 4}
_RANGES: Final = {
    code: (0, (1 << 8 * size) - 1) if code.isupper() else (-(1 << 8 * size - 1), (1 << 8 * size - 1) - 1)
    for code, size in {"b": 1, "B": 1, "h": 2, "H": 2, "i": 4, "I": 4, "q": 8, "Q": 8}.items()
}


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
        refuse_short(in_octets(length), offset, end - start)
    return octets[start:after], after


def encode_octets(octets: bytes) -> bytes:
    """Return `octets` behind their length: an octet-string without tag."""
    return encode_length(len(octets)) + octets


def in_octets(count: int) -> str:
    """Return ``1 octet`` or ``7 octets``."""
    return "1 octet" if count == 1 else f"{count} octets"


def refuse_short(what: str, offset: int, left: int) -> NoReturn:
    """Raise `DecodeError`: `what` needs more octets than are `left` at `offset`."""
    raise DecodeError(f"{what}, but only {in_octets(max(left, 0))} left", offset)


def refuse_tag(code: int, offset: int) -> NoReturn:
    """Raise `DecodeError`: `code` at `offset` is not assigned, or is floating-point (7), which is obsolete."""
    raise DecodeError(f"{code} ({code:02X}) is not the tag of a type", offset)


def string_data(code: int, content: bytes) -> Data:
    """Return octet-string, visible-string or utf8-string (`code` is the tag) from its octets."""
    if code == 9:
        return _new(Data, (Tag.OCTET_STRING, content))
    if code == 10:
        return _new(Data, (Tag.VISIBLE_STRING, content.decode("latin-1")))
    return _new(Data, (Tag.UTF8_STRING, content.decode("utf-8", "surrogateescape")))


def decode_count(octets: bytes, offset: int, end: int, depth: int, name: str) -> tuple[int, int]:
    """Read how many elements follow the tag at `offset - 1`; each needs an octet, so more cannot be."""
    count, after = decode_length(octets, offset, end)
    if depth >= MAX_DEPTH:
        raise DecodeError(f"more than {MAX_DEPTH} arrays and structures inside each other", offset - 1)
    if count > end - after:
        refuse_short(f"{name} of {count} elements", offset - 1, end - after)
    if count > MAX_ELEMENTS:
        raise DecodeError(f"{name} of {count} elements, more than {MAX_ELEMENTS}", offset - 1)
    return count, after


def decode_bits(octets: bytes, offset: int, end: int) -> tuple[str, int]:
    """Read a bit-string without tag: the length counts bits; the bits that fill the last octet mean nothing."""
    length, start = decode_length(octets, offset, end)
    size = (length + 7) // 8
    after = start + size
    if after > end:
        refuse_short(f"bit-string of {length} bits", offset, end - start)
    if not length:
        return "", after
    return f"{int.from_bytes(octets[start:after], 'big'):0{8 * size}b}"[:length], after


def encode_simple(tag: Tag, value: Any) -> bytes:
    """Return tag and content of a value that is no array, structure or compact-array. Raises `EncodeError`."""
    pack = _PACK.get(tag)
    if pack is not None:
        if tag == Tag.BOOLEAN and not isinstance(value, bool):
            refuse_value(tag, value)
        try:
            octets = pack(tag, value)
        except (struct.error, OverflowError, TypeError):
            refuse_value(tag, value)
        if tag in _MOMENTS and len(value) != _MOMENTS[tag]:
            raise EncodeError(f"a {tag.label} has {_MOMENTS[tag]} octets, not {len(value)}")
        return octets
    if tag == 9 or tag == 10 or tag == 12 or tag == 4:
        return bytes((tag,)) + _encode_string(tag, value)
    if tag == 0 or tag == 255:
        if value is not None:
            refuse_value(tag, value)
        return bytes((tag,))
    raise EncodeError(f"{tag} is not the tag of a simple type")


def refuse_value(tag: Tag, value: object) -> NoReturn:
    """Raise `EncodeError`: `value` cannot be a `tag`."""
    code = FORMATS.get(tag, "")
    if code in _RANGES and isinstance(value, int):
        low, high = _RANGES[code]
        raise EncodeError(f"{value} is not in the range of {tag.label}, {low} to {high}")
    raise EncodeError(f"a {type(value).__name__} is no {tag.label}")


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
    refuse_value(Tag(tag), value)
