"""Gas, water and heat meters are read through what they hang behind, and never booked to another device."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select

from cosem.concentrator.concentrator import LIVE
from cosem.errors import ConfigError
from cosem.headend.exchange import documents, import_rows, read_rows, to_csv
from cosem.headend.inventory import Inventory, Kind, NewDevice, State
from cosem.headend.learning import adopt, learn
from cosem.headend.permits import Limits
from cosem.headend.plans import DAY, Selection
from cosem.headend.quality import Quality
from cosem.headend.schema import channel, result
from cosem.io.server import DeviceServer, serving
from cosem.obis import obis
from cosem.plc.llc import LlcSettings
from cosem.simulator.feeder import random_feeder
from cosem.simulator.feeder_network import title_of
from cosem.simulator.gas import simulated_converter
from cosem.simulator.house import simulated_house
from cosem.simulator.power_line_site import PowerLineSite
from cosem.simulator.utilities import utilities_of
from support.houses import HOUR, NOW, House, metered_house, query
from support.served import END


@pytest.fixture
async def metered(tmp_path):
    """Return a head-end, and a meter with gas, water by radio and heat behind it."""
    with metered_house(tmp_path) as house:
        yield house


async def test_children_are_read_in_their_parents_session_and_are_devices_of_their_own(metered):
    house = metered
    found = await house.run()
    assert {name: reason for name, (reason, *_) in found.items()} == dict.fromkeys(("meter", "gas", "water", "heat"))
    assert found["gas"][2] == found["water"][2] == 3 * 24, "volume, what flew back, the flow: each hour's end"
    assert found["heat"][2] >= 3 * 24
    assert house.latest(house.numbers["gas"])["0-0:24.2.1.255 gas"][0] == NOW
    series = house.values(house.numbers["gas"], "0-0:24.2.1.255 gas")
    assert (series.times == range(NOW - 23 * HOUR, NOW + 1, HOUR)).all()
    assert (series.values[1:] >= series.values[:-1]).all()
    assert series.values[-1] == house.latest(house.numbers["gas"])["0-0:24.2.1.255 gas"][1]
    assert not series.quality.any()
    house.play(2 * HOUR)
    assert (await house.run())["gas"] == (None, "", 6), "only what is new"


async def test_all_of_a_house_is_one_association(metered):
    house = metered
    opened = []
    original = house.headend.collector.renew
    house.headend.collector.renew = lambda target: (opened.append(target.devices), original(target))[1]
    await house.run()
    assert sorted(map(sorted, opened)) == [[1, 2, 3, 4]]
    opened.clear()
    assert set(await house.run(selection=Selection(kinds=(Kind.GAS, Kind.HEAT)))) == {"gas", "heat"}
    assert sorted(map(sorted, opened)) == [[2, 4]], "the parent is not asked for anything, and opened once"


async def test_a_daily_profile_is_read_where_the_plan_names_it(metered):
    house = metered
    found = await house.run(profiles=("0-1:24.3.1.255",), depth=10)
    assert found["gas"][0] is None
    assert found["gas"][2] == 3 * 2
    ends = house.values(house.numbers["gas"], "0-0:24.2.1.255 gas daily")
    assert list(ends.times) == [NOW - HOUR - DAY, NOW - HOUR], "days end at local midnight"
    assert not ends.quality.any()


async def test_a_silent_device_is_told_as_such_and_old_values_are_marked(metered):
    house = metered
    await house.run()
    utilities_of(house.devices.meter).stations[1].silent = True
    house.play(5 * HOUR)
    found = await house.run()
    assert found["gas"] == ("silent", "nothing new came of it since 2026-11-01 00:00Z", 15)
    assert found["meter"][0] is None
    assert found["heat"][0] is None
    series = house.values(house.numbers["gas"], "0-0:24.2.1.255 gas")
    late = series.quality[series.times > NOW + HOUR]
    assert len(late) == 4
    assert (late & Quality.INVALID).all()
    assert not (series.quality[series.times <= NOW] & Quality.INVALID).any()


async def test_nobody_on_a_channel_and_no_channel_at_all(metered):
    house = metered
    house.add("nobody", Kind.GAS, parent="meter", channel=4)
    house.add("nowhere", Kind.GAS, parent="meter", channel=9)
    found = await house.run()
    assert found["nobody"][:2] == ("not installed", "nobody is installed on channel 4")
    assert found["nowhere"][0] == "not configured"
    assert found["gas"][0] is None


async def test_a_swapped_meter_is_never_booked_to_the_former_one(metered):
    house = metered
    found = await house.run()
    assert found["gas"][0] is None
    with house.headend.engine.connect() as connection:
        known = Inventory(connection).get("gas").meter
    assert known == "ZZZ00010001", "who was found first is kept"
    house.play(HOUR)
    house.change(lambda inventory, now: inventory.identify("gas", "ELS00000007", now))
    before = house.latest(house.numbers["gas"])
    reason, detail, values = (await house.run())["gas"]
    assert reason == "another meter on the channel"
    assert "ZZZ00010001" in detail
    assert values == 0
    assert house.latest(house.numbers["gas"]) == before
    # The new one is a device of its own; what the channel recorded up to now is not its.
    house.change(lambda inventory, now: inventory.decouple("gas", now))
    number = house.add("new gas", Kind.GAS, parent="meter", channel=1, details={"mbus": "zzz 00010001"})
    assert (await house.run())["new gas"] == (None, "", 0)
    house.play(2 * HOUR)
    assert (await house.run())["new gas"] == (None, "", 6)
    assert house.values(number, "0-0:24.2.1.255 gas").times[0] == NOW + 2 * HOUR


async def test_a_parent_that_is_not_reached_or_not_in_use_is_the_childs_reason(metered):
    house = metered
    house.change(lambda inventory, now: inventory.relocate("meter", f"tcp://127.0.0.1:9?{query()}", now))
    found = await house.run()
    assert found["meter"][0] == "unreachable"
    assert found["gas"][0] == "parent not reached"
    assert found["gas"][1].startswith("unreachable: ")
    house.change(lambda inventory, now: inventory.move("meter", State.SUSPENDED, now))
    found = await house.run()
    assert found["gas"][:2] == ("parent not reached", "not configured: meter is suspended")
    assert set(found) == {"gas", "water", "heat"}


async def test_a_profile_that_a_meter_has_not_costs_neither_its_other_ones_nor_what_hangs_behind_it(metered):
    house = metered
    async with house.headend.meter(house.numbers["meter"]) as client:
        (learned,) = await learn(client, [obis("1-0:99.1.0.255")])
    house.change(lambda inventory, now: adopt(inventory._connection, "meter", [learned], "anna", now, kind="other"))
    with house.headend.engine.begin() as connection:
        inventory = Inventory(connection)
        (known,) = (item for item in inventory.types() if item.name == "other")
        absent = replace(known.readings[0], name=obis("1-0:99.7.0.255"))
        inventory.set_readings("other", [absent, *known.readings])
    found = await house.run()
    assert found["meter"][0] == "not supported"
    assert found["meter"][2] > 96, "the profile that it has"
    assert [found[name][0] for name in ("gas", "water", "heat")] == [None] * 3


async def test_where_a_session_breaks_those_read_stay_read_and_the_others_are_tried_again(metered, monkeypatch):
    from cosem.errors import ConnectionLost
    from cosem.headend import session

    house, broken, original = metered, [], session.look

    def look(core, child, *, zone):
        if child.name == "water" and not broken:
            broken.append(child)
            raise ConnectionLost("the line is gone")
        return (yield from original(core, child, zone=zone))

    monkeypatch.setattr(session, "look", look)
    found = await house.run()
    assert {name: row[0] for name, row in found.items()} == dict.fromkeys(("meter", "gas", "water", "heat"))
    assert found["gas"][2] == 72
    with house.headend.engine.connect() as connection:
        tries = dict(connection.execute(select(result.c.device, result.c.tries)).all())
    assert [tries[house.numbers[name]] for name in ("meter", "gas", "water", "heat")] == [1, 1, 2, 2]


def test_who_hangs_where_is_checked(tmp_path):
    house = House(tmp_path)
    house.add("meter", Kind.ELECTRICITY, "tcp://127.0.0.1:9")
    house.add("gas", Kind.GAS, parent="meter", channel=1)
    house.add("loose", Kind.GAS)
    with pytest.raises(ConfigError, match="taken"):
        house.change(lambda inventory, now: inventory.couple("loose", "meter", 1, now))
    with pytest.raises(ConfigError, match="decouple it first"):
        house.change(lambda inventory, now: inventory.couple("gas", "meter", 2, now))
    with pytest.raises(ConfigError, match="not dialled"):
        house.change(lambda inventory, now: inventory.couple("loose", "gas", 2, now))
    with pytest.raises(ConfigError, match="no M-Bus meter"):
        house.change(lambda inventory, now: inventory.identify("gas", "12345678", now))
    with pytest.raises(ConfigError, match="no M-Bus meter"):
        NewDevice("x", Kind.GAS, details={"mbus": "?"})
    house.headend.engine.dispose()


def test_who_a_meter_is_goes_out_with_the_devices_and_comes_in_again(tmp_path):
    house = House(tmp_path)
    text = "name,kind,parent,channel,meter,url\nm,electricity,,,,tcp://127.0.0.1:9\ng,gas,m,1,els 12345678,\n"
    with house.headend.engine.begin() as connection:
        import_rows(connection, house.headend.keys, read_rows(text), "anna", NOW)
        out = "".join(to_csv(documents(connection)))
    assert "g,gas,,elsewhere,,,m,1,ELS12345678,,,registered\n" in out
    assert [row.device.details for row in read_rows(out)] == [{}, {"mbus": "ELS12345678"}]
    with pytest.raises(ConfigError, match="line 2: 'X1' is no M-Bus meter"):
        read_rows("name,kind,meter\ng,gas,X1\n")
    house.headend.engine.dispose()


# --- concentrators ------------------------------------------------------------------------------------------------


async def test_a_house_behind_a_multi_utility_concentrator_is_read_through_one_address(tmp_path):
    place = simulated_house(seed=1, end=END, days=1.1, utilities=("gas", "heat"), meters=2)
    server = DeviceServer(place.device, behind=place.concentrator.behind)
    with serving(server) as ((host, port),):
        house = House(tmp_path, place=place)
        with house.headend.engine.begin() as connection:
            Inventory(connection).set_segment("cellar", Limits(1, 1000))
        house.add("hub", Kind.CONCENTRATOR, f"tcp://{host}:{port}?{query()}", segment="cellar")
        house.add("gas", Kind.GAS, parent="hub", channel=1)
        heat = house.add("heat", Kind.HEAT, parent="hub", channel=2)
        for meter in place.meters:
            serial = meter.settings.serial
            url = f"tcp://{host}:{port}?{query(gateway_network='1', gateway_device=serial.encode().hex())}"
            house.add(serial, Kind.ELECTRICITY, url, segment="cellar", parent="hub")
        first = place.meters[0].settings.serial
        with house.headend.engine.connect() as connection:
            number = Inventory(connection).get(first).id
        async with house.headend.meter(number) as client:
            learned = await learn(client)
        house.change(lambda inventory, now: adopt(inventory._connection, first, learned, "anna", now, kind="flat"))
        house.change(lambda inventory, now: inventory.assign(place.meters[1].settings.serial, "flat", now))
        most = []
        watch = house.headend.collector.renew

        def renew(target):
            most.append(house.headend._permits[1].open)
            return watch(target)

        house.headend.collector.renew = renew
        found = await house.run()
        assert {row[0] for row in found.values()} == {None}, found
        assert found["gas"][2] == 72
        assert found["heat"][2] >= 72
        assert all(found[meter.settings.serial][2] > 96 for meter in place.meters)
        assert most == [1, 1, 1], "the concentrator carries one connection at a time"
        for meter in place.meters:
            with house.headend.engine.connect() as connection:
                number = Inventory(connection).get(meter.settings.serial).id
            assert house.latest(number)["1-0:1.8.0.255"][1] == meter.metering.watt_hours(1)
        assert house.latest(heat)
        house.headend.engine.dispose()


async def test_meters_behind_a_power_line_concentrator_are_read_one_after_the_other(tmp_path):
    site = PowerLineSite(random_feeder(5, seed=2), seed=2, llc=LlcSettings(134))
    site.network.discover()
    server = DeviceServer(site.concentrator.local.device, machines=site.concentrator.machine)
    with serving(server) as ((host, port),):
        house = House(tmp_path)
        stations = (2, 3)
        house.now = float(site.network.utc + 60)
        with house.headend.engine.begin() as connection:
            Inventory(connection).set_segment("feeder", Limits(1, 1000))
        house.add("substation", Kind.CONCENTRATOR, segment="feeder")
        numbers = {}
        for station in stations:
            where = query(gateway_network=str(LIVE), gateway_device=title_of(station).hex(), timeout="20")
            url = f"tcp://{host}:{port}?{where}"
            numbers[station] = house.add(f"m{station}", Kind.ELECTRICITY, url, segment="feeder", parent="substation")
        async with house.headend.meter(numbers[stations[0]]) as client:
            learned = await learn(client)
        first, second = (f"m{station}" for station in stations)
        house.change(lambda inventory, now: adopt(inventory._connection, first, learned, "anna", now, kind="light"))
        house.change(lambda inventory, now: inventory.assign(second, "light", now))
        found = await house.run(profiles=("1-0:99.1.0.255",))
        assert {name: row[0] for name, row in found.items()} == {first: None, second: None}, found
        for station, number in numbers.items():
            at, value = house.latest(number)["1-0:1.8.0.255"]
            assert value == site.network.meters[station].energy(at), "each has its own"
        house.headend.engine.dispose()


# --- converters ---------------------------------------------------------------------------------------------------


async def test_a_converter_is_read_by_what_it_was_learned_to_have(tmp_path):
    converter = simulated_converter(seed=1, end=END, days=3)
    with serving(DeviceServer(converter.device)) as ((host, port),):
        house = House(tmp_path, converter=converter)
        number = house.add("station", Kind.CONVERTER, f"tcp://{host}:{port}?{query()}")
        async with house.headend.meter(number) as client:
            learned = await learn(client)
        house.change(lambda inventory, now: adopt(inventory._connection, "station", learned, "anna", now, kind="c"))
        found = await house.run(depth=2)
        assert found["station"][0] is None, found
        known = {item.name: item.period for item in learned}
        assert known == {obis("7-0:99.99.2.255"): HOUR, obis("7-0:99.99.3.255"): DAY}
        hours = house.values(number, "7-0:13.2.0.255")
        assert len(hours.times[hours.times % HOUR == 0]) == 48
        assert hours.values[-1] == house.latest(number)["7-0:13.2.0.255"][1] > 0
        assert (hours.values[1:] >= hours.values[:-1]).all()
        days = house.values(number, "7-0:13.2.0.255 daily")
        assert list(days.times) == [NOW - 19 * HOUR - DAY, NOW - 19 * HOUR], "gas days end at six in the morning"
        assert not days.quality.any()
        with house.headend.engine.connect() as connection:
            waving = connection.execute(select(channel.c.name).where(channel.c.cumulative == 0)).scalars().all()
        assert {"7-0:42.42.0.255", "7-0:41.42.0.255"} <= set(waving), "pressure and temperature go up and down"
        house.play(2 * HOUR)
        assert (await house.run())["station"][0] is None
        assert house.latest(number)["7-0:13.2.0.255"][0] == NOW + 2 * HOUR
        house.headend.engine.dispose()
