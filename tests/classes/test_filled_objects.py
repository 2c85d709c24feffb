"""An object with every attribute filled survives octets and JSON: it becomes the same object again."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosem.classes import LocalStore, known, versions_of
from cosem.codec import axdr
from cosem.codec.json import from_json, to_json
from cosem.obis import Obis

_spec = importlib.util.spec_from_file_location("class_strategies", Path(__file__).with_name("class_strategies.py"))
strategies = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(strategies)

CLASSES = [cls for class_id in known() for cls in versions_of(class_id).values()]


def by_name(cls):
    return f"{cls.class_id}-{cls.class_version} {cls.__name__}"


def filled(cls, draw):
    """Return an object of `cls` with a value in every attribute, and that value's `Data` by number."""
    name = draw(st.binary(min_size=6, max_size=6))
    obj = cls(Obis(name), LocalStore({1: axdr.octet_string(name)}))
    for number, attribute in cls.attributes.items():
        if number > 1:
            setattr(obj, attribute.name, draw(strategies.datas(attribute.type)))
    return obj


def values(obj):
    return {attribute.name: getattr(obj, attribute.name) for attribute in obj.attributes.values()}


@pytest.mark.parametrize("cls", CLASSES, ids=by_name)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_a_filled_object_survives_octets(cls, data):
    obj = filled(cls, data.draw)
    octets = {number: axdr.encode(obj.store.values[number]) for number in cls.attributes}
    again = cls(obj.obis, LocalStore({number: axdr.decode(value) for number, value in octets.items()}))
    assert values(again) == values(obj)
    for attribute in cls.attributes.values():  # written back as Python values, in the types they had
        setattr(again, attribute.name, getattr(obj, attribute.name))
    assert {number: axdr.encode(again.store.values[number]) for number in cls.attributes} == octets


@pytest.mark.parametrize("cls", CLASSES, ids=by_name)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_a_filled_object_survives_json(cls, data):
    obj = filled(cls, data.draw)
    document = json.loads(json.dumps({number: to_json(obj.store.values[number]) for number in cls.attributes}))
    again = cls(obj.obis, LocalStore({int(number): from_json(value) for number, value in document.items()}))
    assert values(again) == values(obj)
    assert again.store.values == obj.store.values
