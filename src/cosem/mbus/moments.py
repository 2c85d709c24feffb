"""Dates and times of M-Bus: types F, G, I and J with their flags (EN 13757-3:2018, Annex A).

A moment is its octets, and everything else is read out of them: what a device sends comes back unchanged, whatever
sense it makes. None is "every" or "not specified"; a date of all ones is no date at all.
"""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Final, NamedTuple

from cosem.errors import DecodeError, EncodeError
from cosem.times import CosemDateTime

SIZES: Final = {"G": 2, "J": 3, "F": 4, "I": 6}
"""Octets by type: G is a date, J a time of day, F both to the minute, I both to the second and more of the clock."""
TYPES: Final = {size: name for name, size in SIZES.items()}
NO_DATE: Final = b"\xff\xff"
NO_TIME: Final = b"\xff\xff\xff"

EVERY_YEAR, EVERY_MONTH, EVERY_DAY, EVERY_HOUR, EVERY_MINUTE = 127, 15, 0, 31, 63
NEXT_CENTURY_UNTIL: Final = 80
"""Two digits of a year up to here, and no century, mean 20xx: devices write 0 for the century."""


class Moment(NamedTuple):
    """A date, a time, or both, of type `kind` ("F", "G", "I" or "J")."""

    kind: str
    octets: bytes

    @classmethod
    def from_octets(cls, octets: bytes) -> Moment:
        """Read 2, 3, 4 or 6 octets. Raises `DecodeError` for another number of them."""
        kind = TYPES.get(len(octets))
        if kind is None:
            raise DecodeError(f"a date or time has 2, 3, 4 or 6 octets, not {len(octets)}")
        return cls(kind, bytes(octets))

    @classmethod
    def of(
        cls, kind: str, moment: datetime | date | time, *, summer_time: bool = False, invalid: bool = False
    ) -> Moment:
        """Return `moment` in type `kind`, local time as it stands. Raises `EncodeError` for what the type cannot say.

        The century is written in F; the others have two digits for the years 1981 to 2080.
        """
        day = moment if isinstance(moment, date) else None
        clock = moment if not isinstance(moment, date) or isinstance(moment, datetime) else None
        if kind not in SIZES or (kind != "J" and day is None) or (kind != "G" and clock is None):
            raise EncodeError(f"{moment!r} has no type {kind}")
        hour, minute, second = (clock.hour, clock.minute, clock.second) if clock is not None else (0, 0, 0)
        if kind == "J":
            return cls(kind, bytes((second, minute, hour)))
        assert day is not None
        if kind == "F":
            if not 1900 <= day.year <= 2299:
                raise EncodeError(f"type F knows the years 1900 to 2299, not {day.year}")
        elif not 1981 <= day.year <= 2080:
            raise EncodeError(f"type {kind} knows the years 1981 to 2080, not {day.year}")
        century, years = divmod(day.year - 1900, 100)
        tail = bytes(((years & 7) << 5 | day.day, (years >> 3) << 4 | day.month))
        if kind == "G":
            return cls(kind, NO_DATE if invalid else tail)
        if kind == "F":
            return cls(kind, bytes((minute | invalid << 7, hour | century << 5 | summer_time << 7)) + tail)
        leap = day.year % 4 == 0
        head = (second | summer_time << 6 | leap << 7, minute | invalid << 7, hour | day.isoweekday() << 5)
        return cls(kind, bytes(head) + tail + b"\0")

    def _date(self) -> bytes | None:
        return None if self.kind == "J" else self.octets[-2:] if self.kind != "I" else self.octets[3:5]

    @property
    def no_date(self) -> bool:
        """Whether there is no date: it is FFFFh, or has the month 0, as devices write it before anything happened."""
        octets = self._date()
        return octets is not None and (octets == NO_DATE or (self.kind != "I" and octets[1] & 0x0F == 0))

    @property
    def out_of_range(self) -> bool:
        """Whether a month, hour, minute or second is one that there is not."""
        limits = (("month", 12), ("hour", 23), ("minute", 59), ("second", 59))
        return any((getattr(self, name) or 0) > most for name, most in limits)

    @property
    def year(self) -> int | None:
        """The year with its century; None for every year, and where the type has none."""
        octets = self._date()
        if octets is None:
            return None
        years = octets[0] >> 5 | octets[1] >> 4 << 3
        if years == EVERY_YEAR:
            return None
        century = self.century
        return years + (1900 + 100 * century if century or years > NEXT_CENTURY_UNTIL else 2000)

    @property
    def month(self) -> int | None:
        """The month; None for every month. What is none (0, 13 or 14) stays what it is."""
        octets = self._date()
        if octets is None:
            return None
        month = octets[1] & 0x0F
        return None if month == EVERY_MONTH or (self.kind == "I" and month == 0) else month

    @property
    def day(self) -> int | None:
        """The day of the month; None for every day."""
        octets = self._date()
        return None if octets is None else octets[0] & 0x1F or None

    @property
    def hour(self) -> int | None:
        """The hour; None for every hour."""
        if self.kind == "G":
            return None
        hour = self.octets[1 if self.kind == "F" else 2] & 0x1F
        return None if hour == EVERY_HOUR else hour

    @property
    def minute(self) -> int | None:
        """The minute; None for every minute."""
        if self.kind == "G":
            return None
        minute = self.octets[0 if self.kind == "F" else 1] & 0x3F
        return None if minute == EVERY_MINUTE else minute

    @property
    def second(self) -> int | None:
        """The second; None for every second, and in types F and G, which have none."""
        if self.kind in "FG":
            return None
        second = self.octets[0] & 0x3F
        return None if second == EVERY_MINUTE else second

    @property
    def century(self) -> int:
        """The hundreds of years from 1900 as type F writes them, 0 elsewhere."""
        return self.octets[1] >> 5 & 3 if self.kind == "F" else 0

    @property
    def invalid(self) -> bool:
        """Whether the device says itself that the time is not to be relied upon, or that there is none."""
        flagged = self.kind in "FI" and self.octets[0 if self.kind == "F" else 1] & 0x80
        return bool(flagged) or self.no_date or (self.kind == "J" and self.octets == NO_TIME)

    @property
    def summer_time(self) -> bool:
        """Whether summer time holds."""
        if self.kind == "F":
            return bool(self.octets[1] & 0x80)
        return self.kind == "I" and bool(self.octets[0] & 0x40)

    @property
    def leap_year(self) -> bool:
        """Whether type I says that the year is a leap year."""
        return self.kind == "I" and bool(self.octets[0] & 0x80)

    @property
    def weekday(self) -> int | None:
        """The day of the week of type I, 1 is Monday; None where it is not specified."""
        return (self.octets[2] >> 5 or None) if self.kind == "I" else None

    @property
    def week(self) -> int | None:
        """The week of type I; None where it is not specified."""
        return (self.octets[5] & 0x3F or None) if self.kind == "I" else None

    @property
    def deviation(self) -> int:
        """The hours that summer time deviates by, as type I says it; 0 elsewhere."""
        if self.kind != "I":
            return 0
        hours = self.octets[5] >> 6
        return hours if self.octets[1] & 0x40 else -hours

    @property
    def flags(self) -> tuple[str, ...]:
        """What there is to say beside the time itself, in words."""
        words = []
        if self.no_date:
            words.append("no date")
        elif self.invalid:
            words.append("invalid")
        if self.out_of_range and not self.no_date:
            words.append("out of range")
        if self.summer_time:
            words.append("summer time")
        if self.century:
            words.append(f"century {18 + self.century + 1}xx")
        if self.leap_year:
            words.append("leap year")
        if self.deviation:
            words.append(f"deviation {self.deviation:+d} h")
        if not self.no_date:
            words += [f"every {name}" for name in self._parts() if getattr(self, name) is None]
        return tuple(words)

    def _parts(self) -> tuple[str, ...]:
        if self.kind == "G":
            return ("year", "month", "day")
        if self.kind == "J":
            return ("hour", "minute", "second")
        return ("year", "month", "day", "hour", "minute", "second")[: 5 if self.kind == "F" else 6]

    def isoformat(self) -> str | None:
        """Return ``2024-03-31``, ``02:15:00`` or ``2024-03-31T02:15``, ``*`` for every; None where there is no date."""
        if self.no_date:
            return None
        texts = []
        if self.kind != "J":
            texts.append(f"{_digits(self.year, 4)}-{_digits(self.month)}-{_digits(self.day)}")
        if self.kind != "G":
            clock = f"{_digits(self.hour)}:{_digits(self.minute)}"
            texts.append(clock if self.kind == "F" else f"{clock}:{_digits(self.second)}")
        return "T".join(texts)

    def to_datetime(self) -> datetime:
        """Return the local time; a date is its midnight, type F has no seconds.

        Raises `DecodeError` where a part is missing or means "every", or where it is no moment. Validity is not asked.
        """
        parts = [getattr(self, name) for name in self._parts()]
        if self.kind == "J" or None in parts:
            raise DecodeError(f"{self.isoformat()} is no point in time")
        try:
            return datetime(*parts)
        except ValueError as error:
            raise DecodeError(f"{self.isoformat()} is no point in time: {error}") from None

    def to_cosem(self) -> CosemDateTime:
        """Return the date-time of COSEM: what is "every", missing or out of its range is not specified there.

        The clock status has the summer time and the invalid bit where the type can say them.
        """
        status = self.summer_time << 7 | self.invalid if self.kind in "FI" else None
        second = 0 if self.kind == "F" else self.second
        year, month, day = (None, None, None) if self.no_date else (self.year, self.month, self.day)
        hour, minute = self.hour, self.minute
        return CosemDateTime(
            year,
            month if month is not None and 1 <= month <= 12 else None,
            day,
            self.weekday,
            hour if hour is not None and hour < 24 else None,
            minute if minute is not None and minute < 60 else None,
            second if second is not None and second < 60 else None,
            None,
            None,
            status,
        )


def _digits(number: int | None, digits: int = 2) -> str:
    return "*" if number is None else f"{number:0{digits}d}"
