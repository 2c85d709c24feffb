"""Rows of a push that begin with a bare Cosem-Attribute-Descriptor (a habit, see `cosem.tolerances`), made readable.

Some meters write class, logical name and attribute of a row as the nine octets of the descriptor, without the tags a
`Data` has. Nothing in the octets says so, so they are only looked for where the proper reading fails.
"""

from __future__ import annotations

from cosem.codec.axdr import MAX_DEPTH, Tag, decode_length, skip
from cosem.errors import DecodeError

DESCRIPTOR_SIZE = 9
_CONTAINERS = (Tag.ARRAY, Tag.STRUCTURE)


def typed(octets: bytes, offset: int = 0) -> bytes:
    """Return the one value from `offset` to the end with every bare descriptor as structure {class, name, attribute}.

    Raises `DecodeError` where the octets are no value in this reading either, or hold no bare descriptor.
    """
    parts: list[bytes] = []
    end, found = _copy(octets, offset, 0, parts)
    if end != len(octets):
        raise DecodeError("octets left over behind the value", end)
    if not found:
        raise DecodeError("no bare attribute descriptor", offset)
    return b"".join(parts)


def _copy(octets: bytes, offset: int, depth: int, parts: list[bytes]) -> tuple[int, bool]:
    if offset >= len(octets):
        raise DecodeError("the octets end too early", len(octets))
    if octets[offset] not in _CONTAINERS:
        end = skip(octets, offset)
        parts.append(octets[offset:end])
        return end, False
    if depth >= MAX_DEPTH:
        raise DecodeError(f"more than {MAX_DEPTH} containers inside each other", offset)
    count, start = decode_length(octets, offset + 1, len(octets))
    parts.append(octets[offset:start])
    found = False
    if octets[offset] == Tag.STRUCTURE and count == 2 and _is_descriptor(octets, start):
        class_id, name, attribute = octets[start : start + 2], octets[start + 2 : start + 8], octets[start + 8]
        parts.append(b"\x02\x03\x12" + class_id + b"\x09\x06" + name + bytes((Tag.INTEGER, attribute)))
        start += DESCRIPTOR_SIZE
        count, found = 1, True
    # Every element takes an octet at least: a count that is too great ends at the end of the octets.
    for _ in range(count):
        start, inside = _copy(octets, start, depth + 1, parts)
        found = found or inside
    return start, found


def _is_descriptor(octets: bytes, offset: int) -> bool:
    """Whether a class below 256, a logical name that ends with 255 and an attribute from 1 on can stand here."""
    at = octets[offset : offset + DESCRIPTOR_SIZE]
    return len(at) == DESCRIPTOR_SIZE and at[0] == 0 and at[1] > 0 and at[7] == 0xFF and 0 < at[8] < 0x80
