"""ACCESS: several GETs, SETs and ACTIONs in one request (Green Book ed. 9, 9.3.5 and 9.5)."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from cosem.apdu.base import AttributeDescriptor, MethodDescriptor, Parsed, SelectiveAccess
from cosem.apdu.fields import (
    ACTION_RESULTS,
    DATA_ACCESS_RESULTS,
    DESCRIPTOR_SIZE,
    Apdu,
    attribute_at,
    count_at,
    data_at,
    descriptor,
    method_at,
    octets_at,
    parsed,
    selection_octets,
    trailing,
    unknown_choice,
    values_octets,
)
from cosem.codec.axdr import encode_length, encode_octets
from cosem.errors import DecodeError, EncodeError
from cosem.results import ActionResult, DataAccessResult

GET, SET, ACTION, GET_WITH_SELECTION, SET_WITH_SELECTION = 1, 2, 3, 4, 5


class AccessSpecification(NamedTuple):
    """One access: `kind` 1 get, 2 set, 3 action, 4 get with selection, 5 set with selection."""

    kind: int
    target: AttributeDescriptor | MethodDescriptor
    selection: SelectiveAccess | None = None


class AccessResult(NamedTuple):
    """What became of one access: `kind` 1 get, 2 set, 3 action."""

    kind: int
    result: DataAccessResult | ActionResult | int


class _Request(NamedTuple):
    specs: tuple[AccessSpecification, ...]
    values: tuple[bytes, ...]
    date_time: bytes = b""


class AccessRequest(Apdu, _Request):
    """Access several attributes and methods; every specification has its Data in `values` (null-data for a GET)."""

    __slots__ = ()
    service: ClassVar[str] = "access-request"
    tag: ClassVar[int] = 0xD9

    def _octets(self, invoke: int | None) -> bytes:
        return _head(0xD9, invoke, self.date_time) + _specs_octets(self.specs) + values_octets(self.values, "data")


class _Response(NamedTuple):
    values: tuple[bytes, ...]
    results: tuple[AccessResult, ...]
    specs: tuple[AccessSpecification, ...] | None = None
    date_time: bytes = b""


class AccessResponse(Apdu, _Response):
    """One value and one result per access; `specs` repeat the request where the server sends them."""

    __slots__ = ()
    service: ClassVar[str] = "access-response"
    tag: ClassVar[int] = 0xDA

    def _octets(self, invoke: int | None) -> bytes:
        specs = b"\x00" if self.specs is None else b"\x01" + _specs_octets(self.specs)
        results = encode_length(len(self.results)) + b"".join(bytes((kind, code)) for kind, code in self.results)
        return _head(0xDA, invoke, self.date_time) + specs + values_octets(self.values, "data") + results


def _head(tag: int, invoke: int | None, date_time: bytes) -> bytes:
    if invoke is None:
        raise EncodeError("a long invoke-id is needed")
    return bytes((tag,)) + invoke.to_bytes(4, "big") + encode_octets(date_time)


def _specs_octets(specs: tuple[AccessSpecification, ...]) -> bytes:
    parts = [encode_length(len(specs))]
    for kind, target, selection in specs:
        parts.append(bytes((kind,)) + descriptor(target))
        if kind in (GET_WITH_SELECTION, SET_WITH_SELECTION):
            # No presence flag here: the kind says that a selection follows.
            parts.append(selection_octets(selection)[1:])
    return b"".join(parts)


def _specs_at(octets: bytes, offset: int) -> tuple[tuple[AccessSpecification, ...], int]:
    count, offset = count_at(octets, offset, DESCRIPTOR_SIZE + 1, "access-request-specification")
    specs = []
    for _ in range(count):
        kind = octets[offset]
        offset += 1
        if kind == ACTION:
            specs.append(AccessSpecification(kind, method_at(octets, offset)))
            offset += DESCRIPTOR_SIZE
        elif kind in (GET, SET, GET_WITH_SELECTION, SET_WITH_SELECTION):
            target = attribute_at(octets, offset)
            offset += DESCRIPTOR_SIZE
            selection = None
            if kind > ACTION:
                selector = octets[offset]
                data, offset = data_at(octets, offset + 1, "access-parameters")
                selection = SelectiveAccess(selector, data)
            specs.append(AccessSpecification(kind, target, selection))
        else:
            raise unknown_choice(octets, offset - 1, "access-request-specification choice")
    return tuple(specs), offset


def _values_at(octets: bytes, offset: int) -> tuple[tuple[bytes, ...], int]:
    count, offset = count_at(octets, offset, 1, "data")
    values = []
    for index in range(count):
        value, offset = data_at(octets, offset, f"data[{index}]")
        values.append(value)
    return tuple(values), offset


def _head_at(octets: bytes) -> tuple[int, bytes, int]:
    if len(octets) < 5:
        raise DecodeError("the octets end too early", len(octets))
    date_time, offset = octets_at(octets, 5, "date-time")
    if len(date_time) not in (0, 12):
        raise DecodeError(f"a date-time has 0 or 12 octets, not {len(date_time)}", 5, ("date-time",))
    return int.from_bytes(octets[1:5], "big"), date_time, offset


def _parse_request(octets: bytes, checked: bool) -> Parsed:
    invoke, date_time, offset = _head_at(octets)
    specs, offset = _specs_at(octets, offset)
    values, end = _values_at(octets, offset)
    if end != len(octets):
        raise trailing(octets, end)
    return parsed(invoke, AccessRequest(specs, values, date_time))


def _parse_response(octets: bytes, checked: bool) -> Parsed:
    invoke, date_time, offset = _head_at(octets)
    specs = None
    flag = octets[offset]
    offset += 1
    if flag == 1:
        specs, offset = _specs_at(octets, offset)
    elif flag:
        raise unknown_choice(octets, offset - 1, "presence flag")
    values, offset = _values_at(octets, offset)
    count, offset = count_at(octets, offset, 2, "access-response-specification")
    results = []
    for _ in range(count):
        kind, code = octets[offset], octets[offset + 1]
        if kind not in (GET, SET, ACTION):
            raise unknown_choice(octets, offset, "access-response-specification choice")
        results.append(AccessResult(kind, (ACTION_RESULTS if kind == ACTION else DATA_ACCESS_RESULTS)[code]))
        offset += 2
    if offset != len(octets):
        raise trailing(octets, offset)
    return parsed(invoke, AccessResponse(values, tuple(results), specs, date_time))


PARSERS = {0xD9: _parse_request, 0xDA: _parse_response}
