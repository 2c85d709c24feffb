"""Short-name services: Read, Write, UnconfirmedWrite, InformationReport (IEC 61334-4-41, Green Book ed. 9, 9.4.7).

A variable-access-specification is one of five small tuples; detailed access (choice 3) is not used by COSEM: refused.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Any, ClassVar, NamedTuple

from cosem.apdu.base import Parsed
from cosem.apdu.fields import (
    DATA_ACCESS_RESULTS,
    Apdu,
    count_at,
    data_at,
    last_values,
    octets_at,
    parsed,
    some,
    trailing,
    unknown_choice,
    values_octets,
)
from cosem.codec.axdr import encode_length, encode_octets
from cosem.errors import DecodeError, EncodeError
from cosem.results import DataAccessResult

_NUMBER = Struct(">H")
_BLOCK = Struct(">BH")

Results = tuple[Any, ...]


class VariableName(NamedTuple):
    """variable-name: the short name of an attribute or method (a multiple of 8 plus the base name)."""

    name: int


class ParameterizedAccess(NamedTuple):
    """parameterized-access: a short name with selector and the A-XDR octets of its parameter."""

    name: int
    selector: int
    parameter: bytes


class BlockNumberAccess(NamedTuple):
    """block-number-access: confirms a block of a long response and asks for the next."""

    block_number: int


class ReadDataBlockAccess(NamedTuple):
    """read-data-block-access: one block of a long request."""

    last: bool
    block_number: int
    raw: bytes


class WriteDataBlockAccess(NamedTuple):
    """write-data-block-access: announces a block of a long write."""

    last: bool
    block_number: int


class DataBlockResult(NamedTuple):
    """data-block-result: one block of a long response."""

    last: bool
    number: int
    raw: bytes


class BlockNumber(NamedTuple):
    """block-number: confirms a block of a long request."""

    number: int


Specification = VariableName | ParameterizedAccess | BlockNumberAccess | ReadDataBlockAccess | WriteDataBlockAccess


def _specification_at(octets: bytes, offset: int) -> tuple[Specification, int]:
    choice = octets[offset]
    offset += 1
    if choice == 2:
        return VariableName(*_NUMBER.unpack_from(octets, offset)), offset + 2
    if choice == 4:
        (name,) = _NUMBER.unpack_from(octets, offset)
        parameter, end = data_at(octets, offset + 3, "parameter")
        return ParameterizedAccess(name, octets[offset + 2], parameter), end
    if choice == 5:
        return BlockNumberAccess(*_NUMBER.unpack_from(octets, offset)), offset + 2
    if choice == 6:
        last, number = _BLOCK.unpack_from(octets, offset)
        raw, end = octets_at(octets, offset + 3, "raw-data")
        return ReadDataBlockAccess(last != 0, number, raw), end
    if choice == 7:
        last, number = _BLOCK.unpack_from(octets, offset)
        return WriteDataBlockAccess(last != 0, number), offset + 3
    raise unknown_choice(octets, offset - 1, "variable-access-specification choice")


def _specifications_at(octets: bytes, offset: int) -> tuple[tuple[Specification, ...], int]:
    count, offset = count_at(octets, offset, 3, "variable-access-specification")
    if not count:
        raise DecodeError("no variable-access-specification", offset)
    specs = []
    for _ in range(count):
        spec, offset = _specification_at(octets, offset)
        specs.append(spec)
    return tuple(specs), offset


def _specification_octets(spec: Specification) -> bytes:
    if isinstance(spec, VariableName):
        return b"\x02" + _NUMBER.pack(spec.name)
    if isinstance(spec, ParameterizedAccess):
        return b"\x04" + _NUMBER.pack(spec.name) + bytes((spec.selector,)) + some(spec.parameter, "parameter")
    if isinstance(spec, BlockNumberAccess):
        return b"\x05" + _NUMBER.pack(spec.block_number)
    if isinstance(spec, ReadDataBlockAccess):
        return b"\x06" + _BLOCK.pack(bool(spec.last), spec.block_number) + encode_octets(spec.raw)
    return b"\x07" + _BLOCK.pack(bool(spec.last), spec.block_number)


def _specifications_octets(specs: tuple[Specification, ...]) -> bytes:
    if not specs:
        raise EncodeError("no variable-access-specification")
    return encode_length(len(specs)) + b"".join(_specification_octets(spec) for spec in specs)


# --- requests --------------------------------------------------------------------------------------------------


class _Specs(NamedTuple):
    specs: tuple[Specification, ...]


class _SpecsAndValues(NamedTuple):
    specs: tuple[Specification, ...]
    values: tuple[bytes, ...]


class ReadRequest(Apdu, _Specs):
    """Read variables."""

    __slots__ = ()
    service: ClassVar[str] = "read-request"
    tag: ClassVar[int] = 0x05

    def _octets(self, invoke: int | None) -> bytes:
        return b"\x05" + _specifications_octets(self.specs)


class WriteRequest(Apdu, _SpecsAndValues):
    """Write variables; `values` hold A-XDR octets."""

    __slots__ = ()
    service: ClassVar[str] = "write-request"
    tag: ClassVar[int] = 0x06

    def _octets(self, invoke: int | None) -> bytes:
        return b"\x06" + _specifications_octets(self.specs) + values_octets(self.values, "data")


class UnconfirmedWriteRequest(Apdu, _SpecsAndValues):
    """Write variables, without an answer."""

    __slots__ = ()
    service: ClassVar[str] = "unconfirmed-write-request"
    tag: ClassVar[int] = 0x16

    def _octets(self, invoke: int | None) -> bytes:
        return b"\x16" + _specifications_octets(self.specs) + values_octets(self.values, "data")


class _Report(NamedTuple):
    time: bytes | None
    specs: tuple[Specification, ...]
    values: tuple[bytes, ...]


class InformationReport(Apdu, _Report):
    """A server reports variables by itself; `time` is a GeneralizedTime (text) where it gives one."""

    __slots__ = ()
    service: ClassVar[str] = "information-report-request"
    tag: ClassVar[int] = 0x18

    def _octets(self, invoke: int | None) -> bytes:
        time = b"\x00" if self.time is None else b"\x01" + encode_octets(self.time)
        return b"\x18" + time + _specifications_octets(self.specs) + values_octets(self.values, "data")


# --- responses -------------------------------------------------------------------------------------------------


class _Results(NamedTuple):
    results: Results


class ReadResponse(Apdu, _Results):
    """For each variable: A-XDR octets, a result code, a `DataBlockResult`, or a `BlockNumber`."""

    __slots__ = ()
    service: ClassVar[str] = "read-response"
    tag: ClassVar[int] = 0x0C

    def _octets(self, invoke: int | None) -> bytes:
        parts = [b"\x0c", encode_length(len(self.results))]
        for item in self.results:
            if isinstance(item, bytes):
                parts += (b"\x00", some(item, "data"))
            elif isinstance(item, int):
                parts += (b"\x01", bytes((item,)))
            elif isinstance(item, DataBlockResult):
                parts += (b"\x02", _BLOCK.pack(bool(item.last), item.number), encode_octets(item.raw))
            else:
                parts += (b"\x03", _NUMBER.pack(item.number))
        return b"".join(parts)


class WriteResponse(Apdu, _Results):
    """For each variable: a result code (0 is success), or a `BlockNumber`."""

    __slots__ = ()
    service: ClassVar[str] = "write-response"
    tag: ClassVar[int] = 0x0D

    def _octets(self, invoke: int | None) -> bytes:
        parts = [b"\x0d", encode_length(len(self.results))]
        for item in self.results:
            if isinstance(item, int):
                parts += (b"\x00",) if item == DataAccessResult.SUCCESS else (b"\x01", bytes((item,)))
            else:
                parts += (b"\x02", _NUMBER.pack(item.number))
        return b"".join(parts)


# --- parsing ---------------------------------------------------------------------------------------------------


def _parse_read(octets: bytes, checked: bool) -> Parsed:
    specs, end = _specifications_at(octets, 1)
    if end != len(octets):
        raise trailing(octets, end)
    return parsed(None, ReadRequest(specs))


def _with_values(kind: Callable[..., Apdu]) -> Callable[[bytes, bool], Parsed]:
    def parse(octets: bytes, checked: bool) -> Parsed:
        specs, offset = _specifications_at(octets, 1)
        return parsed(None, kind(specs, last_values(octets, offset, "data")))

    return parse


def _parse_report(octets: bytes, checked: bool) -> Parsed:
    time = None
    offset = 2
    if octets[1] == 1:
        time, offset = octets_at(octets, 2, "current-time")
    elif octets[1]:
        raise unknown_choice(octets, 1, "presence flag").within("current-time")
    specs, offset = _specifications_at(octets, offset)
    return parsed(None, InformationReport(time, specs, last_values(octets, offset, "data")))


def _parse_read_response(octets: bytes, checked: bool) -> Parsed:
    count, offset = count_at(octets, 1, 2, "result")
    results: list[Any] = []
    for index in range(count):
        choice = octets[offset]
        offset += 1
        if choice == 0:
            data, offset = data_at(octets, offset, f"result[{index}]")
            results.append(data)
        elif choice == 1:
            results.append(DATA_ACCESS_RESULTS[octets[offset]])
            offset += 1
        elif choice == 2:
            last, number = _BLOCK.unpack_from(octets, offset)
            raw, offset = octets_at(octets, offset + 3, f"result[{index}]")
            results.append(DataBlockResult(last != 0, number, raw))
        elif choice == 3:
            results.append(BlockNumber(*_NUMBER.unpack_from(octets, offset)))
            offset += 2
        else:
            raise unknown_choice(octets, offset - 1, "read-response choice")
    if offset != len(octets):
        raise trailing(octets, offset)
    return parsed(None, ReadResponse(tuple(results)))


def _parse_write_response(octets: bytes, checked: bool) -> Parsed:
    count, offset = count_at(octets, 1, 1, "result")
    results: list[Any] = []
    for _ in range(count):
        choice = octets[offset]
        offset += 1
        if choice == 0:
            results.append(DataAccessResult.SUCCESS)
        elif choice == 1:
            results.append(DATA_ACCESS_RESULTS[octets[offset]])
            offset += 1
        elif choice == 2:
            results.append(BlockNumber(*_NUMBER.unpack_from(octets, offset)))
            offset += 2
        else:
            raise unknown_choice(octets, offset - 1, "write-response choice")
    if offset != len(octets):
        raise trailing(octets, offset)
    return parsed(None, WriteResponse(tuple(results)))


PARSERS = {
    0x05: _parse_read,
    0x06: _with_values(WriteRequest),
    0x16: _with_values(UnconfirmedWriteRequest),
    0x18: _parse_report,
    0x0C: _parse_read_response,
    0x0D: _parse_write_response,
}
