"""Compact frames and profiles: the examples of EN 13757-3, Annexes F and G, and what must be refused."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.errors import DecodeError, EncodeError
from cosem.mbus.compact import (
    UnknownFormat,
    decode_compact,
    decode_format,
    encode_compact,
    encode_format,
    format_signature,
    headers_of,
    split_headers,
)
from cosem.mbus.dib import DataField, Dib
from cosem.mbus.profile import (
    CompactProfile,
    Increment,
    SpacingUnit,
    compact_record,
    compact_series,
    differences,
    load_profiles,
    storage_interval,
)
from cosem.mbus.record import Head, Record, Records, decode_records, encode_records

FULL = bytes.fromhex("0202D20402152E16022A3423")  # 123.4 Wh, 567.8 m³, 901.2 W
COMPACT = bytes.fromhex("313B42A6D2042E163423")
FORMAT = bytes.fromhex("08313B02020215022A")


def records(text: str) -> Records:
    return decode_records(bytes.fromhex(text))


# --- compact frames ----------------------------------------------------------------------------------------------


def test_the_example_of_the_standard_both_ways() -> None:
    full = decode_records(FULL)
    assert [record.value for record in full.records] == [Decimal("123.4"), Decimal("567.8"), Decimal("901.2")]
    assert encode_compact(full) == COMPACT
    assert encode_format(headers_of(full)) == FORMAT
    signature, headers = decode_format(FORMAT)
    assert decode_compact(COMPACT, {signature: headers}) == full


def test_the_format_that_real_water_meters_use() -> None:
    assert format_signature(bytes.fromhex("02ff2004134413615b6167")) == 0xA8ED


def test_a_compact_frame_of_an_unknown_format_says_which() -> None:
    with pytest.raises(UnknownFormat) as caught:
        decode_compact(COMPACT, {})
    assert caught.value.signature == 0x3B31


@pytest.mark.parametrize("at", range(2, len(COMPACT)))
def test_a_damaged_compact_frame_is_refused(at: int) -> None:
    octets = bytearray(COMPACT)
    octets[at] ^= 0x10
    with pytest.raises(DecodeError):
        decode_compact(bytes(octets), {0x3B31: FORMAT[3:]})


@pytest.mark.parametrize("octets", [b"", COMPACT[:3], COMPACT[:-1], COMPACT + b"\0"])
def test_a_compact_frame_of_another_length_is_refused(octets: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_compact(octets, {0x3B31: FORMAT[3:]})


@pytest.mark.parametrize("text", ["", "08", "08313b0202021502", "08313c02020215022a", "05 0000 0213 8f"])
def test_a_format_frame_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(DecodeError):
        decode_format(bytes.fromhex(text))


def test_special_functions_are_no_headers() -> None:
    with pytest.raises(DecodeError):
        split_headers(bytes.fromhex("02130f"))
    with pytest.raises(EncodeError):
        encode_format(b"\x02\x13" * 127)


@given(st.lists(st.tuples(st.sampled_from(["0213", "0c13", "0dfd11", "0493fc01"]), st.integers(0, 9999)), max_size=8))
def test_compact_and_full_frames_say_the_same(parts: list[tuple[str, int]]) -> None:
    made = []
    for header, number in parts:
        (head,) = split_headers(bytes.fromhex(header))
        raw = str(number) if head.size < 0 else number
        made.append(Record.of(head.dib, head.vib.octets, raw))
    headers = headers_of(made)
    assert decode_compact(encode_compact(made), {format_signature(headers): headers}).records == tuple(made)


# --- compact profiles --------------------------------------------------------------------------------------------


def series(text: str) -> list[tuple[int, str, str]]:
    found = records(text)
    (profile,) = (record for record in found.records if record.vib.profile is not None)
    return [
        (point.storage, point.moment.isoformat() if point.moment else "", str(point.value))
        for point in compact_series(profile, found).points
    ]


def test_profile_with_register_numbers() -> None:
    # F.2.6: base of 2010-01-01, tariff 1, monthly, absolute values.
    text = "868081006D0000A0411135" + "8490810003F0490200" + "8D908100831E0A34FEA0860100D0FB0100"
    assert series(text) == [
        (32, "2010-01-01T00:00:00", "150000"),
        (33, "2010-02-01T00:00:00", "100000"),
        (34, "2010-03-01T00:00:00", "130000"),
    ]


def test_profile_of_increments() -> None:
    # F.2.7: hourly, two digits of BCD each.
    assert series("84046D00204111" + "8B0415003012" + "8D04951F056901030211") == [
        (8, "2010-01-01T00:00:00", "12300.0"),
        (9, "2010-01-01T01:00:00", "12300.3"),
        (10, "2010-01-01T02:00:00", "12300.5"),
        (11, "2010-01-01T03:00:00", "12301.6"),
    ]


def test_inverse_profile() -> None:
    # F.2.8: the same values, the youngest first.
    assert series("84046D00234111" + "8B0415163012" + "8D049513056901110203") == [
        (8, "2010-01-01T03:00:00", "12301.6"),
        (9, "2010-01-01T02:00:00", "12300.5"),
        (10, "2010-01-01T01:00:00", "12300.3"),
        (11, "2010-01-01T00:00:00", "12300.0"),
    ]


def test_months_end_where_they_end() -> None:
    # Monthly due dates of a water meter, from the last of December on.
    text = "82046CFF2C" + "8C041300000000" + "8D04931E0E3CFE000000000000000055590000"
    assert series(text) == [
        (8, "2023-12-31T00:00:00", "0.000"),
        (9, "2024-01-31T00:00:00", "0.000"),
        (10, "2024-02-29T00:00:00", "0.000"),
        (11, "2024-03-31T00:00:00", "5.955"),
    ]


def test_after_a_value_that_is_none_differences_tell_nothing() -> None:
    found = series("84046D00204111" + "8B0415003012" + "8D04951F056901030aff"[:-4] + "ff02")
    assert [value for _, _, value in found] == ["12300.0", "12300.3", "None", "None"]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("8B0415003012" + "8D04951F026D01", "elements"),  # of variable length
        ("8B0415003012" + "8D04951F056A01030211", "octets"),  # three octets, elements of two
        ("8B0415003012" + "8D04951F0169", "spacing"),
        ("8D04951F056901030211", "base"),  # nothing to go on from
    ],
)
def test_a_profile_that_makes_no_sense_is_refused(text: str, what: str) -> None:
    with pytest.raises(DecodeError, match=what):
        series(text)


def test_an_absolute_profile_needs_no_base() -> None:
    assert series("8D04951F0422010300") == [(9, "", "0.3")]


def test_a_record_without_a_profile_is_none() -> None:
    found = records("0413010000000d931f00")
    for record in found.records:
        with pytest.raises(DecodeError):
            compact_series(record, found)


@pytest.mark.parametrize(
    ("unit", "spacing", "steps", "expected"),
    [
        (SpacingUnit.MINUTE, 15, 2, datetime(2024, 1, 31, 0, 30)),
        (SpacingUnit.DAY, 1, -31, datetime(2023, 12, 31)),
        (SpacingUnit.DAY, 254, 1, datetime(2024, 2, 29)),
        (SpacingUnit.DAY, 254, -2, datetime(2023, 11, 30)),
        (SpacingUnit.HOUR, 254, 1, datetime(2024, 4, 30)),
        (SpacingUnit.MINUTE, 254, 1, datetime(2024, 7, 31)),
        (SpacingUnit.SECOND, 254, 1, None),
        (SpacingUnit.DAY, 253, 1, None),
        (SpacingUnit.DAY, 0, 1, None),
        (SpacingUnit.DAY, 250, 1_000_000, None),
        (SpacingUnit.DAY, 254, -30_000, None),
    ],
)
def test_spacings(unit: SpacingUnit, spacing: int, steps: int, expected: datetime | None) -> None:
    profile = CompactProfile(Increment.ABSOLUTE, DataField.INTEGER_8, unit, spacing, ())
    assert profile.moment(datetime(2024, 1, 31), steps) == expected


@given(st.binary(max_size=60))
def test_any_octets_are_a_profile_or_a_decode_error(octets: bytes) -> None:
    try:
        profile = CompactProfile.from_octets(octets)
    except DecodeError:
        return
    again = CompactProfile.from_octets(profile.to_octets())
    assert again[:4] == profile[:4]
    assert repr(again.elements) == repr(profile.elements)


@given(
    st.lists(st.integers(-1000, 1000), max_size=20),
    st.sampled_from([Increment.ABSOLUTE, Increment.SIGNED]),
    st.booleans(),
)
def test_values_written_as_differences_come_back(steps: list[int], mode: Increment, inverse: bool) -> None:
    base = Record.of(Dib.of(DataField.INTEGER_32, storage=8), b"\x13", 100_000)
    raws = [100_000 + sum(steps[: n + 1]) for n in range(len(steps))]
    vife = 0x13 if inverse else 0x1F
    elements = differences(raws, 100_000, mode, inverse=inverse)
    profile = CompactProfile(mode, DataField.INTEGER_32, SpacingUnit.HOUR, 1, elements)
    octets = encode_records([base, compact_record(base.head, vife, profile)])
    found = decode_records(octets)
    points = compact_series(found.records[1], found).points
    assert [point.value for point in points] == [Decimal(raw).scaleb(-3) for raw in (100_000, *raws)]
    assert [point.storage for point in points] == list(range(8, 9 + len(raws)))


def test_an_element_that_does_not_fit_is_refused() -> None:
    for field, element in ((DataField.INTEGER_8, 200), (DataField.BCD_2, 100), (DataField.VARIABLE, 1)):
        with pytest.raises(EncodeError):
            CompactProfile(Increment.ABSOLUTE, field, SpacingUnit.DAY, 1, (element,)).to_octets()


def test_no_value_has_a_code_in_every_type() -> None:
    for mode in Increment:
        for field in (DataField.INTEGER_8, DataField.INTEGER_48, DataField.BCD_6, DataField.REAL_32):
            profile = CompactProfile(mode, field, SpacingUnit.DAY, 1, (None, None))
            assert CompactProfile.from_octets(profile.to_octets()) == profile


# --- standard load profiles --------------------------------------------------------------------------------------


def stored(storage: int, volume: int) -> Record:
    return Record.of(Dib.of(DataField.INTEGER_32, storage=storage), b"\x13", volume)


TIME = Head.of(Dib.of(DataField.INTEGER_32, storage=4), b"\x6d")
BASE_TIME = Record(TIME, bytes.fromhex("00204111"))  # 2010-01-01 00:00
INTERVAL = Record.of(Dib.of(DataField.INTEGER_8), b"\xfd\x25", 15)


def test_values_of_a_load_profile_are_told_apart_by_storage_number() -> None:
    items = [BASE_TIME, INTERVAL, stored(6, 30), stored(4, 10), stored(5, 20)]
    interval = storage_interval(items)
    assert interval == timedelta(minutes=15)
    (found,) = load_profiles(items, interval)
    assert [(point.storage, str(point.moment), str(point.value)) for point in found.points] == [
        (4, "2010-01-01 00:00:00", "0.010"),
        (5, "2010-01-01 00:15:00", "0.020"),
        (6, "2010-01-01 00:30:00", "0.030"),
    ]
    (found,) = load_profiles(items, interval, later=False)
    assert str(found.points[-1].moment) == "2009-12-31 23:30:00"


def test_without_an_interval_only_the_times_that_are_sent_are_known() -> None:
    (found,) = load_profiles([BASE_TIME, stored(4, 10), stored(5, 20)])
    assert [point.moment for point in found.points] == [datetime(2010, 1, 1), None]
    assert load_profiles([BASE_TIME, stored(4, 10)]) == ()


def test_a_point_that_is_not_there_yet_has_no_value() -> None:
    absent = Record(Head.of(Dib.of(DataField.INTEGER_32, storage=5), b"\x13"), bytes.fromhex("00000080"))
    assert absent.invalid
    (found,) = load_profiles([BASE_TIME, stored(4, 10), absent])
    assert [str(point.value) for point in found.points] == ["0.010", "None"]


def test_an_interval_in_months_is_none_in_time() -> None:
    assert storage_interval([Record.of(Dib.of(DataField.INTEGER_8), b"\xfd\x28", 1)]) is None
    huge = Record.of(Dib.of(DataField.INTEGER_64), b"\xfd\x27", 1 << 60)
    assert storage_interval([huge]) is None
