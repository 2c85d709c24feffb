"""What a campaign is: its states, its devices, what a kind of campaign has to say, and how devices become stages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Protocol

from sqlalchemy import Row

from cosem.errors import ConfigError
from cosem.headend.inventory import DeviceRow
from cosem.headend.inventory import Kind as DeviceKind
from cosem.headend.plans import Selection

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


def campaign_row(row: Row[Any], account: tuple[Mapping[str, int], ...]) -> CampaignRow:
    """Return a row of the database as it stands."""
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
