"""Real octets in the project's own data file: every layer and value is explained, whole and in pieces."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.explain import KINDS, explain
from cosem.explain.keyring import KeyEntry, Keyring
from cosem.explain.text import render
from cosem.security.keys import Keys

DATA = Path(__file__).parents[1] / "data" / "telegrams.jsonl"
CASES: list[dict[str, Any]] = [json.loads(line) for line in DATA.read_text(encoding="ascii").splitlines()]
OWN_KEYS = Keys(bytes(range(0x10)), bytes(range(0xD0, 0xE0)), dedicated_key=bytes(range(0x10)))


def keyring() -> Keyring:
    """The example keys under which every protected telegram of the file was protected anew."""
    return Keyring((KeyEntry("own", OWN_KEYS, system_title=bytes.fromhex("4d4d4d0000bc614e")),))


def explained(octets: bytes, keys: Keyring | None = None) -> list[dict[str, Any]]:
    answer = explain(octets, keyring=keyring() if keys is None else keys).to_json()
    json.dumps(answer, allow_nan=False)
    return answer.get("frames") or [answer]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_every_layer_and_value_is_explained(case: dict[str, Any]) -> None:
    frames = explained(bytes.fromhex(case["octets"]))
    assert [[layer["layer"] for layer in frame["layers"]] for frame in frames] == case["layers"]
    assert frames[-1]["value"] == case["value"]
    if "verified" in case:
        shown = [layer["verified"] for frame in frames for layer in frame["layers"] if "sc" in layer]
        assert shown == case["verified"]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_people_get_lines_that_cannot_steer_their_terminal(case: dict[str, Any]) -> None:
    for octet_by_octet in (False, True):
        lines = list(render(explain(bytes.fromhex(case["octets"]), keyring=keyring()), octets=octet_by_octet))
        assert lines
        assert all(line.isprintable() for line in lines)


@given(st.sampled_from(CASES), st.data())
def test_a_telegram_cut_anywhere_is_an_error_that_says_where(case: dict[str, Any], data: st.DataObject) -> None:
    octets = bytes.fromhex(case["octets"])
    kind = case["layers"][0][0] if case["layers"][0] else "data"
    kind = kind if kind in KINDS else "apdu"
    cut = octets[: data.draw(st.integers(0, len(octets) - 1))]
    answer = explain(cut, keyring=keyring(), kind=kind)
    if not answer.ok:
        error = answer.to_json()["error"]
        assert error["what"]
        assert 0 <= error["offset"] <= len(cut)


@given(st.binary(max_size=300), st.sampled_from([None, *KINDS]))
def test_any_octets_are_explained_or_refused(octets: bytes, kind: str | None) -> None:
    answer = explain(octets, keyring=keyring(), kind=kind)
    document = answer.to_json()
    assert ("error" in document) is not answer.ok
    json.dumps(document, allow_nan=False)
    assert all(line.isprintable() for line in render(answer, octets=True))


@given(st.sampled_from(CASES), st.data())
def test_altered_telegrams_never_break_the_explainer(case: dict[str, Any], data: st.DataObject) -> None:
    octets = bytearray(bytes.fromhex(case["octets"]))
    for _ in range(data.draw(st.integers(1, 4))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    document = explain(bytes(octets), keyring=keyring()).to_json()
    json.dumps(document, allow_nan=False)


def test_without_keys_nothing_is_claimed() -> None:
    for case in CASES:
        if "verified" not in case:
            continue
        for frame in explained(bytes.fromhex(case["octets"]), Keyring()):
            for layer in frame["layers"]:
                assert layer.get("verified") is None


def test_keys_never_stand_in_an_explanation() -> None:
    secrets = [OWN_KEYS.authentication_key, OWN_KEYS.global_unicast_encryption_key]
    for case in CASES:
        if "00010203040506070809" in case["octets"] or "d0d1d2d3" in case["octets"]:
            continue
        text = json.dumps(explained(bytes.fromhex(case["octets"])))
        assert all(secret is not None and secret.hex() not in text for secret in secrets)
