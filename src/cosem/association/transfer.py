"""Block transfer as data: what is sent in blocks, and what is put together from them. One of each per invoke-id."""

from __future__ import annotations

from cosem.apdu.fields import DataBlock
from cosem.errors import RemoteProtocolError

MAX_TRANSFER = 64 * 1024 * 1024
"""Octets of one transfer. A year of minute values of a large meter has about 40 MiB."""

MAX_EMPTY_BLOCKS = 16
"""Empty blocks of one transfer that are not its last. Some stacks begin with one; a row of them would never end."""

MAX_BLOCKS = 1 << 20
"""Blocks of one transfer, so that it cannot be drawn out octet by octet: a full transfer has 64 octets in each."""


class Outgoing:
    """Octets to send in blocks of at most `size`; blocks count from 1."""

    __slots__ = ("_offset", "_raw", "_size", "number")

    def __init__(self, raw: bytes, size: int) -> None:
        if size < 1:
            raise RemoteProtocolError("the peer's PDU size leaves no room for a block")
        self._raw = raw
        self._size = size
        self._offset = 0
        self.number = 0

    def first(self, size: int) -> DataBlock:
        """Return the first block, of at most `size` octets: the APDU around it is longer than those that follow."""
        return self.next(min(size, self._size))

    def next(self, size: int | None = None) -> DataBlock:
        """Return the next block."""
        start = self._offset
        self._offset = stop = start + (size or self._size)
        self.number += 1
        return DataBlock(stop >= len(self._raw), self.number, self._raw[start:stop])

    @property
    def length(self) -> int:
        """Octets of the whole."""
        return len(self._raw)

    @property
    def finished(self) -> bool:
        """Whether the last block was handed out."""
        return self._offset >= len(self._raw)


class Incoming:
    """Blocks as they arrive, joined when the last one is there."""

    __slots__ = ("_empty", "_limit", "_parts", "length", "number")

    def __init__(self, limit: int = MAX_TRANSFER) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self.length = 0
        self._empty = 0
        self.number = 0

    def add(self, last: bool, number: int, raw: bytes) -> bytes | None:
        """Take a block; return all octets after the last one, None before.

        Raises `RemoteProtocolError` for a number out of turn (nothing is kept of that block), past the limit, past
        `MAX_BLOCKS` and past `MAX_EMPTY_BLOCKS`.
        """
        if number != self.number + 1:
            raise RemoteProtocolError(f"block {number} where {self.number + 1} was expected")
        if self.length + len(raw) > self._limit:
            raise RemoteProtocolError(f"a block transfer of more than {self._limit} octets")
        if number > MAX_BLOCKS:
            raise RemoteProtocolError(f"a block transfer of more than {MAX_BLOCKS} blocks")
        if not raw and not last:
            self._empty += 1
            if self._empty > MAX_EMPTY_BLOCKS:
                raise RemoteProtocolError(f"a block transfer with more than {MAX_EMPTY_BLOCKS} empty blocks")
        self.number = number
        self._parts.append(raw)
        self.length += len(raw)
        return b"".join(self._parts) if last else None
