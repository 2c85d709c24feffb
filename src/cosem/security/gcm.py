"""AES-GCM as DLMS/COSEM uses it (Green Book ed. 9, 9.2.7.2): SC || IC || text [|| tag of 12 octets].

The one-shot interface of `cryptography` is several times quicker than its streaming one, but only knows tags of 16
octets. A tag of 12 octets is the beginning of one of 16, and the key stream is the same in both directions, so opening
goes: decipher by enciphering, compute the tag over the result, compare, and only then hand the plain text out.
"""

from __future__ import annotations

from functools import lru_cache
from hmac import compare_digest
from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from cosem.errors import DecodeError, KeyMissing, LocalProtocolError, PolicyViolation, TagMismatch
from cosem.security.control import (
    AUTHENTICATED,
    AUTHENTICATED_ENCRYPTED,
    COMPRESSED,
    ENCRYPTED,
    SecurityControl,
)

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

TAG_LENGTH = 12
HEADER_LENGTH = 5


class Opened(NamedTuple):
    """A protected text, opened. `verified` is None where there was no tag to check, or nobody asked for it."""

    plain: bytes
    control: SecurityControl
    counter: int
    verified: bool | None


_CONTROLS = tuple(SecurityControl(octet) for octet in range(256))
_new = tuple.__new__
_pack_head = Struct(">BI").pack
_unpack_head = Struct(">BI").unpack_from


@lru_cache(maxsize=1)
def _aesgcm() -> type[AESGCM]:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM


def cipher(key: bytes) -> AESGCM:
    """Return the cipher object of `key`; making one costs a microsecond, so a session keeps its own."""
    return _aesgcm()(key)


def protect(
    key: bytes | AESGCM, auth_key: bytes | None, title: bytes, counter: int, control: int, plain: bytes
) -> bytes:
    """Return SC || IC || text [|| tag]. `control` says how; without any protection bit the text goes out as it is."""
    gcm = cipher(key) if isinstance(key, bytes) else key
    if control & COMPRESSED:
        raise LocalProtocolError("compression (V.44) is not supported")
    if len(title) != 8:
        raise KeyMissing(f"a system title of 8 octets is needed, not {len(title)}")
    head = _pack_head(control, counter)
    nonce = title + head[1:]
    bits = control & 0x30
    if bits == 0x30:
        if auth_key is None:
            raise KeyMissing("an authentication key is needed")
        return head + gcm.encrypt(nonce, plain, head[:1] + auth_key)[:-4]
    if bits == ENCRYPTED:
        return head + gcm.encrypt(nonce, plain, None)[:-16]
    if bits == AUTHENTICATED:
        if auth_key is None:
            raise KeyMissing("an authentication key is needed")
        return head + plain + gcm.encrypt(nonce, b"", head[:1] + auth_key + plain)[:TAG_LENGTH]
    return head + plain


def unprotect(
    key: bytes | AESGCM,
    auth_key: bytes | None,
    title: bytes,
    content: bytes,
    *,
    allow_unverified: bool = False,
) -> Opened:
    """Open SC || IC || text [|| tag].

    Without `auth_key` an authenticated text is opened only where `allow_unverified` says so. Raises `TagMismatch`,
    `KeyMissing`, `PolicyViolation` (compression) and `DecodeError`.
    """
    gcm = cipher(key) if isinstance(key, bytes) else key
    size = len(content)
    if size < HEADER_LENGTH:
        raise DecodeError("a security header has 5 octets", size, ("security-header",))
    control, counter = _unpack_head(content)
    if control & COMPRESSED:
        raise PolicyViolation("compressed APDUs (V.44) are not supported")
    if len(title) != 8:
        raise DecodeError(f"a system title has 8 octets, not {len(title)}", 0, ("system-title",))
    nonce = title + content[1:5]
    bits = control & AUTHENTICATED_ENCRYPTED
    if not bits & AUTHENTICATED:
        text = content[5:]
        plain = gcm.encrypt(nonce, text, None)[:-16] if bits else text
        return Opened(plain, _CONTROLS[control], counter, None)
    if size < HEADER_LENGTH + TAG_LENGTH:
        raise DecodeError("no room for the authentication tag", size, ("security-header",))
    text = content[5:-TAG_LENGTH]
    if auth_key is None:
        if not allow_unverified:
            raise KeyMissing("an authentication key is needed to verify what came")
        plain = gcm.encrypt(nonce, text, None)[:-16] if bits & ENCRYPTED else text
        return Opened(plain, _CONTROLS[control], counter, None)
    if bits & ENCRYPTED:
        plain = gcm.encrypt(nonce, text, None)[:-16]
        expected = gcm.encrypt(nonce, plain, content[:1] + auth_key)[-16:-4]
    else:
        plain = text
        expected = gcm.encrypt(nonce, b"", content[:1] + auth_key + text)[:TAG_LENGTH]
    if not compare_digest(expected, content[-TAG_LENGTH:]):
        raise TagMismatch("the authentication tag is wrong: wrong key, wrong system title, or altered octets")
    return _new(Opened, (plain, _CONTROLS[control], counter, True))
