"""Protected APDUs, unopened: glo-* and ded-* forms, general-glo- and general-ded-ciphering (Green Book 9.2.7, 9.5).

The content is the security header (security control, invocation counter) and what follows it: plain text, cipher
text, authentication tag. Opening it is the business of `cosem.security`.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from cosem.apdu.base import Parsed
from cosem.apdu.fields import Apdu, last_octets, octets_at, parsed
from cosem.codec.axdr import encode_octets
from cosem.errors import DecodeError, EncodeError

HEADER_SIZE = 5
"""Security control, one octet, and invocation counter, four."""

TAG_SIZE = 12
"""The authentication tag of every suite as DLMS cuts it."""

_AUTHENTICATED = 0x10

PLAIN_NAMES = {
    0x01: "initiate-request",
    0x05: "read-request",
    0x06: "write-request",
    0x08: "initiate-response",
    0x0C: "read-response",
    0x0D: "write-response",
    0x0E: "confirmed-service-error",
    0x16: "unconfirmed-write-request",
    0x18: "information-report-request",
    0xC0: "get-request",
    0xC1: "set-request",
    0xC2: "event-notification-request",
    0xC3: "action-request",
    0xC4: "get-response",
    0xC5: "set-response",
    0xC7: "action-response",
}
"""Tags of the APDUs that have ciphered forms of their own, and the name these carry behind ``glo-`` or ``ded-``."""

# The forms of the IEC 61334-4-41 services lie 20h (glo) and 40h (ded) above the plain tag, those of COSEM's own
# services 8 and 10h above it.
GLOBAL_TAGS = {tag: tag + (0x20 if tag < 0x80 else 0x08) for tag in PLAIN_NAMES}
DEDICATED_TAGS = {tag: tag + (0x40 if tag < 0x80 else 0x10) for tag in PLAIN_NAMES}
CIPHERED_NAMES = {GLOBAL_TAGS[tag]: f"glo-{name}" for tag, name in PLAIN_NAMES.items()} | {
    DEDICATED_TAGS[tag]: f"ded-{name}" for tag, name in PLAIN_NAMES.items()
}
GENERAL_ONLY = frozenset((0x0F, 0x10, 0xD9, 0xDA))
"""Tags of the APDUs that general-glo- and general-ded-ciphering alone can protect: notifications, ACCESS."""
_PLAIN_TAGS = {glo: tag for tag, glo in GLOBAL_TAGS.items()} | {ded: tag for tag, ded in DEDICATED_TAGS.items()}

_new = tuple.__new__
_USUAL_SIZE = 2 + HEADER_SIZE + TAG_SIZE
"""From this size on there is room for a header and a tag, whichever the security control asks for."""


def ciphered_tag(plain_tag: int, dedicated: bool = False) -> int:
    """Return the tag of the glo- (or ded-) form of the APDU with `plain_tag`.

    Raises `EncodeError` where there is none (data-notification, access, exception-response): such an APDU can
    only be protected inside general-glo- or general-ded-ciphering.
    """
    tag = (DEDICATED_TAGS if dedicated else GLOBAL_TAGS).get(plain_tag)
    if tag is None:
        raise EncodeError(f"an APDU with tag {plain_tag:02X} has no ciphered form of its own")
    return tag


def plain_tag(ciphered_tag: int) -> int:
    """Return the tag of the text inside a glo- or ded- form. Raises `DecodeError` for the tag of no such form."""
    tag = _PLAIN_TAGS.get(ciphered_tag)
    if tag is None:
        raise DecodeError(f"{ciphered_tag:02X} is not the tag of a glo- or ded- form")
    return tag


def wrapped(plain_tag: int, content: bytes, dedicated: bool = False) -> bytes:
    """Return the octets of the glo- (or ded-) form of the APDU with `plain_tag`, protected as `content`.

    Raises `EncodeError` as `ciphered_tag` does.
    """
    tag = (DEDICATED_TAGS if dedicated else GLOBAL_TAGS).get(plain_tag) or ciphered_tag(plain_tag, dedicated)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    return bytes((tag,)) + encode_octets(content)


def is_dedicated(ciphered_tag: int) -> bool:
    """Say whether `ciphered_tag` is a ded- form (dedicated key) or a glo- form (global key)."""
    return DEDICATED_TAGS.get(plain_tag(ciphered_tag)) == ciphered_tag


class Ciphered(NamedTuple):
    """A glo-* or ded-* APDU; which one, its `tag` tells. It is a carrier, not a service: the text inside is one."""

    tag: int
    content: bytes

    @property
    def service(self) -> str:
        """Return the name of this form, ``"glo-get-request"`` for example."""
        return CIPHERED_NAMES.get(self.tag, f"unknown ({self.tag:02X})")

    def encode(self, invoke: int | None = None) -> bytes:
        """Return the octets. The invoke-id, if there is one, is inside the content."""
        return bytes((self.tag,)) + encode_octets(self.content)


class _General(NamedTuple):
    system_title: bytes
    content: bytes


class GeneralGlo(Apdu, _General):
    """general-glo-ciphering: any APDU under a global key, with the sender's system title (8 octets, or none)."""

    __slots__ = ()
    service: ClassVar[str] = "general-glo-ciphering"
    tag: ClassVar[int] = 0xDB

    def _octets(self, invoke: int | None) -> bytes:
        return b"\xdb" + encode_octets(self.system_title) + encode_octets(self.content)


class GeneralDed(Apdu, _General):
    """general-ded-ciphering: any APDU under the dedicated key, with the sender's system title (8 octets, or none)."""

    __slots__ = ()
    service: ClassVar[str] = "general-ded-ciphering"
    tag: ClassVar[int] = 0xDC

    def _octets(self, invoke: int | None) -> bytes:
        return b"\xdc" + encode_octets(self.system_title) + encode_octets(self.content)


def _content_at(octets: bytes, offset: int) -> bytes:
    content = last_octets(octets, offset, "ciphered-service")
    smallest = HEADER_SIZE
    if content and content[0] & _AUTHENTICATED:
        smallest += TAG_SIZE
    if len(content) < smallest:
        what = f"{len(content)} octets cannot hold the security header"
        raise DecodeError(what if smallest == HEADER_SIZE else f"{what} and a tag", offset, ("ciphered-service",))
    return content


def _parse_ciphered(octets: bytes, checked: bool) -> Parsed:
    tag, size = octets[0], len(octets)
    if octets[1] == size - 2 < 0x80 and size >= _USUAL_SIZE:
        return _new(Parsed, (None, _new(Ciphered, (tag, octets[2:]))))
    return _new(Parsed, (None, _new(Ciphered, (tag, _content_at(octets, 1)))))


def _parse_general_glo(octets: bytes, checked: bool) -> Parsed:
    title, offset = octets_at(octets, 1, "system-title")
    return parsed(None, _new(GeneralGlo, (title, _content_at(octets, offset))))


def _parse_general_ded(octets: bytes, checked: bool) -> Parsed:
    title, offset = octets_at(octets, 1, "system-title")
    return parsed(None, _new(GeneralDed, (title, _content_at(octets, offset))))


PARSERS = {
    **dict.fromkeys(CIPHERED_NAMES, _parse_ciphered),
    0xDB: _parse_general_glo,
    0xDC: _parse_general_ded,
}
