"""InitiateRequest and InitiateResponse: what an association is for, inside AARQ and AARE (Green Book 9.4.4, 9.5)."""

from __future__ import annotations

from struct import Struct
from typing import ClassVar, NamedTuple

from cosem.apdu.base import Parsed
from cosem.apdu.fields import Apdu, octets_at, parsed, trailing, unknown_choice
from cosem.codec.axdr import encode_octets
from cosem.errors import DecodeError, EncodeError

DLMS_VERSION = 6
"""The only version of the protocol in use."""

VAA_NAME_LN = 0x0007
"""vaa-name of an association with logical name referencing."""

VAA_NAME_SN = 0xFA00
"""vaa-name of an association with short name referencing: the base name of its association object."""

MAX_CONFORMANCE = 0xFFFFFF

_new = tuple.__new__
_CONFORMANCE_HEAD = b"\x5f\x1f\x04\x00"
SHORT_CONFORMANCE_HEAD = b"\x5f\x04\x00"  # meters of before IEC 62056-53:2002 put [APPLICATION 31] in one octet
_pack_size = Struct(">H").pack
_pack_sizes = Struct(">HH").pack
_unpack_size = Struct(">H").unpack_from
_unpack_sizes = Struct(">HH").unpack_from


class _InitiateRequest(NamedTuple):
    conformance: int
    client_max_receive_pdu_size: int
    dedicated_key: bytes | None = None
    response_allowed: bool = True
    proposed_qos: int | None = None
    proposed_dlms_version: int = DLMS_VERSION


class InitiateRequest(Apdu, _InitiateRequest):
    """What the client proposes. A `client_max_receive_pdu_size` of 0 means without limit.

    `conformance` is the number of a `cosem.conformance_block.Conformance`. On receipt it stays a plain number: the
    enum keeps every combination it ever made, and which ones it makes would be the peer's choice.
    """

    __slots__ = ()
    service: ClassVar[str] = "initiate-request"
    tag: ClassVar[int] = 0x01

    def _octets(self, invoke: int | None) -> bytes:
        conformance, size, key, response_allowed, qos, version = self
        return b"".join(
            (
                b"\x01\x00" if key is None else b"\x01\x01" + encode_octets(key),
                b"\x00" if response_allowed else b"\x01\x00",
                _qos_octets(qos),
                bytes((version,)),
                _conformance_octets(conformance),
                _pack_size(size),
            )
        )

    def __repr__(self) -> str:
        key = "None" if self.dedicated_key is None else "..."
        return (
            f"InitiateRequest(conformance={self.conformance:#08x}, "
            f"client_max_receive_pdu_size={self.client_max_receive_pdu_size}, dedicated_key={key}, "
            f"response_allowed={self.response_allowed}, proposed_qos={self.proposed_qos}, "
            f"proposed_dlms_version={self.proposed_dlms_version})"
        )


class _InitiateResponse(NamedTuple):
    conformance: int
    server_max_receive_pdu_size: int
    vaa_name: int = VAA_NAME_LN
    negotiated_qos: int | None = None
    negotiated_dlms_version: int = DLMS_VERSION


class InitiateResponse(Apdu, _InitiateResponse):
    """What the server grants; `conformance` as in `InitiateRequest`."""

    __slots__ = ()
    service: ClassVar[str] = "initiate-response"
    tag: ClassVar[int] = 0x08

    def _octets(self, invoke: int | None) -> bytes:
        conformance, size, vaa_name, qos, version = self
        return b"".join(
            (
                b"\x08",
                _qos_octets(qos),
                bytes((version,)),
                _conformance_octets(conformance),
                _pack_sizes(size, vaa_name),
            )
        )


def _qos_octets(qos: int | None) -> bytes:
    return b"\x00" if qos is None else b"\x01" + qos.to_bytes(1, "big", signed=True)


def _conformance_octets(conformance: int) -> bytes:
    if not 0 <= conformance <= MAX_CONFORMANCE:
        raise EncodeError("the conformance block has 24 bits", ("conformance",))
    return _CONFORMANCE_HEAD + int(conformance).to_bytes(3, "big")


def _conformance_at(octets: bytes, offset: int) -> tuple[int, int]:
    """Read the conformance block: the one element of these APDUs that is BER, not A-XDR."""
    if octets.startswith(_CONFORMANCE_HEAD, offset):
        start = offset + 4
    elif octets.startswith(SHORT_CONFORMANCE_HEAD, offset):
        start = offset + 3
    else:
        raise DecodeError("no conformance block (5F 1F 04 00 and 3 octets)", offset, ("conformance",))
    end = start + 3
    if end > len(octets):
        raise DecodeError("the conformance block is cut short", len(octets), ("conformance",))
    return int.from_bytes(octets[start:end], "big"), end


def _qos_at(octets: bytes, offset: int) -> tuple[int | None, int]:
    if not _present(octets, offset, "quality-of-service"):
        return None, offset + 1
    value = octets[offset + 1]
    return value - 256 if value > 127 else value, offset + 2


def _present(octets: bytes, offset: int, name: str) -> bool:
    flag = octets[offset]
    if flag > 1:
        raise unknown_choice(octets, offset, "presence flag").within(name)
    return flag == 1


def _parse_request(octets: bytes, checked: bool) -> Parsed:
    key = None
    offset = 2
    if _present(octets, 1, "dedicated-key"):
        key, offset = octets_at(octets, 2, "dedicated-key")
    response_allowed = True
    if _present(octets, offset, "response-allowed"):
        offset += 1
        response_allowed = octets[offset] != 0
    qos, offset = _qos_at(octets, offset + 1)
    version = octets[offset]
    conformance, offset = _conformance_at(octets, offset + 1)
    (size,) = _unpack_size(octets, offset)
    if offset + 2 != len(octets):
        raise trailing(octets, offset + 2)
    return parsed(None, _new(InitiateRequest, (conformance, size, key, response_allowed, qos, version)))


_unpack_usual = Struct(">HB4s3sHH").unpack
_USUAL_SIZE = 14
"""Octets of an initiate response without quality of service, which is how all meters answer."""


def _parse_response(octets: bytes, checked: bool) -> Parsed:
    if len(octets) == _USUAL_SIZE:
        head, version, conformance_head, bits, size, vaa_name = _unpack_usual(octets)
        if head == 0x0800 and conformance_head == _CONFORMANCE_HEAD:
            values = (int.from_bytes(bits, "big"), size, vaa_name, None, version)
            return _new(Parsed, (None, _new(InitiateResponse, values)))
    qos, offset = _qos_at(octets, 1)
    version = octets[offset]
    conformance, offset = _conformance_at(octets, offset + 1)
    size, vaa_name = _unpack_sizes(octets, offset)
    if offset + 4 != len(octets):
        raise trailing(octets, offset + 4)
    return parsed(None, _new(InitiateResponse, (conformance, size, vaa_name, qos, version)))


PARSERS = {0x01: _parse_request, 0x08: _parse_response}
