"""A head-end in a process of its own with something of everything in it, and a token of each role."""

from __future__ import annotations

import json
import os
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
from cosem.headend.commands import Commands, NewCommand
from cosem.headend.database import open_database
from cosem.headend.folder import DATABASE, INTERVALS, make_folder
from cosem.headend.happenings import Happened, keep
from cosem.headend.intervals import Intervals, Series
from cosem.headend.inventory import Inventory, Kind, NewDevice
from cosem.headend.plans import Plan, Plans
from cosem.headend.schema import latest
from cosem.headend.vault import Vault
from cosem.headend.work import Elsewhere

GROUP = "flat"
CHANNEL = "1-0:1.8.0.255"


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
    """Serve a head-end at a free port. No device of it is in use: it calls nobody."""
    office = folder / "office"
    make_folder(office)
    Vault.find(office, create=True)
    engine = open_database(office / DATABASE)
    now = int(time.time())
    with engine.begin() as connection:
        tokens = _fill(connection, Intervals(office / INTERVALS), now)
    commands = Commands(engine, Elsewhere(), None, clock=time.time, two_persons=frozenset({"disconnect"}))  # type: ignore[arg-type]
    commands.ask("meter-2", [NewCommand("disconnect", {})], "setup", identity="first")
    engine.dispose()
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


def _fill(connection: Connection, intervals: Intervals, now: int) -> dict[Role, str]:
    inventory = Inventory(connection)
    for number in range(1, 4):
        inventory.add(NewDevice(f"meter-{number}", Kind.ELECTRICITY, tags=("prepaid",)), now)
    inventory.add(NewDevice("gas-2", Kind.GAS, parent="meter-2", channel=1), now)
    inventory.group(GROUP, ["meter-2", "gas-2"])
    channel = inventory.channel(CHANNEL, "Wh", 0)
    times = now // 900 * 900 - np.arange(96, 0, -1) * 900
    intervals.stage(connection, [Series.of(2, channel, times, np.arange(96) * 25, np.zeros(96, np.uint8))])
    connection.execute(insert(latest), {"device": 2, "channel": channel, "time": int(times[-1]), "value": 2375})
    happened = [Happened(number, now - 60, "fraud", "terminal cover opened", alarming=True) for number in (1, 2)]
    keep(connection, happened, now)
    number = Plans(connection).save(Plan("night", "0 0 * * *"))
    Plans(connection).begin(number, now - 3600)
    return {
        role: issue(connection, f"the {role}", role, "setup", now, group=GROUP if role is Role.HOUSEHOLD else None)
        for role in Role
    }
