"""Whether an answer goes on in another telegram: its records end with DIF 1F."""

from __future__ import annotations

from cosem.errors import DecodeError, SecurityError
from cosem.mbus.ci import Content, meaning
from cosem.mbus.header import decode_header, is_signature
from cosem.mbus.keys import KeyStore
from cosem.mbus.record import decode_records
from cosem.mbus.telegram import decode_message


def more_follows(ci: int, data: bytes, keys: KeyStore | None = None) -> bool:
    """Say whether another telegram belongs to the answer that this one is a part of.

    What is protected by a key that `keys` has not, or no sequence of records, ends the answer: nothing in it can be
    told. The telegram is only looked at: it is no repetition when it is opened afterwards.
    """
    told = meaning(ci, wired=True, length=len(data))
    if told.content is not Content.RECORDS:
        return False
    try:
        header, start = decode_header(told.header, data, 0, wired=True)
        octets = data[start:]
        if header.configuration.mode and not is_signature(header.configuration, wired=True):
            if keys is None:
                return False
            octets = decode_message(bytes((ci,)) + data, wired=True, keys=keys.onlooker()).application
        return decode_records(octets).more_follows
    except (DecodeError, SecurityError):
        return False
