"""Frames out of a stream: whole or octet by octet, through noise, with shared flags."""

from __future__ import annotations

from cosem.errors import DecodeError, IncompleteError
from cosem.link.base import Discarded
from cosem.link.hdlc.frame import FLAG, ControlError, Frame, parse_at


class FrameSplitter:
    """Collects octets and gives the good frames in them; everything else comes out as `Discarded`, and only that.

    `unknown` true also gives frames with a control octet this HDLC does not have (kind UNKNOWN).
    """

    def __init__(self, *, unknown: bool = False) -> None:
        self._buffer = bytearray()
        self._unknown = unknown

    @property
    def waiting(self) -> int:
        """Return how many octets wait for more."""
        return len(self._buffer)

    def feed(self, octets: bytes) -> list[tuple[Frame, bytes] | Discarded]:
        """Take octets and return what is complete now: frames with their octets, and what was no frame."""
        self._buffer += octets
        return self._split(final=False)

    def flush(self) -> list[tuple[Frame, bytes] | Discarded]:
        """Give up on a frame that was never completed, and look for frames behind its beginning."""
        return self._split(final=True)

    def _split(self, *, final: bool) -> list[tuple[Frame, bytes] | Discarded]:
        found: list[tuple[Frame, bytes] | Discarded] = []
        buffer = bytes(self._buffer)
        start = 0
        while True:
            flag = buffer.find(b"\x7e", start)
            if flag < 0:
                _discard(found, buffer[start:], "no flag")
                start = len(buffer)
                break
            if flag > start:
                _discard(found, buffer[start:flag], "between frames")
            # Any number of flags may stand between frames, and one flag may close a frame and open the next.
            while flag + 1 < len(buffer) and buffer[flag + 1] == FLAG:
                flag += 1
            start = flag
            if flag + 1 == len(buffer):
                if final:
                    start = len(buffer)
                break
            try:
                frame, end = parse_at(buffer, flag)
            except IncompleteError as error:
                if not final:
                    break
                start = _skip(found, buffer, flag, error.what)
            except ControlError as error:
                if self._unknown and error.frame is not None:
                    start = flag + 1 + error.frame.length
                    found.append((error.frame, buffer[flag : start + 1]))
                else:
                    start = _skip(found, buffer, flag, error.what)
            except DecodeError as error:
                start = _skip(found, buffer, flag, error.what)
            else:
                found.append((frame, buffer[flag : end + 1]))
                # The closing flag stays: it may open the next frame.
                start = end
        del self._buffer[:start]
        return found


def _skip(found: list[tuple[Frame, bytes] | Discarded], buffer: bytes, flag: int, reason: str) -> int:
    """Discard from `flag` up to the next flag."""
    following = buffer.find(b"\x7e", flag + 1)
    following = len(buffer) if following < 0 else following
    _discard(found, buffer[flag:following], reason)
    return following


def _discard(found: list[tuple[Frame, bytes] | Discarded], octets: bytes, reason: str) -> None:
    if octets and octets != b"\x7e":
        found.append(Discarded(octets, reason))
