"""Published telegrams in clear: the values of public implementations, and where those are wrong, why."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from cosem.mbus.fixed import FixedData
from cosem.mbus.moments import Moment
from cosem.mbus.record import Record, RecordError, decode_records, encode_records
from cosem.mbus.reports import ApplicationError
from support.mbus_peers import disagreement, wired_payload, wireless_payload
from support.vectors import load

CASES = load("mbus.jsonl")
LIBMBUS = [case for case in CASES if case["source"] == "libmbus" and case["link"] == "wired"]
VALUES = [case for case in LIBMBUS if case["expected_kind"] == "values"]
MUST_FAIL = [case for case in LIBMBUS if case["expected_kind"] == "must-fail" and case["payload_state"] == "clear"]
REPORTS = [case for case in LIBMBUS if case["expected_kind"] == "error-report"]
WIRELESS = [
    case
    for case in CASES
    if case["source"] == "m-bus-parser"
    and case["expected_kind"] == "values"
    and case["payload_state"] in ("clear", "predecrypted")
]

pytestmark = pytest.mark.skipif(not CASES, reason="the published telegrams are not here")

EXPLAINED: dict[str, Callable[[Record, str], bool]] = {
    "FFFFh and month 0 are no date; the peer writes a month 00": lambda record, text: (
        isinstance(record.raw, Moment) and record.raw.no_date and "-00-00" in text
    ),
    "a clock that says it is invalid keeps its time; the peer writes 1900-01-00": lambda record, text: (
        isinstance(record.raw, Moment) and record.raw.invalid and text.startswith("1900-01-00")
    ),
    "the year 127 is every year; the peer writes 2027": lambda record, text: (
        isinstance(record.raw, Moment) and "every year" in record.raw.flags and text.startswith("2027")
    ),
    "the VIFE says the value is a moment; the peer writes its octets as a number": lambda record, text: (
        isinstance(record.raw, Moment) and bool(record.vib.qualifiers) and text.isdecimal()
    ),
    "a VIFE behind a plain text scales the value; the peer leaves it out": lambda record, text: (
        record.vib.octets[0] == 0xFC and record.raw == int(text)
    ),
    "BCD with letters is no number; the peer writes the letters": lambda record, text: (
        record.raw is None and record.invalid and record.data[::-1].hex().upper() == text
    ),
    "LVAR F0h is a binary number; the peer writes its octets": lambda record, text: (
        record.data[:1] == b"\xf0" and record.data[:0:-1].hex(" ").upper() == text
    ),
}
"""Why a public implementation says something else: true where that is what happened."""


def name_of(case: dict[str, Any]) -> str:
    return str(case["file"]).rsplit("/", 1)[-1]


def records_said(case: dict[str, Any]) -> list[dict[str, Any]]:
    said = case["expected"]["xml"]["DataRecord"]
    said = [said] if isinstance(said, dict) else said
    return [item for item in said if item["Function"] not in ("Manufacturer specific", "More records follow")]


@pytest.mark.parametrize("case", VALUES, ids=name_of)
def test_a_wired_telegram_gives_the_published_values(case: dict[str, Any]) -> None:
    payload = wired_payload(bytes.fromhex(case["hex"]))
    if payload is None:
        found = FixedData.from_octets(bytes.fromhex(case["hex"])[7:-2])
        assert found.identification_number == case["expected"]["xml"]["SlaveInformation"]["Id"]
        assert [str(counter.raw) for counter in found.counters] == [item["Value"] for item in records_said(case)]
        return
    found = decode_records(payload)
    assert encode_records(found) == payload
    said = records_said(case)
    if "Unit" not in case["expected"]["xml"]["DataRecord"][-1]:
        assert found.end is not None
    assert len(found.records) == len(said)
    for record, item in zip(found.records, said, strict=True):
        different = disagreement(record, item)
        if different:
            reasons = [why for why, holds in EXPLAINED.items() if _holds(holds, record, item["Value"])]
            assert reasons, f"{different}: {record.json()} is not {item}"


def _holds(holds: Callable[[Record, str], bool], record: Record, text: str) -> bool:
    try:
        return holds(record, text)
    except ValueError:
        return False


@pytest.mark.parametrize("case", MUST_FAIL, ids=name_of)
def test_what_must_fail_fails_with_the_declared_error(case: dict[str, Any]) -> None:
    payload = wired_payload(bytes.fromhex(case["hex"]))
    if name_of(case).startswith("too_short_header"):
        return
    assert payload is not None
    with pytest.raises(RecordError) as caught:
        decode_records(payload)
    assert caught.value.before.records


@pytest.mark.parametrize("case", REPORTS, ids=name_of)
def test_application_errors_are_the_published_ones(case: dict[str, Any]) -> None:
    error = ApplicationError.from_octets(bytes.fromhex(case["hex"])[7:-2])
    said = str(case["expected"]["xml"]["SlaveInformation"]["Error"]).lower()
    assert error.words.lower().split()[:2] == said.replace("application busy", "application too").split()[:2]


WRONG = {
    "234433300602010014007A8E": "a subunit bit of a DIFE is taken for a storage number",
    "3E44A5119035246141047A1A": "digits are changed around, and a minus in BCD and a record error are left out",
    "4E4401061010101002027A00": "kWh are written as Wh with another power of ten",
    "6E4401062020202005077A9A": "the values are behind DIF 0Fh, where only the manufacturer knows them",
    "4E4401062020202105077A13": "the values are behind DIF 0Fh, where only the manufacturer knows them",
    "4E4401062020202205077A4B": "the values are behind DIF 0Fh, where only the manufacturer knows them",
    "4E4401062020202305077A9D": "the values are behind DIF 0Fh, where only the manufacturer knows them",
    "5E44B6105843250000027A2A": "kWh are written as Wh with another power of ten",
    "8E44B409747372710B0D7A79": "MJ are written as kJ",
}
"""Telegrams of which a public implementation expects something else, with the reason."""


@pytest.mark.parametrize("case", WIRELESS, ids=lambda case: case["hex"][:24])
def test_a_wireless_telegram_gives_the_published_values(case: dict[str, Any]) -> None:
    payload = wireless_payload(bytes.fromhex(case["hex"]))
    if payload is None or case["hex"][:24] in WRONG:
        pytest.skip(WRONG.get(case["hex"][:24], "no records behind this CI"))
    try:
        records = decode_records(payload).records
    except RecordError as error:
        # One telegram ends within its last record; the peer gives what stands before.
        records = error.before.records
    numbers = {(record.value, record.storage, record.function.words) for record in records if _is_number(record)}
    for item in case["expected"]["data_records"]:
        value = Decimal(str(item["value"])).scaleb(item.get("exponent", 0))
        scaled = value * 1000 if item["unit"] in ("kWh", "kJ") else value
        assert (scaled, item["storage_number"], item["function"].lower()) in numbers


def _is_number(record: Record) -> bool:
    return isinstance(record.value, Decimal)
