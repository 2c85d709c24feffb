"""Rows of M-Bus channels over clocks that change, gas days, months and outages."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from cosem.classes.common import CaptureObject
from cosem.codec import axdr
from cosem.obis import Obis
from cosem.times import CosemDateTime
from support.full import Manager
from support.mbus_house import CAPTURE, CLIENT, HOUR, OTHER_REASON, VALUE, House, house
from support.meters import utc

DAILY, MONTHLY = "0-1:24.3.1.255", "0-1:24.3.2.255"
DAY = 86400


def times(home: House, name: str) -> list[datetime]:
    return [CosemDateTime.from_octets(row[0]).to_datetime() for row in home.table(name)]


def local(moments: list[datetime]) -> list[str]:
    return [f"{moment:%m-%d %H:%M}" for moment in moments]


def test_the_day_that_the_clock_goes_back_has_25_hours_and_24_go_forth() -> None:
    home, _ = house(start=utc(2026, 10, 24, 22), capture_period=HOUR)
    home.install()
    home.live(25 * HOUR)
    hours = times(home, "0-1:24.3.0.255")
    assert len(hours) == 25
    assert len({moment.timestamp() for moment in hours}) == 25
    assert [f"{moment:%H}" for moment in hours][:4] == ["01", "02", "02", "03"]
    assert [row[1] for row in home.table()] == [12 * hour for hour in range(1, 26)]
    spring, _ = house(start=utc(2026, 3, 28, 23), capture_period=HOUR)
    spring.install()
    spring.live(3 * HOUR)
    assert [f"{moment:%H}" for moment in times(spring, "0-1:24.3.0.255")] == ["01", "03", "04"]


@pytest.mark.parametrize("start", [utc(2026, 10, 23, 12), utc(2026, 3, 27, 12)])
def test_gas_days_begin_at_six_in_summer_and_winter(start: int) -> None:
    home, _ = house(start=start, mbus={"day_begins": 6}, capture_period=HOUR)
    home.install()
    home.live(4 * DAY)
    days = times(home, DAILY)
    assert len(days) == 4
    assert {f"{moment:%H:%M}" for moment in days} == {"06:00"}
    # The row of six o'clock has the value that was captured at six o'clock.
    hourly = {row[0]: row[1] for row in home.table()}
    assert all(hourly[row[0]] == row[1] for row in home.table(DAILY))


def test_months_end_by_their_schedule() -> None:
    home, _ = house(start=utc(2026, 1, 31, 12), mbus={"day_begins": 6}, capture_period=HOUR)
    home.install()
    home.live(2 * DAY)
    assert local(times(home, MONTHLY)) == ["02-01 06:00"]
    assert home.table(MONTHLY)[0][1] == 12 * 17
    assert home.call(1, axdr.long_unsigned(1), "0-1:10.0.110.255") == 0
    assert len(times(home, MONTHLY)) == 2


def test_after_an_outage_the_device_is_read_once_and_goes_on_at_whole_hours() -> None:
    home, _ = house(capture_period=HOUR)
    home.install()
    home.live(HOUR)
    power = home.meter.equipment.power
    power.fail()
    home.live(5 * HOUR + 600)
    power.restore()
    home.live(600)
    home.client = Manager(home.meter)
    assert home.get(VALUE, 2) == 12 * 6 + 2
    home.live(HOUR)
    assert home.get(VALUE, 2) == 12 * 7


def test_a_clock_that_is_set_moves_the_next_capture() -> None:
    home, _ = house(capture_period=HOUR)
    home.install()
    home.live(HOUR)
    moment = home.meter.clock.local(home.meter.clock.now + 1800)
    octets = CosemDateTime.from_datetime(moment).to_octets()
    assert home.set("0-0:1.0.0.255", 2, axdr.octet_string(octets)) == 0
    home.live(1800)
    assert home.get(VALUE, 2) == 18
    assert int(CosemDateTime.from_octets(home.get(VALUE, 5)).to_datetime().timestamp()) == home.meter.now


def test_a_channel_without_a_device_has_no_rows() -> None:
    home, _ = house(capture_period=HOUR)
    home.live(2 * HOUR)
    assert home.table() == []
    home.install()
    home.live(HOUR)
    assert len(home.table()) == 1
    assert home.table("0-2:24.3.0.255") == []


def test_periods_a_client_may_set() -> None:
    home, _ = house()
    home.install()
    assert home.set(CLIENT, 4, axdr.double_long_unsigned(30)) == OTHER_REASON
    assert home.set(CLIENT, 4, axdr.double_long_unsigned(DAY + 1)) == OTHER_REASON
    assert home.set(CLIENT, 4, axdr.double_long_unsigned(900)) == 0
    home.live(900)
    assert home.get(VALUE, 2) == 3
    home.set(CLIENT, 4, axdr.double_long_unsigned(0))
    home.live(HOUR)
    assert home.get(VALUE, 2) == 3
    home.call(CAPTURE)
    assert home.get(VALUE, 2) == 15


def test_columns_are_chosen_among_those_of_the_channel() -> None:
    home, _ = house(capture_period=HOUR)
    home.install()
    kind: Any = home.at("0-1:24.3.0.255").attributes[3].type
    clock, value = CaptureObject(8, Obis.parse("0-0:1.0.0"), 2), CaptureObject(4, Obis.parse(VALUE), 2)
    other = CaptureObject(4, Obis.parse("0-2:24.2.1"), 2)
    assert home.set("0-1:24.3.0.255", 3, kind.to_data([clock, other])) == OTHER_REASON
    assert home.set("0-1:24.3.0.255", 3, kind.to_data([clock, value])) == 0
    home.live(HOUR)
    assert [row[1] for row in home.table()] == [12]
