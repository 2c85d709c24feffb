"""The physical layer as a calendar of slots (IEC 61334-5-1, 3): rates locked to the mains, slots, the pause.

Time is counted in slots of 360 bits; seconds come last, because the bit follows the mains as it is at the moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Final

from cosem.codec.primitive import in_octets
from cosem.errors import ConfigError, DecodeError
from cosem.plc.mac_frame import SUBFRAME, subframes_for

SLOT: Final = 45
"""Octets of a slot: preamble 2, delimiter 2, P_sdu 38, pause 3."""
SLOT_BITS: Final = 8 * SLOT
PREAMBLE: Final = b"\xaa\xaa"
DELIMITER: Final = b"\x54\xc7"
PAUSE: Final = bytes(3)
P_SDU: Final = 38
FRAME_INDICATOR: Final = b"\xff\xff"
"""What stands before the subframe in a P_sdu. That it is two octets follows from the limits of M_sdu; its value was
found in no public source, so FFFF only holds the place and everything that needs it takes it as an argument."""
ALARM_PATTERN: Final = b"\xa5\x5a\xa5"
"""What a station sends in the pause to tell an alarm. The value was found in no public source: it is ours, and may be
set."""
MAX_ALARM_REPETITIONS: Final = 15
"""Four bits; 0 switches alarms off."""

_HALF_CYCLE_BITS: Final = (3, 6, 12, 24, 48)
_HEAD: Final = PREAMBLE + DELIMITER


@dataclass(frozen=True, slots=True)
class Rate:
    """Bits in half a cycle (3, 6, 12, 24 or 48) of mains of 50 or 60 Hz."""

    half_cycle_bits: int = 24
    mains: int = 50

    def __post_init__(self) -> None:
        if self.half_cycle_bits not in _HALF_CYCLE_BITS:
            raise ConfigError(f"{self.half_cycle_bits} bits in half a cycle: {', '.join(map(str, _HALF_CYCLE_BITS))}")
        if self.mains not in (50, 60):
            raise ConfigError(f"mains of {self.mains} Hz: 50 or 60")

    @classmethod
    def of_speed(cls, code: int, mains: int = 50) -> Rate:
        """Return the rate of a `transmission_speed` of class 50. That 0 to 4 stand for 300 to 4800 bit/s is deduced."""
        if not 0 <= code < len(_HALF_CYCLE_BITS):
            raise ConfigError(f"transmission speed {code}: 0 to {len(_HALF_CYCLE_BITS) - 1}")
        return cls(_HALF_CYCLE_BITS[code], mains)

    @property
    def bits_per_second(self) -> int:
        """Bits a second while the mains have their nominal frequency."""
        return 2 * self.mains * self.half_cycle_bits

    @property
    def slot_time(self) -> Fraction:
        """Seconds of one slot, exactly."""
        return Fraction(SLOT_BITS, self.bits_per_second)

    @property
    def half_cycles(self) -> Fraction:
        """Half cycles of one slot: 15 at 2400 bit/s, so that slots begin on rising and on falling slopes in turn."""
        return Fraction(SLOT_BITS, self.half_cycle_bits)

    def seconds(self, slots: int) -> float:
        """Return how long `slots` take."""
        return slots * SLOT_BITS / self.bits_per_second

    def slots_in(self, seconds: float) -> int:
        """Return how many slots it takes until `seconds` are over."""
        return ceil(Fraction(seconds).limit_denominator(10_000) / self.slot_time)


# --- slots -----------------------------------------------------------------------------------------------------


def build_slots(frame: bytes, *, indicator: bytes = FRAME_INDICATOR) -> list[bytes]:
    """Return the slots that carry a MAC frame (NS to check sequence)."""
    return [
        b"".join((_HEAD, indicator, frame[start : start + SUBFRAME], PAUSE)) for start in range(0, len(frame), SUBFRAME)
    ]


def parse_slot(slot: bytes, *, indicator: bytes | None = FRAME_INDICATOR) -> bytes:
    """Return the subframe in `slot`; `indicator` None takes any. Raises `DecodeError`."""
    if len(slot) != SLOT:
        raise DecodeError(f"a slot of {in_octets(len(slot))}, not {SLOT}", min(len(slot), SLOT))
    if slot[:4] != _HEAD:
        raise DecodeError(f"a slot begins with {_HEAD.hex().upper()}", 0)
    if indicator is not None and slot[4:6] != indicator:
        raise DecodeError(f"frame indicator {slot[4:6].hex().upper()}", 4)
    return slot[6 : 6 + SUBFRAME]


def with_alarm(slot: bytes, pattern: bytes = ALARM_PATTERN) -> bytes:
    """Return `slot` with an alarm in its pause."""
    return slot[: -len(PAUSE)] + pattern


def has_alarm(slot: bytes, pattern: bytes = ALARM_PATTERN) -> bool:
    """Whether an alarm is told in the pause of `slot`."""
    return slot[-len(PAUSE) :] == pattern


# --- how long things take --------------------------------------------------------------------------------------


def frame_slots(sdu_length: int, credit: int) -> int:
    """Return how many slots a frame takes with all its repetitions, whether anybody repeats it or not."""
    return subframes_for(sdu_length) * (credit + 1)


def exchange_slots(
    request_length: int, request_credit: int, response_length: int, response_credit: int, *, idle: int = 1
) -> int:
    """Return how many slots go by from the beginning of a request to the end of the last repetition of its answer.

    Lengths are octets of M_sdu. `idle` slots lie between: a modem wants what it sends in the slot before.
    """
    return frame_slots(request_length, request_credit) + idle + frame_slots(response_length, response_credit)
