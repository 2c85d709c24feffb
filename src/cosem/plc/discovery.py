"""How an initiator asks who is there: rounds of Discover whose probability, windows and credit follow what came back.

A round has windows; who answers chooses one, and two in one window are lost unless one is much louder. Most come
through where about as many answer as there are windows (about 37 of 100 then), so probability and windows are set to
the number of stations that are believed to be without an address. Few reports may mean that few are there, or so many
that not even a preamble was told from the others: lower and lower probabilities tell the two apart, and all are asked
only when these stayed silent. One credit is asked for after the other, because near stations need no repetitions and
repeat for the others once they are there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from cosem.errors import ConfigError
from cosem.plc.mac_frame import MAX_CREDIT

COLLIDED: Final = 2.39
"""Stations in a window in which reports were lost, at the load that is aimed at (Schoute's estimate for slotted
ALOHA)."""
POOR: Final = 8
"""A round is poor in which fewer than one of so many windows brought a report: a good one has three times as many."""
CLIMB: Final = 4
"""By how much more stations are believed in behind a poor round."""
MOST_BARREN: Final = 12
"""Rounds with one credit in which nobody could be registered until the next credit has its turn, whatever is heard:
noise, and systems that nothing can be done about, must not keep a discovery from its end."""
LEAST_PROBABILITY: Final = 2
"""Percent below which nothing more is expected: a thousand stations answer in two or three windows then."""


@dataclass(frozen=True, slots=True)
class DiscoverySettings:
    """Windows of a round: how many at the least, where nothing is known yet, and at the most. `settle_s`: seconds
    without a new station until a discovery is over, longer than a search for an initiator. `max_credit`: how far it
    goes.

    None of these numbers is in a public source; a round of 48 windows without repetitions takes 14 s at 2400 bit/s.
    """

    least_windows: int = 4
    first_windows: int = 8
    most_windows: int = 48
    settle_s: int = 120
    max_credit: int = MAX_CREDIT

    def __post_init__(self) -> None:
        if not 1 <= self.least_windows <= self.first_windows <= self.most_windows:
            raise ConfigError("the windows of a round: 1, and from the least over the first to the most")
        if self.settle_s < 0 or not 0 <= self.max_credit <= MAX_CREDIT:
            raise ConfigError(f"settle_s from 0, max_credit 0 to {MAX_CREDIT}")


class Round(NamedTuple):
    """One Discover: `probability` in percent, windows, and the credit of the question and of its answers."""

    probability: int
    windows: int
    credit: int


class Discovery:
    """One discovery, round by round: `plan` the next one, `learn` what came of it, until it is `over`.

    `waiting` is how many are believed to be without an address and within reach of the present credit.
    """

    def __init__(self, settings: DiscoverySettings, settle: int, now: int) -> None:
        self.settings = settings
        self.rounds = 0
        self.found = 0
        self.over = False
        self._settle = settle
        self._last_new = now
        self._credit = 0
        self._begin()

    def _begin(self) -> None:
        self.waiting: float = CLIMB * self.settings.first_windows
        self._all = self._sure = False
        self._barren = 0

    def plan(self) -> Round:
        """Return what to ask next."""
        settings = self.settings
        if self._all:
            return Round(100, settings.least_windows, self._credit)
        windows = min(max(round(self.waiting), settings.first_windows), settings.most_windows)
        if not self._sure:
            # Few windows tell as well that nobody is there.
            windows = settings.first_windows
        probability = round(100 * windows / max(self.waiting, windows))
        return Round(max(LEAST_PROBABILITY, probability), windows, self._credit)

    def learn(self, asked: Round, reports: int, spoilt: int, new: int, now: int) -> None:
        """Take what came of a round.

        `reports` of systems that can be registered, frames that were `spoilt`, and systems that are `new`.
        """
        self.rounds += 1
        self.found += new
        if new:
            self._last_new = now
        self._barren = 0 if reports else self._barren + 1
        if self._barren >= MOST_BARREN:
            self._further(now)
            return
        # All repetitions of a spoilt report may have been counted.
        lost = spoilt / (asked.credit + 1)
        estimate = max((reports + COLLIDED * lost) * 100 / asked.probability - reports, 0.0)
        if self._all:
            if not reports and not lost:
                self._further(now)
            elif estimate > asked.windows:
                self.waiting, self._all, self._sure = estimate, False, True
        elif reports * POOR < asked.windows:
            self._sure = False
            if asked.probability <= LEAST_PROBABILITY:
                self._all = True
            else:
                self.waiting = max(CLIMB * asked.windows * 100 / asked.probability, estimate)
        else:
            # What collided unheard is in no estimate, so that the belief falls by half at the most.
            self.waiting = max(estimate, (self.waiting - reports) / 2)
            self._all, self._sure = self.waiting < self.settings.least_windows, True

    def _further(self, now: int) -> None:
        """Go on to those who are further away, and from the furthest to the nearest until nobody new was found for long
        enough."""
        self._begin()
        if self._credit < self.settings.max_credit:
            self._credit += 1
        elif now - self._last_new >= self._settle:
            self.over = True
        else:
            self._credit = 0
