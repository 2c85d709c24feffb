"""How quantities are shown, and maxima and averages against what a longhand computation gives."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.codec.axdr import Tag
from cosem.device.gas.quantities import counted, shown
from cosem.errors import ConfigError
from cosem.obis import Obis
from support.gas_devices import HOURLY, MONTHLY, START, converter, read, rows

DAY = 86_400


def test_a_counter_is_cut_and_a_measured_value_rounded() -> None:
    assert counted(Decimal("1.9996"), -3, "u32").value == 1999
    assert shown(Decimal("1.9996"), -3, "u32").value == 2000
    assert shown(Decimal("-0.0006"), -3, "i16").value == -1


def test_a_counter_without_room_starts_again_and_anything_else_is_not_there() -> None:
    assert counted(Decimal(2**32 + 5), 0, "u32").value == 5
    assert shown(Decimal(2**32 + 5), 0, "u32").tag is Tag.NULL_DATA
    assert shown(Decimal(-1), 0, "u8").tag is Tag.NULL_DATA
    assert shown(None, 0, "u8").tag is Tag.NULL_DATA
    with pytest.raises(ConfigError):
        shown(Decimal(1), 0, "octets")


@given(st.integers(0, 10**24), st.integers(-6, 3))
def test_counters_are_exact_at_any_scale(units: int, scaler: int) -> None:
    value = Decimal(units).scaleb(-6)
    expected = units // 10 ** (scaler + 6)
    assert counted(value, scaler, "u64").value == expected % 2**64


def test_maxima_and_their_times_are_those_of_the_hours() -> None:
    device = converter(START)
    device.advance(START + 25 * DAY)
    month = rows(device, MONTHLY)[0]
    ends = [row.time for row in device.archives.buffers[Obis.parse(HOURLY)].rows]
    hours = rows(device, HOURLY)
    increments = [
        (later[6] - earlier[6], later[0], end)
        for earlier, later, end in zip(hours, hours[1:], ends[1:], strict=False)
        if end <= START + 22 * DAY
    ]
    greatest = max(increments)
    assert (month[7], month[8]) == greatest[:2]
    assert read(device, 4, "7-0:13.56.0.255") == max(
        later[6] - earlier[6]
        for earlier, later, end in zip(hours, hours[1:], ends[1:], strict=False)
        if end > START + 22 * DAY
    )
    # The month began at 06:00 of the first: 22 days after the tenth.
    assert device.archives.buffers[Obis.parse(MONTHLY)].rows[0].time == START + 22 * DAY


def test_averages_lie_between_least_and_greatest_and_are_weighted_by_time() -> None:
    device = converter(START)
    values: list[tuple[Decimal, int]] = []
    device.process.stepped.append(lambda step: values.append((step.pressure, step.seconds)))
    device.advance(START + DAY)
    seconds = sum(weight for _, weight in values)
    assert seconds == DAY
    mean = sum((value * weight for value, weight in values), Decimal(0)) / seconds
    assert read(device, 4, "7-0:42.60.0.255") == round(mean * 1000)
    assert read(device, 4, "7-0:42.63.0.255") == min(values)[0] * 1000
    assert read(device, 4, "7-0:42.66.0.255") == max(values)[0] * 1000
    greatest = device.periods.periods["bp1"].averages["pressure"].last
    assert greatest is not None
    assert device.clock.octets(greatest.greatest_at) == read(device, 4, "7-0:42.66.0.255", 5)
