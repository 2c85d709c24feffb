"""Traces of sessions: the octets that went to and fro, of the sessions somebody asked for, sealed and kept for a while.

A trace is asked for, waits for the next session of its device whatever that is for, and is written down when the
session ends. Traces outlive the process: what went wrong at night is looked at in the morning. They are sealed, because
an association without ciphering has its password in them.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Engine, delete, insert, select, update

from cosem.errors import ConfigError
from cosem.explain.pasted import Message
from cosem.explain.sheets import MAX_OCTETS
from cosem.headend.audit import record
from cosem.headend.inventory import Inventory
from cosem.headend.schema import trace
from cosem.headend.vault import Sealer

LOG: Final = logging.getLogger(__name__)
KEPT: Final = 5
"""Traces of a device; a new one takes the place of the oldest."""
KEPT_SECONDS: Final = 14 * 86_400
MAX_MESSAGES: Final = 2000
MAX_ENDED: Final = 300


@dataclass(frozen=True, slots=True)
class TraceRow:
    """A trace without its octets. `started` None: it waits for a session. `left_out` octets were too many to keep."""

    id: int
    device: int
    asked_by: str
    asked: int
    started: int | None
    finished: int | None
    what: str
    ended: str
    messages: int
    octets: int
    left_out: int


@dataclass(slots=True)
class Recording:
    """What is traced of one session. `ended` says what went wrong, if somebody knows it."""

    number: int
    clock: Callable[[], float]
    started: int
    messages: list[tuple[float, str, bytes]] = field(default_factory=list, repr=False)
    octets: int = 0
    left_out: int = 0
    ended: str = ""

    def __call__(self, direction: str, octets: bytes) -> None:
        """Take what was sent (``>``) or received (``<``) at once; the beginning of a session is what is kept."""
        if self.left_out or len(self.messages) >= MAX_MESSAGES or self.octets + len(octets) > MAX_OCTETS:
            self.left_out += len(octets)
            return
        self.octets += len(octets)
        self.messages.append((self.clock(), direction, bytes(octets)))


class Traces:
    """The traces of one head-end. `clock` gives UTC seconds."""

    def __init__(self, engine: Engine, sealer: Sealer, *, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._sealer = sealer
        self._clock = clock
        self.listeners: list[Callable[[int], None]] = []
        """Told of the device of every trace that was written down."""
        with engine.connect() as connection:
            waiting = select(trace.c.device, trace.c.id).where(trace.c.started.is_(None))
            self._waiting: dict[int, int] = dict(connection.execute(waiting).all())

    def ask(self, connection: Connection, device: int, who: str) -> int:
        """Let the next session of a device be traced; return the trace's number. One that waits already is that one.

        Raises `ConfigError` for a device that is not there or is not dialled.
        """
        row = Inventory(connection).by_number([device]).get(device)
        if row is None or row.url is None:
            raise ConfigError("a device that is not dialled itself has no sessions to trace")
        query = select(trace.c.id).where(trace.c.device == device, trace.c.started.is_(None))
        number = connection.execute(query).scalar()
        if number is None:
            now = int(self._clock())
            values = {"device": device, "asked_by": who, "asked": now}
            number = int(connection.execute(insert(trace), values).inserted_primary_key[0])  # type: ignore[index]
            record(connection, now, who, "ask for a trace", row.name, after={"trace": number})
        self._waiting[device] = number
        return number

    def withdraw(self, connection: Connection, device: int, who: str) -> None:
        """Ask no longer: a trace that waits is taken back."""
        where = (trace.c.device == device, trace.c.started.is_(None))
        self._waiting.pop(device, None)
        if connection.execute(delete(trace).where(*where)).rowcount:
            row = Inventory(connection).by_number([device])[device]
            record(connection, int(self._clock()), who, "take back a trace", row.name)

    @asynccontextmanager
    async def session(self, device: int, what: str) -> AsyncIterator[Recording | None]:
        """Give what takes the octets of a session that begins now; None for one that nobody asked to trace."""
        number = self._waiting.pop(device, None)
        if number is None:
            yield None
            return
        recording = Recording(number, self._clock, int(self._clock()))
        try:
            yield recording
        except BaseException as error:
            recording.ended = recording.ended or str(error) or type(error).__name__
            raise
        finally:
            try:
                await asyncio.shield(asyncio.to_thread(self._keep, recording, device, what))
            except Exception:
                # What the session did stands; a trace that is lost must not be its error.
                LOG.exception("the trace of a session of device %d was not kept", device)
            for listener in self.listeners:
                listener(device)

    def _keep(self, recording: Recording, device: int, what: str) -> None:
        content = [[round(at, 3), direction, octets.hex()] for at, direction, octets in recording.messages]
        values = {
            "started": recording.started,
            "finished": int(self._clock()),
            "what": what,
            "ended": recording.ended[:MAX_ENDED],
            "messages": len(content),
            "octets": recording.octets,
            "left_out": recording.left_out,
            "sealed": self._sealer.seal(json.dumps(content).encode(), _context(device, recording.number)),
        }
        with self._engine.begin() as connection:
            connection.execute(update(trace).where(trace.c.id == recording.number).values(values))
            newest = select(trace.c.id).where(trace.c.device == device, trace.c.started.is_not(None))
            newest = newest.order_by(trace.c.id.desc()).limit(KEPT)
            old = (trace.c.device == device, trace.c.started.is_not(None), trace.c.id.not_in(newest.scalar_subquery()))
            connection.execute(delete(trace).where(*old))

    def of(self, connection: Connection, device: int) -> list[TraceRow]:
        """Return the traces of a device, the newest first."""
        query = select(*_COLUMNS).where(trace.c.device == device).order_by(trace.c.id.desc())
        return [TraceRow(*row) for row in connection.execute(query)]

    def messages(self, connection: Connection, device: int, number: int) -> tuple[TraceRow, list[Message]] | None:
        """Return a trace and what is in it, with seconds since its beginning; None where there is none of a session."""
        where = (trace.c.id == number, trace.c.device == device, trace.c.sealed.is_not(None))
        row = connection.execute(select(*_COLUMNS, trace.c.sealed).where(*where)).one_or_none()
        if row is None:
            return None
        content: list[Any] = json.loads(self._sealer.unseal(row.sealed, _context(device, number)))
        begin = content[0][0] if content else 0.0
        found = [Message(bytes.fromhex(octets), direction, f"{at - begin:.3f} s") for at, direction, octets in content]
        return TraceRow(*row[:-1]), found

    def clean(self) -> None:
        """Forget traces that are old, and those that waited that long."""
        old = int(self._clock()) - KEPT_SECONDS
        with self._engine.begin() as connection:
            connection.execute(delete(trace).where(trace.c.asked < old))
            waiting = select(trace.c.device, trace.c.id).where(trace.c.started.is_(None))
            still = dict(connection.execute(waiting).all())
        for device in [device for device in self._waiting if device not in still]:
            self._waiting.pop(device, None)


_COLUMNS: Final = (
    trace.c.id, trace.c.device, trace.c.asked_by, trace.c.asked, trace.c.started, trace.c.finished, trace.c.what,
    trace.c.ended, trace.c.messages, trace.c.octets, trace.c.left_out,
)  # fmt: skip


def _context(device: int, number: int) -> str:
    return f"trace {number} of device {device}"
