"""What changes while a page is open: one ticker renders each topic once, all pages that follow it get the same octets.

The first message to a page is the whole state of its topic (`{"text": .., "attr": .., "html": ..}` by the ids on the
page), so a page that was cut off is right again with it; what follows is what changed. A slow page gets the whole state
again in the place of what it has not taken.

Some topics are of something that tells nothing by itself: a `Beat` asks it, once a tick, while such a page is open.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

State = dict[str, Any]
Render = Callable[[str], State]
_log = logging.getLogger(__name__)
QUEUE: Final = 2
RETRY: Final = "retry: 2000\n\n"
COMMENT_SECONDS: Final = 15.0
MAX_FOLLOWERS: Final = 2000


OWN: Final = "own-"


def of_device(number: int) -> tuple[str, ...]:
    """Return the topics of a device: its page, its page for those who see traces, and its page as a gas station.

    With `OWN` before them they are for those who see some devices only.
    """
    pages = (f"device:{number}", f"traced:{number}")
    return *pages, *(OWN + page for page in pages), f"station:{number}"


class Beat(Protocol):
    """What is asked once a tick for the topics that it `has`."""

    def has(self, topic: str) -> bool:
        """Whether this topic is of what is asked here."""

    async def ask(self) -> object:
        """Ask how everything is. Nothing is raised for nobody being there."""


@dataclass(slots=True, eq=False)
class _Follower:
    queue: asyncio.Queue[str] = field(default_factory=lambda: asyncio.Queue(QUEUE))
    fresh: bool = True
    """Whether it has got nothing yet."""

    def tell(self, whole: str, part: str) -> None:
        """Let it have what changed, or everything where that is not enough."""
        if self.fresh or self.queue.full():
            while not self.queue.empty():
                self.queue.get_nowait()
            part = whole
        self.fresh = False
        self.queue.put_nowait(part)


class Live:
    """Serves topics to pages. `render` makes the state of a topic, in a thread; `every` seconds all are looked at."""

    def __init__(self, render: Render, *, beat: Beat | None = None, tick: float = 1.0, every: int = 5) -> None:
        self._render = render
        self._beat = beat
        self._beating: asyncio.Task[None] | None = None
        self._tick = tick
        self._every = every
        self._followers: dict[str, set[_Follower]] = {}
        self._last: dict[str, State] = {}
        self._whole: dict[str, str] = {}
        self._first: dict[str, asyncio.Task[None]] = {}
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
        follower = _Follower()
        self._followers.setdefault(topic, set()).add(follower)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        try:
            yield RETRY
            if topic not in self._last:
                # Many who come at once wait for one rendering.
                if topic not in self._first:
                    self._first[topic] = asyncio.create_task(self._send(topic))
                    self._first[topic].add_done_callback(lambda _: self._first.pop(topic, None))
                await asyncio.shield(self._first[topic])
            if follower.fresh and topic in self._whole:
                follower.tell(self._whole[topic], "")
            loop = asyncio.get_running_loop()
            check = loop.time() + COMMENT_SECONDS
            while True:
                text = ":\n\n"
                # wait_for of Python 3.11 forgets an end that is asked for just when there is something.
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(check):
                        text = await follower.queue.get()
                # Asked of a page that takes its messages slowly, too: for it there is always something.
                if loop.time() >= check:
                    if not await asyncio.to_thread(still):
                        return
                    check = loop.time() + COMMENT_SECONDS
                yield text
        finally:
            self._followers[topic].discard(follower)
            if not self._followers[topic]:
                del self._followers[topic]
                self._last.pop(topic, None)
                self._whole.pop(topic, None)

    async def _run(self) -> None:
        count = 0
        while self._followers:
            await asyncio.sleep(self._tick)
            count += 1
            topics = set(self._followers) if count % self._every == 0 else self._dirty & set(self._followers)
            self._dirty.clear()
            beating = set() if self._beat is None else set(filter(self._beat.has, self._followers))
            for topic in topics - beating:
                await self._send(topic)
            # Whoever is slow to answer keeps no other page waiting.
            if beating and (self._beating is None or self._beating.done()):
                self._beating = asyncio.create_task(self._ask(beating))

    async def _ask(self, topics: set[str]) -> None:
        assert self._beat is not None
        await self._beat.ask()
        for topic in topics & set(self._followers):
            await self._send(topic)

    async def _send(self, topic: str) -> None:
        self.rendered += 1
        try:
            state = await asyncio.to_thread(self._render, topic)
        except Exception:
            _log.exception("%s could not be rendered", topic)
            return
        before = self._last.get(topic)
        if before == state or topic not in self._followers:
            return
        self._last[topic] = state
        whole = self._whole[topic] = _message(state)
        part = whole if before is None else _message(_changes(before, state))
        for follower in self._followers[topic]:
            follower.tell(whole, part)

    def close(self) -> None:
        """Stop."""
        for task in (self._task, self._beating):
            if task is not None:
                task.cancel()


def _changes(before: State, state: State) -> State:
    found: State = {}
    for kind, items in state.items():
        known = before.get(kind)
        if isinstance(items, dict) and isinstance(known, dict):
            changed = {key: value for key, value in items.items() if key not in known or known[key] != value}
            if changed:
                found[kind] = changed
        elif items != known:
            found[kind] = items
    return found


def _message(state: State) -> str:
    return f"data: {json.dumps(state)}\n\n"
