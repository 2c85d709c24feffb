"""A readout of one device: its telegrams opened, their records together, and what the header says beside them."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Any, Final

from cosem.errors import DecodeError, RemoteProtocolError
from cosem.mbus.ci import Content
from cosem.mbus.header import Configuration
from cosem.mbus.keys import KeyStore
from cosem.mbus.link_fields import APPLICATION_ERROR, MAX_TELEGRAMS
from cosem.mbus.moments import Moment
from cosem.mbus.primary import Primary, Reply
from cosem.mbus.record import Record, decode_records
from cosem.mbus.reports import ApplicationError
from cosem.mbus.telegram import State, Telegram, decode, decode_message
from cosem.mbus.wireless import Address, Format

ANSWER_WITH_LONG_HEADER: Final = 0x72
LONG_HEADER_SIZE: Final = 12
_HOUR: Final = timedelta(hours=1)


class DeviceRefused(RemoteProtocolError):
    """The device answered with an application error."""


@dataclass(frozen=True, slots=True)
class Readout:
    """What one answer says. `opened`: it came protected, and the key fitted. `at`: UTC seconds of its reception."""

    address: Address | None
    access_number: int
    status: int
    configuration: Configuration
    records: tuple[Record, ...]
    opened: bool
    at: int
    rssi: int | None = None

    def find(self, dib: bytes, vib: bytes) -> Record | None:
        """Return the record with these DIB and VIB, which a capture definition names."""
        wanted = dib + vib
        return next((record for record in self.records if record.head.octets == wanted), None)

    def time_of(self, record: Record) -> Moment | None:
        """Return the device's time that belongs to a value: the one with the same storage number."""
        for other in self.records:
            if other.storage == record.storage and isinstance(moment := other.raw, Moment) and moment.kind in "FI":
                return None if moment.invalid else moment
        return None


def utc_of(moment: Moment, zone: int) -> int | None:
    """Return UTC seconds of a device's local time; `zone` is its normal time's minutes to UTC. None where it is none.

    Utility meters keep normal time, or say that it is summer. That they stand in the meter's zone is our choice.
    """
    try:
        local = moment.to_datetime()
    except DecodeError:
        return None
    utc = local - timedelta(minutes=zone) - (_HOUR if moment.summer_time else timedelta())
    return int(utc.replace(tzinfo=UTC).timestamp())


def header_of(reply: Reply) -> Address | None:
    """Return who answered, without opening anything: also of what is protected."""
    if reply.ci == ANSWER_WITH_LONG_HEADER and len(reply.octets) >= LONG_HEADER_SIZE:
        return Address.from_header(reply.octets[:8])
    return None


def read_device(
    bus: Primary, address: int, meter: Address | None, keys: KeyStore | None, now: Callable[[], int]
) -> Generator[Any, Any, Readout]:
    """Read a device by its primary address, every telegram of its answer.

    Raises `Timeout`, `RemoteProtocolError`, `DeviceRefused`, `DecodeError`, `SecurityError`.
    """
    first = yield from bus.read(address, limit=1)
    if not first:
        raise DecodeError("the device has no data")
    telegrams = [opened(first[0], meter, keys)]
    records, more = _records(telegrams[0])
    while more and len(telegrams) < MAX_TELEGRAMS:
        # What is protected does not say outside that more follows: each telegram is opened before the next is asked.
        following = yield from bus.read(address, reset=False, limit=1)
        if not following:
            break
        telegrams.append(opened(following[0], meter, keys))
        found, more = _records(telegrams[-1])
        records += found
    return _readout(telegrams, tuple(records), now())


def opened(reply: Reply, meter: Address | None, keys: KeyStore | None) -> Telegram:
    """Return the telegram of a wired answer. Raises `DeviceRefused` for an application error."""
    if reply.ci == APPLICATION_ERROR:
        raise DeviceRefused(f"the device refuses: {ApplicationError.from_octets(reply.octets).words}")
    return decode_message(bytes((reply.ci,)) + reply.octets, wired=True, meter=meter, keys=keys)


def heard_frame(octets: bytes, keys: KeyStore, at: int, rssi: int, form: Format | None = None) -> Readout:
    """Return what a wireless frame says. Raises `DecodeError`, `SecurityError`."""
    telegram = decode(octets, link="wireless", keys=keys, form=form)
    records, _ = _records(telegram)
    return _readout([telegram], tuple(records), at, rssi)


def _records(telegram: Telegram) -> tuple[list[Record], bool]:
    if telegram.content is not Content.RECORDS:
        raise DecodeError(f"CI {telegram.ci:02X}h carries no records: {telegram.content.value}")
    content = decode_records(telegram.application)
    return list(content.records), content.more_follows


def _readout(telegrams: list[Telegram], records: tuple[Record, ...], at: int, rssi: int | None = None) -> Readout:
    last = telegrams[-1]
    return Readout(
        telegrams[0].address,
        last.access_number or 0,
        last.header.status,
        last.header.configuration,
        records,
        last.state is State.OPENED,
        at,
        rssi,
    )
