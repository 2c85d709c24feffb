"""The quality of an interval value: an octet of flags beside each."""

from __future__ import annotations

from enum import IntFlag


class Quality(IntFlag):
    """What is known against a value, by the meter's status of its row and by validation here. 0 is a good one.

    The first five are what the meter said, the others what was found.
    """

    GOOD = 0
    POWER_DOWN = 0x01
    CLOCK_ADJUSTED = 0x02
    CLOCK_INVALID = 0x04
    INVALID = 0x08
    MISSING = 0x10
    SUSPECT = 0x20
    """Out of the ordinary: a spike, a negative step, zeros for too long, no sum of its register."""
    SHIFTED = 0x40
    ESTIMATED = 0x80
    """There is an estimate beside it."""


UNUSABLE = Quality.INVALID | Quality.CLOCK_INVALID | Quality.MISSING | Quality.SHIFTED
"""What makes a value useless as it is: an estimate is wanted."""
