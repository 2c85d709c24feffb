"""Which tolerances the reading of an APDU needed, and readers that refuse what is not tolerated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from cosem.apdu.base import Parsed
from cosem.apdu.dispatch import parse
from cosem.apdu.initiate import SHORT_CONFORMANCE_HEAD, InitiateRequest, InitiateResponse
from cosem.apdu.notify import TAGGED_DATE_TIME, DataNotification, DataNotificationConfirm, EventNotification
from cosem.errors import DecodeError
from cosem.tolerances import TOLERANT, Tolerances


class Reader(Protocol):
    """What `parse` is."""

    def __call__(self, octets: bytes, *, checked: bool = True) -> Parsed:
        """Return the service and its invoke-id. Raises `DecodeError`."""


def habits(octets: bytes, service: Any) -> tuple[str, ...]:
    """Return the names of the tolerances without which `octets` would not have been read as `service`."""
    find = _HABITS.get(type(service))
    return () if find is None else find(octets, service)


def reader(tolerances: Tolerances) -> Reader:
    """Return `parse`, or a form of it that refuses the habits which `tolerances` switch off."""
    if tolerances == TOLERANT:
        return parse

    def read(octets: bytes, *, checked: bool = True) -> Parsed:
        answer = parse(octets, checked=checked)
        refuse(octets, answer.service, tolerances)
        return answer

    return read


def refuse(octets: bytes, service: Any, tolerances: Tolerances) -> None:
    """Raise `DecodeError` where `service` was read by a habit that is switched off."""
    for name in habits(octets, service):
        if not getattr(tolerances, name):
            raise DecodeError(f"needs the tolerance {name}, which is off", 0, (service.service,))


def _notification(octets: bytes, service: Any) -> tuple[str, ...]:
    found = ("tagged_date_time",) if octets.startswith(TAGGED_DATE_TIME, _DATE_TIME_AT[octets[0]]) else ()
    if octets[0] == DataNotification.tag and not octets.endswith(service.data):
        return (*found, "untyped_descriptors")
    return found


def _initiate(octets: bytes, service: Any) -> tuple[str, ...]:
    # The conformance block is the last element but one: its head stands at a fixed distance from the end.
    size = _BEHIND_CONFORMANCE[octets[0]] + len(SHORT_CONFORMANCE_HEAD)
    head = octets[len(octets) - size :]
    return ("short_conformance_tag",) if head.startswith(SHORT_CONFORMANCE_HEAD) else ()


_DATE_TIME_AT = {0x0F: 5, 0x10: 5, 0xC2: 2}
_BEHIND_CONFORMANCE = {0x01: 5, 0x08: 7}
_HABITS: dict[type, Callable[[bytes, Any], tuple[str, ...]]] = {
    DataNotification: _notification,
    DataNotificationConfirm: _notification,
    EventNotification: _notification,
    InitiateRequest: _initiate,
    InitiateResponse: _initiate,
}
