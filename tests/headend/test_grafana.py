"""The dashboard for Grafana: what it shows is exposed, under those names and labels, and it is one Grafana can load."""

from __future__ import annotations

import itertools
import json
import re

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from cosem.headend.access import Role, issue
from cosem.headend.commands import NewCommand
from cosem.headend.home.publisher import Publisher
from cosem.headend.home.settings import HomeSettings
from cosem.headend.intake import Intake
from cosem.headend.web.site import create_site
from support.grafana import DASHBOARD, expressions, label_problems, metrics, panels
from support.site import NOW, Site

PROMETHEUS = {"type": "prometheus", "uid": "${datasource}"}


@pytest.fixture
async def exposed(tmp_path):
    """Return what a head-end with everything exposes: runs, commands, pushes and a broker."""
    site = Site(tmp_path)
    headend = site.headend
    with headend.engine.begin() as connection:
        token = issue(connection, "prometheus", Role.VIEWER, "setup", NOW)
        name = connection.exec_driver_sql("SELECT name FROM device WHERE state = 'in use' LIMIT 1").scalar_one()
    headend.commands.ask(name, [NewCommand("disconnect", {})], "anna")
    options = {"clock": headend.clock, "random": lambda: 0.5}
    publisher = Publisher(headend.engine, HomeSettings("127.0.0.1"), **options)
    app = create_site(headend, intake=Intake(headend.engine, clock=headend.clock), publisher=publisher)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://headend") as client:
        answer = await client.get("/api/metrics", headers={"Authorization": f"Bearer {token}"})
    site.close()
    return answer.text


async def test_every_figure_of_the_dashboard_is_exposed(exposed):
    found = {sample.name for family in text_string_to_metric_families(exposed) for sample in family.samples}
    wanted = {name for expression in expressions() for name in metrics(expression)}
    assert len(wanted) > 25
    assert wanted - found == set()


async def test_every_label_it_asks_for_is_there(exposed):
    assert label_problems(exposed) == []


async def test_the_test_finds_a_figure_that_is_not_there():
    assert metrics('sum by (le) (rate(cosem_gone_total{plan="x"}[5m])) / cosem_alarms') == {
        "cosem_gone_total",
        "cosem_alarms",
    }
    only = "# TYPE cosem_alarms gauge\ncosem_alarms 1.0\n"
    assert label_problems(only, ['sum by (state) (cosem_alarms{instance=~"a", state="open"})']) == [
        "cosem_alarms has no label state"
    ]


def test_it_has_what_grafana_needs():
    assert DASHBOARD["schemaVersion"] >= 36
    assert DASHBOARD["title"]
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,40}", DASHBOARD["uid"])
    assert {"from", "to"} <= set(DASHBOARD["time"])
    assert "id" not in DASHBOARD, "an id is that of one Grafana"
    variables = {item["name"]: item for item in DASHBOARD["templating"]["list"]}
    assert (variables["datasource"]["type"], variables["datasource"]["query"]) == ("datasource", "prometheus")
    for item in variables.values():
        if item["type"] == "query":
            assert item["datasource"] == PROMETHEUS
            assert item["query"]["query"] == item["definition"]


def test_every_panel_says_what_it_shows_and_stands_alone():
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(numbers)) == len(numbers)
    for panel in panels():
        assert panel["type"] in ("stat", "timeseries", "bargauge")
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["datasource"] == PROMETHEUS
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["targets"]
        assert [target["refId"] for target in panel["targets"]] == sorted({t["refId"] for t in panel["targets"]})
        assert all(target["datasource"] == PROMETHEUS for target in panel["targets"])
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in itertools.combinations(places, 2):
        apart = (
            one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        )  # fmt: skip
        assert apart, (one, other)


def test_it_names_no_machine_and_asks_for_one_head_end_or_all():
    text = json.dumps(DASHBOARD)
    assert not re.search(r"https?://|localhost|127\.0", text)
    for expression in expressions():
        for name in metrics(expression):
            assert re.search(rf'{name}\{{instance=~"\$instance"', expression), expression
