"""A new key on its way to a meter: enciphered by AES-CBC, or with a counter and a tag by AES-GCM, under another key.

- CBC: the key with an IV of zeros. Nothing proves it: whoever unwraps it with another key
  gets another key.
- GCM: key change counter (KCC, 4 octets, most significant first), then id and length of the key and the key itself
  enciphered, then a tag of 8 octets. The nonce is the meter's address (identification, manufacturer, version, medium,
  as in a long header) and KCC.

Both are proven by published values.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from cosem.errors import ConfigError, DecodeError
from cosem.mbus import crypto
from cosem.mbus.keys import KEY_LENGTH
from cosem.mbus.wireless import Address

COUNTER, TAG = 4, 8
GCM_LENGTH: Final = COUNTER + 2 + KEY_LENGTH + TAG
"""Octets of the form with a counter; the other one has those of a key."""
MAX_COUNTER: Final = 0xFFFFFFFF


class NewKey(NamedTuple):
    """A key that was unwrapped: its id and counter are None in the form that has none."""

    key: bytes
    key_id: int | None = None
    counter: int | None = None

    def __repr__(self) -> str:
        return f"NewKey(key_id={self.key_id}, counter={self.counter})"


def wrap(under: bytes, key: bytes) -> bytes:
    """Return `key` enciphered by AES-CBC under another key."""
    return crypto.encrypt_cbc(_checked(under), bytes(crypto.BLOCK), _checked(key))


def wrap_counted(under: bytes, key: bytes, address: Address, counter: int, key_id: int = 0) -> bytes:
    """Return `key` with its id under AES-GCM; `counter` grows with every change of the meter's keys."""
    if not 0 <= counter <= MAX_COUNTER or not 0 <= key_id <= 0xFF:
        raise ConfigError(f"a key change counter has 32 bits and a key id 8: {counter}, {key_id}")
    plain = bytes((key_id, KEY_LENGTH)) + _checked(key)
    count = counter.to_bytes(COUNTER, "big")
    return count + crypto.encrypt_gcm(_checked(under), address.header + count, plain, b"", TAG)


def unwrap(under: bytes, octets: bytes, address: Address) -> NewKey:
    """Return the key in either form, told apart by their lengths.

    Raises `DecodeError` for another length, and `TagMismatch` where the form with a counter was not made under `under`.
    """
    if len(octets) == KEY_LENGTH:
        return NewKey(crypto.decrypt_cbc(_checked(under), bytes(crypto.BLOCK), octets))
    if len(octets) != GCM_LENGTH:
        raise DecodeError(f"a new key has {KEY_LENGTH} or {GCM_LENGTH} octets, not {len(octets)}", len(octets))
    count = octets[:COUNTER]
    plain = crypto.decrypt_gcm(_checked(under), address.header + count, octets[COUNTER:], b"", TAG)
    if plain[1] != KEY_LENGTH:
        raise DecodeError(f"the key is said to have {plain[1]} octets", COUNTER + 1)
    return NewKey(plain[2:], plain[0], int.from_bytes(count, "big"))


def _checked(key: bytes) -> bytes:
    if len(key) != KEY_LENGTH:
        raise ConfigError(f"an M-Bus key has {KEY_LENGTH} octets, not {len(key)}")
    return key
