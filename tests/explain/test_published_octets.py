"""Every published case whose services stand is understood; the score is printed by kind, with what waits."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from cosem.classes.readings import readings
from support import vectors

CASES = vectors.load("dlms.jsonl")
BAD = vectors.load("dlms_bad.jsonl")

pytestmark = pytest.mark.skipif(not CASES, reason="the published octets are not beside this checkout")

EXPLAINED_KINDS = ("apdu", "llc-apdu", "wrapper", "hdlc-frame", "llc-sfsk", "push-telegram", "axdr-data", "session")


def differences(case: dict[str, Any]) -> list[str]:
    """Return how our explanation departs from the published one."""
    kind, expected = case["kind"], case["expected"]
    if kind == "session":
        return session_differences(case)
    frames = vectors.explained(case)
    last = frames[-1]
    if kind == "axdr-data":
        if "what" in expected:
            return vectors.contains(len(last["value"]["array"]), expected["object_count"], "object count")
        return vectors.contains(last["value"], expected, "value") if "value" in last else [str(last)]
    problems: list[str] = []
    if kind in ("apdu", "llc-apdu"):
        return problems + vectors.apdu_differences(last["layers"], expected)
    if kind == "wrapper":
        wrapper = {"version": expected["version"], "src": expected["src"], "dst": expected["dst"]}
        problems += vectors.contains(last["layers"][0], wrapper, "wrapper")
        return problems + vectors.apdu_differences(last["layers"], expected["apdu"])
    if kind == "llc-sfsk":
        problems += vectors.contains(last["layers"][0], {k: expected[k] for k in ("dsap", "ssap", "control")}, "llc")
        return problems + vectors.apdu_differences(last["layers"], expected["apdu"])
    if kind == "hdlc-frame":
        return hdlc_differences(case, last)
    return push_differences(case, frames)


def hdlc_differences(case: dict[str, Any], frame: dict[str, Any]) -> list[str]:
    """Compare one HDLC frame; what its information field cannot be alone is not asked of it."""
    expected = {k: v for k, v in case["expected"].items() if k not in ("length", "apdu", "apdu_error", "quirk")}
    problems: list[str] = vectors.contains(frame["layers"][0], expected, "hdlc")
    if "apdu" in case["expected"] and "segmented" not in case["tags"]:
        problems += vectors.apdu_differences(frame["layers"], case["expected"]["apdu"])
    return problems


def push_differences(case: dict[str, Any], frames: list[dict[str, Any]]) -> list[str]:
    """Compare a push: its frames, its cipher header, the APDU inside where a key is there."""
    expected = case["expected"]
    problems: list[str] = []
    # Captures may end in noise: that is told as an error of its own, and the frames before it stand.
    frames = [frame for frame in frames if frame["layers"]]
    for ours, theirs in zip(frames, expected.get("frames", frames), strict=True):
        if ours is not theirs:
            problems += vectors.contains(ours["layers"][0], {k: v for k, v in theirs.items() if k != "length"}, "frame")
    for ours, theirs in zip(frames, expected.get("m_bus", []), strict="m_bus" in expected):
        problems += vectors.contains({**ours["layers"][0], **ours["layers"][1]}, theirs, "m-bus")
    layers = frames[-1]["layers"]
    if "ciphering" in expected:
        ciphered = next((layer for layer in layers if "security_control" in layer), {})
        problems += vectors.contains(ciphered, expected["ciphering"], "ciphering")
        if expected.get("plain_hex"):
            problems += vectors.contains(ciphered.get("plain_hex"), expected["plain_hex"], "plain")
    if "apdu" in expected:
        problems += vectors.apdu_differences(layers, expected["apdu"])
    elif "service" in expected and "rows" not in expected:
        problems += vectors.apdu_differences(layers, expected)
    return problems


def session_differences(case: dict[str, Any]) -> list[str]:
    """Explain a recorded session frame by frame; a frame published with a wrong FCS must be refused alone."""
    problems: list[str] = []
    # One keyring for the whole session: titles said in AARQ and AARE open what follows.
    keyring = vectors.keyring_of(case)
    for number, frame in enumerate(case["expected"]["frames"]):
        if "hex" not in frame:
            continue
        ours = vectors.explained(case, bytes.fromhex(frame["hex"]), keyring)[-1]
        decoded = frame.get("decoded")
        if decoded and "frame" in decoded:
            expected = {k: v for k, v in decoded.items() if k not in ("length", "apdu", "apdu_error", "quirk")}
            problems += vectors.contains(ours["layers"][0], expected, f"frame {number}")
        elif decoded and "apdu" in decoded:
            problems += vectors.apdu_differences(ours["layers"], decoded["apdu"])
    if "joined_info" in case["expected"]:
        last = vectors.explained(case)[-1]
        problems += vectors.apdu_differences(last["layers"], case["expected"]["apdu"])
    return problems


def test_every_verified_case_in_reach_is_understood(capsys: pytest.CaptureFixture[str]) -> None:
    score: Counter[str] = Counter()
    total: Counter[str] = Counter()
    waiting: Counter[str] = Counter()
    wrong: list[str] = []
    for case in CASES:
        if case["kind"] not in EXPLAINED_KINDS or not case["verified"]:
            continue
        if (what := vectors.waits(case)) is not None:
            waiting[what] += 1
            continue
        total[case["kind"]] += 1
        problems = differences(case)
        if problems:
            wrong.append(f"{case['id']}: {problems[0]}")
        else:
            score[case["kind"]] += 1
    with capsys.disabled():
        parts = ", ".join(f"{kind} {score[kind]}/{total[kind]}" for kind in sorted(total))
        print(f"\npublished octets understood: {parts}; waiting: {dict(sorted(waiting.items()))}")
    assert not wrong, "\n".join(wrong[:40])


@pytest.mark.parametrize("case", BAD, ids=[case["id"] for case in BAD])
def test_wrong_octets_are_refused(case: dict[str, Any]) -> None:
    if case["level"] not in ("syntax", "either", "incomplete", "stream"):
        pytest.skip(f"level {case['level']} is judged by the layer above")
    answer = vectors.explain(bytes.fromhex(case["hex"]), keyring=vectors.keyring_of(case), kind=KIND[case["kind"]])
    if case["level"] in ("syntax", "incomplete"):
        assert not answer.ok
    vectors.json.dumps(answer.to_json(), allow_nan=False)


KIND = {"hdlc-frame": "hdlc", "m-bus": "mbus", "apdu": "apdu", "wrapper": "wrapper", "axdr-data": "data"}


READ_BETTER = {
    "push-telegram-30d5531a68": "the publisher takes the attribute index of each push object for its value",
    "push-telegram-c5c7a47a4f": "the publisher takes the attribute index of each push object for its value",
}
"""Published readings that are not right, with the reason; ours are checked by hand in the tests of readings."""


def test_pushes_name_their_values_as_published() -> None:
    compared = 0
    for case in CASES:
        expected = case["expected"]
        if case["kind"] != "push-telegram" or "readings" not in expected or vectors.waits(case):
            continue
        if not case["verified"] or case["id"] in READ_BETTER:
            continue
        frames = vectors.explain(bytes.fromhex(case["hex"]), keyring=vectors.keyring_of(case)).frames
        value = next(frame.value for frame in reversed(frames) if frame.layers)
        ours = [reading.to_json() for reading in readings(value)]
        assert [item["obis"] for item in ours] == [item["obis"] for item in expected["readings"]], case["id"]
        for mine, theirs in zip(ours, expected["readings"], strict=True):
            assert not vectors.contains(mine["value"], theirs["value"], mine["obis"])
            if "scaled" in theirs:
                assert float(mine["scaled"]) == float(theirs["scaled"])
        compared += 1
    assert compared > 30
