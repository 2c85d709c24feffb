"""Gas days, months and hours where the clock is set, changes by itself, or is set across the gas day."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cosem.codec import axdr
from cosem.device.gas.locks import Level
from cosem.obis import Obis
from cosem.results import ActionResult, DataAccessResult
from support.gas_devices import DAILY, HOURLY, MONTHLY, START, check, converter, log, quality, read, rows, unlock

DAY = 86_400


def utc(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp())  # type: ignore[misc]


def ends(device, name: str) -> list[str]:  # type: ignore[no-untyped-def]
    """The local times of the rows of an archive."""
    buffer = device.archives.buffers[Obis.parse(name)]
    return [device.clock.local(row.time).isoformat() for row in buffer.rows]


def test_gas_days_begin_at_six_of_the_local_time_in_summer_and_winter() -> None:
    device = converter(utc(2026, 3, 27, 12))
    device.advance(utc(2026, 3, 31, 12))
    assert ends(device, DAILY) == [f"2026-03-{day}T06:00:00" for day in (28, 29, 30, 31)]
    buffer = device.archives.buffers[Obis.parse(DAILY)]
    assert [b.time - a.time for a, b in zip(buffer.rows, buffer.rows[1:], strict=False)] == [23 * 3600, DAY, DAY]
    autumn = converter(utc(2026, 10, 23, 12))
    autumn.advance(utc(2026, 10, 26, 12))
    buffer = autumn.archives.buffers[Obis.parse(DAILY)]
    assert [b.time - a.time for a, b in zip(buffer.rows, buffer.rows[1:], strict=False)] == [25 * 3600, DAY]
    check(autumn)


def test_a_gas_month_begins_with_the_gas_day_of_the_first() -> None:
    device = converter(utc(2026, 1, 30, 12))
    device.advance(utc(2026, 3, 2, 12))
    assert ends(device, MONTHLY) == ["2026-02-01T06:00:00", "2026-03-01T06:00:00"]
    january, february = rows(device, MONTHLY)
    assert february[6] == february[3] - january[3]


@pytest.mark.parametrize(
    ("at", "seconds", "days"),
    [
        # Over the end of the gas day by a little, forward: the day ends as it is jumped over, once.
        ((2026, 1, 12, 4, 58), 300, ["2026-01-12T06:00:00", "2026-01-13T06:00:00"]),
        # Back over it: it ended before, and does not end again.
        ((2026, 1, 12, 5, 2), -300, ["2026-01-12T06:00:00", "2026-01-13T06:00:00"]),
        # Back to a day before yesterday: what runs ends there and then, and days come again.
        ((2026, 1, 12, 12, 0), -3 * DAY, ["2026-01-12T06:00:00", "2026-01-12T13:00:00", "2026-01-10T06:00:00"]),
        # Forward over several days: those in between are not there.
        ((2026, 1, 12, 12, 0), 3 * DAY, ["2026-01-12T06:00:00", "2026-01-13T06:00:00", "2026-01-16T06:00:00"]),
    ],
)
def test_a_clock_that_is_set_across_the_gas_day(at: tuple[int, ...], seconds: int, days: list[str]) -> None:
    device = converter(utc(2026, 1, 12, 0))
    device.advance(utc(*at))
    unlock(device, Level.SUPPLIER)
    device.clock.jump_to(device.clock.now + seconds)
    device.advance(utc(2026, 1, 13, 8))
    assert ends(device, DAILY)[: len(days)] == days
    buffer = rows(device, DAILY)
    assert sum(row[8] for row in buffer) == buffer[-1][5]
    assert 5 in log(device, "standard")
    check(device)


def test_time_shift_under_closed_locks_is_a_budget_of_the_gas_day() -> None:
    device = converter()
    device.advance(START + 3600)
    clock = device.clock.object

    def shift(seconds: int) -> ActionResult:
        return device.host.invoke(clock.class_id, clock.obis, 6, axdr.long(seconds))

    assert shift(15) is ActionResult.SUCCESS
    assert read(device, 3, "7-0:0.9.4.255") == 5
    assert shift(-10) is ActionResult.OTHER_REASON
    assert device.clock.offset == 15
    assert shift(-5) is ActionResult.SUCCESS
    assert read(device, 3, "7-0:0.9.4.255") == 0
    later = device.clock.octets(device.clock.now + 3600)
    assert device.host.write(8, clock.obis, 2, axdr.octet_string(later)) is DataAccessResult.OTHER_REASON
    assert log(device, "standard").count(6) == 2
    device.advance(START + DAY)
    assert read(device, 3, "7-0:0.9.4.255") == 20
    unlock(device, Level.SUPPLIER)
    assert device.host.write(8, clock.obis, 2, axdr.octet_string(later)) is DataAccessResult.SUCCESS
    check(device)


def test_setting_the_clock_over_the_end_of_a_day_gives_no_new_budget() -> None:
    device = converter()
    device.advance(START + DAY - 10)
    clock = device.clock.object
    device.host.invoke(clock.class_id, clock.obis, 6, axdr.long(20))
    assert read(device, 3, "7-0:0.9.4.255") == 0


def test_qualities_wait_for_the_time_of_the_clock_as_it_is_now() -> None:
    device = converter()
    device.advance(START + 3600)
    device.offer(quality("noon", at=START + 6 * 3600))
    unlock(device, Level.SUPPLIER)
    device.clock.jump_to(device.clock.now + 2 * 3600)
    device.advance(START + 4 * 3600 - 300)
    assert device.converter.last.quality == "H table"
    device.advance(START + 4 * 3600 + 300)
    assert device.converter.last.quality == "noon"
    check(device)


def test_after_an_outage_everything_goes_on_and_what_came_meanwhile_is_disturbed() -> None:
    device = converter()
    device.advance(START + 5400)
    device.power_cut()
    counted = device.converter.counters.metering.undisturbed.value
    device.advance(START + 4 * 3600 + 600)
    assert device.converter.counters.metering.absolute == counted
    device.power_back()
    device.advance(START + 5 * 3600)
    metering = device.converter.counters.metering
    assert metering.disturbed.value > 0
    assert log(device, "standard") == [1, 2, 9]
    assert device.status.latched & 0x2000
    check(device)
    pulses = converter(input="pulse")
    pulses.advance(START + 5400)
    pulses.power_cut()
    pulses.advance(START + 9000)
    pulses.power_back()
    pulses.advance(START + 9900)
    assert pulses.flow.lost > 0
    check(pulses)


def test_hours_are_marked_where_the_clock_was_set() -> None:
    device = converter()
    device.advance(START + 1800)
    unlock(device, Level.SUPPLIER)
    device.clock.jump_to(device.clock.now + 7200)
    device.advance(START + 3 * 3600)
    triggers = [(row[2], end[11:16]) for row, end in zip(rows(device, HOURLY), ends(device, HOURLY), strict=True)]
    assert triggers == [(0, "06:00"), (1, "07:00"), (4, "08:30"), (1, "09:00"), (1, "10:00"), (1, "11:00")]
