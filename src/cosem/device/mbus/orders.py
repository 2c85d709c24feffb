"""What a meter orders the devices on its bus: records, in clear or protected as the device's own answers are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from cosem.classes.c072_mbus_client import SentValue
from cosem.errors import DecodeError, EncodeError
from cosem.mbus import values
from cosem.mbus.dib import SIZES, VARIABLE_LENGTH, DataField, Dib
from cosem.mbus.keys import KeyStore
from cosem.mbus.model import Protection
from cosem.mbus.record import Head, Record
from cosem.mbus.sending import order
from cosem.mbus.vib import chain_end
from cosem.mbus.wireless import Address

USUAL_MODE: Final = 5
"""A device that has a key and has not shown its mode is spoken to in mode 5."""
MODES: Final = (5, 8, 9, 10)
"""Modes in which orders are protected; 7 needs an authentication layer besides."""


def protected_order(
    records: Iterable[Record], address: Address, keys: KeyStore, mode: int, access_number: int, counter: int
) -> tuple[int, bytes]:
    """Return CI and what follows it; with a key of the device in `keys` it is protected in `mode`.

    Each order takes another access number, and a larger `counter`. Raises `EncodeError` for a mode in which this side
    protects nothing.
    """
    if not keys.knows(address):
        return order(address, records)
    mode = mode or USUAL_MODE
    if mode not in MODES:
        raise EncodeError(f"orders are not protected in security mode {mode}")
    protection = Protection(mode)
    return order(address, records, protection=protection, keys=keys, access_number=access_number, counter=counter)


def record_of(sent: SentValue) -> Record:
    """Return the record of a value that a client sends. Octets are taken as they are, numbers before they are scaled.

    Raises `EncodeError` for DIB and VIB that begin no record, and for a value that does not fit them.
    """
    dib, vib, data = sent
    if not dib:
        raise EncodeError("there is no DIB")
    try:
        end = chain_end(dib, 0, "DIFE")
    except DecodeError as error:
        raise EncodeError(error.what) from None
    if end != len(dib) or dib[0] & 0x0F == DataField.SPECIAL:
        raise EncodeError(f"{dib.hex()} is no DIB")
    head = Head.of(Dib.from_octets(dib), vib)
    field = head.dib.field
    size = SIZES[field]
    if isinstance(data, bytes) and size != VARIABLE_LENGTH:
        if len(data) != size:
            raise EncodeError(f"a value of {size} octets is wanted, there are {len(data)}")
        return Record(head, data)
    if isinstance(data, bool):
        data = int(data)
    if data is not None and not isinstance(data, (int, float, str, bytes)):
        raise EncodeError(f"{data} has no form as a record")
    return Record(head, values.encode(field, head.vib.kind, data))
