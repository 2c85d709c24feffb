"""Power failures and voltages: what is counted and noted, what rows say, and what lives on without power."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.codec.axdr import Data, Tag
from cosem.device.mains import CAUSES, MISSING, NORMAL, SAG, SWELL
from cosem.device.meter import ElectricityMeter
from cosem.device.profile import POWER_DOWN
from cosem.link.base import Address
from cosem.results import DataAccessResult
from support.equipped import START, Net, codes, equipped, later, read, rows, write
from support.meters import utc


def counted(meter: ElectricityMeter, *numbers: int) -> list[Any]:
    return [read(meter, 3, f"0-0:96.7.{number}.255") for number in numbers]


def outage(meter: ElectricityMeter, begin: int, end: int) -> None:
    later(meter, begin)
    meter.equipment.power.fail()
    later(meter, end)
    meter.equipment.power.restore()


def profile_rows(meter: ElectricityMeter) -> list[tuple[int, bool]]:
    return [(row.time - START, bool(row.cells[1][-1] & POWER_DOWN)) for row in meter.load_profile.rows]


# --- rows of a load profile -------------------------------------------------------------------------------------------


def test_profile_6_an_outage_within_an_interval_marks_its_row() -> None:
    meter = equipped()
    outage(meter, 17 * 60, 21 * 60)
    later(meter, 2700)
    assert profile_rows(meter) == [(900, False), (1800, True), (2700, False)]


def test_profile_6_there_are_no_rows_of_intervals_without_power() -> None:
    meter = equipped()
    outage(meter, 17 * 60, 3 * 3600 + 21 * 60)
    later(meter, 3 * 3600 + 2700)
    assert profile_rows(meter) == [(900, False), (1800, True), (12600, True), (13500, False)]


def test_nothing_is_measured_without_power() -> None:
    meter = equipped()
    later(meter, 600)
    meter.equipment.power.fail()
    before = meter.metering.energy.copy()
    later(meter, 7200)
    assert meter.metering.energy == before
    meter.equipment.power.restore()
    later(meter, 9000)
    assert meter.metering.energy != before


def test_a_change_of_the_hour_during_an_outage_is_no_event() -> None:
    meter = equipped(start=utc(2026, 3, 29))
    meter.equipment.power.fail()
    meter.advance(utc(2026, 3, 29, 3))
    meter.equipment.power.restore()
    meter.advance(utc(2026, 3, 29, 4))
    assert codes(meter, "standard") == [1, 2]


# --- counters ---------------------------------------------------------------------------------------------------------


def test_power_down_and_up_are_noted_with_their_times_and_counted() -> None:
    meter = equipped()
    outage(meter, 100, 160)
    outage(meter, 1000, 1300)
    assert rows(meter, "standard") == [(100, 1), (160, 2), (1000, 1), (1300, 2)]
    assert counted(meter, 0, 1, 2, 3, 21) == [2] * 5
    assert counted(meter, 5, 6, 7, 8, 9) == [1] * 5
    assert counted(meter, 15, 16, 17, 18, 19) == [300] * 5
    assert read(meter, 1, "0-0:96.7.10.255") == meter.clock.octets(START + 1000)
    log = meter.equipment.power.log.rows
    assert [(row.time - START, int.from_bytes(row.cells[1][1:], "big")) for row in log] == [(1300, 300)]


def test_a_phase_that_fails_is_counted_for_itself_and_for_any() -> None:
    meter = equipped()
    mains = meter.equipment.mains
    mains.voltage(2, 0)
    later(meter, 10)
    mains.voltage(3, 0)
    later(meter, 300)
    mains.voltage(2, None)
    mains.voltage(3, None)
    assert counted(meter, 0, 1, 2, 3, 21) == [0, 0, 1, 1, 1]
    assert counted(meter, 5, 6, 7, 8, 9) == [0, 0, 1, 1, 1]
    assert codes(meter, "power quality") == [83, 84, 86, 87]


def test_the_threshold_of_long_failures_can_be_set() -> None:
    meter = equipped()
    name = "0-0:96.7.20.255"
    assert write(meter, 3, name, 2, Data(Tag.DOUBLE_LONG_UNSIGNED, 30)) is DataAccessResult.SUCCESS
    for wrong, result in (
        (Data(Tag.DOUBLE_LONG_UNSIGNED, 0), DataAccessResult.OTHER_REASON),
        (Data(Tag.UNSIGNED, 9), DataAccessResult.TYPE_UNMATCHED),
    ):
        assert write(meter, 3, name, 2, wrong) is result
    outage(meter, 100, 160)
    assert counted(meter, 20, 5, 15) == [30, 1, 60]


# --- what lives without power -----------------------------------------------------------------------------------------


def test_without_power_nobody_is_answered_and_the_clock_goes_on() -> None:
    meter = equipped()
    meter.equipment.power.fail()
    assert meter.device.association_profile(Address(16, 1)) is None
    later(meter, 3600)
    assert meter.clock.now == START + 3600
    meter.equipment.power.restore()
    assert meter.device.association_profile(Address(16, 1)) is not None


def test_a_clock_whose_reserve_is_used_up_is_invalid() -> None:
    meter = equipped()
    outage(meter, 0, 8 * 86400)
    assert codes(meter, "standard") == [1, 6, 2]
    assert meter.clock.invalid
    assert read(meter, 1, "0-0:97.98.0.255") & 1
    meter.clock.set(meter.clock.octets(meter.clock.now))
    assert not meter.clock.invalid


def test_the_battery_sets_an_alarm_that_a_new_one_clears() -> None:
    meter = equipped()
    meter.equipment.power.battery(True)
    assert read(meter, 1, "0-0:97.98.0.255") == 2
    meter.equipment.power.battery(False)
    assert read(meter, 1, "0-0:97.98.0.255") == 0
    assert codes(meter, "standard") == [7]


def test_a_meter_that_gasps_pushes_with_the_last_of_its_power() -> None:
    net = Net()
    meter = equipped(net, last_gasp=True)
    later(meter, 50)
    meter.equipment.power.fail()
    assert [(at, delivery.setup) for at, delivery in net.sent] == [(50, "last gasp")]
    later(meter, 100)
    assert len(net.sent) == 1


def test_power_that_returns_is_pushed() -> None:
    net = Net()
    meter = equipped(net)
    outage(meter, 50, 60)
    later(meter, 61)
    assert sorted(delivery.setup for _, delivery in net.sent) == ["alarm", "connectivity"]


def test_inputs_that_change_nothing_do_nothing() -> None:
    meter = equipped()
    meter.equipment.power.restore()
    meter.equipment.power.fail()
    meter.equipment.power.fail()
    assert codes(meter, "standard") == [1]
    meter.equipment.power.restore()
    meter.equipment.power.restore()
    assert codes(meter, "standard") == [1, 2]


# --- voltages ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("volts", "code", "d"), [(2000, 76, 32), (2600, 79, 36), (0, 82, 40)])
def test_a_voltage_must_last_to_be_noted(volts: int, code: int, d: int) -> None:
    meter = equipped()
    mains = meter.equipment.mains
    mains.voltage(1, volts)
    later(meter, 2)
    mains.voltage(1, None)
    later(meter, 100)
    assert codes(meter, "power quality") == []
    mains.voltage(1, volts)
    later(meter, 200)
    assert read(meter, 3, "1-0:32.7.0.255") == volts
    mains.voltage(1, None)
    assert rows(meter, "power quality") == [(103, code), (200, 85)]
    assert read(meter, 3, f"1-0:32.{d}.0.255") == 1


def test_a_phase_without_voltage_draws_nothing() -> None:
    meter = equipped()
    meter.equipment.mains.voltage(1, 0)
    later(meter, 60)
    assert meter.metering.current(0) == 0
    assert meter.metering.current_load.active[0] == 0
    assert meter.metering.current_load.active[1] != 0


def test_three_phases_without_voltage_are_a_power_failure() -> None:
    meter = equipped()
    mains = meter.equipment.mains
    for phase in (1, 2, 3):
        mains.voltage(phase, 0)
    assert not meter.equipment.power.powered
    later(meter, 100)
    mains.voltage(1, None)
    later(meter, 110)
    assert codes(meter, "standard") == [1, 2]
    assert codes(meter, "power quality") == [83, 84]


def test_thresholds_are_set_but_not_out_of_order() -> None:
    meter = equipped()
    assert write(meter, 3, "1-0:12.31.0.255", 2, Data(Tag.LONG_UNSIGNED, 2200)) is DataAccessResult.SUCCESS
    meter.equipment.mains.voltage(1, 2190)
    later(meter, 10)
    assert codes(meter, "power quality") == [76]
    assert write(meter, 3, "1-0:12.35.0.255", 2, Data(Tag.LONG_UNSIGNED, 2100)) is DataAccessResult.OTHER_REASON
    assert write(meter, 3, "1-0:12.35.0.255", 2, Data(Tag.UNSIGNED, 9)) is DataAccessResult.TYPE_UNMATCHED
    assert read(meter, 3, "1-0:12.35.0.255") == 2530


@given(
    st.lists(
        st.tuples(st.sampled_from((1, 2, 3)), st.sampled_from((None, 0, 900, 2000, 2300, 2700)), st.integers(0, 8)),
        max_size=25,
    )
)
def test_every_change_of_state_has_its_event_and_lasting_states_are_found(story: list[Any]) -> None:
    meter = equipped()
    mains, power = meter.equipment.mains, meter.equipment.power
    noted: list[Any] = []
    meter.host.causes.listeners.append(lambda happening: noted.append(happening.cause))
    at = 0
    for phase, volts, seconds in story:
        mains.voltage(phase, volts)
        at += seconds
        later(meter, at)
        assert power.powered == any(mains._kind(each) != MISSING for each in (1, 2, 3))
    later(meter, at + 10)
    if power.powered:
        assert mains.state == {each: mains._kind(each) for each in (1, 2, 3)}
    kinds = {cause: kind for (kind, _), cause in CAUSES.items()}
    found = [kinds[cause] for cause in noted if cause in kinds]
    for kind in (SAG, SWELL, MISSING):
        assert found.count(kind) == sum(mains.counts[kind, each] for each in (1, 2, 3))
    assert set(found) <= {NORMAL, SAG, SWELL, MISSING}


@given(
    st.lists(st.tuples(st.sampled_from(["fail", "restore", "voltage"]), st.integers(1, 3), st.sampled_from([0, None])))
)
def test_there_is_power_when_nobody_cut_it_and_a_phase_has_voltage(inputs: list[tuple[str, int, int | None]]) -> None:
    meter = equipped()
    power, cut, volts = meter.equipment.power, False, [None, None, None]
    for name, phase, decivolts in inputs:
        if name == "voltage":
            volts[phase - 1] = decivolts  # type: ignore[call-overload]
            meter.equipment.mains.voltage(phase, decivolts)
        else:
            cut = name == "fail"
            getattr(power, name)()
        assert power.powered == (not cut and None in volts)
        meter.advance(meter.now + 10)


def test_a_phase_that_goes_missing_in_a_power_cut_is_missing_when_it_is_over() -> None:
    meter = equipped()
    power = meter.equipment.power
    power.fail()
    later(meter, 60)
    meter.equipment.mains.voltage(2, 0)
    assert not power.powered
    later(meter, 120)
    power.restore()
    later(meter, 200)
    assert power.powered
    assert codes(meter, "power quality") == [83]
    assert [power.failures[phase].since is None for phase in (1, 2, 3)] == [True, False, True]


@pytest.mark.parametrize(("before", "within"), [(True, False), (False, True)])
def test_an_empty_battery_keeps_no_time_through_an_outage(before: bool, within: bool) -> None:
    meter = equipped()
    power = meter.equipment.power
    power.battery(before)
    power.fail()
    later(meter, 60)
    power.battery(within)
    if within:
        power.battery(False)  # a new one does not bring the time back
    later(meter, 120)
    power.restore()
    assert meter.clock.invalid
    meter.clock.invalid = False
    power.battery(False)
    power.fail()
    later(meter, 200)
    power.restore()
    assert not meter.clock.invalid
