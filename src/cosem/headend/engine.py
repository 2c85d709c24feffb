"""The engine: plans become runs, runs become slices of durable work, slices are collected; files are written meanwhile.

One process, one event loop. Every segment has its permits here; the slices of a segment come one after the other.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, delete, select, update

from cosem.client.async_meter import AsyncMeter
from cosem.client.core import ClientOptions
from cosem.client.keyfile import DeviceKeys
from cosem.client.plan import Plan as ClientPlan
from cosem.errors import ConfigError, CosemError
from cosem.headend.broadcast import Broadcasts
from cosem.headend.campaign_kinds import CommandCampaign, FirmwareCampaign, KeyCampaign
from cosem.headend.campaigns import Campaigns
from cosem.headend.children import Child, profile_name, profiles_of
from cosem.headend.collector import Collector, Slice
from cosem.headend.commands import CommandRow, Commands, now_of
from cosem.headend.counters import DatabaseCounterStore
from cosem.headend.database import open_database
from cosem.headend.estimating import estimate_gaps
from cosem.headend.firmware import Firmware
from cosem.headend.happenings import alarms
from cosem.headend.home.settings import HomeSettings
from cosem.headend.intervals import Intervals
from cosem.headend.inventory import DeviceRow, DeviceType, Inventory, State
from cosem.headend.keychanges import Change, KeyChanges
from cosem.headend.notify import Notifier
from cosem.headend.permits import Lane, Limits, Permits, Turns
from cosem.headend.plans import DAY, Plan, Plans, slot
from cosem.headend.reading import over
from cosem.headend.reasons import reason_of
from cosem.headend.results import take_over
from cosem.headend.schema import gap, idempotency, plan_run, progress, result
from cosem.headend.schema import slice_ as slice_table
from cosem.headend.senders import Mail, Mqtt, Webhook
from cosem.headend.session import (
    ClockPolicy,
    DeviceCounters,
    Logs,
    Outcome,
    Target,
    Wanted,
    counter_name,
    log_progress,
)
from cosem.headend.traces import Traces
from cosem.headend.vault import KeyState, KeyStore, Purpose, Sealer, Vault, device_keys
from cosem.headend.work import Elsewhere, WorkQueue

CLIENT_TITLE: Final = b"CSMHE\x00\x00\x01"
"""The head-end's system title where a utility has none of its own."""
LEASE: Final = 100
LOOK_SECONDS: Final = 2.0
"""How often it is looked for what is due, and for what other processes asked for."""
LOG: Final = logging.getLogger(__name__)
SWEEP_SECONDS: Final = 900.0
ANSWERS_SECONDS: Final = 7 * DAY
"""How long answers under an Idempotency-Key are kept."""
MAX_GAP_TRIES: Final = 5
BACKFILL_DAYS: Final = 10
"""How far back gaps are asked for again."""


@dataclass(frozen=True, slots=True)
class HeadendSettings:
    """`folder` has the database, the interval files and the key. `client_title` is what the head-end sends as its own.

    `zone` is the deviation to UTC (minutes) of meters whose times have none. `write_every` seconds staged values are
    moved into files. `two_persons` are the kinds of commands that a second person confirms. `home` is who is told by
    MQTT while the head-end is served.
    """

    folder: Path
    client_title: bytes = CLIENT_TITLE
    zone: int = -60
    write_every: float = 600.0
    options: ClientOptions | None = None
    first_pause: float = 5.0
    two_persons: frozenset[str] = frozenset()
    home: HomeSettings | None = None


class Headend:
    """A data collection system: database, values, keys and work of one folder.

    `clock` gives UTC seconds, `random` numbers from 0 to 1. Use it inside a running event loop: `start`, `close`.
    """

    def __init__(
        self,
        settings: HeadendSettings,
        queue: WorkQueue,
        *,
        clock: Callable[[], float],
        random: Callable[[], float],
        sealer: Sealer | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.queue = queue
        self.engine = open_database(settings.folder / "headend.db")
        self.intervals = Intervals(settings.folder / "intervals")
        self.counters = DatabaseCounterStore(self.engine)
        self.sealer = sealer or Vault.find(settings.folder, create=True)
        self.keys = KeyStore(self.sealer)
        self.turns = Turns()
        self.traces = Traces(self.engine, self.sealer, clock=clock)
        self.collector = Collector(
            self.engine,
            self.intervals,
            self.counters,
            clock=clock,
            random=random,
            options=settings.options,
            first_pause=settings.first_pause,
            turns=self.turns,
            alarmed=self.alarmed,
        )
        self.commands = Commands(self.engine, queue, self.meter, clock=clock, two_persons=settings.two_persons)
        self.key_changes = KeyChanges(
            self.engine, queue, self.keys, self.meter, clock=clock, client_title=settings.client_title
        )
        self.key_changes.listeners.append(self._keys_changed)
        self._rekeyed: set[int] = set()
        self.collector.renew = self._renew
        self.collector.traces = self.traces
        self.firmware = Firmware(self.engine, settings.folder, clock=clock)
        self.broadcasts = Broadcasts(self.engine, self.sealer, self.counters, clock=clock)
        self.firmware_campaign = FirmwareCampaign(self.engine, self.firmware, self.meter, tell=self.tell)
        self.notifier = Notifier(
            self.engine,
            self.sealer,
            {"webhook": Webhook(clock), "mail": Mail(), "mqtt": Mqtt()},
            clock=clock,
            random=random,
        )
        self.collector.within = self.notifier.within
        self.command_campaign = CommandCampaign(self.engine, self.commands, self.broadcasts, clock=clock)
        self.campaigns = Campaigns(
            self.engine,
            queue,
            (
                self.command_campaign,
                KeyCampaign(self.engine, self.key_changes),
                self.firmware_campaign,
            ),
            clock=clock,
            tell=self.tell,
            works=not isinstance(queue, Elsewhere),
        )
        self.listeners: list[Callable[[int, Outcome], None]] = []
        """Told of every device's end in a run: the run's number and the outcome."""
        self.live: list[Callable[[str, dict[str, Any]], None]] = []
        """Told of everything that somebody might follow: its kind, and plain values."""
        self.commands.listeners.append(
            lambda row: self.tell("command", {"id": row.id, "device": row.device, "kind": row.kind, "state": row.state})
        )
        self._permits: dict[int, Permits] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._by_plan: float | None = None
        self._submitted: tuple[set[int], set[str], set[str]] = (set(), set(), set())
        """The slices, bundles and changes of keys that this process gave to the queue."""
        queue.handle("slice", self._slice)

    async def start(self, *, schedule: bool = True) -> None:
        """Begin: with what was under way, and with what is due by its plan where `schedule` says so."""
        with self.engine.begin() as connection:
            self.intervals.sweep(connection)
        await self.queue.start()
        await self._pick_up()
        self._tasks.append(asyncio.create_task(self._write()))
        self._tasks.append(asyncio.create_task(self.campaigns.run()))
        self._tasks.append(asyncio.create_task(self._sweep()))
        self._tasks.append(asyncio.create_task(self.notifier.run()))
        self._by_plan = 0.0 if schedule else None
        self._tasks.append(asyncio.create_task(self._schedule()))

    def begin_schedule(self, after: float) -> None:
        """Let plans begin by their schedules: those runs whose start is behind `after` (UTC seconds)."""
        self._by_plan = after

    async def close(self) -> None:
        """End. What is under way goes on at the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        await self.campaigns.close()
        await self.queue.close()
        with self.engine.begin() as connection:
            self.intervals.write(connection)
        self.engine.dispose()

    # --- runs ---------------------------------------------------------------------------------------------

    async def run(self, plan: int, start: int | None = None, *, spread: bool = True) -> int:
        """Begin a run of a plan now (or of its start); return the run's number."""
        with self.engine.begin() as connection:
            plans = Plans(connection)
            run = plans.begin(plan, int(self.clock()) if start is None else start, spread=spread)
        await self._pick_up()
        return run

    async def _pick_up(self) -> None:
        """Submit what waits and was not: of this process, of another one, or of one that was killed in between."""
        slices, bundles, changes = self._submitted
        with self.engine.connect() as connection:
            waiting = Plans(connection).open_slices()
        for number, segment in waiting:
            if number not in slices:
                slices.add(number)
                content = {"slice": number}
                await self.queue.submit("slice", f"slice {number}", content, lane=Lane.BACKGROUND, segment=segment)
        await self.commands.pick_up(bundles)
        await self.key_changes.pick_up(changes)

    async def finished(self, run: int) -> Mapping[str, int]:
        """Wait for a run to end; return its account."""
        with self.engine.connect() as connection:
            ids = connection.execute(select(slice_table.c.id).where(slice_table.c.run == run)).scalars().all()
        for number in ids:
            await self.queue.result(f"slice {number}")
        with self.engine.begin() as connection:
            plans = Plans(connection)
            plans.finish(run, int(self.clock()))
            return plans.account(run)

    async def _schedule(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                if self._by_plan is not None:
                    with self.engine.connect() as connection:
                        due = Plans(connection).due(int(self.clock()))
                    for plan, start in due:
                        if start >= self._by_plan:
                            await self.run(plan, start)
                await self._pick_up()
            except Exception:
                # What went wrong here once (a disk that was full) must not end the nights to come.
                LOG.exception("what is due was not begun")

    async def _sweep(self) -> None:
        """Look again at changes of keys that are open: at the start, and now and then."""
        while True:
            try:
                await self.key_changes.sweep()
                self.notifier.clean(int(self.clock()))
                self.traces.clean()
                self._forget_answers()
            except Exception:
                LOG.exception("open changes of keys were not looked at")
            await asyncio.sleep(SWEEP_SECONDS)

    def _forget_answers(self) -> None:
        """Forget under which keys something was asked for long ago: nobody asks for it again."""
        with self.engine.begin() as connection:
            connection.execute(delete(idempotency).where(idempotency.c.at < int(self.clock()) - ANSWERS_SECONDS))

    async def _write(self) -> None:
        while True:
            await asyncio.sleep(self.settings.write_every)
            try:
                await asyncio.to_thread(self._write_files)
            except Exception:
                LOG.exception("staged values were not written into files; they are tried again")

    def _write_files(self) -> None:
        with self.engine.begin() as connection:
            self.intervals.write(connection)

    # --- one device ---------------------------------------------------------------------------------------

    @asynccontextmanager
    async def meter(
        self, number: int, *, lane: Lane = Lane.INTERACTIVE, state: KeyState = KeyState.ACTIVE, traced: bool = True
    ) -> AsyncIterator[AsyncMeter]:
        """Associate with one device at once, ahead of plans unless in their `lane`: `meter` as `cosem.client` has it.

        One that is read through its parent is reached by that: the association is the parent's.

        `state` NEW takes the keys that are on their way to it where there are such. Raises `ConfigError` for one that
        is not there or is not dialled, and what the client raises. `traced` False: no trace is kept of what is said.
        """
        number = await asyncio.to_thread(self._dialled, number)
        async with self.turns.of(number):
            plan, segment, limits = await asyncio.to_thread(self._client_plan, number, state)
            async with (
                self._permits_of(segment, limits).permit(lane),
                self.traces.session(number, "command") if traced else nullcontext() as recording,
                AsyncMeter(plan, trace=recording) as meter,
            ):
                yield meter

    def _dialled(self, number: int) -> int:
        with self.engine.connect() as connection:
            row = Inventory(connection).by_number([number]).get(number)
        return number if row is None else row.dialled

    async def read_now(
        self, name: str, who: str, objects: Sequence[str] = (), *, identity: str | None = None, seconds: int = 60
    ) -> list[CommandRow]:
        """Ask for what a device shows now, and those on its M-Bus; keep it as latest values. Waits until it is known.

        `objects` are logical names where not everything is wanted, it is tried for `seconds`. Raises `ConfigError`.
        """
        with self.engine.connect() as connection:
            command = now_of(connection, name, objects)
        late = int(self.clock()) + seconds
        rows = await self.commands.request(name, [command], who, identity=identity, not_after=late)
        return await self.commands.ended(rows[0].bundle)

    def _client_plan(self, number: int, state: KeyState) -> tuple[ClientPlan, int, Limits]:
        with self.engine.begin() as connection:
            inventory = Inventory(connection)
            row = inventory.by_number([number]).get(number)
            if row is None or row.url is None:
                raise ConfigError(f"device {number} is not there, or is not dialled itself")
            segment = inventory.segment(row.segment)
            secrets = self.keys.secrets(connection, [number])[number]
            if state is KeyState.NEW:
                secrets |= self.keys.secrets(connection, [number], KeyState.NEW)[number]
            keys = self.device_keys(row, secrets)
            name = counter_name(number, keys)
            block = self.counters.lease_many(connection, {name: 0}, LEASE)[name]
        counters = DeviceCounters(number, self.counters)
        plan = ClientPlan(row.url, device=keys, counters=counters, options=self.settings.options, block=block)
        return plan, segment, self._limits(segment)

    def _keys_changed(self, change: Change, step: str) -> None:
        if step == "changed":
            self._rekeyed.add(change.device)

    def _renew(self, target: Target) -> Target:
        """Return a target with the keys of now; one that was prepared before they changed would be shut out."""
        if target.device not in self._rekeyed:
            return target
        with self.engine.connect() as connection:
            row = Inventory(connection).by_number([target.device])[target.device]
            secrets = self.keys.secrets(connection, [target.device])[target.device]
        keys = self.device_keys(row if target.url == row.url else _read_as(row), secrets)
        return target if keys == target.keys else replace(target, keys=keys, lease=None)

    def device_keys(self, row: DeviceRow, secrets: Mapping[Purpose, bytes]) -> DeviceKeys:
        """Return what the client needs to speak to a device by these secrets."""
        return device_keys(row.name, secrets, system_title=row.title, client_system_title=self.settings.client_title)

    def _limits(self, segment: int) -> Limits:
        with self.engine.connect() as connection:
            return Inventory(connection).limits(segment)

    def _permits_of(self, segment: int, limits: Limits) -> Permits:
        permits = self._permits.get(segment)
        if permits is None:
            permits = self._permits[segment] = Permits(limits, asyncio.get_running_loop().time)
        elif permits.limits != limits:
            # The same ones: connections that are open under the former limits count.
            permits.change(limits)
        return permits

    # --- slices -------------------------------------------------------------------------------------------

    async def _slice(self, content: Mapping[str, Any]) -> Mapping[str, Any]:
        """Carry out one slice; idempotent: what is read already is not read again."""
        number = int(content["slice"])
        try:
            prepared = await asyncio.to_thread(self._prepare, number)
        except CosemError as error:
            await asyncio.to_thread(self._give_up, number, error)
            raise
        if prepared is None:
            return {"read": 0}
        work, limits, segment = prepared
        permits = self._permits_of(segment, limits)
        account = await self.collector.run(work, permits, progress=lambda outcome: self._ended(work.run, outcome))
        await asyncio.to_thread(self._close, number, work.run)
        return {"read": account.read, "values": account.values, "reasons": dict(account.reasons)}

    def _ended(self, run: int, outcome: Outcome) -> None:
        for listener in self.listeners:
            listener(run, outcome)
        self.tell("read", {"run": run, "device": outcome.device, "reason": outcome.reason, "detail": outcome.detail})

    def tell(self, kind: str, content: dict[str, Any]) -> None:
        """Tell everybody who follows."""
        for listener in list(self.live):
            listener(kind, content)

    def alarmed(self, numbers: list[int]) -> None:
        """Tell of alarms that were opened."""
        with self.engine.connect() as connection:
            rows = alarms(connection, numbers=numbers, limit=len(numbers))
        for row in rows:
            self.tell("alarm", {"alarm": row.id, "device": row.device, "kind": row.kind, "fraud": row.fraud})
        self.notifier.wake()

    def _close(self, number: int, run: int) -> None:
        with self.engine.begin() as connection:
            connection.execute(update(slice_table).where(slice_table.c.id == number).values(state="done"))
            Plans(connection).finish(run, int(self.clock()))
            estimate_gaps(connection, self.intervals, number)

    def _give_up(self, number: int, error: CosemError) -> None:
        """Account for every device of a slice that cannot even begin."""
        with self.engine.begin() as connection:
            where = (result.c.slice == number, result.c.finished.is_(None))
            told = {"reason": reason_of(error), "detail": str(error)[:500], "finished": int(self.clock())}
            connection.execute(update(result).where(*where).values(**told))
            run = connection.execute(select(slice_table.c.run).where(slice_table.c.id == number)).scalar_one()
        self._close(number, run)

    def _prepare(self, number: int) -> tuple[Slice, Limits, int] | None:
        """Take the segment over and lease counters, in one transaction; return what is to be done, None if nothing."""
        with self.engine.begin() as connection:
            row = connection.execute(select(slice_table).where(slice_table.c.id == number)).one_or_none()
            if row is None or row.state == "done":
                return None
            run = connection.execute(select(plan_run).where(plan_run.c.id == row.run)).one()
            item = Plans(connection).get(run.plan)
            inventory = Inventory(connection)
            limits = inventory.limits(row.segment)
            epoch = take_over(connection, row.segment)
            waiting = select(result.c.device).where(
                result.c.run == row.run, result.c.slice == number, result.c.finished.is_(None)
            )
            numbers = list(connection.execute(waiting).scalars())
            targets = self._targets(connection, inventory, item, numbers, run.start, bool(run.spread))
        return Slice(row.run, row.segment, epoch, targets, run.deadline, item.tries), limits, row.segment

    def _targets(
        self, connection: Connection, inventory: Inventory, item: Plan, numbers: list[int], start: int, spread: bool
    ) -> tuple[Target, ...]:
        rows = inventory.by_number(numbers)
        types = {kind.name: kind for kind in inventory.types()}
        known: dict[int, dict[str, int]] = {}
        for first in range(0, len(numbers), 500):
            part = numbers[first : first + 500]
            for where, profile, until in connection.execute(select(progress).where(progress.c.device.in_(part))):
                known.setdefault(where, {})[profile] = until
            oldest = int(self.clock()) - BACKFILL_DAYS * DAY
            holes = select(gap.c.device, gap.c.profile, gap.c.first).where(
                gap.c.device.in_(part), gap.c.tries < MAX_GAP_TRIES, gap.c.first >= oldest
            )
            for where, profile, begin in connection.execute(holes):
                until = known.get(where, {})
                until[profile] = min(until.get(profile, begin), begin - 1)
        children: dict[int, list[DeviceRow]] = {}
        for number in numbers:
            children.setdefault(rows[number].dialled, [])
            if rows[number].is_child:
                children[rows[number].dialled].append(rows[number])
        dialled = inventory.by_number(children)
        secrets = self.keys.secrets(connection, list(dialled))
        # What a concentrator kept of a meter is the meter's own: what hangs behind that is read through it.
        dialled = {number: row if children[number] else _read_as(row) for number, row in dialled.items()}
        keys = {number: self.device_keys(row, secrets[number]) for number, row in dialled.items()}
        names = {number: counter_name(number, keys[number]) for number in dialled}
        leases = self.counters.lease_many(connection, dict.fromkeys(names.values(), 0), LEASE)
        targets = []
        for number, row in dialled.items():
            kind = types.get(row.type or "")
            read = known.get(number, {})
            own = number in rows
            wanted = self._wanted(item, kind, read) if own else ()
            late = slot(item.name, number, round(item.window * item.spread)) if spread else 0
            target = self._target(row, keys[number], wanted, item, leases[names[number]], start + late)
            behind = tuple(self._child(inventory, item, each, known) for each in children[number])
            logs = self._logs(item, kind, read) if own else None
            targets.append(replace(target, logs=logs, own=own, children=behind, obstacle=_obstacle(row)))
        return tuple(targets)

    def _child(self, inventory: Inventory, item: Plan, row: DeviceRow, known: Mapping[int, Mapping[str, int]]) -> Child:
        oldest = max(int(self.clock()) - item.depth * DAY, inventory.freed(row))
        read = known.get(row.id, {})
        since = {number: max(read.get(str(profile_name(number)), 0), oldest) for number in profiles_of(item.profiles)}
        assert row.channel is not None
        return Child(row.id, row.name, row.channel, row.meter, since)

    def _wanted(self, item: Plan, kind: DeviceType | None, known: Mapping[str, int]) -> tuple[Wanted, ...]:
        now = int(self.clock())
        wanted = []
        for reading in kind.readings if kind is not None else ():
            name = str(reading.name)
            if item.profiles and name not in item.profiles:
                continue
            since = max(known.get(name, 0), now - item.depth * DAY)
            wanted.append(Wanted(reading, since, over(now, reading.period)))
        return tuple(wanted)

    def _logs(self, item: Plan, kind: DeviceType | None, known: Mapping[str, int]) -> Logs | None:
        if not item.events:
            return None
        oldest = int(self.clock()) - item.depth * DAY
        since = {group: max(known.get(log_progress(group), 0), oldest) for group in item.events}
        return Logs(kind.companion if kind is not None else "idis", since)

    def _target(
        self,
        row: DeviceRow,
        keys: DeviceKeys,
        wanted: tuple[Wanted, ...],
        item: Plan,
        lease: tuple[int, int],
        not_before: int,
    ) -> Target:
        policy = ClockPolicy() if item.clock else None
        return Target(row.id, row.name, row.url or "", keys, wanted, policy, lease, self.settings.zone, not_before)


def _read_as(row: DeviceRow) -> DeviceRow:
    """Return a device as plans speak to it: a concentrator that shows what it kept has a title of its own."""
    return row if row.kept_url is None else replace(row, url=row.kept_url, system_title=None)


def _obstacle(row: DeviceRow) -> str:
    """Return why a device is not dialled though something is to be read through it."""
    if row.url is None:
        return f"{row.name} is not dialled itself"
    return "" if row.state is State.IN_USE else f"{row.name} is {row.state}"
