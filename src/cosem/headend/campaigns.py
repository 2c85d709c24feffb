"""Campaigns: one thing done at many devices, stage after stage, so that what is wrong is seen at one and not at all.

A stage is cut into durable jobs by segment; what became of each device is a row of ours. Whoever does something at a
device claims its row first, and what it reports counts only under that claim: a job that comes back from the dead, or
one of an earlier round (before a pause), writes nothing.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import Connection, Engine, func, insert, select, update

from cosem.errors import ConfigError, CosemError
from cosem.headend.audit import record
from cosem.headend.campaign import (
    NEXT,
    OPEN,
    CampaignRow,
    CampaignState,
    DeviceState,
    Doer,
    Ended,
    NewCampaign,
    campaign_row,
    cut,
)
from cosem.headend.inventory import Inventory
from cosem.headend.permits import Lane, Turns
from cosem.headend.plans import Plans
from cosem.headend.reasons import Reason, reason_of
from cosem.headend.schema import campaign, campaign_device, device
from cosem.headend.work import WorkQueue

LOG: Final = logging.getLogger(__name__)
SLICE: Final = 200
"""Devices of one job at most."""
KEPT_SECONDS: Final = 30 * 86_400


class Campaigns:
    """The campaigns of one head-end. `side_by_side` devices of a job are under way at once.

    `works` False: this process only writes down what people want, and another one carries it out.
    """

    def __init__(
        self,
        engine: Engine,
        queue: WorkQueue,
        doers: Sequence[Doer],
        *,
        clock: Callable[[], float],
        tell: Callable[[str, dict[str, Any]], None] = lambda kind, content: None,
        side_by_side: int = 10,
        works: bool = True,
    ) -> None:
        self._engine = engine
        self._queue = queue
        self._doers = {doer.kind: doer for doer in doers}
        self._clock = clock
        self._tell = tell
        self._side_by_side = side_by_side
        self._works = works
        self._turns = Turns()
        self._tasks: dict[int, set[asyncio.Task[None]]] = {}
        self._under_way: set[tuple[int, int]] = set()
        self._changed = asyncio.Event()
        queue.handle("campaign", self._job)

    # --- what people do -----------------------------------------------------------------------------------

    async def begin(self, item: NewCampaign, who: str, *, paused: bool = False) -> CampaignRow:
        """Begin a campaign, or wait for the second person. Raises `ConfigError`.

        `paused`: it is looked at first, and begins when somebody lets it go on.
        """
        content, grave = self.kept(item)
        if paused and grave:
            raise ConfigError("this campaign waits for a second person anyway")
        state = CampaignState.UNCONFIRMED if grave else CampaignState.PAUSED if paused else CampaignState.RUNNING
        now = int(self._clock())
        with self._engine.begin() as connection:
            if connection.execute(select(campaign.c.id).where(campaign.c.name == item.name)).first() is not None:
                raise ConfigError(f"there is a campaign {item.name!r} already")
            chosen = Plans(connection).devices(item.selection)
            if not chosen:
                raise ConfigError("no device in use is selected")
            last = item.stages[-1]
            reached = last * len(chosen) if isinstance(last, float) else last
            if reached < len(chosen):
                raise ConfigError(f"the last stage is every device there is: say all, not {last:g} of {len(chosen)}")
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
                    "state": state,
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
        if state is CampaignState.RUNNING:
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
            return campaign_row(row, self._account(connection, row.id, len(json.loads(row.stages))))

    def by_number(self, number: int) -> CampaignRow:
        """Return a campaign with its account. Raises `ConfigError` where there is none."""
        with self._engine.connect() as connection:
            name = connection.execute(select(campaign.c.name).where(campaign.c.id == number)).scalar_one_or_none()
        if name is None:
            raise ConfigError(f"there is no campaign {number}")
        return self.get(name)

    def kept(self, item: NewCampaign) -> tuple[dict[str, Any], bool]:
        """Return what would be kept of its content, and whether a second person confirms. Raises `ConfigError`."""
        doer = self._doers.get(item.kind)
        if doer is None:
            raise ConfigError(f"there is no kind of campaign {item.kind!r}; there are: {', '.join(self._doers)}")
        return doer.check(item.content)

    def all(self, *, before: int | None = None, limit: int = 50) -> list[CampaignRow]:
        """Return campaigns, the newest first, with numbers below `before`."""
        query = select(campaign).order_by(campaign.c.id.desc()).limit(min(limit, 1000))
        if before is not None:
            query = query.where(campaign.c.id < before)
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
            return [campaign_row(row, self._account(connection, row.id, len(json.loads(row.stages)))) for row in rows]

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
        for row in self._stopped():
            # Another process said so; what is under way here is ended as if it had been said here.
            await self._cut_off(row)
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
                # wait_for of Python 3.11 forgets an end that is asked for just when there is something.
                async with asyncio.timeout(every):
                    await self._changed.wait()

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
            return [campaign_row(row, self._account(connection, row.id, len(json.loads(row.stages)))) for row in rows]

    def _stopped(self) -> list[CampaignRow]:
        """Return campaigns that are to be cut off: paused ones with jobs here, aborted ones with open devices."""
        open_ = select(campaign_device.c.campaign).where(campaign_device.c.state.in_(OPEN))
        paused = (campaign.c.state == CampaignState.PAUSED) & campaign.c.id.in_(
            [number for number, tasks in self._tasks.items() if tasks]
        )
        aborted = (campaign.c.state == CampaignState.ABORTED) & campaign.c.id.in_(open_)
        with self._engine.connect() as connection:
            return [campaign_row(row, ()) for row in connection.execute(select(campaign).where(paused | aborted))]

    async def _submit(self, number: int) -> None:
        """Submit the jobs of the stage. A job that is there stays the only one, so this may be done again."""
        with self._engine.connect() as connection:
            found = connection.execute(select(campaign).where(campaign.c.id == number)).one()
            row = campaign_row(found, ())
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
        row = None if found is None else campaign_row(found, ())
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
        told = {"id": row.id, "campaign": row.name, "device": each, "state": ended.state, "detail": ended.detail}
        self._tell("campaign", told)
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
        if not self._works:
            return
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
        self._tell("campaign", {"id": row.id, "campaign": row.name, "state": state})
        self._changed.set()
