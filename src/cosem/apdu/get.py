"""GET: read attributes (Green Book 9.3.6 and 9.5; tags C0 and C4)."""

from __future__ import annotations

from struct import Struct
from typing import ClassVar, NamedTuple

from cosem.apdu.base import AttributeDescriptor, Parsed, SelectiveAccess
from cosem.apdu.fields import (
    DATA_ACCESS_RESULTS,
    Apdu,
    attributes_at,
    attributes_octets,
    count_at,
    data_at,
    descriptor,
    last_data,
    last_octets,
    parsed,
    selection_at,
    selection_octets,
    some,
    trailing,
    unknown_choice,
)
from cosem.codec.axdr import encode_length, encode_octets
from cosem.errors import DecodeError
from cosem.obis import Obis
from cosem.results import DataAccessResult

_SUCCESS = DataAccessResult.SUCCESS

_new = tuple.__new__
_octets_of = bytes.__new__
_pack_head = Struct(">HB").pack  # tag and choice, invoke
_pack_number = Struct(">HBI").pack  # tag and choice, invoke, block number
_pack_plain_request = Struct(">HBH6sbB").pack  # tag and choice, invoke, descriptor, no selection
_unpack_target = Struct(">xxBH6sb").unpack_from
_unpack_number = Struct(">I").unpack_from
_pack_response = Struct(">HBB").pack  # tag and choice, invoke, data or result
_pack_block = Struct(">HBBIB").pack  # tag and choice, invoke, last, number, raw or result
_unpack_block = Struct(">xxBBIB").unpack_from


class _GetRequestNormal(NamedTuple):
    target: AttributeDescriptor
    selection: SelectiveAccess | None = None


class GetRequestNormal(Apdu, _GetRequestNormal):
    """Ask for one attribute, or for the part of it that `selection` names."""

    __slots__ = ()
    service: ClassVar[str] = "get-request-normal"
    tag: ClassVar[int] = 0xC0

    def _octets(self, invoke: int | None) -> bytes:
        (class_id, instance, attribute), selection = self
        if selection is None and len(instance) == 6:
            return _pack_plain_request(0xC001, invoke, class_id, instance, attribute, 0)
        return _pack_head(0xC001, invoke) + descriptor(self.target) + selection_octets(selection)


class _GetRequestNext(NamedTuple):
    block_number: int


class GetRequestNext(Apdu, _GetRequestNext):
    """Confirm block `block_number` of a response and ask for the next one."""

    __slots__ = ()
    service: ClassVar[str] = "get-request-next"
    tag: ClassVar[int] = 0xC0

    def _octets(self, invoke: int | None) -> bytes:
        return _pack_number(0xC002, invoke, self.block_number)


class _GetRequestWithList(NamedTuple):
    targets: tuple[tuple[AttributeDescriptor, SelectiveAccess | None], ...]


class GetRequestWithList(Apdu, _GetRequestWithList):
    """Ask for several attributes at once, each with or without a selection."""

    __slots__ = ()
    service: ClassVar[str] = "get-request-with-list"
    tag: ClassVar[int] = 0xC0

    def _octets(self, invoke: int | None) -> bytes:
        return _pack_head(0xC003, invoke) + attributes_octets(self.targets)


class _GetResponseNormal(NamedTuple):
    data: bytes | None = None
    result: DataAccessResult | int = _SUCCESS


class GetResponseNormal(Apdu, _GetResponseNormal):
    """The A-XDR octets of the value, or (`data` None) the result that stands in its place."""

    __slots__ = ()
    service: ClassVar[str] = "get-response-normal"
    tag: ClassVar[int] = 0xC4

    def _octets(self, invoke: int | None) -> bytes:
        data, result = self
        if data is None:
            return _pack_response(0xC401, invoke, 1) + bytes((result,))
        return _pack_response(0xC401, invoke, 0) + (data or some(data, "data"))


class _GetResponseWithDatablock(NamedTuple):
    last: bool
    block_number: int
    raw: bytes | None = None
    result: DataAccessResult | int = _SUCCESS


class GetResponseWithDatablock(Apdu, _GetResponseWithDatablock):
    """One block of a long response, or (`raw` None) the result that ends the transfer."""

    __slots__ = ()
    service: ClassVar[str] = "get-response-with-datablock"
    tag: ClassVar[int] = 0xC4

    def _octets(self, invoke: int | None) -> bytes:
        last, number, raw, result = self
        if raw is None:
            return _pack_block(0xC402, invoke, bool(last), number, 1) + bytes((result,))
        return _pack_block(0xC402, invoke, bool(last), number, 0) + encode_octets(raw)


class _GetResponseWithList(NamedTuple):
    results: tuple[bytes | DataAccessResult | int, ...]


class GetResponseWithList(Apdu, _GetResponseWithList):
    """In the order asked: for each attribute the A-XDR octets of its value, or a result code."""

    __slots__ = ()
    service: ClassVar[str] = "get-response-with-list"
    tag: ClassVar[int] = 0xC4

    def _octets(self, invoke: int | None) -> bytes:
        parts = [_pack_head(0xC403, invoke), encode_length(len(self.results))]
        for item in self.results:
            parts += (b"\x01", bytes((item,))) if isinstance(item, int) else (b"\x00", some(item, "data"))
        return b"".join(parts)


def _parse_request(octets: bytes, checked: bool) -> Parsed:
    choice = octets[1]
    if choice == 1:
        invoke, class_id, instance, attribute = _unpack_target(octets)
        target = _new(AttributeDescriptor, (class_id, _octets_of(Obis, instance), attribute))
        selection = None
        end = 13
        if octets[12]:
            selection, end = selection_at(octets, 12)
        if end != len(octets):
            raise trailing(octets, end)
        return _new(Parsed, (invoke, _new(GetRequestNormal, (target, selection))))
    invoke = octets[2]
    if choice == 2:
        (number,) = _unpack_number(octets, 3)
        if len(octets) != 7:
            raise trailing(octets, 7)
        return parsed(invoke, _new(GetRequestNext, (number,)))
    if choice == 3:
        targets, end = attributes_at(octets, 3)
        if end != len(octets):
            raise trailing(octets, end)
        return parsed(invoke, _new(GetRequestWithList, (targets,)))
    raise unknown_choice(octets, 1, "get-request choice")


def _parse_response(octets: bytes, checked: bool) -> Parsed:
    choice = octets[1]
    invoke = octets[2]
    if choice == 1:
        kind = octets[3]
        if kind == 0:
            data = last_data(octets, 4, checked, "data")
            return _new(Parsed, (invoke, _new(GetResponseNormal, (data, _SUCCESS))))
        if kind != 1:
            raise unknown_choice(octets, 3, "get-data-result choice")
        result = DATA_ACCESS_RESULTS[octets[4]]
        if len(octets) != 5:
            raise trailing(octets, 5)
        return parsed(invoke, _new(GetResponseNormal, (None, result)))
    if choice == 2:
        invoke, last, number, kind = _unpack_block(octets)
        if kind == 0:
            raw = last_octets(octets, 9, "raw-data")
            return parsed(invoke, _new(GetResponseWithDatablock, (last != 0, number, raw, _SUCCESS)))
        if kind != 1:
            raise unknown_choice(octets, 8, "data block result choice")
        result = DATA_ACCESS_RESULTS[octets[9]]
        if len(octets) != 10:
            raise trailing(octets, 10)
        return parsed(invoke, _new(GetResponseWithDatablock, (last != 0, number, None, result)))
    if choice == 3:
        return parsed(invoke, _new(GetResponseWithList, (_results(octets),)))
    raise unknown_choice(octets, 1, "get-response choice")


def _results(octets: bytes) -> tuple[bytes | DataAccessResult | int, ...]:
    count, offset = count_at(octets, 3, 2, "result")
    results: list[bytes | DataAccessResult | int] = []
    for index in range(count):
        kind = octets[offset]
        if kind == 0:
            data, offset = data_at(octets, offset + 1, f"result[{index}]")
            results.append(data)
        elif kind == 1:
            results.append(DATA_ACCESS_RESULTS[octets[offset + 1]])
            offset += 2
        else:
            raise DecodeError(f"get-data-result choice {kind:02X} does not exist", offset, (f"result[{index}]",))
    if offset != len(octets):
        raise trailing(octets, offset)
    return tuple(results)


PARSERS = {0xC0: _parse_request, 0xC4: _parse_response}
