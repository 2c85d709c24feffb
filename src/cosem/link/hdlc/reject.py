"""What an FRMR frame carries: the refused control octet, the refusing side's numbers, and why (ISO/IEC 13239)."""

from __future__ import annotations

from typing import NamedTuple

from cosem.errors import DecodeError
from cosem.link.hdlc.frame import control_text

UNKNOWN_CONTROL = 0x01
INFORMATION_NOT_PERMITTED = 0x02
INFORMATION_TOO_LONG = 0x04
IMPOSSIBLE_NR = 0x08
"""Why a frame was refused: the bits W, X, Y and Z of the third octet."""

_WORDS = {
    UNKNOWN_CONTROL: "a control octet it does not know",
    INFORMATION_NOT_PERMITTED: "an information field where none belongs",
    INFORMATION_TOO_LONG: "an information field longer than agreed",
    IMPOSSIBLE_NR: "an N(R) that acknowledges what it never sent",
}


class Rejection(NamedTuple):
    """The information field of FRMR. `reasons` is a sum of the bits above; `response` says that a response was
    refused, not a command."""

    control: int
    send_state: int
    receive_state: int
    response: bool
    reasons: int

    def encode(self) -> bytes:
        """Return the three octets."""
        states = self.send_state << 1 | self.receive_state << 5 | (0x10 if self.response else 0)
        return bytes((self.control, states, self.reasons))

    @property
    def words(self) -> str:
        """Return what was refused, and why, for people."""
        why = [words for bit, words in _WORDS.items() if self.reasons & bit]
        return f"{control_text(self.control)}: {' and '.join(why) or 'no reason given'}"


def parse(info: bytes) -> Rejection:
    """Read the information field of FRMR. Raises `DecodeError`."""
    if len(info) != 3:
        raise DecodeError(f"FRMR carries 3 octets, not {len(info)}", 0)
    control, states, reasons = info
    return Rejection(control, states >> 1 & 7, states >> 5, bool(states & 0x10), reasons & 0x0F)
