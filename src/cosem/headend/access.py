"""Who may do what: tokens, roles, and what each role is allowed."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy import ColumnElement, Connection, insert, select, update

from cosem.errors import ConfigError, CosemError
from cosem.headend.audit import record
from cosem.headend.schema import device_group, group_member, token

PREFIX: Final = "cosem_"


class Role(StrEnum):
    """What somebody is to the head-end."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    SECOND_PERSON = "second person"
    ADMINISTRATOR = "administrator"
    HOUSEHOLD = "household"


class Act(StrEnum):
    """What can be allowed."""

    SEE = "see"
    READ = "read now"
    COMMAND = "command"
    CONFIRM = "confirm"
    ACKNOWLEDGE = "acknowledge"
    PLAN = "plan"
    INVENTORY = "inventory"
    ACCESS = "access"


ALLOWED: Final[Mapping[Role, frozenset[Act]]] = {
    Role.VIEWER: frozenset({Act.SEE}),
    Role.HOUSEHOLD: frozenset({Act.SEE}),
    Role.OPERATOR: frozenset({Act.SEE, Act.READ, Act.COMMAND, Act.ACKNOWLEDGE, Act.PLAN}),
    Role.SECOND_PERSON: frozenset({Act.SEE, Act.READ, Act.CONFIRM, Act.ACKNOWLEDGE}),
    Role.ADMINISTRATOR: frozenset(Act),
}
"""What each role may do. A household sees its own devices only: its token is narrowed to a group."""
OF_ALL: Final = frozenset({Act.PLAN, Act.ACCESS})
"""What goes over all devices: who is narrowed to some may not, whatever the role. Else they could let themselves in."""


class Forbidden(ConfigError):
    """Who asks is known and may not do this."""


class TooMany(CosemError):
    """Too many at once, or too many tries: it may be tried again later."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks: a token's name and role. `devices` are all that it may see, None for no limit."""

    name: str
    role: Role
    devices: frozenset[int] | None = None

    @property
    def narrowed(self) -> bool:
        """Whether own devices are seen only, and nothing of the network."""
        return self.devices is not None

    def can(self, act: Act) -> bool:
        """Whether this person may do `act`."""
        return act in ALLOWED[self.role] and not (self.narrowed and act in OF_ALL)

    def may(self, act: Act) -> None:
        """Raise `Forbidden` unless this person may do `act`."""
        if act not in ALLOWED[self.role]:
            raise Forbidden(f"{self.name} ({self.role}) may not {act}")
        if not self.can(act):
            self.everywhere()

    def everywhere(self) -> None:
        """Raise `Forbidden` for who sees some devices only: what is about all of them is not theirs."""
        if self.narrowed:
            raise Forbidden(f"{self.name} sees some of the devices only")

    def sees(self, device: int) -> bool:
        """Whether a device is one of this person's. One that is not is answered as if it were not there."""
        return self.devices is None or device in self.devices


def issue(
    connection: Connection,
    name: str,
    role: Role,
    who: str,
    now: int,
    *,
    group: str | None = None,
    days: int | None = None,
) -> str:
    """Make a token and return it: it can be seen this once. Raises `ConfigError` where the name is taken, or none."""
    if not name.strip() or len(name) > 200 or not name.isprintable():
        raise ConfigError("a token's name has 1 to 200 printable characters")
    if connection.execute(select(token.c.id).where(token.c.name == name)).first() is not None:
        raise ConfigError(f"there is a token {name!r} already")
    number = None
    if group is not None:
        number = connection.execute(select(device_group.c.id).where(device_group.c.name == group)).scalar_one_or_none()
        if number is None:
            raise ConfigError(f"there is no group {group!r}")
    if role is Role.HOUSEHOLD and number is None:
        raise ConfigError("a household sees its own devices: name their group")
    text = PREFIX + secrets.token_urlsafe(32)
    connection.execute(
        insert(token),
        {
            "name": name,
            "digest": _digest(text),
            "role": role,
            "group": number,
            "created": now,
            "expires": None if days is None else now + days * 86_400,
        },
    )
    record(connection, now, who, "issue token", name, after={"role": role, "group": group, "days": days})
    return text


def revoke(connection: Connection, name: str, who: str, now: int) -> None:
    """Let a token be worth nothing from now on. Raises `ConfigError` where there is none of that name."""
    done = connection.execute(update(token).where(token.c.name == name, token.c.revoked.is_(None)).values(revoked=now))
    if not done.rowcount:
        raise ConfigError(f"there is no token {name!r}")
    record(connection, now, who, "revoke token", name)


def person(connection: Connection, text: str, now: int) -> Person | None:
    """Return whose token this is; None for one that is unknown, over, or revoked."""
    digest = _digest(text)
    row = connection.execute(select(token).where(token.c.digest == digest)).one_or_none()
    if row is None or not hmac.compare_digest(row.digest, digest):
        return None
    if row.revoked is not None or (row.expires is not None and row.expires <= now):
        return None
    role = Role(row.role)
    return Person(row.name, role, devices_of(connection, role, device_group.c.id == row.group, row.group is not None))


def devices_of(connection: Connection, role: Role, group: ColumnElement[bool], narrowed: bool) -> frozenset[int] | None:
    """Return the devices that somebody of a role sees, None for all; a household without a group sees none."""
    if not narrowed:
        return frozenset() if role is Role.HOUSEHOLD else None
    members = select(group_member.c.device).join(device_group, device_group.c.id == group_member.c.group)
    return frozenset(connection.execute(members.where(group)).scalars())


def _digest(text: str) -> bytes:
    # A token has 256 random bits: a fast digest is enough, there is nothing to guess.
    return hashlib.sha256(text.encode()).digest()
