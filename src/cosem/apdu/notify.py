"""DataNotification (tag 0F) and EventNotification (tag C2): sent unasked (Green Book 9.3.10, 9.3.11, 9.5)."""

from __future__ import annotations

from struct import Struct
from typing import ClassVar, NamedTuple

from cosem.apdu.base import AttributeDescriptor, Parsed
from cosem.apdu.fields import (
    DESCRIPTOR_SIZE,
    Apdu,
    attribute_at,
    descriptor,
    last_data,
    octets_at,
    parsed,
    some,
    trailing,
    unknown_choice,
)
from cosem.codec.axdr import encode_octets
from cosem.errors import DecodeError, EncodeError

DATE_TIME_SIZE = 12

_new = tuple.__new__
_pack_long_invoke = Struct(">BI").pack
_unpack_long_invoke = Struct(">xI").unpack_from
TAGGED_DATE_TIME = b"\x09\x0c"  # Kaifa meters: the OCTET STRING carries the A-XDR tag of an octet-string in front


class _DataNotification(NamedTuple):
    date_time: bytes
    data: bytes


class DataNotification(Apdu, _DataNotification):
    """A push: `date_time` has 12 octets, or none where the sender gives no time. Its invoke-id is the long one."""

    __slots__ = ()
    service: ClassVar[str] = "data-notification"
    tag: ClassVar[int] = 0x0F

    def _octets(self, invoke: int | None) -> bytes:
        date_time, data = self
        if date_time and len(date_time) != DATE_TIME_SIZE:
            raise EncodeError(f"a date-time has 12 octets or none, not {len(date_time)}", ("date-time",))
        return _pack_long_invoke(0x0F, invoke) + encode_octets(date_time) + some(data, "notification-body")


class _EventNotification(NamedTuple):
    time: bytes | None
    target: AttributeDescriptor
    data: bytes


class EventNotification(Apdu, _EventNotification):
    """The value of one attribute, sent unasked; `time` (12 octets) says since when. It has no invoke-id."""

    __slots__ = ()
    service: ClassVar[str] = "event-notification-request"
    tag: ClassVar[int] = 0xC2

    def _octets(self, invoke: int | None) -> bytes:
        time, target, data = self
        if time is not None and len(time) != DATE_TIME_SIZE:
            raise EncodeError(f"a date-time has 12 octets, not {len(time)}", ("time",))
        head = b"\xc2\x00" if time is None else b"\xc2\x01" + encode_octets(time)
        return head + descriptor(target) + some(data, "attribute-value")


class _DataNotificationConfirm(NamedTuple):
    date_time: bytes


class DataNotificationConfirm(Apdu, _DataNotificationConfirm):
    """The client confirms a data-notification under its long invoke-id (Green Book from edition 9 on)."""

    __slots__ = ()
    service: ClassVar[str] = "data-notification-confirm"
    tag: ClassVar[int] = 0x10

    def _octets(self, invoke: int | None) -> bytes:
        if invoke is None:
            raise EncodeError("a long invoke-id is needed")
        if self.date_time and len(self.date_time) != DATE_TIME_SIZE:
            raise EncodeError(f"a date-time has 12 octets, not {len(self.date_time)}", ("date-time",))
        return b"\x10" + invoke.to_bytes(4, "big") + encode_octets(self.date_time)


def _date_time_at(octets: bytes, offset: int, name: str) -> tuple[bytes, int]:
    if octets.startswith(TAGGED_DATE_TIME, offset):
        offset += 1
    value, end = octets_at(octets, offset, name)
    if value and len(value) != DATE_TIME_SIZE:
        raise DecodeError(f"a date-time of {len(value)} octets", offset, (name,))
    return value, end


def _parse_data_notification(octets: bytes, checked: bool) -> Parsed:
    (invoke,) = _unpack_long_invoke(octets)
    date_time, offset = _date_time_at(octets, 5, "date-time")
    return parsed(invoke, _new(DataNotification, (date_time, _body(octets, offset))))


def _body(octets: bytes, offset: int) -> bytes:
    """Read the body, walked through in any case: only there it shows that rows begin with bare descriptors."""
    try:
        return last_data(octets, offset, True, "notification-body")
    except DecodeError as error:
        from cosem.codec.untyped import typed  # one meter needs it

        try:
            return typed(octets, offset)
        except DecodeError:
            raise error from None


def _parse_event_notification(octets: bytes, checked: bool) -> Parsed:
    flag = octets[1]
    if flag > 1:
        raise unknown_choice(octets, 1, "presence flag").within("time")
    time, offset = _date_time_at(octets, 2, "time") if flag else (b"", 2)
    target = attribute_at(octets, offset)
    data = last_data(octets, offset + DESCRIPTOR_SIZE, checked, "attribute-value")
    return parsed(None, _new(EventNotification, (time or None, target, data)))


def _parse_confirm(octets: bytes, checked: bool) -> Parsed:
    (invoke,) = _unpack_long_invoke(octets)
    date_time, end = _date_time_at(octets, 5, "date-time")
    if end != len(octets):
        raise trailing(octets, end)
    return parsed(invoke, _new(DataNotificationConfirm, (date_time,)))


PARSERS = {0x0F: _parse_data_notification, 0x10: _parse_confirm, 0xC2: _parse_event_notification}
