"""A head-end in a process of its own that is killed while it works, and what has to hold afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

from sqlalchemy import Engine, func, select

from cosem.client.table import Column
from cosem.device.disconnector import Disconnector
from cosem.device.meter import _LOAD_COLUMNS
from cosem.headend.commands import Commands, CommandState, NewCommand
from cosem.headend.database import open_database
from cosem.headend.folder import make_folder
from cosem.headend.intervals import Intervals
from cosem.headend.inventory import Inventory, Kind, NewDevice, State
from cosem.headend.permits import Limits
from cosem.headend.plans import DAY, Plan, Plans
from cosem.headend.reading import ProfileReading
from cosem.headend.schema import command, counter, plan_run, result
from cosem.headend.vault import KeyStore, Purpose, Vault
from cosem.headend.work import Elsewhere
from cosem.obis import obis
from cosem.simulator.meter import DEMO_KEYS
from support.served import make_meter, served

READY_SECONDS = 10.0
"""How soon a killed head-end has to work again."""
SWITCH = {"method": [70, "0-0:96.3.10.255", 1], "parameter": {"integer": 0}}


@dataclass
class World:
    """Meters that are served here, and the folder of the head-end that reads them."""

    folder: Path
    engine: Engine
    commands: Commands
    switched: list[str] = field(default_factory=list)
    """Every time a disconnector was told to disconnect."""
    process: subprocess.Popen[str] | None = None
    api: str = ""
    push: str = ""
    restarts: list[float] = field(default_factory=list)
    """How long it took to be ready, each time, as shares of what it may take."""
    waited: list[float] = field(default_factory=list)
    """How long that was by the clock, seconds, however busy the machine."""
    runs: list[int] = field(default_factory=list)

    def start(self) -> None:
        """Start the head-end, and wait until it works."""
        begun = time.monotonic()
        arguments = ["headend", "serve", "--json", "--port", "0", "--push-port", "0", "--folder", str(self.folder)]
        with (self.folder / "serve.log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cosem", *arguments],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, (self.folder / "serve.log").read_text()
        addresses = json.loads(line)
        self.api, self.push = addresses["api"], addresses["push"]
        # Where others want the machine too, a second of work takes longer than one.
        share = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
        self.waited.append(time.monotonic() - begun)
        self.restarts.append(self.waited[-1] / share / READY_SECONDS)

    def kill(self, how: signal.Signals = signal.SIGKILL) -> int:
        """End the head-end; return its exit status."""
        assert self.process is not None
        self.process.send_signal(how)
        status = self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process = None
        return status

    def begin(self) -> None:
        """Ask for a run of the plan and for a command to every meter; the head-end picks both up."""
        with self.engine.begin() as connection:
            plans = Plans(connection)
            number = plans.number("night")
            known = connection.execute(select(func.max(plan_run.c.start))).scalar() or 0
            self.runs.append(plans.begin(number, max(known + 1, int(time.time())), spread=False))
            names = [row.name for row in Inventory(connection).page(limit=1000)]
        for name in names:
            self.commands.ask(name, [NewCommand("invoke", SWITCH)], "tester")

    def rest(self, seconds: float = 120.0) -> None:
        """Wait until nothing is under way any more."""
        open_ = (CommandState.WAITING, CommandState.SENDING)
        end = time.monotonic() + seconds
        while True:
            with self.engine.connect() as connection:
                waiting = connection.execute(select(command.c.id).where(command.c.state.in_(open_)).limit(1)).first()
                unfinished = connection.execute(select(plan_run.c.id).where(plan_run.c.finished.is_(None))).first()
            if waiting is None and unfinished is None:
                return
            assert self.process is None or self.process.poll() is None, "the head-end died by itself"
            assert time.monotonic() < end, "work was left undone: " + (self.folder / "serve.log").read_text()[-2000:]
            time.sleep(0.1)

    def counters(self) -> dict[str, int]:
        """Return the next invocation counter of each device."""
        with self.engine.connect() as connection:
            return {row.name: row.next for row in connection.execute(select(counter))}

    def check(self) -> dict[str, int]:
        """Check that everything is accounted for, once; return the account."""
        with self.engine.connect() as connection:
            plans = Plans(connection)
            for run in self.runs:
                # A counter that came twice is a replay to a meter: it would have refused, and that would stand here.
                assert set(plans.account(run)) == {"read"}, plans.account(run)
            query = select(command.c.state, func.count()).group_by(command.c.state)
            states = {row[0]: row[1] for row in connection.execute(query)}
            assert set(states) <= {CommandState.DONE, CommandState.UNCERTAIN}, states
            done, uncertain = states.get(CommandState.DONE, 0), states.get(CommandState.UNCERTAIN, 0)
            assert done <= len(self.switched) <= done + uncertain, (states, len(self.switched))
            values = self._values(connection)
            tries = connection.execute(select(func.sum(result.c.tries))).scalar_one()
        return {"runs": len(self.runs), "done": done, "uncertain": uncertain, "values": values, "sessions": tries}

    def _values(self, connection: Any) -> int:
        intervals = Intervals(self.folder / "intervals")
        count = 0
        for row in Inventory(connection).page(limit=1000):
            series = intervals.read(connection, row.id, 1, 0, 2**31 - 1)
            steps = series.times[1:] - series.times[:-1]
            assert len(series) >= 90, row.name
            assert (steps == 900).all(), (row.name, "an interval is missing or there twice")
            count += len(series)
        return count


@contextmanager
def world(folder: Path, meters: int = 6) -> Iterator[World]:
    """Serve meters with a day behind them, and fill a head-end's folder with them and a plan."""
    make_folder(folder)
    engine = open_database(folder / "headend.db")
    keys = KeyStore(Vault.find(folder, create=True))
    end = datetime.now(UTC).replace(microsecond=0)
    commands = Commands(engine, Elsewhere(), _nobody, clock=time.time)
    made = World(folder, engine, commands)
    now = int(time.time())
    with ExitStack() as stack:
        stack.callback(engine.dispose)
        method: Callable[..., None] = Disconnector._method

        def counted(self: Disconnector, connect: bool) -> None:
            made.switched.append("disconnect")
            method(self, connect)

        stack.enter_context(mock.patch.object(Disconnector, "_method", counted))
        urls = [
            stack.enter_context(served(make_meter(end=end, days=1, seed=seed))).url() for seed in range(1, meters + 1)
        ]
        with engine.begin() as connection:
            inventory = Inventory(connection)
            # Slow enough that a kill meets a run in its middle.
            inventory.set_segment("street", Limits(2, 4.0))
            channel = inventory.channel("1-0:1.8.0.255", "Wh", 0)
            columns = tuple(Column(item) for item in _LOAD_COLUMNS)
            channels = (None, None, channel, *[None] * (len(columns) - 3))
            reading = ProfileReading(obis("1-0:99.1.0"), 900, columns, channels, 1)
            inventory.set_type("meter", "electricity", readings=[reading])
            for index, url in enumerate(urls):
                item = NewDevice(f"meter {index}", Kind.ELECTRICITY, "meter", "street", f"{url}&timeout=5")
                number = inventory.add(item, now)
                inventory.move(item.name, State.IN_USE, now)
                secrets = {
                    Purpose.UNICAST: DEMO_KEYS.global_unicast_encryption_key or b"",
                    Purpose.AUTHENTICATION: DEMO_KEYS.authentication_key or b"",
                }
                keys.put(connection, number, secrets, now)
            Plans(connection).save(Plan("night", "15 0 1 1 *", depth=1, window=DAY, clock=False))
        try:
            yield made
        finally:
            if made.process is not None:
                made.kill()


def _nobody(number: int) -> Any:
    raise AssertionError("nothing is sent from here")
