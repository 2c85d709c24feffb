"""Gateway prefixes and M-Bus frames in explanations: layers by their names, pieces joined, what is wrong told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.explain import explain
from cosem.link import gateway, wrapper
from cosem.link.base import Address
from cosem.link.gateway import Prefix
from cosem.link.hdlc.link import HdlcLink
from cosem.link.mbus_frame import build, segment

ANSWER = bytes.fromhex("c401c1000600001" + "6dc")
PUSH = bytes.fromhex("0f00000001000201" + "060000" + "16dc")
BEHIND = gateway.build(Prefix(True, 3, b"\x0a\x0b"))
VALUE = {"double-long-unsigned": 5852}
PREFIX = {"layer": "gateway", "direction": "response", "network": 3, "device": "0a0b"}


def hdlc(apdu: bytes) -> bytes:
    link = HdlcLink(server=True)
    link.send(Address(16, 1), apdu, 0.0, confirmed=False)
    return link.take()


@pytest.mark.parametrize(
    ("octets", "around", "offset"),
    [
        (BEHIND + ANSWER, [], 0),
        (wrapper.build(1, 16, BEHIND + ANSWER), ["wrapper"], 8),
        (b"\xe6\xe7\x00" + BEHIND + ANSWER, ["llc"], 3),
        (hdlc(BEHIND + ANSWER), ["hdlc", "llc"], 3),
    ],
)
def test_an_apdu_behind_a_gateway(octets: bytes, around: list[str], offset: int) -> None:
    answer = explain(octets).to_json()
    assert [layer["layer"] for layer in answer["layers"]] == [*around, "gateway", "get-response-normal"]
    assert answer["value"] == VALUE
    layer = answer["layers"][-2]
    assert {key: layer[key] for key in PREFIX} == PREFIX
    assert (layer["offset"], layer["length"], answer["layers"][-1]["offset"]) == (offset, 14, 5)


@pytest.mark.parametrize("octets", [BEHIND[:-1], BEHIND, b"\xe6", wrapper.build(1, 1, BEHIND[:4])])
def test_a_prefix_that_is_cut_short_is_told(octets: bytes) -> None:
    answer = explain(octets)
    assert not answer.ok
    assert "error" in answer.to_json()


def test_another_reading_can_be_asked_for() -> None:
    assert explain(BEHIND + ANSWER, kind="gateway").ok
    assert not explain(ANSWER, kind="gateway").ok
    assert explain(segment(PUSH, 1, 0x67)[0], kind="mbus").ok
    assert not explain(PUSH, kind="mbus").ok


@pytest.mark.parametrize("size", [250, 10, 3])
def test_pieces_in_m_bus_frames_are_joined(size: int) -> None:
    frames = segment(PUSH, 1, 0x67, size=size)
    answer = explain(b"".join(frames)).to_json()
    explained: list[dict[str, Any]] = answer.get("frames") or [answer]
    assert len(explained) == len(frames)
    for number, frame in enumerate(explained):
        link, transport, *inner = frame["layers"]
        last = number == len(frames) - 1
        assert (link["layer"], link["c"], link["a"], link["octets"]) == (
            "mbus-link",
            0x53,
            0xFF,
            len(frames[number]) - 6,
        )
        assert (transport["layer"], transport["block"], transport["last"]) == ("mbus-transport", number, last)
        assert (transport["stsap"], transport["dtsap"], transport["offset"]) == (1, 0x67, 6)
        assert [layer["layer"] for layer in inner] == (["data-notification"] if last else [])
    assert explained[-1]["value"] == {"structure": [VALUE]}


def test_noise_and_missing_pieces_are_told_and_the_rest_is_read() -> None:
    frames = segment(PUSH, 1, 0x67, size=10)
    answer = explain(b"\xe5" + b"".join(frames)).to_json()
    assert (answer["error"]["layer"], answer["error"]["offset"]) == ("mbus-link", 0)
    assert answer["frames"][-1]["value"] == {"structure": [VALUE]}
    for octets in (frames[0], frames[1], frames[1] + frames[0], build(0x53, 1, 0x72, b"\1\2\3")):
        assert not explain(octets).ok
    wrong = bytearray(frames[0])
    wrong[-2] ^= 1
    told = explain(bytes(wrong)).to_json()["error"]
    assert told == {"what": "the checksum is wrong", "offset": len(wrong) - 2, "layer": "mbus-link"}


@given(st.binary(max_size=30).map(lambda octets: b"\x68" + octets) | st.binary(max_size=30).map(lambda o: b"\xe6" + o))
def test_any_octets_are_explained_or_told(octets: bytes) -> None:
    for kind in (None, "mbus", "gateway"):
        answer = explain(octets, kind=kind)
        assert answer.ok or "error" in answer.to_json()
