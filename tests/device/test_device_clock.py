"""The meter's clock: local time and daylight saving against an independent calendar, and how it is set."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.classes.c008_clock import PresetTime
from cosem.device.clock import DeviceClock, european_rule, resolve
from cosem.device.errors import Refused
from cosem.results import ActionResult, DataAccessResult
from cosem.times import CosemDateTime
from support.meters import utc

SUMMER_2026, WINTER_2026 = utc(2026, 3, 29, 1), utc(2026, 10, 25, 1)


def clock_at(moment: int, **settings: object) -> DeviceClock:
    return DeviceClock(lambda: moment, **settings)  # type: ignore[arg-type]


def central_europe(moment: datetime) -> datetime:
    """Central European time by the directive: last Sundays of March and October, 01:00 UTC (independent code)."""

    def last_sunday(month: int) -> datetime:
        day = datetime(moment.year, month, 31, 1, tzinfo=UTC)
        return day - timedelta(days=(day.weekday() + 1) % 7)

    summer = last_sunday(3) <= moment < last_sunday(10)
    return moment.astimezone(timezone(timedelta(hours=2 if summer else 1)))


@given(st.datetimes(datetime(1997, 1, 1), datetime(2090, 1, 1)))
def test_local_time_is_that_of_central_europe(naive: datetime) -> None:
    moment = naive.replace(tzinfo=UTC, microsecond=0)
    expected = central_europe(moment)
    clock = clock_at(int(moment.timestamp()))
    shown = CosemDateTime.from_octets(clock.local_octets())
    assert shown.to_datetime() == expected
    assert shown.deviation == -expected.utcoffset().total_seconds() / 60  # type: ignore[union-attr]
    assert bool(shown.clock_status & 0x80) is (expected.utcoffset() == timedelta(hours=2))  # type: ignore[operator]
    assert shown.weekday == expected.isoweekday()


@given(st.datetimes(datetime(1997, 1, 1), datetime(2090, 1, 1)))
def test_a_date_time_with_deviation_comes_back_as_the_same_instant(naive: datetime) -> None:
    instant = int(naive.replace(tzinfo=UTC, microsecond=0).timestamp())
    clock = clock_at(instant)
    assert clock.utc(CosemDateTime.from_octets(clock.octets(instant))) == instant


@given(st.integers(0, 364 * 24))
def test_local_time_without_deviation_is_understood_but_for_the_doubled_hour(hours: int) -> None:
    instant = utc(2026, 1, 1) + hours * 3600
    clock = clock_at(instant)
    plain = CosemDateTime.from_octets(clock.octets(instant))._replace(deviation=None, clock_status=None)
    if not WINTER_2026 - 3600 <= instant < WINTER_2026 + 3600:
        assert clock.utc(plain) == instant


def test_the_hour_that_is_skipped_and_the_one_that_comes_twice() -> None:
    clock = clock_at(SUMMER_2026)
    assert clock.local(SUMMER_2026 - 1).isoformat() == "2026-03-29T01:59:59"
    assert clock.local(SUMMER_2026).isoformat() == "2026-03-29T03:00:00"
    assert clock.local(WINTER_2026 - 1).isoformat() == "2026-10-25T02:59:59"
    assert clock.local(WINTER_2026).isoformat() == "2026-10-25T02:00:00"


def test_the_southern_hemisphere_has_its_summer_over_new_year() -> None:
    begin = CosemDateTime.from_octets(bytes.fromhex("ffff0a01070200 0000 8000ff".replace(" ", "")))
    end = CosemDateTime.from_octets(bytes.fromhex("ffff0401070300 0000 8000ff".replace(" ", "")))
    clock = clock_at(0, zone=-600, rule=(begin, end))
    assert clock.deviation(utc(2026, 1, 15)) == (-660, True)
    assert clock.deviation(utc(2026, 6, 15)) == (-600, False)
    assert clock.deviation(utc(2026, 12, 15)) == (-660, True)


def test_without_daylight_saving_the_zone_holds_all_year() -> None:
    clock = clock_at(0, daylight_saving=False)
    assert {clock.deviation(utc(2026, month, 15)) for month in range(1, 13)} == {(-60, False)}


def test_rules_resolve_to_days() -> None:
    begin, end = european_rule()
    assert resolve(begin, 2026) == datetime(2026, 3, 29, 2)
    assert resolve(end, 2026) == datetime(2026, 10, 25, 3)
    fixed = begin._replace(month=5, day=10, weekday=None)
    assert resolve(fixed, 2026) == datetime(2026, 5, 10, 2)
    assert resolve(fixed._replace(weekday=7), 2026) == datetime(2026, 5, 10, 2)
    assert resolve(fixed._replace(weekday=1), 2026) == datetime(2026, 5, 11, 2)
    assert resolve(begin._replace(month=2, day=0xFD, weekday=None), 2026) == datetime(2026, 2, 27, 2)
    for nothing in (
        begin._replace(month=None),
        begin._replace(month=0xFE),
        begin._replace(year=2020),
        begin._replace(month=2, day=30, weekday=None),
        begin._replace(month=2, day=25, weekday=2),
    ):
        assert resolve(nothing, 2026) is None or nothing.weekday == 2


def test_midnights_follow_each_other_over_both_changes() -> None:
    clock = clock_at(0)
    moment, lengths = utc(2026, 3, 27), []
    for _ in range(4):
        following = clock.next_boundary(moment, 86400)
        assert clock.local(following).time() == datetime.min.time()
        lengths.append(following - moment)
        moment = following
    assert lengths[1:] == [86400, 82800, 86400]
    before = clock.next_boundary(utc(2026, 10, 24, 12), 86400)
    assert clock.next_boundary(before, 86400) - before == 90000


def test_setting_the_time_with_and_without_deviation() -> None:
    jumps: list[tuple[int, int]] = []
    clock = clock_at(utc(2026, 6, 1))
    clock.on_jump.append(lambda old, new: jumps.append((old, new)))
    aware = CosemDateTime.from_datetime(datetime(2026, 6, 1, 12, tzinfo=UTC))
    assert clock.set(aware.to_octets()) is DataAccessResult.SUCCESS
    assert clock.now == utc(2026, 6, 1, 12)
    naive = CosemDateTime.from_datetime(datetime(2026, 6, 1, 15))
    assert clock.set(naive.to_octets()) is DataAccessResult.SUCCESS
    assert clock.now == utc(2026, 6, 1, 13)
    assert jumps == [(utc(2026, 6, 1), utc(2026, 6, 1, 12)), (utc(2026, 6, 1, 12), utc(2026, 6, 1, 13))]
    assert clock.set(clock.local_octets()) is DataAccessResult.SUCCESS
    assert len(jumps) == 2


@pytest.mark.parametrize(
    "octets",
    [
        bytes(12),
        bytes.fromhex("ffff0dff0affffffff8000ff"),
        bytes.fromhex("07e80d2008193c3c64040000"),
        struct.pack(">HBBBBBBBhB", 2026, 2, 30, 0xFF, 0, 0, 0, 0, -60, 0),
    ],
)
def test_what_is_no_point_in_time_is_refused(octets: bytes) -> None:
    clock = clock_at(utc(2026, 6, 1))
    assert clock.set(octets) is DataAccessResult.OTHER_REASON
    assert clock.now == utc(2026, 6, 1)


@pytest.mark.parametrize(
    ("number", "at", "expected"),
    [
        (1, (2026, 6, 1, 10, 7, 29), (2026, 6, 1, 10, 0)),
        (1, (2026, 6, 1, 10, 7, 30), (2026, 6, 1, 10, 15)),
        (2, (2026, 6, 1, 10, 22, 29), (2026, 6, 1, 10, 15)),
        (3, (2026, 6, 1, 10, 22, 30), (2026, 6, 1, 10, 23)),
        (3, (2026, 6, 1, 10, 22, 29), (2026, 6, 1, 10, 22)),
    ],
)
def test_adjusting_goes_to_the_nearest_boundary(number: int, at: tuple[int, ...], expected: tuple[int, ...]) -> None:
    clock = clock_at(utc(*at))
    clock.object.store.handlers[number](0)  # type: ignore[union-attr]
    assert clock.now == utc(*expected)


def test_shifting_has_limits() -> None:
    clock = clock_at(utc(2026, 6, 1))
    clock.object.shift_time(-900)
    assert clock.now == utc(2026, 6, 1) - 900
    for seconds in (901, -901):
        with pytest.raises(Refused) as refused:
            clock.object.shift_time(seconds)
        assert refused.value.result is ActionResult.OTHER_REASON


def preset(at: datetime, start: datetime, end: datetime) -> PresetTime:
    return PresetTime(*(CosemDateTime.from_datetime(moment) for moment in (at, start, end)))


def test_a_preset_time_holds_within_its_interval() -> None:
    clock = clock_at(utc(2026, 6, 1, 12))
    with pytest.raises(Refused):
        clock.object.adjust_to_preset_time(0)
    begin, end = datetime(2026, 6, 1, 11, tzinfo=UTC), datetime(2026, 6, 1, 13, tzinfo=UTC)
    clock.object.preset_adjusting_time(preset(datetime(2026, 6, 1, 12, 30, tzinfo=UTC), begin, end))
    clock.object.adjust_to_preset_time(0)
    assert clock.now == utc(2026, 6, 1, 12, 30)
    late = preset(datetime(2026, 6, 1, 12, tzinfo=UTC), end + timedelta(hours=1), end + timedelta(hours=2))
    clock.object.preset_adjusting_time(late)
    with pytest.raises(Refused) as refused:
        clock.object.adjust_to_preset_time(0)
    assert refused.value.result is ActionResult.OTHER_REASON
    with pytest.raises(Refused):
        clock.object.preset_adjusting_time(preset(begin, end, begin))


def test_an_invalid_clock_says_so_until_it_is_set() -> None:
    clock = clock_at(utc(2026, 6, 1))
    clock.invalid = True
    assert clock.object.status & 0x01
    assert clock.set(CosemDateTime.from_datetime(datetime(2026, 6, 2, tzinfo=UTC)).to_octets()) is (
        DataAccessResult.SUCCESS
    )
    assert not clock.object.status & 0x01
