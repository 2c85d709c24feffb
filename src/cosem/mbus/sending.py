"""What is put together to be sent: the plain text of a security mode, its configuration, and orders to a meter.

An order is records in a telegram to the meter: in clear (CI 51h), or under its key with a long header (CI 5Bh).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from cosem.errors import EncodeError
from cosem.mbus.ci import HeaderKind
from cosem.mbus.dib import DataField, Dib
from cosem.mbus.header import BLOCK, NO_CONFIGURATION, Configuration, Header
from cosem.mbus.keys import KeyStore
from cosem.mbus.model import Protection
from cosem.mbus.moments import Moment
from cosem.mbus.record import Record, encode_records
from cosem.mbus.security import FILLER
from cosem.mbus.telegram import Telegram, encode
from cosem.mbus.wireless import Address

SND_UD: Final = 0x53
CLEAR_CI, PROTECTED_CI = 0x51, 0x5B
BLOCKS: Final = 14
"""Most blocks that modes 5 and 7 count; 15 means all of them."""
FRONT: Final = 6
"""Octets of a long frame in front of CI; two stand behind its data."""
CLEAR: Final = Protection()
UPPER_HALF: Final = 0x8000_0000
"""In mode 9 both sides have one key, and nothing but the counter keeps their nonces apart [D]: meters count from below,
orders from the middle."""
_IN_BLOCKS: Final = (5, 7)


def plain_text(mode: int, records: bytes, end: bytes = b"") -> bytes:
    """Return the application of a security mode before it is enciphered.

    Modes 5 and 7 encipher whole blocks: fillers begin the text, and fill it in front of `end`. Raises `EncodeError`.
    """
    if mode not in _IN_BLOCKS:
        return records + end
    text = FILLER + records
    text += FILLER[:1] * (-(len(text) + len(end)) % BLOCK) + end
    if len(text) > BLOCKS * BLOCK:
        raise EncodeError(f"{len(text)} octets are more than {BLOCKS} blocks")
    return text


def configuration_of(protection: Protection, length: int, counter: int) -> Configuration:
    """Return the configuration field for a plain text of `length` octets; modes 8 to 10 carry the message counter."""
    mode = protection.mode
    if not mode:
        return NO_CONFIGURATION
    if mode in _IN_BLOCKS:
        return Configuration.of(mode, length=length, key_id=protection.key_id)
    return Configuration.of(mode, key_id=protection.key_id, counter=counter)


def wired_message(telegram: Telegram, keys: KeyStore | None) -> tuple[int, bytes]:
    """Return CI and what follows it of a telegram made by `Telegram.on_wire`, as links take it."""
    frame = encode(telegram, keys=keys)
    return frame[FRONT], frame[FRONT + 1 : -2]


def order(
    address: Address,
    records: Iterable[Record],
    *,
    protection: Protection = CLEAR,
    keys: KeyStore | None = None,
    access_number: int = 0,
    counter: int = 0,
) -> tuple[int, bytes]:
    """Return CI and what follows it of an order for SND_UD. Raises `KeyMissing` where `keys` has none of the meter.

    Each needs another access number, and a message counter above the last one where the mode has it: a meter takes
    nothing twice. In mode 9 the counter's highest bit is set here.
    """
    octets = encode_records(records)
    if not protection.mode:
        return CLEAR_CI, octets
    if protection.mode == 9:
        counter |= UPPER_HALF
    text = plain_text(protection.mode, octets)
    configuration = configuration_of(protection, len(text), counter)
    header = Header(HeaderKind.LONG, address, access_number & 0xFF, 0, configuration)
    return wired_message(Telegram.on_wire(SND_UD, 0, PROTECTED_CI, text, header), keys)


def set_clock(local: datetime, *, summer_time: bool = False, seconds: bool = True) -> Record:
    """Return the order to set the clock: type I with the seconds, or type F."""
    kind, field = ("I", DataField.INTEGER_48) if seconds else ("F", DataField.INTEGER_32)
    return Record.of(Dib.of(field), b"\x6d", Moment.of(kind, local, summer_time=summer_time))


def set_due_date(month: int, day: int) -> Record:
    """Return the order to keep the yearly value at the beginning of this day. Raises `EncodeError` for no day."""
    if not (1 <= month <= 12 and 1 <= day <= 31):
        raise EncodeError(f"the {day}. of the month {month} is no day")
    every_year = Moment("G", bytes((0xE0 | day, 0xF0 | month)))
    return Record.of(Dib.of(DataField.INTEGER_16, storage=1), b"\x6c", every_year)


def move_valve(number: int) -> Record:
    """Return the order of the remote control; what a number does is the model's (`Model.valve`)."""
    return Record.of(Dib.of(DataField.INTEGER_8), b"\xfd\x1f", number)


def acknowledge_alarms() -> Record:
    """Return the order to forget alarms that are over: no error flag is set any more."""
    return Record.of(Dib.of(DataField.INTEGER_16), b"\xfd\x17", 0)


def transfer_key(wrapped: bytes) -> Record:
    """Return the order to use a new key, in the form that `key_change` wraps it in."""
    return Record.of(Dib.of(DataField.VARIABLE), b"\xfd\x19", wrapped)
