"""Values of any declared type that a client could mean: logical names that exist, moments near and far, and limits."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from cosem.classes.access import ObjectListElementType
from cosem.classes.c015_association_ln import ObjectNameType
from cosem.classes.types import (
    AnyType,
    ArrayType,
    BitStringType,
    ChoiceType,
    EnumType,
    FloatType,
    IntegerType,
    LenientType,
    MappedType,
    MomentType,
    OctetStringType,
    RawType,
    RowsType,
    StructureType,
)
from cosem.codec.axdr import Data, Tag

FLOATS = (0.0, -1.0, 0.5, float("inf"), float("-inf"), float("nan"), 1e30)


class Wild:
    """Makes values by a source of randomness, for a device with `names` and classes of its objects, about `now`."""

    def __init__(self, source: random.Random, names: Sequence[bytes], classes: Sequence[int], now: int) -> None:
        self.source = source
        self.names = names
        self.classes = classes
        self.now = now

    def value(self, kind: Any) -> Data:
        """Return a value of a declared type."""
        if isinstance(kind, IntegerType):
            return Data(kind.tag, self.integer(kind.low, kind.high))
        if isinstance(kind, OctetStringType):
            return Data(kind.tag, self.octets(kind.length))
        if isinstance(kind, BitStringType):
            length = kind.length if kind.length is not None else self.source.choice((0, 1, 2, 8, 9))
            return Data(kind.tag, "".join(self.source.choice("01") for _ in range(length)))
        if isinstance(kind, FloatType):
            return Data(kind.tag, self.source.choice(FLOATS))
        if isinstance(kind, MomentType):
            return Data(kind.tag, self.moment()[: kind.size] if kind.size > 4 else self.moment()[5:9])
        if isinstance(kind, EnumType):
            return Data(kind.tag, self.source.choice((0, 1, 2, 3, 4, 5, 6, 7, 101, 102, 104, 255)))
        if isinstance(kind, MappedType):
            return self.value(kind.inner)
        if isinstance(kind, LenientType):
            return self.value(kind.declared)
        if isinstance(kind, ArrayType):
            return Data(Tag.ARRAY, tuple(self.value(kind.item) for _ in range(self.source.choice((0, 1, 1, 2, 3)))))
        if isinstance(kind, StructureType):
            return Data(Tag.STRUCTURE, tuple(self.value(field) for field in kind.fields.values()))
        if isinstance(kind, ChoiceType):
            return self.value(self.source.choice(kind.alternatives))
        if isinstance(kind, ObjectListElementType):
            return self.value(kind.full)
        if isinstance(kind, ObjectNameType):
            return self.value(kind.shape)
        if isinstance(kind, (AnyType, RawType)):
            return self.anything()
        if isinstance(kind, RowsType):
            return Data(Tag.ARRAY, (Data(Tag.STRUCTURE, (self.anything(),)),))
        return self.plain(kind.tag)

    def plain(self, tag: Tag) -> Data:
        """Return a value of a simple type."""
        if tag is Tag.NULL_DATA:
            return Data(tag, None)
        if tag is Tag.BOOLEAN:
            return Data(tag, self.source.choice((False, True)))
        return Data(tag, self.source.choice(("", "x", "a longer text")))

    def anything(self) -> Data:
        """Return a value of any type, mostly what methods take."""
        number = self.source.randint(0, 9)
        if number < 4:
            return Data(Tag.INTEGER, 0)
        if number < 7:
            return Data(Tag.DOUBLE_LONG_UNSIGNED, self.integer(0, 0xFFFF_FFFF))
        return (
            Data(Tag.NULL_DATA, None),
            Data(Tag.OCTET_STRING, self.octets(None)),
            Data(Tag.STRUCTURE, (Data(Tag.INTEGER, 0), Data(Tag.OCTET_STRING, b""))),
        )[number - 7]

    def integer(self, low: int, high: int) -> int:
        """Return a number within limits: small ones mostly, class numbers, and the limits themselves."""
        usual = (0, 1, 2, 3, 4, 5, 10, 60, 255, 300, 900, 3600, -1, low, high, *self.classes)
        number: int = self.source.choice(usual)
        return min(max(number, low), high)

    def octets(self, length: int | None) -> bytes:
        """Return octets: names, moments, texts."""
        if length is None:
            length = self.source.choice((0, 2, 5, 6, 6, 6, 12, 12, 12, 16))
        if length == 6:
            return self.source.choice(self.names)
        if length == 12:
            return self.moment()
        if length == 5:
            return self.moment()[:5]
        if length == 4:
            return self.moment()[5:9]
        return bytes(self.source.choice((0, 1, 0x54, 0x31, 0xFF)) for _ in range(length))

    def moment(self) -> bytes:
        """Return a date-time: near, far, with wildcards, or none."""
        number = self.source.randint(0, 9)
        if number == 0:
            return bytes(self.source.choice((0, 1, 7, 0x7F, 0x80, 0xFD, 0xFE, 0xFF)) for _ in range(12))
        if number == 1:
            return b"\xff" * 9 + b"\x80\x00\xff"
        far = self.source.choice((0, 1, 30, 60, 61, 900, 3600, 7200, 86400, 86400 * 30, 86400 * 400, 86400 * 36500))
        at = datetime.fromtimestamp(self.now + far * self.source.choice((1, 1, -1)), UTC)
        octets = bytearray(at.year.to_bytes(2, "big") + bytes((at.month, at.day, 0xFF, at.hour, at.minute, at.second)))
        octets += self.source.choice((b"\x00\x80\x00\xff", b"\x00\x00\x00\x00", b"\xff\x80\x00\xff"))
        if number < 5:
            for place in range(2, 8):
                if self.source.randint(0, 2) == 0:
                    octets[place] = 0xFF
            if self.source.randint(0, 1):
                octets[0:2] = b"\xff\xff"
        return bytes(octets)
