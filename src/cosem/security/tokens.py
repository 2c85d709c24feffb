"""Tokens of payment meters: what a meter asks of whoever decodes them, and a signed token in a form of our own.

The tokens of the standard transfer specification (IEC 62055-41) are 20 digits whose inside is licensed; nothing here
makes or reads them. A decoder for them has the form of `TokenDecoder` and is given to the meter instead of this one.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final, NamedTuple, Protocol

from cosem.errors import ConfigError, DecodeError, SecurityError

DIGITS: Final = 40
"""Decimal digits of a signed token: twice those of an STS token, because its seal is not cut to what 66 bits leave."""
KEY_LENGTH: Final = 16
TOP_UP: Final = 1
"""The one kind of signed token that there is: credit."""
LARGEST: Final = 0xFFFF_FFFF
"""The largest number and the largest amount."""
_SEAL: Final = 8
_BODY: Final = 9
_DOMAIN: Final = b"cosem signed token 1\x00"
_SEPARATORS: Final = b" -"


class Token(NamedTuple):
    """What a token says once it is known to be genuine: `amount` in the currency and scale of the meter's account.

    `number` tells it from all others for the same meter, and grows with each that is issued.
    """

    number: int
    amount: int
    description: str = "top-up"


class TokenDecoder(Protocol):
    """Whoever takes tokens apart for one meter. It keeps nothing: which were used is known to the token gateway."""

    def decode(self, token: bytes) -> Token:
        """Return what a token says.

        Raises `DecodeError` where it has not the form of one, `SecurityError` where it was not made for this meter.
        """


class SignedTokens:
    """Signed tokens for one meter: 40 digits that hold kind, number, amount and a seal.

    The number they make is 4 bits of kind, 32 of number, 32 of amount and 64 of HMAC-SHA-256 over these and the
    meter's name (its system title), under a key of 16 octets that meter and vendor share.
    """

    def __init__(self, key: bytes, meter: bytes) -> None:
        if len(key) != KEY_LENGTH:
            raise ConfigError(f"a token key has {KEY_LENGTH} octets")
        self._key = key
        self._meter = meter

    def __repr__(self) -> str:
        return f"SignedTokens(meter={self._meter.hex()})"

    def issue(self, number: int, amount: int) -> str:
        """Return the digits of a token, in groups of four. Raises `ConfigError` for numbers it has no room for."""
        if not 0 < number <= LARGEST or not 0 < amount <= LARGEST:
            raise ConfigError(f"number and amount of a token are 1 to {LARGEST}")
        body = _body(TOP_UP, number, amount)
        digits = f"{int.from_bytes(body + self._seal(body), 'big'):0{DIGITS}d}"
        return " ".join(digits[place : place + 4] for place in range(0, DIGITS, 4))

    def decode(self, token: bytes) -> Token:
        """Return what a token says: digits in ASCII, with or without spaces and hyphens between them."""
        digits = token.translate(None, _SEPARATORS)
        if len(digits) != DIGITS or not digits.isdigit():
            raise DecodeError(f"a token has {DIGITS} digits", 0, ("token",))
        number = int(digits)
        if number.bit_length() > 4 + 8 * (_BODY - 1 + _SEAL):
            raise DecodeError("no token has a number this large", 0, ("token",))
        octets = number.to_bytes(_BODY + _SEAL, "big")
        body, seal = octets[:_BODY], octets[_BODY:]
        if body[0] != TOP_UP:
            raise DecodeError(f"there is no kind {body[0]} of token", 0, ("token",))
        if not hmac.compare_digest(seal, self._seal(body)):
            raise SecurityError("the token was not made for this meter")
        return Token(int.from_bytes(body[1:5], "big"), int.from_bytes(body[5:9], "big"))

    def _seal(self, body: bytes) -> bytes:
        message = _DOMAIN + len(self._meter).to_bytes(1, "big") + self._meter + body
        return hmac.new(self._key, message, hashlib.sha256).digest()[:_SEAL]


def _body(kind: int, number: int, amount: int) -> bytes:
    return bytes((kind,)) + number.to_bytes(4, "big") + amount.to_bytes(4, "big")
