"""The meter's clock: local time with daylight saving, set and adjusted by clients (class 8)."""

from __future__ import annotations

import calendar
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from cosem.classes.c008_clock import Clock, ClockBase, PresetTime
from cosem.codec.axdr import Data, Tag
from cosem.device.errors import Refused
from cosem.errors import DecodeError
from cosem.results import ActionResult, DataAccessResult
from cosem.times import DST_BEGIN, DST_END, LAST_DAY, SECOND_LAST_DAY, ClockStatus, CosemDateTime

QUARTER = 900
MAX_SHIFT = 900
DAY = 86400


def european_rule() -> tuple[CosemDateTime, CosemDateTime]:
    """Return begin and end of summer time in the European Union: last Sundays of March and October, central time."""
    begin = bytes.fromhex("ffff03fe07020000008000ff")
    end = bytes.fromhex("ffff0afe07030000008000ff")
    return CosemDateTime.from_octets(begin), CosemDateTime.from_octets(end)


def resolve(rule: CosemDateTime, year: int) -> datetime | None:
    """Return the local moment of a daylight saving rule in `year`, or None where the rule names none.

    A weekday with a fixed day means the first such weekday on or after it; with the last day, the last one.
    """
    month = rule.month
    if month is None or month in (DST_BEGIN, DST_END) or (rule.year is not None and rule.year != year):
        return None
    days = calendar.monthrange(year, month)[1]
    day = rule.day
    weekday = rule.weekday
    if day in (LAST_DAY, SECOND_LAST_DAY):
        at = days if day == LAST_DAY else days - 1
        if weekday is not None:
            at -= (datetime(year, month, at).isoweekday() - weekday) % 7
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
    called with (old UTC, new UTC) of the meter whenever the time is set by more than nothing.
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
        self._true_time = true_time
        self.offset = 0
        self.jump_limit = jump_limit
        self.on_jump: list[Callable[[int, int], None]] = []
        self.invalid = False
        self.measuring_period = QUARTER
        begin, end = rule or european_rule()
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
        self._preset_time: PresetTime | None = None
        self._years: dict[tuple[int, tuple[Any, ...]], tuple[int, int] | None] = {}

    @property
    def now(self) -> int:
        """Return the meter's idea of UTC, in seconds."""
        return self._true_time() + self.offset

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
        """Return the UTC seconds of a date-time; without deviation it is local time. Raises `DecodeError`."""
        if moment.deviation is not None:
            return int(moment.to_datetime().timestamp())
        local = _seconds(moment.to_datetime().replace(tzinfo=None))
        guess = local + self._rules()[0] * 60
        deviation, _ = self.deviation(guess)
        return local + deviation * 60

    def next_local_midnight(self, utc: int) -> int:
        """Return the UTC of the next local midnight after `utc`."""
        local = self.local(utc)
        midnight = datetime(local.year, local.month, local.day) + timedelta(days=1)
        guess = _seconds(midnight) + self._rules()[0] * 60
        return _seconds(midnight) + self.deviation(guess - 1 if self.deviation(guess)[1] else guess)[0] * 60

    # --- being set -----------------------------------------------------------------------------------------

    def set(self, octets: bytes) -> DataAccessResult:
        """Take a new time from a client."""
        try:
            utc = self.utc(CosemDateTime.from_octets(octets))
        except (DecodeError, OverflowError, ValueError):
            return DataAccessResult.OTHER_REASON
        self.jump_to(utc)
        return DataAccessResult.SUCCESS

    def jump_to(self, utc: int) -> None:
        """Set the meter's time."""
        old = self.now
        if utc == old:
            return
        self.offset += utc - old
        self.invalid = False
        for listener in self.on_jump:
            listener(old, utc)

    def _round(self, period: int) -> None:
        # To the nearest boundary; the middle goes up.
        self.jump_to((self.now + period // 2) // period * period)

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
            raise Refused(ActionResult.TEMPORARY_FAILURE)
        self.jump_to(self.utc(preset.preset_time))


def _seconds(moment: datetime) -> int:
    """Return the seconds since 1970 of `moment` read as UTC."""
    return calendar.timegm(moment.timetuple())
