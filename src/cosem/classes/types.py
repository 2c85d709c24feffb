"""The types that attributes and methods are declared with, named as the Blue Book names them.

A `DataType[V]` turns a Python value of type V into `Data` (A-XDR type and value) and back. Nothing is guessed: a value
without an encoding is an `EncodeError`, `Data` of another type is a `TypeMismatch`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum, IntFlag
from itertools import zip_longest
from typing import Any, Final, TypeAlias, TypeVar, overload

from cosem.classes.datatype import MOMENT_TAGS, elements
from cosem.classes.datatype import ArrayType as ArrayType
from cosem.classes.datatype import BitStringType as BitStringType
from cosem.classes.datatype import ChoiceType as ChoiceType
from cosem.classes.datatype import DataType as DataType
from cosem.classes.datatype import EnumType as EnumType
from cosem.classes.datatype import FlagsType as FlagsType
from cosem.classes.datatype import FloatType as FloatType
from cosem.classes.datatype import IntegerType as IntegerType
from cosem.classes.datatype import LenientType as LenientType
from cosem.classes.datatype import MappedType as MappedType
from cosem.classes.datatype import MomentType as MomentType
from cosem.classes.datatype import OctetStringType as OctetStringType
from cosem.classes.datatype import OpenEnum as OpenEnum
from cosem.classes.datatype import PlainType as PlainType
from cosem.classes.datatype import StructureType as StructureType
from cosem.classes.datatype import TypeMismatch as TypeMismatch
from cosem.codec.axdr import Data, Tag, encode
from cosem.errors import EncodeError
from cosem.obis import Obis, obis
from cosem.times import CosemDate, CosemDateTime, CosemTime

V = TypeVar("V")
W = TypeVar("W")
X = TypeVar("X")
E = TypeVar("E", bound=IntEnum)
F = TypeVar("F", bound=IntFlag)

Simple: TypeAlias = bool | int | float | str | bytes | CosemDateTime | CosemDate | CosemTime | None
"""What a value of one of the simple types is in Python."""


class AnyType(DataType[Any]):
    """Any type at all, instance specific, as plain Python (`plain`)."""

    __slots__ = ()

    def __init__(self, notation: str = "choice{any}") -> None:
        super().__init__(notation, *Tag)

    def _decode(self, data: Data) -> Any:
        return plain(data)

    def _check(self, data: Data) -> None:
        """Accept every type."""

    def _encode(self, value: Any, like: Data | None) -> Data:
        return _like(value, like) if like is not None else simple.to_data(value)


class RowsType(DataType[tuple[tuple[Any, ...], ...]]):
    """Rows of a profile, as `cosem.codec.rows` gives them: octet-strings and date-times as bytes, null-data as None."""

    __slots__ = ()

    def __init__(self, notation: str) -> None:
        super().__init__(notation, Tag.ARRAY, Tag.COMPACT_ARRAY)

    def _decode(self, data: Data) -> tuple[tuple[Any, ...], ...]:
        self._check(data)
        return tuple(_bare(row) for row in elements(data, self))

    def _check(self, data: Data) -> None:
        for index, row in enumerate(elements(data, self)):
            if row.tag is not Tag.STRUCTURE:
                raise TypeMismatch("structure", row.tag.label, (f"[{index}]",))

    def _encode(self, value: tuple[tuple[Any, ...], ...], like: Data | None) -> Data:
        if not isinstance(value, (tuple, list)) or not all(isinstance(row, (tuple, list)) for row in value):
            raise self._refuse(value)
        before = like.value if like is not None and like.tag is Tag.ARRAY else ()
        made = []
        for index, row in enumerate(value):
            cells = before[min(index, len(before) - 1)].value if before else ()
            pairs = zip_longest(row, cells[: len(row)])
            try:
                made.append(Data(Tag.STRUCTURE, tuple(any_data.to_data(cell, pattern) for cell, pattern in pairs)))
            except (EncodeError, TypeMismatch) as error:
                raise error.within(f"[{index}]") from None
        return Data(Tag.ARRAY, tuple(made))


class RawType(DataType[Data]):
    """Any type at all, kept as `Data`: for what no declaration knows."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("any", *Tag)

    def _decode(self, data: Data) -> Data:
        return data

    def _check(self, data: Data) -> None:
        """Accept every type."""

    def _encode(self, value: Data, like: Data | None) -> Data:
        raise EncodeError("nothing declares this type: give the value as Data")


def plain(data: Data) -> Any:
    """Return `data` as plain Python: arrays and structures as tuples, the date and time types as `cosem.times`."""
    tag = data.tag
    if tag in (Tag.ARRAY, Tag.STRUCTURE):
        return tuple(plain(element) for element in data.value)
    if tag is Tag.COMPACT_ARRAY:
        return tuple(plain(element) for element in data.value.values)
    if tag in SIMPLE:
        return SIMPLE[tag].from_data(data)
    return data.value


def _bare(data: Data) -> Any:
    if data.tag in (Tag.ARRAY, Tag.STRUCTURE):
        return tuple(_bare(element) for element in data.value)
    return plain(data) if data.tag is Tag.COMPACT_ARRAY else data.value


def _like(value: Any, like: Data) -> Data:
    """Return `value` in the concrete type of `like`, element by element."""
    if isinstance(value, Data):
        return value
    if isinstance(value, (CosemDateTime, CosemDate, CosemTime)):  # tuples themselves, but never a structure
        return simple.to_data(value, like)
    if like.tag is Tag.ARRAY and isinstance(value, (tuple, list)) and (like.value or not value):
        last = len(like.value) - 1
        return Data(Tag.ARRAY, tuple(_like(item, like.value[min(i, last)]) for i, item in enumerate(value)))
    if like.tag is Tag.STRUCTURE and isinstance(value, (tuple, list)) and len(value) == len(like.value):
        return Data(Tag.STRUCTURE, tuple(_like(*pair) for pair in zip(value, like.value, strict=True)))
    if isinstance(value, bytes) and MOMENT_TAGS.get(len(value)) is like.tag:  # moments in rows are octets
        return Data(like.tag, value)
    if like.tag not in SIMPLE and type(value) is type(like.value):  # delta types, dont-care
        data = Data(like.tag, value)
        encode(data)
        return data
    return simple.to_data(value, like)


# --- the constructors, named as the standard names the types ----------------------------------------------------------

null_data: Final[PlainType[None]] = PlainType(Tag.NULL_DATA, lambda value: value is None)
boolean: Final[PlainType[bool]] = PlainType(Tag.BOOLEAN, lambda value: isinstance(value, bool))
integer: Final = IntegerType(Tag.INTEGER, -(1 << 7), (1 << 7) - 1)
long: Final = IntegerType(Tag.LONG, -(1 << 15), (1 << 15) - 1)
double_long: Final = IntegerType(Tag.DOUBLE_LONG, -(1 << 31), (1 << 31) - 1)
long64: Final = IntegerType(Tag.LONG64, -(1 << 63), (1 << 63) - 1)
unsigned: Final = IntegerType(Tag.UNSIGNED, 0, (1 << 8) - 1)
long_unsigned: Final = IntegerType(Tag.LONG_UNSIGNED, 0, (1 << 16) - 1)
double_long_unsigned: Final = IntegerType(Tag.DOUBLE_LONG_UNSIGNED, 0, (1 << 32) - 1)
long64_unsigned: Final = IntegerType(Tag.LONG64_UNSIGNED, 0, (1 << 64) - 1)
bcd: Final = IntegerType(Tag.BCD, -(1 << 7), (1 << 7) - 1)
enum_code: Final = IntegerType(Tag.ENUM, 0, (1 << 8) - 1)
float32: Final = FloatType(Tag.FLOAT32)
float64: Final = FloatType(Tag.FLOAT64)
visible_string: Final[PlainType[str]] = PlainType(
    Tag.VISIBLE_STRING, lambda value: isinstance(value, str) and (value.isascii() or _latin(value))
)
utf8_string: Final[PlainType[str]] = PlainType(Tag.UTF8_STRING, lambda value: isinstance(value, str) and _utf8(value))
date_time: Final = MomentType(CosemDateTime, 12, Tag.DATE_TIME, octets=False)
date: Final = MomentType(CosemDate, 5, Tag.DATE, octets=False)
time: Final = MomentType(CosemTime, 4, Tag.TIME, octets=False)
date_time_octets: Final = MomentType(CosemDateTime, 12, Tag.DATE_TIME, octets=True)
date_octets: Final = MomentType(CosemDate, 5, Tag.DATE, octets=True)
time_octets: Final = MomentType(CosemTime, 4, Tag.TIME, octets=True)
any_octets: Final = OctetStringType()
any_bits: Final = BitStringType()
logical_name: Final[MappedType[Obis]] = MappedType(OctetStringType(6), Obis, obis)
trigger: Final = IntegerType(Tag.INTEGER, -(1 << 7), (1 << 7) - 1, "integer(0)")
"""The parameter of methods that need none: an integer 0 by convention, other values are accepted."""
any_data: Final = AnyType()
raw_data: Final = RawType()


def _latin(value: str) -> bool:
    return all(ord(character) < 256 for character in value)


def _utf8(value: str) -> bool:
    try:
        value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def octet_string(length: int | None = None) -> OctetStringType:
    """Return octet-string, of exactly `length` octets where given."""
    return OctetStringType(length) if length is not None else any_octets


def bit_string(length: int | None = None) -> BitStringType:
    """Return bit-string, of exactly `length` bits where given."""
    return BitStringType(length) if length is not None else any_bits


def flags(members: type[F], inner: IntegerType | BitStringType) -> FlagsType[F]:
    """Return `inner`, an integer or a bit-string, as mask of the bits that `members` names."""
    return FlagsType(members, inner)


def enum(members: type[E]) -> EnumType[E]:
    """Return enum with the codes of `members` (an `OpenEnum` or `Unit`, which keep unknown codes)."""
    return EnumType(members)


def code(members: type[E]) -> EnumType[E]:
    """Return unsigned with the codes of `members`, as `enum` has them."""
    return EnumType(members, Tag.UNSIGNED)


def array(item: DataType[V]) -> ArrayType[V]:
    """Return array of `item`; its value is a tuple."""
    return ArrayType(item)


def structure(made: Callable[..., V], **fields: DataType[Any]) -> StructureType[V]:
    """Return structure whose value is the NamedTuple `made`; `fields` give its fields' types, in the same order."""
    names = getattr(made, "_fields", None)
    if names != tuple(fields):
        raise EncodeError(
            f"the fields of {getattr(made, '__name__', made)} are {names}, the declared types {tuple(fields)}"
        )
    return StructureType(made, fields)


@overload
def choice(first: DataType[V], second: DataType[W], /, *, prefer_first: bool = False) -> ChoiceType[V | W]: ...
@overload
def choice(
    first: DataType[V], second: DataType[W], third: DataType[X], /, *, prefer_first: bool = False
) -> ChoiceType[V | W | X]: ...
@overload
def choice(*alternatives: DataType[Any], prefer_first: bool = False) -> ChoiceType[Any]: ...
def choice(*alternatives: DataType[Any], prefer_first: bool = False) -> ChoiceType[Any]:
    """Return a choice of `alternatives`; read as plain Python, see `ChoiceType` for writing."""
    return ChoiceType(alternatives, prefer_first=prefer_first)


def lenient(declared: DataType[V], *also: DataType[Any]) -> LenientType[V]:
    """Return `declared` that is also read from the types in `also`."""
    return LenientType(declared, also)


def mapped(inner: DataType[W], wrap: Callable[[W], V], unwrap: Callable[[V], W]) -> MappedType[V]:
    """Return `inner` whose Python value is made by `wrap` and taken back by `unwrap`."""
    return MappedType(inner, wrap, unwrap)


simple: Final[ChoiceType[Simple]] = ChoiceType(
    (
        null_data,
        boolean,
        any_bits,
        double_long,
        double_long_unsigned,
        any_octets,
        visible_string,
        utf8_string,
        bcd,
        integer,
        long,
        unsigned,
        long_unsigned,
        long64,
        long64_unsigned,
        enum_code,
        float32,
        float64,
        date_time,
        date,
        time,
    )
)
"""The choice of simple types that value attributes have (Blue Book ed. 9, 4.3.2)."""

SIMPLE: Final[Mapping[Tag, DataType[Any]]] = {next(iter(kind.tags)): kind for kind in simple.alternatives}
"""The simple type of each tag."""
