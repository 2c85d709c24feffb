"""What a device's profile captures becomes what is read of its type; and its logs are read with it."""

from __future__ import annotations

import pytest

from cosem.classes.common import CaptureObject
from cosem.client.table import Column
from cosem.errors import ConfigError
from cosem.headend.database import open_database
from cosem.headend.inventory import Inventory, Kind, NewDevice
from cosem.headend.learning import USUAL, Learned, adopt, learn
from cosem.obis import obis
from cosem.units import ScalerUnit, Unit
from support.gas_devices import DAILY, HOURLY, START, converter
from support.served import served

NOW = 1_793_500_000


@pytest.fixture
def engine(tmp_path):
    engine = open_database(tmp_path / "headend.db")
    with engine.begin() as connection:
        Inventory(connection).add(NewDevice("a", Kind.ELECTRICITY), NOW)
    yield engine
    engine.dispose()


async def test_a_meter_tells_what_its_profiles_capture(engine):
    with served(days=0.1) as running:
        async with await running.connect_async() as meter:
            found = await learn(meter)
            with pytest.raises(ConfigError, match=r"1-0:98\.9\.9"):
                await learn(meter, [obis("1-0:98.9.9.255")])
    by_name = {item.name: item for item in found}
    assert USUAL[0] in by_name
    with engine.begin() as connection:
        assert adopt(connection, "a", found, "anna", NOW, kind="e570") == "e570"
        inventory = Inventory(connection)
        assert inventory.get("a").type == "e570"
        types = inventory.types()
        reading = {item.name: item for item in types[0].readings}[USUAL[0]]
    assert (reading.period, reading.status) == (900, 1)
    assert reading.channels[:2] == (None, None)
    assert len(set(reading.channels[2:])) == 6
    daily = {item.name: item for item in types[0].readings}[USUAL[1]]
    assert daily.period == 86_400
    assert not set(daily.channels[2:]) & set(reading.channels[2:])


async def test_an_archive_too_young_to_tell_its_days_does_not_hide_the_others():
    device = converter()
    device.advance(START + 5 * 3600)
    with served(device) as running:
        async with await running.connect_async() as meter:
            assert [item.name for item in await learn(meter)] == [obis(HOURLY)]
            with pytest.raises(ConfigError, match="no capture period"):
                await learn(meter, [obis(DAILY)])


def layout(scaler: int) -> Learned:
    columns = (
        Column(CaptureObject(8, obis("0-0:1.0.0.255"), 2)),
        Column(CaptureObject(3, obis("1-0:1.8.0.255"), 2), ScalerUnit(scaler, Unit.WATT_HOUR)),
        Column(CaptureObject(4, obis("1-0:1.6.0.255"), 5)),
    )
    return Learned(obis("1-0:99.1.0.255"), 900, columns)


def test_a_channel_in_another_scaler_is_a_channel_of_its_own(engine):
    with engine.begin() as connection:
        Inventory(connection).set_type("old", "electricity", manufacturer="CSM", companion="idis", model="{}")
        adopt(connection, "a", [layout(0)], "anna", NOW, kind="old")
        Inventory(connection).add(NewDevice("b", Kind.ELECTRICITY), NOW)
        adopt(connection, "b", [layout(3)], "anna", NOW, kind="new")
        types = {item.name: item for item in Inventory(connection).types()}
        names = dict(connection.exec_driver_sql("SELECT id, name FROM channel").all())
    assert types["old"].manufacturer == "CSM"
    channels = {name: item.readings[0].channels[1] for name, item in types.items()}
    assert names[channels["old"]] == "1-0:1.8.0.255"
    assert names[channels["new"]] == "1-0:1.8.0.255 (1e3 Wh)"
    assert types["old"].readings[0].channels[2] is None


def test_who_has_no_type_has_to_name_one(engine):
    with engine.begin() as connection, pytest.raises(ConfigError, match="--type"):
        adopt(connection, "a", [layout(0)], "anna", NOW)
