"""A head-end in a process of its own with something of everything in it, and a token of each role."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlalchemy import Connection, insert

from cosem.headend.access import Role, issue
from cosem.headend.campaign import NewCampaign
from cosem.headend.commands import NewCommand
from cosem.headend.engine import Headend
from cosem.headend.firmware import NewImage
from cosem.headend.folder import SETTINGS, load_settings, make_folder
from cosem.headend.happenings import Happened, keep
from cosem.headend.intervals import Series
from cosem.headend.inventory import Inventory, Kind, NewDevice, State
from cosem.headend.notify import Rule
from cosem.headend.plans import Plan, Plans, Selection
from cosem.headend.schema import latest
from cosem.headend.vault import Purpose, Vault
from cosem.headend.work import Elsewhere

GROUP = "flat"
CHANNEL = "1-0:1.8.0.255"
NOBODY = "tcp://127.0.0.1:9?timeout=0.1"
"""Where nobody listens: no request of a test leaves this machine."""


@dataclass
class Served:
    """Where the head-end is, whose token is which, and its log."""

    url: str
    tokens: dict[Role, str]
    log: Path
    process: subprocess.Popen[str]

    def faults(self) -> list[str]:
        """Return what the log says of things that nobody foresaw."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [json.dumps(line)[:2000] for line in lines if line.get("level") in ("error", "critical")]


@contextmanager
def headend(folder: Path) -> Iterator[Served]:
    """Serve a head-end at a free port."""
    office = folder / "office"
    make_folder(office)
    settings_file = office / SETTINGS
    settings_file.write_text(settings_file.read_text().replace("two_persons = []", 'two_persons = ["disconnect"]'))
    Vault.find(office, create=True)
    made = Headend(load_settings(office), Elsewhere(), clock=time.time, random=random.random, sealer=Vault.find(office))
    tokens = asyncio.run(_fill(made))
    made.engine.dispose()
    log = folder / "log"
    command = [sys.executable, "-m", "cosem", "headend", "serve", "--port", "0", "--no-push", "--json"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COSEM_")}
    with log.open("w") as errors:
        process = subprocess.Popen(
            [*command, "--folder", str(office)], stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, log.read_text()
            yield Served(json.loads(line)["api"], tokens, log, process)
        finally:
            process.terminate()
            process.wait(30)


async def _fill(made: Headend) -> dict[Role, str]:
    now = int(time.time())
    with made.engine.begin() as connection:
        tokens = _devices(connection, made, now)
    made.commands.ask("meter-2", [NewCommand("disconnect", {})], "setup", identity="first")
    off = NewCampaign("off", "commands", {"commands": [{"kind": "disconnect"}]}, Selection())
    await made.campaigns.begin(off, "setup")
    made.key_changes.prepare("meter-2", "setup", identity="first")
    upload = made.firmware.upload()
    upload.write(b"an image")
    digest = hashlib.sha256(b"an image").hexdigest()
    made.firmware.add(NewImage("FW-2", "2.0"), upload, digest, "setup")
    made.notifier.save(Rule("duty", "webhook", {"url": "http://127.0.0.1:9/"}), "setup")
    return tokens


def _devices(connection: Connection, made: Headend, now: int) -> dict[Role, str]:
    inventory = Inventory(connection)
    for number in range(1, 4):
        inventory.add(NewDevice(f"meter-{number}", Kind.ELECTRICITY, url=NOBODY, tags=("prepaid",)), now)
        inventory.move(f"meter-{number}", State.IN_USE, now)
        keys = {Purpose.MASTER: bytes(16), Purpose.UNICAST: bytes(16), Purpose.AUTHENTICATION: bytes(16)}
        made.keys.put(connection, number, keys, now)
    inventory.add(NewDevice("gas-2", Kind.GAS, parent="meter-2", channel=1), now)
    inventory.group(GROUP, ["meter-2", "gas-2"])
    channel = inventory.channel(CHANNEL, "Wh", 0)
    times = now // 900 * 900 - np.arange(96, 0, -1) * 900
    made.intervals.stage(connection, [Series.of(2, channel, times, np.arange(96) * 25, np.zeros(96, np.uint8))])
    connection.execute(insert(latest), {"device": 2, "channel": channel, "time": int(times[-1]), "value": 2375})
    happened = [Happened(number, now - 60, "fraud", "terminal cover opened", alarming=True) for number in (1, 2)]
    keep(connection, happened, now)
    number = Plans(connection).save(Plan("night", "0 0 * * *"))
    Plans(connection).begin(number, now - 3600)
    return {
        role: issue(connection, f"the {role}", role, "setup", now, group=GROUP if role is Role.HOUSEHOLD else None)
        for role in Role
    }
