"""What one association of the responding side does with the services it is sent: GET, SET, ACTION, in every form.

No states and no protection in here: a service comes in, a service goes out. Block transfer is data, one object per
invoke-id and direction (Green Book ed. 9, 9.4.6).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cosem.apdu.action import (
    ActionRequestWithList,
    ActionResponseNextPblock,
    ActionResponseNormal,
    ActionResponseWithList,
    ActionResponseWithOptionalData,
    ActionResponseWithPblock,
)
from cosem.apdu.base import AttributeDescriptor, MethodDescriptor, SelectiveAccess, Service
from cosem.apdu.errors import ExceptionResponse
from cosem.apdu.fields import DataBlock
from cosem.apdu.get import GetResponseNormal, GetResponseWithDatablock, GetResponseWithList
from cosem.apdu.set import (
    SetRequestWithList,
    SetResponseDatablock,
    SetResponseLastDatablock,
    SetResponseLastDatablockWithList,
    SetResponseNormal,
    SetResponseWithList,
)
from cosem.association.server import ObjectServer, Session
from cosem.association.steps import BREAK_ON_ERROR, SELF_DESCRIPTIVE
from cosem.association.transfer import Incoming, Outgoing
from cosem.codec import axdr
from cosem.conformance_block import Conformance
from cosem.errors import DecodeError, RemoteProtocolError
from cosem.results import ActionResult, DataAccessResult

if TYPE_CHECKING:
    from cosem.apdu.access import AccessRequest, AccessSpecification
    from cosem.association.short_names import ShortNames

BLOCK_HEADROOM = 16
MAX_RECEIVED = 4 * 1024 * 1024
"""Octets of all transfers an association may have half received: nobody may fill a meter by never finishing. Firmware
as one value has a MiB or two; larger images go by blocks of the image transfer class."""
MAX_SENDING = 16 * 1024 * 1024
"""Octets of all answers an association has not fetched to the end; beyond it the oldest is forgotten."""
MAX_ANSWERED = 16 * 1024 * 1024
"""Octets of the answers to one list; what is asked behind them is not done. A request of some octets may name a load
profile a thousand times."""
MAX_ITEMS = 1024
"""Attributes and methods one request may name; clients ask for some dozens. Others wait while a list is served."""

NOT_SUPPORTED = ExceptionResponse(1, 2)
NOT_POSSIBLE = ExceptionResponse(1, 1)
MALFORMED = ExceptionResponse(1, 3)
TOO_LONG = ExceptionResponse(1, 4)

_CONFORMANCE = {
    0x05: int(Conformance.READ),
    0x06: int(Conformance.WRITE),
    0x16: int(Conformance.UNCONFIRMED_WRITE),
    0xC0: int(Conformance.GET),
    0xC1: int(Conformance.SET),
    0xC3: int(Conformance.ACTION),
    0xD9: int(Conformance.ACCESS),
}
_allowed = int.__and__
"""Of plain integers: the flag's own operator makes a member each time, which every request would pay for."""
_SUCCESS = DataAccessResult.SUCCESS
_NULL = b"\x00"
_new = tuple.__new__
_GENERAL_BLOCKS = int(Conformance.GENERAL_BLOCK_TRANSFER)
_GET, _SET, _ACTION = 1, 2, 3
_KINDS = {1: _GET, 2: _SET, 3: _ACTION, 4: _GET, 5: _SET}
"""Kinds of access specifications (4 and 5 are those with selection) and of their results."""


class Serving:
    """The services of one association. `room` says how many octets a plain response may have."""

    def __init__(self, server: ObjectServer, session: Session, room: Callable[[], int]) -> None:
        self.server = server
        self.session = session
        self._room = room
        self._short_names: ShortNames | None = None
        self._sending: dict[int, tuple[Outgoing, int]] = {}
        self._receiving: dict[int, tuple[Incoming, Any]] = {}
        self._handlers: dict[str, Callable[[Any, int], Service]] = {
            "get-request-normal": self._get,
            "get-request-next": self._get_next,
            "get-request-with-list": self._get_list,
            "set-request-normal": self._set,
            "set-request-with-list": self._set_list,
            "set-request-with-first-datablock": self._set_first,
            "set-request-with-list-and-first-datablock": self._set_first,
            "set-request-with-datablock": self._set_block,
            "action-request-normal": self._action,
            "action-request-with-list": self._action_list,
            "action-request-next-pblock": self._action_next,
            "action-request-with-first-pblock": self._action_first,
            "action-request-with-list-and-first-pblock": self._action_first,
            "action-request-with-pblock": self._action_block,
        }

    def serve(self, service: Any, invoke: int) -> Service:
        """Carry out one request and return its response. Never raises for what the client sent."""
        needed = _CONFORMANCE.get(service.tag)
        if needed is None or not _allowed(self.session.conformance, needed):
            return self._not_agreed(service)
        handler = self._handlers.get(service.service)
        if handler is not None:
            return handler(service, invoke & 0x0F)
        if service.tag == 0xD9:
            return self._access(service, invoke)
        if self._short_names is None:
            from cosem.association.short_names import ShortNames

            self._short_names = ShortNames(self.server, self.session, self._room)
        return self._short_names.serve(service)

    def _not_agreed(self, service: Any) -> Service:
        if self.session.profile.referencing != "sn" or service.tag not in (0x05, 0x06):
            return NOT_SUPPORTED
        from cosem.association.short_names import not_supported

        return not_supported(service)

    # --- GET -----------------------------------------------------------------------------------------------

    def _read(self, target: AttributeDescriptor, selection: SelectiveAccess | None) -> bytes | DataAccessResult:
        if selection is not None and not self.session.conformance & Conformance.SELECTIVE_ACCESS:
            return DataAccessResult.SCOPE_OF_ACCESS_VIOLATED
        return self.server.get(self.session, target, selection)

    def _get(self, service: Any, invoke: int) -> Service:
        target, selection = service
        if target.attribute == 0 and not self.session.conformance & Conformance.ATTRIBUTE0_SUPPORTED_WITH_GET:
            return NOT_SUPPORTED
        answer = self.server.get(self.session, target, None) if selection is None else self._read(target, selection)
        if isinstance(answer, DataAccessResult):
            return GetResponseNormal(None, answer)
        response: GetResponseNormal = _new(GetResponseNormal, (answer, _SUCCESS))
        room = self._room()
        if len(answer) + 4 > room:
            return self._long_get(response, answer, invoke, room)
        return response

    def _get_list(self, service: Any, invoke: int) -> Service:
        if not self.session.conformance & Conformance.MULTIPLE_REFERENCES:
            return NOT_SUPPORTED
        if len(service.targets) > MAX_ITEMS:
            return TOO_LONG
        results: list[bytes | DataAccessResult] = []
        left = MAX_ANSWERED
        for target, selection in service.targets:
            result = self._read(target, selection) if left > 0 else DataAccessResult.OTHER_REASON
            left -= _length(result)
            results.append(result)
        response = GetResponseWithList(tuple(results))
        raw = response.encode(0)[3:]
        room = self._room()
        return response if len(raw) + 3 <= room else self._long_get(response, raw, invoke, room)

    def _long_get(self, whole: Service, raw: bytes, invoke: int, room: int) -> Service:
        if not self.session.conformance & Conformance.BLOCK_TRANSFER_WITH_GET_OR_READ:
            return whole if self._cut_below else GetResponseNormal(None, DataAccessResult.OTHER_REASON)
        self._begin_sending(invoke, raw, room, 0xC0)
        return self._next_get_block(invoke)

    def _begin_sending(self, invoke: int, raw: bytes, room: int, tag: int) -> None:
        """Begin to send an answer in blocks, in place of an older one under this invoke-id."""
        sending = self._sending
        sending.pop(invoke, None)
        held = len(raw) + sum(outgoing.length for outgoing, _ in sending.values())
        while sending and held > MAX_SENDING:
            held -= sending.pop(next(iter(sending)))[0].length
        sending[invoke] = Outgoing(raw, max(1, room - BLOCK_HEADROOM)), tag

    def _next_get_block(self, invoke: int) -> Service:
        outgoing, _ = self._sending[invoke]
        block = outgoing.next()
        if block.last:
            del self._sending[invoke]
        return GetResponseWithDatablock(block.last, block.number, block.raw)

    def _get_next(self, service: Any, invoke: int) -> Service:
        under_way = self._sending.get(invoke)
        if under_way is None or under_way[1] != 0xC0:
            return GetResponseWithDatablock(True, service.block_number, None, DataAccessResult.NO_LONG_GET_IN_PROGRESS)
        if service.block_number != under_way[0].number:
            del self._sending[invoke]
            return GetResponseWithDatablock(
                True, service.block_number, None, DataAccessResult.DATA_BLOCK_NUMBER_INVALID
            )
        return self._next_get_block(invoke)

    # --- SET -----------------------------------------------------------------------------------------------

    def _write(self, target: AttributeDescriptor, selection: SelectiveAccess | None, data: bytes) -> DataAccessResult:
        if selection is not None and not self.session.conformance & Conformance.SELECTIVE_ACCESS:
            return DataAccessResult.SCOPE_OF_ACCESS_VIOLATED
        return self.server.set(self.session, target, selection, data)

    def _set(self, service: Any, invoke: int) -> Service:
        if service.target.attribute == 0 and not (self.session.conformance & Conformance.ATTRIBUTE0_SUPPORTED_WITH_SET):
            return NOT_SUPPORTED
        return SetResponseNormal(self._write(service.target, service.selection, service.data))

    def _set_list(self, service: SetRequestWithList, invoke: int) -> Service:
        if not self.session.conformance & Conformance.MULTIPLE_REFERENCES:
            return NOT_SUPPORTED
        if len(service.values) != len(service.targets):
            return MALFORMED
        if len(service.targets) > MAX_ITEMS:
            return TOO_LONG
        return SetResponseWithList(self._write_all(service.targets, service.values))

    def _write_all(self, targets: Any, values: tuple[bytes, ...]) -> tuple[DataAccessResult, ...]:
        return tuple(
            self._write(target, selection, value) for (target, selection), value in zip(targets, values, strict=True)
        )

    def _begin(self, service: Any, invoke: int) -> Incoming:
        """Begin to receive; what another transfer under this invoke-id left is forgotten."""
        self._receiving.pop(invoke, None)
        held = sum(incoming.length for incoming, _ in self._receiving.values())
        incoming = Incoming(MAX_RECEIVED - held)
        self._receiving[invoke] = incoming, service
        return incoming

    def _set_first(self, service: Any, invoke: int) -> Service:
        if not self.session.conformance & Conformance.BLOCK_TRANSFER_WITH_SET_OR_WRITE:
            return NOT_SUPPORTED
        if len(getattr(service, "targets", ())) > MAX_ITEMS:
            return TOO_LONG
        whole = getattr(service, "target", None) is not None and service.target.attribute == 0
        if whole and not self.session.conformance & Conformance.ATTRIBUTE0_SUPPORTED_WITH_SET:
            return NOT_SUPPORTED
        incoming = self._begin(service, invoke)
        return self._take_set_block(incoming, service, service.block, invoke)

    def _set_block(self, service: Any, invoke: int) -> Service:
        under_way = self._receiving.get(invoke)
        if under_way is None or under_way[1].tag != 0xC1:
            return SetResponseLastDatablock(DataAccessResult.NO_LONG_SET_IN_PROGRESS, service.block.number)
        return self._take_set_block(under_way[0], under_way[1], service.block, invoke)

    def _take_set_block(self, incoming: Incoming, first: Any, block: DataBlock, invoke: int) -> Service:
        try:
            whole = incoming.add(block.last, block.number, block.raw)
        except RemoteProtocolError:
            self._receiving.pop(invoke, None)
            return SetResponseLastDatablock(DataAccessResult.DATA_BLOCK_NUMBER_INVALID, block.number)
        if whole is None:
            return SetResponseDatablock(block.number)
        self._receiving.pop(invoke, None)
        if first.service == "set-request-with-first-datablock":
            return SetResponseLastDatablock(self._write(first.target, first.selection, whole), block.number)
        values = _split(whole, len(first.targets))
        if values is None:
            results = (DataAccessResult.TYPE_UNMATCHED,) * len(first.targets)
        else:
            results = self._write_all(first.targets, values)
        return SetResponseLastDatablockWithList(results, block.number)

    # --- ACTION --------------------------------------------------------------------------------------------

    def _invoke(self, target: MethodDescriptor, data: bytes | None) -> ActionResponseWithOptionalData:
        result, returned = self.server.action(self.session, target, data)
        return ActionResponseWithOptionalData(result, returned, None)

    def _action(self, service: Any, invoke: int) -> Service:
        return self._action_answer([self._invoke(service.target, service.data)], invoke, False)

    def _action_list(self, service: ActionRequestWithList, invoke: int) -> Service:
        if not self.session.conformance & Conformance.MULTIPLE_REFERENCES:
            return NOT_SUPPORTED
        if len(service.parameters) != len(service.targets):
            return MALFORMED
        if len(service.targets) > MAX_ITEMS:
            return TOO_LONG
        return self._invoke_all(service.targets, service.parameters, invoke)

    def _invoke_all(self, targets: Any, parameters: tuple[bytes, ...], invoke: int) -> Service:
        results: list[ActionResponseWithOptionalData] = []
        left = MAX_ANSWERED
        for target, data in zip(targets, parameters, strict=True):
            if left > 0:
                results.append(self._invoke(target, data))
                left -= _length(results[-1].data)
            else:
                results.append(ActionResponseWithOptionalData(ActionResult.OTHER_REASON, None, None))
        return self._action_answer(results, invoke, True)

    def _action_answer(self, results: list[ActionResponseWithOptionalData], invoke: int, listed: bool) -> Service:
        response: Service
        if listed:
            response = ActionResponseWithList(tuple(results))
        else:
            response = ActionResponseNormal(*results[0])
        raw = response.encode(0)[3:]
        room = self._room()
        if len(raw) + 3 <= room:
            return response
        if not self.session.conformance & Conformance.BLOCK_TRANSFER_WITH_ACTION:
            return response if self._cut_below else ActionResponseNormal(ActionResult.OTHER_REASON)
        self._begin_sending(invoke, raw, room, 0xC3)
        return self._next_action_block(invoke)

    def _next_action_block(self, invoke: int) -> Service:
        block = self._sending[invoke][0].next()
        if block.last:
            del self._sending[invoke]
        return ActionResponseWithPblock(block)

    def _action_next(self, service: Any, invoke: int) -> Service:
        under_way = self._sending.get(invoke)
        if under_way is None or under_way[1] != 0xC3:
            return ActionResponseNormal(ActionResult.NO_LONG_ACTION_IN_PROGRESS)
        if service.block_number != under_way[0].number:
            del self._sending[invoke]
            return ActionResponseNormal(ActionResult.NO_LONG_ACTION_IN_PROGRESS)
        return self._next_action_block(invoke)

    def _action_first(self, service: Any, invoke: int) -> Service:
        if not self.session.conformance & Conformance.BLOCK_TRANSFER_WITH_ACTION:
            return NOT_SUPPORTED
        if len(getattr(service, "targets", ())) > MAX_ITEMS:
            return TOO_LONG
        incoming = self._begin(service, invoke)
        return self._take_action_block(incoming, service, service.block, invoke)

    def _action_block(self, service: Any, invoke: int) -> Service:
        under_way = self._receiving.get(invoke)
        if under_way is None or under_way[1].tag != 0xC3:
            return ActionResponseNormal(ActionResult.NO_LONG_ACTION_IN_PROGRESS)
        return self._take_action_block(under_way[0], under_way[1], service.block, invoke)

    def _take_action_block(self, incoming: Incoming, first: Any, block: DataBlock, invoke: int) -> Service:
        try:
            whole = incoming.add(block.last, block.number, block.raw)
        except RemoteProtocolError:
            self._receiving.pop(invoke, None)
            return ActionResponseNormal(ActionResult.NO_LONG_ACTION_IN_PROGRESS)
        if whole is None:
            return ActionResponseNextPblock(block.number)
        self._receiving.pop(invoke, None)
        if first.service == "action-request-with-first-pblock":
            return self._action_answer([self._invoke(first.target, whole)], invoke, False)
        parameters = _split(whole, len(first.targets))
        if parameters is None:
            return ActionResponseNormal(ActionResult.TYPE_UNMATCHED)
        return self._invoke_all(first.targets, parameters, invoke)

    # --- ACCESS --------------------------------------------------------------------------------------------

    @property
    def _cut_below(self) -> bool:
        """Whether what is too long for one PDU is cut by general block transfer."""
        return bool(_allowed(self.session.conformance, _GENERAL_BLOCKS))

    def _access(self, service: AccessRequest, invoke: int) -> Service:
        from cosem.apdu.access import AccessResponse, AccessResult

        if len(service.values) != len(service.specs):
            return MALFORMED
        if len(service.specs) > MAX_ITEMS:
            return TOO_LONG
        values: list[bytes] = []
        results: list[AccessResult] = []
        left = MAX_ANSWERED
        for spec, value in zip(service.specs, service.values, strict=True):
            if left <= 0 or (invoke & BREAK_ON_ERROR and results and results[-1].result != 0):
                # Nothing says what to answer for what was left undone; this much is certain: it has not succeeded.
                values.append(_NULL)
                results.append(AccessResult(_KINDS[spec.kind], DataAccessResult.OTHER_REASON))
                continue
            returned, result = self._one_access(spec, value)
            left -= len(returned)
            values.append(returned)
            results.append(AccessResult(_KINDS[spec.kind], result))
        specs = service.specs if invoke & SELF_DESCRIPTIVE else None
        response = AccessResponse(tuple(values), tuple(results), specs)
        if not self._cut_below and len(response.encode(0)) > self._room():
            return TOO_LONG
        return response

    def _one_access(self, spec: AccessSpecification, value: bytes) -> tuple[bytes, DataAccessResult | ActionResult]:
        if isinstance(spec.target, MethodDescriptor):
            result, returned = self.server.action(self.session, spec.target, None if value == _NULL else value)
            return returned or _NULL, result
        if _KINDS[spec.kind] == _GET:
            answer = self.server.get(self.session, spec.target, spec.selection)
            return (answer, _SUCCESS) if isinstance(answer, bytes) else (_NULL, answer)
        return _NULL, self.server.set(self.session, spec.target, spec.selection, value)


def _length(answer: object) -> int:
    return len(answer) if isinstance(answer, bytes) else 1


def _split(octets: bytes, count: int) -> tuple[bytes, ...] | None:
    """Cut a SEQUENCE OF Data into its elements; None unless there are exactly `count`."""
    try:
        told, offset = axdr.decode_length(octets, 0, len(octets))
        if told != count:
            return None
        values = []
        for _ in range(count):
            end = axdr.skip(octets, offset)
            values.append(octets[offset:end])
            offset = end
    except DecodeError:
        return None
    return tuple(values) if offset == len(octets) else None
