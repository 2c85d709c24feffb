"""Whether an answer goes on in another telegram: a walk over the records to a DIF 1F, without a look at values."""

from __future__ import annotations

from typing import Final

HEADERS: Final = {0x72: 12, 0x7A: 4, 0x78: 0}
"""Octets before the first record, by CI: variable structure with long, short or no header."""
MODE: Final = {0x72: 11, 0x7A: 3}
"""Where the configuration field says how the records are protected: its low five bits, in the second octet."""
MORE_FOLLOWS, MANUFACTURER, FILLER = 0x1F, 0x0F, 0x2F
_LENGTHS: Final = (0, 1, 2, 3, 4, 4, 6, 8, 0, 1, 2, 3, 4, 0, 6, 0)
"""Octets of a value by the low nibble of its DIF; D has a length of its own."""
_VARIABLE, _SPECIAL, _PLAIN_TEXT = 0xD, 0xF, 0x7C


def more_follows(ci: int, data: bytes) -> bool:
    """Say whether another telegram belongs to the answer that this one is a part of.

    What is protected, or no sequence of records, ends the answer: nothing in it can be told.
    """
    if ci not in HEADERS or (ci in MODE and len(data) > MODE[ci] and data[MODE[ci]] & 0x1F):
        return False
    at = HEADERS[ci]
    try:
        while True:
            dif = data[at]
            at += 1
            if dif in (MORE_FOLLOWS, MANUFACTURER):
                return dif == MORE_FOLLOWS
            if dif == FILLER:
                continue
            if dif & 0xF == _SPECIAL:
                return False
            at = _skip(data, at, dif)
    except IndexError:
        return False


def _skip(data: bytes, at: int, dif: int) -> int:
    """Return the offset behind the record whose DIF was read."""
    octet = dif
    while octet & 0x80:
        octet = data[at]
        at += 1
    vif = octet = data[at]
    at += 1
    if vif & 0x7F == _PLAIN_TEXT:
        # The text stands between the VIF and its extensions, as meters send it.
        at += 1 + data[at]
    while octet & 0x80:
        octet = data[at]
        at += 1
    return _value(data, at, dif)


def _value(data: bytes, at: int, dif: int) -> int:
    if dif & 0xF != _VARIABLE:
        return at + _LENGTHS[dif & 0xF]
    lvar = data[at]
    at += 1
    if lvar < 0xC0:
        return at + lvar
    if lvar < 0xE0:
        return at + (lvar & 0xF)
    if lvar < 0xF0:
        return at + lvar - 0xE0
    return at + {0xF5: 48, 0xF6: 64}.get(lvar, 4 * (lvar - 0xEC) if lvar < 0xF5 else 0)
