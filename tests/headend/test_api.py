"""The API: who may do what, cursors, exports, idempotency, and what is refused."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from contextlib import asynccontextmanager
from xml.etree import ElementTree as ET

import httpx
import numpy as np
import pyarrow.parquet as pq
import pytest
from sqlalchemy import insert

from cosem.headend.access import ALLOWED, Act, Role, issue, person
from cosem.headend.api import happenings
from cosem.headend.api.app import create_app
from cosem.headend.api.guard import MAX_BODY
from cosem.headend.api.happenings import live
from cosem.headend.engine import Headend, HeadendSettings
from cosem.headend.happenings import Happened, keep
from cosem.headend.intervals import MISSING, Series
from cosem.headend.inventory import Inventory, Kind, NewDevice
from cosem.headend.schema import latest
from cosem.headend.vault import Vault

NOW = 1_793_500_000


class NoQueue:
    """Durable work that is never carried out: the API only asks for it."""

    def __init__(self) -> None:
        self.submitted: list[str] = []

    def handle(self, kind, handler) -> None:
        pass

    async def submit(self, kind, identity, content, **options) -> None:
        self.submitted.append(identity)


class Office:
    def __init__(self, folder) -> None:
        self.queue = NoQueue()
        settings = HeadendSettings(folder, two_persons=frozenset({"disconnect"}))
        self.headend = Headend(settings, self.queue, clock=lambda: NOW, random=lambda: 0.5, sealer=Vault(bytes(32)))
        self.app = create_app(self.headend)
        self.tokens: dict[str, str] = {}
        with self.headend.engine.begin() as connection:
            inventory = Inventory(connection)
            for number in range(1, 8):
                inventory.add(NewDevice(f"meter {number}", Kind.ELECTRICITY), NOW)
            inventory.group("flat", ["meter 2"])
            for role in Role:
                group = "flat" if role is Role.HOUSEHOLD else None
                self.tokens[role] = issue(connection, role, role, "setup", NOW, group=group)
            channel = inventory.channel("1-0:1.8.0.255", "Wh", 0)
            times = NOW // 900 * 900 + np.arange(4) * 900
            self.first = int(times[0])
            values = [100, 200, MISSING, 400]
            series = Series.of(
                2, channel, times, values, np.array([0, 0, 0x90, 0]), np.array([MISSING] * 2 + [300, MISSING])
            )
            self.headend.intervals.stage(connection, [series])
            connection.execute(insert(latest), {"device": 2, "channel": channel, "time": int(times[-1]), "value": 400})

    @asynccontextmanager
    async def asking(self, role: Role | None = Role.ADMINISTRATOR, **headers):
        if role is not None:
            headers["Authorization"] = f"Bearer {self.tokens[role]}"
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://headend", headers=headers) as client:
            yield client


@pytest.fixture
def office(tmp_path):
    office = Office(tmp_path)
    yield office
    office.headend.engine.dispose()


async def test_lists_go_on_behind_a_cursor(office):
    async with office.asking(Role.VIEWER) as client:
        seen, after = [], 0
        while after is not None:
            page = (await client.get("/api/devices", params={"limit": 3, "after": after})).json()
            seen += [item["name"] for item in page["devices"]]
            after = page["next"]
    assert seen == [f"meter {number}" for number in range(1, 8)]


@pytest.mark.parametrize("role", list(Role))
async def test_each_role_may_do_what_it_may_and_nothing_else(office, role):
    asked = {
        Act.SEE: ("GET", "/api/devices", None),
        Act.INVENTORY: ("POST", "/api/devices", {"name": f"new {role}", "kind": "gas"}),
        Act.COMMAND: ("POST", "/api/commands", {"device": "meter 2", "commands": [{"kind": "clock"}]}),
        Act.CONFIRM: ("POST", "/api/commands/none/confirmation", None),
        Act.ACKNOWLEDGE: ("POST", "/api/alarms/acknowledgement", {"alarms": [1]}),
        Act.PLAN: ("PUT", "/api/plans", {"name": "night", "schedule": "0 0 * * *"}),
        Act.ACCESS: ("GET", "/api/audit", None),
    }
    async with office.asking(role) as client:
        for act, (method, path, body) in asked.items():
            answer = await client.request(method, path, json=body)
            assert (answer.status_code == 403) == (act not in ALLOWED[role]), (act, answer.text)
            assert answer.status_code in (200, 201, 202, 400, 403, 404)


async def test_without_a_valid_token_nothing_is_told(office):
    async with office.asking(None) as client:
        for headers in ({}, {"Authorization": "Bearer cosem_wrong"}, {"Authorization": "Basic YTpi"}):
            answer = await client.get("/api/devices", headers=headers)
            assert answer.status_code == 401
            assert "meter" not in answer.text
    async with office.asking() as client:
        await client.delete("/api/tokens/viewer")
    async with office.asking(Role.VIEWER) as client:
        assert (await client.get("/api/devices")).status_code == 401


async def test_a_household_sees_its_own_meter_only(office):
    with office.headend.engine.begin() as connection:
        for number in (1, 2):
            keep(connection, [Happened(number, NOW, "fraud", "cover", alarming=True)], NOW)
    async with office.asking(Role.HOUSEHOLD) as client:
        assert [item["name"] for item in (await client.get("/api/devices")).json()["devices"]] == ["meter 2"]
        assert (await client.get("/api/devices/meter 2/latest")).status_code == 200
        assert (await client.get("/api/devices/meter 1")).status_code == 404
        assert (await client.get("/api/devices/meter 1/events")).status_code == 404
        assert [item["device"] for item in (await client.get("/api/alarms")).json()["alarms"]] == ["meter 2"]


def window(office) -> dict[str, str]:
    return {
        "channel": "1-0:1.8.0.255",
        "from": f"{np.datetime64(office.first, 's')}Z",
        "to": f"{np.datetime64(office.first + 3600, 's')}Z",
    }


async def test_values_come_exactly_in_every_form(office):
    async with office.asking(Role.VIEWER) as client:
        ask = lambda form: client.get("/api/devices/meter 2/values", params={**window(office), "format": form})  # noqa: E731
        found = (await ask("json")).json()
        assert found["unit"] == "Wh"
        assert [item["value"] for item in found["values"]] == ["100", "200", None, "400"]
        assert found["values"][2]["estimate"] == "300"
        rows = list(csv.DictReader(io.StringIO((await ask("csv")).text)))
        assert [row["value"] for row in rows] == ["100", "200", "", "400"]
        lines = [json.loads(line) for line in (await ask("jsonl")).text.splitlines()]
        assert [line["value"] for line in lines] == ["100", "200", None, "400"]
        table = pq.read_table(io.BytesIO((await ask("parquet")).content))
        assert table["value"].to_pylist() == [100, 200, None, 400]
        root = ET.fromstring((await ask("cim")).text)
        space = {"m": "http://iec.ch/TC57/2011/MeterReadings#"}
        assert [item.text for item in root.findall(".//m:IntervalReadings/m:value", space)] == [
            "100",
            "200",
            "300",
            "400",
        ]
        qualities = [item.get("ref") for item in root.findall(".//m:ReadingQualityType", space)]
        assert qualities == ["1.0.0", "1.0.0", "2.8.0", "1.0.0"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"from": "2026-11-01T00:00:00"},
        {"from": "2027-11-01T00:00:00Z"},
        {"to": "2030-11-01T00:00:00Z"},
        {"channel": "1-0:99.9.9.255"},
        {"format": "xlsx"},
        {"from": "yesterday"},
    ],
)
async def test_values_that_cannot_be_asked_for_are_refused(office, wrong):
    async with office.asking(Role.VIEWER) as client:
        answer = await client.get("/api/devices/meter 2/values", params={**window(office), **wrong})
        assert answer.status_code in (400, 404, 422)


async def test_under_one_key_a_command_is_asked_for_once(office):
    body = {"device": "meter 2", "commands": [{"kind": "message", "parameters": {"text": "hello"}}]}
    async with office.asking(Role.OPERATOR) as client:
        first = await client.post("/api/commands", json=body, headers={"Idempotency-Key": "k1"})
        again = await client.post("/api/commands", json=body, headers={"Idempotency-Key": "k1"})
        assert first.status_code == again.status_code == 202
        assert first.json() == again.json()
        body["commands"][0]["parameters"]["text"] = "other"
        other = await client.post("/api/commands", json=body, headers={"Idempotency-Key": "k1"})
        assert other.status_code == 409
    assert len(office.queue.submitted) == 1


async def test_two_persons_and_the_audit_log(office):
    body = {"device": "meter 2", "commands": [{"kind": "disconnect"}]}
    async with office.asking(Role.OPERATOR) as client:
        bundle = (await client.post("/api/commands", json=body)).json()["id"]
        assert (await client.post(f"/api/commands/{bundle}/confirmation")).status_code == 403
    assert office.queue.submitted == []
    async with office.asking(Role.SECOND_PERSON) as client:
        assert (await client.post(f"/api/commands/{bundle}/confirmation")).json()["commands"][0]["state"] == "waiting"
    assert office.queue.submitted == [f"bundle {bundle}"]
    async with office.asking() as client:
        log = (await client.get("/api/audit", params={"limit": 2})).json()
    assert [(item["who"], item["what"]) for item in log] == [
        ("second person", "confirm"), ("operator", "ask for disconnect"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}],
)
async def test_requests_of_other_sites_are_refused(office, headers):
    async with office.asking(**headers) as client:
        answer = await client.post("/api/devices", json={"name": "x", "kind": "gas"})
        assert answer.status_code == 403
    async with office.asking(Origin="http://headend") as client:
        assert (await client.post("/api/devices", json={"name": "x", "kind": "gas"})).status_code == 201


async def test_bodies_too_large_or_of_no_sense_are_refused(office):
    async with office.asking() as client:
        large = await client.post("/api/devices", content=b"x" * (MAX_BODY + 1))
        assert large.status_code == 413
        for body in (b"{", b"[]", b'{"name": "a", "kind": "gas", "more": 1}', b'{"name": "", "kind": "gas"}', b"\xff"):
            answer = await client.post("/api/devices", content=body, headers={"Content-Type": "application/json"})
            assert answer.status_code in (400, 422)
        for name in ("..%2f..%2fetc", "no such"):
            assert (await client.get(f"/api/devices/{name}")).status_code == 404
        answer = await client.get("/api/devices", params={"text": "'; DROP TABLE device; --"})
        assert answer.json()["devices"] == []


async def test_a_device_with_a_hostile_name_is_kept_and_shown_as_it_is(office):
    name = "<script>alert(1)</script> \u202emoc"
    async with office.asking() as client:
        answer = await client.post("/api/devices", json={"name": name.replace("\u202e", ""), "kind": "gas"})
        assert answer.status_code == 201
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert (await client.post("/api/devices", json={"name": name, "kind": "gas"})).status_code == 400


async def test_what_happens_is_told_to_who_follows(office):
    before = list(office.headend.live)
    stream = (await follow(office, Role.VIEWER)).body_iterator
    assert await anext(stream) == "retry: 2000\n\n"
    office.headend.tell("alarm", {"device": 2, "kind": "cover"})
    told = await asyncio.wait_for(anext(stream), 5)
    assert told == 'event: alarm\ndata: {"device": 2, "kind": "cover"}\n\n'
    await stream.aclose()
    assert office.headend.live == before


async def test_an_end_that_is_asked_for_just_when_something_happens_is_an_end(office):
    before = list(office.headend.live)
    stream = (await follow(office, Role.VIEWER)).body_iterator

    async def following():
        async for _ in stream:
            pass

    task = asyncio.create_task(following())
    await asyncio.sleep(0.05)
    # Both in one turn of the loop: the event is there, and so is the end.
    office.headend.tell("alarm", {"device": 2, "kind": "cover"})
    task.cancel()
    _, left = await asyncio.wait({task}, timeout=5)
    assert not left
    await stream.aclose()
    assert office.headend.live == before


async def follow(office, role: Role):
    """Begin to follow what happens."""

    class Request:
        app = office.app
        headers = {"authorization": f"Bearer {office.tokens[role]}"}

        async def is_disconnected(self):
            return False

    with office.headend.engine.connect() as connection:
        who = person(connection, office.tokens[role], NOW)
    return await live(office.headend, who, Request())


async def test_a_household_is_told_of_its_devices_and_of_nothing_else(office):
    stream = (await follow(office, Role.HOUSEHOLD)).body_iterator
    await anext(stream)
    office.headend.tell("read", {"run": 9, "device": 1, "reason": None})
    office.headend.tell("campaign", {"campaign": "off", "state": "running"})
    office.headend.tell("campaign", {"campaign": "off", "device": 2, "state": "done"})
    office.headend.tell("read", {"run": 9, "device": 2, "reason": None})
    assert await asyncio.wait_for(anext(stream), 5) == 'event: read\ndata: {"device": 2, "reason": null}\n\n'
    await stream.aclose()


async def test_who_follows_is_told_no_more_when_the_token_is_revoked(office, monkeypatch):
    monkeypatch.setattr(happenings, "BEAT", 0.02)
    stream = (await follow(office, Role.VIEWER)).body_iterator
    await anext(stream)
    async with office.asking() as client:
        await client.delete("/api/tokens/viewer")
    office.headend.tell("alarm", {"device": 2, "kind": "cover"})
    await asyncio.sleep(0.03)
    assert [text async for text in stream] == []


async def test_more_than_so_many_do_not_follow_at_once(office, monkeypatch):
    monkeypatch.setattr(happenings, "MAX_FOLLOWERS", 1)
    stream = (await follow(office, Role.VIEWER)).body_iterator
    await anext(stream)
    async with office.asking() as client:
        answer = await client.get("/api/live")
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "10"
        assert "detail" in answer.json()
    await stream.aclose()
    await (await follow(office, Role.VIEWER)).body_iterator.aclose()


async def test_the_api_describes_itself(office):
    async with office.asking(None) as client:
        document = (await client.get("/api/openapi.json")).json()
    assert "/api/devices/{name}/values" in document["paths"]
    assert document["paths"]["/api/commands"]["post"]["security"] == [{"HTTPBearer": []}]
