"""The limits of a segment hold for every session, people overtake plans, and what is cancelled is not lost."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosem.errors import ConfigError
from cosem.headend.permits import Lane, Limits, Permits


class World:
    """Permits whose clock is the loop's, with what was seen of them."""

    def __init__(self, limits: Limits) -> None:
        self.loop = asyncio.get_running_loop()
        self.permits = Permits(limits, self.loop.time)
        self.opened: list[float] = []
        self.most = 0
        self.background = 0
        self.most_background = 0

    async def session(self, lane: Lane, seconds: float) -> None:
        async with self.permits.permit(lane):
            self.opened.append(self.loop.time())
            self.background += lane is Lane.BACKGROUND
            self.most = max(self.most, self.permits.open)
            self.most_background = max(self.most_background, self.background)
            try:
                await asyncio.sleep(seconds)
            finally:
                self.background -= lane is Lane.BACKGROUND


@settings(max_examples=15, deadline=None)
@given(
    concurrent=st.integers(1, 6), rate=st.sampled_from([200.0, 1000.0, 1e6]), seed=st.integers(0, 999), data=st.data()
)
def test_limits_are_never_exceeded_whoever_comes_and_gives_up(concurrent, rate, seed, data):
    reserved = data.draw(st.integers(0, concurrent - 1))

    async def run() -> None:
        chance = random.Random(seed)
        world = World(Limits(concurrent, rate, reserved))
        tasks = [
            asyncio.ensure_future(world.session(chance.choice(list(Lane)), chance.random() / 500)) for _ in range(60)
        ]
        for task in chance.sample(tasks, 15):
            await asyncio.sleep(chance.random() / 2000)
            task.cancel()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 20)
        assert world.most <= concurrent
        assert world.most_background <= concurrent - reserved
        assert world.permits.open == 0
        # In any stretch of time no more are opened than the bucket and its refill allow.
        opened = world.opened
        for first in range(len(opened)):
            for last in range(first, len(opened)):
                assert last - first + 1 <= rate + 1 + (opened[last] - opened[first]) * rate
        async with world.permits.permit():
            assert world.permits.open == 1

    asyncio.run(run())


async def test_people_overtake_a_plan_that_waits():
    world = World(Limits(1, 1e6))
    order: list[str] = []

    async def one(lane: Lane, name: str) -> None:
        async with world.permits.permit(lane):
            order.append(name)
            await asyncio.sleep(0.001)

    tasks = [asyncio.ensure_future(one(Lane.BACKGROUND, f"plan {n}")) for n in range(3)]
    await asyncio.sleep(0)
    tasks.append(asyncio.ensure_future(one(Lane.INTERACTIVE, "person")))
    await asyncio.gather(*tasks)
    assert order == ["plan 0", "person", "plan 1", "plan 2"]


async def test_new_connections_come_at_the_rate_even_if_each_is_short():
    world = World(Limits(100, 50.0))
    loop = asyncio.get_running_loop()
    start = loop.time()
    await asyncio.gather(*(world.session(Lane.BACKGROUND, 0) for _ in range(60)))
    assert loop.time() - start >= 10 / 50 - 0.01


async def test_what_is_open_counts_when_limits_are_changed_and_who_waits_comes_in_when_there_is_room():
    world = World(Limits(3, 1e6))
    tasks = [asyncio.ensure_future(world.session(Lane.BACKGROUND, 0.05)) for _ in range(9)]
    await asyncio.sleep(0)
    assert world.permits.open == 3
    world.permits.change(Limits(2, 1e6))
    late = asyncio.ensure_future(world.session(Lane.INTERACTIVE, 0.05))
    await asyncio.sleep(0)
    assert world.permits.open == 3
    await late
    assert world.permits.open <= 2
    world.permits.change(Limits(5, 1e6))
    await asyncio.sleep(0)
    assert world.permits.open > 2
    await asyncio.gather(*tasks)
    assert world.most <= 5


@pytest.mark.parametrize("wrong", [(0, 1.0, 0), (1, 0.0, 0), (1, float("nan"), 0), (2, 1.0, 2)])
def test_limits_that_let_nothing_through_are_refused(wrong):
    with pytest.raises(ConfigError, match="no plan"):
        Limits(*wrong)
