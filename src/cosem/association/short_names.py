"""Read, Write and UnconfirmedWrite on the responding side, in one PDU or in blocks (Green Book ed. 9, 9.4.7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol, runtime_checkable

from cosem.apdu import parse
from cosem.apdu.base import SelectiveAccess, Service
from cosem.apdu.errors import ConfirmedServiceError
from cosem.apdu.initiate import VAA_NAME_SN
from cosem.apdu.read_write import (
    BlockNumber,
    BlockNumberAccess,
    DataBlockResult,
    ParameterizedAccess,
    ReadDataBlockAccess,
    ReadRequest,
    ReadResponse,
    VariableName,
    WriteDataBlockAccess,
    WriteRequest,
    WriteResponse,
)
from cosem.association.server import ObjectServer, Session
from cosem.association.serving import MAX_ANSWERED, MAX_ITEMS, MAX_RECEIVED, TOO_LONG
from cosem.association.transfer import Incoming, Outgoing
from cosem.codec import axdr
from cosem.codec.axdr import Tag
from cosem.conformance_block import Conformance
from cosem.errors import DecodeError, RemoteProtocolError
from cosem.results import DataAccessResult

METHOD_SELECTOR: Final = 1
"""Selector of a Read that invokes a method: clients in the field send 1, and what is read is the parameter alone."""
BLOCK_HEADROOM = 12
"""Octets of a Read-response around one block: tag, count, choice, last, number, length."""
READ, WRITE = 5, 6
"""Choices of confirmed-service-error."""
_SERVICE_CLASS, _NOT_SUPPORTED, _SERVICE_UNSUPPORTED = 3, 3, 2
_TAGS = {0x05: READ, 0x06: WRITE}


@runtime_checkable
class ShortNameServer(Protocol):
    """Objects that can be had by short name. An `ObjectServer` that is one too serves associations of that kind."""

    def read(self, session: Session, name: int, selection: SelectiveAccess | None) -> bytes | DataAccessResult:
        """Read the attribute with this short name, or invoke the method with it where it takes a parameter."""

    def write(self, session: Session, name: int, selection: SelectiveAccess | None, data: bytes) -> DataAccessResult:
        """Write the attribute with this short name, or invoke the method with it."""


def reply_to_hls_name() -> int:
    """Return the short name of reply_to_HLS_authentication of the association, the same in every version."""
    from cosem.classes.c012_association_sn import AssociationSN

    offset = AssociationSN.reply_to_HLS_authentication.sn_offset
    assert offset is not None
    return VAA_NAME_SN + offset


def proof_of(service: Any) -> bytes | None:
    """Return the octets of the proof where `service` is reply_to_HLS_authentication, by Read or by Write."""
    specs: tuple[Any, ...] = getattr(service, "specs", ())
    if len(specs) != 1 or getattr(specs[0], "name", None) != reply_to_hls_name():
        return None
    spec = specs[0]
    if isinstance(service, ReadRequest) and isinstance(spec, ParameterizedAccess):
        return spec.parameter
    if isinstance(service, WriteRequest) and isinstance(spec, VariableName) and len(service.values) == 1:
        return service.values[0]
    return None


def answer_to(service: Any, result: DataAccessResult, data: bytes | None = None) -> Service:
    """Return the response that gives every name the same result, or `data` where it is a success that is read."""
    if service.tag == 0x05:
        return ReadResponse((result if data is None else data,) * len(service.specs))
    return WriteResponse((result,) * len(service.specs))


def not_supported(service: Any) -> ConfirmedServiceError:
    """Return the refusal of a service that was not agreed, or that nobody here carries out."""
    return ConfirmedServiceError(_TAGS.get(service.tag, WRITE), _SERVICE_CLASS, _SERVICE_UNSUPPORTED)


class ShortNames:
    """The short-name services of one association. `room` says how many octets a plain response may have."""

    def __init__(self, server: ObjectServer, session: Session, room: Callable[[], int]) -> None:
        self._server = server
        self._session = session
        self._room = room
        self._outgoing: Outgoing | None = None
        self._incoming: Incoming | None = None

    def serve(self, service: Any) -> Service:
        """Carry out one request and return its response. Never raises for what the client sent."""
        server = self._server
        if not isinstance(server, ShortNameServer):
            return not_supported(service)
        return self._read(server, service) if service.tag == 0x05 else self._write(server, service)

    def _agreed(self, bit: Conformance) -> bool:
        return bool(int(self._session.conformance) & int(bit))

    # --- Read ----------------------------------------------------------------------------------------------

    def _read(self, server: ShortNameServer, service: Any) -> Service:
        first = service.specs[0]
        if len(service.specs) == 1 and isinstance(first, BlockNumberAccess):
            return self._next_block(first)
        if len(service.specs) == 1 and isinstance(first, ReadDataBlockAccess):
            return self._request_block(server, first)
        self._outgoing = None
        if len(service.specs) > 1 and not self._agreed(Conformance.MULTIPLE_REFERENCES):
            return ReadResponse((DataAccessResult.SCOPE_OF_ACCESS_VIOLATED,) * len(service.specs))
        if len(service.specs) > MAX_ITEMS:
            return TOO_LONG
        results: list[bytes | DataAccessResult] = []
        left = MAX_ANSWERED
        for spec in service.specs:
            result = self._read_one(server, spec) if left > 0 else DataAccessResult.OTHER_REASON
            left -= len(result) if isinstance(result, bytes) else 1
            results.append(result)
        response = ReadResponse(tuple(results))
        octets, room = response.encode(), self._room()
        if len(octets) <= room:
            return response
        if not self._agreed(Conformance.BLOCK_TRANSFER_WITH_GET_OR_READ):
            if self._agreed(Conformance.GENERAL_BLOCK_TRANSFER):
                return response
            return ReadResponse((DataAccessResult.OTHER_REASON,) * len(service.specs))
        self._outgoing = Outgoing(octets[1:], max(1, room - BLOCK_HEADROOM))
        return self._block(self._outgoing)

    def _read_one(self, server: ShortNameServer, spec: Any) -> bytes | DataAccessResult:
        if isinstance(spec, VariableName):
            return server.read(self._session, spec.name, None)
        if isinstance(spec, ParameterizedAccess):
            if not self._agreed(Conformance.PARAMETERIZED_ACCESS):
                return DataAccessResult.SCOPE_OF_ACCESS_VIOLATED
            return server.read(self._session, spec.name, SelectiveAccess(spec.selector, spec.parameter))
        return DataAccessResult.DATA_BLOCK_UNAVAILABLE

    def _block(self, outgoing: Outgoing) -> Service:
        last, number, raw = outgoing.next()
        if last:
            self._outgoing = None
        return ReadResponse((DataBlockResult(last, number, raw),))

    def _next_block(self, confirmed: BlockNumberAccess) -> Service:
        outgoing = self._outgoing
        if outgoing is None:
            return ReadResponse((DataAccessResult.NO_LONG_GET_IN_PROGRESS,))
        if confirmed.block_number != outgoing.number:
            self._outgoing = None
            return ReadResponse((DataAccessResult.DATA_BLOCK_NUMBER_INVALID,))
        return self._block(outgoing)

    def _request_block(self, server: ShortNameServer, block: ReadDataBlockAccess) -> Service:
        try:
            whole = self._collect(block.last, block.block_number, block.raw)
            if whole is None:
                return ReadResponse((BlockNumber(block.block_number),))
            return self._read(server, parse(b"\x05" + whole).service)
        except RemoteProtocolError:
            return ReadResponse((DataAccessResult.DATA_BLOCK_NUMBER_INVALID,))
        except DecodeError:
            return ReadResponse((DataAccessResult.OTHER_REASON,))

    def _collect(self, last: bool, number: int, raw: bytes) -> bytes | None:
        if self._incoming is None or number == 1:
            self._incoming = Incoming(MAX_RECEIVED)
        try:
            whole = self._incoming.add(last, number, raw)
        except RemoteProtocolError:
            self._incoming = None
            raise
        if whole is not None:
            self._incoming = None
        return whole

    # --- Write ---------------------------------------------------------------------------------------------

    def _write(self, server: ShortNameServer, service: Any) -> Service:
        first = service.specs[0]
        if len(service.specs) == 1 and isinstance(first, WriteDataBlockAccess):
            return self._write_block(server, service, first)
        if len(service.values) != len(service.specs):
            return WriteResponse((DataAccessResult.TYPE_UNMATCHED,) * len(service.specs))
        if len(service.specs) > 1 and not self._agreed(Conformance.MULTIPLE_REFERENCES):
            return WriteResponse((DataAccessResult.SCOPE_OF_ACCESS_VIOLATED,) * len(service.specs))
        if len(service.specs) > MAX_ITEMS:
            return TOO_LONG
        pairs = zip(service.specs, service.values, strict=True)
        return WriteResponse(tuple(self._write_one(server, spec, value) for spec, value in pairs))

    def _write_one(self, server: ShortNameServer, spec: Any, value: bytes) -> DataAccessResult:
        if isinstance(spec, VariableName):
            return server.write(self._session, spec.name, None, value)
        if isinstance(spec, ParameterizedAccess):
            if not self._agreed(Conformance.PARAMETERIZED_ACCESS):
                return DataAccessResult.SCOPE_OF_ACCESS_VIOLATED
            return server.write(self._session, spec.name, SelectiveAccess(spec.selector, spec.parameter), value)
        return DataAccessResult.DATA_BLOCK_UNAVAILABLE

    def _write_block(self, server: ShortNameServer, service: Any, block: WriteDataBlockAccess) -> Service:
        if not self._agreed(Conformance.BLOCK_TRANSFER_WITH_SET_OR_WRITE):
            return WriteResponse((DataAccessResult.OTHER_REASON,))
        raw = _octets(service.values)
        if raw is None:
            return WriteResponse((DataAccessResult.TYPE_UNMATCHED,))
        try:
            whole = self._collect(block.last, block.block_number, raw)
            if whole is None:
                return WriteResponse((BlockNumber(block.block_number),))
            return self._write(server, parse(b"\x06" + whole).service)
        except RemoteProtocolError:
            return WriteResponse((DataAccessResult.DATA_BLOCK_NUMBER_INVALID,))
        except DecodeError:
            return WriteResponse((DataAccessResult.OTHER_REASON,))


def _octets(values: tuple[bytes, ...]) -> bytes | None:
    """Return the raw data of a block, which comes as an octet-string."""
    if len(values) != 1:
        return None
    try:
        data = axdr.decode(values[0])
    except DecodeError:
        return None
    return data.value if data.tag is Tag.OCTET_STRING else None
