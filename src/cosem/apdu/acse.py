"""AARQ, AARE, RLRQ, RLRE: the association control APDUs, in BER (Green Book 9.4.2 and 9.5, tags 60 to 63).

Fields follow the ASN.1. A context or mechanism is the last arc x of its object identifier 2.16.756.5.8.1.x or
2.16.756.5.8.2.x, or the content octets of the identifier where it is another one. Bit strings (protocol versions,
ACSE requirements) are their content octets, the number of unused bits first. User information is the initiate
APDU inside, plain or ciphered, as octets.
"""

from __future__ import annotations

from struct import Struct
from typing import ClassVar, NamedTuple

from cosem.apdu.acse_fields import (
    CHARSTRING,
    EXPLICIT_CONTEXT_HEAD,
    MECHANISM_HEAD,
    MECHANISM_HEAD_OF_AARE,
    REQUEST_REASONS,
    RESPONSE_REASONS,
    RESULTS,
    SOURCE_TAGS,
    USER,
    USER_DIAGNOSTICS,
    auth_octets,
    authentication_value,
    bits,
    check_user_information,
    code,
    context_name,
    context_octets,
    diagnostic,
    element_rows,
    implicit,
    integer,
    integer_octets,
    mechanism_name,
    mechanism_octets,
    missing,
    read_elements,
    reason_code,
    release_octets,
    string,
    string_octets,
)
from cosem.apdu.base import Parsed
from cosem.apdu.fields import Apdu, parsed
from cosem.codec.ber import OCTET_STRING, tlv
from cosem.errors import EncodeError
from cosem.results import (
    AcseServiceProvider,
    AcseServiceUser,
    AssociationResult,
    ReleaseRequestReason,
    ReleaseResponseReason,
)

LN, SN, LN_CIPHERED, SN_CIPHERED = 1, 2, 3, 4
"""Application contexts: referencing by logical or short name, without and with ciphering."""

AUTHENTICATION = b"\x07\x80"
"""ACSE requirements with the one functional unit there is; needed beside a mechanism name."""

_new = tuple.__new__


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
        parts = [context_octets(context)]
        if version is not None:
            parts.insert(0, tlv(0x80, version))
        if called_title is not None:
            parts.append(string_octets(0xA2, called_title))
        if called_qualifier is not None:
            parts.append(string_octets(0xA3, called_qualifier))
        if called_ap is not None:
            parts.append(integer_octets(0xA4, called_ap))
        if called_ae is not None:
            parts.append(integer_octets(0xA5, called_ae))
        if calling_title is not None:
            parts.append(string_octets(0xA6, calling_title))
        if calling_qualifier is not None:
            parts.append(string_octets(0xA7, calling_qualifier))
        if calling_ap is not None:
            parts.append(integer_octets(0xA8, calling_ap))
        if calling_ae is not None:
            parts.append(integer_octets(0xA9, calling_ae))
        if requirements is not None:
            parts.append(tlv(0x8A, requirements))
        if mechanism is not None:
            parts.append(mechanism_octets(0x8B, mechanism))
        if auth_value is not None:
            parts.append(auth_octets(0xAC, auth_choice, auth_value))
        if implementation is not None:
            parts.append(tlv(0x9D, implementation))
        if user_information is not None:
            parts.append(string_octets(0xBE, user_information))
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
    body = EXPLICIT_CONTEXT_HEAD + bytes((context,))
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
        body += MECHANISM_HEAD + bytes((mechanism,))
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
        if source not in SOURCE_TAGS:
            raise EncodeError(f"a diagnostic comes from the user or the provider, not {source!r}", ("diagnostic",))
        parts = [
            context_octets(context),
            integer_octets(0xA2, result),
            tlv(0xA3, integer_octets(SOURCE_TAGS[source], diagnostic)),
        ]
        if version is not None:
            parts.insert(0, tlv(0x80, version))
        if title is not None:
            parts.append(string_octets(0xA4, title))
        if qualifier is not None:
            parts.append(string_octets(0xA5, qualifier))
        if ap_invocation is not None:
            parts.append(integer_octets(0xA6, ap_invocation))
        if ae_invocation is not None:
            parts.append(integer_octets(0xA7, ae_invocation))
        if requirements is not None:
            parts.append(tlv(0x88, requirements))
        if mechanism is not None:
            parts.append(mechanism_octets(0x89, mechanism))
        if auth_value is not None:
            parts.append(auth_octets(0xAA, auth_choice, auth_value))
        if implementation is not None:
            parts.append(tlv(0x9D, implementation))
        if user_information is not None:
            parts.append(string_octets(0xBE, user_information))
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
        return release_octets(0x62, self.reason, self.user_information)

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
        return release_octets(0x63, self.reason, self.user_information)

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


# --- reading ---------------------------------------------------------------------------------------------------

_AARQ = element_rows(
    _Aarq._fields,
    (0x80, "protocol_version", bits, "protocol-version"),
    (0xA1, "context", context_name, "application-context-name"),
    (0xA2, "called_ap_title", string, "called-AP-title"),
    (0xA3, "called_ae_qualifier", string, "called-AE-qualifier"),
    (0xA4, "called_ap_invocation_id", integer, "called-AP-invocation-id"),
    (0xA5, "called_ae_invocation_id", integer, "called-AE-invocation-id"),
    (0xA6, "calling_ap_title", string, "calling-AP-title"),
    (0xA7, "calling_ae_qualifier", string, "calling-AE-qualifier"),
    (0xA8, "calling_ap_invocation_id", integer, "calling-AP-invocation-id"),
    (0xA9, "calling_ae_invocation_id", integer, "calling-AE-invocation-id"),
    (0x8A, "sender_acse_requirements", bits, "sender-acse-requirements"),
    (0x8B, "mechanism", mechanism_name, "mechanism-name"),
    (0xAC, "auth_value", authentication_value, "calling-authentication-value"),
    (0x9D, "implementation_information", implicit, "implementation-information"),
    (0xBE, "user_information", string, "user-information"),
)
_AARE = element_rows(
    _Aare._fields,
    (0x80, "protocol_version", bits, "protocol-version"),
    (0xA1, "context", context_name, "application-context-name"),
    (0xA2, "result", code(RESULTS), "result"),
    (0xA3, "diagnostic", diagnostic, "result-source-diagnostic"),
    (0xA4, "responding_ap_title", string, "responding-AP-title"),
    (0xA5, "responding_ae_qualifier", string, "responding-AE-qualifier"),
    (0xA6, "responding_ap_invocation_id", integer, "responding-AP-invocation-id"),
    (0xA7, "responding_ae_invocation_id", integer, "responding-AE-invocation-id"),
    (0x88, "responder_acse_requirements", bits, "responder-acse-requirements"),
    (0x89, "mechanism", mechanism_name, "mechanism-name"),
    (0xAA, "auth_value", authentication_value, "responding-authentication-value"),
    (0x9D, "implementation_information", implicit, "implementation-information"),
    (0xBE, "user_information", string, "user-information"),
)
_RLRQ = element_rows(
    _Rlrq._fields,
    (0x80, "reason", reason_code(REQUEST_REASONS), "reason"),
    (0xBE, "user_information", string, "user-information"),
)
_RLRE = element_rows(
    _Rlre._fields,
    (0x80, "reason", reason_code(RESPONSE_REASONS), "reason"),
    (0xBE, "user_information", string, "user-information"),
)


def _parse_aarq(octets: bytes, checked: bool) -> Parsed:
    values = read_elements(octets, _AARQ, len(_Aarq._fields), checked)
    if values[0] is None:
        raise missing(octets, "application-context-name")
    values[4], values[3] = values[3] or (CHARSTRING, None)
    return parsed(None, _new(Aarq, values))


# The AARE of a meter with high level security: title of 8 octets, mechanism with its requirement, every length in its
# one-octet form. What differs in anything is read element by element by `read_elements`, which gives the same here too.
_USUAL_AARE_LAYOUT = Struct(">2B 10sB 4sB 6sB 4s8s 12sB 4B")
_USUAL_AARE_SIZE = _USUAL_AARE_LAYOUT.size
_unpack_usual_aare = _USUAL_AARE_LAYOUT.unpack_from
_USUAL_AARE = (
    0x61,
    EXPLICIT_CONTEXT_HEAD,
    b"\xa2\x03\x02\x01",
    b"\xa3\x05\xa1\x03\x02\x01",
    b"\xa4\x0a\x04\x08",
    b"\x88\x02" + AUTHENTICATION + MECHANISM_HEAD_OF_AARE,
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
        check_user_information(user_information, start)
    values = (
        context,
        RESULTS[result],
        USER,
        USER_DIAGNOSTICS[diagnostic],
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
    values = read_elements(octets, _AARE, len(_Aare._fields), checked)
    if values[0] is None:
        raise missing(octets, "application-context-name")
    if values[1] is None:
        raise missing(octets, "result")
    if values[3] is None:
        raise missing(octets, "result-source-diagnostic")
    values[2], values[3] = values[3]
    values[7], values[6] = values[6] or (CHARSTRING, None)
    return parsed(None, _new(Aare, values))


def _parse_rlrq(octets: bytes, checked: bool) -> Parsed:
    return parsed(None, _new(Rlrq, read_elements(octets, _RLRQ, len(_Rlrq._fields), checked)))


def _parse_rlre(octets: bytes, checked: bool) -> Parsed:
    return parsed(None, _new(Rlre, read_elements(octets, _RLRE, len(_Rlre._fields), checked)))


PARSERS = {0x60: _parse_aarq, 0x61: _parse_aare, 0x62: _parse_rlrq, 0x63: _parse_rlre}
