"""A device made from a model that uses short names: where what stands, and what cannot stand there."""

from __future__ import annotations

import pytest

from cosem.classes.access import Access, AccessRights, AttributeAccess, MethodAccess
from cosem.cli.models import model_urls
from cosem.codec import axdr
from cosem.errors import AccessError, ConfigError
from cosem.models import AssociationModel, DeviceModel, LogicalDeviceModel, ObjectModel
from cosem.obis import Obis
from cosem.results import DataAccessResult
from support.modelled import Reader, made, reader_of

CLIENT, OTHER = 5, 6
ENERGY, EXPORT = Obis.parse("1-0:1.8.0"), Obis.parse("1-0:2.8.0")
OWN, ANOTHER = Obis.parse("0-0:40.0.1"), Obis.parse("0-0:40.0.2")


def thing(
    class_id: int, name: Obis, base_name: int | None, *numbers: int, methods: tuple[int, ...] = (), version: int = 0
) -> ObjectModel:
    """Return an object whose attributes may be read and written, and hold their number."""
    obj = ObjectModel(class_id, version, name, base_name)
    attributes = tuple(AttributeAccess(number, Access.READ_AND_WRITE) for number in numbers)
    obj.rights[CLIENT] = AccessRights(attributes, tuple(MethodAccess(number, Access.ACCESS) for number in methods))
    obj.values = {number: axdr.unsigned(number) for number in numbers if number != 1}
    return obj


def own(version: int = 2, name: Obis = OWN, base_name: int | None = 0xFA00) -> ObjectModel:
    """Return the client's association object; of versions 0 and 1 nobody tells rights."""
    obj = thing(12, name, base_name, 1, 2, 3, 4, version=version)
    if version < 2:
        obj.rights[CLIENT] = None
    obj.values = {}
    return obj


def device(*objects: ObjectModel, **settings: object) -> DeviceModel:
    """Return a model of one logical device with one association."""
    association = AssociationModel(CLIENT, referencing="sn", **settings)  # type: ignore[arg-type]
    return DeviceModel([LogicalDeviceModel(associations=[association], objects=list(objects))])


def refused(client: Reader, class_id: int, name: Obis, number: int) -> DataAccessResult:
    """Return the result with which reading is refused."""
    with pytest.raises(AccessError) as caught:
        client.run(client.core.get_data(class_id, name, number))
    return DataAccessResult(int(caught.value.result))


def test_classes_that_nothing_declares_are_read_and_written_a_step_apart() -> None:
    client = reader_of(made(device(own(), thing(8192, ENERGY, 0x1003, 1, 2, 5, -1))), CLIENT)
    client.run(client.core.object_list())
    assert client.core.base_names == {OWN: 0xFA00, ENERGY: 0x1003}
    assert client.run(client.core.get_data(8192, ENERGY, 5)) == axdr.unsigned(5)
    client.run(client.core.set_data(8192, ENERGY, 5, axdr.unsigned(9)))
    assert client.run(client.core.get_data(8192, ENERGY, 5)) == axdr.unsigned(9)
    assert refused(client, 8192, ENERGY, 4) == DataAccessResult.OBJECT_UNDEFINED
    assert refused(client, 8192, ENERGY, -1) == DataAccessResult.OBJECT_UNDEFINED


def test_objects_closer_together_than_their_classes_are_long() -> None:
    # reset of the first register would stand where the second has its value, but the first has none
    near = (thing(3, ENERGY, 0x1000, 1, 2, 3), thing(3, EXPORT, 0x1020, 1, 2, 3))
    client = reader_of(made(device(own(), *near)), CLIENT)
    assert client.run(client.core.get_data(3, ENERGY, 3)) == axdr.unsigned(3)
    assert client.run(client.core.get_data(3, EXPORT, 2)) == axdr.unsigned(2)


@pytest.mark.parametrize("version", [0, 1])
def test_associations_that_tell_no_rights(version: int) -> None:
    energy = thing(3, ENERGY, 0x1000, 1, 2)
    energy.rights[CLIENT] = None
    client = reader_of(made(device(own(version), energy)), CLIENT)
    read = client.model(values=True).logical_devices[0].objects
    assert [(obj.identity, obj.rights, obj.base_name) for obj in read] == [
        ((12, version, OWN), {CLIENT: None}, 0xFA00),
        ((3, 0, ENERGY), {CLIENT: None}, 0x1000),
    ]
    assert read[1].values == {1: axdr.octet_string(bytes(ENERGY)), 2: axdr.unsigned(2)}
    assert refused(client, 3, ENERGY, 3) == DataAccessResult.READ_WRITE_DENIED


def test_one_object_list_for_each_client() -> None:
    model = device(own(), thing(12, ANOTHER, 0xFA00, 1, 2, 3, version=2), thing(3, ENERGY, 0x1000, 1, 2))
    logical = model.logical_devices[0]
    logical.associations.append(AssociationModel(OTHER, referencing="sn"))
    logical.objects[1].rights = {OTHER: logical.objects[1].rights[CLIENT]}
    logical.objects[1].values = {}
    logical.objects[2].rights[OTHER] = AccessRights((AttributeAccess(2, Access.READ),), ())
    meter = made(model)
    for client, name in ((CLIENT, OWN), (OTHER, ANOTHER)):
        reader = reader_of(meter, client)
        read = reader.model().logical_devices[0]
        assert read.object_list(client) == logical.object_list(client)
        assert reader.core.base_names == {name: 0xFA00, ENERGY: 0x1000}


def test_methods_have_their_names_and_are_refused() -> None:
    client = reader_of(made(device(own(), thing(70, ENERGY, 0x1000, 2, methods=(1,)))), CLIENT)
    with pytest.raises(AccessError) as caught:
        client.run(client.core.call_data(70, ENERGY, 1, axdr.integer(0)))
    assert caught.value.result == DataAccessResult.OTHER_REASON


def test_high_level_security() -> None:
    client = reader_of(made(device(own(), thing(3, ENERGY, 0x1000, 2), mechanism=5, policy=3)), CLIENT)
    assert client.run(client.core.get_data(3, ENERGY, 2)) == axdr.unsigned(2)


def test_the_urls_say_that_it_has_short_names() -> None:
    urls = model_urls(made(device(own())), "localhost", 4059, 4060, {})
    assert urls["client 5"] == "tcp://localhost:4059?client=5&referencing=sn"


@pytest.mark.parametrize(
    ("objects", "words"),
    [
        (
            (own(), thing(3, ENERGY, 0x1000, 1, 2, 3), thing(3, EXPORT, 0x1010, 1, 2)),
            "client 5: 1-0:1.8.0.255 (class 3) and 1-0:2.8.0.255 (class 3) both have the short name 1010h",
        ),
        (
            (own(), thing(3, ENERGY, 0xFA08, 1, 2)),
            "client 5: the association itself and 1-0:1.8.0.255 (class 3) both have the short name FA08h",
        ),
        (
            (own(), own(name=ANOTHER)),
            "client 5: 0-0:40.0.1.255 and 0-0:40.0.2.255 both have the base name FA00h",
        ),
        (
            (own(name=Obis.parse("0-0:40.0.0"), base_name=0x1000),),
            "client 5: 0-0:40.0.0.255 (class 12) is the association itself, which is at FA00h, not at 1000h",
        ),
        ((own(), thing(3, ENERGY, None, 1)), "client 5: 1-0:1.8.0.255 (class 3) has no base name"),
        ((own(9),), "class 12 version 9 is not known"),
    ],
)
def test_what_cannot_stand_where_it_should(objects: tuple[ObjectModel, ...], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        made(device(*objects))
    assert str(caught.value) == words
