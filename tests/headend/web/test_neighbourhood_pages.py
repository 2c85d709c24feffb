"""The neighbourhood and the gas station as HTML: who may touch it, what is refused, and what if nobody is there."""

from __future__ import annotations

import asyncio
import json
import re
import time
from contextlib import asynccontextmanager

import numpy as np
import pytest

from cosem.headend.access import Role
from cosem.headend.audit import entries
from cosem.headend.happenings import Happened, keep
from cosem.headend.intervals import Series
from cosem.headend.inventory import Inventory, Kind, NewDevice, State
from cosem.headend.schema import latest
from cosem.headend.web.accounts import add_account
from cosem.headend.web.frame import PageSettings
from cosem.headend.web.live import Live
from cosem.headend.web.playing import Playing
from cosem.headend.web.station_pages import explained
from cosem.simulator.neighbourhood.control import ControlClient, ControlServer
from cosem.simulator.neighbourhood.layout import NeighbourhoodSettings
from cosem.simulator.neighbourhood.neighbourhood import Neighbourhood
from support.site import HOSTILE, NOW, PASSWORD, Site, key_in, quick_hash

KEY = "0123456789abcdef" * 2
DEAD = ("127.0.0.1", 9)


class Driver:
    """Lets nobody live: time stands, but for what is done."""

    speed = 1.0
    late = False

    def set_speed(self, speed):
        self.speed = speed

    def push_to(self, destination):
        raise AssertionError("nobody asked for pushes")


@pytest.fixture(scope="module")
def neighbourhood():
    settings = NeighbourhoodSettings(meters=6, power_line=2, utilities=6, days=0.05)
    return Neighbourhood(settings, NOW, chance=False)


@asynccontextmanager
async def playing(neighbourhood, folder, *, driver=None):
    """Serve pages with a neighbourhood behind them; gives the site and its control port."""
    server = ControlServer(neighbourhood, driver or Driver())
    client = ControlClient(*await server.start("127.0.0.1", 0))
    site = Site(folder, empty=True, pages=PageSettings(play=client))
    with site.headend.engine.begin() as connection:
        inventory = Inventory(connection)
        for unit in neighbourhood.units.values():
            kind = Kind(unit.sheet.kind)
            inventory.add(NewDevice(unit.name, kind, url="tcp://127.0.0.1:9", place=unit.sheet.place), NOW)
            inventory.move(unit.name, State.IN_USE, NOW)
    try:
        yield site, server
    finally:
        client.hang_up()
        await server.stop()
        site.close()


async def touch(client, unit, what, key=KEY, **more):
    return await client.post("/neighbourhood/touch", data={"unit": unit, "touch": what, "key": key, **more})


async def test_the_page_shows_every_unit_linked_where_it_hangs_and_the_line_as_a_table(neighbourhood, tmp_path):
    async with playing(neighbourhood, tmp_path) as (site, _), site.visiting(Role.VIEWER) as client:
        text = (await client.get("/neighbourhood")).text
        with site.headend.engine.connect() as connection:
            for name in neighbourhood.units:
                assert f'href="/device/{Inventory(connection).get(name).id}"><bdi>{name}</bdi>' in text, name
        tree = text[text.index('class="tree"') :]
        meter = next(unit for unit in neighbourhood.units.values() if unit.sheet.parent == "C-1" and unit.feeder)
        assert tree.index(">C-1<") < tree.index(meter.feeder) < tree.index(f">{meter.name}<") < tree.index(">C-2<")
        for unit in neighbourhood.line.units[1:]:
            distance = neighbourhood.line.line.network.feeder.distance(unit.station)
            assert re.search(rf"<bdi>{unit.name}</bdi></a></td><td>L[123]</td><td class=\"n\">{distance:.0f}<", text)
        assert 'aria-current="page"' in text[text.index('href="/neighbourhood"') :][:60]


async def test_viewers_look_on_and_households_see_nothing_of_it(neighbourhood, tmp_path):
    async with playing(neighbourhood, tmp_path) as (site, _):
        for role in (Role.VIEWER, Role.SECOND_PERSON):
            async with site.visiting(role) as client:
                text = (await client.get("/neighbourhood?unit=E-001")).text
                assert "Voltage" in text
                assert 'action="/neighbourhood' not in text
                assert (await touch(client, "E-001", "open-terminals")).status_code == 403
                assert (await client.post("/neighbourhood/speed", data={"speed": "60"})).status_code == 403
        async with site.visiting(None) as client:
            assert (await client.get("/neighbourhood")).status_code == 303
            assert (await touch(client, "E-001", "open-terminals")).status_code == 303
        assert neighbourhood.units["E-001"].look()["open"] == []


async def test_what_is_touched_is_done_once_audited_and_told(neighbourhood, tmp_path):
    async with playing(neighbourhood, tmp_path) as (site, _), site.visiting(Role.OPERATOR) as client:
        key = key_in((await client.get("/neighbourhood?unit=E-001")).text)
        answer = await touch(client, "E-001", "open-terminals", key)
        assert answer.headers["location"] == "/neighbourhood?unit=E-001"
        assert neighbourhood.units["E-001"].look()["open"] == ["terminal"]
        count = len(neighbourhood.story)
        await touch(client, "E-001", "open-terminals", key)
        assert len(neighbourhood.story) == count
        text = (await client.get("/neighbourhood?unit=E-001")).text
        assert "terminal cover open" in text
        assert "Close terminal cover" in text
        story = text[text.index('class="lines"') :]
        # The newest first: what followed stands above what was done.
        assert 0 < story.index("terminal cover removed") < story.index("terminal cover opened")
        await touch(client, "E-001", "close-terminals", KEY[::-1])
        with site.headend.engine.connect() as connection:
            found = [entry for entry in entries(connection) if entry.what == "touch neighbourhood"]
        assert [(entry.who, entry.subject) for entry in found] == [("operator", "E-001")] * 2
        assert found[1].after == {"what": "Open terminal cover"}


async def test_who_sees_some_devices_only_touches_no_other_and_not_the_time(neighbourhood, tmp_path):
    units = [unit.name for unit in neighbourhood.units.values() if unit.sheet.kind == "electricity" and unit.feeder]
    own, foreign, feeder = units[0], units[1], neighbourhood.units[units[0]].feeder
    async with playing(neighbourhood, tmp_path) as (site, _), site.visiting(None) as client:
        with site.headend.engine.begin() as connection:
            Inventory(connection).group("flat", [own])
            add_account(connection, "narrow", quick_hash(), Role.OPERATOR, "setup", NOW, group="flat")
        await client.post("/sign-in", data={"name": "narrow", "password": PASSWORD})
        assert (await touch(client, foreign, "button", "1" * 32)).status_code == 404
        assert (await touch(client, feeder, "cut", "2" * 32)).status_code == 404
        assert (await client.post("/neighbourhood/speed", data={"speed": "60"})).status_code == 404
        with site.headend.engine.connect() as connection:
            assert not {"touch neighbourhood", "speed of neighbourhood"} & {row.what for row in entries(connection)}
        assert (await touch(client, own, "button", "3" * 32)).status_code == 303


async def test_the_reaction_of_the_head_end_is_woven_in_with_the_time_it_took(neighbourhood, tmp_path):
    async with playing(neighbourhood, tmp_path) as (site, _), site.visiting(Role.OPERATOR) as client:
        await client.get("/neighbourhood")
        await touch(client, "E-002", "magnet")
        with site.headend.engine.begin() as connection:
            number = Inventory(connection).get("E-002").id
            happened = Happened(number, NOW, "fraud", "strong magnetic field", alarming=True)
            _, opened = keep(connection, [happened], NOW)
        site.headend.tell("event", {"device": number, "group": "fraud", "words": "strong magnetic field"})
        site.headend.alarmed(opened)
        story = (await client.get("/neighbourhood")).text
        lines = re.findall(r"<li class=\"s-[a-z]+.*?</li>", story, re.S)
        ours = [line for line in lines if "head-end" in line]
        assert len(ours) == 1
        assert "fraud alarm opened" in ours[0]
        assert re.search(r"\d\.\d s later", ours[0])
        assert lines.index(ours[0]) < next(index for index, line in enumerate(lines) if ">magnet<" in line)
        await touch(client, "E-002", "magnet-gone", KEY[::-1])


@pytest.mark.parametrize(
    ("unit", "what"),
    [("E-999", "open-terminals"), ("E-001", "explode"), ("G-001", "magnet"), ("Mill Lane", "hear"), ("", ""),
     ("E-001", "script")],
)  # fmt: skip
async def test_unknown_units_and_words_are_refused(neighbourhood, tmp_path, unit, what):
    async with playing(neighbourhood, tmp_path) as (site, _), site.visiting(Role.ADMINISTRATOR) as client:
        before = len(neighbourhood.story)
        assert (await touch(client, unit, what)).status_code == 404
        assert len(neighbourhood.story) == before
        assert (await client.get("/neighbourhood/panel", params={"unit": "E-999"})).status_code == 404
        assert (await client.get("/neighbourhood", params={"unit": HOSTILE})).status_code == 200


@pytest.mark.parametrize("watts", ["-1", "1e3", "", "100001", "٣", "9" * 30])
async def test_a_limit_that_is_none_is_refused_in_one_sentence(neighbourhood, tmp_path, watts):
    async with playing(neighbourhood, tmp_path) as (site, _), site.visiting(Role.OPERATOR) as client:
        before = neighbourhood.units["E-001"].look()["limit"]
        answer = await touch(client, "E-001", "limit", value=watts)
        assert answer.status_code == 400
        assert neighbourhood.units["E-001"].look()["limit"] == before


async def test_other_sites_and_forms_without_a_key_are_refused(neighbourhood, tmp_path):
    driver = Driver()
    async with playing(neighbourhood, tmp_path, driver=driver) as (site, _), site.visiting(Role.OPERATOR) as client:
        before = len(neighbourhood.story)
        foreign = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
        data = {"unit": "Mill Lane", "touch": "cut", "key": KEY}
        assert (await client.post("/neighbourhood/touch", data=data, headers=foreign)).status_code == 403
        data = {"speed": "3600"}
        assert (await client.post("/neighbourhood/speed", data=data, headers=foreign)).status_code == 403
        assert (await touch(client, "Mill Lane", "cut", "")).status_code == 400
        assert (await client.post("/neighbourhood/speed", data={"speed": "7"})).status_code == 400
        assert (len(neighbourhood.story), driver.speed) == (before, 1.0)
        assert (await client.post("/neighbourhood/speed", data={"speed": "600"})).status_code == 303
        assert driver.speed == 600


async def test_without_a_neighbourhood_there_is_no_such_page_and_no_way_to_it(tmp_path):
    site = Site(tmp_path)
    async with site.visiting(Role.ADMINISTRATOR) as client:
        for path in ("/neighbourhood", "/neighbourhood/panel?unit=E-001", "/live?topic=neighbourhood"):
            assert (await client.get(path)).status_code == 404
        assert (await touch(client, "E-001", "open-terminals")).status_code in (404, 405)
        assert "/neighbourhood" not in (await client.get("/")).text
    site.close()


async def test_a_neighbourhood_that_is_gone_is_told_and_comes_back(neighbourhood, tmp_path):
    async with playing(neighbourhood, tmp_path) as (site, server), site.visiting(Role.OPERATOR) as client:
        assert "does not answer" not in (await client.get("/neighbourhood")).text
        play = site.app.state.frame.settings.play
        await server.stop()
        await asyncio.sleep(0.5)
        text = (await client.get("/neighbourhood?unit=E-001")).text
        assert "does not answer" in text
        assert ">E-001<" in text
        answer = await touch(client, "E-001", "open-terminals")
        assert answer.status_code == 400
        assert "does not answer" in answer.text
        again = ControlServer(neighbourhood, Driver())
        await again.start(play.host, play.port)
        await asyncio.sleep(0.5)
        assert "does not answer" not in (await client.get("/neighbourhood")).text
        # What failed was not done, and is done when it is asked for again.
        assert (await touch(client, "E-001", "open-terminals")).status_code == 303
        assert neighbourhood.units["E-001"].look()["open"] == ["terminal"]
        await touch(client, "E-001", "close-terminals", KEY[::-1])
        play.hang_up()
        await again.stop()


async def test_a_neighbourhood_that_was_never_there_is_told(tmp_path):
    site = Site(tmp_path, pages=PageSettings(play=ControlClient(*DEAD)))
    async with site.visiting(Role.OPERATOR) as client:
        answer = await client.get("/neighbourhood")
        assert answer.status_code == 200
        assert "does not answer" in answer.text
        assert (await touch(client, "E-001", "open-terminals")).status_code == 404
    site.close()


class Stranger:
    """A neighbourhood that says what it likes."""

    def __init__(self, **answers):
        unit = {"name": HOSTILE, "kind": "electricity", "model": HOSTILE, "segment": "x", "place": HOSTILE * 50,
                "parent": None, "channel": None, "feeder": None, "tags": [HOSTILE]}  # fmt: skip
        story = [{"number": 1, "at": NOW, "unit": HOSTILE, "kind": HOSTILE, "words": HOSTILE * 100}]
        look = {HOSTILE: {"power": HOSTILE, "switch": HOSTILE, "open": [HOSTILE], "voltage": [HOSTILE]}}
        self.answers = {
            "units": [unit], "feeders": [], "look": look, "story": story,
            "time": {"now": NOW, "speed": 1.0, "late": False}, "line": {"lanes": HOSTILE, "meters": []},
        } | answers  # fmt: skip
        self.calls = 0

    async def call(self, do, **given):
        self.calls += 1
        return self.answers[do]


async def test_words_of_the_neighbourhood_are_harmless(tmp_path):
    site = Site(tmp_path, pages=PageSettings(play=Stranger()))
    async with site.visiting(Role.OPERATOR) as client:
        for path in ("/neighbourhood", "/neighbourhood/panel"):
            text = (await client.get(path, params={"unit": HOSTILE})).text
            assert "<script>alert" not in text
            assert "<img" not in text
            assert "\u202e" not in re.sub(r'(value|data-unit|data-panel)="[^"]*"', "", text)
            assert "&lt;script&gt;" in text
        assert len(text) < 20_000
        state = json.dumps(site.app.state.frame.live._render("neighbourhood"))
        assert "<script" not in state
        assert "<img" not in state
    site.close()


@pytest.mark.parametrize(
    "answers",
    [{"units": {}}, {"units": [{}]}, {"look": [1]}, {"time": None}, {"story": [{"number": "x"}]}, {"units": None}],
)
async def test_a_neighbourhood_that_talks_nonsense_is_told(tmp_path, answers):
    site = Site(tmp_path, pages=PageSettings(play=Stranger(**answers)))
    async with site.visiting(Role.OPERATOR) as client:
        answer = await client.get("/neighbourhood")
        assert answer.status_code == 200
    if answers != {"units": {}}:
        assert "nobody understands" in answer.text
    site.close()


async def test_one_question_serves_500_pages_and_none_open_asks_nothing(tmp_path):
    site = Site(tmp_path)
    stranger = Stranger()
    asked = Playing(stranger, site.headend.engine, lambda: NOW)
    live = Live(lambda topic: {"text": {"a": str(asked.asked), "b": "same"}}, beat=asked, tick=0.05)
    await asyncio.sleep(0.2)
    assert stranger.calls == 0
    got: list[list[str]] = [[] for _ in range(500)]

    async def follow(kept):
        async for message in live.follow("neighbourhood", lambda: True):
            kept.append(message)

    tasks = [asyncio.create_task(follow(kept)) for kept in got]
    await asyncio.sleep(2.0)
    assert 2 <= asked.asked <= 6
    assert live.rendered <= 60
    for kept in got:
        messages = [json.loads(text[6:]) for text in kept if text.startswith("data")]
        assert messages[0]["text"]["b"] == "same"
        assert len(messages) > 1
        # What did not change is not sent again.
        assert all("b" not in message["text"] for message in messages[1:])
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0.6)
    calls = stranger.calls
    await asyncio.sleep(0.6)
    assert stranger.calls == calls
    site.close()


async def test_a_slow_page_gets_everything_again_and_a_silent_neighbourhood_keeps_no_other_page_waiting(tmp_path):
    count = 0

    def render(topic):
        nonlocal count
        count += 1
        return {"text": {"n": str(count), "same": "x"}}

    class Hanging:
        def has(self, topic):
            return topic == "neighbourhood"

        async def ask(self):
            await asyncio.sleep(60)

    live = Live(render, beat=Hanging(), tick=0.02, every=1)
    slow, hanging = live.follow("overview", lambda: True), live.follow("neighbourhood", lambda: True)
    assert (await anext(hanging)).startswith("retry")
    await anext(slow)
    assert "same" in await anext(slow)
    await asyncio.sleep(0.3)
    began = time.monotonic()
    late = json.loads((await anext(slow))[6:])
    assert time.monotonic() - began < 1
    assert late["text"]["same"] == "x"
    assert int(late["text"]["n"]) > 5
    await slow.aclose()
    await hanging.aclose()
    live.close()


# --- the gas station ------------------------------------------------------------------------------------------


def station(site, *, wrong_hours=()):
    """Add a converter with a day of archive, in some hours of which a sensor failed; return its number."""
    with site.headend.engine.begin() as connection:
        inventory = Inventory(connection)
        number = inventory.add(NewDevice("S-1", Kind.CONVERTER, url="tcp://127.0.0.1:9", place="Station"), NOW)
        inventory.move("S-1", State.IN_USE, NOW)
        ends = NOW // 3600 * 3600 - 24 * 3600 + 3600 * np.arange(25)
        wrong = np.array([1000.0 if hour in wrong_hours else 0.0 for hour in range(25)])
        right = 1000.0 - wrong
        columns = {
            ("7-0:11.2.0.255", "m³", -6): np.cumsum(right) * 1e6,
            ("7-0:12.2.0.255", "m³", -6): np.cumsum(wrong) * 1e6,
            ("7-0:42.42.0.255", "bar", -3): np.where(wrong > 0, 15_000, 14_455),
            ("7-0:41.42.0.255", "°C", -2): np.full(25, 661),
            ("7-0:54.0.0.255", "Wh/m³", -3): np.full(25, 11_291_785),
            ("7-0:55.0.16.255", "", -6): np.full(25, 968_868),
            ("7-0:52.0.16.255", "", -6): np.full(25, 14_377_000),
        }
        for (name, unit, scaler), values in columns.items():
            channel = inventory.channel(name, unit, scaler, cumulative=name.startswith(("7-0:11", "7-0:12")))
            values = values.astype(np.int64)
            site.headend.intervals.stage(connection, [Series.of(number, channel, ends, values)])
            row = {"device": number, "channel": channel, "time": int(ends[-1]), "value": int(values[-1])}
            connection.execute(latest.insert(), row)
    return number


async def test_a_station_is_told_from_what_was_stored_with_disturbed_hours_marked(tmp_path):
    site = Site(tmp_path)
    number = station(site, wrong_hours=(10, 11))
    async with site.visiting(Role.VIEWER) as client:
        text = (await client.get(f"/stations/{number}")).text
        assert "2\u202f000.0" in text
        assert "24\u202f000\u202fm³ in this day, 2\u202f000\u202fm³ of them disturbed." in text
        volume = text[text.index('id="volume-table"') :]
        assert volume[: volume.index("</table>")].count("disturbed") == 2
        assert 'class="bars guess"' in text
        pressure = text[text.index('data-chart="pressure"') : text.index('id="pressure-table"')]
        assert 'class="line guess"' in pressure
        # p/p_b * T_b/T / K with the numbers of the archive gives the factor of the archive.
        assert "= <b>14.3" in text or "= <b>14.9" in text
        assert '"/neighbourhood' not in text
        device = (await client.get(f"/device/{number}")).text
        assert f'href="/stations/{number}"' in device
        for other in (1, 99_999):
            assert (await client.get(f"/stations/{other}")).status_code == 404
    async with site.visiting(Role.HOUSEHOLD) as client:
        assert (await client.get(f"/stations/{number}")).status_code == 404
    site.close()


async def test_a_station_without_values_says_so(tmp_path):
    site = Site(tmp_path)
    with site.headend.engine.begin() as connection:
        number = Inventory(connection).add(NewDevice("S-1", Kind.CONVERTER, url="tcp://127.0.0.1:9"), NOW)
    async with site.visiting(Role.VIEWER) as client:
        text = (await client.get(f"/stations/{number}")).text
        assert "There is no archive yet." in text
        assert "How it is converted" not in text
    site.close()


async def test_a_station_that_is_played_with_shows_now_and_the_substitute(neighbourhood, tmp_path):
    async with playing(neighbourhood, tmp_path) as (site, _), site.visiting(Role.OPERATOR) as client:
        with site.headend.engine.connect() as connection:
            number = Inventory(connection).get("S-1").id
        look = neighbourhood.units["S-1"].look()
        text = (await client.get(f"/stations/{number}")).text
        made = float(re.search(r"= <b>([\d.]+)</b>", text)[1])
        assert made == pytest.approx(look["conversion factor"], rel=1e-3)
        assert "substitute" not in text[text.index('class="pipe"') : text.index("How it is converted")]
        answer = await touch(client, "S-1", "pressure-fails", to=f"/stations/{number}")
        assert answer.headers["location"] == f"/stations/{number}"
        neighbourhood.advance(neighbourhood.now + 300)
        await asyncio.sleep(0.5)
        text = (await client.get(f"/stations/{number}")).text
        assert "pressure: counted as disturbed" in text
        assert ">substitute<" in text
        assert "15.000\u202fbar" in text
        disturbed = neighbourhood.units["S-1"].look()["volume disturbed"]
        assert disturbed > 0
        assert f"{disturbed:,.1f}".replace(",", "\u202f") in text
        await touch(client, "S-1", "pressure-repaired", KEY[::-1])


def test_the_explanation_is_the_equation_and_is_left_out_where_the_numbers_contradict():
    known = {"z": None, "z_base": None, "ratio": 0.968868}
    said = explained(14.455, 6.61, 1.01325, 273.15, factor=14.377, **known)
    assert said["by_p"] * said["by_t"] * said["by_z"] == pytest.approx(said["made"])
    assert said["made"] == pytest.approx(14.455 / 1.01325 * 273.15 / 279.76 / 0.968868)
    assert explained(14.455, 6.61, 1.01325, 288.15, factor=14.377, **known) is None
    assert explained(None, 6.61, 1.01325, 273.15, factor=14.4, **known) is None
    assert explained(14.455, -300.0, 1.01325, 273.15, factor=14.4, **known) is None
