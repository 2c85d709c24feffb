"""AARQ, AARE, RLRQ, RLRE: the association control APDUs, in BER (Green Book 9.4.2 and 9.5, tags 60 to 63).

Fields follow the ASN.1. A context or mechanism is the last arc x of its object identifier 2.16.756.5.8.1.x or
2.16.756.5.8.2.x, or the content octets of the identifier where it is another one. Bit strings (protocol versions,
ACSE requirements) are their content octets, the number of unused bits first. User information is the initiate
APDU inside, plain or ciphered, as octets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from struct import Struct
from typing import Any, ClassVar, NamedTuple

from cosem.apdu.base import Parsed
from cosem.apdu.dispatch import parse
from cosem.apdu.fields import Apdu, code_table, parsed, trailing, unknown_choice
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

LN, SN, LN_CIPHERED, SN_CIPHERED = 1, 2, 3, 4
"""Application contexts: referencing by logical or short name, without and with ciphering."""

CHARSTRING, BITSTRING, EXTERNAL, OTHER = 0x80, 0x81, 0xA2, 0xA3
"""Choices of Authentication-value: passwords and challenges are charstrings; the others hold their raw content."""

AUTHENTICATION = b"\x07\x80"
"""ACSE requirements with the one functional unit there is; needed beside a mechanism name."""

USER, PROVIDER = "user", "provider"
"""Sources of an AARE's diagnostic: the ACSE service user and the ACSE service provider."""

_CONTEXT_PREFIX = bytes.fromhex("608574050801")
_MECHANISM_PREFIX = bytes.fromhex("608574050802")
_EXPLICIT_CONTEXT = bytes((OBJECT_IDENTIFIER, 7)) + _CONTEXT_PREFIX
_EXPLICIT_CONTEXT_HEAD = bytes((0xA1, 9)) + _EXPLICIT_CONTEXT
_MECHANISM_HEAD = bytes((0x8B, 7)) + _MECHANISM_PREFIX
_MECHANISM_HEAD_OF_AARE = bytes((0x89, 7)) + _MECHANISM_PREFIX

# What may stand in user-information: the initiate PDUs and a service error, plain, glo-, ded- or generally ciphered.
# Anything else is refused before it is parsed, so that no APDU can nest ACSE in ACSE.
_USER_INFORMATION_TAGS = frozenset(
    {0x01, 0x08, 0x0E, 0x21, 0x28, 0x2E, 0x41, 0x48, 0x4E, 0xDB, 0xDC, 0xDD, 0xDF},
)

_new = tuple.__new__
_RESULTS: tuple[AssociationResult | int, ...] = code_table(AssociationResult)
_USER_DIAGNOSTICS: tuple[AcseServiceUser | int, ...] = code_table(AcseServiceUser)
_PROVIDER_DIAGNOSTICS: tuple[AcseServiceProvider | int, ...] = code_table(AcseServiceProvider)
_REQUEST_REASONS: tuple[ReleaseRequestReason | int, ...] = code_table(ReleaseRequestReason)
_RESPONSE_REASONS: tuple[ReleaseResponseReason | int, ...] = code_table(ReleaseResponseReason)


class _Aarq(NamedTuple):
    context: int | bytes
    user_information: bytes | None = None
    mechanism: int | bytes | None = None
    auth_value: bytes | None = None
    auth_choice: int = CHARSTRING
    sender_acse_requirements: bytes | None = None
    calling_ap_title: bytes | None = None
    calling_ae_qualifier: bytes | None = None
    calling_ap_invocation_id: int | None = None
    calling_ae_invocation_id: int | None = None
    called_ap_title: bytes | None = None
    called_ae_qualifier: bytes | None = None
    called_ap_invocation_id: int | None = None
    called_ae_invocation_id: int | None = None
    implementation_information: bytes | None = None
    protocol_version: bytes | None = None


class Aarq(Apdu, _Aarq):
    """A-Associate request. The calling AP-title is the client's system title, the AE-invocation-id its user.

    `auth_value` (never shown) is the password or the client's challenge.
    """

    __slots__ = ()
    service: ClassVar[str] = "aarq"
    tag: ClassVar[int] = 0x60

    def _octets(self, invoke: int | None) -> bytes:
        if self[7:] == _NOTHING_MORE and (usual := _usual_aarq(self)) is not None:
            return usual
        (
            context,
            user_information,
            mechanism,
            auth_value,
            auth_choice,
            requirements,
            calling_title,
            calling_qualifier,
            calling_ap,
            calling_ae,
            called_title,
            called_qualifier,
            called_ap,
            called_ae,
            implementation,
            version,
        ) = self
        parts = [_context_octets(context)]
        if version is not None:
            parts.insert(0, tlv(0x80, version))
        if called_title is not None:
            parts.append(_string_octets(0xA2, called_title))
        if called_qualifier is not None:
            parts.append(_string_octets(0xA3, called_qualifier))
        if called_ap is not None:
            parts.append(_integer_octets(0xA4, called_ap))
        if called_ae is not None:
            parts.append(_integer_octets(0xA5, called_ae))
        if calling_title is not None:
            parts.append(_string_octets(0xA6, calling_title))
        if calling_qualifier is not None:
            parts.append(_string_octets(0xA7, calling_qualifier))
        if calling_ap is not None:
            parts.append(_integer_octets(0xA8, calling_ap))
        if calling_ae is not None:
            parts.append(_integer_octets(0xA9, calling_ae))
        if requirements is not None:
            parts.append(tlv(0x8A, requirements))
        if mechanism is not None:
            parts.append(_mechanism_octets(0x8B, mechanism))
        if auth_value is not None:
            parts.append(_auth_octets(0xAC, auth_choice, auth_value))
        if implementation is not None:
            parts.append(tlv(0x9D, implementation))
        if user_information is not None:
            parts.append(_string_octets(0xBE, user_information))
        return tlv(0x60, *parts)

    def __repr__(self) -> str:
        return _shown(self)


_NOTHING_MORE = (None,) * 9
_SHORT = 0x7C
"""Contents up to this length keep every length octet around them in its one-octet form."""


def _usual_aarq(aarq: Aarq) -> bytes | None:
    """Return the octets of an AARQ as nearly all are, without the rare elements; None where it is longer or odd."""
    context, information, mechanism, auth_value, auth_choice, requirements, title = aarq[:7]
    if type(context) is not int or not 0 <= context < 0x80 or information is None or len(information) > _SHORT:
        return None
    body = _EXPLICIT_CONTEXT_HEAD + bytes((context,))
    if title is not None:
        if len(title) != 8:
            return None
        body += b"\xa6\x0a\x04\x08" + title
    if requirements is not None:
        if requirements != AUTHENTICATION:
            return None
        body += b"\x8a\x02\x07\x80"
    if mechanism is not None:
        if type(mechanism) is not int or not 0 <= mechanism < 0x80:
            return None
        body += _MECHANISM_HEAD + bytes((mechanism,))
    if auth_value is not None:
        size = len(auth_value)
        if size > _SHORT or auth_choice != CHARSTRING:
            return None
        body += bytes((0xAC, size + 2, auth_choice, size)) + auth_value
    size = len(information)
    body += bytes((0xBE, size + 2, 4, size)) + information
    return b"\x60" + bytes((len(body),)) + body if len(body) < 0x80 else None


class _Aare(NamedTuple):
    context: int | bytes
    result: AssociationResult | int = AssociationResult.ACCEPTED
    diagnostic_source: str = USER
    diagnostic: AcseServiceUser | AcseServiceProvider | int = AcseServiceUser.NULL
    user_information: bytes | None = None
    mechanism: int | bytes | None = None
    auth_value: bytes | None = None
    auth_choice: int = CHARSTRING
    responder_acse_requirements: bytes | None = None
    responding_ap_title: bytes | None = None
    responding_ae_qualifier: bytes | None = None
    responding_ap_invocation_id: int | None = None
    responding_ae_invocation_id: int | None = None
    implementation_information: bytes | None = None
    protocol_version: bytes | None = None


class Aare(Apdu, _Aare):
    """A-Associate response. The responding AP-title is the server's system title, `auth_value` its challenge."""

    __slots__ = ()
    service: ClassVar[str] = "aare"
    tag: ClassVar[int] = 0x61

    def _octets(self, invoke: int | None) -> bytes:
        (
            context,
            result,
            source,
            diagnostic,
            user_information,
            mechanism,
            auth_value,
            auth_choice,
            requirements,
            title,
            qualifier,
            ap_invocation,
            ae_invocation,
            implementation,
            version,
        ) = self
        if source not in _SOURCE_TAGS:
            raise EncodeError(f"a diagnostic comes from the user or the provider, not {source!r}", ("diagnostic",))
        parts = [
            _context_octets(context),
            _integer_octets(0xA2, result),
            tlv(0xA3, _integer_octets(_SOURCE_TAGS[source], diagnostic)),
        ]
        if version is not None:
            parts.insert(0, tlv(0x80, version))
        if title is not None:
            parts.append(_string_octets(0xA4, title))
        if qualifier is not None:
            parts.append(_string_octets(0xA5, qualifier))
        if ap_invocation is not None:
            parts.append(_integer_octets(0xA6, ap_invocation))
        if ae_invocation is not None:
            parts.append(_integer_octets(0xA7, ae_invocation))
        if requirements is not None:
            parts.append(tlv(0x88, requirements))
        if mechanism is not None:
            parts.append(_mechanism_octets(0x89, mechanism))
        if auth_value is not None:
            parts.append(_auth_octets(0xAA, auth_choice, auth_value))
        if implementation is not None:
            parts.append(tlv(0x9D, implementation))
        if user_information is not None:
            parts.append(_string_octets(0xBE, user_information))
        return tlv(0x61, *parts)

    def __repr__(self) -> str:
        return _shown(self)


class _Rlrq(NamedTuple):
    reason: ReleaseRequestReason | int | None = ReleaseRequestReason.NORMAL
    user_information: bytes | None = None


class Rlrq(Apdu, _Rlrq):
    """A-Release request; with ciphering its user information is a protected InitiateRequest."""

    __slots__ = ()
    service: ClassVar[str] = "rlrq"
    tag: ClassVar[int] = 0x62

    def _octets(self, invoke: int | None) -> bytes:
        return _release_octets(0x62, self.reason, self.user_information)

    def __repr__(self) -> str:
        return _shown(self)


class _Rlre(NamedTuple):
    reason: ReleaseResponseReason | int | None = ReleaseResponseReason.NORMAL
    user_information: bytes | None = None


class Rlre(Apdu, _Rlre):
    """A-Release response."""

    __slots__ = ()
    service: ClassVar[str] = "rlre"
    tag: ClassVar[int] = 0x63

    def _octets(self, invoke: int | None) -> bytes:
        return _release_octets(0x63, self.reason, self.user_information)

    def __repr__(self) -> str:
        return _shown(self)


def _shown(service: Aarq | Aare | Rlrq | Rlre) -> str:
    """Show what is given, but not the password, nor user information: a dedicated key may stand in it."""
    given = [
        f"{name}={f'<{len(value)} octets>' if name in _SECRET else repr(value)}"
        for name, value in service._asdict().items()
        if value is not None and name != "auth_choice"
    ]
    return f"{type(service).__name__}({', '.join(given)})"


_SECRET = frozenset({"auth_value", "user_information"})


# --- writing ---------------------------------------------------------------------------------------------------

_SOURCE_TAGS = {USER: 0xA1, PROVIDER: 0xA2}


def _context_octets(context: int | bytes) -> bytes:
    if isinstance(context, int):
        if not 0 <= context < 0x80:
            raise EncodeError(f"application context {context} is not in 0..127", ("application-context-name",))
        return b"\xa1\x09" + _EXPLICIT_CONTEXT + bytes((context,))
    return tlv(0xA1, tlv(OBJECT_IDENTIFIER, context))


def _mechanism_octets(tag: int, mechanism: int | bytes) -> bytes:
    if isinstance(mechanism, int):
        if not 0 <= mechanism < 0x80:
            raise EncodeError(f"mechanism {mechanism} is not in 0..127", ("mechanism-name",))
        return bytes((tag, 7)) + _MECHANISM_PREFIX + bytes((mechanism,))
    return tlv(tag, mechanism)


def _string_octets(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x7E:
        return bytes((tag, length + 2, OCTET_STRING, length)) + content
    return tlv(tag, tlv(OCTET_STRING, content))


def _integer_octets(tag: int, value: int) -> bytes:
    if 0 <= value < 0x80:
        return bytes((tag, 3, INTEGER, 1, value))
    if not 0 < value <= _MAX_INTEGER:
        raise EncodeError(f"{value} is not in 0..{_MAX_INTEGER}")
    return tlv(tag, tlv(INTEGER, integer_content(value)))


def _auth_octets(tag: int, choice: int, value: bytes) -> bytes:
    if choice not in _AUTH_CHOICES:
        raise EncodeError(f"{choice:02X} is no choice of an authentication value", ("authentication-value",))
    return tlv(tag, tlv(choice, value))


def _release_octets(tag: int, reason: int | None, user_information: bytes | None) -> bytes:
    parts = [] if reason is None else [tlv(0x80, integer_content(reason))]
    if user_information is not None:
        parts.append(_string_octets(0xBE, user_information))
    return tlv(tag, *parts)


# --- reading ---------------------------------------------------------------------------------------------------
#
# A reader takes the whole APDU and where the content of an element starts and ends. Each tries the shape that all
# the world sends first and leaves the rest to `codec.ber`.

_AUTH_CHOICES = frozenset({CHARSTRING, BITSTRING, EXTERNAL, OTHER})
_MAX_INTEGER = 0xFFFFFFFF
_SHORT_INTEGER = bytes((INTEGER, 1))
_Reader = Callable[[bytes, int, int], Any]


def _string(octets: bytes, start: int, end: int) -> bytes:
    if octets[start] == OCTET_STRING and octets[start + 1] == end - start - 2 < 0x80:
        return octets[start + 2 : end]
    return Element(octets, 0, start, end).only(OCTET_STRING).content


def _implicit(octets: bytes, start: int, end: int) -> bytes:
    return octets[start:end]


def _bits(octets: bytes, start: int, end: int) -> bytes:
    if end - start != 2 or octets[start] > 7:
        Element(octets, 0, start, end).bits()
    return octets[start:end]


def _context(octets: bytes, start: int, end: int) -> int | bytes:
    if end - start == 9 and octets.startswith(_EXPLICIT_CONTEXT, start) and octets[end - 1] < 0x80:
        return octets[end - 1]
    name = Element(octets, 0, start, end).only(OBJECT_IDENTIFIER)
    name.oid()
    return name.content


def _mechanism(octets: bytes, start: int, end: int) -> int | bytes:
    if end - start == 7 and octets.startswith(_MECHANISM_PREFIX, start) and octets[end - 1] < 0x80:
        return octets[end - 1]
    Element(octets, 0, start, end).oid()
    return octets[start:end]


def _integer(octets: bytes, start: int, end: int) -> int:
    """Read an explicit INTEGER. One octet is read as 0..255: user ids above 127 are sent that way."""
    if end - start == 3 and octets.startswith(_SHORT_INTEGER, start):
        return octets[start + 2]
    value = Element(octets, 0, start, end).only(INTEGER).integer()
    if not 0 <= value <= _MAX_INTEGER:
        raise DecodeError(f"{value} is not in 0..{_MAX_INTEGER}", start)
    return value


def _code(table: tuple[Any, ...]) -> _Reader:
    def read(octets: bytes, start: int, end: int) -> Any:
        if end - start == 3 and octets.startswith(_SHORT_INTEGER, start):
            return table[octets[start + 2]]
        value = _integer(octets, start, end)
        return table[value] if value < 256 else value

    return read


def _reason(table: tuple[Any, ...]) -> _Reader:
    def read(octets: bytes, start: int, end: int) -> Any:
        value = Element(octets, 0, start, end).integer()
        return table[value] if 0 <= value < 256 else value

    return read


_USER_CODE = b"\xa1\x03\x02\x01"
_user_diagnostic = _code(_USER_DIAGNOSTICS)
_provider_diagnostic = _code(_PROVIDER_DIAGNOSTICS)


def _diagnostic(octets: bytes, start: int, end: int) -> tuple[str, Any]:
    if end - start == 5 and octets.startswith(_USER_CODE, start):
        return USER, _USER_DIAGNOSTICS[octets[start + 4]]
    source = element_at(octets, start, end)
    if source.end != end:
        raise trailing(octets[:end], source.end)
    if source.tag == 0xA1:
        return USER, _user_diagnostic(octets, source.start, end)
    if source.tag == 0xA2:
        return PROVIDER, _provider_diagnostic(octets, source.start, end)
    raise unknown_choice(octets, start, "diagnostic source")


def _auth(octets: bytes, start: int, end: int) -> tuple[int, bytes]:
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


def _rows(fields: tuple[str, ...], *rows: tuple[int, str, _Reader, str]) -> Mapping[int, _Row]:
    return {tag: _Row(fields.index(field), read, name) for tag, field, read, name in rows}


_AARQ = _rows(
    _Aarq._fields,
    (0x80, "protocol_version", _bits, "protocol-version"),
    (0xA1, "context", _context, "application-context-name"),
    (0xA2, "called_ap_title", _string, "called-AP-title"),
    (0xA3, "called_ae_qualifier", _string, "called-AE-qualifier"),
    (0xA4, "called_ap_invocation_id", _integer, "called-AP-invocation-id"),
    (0xA5, "called_ae_invocation_id", _integer, "called-AE-invocation-id"),
    (0xA6, "calling_ap_title", _string, "calling-AP-title"),
    (0xA7, "calling_ae_qualifier", _string, "calling-AE-qualifier"),
    (0xA8, "calling_ap_invocation_id", _integer, "calling-AP-invocation-id"),
    (0xA9, "calling_ae_invocation_id", _integer, "calling-AE-invocation-id"),
    (0x8A, "sender_acse_requirements", _bits, "sender-acse-requirements"),
    (0x8B, "mechanism", _mechanism, "mechanism-name"),
    (0xAC, "auth_value", _auth, "calling-authentication-value"),
    (0x9D, "implementation_information", _implicit, "implementation-information"),
    (0xBE, "user_information", _string, "user-information"),
)
_AARE = _rows(
    _Aare._fields,
    (0x80, "protocol_version", _bits, "protocol-version"),
    (0xA1, "context", _context, "application-context-name"),
    (0xA2, "result", _code(_RESULTS), "result"),
    (0xA3, "diagnostic", _diagnostic, "result-source-diagnostic"),
    (0xA4, "responding_ap_title", _string, "responding-AP-title"),
    (0xA5, "responding_ae_qualifier", _string, "responding-AE-qualifier"),
    (0xA6, "responding_ap_invocation_id", _integer, "responding-AP-invocation-id"),
    (0xA7, "responding_ae_invocation_id", _integer, "responding-AE-invocation-id"),
    (0x88, "responder_acse_requirements", _bits, "responder-acse-requirements"),
    (0x89, "mechanism", _mechanism, "mechanism-name"),
    (0xAA, "auth_value", _auth, "responding-authentication-value"),
    (0x9D, "implementation_information", _implicit, "implementation-information"),
    (0xBE, "user_information", _string, "user-information"),
)
_RLRQ = _rows(
    _Rlrq._fields,
    (0x80, "reason", _reason(_REQUEST_REASONS), "reason"),
    (0xBE, "user_information", _string, "user-information"),
)
_RLRE = _rows(
    _Rlre._fields,
    (0x80, "reason", _reason(_RESPONSE_REASONS), "reason"),
    (0xBE, "user_information", _string, "user-information"),
)


def _read(octets: bytes, rows: Mapping[int, _Row], fields: int, checked: bool) -> list[Any]:
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
            _check_user_information(values[field], offset - len(values[field]))
    return values


def _long_length(octets: bytes, offset: int, end: int) -> tuple[int, int]:
    """Read a length of several octets: as in A-XDR, where BER's indefinite form does not exist either."""
    if octets[offset] == 0x80:
        raise DecodeError("an indefinite length is not allowed", offset)
    return decode_length(octets, offset, end)


def _check_user_information(octets: bytes, offset: int) -> None:
    try:
        if octets[:1] and octets[0] not in _USER_INFORMATION_TAGS:
            raise unknown_choice(octets, 0, "initiate APDU")
        parse(octets)
    except DecodeError as error:
        raise error.within("user-information", offset) from None


def _missing(octets: bytes, name: str) -> DecodeError:
    return DecodeError("the element is missing", len(octets), (name,))


def _parse_aarq(octets: bytes, checked: bool) -> Parsed:
    values = _read(octets, _AARQ, len(_Aarq._fields), checked)
    if values[0] is None:
        raise _missing(octets, "application-context-name")
    values[4], values[3] = values[3] or (CHARSTRING, None)
    return parsed(None, _new(Aarq, values))


# The AARE of a meter with high level security: title of 8 octets, mechanism with its requirement, every length in its
# one-octet form. What differs in anything is read element by element by `_read`, which gives the same here too.
_USUAL_AARE_LAYOUT = Struct(">2B 10sB 4sB 6sB 4s8s 12sB 4B")
_USUAL_AARE_SIZE = _USUAL_AARE_LAYOUT.size
_unpack_usual_aare = _USUAL_AARE_LAYOUT.unpack_from
_USUAL_AARE = (
    0x61,
    _EXPLICIT_CONTEXT_HEAD,
    b"\xa2\x03\x02\x01",
    b"\xa3\x05\xa1\x03\x02\x01",
    b"\xa4\x0a\x04\x08",
    b"\x88\x02" + AUTHENTICATION + _MECHANISM_HEAD_OF_AARE,
    0xAA,
    CHARSTRING,
)


def _parse_usual_aare(octets: bytes, checked: bool) -> Parsed | None:
    size = len(octets)
    if not _USUAL_AARE_SIZE <= size < 0x82:
        return None
    (
        tag, length, context_head, context, result_head, result, diagnostic_head, diagnostic, title_head, title,
        mechanism_head, mechanism, auth_tag, outer, choice, inner,
    ) = _unpack_usual_aare(octets)  # fmt: skip
    heads = (tag, context_head, result_head, diagnostic_head, title_head, mechanism_head, auth_tag, choice)
    if heads != _USUAL_AARE or length != size - 2 or outer != inner + 2 or context > 0x7F or mechanism > 0x7F:
        return None
    offset = _USUAL_AARE_SIZE + inner
    start = offset + 4
    # No length here can be over 7F: all of it has less than 82 octets.
    if start > size or octets[offset : offset + 4] != bytes((0xBE, size - start + 2, OCTET_STRING, size - start)):
        return None
    user_information = octets[start:]
    if checked:
        _check_user_information(user_information, start)
    values = (
        context,
        _RESULTS[result],
        USER,
        _USER_DIAGNOSTICS[diagnostic],
        user_information,
        mechanism,
        octets[_USUAL_AARE_SIZE:offset],
        CHARSTRING,
        AUTHENTICATION,
        title,
        *_NOT_USUAL,
    )
    return _new(Parsed, (None, _new(Aare, values)))


_NOT_USUAL = (None,) * (len(_Aare._fields) - 10)


def _parse_aare(octets: bytes, checked: bool) -> Parsed:
    return _parse_usual_aare(octets, checked) or _parse_any_aare(octets, checked)


def _parse_any_aare(octets: bytes, checked: bool) -> Parsed:
    values = _read(octets, _AARE, len(_Aare._fields), checked)
    if values[0] is None:
        raise _missing(octets, "application-context-name")
    if values[1] is None:
        raise _missing(octets, "result")
    if values[3] is None:
        raise _missing(octets, "result-source-diagnostic")
    values[2], values[3] = values[3]
    values[7], values[6] = values[6] or (CHARSTRING, None)
    return parsed(None, _new(Aare, values))


def _parse_rlrq(octets: bytes, checked: bool) -> Parsed:
    return parsed(None, _new(Rlrq, _read(octets, _RLRQ, len(_Rlrq._fields), checked)))


def _parse_rlre(octets: bytes, checked: bool) -> Parsed:
    return parsed(None, _new(Rlre, _read(octets, _RLRE, len(_Rlre._fields), checked)))


PARSERS = {0x60: _parse_aarq, 0x61: _parse_aare, 0x62: _parse_rlrq, 0x63: _parse_rlre}
