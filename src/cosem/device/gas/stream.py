"""What gas there is in a pipe: compositions over time, the same for the same seed. The truth a chromatograph sees."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Protocol

from cosem.device.gas.analysis import METHANE
from cosem.device.load import noise

STEP: Final = 300
_HUNDRED: Final = Decimal(100)
H_GAS: Final = {60: 0.3, 66: 0.6, 69: 1.8, 71: 0.45, 72: 0.1, 73: 0.1, 75: 0.05, 76: 0.03, 77: 0.05}
"""A gas of the high group by item, in mol%; methane is the rest."""
L_GAS: Final = {60: 10.1, 66: 1.0, 69: 3.3, 71: 0.6, 72: 0.1, 73: 0.1, 75: 0.02, 76: 0.02, 77: 0.03}
"""One of the low group."""


class Stream(Protocol):
    """Where gas comes from."""

    def at(self, now: int) -> dict[int, Decimal]:
        """Return the shares by item in mol% (four decimals) at a moment of the simulation; they add up to 100."""


@dataclass(frozen=True, slots=True)
class Blend:
    """A gas whose shares wander a little, and which is another one from given moments on, in order of time.

    `hydrogen` in mol% is blended in at all times.
    """

    seed: int = 1
    gas: dict[int, float] = field(default_factory=lambda: dict(H_GAS))
    changes: tuple[tuple[int, dict[int, float]], ...] = ()
    hydrogen: float = 0.0

    def at(self, now: int) -> dict[int, Decimal]:
        """Return the shares of a moment."""
        gas = self.gas
        for moment, other in self.changes:
            if moment <= now:
                gas = other
        shares = dict(gas) | ({61: self.hydrogen} if self.hydrogen else {})
        step = now // STEP
        found = {
            item: Decimal(share * (0.97 + 0.06 * noise(self.seed, step // 12, item))).quantize(Decimal("0.0001"))
            for item, share in shares.items()
        }
        return found | {METHANE: _HUNDRED - sum(found.values())}
