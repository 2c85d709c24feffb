"""The states of an HDLC connection, and nothing else (IEC 62056-46, 6.4.4).

Each table maps (state, event) to the next state. A pair that is absent is no transition: the event is ignored by the
connection and reported by whoever noticed it.
"""

from __future__ import annotations

from enum import Enum
from typing import Final


class State(Enum):
    """Where a connection stands. NDM and NRM are the standard's normal disconnected and normal response mode."""

    NDM = "disconnected"
    CONNECTING = "connecting"
    NRM = "connected"
    DISCONNECTING = "disconnecting"


class Event(Enum):
    """What happens to a connection: frames that come, orders of the side above, time-outs."""

    CONNECT = "order to connect"
    DISCONNECT = "order to disconnect"
    SNRM = "SNRM received"
    DISC = "DISC received"
    UA = "UA received"
    DM = "DM received"
    FRMR = "FRMR received"
    DATA = "I, RR, RNR or REJ received"
    REJECT = "a frame received that cannot be accepted"
    GIVE_UP = "no answer after the last repetition"
    INACTIVE = "nothing heard for the inactivity time-out"
    LOST = "transport lost"


S, E = State, Event

CLIENT: Final[dict[tuple[State, Event], State]] = {
    (S.NDM, E.CONNECT): S.CONNECTING,
    (S.NDM, E.LOST): S.NDM,
    (S.CONNECTING, E.UA): S.NRM,
    (S.CONNECTING, E.DM): S.NDM,
    (S.CONNECTING, E.DISCONNECT): S.DISCONNECTING,
    (S.CONNECTING, E.GIVE_UP): S.NDM,
    (S.CONNECTING, E.LOST): S.NDM,
    (S.NRM, E.DATA): S.NRM,
    (S.NRM, E.DISCONNECT): S.DISCONNECTING,
    (S.NRM, E.DM): S.NDM,
    (S.NRM, E.FRMR): S.NDM,
    (S.NRM, E.REJECT): S.NDM,
    (S.NRM, E.GIVE_UP): S.NDM,
    (S.NRM, E.LOST): S.NDM,
    (S.DISCONNECTING, E.UA): S.NDM,
    (S.DISCONNECTING, E.DM): S.NDM,
    (S.DISCONNECTING, E.GIVE_UP): S.NDM,
    (S.DISCONNECTING, E.LOST): S.NDM,
}
"""The side that asks (primary station)."""

SERVER: Final[dict[tuple[State, Event], State]] = {
    (S.NDM, E.SNRM): S.NRM,
    (S.NDM, E.DISC): S.NDM,
    (S.NDM, E.LOST): S.NDM,
    # An SNRM in NRM starts over: the client has lost its state, and ours is worth nothing without it.
    (S.NRM, E.SNRM): S.NRM,
    (S.NRM, E.DATA): S.NRM,
    # The client is told with FRMR. Only a new SNRM helps, and until then the answer is DM.
    (S.NRM, E.REJECT): S.NDM,
    (S.NRM, E.DISC): S.NDM,
    (S.NRM, E.DISCONNECT): S.NDM,
    (S.NRM, E.INACTIVE): S.NDM,
    (S.NRM, E.LOST): S.NDM,
}
"""The side that answers (secondary station)."""
