"""What an HDLC link keeps of one connection."""

from __future__ import annotations

from dataclasses import dataclass

from cosem.link.base import Address
from cosem.link.hdlc.state import State
from cosem.link.hdlc.station import Station


@dataclass(slots=True)
class Connection:
    """One pair of addresses. `peer` and `own` are the address octets as on the line; `expects` counts the answers
    that are still to come since `since`, `checking` says that the last question was how far the peer has come
    (client side). `damaged` says that something was heard that was no frame, `spared` counts the tries forgiven for
    that.
    """

    address: Address
    peer: bytes
    own: bytes
    station: Station
    state: State = State.NDM
    tries: int = 0
    due: float | None = None
    expects: int = 0
    since: float = 0.0
    checking: bool = False
    damaged: bool = False
    spared: int = 0
