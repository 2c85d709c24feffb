"""The elements of the association control APDUs: how each is written and read (BER; Green Book 9.4.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from cosem.apdu.dispatch import parse
from cosem.apdu.fields import code_table, trailing, unknown_choice
from cosem.codec.axdr import decode_length
from cosem.codec.ber import INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, Element, element_at, integer_content, tlv
from cosem.errors import DecodeError, EncodeError
from cosem.results import (
    AcseServiceProvider,
    AcseServiceUser,
    AssociationResult,
    ReleaseRequestReason,
    ReleaseResponseReason,
)

CHARSTRING, BITSTRING, EXTERNAL, OTHER = 0x80, 0x81, 0xA2, 0xA3
"""Choices of Authentication-value: passwords and challenges are charstrings; the others hold their raw content."""

USER, PROVIDER = "user", "provider"
"""Sources of an AARE's diagnostic: the ACSE service user and the ACSE service provider."""

CONTEXT_PREFIX = bytes.fromhex("608574050801")
MECHANISM_PREFIX = bytes.fromhex("608574050802")
EXPLICIT_CONTEXT = bytes((OBJECT_IDENTIFIER, 7)) + CONTEXT_PREFIX
EXPLICIT_CONTEXT_HEAD = bytes((0xA1, 9)) + EXPLICIT_CONTEXT
MECHANISM_HEAD = bytes((0x8B, 7)) + MECHANISM_PREFIX
MECHANISM_HEAD_OF_AARE = bytes((0x89, 7)) + MECHANISM_PREFIX

# What may stand in user-information: the initiate PDUs and a service error, plain, glo-, ded- or generally ciphered.
# Anything else is refused before it is parsed, so that no APDU can nest ACSE in ACSE.
_USER_INFORMATION_TAGS = frozenset(
    {0x01, 0x08, 0x0E, 0x21, 0x28, 0x2E, 0x41, 0x48, 0x4E, 0xDB, 0xDC, 0xDD, 0xDF},
)

RESULTS: tuple[AssociationResult | int, ...] = code_table(AssociationResult)
USER_DIAGNOSTICS: tuple[AcseServiceUser | int, ...] = code_table(AcseServiceUser)
_PROVIDER_DIAGNOSTICS: tuple[AcseServiceProvider | int, ...] = code_table(AcseServiceProvider)
REQUEST_REASONS: tuple[ReleaseRequestReason | int, ...] = code_table(ReleaseRequestReason)
RESPONSE_REASONS: tuple[ReleaseResponseReason | int, ...] = code_table(ReleaseResponseReason)


# --- writing ---------------------------------------------------------------------------------------------------

SOURCE_TAGS = {USER: 0xA1, PROVIDER: 0xA2}


def context_octets(context: int | bytes) -> bytes:
    """Write an application context name."""
    if isinstance(context, int):
        if not 0 <= context < 0x80:
            raise EncodeError(f"application context {context} is not in 0..127", ("application-context-name",))
        return b"\xa1\x09" + EXPLICIT_CONTEXT + bytes((context,))
    return tlv(0xA1, tlv(OBJECT_IDENTIFIER, context))


def mechanism_octets(tag: int, mechanism: int | bytes) -> bytes:
    """Write a mechanism name under a tag."""
    if isinstance(mechanism, int):
        if not 0 <= mechanism < 0x80:
            raise EncodeError(f"mechanism {mechanism} is not in 0..127", ("mechanism-name",))
        return bytes((tag, 7)) + MECHANISM_PREFIX + bytes((mechanism,))
    return tlv(tag, mechanism)


def string_octets(tag: int, content: bytes) -> bytes:
    """Write an explicit OCTET STRING under a tag."""
    length = len(content)
    if length < 0x7E:
        return bytes((tag, length + 2, OCTET_STRING, length)) + content
    return tlv(tag, tlv(OCTET_STRING, content))


def integer_octets(tag: int, value: int) -> bytes:
    """Write an explicit INTEGER under a tag. Raises `EncodeError` out of 0 to FFFFFFFFh."""
    if 0 <= value < 0x80:
        return bytes((tag, 3, INTEGER, 1, value))
    if not 0 < value <= _MAX_INTEGER:
        raise EncodeError(f"{value} is not in 0..{_MAX_INTEGER}")
    return tlv(tag, tlv(INTEGER, integer_content(value)))


def auth_octets(tag: int, choice: int, value: bytes) -> bytes:
    """Write an authentication value under a tag. Raises `EncodeError` for a choice there is none of."""
    if choice not in _AUTH_CHOICES:
        raise EncodeError(f"{choice:02X} is no choice of an authentication value", ("authentication-value",))
    return tlv(tag, tlv(choice, value))


def release_octets(tag: int, reason: int | None, user_information: bytes | None) -> bytes:
    """Write a whole RLRQ or RLRE."""
    parts = [] if reason is None else [tlv(0x80, integer_content(reason))]
    if user_information is not None:
        parts.append(string_octets(0xBE, user_information))
    return tlv(tag, *parts)


# --- reading ---------------------------------------------------------------------------------------------------
#
# A reader takes the whole APDU and where the content of an element starts and ends. Each tries the shape that all
# the world sends first and leaves the rest to `codec.ber`.

_AUTH_CHOICES = frozenset({CHARSTRING, BITSTRING, EXTERNAL, OTHER})
_MAX_INTEGER = 0xFFFFFFFF
_SHORT_INTEGER = bytes((INTEGER, 1))
_Reader = Callable[[bytes, int, int], Any]


def string(octets: bytes, start: int, end: int) -> bytes:
    """Read an explicit OCTET STRING."""
    if octets[start] == OCTET_STRING and octets[start + 1] == end - start - 2 < 0x80:
        return octets[start + 2 : end]
    return Element(octets, 0, start, end).only(OCTET_STRING).content


def implicit(octets: bytes, start: int, end: int) -> bytes:
    """Read an implicit OCTET STRING."""
    return octets[start:end]


def bits(octets: bytes, start: int, end: int) -> bytes:
    """Read a bit string as its content octets."""
    if end - start != 2 or octets[start] > 7:
        Element(octets, 0, start, end).bits()
    return octets[start:end]


def context_name(octets: bytes, start: int, end: int) -> int | bytes:
    """Read an application context name."""
    if end - start == 9 and octets.startswith(EXPLICIT_CONTEXT, start) and octets[end - 1] < 0x80:
        return octets[end - 1]
    name = Element(octets, 0, start, end).only(OBJECT_IDENTIFIER)
    name.oid()
    return name.content


def mechanism_name(octets: bytes, start: int, end: int) -> int | bytes:
    """Read a mechanism name."""
    if end - start == 7 and octets.startswith(MECHANISM_PREFIX, start) and octets[end - 1] < 0x80:
        return octets[end - 1]
    Element(octets, 0, start, end).oid()
    return octets[start:end]


def integer(octets: bytes, start: int, end: int) -> int:
    """Read an explicit INTEGER. One octet is read as 0..255: user ids above 127 are sent that way."""
    if end - start == 3 and octets.startswith(_SHORT_INTEGER, start):
        return octets[start + 2]
    value = Element(octets, 0, start, end).only(INTEGER).integer()
    if not 0 <= value <= _MAX_INTEGER:
        raise DecodeError(f"{value} is not in 0..{_MAX_INTEGER}", start)
    return value


def code(table: tuple[Any, ...]) -> _Reader:
    """Return the reader of an explicit INTEGER that is a code of `table`."""

    def read(octets: bytes, start: int, end: int) -> Any:
        if end - start == 3 and octets.startswith(_SHORT_INTEGER, start):
            return table[octets[start + 2]]
        value = integer(octets, start, end)
        return table[value] if value < 256 else value

    return read


def reason_code(table: tuple[Any, ...]) -> _Reader:
    """Return the reader of an implicit INTEGER that is a code of `table`."""

    def read(octets: bytes, start: int, end: int) -> Any:
        value = Element(octets, 0, start, end).integer()
        return table[value] if 0 <= value < 256 else value

    return read


_USER_CODE = b"\xa1\x03\x02\x01"
_user_diagnostic = code(USER_DIAGNOSTICS)
_provider_diagnostic = code(_PROVIDER_DIAGNOSTICS)


def diagnostic(octets: bytes, start: int, end: int) -> tuple[str, Any]:
    """Read the source of a diagnostic and its code."""
    if end - start == 5 and octets.startswith(_USER_CODE, start):
        return USER, USER_DIAGNOSTICS[octets[start + 4]]
    source = element_at(octets, start, end)
    if source.end != end:
        raise trailing(octets[:end], source.end)
    if source.tag == 0xA1:
        return USER, _user_diagnostic(octets, source.start, end)
    if source.tag == 0xA2:
        return PROVIDER, _provider_diagnostic(octets, source.start, end)
    raise unknown_choice(octets, start, "diagnostic source")


def authentication_value(octets: bytes, start: int, end: int) -> tuple[int, bytes]:
    """Read the choice of an authentication value and its content."""
    if octets[start] == CHARSTRING and octets[start + 1] == end - start - 2 < 0x80:
        return CHARSTRING, octets[start + 2 : end]
    value = element_at(octets, start, end)
    if value.tag not in _AUTH_CHOICES:
        raise unknown_choice(octets, start, "authentication value")
    if value.end != end:
        raise trailing(octets[:end], value.end)
    return value.tag, value.content


class _Row(NamedTuple):
    """An element of a SEQUENCE: where its value goes in the tuple of fields, its reader, its name."""

    field: int
    read: _Reader
    name: str


def element_rows(fields: tuple[str, ...], *rows: tuple[int, str, _Reader, str]) -> Mapping[int, _Row]:
    """Return the elements of a SEQUENCE by their tags; `fields` says where their values go."""
    return {tag: _Row(fields.index(field), read, name) for tag, field, read, name in rows}


def read_elements(octets: bytes, rows: Mapping[int, _Row], fields: int, checked: bool) -> list[Any]:
    """Read a SEQUENCE into a list of `fields` values, None for each element that is absent.

    Elements may come in any order, but each only once.
    """
    length, offset = octets[1], 2
    if length >= 0x80:
        length, offset = _long_length(octets, 1, len(octets))
    end = offset + length
    if end != len(octets):
        if end < len(octets):
            raise trailing(octets, end)
        raise DecodeError(f"{length} octets are announced, {len(octets) - offset} follow", 1)
    values: list[Any] = [None] * fields
    while offset < end:
        row = rows.get(octets[offset])
        if row is None:
            raise unknown_choice(octets, offset, "element")
        field, read, name = row
        if values[field] is not None:
            raise DecodeError("the element is there twice", offset, (name,))
        length, start = octets[offset + 1], offset + 2
        try:
            if length >= 0x80:
                length, start = _long_length(octets, offset + 1, end)
            offset = start + length
            if offset > end:
                raise DecodeError(f"{length} octets are announced, {end - start} follow", start)
            values[field] = read(octets, start, offset)
        except DecodeError as error:
            raise error.within(name) from None
        if checked and name == "user-information":
            check_user_information(values[field], offset - len(values[field]))
    return values


def _long_length(octets: bytes, offset: int, end: int) -> tuple[int, int]:
    """Read a length of several octets: as in A-XDR, where BER's indefinite form does not exist either."""
    if octets[offset] == 0x80:
        raise DecodeError("an indefinite length is not allowed", offset)
    return decode_length(octets, offset, end)


def check_user_information(octets: bytes, offset: int) -> None:
    """Raise `DecodeError` unless user information is an initiate APDU or a service error."""
    try:
        if octets[:1] and octets[0] not in _USER_INFORMATION_TAGS:
            raise unknown_choice(octets, 0, "initiate APDU")
        parse(octets)
    except DecodeError as error:
        raise error.within("user-information", offset) from None


def missing(octets: bytes, name: str) -> DecodeError:
    """Return the error for an element that has to be there."""
    return DecodeError("the element is missing", len(octets), (name,))
