"""The states of the wired M-Bus link on both sides, and nothing else (EN 13757-2, EN 13757-3 and -7 for selection).

Each table maps (state, event) to the next state. A pair that is absent is an error of whoever caused the event; the
machines look transitions up here and nowhere else.
"""

from __future__ import annotations

from enum import Enum
from typing import Final


class Master(Enum):
    """Where the exchange of a master stands."""

    IDLE = "nothing is asked"
    WAITING = "asked, nothing heard"
    HEARING = "octets are coming"
    RESTING = "the line is left alone"


class MasterEvent(Enum):
    """What happens to a master."""

    SEND = "a frame that is to be answered was sent"
    POST = "a frame that nobody answers was sent"
    OCTETS = "octets came"
    WHOLE = "the answer is complete"
    SILENT = "no answer in time"
    BROKEN = "octets ended, and are no answer"
    RESTED = "the line was left alone for long enough"
    STOP = "whoever asked does not want the answer any more"
    LOST = "transport lost"


M, E = Master, MasterEvent

MASTER: Final[dict[tuple[Master, MasterEvent], Master]] = {
    (M.IDLE, E.SEND): M.WAITING,
    (M.IDLE, E.POST): M.RESTING,
    # What nobody asked for: noise, or an answer that is too late.
    (M.IDLE, E.OCTETS): M.RESTING,
    (M.IDLE, E.STOP): M.IDLE,
    (M.IDLE, E.LOST): M.IDLE,
    (M.WAITING, E.OCTETS): M.HEARING,
    (M.WAITING, E.SILENT): M.IDLE,
    (M.WAITING, E.STOP): M.RESTING,
    (M.WAITING, E.LOST): M.IDLE,
    (M.HEARING, E.OCTETS): M.HEARING,
    (M.HEARING, E.WHOLE): M.IDLE,
    (M.HEARING, E.BROKEN): M.IDLE,
    (M.HEARING, E.STOP): M.RESTING,
    (M.HEARING, E.LOST): M.IDLE,
    (M.RESTING, E.OCTETS): M.RESTING,
    (M.RESTING, E.RESTED): M.IDLE,
    (M.RESTING, E.STOP): M.RESTING,
    (M.RESTING, E.LOST): M.IDLE,
}


class Selection(Enum):
    """Whether a slave is the one that address 253 means."""

    UNSELECTED = "not selected"
    SELECTED = "selected"


class SelectionEvent(Enum):
    """What selects and deselects."""

    MEANT = "a selection that means this slave"
    OTHER = "a selection that does not"
    DESELECT = "SND_NKE to 253"
    RESTART = "power came back"


SELECTION: Final[dict[tuple[Selection, SelectionEvent], Selection]] = {
    (Selection.UNSELECTED, SelectionEvent.MEANT): Selection.SELECTED,
    (Selection.UNSELECTED, SelectionEvent.OTHER): Selection.UNSELECTED,
    (Selection.UNSELECTED, SelectionEvent.DESELECT): Selection.UNSELECTED,
    (Selection.UNSELECTED, SelectionEvent.RESTART): Selection.UNSELECTED,
    (Selection.SELECTED, SelectionEvent.MEANT): Selection.SELECTED,
    (Selection.SELECTED, SelectionEvent.OTHER): Selection.UNSELECTED,
    (Selection.SELECTED, SelectionEvent.DESELECT): Selection.UNSELECTED,
    (Selection.SELECTED, SelectionEvent.RESTART): Selection.UNSELECTED,
}


class Count(Enum):
    """The frame count bit that a slave heard last."""

    FRESH = "none since the reset"
    CLEAR = "0"
    SET = "1"


class CountEvent(Enum):
    """What a frame says about the count."""

    RESET = "SND_NKE, or a selection for address 253"
    CLEAR = "a frame with FCV and FCB 0"
    SET = "a frame with FCV and FCB 1"


COUNT: Final[dict[tuple[Count, CountEvent], Count]] = {
    **{(state, CountEvent.RESET): Count.FRESH for state in Count},
    **{(state, CountEvent.CLEAR): Count.CLEAR for state in Count},
    **{(state, CountEvent.SET): Count.SET for state in Count},
}
"""What leaves CLEAR or SET as it was is the same frame again: the answer before is repeated."""


class Speed(Enum):
    """How a slave stands to its speed."""

    SETTLED = "the speed is the one agreed"
    TRIAL = "switched, and nothing heard yet"


class SpeedEvent(Enum):
    """What happens to the speed of a slave."""

    SWITCH = "an order for another speed was acknowledged"
    HEARD = "a frame was understood"
    FALLBACK = "nothing was understood for too long: the former speed is back"


SPEED: Final[dict[tuple[Speed, SpeedEvent], Speed]] = {
    (Speed.SETTLED, SpeedEvent.SWITCH): Speed.TRIAL,
    (Speed.SETTLED, SpeedEvent.HEARD): Speed.SETTLED,
    (Speed.TRIAL, SpeedEvent.SWITCH): Speed.TRIAL,
    (Speed.TRIAL, SpeedEvent.HEARD): Speed.SETTLED,
    (Speed.TRIAL, SpeedEvent.FALLBACK): Speed.SETTLED,
}
