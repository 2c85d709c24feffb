"""A utility meter counts exactly, remembers, and shows what was done to it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.device.utility.consumption import (
    ElectricityConsumption,
    Flow,
    GasConsumption,
    HeatConsumption,
    WaterConsumption,
)
from cosem.device.utility.meter import DAY, Medium, Status, Tamper, UtilityMeter, UtilitySettings, Valve
from cosem.errors import ConfigError

START = 1_774_652_400  # midnight in central Europe, 28 March 2026


class Steady:
    def __init__(self, amount: int, warm: int = 2000, cold: int = 2000) -> None:
        self.flow = Flow(amount, warm, cold)

    def at(self, local, step):
        return self.flow


def meter(medium=Medium.GAS, consumption=None, **more) -> UtilityMeter:
    return UtilityMeter(UtilitySettings(medium, consumption or GasConsumption(3), **more), START)


@given(cuts=st.lists(st.integers(1, 2 * DAY), min_size=1, max_size=30))
def test_looking_at_a_meter_does_not_change_what_it_counts(cuts):
    looked, left = meter(), meter()
    for cut in sorted(cuts):
        looked.settle(START + cut)
    left.settle(START + max(cuts))
    assert looked.amount == left.amount
    assert list(looked.kept["hour"]) == list(left.kept["hour"])


@pytest.mark.parametrize(
    ("medium", "consumption", "low", "high"),
    [
        (Medium.GAS, GasConsumption(5), 1_000_000_000, 4_000_000_000),  # 1,000 to 4,000 cubic metres a year
        (Medium.WATER, WaterConsumption(5), 60_000_000, 120_000_000),  # 60 to 120 cubic metres
        (Medium.ELECTRICITY, ElectricityConsumption(), 2500 * 3_600_000, 12_000 * 3_600_000),
    ],
)
def test_a_year_of_consumption_is_what_a_household_has(medium, consumption, low, high):
    item = meter(medium, consumption)
    item.settle(START + 365 * DAY)
    assert low < item.amount < high


def test_heat_is_water_times_the_difference_of_its_temperatures():
    item = meter(Medium.HEAT, Steady(300, 6000, 4000))
    item.settle(START + 3600)
    assert item.amount == 12 * 300
    assert item.energy == 12 * 300 * 20 * 418 // 100
    assert item.power == 300 * 12 * 2000 * 418 // 10_000 // 3600
    year = meter(Medium.HEAT, HeatConsumption(2))
    year.settle(START + 365 * DAY)
    assert 5_000 * 3_600_000 < year.energy < 40_000 * 3_600_000


def test_values_of_hours_days_and_months_are_kept_and_never_go_back():
    item = meter()
    item.settle(START + 70 * DAY)
    assert [len(item.kept[period]) for period in ("hour", "day", "month")] == [48, 62, 3]
    for period in item.kept.values():
        assert all(a.time < b.time and a.amount <= b.amount for a, b in pairwise(period))
    assert item.kept["hour"][-1] == item.kept["day"][-1]


def test_a_closed_valve_lets_nothing_through_and_a_person_opens_it():
    item = meter(consumption=Steady(1000), valve=True)
    assert item.close_valve()
    item.settle(START + 3600)
    assert (item.amount, item.rate) == (0, 0)
    assert not item.push_button()
    assert item.release_valve()
    assert item.valve is Valve.RELEASED
    assert item.push_button()
    item.settle(START + 7200)
    assert item.amount == 12_000


def test_a_stuck_valve_says_so_and_a_meter_without_one_refuses():
    item = meter(valve=True)
    item.stuck = True
    assert not item.close_valve()
    assert Status.VALVE_ALARM in item.status
    assert not meter().close_valve()


@pytest.mark.parametrize("what", [Tamper.MAGNET, Tamper.REMOVAL])
def test_what_holds_the_wheel_stops_counting_and_stays_known_until_acknowledged(what):
    item = meter(consumption=Steady(1000))
    item.tamper(what)
    item.settle(START + 3600)
    assert item.amount == 0
    assert item.status & 3 == Status.ABNORMAL
    item.acknowledge()
    assert item.status & 3 == Status.ABNORMAL  # it still goes on
    item.tamper(what, present=False)
    item.settle(START + 7200)
    assert item.amount == 12_000
    assert item.status & 3 == Status.ABNORMAL
    item.acknowledge()
    assert item.status == Status.NONE


def test_flow_backwards_is_counted_apart():
    item = meter(Medium.WATER, Steady(1000), start_amount=50_000)
    item.tamper(Tamper.REVERSE)
    item.settle(START + 600)
    assert (item.amount, item.reverse) == (50_000, 2_000)


def test_a_battery_gets_low_then_ends_and_the_register_with_it():
    item = meter(consumption=Steady(1000), battery_days=200)
    assert Status.POWER_LOW not in item.status
    item.settle(START + 30 * DAY)
    assert Status.POWER_LOW in item.status
    item.settle(START + 400 * DAY)
    assert not item.alive
    assert item.amount == 200 * 288 * 1000
    with pytest.raises(ConfigError, match="no battery"):
        meter(battery_days=None).drain(1)


def test_its_clock_drifts_until_it_is_set():
    item = meter(drift=2.0)
    item.settle(START + 10 * DAY)
    assert item.clock() - item.now == 20
    item.set_clock(item.now)
    assert item.clock() == item.now
    item.settle(START + 11 * DAY)
    assert item.clock() - item.now == 2


def test_an_identification_has_eight_digits():
    with pytest.raises(ConfigError, match="eight digits"):
        meter(identification="1234")
