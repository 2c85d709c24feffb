"""The pages as HTML: who sees what, forms, what strangers write, and what is refused."""

from __future__ import annotations

import asyncio
import re
import sqlite3

import pytest
from sqlalchemy import select

from cosem.classes.common import CaptureObject
from cosem.client.table import Column
from cosem.headend.access import ALLOWED, Act, Role
from cosem.headend.audit import entries
from cosem.headend.commands import CommandState
from cosem.headend.happenings import alarms
from cosem.headend.inventory import Inventory
from cosem.headend.reading import ProfileReading
from cosem.headend.schema import web_session
from cosem.headend.web.accounts import IDLE_SECONDS, TRIES, add_account
from cosem.headend.web.topics import render
from cosem.obis import obis
from support.checked import Checked
from support.house import put
from support.site import KEY, NOW, PASSWORD, Site, key_in, quick_hash

PAGES = ("/", "/devices", "/device/2", "/device/4", "/alarms", "/plans", "/runs/1", "/commands", "/settings",
         "/explain", "/explain?example=session")  # fmt: skip


async def test_a_visitor_without_a_session_is_sent_to_sign_in_and_back(site):
    async with site.visiting(None) as client:
        for path in (*PAGES, "/audit", "/device/2?days=7"):
            answer = await client.get(path)
            assert answer.status_code == 303
            assert "meter" not in answer.text
        assert answer.headers["location"] == "/sign-in?to=%2Fdevice%2F2%3Fdays%3D7"
        form = {"name": "viewer", "password": PASSWORD, "to": "/device/2?days=7"}
        answer = await client.post("/sign-in", data=form)
        assert answer.headers["location"] == "/device/2?days=7"
        assert (await client.get(answer.headers["location"])).status_code == 200


@pytest.mark.parametrize(
    "to", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x", "/\r\nX: y"]
)
async def test_signing_in_sends_nobody_elsewhere(shown, to):
    async with shown.visiting(None) as client:
        answer = await client.post("/sign-in", data={"name": "viewer", "password": PASSWORD, "to": to})
        assert answer.headers["location"] == "/"


async def test_a_session_is_a_new_one_at_sign_in_and_survives_a_restart(site, tmp_path):
    async with site.visiting(None) as client:
        client.cookies.set("cosem_session", "chosen-by-somebody-else")
        answer = await client.post("/sign-in", data={"name": "viewer", "password": PASSWORD})
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        first = re.search("cosem_session=([^;]+)", cookie)[1]
        assert first != "chosen-by-somebody-else"
        client.cookies.set("cosem_session", first, domain="headend")
    again = Site(tmp_path)
    async with again.visiting(None) as client:
        client.cookies.set("cosem_session", first)
        assert (await client.get("/devices")).status_code == 200
        answer = await client.post("/sign-in", data={"name": "viewer", "password": PASSWORD})
        second = re.search("cosem_session=([^;]+)", answer.headers["set-cookie"])[1]
        client.cookies.clear()
        client.cookies.set("cosem_session", first)
        assert second != first
        assert (await client.get("/devices")).status_code == 303
    again.close()
    with sqlite3.connect(tmp_path / "headend.db") as connection:
        stored = str(connection.execute("SELECT * FROM web_session").fetchall())
        stored += str(connection.execute("SELECT * FROM account").fetchall())
    connection.close()
    assert second not in stored
    assert PASSWORD not in stored


async def test_a_session_ends_by_itself_by_signing_out_and_by_being_shut_out(site):
    async with site.visiting(Role.VIEWER) as idle, site.visiting(Role.VIEWER) as leaving:
        assert (await leaving.post("/sign-out")).status_code == 303
        assert (await leaving.get("/devices")).status_code == 303
        site.now += IDLE_SECONDS - 10
        assert (await idle.get("/devices")).status_code == 200
        site.now += IDLE_SECONDS - 10
        assert (await idle.get("/devices")).status_code == 200
        site.now += IDLE_SECONDS + 1
        assert (await idle.get("/devices")).status_code == 303
        assert (await idle.get("/devices", params={"part": 1})).status_code == 401
        assert (await idle.get("/live", params={"topic": "overview"})).status_code == 401
    async with site.visiting(Role.VIEWER) as shut, site.visiting() as admin:
        number = re.search(
            r'/settings/users/(\d+)/shut"[^/]+/?>?<button aria-label="Shut out viewer"',
            (await admin.get("/settings")).text,
        )
        assert number is not None
        assert (await admin.post(f"/settings/users/{number[1]}/shut", data={"shut": "1"})).status_code == 303
        assert (await shut.get("/devices")).status_code == 303


async def test_wrong_passwords_are_told_alike_and_wait_after_a_few(site):
    async with site.visiting(None) as client:
        texts = set()
        for name in ("viewer", "nobody"):
            answer = await client.post("/sign-in", data={"name": name, "password": "wrong"})
            assert answer.status_code == 401
            texts.add(answer.text.replace(name, "?"))
        assert len(texts) == 1
        for _ in range(TRIES - 1):
            await client.post("/sign-in", data={"name": "viewer", "password": "wrong"})
        assert (await client.post("/sign-in", data={"name": "viewer", "password": PASSWORD})).status_code == 429
        site.now += 61
        assert (await client.post("/sign-in", data={"name": "viewer", "password": PASSWORD})).status_code == 303


@pytest.mark.parametrize("role", list(Role))
async def test_each_role_does_what_it_may_and_nothing_else(site, role):
    asked = {
        Act.READ: "/device/2/read",
        Act.COMMAND: "/device/2/clock",
        Act.CONFIRM: "/commands/none/confirm",
        Act.ACKNOWLEDGE: "/alarms/acknowledge",
        Act.PLAN: "/plans/1/active",
        Act.ACCESS: "/settings/tokens",
    }
    async with site.visiting(role) as client:
        for act, path in asked.items():
            form = {"key": "0" * 31 + str(len(path) % 10), "active": "1", "alarm": "1", "name": "t", "role": "viewer"}
            answer = await client.post(path, data=form)
            assert (answer.status_code == 403) == (act not in ALLOWED[role]), (act, answer.status_code)
        assert (await client.get("/audit")).status_code == (200 if role is Role.ADMINISTRATOR else 403)


async def test_an_administrator_of_a_group_does_nothing_that_goes_over_all_devices(site):
    with site.headend.engine.begin() as connection:
        add_account(connection, "narrow", quick_hash(), Role.ADMINISTRATOR, "setup", NOW, group="flat")
    async with site.visiting(None) as client:
        answer = await client.post("/sign-in", data={"name": "narrow", "password": PASSWORD})
        assert answer.status_code == 303
        for path in ("/audit", "/settings/users", "/settings/tokens", "/plans/1/active"):
            ask = client.get if path == "/audit" else client.post
            assert (await ask(path)).status_code == 403, path
        assert "Users" not in (await client.get("/settings")).text
    async with site.visiting() as client:
        answer = await client.post("/settings/users/4/shut", data={"shut": "1"})
        assert "last administrator" in answer.text, "who sees some devices only lets nobody in again"


async def test_a_household_sees_its_own_devices_and_nothing_else(shown):
    async with shown.visiting(Role.HOUSEHOLD) as client:
        assert (await client.get("/")).headers["location"] == "/home"
        listed = (await client.get("/devices")).text
        assert "meter 2" in listed
        assert "gas 1" in listed
        assert "meter 1" not in listed
        assert "meter 3" not in listed
        assert (await client.get("/device/2")).status_code == 200
        seen = (await client.get("/alarms", params={"state": "all"})).text
        assert "terminal cover opened" in seen
        assert "battery low" not in seen
        for path in (
            "/device/1",
            "/device/1/values.csv?channel=1-0:1.8.0.255",
            "/plans",
            "/runs/1",
            "/commands",
            "/live?topic=overview",
        ):
            answer = await client.get(path)
            assert answer.status_code == 404, path
            assert "meter 1" not in answer.text
        assert (await client.get("/live", params={"topic": "device:1"})).status_code == 404


async def test_a_household_does_not_learn_what_its_meter_hangs_behind(site):
    with site.headend.engine.begin() as connection:
        Inventory(connection).group("flat", ["gas 1"])
        number = Inventory(connection).get("gas 1").id
    async with site.visiting(Role.HOUSEHOLD) as client:
        answer = await client.get(f"/device/{number}")
        assert answer.status_code == 200
        assert "meter 2" not in answer.text
        assert (await client.get("/device/2")).status_code == 404


async def test_whoever_is_narrowed_to_a_group_sees_nothing_of_the_network(site):
    with site.headend.engine.begin() as connection:
        add_account(connection, "flat manager", quick_hash(), Role.OPERATOR, "setup", NOW, group="flat")
    async with site.visiting(None) as client:
        await client.post("/sign-in", data={"name": "flat manager", "password": PASSWORD})
        assert (await client.get("/")).headers["location"] == "/home"
        assert (await client.get("/commands")).status_code == 404
        assert (await client.post("/device/1/clock", data={"key": "c" * 32})).status_code == 404
        assert (await client.post("/device/2/clock", data={"key": "c" * 32})).status_code == 303
        assert (await client.post("/alarms/acknowledge", data={"alarm": ["2"]})).status_code == 400


async def test_the_use_of_a_session_is_noted_now_and_then(site):
    async with site.visiting(Role.VIEWER) as client:
        with site.headend.engine.connect() as connection:
            begun = connection.execute(select(web_session.c.seen)).scalar_one()
            for after, noted in ((30, begun), (61, begun + 61), (90, begun + 61)):
                site.now = NOW + after
                await client.get("/settings")
                assert connection.execute(select(web_session.c.seen)).scalar_one() == noted


async def test_cross_site_posts_are_refused_whatever_cookie_they_carry(site):
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        async with site.visiting() as client:
            form = {"key": "a" * 32}
            assert (await client.post("/device/2/disconnect", data=form, headers=headers)).status_code == 403
            assert (await client.post("/alarms/acknowledge", data={"alarm": "1"}, headers=headers)).status_code == 403
    assert site.headend.commands.bundle("page-" + "a" * 32) == []
    async with site.visiting() as client:
        good = {"Origin": "http://headend", "Sec-Fetch-Site": "same-origin"}
        assert (await client.post("/device/2/disconnect", data=form, headers=good)).status_code == 303


async def test_another_site_follows_no_stream_and_may_link_to_pages(site):
    strange = {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}
    async with site.visiting() as client:
        for headers in ({"Origin": "http://headend:9999"}, strange, {**strange, "Sec-Fetch-Mode": "no-cors"}):
            for path in ("/live?topic=home:2", "/devices"):
                assert (await client.get(path, headers=headers)).status_code == 403
        linked = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
        assert (await client.get("/devices", headers=linked)).status_code == 200
    with site.headend.engine.connect() as connection:
        assert "look at customer's page" not in {row.what for row in entries(connection)}


async def test_pages_carry_a_policy_that_lets_nothing_strange_run(shown):
    async with shown.visiting() as client:
        for path in (*PAGES, "/audit", "/nowhere", "/sign-in"):
            answer = await client.get(path)
            policy = answer.headers["content-security-policy"]
            assert "script-src 'self'" in policy
            assert "require-trusted-types-for 'script'" in policy
            assert "unsafe" not in policy
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["x-content-type-options"] == "nosniff"
        api = await client.get("/api/devices")
        assert api.status_code == 401
        assert api.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"


@pytest.mark.parametrize(
    "path", [*PAGES, "/audit", "/device/2?days=1", "/device/2/ask/disconnect", "/alarms?state=all"]
)
async def test_every_page_names_its_controls_and_holds_no_markup_of_strangers(shown, path):
    async with shown.visiting() as client:
        answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    page = Checked(answer.text)
    assert len(page.ids) == len(set(page.ids))
    assert set(page.labelled) <= set(page.ids)
    assert page.unnamed == []
    assert page.scripts
    assert all(script.get("src", "").startswith("/static/") for script in page.scripts)
    assert answer.text.count("<h1") == 1
    assert "\u202e" not in answer.text
    assert "x" * 500 not in answer.text
    assert len(answer.content) < 60_000


async def test_a_hostile_name_is_shown_as_text(shown):
    async with shown.visiting() as client:
        for path in ("/devices", "/device/4", "/alarms"):
            text = (await client.get(path)).text
            assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
            assert "<script>alert" not in text


async def test_lists_work_as_links_and_give_their_part_to_the_script(shown):
    async with shown.visiting(Role.VIEWER) as client:
        seen, path = [], "/devices"
        while path:
            page = (await client.get(path)).text
            seen += re.findall(r'href="/device/(\d+)"', page)
            following = re.search(r'<a href="([^"]+)" data-page rel="next"', page)
            path = following[1].replace("&amp;", "&") if following else None
        assert len(seen) == len(set(seen)) == 65
        part = await client.get("/devices", params={"text": "meter", "kind": "electricity", "part": "1"})
        assert "<html" not in part.text
        assert re.findall(r'href="/device/(\d+)"', part.text) == ["1", "2", "3"]
        found = (await client.get("/devices", params={"text": "no such", "segment": "gone", "tag": "x"})).text
        assert "No device fits." in found


async def test_a_devices_page_tells_of_values_and_keys_but_not_the_key(shown):
    async with shown.visiting(Role.VIEWER) as client:
        page = (await client.get("/device/2?days=1")).text
        table = (await client.get("/device/2/values.csv", params={"channel": "1-0:1.8.0.255", "days": 2})).text
    assert "global unicast encryption key" in page
    assert KEY.hex() not in page.lower()
    assert "96 values, 0 missing; together 2\u202f400 Wh; lowest 25, highest 25 Wh." in page
    assert len(re.findall(r'<td class="n">25<td>', page)) == 96
    assert table.splitlines()[0] == "device,channel,unit,time,value,quality,estimate"
    assert len(table.splitlines()) == 2 * 96 + 1
    assert "Disconnect" not in page


async def test_missing_intervals_are_shaded_and_named(shown):
    async with shown.visiting(Role.VIEWER) as client:
        page = (await client.get("/device/2?days=7")).text
    # The step behind a missing register value is unknown too.
    assert page.count("<td>missing") == 4 * 96 + 1 + 5 - 1
    assert 'class="missing"' in page


async def test_a_command_is_asked_for_once_confirmed_by_another_and_audited(site):
    async with site.visiting(Role.OPERATOR) as operator, site.visiting(Role.SECOND_PERSON) as second:
        ask = (await operator.get("/device/2/ask/disconnect")).text
        assert "meter 2" in ask
        assert "A second person confirms this" in ask
        key = key_in(ask)
        for _ in range(2):
            assert (await operator.post("/device/2/disconnect", data={"key": key})).status_code == 303
        (row,) = site.headend.commands.bundle(f"page-{key}")
        assert row.state is CommandState.UNCONFIRMED
        assert site.queue.submitted == []
        assert (await operator.post(f"/commands/page-{key}/confirm")).status_code == 403
        shown = (await second.get("/commands")).text
        assert f"/commands/page-{key}" in shown
        assert "Confirm as second person" in (await second.get(f"/commands/page-{key}")).text
        assert (await second.post(f"/commands/page-{key}/confirm")).status_code == 303
    assert site.queue.submitted == [f"bundle page-{key}"]
    with site.headend.engine.connect() as connection:
        told = [(item.who, item.what) for item in entries(connection) if item.what != "sign in"]
    assert told[:2] == [("second person", "confirm"), ("operator", "ask for disconnect")]
    assert [what for _, what in told].count("ask for disconnect") == 1


async def test_nobody_is_the_second_person_of_an_own_command(site):
    async with site.visiting() as client:
        key = key_in((await client.get("/device/2/ask/disconnect")).text)
        await client.post("/device/2/disconnect", data={"key": key})
        assert "Confirm as second person" not in (await client.get(f"/commands/page-{key}")).text
        assert (await client.post(f"/commands/page-{key}/confirm")).status_code == 400


async def test_what_hangs_behind_a_meter_is_switched_through_it(site):
    async with site.visiting(Role.OPERATOR) as client:
        with site.headend.engine.connect() as connection:
            number = Inventory(connection).get("gas 1").id
        page = (await client.get(f"/device/{number}")).text
        assert "Close valve" in page
        assert "Disconnect supply" not in page
        ask = (await client.get(f"/device/{number}/ask/close")).text
        assert "meter 2" in ask
        key = key_in(ask)
        await client.post(f"/device/{number}/close", data={"key": key})
        assert (await client.get(f"/device/{number}/ask/clock")).status_code == 404
    (row,) = site.headend.commands.bundle(f"page-{key}")
    assert (row.device, row.kind, row.parameters.get("channel")) == (number, "close valve", 2)


async def test_a_live_read_asks_for_values_with_their_scalers(site):
    async with site.visiting(Role.SECOND_PERSON) as client:
        key = key_in((await client.get("/device/2/ask/read")).text)
        await client.post("/device/2/read", data={"key": key})
        (row,) = site.headend.commands.bundle(f"page-{key}")
        assert row.kind == "values now"
        energy = '{"name": "1-0:1.8.0.255", "value": 123456, "scaler": -1, "unit": 30}'
        gas = '{"name": "0-2:24.2.1.255", "value": 77, "scaler": -2, "unit": 13, "time": 0}'
        answer = f'{{"values": [{energy}], "channels": {{"2": {{"values": [{gas}]}}, "3": {{"error": "silent"}}}}}}'
        with sqlite3.connect(site.headend.settings.folder / "headend.db") as connection:
            connection.execute("UPDATE command SET state='done', answer=? WHERE bundle=?", (answer, f"page-{key}"))
        connection.close()
        page = (await client.get("/device/2")).text
    with site.headend.engine.begin() as connection:
        Inventory(connection).group("flat", ["meter 2"])
    async with site.visiting(Role.HOUSEHOLD) as tenant:
        pages = [(await tenant.get(path)).text for path in ("/device/2", f"/commands/page-{key}")]
        followed = render(site.app.state.frame, "own-device:2")["html"]["live-commands"]
    for narrowed in (*pages, followed):
        assert "12\u202f345.6 Wh" in narrowed
        assert "0-2:24.2.1.255" not in narrowed, "the gas is somebody else's"
    assert "0-2:24.2.1.255" in render(site.app.state.frame, "device:2")["html"]["live-commands"]
    assert "12\u202f345.6 Wh" in page
    assert "M-Bus 2: 0-2:24.2.1.255" in page
    assert "0.77 m³" in page


async def test_alarms_are_acknowledged_once_and_fraud_is_a_view(site):
    async with site.visiting(Role.OPERATOR) as client:
        fraud = (await client.get("/alarms", params={"fraud": "1"})).text
        assert "terminal cover opened" in fraud
        assert "battery low" not in fraud
        answer = await client.post("/alarms/acknowledge", data={"alarm": ["1", "2"], "to": "/alarms"})
        assert answer.headers["location"] == "/alarms"
        assert "2 acknowledged." in (await client.get("/alarms")).text
        assert "2 acknowledged." not in (await client.get("/alarms?did=Call+this+number")).text
        assert "battery low" not in (await client.get("/alarms")).text
        assert "battery low" in (await client.get("/alarms?state=acknowledged")).text
        assert (await client.post("/alarms/acknowledge", data={"alarm": ["1"]})).status_code == 400
    with site.headend.engine.connect() as connection:
        assert {row.acknowledged_by for row in alarms(connection)} == {"operator", None}


async def test_plans_run_now_once_and_rest(site):
    async with site.visiting(Role.OPERATOR) as client:
        page = (await client.get("/plans")).text
        assert "night" in page
        key = key_in(page)
        first = await client.post("/plans/1/run", data={"key": key})
        assert first.headers["location"] == "/runs/2"
        assert (await client.post("/plans/1/run", data={"key": key})).headers["location"] == "/plans"
        assert "65" in (await client.get("/runs/2")).text, "the gas meter behind meter 2 among them"
        await client.post("/plans/1/active", data={"active": "0"})
        assert "paused" in (await client.get("/plans")).text
        assert (await client.post("/plans/99/run", data={"key": "b" * 32})).status_code == 404
        assert (await client.get("/runs/99")).status_code == 404


async def test_a_device_shows_first_what_is_read_of_it_and_not_what_it_only_pushed(site):
    clock, energy = Column(CaptureObject(8, obis("0-0:1.0.0"), 2, 0)), Column(CaptureObject(3, obis("1-0:1.8.0"), 2, 0))
    with site.headend.engine.begin() as connection:
        inventory = Inventory(connection)
        row = next(row for row in inventory.page(limit=10) if row.id == 2)
        read = inventory.channel("1-0:1.8.0.255", "Wh", 0)
        reading = ProfileReading(obis("1-0:99.1.0"), 900, (clock, energy), (None, read))
        inventory.set_type("learned", "electricity", readings=[reading])
        inventory.assign(row.name, "learned", NOW)
        put(connection, 2, {"0-0:96.7.21.255": ("", 0, 4)}, NOW)
    async with site.visiting() as visitor:
        text = (await visitor.get("/device/2")).text
        chosen = (await visitor.get("/device/2", params={"channel": "0-0:96.7.21.255"})).text
    assert re.search(r'<option value="1-0:1.8.0.255" selected>', text)
    assert re.search(r'<option value="0-0:96.7.21.255" selected>', chosen)


async def test_the_overview_tells_the_share_read_and_the_worst_devices(shown):
    async with shown.visiting(Role.VIEWER) as client:
        page = (await client.get("/")).text
    assert "75.0 %" in page
    assert re.search(r'class="h0">75.0<', page)
    assert re.search(r'<a href="/device/3"><bdi>meter 3</bdi></a></td><td class="n">1</td>', page)


async def test_an_empty_head_end_says_so_on_every_page(tmp_path):
    site = Site(tmp_path, empty=True)
    async with site.visiting() as client:
        for path, words in {
            "/": "No plan has run",
            "/devices": "No device fits",
            "/alarms": "No alarm here",
            "/plans": "There is no plan",
            "/commands": "Nothing here",
            "/settings": "No token is valid",
        }.items():
            answer = await client.get(path)
            assert answer.status_code == 200
            assert words in answer.text
    site.close()


@pytest.mark.parametrize(
    "path",
    [
        "/device/0",
        "/device/99999",
        f"/device/{2**70}",
        f"/device/{-(2**70)}",
        f"/campaigns/{-(2**70)}",
        f"/plans/{-(2**70)}/change",
        "/device/abc",
        "/runs/abc",
        f"/runs/{2**70}",
        f"/runs/{-(2**70)}",
        "/devices?after=-1",
        "/devices?text=" + "x" * 300,
        "/static/0/pages.js",
        "/static/x/../frame.py",
        "/commands/none",
        "/device/2/ask/nothing",
        "/live?topic=nothing",
        "/alarms?before=abc",
    ],
)
async def test_addresses_that_mean_nothing_are_answered_as_pages(shown, path):
    async with shown.visiting() as client:
        answer = await client.get(path)
        assert answer.status_code == 404
        assert answer.headers["content-type"].startswith("text/html")


async def test_ten_thousand_alarms_at_once_are_a_page_of_fifty(site):
    from sqlalchemy import insert

    from cosem.headend.schema import alarm

    row = {"device": 5, "fraud": 0, "first": NOW, "last": NOW, "count": 1, "state": "open"}
    with site.headend.engine.begin() as connection:
        connection.execute(insert(alarm), [{**row, "kind": f"kind {number}"} for number in range(10_000)])
    async with site.visiting() as client:
        answer = await client.get("/alarms")
        assert answer.text.count('name="alarm"') == 50
        assert "10\u202f003" in (await client.get("/")).text


async def test_one_rendering_serves_all_pages_and_the_older_message_is_dropped(site):
    live = site.app.state.frame.live
    live._tick = 0.01
    assert live._task is None
    streams = [live.follow("overview", lambda: True) for _ in range(20)]
    for stream in streams:
        assert await anext(stream) == "retry: 2000\n\n"
    first = [await anext(stream) for stream in streams]
    assert len(set(first)) == 1
    assert '"kpi-alarms": "3"' in first[0]
    before = live.rendered
    with site.headend.engine.begin() as connection:
        from cosem.headend.happenings import acknowledge

        acknowledge(connection, [1], "anna", NOW)
    site.now += 5
    site.headend.tell("alarm", {"device": 2})
    second = [await asyncio.wait_for(anext(stream), 5) for stream in streams]
    assert len(set(second)) == 1
    assert '"kpi-alarms": "2"' in second[0]
    assert live.rendered - before < 10
    for stream in streams:
        await stream.aclose()
    assert live.open == 0


async def test_a_stream_ends_with_its_session(site, monkeypatch):
    monkeypatch.setattr("cosem.headend.web.live.COMMENT_SECONDS", 0.02)
    signed_in = [True]
    stream = site.app.state.frame.live.follow("run:1", lambda: signed_in[0])
    told = [await anext(stream), await anext(stream), await anext(stream)]
    assert told[2] == ":\n\n"
    assert "devices" in told[1].lower()
    signed_in[0] = False
    with pytest.raises(StopAsyncIteration):
        await asyncio.wait_for(anext(stream), 5)


@pytest.mark.parametrize("path", ["/sign-in", "/explain", "/settings/tokens/revoke", "/plans", "/firmware/upload"])
async def test_a_form_with_half_a_surrogate_pair_is_refused_in_a_sentence(site, path):
    head = "--b\r\nContent-Disposition: form-data; name="
    parts = "".join(f'{head}"{name}"\r\n\r\n\\ud800\r\n' for name in ("name", "text", "version"))
    strange = {"Content-Type": "multipart/form-data; boundary=b; charset=unicode_escape"}
    async with site.visiting() as client:
        answer = await client.post(path, content=f"{parts}--b--\r\n", headers=strange)
    assert answer.status_code == 400
    assert "half of a surrogate pair" in answer.text


async def test_a_stream_ends_when_its_device_is_not_seen_any_more(site, monkeypatch):
    monkeypatch.setattr("cosem.headend.web.live.COMMENT_SECONDS", 0.02)
    told = []
    async with site.visiting(Role.HOUSEHOLD) as client, asyncio.timeout(10):

        async def follow():
            # The transport gives the answer when the stream is over.
            told.append((await client.get("/live?topic=home:2")).text)

        task = asyncio.create_task(follow())
        await asyncio.sleep(0.1)
        assert not task.done()
        with site.headend.engine.begin() as connection:
            Inventory(connection).group("flat", ["gas 1"])
        await task
    assert "data: " in told[0]
