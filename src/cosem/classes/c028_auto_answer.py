"""Auto answer (class 28): when the device answers calls."""

from __future__ import annotations

from typing import NamedTuple

from cosem.classes.common import time_windows
from cosem.classes.model import InterfaceClass, S, attribute
from cosem.classes.types import OpenEnum, array, enum, octet_string, structure, unsigned


class AutoAnswerMode(OpenEnum):
    """How the line is used; 200 to 255 are manufacturer specific.

    On a shared line the window becomes inactive after number_of_calls calls, or successful calls.
    """

    DEDICATED_LINE = 0
    SHARED_LINE_LIMITED_CALLS = 1
    SHARED_LINE_LIMITED_SUCCESSFUL_CALLS = 2
    NO_MODEM = 3


class AutoAnswerStatus(OpenEnum):
    """Whether calls are answered now."""

    INACTIVE = 0
    ACTIVE = 1
    LOCKED = 2


class CallType(OpenEnum):
    """What is done with a call from a number of the list."""

    NORMAL_CSD_CALL = 0
    WAKE_UP_REQUEST = 1


class NumberOfRings(NamedTuple):
    """Rings before a call is answered, inside and outside the listening window; 0 = not answered."""

    nr_rings_in_window: int
    nr_rings_out_of_window: int


class AllowedCaller(NamedTuple):
    """A calling number and what its calls mean."""

    caller_id: bytes
    call_type: CallType


class AutoAnswerV0(InterfaceClass[S], class_id=28, version=0, name="Auto answer"):
    """Answers calls within a window (Blue Book ed. 9, 4.6.5).

    Public sources differ on number_of_rings: here a structure of two unsigned.
    """

    mode = attribute(2, enum(AutoAnswerMode), "how the line is used", static=True)
    listening_window = attribute(3, time_windows, "when calls are answered", static=True, default=())
    status = attribute(4, enum(AutoAnswerStatus), "whether calls are answered now")
    number_of_calls = attribute(5, unsigned, "calls until the window becomes inactive, 0 = no limit", static=True)
    number_of_rings = attribute(
        6,
        structure(NumberOfRings, nr_rings_in_window=unsigned, nr_rings_out_of_window=unsigned),
        "rings before a call is answered",
        static=True,
    )


class AutoAnswer(AutoAnswerV0[S], class_id=28, version=2):
    """Adds allowed callers and wake-up (Blue Book ed. 12). No source describes a version 1."""

    list_of_allowed_callers = attribute(
        7,
        array(structure(AllowedCaller, caller_id=octet_string(), call_type=enum(CallType))),
        "numbers whose calls are answered",
        static=True,
        default=(),
    )
