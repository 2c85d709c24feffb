"""Schedules and special days: in time, late, again, and when the clock changes (behaviours 4.7, 0.1)."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.classes.c010_schedule import EntryRange, EntryRanges, ScheduleEntry
from cosem.classes.c011_special_days_table import SpecialDay
from cosem.device.host import Origin
from cosem.device.schedule import ANY_TIME_LATER, ScheduleBehaviour, in_season
from cosem.device.special_days import SpecialDaysBehaviour
from cosem.results import ActionResult, DataAccessResult
from cosem.times import CosemDate
from support.meters import utc
from support.recorder import Recorder, entry

MONDAY = utc(2026, 6, 1)
"""02:00 in the morning, local time: midnight UTC."""


def scheduled(*entries: ScheduleEntry, start: int = MONDAY, days: tuple[SpecialDay, ...] = ()) -> Any:
    recorder = Recorder(start)
    special = SpecialDaysBehaviour(recorder.host, "0-0:11.0.0.255", days)
    schedule = ScheduleBehaviour(recorder.host, recorder.agenda, recorder.scripts, "0-0:12.0.0.255", special, entries)
    return recorder, schedule, special


# --- the scenarios of 4.7 ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("minutes", "late"), [(30, True), (50, False)])
def test_an_entry_missed_in_an_outage_runs_within_its_validity_window(minutes: int, late: bool) -> None:
    recorder, _, _ = scheduled(entry(1, "22:00", window=30))
    begin = utc(2026, 6, 1, 19, 50)
    recorder.outage(begin, begin + minutes * 60)
    assert recorder.ran == ([("22:20", 1)] if late else [])
    recorder.until(utc(2026, 6, 2, 21))
    assert recorder.numbers == [1] * (1 + late), "and the next day as always"


def test_entries_run_again_when_the_clock_is_set_back_over_them() -> None:
    recorder, _, _ = scheduled(entry(1, "22:00"))
    recorder.until(utc(2026, 6, 1, 20, 5))
    recorder.jump(-600)
    recorder.until(utc(2026, 6, 1, 20, 15))
    assert recorder.ran == [("22:00", 1), ("22:00", 1)]


def test_an_entry_in_the_skipped_hour_of_spring_runs_once_at_the_switch() -> None:
    recorder, _, _ = scheduled(entry(1, "02:30"), start=utc(2026, 3, 28, 23))
    recorder.until(utc(2026, 3, 29, 12))
    assert recorder.ran == [("03:00", 1)]


def test_an_entry_in_the_doubled_hour_of_autumn_runs_once() -> None:
    recorder, _, _ = scheduled(entry(1, "02:30"), start=utc(2026, 10, 24, 23))
    recorder.until(utc(2026, 10, 25, 12))
    assert recorder.ran == [("02:30", 1)]


def test_a_special_day_without_its_bit_suppresses_the_weekday() -> None:
    recorder, _, _ = scheduled(
        entry(1, "12:00", 1, special="10"), entry(2, "12:00", 2, special="01"),
        days=(SpecialDay(1, CosemDate(2026, 6, 2), 1),),
    )  # fmt: skip
    recorder.until(utc(2026, 6, 3, 12))
    assert recorder.numbers == [1, 2, 2, 1, 2]


# --- the rules of 4.7 -------------------------------------------------------------------------------------------------


def test_scripts_of_a_schedule_are_remote_and_run_in_the_order_of_their_index() -> None:
    recorder, _, _ = scheduled(entry(3, "12:00", 3), entry(1, "12:00", 1), entry(2, "11:00", 2))
    recorder.until(utc(2026, 6, 1, 12))
    assert recorder.numbers == [2, 1, 3]
    assert recorder.origins == {Origin.REMOTE}


def test_several_missed_entries_run_in_the_order_of_time_each_once() -> None:
    recorder, _, _ = scheduled(
        entry(1, "23:00", 1, window=ANY_TIME_LATER), entry(2, "22:00", 2, window=ANY_TIME_LATER), entry(3, "22:30", 3)
    )
    recorder.outage(utc(2026, 6, 1, 18), utc(2026, 6, 3, 22))
    assert recorder.ran == [("00:00", 2), ("00:00", 1)], "two were missed twice"


def test_forward_setting_runs_what_it_jumps_over_within_the_window() -> None:
    recorder, _, _ = scheduled(entry(1, "12:00", 1, window=10), entry(2, "11:00", 2, window=10))
    recorder.until(utc(2026, 6, 1, 8, 30))
    recorder.jump(95 * 60)
    assert recorder.ran == [("12:05", 1)]


@given(st.lists(st.integers(-8, 8), max_size=20))
def test_small_synchronisations_lose_nothing_and_repeat_nothing(steps: list[int]) -> None:
    recorder, _, _ = scheduled(entry(1, "12:00"))
    noon = utc(2026, 6, 1, 10)
    for number, step in enumerate(steps):
        recorder.until(noon - 30 + 3 * number)
        recorder.jump(step)
    recorder.until(noon + 3600)
    assert recorder.numbers == [1]


def test_disabled_entries_wait_and_ranges_switch_them() -> None:
    recorder, schedule, _ = scheduled(entry(1, "12:00", 1), entry(2, "12:00", 2, enable=False), entry(3, "12:00", 3))
    assert recorder.call(schedule.object, 1, EntryRanges(1, 1, 2, 3)) is ActionResult.SUCCESS
    recorder.until(utc(2026, 6, 1, 12))
    assert recorder.numbers == [2, 3]
    assert recorder.call(schedule.object, 1, EntryRanges(0, 0, 1, 1)) is ActionResult.SUCCESS
    assert [item.enable for item in schedule.object.entries] == [True, True, True]
    assert recorder.call(schedule.object, 1, EntryRanges(2, 1, 0, 0)) is ActionResult.OTHER_REASON


def test_insert_replaces_the_same_index_and_delete_takes_a_range() -> None:
    recorder, schedule, _ = scheduled(entry(1, "12:00", 1), entry(2, "12:00", 2))
    assert recorder.call(schedule.object, 2, entry(1, "13:00", 4)) is ActionResult.SUCCESS
    assert recorder.call(schedule.object, 3, EntryRange(2, 9)) is ActionResult.SUCCESS
    recorder.until(utc(2026, 6, 1, 12))
    assert recorder.ran == [("13:00", 4)]


@pytest.mark.parametrize(
    "bad",
    [
        entry(0, "12:00"),
        entry(1, "12:00:*"),
        entry(1, "12:00", begin_date=CosemDate(2026, 2, 30)),
        entry(1, "12:00", begin_date=CosemDate(2026, 2, 1), end_date=CosemDate(None, 3, 1)),
        entry(1, "12:00", begin_date=CosemDate(None, 0xFE, None)),
    ],
)
def test_an_entry_that_means_nothing_is_refused_and_nothing_changes(bad: ScheduleEntry) -> None:
    recorder, schedule, _ = scheduled(entry(5, "12:00"))
    assert recorder.call(schedule.object, 2, bad) is ActionResult.OTHER_REASON
    assert recorder.write(schedule.object, 2, (bad,)) is DataAccessResult.OTHER_REASON
    assert [item.index for item in schedule.object.entries] == [5]


def test_a_script_that_is_not_there_stops_nothing() -> None:
    recorder, _, _ = scheduled(entry(1, "12:00", 99), entry(2, "12:00", 2))
    recorder.until(utc(2026, 6, 1, 12))
    assert recorder.numbers == [2]


def test_an_hour_that_comes_twice_has_every_hour_of_an_hourly_entry() -> None:
    recorder, _, _ = scheduled(entry(1, "*:00"), start=utc(2026, 10, 24, 22))
    recorder.until(utc(2026, 10, 25, 22, 59))
    assert len(recorder.ran) == 24, "from 01:00 on: a day of 25 hours"


def test_no_entry_runs_for_a_moment_that_was_over_when_it_was_written() -> None:
    recorder, schedule, _ = scheduled()
    recorder.until(utc(2026, 6, 1, 12))
    assert recorder.call(schedule.object, 2, entry(1, "13:00", window=ANY_TIME_LATER)) is ActionResult.SUCCESS
    recorder.until(utc(2026, 6, 1, 20))
    assert recorder.ran == []


@pytest.mark.parametrize(
    ("begin", "end", "inside", "outside"),
    [
        ("*-*-*", "*-*-*", "2026-06-01", None),
        ("2026-05-01", "*-*-*", "2026-05-01", "2026-04-30"),
        ("*-*-*", "2026-05-01", "2026-05-01", "2026-05-02"),
        ("*-11-01", "*-02-15", "2026-02-15", "2026-02-16"),
        ("*-05-01", "*-08-31", "2027-08-31", "2027-09-01"),
        ("*-*-10", "*-*-20", "2026-01-10", "2026-01-21"),
    ],
)
def test_entries_hold_from_begin_to_end(begin: str, end: str, inside: str, outside: str | None) -> None:
    span = CosemDate.parse(begin), CosemDate.parse(end)
    assert in_season(*span, date.fromisoformat(inside))
    assert outside is None or not in_season(*span, date.fromisoformat(outside))


# --- special days -----------------------------------------------------------------------------------------------------


def test_insert_replaces_the_same_index_or_date() -> None:
    recorder, _, special = scheduled(days=(SpecialDay(1, CosemDate(None, 12, 25), 1), SpecialDay(2, CosemDate(), 2)))
    assert recorder.call(special.object, 1, SpecialDay(3, CosemDate(None, 12, 25), 3)) is ActionResult.SUCCESS
    assert [item.index for item in special.object.entries] == [2, 3]
    assert special.day_id(date(2026, 12, 25)) == 2, "the lower index wins"
    assert recorder.call(special.object, 2, 2) is ActionResult.SUCCESS
    assert special.day_id(date(2026, 12, 25)) == 3
    assert special.day_id(date(2026, 12, 24)) is None


def test_behaviour_of_deleting_a_special_day_that_is_not_there() -> None:
    recorder, _, special = scheduled()
    assert recorder.call(special.object, 2, 7) is ActionResult.SUCCESS
    special.delete_missing = ActionResult.OTHER_REASON
    assert recorder.call(special.object, 2, 7) is ActionResult.OTHER_REASON


def test_a_special_day_that_is_no_day_is_refused() -> None:
    recorder, _, special = scheduled()
    assert recorder.call(special.object, 1, SpecialDay(1, CosemDate(2026, 2, 30), 1)) is ActionResult.OTHER_REASON
    twice = (SpecialDay(1, CosemDate(), 1), SpecialDay(1, CosemDate(2026), 2))
    assert recorder.write(special.object, 2, twice) is DataAccessResult.OTHER_REASON
    assert special.object.entries == ()
