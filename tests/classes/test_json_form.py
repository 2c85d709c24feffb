"""Values and whole objects as JSON in the form of their declaration, and back."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosem.classes import Clock, DisconnectControl, LocalStore, Register, Unknown, known, versions_of
from cosem.classes.c020_activity_calendar import ActivityCalendar
from cosem.classes.json_form import object_from_json, object_to_json, value_from_json, value_to_json
from cosem.classes.types import array, date_octets, integer, structure, unsigned
from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag
from cosem.errors import ConfigError
from cosem.units import ScalerUnit, Unit

_spec = importlib.util.spec_from_file_location("class_strategies", Path(__file__).with_name("class_strategies.py"))
strategies = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(strategies)

CLASSES = [cls for class_id in known() for cls in versions_of(class_id).values()]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: f"{cls.class_id}-{cls.class_version}")
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_every_attribute_of_every_class_comes_back(cls, data):
    name = data.draw(st.binary(min_size=6, max_size=6))
    obj = cls(name, LocalStore({1: axdr.octet_string(name)}))
    for number, attribute in cls.attributes.items():
        if number > 1:  # of the declared type, or of any other that a meter may send instead
            kind = strategies.datas(attribute.type) | strategies.anything()
            obj.store.values[number] = data.draw(kind)
    again = object_from_json(json.loads(json.dumps(object_to_json(obj))))
    assert type(again) is cls
    assert again.obis == obj.obis
    assert {n: axdr.encode(d) for n, d in again.store.values.items()} == {
        n: axdr.encode(d) for n, d in obj.store.values.items()
    }


@given(values=st.dictionaries(st.integers(2, 40), strategies.anything(), max_size=4))
def test_an_object_of_an_unknown_class_comes_back(values):
    obj = Unknown("0-0:94.39.1", LocalStore(values), class_id=8192, class_version=3)
    document = object_to_json(obj)
    assert set(document["attributes"]) == {str(number) for number in values}
    again = object_from_json(json.loads(json.dumps(document)))
    assert isinstance(again, Unknown)
    assert (again.class_id, again.class_version) == (8192, 3)
    assert {n: axdr.encode(d) for n, d in again.store.values.items()} == {n: axdr.encode(d) for n, d in values.items()}


def test_forms_for_people():
    register = Register("1-0:1.8.0", value=axdr.double_long_unsigned(5), scaler_unit=ScalerUnit(-1, Unit.WATT_HOUR))
    assert object_to_json(register) == {
        "class": 3,
        "version": 0,
        "obis": "1-0:1.8.0.255",
        "class_name": "Register",
        "attributes": {
            "logical_name": "1-0:1.8.0.255",
            "value": {"double-long-unsigned": 5},
            "scaler_unit": {"scaler": -1, "unit": {"code": 30, "word": "Wh"}},
        },
    }
    state = DisconnectControl.control_state.type
    assert value_to_json(state, Data(Tag.ENUM, 2)) == {"code": 2, "word": "ready for reconnection"}
    assert value_to_json(state, Data(Tag.ENUM, 9)) == {"code": 9, "word": "unknown (9)"}
    moment = Clock.time.type
    octets = bytes.fromhex("07e8031f07021500 00 ff88 00")
    assert value_to_json(moment, Data(Tag.OCTET_STRING, octets)) == "2024-03-31T02:21:00+02:00"
    with_status = octets[:-1] + b"\x80"
    assert value_to_json(moment, Data(Tag.OCTET_STRING, with_status)) == {
        "octet-string": with_status.hex(),
        "date_time": "2024-03-31T02:21:00+02:00",
    }
    status = Data(Tag.UNSIGNED, 0x80)
    assert value_to_json(Clock.status.type, status)["bits"] == 0x80
    assert value_to_json(ActivityCalendar.calendar_name_active.type, axdr.octet_string(b"\x01\xff")) == "01ff"
    assert value_to_json(date_octets, axdr.octet_string(bytes.fromhex("07e8021f05"))) == {"octet-string": "07e8021f05"}


def test_what_people_write_by_hand():
    state = DisconnectControl.control_state.type
    for text in (1, "connected", {"code": 1}, {"code": 1, "word": "connected"}, {"code": 1, "word": "something else"}):
        assert value_from_json(state, text) == Data(Tag.ENUM, 1)
    assert value_from_json(state, {"unsigned": 1}) == axdr.unsigned(1)  # said so, and kept so
    assert value_from_json(Clock.time.type, "2024-03-31T02:15:00Z").value[:2] == b"\x07\xe8"


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        (unsigned, 256, "unsigned"),
        (unsigned, "5", "'5' is no unsigned"),
        (unsigned, [1], "unsigned is expected"),
        (array(integer), 5, "array"),
        (array(integer), [1, "x"], r"\[1\]: 'x' is no integer"),
        (structure(ScalerUnit, scaler=integer, unit=unsigned), {"scaler": 1}, "scaler, unit is expected"),
        (
            structure(ScalerUnit, scaler=integer, unit=unsigned),
            {"scaler": 1, "unit": -1},
            "unit: -1 is not in the range of unsigned",
        ),
        (DisconnectControl.control_state.type, "closed", "none of disconnected, connected"),
        (DisconnectControl.control_state.type, {"code": 0, "word": "connected"}, "code 0 is disconnected"),
        (DisconnectControl.control_state.type, {"code": True}, "an enumeration is written"),
        (Register.value.type, 5, "is expected"),
        (Register.value.type, {"unsigned": 1, "long": 2}, "one type"),
        (Register.logical_name.type, 5, "octet-string"),
        (Register.logical_name.type, "nonsense", "no OBIS code"),
        (Clock.time.type, "noon", "no date-time"),
        (Clock.time.type, None, "expected"),
    ],
)
def test_what_is_no_value_is_told(kind, value, words):
    with pytest.raises(ConfigError, match=words):
        value_from_json(kind, value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"attributes": []}, "attributes by name"),
        ({"class": "3"}, "numbers class and version"),
        ({"obis": "x"}, "no OBIS code"),
        ({"attributes": {"volume": 5}}, "Register 1-0:1.8.0.255> has no attribute 'volume'"),
        ({"attributes": {"scaler_unit": 5}}, "scaler_unit: structure"),
    ],
)
def test_what_is_no_object_is_told(change, words):
    document = object_to_json(Register("1-0:1.8.0")) | change
    with pytest.raises(ConfigError, match=words):
        object_from_json(document)


def test_an_object_in_a_meter_is_not_read_in_secret():
    class Far:
        """A store that is not in memory."""

    with pytest.raises(ConfigError, match="in a meter"):
        object_to_json(Register("1-0:1.8.0", Far()))


@pytest.mark.parametrize("key", ["--5", "9" * 5000, "0", "-129", "128", "\u0663"])
def test_attributes_have_the_numbers_that_there_are(key):
    document = {"class": 3, "version": 0, "obis": "1.8.0", "attributes": {key: {"unsigned": 1}}}
    with pytest.raises(ConfigError, match="has no attribute"):
        object_from_json(document)


@pytest.mark.parametrize(("class_id", "version"), [(-1, 0), (65536, 0), (3, -1), (3, 256)])
def test_classes_have_the_numbers_that_there_are(class_id, version):
    with pytest.raises(ConfigError, match="from 0 to 65535"):
        object_from_json({"class": class_id, "version": version, "obis": "1.8.0", "attributes": {}})


def test_an_attribute_by_name_and_number_is_one_too_many():
    document = {"class": 1, "version": 0, "obis": "0-0:96.1.0", "attributes": {"value": {"unsigned": 5}}}
    document["attributes"]["2"] = {"unsigned": 1}
    with pytest.raises(ConfigError, match="attribute 2 twice"):
        object_from_json(document)
