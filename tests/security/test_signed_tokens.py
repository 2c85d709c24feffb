"""Signed tokens: digits that say a number and an amount, to one meter only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosem.errors import ConfigError, DecodeError, SecurityError
from cosem.security.tokens import DIGITS, SignedTokens

KEY = bytes(range(0x60, 0x70))
VENDOR = SignedTokens(KEY, b"CSM\x00\x00\x00\x00\x01")
NUMBERS = st.integers(1, 0xFFFFFFFF)


@given(NUMBERS, NUMBERS)
def test_what_was_issued_is_what_is_read(number: int, amount: int) -> None:
    digits = VENDOR.issue(number, amount)
    assert len(digits.split()) == 10
    assert VENDOR.decode(digits.encode())[:2] == (number, amount)
    assert VENDOR.decode(digits.replace(" ", "").encode()) == VENDOR.decode(digits.replace(" ", "-").encode())


@given(NUMBERS, NUMBERS, st.integers(0, DIGITS - 1), st.integers(1, 9))
def test_no_other_digit_gives_a_token(number: int, amount: int, place: int, by: int) -> None:
    digits = bytearray(VENDOR.issue(number, amount).replace(" ", "").encode())
    digits[place] = ord("0") + (digits[place] - ord("0") + by) % 10
    with pytest.raises((SecurityError, DecodeError)):
        VENDOR.decode(bytes(digits))


def test_a_token_is_for_one_meter_under_one_key() -> None:
    token = VENDOR.issue(1, 1000).encode()
    for other in (SignedTokens(KEY, b"CSM\x00\x00\x00\x00\x02"), SignedTokens(bytes(16), b"CSM\x00\x00\x00\x00\x01")):
        with pytest.raises(SecurityError):
            other.decode(token)


@given(st.binary(max_size=64))
def test_whatever_comes_is_refused_in_one_of_two_ways(octets: bytes) -> None:
    with pytest.raises((DecodeError, SecurityError)):
        VENDOR.decode(octets)


@pytest.mark.parametrize("text", ["", "1" * 39, "1" * 41, "9" * 40, "0" * 40, "x" * 40, "\xb2" * 40])
def test_what_has_not_the_form_of_a_token(text: str) -> None:
    with pytest.raises(DecodeError):
        VENDOR.decode(text.encode("latin-1"))


@pytest.mark.parametrize(("number", "amount"), [(0, 1), (1, 0), (2**32, 1), (1, 2**32), (1, -1)])
def test_what_a_token_has_no_room_for(number: int, amount: int) -> None:
    with pytest.raises(ConfigError):
        VENDOR.issue(number, amount)


def test_the_key_shows_nowhere() -> None:
    assert KEY.hex() not in repr(VENDOR)
    assert str(KEY) not in repr(VENDOR)
    with pytest.raises(ConfigError, match="16 octets"):
        SignedTokens(KEY[:8], b"")
