"""Rows and columns: the general decoder and encoder are the oracle."""

from __future__ import annotations

import struct
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag, TypeDescription
from cosem.codec.rows import RowLayout, decode_columns, decode_rows, encode_rows
from cosem.codec.runs import MAX_COLUMNS, plain
from cosem.errors import ConfigError, DecodeError, EncodeError

numpy = pytest.importorskip("numpy")

PROFILE = RowLayout([(Tag.OCTET_STRING, 12), Tag.UNSIGNED, Tag.DOUBLE_LONG_UNSIGNED, Tag.DOUBLE_LONG_UNSIGNED])


def profile_rows(count: int) -> list[tuple[Any, ...]]:
    return [
        (struct.pack(">HBBBBBBBhB", 2024, 1 + i % 12, 1 + i % 28, 0xFF, i % 24, 0, 0, 0, -60, 0), i % 256, i, 2 * i)
        for i in range(count)
    ]


def oracle(octets: bytes) -> list[tuple[Any, ...]]:
    value = axdr.decode(octets)
    return [plain(item) for item in (value.value if value.tag is Tag.ARRAY else value.value.values)]


# --- strategies: rows of a few layouts, in any order -------------------------------------------------------------

CELLS: dict[Tag, st.SearchStrategy[Any]] = {
    Tag.NULL_DATA: st.none(),
    Tag.DONT_CARE: st.none(),
    Tag.BOOLEAN: st.booleans(),
    Tag.UNSIGNED: st.integers(0, 255),
    Tag.LONG: st.integers(-32768, 32767),
    Tag.DOUBLE_LONG_UNSIGNED: st.integers(0, 2**32 - 1),
    Tag.LONG64: st.integers(-(2**63), 2**63 - 1),
    Tag.FLOAT32: st.floats(width=32, allow_nan=False),
    Tag.OCTET_STRING: st.sampled_from([b"", b"ab", bytes(12), b"\x02\x02\x06" * 50]),
    Tag.VISIBLE_STRING: st.sampled_from(["", "é", "text"]),
    Tag.UTF8_STRING: st.sampled_from(["", "€", "\udcff"]),
    Tag.BIT_STRING: st.sampled_from(["", "1", "0000000001"]),
    Tag.DATE_TIME: st.binary(min_size=12, max_size=12),
    Tag.STRUCTURE: st.sampled_from([(), (Data(Tag.UNSIGNED, 1),), (Data(Tag.NULL_DATA, None),) * 3]),
    Tag.COMPACT_ARRAY: st.just(axdr.compact_array(TypeDescription(Tag.UNSIGNED), axdr.unsigned(1)).value),
}
KINDS = st.lists(st.sampled_from(sorted(CELLS)), max_size=5).map(tuple)


def row_of(kinds: tuple[Tag, ...]) -> st.SearchStrategy[Data]:
    cells = [CELLS[tag].map(lambda value, tag=tag: Data(tag, value)) for tag in kinds]
    return st.tuples(*cells).map(lambda items: Data(Tag.STRUCTURE, items))


@st.composite
def blocks(draw: st.DrawFn) -> list[Data]:
    """Rows in blocks: each block repeats one row, or a few different ones of one layout."""
    layouts = draw(st.lists(KINDS, min_size=1, max_size=3))
    rows: list[Data] = []
    for _ in range(draw(st.integers(0, 6))):
        few = draw(st.lists(row_of(draw(st.sampled_from(layouts))), min_size=1, max_size=3))
        rows += few * draw(st.sampled_from([1, 1, 2, 3, 5, 40]))
    return rows


@given(blocks())
def test_rows_are_what_the_general_decoder_says(rows: list[Data]) -> None:
    octets = axdr.encode(axdr.array(*rows))
    assert decode_rows(octets) == oracle(octets)
    assert axdr.skip(octets, 0) == len(octets)


def refused_by_all(octets: bytes, refused: DecodeError) -> None:
    for read in (decode_rows, decode_columns):
        with pytest.raises(DecodeError):
            read(octets)
    if refused.path:  # inside the value, not behind it
        with pytest.raises(DecodeError) as caught:
            axdr.skip(octets, 0)
        assert caught.value.args == refused.args


@given(blocks(), st.data())
def test_altered_rows_are_what_the_general_decoder_says(rows: list[Data], data: st.DataObject) -> None:
    octets = bytearray(axdr.encode(axdr.array(*rows)))
    for _ in range(data.draw(st.integers(1, 3))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    altered = bytes(octets[: data.draw(st.integers(0, len(octets)))] if data.draw(st.booleans()) else octets)
    try:
        value: Data | None = axdr.decode(altered)
    except DecodeError as refused:
        refused_by_all(altered, refused)
        return
    elements = value.value if value.tag is Tag.ARRAY else value.value.values if value.tag is Tag.COMPACT_ARRAY else None
    if elements is None or any(item.tag is not Tag.STRUCTURE for item in elements):
        with pytest.raises(DecodeError):
            decode_rows(altered)
    else:  # repr, because an altered float may be no number
        assert repr(decode_rows(altered)) == repr([plain(item) for item in elements])


@given(KINDS.filter(lambda kinds: Tag.COMPACT_ARRAY not in kinds and Tag.STRUCTURE not in kinds), st.data())
def test_compact_arrays_are_what_the_general_decoder_says(kinds: tuple[Tag, ...], data: st.DataObject) -> None:
    description = TypeDescription(Tag.STRUCTURE, tuple(map(TypeDescription, kinds)))
    rows = [
        row
        for few in data.draw(st.lists(st.lists(row_of(kinds), min_size=1, max_size=2), max_size=4))
        for row in few * data.draw(st.sampled_from([1, 2, 30]))
    ]
    value = axdr.compact_array(description, *rows)
    octets = axdr.encode(value)
    expected = oracle(octets)
    assert decode_rows(octets) == expected
    if value.value.contents:
        assert expected == [plain(row) for row in rows]


@given(blocks())
def test_columns_are_the_rows_turned(rows: list[Data]) -> None:
    octets = axdr.encode(axdr.array(*rows))
    expected = oracle(octets)
    widths = {len(row) for row in expected}
    if len(widths) > 1:
        with pytest.raises(DecodeError, match="columns"):
            decode_columns(octets)
        return
    for native in (False, True):
        columns, length = decode_columns(octets, native)
        assert length == len(expected)
        assert len(columns) == max(widths, default=0)
        for index, column in enumerate(columns):
            assert len(column) == length
            assert column.dtype.isnative or not native
            values = [item.tobytes() for item in column] if column.ndim == 2 else column.tolist()
            assert values == [row[index] for row in expected]


# --- the shape of a load profile ---------------------------------------------------------------------------------


def test_a_profile_comes_back_as_it_was() -> None:
    rows = profile_rows(3000)
    octets = encode_rows(PROFILE, rows)
    assert octets == axdr.encode(
        axdr.array(
            *(
                axdr.structure(
                    axdr.octet_string(time),
                    axdr.unsigned(status),
                    axdr.double_long_unsigned(a),
                    axdr.double_long_unsigned(b),
                )
                for time, status, a, b in rows
            )
        )
    )
    assert decode_rows(octets) == rows


def test_columns_of_one_layout_are_views() -> None:
    rows = profile_rows(500)
    octets = encode_rows(PROFILE, rows)
    columns, length = decode_columns(octets)
    assert length == 500
    assert [c.dtype.str for c in columns] == ["|u1", "|u1", ">u4", ">u4"]
    assert columns[0].shape == (500, 12)
    assert not any(c.flags.owndata or c.flags.writeable for c in columns)
    natives = decode_columns(octets, native=True).columns
    assert natives[2].dtype.isnative
    assert natives[2].tolist() == [row[2] for row in rows]
    assert natives[0].tobytes() == b"".join(row[0] for row in rows)


@pytest.mark.parametrize("null", [False, True])
def test_of_columns_that_are_not_wanted_only_the_places_are_there(null: bool) -> None:
    rows = [(None, *row[1:]) if null and i % 2 else row for i, row in enumerate(profile_rows(400))]
    octets = encode_rows(PROFILE, rows)
    columns, length = decode_columns(octets, only={2})
    assert length == 400
    assert [len(column) for column in columns] == [0, 0, 400, 0]
    assert columns[2].tolist() == [row[2] for row in rows]


def test_null_data_makes_a_column_of_objects_and_leaves_the_others() -> None:
    rows = [(None, *row[1:]) if i % 96 else row for i, row in enumerate(profile_rows(400))]
    octets = encode_rows(PROFILE, rows)
    assert decode_rows(octets) == rows == oracle(octets)
    columns = decode_columns(octets).columns
    assert columns[0].dtype == object
    assert columns[0].tolist() == [row[0] for row in rows]
    assert columns[2].dtype.kind == "u"
    assert columns[2].tolist() == [row[2] for row in rows]


def test_booleans_of_any_octet_but_0_are_true() -> None:
    octets = b"\x01\x09" + b"".join(bytes((2, 1, 3, octet)) for octet in range(9))
    assert decode_rows(octets) == [(False,)] + [(True,)] * 8
    assert decode_columns(octets).columns[0].tolist() == [False] + [True] * 8


def test_rows_of_no_columns_and_no_rows() -> None:
    assert decode_rows(bytes.fromhex("0100")) == []
    assert decode_columns(bytes.fromhex("0100")).length == 0
    assert decode_rows(bytes.fromhex("010a") + bytes.fromhex("0200") * 10) == [()] * 10
    assert encode_rows([], [()] * 10) == bytes.fromhex("010a") + bytes.fromhex("0200") * 10
    assert encode_rows(PROFILE, []) == bytes.fromhex("0100")


def test_counts_and_lengths_longer_than_needed_are_rows_too() -> None:
    row = bytes.fromhex("0281020982000261621105")
    assert decode_rows(b"\x01\x81\x14" + row * 20) == [(b"ab", 5)] * 20


def test_rows_too_wide_or_too_long_for_a_layout_are_decoded_all_the_same() -> None:
    wide = axdr.structure(*[axdr.unsigned(1)] * (MAX_COLUMNS + 1))
    long = axdr.structure(axdr.octet_string(bytes(5000)))
    for row in (wide, long):
        octets = axdr.encode(axdr.array(*[row] * 9))
        assert decode_rows(octets) == oracle(octets)


def test_many_layouts_in_a_wild_mix() -> None:
    rows = [axdr.structure(axdr.octet_string(bytes(i * i % 97)), axdr.unsigned(i % 256)) for i in range(700)]
    octets = axdr.encode(axdr.array(*rows))
    assert decode_rows(octets) == oracle(octets)
    assert axdr.skip(octets, 0) == len(octets)


@pytest.mark.parametrize(
    ("octets", "what", "path"),
    [
        ("", "a value is missing", ()),
        ("1105", "rows are an array or a compact-array", ()),
        ("0101" + "1105", "a row is a structure, not unsigned", ("array[0]",)),
        ("0102" + "02011105" + "06000000", "double-long-unsigned, but only 3 octets left", ("array[1]",)),
        ("0101" + "02011105" + "00", "1 octet left over behind the value", ()),
        ("1311020105" + "00", "1 octet left over behind the value", ()),
        ("1311020105", "a row is a structure, not unsigned", ("compact-array[0]",)),
        ("1302011200", None, None),
        ("13020111" + "84ffffffff", "4294967295 octets, but only 0 octets left", ("compact-array",)),
    ],
)
def test_what_is_no_rows(octets: str, what: str | None, path: tuple[str, ...] | None) -> None:
    if what is None:
        assert decode_rows(bytes.fromhex(octets)) == []
        return
    with pytest.raises(DecodeError) as caught:
        decode_rows(bytes.fromhex(octets))
    assert (caught.value.what, caught.value.path) == (what, path)


def test_a_fault_in_a_late_row_is_told_with_its_place() -> None:
    octets = bytearray(encode_rows(PROFILE, profile_rows(300)))
    octets[-5] = 8
    with pytest.raises(DecodeError) as caught:
        decode_rows(bytes(octets))
    assert caught.value.offset == len(octets) - 5
    assert caught.value.path == ("array[299]", "structure[3]")


def test_columns_without_numpy_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(ConfigError, match=r"install cosem\[columns\]"):
        decode_columns(bytes.fromhex("0100"))


# --- encoding ----------------------------------------------------------------------------------------------------

COLUMNS = st.lists(
    st.sampled_from(sorted(set(CELLS) - {Tag.STRUCTURE, Tag.COMPACT_ARRAY, Tag.DONT_CARE})), max_size=5
).map(tuple)


@given(COLUMNS, st.data())
def test_encoded_rows_are_what_the_general_encoder_says(kinds: tuple[Tag, ...], data: st.DataObject) -> None:
    cells = [st.none() | CELLS[tag] | CELLS[tag].map(lambda v, tag=tag: Data(tag, v)) for tag in kinds]
    rows = data.draw(st.lists(st.tuples(*cells), max_size=6)) * data.draw(st.sampled_from([1, 3]))
    layout = [(tag, 12) if tag is Tag.OCTET_STRING and data.draw(st.booleans()) else tag for tag in kinds]
    expected = axdr.encode(
        axdr.array(
            *(
                axdr.structure(
                    *(
                        value if isinstance(value, Data) else axdr.null() if value is None else Data(tag, value)
                        for tag, value in zip(kinds, row, strict=True)
                    )
                )
                for row in rows
            )
        )
    )
    assert encode_rows(layout, rows) == expected


def test_rows_without_an_encoding_are_named() -> None:
    good = profile_rows(5)
    for bad, what in (
        ((bytes(12), 256, 1, 2), "not in the range"),
        ((bytes(12), 1.5, 1, 2), "no unsigned"),
        ((bytes(12), 1, 1), "a row of 3 values"),
        ((bytes(12), 1, 1, 2, 3), "a row of 5 values"),
        ((), "a row of 0 values"),
        (("now", 1, 1, 2), "no octet-string"),
    ):
        with pytest.raises(EncodeError, match=what) as caught:
            encode_rows(PROFILE, [*good, bad])
        assert caught.value.path[0] == "array[5]"


def test_an_octet_string_of_another_size_is_neither_cut_nor_filled() -> None:
    rows = [(b"short", 1, 2, 3), (bytes(13), 1, 2, 3), (bytes(12), 1, 2, 3)]
    assert decode_rows(encode_rows(PROFILE, rows)) == rows


def test_moments_of_a_wrong_size_are_refused() -> None:
    with pytest.raises(EncodeError, match="12 octets"):
        encode_rows([Tag.DATE_TIME], [(bytes(12),), (bytes(11),)])
