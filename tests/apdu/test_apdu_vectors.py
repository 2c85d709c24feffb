"""Published APDUs: every field as published, and the same octets again when encoded. Skipped without the vectors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cosem.apdu import Ciphered, parse
from cosem.apdu.errors import ConfirmedServiceError
from cosem.codec import axdr
from cosem.codec.json import to_json
from cosem.conformance_block import Conformance
from cosem.errors import DecodeError

VECTORS = Path(__file__).parents[3] / "shared" / "vectors"
SHOWN = {
    "access-request",
    "general-ciphering",
    "general-signing",
    "information-report-request",
    "read-request",
    "read-response",
    "unconfirmed-write-request",
    "write-response",
}
"""Services whose fields the explanations show under the names of the vectors, and are judged there."""
HEADERS = {"apdu": 0, "llc-apdu": 3, "wrapper": 8}

CONTEXTS = {1: "LN", 2: "SN", 3: "LN-ciphered", 4: "SN-ciphered"}
MECHANISMS = {1: "LLS", 2: "HLS-manufacturer", 5: "HLS-GMAC"}


def lines(name: str) -> list[dict[str, Any]]:
    path = VECTORS / name
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def expected_of(case: dict[str, Any]) -> dict[str, Any]:
    expected: dict[str, Any] = case["expected"]
    return expected["apdu"] if case["kind"] == "wrapper" else expected


def name_of(case: dict[str, Any]) -> str:
    expected = expected_of(case)
    return str(expected.get("service") or expected["apdu"].lower())


CASES = [case for case in lines("dlms.jsonl") if case["kind"] in HEADERS]
BAD = [case for case in lines("dlms_bad.jsonl") if case["kind"] == "apdu"]
FIELDS = [case for case in CASES if name_of(case) not in SHOWN]

pytestmark = pytest.mark.skipif(not CASES, reason="the published octets are not beside this checkout")


def octets_of(case: dict[str, Any]) -> bytes:
    return bytes.fromhex(case["hex"])[HEADERS[case["kind"]] :]


def value(octets: bytes) -> Any:
    def strip(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: strip(inner) for key, inner in item.items() if key != "date_time"}
        return [strip(inner) for inner in item] if isinstance(item, list) else item

    return strip(to_json(axdr.decode(octets)))


def moments_as_octets(item: Any) -> Any:
    if isinstance(item, dict):
        return item["raw"] if "year" in item else {key: moments_as_octets(inner) for key, inner in item.items()}
    return [moments_as_octets(inner) for inner in item] if isinstance(item, list) else item


def target(descriptor: Any, selection: Any = None) -> dict[str, Any]:
    return {
        "class": descriptor[0],
        "obis": str(descriptor[1]),
        type(descriptor)._fields[2]: descriptor[2],
        "access_selection": selection and {"selector": selection.selector, "parameters": value(selection.parameters)},
    }


def item_or_result(item: Any) -> Any:
    return {"data": value(item)} if isinstance(item, bytes) else {"data-access-result": item}


def returned(service: Any) -> Any:
    if service.data is None and service.data_result is None:
        return None
    return item_or_result(service.data_result if service.data is None else service.data)


def protected(content: bytes) -> dict[str, Any]:
    tag = content[-12:] if content[0] & 0x10 else b""
    return {
        "security_control": content[:1].hex(),
        "invocation_counter": int.from_bytes(content[1:5], "big"),
        "text": content[5 : len(content) - len(tag)].hex(),
        "tag": tag.hex(),
    }


def fields(invoke: int | None, service: Any) -> dict[str, Any]:
    """Return a service under the names that the vectors use."""
    found: dict[str, Any] = {"service": service.service, "apdu": service.service.upper()}
    if invoke is not None:
        size = 4 if service.service == "data-notification" else 1
        found["invoke" if size == 1 else "long_invoke"] = invoke.to_bytes(size, "big").hex()
    if isinstance(service, Ciphered):
        return found | protected(service.content)
    for name, item in service._asdict().items():
        if name == "target":
            found |= target(item, getattr(service, "selection", None))
        elif name == "targets":
            pairs = [one if type(one) is tuple else (one,) for one in item]
            found["list"] = [target(*pair) for pair in pairs]
        elif name == "content":
            found |= protected(item)
        elif name in ("date_time", "time"):
            found[name] = item.hex() if item else None
        elif name == "conformance":
            found[name] = list(Conformance(item).names)
        elif name == "block":
            found[name] = {"last": item.last, "number": item.number, "raw": item.raw.hex()}
        elif name in ("values", "parameters"):
            found[name] = [value(one) for one in item]
        elif name == "user_information":
            found[name] = item and fields(*parse(item))
        elif name == "context":
            found[name] = CONTEXTS[item]
        elif name == "mechanism":
            found[name] = item and MECHANISMS[item]
        elif name == "auth_choice":
            found[name] = f"{item:02x}"
        else:
            found[name] = item.hex() if isinstance(item, bytes) else item
    name = service.service
    if "data" in service._fields and service.data is not None:
        found |= dict.fromkeys(("body", "value", "parameters"), value(service.data))
    elif name == "action-request-normal":
        found["parameters"] = None
    if name == "get-response-normal":
        found["result"] = item_or_result(service.result if service.data is None else service.data)
    if name == "get-response-with-datablock":
        found["data-access-result"] = service.result
    if name == "get-response-with-list":
        found["results"] = [item_or_result(item) for item in service.results]
    if name == "action-response-normal":
        found["return"] = returned(service)
    if name == "action-response-with-list":
        found["results"] = [{"result": item.result, "return": returned(item)} for item in service.results]
    if name.startswith("set-response") and "results" in found:
        found["results"] = list(service.results)
    if isinstance(service, ConfirmedServiceError):
        found |= {"of": service.service_name, "error_class": service.error_class_name}
    return found


def judged(expected: dict[str, Any], found: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return the fields that differ: what was expected, what was found."""
    differences = {}
    for name, wanted in moments_as_octets(expected).items():
        if name in ("quirk", "sc", "plain", "plain_hex"):
            continue
        given = found.get(name, "missing")
        if name in ("invoke", "long_invoke"):
            wanted = wanted["raw"]
        if name == "user_information" and wanted and given:
            nested = judged(wanted, given)
            given = nested or wanted
        if name == "list" and given != "missing":
            given = [{key: one[key] for key in of if key in one} for of, one in zip(wanted, given, strict=True)]
        if wanted != given:
            differences[name] = (wanted, given)
    return differences


@pytest.mark.parametrize("case", FIELDS, ids=lambda case: case["id"])
def test_every_field_is_as_published(case: dict[str, Any]) -> None:
    octets = octets_of(case)
    invoke, service = parse(octets)
    assert judged(expected_of(case), fields(invoke, service)) == {}
    assert parse(octets, checked=False) == (invoke, service)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_published_octets_are_encoded_the_same(case: dict[str, Any]) -> None:
    octets = octets_of(case)
    invoke, service = parse(octets)
    again = service.encode(invoke)
    if "quirk" in expected_of(case):
        assert parse(again) == (invoke, service)
    else:
        assert again == octets


@pytest.mark.parametrize("case", BAD, ids=lambda case: case["id"])
def test_bad_octets_are_refused(case: dict[str, Any]) -> None:
    octets = bytes.fromhex(case["hex"])
    if octets[:3] in (b"\xe6\xe6\x00", b"\xe6\xe7\x00"):
        octets = octets[3:]
    if case["level"] == "syntax":
        with pytest.raises(DecodeError):
            parse(octets)
    elif case["level"] == "crypto":
        parse(octets)


def test_most_cases_are_judged_here() -> None:
    assert len(FIELDS) > 200
