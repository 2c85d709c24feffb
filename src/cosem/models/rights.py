"""Access rights in words: ``read, write``, ``read, authenticated-request``, ``none``, ``mode 9``."""

from __future__ import annotations

from typing import Final

from cosem.classes.access import Access
from cosem.errors import ConfigError

_PROTECTION: Final = {
    "authenticated-request": Access.AUTHENTICATED_REQUEST,
    "encrypted-request": Access.ENCRYPTED_REQUEST,
    "signed-request": Access.SIGNED_REQUEST,
    "authenticated-response": Access.AUTHENTICATED_RESPONSE,
    "encrypted-response": Access.ENCRYPTED_RESPONSE,
    "signed-response": Access.SIGNED_RESPONSE,
}
_ATTRIBUTE: Final = {"read": Access.READ, "write": Access.WRITE, **_PROTECTION}
_METHOD: Final = {"call": Access.ACCESS, "write": Access.WRITE, **_PROTECTION}
_NONE, _MODE = "none", "mode "


def rights_in_words(access: Access, unknown_mode: int | None = None, *, of_method: bool = False) -> str:
    """Return a right in words; a mode that no version defines by its number."""
    if unknown_mode is not None:
        return f"{_MODE}{unknown_mode}"
    words = _METHOD if of_method else _ATTRIBUTE
    return ", ".join(name for name, bit in words.items() if access & bit) or _NONE


def rights_from_words(text: str, *, of_method: bool = False) -> tuple[Access, int | None]:
    """Return the right, and the number of an unknown mode. Raises `ConfigError` that lists the words there are."""
    words = _METHOD if of_method else _ATTRIBUTE
    digits = text.removeprefix(_MODE)
    if digits != text and digits.isdecimal() and len(digits) <= 3 and int(digits) <= 255:
        return Access.NONE, int(digits)
    access = Access.NONE
    for name in (part.strip() for part in text.split(",")):
        if name == _NONE and text.strip() == _NONE:
            continue
        if name not in words:
            raise ConfigError(f"{name[:40]!r} is no access right; there are {', '.join(words)}, none and mode N")
        access |= words[name]
    return access, None
