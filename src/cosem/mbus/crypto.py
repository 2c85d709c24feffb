"""The ciphers of M-Bus, made of `cryptography`: AES-128 in CBC, CTR, CCM and GCM, CMAC, and key derivation A.

Nothing here decides anything: keys and blocks come in, octets go out (EN 13757-7, clause 9; RFC 3610, 4493).
"""

from __future__ import annotations

from functools import lru_cache
from types import ModuleType
from typing import NamedTuple

from cosem.errors import TagMismatch

BLOCK = 16


class _Modules(NamedTuple):
    ciphers: ModuleType
    aead: ModuleType
    cmac: ModuleType
    invalid: type[Exception]


@lru_cache(maxsize=1)
def _load() -> _Modules:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives import ciphers, cmac
    from cryptography.hazmat.primitives.ciphers import aead, algorithms, modes  # noqa: F401

    return _Modules(ciphers, aead, cmac, InvalidTag)


def encrypt_cbc(key: bytes, iv: bytes, plain: bytes) -> bytes:
    """Return AES-CBC of `plain`, whole blocks of it."""
    ciphers = _load().ciphers
    done: bytes = ciphers.Cipher(ciphers.algorithms.AES(key), ciphers.modes.CBC(iv)).encryptor().update(plain)
    return done


def decrypt_cbc(key: bytes, iv: bytes, text: bytes) -> bytes:
    """Return what was enciphered by `encrypt_cbc`."""
    ciphers = _load().ciphers
    done: bytes = ciphers.Cipher(ciphers.algorithms.AES(key), ciphers.modes.CBC(iv)).decryptor().update(text)
    return done


def ctr(key: bytes, block: bytes, octets: bytes) -> bytes:
    """Return AES-CTR of `octets`, either way, `block` being the first counter block."""
    ciphers = _load().ciphers
    done: bytes = ciphers.Cipher(ciphers.algorithms.AES(key), ciphers.modes.CTR(block)).encryptor().update(octets)
    return done


def cmac(key: bytes, octets: bytes, length: int = BLOCK) -> bytes:
    """Return the first `length` octets of AES-CMAC."""
    modules = _load()
    mac = modules.cmac.CMAC(modules.ciphers.algorithms.AES(key))
    mac.update(octets)
    done: bytes = mac.finalize()
    return done[:length]


def encrypt_ccm(key: bytes, nonce: bytes, plain: bytes, associated: bytes, tag_length: int) -> bytes:
    """Return text and tag of AES-CCM; the nonce has 13 octets, so a length has two."""
    done: bytes = _load().aead.AESCCM(key, tag_length=tag_length).encrypt(nonce, plain, associated)
    return done


def decrypt_ccm(key: bytes, nonce: bytes, text: bytes, associated: bytes, tag_length: int) -> bytes:
    """Return the plain text. Raises `TagMismatch`."""
    modules = _load()
    try:
        done: bytes = modules.aead.AESCCM(key, tag_length=tag_length).decrypt(nonce, text, associated)
    except modules.invalid:
        raise TagMismatch("the tag of AES-CCM is wrong: wrong key, wrong address, or altered octets") from None
    return done


def encrypt_gcm(key: bytes, nonce: bytes, plain: bytes, associated: bytes, tag_length: int) -> bytes:
    """Return text and tag of AES-GCM, the tag cut to `tag_length`."""
    done: bytes = _load().aead.AESGCM(key).encrypt(nonce, plain, associated)
    return done[: len(plain) + tag_length]


def decrypt_gcm(key: bytes, nonce: bytes, text: bytes, associated: bytes, tag_length: int) -> bytes:
    """Return the plain text. Raises `TagMismatch`. Nothing comes out before the tag was compared."""
    from hmac import compare_digest

    body, tag = text[:-tag_length], text[-tag_length:]
    # the key stream goes both ways, and the one-shot interface knows whole tags only: encipher, then compare
    plain = encrypt_gcm(key, nonce, body, b"", 0)
    if not compare_digest(encrypt_gcm(key, nonce, plain, associated, tag_length)[len(plain) :], tag):
        raise TagMismatch("the tag of AES-GCM is wrong: wrong key, wrong address, or altered octets")
    return plain


ENCRYPTION, AUTHENTICATION = 0x00, 0x01
"""Derivation constants of what the meter sends; `TO_DEVICE` is or-ed in for what its partner sends."""
TO_DEVICE = 0x10


def derive(key: bytes, constant: int, counter: int, identification: bytes) -> bytes:
    """Return a key by derivation function A: CMAC(key, constant, counter, identification, padding) (9.6.2)."""
    return cmac(key, bytes((constant,)) + counter.to_bytes(4, "little") + identification + b"\x07" * 7)
