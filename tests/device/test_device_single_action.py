"""Single action schedules: all types, outages, clocks that are set (behaviours 4.9)."""

from __future__ import annotations

from typing import Any

import pytest

from cosem.classes.c022_single_action_schedule import ExecutionTime, ExecutionType
from cosem.device.host import Origin
from cosem.device.single_action import SingleActionBehaviour
from cosem.results import DataAccessResult
from cosem.times import CosemDate, CosemTime
from support.meters import utc
from support.recorder import Recorder, script

START = utc(2026, 6, 1)
MIDNIGHT = CosemTime(0, 0, 0, 0)


def moment(text: str) -> ExecutionTime:
    day, _, at = text.partition("T")
    return ExecutionTime(CosemTime.parse(at), CosemDate.parse(day))


NEVER = ExecutionTime(CosemTime(), CosemDate())


def single(kind: int, *times: str, start: int = START, **options: Any) -> tuple[Recorder, SingleActionBehaviour]:
    recorder = Recorder(start)
    schedule = SingleActionBehaviour(
        recorder.host,
        recorder.agenda,
        recorder.scripts,
        "0-0:15.0.0.255",
        script(1),
        kind=ExecutionType(kind),
        times=[moment(text) for text in times],
        **options,
    )
    return recorder, schedule


# --- the scenarios of 4.9 ---------------------------------------------------------------------------------------------


def test_type_1_runs_daily_at_midnight() -> None:
    recorder, _ = single(1, "*-*-*T00:00")
    recorder.until(utc(2026, 6, 4))
    assert recorder.ran == [("00:00", 1)] * 3
    assert recorder.origins == {Origin.REMOTE}


def test_type_2_runs_on_its_two_dates() -> None:
    recorder, _ = single(2, "2026-06-02T12:00", "2026-08-05T12:00")
    recorder.until(utc(2026, 6, 3))
    assert recorder.ran == [("12:00", 1)]
    recorder.until(utc(2027, 1, 1))
    assert recorder.ran == [("12:00", 1)] * 2


def test_type_2_with_a_wildcard_in_the_date_is_other_reason() -> None:
    recorder, schedule = single(2, "2026-06-02T12:00")
    times = (moment("2026-06-03T12:00"), moment("*-06-04T12:00"))
    assert recorder.write(schedule.object, 4, times) is DataAccessResult.OTHER_REASON
    assert schedule.object.execution_time == (moment("2026-06-02T12:00"),)


def test_a_single_date_missed_in_an_outage_runs_once_after_it() -> None:
    recorder, _ = single(1, "2026-06-02T12:00")
    recorder.outage(utc(2026, 6, 2, 9), utc(2026, 6, 2, 15))
    assert recorder.ran == [("17:00", 1)]
    recorder.until(utc(2026, 6, 5))
    assert len(recorder.ran) == 1


# --- the rules of 4.9 -------------------------------------------------------------------------------------------------


def test_behaviour_of_what_an_outage_hid() -> None:
    periodic, _ = single(1, "*-*-*T12:00")
    periodic.outage(utc(2026, 6, 2, 9), utc(2026, 6, 2, 15))
    without, _ = single(1, "2026-06-02T12:00", run_missed=False)
    without.outage(utc(2026, 6, 2, 9), utc(2026, 6, 2, 15))
    assert len(periodic.ran) == 1, "what comes again anyway is not made up for"
    assert without.ran == []


def test_behaviour_of_a_clock_set_back_over_the_time() -> None:
    for text, times in (("*-*-*T12:00", 2), ("2026-06-01T12:00", 1)):
        recorder, _ = single(1, text)
        recorder.until(utc(2026, 6, 1, 11))
        recorder.jump(-7200)
        recorder.until(utc(2026, 6, 1, 13))
        assert len(recorder.ran) == times


@pytest.mark.parametrize(
    ("kind", "times", "fits"),
    [
        (1, ["*-*-*T12:00"], True),
        (1, ["*-*-*T12:00", "*-*-01T12:00"], False),
        (2, ["2026-06-02T12:00", "2026-06-03T12:00"], True),
        (2, ["2026-06-02T12:00", "2026-06-03T13:00"], False),
        (3, ["*-06-02T12:00", "*-*-03T12:00"], True),
        (3, ["*-06-02T12:00", "*-*-03T13:00"], False),
        (4, ["2026-06-02T12:00", "2026-06-03T13:00"], True),
        (4, ["*-06-02T12:00", "2026-06-03T13:00"], False),
        (5, ["*-06-02T12:00", "*-*-03T13:00"], True),
        (5, ["*-*-*T12:00:*"], False),
        (5, ["2026-02-30T12:00"], False),
    ],
)
def test_every_type_takes_the_times_it_may_have(kind: int, times: list[str], fits: bool) -> None:
    recorder, schedule = single(kind)
    given = [moment(text) if "02-30" not in text else ExecutionTime(MIDNIGHT, CosemDate(2026, 2, 30)) for text in times]
    result = recorder.write(schedule.object, 4, tuple(given))
    assert result is (DataAccessResult.SUCCESS if fits else DataAccessResult.OTHER_REASON)


def test_a_type_may_be_written_before_times_that_fit_it_and_rests_until_then() -> None:
    recorder, schedule = single(3, "*-*-02T12:00", "*-*-03T12:00")
    assert recorder.write(schedule.object, 3, ExecutionType(2)) is DataAccessResult.SUCCESS
    recorder.until(utc(2026, 6, 4))
    assert recorder.ran == []
    assert recorder.write(schedule.object, 4, (moment("2026-06-04T12:00"),)) is DataAccessResult.SUCCESS
    recorder.until(utc(2026, 6, 5))
    assert recorder.ran == [("12:00", 1)]


def test_nothing_specified_is_never() -> None:
    recorder, schedule = single(1, "*-*-*T12:00")
    assert recorder.write(schedule.object, 4, (NEVER,)) is DataAccessResult.SUCCESS
    recorder.until(utc(2026, 6, 5))
    assert recorder.ran == []


def test_the_last_day_of_a_month_and_a_weekday_on_or_after_a_day() -> None:
    recorder = Recorder(utc(2026, 1, 1))
    days: list[str] = []
    times = [
        ExecutionTime(MIDNIGHT, CosemDate(day=0xFE)),
        ExecutionTime(MIDNIGHT, CosemDate(month=10, day=0xFE, weekday=7)),
        ExecutionTime(MIDNIGHT, CosemDate(month=5, day=29, weekday=1)),
    ]
    for number, time in enumerate(times):
        SingleActionBehaviour(
            recorder.host, recorder.agenda, recorder.scripts, f"0-0:15.0.{number}.255", script(number + 1), times=[time]
        )
    recorder.host.device.on_write.append(lambda obj, attribute, value: days.append(f"{recorder.local:%m-%d}"))
    recorder.until(utc(2027, 1, 1))
    assert [day for day, number in zip(days, recorder.numbers, strict=True) if number == 2] == ["10-25"]
    assert [day for day, number in zip(days, recorder.numbers, strict=True) if number == 3] == ["06-01"]
    ends = [day for day, number in zip(days, recorder.numbers, strict=True) if number == 1]
    assert ends[:4] == ["01-31", "02-28", "03-31", "04-30"]
    assert len(ends) == 12
