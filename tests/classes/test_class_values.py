"""Values of every attribute and method survive Data -> octets -> Data -> Python -> Data."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosem.classes import known, lookup, versions_of
from cosem.classes.types import (
    OpenEnum,
    TypeMismatch,
    any_data,
    array,
    choice,
    date_time_octets,
    double_long_unsigned,
    enum,
    float32,
    integer,
    octet_string,
    plain,
    raw_data,
    simple,
    structure,
    unsigned,
    utf8_string,
    visible_string,
)
from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag
from cosem.errors import CosemError, EncodeError
from cosem.times import CosemDateTime

_spec = importlib.util.spec_from_file_location("class_strategies", Path(__file__).with_name("class_strategies.py"))
strategies = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(strategies)

_USES = [
    (kind, f"{class_id}-{version} {item.name}{part}")
    for class_id in known()
    for version, cls in versions_of(class_id).items()
    for item in (*cls.attributes.values(), *cls.methods.values())
    for kind, part in (
        ((item.type, ""),) if hasattr(item, "type") else ((item.parameter, ""), (item.returns, " returned"))
    )
    if kind is not None and kind is not raw_data
]
TYPES = {use: kind for kind, use in dict(reversed(_USES)).items()}
"""Every declared type once, by the first attribute or method that has it."""
SELECTORS = {
    f"{class_id} {selector.name}": selector.type
    for class_id in known()
    for attribute in lookup(class_id).attributes.values()
    for selector in attribute.selectors.values()
}


@pytest.mark.parametrize("kind", [*TYPES.values(), *SELECTORS.values()], ids=[*TYPES, *SELECTORS])
@settings(max_examples=30, deadline=None)
@given(draw=st.data())
def test_every_value_survives_the_way_there_and_back(kind, draw):
    data = draw.draw(strategies.datas(kind))
    kind.check(data)
    assert axdr.decode(axdr.encode(data)) == data
    value = kind.from_data(data)
    assert kind.to_data(value, data) == data
    assert kind.from_data(kind.to_data(value, data)) == value
    assert kind.to_data(data) is data


@pytest.mark.parametrize("kind", TYPES.values(), ids=TYPES)
@settings(max_examples=30, deadline=None)
@given(data=strategies.anything())
def test_any_data_is_a_value_or_a_type_mismatch(kind, data):
    try:
        kind.check(data)
        checked = True
    except TypeMismatch:
        checked = False
    try:
        value = kind.from_data(data)
    except TypeMismatch:
        assert not checked
        return
    if checked:
        assert kind.to_data(value, data) == data


@pytest.mark.parametrize("kind", TYPES.values(), ids=TYPES)
@settings(max_examples=20, deadline=None)
@given(value=st.one_of(st.none(), st.integers(), st.text(), st.binary(), st.floats(), st.tuples(st.integers())))
def test_any_python_value_is_encoded_or_refused(kind, value):
    try:
        data = kind.to_data(value)
    except CosemError:
        return
    axdr.encode(data)


@given(st.recursive(st.one_of(st.none(), st.booleans()), lambda inner: st.lists(inner).map(tuple), max_leaves=5))
def test_plain_values_take_the_types_of_the_value_before(value):
    def build(item):
        if isinstance(item, tuple):
            return Data(Tag.STRUCTURE, tuple(build(inner) for inner in item))
        return Data(Tag.NULL_DATA, None) if item is None else Data(Tag.BOOLEAN, item)

    data = build(value)
    assert plain(data) == value
    assert any_data.to_data(value, data) == data


class Colour(OpenEnum):
    RED = 1


def test_unknown_codes_are_kept():
    kind = enum(Colour)
    assert kind.from_data(Data(Tag.ENUM, 1)) is Colour.RED
    value = kind.from_data(Data(Tag.ENUM, 200))
    assert value == 200
    assert not value.known
    assert value.label == "unknown (200)"
    assert kind.to_data(value) == Data(Tag.ENUM, 200)
    assert list(Colour) == [Colour.RED]
    with pytest.raises(ValueError, match="300"):
        Colour(300)


def test_a_choice_keeps_the_tag_it_had():
    before = Data(Tag.DOUBLE_LONG_UNSIGNED, 5)
    assert simple.to_data(7, before) == Data(Tag.DOUBLE_LONG_UNSIGNED, 7)
    with pytest.raises(EncodeError, match="give it as Data"):
        simple.to_data(-1, before)
    assert simple.to_data(b"x", before) == Data(Tag.OCTET_STRING, b"x")
    assert simple.to_data(True) == Data(Tag.BOOLEAN, True)


def test_a_choice_may_prefer_its_first_alternative():
    names = choice(visible_string, utf8_string, prefer_first=True)
    assert names.to_data("Ada").tag is Tag.VISIBLE_STRING
    assert names.to_data("Łucja").tag is Tag.UTF8_STRING
    assert names.to_data("Ada", Data(Tag.UTF8_STRING, "")).tag is Tag.UTF8_STRING


def test_errors_name_the_way_to_the_mistake():
    class Pair(tuple):
        _fields = ("first", "second")

        def __new__(cls, *items):
            return super().__new__(cls, items)

    kind = array(structure(Pair, first=unsigned, second=octet_string(2)))
    good = axdr.array(axdr.structure(axdr.unsigned(1), axdr.octet_string(b"ab")))
    assert kind.from_data(good) == ((1, b"ab"),)
    bad = axdr.array(axdr.structure(axdr.unsigned(1), axdr.octet_string(b"abc")))
    with pytest.raises(TypeMismatch) as caught:
        kind.check(bad)
    assert caught.value.path == ("[0]", "second")
    assert str(caught.value) == "[0] > second: expected octet-string(2), not octet-string"
    with pytest.raises(EncodeError, match=r"\[0\] > first"):
        kind.to_data(((256, b"ab"),))
    with pytest.raises(TypeMismatch, match="structure of 1 elements"):
        kind.check(axdr.array(axdr.structure(axdr.unsigned(1))))


def test_the_fields_of_a_structure_are_those_of_its_tuple():
    with pytest.raises(EncodeError, match="fields"):
        structure(CosemDateTime, year=unsigned)


def test_a_date_time_is_read_in_both_forms_and_written_in_the_declared_one():
    octets = bytes.fromhex("07e80a0304173b0000ffc400")
    value = date_time_octets.from_data(Data(Tag.OCTET_STRING, octets))
    assert date_time_octets.from_data(Data(Tag.DATE_TIME, octets)) == value
    assert date_time_octets.to_data(value) == Data(Tag.OCTET_STRING, octets)
    with pytest.raises(TypeMismatch):
        date_time_octets.check(Data(Tag.DATE_TIME, octets))
    with pytest.raises(TypeMismatch):
        date_time_octets.from_data(Data(Tag.OCTET_STRING, octets[:-1]))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (integer, 128),
        (integer, True),
        (double_long_unsigned, -1),
        (double_long_unsigned, 1.0),
        (float32, 1e39),
        (octet_string(2), b"abc"),
        (visible_string, "Ł"),
        (date_time_octets, "now"),
        (enum(Colour), 256),
        (array(integer), b"\x01"),
    ],
)
def test_values_without_encoding_are_refused(kind, value):
    with pytest.raises(EncodeError):
        kind.to_data(value)
