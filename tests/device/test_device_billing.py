"""Billing periods: a snapshot at the end of each month, by schedule, script or client."""

from __future__ import annotations

from typing import Any

from cosem.classes.c022_single_action_schedule import ExecutionTime
from cosem.codec import axdr
from cosem.codec.rows import decode_rows
from cosem.device.billing import BILLING_PROFILE, billing_columns
from cosem.device.causes import Cause
from cosem.device.meter import ElectricityMeter
from cosem.obis import Obis
from cosem.results import ActionResult
from cosem.times import CosemDate, CosemDateTime, CosemTime
from support.meters import build, utc


def bills(meter: ElectricityMeter) -> list[tuple[Any, ...]]:
    octets = meter.equipment.billing.profile.read(None)
    assert isinstance(octets, bytes)
    return decode_rows(octets)


def test_every_first_at_midnight_the_registers_are_kept_and_the_maximum_begins_anew() -> None:
    meter = build(utc(2026, 1, 20), utc(2026, 4, 2))
    rows = bills(meter)
    days = [CosemDateTime.from_octets(row[0]).isoformat() for row in rows]
    assert days == ["2026-02-01T00:00:00+01:00", "2026-03-01T00:00:00+01:00", "2026-04-01T00:00:00+02:00"]
    for row in rows:
        assert abs(row[1] - row[2] - row[3]) <= 1, "the tariffs make the total"
        assert abs(row[4] - row[5] - row[6]) <= 1
        assert row[7] > 0
    assert [CosemDateTime.from_octets(row[8]).month for row in rows] == [1, 2, 3]
    assert rows[0][1] < rows[1][1] < rows[2][1]
    assert len(rows[0]) == len(billing_columns()) == 11


def test_the_script_ends_a_period_at_any_time_and_the_device_says_so() -> None:
    meter = build(utc(2026, 6, 1), utc(2026, 6, 1, 12))
    noted: list[Cause] = []
    meter.host.causes.listeners.append(lambda happening: noted.append(happening.cause))
    assert meter.maximum.value > 0
    script = axdr.long_unsigned(1)
    assert meter.host.invoke(9, Obis.parse("0-0:10.0.1.255"), 1, script) is ActionResult.SUCCESS
    (row,) = bills(meter)
    assert row[0] == meter.clock.octets(utc(2026, 6, 1, 12))
    assert meter.maximum.value == 0
    assert noted == [Cause.BILLING_RESET]


def test_another_billing_day_is_a_write_of_the_schedule() -> None:
    meter = build(utc(2026, 6, 1), utc(2026, 6, 2))
    schedule = meter.equipment.billing.schedule.object
    times = (ExecutionTime(CosemTime(6, 0, 0, 0), CosemDate(day=15)),)
    data = type(schedule).attributes[4].type.to_data(times)
    assert meter.host.write(22, schedule.obis, 4, data) == 0
    meter.advance(utc(2026, 8, 1))
    stamps = [CosemDateTime.from_octets(row[0]).isoformat() for row in bills(meter)]
    assert stamps == ["2026-06-15T06:00:00+02:00", "2026-07-15T06:00:00+02:00"]


def test_old_bills_go_after_two_years() -> None:
    meter = build(utc(2026, 6, 1), utc(2026, 6, 1))
    for _ in range(30):
        meter.host.invoke(7, Obis.parse(BILLING_PROFILE), 2, axdr.integer(0))
    assert len(bills(meter)) == 24


def test_only_a_period_that_ends_before_its_time_is_an_event_of_idis() -> None:
    meter = build(utc(2026, 5, 20), utc(2026, 6, 2))
    standard = meter.equipment.events.logs["standard"].buffer

    def ended() -> list[int]:
        return [row.time for row in standard.rows if row.cells[1][-1] == 21]

    assert len(bills(meter)) == 1
    assert ended() == [], "the first of June comes again every month"
    assert meter.host.invoke(9, Obis.parse("0-0:10.0.1.255"), 1, axdr.long_unsigned(1)) is ActionResult.SUCCESS
    assert ended() == [utc(2026, 6, 2)]
    schedule = meter.equipment.billing.schedule.object
    once = (ExecutionTime(CosemTime(12, 0, 0, 0), CosemDate.parse("2026-06-03")),)
    assert meter.host.write(22, schedule.obis, 4, type(schedule).attributes[4].type.to_data(once)) == 0
    meter.advance(utc(2026, 6, 4))
    assert ended() == [utc(2026, 6, 2), utc(2026, 6, 3, 10)]
    assert len(bills(meter)) == 3
