"""The ticker behind open pages: what is told, and that following ends when it is asked to."""

from __future__ import annotations

import asyncio
import json

from cosem.headend.web.live import RETRY, Live


async def following(live, topic, said):
    async for text in live.follow(topic, lambda: True):
        said.append(text)


async def until(said, count):
    async with asyncio.timeout(5):
        while len(said) < count:
            await asyncio.sleep(0.01)


async def test_an_end_that_is_asked_for_just_when_something_is_told_is_an_end():
    live = Live(lambda topic: {"text": {"a": "1"}}, tick=0.02)
    said: list[str] = []
    task = asyncio.create_task(following(live, "overview", said))
    await until(said, 2)
    # Both in one turn of the loop: there is something, and so is the end.
    for follower in live._followers["overview"]:
        follower.tell("whole", "part")
    task.cancel()
    _, left = await asyncio.wait({task}, timeout=5)
    assert not left
    assert live.open == 0
    live.close()


async def test_a_state_that_is_a_word_is_told_again_when_it_is_another():
    now = {"state": "running", "html": {"rows": "a", "more": "same"}}
    live = Live(lambda topic: {**now, "html": dict(now["html"])}, tick=0.02)
    said: list[str] = []
    task = asyncio.create_task(following(live, "campaign:1", said))
    await until(said, 2)
    assert said[0] == RETRY
    now["html"]["rows"] = "b"
    live.touch("campaign:1")
    await until(said, 3)
    now["state"] = "paused"
    live.touch("campaign:1")
    await until(said, 4)
    told = [json.loads(text.removeprefix("data: ")) for text in said[1:]]
    assert told == [
        {"state": "running", "html": {"rows": "a", "more": "same"}},
        {"html": {"rows": "b"}},
        {"state": "paused"},
    ]
    task.cancel()
    await asyncio.wait({task})
    live.close()


async def test_a_page_that_takes_its_messages_slowly_is_asked_for_its_session_too(monkeypatch):
    monkeypatch.setattr("cosem.headend.web.live.COMMENT_SECONDS", 0.05)
    live = Live(lambda topic: {"text": {"a": "1"}}, tick=0.02)
    signed_in = [True]
    stream = live.follow("overview", lambda: signed_in[0])
    assert [await anext(stream), await anext(stream)][0] == RETRY
    signed_in[0] = False
    taken = []
    async with asyncio.timeout(5):
        while True:
            for follower in live._followers["overview"]:
                follower.tell("whole", "part")
            await asyncio.sleep(0.06)
            text = await anext(stream, None)
            if text is None:
                break
            taken.append(text)
    assert taken == []
    live.close()
