"""What changes while a page is open: one ticker renders each topic once, all pages that follow it get the same octets.

A message is the whole state of its topic (`{"text": .., "attr": .., "html": ..}` by the ids on the page), so a page
that was cut off is right again with the first message, and of a slow page the older message may be dropped.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Final

Render = Callable[[str], dict[str, Any]]
_log = logging.getLogger(__name__)
QUEUE: Final = 2
RETRY: Final = "retry: 2000\n\n"
COMMENT_SECONDS: Final = 15.0
MAX_FOLLOWERS: Final = 2000


def of_device(number: int) -> tuple[str, str]:
    """Return the topics of a device: its page, and its page for those who see traces."""
    return f"device:{number}", f"traced:{number}"


@dataclass(slots=True, eq=False)
class _Follower:
    topic: str
    queue: asyncio.Queue[str] = field(default_factory=lambda: asyncio.Queue(QUEUE))


class Live:
    """Serves topics to pages. `render` makes the state of a topic, in a thread; `every` seconds all are looked at."""

    def __init__(self, render: Render, *, tick: float = 1.0, every: int = 5) -> None:
        self._render = render
        self._tick = tick
        self._every = every
        self._followers: dict[str, set[_Follower]] = {}
        self._last: dict[str, str] = {}
        self._dirty: set[str] = set()
        self._task: asyncio.Task[None] | None = None
        self.rendered = 0
        """How often a topic was rendered."""

    @property
    def open(self) -> int:
        """How many pages follow."""
        return sum(map(len, self._followers.values()))

    def touch(self, *topics: str) -> None:
        """Say that topics changed: they are rendered at the next tick if anybody follows them."""
        self._dirty.update(topic for topic in topics if topic in self._followers)

    async def follow(self, topic: str, still: Callable[[], bool]) -> AsyncIterator[str]:
        """Give the messages of a topic as server-sent events, while `still` says so (asked often)."""
        follower = _Follower(topic)
        self._followers.setdefault(topic, set()).add(follower)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        try:
            yield RETRY
            if topic not in self._last:
                await self._send(topic)
            elif follower.queue.empty():
                _put(follower.queue, self._last[topic])
            loop = asyncio.get_running_loop()
            check = loop.time() + COMMENT_SECONDS
            while True:
                try:
                    text = await asyncio.wait_for(follower.queue.get(), max(0.0, check - loop.time()))
                except TimeoutError:
                    if not await asyncio.to_thread(still):
                        return
                    check = loop.time() + COMMENT_SECONDS
                    text = ":\n\n"
                yield text
        finally:
            self._followers[topic].discard(follower)
            if not self._followers[topic]:
                del self._followers[topic]
                self._last.pop(topic, None)

    async def _run(self) -> None:
        count = 0
        while self._followers:
            await asyncio.sleep(self._tick)
            count += 1
            topics = set(self._followers) if count % self._every == 0 else self._dirty & set(self._followers)
            self._dirty.clear()
            for topic in topics:
                await self._send(topic)

    async def _send(self, topic: str) -> None:
        self.rendered += 1
        try:
            state = await asyncio.to_thread(self._render, topic)
        except Exception:
            return
        text = f"data: {json.dumps(state)}\n\n"
        if self._last.get(topic) == text or topic not in self._followers:
            return
        self._last[topic] = text
        for follower in self._followers[topic]:
            _put(follower.queue, text)

    def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()


def _put(queue: asyncio.Queue[str], text: str) -> None:
    while queue.full():
        queue.get_nowait()
    queue.put_nowait(text)
