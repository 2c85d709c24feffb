"""Commands to devices: asked for, confirmed where two persons are wanted, sent once, read back, audited.

Before anything of a command leaves, its state "sending" is on the disk. Found in that state after a crash, a command
is never simply sent again: what can be seen is looked at, what may be repeated is, and of the rest a person decides.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from cosem.client.async_meter import AsyncMeter
from cosem.errors import ConfigError, CosemError
from cosem.headend.audit import record
from cosem.headend.children import who_is
from cosem.headend.command_kind import Kind
from cosem.headend.command_kinds import KINDS, is_grave
from cosem.headend.inventory import Inventory, State
from cosem.headend.permits import Lane, Turns
from cosem.headend.reasons import AGAIN, Reason, reason_of
from cosem.headend.schema import command
from cosem.headend.values_now import VALUES_NOW, wanted
from cosem.headend.work import WorkQueue

KEPT_SECONDS: Final = 86_400
"""How long a command is good for unless something else is said: an old disconnection helps nobody."""
MAX_BUNDLE: Final = 100


class CommandState(StrEnum):
    """Where a command is."""

    UNCONFIRMED = "unconfirmed"
    WAITING = "waiting"
    SENDING = "sending"
    DONE = "done"
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


NEXT: Final[Mapping[CommandState, frozenset[CommandState]]] = {
    CommandState.UNCONFIRMED: frozenset({CommandState.WAITING, CommandState.EXPIRED, CommandState.CANCELLED}),
    CommandState.WAITING: frozenset(
        {CommandState.SENDING, CommandState.FAILED, CommandState.EXPIRED, CommandState.CANCELLED}
    ),
    CommandState.SENDING: frozenset(
        {CommandState.DONE, CommandState.FAILED, CommandState.UNCERTAIN, CommandState.WAITING}
    ),
    CommandState.DONE: frozenset(),
    CommandState.FAILED: frozenset(),
    CommandState.UNCERTAIN: frozenset({CommandState.DONE, CommandState.FAILED}),
    CommandState.EXPIRED: frozenset(),
    CommandState.CANCELLED: frozenset(),
}
"""What may follow. From "sending" back to "waiting" leads only what is known not to have been done."""
OVER: Final = frozenset(state for state, following in NEXT.items() if not following)


@dataclass(frozen=True, slots=True)
class NewCommand:
    """One command to be sent: a kind of `command_kinds.KINDS` and its parameters."""

    kind: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CommandRow:
    """A command as it stands."""

    id: str
    bundle: str
    device: int
    kind: str
    parameters: dict[str, Any]
    state: CommandState
    requested_by: str
    requested: int
    not_after: int
    confirmed_by: str | None
    answer: Any
    detail: str
    finished: int | None


class Commands:
    """Commands of one head-end. `open_meter(number, lane=)` associates with a device.

    `two_persons` names the kinds that a second person confirms.
    """

    def __init__(
        self,
        engine: Engine,
        queue: WorkQueue,
        open_meter: Callable[..., Any],
        *,
        clock: Callable[[], float],
        two_persons: frozenset[str] = frozenset(),
    ) -> None:
        unknown = two_persons - set(KINDS)
        if unknown:
            raise ConfigError(f"there is no kind of command {min(unknown)!r}")
        self._engine = engine
        self._queue = queue
        self._open = open_meter
        self._clock = clock
        self._two_persons = two_persons
        self._turns = Turns()
        self.listeners: list[Callable[[CommandRow], None]] = []
        """Told of every command that changes its state."""
        queue.handle("bundle", self._bundle)

    # --- asking -------------------------------------------------------------------------------------------

    async def request(
        self,
        device: str,
        commands: Sequence[NewCommand],
        who: str,
        *,
        identity: str | None = None,
        not_after: int | None = None,
    ) -> list[CommandRow]:
        """Ask for commands that share one association, in their order. Raises `ConfigError`.

        `identity` is the caller's own: asked for again under the same one they are not asked for twice.
        """
        found, fresh = self._request(device, commands, who, identity, not_after, None)
        if fresh and found[0].state is CommandState.WAITING:
            await self._submit(found[0].bundle, found[0].device)
        return found

    async def pick_up(self, known: set[str]) -> None:
        """Submit what waits and nobody submitted: of another process, or of one that was killed in between.

        `known` has the bundles that were, and is added to. One whose identity has a space in it belongs to larger work,
        which carries it out itself.
        """
        with self._engine.connect() as connection:
            states = (CommandState.WAITING, CommandState.SENDING)
            query = select(command.c.bundle, command.c.device).where(command.c.state.in_(states)).distinct()
            query = query.where(command.c.bundle.not_like("% %"))
            waiting = connection.execute(query).all()
        for bundle, device in waiting:
            if bundle not in known:
                known.add(bundle)
                await self._submit(bundle, device)

    def ask(
        self,
        device: str,
        commands: Sequence[NewCommand],
        who: str,
        *,
        identity: str | None = None,
        not_after: int | None = None,
    ) -> list[CommandRow]:
        """Write down what is asked for: whoever carries out the work of this folder picks it up."""
        return self._request(device, commands, who, identity, not_after, None)[0]

    async def request_and_carry_out(
        self,
        device: str,
        commands: Sequence[NewCommand],
        who: str,
        *,
        identity: str,
        not_after: int,
        confirmed_by: str | None,
        lane: Lane = Lane.BACKGROUND,
    ) -> list[CommandRow]:
        """Carry commands out as part of durable work of the caller's own, which comes again after a crash.

        `confirmed_by` has confirmed them as the second person already, with whatever they are part of.
        """
        found, _ = self._request(device, commands, who, identity, not_after, confirmed_by)
        if found[0].state is CommandState.UNCONFIRMED:
            raise ConfigError(f"{identity} waits for a second person's confirmation")
        await self._carry_out(identity, found[0].device, lane)
        return self.bundle(identity)

    def _request(
        self,
        device: str,
        commands: Sequence[NewCommand],
        who: str,
        identity: str | None,
        not_after: int | None,
        confirmed_by: str | None,
    ) -> tuple[list[CommandRow], bool]:
        """Write commands down; return them, and whether they are new."""
        if not 1 <= len(commands) <= MAX_BUNDLE:
            raise ConfigError(f"a bundle has 1 to {MAX_BUNDLE} commands")
        kinds = [kind_of(item.kind) for item in commands]
        bundle = identity or uuid.uuid4().hex
        now = int(self._clock())
        grave = confirmed_by is None and self.wants_two(commands)
        state = CommandState.UNCONFIRMED if grave else CommandState.WAITING
        with self._engine.begin() as connection:
            target = Inventory(connection).get(device)
            number = target.id
            checked = [
                (kind, kind.check(kind.through(target, item.parameters)))
                for kind, item in zip(kinds, commands, strict=True)
            ]
            rows = [
                {
                    "id": f"{bundle}.{position}",
                    "bundle": bundle,
                    "position": position,
                    "device": number,
                    "kind": kind.name,
                    "parameters": json.dumps(parameters),
                    "state": state,
                    "requested_by": who,
                    "requested": now,
                    "not_after": now + KEPT_SECONDS if not_after is None else not_after,
                    "confirmed_by": confirmed_by,
                }
                for position, (kind, parameters) in enumerate(checked)
            ]
            known = self._rows(connection, command.c.bundle == bundle)
            if known:
                wanted = [(number, kind.name, parameters) for kind, parameters in checked]
                if [(row.device, row.kind, row.parameters) for row in known] != wanted:
                    raise ConfigError(f"{bundle} was asked for already, with other commands")
                return known, False
            try:
                connection.execute(insert(command), rows)
            except IntegrityError:
                raise ConfigError(f"{bundle} was asked for already") from None
            for row, (kind, parameters) in zip(rows, checked, strict=True):
                after = {"command": row["id"], **_shown(kind, parameters)}
                record(connection, now, who, f"ask for {kind.name}", device, after=after)
            return self._rows(connection, command.c.bundle == bundle), True

    def wants_two(self, commands: Iterable[NewCommand]) -> bool:
        """Whether one of these is confirmed by a second person: its kind is named, or it may do what one named does."""
        return any(is_grave(item.kind, item.parameters, self._two_persons) for item in commands)

    async def confirm(self, bundle: str, who: str) -> list[CommandRow]:
        """Confirm as the second person. Raises `ConfigError` where it is the first one, or nothing waits for it."""
        rows = self.agree(bundle, who)
        await self._submit(bundle, rows[0].device)
        return rows

    def agree(self, bundle: str, who: str) -> list[CommandRow]:
        """Write down a second person's confirmation: whoever carries out the work picks it up."""
        now = int(self._clock())
        with self._engine.begin() as connection:
            rows = self._rows(connection, command.c.bundle == bundle)
            if not rows or rows[0].state is not CommandState.UNCONFIRMED:
                raise ConfigError(f"{bundle} waits for nobody's confirmation")
            if rows[0].requested_by == who:
                raise ConfigError("a second person confirms, not the one who asked")
            for row in rows:
                self._move(connection, row, CommandState.WAITING, confirmed_by=who)
            record(connection, now, who, "confirm", bundle)
        return self.bundle(bundle)

    async def cancel(self, bundle: str, who: str) -> list[CommandRow]:
        """Take back what is not sent yet. Raises `ConfigError` where nothing can be taken back."""
        with self._engine.begin() as connection:
            rows = self._rows(connection, command.c.bundle == bundle)
            open_ = [row for row in rows if CommandState.CANCELLED in NEXT[row.state]]
            if not open_:
                raise ConfigError(f"{bundle}: there is nothing to take back")
            for row in open_:
                self._move(connection, row, CommandState.CANCELLED, finished=int(self._clock()))
            record(connection, self._clock(), who, "take back", bundle)
        return self.bundle(bundle)

    async def decide(self, identity: str, done: bool, who: str) -> CommandRow:
        """Say as a person what became of an uncertain command."""
        with self._engine.begin() as connection:
            row = next(iter(self._rows(connection, command.c.id == identity)), None)
            if row is None or row.state is not CommandState.UNCERTAIN:
                raise ConfigError(f"{identity} is not uncertain")
            state = CommandState.DONE if done else CommandState.FAILED
            self._move(connection, row, state, finished=int(self._clock()), detail=f"decided by {who}")
            record(connection, self._clock(), who, "decide", identity, after={"done": done})
        return self.get(identity)

    def get(self, identity: str) -> CommandRow:
        """Return a command. Raises `ConfigError` where there is none."""
        with self._engine.connect() as connection:
            rows = self._rows(connection, command.c.id == identity)
        if not rows:
            raise ConfigError(f"there is no command {identity!r}")
        return rows[0]

    def bundle(self, bundle: str) -> list[CommandRow]:
        """Return the commands of a bundle in their order."""
        with self._engine.connect() as connection:
            return self._rows(connection, command.c.bundle == bundle)

    def newest(self, *, device: int | None = None, limit: int = 50) -> list[CommandRow]:
        """Return the newest commands, of all devices or one, the newest bundle first."""
        query = select(command).order_by(command.c.requested.desc(), command.c.bundle, command.c.position).limit(limit)
        if device is not None:
            query = query.where(command.c.device == device)
        with self._engine.connect() as connection:
            return [_row(row) for row in connection.execute(query)]

    async def ended(self, bundle: str) -> list[CommandRow]:
        """Wait until a bundle was carried out; return its commands."""
        await self._queue.result(f"bundle {bundle}")
        return self.bundle(bundle)

    # --- carrying out -------------------------------------------------------------------------------------

    async def _submit(self, bundle: str, device: int) -> None:
        content = {"bundle": bundle, "device": device}
        await self._queue.submit("bundle", f"bundle {bundle}", content, lane=Lane.INTERACTIVE, segment=0)

    async def _bundle(self, content: Mapping[str, Any]) -> Mapping[str, Any]:
        await self._carry_out(bundle := str(content["bundle"]), int(content["device"]), Lane.INTERACTIVE)
        return {"states": [row.state for row in self.bundle(bundle)]}

    async def _carry_out(self, bundle: str, device: int, lane: Lane) -> None:
        """Carry out a bundle: one association for all that is left of it, tried again while its time lasts.

        Whoever comes while another carries it out waits, and finds nothing left: what is being sent just now is no
        command that a crash left open.
        """
        async with self._turns.of(bundle):
            await self._all_of(bundle, device, lane)

    async def _all_of(self, bundle: str, device: int, lane: Lane) -> None:
        pause = 1.0
        while rows := self._left(bundle):
            try:
                async with self._open(device, lane=lane) as meter:
                    for row in rows:
                        if not await self._is_another(meter, row):
                            await self._one(meter, row)
            except (CosemError, OSError) as error:
                late = rows[0].not_after - self._clock()
                if reason_of(error) not in AGAIN or late <= 0:
                    self._give_up(bundle, f"{reason_of(error)}: {error}")
                    break
                await asyncio.sleep(min(pause, max(late, 0.0), 60.0))
                pause *= 2

    def _left(self, bundle: str) -> list[CommandRow]:
        """Return what is still to be done; what is too late is not."""
        now = int(self._clock())
        left = []
        with self._engine.begin() as connection:
            for row in self._rows(connection, command.c.bundle == bundle):
                if row.state is CommandState.WAITING and now > row.not_after:
                    self._move(connection, row, CommandState.EXPIRED, finished=now)
                elif row.state in (CommandState.WAITING, CommandState.SENDING):
                    left.append(row)
        return left

    async def _is_another(self, meter: AsyncMeter, row: CommandRow) -> bool:
        """Whether another meter is on the channel than the device that is meant; then nothing is done there."""
        with self._engine.connect() as connection:
            target = Inventory(connection).by_number([row.device])[row.device]
        if target.channel is None or not target.is_child or target.meter is None or KINDS[row.kind].stranger:
            return False
        found = await meter.run(who_is(meter.core, target.channel))
        if found == target.meter:
            return False
        there = "nobody" if found is None else found
        why = f"channel {target.channel} has {there}, not {target.meter}: nothing was done"
        self._end(row, CommandState.FAILED, None, f"{Reason.ANOTHER_METER}: {why}")
        return True

    async def _one(self, meter: AsyncMeter, row: CommandRow) -> None:
        kind = KINDS[row.kind]
        if row.state is CommandState.SENDING and not await self._recover(meter, kind, row):
            return
        row = self._to(self.get(row.id), CommandState.SENDING, sent=int(self._clock()))
        try:
            answer = await kind.act(meter, row.parameters)
        except (CosemError, OSError, ValueError) as error:
            if reason_of(error) in AGAIN and not isinstance(error, ValueError):
                # Nobody knows whether it arrived: the next association looks.
                raise
            self._end(row, CommandState.FAILED, None, f"{reason_of(error)}: {error}")
            return
        if kind.seen is not None and not await kind.seen(meter, row.parameters):
            self._end(row, CommandState.FAILED, answer, "the device took it, and it had no effect")
            return
        self._end(row, CommandState.DONE, answer, "")

    async def _recover(self, meter: AsyncMeter, kind: Kind, row: CommandRow) -> bool:
        """Find out what became of a command that was being sent; return whether it is to be sent (again)."""
        if kind.seen is not None and await kind.seen(meter, row.parameters):
            self._end(row, CommandState.DONE, None, "found done after an interruption")
            return False
        if kind.repeatable:
            self._to(row, CommandState.WAITING)
            return True
        self._to(row, CommandState.UNCERTAIN, detail="interrupted while it was sent; its effect cannot be seen")
        return False

    def _give_up(self, bundle: str, why: str) -> None:
        now = int(self._clock())
        with self._engine.begin() as connection:
            for row in self._rows(connection, command.c.bundle == bundle):
                if row.state is CommandState.WAITING:
                    self._move(connection, row, CommandState.FAILED, finished=now, detail=why[:500])
                elif row.state is CommandState.SENDING:
                    self._move(connection, row, CommandState.UNCERTAIN, detail=why[:500])

    def _end(self, row: CommandRow, state: CommandState, answer: Any, detail: str) -> None:
        now = int(self._clock())
        values = {"finished": now, "answer": json.dumps(answer), "detail": detail[:500]}
        keep = KINDS[row.kind].keep if state is CommandState.DONE and answer is not None else None

        def also(connection: Connection) -> None:
            if keep is not None:
                keep(connection, Inventory(connection).by_number([row.device])[row.device], answer, now)

        self._to(row, state, also, **values)

    def _to(
        self, row: CommandRow, state: CommandState, also: Callable[[Connection], None] | None = None, **values: Any
    ) -> CommandRow:
        with self._engine.begin() as connection:
            self._move(connection, row, state, **values)
            if also is not None:
                also(connection)
        row = self.get(row.id)
        for listener in self.listeners:
            listener(row)
        return row

    def _move(self, connection: Connection, row: CommandRow, state: CommandState, **values: Any) -> None:
        """Change the state if it is still what it was; somebody else may have been quicker."""
        if state not in NEXT[row.state]:
            raise ConfigError(f"{row.id} is {row.state}: {state} cannot follow")
        done = connection.execute(
            update(command).where(command.c.id == row.id, command.c.state == row.state).values(state=state, **values)
        )
        if not done.rowcount:
            raise ConfigError(f"{row.id} is no longer {row.state}")

    def _rows(self, connection: Connection, where: Any) -> list[CommandRow]:
        query = select(command).where(where).order_by(command.c.bundle, command.c.position)
        return [_row(row) for row in connection.execute(query)]


def now_of(
    connection: Connection, name: str, objects: Sequence[str] = (), sees: Callable[[int], bool] = lambda number: True
) -> NewCommand:
    """Return the command that reads what a device shows now, with those in use on its M-Bus that somebody `sees`."""
    inventory = Inventory(connection)
    row = inventory.get(name)
    children = [child for child in inventory.children(row.id) if child.state is State.IN_USE and sees(child.id)]
    return NewCommand(VALUES_NOW.name, wanted(row, children, list(objects)))


def kind_of(name: str) -> Kind:
    """Return a kind of command. Raises `ConfigError` where there is none of that name."""
    kind = KINDS.get(name)
    if kind is None:
        raise ConfigError(f"there is no kind of command {name!r}; there are: {', '.join(KINDS)}")
    return kind


def _shown(kind: Kind, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the audit log says of parameters: values that may be secrets are not in it."""
    hidden = kind.name in ("write", "invoke")
    return {name: "..." if hidden and name in ("value", "parameter") else value for name, value in parameters.items()}


def _row(row: Row[Any]) -> CommandRow:
    return CommandRow(
        row.id,
        row.bundle,
        row.device,
        row.kind,
        json.loads(row.parameters),
        CommandState(row.state),
        row.requested_by,
        row.requested,
        row.not_after,
        row.confirmed_by,
        None if row.answer is None else json.loads(row.answer),
        row.detail,
        row.finished,
    )
