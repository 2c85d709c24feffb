"""Local time of any zone: when summer time holds, and where periods end, over every kind of change."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.codec import axdr
from cosem.device.clock import DAY, LATEST, DeviceClock, european_rule
from cosem.results import DataAccessResult
from cosem.times import LAST_DAY, CosemDateTime
from support.meters import utc

MINUTE, HOUR = 60, 3600


def rule(
    month: int, day: int, weekday: int | None, hour: int, minute: int = 0, year: int | None = None
) -> CosemDateTime:
    return CosemDateTime(year, month, day, weekday, hour, minute, 0, 0)


def clock_of(zone: int, summer: int, begin: CosemDateTime, end: CosemDateTime, now: int = 0) -> DeviceClock:
    clock = DeviceClock(lambda: now, zone=zone, rule=(begin, end))
    clock.object.daylight_savings_deviation = summer
    return clock


ZONES = {
    # zone, deviation, begin, end; then both changes of 2026 in UTC
    "Berlin": (-60, 60, *european_rule(), (3, 29, 1), (10, 25, 1)),
    "Ponta Delgada": (60, 60, *european_rule(60), (3, 29, 1), (10, 25, 1)),
    "Athens": (-120, 60, *european_rule(-120), (3, 29, 1), (10, 25, 1)),
    "New York": (300, 60, rule(3, 8, 7, 2), rule(11, 1, 7, 2), (3, 8, 7), (11, 1, 6)),
    "Havana": (300, 60, rule(3, 8, 7, 0), rule(11, 1, 7, 1), (3, 8, 5), (11, 1, 5)),
    "Lord Howe": (-630, 30, rule(10, 1, 7, 2), rule(4, 1, 7, 2), (10, 3, 15, 30), (4, 4, 15)),
    "Santiago": (240, 60, rule(9, 2, 7, 0), rule(4, 2, 7, 0), (9, 6, 4), (4, 5, 3)),
    "Auckland": (-720, 60, rule(9, LAST_DAY, 7, 2), rule(4, 1, 7, 3), (9, 26, 14), (4, 4, 14)),
}


@pytest.mark.parametrize("name", ZONES)
def test_summer_time_begins_and_ends_when_it_does_there(name: str) -> None:
    zone, summer, begin, end, begins, ends = ZONES[name]
    clock = clock_of(zone, summer, begin, end)
    for change, before, after in ((begins, zone, zone - summer), (ends, zone - summer, zone)):
        at = utc(2026, *change)
        assert clock.deviation(at - 1) == (before, before != zone)
        assert clock.deviation(at) == (after, after != zone)


@pytest.mark.parametrize("name", ["Berlin", "New York", "Lord Howe", "Auckland"])
def test_every_hour_of_years_agrees_with_the_zones_of_the_world(name: str) -> None:
    zoneinfo = pytest.importorskip("zoneinfo")
    place = {"Berlin": "Europe", "New York": "America", "Lord Howe": "Australia", "Auckland": "Pacific"}[name]
    try:
        there = zoneinfo.ZoneInfo(f"{place}/{name.replace(' ', '_')}")
    except zoneinfo.ZoneInfoNotFoundError:
        pytest.skip("this machine has no data of time zones")
    clock = clock_of(*ZONES[name][:4])
    for moment in range(utc(2019, 12, 30), utc(2022, 1, 3), 7 * HOUR + 13 * MINUTE):
        assert clock.local(moment) == datetime.fromtimestamp(moment, there).replace(tzinfo=None)


def test_a_summer_over_new_year_with_years_in_its_rules() -> None:
    clock = clock_of(-600, 60, rule(10, 4, None, 2, year=2026), rule(4, 4, None, 3, year=2027))
    summers = [clock.deviation(utc(*at))[1] for at in ((2025, 12, 1), (2026, 12, 1), (2027, 2, 1), (2027, 12, 1))]
    assert summers == [False, True, True, False]
    assert clock.deviation(utc(2029, 1, 1)) == (-600, False)


@pytest.mark.parametrize("minutes", [0, 30])
def test_a_change_in_the_first_hour_of_the_year_is_found_from_both_years(minutes: int) -> None:
    clock = clock_of(-60, 60, rule(1, 1, None, 0, minutes), rule(7, 1, None, 0))
    at = utc(2025, 12, 31, 23, minutes)
    assert clock.deviation(at - 1) == (-60, False)
    assert clock.deviation(at) == (-120, True)
    assert clock.deviation(utc(2026, 1, 1)) == (-120, True)


def test_a_summer_without_length_or_without_end_is_none() -> None:
    same = rule(3, 29, None, 2)
    begin_and_end = clock_of(-60, 0, same, same)
    nowhere = clock_of(-60, 60, same, rule(2, 30, None, 2))
    for clock in (begin_and_end, nowhere):
        assert not any(clock.deviation(utc(2026, month, 15))[1] for month in range(1, 13))


def test_local_time_of_the_two_odd_hours() -> None:
    clock = clock_of(*ZONES["Berlin"][:4])
    twice = CosemDateTime(2026, 10, 25, None, 2, 30, 0, 0)
    assert clock.utc(twice) == utc(2026, 10, 25, 1, 30), "in normal time"
    assert clock.utc(twice._replace(clock_status=0x80)) == utc(2026, 10, 25, 0, 30)
    assert clock.utc(twice._replace(clock_status=0)) == utc(2026, 10, 25, 1, 30)
    never = CosemDateTime(2026, 3, 29, None, 2, 30, 0, 0)
    assert clock.local(clock.utc(never)) == datetime(2026, 3, 29, 3, 30), "normal time goes on"
    assert clock.utc(CosemDateTime(2026, 10, 25, None, 1, 59, 0, 0)) == utc(2026, 10, 24, 23, 59)
    assert clock.utc(CosemDateTime(2026, 10, 25, None, 3, 0, 0, 0)) == utc(2026, 10, 25, 2)
    far = CosemDateTime(9999, 12, 31, None, 23, 59, 59, 0)
    assert clock.utc(far) > LATEST


# --- boundaries -------------------------------------------------------------------------------------------------------


def boundaries(clock: DeviceClock, start: int, end: int, period: int) -> Iterator[int]:
    """Every boundary after `start` up to `end`, as the clock finds one from another."""
    at = clock.next_boundary(start, period)
    while at <= end:
        yield at
        at = clock.next_boundary(at, period)


def multiple(clock: DeviceClock, at: int, period: int) -> bool:
    local = clock.local(at)
    return (local.hour * HOUR + local.minute * MINUTE + local.second) % period == 0


periods = st.integers(60, DAY)
fitting = st.sampled_from([60, 120, 180, 240, 300, 360, 600, 720, 900, 1200, 1800])
around = st.sampled_from([
    (name, utc(2026, *ZONES[name][index])) for name in ZONES for index in (4, 5)
])  # fmt: skip


@given(around, periods)
def test_boundaries_are_whole_multiples_of_local_time_or_the_change_that_skips_one(
    change: tuple[str, int], period: int
) -> None:
    name, at = change
    clock = berlin_or(name)
    found = list(boundaries(clock, at - 30 * HOUR, at + 30 * HOUR, period))
    assert all(earlier < later for earlier, later in pairwise(found))
    assert all(later - earlier <= period + 2 * HOUR for earlier, later in pairwise(found))
    odd = [moment for moment in found if not multiple(clock, moment, period)]
    assert odd in ([], [at])


@given(around.filter(lambda change: change[0] != "Lord Howe"), fitting)
def test_periods_that_fit_go_on_evenly_over_the_change(change: tuple[str, int], period: int) -> None:
    name, at = change
    found = list(boundaries(berlin_or(name), at - 5 * HOUR, at + 5 * HOUR, period))
    assert {later - earlier for earlier, later in pairwise(found)} == {period}


@lru_cache
def berlin_or(name: str) -> DeviceClock:
    return clock_of(*ZONES[name][:4])


@given(around, periods, st.integers(-30 * HOUR, 30 * HOUR), st.integers(0, 3 * HOUR))
def test_a_boundary_is_the_same_from_wherever_it_is_looked_for(
    change: tuple[str, int], period: int, off: int, later: int
) -> None:
    name, at = change
    clock, start = berlin_or(name), at + off
    following = clock.next_boundary(start, period)
    assert start < following
    if start + later < following:
        assert clock.next_boundary(start + later, period) == following
    else:
        assert clock.next_boundary(start + later, period) > following


def walked(clock: DeviceClock, start: int, end: int, period: int, shift: int) -> list[int]:
    """The boundaries by walking every minute: independent of how the clock computes them."""
    epoch = datetime(1970, 1, 1)

    def local(moment: int) -> int:
        return int((clock.local(moment) - epoch).total_seconds())

    def reached(furthest: int, now: int) -> bool:
        midnight = now - now % DAY
        return midnight + (now - midnight) // period * period > furthest

    furthest, found = local(start - MINUTE), []
    for moment in range(start, end + 1, MINUTE):
        now = local(moment)
        again = now <= furthest and (shift * MINUTE) % period == 0 and now % DAY % period == 0
        if reached(furthest, now) or again:
            found.append(moment)
        furthest = max(furthest, now)
    return found


@given(
    zone=st.integers(-56, 48).map(lambda quarters: quarters * 15),
    shift=st.sampled_from([-120, -60, -30, 20, 30, 60, 90, 120]),
    hour=st.integers(0, 23),
    minute=st.sampled_from([0, 30]),
    period=st.one_of(fitting, st.integers(1, 1440).map(lambda minutes: minutes * 60)),
    ends=st.booleans(),
)
def test_boundaries_are_those_of_walking_through_the_day(
    zone: int, shift: int, hour: int, minute: int, period: int, ends: bool
) -> None:
    summer, winter = rule(4, 10, None, hour, minute), rule(9, 10, None, hour, minute)
    clock = clock_of(zone, shift, summer, winter)
    start = utc(2026, 9 if ends else 4, 9) + zone * MINUTE
    end = start + 3 * DAY
    assert list(boundaries(clock, start - 1, end, period)) == walked(clock, start, end, period, shift)


@pytest.mark.parametrize(
    ("name", "day", "hours"),
    [("Berlin", (3, 29), 23), ("Berlin", (10, 25), 25), ("Santiago", (9, 6), 23), ("Santiago", (4, 4), 25)],
)
def test_days_of_the_change_are_as_long_as_they_are(name: str, day: tuple[int, int], hours: int) -> None:
    clock = clock_of(*ZONES[name][:4])
    middle = utc(2026, *day, 12) + ZONES[name][0] * MINUTE
    midnight = clock.next_boundary(middle - DAY, DAY)
    following = clock.next_boundary(midnight, DAY)
    assert clock.local(midnight).day == day[1]
    assert following - midnight == hours * HOUR
    assert len(list(boundaries(clock, midnight, following, HOUR))) == hours
    assert len(list(boundaries(clock, midnight, following, 900))) == hours * 4


def test_a_day_without_a_midnight_begins_at_the_change() -> None:
    clock = clock_of(*ZONES["Santiago"][:4])
    begins = clock.next_boundary(utc(2026, 9, 6), DAY)
    assert clock.local(begins) == datetime(2026, 9, 6, 1)


# --- being set --------------------------------------------------------------------------------------------------------


class Jumping:
    """A clock that lives, and what it told."""

    def __init__(self, now: int, **settings: object) -> None:
        self.true = now
        self.clock = DeviceClock(lambda: self.true, **settings)  # type: ignore[arg-type]
        self.jumps: list[tuple[int, int]] = []
        self.clock.on_jump.append(lambda old, new: self.jumps.append((old, new)))


def test_what_is_not_specified_keeps_its_value() -> None:
    world = Jumping(utc(2026, 6, 1, 10, 20, 30))
    clock = world.clock
    for parts, expected in (
        (CosemDateTime(minute=40), (2026, 6, 1, 10, 40, 30)),
        (CosemDateTime(year=2027, day=9), (2027, 6, 9, 10, 40, 30)),
        (CosemDateTime(month=1), (2027, 1, 9, 11, 40, 30)),
        (CosemDateTime(hour=1, second=0), (2027, 1, 9, 0, 40)),
        (CosemDateTime(hour=5, deviation=0), (2027, 1, 9, 5, 40)),
        (CosemDateTime(weekday=3), (2027, 1, 9, 5, 40)),
        (CosemDateTime(), (2027, 1, 9, 5, 40)),
    ):
        assert clock.set(parts.to_octets()) is DataAccessResult.SUCCESS
        assert clock.now == utc(*expected), parts
    assert len(world.jumps) == 5
    assert clock.set(bytes(11)) is DataAccessResult.OTHER_REASON


def test_setting_the_minute_in_an_hour_that_comes_twice_stays_in_it() -> None:
    for hour in (0, 1):
        world = Jumping(utc(2026, 10, 25, hour, 10))
        assert world.clock.set(CosemDateTime(minute=20).to_octets()) is DataAccessResult.SUCCESS
        assert world.clock.now == utc(2026, 10, 25, hour, 20)


@pytest.mark.parametrize(
    "given",
    [
        CosemDateTime(month=2, day=30),
        CosemDateTime(day=LAST_DAY),
        CosemDateTime(month=0xFE),
        CosemDateTime(hour=24),
        CosemDateTime(deviation=900, minute=1),
        CosemDateTime(year=1989),
        CosemDateTime(year=2100),
        CosemDateTime(year=0),
        CosemDateTime(year=65534),
    ],
)
def test_what_no_meter_meets_is_refused(given: CosemDateTime) -> None:
    world = Jumping(utc(2026, 6, 1))
    assert world.clock.set(given.to_octets()) is DataAccessResult.OTHER_REASON
    assert (world.clock.now, world.jumps) == (utc(2026, 6, 1), [])


def test_the_years_a_clock_knows() -> None:
    world = Jumping(utc(2026, 6, 1), daylight_saving=False, zone=0)
    for year in (1990, 2099):
        assert world.clock.set(CosemDateTime(year=year).to_octets()) is DataAccessResult.SUCCESS
        assert world.clock.local(world.clock.now).year == year
        assert world.clock.next_boundary(world.clock.now, DAY) - world.clock.now == DAY
    last = CosemDateTime(2099, 12, 31, None, 23, 59, 59, 0)
    assert world.clock.set(last.to_octets()) is DataAccessResult.SUCCESS
    assert world.clock.next_boundary(world.clock.now, 900) == LATEST
    with pytest.raises(Exception, match="other-reason"):
        world.clock.object.shift_time(1)


@pytest.mark.parametrize(
    ("number", "value", "accepted"),
    [
        (3, axdr.long(-840), False),  # with summer time the deviation would be beyond 14 hours
        (3, axdr.long(-720), True),
        (3, axdr.long(841), False),
        (7, axdr.integer(120), True),
        (7, axdr.integer(-120), True),
        (7, axdr.integer(121), False),
        (8, axdr.boolean(False), True),
        (5, axdr.octet_string(rule(10, 1, 7, 2).to_octets()), True),
        (5, axdr.octet_string(rule(13, 1, 7, 2).to_octets()), False),
        (6, axdr.octet_string(rule(4, 1, 7, 3).to_octets()), True),
        (6, axdr.octet_string(rule(4, 1, 8, 3).to_octets()), False),
        (6, axdr.octet_string(CosemDateTime().to_octets()), True),
    ],
)
def test_rules_are_taken_where_they_mean_something(number: int, value: axdr.Data, accepted: bool) -> None:
    world = Jumping(utc(2026, 7, 1))
    before = world.clock.object.store.data(number)  # type: ignore[union-attr]
    answer = world.clock.writers[number](value)
    assert (answer is DataAccessResult.SUCCESS) is accepted
    assert world.clock.object.store.data(number) == (value if accepted else before)  # type: ignore[union-attr]
    assert world.jumps == ([(utc(2026, 7, 1),) * 2] if accepted else [])
    world.clock.local_octets()


def test_rules_that_were_set_hold_at_once() -> None:
    world = Jumping(utc(2026, 7, 1))
    assert world.clock.deviation(world.true) == (-120, True)
    assert world.clock.writers[8](axdr.boolean(False)) is DataAccessResult.SUCCESS
    assert world.clock.deviation(world.true) == (-60, False)
    world.clock.object.daylight_savings_enabled = True
    assert world.clock.deviation(world.true) == (-120, True), "also where the program itself sets them"


@pytest.mark.parametrize(
    ("at", "period", "expected"),
    [
        # Local midnights of a day with 23 hours: 23:00 and 22:00 UTC.
        ((2026, 3, 29, 10, 29), DAY, (2026, 3, 28, 23)),
        ((2026, 3, 29, 10, 30), DAY, (2026, 3, 29, 22)),
        ((2026, 6, 1, 10, 10), 7 * MINUTE, (2026, 6, 1, 10, 8)),
        ((2026, 10, 25, 0, 40), HOUR, (2026, 10, 25, 1)),
    ],
)
def test_adjusting_to_the_measuring_period(at: tuple[int, ...], period: int, expected: tuple[int, ...]) -> None:
    world = Jumping(utc(*at))
    world.clock.measuring_period = period
    world.clock.object.adjust_to_measuring_period(0)
    assert world.clock.now == utc(*expected)


def test_only_an_absolute_time_makes_an_invalid_clock_valid() -> None:
    from cosem.classes.c008_clock import PresetTime

    world = Jumping(utc(2026, 6, 1))
    clock = world.clock
    clock.invalid = True
    clock.object.shift_time(5)
    clock.object.adjust_to_quarter(0)
    assert clock.object.status & 0x01
    moments = (datetime(2026, 6, 1, 1, tzinfo=UTC), datetime(2026, 5, 31, tzinfo=UTC), datetime(2026, 6, 2, tzinfo=UTC))
    clock.object.preset_adjusting_time(PresetTime(*(CosemDateTime.from_datetime(moment) for moment in moments)))
    clock.object.adjust_to_preset_time(0)
    assert not clock.object.status & 0x01


def test_a_preset_time_that_is_none_is_refused() -> None:
    from cosem.classes.c008_clock import PresetTime
    from cosem.device.errors import Refused

    clock = Jumping(utc(2026, 6, 1)).clock
    some = CosemDateTime.from_datetime(datetime(2026, 6, 1, tzinfo=UTC))
    with pytest.raises(Refused):
        clock.object.preset_adjusting_time(PresetTime(some, CosemDateTime(), some))


def test_zones_nobody_in_europe_lives_in_get_the_hours_of_its_middle() -> None:
    assert european_rule(345) == european_rule(-60)
