"""A device made from a model: what it answers, what it takes, and what it cannot be."""

from __future__ import annotations

import asyncio
import re

import pytest

from cosem.classes import known, versions_of
from cosem.classes.access import Access, AccessRights, AttributeAccess, MethodAccess
from cosem.client import connect, connect_async
from cosem.client.survey import SECRETS
from cosem.codec import axdr
from cosem.codec.axdr import Data, Tag
from cosem.errors import AccessError, ConfigError
from cosem.models import AssociationModel, DeviceModel, LogicalDeviceModel, ObjectModel
from cosem.obis import Obis
from cosem.results import ActionResult, DataAccessResult
from cosem.times import CosemDateTime
from support.modelled import START, Reader, made, reader_of
from support.served import DEVICE, served

CLIENT = 5
CURRENT, ENERGY, CLOCK = Obis.parse("0-0:40.0.0"), Obis.parse("1-0:1.8.0"), Obis.parse("0-0:1.0.0")
READ, BOTH = Access.READ, Access.READ_AND_WRITE


def described(
    class_id: int, name: Obis, rights: dict[int, Access], values: dict[int, Data] | None = None, *, version: int = 0
) -> ObjectModel:
    """Return an object with rights by attribute, whose method 1 may be called."""
    obj = ObjectModel(class_id, version, name, values=dict(values or {}))
    attributes = tuple(AttributeAccess(number, access) for number, access in rights.items())
    obj.rights[CLIENT] = AccessRights(attributes, (MethodAccess(1, Access.ACCESS),))
    return obj


def association(version: int = 1) -> ObjectModel:
    """Return the client's own association object."""
    return described(15, CURRENT, {1: READ, 2: READ, 3: BOTH, 7: Access.NONE}, version=version)


def device(*objects: ObjectModel, **settings: object) -> DeviceModel:
    """Return a model of one logical device with one association."""
    logical = LogicalDeviceModel(associations=[AssociationModel(CLIENT, **settings)], objects=list(objects))  # type: ignore[arg-type]
    return DeviceModel([logical])


def get(client: Reader, class_id: int, name: Obis, number: int) -> Data:
    found: Data = client.run(client.core.get_data(class_id, name, number))
    return found


def refused(client: Reader, class_id: int, name: Obis, number: int, value: Data | None = None) -> int:
    """Return the result with which reading, or writing, is refused."""
    core = client.core
    talk = core.get_data(class_id, name, number) if value is None else core.set_data(class_id, name, number, value)
    with pytest.raises(AccessError) as caught:
        client.run(talk)
    return int(caught.value.result)


def test_what_is_not_stored_is_unavailable_and_errors_are_repeated_until_written() -> None:
    energy = described(3, ENERGY, {1: READ, 2: READ, 3: BOTH, 9: Access.NONE})
    energy.errors[3] = "temporary-failure"
    client = reader_of(made(device(association(), energy)), CLIENT)
    assert get(client, 3, ENERGY, 1).value == ENERGY
    assert refused(client, 3, ENERGY, 2) == DataAccessResult.OBJECT_UNAVAILABLE
    assert refused(client, 3, ENERGY, 3) == DataAccessResult.TEMPORARY_FAILURE
    assert refused(client, 3, ENERGY, 9) == DataAccessResult.READ_WRITE_DENIED
    assert refused(client, 3, Obis.parse("1-0:2.8.0"), 2) == DataAccessResult.OBJECT_UNDEFINED
    assert refused(client, 4, ENERGY, 2) == DataAccessResult.OBJECT_CLASS_INCONSISTENT
    unit = Data(Tag.STRUCTURE, (axdr.integer(0), Data(Tag.ENUM, 30)))
    client.run(client.core.set_data(3, ENERGY, 3, unit))
    assert get(client, 3, ENERGY, 3) == unit
    assert refused(client, 3, ENERGY, 3, axdr.unsigned(1)) == DataAccessResult.TYPE_UNMATCHED
    assert refused(client, 3, ENERGY, 2, axdr.unsigned(1)) == DataAccessResult.READ_WRITE_DENIED


def test_an_error_nobody_knows_is_other_reason() -> None:
    energy = described(3, ENERGY, {2: READ})
    energy.errors[2] = "no value: cut off"
    client = reader_of(made(device(association(), energy)), CLIENT)
    assert refused(client, 3, ENERGY, 2) == DataAccessResult.OTHER_REASON


def test_a_value_that_departs_from_its_declaration_is_served_and_taken_in_its_type() -> None:
    state = described(70, ENERGY, {2: BOTH, 3: BOTH}, {2: axdr.unsigned(1), 3: Data(Tag.ENUM, 1)})
    client = reader_of(made(device(association(), state)), CLIENT)
    assert get(client, 70, ENERGY, 2) == axdr.unsigned(1)
    client.run(client.core.set_data(70, ENERGY, 2, axdr.unsigned(0)))
    assert get(client, 70, ENERGY, 2) == axdr.unsigned(0)
    assert refused(client, 70, ENERGY, 2, axdr.boolean(True)) == DataAccessResult.TYPE_UNMATCHED


def test_methods_are_refused_by_name_not_by_silence() -> None:
    unknown = described(8192, ENERGY, {2: READ}, {2: axdr.unsigned(1)})
    client = reader_of(made(device(association(), unknown, described(70, CLOCK, {2: READ}))), CLIENT)
    for class_id, name in ((8192, ENERGY), (70, CLOCK)):
        with pytest.raises(AccessError) as caught:
            client.run(client.core.call_data(class_id, name, 1, axdr.integer(0)))
        assert caught.value.result == ActionResult.OTHER_REASON


def test_a_clock_runs_and_can_be_set() -> None:
    stored = CosemDateTime.parse("2024-03-31T03:00:00+02:00").to_octets()
    clock = described(8, CLOCK, {2: BOTH, 3: READ}, {2: axdr.octet_string(stored), 3: axdr.long(-60)})
    meter = made(device(association(), clock))
    client = reader_of(meter, CLIENT)

    def shown() -> str:
        return CosemDateTime.from_octets(get(client, 8, CLOCK, 2).value).isoformat()

    assert shown() == "2024-03-31T03:53:20+02:00"
    meter.advance(START + 100)
    assert shown() == "2024-03-31T03:55:00+02:00"
    other = CosemDateTime.parse("2030-01-01T00:00:00+01:00").to_octets()
    client.run(client.core.set_data(8, CLOCK, 2, axdr.octet_string(other)))
    meter.advance(START + 105)
    assert shown() == "2030-01-01T00:00:05+01:00"
    wildcards = axdr.octet_string(bytes.fromhex("ffffffffffffffffff8000ff"))
    assert refused(client, 8, CLOCK, 2, wildcards) == DataAccessResult.OTHER_REASON
    naive = CosemDateTime.parse("2031-01-01T00:00:00").to_octets()  # in the deviation of before, or the time zone
    client.run(client.core.set_data(8, CLOCK, 2, axdr.octet_string(naive)))
    assert shown() == "2031-01-01T00:00:00"


@pytest.mark.parametrize("time", [axdr.null(), axdr.unsigned(5), Data(Tag.DATE, bytes.fromhex("07e8031f07"))])
def test_a_clock_without_a_time_is_as_stored(time: Data) -> None:
    client = reader_of(made(device(association(), described(8, CLOCK, {2: BOTH}, {2: time}))), CLIENT)
    assert get(client, 8, CLOCK, 2) == time


@pytest.mark.parametrize("edge", ["0001-01-01T00:00:00+12:00", "9999-12-31T23:59:59-12:00", "9999-12-31T23:59:59"])
def test_a_clock_is_not_set_to_the_edge_of_the_calendar(edge: str) -> None:
    stored = axdr.octet_string(CosemDateTime.parse("2024-03-31T03:00:00+02:00").to_octets())
    meter = made(device(association(), described(8, CLOCK, {2: BOTH}, {2: stored})))
    client = reader_of(meter, CLIENT)
    wanted = axdr.octet_string(CosemDateTime.parse(edge).to_octets())
    assert refused(client, 8, CLOCK, 2, wanted) == DataAccessResult.OTHER_REASON
    meter.advance(START + 3600)
    assert CosemDateTime.from_octets(get(client, 8, CLOCK, 2).value).year == 2024


def test_two_objects_of_one_name_and_one_listed_twice() -> None:
    monitor = described(21, ENERGY, {2: READ}, {2: axdr.array()})
    register = described(3, ENERGY, {2: READ}, {2: axdr.unsigned(7)})
    model = device(association(), monitor, register, register)
    client = reader_of(made(model), CLIENT)
    assert get(client, 3, ENERGY, 2) == axdr.unsigned(7)
    assert get(client, 21, ENERGY, 2) == axdr.array()
    read = client.model(values=True).logical_devices[0]
    assert [obj.identity for obj in read.objects] == [obj.identity for obj in model.logical_devices[0].objects]
    assert read.objects[3].values == read.objects[2].values


def test_an_association_that_its_own_list_does_not_show() -> None:
    client = reader_of(made(device(described(3, ENERGY, {2: READ}, {2: axdr.unsigned(7)}))), CLIENT)
    assert [obj.name for obj in client.model().logical_devices[0].objects] == [ENERGY]


def test_an_association_takes_nothing_but_its_secret() -> None:
    own = described(15, CURRENT, {2: READ, 3: BOTH, 7: Access.WRITE}, version=1)
    meter = made(device(own, mechanism=1))
    client = reader_of(meter, CLIENT)
    partners = get(client, 15, CURRENT, 3)
    assert refused(client, 15, CURRENT, 3, partners) == DataAccessResult.OTHER_REASON
    client.run(client.core.set_data(15, CURRENT, 7, axdr.octet_string(b"87654321")))
    with pytest.raises(Exception, match="authentication"):
        reader_of(meter, CLIENT)


def test_an_association_object_without_an_association_is_as_stored() -> None:
    other = Obis.parse("0-0:40.0.9")
    status = described(15, other, {8: READ, 2: READ}, {8: Data(Tag.ENUM, 0)}, version=1)
    client = reader_of(made(device(association(), status)), CLIENT)
    assert get(client, 15, other, 8) == Data(Tag.ENUM, 0)
    assert refused(client, 15, other, 2) == DataAccessResult.OBJECT_UNAVAILABLE
    assert len(client.model().logical_devices[0].associations) == 1


def test_a_logical_device_that_is_not_the_first() -> None:
    model = device(association())
    model.logical_devices[0].sap = 17
    model.logical_devices[0].name = b"ABC1"
    assert reader_of(made(model), CLIENT, 17).model().logical_devices[0].sap == 17


def test_secrets_stay_out_of_a_model() -> None:
    port = described(19, ENERGY, {7: READ, 2: READ}, {7: axdr.octet_string(b"geheim"), 2: Data(Tag.ENUM, 0)}, version=1)
    read = reader_of(made(device(association(), port)), CLIENT).model(values=True).logical_devices[0].objects[1]
    assert read.values == {2: Data(Tag.ENUM, 0)}
    assert read.skipped == {7: "it may hold a secret"}


def test_every_declared_secret_is_one_of_those() -> None:
    wanted = re.compile(r"password|secret|pass_|PIN_|(_key|_keys|_key_table)$", re.IGNORECASE)
    found = {
        (class_id, number)
        for class_id in known()
        for cls in versions_of(class_id).values()
        for number, attribute in cls.attributes.items()
        if wanted.search(attribute.name) or wanted.search(attribute.description)
    }
    assert found <= SECRETS


def test_an_asynchronous_client_reads_the_same() -> None:
    with served(days=0.1) as world:
        url = world.url(client="16")

        async def read() -> DeviceModel:
            async with await connect_async(url, device=DEVICE) as meter:
                return await meter.model(values=True)

        with connect(url, device=DEVICE) as meter:
            assert asyncio.run(read()) == meter.model(values=True)


def test_buffers_up_to_a_number_of_rows() -> None:
    rows = axdr.array(*(axdr.structure(axdr.unsigned(number)) for number in range(5)))
    values = {2: rows, 7: axdr.double_long_unsigned(5)}
    profile = described(7, ENERGY, {2: READ, 7: READ}, values, version=1)
    unsaid = described(7, CLOCK, {2: READ}, {2: rows}, version=1)
    client = reader_of(made(device(association(), profile, unsaid)), CLIENT)
    seen: list[tuple[int, int]] = []
    few = client.model(values=True, rows=4, progress=lambda done, of: seen.append((done, of))).logical_devices[0]
    assert few.objects[1].skipped == {2: "5 rows, more than 4"}
    assert few.objects[2].skipped == {2: "how many rows there are is not known"}
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert client.model(values=True, rows=5).logical_devices[0].objects[1].values == values


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (DeviceModel(), "no association"),
        (device(association(), referencing="sn"), r"client 5: 0-0:40.0.0.255 \(class 15\) has no base name"),
        (device(association(), mechanism=7), "client 5: authentication mechanism 7"),
        (device(association(), mechanism=2), "client 5: .*manufacturer"),
        (device(association(version=9)), "class 15 version 9"),
        (device(association(0), described(3, ENERGY, {2: Access(0x10 | 1)})), r"1.8.0.255 \(class 3\), attribute 2: "),
        (device(association(2), described(3, ENERGY, {2: Access(0x08)})), "attribute 2: .*no access mode"),
    ],
)
def test_what_cannot_be_served_is_told(model: DeviceModel, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        made(model)


def test_modes_that_version_0_cannot_write() -> None:
    energy = ObjectModel(3, 0, ENERGY)
    energy.rights[CLIENT] = AccessRights((AttributeAccess(2, READ | Access.AUTHENTICATED),), ())
    client = reader_of(made(device(association(0), energy)), CLIENT)
    assert client.model().logical_devices[0].objects[1].rights == energy.rights
    energy.rights[CLIENT] = AccessRights((), (MethodAccess(1, Access.NONE, 9),))
    with pytest.raises(ConfigError, match="method 1: version 0"):
        made(device(association(0), energy))
