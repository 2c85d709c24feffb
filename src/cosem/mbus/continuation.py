"""Whether an answer goes on in another telegram: its records end with DIF 1F."""

from __future__ import annotations

from cosem.errors import DecodeError
from cosem.mbus.ci import Content, meaning
from cosem.mbus.header import decode_header, is_signature
from cosem.mbus.record import decode_records


def more_follows(ci: int, data: bytes) -> bool:
    """Say whether another telegram belongs to the answer that this one is a part of.

    What is protected, or no sequence of records, ends the answer: nothing in it can be told.
    """
    told = meaning(ci, wired=True, length=len(data))
    if told.content is not Content.RECORDS:
        return False
    try:
        header, start = decode_header(told.header, data, 0, wired=True)
        configuration = header.configuration
        if configuration.mode and not is_signature(configuration, wired=True):
            return False
        return decode_records(data[start:]).more_follows
    except DecodeError:
        return False
