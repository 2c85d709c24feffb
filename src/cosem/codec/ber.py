"""BER as far as ACSE needs it (ITU-T X.690): elements with one identifier octet and a definite length.

A nested element is a context of its own: nothing inside it is read from behind its end, and what is left over inside
it is an error. Offsets in errors count from the start of the whole buffer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from cosem.errors import DecodeError, EncodeError

INTEGER: Final = 0x02
BIT_STRING: Final = 0x03
OCTET_STRING: Final = 0x04
OBJECT_IDENTIFIER: Final = 0x06
GRAPHIC_STRING: Final = 0x19
SEQUENCE: Final = 0x30
CONSTRUCTED: Final = 0x20

MAX_LENGTH_OCTETS: Final = 4
"""Octets behind the first one of a length: no APDU reaches 4 GiB."""

MAX_ARC: Final = (1 << 64) - 1
"""The largest arc of an object identifier that is read: those of COSEM need three digits."""


class Element(NamedTuple):
    """One element: its identifier octet, and where its content starts and ends in `octets`, the whole buffer."""

    octets: bytes
    tag: int
    start: int
    end: int

    @property
    def content(self) -> bytes:
        """The octets of the content."""
        return self.octets[self.start : self.end]

    def elements(self) -> list[Element]:
        """Return the elements inside this one; they fill it exactly. Raises `DecodeError`."""
        return elements(self.octets, self.start, self.end)

    def only(self, tag: int) -> Element:
        """Return the one element inside this one (EXPLICIT tagging). Raises `DecodeError` for anything else."""
        element = element_at(self.octets, self.start, self.end)
        if element.tag != tag:
            raise DecodeError(f"element {element.tag:02X} instead of {tag:02X}", self.start)
        if element.end != self.end:
            raise DecodeError("octets left over inside the element", element.end)
        return element

    def integer(self) -> int:
        """Return the content as an INTEGER of at most 8 octets (X.690, 8.3)."""
        if not 1 <= self.end - self.start <= 8:
            raise DecodeError(f"an INTEGER of {self.end - self.start} octets", self.start)
        return int.from_bytes(self.content, "big", signed=True)

    def bits(self) -> str:
        """Return the content as a BIT STRING, text of 0 and 1, leftmost bit first (X.690, 8.6)."""
        content = self.content
        if not content:
            raise DecodeError("a BIT STRING without content", self.start)
        unused = content[0]
        if unused > 7 or (unused and len(content) == 1):
            raise DecodeError(f"a BIT STRING with {unused} unused bits", self.start)
        text = "".join(f"{octet:08b}" for octet in content[1:])
        return text[: len(text) - unused]

    def oid(self) -> tuple[int, ...]:
        """Return the content as an OBJECT IDENTIFIER, its arcs (X.690, 8.19)."""
        arcs: list[int] = []
        arc = 0
        fresh = True
        for offset in range(self.start, self.end):
            octet = self.octets[offset]
            if fresh and octet == 0x80:
                raise DecodeError("an arc of an OBJECT IDENTIFIER starts with 80", offset)
            arc = arc << 7 | octet & 0x7F
            if arc > MAX_ARC:
                raise DecodeError("an arc of an OBJECT IDENTIFIER is too large", offset)
            fresh = octet < 0x80
            if fresh:
                arcs.append(arc)
                arc = 0
        if not fresh or not arcs:
            raise DecodeError("an OBJECT IDENTIFIER is cut short", self.end)
        first = min(arcs[0] // 40, 2)
        return (first, arcs[0] - 40 * first, *arcs[1:])


def element_at(octets: bytes, offset: int = 0, end: int | None = None) -> Element:
    """Return the element at `offset`; it ends at `end` (default: all octets) or before. Raises `DecodeError`."""
    limit = len(octets) if end is None else end
    if offset >= limit:
        raise DecodeError("an element is missing", offset)
    tag = octets[offset]
    if tag & 0x1F == 0x1F:
        raise DecodeError("an identifier of several octets", offset)
    start = offset + 2
    if start > limit:
        raise DecodeError("a length is missing", offset + 1)
    length = octets[offset + 1]
    if length >= 0x80:
        size = length & 0x7F
        if not size:
            raise DecodeError("an indefinite length", offset + 1)
        if size > MAX_LENGTH_OCTETS:
            raise DecodeError(f"a length of {size} octets", offset + 1)
        if start + size > limit:
            raise DecodeError("a length is cut short", offset + 1)
        length = int.from_bytes(octets[start : start + size], "big")
        start += size
    if start + length > limit:
        raise DecodeError(f"element {tag:02X} of {length} octets, but only {limit - start} left", offset)
    return Element(octets, tag, start, start + length)


def elements(octets: bytes, offset: int = 0, end: int | None = None) -> list[Element]:
    """Return the elements from `offset` to `end`, which they fill exactly. Raises `DecodeError`."""
    limit = len(octets) if end is None else end
    found = []
    while offset < limit:
        element = element_at(octets, offset, limit)
        found.append(element)
        offset = element.end
    return found


def tlv(tag: int, *parts: bytes) -> bytes:
    """Return an element: `tag`, the length in its shortest form, and `parts` one after the other as content."""
    content = b"".join(parts)
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    size = (length.bit_length() + 7) // 8
    return bytes((tag, 0x80 | size)) + length.to_bytes(size, "big") + content


def integer_content(value: int) -> bytes:
    """Return the shortest content of an INTEGER."""
    return value.to_bytes(((value if value >= 0 else ~value).bit_length() + 8) // 8, "big", signed=True)


def bits_content(bits: str) -> bytes:
    """Return the content of a BIT STRING from text of 0 and 1."""
    if bits.strip("01"):
        raise EncodeError("a BIT STRING is written with 0 and 1")
    unused = -len(bits) % 8
    padded = bits + "0" * unused
    return bytes((unused, *(int(padded[i : i + 8], 2) for i in range(0, len(padded), 8))))


def oid_content(arcs: Iterable[int]) -> bytes:
    """Return the content of an OBJECT IDENTIFIER. Raises `EncodeError` for arcs that name none."""
    values = tuple(arcs)
    if (
        len(values) < 2
        or min(values) < 0
        or max(values) > MAX_ARC - 80
        or values[0] > 2
        or (values[0] < 2 and values[1] > 39)
    ):
        raise EncodeError(f"{'.'.join(map(str, values))} is no object identifier")
    content = bytearray()
    for arc in (40 * values[0] + values[1], *values[2:]):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(arc & 0x7F | 0x80)
        content += bytes(reversed(groups))
    return bytes(content)
