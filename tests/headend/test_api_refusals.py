"""What the API does not take: bodies, paths and requests that are wrong or too much; and keys that come twice."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import threading
import time
from contextlib import asynccontextmanager

import httpx
import pytest
import uvicorn
from sqlalchemy import func, select, update

from cosem.headend.access import Role, issue
from cosem.headend.api.app import UNANSWERED, create_app
from cosem.headend.api.bodies import MAX_DEPTH, Refused, read_json
from cosem.headend.api.guard import MAX_BODY
from cosem.headend.inventory import Inventory, Kind
from cosem.headend.plans import Plan, Plans
from cosem.headend.schema import audit, command, idempotency, plan_run
from support.site import NOW, Site

SECRET = "5ec4e7" * 4
CLOCK = b'{"device": "meter 2", "commands": [{"kind": "clock"}], "not_after": %s}'
CAMPAIGN = b'{"name": "a", "kind": "commands", "content": %s}'
INVOKE = {"kind": "invoke", "parameters": {"method": [70, "0-0:96.3.10.255", 1]}}
JSON = {"Content-Type": "application/json"}
REFUSALS = {400, 401, 403, 404, 409, 413, 422, 429}


class Desk(Site):
    """The pages and the API as they are served, with tokens."""

    def __init__(self, folder) -> None:
        super().__init__(folder)
        self.api = create_app(self.headend)
        with self.headend.engine.begin() as connection:
            self.token = issue(connection, "boss", Role.ADMINISTRATOR, "setup", NOW)

    @asynccontextmanager
    async def asking(self, **headers):
        headers["Authorization"] = f"Bearer {self.token}"
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://headend", headers=headers) as client:
            yield client

    def operations(self) -> list[tuple[str, str]]:
        """Return method and path of everything that can be asked."""
        paths = self.api.openapi()["paths"]
        return [(method.upper(), path) for path, operations in paths.items() for method in operations]


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    desk = Desk(tmp_path_factory.mktemp("desk"))
    yield desk
    desk.close()


@pytest.fixture
def fresh(tmp_path):
    desk = Desk(tmp_path)
    yield desk
    desk.close()


@pytest.fixture(scope="module")
def port(desk):
    """Serve it on a port: what a client of ours would tidy up arrives as it is sent."""
    server = uvicorn.Server(uvicorn.Config(desk.app, "127.0.0.1", 0, log_level="critical", ws="none"))
    server.install_signal_handlers = lambda: None
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 20
    while not server.started and time.monotonic() < until:
        time.sleep(0.02)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(10)


def raw(port: int, method: str, path: str, **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest(method, path, skip_host=False, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    answer.text = answer.read().decode()
    connection.close()
    return answer


def problem(answer: httpx.Response) -> str:
    """Return why something was refused, which is one sentence in JSON."""
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    document = answer.json()
    assert list(document) == ["detail"]
    assert isinstance(document["detail"], str)
    return document["detail"]


# --- bodies -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/devices", b"{", 400),
        ("/api/devices", b"\xff", 400),
        ("/api/devices", b'{"name": "a", "kind": "gas"}'.decode().encode("utf-16"), 400),
        ("/api/devices", b'{"name": "\\ud800", "kind": "gas"}', 400),
        ("/api/devices", b'{"\\udfff": 1}', 400),
        ("/api/devices", b'{"name": "a", "kind": "gas", "channel": NaN}', 400),
        ("/api/devices", b'{"name": "a", "kind": "gas", "channel": 1e999}', 400),
        ("/api/devices", b'{"name": "a", "kind": "gas", "channel": 1' + b"0" * 5000 + b"}", 400),
        ("/api/campaigns", CAMPAIGN % b'{"x": -Infinity}', 400),
        ("/api/campaigns", CAMPAIGN % (b'{"x":' * 90 + b"1" + b"}" * 90), 400),
        ("/api/campaigns", b"[" * 100_000 + b"]" * 100_000, 400),
        ("/api/devices", b"", 422),
        ("/api/devices", b"null", 422),
        ("/api/devices", b"[]", 422),
        ("/api/devices", b'{"name": "a", "kind": "gas", "channel": "5"}', 422),
        ("/api/devices", b'{"name": "a", "kind": "gas", "channel": true}', 422),
        ("/api/devices", b'{"name": "a", "kind": "gas", "channel": 256}', 422),
        ("/api/alarms/acknowledgement", b'{"alarms": [9007199254740993]}', 422),
        ("/api/alarms/acknowledgement", b'{"alarms": [-1]}', 422),
        ("/api/tokens", b'{"name": "a", "role": "king"}', 422),
        ("/api/tokens", b'{"name": "a", "role": "viewer", "days": 1.5}', 422),
        ("/api/commands", CLOCK % b"1793500000", 422),
        ("/api/commands", CLOCK % b'"2027-01-01T00:00:00"', 422),
        ("/api/commands", CLOCK % b'"9999-12-31T23:59:59Z"', 400),
        ("/api/devices", b'{"name": "a\\u0000b", "kind": "gas"}', 400),
    ],
)  # fmt: skip
async def test_bodies_of_no_sense_are_refused_in_a_sentence(desk, path, body, status):
    async with desk.asking() as client:
        answer = await client.post(path, content=body, headers=JSON)
    assert answer.status_code == status, answer.text
    assert 10 < len(problem(answer)) < 600


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "image/png"]
)
async def test_bodies_of_another_type_are_refused(desk, kind):
    body = b'{"name": "typed", "kind": "gas"}'
    async with desk.asking() as client:
        answer = await client.post("/api/devices", content=body, headers={"Content-Type": kind})
        assert answer.status_code == 422
        problem(answer)
        assert (await client.post("/api/devices", content=body)).status_code == 422
        assert (await client.get("/api/devices/typed")).status_code == 404


async def test_what_is_wrong_is_said_without_what_came(desk):
    """A key or a secret with a typing error in it must not come back, be logged and be found there."""
    async with desk.asking() as client:
        body = {"urls": [], "system_title": "0" * 16, "broadcast_key": SECRET, "authentication_key": SECRET}
        answer = await client.put("/api/segments/elsewhere/broadcast", json=body)
        assert answer.status_code == 422
        assert "body.broadcast_key" in problem(answer)
        assert SECRET not in answer.text
        body = {"name": "n", "sender": "webhook", "target": {"url": "http://x/"}, "secrets": {"secret": [SECRET]}}
        answer = await client.put("/api/notifications", json=body)
        assert answer.status_code == 422
        assert SECRET not in problem(answer)


def test_a_body_may_be_nested_so_deep_and_no_deeper():
    assert read_json(b"[" * (MAX_DEPTH - 1) + b"1" + b"]" * (MAX_DEPTH - 1))
    with pytest.raises(Refused, match="deep"):
        read_json(b"[" * MAX_DEPTH + b"1" + b"]" * MAX_DEPTH)
    assert read_json(b"[18446744073709551615, -9223372036854775808, 1e308]") == [2**64 - 1, -(2**63), 1e308]
    assert read_json('["\\ud83d\\ude00", "ü"]'.encode()) == ["\U0001f600", "ü"]


async def test_a_whole_number_may_be_written_as_json_lets_it(fresh):
    async with fresh.asking() as client:
        answer = await client.post(
            "/api/devices", content=b'{"name": "a", "kind": "gas", "channel": 5.0}', headers=JSON
        )
        assert answer.json()["channel"] == 5


async def test_more_than_fits_is_refused_with_and_without_a_length(desk):
    async def pieces():
        for _ in range(40):
            yield b" " * (MAX_BODY // 32)

    async with desk.asking() as client:
        for content in (b" " * (MAX_BODY + 1), pieces()):
            answer = await client.post("/api/devices", content=content, headers=JSON)
            assert answer.status_code == 413
            assert str(MAX_BODY) in problem(answer)
        answer = await client.post("/api/plans/night/runs", content=pieces(), headers={"Idempotency-Key": "large"})
        assert answer.status_code == 413
        for length in ("-1", "x", "9" * 30):
            answer = await client.post("/api/devices", headers={"Content-Length": length})
            assert answer.status_code == 413


# --- paths and other sites --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/api/devices/..", "/api/../api/devices/x", "/api/%2e%2e/devices", "/api/devices/%2e%2e%2fetc%2fpasswd",
        "/api/devices/%00", "/api/devices/meter%202%00", "/api/devices/%0a", "/api/devices/%ff%fe", "/api//devices",
        "/api/devices/meter%202%0a", "/api/devices/;x=1", "/api/devices/%252e%252e", "/api/" + "a/" * 500,
        "/api/devices/" + "a" * 201, "/api/devices/" + "%F0%9F%98%80" * 201,
        "/api/firmware/" + "a" * 65 + "/withdrawal",
        "/api/openapi.json/..", "/api/", "/api/nothing", "/api/commands/" + "%27%20OR%201=1--",
    ],
)  # fmt: skip
def test_paths_lead_nowhere_else(port, desk, path):
    for method in ("GET", "POST", "PUT", "DELETE"):
        answer = raw(port, method, path, Authorization=f"Bearer {desk.token}", **{"Content-Length": "0"})
        assert answer.status in (404, 405, 422), (method, answer.status, answer.text)
        assert answer.headers["content-type"] == "application/json", answer.text
        assert "passwd" not in answer.text or "there is no device" in answer.text


@pytest.mark.parametrize(
    "path", ["/%2e%2e/headend.toml", "/static/..%2f..%2fheadend.key", "/..", "/%00", "/api", "//api/devices"]
)
def test_paths_beside_the_api_are_pages_that_are_not_there(port, path):
    answer = raw(port, "GET", path)
    assert answer.status in (303, 404)
    assert "client_title" not in answer.text


def test_an_address_that_is_longer_than_any_is_refused(port, desk):
    answer = raw(port, "GET", "/api/devices?text=" + "a" * 201, Authorization=f"Bearer {desk.token}")
    assert answer.status == 422
    assert raw(port, "GET", "/api/devices/" + "a" * 200_000).status in (400, 414, 422, 431)


async def test_every_request_that_changes_something_is_refused_to_other_sites(desk):
    with desk.headend.engine.connect() as connection:
        before = connection.execute(select(func.count()).select_from(audit)).scalar_one()
    async with desk.asking() as client:
        asked = 0
        for method, path in desk.operations():
            if method == "GET":
                continue
            for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
                            {"Sec-Fetch-Site": "same-site"}):  # fmt: skip
                answer = await client.request(method, path, headers=headers)
                assert answer.status_code == 403, (method, path)
                assert "other sites" in problem(answer)
                asked += 1
    assert asked > 80
    with desk.headend.engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(audit)).scalar_one() == before


async def test_a_method_that_a_path_has_not_says_which_it_has(desk):
    by_path: dict[str, set[str]] = {}
    for method, path in desk.operations():
        by_path.setdefault(path, set()).add(method)
    async with desk.asking() as client:
        for path, methods in by_path.items():
            for method in {"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"} - methods:
                answer = await client.request(method, path)
                assert answer.status_code == 405, (method, path)
                assert set(answer.headers["allow"].split(", ")) == methods, path
                problem(answer)


async def test_what_nobody_foresaw_is_told_to_nobody(desk, monkeypatch):
    def broken(*arguments, **options):
        raise RuntimeError(f"a fault that knows {SECRET}")

    monkeypatch.setattr(Inventory, "page", broken)
    async with desk.asking() as client:
        answer = await client.get("/api/devices")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"detail": "something went wrong here"}


def test_refusals_are_declared_where_they_can_come(desk):
    document = desk.api.openapi()
    seen = set()
    for method, path in desk.operations():
        operation = document["paths"][path][method.lower()]
        statuses = {int(status) for status in operation["responses"]}
        seen |= statuses & REFUSALS
        assert statuses - REFUSALS <= ({200, 503} if path == "/api/health" else {200, 201, 202})
        assert ({401, 403} <= statuses) == ("security" in operation) == ("x-roles" in operation)
        named = {item["name"] for item in operation.get("parameters", ())}
        assert (409 in statuses) == ("Idempotency-Key" in named)
        for status in statuses & REFUSALS:
            content = operation["responses"][str(status)]["content"]
            assert content == {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    assert seen == REFUSALS


# --- keys of requests -------------------------------------------------------------------------------------------------


def run_numbers(desk) -> list[int]:
    with desk.headend.engine.connect() as connection:
        return list(connection.execute(select(plan_run.c.id).where(plan_run.c.start >= NOW)).scalars())


async def test_two_requests_under_one_key_at_once_begin_one_run(fresh):
    """Each second would begin a run of its own: the clock goes on meanwhile."""
    moments = iter(range(NOW, NOW + 1000))
    fresh.headend.clock = lambda: next(moments)
    async with fresh.asking() as client:
        asked = [client.post("/api/plans/night/runs", headers={"Idempotency-Key": "k"}) for _ in range(5)]
        answers = await asyncio.gather(*asked)
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.text for answer in answers}) == 1
        assert len(run_numbers(fresh)) == 1
        await client.post("/api/plans/night/runs", headers={"Idempotency-Key": "another"})
        assert len(run_numbers(fresh)) == 2


@pytest.mark.parametrize("path", ["/api/plans/night/runs", "/api/commands", "/api/campaigns"])
async def test_what_was_done_before_a_crash_took_the_answer_is_not_done_again(fresh, path):
    """The key is on the disk before anything is done, and the answer behind it: in between is a crash."""
    body = {
        "/api/plans/night/runs": None,
        "/api/commands": {"device": "meter 2", "commands": [INVOKE]},
        "/api/campaigns": {"name": "c", "kind": "commands", "content": {"commands": [{"kind": "clock"}]}},
    }[path]  # fmt: skip
    async with fresh.asking(**{"Idempotency-Key": "k"}) as client:
        first = await client.post(path, json=body)
        assert first.status_code == 202, first.text
        with fresh.headend.engine.begin() as connection:
            connection.execute(update(idempotency).values(status=UNANSWERED, body=""))
        fresh.now += 60
        again = await client.post(path, json=body)
    if path == "/api/campaigns":
        assert again.status_code == 400, "a campaign's name is there once"
    else:
        assert (again.status_code, again.json()) == (202, first.json())
    with fresh.headend.engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(command)).scalar_one() == (path == "/api/commands")
    assert len(run_numbers(fresh)) == (path == "/api/plans/night/runs")


async def test_what_was_refused_may_be_asked_for_again_under_its_key(fresh):
    async with fresh.asking(**{"Idempotency-Key": "k"}) as client:
        assert (await client.post("/api/plans/noon/runs")).status_code == 404
        with fresh.headend.engine.begin() as connection:
            Plans(connection).save(Plan("noon", "0 12 * * *"))
        assert (await client.post("/api/plans/noon/runs")).status_code == 202
        other = await client.post("/api/plans/night/runs")
        assert other.status_code == 409, "the same key for another path"
        assert "Idempotency-Key" in problem(other)


async def test_one_key_of_two_people_is_two_keys(fresh):
    with fresh.headend.engine.begin() as connection:
        other = issue(connection, "other", Role.OPERATOR, "setup", NOW)
    body = {"device": "meter 2", "commands": [{"kind": "clock"}]}
    async with fresh.asking(**{"Idempotency-Key": "k"}) as client:
        first = await client.post("/api/commands", json=body)
        second = await client.post("/api/commands", json=body, headers={"Authorization": f"Bearer {other}"})
    assert first.json()["id"] != second.json()["id"]


# --- the description --------------------------------------------------------------------------------------------------


async def test_the_description_is_a_page_that_needs_nobody_else(desk):
    transport = httpx.ASGITransport(desk.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://headend") as client:
        answer = await client.get("/api/docs")
        assert answer.status_code == 200
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert {link for link in re.findall(r'(?:src|href|action)="(..)', answer.text) if link[0] not in "/#"} == set()
        assert re.findall(r'(?:src|href|action)="//', answer.text) == []
        for method, path in desk.operations():
            assert f'<span class="verb">{method}</span> <code>{path}</code>' in answer.text
        ids = set(re.findall(r' id="([^"]+)"', answer.text))
        assert set(re.findall(r'href="#([^"]+)"', answer.text)) <= ids
        assert json.loads((await client.get("/api/openapi.json")).text) == desk.api.openapi()
    assert all(kind.value in answer.text for kind in Kind)
