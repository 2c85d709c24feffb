"""Every published case whose services stand is understood; the score is printed by kind, with what waits."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from cosem.apdu.general import AgreedKey, GeneralCiphering, GeneralSigning
from cosem.pushes.reading import described
from support import vectors

CASES = vectors.load("dlms.jsonl")
BAD = vectors.load("dlms_bad.jsonl")

pytestmark = pytest.mark.skipif(not CASES, reason="the published octets are not beside this checkout")

EXPLAINED_KINDS = (
    "apdu",
    "llc-apdu",
    "wrapper",
    "hdlc-frame",
    "llc-sfsk",
    "push-telegram",
    "axdr-data",
    "session",
    "ecdh",
    "ecdsa",
)
"""What is walked here; gcm, hls and key-wrap are in the tests of security, obis in those of the codes."""


def differences(case: dict[str, Any]) -> list[str]:
    """Return how our explanation departs from the published one."""
    kind, expected = case["kind"], case["expected"]
    if kind == "session":
        return session_differences(case)
    if kind in ("ecdh", "ecdsa"):
        return structure_differences(expected)
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
    elif "rows" in expected:
        head = {key: expected[key] for key in ("service", "long_invoke", "date_time")}
        problems += vectors.apdu_differences(layers, head)
        rows = [{**row, "attribute": row["attribute"]} for row in expected["rows"]]
        problems += vectors.contains(frames[-1]["readings"], rows, "rows")
        problems += vectors.contains(frames[-1]["value"]["structure"][0], expected["header_enum"], "header")
    elif "plain_text" in expected:
        problems += vectors.contains(frames[-1]["value"], {"visible-string": expected["plain_text"]}, "text")
        problems += vectors.contains(layers[0]["sc"], expected["sc"], "sc")
        problems += vectors.contains(layers[-1]["crc_ok"], expected["p1_crc_ok"], "check sum")
    elif "service" in expected:
        problems += vectors.apdu_differences(layers, expected)
    if "untyped" in str(expected.get("quirk")):
        problems += vectors.contains(layers[-1].get("tolerances"), ["untyped_descriptors"], "tolerances")
    elif "quirk" in expected and "date-time" in expected["quirk"]:
        problems += vectors.contains(layers[-1].get("tolerances"), ["tagged_date_time"], "tolerances")
    return problems


OCTETS = {"P-256": 32, "P-384": 48}
"""Octets of a coordinate, and of a number below the order, by curve."""


def structure_differences(expected: dict[str, Any]) -> list[str]:
    """Check what carries keys and signatures; the cryptography itself comes later.

    Numbers and points have the length of their curve, and go through the fields of general-ciphering and
    general-signing that will carry them.
    """
    size = OCTETS[expected["curve"]]
    problems: list[str] = []
    for name, text in expected.items():
        parts = 1 if name.endswith("private") or name in ("private_key", "Z") else 2
        if name in ("Z", "signature_r_s") or name.endswith(("private", "private_key", "public", "public_key")):
            problems += vectors.contains(len(text) // 2, parts * size, name)
    sender, receiver = b"MMM\x00\x00\xbc\x61N", b"MMM\x00\x00\x00\x00\x01"
    content = bytes.fromhex("c001c100080000010000ff0200")
    if "signature_r_s" in expected:
        signature = bytes.fromhex(expected["signature_r_s"])
        signed = GeneralSigning(b"\x01", sender, receiver, b"", b"", content, signature)
        layers = vectors.explained({"hex": signed.encode().hex(), "expected": {}})[-1]["layers"]
        return problems + vectors.contains(layers[0]["signature"], signature.hex(), "signature")
    points = [bytes.fromhex(expected[name]) for name in ("own_public", "peer_public") if name in expected]
    for point in points:
        agreed = GeneralCiphering(b"\x01", sender, receiver, b"", b"", AgreedKey(b"\x01", point), b"\x31" + bytes(40))
        layers = vectors.explained({"hex": agreed.encode().hex(), "expected": {}})[-1]["layers"]
        problems += vectors.contains(point.hex() in json.dumps(layers[0]), True, "ephemeral key")
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


def test_every_verified_case_is_understood(capsys: pytest.CaptureFixture[str]) -> None:
    score: Counter[str] = Counter()
    total: Counter[str] = Counter()
    wrong: list[str] = []
    for case in CASES:
        if case["kind"] not in EXPLAINED_KINDS or not case["verified"]:
            continue
        total[case["kind"]] += 1
        problems = differences(case)
        if problems:
            wrong.append(f"{case['id']}: {problems[0]}")
        else:
            score[case["kind"]] += 1
    with capsys.disabled():
        parts = ", ".join(f"{kind} {score[kind]}/{total[kind]}" for kind in sorted(total))
        print(f"\npublished octets understood: {parts}")
    assert not wrong, "\n".join(wrong[:40])


@pytest.mark.parametrize("case", BAD, ids=[case["id"] for case in BAD])
def test_wrong_octets_are_refused(case: dict[str, Any]) -> None:
    """What decodes, and is refused by the layer above, is judged in the tests of the association."""
    if case["level"] in ("semantic", "crypto") and case["kind"] not in KIND:
        pytest.skip("no octets of a message: see test_published_refusals")
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


QUANTITIES = {
    "active_import_W": ("1.7.0", 1),
    "active_export_W": ("2.7.0", 1),
    "active_import_kWh": ("1.8.0", 1000),
}


def test_layouts_give_what_another_program_reads() -> None:
    """The publisher's own program knows the national lists; where it gives a number, ours is the same."""
    compared: Counter[str] = Counter()
    for case in CASES:
        expected = case["expected"]
        published = expected.get("publisher_reading")
        if case["kind"] != "push-telegram" or not published:
            continue
        country = next((code for word, code in COUNTRIES.items() if word in expected["meter"]), None)
        explanation = vectors.explain(bytes.fromhex(case["hex"]), keyring=vectors.keyring_of(case), country=country)
        named = [reading for frame in explanation.frames for reading in frame.readings(country)]
        if case["id"] in READ_BETTER or not named or not any(published.values()):
            continue
        scaled = {
            str(reading.obis).split(":")[1].removesuffix(".255"): float(reading.quantity.value)
            for reading in named
            if reading.quantity is not None
        }
        for name, (code, factor) in QUANTITIES.items():
            # The publisher's program shows 0 for what it did not find, and keeps an energy from the push before.
            if published[name] and code in scaled:
                assert scaled[code] == pytest.approx(published[name] * factor, rel=1e-3), (case["id"], name)
                compared[name] += 1
        for phase in range(3):
            for name, group in (("U_V", 32), ("I_A", 31)):
                code = f"{group + 20 * phase}.7.0"
                if published[name][phase] and code in scaled and (case["id"], name) not in SCALED_BETTER:
                    assert scaled[code] == pytest.approx(published[name][phase], abs=0.006), (case["id"], name)
                    compared[name] += 1
    assert all(count > 3 for count in compared.values()), compared
    assert len(compared) == 5


COUNTRIES = {"Norway": "NO", "Sweden": "SE", "Denmark": "DK", "Switzerland": "CH", "Austria": "AT", "Slovenia": "SI"}
SCALED_BETTER = {
    ("push-telegram-9abb7e5631", "U_V"): "the publisher takes tenths of a volt for volts: 2322 V",
    ("push-telegram-9abb7e5631", "I_A"): "the publisher takes mA for A: 32 A at 3 W",
}


def test_pushes_name_their_values_as_published() -> None:
    compared = 0
    for case in CASES:
        expected = case["expected"]
        if case["kind"] != "push-telegram" or "readings" not in expected:
            continue
        if not case["verified"] or case["id"] in READ_BETTER:
            continue
        frames = vectors.explain(bytes.fromhex(case["hex"]), keyring=vectors.keyring_of(case)).frames
        value = next(frame.value for frame in reversed(frames) if frame.layers)
        ours = [reading.to_json() for reading in described(value)]
        assert [item["obis"] for item in ours] == [item["obis"] for item in expected["readings"]], case["id"]
        for mine, theirs in zip(ours, expected["readings"], strict=True):
            assert not vectors.contains(mine["value"], theirs["value"], mine["obis"])
            if "scaled" in theirs:
                assert float(mine["scaled"]) == float(theirs["scaled"])
        compared += 1
    assert compared > 30
