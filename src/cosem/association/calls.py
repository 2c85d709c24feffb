"""One confirmed service under way at the client: what to send, and what each answer leads to.

Block transfer is data in here, one object per invoke-id, so that any number of transfers can run side by side. A call
answers `next` with the service to send, and `take` with the next service, or None when `result` is there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cosem.apdu import parse
from cosem.apdu.action import (
    ActionRequestNextPblock,
    ActionRequestNormal,
    ActionRequestWithFirstPblock,
    ActionRequestWithList,
    ActionRequestWithListAndFirstPblock,
    ActionRequestWithPblock,
    ActionResponseNextPblock,
    ActionResponseNormal,
    ActionResponseWithList,
)
from cosem.apdu.base import Service
from cosem.apdu.fields import DataBlock
from cosem.apdu.get import (
    GetRequestNext,
    GetRequestWithList,
    GetResponseNormal,
    GetResponseWithList,
)
from cosem.apdu.set import (
    SetRequestNormal,
    SetRequestWithDatablock,
    SetRequestWithFirstDatablock,
    SetRequestWithList,
    SetRequestWithListAndFirstDatablock,
    SetResponseDatablock,
    SetResponseLastDatablock,
    SetResponseLastDatablockWithList,
    SetResponseNormal,
    SetResponseWithList,
)
from cosem.association.transfer import Incoming, Outgoing
from cosem.codec.axdr import encode_length
from cosem.conformance_block import Conformance
from cosem.errors import LocalProtocolError, RemoteProtocolError

Sink = Callable[[bytes], None]
Fits = Callable[[Service], int]
"""Says by how many octets a request exceeds what the peer takes (0 or less: it fits)."""

_EMPTY = DataBlock(False, 1, b"")

BLOCK_HEADROOM = 16
"""Octets of a block APDU around its raw data: tag, choice, invoke-id, last, number, length."""

LENGTH_HEADROOM = 2
"""The length in front of the raw data takes up to two octets more than that of an empty block."""


class GetCall:
    """GET, whose response may come in blocks."""

    answers = 0xC4

    def __init__(self, service: Service, invoke: int, sink: Sink | None) -> None:
        self.first: Service = service
        self.result: Any = None
        self._invoke = invoke
        self._sink = sink
        self._incoming: Incoming | None = None
        self._wanted = len(service.targets) if type(service) is GetRequestWithList else None

    def take(self, answer: Any) -> Service | None:
        """Take a response. Raises `RemoteProtocolError` for one that does not belong here."""
        if type(answer) is GetResponseNormal:
            if self._wanted is not None and answer.data is not None:
                raise RemoteProtocolError("one value where a list of them was asked for")
            self.result = answer
            return None
        if type(answer) is GetResponseWithList:
            self._take_list(answer)
            return None
        if answer.raw is None:
            self.result = GetResponseNormal(None, answer.result)
            return None
        if self._incoming is None:
            self._incoming = Incoming()
        whole = self._incoming.add(answer.last, answer.block_number, answer.raw)
        if self._sink is not None:
            self._sink(answer.raw)
        if whole is None:
            return GetRequestNext(answer.block_number)
        if self._wanted is not None:
            # Get-Data-Results in a row, as they would stand in a response that fits one PDU.
            self._take_list(parse(b"\xc4\x03" + bytes((self._invoke,)) + whole).service)
            return None
        if not whole:
            raise RemoteProtocolError("a block transfer that carried nothing")
        self.result = GetResponseNormal(whole)
        return None

    def _take_list(self, answer: GetResponseWithList) -> None:
        _same_count(self._wanted, len(answer.results))
        self.result = answer


class SetCall:
    """SET, whose request goes out in blocks where it is too long for one PDU."""

    answers = 0xC5

    def __init__(self, service: Any, excess: int, size: int, conformance: Conformance) -> None:
        self.result: Any = None
        self._outgoing: Outgoing | None = None
        self._wanted = len(service.targets) if isinstance(service, SetRequestWithList) else None
        if excess <= 0:
            self.first: Service = service
            return
        if not conformance & Conformance.BLOCK_TRANSFER_WITH_SET_OR_WRITE:
            raise LocalProtocolError("the value is too long for one PDU, and SET in blocks was not agreed")
        if isinstance(service, SetRequestNormal):
            head = len(SetRequestWithFirstDatablock(service.target, service.selection, _EMPTY).encode(0))
            self._outgoing = Outgoing(service.data, size)
            first = self._first_block(size, head)
            self.first = SetRequestWithFirstDatablock(service.target, service.selection, first)
        elif isinstance(service, SetRequestWithList):
            head = len(SetRequestWithListAndFirstDatablock(service.targets, _EMPTY).encode(0))
            self._outgoing = Outgoing(encode_length(len(service.values)) + b"".join(service.values), size)
            self.first = SetRequestWithListAndFirstDatablock(service.targets, self._first_block(size, head))
        else:
            raise LocalProtocolError(f"{service.service} is too long for one PDU")

    @property
    def _unfinished(self) -> bool:
        return self._outgoing is not None and not self._outgoing.finished

    def _first_block(self, size: int, head: int) -> Any:
        assert self._outgoing is not None
        return self._outgoing.first(max(1, size + BLOCK_HEADROOM - head - LENGTH_HEADROOM))

    def take(self, answer: Any) -> Service | None:
        """Take a response. Raises `RemoteProtocolError` for one that does not belong here."""
        if isinstance(answer, (SetResponseNormal, SetResponseLastDatablock)):
            if answer.result == 0 and (self._wanted is not None or self._unfinished):
                raise RemoteProtocolError("success was answered before everything was sent, or for a list as a whole")
            self.result = SetResponseNormal(answer.result)
            return None
        if isinstance(answer, (SetResponseWithList, SetResponseLastDatablockWithList)):
            _same_count(self._wanted, len(answer.results))
            if self._unfinished and 0 in answer.results:
                raise RemoteProtocolError("success was answered before everything was sent")
            self.result = SetResponseWithList(answer.results)
            return None
        outgoing = self._outgoing
        if not isinstance(answer, SetResponseDatablock) or outgoing is None or outgoing.finished:
            raise RemoteProtocolError(f"{answer.service} where the result of a SET was expected")
        if answer.block_number != outgoing.number:
            raise RemoteProtocolError(f"block {answer.block_number} confirmed, {outgoing.number} was sent")
        return SetRequestWithDatablock(outgoing.next())


class ActionCall:
    """ACTION: the parameter may go out, and the return value come back, in blocks."""

    answers = 0xC7

    def __init__(
        self, service: Any, invoke: int, excess: int, size: int, conformance: Conformance, sink: Sink | None
    ) -> None:
        self.result: Any = None
        self._invoke = invoke
        self._sink = sink
        self._outgoing: Outgoing | None = None
        self._incoming: Incoming | None = None
        self._wanted = len(service.targets) if isinstance(service, ActionRequestWithList) else None
        if excess <= 0:
            self.first: Service = service
            return
        if not conformance & Conformance.BLOCK_TRANSFER_WITH_ACTION:
            raise LocalProtocolError("the parameter is too long for one PDU, and ACTION in blocks was not agreed")
        if isinstance(service, ActionRequestNormal) and service.data is not None:
            head = len(ActionRequestWithFirstPblock(service.target, _EMPTY).encode(0))
            self._outgoing = Outgoing(service.data, size)
            block = self._outgoing.first(max(1, size + BLOCK_HEADROOM - head - LENGTH_HEADROOM))
            self.first = ActionRequestWithFirstPblock(service.target, block)
        elif isinstance(service, ActionRequestWithList):
            head = len(ActionRequestWithListAndFirstPblock(service.targets, _EMPTY).encode(0))
            self._outgoing = Outgoing(encode_length(len(service.parameters)) + b"".join(service.parameters), size)
            block = self._outgoing.first(max(1, size + BLOCK_HEADROOM - head - LENGTH_HEADROOM))
            self.first = ActionRequestWithListAndFirstPblock(service.targets, block)
        else:
            raise LocalProtocolError(f"{service.service} is too long for one PDU")

    def take(self, answer: Any) -> Service | None:
        """Take a response. Raises `RemoteProtocolError` for one that does not belong here."""
        if isinstance(answer, (ActionResponseNormal, ActionResponseWithList)):
            self._take_whole(answer)
            return None
        if isinstance(answer, ActionResponseNextPblock):
            outgoing = self._outgoing
            if outgoing is None or outgoing.finished or answer.block_number != outgoing.number:
                raise RemoteProtocolError(f"block {answer.block_number} confirmed out of turn")
            return ActionRequestWithPblock(outgoing.next())
        if self._incoming is None:
            self._incoming = Incoming()
        whole = self._incoming.add(answer.block.last, answer.block.number, answer.block.raw)
        if self._sink is not None:
            self._sink(answer.block.raw)
        if whole is None:
            return ActionRequestNextPblock(answer.block.number)
        choice = b"\xc7\x01" if self._wanted is None else b"\xc7\x03"
        self._take_whole(parse(choice + bytes((self._invoke,)) + whole).service)
        return None

    def _take_whole(self, answer: ActionResponseNormal | ActionResponseWithList) -> None:
        if isinstance(answer, ActionResponseWithList):
            _same_count(self._wanted, len(answer.results))
        elif answer.result == 0 and self._wanted is not None:
            raise RemoteProtocolError("one outcome where a list of them was asked for")
        if self._outgoing is not None and not self._outgoing.finished and answer_succeeds(answer):
            raise RemoteProtocolError("success was answered before everything was sent")
        self.result = answer


def answer_succeeds(answer: ActionResponseNormal | ActionResponseWithList) -> bool:
    """Say whether an ACTION, or any of a list, is told to have succeeded."""
    outcomes = answer.results if isinstance(answer, ActionResponseWithList) else (answer,)
    return any(outcome.result == 0 for outcome in outcomes)


def _same_count(wanted: int | None, count: int) -> None:
    """Refuse a list that cannot be matched with what was asked: its values would go to the wrong attributes."""
    if count != wanted:
        asked = "no list was" if wanted is None else f"{wanted} were"
        raise RemoteProtocolError(f"a list of {count} was answered, {asked} asked for")


class PlainCall:
    """A service with one answer and no invoke-id: AARQ and RLRQ."""

    def __init__(self, service: Service, answers: int) -> None:
        self.first = service
        self.answers = answers
        self.result: Any = None

    def take(self, answer: Any) -> None:
        """Take the answer."""
        self.result = answer


Under = GetCall | SetCall | ActionCall | PlainCall | Any
"""What is under way: anything with `first`, `answers`, `take` and `result`."""


def make_call(service: Any, invoke: int, sink: Sink | None, room: Callable[[], int], conformance: Conformance) -> Under:
    """Return the call of a confirmed service. `room` says how many octets a plain request may have.

    Raises `LocalProtocolError` for what is too long, and for what has no answer.
    """
    tag = service.tag
    if tag == 0xC0:
        return GetCall(service, invoke, sink)
    if tag == 0xC1 or tag == 0xC3:
        limit = room()
        excess = len(service.encode(invoke)) - limit
        if tag == 0xC1:
            return SetCall(service, excess, limit - BLOCK_HEADROOM, conformance)
        return ActionCall(service, invoke, excess, limit - BLOCK_HEADROOM, conformance, sink)
    if tag in _ACSE_ANSWERS:
        return PlainCall(service, _ACSE_ANSWERS[tag])
    if tag in (0x05, 0x06, 0xD9):
        from cosem.association import other_calls

        if tag == 0xD9:
            return other_calls.AccessCall(service)
        if tag == 0x05:
            return other_calls.ReadCall(service, room(), conformance, sink)
        return other_calls.WriteCall(service, room(), conformance)
    raise LocalProtocolError(f"{service.service} is no confirmed service: post it")


_ACSE_ANSWERS = {0x60: 0x61, 0x62: 0x63}
