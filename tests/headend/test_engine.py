"""A plan is carried out to the last device or its reason, night after night, also over a restart."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import insert, select, update

from cosem.client.core import ClientOptions
from cosem.client.table import Column
from cosem.device.meter import _LOAD_COLUMNS
from cosem.errors import ConfigError
from cosem.headend.engine import Headend, HeadendSettings
from cosem.headend.happenings import alarms, events
from cosem.headend.intervals import MISSING
from cosem.headend.inventory import Inventory, Kind, NewDevice, State
from cosem.headend.permits import Limits
from cosem.headend.plans import DAY, Plan, Plans, Selection, slot
from cosem.headend.quality import Quality
from cosem.headend.reading import ProfileReading
from cosem.headend.schema import counter, gap, idempotency, result
from cosem.headend.vault import Purpose
from cosem.headend.work import DbosQueue
from cosem.obis import obis
from cosem.simulator.meter import DEMO_KEYS
from support import offices
from support.served import END, MANAGEMENT, make_meter, served

NOW = int(END.timestamp())


class Clock:
    def __init__(self) -> None:
        self.now = float(NOW + 60)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def office(tmp_path):
    """Return what makes a head-end of one folder, started; it may be made again after the first was closed."""
    made: list[Headend] = []

    async def make(clock: Clock) -> Headend:
        settings = HeadendSettings(tmp_path, options=ClientOptions(), first_pause=0.05)
        headend = Headend(settings, DbosQueue(tmp_path / "work.db", poll=0.05), clock=clock, random=lambda: 0.5)
        await headend.start(schedule=False)
        made.append(headend)
        return headend

    yield make
    for headend in made:
        await headend.close()


def fill(headend: Headend, urls: dict[str, str]) -> int:
    """Put devices and one plan for all of them in; return the plan's number."""
    with headend.engine.begin() as connection:
        inventory = Inventory(connection)
        inventory.set_segment("street", Limits(5, 500))
        channel = inventory.channel("1-0:1.8.0.255", "Wh", 0)
        columns = tuple(Column(item) for item in _LOAD_COLUMNS)
        channels = (None, None, channel, *[None] * (len(columns) - 3))
        reading = ProfileReading(obis("1-0:99.1.0"), 900, columns, channels, 1)
        inventory.set_type("meter", "electricity", readings=[reading])
        for name, url in urls.items():
            number = inventory.add(NewDevice(name, Kind.ELECTRICITY, "meter", "street", url), NOW)
            inventory.move(name, State.IN_USE, NOW)
            keys = {
                Purpose.UNICAST: DEMO_KEYS.global_unicast_encryption_key,
                Purpose.AUTHENTICATION: DEMO_KEYS.authentication_key,
            }
            headend.keys.put(connection, number, keys, NOW)
        return Plans(connection).save(Plan("night", "15 0 * * *", depth=1))


async def test_a_run_reads_every_device_or_says_why_not_and_the_next_asks_for_what_is_new(office):
    clock = Clock()
    headend = await office(clock)
    meter = make_meter()
    with served(meter) as running:
        query = "&".join(f"{name}={value}" for name, value in MANAGEMENT.items())
        absent = f"tcp://127.0.0.1:9?{query}&timeout=0.5"
        plan = fill(headend, {"good": running.url(), "absent": absent})
        run = await headend.run(plan, spread=False)
        assert await headend.finished(run) == {"read": 1, "unreachable": 1}
        with headend.engine.connect() as connection:
            rows = {row.device: row for row in connection.execute(select(result))}
        assert rows[1].values == 96
        assert rows[2].tries == 4
        meter.advance(NOW + 3600)
        clock.now = NOW + 3660.0
        with headend.engine.begin() as connection:
            Inventory(connection).move("absent", State.REMOVED, NOW)
        run = await headend.run(plan, spread=False)
        assert await headend.finished(run) == {"read": 1}
    with headend.engine.connect() as connection:
        values = headend.intervals.read(connection, 1, 1, NOW - DAY, NOW + DAY)
        assert connection.execute(select(result.c["values"]).where(result.c.run == run)).scalar_one() == 4
    assert (values.times[1:] - values.times[:-1] == 900).all()
    assert values.times[-1] == NOW + 3600


async def test_a_row_that_a_slow_clock_has_not_written_yet_is_read_the_next_time(office):
    clock = Clock()
    headend = await office(clock)
    meter = make_meter()
    with served(meter) as running:
        plan = fill(headend, {"slow": running.url()})
        # It is asked for the row of this moment a minute before it has it.
        clock.now = NOW + 900 + 5.0
        meter.advance(NOW + 840)
        assert await headend.finished(await headend.run(plan, spread=False)) == {"read": 1}
        meter.advance(NOW + 1800)
        clock.now = NOW + 1800 + 5.0
        assert await headend.finished(await headend.run(plan, spread=False)) == {"read": 1}
    with headend.engine.connect() as connection:
        values = headend.intervals.read(connection, 1, 1, NOW - 900, NOW + DAY)
        assert values.times.tolist() == [NOW - 900, NOW, NOW + 900, NOW + 1800]
        assert not connection.execute(select(gap)).all()


async def test_a_gap_between_two_nights_is_asked_for_a_few_times_and_forgotten_when_it_is_filled(office):
    clock = Clock()
    headend = await office(clock)
    meter = make_meter()
    with served(meter) as running:
        plan = fill(headend, {"good": running.url()})

        async def night(at: int) -> int:
            meter.advance(at)
            clock.now = at + 60.0
            run = await headend.run(plan, spread=False)
            assert await headend.finished(run) == {"read": 1}
            with headend.engine.connect() as connection:
                return connection.execute(select(result.c["values"]).where(result.c.run == run)).scalar_one()

        def gaps() -> list[tuple[int, int, int]]:
            with headend.engine.connect() as connection:
                return [(row.first, row.last, row.tries) for row in connection.execute(select(gap))]

        await night(NOW)
        meter.advance(NOW + 900)
        lost = meter.load_profile.rows[-1]
        meter.load_profile.rows.remove(lost)
        assert await night(NOW + 1800) == 1
        hole = (NOW + 900, NOW + 1800)
        assert gaps() == [(*hole, 0)]
        for tries in range(1, 6):
            assert await night(NOW + 1800 + tries * 900) == 1 + tries, "all behind the gap once more"
            assert gaps() == [(*hole, tries)]
        assert await night(NOW + 7200) == 1, "often enough"
        with headend.engine.connect() as connection:
            held = headend.intervals.read(connection, 1, 1, NOW, NOW + 2700)
        assert held.times.tolist() == [NOW, NOW + 900, NOW + 1800]
        assert held.values[1] == MISSING, "an estimate is never in the place of what was said"
        assert held.values[0] <= held.estimates[1] <= held.values[2]
        assert held.quality[1] == Quality.MISSING | Quality.ESTIMATED
        # Whoever asks for it again by hand finds it.
        with headend.engine.begin() as connection:
            connection.execute(update(gap).values(tries=4))
        at = next(index for index, row in enumerate(meter.load_profile.rows) if row.time > lost.time)
        meter.load_profile.rows.insert(at, lost)
        assert await night(NOW + 8100) == 9
        assert gaps() == []
    with headend.engine.connect() as connection:
        values = headend.intervals.read(connection, 1, 1, NOW - DAY, NOW + DAY)
    assert (values.times[1:] - values.times[:-1] == 900).all()
    assert not (values.quality & (Quality.MISSING | Quality.ESTIMATED)).any(), "the value has come"
    assert (values.estimates == MISSING).all()


async def test_after_a_restart_values_keys_and_counters_are_there(office):
    clock = Clock()
    headend = await office(clock)
    with served(make_meter()) as running:
        plan = fill(headend, {"good": running.url()})
        assert await headend.finished(await headend.run(plan, spread=False)) == {"read": 1}
        await headend.close()
        clock.now += 900
        again = await office(clock)
        with again.engine.connect() as connection:
            assert len(again.intervals.read(connection, 1, 1, NOW - DAY, NOW + DAY)) == 96
            assert again.intervals.size(connection).values == 96
        assert await again.finished(await again.run(plan, spread=False)) == {"read": 1}
        with again.engine.connect() as connection:
            assert connection.execute(select(counter.c.next)).scalar_one() == 200


def test_a_run_begins_once_and_only_the_last_that_was_missed():
    plan = Plan("night", "15 0 * * *", window=3600)
    midnight = int(datetime(2026, 11, 1, 23, 15, tzinfo=UTC).timestamp())
    assert plan.after(midnight - 1) == midnight
    assert plan.after(midnight) == midnight + DAY
    assert plan.last(midnight) == midnight
    assert plan.last(midnight - 1) == midnight - DAY


async def test_what_is_due_is_found_after_an_outage_unless_its_window_is_over(office):
    clock = Clock()
    headend = await office(clock)
    number = fill(headend, {"good": "tcp://127.0.0.1:9"})
    with headend.engine.begin() as connection:
        plans = Plans(connection)
        start = plans.all()[number].last(NOW)
        assert plans.due(start + 60) == [(number, start)]
        assert plans.due(start + 5 * DAY + 60) == [(number, start + 5 * DAY)]
        assert plans.due(start + DAY - 60) == []
        run = plans.begin(number, start)
        assert plans.begin(number, start) == run
        assert plans.due(start + 60) == []
        assert plans.account(run) == {"waiting": 1}
        plans.activate("night", False)
        assert plans.due(start + DAY + 60) == []


def test_devices_are_spread_evenly_and_always_have_the_same_turn():
    slots = [slot("night", number, 3600) for number in range(10_000)]
    assert slots == [slot("night", number, 3600) for number in range(10_000)]
    assert slots != [slot("day", number, 3600) for number in range(10_000)]
    by_minute = [0] * 60
    for at in slots:
        by_minute[at // 60] += 1
    assert min(by_minute) > 100
    assert max(by_minute) < 240


@pytest.mark.parametrize(
    "wrong",
    [
        {"schedule": "every night"},
        {"schedule": "99 0 * * *"},
        {"window": 5},
        {"zone": "Middle/Earth"},
        {"depth": 0},
        {"spread": 1.0},
    ],
)
def test_a_plan_that_cannot_run_is_refused(wrong):
    with pytest.raises(ConfigError, match="plan night"):
        Plan(**({"name": "night", "schedule": "0 0 * * *"} | wrong))


def test_a_plan_goes_through_its_document():
    plan = Plan("night", "15 0 * * *", selection=Selection((Kind.GAS,), tags=("old",)), profiles=("1-0:99.1.0.255",))
    assert Plan.of(plan.document()) == plan


@pytest.mark.parametrize("tries", [1, 3])
async def test_a_plan_says_how_often_a_device_that_does_not_answer_is_tried(tmp_path, tries):
    with offices.office(tmp_path, [], absent=1) as desk:
        with desk.headend.engine.begin() as connection:
            number = Plans(connection).save(Plan("night", "0 0 * * *", tries=tries))
        await desk.headend.run(number, spread=False)
        await desk.queue.idle()
        with desk.headend.engine.connect() as connection:
            (row,) = connection.execute(result.select()).all()
        assert (row.reason, row.tries) == ("unreachable", tries)


async def test_fraud_that_is_over_is_an_event_and_no_alarm(office):
    meter = make_meter()
    with served(meter) as running:
        headend = await office(Clock())
        plan = fill(headend, {"good": running.url()})
        with headend.engine.begin() as connection:
            plans = Plans(connection)
            plans.save(replace(plans.all()[plan], events=("fraud",)))
        for opened in (True, False):
            meter.equipment.tampering.terminal_cover(opened)
        await headend.finished(await headend.run(plan, spread=False))
        with headend.engine.connect() as connection:
            assert [row.kind for row in alarms(connection)] == ["terminal cover removed"]
            told = [row["words"] for row in events(connection, device_number=1)]
    assert {"terminal cover removed", "terminal cover closed"} <= set(told)


async def test_answers_that_nobody_asks_for_again_are_forgotten_after_a_week(office):
    clock = Clock()
    headend = await office(clock)
    rows = [
        {"key": str(days), "who": "a", "digest": "", "status": 200, "body": "{}", "at": NOW - days * DAY}
        for days in (0, 6, 8)
    ]
    with headend.engine.begin() as connection:
        connection.execute(insert(idempotency), rows)
    await headend.close()
    headend = await office(clock)

    def kept() -> set[str]:
        with headend.engine.connect() as connection:
            return set(connection.execute(select(idempotency.c.key)).scalars())

    async with asyncio.timeout(10):
        while "8" in kept():
            await asyncio.sleep(0.02)
    assert kept() == {"0", "6"}
