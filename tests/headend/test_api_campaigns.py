"""Campaigns, firmware, keys and notifications over the API: who may, what is refused, what is never shown."""

from __future__ import annotations

import hashlib
from contextlib import asynccontextmanager

import httpx
import pytest

from cosem.headend.access import Role, issue
from cosem.headend.api.app import create_app
from cosem.headend.api.guard import MAX_BODY, UPLOADS
from support.offices import NOW, Office

IMAGE = b"an image of some size" * 100_000
DIGEST = hashlib.sha256(IMAGE).hexdigest()
SECRET = "5ec4e7" * 4
URL = "tcp://127.0.0.1:9?client=1&auth=high-gmac&security=both&timeout=0.1"
BUNDLE = {"commands": [{"kind": "message", "parameters": {"text": "x"}}]}


class Desk(Office):
    def __init__(self, folder) -> None:
        super().__init__(folder, [URL] * 3, two_persons=frozenset({"disconnect"}))
        self.headend.queue.submit = self.submit
        self.submitted: list[str] = []
        self.app = create_app(self.headend)
        self.tokens = {}
        from cosem.headend.inventory import Inventory

        with self.headend.engine.begin() as connection:
            Inventory(connection).group("flat", ["meter 2"])
            for role in Role:
                group = "flat" if role is Role.HOUSEHOLD else None
                self.tokens[role] = issue(connection, role, role, "setup", int(NOW), group=group)

    async def submit(self, kind, identity, content, **options) -> None:
        self.submitted.append(identity)

    @asynccontextmanager
    async def asking(self, role: Role = Role.ADMINISTRATOR):
        transport = httpx.ASGITransport(self.app)
        headers = {"Authorization": f"Bearer {self.tokens[role]}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://headend", headers=headers) as client:
            yield client


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path)
    yield desk
    desk.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Of what only asks and is refused nothing is left behind."""
    desk = Desk(tmp_path_factory.mktemp("shared"))
    yield desk
    desk.close()


async def upload(client, octets: bytes = IMAGE, digest: str = DIGEST, identifier: str = "FW 2", **more):
    query = {"version": "2.0", "sha256": digest, **more}
    return await client.put(f"/api/firmware/{identifier}", params=query, content=octets)


async def test_an_image_larger_than_other_requests_is_uploaded_and_checked(desk):
    assert len(IMAGE) > MAX_BODY
    async with desk.asking() as client:
        answer = await upload(client, types=["model a", "model b"])
        assert answer.status_code == 201, answer.text
        assert answer.json()["octets"] == len(IMAGE)
        assert answer.json()["types"] == ["model a", "model b"]
        assert (desk.headend.firmware.folder / DIGEST).read_bytes() == IMAGE
        assert (await upload(client, IMAGE[:-1], identifier="FW 3")).status_code == 400
        assert (await upload(client, b"", identifier="FW 3")).status_code == 400
        assert (await upload(client)).status_code == 400, "an identifier is one image"
        assert (await upload(client, digest="../../etc/passwd", identifier="FW 3")).status_code == 422
        for name in ("..%2fx", "a" * 65):
            assert (await upload(client, identifier=name)).status_code in (404, 422)
        assert [item["identifier"] for item in (await client.get("/api/firmware")).json()] == ["FW 2"]
        assert len(list(desk.headend.firmware.folder.iterdir())) == 1
        too_much = {"Content-Length": str(65 << 20)}
        answer = await client.put("/api/firmware/x", params={"version": "1", "sha256": DIGEST}, headers=too_much)
        assert answer.status_code == 413
        assert (await client.post("/api/firmware/FW 2/withdrawal")).json()["withdrawn"] is not None
        assert (await client.get("/api/devices/meter 1/firmware")).json() == []


async def test_an_upload_without_a_length_ends_at_the_limit(desk, monkeypatch):
    monkeypatch.setitem(UPLOADS, ("PUT", "/api/firmware/"), 1000)

    async def pieces():
        for _ in range(50):
            yield b"x" * 100

    async with desk.asking() as client:
        answer = await upload(client, pieces())
        assert answer.status_code == 413, answer.text
        assert "1000 octets" in answer.json()["detail"]
    assert list(desk.headend.firmware.folder.iterdir()) == []


async def test_a_campaign_is_begun_once_paused_resumed_and_aborted(desk):
    body = {"name": "hello", "kind": "commands", "content": BUNDLE, "stages": [1, 0.5, 1.0]}
    async with desk.asking(Role.OPERATOR) as client:
        first = await client.post("/api/campaigns", json=body, headers={"Idempotency-Key": "k"})
        again = await client.post("/api/campaigns", json=body, headers={"Idempotency-Key": "k"})
        assert first.status_code == 202, first.text
        assert again.json() == first.json()
        assert first.json()["stages"] == [1, 0.5, 1.0]
        assert [sum(part.values()) for part in first.json()["account"]] == [1, 1, 1]
        assert len(desk.submitted) == 1
        assert (await client.post("/api/campaigns", json=body)).status_code == 400
        states = []
        for what in ("pause", "resumption"):
            states.append((await client.post(f"/api/campaigns/hello/{what}")).json()["state"])
        assert (await client.post("/api/campaigns/hello/resumption")).status_code == 400
        states.append((await client.post("/api/campaigns/hello/abort")).json()["state"])
        assert states == ["paused", "running", "aborted"]
        devices = (await client.get("/api/campaigns/hello/devices", params={"limit": 2})).json()
        assert [item["state"] for item in devices] == ["cancelled", "cancelled"]
        rest = await client.get("/api/campaigns/hello/devices", params={"after": devices[-1]["device"]})
        assert len(rest.json()) == 1
        assert (await client.get("/api/campaigns/none")).status_code == 404
        assert [item["name"] for item in (await client.get("/api/campaigns")).json()] == ["hello"]


async def test_two_persons_begin_a_grave_campaign(desk):
    body = {"name": "off", "kind": "commands", "content": {"commands": [{"kind": "disconnect"}]}}
    async with desk.asking(Role.OPERATOR) as client:
        assert (await client.post("/api/campaigns", json=body)).json()["state"] == "unconfirmed"
        assert (await client.post("/api/campaigns/off/confirmation")).status_code == 403
    assert desk.submitted == []
    async with desk.asking(Role.SECOND_PERSON) as client:
        assert (await client.post("/api/campaigns/off/confirmation")).json()["state"] == "running"
    assert len(desk.submitted) == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "may"),
    [
        ("POST", "/api/campaigns", {"name": "c", "kind": "commands", "content": BUNDLE},
         {Role.OPERATOR, Role.ADMINISTRATOR}),
        ("POST", "/api/campaigns", {"name": "k", "kind": "keys"}, {Role.ADMINISTRATOR}),
        ("POST", "/api/devices/meter 2/keys", {}, {Role.ADMINISTRATOR}),
        ("GET", "/api/key-changes", None, {Role.ADMINISTRATOR}),
        ("POST", "/api/key-changes/x/recovery", None, {Role.ADMINISTRATOR}),
        ("PUT", "/api/firmware/a?version=1&sha256=" + DIGEST, None, {Role.ADMINISTRATOR}),
        ("PUT", "/api/segments/street/broadcast", {"urls": [], "system_title": "00" * 8}, {Role.ADMINISTRATOR}),
        ("GET", "/api/notifications", None, {Role.ADMINISTRATOR}),
        ("PUT", "/api/notifications", {"name": "n", "sender": "webhook", "target": {"url": "http://x/"}},
         {Role.ADMINISTRATOR}),
        ("GET", "/api/outbox", None, {Role.ADMINISTRATOR}),
        ("GET", "/api/campaigns", None, set(Role) - {Role.HOUSEHOLD}),
    ],
)  # fmt: skip
async def test_each_role_may_what_it_may(shared, method, path, body, may):
    for role in Role:
        async with shared.asking(role) as client:
            answer = await client.request(method, path, json=body)
            assert (answer.status_code == 403) == (role not in may), (role, answer.text)
            assert answer.status_code < 500


async def test_keys_are_changed_and_never_shown(desk):
    async with desk.asking() as client:
        answer = await client.post("/api/devices/meter 1/keys", json={"purposes": ["authentication_key"]})
        assert answer.status_code == 202, answer.text
        change = answer.json()
        assert change["state"] == "waiting"
        assert desk.submitted == [f"keys {change['id']}"]
        assert (await client.post("/api/devices/meter 1/keys", json={})).status_code == 400, "one at a time"
        found = (await client.get("/api/key-changes", params={"open": True})).json()
        assert [item["id"] for item in found] == [change["id"]]
        assert (await client.post(f"/api/key-changes/{change['id']}/recovery")).status_code == 202
        assert (await client.post("/api/key-changes/none/recovery")).status_code == 404
        assert (await client.post("/api/devices/meter 1/keys", json={"purposes": ["mbus_key"]})).status_code == 400


async def test_a_segment_is_told_at_once_and_its_keys_are_never_shown(desk):
    body = {
        "urls": ["udp://127.0.0.1:4059"],
        "system_title": "43534D746F616C6C",
        "broadcast_key": "a1" * 16,
        "authentication_key": "b2" * 16,
    }
    async with desk.asking() as client:
        answer = await client.put("/api/segments/street/broadcast", json=body)
        assert answer.json() == {"addresses": 1}, answer.text
        for wrong in (
            {"urls": ["tcp://127.0.0.1:4059"]},
            {"broadcast_key": None},
            {"broadcast_key": "a1"},
            {"system_title": "00"},
        ):
            assert (await client.put("/api/segments/street/broadcast", json=body | wrong)).status_code in (400, 422)
        assert (await client.put("/api/segments/none/broadcast", json=body)).status_code == 404
        log = (await client.get("/api/audit")).text
    assert "a1" * 16 not in log
    octets = b"".join(path.read_bytes() for path in desk.folder.glob("headend.db*"))
    assert bytes.fromhex("a1" * 16) not in octets


async def test_notifications_are_set_and_their_secrets_never_shown(desk):
    body = {
        "name": "duty",
        "sender": "webhook",
        "target": {"url": "https://example.org/"},
        "secrets": {"secret": SECRET},
    }
    async with desk.asking() as client:
        answer = await client.put("/api/notifications", json=body)
        assert answer.status_code == 200, answer.text
        assert SECRET not in answer.text
        shown = (await client.get("/api/notifications")).text + (await client.get("/api/audit")).text
        assert "duty" in shown
        assert SECRET not in shown
        for wrong in (
            {"sender": "pigeon"},
            {"target": {"url": "file:///x"}},
            {"secrets": {"other": "x"}},
            {"name": ""},
        ):
            assert (await client.put("/api/notifications", json=body | wrong)).status_code in (400, 422)
        assert (await client.get("/api/outbox", params={"dead": True})).json() == []
        assert (await client.delete("/api/notifications/duty")).status_code == 200
        assert (await client.delete("/api/notifications/duty")).status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"stages": []},
        {"stages": [0]},
        {"stages": [1.5]},
        {"abort_share": 2},
        {"selection": {"colours": ["red"]}},
        {"selection": {"tags": ["none"]}},
        {"kind": "party"},
        {"content": {"commands": [{"kind": "write", "parameters": {"attribute": "x"}}]}},
        {"name": "a\nb"},
        {"not_after": "2027-01-01T00:00:00"},
    ],
)
async def test_campaigns_that_make_no_sense_are_refused(shared, wrong):
    body = {"name": "hello", "kind": "commands", "content": BUNDLE}
    async with shared.asking() as client:
        answer = await client.post("/api/campaigns", json=body | wrong)
        assert answer.status_code in (400, 422), answer.text
        assert "hello" not in [item["name"] for item in (await client.get("/api/campaigns")).json()]
