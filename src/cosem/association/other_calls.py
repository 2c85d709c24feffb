"""The calls a client makes less often: ACCESS, and the short-name services Read and Write in one PDU or in blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cosem.apdu import parse
from cosem.apdu.access import AccessRequest, AccessResponse
from cosem.apdu.base import Service
from cosem.apdu.read_write import (
    BlockNumber,
    BlockNumberAccess,
    DataBlockResult,
    ReadDataBlockAccess,
    ReadRequest,
    ReadResponse,
    WriteDataBlockAccess,
    WriteRequest,
    WriteResponse,
)
from cosem.association.transfer import Incoming, Outgoing
from cosem.codec import axdr
from cosem.conformance_block import Conformance
from cosem.errors import LocalProtocolError, RemoteProtocolError

READ_BLOCK_HEADROOM = 12
"""Octets of a Read or Write around one block: tag, counts, choice, last, number, Data tag, length."""
_ONE_VALUE = b"\x01\x00"
"""What a long response to one name begins with: one result, and that it is data."""


class AccessCall:
    """ACCESS, whose response has one value and one result for each specification."""

    answers = 0xDA

    def __init__(self, service: AccessRequest) -> None:
        if len(service.values) != len(service.specs):
            raise LocalProtocolError(f"{len(service.specs)} accesses with {len(service.values)} values")
        self.first: Service = service
        self.result: Any = None
        self._wanted = len(service.specs)

    def take(self, answer: AccessResponse) -> None:
        """Take the response. Raises `RemoteProtocolError` where it does not match what was asked."""
        if len(answer.results) != self._wanted or len(answer.values) != self._wanted:
            raise RemoteProtocolError(
                f"{len(answer.values)} values and {len(answer.results)} results to {self._wanted} accesses"
            )
        self.result = answer


class ReadCall:
    """Read: request and response may both come in blocks. `sink` takes the octets of a single value as they arrive."""

    answers = 0x0C

    def __init__(
        self,
        service: ReadRequest,
        limit: int,
        conformance: Conformance,
        sink: Callable[[bytes], None] | None = None,
    ) -> None:
        self.result: Any = None
        self._sink = sink if len(service.specs) == 1 else None
        self._begun = b""
        self._wanted = len(service.specs)
        self._outgoing: Outgoing | None = None
        self._incoming: Incoming | None = None
        self.first: Service = service
        octets = service.encode()
        if len(octets) > limit:
            if not conformance & Conformance.BLOCK_TRANSFER_WITH_GET_OR_READ:
                raise LocalProtocolError("the request is too long for one PDU, and Read in blocks was not agreed")
            self._outgoing = Outgoing(octets[1:], limit - READ_BLOCK_HEADROOM)
            self.first = self._next()

    def _next(self) -> ReadRequest:
        assert self._outgoing is not None
        return ReadRequest((ReadDataBlockAccess(*self._outgoing.next()),))

    def take(self, answer: ReadResponse) -> Service | None:
        """Take a response. Raises `RemoteProtocolError` for one that does not belong here."""
        single = answer.results[0] if len(answer.results) == 1 else None
        if isinstance(single, BlockNumber):
            _in_turn(self._outgoing, single)
            return self._next()
        if isinstance(single, DataBlockResult):
            if self._incoming is None:
                self._incoming = Incoming()
            whole = self._incoming.add(single.last, single.number, single.raw)
            if self._sink is not None:
                self._hand_on(self._sink, single.raw)
            if whole is None:
                return ReadRequest((BlockNumberAccess(single.number),))
            answer = parse(b"\x0c" + whole).service
        _all_answered(answer.results, self._wanted)
        self.result = answer
        return None

    def _hand_on(self, sink: Callable[[bytes], None], raw: bytes) -> None:
        """Give the sink what belongs to the value, without the result's own head."""
        missing = len(_ONE_VALUE) - len(self._begun)
        self._begun += raw[:missing]
        if self._begun == _ONE_VALUE and len(raw) > missing:
            sink(raw[missing:])


class WriteCall:
    """Write, whose request may go out in blocks."""

    answers = 0x0D

    def __init__(self, service: WriteRequest, limit: int, conformance: Conformance) -> None:
        self.result: Any = None
        self._wanted = len(service.specs)
        self._outgoing: Outgoing | None = None
        self.first: Service = service
        octets = service.encode()
        if len(octets) > limit:
            if not conformance & Conformance.BLOCK_TRANSFER_WITH_SET_OR_WRITE:
                raise LocalProtocolError("the value is too long for one PDU, and Write in blocks was not agreed")
            self._outgoing = Outgoing(octets[1:], limit - READ_BLOCK_HEADROOM)
            self.first = self._next()

    def _next(self) -> WriteRequest:
        assert self._outgoing is not None
        last, number, raw = self._outgoing.next()
        return WriteRequest((WriteDataBlockAccess(last, number),), (axdr.encode(axdr.octet_string(raw)),))

    def take(self, answer: WriteResponse) -> Service | None:
        """Take a response. Raises `RemoteProtocolError` for one that does not belong here."""
        if len(answer.results) == 1 and isinstance(answer.results[0], BlockNumber):
            _in_turn(self._outgoing, answer.results[0])
            return self._next()
        _all_answered(answer.results, self._wanted)
        if self._outgoing is not None and not self._outgoing.finished and 0 in answer.results:
            raise RemoteProtocolError("success was answered before everything was sent")
        self.result = answer
        return None


def _in_turn(outgoing: Outgoing | None, confirmed: BlockNumber) -> None:
    if outgoing is None or outgoing.finished or confirmed.number != outgoing.number:
        raise RemoteProtocolError(f"block {confirmed.number} confirmed out of turn")


def _all_answered(results: tuple[Any, ...], wanted: int) -> None:
    if len(results) != wanted or any(isinstance(item, (BlockNumber, DataBlockResult)) for item in results):
        raise RemoteProtocolError(f"{len(results)} results to {wanted} short names")
