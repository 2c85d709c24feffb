"""One association as the responding side holds it: its session, its state, its security, its transfers."""

from __future__ import annotations

from typing import Final, NamedTuple

from cosem.association.blocks import BlockTransfer
from cosem.association.server import ObjectServer, Session
from cosem.association.serving import Serving
from cosem.association.state import SERVER, Server, ServerEvent
from cosem.association.transfer import MAX_TRANSFER
from cosem.errors import LocalProtocolError
from cosem.security.context import SecurityContext
from cosem.security.hls import HlsIdentity

MIN_PDU_SIZE: Final = 12
"""The smallest client-max-receive-pdu-size (Green Book ed. 9, 9.4.6.4); 0 means no limit."""
MAX_PDU_SIZE: Final = 0xFFFF
"""What a client that sets no limit gets at once: the field's largest value, and all that a wrapper can carry."""


class Carrier(NamedTuple):
    """How a request was protected, so that its answer can be protected alike."""

    control: int
    dedicated: bool
    general: bool

    @property
    def overhead(self) -> int:
        """Return the octets that protection adds to a plain APDU."""
        return 5 + 12 + 4 + (9 if self.general else 0)


PLAIN = Carrier(0, False, False)


class Association:
    """One association: its session, its state and its security."""

    __slots__ = ("by_blocks", "carrier", "context", "due", "hls", "serving", "session", "state", "stream", "transfer")

    def __init__(self, session: Session, server: ObjectServer) -> None:
        self.session = session
        self.state = Server.NON_ASSOCIATED
        self.context: SecurityContext | None = None
        self.hls: HlsIdentity | None = None
        self.due: float | None = None
        self.carrier = PLAIN
        self.transfer: BlockTransfer | None = None
        self.stream: BlockTransfer | None = None
        self.by_blocks = False
        self.serving = Serving(server, session, self.room)

    def move(self, event: ServerEvent) -> None:
        """Take a transition; raise `LocalProtocolError` where the table has none."""
        following = SERVER.get((self.state, event))
        if following is None:
            raise LocalProtocolError(f"{event.value}: not possible while {self.state.name}")
        self.state = following
        self.session.status = following.value

    def room(self) -> int:
        """Return how many octets a plain response may have; what is asked in blocks is answered in blocks."""
        if self.by_blocks:
            return MAX_TRANSFER
        limit = self.session.client_max_pdu_size or MAX_PDU_SIZE
        if self.context is None or not (self.carrier.control | self.context.policy.response):
            return limit
        return max(MIN_PDU_SIZE, limit - self.carrier.overhead)
