"""Plans made, changed and taken away on their page; and what of a device's page belongs to its values and switches."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from cosem.errors import ConfigError
from cosem.headend.access import Role
from cosem.headend.audit import entries
from cosem.headend.intervals import MISSING, Series
from cosem.headend.inventory import Inventory, Kind
from cosem.headend.plans import Plan, Plans, Selection
from cosem.headend.quality import Quality
from cosem.headend.schema import latest
from cosem.headend.web.charts import line
from cosem.headend.web.plan_form import next_times
from support.checked import Checked
from support.site import NOW, key_in

KEY = "a" * 32


def filled(**changed):
    """Return the form of a plan."""
    form = {
        "key": KEY, "do": "keep", "name": "hourly", "who": "some", "kinds": "electricity", "groups": "flat",
        "what": "some", "profiles": "1-0:99.1.0.255\r\n1-0:99.2.0", "events": ["standard", "fraud"], "clock": "1",
        "depth": "10", "schedule": "10 * * * *", "zone": "Europe/Berlin", "window": "0:30", "tries": "2",
    }  # fmt: skip
    return {name: value for name, value in (form | changed).items() if value is not None}


def wrong(text: str) -> dict[str, str]:
    return dict(re.findall(r'<p class="wrong" id="wrong-([\w-]+)">([^<]+)</p>', text))


def plans(site) -> dict[str, Plan]:
    with site.headend.engine.connect() as connection:
        return {item.name: item for item in Plans(connection).all(active=False).values()}


async def test_a_plan_is_made_once_with_everything_that_was_chosen(site):
    async with site.visiting(Role.OPERATOR) as client:
        page = (await client.get("/plans/new")).text
        assert Checked(page).unnamed == []
        for _ in range(2):
            answer = await client.post("/plans", data=filled(key=key_in(page)))
            assert answer.headers["location"] == "/plans"
        assert "hourly" in (await client.get("/plans")).text
    assert plans(site)["hourly"] == Plan(
        "hourly", "10 * * * *", 1800, Selection((Kind.ELECTRICITY,), groups=("flat",)),
        ("1-0:99.1.0.255", "1-0:99.2.0.255"), 10, True, "Europe/Berlin", events=("standard", "fraud"), tries=2,
    )  # fmt: skip
    with site.headend.engine.connect() as connection:
        assert [(item.who, item.what) for item in entries(connection, subject="hourly")] == [("operator", "save plan")]


async def test_a_plan_is_changed_and_the_log_tells_from_what_to_what(site):
    async with site.visiting(Role.OPERATOR) as client:
        page = (await client.get("/plans/1/change")).text
        checked = Checked(page)
        assert set(checked.labelled) <= set(checked.ids)
        assert re.search(r'name="window" value="6:00"', page)
        was = re.search(r'name="was" value="(\w+)"', page)[1]
        same = {"who": "all", "kinds": None, "groups": None, "what": "all", "profiles": None}
        form = filled(key=key_in(page), was=was, schedule="30 1 * * *", name="other name", **same)
        assert (await client.post("/plans/1", data=form)).status_code == 303
        # Who still has the page of before does not overwrite what somebody else has done meanwhile.
        late = await client.post("/plans/1", data=form | {"key": "b" * 32, "schedule": "0 5 * * *"})
        assert late.status_code == 400
        assert "Somebody changed this plan meanwhile" in late.text
        again = (await client.get("/plans/1/change")).text
        assert 'value="30 1 * * *"' in again
    assert set(plans(site)) == {"night"}
    assert plans(site)["night"].schedule == "30 1 * * *"
    with site.headend.engine.connect() as connection:
        (entry,) = [item for item in entries(connection, subject="night") if item.what == "save plan"]
    assert (entry.before["schedule"], entry.after["schedule"]) == ("0 0 * * *", "30 1 * * *")


@pytest.mark.parametrize(
    ("changed", "field", "words"),
    [
        ({"name": ""}, "name", "fill this in"),
        ({"name": "night"}, "name", "already"),
        ({"schedule": "every night"}, "schedule", "no cron line"),
        ({"schedule": "0 0 30 2 *"}, "schedule", "never begins"),
        ({"schedule": ""}, "schedule", "fill this in"),
        ({"zone": "Europe/Atlantis"}, "zone", "no time zone"),
        ({"zone": "../../etc/passwd"}, "zone", "no time zone"),
        ({"window": "six"}, "window", "Hours and minutes"),
        ({"window": "200:00"}, "window", "seven days"),
        ({"window": "0:00"}, "window", "seven days"),
        ({"tries": "0"}, "tries", "1 to 20"),
        ({"depth": "9999"}, "depth", "1 to 3650"),
        ({"profiles": "the load profile"}, "profiles", "the load profile"),
        ({"profiles": None}, "profiles", "Choose or name"),
        ({"what": "all"}, "profiles", "take it away"),
        ({"events": "gossip"}, "events", "no log"),
        ({"kinds": None, "groups": None}, "who", "Say which devices"),
        ({"groups": "nowhere"}, "groups", "no group"),
    ],
)
async def test_what_is_wrong_stands_beside_its_field_and_nothing_is_kept(site, changed, field, words):
    async with site.visiting(Role.OPERATOR) as client:
        answer = await client.post("/plans", data=filled(**changed))
        assert answer.status_code == 400
        assert words in wrong(answer.text)[field]
        assert set(wrong(answer.text)) == {field}
        assert 'value="0:30"' in answer.text or "window" in changed
        page = Checked(answer.text)
        assert set(page.labelled) <= set(page.ids)
        assert page.unnamed == []
    assert set(plans(site)) == {"night"}


async def test_looking_at_the_times_keeps_nothing(site):
    async with site.visiting(Role.OPERATOR) as client:
        answer = await client.post("/plans", data=filled(do="check", schedule="15 0 * * 1"))
        assert answer.status_code == 200
        assert re.findall("<li>(Mon [^<]+)</li>", answer.text)[0] == "Mon 02 Nov 2026, 00:15"
        part = await client.get("/plans/times", params={"schedule": "0 3 * * *", "zone": "UTC", "part": "1"})
        assert part.text.count("<li>") == 5
        assert "<html" not in part.text
        refused = await client.get("/plans/times", params={"schedule": "<b>", "part": "1"})
        assert "&lt;b&gt;" in refused.text
    assert set(plans(site)) == {"night"}


def test_times_are_those_of_the_zone_where_clocks_change():
    spring = int(datetime(2026, 3, 27, 12, tzinfo=UTC).timestamp())
    assert next_times("30 0 * * *", "Europe/Berlin", spring) == [
        "Sat 28 Mar 2026, 00:30", "Sun 29 Mar 2026, 00:30", "Mon 30 Mar 2026, 00:30", "Tue 31 Mar 2026, 00:30",
        "Wed 01 Apr 2026, 00:30",
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="never"):
        next_times("0 0 31 6 *", "Europe/Berlin", spring)


async def test_a_deleted_plan_begins_nothing_and_its_runs_stay(site):
    async with site.visiting(Role.OPERATOR) as client:
        key = key_in((await client.get("/plans/1/ask/remove")).text)
        for _ in range(2):
            assert (await client.post("/plans/1/remove", data={"key": key})).headers["location"] == "/plans"
        page = (await client.get("/plans")).text
        assert "There is no plan." in page
        assert "/runs/1" in page
        assert "night" in (await client.get("/runs/1")).text
        for path in ("/plans/1/run", "/plans/1/active", "/plans/1"):
            assert (await client.post(path, data=filled(key="c" * 32, active="1"))).status_code == 404
        with site.headend.engine.connect() as connection:
            assert Plans(connection).due(NOW) == []
        # The name is free again.
        assert (await client.post("/plans", data=filled(name="night", key="d" * 32))).status_code == 303
    assert plans(site)["night"].window == 1800
    with site.headend.engine.connect() as connection:
        assert [item.what for item in entries(connection, subject="night")] == ["save plan", "remove plan"]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.SECOND_PERSON, Role.HOUSEHOLD])
async def test_plans_are_an_operators(site, role):
    async with site.visiting(role) as client:
        for path in ("/plans/new", "/plans/1/change", "/plans/1/ask/remove", "/plans/times?schedule=x"):
            assert (await client.get(path)).status_code == 403
        for path in ("/plans", "/plans/1", "/plans/1/remove"):
            assert (await client.post(path, data=filled())).status_code == 403
        if role is not Role.HOUSEHOLD:
            page = (await client.get("/plans")).text
            assert "/plans/new" not in page
            assert "Delete" not in page
    assert set(plans(site)) == {"night"}


# --- a device's page ------------------------------------------------------------------------------------------


async def test_values_up_to_a_day_are_shown_and_downloaded(shown):
    async with shown.visiting(Role.VIEWER) as client:
        page = (await client.get("/device/2?days=1&until=2026-10-30")).text
        table = (await client.get("/device/2/values.csv?channel=1-0:1.8.0.255&days=1&until=2026-10-30")).text
        newest = (await client.get("/device/2?days=1&until=nonsense")).text
    rows = re.findall(r'<tr><td>([^<]+)<td class="n">([^<]+)<td>([^<\n]*)', page)
    assert len(rows) == 96
    assert rows[0][0] == "Fri 30 Oct 00:15"
    assert rows[-1][0] == "Sat 31 Oct 00:00"
    assert "until=2026-10-29" in page
    assert "until=2026-10-31" in page
    assert table.splitlines()[-1].split(",")[3] == "2026-10-30T23:00:00+00:00"
    assert "96 values, 0 missing" in newest


async def test_estimates_of_any_channel_are_marked_with_their_quality(site):
    with site.headend.engine.begin() as connection:
        number = Inventory(connection).channel("1-0:32.7.0.255", "V", -1, cumulative=False)
        end = NOW // 900 * 900
        times = [end - 900 * index for index in range(95, -1, -1)]
        values, quality, estimates = [2300] * 96, [0] * 96, [MISSING] * 96
        values[10], estimates[10], quality[10] = MISSING, 2310, Quality.MISSING | Quality.ESTIMATED
        import numpy as np

        series = Series.of(2, number, times, values, np.array(quality, np.uint8), np.array(estimates))
        site.headend.intervals.stage(connection, [series])
        connection.execute(latest.insert(), {"device": 2, "channel": number, "time": end, "value": 2300})
    async with site.visiting(Role.VIEWER) as client:
        page = (await client.get("/device/2?days=1&channel=1-0:32.7.0.255")).text
    assert "<td>missing, estimated <small>(144)</small>" in page
    assert 'class="line guess"' in page
    assert "estimated</li>" in page


def test_a_line_breaks_where_nothing_is_known_and_leads_apart_to_what_is_guessed():
    path, guess, missing, low, high = line([1.0, 2.0, None, 2.0, 2.0, 2.0], [False] * 4 + [True, False])
    assert path.count("M") == 2
    assert path.count("L") == 1
    assert guess.count("L") == 2
    assert missing.count("M") == 1
    assert low < 1 < 2 < high


async def test_a_valve_that_was_closed_is_told_of_on_the_page_of_its_device(site):
    with site.headend.engine.begin() as connection:
        number = Inventory(connection).get("gas 1").id
        Inventory(connection).group("flat", ["gas 1"])
    async with site.visiting(Role.OPERATOR) as client, site.visiting(Role.HOUSEHOLD) as tenant:
        key = key_in((await client.get(f"/device/{number}/ask/close")).text)
        await client.post(f"/device/{number}/close", data={"key": key})
        await client.post("/device/2/disconnect", data={"key": "b" * 32})
        page = (await client.get(f"/device/{number}")).text
        assert f"/commands/page-{key}" in page
        assert "page-" + "b" * 32 not in page, "that is its meter's"
        # Who has the gas meter only sees what was done to it, and nothing of the meter that it hangs behind.
        answer = await tenant.get(f"/commands/page-{key}")
        assert answer.status_code == 200
        assert "meter 2" not in answer.text
        assert (await tenant.get("/commands/page-" + "b" * 32)).status_code == 404


async def test_keys_show_their_age(site):
    site.now = NOW + 400 * 86_400
    async with site.visiting(Role.VIEWER) as client:
        assert "400 days" in (await client.get("/device/2")).text
