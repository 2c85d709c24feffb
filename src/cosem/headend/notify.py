"""Who is told of what: rules, an outbox, and what happens in a storm.

A message is written in the transaction of what it tells of, so that neither is there without the other. It is sent at
least once, in order for each subject: the next one of a device waits until the one before arrived, or was given up.
A thousand last gasps of a segment within a minute are one message that says how many.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Engine, delete, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from cosem.errors import ConfigError
from cosem.headend.audit import record
from cosem.headend.happenings import Happened, alarms
from cosem.headend.schema import device, notify_rule, outbox, segment, storm, storm_device
from cosem.headend.senders import Message, NotSent, Sender
from cosem.headend.vault import Sealer

LOG: Final = logging.getLogger(__name__)
STORM_SECONDS: Final = 60
GATHERED: Final = ("last gasp",)
"""Kinds of alarms that come from a whole neighbourhood at once."""
MAX_NAMES: Final = 20
AT_ONCE: Final = 16
"""Messages under way at the same time."""
BATCH: Final = 500
LONGEST_PAUSE: Final = 3600.0
KEPT_SECONDS: Final = 30 * 86_400


@dataclass(frozen=True, slots=True)
class Rule:
    """Who is told of what. Every condition given has to hold; without any it is everything that raises an alarm.

    `kinds` are alarms by their words, `fraud` those that speak of somebody's doing (or not), `segments` where.
    `gather` are kinds that are told once for a segment and minute. `target` is what the sender wants to know.
    """

    name: str
    sender: str
    target: Mapping[str, Any]
    kinds: tuple[str, ...] = ()
    fraud: bool | None = None
    segments: tuple[str, ...] = ()
    gather: tuple[str, ...] = GATHERED

    def matches(self, kind: str, fraud: bool, where: str) -> bool:
        """Whether it tells of this."""
        return (
            (not self.kinds or kind in self.kinds)
            and (self.fraud is None or self.fraud == fraud)
            and (not self.segments or where in self.segments)
        )


@dataclass(slots=True)
class _Known:
    rule: Rule
    number: int
    secrets: dict[str, str] = field(default_factory=dict, repr=False)


class Notifier:
    """Rules, outbox and what sends. `clock` gives UTC seconds, `random` numbers from 0 to 1 that spread repetitions.

    After `tries` a message is dead: it stays, with the reason, and those behind it go on.
    """

    def __init__(
        self,
        engine: Engine,
        sealer: Sealer,
        senders: Mapping[str, Sender],
        *,
        clock: Callable[[], float],
        random: Callable[[], float],
        tries: int = 12,
        first_pause: float = 5.0,
    ) -> None:
        self._engine = engine
        self._sealer = sealer
        self._senders = senders
        self._clock = clock
        self._random = random
        self._tries = tries
        self._first_pause = first_pause
        self._something = asyncio.Event()

    # --- rules --------------------------------------------------------------------------------------------

    def save(self, rule: Rule, who: str, secrets: Mapping[str, str] | None = None) -> None:
        """Add a rule or change the one of that name; secrets that are not given stay. Raises `ConfigError`."""
        sender = self._senders.get(rule.sender)
        if sender is None:
            raise ConfigError(f"there is no sender {rule.sender!r}; there are: {', '.join(self._senders)}")
        if not rule.name.strip() or len(rule.name) > 200 or not rule.name.isprintable():
            raise ConfigError("a rule's name has 1 to 200 printable characters")
        sender.check(rule.target, secrets or {})
        match = asdict(rule)
        for name in ("name", "sender", "target"):
            match.pop(name)
        row = {"sender": rule.sender, "target": json.dumps(dict(rule.target)), "match": json.dumps(match), "active": 1}
        if secrets is not None:
            sealed = self._sealer.seal(json.dumps(dict(secrets)).encode(), _context(rule.name))
            row["sealed"] = sealed if secrets else None
        with self._engine.begin() as connection:
            statement = upsert(notify_rule).values(name=rule.name, **row)
            connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=row))
            record(
                connection, self._clock(), who, "set notification", rule.name, after={"sender": rule.sender, **match}
            )

    def remove(self, name: str, who: str) -> None:
        """Tell by this rule no more. What waits of it is given up. Raises `ConfigError` where there is none."""
        with self._engine.begin() as connection:
            if not connection.execute(delete(notify_rule).where(notify_rule.c.name == name)).rowcount:
                raise ConfigError(f"there is no notification {name!r}")
            record(connection, self._clock(), who, "remove notification", name)

    def rules(self) -> list[Rule]:
        """Return the rules; no secret is in them."""
        with self._engine.connect() as connection:
            return [known.rule for known in self._known(connection)]

    def _known(self, connection: Connection, *, secrets: bool = False) -> list[_Known]:
        found = []
        query = select(notify_rule).where(notify_rule.c.active == 1).order_by(notify_rule.c.id)
        for row in connection.execute(query):
            match = json.loads(row.match)
            match = {name: tuple(item) if isinstance(item, list) else item for name, item in match.items()}
            known = _Known(Rule(row.name, row.sender, json.loads(row.target), **match), row.id)
            if secrets and row.sealed is not None:
                known.secrets = json.loads(self._sealer.unseal(row.sealed, _context(row.name)))
            found.append(known)
        return found

    # --- what is told -------------------------------------------------------------------------------------

    def within(self, connection: Connection, fresh: Sequence[Happened], opened: Sequence[int], now: int) -> None:
        """Write down, in the caller's transaction, what is to be told of what happened: see `happenings.keep`."""
        rules = self._known(connection)
        if not rules or not (fresh or opened):
            return
        where = self._segments(connection, {item.device for item in fresh if item.alarming})
        for known in rules:
            for kind in known.rule.gather:
                hit = [
                    item
                    for item in fresh
                    if item.alarming
                    and item.words == kind
                    and known.rule.matches(kind, item.fraud, where[item.device][1])
                ]
                self._gather(connection, known, kind, hit, where, now)
        for first in range(0, len(opened), BATCH):
            rows = alarms(connection, numbers=opened[first : first + BATCH], limit=BATCH)
            places = self._segments(connection, {row.device for row in rows})
            for row in sorted(rows, key=lambda row: row.id):
                place = places[row.device][1]
                content = {"what": "alarm", "alarm": row.id, "kind": row.kind, "fraud": row.fraud, "at": row.first}
                for known in rules:
                    if row.kind not in known.rule.gather and known.rule.matches(row.kind, row.fraud, place):
                        self.put(connection, known.rule.name, row.name, {**content, "segment": place}, now)

    def wake(self) -> None:
        """Look at once for what is to be told: call it in the event loop, when the transaction is over."""
        self._something.set()

    def put(self, connection: Connection, rule: str, subject: str, content: Mapping[str, Any], now: int) -> None:
        """Put a message into the outbox, in the caller's transaction."""
        row = {"channel": rule, "subject": subject, "content": json.dumps(dict(content))}
        connection.execute(insert(outbox), {**row, "created": now, "next_try": now})

    def _segments(self, connection: Connection, numbers: set[int]) -> dict[int, tuple[int, str]]:
        found: dict[int, tuple[int, str]] = {}
        wanted = sorted(numbers)
        for first in range(0, len(wanted), BATCH):
            query = select(device.c.id, segment.c.id, segment.c.name).join(segment, segment.c.id == device.c.segment)
            for number, place, name in connection.execute(query.where(device.c.id.in_(wanted[first : first + BATCH]))):
                found[number] = (place, name)
        return found

    def _gather(
        self,
        connection: Connection,
        known: _Known,
        kind: str,
        hit: Sequence[Happened],
        where: Mapping[int, tuple[int, str]],
        now: int,
    ) -> None:
        by_segment: dict[int, set[int]] = {}
        for item in hit:
            by_segment.setdefault(where[item.device][0], set()).add(item.device)
        for place, numbers in by_segment.items():
            open_ = select(storm.c.id).where(
                storm.c.rule == known.number,
                storm.c.segment == place,
                storm.c.kind == kind,
                storm.c.told.is_(None),
                storm.c.due > now,
            )
            number = connection.execute(open_).scalar()
            if number is None:
                row = {"rule": known.number, "segment": place, "kind": kind, "start": now, "due": now + STORM_SECONDS}
                key = connection.execute(insert(storm), row).inserted_primary_key
                assert key is not None
                number = key[0]
            rows = [{"storm": number, "device": each} for each in sorted(numbers)]
            connection.execute(upsert(storm_device).on_conflict_do_nothing(), rows)

    def _tell_storms(self, now: int) -> None:
        """Make one message of every storm whose minute is over."""
        query = (
            select(storm, notify_rule.c.name.label("rule_name"), segment.c.name.label("segment_name"))
            .join(notify_rule, notify_rule.c.id == storm.c.rule)
            .join(segment, segment.c.id == storm.c.segment)
            .where(storm.c.told.is_(None), storm.c.due <= now)
        )
        with self._engine.begin() as connection:
            for row in connection.execute(query).all():
                members = storm_device.c.storm == row.id
                count = connection.execute(select(func.count()).where(members)).scalar_one()
                names = select(device.c.name).join(storm_device, storm_device.c.device == device.c.id).where(members)
                shown = list(connection.execute(names.order_by(device.c.name).limit(MAX_NAMES)).scalars())
                content = {"what": "outage", "kind": row.kind, "devices": count, "names": shown, "first": row.start}
                self.put(connection, row.rule_name, row.segment_name, {**content, "last": row.due}, now)
                connection.execute(update(storm).where(storm.c.id == row.id).values(told=now))
                connection.execute(delete(storm_device).where(members))

    # --- sending ------------------------------------------------------------------------------------------

    async def run(self, every: float = 2.0) -> None:
        """Send for ever: when it was woken, and every so many seconds."""
        while True:
            self._something.clear()
            try:
                sent = await self.once()
            except Exception:
                LOG.exception("nobody was told of what waits; it is tried again")
                sent = 0
            if not sent:
                # wait_for of Python 3.11 forgets an end that is asked for just when there is something.
                with suppress(TimeoutError):
                    async with asyncio.timeout(every):
                        await self._something.wait()

    async def once(self) -> int:
        """Send what is due, one message of each subject; return how many were tried."""
        now = int(self._clock())
        self._tell_storms(now)
        first = (
            select(func.min(outbox.c.id))
            .where(outbox.c.sent.is_(None), outbox.c.dead.is_(None))
            .group_by(outbox.c.channel, outbox.c.subject)
        )
        query = (
            select(outbox).where(outbox.c.id.in_(first), outbox.c.next_try <= now).order_by(outbox.c.id).limit(BATCH)
        )
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
            known = {item.rule.name: item for item in self._known(connection, secrets=True)} if rows else {}
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(row: Any) -> None:
            async with gate:
                message = Message(row.id, row.subject, json.loads(row.content), row.created)
                await self._send(message, row.tries, known.get(row.channel))

        await asyncio.gather(*(one(row) for row in rows))
        return len(rows)

    async def _send(self, message: Message, tries: int, known: _Known | None) -> None:
        values: dict[str, Any]
        if known is None:
            values = {"dead": int(self._clock()), "problem": "its rule is gone"}
        else:
            try:
                await self._senders[known.rule.sender].send(message, known.rule.target, known.secrets)
            except NotSent as error:
                values = self._later(tries + 1, str(error))
            except Exception as error:
                # A sender's fault holds this message up, not the others.
                values = self._later(tries + 1, type(error).__name__)
            else:
                values = {"sent": int(self._clock()), "tries": tries + 1, "problem": None}
        with self._engine.begin() as connection:
            connection.execute(update(outbox).where(outbox.c.id == message.id).values(**values))

    def _later(self, tries: int, problem: str) -> dict[str, Any]:
        now = int(self._clock())
        values: dict[str, Any] = {"tries": tries, "problem": problem[:500]}
        if tries >= self._tries:
            return {**values, "dead": now}
        # Full jitter: many messages that failed together do not come back together.
        pause = self._random() * min(self._first_pause * 2 ** (tries - 1), LONGEST_PAUSE)
        return {**values, "next_try": now + max(1, round(pause))}

    def waiting(self, *, dead: bool = False, limit: int = 100) -> list[dict[str, Any]]:
        """Return what waits, or what was given up; the oldest first."""
        query = select(outbox).where(outbox.c.sent.is_(None)).order_by(outbox.c.id).limit(min(limit, 1000))
        query = query.where(outbox.c.dead.is_not(None) if dead else outbox.c.dead.is_(None))
        names = ("id", "channel", "subject", "created", "tries", "next_try", "problem")
        with self._engine.connect() as connection:
            return [{name: row._mapping[name] for name in names} for row in connection.execute(query)]

    def clean(self, now: int) -> int:
        """Forget what was sent or given up long ago; return how much."""
        old = now - KEPT_SECONDS
        with self._engine.begin() as connection:
            return connection.execute(delete(outbox).where((outbox.c.sent < old) | (outbox.c.dead < old))).rowcount


def _context(name: str) -> str:
    return f"notification {name}"
