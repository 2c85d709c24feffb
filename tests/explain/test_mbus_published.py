"""Published M-Bus telegrams through what the command line does: every value, every refusal, and back to octets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from cosem.errors import DecodeError, KeyMissing, SecurityError
from cosem.explain.mbus import explain_mbus, keyring_of, no_keys, one_key
from cosem.explain.mbus_document import MBusExplanation
from cosem.explain.mbus_octets import rows
from cosem.mbus.record import Record, encode_records
from cosem.mbus.telegram import State, decode, encode, keys_of_one
from support.mbus_peers import disagreement
from support.vectors import load

CASES = [case for case in load("mbus.jsonl") if case["link"] != "apl-only" and len(case["hex"]) % 2 == 0]
DIFFERENCES = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "data" / "mbus_differences.jsonl").read_text("utf-8").splitlines()
]
"""Where a public implementation says something else: the telegram by its digest, both values, and the reason."""
LISTED = {(item["telegram"], item["what"], item["ours"], item.get("peer")) for item in DIFFERENCES}

pytestmark = pytest.mark.skipif(not CASES, reason="the published telegrams are not here")


def of(*kinds: str, source: str = "") -> list[dict[str, Any]]:
    return [case for case in CASES if case["expected_kind"] in kinds and case["source"].startswith(source)]


def digest(case: dict[str, Any]) -> str:
    return sha256(bytes.fromhex(case["hex"])).hexdigest()[:16]


def explained(case: dict[str, Any]) -> MBusExplanation:
    key = bytes.fromhex(case["key"]) if case.get("key") else None
    return explain_mbus(
        case["hex"],
        keys=no_keys if key is None else one_key(key),
        already_decrypted="predecrypted" in case["payload_state"],
        keyring=None if key is None else keyring_of(key),
    )


def differences(case: dict[str, Any]) -> Iterator[tuple[str, str, Any, Any]]:
    """Yield what is not as published: telegram, what, ours, theirs."""
    answer = explained(case)
    document = answer.to_json()
    if "frames" in document:
        document = document["frames"][0]
    found = _wired(case, answer, document) if case["source"] == "libmbus" else _wireless(case, answer, document)
    for what, ours, theirs in found:
        yield digest(case), what, ours, theirs
    if answer.error is not None:
        yield digest(case), "error", answer.error.what, None


def _wired(case: dict[str, Any], answer: MBusExplanation, document: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    said, header = case["expected"]["xml"]["SlaveInformation"], document["header"]
    if said["Id"].zfill(8).upper() != header["identification"]:
        yield "identification", header["identification"], said["Id"]
    for theirs, ours in (("Manufacturer", "manufacturer"), ("Version", "version"), ("AccessNumber", "access_number")):
        if said.get(theirs) and header[ours] is not None and str(header[ours]) != said[theirs]:
            yield ours, header[ours], said[theirs]
    items = case["expected"]["xml"]["DataRecord"]
    items = [items] if isinstance(items, dict) else items
    items = [item for item in items if item["Function"] not in ("Manufacturer specific", "More records follow")]
    if len(items) != len(document["records"]):
        yield "records", len(document["records"]), len(items)
    if answer.frames[0].fixed is not None:
        for number, (counter, item) in enumerate(zip(answer.frames[0].fixed.counters, items, strict=True)):
            if str(counter.raw) != item["Value"]:
                yield f"record {number}", counter.raw, item["Value"]
        return
    for number, (record, item) in enumerate(zip(answer.frames[0].records.records, items, strict=True)):
        if disagreement(record, item):
            yield f"record {number}", document["records"][number]["value"], item["Value"]


def _wireless(
    case: dict[str, Any], answer: MBusExplanation, document: dict[str, Any]
) -> Iterator[tuple[str, Any, Any]]:
    said, header = case["expected"], document["header"]
    if f"{said['identification_number']:08d}" != header["identification"]:
        yield "identification", header["identification"], said["identification_number"]
    for name in ("manufacturer", "version", "access_number", "status"):
        if header[name] != said[name]:
            yield name, header[name], said[name]
    numbers = {_number(record) for record in answer.frames[0].records.records if isinstance(record.value, Decimal)}
    for item in said["data_records"]:
        exact = Decimal(str(item["value"])).scaleb(item.get("exponent", 0))
        scaled = exact * 1000 if item["unit"] in ("kWh", "kJ") else exact
        if (scaled, item["storage_number"], item["function"].lower()) not in numbers:
            yield "value", None, f"{item['value']}e{item.get('exponent', 0)} {item['unit']}"


def _number(record: Record) -> tuple[Any, int, str]:
    return record.value, record.storage, record.function.words


def test_every_published_value_is_ours_or_listed_with_the_reason() -> None:
    cases = of("values", source="libmbus") + of("values", source="m-bus-parser")
    assert len(cases) > 90
    found = {difference for case in cases for difference in differences(case)}
    assert found == LISTED
    assert all(item["why"] for item in DIFFERENCES)


@pytest.mark.parametrize("case", of("must-fail"), ids=digest)
def test_what_must_fail_fails_with_one_declared_error(case: dict[str, Any]) -> None:
    document = explained(case).to_json()
    assert set(document["error"]) == {"what", "offset", "layer"}
    assert 0 <= document["error"]["offset"] <= len(case["hex"]) // 2


@pytest.mark.parametrize("case", of("error-report"), ids=digest)
def test_reports_of_errors_are_reports(case: dict[str, Any]) -> None:
    answer = explained(case)
    said = case["expected"]["xml"]["SlaveInformation"]["Error"].lower()
    words = answer.to_json()["application_error"]["words"]
    assert answer.ok
    assert words.lower().split()[:2] == said.replace("application busy", "application too").split()[:2]


def test_keys_open_what_is_protected() -> None:
    opened = [case for case in CASES if case.get("key") and case["payload_state"].startswith("encrypted")]
    assert len(opened) >= 6
    for case in opened:
        (frame,) = explained(case).frames
        assert frame.telegram is not None
        assert frame.telegram.verified
        wrong = explain_mbus(case["hex"], keys=one_key(bytes(16)))
        assert not wrong.ok
        assert case["key"].lower() not in json.dumps(wrong.to_json(octets=True))
        shut = explain_mbus(case["hex"])
        assert shut.ok
        assert shut.frames[0].sealed


def test_a_push_of_a_customer_port_is_put_together_and_opened() -> None:
    first, last = of("values", "setup-for-next-telegram", source="dlms_parser")[-2:]
    key = bytes.fromhex(first["key"])
    answer = explain_mbus([*_items(first), *_items(last)], keyring=keyring_of(key))
    document = answer.to_json()["frames"][-1]
    assert answer.ok
    assert [layer["layer"] for layer in document["layers"]] == ["general-glo-ciphering", "data-notification"]
    assert document["value"]["structure"]


def _items(case: dict[str, Any]) -> list[Any]:
    frame = explain_mbus(case["hex"]).frames[0]
    assert frame.received is not None
    return [frame.received]


@pytest.mark.parametrize("case", CASES, ids=digest)
def test_every_octet_has_a_row_and_canonical_telegrams_come_back(case: dict[str, Any]) -> None:
    answer = explained(case)
    for frame in answer.frames:
        covered = {octet for row in rows(frame) for octet in range(row.offset, row.offset + row.length)}
        assert covered == set(range(len(frame.frame)))
    octets = bytes.fromhex(case["hex"])
    keys = keys_of_one(octets, bytes.fromhex(case["key"])) if _protected(answer, case) else None
    try:
        telegram = decode(octets, keys=keys, already_decrypted="predecrypted" in case["payload_state"])
    except (DecodeError, SecurityError, KeyMissing):
        assert not answer.ok or answer.frames[0].sealed or len(answer.frames) > 1
        return
    assert encode(telegram, keys=keys) == octets
    records = answer.frames[0].records
    if records.records and answer.error is None and telegram.state is not State.SEALED and len(answer.frames) == 1:
        assert encode_records(records) == telegram.application


def _protected(answer: MBusExplanation, case: dict[str, Any]) -> bool:
    telegram = answer.frames[0].telegram
    return bool(case.get("key")) and telegram is not None and telegram.state is State.OPENED
