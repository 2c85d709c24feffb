"""One session with one device: open, look at its clock, read what is missing of its profiles, close.

A device costs its own session only: whatever it sends ends in an `Outcome`, with what had arrived.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any

from cosem.apdu.base import SelectiveAccess
from cosem.classes.c007_profile_generic import by_time
from cosem.client.core import ClientOptions, Core, selective
from cosem.client.events import read_events
from cosem.client.keyfile import DeviceKeys
from cosem.client.plan import DEFAULT_TITLE, Plan, open_meter, read_counter
from cosem.client.plan import counter_name as name_of_counter
from cosem.client.table import whole_rows
from cosem.client.verbs import set_clock
from cosem.device.causes import Cause
from cosem.errors import AccessError, ConfigError, CosemError, DecodeError, ProtocolError
from cosem.headend.children import Child, OnChannel, Present, look, profile_name, told
from cosem.headend.happenings import Happened
from cosem.headend.intervals import Series
from cosem.headend.reading import ProfileReading, over
from cosem.headend.reasons import AGAIN, Reason, reason_of
from cosem.io.aio import AsyncioDriver
from cosem.io.blocking import Trace
from cosem.obis import obis
from cosem.security.counters import CounterStore
from cosem.times import CosemDateTime

CLOCK = obis("0-0:1.0.0.255")
ALARMING_LOGS = frozenset({"fraud"})
"""Logs each new line of which is an alarm, unless it says that something is over."""
OVER = frozenset(
    cause.value
    for cause in (
        Cause.TERMINAL_COVER_CLOSED,
        Cause.METER_COVER_CLOSED,
        Cause.STRONG_FIELD_GONE,
        Cause.CURRENT_BYPASS_GONE,
        Cause.CURRENT_REVERSAL_GONE,
        Cause.MBUS_FRAUD_OVER,
        Cause.PHASE_SEQUENCE_RIGHT,
        Cause.NEUTRAL_PRESENT,
    )
)
LOG_OVERLAP = 3600
"""Seconds of a log that are read again: events of a clock that was slow stand before others. None is kept twice."""
SESSION_SECONDS = 300.0
"""Longer than any honest session of a day's values: a device that goes on forever ends here."""
CHILD_SECONDS = 30.0
"""As many more for every device on its M-Bus."""
MAX_BUFFER = 16 << 20
"""More octets than any profile of a meter has."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is read of one profile: the interval ends after `since` up to `until`, UTC seconds."""

    reading: ProfileReading
    since: int
    until: int


@dataclass(frozen=True, slots=True)
class Logs:
    """Which event logs are read, by their names in the companion profile, from when on (UTC seconds)."""

    companion: str
    since: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ClockPolicy:
    """When a clock is set: off by more than `threshold` seconds, but not by more than `most`, which somebody looks at.

    Never so close to an interval's edge that setting would carry the clock over it. `threshold` None only looks.
    """

    threshold: int | None = 10
    most: int = 3600
    period: int = 900

    def sets(self, offset: int, now: float) -> bool:
        """Whether a clock that is `offset` seconds fast is set now."""
        if self.threshold is None or not self.threshold < abs(offset) <= self.most:
            return False
        shown = now + offset
        return now // self.period == shown // self.period == (now + 10) // self.period


@dataclass(frozen=True, slots=True)
class Target:
    """A device as a session needs it. `lease` is a block of invocation counters that is persisted already, for one.

    It is not begun before `not_before` (UTC seconds). `children` are on its M-Bus and read in the same association;
    `own` says whether it is asked for anything itself. `obstacle` is why it cannot be dialled at all.
    """

    device: int
    name: str
    url: str
    keys: DeviceKeys
    wanted: tuple[Wanted, ...] = ()
    clock: ClockPolicy | None = None
    lease: tuple[int, int] | None = None
    zone: int = -60
    not_before: float = 0.0
    logs: Logs | None = None
    children: tuple[Child, ...] = ()
    own: bool = True
    obstacle: str = ""

    @property
    def devices(self) -> tuple[int, ...]:
        """The devices that something is asked for of."""
        return (*((self.device,) if self.own else ()), *(child.device for child in self.children))


@dataclass(slots=True)
class Outcome:
    """What came of a session. `reason` None: everything asked for was read. `seconds` is how long it took.

    `until` tells for each profile and log up to when it is had: of a profile that is its last row, for what was asked
    for and not there may still come (of a clock that is slow, or a concentrator that has not read it yet). `since` is
    from when on each profile was asked for, where the whole answer came. `offset` is how fast the clock was.
    `latest` are values as they stand: channel, time, value. `children` are the outcomes of the devices on its M-Bus: of
    one of those `channel` is what was found on its channel, `found` and `values` are what it says. `settled` says that
    asking again now is no use.
    """

    device: int
    reason: Reason | None = None
    detail: str = ""
    series: list[Series] = field(default_factory=list)
    until: dict[str, int] = field(default_factory=dict)
    since: dict[str, int] = field(default_factory=dict)
    offset: int | None = None
    clock_set: bool = False
    seconds: float = 0.0
    events: list[Happened] = field(default_factory=list)
    children: list[Outcome] = field(default_factory=list)
    channel: OnChannel | None = None
    found: list[tuple[ProfileReading, Series]] = field(default_factory=list)
    values: tuple[Present, ...] = ()
    latest: list[tuple[int, int, int]] = field(default_factory=list)
    settled: bool = False

    @property
    def again(self) -> bool:
        """Whether it may be another one a while later."""
        return self.reason in AGAIN and not self.settled


def counter_name(device: int, keys: DeviceKeys) -> str:
    """Return under which name the invocation counters of a device are kept. New keys have counters of their own."""
    title = keys.client_system_title or DEFAULT_TITLE
    return f"device {device} {name_of_counter(title, keys.keys.global_unicast_encryption_key)}"


class DeviceCounters:
    """The invocation counters of one device in a store that has those of all."""

    def __init__(self, device: int, store: CounterStore) -> None:
        self._device = device
        self._store = store

    def _name(self, name: str) -> str:
        return f"device {self._device} {name}"

    def lease(self, name: str, count: int, at_least: int = 0) -> tuple[int, int]:
        """Persist and return the next block."""
        return self._store.lease(self._name(name), count, at_least)

    def last_received(self, name: str) -> int | None:
        """Return the last accepted counter of the peer."""
        return self._store.last_received(self._name(name))

    def commit_received(self, name: str, counter: int) -> None:
        """Persist the last accepted counter of the peer."""
        self._store.commit_received(self._name(name), counter)


async def collect(
    target: Target,
    store: CounterStore,
    *,
    clock: Callable[[], float],
    options: ClientOptions | None = None,
    trace: Trace | None = None,
) -> Outcome:
    """Carry out a session; never raises but for cancellation. `clock` gives UTC seconds, `trace` takes every octet."""
    # Until something is said of it, nothing was reached.
    children = [Outcome(child.device, Reason.PARENT) for child in target.children]
    outcome = Outcome(target.device, children=children)
    loop = asyncio.get_running_loop()
    started = loop.time()
    seconds = SESSION_SECONDS + CHILD_SECONDS * len(children)
    try:
        if target.obstacle:
            raise ConfigError(target.obstacle)
        async with asyncio.timeout(seconds):
            await _session(target, store, outcome, clock, options, trace)
    except TimeoutError:
        _fell(outcome, Reason.WRONG, f"not finished after {seconds:.0f} s")
    except (CosemError, OSError) as error:
        _fell(outcome, reason_of(error), str(error))
    outcome.seconds = loop.time() - started
    return outcome


def _fell(outcome: Outcome, reason: Reason, detail: str) -> None:
    """Say of whoever was not read yet that the session ended."""
    if not outcome.settled:
        outcome.reason, outcome.detail = reason, detail
    for child in outcome.children:
        if child.reason is Reason.PARENT:
            child.detail, child.settled = f"{reason}: {detail}", reason not in AGAIN


async def _session(
    target: Target,
    store: CounterStore,
    outcome: Outcome,
    clock: Callable[[], float],
    options: ClientOptions | None,
    trace: Trace | None,
) -> None:
    plan = Plan(
        target.url,
        device=target.keys,
        counters=DeviceCounters(target.device, store),
        options=options,
        block=target.lease,
    )
    if plan.url.counter is not None and plan.settings.lease is not None:
        public = plan.public_core()
        driver = _driver(plan, public, trace)
        try:
            plan.counter_floor = await driver.run(read_counter(public, plan.url.counter, plan.repeats))
        finally:
            driver.close()
    core = plan.core()
    driver = _driver(plan, core, trace)
    try:
        await driver.run(_read(plan, core, target, outcome, clock))
    finally:
        driver.close()
        _take_apart(plan, core)


def _take_apart(plan: Plan, core: Core) -> None:
    """Open the circles of what is not used again: it is freed at once, and the garbage collector has nothing to find.

    With a thousand sessions a second looking for them took a tenth of the time.
    """
    plan.settings.lease = None
    vars(core.machine).clear()


def _driver(plan: Plan, core: Core, trace: Trace | None) -> AsyncioDriver:
    url = plan.url
    return AsyncioDriver(
        core.machine, url.host, url.port, timeout=plan.settings.connect_timeout, trace=trace, opener=plan.opener()
    )


def _read(
    plan: Plan, core: Core, target: Target, outcome: Outcome, clock: Callable[[], float]
) -> Generator[Any, Any, None]:
    yield from open_meter(plan, core)
    try:
        if target.own and target.clock is not None:
            yield from _look_at_clock(core, target, target.clock, outcome, clock)
        refused: AccessError | None = None
        for wanted in target.wanted:
            try:
                yield from _read_profile(core, target, wanted, outcome)
            except AccessError as error:
                # What it has not others of its type may have: the rest is read, and what hangs behind it.
                refused = refused or error
        if target.logs is not None:
            yield from _read_logs(core, target, target.logs, outcome, clock)
        if refused is not None:
            outcome.reason, outcome.detail = reason_of(refused), str(refused)
        outcome.settled = True
        for child, own in zip(target.children, outcome.children, strict=True):
            yield from _read_child(core, target, child, own, clock)
    finally:
        if core.associated:
            yield from core.close()


def _read_child(
    core: Core, target: Target, child: Child, outcome: Outcome, clock: Callable[[], float]
) -> Generator[Any, Any, None]:
    """Read one device on the M-Bus. What is wrong with it costs it alone, unless the session itself is over."""
    try:
        found = outcome.channel = yield from look(core, child, zone=target.zone)
        if found.meter is None:
            outcome.reason, outcome.detail = Reason.NOT_INSTALLED, f"nobody is installed on channel {child.channel}"
            return
        if child.meter is not None and found.meter != child.meter:
            outcome.reason = Reason.ANOTHER_METER
            outcome.detail = f"channel {child.channel} has {found.meter}, not {child.meter}: nothing of it was taken"
            return
        outcome.values = found.values
        behind = replace(target, device=child.device)
        for number, reading in found.readings.items():
            until = over(clock(), reading.period)
            part = Outcome(child.device)
            there = replace(reading, name=profile_name(number, child.channel))
            try:
                yield from _read_profile(core, behind, Wanted(there, child.since[number], until), part)
            finally:
                outcome.found += [(reading, item) for item in part.series]
            _have(outcome, reading, child.since[number], part.series)
        outcome.reason = None
        if (since := found.stale(clock())) is not None:
            # Its parent is asked again when it has asked the device again.
            outcome.reason, outcome.detail, outcome.settled = Reason.SILENT, told(since), True
    except (AccessError, DecodeError, ConfigError) as error:
        outcome.reason, outcome.detail = reason_of(error), str(error)
    except ProtocolError as error:
        if not core.associated:
            raise
        outcome.reason, outcome.detail = reason_of(error), str(error)


def _look_at_clock(
    core: Core, target: Target, policy: ClockPolicy, outcome: Outcome, clock: Callable[[], float]
) -> Generator[Any, Any, None]:
    try:
        data = yield from core.get_data(8, CLOCK, 2)
        shown = CosemDateTime.from_octets(data.value).to_datetime()
    except (AccessError, DecodeError, TypeError):
        # A clock that says nothing is a finding of its own; the values carry their times.
        outcome.detail = "the clock shows no time"
        return
    if shown.tzinfo is None:
        shown = shown.replace(tzinfo=timezone(-timedelta(minutes=target.zone)))
    now = clock()
    outcome.offset = round(shown.timestamp() - now)
    if policy.sets(outcome.offset, now):
        try:
            yield from set_clock(core, datetime.fromtimestamp(clock(), UTC).astimezone(shown.tzinfo))
        except AccessError as error:
            outcome.detail = f"the clock cannot be set: {error}"
        else:
            outcome.clock_set = True


def _read_logs(
    core: Core, target: Target, logs: Logs, outcome: Outcome, clock: Callable[[], float]
) -> Generator[Any, Any, None]:
    zone = timezone(-timedelta(minutes=target.zone))
    for group, since in logs.since.items():
        start = datetime.fromtimestamp(max(0, since - LOG_OVERLAP), zone)
        until = int(clock())
        found = yield from read_events(core, start, groups=(group,), profile=logs.companion)
        for event in found:
            try:
                at = event.time.to_datetime()
            except (CosemError, ValueError):
                continue  # an event without a time cannot be told from the same one tomorrow
            at = at if at.tzinfo is not None else at.replace(tzinfo=zone)
            words = event.words or f"event {event.code}"
            alarming = group in ALARMING_LOGS and words not in OVER
            outcome.events.append(
                Happened(target.device, int(at.timestamp()), group, words, event.code, "log", alarming)
            )
        outcome.until[log_progress(group)] = until


def log_progress(group: str) -> str:
    """Return the name under which the progress of a log is kept."""
    return f"events {group}"


def _read_profile(core: Core, target: Target, wanted: Wanted, outcome: Outcome) -> Generator[Any, Any, None]:
    reading = wanted.reading
    selection = _between(wanted.since + 1, wanted.until, target.zone)
    parts: list[bytes] = []
    try:
        octets = yield from core.get_octets(7, reading.name, 2, selection, parts)
    except CosemError:
        _keep(reading.series(whole_rows(b"".join(parts)), target.device, zone=target.zone), wanted, outcome)
        raise
    if len(octets) > MAX_BUFFER:
        raise DecodeError(f"{reading.name} has {len(octets)} octets, more than any profile", 0)
    _have(
        outcome, reading, wanted.since, _keep(reading.series(octets, target.device, zone=target.zone), wanted, outcome)
    )


def _have(outcome: Outcome, reading: ProfileReading, since: int, series: list[Series]) -> None:
    """Say what is had of a profile whose whole answer came."""
    name = str(reading.name)
    outcome.since[name] = since
    if series:
        outcome.until[name] = max(int(item.times[-1]) for item in series)


@lru_cache(maxsize=256)
def _between(first: int, last: int, zone: int) -> SelectiveAccess:
    """Return the selection of the rows from `first` to `last`. Most meters of a night are asked for the same ones."""
    local = timezone(-timedelta(minutes=zone))
    start, end = (CosemDateTime.from_datetime(datetime.fromtimestamp(at, local)) for at in (first, last))
    return selective(by_time(start, end))


def _keep(series: list[Series], wanted: Wanted, outcome: Outcome) -> list[Series]:
    """Keep and return what was asked for: what lies outside is a device that answers another question."""
    parts = [part for item in series if len(part := item.between(wanted.since + 1, wanted.until + 1))]
    outcome.series += parts
    return parts
