"""The manufacturer in a header: three letters in two octets (EN 13757-7, 7.5.2; the letters are the FLAG code)."""

from __future__ import annotations

from typing import Final

from cosem.errors import ConfigError

_LETTERS: Final = "@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_"
"""What five bits stand for. Only A to Z are given out; the rest is shown as it comes, so that nothing is lost."""


def manufacturer_code(octets: bytes) -> str:
    """Return the three letters of two octets (least significant first); the highest bit tells nothing of them."""
    number = int.from_bytes(octets[:2], "little")
    return _LETTERS[number >> 10 & 31] + _LETTERS[number >> 5 & 31] + _LETTERS[number & 31]


def manufacturer_octets(code: str) -> bytes:
    """Return the two octets of three letters. Raises `ConfigError` for what is no such code."""
    letters = code.upper()
    if len(letters) != 3 or any(letter not in _LETTERS for letter in letters):
        raise ConfigError(f"{code!r} is no manufacturer: three letters, for example KAM")
    first, second, third = (_LETTERS.index(letter) for letter in letters)
    return (first << 10 | second << 5 | third).to_bytes(2, "little")
