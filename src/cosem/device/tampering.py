"""Tampering: what somebody does to a meter, as inputs of the simulation, and what the meter counts of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cosem.companions.companion import Companion, TamperPlace
from cosem.device.causes import ENDED_BY, Cause, Happening
from cosem.device.host import Host
from cosem.device.metering import Metering
from cosem.device.shown import show_moment, show_number
from cosem.obis import Obis
from cosem.units import Unit

FIELD_SECONDS = 30
"""How long a magnetic field must last before it is one; meters in the field have this number."""

COVERS: Final = {
    "terminal": (Cause.TERMINAL_COVER_OPENED, Cause.TERMINAL_COVER_CLOSED),
    "meter": (Cause.METER_COVER_OPENED, Cause.METER_COVER_CLOSED),
}


class Tampering:
    """The inputs. Covers are watched also without power; what happened then is noted when power returns, with its time.

    Everything else is seen while the meter is alive. Setting the clock back, wrong passwords and keys and replays need
    no input: they are done to the meter as a client does them.
    """

    def __init__(self, host: Host, metering: Metering, *, field_seconds: int = FIELD_SECONDS) -> None:
        self._host = host
        self._metering = metering
        self._field_seconds = field_seconds
        self._open = dict.fromkeys(COVERS, False)
        self._unpowered: list[tuple[Cause, int]] = []
        self._field_since: int | None = None
        self._field_noted = False
        self._lasting: set[Cause | tuple[Cause, int]] = set()
        host.causes.listeners.append(self._happened)
        host.schedule(self)

    @property
    def opened(self) -> tuple[str, ...]:
        """The covers that are open now."""
        return tuple(cover for cover, is_open in self._open.items() if is_open)

    @property
    def magnetised(self) -> bool:
        """Whether a magnet is at the meter now."""
        return self._field_since is not None

    # --- inputs --------------------------------------------------------------------------------------------

    def terminal_cover(self, opened: bool) -> None:
        """Open or close the terminal cover."""
        self._cover("terminal", opened)

    def meter_cover(self, opened: bool) -> None:
        """Open or close the cover of the meter itself."""
        self._cover("meter", opened)

    def magnet(self, present: bool) -> None:
        """Bring a strong magnet to the meter, or take it away. It is noted once it was there long enough."""
        if present and self._field_since is None:
            self._field_since = self._host.now
        elif not present:
            self._field_since = None
            if self._field_noted:
                self._field_noted = False
                self._host.note(Cause.STRONG_FIELD_GONE)

    def neutral(self, missing: bool) -> None:
        """Take the neutral away, or give it back."""
        self._edge(missing, Cause.NEUTRAL_MISSING, Cause.NEUTRAL_PRESENT)

    def phase_sequence(self, reversed_: bool) -> None:
        """Exchange two phases, or put them right."""
        self._edge(reversed_, Cause.PHASE_SEQUENCE_REVERSED, Cause.PHASE_SEQUENCE_RIGHT)

    def current_reversal(self, reversed_: bool) -> None:
        """Let the current flow backwards through a phase that nobody generates on, or forwards again."""
        self._edge(reversed_, Cause.CURRENT_REVERSAL, Cause.CURRENT_REVERSAL_GONE)

    def current_bypass(self, phase: int, bypassed: bool) -> None:
        """Lead the current of a phase (1 to 3) around the meter, which then measures nothing of it, or through it."""
        self._metering.measure((phase - 1,), not bypassed, "bypass")
        self._edge(bypassed, Cause.CURRENT_BYPASS, Cause.CURRENT_BYPASS_GONE, phase=phase)

    def _cover(self, which: str, opened: bool) -> None:
        if self._open[which] == opened:
            return
        self._open[which] = opened
        cause = COVERS[which][0 if opened else 1]
        if self._host.device.schedule.powered:
            self._host.note(cause)
        else:
            self._unpowered.append((cause, self._host.clock.now))

    def _edge(self, begins: bool, begun: Cause, over: Cause, **which: int) -> None:
        key = (begun, which["phase"]) if which else begun
        if begins == (key in self._lasting):
            return
        (self._lasting.add if begins else self._lasting.discard)(key)
        self._host.note(begun if begins else over, **which)

    # --- time ----------------------------------------------------------------------------------------------

    def next_time(self) -> int | None:
        """Return when the field has lasted long enough."""
        if self._field_since is None or self._field_noted:
            return None
        return self._field_since + self._field_seconds

    def act(self, now: int) -> None:
        """Note the field."""
        self._field_noted = True
        self._host.note(Cause.STRONG_FIELD)

    def _happened(self, happening: Happening) -> None:
        if happening.cause is not Cause.POWER_UP:
            return
        waiting, self._unpowered = self._unpowered, []
        for cause, at in waiting:
            self._host.causes.note(cause, at=at)
        if self._field_since is not None:
            # The sensor needs power: it has seen nothing of the field yet.
            self._field_since = self._host.now


@dataclass(slots=True)
class TamperRecord:
    """What the meter keeps of one cause. Times are UTC seconds by its clock; `since` while it lasts."""

    count: int = 0
    first: int | None = None
    since: int | None = None
    last: int | None = None
    last_duration: int = 0


class TamperRecords:
    """Counters and times of every cause the companion profile has a place for, 0-0:96.20.e."""

    def __init__(self, host: Host, companion: Companion) -> None:
        self._host = host
        self.records: dict[Cause, TamperRecord] = {}
        for place in companion.tampering:
            record = self.records[Cause[place.cause]] = TamperRecord()
            self._show(place, record)
        self._over = {cause: begun for begun, over in ENDED_BY.items() if begun in self.records for cause in over}
        host.causes.listeners.append(self._happened)

    def _running(self, record: TamperRecord) -> int:
        return 0 if record.since is None else max(0, self._host.clock.now - record.since)

    def _show(self, place: TamperPlace, record: TamperRecord) -> None:
        host, first = self._host, place.first
        show_number(host, _name(first), Unit.COUNT, lambda: record.count)
        show_moment(host, _name(first + 1), lambda: record.since)
        show_number(host, _name(first + 2), Unit.SECOND, lambda: self._running(record))
        show_moment(host, _name(first + 3), lambda: record.last)
        show_number(host, _name(first + 4), Unit.SECOND, lambda: record.last_duration)
        show_moment(host, _name(place.begun), lambda: record.first)

    def _happened(self, happening: Happening) -> None:
        record = self.records.get(happening.cause)
        if record is not None and record.since is None:
            record.count += 1
            record.first = happening.at if record.first is None else record.first
            if happening.cause in ENDED_BY:
                record.since = happening.at
            else:
                record.last = happening.at
        over = self._over.get(happening.cause)
        if over is not None:
            self._end(self.records[over], happening.at)

    def _end(self, record: TamperRecord, at: int) -> None:
        if record.since is None:
            return
        record.last, record.last_duration, record.since = record.since, max(0, at - record.since), None


def _name(number: int) -> Obis:
    return Obis(bytes((0, 0, 96, 20, number, 255)))
