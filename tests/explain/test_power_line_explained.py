"""Power line frames in explanations: MAC, LLC, CIASE and APDUs by their names, and what is wrong told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.explain import explain
from cosem.explain.text import render
from cosem.plc import ciase, llc, mac_frame
from cosem.plc.ciase import ClearAlarm, SystemAlarm
from cosem.plc.llc import LlcData
from cosem.plc.mac_frame import Credits, MacFrame
from cosem.plc.phy import build_slots
from support.power_line import frames

INSIDE = {
    "90": ["sfsk-llc"],
    "7e": ["hdlc"],
}
CIASE = {
    "19": "ping-request",
    "1a": "ping-response",
    "1c": "register",
    "1d": "discover",
    "1e": "discover-report",
    "1f": "repeater-call",
}
GET = bytes.fromhex("c001c100080000010000ff0200")
ANSWER = bytes.fromhex("c401c10006000016dc")


def mac(m_sdu: bytes, *credits: int) -> bytes:
    return mac_frame.build(MacFrame(0xC00, 0x101, Credits(*credits), m_sdu))


def layers(octets: bytes) -> list[dict[str, Any]]:
    answer = explain(octets).to_json()
    assert "error" not in answer, answer
    found: list[dict[str, Any]] = answer["layers"]
    return found


@pytest.mark.parametrize("case", frames("line") + frames("modem"), ids=lambda case: f"{case['form']} {case['what']}")
def test_frames_of_others(case: dict[str, Any]) -> None:
    answer = explain(bytes.fromhex(case["octets"])).to_json()
    outer, inner = answer["layers"][0], answer["layers"][1:]
    assert outer["layer"] == "sfsk-mac"
    assert (outer["SA"], outer["DA"]) == (f"{case['source']:03X}", f"{case['destination']:03X}")
    assert list(outer["credits"].values()) == case["credits"]
    assert (outer["pad"], outer["m_sdu"]) == (case["filled_up"], case["sdu"])
    assert outer["NS"] == case.get("slots", 1)
    assert outer["length"] == len(case["octets"]) // 2
    names = [layer["layer"] for layer in inner]
    assert names[: len(INSIDE[case["sdu"][:2]])] == INSIDE[case["sdu"][:2]]
    assert inner[0]["offset"] == (7 if case["form"] == "line" else 8)
    if case["what"].startswith("boundary") or case["what"] == "3sub":
        # Octets that count up are no APDU.
        assert answer["error"]["layer"] == "apdu"
        return
    assert "error" not in answer
    for tag, name in CIASE.items():
        if case["sdu"][6:8] == tag and case["sdu"].startswith("90"):
            assert (names[-1], inner[-1]["pdu"]) == ("ciase", name)


def test_management_over_hdlc_by_itself() -> None:
    case = next(case for case in frames("line") if case["what"] == "discover")
    outer, header, pdu = layers(bytes.fromhex(case["sdu"]))
    assert [outer["layer"], header["layer"], pdu["layer"]] == ["hdlc", "llc", "ciase"]
    assert pdu["response_probability"] == 100
    assert pdu["allowed_time_slots"] == 20


def test_a_register_in_fields() -> None:
    case = next(case for case in frames("modem") if case["what"] == "register")
    pdu = layers(bytes.fromhex(case["octets"]))[-1]
    assert pdu["active_initiator"] == "5800000000c1"
    assert pdu["new_systems"] == [{"system_title": "580000000001", "mac_address": "101"}]


def test_an_alarm_that_is_cleared() -> None:
    pdu = ciase.build(ClearAlarm(systems=(SystemAlarm(b"abcdef", 0x82),)))
    found = layers(mac(llc.build(LlcData(0, 1, pdu))))[-1]
    assert found["systems"] == [{"system_title": b"abcdef".hex(), "alarm_descriptor": 0x82}]


def test_an_apdu_and_its_value() -> None:
    answer = explain(mac(llc.build(LlcData(16, 1, ANSWER)), 2, 1, 1)).to_json()
    assert [layer["layer"] for layer in answer["layers"]] == ["sfsk-mac", "sfsk-llc", "get-response-normal"]
    assert answer["layers"][0]["credits"] == {"IC": 2, "CC": 1, "DC": 1}
    assert answer["value"] == {"double-long-unsigned": 5852}
    assert answer["layers"][2]["offset"] == 3


@given(st.integers(1, 239), st.booleans())
def test_slots_and_several_frames(size: int, slots: bool) -> None:
    whole = mac(b"\x90\x01\x10" + GET) + mac(llc.build(LlcData(0, 1, bytes.fromhex("1d64000a0000"))))
    if slots:
        whole = b"".join(build_slots(whole[:36]) + build_slots(whole[36:]))
    answer = explain(whole).to_json()
    assert "error" not in answer
    names = [[layer["layer"] for layer in frame["layers"]] for frame in answer["frames"]]
    around = ["sfsk-phy"] if slots else []
    assert names == [
        [*around, "sfsk-mac", "sfsk-llc", "get-request-normal"],
        [*around, "sfsk-mac", "sfsk-llc", "ciase"],
    ]
    long = mac(b"\x90\x01\x10" + ANSWER[:4] + b"\x09\x81" + bytes((size - 7,)) + bytes(size - 7)) if size > 7 else b""
    if long:
        found = layers(b"".join(build_slots(long)))
        assert found[0]["slots"] == found[1]["NS"] == len(long) // 36


def test_blocks_over_several_frames_are_joined() -> None:
    parts = (ANSWER[:4], ANSWER[4:])
    blocks = [
        bytes((0xE0, 0x80 if number == 2 else 0, 0, number, 0, 0, len(part))) + part
        for number, part in enumerate(parts, 1)
    ]
    answer = explain(b"".join(mac(b"\x90\x10\x01" + block) for block in blocks)).to_json()
    assert "error" not in answer
    assert answer["frames"][1]["value"] == {"double-long-unsigned": 5852}


@pytest.mark.parametrize(
    ("octets", "what", "layer"),
    [
        (mac(b"\x90\x01\x10" + GET)[:-1] + b"\x00", "check sequence", "sfsk-mac"),
        (mac(b"\x90\x01\x10" + GET)[:-9], "36 octets", "sfsk-mac"),
        (mac(b"\x91\x01\x10" + GET), "control 91", "sfsk-llc"),
        (mac(b"\x90\x00\x01\x1d\x64"), "cut short", "ciase"),
        (mac(b"\x7e\xa0\x07\x03\x21\x93\x0f\x02\x7e"), "check sequence", "hdlc"),
        (build_slots(mac(b"\x90\x01\x10" + GET))[0][:-2], "43 octets", "sfsk-mac"),
        (b"\x02\x11\x50" + bytes(35), "padding", "sfsk-mac"),
        (bytes(36), "number of subframes", "sfsk-mac"),
        (b"", "no frame", "sfsk-mac"),
    ],
)
def test_what_is_wrong_is_told(octets: bytes, what: str, layer: str) -> None:
    answer = explain(octets, kind="sfsk-mac")
    assert not answer.ok
    error = answer.to_json()["error"]
    assert what in error["what"]
    assert error["layer"] == layer
    assert 0 <= error["offset"] <= len(octets)


@given(st.binary(max_size=100), st.sampled_from([b"", b"\x6c\x6c", b"\xaa\xaa\x54\xc7", b"\x02\x11\x50"]))
def test_any_octets_are_explained_or_refused(octets: bytes, head: bytes) -> None:
    answer = explain(head + octets, kind="sfsk-mac")
    assert list(render(answer))
    assert answer.ok == ("error" not in answer.to_json())


@given(st.binary(min_size=1, max_size=239))
def test_any_m_sdu_is_explained_or_refused(sdu: bytes) -> None:
    for head in (b"\x90\x00\x01", b"\x90\x01\x10", b"\x7e\xa0\x10"):
        answer = explain(mac(head + sdu))
        assert answer.frames[0].layers[0].name == "sfsk-mac"
        assert list(render(answer))
