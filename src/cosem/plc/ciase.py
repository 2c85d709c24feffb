"""CIASE, the management of a power line network (IEC 61334-4-511; IEC 62056-8-3, 10.2 to 10.6): PDUs <-> octets.

A-XDR: one octet of tag, then the fields. A system title has 6 octets (with IEC 61334-4-32) or 8 (with HDLC), always
the same number in one network and never told, so a decoder that was not told either finds it out from the length.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, NamedTuple

from cosem.codec.primitive import decode_length, encode_length
from cosem.errors import ConfigError, DecodeError, EncodeError, IncompleteError

TITLE_SIZES: Final = (6, 8)
PING_REQUEST: Final = 0x19
PING_RESPONSE: Final = 0x1A
REGISTER: Final = 0x1C
DISCOVER: Final = 0x1D
DISCOVER_REPORT: Final = 0x1E
REPEATER_CALL: Final = 0x1F
DEFAULT_THRESHOLD: Final = 104
"""dBµV of a repeater call that names none (from memory of the standard)."""


@dataclass(frozen=True, slots=True)
class CiaseDialect:
    """What sources leave open. The defaults are the reading that the octets seen bear best.

    - `title_size`: 6 or 8; None finds it out from the length of a PDU.
    - `clear_alarm_tag`: 57, from memory of the standard; no ClearAlarm was seen anywhere.
    - `new_slots_optional`: whether the number of slots for new stations in a RepeaterCall has a flag before it, as the
      threshold has. Both readings have the same octets for "none, default threshold", the only ones seen.
    """

    title_size: int | None = None
    clear_alarm_tag: int = 0x39
    new_slots_optional: bool = False

    def __post_init__(self) -> None:
        if self.title_size not in (None, *TITLE_SIZES):
            raise ConfigError(f"system titles of {self.title_size} octets: 6 or 8")


_DEFAULT: Final = CiaseDialect()


@dataclass(frozen=True, slots=True)
class PingRequest:
    """Ask one server whether it is there."""

    name: ClassVar[str] = "ping-request"
    title: bytes


@dataclass(frozen=True, slots=True)
class PingResponse:
    """A server is there. That the body is its title is from memory of the standard."""

    name: ClassVar[str] = "ping-response"
    title: bytes


class Registration(NamedTuple):
    """A system and the MAC address it gets."""

    title: bytes
    address: int


@dataclass(frozen=True, slots=True)
class Register:
    """Give addresses. `initiator` is the title of who gives them; each system looks for its own title."""

    name: ClassVar[str] = "register"
    initiator: bytes
    systems: tuple[Registration, ...]


@dataclass(frozen=True, slots=True)
class Discover:
    """Ask new systems, and those with an alarm, to report.

    `probability` in percent; `time_slots` is the window in which they choose; `report_credit` is the initial credit of
    reports, but for `same_credit` other than 0 they take that of the Discover itself (the meaning is from memory).
    """

    name: ClassVar[str] = "discover"
    probability: int
    time_slots: int
    report_credit: int = 0
    same_credit: int = 0


@dataclass(frozen=True, slots=True)
class DiscoverReport:
    """Systems that report; `alarm` is the alarm descriptor, None for no alarm, and its meaning is up to companions."""

    name: ClassVar[str] = "discover-report"
    titles: tuple[bytes, ...]
    alarm: int | None = None


@dataclass(frozen=True, slots=True)
class RepeaterCallPdu:
    """Begin a repeater call. `threshold` in dBµV; None leaves it to the default of 104 (from memory of the
    standard)."""

    name: ClassVar[str] = "repeater-call"
    max_address: int
    new_slots: int = 0
    threshold: int | None = None

    @property
    def threshold_dbuv(self) -> int:
        """The threshold that holds."""
        return DEFAULT_THRESHOLD if self.threshold is None else self.threshold


class SystemAlarm(NamedTuple):
    """One system and the alarm of it that is cleared."""

    title: bytes
    alarm: int


@dataclass(frozen=True, slots=True)
class ClearAlarm:
    """Clear alarms: `alarms` of all systems, or of `titles` only; or `systems`, each with one of its own.

    One alarm, a list, a list with titles, and pairs are four choices on the line (0 to 3, from memory of the standard).
    """

    name: ClassVar[str] = "clear-alarm"
    alarms: tuple[int, ...] = ()
    titles: tuple[bytes, ...] = ()
    systems: tuple[SystemAlarm, ...] = ()
    as_list: bool = field(default=False)
    """Whether a single alarm is sent as a list of one."""


CiasePdu = PingRequest | PingResponse | Register | Discover | DiscoverReport | RepeaterCallPdu | ClearAlarm


# --- to octets -------------------------------------------------------------------------------------------------


def build(pdu: CiasePdu, dialect: CiaseDialect = _DEFAULT) -> bytes:
    """Return the octets of `pdu`. Raises `EncodeError`."""
    match pdu:
        case PingRequest():
            return bytes((PING_REQUEST,)) + _one_size(dialect, pdu.title)
        case PingResponse():
            return bytes((PING_RESPONSE,)) + _one_size(dialect, pdu.title)
        case Register():
            _one_size(dialect, pdu.initiator, *(system.title for system in pdu.systems))
            entries = b"".join(system.title + _number(system.address, 2) for system in pdu.systems)
            return bytes((REGISTER,)) + pdu.initiator + encode_length(len(pdu.systems)) + entries
        case Discover():
            if not 0 <= pdu.probability <= 100:
                raise EncodeError(f"a probability of {pdu.probability}: 0 to 100 percent")
            numbers = (pdu.probability, 1), (pdu.time_slots, 2), (pdu.report_credit, 1), (pdu.same_credit, 1)
            return bytes((DISCOVER,)) + b"".join(_number(*item) for item in numbers)
        case DiscoverReport():
            alarm = b"\x00" if pdu.alarm is None else b"\x01" + _number(pdu.alarm, 1)
            return bytes((DISCOVER_REPORT,)) + encode_length(len(pdu.titles)) + _one_size(dialect, *pdu.titles) + alarm
        case RepeaterCallPdu():
            new = _number(pdu.new_slots, 1)
            if dialect.new_slots_optional:
                new = b"\x01" + new if pdu.new_slots else b"\x00"
            threshold = b"\x00" if pdu.threshold is None else b"\x01" + _number(pdu.threshold, 1)
            return bytes((REPEATER_CALL,)) + _number(pdu.max_address, 2) + new + threshold
        case ClearAlarm():
            return bytes((dialect.clear_alarm_tag,)) + _clear_alarm(pdu, dialect)


def _number(value: int, size: int) -> bytes:
    if not 0 <= value < 1 << 8 * size:
        raise EncodeError(f"{value} does not fit {size} octets")
    return value.to_bytes(size, "big")


def _one_size(dialect: CiaseDialect, *titles: bytes) -> bytes:
    sizes = {len(title) for title in titles}
    allowed = TITLE_SIZES if dialect.title_size is None else (dialect.title_size,)
    if len(sizes) > 1 or not sizes <= set(allowed):
        raise EncodeError(f"system titles of {', '.join(map(str, sorted(sizes)))} octets in one network")
    return b"".join(titles)


def _clear_alarm(pdu: ClearAlarm, dialect: CiaseDialect) -> bytes:
    alarms = encode_length(len(pdu.alarms)) + b"".join(_number(alarm, 1) for alarm in pdu.alarms)
    if pdu.systems:
        if pdu.alarms or pdu.titles:
            raise EncodeError("alarms of systems, or alarms and titles, not both")
        pairs = b"".join(item.title + _number(item.alarm, 1) for item in pdu.systems)
        _one_size(dialect, *(item.title for item in pdu.systems))
        return b"\x03" + encode_length(len(pdu.systems)) + pairs
    if pdu.titles:
        return b"\x02" + alarms + encode_length(len(pdu.titles)) + _one_size(dialect, *pdu.titles)
    if len(pdu.alarms) == 1 and not pdu.as_list:
        return b"\x00" + _number(pdu.alarms[0], 1)
    return b"\x01" + alarms


# --- from octets -----------------------------------------------------------------------------------------------


class _Cursor:
    """Reads fields one behind the other; every title has `size` octets."""

    def __init__(self, octets: bytes, size: int) -> None:
        self.octets = octets
        self.offset = 1
        self._size = size

    def take(self, size: int) -> bytes:
        end = self.offset + size
        if end > len(self.octets):
            raise IncompleteError("the PDU is cut short", len(self.octets))
        taken, self.offset = self.octets[self.offset : end], end
        return taken

    def number(self, size: int = 1) -> int:
        return int.from_bytes(self.take(size), "big")

    def title(self) -> bytes:
        return self.take(self._size)

    def flag(self) -> bool:
        at, value = self.offset, self.number()
        if value > 1:
            raise DecodeError(f"{value:02X} where 00 or 01 says whether something follows", at)
        return bool(value)

    def many(self, read: Callable[[], Any], size: int) -> tuple[Any, ...]:
        """Read a count and as many elements, each of `size` octets."""
        at = self.offset
        count, self.offset = decode_length(self.octets, at, len(self.octets))
        if count * size > len(self.octets) - self.offset:
            raise IncompleteError(f"{count} elements of {size} octets, the PDU is cut short", at)
        return tuple(read() for _ in range(count))


def parse(octets: bytes, dialect: CiaseDialect = _DEFAULT) -> CiasePdu:
    """Return the PDU in `octets`. Raises `DecodeError`.

    Where the size of titles is not given, the one with which every octet is explained is taken, 6 before 8.
    """
    if not octets:
        raise IncompleteError("no octets", 0)
    sizes = TITLE_SIZES if dialect.title_size is None else (dialect.title_size,)
    first: DecodeError | None = None
    for size in sizes:
        try:
            return _parse(octets, size, dialect)
        except DecodeError as error:
            first = first or error
    assert first is not None  # there is at least one size
    raise first


def _parse(octets: bytes, size: int, dialect: CiaseDialect) -> CiasePdu:
    cursor = _Cursor(octets, size)
    read = _READERS.get(octets[0]) if octets[0] != dialect.clear_alarm_tag else _read_clear_alarm
    if read is None:
        raise DecodeError(f"{octets[0]:02X} is no PDU of CIASE", 0)
    pdu = read(cursor, size, dialect)
    if cursor.offset != len(octets):
        raise DecodeError(f"octets behind a {pdu.name}", cursor.offset)
    return pdu


def _read_register(cursor: _Cursor, size: int, dialect: CiaseDialect) -> CiasePdu:
    initiator = cursor.title()
    systems = cursor.many(lambda: Registration(cursor.title(), cursor.number(2)), size + 2)
    return Register(initiator, systems)


def _read_discover(cursor: _Cursor, size: int, dialect: CiaseDialect) -> CiasePdu:
    pdu = Discover(cursor.number(), cursor.number(2), cursor.number(), cursor.number())
    if pdu.probability > 100:
        raise DecodeError(f"a probability of {pdu.probability} percent", 1)
    return pdu


def _read_report(cursor: _Cursor, size: int, dialect: CiaseDialect) -> CiasePdu:
    titles = cursor.many(cursor.title, size)
    return DiscoverReport(titles, cursor.number() if cursor.flag() else None)


def _read_repeater_call(cursor: _Cursor, size: int, dialect: CiaseDialect) -> CiasePdu:
    max_address = cursor.number(2)
    new_slots = 0 if dialect.new_slots_optional and not cursor.flag() else cursor.number()
    return RepeaterCallPdu(max_address, new_slots, cursor.number() if cursor.flag() else None)


def _read_clear_alarm(cursor: _Cursor, size: int, dialect: CiaseDialect) -> CiasePdu:
    at, choice = cursor.offset, cursor.number()
    if choice == 0:
        return ClearAlarm((cursor.number(),))
    if choice == 1:
        alarms = cursor.many(cursor.number, 1)
        return ClearAlarm(alarms, as_list=len(alarms) == 1)
    if choice == 2:
        return ClearAlarm(cursor.many(cursor.number, 1), cursor.many(cursor.title, size))
    if choice == 3:
        return ClearAlarm(systems=cursor.many(lambda: SystemAlarm(cursor.title(), cursor.number()), size + 1))
    raise DecodeError(f"choice {choice} of a clear-alarm", at)


_READERS: Final[dict[int, Callable[[_Cursor, int, CiaseDialect], CiasePdu]]] = {
    PING_REQUEST: lambda cursor, size, dialect: PingRequest(cursor.title()),
    PING_RESPONSE: lambda cursor, size, dialect: PingResponse(cursor.title()),
    REGISTER: _read_register,
    DISCOVER: _read_discover,
    DISCOVER_REPORT: _read_report,
    REPEATER_CALL: _read_repeater_call,
}
