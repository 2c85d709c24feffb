"""A COSEM value annotated octet by octet: what each tag, length and content means, in the order of the wire."""

from __future__ import annotations

from typing import NamedTuple

from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag
from cosem.codec.primitive import decode_count
from cosem.errors import DecodeError
from cosem.explain.words import scalar_words


class Annotated(NamedTuple):
    """One line: `octets` at `offset`, `depth` levels inside the value, and what they mean."""

    offset: int
    octets: bytes
    depth: int
    words: str


def annotate(octets: bytes) -> list[Annotated]:
    """Return one row per element of the A-XDR value `octets`; together they hold every octet. Raises `DecodeError`."""
    value, end = axdr.decode_from(octets, 0)
    rows: list[Annotated] = []
    _annotate(octets, value, 0, 0, rows)
    assert sum(len(row.octets) for row in rows) == end
    return rows


def annotate_before(octets: bytes, offset: int) -> tuple[list[Annotated], int]:
    """Return the rows of a value that begins at `offset` and cannot be read to its end, and where reading stopped.

    The rows are what stands before the element that cannot be read; there are none of a value that can.
    """
    rows: list[Annotated] = []
    try:
        end = _annotate_next(octets, offset, 0, rows)
    except DecodeError as error:
        return rows, error.offset
    return [], end


def _annotate_next(octets: bytes, offset: int, depth: int, rows: list[Annotated]) -> int:
    if octets[offset : offset + 1] in (bytes((Tag.ARRAY,)), bytes((Tag.STRUCTURE,))):
        tag = Tag(octets[offset])
        count, start = decode_count(octets, offset + 1, len(octets), depth, tag.label)
        rows.append(Annotated(offset, octets[offset:start], depth, f"{tag.label} of {count}"))
        offset = start
        for _ in range(count):
            offset = _annotate_next(octets, offset, depth + 1, rows)
        return offset
    value, end = axdr.decode_from(octets, offset)
    rows.append(Annotated(offset, octets[offset:end], depth, f"{value.tag.label} {scalar_words(value)}".rstrip()))
    return end


def _annotate(octets: bytes, value: Data, offset: int, depth: int, rows: list[Annotated]) -> int:
    if value.tag in (Tag.ARRAY, Tag.STRUCTURE):
        _, start = axdr.decode_length(octets, offset + 1, len(octets))
        count = len(value.value)
        rows.append(Annotated(offset, octets[offset:start], depth, f"{value.tag.label} of {count}"))
        offset = start
        for item in value.value:
            offset = _annotate(octets, item, offset, depth + 1, rows)
        return offset
    end = axdr.skip(octets, offset)
    rows.append(Annotated(offset, octets[offset:end], depth, f"{value.tag.label} {scalar_words(value)}".rstrip()))
    return end
