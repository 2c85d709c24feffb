"""Energy once more from the rows of an archive, by who did not count it: exact where no row is missing.

A row stands at the end of each hour and wherever a gas quality or an alarm begins or ends, so between two rows one
calorific value holds. What a counter of energy has below one unit is carried on as the device carries it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from cosem.errors import GasError
from cosem.gas.counters import MICRO

UNKNOWN_CARRY: Final = 1
"""Units (1e-6 kWh) by which a recomputation can differ where it does not begin with the device's first row."""


class EnergyRow(NamedTuple):
    """Of one row: counters in 1e-6 m³ and 1e-6 kWh, the calorific value (1e-6 kWh/m³) of the time before the row.

    `doubted`: no valid gas quality held in that time, so all energy counts as disturbed.
    """

    base_undisturbed: int
    base_disturbed: int
    energy_undisturbed: int
    energy_disturbed: int
    calorific: int
    doubted: bool = False


class Recomputed(NamedTuple):
    """What came out, in 1e-6 kWh since the first row, and how far the device's own counters are away from it."""

    undisturbed: int
    disturbed: int
    difference_undisturbed: int
    difference_disturbed: int

    @property
    def equal(self) -> bool:
        """Whether both counters agree to the last digit."""
        return not self.difference_undisturbed and not self.difference_disturbed


def recompute_energy(rows: Iterable[EnergyRow]) -> Recomputed:
    """Return the energy between the first and the last row; GasError where a counter goes back.

    From the first row that a device ever wrote the result is exact, from a later one within `UNKNOWN_CARRY` of each.
    """
    first = before = None
    exact = [0, 0]
    for row in rows:
        if first is None or before is None:
            first = before = row
            continue
        undisturbed = row.base_undisturbed - before.base_undisturbed
        disturbed = row.base_disturbed - before.base_disturbed
        if undisturbed < 0 or disturbed < 0:
            raise GasError("a counter of the archive goes back: rows of two lives, or in a wrong order")
        if row.doubted:
            undisturbed, disturbed = 0, undisturbed + disturbed
        exact[0] += undisturbed * row.calorific
        exact[1] += disturbed * row.calorific
        before = row
    if first is None or before is None:
        raise GasError("an archive without rows has no energy")
    found = exact[0] // MICRO, exact[1] // MICRO
    return Recomputed(
        *found,
        before.energy_undisturbed - first.energy_undisturbed - found[0],
        before.energy_disturbed - first.energy_disturbed - found[1],
    )
