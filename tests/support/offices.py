"""A head-end with simulated meters behind real sockets, and a queue that ends and begins anew with it."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Engine, event

from cosem.client.core import ClientOptions
from cosem.client.firmware import ImagePatience
from cosem.headend.database import open_database
from cosem.headend.engine import Headend, HeadendSettings
from cosem.headend.inventory import Inventory, Kind, NewDevice, State
from cosem.headend.permits import Limits
from cosem.headend.vault import Purpose, Vault
from cosem.io.server import DeviceServer, serving
from cosem.simulator.meter import DEMO_KEYS
from support.served import END, MANAGEMENT

NOW = float(END.timestamp())
QUERY = MANAGEMENT | {"timeout": "0.3"}
SECRETS = {purpose: key for purpose in Purpose if (key := getattr(DEMO_KEYS, purpose.value, None)) is not None}


@cache
def _empty() -> bytes:
    """Return a database without anything in it: to make it takes longer than most tests."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "headend.db"
        engine = open_database(path)
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        engine.dispose()
        return path.read_bytes()


def prepare(folder: Path) -> None:
    """Put an empty database into a folder where there is none."""
    if not (folder / "headend.db").exists():
        (folder / "headend.db").write_bytes(_empty())


def hasten(engine: Engine) -> None:
    """Do not wait for the disk: what these tests end is the process, not the machine."""
    engine.dispose()

    @event.listens_for(engine, "connect")
    def configure(connection: Any, record: Any) -> None:
        connection.execute("PRAGMA synchronous=OFF")


class TaskQueue:
    """Durable work as tasks of this process. `again` carries out anew what was not ended, as after a crash."""

    def __init__(self) -> None:
        self.handlers: dict[str, Any] = {}
        self.contents: dict[str, tuple[str, Any]] = {}
        self.jobs: dict[str, asyncio.Task[Any]] = {}

    def handle(self, kind: str, handler: Any) -> None:
        self.handlers[kind] = handler

    async def start(self) -> None:
        pass

    async def submit(
        self, kind: str, identity: str, content: Any, *, lane: Any, segment: int, delay: float = 0
    ) -> None:
        if identity not in self.contents:
            self.contents[identity] = (kind, content)
            self.jobs[identity] = asyncio.ensure_future(self.handlers[kind](content))

    async def result(self, identity: str) -> Any:
        return await self.jobs[identity]

    async def idle(self) -> None:
        """Wait until nothing is under way."""
        while waiting := [job for job in self.jobs.values() if not job.done()]:
            await asyncio.wait(waiting)

    async def kill(self) -> dict[str, tuple[str, Any]]:
        """End everything as a killed process does; return the jobs that were not ended."""
        left = {name: self.contents[name] for name, job in self.jobs.items() if not job.done()}
        for job in self.jobs.values():
            job.cancel()
        await asyncio.gather(*self.jobs.values(), return_exceptions=True)
        return left

    def again(self, left: dict[str, tuple[str, Any]]) -> None:
        for identity, (kind, content) in left.items():
            self.contents[identity] = (kind, content)
            self.jobs[identity] = asyncio.ensure_future(self.handlers[kind](content))

    async def close(self) -> None:
        await self.kill()


class Office:
    """A head-end on a folder; `start` begins anew on it."""

    def __init__(self, folder: Any, urls: Sequence[str], **settings: Any) -> None:
        self.folder = folder
        self.settings = settings
        self.now = NOW
        self.start()
        with self.headend.engine.begin() as connection:
            inventory = Inventory(connection)
            inventory.set_segment("street", Limits(20, 1000))
            for name in ("model a", "model b"):
                inventory.set_type(name, "electricity")
            for number, url in enumerate(urls, 1):
                kind = "model b" if number == len(urls) else "model a"
                inventory.add(NewDevice(f"meter {number}", Kind.ELECTRICITY, kind, "street", url), int(NOW))
                inventory.move(f"meter {number}", State.IN_USE, int(NOW))
                self.headend.keys.put(connection, number, SECRETS, int(NOW))

    def start(self) -> None:
        self.queue = TaskQueue()
        prepare(self.folder)
        settings = HeadendSettings(
            self.folder, options=ClientOptions(retries=0, reconnects=0), first_pause=0.01, **self.settings
        )
        self.headend = Headend(
            settings, self.queue, clock=lambda: self.now, random=lambda: 0.5, sealer=Vault(bytes(32))
        )
        hasten(self.headend.engine)
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.headend.live.append(lambda kind, content: self.told.append((kind, content)))
        self.headend.key_changes._pause = 0.01
        self.headend.firmware_campaign.patience = ImagePatience(pause=0.02, tries=20)
        self.headend.firmware_campaign._pause = 0.02
        self.headend.command_campaign.settle = 0.1

    @property
    def campaigns(self) -> Any:
        return self.headend.campaigns

    async def ended(self, name: str) -> Any:
        """Carry a campaign on until nothing of it moves any more; return it."""
        for _ in range(20):
            await self.queue.idle()
            before = self.campaigns.get(name)
            await self.campaigns.advance()
            await self.queue.idle()
            if (row := self.campaigns.get(name)) == before:
                return row
        raise AssertionError(f"{name} does not end: {row}")

    def states(self, name: str) -> dict[str, str]:
        number = self.campaigns.get(name).id
        return {row["name"]: str(row["state"]) for row in self.campaigns.devices(number, limit=1000)}

    def close(self) -> None:
        self.headend.engine.dispose()


@contextmanager
def office(folder: Any, meters: Sequence[Any], absent: int = 0, **settings: Any) -> Iterator[Office]:
    """Serve meters, and return a head-end that knows them; `absent` further ones answer nothing."""
    servers = [DeviceServer(meter.device, udp=True) for meter in meters]
    with serving(*servers) as addresses:
        query = urlencode(QUERY)
        urls = [f"tcp://{host}:{port}?{query}" for host, port in addresses]
        made = Office(folder, urls + [f"tcp://127.0.0.1:9?{query}"] * absent, **settings)
        made.meters, made.addresses = list(meters), addresses  # type: ignore[attr-defined]
        try:
            yield made
        finally:
            made.close()
