"""The states of an association on both sides, and nothing else (Green Book ed. 9, 9.3 and 9.4).

Each table maps (state, event) to the next state. A pair that is absent is an error of whoever caused the event; the
machines look transitions up here and nowhere else.
"""

from __future__ import annotations

from enum import Enum
from typing import Final


class Client(Enum):
    """Where the initiating side stands."""

    __hash__ = object.__hash__  # an enum's own is Python code, and the tables below are looked up all the time

    DISCONNECTED = "no link"
    CONNECTING = "waiting for the link layer"
    IDLE = "link layer connected, no association"
    ASSOCIATING = "waiting for the AARE"
    PROVING = "high level security under way"
    ASSOCIATED = "associated"
    RELEASING = "waiting for the RLRE"


class ClientEvent(Enum):
    """What happens to the initiating side."""

    __hash__ = object.__hash__

    CONNECT = "order to connect the link"
    LINK_UP = "link connected"
    LINK_DOWN = "link lost or closed"
    ASSOCIATE = "AARQ sent"
    ASSUME = "order to use a pre-established association"
    ACCEPTED = "AARE accepted"
    PROOF_WANTED = "AARE accepted, authentication required"
    REFUSED = "AARE rejected, or no AARE"
    PROVEN = "proofs exchanged"
    PROOF_FAILED = "a proof was wrong"
    RELEASE = "RLRQ sent"
    RELEASED = "RLRE received, or none expected"


C, E = Client, ClientEvent

CLIENT: Final[dict[tuple[Client, ClientEvent], Client]] = {
    (C.DISCONNECTED, E.CONNECT): C.CONNECTING,
    # What goes to all is sent without a connection of the link layer.
    (C.DISCONNECTED, E.ASSUME): C.ASSOCIATED,
    (C.DISCONNECTED, E.LINK_DOWN): C.DISCONNECTED,
    (C.CONNECTING, E.LINK_UP): C.IDLE,
    (C.CONNECTING, E.LINK_DOWN): C.DISCONNECTED,
    (C.IDLE, E.ASSOCIATE): C.ASSOCIATING,
    (C.IDLE, E.ASSUME): C.ASSOCIATED,
    (C.IDLE, E.LINK_DOWN): C.DISCONNECTED,
    (C.ASSOCIATING, E.ACCEPTED): C.ASSOCIATED,
    (C.ASSOCIATING, E.PROOF_WANTED): C.PROVING,
    (C.ASSOCIATING, E.REFUSED): C.IDLE,
    (C.ASSOCIATING, E.LINK_DOWN): C.DISCONNECTED,
    (C.PROVING, E.PROVEN): C.ASSOCIATED,
    (C.PROVING, E.PROOF_FAILED): C.IDLE,
    (C.PROVING, E.RELEASE): C.RELEASING,
    (C.PROVING, E.LINK_DOWN): C.DISCONNECTED,
    (C.ASSOCIATED, E.RELEASE): C.RELEASING,
    (C.ASSOCIATED, E.LINK_DOWN): C.DISCONNECTED,
    (C.RELEASING, E.RELEASED): C.IDLE,
    (C.RELEASING, E.LINK_DOWN): C.DISCONNECTED,
}


class Server(Enum):
    """association_status of class 15."""

    NON_ASSOCIATED = 0
    PENDING = 1
    ASSOCIATED = 2


class ServerEvent(Enum):
    """What happens to the responding side."""

    ACCEPT = "AARQ accepted"
    ASK_PROOF = "AARQ accepted, proof asked for"
    REFUSE = "AARQ refused"
    PROOF_RIGHT = "the client's proof is right"
    PROOF_WRONG = "the client's proof is wrong"
    RELEASE = "RLRQ received"
    TIMEOUT = "no proof in time"
    LINK_DOWN = "link lost or closed"


S, V = Server, ServerEvent

SERVER: Final[dict[tuple[Server, ServerEvent], Server]] = {
    (S.NON_ASSOCIATED, V.ACCEPT): S.ASSOCIATED,
    (S.NON_ASSOCIATED, V.ASK_PROOF): S.PENDING,
    (S.NON_ASSOCIATED, V.REFUSE): S.NON_ASSOCIATED,
    (S.NON_ASSOCIATED, V.LINK_DOWN): S.NON_ASSOCIATED,
    (S.PENDING, V.PROOF_RIGHT): S.ASSOCIATED,
    (S.PENDING, V.PROOF_WRONG): S.NON_ASSOCIATED,
    (S.PENDING, V.RELEASE): S.NON_ASSOCIATED,
    (S.PENDING, V.TIMEOUT): S.NON_ASSOCIATED,
    (S.PENDING, V.LINK_DOWN): S.NON_ASSOCIATED,
    (S.ASSOCIATED, V.RELEASE): S.NON_ASSOCIATED,
    (S.ASSOCIATED, V.LINK_DOWN): S.NON_ASSOCIATED,
}
"""A second AARQ first releases what was there: the newer client knows better than we whether the older one lives."""
