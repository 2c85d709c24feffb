"""What the API takes and gives, as OpenAPI describes it. Times are UTC, ISO 8601; values are exact decimals as text.

What is taken is taken as it is described: a text is no number, and a number is no time.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from cosem.errors import ConfigError
from cosem.headend.access import Person, Role
from cosem.headend.commands import CommandRow, CommandState
from cosem.headend.happenings import AlarmRow, AlarmState
from cosem.headend.inventory import DeviceRow, Kind, State

MAX_PAGE: Final = 1000
MAX_NUMBER: Final = 2**53
"""The highest number of a row that is asked for: what JSON carries exactly everywhere."""
FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 2200
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


def _time(given: object) -> datetime:
    if isinstance(given, datetime):
        return given
    if not isinstance(given, str) or not _TIME.fullmatch(given):
        raise ValueError("a time has a zone, such as 2026-11-01T00:00:00Z")
    # A leap second is the one before: no count of seconds has it.
    return datetime.fromisoformat(given.upper().replace(":60", ":59"))


Name = Annotated[str, Field(min_length=1, max_length=200)]


def _whole(given: object) -> object:
    if isinstance(given, float) and given.is_integer():
        return int(given)
    if not isinstance(given, int) or isinstance(given, bool):
        raise ValueError("this is no whole number")
    return given


Names = Annotated[list[Name], Field(max_length=10_000)]
WHOLE: Final = BeforeValidator(_whole)
"""Stands behind the bounds of a whole number: 5.0 is one in JSON, a text is none."""
Share = Annotated[float, Field(strict=True, ge=0, le=1)]
Flag = Annotated[bool, Field(strict=True)]
Time = Annotated[datetime, BeforeValidator(_time), WithJsonSchema({"type": "string", "format": "date-time"})]
"""A moment that is asked for; it has a zone."""


def seconds(at: datetime) -> int:
    """Return UTC seconds. Raises `ConfigError` for times in which there was no head-end, or will be none."""
    if not FIRST_YEAR < at.year < LAST_YEAR:
        raise ConfigError(f"a time is between {FIRST_YEAR} and {LAST_YEAR}")
    return int(at.timestamp())


class Shape(BaseModel):
    """What is sent to us has no fields that we do not know."""

    model_config = ConfigDict(extra="forbid")


class Problem(Shape):
    """Why something was refused."""

    detail: str


class Device(Shape):
    """A device of the inventory."""

    id: int
    name: str
    kind: Kind
    state: State
    type: str | None
    segment: str | None
    parent: str | None
    channel: int | None
    meter: str | None
    place: str
    system_title: str | None

    @classmethod
    def of(cls, row: DeviceRow, who: Person) -> Device:
        """Return what is shown of a row; of where it hangs in the network nothing to who sees some devices only."""
        shown = {name: getattr(row, name) for name in cls.model_fields}
        if who.narrowed:
            shown |= dict.fromkeys(("segment", "parent", "channel", "system_title"))
        return cls(**shown)


class Devices(Shape):
    """A page of devices; `next` goes on behind it, null at the end."""

    devices: list[Device]
    next: int | None


class NewDeviceShape(Shape):
    """A device to be added. `meter` is who it is on the M-Bus: manufacturer and number, ELS12345678."""

    name: Name
    kind: Kind
    type: Name | None = None
    segment: Name | None = None
    url: str | None = Field(None, max_length=2000)
    system_title: str | None = Field(None, pattern="^[0-9A-Fa-f]{16}$")
    parent: Name | None = None
    channel: Annotated[int, Field(ge=0, le=255), WHOLE] | None = None
    meter: str | None = Field(None, max_length=20)
    place: str = Field("", max_length=500)
    tags: list[Name] = Field(default_factory=list, max_length=50)


class Coupling(Shape):
    """What a device hangs behind, and on which M-Bus channel."""

    parent: Name
    channel: int = Field(ge=1, le=64)


class Meter(Shape):
    """Who a device is on the M-Bus: manufacturer and number; null takes who is found there next."""

    meter: str | None = Field(max_length=20)


class Address(Shape):
    """How a device is reached; null does not dial it itself."""

    url: str | None = Field(max_length=2000)


class Move(Shape):
    """A device's next state."""

    state: State


class Value(Shape):
    """One interval's end, its value and quality; the estimate stands beside, never instead."""

    time: datetime
    value: str | None
    quality: int
    estimate: str | None = None


class Values(Shape):
    """Values of one channel."""

    device: str
    channel: str
    unit: str
    values: list[Value]


class CommandRequest(Shape):
    """One command of a bundle."""

    kind: Name
    parameters: dict[str, Any] = Field(default_factory=dict)


class BundleRequest(Shape):
    """Commands that share one association with a device."""

    device: Name
    commands: list[CommandRequest] = Field(min_length=1, max_length=100)
    not_after: Time | None = None


class Command(Shape):
    """A command as it stands."""

    id: str
    kind: str
    state: CommandState
    requested_by: str
    confirmed_by: str | None
    answer: Any
    detail: str
    finished: datetime | None

    @classmethod
    def of(cls, row: CommandRow) -> Command:
        """Return what is shown of a row."""
        return cls(
            id=row.id,
            kind=row.kind,
            state=row.state,
            requested_by=row.requested_by,
            confirmed_by=row.confirmed_by,
            answer=row.answer,
            detail=row.detail,
            finished=None if row.finished is None else moment(row.finished),
        )


class Bundle(Shape):
    """The commands of a bundle in their order."""

    id: str
    commands: list[Command]


class Alarm(Shape):
    """An alarm."""

    id: int
    device: str
    kind: str
    fraud: bool
    first: datetime
    last: datetime
    count: int
    state: AlarmState
    acknowledged_by: str | None

    @classmethod
    def of(cls, row: AlarmRow) -> Alarm:
        """Return what is shown of a row."""
        return cls(
            id=row.id,
            device=row.name,
            kind=row.kind,
            fraud=row.fraud,
            first=moment(row.first),
            last=moment(row.last),
            count=row.count,
            state=row.state,
            acknowledged_by=row.acknowledged_by,
        )


class Alarms(Shape):
    """A page of alarms, the newest first."""

    alarms: list[Alarm]
    next: int | None


class Acknowledge(Shape):
    """Alarms to be acknowledged."""

    alarms: list[Annotated[int, Field(ge=0, le=MAX_NUMBER), WHOLE]] = Field(min_length=1, max_length=10_000)


class Event(Shape):
    """Something that happened at a device."""

    id: int
    device: int
    at: datetime
    source: str
    group: str
    code: int | None
    words: str


class Events(Shape):
    """A page of events, the newest first."""

    events: list[Event]
    next: int | None


class PlanShape(Shape):
    """A plan: see `cosem.headend.plans.Plan`."""

    name: Name
    schedule: str = Field(max_length=200)
    window: Annotated[int, Field(ge=60, le=7 * 86_400), WHOLE] = 6 * 3600
    kinds: list[Kind] = Field(default_factory=list, max_length=20)
    types: Names = Field(default_factory=list)
    groups: Names = Field(default_factory=list)
    tags: Names = Field(default_factory=list)
    names: Names = Field(default_factory=list)
    profiles: Names = Field(default_factory=list)
    events: list[Name] = Field(default_factory=list, max_length=20)
    depth: Annotated[int, Field(ge=1, le=3650), WHOLE] = 40
    zone: Name = "Europe/Berlin"
    clock: bool = True
    tries: Annotated[int, Field(ge=1, le=20), WHOLE] = 4


class Run(Shape):
    """A run of a plan: how many devices were read, wait, or were not read, by reason."""

    run: int
    plan: str
    start: datetime
    deadline: datetime
    finished: datetime | None
    account: dict[str, int]


class Health(Shape):
    """That the service answers."""

    status: str


class DayTotal(Shape):
    """One UTC day of a channel over many devices; `growth` is what registers grew from the day before."""

    day: date
    devices: int
    values: int
    sum: str
    lowest: str
    highest: str
    growth: str


class Totals(Shape):
    """Totals of one channel by day."""

    channel: str
    unit: str
    days: list[DayTotal]


class AuditEntry(Shape):
    """Who did what."""

    id: int
    at: datetime
    who: str
    what: str
    subject: str
    before: Any
    after: Any


class TokenRequest(Shape):
    """A token to be issued."""

    name: Name
    role: Role
    group: Name | None = None
    days: Annotated[int, Field(ge=1, le=3650), WHOLE] | None = None


class IssuedToken(Shape):
    """The token: it is shown this once."""

    token: str


def moment(seconds: int) -> datetime:
    """Return UTC seconds as a date-time."""
    return datetime.fromtimestamp(seconds, UTC)
