"""Profiles: full, sorted, read in part, emptied, asked for too much; and clocks that are set (behaviours 4.4, 4.5)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.apdu.base import SelectiveAccess
from cosem.classes.c007_profile_generic import ProfileGeneric, SortMethod, by_entry, by_time
from cosem.classes.c008_clock import PresetTime
from cosem.classes.common import CaptureObject
from cosem.codec import axdr
from cosem.codec.rows import decode_rows
from cosem.device.clock import DeviceClock
from cosem.device.errors import Refused
from cosem.device.host import Host
from cosem.device.profile import MAX_ROWS, Column, ProfileBuffer
from cosem.obis import Obis
from cosem.results import DataAccessResult
from cosem.times import CosemDateTime
from support.meters import bare_host, build, utc

START = utc(2026, 6, 1)
NAME = Obis.parse("1-0:99.1.0.255")
VALUE = CaptureObject(3, Obis.parse("1-0:1.5.0.255"), 2)
OTHER = CaptureObject(3, Obis.parse("1-0:2.5.0.255"), 2)
CLOCK = CaptureObject(8, Obis.parse("0-0:1.0.0.255"), 2)


class Rig:
    """A profile of the time and two values, in a device of its own."""

    def __init__(self, *, period: int = 900, capacity: int = 4, **options: Any) -> None:
        self.host: Host = bare_host(START)
        self.value = 0
        clock = self.host.clock
        self.columns = {
            CLOCK: Column(CLOCK, lambda utc: b"\x09\x0c" + clock.octets(utc)),
            VALUE: Column(VALUE, lambda utc: axdr.encode(axdr.double_long(self.value))),
            OTHER: Column(OTHER, lambda utc: axdr.encode(axdr.double_long(-self.value))),
        }
        self.profile = ProfileBuffer(
            str(NAME), list(self.columns.values()), clock,
            period=period, capacity=capacity, resolve=self.columns.get, **options,
        )  # fmt: skip
        self.host.add(self.profile.object)
        self.host.writers(self.profile.object, self.profile.writers)
        self.host.schedule(self.profile)

    def write(self, attribute: int, value: Any) -> DataAccessResult:
        return self.host.write(7, NAME, attribute, ProfileGeneric.attributes[attribute].type.to_data(value))

    def captures(self, *values: int) -> None:
        for value in values:
            self.value = value
            self.profile.object.capture(0)

    def until(self, second: int) -> None:
        self.host.device.advance(START + second)

    def rows(self, selection: Any = None) -> list[tuple[Any, ...]]:
        chosen = None
        if selection is not None:
            chosen = SelectiveAccess(selection.selector, axdr.encode(selection.parameters))
        octets = self.profile.read(chosen)
        assert isinstance(octets, bytes)
        return decode_rows(octets)

    @property
    def values(self) -> list[int]:
        return [row[1] for row in self.rows()]

    @property
    def seconds(self) -> list[int]:
        return [row.time - START for row in self.profile.rows]


# --- the scenarios of 4.4 ---------------------------------------------------------------------------------------------


def test_of_five_captures_four_rows_stay() -> None:
    rig = Rig()
    rig.until(5 * 900)
    assert rig.seconds == [1800, 2700, 3600, 4500]
    assert rig.profile.object.entries_in_use == 4


def test_sorted_by_the_largest_the_least_interesting_row_goes() -> None:
    rig = Rig(period=0, capacity=3)
    assert rig.write(6, VALUE) is DataAccessResult.SUCCESS
    assert rig.write(5, SortMethod.LARGEST) is DataAccessResult.SUCCESS
    rig.captures(5, 1, 9, 7, 3)
    assert rig.values == [9, 7, 5]


def test_a_range_has_both_its_ends_and_the_columns_asked_for() -> None:
    rig = Rig(capacity=10)
    rig.until(5 * 900)
    times = [CosemDateTime.from_octets(rig.host.clock.octets(START + 900 * number)) for number in (2, 4)]
    assert [len(row) for row in rig.rows(by_time(*times))] == [3, 3, 3]
    chosen = rig.rows(by_time(*times, (CLOCK, VALUE)))
    assert [row[0] for row in chosen] == [rig.host.clock.octets(START + 900 * number) for number in (2, 3, 4)]
    assert {len(row) for row in chosen} == {2}


def test_entries_from_the_second_on_of_one_column() -> None:
    rig = Rig(period=0, capacity=10)
    rig.captures(1, 2, 3)
    assert rig.rows(by_entry(2, 0, 2, 2)) == [(2,), (3,)]


def test_other_capture_objects_empty_the_buffer_and_those_of_profiles_that_capture_it() -> None:
    rig = Rig()
    dependent = Rig()
    rig.profile.on_redefined.append(dependent.profile.clear)
    rig.until(1800)
    dependent.until(1800)
    assert rig.write(3, (CLOCK, OTHER)) is DataAccessResult.SUCCESS
    assert rig.rows() == dependent.rows() == []


def test_a_clock_set_back_leaves_the_rows_as_they_were_captured_and_a_range_has_all_of_them() -> None:
    """21:16 is set to 20:42: two rows of 20:45, and the interrupted interval and the first new one are marked."""
    meter = build(utc(2026, 6, 1, 17), utc(2026, 6, 1, 19, 16))
    meter.clock.jump_to(utc(2026, 6, 1, 18, 42))
    meter.advance(utc(2026, 6, 1, 20, 50))
    rows = meter.load_profile.rows
    times = [f"{meter.clock.local(row.time):%H:%M}" for row in rows]
    assert times[7:12] == ["21:00", "21:15", "21:16", "20:45", "21:00"]
    assert [time for time, row in zip(times, rows, strict=True) if row.cells[1][-1] & 0x20] == ["21:16", "20:45"]
    twice = CosemDateTime.from_octets(meter.clock.octets(utc(2026, 6, 1, 18, 45)))
    selection = by_time(twice, twice)
    answer = meter.load_profile.read(SelectiveAccess(1, axdr.encode(selection.parameters)))
    assert isinstance(answer, bytes)
    assert len(decode_rows(answer)) == 2


def test_more_entries_than_there_is_room_for_are_other_reason() -> None:
    rig = Rig()
    assert rig.write(8, MAX_ROWS + 1) is DataAccessResult.OTHER_REASON
    assert rig.profile.object.profile_entries == 4


# --- sorting ----------------------------------------------------------------------------------------------------------

SORTED = {
    SortMethod.LARGEST: lambda value: -value,
    SortMethod.SMALLEST: lambda value: value,
    SortMethod.NEAREST_TO_ZERO: abs,
    SortMethod.FARTHEST_FROM_ZERO: lambda value: -abs(value),
}


@given(st.sampled_from(list(SORTED)), st.lists(st.integers(-50, 50), max_size=30), st.integers(1, 8))
def test_a_sorted_buffer_keeps_the_most_interesting_of_all_rows_of_equals_the_older(
    method: SortMethod, values: list[int], capacity: int
) -> None:
    rig = Rig(period=0, capacity=capacity)
    assert rig.write(6, VALUE) is DataAccessResult.SUCCESS
    assert rig.write(5, method) is DataAccessResult.SUCCESS
    for second, value in enumerate(values):
        rig.until(second)
        rig.captures(value)
    expected = sorted(enumerate(values), key=lambda item: SORTED[method](item[1]))[:capacity]
    assert list(zip(rig.seconds, rig.values, strict=True)) == expected


def test_last_in_first_out_has_the_newest_first_and_lets_the_oldest_go() -> None:
    rig = Rig(period=0, capacity=3)
    assert rig.write(5, SortMethod.LIFO) is DataAccessResult.SUCCESS
    rig.captures(1, 2, 3, 4)
    assert rig.values == [4, 3, 2]
    assert rig.write(8, 2) is DataAccessResult.SUCCESS
    assert rig.values == [4, 3]


def test_an_order_needs_its_column_and_goes_with_it() -> None:
    rig = Rig(period=0)
    assert rig.write(5, SortMethod.SMALLEST) is DataAccessResult.OTHER_REASON
    assert rig.write(5, SortMethod(9)) is DataAccessResult.OTHER_REASON
    assert rig.write(6, CaptureObject(3, Obis.parse("1-0:9.9.9.255"), 2)) is DataAccessResult.OTHER_REASON
    assert rig.write(6, VALUE) is DataAccessResult.SUCCESS
    assert rig.write(5, SortMethod.SMALLEST) is DataAccessResult.SUCCESS
    assert rig.write(3, (CLOCK, OTHER)) is DataAccessResult.SUCCESS
    assert rig.profile.object.sort_method is SortMethod.FIFO
    assert rig.profile.object.sort_object.class_id == 0


@pytest.mark.parametrize("truncate", [False, True])
def test_behaviour_of_rows_sorted_by_time_when_the_clock_is_set_back(truncate: bool) -> None:
    rig = Rig(truncate_on_time_back=truncate)
    assert rig.write(6, CLOCK) is DataAccessResult.SUCCESS
    assert rig.write(5, SortMethod.SMALLEST) is DataAccessResult.SUCCESS
    rig.until(2000)
    rig.host.clock.jump_to(START + 1000)
    assert rig.seconds == ([900] if truncate else [900, 1800, 2000])


# --- the scenarios of 4.5 that events do not belong to ----------------------------------------------------------------


def at(hour: int, minute: int, second: int = 0) -> DeviceClock:
    """A clock at a local time of the first of June."""
    host = bare_host(utc(2026, 6, 1, hour - 2, minute, second))
    return host.clock


def shown(clock: DeviceClock) -> str:
    return f"{clock.local(clock.now):%H:%M:%S}"


def test_adjust_to_quarter_goes_to_the_nearest() -> None:
    for second, expected in ((31, "10:15:00"), (29, "10:00:00")):
        clock = at(10, 7, second)
        clock.object.adjust_to_quarter(0)
        assert shown(clock) == expected


def test_a_preset_time_is_taken_within_its_validity_only() -> None:
    moments = [CosemDateTime.parse(f"2026-06-01T{text}") for text in ("12:00:00", "11:58:00", "12:02:00")]
    early, within = at(11, 57), at(11, 59)
    for clock in (early, within):
        clock.object.preset_adjusting_time(PresetTime(*moments))
        assert shown(clock) in ("11:57:00", "11:59:00"), "presetting alone moves nothing"
    with pytest.raises(Refused):
        early.object.adjust_to_preset_time(0)
    assert shown(early) == "11:57:00"
    within.object.adjust_to_preset_time(0)
    assert shown(within) == "12:00:00"


def test_on_the_last_sunday_of_march_02_00_becomes_03_00_and_the_status_says_so() -> None:
    host = bare_host(utc(2026, 3, 29, 0, 59, 59))
    assert (shown(host.clock), host.clock.status() & 0x80) == ("01:59:59", 0)
    host.device.advance(utc(2026, 3, 29, 1))
    assert (shown(host.clock), host.clock.status() & 0x80) == ("03:00:00", 0x80)


def test_a_shift_of_901_seconds_is_refused() -> None:
    clock = at(10, 0)
    with pytest.raises(Refused):
        clock.object.shift_time(901)
    assert shown(clock) == "10:00:00"
    clock.object.shift_time(900)
    assert shown(clock) == "10:15:00"
