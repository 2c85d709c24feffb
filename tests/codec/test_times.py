"""Date, time and date-time: every octet kept, and what is a point in time."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.errors import ConfigError, DecodeError, EncodeError
from cosem.times import (
    DST_BEGIN,
    DST_END,
    LAST_DAY,
    MAX_DEVIATION,
    SECOND_LAST_DAY,
    ClockStatus,
    CosemDate,
    CosemDateTime,
    CosemTime,
)

MORNING = CosemDateTime(2024, 3, 31, 7, 2, 15, 0, 0, -120, 0x80)
NOTHING = CosemDateTime()


def test_the_octets_of_a_date_time() -> None:
    octets = bytes.fromhex("07e8031f07020f0000ff8880")
    assert CosemDateTime.from_octets(octets) == MORNING
    assert MORNING.to_octets() == octets
    assert MORNING.isoformat() == "2024-03-31T02:15:00+02:00"
    assert MORNING.status == ClockStatus.DAYLIGHT_SAVING
    assert MORNING.date == CosemDate(2024, 3, 31, 7)
    assert MORNING.time == CosemTime(2, 15, 0, 0)
    assert MORNING.in_range


def test_nothing_specified() -> None:
    octets = bytes.fromhex("ffffffffffffffffff8000ff")
    assert CosemDateTime.from_octets(octets) == NOTHING
    assert NOTHING.to_octets() == octets
    assert NOTHING.isoformat() == "*-*-*T*:*:*"
    assert NOTHING.status is None
    assert NOTHING.in_range


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        ("07e3 0c 10 01 07 3b 28 ff 8000 00", "2019-12-16T07:59:40"),
        ("07e8 01 0f 01 0a 1e 00 19 003c 00", "2024-01-15T10:30:00.25-01:00"),
        ("07e8 01 0f 01 0a 1e 00 00 0000 00", "2024-01-15T10:30:00+00:00"),
        ("07e8 01 0f 01 0a 1e 00 00 feb6 00", "2024-01-15T10:30:00+05:30"),
        ("ffff 03 fe 07 02 00 00 00 8000 00", "*-03-lastT02:00:00"),
        ("ffff 0a fd 07 03 ff ff ff 8000 00", "*-10-second_lastT03:*:*"),
        ("07e8 fe ff 07 02 00 00 00 ffc4 00", "2024-dst_begin-*T02:00:00+01:00"),
        ("07e8 fd ff 07 03 00 00 00 ff88 80", "2024-dst_end-*T03:00:00+02:00"),
        ("0000 02 16 ff 04 10 27 00 0000 00", "0000-02-22T04:16:39+00:00"),
    ],
)
def test_what_is_written_for_a_date_time(octets: str, text: str) -> None:
    value = CosemDateTime.from_octets(bytes.fromhex(octets))
    assert value.in_range
    assert value.isoformat() == text


@given(st.binary(min_size=12, max_size=12))
def test_any_twelve_octets_come_back(octets: bytes) -> None:
    value = CosemDateTime.from_octets(octets)
    assert value.to_octets() == octets
    assert value.date.to_octets() + value.time.to_octets() == octets[:9]
    assert CosemDate.from_octets(octets[:5]) == value.date
    assert CosemTime.from_octets(octets[5:9]) == value.time
    assert value.isoformat().startswith(value.date.isoformat() + "T" + value.time.isoformat())
    try:
        moment = value.to_datetime()
    except DecodeError:
        with pytest.raises(DecodeError) as caught:
            value.to_datetime()
        assert 0 <= caught.value.offset < 12
        return
    assert value.isoformat().startswith(moment.replace(microsecond=0, tzinfo=None).isoformat())
    again = CosemDateTime.from_datetime(moment)
    assert again[:3] + again[4:7] == value[:3] + value[4:7]


@pytest.mark.parametrize("size", [0, 3, 4, 5, 6, 11, 12, 13])
def test_another_number_of_octets_is_refused(size: int) -> None:
    for kind, right in ((CosemDateTime, 12), (CosemDate, 5), (CosemTime, 4)):
        if size != right:
            with pytest.raises(DecodeError, match=f"has {right} octets, not {size}"):
                kind.from_octets(bytes(size))


@pytest.mark.parametrize(
    ("octets", "offset"),
    [
        ("07e8 0d 1f ff 02 0f 00 00 0000 00", 2),
        ("07e8 00 1f ff 02 0f 00 00 0000 00", 2),
        ("07e8 03 20 ff 02 0f 00 00 0000 00", 3),
        ("07e8 03 00 ff 02 0f 00 00 0000 00", 3),
        ("07e8 03 e5 ff 02 0f 00 00 0000 00", 3),
        ("07e8 03 1f ff 18 0f 00 00 0000 00", 5),
        ("07e8 03 1f ff 02 3c 00 00 0000 00", 6),
        ("07e8 03 1f ff 02 0f 3c 00 0000 00", 7),
        ("07e8 03 1f ff 02 0f 00 64 0000 00", 8),
        ("07e8 03 1f ff 02 0f 00 00 0400 00", 9),
        ("07e8 03 1f ff 02 0f 00 00 fcb7 00", 9),
    ],
)
def test_fields_out_of_range_are_kept_but_are_no_point_in_time(octets: str, offset: int) -> None:
    raw = bytes.fromhex(octets)
    value = CosemDateTime.from_octets(raw)
    assert not value.in_range
    assert value.to_octets() == raw
    with pytest.raises(DecodeError, match="no point in time") as caught:
        value.to_datetime()
    assert caught.value.offset == offset


def test_a_weekday_out_of_range_is_out_of_range_only() -> None:
    for weekday in (0, 8):
        value = MORNING._replace(weekday=weekday)
        assert not value.in_range
        assert value.to_datetime() == MORNING.to_datetime()


@pytest.mark.parametrize("field", ["year", "month", "day", "hour", "minute", "second"])
def test_what_is_not_specified_is_no_point_in_time(field: str) -> None:
    value = MORNING._replace(**{field: None})
    assert value.in_range
    assert "*" in value.isoformat()
    with pytest.raises(DecodeError, match=f"{field} is not specified"):
        value.to_datetime()


@pytest.mark.parametrize(
    ("field", "code", "words"),
    [
        ("month", DST_BEGIN, "dst_begin"),
        ("month", DST_END, "dst_end"),
        ("day", LAST_DAY, "last"),
        ("day", SECOND_LAST_DAY, "second_last"),
    ],
)
def test_codes_are_in_range_but_no_point_in_time(field: str, code: int, words: str) -> None:
    value = MORNING._replace(**{field: code})
    assert value.in_range
    assert words in value.isoformat()
    with pytest.raises(DecodeError, match=words):
        value.to_datetime()


@pytest.mark.parametrize(("year", "month", "day"), [(2023, 2, 29), (2024, 4, 31), (0, 1, 1), (10000, 1, 1)])
def test_fields_in_range_that_are_no_day(year: int, month: int, day: int) -> None:
    value = MORNING._replace(year=year, month=month, day=day)
    assert value.in_range
    with pytest.raises(DecodeError):
        value.to_datetime()
    with pytest.raises(DecodeError):
        value.date.to_date()


def test_points_in_time() -> None:
    assert MORNING.to_datetime() == datetime(2024, 3, 31, 0, 15, tzinfo=UTC)
    assert MORNING.to_datetime().utcoffset() == timedelta(hours=2)
    assert MORNING._replace(deviation=None).to_datetime() == datetime(2024, 3, 31, 2, 15)
    assert MORNING._replace(hundredths=None, weekday=None, clock_status=None).to_datetime() == MORNING.to_datetime()
    assert MORNING._replace(hundredths=25).to_datetime().microsecond == 250_000


def test_daylight_saving_comes_from_the_zone() -> None:
    zone = ZoneInfo("Europe/Vienna") if _zones() else timezone(timedelta(hours=1))
    winter = CosemDateTime.from_datetime(datetime(2024, 1, 15, 12, tzinfo=zone))
    assert (winter.deviation, winter.clock_status, winter.weekday) == (-60, 0, 1)
    if _zones():
        summer = CosemDateTime.from_datetime(datetime(2024, 7, 15, 12, tzinfo=zone))
        assert (summer.deviation, summer.clock_status) == (-120, 0x80)
    assert CosemDateTime.from_datetime(datetime(2024, 1, 15), clock_status=2).status == ClockStatus.DOUBTFUL
    assert CosemDateTime.from_datetime(datetime(2024, 1, 15)).deviation is None


def _zones() -> bool:
    try:
        ZoneInfo("Europe/Vienna")
    except KeyError:
        return False
    return True


ZONES = st.integers(-MAX_DEVIATION, MAX_DEVIATION).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(timezones=st.none() | ZONES))
def test_points_in_time_both_ways(moment: datetime) -> None:
    cut = moment.replace(microsecond=moment.microsecond // 10_000 * 10_000)
    value = CosemDateTime.from_datetime(moment)
    assert value.in_range
    back = CosemDateTime.from_octets(value.to_octets()).to_datetime()
    assert back == cut
    assert back.utcoffset() == cut.utcoffset()
    assert CosemDateTime.parse(value.isoformat()) == value
    assert CosemDate.from_date(moment.date()).to_date() == moment.date()
    assert CosemTime.from_time(moment.time()).to_time() == cut.time()


@pytest.mark.parametrize("offset", [timedelta(hours=14, minutes=1), timedelta(hours=-15), timedelta(seconds=30)])
def test_zones_without_a_deviation(offset: timedelta) -> None:
    with pytest.raises(EncodeError, match="no deviation"):
        CosemDateTime.from_datetime(datetime(2024, 1, 1, tzinfo=timezone(offset)))


@given(
    st.builds(
        CosemDateTime,
        *(st.none() | st.integers(low, high) for low, high in ((0, 9999), (1, 12), (1, 31))),
        weekday=st.none(),
        hour=st.none() | st.integers(0, 23),
        minute=st.none() | st.integers(0, 59),
        second=st.none() | st.integers(0, 59),
        hundredths=st.integers(0, 99),
        deviation=st.none() | st.integers(-MAX_DEVIATION, MAX_DEVIATION),
        clock_status=st.just(0),
    )
)
def test_text_both_ways_with_wildcards(value: CosemDateTime) -> None:
    try:
        read = CosemDateTime.parse(value.isoformat())
    except ConfigError:
        with pytest.raises(DecodeError):
            value.date.to_date()
        return
    assert read._replace(weekday=None) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2024-03-31 02:15", CosemDateTime(2024, 3, 31, 7, 2, 15, 0, 0, None, 0)),
        ("2024-03-31T02:15:00Z", CosemDateTime(2024, 3, 31, 7, 2, 15, 0, 0, 0, 0)),
        ("*-03-lastT02:00:00", CosemDateTime(None, 3, LAST_DAY, None, 2, 0, 0, 0, None, 0)),
        ("*-dst_end-second_lastT*:*", CosemDateTime(None, DST_END, SECOND_LAST_DAY, None, None, None, 0, 0, None, 0)),
    ],
)
def test_text_that_people_write(text: str, value: CosemDateTime) -> None:
    assert CosemDateTime.parse(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2024-03-31",
        "2024-13-31T02:15",
        "2024-02-30T02:15",
        "2024-03-31T24:00",
        "2024-03-31T02:15+15:00",
        "2024-03-31T02:15:00.5",
        "24-03-31T02:15",
        "2024-03-31T02:15:00 +02:00",
        "2024-03-31T02-15",
    ],
)
def test_text_that_is_no_date_time(text: str) -> None:
    with pytest.raises(ConfigError, match="is no"):
        CosemDateTime.parse(text)


def test_fields_that_do_not_fit_their_octets() -> None:
    for value in (
        CosemDateTime(year=70000),
        CosemDateTime(deviation=40000),
        CosemDate(month=256),
        CosemTime(hour=-1),
    ):
        with pytest.raises(EncodeError):
            value.to_octets()
        assert not value.in_range


def test_times_without_a_field_are_no_time() -> None:
    assert CosemTime(1, 2, 3, None).to_time() == time(1, 2, 3)
    with pytest.raises(DecodeError) as caught:
        CosemTime(1, None, 3, 0).to_time()
    assert caught.value.offset == 1
    with pytest.raises(DecodeError):
        CosemTime(1, 2, 3, 100).to_time()
    assert CosemDate(2024, 2, 29, None).to_date() == date(2024, 2, 29)
    with pytest.raises(DecodeError) as caught:
        CosemDate(2024, 2, LAST_DAY, None).to_date()
    assert caught.value.offset == 3
