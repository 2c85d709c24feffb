"""ACTION: invoke methods (Green Book 9.3.8 and 9.5; tags C3 and C7)."""

from __future__ import annotations

from struct import Struct
from typing import ClassVar, NamedTuple

from cosem.apdu.base import MethodDescriptor, Parsed
from cosem.apdu.fields import (
    ACTION_RESULTS,
    DATA_ACCESS_RESULTS,
    DESCRIPTOR_SIZE,
    Apdu,
    DataBlock,
    block_octets,
    count_at,
    data_at,
    descriptor,
    last_block,
    last_data,
    last_values,
    method_at,
    methods_at,
    methods_octets,
    parsed,
    some,
    trailing,
    unknown_choice,
    values_octets,
)
from cosem.codec.axdr import encode_length
from cosem.errors import DecodeError
from cosem.results import ActionResult, DataAccessResult

_new = tuple.__new__
_pack_head = Struct(">HB").pack  # tag and choice, invoke
_pack_number = Struct(">HBI").pack  # tag and choice, invoke, block number
_unpack_number = Struct(">I").unpack_from


class _ActionRequestNormal(NamedTuple):
    target: MethodDescriptor
    data: bytes | None = None


class ActionRequestNormal(Apdu, _ActionRequestNormal):
    """Invoke one method; `data` holds the A-XDR octets of its parameter, if it is given one."""

    __slots__ = ()
    service: ClassVar[str] = "action-request-normal"
    tag: ClassVar[int] = 0xC3

    def _octets(self, invoke: int | None) -> bytes:
        target, data = self
        head = _pack_head(0xC301, invoke) + descriptor(target)
        return head + b"\x00" if data is None else head + b"\x01" + (data or some(data, "parameters"))


class _ActionRequestNextPblock(NamedTuple):
    block_number: int


class ActionRequestNextPblock(Apdu, _ActionRequestNextPblock):
    """Confirm block `block_number` of a response and ask for the next one."""

    __slots__ = ()
    service: ClassVar[str] = "action-request-next-pblock"
    tag: ClassVar[int] = 0xC3

    def _octets(self, invoke: int | None) -> bytes:
        return _pack_number(0xC302, invoke, self.block_number)


class _ActionRequestWithList(NamedTuple):
    targets: tuple[MethodDescriptor, ...]
    parameters: tuple[bytes, ...]


class ActionRequestWithList(Apdu, _ActionRequestWithList):
    """Invoke several methods, one parameter each, in order (null-data where a method needs none)."""

    __slots__ = ()
    service: ClassVar[str] = "action-request-with-list"
    tag: ClassVar[int] = 0xC3

    def _octets(self, invoke: int | None) -> bytes:
        targets, parameters = self
        return _pack_head(0xC303, invoke) + methods_octets(targets) + values_octets(parameters, "parameters")


class _ActionRequestWithFirstPblock(NamedTuple):
    target: MethodDescriptor
    block: DataBlock


class ActionRequestWithFirstPblock(Apdu, _ActionRequestWithFirstPblock):
    """Begin to invoke one method whose parameter needs several blocks."""

    __slots__ = ()
    service: ClassVar[str] = "action-request-with-first-pblock"
    tag: ClassVar[int] = 0xC3

    def _octets(self, invoke: int | None) -> bytes:
        return _pack_head(0xC304, invoke) + descriptor(self.target) + block_octets(self.block)


class _ActionRequestWithListAndFirstPblock(NamedTuple):
    targets: tuple[MethodDescriptor, ...]
    block: DataBlock


class ActionRequestWithListAndFirstPblock(Apdu, _ActionRequestWithListAndFirstPblock):
    """Begin to invoke several methods whose parameters (their list) need several blocks."""

    __slots__ = ()
    service: ClassVar[str] = "action-request-with-list-and-first-pblock"
    tag: ClassVar[int] = 0xC3

    def _octets(self, invoke: int | None) -> bytes:
        return _pack_head(0xC305, invoke) + methods_octets(self.targets) + block_octets(self.block)


class _ActionRequestWithPblock(NamedTuple):
    block: DataBlock


class ActionRequestWithPblock(Apdu, _ActionRequestWithPblock):
    """Go on with a parameter, or a list of parameters, that needs several blocks."""

    __slots__ = ()
    service: ClassVar[str] = "action-request-with-pblock"
    tag: ClassVar[int] = 0xC3

    def _octets(self, invoke: int | None) -> bytes:
        return _pack_head(0xC306, invoke) + block_octets(self.block)


class ActionResponseWithOptionalData(NamedTuple):
    """The outcome of one method, and what it returned, if anything: a value, or a result in a value's place."""

    result: ActionResult | int
    data: bytes | None = None
    data_result: DataAccessResult | int | None = None


class _ActionResponseNormal(NamedTuple):
    result: ActionResult | int
    data: bytes | None = None
    data_result: DataAccessResult | int | None = None


class ActionResponseNormal(Apdu, _ActionResponseNormal):
    """The outcome of one method: fields as in `ActionResponseWithOptionalData`."""

    __slots__ = ()
    service: ClassVar[str] = "action-response-normal"
    tag: ClassVar[int] = 0xC7

    def _octets(self, invoke: int | None) -> bytes:
        result, data, data_result = self
        return _pack_head(0xC701, invoke) + _outcome_octets(result, data, data_result)


class _ActionResponseWithPblock(NamedTuple):
    block: DataBlock


class ActionResponseWithPblock(Apdu, _ActionResponseWithPblock):
    """One block of a long response."""

    __slots__ = ()
    service: ClassVar[str] = "action-response-with-pblock"
    tag: ClassVar[int] = 0xC7

    def _octets(self, invoke: int | None) -> bytes:
        return _pack_head(0xC702, invoke) + block_octets(self.block)


class _ActionResponseWithList(NamedTuple):
    results: tuple[ActionResponseWithOptionalData, ...]


class ActionResponseWithList(Apdu, _ActionResponseWithList):
    """The outcomes of several methods, in order."""

    __slots__ = ()
    service: ClassVar[str] = "action-response-with-list"
    tag: ClassVar[int] = 0xC7

    def _octets(self, invoke: int | None) -> bytes:
        outcomes = [_outcome_octets(*outcome) for outcome in self.results]
        return _pack_head(0xC703, invoke) + encode_length(len(outcomes)) + b"".join(outcomes)


class _ActionResponseNextPblock(NamedTuple):
    block_number: int


class ActionResponseNextPblock(Apdu, _ActionResponseNextPblock):
    """Block `block_number` of a request has arrived: send the next one."""

    __slots__ = ()
    service: ClassVar[str] = "action-response-next-pblock"
    tag: ClassVar[int] = 0xC7

    def _octets(self, invoke: int | None) -> bytes:
        return _pack_number(0xC704, invoke, self.block_number)


def _outcome_octets(result: int, data: bytes | None, data_result: int | None) -> bytes:
    if data is not None:
        return bytes((result, 1, 0)) + (data or some(data, "return-parameters"))
    if data_result is not None:
        return bytes((result, 1, 1, data_result))
    return bytes((result, 0))


def _parse_request(octets: bytes, checked: bool) -> Parsed:
    choice = octets[1]
    invoke = octets[2]
    service: Apdu
    if choice == 1:
        target = method_at(octets, 3)
        flag = octets[12]
        if flag == 1:
            data = last_data(octets, 13, checked, "parameters")
            return _new(Parsed, (invoke, _new(ActionRequestNormal, (target, data))))
        if flag:
            raise unknown_choice(octets, 12, "parameters flag")
        if len(octets) != 13:
            raise trailing(octets, 13)
        service = _new(ActionRequestNormal, (target, None))
    elif choice == 2:
        service = _new(ActionRequestNextPblock, _unpack_number(octets, 3))
        if len(octets) != 7:
            raise trailing(octets, 7)
    elif choice == 3:
        targets, end = methods_at(octets, 3)
        service = _new(ActionRequestWithList, (targets, last_values(octets, end, "parameters")))
    elif choice == 4:
        block = last_block(octets, 3 + DESCRIPTOR_SIZE)
        service = _new(ActionRequestWithFirstPblock, (method_at(octets, 3), block))
    elif choice == 5:
        targets, end = methods_at(octets, 3)
        service = _new(ActionRequestWithListAndFirstPblock, (targets, last_block(octets, end)))
    elif choice == 6:
        service = _new(ActionRequestWithPblock, (last_block(octets, 3),))
    else:
        raise unknown_choice(octets, 1, "action-request choice")
    return parsed(invoke, service)


def _parse_response(octets: bytes, checked: bool) -> Parsed:
    choice = octets[1]
    invoke = octets[2]
    service: Apdu
    if choice == 1:
        if not checked and octets[4:6] == b"\x01\x00":
            data = last_data(octets, 6, False, "return-parameters")
            service = _new(ActionResponseNormal, (ACTION_RESULTS[octets[3]], data, None))
        else:
            outcome, end = _outcome_at(octets, 3)
            if end != len(octets):
                raise trailing(octets, end)
            service = _new(ActionResponseNormal, outcome)
    elif choice == 2:
        service = _new(ActionResponseWithPblock, (last_block(octets, 3),))
    elif choice == 3:
        service = _new(ActionResponseWithList, (_outcomes(octets),))
    elif choice == 4:
        service = _new(ActionResponseNextPblock, _unpack_number(octets, 3))
        if len(octets) != 7:
            raise trailing(octets, 7)
    else:
        raise unknown_choice(octets, 1, "action-response choice")
    return parsed(invoke, service)


def _outcome_at(octets: bytes, offset: int) -> tuple[ActionResponseWithOptionalData, int]:
    result = ACTION_RESULTS[octets[offset]]
    flag = octets[offset + 1]
    if flag == 0:
        return _new(ActionResponseWithOptionalData, (result, None, None)), offset + 2
    if flag != 1:
        raise unknown_choice(octets, offset + 1, "return-parameters flag")
    kind = octets[offset + 2]
    if kind == 0:
        data, end = data_at(octets, offset + 3, "return-parameters")
        return _new(ActionResponseWithOptionalData, (result, data, None)), end
    if kind == 1:
        data_result = DATA_ACCESS_RESULTS[octets[offset + 3]]
        return _new(ActionResponseWithOptionalData, (result, None, data_result)), offset + 4
    raise unknown_choice(octets, offset + 2, "get-data-result choice")


def _outcomes(octets: bytes) -> tuple[ActionResponseWithOptionalData, ...]:
    count, offset = count_at(octets, 3, 2, "list-of-responses")
    outcomes = []
    for index in range(count):
        try:
            outcome, offset = _outcome_at(octets, offset)
        except DecodeError as error:
            raise error.within(f"list-of-responses[{index}]") from None
        outcomes.append(outcome)
    if offset != len(octets):
        raise trailing(octets, offset)
    return tuple(outcomes)


PARSERS = {0xC3: _parse_request, 0xC7: _parse_response}
