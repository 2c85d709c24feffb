"""Fill a folder with a head-end that has lived for a while, and serve its pages.

    python examples/pages_demo.py FOLDER [--devices 240] [--serve 8080]

Everybody of PEOPLE signs in with the password below. Nothing answers behind these devices: the pages show what was.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import uvicorn
from sqlalchemy import insert, update

from cosem.headend.access import Role
from cosem.headend.audit import record
from cosem.headend.campaign import NewCampaign
from cosem.headend.engine import Headend, HeadendSettings
from cosem.headend.firmware import NewImage
from cosem.headend.happenings import Happened, keep
from cosem.headend.intervals import DAY, MISSING, Series
from cosem.headend.inventory import Inventory, Kind, NewDevice, State
from cosem.headend.permits import Limits
from cosem.headend.plans import Plan, Plans, Selection
from cosem.headend.quality import Quality
from cosem.headend.schema import campaign, campaign_device, clock_check, command, gap, latest, plan_run, result, slice_
from cosem.headend.vault import Purpose
from cosem.headend.web.accounts import accounts, add_account, hash_now
from cosem.headend.web.site import create_site
from cosem.headend.work import DbosQueue

PASSWORD = "a morning in november"
PEOPLE = {
    "anna": Role.ADMINISTRATOR,
    "omar": Role.OPERATOR,
    "sigrid": Role.SECOND_PERSON,
    "vera": Role.VIEWER,
    "flat 3": Role.HOUSEHOLD,
}
STREETS = (
    "Ahornweg",
    "Birkenallee",
    "Eichenhain",
    "Fichtenweg",
    "Kastanienring",
    "Lindenstraße",
    "Pappelweg",
    "Ulmenhof",
)
REASONS = ("silent", "unreachable", "busy", "wrong answer", "authentication")
ALARMS = (
    ("terminal cover opened", "fraud"), ("strong magnetic field", "fraud"), ("replay attack", "fraud"),
    ("battery low", "alarm"), ("clock invalid", "alarm"), ("phase L2 missing", "alarm"), ("last gasp", "push"),
)  # fmt: skip
DISCONNECTED = '{"control_state": "disconnected", "output": false, "control_mode": 2}'
LOG = ("power down", "power up", "clock adjusted", "parameter changed")


class Waiting:
    """Work that is asked for and never carried out."""

    def handle(self, kind, handler) -> None:
        pass

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def submit(self, kind, identity, content, **options) -> None:
        pass


def people(headend: Headend, now: int) -> None:
    with headend.engine.begin() as connection:
        if accounts(connection):
            return
        hashed = hash_now(PASSWORD)
        for name, role in PEOPLE.items():
            group = "flat 3" if role is Role.HOUSEHOLD else None
            add_account(connection, name, hashed, role, "setup", now, group=group)


def fill(headend: Headend, count: int, now: int, chance: random.Random) -> None:
    """Make devices, a fortnight of runs, values, alarms and commands."""
    with headend.engine.begin() as connection:
        inventory = Inventory(connection)
        for street in STREETS:
            inventory.set_segment(street, Limits(20, 10.0))
        energy = inventory.channel("1-0:1.8.0.255", "Wh", 0)
        daily = inventory.channel("1-0:1.8.0.255 daily", "Wh", 0)
        voltage = inventory.channel("1-0:32.7.0.255", "V", -1, cumulative=False)
        gas = inventory.channel("7-0:3.0.0.255", "m³", -3)
        water = inventory.channel("8-0:1.0.0.255", "m³", -3)
        inventory.set_type("EL-3 single phase", "electricity", manufacturer="CSM")
        inventory.set_type("G4 diaphragm", "gas", manufacturer="CSM")
        inventory.set_type("WM-15 ultrasonic", "water", manufacturer="CSM")
        numbers: list[tuple[int, Kind]] = []
        for index in range(count):
            street = STREETS[index % len(STREETS)]
            place = f"{street} {index // len(STREETS) + 1}"
            name = f"1CSM{4_200_000 + index:07}"
            made = NewDevice(
                name, Kind.ELECTRICITY, "EL-3 single phase", street, f"tcp://127.0.0.1:{9}",
                f"43534D{index + 1:010X}", place=place, tags=("prepaid",) if index % 9 == 0 else (),
            )  # fmt: skip
            numbers.append((inventory.add(made, now - 300 * DAY), Kind.ELECTRICITY))
            inventory.move(name, State.IN_USE, now - 299 * DAY)
            if index % 3 == 0 and count <= 1000:
                child = f"7CSM{4_300_000 + index:07}"
                numbers.append((inventory.add(
                    NewDevice(child, Kind.GAS, "G4 diaphragm", street, parent=name, channel=1, place=place),
                    now - 300 * DAY,
                ), Kind.GAS))  # fmt: skip
                inventory.move(child, State.IN_USE, now - 299 * DAY)
            if index % 4 == 0 and count <= 1000:
                child = f"8CSM{4_400_000 + index:07}"
                numbers.append((inventory.add(
                    NewDevice(child, Kind.WATER, "WM-15 ultrasonic", street, parent=name, channel=2, place=place),
                    now - 300 * DAY,
                ), Kind.WATER))  # fmt: skip
                inventory.move(child, State.IN_USE, now - 299 * DAY)
        inventory.group("flat 3", ["1CSM4200000", *(["7CSM4300000", "8CSM4400000"] if count <= 1000 else [])])
        meters = [number for number, kind in numbers if kind is Kind.ELECTRICITY]
        for number in meters[:500]:
            keys = {Purpose.UNICAST: bytes(range(16)), Purpose.AUTHENTICATION: bytes(range(16, 32))}
            headend.keys.put(connection, number, keys, now - 200 * DAY)
        _values(headend, connection, numbers, (energy, daily, voltage, gas, water), now, chance)
        _runs(connection, meters, now, chance)
        _happenings(connection, numbers, now, chance)
        _commands(connection, meters, now)
        record(connection, now - 3600, "omar", "save plan", "night", after={"schedule": "0 0 * * *"})


def _values(headend, connection, numbers, channels, now, chance) -> None:
    energy, daily, voltage, gas, water = channels
    make = np.random.default_rng(7)
    quarter = np.arange(now // 900 * 900 - 40 * DAY, now // 900 * 900 + 1, 900)
    hours = (quarter % DAY) / 3600
    shape = 60 + 90 * np.exp(-((hours - 7) ** 2) / 4) + 160 * np.exp(-((hours - 19) ** 2) / 6)
    year = (now // DAY - 365 + np.arange(366)) * DAY
    season = 9000 + 4000 * np.cos((year / DAY % 365 - 15) / 365 * 2 * np.pi)
    came, rows = [], []
    for index, (number, kind) in enumerate(numbers):
        if kind is Kind.ELECTRICITY:
            totals = 4_000_000 + np.cumsum(season * make.uniform(0.7, 1.3, len(year))).astype(np.int64)
            came.append(Series.of(number, daily, year, totals))
            rows.append((number, daily, int(year[-1]), int(totals[-1])))
            if index < 60:
                steps = (shape * make.uniform(0.5, 1.6, len(quarter))).astype(np.int64)
                values = totals[-40] + np.cumsum(steps)
                rows.append((number, energy, int(quarter[-1]), int(values[-1])))
                quality = np.zeros(len(values), np.uint8)
                estimates = np.full(len(values), MISSING)
                hole = slice(len(values) - 70, len(values) - 60)
                if index % 5 == 0:
                    estimates[hole] = values[hole]
                    values[hole] = MISSING
                    quality[hole] = Quality.MISSING | Quality.ESTIMATED
                came.append(Series.of(number, energy, quarter, values, quality, estimates))
                volts = (2300 + 40 * np.sin(hours / 24 * 6.28) + make.normal(0, 12, len(quarter))).astype(np.int64)
                came.append(Series.of(number, voltage, quarter, volts))
                rows.append((number, voltage, int(quarter[-1]), int(volts[-1])))
        else:
            channel, most = (gas, 400) if kind is Kind.GAS else (water, 40)
            hourly = quarter[::4]
            values = 900_000 + np.cumsum(make.integers(0, most, len(hourly)))
            came.append(Series.of(number, channel, hourly, values))
            rows.append((number, channel, int(hourly[-1]), int(values[-1])))
    _directly(headend, connection, came)
    connection.execute(
        insert(latest), [dict(zip(("device", "channel", "time", "value"), row, strict=True)) for row in rows]
    )
    connection.execute(insert(clock_check), [
        {"device": number, "at": now - 3600, "offset": chance.choice((-2, -1, 0, 0, 1, 3, 11))} for number, _ in numbers
    ])  # fmt: skip


def _directly(headend, connection, came) -> None:
    """Write many devices' values month by month: a year of days would be thousands of small files."""
    days = sorted({int(item.times[0]) // DAY for item in came} | {int(item.times[-1]) // DAY for item in came})
    edges = np.arange(days[0], days[-1] + 31, 30)
    for low, high in pairwise(edges):
        for shard in range(headend.intervals.shards):
            part = {
                (item.device, item.channel): item.between(int(low) * DAY, int(high) * DAY)
                for item in came
                if item.device % headend.intervals.shards == shard
            }
            part = {key: item for key, item in part.items() if len(item)}
            if part:
                headend.intervals._replace(connection, [], int(low), int(high) - 1, shard, part)


def _runs(connection, meters, now, chance) -> None:
    plans = Plans(connection)
    night = plans.save(Plan("night", "0 0 * * *", 6 * 3600, Selection((Kind.ELECTRICITY,))))
    plans.save(Plan("prepaid, each hour", "10 * * * *", 1800, Selection(tags=("prepaid",)), zone="Europe/Berlin"))
    places = dict(Plans(connection).devices(Selection()))
    bad = set(chance.sample(meters, max(3, len(meters) // 60)))
    first = (now - 5400) // DAY * DAY - 3600
    for ago in range(13, -1, -1):
        start = first - ago * DAY
        if start + 6 * 3600 > now and ago:
            continue
        over = start + 6 * 3600 <= now
        made = connection.execute(insert(plan_run), {
            "plan": night, "start": start, "deadline": start + 6 * 3600, "finished": start + 6 * 3600 if over else None
        })  # fmt: skip
        run = made.inserted_primary_key[0]
        work = {}
        for place in set(places.values()):
            row = {"run": run, "segment": place, "state": "done" if over else "waiting"}
            work[place] = connection.execute(insert(slice_), row).inserted_primary_key[0]
        weak = chance.choice(sorted(set(places.values())))
        rows = []
        for number in meters:
            odds = 0.6 if number in bad else 0.09 if places[number] == weak and ago in (3, 4, 9) else 0.004
            failed = chance.random() < odds
            at = start + int(chance.triangular(0, 4.5 * 3600, 5000))
            reason = chance.choice(REASONS) if failed else None
            rows.append({
                "run": run, "device": number, "slice": work[places[number]], "reason": reason,
                "detail": "no answer within 30 s" if reason == "silent" else "", "tries": 4 if failed else 1,
                "values": 0 if failed else 97, "finished": at if at < now else None,
            })  # fmt: skip
            if at >= now and not failed:
                rows[-1].update(tries=0, values=0)
        connection.execute(insert(result), rows)
        holes = [
            {"device": number, "profile": "1-0:99.1.0.255", "first": start + 7200, "last": start + 10800, "tries": 2}
            for number in chance.sample(sorted(bad), 2)
        ]
        connection.execute(insert(gap), holes)


def _happenings(connection, numbers, now, chance) -> None:
    happened = []
    for number, _ in chance.sample(numbers, min(len(numbers), 90)):
        for _ in range(chance.randrange(1, 6)):
            at = now - chance.randrange(20 * DAY)
            happened.append(Happened(number, at, "standard", chance.choice(LOG), code=chance.randrange(1, 60)))
    for number, _ in chance.sample(numbers, min(len(numbers), 17)):
        words, group = chance.choice(ALARMS)
        for _ in range(chance.choice((1, 1, 1, 3, 12))):
            at = now - chance.randrange(2 * DAY)
            happened.append(Happened(number, at, group, words, source="push", alarming=True))
    keep(connection, happened, now)


def _commands(connection, meters, now) -> None:
    states = (
        (0, "disconnect", "unconfirmed", 240),
        (1, "disconnect", "done", 7200),
        (1, "reconnect", "done", 3600),
        (2, "clock", "done", 9000),
        (3, "message", "failed", 15000),
        (4, "invoke", "uncertain", 20000),
    )
    for index, kind, state, ago in states:
        bundle = f"demo-{kind}-{state}-{index}"
        connection.execute(insert(command), {
            "id": f"{bundle}.0", "bundle": bundle, "position": 0, "device": meters[index], "kind": kind,
            "parameters": '{"text": "Power will be off on Monday."}' if kind == "message" else "{}", "state": state,
            "requested_by": "omar", "requested": now - ago, "not_after": now - ago + DAY,
            "confirmed_by": "sigrid" if kind == "disconnect" and state == "done" else None,
            "finished": now - ago + 40 if state in ("done", "failed") else None,
            "answer": DISCONNECTED if (kind, state) == ("disconnect", "done") else None,
            "detail": "not supported: the port takes no text" if state == "failed" else "",
        })  # fmt: skip


async def campaigns(headend: Headend, now: int, chance: random.Random) -> None:
    """Make an image, a campaign of it that was paused half way, and one of commands that waits for a second person."""
    upload = headend.firmware.upload()
    upload.write(chance.randbytes(180_000))
    item = NewImage("EL-3 metrology 2.4", "2.4.0", ("EL-3 single phase",), from_versions=("2.3.1", "2.3.2"))
    headend.firmware.add(item, upload, upload.digest, "anna")
    chosen = Selection(types=("EL-3 single phase",))
    made = NewCampaign("metrology 2.4", "firmware", {"image": item.identifier}, chosen, (1, 100, 1.0), gate=True)
    row = await headend.campaigns.begin(made, "anna")
    said = {
        "done": "",
        "failed": "silent: no answer within 30 s",
        "skipped": "the image does not follow version 2.2.9",
        "waiting": "interrupted",
    }
    with headend.engine.begin() as connection:
        members = headend.campaigns.devices(row.id, limit=1000)
        for member in [each for each in members if each["stage"] < 2]:
            states = chance.choices(list(said), (90, 2, 4, 0 if member["stage"] == 0 else 30))
            where = (campaign_device.c.campaign == row.id, campaign_device.c.device == member["device"])
            values = {"state": states[0], "detail": said[states[0]], "tries": 1}
            if states[0] != "waiting":
                values["finished"] = now - chance.randrange(7200)
            connection.execute(update(campaign_device).where(*where).values(**values))
        connection.execute(update(campaign).where(campaign.c.id == row.id).values(stage=1))
    await headend.campaigns.pause(made.name, "omar")
    street = Selection(tags=("prepaid",))
    content = {"commands": [{"kind": "disconnect"}]}
    await headend.campaigns.begin(NewCampaign("prepaid without credit", "commands", content, street), "omar")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--devices", type=int, default=240)
    parser.add_argument("--serve", type=int, metavar="PORT")
    given = parser.parse_args()
    queue = Waiting() if given.serve is None else DbosQueue(given.folder / "work.db")
    settings = HeadendSettings(given.folder, two_persons=frozenset({"disconnect"}))
    fresh = not (given.folder / "headend.db").exists()
    now = int(time.time())
    if fresh:
        # Nothing of what is made here is carried out.
        maker = Headend(settings, Waiting(), clock=time.time, random=random.random)
        fill(maker, given.devices, now, random.Random(5))
        await campaigns(maker, now, random.Random(6))
        maker.engine.dispose()
    headend = Headend(settings, queue, clock=time.time, random=random.random)
    people(headend, now)
    if given.serve is not None:
        await headend.start(schedule=False)
        print(f"http://127.0.0.1:{given.serve}/ as {', '.join(PEOPLE)}; password: {PASSWORD}")
        config = uvicorn.Config(
            create_site(headend), "127.0.0.1", given.serve, log_level="warning", timeout_graceful_shutdown=2
        )
        await uvicorn.Server(config).serve()
        await headend.close()
    headend.engine.dispose()


if __name__ == "__main__":
    asyncio.run(main())
