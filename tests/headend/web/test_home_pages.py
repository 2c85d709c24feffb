"""A household's page as HTML: who sees which home, what is said where values are missing, and its meters' buttons."""

from __future__ import annotations

import json
import re
from contextlib import asynccontextmanager
from decimal import Decimal
from html import unescape
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from sqlalchemy import insert

from cosem.device.disconnector import Command
from cosem.device.utility.meter import Valve
from cosem.headend.access import Role
from cosem.headend.audit import entries
from cosem.headend.happenings import AlarmRow, AlarmState, Happened, keep
from cosem.headend.intervals import Series
from cosem.headend.inventory import Inventory, Kind, NewDevice, State
from cosem.headend.schema import command, latest
from cosem.headend.web.accounts import add_account
from cosem.headend.web.customer_state import Homes, Sample
from cosem.headend.web.customer_view import curve
from cosem.headend.web.customer_words import ago, amount, plain, watts
from cosem.headend.web.frame import PageSettings
from cosem.simulator.neighbourhood.control import ControlClient, ControlServer
from cosem.simulator.neighbourhood.layout import NeighbourhoodSettings
from cosem.simulator.neighbourhood.neighbourhood import Neighbourhood
from support.houses import metered_house
from support.site import HOSTILE, NOW, PASSWORD, Site, key_in, quick_hash

BERLIN = ZoneInfo("Europe/Berlin")
MIDNIGHT = 1_793_487_600
"""1 November, 3 hours, 26 minutes and 40 seconds before NOW: day and month begin together."""
METER, GAS = 2, 65
POWER, FED = "1-0:1.7.0.255", "1-0:2.7.0.255"
SUPPLY, LIMIT, RATE = "0-0:96.3.10.255:3", "0-0:17.0.0.255:3", "0-0:96.14.0.255"


def know(site, device, name, unit, value, *, scaler=0, at=NOW - 180):
    with site.headend.engine.begin() as connection:
        channel = Inventory(connection).channel(name, unit, scaler)
        row = {"device": device, "channel": channel, "time": at, "value": value}
        connection.execute(insert(latest).prefix_with("OR REPLACE"), row)


def store(site, device, name, first, values, *, period=900):
    with site.headend.engine.begin() as connection:
        channel = Inventory(connection).channel(name, "Wh", 0)
        times = first + np.arange(len(values)) * period
        quality = np.zeros(len(values), np.uint8)
        series = Series.of(device, channel, times, np.asarray(values, np.int64), quality)
        site.headend.intervals.stage(connection, [series])


def text_of(answer) -> str:
    """Return what is read on a page, without its navigation."""
    assert answer.status_code == 200
    main = re.sub(r"\s+", " ", unescape(re.sub("<[^>]+>", " ", answer.text[answer.text.index("<main") :])))
    return re.sub(r" ([.,])", r"\1", main)


async def home(site, role=Role.HOUSEHOLD, path="/home"):
    async with site.visiting(role) as client:
        return text_of(await client.get(path))


# --- who sees what ----------------------------------------------------------------------------------------------


async def test_a_household_lands_at_home_and_sees_no_other(site):
    async with site.visiting(Role.HOUSEHOLD) as client:
        assert (await client.get("/")).headers["location"] == "/home"
        answer = await client.get("/home")
        assert "<h1><bdi>Lindenstraße 1</bdi></h1>" in answer.text
        assert f'data-live="home:{METER},{GAS}"' in answer.text
        assert "gas 1" in answer.text
        for foreign in (1, 3, 4, 64, 99_999, 0):
            for path in (f"/home/{foreign}", f"/live?topic=home:{foreign}", f"/live?topic=home:{METER},{foreign}"):
                assert (await client.get(path)).status_code == 404, path
            assert (await client.post(f"/home/{foreign}/button", data={"device": str(METER)})).status_code == 404
        for path in ("/live?topic=home:2,", "/live?topic=home:" + ",".join(["2"] * 21), "/live?topic=home:x"):
            assert (await client.get(path)).status_code in (404, 422), path
        # Nothing is read for who may only see, and nobody has a hand at a real meter.
        assert "Refresh" not in answer.text
        assert (await client.post(f"/home/{METER}/read", data={"key": "a" * 32})).status_code == 403
        assert (await client.post(f"/home/{METER}/button", data={"device": str(METER)})).status_code == 404


async def test_others_find_a_home_by_its_devices_and_that_they_looked_is_noted_once(site):
    async with site.visiting(None) as client:
        assert (await client.get("/home")).status_code == 303
        assert "sign-in" in (await client.get(f"/home/{METER}")).headers["location"]
    async with site.visiting(Role.VIEWER) as client:
        assert (await client.get("/home")).headers["location"] == "/devices"
        assert f'href="/home/{METER}"' in (await client.get(f"/device/{METER}")).text
        for _ in range(2):
            answer = await client.get(f"/home/{METER}")
            assert "As the customer sees it" not in answer.text
            assert "Refresh" not in answer.text
            assert f'data-live="home:{METER},{GAS}"' in answer.text, "what the household sees, and no more"
        assert (await client.get(f"/live?topic=hand:{METER}")).status_code == 403
    await home(site)
    with site.headend.engine.connect() as connection:
        looked = [entry for entry in entries(connection) if entry.what == "look at customer's page"]
    assert [(entry.who, entry.subject) for entry in looked] == [("viewer", "meter 2")]


async def test_a_home_without_electricity_and_a_household_without_devices(site):
    with site.headend.engine.begin() as connection:
        Inventory(connection).group("flat", ["gas 1"])
        Inventory(connection).group("none", [])
        add_account(connection, "nobody", quick_hash(), Role.HOUSEHOLD, "setup", NOW, group="none")
    said = await home(site)
    assert "Electricity" not in said
    assert "Gas gas 1" in said
    async with site.visiting(None) as client:
        await client.post("/sign-in", data={"name": "nobody", "password": PASSWORD})
        assert "No meter is shown to you yet." in text_of(await client.get("/home"))


async def test_two_meters_of_one_household_are_two_pages(site):
    with site.headend.engine.begin() as connection:
        Inventory(connection).group("flat", ["meter 2", "meter 3"])
    async with site.visiting(Role.HOUSEHOLD) as client:
        answer = await client.get("/home/3")
        assert '<a href="/home/2"><bdi>meter 2</bdi></a>' in answer.text
        assert '<a href="/home/3" aria-current="page">' in answer.text


# --- what is said -----------------------------------------------------------------------------------------------


async def test_what_is_not_known_is_said_to_be_so(site):
    with site.headend.engine.begin() as connection:
        Inventory(connection).group("flat", ["meter 3"])
    said = await home(site)
    assert "The meter has not told its power yet." in said
    assert "The meter has not told yet whether electricity is on." in said
    assert "Nothing is known of today yet" in said
    assert "limit" not in said
    assert "Tariff" not in said
    assert "fed" not in said
    assert "None" not in said


async def test_power_limit_rate_and_use_with_the_age_of_each(site):
    know(site, METER, POWER, "W", 8_500)
    know(site, METER, FED, "W", 0)
    know(site, METER, SUPPLY, "", 1, at=NOW - 7_300)
    know(site, METER, LIMIT, "W", 10_000)
    know(site, METER, RATE, "", 2)
    said = await home(site)
    assert "Electricity is on" in said
    assert "8.50 kW drawn from the network, 3 minutes ago" in said
    assert "85 % of your limit: it is near" in said
    assert "Supply looked at 2 hours ago" in said
    assert "Tariff now Rate 2" in said
    # 25 Wh a quarter since midnight: 13 quarters.
    assert "Today 0.33 kWh" in said
    assert "This month 0.33 kWh" in said
    assert "0.00 kWh more" not in said
    assert "As much as yesterday by the same time (0.33 kWh)" in said
    assert "By the reading of 11 minutes ago" in said
    assert "fed in" not in said
    know(site, METER, POWER, "W", 10_001)
    site.app.state.frame.homes.told({"device": METER})
    assert "100 % of your limit: switch something off" in await home(site)
    know(site, METER, POWER, "W", 99_000)
    site.app.state.frame.homes.told({"device": METER})
    assert "10 times your limit: switch something off" in await home(site)


async def test_rates_costs_and_what_the_roof_feeds_in(site, tmp_path):
    quarters = 13
    store(site, METER, "1-0:2.8.0.255", MIDNIGHT - 900, [0, *range(0, 40 * (quarters + 1), 40)])
    for rate, each in ((1, 15), (2, 10)):
        store(site, METER, f"1-0:1.8.{rate}.255", MIDNIGHT, [each * n for n in range(quarters + 1)])
    know(site, METER, POWER, "W", 0)
    know(site, METER, FED, "W", 1_234)
    said = await home(site)
    assert "1.23 kW fed into the network" in said
    assert "0.52 kWh fed in" in said
    assert "Rate 1 0.20 kWh Rate 2 0.13 kWh" in said
    assert "€" not in said, "no price, no cost"
    pages = PageSettings(rates={1: "Day"}, prices={1: Decimal("0.40"), 2: Decimal("0.20")})
    priced = Site(tmp_path, headend=site.headend, pages=pages)
    said = await home(priced)
    # 195 Wh at 0.40 and 130 Wh at 0.20.
    assert "Today 0.33 kWh 0.10 €" in said
    assert "Day 0.20 kWh Rate 2 0.13 kWh" in said
    half = Site(tmp_path, headend=site.headend, pages=PageSettings(prices={1: Decimal("0.40")}))
    assert "€" not in await home(half), "a rate without a price: no sum"
    flat = Site(tmp_path, headend=site.headend, pages=PageSettings(prices={0: Decimal("1.00")}, currency="CHF"))
    assert "0.33 CHF" in await home(flat)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (0, "Disconnected Your electricity was switched off from afar."),
        (2, "Disconnected, ready for reconnection"),
        (7, "The meter has not told yet whether electricity is on."),
    ],
)
async def test_the_supply_in_words_with_what_to_do(site, state, said):
    know(site, METER, SUPPLY, "", state)
    async with site.visiting(Role.HOUSEHOLD) as client:
        answer = await client.get("/home")
        assert said in text_of(answer)
        assert ("Nobody can push it from afar" in answer.text) is (state == 2)
        assert '/button"' not in answer.text


async def test_messages_and_alarms_of_strangers_are_words_and_nothing_else(site):
    row = {
        "id": "m1", "bundle": "m1", "device": METER, "kind": "message", "parameters": "{}", "state": "done",
        "position": 0, "requested_by": "x", "requested": NOW, "not_after": NOW, "finished": NOW - 60,
        "answer": json.dumps({"port": HOSTILE, "display": "Works on Monday"}), "detail": "",
    }  # fmt: skip
    with site.headend.engine.begin() as connection:
        connection.execute(insert(command), {key: value for key, value in row.items() if key in command.c})
        keep(connection, [Happened(METER, NOW - 30, "alarm", HOSTILE, alarming=True)], NOW)
    async with site.visiting(Role.HOUSEHOLD) as client:
        answer = await client.get("/home")
    assert "<script>alert" not in answer.text
    assert "<img" not in answer.text
    assert "\u202e" not in answer.text
    said = text_of(answer)
    assert "Works on Monday" in said
    assert "On the meter's display, seen there 1 minute ago" in said
    assert "A cover of the meter was opened." in said
    assert "terminal cover opened" not in said, "plain words"
    assert said.count("alert(1)") == 1, "the message; an alarm that nobody has words for is not shown"


async def test_what_hangs_beside_is_said_with_its_total_and_its_age(site):
    know(site, GAS, "0-0:24.2.1.255 gas", "m³", 123_456, scaler=-3, at=NOW - 2 * 3600)
    said = await home(site)
    assert "Gas gas 1 Today not known yet This month not known yet Meter reading 123.456 m³ Read 2 hours ago" in said


async def test_a_hostile_name_is_shown_as_it_is_written(site):
    async with site.visiting(Role.VIEWER) as client:
        answer = await client.get("/home/4")
    assert answer.status_code == 200
    assert "<script>alert" not in answer.text
    assert len(answer.text) < 20_000


# --- reading and pushing ----------------------------------------------------------------------------------------


async def test_refresh_reads_a_real_meter_with_its_mbus_and_not_twice_at_once(tmp_path):
    with metered_house(tmp_path) as house:
        site = Site(tmp_path, now=house.now, empty=True, headend=house.headend)
        number = house.numbers["meter"]
        async with site.visiting(Role.OPERATOR) as client:
            answer = await client.get(f"/home/{number}")
            assert "The meter has not told its power yet." in answer.text
            key = key_in(answer.text)
            assert (await client.post(f"/home/{number}/read", data={"key": key})).status_code == 303
            answer = await client.get(f"/home/{number}")
            said = text_of(answer)
            assert "Read just now." in said
            power = house.devices.meter.metering.power(1)
            assert f"{' '.join(watts(power))} drawn from the network, just now" in said
            assert "Electricity is on" in said
            assert re.search(r"Gas gas .* m³ .*Heat heat .*Water water", said)
            await client.post(f"/home/{number}/read", data={"key": key})
            assert "less than half a minute ago" in (await client.get(f"/home/{number}")).text
        read = [kind for kind, _ in house.queue.contents.values()]
        assert len(read) == 1


class Driver:
    """Lets nobody live: time stands, but for what is done."""

    speed = 1.0
    late = False

    def set_speed(self, speed):
        raise AssertionError("nobody asked for it")

    def push_to(self, destination):
        raise AssertionError("nobody asked for pushes")


@pytest.fixture(scope="module")
def neighbourhood():
    return Neighbourhood(NeighbourhoodSettings(meters=6, power_line=2, utilities=8, days=0.05), NOW, chance=False)


@asynccontextmanager
async def playing(neighbourhood, folder):
    server = ControlServer(neighbourhood, Driver())
    client = ControlClient(*await server.start("127.0.0.1", 0))
    site = Site(folder, empty=True, pages=PageSettings(play=client))
    with site.headend.engine.begin() as connection:
        inventory = Inventory(connection)
        for unit in neighbourhood.units.values():
            url = "tcp://127.0.0.1:9"
            inventory.add(NewDevice(unit.name, Kind(unit.sheet.kind), url=url, place=unit.sheet.place), NOW)
            inventory.move(unit.name, State.IN_USE, NOW)
        inventory.group(
            "flat", [unit.name for unit in neighbourhood.units.values() if unit.sheet.place == "Maple Road 1"]
        )
        add_account(connection, "household", quick_hash(), Role.HOUSEHOLD, "setup", NOW, group="flat")
        numbers = {name: inventory.get(name).id for name in neighbourhood.units}
    try:
        yield site, numbers, server
    finally:
        client.hang_up()
        await server.stop()
        site.close()


async def test_the_button_of_a_meter_is_pushed_by_who_lives_there_and_only_where_it_helps(neighbourhood, tmp_path):
    meter = neighbourhood.units["E-001"].meter
    async with playing(neighbourhood, tmp_path) as (site, numbers, _):
        number = numbers["E-001"]
        form = {"device": str(number)}
        async with site.visiting(Role.HOUSEHOLD) as client:
            await client.post(f"/home/{number}/button", data=form)
            assert "The button does nothing now" in (await client.get("/home")).text
            assert meter.disconnector.state == 1, "nobody disconnects a connected meter by this"
            meter.disconnector.command(Command.LOCAL_DISCONNECT)
            site.app.state.frame.playing.changed()
            answer = await client.get("/home")
            assert "Disconnected, ready for reconnection" in text_of(answer)
            assert f'data-live="hand:{number}' in answer.text
            for other in (numbers["E-002"], 0, "x", "²", ""):
                assert (await client.post(f"/home/{number}/button", data={"device": str(other)})).status_code == 404
        async with site.visiting(Role.VIEWER) as client:
            assert '/button"' not in (await client.get(f"/home/{number}")).text
            assert (await client.post(f"/home/{number}/button", data=form)).status_code == 403
        assert meter.disconnector.state == 2
        async with site.visiting(Role.HOUSEHOLD) as client:
            assert (await client.post(f"/home/{number}/button", data=form)).headers["location"] == f"/home/{number}"
            said = text_of(await client.get("/home"))
            assert "Electricity is on again." in said
            assert "Electricity is on " in said
        assert meter.disconnector.state == 1
        with site.headend.engine.connect() as connection:
            pushed = [(entry.who, entry.subject) for entry in entries(connection) if entry.what == "push button"]
        assert pushed == [("household", "E-001")]


async def test_the_button_of_a_released_gas_valve_opens_it(neighbourhood, tmp_path):
    unit = next(
        unit for unit in neighbourhood.units.values() if unit.sheet.kind == "gas" and unit.sheet.place == "Maple Road 1"
    )
    async with playing(neighbourhood, tmp_path) as (site, numbers, _), site.visiting(Role.HOUSEHOLD) as client:
        unit.meter.valve = Valve.CLOSED
        answer = await client.get("/home")
        assert "Valve closed" in answer.text
        assert '/button"' not in answer.text
        unit.meter.valve = Valve.RELEASED
        site.app.state.frame.playing.changed()
        answer = await client.get("/home")
        assert "Push the button at the gas meter" in answer.text
        home = numbers["E-001"]
        await client.post(f"/home/{home}/button", data={"device": str(numbers[unit.name])})
        assert unit.meter.valve is Valve.OPEN
        assert "The valve is open again." in (await client.get("/home")).text


async def test_where_the_neighbourhood_does_not_answer_what_was_read_is_shown(neighbourhood, tmp_path):
    async with playing(neighbourhood, tmp_path) as (site, numbers, server):
        know(site, numbers["E-001"], POWER, "W", 321)
        async with site.visiting(Role.HOUSEHOLD) as client:
            assert "drawn from the network, 3" not in text_of(await client.get("/home"))
            await server.stop()
            site.app.state.frame.playing.changed()
            said = text_of(await client.get("/home"))
            assert "321 W drawn from the network, 3 minutes ago" in said
            answer = await client.post(f"/home/{numbers['E-001']}/button", data={"device": str(numbers["E-001"])})
            assert answer.status_code == 400
            assert "does not answer" in answer.text


# --- words and curves -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "just now"),
        (59, "just now"),
        (60, "1 minute ago"),
        (3_599, "59 minutes ago"),
        (7_200, "2 hours ago"),
        (5 * 3600, "5 hours ago"),
        (20 * 3600, "yesterday at 07:26"),
        (9 * 86_400, "23 October 2026, 04:26"),
    ],
)
def test_ages_are_said_as_people_say_them(seconds, said):
    assert ago(NOW, NOW - seconds, BERLIN) == said


def test_figures_are_in_the_units_people_know():
    assert watts(999) == ("999", "W")
    assert watts(1_000) == ("1.00", "kW")
    assert watts(17_250) == ("17.3", "kW")
    assert amount("1234", "Wh") == ("1.23", "kWh")
    assert amount("1234567", "Wh") == ("1\u202f234.6", "kWh")
    assert amount("51300000000", "J") == ("51.300", "GJ")
    assert amount("1.5", "m³") == ("1.500", "m³")


def test_alarms_of_the_utility_alone_are_none_of_a_household():
    def row(kind, last):
        return AlarmRow(1, 2, "m", kind, False, 0, last, 1, AlarmState.OPEN, None)

    found = plain([row("power down", 5), row("last gasp", 9), row("key changed", 8), row("watchdog", 7)])
    assert [(item.words, item.at) for item in found] == [("The power failed.", 9)]


def test_the_curve_breaks_where_nobody_looked_and_has_room_below_for_what_is_fed_in():
    steady = [Sample(NOW + n, 400) for n in range(20)]
    late = [Sample(NOW + 59 + n, -800, begins=n == 0) for n in range(61)]
    drawn = curve(steady + late, [], NOW + 119, live=True)
    assert drawn.seen.count("M") == 2
    assert 0 < drawn.zero < 100
    assert (drawn.top, drawn.low) == ("400 W", "−800 W")
    assert drawn.words == "The last 2 minutes: between −800 W and 400 W."
    assert curve([], [], NOW, live=False) is None
    assert curve([Sample(NOW, 5)], [], NOW, live=False) is None
    hours = curve([], [(NOW - 1800, NOW - 900, 100.0), (NOW - 900, NOW, 200.0)], NOW, live=False)
    assert hours.means.count("M") == 1
    assert hours.since == "6 hours ago"


def test_a_curve_begins_anew_where_the_clock_went_back_and_homes_are_forgotten_in_turn():
    homes = Homes()
    homes.sampled(1, NOW, 5)
    assert [item[:2] for item in homes.sampled(1, NOW + 1, 6)] == [(NOW, 5), (NOW + 1, 6)]
    assert [item.begins for item in homes.sampled(1, NOW + 2, 6, patience=-1)] == [True, False, True]
    assert [item[:2] for item in homes.sampled(1, NOW - 50, 7)] == [(NOW - 50, 7)]
    for number in range(2, 502):
        homes.sampled(number, NOW, 1)
    assert homes.sampled(1, None, None) == []


async def test_a_month_that_is_not_known_from_its_beginning_says_since_when_it_counts(site):
    with site.headend.engine.begin() as connection:
        Inventory(connection).group("flat", ["meter 3"])
    site.now = NOW + 10 * 86_400
    first = MIDNIGHT + 8 * 86_400 + 900
    count = (site.now - first) // 900
    store(site, 3, "1-0:1.8.0.255", first, [10 * n for n in range(count)])
    store(site, 3, "1-0:2.8.0.255", first, [20 * n for n in range(count)])
    said = await home(site)
    # From the first full hour on.
    assert f"Since 9 November {' '.join(amount(str(10 * (count - 4)), 'Wh'))}" in said
    assert f"{' '.join(amount(str(20 * (count - 4)), 'Wh'))} fed in" in said
    assert "This month" not in said
