"""Energy, tariffs, demand and the disconnector of the simulated meter."""

from __future__ import annotations

from itertools import pairwise

import pytest

from cosem.apdu.base import AttributeDescriptor
from cosem.codec import axdr
from cosem.device.meter import ElectricityMeter
from cosem.obis import Obis
from cosem.times import CosemDateTime
from support.meters import build, session, two_days, utc

QUADRANTS = (5, 6, 7, 8)


@pytest.fixture(scope="module")
def month() -> ElectricityMeter:
    return build(utc(2026, 5, 1), utc(2026, 6, 1))


def test_registers_never_go_back_and_end_where_the_profile_ends(month: ElectricityMeter) -> None:
    for column in range(2, 8):
        values = [axdr.decode(row.cells[column]).value for row in month.load_profile.rows]
        assert all(earlier <= later for earlier, later in pairwise(values))
    last = [axdr.decode(cell).value for cell in month.load_profile.rows[-1].cells[2:]]
    assert last == [month.metering.watt_hours(channel) for channel in (1, 2, *QUADRANTS)]


def test_tariffs_and_quadrants_add_up(month: ElectricityMeter) -> None:
    metering = month.metering
    for channel in (1, 2):
        parts = sum(metering.tariff_energy[channel, rate] for rate in (1, 2))
        assert parts == metering.energy[channel] > 0
    assert metering.watt_hours(3) == (metering.energy[5] + metering.energy[6]) // 3600
    assert metering.watt_hours(4) == (metering.energy[7] + metering.energy[8]) // 3600


def test_all_four_quadrants_count(month: ElectricityMeter) -> None:
    assert all(month.metering.watt_hours(channel) > 0 for channel in QUADRANTS)


@pytest.mark.parametrize(("day", "hour", "tariff"), [(1, 5, 2), (1, 6, 1), (1, 21, 1), (1, 22, 2), (6, 12, 2)])
def test_tariff_times(day: int, hour: int, tariff: int) -> None:
    moment = utc(2026, 6, day, hour - 2)
    assert build(moment, moment).metering.active_tariff == tariff


def test_maximum_demand_is_the_largest_quarter_of_its_month() -> None:
    may = build(utc(2026, 5, 1), utc(2026, 5, 31, 21))
    energies = [axdr.decode(row.cells[2]).value for row in may.load_profile.rows]
    largest = max(later - earlier for earlier, later in pairwise(energies)) * 4
    assert abs(may.maximum.value - largest) <= 4
    meter = build(utc(2026, 5, 30), utc(2026, 5, 31, 21))
    before = meter.maximum.value
    meter.advance(utc(2026, 6, 1, 1))
    assert meter.maximum.value < before, "the month changed at local midnight, 22:00 UTC the day before"
    assert CosemDateTime.from_octets(meter.clock.octets(meter.maximum.at or 0)).month == 6


def test_the_same_seed_gives_the_same_octets_and_another_seed_others() -> None:
    start, end = utc(2026, 6, 1), utc(2026, 6, 2)

    def everything(meter: ElectricityMeter) -> list[object]:
        opened = session(meter, 1)
        association = meter.logical.associations[1]
        return [
            meter.device.get(opened, AttributeDescriptor(class_id, Obis(name), number), None)
            for class_id, name, number in association.attributes
        ]

    first, again = build(start, end, seed=3), build(start, end, seed=3)
    assert everything(first) == everything(again)
    from cosem.device.load import Household, noise

    assert noise(3, 5, 1) == noise(3, 5, 1) != noise(4, 5, 1)
    from datetime import datetime

    moments = [datetime(2026, 6, 1, hour) for hour in range(24)]
    days = [[Household(seed).at(moment, step) for step, moment in enumerate(moments)] for seed in (1, 2)]
    assert days[0] != days[1]


def test_living_in_steps_is_living_at_once() -> None:
    at_once = build(utc(2026, 6, 1), utc(2026, 6, 2))
    in_steps = build(utc(2026, 6, 1), utc(2026, 6, 1))
    for moment in range(utc(2026, 6, 1), utc(2026, 6, 2) + 1, 613):
        in_steps.advance(moment)
    in_steps.advance(utc(2026, 6, 2))
    assert [row.octets for row in in_steps.load_profile.rows] == [row.octets for row in at_once.load_profile.rows]
    in_steps.advance(utc(2026, 6, 1))
    assert in_steps.now == utc(2026, 6, 2), "time does not go back"


def test_momentary_values_fit_together() -> None:
    metering = two_days().metering
    active = sum(metering.current_load.active)
    assert metering.power(1) - metering.power(2) == active
    assert min(metering.power(1), metering.power(2)) == 0
    assert 0 <= metering.power_factor() <= 1000
    for phase in range(3):
        assert 2000 < metering.voltage(phase) < 2500
        assert metering.current(phase) >= 0


# --- disconnector -----------------------------------------------------------------------------------------------------


def test_disconnected_premises_draw_nothing() -> None:
    meter = build(utc(2026, 6, 1), utc(2026, 6, 1, 1))
    meter.disconnector.object.remote_disconnect()
    meter.advance(utc(2026, 6, 1, 1, 1))
    before = dict(meter.metering.energy)
    meter.advance(utc(2026, 6, 1, 12))
    assert meter.metering.energy == before
    meter.disconnector.object.remote_reconnect()
    meter.advance(utc(2026, 6, 1, 13))
    assert meter.metering.energy != before
