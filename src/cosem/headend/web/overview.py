"""What the first page tells: how the night went, where values are missing, and which devices are to blame.

A run that is over does not change any more: its account is made once and kept.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select

from cosem.headend.happenings import AlarmState
from cosem.headend.inventory import State
from cosem.headend.schema import alarm, command, device, gap, plan, plan_run, result, segment
from cosem.headend.web.charts import curve
from cosem.headend.web.series import midnights

DAYS: Final = 14
RUNS: Final = 60
"""Runs looked at, at most: several plans a day."""
POINTS: Final = 96
SHORTEST: Final = 60
"""Seconds that a picture of a run shows at least."""
FRESH_SECONDS: Final = 2.0
STALE_SECONDS: Final = 60.0
WORST: Final = 8
SEGMENTS: Final = 30


@dataclass(frozen=True, slots=True)
class Account:
    """What came of a run. `points`: seconds since its start, and the share read by then.

    `failing` has the devices that were not read, with the reason.
    """

    run: int
    plan: str
    start: int
    deadline: int
    finished: int | None
    total: int
    read: int
    waiting: int
    reasons: dict[str, int]
    points: tuple[tuple[float, float], ...]
    segments: dict[int, tuple[int, int]]
    failing: dict[int, str]

    @property
    def shown_until(self) -> int:
        """Where a picture of it ends: at the deadline, or behind the end of one that was over much sooner."""
        if self.finished is None:
            return self.deadline
        return min(self.deadline, self.start + max(SHORTEST, (self.finished - self.start) * 5 // 4))

    def path(self, seconds: int) -> str:
        """The curve of its first `seconds` as SVG path data."""
        return curve([(at / seconds, share) for at, share in self.points if at <= seconds])


@dataclass(frozen=True, slots=True)
class Cell:
    """A segment's day: devices that were to be read, those read, and intervals missing."""

    total: int
    read: int
    gaps: int

    @property
    def step(self) -> str:
        """The class of the cell's colour: 0 (worst) to 4, or none."""
        if not self.total:
            return "none"
        missing = (self.total - self.read) / self.total
        return str(4 - sum(missing > limit for limit in (0.005, 0.02, 0.05, 0.15)))


@dataclass(frozen=True, slots=True)
class Row:
    """A segment in the heat-map."""

    name: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Worst:
    """A device that often failed: how many runs, and why the last time."""

    id: int
    name: str
    runs: int
    reason: str
    gaps: int


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything of the first page."""

    devices: int
    in_use: int
    alarms: int
    fraud: int
    unconfirmed: int
    uncertain: int
    gaps: int
    night: Account | None
    before: Account | None
    days: tuple[int, ...]
    rows: tuple[Row, ...]
    hidden: int
    worst: tuple[Worst, ...]


class Overviews:
    """Makes overviews of one head-end, and keeps what does not change. Called from threads."""

    def __init__(self, clock: Callable[[], float], zone: ZoneInfo) -> None:
        self._clock = clock
        self._zone = zone
        self._lock = threading.Lock()
        self._over: dict[int, Account] = {}
        self._running: dict[int, tuple[float, Account]] = {}
        self._gaps: tuple[float, Counter[tuple[int, int]], Counter[int]] | None = None
        self._made: tuple[float, Overview] | None = None

    def get(self, connection: Connection) -> Overview:
        """Return the overview, at most two seconds old."""
        with self._lock:
            now = self._clock()
            if self._made is None or not 0 <= now - self._made[0] < FRESH_SECONDS:
                self._made = (now, self._make(connection, int(now)))
            return self._made[1]

    def account(self, connection: Connection, row: Any) -> Account:
        """Return the account of a run (a row of `plan_run` with its plan's name)."""
        known = self._over.get(row.id)
        if known is not None:
            return known
        now = self._clock()
        fresh = self._running.get(row.id)
        if fresh is not None and 0 <= now - fresh[0] < FRESH_SECONDS:
            return fresh[1]
        made = _account(connection, row)
        # Results are written before the run is said to be over; a minute later nothing of it comes any more.
        if row.finished is not None and row.finished < now - 60:
            self._over[row.id] = made
            self._running.pop(row.id, None)
            while len(self._over) > 4 * RUNS:
                self._over.pop(next(iter(self._over)))
        else:
            self._running = {row.id: (now, made), **{k: v for k, v in self._running.items() if now - v[0] < 60}}
        return made

    def _make(self, connection: Connection, now: int) -> Overview:
        edges = midnights(now, DAYS, self._zone)
        query = _runs().where(plan_run.c.start >= edges[0]).limit(RUNS)
        found = [self.account(connection, row) for row in connection.execute(query).all()]
        night = next((item for item in found if item.total), None)
        before = None
        if night is not None:
            older = (item for item in found if item.plan == night.plan and item.start < night.start and item.total)
            before = next(older, None)
        by_segment, by_device = self._holes(connection, now, edges)
        rows, hidden = _rows(connection, found, by_segment, edges)
        states: dict[str, int] = dict(
            connection.execute(select(device.c.state, func.count()).group_by(device.c.state)).all()
        )
        opened = connection.execute(
            select(func.count(), func.coalesce(func.sum(alarm.c.fraud), 0)).where(alarm.c.state == AlarmState.OPEN)
        ).one()
        waiting = connection.execute(
            select(command.c.state, func.count(func.distinct(command.c.bundle)))
            .where(command.c.state.in_(("unconfirmed", "uncertain")))
            .group_by(command.c.state)
        )
        open_commands: dict[str, int] = dict(waiting.all())
        return Overview(
            sum(states.values()) - states.get(State.REMOVED, 0),
            states.get(State.IN_USE, 0),
            int(opened[0]),
            int(opened[1]),
            open_commands.get("unconfirmed", 0),
            open_commands.get("uncertain", 0),
            sum(by_segment.values()),
            night,
            before,
            tuple(edges[:-1]),
            rows,
            hidden,
            _worst(connection, found, by_device),
        )

    def _holes(
        self, connection: Connection, now: int, edges: list[int]
    ) -> tuple[Counter[tuple[int, int]], Counter[int]]:
        if self._gaps is not None and 0 <= now - self._gaps[0] < STALE_SECONDS:
            return self._gaps[1], self._gaps[2]
        by_segment: Counter[tuple[int, int]] = Counter()
        by_device: Counter[int] = Counter()
        query = select(gap.c.device, device.c.segment, gap.c.first).join(device, device.c.id == gap.c.device)
        for number, place, first in connection.execute(query.where(gap.c.first >= edges[0])):
            by_segment[place, bisect_right(edges, first) - 1] += 1
            by_device[number] += 1
        self._gaps = (now, by_segment, by_device)
        return by_segment, by_device


def _runs() -> Any:
    query = select(plan_run, plan.c.name.label("plan_name")).join(plan, plan.c.id == plan_run.c.plan)
    return query.order_by(plan_run.c.start.desc(), plan_run.c.id.desc())


def run_row(connection: Connection, number: int) -> Any:
    """Return a run with its plan's name, None where there is none."""
    return connection.execute(_runs().where(plan_run.c.id == number)).one_or_none()


def run_rows(connection: Connection, *, before: int | None = None, limit: int = 20) -> list[Any]:
    """Return runs, the newest first, with numbers below `before`."""
    query = _runs().order_by(None).order_by(plan_run.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(plan_run.c.id < before)
    return list(connection.execute(query).all())


def _account(connection: Connection, row: Any) -> Account:
    query = select(result.c.device, device.c.segment, result.c.reason, result.c.tries, result.c.finished).join(
        device, device.c.id == result.c.device
    )
    reasons: Counter[str] = Counter()
    segments: dict[int, list[int]] = {}
    failing: dict[int, str] = {}
    ended = row.deadline if row.finished is None else row.finished
    each = max(1, (ended - row.start) // POINTS)
    at: Counter[int] = Counter()
    total = read = waiting = 0
    for number, place, reason, tries, finished in connection.execute(query.where(result.c.run == row.id)):
        total += 1
        counted = segments.setdefault(place, [0, 0])
        counted[0] += 1
        if reason is not None:
            reasons[reason] += 1
            failing[number] = reason
        elif tries and finished is not None:
            read += 1
            counted[1] += 1
            at[max(0, finished - row.start) // each * each] += 1
        else:
            waiting += 1
    points, sofar = [(0.0, 0.0)], 0
    for index in sorted(at):
        sofar += at[index]
        points.append((float(index), sofar / total))
    return Account(
        row.id, row.plan_name, row.start, row.deadline, row.finished, total, read, waiting,
        dict(reasons.most_common()), tuple(points), {key: (a, b) for key, (a, b) in segments.items()}, failing,
    )  # fmt: skip


def _rows(
    connection: Connection, found: list[Account], holes: Counter[tuple[int, int]], edges: list[int]
) -> tuple[tuple[Row, ...], int]:
    totals: Counter[tuple[int, int]] = Counter()
    reads: Counter[tuple[int, int]] = Counter()
    for item in found:
        for place, (total, read) in item.segments.items():
            day = bisect_right(edges, item.start) - 1
            totals[place, day] += total
            reads[place, day] += read
    seen = {place for place, _ in (*totals, *holes)}
    names = dict(connection.execute(select(segment.c.id, segment.c.name)).all())
    rows = []
    for place in seen:
        cells = tuple(Cell(totals[place, day], reads[place, day], holes[place, day]) for day in range(DAYS))
        missing = sum(cell.total - cell.read for cell in cells) / (sum(cell.total for cell in cells) or 1)
        rows.append((missing, Row(names.get(place, "?"), cells)))
    rows.sort(key=lambda item: (-item[0], item[1].name))
    kept = sorted((row for _, row in rows[:SEGMENTS]), key=lambda row: row.name)
    return tuple(kept), max(0, len(rows) - SEGMENTS)


def _worst(connection: Connection, found: list[Account], holes: Counter[int]) -> tuple[Worst, ...]:
    failed: Counter[int] = Counter()
    last: dict[int, str] = {}
    for item in found:
        for number, reason in item.failing.items():
            failed[number] += 1
            last.setdefault(number, reason)
    scores = Counter({number: failed[number] * 10 + holes[number] for number in {*failed, *holes}})
    chosen = [number for number, _ in scores.most_common(WORST)]
    names = dict(connection.execute(select(device.c.id, device.c.name).where(device.c.id.in_(chosen))).all())
    return tuple(
        Worst(number, names[number], failed[number], last.get(number, ""), holes[number])
        for number in chosen
        if number in names
    )
