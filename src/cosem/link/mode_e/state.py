"""The states of mode E before HDLC takes over, and nothing else (IEC 62056-21, 6.4.5 and annex E).

Each table maps (state, event) to the next state. A pair that is absent is no transition: the event is reported and
changes nothing.
"""

from __future__ import annotations

from enum import Enum
from typing import Final


class State(Enum):
    """Where one end stands."""

    IDLE = "idle"
    WAKING = "sending wake-up nulls"
    PAUSING = "pausing before the opening"
    OPENING = "waiting for the identification"
    REACTING = "keeping the reaction time"
    SELECTING = "sending the option select"
    CONFIRMING = "waiting for the confirmation"
    SETTLING = "changing to eight bits"
    OFFERED = "waiting for the option select"
    SWITCHING = "changing the speed"
    ANSWERING = "sending the confirmation"
    HDLC = "handed over to HDLC"
    CLOSING = "sending the last HDLC frame"


class Event(Enum):
    """What happens to an end: messages that come, orders of the side above, time."""

    CONNECT = "order to connect"
    WAKE = "order to connect to a sleeping meter"
    WAIT = "order to connect while the line comes to rest"
    DISCONNECT = "order to disconnect"
    OPENED = "opening received"
    IDENTIFIED = "identification of mode E received"
    OTHER_MODE = "identification without mode E received"
    SELECTED = "HDLC selected"
    REFUSED = "another option selected"
    CONFIRMED = "confirmation received"
    READOUT = "a data readout received"
    DUE = "time is up"
    REPEAT = "no answer, tried again"
    GIVE_UP = "no answer after the last try"
    RESUME = "no answer, but the last session ended in HDLC"
    CLOSED = "the last HDLC connection closed"
    LOST = "transport lost"


S, E = State, Event
Table = dict[tuple[State, Event], State]


def _always(table: Table, event: Event, *, but: tuple[State, ...] = ()) -> Table:
    """Add an event that leads from every state of a table back to the beginning."""
    return table | {(state, event): S.IDLE for state, _ in table if state not in but}


_CLIENT: Final[Table] = {
    (S.IDLE, E.CONNECT): S.OPENING,
    (S.IDLE, E.WAKE): S.WAKING,
    (S.IDLE, E.WAIT): S.PAUSING,
    (S.WAKING, E.DUE): S.PAUSING,
    (S.PAUSING, E.DUE): S.OPENING,
    (S.OPENING, E.IDENTIFIED): S.REACTING,
    (S.OPENING, E.OTHER_MODE): S.IDLE,
    (S.OPENING, E.REPEAT): S.OPENING,
    (S.OPENING, E.GIVE_UP): S.IDLE,
    (S.OPENING, E.RESUME): S.HDLC,
    (S.REACTING, E.DUE): S.SELECTING,
    # A meter that is quick, or confirms at the old speed.
    (S.SELECTING, E.CONFIRMED): S.SETTLING,
    (S.SELECTING, E.READOUT): S.IDLE,
    (S.SELECTING, E.DUE): S.CONFIRMING,
    (S.CONFIRMING, E.CONFIRMED): S.SETTLING,
    (S.CONFIRMING, E.READOUT): S.IDLE,
    # Not every meter confirms: HDLC will show.
    (S.CONFIRMING, E.DUE): S.SETTLING,
    (S.CONFIRMING, E.GIVE_UP): S.IDLE,
    (S.SETTLING, E.DUE): S.HDLC,
    (S.HDLC, E.CLOSED): S.IDLE,
}
CLIENT: Final[Table] = _always(_always(_CLIENT, E.LOST), E.DISCONNECT, but=(S.HDLC,))
"""The side that reads (hand-held unit)."""

_SERVER: Final[Table] = {
    (S.IDLE, E.OPENED): S.REACTING,
    (S.REACTING, E.DUE): S.OFFERED,
    (S.OFFERED, E.OPENED): S.REACTING,
    (S.OFFERED, E.SELECTED): S.SWITCHING,
    (S.OFFERED, E.REFUSED): S.IDLE,
    (S.OFFERED, E.DUE): S.IDLE,
    (S.SWITCHING, E.DUE): S.ANSWERING,
    (S.ANSWERING, E.DUE): S.HDLC,
    (S.HDLC, E.CLOSED): S.CLOSING,
    (S.HDLC, E.DUE): S.IDLE,
    (S.CLOSING, E.OPENED): S.REACTING,
    (S.CLOSING, E.DUE): S.IDLE,
}
SERVER: Final[Table] = _always(_SERVER, E.LOST)
"""The side that is read (tariff device)."""
