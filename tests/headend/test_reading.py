"""A profile's octets become values at the right time in the right channel, or one error."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.classes.common import CaptureObject
from cosem.client.table import Column
from cosem.codec.axdr import Tag
from cosem.codec.rows import encode_rows
from cosem.errors import ConfigError, CosemError, DecodeError
from cosem.headend.intervals import MISSING
from cosem.headend.quality import Quality
from cosem.headend.reading import ProfileReading, load_readings, utc_times
from cosem.obis import Obis, obis
from cosem.times import CosemDateTime

COLUMNS = (
    Column(CaptureObject(8, obis("0-0:1.0.0"), 2)),
    Column(CaptureObject(1, obis("0-0:96.10.1"), 2)),
    Column(CaptureObject(3, obis("1-0:1.8.0"), 2)),
    Column(CaptureObject(3, obis("1-0:2.8.0"), 2)),
)
LAYOUT = [(Tag.OCTET_STRING, 12), Tag.UNSIGNED, Tag.DOUBLE_LONG_UNSIGNED, Tag.DOUBLE_LONG_UNSIGNED]
READING = ProfileReading(obis("1-0:99.1.0"), 900, COLUMNS, (None, None, 1, 2), 1)
START = datetime(2026, 3, 28, 23, 30, tzinfo=timezone(timedelta(hours=1)))


def moment(at: datetime) -> bytes:
    return CosemDateTime.from_datetime(at).to_octets()


def test_values_come_by_channel_with_utc_times_over_the_change_to_summer_time():
    times = [START.astimezone(UTC) + timedelta(minutes=15 * n) for n in range(16)]
    zones = [timezone(timedelta(hours=1 if at < datetime(2026, 3, 29, 1, tzinfo=UTC) else 2)) for at in times]
    rows = [(moment(at.astimezone(zone)), 0, n, 100 + n) for n, (at, zone) in enumerate(zip(times, zones, strict=True))]
    first, second = READING.series(encode_rows(LAYOUT, rows), 7)
    assert (first.device, first.channel, second.channel) == (7, 1, 2)
    assert first.times.tolist() == [int(at.timestamp()) for at in times]
    assert second.values.tolist() == [100 + n for n in range(16)]
    assert not first.quality.any()


@pytest.mark.parametrize("known", [True, False])
def test_meters_of_one_night_share_their_times_and_none_can_write_into_them(known):
    rows = [(moment(START + timedelta(minutes=15 * n)), 0, n, n) for n in range(4)]
    if not known:
        rows[1] = (b"\xff" * 12, 0, 1, 1)
    octets = encode_rows(LAYOUT, rows)
    mine, yours = READING.series(octets, 7)[0], READING.series(octets, 8)[0]
    assert mine.times is yours.times
    for shared in (mine.times, mine.estimates):
        with pytest.raises(ValueError, match="read-only"):
            shared[0] = 0
    bare = encode_rows(LAYOUT, [(at[:9] + b"\x80\x00" + at[11:], *more) for at, *more in rows])
    east, here = (READING.series(bare, 7, zone=zone)[0] for zone in (-120, -60))
    assert (here.times - east.times).tolist() == [3600] * len(mine)


def test_null_data_goes_on_as_the_meter_meant_it():
    rows = [(moment(START), 0, 5, 1), (None, None, 6, None), (None, None, 7, None)]
    first, second = READING.series(encode_rows(LAYOUT, rows), 7)
    assert np.diff(first.times).tolist() == [900, 900]
    assert second.values.tolist() == [1, 1, 1]


def test_the_rows_status_is_the_values_quality():
    statuses = [0, 0x80, 0x20, 0x04, 0x02, 0x01, 0x08]
    rows = [(moment(START + timedelta(minutes=15 * n)), status, n, n) for n, status in enumerate(statuses)]
    first, _ = READING.series(encode_rows(LAYOUT, rows), 7)
    assert first.quality.tolist() == [
        0, Quality.POWER_DOWN, Quality.CLOCK_ADJUSTED, Quality.INVALID, Quality.CLOCK_INVALID, Quality.INVALID, 0,
    ]  # fmt: skip


def test_a_row_without_a_point_in_time_is_dropped_and_no_other():
    rows = [
        (b"\xff" * 12, 0, 1, 1),
        (moment(START), 0, 2, 2),
        (b"\x07\xea\x02\x1e\xff\x00\x00\x00\x00\x00\x00\x00", 0, 3, 3),
    ]
    first, _ = READING.series(encode_rows(LAYOUT, rows), 7)
    assert first.values.tolist() == [2]


@given(
    at=st.datetimes(datetime(1970, 1, 2), datetime(2099, 12, 30)).map(lambda at: at.replace(microsecond=0)),
    deviation=st.one_of(st.none(), st.integers(-840, 840)),
)
def test_times_are_those_that_the_single_date_time_has(at, deviation):
    octets = CosemDateTime.from_datetime(at)._replace(deviation=deviation).to_octets()
    times, known = utc_times(np.frombuffer(octets, np.uint8).reshape(1, 12), -60)
    local = CosemDateTime.from_octets(octets)._replace(deviation=-60 if deviation is None else deviation)
    assert known[0]
    assert times[0] == int(local.to_datetime().timestamp())


@given(st.binary(min_size=12, max_size=12))
def test_any_twelve_octets_are_a_point_in_time_or_none_as_for_the_single_one(octets):
    times, known = utc_times(np.frombuffer(octets, np.uint8).reshape(1, 12), 0)
    try:
        single = CosemDateTime.from_octets(octets)._replace(hundredths=None).to_datetime()
        single = single if single.tzinfo else single.replace(tzinfo=UTC)
    except (CosemError, OverflowError):
        assert not known[0]
    else:
        assert bool(known[0]) == (1970 <= CosemDateTime.from_octets(octets).year < 2100)
        if known[0]:
            assert times[0] == int(single.timestamp())


@given(st.binary(max_size=80))
def test_octets_of_a_meter_that_lies_are_values_or_a_decode_error(octets):
    with suppress(DecodeError):
        READING.series(octets, 7)


@pytest.mark.parametrize(
    ("layout", "row"),
    [
        ([Tag.UNSIGNED], (1,)),
        ([*LAYOUT, Tag.UNSIGNED], (moment(START), 0, 1, 1, 1)),
        ([(Tag.OCTET_STRING, 12), Tag.UNSIGNED, (Tag.OCTET_STRING, 2), Tag.UNSIGNED], (moment(START), 0, b"ab", 1)),
        ([Tag.DOUBLE_LONG_UNSIGNED, *LAYOUT[1:]], (5, 0, 1, 1)),
        ([(Tag.OCTET_STRING, 12), Tag.UNSIGNED, Tag.LONG64_UNSIGNED, Tag.UNSIGNED], (moment(START), 0, 2**64 - 1, 1)),
        ([(Tag.OCTET_STRING, 12), Tag.UNSIGNED, Tag.FLOAT64, Tag.UNSIGNED], (moment(START), 0, 1.5, 1)),
    ],
)
def test_rows_of_another_layout_never_become_values(layout, row):
    with pytest.raises(DecodeError):
        READING.series(encode_rows(layout, [row]), 7)


def test_a_number_beyond_63_bits_is_an_error_and_one_within_is_none():
    layout = [*LAYOUT[:2], Tag.LONG64_UNSIGNED, Tag.LONG64_UNSIGNED]
    rows = [(moment(START), 0, 2**63 - 1, 1), (moment(START + timedelta(minutes=15)), 0, 5, 2)]
    assert READING.series(encode_rows(layout, rows), 7)[0].values.tolist() == [2**63 - 1, 5]
    rows[1] = (rows[1][0], 0, 2**63, 2)
    with pytest.raises(DecodeError, match="beyond 63 bits"):
        READING.series(encode_rows(layout, rows), 7)


def test_a_missing_value_beside_numbers_is_missing():
    rows = [(moment(START), 0, None, 3), (moment(START + timedelta(minutes=15)), 0, 4, 5)]
    first, _ = READING.series(encode_rows(LAYOUT, rows), 7)
    assert first.values.tolist() == [MISSING, 4]


def test_a_reading_goes_through_its_document_and_says_what_is_wrong_in_one():
    assert ProfileReading.of(READING.document()) == READING
    with pytest.raises(ConfigError):
        ProfileReading.of({"name": "1-0:99.1.0", "period": 900, "columns": [[3, "1-0:1.8.0", 2, 0, 1]]})
    for wrong in ({}, {"columns": [[1]]}, {"columns": [], "name": "x", "period": 1}):
        with pytest.raises(ConfigError):
            ProfileReading.of(wrong)
    with pytest.raises(ConfigError, match="JSON"):
        load_readings("{")
    assert Obis.parse("1-0:99.1.0.255") == READING.name
