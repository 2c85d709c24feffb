"""The neighbourhood itself: sites that live by one time, incidents, what is done to devices, and the story of it."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from cosem.classes.c040_push_setup import TransportService
from cosem.device.causes import Cause, Happening
from cosem.device.way_out import Delivery, Network
from cosem.errors import ConfigError, CosemError
from cosem.simulator.neighbourhood.incidents import CUT, HEAR, MEND, SILENCE, Chance, Incident, last_night
from cosem.simulator.neighbourhood.layout import NeighbourhoodSettings, laid_out
from cosem.simulator.neighbourhood.sites import GASES, LineSite, Site, StationSite, sites_of
from cosem.simulator.neighbourhood.unit import CONTROL, MeterUnit, Unit, UtilityUnit

DAY: Final = 86_400
STEP: Final = 900
"""Virtual seconds that everybody lives at a stretch."""
READING_STEP: Final = 60
LINES: Final = 2_000
"""Lines of the story that are kept."""
GAS: Final = "gas"
"""What is done to the gas station besides what is done to its converter: another gas comes through the pipe."""
_DULL: Final = frozenset(
    {
        Cause.CLOCK_ADJUSTED_FROM,
        Cause.CLOCK_ADJUSTED_TO,
        Cause.BILLING_RESET,
        Cause.PARAMETER_CHANGED,
        Cause.LOCAL_COMMUNICATION,
        Cause.PUSH_FAILED,
    }
)
"""What is no part of a story: it happens all the time."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the story. `kind` is done, answer, happened, switch or push; `unit` names a unit or a feeder."""

    number: int
    at: int
    unit: str
    kind: str
    words: str

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {"number": self.number, "at": self.at, "unit": self.unit, "kind": self.kind, "words": self.words}


class Neighbourhood:
    """Everything of it by name: `units`; `sites` are what is served. The same arguments give the same neighbourhood.

    It has lived up to `end` (UTC seconds) when it is built. With `chance`, incidents go on afterwards.
    `built` is told how many of the steps of building are done, and of how many.
    """

    def __init__(
        self,
        settings: NeighbourhoodSettings,
        end: int,
        *,
        chance: bool = True,
        built: Callable[[int, int], object] = lambda done, of: None,
    ) -> None:
        self.settings = settings
        self.layout = laid_out(settings)
        start = end - int(settings.days * DAY)
        hours = max(1, (end - start) // 3600)
        done, of = 0, settings.meters + 8 * hours

        def told(steps: int = 1) -> None:
            nonlocal done
            done += steps
            built(done, of)

        self.sites: tuple[Site, ...] = tuple(sites_of(self.layout, start, told))
        self.line = next(site for site in self.sites if isinstance(site, LineSite))
        self.station = next(site for site in self.sites if isinstance(site, StationSite))
        self.units = {unit.name: unit for site in self.sites for unit in site.units}
        self.feeders = tuple(dict.fromkeys(home.feeder for home in self.layout.homes))
        self.story: deque[Line] = deque(maxlen=LINES)
        self.told: list[Callable[[Line], None]] = []
        self._number = 0
        self._switches: dict[str, str] = {}
        self._now = start
        self._waiting: list[tuple[int, int, Incident]] = []
        for incident in last_night(self.layout, end):
            self._plan(incident)
        self._chance: Iterator[tuple[Incident, Incident]] | None = None
        for unit in self.units.values():
            self._listen(unit)
        self.line.begin()
        for hour in range(1, hours + 1):
            self.advance(min(end, start + hour * 3600))
            told(8)
        self.advance(end)
        if chance:
            self._chance = iter(Chance(self.layout, end))
            self._draw()

    # --- time -----------------------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """The moment, UTC seconds."""
        return self._now

    @property
    def stretch(self) -> int:
        """Virtual seconds after which others should be heard: a concentrator that reads its meters keeps one busy."""
        return READING_STEP if self.line.reading else STEP

    def advance(self, until: int) -> None:
        """Let everybody live up to `until`, with what happens on the way."""
        while True:
            due = self._waiting[0][0] if self._waiting else until + 1
            step = max(self._now, min(until, due, self._now + STEP))
            for site in self.sites:
                site.advance(step)
            self._now = step
            while self._waiting and self._waiting[0][0] <= step:
                self._happen(heapq.heappop(self._waiting)[2])
            if step >= until:
                break
        self._look()

    def _plan(self, incident: Incident) -> None:
        self._number += 1
        heapq.heappush(self._waiting, (incident.at, self._number, incident))

    def _draw(self) -> None:
        if self._chance is not None:
            for incident in next(self._chance):
                self._plan(incident)

    def _happen(self, incident: Incident) -> None:
        with suppress(CosemError):
            self._told_and_done(incident.where, incident.words, incident.given)
        # One of each pair is behind the last one that was drawn: the stream goes on by its beginnings.
        if self._chance is not None and incident.words in _BEGINNINGS:
            self._draw()

    # --- what is done ---------------------------------------------------------------------------------------

    def act(self, where: str, words: str, given: Mapping[str, Any] | None = None) -> str:
        """Do something to a unit or a feeder now; return what came of it, in words.

        Units take what `Unit.inputs` names, silence and hear; feeders cut and mend; the gas station another gas
        (``gas`` with ``kind`` high, low or hydrogen). Raises `ConfigError` for what cannot be done.
        """
        actions = self.actions(where)
        if words not in actions:
            raise ConfigError(f"{words[:100]!r} cannot be done to {where}; there is: {', '.join(actions)}")
        self._leave(where)
        said = self._told_and_done(where, words, given or {})
        # What follows within this second follows now.
        self.advance(self._now)
        return said

    def _leave(self, where: str) -> None:
        """Let nothing that began by chance end by itself where somebody has a hand in."""
        self._waiting = [item for item in self._waiting if item[2].where != where or item[2].words in _BEGINNINGS]
        heapq.heapify(self._waiting)

    def _told_and_done(self, where: str, words: str, given: Mapping[str, Any]) -> str:
        """Do something, which the story tells before what follows from it."""
        self._tell(where, "done", words)
        try:
            said = self._do(where, words, given)
        except CosemError as error:
            self._tell(where, "answer", str(error)[:200])
            raise
        if said:
            self._tell(where, "answer", said)
        return said

    def actions(self, where: str) -> tuple[str, ...]:
        """Return what can be done to a unit or a feeder. Raises `ConfigError` for one there is not."""
        if where in self.feeders:
            return (CUT, MEND)
        unit = self.unit(where)
        more = (GAS,) if unit is self.station.unit else ()
        return (*unit.inputs, SILENCE, HEAR, *more)

    def unit(self, name: str) -> Unit:
        """Return a unit. Raises `ConfigError` for one there is not."""
        unit = self.units.get(name)
        if unit is None:
            raise ConfigError(f"there is no {name!r} in this neighbourhood")
        return unit

    def _do(self, where: str, words: str, given: Mapping[str, Any]) -> str:
        if where in self.feeders:
            return self._feeder(where, words)
        unit = self.unit(where)
        if words in (SILENCE, HEAR):
            unit.silence(words == SILENCE)
            return ""
        if words == GAS and unit is self.station.unit:
            kind = given.get("kind")
            self.station.flow(kind if isinstance(kind, str) else "")
            return f"{kind} gas"
        return unit.act(words, given)

    def _feeder(self, name: str, words: str) -> str:
        if words not in (CUT, MEND):
            raise ConfigError(f"a feeder is cut and mended, not {words!r}")
        units = [unit for unit in self.units.values() if isinstance(unit, MeterUnit) and unit.feeder == name]
        for unit in units:
            unit.act("power cut" if words == CUT else "power return", {})
        return f"{len(units)} meters"

    # --- what is told ---------------------------------------------------------------------------------------

    def _tell(self, unit: str, kind: str, words: str) -> None:
        self._number += 1
        line = Line(self._number, self._now, unit, kind, words)
        self.story.append(line)
        for listener in self.told:
            listener(line)

    def _listen(self, unit: Unit) -> None:
        if unit.host is None:
            return

        def happened(happening: Happening) -> None:
            if happening.cause in _DULL:
                return
            details = happening.details
            which = ", ".join(f"{name} {details[name]}" for name in ("phase", "channel") if name in details)
            self._tell(unit.name, "happened", happening.cause.value + (f" ({which})" if which else ""))

        unit.host.causes.listeners.append(happened)

    def _look(self) -> None:
        for unit in self.units.values():
            if isinstance(unit, MeterUnit):
                state = CONTROL[unit.meter.disconnector.state]
            elif isinstance(unit, UtilityUnit) and unit.meter.settings.valve:
                state = str(unit.meter.valve)
            else:
                continue
            before = self._switches.setdefault(unit.name, state)
            if state != before:
                self._switches[unit.name] = state
                self._tell(unit.name, "switch", f"{before} -> {state}")

    def push_to(self, destination: bytes, network: Callable[[], Network]) -> None:
        """Let everybody who pushes push to HOST:PORT by TCP from now on; `network` gives each a network of its own."""
        for unit in self.units.values():
            pushes = unit.pushes
            if pushes is None:
                continue
            pushes.send_to(TransportService.TCP, destination)
            pushes.network = self._telling(unit, network())

    def _telling(self, unit: Unit, network: Network) -> Network:
        def carry(delivery: Delivery) -> None:
            if not delivery.setup.startswith("interval"):
                self._tell(unit.name, "push", f"pushes {delivery.setup}, {len(delivery.octets)} octets")
            network(delivery)

        return carry


_BEGINNINGS: Final = frozenset({"terminal cover opened", "magnet", CUT, "phase missing", SILENCE, "sensor fails"})
"""How incidents by chance begin."""
__all__ = ["GASES", "Line", "Neighbourhood"]
