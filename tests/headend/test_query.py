"""Totals and values over many devices: files and staged values as one, exactly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosem.headend.database import open_database
from cosem.headend.intervals import DAY, MISSING, Intervals, Series
from cosem.headend.quality import Quality
from cosem.headend.query import totals, values

DAY_0 = 20_000
START = DAY_0 * DAY


@pytest.fixture
def place(tmp_path):
    engine = open_database(tmp_path / "headend.db")
    yield engine, Intervals(tmp_path / "intervals", shards=3)
    engine.dispose()


def quarters(device: int, channel: int, first: int, numbers, quality=0, estimates=None) -> Series:
    times = first + 900 * (1 + np.arange(len(numbers)))
    return Series.of(device, channel, times, numbers, quality, estimates)


def write(place, series, *, files: bool) -> None:
    engine, intervals = place
    with engine.begin() as connection:
        intervals.stage(connection, series)
        if files:
            intervals.write(connection)


def asked(place, days: int = 1, **chosen):
    engine, intervals = place
    with engine.connect() as connection:
        return totals(connection, intervals, START, START + days * DAY, **chosen)


def test_a_day_ends_at_midnight_and_registers_grow_from_the_day_before(place):
    yesterday = [quarters(1, 1, START - DAY, range(96)), quarters(2, 1, START - DAY, range(0, 960, 10))]
    today = [quarters(1, 1, START, range(100, 196)), quarters(2, 1, START, range(1000, 1960, 10))]
    write(place, yesterday, files=True)
    write(place, today, files=False)
    (total,) = asked(place)
    assert (total.channel, total.day, total.devices, total.values) == (1, DAY_0, 2, 192)
    assert total.sum == sum(range(100, 196)) + sum(range(1000, 1960, 10))
    assert (total.lowest, total.highest) == (100, 1950)
    assert total.growth == (195 - 95) + (1950 - 950)
    assert [item.devices for item in asked(place, devices=[2])] == [1]
    assert asked(place, channels=[2]) == []


def test_estimates_stand_in_for_what_is_useless_and_a_late_gap_takes_nothing_away(place):
    quality = np.array([0, int(Quality.INVALID), int(Quality.MISSING), 0], np.uint8)
    estimates = np.array([MISSING, 20, MISSING, MISSING])
    write(place, [quarters(1, 1, START, [10, 999, MISSING, 40], quality, estimates)], files=True)
    # Staged later: one value anew, and one that is missing where the file has it.
    write(place, [quarters(1, 1, START + 2700, [50, 60]), quarters(1, 1, START, [MISSING])], files=False)
    (total,) = asked(place)
    assert (total.values, total.sum) == (4, 10 + 20 + 50 + 60)


point = st.tuples(st.integers(1, 4), st.integers(1, 2), st.integers(0, 191), st.integers(-(2**40), 2**40))


@settings(max_examples=15)
@given(st.lists(st.tuples(st.lists(point, min_size=1, max_size=20), st.booleans()), max_size=4))
def test_what_the_query_gives_is_what_reading_each_device_gives(tmp_path_factory, writes):
    folder = tmp_path_factory.mktemp("query")
    engine, intervals = open_database(folder / "headend.db"), Intervals(folder / "intervals", shards=2)
    for points, files in writes:
        series = [quarters(device, channel, START + 900 * slot, [value]) for device, channel, slot, value in points]
        write((engine, intervals), series, files=files)
    with engine.connect() as connection:
        found = {}
        for batch in values(connection, intervals, START, START + 3 * DAY):
            for row in batch.to_pylist():
                assert found.setdefault((row["device"], row["channel"], row["time"]), row["value"]) == row["value"]
        expected = {}
        for device in range(1, 5):
            for channel in (1, 2):
                series = intervals.read(connection, device, channel, START, START + 3 * DAY)
                expected |= {
                    (device, channel, int(at)): int(v) for at, v in zip(series.times, series.values, strict=True)
                }
        assert found == expected
        assert list(found) == sorted(found)
        sums: dict[tuple[int, int], int] = {}
        for (_, channel, at), value in expected.items():
            key = (channel, (at - 1) // DAY)
            sums[key] = sums.get(key, 0) + value
        assert {
            (item.channel, item.day): item.sum for item in totals(connection, intervals, START, START + 3 * DAY)
        } == sums
    engine.dispose()
