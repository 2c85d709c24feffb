"""How an initiator asks who is there: rounds of Discover whose probability, windows and credit follow what came back.

A round has windows; who answers chooses one, and two in one window are lost unless one is much louder. Most come through
where about as many answer as there are windows (about 37 of 100 then). So the number of those who have no address yet is
estimated from what was heard and what was spoilt, and probability and windows are set to it. Silence may mean that
nobody is there or that so many answered that not even one preamble was told from the others: lower and lower
probabilities tell the two apart. One credit is asked for after the other, because near stations need no repetitions and
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
LADDER: Final = (100, 25, 6, 2)
"""Probabilities in percent that have to stay silent one after the other until nobody is believed to be there."""


@dataclass(frozen=True, slots=True)
class DiscoverySettings:
    """Windows of a round: how many at the least, where nothing is known yet, and at the most. `settle_s`: seconds without
    a new station until a discovery is over, longer than a search for an initiator. `max_credit`: how far it goes.

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
    """One discovery, round by round: `plan` the next one, `learn` what came of it, until it is `over`."""

    def __init__(self, settings: DiscoverySettings, settle: int, now: int) -> None:
        self.settings = settings
        self.rounds = 0
        self.found = 0
        self.over = False
        self._settle = settle
        self._last_new = now
        self._credit = 0
        self._rung = 0
        self._waiting: float | None = None
        """Those who have no address yet and can be reached with the present credit; None for "nothing known"."""

    def plan(self) -> Round:
        """Return what to ask next."""
        settings = self.settings
        if self._waiting is None:
            windows = settings.first_windows if self._rung else settings.least_windows
            return Round(LADDER[self._rung], windows, self._credit)
        windows = min(max(round(self._waiting), settings.least_windows), settings.most_windows)
        return Round(max(1, min(100, round(100 * windows / max(self._waiting, 1)))), windows, self._credit)

    def learn(self, asked: Round, reports: int, spoilt: int, new: int, now: int) -> None:
        """Take what came of a round: reports heard, frames that were spoilt, and systems that were not known before."""
        self.rounds += 1
        self.found += new
        if new:
            self._last_new = now
        # All repetitions of a spoilt report may have been counted.
        lost = spoilt / (asked.credit + 1)
        if not reports and not lost:
            if self._waiting is None:
                self._rung += 1
            self._waiting = None
            if self._rung == len(LADDER):
                self._further(now)
            return
        self._rung = 0
        estimate = (reports + COLLIDED * lost) * 100 / asked.probability
        self._waiting = max(estimate - reports, 1.0)
        if not reports and asked.windows >= self.settings.most_windows:
            # All were lost: there are many more than can be told apart.
            self._waiting = max(self._waiting, 2 * asked.windows * 100 / asked.probability)

    def _further(self, now: int) -> None:
        """Go on to those who are further away, and from the furthest to the nearest until nobody new was found for long
        enough."""
        self._rung, self._waiting = 0, None
        if self._credit < self.settings.max_credit:
            self._credit += 1
        elif now - self._last_new >= self._settle:
            self.over = True
        else:
            self._credit = 0
