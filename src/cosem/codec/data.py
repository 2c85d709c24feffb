"""COSEM values: the types by tag, what they are in Python, and one constructor for each."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Any, Final, NamedTuple


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
        from cosem.codec.compact import expand

        return expand(self.type, self.contents)


NULL: Final = Data(Tag.NULL_DATA, None)
DONT_CARE: Final = Data(Tag.DONT_CARE, None)

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


# --- one constructor per type ------------------------------------------------------------------------------------


def null() -> Data:
    """Return null-data."""
    return NULL


def dont_care() -> Data:
    """Return dont-care."""
    return DONT_CARE


def array(*items: Data) -> Data:
    """Return an array of `items`."""
    return Data(Tag.ARRAY, items)


def structure(*items: Data) -> Data:
    """Return a structure of `items`."""
    return Data(Tag.STRUCTURE, items)


def compact_array(description: TypeDescription, *items: Data) -> Data:
    """Return a compact-array of `items`, all of the type `description`. Raises `EncodeError`."""
    from cosem.codec.compact import encode_contents

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
