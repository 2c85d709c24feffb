"""Values as octets: types A to J, variable lengths, and what is no value."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.errors import DecodeError, EncodeError
from cosem.mbus import values
from cosem.mbus.dib import DataField
from cosem.mbus.moments import SIZES, Moment
from cosem.mbus.record import Record, decode_records
from cosem.mbus.vif_tables import Kind
from cosem.times import CosemDateTime


def only(text: str) -> Record:
    (record,) = decode_records(bytes.fromhex(text)).records
    return record


# --- variable length ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "raw"),
    [
        ("0d78 c2 3412", 1234),  # positive BCD, two digits in each octet
        ("0d78 d2 3412", -1234),
        ("0d78 c0", 0),
        ("0d78 c9 998877665544332211", 112233445566778899),
        ("0d13 e2 fffe", -257),
        ("0dfd17 e2 fffe", 0xFEFF),
        ("0d13 e0", 0),
        ("0d13 f0" + "00" * 15 + "80", -(1 << 127)),
        ("0d13 f1 01" + "00" * 19, 1),
        ("0d13 f4 01" + "00" * 31, 1),
        ("0d13 f5 02" + "00" * 47, 2),
        ("0d13 f6 03" + "00" * 63, 3),
        ("0d13 f8 000000000000f03f", 1.0),
        ("0dfd11 00", ""),
        ("0dfd11 03 fc4241", "ABü"),  # ISO 8859-1, the last character first
        ("0dfd11 bf" + "41" * 191, "A" * 191),
        ("0dfd76 03 010203", b"\1\2\3"),  # a container, in the order of the line
        ("0dfd3b 02 5b00", b"\x5b\0"),
        ("0d6d e4 01020304", b"\1\2\3\4"),  # type M
        ("0dfd73 eb" + "01" * 11, b"\1" * 11),  # type L
        ("0d13 c1 a0", None),
    ],
)
def test_each_kind_of_variable_length(text: str, raw: object) -> None:
    assert only(text).raw == raw


def test_a_number_of_64_octets_is_exact() -> None:
    record = only("0d10 f6" + "ff" * 63 + "7f")
    assert record.value == Decimal(f"{(1 << 511) - 1}E-6")


@pytest.mark.parametrize("code", [0xCA, 0xCF, 0xDA, 0xDF, 0xF7, 0xF9, 0xFF])
def test_reserved_lengths_have_no_size(code: int) -> None:
    assert values.variable_size(code) is None


@given(st.one_of(st.integers(-(1 << 511), (1 << 511) - 1), st.text(st.characters(max_codepoint=255), max_size=191)))
def test_what_goes_into_a_variable_length_comes_out(raw: int | str) -> None:
    octets = values.encode_variable(Kind.SIGNED, raw)
    assert values.take_variable(octets, 0) == len(octets)
    assert values.variable(octets) == raw


@given(st.sampled_from(Kind), st.integers(-(10**18) + 1, 10**18 - 1))
def test_a_number_has_a_form_under_every_kind(kind: Kind, raw: int) -> None:
    assert values.variable(values.encode_variable(kind, raw), kind) == raw


def test_what_has_no_form_of_variable_length_is_refused() -> None:
    for kind, raw in ((Kind.UNSIGNED, -(10**18)), (Kind.MOMENT, bytes(17)), (Kind.MOMENT, 10**18), (Kind.BITS, None)):
        with pytest.raises(EncodeError):
            values.encode_variable(kind, raw)


@given(st.sampled_from([Kind.MOMENT, Kind.LISTENING_WINDOW]), st.binary(max_size=15))
def test_types_l_and_m_keep_their_octets(kind: Kind, raw: bytes) -> None:
    octets = values.encode_variable(kind, raw)
    assert octets[0] == 0xE0 + len(raw)
    assert values.variable(values.encode_variable(kind, bytes(48)), kind) == bytes(48)
    assert values.variable(octets, kind) == raw


@given(st.binary(max_size=191))
def test_a_container_keeps_its_octets(raw: bytes) -> None:
    octets = values.encode_variable(Kind.OCTETS, raw)
    assert values.variable(octets, Kind.OCTETS) == raw


# --- numbers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("octets", "number"),
    [("3412", 1234), ("34f2", -234), ("00f0", 0), ("ffff", None), ("341a", None), ("ddeb", None), ("", 0)],
)
def test_bcd(octets: str, number: int | None) -> None:
    assert values.bcd(bytes.fromhex(octets)) == number


@given(st.integers(1, 6), st.data())
def test_bcd_is_written_as_it_is_read(size: int, data: st.DataObject) -> None:
    number = data.draw(st.integers(-(10 ** (2 * size - 1)) + 1, 10 ** (2 * size) - 1))
    octets = values.encode_bcd(number, size)
    assert len(octets) == size
    assert values.bcd(octets) == number


@pytest.mark.parametrize(
    ("text", "flagged"),
    [
        ("0213 0080", True),
        ("0213 0180", False),
        ("0113 80", True),
        ("02fd08 ffff", True),  # an unsigned quantity
        ("0213 ffff", False),  # -1
        ("02fd17 ffff", False),  # flags, all set
        ("0a13 ffff", True),
        ("0513 0000c07f", True),
        ("0513 0000803f", False),
    ],
)
def test_the_codes_for_no_valid_value_are_flagged(text: str, flagged: bool) -> None:
    record = only(text)
    assert record.invalid is flagged
    assert ("flags" in record.json()) is flagged


def test_a_float_is_the_shortest_decimal_that_reads_back() -> None:
    assert only("0513 cdcc4c3e").value == Decimal("0.0002")
    assert str(only("0513 0000807f").value) == "Infinity"


@given(st.integers(-(1 << 31), (1 << 31) - 1), st.integers(0, 7))
def test_a_scaled_value_is_exact(number: int, place: int) -> None:
    octets = b"\x04" + bytes((0x10 + place,)) + number.to_bytes(4, "little", signed=True)
    (record,) = decode_records(octets).records
    assert record.value == Decimal(number).scaleb(place - 6)
    assert Decimal(record.json()["value"]) == record.value


# --- moments -----------------------------------------------------------------------------------------------------

MINUTES = st.datetimes(datetime(1981, 1, 1), datetime(2080, 12, 31)).map(
    lambda moment: moment.replace(second=0, microsecond=0)
)


@given(MINUTES, st.booleans(), st.booleans())
def test_type_f_says_what_it_was_made_of(moment: datetime, summer: bool, invalid: bool) -> None:
    made = Moment.of("F", moment, summer_time=summer, invalid=invalid)
    assert made.to_datetime() == moment
    assert (made.summer_time, made.invalid) == (summer, invalid)
    assert made.isoformat() == moment.isoformat(timespec="minutes")


@given(MINUTES, st.integers(0, 59), st.booleans())
def test_type_i_says_what_it_was_made_of(moment: datetime, second: int, summer: bool) -> None:
    moment = moment.replace(second=second)
    made = Moment.of("I", moment, summer_time=summer)
    assert made.to_datetime() == moment
    assert (made.summer_time, made.invalid, made.weekday) == (summer, False, moment.isoweekday())
    assert made.isoformat() == moment.isoformat()


@given(st.dates(date(1981, 1, 1), date(2080, 12, 31)))
def test_type_g_says_what_it_was_made_of(day: date) -> None:
    made = Moment.of("G", day)
    assert made.to_datetime().date() == day
    assert made.isoformat() == day.isoformat()


@given(st.times())
def test_type_j_says_what_it_was_made_of(clock: time) -> None:
    assert Moment.of("J", clock).isoformat() == clock.isoformat(timespec="seconds")


@given(st.sampled_from(sorted(SIZES.values())).flatmap(lambda size: st.binary(min_size=size, max_size=size)))
def test_any_octets_are_a_moment_and_come_back(octets: bytes) -> None:
    moment = Moment.from_octets(octets)
    assert moment.octets == octets
    text = moment.isoformat()
    assert (text is None) is moment.no_date
    assert moment.flags == tuple(dict.fromkeys(moment.flags))
    assert CosemDateTime.from_octets(moment.to_cosem().to_octets()).in_range
    try:
        point = moment.to_datetime()
    except DecodeError:
        return
    assert point.isoformat().startswith(text or "-")


@pytest.mark.parametrize(
    ("octets", "text", "flags"),
    [
        ("ffff", None, ("no date",)),
        ("0000", None, ("no date",)),
        ("e1f1", "*-01-01", ("every year",)),
        ("012f", "2016-*-01", ("every month",)),
        ("0021", "2016-01-*", ("every day",)),
        ("bf1c", "2013-12-31", ()),
        ("a115e917", "2015-07-09T21:33", ("invalid",)),
        ("2195e917", "2015-07-09T21:33", ("summer time",)),
        ("2135e917", "2015-07-09T21:33", ("century 20xx",)),
        ("3f15e917", "2015-07-09T21:*", ("every minute",)),
        ("211fe917", "2015-07-09T*:33", ("every hour",)),
        ("211ae91d", "2015-13-09T26:33", ("out of range",)),
        ("3b300b", "11:48:59", ()),
        ("3f3f1f", "*:*:*", ("every hour", "every minute", "every second")),
        ("ffffff", "*:*:*", ("invalid", "every hour", "every minute", "every second")),
        ("404708ac2a40", "2021-10-12T08:07:00", ("summer time", "deviation +1 h")),
        ("008708e0f000", "*-*-*T08:07:00", ("invalid", "every year", "every month", "every day")),
    ],
)
def test_flags_of_moments(octets: str, text: str | None, flags: tuple[str, ...]) -> None:
    moment = Moment.from_octets(bytes.fromhex(octets))
    assert (moment.isoformat(), moment.flags) == (text, flags)


def test_a_year_without_a_century_is_of_1981_to_2080() -> None:
    assert Moment.of("G", date(1981, 5, 6)).year == 1981
    assert Moment.of("G", date(2080, 5, 6)).year == 2080
    # Type F with the century 0 and the year 14 means 2014, as devices write it; with 99 it is 1999.
    assert Moment.from_octets(bytes.fromhex("0000c115")).year == 2014
    assert Moment.from_octets(bytes.fromhex("000061c1")).year == 1999


@pytest.mark.parametrize(
    ("kind", "moment"),
    [
        ("G", date(2081, 1, 1)),
        ("G", time(1, 2)),
        ("J", date(2024, 1, 1)),
        ("F", datetime(2300, 1, 1)),
        ("F", date(2024, 1, 1)),
        ("M", datetime(2024, 1, 1)),
    ],
)
def test_what_a_type_cannot_say_is_refused(kind: str, moment: datetime | date | time) -> None:
    with pytest.raises(EncodeError):
        Moment.of(kind, moment)


def test_a_moment_has_one_of_four_sizes() -> None:
    with pytest.raises(DecodeError):
        Moment.from_octets(bytes(5))


def test_type_f_goes_beyond_the_century() -> None:
    moment = datetime(2099, 12, 31, 23, 59)
    assert Moment.of("F", moment).to_datetime() == moment
    assert Moment.of("F", moment + timedelta(minutes=1)).to_datetime() == datetime(2100, 1, 1)


@pytest.mark.parametrize(
    ("text", "kind"),
    [("026c 2c15", "G"), ("036d 000000", "J"), ("046d 00000000", "F"), ("066d 000000000000", "I"), ("0d6d e0", "M")],
)
def test_the_size_of_the_data_names_the_type_of_a_moment(text: str, kind: str) -> None:
    assert only(text).json()["type"] == kind


def test_daylight_saving_and_listening_window_keep_their_octets() -> None:
    record = only("04fd72 01020304").json()
    assert (record["type"], record["value"]) == ("K", "01020304")
    assert only("06fd73 010203040506").raw == bytes.fromhex("010203040506")


def test_a_field_without_data_takes_none() -> None:
    assert values.encode(DataField.NO_DATA, Kind.SIGNED, None) == b""
    with pytest.raises(EncodeError):
        values.encode(DataField.INTEGER_8, Kind.SIGNED, None)
