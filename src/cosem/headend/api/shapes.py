"""What the API takes and gives, as OpenAPI describes it. Times are UTC, ISO 8601; values are exact decimals as text."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from cosem.headend.access import Role
from cosem.headend.commands import CommandRow, CommandState
from cosem.headend.happenings import AlarmRow, AlarmState
from cosem.headend.inventory import DeviceRow, Kind, State

Name = Annotated[str, Field(min_length=1, max_length=200)]
MAX_PAGE = 1000


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
    segment: str
    parent: str | None
    channel: int | None
    meter: str | None
    place: str
    system_title: str | None

    @classmethod
    def of(cls, row: DeviceRow) -> Device:
        """Return what is shown of a row."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class Devices(Shape):
    """A page of devices; `next` goes on behind it, null at the end."""

    devices: list[Device]
    next: int | None


class NewDeviceShape(Shape):
    """A device to be added. `meter` is who it is on the M-Bus: manufacturer and number, ELS12345678."""

    name: Name
    kind: Kind
    type: str | None = None
    segment: str | None = None
    url: str | None = Field(None, max_length=2000)
    system_title: str | None = Field(None, pattern="^[0-9A-Fa-f]{16}$")
    parent: str | None = None
    channel: int | None = Field(None, ge=0, le=255)
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
    not_after: datetime | None = None


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

    alarms: list[int] = Field(min_length=1, max_length=10_000)


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
    window: int = Field(6 * 3600, ge=60, le=7 * 86_400)
    kinds: list[Kind] = Field(default_factory=list)
    groups: list[Name] = Field(default_factory=list)
    tags: list[Name] = Field(default_factory=list)
    profiles: list[str] = Field(default_factory=list)
    events: list[Name] = Field(default_factory=list, max_length=20)
    depth: int = Field(40, ge=1, le=3650)
    zone: str = "Europe/Berlin"


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
    group: str | None = None
    days: int | None = Field(None, ge=1, le=3650)


class IssuedToken(Shape):
    """The token: it is shown this once."""

    token: str


def moment(seconds: int) -> datetime:
    """Return UTC seconds as a date-time."""
    return datetime.fromtimestamp(seconds, UTC)
