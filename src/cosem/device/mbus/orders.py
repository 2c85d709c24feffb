"""What a meter orders the devices on its bus: records, in clear or protected as the device's own answers are."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from cosem.classes.c072_mbus_client import SentValue
from cosem.errors import DecodeError, EncodeError
from cosem.mbus import values
from cosem.mbus.ci import HeaderKind
from cosem.mbus.dib import SIZES, VARIABLE_LENGTH, DataField, Dib
from cosem.mbus.header import BLOCK, Configuration, Header
from cosem.mbus.keys import KeyStore
from cosem.mbus.link_fields import DATA_SEND, SND_UD
from cosem.mbus.moments import Moment
from cosem.mbus.record import Head, Record, encode_records
from cosem.mbus.security import FILLER
from cosem.mbus.telegram import Telegram, encode
from cosem.mbus.vib import chain_end
from cosem.mbus.wireless import Address

PROTECTED_CI: Final = 0x5B
"""An order with a long header."""
FRONT, BACK = 6, 2
"""Octets of a long frame in front of CI, and behind its data."""
_IN_BLOCKS: Final = (0, 5)
"""A device that has a key and has not shown its mode is spoken to in mode 5."""
_COUNTED: Final = (8, 9, 10)


def order(
    records: Iterable[Record], address: Address, keys: KeyStore, mode: int, access_number: int, counter: int
) -> tuple[int, bytes]:
    """Return CI and what follows it. With a key of the device in `keys` it is protected in `mode`.

    Each order takes another access number, and a larger `counter`. Raises `EncodeError` for a mode in which this side
    protects nothing: 7 needs an authentication layer.
    """
    octets = encode_records(records)
    if not keys.knows(address):
        return DATA_SEND, octets
    if mode in _IN_BLOCKS:
        text = FILLER + octets
        text += FILLER[:1] * (-len(text) % BLOCK)
        configuration = Configuration.of(5, length=len(text))
    elif mode in _COUNTED:
        text, configuration = octets, Configuration.of(mode, counter=counter)
    else:
        raise EncodeError(f"orders are not protected in security mode {mode}")
    header = Header(HeaderKind.LONG, address, access_number & 0xFF, 0, configuration)
    frame = encode(Telegram.on_wire(SND_UD, 0, PROTECTED_CI, text, header), keys=keys)
    return frame[FRONT], frame[FRONT + 1 : -BACK]


def set_clock(local: datetime) -> Record:
    """Return the order to set the clock to a local time, with seconds (type I)."""
    return Record.of(Dib.of(DataField.INTEGER_48), b"\x6d", Moment.of("I", local))


def acknowledge_alarms() -> Record:
    """Return the order to forget alarms that are over: no error flag is set any more."""
    return Record.of(Dib.of(DataField.INTEGER_16), b"\xfd\x17", 0)


def new_key(wrapped: bytes) -> Record:
    """Return the order to take a new key, in whatever form it was wrapped."""
    return Record.of(Dib.of(DataField.VARIABLE), b"\xfd\x19", wrapped)


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
