"""What a clock that is set does to rows, marks and demand; and energy between the captures."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cosem.codec import axdr
from cosem.device.load import Load
from cosem.device.meter import ElectricityMeter, MeterSettings
from cosem.device.metering import STEP
from cosem.device.profile import CLOCK_ADJUSTED, CLOCK_INVALID
from cosem.device.random import SeededRandom
from cosem.errors import ConfigError
from support.meters import KEYS, build, utc

START = utc(2026, 6, 1, 10)


class Flat:
    """The same load for ever, or by the minute."""

    def __init__(self, watts: int = 3600, by_minute: bool = False) -> None:
        self.watts = watts
        self.by_minute = by_minute

    def power(self, step: int) -> int:
        return self.watts * (step * 7919 % 11 - 3) if self.by_minute else self.watts

    def at(self, local: datetime, step: int) -> Load:
        return Load((self.power(step), 0, 0), (0, 0, 0))


def flat(load: Flat | None = None, start: int = START, **settings: Any) -> ElectricityMeter:
    chosen = MeterSettings(keys=KEYS, **settings)
    return ElectricityMeter(chosen, start, SeededRandom(1), simulation=True, load=load or Flat())


def marked(meter: ElectricityMeter) -> list[tuple[int, bool]]:
    """The rows: seconds since the start, and whether they say that the clock was adjusted."""
    return [(row.time - START, bool(row.cells[1][-1] & CLOCK_ADJUSTED)) for row in meter.load_profile.rows]


def later(meter: ElectricityMeter, seconds: int) -> None:
    meter.advance(START + seconds)


# --- rows -------------------------------------------------------------------------------------------------------------


def test_a_large_jump_forward_closes_the_interval_and_marks_that_row_and_the_next() -> None:
    meter = flat()
    later(meter, 1000)
    meter.clock.jump_to(START + 1000 + 3600)
    later(meter, 3600)
    assert marked(meter) == [(900, False), (1000, True), (5400, True), (6300, False), (7200, False)]
    energies = [axdr.decode(row.cells[2]).value for row in meter.load_profile.rows]
    assert energies == [900, 1000, 1800, 2700, 3600], "what was used between the rows is in them"


def test_a_large_jump_back_closes_the_interval_and_marks_that_row_and_the_next() -> None:
    meter = flat()
    later(meter, 2000)
    meter.clock.jump_to(START + 600)
    later(meter, 3400)
    assert marked(meter) == [(900, False), (1800, False), (2000, True), (900, True), (1800, False)]


def test_a_large_jump_within_an_interval_only_marks_its_row() -> None:
    for step in (60, -60):
        meter = flat()
        later(meter, 300)
        meter.clock.jump_to(START + 300 + step)
        later(meter, 2000)
        assert marked(meter) == [(900, True), (1800, False)]


def test_a_jump_right_behind_a_row_closes_nothing() -> None:
    meter = flat()
    later(meter, 900)
    meter.clock.jump_to(START + 4000)
    later(meter, 2000)
    assert marked(meter) == [(900, False), (4500, True), (5400 - 900 + 900, False)][: len(marked(meter))]
    assert len(marked(meter)) == 3 - (marked(meter)[-1][0] != 5400)


@pytest.mark.parametrize("limit", [9, 60])
def test_the_limit_is_what_counts_as_adjusted(limit: int) -> None:
    for size, adjusted in ((limit - 1, False), (limit, True)):
        for sign in (1, -1):
            meter = flat()
            meter.clock.jump_limit = limit
            later(meter, 450)
            meter.clock.jump_to(START + 450 + sign * size)
            later(meter, 1000)
            assert marked(meter) == [(900, adjusted)]


def test_a_small_jump_over_a_boundary_leaves_its_row_on_it() -> None:
    meter = flat()
    later(meter, 897)
    meter.clock.jump_to(START + 905)
    later(meter, 2000)
    assert marked(meter) == [(900, False), (1800, False)]


def test_small_jumps_back_over_a_boundary_repeat_no_row() -> None:
    meter = flat()
    later(meter, 903)
    for _ in range(3):
        meter.clock.jump_to(meter.clock.now - 8)
    later(meter, 1100)
    assert marked(meter) == [(900, False)]
    later(meter, 2000)
    assert marked(meter) == [(900, False), (1800, False)]


@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(-8, 8)), max_size=12))
@example([(0, -2), (0, 1)])
@example([(899, 3), (0, -5), (0, 1)])
@settings(max_examples=60)
def test_small_corrections_leave_one_row_on_every_boundary(corrections: list[tuple[int, int]]) -> None:
    meter = flat()
    now = 0
    for wait, size in corrections:
        now += wait
        later(meter, now)
        meter.clock.jump_to(meter.clock.now + size)
    later(meter, now + 1000)
    rows = marked(meter)
    assert rows == [(900 * (number + 1), False) for number in range(len(rows))]
    assert (len(rows) + 1) * 900 > meter.clock.now - START - 8
    assert meter.maximum.value <= 3600 * (900 + 100) // 900


@given(st.lists(st.tuples(st.integers(0, 3000), st.integers(-90_000, 90_000)), max_size=8))
@settings(max_examples=60)
def test_whatever_the_clock_does_nothing_used_is_lost_and_every_jump_over_a_boundary_shows(
    jumps: list[tuple[int, int]],
) -> None:
    meter = flat()
    now = 0
    for wait, size in jumps:
        now += wait
        later(meter, now)
        meter.clock.jump_to(meter.clock.now + size)
    later(meter, now + 1800)
    assert meter.metering.energy[1] == 3600 * (now + 1800)
    energies = [axdr.decode(row.cells[2]).value for row in meter.load_profile.rows]
    assert energies == sorted(energies)
    adjusted = [bool(row.cells[1][-1] & CLOCK_ADJUSTED) for row in meter.load_profile.rows]
    times = [row.time for row in meter.load_profile.rows]
    for (earlier, following), shows in zip(pairwise(times), adjusted[1:], strict=True):
        assert following - earlier == 900 or shows or abs(following - earlier - 900) < 9
    assert meter.load_profile._in_order is (times == sorted(times))


def test_a_profile_on_demand_is_marked_too_and_closes_nothing() -> None:
    meter = flat(profile_period=0)
    assert meter.load_profile.next_time() is None
    later(meter, 1000)
    meter.clock.jump_to(START + 9000)
    meter.clock.jump_to(START + 9003)
    later(meter, 2000)
    assert marked(meter) == []
    meter.load_profile.object.capture(0)
    meter.load_profile.object.capture(0)
    assert [adjusted for _, adjusted in marked(meter)] == [True, False]


def test_another_time_zone_moves_the_midnights_and_marks_nothing() -> None:
    meter = flat(daylight_saving=False)
    assert meter.clock.writers[3](axdr.long(-330)).value == 0
    later(meter, 86400)
    midnight = meter.daily_profile.rows[0]
    assert meter.clock.local(midnight.time) == datetime(2026, 6, 2)
    assert midnight.time == utc(2026, 6, 1, 18, 30)
    assert not any(adjusted for _, adjusted in marked(meter))


def test_rows_of_an_invalid_clock_say_so() -> None:
    meter = flat()
    meter.clock.invalid = True
    later(meter, 900)
    assert meter.load_profile.rows[0].cells[1][-1] & CLOCK_INVALID


def test_a_period_beyond_a_day_is_no_period() -> None:
    for period in (-1, 86401):
        with pytest.raises(ConfigError, match="capture period"):
            flat(profile_period=period)


# --- demand -----------------------------------------------------------------------------------------------------------


def test_a_constant_load_has_its_power_as_demand() -> None:
    meter = flat(Flat(4000))
    later(meter, 899)
    assert meter.demand.last == 0
    later(meter, 900)
    assert (meter.demand.last, meter.maximum.value) == (4000, 4000)
    assert meter.maximum.at == START + 900


@pytest.mark.parametrize(("at", "size"), [(897, 8), (903, -8), (897, -8), (903, 8)])
def test_a_small_correction_never_makes_a_demand_of_two_periods(at: int, size: int) -> None:
    meter = flat(Flat(3600))
    later(meter, at)
    meter.clock.jump_to(meter.clock.now + size)
    averages = set()
    for moment in range(at, 4 * 900, 60):
        later(meter, moment)
        averages.add(meter.demand.last)
    assert max(averages) <= 3600 * 908 // 900
    assert min(averages - {0}) >= 3600 * 892 // 900


def test_a_large_jump_ends_the_demand_period_there_and_then() -> None:
    meter = flat(Flat(3600))
    later(meter, 450)
    meter.clock.jump_to(START + 7300)
    assert meter.demand.last == 1800, "the energy of half a period, over a whole one"
    assert meter.maximum.at == START + 450
    meter.clock.jump_to(START + 450)
    assert meter.demand.last == 1800, "nothing had begun yet"
    later(meter, 900)
    assert meter.demand.last == 1800


def test_the_last_period_of_a_month_counts_for_that_month() -> None:
    class Rising:
        def at(self, local: datetime, step: int) -> Load:
            last = datetime(2026, 5, 31, 23, 45) <= local < datetime(2026, 6, 1)
            return Load((9000 if last else 1000, 0, 0), (0, 0, 0))

    meter = flat(Rising(), utc(2026, 5, 31, 20))  # type: ignore[arg-type]
    midnight = utc(2026, 5, 31, 22)
    meter.advance(midnight)
    (row,) = meter.equipment.billing.profile.rows
    kept = [axdr.decode(cell).value for cell in row.cells]
    assert kept[7:9] == [9000, meter.clock.octets(midnight)]
    assert (meter.maximum.value, meter.maximum.at) == (0, midnight), "the new month begins with nothing"
    meter.advance(midnight + 899)
    assert meter.maximum.value == 0
    meter.advance(midnight + 900)
    assert (meter.maximum.value, meter.maximum.at) == (1000, midnight + 900)


def test_a_month_without_any_import_has_a_maximum_of_nothing() -> None:
    meter = flat(Flat(-500))
    later(meter, 1800)
    assert (meter.maximum.value, meter.maximum.at) == (0, START + 900)


# --- energy -----------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=12))
@settings(max_examples=60)
def test_energy_at_any_second_is_the_integral_of_the_power(waits: list[int]) -> None:
    load = Flat(100, by_minute=True)
    meter = flat(load)
    now = START
    for wait in waits:
        now += wait
        meter.advance(now)
        powers = [load.power(second // STEP) for second in range(START, now)]
        assert meter.metering.energy[1] == sum(power for power in powers if power > 0)
        assert meter.metering.energy[2] == -sum(power for power in powers if power < 0)
        assert sum(meter.metering.tariff_energy[1, rate] for rate in (1, 2)) == meter.metering.energy[1]


def test_disconnecting_in_mid_step_stops_counting_at_that_second() -> None:
    meter = flat(Flat(3600))
    later(meter, 17)
    meter.disconnector.object.remote_disconnect()
    assert meter.metering.energy[1] == 3600 * 17
    assert meter.metering.power(1) == 0
    later(meter, 95)
    assert meter.metering.energy[1] == 3600 * 17
    meter.disconnector.object.remote_reconnect()
    assert meter.metering.power(1) == 3600
    later(meter, 130)
    assert meter.metering.energy[1] == 3600 * (17 + 35)
    meter.metering.switch(True)
    assert meter.metering.power_factor() == 1000


def test_nothing_drawn_has_the_power_factor_one() -> None:
    assert flat(Flat(0)).metering.power_factor() == 1000


def test_tariffs_change_with_the_meters_own_clock() -> None:
    meter = flat(start=utc(2026, 6, 1, 3, 30))
    assert meter.metering.active_tariff == 2
    meter.advance(utc(2026, 6, 1, 4))
    assert meter.metering.active_tariff == 1
    assert meter.metering.tariff_energy[1, 2] == 3600 * 1800
    meter.clock.jump_to(utc(2026, 6, 1, 20, 1))
    assert meter.metering.active_tariff == 2
    meter.advance(utc(2026, 6, 1, 4, 10))
    assert meter.metering.tariff_energy[1, 1] == 0


def test_reading_more_often_changes_nothing() -> None:
    often, seldom = build(START, START), build(START, START + 20_000)
    for moment in range(START, START + 20_000, 37):
        often.advance(moment)
        assert often.metering.power(1) >= 0
        assert often.metering.watt_hours(1, 1) >= 0
    often.advance(START + 20_000)
    assert often.metering.energy == seldom.metering.energy
    assert [row.octets for row in often.load_profile.rows] == [row.octets for row in seldom.load_profile.rows]
