"""General block transfer: any APDU, protected or not, cut into numbered blocks (Green Book ed. 9, 9.4.6.13).

A transfer is data, not a link: blocks of the peer go into `take`, blocks to send come out of `turn`. Both ends number
all they send from 1, acknowledgements too, so a lost acknowledgement is repaired like a lost block. A block without
the streaming bit hands the word to the other end. Whoever misses blocks names the last one before the gap and, as
window, the length of the gap.
"""

from __future__ import annotations

from typing import Final

from cosem.apdu.general import GeneralBlockTransfer
from cosem.association.transfer import MAX_TRANSFER
from cosem.errors import RemoteProtocolError

TAG: Final = 0xE0
MAX_WINDOW: Final = 63
"""Six bits of block-control."""
MAX_BLOCKS: Final = 0xFFFF
"""Sixteen bits of block-number, which may not start over within one transfer."""
MAX_IDLE_TURNS: Final = 32
"""Turns in a row that bring neither data nor an acknowledgement of any. A bad line makes a few; two ends that wait for
each other would hand them to and fro for good."""
HEADER: Final = 6
"""Octets of a block before the length of its data: tag, control, two numbers."""


def block_size(max_pdu_size: int) -> int:
    """Return how many octets of data a block may have so that the whole fits `max_pdu_size`; at least 1."""
    room = max_pdu_size - HEADER
    # One octet of length up to 127, two up to 255, three beyond.
    for head, longest in ((1, 127), (2, 255)):
        if room - head <= longest:
            return max(1, room - head)
    return min(room - 3, 0xFFFF)


class BlockTransfer:
    """One transfer seen from one end: what we send, what the peer sends, and whose turn it is.

    `size` is the octets of data the peer takes in a block, `window` the blocks we take in a row (0: none, which makes
    the transfer unconfirmed: the peer can answer nothing). `answering` is the side that answers: its acknowledgements
    say that more will follow. `limit` bounds what is put together. `news` counts the blocks that brought something new.
    """

    __slots__ = (
        "_acknowledged",
        "_ahead",
        "_answering",
        "_blocks",
        "_first",
        "_idle_turns",
        "_known",
        "_length",
        "_limit",
        "_parts",
        "_peer_window",
        "_received",
        "_said",
        "_size",
        "_wanted",
        "_window",
        "done",
        "news",
    )

    def __init__(self, size: int, window: int, *, answering: bool = False, limit: int = MAX_TRANSFER) -> None:
        self._size = size
        self._window = window
        self._answering = answering
        self._limit = limit
        self._blocks: list[tuple[bytes, bool]] = []
        self._acknowledged = 0
        # Until the peer has said how many blocks it takes in a row, one is safe.
        self._peer_window = 1
        self._received = 0
        self._ahead: dict[int, GeneralBlockTransfer] = {}
        self._parts: list[bytes] = []
        self._length = 0
        self._first: bytes | None = None
        self._wanted = False
        self._said = 0
        self._idle_turns = 0
        self._known = 0
        self.news = 0
        self.done = False

    # --- sending -------------------------------------------------------------------------------------------

    def send(self, apdu: bytes) -> None:
        """Have `apdu` sent in the turns that follow. Raises `RemoteProtocolError` for more than `MAX_BLOCKS` blocks."""
        pieces = [apdu[start : start + self._size] for start in range(0, len(apdu), self._size)]
        if len(self._blocks) + len(pieces) > MAX_BLOCKS:
            raise RemoteProtocolError(f"an APDU of {len(apdu)} octets is too long for blocks of {self._size}")
        self._blocks += [(piece, False) for piece in pieces[:-1]]
        self._blocks.append((pieces[-1], True))
        self._wanted = True

    @property
    def outstanding(self) -> int:
        """How many blocks of ours the peer has not acknowledged."""
        return len(self._blocks) - self._acknowledged

    def turn(self) -> list[GeneralBlockTransfer]:
        """Return the blocks to send now: what the peer's window allows, or an acknowledgement; none if all is said."""
        return self.repeat() if self._wanted else []

    def repeat(self) -> list[GeneralBlockTransfer]:
        """Return what was sent last, or ask the peer to go on: for when it has been silent."""
        first = self._acknowledged
        if first == len(self._blocks):
            if first >= MAX_BLOCKS:
                raise RemoteProtocolError(f"a block transfer of more than {MAX_BLOCKS} blocks")
            self._blocks.append((b"", not self._answering))
        window = max(1, self._peer_window) if self._window else len(self._blocks)
        self._said = behind = min(len(self._blocks), first + window)
        announced, received = self._announced(), self._received
        return [
            GeneralBlockTransfer(
                last, number < behind or (not self._window and not last), announced, number, received, data
            )
            for number, (data, last) in enumerate(self._blocks[first:behind], first + 1)
        ]

    def _announced(self) -> int:
        """Return the window to announce: as many blocks as are missing before the first that is there already."""
        if self._ahead:
            return min(min(self._ahead) - self._received - 1, self._window)
        return self._window

    # --- receiving -----------------------------------------------------------------------------------------

    def begins_anew(self, block: GeneralBlockTransfer) -> bool:
        """Say whether `block` is the first of another transfer and no repeat of this one's first."""
        if block.block_number != 1 or block.block_number_ack or not self._received:
            return False
        if block.block_data != self._first:
            return True
        # The same first octets may begin another APDU: a header and a title fill a short block. A peer that has
        # acknowledged blocks of ours says so in each repeat, and we have nothing left that it could be waiting for.
        return self._acknowledged > 0 and not self._parts and self._said == len(self._blocks)

    def take(self, block: GeneralBlockTransfer) -> bytes | None:
        """Take a block of the peer; return the whole APDU with the last one that was missing.

        `turn` says what to answer. Raises `RemoteProtocolError` for what cannot be: then the transfer is over.
        """
        news = self.news
        if block.block_number_ack > len(self._blocks):
            raise RemoteProtocolError(f"block {block.block_number_ack} is acknowledged, {len(self._blocks)} were sent")
        if any(data for data, _ in self._blocks[self._acknowledged : block.block_number_ack]):
            self.news += 1
        self._acknowledged = max(self._acknowledged, block.block_number_ack)
        self._peer_window = block.window
        number = block.block_number
        if number == 0:
            raise RemoteProtocolError("block 0, where blocks are numbered from 1")
        whole = None
        repeated = number <= self._received
        if number == self._received + 1:
            whole = self._accept(block)
            while whole is None and (following := self._ahead.pop(self._received + 1, None)) is not None:
                whole = self._accept(following)
        elif not repeated and number <= self._received + MAX_WINDOW + 1 and number not in self._ahead:
            self._ahead[number] = block
            self.news += 1
        if not block.streaming:
            self._idle_turns = 0 if self.news > self._known else self._idle_turns + 1
            self._known = self.news
            if self._idle_turns > MAX_IDLE_TURNS:
                raise RemoteProtocolError(f"a block transfer with more than {MAX_IDLE_TURNS} turns of nothing new")
        # We speak where the peer hands over, and there is something to say: blocks of ours, or what we have of its.
        self._wanted = not block.streaming and (
            self.outstanding > 0 or bool(self._parts or self._ahead) or (repeated and bool(block.block_data))
        )
        if repeated and self.news == news and not self._answering:
            # The side that asks has a timer for what is lost. If it answered an answer that came twice, each of its
            # own would be answered twice too, and all the traffic doubled for good.
            self._wanted = False
        return whole

    def _accept(self, block: GeneralBlockTransfer) -> bytes | None:
        self._received = block.block_number
        if self._first is None:
            self._first = block.block_data
        if block.block_data:
            self.news += 1
            self._length += len(block.block_data)
            if self._length > self._limit:
                raise RemoteProtocolError(f"a block transfer of more than {self._limit} octets")
            self._parts.append(block.block_data)
        if not block.last or not self._parts:
            return None
        whole = b"".join(self._parts)
        self._parts, self._length = [], 0
        self._ahead.clear()
        return whole

    def confirm(self) -> None:
        """Have the next turn acknowledge all that was received, although nothing will be answered."""
        self._wanted = True
