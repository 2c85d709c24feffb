"""What C and CI say to the link and the selection of a wired M-Bus (EN 13757-2, -3 and -7)."""

from __future__ import annotations

from typing import Final

from cosem.link.line import LineSettings

SND_NKE: Final = 0x40
SND_UD: Final = 0x43
REQ_UD1, REQ_UD2 = 0x4A, 0x4B
RSP_UD: Final = 0x08
PRIMARY, FCB, FCV = 0x40, 0x20, 0x10
"""Direction, frame count bit, and whether it counts."""
ACCESS_DEMAND, FLOW_CONTROL = 0x20, 0x10
"""Of an answer: class 1 data wait; no more can be taken now."""
RESPONSE_MASK: Final = 0xFF & ~(ACCESS_DEMAND | FLOW_CONTROL)

APPLICATION_RESET: Final = 0x50
DATA_SEND: Final = 0x51
SELECT, SELECT_MSB = 0x52, 0x56
APPLICATION_ERROR: Final = 0x70
LONG_HEADER: Final = 0x72
FIXED_STRUCTURE: Final = 0x73
UNIMPLEMENTED_CI: Final = 1
"""Of an application error: the CI is not served."""

BAUD: Final = {0xB8 + index: baud for index, baud in enumerate((300, 600, 1200, 2400, 4800, 9600, 19200, 38400))}
"""CI of an order to change the speed."""
BAUD_CI: Final = {baud: ci for ci, baud in BAUD.items()}
ADDRESS_RECORD: Final = b"\x01\x7a"
"""DIF and VIF of the primary address."""
STANDARD_LINE: Final = LineSettings(2400, 8, "E", 1)
STANDARD_BITS, STANDARD_SECONDS = 330, 0.05
"""A slave begins to answer within so many bit times and seconds (EN 13757-2)."""
EARLIEST_BITS: Final = 11
"""Bit times that a slave waits at least before it answers."""
MAX_DATA: Final = 252
"""Octets behind CI in one frame."""
MAX_TELEGRAMS: Final = 64
"""Telegrams of one answer; a meter that never says that it was the last one does not hold the bus for ever."""

_ORDERS: Final = {SND_NKE: "SND_NKE", SND_UD | FCV: "SND_UD", REQ_UD1 | FCV: "REQ_UD1", REQ_UD2 | FCV: "REQ_UD2"}


def wired_control_name(control: int) -> str:
    """Return what a C field of the wire is called; the octet in hex where the standard has none."""
    if control & RESPONSE_MASK == RSP_UD:
        return "RSP_UD"
    return _ORDERS.get(control & ~FCB if control != SND_NKE else control, f"{control:02X}")
