"""Calendars as people write them, set in a meter and read back, by both clients and by both ways of naming."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.classes.c011_special_days_table import SpecialDay
from cosem.classes.c020_activity_calendar import DayAction, DayProfile, Season, WeekProfile
from cosem.client.calendars import NEVER, TARIFF_SCRIPTS, Calendar
from cosem.errors import AccessError, ConfigError
from cosem.times import CosemDate, CosemDateTime, CosemTime
from support.served import END, served

TEXT = """
name = "weekends"
season = [{name = "year", start = "*-01-01", week = "week"}]
week = [{name = "week", days = [1, 1, 1, 1, 1, 2, 2]}]
special_day = [{date = "*-12-25", day = 2}, {date = "*-05-last", weekday = 1, day = 2}]
[day]
1 = {"22:00" = 2, "00:00" = 2, "06:00" = 1}
2 = {"00:00" = 1}
"""


def test_a_calendar_is_read_as_it_is_written() -> None:
    calendar = Calendar.from_toml(TEXT)
    assert calendar.name == b"weekends"
    assert calendar.weeks == (WeekProfile(b"week", 1, 1, 1, 1, 1, 2, 2),)
    assert [action.start_time.hour for action in calendar.days[0].day_schedule] == [0, 6, 22]
    assert calendar.days[1].day_schedule == (DayAction(CosemTime(0, 0, 0, 0), TARIFF_SCRIPTS, 1),)
    assert calendar.special_days == (
        SpecialDay(1, CosemDate(None, 12, 25), 2),
        SpecialDay(2, CosemDate(None, 5, 0xFE, 1), 2),
    )
    assert Calendar.from_toml(calendar.to_toml()) == calendar


names = st.binary(min_size=1, max_size=8).filter(lambda octets: not octets.startswith(b"0x"))


@given(
    names, st.lists(names, min_size=1, max_size=3, unique=True), st.lists(st.integers(0, 255), min_size=1, unique=True)
)
def test_what_is_written_down_comes_back(name: bytes, weeks: list[bytes], days: list[int]) -> None:
    midnight = CosemTime(0, 0, 0, 0)
    calendar = Calendar(
        name,
        tuple(Season(week, CosemDateTime(*CosemDate(None, 1, 1), *midnight), week) for week in weeks),
        tuple(WeekProfile(week, *(days[:1] * 7)) for week in weeks),
        tuple(DayProfile(day, (DayAction(midnight, TARIFF_SCRIPTS, day),)) for day in days),
    )
    assert Calendar.from_toml(calendar.to_toml()) == calendar


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('week = "week"', 'week = "none"', "names a week that is not there"),
        ("days = [1, 1,", "days = [1, 9,", "names day 9"),
        ("days = [1, 1,", "days = [1,", "not understood"),
        ('"*-12-25", day = 2', '"*-12-25", day = 7', "special day 1 names day 7"),
        ('start = "*-01-01"', 'start = "soon"', "no date"),
        ("name =", "nome =", "has no 'nome'"),
        ("[day]", "[day", "no TOML"),
    ],
)
def test_what_is_no_calendar_is_told_in_words(old: str, new: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Calendar.from_toml(TEXT.replace(old, new, 1))


@pytest.mark.parametrize("referencing", ["ln", "sn"])
def test_set_now_it_is_the_active_one_at_once(referencing: str) -> None:
    calendar = Calendar.from_toml(TEXT)
    with served(days=0.1, referencing=referencing) as world, world.connect() as meter:
        before = meter.calendar()
        assert before.name == b"two tariffs"
        meter.set_calendar(calendar)
        assert meter.calendar() == calendar
        assert meter.calendar(passive=True) == calendar
        # The first of November 2026 is a Sunday: its script is 1 now.
        assert world.meter.metering.active_tariff == 1


def test_set_for_later_it_waits_and_the_asynchronous_client_does_the_same() -> None:
    calendar = Calendar.from_toml(TEXT)
    with served(days=0.1) as world:

        async def talk() -> tuple[Calendar, Calendar, Calendar]:
            meter = await world.connect_async()
            async with meter:
                await meter.set_calendar(calendar, END + timedelta(days=1))
                waiting = await meter.calendar(), await meter.calendar(passive=True)
                world.meter.advance(int((END + timedelta(days=1)).timestamp()))
                return *waiting, await meter.calendar()

        first, passive, then = asyncio.run(talk())
    assert first.name == b"two tariffs"
    assert passive == then == calendar


def test_set_never_only_the_passive_one_is_another() -> None:
    calendar = Calendar.from_toml(TEXT)
    with served(days=0.1) as world, world.connect() as meter:
        meter.set_calendar(calendar, END + timedelta(hours=1))
        meter.set_calendar(calendar, NEVER)
        world.meter.advance(world.meter.now + 86400)
        assert meter.calendar().name == b"two tariffs"
        assert meter.calendar(passive=True) == calendar


def test_a_meter_that_says_no_is_told_and_its_active_calendar_stays() -> None:
    bad = Calendar.from_toml(TEXT.replace('"06:00" = 1', '"*:00" = 1'))
    with served(days=0.1) as world, world.connect() as meter:
        with pytest.raises(AccessError, match=r"0-0:13\.0\.0"):
            meter.set_calendar(bad)
        assert meter.calendar().name == b"two tariffs"
