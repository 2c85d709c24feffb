"""The collecting loop: the sessions of one slice side by side, within the segment's limits, stored in batches.

One slice is the devices of one segment. Results are written by one task: many sessions, one transaction.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from sqlalchemy import Engine

from cosem.client.core import ClientOptions
from cosem.headend.children import profile_name
from cosem.headend.intervals import Intervals
from cosem.headend.permits import Lane, Permits, Turns
from cosem.headend.reading import ProfileReading
from cosem.headend.reasons import Reason
from cosem.headend.results import Within, book, check_fence, store
from cosem.headend.session import Outcome, Target, collect
from cosem.headend.traces import Traces
from cosem.headend.validation import Rules
from cosem.security.counters import CounterStore

BATCH: Final = 500
"""Outcomes stored by one transaction at most."""
BATCH_SECONDS: Final = 0.25
"""How long an outcome waits for others at most before it is stored."""


@dataclass(frozen=True, slots=True)
class Slice:
    """What one job collects: devices of one segment. Nothing is begun after `deadline` (UTC seconds)."""

    run: int
    segment: int
    epoch: int
    targets: tuple[Target, ...]
    deadline: float
    tries: int = 4


@dataclass(slots=True)
class Account:
    """What came of a slice. Every device is in it once: read, or under its reason."""

    read: int = 0
    values: int = 0
    sessions: int = 0
    reasons: Counter[Reason] = field(default_factory=Counter)

    def add(self, other: Account) -> None:
        """Add another slice's account."""
        self.read += other.read
        self.values += other.values
        self.sessions += other.sessions
        self.reasons.update(other.reasons)

    @property
    def devices(self) -> int:
        """How many devices there are in it."""
        return self.read + self.reasons.total()


class Collector:
    """Collects slices. `clock` gives UTC seconds, `random` numbers from 0 to 1 that spread repetitions.

    `alarmed` is told the numbers of alarms that were opened.
    """

    def __init__(
        self,
        engine: Engine,
        intervals: Intervals,
        counters: CounterStore,
        *,
        clock: Callable[[], float],
        random: Callable[[], float],
        options: ClientOptions | None = None,
        rules: Rules | None = None,
        first_pause: float = 5.0,
        turns: Turns | None = None,
        alarmed: Callable[[list[int]], None] | None = None,
    ) -> None:
        self._engine = engine
        self._intervals = intervals
        self._counters = counters
        self._clock = clock
        self._random = random
        self._options = options
        self._rules = rules or Rules()
        self._first_pause = first_pause
        self._turns = turns or Turns()
        self.renew: Callable[[Target], Target] | None = None
        """Brings a target up to date right before its session: its keys may have changed since it was prepared."""
        self._alarmed = alarmed
        self.traces: Traces | None = None
        self.within: Within | None = None
        """Writes down, in the transaction of events, what is to be told of them."""

    async def run(
        self,
        slice_: Slice,
        permits: Permits,
        *,
        lane: Lane = Lane.BACKGROUND,
        progress: Callable[[Outcome], None] | None = None,
    ) -> Account:
        """Collect a slice. Raises `results.Fenced` where somebody else took the segment over meanwhile."""
        account = Account()
        queue: asyncio.Queue[Outcome | None] = asyncio.Queue(maxsize=4 * BATCH)
        readings = {
            (target.device, channel): wanted.reading
            for target in slice_.targets
            for wanted in target.wanted
            for channel in wanted.reading.channels
            if channel is not None
        }
        async with asyncio.TaskGroup() as group:
            ended = asyncio.Event()
            writer = group.create_task(self._write(slice_, queue, ended, readings, account))
            async with asyncio.TaskGroup() as sessions:
                for target in slice_.targets:
                    sessions.create_task(self._device(slice_, target, permits, lane, queue, account, progress))
            ended.set()
            await queue.put(None)
            await writer
        return account

    async def _device(
        self,
        slice_: Slice,
        target: Target,
        permits: Permits,
        lane: Lane,
        queue: asyncio.Queue[Outcome | None],
        account: Account,
        progress: Callable[[Outcome], None] | None,
    ) -> None:
        """Try a device and those on its M-Bus until they are read, until that is no use, or until the deadline."""
        if (early := target.not_before - self._clock()) > 0:
            await asyncio.sleep(early)
        pause = self._first_pause
        left = {
            device: Outcome(device, Reason.NO_TIME, "the window was over before its turn came")
            for device in target.devices
        }
        for number in range(slice_.tries):
            if number:
                # Full jitter: those that failed together do not come back together.
                await asyncio.sleep(self._random() * pause)
                pause *= 2
            if self._clock() >= slice_.deadline:
                break
            async with self._turns.of(target.device), permits.permit(lane):
                if self._clock() >= slice_.deadline:
                    break
                account.sessions += 1
                if self.renew is not None:
                    target = self.renew(target)
                outcome = await self._collect(target)
            ends = {one.device: one for one in (*((outcome,) if target.own else ()), *outcome.children)}
            left = {device: one for device, one in ends.items() if one.again}
            # What had arrived before it failed is kept now; the next try asks for the rest.
            target = _rest(target, outcome, left)
            for device, one in ends.items():
                if device not in left:
                    await self._ended(one, queue, account, progress)
                elif number + 1 < slice_.tries:
                    await queue.put(one)
                    left[device] = Outcome(device, one.reason, one.detail)
            if not left:
                break
            # Its counters may have been used: under one key none is used twice.
            target = replace(target, lease=None)
        for one in left.values():
            await self._ended(one, queue, account, progress)

    async def _ended(
        self,
        outcome: Outcome,
        queue: asyncio.Queue[Outcome | None],
        account: Account,
        progress: Callable[[Outcome], None] | None,
    ) -> None:
        """Account for a device of which nothing more comes in this run."""
        if outcome.reason is None:
            account.read += 1
        else:
            account.reasons[outcome.reason] += 1
        await queue.put(outcome)
        if progress is not None:
            progress(outcome)

    async def _collect(self, target: Target) -> Outcome:
        if self.traces is None:
            return await collect(target, self._counters, clock=self._clock, options=self._options)
        async with self.traces.session(target.device, "plan") as recording:
            outcome = await collect(target, self._counters, clock=self._clock, options=self._options, trace=recording)
            if recording is not None and outcome.reason is not None:
                recording.ended = f"{outcome.reason}: {outcome.detail}"
            return outcome

    async def _write(
        self,
        slice_: Slice,
        queue: asyncio.Queue[Outcome | None],
        ended: asyncio.Event,
        readings: dict[tuple[int, int], ProfileReading],
        account: Account,
    ) -> None:
        """Store what the queue brings, until None does; what comes within `BATCH_SECONDS`, by one transaction."""
        over = False
        while not over:
            waiting = [await queue.get()]
            if waiting[0] is not None and queue.qsize() < BATCH:
                with suppress(TimeoutError):
                    # wait_for of Python 3.11 forgets an end that is asked for just when there is something.
                    async with asyncio.timeout(BATCH_SECONDS):
                        await ended.wait()
            while len(waiting) < BATCH and not queue.empty():
                waiting.append(queue.get_nowait())
            batch = [outcome for outcome in waiting if outcome is not None]
            over = len(batch) < len(waiting)
            if batch:
                opened: list[int] = []
                account.values += await asyncio.to_thread(self._store, slice_, batch, readings, opened)
                if opened and self._alarmed is not None:
                    self._alarmed(opened)

    def _store(
        self,
        slice_: Slice,
        batch: Sequence[Outcome],
        readings: dict[tuple[int, int], ProfileReading],
        opened: list[int],
    ) -> int:
        with self._engine.begin() as connection:
            check_fence(connection, slice_.segment, slice_.epoch)
            for outcome in batch:
                readings.update(book(connection, outcome, int(self._clock())))
            return store(
                connection,
                self._intervals,
                slice_.run,
                batch,
                readings,
                int(self._clock()),
                rules=self._rules,
                opened=opened,
                within=self.within,
            )


def _rest(target: Target, outcome: Outcome, left: Mapping[int, Outcome]) -> Target:
    """Return the target without what was read already: only the devices that are left, from where they were."""
    children = []
    for child in target.children:
        if (mine := left.get(child.device)) is not None:
            since = dict(child.since)
            for number in since:
                ends = [int(item.times[-1]) for reading, item in mine.found if reading.name == profile_name(number)]
                since[number] = max(since[number], min(ends, default=0))
            children.append(replace(child, since=since))
    if not (target.own and target.device in left):
        return replace(target, own=False, wanted=(), logs=None, children=tuple(children))
    last = {series.channel: int(series.times[-1]) for series in outcome.series}
    wanted = []
    for item in target.wanted:
        done = [last.get(channel, item.since) for channel in item.reading.channels if channel is not None]
        since_ = max(item.since, min(done, default=item.since))
        wanted.append(replace(item, since=since_))
    return replace(target, wanted=tuple(wanted), children=tuple(children))
