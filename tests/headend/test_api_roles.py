"""Who may do what, route by route: every route of the API with every role, and with tokens narrowed to a group.

What a role may not is refused before anything is looked up (403). Devices of others, and all that belongs to them, are
answered word for word as if they were not there.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from contextlib import asynccontextmanager

import httpx
import pytest
from sqlalchemy import select, update

from cosem.headend.access import Role, issue
from cosem.headend.api import premises
from cosem.headend.api.app import create_app
from cosem.headend.campaign import NewCampaign
from cosem.headend.commands import NewCommand
from cosem.headend.firmware import NewImage
from cosem.headend.happenings import Happened, keep
from cosem.headend.inventory import Inventory, Kind, NewDevice, State
from cosem.headend.notify import Rule
from cosem.headend.plans import Plan, Plans, Selection
from cosem.headend.schema import alarm, audit, command, token
from support.offices import NOW, Office

URL = "tcp://127.0.0.1:9?client=1&auth=high-gmac&security=both&timeout=0.1"
OCTETS = b"an image"
DIGEST = hashlib.sha256(OCTETS).hexdigest()
NARROWED = {role: f"narrowed {role}" for role in Role if role is not Role.HOUSEHOLD}
EVERYBODY = set(Role) | set(NARROWED.values())
WHOLE = set(Role) - {Role.HOUSEHOLD}
"""Who sees all devices."""
ACTS = {Role.OPERATOR, Role.ADMINISTRATOR}
CONFIRMS = {Role.SECOND_PERSON, Role.ADMINISTRATOR}
READS = ACTS | CONFIRMS
ADMINISTRATOR = {Role.ADMINISTRATOR}
TIMES = "channel=1-0:1.8.0.255&from=2026-11-01T00:00:00Z&to=2026-11-02T00:00:00Z"
BUNDLE = {"device": "meter 2", "commands": [{"kind": "clock"}]}


def both(roles: set[Role]) -> set[str]:
    """Return the roles, and who has them for some devices."""
    return roles | {NARROWED[role] for role in roles if role in NARROWED}


ROUTES = [
    ("GET /api/devices", None, EVERYBODY),
    ("POST /api/devices", {"name": "new", "kind": "gas"}, ADMINISTRATOR),
    ("GET /api/devices/{name}", None, EVERYBODY),
    ("POST /api/devices/{name}/state", {"state": "suspended"}, both(ADMINISTRATOR)),
    ("GET /api/devices/{name}/latest", None, EVERYBODY),
    (f"GET /api/devices/{{name}}/values?{TIMES}", None, EVERYBODY),
    ("GET /api/devices/{name}/events", None, EVERYBODY),
    ("GET /api/devices/{name}/premises", None, EVERYBODY),
    ("POST /api/devices/{name}/read", {}, both(READS)),
    ("GET /api/devices/{name}/firmware", None, EVERYBODY),
    ("POST /api/devices/{name}/keys", {}, both(ADMINISTRATOR)),
    ("POST /api/devices/{child}/keys/sharing", None, both(ADMINISTRATOR)),
    ("PUT /api/devices/{name}/url", {"url": URL}, ADMINISTRATOR),
    ("PUT /api/devices/{loose}/coupling", {"parent": "meter 2", "channel": 9}, both(ADMINISTRATOR)),
    ("DELETE /api/devices/{child}/coupling", None, both(ADMINISTRATOR)),
    ("PUT /api/devices/{child}/meter", {"meter": "ELS12345678"}, both(ADMINISTRATOR)),
    ("GET /api/plans", None, WHOLE),
    ("PUT /api/plans", {"name": "night", "schedule": "0 0 * * *"}, ACTS),
    ("POST /api/plans/{plan}/runs", None, ACTS),
    ("GET /api/runs", None, WHOLE),
    ("GET /api/commands/kinds", None, EVERYBODY),
    ("POST /api/commands", BUNDLE, both(ACTS)),
    ("GET /api/commands/{bundle}", None, EVERYBODY),
    ("POST /api/commands/{bundle}/withdrawal", None, both(ACTS)),
    ("POST /api/commands/{bundle}/confirmation", None, both(CONFIRMS)),
    ("GET /api/alarms", None, EVERYBODY),
    ("POST /api/alarms/acknowledgement", {"alarms": [2]}, both(ACTS | CONFIRMS)),
    ("GET /api/audit", None, ADMINISTRATOR),
    ("POST /api/tokens", {"name": "new", "role": "administrator"}, ADMINISTRATOR),
    ("DELETE /api/tokens/{token}", None, ADMINISTRATOR),
    (f"GET /api/totals?{TIMES}", None, EVERYBODY),
    ("GET /api/metrics", None, WHOLE),
    ("GET /api/campaigns", None, WHOLE),
    ("POST /api/campaigns", {"name": "new", "kind": "commands", "content": {"commands": [{"kind": "clock"}]}}, ACTS),
    ("GET /api/campaigns/{campaign}", None, WHOLE),
    ("GET /api/campaigns/{campaign}/devices", None, WHOLE),
    ("POST /api/campaigns/{campaign}/confirmation", None, CONFIRMS),
    ("POST /api/campaigns/{campaign}/pause", None, ACTS),
    ("POST /api/campaigns/{campaign}/resumption", None, ACTS),
    ("POST /api/campaigns/{campaign}/abort", None, ACTS),
    ("GET /api/firmware", None, WHOLE),
    (f"PUT /api/firmware/new?version=1&sha256={DIGEST}", None, ADMINISTRATOR),
    ("POST /api/firmware/{identifier}/withdrawal", None, ADMINISTRATOR),
    ("GET /api/key-changes", None, ADMINISTRATOR),
    ("GET /api/key-changes?device={name}", None, both(ADMINISTRATOR)),
    ("POST /api/key-changes/{identity}/recovery", None, both(ADMINISTRATOR)),
    ("PUT /api/segments/{segment}/broadcast", {"urls": [], "system_title": "00" * 8}, ADMINISTRATOR),
    ("GET /api/notifications", None, ADMINISTRATOR),
    ("PUT /api/notifications", {"name": "n", "sender": "webhook", "target": {"url": "http://x/"}}, ADMINISTRATOR),
    ("DELETE /api/notifications/{rule}", None, ADMINISTRATOR),
    ("GET /api/outbox", None, ADMINISTRATOR),
]  # fmt: skip
OWN = {
    "name": "meter 2", "child": "gas 2", "loose": "gas 3", "plan": "night", "bundle": "own bundle",
    "token": "spare", "campaign": "spring", "identifier": "FW 1", "identity": "own change",
    "segment": "street", "rule": "duty",
}  # fmt: skip
FLAT = ["meter 2", "meter 3", "gas 2", "gas 3"]
OTHERS = {"name": "meter 1", "child": "gas 1", "loose": "gas 4", "bundle": "other bundle", "identity": "other change"}
NOTHING = {"name": "no meter", "child": "no gas", "loose": "nothing", "bundle": "no bundle", "identity": "no change"}
UNGUARDED = {("GET", "/api/health")}
UNFIT = ("/resumption", "/pause", "/keys/sharing")
"""What does not go together with what is there: nothing is paused, and nothing on an M-Bus came with a key."""
STREAMED = {("GET", "/api/live")}
"""Has no end: tests of its own stand in `test_api`."""


class Desk(Office):
    """A head-end with something behind every path, of the device that narrowed tokens see and of another one."""

    def __init__(self, folder) -> None:
        super().__init__(folder, [URL] * 3, two_persons=frozenset({"disconnect"}))
        self.queue.submit = self.submit
        self.queue.result = self.result
        self.submitted: list[str] = []
        self.app = create_app(self.headend)
        self.tokens: dict[str, str] = {}
        now = int(NOW)
        with self.headend.engine.begin() as connection:
            inventory = Inventory(connection)
            inventory.add(NewDevice("gas 2", Kind.GAS, parent="meter 1", channel=2, segment="street"), now)
            inventory.add(NewDevice("gas 1", Kind.GAS, parent="meter 1", channel=1, segment="street"), now)
            for name in ("gas 3", "gas 4"):
                inventory.add(NewDevice(name, Kind.GAS, segment="street"), now)
            inventory.group("flat", FLAT)
            inventory.channel("1-0:1.8.0.255", "Wh", 0)
            for role in Role:
                group = "flat" if role is Role.HOUSEHOLD else None
                self.tokens[role] = issue(connection, role, role, "setup", now, group=group)
            for role, name in NARROWED.items():
                self.tokens[name] = issue(connection, name, role, "setup", now, group="flat")
            issue(connection, "spare", Role.VIEWER, "setup", now)
            happened = [Happened(number, now, "fraud", "cover", alarming=True) for number in (1, 2)]
            keep(connection, happened, now)
            Plans(connection).save(Plan("night", "0 0 * * *"))

    async def fill(self) -> None:
        """Ask for what takes an event loop."""
        for device, whose in (("meter 1", "other"), ("meter 3", "own")):
            self.headend.commands.ask(device, [NewCommand("disconnect", {})], "setup", identity=f"{whose} bundle")
            self.headend.key_changes.prepare(device, "setup", identity=f"{whose} change")
        content = {"commands": [{"kind": "disconnect"}]}
        await self.campaigns.begin(NewCampaign("spring", "commands", content, Selection()), "setup")
        upload = self.headend.firmware.upload()
        upload.write(OCTETS)
        self.headend.firmware.add(NewImage("FW 1", "1.0"), upload, DIGEST, "setup")
        self.headend.notifier.save(Rule("duty", "webhook", {"url": "http://x/"}), "setup")

    async def result(self, identity) -> None:
        await asyncio.Event().wait()

    async def submit(self, kind, identity, content, **options) -> None:
        self.submitted.append(identity)

    @asynccontextmanager
    async def asking(self, who: str | None):
        headers = {} if who is None else {"Authorization": f"Bearer {self.tokens[who]}"}
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://headend", headers=headers) as client:
            yield client


@pytest.fixture
async def desk(tmp_path, monkeypatch):
    monkeypatch.setattr(premises, "WAIT", 0.01)  # nobody carries anything out here
    desk = Desk(tmp_path)
    await desk.fill()
    yield desk
    desk.close()


@pytest.fixture(scope="module")
def refusing(tmp_path_factory):
    """Of what only asks and is refused nothing is left behind."""
    desk = Desk(tmp_path_factory.mktemp("refusing"))
    yield desk
    desk.close()


async def ask(client, route: str, body, given=OWN):
    method, _, path = route.partition(" ")
    content = OCTETS if method == "PUT" and body is None else None
    return await client.request(method, path.format(**OWN | given), json=body, content=content)


async def test_the_table_has_every_route(refusing):
    document = refusing.app.openapi()
    served = {(method.upper(), path) for path, operations in document["paths"].items() for method in operations}
    tabled = {(route.split()[0], _shape(route.split()[1])) for route, _, _ in ROUTES}
    assert tabled == {(method, _shape(path)) for method, path in served - UNGUARDED - STREAMED}


async def test_the_description_says_which_roles_may_what(refusing):
    paths = {_shape(path): operations for path, operations in refusing.app.openapi()["paths"].items()}
    for route, _, may in ROUTES:
        method, path = route.split()
        assert set(paths[_shape(path)][method.lower()]["x-roles"]) == {role for role in Role if role in may}, route


def _shape(path: str) -> str:
    """Return a path without its query and without the names of what varies in it."""
    parts = path.partition("?")[0].split("/")
    return "/".join("{}" if part.startswith("{") or part == "new" else part for part in parts)


@pytest.mark.parametrize(("route", "body", "may"), ROUTES, ids=[route for route, _, _ in ROUTES])
async def test_nobody_does_what_is_not_theirs(refusing, route, body, may):
    with refusing.headend.engine.connect() as connection:
        before = connection.execute(select(audit.c.id)).all()
    async with refusing.asking(None) as client:
        answer = await ask(client, route, body)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
    for who in sorted(EVERYBODY - may):
        async with refusing.asking(who) as client:
            answer = await ask(client, route, body)
            assert answer.status_code == 403, (who, answer.text)
            assert who in answer.json()["detail"]
    with refusing.headend.engine.connect() as connection:
        assert connection.execute(select(audit.c.id)).all() == before
    assert refusing.submitted == []


@pytest.mark.parametrize(("route", "body", "may"), ROUTES, ids=[route for route, _, _ in ROUTES])
async def test_who_may_does(desk, route, body, may):
    """Each asks in turn: the first is served, and for the next there may be nothing left to do, which is no refusal."""
    statuses = {}
    for who in sorted(may, key=lambda name: name not in NARROWED.values()):
        async with desk.asking(who) as client:
            answer = await ask(client, route, body)
            statuses[who] = answer.status_code
            assert answer.status_code in (200, 201, 202, 400, 404, 409), (who, answer.text)
    assert any(status < 300 for status in statuses.values()) or route.endswith(UNFIT), statuses


NARROW_ROUTES = [
    (route, body, sorted(may & set(NARROWED.values()) | may & {Role.HOUSEHOLD}))
    for route, body, may in ROUTES
    if any(f"{{{name}}}" in route for name in OTHERS) and may & (set(NARROWED.values()) | {Role.HOUSEHOLD})
]


@pytest.mark.parametrize(("route", "body", "may"), NARROW_ROUTES, ids=[route for route, _, _ in NARROW_ROUTES])
async def test_what_is_somebody_elses_is_answered_as_if_it_were_not_there(desk, route, body, may):
    for who in may:
        async with desk.asking(who) as client:
            hidden = await ask(client, route, body, OTHERS)
            missing = await ask(client, route, body, NOTHING)
        assert hidden.status_code == missing.status_code == 404, (who, hidden.text)
        said = hidden.text
        for name, other in OTHERS.items():
            said = said.replace(other, NOTHING[name])
        assert said == missing.text
    assert desk.submitted == []


async def test_commands_in_a_body_reach_own_devices_only(desk):
    for who in both(ACTS) & set(NARROWED.values()):
        async with desk.asking(who) as client:
            other = await client.post("/api/commands", json=BUNDLE | {"device": "meter 1"})
            assert other.status_code == 404
            assert other.json()["detail"] == "there is no device 'meter 1'"
            assert (await client.post("/api/commands", json=BUNDLE)).status_code == 202
    assert len(desk.submitted) == 2


@pytest.mark.parametrize("who", [Role.HOUSEHOLD, *NARROWED.values()])
async def test_lists_of_who_is_narrowed_have_nothing_of_others_or_of_the_network(desk, who):
    async with desk.asking(who) as client:
        found = (await client.get("/api/devices")).json()["devices"]
        assert [item["name"] for item in found] == FLAT
        assert {(item["segment"], item["parent"], item["system_title"]) for item in found} == {(None, None, None)}
        for query in ({"group": "flat"}, {"group": "no group"}, {"parent": "meter 1"}, {"parent": "none"}):
            names = [item["name"] for item in (await client.get("/api/devices", params=query)).json()["devices"]]
            assert names == (FLAT if query == {"group": "flat"} else [])
        assert [item["device"] for item in (await client.get("/api/alarms")).json()["alarms"]] == ["meter 2"]
    async with desk.asking(Role.VIEWER) as client:
        found = (await client.get("/api/devices/gas 2")).json()
        assert (found["segment"], found["parent"]) == ("street", "meter 1")


async def test_alarms_of_other_devices_stay_open(desk):
    narrowed = NARROWED[Role.OPERATOR]
    async with desk.asking(narrowed) as client:
        hidden = await client.post("/api/alarms/acknowledgement", json={"alarms": [1]})
        missing = await client.post("/api/alarms/acknowledgement", json={"alarms": [99]})
        assert (hidden.status_code, hidden.text) == (missing.status_code, missing.text) == (400, missing.text)
        done = await client.post("/api/alarms/acknowledgement", json={"alarms": [1, 2]})
        assert done.json() == {"acknowledged": 1}
    with desk.headend.engine.connect() as connection:
        states = dict(connection.execute(select(alarm.c.device, alarm.c.state)).all())
        said = connection.execute(select(audit.c.after).where(audit.c.what == "acknowledge")).scalars().all()
    assert states == {1: "open", 2: "acknowledged"}
    assert said == ["[2]"], "the audit log names what was done, not what was asked for"


SCRIPT = {
    "array": [
        {"structure": [{"enum": 2}, {"long-unsigned": 70}, {"octet-string": "0002180400ff"}, {"integer": 1}]},
    ]
}


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("close valve", {"channel": 2}),
        ("mbus install", {"channel": 2}),
        ("disconnect", {"object": "0-2:24.4.0"}),
        ("disconnect", {"object": "0002180400FF"}),
        ("disconnect", {"object": "0.2.24.4.0.255"}),
        ("invoke", {"method": [72, "0-2:24.1.0.255", 7], "parameter": {"octet-string": "00" * 16}}),
        ("write", {"attribute": [72, "0-2:24.1.0.255", 4], "value": {"double-long-unsigned": 0}}),
        ("write", {"attribute": [9, "0-0:10.0.106.255", 2], "value": SCRIPT}),
        ("load profile", {"name": "1-0:99.1.0.255", "columns": [[4, "0-2:24.2.1.255", 2, 0]]}),
        ("read", {"attributes": [[8, "0-0:1.0.0.255", 2], [4, "0-2:24.2.1.255", 2]]}),
        ("read profile", {"name": "0-2:24.3.0.255"}),
        ("values now", {"channels": [3, 2]}),
        ("all values", {}),
        ("mbus channels", {}),
    ],
)
async def test_nothing_is_done_at_a_neighbours_device_through_an_own_meter(desk, kind, given):
    now = int(NOW)
    with desk.headend.engine.begin() as connection:
        inventory = Inventory(connection)
        inventory.add(NewDevice("gas of others", Kind.GAS, parent="meter 2", channel=2, segment="street"), now)
        inventory.add(NewDevice("gas", Kind.GAS, parent="meter 2", channel=3, segment="street"), now)
        inventory.group("flat", [*FLAT, "gas"])
    own = json.loads(json.dumps(given).replace("0-2:", "0-3:").replace("0002", "0003").replace("0.2.24", "0.3.24"))
    own = {name: 3 if value == 2 else [3] if value == [3, 2] else value for name, value in own.items()}
    async with desk.asking(NARROWED[Role.OPERATOR]) as client:
        body = {"device": "meter 2", "commands": [{"kind": "clock"}, {"kind": kind, "parameters": given}]}
        answer = await client.post("/api/commands", json=body)
        assert (answer.status_code, answer.json()) == (404, {"detail": "there is no device on channel 2 of meter 2"})
        if own != given:
            body["commands"][1]["parameters"] = own
            assert (await client.post("/api/commands", json=body)).status_code == 202
    async with desk.asking(Role.OPERATOR) as client:
        body["commands"][1]["parameters"] = given
        assert (await client.post("/api/commands", json=body)).status_code == 202


async def test_what_others_asked_of_a_neighbours_channel_is_left_out_of_an_own_meters_commands(desk):
    now = int(NOW)
    asked = [
        ("values now", {"channels": [2, 3]}, {"values": [], "channels": {"2": {"values": [1]}, "3": {"values": [2]}}}),
        ("mbus capture", {"channel": 2}, {"identification_number": {"double-long-unsigned": 10_001}}),
        ("read", {"attributes": [[4, "0-3:24.2.1.255", 2]]}, [{"value": {"unsigned": 3}}]),
    ]
    with desk.headend.engine.begin() as connection:
        inventory = Inventory(connection)
        inventory.add(NewDevice("gas of others", Kind.GAS, parent="meter 2", channel=2, segment="street"), now)
        inventory.add(NewDevice("gas", Kind.GAS, parent="meter 2", channel=3, segment="street"), now)
        inventory.group("flat", [*FLAT, "gas"])
    rows = desk.headend.commands.ask("meter 2", [NewCommand(kind, given) for kind, given, _ in asked], "anna")
    with desk.headend.engine.begin() as connection:
        for row, (_, _, answer) in zip(rows, asked, strict=True):
            chosen = update(command).where(command.c.id == row.id)
            connection.execute(chosen.values(answer=json.dumps(answer), state="done", finished=now))

    async def answers(who):
        async with desk.asking(who) as client:
            return [item["answer"] for item in (await client.get(f"/api/commands/{rows[0].bundle}")).json()["commands"]]

    assert await answers(Role.VIEWER) == [answer for _, _, answer in asked]
    own = {"values": [], "channels": {"3": {"values": [2]}}}
    assert await answers(Role.HOUSEHOLD) == [own, None, asked[2][2]]


async def test_an_own_device_is_coupled_to_an_own_meter_only(desk):
    async with desk.asking(NARROWED[Role.ADMINISTRATOR]) as client:
        answer = await client.put("/api/devices/gas 3/coupling", json={"parent": "meter 1", "channel": 9})
        assert (answer.status_code, answer.json()["detail"]) == (404, "there is no device 'meter 1'")
    async with desk.asking(Role.ADMINISTRATOR) as client:
        answer = await client.put("/api/devices/gas 3/coupling", json={"parent": "meter 1", "channel": 9})
        assert (answer.status_code, answer.json()["channel"]) == (200, 9)


async def test_a_household_is_not_shown_a_neighbours_gas_on_its_own_meter(desk):
    now = int(NOW)
    with desk.headend.engine.begin() as connection:
        inventory = Inventory(connection)
        for name, channel in (("gas of others", 2), ("gas", 3)):
            inventory.add(NewDevice(name, Kind.GAS, parent="meter 2", channel=channel, segment="street"), now)
            inventory.move(name, State.IN_USE, now)
        inventory.group("flat", [*FLAT, "gas"])
    async with desk.asking(NARROWED[Role.OPERATOR]) as client:
        answer = await client.post("/api/devices/meter 2/read", json={"objects": ["0-2:24.2.1"]})
        assert answer.status_code == 404
        answer = (await client.post("/api/devices/meter 2/read", json={})).json()
    assert desk.headend.commands.bundle(answer["command"])[0].parameters == {"channels": [3]}


async def test_a_narrowed_administrator_does_not_let_himself_in_everywhere(desk):
    async with desk.asking(NARROWED[Role.ADMINISTRATOR]) as client:
        for body in ({"name": "me", "role": "administrator"}, {"name": "me", "role": "viewer", "group": "flat"}):
            assert (await client.post("/api/tokens", json=body)).status_code == 403
    with desk.headend.engine.connect() as connection:
        assert connection.execute(select(token.c.id).where(token.c.name == "me")).first() is None
