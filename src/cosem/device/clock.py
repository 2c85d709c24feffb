"""The meter's clock: local time with daylight saving, set and adjusted by clients (class 8)."""

from __future__ import annotations

import calendar
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from enum import IntEnum
from typing import Any, NamedTuple

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


class _Span(NamedTuple):
    """A deviation, from when to when it holds, and the rules that say so."""

    begin: int
    end: int
    deviation: int
    summer: bool
    rules: tuple[Data, ...]


_NO_SPAN = _Span(0, 0, 0, False, ())


class JumpOrder(IntEnum):
    """Who looks first at a time that was set: what was used so far is counted, then calendars, then the rest.

    That a schedule comes before an activity calendar is the standard's; the rest is our choice.
    """

    MEASURING = 0
    CALENDARS = 1
    PROFILES = 2
    OTHERS = 3


class JumpListeners:
    """Who is told that the time was set, in their order, and among equals in that in which they came."""

    def __init__(self) -> None:
        self._listeners: list[tuple[JumpOrder, Callable[[int, int], None]]] = []

    def append(self, listener: Callable[[int, int], None], order: JumpOrder = JumpOrder.OTHERS) -> None:
        """Add a listener."""
        self._listeners.append((order, listener))
        self._listeners.sort(key=lambda item: item[0])

    def __iter__(self) -> Iterator[Callable[[int, int], None]]:
        return iter([listener for _, listener in self._listeners])


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
        self.on_jump = JumpListeners()
        self.permit: list[Callable[[int, int], bool]] = []
        """Who may forbid that the time is set, asked with (old UTC, new UTC)."""
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
            3: lambda value: self._write_rule(3, value, self._zone_fits(value.value, self._rules()[3].value)),
            5: lambda value: self._write_rule(5, value, CosemDateTime.from_octets(value.value).in_range),
            6: lambda value: self._write_rule(6, value, CosemDateTime.from_octets(value.value).in_range),
            7: lambda value: self._write_rule(7, value, self._zone_fits(self._rules()[0].value, value.value)),
            8: lambda value: self._write_rule(8, value, True),
        }
        self._preset_time: PresetTime | None = None
        self._span = _NO_SPAN

    @property
    def now(self) -> int:
        """Return the meter's idea of UTC, in seconds."""
        return self.true_time() + self.offset

    # --- local time ----------------------------------------------------------------------------------------

    def _rules(self) -> tuple[Data, ...]:
        """Return time zone, begin, end, deviation and whether daylight saving is kept, as the object holds them."""
        values: dict[int, Data] = self.object.store.values  # type: ignore[attr-defined]
        return values[3], values[5], values[6], values[7], values[8]

    def _changes(self, year: int) -> list[tuple[int, bool]]:
        """Return when summer time begins (True) and ends from the year before `year` to the one after, in order.

        Both rules name local time as it is before the change. Where one of them names no moment there is no summer
        time at all.
        """
        zone, begin_rule, end_rule, deviation, enabled = (item.value for item in self._rules())
        if not enabled:
            return []
        changes: list[tuple[int, bool]] = []
        for octets, before, summer in ((begin_rule, zone, True), (end_rule, zone - deviation, False)):
            rule = CosemDateTime.from_octets(octets)
            moments = [resolve(rule, each) for each in (year - 1, year, year + 1)]
            named = [(_seconds(moment) + before * 60, summer) for moment in moments if moment is not None]
            if not named:
                return []
            changes += named
        # A summer that ends when it begins is none.
        return sorted(changes, key=lambda change: (change[0], not change[1]))

    def _span_of(self, utc: int) -> _Span:
        """Return the deviation that holds at `utc`, and from when to when it does: the last one is kept at hand."""
        rules = self._rules()
        if self._span.begin <= utc < self._span.end and self._span.rules == rules:
            return self._span
        zone, deviation = rules[0].value, rules[3].value
        year = datetime.fromtimestamp(utc, UTC).year
        changes = self._changes(year)
        begin, end = (calendar.timegm((each, 1, 1, 0, 0, 0)) for each in (year, year + 1))
        # Before the first change there is what it ends.
        holds = bool(changes) and not changes[0][1]
        for at, summer in changes:
            if at > utc:
                end = min(end, at)
                break
            begin, holds = max(begin, at), summer
        self._span = _Span(begin, end, zone - deviation if holds else zone, holds, rules)
        return self._span

    def deviation(self, utc: int) -> tuple[int, bool]:
        """Return the deviation in minutes (DLMS sign: local to UTC) at `utc`, and whether summer time holds."""
        span = self._span_of(utc)
        return span.deviation, span.summer

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

        Of an hour that comes twice the one in normal time is meant, unless the clock status says summer time; in an
        hour that is skipped normal time goes on.
        """
        point = moment.to_datetime()
        if moment.deviation is not None:
            return int(point.timestamp())
        zone, _, _, deviation, _ = self._rules()
        local = _seconds(point)
        normal: int = local + zone.value * 60
        summer: int = normal - deviation.value * 60
        if not EARLIEST <= normal < LATEST:
            # Beyond the years of a meter there is no calendar to look up: ranges are open to "for ever" that way.
            return normal
        if not self.deviation(summer)[1]:
            return normal
        said = moment.clock_status is not None and bool(moment.clock_status & ClockStatus.DAYLIGHT_SAVING)
        return summer if said or self.deviation(normal)[1] else normal

    def moments(self, local: datetime) -> tuple[int, ...]:
        """Return the moments at which local time is `local`, in order: two in an hour that comes twice.

        What a change skips is reached at the change.
        """
        zone, _, _, deviation, _ = self._rules()
        normal = _seconds(local) + zone.value * 60
        found = {utc for utc in (normal, normal - deviation.value * 60) if self.local(utc) == local}
        if found:
            return tuple(sorted(found))
        span = self._span_of(normal)
        return (span.begin if self.local(normal) > local else span.end,)

    def plain_midnight(self, day: date) -> int | None:
        """Return the moment a day begins, None for a day with a change of the time in it or next to it."""
        begin = datetime(day.year, day.month, day.day)
        midnight = self.moments(begin)[0]
        span = self._span_of(midnight)
        margin = MAX_SUMMER * 60
        plain = span.begin + margin <= midnight and midnight + DAY + margin <= span.end
        return midnight if plain else None

    def next_boundary(self, utc: int, period: int) -> int:
        """Return the first moment after `utc` at which local time reaches a whole multiple of `period` from midnight.

        Periods begin anew at every midnight. A multiple that a change skips is reached at the change. Of the time that
        comes twice, multiples of periods that fit into the shift are reached twice (the day has 25 hours of them),
        others the first time only.
        """
        while True:
            span = self._span_of(utc)
            to_utc = span.deviation * 60
            local = utc - to_utc
            if utc - span.begin < MAX_SUMMER * 60:
                back = to_utc - self._span_of(span.begin - 1).deviation * 60
                if back > 0 and back % period and utc < span.begin + back:
                    # The clock went back not long ago: local time had got further already.
                    local = span.begin - to_utc + back - 1
            boundary = _next_multiple(local, period) + to_utc
            if boundary < span.end:
                return boundary
            shift = self._span_of(span.end).deviation * 60 - to_utc
            if shift <= 0:
                if boundary + shift <= span.end:
                    return span.end
            elif shift % period == 0:
                local = span.end - to_utc - shift
                if _next_multiple(local - 1, period) == local:
                    return span.end
            utc = span.end

    def next_change(self, utc: int) -> int | None:
        """Return when daylight saving time begins or ends next after `utc`; None where it never does."""
        year = datetime.fromtimestamp(utc, UTC).year
        return next((at for at, _ in self._changes(year) if at > utc), None)

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
        self._trust()
        return DataAccessResult.SUCCESS

    def _trust(self) -> None:
        """Be valid again. What goes by the clock looks anew, because it did not trust it at the jump."""
        if self.invalid:
            self.invalid = False
            self._tell(self.now, self.now)

    def _completed(self, given: CosemDateTime) -> CosemDateTime:
        deviation = self.deviation(self.now)[0] if given.deviation is None else given.deviation
        present = datetime.fromtimestamp(self.now - deviation * 60, UTC)
        fields = ("year", "month", "day", "hour", "minute", "second")
        if given.clock_status is None:
            # In an hour that comes twice it stays the same one.
            given = given._replace(clock_status=self.status())
        return given._replace(**{name: getattr(present, name) for name in fields if getattr(given, name) is None})

    def jump_to(self, utc: int) -> None:
        """Set the meter's time. Raises `Refused` for one before `EARLIEST` or from `LATEST` on, or forbidden."""
        old = self.now
        if utc == old:
            return
        if not EARLIEST <= utc < LATEST or not all(permits(old, utc) for permits in self.permit):
            raise Refused(ActionResult.OTHER_REASON)
        self.offset += utc - old
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
        self._tell(self.now, self.now)
        return DataAccessResult.SUCCESS

    def _round(self, period: int) -> None:
        # To the nearest boundary of local time; the middle goes up.
        now = self.now
        before = following = self.next_boundary(now - period - MAX_SUMMER * 60 - 1, period)
        while following <= now:
            before, following = following, self.next_boundary(following, period)
        self.jump_to(following if following - now <= now - before else before)

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
        self._trust()


def _next_multiple(local: int, period: int) -> int:
    """Return the first multiple of `period` from midnight that is greater than `local`, the next midnight at most."""
    midnight = local - local % DAY
    return midnight + min((local - midnight) // period * period + period, DAY)


def _seconds(moment: datetime) -> int:
    """Return the seconds since 1970 of `moment` read as UTC."""
    return calendar.timegm(moment.timetuple())
