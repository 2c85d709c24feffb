"""Readings as people's tools take them: flat JSON with exact numbers, names from the model or from the records."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.errors import DecodeError
from cosem.mbus.ci import HeaderKind
from cosem.mbus.compact import decode_format, encode_compact, encode_format
from cosem.mbus.header import Header
from cosem.mbus.model import Models, models, parse_model
from cosem.mbus.readings import joined, reading, records_of
from cosem.mbus.record import decode_records
from cosem.mbus.telegram import Telegram, decode
from cosem.mbus.wireless import Address

NOW = datetime(2026, 4, 3, 2, 0, tzinfo=timezone(timedelta(hours=2)))
METER = Address.of("KAM", "1234567F", 1, 7)
NONE = Models()
MODEL = parse_model(
    """
name = "kam"
title = "one"
recognised = ["KAM-01-07"]
fields = ["total_m3 0C13", "flow_l 0414", "energy_gj 0E0F", "on_date 026C", "valve 01FD1A", "error_flags 02FD17"]
flags = ["magnet", "battery low"]
status = { 6 = "pipe burst" }
words = { valve = { 0 = "closed", 1 = "open" } }
"""
)


def telegram(application: str, *, status: int = 0, ci: int = 0x7A) -> Telegram:
    header = Header(HeaderKind.SHORT, None, 1, status) if ci in (0x7A, 0x7B) else Header()
    return Telegram.on_air(0x44, METER, ci, bytes.fromhex(application), header)


def values(application: str, known: Models = NONE, **more):
    return dict(reading(telegram(application, **more), known, timestamp=NOW).values)


def test_a_line_is_flat_and_in_the_order_of_the_tools():
    frame = bytes.fromhex("1E44AE4C9956341268077A360010002F2F0413181E0000023B00002F2F2F2F")
    line = reading(decode(frame), models(), timestamp=NOW, name="kitchen", rssi=-71).line()
    assert line == (
        '{"media":"water","meter":"sensus-iperl","name":"kitchen","id":"12345699","total_m3":7.704,'
        '"volume_flow_m3h":0.000,"status":"OK","timestamp":"2026-04-03T00:00:00Z","rssi_dbm":-71}'
    )


@given(number=st.integers(0, 10**12 - 1), name=st.text(max_size=8))
def test_a_number_is_written_with_every_digit_that_was_sent(number, name):
    application = "0E13" + bytes.fromhex(f"{number:012d}")[::-1].hex()
    line = reading(telegram(application), NONE, timestamp=NOW, name=name).line()
    read = json.loads(line, parse_float=Decimal)
    assert read["total_m3"] == Decimal(number).scaleb(-3)
    assert str(read["total_m3"]) in line
    assert read["name"] == name


@given(octets=st.binary(max_size=60))
def test_any_records_give_a_line_of_json_or_the_declared_error(octets):
    for known in (NONE, Models([MODEL])):
        try:
            line = reading(telegram(octets.hex()), known, timestamp=NOW).line()
        except DecodeError:
            continue
        assert "\n" not in line
        assert all(value is None or isinstance(value, (int, float, str)) for value in json.loads(line).values())


def test_a_model_names_what_it_knows_and_leaves_out_the_rest():
    found = values("0C13785634120414E80300000E0F0100000000000B3B00000001FD1A01", Models([MODEL]))
    assert found == {
        "total_m3": Decimal("12345.678"),
        "flow_l": Decimal("10000"),
        "energy_gj": Decimal("0.01"),
        "valve": "open",
        "status": "OK",
    }


def test_what_a_meter_has_no_value_for_is_null():
    assert values("0C13FFFFFFFF026CFFFF", Models([MODEL])) == {"total_m3": None, "on_date": None, "status": "OK"}
    assert values("049315785634120C13FFFFFFFF")["total_m3"] is None


@pytest.mark.parametrize(
    ("status", "flags", "words"),
    [
        (0x00, "0000", "OK"),
        (0x04, "0000", "POWER_LOW"),
        (0x43, "0300", "ABNORMAL_CONDITION_OR_ALARM PIPE_BURST MAGNET BATTERY_LOW"),
        (0x80, "0400", "MANUFACTURER_S_BIT_7 ERROR_FLAG_2"),
    ],
)
def test_status_octet_and_error_flags_are_told_in_words(status, flags, words):
    assert values(f"02FD17{flags}", Models([MODEL]), status=status)["status"] == words


def test_generic_names_say_function_tariff_subunit_storage_and_qualifiers():
    found = values(
        "0C1378563412"  # the total
        "4C1311111111"  # storage 1
        "1C3B22222222"  # maximum
        "8C100644444444"  # tariff 1
        "82402B0100"  # subunit 1
        "04933C05000000"  # backward
        "0C1300000000"  # the total again
        "0AFB1A5706"  # percent
        "02480100"  # m3/s, which has no ending
        "0C7800000042"
    )
    assert found == {
        "total_m3": Decimal("12345.678"),
        "volume_at_1_m3": Decimal("11111.111"),
        "max_volume_flow_m3h": Decimal("22222.222"),
        "energy_tariff_1_kwh": Decimal("44444444"),
        "power_subunit_1_kw": Decimal("0.001"),
        "volume_backward_flow_m3": Decimal("0.005"),
        "total_m3_2": Decimal("0.000"),
        "relative_humidity_pct": Decimal("65.7"),
        "volume_flow_m3_per_s": Decimal("1E-9"),
        "fabrication_number": "42000000",
        "status": "OK",
    }


def test_the_identification_is_shown_as_printed_also_where_it_is_no_number():
    assert reading(telegram("0C1378563412"), NONE, timestamp=NOW).id == "1234567f"
    assert reading(telegram("0C1378563412"), NONE, timestamp=NOW).meter == "unknown"


def test_a_compact_frame_is_read_with_its_format_and_other_content_is_refused():
    records = decode_records(bytes.fromhex("0C1378563412023B0000"))
    formats = dict([decode_format(encode_format(b"\x0c\x13\x02\x3b"))])
    sent = telegram(encode_compact(records).hex(), ci=0x7B)
    found = reading(sent, NONE, timestamp=NOW, records=records_of(sent, formats))
    assert found.values["total_m3"] == Decimal("12345.678")
    with pytest.raises(DecodeError):
        records_of(sent)
    with pytest.raises(DecodeError, match="carries no records"):
        records_of(Telegram.on_air(0x44, METER, 0x71, b"\x01"))


def test_an_answer_in_several_telegrams_is_one_reading():
    parts = [decode_records(bytes.fromhex(text)) for text in ("0C13785634121F", "023B0100")]
    found = reading(telegram(""), NONE, timestamp=NOW, records=joined(parts))
    assert found.values == {"total_m3": Decimal("12345.678"), "volume_flow_m3h": Decimal("0.001"), "status": "OK"}


def test_the_time_is_told_in_utc():
    assert reading(telegram(""), NONE, timestamp=NOW).json()["timestamp"] == "2026-04-03T00:00:00Z"
    assert NOW.astimezone(UTC).hour == 0
