"""The phase of a station against that of its initiator, in sixths of a cycle."""

from __future__ import annotations

from typing import Final

from cosem.classes.c050_sfsk_phy_mac_setup import DeltaElectricalPhase

_BY_SIXTHS: Final = (
    DeltaElectricalPhase.SAME_PHASE,
    DeltaElectricalPhase.PLUS_60_DEGREES,
    DeltaElectricalPhase.PLUS_120_DEGREES,
    DeltaElectricalPhase.OPPOSITE_180_DEGREES,
    DeltaElectricalPhase.MINUS_120_DEGREES,
    DeltaElectricalPhase.MINUS_60_DEGREES,
)


def electrical_delta(initiator: int, station: int, *, reversed_wiring: bool = False) -> DeltaElectricalPhase:
    """Return the phase of `station` against that of `initiator` (1 to 3 for L1 to L3, 0 where it is not known).

    A slot begins on a zero crossing of the initiator's phase; the station counts sixths of a cycle to its own.
    """
    if not (1 <= initiator <= 3 and 1 <= station <= 3):
        return DeltaElectricalPhase.NOT_DEFINED
    sixths = 2 * (station - initiator) + (3 if reversed_wiring else 0)
    return _BY_SIXTHS[sixths % 6]
