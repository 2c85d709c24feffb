"""AES key wrap (RFC 3394), by which keys travel under the master key (Green Book ed. 9, 9.2.7.2.5)."""

from __future__ import annotations

from cosem.errors import ConfigError, KeyMissing, SecurityError


def wrap(key_encryption_key: bytes, key: bytes) -> bytes:
    """Return `key` wrapped: 8 octets longer. Raises `KeyMissing` where a length is none of AES."""
    from cryptography.hazmat.primitives.keywrap import aes_key_wrap

    _check(key_encryption_key)
    try:
        return aes_key_wrap(key_encryption_key, key)
    except ValueError:
        raise KeyMissing(f"a key of {len(key)} octets cannot be wrapped") from None


def unwrap(key_encryption_key: bytes, wrapped: bytes) -> bytes:
    """Return the key inside. Raises `SecurityError` where the integrity check fails."""
    from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap

    _check(key_encryption_key)
    try:
        return aes_key_unwrap(key_encryption_key, wrapped)
    except (InvalidUnwrap, ValueError):
        raise SecurityError("the wrapped key fails its integrity check") from None


def load_transport_key(text: str, source: str) -> bytes:
    """Return a transport key of hex digits: 16, 24 or 32 octets. Raises `ConfigError`, which tells nothing of it."""
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) not in (16, 24, 32):
        raise ConfigError(f"{source} has no transport key: 32, 48 or 64 hex digits")
    return key


def _check(key: bytes) -> None:
    if len(key) not in (16, 24, 32):
        raise KeyMissing(f"a key encryption key has 16, 24 or 32 octets, not {len(key)}")
