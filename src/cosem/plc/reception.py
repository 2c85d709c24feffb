"""How well something was heard: levels of both tones, how they were decided on, and how often that goes wrong.

Levels are dBµV. The modulation has two tones so far apart that what jams one spares the other: 0 is space, 1 is mark.
"""

from __future__ import annotations

from enum import IntEnum
from math import exp, log10
from typing import Final, NamedTuple

from cosem.plc.phy import P_SDU

USABLE: Final = 6.0
"""dB that a tone has to stand above its noise for a receiver to count on it (our choice; chips keep theirs to
themselves)."""
UNEVEN: Final = 6.0
"""dB between the tones from which on a receiver weighs them (FSK0, FSK1)."""
GAIN_STEP: Final = 6
"""dB of a step of the receiver's gain, 0 to 7 steps."""
GAIN_TARGET: Final = 96.0
"""dBµV to which the gain lifts a signal (our choice)."""
_MAX_GAIN: Final = 7
P_SDU_BITS: Final = 8 * P_SDU


class Method(IntEnum):
    """How a receiver decided between 0 and 1 (numbers as the modems tell them)."""

    NONE = 0
    ASK0 = 1
    ASK1 = 2
    FSK = 3
    FSK0 = 4
    FSK1 = 5


class Reception(NamedTuple):
    """What a modem tells of what it received: signal and noise of space (0) and mark (1), method, steps of gain."""

    s0: float
    n0: float
    s1: float
    n1: float
    method: Method = Method.FSK
    gain: int = 0

    @property
    def level(self) -> float:
        """The stronger tone: what a search for an initiator and a repeater call compare."""
        return max(self.s0, self.s1)


def received(s0: float, n0: float, s1: float, n1: float) -> Reception:
    """Return the figures of a reception, with the method and the gain that a receiver takes for these levels."""
    gain = min(max(int((GAIN_TARGET - max(s0, s1)) // GAIN_STEP), 0), _MAX_GAIN)
    return Reception(s0, n0, s1, n1, _method(s0, n0, s1, n1), gain)


def _method(s0: float, n0: float, s1: float, n1: float) -> Method:
    space, mark = s0 - n0 >= USABLE, s1 - n1 >= USABLE
    if space and mark:
        if abs(s0 - s1) < UNEVEN:
            return Method.FSK
        return Method.FSK0 if s0 > s1 else Method.FSK1
    if space:
        return Method.ASK0
    return Method.ASK1 if mark else Method.NONE


def bit_error(ratio0: float, ratio1: float) -> float:
    """Return how probable the error of one bit is, from the ratios of signal and noise power of both tones.

    Detection without phase: half of exp(-r/2) for two tones of the same ratio, half of exp(-r/4) where one is left.
    """
    least = 10 ** (USABLE / 10)
    if ratio0 >= least and ratio1 >= least:
        return 0.5 * exp(-min(ratio0 + ratio1, 2000.0) / 4)
    best = max(ratio0, ratio1)
    if best >= least:
        return 0.5 * exp(-min(best, 2000.0) / 4)
    return 0.5


def subframe_ok(ratio0: float, ratio1: float) -> float:
    """Return how probable it is that all bits of one P_sdu are right."""
    error: float = 1 - bit_error(ratio0, ratio1)
    return error**P_SDU_BITS


def decibels(power: float) -> float:
    """Return a power (1 for 1 µV) as dBµV."""
    return 10 * log10(power) if power > 0 else -100.0


def power(level: float) -> float:
    """Return a level in dBµV as a power (1 for 1 µV)."""
    value: float = 10 ** (level / 10)
    return value
