"""Gas quality as an object, and the book of those that come, wait, come late, come twice and run out."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.errors import CompositionError, ConfigError
from cosem.gas.characteristics import Characteristics
from cosem.gas.composition import Composition
from cosem.gas.quality import Change, GasQuality, QualityBook, QualityChange, Source
from support.gases import gas

TABLE = GasQuality("table", Decimal("11.3"), Characteristics(40.66, 0.581, 0.006))
MORNING = GasQuality("morning", Decimal("11.4"), gas(2), 1000, 5000, Source.CHROMATOGRAPH)
EVENING = GasQuality("evening", Decimal("11.5"), gas(3), 3000, None, Source.REMOTE)


def test_the_quality_of_an_analysis_has_its_calorific_value_and_density() -> None:
    found = GasQuality.of_composition("a", gas(4), valid_from=5)
    # ISO 12213-3 prints 34.16 MJ/m³ and 0.599 for this gas.
    assert float(found.calorific) * 3.6 == pytest.approx(34.16, abs=0.006)
    assert found.density is not None
    assert float(found.density) / 1.292923 == pytest.approx(0.599, abs=0.0005)
    assert found.hydrogen_share == 0.095
    assert TABLE.hydrogen_share == 0.0
    assert replace(TABLE, gas=None).hydrogen_share == 0.0


@pytest.mark.parametrize(
    "quality", [TABLE, MORNING, EVENING, GasQuality.of_composition("x", gas(6)), replace(TABLE, gas=None)]
)
def test_a_quality_survives_its_file(quality: GasQuality) -> None:
    assert GasQuality.of_json(json.loads(json.dumps(quality.to_json()))) == quality


def test_what_is_no_quality_is_refused() -> None:
    for calorific in ("0", "-1", "NaN", "Infinity", "1000"):
        with pytest.raises(CompositionError, match="quality q: a calorific value"):
            GasQuality("q", Decimal(calorific))
    with pytest.raises(ConfigError, match="whole number of units"):
        GasQuality("q", Decimal("11.1234567"))
    with pytest.raises(CompositionError, match="density"):
        GasQuality("q", Decimal(11), density=Decimal(-1))
    with pytest.raises(ConfigError, match="ends before it begins"):
        GasQuality("q", Decimal(11), valid_from=10, valid_until=10)
    for document in ({}, {"name": "x", "calorific": "?"}, TABLE.to_json() | {"source": "rumour"}):
        with pytest.raises(ConfigError, match="a saved gas quality is none"):
            GasQuality.of_json(document)


def test_a_quality_waits_for_its_time_and_gives_way_to_the_next() -> None:
    book = QualityBook(TABLE)
    assert book.in_force is TABLE
    assert book.substituted
    assert book.offer(MORNING, 10) == QualityChange(10, Change.WAITING, None, "morning")
    assert book.offer(EVENING, 20).what is Change.WAITING
    assert book.next_change == 1000
    assert book.advance(999) == ()
    assert book.advance(1000) == (QualityChange(1000, Change.IN_FORCE, None, "morning"),)
    assert not book.substituted
    assert book.next_change == 3000
    # Long without looking: every change still happens at its own time.
    assert book.advance(9000) == (QualityChange(3000, Change.IN_FORCE, "morning", "evening"),)
    assert book.next_change is None


def test_one_that_runs_out_leaves_the_substitute_in_force() -> None:
    book = QualityBook(TABLE)
    book.offer(MORNING, 1000)
    assert book.advance(6000) == (QualityChange(5000, Change.RAN_OUT, "morning", "table"),)
    assert book.substituted


def test_late_twice_outdated_corrected_and_expired_are_told_apart() -> None:
    book = QualityBook(TABLE)
    assert book.offer(MORNING, 1500) == QualityChange(1500, Change.LATE, None, "morning")
    assert book.offer(MORNING, 1600) == QualityChange(1600, Change.DOUBLED, "morning", "morning")
    assert book.offer(replace(MORNING, name="older", valid_from=500), 1700).what is Change.OUTDATED
    assert book.offer(replace(MORNING, name="dead", valid_until=1700), 1700).what is Change.EXPIRED
    mended = replace(MORNING, name="mended", calorific=Decimal("11.45"))
    assert book.offer(mended, 1800) == QualityChange(1800, Change.CORRECTED, "morning", "mended")
    assert book.in_force is mended
    assert book.offer(EVENING, 1900).what is Change.WAITING
    assert book.offer(EVENING, 1900).what is Change.DOUBLED
    other = replace(EVENING, name="other")
    assert book.offer(other, 1950) == QualityChange(1950, Change.REPLACED, "evening", "other")
    assert [quality.name for quality in book.waiting] == ["other"]
    assert book.offer(replace(EVENING, name="now", valid_from=2000), 2000).what is Change.IN_FORCE


@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(1, 300), st.sampled_from([None, 50, 200])), max_size=12),
    st.lists(st.integers(0, 100), max_size=8),
)
def test_whatever_comes_in_whatever_order_there_is_one_quality_in_force_and_it_is_valid(
    offers: list[tuple[int, int, int | None]], waits: list[int]
) -> None:
    book, now = QualityBook(TABLE), 0
    for number, (start, calorific, lasts) in enumerate(offers):
        quality = GasQuality(
            f"q{number}", Decimal(calorific) / 10, None, start, None if lasts is None else start + lasts
        )
        before = book.in_force
        row = book.offer(quality, now)
        if row.what in (Change.DOUBLED, Change.OUTDATED, Change.EXPIRED, Change.WAITING, Change.REPLACED):
            assert book.in_force is before
        now += waits[number] if number < len(waits) else 7
        rows = book.advance(now)
        assert [row.at for row in rows] == sorted(row.at for row in rows)
        current = book.current
        if current is not None:
            assert current.valid_from <= now
            assert current.valid_until is None or now < current.valid_until
        assert all(quality.valid_from > now for quality in book.waiting)
        assert book.offer(book.in_force, now).what in (Change.DOUBLED, Change.OUTDATED, Change.LATE, Change.IN_FORCE)
        copy = QualityBook(TABLE)
        copy.restore(json.loads(json.dumps(book.to_state())))
        assert copy == book


def test_a_composition_that_does_not_add_up_never_becomes_a_quality() -> None:
    with pytest.raises(CompositionError):
        GasQuality.of_json(TABLE.to_json() | {"gas": {"composition": {"methane": 0.9}}})
    assert Composition.of({"methane": 1.0})
