"""People who sign in to the pages: passwords as argon2 hashes, sessions by the digest of their cookie.

Sessions are in the database: they survive a restart, and end for everybody who is shut out or changes the password.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from cosem.errors import ConfigError
from cosem.headend.access import Person, Role, TooMany, devices_of
from cosem.headend.audit import record
from cosem.headend.schema import account, device_group, web_session

IDLE_SECONDS: Final = 12 * 3600
LONGEST_SECONDS: Final = 7 * 86_400
NOTED_SECONDS: Final = 60
SHORTEST_PASSWORD: Final = 10
LONGEST_PASSWORD: Final = 200
WAITING: Final = 8
"""Sign-ins that may wait for a thread: each takes 64 MiB and a tenth of a second."""
TRIES: Final = 5
PAUSE_SECONDS: Final = 60
"""After so many wrong passwords a name waits so long, whoever types it."""
MAX_NAMES: Final = 10_000
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class AccountRow:
    """Somebody who may sign in, or might once."""

    id: int
    name: str
    role: Role
    group: str | None
    shut: bool


class Passwords:
    """Hashes and verifies in a thread, a few at once."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._turns = asyncio.Semaphore(2)
        self._waiting = 0
        self._wrong: dict[str, tuple[int, float]] = {}

    @cached_property
    def _nobody(self) -> str:
        """Return what the passwords of nobody are compared with. Made at the first sign-in: it takes a while."""
        return self._hasher.hash(secrets.token_urlsafe(16))

    async def make(self, password: str) -> str:
        """Return the hash of a password. Raises `ConfigError` for one that is too short or too long."""
        check_length(password)
        return await self._thread(self._hasher.hash, password)

    async def right(self, name: str, known: str | None, password: str, now: float) -> bool:
        """Whether the password is that of the hash; takes as long for nobody. Raises `TooMany`."""
        count, since = self._wrong.get(name, (0, now))
        if count >= TRIES and now - since < PAUSE_SECONDS:
            raise TooMany(f"too many wrong passwords: try again in {PAUSE_SECONDS} seconds")
        done = await self._thread(self._verify, known, password[:LONGEST_PASSWORD])
        if done and known is not None:
            self._wrong.pop(name, None)
            return True
        if len(self._wrong) >= MAX_NAMES:
            self._wrong.clear()
        self._wrong[name] = (1 if count >= TRIES else count + 1, now)
        return False

    async def _thread(self, act: Callable[..., T], *arguments: str | None) -> T:
        if self._waiting >= WAITING:
            raise TooMany("too many sign-ins at once: try again in a moment")
        self._waiting += 1
        try:
            async with self._turns:
                return await asyncio.to_thread(act, *arguments)
        finally:
            self._waiting -= 1

    def _verify(self, known: str | None, password: str) -> bool:
        # It is there before one knows whether it is needed: the first sign-in takes as long for somebody, too.
        nobody = self._nobody
        try:
            return self._hasher.verify(known or nobody, password)
        except (VerificationError, InvalidHashError):
            return False


def check_length(password: str) -> None:
    """Raise `ConfigError` for a password that is too short or too long."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise ConfigError(f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters")


def hash_now(password: str) -> str:
    """Return the hash of a password, here and now: for setting up, not for requests."""
    check_length(password)
    return PasswordHasher().hash(password)


# --- accounts -----------------------------------------------------------------------------------------------


def add_account(
    connection: Connection, name: str, hashed: str, role: Role, who: str, now: int, *, group: str | None = None
) -> int:
    """Let somebody sign in; return the number. Raises `ConfigError` as `check_name` does."""
    check_name(connection, name, role, group)
    values = {"name": name, "hash": hashed, "role": role, "group": group, "created": now}
    made = connection.execute(insert(account), values).inserted_primary_key
    assert made is not None
    record(connection, now, who, "add user", name, after={"role": role, "group": group})
    return int(made[0])


def check_name(connection: Connection, name: str, role: Role, group: str | None) -> None:
    """Raise `ConfigError` for a name that is taken or none, an unknown group, and a household without one."""
    if not name.strip() or len(name) > 100 or not name.isprintable():
        raise ConfigError("a name has 1 to 100 printable characters")
    if connection.execute(select(account.c.id).where(account.c.name == name)).first() is not None:
        raise ConfigError(f"there is a user {name!r} already")
    if group is not None:
        found = connection.execute(select(device_group.c.id).where(device_group.c.name == group)).first()
        if found is None:
            raise ConfigError(f"there is no group {group!r}")
    elif role is Role.HOUSEHOLD:
        raise ConfigError("a household sees its own devices: name their group")


def set_password(connection: Connection, number: int, hashed: str, who: str, now: int) -> None:
    """Give somebody another password; all sessions of theirs end."""
    connection.execute(update(account).where(account.c.id == number).values(hash=hashed))
    connection.execute(delete(web_session).where(web_session.c.account == number))
    name = connection.execute(select(account.c.name).where(account.c.id == number)).scalar_one()
    record(connection, now, who, "set password", name)


def shut_out(connection: Connection, number: int, shut: bool, who: str, now: int) -> None:
    """Let somebody in no longer, or again. Raises `ConfigError` where nobody has that number, or for the last one.

    The last administrator stays: nobody could let anybody in again.
    """
    row = _account(connection, number)
    if shut:
        _not_the_last(connection, row)
    connection.execute(update(account).where(account.c.id == number).values(shut=now if shut else None))
    if shut:
        connection.execute(delete(web_session).where(web_session.c.account == number))
    record(connection, now, who, "shut out" if shut else "let in", row.name)


def remove_account(connection: Connection, number: int, who: str, now: int) -> None:
    """Forget somebody who signed in; the audit log does not. Raises `ConfigError` as `shut_out` does."""
    row = _account(connection, number)
    _not_the_last(connection, row)
    connection.execute(delete(web_session).where(web_session.c.account == number))
    connection.execute(delete(account).where(account.c.id == number))
    record(connection, now, who, "remove user", row.name, before={"role": row.role, "group": row.group})


def _account(connection: Connection, number: int) -> Row[Any]:
    row = connection.execute(select(account).where(account.c.id == number)).one_or_none()
    if row is None:
        raise ConfigError("there is no such user")
    return row


def _not_the_last(connection: Connection, row: Row[Any]) -> None:
    """Raise `ConfigError` for the last administrator who may come in,."""
    others = select(func.count()).where(
        account.c.role == Role.ADMINISTRATOR,
        account.c.group.is_(None),
        account.c.shut.is_(None),
        account.c.id != row.id,
    )
    if row.role == Role.ADMINISTRATOR and row.group is None and not connection.execute(others).scalar_one():
        raise ConfigError(f"{row.name} is the last administrator")


def accounts(connection: Connection) -> list[AccountRow]:
    """Return who may sign in, or might once."""
    return [
        AccountRow(row.id, row.name, Role(row.role), row.group, row.shut is not None)
        for row in connection.execute(select(account).order_by(account.c.name))
    ]


def known_hash(connection: Connection, name: str) -> tuple[int, str] | None:
    """Return number and hash of somebody who may sign in."""
    query = select(account.c.id, account.c.hash).where(account.c.name == name, account.c.shut.is_(None))
    row = connection.execute(query).one_or_none()
    return None if row is None else (row.id, row.hash)


# --- sessions -----------------------------------------------------------------------------------------------


def sign_in(connection: Connection, number: int, now: int, *, instead: str | None = None) -> str:
    """Begin a session and return its cookie; the one that was there before (`instead`) ends."""
    if instead is not None:
        sign_out(connection, instead)
    connection.execute(delete(web_session).where(web_session.c.created <= now - LONGEST_SECONDS))
    text = secrets.token_urlsafe(32)
    connection.execute(insert(web_session), {"digest": _digest(text), "account": number, "created": now, "seen": now})
    return text


def sign_out(connection: Connection, cookie: str) -> None:
    """End a session."""
    connection.execute(delete(web_session).where(web_session.c.digest == _digest(cookie)))


def session_of(connection: Connection, cookie: str, now: int) -> tuple[int, Person, bool] | None:
    """Return whose session this is: the account's number, who that is here, and whether to note that it is used.

    None for one that is over.
    """
    query = (
        select(web_session.c.created, web_session.c.seen, account)
        .join(account, account.c.id == web_session.c.account)
        .where(web_session.c.digest == _digest(cookie), account.c.shut.is_(None))
    )
    row = connection.execute(query).one_or_none()
    if row is None or now - row.seen >= IDLE_SECONDS or now - row._mapping[web_session.c.created] >= LONGEST_SECONDS:
        return None
    role = Role(row.role)
    devices = devices_of(connection, role, device_group.c.name == row.group, row.group is not None)
    return row.id, Person(row.name, role, devices), now - row.seen > NOTED_SECONDS


def seen(connection: Connection, cookie: str, now: int) -> None:
    """Note that a session is used; now and then, so that reading pages does not write."""
    connection.execute(update(web_session).where(web_session.c.digest == _digest(cookie)).values(seen=now))


def _digest(text: str) -> bytes:
    # 256 random bits: there is nothing to guess, a fast digest is enough.
    return hashlib.sha256(text.encode()).digest()
