"""SET: write attributes (Green Book 9.3.7 and 9.5; tags C1 and C5)."""

from __future__ import annotations

from struct import Struct
from typing import ClassVar, NamedTuple

from cosem.apdu.base import AttributeDescriptor, Parsed, SelectiveAccess
from cosem.apdu.fields import (
    DATA_ACCESS_RESULTS,
    DESCRIPTOR_SIZE,
    Apdu,
    DataBlock,
    attribute_at,
    attributes_at,
    attributes_octets,
    block_octets,
    codes_octets,
    count_at,
    descriptor,
    last_block,
    last_data,
    last_values,
    parsed,
    selection_at,
    selection_octets,
    some,
    trailing,
    unknown_choice,
    values_octets,
)
from cosem.results import DataAccessResult

_new = tuple.__new__
_pack_head = Struct(">HB").pack  # tag and choice, invoke
_pack_number = Struct(">HBI").pack  # tag and choice, invoke, block number
_pack_result = Struct(">HBB").pack  # tag and choice, invoke, result
_pack_result_number = Struct(">HBBI").pack  # tag and choice, invoke, result, block number
_unpack_number = Struct(">I").unpack_from


class _SetRequestNormal(NamedTuple):
    target: AttributeDescriptor
    selection: SelectiveAccess | None
    data: bytes


class SetRequestNormal(Apdu, _SetRequestNormal):
    """Write one attribute, or the part of it that `selection` names."""

    __slots__ = ()
    service: ClassVar[str] = "set-request-normal"
    tag: ClassVar[int] = 0xC1

    def _octets(self, invoke: int | None) -> bytes:
        target, selection, data = self
        return (
            _pack_head(0xC101, invoke)
            + descriptor(target)
            + selection_octets(selection)
            + (data or some(data, "value"))
        )


class _SetRequestWithFirstDatablock(NamedTuple):
    target: AttributeDescriptor
    selection: SelectiveAccess | None
    block: DataBlock


class SetRequestWithFirstDatablock(Apdu, _SetRequestWithFirstDatablock):
    """Begin to write one attribute whose value needs several blocks."""

    __slots__ = ()
    service: ClassVar[str] = "set-request-with-first-datablock"
    tag: ClassVar[int] = 0xC1

    def _octets(self, invoke: int | None) -> bytes:
        target, selection, block = self
        return _pack_head(0xC102, invoke) + descriptor(target) + selection_octets(selection) + block_octets(block)


class _SetRequestWithDatablock(NamedTuple):
    block: DataBlock


class SetRequestWithDatablock(Apdu, _SetRequestWithDatablock):
    """Go on with a value, or a list of values, that needs several blocks."""

    __slots__ = ()
    service: ClassVar[str] = "set-request-with-datablock"
    tag: ClassVar[int] = 0xC1

    def _octets(self, invoke: int | None) -> bytes:
        return _pack_head(0xC103, invoke) + block_octets(self.block)


class _SetRequestWithList(NamedTuple):
    targets: tuple[tuple[AttributeDescriptor, SelectiveAccess | None], ...]
    values: tuple[bytes, ...]


class SetRequestWithList(Apdu, _SetRequestWithList):
    """Write several attributes at once: one value per target, in order (the receiver compares the two numbers)."""

    __slots__ = ()
    service: ClassVar[str] = "set-request-with-list"
    tag: ClassVar[int] = 0xC1

    def _octets(self, invoke: int | None) -> bytes:
        return _pack_head(0xC104, invoke) + attributes_octets(self.targets) + values_octets(self.values, "value-list")


class _SetRequestWithListAndFirstDatablock(NamedTuple):
    targets: tuple[tuple[AttributeDescriptor, SelectiveAccess | None], ...]
    block: DataBlock


class SetRequestWithListAndFirstDatablock(Apdu, _SetRequestWithListAndFirstDatablock):
    """Begin to write several attributes whose values (their list) need several blocks."""

    __slots__ = ()
    service: ClassVar[str] = "set-request-with-list-and-first-datablock"
    tag: ClassVar[int] = 0xC1

    def _octets(self, invoke: int | None) -> bytes:
        return _pack_head(0xC105, invoke) + attributes_octets(self.targets) + block_octets(self.block)


class _SetResponseNormal(NamedTuple):
    result: DataAccessResult | int


class SetResponseNormal(Apdu, _SetResponseNormal):
    """The result of writing one attribute."""

    __slots__ = ()
    service: ClassVar[str] = "set-response-normal"
    tag: ClassVar[int] = 0xC5

    def _octets(self, invoke: int | None) -> bytes:
        return _pack_result(0xC501, invoke, self.result)


class _SetResponseDatablock(NamedTuple):
    block_number: int


class SetResponseDatablock(Apdu, _SetResponseDatablock):
    """Block `block_number` has arrived: send the next one."""

    __slots__ = ()
    service: ClassVar[str] = "set-response-datablock"
    tag: ClassVar[int] = 0xC5

    def _octets(self, invoke: int | None) -> bytes:
        return _pack_number(0xC502, invoke, self.block_number)


class _SetResponseLastDatablock(NamedTuple):
    result: DataAccessResult | int
    block_number: int


class SetResponseLastDatablock(Apdu, _SetResponseLastDatablock):
    """The last block has arrived (or the transfer is broken off), with this result."""

    __slots__ = ()
    service: ClassVar[str] = "set-response-last-datablock"
    tag: ClassVar[int] = 0xC5

    def _octets(self, invoke: int | None) -> bytes:
        return _pack_result_number(0xC503, invoke, self.result, self.block_number)


class _SetResponseLastDatablockWithList(NamedTuple):
    results: tuple[DataAccessResult | int, ...]
    block_number: int


class SetResponseLastDatablockWithList(Apdu, _SetResponseLastDatablockWithList):
    """The last block of a list of values has arrived, with these results."""

    __slots__ = ()
    service: ClassVar[str] = "set-response-last-datablock-with-list"
    tag: ClassVar[int] = 0xC5

    def _octets(self, invoke: int | None) -> bytes:
        return _pack_head(0xC504, invoke) + codes_octets(self.results) + self.block_number.to_bytes(4, "big")


class _SetResponseWithList(NamedTuple):
    results: tuple[DataAccessResult | int, ...]


class SetResponseWithList(Apdu, _SetResponseWithList):
    """The results of writing several attributes, in order."""

    __slots__ = ()
    service: ClassVar[str] = "set-response-with-list"
    tag: ClassVar[int] = 0xC5

    def _octets(self, invoke: int | None) -> bytes:
        return _pack_head(0xC505, invoke) + codes_octets(self.results)


def _parse_request(octets: bytes, checked: bool) -> Parsed:
    choice = octets[1]
    invoke = octets[2]
    service: Apdu
    if choice == 1:
        target = attribute_at(octets, 3)
        if octets[12]:
            selection, end = selection_at(octets, 12)
        else:
            selection, end = None, 13
        data = last_data(octets, end, checked, "value")
        return _new(Parsed, (invoke, _new(SetRequestNormal, (target, selection, data))))
    if choice == 2:
        target = attribute_at(octets, 3)
        selection, end = selection_at(octets, 3 + DESCRIPTOR_SIZE)
        service = _new(SetRequestWithFirstDatablock, (target, selection, last_block(octets, end)))
    elif choice == 3:
        service = _new(SetRequestWithDatablock, (last_block(octets, 3),))
    elif choice == 4:
        targets, end = attributes_at(octets, 3)
        service = _new(SetRequestWithList, (targets, last_values(octets, end, "value-list")))
    elif choice == 5:
        targets, end = attributes_at(octets, 3)
        service = _new(SetRequestWithListAndFirstDatablock, (targets, last_block(octets, end)))
    else:
        raise unknown_choice(octets, 1, "set-request choice")
    return parsed(invoke, service)


def _parse_response(octets: bytes, checked: bool) -> Parsed:
    choice = octets[1]
    invoke = octets[2]
    service: Apdu
    if choice == 1:
        service = _new(SetResponseNormal, (DATA_ACCESS_RESULTS[octets[3]],))
        end = 4
    elif choice == 2:
        service = _new(SetResponseDatablock, _unpack_number(octets, 3))
        end = 7
    elif choice == 3:
        service = _new(SetResponseLastDatablock, (DATA_ACCESS_RESULTS[octets[3]], *_unpack_number(octets, 4)))
        end = 8
    elif choice == 4:
        results, end = _results_at(octets)
        service = _new(SetResponseLastDatablockWithList, (results, *_unpack_number(octets, end)))
        end += 4
    elif choice == 5:
        results, end = _results_at(octets)
        service = _new(SetResponseWithList, (results,))
    else:
        raise unknown_choice(octets, 1, "set-response choice")
    if end != len(octets):
        raise trailing(octets, end)
    return parsed(invoke, service)


def _results_at(octets: bytes) -> tuple[tuple[DataAccessResult | int, ...], int]:
    count, start = count_at(octets, 3, 1, "result")
    end = start + count
    return tuple([DATA_ACCESS_RESULTS[code] for code in octets[start:end]]), end


PARSERS = {0xC1: _parse_request, 0xC5: _parse_response}
