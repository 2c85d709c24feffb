"""The head-end: sessions collected and stored a second; its API before ten thousand devices with a year behind them.

A session is TCP connection, GMAC association under authenticated encryption, a day of the load profile (96 rows),
release; decoded, validated, and stored durably in batches. The meters are in a process of their own.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from bench.report import Line

ROUNDS = 3
DEVICES = 1000
CONCURRENT = 100
MANY = 10_000
YEAR = 365
RUNS = 60
DAY = 86_400
START = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
YEAR_OF_DAYS = "channel=day&from=2026-01-01T00:00:00Z&to=2027-01-01T00:00:00Z"
LISTS = {
    "devices": "/api/devices?limit=50",
    "devices by part of the name": "/api/devices?text=99&limit=50",
    "plans": "/api/plans",
    "runs": "/api/runs",
    "alarms": "/api/alarms",
    "alarms, fraud only": "/api/alarms?fraud=true",
    "events of a device": "/api/devices/meter%205000/events",
    "latest values of a device": "/api/devices/meter%205000/latest",
    "audit": "/api/audit",
    "what hangs behind a device": "/api/devices?parent=meter%205000",
    "what is known of premises": "/api/devices/meter%205000/premises",
    "campaigns": "/api/campaigns",
    "devices of a campaign": "/api/campaigns/spring/devices",
    "a device's year of daily values": f"/api/devices/meter%205000/values?{YEAR_OF_DAYS}",
}
MONTH = "/api/devices/meter%205000/values?channel=quarter&from=2026-12-01T00:00:00Z&to=2027-01-01T00:00:00Z"
NARROWED = {
    "devices, of half of them": "/api/devices?limit=50&text=99",
    "alarms, of half of the devices": "/api/alarms",
    "latest values, of half of the devices": "/api/devices/meter%205000/latest",
}
"""What somebody asks who sees five thousand devices and no more."""
PAGES = {
    "overview": "/",
    "devices": "/devices",
    "devices, searched": "/devices?text=99",
    "a device": "/device/5000",
    "alarms": "/alarms",
    "commands": "/commands",
    "plans": "/plans",
    "a run": "/runs/60",
    "campaigns": "/campaigns",
    "a campaign": "/campaigns/1",
    "firmware": "/firmware",
    "audit": "/audit",
    "settings": "/settings",
}
PASSWORD = "no secret at all"
TOTALS = f"/api/totals?{YEAR_OF_DAYS}"


def headend_sessions() -> list[Line]:
    """Sessions a second of the collector, with both event loops."""
    loops = ["asyncio"]
    try:
        import uvloop  # noqa: F401
    except ImportError:
        pass
    else:
        loops.append("uvloop")
    lines = []
    for loop in loops:
        command = [sys.executable, "-m", "bench.headend"]
        device = subprocess.Popen([*command, "device", loop], stdout=subprocess.PIPE, text=True)
        try:
            assert device.stdout is not None
            port = device.stdout.readline().strip()
            found = subprocess.run([*command, "collect", loop, port], stdout=subprocess.PIPE, text=True, check=True)
            rate, cost = map(float, found.stdout.split())
            lines.append(Line(f"head-end: sessions collected a second, {loop}", rate, unit="/s"))
            lines.append(Line(f"head-end: processor time of a session, {loop}", cost))
        finally:
            device.terminate()
            device.wait()
    return lines


async def _device() -> None:
    from bench import world
    from cosem.io.server import DeviceServer

    server = DeviceServer(world.meter(3).device)
    _, port = await server.start()
    print(port, flush=True)
    await asyncio.Event().wait()


async def _collect(port: int) -> tuple[float, float]:
    from bench import world
    from cosem.client.core import ClientOptions
    from cosem.client.keyfile import DeviceKeys
    from cosem.client.table import Column
    from cosem.device.meter import _LOAD_COLUMNS
    from cosem.headend.collector import Collector, Slice
    from cosem.headend.counters import DatabaseCounterStore
    from cosem.headend.database import open_database
    from cosem.headend.intervals import Intervals
    from cosem.headend.inventory import Inventory, Kind, NewDevice
    from cosem.headend.permits import Limits, Permits
    from cosem.headend.plans import Plan, Plans
    from cosem.headend.reading import ProfileReading
    from cosem.headend.service import settle
    from cosem.headend.session import Target, Wanted
    from cosem.obis import obis

    end = int(datetime(2026, 10, 20, tzinfo=UTC).timestamp())
    url = f"tcp://127.0.0.1:{port}?client=1&auth=high-gmac&security=both&timeout=60"
    limits = Limits(CONCURRENT, 1e9)
    rates, costs = [], []
    with tempfile.TemporaryDirectory() as folder:
        engine = open_database(Path(folder) / "headend.db")
        intervals = Intervals(Path(folder) / "intervals")
        with engine.begin() as connection:
            inventory = Inventory(connection)
            street = inventory.set_segment("street", limits)
            numbers = [
                inventory.add(NewDevice(f"meter {n}", Kind.ELECTRICITY, None, "street", url), end)
                for n in range(DEVICES)
            ]
            channel = inventory.channel("1-0:1.8.0.255", "Wh", 0)
            plan = Plans(connection).save(Plan("night", "15 0 * * *"))
        columns = tuple(Column(item) for item in _LOAD_COLUMNS)
        channels = (None, None, channel, *[None] * (len(columns) - 3))
        wanted = (Wanted(ProfileReading(obis("1-0:99.1.0"), 900, columns, channels, 1), end - DAY, end),)
        collector = Collector(
            engine,
            intervals,
            DatabaseCounterStore(engine),
            clock=lambda: float(end),
            random=lambda: 0.5,
            options=ClientOptions(),
        )
        settle()
        for number in range(ROUNDS):
            with engine.begin() as connection:
                run = Plans(connection).begin(plan, end + number)
            # One meter stands for all: it tells its clients apart, and their counters, by their titles.
            targets = tuple(
                Target(
                    device,
                    f"meter {device}",
                    url,
                    DeviceKeys("meter", world.KEYS, client_system_title=b"HES" + device.to_bytes(5, "big")),
                    wanted,
                    lease=(number * 100, number * 100 + 100),
                )
                for device in numbers
            )
            begun, used = time.perf_counter(), time.process_time()
            slice_ = Slice(run, street, 0, targets, end + 1e6, tries=1)
            account = await collector.run(slice_, Permits(limits, asyncio.get_running_loop().time))
            rates.append(DEVICES / (time.perf_counter() - begun))
            costs.append((time.process_time() - used) / DEVICES)
            if account.read != DEVICES or account.values != 96 * DEVICES:
                raise SystemExit(f"not every session read a whole day: {dict(account.reasons)}")
            # As a head-end at work does every ten minutes: the next night finds nothing of the one before staged.
            with engine.begin() as connection:
                intervals.write(connection)
        engine.dispose()
    return statistics.median(rates), statistics.median(costs)


def headend_lists() -> list[Line]:
    """API and pages before ten thousand devices, a year of their daily values, and a month of quarters."""
    lines = []
    with tempfile.TemporaryDirectory() as folder, _served(Path(folder)) as (port, whole, half):
        connection = http.client.HTTPConnection("127.0.0.1", port)

        def line(name: str, path: str, goal: float | None, headers: dict[str, str]) -> None:
            lines.append(Line(name, _median(connection, headers, path) * 1000, goal, unit="ms"))

        token = {"Authorization": f"Bearer {whole}"}
        for name, path in LISTS.items():
            line(f"API: {name}", path, 100, token)
        for name, path in NARROWED.items():
            line(f"API: {name}", path, 100, {"Authorization": f"Bearer {half}"})
        line("API: a device's month of quarters", MONTH, 50, token)
        line("API: a year's totals of all devices", TOTALS, None, token)
        cookie = {"Cookie": _signed_in(connection)}
        for name, path in PAGES.items():
            line(f"page: {name}", path, 200, cookie)
        connection.close()
    return lines


def _signed_in(connection: http.client.HTTPConnection) -> str:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/sign-in", urlencode({"name": "bench", "password": PASSWORD}), form)
    answer = connection.getresponse()
    answer.read()
    if answer.status != 303:
        raise SystemExit(f"nobody is signed in: {answer.status}")
    return (answer.headers["Set-Cookie"] or "").partition(";")[0]


def _median(connection: http.client.HTTPConnection, headers: dict[str, str], path: str) -> float:
    seconds = []
    for _ in range(15):
        begun = time.perf_counter()
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        seconds.append(time.perf_counter() - begun)
        if answer.status != 200 or len(body) < 3:
            raise SystemExit(f"{path}: {answer.status} {body[:200]!r}")
    return statistics.median(seconds[1:])


@contextmanager
def _served(folder: Path) -> Any:
    import uvicorn
    from argon2 import PasswordHasher

    from cosem.headend.access import Role, issue
    from cosem.headend.campaign import NewCampaign
    from cosem.headend.engine import Headend, HeadendSettings
    from cosem.headend.plans import Selection
    from cosem.headend.vault import Vault
    from cosem.headend.web.accounts import add_account
    from cosem.headend.web.site import create_site
    from cosem.headend.work import Elsewhere

    headend = Headend(
        HeadendSettings(folder), Elsewhere(), clock=time.time, random=lambda: 0.5, sealer=Vault(bytes(32))
    )
    with headend.engine.begin() as connection:
        whole = issue(connection, "bench", Role.ADMINISTRATOR, "bench", START)
        add_account(connection, "bench", PasswordHasher().hash(PASSWORD), Role.ADMINISTRATOR, "bench", START)
        _fill(connection, headend)
        half = issue(connection, "half", Role.OPERATOR, "bench", START, group="half")
    content = {"commands": [{"kind": "message", "parameters": {"text": "Works on Monday"}}]}
    asyncio.run(headend.campaigns.begin(NewCampaign("spring", "commands", content, Selection()), "bench"))
    server = uvicorn.Server(uvicorn.Config(create_site(headend), port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    try:
        yield server.servers[0].sockets[0].getsockname()[1], whole, half
    finally:
        server.should_exit = True
        thread.join()
        headend.engine.dispose()


def _fill(connection: Any, headend: Any) -> None:
    import numpy as np
    from sqlalchemy import insert

    from cosem.headend.happenings import Happened, keep
    from cosem.headend.intervals import Series
    from cosem.headend.inventory import Inventory, Kind, State
    from cosem.headend.permits import Limits
    from cosem.headend.plans import Plan, Plans
    from cosem.headend.schema import device

    inventory = Inventory(connection)
    street = inventory.set_segment("street", Limits())
    row = {"kind": Kind.ELECTRICITY, "segment": street, "url": "tcp://127.0.0.1:9", "state": State.IN_USE}
    numbers = list(range(1, MANY + 1))
    connection.execute(
        insert(device), [{"name": f"meter {n}", "created": START, "changed": START, **row} for n in numbers]
    )
    behind = {**row, "kind": Kind.GAS, "url": None, "channel": 1, "created": START, "changed": START}
    connection.execute(insert(device), [{**behind, "name": f"gas {n}", "parent": n} for n in numbers])
    inventory.group("half", [f"meter {n}" for n in numbers[::2]] + ["meter 5000"])
    daily, quarters = inventory.channel("day", "Wh", 0), inventory.channel("quarter", "Wh", 0)
    plans = Plans(connection)
    first = plans.begin(plans.save(Plan("night", "15 0 * * *")), START)
    sql = connection.exec_driver_sql
    sql('UPDATE result SET tries = 1, finished = 1, "values" = 1')
    sql("UPDATE slice SET state = 'done'")
    for day in range(1, RUNS):
        sql("INSERT INTO plan_run (plan, start, deadline) VALUES (1, ?, ?)", (START + day * DAY, START))
        sql(
            'INSERT INTO result (run, device, slice, detail, tries, "values", finished) '
            "SELECT ?, device, slice, '', 1, 1, 1 FROM result WHERE run = ?",
            (first + day, first),
        )
        plans.finish(first + day, START + day * DAY + 3600)
    sql("INSERT INTO latest (device, channel, time, value) SELECT id, ?, ?, 1 FROM device", (daily, START + YEAR * DAY))
    happened = [
        Happened(number, START + number + 60 * again, "fraud", "cover opened", 40, alarming=not again)
        for number in (*numbers[:1000], 5000)
        for again in range(3)
    ]
    keep(connection, happened, START + YEAR * DAY)
    generator = np.random.default_rng(1)
    for channel, period, first, last in ((daily, DAY, 0, YEAR), (quarters, 900, YEAR - 31, YEAR)):
        for month in range(first, last, 31):
            until = min(last, month + 31)
            times = np.arange(START + month * DAY + period, START + until * DAY + 1, period)
            _files(connection, headend.intervals, numbers, channel, times, generator, Series)


def _files(
    connection: Any, intervals: Any, numbers: list[int], channel: int, times: Any, generator: Any, series: Any
) -> None:
    """Write files as a year of nights and compacting leaves them: one a month and shard."""
    for shard in range(intervals.shards):
        merged = {}
        for device in numbers:
            if device % intervals.shards == shard:
                values = generator.integers(0, 400, len(times)).cumsum() + device
                merged[device, channel] = series.of(device, channel, times, values)
        first, last = int(times[0]) // DAY, int(times[-1]) // DAY
        intervals._replace(connection, [], first, last, shard, merged)


def _main() -> None:
    role, loop, *rest = sys.argv[1:]
    factory = None
    if loop == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        if role == "device":
            runner.run(_device())
        else:
            print(*runner.run(_collect(int(rest[0]))))


if __name__ == "__main__":
    if sys.argv[1:2] == ["lists"]:
        print(json.dumps([line.to_json() for line in headend_lists()], indent=1))
    else:
        _main()
