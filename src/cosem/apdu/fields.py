"""What the files of this room share: the base of every service class, and the fields that several services have.

Readers take the whole APDU and an offset and give ``(value, offset behind it)``. They may let `IndexError` and
`struct.error` through: `cosem.apdu.dispatch.parse` turns both into the one `DecodeError` that says the octets end
too early. Values are built with ``tuple.__new__``, half the price of the class call, because parsing is hot.
"""

from __future__ import annotations

from struct import Struct
from struct import error as StructError  # noqa: N812 - a class, though the standard library writes it small
from typing import ClassVar, NamedTuple, TypeVar

from cosem.apdu.base import AttributeDescriptor, MethodDescriptor, Parsed, SelectiveAccess
from cosem.codec.axdr import decode_length, decode_octets, encode_length, encode_octets, skip
from cosem.errors import DecodeError, EncodeError
from cosem.obis import Obis
from cosem.results import ActionResult, DataAccessResult

E = TypeVar("E", bound=int)


class Apdu:
    """Base of every service class: a tuple that equals only tuples of its own class.

    Concrete classes are ``class Name(Apdu, _NameFields)`` over a `NamedTuple` of the fields: frozen, without a
    dictionary, and the cheapest object that has names.
    """

    __slots__ = ()
    service: ClassVar[str]
    tag: ClassVar[int]

    def encode(self, invoke: int | None = None) -> bytes:
        """Return the octets; `invoke` is needed by the families that have one. Raises `EncodeError`."""
        try:
            return self._octets(invoke)
        except (StructError, ValueError, OverflowError) as error:
            if invoke is None:
                raise EncodeError("an invoke-id is needed, or a field is out of its range", (self.service,)) from None
            raise EncodeError(f"a field is out of its range ({error})", (self.service,)) from None
        except EncodeError as error:
            raise error.within(self.service) from None

    def _octets(self, invoke: int | None) -> bytes:
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return super().__hash__()


class DataBlock(NamedTuple):
    """DataBlock-SA: one block of a service block transfer. `raw` is a slice of the octets being transferred."""

    last: bool
    number: int
    raw: bytes


# --- result codes ----------------------------------------------------------------------------------------------


def code_table(enum: type[E]) -> tuple[E | int, ...]:
    """Return 256 results by code: members of `enum` where it knows them, the plain code otherwise."""
    known = {int(member): member for member in enum.__members__.values()}  # type: ignore[attr-defined]
    return tuple(known.get(code, code) for code in range(256))


DATA_ACCESS_RESULTS: tuple[DataAccessResult | int, ...] = code_table(DataAccessResult)
ACTION_RESULTS: tuple[ActionResult | int, ...] = code_table(ActionResult)

# --- errors ----------------------------------------------------------------------------------------------------


def trailing(octets: bytes, offset: int) -> DecodeError:
    """Return the error for octets that nothing explains behind `offset`."""
    count = len(octets) - offset
    return DecodeError("1 octet too many" if count == 1 else f"{count} octets too many", offset)


def unknown_choice(octets: bytes, offset: int, what: str) -> DecodeError:
    """Return the error for a CHOICE, flag or tag octet that does not exist."""
    return DecodeError(f"{what} {octets[offset]:02X} does not exist", offset)


def too_early(octets: bytes) -> DecodeError:
    """Return the error for octets that end inside a field."""
    return DecodeError("the octets end too early", len(octets))


# --- reading ---------------------------------------------------------------------------------------------------

_new = tuple.__new__
_octets_of = bytes.__new__
_DESCRIPTOR = Struct(">H6sb")
_BLOCK_HEAD = Struct(">BI")
_unpack_descriptor = _DESCRIPTOR.unpack_from
_pack_descriptor = _DESCRIPTOR.pack
_pack_block_head = _BLOCK_HEAD.pack

DESCRIPTOR_SIZE = _DESCRIPTOR.size


def parsed(invoke: int | None, service: Apdu) -> Parsed:
    """Return `Parsed(invoke, service)` without the price of the class call."""
    return _new(Parsed, (invoke, service))


def attribute_at(octets: bytes, offset: int) -> AttributeDescriptor:
    """Read a Cosem-Attribute-Descriptor (9 octets)."""
    class_id, instance, attribute = _unpack_descriptor(octets, offset)
    return _new(AttributeDescriptor, (class_id, _octets_of(Obis, instance), attribute))


def method_at(octets: bytes, offset: int) -> MethodDescriptor:
    """Read a Cosem-Method-Descriptor (9 octets)."""
    class_id, instance, method = _unpack_descriptor(octets, offset)
    return _new(MethodDescriptor, (class_id, _octets_of(Obis, instance), method))


def selection_at(octets: bytes, offset: int) -> tuple[SelectiveAccess | None, int]:
    """Read an optional Selective-Access-Descriptor, its presence flag first."""
    flag = octets[offset]
    if flag == 0:
        return None, offset + 1
    if flag != 1:
        raise unknown_choice(octets, offset, "access-selection flag")
    selector = octets[offset + 1]
    data, end = data_at(octets, offset + 2, "access-parameters")
    return _new(SelectiveAccess, (selector, data)), end


def data_at(octets: bytes, offset: int, name: str) -> tuple[bytes, int]:
    """Read one Data, checked but not decoded; give its octets."""
    try:
        end = skip(octets, offset)
    except DecodeError as error:
        raise error.within(name) from None
    return octets[offset:end], end


def last_data(octets: bytes, offset: int, checked: bool, name: str) -> bytes:
    """Read the Data that ends the APDU; walk through it only if `checked`."""
    data = octets[offset:]
    if checked:
        try:
            end = skip(octets, offset)
        except DecodeError as error:
            raise error.within(name) from None
        if end != len(octets):
            raise trailing(octets, end)
    elif not data:
        raise too_early(octets).within(name)
    return data


def octets_at(octets: bytes, offset: int, name: str) -> tuple[bytes, int]:
    """Read an OCTET STRING: a length and as many octets."""
    try:
        return decode_octets(octets, offset, len(octets))
    except DecodeError as error:
        raise error.within(name) from None


def last_octets(octets: bytes, offset: int, name: str) -> bytes:
    """Read the OCTET STRING that ends the APDU."""
    if offset < len(octets) and octets[offset] == len(octets) - offset - 1 < 0x80:
        return octets[offset + 1 :]
    value, end = octets_at(octets, offset, name)
    if end != len(octets):
        raise trailing(octets, end)
    return value


def last_block(octets: bytes, offset: int) -> DataBlock:
    """Read the DataBlock-SA that ends the APDU."""
    last, number = _BLOCK_HEAD.unpack_from(octets, offset)
    return _new(DataBlock, (last != 0, number, last_octets(octets, offset + 5, "raw-data")))


def count_at(octets: bytes, offset: int, smallest: int, name: str) -> tuple[int, int]:
    """Read the number of elements of a SEQUENCE OF whose elements take at least `smallest` octets each.

    A count that the octets left cannot hold is refused here, before anything is made for it.
    """
    count, start = decode_length(octets, offset, len(octets))
    if count * smallest > len(octets) - start:
        raise DecodeError(f"{count} elements are announced, there is no room for them", offset, (name,))
    return count, start


def attributes_at(
    octets: bytes, offset: int
) -> tuple[tuple[tuple[AttributeDescriptor, SelectiveAccess | None], ...], int]:
    """Read a list of Cosem-Attribute-Descriptor-With-Selection."""
    count, offset = count_at(octets, offset, DESCRIPTOR_SIZE + 1, "attribute-descriptor-list")
    targets = []
    for _ in range(count):
        target = attribute_at(octets, offset)
        selection, offset = selection_at(octets, offset + DESCRIPTOR_SIZE)
        targets.append((target, selection))
    return tuple(targets), offset


def methods_at(octets: bytes, offset: int) -> tuple[tuple[MethodDescriptor, ...], int]:
    """Read a list of Cosem-Method-Descriptor."""
    count, offset = count_at(octets, offset, DESCRIPTOR_SIZE, "method-descriptor-list")
    end = offset + count * DESCRIPTOR_SIZE
    return tuple(method_at(octets, at) for at in range(offset, end, DESCRIPTOR_SIZE)), end


def last_values(octets: bytes, offset: int, name: str) -> tuple[bytes, ...]:
    """Read the list of Data that ends the APDU. Always walked through: nothing else tells where one ends."""
    count, offset = count_at(octets, offset, 1, name)
    values = []
    for index in range(count):
        value, offset = data_at(octets, offset, f"{name}[{index}]")
        values.append(value)
    if offset != len(octets):
        raise trailing(octets, offset)
    return tuple(values)


# --- writing ---------------------------------------------------------------------------------------------------


def descriptor(target: AttributeDescriptor | MethodDescriptor) -> bytes:
    """Encode an attribute or a method descriptor."""
    class_id, instance, number = target
    if len(instance) != 6:
        raise EncodeError(f"a logical name has 6 octets, not {len(instance)}", ("instance-id",))
    return _pack_descriptor(class_id, instance, number)


def selection_octets(selection: SelectiveAccess | None) -> bytes:
    """Encode an optional Selective-Access-Descriptor, its presence flag first."""
    if selection is None:
        return b"\x00"
    selector, parameters = selection
    return b"\x01" + bytes((selector,)) + some(parameters, "access-parameters")


def some(data: bytes, name: str) -> bytes:
    """Return `data`, which must be there: an empty string is no Data."""
    if not data:
        raise EncodeError("no octets are no Data", (name,))
    return data


def block_octets(block: DataBlock) -> bytes:
    """Encode a DataBlock-SA."""
    last, number, raw = block
    return _pack_block_head(bool(last), number) + encode_octets(raw)


def attributes_octets(targets: tuple[tuple[AttributeDescriptor, SelectiveAccess | None], ...]) -> bytes:
    """Encode a list of attribute descriptors with selection."""
    parts = [encode_length(len(targets))]
    for target, selection in targets:
        parts += (descriptor(target), selection_octets(selection))
    return b"".join(parts)


def methods_octets(targets: tuple[MethodDescriptor, ...]) -> bytes:
    """Encode a list of method descriptors."""
    return encode_length(len(targets)) + b"".join([descriptor(target) for target in targets])


def values_octets(values: tuple[bytes, ...], name: str) -> bytes:
    """Encode a list of Data."""
    return encode_length(len(values)) + b"".join([some(value, name) for value in values])


def codes_octets(results: tuple[int, ...]) -> bytes:
    """Encode a list of one-octet result codes."""
    return encode_length(len(results)) + bytes(results)
