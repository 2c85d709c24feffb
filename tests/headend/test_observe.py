"""Health, figures and totals over HTTP; what is logged, and what never is."""

from __future__ import annotations

import io
import json
import logging
from datetime import UTC, datetime

import httpx
import numpy as np
import pytest

from cosem.headend.access import Role, issue
from cosem.headend.api.app import create_app
from cosem.headend.engine import Headend, HeadendSettings
from cosem.headend.happenings import Happened, keep
from cosem.headend.intervals import DAY, Series
from cosem.headend.inventory import Inventory, Kind, NewDevice, State
from cosem.headend.logs import LOG, log_lines, told
from cosem.headend.plans import Plan, Plans
from cosem.headend.reasons import Reason
from cosem.headend.results import store
from cosem.headend.session import Outcome
from cosem.headend.vault import Vault
from cosem.headend.work import Elsewhere

NOW = 20_000 * DAY


@pytest.fixture
def office(tmp_path):
    headend = Headend(
        HeadendSettings(tmp_path), Elsewhere(), clock=lambda: NOW, random=lambda: 0.5, sealer=Vault(bytes(32))
    )
    tokens = {}
    with headend.engine.begin() as connection:
        inventory = Inventory(connection)
        for number in range(1, 4):
            inventory.add(NewDevice(f"meter {number}", Kind.ELECTRICITY, url="tcp://127.0.0.1:9"), NOW)
            inventory.move(f"meter {number}", State.IN_USE, NOW)
        inventory.group("flat", ["meter 2"])
        channel = inventory.channel("1-0:1.8.0.255", "Wh", 1)
        for role in (Role.VIEWER, Role.HOUSEHOLD):
            tokens[role] = issue(connection, role, role, "setup", NOW, group="flat" if role is Role.HOUSEHOLD else None)
        for number in (1, 2):
            times = NOW + np.arange(1, 97) * 900
            headend.intervals.stage(connection, [Series.of(number, channel, times, 100 * number + np.arange(96))])
        plans = Plans(connection)
        run = plans.begin(plans.save(Plan("night", "15 0 * * *")), NOW)
        outcomes = [Outcome(1), Outcome(2), Outcome(3, Reason.SILENT)]
        store(connection, headend.intervals, run, outcomes, {}, NOW)
        keep(connection, [Happened(1, NOW, "fraud", "cover", alarming=True)], NOW)
    yield headend, create_app(headend), tokens
    headend.engine.dispose()


async def ask(office, path: str, role: Role | None = Role.VIEWER, **params) -> httpx.Response:
    _, app, tokens = office
    headers = {} if role is None else {"Authorization": f"Bearer {tokens[role]}"}
    transport = httpx.ASGITransport(app, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://headend", headers=headers) as client:
        return await client.get(path, params=params)


async def test_everybody_may_ask_whether_it_lives_and_learns_nothing_else(office):
    answer = await ask(office, "/api/health", None)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_a_head_end_whose_database_is_gone_is_not_well(office):
    with office[0].engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE segment RENAME TO gone")
    answer = await ask(office, "/api/health", None)
    assert (answer.status_code, answer.json()) == (503, {"status": "failing"})


async def test_figures_say_what_is_there_and_what_came_of_the_last_run(office):
    headend = office[0]
    outcome = Outcome(1, seconds=0.3, series=[Series.of(1, 1, [NOW], [1])])
    headend.listeners[0](1, outcome)
    headend.tell("alarm", {"device": 1})
    headend.tell("something", {"device": 1})
    answer = await ask(office, "/api/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    lines = answer.text.splitlines()
    for expected in (
        'cosem_devices{kind="electricity",state="in use"} 3.0',
        'cosem_alarms{state="open"} 1.0',
        'cosem_run_devices{plan="night",reason="read"} 2.0',
        'cosem_run_devices{plan="night",reason="silent"} 1.0',
        'cosem_devices_ended_total{reason="read"} 1.0',
        "cosem_values_collected_total 1.0",
        'cosem_session_seconds_bucket{le="0.5"} 1.0',
        "cosem_staged_blocks 4.0",
        'cosem_devices_ended_total{reason="unreachable"} 0.0',
        'cosem_notifications{state="waiting"} 0.0',
        "cosem_fraud_alarms_open 1.0",
        "cosem_gaps 0.0",
        'cosem_told_total{kind="alarm"} 1.0',
    ):
        assert expected in lines, expected
    assert any(line.startswith('cosem_read_success_ratio{plan="night"} 0.666') for line in lines)
    assert "meter 1" not in answer.text


@pytest.mark.parametrize("role", [None, Role.HOUSEHOLD])
async def test_figures_are_not_for_everybody(office, role):
    assert (await ask(office, "/api/metrics", role)).status_code in (401, 403)


async def test_totals_are_exact_and_of_those_devices_only_that_may_be_seen(office):
    window = {
        "channel": "1-0:1.8.0.255",
        "from": datetime.fromtimestamp(NOW, UTC).isoformat(),
        "to": datetime.fromtimestamp(NOW + DAY, UTC).isoformat(),
    }
    answer = (await ask(office, "/api/totals", **window)).json()
    (day,) = answer["days"]
    sums = [sum(range(100 * number, 100 * number + 96)) * 10 for number in (1, 2)]
    assert (day["devices"], day["values"], day["sum"], day["growth"]) == (2, 192, str(sum(sums)), "1900")
    own = (await ask(office, "/api/totals", Role.HOUSEHOLD, **window)).json()
    assert [(item["devices"], item["sum"]) for item in own["days"]] == [(1, str(sums[1]))]
    for wrong in ({"channel": "none"}, {"to": "2030-01-01T00:00:00"}, {"to": "9999-01-01T00:00:00Z"}):
        assert (await ask(office, "/api/totals", **{**window, **wrong})).status_code in (400, 404, 422)


def test_a_log_line_is_one_object_with_what_may_be_said():
    stream = io.StringIO()
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        log_lines(stream, logging.DEBUG)
        told("read", {"run": 1, "device": 2, "reason": None, "password": "secret"})
        told("command", {"id": "x.0", "device": 2, "kind": "write", "state": "done", "parameters": "secret"})
        told("something", {"password": "secret"})
        try:
            raise ValueError("with a\nline end")
        except ValueError:
            LOG.exception("it failed")
    finally:
        root.handlers[:], _ = before[0], root.setLevel(before[1])
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["what"] for line in lines] == ["read", "command", "it failed"]
    assert lines[0]["level"] == "debug"
    assert lines[1]["state"] == "done"
    assert "ValueError" in lines[2]["error"]
    assert "secret" not in stream.getvalue()
