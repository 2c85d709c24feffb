"""Interval values: whatever is staged, written, compacted, killed or late, the store gives what was acknowledged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosem.errors import ConfigError
from cosem.headend.database import open_database
from cosem.headend.intervals import DAY, MISSING, Intervals, Series

START = 20_500 * DAY  # a UTC midnight in February 2026


@pytest.fixture
def store(tmp_path):
    engine = open_database(tmp_path / "headend.db")
    yield engine, Intervals(tmp_path / "intervals", shards=2)
    engine.dispose()


def day_of(device: int, day: int, *, first: int = 0) -> Series:
    times = START + day * DAY + np.arange(1, 96) * 900
    return Series.of(device, 1, times, first + np.arange(95))


def listed(series: Series) -> list[tuple[int, int]]:
    return list(zip(series.times.tolist(), series.values.tolist(), strict=True))


def killed(engine, act) -> None:
    """Do something and end before it counts."""
    with engine.begin() as connection:
        act(connection)
        raise KeyboardInterrupt


def compacted(intervals):
    def act(connection) -> None:
        assert intervals.compact(connection, before=START + 60 * DAY)

    return act


def test_values_are_there_as_soon_as_they_are_acknowledged_and_after_they_are_in_files(store):
    engine, intervals = store
    with engine.begin() as connection:
        intervals.stage(connection, [day_of(7, 0), day_of(7, 1, first=95), day_of(8, 0)])
    with engine.begin() as connection:
        before = listed(intervals.read(connection, 7, 1, START, START + 2 * DAY))
        assert intervals.write(connection) == 3 * 95
    with engine.connect() as connection:
        assert listed(intervals.read(connection, 7, 1, START, START + 2 * DAY)) == before
        assert [value for _, value in before] == list(range(190))
        assert len(intervals.read(connection, 7, 2, START, START + DAY)) == 0


def test_a_part_of_the_time_is_cut_at_both_ends(store):
    engine, intervals = store
    with engine.begin() as connection:
        intervals.stage(connection, [day_of(7, 0)])
        part = intervals.read(connection, 7, 1, START + 1800, START + 3600)
    assert listed(part) == [(START + 1800, 1), (START + 2700, 2)]


def test_what_comes_late_or_twice_joins_what_is_in_a_file(store):
    engine, intervals = store
    late = Series.of(7, 1, [START + 900, START + 950], [1000, MISSING])
    with engine.begin() as connection:
        intervals.stage(connection, [day_of(7, 0)])
        intervals.write(connection)
        intervals.stage(connection, [late, day_of(7, 0)])
        intervals.stage(connection, [Series.of(7, 1, [START + 1800], [MISSING], quality=4)])
        staged = intervals.read(connection, 7, 1, START, START + DAY)
        intervals.write(connection)
        written = intervals.read(connection, 7, 1, START, START + DAY)
        assert intervals.size(connection).files == 1
    assert listed(staged) == listed(written)
    assert len(written) == 96
    # The later of two sequences counts; a missing value takes nothing away, but its quality is news.
    assert dict(listed(written))[START + 900] == 0
    assert dict(listed(written))[START + 1800] == 1
    assert written.quality[written.times == START + 1800] == 4


def test_a_value_that_is_there_is_not_called_missing_because_a_later_answer_has_none(store):
    engine, intervals = store
    at = [START + 900, START + 1800]
    with engine.begin() as connection:
        intervals.stage(connection, [Series.of(7, 1, at, [5, MISSING], np.array([0, 16], np.uint8))])
    with engine.begin() as connection:
        intervals.stage(connection, [Series.of(7, 1, at, [MISSING] * 2, np.array([17, 17], np.uint8))])
        found = intervals.read(connection, 7, 1, START, START + DAY)
    assert listed(found) == [(at[0], 5), (at[1], MISSING)]
    assert found.quality.tolist() == [1, 17]


def test_days_of_a_month_that_is_over_become_one_file(store):
    engine, intervals = store
    with engine.begin() as connection:
        for day in range(40):
            intervals.stage(connection, [day_of(device, day, first=day * 95) for device in (1, 2)])
        intervals.write(connection)
        before = [listed(intervals.read(connection, device, 1, START, START + 40 * DAY)) for device in (1, 2)]
        size = intervals.size(connection)
        assert size.files == 80
        intervals.compact(connection, before=START + 60 * DAY)
        assert intervals.size(connection).files == 4
        assert intervals.size(connection).values == size.values
        after = [listed(intervals.read(connection, device, 1, START, START + 40 * DAY)) for device in (1, 2)]
        assert after == before
        # A value of a day that is in a month's file by now.
        intervals.stage(connection, [Series.of(1, 1, [START + 450], [5])])
        intervals.write(connection)
        assert len(intervals.read(connection, 1, 1, START, START + DAY)) == 96


@pytest.mark.parametrize("act", ["write", "compact"])
def test_killed_before_it_counts_a_file_is_as_if_never_written(store, act):
    engine, intervals = store
    with engine.begin() as connection:
        for day in range(30):
            intervals.stage(connection, [day_of(1, day)])
        if act == "compact":
            intervals.write(connection)
        before = listed(intervals.read(connection, 1, 1, START, START + 60 * DAY))
    with pytest.raises(KeyboardInterrupt):
        killed(engine, intervals.write if act == "write" else compacted(intervals))
    with engine.begin() as connection:
        assert listed(intervals.read(connection, 1, 1, START, START + 60 * DAY)) == before
        files = intervals.size(connection).files
        assert intervals.sweep(connection) > 0
        assert intervals.size(connection).files == files
        assert listed(intervals.read(connection, 1, 1, START, START + 60 * DAY)) == before


def test_an_interval_value_takes_less_than_two_octets(store):
    engine, intervals = store
    random = np.random.default_rng(1)
    with engine.begin() as connection:
        for day in range(2):
            times = START + day * DAY + np.arange(96) * 900
            intervals.stage(
                connection,
                [Series.of(n, 1, times, n * 10**6 + np.cumsum(random.integers(0, 250, 96))) for n in range(1000)],
            )
        intervals.write(connection)
        size = intervals.size(connection)
    assert size.values == 2 * 96_000
    assert size.octets / size.values < 2


values = st.lists(st.tuples(st.integers(0, 4 * DAY - 1), st.integers(-(2**40), 2**40)), max_size=8)
step = st.one_of(
    st.tuples(st.just("stage"), st.integers(1, 3), values),
    st.tuples(st.sampled_from(["write", "compact", "kill", "sweep"]), st.just(0), st.just([])),
)


@settings(max_examples=25, deadline=None)
@given(steps=st.lists(step, max_size=12))
def test_any_path_gives_what_a_dictionary_would(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("store")
    engine = open_database(folder / "headend.db")
    intervals = Intervals(folder / "intervals", shards=2)
    expected: dict[int, dict[int, int]] = {1: {}, 2: {}, 3: {}}
    for what, device, points in steps:
        times = [START + 26 * DAY + at for at, _ in points]
        if what == "kill":
            with pytest.raises(KeyboardInterrupt):
                killed(engine, intervals.write)
            continue
        with engine.begin() as connection:
            if what == "stage":
                series = Series.of(device, 1, times, [value for _, value in points])
                intervals.stage(connection, [series])
                expected[device].update(zip(times, (value for _, value in points), strict=True))
            elif what == "write":
                intervals.write(connection)
            elif what == "compact":
                intervals.compact(connection, before=START + 90 * DAY)
            else:
                intervals.sweep(connection)
    with engine.connect() as connection:
        for device, points in expected.items():
            found = intervals.read(connection, device, 1, START, START + 60 * DAY)
            assert dict(listed(found)) == points
    engine.dispose()


def test_a_series_that_does_not_fit_together_is_refused():
    one, two = np.arange(1), np.arange(2)
    with pytest.raises(ConfigError, match="length"):
        Series(1, 1, two, one, two, two)
    assert Series.of(1, 1, [9, 3, 9], [1, 2, 3]).values.tolist() == [2, 3]
