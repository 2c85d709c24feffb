"""A slice is collected to the last device or its reason: real meters over loopback TCP, real files."""

from __future__ import annotations

import asyncio
import gc
import random
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import insert, select

from cosem.apdu import parse
from cosem.association.initiator import Initiator
from cosem.client.keyfile import DeviceKeys
from cosem.client.plan import Plan
from cosem.client.table import Column
from cosem.device.meter import _LOAD_COLUMNS
from cosem.headend.collector import Collector, Slice
from cosem.headend.counters import DatabaseCounterStore
from cosem.headend.database import open_database
from cosem.headend.intervals import Intervals
from cosem.headend.inventory import Inventory, Kind, NewDevice
from cosem.headend.permits import Limits, Permits
from cosem.headend.reading import ProfileReading
from cosem.headend.reasons import Reason
from cosem.headend.results import Fenced, take_over
from cosem.headend.schema import clock_check, counter, latest, plan, plan_run, progress, result
from cosem.headend.session import ClockPolicy, Target, Wanted, counter_name
from cosem.obis import obis
from cosem.security.keys import Keys
from support.served import DEVICE, END, MANAGEMENT, make_meter, scripted, served

UNTIL = int(END.timestamp())
SINCE = UNTIL - 86_400


class Office:
    """A head-end with one segment, a run, and what a plan would have made of it."""

    def __init__(self, folder) -> None:
        self.engine = open_database(folder / "headend.db")
        self.intervals = Intervals(folder / "intervals")
        self.counters = DatabaseCounterStore(self.engine)
        with self.engine.begin() as connection:
            inventory = Inventory(connection)
            self.segment = inventory.set_segment("here", Limits(10, 1000))
            self.channel = inventory.channel("1-0:1.8.0.255", "Wh", 0)
            channels = [None, None, self.channel, *[None] * (len(_LOAD_COLUMNS) - 3)]
            columns = tuple(Column(item) for item in _LOAD_COLUMNS)
            self.reading = ProfileReading(obis("1-0:99.1.0"), 900, columns, tuple(channels), 1)
            inventory.set_type("meter", "electricity", readings=[self.reading])
            connection.execute(insert(plan), {"id": 1, "name": "night", "what": "{}", "schedule": ""})
            connection.execute(insert(plan_run), {"id": 1, "plan": 1, "start": 0, "deadline": 0})
            self.epoch = take_over(connection, self.segment)

    def target(self, name: str, url: str, keys: DeviceKeys = DEVICE, **more) -> Target:
        with self.engine.begin() as connection:
            number = Inventory(connection).add(NewDevice(name, Kind.ELECTRICITY, "meter", "here", url), 0)
        return Target(number, name, url, keys, (Wanted(self.reading, SINCE, UNTIL),), **more)

    async def collect(self, *targets: Target, deadline: float = UNTIL + 3600, tries: int = 2):
        collector = Collector(
            self.engine,
            self.intervals,
            self.counters,
            clock=lambda: UNTIL + 5.0,
            random=random.Random(1).random,
            first_pause=0.05,
        )
        permits = Permits(Limits(10, 1000), asyncio.get_running_loop().time)
        return await collector.run(Slice(1, self.segment, self.epoch, targets, deadline, tries), permits)

    def rows(self, table) -> list:
        with self.engine.connect() as connection:
            return connection.execute(select(table)).all()

    def values(self, target: Target):
        with self.engine.connect() as connection:
            return self.intervals.read(connection, target.device, self.channel, SINCE, UNTIL + 1)


@pytest.fixture
def office(tmp_path):
    office = Office(tmp_path)
    yield office
    office.engine.dispose()


async def test_every_device_is_read_or_has_its_reason(office):
    with served(make_meter()) as meter, scripted(lambda octets: b"") as (host, port):
        good = office.target("good", meter.url())
        wrong = office.target("wrong key", meter.url(), replace(DEVICE, keys=Keys(bytes(16), bytes(16))))
        absent = office.target("absent", "tcp://127.0.0.1:9?client=1&auth=high-gmac&security=both&timeout=1")
        silent = office.target("silent", f"tcp://{host}:{port}?client=1&auth=high-gmac&security=both&timeout=0.2")
        account = await office.collect(good, wrong, absent, silent)
    assert account.read == 1
    # A meter does not tell whom it refuses why.
    assert account.reasons == {Reason.REFUSED: 1, Reason.UNREACHABLE: 1, Reason.SILENT: 1}
    assert account.devices == 4
    found = {row.device: row for row in office.rows(result)}
    assert found[good.device].reason is None
    assert found[good.device].values == 96
    assert found[wrong.device].tries == 1, "a wrong key stays wrong"
    assert found[absent.device].tries == found[silent.device].tries == 2
    assert found[absent.device].finished is None
    values = office.values(good)
    assert len(values) == 96
    assert (values.times[0], values.times[-1]) == (SINCE + 900, UNTIL)
    assert office.rows(progress) == [(good.device, "1-0:99.1.0.255", UNTIL)]
    assert office.rows(latest) == [(good.device, office.channel, UNTIL, values.values[-1])]


async def test_collected_twice_a_value_is_there_once(office):
    with served(make_meter()) as meter:
        target = office.target("good", meter.url())
        await office.collect(target)
        await office.collect(target)
    assert len(office.values(target)) == 96
    assert office.rows(result)[0].tries == 2


async def test_a_counter_that_was_leased_is_never_leased_again(office):
    with served(make_meter()) as meter:
        target = office.target("good", meter.url())
        for _ in range(3):
            assert (await office.collect(target)).read == 1
    (row,) = office.rows(counter)
    assert row.next == 300


def counters_of(aarqs: list[bytes]) -> list[int]:
    """Return the invocation counters of the initiate requests in AARQs."""
    carried = [parse(parse(octets[8:]).service.user_information).service for octets in aarqs]
    return [int.from_bytes(item.content[1:5], "big") for item in carried]


async def test_a_device_that_is_tried_again_never_gets_a_counter_twice(office):
    heard = []
    with scripted(heard.append) as (host, port):
        target = office.target("silent", f"tcp://{host}:{port}?client=1&auth=high-gmac&security=both&timeout=0.2")
        with office.engine.begin() as connection:
            name = counter_name(target.device, DEVICE)
            block = office.counters.lease_many(connection, {name: 7}, 100)[name]
        await office.collect(replace(target, lease=block), tries=3)
    used = counters_of(heard)
    assert used[0] == 7, "the block that was leased for it comes first"
    assert len(used) == len(set(used)) == 3
    assert min(used[1:]) >= 107, "and is not used again, as nobody knows how much of it was"


async def test_a_block_below_what_the_meter_asks_for_is_left_alone(office):
    with served(make_meter()) as meter:
        target = office.target("good", meter.url())
        assert (await office.collect(target)).read == 1
        # The meter names the counter it wants, or its counter is read first: both work from a block that is too old.
        assert (await office.collect(replace(target, lease=(0, 3)))).read == 1
        url = meter.url(**MANAGEMENT, counter="read")
        assert (await office.collect(replace(target, url=url, lease=(0, 3)))).read == 1


def machines() -> int:
    return sum(isinstance(item, (Initiator, Plan)) for item in gc.get_objects())


async def test_a_session_that_went_well_is_gone_without_the_garbage_collector(office):
    with served(make_meter()) as meter:
        good = office.target("good", meter.url())
        gc.collect()
        gc.disable()
        try:
            before = machines()
            assert (await office.collect(good)).read == 1
            assert machines() == before
        finally:
            gc.enable()


async def test_behind_the_deadline_nothing_is_begun(office):
    with served(make_meter()) as meter:
        target = office.target("good", meter.url())
        account = await office.collect(target, deadline=UNTIL)
    assert account.reasons == {Reason.NO_TIME: 1}
    assert account.sessions == 0


async def test_whoever_was_replaced_stores_nothing(office):
    with served(make_meter()) as meter:
        target = office.target("good", meter.url())
        with office.engine.begin() as connection:
            take_over(connection, office.segment)
        with pytest.raises(ExceptionGroup) as caught:
            await office.collect(target)
    assert caught.group_contains(Fenced)
    assert office.rows(result) == []
    assert len(office.values(target)) == 0


@pytest.mark.parametrize(("fast", "is_set"), [(40, True), (4, False), (7200, False)])
async def test_a_clock_is_set_within_the_policys_bounds_only(office, fast, is_set):
    meter = make_meter(end=datetime.fromtimestamp(UNTIL + 300 + fast, UTC))
    with served(meter) as running:
        target = office.target("clock", running.url(), clock=ClockPolicy())
        collector = Collector(
            office.engine, office.intervals, office.counters, clock=lambda: UNTIL + 300.0, random=random.random
        )
        permits = Permits(Limits(10, 1000), asyncio.get_running_loop().time)
        slice_ = Slice(1, office.segment, office.epoch, (target,), UNTIL + 3600)
        assert (await collector.run(slice_, permits)).read == 1
        shown = meter.clock.now
    (row,) = office.rows(clock_check)
    assert abs(row.offset - fast) <= 1
    assert (row.set_at is not None) is is_set
    assert abs(shown - (UNTIL + 300 + (0 if is_set else fast))) <= 2


async def test_a_meter_that_answers_nonsense_costs_its_own_session(office):
    with served(make_meter()) as meter, scripted(lambda octets: b"\x00\x01\xff\xff" * 10) as (host, port):
        good = office.target("good", meter.url())
        liar = office.target("liar", f"tcp://{host}:{port}?client=1&auth=high-gmac&security=both&timeout=0.3")
        account = await office.collect(good, liar)
    assert account.read == 1
    assert account.devices == 2
