"""Octets and the fields they mean, from our own list: every service, every choice, every quirk, every refusal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cosem.apdu import parse
from cosem.apdu.table import ROWS
from cosem.errors import DecodeError
from cosem.obis import Obis

DATA = Path(__file__).parents[1] / "data"
EXAMPLES = [json.loads(line) for line in (DATA / "apdu_examples.jsonl").read_text().splitlines()]
BAD = [json.loads(line) for line in (DATA / "apdu_bad.jsonl").read_text().splitlines()]


def plain(value: Any) -> Any:
    if isinstance(value, Obis):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return value


@pytest.mark.parametrize("case", EXAMPLES, ids=lambda case: f"{case['service']}-{case['hex'][:24]}")
def test_every_field_is_read(case: dict[str, Any]) -> None:
    octets = bytes.fromhex(case["hex"])
    invoke, service = parse(octets)
    assert service.service == case["service"]
    assert invoke == case["invoke"]
    assert {name: plain(value) for name, value in service._asdict().items()} == case["fields"]
    assert parse(octets, checked=False) == (invoke, service)
    assert parse(bytearray(octets)) == (invoke, service)


@pytest.mark.parametrize("case", EXAMPLES, ids=lambda case: f"{case['service']}-{case['hex'][:24]}")
def test_what_is_sent_is_the_canonical_form(case: dict[str, Any]) -> None:
    octets = bytes.fromhex(case["hex"])
    invoke, service = parse(octets)
    again = service.encode(invoke)
    assert (again == octets) is case["canonical"]
    assert parse(again) == (invoke, service)


@pytest.mark.parametrize("case", EXAMPLES, ids=lambda case: f"{case['service']}-{case['hex'][:24]}")
def test_every_truncation_is_refused(case: dict[str, Any]) -> None:
    octets = bytes.fromhex(case["hex"])
    for length in range(len(octets)):
        if octets[:length] == b"\xd8\x01\x06":
            continue  # an exception-response of before the counter was added
        with pytest.raises(DecodeError):
            parse(octets[:length])


@pytest.mark.parametrize("case", BAD, ids=lambda case: case["why"])
def test_bad_octets_are_refused_where_they_are_bad(case: dict[str, Any]) -> None:
    with pytest.raises(DecodeError) as refused:
        parse(bytes.fromhex(case["hex"]))
    assert (refused.value.offset, list(refused.value.path)) == (case["offset"], case["path"])


def test_the_examples_hold_every_service() -> None:
    wanted = {row.service for row in ROWS if row.name != "Ciphered"}
    assert wanted <= {case["service"] for case in EXAMPLES}
