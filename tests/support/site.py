"""A head-end with pages for tests: a few devices, values, alarms, a run, and somebody of every role."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager

import httpx
import numpy as np
from argon2 import PasswordHasher
from sqlalchemy import event, insert, select, update

from cosem.client.firmware import ImageProgress
from cosem.headend.access import Role
from cosem.headend.campaign import NewCampaign
from cosem.headend.engine import Headend, HeadendSettings
from cosem.headend.firmware import NewImage
from cosem.headend.happenings import Happened, keep
from cosem.headend.intervals import DAY, MISSING, Series
from cosem.headend.inventory import Inventory, Kind, NewDevice, State
from cosem.headend.plans import Plan, Plans, Selection
from cosem.headend.quality import Quality
from cosem.headend.schema import campaign_device, device_group, latest, plan_run, result
from cosem.headend.schema import slice_ as slice_table
from cosem.headend.vault import Purpose, Vault
from cosem.headend.web.accounts import accounts, add_account
from cosem.headend.web.frame import PageSettings
from cosem.headend.web.site import create_site

NOW = 1_793_500_000
PASSWORD = "correct horse battery"
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\u202edcba"
KEY = bytes(range(16))
_HASHED = PasswordHasher(1, 8, 1).hash(PASSWORD)  # quick: what is tested is not how hard it is


class NoQueue:
    """Durable work that is asked for and never carried out."""

    def __init__(self) -> None:
        self.submitted: list[str] = []

    def handle(self, kind, handler) -> None:
        pass

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def submit(self, kind, identity, content, **options) -> None:
        self.submitted.append(identity)


class Site:
    """The application, and people who ask it."""

    def __init__(
        self,
        folder,
        *,
        now: float = NOW,
        empty: bool = False,
        headend: Headend | None = None,
        pages: PageSettings | None = None,
    ) -> None:
        self.now = now
        self.queue = NoQueue()
        settings = HeadendSettings(folder, two_persons=frozenset({"disconnect"}))
        self.headend = headend or Headend(
            settings, self.queue, clock=lambda: self.now, random=lambda: 0.5, sealer=Vault(bytes(32))
        )
        event.listen(self.headend.engine, "connect", _without_waiting)
        self.headend.engine.dispose()
        with self.headend.engine.begin() as connection:
            if not Inventory(connection).page() and not empty:
                fill(self.headend, connection, int(now))
        with self.headend.engine.begin() as connection:
            known = {row.name for row in accounts(connection)}
            for role in Role:
                group = "flat" if role is Role.HOUSEHOLD else None
                there = connection.execute(select(device_group.c.name)).scalars().all()
                if role.value not in known and (group is None or group in there):
                    add_account(connection, role.value, _HASHED, role, "setup", int(now), group=group)
        self.app = create_site(self.headend, pages)

    @asynccontextmanager
    async def visiting(self, role: Role | None = Role.ADMINISTRATOR, **headers):
        """Sign in as somebody of a role; None stays outside."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://headend", headers=headers) as client:
            if role is not None:
                answer = await client.post("/sign-in", data={"name": role.value, "password": PASSWORD})
                assert answer.status_code == 303, answer.text
            yield client

    def close(self) -> None:
        self.headend.engine.dispose()


def _without_waiting(connection, record) -> None:
    # What is tested here is no loss of power.
    connection.execute("PRAGMA synchronous=OFF")


def fill(headend: Headend, connection, now: int) -> None:
    """Make what the pages show."""
    inventory = Inventory(connection)
    names = ["meter 1", "meter 2", "meter 3", HOSTILE.replace("\u202e", ""), *(f"other {n}" for n in range(60))]
    for index, name in enumerate(names):
        place = "x" * 10_000 + HOSTILE if index == 3 else f"Lindenstraße {index}"
        inventory.add(NewDevice(name, Kind.ELECTRICITY, url="tcp://127.0.0.1:9", place=place, tags=("prepaid",)), now)
        inventory.move(name, State.IN_USE, now)
    inventory.add(NewDevice("gas 1", Kind.GAS, parent="meter 2", channel=2), now)
    inventory.move("gas 1", State.IN_USE, now)
    inventory.group("flat", ["meter 2", "gas 1"])
    headend.keys.put(connection, 2, {Purpose.UNICAST: KEY}, now)
    channel = inventory.channel("1-0:1.8.0.255", "Wh", 0)
    times = now // 900 * 900 - 3 * DAY + np.arange(3 * 96 + 1) * 900
    values = 1000 + 25 * np.arange(len(times))
    values[100:104] = MISSING
    quality = np.zeros(len(times), np.uint8)
    quality[100:104] = Quality.MISSING
    headend.intervals.stage(connection, [Series.of(2, channel, times, values, quality)])
    connection.execute(
        insert(latest), {"device": 2, "channel": channel, "time": int(times[-1]), "value": int(values[-1])}
    )
    keep(
        connection,
        [
            Happened(2, now - 60, "fraud", "terminal cover opened", alarming=True),
            Happened(3, now - 50, "alarm", "battery low", alarming=True),
            Happened(4, now - 40, "alarm", HOSTILE * 100, alarming=True),
        ],
        now,
    )
    number = Plans(connection).save(Plan("night", "0 0 * * *"))
    row = {"plan": number, "start": now - 7200, "deadline": now - 3600, "finished": now - 3600}
    run = connection.execute(insert(plan_run), row).inserted_primary_key[0]
    work = connection.execute(insert(slice_table), {"run": run, "segment": 1, "state": "done"}).inserted_primary_key[0]
    inventory.set_type("model a", "electricity")
    for name in ("meter 1", "meter 2", "meter 3"):
        inventory.assign(name, "model a", now)
    rows = [
        {"run": run, "device": device, "slice": work, "reason": "silent" if device == 3 else None, "tries": 1,
         "values": 96, "finished": now - 7200 + 60 * device}
        for device in range(1, 5)
    ]  # fmt: skip
    connection.execute(insert(result), rows)


def add_image(headend: Headend, identifier: str = "FW 2", **options) -> None:
    """Put an image into the catalogue."""
    upload = headend.firmware.upload()
    upload.write(b"an image")
    headend.firmware.add(NewImage(identifier, "metrology 2", **options), upload, upload.digest, "setup")


async def add_campaigns(headend: Headend) -> None:
    """Begin two campaigns, one of which is half way: a device is under way, one failed."""
    add_image(headend, types=("model a",))
    chosen = Selection(names=tuple(f"other {number}" for number in range(12)))
    content = {"commands": [{"kind": "message", "parameters": {"text": HOSTILE}}]}
    await headend.campaigns.begin(NewCampaign("greetings", "commands", content, chosen, (4, 1.0)), "operator")
    image = {"image": "FW 2"}
    row = await headend.campaigns.begin(
        NewCampaign(HOSTILE.replace("\u202e", ""), "firmware", image, Selection(), (3, 20, 1.0)), "anna"
    )
    stage = [item["device"] for item in headend.campaigns.devices(row.id, limit=100) if item["stage"] == 0]
    said = (("running", ""), ("failed", "silent: " + HOSTILE), ("done", ""))
    with headend.engine.begin() as connection:
        for number, (state, detail) in zip(stage, said, strict=True):
            mark = update(campaign_device).where(
                campaign_device.c.device == number, campaign_device.c.campaign == row.id
            )
            connection.execute(mark.values(state=state, detail=detail, tries=1))
    headend.firmware_campaign.progress[row.id, stage[0]] = ImageProgress("transfer", 20, 47)


def quick_hash() -> str:
    """Return the hash of the password."""
    return _HASHED


def key_in(text: str) -> str:
    """Return the key of the form on a page."""
    found = re.search(r'name="key" value="([0-9a-f]{32})"', text)
    assert found is not None
    return found[1]
