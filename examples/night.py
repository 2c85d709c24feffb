"""A night of a small neighbourhood with an outage, silent meters and fraud, read to the last device.

A cover that is opened stands in the list of alarms within two seconds; pandas and DuckDB open what was exported.

    pip install 'cosem[headend]' pandas
"""

import asyncio
import json
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from cosem.client.gas import HOURLY_ARCHIVE
from cosem.headend import query
from cosem.headend.engine import HeadendSettings
from cosem.headend.exchange import import_rows, read_rows
from cosem.headend.exports import channels_of, names_of, write_parquet
from cosem.headend.folder import make_folder
from cosem.headend.happenings import alarms
from cosem.headend.intake import Intake
from cosem.headend.inventory import Inventory
from cosem.headend.learning import adopt, learn
from cosem.headend.permits import Limits
from cosem.headend.plans import Plan, Plans
from cosem.headend.service import learn_senders, working
from cosem.headend.session import Outcome
from cosem.headend.vault import Vault
from cosem.obis import obis
from cosem.simulator.neighbourhood.layout import NeighbourhoodSettings
from cosem.simulator.neighbourhood.neighbourhood import Neighbourhood
from cosem.simulator.neighbourhood.served import served
from cosem.simulator.neighbourhood.shipment import DEMO_TRANSPORT_KEY, shipment

COUNTED = ("1-0:1.8.0.255", "0-0:24.2.1.255")
"""Active energy of electricity meters, and what M-Bus meters count, whichever channel they are on."""
MORNING = datetime(2026, 11, 25, 6, tzinfo=UTC)


async def main(folder: Path) -> None:
    why: list[Outcome] = []
    neighbours = Neighbourhood(NeighbourhoodSettings(meters=24, utilities=12, power_line=4), int(MORNING.timestamp()))
    make_folder(folder)
    Vault.find(folder, create=True)
    async with (
        served(neighbours) as service,
        working(HeadendSettings(folder, first_pause=0.5), schedule=False, clock=lambda: neighbours.now) as headend,
    ):
        # The factory's file says what there is and how it is reached; its keys are wrapped.
        rows = read_rows(json.dumps(shipment(neighbours, "127.0.0.1", service.ports)), transport_key=DEMO_TRANSPORT_KEY)
        with headend.engine.begin() as connection:
            inventory = Inventory(connection)
            for name in {row.device.segment for row in rows}:
                inventory.set_segment(name, Limits(concurrent=20, new_per_second=100.0))
            for kind, name in {(row.device.kind, row.device.type) for row in rows}:
                inventory.set_type(name, kind)
            import_rows(connection, headend.keys, rows, "example", neighbours.now)
            every = inventory.page(limit=1000)
            spoken_to = [row for row in every if row.url and row.kind != "concentrator"]
            # The first of each type is asked what its profile captures.
            by_type = {row.type: row for row in reversed(spoken_to)}
        for row in by_type.values():
            async with headend.meter(row.id) as meter:
                profile = HOURLY_ARCHIVE if row.kind == "converter" else "1-0:99.1.0.255"
                learned = await learn(meter, [obis(profile)])
            with headend.engine.begin() as connection:
                adopt(connection, row.name, learned, "example", neighbours.now)

        # The night is read now, gas, water and heat in the association of what they hang behind: of those nothing has
        # to be learned. Every device is accounted for: read, or why not.
        headend.listeners.append(lambda run, outcome: why.append(outcome) if outcome.reason else None)
        with headend.engine.begin() as connection:
            plan = Plans(connection).save(Plan("night", "10 0 * * *", depth=1, events=("standard", "fraud")))
        account = await headend.finished(await headend.run(plan, spread=False))
        print("account:", dict(sorted(account.items())))
        names = {row.id: row.name for row in every}
        for outcome in sorted(why, key=lambda outcome: names[outcome.device]):
            print(f"  {names[outcome.device]}: {outcome.reason}; {outcome.detail.partition('. ')[0]}")

        # A cover is opened: the meter pushes its alarm, and it stands in the list.
        intake = Intake(headend.engine, clock=headend.clock)
        learn_senders(headend, intake)
        service.push_to(f"127.0.0.1:{await intake.start('127.0.0.1', 0)}")
        begun = time.monotonic()
        neighbours.act("E-003", "terminal cover opened")
        while not (found := fraud_of(headend, "E-003")):
            await asyncio.sleep(0.02)
        took = "less" if time.monotonic() - begun < 2 else "more"
        print(f"fraud at E-003: {found[0].kind}, in the list after {took} than 2 s")
        await intake.close()

        # What was read, for others.
        values = folder / "values.parquet"
        with headend.engine.connect() as connection:
            channels = channels_of(connection)
            counted = [number for number, channel in channels.items() if channel.name.startswith(COUNTED)]
            day = neighbours.now - 86_400
            batches = query.values(connection, headend.intervals, day, neighbours.now + 1, channels=counted)
            print(write_parquet(values, batches, names_of(connection), channels), "values exported")
    counting = duckdb.sql(
        "SELECT channel, unit, count(DISTINCT device) AS meters, count(*) FILTER (quality = 0) AS good "
        f"FROM '{values}' GROUP BY ALL ORDER BY channel"
    )
    for row in counting.fetchall():
        print("DuckDB:", *row)
    try:
        import pandas
    except ImportError:
        print("pandas is not here")
    else:
        frame = pandas.read_parquet(values)
        print("pandas:", frame.groupby("device")["value"].agg(["min", "max"]).shape)


def fraud_of(headend, name):
    with headend.engine.connect() as connection:
        return alarms(connection, fraud=True, device_number=Inventory(connection).get(name).id)


with tempfile.TemporaryDirectory() as made:
    asyncio.run(main(Path(made)))
