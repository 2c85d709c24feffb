"""Records of telegrams from real devices, with the values they must give; and any octets at all."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.codec import data as cosem
from cosem.codec.axdr import encode
from cosem.codec.data import Tag
from cosem.errors import EncodeError
from cosem.mbus import record as module
from cosem.mbus.dib import DataField, Dib, Function
from cosem.mbus.moments import Moment
from cosem.mbus.record import Record, RecordError, Records, decode_records, encode_records
from cosem.times import CosemDateTime
from cosem.units import ScalerUnit, Unit

LINES = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "data" / "mbus_records.jsonl").read_text(encoding="utf-8").splitlines()
]
DEFAULTS = {"storage": 0, "tariff": 0, "subunit": 0, "function": "instantaneous"}
OPTIONAL = ("qualifiers", "flags", "error")


def only(text: str) -> Record:
    records = decode_records(bytes.fromhex(text))
    assert len(records.records) == 1
    return records.records[0]


@pytest.mark.parametrize("line", LINES, ids=lambda line: line["name"])
def test_a_telegram_of_a_real_device_gives_its_values(line: dict[str, Any]) -> None:
    octets = bytes.fromhex(line["octets"])
    found = decode_records(octets)
    assert len(found.records) == len(line["records"])
    for record, expected in zip(found.json(), line["records"], strict=True):
        assert {key: record[key] for key in expected} == expected
        assert {key: record[key] for key in DEFAULTS} == {
            **DEFAULTS,
            **{k: expected[k] for k in DEFAULTS if k in expected},
        }
        assert {key for key in OPTIONAL if record.get(key)} == {key for key in OPTIONAL if key in expected}
    assert found.end == line.get("end")
    assert found.manufacturer_data.hex() == line.get("manufacturer_data", "")
    assert found.more_follows is (line.get("end") == 0x1F)
    assert encode_records(found) == octets


@pytest.mark.parametrize("line", LINES, ids=lambda line: line["name"])
def test_a_record_built_from_what_was_read_has_the_same_octets(line: dict[str, Any]) -> None:
    built = 0
    for record in decode_records(bytes.fromhex(line["octets"])).records:
        if record.raw is None or (record.dib.field is DataField.VARIABLE and isinstance(record.raw, int)):
            continue
        assert Record.of(record.dib, record.vib.octets, record.raw) == record
        dib = record.dib
        assert Dib.of(dib.field, dib.function, dib.storage, dib.tariff, dib.subunit)[1:] == dib[1:]
        built += 1
    assert built or line["name"].startswith("binary")


def test_the_form_of_the_command_line() -> None:
    record = only("041339300000")
    assert record.json() == {
        "quantity": "volume",
        "value": "12.345",
        "unit": "m³",
        "function": "instantaneous",
        "storage": 0,
        "tariff": 0,
        "subunit": 0,
        "dib": "0413",
        "vib": "13",
        "type": "B",
        "data": "39300000",
    }


def test_a_date_is_written_in_iso_8601_with_its_flags() -> None:
    assert only("046da115e917").json()["value"] == "2015-07-09T21:33"
    assert only("046da115e917").json()["flags"] == ["invalid"]
    assert only("426cffff").json()["value"] is None
    assert only("426cffff").json()["flags"] == ["no date"]


def test_storage_tariff_and_subunit_come_from_all_difes() -> None:
    record = only("c48f7113" + "00000000")
    # DIF: storage bit 1; DIFE 8F: storage 15 << 1; DIFE 71: storage 1 << 5, tariff 3 << 2, subunit 1 << 1.
    assert (record.storage, record.tariff, record.subunit) == (1 + 30 + 32, 12, 2)
    assert record.function is Function.INSTANTANEOUS


@pytest.mark.parametrize(("dif", "function"), [("04", 0), ("14", 1), ("24", 2), ("34", 3)])
def test_the_function(dif: str, function: int) -> None:
    assert only(dif + "1300000000").function == function


def test_manufacturer_data_stay_in_the_order_of_the_line() -> None:
    found = decode_records(bytes.fromhex("0413010000000fdeadbeef"))
    assert (found.manufacturer_data.hex(), found.more_follows) == ("deadbeef", False)
    found = decode_records(bytes.fromhex("0413010000001f0102"))
    assert (found.manufacturer_data.hex(), found.more_follows) == ("0102", True)


def test_a_reserved_special_function_ends_the_records_and_loses_nothing() -> None:
    octets = bytes.fromhex("0413010000003f0413")
    found = decode_records(octets)
    assert (len(found.records), found.end, found.manufacturer_data.hex()) == (1, 0x3F, "0413")
    assert encode_records(found) == octets


def test_fillers_are_no_records_and_are_written_where_they_were() -> None:
    octets = bytes.fromhex("2f2f0413010000002f02130200") + b"\x2f" * 3
    found = decode_records(octets)
    assert [record.raw for record in found.records] == [1, 2]
    assert encode_records(found) == octets
    assert encode_records(found.records) == bytes.fromhex("04130100000002130200")


def test_records_are_found_by_their_octets_and_have_a_place() -> None:
    found = decode_records(bytes.fromhex("2f2f0413010000002f021302004c1300000000"))
    assert [at for at, _ in found.placed()] == [2, 9, 13]
    assert found.find(b"\x02", b"\x13") == found.records[1]
    assert found.find(b"\x02", b"\x14") is None
    assert Records((), fillers=(0, 0)).find(b"", b"") is None


def test_global_readout_and_selection_have_no_data() -> None:
    found = decode_records(bytes.fromhex("7f087e0813"))
    assert [(record.quantity, record.value) for record in found.records] == [
        ("global readout", None),
        ("any", None),
        ("volume", None),
    ]
    assert encode_records(found) == bytes.fromhex("7f087e0813")


def test_an_unknown_vife_costs_neither_its_value_nor_the_next_record() -> None:
    found = decode_records(bytes.fromhex("049310010000000413020000000487ef0103000000"))
    assert [str(record.value) for record in found.records[:2]] == ["0.001", "0.002"]
    assert found.records[0].vib.qualifiers == ("VIFE 10h",)
    assert found.records[0].vib.octets.hex() == "9310"


def test_the_third_extension_keeps_what_nobody_knows() -> None:
    record = only("04ef0505000000")
    assert (record.quantity, record.value, record.unit, record.vib.known) == ("unknown", Decimal(5), None, False)
    assert record.octets.hex() == "04ef0505000000"


def test_record_errors_and_actions_share_their_codes() -> None:
    record = only("04931501000000")
    assert record.error == "no data available"
    assert record.json()["error"] == "no data available"
    assert only("04930101000000").action == "add"
    assert only("04930001000000").error is None
    assert only("0413 01000000").action is None


@pytest.mark.parametrize(
    ("text", "offset", "before"),
    [
        ("04130100", 4, 0),  # data cut
        ("021301008b60", 6, 1),  # no VIF
        ("0213010084", 5, 1),  # no DIFE
        ("02130100" + "8b" * 11 + "60", 15, 1),  # eleven DIFEs
        ("04" + "93" * 11 + "01", 12, 0),  # eleven VIFEs
        ("0d13ca01", 2, 0),  # a reserved LVAR
        ("0d13", 2, 0),  # no LVAR
        ("0d130541", 4, 0),  # text cut
        ("047c0541", 2, 0),  # plain text of the VIF cut
        ("04fcf3485225", 4, 0),  # no length that makes sense
    ],
)
def test_what_cannot_be_read_to_its_end_is_one_declared_error(text: str, offset: int, before: int) -> None:
    with pytest.raises(RecordError) as caught:
        decode_records(bytes.fromhex(text))
    assert caught.value.offset == offset
    assert caught.value.path == (f"record {before}",)
    assert len(caught.value.before.records) == before
    assert caught.value.within("telegram", 10).before is caught.value.before  # type: ignore[attr-defined]


DAMAGE = st.tuples(st.integers(0, 255), st.integers(0, 4), st.binary(max_size=4))
"""Where something is missing, how much, and what is there instead."""


def damaged(octets: bytes, damages: list[tuple[int, int, bytes]]) -> bytes:
    for at, missing, instead in damages:
        place = at % (len(octets) + 1)
        octets = octets[:place] + instead + octets[place + missing :]
    return octets


@given(
    st.one_of(
        st.binary(max_size=300),
        st.builds(
            damaged,
            st.sampled_from([bytes.fromhex(line["octets"]) for line in LINES]),
            st.lists(DAMAGE, min_size=1, max_size=5),
        ),
    )
)
def test_any_octets_give_records_or_a_decode_error(octets: bytes) -> None:
    offset = None
    try:
        found = decode_records(octets)
    except RecordError as error:
        offset, found = error.offset, error.before
    if offset is None:
        assert encode_records(found) == octets
    else:
        assert 0 <= offset <= len(octets)
        assert octets.startswith(encode_records(found))
    for record in found.records:
        json.dumps(record.json(), allow_nan=False)
        encode(record.cosem_data())
        record.scaler_unit()
        if record.raw is not None:
            again = Record.of(record.dib, record.vib.octets, record.raw)
            assert repr(again.raw) == repr(record.raw)


HEADERS = st.builds(
    lambda dif, vif: dif + vif,
    st.sampled_from([bytes((field | function << 4,)) for field in range(15) for function in range(4)]),
    st.one_of(
        st.integers(0, 0x7F).filter(lambda vif: vif != 0x7C).map(lambda vif: bytes((vif,))),
        st.tuples(st.sampled_from([0xFB, 0xFD, 0xEF, 0x93, 0x86, 0xED]), st.integers(0, 0x7F)).map(bytes),
        st.tuples(st.sampled_from([0xFB, 0xFD, 0x93]), st.integers(0x80, 0xFF), st.integers(0, 0x7F)).map(bytes),
    ),
)


@given(st.lists(st.tuples(HEADERS, st.binary(min_size=8, max_size=8)), max_size=8))
def test_records_of_every_header_are_read_and_written(parts: list[tuple[bytes, bytes]]) -> None:
    sizes = (0, 1, 2, 3, 4, 4, 6, 8, 0, 1, 2, 3, 4, None, 6)
    octets = b""
    for header, data in parts:
        size = sizes[header[0] & 0x0F]
        octets += header + (b"\xe7" + data[:7] if size is None else data[:size])
    found = decode_records(octets)
    assert len(found.records) == len(parts)
    assert encode_records(found) == octets
    for record in found.records:
        raw = record.raw
        if raw is None or raw != raw or record.dib.field is DataField.VARIABLE:
            continue
        try:
            again = Record.of(record.dib, record.vib.octets, raw)
        except EncodeError:
            pytest.fail(f"{record} cannot be written")
        assert again == record or record.dib.field in range(9, 15)  # -0 in BCD


def test_a_peer_with_ever_new_headers_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_HEADERS", 16)
    module._long_heads.clear()  # what the tests before have met
    for storage in range(100):
        dib = Dib.of(DataField.INTEGER_8, storage=storage)
        octets = dib.octets + b"\x13\x05"
        assert decode_records(octets).records[0].storage == storage
        assert len(module._long_heads) <= 16


# --- COSEM -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "scaler_unit"),
    [
        ("0413 01000000", ScalerUnit(-3, Unit.CUBIC_METRE)),
        ("0493 3e 01000000", ScalerUnit(-3, Unit.CUBIC_METRE_CORRECTED)),
        ("0406 01000000", ScalerUnit(3, Unit.WATT_HOUR)),
        ("040e 01000000", ScalerUnit(6, Unit.JOULE)),
        ("02fd48 0100", ScalerUnit(-1, Unit.VOLT)),
        ("02fd59 0100", ScalerUnit(-3, Unit.AMPERE)),
        ("04fb01 01000000", ScalerUnit(6, Unit.WATT_HOUR)),
        ("04fb18 01000000", ScalerUnit(5, Unit.KILOGRAM)),
        ("04862d 01000000", ScalerUnit(3, Unit.WATT_HOUR_PER_CUBIC_METRE)),
        ("0a5a 0102", ScalerUnit(-1, Unit.DEGREE_CELSIUS)),
        ("026e 0100", ScalerUnit(0, Unit.COUNT)),
        ("049374 01000000", ScalerUnit(-5, Unit.CUBIC_METRE)),
        ("0440 01000000", None),  # m³/min is no m³/h times a power of ten
        ("04fb0c 01000000", None),  # calories
        ("0450 01000000", None),  # kg/h
        ("046d a115e917", None),
        ("04933d 01000000", None),  # not metric
        ("049379 01000000", None),  # an additive constant
        ("02fb68 0010", None),  # counts in 2**-12
    ],
)
def test_scaler_and_unit_of_cosem(text: str, scaler_unit: ScalerUnit | None) -> None:
    record = only(text)
    assert record.scaler_unit() == scaler_unit
    if scaler_unit is not None and isinstance(record.raw, int):
        assert scaler_unit.quantity(record.raw).value == record.value


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("0413 ffffffff", cosem.double_long(-1)),
        ("0213 0500", cosem.double_long(5)),
        ("0613 050000000000", cosem.long64(5)),
        ("0c13 78563412", cosem.double_long_unsigned(12345678)),
        ("0c13 785634f2", cosem.double_long(-2345678)),
        ("0e13 563412907856", cosem.long64_unsigned(567890123456)),
        ("01fd17 ff", cosem.double_long_unsigned(255)),
        ("0dfd11 03 434241", cosem.octet_string(b"ABC")),
        ("0513 0000803f", cosem.float32(1.0)),
        ("0013", cosem.null()),
        ("0d13 e1 ff", cosem.double_long(-1)),
        ("0d13 f0" + "01" * 16, cosem.octet_string(b"\xf0" + b"\x01" * 16)),
    ],
)
def test_the_value_as_a_cosem_register_holds_it(text: str, data: cosem.Data) -> None:
    assert only(text).cosem_data() == data


def test_counters_can_be_unsigned_for_companions_that_want_it() -> None:
    assert only("0413 39300000").cosem_data(unsigned=True) == cosem.double_long_unsigned(12345)
    assert only("0413 ffffffff").cosem_data(unsigned=True) == cosem.double_long(-1)


def test_a_moment_becomes_a_date_time_of_cosem() -> None:
    data = only("046d 2117e917").cosem_data()
    assert data.tag is Tag.OCTET_STRING
    assert CosemDateTime.from_octets(data.value).isoformat() == "2015-07-09T23:33:00"


# --- building ----------------------------------------------------------------------------------------------------


def test_a_record_is_built_from_what_it_says() -> None:
    dib = Dib.of(DataField.BCD_8, Function.MAXIMUM, storage=3, tariff=1)
    record = Record.of(dib, b"\x13", 12345)
    assert decode_records(record.octets) == Records((record,))
    assert (record.value, record.storage, record.tariff, record.function) == (Decimal("12.345"), 3, 1, Function.MAXIMUM)


@pytest.mark.parametrize(
    ("field", "vib", "raw"),
    [
        (DataField.INTEGER_8, "13", 128),
        (DataField.BCD_2, "13", 100),
        (DataField.BCD_2, "13", -10),
        (DataField.INTEGER_16, "13", "text"),
        (DataField.INTEGER_16, "13", 1.5),
        (DataField.INTEGER_16, "6c", Moment("F", bytes(4))),
        (DataField.INTEGER_16, "1313", 1),
        (DataField.INTEGER_16, "93", 1),
        (DataField.INTEGER_16, "", 1),
        (DataField.VARIABLE, "fd11", "€"),
        (DataField.VARIABLE, "fd11", "x" * 192),
        (DataField.VARIABLE, "13", None),
        (DataField.VARIABLE, "13", 1 << 512),
    ],
)
def test_a_value_without_an_encoding_is_refused(field: DataField, vib: str, raw: object) -> None:
    with pytest.raises(EncodeError):
        Record.of(Dib.of(field), bytes.fromhex(vib), raw)  # type: ignore[arg-type]


@given(
    st.sampled_from([field for field in DataField if field is not DataField.SPECIAL]),
    st.sampled_from(Function),
    st.integers(0, (1 << 41) - 1),
    st.integers(0, (1 << 20) - 1),
    st.integers(0, (1 << 10) - 1),
)
def test_a_dib_says_what_it_was_made_of(
    field: DataField, function: Function, storage: int, tariff: int, subunit: int
) -> None:
    dib = Dib.of(field, function, storage, tariff, subunit)
    assert Dib.from_octets(dib.octets) == dib
    assert all(octet & 0x80 for octet in dib.octets[:-1])
    assert not dib.octets[-1] & 0x80


def test_a_dib_that_ten_difes_cannot_say_is_refused() -> None:
    for numbers in ({"storage": 1 << 41}, {"tariff": 1 << 20}, {"subunit": 1 << 10}, {"storage": -1}):
        with pytest.raises(EncodeError):
            Dib.of(DataField.INTEGER_8, **numbers)  # type: ignore[arg-type]
    with pytest.raises(EncodeError):
        Dib.of(DataField.SPECIAL)
