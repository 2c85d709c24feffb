"""Optical heads and two-wire adapters that give back whatever is sent: taking our own octets out of what comes.

Only what equals a write of ours octet for octet is taken out, once. Anything else is handed on: a damaged echo is a
damaged frame to HDLC, whose check sequence and addresses tell it from an answer. So a wrong guess costs at most one
repeated frame.
"""

from __future__ import annotations

ECHO_MODES = ("auto", "on", "off")
MAX_PENDING = 4
"""Writes whose echo may be outstanding; a client repeats a frame a few times at the most."""
HOLD = 0.2
"""Seconds that the beginning of an echo is kept back. Our own octets return without gaps, but USB adapters hand
characters over in pieces some 20 ms apart."""
EVIDENCE = 6
"""Octets that are no echo and come before the next write: an answer, so this head does not echo. Shorter than any
identification or frame, longer than the noise of a head that turns round."""


class EchoCanceller:
    """Takes echoes out of a stream. `mode` is ``"on"``, ``"off"``, or ``"auto"``: find out from the first writes.

    `present` says what is known: True, False, or None as long as nothing was decided.
    """

    def __init__(self, mode: str = "auto") -> None:
        if mode not in ECHO_MODES:
            raise ValueError(f"echo is one of {', '.join(ECHO_MODES)}, not {mode!r}")
        self.mode = mode
        self.present: bool | None = None
        self._pending: list[bytes] = []
        self._held = bytearray()
        self._passed = 0
        self._held_at: float | None = None
        self.reset()

    def reset(self) -> None:
        """Begin anew, as with another head."""
        self.present = {"on": True, "off": False}.get(self.mode)
        self._pending.clear()
        self._held.clear()
        self._passed = 0
        self._held_at = None

    @property
    def due(self) -> float | None:
        """When `release` is needed."""
        return None if self._held_at is None else self._held_at + HOLD

    def sent(self, octets: bytes) -> None:
        """Learn what goes out in one write."""
        if self.present is None and self._pending and self._passed >= EVIDENCE:
            self.present = False
            self._pending.clear()
        if self.present is False or not octets:
            return
        self._passed = 0
        self._pending.append(octets)
        del self._pending[:-MAX_PENDING]

    def received(self, octets: bytes, now: float) -> bytes:
        """Return what the other side sent, as far as it can be told yet."""
        if not self._pending and not self._held:
            return octets
        buffer = bytes(self._held) + octets
        passed = b""
        while self._pending:
            found = [(buffer.find(item), index) for index, item in enumerate(self._pending) if item in buffer]
            if not found:
                break
            at, index = min(found)
            passed += buffer[:at]
            buffer = buffer[at + len(self._pending[index]) :]
            # Echoes come in order: those of earlier writes are not coming any more.
            del self._pending[: index + 1]
            self.present = True
        begun = max((_begun(buffer, item) for item in self._pending), default=0)
        passed += buffer[: len(buffer) - begun]
        self._held[:] = buffer[len(buffer) - begun :]
        self._held_at = now if begun else None
        self._passed += len(passed)
        return passed

    def release(self, now: float) -> bytes:
        """Return what was kept back for too long: it was no echo, or only a part of one."""
        if self._held_at is None or now < self._held_at + HOLD:
            return b""
        octets = bytes(self._held)
        self._held.clear()
        self._held_at = None
        self._passed += len(octets)
        return octets


def _begun(buffer: bytes, echo: bytes) -> int:
    """Return how many octets at the end of `buffer` are the beginning of `echo`."""
    for count in range(min(len(buffer), len(echo) - 1), 0, -1):
        if buffer.endswith(echo[:count]):
            return count
    return 0
