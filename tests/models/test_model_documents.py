"""Models as documents: what is written by hand, what is wrong and where, and that nothing ever ends otherwise."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosem.classes.access import Access, AccessRights, AttributeAccess, MethodAccess
from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag
from cosem.errors import ConfigError
from cosem.models import AssociationModel, dumps, load_text
from cosem.models.document import from_document, to_document
from cosem.models.rights import rights_from_words, rights_in_words
from cosem.obis import Obis
from support.modelled import made, reader_of

DATA = Path(__file__).parents[1] / "data"
SMALL = (DATA / "model_small.json").read_text(encoding="utf-8")


def document() -> dict[str, Any]:
    """Return the small model as it stands in its file."""
    found: dict[str, Any] = json.loads(SMALL)
    return found


def test_a_small_model_as_people_write_it() -> None:
    model = load_text(SMALL)
    device = model.logical_devices[0]
    assert (model.name, device.sap, device.name) == ("a small meter", 1, b"CSM0001")
    assert device.associations == [
        AssociationModel(16),
        AssociationModel(1, 5, 3, True, Obis.parse("0-0:40.0.2"), max_pdu_size=512),
    ]
    energy = next(obj for obj in device.objects if obj.class_id == 3)
    assert energy.values[2] == axdr.double_long_unsigned(12345)
    assert energy.values[3] == Data(Tag.STRUCTURE, (axdr.integer(0), Data(Tag.ENUM, 30)))
    assert energy.rights[16] == AccessRights(
        (AttributeAccess(1, Access.READ), AttributeAccess(2, Access.READ), AttributeAccess(3, Access.READ))
    )
    assert energy.rights[1] == AccessRights(
        (
            AttributeAccess(1, Access.READ),
            AttributeAccess(2, Access.READ | Access.AUTHENTICATED, (1, 2)),
            AttributeAccess(3, Access.READ),
        ),
        (MethodAccess(1, Access.ACCESS | Access.AUTHENTICATED),),
    )
    tariff = next(obj for obj in device.objects if obj.class_id == 8192)
    assert tariff.rights == {1: None}
    assert load_text(dumps(model)) == model
    assert from_document(json.loads(json.dumps(to_document(model)))) == model
    assert [o.name for o in reader_of(made(model), 1).model().logical_devices[0].objects] == [
        obj.name for obj in device.objects
    ]


def test_the_same_as_toml() -> None:
    model = load_text((DATA / "model_small.toml").read_text(encoding="utf-8"), toml=True)
    assert model.logical_devices[0].objects[0].values[2] == axdr.octet_string(b"CSM0001")
    assert model.logical_devices[0].associations == [AssociationModel(16)]
    with pytest.raises(ConfigError, match="no TOML"):
        load_text("cosem_model = ", toml=True)


def test_a_list_of_another_program() -> None:
    model = load_text((DATA / "model_list.json").read_text(encoding="utf-8"))
    device = model.logical_devices[0]
    assert device.associations == [AssociationModel(3, 5, 3, True)]
    assert [obj.class_id for obj in device.objects] == [15, 3, 100, 8192]
    register = device.objects[1]
    assert register.values == {3: Data(Tag.STRUCTURE, (axdr.integer(-2), Data(Tag.ENUM, 30)))}
    assert register.base_name == 6400
    assert register.rights[3] == AccessRights(
        (
            AttributeAccess(1, Access.READ),
            AttributeAccess(2, Access.READ_AND_WRITE, (1,)),
            AttributeAccess(3, Access.NONE),
        ),
        (MethodAccess(1, Access.ACCESS), MethodAccess(2, Access.NONE)),
    )
    assert device.objects[3].rights == {3: None}
    assert load_text(dumps(model)) == model
    octets = {"hex": "01010204120003110009060100010800ff0202010102030f02160100010102020f011600"}
    assert load_text(json.dumps(octets)).logical_devices[0].objects[0].rights == {
        16: AccessRights((AttributeAccess(2, Access.READ),), (MethodAccess(1, Access.NONE),))
    }


def test_text_that_is_no_text_goes_into_a_file_and_out_of_it() -> None:
    model = load_text(SMALL)
    obj = model.logical_devices[0].objects[3]
    obj.values[5] = axdr.decode(bytes.fromhex("0c03 e28028"))
    obj.values[6] = Data(Tag.VISIBLE_STRING, "\x1b[2J\x00\xff")
    obj.values[7] = Data(Tag.FLOAT32, float("inf"))
    assert load_text(dumps(model).encode("utf-8").decode("utf-8")) == model


# --- what is wrong ------------------------------------------------------------------------------------------------

DEVICE, OBJECT = "logical_devices.0", "logical_devices.0.objects.1"


def changed(path: str, value: Any) -> str:
    """Return the small model with one place changed; ... takes it out."""
    found = document()
    place: Any = found
    *before, last = [int(part) if part.isdecimal() else part for part in path.split(".")]
    for part in before:
        place = place[part]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return json.dumps(found)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("cosem_model", ..., 'has no "cosem_model"'),
        ("cosem_model", 2, "has the form 2; form 1 is known"),
        ("colour", 1, "the model: 'colour' is none of"),
        ("system_title", "00", "system_title: 8 octets"),
        ("system_title", "zz", "system_title: hex digits"),
        ("logical_devices", {}, "logical_devices: a list is expected"),
        (f"{DEVICE}", 7, "logical device 1: 7 is no table"),
        (f"{DEVICE}.sap", 0, "sap: a number from 1 to 16383"),
        (f"{DEVICE}.name", "much too long a name", "1 to 16 octets"),
        (f"{DEVICE}.name", "hex:0g", "hex digits behind hex:"),
        (f"{DEVICE}.associations.0.client", 16.5, "association 1: client: a number from 0 to 127"),
        (f"{DEVICE}.associations.0.client", ..., "association 1: client is missing"),
        (f"{DEVICE}.associations.0.client", 1, "association 2: client 1 has an association already"),
        (f"{DEVICE}.associations.1.authentication", "strong", "'strong' is none of none, low"),
        (f"{DEVICE}.associations.1.authentication", "mechanism x", "is none of"),
        (f"{DEVICE}.associations.1.security", 3, "security: 3 is none of none, auth, enc, both"),
        (f"{DEVICE}.associations.1.ciphered", "yes", "ciphered: true or false"),
        (f"{DEVICE}.associations.1.object", "here", "no OBIS code"),
        (f"{OBJECT}.obis", "1.8", "object 2 .1.8.: .*"),
        (f"{OBJECT}.obis", 5, "object 2: obis: text is expected"),
        (f"{OBJECT}.obis", ..., "object 2: obis is missing"),
        (f"{OBJECT}.class", True, "class: a number from 0 to 65535"),
        (f"{OBJECT}.version", -1, "version: a number from 0 to 255"),
        (f"{OBJECT}.base_name", 1 << 20, "base_name: a number"),
        (f"{OBJECT}.seen_by", [16, 99], "seen_by: 99 is no client"),
        (f"{OBJECT}.rights_not_told", [99], "rights_not_told: 99 is no client"),
        (f"{OBJECT}.attributes", "none", "attributes: a list is expected"),
        (f"{OBJECT}.attributes.1", 2, "attribute number 2 of the list: 2 is no table"),
        (f"{OBJECT}.attributes.1.id", ..., "attribute number 2 of the list: id is missing"),
        (f"{OBJECT}.attributes.1.id", 1, "attribute 1: it is there already"),
        (f"{OBJECT}.attributes.1.id", 200, "attribute 200: id: a number from -128 to 127"),
        (f"{OBJECT}.attributes.1.value", 12345, "attribute 2: value: "),
        (f"{OBJECT}.attributes.1.value", {"double-long-unsigned": -1}, "value: .*double-long-unsigned"),
        (f"{OBJECT}.attributes.1.value", {"integre": 1}, "value: "),
        (f"{OBJECT}.attributes.2.value", {"scaler": 0}, "attribute 3: value: a structure of scaler, unit"),
        (f"{OBJECT}.attributes.2.value.unit", {"code": 300}, "attribute 3: value: unit: an enumeration"),
        (f"{OBJECT}.attributes.2.access", "raed", "attribute 3: access of client 16: 'raed' is no access right"),
        (f"{OBJECT}.attributes.2.access", "mode 256", "is no access right"),
        (f"{OBJECT}.attributes.2.access", "none, read", "'none' is no access right"),
        (f"{OBJECT}.attributes.2.access", 3, "access: words such as"),
        (f"{OBJECT}.attributes.2.access", {"17": "read"}, "access: '17' is no client"),
        (f"{OBJECT}.attributes.2.access", {"rights": "read", "selectors": [1000]}, "a number from -128 to 127"),
        (f"{OBJECT}.attributes.2.access", {"selectors": [1]}, "access: '?selectors"),
        (f"{OBJECT}.attributes.2.error", 4, "error: text is expected"),
        (f"{OBJECT}.methods.0.access", "read", "method 1: access of client .*: 'read' is no access right"),
        (f"{OBJECT}.methods.0.access", {"1": {"rights": "call"}}, "text is expected"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(path: str, value: Any, words: str) -> None:
    if words.endswith(".*"):  # a short form of a logical name is one, too
        load_text(changed(path, value))
        return
    with pytest.raises(ConfigError, match=words) as caught:
        load_text(changed(path, value))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "5", "null", "[" * 100_000, '{"a": NaN', "\x00", '"' + "9" * 5000])
def test_what_is_no_document_at_all(text: str) -> None:
    with pytest.raises(ConfigError, match=r"the model is no JSON|no model of a device"):
        load_text(text)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"hex": "0102"}, "hex holds no object list"),
        ({"hex": 5}, "hex holds no object list: not hex digits"),
        ({"client_address": "500"}, "client_address: a number from 0 to 127"),
        ({"authentication": "HighMagic"}, "authentication 'HighMagic'"),
        ({"objects": [{"cls": 3}]}, "object 1 of the list: it has no logical name"),
        ({"objects": [{"cls": 3, "ln": "1.0.1.8.0.255", "data_index": 0}]}, "capture list of a profile"),
        ({"objects": [{"cls": None, "ln": "1.0.1.8.0.255", "version": 0}]}, "class 'None' has no number"),
        ({"objects": [{"cls": 3, "ln": "1.0.1.8.0.255"}]}, "version: a number"),
        ({"objects": [{"cls": 3, "ln": "1.0.1.8.0.255", "version": 0, "attributes": 5}]}, "attributes is a list"),
        ({"objects": [{"cls": 3, "ln": "1.0.1.8.0.255", "version": 0, "attributes": [5]}]}, "no index and access"),
        (
            {"objects": [{"cls": 3, "ln": "1.0.1.8.0.255", "version": 0, "attributes": [{"index": 2, "access": "x"}]}]},
            "attributes 2: access: a number from 0 to 255",
        ),
        (
            {"objects": [{"cls": 3, "ln": "1.0.1.8.0.255", "version": 0, "unit": 30, "scaler_multiplier": "5"}]},
            "scaler_multiplier '5' is no power of ten",
        ),
    ],
)
def test_what_is_wrong_in_a_list_of_another_program(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_text(json.dumps({"objects": [{"cls": 3, "ln": "1.0.1.8.0.255", "version": 0}]} | change))


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["read", "1-0:1.8.0"])
)
JSON = LEAVES | st.lists(LEAVES, max_size=3) | st.dictionaries(st.text(max_size=5), LEAVES, max_size=3)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths to everything in a document."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += places(item, (*path, key))
    return found


@pytest.mark.parametrize("name", ["model_small.json", "model_list.json"])
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_document_is_a_model_or_a_mistake_that_is_told(name: str, data: st.DataObject) -> None:
    original = json.loads((DATA / name).read_text(encoding="utf-8"))
    found = copy.deepcopy(original)
    for _ in range(data.draw(st.integers(1, 2))):
        path = data.draw(st.sampled_from(places(found)))
        place = found
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = data.draw(JSON)
    try:
        model = load_text(json.dumps(found))
    except ConfigError:
        return
    assert load_text(dumps(model)) == model


# --- rights in words ----------------------------------------------------------------------------------------------


@given(st.integers(0, 255), st.booleans())
def test_every_right_has_words(mask: int, of_method: bool) -> None:
    words = rights_in_words(Access(mask), of_method=of_method)
    assert rights_from_words(words, of_method=of_method) == (Access(mask), None)


@given(st.integers(0, 255))
def test_an_unknown_mode_keeps_its_number(mode: int) -> None:
    assert rights_from_words(rights_in_words(Access.NONE, mode)) == (Access.NONE, mode)


def test_rights_for_people() -> None:
    assert rights_in_words(Access.READ | Access.AUTHENTICATED) == "read, authenticated-request, authenticated-response"
    assert rights_in_words(Access.NONE) == "none"
    assert rights_in_words(Access.ACCESS, of_method=True) == "call"


@pytest.mark.parametrize("toml", [f"cosem_model = 0x{'f' * 20000}", f"cosem_model = {'[' * 50_000}"])
def test_numbers_and_lists_of_any_size_are_told_shortly(toml: str) -> None:
    with pytest.raises(ConfigError) as told:
        load_text(toml, toml=True)
    assert len(str(told.value)) < 200


@pytest.mark.parametrize("digits", ["256", "9" * 5000])
def test_a_mode_has_one_octet(digits: str) -> None:
    with pytest.raises(ConfigError, match="is no access right"):
        rights_from_words(f"mode {digits}")


def test_a_name_stands_once_in_a_document() -> None:
    with pytest.raises(ConfigError, match="'name' stands twice"):
        load_text('{"cosem_model": 1, "name": "a", "name": "b"}')


def test_a_scaler_beyond_every_number_is_told() -> None:
    item = {"cls": 3, "version": 0, "ln": "1.8.0", "unit": 30, "scaler_multiplier": "1e999999999"}
    with pytest.raises(ConfigError, match="is no power of ten"):
        load_text(json.dumps({"objects": [item]}))
