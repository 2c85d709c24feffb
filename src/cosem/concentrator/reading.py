"""A concentrator that reads by itself: one profile of every device, some devices at a time, again where it failed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from cosem.apdu.base import AttributeDescriptor
from cosem.association.settings import AssociationSettings
from cosem.association.steps import Step
from cosem.client.core import ClientOptions, Core
from cosem.client.profile import ProfileReader
from cosem.client.table import Column
from cosem.concentrator.carrier import Carrier
from cosem.concentrator.kept import Kept
from cosem.concentrator.talk import Random, Talk
from cosem.errors import AccessError, ConfigError, CosemError
from cosem.obis import Obis

PATIENCE: Final = 3600.0
"""Seconds a conversation waits for an answer: the carrier knows sooner when there will be none."""
PAUSE: Final = 30.0
"""Seconds until devices that somebody else talks to are looked at again."""
DAY: Final = 86400

SettingsOf = Callable[[bytes], AssociationSettings]
"""How to associate with a device: keys and titles are the device's own."""


@dataclass(frozen=True, slots=True)
class ReadingPlan:
    """What is read: `profile`, from the newest row that is kept or `back` seconds before now, up to now.

    `side_by_side`: devices that are talked to at once; while one computes, another uses the medium. `attempts`: how
    often a device is tried in one run. `alike`: all devices capture the same, so one of them is asked what. `also` are
    attributes that are read while one is there; what a device refuses is left out.
    """

    profile: Obis
    back: int = DAY
    side_by_side: int = 3
    attempts: int = 3
    alike: bool = True
    also: tuple[AttributeDescriptor, ...] = ()

    def __post_init__(self) -> None:
        if self.side_by_side < 1 or self.attempts < 1 or self.back < 0:
            raise ConfigError("side_by_side and attempts from 1, back from 0")


class ReadFailure(NamedTuple):
    """A device that was not read, and why: what the client saw, and what the network said."""

    name: bytes
    error: str
    cause: str


@dataclass(slots=True)
class ReadingReport:
    """How a run went."""

    read: list[bytes] = field(default_factory=list)
    failed: dict[bytes, ReadFailure] = field(default_factory=dict)
    rows: int = 0
    attempts: int = 0


class Reading:
    """One run over devices: `start` it, let the carrier work, and look at the `report` when it is `over`.

    A device that is `busy`, because somebody from outside talks to it between the same access points, is left for
    later; `give_way` ends a conversation for such a one.
    """

    def __init__(
        self,
        carrier: Carrier,
        kept: Kept,
        plan: ReadingPlan,
        settings: SettingsOf,
        random: Random,
        utc: Callable[[], int],
        devices: list[bytes] | None = None,
        busy: Callable[[bytes], bool] = lambda name: False,
    ) -> None:
        self.carrier = carrier
        self.kept = kept
        self.plan = plan
        self.report = ReadingReport()
        self._settings = settings
        self._busy = busy
        self._given_way: set[bytes] = set()
        self._look_again: float | None = None
        self._random = random
        self._utc = utc
        names = [item.name for item in carrier.devices() if item.there] if devices is None else devices
        self._waiting: deque[tuple[bytes, int]] = deque((name, 1) for name in names)
        self._talks: dict[bytes, tuple[Talk, int]] = {}
        self._known: tuple[tuple[Column, ...], int] | None = None

    @property
    def over(self) -> bool:
        """Whether every device was read or given up."""
        return not self._waiting and not self._talks

    def start(self) -> None:
        """Begin with as many devices as go side by side; the first one alone where it tells what all capture."""
        room = self.plan.side_by_side if self._known or not self.plan.alike else 1
        put_off = 0
        self._look_again = None
        while self._waiting and len(self._talks) < room:
            name, attempt = self._waiting.popleft()
            if self._busy(name):
                self._waiting.append((name, attempt))
                put_off += 1
                if put_off < len(self._waiting):
                    continue
                self._look_again = self.carrier.now + PAUSE
                break
            settings = self._settings(name)
            settings.max_pdu_size = min(settings.max_pdu_size, self.carrier.max_apdu)
            settings.response_timeout = settings.connect_timeout = settings.release_timeout = PATIENCE
            talk = Talk(
                self.carrier,
                name,
                settings,
                self._random,
                self._conversation(name),
                self._done,
                ClientOptions(retries=0, reconnects=0, max_pdu_size=self.carrier.max_apdu),
            )
            self._talks[name] = talk, attempt
            self.report.attempts += 1
            talk.start()

    def next_timer(self) -> float | None:
        """Return when `handle_timer` is needed next, in the carrier's seconds."""
        times = [self._look_again, *(talk.next_timer() for talk, _ in self._talks.values())]
        return min((time for time in times if time is not None), default=None)

    def handle_timer(self) -> None:
        """Let what is due happen."""
        for talk, _ in list(self._talks.values()):
            due = talk.next_timer()
            if due is not None and due <= self.carrier.now:
                talk.handle_timer()
        if self._look_again is not None and self._look_again <= self.carrier.now:
            self.start()

    def give_way(self, name: bytes) -> None:
        """Leave a device to somebody else, and read it later."""
        held = self._talks.get(name)
        if held is not None:
            self._given_way.add(name)
            held[0].cancel()

    def _conversation(self, name: bytes) -> Callable[[Core], Generator[Step, Any, int]]:
        def read(core: Core) -> Generator[Step, Any, int]:
            yield from core.open()
            reader = ProfileReader(core, self.plan.profile)
            if self._known is not None and self.plan.alike:
                reader.assume(*self._known)
            columns = yield from reader.describe()
            self._known = columns, reader.period
            profile = self.kept.open(name, self.plan.profile, columns, reader.period)
            now = self._utc()
            begin = now - self.plan.back if profile.last is None else profile.last + 1
            octets = yield from reader.read_octets(_moment(begin), _moment(now))
            taken = profile.take(octets)
            for target in self.plan.also:
                try:
                    value = yield from core.get_data(target.class_id, Obis(target.instance), target.attribute)
                except AccessError:
                    self.kept.values.pop((name, target), None)
                else:
                    self.kept.values[name, target] = value
            yield from core.close()
            return taken

        return read

    def _done(self, talk: Talk) -> None:
        _, attempt = self._talks.pop(talk.name)
        try:
            self.report.rows += talk.outcome()
        except CosemError as error:
            if talk.name in self._given_way:
                self._given_way.discard(talk.name)
                self._waiting.append((talk.name, attempt))
            elif attempt < self.plan.attempts:
                self._waiting.append((talk.name, attempt + 1))
            else:
                self.report.failed[talk.name] = ReadFailure(talk.name, str(error), talk.cause)
        else:
            self.report.read.append(talk.name)
        self.start()


def _moment(utc: int) -> datetime:
    return datetime.fromtimestamp(utc, UTC)


def same_settings(settings: AssociationSettings) -> SettingsOf:
    """Return that all devices are associated with alike, but for their titles."""
    return lambda name: replace(settings, meter_system_title=name.ljust(8, b"\x00")[:8])
