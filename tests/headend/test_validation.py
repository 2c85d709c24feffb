"""Validation marks what is wrong, estimation writes beside it, and neither touches what the meter said."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.headend.intervals import DAY, MISSING, Series
from cosem.headend.quality import Quality
from cosem.headend.validation import Rules, check_sum, estimate, regular, validate, validate_many

START = 20_500 * DAY
RULES = Rules()


def series(brought, *, first=1000, missing=(), at=()) -> Series:
    values = first + np.cumsum(np.asarray(brought, np.int64))
    values[list(missing)] = MISSING
    times = START + np.arange(len(values)) * 900
    for index, shift in at:
        times[index] += shift
    return Series.of(1, 1, times, values)


def found(item: Series, **options) -> dict[str, int]:
    _, findings = validate(item, Rules(**options) if options else RULES)
    return {finding.rule: finding.count for finding in findings}


def test_an_ordinary_day_has_nothing():
    checked, findings = validate(series([50 + n % 7 for n in range(96)]), RULES)
    assert findings == []
    assert not checked.quality.any()


@pytest.mark.parametrize(
    ("item", "rule", "count"),
    [
        (series([50] * 96, missing=[3, 4]), "missing", 2),
        (series([50] * 40 + [-200] + [50] * 40), "negative", 1),
        (series([50] * 40 + [5000] + [50] * 40), "spike", 1),
        (series([50] * 40, at=[(7, 60)]), "time shift", 1),
        (series([50] * 20 + [0] * 300 + [50] * 20), "zero run", 300),
    ],
)
def test_each_rule_finds_its_own(item, rule, count):
    checked, findings = validate(item, RULES)
    assert {finding.rule: finding.count for finding in findings} == {rule: count}
    assert np.count_nonzero(checked.quality) == count
    assert np.array_equal(checked.values, item.values)


@given(st.lists(st.lists(st.integers(-5, 1000), min_size=12, max_size=12), min_size=1, max_size=5), st.data())
def test_a_spike_is_measured_at_the_median_of_the_steps_that_brought_something(steps, data):
    rules = Rules(spike=2.0)
    items = [series([0, *row], missing=[data.draw(st.integers(0, 12))]) for row in steps]
    for item, checked in zip(items, validate_many(items, rules), strict=True):
        known = item.values != MISSING
        brought = np.where(known[1:] & known[:-1], np.diff(np.where(known, item.values, 0)), 0)
        some = brought[brought > 0]
        limit = 2.0 * np.median(some) if len(some) >= 8 else np.inf
        expected = np.append(False, (brought > limit) | (brought < 0))
        assert ((checked.quality & Quality.SUSPECT) != 0).tolist() == expected.tolist()


def test_zeros_for_less_than_the_limit_are_a_holiday():
    assert found(series([50] * 20 + [0] * 280 + [50])) == {}
    assert found(series([50, 60]), highest=55) == {"too high": 1}


def test_validating_again_gives_the_same():
    once, _ = validate(series([50] * 40 + [-200] + [50] * 40, missing=[3]), RULES)
    again, findings = validate(once, RULES)
    assert np.array_equal(once.quality, again.quality)
    assert len(findings) == 2


def test_what_never_came_is_missing_and_what_came_at_odd_times_stays():
    item = regular(Series.of(1, 1, [START, START + 950], [5, 6]), START, START + 3600, 900)
    assert item.times.tolist() == [START, START + 900, START + 950, START + 1800, START + 2700]
    assert item.values.tolist() == [5, MISSING, 6, MISSING, MISSING]


def test_a_short_gap_is_filled_along_a_line_beside_the_original():
    checked, _ = validate(series([100] * 10, missing=[4, 5]), RULES)
    filled = estimate(checked, RULES)
    assert filled.estimates[[4, 5]].tolist() == [1500, 1600]
    assert (filled.values[[4, 5]] == MISSING).all()
    assert (filled.quality[[4, 5]] & Quality.ESTIMATED).all()
    assert not (filled.quality[[3, 6]] & Quality.ESTIMATED).any()


def test_a_long_gap_follows_the_like_days_before_and_meets_both_ends():
    # Week after week consumption falls into the second half of the gap.
    course = [0] * 24 + [100] * 24 + [0] * 48
    history = {}
    for week in range(1, 5):
        times = START - week * 7 * DAY + np.arange(96) * 900
        history[week] = Series.of(1, 1, times, 10 * week + np.cumsum(course))

    def read(first: int, last: int) -> Series:
        week = round((START - first) / (7 * DAY) + 0.4)
        return history[week].between(first, last)

    checked, _ = validate(series(course, missing=range(10, 60)), RULES)
    filled = estimate(checked, RULES, history=read)
    expected = 1000 + np.cumsum(course)
    assert filled.estimates[10:60].tolist() == expected[10:60].tolist()
    straight = estimate(checked, RULES)
    assert straight.estimates[20] > expected[20]


def test_a_gap_at_the_end_stays_one():
    checked, _ = validate(series([100] * 10, missing=[8, 9]), RULES)
    assert (estimate(checked, RULES).estimates == MISSING).all()


def test_the_sum_of_intervals_is_the_registers_difference():
    item = Series.of(1, 1, START + np.arange(4) * 900, [1, 2, 3, 4])
    assert check_sum(item, 100, 110)
    assert not check_sum(item, 100, 112)
    assert check_sum(item, 100, 112, tolerance=2)
    assert not check_sum(Series.of(1, 1, [START], [MISSING]), 0, 0)


@given(
    brought=st.lists(st.integers(-5, 300), min_size=3, max_size=60),
    missing=st.sets(st.integers(0, 59)),
)
def test_estimates_lie_between_their_neighbours_and_originals_never_change(brought, missing):
    item = series(brought, missing=[index for index in missing if index < len(brought)])
    checked, _ = validate(item, RULES)
    filled = estimate(checked, RULES)
    assert np.array_equal(filled.values, item.values)
    estimated = np.flatnonzero(filled.estimates != MISSING)
    known = np.flatnonzero(item.values != MISSING)
    assert set(estimated) <= {index for index in missing if index < len(brought)}
    for index in estimated:
        left, right = known[known < index].max(), known[known > index].min()
        low, high = sorted((item.values[left], item.values[right]))
        assert low <= filled.estimates[index] <= high
