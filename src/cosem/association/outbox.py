"""What leaves the initiating side: protected, counted, and cut into blocks where it is too long for one PDU."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Final

from cosem.apdu.base import Service
from cosem.apdu.ciphered import GENERAL_ONLY, GeneralDed, GeneralGlo, wrapped
from cosem.apdu.general import GeneralBlockTransfer
from cosem.association.blocks import BlockTransfer, block_size
from cosem.association.state import Client
from cosem.association.steps import Save, Step
from cosem.conformance_block import Conformance
from cosem.errors import CosemError, LocalProtocolError, RemoteProtocolError, Timeout
from cosem.security.context import SecurityContext

if TYPE_CHECKING:
    from cosem.association.initiator import Initiator

ACSE_REQUESTS: Final = frozenset((0x60, 0x62))
CIPHER_OVERHEAD = 5 + 12 + 4
"""Security header, tag, and the tag and length octets of the ciphered APDU around them."""
GENERAL_OVERHEAD = 9
LEASE_AHEAD = 4
"""Counters left of a lease when the next is asked for, so that sending seldom waits for the store."""
LEASE_SIZE = 100
_BLOCKS = int(Conformance.GENERAL_BLOCK_TRANSFER)
_OPEN: Final = (Client.ASSOCIATED, Client.PROVING)
"""Kept here: to look a member up in its enum costs every request twice the price of this test."""


class Outbox:
    """The sending half of an initiator. APDUs wait here while the next block of invocation counters is persisted."""

    def __init__(self, machine: Initiator) -> None:
        self._machine = machine
        self._parked: deque[tuple[int | None, bytes, bool]] = deque()
        self._leasing = False
        self._transfer: BlockTransfer | None = None
        self._stream: BlockTransfer | None = None
        self._repeat_at: float | None = None
        self._repeats = 0

    # --- services ------------------------------------------------------------------------------------------

    def send(self, service: Service, invoke: int | None, wire: int | None, *, confirmed: bool = True) -> None:
        """Send a service: `invoke` is the key of its call, `wire` the invoke-id-and-priority it carries."""
        machine = self._machine
        octets = service.encode(wire)
        if octets[0] in ACSE_REQUESTS:
            machine.link.send(machine.address, octets, machine.now)
            return
        if machine.state not in _OPEN:
            raise LocalProtocolError(f"{service.service} needs an association: {machine.state.value}")
        if machine.context is not None and machine.settings.protection:
            if self._parked or not self._has_counter():
                self._parked.append((invoke, octets, confirmed))
                self._lease()
                return
            octets = self.protect(octets)
        self._transmit(octets, service.service, confirmed)

    def _transmit(self, octets: bytes, what: str, confirmed: bool) -> None:
        machine = self._machine
        limit = machine.peer_max_pdu_size
        if limit and len(octets) > limit:
            if not int(machine.conformance) & _BLOCKS:
                raise LocalProtocolError(f"{what} has {len(octets)} octets, the peer takes {limit}")
            self._send_blocks(octets, limit, confirmed)
            return
        if self._transfer is not None:
            # What is asked now has nothing to do with the blocks of before.
            self.end_transfer()
        machine.link.send(machine.address, octets, machine.now, confirmed=confirmed)

    def overhead(self) -> int:
        """Return the octets that protection adds to a plain APDU."""
        settings = self._machine.settings
        if self._machine.context is None or not settings.protection:
            return 0
        return CIPHER_OVERHEAD + (GENERAL_OVERHEAD if settings.ciphering == "general" else 0)

    def protect(self, octets: bytes) -> bytes:
        """Return one plain APDU in the ciphered form this association uses."""
        machine = self._machine
        context, settings, dedicated = machine.context, machine.settings, machine.dedicated
        assert context is not None
        content = context.protect(octets, settings.protection, dedicated=dedicated, broadcast=machine.broadcast)
        if settings.ciphering == "general" or octets[0] in GENERAL_ONLY:
            carrier = GeneralDed if dedicated else GeneralGlo
            return carrier(context.own_title, content).encode()
        return wrapped(octets[0], content, dedicated)

    def forget(self, invoke: int) -> None:
        """Do not send what still waits for this call."""
        if self._parked:
            self._parked = deque(item for item in self._parked if item[0] != invoke)

    def clear(self) -> None:
        """Forget everything: the link is gone."""
        self._parked.clear()
        self._stream = None
        self.end_transfer()

    # --- invocation counters -------------------------------------------------------------------------------

    def _has_counter(self) -> bool:
        context, settings = self._machine.context, self._machine.settings
        assert context is not None
        if self._machine.dedicated:
            return True
        left = context.sending.remaining
        if left <= LEASE_AHEAD and settings.lease is not None:
            self._lease()
        return left > 0 or settings.lease is None

    def _lease(self) -> None:
        """Have the driver persist a further block of counters; what waits for them is sent when they are there."""
        lease, context = self._machine.settings.lease, self._machine.context
        if self._leasing or lease is None or context is None:
            return
        self._leasing = True
        self._machine.scheduler.begin(self._leased(lease, context))

    def _leased(self, lease: Callable[[int], tuple[int, int]], context: SecurityContext) -> Generator[Step, Any, None]:
        try:
            block = yield Save(lambda: lease(LEASE_SIZE))
            # A block for an association that is gone is given up: the one that follows has leased its own.
            if context is self._machine.context:
                context.sending.renew(*block)
        except Exception as error:
            self._leasing = False
            if context is self._machine.context:
                self._lease_failed(error)
            return
        self._leasing = False
        self._flush()

    def _lease_failed(self, error: Exception) -> None:
        """End the calls that wait for counters; those that were sent under earlier ones go on."""
        self._machine.problems.append(f"no invocation counters were leased: {error}")
        reason = error if isinstance(error, CosemError) else LocalProtocolError(f"the counter store failed: {error}")
        while self._parked:
            self._machine.fail(self._parked.popleft()[0], reason)

    def _flush(self) -> None:
        context = self._machine.context
        while self._parked and context is not None and context.sending.remaining:
            invoke, octets, confirmed = self._parked.popleft()
            try:
                self._transmit(self.protect(octets), "the request", confirmed)
            except CosemError as error:
                self._machine.fail(invoke, error)
        if self._parked:
            self._lease()

    # --- general block transfer ----------------------------------------------------------------------------

    def _send_blocks(self, octets: bytes, limit: int, confirmed: bool) -> None:
        window = self._machine.settings.block_window if confirmed else 0
        transfer = BlockTransfer(block_size(limit), window)
        transfer.send(octets)
        if confirmed:
            self._transfer = transfer
            self._repeats = 0
        self._put(transfer.turn(), confirmed)

    def _put(self, blocks: list[GeneralBlockTransfer], confirmed: bool = True) -> None:
        machine = self._machine
        for block in blocks:
            machine.link.send(machine.address, block.encode(), machine.now, confirmed=confirmed)
        if confirmed:
            self._expect()

    def _expect(self) -> None:
        """Repeat after a while of silence; a link that repairs its losses would only have more to carry."""
        if not self._machine.link.repairs:
            self._repeat_at = self._machine.now + self._machine.settings.block_timeout

    def take_block(self, block: GeneralBlockTransfer) -> bytes | None:
        """Take a block of the peer; return the APDU that is whole with it. Raises `RemoteProtocolError`.

        Blocks of a sender that takes none itself (window 0) are a stream of their own: pushes come that way.
        """
        machine = self._machine
        if block.window == 0 and not block.block_number_ack:
            if self._stream is None or block.block_number == 1:
                self._stream = BlockTransfer(1, 0)
            whole = self._stream.take(block)
            if whole is not None:
                self._stream = None
            return whole
        if self._transfer is None:
            size = block_size(machine.peer_max_pdu_size or 0xFFFF)
            self._transfer = BlockTransfer(size, machine.settings.block_window)
        transfer = self._transfer
        if transfer.done:
            return None
        try:
            whole = transfer.take(block)
        except RemoteProtocolError:
            self.end_transfer()
            raise
        self._repeats = 0
        self._expect()
        self._put(transfer.turn())
        if whole is not None:
            self.settle()
        return whole

    def settle(self) -> None:
        """Learn that the answer is there: blocks that come again are passed over from here on."""
        if self._transfer is not None:
            self._transfer.done = True
            self._repeat_at = None

    def end_transfer(self) -> None:
        """Forget the transfer that was under way."""
        self._transfer = None
        self._repeat_at = None

    @property
    def transferring(self) -> bool:
        """Whether what was asked last is sent, or being answered, in blocks."""
        return self._transfer is not None and not self._transfer.done

    @property
    def news(self) -> int:
        """How many blocks of the transfer under way brought something new."""
        return 0 if self._transfer is None else self._transfer.news

    @property
    def repeat_at(self) -> float | None:
        """When the last blocks are repeated if the peer stays silent."""
        return self._repeat_at

    def handle_timer(self, now: float) -> None:
        """Repeat the last blocks where the peer is silent; give up after some times."""
        if self._repeat_at is None or self._repeat_at > now or self._transfer is None:
            return
        if self._repeats >= self._machine.settings.block_retries:
            self.end_transfer()
            self._machine.fail_all(Timeout("no answer to the blocks of a general block transfer"))
            return
        self._repeats += 1
        try:
            blocks = self._transfer.repeat()
        except RemoteProtocolError as error:
            # No number is left to ask with.
            self.end_transfer()
            self._machine.fail_all(error)
            return
        self._put(blocks)
