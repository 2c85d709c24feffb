"""Durable work: jobs that are carried out to their end, also if the process is killed in the middle.

`WorkQueue` is the port, a page that the rest of the head-end knows; `DbosQueue` stands on DBOS Transact with a database
file of its own. A job may run again after a kill, so what it does is idempotent or fenced (`results.check_fence`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Protocol

from cosem.errors import ConfigError
from cosem.headend.permits import Lane

Handler = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
"""What carries out a job: takes and returns what JSON can say."""

VERSION: Final = "cosem-1"
"""Jobs run under the version they were submitted with; it changes when a handler could not go on with an old job."""
QUEUES: Final = {Lane.INTERACTIVE: "interactive", Lane.BACKGROUND: "background"}
KEPT_SECONDS: Final = 7 * 86_400


class JobState(StrEnum):
    """Where a job is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Job:
    """A job as the queue knows it."""

    id: str
    kind: str
    state: JobState


class WorkQueue(Protocol):
    """Where durable work waits."""

    def handle(self, kind: str, handler: Handler) -> None:
        """Say what carries out jobs of a kind. Before `start`."""

    async def start(self) -> None:
        """Begin, with what was under way when the process ended."""

    async def submit(
        self, kind: str, identity: str, content: Mapping[str, Any], *, lane: Lane, segment: int, delay: float = 0.0
    ) -> None:
        """Add a job. A job of that identity that is there already stays the only one. One of a segment runs at a time
        in the background lane.
        """

    async def result(self, identity: str) -> Mapping[str, Any]:
        """Wait for a job to end and return what its handler did, or raise its error."""

    async def cancel(self, identity: str) -> None:
        """Take a job back: it is not begun any more."""

    async def pending(self) -> list[Job]:
        """Return the jobs that are not ended."""

    async def clean(self, now: float) -> int:
        """Forget what ended long ago; return how much."""

    async def close(self) -> None:
        """End; what is under way goes on at the next start."""


class Elsewhere:
    """The queue of who only asks: another process of the folder picks up what was written down."""

    def handle(self, kind: str, handler: Handler) -> None:
        """Nothing is carried out here."""

    async def start(self) -> None:
        """Nothing begins."""

    async def submit(
        self, kind: str, identity: str, content: Mapping[str, Any], *, lane: Lane, segment: int, delay: float = 0.0
    ) -> None:
        """Leave it to who works."""

    async def result(self, identity: str) -> Mapping[str, Any]:
        """Raise `ConfigError`: what came of it is in the database."""
        raise ConfigError(f"{identity} is carried out elsewhere")

    async def cancel(self, identity: str) -> None:
        """Raise `ConfigError`."""
        raise ConfigError(f"{identity} is carried out elsewhere")

    async def pending(self) -> list[Job]:
        """Return nothing."""
        return []

    async def clean(self, now: float) -> int:
        """Forget nothing."""
        return 0

    async def close(self) -> None:
        """Nothing ends."""


class DbosQueue:
    """Work on DBOS Transact, in one process, with a SQLite file of its own.

    `slots` are jobs under way at once in each lane. There is one of it in a process: DBOS is a singleton.
    """

    def __init__(self, path: Path, *, slots: int = 20, poll: float = 0.5) -> None:
        self._path = path
        self._slots = slots
        self._poll = poll
        self._handlers: dict[str, Handler] = {}
        self._workflows: dict[str, Any] = {}
        self._dbos: Any = None
        self._under_way: set[asyncio.Task[Any]] = set()
        self._closing = False

    def handle(self, kind: str, handler: Handler) -> None:
        """Say what carries out jobs of a kind."""
        if self._dbos is not None:
            raise ConfigError(f"jobs of kind {kind} have to be known before work starts")
        self._handlers[kind] = handler

    async def start(self) -> None:
        """Begin; jobs that were under way are carried out again."""
        from dbos import DBOS, DBOSConfig
        from dbos._serialization import DBOSPortableJSONSerializer

        self._path.parent.mkdir(parents=True, exist_ok=True)
        config = DBOSConfig(
            name="cosem-headend",
            system_database_url=f"sqlite:///{self._path}",
            executor_id="embedded",
            application_version=VERSION,
            enable_otlp=False,
            log_level="WARNING",
            serializer=DBOSPortableJSONSerializer(),
        )
        self._dbos = DBOS(config=config)
        # What it says goes where everything goes, and not past that to a stream of its own.
        log = logging.getLogger("dbos")
        log.handlers.clear()
        log.propagate = True
        for kind, handler in self._handlers.items():
            self._workflows[kind] = DBOS.workflow(name=kind)(self._workflow(handler))
        DBOS.launch()
        common: dict[str, Any] = {"worker_concurrency": self._slots, "polling_interval_sec": self._poll}
        await DBOS.register_queue_async(QUEUES[Lane.BACKGROUND], partition_concurrency=1, **common)
        await DBOS.register_queue_async(QUEUES[Lane.INTERACTIVE], **common)

    async def submit(
        self, kind: str, identity: str, content: Mapping[str, Any], *, lane: Lane, segment: int, delay: float = 0.0
    ) -> None:
        """Add a job; one of that identity that is there already stays the only one."""
        from dbos import DBOS, SetEnqueueOptions, SetWorkflowID

        options: dict[str, Any] = {}
        if lane is Lane.BACKGROUND:
            options["queue_partition_key"] = str(segment)
        if delay > 0:
            options["delay_seconds"] = delay
        with SetWorkflowID(identity), SetEnqueueOptions(**options):
            await DBOS.enqueue_workflow_async(QUEUES[lane], self._workflows[kind], dict(content))

    async def result(self, identity: str) -> Mapping[str, Any]:
        """Wait for a job to end and return what its handler did."""
        from dbos import DBOS

        handle: Any = await DBOS.retrieve_workflow_async(identity)
        found: Mapping[str, Any] = await handle.get_result()
        return found

    async def cancel(self, identity: str) -> None:
        """Take a job back."""
        from dbos import DBOS

        await DBOS.cancel_workflow_async(identity)

    async def pending(self) -> list[Job]:
        """Return the jobs that are not ended."""
        from dbos import DBOS

        found = await DBOS.list_workflows_async(status=["ENQUEUED", "DELAYED", "PENDING"], load_input=False)
        return [Job(item.workflow_id, item.name, _STATES.get(item.status, JobState.WAITING)) for item in found]

    async def clean(self, now: float) -> int:
        """Forget what ended more than a week ago."""
        from dbos import DBOS

        ended = await DBOS.list_workflows_async(
            status=["SUCCESS", "ERROR", "CANCELLED"],
            end_time=_iso(now - KEPT_SECONDS),
            load_input=False,
            load_output=False,
        )
        for item in ended:
            await DBOS.delete_workflow_async(item.workflow_id)
        return len(ended)

    async def close(self) -> None:
        """End; what is under way goes on at the next start."""
        from dbos import DBOS

        if self._dbos is None:
            return
        self._closing = True
        # That jobs are broken off is meant, and nothing to warn of.
        logging.getLogger("dbos").setLevel(logging.CRITICAL)
        # They end while there is somebody to tell; DBOS takes a cancelled one for one that was under way.
        jobs = tuple(self._under_way)
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
        await asyncio.to_thread(DBOS.destroy, destroy_registry=True)
        # It had lent its threads to this loop, and took them away.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor())
        self._dbos = None

    def _workflow(self, handler: Handler) -> Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]:
        async def carry_out(content: dict[str, Any]) -> dict[str, Any]:
            job = asyncio.current_task()
            if self._closing or job is None:
                raise asyncio.CancelledError
            self._under_way.add(job)
            try:
                return dict(await handler(content))
            finally:
                self._under_way.discard(job)

        return carry_out


_STATES: Final = {
    "ENQUEUED": JobState.WAITING,
    "DELAYED": JobState.WAITING,
    "PENDING": JobState.RUNNING,
    "SUCCESS": JobState.DONE,
    "ERROR": JobState.FAILED,
    "CANCELLED": JobState.CANCELLED,
}


def _iso(now: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(now, UTC).isoformat()
