"""A head-end and simulated houses whose time passes together: meters, what hangs on their M-Bus, concentrators."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from sqlalchemy import select

from cosem.client.core import ClientOptions
from cosem.headend.engine import Headend, HeadendSettings
from cosem.headend.inventory import Inventory, Kind, NewDevice, State
from cosem.headend.plans import DAY, Plan, Plans
from cosem.headend.schema import channel, latest, result
from cosem.headend.vault import Vault
from cosem.io.server import DeviceServer, serving
from cosem.simulator.meter import simulated_meter
from support.offices import QUERY, SECRETS, TaskQueue, hasten, prepare
from support.served import END

NOW = int(END.timestamp())
HOUR = 3600


class House:
    """A head-end, and what is served to it; `play` lets the time of both pass."""

    def __init__(self, folder, settings=None, **devices) -> None:
        prepare(folder)
        options = ClientOptions(retries=0, reconnects=0)
        chosen = HeadendSettings(folder, options=options, first_pause=0.01, **settings or {})
        self.now = float(NOW + 60)
        self.queue = TaskQueue()
        self.headend = Headend(chosen, self.queue, clock=lambda: self.now, random=lambda: 0.5, sealer=Vault(bytes(32)))
        hasten(self.headend.engine)
        self.devices = SimpleNamespace(**devices)

    def play(self, seconds: int) -> None:
        self.now += seconds
        for device in vars(self.devices).values():
            device.advance(int(self.now) - 60)

    def add(self, name: str, kind: Kind, url: str | None = None, **more) -> int:
        with self.headend.engine.begin() as connection:
            inventory = Inventory(connection)
            number = inventory.add(NewDevice(name, kind, url=url, **more), NOW)
            inventory.move(name, State.IN_USE, NOW)
            if url is not None:
                self.headend.keys.put(connection, number, SECRETS, NOW)
        return number

    def change(self, act) -> None:
        with self.headend.engine.begin() as connection:
            act(Inventory(connection), int(self.now))

    async def run(self, **what) -> dict[str, tuple[str | None, str, int]]:
        """Carry a plan out; return reason, detail and values of each device."""
        with self.headend.engine.begin() as connection:
            plan = Plans(connection).save(Plan("night", "15 0 * * *", **{"depth": 1, "clock": False} | what))
        self.now += 1
        run = await self.headend.run(plan, spread=False)
        await self.headend.finished(run)
        with self.headend.engine.connect() as connection:
            rows = connection.execute(select(result).where(result.c.run == run)).all()
            names = {
                number: row.name for number, row in Inventory(connection).by_number(r.device for r in rows).items()
            }
        return {names[row.device]: (row.reason, row.detail, row.values) for row in rows}

    def latest(self, number: int) -> dict[str, tuple[int, int]]:
        with self.headend.engine.connect() as connection:
            query = select(channel.c.name, latest.c.time, latest.c.value).join(
                channel, channel.c.id == latest.c.channel
            )
            return {
                row.name: (row.time, row.value) for row in connection.execute(query.where(latest.c.device == number))
            }

    def values(self, number: int, name: str):
        with self.headend.engine.connect() as connection:
            where = connection.execute(select(channel.c.id).where(channel.c.name == name)).scalar_one()
            return self.headend.intervals.read(connection, number, where, NOW - 10 * DAY, NOW + 10 * DAY)


def query(**more: str) -> str:
    return "&".join(f"{name}={value}" for name, value in (QUERY | {"timeout": "2"} | more).items())


@contextmanager
def metered_house(folder, **settings: Any) -> Iterator[House]:
    """Return a head-end, and a meter with gas, water by radio and heat behind it."""
    meter = simulated_meter(seed=1, end=END, days=1.2, utilities=("gas", "water-radio", "heat"))
    with serving(DeviceServer(meter.device)) as ((host, port),):
        house = House(folder, settings, meter=meter)
        house.numbers = {"meter": house.add("meter", Kind.ELECTRICITY, f"tcp://{host}:{port}?{query()}")}
        for place, (name, kind) in enumerate((("gas", Kind.GAS), ("water", Kind.WATER), ("heat", Kind.HEAT)), 1):
            house.numbers[name] = house.add(name, kind, parent="meter", channel=place)
        try:
            yield house
        finally:
            house.headend.engine.dispose()
