"""A-XDR: published and own octets, every type both ways, any octets at all, and the limits."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.codec import axdr
from cosem.codec.axdr import MAX_DEPTH, CompactArray, Data, Tag, TypeDescription
from cosem.codec.json import from_json, to_json
from cosem.codec.primitive import MAX_EXPANSION
from cosem.errors import ConfigError, DecodeError, EncodeError

DATA = Path(__file__).parents[1] / "data"
SHARED = Path(__file__).parents[3] / "shared" / "vectors"


def lines(path: Path, kind: str | None = None) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    cases = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return [case for case in cases if kind is None or case["kind"] == kind]


VALUES = lines(DATA / "axdr_values.jsonl")
REFUSED = lines(DATA / "axdr_refused.jsonl")
PUBLISHED = lines(SHARED / "dlms.jsonl", "axdr-data")
PUBLISHED_BAD = lines(SHARED / "dlms_bad.jsonl", "axdr-data")

# --- octets and values from files --------------------------------------------------------------------------------


@pytest.mark.parametrize("case", VALUES, ids=lambda case: case["hex"])
def test_own_values_both_ways(case: dict[str, Any]) -> None:
    octets = bytes.fromhex(case["hex"])
    value = axdr.decode(octets)
    assert to_json(value) == case["value"]
    assert axdr.encode(value) == octets
    assert axdr.encode(from_json(case["value"])) == octets
    assert axdr.decode_from(b"\xaa" + octets + b"\xbb", 1)[1] == axdr.skip(b"\xaa" + octets + b"\xbb", 1)


def test_own_values_hold_every_type() -> None:
    assert {Tag(int(case["hex"][:2], 16)) for case in VALUES} == set(Tag)


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case["hex"] or "nothing")
def test_refused_octets_are_told_apart(case: dict[str, Any]) -> None:
    with pytest.raises(DecodeError) as caught:
        axdr.decode(bytes.fromhex(case["hex"]))
    assert (caught.value.what, caught.value.offset, list(caught.value.path)) == (
        case["what"],
        case["offset"],
        case["path"],
    )


def _expected(value: Any) -> Any:
    """Turn what a published case expects into the form of `to_json`: of date-times only the octets."""
    ((kind, content),) = value.items()
    if kind in ("array", "structure"):
        return {kind: [_expected(item) for item in content]}
    return {kind: content["raw"]} if kind in ("date-time", "date", "time") else value


def _without_words(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_words(item) for key, item in value.items() if key != "date_time"}
    return [_without_words(item) for item in value] if isinstance(value, list) else value


@pytest.mark.skipif(not PUBLISHED, reason="the published vectors are not here")
def test_published_values() -> None:
    for case in PUBLISHED:
        octets = bytes.fromhex(case["hex"])
        value = axdr.decode(octets)
        assert axdr.skip(octets, 0) == len(octets)
        if "what" in case["expected"]:  # an object list, of which some entries are described in words
            assert len(value.value) == case["expected"]["object_count"], case["id"]
        else:
            assert _without_words(to_json(value)) == _expected(case["expected"]), case["id"]


@pytest.mark.skipif(not PUBLISHED_BAD, reason="the published vectors are not here")
def test_published_bad_octets() -> None:
    for case in PUBLISHED_BAD:
        octets = bytes.fromhex(case["hex"])
        if case["level"] == "semantic":
            assert axdr.encode(axdr.decode(octets)) == octets
            continue
        with pytest.raises(DecodeError):
            axdr.decode(octets)


# --- lengths -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", ["05", "8105", "820005", "83000005", "8400000005"])
def test_lengths_longer_than_needed_are_read(length: str) -> None:
    assert axdr.decode(bytes.fromhex(f"09{length}68656c6c6f")) == axdr.octet_string(b"hello")
    assert axdr.decode(bytes.fromhex(f"04{length}f8")) == axdr.bit_string("11111")
    assert axdr.decode(bytes.fromhex(f"02{length}0000000000")).value == (axdr.null(),) * 5
    assert axdr.decode(bytes.fromhex(f"1311{length}0102030405")).value.contents == bytes((1, 2, 3, 4, 5))


@given(st.integers(0, 0xFFFFFFFF))
def test_lengths_both_ways(length: int) -> None:
    octets = axdr.encode_length(length)
    assert axdr.decode_length(b"\x00" + octets, 1, 1 + len(octets)) == (length, 1 + len(octets))
    assert len(octets) == (1 if length < 128 else 1 + (length.bit_length() + 7) // 8)


@pytest.mark.parametrize("length", [-1, 1 << 32])
def test_lengths_that_have_no_form(length: int) -> None:
    with pytest.raises(EncodeError):
        axdr.encode_length(length)


# --- any value, any octets ---------------------------------------------------------------------------------------

INTEGERS = {
    Tag.BCD: (8, True),
    Tag.INTEGER: (8, True),
    Tag.LONG: (16, True),
    Tag.DOUBLE_LONG: (32, True),
    Tag.LONG64: (64, True),
    Tag.UNSIGNED: (8, False),
    Tag.LONG_UNSIGNED: (16, False),
    Tag.DOUBLE_LONG_UNSIGNED: (32, False),
    Tag.LONG64_UNSIGNED: (64, False),
    Tag.ENUM: (8, False),
    Tag.DELTA_INTEGER: (8, True),
    Tag.DELTA_LONG: (16, True),
    Tag.DELTA_DOUBLE_LONG: (32, True),
    Tag.DELTA_UNSIGNED: (8, False),
    Tag.DELTA_LONG_UNSIGNED: (16, False),
    Tag.DELTA_DOUBLE_LONG_UNSIGNED: (32, False),
}


def bounds(tag: Tag) -> tuple[int, int]:
    bits, signed = INTEGERS[tag]
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)


CONTENTS: dict[Tag, st.SearchStrategy[Any]] = {
    **{tag: st.integers(*bounds(tag)) for tag in INTEGERS},
    Tag.NULL_DATA: st.none(),
    Tag.DONT_CARE: st.none(),
    Tag.BOOLEAN: st.booleans(),
    Tag.BIT_STRING: st.text("01", max_size=20),
    Tag.OCTET_STRING: st.binary(max_size=20) | st.binary(min_size=12, max_size=12),
    Tag.VISIBLE_STRING: st.text(st.characters(max_codepoint=255), max_size=8),
    Tag.UTF8_STRING: st.text(max_size=8) | st.binary(max_size=8).map(lambda b: b.decode("utf-8", "surrogateescape")),
    Tag.FLOAT32: st.floats(width=32, allow_nan=False),
    Tag.FLOAT64: st.floats(allow_nan=False),
    Tag.DATE_TIME: st.binary(min_size=12, max_size=12),
    Tag.DATE: st.binary(min_size=5, max_size=5),
    Tag.TIME: st.binary(min_size=4, max_size=4),
}
SIMPLE = st.sampled_from(sorted(CONTENTS)).flatmap(lambda tag: CONTENTS[tag].map(lambda value: Data(tag, value)))

TYPES = st.recursive(
    st.sampled_from(sorted(CONTENTS)).map(TypeDescription),
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda types: TypeDescription(Tag.STRUCTURE, tuple(types)))
        | st.tuples(inner, st.integers(0, 3)).map(lambda pair: TypeDescription(Tag.ARRAY, (pair[0],), pair[1]))
    ),
    max_leaves=6,
)


def of_type(description: TypeDescription) -> st.SearchStrategy[Data]:
    tag = description.tag
    if tag in CONTENTS:
        return CONTENTS[tag].map(lambda value: Data(tag, value))
    kinds = description.elements * (description.number if tag is Tag.ARRAY else 1)
    return st.tuples(*map(of_type, kinds)).map(lambda items: Data(tag, items))


COMPACT = TYPES.flatmap(
    lambda description: st.lists(of_type(description), max_size=6).map(
        lambda items: axdr.compact_array(description, *items)
    )
)
ANY = st.recursive(
    SIMPLE,
    lambda inner: (
        st.lists(inner, max_size=5).map(lambda items: axdr.structure(*items))
        | st.lists(inner, max_size=5).map(lambda items: axdr.array(*items))
    ),
    max_leaves=20,
)


@given(ANY)
def test_any_value_both_ways(value: Data) -> None:
    octets = axdr.encode(value)
    assert axdr.decode(octets) == value
    assert axdr.skip(octets, 0) == len(octets)
    assert from_json(json.loads(json.dumps(to_json(value)))) == value


@given(TYPES.flatmap(lambda description: st.tuples(st.just(description), st.lists(of_type(description), max_size=20))))
def test_any_compact_array_both_ways(case: tuple[TypeDescription, list[Data]]) -> None:
    description, items = case
    value = axdr.compact_array(description, *items)
    if not value.value.contents:
        return  # elements of no width leave no trace
    octets = axdr.encode(value)
    assert axdr.decode(octets) == value
    assert axdr.skip(octets, 0) == len(octets)
    assert value.value.values == tuple(items)
    as_json = to_json(value)
    assert from_json(as_json) == value
    without_contents = {key: item for key, item in as_json["compact-array"].items() if key != "contents"}
    assert from_json({"compact-array": without_contents}) == value


@given(ANY | COMPACT, st.data())
def test_every_beginning_of_a_value_is_refused(value: Data, data: st.DataObject) -> None:
    octets = axdr.encode(value)
    cut = octets[: data.draw(st.integers(0, len(octets) - 1))]
    with pytest.raises(DecodeError) as caught:
        axdr.decode(cut)
    assert 0 <= caught.value.offset <= len(cut)
    with pytest.raises(DecodeError):
        axdr.decode_from(octets, 0, len(cut))


def same_refusal(octets: bytes, refused: DecodeError) -> None:
    with pytest.raises(DecodeError) as caught:
        axdr.skip(octets, 0)
    assert caught.value.args == refused.args
    assert 0 <= refused.offset <= len(octets)


def decode_and_skip(octets: bytes) -> Data | None:
    """Hold that both ways of reading come to the same answer."""
    try:
        value, end = axdr.decode_from(octets, 0)
    except DecodeError as refused:
        same_refusal(octets, refused)
        return None
    assert axdr.skip(octets, 0) == end <= len(octets)
    return value


@given(st.binary(max_size=80))
def test_any_octets_give_a_value_or_decode_error(octets: bytes) -> None:
    decode_and_skip(octets)


TAG_LIKE = st.lists(st.sampled_from([0, 1, 2, 3, 4, 6, 9, 10, 12, 17, 19, 25, 255, 0x81, 0x82]), max_size=40).map(bytes)


@given(TAG_LIKE)
def test_octets_full_of_tags_give_a_value_or_decode_error(octets: bytes) -> None:
    value = decode_and_skip(octets)
    if value is not None:
        again = axdr.encode(value)
        assert axdr.encode(axdr.decode(again)) == again
        to_json(value)


@given(ANY | COMPACT, st.data())
def test_altered_octets_give_a_value_or_decode_error(value: Data, data: st.DataObject) -> None:
    octets = bytearray(axdr.encode(value))
    octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    changed = decode_and_skip(bytes(octets))
    if changed is not None:
        to_json(changed)


@pytest.mark.parametrize("code", sorted(set(range(256)) - set(map(int, Tag))))
def test_unassigned_tags_are_refused(code: int) -> None:
    for octets in (bytes((code,)) + bytes(20), b"\x02\x01" + bytes((code,)) + bytes(20), bytes((19, code)) + bytes(9)):
        with pytest.raises(DecodeError, match="is not the tag of a type"):
            axdr.decode_from(octets, 0)


def test_any_octet_but_0_is_true() -> None:
    assert [axdr.decode(bytes((3, octet))).value for octet in range(256)] == [False] + [True] * 255


def test_bits_that_fill_the_last_octet_mean_nothing() -> None:
    assert axdr.decode(bytes.fromhex("0403bf")) == axdr.bit_string("101")


def test_not_a_number_stays_one() -> None:
    for octets in (bytes.fromhex("177fc00000"), bytes.fromhex("187ff8000000000000")):
        assert math.isnan(axdr.decode(octets).value)
        assert axdr.encode(axdr.decode(octets)) == octets


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_other_buffers_are_read_too(kind: Any) -> None:
    assert axdr.decode(kind(bytes.fromhex("0902aabb"))) == axdr.octet_string(b"\xaa\xbb")


def test_nothing_is_read_behind_the_given_end() -> None:
    octets = bytes.fromhex("0902aabb")
    with pytest.raises(DecodeError):
        axdr.decode_from(octets, 0, 3)
    with pytest.raises(DecodeError):
        axdr.skip(octets, 0, 3)
    assert axdr.decode_octets(octets, 1, 4) == (b"\xaa\xbb", 4)


# --- limits ------------------------------------------------------------------------------------------------------


def test_nesting_up_to_the_limit_and_not_beyond() -> None:
    deepest = bytes.fromhex("0201") * MAX_DEPTH + b"\x00"
    assert axdr.encode(axdr.decode(deepest)) == deepest
    for octets in (bytes.fromhex("0201") * (MAX_DEPTH + 1) + b"\x00", bytes.fromhex("0101") * 20_000 + b"\x00"):
        with pytest.raises(DecodeError, match="inside each other") as caught:
            axdr.decode(octets)
        assert caught.value.offset == 2 * MAX_DEPTH
        assert len(caught.value.path) == MAX_DEPTH
        with pytest.raises(DecodeError, match="inside each other"):
            axdr.skip(octets, 0)
    value = axdr.null()
    for _ in range(MAX_DEPTH + 1):
        value = axdr.structure(value)
    with pytest.raises(EncodeError, match="inside each other"):
        axdr.encode(value)
    with pytest.raises(ConfigError, match="inside each other"):
        from_json(to_json(value))


def test_nesting_counts_through_a_compact_array() -> None:
    inner = bytes.fromhex("0201") * (MAX_DEPTH - 2) + bytes.fromhex("110101")
    assert axdr.decode(bytes.fromhex("0201" * 2 + "13") + inner).tag is Tag.STRUCTURE
    for types in ("0201", "010001"):
        with pytest.raises(DecodeError, match="inside each other"):
            axdr.decode(bytes.fromhex("0201" * 2 + "13" + types) + inner)
        with pytest.raises(DecodeError, match="inside each other"):
            axdr.decode(b"\x13" + bytes.fromhex(types) * 20_000 + bytes.fromhex("110101"))
    description = TypeDescription(Tag.UNSIGNED)
    for _ in range(MAX_DEPTH + 1):
        description = TypeDescription(Tag.ARRAY, (description,), 1)
    with pytest.raises(EncodeError, match="inside each other"):
        axdr.encode(Data(Tag.COMPACT_ARRAY, CompactArray(description, b"\x00")))


def test_what_a_compact_array_expands_to_is_bounded() -> None:
    def rows(nulls: int, count: int) -> bytes:
        types = b"\x02" + axdr.encode_length(nulls + 1) + b"\x11" + bytes(nulls)
        return b"\x13" + types + axdr.encode_length(count) + bytes(count)

    most = MAX_EXPANSION - 2  # the structure itself and the unsigned count too
    assert len(axdr.decode(rows(most, 3)).value.values) == 3
    with pytest.raises(DecodeError, match="for more than 64 values each"):
        axdr.decode(rows(most + 1, 3))
    for array in ("01ffff" * 3 + "00", "01ffff" * 60 + "00"):
        for kind in ("11", "09"):
            with pytest.raises(DecodeError, match="for more than 64 values each"):
                axdr.decode(bytes.fromhex("130202" + kind + array + "0100"))


def test_many_elements_are_refused_before_they_are_made() -> None:
    octets = b"\x01" + axdr.encode_length(axdr.MAX_ELEMENTS + 1) + bytes(axdr.MAX_ELEMENTS + 1)
    with pytest.raises(DecodeError, match="more than"):
        axdr.skip(octets, 0)


# --- what has no encoding ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("tag", sorted(INTEGERS))
def test_integers_out_of_range_have_no_encoding(tag: Tag) -> None:
    low, high = bounds(tag)
    for value in (low, high):
        assert axdr.decode(axdr.encode(Data(tag, value))) == Data(tag, value)
    for value in (low - 1, high + 1, 1.0, "1", None, b"\x01"):
        with pytest.raises(EncodeError):
            axdr.encode(Data(tag, value))


@pytest.mark.parametrize(
    "value",
    [
        Data(Tag.NULL_DATA, 0),
        Data(Tag.BOOLEAN, None),
        Data(Tag.BOOLEAN, 1),
        Data(Tag.DONT_CARE, b""),
        Data(Tag.BIT_STRING, "012"),
        Data(Tag.BIT_STRING, "1_0"),
        Data(Tag.BIT_STRING, b"1"),
        Data(Tag.OCTET_STRING, "aa"),
        Data(Tag.OCTET_STRING, 5),
        Data(Tag.VISIBLE_STRING, "€"),
        Data(Tag.VISIBLE_STRING, b"a"),
        Data(Tag.UTF8_STRING, "\ud800"),
        Data(Tag.UTF8_STRING, 1),
        Data(Tag.FLOAT32, 1e300),
        Data(Tag.FLOAT64, "1"),
        Data(Tag.DATE_TIME, bytes(11)),
        Data(Tag.DATE, bytes(6)),
        Data(Tag.TIME, "now!"),
        Data(Tag.ARRAY, None),
        Data(Tag.ARRAY, (1,)),
        Data(Tag.STRUCTURE, "ab"),
        Data(Tag.COMPACT_ARRAY, ()),
        Data(Tag.COMPACT_ARRAY, CompactArray(TypeDescription(Tag.UNSIGNED), "a")),  # type: ignore[arg-type]
        Data(Tag.COMPACT_ARRAY, CompactArray(TypeDescription(Tag.LONG), b"\x00")),
        Data(Tag.COMPACT_ARRAY, CompactArray(TypeDescription(Tag.COMPACT_ARRAY), b"")),
        Data(Tag.COMPACT_ARRAY, CompactArray(TypeDescription(8), b"")),  # type: ignore[arg-type]
        Data(Tag.COMPACT_ARRAY, CompactArray(TypeDescription(Tag.ARRAY, (), 1), b"")),
        Data(Tag.COMPACT_ARRAY, CompactArray(TypeDescription(Tag.ARRAY, (TypeDescription(Tag.LONG),), 65536), b"")),
        Data(7, 1.0),  # type: ignore[arg-type]
    ],
    ids=repr,
)
def test_values_without_an_encoding(value: Data) -> None:
    with pytest.raises(EncodeError):
        axdr.encode(value)
    with pytest.raises(EncodeError) as caught:
        axdr.encode(axdr.array(axdr.null(), axdr.structure(value)))
    assert caught.value.path[:2] == ("array[1]", "structure[0]")


def test_compact_array_elements_must_have_the_type() -> None:
    pair = TypeDescription(Tag.STRUCTURE, (TypeDescription(Tag.UNSIGNED), TypeDescription(Tag.UNSIGNED)))
    for wrong in (axdr.structure(axdr.unsigned(1)), axdr.unsigned(1), axdr.structure(axdr.unsigned(1), axdr.null())):
        with pytest.raises(EncodeError) as caught:
            axdr.compact_array(pair, axdr.structure(axdr.unsigned(1), axdr.unsigned(2)), wrong)
        assert caught.value.path == ("compact-array[1]",)


def test_contents_that_do_not_fit_are_found_when_they_are_expanded() -> None:
    with pytest.raises(DecodeError):
        _ = CompactArray(TypeDescription(Tag.DOUBLE_LONG), bytes(5)).values


def test_one_constructor_per_type() -> None:
    examples: dict[Tag, tuple[Any, ...]] = {
        Tag.NULL_DATA: (),
        Tag.DONT_CARE: (),
        Tag.COMPACT_ARRAY: (TypeDescription(Tag.UNSIGNED), axdr.unsigned(1)),
        Tag.BOOLEAN: (True,),
        Tag.BIT_STRING: ("1",),
        Tag.OCTET_STRING: (b"a",),
        Tag.VISIBLE_STRING: ("a",),
        Tag.UTF8_STRING: ("a",),
        Tag.FLOAT32: (1.0,),
        Tag.FLOAT64: (1.0,),
        Tag.DATE_TIME: (bytes(12),),
        Tag.DATE: (bytes(5),),
        Tag.TIME: (bytes(4),),
        Tag.ARRAY: (axdr.unsigned(1),),
        Tag.STRUCTURE: (axdr.unsigned(1),),
    }
    for tag in Tag:
        name = "null" if tag is Tag.NULL_DATA else tag.name.lower()
        value = getattr(axdr, name)(*examples.get(tag, (1,)))
        assert value.tag is tag
        assert axdr.decode(axdr.encode(value)) == value


# --- runs in skip ------------------------------------------------------------------------------------------------


def test_skip_walks_over_runs_and_finds_the_fault_behind_them() -> None:
    row = bytes.fromhex("0202090211221103")
    for rows in (20, 300):
        octets = b"\x01" + axdr.encode_length(rows) + row * rows
        assert axdr.skip(octets, 0) == len(octets)
        assert axdr.skip(octets + b"\x01", 0) == len(octets)
        for fault in (b"\x08", b"\x0c"):  # an unassigned tag; a string that is cut short
            broken = bytearray(octets)
            broken[-2:-1] = fault
            decode_and_skip(bytes(broken))
            assert axdr.encode_length(rows) in broken
            with pytest.raises(DecodeError) as caught:
                axdr.skip(bytes(broken), 0)
            assert caught.value.path == (f"array[{rows - 1}]", "structure[1]")


# --- JSON --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        None,
        5,
        {},
        {"unsigned": 1, "integer": 2},
        {"date_time": "2024-03-31T02:15:00"},
        {"Unsigned": 1},
        {"unsigned": 256},
        {"unsigned": True},
        {"unsigned": 1.0},
        {"unsigned": "1"},
        {"boolean": 1},
        {"null-data": 0},
        {"bit-string": "2"},
        {"bit-string": 1},
        {"octet-string": "0"},
        {"octet-string": "xy"},
        {"octet-string": None},
        {"visible-string": "€"},
        {"float32": "nan"},
        {"float32": 10**400},
        {"float64": True},
        {"date": "2024"},
        {"structure": {"unsigned": 1}},
        {"array": [1]},
        {"compact-array": []},
        {"compact-array": {"contents": "00"}},
        {"compact-array": {"type": "unsigned"}},
        {"compact-array": {"type": "unsigned", "values": [{"integer": 1}]}},
        {"compact-array": {"type": "long", "contents": "00"}},
        {"compact-array": {"type": "array", "contents": ""}},
        {"compact-array": {"type": {"array": ["unsigned"]}, "contents": ""}},
        {"compact-array": {"type": {"array": [True, "unsigned"]}, "contents": ""}},
        {"compact-array": {"type": 5, "contents": ""}},
    ],
    ids=str,
)
def test_json_that_is_no_value_is_refused_in_a_sentence(value: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        from_json(value)
    assert 5 < len(str(caught.value)) < 200


def test_json_of_floats_that_json_has_not() -> None:
    assert to_json(axdr.float32(math.inf)) == {"float32": "Infinity"}
    assert to_json(axdr.float64(-math.inf)) == {"float64": "-Infinity"}
    assert to_json(axdr.float64(math.nan)) == {"float64": "NaN"}
    assert math.isnan(from_json({"float32": "NaN"}).value)
    assert from_json({"float32": 1}) == axdr.float32(1.0)


@given(st.floats(width=32, allow_nan=False))
def test_float32_keeps_what_it_says(value: float) -> None:
    assert struct.pack(">f", axdr.decode(axdr.encode(axdr.float32(value))).value) == struct.pack(">f", value)


# --- elements of a compact-array that have to be walked one by one -----------------------------------------------

NESTED = "0202110f"  # a structure in a structure: no layout is learnt for rows of it


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        # structure { structure { unsigned, integer }, array of 2 long, null, bit-string, octet-string }
        (
            "13 02 05 0202110f 0100021 0 00 04 09 0b 01ff 0001 0002 03 a0 02 6869".replace(" ", ""),
            [((1, -1), (1, 2), None, "101", b"hi")],
        ),
        ("13 02 02 09 0202110f 08 01 61 05 06 01 62 07 08".replace(" ", ""), [(b"a", (5, 6)), (b"b", (7, 8))]),
    ],
)
def test_elements_of_a_compact_array_one_by_one(octets: str, value: list[Any]) -> None:
    from cosem.codec.runs import plain

    whole = bytes.fromhex(octets)
    assert [plain(item) for item in axdr.decode(whole).value.values] == value
    assert axdr.encode(axdr.decode(whole)) == whole


@pytest.mark.parametrize("contents", ["01", "0161", "016105", "0561", "85", "01610506ff"])
def test_contents_of_a_compact_array_that_end_within_an_element(contents: str) -> None:
    octets = bytes.fromhex("13020209" + NESTED + f"{len(contents) // 2:02x}" + contents)
    with pytest.raises(DecodeError) as caught:
        axdr.decode(octets)
    assert caught.value.path[0] == "compact-array"


@pytest.mark.parametrize("contents", ["85", "0561", "ff"])
def test_rows_of_a_compact_array_whose_first_is_wrong(contents: str) -> None:
    with pytest.raises(DecodeError):
        axdr.decode(bytes.fromhex("13020109" + f"{len(contents) // 2:02x}" + contents))


def test_more_elements_than_anybody_reads_are_not_written() -> None:
    from cosem.codec.rows import encode_rows

    with pytest.raises(EncodeError, match="array of 4194305 elements"):
        axdr.encode(Data(Tag.ARRAY, (axdr.NULL,) * 4194305))
    with pytest.raises(EncodeError, match="array of 4194305 elements"):
        encode_rows([Tag.UNSIGNED], [(1,)] * 4194305)


def test_a_type_in_json_nests_as_deep_as_octets_may() -> None:
    written: Any = "unsigned"
    for _ in range(MAX_DEPTH + 1):
        written = {"structure": [written]}
    with pytest.raises(ConfigError, match="inside each other"):
        from_json({"compact-array": {"type": written, "contents": ""}})


def test_an_array_that_ends_after_the_columns_of_its_first_rows() -> None:
    rows = b"\x02\x02\x11\x01\x11\x02" * 20
    with pytest.raises(DecodeError):
        axdr.skip(b"\x01\x15" + rows + b"\x02\x02\x11\x01", 0)
