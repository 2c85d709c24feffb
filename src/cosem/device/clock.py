"""The meter's clock: local time with daylight saving, set and adjusted by clients (class 8)."""

from __future__ import annotations

import calendar
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from cosem.classes.c008_clock import Clock, ClockBase, PresetTime
from cosem.codec.axdr import Data, Tag
from cosem.device.errors import Refused
from cosem.errors import DecodeError
from cosem.results import ActionResult, DataAccessResult
from cosem.times import DST_BEGIN, DST_END, LAST_DAY, MAX_DEVIATION, SECOND_LAST_DAY, ClockStatus, CosemDateTime

QUARTER = 900
MAX_SHIFT = 900
DAY = 86400
MAX_SUMMER = 120
"""Minutes of daylight_savings_deviation, either way (Blue Book ed. 9, 4.5.1)."""
EARLIEST = calendar.timegm((1990, 1, 1, 0, 0, 0))
LATEST = calendar.timegm((2100, 1, 1, 0, 0, 0))
"""What a clock may be set to: years that a meter meets, so that each moment has a day before and a day after it."""

Write = Callable[[Data], DataAccessResult]


def european_rule(zone: int = -60) -> tuple[CosemDateTime, CosemDateTime]:
    """Return begin and end of summer time in the European Union: 01:00 UTC on the last Sundays of March and October.

    They are local times of `zone`; one that no member lives in gets the hours of central Europe.
    """
    east = -zone // 60 if -120 <= zone <= 60 and zone % 60 == 0 else 1
    begin = CosemDateTime(month=3, day=LAST_DAY, weekday=7, hour=1 + east, minute=0, second=0, hundredths=0)
    return begin, begin._replace(month=10, hour=2 + east)


def resolve(rule: CosemDateTime, year: int) -> datetime | None:
    """Return the local moment of a daylight saving rule in `year`, or None where the rule names none.

    A weekday with a fixed day means the first such weekday on or after it; with the last or second last day, the last
    or second last one of the month.
    """
    if not rule.in_range:
        return None
    month = rule.month
    if month is None or month in (DST_BEGIN, DST_END) or (rule.year is not None and rule.year != year):
        return None
    days = calendar.monthrange(year, month)[1]
    day = rule.day
    weekday = rule.weekday
    if day in (LAST_DAY, SECOND_LAST_DAY):
        at = days
        if weekday is not None:
            at -= (datetime(year, month, at).isoweekday() - weekday) % 7
        if day == SECOND_LAST_DAY:
            at -= 1 if weekday is None else 7
    else:
        at = day or 1
        if at > days:
            return None
        if weekday is not None:
            at += (weekday - datetime(year, month, at).isoweekday()) % 7
            if at > days:
                return None
    return datetime(year, month, at, rule.hour or 0, rule.minute or 0, rule.second or 0)


class DeviceClock:
    """Local time of one device over a source of UTC seconds.

    `true_time` returns the simulation's UTC; the meter's own time may be off by what a client has set. `on_jump` is
    called with (old UTC, new UTC) of the meter when the time was set, and with the same twice when its rules were: the
    local time is another then. `writers` are the attributes a client may set. From `jump_limit` seconds on, an
    adjustment leaves marks.
    """

    def __init__(
        self,
        true_time: Callable[[], int],
        *,
        zone: int = -60,
        daylight_saving: bool = True,
        rule: tuple[CosemDateTime, CosemDateTime] | None = None,
        jump_limit: int = 9,
    ) -> None:
        self.true_time = true_time
        self.offset = 0
        self.jump_limit = jump_limit
        self.on_jump: list[Callable[[int, int], None]] = []
        self.invalid = False
        self.measuring_period = QUARTER
        begin, end = rule or european_rule(zone)
        self.object = Clock(
            "0-0:1.0.0",
            time_zone=zone,
            daylight_savings_begin=begin,
            daylight_savings_end=end,
            daylight_savings_deviation=60,
            daylight_savings_enabled=daylight_saving,
            clock_base=ClockBase.INTERNAL_CRYSTAL,
        )
        store: Any = self.object.store
        store.computed[2] = lambda selection: Data(Tag.OCTET_STRING, self.local_octets())
        store.computed[4] = lambda selection: Data(Tag.UNSIGNED, self.status())
        store.values.pop(2, None)
        store.values.pop(4, None)
        store.handlers[1] = lambda parameter: self._round(QUARTER)
        store.handlers[2] = lambda parameter: self._round(self.measuring_period)
        store.handlers[3] = lambda parameter: self._round(60)
        store.handlers[4] = self._adjust_to_preset
        store.handlers[5] = self._preset
        store.handlers[6] = self._shift
        self.writers: dict[int, Write] = {
            2: lambda value: self.set(value.value),
            3: lambda value: self._write_rule(3, value, self._zone_fits(value.value, self._rules()[3])),
            5: lambda value: self._write_rule(5, value, CosemDateTime.from_octets(value.value).in_range),
            6: lambda value: self._write_rule(6, value, CosemDateTime.from_octets(value.value).in_range),
            7: lambda value: self._write_rule(7, value, self._zone_fits(self._rules()[0], value.value)),
            8: lambda value: self._write_rule(8, value, True),
        }
        self._preset_time: PresetTime | None = None
        self._years: dict[tuple[int, tuple[Any, ...]], tuple[int, int] | None] = {}

    @property
    def now(self) -> int:
        """Return the meter's idea of UTC, in seconds."""
        return self.true_time() + self.offset

    # --- local time ----------------------------------------------------------------------------------------

    def _rules(self) -> tuple[Any, ...]:
        """Return time zone, begin, end, deviation and whether daylight saving is kept, as the object holds them."""
        values: dict[int, Data] = self.object.store.values  # type: ignore[union-attr]
        return values[3].value, values[5].value, values[6].value, values[7].value, values[8].value

    def _summer(self, year: int) -> tuple[int, int] | None:
        """Return begin and end of summer time in `year`, as UTC seconds."""
        rules = self._rules()
        key = (year, rules)
        if key not in self._years:
            zone, begin_rule, end_rule, deviation, enabled = rules
            answer = None
            if enabled:
                begin = resolve(CosemDateTime.from_octets(begin_rule), year)
                end = resolve(CosemDateTime.from_octets(end_rule), year)
                if begin is not None and end is not None:
                    # Both rules name local time as it is before the change.
                    answer = (
                        _seconds(begin) + zone * 60,
                        _seconds(end) + (zone - deviation) * 60,
                    )
            self._years[key] = answer
        return self._years[key]

    def deviation(self, utc: int) -> tuple[int, bool]:
        """Return the deviation in minutes (DLMS sign: local to UTC) at `utc`, and whether summer time holds."""
        zone, _, _, deviation, _ = self._rules()
        summer = self._summer(datetime.fromtimestamp(utc, UTC).year)
        if summer is None:
            return zone, False
        begin, end = summer
        holds = begin <= utc < end if begin < end else not end <= utc < begin
        return (zone - deviation, True) if holds else (zone, False)

    def local(self, utc: int) -> datetime:
        """Return local time at `utc`, without time zone."""
        return datetime.fromtimestamp(utc - self.deviation(utc)[0] * 60, UTC).replace(tzinfo=None)

    def octets(self, utc: int) -> bytes:
        """Return the COSEM date-time of `utc`."""
        deviation, summer = self.deviation(utc)
        moment = datetime.fromtimestamp(utc - deviation * 60, UTC)
        status = self._status(summer)
        return (
            bytes(
                (
                    moment.year >> 8,
                    moment.year & 0xFF,
                    moment.month,
                    moment.day,
                    moment.isoweekday(),
                    moment.hour,
                    moment.minute,
                    moment.second,
                    0,
                )
            )
            + (deviation & 0xFFFF).to_bytes(2, "big")
            + bytes((status,))
        )

    def local_octets(self) -> bytes:
        """Return the COSEM date-time of now."""
        return self.octets(self.now)

    def _status(self, summer: bool) -> int:
        status = ClockStatus(0)
        if summer:
            status |= ClockStatus.DAYLIGHT_SAVING
        if self.invalid:
            status |= ClockStatus.INVALID
        return int(status)

    def status(self) -> int:
        """Return the clock status octet."""
        return self._status(self.deviation(self.now)[1])

    def utc(self, moment: CosemDateTime) -> int:
        """Return the UTC seconds of a date-time; without deviation it is local time. Raises `DecodeError`.

        Of an hour that comes twice the second one is meant, in normal time.
        """
        point = moment.to_datetime()
        if moment.deviation is not None:
            return int(point.timestamp())
        zone = self._rules()[0]
        guess = _seconds(point) + zone * 60
        # Beyond the years of a meter there is no calendar to look up: ranges are open to "for ever" that way.
        deviation = self.deviation(guess)[0] if EARLIEST <= guess < LATEST else zone
        return _seconds(point) + deviation * 60

    def next_boundary(self, utc: int, period: int) -> int:
        """Return the first moment after `utc` that is a whole multiple of `period` seconds from local midnight.

        Periods begin anew at every midnight. Of those that fit into the shift of summer time none is skipped and none
        comes twice: the day has 23 or 25 hours of them.
        """
        before = self.deviation(utc)[0] * 60
        local = utc - before
        midnight = local - local % DAY
        following = midnight + min((local - midnight) // period * period + period, DAY)
        guess = following + before
        after = self.deviation(guess)[0] * 60
        if (after - before) % period == 0 or self.deviation(following + after)[0] * 60 != after:
            return guess
        return following + after if following + after > utc else guess

    # --- being set -----------------------------------------------------------------------------------------

    def set(self, octets: bytes) -> DataAccessResult:
        """Take a new time. What is not specified keeps its present value; the weekday is not looked at."""
        given = CosemDateTime.from_octets(octets) if len(octets) == 12 else None
        if given is None:
            return DataAccessResult.OTHER_REASON
        if all(field is None for field in (*given[:3], *given[4:7])):
            return DataAccessResult.SUCCESS
        try:
            self.jump_to(self.utc(self._completed(given)))
        except (DecodeError, Refused):
            return DataAccessResult.OTHER_REASON
        self.invalid = False
        return DataAccessResult.SUCCESS

    def _completed(self, given: CosemDateTime) -> CosemDateTime:
        deviation = self.deviation(self.now)[0] if given.deviation is None else given.deviation
        present = datetime.fromtimestamp(self.now - deviation * 60, UTC)
        fields = ("year", "month", "day", "hour", "minute", "second")
        return given._replace(**{name: getattr(present, name) for name in fields if getattr(given, name) is None})

    def jump_to(self, utc: int) -> None:
        """Set the meter's time. Raises `Refused` for one before `EARLIEST` or from `LATEST` on."""
        old = self.now
        if utc == old:
            return
        if not EARLIEST <= utc < LATEST:
            raise Refused(ActionResult.OTHER_REASON)
        self.offset += utc - old
        self.invalid = False
        self._tell(old, utc)

    def _tell(self, old: int, new: int) -> None:
        for listener in self.on_jump:
            listener(old, new)

    def _zone_fits(self, zone: int, summer: int) -> bool:
        return abs(summer) <= MAX_SUMMER and abs(zone) <= MAX_DEVIATION and abs(zone - summer) <= MAX_DEVIATION

    def _write_rule(self, number: int, value: Data, fits: bool) -> DataAccessResult:
        """Take a part of what makes local time of UTC; rules that mean nothing are refused."""
        if not fits:
            return DataAccessResult.OTHER_REASON
        store: Any = self.object.store
        store.values[number] = value
        self._years.clear()
        self._tell(self.now, self.now)
        return DataAccessResult.SUCCESS

    def _round(self, period: int) -> None:
        # To the nearest boundary of local time; the middle goes up.
        shift = self.deviation(self.now)[0] * 60
        self.jump_to((self.now - shift + period // 2) // period * period + shift)

    def _shift(self, seconds: int) -> None:
        if not -MAX_SHIFT <= seconds <= MAX_SHIFT:
            raise Refused(ActionResult.OTHER_REASON)
        self.jump_to(self.now + seconds)

    def _preset(self, parameter: PresetTime) -> None:
        try:
            self.utc(parameter.preset_time)
            start, end = self.utc(parameter.validity_interval_start), self.utc(parameter.validity_interval_end)
        except DecodeError:
            raise Refused(ActionResult.OTHER_REASON) from None
        if end < start:
            raise Refused(ActionResult.OTHER_REASON)
        self._preset_time = parameter

    def _adjust_to_preset(self, parameter: int) -> None:
        preset = self._preset_time
        if preset is None or not (
            self.utc(preset.validity_interval_start) <= self.now <= self.utc(preset.validity_interval_end)
        ):
            raise Refused(ActionResult.OTHER_REASON)
        self.jump_to(self.utc(preset.preset_time))


def _seconds(moment: datetime) -> int:
    """Return the seconds since 1970 of `moment` read as UTC."""
    return calendar.timegm(moment.timetuple())
