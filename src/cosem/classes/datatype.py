"""The kinds of types that interface classes are declared with: how each turns Python into `Data` and back."""

from __future__ import annotations

import operator
import struct
from collections.abc import Callable, Mapping
from enum import IntEnum, IntFlag
from typing import Any, Final, Generic, TypeVar

from cosem.codec.axdr import CompactArray, Data, Tag
from cosem.errors import CosemError, EncodeError

V = TypeVar("V")
E = TypeVar("E", bound=IntEnum)
F = TypeVar("F", bound=IntFlag)


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


_CAPITALS: Final = (
    "3GPP AES APDU ARQ BPSK CBCP CDMA CHAP CRC CSD D8PSK DBPSK DLMS DNS DQPSK DSCP EAP ECDH ECDSA EDGE FCS FDMA "
    "FIFO FTP GCM GMAC GPRS GPS GSM HDLC HSDPA HSUPA IEC IP LAN LCP LIFO LTE MAC MD5 MS NB PAN PAP PHY PLC PPP "
    "PSK8 PT100 PT1000 PT500 QAM16 QPSK RF RSSI SAP SHA SMS SMTP SNR TCP TLS UDP UMTS UTC VLAN VPN WAN XML"
)
_SPELT: Final = {word.lower(): word for word in _CAPITALS.split()} | {
    "coap": "CoAP", "dhcpv6": "DHCPv6", "hz": "Hz", "ipv4": "IPv4", "ipv6": "IPv6", "khz": "kHz", "xdlms": "xDLMS",
    "xdr": "XDR", "zigbee": "ZigBee", "monday": "Monday", "tuesday": "Tuesday", "wednesday": "Wednesday",
    "thursday": "Thursday", "friday": "Friday", "saturday": "Saturday", "sunday": "Sunday",
}  # fmt: skip
"""Words of names that are not written in small letters."""


def name_words(name: str) -> str:
    """Return the name of a code or bit in words: ``MAINS_FREQUENCY_50_HZ`` as ``mains frequency 50 Hz``."""
    return " ".join(_SPELT.get(word, word) for word in name.lower().split("_"))


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
        return name_words(self._name_) if self.known else f"unknown ({int(self)})"


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

    __slots__ = ("fits", "tag")

    def __init__(self, tag: Tag, fits: Callable[[Any], bool], notation: str = "") -> None:
        super().__init__(notation or tag.label, tag)
        self.tag = tag
        self.fits = fits

    def _decode(self, data: Data) -> V:
        if data.tag is not self.tag or not self.fits(data.value):
            raise self._mismatch(data)
        value: V = data.value
        return value

    def _check(self, data: Data) -> None:
        if data.tag is not self.tag or not self.fits(data.value):
            raise self._mismatch(data)

    def _encode(self, value: V, like: Data | None) -> Data:
        if not self.fits(value):
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
        if data.tag not in (Tag.OCTET_STRING, MOMENT_TAGS[self.size]) or len(data.value) != self.size:
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


MOMENT_TAGS: Final = {12: Tag.DATE_TIME, 5: Tag.DATE, 4: Tag.TIME}
"""The own tag of a date-time, date or time by its number of octets."""


class EnumType(DataType[E]):
    """enum, or another type of one octet, whose codes are the members of `members`, an `OpenEnum` or `Unit`.

    Unknown codes are read and kept. A plain number is written only where it is a known code or the value so far: who
    means another one gives the member, ``ControlMode(129)``, or `Data`.
    """

    __slots__ = ("codes", "members", "tag")

    def __init__(self, members: type[E], tag: Tag = Tag.ENUM) -> None:
        super().__init__(tag.label, tag)
        self.members = members
        self.codes = frozenset(int(member) for member in members.__members__.values())
        self.tag = tag

    def _decode(self, data: Data) -> E:
        if data.tag is not self.tag:
            raise self._mismatch(data)
        return self.members(data.value)

    def _encode(self, value: E, like: Data | None) -> Data:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 255:
            raise self._refuse(value)
        if value not in self.codes and not isinstance(value, self.members) and (like is None or like.value != value):
            raise EncodeError(f"{value} is no code of {self.notation} {self.members.__name__}")
        return Data(self.tag, int(value))


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
        except (
            AttributeError,
            OverflowError,
            TypeError,
            ValueError,
        ):  # not the Python type that goes with this mapping
            raise self._refuse(value) from None
        return self.inner.to_data(inner, like)


class FlagsType(MappedType[F]):
    """A mask whose bits `members` names: an integer, or a bit-string whose leftmost bit is bit 0.

    A bit-string without a length is written as long as the value before it, else with the bits that are named.
    """

    __slots__ = ("members",)

    def __init__(self, members: type[F], inner: IntegerType | BitStringType) -> None:
        self.members = members
        if isinstance(inner, IntegerType):
            super().__init__(inner, members, operator.index)
            return
        named = max(flag.value for flag in members).bit_length()

        def unwrap(value: F) -> str:
            if value < 0 or (inner.length is not None and value >> inner.length):
                raise ValueError(f"not a mask of {inner.notation}")
            return f"{operator.index(value):0{inner.length or named}b}"[::-1]

        super().__init__(inner, lambda bits: members(int(bits[::-1] or "0", 2)), unwrap)

    def _encode(self, value: F, like: Data | None) -> Data:
        data = super()._encode(value, like)
        if like is None or like.tag is not Tag.BIT_STRING or data.tag is not Tag.BIT_STRING:
            return data
        return Data(data.tag, data.value.rstrip("0").ljust(len(like.value), "0"))


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
            if isinstance(alternative, PlainType) and not alternative.fits(value):
                continue  # an error for each of twenty simple types would cost more than all the rest
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


def elements(data: Data, expected: DataType[Any]) -> tuple[Data, ...]:
    """Return the elements of an array or compact-array; raise `TypeMismatch` for anything else."""
    if data.tag is Tag.ARRAY:
        items: tuple[Data, ...] = data.value
        return items
    if data.tag is Tag.COMPACT_ARRAY and isinstance(data.value, CompactArray):
        return tuple(data.value.values)
    raise TypeMismatch(expected.notation, data.tag.label)
