"""What is seen of the neighbourhood behind a demonstration, asked once for all pages, and the story of it.

The neighbourhood says what was done there and what followed; the head-end's own reactions are woven in, with the time
they took where what they follow was done from a page here.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Engine, select

from cosem.errors import CosemError
from cosem.headend.schema import device
from cosem.headend.web.text import shown

if TYPE_CHECKING:
    from cosem.headend.web.frame import Play

FRESH: Final = 0.4
"""Seconds for which an answer serves everybody who asks."""
PATIENCE: Final = 3.0
KEPT: Final = 400
"""Lines of the story, and reactions, that are kept here."""
LINE_EVERY: Final = 5
NAMES_EVERY: Final = 30
"""How often, in answers, the power line is looked at, and whether the head-end knows more of the units."""
TOOK_AT_MOST: Final = 120.0
"""Seconds behind which a reaction is none any more to what was done."""
NEIGHBOURHOOD, STATION, HOME = "neighbourhood", "station:", ("home:", "hand:")


@dataclass(frozen=True, slots=True)
class PlayUnit:
    """One device as it was delivered; `number` is its place in the list, and names it on the page."""

    number: int
    name: str
    kind: str
    model: str
    segment: str
    place: str
    parent: str | None
    channel: int | None
    feeder: str | None
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StoryLine:
    """One line: when by the neighbourhood's time, about whom, and the seconds it took. `kind` as the neighbourhood
    has it, or ``alarm``, ``fraud``, ``command`` and ``heard`` for what the head-end did."""

    at: int
    unit: str
    kind: str
    words: str
    took: float | None = None
    link: str | None = None
    number: int = 0

    @property
    def ours(self) -> bool:
        """Whether the head-end did it."""
        return self.kind in _OURS


_OURS: Final = frozenset({"alarm", "fraud", "command", "heard"})


@dataclass(frozen=True, slots=True)
class Seen:
    """How everything was at the last answer. `problem` says why there is none; `devices` are head-end numbers."""

    units: tuple[PlayUnit, ...] = ()
    feeders: tuple[str, ...] = ()
    looks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    now: int = 0
    speed: float = 1.0
    late: bool = False
    line: Mapping[str, Any] | None = None
    story: tuple[StoryLine, ...] = ()
    devices: Mapping[str, int] = field(default_factory=dict)
    problem: str = ""

    def unit(self, name: str) -> PlayUnit | None:
        """Return a unit by its name."""
        return next((unit for unit in self.units if unit.name == name), None)

    def look(self, unit: PlayUnit) -> Mapping[str, Any]:
        """Return how a unit is now; nothing where that is not known."""
        return self.looks.get(unit.name, {})


class Playing:
    """Asks a neighbourhood for all pages; `seen` is how it was. Also the `Beat` of the live topics it has."""

    def __init__(self, play: Play, engine: Engine, clock: Callable[[], float]) -> None:
        self.play = play
        self.seen = Seen()
        self.asked = 0
        """How often the neighbourhood was asked."""
        self._engine = engine
        self._clock = clock
        self._lock = asyncio.Lock()
        self._at = float("-inf")
        self._known = False
        self._last = 0
        self._told: deque[StoryLine] = deque(maxlen=KEPT)
        self._reactions: deque[StoryLine] = deque(maxlen=KEPT)
        self._names: dict[int, str] = {}
        self._begun: dict[str, float] = {}
        self._commands: dict[str, float] = {}

    def has(self, topic: str) -> bool:
        """Whether a live topic shows something of the neighbourhood."""
        return topic == NEIGHBOURHOOD or topic.startswith((STATION, *HOME))

    async def ask(self, fresh: float = FRESH) -> Seen:
        """Return how everything is, asked at most `fresh` seconds ago."""
        async with self._lock:
            if time.monotonic() - self._at >= fresh:
                try:
                    async with asyncio.timeout(PATIENCE):
                        self.seen = await self._ask()
                except (CosemError, TimeoutError) as error:
                    self._lost(str(error) or "the neighbourhood does not answer in time")
                except (LookupError, TypeError, ValueError, AttributeError):
                    self._lost("the neighbourhood says what nobody understands")
                self._at = time.monotonic()
        return self.seen

    def _lost(self, why: str) -> None:
        # Who comes back may be another one.
        self._known = False
        self.seen = replace(self.seen, problem=why)

    async def _ask(self) -> Seen:
        play, seen = self.play, self.seen
        if not self._known:
            seen = Seen(_units(await play.call("units")), tuple(map(str, await play.call("feeders"))))
            self._last = 0
            self._told.clear()
        if not self._known or self.asked % NAMES_EVERY == 0:
            self._names = await asyncio.to_thread(self._numbers, [unit.name for unit in seen.units])
            seen = replace(seen, devices={name: number for number, name in self._names.items()})
        line = seen.line
        if not self._known or self.asked % LINE_EVERY == 0:
            line = dict(await play.call("line"))
        looks = {str(name): dict(look) for name, look in (await play.call("look")).items()}
        for item in await play.call("story", after=self._last):
            self._last = max(self._last, int(item["number"]))
            self._told.append(
                StoryLine(int(item["at"]), str(item["unit"]), str(item["kind"]), str(item["words"]), number=self._last)
            )
        at = await play.call("time")
        self._known = True
        self.asked += 1
        return replace(
            seen, looks=looks, line=line, now=int(at["now"]), speed=float(at["speed"]), late=bool(at["late"]),
            story=self._woven(), problem="",
        )  # fmt: skip

    def _numbers(self, names: list[str]) -> dict[int, str]:
        query = select(device.c.id, device.c.name)
        with self._engine.connect() as connection:
            return {
                row.id: row.name
                for begin in range(0, len(names), 500)
                for row in connection.execute(query.where(device.c.name.in_(names[begin : begin + 500])))
            }

    def _woven(self) -> tuple[StoryLine, ...]:
        """Return lines and reactions, the newest first; within one second what was done stands below what followed."""
        lines = [*self._told, *list(self._reactions)]
        lines.sort(key=lambda line: (line.at, line.ours, line.number), reverse=True)
        return tuple(lines[:KEPT])

    # --- what is done here, and what the head-end makes of it ------------------------------------------------------

    def touched(self, where: str) -> None:
        """Note that something is done to a unit or a feeder now: reactions are timed from here."""
        now = time.monotonic()
        for unit in self.seen.units:
            if where in (unit.name, unit.feeder):
                self._begun[unit.name] = now

    def changed(self) -> None:
        """Note that what was seen is not so any more: who asks next is not served with it."""
        self._at = float("-inf")

    def told(self, kind: str, content: dict[str, Any]) -> None:
        """Hear what the head-end tells of."""
        name = self._names.get(content.get("device", 0))
        if name is None:
            return
        if kind == "command":
            self._command(name, content)
        elif kind in ("event", "alarm"):
            words = str(content["kind" if kind == "alarm" else "words"])
            named = "heard" if kind == "event" else "fraud" if content.get("fraud") else "alarm"
            last = next((item for item in reversed(self._reactions) if item.unit == name), None)
            took = self._took(name)
            if kind == "alarm" and last is not None and (last.kind, last.words) == ("heard", words):
                # The event that opened the alarm was told first: it is one line.
                self._reactions.remove(last)
                took = last.took
            link = f"/alarms?fraud={int(named == 'fraud')}" if kind == "alarm" else None
            self._react(StoryLine(int(self._clock()), name, named, words, took, link))

    def _command(self, name: str, content: dict[str, Any]) -> None:
        identity, state, now = str(content["id"]), str(content["state"]), time.monotonic()
        begun = self._commands.setdefault(identity, now)
        if len(self._commands) > KEPT:
            self._commands.pop(next(iter(self._commands)))
        if state in _OVER:
            took = now - begun if now > begun else None
            words = f"{content['kind']}: {state}"
            self._react(StoryLine(int(self._clock()), name, "command", words, took, "/commands?state=all"))
        else:
            # What follows at the meter follows this command.
            self._begun[name] = now

    def _took(self, name: str) -> float | None:
        begun = self._begun.get(name)
        took = None if begun is None else time.monotonic() - begun
        return took if took is not None and took <= TOOK_AT_MOST else None

    def _react(self, line: StoryLine) -> None:
        last = self._reactions[-1].number if self._reactions else 0
        # It cannot have been before what it follows, whatever the clocks say of the second.
        newest = max((item.at for item in self._told if item.unit == line.unit), default=0)
        self._reactions.append(replace(line, at=max(line.at, newest), number=last + 1))
        self.changed()


_OVER: Final = frozenset({"done", "failed", "uncertain", "cancelled"})


def _units(documents: list[Mapping[str, Any]]) -> tuple[PlayUnit, ...]:
    return tuple(
        PlayUnit(
            number,
            str(item["name"]),
            str(item["kind"]),
            str(item["model"]),
            str(item["segment"]),
            str(item["place"]),
            None if item["parent"] is None else str(item["parent"]),
            None if item["channel"] is None else int(item["channel"]),
            None if item["feeder"] is None else str(item["feeder"]),
            tuple(shown(tag, 30) for tag in item["tags"]),
        )
        for number, item in enumerate(documents)
    )
