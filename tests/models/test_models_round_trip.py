"""A model becomes a device, a client reads it, and what it reads is the model again; with real meters' lists, too."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosem.classes.access import Access, AccessRights, AttributeAccess, MethodAccess, decode_mode
from cosem.classes.json_form import declaration
from cosem.classes.model import lookup
from cosem.codec import axdr
from cosem.errors import ConfigError
from cosem.models import AssociationModel, DeviceModel, LogicalDeviceModel, ObjectModel, dumps, load_text
from cosem.obis import Obis
from support.meters import build, two_days, utc
from support.modelled import Reader, made, reader_of
from support.served import READING, served
from support.vectors import SHARED

_spec = importlib.util.spec_from_file_location(
    "class_strategies", Path(__file__).parents[1] / "classes" / "class_strategies.py"
)
strategies = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(strategies)

CURRENT = Obis.parse("0-0:40.0.0")
COUNTER = Obis.parse("0-0:43.1.0")
CLIENT = 5
DEMANDED = Access.AUTHENTICATED_REQUEST | Access.ENCRYPTED_REQUEST
CLASSES = [(1, 0), (3, 0), (4, 0), (6, 0), (20, 0), (21, 0), (64, 0), (70, 0), (1, 9), (3, 1), (8192, 0), (8300, 7)]
"""Declared classes, versions that nothing declares, and classes of manufacturers."""


def attribute_rights(version: int, number: int) -> st.SearchStrategy[AttributeAccess]:
    modes = st.integers(0, 255 if version >= 3 else 9 if version else 3)
    selectors = st.none() | st.lists(st.integers(-128, 127), max_size=3).map(tuple)
    return st.builds(lambda mode, selected: _attribute(version, number, mode, selected), modes, selectors)


def _attribute(version: int, number: int, mode: int, selectors: tuple[int, ...] | None) -> AttributeAccess:
    access, unknown = decode_mode(version, mode)
    return AttributeAccess(number, access, selectors, unknown)


def method_rights(version: int, number: int) -> st.SearchStrategy[MethodAccess]:
    modes = st.integers(0, 255 if version >= 3 else 4 if version else 1)
    return modes.map(lambda mode: _method(version, number, mode))


def _method(version: int, number: int, mode: int) -> MethodAccess:
    access, unknown = decode_mode(version, mode, of_methods=True)
    return MethodAccess(number, access, unknown)


@st.composite
def objects(draw: st.DrawFn, version: int | None, index: int, base_name: int | None = None) -> ObjectModel:
    class_id, class_version = draw(st.sampled_from(CLASSES))
    obj = ObjectModel(class_id, class_version, Obis(bytes((1, 0, draw(st.integers(0, 255)), 8, index, 255))))
    obj.base_name = base_name
    if version is None or draw(st.integers(0, 9)) == 0:
        obj.rights[CLIENT] = None
        readable = [1] if lookup(class_id, class_version) is None else list(lookup(class_id, class_version).attributes)
    else:
        numbers = draw(st.lists(st.integers(-4, 14), unique=True, max_size=6))
        attributes = tuple(draw(attribute_rights(version, number)) for number in numbers)
        called = draw(st.lists(st.integers(-2, 6), unique=True, max_size=3))
        obj.rights[CLIENT] = AccessRights(attributes, tuple(draw(method_rights(version, n)) for n in called))
        readable = [right.attribute_id for right in attributes if right.access & Access.READ]
    protected = {r.attribute_id for r in (obj.rights[CLIENT] or AccessRights()).attribute_access if r.access & DEMANDED}
    for number in readable:
        if number == 0:  # stands for all attributes, and is none
            continue
        if base_name is not None and not has_short_name(obj, number):
            obj.errors[number] = "object-undefined"
        elif number in protected:  # the client comes without protection
            obj.errors[number] = "read-write-denied"
        elif number == 1:
            obj.values[1] = axdr.octet_string(bytes(obj.name))
        elif draw(st.booleans()):
            kind = declaration(class_id, class_version, number).type
            obj.values[number] = draw(strategies.datas(kind) | strategies.anything())
        elif obj.rights[CLIENT] is not None:
            obj.errors[number] = draw(st.sampled_from(["object-unavailable", "temporary-failure", "hardware-fault"]))
        else:
            obj.errors[number] = "object-unavailable"
    return obj


def has_short_name(obj: ObjectModel, number: int) -> bool:
    declared = lookup(obj.class_id, obj.version)
    if declared is None:
        return number >= 1
    return number in declared.attributes and declared.attributes[number].sn_offset is not None


def length(obj: ObjectModel) -> int:
    """Return the octets of short names that an object may take."""
    declared = lookup(obj.class_id, obj.version)
    if declared is None:
        return 14 * 8
    members = (*declared.attributes.values(), *declared.methods.values())
    return max(member.sn_offset for member in members if member.sn_offset is not None) + 8


@st.composite
def short_name_models(draw: st.DrawFn) -> DeviceModel:
    version = draw(st.integers(0, 4))
    device = LogicalDeviceModel(associations=[AssociationModel(CLIENT, referencing="sn")])
    free = 8 * draw(st.integers(0, 0x1000))
    for index in range(draw(st.integers(0, 5))):
        obj = draw(objects({2: 2, 3: 2, 4: 3}.get(version), index, free))
        device.objects.append(obj)
        free += length(obj) + 8 * draw(st.integers(0, 3))
    own = ObjectModel(12, version, Obis(bytes((0, 0, 40, 0, draw(st.integers(0, 9)), 255))), 0xFA00)
    attributes = tuple(AttributeAccess(number, Access.READ) for number in lookup(12, version).attributes)
    own.rights[CLIENT] = AccessRights(attributes, (MethodAccess(3, Access.ACCESS),)) if version >= 2 else None
    device.objects.insert(draw(st.integers(0, len(device.objects))), own)
    return DeviceModel([device])


@st.composite
def models(draw: st.DrawFn) -> DeviceModel:
    version = draw(st.integers(0, 3))
    device = LogicalDeviceModel(associations=[AssociationModel(CLIENT)])
    device.objects = [draw(objects(version, index)) for index in range(draw(st.integers(0, 5)))]
    numbers = lookup(15, version).attributes
    own = ObjectModel(15, version, CURRENT)
    own.rights[CLIENT] = AccessRights(
        tuple(AttributeAccess(number, Access.NONE if number == 7 else Access.READ) for number in numbers),
        (MethodAccess(1, Access.ACCESS),),
    )
    device.objects.insert(draw(st.integers(0, len(device.objects))), own)
    return DeviceModel([device])


def without_sessions(model: DeviceModel) -> DeviceModel:
    """Leave out what association objects say of the session at hand."""
    for device in model.logical_devices:
        for obj in device.objects:
            if obj.class_id == 15 or obj.base_name == 0xFA00:
                obj.values, obj.errors, obj.skipped = {}, {}, {}
    return model


def same(left: DeviceModel, right: DeviceModel) -> bool:
    """Whether two models are the same, octet for octet: NaN is not equal to itself."""
    return dumps(left) == dumps(right)


@settings(max_examples=60, deadline=None)
@given(model=models() | short_name_models())
def test_a_model_is_a_device_is_a_model(model: DeviceModel) -> None:
    text = dumps(model)
    assert same(load_text(text), model)
    meter = made(load_text(text))
    read = reader_of(meter, CLIENT).model(values=True)
    assert same(without_sessions(read), model)
    device = model.logical_devices[0]
    assert read.logical_devices[0].object_list(CLIENT) == device.object_list(CLIENT)


@settings(max_examples=25, deadline=None)
@given(model=models() | short_name_models())
def test_what_is_written_is_kept_in_its_type(model: DeviceModel) -> None:
    meter = made(model)
    client = reader_of(meter, CLIENT)
    for obj in model.logical_devices[0].objects:
        rights = obj.rights[CLIENT] or AccessRights()
        for right in rights.attribute_access:
            value = obj.values.get(right.attribute_id)
            if right.access == Access.READ_AND_WRITE and value is not None and obj.class_id not in (12, 15):
                client.run(client.core.set_data(obj.class_id, obj.name, right.attribute_id, value))
                read = client.run(client.core.get_data(obj.class_id, obj.name, right.attribute_id))
                assert axdr.encode(read) == axdr.encode(value)


# --- real meters --------------------------------------------------------------------------------------------------

LISTS = sorted((SHARED / "meters").glob("*.json")) if (SHARED / "meters").exists() else []


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.stem)
def test_a_real_meters_list_is_served_and_read_back(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if "capture_objects" in json.loads(text).get("what", ""):
        with pytest.raises(ConfigError, match="capture list of a profile"):
            load_text(text)
        return
    model = load_text(text)
    device, association = model.logical_devices[0], model.logical_devices[0].associations[0]
    assert len(device.objects) == json.loads(text)["object_count"]
    read = reader_of(made(model), association.client).model(values=True).logical_devices[0]
    assert read.object_list(association.client) == device.object_list(association.client)
    for got, described in zip(read.objects, device.objects, strict=True):
        rights = described.rights[association.client]
        for number, data in described.values.items():  # scalers and units
            if rights is None or rights.attribute(number) & Access.READ:
                assert got.values[number] == data
    assert load_text(dumps(model)) == model


def test_a_meters_copy_reads_as_the_meter() -> None:
    original = Reader(two_days().device, 1, mechanism=5, policy=3).model(values=True)
    device = original.logical_devices[0]
    assert {a.client for a in device.associations} == {1, 2, 16}
    assert {a.client: str(a.object) for a in device.associations} == {
        1: "0-0:40.0.2.255",
        2: "0-0:40.0.3.255",
        16: "0-0:40.0.1.255",
    }
    copy = made(load_text(dumps(original)), two_days().now)
    again = reader_of(copy, 1).model(values=True)
    assert without_sessions(again) == without_sessions(original)
    public = Reader(two_days().device, 16).model(values=True)
    copied = reader_of(copy, 16).model(values=True)
    for model in (public, copied):  # the counter went on between the two readings
        next(obj for obj in model.logical_devices[0].objects if obj.name == COUNTER).values.clear()
    assert without_sessions(copied) == without_sessions(public)


def test_a_meter_with_short_names_is_written_down_with_them() -> None:
    with served(days=0.1, referencing="sn") as world, world.connect(**READING, referencing="sn") as meter:
        model = meter.model(values=True)
    (device,) = model.logical_devices
    assert device.associations[0].referencing == "sn"
    assert len(device.objects) > 10
    assert all(obj.base_name is not None for obj in device.objects)
    assert any(obj.values.get(2) for obj in device.objects if obj.class_id == 3)
    assert load_text(dumps(model)) == model


def test_a_copy_of_a_meter_with_short_names_reads_as_the_meter() -> None:
    source = build(utc(2026, 6, 1), utc(2026, 6, 1, 6), referencing="sn")
    original = Reader(source.device, 1, mechanism=5, policy=3, referencing="sn").model(values=True)
    objects = original.logical_devices[0].objects
    assert {obj.base_name for obj in objects} >= {0xFA00, 0xFC00, 0xFD00}
    assert all(obj.rights[1] is not None for obj in objects)
    own = next(obj for obj in objects if obj.base_name == 0xFA00)
    assert own.skipped == dict.fromkeys((2, 3), "the objects and rights of this model")
    setup = own.values[4]
    copy = reader_of(made(load_text(dumps(original)), source.now), 1)
    assert copy.run(copy.core.get_data(12, own.name, 4)) == setup
    assert without_sessions(copy.model(values=True)) == without_sessions(original)
