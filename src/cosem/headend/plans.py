"""Plans: who is read, what of them, and when; and how a run of a plan becomes slices of work.

A run has a start and a deadline. Its devices are spread over the first part of that window by their numbers, so that
they do not all start at once and each has its usual moment; what failed is tried again until the deadline, and what is
missing then is asked for by the next run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from croniter import croniter
from sqlalchemy import Connection, Select, case, func, insert, select, update

from cosem.errors import ConfigError
from cosem.headend.inventory import Kind, State
from cosem.headend.schema import device, device_group, device_tag, device_type, group_member, plan, plan_run, result
from cosem.headend.schema import slice_ as slice_table

SLICE: Final = 500
"""Devices of one job at most."""
DAY: Final = 86_400
MAX_TRIES: Final = 20
RESTS, RUNS, REMOVED = 0, 1, 2
"""What `active` of a plan says. One that was removed stays for the accounts of its runs, and nobody sees it."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which devices: all that fit every condition given."""

    kinds: tuple[Kind, ...] = ()
    types: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """One plan. `schedule` is a cron line in the local time of `zone`; `window` seconds are there for a run.

    `profiles` are logical names, all of the device's type without any; `depth` is how many days back a device that
    was never read, or long not, is asked for. `clock` looks at clocks and sets them. `events` are the logs that are
    read, by their names in the companion profile (standard, fraud, ...). A device that does not answer is tried
    `tries` times within the window. Raises `ConfigError`.
    """

    name: str
    schedule: str
    window: int = 6 * 3600
    selection: Selection = field(default_factory=Selection)
    profiles: tuple[str, ...] = ()
    depth: int = 40
    clock: bool = True
    zone: str = "Europe/Berlin"
    spread: float = 0.5
    events: tuple[str, ...] = ()
    tries: int = 4

    def __post_init__(self) -> None:
        if not croniter.is_valid(self.schedule):
            raise ConfigError(f"plan {self.name}: {self.schedule!r} is no cron line (minute hour day month weekday)")
        if not 60 <= self.window <= 7 * DAY or not 0 <= self.spread < 1 or not 1 <= self.depth <= 3650:
            raise ConfigError(f"plan {self.name}: the window is 60 s to 7 days, the spread 0 to 1, the depth in days")
        if not 1 <= self.tries <= MAX_TRIES:
            raise ConfigError(f"plan {self.name}: a device is tried 1 to {MAX_TRIES} times")
        try:
            ZoneInfo(self.zone)
        except (KeyError, ValueError, OSError):
            raise ConfigError(f"plan {self.name}: there is no time zone {self.zone!r}") from None

    def after(self, moment: int) -> int:
        """Return the next start after `moment` (UTC seconds)."""
        local = datetime.fromtimestamp(moment, UTC).astimezone(ZoneInfo(self.zone))
        following: datetime = croniter(self.schedule, local).get_next(datetime)
        return int(following.timestamp())

    def last(self, moment: int) -> int:
        """Return the last start at or before `moment`."""
        local = datetime.fromtimestamp(moment + 1, UTC).astimezone(ZoneInfo(self.zone))
        previous: datetime = croniter(self.schedule, local).get_prev(datetime)
        return int(previous.timestamp())

    def document(self) -> str:
        """Return the plan as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, text: str) -> Plan:
        """Return the plan of a document."""
        values = json.loads(text)
        chosen = values.pop("selection")
        selection = Selection(
            tuple(Kind(kind) for kind in chosen.pop("kinds")), **{name: tuple(item) for name, item in chosen.items()}
        )
        values["profiles"] = tuple(values["profiles"])
        values["events"] = tuple(values.get("events", ()))
        return cls(selection=selection, **values)


def slot(name: str, number: int, seconds: int) -> int:
    """Return how many seconds behind a run's start a device has its turn: the same each time, spread evenly."""
    if seconds <= 0:
        return 0
    digest = hashlib.blake2b(f"{name}/{number}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % seconds


class Plans:
    """The plans in the database. Methods belong to the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def save(self, item: Plan) -> int:
        """Add a plan or change it; return its number. The name of one that was removed may be used again."""
        found = self._connection.execute(select(plan.c.id).where(plan.c.name == item.name)).scalar_one_or_none()
        values = {"what": item.document(), "schedule": item.schedule}
        if found is None:
            row = self._connection.execute(insert(plan), {"name": item.name, **values})
            key = row.inserted_primary_key
            assert key is not None
            return int(key[0])
        back = case((plan.c.active == REMOVED, RUNS), else_=plan.c.active)
        self._connection.execute(update(plan).where(plan.c.id == found).values(**values, active=back))
        return int(found)

    def all(self, *, active: bool = True) -> dict[int, Plan]:
        """Return the plans by their numbers: those that run by their schedule, or with those that rest."""
        wanted = (RUNS,) if active else (RUNS, RESTS)
        query = select(plan.c.id, plan.c.what).where(plan.c.active.in_(wanted)).order_by(plan.c.name)
        return {number: Plan.of(text) for number, text in self._connection.execute(query)}

    def get(self, number: int) -> Plan:
        """Return a plan that is or was: its runs go by it."""
        return Plan.of(self._connection.execute(select(plan.c.what).where(plan.c.id == number)).scalar_one())

    def activate(self, name: str, active: bool) -> None:
        """Let a plan run, or rest. Raises `ConfigError` where there is none of that name."""
        self._set(name, RUNS if active else RESTS)

    def remove(self, name: str) -> None:
        """Take a plan away. Its runs stay, and one that is under way comes to its end. Raises `ConfigError`."""
        self._set(name, REMOVED)

    def _set(self, name: str, active: int) -> None:
        there = update(plan).where(plan.c.name == name, plan.c.active != REMOVED)
        if not self._connection.execute(there.values(active=active)).rowcount:
            raise ConfigError(f"there is no plan {name!r}")

    def due(self, now: int) -> list[tuple[int, int]]:
        """Return the runs (plan, start) that should have begun by now and are not there: also after an outage.

        Of what was missed only the last counts: it asks for everything that is missing.
        """
        found = []
        for number, item in self.all().items():
            start = item.last(now)
            if now >= start + item.window:
                continue
            known = select(plan_run.c.id).where(plan_run.c.plan == number, plan_run.c.start == start)
            if self._connection.execute(known).first() is None:
                found.append((number, start))
        return found

    def begin(self, number: int, start: int, *, spread: bool = True) -> int:
        """Begin a run: cut its devices into slices by segment. Return its number; one that is there stays.

        `spread` gives each device its own moment, otherwise all begin at once.
        """
        item = self.get(number)
        known = self._connection.execute(
            select(plan_run.c.id).where(plan_run.c.plan == number, plan_run.c.start == start)
        ).scalar_one_or_none()
        if known is not None:
            return int(known)
        made = self._connection.execute(
            insert(plan_run),
            {"plan": number, "start": start, "deadline": start + item.window, "spread": int(spread)},
        )
        key = made.inserted_primary_key
        assert key is not None
        run = int(key[0])
        by_segment: dict[int, dict[int, list[int]]] = {}
        for device_number, segment in self.devices(item.selection):
            by_segment.setdefault(segment, {})[device_number] = [device_number]
        for device_number, above, segment in self.children(item.selection):
            by_segment.setdefault(segment, {}).setdefault(above, []).append(device_number)
        for segment, dialled in sorted(by_segment.items()):
            part: list[int] = []
            for together in dialled.values():
                # Those that share an association are of one slice.
                if part and len(part) + len(together) > SLICE:
                    self._slice(run, segment, part)
                    part = []
                part += together
            self._slice(run, segment, part)
        return run

    def _slice(self, run: int, segment: int, numbers: list[int]) -> None:
        row = self._connection.execute(insert(slice_table), {"run": run, "segment": segment})
        key = row.inserted_primary_key
        assert key is not None
        rows = [{"run": run, "device": number, "slice": int(key[0])} for number in numbers]
        self._connection.execute(insert(result), rows)

    def devices(self, chosen: Selection) -> list[tuple[int, int]]:
        """Return the devices in use that a selection has, with their segments: those that are dialled themselves."""
        query = _chosen(select(device.c.id, device.c.segment), chosen).where(device.c.url.is_not(None))
        return [(number, segment) for number, segment in self._connection.execute(query.order_by(device.c.id))]

    def children(self, chosen: Selection) -> list[tuple[int, int, int]]:
        """Return those that are read through what they hang behind, with its number and its segment."""
        above = device.alias("above")
        query = _chosen(select(device.c.id, above.c.id, above.c.segment), chosen)
        query = query.join(above, above.c.id == device.c.parent).order_by(above.c.id, device.c.channel)
        query = query.where(device.c.url.is_(None), device.c.channel.is_not(None))
        return [(number, parent, segment) for number, parent, segment in self._connection.execute(query)]

    def open_slices(self) -> list[tuple[int, int]]:
        """Return the slices (number, segment) that are not carried out yet, of every run."""
        query = select(slice_table.c.id, slice_table.c.segment).where(slice_table.c.state != "done")
        return [(number, segment) for number, segment in self._connection.execute(query.order_by(slice_table.c.id))]

    def number(self, name: str) -> int:
        """Return the number of a plan. Raises `ConfigError` where there is none of that name."""
        query = select(plan.c.id).where(plan.c.name == name, plan.c.active != REMOVED)
        found = self._connection.execute(query).scalar_one_or_none()
        if found is None:
            raise ConfigError(f"there is no plan {name!r}")
        return int(found)

    def account(self, run: int) -> Mapping[str, int]:
        """Return how many devices of a run were read, and how many not, by reason; "waiting" are not tried yet."""
        kept = self._connection.execute(select(plan_run.c.account).where(plan_run.c.id == run)).scalar()
        if kept is not None:
            counts: dict[str, int] = json.loads(kept)
            return counts
        query = (
            select(result.c.reason, result.c.tries > 0, func.count())
            .where(result.c.run == run)
            .group_by(result.c.reason, result.c.tries > 0)
        )
        found: dict[str, int] = {}
        for reason, tried, count in self._connection.execute(query):
            name = reason or ("read" if tried else "waiting")
            found[name] = found.get(name, 0) + count
        return found

    def finish(self, run: int, now: int) -> bool:
        """Close a run if nothing of it waits any more; return whether it is over."""
        waiting = select(slice_table.c.id).where(slice_table.c.run == run, slice_table.c.state != "done")
        if self._connection.execute(waiting.limit(1)).first() is not None:
            return False
        where = (plan_run.c.id == run, plan_run.c.finished.is_(None))
        values = {"finished": now, "account": json.dumps(self.account(run))}
        self._connection.execute(update(plan_run).where(*where).values(**values))
        return True


def _chosen(query: Select[Any], chosen: Selection) -> Select[Any]:
    """Return a query narrowed to the devices in use that a selection has."""
    query = query.where(device.c.state == State.IN_USE)
    if chosen.kinds:
        query = query.where(device.c.kind.in_([kind.value for kind in chosen.kinds]))
    if chosen.types:
        query = query.where(device.c.type.in_(select(device_type.c.id).where(device_type.c.name.in_(chosen.types))))
    if chosen.groups:
        members = (
            select(group_member.c.device)
            .join(device_group, device_group.c.id == group_member.c.group)
            .where(device_group.c.name.in_(chosen.groups))
        )
        query = query.where(device.c.id.in_(members))
    if chosen.tags:
        query = query.where(device.c.id.in_(select(device_tag.c.device).where(device_tag.c.tag.in_(chosen.tags))))
    if chosen.names:
        query = query.where(device.c.name.in_(chosen.names))
    return query
