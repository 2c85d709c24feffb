"""Segments that come outside a connection: UI frames, and what meters push in I frames to nobody in particular."""

from __future__ import annotations

from typing import NamedTuple

from cosem.link.base import Discarded
from cosem.link.hdlc.frame import Frame
from cosem.link.hdlc.station import MAX_APDU

MAX_SENDERS = 16
"""APDUs being put together at once. A push line has a meter or two; each half of an APDU may hold 64 KiB."""


class _Parts(NamedTuple):
    infos: list[bytes]
    length: int
    at: float


class SegmentJoiner:
    """Joins the segments of each pair of addresses. `patience`: seconds after which the rest no longer comes."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._waiting: dict[tuple[bytes, bytes, str], _Parts] = {}

    def clear(self) -> None:
        """Forget all halves."""
        self._waiting.clear()

    def take(self, frame: Frame, octets: bytes, now: float) -> tuple[bytes | None, list[Discarded]]:
        """Take a frame and return the octets that are whole with it, or None, and what was given up."""
        key = (frame.source.octets, frame.destination.octets, frame.kind)
        parts = self._waiting.pop(key, None)
        given_up: list[Discarded] = []
        if parts is not None and now - parts.at > self._patience:
            # The rest of those never came; what comes now is the beginning of something else.
            given_up.append(Discarded(b"".join(parts.infos), f"segments of {frame.kind} frames without an end"))
            parts = None
        if not frame.segmented:
            if parts is None:
                return frame.info, given_up
            if parts.length + len(frame.info) <= MAX_APDU:
                return b"".join((*parts.infos, frame.info)), given_up
        infos, length = (parts.infos, parts.length) if parts is not None else ([], 0)
        length += len(frame.info)
        if length > MAX_APDU:
            given_up.append(Discarded(octets, f"segments of more than {MAX_APDU} octets"))
            return None, given_up
        if frame.info:
            infos.append(frame.info)
        if len(self._waiting) >= MAX_SENDERS:
            oldest = min(self._waiting, key=lambda item: self._waiting[item].at)
            lost = self._waiting.pop(oldest)
            given_up.append(Discarded(b"".join(lost.infos), "segments of too many senders at once"))
        self._waiting[key] = _Parts(infos, length, now)
        return None, given_up
