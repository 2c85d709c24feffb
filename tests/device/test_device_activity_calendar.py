"""Activity calendars: seasons, weeks, days, special days, activation, outages (behaviours 4.8, 0.1)."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.classes.c011_special_days_table import SpecialDay
from cosem.classes.c020_activity_calendar import DayAction, DayProfile, Season, WeekProfile
from cosem.classes.c022_single_action_schedule import ExecutionTime
from cosem.classes.common import ActionItem
from cosem.device.activity_calendar import ActivityCalendarBehaviour, Tables
from cosem.device.causes import Cause
from cosem.device.clock import JumpOrder
from cosem.device.host import Origin
from cosem.device.schedule import ScheduleBehaviour
from cosem.device.single_action import SingleActionBehaviour
from cosem.device.special_days import SpecialDaysBehaviour
from cosem.errors import ConfigError
from cosem.results import ActionResult, DataAccessResult
from cosem.times import CosemDate, CosemDateTime, CosemTime
from support.meters import build, utc
from support.recorder import TABLE, Recorder, entry, script

START = utc(2026, 6, 1)
"""Monday, 02:00 local time."""


def day(day_id: int, **switches: int) -> DayProfile:
    """`at_0600=1` runs script 1 at 6."""
    return DayProfile(
        day_id,
        tuple(DayAction(CosemTime(int(at[3:5]), int(at[5:]), 0, 0), TABLE, number) for at, number in switches.items()),
    )


def season(start: str, week: bytes = b"w", name: bytes | None = None) -> Season:
    midnight = CosemTime(0, 0, 0, 0)
    return Season(name or start.encode(), CosemDateTime(*CosemDate.parse(start), *midnight), week)


def week(*days: int, name: bytes = b"w") -> WeekProfile:
    return WeekProfile(name, *(days if len(days) == 7 else days * 7))


TWO = Tables(b"two", (season("*-01-01"),), (week(1),), (day(1, at_0600=1, at_2200=2), day(2, at_0000=5)))


def living(tables: Tables = TWO, start: int = START, special: tuple[SpecialDay, ...] = (), **options: Any) -> Any:
    recorder = Recorder(start)
    days = SpecialDaysBehaviour(recorder.host, "0-0:11.0.0.255", special)
    calendar = ActivityCalendarBehaviour(
        recorder.host, recorder.agenda, recorder.scripts, "0-0:13.0.0.255", tables, days, **options
    )
    noted: list[Cause] = []
    recorder.host.causes.listeners.append(lambda happening: noted.append(happening.cause))
    recorder.noted = noted  # type: ignore[attr-defined]
    return recorder, calendar, days


def write_passive(recorder: Recorder, calendar: ActivityCalendarBehaviour, tables: Tables) -> None:
    for number, part in enumerate(tables, 6):
        assert recorder.write(calendar.object, number, part) is DataAccessResult.SUCCESS


def active(calendar: ActivityCalendarBehaviour) -> Tables:
    obj = calendar.object
    return Tables(
        obj.calendar_name_active,
        obj.season_profile_active,
        obj.week_profile_table_active,
        obj.day_profile_table_active,
    )


OTHER = Tables(b"other", (season("*-01-01"),), (week(3),), (day(3, at_0000=3, at_1200=4),))

# --- the scenarios of 4.8 ---------------------------------------------------------------------------------------------


def test_each_script_runs_once_at_its_time() -> None:
    recorder, _, _ = living()
    recorder.until(utc(2026, 6, 2, 3))
    assert recorder.ran == [("02:00", 2), ("06:00", 1), ("22:00", 2)], "and what holds at the start"
    assert recorder.origins == {Origin.REMOTE}


def test_after_an_outage_only_the_last_missed_action_runs() -> None:
    recorder, _, _ = living()
    recorder.outage(utc(2026, 6, 1, 3), utc(2026, 6, 1, 21))
    assert recorder.ran[1:] == [("23:00", 2)]


def test_a_special_day_overrides() -> None:
    recorder, _, _ = living(special=(SpecialDay(1, CosemDate(None, 6, 2), 2),))
    recorder.until(utc(2026, 6, 3, 12))
    assert recorder.ran[1:] == [("06:00", 1), ("22:00", 2), ("00:00", 5), ("06:00", 1)]


def test_when_the_activation_time_is_reached_the_passive_tables_are_the_active_ones() -> None:
    recorder, calendar, _ = living()
    recorder.until(utc(2026, 6, 1, 8))
    write_passive(recorder, calendar, OTHER)
    at = CosemDateTime.parse("2026-06-01T13:00:00")
    assert recorder.write(calendar.object, 10, at) is DataAccessResult.SUCCESS
    recorder.until(utc(2026, 6, 1, 11) - 1)
    assert active(calendar) == TWO
    recorder.until(utc(2026, 6, 1, 11))
    assert active(calendar) == calendar.passive == OTHER
    assert recorder.noted == [Cause.CALENDAR_WRITTEN] * 4 + [Cause.TARIFF_ACTIVATED]
    assert recorder.ran[-1] == ("13:00", 4), "the tariff is evaluated at once"


@pytest.mark.parametrize(
    "tables",
    [
        OTHER._replace(days=(day(4, at_0000=1),)),
        OTHER._replace(seasons=(season("*-01-01", b"nowhere"),)),
        OTHER._replace(seasons=()),
        OTHER._replace(weeks=(week(3), week(3))),
        OTHER._replace(days=OTHER.days * 2),
    ],
)
def test_a_passive_calendar_with_a_gap_is_refused(tables: Tables) -> None:
    recorder, calendar, _ = living()
    write_passive(recorder, calendar, tables)
    assert recorder.call(calendar.object, 1, 0) is ActionResult.OTHER_REASON
    assert recorder.write(calendar.object, 10, CosemDateTime.parse("2026-05-01T00:00:00")) is (
        DataAccessResult.OTHER_REASON
    )
    assert recorder.write(calendar.object, 10, CosemDateTime.parse("2026-06-01T03:00:00")) is DataAccessResult.SUCCESS
    recorder.until(utc(2026, 6, 1, 12))
    assert active(calendar) == TWO
    assert Cause.TARIFF_ACTIVATED not in recorder.noted
    assert recorder.numbers == [2, 1]


# --- the rules of 4.8 -------------------------------------------------------------------------------------------------


def test_activating_copies_all_four_and_leaves_the_passive_calendar() -> None:
    recorder, calendar, _ = living()
    write_passive(recorder, calendar, OTHER)
    assert recorder.call(calendar.object, 1, 0) is ActionResult.SUCCESS
    assert active(calendar) == calendar.passive == OTHER
    assert recorder.ran[-1] == ("02:00", 3)


def test_behaviour_of_writing_the_active_calendar() -> None:
    recorder, calendar, _ = living()
    for number, part in enumerate(OTHER, 2):
        assert recorder.write(calendar.object, number, part) is DataAccessResult.READ_WRITE_DENIED
    assert active(calendar) == TWO


def test_an_activation_time_is_a_moment_or_never() -> None:
    recorder, calendar, _ = living()
    assert recorder.write(calendar.object, 10, CosemDateTime(2026, 7)) is DataAccessResult.OTHER_REASON
    assert recorder.write(calendar.object, 10, CosemDateTime()) is DataAccessResult.SUCCESS
    recorder.until(utc(2027, 6, 1))
    assert Cause.TARIFF_ACTIVATED not in recorder.noted


def test_behaviour_of_an_activation_time_in_the_past() -> None:
    for at_once in (True, False):
        recorder, calendar, _ = living(past_activates=at_once)
        write_passive(recorder, calendar, OTHER)
        past = CosemDateTime.parse("2026-05-01T00:00:00")
        assert recorder.write(calendar.object, 10, past) is DataAccessResult.SUCCESS
        recorder.until(utc(2026, 6, 2))
        assert active(calendar) == (OTHER if at_once else TWO)


def test_an_activation_time_missed_in_an_outage_is_made_up_for() -> None:
    recorder, calendar, _ = living()
    write_passive(recorder, calendar, OTHER)
    assert recorder.write(calendar.object, 10, CosemDateTime.parse("2026-06-02T00:00:00")) is DataAccessResult.SUCCESS
    recorder.outage(utc(2026, 6, 1, 20), utc(2026, 6, 2, 6))
    assert active(calendar) == OTHER
    assert recorder.ran[-1] == ("08:00", 3)


def test_a_time_that_was_set_runs_what_holds_then_and_only_that() -> None:
    recorder, _, _ = living()
    recorder.until(utc(2026, 6, 1, 6))
    recorder.jump(3600)
    assert recorder.numbers == [2, 1], "tariff 1 holds already"
    recorder.jump(14 * 3600)
    recorder.jump(-10 * 3600)
    assert recorder.numbers == [2, 1, 2, 1]
    recorder.jump(7 * 86400)
    assert recorder.numbers[4:] == [1], "many were missed, the last one runs"


def test_while_the_clock_is_invalid_the_default_tariff_holds() -> None:
    recorder, _, _ = living(default=script(9))
    recorder.until(utc(2026, 6, 1, 3))
    recorder.host.note(Cause.POWER_DOWN)
    recorder.host.clock.invalid = True
    recorder.until(utc(2026, 6, 1, 6))
    recorder.host.note(Cause.POWER_UP, outage=3 * 3600)
    assert recorder.numbers == [2, 9]
    octets = CosemDateTime.parse("2026-06-01T08:00:05").to_octets()
    assert recorder.host.clock.set(octets) is DataAccessResult.SUCCESS
    assert recorder.numbers == [2, 9, 1]


def test_the_day_of_spring_runs_a_skipped_entry_at_the_switch_and_that_of_autumn_one_in_the_doubled_hour_once() -> None:
    tables = Tables(b"x", (season("*-01-01"),), (week(1),), (day(1, at_0230=1, at_1200=2),))
    for start, end, at in (
        (utc(2026, 3, 28, 23), utc(2026, 3, 29, 9), "03:00"),
        (utc(2026, 10, 24, 22), utc(2026, 10, 25, 9), "02:30"),
    ):
        recorder, _, _ = living(tables, start)
        recorder.until(end)
        assert recorder.ran[1:] == [(at, 1)]


def test_seasons_wrap_over_the_year_and_one_of_wildcards_never_begins() -> None:
    summer, winter, never = season("*-04-01"), season("*-10-15"), season("*-*-*")
    calendar = living(Tables(b"x", (never, summer, winter), (week(1),), (day(1, at_0000=1),)))[1]
    assert calendar.season(date(2026, 3, 31)) == winter
    assert calendar.season(date(2026, 4, 1)) == summer
    assert calendar.season(date(2026, 10, 14)) == summer
    assert calendar.season(date(2026, 12, 31)) == winter
    last_sunday = Season(b"s", CosemDateTime(month=3, day=0xFE, weekday=7), b"w")
    calendar = living(Tables(b"x", (last_sunday, winter), (week(1),), (day(1, at_0000=1),)))[1]
    assert calendar.season(date(2026, 3, 28)) == winter
    assert calendar.season(date(2026, 3, 29)) == last_sunday


def test_before_the_first_season_of_all_nothing_runs() -> None:
    recorder, calendar, _ = living(Tables(b"x", (season("2026-06-03"),), (week(1),), (day(1, at_0000=1),)))
    assert calendar.in_force() is None
    recorder.until(utc(2026, 6, 3))
    assert recorder.ran == [("00:00", 1)]


def test_a_special_day_of_another_calendar_is_a_day_as_always() -> None:
    recorder, _, days = living()
    assert recorder.call(days.object, 1, SpecialDay(1, CosemDate(2026, 6, 1), 77)) is ActionResult.SUCCESS
    recorder.until(utc(2026, 6, 1, 5))
    assert recorder.numbers == [2, 1]
    assert recorder.call(days.object, 1, SpecialDay(1, CosemDate(2026, 6, 1), 2)) is ActionResult.SUCCESS
    assert recorder.numbers == [2, 1, 5], "today became special: what holds now runs"


@pytest.mark.parametrize(
    ("number", "value"),
    [
        (7, (Season(b"s", CosemDateTime(month=13), b"w"),)),
        (9, (DayProfile(1, (DayAction(CosemTime(None, 0, 0, 0), TABLE, 1),)),)),
        (9, (DayProfile(1, (DayAction(CosemTime(25, 0, 0, 0), TABLE, 1),)),)),
        (8, (week(1),) * 300),
    ],
)
def test_passive_tables_that_nobody_can_live_by_are_refused(number: int, value: Any) -> None:
    recorder, calendar, _ = living()
    assert recorder.write(calendar.object, number, value) is DataAccessResult.OTHER_REASON
    assert calendar.passive == TWO
    assert recorder.noted == []


def test_a_calendar_with_a_gap_cannot_be_built_in() -> None:
    with pytest.raises(ConfigError, match="week or a day"):
        living(TWO._replace(weeks=(week(7),)))


@given(st.lists(st.tuples(st.integers(0, 40_000), st.integers(-90_000, 90_000), st.booleans()), max_size=6))
def test_whatever_clock_and_power_do_the_last_script_that_ran_is_the_one_that_holds(
    steps: list[tuple[int, int, bool]],
) -> None:
    recorder, calendar, _ = living()
    now = START
    for wait, size, outage in steps:
        if outage:
            recorder.outage(now, now + wait)
        now += wait
        recorder.until(now)
        recorder.jump(size)
        assert recorder.numbers[-1] == calendar.in_force().script.script_selector
    recorder.until(now + 86400)
    assert recorder.numbers[-1] == calendar.in_force().script.script_selector


# --- the order of 0.1 -------------------------------------------------------------------------------------------------


def test_after_an_outage_schedule_and_calendar_are_merged_in_time_order() -> None:
    recorder, _, days = living()
    ScheduleBehaviour(
        recorder.host, recorder.agenda, recorder.scripts, "0-0:12.0.0.255", days,
        [entry(1, "21:00", 7, window=0xFFFF), entry(2, "22:00", 8, window=0xFFFF), entry(3, "22:30", 9, window=0xFFFF)],
    )  # fmt: skip
    recorder.outage(utc(2026, 6, 1, 17), utc(2026, 6, 1, 21))
    assert recorder.numbers[-4:] == [7, 8, 2, 9], "at the same moment the schedule comes first"


def test_behaviour_of_the_order_at_a_clock_jump() -> None:
    recorder, _, days = living()
    agenda, scripts = recorder.agenda, recorder.scripts
    SingleActionBehaviour(
        recorder.host, agenda, scripts, "0-0:15.0.0.255", script(6),
        times=[ExecutionTime(CosemTime(20, 0, 0, 0), CosemDate(2026, 6, 1))],
    )  # fmt: skip
    ScheduleBehaviour(recorder.host, agenda, scripts, "0-0:12.0.0.255", days, [entry(1, "22:00", 8, window=0xFFFF)])
    order: list[str] = []
    for name in ("OTHERS", "PROFILES", "MEASURING"):
        recorder.host.clock.on_jump.append(lambda old, new, name=name: order.append(name), JumpOrder[name])
    recorder.host.device.on_write.append(lambda obj, attribute, value: order.append(f"script {value.value}"))
    recorder.until(utc(2026, 6, 1, 10))
    order.clear()
    recorder.jump(11 * 3600)
    assert order == ["MEASURING", "script 8", "script 2", "script 6", "PROFILES", "OTHERS"]


# --- in the meter -----------------------------------------------------------------------------------------------------


def test_the_tariffs_of_the_meter_follow_a_calendar_that_was_set() -> None:
    meter = build(utc(2026, 6, 1, 8), utc(2026, 6, 1, 9))
    assert meter.metering.active_tariff == 1
    calendar = meter.equipment.tariffs.calendar
    table = calendar.object.day_profile_table_active[0].day_schedule[0].script_logical_name
    always = DayProfile(1, (DayAction(CosemTime(0, 0, 0, 0), table, 2),))
    calendar.object.calendar_name_passive = b"night"
    calendar.object.day_profile_table_passive = (always, always._replace(day_id=2))
    calendar.object.activate_passive_calendar(0)
    assert meter.metering.active_tariff == 2
    before = meter.metering.tariff_energy[1, 1]
    meter.advance(utc(2026, 6, 3))
    assert meter.metering.tariff_energy[1, 1] == before


def test_a_script_item_of_nothing_is_nothing() -> None:
    recorder, _, _ = living(TWO._replace(days=(day(1, at_0000=0), day(2, at_0000=0))))
    recorder.until(utc(2026, 6, 3))
    assert recorder.ran == []
    assert ActionItem(TABLE, 0) == script(0)
