"""Keys of devices changed in two phases, so that no crash and no lost answer leaves a device that nobody can open.

New keys are kept (sealed, "new") before anything is sent. They are sent wrapped under the master key; the proof that
the device has them is an association under them, and only that makes them its active ones. They are given up only
where an association under the old ones proved that it has those. Until one of the two is known both are kept. The key
of a device on a M-Bus is proved by what that says under it (`mbus_keys`).
"""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from cosem.client.async_meter import AsyncMeter
from cosem.client.keychange import KEY_IDS, SECURITY_SETUP
from cosem.codec import axdr
from cosem.errors import ConfigError, CosemError, Timeout
from cosem.headend import mbus_keys
from cosem.headend.audit import record
from cosem.headend.inventory import Inventory
from cosem.headend.permits import Lane, Turns
from cosem.headend.reasons import AGAIN, reason_of
from cosem.headend.schema import counter, device, device_key, key_change
from cosem.headend.session import counter_name
from cosem.headend.vault import KeyState, KeyStore, Purpose, device_keys
from cosem.headend.work import WorkQueue
from cosem.security import keywrap
from cosem.security.keys import Keys

KEYS: Final = (Purpose.UNICAST, Purpose.AUTHENTICATION, Purpose.BROADCAST, Purpose.MASTER)
"""What travels wrapped under the master key, all in one transfer: a device takes all or none."""
SECRETS: Final = (Purpose.PASSWORD, Purpose.HLS_SECRET)
PROVED: Final = frozenset({Purpose.UNICAST, Purpose.AUTHENTICATION, *SECRETS})
"""What an association needs: it proves which of two a device has. The others are proved by a transfer."""
USUAL: Final = (Purpose.UNICAST, Purpose.AUTHENTICATION)
UNTRACED: Final[Mapping[str, bool]] = {"traced": False}
"""A M-Bus key is set at the parent as it is, protected by the association alone: who explains a trace would read it."""
KEPT_SECONDS: Final = 7 * 86_400
TRIES: Final = 4
"""Times a job tries a device: more would hold the place of others, and `sweep` comes again."""
COUNTER_LIMIT: Final = 2_000_000_000
"""Invocation counters end at 2**32 - 1; beyond this a key is old."""


class ChangeState(StrEnum):
    """Where a change is. From "sending" on the device may have either."""

    WAITING = "waiting"
    SENDING = "sending"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Change:
    """A change as it stands."""

    id: str
    device: int
    purposes: tuple[Purpose, ...]
    state: ChangeState
    requested_by: str
    requested: int
    not_after: int
    finished: int | None
    detail: str


class KeyChanges:
    """Changes keys, one change at a time for a device.

    `open_meter(device, lane=, state=)` associates under the keys of a state; `client_title` is the head-end's own.
    `random` gives octets for keys, `pause` is the first wait (seconds) before a device is tried again.
    """

    def __init__(
        self,
        engine: Engine,
        queue: WorkQueue,
        keys: KeyStore,
        open_meter: Callable[..., Any],
        *,
        clock: Callable[[], float],
        client_title: bytes | None = None,
        random: Callable[[int], bytes] = os.urandom,
        pause: float = 2.0,
    ) -> None:
        self._engine = engine
        self._queue = queue
        self._keys = keys
        self._open = open_meter
        self._clock = clock
        self._title = client_title
        self._random = random
        self._pause = pause
        self._turns = Turns()
        self.listeners: list[Callable[[Change, str], None]] = []
        """Told of every step: "kept", "proved" and "changed", each before the next begins."""
        queue.handle("keys", self._job)

    # --- asking -------------------------------------------------------------------------------------------

    async def request(
        self,
        name: str,
        who: str,
        purposes: Sequence[Purpose] = USUAL,
        *,
        identity: str | None = None,
        not_after: int | None = None,
    ) -> Change:
        """Ask for a change of keys. Raises `ConfigError` where one is open, or these keys cannot be changed."""
        change = self.prepare(name, who, purposes, identity=identity, not_after=not_after)
        await self._submit(change.id)
        return change

    def prepare(
        self,
        name: str,
        who: str,
        purposes: Sequence[Purpose] = USUAL,
        *,
        identity: str | None = None,
        not_after: int | None = None,
    ) -> Change:
        """Write a change down without having it carried out; one of that `identity` that is there is the one."""
        chosen = _checked(purposes)
        now = int(self._clock())
        key = identity or uuid.uuid4().hex
        with self._engine.begin() as connection:
            number = Inventory(connection).get(name).id
            known = connection.execute(select(key_change).where(key_change.c.id == key)).one_or_none()
            if known is not None:
                if known.device != number or json.loads(known.purposes) != list(chosen):
                    raise ConfigError(f"{key} was asked for already, for something else")
                return _change(known)
            held = self._keys.held(connection, number)
            missing = [item for item in chosen if item not in held and item is not Purpose.MBUS]
            if missing:
                raise ConfigError(f"{name} has no {missing[0]}: there is nothing to change")
            if Purpose.MBUS in chosen:
                self._may_have_mbus_key(connection, name, held)
            if Purpose.MASTER not in held and chosen[0] in KEYS:
                raise ConfigError(f"{name} has no master key: keys travel wrapped under it")
            row = {
                "id": key,
                "device": number,
                "purposes": json.dumps(chosen),
                "state": ChangeState.WAITING,
                "requested_by": who,
                "requested": now,
                "not_after": now + KEPT_SECONDS if not_after is None else not_after,
            }
            try:
                connection.execute(insert(key_change), row)
            except IntegrityError:
                raise ConfigError(f"a change of keys of {name} is open already") from None
            record(connection, now, who, "ask for change of keys", name, after={"change": key, "purposes": chosen})
        return self.get(key)

    def _may_have_mbus_key(self, connection: Connection, name: str, held: Sequence[Purpose]) -> None:
        row = Inventory(connection).get(name)
        if not row.is_child:
            raise ConfigError(f"{name} hangs on no M-Bus: it has no M-Bus key")
        if Purpose.MBUS_DEFAULT not in held:
            raise ConfigError(f"{name} has no mbus_default_key: its keys travel wrapped under that")

    async def share(self, name: str, who: str, *, lane: Lane = Lane.INTERACTIVE) -> bool:
        """Give the parent of a device on a M-Bus the key that it has; return whether something of it opened already.

        For devices that come with their key and cannot be told another, as those by radio. Raises `ConfigError`, and
        what the client raises.
        """
        now = int(self._clock())
        with self._engine.begin() as connection:
            row = Inventory(connection).get(name)
            key = self._keys.secrets(connection, [row.id])[row.id].get(Purpose.MBUS)
            if key is None:
                raise ConfigError(f"{name} has no mbus_key: there is nothing to give its parent")
            record(connection, now, who, "give key to parent", name, after={"parent": row.parent})
        async with self._turns.of(row.id), self._open(row.id, lane=lane, **UNTRACED) as meter:
            return await mbus_keys.has(meter, row, key)

    async def recover(self, identity: str, who: str) -> Change:
        """Have an open change looked at again: which keys has the device? Raises `ConfigError` where it is over."""
        change = self.get(identity)
        if change.state not in (ChangeState.WAITING, ChangeState.SENDING):
            raise ConfigError(f"{identity} is {change.state}: there is nothing to recover")
        now = int(self._clock())
        with self._engine.begin() as connection:
            chosen = key_change.c.id == identity
            connection.execute(update(key_change).where(chosen).values(not_after=now + KEPT_SECONDS))
            record(connection, now, who, "recover keys", self._name(connection, change.device), after=identity)
        await self._submit(identity, f" at {now}")
        return self.get(identity)

    def take_back(self, identity: str, who: str) -> Change:
        """Give a change up of which nothing was sent. Raises `ConfigError` for any other."""
        change = self.get(identity)
        if change.state is not ChangeState.WAITING:
            raise ConfigError(f"{identity} is {change.state}: only what waits can be taken back")
        now = int(self._clock())
        with self._engine.begin() as connection:
            self._move(connection, change, ChangeState.FAILED, finished=now, detail=f"taken back by {who}")
            record(connection, now, who, "take back", self._name(connection, change.device), after=identity)
        return self.get(identity)

    async def sweep(self) -> int:
        """Have the open changes tried again whose time is not over; return how many. What is under way is not hurt."""
        now = int(self._clock())
        waiting = [change for change in self.of(open_only=True, limit=1000) if now < change.not_after]
        for change in waiting:
            await self._submit(change.id, f" at {now}")
        return len(waiting)

    async def pick_up(self, known: set[str]) -> None:
        """Submit what waits and nobody submitted, as another process asked for it; `known` is added to.

        A change whose identity has a space in it belongs to larger work, which carries it out itself.
        """
        where = (key_change.c.state == ChangeState.WAITING, key_change.c.id.not_like("% %"))
        with self._engine.connect() as connection:
            waiting = connection.execute(select(key_change.c.id).where(*where)).scalars().all()
        for identity in waiting:
            if identity not in known:
                known.add(identity)
                await self._submit(identity)

    async def _submit(self, identity: str, again: str = "") -> None:
        content = {"change": identity}
        await self._queue.submit("keys", f"keys {identity}{again}", content, lane=Lane.INTERACTIVE, segment=0)

    def get(self, identity: str) -> Change:
        """Return a change. Raises `ConfigError` where there is none."""
        with self._engine.connect() as connection:
            row = connection.execute(select(key_change).where(key_change.c.id == identity)).one_or_none()
        if row is None:
            raise ConfigError(f"there is no change of keys {identity!r}")
        return _change(row)

    def of(self, number: int | None = None, *, open_only: bool = False, limit: int = 50) -> list[Change]:
        """Return changes, the newest first: of a device, or those that are open."""
        query = select(key_change).order_by(key_change.c.requested.desc()).limit(min(limit, 1000))
        if number is not None:
            query = query.where(key_change.c.device == number)
        if open_only:
            query = query.where(key_change.c.state.in_((ChangeState.WAITING, ChangeState.SENDING)))
        with self._engine.connect() as connection:
            return [_change(row) for row in connection.execute(query)]

    def due(
        self,
        connection: Connection,
        numbers: Sequence[int],
        *,
        older_than: int | None = None,
        counter_above: int = COUNTER_LIMIT,
    ) -> list[int]:
        """Return which devices want new keys: theirs are older (seconds) than this, or their counter is higher."""
        born: dict[int, int] = {}
        counters: dict[int, int] = {}
        for start in range(0, len(numbers), 500):
            part = list(numbers[start : start + 500])
            query = select(device_key.c.device, device_key.c.created).where(
                device_key.c.device.in_(part),
                device_key.c.purpose == Purpose.UNICAST,
                device_key.c.state == KeyState.ACTIVE,
            )
            born.update((number, created) for number, created in connection.execute(query))
            names = {}
            for number, secrets in self._keys.secrets(connection, part).items():
                keys = device_keys("", secrets, system_title=None, client_system_title=self._title)
                names[counter_name(number, keys)] = number
            known = select(counter.c.name, counter.c.next).where(counter.c.name.in_(list(names)))
            counters.update((names[name], following) for name, following in connection.execute(known))
        now = int(self._clock())
        return [
            number
            for number in numbers
            if number in born
            and (
                (older_than is not None and now - born[number] > older_than) or counters.get(number, 0) > counter_above
            )
        ]

    # --- carrying out -------------------------------------------------------------------------------------

    async def _job(self, content: Mapping[str, Any]) -> Mapping[str, Any]:
        change = await self.carry_out(str(content["change"]))
        return {"state": change.state}

    async def carry_out(self, identity: str, *, lane: Lane = Lane.INTERACTIVE) -> Change:
        """Carry a change out, or go on with one that was interrupted anywhere; return how it stands then.

        One that stays in "sending" could not be decided: its new and its old keys are kept, and `sweep` tries again.
        """
        change = self.get(identity)
        async with self._turns.of(change.device):
            change = self.get(identity)
            send = change.state is ChangeState.WAITING
            first = send
            if send:
                self._keep(change)
            pause = self._pause
            for number in range(TRIES):
                change = self.get(identity)
                error = await self._try(change, lane) if send else None
                if self.get(identity).state is not ChangeState.SENDING:
                    break
                if Purpose.MBUS in change.purposes:
                    send = await self._settle_mbus(change, error, lane, untouched=first and not number)
                else:
                    send = await self._settle(change, error, lane)
                if self.get(identity).state is not ChangeState.SENDING:
                    break
                if error is not None or not send:
                    await asyncio.sleep(pause)
                    pause *= 2
        return self.get(identity)

    def _keep(self, change: Change) -> None:
        """Make new keys and keep them, before anything is sent."""
        now = int(self._clock())
        with self._engine.begin() as connection:
            old = self._keys.secrets(connection, [change.device])[change.device]
            new = {purpose: self._fresh(purpose, old.get(purpose)) for purpose in change.purposes}
            self._keys.put(connection, change.device, new, now, KeyState.NEW)
            self._move(connection, change, ChangeState.SENDING)
        self._tell(change, "kept")

    def _fresh(self, purpose: Purpose, old: bytes | None) -> bytes:
        return self._random(mbus_keys.OCTETS if purpose is Purpose.MBUS or old is None else len(old))

    async def _try(self, change: Change, lane: Lane) -> Exception | None:
        """Send the new keys and prove them; return what went wrong. What the device has then, `_settle` finds out."""
        with self._engine.connect() as connection:
            new = self._keys.secrets(connection, [change.device], KeyState.NEW)[change.device]
            row = Inventory(connection).by_number([change.device])[change.device]
            held = self._keys.secrets(connection, [change.device])[change.device]
        try:
            hidden = UNTRACED if Purpose.MBUS in new else {}
            async with self._open(change.device, lane=lane, state=KeyState.ACTIVE, **hidden) as meter:
                if Purpose.MBUS in new:
                    await mbus_keys.bring(meter, row, new[Purpose.MBUS], held[Purpose.MBUS_DEFAULT])
                else:
                    await self._send(meter, new)
                self._tell(change, "proved")
        except (CosemError, OSError) as error:
            return error
        self._promote(change, "")
        return None

    async def _send(self, meter: AsyncMeter, new: Mapping[Purpose, bytes]) -> None:
        if not PROVED.isdisjoint(new):
            secret = next((value for purpose, value in new.items() if purpose in SECRETS), None)
            if secret is not None:
                await meter.change_secret(secret)
            else:
                await meter.change_key(Keys(**{purpose.value: value for purpose, value in new.items()}))
            return
        await _transfer(meter, new)

    async def _settle(self, change: Change, error: Exception | None, lane: Lane) -> bool:
        """Find out which keys the device has, and act on it; return whether the new ones are to be sent (again)."""
        refused = error is not None and reason_of(error) not in AGAIN
        if PROVED.isdisjoint(change.purposes):
            if refused and Purpose.MASTER in change.purposes and await self._has_new_master(change, lane):
                self._promote(change, "found changed after an interruption")
                return False
            if refused:
                self._withdraw(change, f"{error}")
            return not refused and error is None
        found: list[str] = []
        for state in (KeyState.NEW, KeyState.ACTIVE):
            try:
                async with self._open(change.device, lane=lane, state=state):
                    pass
            except (CosemError, OSError) as failure:
                found.append(f"{reason_of(failure)}: {failure}")
                continue
            if state is KeyState.NEW:
                self._promote(change, "found changed after an interruption")
                return False
            if refused or self._clock() >= change.not_after:
                self._withdraw(change, f"{error}" if refused else "its time is over, and the device has the old keys")
                return False
            return True
        self._note(change, f"neither the new keys nor the old ones reach it ({'; '.join(found)})")
        return False

    async def _settle_mbus(self, change: Change, error: Exception | None, lane: Lane, *, untouched: bool) -> bool:
        """Find out which key a device on a M-Bus has, by what it says; return whether the new one is to be sent.

        `untouched`: this was the first time that anything could have been sent.
        """
        if untouched and isinstance(error, mbus_keys.NothingSent):
            self._withdraw(change, str(error))
            return False
        refused = error is not None and reason_of(error) not in AGAIN
        with self._engine.connect() as connection:
            row = Inventory(connection).by_number([change.device])[change.device]
            new = self._keys.secrets(connection, [change.device], KeyState.NEW)[change.device][Purpose.MBUS]
            old = self._keys.secrets(connection, [change.device])[change.device].get(Purpose.MBUS)
        try:
            async with self._open(change.device, lane=lane, state=KeyState.ACTIVE, **UNTRACED) as meter:
                if await mbus_keys.has(meter, row, new):
                    self._promote(change, "found changed after an interruption")
                    return False
                if await mbus_keys.has(meter, row, old):
                    if refused or self._clock() >= change.not_after:
                        self._withdraw(change, f"{error}" if refused else "its time is over, and it has the old key")
                        return False
                    return True
        except (CosemError, OSError) as failure:
            self._note(change, f"it is not known which key it has ({reason_of(failure)}: {failure})")
            return False
        self._note(change, "nothing of it opens with the new key nor with the old one")
        return False

    async def _has_new_master(self, change: Change, lane: Lane) -> bool:
        """Whether the device takes keys wrapped under the new master key: then that is the one it has."""
        with self._engine.connect() as connection:
            new = self._keys.secrets(connection, [change.device], KeyState.NEW)[change.device]
        try:
            async with self._open(change.device, lane=lane, state=KeyState.NEW) as meter:
                await _transfer(meter, new)
        except (CosemError, OSError):
            return False
        return True

    def _promote(self, change: Change, detail: str) -> None:
        now = int(self._clock())
        with self._engine.begin() as connection:
            self._keys.promote(connection, change.device, now)
            self._move(connection, change, ChangeState.DONE, finished=now, detail=detail)
            name = self._name(connection, change.device)
            record(connection, now, change.requested_by, "keys changed", name, after={"change": change.id})
        self._tell(change, "changed")

    def _withdraw(self, change: Change, why: str) -> None:
        now = int(self._clock())
        with self._engine.begin() as connection:
            self._keys.withdraw(connection, change.device, now)
            self._move(connection, change, ChangeState.FAILED, finished=now, detail=why[:500])
            name = self._name(connection, change.device)
            record(connection, now, change.requested_by, "keys not changed", name, after={"change": change.id})

    def _note(self, change: Change, detail: str) -> None:
        with self._engine.begin() as connection:
            connection.execute(update(key_change).where(key_change.c.id == change.id).values(detail=detail[:500]))

    def _move(self, connection: Connection, change: Change, state: ChangeState, **values: Any) -> None:
        where = (key_change.c.id == change.id, key_change.c.state == change.state)
        if not connection.execute(update(key_change).where(*where).values(state=state, **values)).rowcount:
            raise ConfigError(f"{change.id} is no longer {change.state}")

    def _name(self, connection: Connection, number: int) -> str:
        return str(connection.execute(select(device.c.name).where(device.c.id == number)).scalar_one())

    def _tell(self, change: Change, step: str) -> None:
        for listener in self.listeners:
            listener(change, step)


async def _transfer(meter: AsyncMeter, new: Mapping[Purpose, bytes]) -> None:
    """Transfer keys that no association proves; the device's answer is the proof."""
    master = meter.plan.device.keys.master_key
    if master is None:
        raise ConfigError("there is no master key: keys travel wrapped under it")
    rows = [
        axdr.structure(axdr.enum(KEY_IDS[purpose.value]), axdr.octet_string(keywrap.wrap(master, value)))
        for purpose, value in new.items()
    ]
    try:
        await meter.run(meter.core.call_data(64, SECURITY_SETUP, 2, axdr.array(*rows)))
    except Timeout as error:
        raise Timeout(f"no answer tells whether the keys were taken: {error}") from None


def _checked(purposes: Sequence[Purpose]) -> tuple[Purpose, ...]:
    chosen = tuple(dict.fromkeys(purposes))
    if chosen and all(item in KEYS for item in chosen):
        return chosen
    if len(chosen) == 1 and chosen[0] in (*SECRETS, Purpose.MBUS):
        return chosen
    raise ConfigError("keys are changed (unicast, authentication, broadcast, master), or one secret, or the mbus_key")


def _change(row: Row[Any]) -> Change:
    return Change(
        row.id,
        row.device,
        tuple(Purpose(item) for item in json.loads(row.purposes)),
        ChangeState(row.state),
        row.requested_by,
        row.requested,
        row.not_after,
        row.finished,
        row.detail,
    )
