"""The types that attributes and methods are declared with, named as the Blue Book names them.

A `DataType[V]` turns a Python value of type V into `Data` (A-XDR type and value) and back. Nothing is guessed: a value
without an encoding is an `EncodeError`, `Data` of another type is a `TypeMismatch`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from enum import IntEnum
from itertools import zip_longest
from typing import Any, Final, Generic, TypeAlias, TypeVar

from cosem.codec.axdr import CompactArray, Data, Tag, encode
from cosem.errors import CosemError, EncodeError
from cosem.obis import Obis, obis
from cosem.times import CosemDate, CosemDateTime, CosemTime

V = TypeVar("V")
W = TypeVar("W")
E = TypeVar("E", bound=IntEnum)

Simple: TypeAlias = bool | int | float | str | bytes | CosemDateTime | CosemDate | CosemTime | None
"""What a value of one of the simple types is in Python."""


class TypeMismatch(CosemError):
    """`Data` of another type than declared. A device answers it with type-unmatched (12).

    `expected` is the declared type's notation, `given` the name of the type that came; `path` as in `DecodeError`.
    """

    def __init__(self, expected: str, given: str, path: tuple[str, ...] = ()) -> None:
        super().__init__(expected, given, path)
        self.expected = expected
        self.given = given
        self.path = path

    def within(self, name: str) -> TypeMismatch:
        """Return the same error as seen from the element around it."""
        return type(self)(self.expected, self.given, (name, *self.path))

    def __str__(self) -> str:
        where = f"{' > '.join(self.path)}: " if self.path else ""
        return f"{where}expected {self.expected}, not {self.given}"


class OpenEnum(IntEnum):
    """An enumeration of octets that keeps codes it does not know: each becomes a member with `known` False."""

    @classmethod
    def _missing_(cls, value: object) -> OpenEnum | None:
        if not isinstance(value, int) or not 0 <= value <= 255:
            return None
        member = int.__new__(cls, value)
        member._name_ = f"UNKNOWN_{value}"
        member._value_ = value
        return cls._value2member_map_.setdefault(value, member)  # type: ignore[return-value]

    @property
    def known(self) -> bool:
        """Say whether the declaration has this code."""
        return self._name_ in type(self).__members__

    @property
    def label(self) -> str:
        """Return the name in words, for example ``ready for reconnection``."""
        return self._name_.lower().replace("_", " ") if self.known else f"unknown ({int(self)})"


class DataType(Generic[V]):
    """One type of the Blue Book. `notation` writes it as the standard does, `tags` are the A-XDR tags it may have."""

    __slots__ = ("notation", "tags")

    def __init__(self, notation: str, *tags: Tag) -> None:
        self.notation = notation
        self.tags = frozenset(tags)

    def __repr__(self) -> str:
        return f"<{self.notation}>"

    def from_data(self, data: Data) -> V:
        """Return the Python value of `data`; raise `TypeMismatch` where its type is another."""
        return self._decode(data)

    def to_data(self, value: V | Data, like: Data | None = None) -> Data:
        """Return `value` as `Data`. `Data` is only checked.

        Where the declaration leaves a choice, `like` (the value so far) tells the concrete type. Raises `EncodeError`
        for a value without encoding, `TypeMismatch` for `Data` of another type.
        """
        if isinstance(value, Data):
            self.check(value)
            return value
        return self._encode(value, like)

    def check(self, data: Data) -> None:
        """Raise `TypeMismatch` where `data` has not this type, all the way down."""
        self._check(data)

    def _decode(self, data: Data) -> V:
        raise NotImplementedError

    def _check(self, data: Data) -> None:
        if data.tag not in self.tags:
            raise self._mismatch(data)

    def _encode(self, value: V, like: Data | None) -> Data:
        raise NotImplementedError

    def _mismatch(self, data: Data) -> TypeMismatch:
        return TypeMismatch(self.notation, data.tag.label)

    def _refuse(self, value: object) -> EncodeError:
        return EncodeError(f"a {type(value).__name__} of this value has no encoding as {self.notation}")


class PlainType(DataType[V]):
    """A simple type whose `Data` holds the Python value itself; `fits` says which values it can hold."""

    __slots__ = ("_fits", "tag")

    def __init__(self, tag: Tag, fits: Callable[[Any], bool], notation: str = "") -> None:
        super().__init__(notation or tag.label, tag)
        self.tag = tag
        self._fits = fits

    def _decode(self, data: Data) -> V:
        if data.tag is not self.tag or not self._fits(data.value):
            raise self._mismatch(data)
        value: V = data.value
        return value

    def _check(self, data: Data) -> None:
        if data.tag is not self.tag or not self._fits(data.value):
            raise self._mismatch(data)

    def _encode(self, value: V, like: Data | None) -> Data:
        if not self._fits(value):
            raise self._refuse(value)
        return Data(self.tag, value)


class IntegerType(PlainType[int]):
    """An integer of the range `low` to `high`."""

    __slots__ = ("high", "low")

    def __init__(self, tag: Tag, low: int, high: int, notation: str = "") -> None:
        self.low = low
        self.high = high
        super().__init__(
            tag, lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high, notation
        )

    def _encode(self, value: int, like: Data | None) -> Data:
        data = super()._encode(value, like)
        return data if type(value) is int else Data(self.tag, int(value))


class OctetStringType(PlainType[bytes]):
    """octet-string, of `length` octets where that is given."""

    __slots__ = ("length",)

    def __init__(self, length: int | None = None) -> None:
        self.length = length
        super().__init__(
            Tag.OCTET_STRING,
            lambda value: isinstance(value, (bytes, bytearray)) and (length is None or len(value) == length),
            f"octet-string({length})" if length is not None else "",
        )

    def _encode(self, value: bytes, like: Data | None) -> Data:
        data = super()._encode(value, like)
        return data if type(value) is bytes else Data(self.tag, bytes(value))


class BitStringType(PlainType[str]):
    """bit-string as 0/1 text, leftmost bit first, of `length` bits where that is given."""

    __slots__ = ("length",)

    def __init__(self, length: int | None = None) -> None:
        self.length = length
        super().__init__(
            Tag.BIT_STRING,
            lambda value: isinstance(value, str) and not value.strip("01") and length in (None, len(value)),
            f"bit-string({length})" if length is not None else "",
        )


class FloatType(PlainType[float]):
    """float32 or float64. A float32 keeps what fits into its 24 bits of precision."""

    __slots__ = ()

    def __init__(self, tag: Tag) -> None:
        super().__init__(tag, lambda value: isinstance(value, (int, float)) and not isinstance(value, bool))

    def _encode(self, value: float, like: Data | None) -> Data:
        data = super()._encode(value, like)
        if self.tag is Tag.FLOAT32:
            try:
                return Data(self.tag, struct.unpack(">f", struct.pack(">f", value))[0])
            except OverflowError:
                raise EncodeError("the value is too large for a float32") from None
        return Data(data.tag, float(value))


class MomentType(DataType[V]):
    """A COSEM date-time, date or time: under its own A-XDR tag, or as an octet-string that holds it.

    Meters confuse the two forms, so both are read; `check` and writing keep to the declared one.
    """

    __slots__ = ("moment", "size", "tag")

    def __init__(self, moment: type[V], size: int, own: Tag, *, octets: bool) -> None:
        super().__init__(f"octet-string({own.label})" if octets else own.label, Tag.OCTET_STRING if octets else own)
        self.moment = moment
        self.size = size
        self.tag = Tag.OCTET_STRING if octets else own

    def _decode(self, data: Data) -> V:
        if data.tag not in (Tag.OCTET_STRING, _MOMENT_TAGS[self.size]) or len(data.value) != self.size:
            raise self._mismatch(data)
        value: V = self.moment.from_octets(data.value)  # type: ignore[attr-defined]
        return value

    def _check(self, data: Data) -> None:
        if data.tag is not self.tag or len(data.value) != self.size:
            raise self._mismatch(data)

    def _encode(self, value: V, like: Data | None) -> Data:
        if not isinstance(value, self.moment):
            raise self._refuse(value)
        octets: bytes = value.to_octets()  # type: ignore[attr-defined]
        return Data(self.tag, octets)


_MOMENT_TAGS: Final = {12: Tag.DATE_TIME, 5: Tag.DATE, 4: Tag.TIME}


class EnumType(DataType[E]):
    """enum whose codes are the members of `members`, an `OpenEnum` or `Unit`."""

    __slots__ = ("members",)

    def __init__(self, members: type[E]) -> None:
        super().__init__("enum", Tag.ENUM)
        self.members = members

    def _decode(self, data: Data) -> E:
        if data.tag is not Tag.ENUM:
            raise self._mismatch(data)
        return self.members(data.value)

    def _encode(self, value: E, like: Data | None) -> Data:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 255:
            raise self._refuse(value)
        return Data(Tag.ENUM, int(value))


class MappedType(DataType[V]):
    """`inner` with a Python type of its own: `wrap` makes it from the inner value, `unwrap` is the way back."""

    __slots__ = ("inner", "unwrap", "wrap")

    def __init__(
        self, inner: DataType[Any], wrap: Callable[[Any], V], unwrap: Callable[[V], Any], notation: str = ""
    ) -> None:
        super().__init__(notation or inner.notation, *inner.tags)
        self.inner = inner
        self.wrap = wrap
        self.unwrap = unwrap

    def _decode(self, data: Data) -> V:
        return self.wrap(self.inner.from_data(data))

    def _check(self, data: Data) -> None:
        self.inner.check(data)

    def _encode(self, value: V, like: Data | None) -> Data:
        try:
            inner = self.unwrap(value)
        except (AttributeError, TypeError, ValueError):  # not the Python type that goes with this mapping
            raise self._refuse(value) from None
        return self.inner.to_data(inner, like)


class ArrayType(DataType[tuple[V, ...]]):
    """array of `item`. A compact-array is read as the array it stands for."""

    __slots__ = ("item",)

    def __init__(self, item: DataType[V]) -> None:
        super().__init__(f"array[{item.notation}]", Tag.ARRAY, Tag.COMPACT_ARRAY)
        self.item = item

    def _decode(self, data: Data) -> tuple[V, ...]:
        convert = self.item.from_data
        values = []
        for index, element in enumerate(elements(data, self)):
            try:
                values.append(convert(element))
            except TypeMismatch as error:
                raise error.within(f"[{index}]") from None
        return tuple(values)

    def _check(self, data: Data) -> None:
        for index, element in enumerate(elements(data, self)):
            try:
                self.item.check(element)
            except TypeMismatch as error:
                raise error.within(f"[{index}]") from None

    def _encode(self, value: tuple[V, ...], like: Data | None) -> Data:
        if not isinstance(value, (tuple, list)):
            raise self._refuse(value)
        before = like.value if like is not None and like.tag is Tag.ARRAY else ()
        items = []
        for index, item in enumerate(value):
            # a longer array than before takes the concrete types of its last known row
            pattern = before[min(index, len(before) - 1)] if before else None
            try:
                items.append(self.item.to_data(item, pattern))
            except (EncodeError, TypeMismatch) as error:
                raise error.within(f"[{index}]") from None
        return Data(Tag.ARRAY, tuple(items))


class StructureType(DataType[V]):
    """structure whose fields, in order, are those of the NamedTuple `made`."""

    __slots__ = ("fields", "made")

    def __init__(self, made: Callable[..., V], fields: Mapping[str, DataType[Any]]) -> None:
        inside = ", ".join(f"{name}: {field.notation}" for name, field in fields.items())
        super().__init__(f"structure{{{inside}}}", Tag.STRUCTURE)
        self.made = made
        self.fields = dict(fields)

    def _decode(self, data: Data) -> V:
        self._check_size(data)
        values = []
        for (name, field), element in zip(self.fields.items(), data.value, strict=True):
            try:
                values.append(field.from_data(element))
            except TypeMismatch as error:
                raise error.within(name) from None
        return self.made(*values)

    def _check(self, data: Data) -> None:
        self._check_size(data)
        for (name, field), element in zip(self.fields.items(), data.value, strict=True):
            try:
                field.check(element)
            except TypeMismatch as error:
                raise error.within(name) from None

    def _check_size(self, data: Data) -> None:
        if data.tag is not Tag.STRUCTURE:
            raise self._mismatch(data)
        if len(data.value) != len(self.fields):
            raise TypeMismatch(self.notation, f"structure of {len(data.value)} elements")

    def _encode(self, value: V, like: Data | None) -> Data:
        if not isinstance(value, (tuple, list)) or len(value) != len(self.fields):
            raise self._refuse(value)
        before: tuple[Data | None, ...] = (None,) * len(self.fields)
        if like is not None and like.tag is Tag.STRUCTURE and len(like.value) == len(self.fields):
            before = like.value
        items = []
        for (name, field), item, pattern in zip(self.fields.items(), value, before, strict=True):
            try:
                items.append(field.to_data(item, pattern))
            except (EncodeError, TypeMismatch) as error:
                raise error.within(name) from None
        return Data(Tag.STRUCTURE, tuple(items))


class ChoiceType(DataType[V]):
    """One of several types; the concrete one is told by the tag, or, for structures, by what fits.

    A Python value is written in the type of the value before it, else in the only type it fits, or, with
    `prefer_first`, the first one. Where several fit, `EncodeError` asks for `Data`.
    """

    __slots__ = ("_by_tag", "alternatives", "prefer_first")

    def __init__(self, alternatives: tuple[DataType[Any], ...], *, prefer_first: bool = False) -> None:
        inside = ", ".join(alternative.notation for alternative in alternatives)
        super().__init__(f"choice{{{inside}}}", *(tag for a in alternatives for tag in a.tags))
        self.alternatives = alternatives
        self.prefer_first = prefer_first
        self._by_tag = {tag: tuple(a for a in alternatives if tag in a.tags) for tag in self.tags}

    def _decode(self, data: Data) -> V:
        value: V = self._of(data).from_data(data)
        return value

    def _check(self, data: Data) -> None:
        self._of(data).check(data)

    def _of(self, data: Data) -> DataType[Any]:
        found = self._by_tag.get(data.tag)
        if found is None:
            raise self._mismatch(data)
        if len(found) == 1:
            return found[0]
        for alternative in found:
            try:
                alternative.check(data)
            except TypeMismatch:
                continue
            return alternative
        raise self._mismatch(data)

    def _encode(self, value: V, like: Data | None) -> Data:
        if like is not None and like.tag in self.tags:
            try:
                return self._of(like).to_data(value, like)
            except (EncodeError, TypeMismatch):
                pass  # the new value is of another type than the one before it
        fitting = []
        for alternative in self.alternatives:
            try:
                fitting.append(alternative.to_data(value))
            except (EncodeError, TypeMismatch):
                continue
        if not fitting:
            raise self._refuse(value)
        if len(fitting) > 1 and not self.prefer_first:
            names = ", ".join(data.tag.label for data in fitting)
            raise EncodeError(f"a {type(value).__name__} can be one of {names}: give it as Data of the type you mean")
        return fitting[0]


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


class LenientType(DataType[V]):
    """`declared`, but read from the types in `also` as well, which meters in the field send instead."""

    __slots__ = ("_read", "declared")

    def __init__(self, declared: DataType[V], also: tuple[DataType[Any], ...]) -> None:
        super().__init__(declared.notation, *declared.tags)
        self.declared = declared
        self._read = {tag: kind for kind in (*also, declared) for tag in kind.tags}

    def _decode(self, data: Data) -> V:
        value: V = self._read.get(data.tag, self.declared).from_data(data)
        return value

    def _check(self, data: Data) -> None:
        self.declared.check(data)

    def _encode(self, value: V, like: Data | None) -> Data:
        return self.declared.to_data(value, like)


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


def elements(data: Data, expected: DataType[Any]) -> tuple[Data, ...]:
    """Return the elements of an array or compact-array; raise `TypeMismatch` for anything else."""
    if data.tag is Tag.ARRAY:
        items: tuple[Data, ...] = data.value
        return items
    if data.tag is Tag.COMPACT_ARRAY and isinstance(data.value, CompactArray):
        return tuple(data.value.values)
    raise TypeMismatch(expected.notation, data.tag.label)


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
    if isinstance(value, bytes) and _MOMENT_TAGS.get(len(value)) is like.tag:  # moments in rows are octets
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


def enum(members: type[E]) -> EnumType[E]:
    """Return enum with the codes of `members` (an `OpenEnum` or `Unit`, which keep unknown codes)."""
    return EnumType(members)


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
