"""Whatever people do to a campaign, and wherever it is killed, its account is right in the end."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from cosem.errors import ConfigError, ConnectionLost
from cosem.headend.campaign import NEXT, CampaignState, DeviceState, Ended, NewCampaign
from cosem.headend.campaigns import Campaigns
from cosem.headend.database import open_database
from cosem.headend.inventory import Inventory, Kind, NewDevice, State
from cosem.headend.plans import Selection
from cosem.headend.schema import campaign, campaign_device
from support.offices import TaskQueue, hasten, prepare

DEVICES = 7


class Script:
    """Does something at a device that takes a while and can be seen; what fails is decided by the example."""

    kind = "script"

    def __init__(self, failing: set[int], interruptible: bool) -> None:
        self.failing = failing
        self.interruptible = interruptible
        self.under_way: set[int] = set()
        self.done: list[int] = []
        self.begun: list[int] = []

    def check(self, content):
        return dict(content), False

    def due(self, content):
        return None

    async def begin(self, row, segment) -> None:
        pass

    async def give_up(self, row, devices) -> None:
        pass

    async def one(self, row, target, *, final) -> Ended:
        assert target.id not in self.under_way, "one at a time"
        assert target.id not in self.done, "what is done is not done again"
        self.under_way.add(target.id)
        self.begun.append(target.id)
        try:
            await asyncio.sleep(0.001)
            if target.id in self.failing:
                raise ConnectionLost("nobody there")
            self.done.append(target.id)
            return Ended(DeviceState.DONE)
        finally:
            self.under_way.discard(target.id)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("walks")
    prepare(folder)
    engine = open_database(folder / "headend.db")
    hasten(engine)
    with engine.begin() as connection:
        inventory = Inventory(connection)
        for number in range(1, DEVICES + 1):
            url = f"tcp://meter{number}:4059?client=16"
            inventory.add(NewDevice(f"meter {number}", Kind.ELECTRICITY, url=url), 0)
            inventory.move(f"meter {number}", State.IN_USE, 0)
    yield engine
    engine.dispose()


@settings(max_examples=40, deadline=None)
@given(
    st.sets(st.integers(1, DEVICES), max_size=3),
    st.lists(st.sampled_from(("pause", "resume", "advance", "wait", "kill", "abort")), max_size=8),
    st.booleans(),
    st.booleans(),
    st.sampled_from((0.0, 0.34, 1.0)),
)
def test_every_device_is_accounted_for_and_none_twice(engine, failing, steps, interruptible, gate, share):
    script = Script(failing, interruptible)

    async def walk():
        queue = TaskQueue()

        def start() -> Campaigns:
            return Campaigns(engine, queue, [script], clock=lambda: 1000.0)

        campaigns = start()
        begun = NewCampaign("c", "script", {}, Selection(), (1, 3, 1.0), gate, share, not_after=2000)
        stages = {row["device"]: row["stage"] for row in campaigns.devices((await campaigns.begin(begun, "anna")).id)}
        for step in steps:
            if step == "kill":
                left = await queue.kill()
                queue = TaskQueue()
                campaigns = start()
                queue.again(left)
            elif step == "wait":
                await queue.idle()
            elif step == "advance":
                await campaigns.advance()
            else:
                with suppress(ConfigError):
                    await getattr(campaigns, step)("c", "anna")
        for _ in range(20):
            await queue.idle()
            row = campaigns.get("c")
            if row.state in (CampaignState.PAUSED, CampaignState.HELD):
                await campaigns.resume("c", "anna")
            await campaigns.advance()
        await queue.idle()
        return campaigns.get("c"), campaigns.devices(row.id), stages

    with engine.begin() as connection:
        connection.execute(delete(campaign_device))
        connection.execute(delete(campaign))
    row, devices, stages = asyncio.run(walk())
    assert not NEXT[row.state], "it comes to an end"
    states = {item["device"]: item["state"] for item in devices}
    assert {number for number, state in states.items() if state == "done"} == set(script.done)
    assert {number for number, state in states.items() if state == "failed"} <= failing
    assert set(states.values()) <= {"done", "failed", "cancelled"}
    if row.state is CampaignState.DONE:
        assert "cancelled" not in states.values()
    assert all(stages[number] <= row.stage for number in script.begun)
    firsts = [stages[number] for number in dict.fromkeys(script.begun)]
    assert firsts == sorted(firsts), "no stage begins before the one before is over"
    for stage in range(3):
        members = [number for number in stages if stages[number] == stage]
        failed = [number for number in members if states[number] == "failed"]
        if len(failed) > share * len(members):
            assert row.state is CampaignState.ABORTED
            assert not any(stages[number] > stage for number in script.begun)
