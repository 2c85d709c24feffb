"""COSEM date, time and date-time (Blue Book ed. 9, 4.1.6.1): every octet kept, what is not specified as None.

Any octets of the right number are a value, and give the same octets back. Whether a value is a point in time is
another question: `to_datetime` answers it or refuses.

The deviation is written as DLMS writes it, in minutes from local time to UTC: -120 is UTC+02:00.
"""

from __future__ import annotations

import re
import struct
from datetime import date, datetime, time, timedelta, timezone
from enum import IntFlag
from typing import Any, Final, NamedTuple, NoReturn

from cosem.errors import ConfigError, DecodeError, EncodeError

DST_END: Final = 0xFD
"""In place of a month: daylight saving ends."""
DST_BEGIN: Final = 0xFE
"""In place of a month: daylight saving begins."""
SECOND_LAST_DAY: Final = 0xFD
"""In place of a day: the 2nd last day of the month; with a day of the week, the 2nd last such day."""
LAST_DAY: Final = 0xFE
"""In place of a day: the last day of the month; with a day of the week, the last such day."""

MAX_DEVIATION: Final = 840
"""Minutes. The Blue Book says -720 to 840; meters east of UTC+12:00 send down to -840."""

_MONTH_WORDS: Final = {DST_BEGIN: "dst_begin", DST_END: "dst_end"}
_DAY_WORDS: Final = {LAST_DAY: "last", SECOND_LAST_DAY: "second_last"}
_MONTH_CODES: Final = {word: code for code, word in _MONTH_WORDS.items()}
_DAY_CODES: Final = {word: code for code, word in _DAY_WORDS.items()}

_DATE_TIME: Final = struct.Struct(">HBBBBBBBhB")
_NO_YEAR: Final = 0xFFFF
_NO_DEVIATION: Final = -0x8000
_RAW_DEFAULTS: Final = (_NO_YEAR, 255, 255, 255, 255, 255, 255, 255, _NO_DEVIATION, 255)

_FIELDS: Final = (
    # name, offset in the date-time, smallest, largest, other codes with a meaning
    ("year", 0, 0, 0xFFFE, ()),
    ("month", 2, 1, 12, (DST_BEGIN, DST_END)),
    ("day", 3, 1, 31, (LAST_DAY, SECOND_LAST_DAY)),
    ("weekday", 4, 1, 7, ()),
    ("hour", 5, 0, 23, ()),
    ("minute", 6, 0, 59, ()),
    ("second", 7, 0, 59, ()),
    ("hundredths", 8, 0, 99, ()),
    ("deviation", 9, -MAX_DEVIATION, MAX_DEVIATION, ()),
    ("clock_status", 11, 0, 254, ()),
)


class ClockStatus(IntFlag):
    """The bits of the clock status octet; 0xFF as a whole means not specified and is None."""

    INVALID = 0x01  # the time could not be restored after an incident
    DOUBTFUL = 0x02  # it could be restored, but not be relied upon
    DIFFERENT_BASE = 0x04  # the timing element in use is another one than usual
    INVALID_STATUS = 0x08  # at least one bit of this octet is invalid
    DAYLIGHT_SAVING = 0x80


class CosemDate(NamedTuple):
    """A date: 5 octets. None is "not specified"; `month` and `day` may be one of the codes at the top of this module.

    `weekday` is 1 for Monday to 7 for Sunday. Together with None or a last-day code it says which day is meant.
    """

    year: int | None = None
    month: int | None = None
    day: int | None = None
    weekday: int | None = None

    @classmethod
    def from_octets(cls, octets: bytes) -> CosemDate:
        """Read 5 octets. Raises `DecodeError` for another number of them."""
        _size(octets, 5, "date")
        year, month, day, weekday = octets[0] << 8 | octets[1], octets[2], octets[3], octets[4]
        return cls(None if year == _NO_YEAR else year, _known(month), _known(day), _known(weekday))

    @classmethod
    def from_date(cls, day: date) -> CosemDate:
        """Return `day` with its weekday."""
        return cls(day.year, day.month, day.day, day.isoweekday())

    @property
    def in_range(self) -> bool:
        """Whether every field is in its range, a code with a meaning, or not specified."""
        return _in_range(self, 0)

    def to_octets(self) -> bytes:
        """Return the 5 octets. Raises `EncodeError` for a field that does not fit."""
        return _pack((*self, None, None, None, None, None, None))[:5]

    def to_date(self) -> date:
        """Return the day. Raises `DecodeError` where fields are not specified, codes, or no day together."""
        year, month, day = (_exactly(self, 0, index) for index in range(3))
        try:
            return date(year, month, day)
        except ValueError as error:
            raise DecodeError(f"{self.isoformat()} is no day: {error}", 3) from None

    def isoformat(self) -> str:
        """Return ``2024-03-31``; ``*`` for what is not specified, ``dst_begin``, ``last`` and so on for the codes."""
        return f"{_text(self.year, 4)}-{_text(self.month, 2, _MONTH_WORDS)}-{_text(self.day, 2, _DAY_WORDS)}"

    @classmethod
    def parse(cls, text: str) -> CosemDate:
        """Read what `isoformat` writes; the weekday is set where the date is a day. Raises `ConfigError`."""
        match = re.fullmatch(_DATE_TEXT, text.strip(), re.ASCII)
        if match is None:
            raise ConfigError(f"{text!r} is no date: write 2024-03-31, with * for what shall not be specified")
        year, month, day = match.groups()
        value = cls(_number(year), _number(month, _MONTH_CODES), _number(day, _DAY_CODES))
        if not value.in_range:
            raise ConfigError(f"{text!r} is no date: a field is out of its range")
        try:
            return value._replace(weekday=value.to_date().isoweekday())
        except DecodeError as error:
            if None in value[:3] or value.month in _MONTH_WORDS or value.day in _DAY_WORDS:
                return value
            raise ConfigError(error.what) from None


class CosemTime(NamedTuple):
    """A time of day: 4 octets. None is "not specified"."""

    hour: int | None = None
    minute: int | None = None
    second: int | None = None
    hundredths: int | None = None

    @classmethod
    def from_octets(cls, octets: bytes) -> CosemTime:
        """Read 4 octets. Raises `DecodeError` for another number of them."""
        _size(octets, 4, "time")
        return cls(*(_known(octet) for octet in octets))

    @classmethod
    def from_time(cls, moment: time) -> CosemTime:
        """Return `moment`, cut to hundredths of a second; a time zone is not kept."""
        return cls(moment.hour, moment.minute, moment.second, moment.microsecond // 10_000)

    @property
    def in_range(self) -> bool:
        """Whether every field is in its range or not specified."""
        return _in_range(self, 4)

    def to_octets(self) -> bytes:
        """Return the 4 octets. Raises `EncodeError` for a field that does not fit."""
        return _pack((None, None, None, None, *self, None, None))[5:9]

    def to_time(self) -> time:
        """Return the time. Raises `DecodeError` where hour, minute or second is not specified or out of range.

        Hundredths that are not specified count as 0.
        """
        hour, minute, second = (_exactly(self, 4, index) for index in range(3))
        return time(hour, minute, second, _hundredths(self, 4))

    def isoformat(self) -> str:
        """Return ``02:15:00``, with ``*`` for what is not specified; hundredths only where specified and not 0."""
        text = f"{_text(self.hour, 2)}:{_text(self.minute, 2)}:{_text(self.second, 2)}"
        return f"{text}.{self.hundredths:02d}" if self.hundredths else text

    @classmethod
    def parse(cls, text: str) -> CosemTime:
        """Read what `isoformat` writes. Hundredths that are not written are 0. Raises `ConfigError`."""
        match = re.fullmatch(_TIME_TEXT, text.strip(), re.ASCII)
        if match is None:
            raise ConfigError(f"{text!r} is no time: write 02:15:00, with * for what shall not be specified")
        hour, minute, second, hundredths = match.groups()
        value = cls(_number(hour), _number(minute), _number(second or "0"), _number(hundredths or "0"))
        if not value.in_range:
            raise ConfigError(f"{text!r} is no time: a field is out of its range")
        return value


class CosemDateTime(NamedTuple):
    """A date-time: 12 octets. None is "not specified"; the date as in `CosemDate`, the time as in `CosemTime`.

    `deviation` is in minutes from local time to UTC (-120 is UTC+02:00), `clock_status` bits as in `ClockStatus`.
    """

    year: int | None = None
    month: int | None = None
    day: int | None = None
    weekday: int | None = None
    hour: int | None = None
    minute: int | None = None
    second: int | None = None
    hundredths: int | None = None
    deviation: int | None = None
    clock_status: int | None = None

    @classmethod
    def from_octets(cls, octets: bytes) -> CosemDateTime:
        """Read 12 octets. Raises `DecodeError` for another number of them."""
        _size(octets, 12, "date-time")
        year, month, day, weekday, hour, minute, second, hundredths, deviation, status = _DATE_TIME.unpack(octets)
        return cls(
            None if year == _NO_YEAR else year,
            _known(month),
            _known(day),
            _known(weekday),
            _known(hour),
            _known(minute),
            _known(second),
            _known(hundredths),
            None if deviation == _NO_DEVIATION else deviation,
            _known(status),
        )

    @classmethod
    def from_datetime(cls, moment: datetime, clock_status: int | None = None) -> CosemDateTime:
        """Return `moment`, cut to hundredths of a second.

        A naive `moment` has no deviation. Without `clock_status` only the daylight saving bit is set, where the zone
        of `moment` says so. Raises `EncodeError` for a zone that is no whole number of minutes within 14 hours.
        """
        offset = moment.utcoffset()
        deviation = None
        if offset is not None:
            minutes, left = divmod(offset, timedelta(minutes=1))
            if left or abs(minutes) > MAX_DEVIATION:
                raise EncodeError(f"UTC offset {offset} is no deviation: whole minutes within 14 hours")
            deviation = -minutes
        if clock_status is None:
            clock_status = int(ClockStatus.DAYLIGHT_SAVING) if moment.dst() else 0
        return cls(
            moment.year,
            moment.month,
            moment.day,
            moment.isoweekday(),
            moment.hour,
            moment.minute,
            moment.second,
            moment.microsecond // 10_000,
            deviation,
            clock_status,
        )

    @property
    def date(self) -> CosemDate:
        """The date alone."""
        return CosemDate(*self[:4])

    @property
    def time(self) -> CosemTime:
        """The time of day alone."""
        return CosemTime(*self[4:8])

    @property
    def status(self) -> ClockStatus | None:
        """The clock status as flags."""
        return None if self.clock_status is None else ClockStatus(self.clock_status)

    @property
    def in_range(self) -> bool:
        """Whether every field is in its range, a code with a meaning, or not specified."""
        return _in_range(self, 0)

    def to_octets(self) -> bytes:
        """Return the 12 octets. Raises `EncodeError` for a field that does not fit."""
        return _pack(self)

    def to_datetime(self) -> datetime:
        """Return the point in time: aware where the deviation is specified, else naive local time.

        Raises `DecodeError` where a field from year to second is not specified, a code, or out of range, or where
        they are no day together. Hundredths that are not specified count as 0; the weekday is not looked at (meters
        send 0 or a wrong one), nor is the clock status.
        """
        year, month, day = (_exactly(self, 0, index) for index in range(3))
        hour, minute, second = (_exactly(self, 0, index) for index in range(4, 7))
        zone = None
        if self.deviation is not None:
            zone = timezone(timedelta(minutes=-_exactly(self, 0, 8)))
        try:
            return datetime(year, month, day, hour, minute, second, _hundredths(self, 0), zone)
        except ValueError as error:
            raise DecodeError(f"{self.isoformat()} is no point in time: {error}", 0, ("date-time",)) from None

    def isoformat(self) -> str:
        """Return ``2024-03-31T02:15:00+02:00``.

        ``*`` stands for what is not specified, ``dst_begin``, ``dst_end``, ``last`` and ``second_last`` for the codes;
        hundredths follow only where specified and not 0; nothing follows where the deviation is not specified.
        """
        text = f"{self.date.isoformat()}T{self.time.isoformat()}"
        if self.deviation is None:
            return text
        hours, minutes = divmod(abs(self.deviation), 60)
        return f"{text}{'-' if self.deviation > 0 else '+'}{hours:02d}:{minutes:02d}"

    @classmethod
    def parse(cls, text: str) -> CosemDateTime:
        """Read what `isoformat` writes (a space may stand for T, ``Z`` for ``+00:00``). Raises `ConfigError`.

        The weekday is set where the date is a day; the clock status is 0.
        """
        match = re.fullmatch(_DATE_TIME_TEXT, text.strip(), re.ASCII)
        if match is None:
            raise ConfigError(f"{text!r} is no date-time: write 2024-03-31T02:15:00+02:00")
        days, clock, zone, sign, hours, minutes = match.groups()
        deviation = None
        if zone:
            deviation = 0 if zone in "Zz" else (int(hours) * 60 + int(minutes)) * (1 if sign == "-" else -1)
        value = cls(*CosemDate.parse(days), *CosemTime.parse(clock), deviation, 0)
        if not value.in_range:
            raise ConfigError(f"{text!r} is no date-time: the offset is above 14 hours")
        return value


_DATE_TEXT: Final = r"(\d{4,5}|\*)-(\d\d|\*|dst_begin|dst_end)-(\d\d|\*|last|second_last)"
_TIME_TEXT: Final = r"(\d\d|\*):(\d\d|\*)(?::(\d\d|\*)(?:\.(\d\d))?)?"
_DATE_TIME_TEXT: Final = r"([^T ]+)[T ]([\d:.*]+)(([+-])(\d\d):(\d\d)|[Zz])?"


def _known(octet: int) -> int | None:
    return None if octet == 0xFF else octet


def _number(text: str, codes: dict[str, int] | None = None) -> int | None:
    if text == "*":
        return None
    return codes[text] if codes and text in codes else int(text)


def _text(value: int | None, digits: int, words: dict[int, str] | None = None) -> str:
    if value is None:
        return "*"
    return words[value] if words and value in words else f"{value:0{digits}d}"


def _size(octets: bytes, size: int, name: str) -> None:
    if len(octets) != size:
        raise DecodeError(f"a {name} has {size} octets, not {len(octets)}")


def _pack(values: tuple[Any, ...]) -> bytes:
    """Pack the ten fields of a date-time."""
    try:
        return _DATE_TIME.pack(
            *(raw if value is None else value for value, raw in zip(values, _RAW_DEFAULTS, strict=True))
        )
    except struct.error as error:
        raise EncodeError(f"a field of a date-time does not fit: {error}") from None


def _in_range(values: tuple[Any, ...], first: int) -> bool:
    """Look at `values`, of which the first is field number `first` of a date-time."""
    return all(
        value is None or low <= value <= high or value in codes
        for value, (_, _, low, high, codes) in zip(values, _FIELDS[first:], strict=False)
    )


def _exactly(values: tuple[Any, ...], first: int, index: int) -> int:
    """Return one field, which must be specified, in range and no code."""
    name, offset, low, high, codes = _FIELDS[first + index]
    value: int | None = values[index]
    if value is None:
        _no_point(f"{name} is not specified", offset - _FIELDS[first][1])
    if value in codes:
        words = _MONTH_WORDS if name == "month" else _DAY_WORDS
        _no_point(f"{name} is the code for {words[value]}", offset - _FIELDS[first][1])
    if not low <= value <= high:
        _no_point(f"{name} {value} is not in the range {low} to {high}", offset - _FIELDS[first][1])
    return value


def _hundredths(values: tuple[Any, ...], first: int) -> int:
    """Return the hundredths in microseconds."""
    index = 7 - first
    return 0 if values[index] is None else _exactly(values, first, index) * 10_000


def _no_point(why: str, offset: int) -> NoReturn:
    raise DecodeError(f"no point in time: {why}", offset)
