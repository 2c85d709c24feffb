"""What passes between a host and its S-FSK modem, in the form of the Gurux libraries ("Plc" interface).

It is no frame of the line: STX, length, command, then credits, addresses and M_sdu as in a MAC frame. The chips it is
modelled on (AMIS-49587, ST7570) end it with a sum of the octets and do not fill it up; Gurux fills up to 36 octets,
tells two octets of padding more than the MAC frame has, and ends with CRC-16/X-25.
"""

from __future__ import annotations

from typing import Final

from cosem.errors import DecodeError, EncodeError, IncompleteError
from cosem.link.hdlc.frame import check_sequence
from cosem.plc.addresses import MAX_ADDRESS
from cosem.plc.mac_frame import MAX_SDU, SUBFRAME, Credits, MacFrame

STX: Final = 0x02
DATA_INDICATION: Final = 0x50
_HEADER: Final = 8
"""STX, length, command, credits, addresses (3), padding."""
_UNCOUNTED: Final = 2


def gurux_padding(length: int) -> int:
    """Return how many octets Gurux fills up behind an M_sdu of `length` octets."""
    return -(length + _HEADER) % SUBFRAME


def build_gurux(frame: MacFrame) -> bytes:
    """Return `frame` as Gurux hands it to a modem. Raises `EncodeError`."""
    size = len(frame.sdu)
    if not 0 < size <= MAX_SDU:
        raise EncodeError(f"an M_sdu of {size} octets: 1 to {MAX_SDU}")
    initial, current, delta = frame.credits
    padding = gurux_padding(size)
    octets = b"".join(
        (
            bytes((STX, size + _HEADER, DATA_INDICATION, initial << 5 | current << 2 | delta)),
            (frame.source << 12 | frame.destination).to_bytes(3, "big"),
            bytes((padding,)),
            frame.sdu,
            bytes(padding),
        )
    )
    return octets + check_sequence(octets)


def parse_gurux(octets: bytes) -> MacFrame:
    """Return what Gurux hands to a modem. Raises `DecodeError`."""
    if octets[:1] != bytes((STX,)):
        raise DecodeError("a modem's message begins with 02", 0)
    if len(octets) < _HEADER:
        raise IncompleteError(f"the head of a modem's message has {_HEADER} octets", len(octets))
    if octets[2] != DATA_INDICATION:
        raise DecodeError(f"command {octets[2]:02X} of a modem, where 50 (data) is known", 2)
    length = octets[1] - _HEADER
    if length <= 0 or length > MAX_SDU:
        raise DecodeError(f"a length of {octets[1]}", 1)
    padding = gurux_padding(length)
    if octets[7] != padding:
        raise DecodeError(f"{octets[7]} octets of padding, where {padding} fill up", 7)
    size = _HEADER + length + padding + _UNCOUNTED
    if len(octets) < size:
        raise IncompleteError(f"{size} octets are announced, here are {len(octets)}", len(octets))
    if len(octets) > size:
        raise DecodeError("octets behind a modem's message", size)
    if check_sequence(octets[:-2]) != octets[-2:]:
        raise DecodeError("the check sequence is wrong", size - 2)
    if any(octets[_HEADER + length : -2]):
        raise DecodeError("padding other than 0", _HEADER + length)
    credit, addresses = octets[3], int.from_bytes(octets[4:7], "big")
    credits = Credits(credit >> 5, credit >> 2 & 7, credit & 3)
    return MacFrame(addresses >> 12, addresses & MAX_ADDRESS, credits, octets[_HEADER : _HEADER + length])
