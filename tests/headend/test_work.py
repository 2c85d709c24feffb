"""Durable work: once per identity, one of a segment at a time, people beside plans, and on after a kill."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from cosem.errors import ConfigError
from cosem.headend.permits import Lane
from cosem.headend.work import DbosQueue

KILLED = """
import asyncio, os, sys
from pathlib import Path
from cosem.headend.permits import Lane
from cosem.headend.work import DbosQueue

folder = Path(sys.argv[1])

async def handler(content):
    with (folder / "runs").open("a") as file:
        file.write(f"{content['number']}\\n")
    if sys.argv[2] == "die" and content["number"] == 1:
        os._exit(9)
    return {"number": content["number"]}

async def main():
    queue = DbosQueue(folder / "work.db", poll=0.05)
    queue.handle("slice", handler)
    await queue.start()
    for number in range(3):
        await queue.submit("slice", f"slice {number}", {"number": number}, lane=Lane.BACKGROUND, segment=number)
    for number in range(3):
        print((await queue.result(f"slice {number}"))["number"])
    assert await queue.pending() == []
    await queue.close()

asyncio.run(main())
"""


@pytest.fixture
async def queue(tmp_path):
    queue = DbosQueue(tmp_path / "work.db", poll=0.05)
    yield queue
    await queue.close()


async def test_one_job_of_a_segment_runs_at_a_time_and_people_do_not_wait_for_it(queue):
    under_way: dict[int, int] = {}
    most: dict[int, int] = {}
    gate = asyncio.Event()
    order: list[str] = []

    async def handler(content):
        if content["name"] == "person":
            order.append("person")
            gate.set()
            return {}
        segment = content["segment"]
        under_way[segment] = under_way.get(segment, 0) + 1
        most[segment] = max(most.get(segment, 0), under_way[segment])
        await asyncio.wait_for(gate.wait(), 20)
        under_way[segment] -= 1
        order.append("plan")
        return {}

    queue.handle("job", handler)
    await queue.start()
    for number in range(4):
        content = {"name": "plan", "segment": number % 2}
        await queue.submit("job", f"plan {number}", content, lane=Lane.BACKGROUND, segment=number % 2)
    await queue.submit("job", "person", {"name": "person"}, lane=Lane.INTERACTIVE, segment=0)
    for number in range(4):
        await queue.result(f"plan {number}")
    assert most == {0: 1, 1: 1}
    assert order[0] == "person"


async def test_the_same_identity_is_one_job_however_often_it_is_submitted(queue):
    runs: list[int] = []

    async def handler(content):
        runs.append(content["number"])
        return {"twice": content["number"] * 2}

    queue.handle("job", handler)
    await queue.start()
    for _ in range(3):
        await queue.submit("job", "the one", {"number": 21}, lane=Lane.BACKGROUND, segment=1)
    assert await queue.result("the one") == {"twice": 42}
    await queue.submit("job", "the one", {"number": 5}, lane=Lane.BACKGROUND, segment=1)
    assert await queue.result("the one") == {"twice": 42}
    assert runs == [21]


async def test_a_job_that_fails_says_so_and_one_taken_back_is_not_begun(queue):
    async def handler(content):
        raise ValueError("no such meter")

    queue.handle("job", handler)
    await queue.start()
    await queue.submit("job", "bad", {}, lane=Lane.INTERACTIVE, segment=1)
    with pytest.raises(Exception, match="no such meter"):
        await queue.result("bad")
    await queue.submit("job", "later", {}, lane=Lane.INTERACTIVE, segment=1, delay=60)
    assert [job.id for job in await queue.pending()] == ["later"]
    await queue.cancel("later")
    assert await queue.pending() == []
    with pytest.raises(ConfigError, match="before work starts"):
        queue.handle("other", handler)


def test_killed_in_the_middle_every_job_is_carried_out_after_the_restart(tmp_path):
    script = Path(tmp_path / "killed.py")
    script.write_text(KILLED)
    died = subprocess.run([sys.executable, script, tmp_path, "die"], capture_output=True, text=True, timeout=60)
    assert died.returncode == 9
    again = subprocess.run([sys.executable, script, tmp_path, "live"], capture_output=True, text=True, timeout=60)
    assert again.stdout.split() == ["0", "1", "2"], again.stderr
    runs = (tmp_path / "runs").read_text().split()
    assert runs.count("1") == 2
    assert set(runs) == {"0", "1", "2"}
