"""Whose turn it is on an HDLC line, as far as the APDU tells: what answers, and after what the other side speaks."""

from __future__ import annotations

from cosem.link import gateway

_UNASKED = frozenset((0x0F, 0x18, 0x38, 0x58, 0xC2, 0xCA, 0xD2))
"""First octets of APDUs that answer nothing: notifications and information reports, plain and ciphered."""
_BLOCK, _STREAMING = b"\xe0", 0x40
"""A block of a general block transfer; this bit of its second octet says that another follows from the same side."""
_LOOKED_INTO = frozenset((_BLOCK, *gateway.TAGS))
"""APDUs whose first octet does not tell whose turn it is: blocks, and what has the prefix of a gateway."""


def hands_over(apdu: bytes) -> bool:
    """Whether it is the other side's turn to say something after an APDU."""
    if apdu[:1] not in _LOOKED_INTO:
        return True
    apdu = apdu[gateway.behind(apdu) :]
    return not (apdu[:1] == _BLOCK and len(apdu) > 1 and bool(apdu[1] & _STREAMING))


def answers(apdu: bytes) -> bool:
    """Whether an APDU may be, or end, the answer to what was asked."""
    if apdu[0] in _UNASKED:
        return False
    if apdu[:1] not in _LOOKED_INTO:
        return True
    apdu = apdu[gateway.behind(apdu) :]
    return bool(apdu) and apdu[0] not in _UNASKED and hands_over(apdu)
