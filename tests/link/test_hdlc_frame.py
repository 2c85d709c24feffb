"""HDLC frames, addresses, parameters and the splitter: octets there and back, and any octets at all."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cosem.errors import CosemError, DecodeError, IncompleteError
from cosem.link.base import Discarded
from cosem.link.hdlc import parameters as negotiation
from cosem.link.hdlc.frame import MAX_LENGTH, Frame, HdlcAddress, build, check_sequence, parse
from cosem.link.hdlc.parameters import DEFAULT, MAX_INFO, HdlcParameters, checked
from cosem.link.hdlc.splitter import FrameSplitter

DATA = Path(__file__).parents[1] / "data" / "hdlc_frames.jsonl"
SHARED = Path(__file__).parents[3] / "shared" / "vectors"
EXAMPLES = [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines()]


WRONG_AS_PUBLISHED = {("session-wireshark-dlms-blocks", 2)}
"""A frame with a wrong FCS in the published trace: it is refused, the rest goes on."""


def vectors(file: str, *kinds: str) -> list[dict[str, Any]]:
    path = SHARED / file
    if not path.exists():
        return []
    cases = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    return [case for case in cases if case["kind"] in kinds]


def named(cases: list[dict[str, Any]]) -> list[Any]:
    return [pytest.param(case, id=case["id"]) for case in cases]


def session_frames() -> list[Any]:
    cases = []
    for session in vectors("dlms.jsonl", "session"):
        for number, frame in enumerate(session["expected"]["frames"]):
            if frame.get("hex", "").startswith("7e") and (session["id"], number) not in WRONG_AS_PUBLISHED:
                expected = frame.get("decoded", {})
                cases.append(pytest.param(frame["hex"], expected, id=f"{session['id']}-{number}"))
    return cases


def fields(frame: Frame) -> dict[str, Any]:
    """Return a frame in the neutral names of the published expectations."""

    def address(value: HdlcAddress) -> dict[str, Any]:
        found: dict[str, Any] = {"bytes": value.octets.hex(), "upper": value.upper}
        return found if value.lower is None else {**found, "lower": value.lower}

    kind: dict[str, Any] = {"type": frame.kind, "pf": frame.pf}
    kind |= {name: value for name, value in (("ns", frame.ns), ("nr", frame.nr)) if value is not None}
    found = {
        "segmented": frame.segmented,
        "length": frame.length,
        "dst": address(frame.destination),
        "src": address(frame.source),
        "control": f"{frame.control:02x}",
        "frame": kind,
        "info": frame.info.hex(),
    }
    if frame.hcs is not None:
        found |= {"hcs": frame.hcs.to_bytes(2, "little").hex(), "fcs": frame.fcs.to_bytes(2, "little").hex()}
    return found


def rebuilt(frame: Frame) -> bytes:
    return build(frame.destination.octets, frame.source.octets, frame.control, frame.info, frame.segmented)


def tried(octets: bytes) -> tuple[Frame | None, DecodeError | None]:
    try:
        return parse(octets), None
    except DecodeError as error:
        return None, error


def check(octets: bytes, expected: dict[str, Any]) -> None:
    frame = parse(octets)
    found = fields(frame)
    for name, value in expected.items():
        if name in found:
            assert found[name] == value, name
        elif name == "params":
            assert negotiation.parse(frame.info)._asdict() == value
        elif name == "llc":
            assert frame.info[:3].hex() == value
    assert rebuilt(frame) == octets


# --- published and own frames ------------------------------------------------------------------------------


@pytest.mark.parametrize("case", EXAMPLES, ids=lambda case: case["what"])
def test_own_examples(case: dict[str, Any]) -> None:
    octets = bytes.fromhex(case["hex"])
    if "refused" in case:
        with pytest.raises(IncompleteError if case["refused"] == "incomplete" else DecodeError) as error:
            parse(octets)
        assert isinstance(error.value, IncompleteError) == (case["refused"] == "incomplete")
        assert 0 <= error.value.offset <= len(octets)
    else:
        check(octets, case)


@pytest.mark.parametrize("case", named(vectors("dlms.jsonl", "hdlc-frame")))
def test_shared_frames(case: dict[str, Any]) -> None:
    check(bytes.fromhex(case["hex"]), case["expected"])


@pytest.mark.parametrize(("octets", "expected"), session_frames())
def test_shared_sessions(octets: str, expected: dict[str, Any]) -> None:
    check(bytes.fromhex(octets), expected)


@pytest.mark.parametrize("case", named([c for c in vectors("dlms.jsonl", "session") if c["hex"].startswith("7e")]))
def test_shared_sessions_as_a_stream(case: dict[str, Any]) -> None:
    octets = bytes.fromhex(case["hex"])
    found = FrameSplitter().feed(octets)
    frames = case["expected"]["frames"]
    wrong = {number for name, number in WRONG_AS_PUBLISHED if name == case["id"]}
    good = [item for item in found if not isinstance(item, Discarded)]
    assert len(good) == len(frames) - len(wrong)
    assert (len(found) > len(good)) == bool(wrong)
    joined = b"".join(frame.info for frame, _ in good)
    if "joined_info" in case["expected"]:
        assert joined.hex() == case["expected"]["joined_info"]


@pytest.mark.parametrize(
    "case", named([case for case in vectors("dlms_bad.jsonl", "hdlc-frame") if case["level"] == "syntax"])
)
def test_shared_refusals(case: dict[str, Any]) -> None:
    octets = bytes.fromhex(case["hex"])
    if case["why"].startswith("SNRM"):
        # The frame is good, its parameters are not.
        with pytest.raises(DecodeError):
            negotiation.parse(parse(octets).info)
        return
    with pytest.raises(DecodeError):
        parse(octets)
    splitter = FrameSplitter()
    found = [*splitter.feed(octets), *splitter.flush()]
    # Refused as one frame; good frames that stand inside are found all the same.
    assert any(isinstance(item, Discarded) for item in found)


@pytest.mark.parametrize(
    "case", named([case for case in vectors("dlms_bad.jsonl", "hdlc-frame") if case["level"] == "incomplete"])
)
def test_shared_beginnings(case: dict[str, Any]) -> None:
    octets = bytes.fromhex(case["hex"])
    splitter = FrameSplitter()
    found = splitter.feed(octets)
    if found:
        # A whole frame, of an APDU that is not whole.
        assert rebuilt(parse(octets)) == octets
        return
    with pytest.raises(IncompleteError):
        parse(octets)
    assert splitter.waiting == len(octets)
    # What waits is given up in the end, and nothing of it is kept.
    assert {type(item) for item in splitter.flush()} == {Discarded}
    assert splitter.waiting == 0


@pytest.mark.parametrize(
    "case", named([case for case in vectors("dlms_bad.jsonl", "hdlc-frame") if case["level"] == "stream"])
)
def test_shared_streams(case: dict[str, Any]) -> None:
    found = FrameSplitter().feed(bytes.fromhex(case["hex"]))
    frames = [item for item in found if not isinstance(item, Discarded)]
    assert len(frames) == {
        "flags only": 0,
        "frame cut, then a good one": 1,
        "a good frame, shared flag, the same frame again (N(S) repeated)": 2,
        "SNRM parameter group length longer than the field": 1,
        "GBT block 1 twice": 4,
    }.get(case["why"], 2)


# --- frames ------------------------------------------------------------------------------------------------

UPPERS = st.integers(0, 0x3FFF)
ADDRESSES = st.one_of(
    st.builds(HdlcAddress.of, st.integers(0, 0x7F), st.none(), st.just(1)),
    st.builds(HdlcAddress.of, st.integers(0, 0x7F), st.integers(0, 0x7F), st.just(2)),
    st.builds(HdlcAddress.of, UPPERS, UPPERS, st.just(4)),
)
CONTROLS = st.sampled_from([0x93, 0x83, 0x73, 0x63, 0x53, 0x1F, 0x97, 0x13, 0x03]) | st.integers(0, 255).filter(
    lambda octet: octet & 1 == 0 or octet & 0x0F in (1, 5, 9)
)


@given(
    ADDRESSES,
    ADDRESSES,
    CONTROLS,
    st.binary(max_size=200) | st.binary(min_size=MAX_INFO, max_size=MAX_INFO),
    st.booleans(),
)
def test_there_and_back(
    destination: HdlcAddress, source: HdlcAddress, control: int, info: bytes, segmented: bool
) -> None:
    octets = build(destination.octets, source.octets, control, info, segmented)
    frame = parse(octets)
    assert (frame.destination, frame.source) == (destination, source)
    assert (frame.control, frame.info, frame.segmented, frame.length) == (control, info, segmented, len(octets) - 2)
    assert rebuilt(frame) == octets
    assert (frame.ns is not None) == (frame.kind == "I")
    assert (frame.nr is not None) == (frame.kind in ("I", "RR", "RNR", "REJ"))


@given(ADDRESSES, ADDRESSES, CONTROLS, st.binary(max_size=40), st.data())
def test_any_altered_bit_is_refused(
    destination: HdlcAddress, source: HdlcAddress, control: int, info: bytes, data: st.DataObject
) -> None:
    octets = bytearray(build(destination.octets, source.octets, control, info))
    bit = data.draw(st.integers(0, len(octets) * 8 - 1), label="bit")
    octets[bit // 8] ^= 1 << bit % 8
    with pytest.raises(DecodeError):
        parse(bytes(octets))


@given(st.binary(max_size=60) | st.binary(max_size=60).map(lambda octets: b"\x7e\xa0" + octets))
@example(b"")
@example(b"\x7e")
def test_any_octets_parse_or_are_refused(octets: bytes) -> None:
    frame, error = tried(octets)
    if frame is None:
        assert error is not None
        assert 0 <= error.offset <= len(octets)
    else:
        assert rebuilt(frame) == octets


@given(st.data())
def test_any_octets_with_a_right_check_sequence(data: st.DataObject) -> None:
    # What lies behind the check sequences is reached only by frames that pass them.
    body = data.draw(st.binary(min_size=5, max_size=40))
    form = 0xA000 | data.draw(st.sampled_from([0, 0x800])) | len(body) + 4
    body = form.to_bytes(2, "big") + body
    octets = b"\x7e" + body + check_sequence(body) + b"\x7e"
    frame, error = tried(octets)
    assert not isinstance(error, IncompleteError)
    assert frame is None or rebuilt(frame) == octets


def test_the_check_sequence_is_that_of_x25() -> None:
    assert check_sequence(b"123456789") == (0x906E).to_bytes(2, "little")


@pytest.mark.parametrize(
    ("upper", "lower", "size", "octets"),
    [
        (16, None, None, "21"),
        (1, 17, None, "0223"),
        (1, 0x7F, None, "02ff"),
        (1, 200, None, "00020291"),
        (0x80, None, None, "02000001"),
        (1, 17, 4, "00020023"),
        (1, None, 2, "0201"),
        (1, None, 4, "00020001"),
        (0x3FFF, 0x3FFF, None, "fefefeff"),
        (0x7F, None, 1, "ff"),
    ],
)
def test_address_forms(upper: int, lower: int | None, size: int | None, octets: str) -> None:
    assert HdlcAddress.of(upper, lower, size).octets.hex() == octets


@pytest.mark.parametrize(
    ("upper", "lower", "size"),
    [
        (0x80, None, 1),
        (1, 17, 1),
        (0x80, 1, 2),
        (1, 0x80, 2),
        (0x4000, 0, 4),
        (1, 0x4000, None),
        (1, 1, 3),
        (-1, None, 1),
    ],
)
def test_addresses_that_do_not_fit(upper: int, lower: int | None, size: int | None) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        HdlcAddress.of(upper, lower, size)


def test_broadcast_addresses() -> None:
    assert HdlcAddress.of(0x7F, size=1).broadcast
    assert HdlcAddress.of(1, 0x7F, 2).broadcast
    assert HdlcAddress.of(0x3FFF, 0x3FFF).broadcast
    assert HdlcAddress.of(1, 0x3FFF, 4).broadcast
    # In four octets 7F is a number like any other.
    assert not HdlcAddress.of(1, 0x7F, 4).broadcast
    assert not HdlcAddress.of(1, 17).broadcast


def test_the_longest_frame() -> None:
    server = HdlcAddress.of(1, 17, 4).octets
    assert parse(build(server, server, 0x10, bytes(MAX_INFO), True)).info == bytes(MAX_INFO)
    assert len(build(b"\x03", b"\x21", 0x10, bytes(MAX_LENGTH - 9))) == MAX_LENGTH + 2
    with pytest.raises(ValueError, match="2047"):
        build(b"\x03", b"\x21", 0x10, bytes(MAX_LENGTH - 8))


# --- parameters --------------------------------------------------------------------------------------------

PARAMETERS = st.builds(
    HdlcParameters, st.integers(1, MAX_INFO), st.integers(1, MAX_INFO), st.integers(1, 7), st.integers(1, 7)
)


@given(PARAMETERS, PARAMETERS)
def test_parameters_there_and_back_and_agreed(mine: HdlcParameters, theirs: HdlcParameters) -> None:
    assert negotiation.parse(mine.encode()) == mine
    here, there = mine.agreed(theirs), theirs.agreed(mine)
    # What one side sends is what the other takes.
    assert (here.max_info_tx, here.window_tx) == (there.max_info_rx, there.window_rx)
    assert (here.max_info_rx, here.window_rx) == (there.max_info_tx, there.window_tx)
    assert all(value <= limit for value, limit in zip(here, mine, strict=True))
    assert mine.agreed(mine.agreed(theirs)).max_info_tx <= mine.max_info_tx


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        ("", DEFAULT),
        ("818000", DEFAULT),
        ("818003050140", HdlcParameters(max_info_tx=64)),
        ("8180140502008006020080070400000001080400000001", DEFAULT),
        ("8180120501f80601f0070400000001080400000001", HdlcParameters(248, 240)),
        ("818006070103080102", HdlcParameters(window_tx=3, window_rx=2)),
        # A parameter nobody knows is passed over, the last of a repeated one counts.
        ("818009630101050110050120", HdlcParameters(max_info_tx=32)),
    ],
)
def test_parameter_fields(info: str, expected: HdlcParameters) -> None:
    assert negotiation.parse(bytes.fromhex(info)) == expected


@pytest.mark.parametrize(
    "info",
    ["81", "8180", "828003050140", "818103050140", "818004050140", "81800105", "8180020502", "818003050240",
     "818005050300008007", "818003050100", "818003060100", "818003070100", "818003070108", "818003080100",
     "818003080108"],
)  # fmt: skip
def test_parameter_fields_that_are_refused(info: str) -> None:
    with pytest.raises(DecodeError):
        negotiation.parse(bytes.fromhex(info))


@given(st.binary(max_size=30) | st.binary(max_size=30).map(lambda body: b"\x81\x80" + bytes((len(body),)) + body))
def test_any_parameter_field_parses_or_is_refused(info: bytes) -> None:
    try:
        parameters = negotiation.parse(info)
    except DecodeError:
        return
    assert checked(parameters) == parameters
    assert DEFAULT.agreed(parameters).window_tx == 1


# --- the splitter ------------------------------------------------------------------------------------------

GOOD = build(b"\x02\x23", b"\x21", 0x10, b"\xe6\xe6\x00information")
PIECES = st.lists(
    st.one_of(
        st.just(GOOD),
        st.just(GOOD[:-1]),
        st.just(GOOD[1:]),
        st.binary(max_size=12),
        st.sampled_from([b"\x7e", b"\x7e\xa0", b"\x7e\xa0\x0c", b"\x7e\xa7\xff", b"\x7e\xa0\x07", b"\x7e\xa8\x10\x02"]),
        st.integers(1, len(GOOD) - 1).map(lambda size: GOOD[:size]),
        st.builds(build, st.just(b"\x03"), st.just(b"\x21"), CONTROLS, st.binary(max_size=20)),
    ),
    max_size=8,
).map(b"".join)


def split(octets: bytes, cuts: list[int]) -> tuple[list[bytes], bytes]:
    splitter = FrameSplitter()
    found: list[tuple[Frame, bytes] | Discarded] = []
    edges = [0, *sorted({min(cut, len(octets)) for cut in cuts}), len(octets)]
    for start, stop in pairwise(edges):
        found += splitter.feed(octets[start:stop])
    found += splitter.flush()
    assert splitter.waiting == 0
    frames = [item[1] for item in found if not isinstance(item, Discarded)]
    return frames, b"".join(item.octets for item in found if isinstance(item, Discarded)).replace(b"\x7e", b"")


@given(PIECES, st.lists(st.integers(0, 200), max_size=6))
def test_the_way_it_is_cut_changes_nothing(octets: bytes, cuts: list[int]) -> None:
    whole = split(octets, [])
    assert split(octets, cuts) == whole
    assert split(octets, list(range(len(octets)))) == whole
    # Nothing is invented and nothing disappears but flags.
    kept = sum(len(frame.strip(b"\x7e")) for frame in whole[0])
    assert kept <= len(octets)


@given(
    st.lists(
        st.binary(max_size=30).filter(lambda octets: b"\x7e" not in octets and octets[:1] < b"\xa0"),
        min_size=1,
        max_size=5,
    )
)
def test_noise_between_frames_costs_no_frame(noises: list[bytes]) -> None:
    splitter = FrameSplitter()
    found = splitter.feed(b"".join(noise + GOOD for noise in noises))
    assert [item[1] for item in found if not isinstance(item, Discarded)] == [GOOD] * len(noises)
    lost = [item.octets.strip(b"\x7e") for item in found if isinstance(item, Discarded)]
    assert lost == [noise for noise in noises if noise]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_frames_may_share_a_flag_or_have_many(count: int) -> None:
    shared = b"".join(GOOD[:-1] for _ in range(count)) + b"\x7e"
    assert [item[1] for item in FrameSplitter().feed(shared) if not isinstance(item, Discarded)] == [GOOD] * count
    padded = b"".join(b"\x7e" * 5 + GOOD for _ in range(count)) + b"\x7e" * 9
    found = FrameSplitter().feed(padded)
    assert [item[1] for item in found if not isinstance(item, Discarded)] == [GOOD] * count
    assert len(found) == count


def test_a_cut_frame_holds_good_frames_up_only_until_its_length() -> None:
    splitter = FrameSplitter()
    cut = build(b"\x03", b"\x21", 0x10, bytes(199))[:50]
    assert splitter.feed(cut + GOOD) == []
    found = splitter.flush()
    assert [item[1] for item in found if not isinstance(item, Discarded)] == [GOOD]
    assert [item.octets for item in found if isinstance(item, Discarded)] == [cut]


def test_a_header_that_was_altered_holds_nothing_up() -> None:
    for cut in (b"\x7e\xa7\xff", b"\x7e\xa7\xff\x03\x21\x10\x00\x00" + bytes(30), b"\x7e\xa7\xff\x02\x02\x03"):
        splitter = FrameSplitter()
        found = splitter.feed(cut + GOOD)
        assert [item[1] for item in found if not isinstance(item, Discarded)] == [GOOD]
        assert [item.octets for item in found if isinstance(item, Discarded)] == [cut]


@given(st.binary(max_size=300), st.data())
def test_a_good_beginning_is_waited_for(info: bytes, data: st.DataObject) -> None:
    octets = build(b"\x02\x23", b"\x21", 0x10, info)
    size = data.draw(st.integers(0, len(octets) - 1))
    assert FrameSplitter().feed(octets[:size]) == []


def test_errors_of_frames_are_errors_of_the_project() -> None:
    with pytest.raises(CosemError):
        parse(b"\x7e" + bytes(9))
