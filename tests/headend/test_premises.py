"""What a device shows now is read at once, kept, and found again by whoever lives there."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import httpx
import pytest

from cosem.headend import premises
from cosem.headend.access import Role, issue
from cosem.headend.api.app import create_app
from cosem.headend.inventory import Inventory, Kind
from cosem.headend.learning import adopt, learn
from cosem.io.server import DeviceServer, serving
from cosem.obis import obis
from cosem.simulator.gas import simulated_converter
from cosem.simulator.utilities import utilities_of
from support.houses import HOUR, NOW, House, metered_house, query
from support.served import END

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
async def house(tmp_path):
    with metered_house(tmp_path) as made:
        yield made


def asking(house, role=Role.OPERATOR, group=None):
    with house.headend.engine.begin() as connection:
        if group is not None:
            Inventory(connection).group("home", group)
        token = issue(
            connection, f"anna, {role}", role, "test", int(house.now), group=None if group is None else "home"
        )
    app = httpx.ASGITransport(create_app(house.headend))
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.AsyncClient(transport=app, base_url="http://test/api", headers=headers)


async def test_a_meter_and_those_on_its_mbus_are_read_now_and_kept(house):
    (row,) = await house.headend.read_now("meter", "anna")
    assert row.state == "done", row.detail
    meter = house.devices.meter
    known = house.latest(house.numbers["meter"])
    assert known["1-0:1.8.0.255"] == (int(house.now), meter.metering.watt_hours(1))
    assert known["1-0:1.7.0.255"][1] == meter.metering.power(1)
    assert known["1-0:32.7.0.255"][1] > 2000
    assert {f"1-0:1.8.{rate}.255" for rate in (1, 2)} <= set(known)
    assert known["0-0:96.3.10.255:3"][1] == 1
    assert known["0-0:96.14.0.255"][1] == meter.metering.active_tariff
    for name in ("gas", "water", "heat"):
        at, value = house.latest(house.numbers[name])[f"0-0:24.2.1.255 {name}"]
        assert NOW - HOUR < at <= NOW, "the time of its capture, not of the reading"
        assert value > 0
    with house.headend.engine.connect() as connection:
        supply = premises.supply(connection, house.numbers["meter"])
        power = premises.power(connection, house.numbers["meter"])
        assert Inventory(connection).get("gas").meter == "ZZZ00010001"
    assert (supply.connected, supply.state, supply.rate) == (True, "connected", meter.metering.active_tariff)
    assert supply.limit.unit == "W"
    assert (power.drawn.value, power.drawn.unit) == (str(meter.metering.power(1)), "W")


async def test_a_child_is_read_now_through_its_parent_and_a_stranger_there_is_told(house):
    (row,) = await house.headend.read_now("gas", "anna")
    assert row.state == "done", row.detail
    assert set(row.answer) == {"channels"}
    assert house.latest(house.numbers["gas"])
    house.change(lambda inventory, now: inventory.identify("heat", "ELS00000009", now))
    async with asking(house) as client:
        answer = (await client.post("/devices/heat/read", json={})).json()
        assert answer["state"] == "done"
        (found,) = answer["behind"]
        assert found["problem"] == "channel 3 has ZZZ00010003, not ELS00000009: nothing of it was taken"
        assert found["figures"] == []
    assert house.latest(house.numbers["heat"]) == {}
    utilities_of(house.devices.meter).stations[1].silent = True
    house.play(5 * HOUR)
    async with asking(house, Role.ADMINISTRATOR) as client:
        (found,) = (await client.post("/devices/gas/read", json={})).json()["behind"]
    assert found["problem"] == "nothing new came of it since 2026-11-01 00:00Z"
    assert found["figures"], "what is known is old, and still known"


async def test_energy_of_today_and_the_month_by_rates_and_what_children_counted(house):
    meter = house.devices.meter
    async with house.headend.meter(house.numbers["meter"]) as client:
        # By rates it is kept by the hour, and only there.
        learned = await learn(client, [obis("1-0:99.1.1"), obis("1-0:99.1.0"), obis("1-0:99.2.0")])
    house.change(lambda inventory, now: adopt(inventory._connection, "meter", learned, "anna", now, kind="home"))
    await house.run(depth=3)
    begun = meter.metering.watt_hours(1)
    house.play(10 * HOUR)
    await house.run(depth=3)
    quarters = house.values(house.numbers["meter"], "1-0:1.8.0.255")
    assert not quarters.quality.any(), "hours do not count beside quarters"
    assert set(quarters.times[1:] - quarters.times[:-1]) == {900}
    await house.headend.read_now("meter", "anna")
    async with asking(house, Role.HOUSEHOLD, ["meter", "gas"]) as client:
        answer = await client.get("/devices/meter/premises")
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert (await client.post("/devices/meter/read", json={})).status_code == 403
        assert (await client.get("/devices/heat/premises")).status_code == 404
        assert (await client.get("/devices/meter/premises", params={"zone": "Nowhere"})).status_code == 400
    today = found["today"]
    assert today["unit"] == "Wh"
    assert today["since"] == "2026-10-31T23:00:00Z", "local midnight"
    # The meter's time is two seconds short of the moment it was read.
    assert int(today["amount"]) >= meter.metering.watt_hours(1) - begun > 0
    assert abs(sum(map(int, today["rates"].values())) - int(today["amount"])) <= 1, "each is cut to whole Wh"
    assert found["month"]["since"] == today["since"], "it is the first of the month"
    assert found["supply"]["connected"] is True
    assert [item["device"] for item in found["behind"]] == ["gas"], "what is not of the home is not shown"
    gas = found["behind"][0]
    assert gas["total"]["unit"] == gas["today"]["unit"] == "m³"
    assert float(gas["today"]["amount"]) > 0


async def test_messages_shown_are_those_the_meter_answered_with_last(house):
    from cosem.headend.commands import NewCommand

    number = house.numbers["meter"]
    (row,) = await house.headend.commands.request("meter", [NewCommand("message", {"text": "Works on Monday"})], "anna")
    await house.headend.commands.ended(row.bundle)
    with house.headend.engine.connect() as connection:
        assert [(item.text, item.display) for item in premises.messages(connection, number)] == [
            ("Works on Monday", False)
        ]
    house.now += 5
    (row,) = await house.headend.commands.request("meter", [NewCommand("message", {"text": ""})], "anna")
    await house.headend.commands.ended(row.bundle)
    with house.headend.engine.connect() as connection:
        assert premises.messages(connection, number) == []


async def test_named_objects_a_meter_that_is_away_and_what_is_refused(house):
    async with asking(house) as client:
        answer = (await client.post("/devices/meter/read", json={"objects": ["1-0:14.7.0", "0-0:1.0.0"]})).json()
        assert [(item["name"], item["unit"]) for item in answer["figures"]] == [("1-0:14.7.0.255", "Hz")]
        assert set(answer["others"]) == {"0-0:1.0.0.255"}
        assert answer["supply"] is None
        answer = (await client.post("/devices/meter/read", json={"objects": ["1-0:99.99.9"]})).json()
        assert (answer["state"], answer["detail"]) == (
            "failed",
            "not configured: the device has no object 1-0:99.99.9.255",
        )
        assert (await client.post("/devices/gas/read", json={"objects": ["1-0:1.8.0"]})).status_code == 400
        assert (await client.post("/devices/nobody/read", json={})).status_code == 404
        house.change(lambda inventory, now: inventory.relocate("meter", f"tcp://127.0.0.1:9?{query()}", now))
        house.now -= 100  # its minute is over by the time it failed once
        asked = house.headend.commands.request
        house.headend.commands.request = lambda *given, **more: asked(*given, **more | {"not_after": 0})
        answer = (await client.post("/devices/meter/read", json={})).json()
        assert answer["state"] in ("failed", "expired")
        assert answer["figures"] == []


async def test_a_converter_shows_volume_energy_pressure_and_temperature(tmp_path):
    converter = simulated_converter(seed=1, end=END, days=1)
    with serving(DeviceServer(converter.device)) as ((host, port),):
        house = House(tmp_path, converter=converter)
        number = house.add("station", Kind.CONVERTER, f"tcp://{host}:{port}?{query()}")
        (row,) = await house.headend.read_now("station", "anna")
        assert row.state == "done", row.detail
        known = house.latest(number)
        assert {"7-0:13.2.0.255", "7-0:33.2.0.255", "7-0:42.0.0.255", "7-0:41.0.0.255"} <= set(known)
        assert known["7-0:42.0.0.255"][0] == int(house.now)
        house.headend.engine.dispose()


async def test_devices_are_coupled_identified_and_freed_by_the_api(house):
    async with asking(house, Role.ADMINISTRATOR) as client:
        made = {"name": "new", "kind": "gas", "meter": "els 00000001"}
        assert (await client.post("/devices", json=made)).json()["meter"] == "ELS00000001"
        assert (await client.put("/devices/new/coupling", json={"parent": "meter", "channel": 1})).status_code == 400
        freed = (await client.delete("/devices/gas/coupling")).json()
        assert (freed["parent"], freed["channel"]) == (None, None)
        placed = (await client.put("/devices/new/coupling", json={"parent": "meter", "channel": 1})).json()
        assert (placed["parent"], placed["channel"]) == ("meter", 1)
        assert (await client.put("/devices/new/meter", json={"meter": "?"})).status_code == 400
        assert (await client.put("/devices/new/meter", json={"meter": None})).json()["meter"] is None
        told = (await client.get("/audit")).json()
    assert {"couple device", "decouple device", "identify device"} <= {item["what"] for item in told}


def test_a_month_begins_at_local_midnight():
    assert premises.midnight(NOW, BERLIN) == NOW - HOUR
    assert premises.midnight(NOW + 40 * HOUR, BERLIN, day=1) == NOW - HOUR
    # Daylight saving ended on the 25th of October.
    assert premises.midnight(NOW - HOUR - 1, BERLIN, day=1) == NOW - HOUR - (31 * 24 + 1) * HOUR


async def test_meters_with_other_scalers_are_counted_too(house):
    with house.headend.engine.begin() as connection:
        inventory = Inventory(connection)
        inventory.channel("0-0:24.2.1.255 gas", "m³", -2)
    await house.run()
    with house.headend.engine.connect() as connection:
        gas = premises.behind(connection, house.headend.intervals, house.numbers["meter"], int(house.now), BERLIN)[0]
    assert gas.name == "gas"
    assert gas.total.name == "0-0:24.2.1.255 gas (1e-3 m³)"
    assert gas.total.value == f"{house.latest(house.numbers['gas'])[gas.total.name][1] / 1000:.3f}"
    assert gas.today.since == NOW - HOUR
    assert float(gas.today.amount) >= 0
