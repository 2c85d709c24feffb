"""Campaigns: one thing done at many devices, stage after stage, so that what is wrong is seen at one and not at all.

A stage is cut into durable jobs by segment; what became of each device is a row of ours. Whoever does something at a
device claims its row first, and what it reports counts only under that claim: a job that comes back from the dead, or
one of an earlier round (before a pause), writes nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final, Protocol

from sqlalchemy import Connection, Engine, Row, func, insert, select, update

from cosem.errors import ConfigError, CosemError
from cosem.headend.audit import record
from cosem.headend.inventory import DeviceRow, Inventory
from cosem.headend.inventory import Kind as DeviceKind
from cosem.headend.permits import Lane, Turns
from cosem.headend.plans import Plans, Selection
from cosem.headend.reasons import Reason, reason_of
from cosem.headend.schema import campaign, campaign_device, device
from cosem.headend.work import WorkQueue

LOG: Final = logging.getLogger(__name__)
SLICE: Final = 200
"""Devices of one job at most."""
KEPT_SECONDS: Final = 30 * 86_400
MAX_STAGES: Final = 20
USUAL_STAGES: Final = (1, 100, 0.1, 1.0)


class CampaignState(StrEnum):
    """Where a campaign is. "held": a stage is over, and a person lets the next one begin."""

    UNCONFIRMED = "unconfirmed"
    RUNNING = "running"
    HELD = "held"
    PAUSED = "paused"
    DONE = "done"
    ABORTED = "aborted"


class DeviceState(StrEnum):
    """What became of a device. "ready": everything is there, and waits for its time."""

    WAITING = "waiting"
    RUNNING = "running"
    READY = "ready"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


OPEN: Final = (DeviceState.WAITING, DeviceState.RUNNING, DeviceState.READY)
NEXT: Final[Mapping[CampaignState, frozenset[CampaignState]]] = {
    CampaignState.UNCONFIRMED: frozenset({CampaignState.RUNNING, CampaignState.ABORTED}),
    CampaignState.RUNNING: frozenset(
        {CampaignState.PAUSED, CampaignState.HELD, CampaignState.DONE, CampaignState.ABORTED}
    ),
    CampaignState.HELD: frozenset({CampaignState.RUNNING, CampaignState.ABORTED}),
    CampaignState.PAUSED: frozenset({CampaignState.RUNNING, CampaignState.ABORTED}),
    CampaignState.DONE: frozenset(),
    CampaignState.ABORTED: frozenset(),
}
"""What may follow."""


@dataclass(frozen=True, slots=True)
class NewCampaign:
    """A campaign to be begun. `kind` says what is done, `content` what exactly.

    `stages`: how many devices there are in all after each; a whole number counts, a fraction is of all, and the last
    stage always has all. `gate` waits for a person behind each stage. More failures in a stage than `abort_share` of it
    abort the campaign. Raises `ConfigError`.
    """

    name: str
    kind: str
    content: Mapping[str, Any]
    selection: Selection
    stages: tuple[float, ...] = USUAL_STAGES
    gate: bool = False
    abort_share: float = 0.05
    not_after: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.stages) <= MAX_STAGES or any(
            not (0 < item <= 1 if isinstance(item, float) else item >= 1) for item in self.stages
        ):
            raise ConfigError(f"1 to {MAX_STAGES} stages: numbers of devices, or fractions of all up to 1.0")
        if not 0 <= self.abort_share <= 1:
            raise ConfigError("the share of failures that aborts is 0 to 1")
        if not self.name.strip() or len(self.name) > 200 or not self.name.isprintable():
            raise ConfigError("a campaign's name has 1 to 200 printable characters")


@dataclass(frozen=True, slots=True)
class CampaignRow:
    """A campaign as it stands. `account` counts its devices by stage and state."""

    id: int
    name: str
    kind: str
    content: dict[str, Any]
    selection: Selection
    stages: tuple[float, ...]
    gate: bool
    abort_share: float
    state: CampaignState
    stage: int
    round: int
    requested_by: str
    confirmed_by: str | None
    created: int
    not_after: int
    finished: int | None
    detail: str
    account: tuple[Mapping[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """What a kind of campaign says of one device."""

    state: DeviceState
    detail: str = ""
    answer: Any = None


class Doer(Protocol):
    """What one kind of campaign does. `interruptible` work may be cut off at any moment, and goes on from there."""

    kind: str
    interruptible: bool

    def check(self, content: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
        """Return what is kept of the content, and whether a second person confirms it. Raises `ConfigError`."""

    def due(self, content: Mapping[str, Any]) -> int | None:
        """Return when devices that are ready go on (UTC seconds); None at once."""

    async def begin(self, row: CampaignRow, segment: int) -> None:
        """Do what is done once for a segment, before its first device. Comes again after a crash."""

    async def one(self, row: CampaignRow, target: DeviceRow, *, final: bool) -> Ended:
        """Do it at one device; after a crash with the same one again. `final`: it was ready, and its time has come."""

    async def give_up(self, row: CampaignRow, devices: Sequence[int]) -> None:
        """Take back what was begun at devices of an aborted campaign and is not under way."""


class Campaigns:
    """The campaigns of one head-end. `side_by_side` devices of a job are under way at once."""

    def __init__(
        self,
        engine: Engine,
        queue: WorkQueue,
        doers: Sequence[Doer],
        *,
        clock: Callable[[], float],
        tell: Callable[[str, dict[str, Any]], None] = lambda kind, content: None,
        side_by_side: int = 10,
    ) -> None:
        self._engine = engine
        self._queue = queue
        self._doers = {doer.kind: doer for doer in doers}
        self._clock = clock
        self._tell = tell
        self._side_by_side = side_by_side
        self._turns = Turns()
        self._tasks: dict[int, set[asyncio.Task[None]]] = {}
        self._under_way: set[tuple[int, int]] = set()
        self._changed = asyncio.Event()
        queue.handle("campaign", self._job)

    # --- what people do -----------------------------------------------------------------------------------

    async def begin(self, item: NewCampaign, who: str) -> CampaignRow:
        """Begin a campaign, or wait for the second person. Raises `ConfigError`."""
        doer = self._doers.get(item.kind)
        if doer is None:
            raise ConfigError(f"there is no kind of campaign {item.kind!r}; there are: {', '.join(self._doers)}")
        content, grave = doer.check(item.content)
        now = int(self._clock())
        with self._engine.begin() as connection:
            if connection.execute(select(campaign.c.id).where(campaign.c.name == item.name)).first() is not None:
                raise ConfigError(f"there is a campaign {item.name!r} already")
            chosen = Plans(connection).devices(item.selection)
            if not chosen:
                raise ConfigError("no device in use is selected")
            made = connection.execute(
                insert(campaign),
                {
                    "name": item.name,
                    "kind": item.kind,
                    "content": json.dumps(content),
                    "selection": json.dumps(asdict(item.selection)),
                    "stages": json.dumps(item.stages),
                    "gate": int(item.gate),
                    "abort_share": item.abort_share,
                    "state": CampaignState.UNCONFIRMED if grave else CampaignState.RUNNING,
                    "requested_by": who,
                    "created": now,
                    "not_after": now + KEPT_SECONDS if item.not_after is None else item.not_after,
                },
            )
            key = made.inserted_primary_key
            assert key is not None
            number = int(key[0])
            segments = dict(chosen)
            rows = [
                {"campaign": number, "device": each, "stage": stage, "segment": segments[each]}
                for stage, part in enumerate(cut(item.name, list(segments), item.stages))
                for each in part
            ]
            connection.execute(insert(campaign_device), rows)
            after = {"kind": item.kind, "devices": len(rows), "content": content}
            record(connection, now, who, "begin campaign", item.name, after=after)
        if not grave:
            await self._submit(number)
        return self.get(item.name)

    async def confirm(self, name: str, who: str) -> CampaignRow:
        """Confirm as the second person. Raises `ConfigError` where it is the first one."""
        row = self.get(name)
        if row.state is CampaignState.UNCONFIRMED and row.requested_by == who:
            raise ConfigError("a second person confirms, not the one who asked")
        if row.state is not CampaignState.UNCONFIRMED:
            raise ConfigError(f"{name} waits for nobody's confirmation")
        self._move(row, CampaignState.RUNNING, who, "confirm campaign", confirmed_by=who)
        await self._submit(row.id)
        return self.get(name)

    async def pause(self, name: str, who: str) -> CampaignRow:
        """Begin no further device. What may be cut off is, and goes on from there; the rest comes to its end."""
        row = self.get(name)
        self._move(row, CampaignState.PAUSED, who, "pause campaign")
        await self._cut_off(row)
        return self.get(name)

    async def resume(self, name: str, who: str) -> CampaignRow:
        """Go on behind a pause, or with the next stage where it waits for somebody."""
        row = self.get(name)
        if row.state not in (CampaignState.PAUSED, CampaignState.HELD):
            raise ConfigError(f"{name} is {row.state}: there is nothing to go on with")
        self._move(row, CampaignState.RUNNING, who, "resume campaign", round=row.round + 1)
        await self._submit(row.id)
        return self.get(name)

    async def abort(self, name: str, who: str, why: str = "") -> CampaignRow:
        """End a campaign: devices whose turn has not come are left as they are."""
        row = self.get(name)
        self._abort(row, who, why or f"by {who}")
        await self._cut_off(row)
        return self.get(name)

    # --- what there is ------------------------------------------------------------------------------------

    def get(self, name: str) -> CampaignRow:
        """Return a campaign with its account. Raises `ConfigError` where there is none."""
        with self._engine.connect() as connection:
            row = connection.execute(select(campaign).where(campaign.c.name == name)).one_or_none()
            if row is None:
                raise ConfigError(f"there is no campaign {name!r}")
            return _row(row, self._account(connection, row.id, len(json.loads(row.stages))))

    def all(self, *, before: int | None = None, limit: int = 50) -> list[CampaignRow]:
        """Return campaigns, the newest first, with numbers below `before`."""
        query = select(campaign).order_by(campaign.c.id.desc()).limit(min(limit, 1000))
        if before is not None:
            query = query.where(campaign.c.id < before)
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
            return [_row(row, self._account(connection, row.id, len(json.loads(row.stages)))) for row in rows]

    def devices(
        self, number: int, *, after: int = 0, limit: int = 50, state: DeviceState | None = None
    ) -> list[dict[str, Any]]:
        """Return what became of the devices of a campaign, with numbers above `after`."""
        query = (
            select(campaign_device, device.c.name)
            .join(device, device.c.id == campaign_device.c.device)
            .where(campaign_device.c.campaign == number, campaign_device.c.device > after)
            .order_by(campaign_device.c.device)
            .limit(min(limit, 1000))
        )
        if state is not None:
            query = query.where(campaign_device.c.state == state)
        names = ("device", "name", "stage", "state", "tries", "detail", "finished")
        with self._engine.connect() as connection:
            return [
                {name: row._mapping[name] for name in names}
                | {"answer": None if row.answer is None else json.loads(row.answer)}
                for row in connection.execute(query)
            ]

    def _account(self, connection: Connection, number: int, stages: int) -> tuple[Mapping[str, int], ...]:
        found: list[dict[str, int]] = [{} for _ in range(stages)]
        query = (
            select(campaign_device.c.stage, campaign_device.c.state, func.count())
            .where(campaign_device.c.campaign == number)
            .group_by(campaign_device.c.stage, campaign_device.c.state)
        )
        for stage, state, count in connection.execute(query):
            found[stage][state] = count
        return tuple(found)

    # --- stages -------------------------------------------------------------------------------------------

    async def advance(self) -> None:
        """Look at every running campaign: submit, go to the next stage, end. Harmless as often as one likes."""
        now = int(self._clock())
        for row in self._running():
            if now > row.not_after:
                with suppress(ConfigError):
                    self._abort(row, "head-end", "its time is over")
                await self._cut_off(row)
                continue
            open_ = sum(row.account[row.stage].get(state, 0) for state in OPEN)
            if open_:
                await self._submit(row.id)
            elif self._following(row) is None:
                with suppress(ConfigError):
                    self._move(row, CampaignState.DONE, "head-end", "end campaign", finished=now)
            else:
                state = CampaignState.HELD if row.gate else CampaignState.RUNNING
                with suppress(ConfigError):
                    self._move(row, state, "head-end", "next stage", stage=self._following(row))
                await self._submit(row.id)

    def _following(self, row: CampaignRow) -> int | None:
        """Return the next stage that has devices."""
        return next((stage for stage in range(row.stage + 1, len(row.stages)) if row.account[stage]), None)

    async def run(self, every: float = 5.0) -> None:
        """Advance for ever: when something changed, and every so many seconds.

        What runs begins a new round: a job of the one before may have ended with the process, its devices open.
        """
        with self._engine.begin() as connection:
            running = campaign.c.state == CampaignState.RUNNING
            connection.execute(update(campaign).where(running).values(round=campaign.c.round + 1))
        while True:
            self._changed.clear()
            try:
                await self.advance()
            except Exception:
                # What went wrong here once (a disk that was full) must not end every campaign to come.
                LOG.exception("campaigns were not carried on")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), every)

    async def close(self) -> None:
        """End what is under way; it goes on with the next start."""
        tasks = [task for known in self._tasks.values() for task in known]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _running(self) -> list[CampaignRow]:
        with self._engine.connect() as connection:
            rows = connection.execute(select(campaign).where(campaign.c.state == CampaignState.RUNNING)).all()
            return [_row(row, self._account(connection, row.id, len(json.loads(row.stages)))) for row in rows]

    async def _submit(self, number: int) -> None:
        """Submit the jobs of the stage. A job that is there stays the only one, so this may be done again."""
        with self._engine.connect() as connection:
            found = connection.execute(select(campaign).where(campaign.c.id == number)).one()
            row = _row(found, ())
            query = select(campaign_device.c.device, campaign_device.c.segment, campaign_device.c.state).where(
                campaign_device.c.campaign == number, campaign_device.c.stage == row.stage
            )
            members = connection.execute(query.order_by(campaign_device.c.device)).all()
        if row.state is not CampaignState.RUNNING:
            return
        due = self._doers[row.kind].due(row.content)
        final = due is not None and self._clock() >= due
        by_segment: dict[int, list[int]] = {}
        for each in members:
            by_segment.setdefault(each.segment, []).append(each.device)
        open_ = {each.device for each in members if each.state in OPEN and (final or each.state != DeviceState.READY)}
        for segment, numbers in sorted(by_segment.items()):
            for part, first in enumerate(range(0, len(numbers), SLICE)):
                chosen = numbers[first : first + SLICE]
                if open_.isdisjoint(chosen):
                    continue
                identity = f"campaign {number} round {row.round} stage {row.stage} segment {segment} part {part}"
                content = {"campaign": number, "round": row.round, "segment": segment, "devices": chosen}
                # A queue of its own for each segment, beside that of its plans: a night's reading does not wait for it.
                await self._queue.submit(
                    "campaign",
                    identity + (" final" if final else ""),
                    {**content, "final": final},
                    lane=Lane.BACKGROUND,
                    segment=-segment,
                )

    # --- devices ------------------------------------------------------------------------------------------

    async def _job(self, content: Mapping[str, Any]) -> Mapping[str, Any]:
        number, round_, segment = int(content["campaign"]), int(content["round"]), int(content["segment"])
        row = self._valid(number, round_)
        if row is None:
            return {"ended": 0}
        await self._doers[row.kind].begin(row, segment)
        gate = asyncio.Semaphore(self._side_by_side)
        ended = 0

        async def one(each: int) -> None:
            nonlocal ended
            async with gate, self._turns.of(each):
                ended += await self._device(number, round_, each, final=bool(content["final"]))

        tasks = [asyncio.create_task(one(int(each))) for each in content["devices"]]
        known = self._tasks.setdefault(number, set())
        known.update(tasks)
        try:
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            for task in tasks:
                task.cancel()
            known.difference_update(tasks)
            self._changed.set()
        return {"ended": ended}

    async def _device(self, number: int, round_: int, each: int, *, final: bool) -> bool:
        """Do it at one device; return whether it came to an end."""
        row = self._valid(number, round_)
        if row is None:
            return False
        claim = self._claim(row, each, final)
        if claim is None:
            return False
        with self._engine.connect() as connection:
            target = Inventory(connection).by_number([each])[each]
        self._under_way.add((number, each))
        try:
            ended = await self._doers[row.kind].one(row, target, final=final)
        except asyncio.CancelledError:
            self._report(row, each, claim, Ended(DeviceState.READY if final else DeviceState.WAITING, "interrupted"))
            raise
        except (CosemError, OSError, ValueError) as error:
            ended = Ended(DeviceState.FAILED, f"{reason_of(error)}: {error}")
        except Exception as error:
            # One device's fault must not hold the stage up for ever.
            ended = Ended(DeviceState.FAILED, f"{Reason.FAULT}: {type(error).__name__}")
        finally:
            self._under_way.discard((number, each))
        if self._report(row, each, claim, ended):
            await self._judge(row)
        return ended.state not in OPEN

    def _valid(self, number: int, round_: int) -> CampaignRow | None:
        """Return the campaign where a job of that round may still do something."""
        with self._engine.connect() as connection:
            found = connection.execute(select(campaign).where(campaign.c.id == number)).one_or_none()
        row = None if found is None else _row(found, ())
        return row if row is not None and row.state is CampaignState.RUNNING and row.round == round_ else None

    def _claim(self, row: CampaignRow, each: int, final: bool) -> int | None:
        """Take a device; return the number of the claim, None where there is nothing to be done."""
        states = [DeviceState.WAITING, DeviceState.RUNNING, *([DeviceState.READY] if final else [])]
        where = (campaign_device.c.campaign == row.id, campaign_device.c.device == each)
        with self._engine.begin() as connection:
            done = connection.execute(
                update(campaign_device)
                .where(*where, campaign_device.c.state.in_(states))
                .values(state=DeviceState.RUNNING, tries=campaign_device.c.tries + 1)
            )
            if not done.rowcount:
                return None
            return int(connection.execute(select(campaign_device.c.tries).where(*where)).scalar_one())

    def _report(self, row: CampaignRow, each: int, claim: int, ended: Ended) -> bool:
        """Write down what became of a device, if the claim still holds."""
        over = ended.state not in OPEN
        values = {
            "state": ended.state,
            "detail": ended.detail[:500],
            "answer": None if ended.answer is None else json.dumps(ended.answer),
            "finished": int(self._clock()) if over else None,
        }
        where = (
            campaign_device.c.campaign == row.id,
            campaign_device.c.device == each,
            campaign_device.c.state == DeviceState.RUNNING,
            campaign_device.c.tries == claim,
        )
        with self._engine.begin() as connection:
            done = connection.execute(update(campaign_device).where(*where).values(**values)).rowcount
        self._tell("campaign", {"campaign": row.name, "device": each, "state": ended.state, "detail": ended.detail})
        return bool(done)

    async def _judge(self, row: CampaignRow) -> None:
        """Abort where too much of the stage failed."""
        row = self.get(row.name)
        account = row.account[row.stage]
        failed, size = account.get(DeviceState.FAILED, 0), sum(account.values())
        if row.state is CampaignState.RUNNING and failed > row.abort_share * size:
            with suppress(ConfigError):
                self._abort(row, "head-end", f"{failed} of {size} devices of stage {row.stage + 1} failed")
            await self._cut_off(row)

    # --- states -------------------------------------------------------------------------------------------

    def _abort(self, row: CampaignRow, who: str, why: str) -> None:
        now = int(self._clock())
        self._move(row, CampaignState.ABORTED, who, "abort campaign", finished=now, detail=why[:500])

    def _cancel_open(self, row: CampaignRow) -> list[int]:
        """Cancel the devices at which nothing is under way; return those at which a crash may have left something."""
        under_way = [each for number, each in self._under_way if number == row.id]
        where = (
            campaign_device.c.campaign == row.id,
            campaign_device.c.state.in_(OPEN),
            campaign_device.c.device.not_in(under_way),
        )
        with self._engine.begin() as connection:
            begun = select(campaign_device.c.device).where(*where, campaign_device.c.tries > 0)
            found = list(connection.execute(begun).scalars())
            values = {"state": DeviceState.CANCELLED, "finished": int(self._clock())}
            connection.execute(update(campaign_device).where(*where).values(**values))
        return found

    async def _cut_off(self, row: CampaignRow) -> None:
        """End what is under way where that does no harm, and what nobody will come back to."""
        doer = self._doers[row.kind]
        current = asyncio.current_task()
        tasks = [task for task in self._tasks.get(row.id, ()) if task is not current]
        if doer.interruptible and tasks:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        if self.get(row.name).state is CampaignState.ABORTED:
            await doer.give_up(row, self._cancel_open(row))

    def _move(self, row: CampaignRow, state: CampaignState, who: str, what: str, **values: Any) -> None:
        """Change the state if it is still what it was."""
        if state not in NEXT[row.state] and state is not row.state:
            raise ConfigError(f"{row.name} is {row.state}: {state} cannot follow")
        where = (campaign.c.id == row.id, campaign.c.state == row.state, campaign.c.round == row.round)
        with self._engine.begin() as connection:
            if not connection.execute(update(campaign).where(*where).values(state=state, **values)).rowcount:
                raise ConfigError(f"{row.name} is no longer {row.state}")
            after = {"state": state} | {name: values[name] for name in ("stage", "detail") if name in values}
            record(connection, self._clock(), who, what, row.name, before={"state": row.state}, after=after)
        self._tell("campaign", {"campaign": row.name, "state": state})
        self._changed.set()


def cut(name: str, numbers: Sequence[int], stages: Sequence[float]) -> list[list[int]]:
    """Return the devices of each stage: every device in one, the order by chance but always the same."""

    def place(number: int) -> bytes:
        return hashlib.blake2b(f"{name}/{number}".encode(), digest_size=8).digest()

    order = sorted(numbers, key=place)
    found: list[list[int]] = []
    before = 0
    for position, stage in enumerate(stages):
        upto = -(-len(order) * stage // 1) if isinstance(stage, float) else stage
        if position == len(stages) - 1:
            upto = len(order)
        behind = max(before, min(len(order), int(upto)))
        found.append(order[before:behind])
        before = behind
    return found


def selection_of(values: Mapping[str, Any]) -> Selection:
    """Return the selection of a document."""
    kinds = tuple(DeviceKind(kind) for kind in values.get("kinds", ()))
    names = ("types", "groups", "tags", "names")
    return Selection(kinds, **{name: tuple(values.get(name, ())) for name in names})


def _row(row: Row[Any], account: tuple[Mapping[str, int], ...]) -> CampaignRow:
    return CampaignRow(
        row.id,
        row.name,
        row.kind,
        json.loads(row.content),
        selection_of(json.loads(row.selection)),
        tuple(json.loads(row.stages)),
        bool(row.gate),
        row.abort_share,
        CampaignState(row.state),
        row.stage,
        row.round,
        row.requested_by,
        row.confirmed_by,
        row.created,
        row.not_after,
        row.finished,
        row.detail,
        account,
    )
