"""A COSEM value annotated octet by octet: what each tag, length and content means, in the order of the wire."""

from __future__ import annotations

from typing import NamedTuple

from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag
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
