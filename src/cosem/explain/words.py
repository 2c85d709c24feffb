"""Simple values in words."""

from __future__ import annotations

from cosem.codec.axdr import Data, Tag
from cosem.obis import Obis
from cosem.obis_names import words as obis_words
from cosem.times import CosemDateTime


def scalar_words(value: Data) -> str:
    """Return a simple value in words: hex for octets, with a logical name, date-time or text beside it."""
    raw = value.value
    if value.tag is Tag.COMPACT_ARRAY:
        return f"of {len(raw.values)} elements"
    if not isinstance(raw, bytes):
        return "" if raw is None else str(raw)
    words = raw.hex()
    if len(raw) == 12:
        moment = CosemDateTime.from_octets(raw)
        if moment.in_range:
            return f"{words} ({moment.isoformat()})"
    if len(raw) == 6 and raw[5] == 0xFF:
        name = Obis(raw)
        meaning = obis_words(name)
        return f"{words} ({name}, {meaning})" if meaning else f"{words} ({name})"
    if raw and all(0x20 <= octet < 0x7F for octet in raw):
        return f"{words} ({raw.decode('ascii')!r})"
    return words
