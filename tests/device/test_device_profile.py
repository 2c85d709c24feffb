"""Profiles that capture on time, and what is read from them: by range, by entry, by column, compressed."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.apdu.base import SelectiveAccess
from cosem.classes.c007_profile_generic import by_entry, by_time
from cosem.classes.common import CaptureObject
from cosem.codec import axdr
from cosem.codec.rows import decode_rows
from cosem.device.meter import ElectricityMeter
from cosem.device.profile import CLOCK_ADJUSTED, DAYLIGHT_SAVING
from cosem.obis import Obis
from cosem.results import DataAccessResult
from cosem.times import CosemDateTime
from support.meters import build, two_days, utc

REGISTERS = [CaptureObject(3, Obis.parse(f"1-0:{c}.8.0"), 2, 0) for c in (1, 2, 5, 6, 7, 8)]


def rows_of(meter: ElectricityMeter, selection: Any = None) -> list[tuple[Any, ...]]:
    choice = None
    if selection is not None:
        choice = SelectiveAccess(selection.selector, axdr.encode(selection.parameters))
    octets = meter.load_profile.read(choice)
    assert isinstance(octets, bytes)
    return decode_rows(octets)


def moment(*parts: int) -> CosemDateTime:
    return CosemDateTime.from_datetime(datetime(*parts, tzinfo=UTC))  # type: ignore[misc]


def times(rows: list[tuple[Any, ...]]) -> list[int]:
    return [int(CosemDateTime.from_octets(row[0]).to_datetime().timestamp()) for row in rows]


# --- capturing ------------------------------------------------------------------------------------------------------


def test_a_month_is_captured_quarter_by_quarter() -> None:
    meter = build(utc(2026, 5, 1), utc(2026, 6, 1))
    rows = rows_of(meter)
    assert len(rows) == 31 * 96
    assert {later - earlier for earlier, later in pairwise(times(rows))} == {900}
    assert times(rows)[-1] == utc(2026, 6, 1)
    assert len(meter.daily_profile.rows) == 31


@pytest.mark.parametrize(
    ("start", "end", "count"),
    [((2026, 3, 28, 23), (2026, 3, 29, 22), 92), ((2026, 10, 24, 22), (2026, 10, 25, 23), 100)],
)
def test_days_of_the_change_have_92_and_100_quarters(start: tuple[int, ...], end: tuple[int, ...], count: int) -> None:
    rows = rows_of(build(utc(*start), utc(*end)))
    assert len(rows) == count
    marks = [bool(row[1] & DAYLIGHT_SAVING) for row in rows]
    assert marks == [bool(row[0][11] & 0x80) for row in rows]
    assert len({True, False} & set(marks)) == 2


def test_a_time_that_was_set_marks_the_next_row_only() -> None:
    meter = build(utc(2026, 6, 1), utc(2026, 6, 1, 2))
    meter.clock.jump_to(meter.clock.now + 3600)
    meter.advance(utc(2026, 6, 1, 3))
    rows = rows_of(meter)
    marked = [bool(row[1] & CLOCK_ADJUSTED) for row in rows]
    assert marked == [False] * 8 + [True] + [False] * 3
    assert times(rows)[7:10] == [utc(2026, 6, 1, 2), utc(2026, 6, 1, 3, 15), utc(2026, 6, 1, 3, 30)]


def test_a_small_correction_leaves_no_mark() -> None:
    meter = build(utc(2026, 6, 1), utc(2026, 6, 1, 1))
    meter.clock.jump_to(meter.clock.now + 3)
    meter.advance(utc(2026, 6, 1, 2))
    assert not any(row[1] & CLOCK_ADJUSTED for row in rows_of(meter))


def test_a_clock_set_back_keeps_every_row_and_finds_them_by_time() -> None:
    meter = build(utc(2026, 6, 1), utc(2026, 6, 1, 2))
    meter.clock.jump_to(utc(2026, 6, 1, 1))
    meter.advance(utc(2026, 6, 1, 3))
    rows = rows_of(meter)
    assert len(rows) == 8 + 4
    found = rows_of(meter, by_time(moment(2026, 6, 1, 1, 15), moment(2026, 6, 1, 1, 30)))
    assert found == [row for row, at in zip(rows, times(rows), strict=True) if at in (
        utc(2026, 6, 1, 1, 15), utc(2026, 6, 1, 1, 30))]  # fmt: skip
    assert len(found) == 4


def test_a_full_buffer_drops_the_oldest() -> None:
    meter = build(utc(2026, 6, 1), utc(2026, 6, 2), profile_capacity=10)
    rows = rows_of(meter)
    assert len(rows) == 10
    assert times(rows)[-1] == utc(2026, 6, 2)
    assert meter.load_profile.object.entries_in_use == 10
    assert meter.load_profile.object.profile_entries == 10


def test_capture_and_reset_on_demand() -> None:
    meter = build(utc(2026, 6, 1), utc(2026, 6, 1, 1))
    meter.load_profile.object.capture(0)
    assert len(rows_of(meter)) == 5
    meter.load_profile.object.reset(0)
    assert rows_of(meter) == []


def test_daily_rows_stand_at_local_midnight_over_the_change() -> None:
    meter = build(utc(2026, 10, 23), utc(2026, 10, 28))
    shown = [CosemDateTime.from_octets(row.cells[0][2:]) for row in meter.daily_profile.rows]
    assert all((item.hour, item.minute, item.second) == (0, 0, 0) for item in shown)
    assert [item.day for item in shown] == [24, 25, 26, 27, 28]


# --- selecting -------------------------------------------------------------------------------------------------------


@given(st.integers(-5, 200), st.integers(-5, 200), st.sets(st.sampled_from(range(6)), max_size=6))
def test_by_range_is_what_a_plain_filter_gives(first: int, last: int, columns: set[int]) -> None:
    meter = two_days()
    start, end = utc(2026, 6, 1) + first * 900 + 1, utc(2026, 6, 1) + last * 900
    chosen = tuple(REGISTERS[index] for index in sorted(columns))
    bounds = [CosemDateTime.from_datetime(datetime.fromtimestamp(at, UTC)) for at in (start, end)]
    whole = rows_of(meter)
    kept = [row for row, at in zip(whole, times(whole), strict=True) if start <= at <= end]
    if chosen:
        kept = [tuple(row[2 + index] for index in sorted(columns)) for row in kept]
    assert rows_of(meter, by_time(*bounds, chosen)) == kept


@given(st.integers(1, 250), st.integers(0, 250), st.integers(0, 8), st.integers(0, 8))
def test_by_entry_is_what_a_slice_gives(first: int, last: int, left: int, right: int) -> None:
    meter = two_days()
    selection = by_entry(first, last, left, right)
    choice = SelectiveAccess(selection.selector, axdr.encode(selection.parameters))
    octets = meter.load_profile.read(choice)
    low, high = left or 1, right or 8
    if low > high:
        assert octets is DataAccessResult.OTHER_REASON
        return
    assert isinstance(octets, bytes)
    expected = [row[low - 1 : high] for row in rows_of(meter)[first - 1 : last or None]]
    assert decode_rows(octets) == expected


def test_local_time_without_deviation_selects_too() -> None:
    start = CosemDateTime.from_datetime(datetime(2026, 6, 1, 12))
    found = rows_of(two_days(), by_time(start, start))
    assert times(found) == [utc(2026, 6, 1, 10)]


@pytest.mark.parametrize(
    "parameters",
    [
        axdr.null(),
        axdr.structure(),
        axdr.structure(axdr.null(), axdr.null(), axdr.null(), axdr.null()),
        axdr.unsigned(1),
    ],
)
@pytest.mark.parametrize("selector", [1, 2, 3])
def test_selections_that_mean_nothing_are_refused(selector: int, parameters: axdr.Data) -> None:
    choice = SelectiveAccess(selector, axdr.encode(parameters))
    assert two_days().load_profile.read(choice) is DataAccessResult.OTHER_REASON


def test_ranges_by_another_column_or_with_unknown_columns_are_refused() -> None:
    meter = two_days()
    start, end = moment(2026, 6, 1), moment(2026, 6, 2)
    unknown = CaptureObject(3, Obis.parse("1-0:99.9.9"), 2, 0)
    for selection in (by_time(start, end, restricting=REGISTERS[0]), by_time(start, end, (unknown,))):
        choice = SelectiveAccess(1, axdr.encode(selection.parameters))
        assert meter.load_profile.read(choice) is DataAccessResult.OTHER_REASON
    broken = by_time(start._replace(month=13), end)
    assert meter.load_profile.read(SelectiveAccess(1, axdr.encode(broken.parameters))) is DataAccessResult.OTHER_REASON
    assert meter.load_profile.read(SelectiveAccess(2, b"\x12")) is DataAccessResult.OTHER_REASON


# --- compression ------------------------------------------------------------------------------------------------------


def test_null_data_stands_for_what_did_not_change() -> None:
    start, end = utc(2026, 10, 24, 20), utc(2026, 10, 25, 6)
    plain, packed = rows_of(build(start, end)), rows_of(build(start, end, compress_nulls=True))
    assert len(plain) == len(packed)
    assert packed[0] == plain[0]
    nulls = 0
    for before, row, short in zip(plain, plain[1:], packed[1:], strict=False):
        for column, (was, now, sent) in enumerate(zip(before, row, short, strict=True)):
            if sent is None:
                nulls += 1
                assert column == 0 or was == now
            else:
                assert sent == now
                assert column == 0 or was != now
    assert nulls > len(plain)
    written = [row[0] for row in packed if row[0] is not None]
    assert len(written) == 2, "the time stands in the first row, and where the deviation changes"


def test_the_hourly_profile_has_the_energies_by_tariff_at_every_hour() -> None:
    meter = build(utc(2026, 6, 1), utc(2026, 6, 2, 12))
    rows = meter.hourly_profile.rows
    assert len(rows) == 36
    quarters = {row.cells[0]: row.cells for row in meter.load_profile.rows}
    for row in rows:
        assert row.cells[2] == quarters[row.cells[0]][2], "the load profile has the same reading of that moment"
        total, first, second = (int.from_bytes(cell[1:], "big") for cell in row.cells[2:5])
        assert 0 <= total - first - second <= 1
